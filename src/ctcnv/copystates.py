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


@dataclass(frozen=True)
class Chain:
    """The likelihood of the ratios of genomes of one library at several cells (fraction, ploidy).

    What the ratios do not change is computed once, and genomes go side by side: a thousand are
    simulated of a library. Emission is Student's t with an odd number df of degrees of freedom, so
    that its power h = (df + 1)/2 is a whole number:

        f = sqrt(df) * V^(h - 1/2) / (V + (r - mu)^2)^h,
        V = df * scale2 * inflation * (mu/E + mu^2 tau^2)

    level, prior : (cells, states), mu and how likely a state is drawn; spread, weight : (cells, n,
    states), V and sqrt(df) * V^(h - 1/2); change : (n,); none : (n,), V of the ratio 1.
    """

    level: Array
    prior: Array
    spread: Array
    weight: Array
    change: Array
    none: Array
    tail_df: int

    @classmethod
    def of(
        cls, seen: Evidence, level: Array, *, change: Array, prior: Array, tail_df: int
    ) -> Chain:
        """From a library, and of each cell the ratios and the prior of its states, (cells, states).

        The ratios of ``seen`` do not matter, nor does the level of a state without copies: stray
        fragments lie everywhere.
        """
        level = np.maximum(level, 0.01)
        mu = level[:, None, :]
        wide = tail_df * tail_scale2(tail_df) * seen.inflation
        spread = wide * mu * (seen.counting[:, None] + mu * seen.tau2[:, None])
        weight = np.sqrt(tail_df) * spread ** ((tail_df + 1) // 2 - 0.5)
        return cls(level, prior, spread, weight, change, wide * seen.variance(), tail_df)

    def log_likelihood(self, ratios: Array) -> Array:
        """Log likelihood at each cell minus that of no tumor, (genomes, cells); ratios (genomes,
        n)."""
        found = forward(np.ascontiguousarray(ratios.T), self.level, self.spread, self.weight,
                        self.change, self.prior, (self.tail_df + 1) // 2)  # fmt: skip
        return np.asarray(found.T - self.log_likelihood_of_none(ratios)[:, None])

    def log_likelihood_of_none(self, ratios: Array) -> Array:
        """Log likelihood when the ratio of every window is 1, (genomes,); ratios (genomes, n)."""
        q = np.log1p((ratios - 1) ** 2 / self.none).sum(axis=1)
        density = -0.5 * np.log(self.none / self.tail_df).sum()
        return np.asarray(density - (self.tail_df + 1) // 2 * q)


#: Sums are brought back to 1 beyond these, so that none becomes zero or infinite.
SMALL, LARGE = 1e-100, 1e100


@compiled
def forward(
    ratio: Array, level: Array, spread: Array, weight: Array, change: Array, prior: Array,
    half: int,
) -> Array:  # fmt: skip
    """Log likelihood summed over all paths, (cells, genomes); ratio : (n, genomes), the rest as in
    ``Chain``.

    Transition:  a'(s) = f(s) * ((1 - change)*a(s) + change*prior(s)*sum(a)).
    """
    n, m = ratio.shape
    n_cells, n_states = level.shape
    found = np.empty((n_cells, m))
    inverse, f, fresh = np.empty(m), np.empty(m), np.empty(m)
    for cell in range(n_cells):
        a = np.zeros((n_states, m))
        total, carried = np.ones(m), np.zeros(m)
        for w in range(n):
            r, stay, drawn = ratio[w], 1.0 - change[w], change[w]
            for i in range(m):
                fresh[i] = drawn * total[i]
                total[i] = 0.0
            for s in range(n_states):
                here, mu, p = a[s], level[cell, s], prior[cell, s]
                v, k = spread[cell, w, s], weight[cell, w, s]
                for i in range(m):
                    d = r[i] - mu
                    inverse[i] = 1.0 / (v + d * d)
                    f[i] = k * inverse[i]
                for _ in range(half - 1):
                    for i in range(m):
                        f[i] *= inverse[i]
                for i in range(m):
                    here[i] = (stay * here[i] + fresh[i] * p) * f[i]
                    total[i] += here[i]
            for i in range(m):
                if not SMALL < total[i] < LARGE:
                    carried[i] += np.log(total[i])
                    for s in range(n_states):
                        a[s, i] /= total[i]
                    total[i] = 1.0
        found[cell] = carried + np.log(total)
    return found
