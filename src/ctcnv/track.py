"""Change from baseline over the time points of a patient.

One tumor, one profile: the sample with the clearest profile is the template, and the tumor
fraction of every other time point is a one-parameter fit of its ratios on that template. With
x = ratio - 1 of the template's segments and y = ratio - 1 of the sample's windows the slope

    beta = sum(w x y) / sum(w x^2)  =  k_t / k_1,   k = T / (T*P + 2*(1-T))

carries the fraction T_t = 2*k_t / (1 - k_t*(P-2)) through the template's whole posterior of (T, P).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ctcnv.dispersion import Dispersion
from ctcnv.fraction import ratio_of
from ctcnv.model import TrackSettings
from ctcnv.normalize import Windows, windows
from ctcnv.robust import weighted_quantile
from ctcnv.schema import TRACK, is_autosome
from ctcnv.segment import Z95

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

#: Windows on which a sample is fitted to the template; fewer than segments would lose events,
#: many more would add nothing.
FIT_WINDOWS = 600
#: A segment above this many copies is an amplicon: it may change on its own and would carry all
#: the weight, so that it takes no part in the fit.
MAX_COPIES = 8.0
#: The template's events must exceed their own noise by this factor for a slope to mean anything.
MIN_SIGNAL = 4.0
#: Normal quantiles that stand for the uncertainty of a slope.
NODES = ndtri((np.arange(41) + 0.5) / 41)
#: Posterior cells of the template below this share of the largest are left out.
CELL_FLOOR = 1e-3
QUANTILES = np.array([0.025, 0.5, 0.975])
#: One-sided level at which a slope above zero is called present.
PRESENT_P = 0.01


@dataclass(frozen=True)
class TimePoint:
    """The tables of one sample; ``fraction`` and ``erbb2`` are rows as mappings."""

    sample: str
    day: int
    fraction: dict[str, object]
    erbb2: dict[str, object]
    profile: pd.DataFrame
    segments: pd.DataFrame
    grid: pd.DataFrame
    dispersion: Dispersion


@dataclass(frozen=True)
class Slope:
    """Slope of a sample on the template: estimate, standard error, p-value against none."""

    beta: float
    se: float
    p_value: float


@dataclass(frozen=True)
class Template:
    """The clearest profile: deviation of each segment, its variance, and the posterior cells."""

    sample: str
    segments: pd.DataFrame
    fraction: Array
    ploidy: Array
    weight: Array


def track(points: Sequence[TimePoint], *, settings: TrackSettings) -> pd.DataFrame:
    """The TRACK table of one patient, sorted by day.

    Raises ValueError when there is no time point or a sample is given twice.
    """
    if not points:
        raise ValueError("a patient without samples cannot be tracked")
    names = [point.sample for point in points]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"sample {twice[0]!r} is given twice")
    ordered = sorted(points, key=lambda point: (point.day, point.sample))
    base = baseline(ordered)
    template = choose_template(ordered)
    slopes = [slope(point, template) for point in ordered]
    of_base = slopes[ordered.index(base)]
    rows = [
        _row(point, found, base, of_base, template, settings=settings)
        for point, found in zip(ordered, slopes, strict=True)
    ]
    return pd.DataFrame(rows, columns=TRACK.names)


def baseline(ordered: Sequence[TimePoint]) -> TimePoint:
    """The last sample at or before day 0 that could be analysed; without one the first sample
    stands in, and is named."""
    before = [point for point in ordered if point.day <= 0]
    usable = [point for point in before if point.fraction["status"] != "failed"]
    if before:
        return (usable or before)[-1]
    log.warning("no sample at or before day 0: %s of day %d stands in as baseline",
                ordered[0].sample, ordered[0].day)  # fmt: skip
    return ordered[0]


def choose_template(points: Sequence[TimePoint]) -> Template | None:
    """The detected sample of the highest tumor fraction; None when no sample is detected."""
    detected = [point for point in points if point.fraction["status"] == "detected"]
    if not detected:
        return None
    best = max(detected, key=lambda point: float(str(point.fraction["fraction"])))
    weight = best.grid["probability"].to_numpy(dtype=float)
    keep = weight > CELL_FLOOR * weight.max()
    return Template(
        best.sample,
        best.segments,
        best.grid["fraction"].to_numpy(dtype=float)[keep],
        best.grid["ploidy"].to_numpy(dtype=float)[keep],
        weight[keep],
    )


# The informed estimate -------------------------------------------------------------------------


def slope(point: TimePoint, template: Template | None) -> Slope | None:
    """Slope of a sample's windows on the template's segments; None when it says nothing."""
    if template is None or point.fraction["status"] == "failed":
        return None
    if point.sample == template.sample:
        return Slope(1.0, 0.0, 0.0)
    n_atoms = len(windows(point.profile, atoms=1).ratio)
    summed = windows(point.profile, atoms=max(1, n_atoms // FIT_WINDOWS))
    x, x_variance = template_deviation(summed, template)
    use = np.isfinite(x)
    variance = np.asarray(point.dispersion.variance(summed.expected, summed.atoms))
    return fit_slope(
        x[use], x_variance[use], summed.ratio[use] - 1, variance[use], summed.chrom[use],
        wave=_waves(summed, point.dispersion)[use],
    )  # fmt: skip


def template_deviation(summed: Windows, template: Template) -> tuple[Array, Array]:
    """Template ratio minus one, and its variance, at the middle of each window; NaN where the
    template has no segment or an amplicon."""
    middle = (summed.start + summed.end) // 2
    x = np.full(len(middle), np.nan)
    variance = np.full(len(middle), np.nan)
    best = int(np.argmax(template.weight))
    limit = float(ratio_of(MAX_COPIES, template.fraction[best], template.ploidy[best]))
    table = template.segments[is_autosome(template.segments["chrom"])]
    for segment in table.to_dict("records"):
        inside = (
            (summed.chrom == segment["chrom"])
            & (middle >= segment["start"])
            & (middle < segment["end"])
        )
        if segment["ratio"] > limit:
            continue
        x[inside] = segment["ratio"] - 1
        variance[inside] = ((segment["high"] - segment["ratio"]) / Z95) ** 2
    return x, variance


def _waves(summed: Windows, dispersion: Dispersion) -> Array:
    """Variance that the windows of a chromosome share, from regions of a chromosome's size."""
    _, code = np.unique(summed.chrom, return_inverse=True)
    atoms = np.bincount(code, weights=summed.atoms)
    return np.asarray(dispersion.at(atoms)[code] ** 2)


def fit_slope(
    x: Array, x_variance: Array, y: Array, variance: Array, chrom: NDArray[np.object_], *,
    wave: Array,
) -> Slope | None:  # fmt: skip
    """Weighted slope of y on x with its standard error, all (n,); None without signal in x.

    Noise in x would pull the slope towards zero: the sum of squares is reduced by what noise adds
    to it. The standard error is the larger of two: the one that counting noise and the waves shared
    by a chromosome predict, and a jackknife that leaves out one chromosome at a time.
    """
    if len(x) == 0:
        return None
    weight = 1 / variance
    by_chrom = pd.factorize(chrom)[0]
    n = int(by_chrom.max()) + 1

    def sums(values: Array) -> Array:
        return np.asarray(np.bincount(by_chrom, weights=values, minlength=n), dtype=float)

    xy, xx, noise = sums(weight * x * y), sums(weight * x * x), sums(weight * x_variance)
    # windows of one segment share its error, so that its noise counts like its signal
    signal = float(xx.sum() - noise.sum())
    if not signal > 0 or float(xx.sum()) < MIN_SIGNAL * float(noise.sum()) or n < 3:
        return None
    beta = float(xy.sum()) / signal
    left_out = (xy.sum() - xy) / (xx.sum() - xx - noise.sum() + noise)
    jackknife = float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))
    shared = sums(weight * x) ** 2 * sums(wave) / np.maximum(sums(np.ones_like(wave)), 1)
    predicted = float(np.sqrt(xx.sum() + shared.sum()) / signal)
    null_se = max(predicted, 1e-12)
    return Slope(beta, max(jackknife, predicted), float(ndtr(-beta / null_se)))


def informed_fraction(found: Slope, template: Template) -> tuple[Array, Array]:
    """Fractions and weights over the template's cells and the uncertainty of the slope.

    (cells, nodes) each;  k = beta * T/(T*P + 2*(1-T)),  T_t = 2k / (1 - k*(P-2)), between 0 and 1.
    """
    k1 = template.fraction / (template.fraction * template.ploidy + 2 * (1 - template.fraction))
    beta = np.maximum(found.beta + found.se * NODES, 0.0)
    k = k1[:, None] * beta[None, :]
    value = 2 * k / np.maximum(1 - k * (template.ploidy[:, None] - 2), 1e-9)
    weight = np.broadcast_to(template.weight[:, None] / len(NODES), value.shape)
    return np.clip(value, 0.0, 1.0), weight


def fraction_ratio(found: Slope, of_base: Slope, template: Template) -> Array:
    """Low, median and high of the fraction over that of the baseline, from the joint posterior."""
    now, weight = informed_fraction(found, template)
    then, _ = informed_fraction(of_base, template)
    ratio = now[:, :, None] / np.maximum(then[:, None, :], 1e-9)
    joint = np.broadcast_to(weight[:, :, None] / len(NODES), ratio.shape)
    return weighted_quantile(ratio.ravel(), joint.ravel(), QUANTILES)


# Rows ------------------------------------------------------------------------------------------


def _row(
    point: TimePoint,
    found: Slope | None,
    base: TimePoint,
    of_base: Slope | None,
    template: Template | None,
    *,
    settings: TrackSettings,
) -> dict[str, object]:
    is_base = point.sample == base.sample
    informed = np.full(3, np.nan)
    ratio = np.full(3, np.nan)
    if found is not None and template is not None:
        values, weight = informed_fraction(found, template)
        informed = weighted_quantile(values.ravel(), weight.ravel(), QUANTILES)
        if of_base is not None and of_base.p_value <= PRESENT_P and not is_base:
            ratio = fraction_ratio(found, of_base, template)
    erbb2 = np.full(3, np.nan) if is_base else erbb2_ratio(point.erbb2, base.erbb2)
    row: dict[str, object] = {
        "sample": point.sample, "day": point.day, "baseline": is_base,
        "status": point.fraction["status"],
        "fraction": point.fraction["fraction"], "fraction_low": point.fraction["low"],
        "fraction_high": point.fraction["high"], "lod": point.fraction["lod"],
        "informed": informed[1], "informed_low": informed[0], "informed_high": informed[2],
        "informed_p": float("nan") if found is None else found.p_value,
        "ratio": ratio[1], "ratio_low": ratio[0], "ratio_high": ratio[2],
        "erbb2_call": point.erbb2["call"],
        **{f"erbb2_{key}": point.erbb2[key]
           for key in ("pcn", "pcn_low", "pcn_high", "copies", "copies_low", "copies_high")},
        "erbb2_ratio": erbb2[1], "erbb2_ratio_low": erbb2[0], "erbb2_ratio_high": erbb2[2],
    }  # fmt: skip
    if is_base:
        return row | {"change": "baseline", "erbb2_change": "baseline",
                      "reason": _baseline_reason(base)}  # fmt: skip
    change, why = classify(ratio, of="tumor fraction", settings=settings,
                           unknown=_why_unknown(point, found, of_base, template))  # fmt: skip
    erbb2_change, erbb2_why = classify(erbb2, of="ERBB2 excess copies", settings=settings,
                                       unknown=_why_no_erbb2(point, base))  # fmt: skip
    return row | {"change": change, "erbb2_change": erbb2_change, "reason": f"{why}; {erbb2_why}"}


def _baseline_reason(base: TimePoint) -> str:
    return "baseline" if base.day <= 0 else "stands in as baseline: no sample at or before day 0"


def _why_unknown(
    point: TimePoint, found: Slope | None, of_base: Slope | None, template: Template | None
) -> str:
    if point.fraction["status"] == "failed":
        return "this sample failed"
    if template is None:
        return "no time point has a detectable tumor fraction"
    if of_base is None or found is None:
        return "the profiles cannot be compared"
    return "no tumor was seen at baseline"


def _why_no_erbb2(point: TimePoint, base: TimePoint) -> str:
    if point.erbb2["call"] == "failed":
        return "this sample failed"
    if base.erbb2["call"] == "failed":
        return "the baseline failed"
    return "ERBB2 was not raised at baseline"


def classify(ratio: Array, *, of: str, unknown: str, settings: TrackSettings) -> tuple[str, str]:
    """The change of a ratio (low, median, high) in one word and in words.

    stable : the interval lies within 1 -+ no_change (as a ratio, 1 - x to 1 / (1 - x)); decrease,
    increase : it lies below, above 1; not_evaluable : it does not exclude either.
    """
    low, middle, high = (float(value) for value in ratio)
    if not np.isfinite(middle):
        return "not_evaluable", f"{of}: not evaluable, {unknown}"
    shown = f"{middle:.2f} of baseline (95 % interval {low:.2f} to {high:.2f})"
    if low >= 1 - settings.no_change and high <= 1 / (1 - settings.no_change):
        return "stable", f"{of}: {shown}, within the no-change zone"
    if high < 1:
        if low <= 0.01:
            at_least = min(99, int(100 * (1 - high)))
            return "decrease", f"{of}: {shown}, a fall of at least {at_least} %"
        return "decrease", f"{of}: {shown}"
    if low > 1:
        return "increase", f"{of}: {shown}"
    return "not_evaluable", f"{of}: {shown}, too wide to tell a change"


def erbb2_ratio(now: dict[str, object], then: dict[str, object]) -> Array:
    """Low, median and high of (pCN_t - 2) / (pCN_0 - 2); NaN unless ERBB2 was raised at baseline.

    It needs no tumor fraction. A negative excess counts as none.
    """
    if then["call"] not in ("amplified", "gained") or now["call"] == "failed":
        return np.full(3, np.nan)
    excess_now = np.maximum(_pcn_nodes(now) - 2, 0.0)
    excess_then = _pcn_nodes(then) - 2
    if np.quantile(excess_then, 0.025) <= 0:
        return np.full(3, np.nan)
    ratio = excess_now[:, None] / np.maximum(excess_then[None, :], 1e-9)
    return np.asarray(np.quantile(ratio, QUANTILES))


def _pcn_nodes(gene: dict[str, object]) -> Array:
    middle, high = float(str(gene["pcn"])), float(str(gene["pcn_high"]))
    return np.asarray(middle + (high - middle) / Z95 * NODES)
