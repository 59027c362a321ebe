"""The variance of healthy windows: the normals are summed on them first, and learned of after."""

from __future__ import annotations

import numpy as np


def variance_on_windows(observed, expected, of_window, n):
    """Sample variance beyond counting, (n,), of normals summed on windows.

    observed, expected : (normals, m) on fine windows; of_window : (m,) window of each.
    """
    found = []
    for window in range(n):
        seen = observed[:, of_window == window].sum(axis=1)
        wanted = expected[:, of_window == window].sum(axis=1)
        ratio = seen / wanted - 1
        found.append(np.var(ratio, ddof=1) - np.mean(1 / wanted))
    return np.array(found)


def covariance(own, axes):
    """diag(own) + axes axes' as a matrix, (n, n)."""
    found = np.diag(own).astype(float)
    for axis in axes.T:
        found += np.outer(axis, axis)
    return found


def means_variance(matrix, k):
    """Variances of the means of k neighbours, one for each place."""
    n = len(matrix)
    return [matrix[a : a + k, a : a + k].mean() for a in range(n - k + 1)]
