"""Statistics of a cohort by the methods of scipy and statsmodels: rates, survival, hazard, ROC.

Nothing here is a method of its own. Each function takes plain arrays without unknown values; where
a number cannot be had it is NaN and ``note`` says why, so that a reader never takes "could not be
computed" for "no effect".
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.stats.contingency import odds_ratio
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight, survdiff
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Labels = NDArray[np.object_]

NAN = math.nan
#: One patient has no spread: a comparison needs two in each group.
MIN_GROUP = 2
#: A logarithm of a hazard ratio or its standard error beyond this (22,000 times) is no estimate but
#: a model that has run away, because one group has all the events.
RUNAWAY = 10.0


@dataclass(frozen=True)
class Rate:
    """A share of patients with its exact 95 % interval; NaN of no patients."""

    k: int
    n: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and p-value; NaN where there is none, and then why.

    ``ph_p`` : of a hazard ratio, the p-value of proportional hazards.
    """

    value: float = NAN
    low: float = NAN
    high: float = NAN
    p_value: float = NAN
    note: str = ""
    ph_p: float = NAN


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve: time 0 with all alive, then each time of an event; (m,) each."""

    time: Array
    alive: Array
    low: Array
    high: Array
    censored: Array


def rate(k: int, n: int) -> Rate:
    """``k`` of ``n`` patients with the interval of Clopper and Pearson (1934).

    Raises ValueError when k is not between 0 and n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} patients; expected a count between 0 and {n}")
    if n == 0:
        return Rate(k, n, NAN, NAN, NAN)
    low, high = proportion_confint(k, n, alpha=0.05, method="beta")
    # statsmodels gives NaN for the bound that is the edge
    return Rate(k, n, k / n, 0.0 if k == 0 else float(low), 1.0 if k == n else float(high))


def odds(outcome: Mask, group: Mask, strata: Labels | None = None) -> tuple[Estimate, str]:
    """Odds ratio of an outcome in a group against the rest, and the method's name.

    Without strata Fisher's exact test with the conditional odds ratio; with strata that of Mantel
    and Haenszel with the test of Cochran, Mantel and Haenszel. Strata in which all patients have
    one outcome or are of one group say nothing and are left out.
    """
    labels = np.full(len(outcome), "", dtype=object) if strata is None else strata
    tables = []
    for label in sorted(set(labels.tolist())):
        inside = labels == label
        table = np.array([
            [np.sum(inside & of & (outcome == value)) for value in (True, False)]
            for of in (group, ~group)
        ])  # fmt: skip
        if (table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all():
            tables.append(table)
    method = "Fisher exact" if strata is None else "Cochran-Mantel-Haenszel"
    if not tables:
        return Estimate(note="all patients have one outcome or are of one group"), method
    if len(tables) == 1:
        method = "Fisher exact"
        found = odds_ratio(tables[0])
        interval = found.confidence_interval(0.95)
        return _finite(Estimate(
            float(found.statistic), float(interval.low), float(interval.high),
            float(stats.fisher_exact(tables[0]).pvalue),
        )), method  # fmt: skip
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pooled = StratifiedTable(tables)
        low, high = pooled.oddsratio_pooled_confint()
        found_cmh = Estimate(
            float(pooled.oddsratio_pooled), float(low), float(high),
            float(pooled.test_null_odds(correction=False).pvalue),
        )  # fmt: skip
    return _finite(found_cmh), method


def _finite(found: Estimate) -> Estimate:
    """An estimate whose infinite or undefined parts are NaN, with the reason."""
    value, low, high = (
        number if math.isfinite(number) else NAN for number in (found.value, found.low, found.high)
    )
    note = found.note
    if math.isnan(value):
        note = "a group has no patient with, or none without, the outcome"
    return Estimate(value, low, high, found.p_value, note)


def survival(time: Array, event: Mask) -> tuple[Curve, Estimate]:
    """The curve of Kaplan and Meier and its median; an upper bound that is not reached is NaN.

    The interval of the median is that of Brookmeyer and Crowley on the log(-log) scale.
    """
    if len(time) == 0:
        empty = np.empty(0)
        return Curve(empty, empty, empty, empty, empty), Estimate(note="no patients")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = SurvfuncRight(time, event.astype(float))
        median = float(found.quantile(0.5))
        low, high = (float(bound) for bound in found.quantile_ci(0.5))
        alive = stats.ecdf(stats.CensoredData(uncensored=time[event], right=time[~event])).sf
        band: Any = alive.confidence_interval(0.95, method="log-log")
    curve = Curve(
        np.concatenate([[0.0], alive.quantiles]), np.concatenate([[1.0], alive.probabilities]),
        np.concatenate([[NAN], band.low.probabilities]),
        np.concatenate([[NAN], band.high.probabilities]), np.sort(time[~event]),
    )  # fmt: skip
    middle, least, most = (v if math.isfinite(v) else NAN for v in (median, low, high))
    note = "" if math.isfinite(middle) else "the median is not reached"
    return curve, Estimate(middle, least, most, note=note)


def log_rank(time: Array, event: Mask, group: Labels, strata: Labels | None = None) -> Estimate:
    """The log-rank test of two or more groups, within strata where they are given."""
    sizes = [int(np.sum(group == label)) for label in set(group.tolist())]
    if len(sizes) < 2 or min(sizes) < MIN_GROUP:
        return Estimate(note=f"fewer than two groups of {MIN_GROUP} patients")
    if not event.any():
        return Estimate(note="no events")
    codes = np.unique(group.astype(str), return_inverse=True)[1]
    within = None if strata is None else np.unique(strata.astype(str), return_inverse=True)[1]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _, p_value = survdiff(time, event.astype(float), codes, strata=within)
        except np.linalg.LinAlgError:
            p_value = NAN
    if not math.isfinite(float(p_value)):
        return Estimate(note="no time at which more than one group is at risk")
    return Estimate(p_value=float(p_value))


def hazard(
    time: Array, event: Mask, terms: Array, strata: Labels | None = None, *, events_per_term: float,
    proportional_p: float,
) -> list[Estimate]:  # fmt: skip
    """Hazard ratios of Cox's model, one per column of ``terms`` (n, m), ties by Efron.

    With fewer events per term than asked for, the estimate is given and the note warns. So it does
    where the hazards are not proportional at ``proportional_p``: the ratio is then an average over
    time.
    """
    m = terms.shape[1]

    def none(note: str) -> list[Estimate]:
        return [Estimate(note=note)] * m

    if len(time) < MIN_GROUP or not event.any():
        return none("no events" if len(time) >= MIN_GROUP else "fewer than two patients")
    if np.linalg.matrix_rank(terms - terms.mean(axis=0)) < m:
        return none("the patients do not differ in this, or in one term only together with another")
    within = None if strata is None else np.unique(strata.astype(str), return_inverse=True)[1]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = PHReg(time, terms, status=event.astype(float), ties="efron", strata=within).fit(
                disp=0
            )
        except (np.linalg.LinAlgError, ValueError):
            return none("the model could not be fitted")
        bounds = fit.conf_int()
        proportional = proportional_hazards(fit.schoenfeld_residuals, fit.cov_params(), time)
    per_term = event.sum() / m
    note = "" if per_term >= events_per_term else (
        f"{per_term:.1f} events per term, fewer than {events_per_term:g}: not to be relied on"
    )  # fmt: skip
    found = []
    for index in range(m):
        value, error = float(fit.params[index]), float(fit.bse[index])
        if not (math.isfinite(value) and 0 < error < RUNAWAY and abs(value) < RUNAWAY):
            found.append(Estimate(note="the model has no finite solution: all events, or none, "
                                  "lie on one side"))  # fmt: skip
            continue
        low, high = (float(bound) for bound in bounds[index])
        doubt = f"hazards are not proportional (p {proportional[index]:.2g}): an average over time"
        notes = [*([note] if note else []),
                 *([doubt] if proportional[index] < proportional_p else [])]  # fmt: skip
        found.append(Estimate(
            math.exp(value), math.exp(low), math.exp(high), float(fit.pvalues[index]),
            "; ".join(notes), float(proportional[index]),
        ))  # fmt: skip
    return found


#: Fewest events at which a trend of residuals over time means anything.
MIN_TREND = 5


def proportional_hazards(residuals: Array, covariance: Array, time: Array) -> Array:
    """P-values of proportional hazards, (m,): correlation of the scaled residuals of Schoenfeld
    with the rank of time among the events (Grambsch and Therneau 1994).

    residuals : (n, m), NaN of those without an event; NaN where there are too few events.
    """
    of_event = np.isfinite(residuals).all(axis=1)
    m = residuals.shape[1]
    if of_event.sum() < MIN_TREND:
        return np.full(m, NAN)
    scaled = residuals[of_event] @ covariance
    rank = stats.rankdata(time[of_event])
    if np.ptp(rank) == 0:
        return np.full(m, NAN)
    return np.array([
        stats.pearsonr(rank, column).pvalue if np.ptp(column) > 0 else NAN for column in scaled.T
    ])  # fmt: skip


def area(positive: Array, negative: Array, axis: int = -1) -> Array:
    """Share of pairs in which the positive one has the higher score, a tie being half: the AUC."""
    found = stats.mannwhitneyu(positive, negative, axis=axis, method="asymptotic")
    return np.asarray(found.statistic / (positive.shape[axis] * negative.shape[axis]))


def auc(score: Array, outcome: Mask, *, resamples: int, rng: np.random.Generator) -> Estimate:
    """Area under the ROC curve with a bootstrap interval (percentiles, within the two outcomes).

    The p-value is that of Mann and Whitney. Where the scores separate the outcomes without an
    exception, every bootstrap sample does too and there is no interval.
    """
    positive, negative = score[outcome], score[~outcome]
    if min(len(positive), len(negative)) < MIN_GROUP:
        return Estimate(note=f"fewer than {MIN_GROUP} patients with, or without, a response")
    value = float(area(positive, negative))
    p_value = float(stats.mannwhitneyu(positive, negative).pvalue)
    if value in (0.0, 1.0):
        return Estimate(value, p_value=p_value, note="separated without exception: the interval "
                        "is not known")  # fmt: skip
    interval = stats.bootstrap(
        (positive, negative), area, n_resamples=resamples, method="percentile", vectorized=True,
        rng=rng,
    ).confidence_interval  # fmt: skip
    return Estimate(value, float(interval.low), float(interval.high), p_value)


def roc(score: Array, outcome: Mask) -> tuple[Array, Array]:
    """The ROC curve from (0, 0) to (1, 1): shares of false and of true positives per threshold."""
    cuts = np.concatenate([[np.inf], np.unique(score)[::-1]])
    false = [float(np.mean(score[~outcome] >= cut)) for cut in cuts]
    true = [float(np.mean(score[outcome] >= cut)) for cut in cuts]
    return np.array(false), np.array(true)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm's method; NaN stay and do not count."""
    known = [i for i, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [NAN] * len(p_values)
    if known:
        for i, value in zip(
            known, multipletests([p_values[i] for i in known], method="holm")[1], strict=True
        ):
            adjusted[i] = float(value)
    return adjusted
