"""Robust statistics and weighted quantiles used by several steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Makes the median absolute deviation of normal noise its standard deviation.
MAD_TO_SD = 1.4826


def median(values: Array) -> float:
    """The median, that of ``numpy.median``; NaN when there is none or any value is NaN.

    values : (n,) float. One place is sorted out, not three: a sixth of the time for many values.
    """
    return _middle(values.copy())


def _middle(values: Array) -> float:
    """The median of values whose order may change."""
    half = values.size // 2
    if values.size == 0:
        return float("nan")
    values.partition(half)
    if np.isnan(values[half:]).any():  # they are sorted to the end
        return float("nan")
    return float(values[half] if values.size % 2 else (values[:half].max() + values[half]) / 2)


def mad_sd(values: Array) -> float:
    """Standard deviation of the values from their median absolute deviation; NaN when none.

    values : (n,) float; NaN is ignored.  1.4826 * median(|x - median(x)|).
    """
    known = _finite(values)
    if known.size == 0:
        return float("nan")
    away = known - median(known)
    return MAD_TO_SD * _middle(np.abs(away, out=away))


def difference_sd(values: Array) -> float:
    """Standard deviation of the noise from differences of neighbours; NaN with fewer than three.

    A step in the signal touches one difference only, so that copy-number changes are not taken for
    noise.  values : (n,) float, NaN is skipped.  mad_sd(diff(x)) / sqrt(2).
    """
    known = _finite(values)
    if known.size < 3:
        return float("nan")
    steps = np.diff(known)
    return float(MAD_TO_SD * _middle(np.abs(steps, out=steps)) / np.sqrt(2))


def _finite(values: Array) -> Array:
    """The values that are neither NaN nor infinite; mostly they all are."""
    known = np.isfinite(values)
    return values if known.all() else values[known]


def weighted_quantile(values: Array, weights: Array, probabilities: Array) -> Array:
    """Quantiles of a weighted sample, interpolated between the middles of the weights.

    values, weights : (n,); probabilities : (k,).  Returns (k,); NaN when the weights sum to zero.
    """
    order = np.argsort(values, kind="stable")
    sorted_values, sorted_weights = values[order], weights[order]
    total = sorted_weights.sum()
    if not total > 0:
        return np.full(len(probabilities), np.nan)
    centre = (np.cumsum(sorted_weights) - sorted_weights / 2) / total
    return np.interp(probabilities, centre, sorted_values)
