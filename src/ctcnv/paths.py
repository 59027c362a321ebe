"""The sum over all copy-number paths through the blocks of a sample, chromosome by chromosome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctcnv.blocks import LOWEST_RATIO, Blocks, cubic
from ctcnv.compiled import compiled
from ctcnv.copystates import genomes, states
from ctcnv.mixture import ratio_of
from ctcnv.model import FractionSettings

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A block in which no state is this likely, relative to its best level, weighs as if all were: one
#: artefact must not make every tumor impossible.
LOG_LEAST = float(np.log(1e-250))
#: A state this much less likely than the best one in a block is out of the sum: nothing is lost, as
#: drawing the copies anew twice costs far less.
LOG_NOTHING = -45.0
#: A sum is brought back to 1 below this, so that none becomes zero.
SMALL = 1e-100


def log_evidence(
    seen: Blocks, fraction: Array, ploidy: Array, *, share: Array, settings: FractionSettings
) -> Array:
    """Log of likelihood times prior of the ploidy, relative to no tumor, (draws, cells).

    fraction, ploidy : (cells,). share : (draws, chromosomes) how often each chromosome counts; with
    ones the log evidence is that of the sample. Summed over the sorts k of genomes
    (``copystates.genomes``), each with its weight w and what chromosome c says of it:

        log sum over k of w_k * exp(sum over c of share_c * (l_kc - l_c of no tumor))
    """
    sorts = genomes(ploidy, settings=settings)
    copies = states(settings.max_copies)
    ratio = ratio_of(copies[None, :], fraction[:, None], ploidy[:, None])
    place = (np.sqrt(np.maximum(ratio, LOWEST_RATIO)) - seen.origin) / seen.step
    return np.asarray(_log_sums(seen.change, seen.chrom, seen.log_density, place,
                                np.ascontiguousarray(sorts.prior.T), sorts.log_weight,
                                seen.log_of_none(), share))  # fmt: skip


@compiled
def _log_sums(
    change: Array, chrom: Ints, log_density: Array, place: Array, prior: Array, log_weight: Array,
    none: Array, share: Array,
) -> Array:  # fmt: skip
    """See ``log_evidence``; none : (chromosomes,)."""
    n_sorts, n_cells = log_weight.shape
    found = np.full((len(share), n_cells), -np.inf)
    log = np.empty(n_sorts)
    for cell in range(n_cells):
        if log_weight[:, cell].max() == -np.inf:
            continue
        each = forward(change, chrom, log_density, place[cell], prior)
        for draw in range(len(share)):
            for k in range(n_sorts):
                log[k] = log_weight[k, cell]
                for c in range(len(none)):
                    log[k] += share[draw, c] * (each[k, c] - none[c])
            best = log.max()
            found[draw, cell] = best + np.log(np.exp(log - best).sum())
    return found


@compiled
def forward(
    change: Array, chrom: Ints, log_density: Array, place: Array, prior: Array
) -> Array:  # fmt: skip
    """Log likelihood of each chromosome under each prior, (priors, chromosomes).

    chrom : (blocks,) number of the chromosome, rising from 0; place : (states,) where the level of
    a state lies in the table ``log_density``, (blocks, levels); prior : (states, priors).
    Transition from block to block:  a'(s) = f(s) * ((1 - change)*a(s) + change*prior(s)*sum(a)),
    where f is relative to the best state; a chromosome begins with a = prior * f.
    """
    n_states, n_priors = prior.shape
    n_blocks = len(change)
    found = np.empty((n_priors, chrom[-1] + 1))
    a = np.zeros((n_states, n_priors))
    total, fresh, carried = np.ones(n_priors), np.ones(n_priors), np.zeros(n_priors)
    density = np.empty(n_states)
    shared = 0.0
    for b in range(n_blocks):
        for s in range(n_states):
            density[s] = cubic(log_density[b], place[s])
        best = max(density.max(), LOG_LEAST)
        for s in range(n_states):
            below = density[s] - best
            density[s] = np.exp(below) if below > LOG_NOTHING else 0.0
        if density.max() == 0.0:
            density[:] = 1.0
        stay = 1.0 - change[b]
        if b == 0 or chrom[b] != chrom[b - 1]:
            stay, shared = 0.0, 0.0
            carried[:] = 0.0
            fresh[:] = 1.0
        else:
            for k in range(n_priors):
                fresh[k] = change[b] * total[k]
        shared += best
        total[:] = 0.0
        for s in range(n_states):
            if density[s] == 0.0:
                a[s] = 0.0
                continue
            kept = stay * density[s]
            # side by side over the priors: no sum waits for the one before
            for k in range(n_priors):
                here = kept * a[s, k] + fresh[k] * (density[s] * prior[s, k])
                a[s, k] = here
                total[k] += here
        for k in range(n_priors):
            if total[k] < SMALL:
                carried[k] += np.log(total[k])
                for s in range(n_states):
                    a[s, k] /= total[k]
                total[k] = 1.0
        if b + 1 == n_blocks or chrom[b + 1] != chrom[b]:
            for k in range(n_priors):
                found[k, chrom[b]] = np.log(total[k]) + carried[k] + shared
    return found
