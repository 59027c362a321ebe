"""The slope of a sample on a template and its jackknife, by fitting again and again."""

from __future__ import annotations

import math


def slope(x, x_variance, y, variance):
    """sum(w x y) / (sum(w x^2) - sum(w var_x)) over windows."""
    top = sum(a * b / v for a, b, v in zip(x, y, variance, strict=True))
    bottom = sum((a * a - n) / v for a, n, v in zip(x, x_variance, variance, strict=True))
    return top / bottom


def jackknife(x, x_variance, y, variance, chrom):
    """Standard error of the slope from leaving out one chromosome at a time."""
    names = sorted(set(chrom))
    left_out = []
    for name in names:
        kept = [k for k in range(len(x)) if chrom[k] != name]
        left_out.append(slope(*([column[k] for k in kept] for column in (x, x_variance, y,
                                                                         variance))))  # fmt: skip
    n = len(names)
    mean = sum(left_out) / n
    return math.sqrt((n - 1) / n * sum((value - mean) ** 2 for value in left_out))
