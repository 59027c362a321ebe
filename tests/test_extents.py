"""The posterior over the stretches that may explain the counts around a gene."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

from ctcnv import extents as step
from ctcnv.extents import Chromosome, explain
from tests.reference import extents_slow

#: Counting noise alone, whatever the number of atoms.
ONE = np.ones(3000)


def chromosome(observed, expected=50.0):
    observed = np.asarray(observed, dtype=float)
    n = len(observed)
    start = np.arange(n) * 10_000
    wanted = np.broadcast_to(np.asarray(expected, dtype=float), n)
    return Chromosome.of(start, start + 10_000, observed, wanted, np.full(n, 2))


def counts(n, *stretches, expected=50.0):
    """Exactly the expected counts but for stretches (low, high, ratio)."""
    found = np.full(n, expected)
    for low, high, ratio in stretches:
        found[low:high] = round(ratio * expected)
    return found


def marginal(found, at, atoms):
    """Posterior that the left (0) or right (1) end lies within ``atoms``."""
    ends = (found.low, found.high)[at]
    return float(found.weight[np.isin(ends, list(atoms))].sum())


@settings(max_examples=12)
@given(
    st.integers(3, 8).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 120), min_size=n, max_size=n),
            st.lists(st.floats(10, 60), min_size=n, max_size=n),
        )
    ),
    st.integers(0, 6), st.integers(1, 3), st.floats(1, 3), st.floats(0, 1), st.integers(0, 2),
)  # fmt: skip
def test_it_is_the_posterior_of_every_stretch(pairs, low, width, least, growth, more):
    observed, expected = pairs
    low = min(low, len(observed) - 1)
    core = (low, min(len(observed), low + width))
    # a gene that is all of the window has nothing to be told from
    assume(core != (0, len(observed)))
    on = chromosome(observed, expected)
    phi = least + growth * np.arange(len(observed))
    gene = (max(0, core[0] - more), min(len(observed), core[1] + more))
    found = explain(on, core, (0, len(observed)), phi=phi, gene=gene)
    holding, elsewhere, germline = extents_slow.explain(observed, expected, core, phi=phi,
                                                        gene=gene)  # fmt: skip
    fast = {(int(a), int(b)): w for a, b, w in zip(found.low, found.high, found.weight, strict=True)
            if w > 0}  # fmt: skip
    for stretch, value in holding.items():
        assert fast.get(stretch, 0.0) == pytest.approx(value, rel=1e-5, abs=1e-9)
    assert found.elsewhere == pytest.approx(elsewhere, rel=1e-5, abs=1e-9)
    assert found.germline == pytest.approx(germline, rel=1e-5, abs=1e-9)
    assert found.weight.sum() == pytest.approx(1)


def test_a_stretch_pays_for_its_ends_and_its_ratio():
    """Counts exactly as expected: the flat explanation wins, and by hand.

    One atom on each side of a gene of one atom, 50 fragments each. Ends at distance 0 and 1 have
    the prior log 2 : log 3/2; the broad change has 1 in all, as all own stretches have together.
    """
    found = explain(chromosome([50, 50, 50]), (1, 2), (0, 3), phi=ONE)
    near, far = np.log([2, 1.5]) / np.log(3)

    def p(o):
        return gammaln(o + 1) - (o + 1) * np.log(o + 1)

    one, two = np.exp(p(50) + p(100) - p(150)), np.exp(p(100) + p(50) - p(150))
    own = (near * near * one + 2 * near * far * two) / (1 - far * far)
    assert found.weight[-1] == pytest.approx(1 / (1 + own))
    assert found.weight[-1] > 0.5
    assert (found.low[-1], found.high[-1]) == (0, 3)


@pytest.mark.parametrize(("low", "high"), [(95, 106), (98, 130), (60, 103), (98, 102), (30, 170)])
def test_ends_are_found_on_each_side_alone(low, high):
    found = explain(chromosome(counts(200, (low, high, 2.0))), (98, 102), (0, 200), phi=ONE)
    assert (found.low[found.best], found.high[found.best]) == (low, high)
    assert marginal(found, 0, range(low - 1, low + 2)) > 0.9
    assert marginal(found, 1, range(high - 1, high + 2)) > 0.9
    assert found.elsewhere < 0.01


def test_far_ends_are_found_to_the_atom():
    found = explain(chromosome(counts(3000, (1207, 1911, 1.8))), (1500, 1504), (0, 3000), phi=ONE)
    assert (found.low[found.best], found.high[found.best]) == (1207, 1911)


@pytest.mark.parametrize("times", [1.3, 5, 100, 1000])
def test_there_is_no_height_that_is_too_high(times):
    found = explain(chromosome(counts(100, (45, 55, times))), (49, 52), (0, 100), phi=ONE)
    assert (found.low[found.best], found.high[found.best]) == (45, 55)


def test_a_change_of_the_whole_window_is_broad():
    found = explain(chromosome(counts(300, (0, 300, 1.5))), (150, 154), (0, 300), phi=ONE)
    assert found.best == len(found.weight) - 1
    assert found.weight[-1] > 0.8


@pytest.mark.parametrize(("low", "high"), [(60, 80), (20, 49), (55, 56), (50, 53), (44, 52)])
def test_a_stretch_that_does_not_hold_the_gene_is_elsewhere(low, high):
    found = explain(chromosome(counts(100, (low, high, 3.0))), (49, 55), (0, 100), phi=ONE)
    assert found.elsewhere > 0.99
    assert found.other == (low, high)


def test_a_gene_of_one_atom_cannot_be_cut():
    found = explain(chromosome(counts(60, (30, 31, 4.0))), (30, 31), (0, 60), phi=ONE)
    assert found.elsewhere < 0.01
    assert (found.low[found.best], found.high[found.best]) == (30, 31)


def test_a_window_that_is_the_gene_knows_nothing_but_broad():
    found = explain(chromosome([70.0]), (0, 1), (0, 1), phi=ONE)
    assert found.weight.tolist() == [1.0]
    assert found.elsewhere == 0
    assert found.other is None


def test_noise_beyond_counting_makes_the_ends_less_certain():
    on = chromosome(counts(100, (45, 55, 1.4)))
    sharp, dull = (explain(on, (49, 52), (0, 100), phi=phi * ONE) for phi in (1.0, 6.0))
    assert sharp.weight[sharp.best] > dull.weight[dull.best]
    assert sharp.weight[-1] < dull.weight[-1]


def test_waves_that_reach_over_many_atoms_make_a_step_less_certain_and_not_its_ends():
    on = chromosome(counts(100, (40, 60, 1.4)))
    waves = 1 + np.arange(100) / 10
    sharp, dull = (
        explain(on, (49, 52), (0, 100), phi=ONE),
        explain(on, (49, 52), (0, 100), phi=waves),
    )
    assert dull.weight[-1] > 1e3 * sharp.weight[-1]
    np.testing.assert_allclose(dull.weight[:-1] / dull.weight[:-1].sum(),
                               sharp.weight[:-1] / sharp.weight[:-1].sum(), atol=1e-12)  # fmt: skip


def test_what_lies_outside_the_window_has_no_part():
    inside = counts(100, (45, 55, 2.0))
    around = counts(140, (65, 75, 2.0), (0, 20, 9.0), (120, 140, 0.0))
    one = explain(chromosome(inside), (49, 52), (0, 100), phi=ONE)
    two = explain(chromosome(around), (69, 72), (20, 120), phi=ONE)
    np.testing.assert_allclose(one.weight, two.weight)
    np.testing.assert_array_equal(one.low + 20, two.low)


def test_atoms_that_are_taken_out_leave_the_others_as_they_were():
    on = chromosome(np.arange(10.0), np.arange(10.0) + 1)
    less = on.without(3, 6)
    assert np.diff(less.observed).tolist() == [0, 1, 2, 6, 7, 8, 9]
    assert np.diff(less.expected).tolist() == [1, 2, 3, 7, 8, 9, 10]
    assert less.row.tolist() == [0, 1, 2, 6, 7, 8, 9]
    assert less.start.tolist() == [0, 10_000, 20_000, 60_000, 70_000, 80_000, 90_000]
    assert less.without(2, 4).row.tolist() == [0, 1, 7, 8, 9]


def test_ends_are_as_likely_as_their_distance_is_near():
    ends = step._ends(100, 0)
    share = np.exp(ends.prior)
    assert ends.at[0] == 100
    assert ends.at[-1] == 0
    assert share.sum() == pytest.approx(1)
    # d atoms away: log((d + 2) / (d + 1)) over log(102)
    assert share[0] == pytest.approx(np.log(2) / np.log(102))
    assert share[3] == pytest.approx(np.log(5 / 4) / np.log(102))
