"""The smoothing spline: by hand, and as scipy has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import make_smoothing_spline

from ctcnv.spline import smoothed


def test_a_line_stays_a_line_however_it_is_smoothed() -> None:
    x, at = np.array([0.0, 1, 3, 4, 7]), np.array([-1.0, 0, 2.5, 7, 9])
    for curvature in (1e-9, 1.0, 1e6):
        found = smoothed(x, 2 * x + 1, weight=np.ones(5), curvature=curvature, at=at)
        np.testing.assert_allclose(found, 2 * at + 1, rtol=1e-9)


def test_a_bend_by_hand() -> None:
    # h = 1, Q = (1, -2, 1): (2/3 + 6 c) g = 1, f = y - c Q g; with c = 1/18, g = 1
    x, y = np.array([0.0, 1, 2]), np.array([0.0, 0, 1])
    found = smoothed(x, y, weight=np.ones(3), curvature=1 / 18, at=np.array([0.0, 1, 2, 0.5]))
    ends, middle = -1 / 18, 1 / 9
    half = (ends + middle) / 2 - 0.375 / 6
    np.testing.assert_allclose(found, [ends, middle, 1 + ends, half])


@pytest.mark.parametrize("curvature", [2e-8, 1e-6])
@given(st.integers(5, 120), st.integers(0, 2**32 - 1))
def test_the_spline_is_that_of_scipy(curvature: float, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = 0.3 + np.cumsum(rng.uniform(0.002, 0.006, n))
    y = np.exp(-0.5 * ((x - 0.43) / 0.12) ** 2) + rng.normal(0, 0.01, n)
    weight = rng.uniform(0.05, 1, n)
    weight /= weight.sum()
    at = np.linspace(x[0] - 0.01, x[-1] + 0.01, 500)
    wanted = make_smoothing_spline(x, y, w=weight, lam=curvature)(at)
    found = smoothed(x, y, weight=weight, curvature=curvature, at=at)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)
