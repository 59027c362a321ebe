"""What healthy plasma looks like on a sample's windows: implied, learned and carried, and drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import healthy as step
from ctcnv.dispersion import Dispersion
from ctcnv.evidence import tail_scale2
from ctcnv.healthy import HealthyNoise
from ctcnv.normalize import windows
from ctcnv.normals import Grid, Summed
from ctcnv.schema import PROFILE
from ctcnv.waves import MIN_NORMALS, Covariance, learned
from tests import plasma
from tests.plasma import MB, windows_of
from tests.reference import healthy_slow

SIZES = 2.0 ** np.arange(12)


def power_law(slope, tau=0.02):
    """tau for one atom, falling with this power of the size; a straight line in log size only at
    these sizes, so that all are given."""
    sizes = np.arange(1.0, 400)
    return Dispersion(sizes, tau * sizes**-slope)


def matrix(covariance):
    return healthy_slow.covariance(covariance.own, covariance.axes)


# --- what a dispersion implies ---


@pytest.mark.parametrize("slope", [0.1, 0.25, 0.37, 0.5])
@pytest.mark.parametrize("atoms", [1, 7])
def test_the_mean_of_k_neighbours_varies_as_the_dispersion_says(slope, atoms):
    dispersion = power_law(slope)
    summed = replace(windows_of(np.ones(60), chrom=["chr1"] * 40 + ["chr2"] * 20),
                     atoms=np.full(60, atoms))  # fmt: skip
    found = matrix(step.implied(dispersion, summed))
    assert not found[:40, 40:].any()
    for chrom in (found[:40, :40], found[40:, 40:]):
        for k in (1, 2, 3, 10, 20):
            wanted = float(dispersion.at(k * atoms)) ** 2
            np.testing.assert_allclose(healthy_slow.means_variance(chrom, k), wanted, rtol=1e-6)


def test_the_implied_covariance_by_hand():
    """tau(1)^2 = 4, tau(2)^2 = 3: neighbours share (4 * 3 - 2 * 4) / 2 = 2."""
    dispersion = Dispersion(np.array([1.0, 2.0]), np.array([2.0, np.sqrt(3)]))
    found = step.implied(dispersion, windows_of(np.ones(3), chrom=["chr1"] * 2 + ["chr2"]))
    np.testing.assert_allclose(matrix(found), [[4, 2, 0], [2, 4, 0], [0, 0, 4]], atol=1e-12)
    # of [[4, 2], [2, 4]] the smallest eigenvalue is 2; a window alone shares nothing
    np.testing.assert_allclose(found.own, [2, 2, 4])


@pytest.mark.parametrize(("tau", "own", "shared"), [([0.02, 0.02], 0, 4e-4), ([0, 0], 0, 0)])
def test_a_dispersion_that_never_falls_is_one_wave_of_each_chromosome(tau, own, shared):
    dispersion = Dispersion(np.array([1.0, 100.0]), np.array(tau))
    found = step.implied(dispersion, windows_of(np.ones(20), chrom=["chr1"] * 20))
    np.testing.assert_allclose(found.own, own, atol=1e-12)
    np.testing.assert_allclose(matrix(found), shared, atol=1e-12)


def test_independent_windows_have_all_for_themselves():
    found = step.implied(power_law(0.5), windows_of(np.ones(20), chrom=["chr1"] * 20))
    exact = step.implied(
        Dispersion(np.arange(1.0, 21), 0.02 / np.sqrt(np.arange(1.0, 21))),
        windows_of(np.ones(20), chrom=["chr1"] * 20),
    )
    np.testing.assert_allclose(exact.own, 4e-4)
    np.testing.assert_allclose(found.own, 4e-4)
    np.testing.assert_allclose(matrix(exact), 4e-4 * np.eye(20), atol=1e-15)


@given(st.lists(st.floats(0.001, 0.1), min_size=1, max_size=6), st.integers(1, 30))
def test_whatever_the_dispersion_no_variance_is_lost_or_negative(taus, n):
    dispersion = Dispersion(SIZES[: len(taus)], np.array(taus))
    found = step.implied(dispersion, windows_of(np.ones(n), chrom=["chr1"] * n))
    assert (found.own >= 0).all()
    variance = np.diag(matrix(found))
    # what no covariance can have is filled up, not taken away
    assert variance.sum() >= n * float(dispersion.at(1)) ** 2 * (1 - 1e-9)
    together = np.full(n, 1 / n)
    assert found.variance(together) >= float(dispersion.at(n)) ** 2 * (1 - 1e-6) - 1e-12


# --- what the normals show, on the windows of a sample ---


def atoms_of(n, *, chrom="chr1", expected=1000.0):
    """A profile of n atoms of 1 Mb with nothing out of the way."""
    start = np.arange(n) * MB
    return PROFILE.check(
        pd.DataFrame({"chrom": chrom, "start": start, "end": start + MB, "observed": 1000,
                      "expected": expected, "normal_copies": 2, "reason": None})
    )  # fmt: skip


def grid_of(n, size=1):
    """n windows of so many Mb."""
    start = np.arange(n) * size * MB
    return Grid(np.full(n, "chr1", object), start, start + size * MB)


def drawn(rng, n, *, normals, sd=0.05, expected=1e5):
    """Normals that two waves and noise of each window change, with counting noise."""
    axes = rng.normal(0, sd, (2, n))
    ratio = 1 + rng.normal(size=(normals, 2)) @ axes + rng.normal(0, sd / 2, (normals, n))
    wanted = np.full((normals, n), expected) * rng.uniform(0.5, 2, n)
    return Summed(np.ones((normals, n), int), rng.poisson(wanted * ratio).astype(float), wanted)


def carried(profile, size, grid, normals):
    known = step.known_of(profile, grid, normals)
    return step.carried(profile, windows(profile, atoms=size), known)


def test_the_covariance_on_the_windows_of_the_normals_is_theirs():
    normals = drawn(np.random.default_rng(1), 20, normals=8)
    found = carried(atoms_of(20), 1, grid_of(20), normals)
    wanted = learned(normals.deviation, normals.expected)
    np.testing.assert_allclose(found.own, wanted.own)
    np.testing.assert_allclose(np.abs(found.axes), np.abs(wanted.axes))
    np.testing.assert_allclose(matrix(found), matrix(wanted))


def test_the_order_of_the_normals_changes_no_draw():
    normals = drawn(np.random.default_rng(1), 20, normals=8)
    turned = normals.subset_of(np.array([3, 1, 0, 7, 5, 6, 2, 4]))
    one, two = (carried(atoms_of(20), 1, grid_of(20), made) for made in (normals, turned))
    np.testing.assert_allclose(one.axes, two.axes, atol=1e-12)


def test_a_window_is_the_mean_of_those_it_is_made_of_by_what_is_expected_there():
    normals = drawn(np.random.default_rng(2), 4, normals=8)
    known = learned(normals.deviation, normals.expected)
    profile = atoms_of(4, expected=[1000.0, 3000, 2000, 2000])
    found = carried(profile, 2, grid_of(4), normals)
    one, two = known.own[:2], known.own[2:]
    np.testing.assert_allclose(found.own, [one[0] / 16 + one[1] * 9 / 16, two.sum() / 4])
    axes = np.array([known.axes[0] / 4 + known.axes[1] * 3 / 4,
                     (known.axes[2] + known.axes[3]) / 2])  # fmt: skip
    np.testing.assert_allclose(found.axes @ found.axes.T, axes @ axes.T)


def test_a_window_inside_one_of_the_normals_varies_as_that_does():
    normals = drawn(np.random.default_rng(3), 5, normals=8)
    known = learned(normals.deviation, normals.expected)
    found = carried(atoms_of(10), 1, grid_of(5, size=2), normals)
    np.testing.assert_allclose(found.own, np.repeat(known.own, 2))
    axes = np.repeat(known.axes, 2, axis=0)
    np.testing.assert_allclose(found.axes @ found.axes.T, axes @ axes.T)


def test_atoms_that_are_left_out_take_no_part():
    normals = drawn(np.random.default_rng(4), 6, normals=8)
    known = learned(normals.deviation, normals.expected)
    profile = atoms_of(6, expected=[1000.0, np.nan, 1000, 1000, 0, 1000])
    found = carried(profile, 2, grid_of(6), normals)
    axes = np.array([known.axes[0] + known.axes[2], known.axes[3] + known.axes[5]]) / 2
    np.testing.assert_allclose(found.axes @ found.axes.T, axes @ axes.T)


def test_carried_and_learned_is_learned_of_the_carried():
    """Many normals on windows of six: summed first and learned of after, they vary as much."""
    rng = np.random.default_rng(5)
    n, size = 120, 6
    normals = drawn(rng, n, normals=40)
    profile = atoms_of(n, expected=normals.expected[0])
    found = carried(profile, size, grid_of(n), normals)
    slow = healthy_slow.variance_on_windows(normals.observed, normals.expected,
                                            np.arange(n) // size, n // size)  # fmt: skip
    total = np.diag(matrix(found))
    assert total.sum() == pytest.approx(slow.sum(), rel=0.02)
    np.testing.assert_allclose(total, slow, rtol=0.4)


def test_a_window_that_the_normals_do_not_know_varies_as_a_typical_one():
    normals = drawn(np.random.default_rng(6), 6, normals=8)
    wanted = normals.expected.copy()
    # the third window has next to nothing in one normal: none of it is used
    wanted[4, 2] = 1.0
    normals = replace(normals, expected=wanted)
    keep = np.array([0, 1, 3, 4, 5])
    known = learned(normals.deviation[:, keep], normals.expected[:, keep])
    # atoms 6 and 7 lie beyond the last window
    found = carried(atoms_of(8), 1, grid_of(6), normals)
    typical = np.mean(known.own + np.sum(known.axes**2, axis=1))
    np.testing.assert_allclose(found.own[[2, 6, 7]], typical)
    assert not found.axes[[2, 6, 7]].any()
    np.testing.assert_allclose(found.own[keep], known.own)


def test_a_window_half_of_which_the_normals_know_is_that_half():
    normals = drawn(np.random.default_rng(7), 5, normals=8)
    known = learned(normals.deviation, normals.expected)
    found = carried(atoms_of(6), 2, grid_of(5), normals)
    np.testing.assert_allclose(found.own[2], known.own[4])
    np.testing.assert_allclose(np.abs(found.axes[2]), np.abs(known.axes[4]))


# --- which of the two ---


CALM = Dispersion(np.array([1.0]), np.array([1e-3]))


def noise_of(normals, *, dispersion=CALM, n=40):
    profile = atoms_of(n)
    return step.healthy_noise(profile, windows(profile, atoms=2), dispersion=dispersion,
                              normals=normals)  # fmt: skip


def test_enough_normals_say_how_healthy_plasma_varies():
    normals = drawn(np.random.default_rng(8), 40, normals=MIN_NORMALS)
    found = noise_of((grid_of(40), normals))
    wanted = carried(atoms_of(40), 2, grid_of(40), normals)
    np.testing.assert_allclose(found.covariance.own, wanted.own)
    np.testing.assert_allclose(found.covariance.axes, wanted.axes)
    assert found.df == MIN_NORMALS - 1
    np.testing.assert_allclose(found.counting, 1 / 2000)


def nothing_usable(normals):
    wanted = normals.expected.copy()
    wanted[0] = 0
    return replace(normals, expected=wanted)


@pytest.mark.parametrize("case", ["none", "few", "empty", "nothing usable"])
def test_without_enough_normals_the_dispersion_says_it(case):
    normals = drawn(np.random.default_rng(9), 40, normals=MIN_NORMALS)
    given_normals = {
        "none": None,
        "few": (grid_of(40), normals.subset_of(np.arange(MIN_NORMALS) > 0)),
        "empty": (grid_of(0), Summed(*(np.zeros((0, 0)) for _ in range(3)))),
        "nothing usable": (grid_of(40), nothing_usable(normals)),
    }[case]
    dispersion = power_law(0.3)
    found = noise_of(given_normals, dispersion=dispersion)
    wanted = step.implied(dispersion, windows(atoms_of(40), atoms=2))
    np.testing.assert_array_equal(found.covariance.own, wanted.own)
    np.testing.assert_array_equal(found.covariance.axes, wanted.axes)
    assert found.df == np.inf


@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_a_library_noisier_than_the_normals_varies_as_it_shows_and_never_less(times):
    normals = (grid_of(40), drawn(np.random.default_rng(10), 40, normals=12))
    plain = noise_of(normals)
    total = np.mean(np.diag(matrix(plain.covariance)))
    tau = times * np.sqrt(total)
    found = noise_of(normals, dispersion=Dispersion(np.array([1.0]), np.array([tau])))
    np.testing.assert_allclose(matrix(found.covariance),
                               max(1, times**2) * matrix(plain.covariance))  # fmt: skip
    assert found.df == plain.df


# --- draws ---


def draws(noise, n=6000, *, tail_df=11, seed=11):
    rng = np.random.default_rng(seed)
    return np.array([noise.draw(rng, tail_df=tail_df) for _ in range(n)])


def small(df=np.inf):
    axes = np.array([[0.02, 0.01], [0.02, -0.01], [0.0, 0.03], [0.0, 0.0]])
    own = np.array([1e-4, 4e-4, 0.0, 9e-4])
    return HealthyNoise(Covariance(own, axes), np.array([1e-4, 1e-4, 2e-4, 4e-4]), df)


@pytest.mark.parametrize("tail_df", [5, 11])
def test_draws_have_the_covariance_that_is_stated(tail_df):
    noise = small()
    # the variance of t at the scale that gives it the quartiles of a normal
    alone = tail_scale2(tail_df) * tail_df / (tail_df - 2)
    wanted = noise.covariance.axes @ noise.covariance.axes.T
    wanted = wanted + np.diag(alone * (noise.covariance.own + noise.counting))
    found = np.cov(draws(noise, 20000, tail_df=tail_df).T)
    np.testing.assert_allclose(found, wanted, rtol=0.1, atol=3e-5)
    assert np.abs(draws(noise, 20000).mean(axis=0)).max() < 1e-3


def test_what_is_alone_has_the_quartiles_of_the_normal():
    """Over-dispersion is measured by the MAD; simulated windows must give it back."""
    noise = HealthyNoise(Covariance(np.full(400, 0.05**2), np.zeros((400, 0))), np.full(400, 1e-6),
                         np.inf)  # fmt: skip
    found = draws(noise, 200)
    wanted = scipy.stats.norm.ppf(0.75) * np.sqrt(0.05**2 + 1e-6)
    assert np.quantile(np.abs(found), 0.5) == pytest.approx(wanted, rel=0.02)


def test_few_normals_make_waves_heavier_and_counting_stays():
    """A wave of unknown size is Student's t with as many degrees of freedom."""
    df = 5
    wave = HealthyNoise(Covariance(np.zeros(1), np.array([[0.1]])), np.full(1, 1e-12), float(df))
    found = draws(wave)[:, 0] / 0.1
    assert scipy.stats.kstest(found, scipy.stats.t(df).cdf).pvalue > 0.001
    assert np.var(found) == pytest.approx(df / (df - 2), rel=0.25)
    counting = HealthyNoise(Covariance(np.zeros(1), np.zeros((1, 0))), np.full(1, 1e-2), float(df))
    known = replace(counting, df=np.inf)
    ratio = np.var(draws(counting)) / np.var(draws(known))
    assert ratio == pytest.approx(1, abs=0.1)


def test_each_wave_is_uncertain_for_itself_and_what_is_a_windows_own_is_known():
    """With one factor for all, a panel of six normals would find next to nothing."""
    noise = HealthyNoise(Covariance(np.array([0.0, 0.0, 1e-2]), 0.1 * np.eye(3, 2)),
                         np.full(3, 1e-12), 6.0)  # fmt: skip
    found = draws(noise)
    assert abs(np.corrcoef(np.log(np.abs(found[:, :2])).T)[0, 1]) < 0.04
    assert np.var(found[:, 0]) == pytest.approx(0.01 * 6 / 4, rel=0.15)
    known = draws(replace(noise, df=np.inf))
    assert np.var(found[:, 2]) == pytest.approx(np.var(known[:, 2]), rel=0.1)


def test_the_same_seed_draws_the_same():
    np.testing.assert_array_equal(draws(small(7.0), 5), draws(small(7.0), 5))
    assert not np.array_equal(draws(small(7.0), 5), draws(small(7.0), 5, seed=12))


# --- whole samples ---


def test_the_normals_of_the_small_panel_vary_about_as_its_dispersion_says():
    profile = plasma.sample(seed=9).normalized.profile
    summed = windows(profile, atoms=9, arms=True)
    _, dispersion = plasma.panel()
    from_normals, from_size = (
        step.healthy_noise(profile, summed, dispersion=dispersion, normals=normals).covariance
        for normals in (plasma.libraries(), None)
    )
    sd = [np.sqrt(np.mean(np.diag(matrix(one)))) for one in (from_normals, from_size)]
    assert 1 <= sd[0] / sd[1] < 2
