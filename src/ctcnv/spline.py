"""The natural cubic smoothing spline of a curve of strata.

As scipy.interpolate.make_smoothing_spline, which takes a third of a second to import (with what it
imports) and five times as long for a curve; tests hold the two together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

Array = NDArray[np.float64]


def smoothed(x: Array, y: Array, *, weight: Array, curvature: float, at: Array) -> Array:
    """The f of the least  sum of w (y - f(x))^2 + curvature * integral of f''(x)^2  at places (m,).

    x : (n,) increasing, three or more; y, weight : (n,). Beyond x its outermost pieces go on. With
    h the distances of x, g the second derivatives at its inner points, Q the second differences of
    slopes and R the integrals of hats (Green & Silverman 1994, 2.3.3),

        (R + curvature Q' W^-1 Q) g = Q' y,    f = y - curvature W^-1 Q g.
    """
    h, inverse = np.diff(x), 1 / weight
    # a column of Q: its three entries, at a point and its neighbours
    left, right = 1 / h[:-1], 1 / h[1:]
    middle = -(left + right)
    bands = np.zeros((3, len(x) - 2))
    bands[2] = (h[:-1] + h[1:]) / 3 + curvature * (
        left**2 * inverse[:-2] + middle**2 * inverse[1:-1] + right**2 * inverse[2:]
    )
    bands[1, 1:] = h[1:-1] / 6 + curvature * (
        middle[:-1] * left[1:] * inverse[1:-2] + right[:-1] * middle[1:] * inverse[2:-1]
    )
    bands[0, 2:] = curvature * right[:-2] * left[2:] * inverse[2:-2]
    bend = np.zeros(len(x))
    bend[1:-1] = solveh_banded(bands, np.diff(np.diff(y) / h))
    pull = np.zeros(len(x))
    for shift, entry in enumerate((left, middle, right)):
        pull[shift : shift + len(entry)] += entry * bend[1:-1]
    return _cubic(x, y - curvature * inverse * pull, bend, at)


def _cubic(x: Array, f: Array, bend: Array, at: Array) -> Array:
    """A cubic spline of values and second derivatives at x, each (n,), at places (m,)."""
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h = x[i + 1] - x[i]
    t = (at - x[i]) / h
    u = 1 - t
    bent = u * (1 + u) * t * bend[i] + t * (1 + t) * u * bend[i + 1]
    return np.asarray(u * f[i] + t * f[i + 1] - h**2 / 6 * bent)
