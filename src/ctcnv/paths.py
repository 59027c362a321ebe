"""The sum over all copy-number paths through the blocks of a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ctcnv.blocks import LOWEST_RATIO, Blocks, cubic
from ctcnv.compiled import compiled
from ctcnv.copystates import genomes, states
from ctcnv.mixture import ratio_of
from ctcnv.model import FractionSettings

Array = NDArray[np.float64]

#: A block in which no state is this likely, relative to its best level, weighs as if all were: one
#: artefact must not make every tumor impossible.
LEAST = 1e-250
LOG_LEAST = float(np.log(LEAST))
#: Smallest prior of a state that counts, so that no sum is zero.
LEAST_PRIOR = 1e-50


def log_evidence(
    seen: Blocks, fraction: Array, ploidy: Array, *, settings: FractionSettings, rough: bool = False
) -> Array:
    """Log of likelihood times prior of the ploidy, relative to no tumor, (cells,).

    Summed over the sorts of genomes (``copystates.genomes``, also for ``rough``).
    """
    sorts = genomes(ploidy, settings=settings, rough=rough)
    copies = states(settings.max_copies)
    ratio = ratio_of(copies[None, :], fraction[:, None], ploidy[:, None])
    place = (np.sqrt(np.maximum(ratio, LOWEST_RATIO)) - seen.origin) / seen.step
    each = forward(seen.change, seen.log_density, place, sorts.prior,
                   np.isfinite(sorts.log_weight))  # fmt: skip
    return np.asarray(logsumexp(each + sorts.log_weight, axis=0) - seen.log_of_none())


@compiled
def forward(
    change: Array, log_density: Array, place: Array, prior: Array, possible: NDArray[np.bool_]
) -> Array:
    """Log likelihood of each cell under each prior, (priors, cells); -inf where it is not possible.

    place : (cells, states) where the level of a state lies in the table ``log_density``, (blocks,
    levels); prior : (priors, states); possible : (priors, cells).
    Transition from block to block:  a'(s) = f(s) * ((1 - change)*a(s) + change*prior(s)).
    """
    n_priors, n_states = prior.shape
    n_cells = len(place)
    total = np.full((n_priors, n_cells), -np.inf)
    # states beyond the last fill the last group of four: prior 0, density 0
    width = (n_states + 3) // 4 * 4
    fresh = np.zeros((n_priors, width))
    fresh[:, :n_states] = prior
    a = np.zeros((n_priors, width))
    scale = np.ones(n_priors)
    density = np.zeros(width)
    for cell in range(n_cells):
        for k in range(n_priors):
            if possible[k, cell]:
                total[k, cell] = 0.0
        for b in range(len(change)):
            best = 0.0
            for s in range(n_states):
                log = cubic(log_density[b], place[cell, s])
                density[s] = np.exp(log) if log > LOG_LEAST else 0.0
                best = max(best, density[s])
            if best < LEAST:
                density[:n_states] = LEAST
            for k in range(n_priors):
                if not possible[k, cell]:
                    continue
                stay, anew = (1.0 - change[b]) * scale[k], change[b]
                if b == 0:
                    stay, anew = 0.0, 1.0
                # four sums side by side: one alone would wait for each addition
                n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
                for g in range(0, width, 4):
                    a0 = (stay * a[k, g] + anew * fresh[k, g]) * density[g]
                    a1 = (stay * a[k, g + 1] + anew * fresh[k, g + 1]) * density[g + 1]
                    a2 = (stay * a[k, g + 2] + anew * fresh[k, g + 2]) * density[g + 2]
                    a3 = (stay * a[k, g + 3] + anew * fresh[k, g + 3]) * density[g + 3]
                    a[k, g], a[k, g + 1], a[k, g + 2], a[k, g + 3] = a0, a1, a2, a3
                    n0 += a0
                    n1 += a1
                    n2 += a2
                    n3 += a3
                norm = max((n0 + n1) + (n2 + n3), LEAST * LEAST_PRIOR)
                scale[k] = 1.0 / norm
                total[k, cell] += np.log(norm)
    return total
