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


def running_median(values: Array, size: int) -> Array:
    """The median of each value and its neighbours, (n,); the ends are repeated.

    values : (n,); size : odd number of values that take part. That of ``scipy.ndimage``, whose
    import alone takes a twentieth of a shallow sample's time.
    """
    if len(values) == 0:
        return values.copy()
    padded = np.pad(values, size // 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, size), axis=-1))


def _finite(values: Array) -> Array:
    """The values that are neither NaN nor infinite; mostly they all are."""
    known = np.isfinite(values)
    return values if known.all() else values[known]


#: From so many values on, quantiles are looked for between two values of a sample of ``SAMPLE``,
#: which are that share of the weight below and above.
MANY, SAMPLE, MARGIN = 20_000, 10_000, 0.02


def weighted_quantile(values: Array, weights: Array, probabilities: Array) -> Array:
    """Quantiles of a weighted sample, interpolated between the middles of the weights.

    values, weights : (n,); probabilities : (k,).  Returns (k,); NaN when the weights sum to zero.
    Of many values only those near a quantile are sorted, in less than half of the time.
    """
    total = float(weights.sum())
    if not total > 0:
        return np.full(len(probabilities), np.nan)
    if len(values) < MANY:
        return np.interp(probabilities, *_centred(values, weights, 0.0, total))
    step = len(values) // SAMPLE
    sampled = float(weights[::step].sum())
    if not sampled > 0:
        return np.interp(probabilities, *_centred(values, weights, 0.0, total))
    share, ranked = _centred(values[::step], weights[::step], 0.0, sampled)
    found = np.empty(len(probabilities))
    for k, p in enumerate(probabilities.tolist()):
        low = ranked[max(int(np.searchsorted(share, p - MARGIN)) - 1, 0)]
        high = ranked[min(int(np.searchsorted(share, p + MARGIN)), len(ranked) - 1)]
        near = np.flatnonzero((values >= low) & (values <= high))
        below = float(weights[values < low].sum())
        centre, inside = _centred(values[near], weights[near], below, total)
        if not (len(near) and centre[0] <= p <= centre[-1]):  # the sample was misleading
            centre, inside = _centred(values, weights, 0.0, total)
        found[k] = np.interp(p, centre, inside)
    return found


def _centred(values: Array, weights: Array, below: float, total: float) -> tuple[Array, Array]:
    """The middle of each value's weight as a share of the total, and the values, sorted; below :
    weight of smaller values that are not among them."""
    order = np.argsort(values, kind="stable")
    weight = weights[order]
    return (below + np.cumsum(weight) - weight / 2) / total, values[order]
