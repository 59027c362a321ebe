"""Copy states of a tumor genome as a hidden Markov chain, and the likelihood of a sample under it.

Along a chromosome the tumor keeps its copies, or draws them anew from a prior. The forward
algorithm sums over every path, so that no copy-number profile is chosen before the fraction is
known.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ctcnv.compiled import compiled
from ctcnv.evidence import Evidence, tail_scale2
from ctcnv.mixture import ratio_of
from ctcnv.model import FractionSettings

Array = NDArray[np.float64]

#: Parts of a copy that a subclonal event may leave between two whole numbers.
PARTS = (0.25, 0.5, 0.75)
#: Copies above which no subclonal states are kept: they are rare there, and the tail meets them.
SUBCLONAL_COPIES = 6
#: From a heavily rearranged genome to one with few events, around the typical decay; averaged. How
#: alike the copies of a genome are must not decide between its ploidies: the factors let every kind
#: of genome be either.
DECAY_FACTORS = (0.3, 1.0, 2.0)
#: A kind of genome is not considered further from its mean ploidy than this many standard
#: deviations.
PLOIDY_RANGE = 3.0


@dataclass(frozen=True)
class Kind:
    """A kind of tumor genome: near-diploid, or doubled.

    weight : its share of tumors; mean, sd : of the normal prior of its ploidy; base : the commonest
    copies, None for the whole numbers next to the ploidy.
    """

    weight: float
    mean: float
    sd: float
    base: float | None

    def log_ploidy(self, ploidy: Array) -> Array:
        """Log density of the ploidy, times the share of the kind, (cells,)."""
        z = (ploidy - self.mean) / self.sd
        return np.asarray(np.log(self.weight / self.sd) - 0.5 * z**2 - 0.5 * np.log(2 * np.pi))

    def bases(self, ploidy: Array) -> list[Array]:
        """What the commonest copies in a genome of this ploidy may be, each (cells,)."""
        if self.base is None:
            return [np.floor(ploidy), np.ceil(ploidy)]
        return [np.full_like(ploidy, self.base)]


def kinds(settings: FractionSettings) -> tuple[Kind, ...]:
    """The kinds of tumor genomes.

    Most of a near-diploid genome has two copies. What is the commonest after a doubling, three
    copies or four, differs between tumors and is left to the ploidy.
    """
    return (
        Kind(1 - settings.doubled_share, 2.0, settings.ploidy_sd, 2.0),
        Kind(settings.doubled_share, settings.doubled_ploidy, settings.doubled_sd, None),
    )


def copy_states(max_copies: int, *, subclonal: bool) -> Array:
    """Whole copies 0..max and, for ``subclonal`` events, ``PARTS`` between those up to
    ``SUBCLONAL_COPIES``; increasing."""
    whole = np.arange(max_copies + 1, dtype=float)
    if not subclonal:
        return whole
    return np.unique(
        np.concatenate(
            [whole, *(whole[: min(max_copies, SUBCLONAL_COPIES)] + part for part in PARTS)]
        )
    )


def state_prior(
    copies: Array, *, base: Array, decay: float, subclonal_weight: float, no_copy_weight: float
) -> Array:
    """Prior of each state, (cells, states):  exp(-decay * |C - base|) / sum for whole copies.

    base : (cells,) the commonest copies, whole numbers. A part of a copy is an event of the whole
    copies next to it, further from the base, that not all cells have: it gets their prior times
    ``subclonal_weight``, shared among the parts. Less than one copy gets ``no_copy_weight``: no
    cell lives without both copies of a large region, whose genes it needs. The sum is over all
    whole numbers and parts, also those below zero and above the highest state: a profile must not
    gain from lying near the end of the range, or it would be taken for one of fewer copies.
    """
    below, above = np.floor(copies), np.ceil(copies)
    whole = below == above
    middle = base[:, None]
    event = np.maximum(np.abs(below - middle), np.abs(above - middle))
    weight = np.exp(-decay * event)
    weight *= np.where(whole, 1.0, subclonal_weight / len(PARTS))
    weight *= np.where(copies < 1, no_copy_weight, 1.0)
    # sum of exp(-d*k) over whole numbers k > 0, on both sides; each brings its parts
    one_side = 1 / np.expm1(decay)
    return np.asarray(weight / (1 + 2 * one_side * (1 + subclonal_weight)))


def changes(seen: Evidence, *, breakpoints: float, centromere: float) -> Array:
    """Chance that the copies are drawn anew at each window, (n,): 1 at the start of a chromosome,
    ``centromere`` at that of an arm, else so that the genome has ``breakpoints`` of them."""
    each = min(0.5, breakpoints / len(seen.ratio))
    change = np.full(len(seen.ratio), each)
    change[seen.arm] = max(centromere, each)
    change[seen.first] = 1.0
    return change


@compiled
def forward(
    ratio: Array, counting: Array, tau2: Array, change: Array, inflation: float, level: Array,
    prior: Array, tail_df: int, scale2: float,
) -> Array:  # fmt: skip
    """Log likelihood of each cell under each prior, (priors, cells), up to a shared constant.

    level : (cells, states) ratio of each state; prior : (priors, cells, states).  Emission is
    Student's t with an odd number of degrees of freedom, so that its power is a whole number:
    f = v^-1/2 * (1 + (r - mu)^2 / (df * v))^-((df + 1) / 2),
    v = scale2 * inflation * (mu/E + mu^2 tau^2).
    Transition:  a'(s) = f(s) * ((1 - change)*a(s) + change*prior(s)), scaled at every window.
    A prior of zeros has the likelihood zero, -inf, and costs no time.
    """
    n_priors, n_cells, n_states = prior.shape
    n = len(ratio)
    half = (tail_df + 1) // 2
    total = np.zeros((n_priors, n_cells))
    # states beyond the last fill the last group of four: prior 0, any level
    width = (n_states + 3) // 4 * 4
    fresh_prior = np.zeros((n_priors, width))
    mu = np.ones(width)
    a = np.zeros((n_priors, width))
    scale = np.ones(n_priors)
    possible = np.ones(n_priors, dtype=np.bool_)
    emission = np.empty(width)
    x = np.empty(width)
    for cell in range(n_cells):
        for s in range(n_states):
            mu[s] = max(level[cell, s], 0.01)
            fresh_prior[:, s] = prior[:, cell, s]
        for k in range(n_priors):
            possible[k] = fresh_prior[k].max() > 0.0
            if not possible[k]:
                total[k, cell] = -np.inf
        for w in range(n):
            r = ratio[w]
            one = tail_df * scale2 * inflation * counting[w]
            two = tail_df * scale2 * inflation * tau2[w]
            # with V = df*v and d = r - mu:  f = sqrt(df) * V^-1/2 * (V / (V + d^2))^half
            for s in range(width):
                v = mu[s] * (one + mu[s] * two)
                d = r - mu[s]
                inverse = 1.0 / (v + d * d)
                x[s] = v * inverse
                emission[s] = np.sqrt(v) * inverse
            for _ in range(half - 1):
                for s in range(width):
                    emission[s] *= x[s]
            for k in range(n_priors):
                if not possible[k]:
                    continue
                stay, fresh = (1.0 - change[w]) * scale[k], change[w]
                # four sums side by side: one alone would wait for each addition
                n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
                for g in range(0, width, 4):
                    a0 = (stay * a[k, g] + fresh * fresh_prior[k, g]) * emission[g]
                    a1 = (stay * a[k, g + 1] + fresh * fresh_prior[k, g + 1]) * emission[g + 1]
                    a2 = (stay * a[k, g + 2] + fresh * fresh_prior[k, g + 2]) * emission[g + 2]
                    a3 = (stay * a[k, g + 3] + fresh * fresh_prior[k, g + 3]) * emission[g + 3]
                    a[k, g], a[k, g + 1], a[k, g + 2], a[k, g + 3] = a0, a1, a2, a3
                    n0 += a0
                    n1 += a1
                    n2 += a2
                    n3 += a3
                norm = (n0 + n1) + (n2 + n3)
                scale[k] = 1.0 / norm
                total[k, cell] += np.log(norm)
    total += 0.5 * n * np.log(tail_df)
    return total


def log_likelihoods(
    seen: Evidence, fraction: Array, ploidy: Array, *, change: Array, copies: Array, prior: Array,
    tail_df: int,
) -> Array:  # fmt: skip
    """Log likelihood of cells (fraction, ploidy), each (cells,), minus that of no tumor.

    prior : (priors, cells, states); returns (priors, cells).
    """
    level = ratio_of(copies[None, :], fraction[:, None], ploidy[:, None])
    each = forward(seen.ratio, seen.counting, seen.tau2, change, seen.inflation, level, prior,
                   tail_df, tail_scale2(tail_df))  # fmt: skip
    return np.asarray(each - log_likelihood_of_none(seen, tail_df=tail_df))


def log_likelihood_of_none(seen: Evidence, *, tail_df: int) -> float:
    """Log likelihood when every window has the ratio 1, up to the same constant."""
    v = tail_scale2(tail_df) * seen.inflation * seen.variance()
    q = 1 + (seen.ratio - 1) ** 2 / (tail_df * v)
    return float(np.sum(-0.5 * np.log(v) - (tail_df + 1) // 2 * np.log(q)))


def log_evidence(
    seen: Evidence, fraction: Array, ploidy: Array, *, settings: FractionSettings
) -> Array:
    """Log of likelihood times prior of the ploidy, relative to no tumor, (cells,).

    Summed over the kinds of tumor genomes, and averaged over how rearranged they are.
    """
    copies = copy_states(settings.max_copies, subclonal=True)
    change = changes(seen, breakpoints=settings.breakpoints,
                     centromere=settings.centromere_change)  # fmt: skip
    # kinds that share a base at a cell share its likelihood: their weights are added in one place
    weight_of: list[tuple[Array, Array]] = []
    for kind in kinds(settings):
        near = np.abs(ploidy - kind.mean) <= PLOIDY_RANGE * kind.sd
        bases = kind.bases(ploidy)
        log_weight = np.where(near, kind.log_ploidy(ploidy) - np.log(len(bases)), -np.inf)
        for base in bases:
            left = log_weight.copy()
            for known, total in weight_of:
                same = known == base
                total[same] = np.logaddexp(total[same], left[same])
                left = np.where(same, -np.inf, left)
            weight_of.append((base, left))
    priors, log_weights = [], []
    for (base, log_weight), factor in itertools.product(weight_of, DECAY_FACTORS):
        prior = state_prior(copies, base=base, decay=factor * settings.step_decay,
                            subclonal_weight=settings.subclonal_weight,
                            no_copy_weight=settings.no_copy_weight)  # fmt: skip
        priors.append(np.where(np.isfinite(log_weight)[:, None], prior, 0.0))
        log_weights.append(log_weight - np.log(len(DECAY_FACTORS)))
    each = log_likelihoods(seen, fraction, ploidy, change=change, copies=copies,
                           prior=np.stack(priors), tail_df=settings.tail_df)  # fmt: skip
    return np.asarray(logsumexp(each + np.stack(log_weights), axis=0))
