"""Weighted quantiles of values that are all sorted."""

from __future__ import annotations

import numpy as np


def weighted_quantile_slow(values, weights, probabilities):
    """Interpolated between the middles of the weights."""
    order = np.argsort(values, kind="stable")
    ranked, weight = values[order], weights[order]
    centre = (np.cumsum(weight) - weight / 2) / weight.sum()
    return np.interp(probabilities, centre, ranked)
