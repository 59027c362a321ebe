"""Robust spread and weighted quantiles."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ctcnv import robust
from ctcnv.robust import MAD_TO_SD, difference_sd, mad_sd, median, running_median, weighted_quantile
from tests.reference.quantile_slow import weighted_quantile_slow

NAN = float("nan")
NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30))
def test_the_median_is_that_of_numpy(values):
    with np.errstate(invalid="ignore"):  # the middle between both infinities is not known
        np.testing.assert_array_equal(median(np.array(values)), np.median(values))


@pytest.mark.parametrize("values", [[], [NAN], [1.0, NAN, 2.0], [NAN, 1.0, 2.0, 3.0]])
def test_a_median_with_an_unknown_value_is_not_known(values):
    assert np.isnan(median(np.array(values)))


def test_the_mad_of_five_numbers_by_hand():
    # median 3, deviations 2 1 0 1 97, their median 1
    assert mad_sd(np.array([1.0, 2, 3, 4, 100])) == pytest.approx(1.4826)


@pytest.mark.parametrize("size", [1, 3, 7, 61])
@given(arrays(float, st.integers(0, 80), elements=NUMBERS))
def test_the_running_median_is_that_of_scipy(size, values):
    wanted = scipy.ndimage.median_filter(values, size=size, mode="nearest")
    np.testing.assert_array_equal(running_median(values, size), wanted)


def test_the_mad_of_normal_noise_is_its_standard_deviation():
    drawn = np.random.default_rng(1).normal(5, 2, 20_000)
    assert mad_sd(drawn) == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("values", [[], [NAN], [NAN, NAN]])
def test_the_mad_of_nothing_is_not_known(values):
    assert np.isnan(mad_sd(np.array(values)))


def test_the_mad_of_one_number_is_zero():
    assert mad_sd(np.array([7.0])) == 0


def test_unknown_values_do_not_change_the_mad():
    assert mad_sd(np.array([1.0, NAN, 2, 3, NAN, 4, 100])) == pytest.approx(1.4826)


def test_the_spread_of_differences_by_hand():
    # steps 1 -2 3 -4: the median of their sizes is 2.5
    values = np.array([0.0, 1, -1, 2, -2])
    assert difference_sd(values) == pytest.approx(1.4826 * 2.5 / np.sqrt(2))


def test_a_step_in_the_signal_is_not_noise():
    noise = np.random.default_rng(2).normal(0, 1, 2000)
    stepped = noise + np.repeat([0.0, 50.0], 1000)
    assert difference_sd(stepped) == pytest.approx(difference_sd(noise), rel=0.01)
    assert difference_sd(noise) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [1.0, NAN, 2.0]])
def test_fewer_than_three_values_have_no_differences_to_speak_of(values):
    assert np.isnan(difference_sd(np.array(values)))


def test_unknown_values_are_skipped_between_neighbours():
    assert difference_sd(np.array([0.0, NAN, 1, NAN, 0])) == pytest.approx(MAD_TO_SD / np.sqrt(2))


@given(arrays(float, st.integers(3, 30), elements=NUMBERS), st.floats(0.01, 100), NUMBERS)
def test_spreads_scale_with_the_values_and_ignore_their_level(values, scale, level):
    for spread in (mad_sd, difference_sd):
        expected = scale * spread(values)
        slack = 1e-9 * (1 + abs(level) + scale * np.abs(values).max())
        assert spread(scale * values + level) == pytest.approx(expected, abs=slack)


def test_equal_weights_give_the_middle_value_as_the_median():
    assert weighted_quantile(np.array([3.0, 1, 2]), np.ones(3), np.array([0.5])) == pytest.approx(2)


def test_quantiles_are_interpolated_between_the_middles_of_the_weights():
    # middles of the weights: 1 at 0.125 and 2 at 0.625
    values, weights = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    found = weighted_quantile(values, weights, np.array([0.0, 0.125, 0.375, 0.625, 1.0]))
    np.testing.assert_allclose(found, [1, 1, 1.5, 2, 2])


@pytest.mark.parametrize(("values", "weights"), [([], []), ([1.0, 2], [0.0, 0])])
def test_quantiles_without_any_weight_are_not_known(values, weights):
    found = weighted_quantile(np.array(values), np.array(weights), np.array([0.1, 0.9]))
    assert np.isnan(found).all()
    assert found.shape == (2,)


SAMPLES = st.integers(1, 20).flatmap(
    lambda n: st.tuples(
        arrays(float, n, elements=NUMBERS), arrays(float, n, elements=st.floats(0.01, 10))
    )
)


@pytest.mark.parametrize("few", [0, 7])
@given(SAMPLES, st.integers(1, 400))
def test_quantiles_of_many_values_are_those_of_the_slow_twin(few, sample, times):
    """Repeated, with ties, until only those near a quantile are sorted; or with one heavy value."""
    values, weights = (np.repeat(one, times * robust.MANY // 400) for one in sample)
    weights[few : few + 1] *= 1 + 1e4 * few
    wanted = np.array([0.001, 0.025, 0.5, 0.975, 1.0])
    np.testing.assert_allclose(
        weighted_quantile(values, weights, wanted),
        weighted_quantile_slow(values, weights, wanted), rtol=1e-9, atol=1e-9,
    )  # fmt: skip


@given(SAMPLES)
def test_quantiles_lie_between_the_extremes_and_rise(sample):
    values, weights = sample
    found = weighted_quantile(values, weights, np.linspace(0, 1, 7))
    assert found.min() >= values.min()
    assert found.max() <= values.max()
    assert (np.diff(found) >= 0).all()


@given(SAMPLES, st.floats(0.01, 100))
def test_the_scale_of_the_weights_and_the_order_of_the_values_do_not_matter(sample, scale):
    values, weights = sample
    wanted = np.array([0.025, 0.5, 0.975])
    found = weighted_quantile(values, weights, wanted)
    turned = weighted_quantile(values[::-1], scale * weights[::-1], wanted)
    if len(np.unique(values)) == len(values):
        np.testing.assert_allclose(turned, found, rtol=1e-9, atol=1e-6)
