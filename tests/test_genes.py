"""Gene calls: the test, the width, the copies, and the word that is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import fraction as fraction_step
from ctcnv import genes as step
from ctcnv import genetest
from ctcnv.dispersion import Dispersion
from ctcnv.fraction import FractionResult
from ctcnv.genes import Cells
from ctcnv.mixture import copies_of, ratio_of
from ctcnv.schema import GENE_TABLE, GENES, GRID, PROFILE, SOLUTIONS
from ctcnv.simulate import Tumor
from tests import plasma

SETTINGS = plasma.SETTINGS["genes"]
CALM = Dispersion(np.array([1.0, 1000.0]), np.array([0.01, 0.003]))
ATOM = 500_000


def profile_of(levels, *, expected=2000.0, chrom="chr17", copies=2, atom_bp=ATOM):
    """A chromosome whose atoms hold exactly these times the expected fragments."""
    levels = np.asarray(levels, dtype=float)
    start = np.arange(len(levels)) * atom_bp
    return PROFILE.check(
        pd.DataFrame(
            {
                "chrom": chrom, "start": start, "end": start + atom_bp,
                "observed": np.round(np.nan_to_num(levels) * expected),
                "expected": np.where(np.isnan(levels), np.nan, expected),
                "normal_copies": copies, "reason": None,
            }
        )
    )  # fmt: skip


def gene(start=40_000_000, end=40_040_000, *, name="ERBB2", chrom="chr17", centromere=25_000_000):
    return GENE_TABLE.check(
        pd.DataFrame({"gene": [name], "chrom": [chrom], "start": [start], "end": [end],
                      "centromere": [centromere], "role": ["test"]})
    )  # fmt: skip


def flat(n=166):
    """83 Mb of atoms of 500 kb, as chromosome 17; the gene's atom is number 80, its arm 50 on."""
    return np.ones(n)


def measured(levels, *, table=None, dispersion=CALM, settings=SETTINGS, **shape):
    found = genetest.measure(profile_of(levels, **shape), gene() if table is None else table,
                         dispersion=dispersion, settings=settings)  # fmt: skip
    return found[0]


def fraction_result(fraction=0.2, ploidy=2.0, *, status="detected", p_tumor=1.0):
    """A posterior of a single cell."""
    grid = GRID.check(pd.DataFrame({"fraction": [fraction], "ploidy": [ploidy],
                                    "probability": [1.0]}))  # fmt: skip
    row = {"status": status, "p_tumor": p_tumor}
    return FractionResult(row, grid, SOLUTIONS.empty())


def called(levels, result=None, *, table=None, dispersion=CALM, settings=SETTINGS, **shape):
    frame = step.call_genes(
        profile_of(levels, **shape), gene() if table is None else table,
        fraction_result() if result is None else result, dispersion=dispersion, settings=settings,
    )  # fmt: skip
    return GENES.check(frame).iloc[0]


# --- which atoms ---


def test_the_atoms_of_a_gene_are_those_it_touches():
    levels = flat()
    levels[80] = 1.0001
    assert measured(levels).core_bins == 1
    across = gene(40_480_000, 40_520_000)
    assert measured(levels, table=across).core_bins == 2
    # half-open: a gene that ends where an atom begins does not touch it
    assert measured(levels, table=gene(40_000_000, 40_500_000)).core_bins == 1
    assert measured(levels, table=gene(39_999_999, 40_500_001)).core_bins == 3


def test_a_gene_is_found_whatever_the_naming_of_chromosomes():
    assert measured(flat(), chrom="17").core_bins == 1


@pytest.mark.parametrize(
    "levels",
    [np.where(np.arange(166) == 80, np.nan, 1.0), np.full(166, np.nan)],
    ids=["its atom", "every atom"],
)
def test_a_gene_without_a_usable_atom_failed_and_says_so(levels):
    row = called(levels)
    assert row["call"] == "failed"
    assert row["reason"] == "no usable atom at the gene"
    assert np.isnan(row["pcn"])
    assert row["n_bins"] == 0


def test_a_gene_of_a_chromosome_without_atoms_failed():
    assert called(flat(), chrom="chr3")["call"] == "failed"


@given(st.integers(0, 165), st.integers(1, 6), st.integers(1, 80_000_000))
def test_extents_hold_the_gene_within_arm_and_width(low, width, most):
    start = np.arange(166) * ATOM
    end = start + ATOM
    core = (low, min(166, low + width))
    arm = (0, 50) if core[1] <= 50 else (min(50, low), 166)
    found = pairs_of(genetest.tested_extents(start, end, core, arm, most))
    assert found[0] == core
    assert len(set(found)) == len(found)
    for a, b in found[1:]:
        assert arm[0] <= a <= core[0] < core[1] <= b <= arm[1]
        assert end[b - 1] - start[a] <= most


def pairs_of(extents):
    low, high = extents
    return list(zip(low.tolist(), high.tolist(), strict=True))


def test_extents_have_every_pair_of_a_left_and_a_right_end():
    start = np.arange(100) * ATOM
    found = pairs_of(genetest.tested_extents(start, start + ATOM, (50, 52), (0, 100), 9 * ATOM))
    assert found == [(a, b) for a in (50, 49, 48, 46) for b in (52, 53, 54, 56) if b - a <= 9]


@pytest.mark.parametrize("atom_bp", [1_000_000, 5_000_000])
def test_a_gene_in_the_atom_across_the_centromere_is_measured_with_its_own_atom(atom_bp):
    levels = np.ones(60_000_000 // atom_bp)
    table = gene(29_811_990, 29_824_312, name="CCNE1", chrom="chr19", centromere=26_150_000)
    levels[29_811_990 // atom_bp] = 3
    found = measured(levels, table=table, chrom="chr19", atom_bp=atom_bp)
    assert found.ratio == pytest.approx(3)
    assert found.z > 10
    assert found.width == atom_bp
    # the rest of its arm is the arm behind the centromere, without the gene
    assert found.arm_ratio == pytest.approx(1)


# --- the test ---


@given(st.integers(0, 400), st.floats(0.5, 300), st.floats(1e-4, 0.2))
def test_p_values_are_those_of_the_negative_binomial(observed, expected, tau2):
    size = 1 / tau2
    twin = scipy.stats.nbinom(size, size / (size + expected))
    wanted = min(1.0, 2 * min(twin.sf(observed - 1), twin.cdf(observed)))
    found = genetest.two_sided_p(
        np.array([float(observed)]), np.array([expected]), np.array([tau2])
    )
    assert found[0] == pytest.approx(wanted, rel=1e-6, abs=1e-200)


@pytest.mark.parametrize("observed", [0.0, 5, 20, 60])
def test_p_values_without_over_dispersion_are_poisson(observed):
    twin = scipy.stats.poisson(20.0)
    wanted = min(1.0, 2 * min(twin.sf(observed - 1), twin.cdf(observed)))
    found = genetest.two_sided_p(np.array([observed]), np.array([20.0]), np.array([0.0]))
    assert found[0] == pytest.approx(wanted, rel=1e-4)


def worth(pairs, false_positive=0.002):
    low, high = (tuple(side) for side in zip(*pairs, strict=True))
    return genetest.equivalent_tests(low, high, false_positive)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(25, 50)), min_size=1, max_size=10))
def test_tests_are_worth_between_one_and_all_of_them(pairs):
    assert 1 <= worth(pairs) <= len(pairs)


def test_tests_of_the_same_counts_are_one_test():
    assert worth([(10, 30)] * 6) == pytest.approx(1)


def test_two_tests_are_worth_what_bivariate_normals_say():
    """P(z1 > c or z2 > c) = 2 * P(z > c) - P(both > c), correlation 1/sqrt(2)."""
    found = worth([(10, 20), (10, 30)], 0.02)
    c = scipy.stats.norm.isf(0.01 / found)
    both = scipy.stats.multivariate_normal([0, 0], [[1, 0.5**0.5], [0.5**0.5, 1]])
    assert found == pytest.approx(2 - both.cdf([-c, -c]) / scipy.stats.norm.sf(c), abs=0.02)


def test_tests_of_a_gene_are_worth_what_plain_draws_say():
    """How often any of the tests of a gene is beyond the critical value in normal draws."""
    start = np.arange(400) * 10_000
    extents = genetest.tested_extents(start, start + 10_000, (100, 104), (0, 400), 3_000_000)
    rate, (low, high) = 0.02, extents
    n = worth(pairs_of(extents), rate)
    walk = np.cumsum(np.random.default_rng(5).standard_normal((40_000, 401)), axis=1)
    beyond = (walk[:, high] - walk[:, low]) / np.sqrt(high - low) > scipy.stats.norm.isf(
        rate / 2 / n
    )
    assert len(low) > 60
    # 40,000 draws at one per cent: 400 +- 20; the number of tests is known to some per cent
    assert beyond.any(axis=1).mean() == pytest.approx(rate / 2, rel=0.15)
    assert n < 0.6 * len(low)


def test_ratios_correlate_by_what_their_ranges_share():
    found = genetest.overlaps(np.array([20, 10, 20]), np.array([24, 24, 40]))
    wanted = [[1, 4 / np.sqrt(4 * 14), 4 / np.sqrt(4 * 20)],
              [4 / np.sqrt(4 * 14), 1, 4 / np.sqrt(14 * 20)],
              [4 / np.sqrt(4 * 20), 4 / np.sqrt(14 * 20), 1]]  # fmt: skip
    np.testing.assert_allclose(found, wanted)


def test_healthy_genes_are_called_as_rarely_as_said():
    """Poisson and region-wide noise as the dispersion says; 400 genes at 2 %, 99.9th centile."""
    rate, n = 0.02, 400
    loose = replace(SETTINGS, false_positive=rate)
    tau = Dispersion(np.array([1.0, 4.0, 16.0, 64.0]), 0.03 / np.sqrt([1.0, 4.0, 16.0, 64.0]))
    rng = np.random.default_rng(8)
    p_values = []
    for _ in range(n):
        level = rng.gamma(1 / 0.03**2, 0.03**2, 166)
        noisy = rng.poisson(60 * level) / 60
        p_values.append(measured(noisy, expected=60.0, dispersion=tau, settings=loose).p_value)
    assert sum(p <= rate for p in p_values) <= scipy.stats.binom.ppf(0.999, n, rate)
    # nor is the correction so strong that nothing would ever be found
    assert sum(p <= 0.2 for p in p_values) >= scipy.stats.binom.ppf(0.001, n, 0.05)


# --- width and focality ---


def amplified(width, level=3.0, centre=80):
    """A flat chromosome with ``width`` atoms around the gene raised."""
    levels = flat()
    levels[centre - width // 2 : centre - width // 2 + width] = level
    return levels


@pytest.mark.parametrize("width", [1, 3, 9, 21])
def test_the_width_of_an_amplicon_is_found(width):
    found = measured(amplified(width))
    assert found.focal
    # edges are tried at distances that grow by a quarter
    assert found.width / ATOM == pytest.approx(width, rel=0.26)
    assert found.ratio == pytest.approx(3, rel=0.1)


def test_the_whole_arm_is_not_focal():
    levels = flat()
    levels[50:] = 2.0
    found = measured(levels)
    assert not found.focal
    assert found.width is None
    assert found.z > 10


def test_a_chromosome_wide_gain_is_not_focal():
    assert not measured(np.full(166, 1.5)).focal


def test_a_gain_wider_than_the_limit_is_not_focal():
    narrow = replace(SETTINGS, max_extent_bp=3 * ATOM)
    assert not measured(amplified(41, 2.0), settings=narrow).focal


def test_a_gene_less_gained_than_its_arm_is_no_focal_gain():
    levels = flat()
    levels[50:] = 2.0
    levels[78:83] = 1.6
    found = measured(levels)
    assert found.z > 0
    assert not found.focal


def test_a_focal_deletion_is_focal():
    found = measured(amplified(3, 0.3))
    assert found.focal
    assert found.z < 0


def test_a_neighbours_amplicon_is_not_the_genes():
    levels = flat()
    levels[84:90] = 10.0
    found = measured(levels)
    assert found.p_value > 0.01
    assert found.ratio == pytest.approx(1, abs=0.05)


def test_ratios_of_arm_and_chromosome_leave_the_amplicon_out():
    levels = amplified(3, 5.0)
    levels[:50] = 0.5
    found = measured(levels)
    assert found.arm_ratio == pytest.approx(1, abs=0.01)
    # 50 atoms at 0.5 and 113 at 1
    assert found.rest_ratio == pytest.approx((25 + 113) / 163, abs=0.01)


def test_twice_the_counts_give_the_same_ratio_and_a_narrower_interval():
    one, two = measured(amplified(3)), measured(amplified(3), expected=4000.0)
    assert two.ratio == pytest.approx(one.ratio)
    assert two.high - two.low < one.high - one.low
    assert two.p_value <= one.p_value


def test_atoms_that_are_left_out_change_only_the_numbers_of_atoms():
    levels = amplified(9, 3.0)
    with_gap = levels.copy()
    with_gap[[10, 78, 120]] = np.nan
    one, two = measured(levels), measured(with_gap)
    assert two.ratio == pytest.approx(one.ratio, rel=0.02)
    assert two.focal == one.focal
    assert two.core_bins == one.core_bins


# --- copies ---


def test_copies_over_the_centromere_are_those_over_the_windows_near_it():
    # the centromere is at 25 Mb: atoms 30 to 69 lie within 10 Mb; 3 copies of 0.2 are 1.1
    levels = amplified(3, 3.0)
    levels[30:70] = 1.1
    row = called(levels)
    assert row["centromere_ratio"] == pytest.approx(row["copies"] / 3, rel=0.01)
    # those of 41 more atoms count for the rest of the chromosome
    assert row["centromere_ratio"] < row["reference_ratio"]
    wide = flat()
    wide[66:96] = 1.6  # an amplicon that begins among them: the others have two copies
    row = called(wide)
    assert row["width"] == pytest.approx(30 * ATOM, rel=0.1)
    assert row["centromere_ratio"] == pytest.approx(row["copies"] / 2, rel=0.02)
    levels[30:70] = np.nan
    assert np.isnan(called(levels)["centromere_ratio"])


def test_copies_of_a_known_fraction_by_hand():
    # pCN 6, T 0.2, P 2: 2 + 4/0.2 = 22
    row = called(amplified(3, 3.0), fraction_result(0.2, 2.0))
    assert row["pcn"] == pytest.approx(6)
    assert row["copies"] == pytest.approx(22, rel=0.01)
    assert row["copies_low"] < 22 < row["copies_high"]
    assert row["arm_copies"] == pytest.approx(2, abs=0.02)
    assert row["reference_ratio"] == pytest.approx(11, rel=0.02)
    assert row["width"] == 3 * ATOM
    assert row["call"] == "amplified"
    assert row["reason"].startswith("focal gain, probability of amplification 1.00")


def test_plasma_copies_have_the_interval_of_counting_and_over_dispersion():
    levels, expected = amplified(1, 3.0), 400.0
    row = called(levels, expected=expected)
    half = 1.959964 * np.sqrt(3 / 400 + (3 * float(CALM.at(1))) ** 2)
    assert row["pcn_low"] == pytest.approx(2 * (3 - half))
    assert row["pcn_high"] == pytest.approx(2 * (3 + half))


def test_a_gene_on_a_mans_x_has_one_normal_copy():
    table = gene(name="AR", chrom="chrX")
    row = called(flat(), fraction_result(0.4), table=table, chrom="chrX", copies=1)
    assert row["pcn"] == pytest.approx(1)
    assert row["copies"] == pytest.approx(1, abs=0.02)
    assert row["call"] != "lost"


def test_the_interval_of_copies_is_that_of_drawing_ratio_and_cell():
    cells = Cells(np.array([0.1, 0.2, 0.3]), np.array([2.0, 2.5, 3.0]), np.array([0.2, 0.5, 0.3]),
                  1.0, "detected")  # fmt: skip
    rng = np.random.default_rng(4)
    which = rng.choice(3, 200_000, p=cells.weight)
    drawn = copies_of(rng.normal(2.0, 0.1, 200_000), cells.fraction[which],
                                    cells.ploidy[which])  # fmt: skip
    found = cells.copies(step.spread_of(2.0, 0.1), 2).interval()
    np.testing.assert_allclose(found, np.quantile(drawn, [0.025, 0.5, 0.975]), rtol=0.03)


def test_no_copies_are_below_zero():
    cells = Cells.of(fraction_result(0.5, 2.0))
    low, middle, high = cells.copies(step.spread_of(0.3, 0.05), 2).interval()
    assert low == middle == high == 0


def test_explanations_that_need_negative_copies_are_left_out():
    cells = Cells(np.array([0.1, 0.6]), np.array([2.0, 2.0]), np.array([0.5, 0.5]), 1.0, "detected")
    # ratio 0.8: at T 0.1 it takes -2 copies, at T 0.6 it is 1.33
    found = cells.copies(step.spread_of(0.8, 1e-6), 2).interval()
    np.testing.assert_allclose(found, 2 - 0.4 / 0.6, rtol=1e-3)


def test_unknown_ratios_have_unknown_copies():
    cells = Cells.of(fraction_result())
    assert np.isnan(cells.copies(step.spread_of(float("nan"), 0.1), 2).interval()).all()


# --- what could have been seen ---


def one_test(expected=3000.0, atoms=3, critical=1.1, share=1.0):
    return genetest.Test(critical, expected, atoms, share, CALM)


@given(st.floats(0.02, 0.9), st.floats(1.5, 4))
def test_detectable_copies_are_found_with_95_percent_power(fraction, ploidy):
    cells = Cells.of(fraction_result(fraction, ploidy))
    m = replace(genetest.UNSEEN, test=one_test())
    found = step.detectable_copies(cells, m)
    if np.isnan(found):
        assert one_test().power(ratio_of(300.0, fraction, ploidy)) < 0.95
    elif found > 2:
        assert one_test().power(ratio_of(found, fraction, ploidy)) == pytest.approx(0.95, abs=0.03)


def test_power_by_hand():
    test = one_test()
    sd = np.sqrt(CALM.variance(3000, 3, 1.2))
    assert test.power(np.array([1.2]))[0] == pytest.approx(scipy.stats.norm.cdf(0.1 / sd))


def test_an_amplicon_that_fills_half_of_its_atoms_is_diluted_by_half():
    assert one_test(share=0.5).power(np.array([1.4])) == one_test().power(np.array([1.2]))


@given(st.floats(0.05, 0.5), st.floats(1.1, 1.9))
def test_more_tumor_dna_or_depth_shows_fewer_copies(fraction, times):
    def shown(fraction, test):
        return step.detectable_copies(
            Cells.of(fraction_result(fraction)), replace(genetest.UNSEEN, test=test)
        )

    assert shown(fraction * times, one_test()) <= shown(fraction, one_test())
    deep = one_test(expected=3000.0 * times, critical=1 + 0.1 / np.sqrt(times))
    assert shown(fraction, deep) <= shown(fraction, one_test())


def test_tumor_dna_that_may_be_absent_shows_nothing():
    cells = Cells(np.array([0.5]), np.array([2.0]), np.array([1.0]), 0.9, "not_detected")
    assert np.isnan(step.detectable_copies(cells, replace(genetest.UNSEEN, test=one_test())))


# --- the call ---


def test_no_change_in_a_sample_that_would_have_shown_it_is_neutral():
    row = called(flat(), fraction_result(0.4))
    assert row["call"] == "neutral"
    assert row["detectable_copies"] <= SETTINGS.target_copies
    assert "would have been seen" in row["reason"]
    assert row["focal"] is None
    assert pd.isna(row["width"])


def test_no_change_in_a_sample_that_would_not_have_shown_it_is_indeterminate():
    row = called(flat(), fraction_result(0.02), expected=100.0)
    assert row["call"] == "indeterminate"
    assert not row["detectable_copies"] <= SETTINGS.target_copies
    assert "would have been" in row["reason"]


def test_the_target_decides_between_neutral_and_indeterminate():
    shown = called(flat(), fraction_result(0.2))["detectable_copies"]
    for target, call in ((shown * 1.001, "neutral"), (shown * 0.999, "indeterminate")):
        chosen = replace(SETTINGS, target_copies=float(target))
        assert called(flat(), fraction_result(0.2), settings=chosen)["call"] == call


@pytest.mark.parametrize(("copies", "call"), [(5.4, "gained"), (6.6, "amplified")])
def test_six_copies_divide_gained_from_amplified(copies, call):
    level = float(ratio_of(copies, 0.4, 2.0))
    row = called(amplified(5, level), fraction_result(0.4, 2.0))
    assert row["copies"] == pytest.approx(copies, rel=0.02)
    assert row["call"] == call


@pytest.mark.parametrize(("copies", "call"), [(7.4, "gained"), (8.6, "amplified")])
def test_in_a_doubled_genome_twice_the_ploidy_divides_them(copies, call):
    level = float(ratio_of(copies, 0.4, 4.0))
    assert called(amplified(5, level), fraction_result(0.4, 4.0))["call"] == call


def test_a_loss_is_called_lost():
    row = called(amplified(5, float(ratio_of(0, 0.4, 2.0))), fraction_result(0.4))
    assert row["call"] == "lost"
    assert row["reason"] == "focal loss"
    assert row["copies"] < 0.3


@pytest.mark.parametrize("ploidy", [1.7, 2.0, 2.3])
def test_two_copies_are_neither_gained_nor_lost_whatever_the_mean_ploidy(ploidy):
    level = float(ratio_of(2, 0.6, ploidy))
    row = called(np.full(166, level), fraction_result(0.6, ploidy))
    assert row["copies"] == pytest.approx(2, abs=0.02)
    assert row["call"] == "neutral"


def test_a_neutral_gene_has_neither_focality_nor_width():
    row = called(np.full(166, float(ratio_of(2, 0.6, 2.3))), fraction_result(0.6, 2.3))
    assert row["focal"] is None
    assert pd.isna(row["width"])


def test_an_amplicon_without_detected_tumor_has_a_lower_bound_of_copies_only():
    row = called(amplified(3, 4.0), fraction_result(status="not_detected", p_tumor=0.2))
    assert row["call"] == "amplified"
    assert np.isnan(row["copies"])
    assert np.isnan(row["copies_high"])
    # a tumor of any fraction may have made it, so no more than about pCN is sure
    assert row["pcn"] - 0.5 <= row["copies_low"] < 1.3 * row["pcn"]
    assert "lower bound" in row["reason"]


def test_a_failed_sample_fails_every_gene():
    result = fraction_step.failed("too few fragments")
    table = step.call_genes(profile_of(flat()), gene(), result, dispersion=CALM, settings=SETTINGS)
    row = GENES.check(table).iloc[0]
    assert row["call"] == "failed"
    assert row["reason"] == "the sample could not be analysed"
    for name in ("copies", "copies_low", "p_amplified", "detectable_copies"):
        assert np.isnan(row[name])


def test_genes_come_in_the_order_of_their_table():
    table = pd.concat([gene(name="B"), gene(1_000_000, 1_100_000, name="A")], ignore_index=True)
    found = step.call_genes(profile_of(flat()), table, fraction_result(), dispersion=CALM,
                            settings=SETTINGS)  # fmt: skip
    assert found["gene"].tolist() == ["B", "A"]


@given(st.floats(0.3, 20), st.floats(0.01, 0.9), st.floats(1.6, 4.5), st.integers(20, 5000))
def test_every_call_is_consistent_with_its_numbers(level, fraction, ploidy, expected):
    row = called(amplified(3, level), fraction_result(fraction, ploidy), expected=float(expected))
    assert row["pcn_low"] <= row["pcn"] <= row["pcn_high"]
    assert row["copies_low"] <= row["copies"] <= row["copies_high"]
    assert 0 <= row["p_amplified"] <= 1
    assert 0 <= row["p_value"] <= 1
    if row["call"] == "neutral":
        assert row["detectable_copies"] <= SETTINGS.target_copies
    if row["call"] in ("amplified", "gained"):
        assert row["z"] > 0
        assert row["p_value"] <= SETTINGS.false_positive
        assert (row["call"] == "amplified") == (row["p_amplified"] >= 0.5)
    if row["call"] == "lost":
        assert row["z"] < 0


def test_copies_by_solution_are_those_of_its_fraction_and_ploidy():
    table = SOLUTIONS.check(
        pd.DataFrame({"solution": [1, 2], "fraction": [0.2, 0.4], "ploidy": [2.0, 3.0],
                      "weight": [0.7, 0.3], "erbb2_copies": [np.nan, np.nan]})
    )  # fmt: skip
    row = called(amplified(3, 3.0))
    genes = GENES.check(pd.DataFrame([row]))
    filled = step.copies_by_solution(table, genes, gene="ERBB2")
    wanted = copies_of(row["observed"] / row["expected"], table["fraction"],
                                     table["ploidy"])  # fmt: skip
    np.testing.assert_allclose(filled["erbb2_copies"], wanted)
    assert table["erbb2_copies"].isna().all()
    assert len(step.copies_by_solution(SOLUTIONS.empty(), genes, gene="ERBB2")) == 0
    assert step.copies_by_solution(table, genes, gene="MET")["erbb2_copies"].isna().all()


# --- samples with known truth ---


@pytest.mark.parametrize(("fraction", "seed"), [(0.3, 5), (0.1, 6), (0.05, 7)])
def test_an_amplified_tumor_is_called_with_copies_that_hold_the_truth(fraction, seed):
    row = plasma.sample(tumor=plasma.AMPLIFIED, fraction=fraction, seed=seed).gene()
    assert row["call"] == "amplified"
    assert row["focal"]
    assert row["width"] == 3 * plasma.MB
    # 5 % on top for what the GC curve and the panel leave
    assert row["copies_low"] * 0.95 <= 40 <= row["copies_high"] * 1.05


def test_an_amplified_sample_that_is_diluted_becomes_indeterminate_and_never_neutral():
    words = []
    for fraction, seed in ((0.3, 5), (0.1, 6), (0.05, 7), (0.01, 5), (0.003, 5), (0.0005, 5)):
        row = plasma.sample(tumor=plasma.AMPLIFIED, fraction=fraction, seed=seed).gene()
        words.append(row["call"])
    assert set(words) == {"amplified", "indeterminate"}
    assert words[0] == "amplified"
    assert words[-1] == "indeterminate"
    assert words == sorted(words)


def test_a_quiet_genome_with_an_amplicon_is_amplified_with_a_lower_bound_below_the_truth():
    row = plasma.sample(tumor=plasma.ONLY_AMPLICON, fraction=0.1, seed=5).gene()
    assert row["call"] == "amplified"
    assert np.isnan(row["copies"])
    assert row["copies_low"] < 40


def test_a_broad_gain_of_17q_is_gained_and_not_focal():
    broad = Tumor((*plasma.EVENTS, plasma.whole("chr17", 5, 25)))
    row = plasma.sample(tumor=broad, fraction=0.3, seed=5).gene()
    assert row["call"] == "gained"
    assert not row["focal"]
    assert pd.isna(row["width"])
    assert row["copies_low"] <= 5.5
    assert row["copies_high"] >= 4.5


def test_an_unaltered_erbb2_of_a_tumor_is_neutral_where_the_sample_can_tell():
    row = plasma.sample(tumor=plasma.ANEUPLOID, fraction=0.6, seed=5).gene()
    assert row["call"] == "neutral"
    assert row["copies_low"] <= 2 <= row["copies_high"]


@pytest.mark.parametrize("sex", ["female", "male"])
def test_healthy_plasma_is_indeterminate_at_every_gene(sex):
    genes = plasma.sample(sex=sex, seed=9 if sex == "female" else 4).genes
    assert set(genes["call"]) == {"indeterminate"}


def test_a_shallow_tumor_sample_is_indeterminate():
    shallow = replace(plasma.USUAL, fragments=60_000)
    genes = plasma.sample(tumor=plasma.ANEUPLOID, fraction=0.1, seed=3, library=shallow).genes
    assert "neutral" not in set(genes["call"])


def test_a_library_with_too_few_fragments_fails_everywhere():
    made = plasma.sample(seed=3, library=replace(plasma.USUAL, fragments=5_000))
    assert len(made.segments) == 0
    assert made.fraction.row["status"] == "failed"
    genes = GENES.check(made.genes)
    assert set(genes["call"]) == {"failed"}
    numbers = genes.drop(columns=["gene", "chrom", "start", "end", "n_bins", "call", "reason"])
    assert numbers.isna().all(axis=None)
