"""The slope of a library on a template and its null, with the whole matrix written out."""

from __future__ import annotations

import numpy as np


def covariance_of(deviation, expected):
    """(n, n) covariance of the windows beyond counting, learned from normals (m, n)."""
    m, n = deviation.shape
    middle = [sum(deviation[i, w] for i in range(m)) / m for w in range(n)]
    z = np.array([[deviation[i, w] - middle[w] for w in range(n)] for i in range(m)])
    products = np.array([[sum(z[i] * z[k]) for k in range(m)] for i in range(m)])
    for i in range(m):
        products[i, i] -= sum(1 / expected[i, w] for w in range(n))
    total = [
        sum(z[i, w] ** 2 for i in range(m)) / (m - 1)
        - sum(1 / expected[i, w] for i in range(m)) / m
        for w in range(n)
    ]
    values, vectors = np.linalg.eigh(products / (m - 1))
    together = np.zeros((n, n))
    for value, v in zip(values, vectors.T, strict=True):
        if value > max(values[-1], 0) * 1e-6:
            u = v @ z
            together += value * np.outer(u, u) / sum(u**2)
    rest = np.array(total) - np.diag(together)
    typical = max(rest.mean(), 1e-6)
    own = [max((max(r, 0) + typical) / 2, 1e-6) for r in rest]
    return together + np.diag(own)


def slope(x, segment, error, y, counting, covariance):
    """(beta, shift, noise share) of y on x, all (n,), with the covariance beyond counting."""
    n = len(x)
    precision = np.linalg.inv(np.diag(counting) + covariance)
    ones = np.ones(n)
    total = ones @ precision @ ones
    q = precision - np.outer(precision @ ones, ones @ precision) / total
    signal = x @ q @ x
    noise = 0.0
    for k, variance in enumerate(error):
        inside = np.array([float(s == k) for s in segment])
        noise += variance * (inside @ q @ inside)
    beta = x @ q @ y / (signal - noise)
    shift = ones @ precision @ (y - beta * x) / total
    return beta, shift, noise / signal


def null_betas(x, segment, error, deviation, expected, counting, *, noise_share):
    """The slope of every normal, with a covariance learned from the others."""
    found = []
    for i in range(len(deviation)):
        others = [k for k in range(len(deviation)) if k != i]
        covariance = covariance_of(deviation[others], expected[others])
        precision = np.linalg.inv(np.diag(counting) + covariance)
        ones = np.ones(len(x))
        q = precision - np.outer(precision @ ones, ones @ precision) / (ones @ precision @ ones)
        found.append(x @ q @ deviation[i] / (x @ q @ x * (1 - noise_share)))
    return found


def implied_variance(weights, tau, chrom):
    """Variance of a weighted sum of windows of one atom each, if k windows vary by tau(k)."""

    def covariance(j):
        if j == 0:
            return tau(1) ** 2
        return (
            (j + 1) ** 2 * tau(j + 1) ** 2
            - 2 * j**2 * tau(j) ** 2
            + (j - 1) ** 2 * tau(max(j - 1, 1)) ** 2
        ) / 2

    n = len(weights)
    return sum(
        weights[a] * weights[b] * covariance(abs(a - b))
        for a in range(n)
        for b in range(n)
        if chrom[a] == chrom[b]
    )
