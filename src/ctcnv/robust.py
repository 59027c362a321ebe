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
    half = values.size // 2
    if values.size == 0:
        return float("nan")
    parted = np.partition(values, half)
    if np.isnan(parted[half:]).any():  # they are sorted to the end
        return float("nan")
    return float(parted[half] if values.size % 2 else (parted[:half].max() + parted[half]) / 2)


def mad_sd(values: Array) -> float:
    """Standard deviation of the values from their median absolute deviation; NaN when none.

    values : (n,) float; NaN is ignored.  1.4826 * median(|x - median(x)|).
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return float("nan")
    return MAD_TO_SD * median(np.abs(known - median(known)))


def difference_sd(values: Array) -> float:
    """Standard deviation of the noise from differences of neighbours; NaN with fewer than three.

    A step in the signal touches one difference only, so that copy-number changes are not taken for
    noise.  values : (n,) float, NaN is skipped.  mad_sd(diff(x)) / sqrt(2).
    """
    known = values[np.isfinite(values)]
    if known.size < 3:
        return float("nan")
    steps = np.diff(known)
    return float(MAD_TO_SD * median(np.abs(steps)) / np.sqrt(2))


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
