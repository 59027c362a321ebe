"""Over-dispersion by region size and the variance of a ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv.dispersion import Dispersion
from ctcnv.schema import DISPERSION

FALLING = Dispersion(np.array([1.0, 4.0, 16.0]), np.array([0.08, 0.04, 0.01]))


def test_tau_is_read_off_at_known_sizes_and_interpolated_in_log_size():
    np.testing.assert_allclose(FALLING.at([1, 2, 4, 8, 16]), [0.08, 0.06, 0.04, 0.025, 0.01])


def test_tau_is_constant_beyond_the_ends():
    np.testing.assert_allclose(FALLING.at([0, 0.5, 100, 10**9]), [0.08, 0.08, 0.01, 0.01])


def test_the_variance_is_poisson_plus_over_dispersion():
    # r = 2, E = 100, tau = 0.04:  2/100 + (2 * 0.04)^2
    assert FALLING.variance(100, 4, 2.0) == pytest.approx(0.02 + 0.0064)
    assert FALLING.variance(100, 4) == pytest.approx(0.01 + 0.0016)


def test_no_fragment_seen_still_leaves_room_for_one():
    # one fragment of 20 expected, ratio 0.05:  0.05/20 + (0.05 * 0.08)^2
    assert FALLING.variance(20, 1, 0.0) == pytest.approx(0.0025 + 0.000016)


@given(st.floats(1, 1e6), st.integers(1, 10_000), st.floats(0, 50), st.floats(1.1, 100))
def test_more_fragments_never_widen_and_more_signal_never_narrows(expected, atoms, ratio, times):
    now = FALLING.variance(expected, atoms, ratio)
    assert FALLING.variance(times * expected, atoms, ratio) <= now
    assert FALLING.variance(expected, atoms, times * ratio) >= now
    assert now > 0


def test_the_larger_of_two_holds_at_each_size():
    other = Dispersion(np.array([2.0, 32.0]), np.array([0.02, 0.02]))
    both = FALLING.at_least(other)
    np.testing.assert_array_equal(both.atoms, [1, 2, 4, 16, 32])
    np.testing.assert_allclose(both.tau, [0.08, 0.06, 0.04, 0.02, 0.02])


@given(st.lists(st.floats(0, 0.5), min_size=3, max_size=3), st.floats(0.1, 1000))
def test_at_least_is_symmetric_and_never_smaller(taus, size):
    other = Dispersion(np.array([1.0, 5.0, 40.0]), np.array(taus))
    one, two = FALLING.at_least(other), other.at_least(FALLING)
    assert one.at(size) == pytest.approx(two.at(size))
    for part in (FALLING, other):
        sizes = part.atoms
        assert (one.at(sizes) >= part.at(sizes) - 1e-12).all()


def test_the_table_round_trips():
    again = Dispersion.from_frame(DISPERSION.check(FALLING.frame()))
    np.testing.assert_array_equal(again.atoms, FALLING.atoms)
    np.testing.assert_array_equal(again.tau, FALLING.tau)


@pytest.mark.parametrize(
    ("atoms", "tau", "message"),
    [
        ([], [], "at least one"),
        ([1.0], [0.1, 0.2], "as many sizes as values"),
        ([1.0, 1.0], [0.1, 0.2], "must increase"),
        ([2.0, 1.0], [0.1, 0.2], "must increase"),
        ([1.0, 2.0], [0.1, float("nan")], "be known"),
    ],
)
def test_an_impossible_dispersion_is_refused(atoms, tau, message):
    with pytest.raises(ValueError, match=message):
        Dispersion(np.array(atoms), np.array(tau))
