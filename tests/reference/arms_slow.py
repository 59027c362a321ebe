"""Arms of a library and the likelihood of a tumor of arms, with whole matrices and densities."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm


def likelihood(deviation, variance, fractions, *, altered):
    """For each fraction the log ratio of two normal densities, summed over arms one by one."""
    found = []
    for fraction in fractions:
        total = 0.0
        for y, s2 in zip(deviation, variance, strict=True):
            step = fraction / 2
            with_tumor = norm.logpdf(y, 0, np.sqrt(s2 + altered * step**2))
            total += with_tumor - norm.logpdf(y, 0, np.sqrt(s2))
        found.append(total)
    return np.array(found)


def arms(starts, variance, covariance, counting, *, df, prior):
    """Weights of the windows of each arm, (arms, n), and the variance of each arm's mean.

    starts : where arms begin; variance : of each window, (n,); covariance : of the windows beyond
    counting, (n, n); counting : (n,); prior : normals that the mean of all arms is worth.
    """
    n = len(variance)
    weights, wave, counted, size = [], [], [], []
    for low, high in zip(starts, [*starts[1:], n], strict=True):
        weight = np.zeros(n)
        weight[low:high] = 1 / variance[low:high]
        weight /= weight.sum()
        weights.append(weight)
        wave.append(weight @ covariance @ weight)
        counted.append(weight @ np.diag(counting) @ weight)
        size.append(high - low)
    typical = sum(s * w for s, w in zip(size, wave, strict=True)) / n
    if np.isfinite(df):
        wave = [(df * w + prior * typical) / (df + prior) for w in wave]
    return np.array(weights), np.array(wave) + np.array(counted)
