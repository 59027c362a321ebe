"""The sum over all copy-number paths through the blocks of a sample, chromosome by chromosome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctcnv.blocks import LOWEST_RATIO, Blocks, cubic
from ctcnv.compiled import compiled, compiled_sums
from ctcnv.copystates import PARTS, genomes, states
from ctcnv.mixture import ratio_of
from ctcnv.model import FractionSettings

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: No state is less likely than this relative to the best one of its block: nothing is gained by it,
#: as drawing the copies anew twice costs far less, and no number comes near the smallest there is.
LOG_NOTHING = -60.0
#: A block in which no state is this likely, relative to its best level, weighs as if all were: one
#: artefact must not make every tumor impossible.
LOG_LEAST = float(np.log(1e-250))
#: A sum is brought back to 1 below this, so that none becomes zero.
SMALL = 1e-100
#: Cells that are summed at a time, so that their densities stay in the processor's cache.
BATCH = 32
#: Sorts of genomes that are summed side by side.
LANES = 4
#: exp() of less is none, and slow.
LOG_SMALLEST = -700.0


def log_evidence(
    seen: Blocks, fraction: Array, ploidy: Array, *, share: Array, settings: FractionSettings,
    parts: Sequence[float] = PARTS,
) -> Array:  # fmt: skip
    """Log of likelihood times prior of the ploidy, relative to no tumor, (draws, cells).

    fraction, ploidy : (cells,), or one for all. share : (draws, chromosomes) how often each
    chromosome counts; with ones the log evidence is that of the sample. parts : of a copy, as for
    ``states``. Summed over the sorts k of genomes (``copystates.genomes``), each with its weight w
    and what chromosome c says of it:

        log sum over k of w_k * exp(sum over c of share_c * (l_kc - l_c of no tumor))
    """
    # The compiled loops look at each cell of both and do not see where one of them ends.
    fraction, ploidy = np.broadcast_arrays(fraction, ploidy)
    sorts = genomes(ploidy, settings=settings, parts=parts)
    copies = states(settings.max_copies, parts)
    ratio = ratio_of(copies[None, :], fraction[:, None], ploidy[:, None])
    place = (np.sqrt(np.maximum(ratio, LOWEST_RATIO)) - seen.origin) / seen.step
    none, weighs = seen.log_of_none(), np.ascontiguousarray(share.T)
    prior = _in_lanes(sorts.prior)
    found = np.empty((len(share), len(fraction)))
    for begin in range(0, len(fraction), BATCH):
        cells = slice(begin, begin + BATCH)
        density, best = densities(seen.log_density, place[cells])
        log_weight = np.ascontiguousarray(sorts.log_weight[:, cells].T)
        each = forward(seen.change, seen.chrom, density, best, prior, log_weight > -np.inf)
        found[:, cells] = _summed(_shared(each - none, log_weight, weighs)).T
    return found


def densities(table: Array, place: Array) -> tuple[Array, Array]:
    """Likelihood of each state in each block relative to that of the best one, (cells, states,
    blocks), and the log likelihood of the best one, (cells, blocks).

    table : (levels, blocks) log likelihood; place : (cells, states) where the level of a state lies
    in the table.
    """
    log, best = _log_densities(table, place)
    return np.exp(log, out=log), best


@compiled
def _log_densities(table: Array, place: Array) -> tuple[Array, Array]:
    n_cells, n_states = place.shape
    n_blocks = table.shape[1]
    log = np.empty((n_cells, n_states, n_blocks))
    best = np.full((n_cells, n_blocks), LOG_LEAST - LOG_NOTHING)
    for cell in range(n_cells):
        highest = best[cell]
        for s in range(n_states):
            here = log[cell, s]
            cubic(table, place[cell, s], here)
            for b in range(n_blocks):
                highest[b] = max(highest[b], here[b])
        for s in range(n_states):
            here = log[cell, s]
            for b in range(n_blocks):
                here[b] = max(here[b] - highest[b], LOG_NOTHING)
    return log, best


def _in_lanes(prior: Array) -> Array:
    """Priors (sorts, states) in groups of ``LANES``, (groups, lanes, states): zeros at the end."""
    groups = -(-len(prior) // LANES)
    made = np.zeros((groups * LANES, prior.shape[1]))
    made[: len(prior)] = prior
    return made.reshape(groups, LANES, -1)


@compiled_sums
def forward(
    change: Array, chrom: Ints, density: Array, best: Array, prior: Array, possible: Bools
) -> Array:  # fmt: skip
    """Log likelihood of each chromosome under each prior, (cells, priors, chromosomes).

    chrom : (blocks,) number of the chromosome, rising from 0; density, best : as from
    ``densities``; prior : (groups, lanes, states); possible : (cells, priors), the others are -inf
    and cost no time where all of their group are.
    Transition from block to block:  a'(s) = f(s) * ((1 - change)*a(s) + change*prior(s)*sum(a)),
    where f is relative to the best state; a chromosome begins with a = prior * f.
    """
    n_cells, n_states, n_blocks = density.shape
    n_priors = possible.shape[1]
    found = np.full((n_cells, n_priors, chrom[-1] + 1), -np.inf)
    a = np.empty((LANES, n_states))
    total, fresh, carried = np.ones(LANES), np.ones(LANES), np.zeros(LANES)
    for cell in range(n_cells):
        # block by block as the sum needs them
        here = np.ascontiguousarray(density[cell].T)
        for group in range(len(prior)):
            begin = group * LANES
            end = min(begin + LANES, n_priors)
            if not possible[cell, begin:end].any():
                continue
            p = prior[group]
            shared = 0.0
            a[:] = 0.0
            for b in range(n_blocks):
                f = here[b]
                stay = 1.0 - change[b]
                if b == 0 or chrom[b] != chrom[b - 1]:
                    stay, shared = 0.0, 0.0
                    carried[:] = 0.0
                    fresh[:] = 1.0
                else:
                    for k in range(LANES):
                        fresh[k] = change[b] * total[k]
                shared += best[cell, b]
                fresh0, fresh1, fresh2, fresh3 = fresh[0], fresh[1], fresh[2], fresh[3]
                total0, total1, total2, total3 = 0.0, 0.0, 0.0, 0.0
                # the lanes written out: in a loop over them the compiler does not see that states
                # can go side by side
                for s in range(n_states):
                    a0 = (stay * a[0, s] + fresh0 * p[0, s]) * f[s]
                    a1 = (stay * a[1, s] + fresh1 * p[1, s]) * f[s]
                    a2 = (stay * a[2, s] + fresh2 * p[2, s]) * f[s]
                    a3 = (stay * a[3, s] + fresh3 * p[3, s]) * f[s]
                    a[0, s], a[1, s], a[2, s], a[3, s] = a0, a1, a2, a3
                    total0 += a0
                    total1 += a1
                    total2 += a2
                    total3 += a3
                total[0], total[1], total[2], total[3] = total0, total1, total2, total3
                last = b + 1 == n_blocks or chrom[b + 1] != chrom[b]
                for k in range(end - begin):
                    if total[k] < SMALL:
                        carried[k] += np.log(total[k])
                        for s in range(n_states):
                            a[k, s] /= total[k]
                        total[k] = 1.0
                    if last and possible[cell, begin + k]:
                        found[cell, begin + k, chrom[b]] = np.log(total[k]) + carried[k] + shared
    return found


@compiled
def _shared(each: Array, log_weight: Array, share: Array) -> Array:
    """log_weight + sum over c of share_c * each_c, (cells, sorts, draws), for each (cells, sorts,
    chromosomes), log_weight (cells, sorts) and share (chromosomes, draws)."""
    n_cells, n_sorts, n_chromosomes = each.shape
    n_draws = share.shape[1]
    found = np.empty((n_cells, n_sorts, n_draws))
    for cell in range(n_cells):
        for k in range(n_sorts):
            log = found[cell, k]
            log[:] = log_weight[cell, k]
            if log_weight[cell, k] == -np.inf:
                continue
            for c in range(n_chromosomes):
                for draw in range(n_draws):
                    log[draw] += share[c, draw] * each[cell, k, c]
    return found


def _summed(log: Array) -> Array:
    """Log of the sum of exp over the sorts, (cells, draws), for (cells, sorts, draws)."""
    best = log.max(axis=1)
    with np.errstate(invalid="ignore"):  # -inf beside nothing else stays so
        below = np.maximum(log - best[:, None, :], LOG_SMALLEST)
    return np.where(best > -np.inf, best + np.log(np.exp(below).sum(axis=1)), -np.inf)
