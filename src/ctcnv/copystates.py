"""Copy states of a tumor genome as a hidden Markov chain, and the likelihood of a sample under it.

Along a chromosome the tumor keeps its copies, or draws them anew from a prior. The forward
algorithm sums over every path, so that no copy-number profile is chosen before the fraction is
known.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.evidence import Evidence, tail_scale2
from ctcnv.mixture import ratio_of
from ctcnv.model import FractionSettings

Array = NDArray[np.float64]

#: From a heavily rearranged genome to one with few events, around the typical decay; averaged. How
#: alike the copies of a genome are must not decide between its ploidies: the factors let every kind
#: of genome be either.
DECAY_FACTORS = (0.4, 1.5)
#: From a genome that is nearly all clonal to one half of whose events only a part of its cells has,
#: around the typical share; averaged.
SUBCLONAL_FACTORS = (1 / 3, 3.0)
#: Parts of a copy that such an event may leave between two whole numbers. How large the part is is
#: not known; with quarters only, other parts were better explained by a finer scale: more copies of
#: less tumor DNA.
PARTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
#: Fewer of them, for a likelihood that is made so wide that it cannot tell more apart.
COARSE_PARTS = (1 / 3, 2 / 3)
#: Copies up to which parts are kept: above they are rare, and the tail meets them.
SUBCLONAL_COPIES = 7
#: Copies that a region may have gained or lost before the genome was doubled.
EARLY = np.arange(-2.0, 8.0)
#: A kind of genome is not considered further from its mean ploidy than this many standard
#: deviations.
PLOIDY_RANGE = 3.0


@dataclass(frozen=True)
class Base:
    """The commonest copies of a genome, and whether what changed before is there twice."""

    copies: float
    doubled: bool


@dataclass(frozen=True)
class Kind:
    """A kind of tumor genome: near-haploid, near-diploid, or doubled.

    weight : its share of tumors; mean, sd : of the normal prior of its ploidy; bases : what its
    commonest copies may be, equally likely.
    """

    weight: float
    mean: float
    sd: float
    bases: tuple[Base, ...]

    def log_ploidy(self, ploidy: Array) -> Array:
        """Log density of the ploidy, times the share of the kind, (cells,); -inf too far away."""
        z = (ploidy - self.mean) / self.sd
        log = np.log(self.weight / self.sd) - 0.5 * z**2 - 0.5 * np.log(2 * np.pi)
        return np.where(np.abs(z) <= PLOIDY_RANGE, log, -np.inf)


def kinds(settings: FractionSettings) -> tuple[Kind, ...]:
    """The kinds of tumor genomes.

    Most of a near-diploid genome has two copies, of a near-haploid one one. After a doubling four
    are the commonest, or three where much was lost since. What was lost or gained before it may be
    there twice, or so much has changed since that no step tells what came before: genomes of three
    and of four copies that differ by single steps must be alike before, as they have the same
    ratios. Even steps around three copies are left out: they explain nothing but a diploid genome
    with subclones, at half its scale.
    """
    undoubled = 1 - settings.doubled_share - settings.haploid_share
    return (
        Kind(settings.haploid_share, 1.0, settings.ploidy_sd, (Base(1.0, False),)),
        Kind(undoubled, 2.0, settings.ploidy_sd, (Base(2.0, False),)),
        Kind(settings.doubled_share, settings.doubled_ploidy, settings.doubled_sd,
             (Base(3.0, False), Base(4.0, False), Base(4.0, True))),
    )  # fmt: skip


def state_prior(copies: Array, *, base: Array, decay: float, no_copy_weight: float) -> Array:
    """Prior of each whole number of copies, (cells, states):  t(C - base), see ``steps``.

    copies : (states,); base : (cells,) the commonest copies. No copy at all gets
    ``no_copy_weight``: no cell lives without both copies of a large region, whose genes it needs.
    """
    prior = steps(copies - base[:, None], decay)
    return np.asarray(prior * np.where(copies < 1, no_copy_weight, 1.0))


def steps(change: Array, decay: float) -> Array:
    """Prior of a change of the copies:  t(k) = tanh(d/2) * exp(-d*|k|), which sums to 1 over all
    whole numbers k, those below zero copies and above the highest state too: a profile must not
    gain from lying near the end of the range, or it would be taken for one of fewer copies."""
    return np.asarray(np.tanh(decay / 2) * np.exp(-decay * np.abs(change)))


def doubled_prior(copies: Array, *, base: float, decay: float, no_copy_weight: float) -> Array:
    """Prior of whole copies in a doubled genome, (states,):  sum over e of t(e) * t(C - base - 2e).

    What was gained or lost before the doubling, e, is there twice: a step of two copies is one
    event, and so is a step of one copy, after it.
    """
    late = copies[None, :] - base - 2 * EARLY[:, None]
    prior = np.sum(steps(EARLY[:, None], decay) * steps(late, decay), axis=0)
    return np.asarray(prior * np.where(copies < 1, no_copy_weight, 1.0))


def states(max_copies: int, parts: Sequence[float] = PARTS) -> Array:
    """Whole copies 0..max, then the parts between k and k + 1 for each k below
    ``SUBCLONAL_COPIES`` and the highest state."""
    whole = np.arange(max_copies + 1.0)
    below = whole[: min(SUBCLONAL_COPIES, max_copies)]
    return np.concatenate([whole, (below[:, None] + np.array(parts)).ravel()])


def with_subclones(prior: Array, *, base: float, share: float, parts: int = len(PARTS)) -> Array:
    """Prior of ``states`` from that of the whole copies 0..max.

    Every event, a step away from ``base``, is one that not all cells have with the chance
    ``share``. It then leaves a part of a copy: between k and k + 1 it is the event of the one that
    lies further from the base, and the parts share its weight.
    """
    whole = np.arange(len(prior))
    k = whole[: min(SUBCLONAL_COPIES, len(prior) - 1)]
    further = np.where(np.abs(k - base) > np.abs(k + 1 - base), k, k + 1)
    further[0] = 0  # less than one copy is as rare as none
    clonal = prior * np.where(whole == base, 1.0, 1 - share)
    return np.concatenate([clonal, np.repeat(share * prior[further] / parts, parts)])


@dataclass(frozen=True)
class Genomes:
    """Priors of ``states``, one for each sort of genome: (sorts, states), and the log weight of
    each sort at each ploidy, (sorts, cells)."""

    prior: Array
    log_weight: Array


def genomes(
    ploidy: Array, *, settings: FractionSettings, parts: Sequence[float] = PARTS
) -> Genomes:
    """Every sort of genome at these ploidies, (cells,): kind, commonest copies, how rearranged, how
    much of it subclonal.
    """
    priors: list[Array] = []
    log_weights: list[Array] = []
    for kind in kinds(settings):
        for base in kind.bases:
            sorts = [
                _prior_of(base, factor * settings.step_decay, part * settings.subclonal_share,
                          len(parts), settings=settings)
                for factor, part in itertools.product(DECAY_FACTORS, SUBCLONAL_FACTORS)
            ]  # fmt: skip
            priors += sorts
            log_weight = kind.log_ploidy(ploidy) - np.log(len(kind.bases) * len(sorts))
            log_weights += [log_weight] * len(sorts)
    return Genomes(np.stack(priors), np.stack(log_weights))


def _prior_of(
    base: Base, decay: float, share: float, parts: int, *, settings: FractionSettings
) -> Array:
    """Prior of ``states`` around a base, with a share of the events subclonal."""
    copies, rare = np.arange(settings.max_copies + 1.0), settings.no_copy_weight
    if base.doubled:
        whole = doubled_prior(copies, base=base.copies, decay=decay, no_copy_weight=rare)
    else:
        whole = state_prior(copies, base=np.array([base.copies]), decay=decay,
                            no_copy_weight=rare)[0]  # fmt: skip
    return with_subclones(whole, base=base.copies, share=share, parts=parts)


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
