"""Allele states of a mutation: what its reads say of tumor fraction and ploidy, and of itself.

A mutation on m of the C copies that a tumor cell has of its place is seen in plasma at

    V = T*m*f / (T*C + 2*(1-T)),    T = 2V / (m + 2V - C*V)  for f = 1

with T the tumor fraction and f the share of tumor cells that carry it. None of C, m and f is known
for certain, so that all of them are summed over: C by what the local ratio says of it for each pair
of T and ploidy, m and f by priors. A variant may also be none of the tumor (blood, artefact).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, gammaln, logsumexp

from ctcnv.copystates import state_prior
from ctcnv.mixture import MIN_FRACTION, copies_of, ratio_of
from ctcnv.model import FractionSettings, MutationsSettings
from ctcnv.robust import weighted_quantile

Array = NDArray[np.float64]

#: Copies and mutant copies of an amplicon, in the names of explanations: as the ratio says.
NAN = float("nan")

#: An allele fraction is kept this far from 0 and 1, or one read would exclude an explanation.
EDGE = 1e-6
#: Nodes of the allele fraction of a variant that is not of the tumor.
BACKGROUND_NODES = np.geomspace(MIN_FRACTION, 1 - EDGE, 1000)
#: Equal shares of the posterior of an allele fraction, at which it is carried through.
VAF_NODES = (np.arange(101) + 0.5) / 101
SHARE_QUANTILES = np.array([0.025, 0.5, 0.975])
#: Explanations below this share of the heaviest cell are left out of the averages.
NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Observed:
    """One variant that is used.

    alt, depth : reads as independent molecules (may be fractions); ratio, sd : plasma ratio of its
    place, NaN when not known.
    """

    alt: float
    depth: float
    ratio: float
    sd: float


@dataclass(frozen=True)
class Cells:
    """Pairs of fraction and ploidy with a weight, each (cells,); the weights sum to one."""

    fraction: Array
    ploidy: Array
    weight: Array


# Formulas --------------------------------------------------------------------------------------


def expected_vaf(
    fraction: Array | float, copies: Array | float, multiplicity: Array | float
) -> Array:
    """Allele fraction of a clonal mutation:  V = T*m / (T*C + 2*(1-T)); arguments broadcast."""
    return np.asarray(fraction * multiplicity / (fraction * copies + 2 * (1 - fraction)))


def fraction_of(vaf: Array | float, copies: Array | float, multiplicity: Array | float) -> Array:
    """The inverse:  T = 2V / (m + 2V - C*V); NaN where no fraction of 0 to 1 explains V.

    m=1, C=2: 2V;  m=1, C=1: 2V/(1+V);  m=2, C=2: V.
    """
    share = np.asarray(vaf, dtype=float)
    below = multiplicity + 2 * share - copies * share
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 2 * share / below
    return np.where((below > 0) & (found <= 1), found, np.nan)


def special_fraction(vaf: Array | float) -> Array:
    """T = 2V / (1 + V): a clonal mutation whose other allele is lost (m=1, C=1), the rule that is
    usual for the largest allele fraction of a plasma sample (implied by Siravegna 2019)."""
    share = np.asarray(vaf, dtype=float)
    return np.asarray(2 * share / (1 + share))


def molecules(alt: float, depth: float, *, limit: float) -> tuple[float, float]:
    """Reads as independent molecules:  N' = N*(s+1)/(N+s), alt' = alt*N'/N.

    The variance V*(1-V)/N' is that of a beta-binomial of N reads of concentration s = ``limit``,
    the genome equivalents that a tube of plasma holds: beyond, reads repeat molecules.
    """
    if depth <= 0:
        return 0.0, 0.0
    effective = depth * (limit + 1) / (depth + limit)
    return alt * effective / depth, effective


def vaf_interval(alt: float, depth: float) -> tuple[float, float]:
    """95 % interval of an allele fraction (Jeffreys: beta with 1/2 added); 0 or 1 at the edge."""
    low = float(betaincinv(alt + 0.5, depth - alt + 0.5, 0.025)) if alt > 0 else 0.0
    high = float(betaincinv(alt + 0.5, depth - alt + 0.5, 0.975)) if alt < depth else 1.0
    return low, high


def error_p(alt: float, depth: float, *, error_rate: float) -> float:
    """Chance of as many reads or more from sequencing errors alone:  P(X >= alt), binomial."""
    return 1.0 if alt <= 0 else float(betainc(alt, depth - alt + 1, error_rate))


# Likelihood --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explained:
    """Log likelihood of one variant by explanation, each (cells,), priors included.

    clonal : per pair of copies and mutant copies; in_part : of a part of the tumor cells, per
    copies; background : of no tumor, a number. Copies and mutant copies of NaN: more than
    ``max_copies``, as many as the ratio says.
    """

    clonal: dict[tuple[float, float], Array]
    in_part: dict[float, Array]
    background: float

    @property
    def subclonal(self) -> Array:
        """Of a part of the tumor cells, whatever the copies."""
        return np.asarray(logsumexp(np.array(list(self.in_part.values())), axis=0))

    def total(self) -> Array:
        """Sum over all explanations."""
        parts = [*self.clonal.values(), *self.in_part.values()]
        parts.append(np.full_like(parts[0], self.background))
        return np.asarray(logsumexp(np.array(parts), axis=0))


def explain(
    seen: Observed,
    fraction: Array,
    ploidy: Array,
    *,
    settings: MutationsSettings,
    fraction_settings: FractionSettings,
) -> Explained:
    """How likely a variant is at each cell (fraction, ploidy), by explanation.

    The copies C of its place are whole numbers 0..max_copies, and what the ratio says where that is
    more; their weight is  N(ratio; mu(C), sd) * state_prior(C), normalised for each cell.
    m = 1 has the prior ``single_copy``, m = 2..C share the rest. A subclonal mutation is on one
    copy of a uniform share of the tumor cells. One that is not of the tumor has a log-uniform
    allele fraction.
    """
    states = [float(c) for c in range(fraction_settings.max_copies + 1)]
    beyond = np.full_like(fraction, np.nan)
    if np.isfinite(seen.ratio):
        solved = np.round(copies_of(seen.ratio, fraction, ploidy))
        beyond = np.where(solved > fraction_settings.max_copies, solved, np.nan)
    copies = [*(np.full_like(fraction, c) for c in states), beyond]
    weights = _copies_weights(seen, copies, fraction, ploidy, settings=fraction_settings)
    log_clonal = np.log((1 - settings.background) * settings.clonal)
    log_part = np.log((1 - settings.background) * (1 - settings.clonal))
    # Whole copies leave ploidy no part in the allele fraction: fractions that many cells share are
    # looked at once.
    levels, at = np.unique(fraction, return_inverse=True)
    clonal: dict[tuple[float, float], Array] = {}
    in_part: dict[float, Array] = {}
    # A place that is lost altogether, the first state, carries no mutation.
    for c, weight in zip(states[1:], weights[1:-1], strict=True):
        for m in range(1, int(c) + 1):
            prior = _multiplicity_prior(m, c, settings.single_copy)
            reads = _log_binomial(seen, expected_vaf(levels, c, float(m)))
            clonal[c, float(m)] = log_clonal + np.log(prior) + weight + reads[at]
        reads = _log_binomial_between(seen, 0.0, expected_vaf(levels, c, 1.0))
        in_part[c] = log_part + weight + reads[at]
    one, all_of_them = (expected_vaf(fraction, beyond, m) for m in (1.0, beyond))
    log_clonal = log_clonal + weights[-1]
    clonal[NAN, 1.0] = log_clonal + np.log(settings.single_copy) + _log_binomial(seen, one)
    clonal[NAN, NAN] = (log_clonal + np.log(1 - settings.single_copy)
                        + _log_binomial_between(seen, one, all_of_them))  # fmt: skip
    in_part[NAN] = log_part + weights[-1] + _log_binomial_between(seen, 0.0, one)
    clonal = {key: _no_nan(value) for key, value in clonal.items()}
    in_part = {key: _no_nan(value) for key, value in in_part.items()}
    return Explained(clonal, in_part, log_background(seen, settings))


def _no_nan(values: Array) -> Array:
    return np.where(np.isnan(values), -np.inf, values)


def _copies_weights(
    seen: Observed, copies: Sequence[Array], fraction: Array, ploidy: Array, *,
    settings: FractionSettings,
) -> list[Array]:  # fmt: skip
    """Log weight of each copy state in each cell; they sum to one over the states. The last are the
    copies above the highest state."""
    states = np.arange(settings.max_copies + 1.0)
    of_states = state_prior(states, base=np.round(ploidy), decay=settings.step_decay,
                            no_copy_weight=settings.no_copy_weight)  # fmt: skip
    prior = np.log(of_states).T
    beyond = prior[-1] - settings.step_decay * (copies[-1] - settings.max_copies)
    logs = []
    for of_tumor, value in zip(copies, [*prior, beyond], strict=True):
        if np.isfinite(seen.ratio):
            away = (seen.ratio - ratio_of(of_tumor, fraction, ploidy)) / seen.sd
            value = value - away**2 / 2
        logs.append(_no_nan(value))
    total = logsumexp(np.array(logs), axis=0)
    return [value - total for value in logs]


def _multiplicity_prior(multiplicity: int, copies: float, single_copy: float) -> float:
    """Prior of m = 1, and of each of m = 2..C: all of it on 1 where there is one copy."""
    if copies == 1:
        return 1.0
    return single_copy if multiplicity == 1 else (1 - single_copy) / (copies - 1)


def _log_binomial(seen: Observed, vaf: Array) -> Array:
    """log P(alt | depth, V), alt and depth not necessarily whole."""
    share = np.clip(vaf, EDGE, 1 - EDGE)
    rest = seen.depth - seen.alt
    choose = gammaln(seen.depth + 1) - gammaln(seen.alt + 1) - gammaln(rest + 1)
    return np.asarray(choose + seen.alt * np.log(share) + rest * np.log1p(-share))


def _log_binomial_between(seen: Observed, low: Array | float, high: Array) -> Array:
    """log of the mean of P(alt | depth, V) over V uniform from low to high:

    (I_high - I_low)(alt+1, depth-alt+1) / ((depth+1) * (high-low)),  I incomplete beta functions.
    A low end given as a number is 0.
    """
    a, b = seen.alt + 1, seen.depth - seen.alt + 1
    mass = betainc(a, b, np.clip(high, 0.0, 1.0))
    if not np.isscalar(low):
        mass = mass - betainc(a, b, np.clip(low, 0.0, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(mass) - np.log(seen.depth + 1) - np.log(high - low))


def log_background(seen: Observed, settings: MutationsSettings) -> float:
    """log of the prior times the mean of P(alt | depth, V) over V log-uniform."""
    mean = logsumexp(_log_binomial(seen, BACKGROUND_NODES)) - np.log(len(BACKGROUND_NODES))
    return float(np.log(settings.background) + mean)


def log_likelihood(
    seen: Sequence[Observed],
    fraction: Array,
    ploidy: Array,
    *,
    settings: MutationsSettings,
    fraction_settings: FractionSettings,
) -> Array:
    """log P(all variants | fraction, ploidy), (cells,): the sum over variants of the log of the sum
    over their explanations."""
    total = np.zeros_like(fraction)
    for one in seen:
        total += explain(one, fraction, ploidy, settings=settings,
                         fraction_settings=fraction_settings).total()  # fmt: skip
    return total


def allele_state(
    seen: Observed,
    posterior: Cells,
    *,
    settings: MutationsSettings,
    fraction_settings: FractionSettings,
) -> dict[str, float]:
    """Copies and mutant copies that are most probable if the variant is clonal, the probability
    that it is (against a part of the tumor cells, and none), and its cancer-cell fraction with
    interval, over the cells of the posterior.

    Mutant copies are NaN in an amplicon where more than one, and how many is not known.
    """
    parts = explain(seen, posterior.fraction, posterior.ploidy, settings=settings,
                    fraction_settings=fraction_settings)  # fmt: skip
    total = parts.total()
    weight = {key: float(np.sum(posterior.weight * np.exp(value - total)))
              for key, value in parts.clonal.items()}  # fmt: skip
    copies, multiplicity = max(weight, key=lambda key: weight[key])
    if np.isnan(copies):
        solved = np.round(copies_of(seen.ratio, posterior.fraction, posterior.ploidy))
        copies = float(weighted_quantile(solved, posterior.weight, np.array([0.5]))[0])
    low, middle, high = cell_share(seen, posterior, parts)
    return {"copies": float(copies), "multiplicity": float(multiplicity),
            "p_clonal": float(min(1.0, sum(weight.values()))), "ccf": float(middle),
            "ccf_low": float(low), "ccf_high": float(high)}  # fmt: skip


def cell_share(seen: Observed, posterior: Cells, parts: Explained) -> Array:
    """Low, median and high of the share of tumor cells that carry a variant, given that it is of
    the tumor; NaN when it has more reads than the posterior's fractions explain.

    f = V*(T*C + 2*(1-T)) / (T*m), averaged over the posterior of T, the beta posterior of V
    (Jeffreys) and, within each cell, the copies C and mutant copies m as far as they explain the
    reads; a part of the cells carries it on one copy. The cells keep their weights: what the
    variant says of T is in them already. Above 1 it is measured too high, and is given as 1.
    """
    logs = dict(parts.clonal)
    for c, value in parts.in_part.items():
        logs[c, 1.0] = np.logaddexp(logs[c, 1.0], value)
    total = logsumexp(np.array(list(logs.values())), axis=0)
    ends = (seen.alt + 0.5, seen.depth - seen.alt + 0.5)
    vaf = betaincinv(*ends, VAF_NODES)[None, :]
    shares, weights = [], []
    for (c, m), value in logs.items():
        weight = posterior.weight * np.exp(value - total)
        keep = weight > NEGLIGIBLE * posterior.weight.max()
        if not keep.any():
            continue
        fraction = posterior.fraction[keep][:, None]
        copies = np.full_like(fraction, c)
        if np.isnan(c):
            copies = copies_of(seen.ratio, fraction, posterior.ploidy[keep][:, None])
        mutant = vaf * (fraction * copies + 2 * (1 - fraction)) / fraction
        # On an unknown number of copies of an amplicon: in all cells when that is one or more.
        share = np.minimum(mutant, 1.0) if np.isnan(m) else mutant / m
        shares.append(share.ravel())
        weights.append(np.repeat(weight[keep], vaf.size))
    found = weighted_quantile(np.concatenate(shares), np.concatenate(weights), SHARE_QUANTILES)
    return np.full(3, np.nan) if found[0] > 1 else np.minimum(found, 1.0)
