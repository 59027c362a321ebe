"""The bias curves of a library: covariates, strata, regions, and the slow twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import bias as step
from tests import plasma
from tests.reference import bias_slow

NAN = float("nan")
SETTINGS = plasma.SETTINGS["normalize"]


def curve_of(x, observed, base, use, settings):
    """The curve of all atoms, learned from those that are used."""
    covariate = step.Covariate.of(x)
    return step._curve(covariate, observed, base, use, settings)[covariate.code]


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7, NAN]), max_size=12))
def test_a_covariate_is_sorted_as_numpy_sorts_it(values):
    values = np.array(values)
    found = step.Covariate.of(values)
    distinct, code = np.unique(values, return_inverse=True)
    np.testing.assert_array_equal(found.distinct, distinct)
    np.testing.assert_array_equal(found.code, code)
    np.testing.assert_array_equal(found.distinct[found.code], values)
    inside = found.cell[np.isfinite(distinct)]
    assert inside.tolist() == sorted(inside)


def test_a_curve_of_one_stratum_is_flat():
    x = np.array([0.3, 0.4, 0.5])
    few = replace(SETTINGS, min_stratum=100)
    curve = curve_of(x, np.array([5.0, 1, 3]), np.ones(3), np.ones(3, dtype=bool), few)
    np.testing.assert_allclose(curve, 1)


def test_a_curve_of_two_strata_is_their_ratios_of_sums_joined_by_a_line():
    # strata {a, b} and {c, d}: 30/20 = 1.5 at x 0.35 and 10/20 = 0.5 at 0.55; mean weight 1
    x = np.array([0.3, 0.4, 0.5, 0.6, 0.45, NAN])
    use = np.array([True, True, True, True, False, False])
    observed = np.array([10.0, 20, 4, 6, 99, 99])
    base = np.full(6, 10.0)
    two = replace(SETTINGS, min_stratum=2)
    curve = curve_of(x, observed, base, use, two)
    # a and d are clamped to the centres of the strata; b is a quarter of the way down
    np.testing.assert_allclose(curve[:5], [1.5, 1.25, 0.75, 0.5, 1.0])
    assert np.isnan(curve[5])


def test_strata_are_cells_joined_until_they_hold_enough_atoms():
    def strata(*atoms: int) -> list[int]:
        return step._strata(atoms, least=10)

    assert strata(10, 25, 12) == [0, 1, 2]
    assert strata(3, 0, 7, 9, 1) == [0, 0, 0, 1, 1]
    # what is left at the end joins the last
    assert strata(10, 9) == [0, 0]
    assert strata(4) == [0]


def test_a_curve_is_that_of_the_library_also_where_few_atoms_lie():
    # 3000 atoms, one in a hundred beyond 0.52, without noise: with thirty strata of equal size the
    # last of them was wide, and GC-rich genes looked lost by 2 %
    x = np.clip(np.random.default_rng(1).normal(0.41, 0.045, 3000), 0.3, 0.55)
    truth = np.exp(-0.5 * ((x - 0.43) / 0.12) ** 2)
    observed = 2000 * truth
    curve = curve_of(x, observed, np.ones(3000), np.ones(3000, dtype=bool), SETTINGS)
    error = curve / (truth / truth.mean()) - 1
    assert np.abs(error).max() < 0.01
    assert np.abs(error[x > 0.5].mean()) < 0.002


def test_regions_divide_a_chromosome_by_what_is_expected():
    chrom = np.array([0] * 6 + [1] * 2)
    base = np.array([1.0, 1, 1, 1, 1, 1, 1, 3.0])
    number = step.regions(chrom, base)
    # 140 regions, 84 of them on the first: an atom begins the 14th after that before it
    assert number.tolist() == [14, 28, 42, 56, 70, 83, 98, 139]


@pytest.mark.parametrize("with_map", [False, True])
@pytest.mark.parametrize("tumor", [None, plasma.ANEUPLOID])
def test_the_bias_curve_is_that_of_the_slow_twin(with_map: bool, tumor) -> None:
    bins, rng = plasma.bins(), np.random.default_rng(8)
    if with_map:
        bins = bins.assign(mappability=rng.uniform(0.75, 1.0, len(bins)).round(2))
    reference = step.Reference.of(bins)
    counts = plasma.counts(tumor=tumor, fraction=0.3 if tumor else 0.0, seed=5)
    observed = counts["fragments"].to_numpy(float)
    # a panel leaves atoms out, and X and Y tell nothing of the curve
    base = reference.base * np.where(rng.random(len(bins)) < 0.1, NAN, 1.0)
    use = np.isfinite(base) & np.isfinite(reference.gc.values) & reference.autosomal
    found, slow = (
        made(reference, observed, base, use=use, settings=SETTINGS)
        for made in (step.bias_curve, bias_slow.bias_curve)
    )
    # sums are made in another order
    np.testing.assert_allclose(found, slow, rtol=1e-12)
    assert np.isfinite(found[use]).all()
