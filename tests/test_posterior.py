"""The posterior over fraction and ploidy: its grid, its quantiles, its modes, and a dense twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from ctcnv import posterior as step
from ctcnv.blocks import cuts
from ctcnv.copystates import changes, kinds
from ctcnv.mixture import MIN_FRACTION, ratio_of
from ctcnv.posterior import Grid, Posterior
from ctcnv.schema import SOLUTIONS
from tests import plasma
from tests.plasma import evidence_of
from tests.reference import posterior_slow

FAST = plasma.FAST

# --- the grid ---


@given(st.floats(0.001, 0.19), st.floats(1.1, 5), st.floats(0, 6))
def test_a_step_is_the_change_of_the_ratio_per_copy(step_, ploidy, copies):
    """mu(C) = 1 + s*(C - P): one copy more everywhere is the same step at a ploidy one larger."""
    grid = Grid(*(np.array([value]) for value in (step_, ploidy, 0.001, 0.01)))
    ratio = ratio_of(copies, grid.fraction, grid.ploidy)
    assert ratio[0] == pytest.approx(1 + step_ * (copies - ploidy))


def test_the_range_and_area_of_a_cell_are_those_of_its_corners():
    s, p, ds, dp = 0.12, 3.1, 1e-4, 1e-3
    cell = Grid(*(np.array([value]) for value in (s, p, ds, dp)))

    def fraction(s, p):
        return 2 * s / (1 - s * (p - 2))

    half = (fraction(s + ds, p + dp) - fraction(s - ds, p - dp)) / 2
    assert cell.fraction[0] == pytest.approx(fraction(s, p))
    assert cell.half_fraction[0] == pytest.approx(half, rel=1e-4)
    area = (fraction(s + ds, p) - fraction(s - ds, p)) * 2 * dp
    assert np.exp(cell.log_area)[0] == pytest.approx(area, rel=1e-4)


def test_the_first_grid_covers_every_possible_tumor_once():
    """Measured as the prior measures it, log-uniform in the fraction and even in the ploidy."""
    grid = step.first_grid(settings=FAST)
    assert grid.fraction.max() <= FAST.max_fraction
    assert grid.fraction.min() < 1.2 * MIN_FRACTION
    assert grid.ploidy.min() - grid.half_ploidy.max() <= FAST.min_ploidy
    assert grid.ploidy.max() + grid.half_ploidy.max() >= FAST.max_ploidy
    measure = float(np.sum(np.exp(grid.log_area) / grid.fraction))
    whole = np.log(FAST.max_fraction / MIN_FRACTION) * (FAST.max_ploidy - FAST.min_ploidy)
    assert measure == pytest.approx(whole, rel=0.03)


def test_dividing_cells_keeps_their_area_and_halves_what_is_wider_than_the_resolution():
    grid = step.first_grid(settings=FAST)
    keep = np.arange(len(grid.step)) % 3 == 0
    finer = grid.divided(keep, 0.004)
    before = np.sum(grid.half_step[keep] * grid.half_ploidy[keep])
    assert np.sum(finer.half_step * finer.half_ploidy) == pytest.approx(before)
    assert len(finer.step) > keep.sum()
    coarse = grid.divided(keep, 10.0)
    assert len(coarse.step) == keep.sum()


def test_a_cell_is_divided_by_hand():
    cell = Grid(*(np.array([value]) for value in (0.2, 3.0, 0.02, 0.1)))
    # ds 0.02 > 0.01 and s*dP = 0.02 > 0.01: four quarters
    found = cell.divided(np.array([True]), 0.01)
    assert sorted(zip(found.step.round(6), found.ploidy.round(6), strict=True)) == [
        (0.19, 2.95), (0.19, 3.05), (0.21, 2.95), (0.21, 3.05),
    ]  # fmt: skip
    np.testing.assert_allclose(found.half_step, 0.01)
    np.testing.assert_allclose(found.half_ploidy, 0.05)


# --- quantiles ---


def two_cells():
    """At ploidy 2 the fraction is twice the step: cells 0.1-0.3 and 0.3-0.7."""
    grid = Grid(np.array([0.1, 0.25]), np.full(2, 2.0), np.array([0.05, 0.1]), np.zeros(2))
    return Posterior(grid, np.array([0.25, 0.75]), 0.0)


def test_quantiles_by_hand_spread_the_mass_of_a_cell_between_its_edges():
    np.testing.assert_allclose(
        two_cells().quantiles([0, 0.125, 0.25, 0.625, 1]), [0.1, 0.2, 0.3, 0.5, 0.7]
    )


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_quantiles_stay_within_the_grid_and_rise(wanted):
    values = two_cells().quantiles(sorted(wanted))
    assert (np.diff(values) >= 0).all()
    assert values.min() >= 0.1 - 1e-12
    assert values.max() <= 0.7 + 1e-12


def test_quantiles_are_fractions_even_where_a_cell_reaches_beyond_one():
    grid = Grid(np.array([0.49]), np.array([2.0]), np.array([0.05]), np.array([0.0]))
    found = Posterior(grid, np.array([1.0]), 0.0).quantiles([0.0, 0.5, 1.0])
    assert found.max() == 1
    assert found[1] == pytest.approx(0.98)


# --- modes ---


def grid_posterior(density):
    """A posterior on unit cells of a rectangular grid; steps so small that areas are equal."""
    n, m = density.shape
    s, p = (side.ravel() for side in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    tiny = 1e-9
    grid = Grid((s + 1.0) * tiny, p.astype(float), np.full(n * m, tiny / 2), np.full(n * m, 0.5))
    return Posterior(grid, density.ravel() / density.sum(), 0.0)


@pytest.mark.parametrize("seed", range(6))
def test_basins_are_those_of_walking_uphill(seed):
    density = np.random.default_rng(seed).random((5, 6))
    found = step._basins(grid_posterior(density))
    cells = [(i, j) for i in range(5) for j in range(6)]
    near = [
        [k for k, b in enumerate(cells) if abs(a[0] - b[0]) <= 1 and abs(a[1] - b[1]) <= 1]
        for a in cells
    ]
    wanted = [posterior_slow.climb(density.ravel(), near, k) for k in range(30)]
    assert found.tolist() == wanted


def test_two_hills_are_two_solutions_with_the_mass_of_their_sides():
    table = SOLUTIONS.check(step.solutions(grid_posterior(np.array([[5.0, 1, 0.5, 2, 3]]))))
    assert table["solution"].tolist() == [1, 2]
    assert table["ploidy"].tolist() == [0, 4]
    np.testing.assert_allclose(table["weight"], [6 / 11.5, 5.5 / 11.5])


def test_solutions_of_next_to_no_weight_are_left_out():
    small = 400 * step.MIN_SOLUTION_WEIGHT / 2
    density = np.array([[400.0, small / 4, small / 8, small / 2]])
    assert len(step.solutions(grid_posterior(density))) == 1
    density[0, 3] = 4 * small
    assert len(step.solutions(grid_posterior(density))) == 2


# --- the whole surface ---


def test_where_the_data_say_nothing_the_posterior_is_the_prior(monkeypatch):
    """The fraction is log-uniform, the ploidy that of the kinds, and the Bayes factor is 1."""

    def prior_only(seen, fraction, ploidy, *, share, settings, parts):
        one = logsumexp([kind.log_ploidy(ploidy) for kind in kinds(settings)], axis=0)
        return np.tile(one, (len(share), 1))

    monkeypatch.setattr(step, "log_evidence", prior_only)
    seen = evidence_of(np.ones(40), expected=50.0)
    found = step.posterior_surface(seen, settings=FAST)
    assert found.log_bayes == pytest.approx(0, abs=0.05)
    span = np.log(FAST.max_fraction / MIN_FRACTION)
    for q in (0.1, 0.5, 0.9):
        wanted = MIN_FRACTION * np.exp(q * span)
        assert found.quantiles([q])[0] == pytest.approx(wanted, rel=0.1)
    near = np.abs(found.grid.ploidy - 2) < 1
    inside = sum(kind.weight for kind in kinds(FAST)[:1])
    assert found.probability[near].sum() > inside * 0.95


@pytest.fixture(scope="module")
def informative():
    """Windows of a near-diploid tumor at T = 0.3 whose events are known."""
    rng = np.random.default_rng(5)
    copies = np.repeat(rng.choice([2.0, 2, 2, 1, 3, 4], 20), 10)
    ploidy = float(copies.mean())
    ratio = ratio_of(copies, 0.3, ploidy) + rng.normal(0, 0.03, 200)
    seen = evidence_of(ratio, expected=2000.0)
    return seen, ploidy, step.posterior_surface(seen, settings=FAST)


def test_the_posterior_holds_the_truth(informative):
    _, ploidy, found = informative
    low, high = found.quantiles([0.025, 0.975])
    assert low <= 0.3 <= high
    assert found.probability.sum() == pytest.approx(1)
    solutions = step.solutions(found)
    truth = (solutions["fraction"] - 0.3).abs().lt(0.03) & (solutions["ploidy"] - ploidy).abs().lt(
        0.15)  # fmt: skip
    assert truth.any()
    assert found.log_bayes > 20


def test_the_posterior_is_that_of_a_dense_grid():
    """Few noisy windows, so that the mass is wide and a grid of even cells meets all of it."""
    rng = np.random.default_rng(8)
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 4, 2, 3], 5)
    ratio = ratio_of(copies, 0.4, float(copies.mean())) + rng.normal(0, 0.08, 50)
    seen = evidence_of(ratio, expected=160.0)
    few = replace(FAST, max_copies=5, breakpoints=2.0, bag_draws=20)
    found = step.posterior_surface(seen, settings=few)
    fractions = np.arange(0.01, few.max_fraction, 0.02)
    ploidies = np.arange(few.min_ploidy + 0.05, few.max_ploidy, 0.1)
    change = changes(seen, breakpoints=few.breakpoints, centromere=few.centromere_change)
    first = cuts(seen, change, tail_df=few.tail_df)
    share = step.shares(int(seen.first.sum()), settings=few)
    t, p, mass = posterior_slow.dense(seen, first, fractions, ploidies, few, share[1:])
    assert mass.max() < 0.05
    for low, high in ((1.1, 1.6), (1.6, 2.6), (2.6, 3.6), (3.6, 5.0)):
        wanted = float(mass[(p >= low) & (p < high)].sum())
        here = (found.grid.ploidy >= low) & (found.grid.ploidy < high)
        assert float(found.probability[here].sum()) == pytest.approx(wanted, abs=0.02)
    order = np.argsort(t, kind="stable")
    cumulative = np.cumsum(mass[order])
    for q in (0.025, 0.5, 0.975):
        exact = t[order][np.searchsorted(cumulative, q)]
        assert found.quantiles([q])[0] == pytest.approx(exact, abs=0.02)


def test_more_fragments_narrow_the_interval():
    width = []
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 4, 2, 2], 20)
    for expected in (300.0, 3000.0):
        rng = np.random.default_rng(4)
        ratio = rng.poisson(expected * ratio_of(copies, 0.1, float(copies.mean()))) / expected
        seen = evidence_of(ratio, expected=expected)
        low, high = step.posterior_surface(seen, settings=FAST).quantiles([0.025, 0.975])
        width.append(high - low)
    assert width[1] < width[0]


def test_a_larger_misfit_widens_the_interval(informative, monkeypatch):
    """By its root, where no chromosome is resampled."""
    seen, *_ = informative
    monkeypatch.setattr(step, "shares", lambda n, *, settings: np.ones((2, n)))
    width = []
    for misfit in (1.0, 4.0):
        found = step.posterior_surface(seen, settings=replace(FAST, misfit=misfit))
        main = found.probability * (np.abs(found.grid.ploidy - 2) < 0.6)
        middle = np.sum(main * found.grid.fraction) / main.sum()
        width.append(np.sqrt(np.sum(main * (found.grid.fraction - middle) ** 2) / main.sum()))
    # four times the variance is twice the width
    assert width[1] == pytest.approx(2 * width[0], rel=0.35)


def test_a_profile_that_two_ploidies_explain_lists_both():
    """Triploid with losses and gains of one copy: the same ratios as a diploid of less tumor."""
    rng = np.random.default_rng(3)
    copies = np.repeat([3.0, 3, 4, 2, 3, 5, 3, 4, 2, 3], 20)
    truth, ploidy = 0.4, float(copies.mean())
    ratio = ratio_of(copies, truth, ploidy) + rng.normal(0, 0.02, 200)
    seen = evidence_of(ratio, expected=3000.0)
    found = step.solutions(step.posterior_surface(seen, settings=FAST))
    # one copy less everywhere: T' = 2T / (2 + T)
    for fraction, of in ((truth, ploidy), (2 * truth / (2 + truth), ploidy - 1)):
        near = (found["fraction"] - fraction).abs().lt(0.02) & (found["ploidy"] - of).abs().lt(0.1)
        assert near.sum() == 1, found
    assert found["weight"].sum() == pytest.approx(1, abs=0.03)


# --- resampled chromosomes ---


def test_shares_have_mean_and_variance_one_after_a_first_row_of_ones():
    found = step.shares(23, settings=replace(FAST, bag_draws=1000))
    assert found.shape == (1001, 23)
    assert (found[0] == 1).all()
    assert (found[1:] > 0).all()
    # 23,000 numbers: standard errors of 0.007 and, with a kurtosis of 9, 0.019
    assert found[1:].mean() == pytest.approx(1, abs=0.03)
    assert found[1:].var() == pytest.approx(1, abs=0.08)
    np.testing.assert_array_equal(found, step.shares(23, settings=replace(FAST, bag_draws=1000)))


def test_the_mass_is_the_mean_over_resampled_chromosomes(monkeypatch):
    """One chromosome is for 0.2 by 30, the other for 0.4 by 40: the sum is sure of 0.4, but with
    gamma numbers of shape 1, 30*g > 40*h has the chance 1 / (1 + 40/30) = 3/7."""

    def two_voices(seen, fraction, ploidy, *, share, settings, parts):
        low, high = (np.exp(-(((fraction - middle) / 0.05) ** 2)) for middle in (0.2, 0.4))
        return share[:, :1] * 30 * low + share[:, 1:] * 40 * high

    monkeypatch.setattr(step, "log_evidence", two_voices)
    seen = evidence_of(np.ones(40), expected=50.0, chrom=["chr1"] * 20 + ["chr2"] * 20)
    found = step.posterior_surface(seen, settings=replace(FAST, bag_draws=1000))
    near = found.grid.fraction < 0.3
    # a standard error of 0.016; a tenth of the draws have little evidence for either
    assert found.probability[near].sum() == pytest.approx(3 / 7, abs=0.06)
    monkeypatch.setattr(step, "shares", lambda n, *, settings: np.ones((2, n)))
    sure = step.posterior_surface(seen, settings=FAST)
    assert sure.probability[sure.grid.fraction < 0.3].sum() < 0.01


def test_quantiles_of_many_cells_are_those_of_the_sum_of_their_ramps():
    rng = np.random.default_rng(1)
    n = 300
    grid = Grid(rng.uniform(0.01, 0.3, n), rng.uniform(1.5, 4, n), rng.uniform(1e-4, 1e-2, n),
                rng.uniform(1e-3, 0.1, n))  # fmt: skip
    mass = rng.dirichlet(np.ones(n))
    found = Posterior(grid, mass, 0.0).quantiles([0.025, 0.3, 0.5, 0.975])
    low = grid.fraction - grid.half_fraction
    for q, at in zip([0.025, 0.3, 0.5, 0.975], found, strict=True):
        below = np.clip((at - low) / (2 * grid.half_fraction), 0, 1) @ mass
        assert below == pytest.approx(q, abs=1e-9)
