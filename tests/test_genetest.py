"""What the counts say about a gene: its region's noise, its extents, and what is not its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import genes, genetest
from ctcnv.dispersion import Dispersion
from ctcnv.mixture import ratio_of
from tests.reference.missed_slow import probability_missed
from tests.test_genes import (
    ATOM,
    CALM,
    SETTINGS,
    amplified,
    called,
    flat,
    fraction_result,
    gene,
    measured,
    profile_of,
)

#: Counting noise and next to nothing else.
POISSON = Dispersion(np.array([1.0, 1000.0]), np.array([0.005, 0.001]))
FINE = 10_000
#: ERBB2 as it lies in atoms of 10 kb: it fills 0.2, 1, 1, 1, 1 and 0.04 of the atoms 268 to 273.
SMALL = gene(2_687_913, 2_730_426, centromere=0)


def fine(*stretches, n=600):
    """600 atoms of 10 kb with stretches (low, high, ratio)."""
    levels = np.ones(n)
    for low, high, ratio in stretches:
        levels[low:high] = ratio
    return levels


def fine_gene(levels, *, expected=60.0, **others):
    return measured(levels, table=SMALL, dispersion=POISSON, atom_bp=FINE, expected=expected,
                    **others)  # fmt: skip


def fine_call(levels, result=None, *, expected=60.0):
    return called(levels, result, table=SMALL, dispersion=POISSON, atom_bp=FINE, expected=expected)


# --- the gene's own region ---


def test_a_region_that_varies_in_healthy_plasma_needs_a_larger_change():
    levels = amplified(1, 1.06)
    profile, table = profile_of(levels), gene()

    def p_value(excess):
        return genetest.measure(profile, table, dispersion=CALM, settings=SETTINGS,
                                excess=excess)[0].p_value  # fmt: skip

    assert p_value({"ERBB2": 0.05}) > p_value({"ERBB2": 0.02}) > p_value(None)
    assert p_value({"EGFR": 0.05}) == p_value(None)


def squared_excess(profile, table, dispersion):
    extents = genetest.extents_of(profile, table, settings=SETTINGS)
    return genetest.squared_excess(extents, dispersion=dispersion)


def test_the_excess_of_a_region_by_hand():
    """A gene of one atom in an arm of three: its atom, all three, and it with either neighbour."""
    levels = [1.0, 1.0, 1.3, 1.0]
    table = gene(2 * ATOM, 2 * ATOM + 10, centromere=ATOM)
    profile = profile_of(levels, expected=1000.0)
    tau = Dispersion(np.array([1.0, 2.0, 3.0]), np.array([0.03, 0.02, 0.01]))
    found = squared_excess(profile, table, tau)
    # (r - 1)^2 less 1/E + tau^2
    variances = np.array([1 / 1000 + 0.03**2, 1 / 3000 + 0.01**2, *[1 / 2000 + 0.02**2] * 2])
    beyond = np.array([0.09, 0.01, 0.0225, 0.0225]) - variances
    np.testing.assert_allclose(found, [[np.sum(beyond / variances**2), np.sum(1 / variances**2)]])


@pytest.mark.parametrize("level", [1.0, 1.8])
def test_the_test_alone_is_that_of_the_measurement(level):
    """The panel tests a hundred normals and measures none."""
    levels = np.ones(166)
    levels[37:39] = level
    levels[60:64] = 1.5
    profile = profile_of(levels)
    table = pd.concat([gene(), gene(61 * ATOM, 62 * ATOM, name="BESIDE"),
                       gene(20 * ATOM, 21 * ATOM, name="EGFR")], ignore_index=True)  # fmt: skip
    excess = {"EGFR": 0.02}
    found = genetest.tested(
        genetest.extents_of(profile, table, settings=SETTINGS), lambda: profile, table,
        dispersion=CALM, settings=SETTINGS, excess=excess,
    )  # fmt: skip
    wanted = genetest.measure(profile, table, dispersion=CALM, settings=SETTINGS, excess=excess)
    assert [(one.p_value, one.z) for one in found] == [(one.p_value, one.z) for one in wanted]


def test_a_gene_without_atoms_has_no_excess():
    profile = profile_of(np.full(166, np.nan))
    found = squared_excess(profile, gene(), CALM)
    assert found.tolist() == [[0, 0]]


# --- many genes ---


def test_the_first_gene_pays_for_no_other_and_the_others_for_each_other():
    names = ["EGFR", "ERBB2", "MET", "KRAS", "MYC"]
    # of EGFR, MET, KRAS, MYC: 0.004*4/1, 0.01*4/2, 0.03*4/3 and 0.8, none above a larger p's
    found = genes.controlled(names, [0.01, 0.001, 0.8, 0.004, 0.03])
    np.testing.assert_allclose(found, [0.02, 0.001, 0.8, 0.016, 0.04])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_others_are_corrected_as_benjamini_and_hochberg_do(p_values):
    found = genes.controlled([f"G{i}" for i in range(len(p_values))], p_values)
    np.testing.assert_allclose(found, scipy.stats.false_discovery_control(p_values))


def test_genes_without_a_p_value_do_not_count():
    found = genes.controlled(["A", "B", "C"], [0.02, float("nan"), 0.5])
    np.testing.assert_allclose(found, [0.04, np.nan, 0.5])


def test_a_gene_that_does_not_stand_the_correction_is_not_called():
    levels = amplified(1, 1.12)
    other = gene(name="EGFR")
    row = called(levels, table=other)
    assert row["call"] == "gained"
    assert row["p_focal"] > 0.5
    strict = replace(SETTINGS, false_discovery=row["q_value"] * 0.99)
    row = called(levels, table=other, settings=strict)
    assert row["call"] == "neutral"
    assert np.isnan(row["p_focal"])
    assert called(levels, settings=strict)["call"] == "gained"


# --- extents and width ---


@pytest.mark.parametrize(("low", "high"), [(268, 274), (250, 300), (262, 312), (100, 290)])
def test_the_width_of_an_amplicon_that_is_not_symmetric(low, high):
    found = fine_gene(fine((low, high, 2.5)))
    width = (high - low) * FINE
    assert found.focal
    assert found.p_focal > 0.999
    assert found.width == width
    assert found.width_low <= width - FINE
    assert found.width_high >= width + FINE
    assert found.width_high - found.width_low <= 4 * FINE
    assert found.ratio == pytest.approx(2.5, rel=0.02)


def test_few_fragments_make_the_width_uncertain_and_the_copies_with_it():
    levels = fine((250, 300, 2.0))
    deep, shallow = fine_gene(levels), fine_gene(levels, expected=6.0)
    assert shallow.width_high - shallow.width_low > deep.width_high - deep.width_low
    assert shallow.width_low < 50 * FINE < shallow.width_high
    assert shallow.high - shallow.low > deep.high - deep.low


def test_the_atoms_at_the_ends_do_not_dilute_an_amplicon():
    """Both ends lie in the middle of an atom, which has half of the excess."""
    found = fine_gene(fine((259, 281, 3.0), (260, 280, 5.0)), expected=600.0)
    assert found.ratio == pytest.approx(5.0, rel=0.005)


def test_a_narrow_step_of_a_gained_arm_may_be_focal_or_not_and_the_row_says_so():
    # 1.75 instead of 1.5 in ten atoms of 60 fragments: four standard deviations
    found = fine_gene(fine((0, 600, 1.5), (266, 276, 1.75)))
    assert found.p_value < 1e-3
    assert found.focal is None
    assert 0.5 < found.p_focal < 0.999
    assert found.width is None
    row = fine_call(fine((0, 600, 1.5), (266, 276, 1.75)))
    assert row["reason"].startswith("focal or broad not told: gain")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("level", [1.03, 1.25, 1.5])
def test_a_gain_of_the_whole_arm_is_never_focal(seed, level):
    drawn = np.random.default_rng(seed).poisson(60 * level, 600) / 60
    found = fine_gene(drawn)
    assert found.focal is not True
    assert found.p_value > 1e-3 or found.p_focal < 0.999


def test_what_could_have_been_seen_is_told_for_the_width_that_is_seen():
    narrow, wide = fine_gene(fine((264, 278, 4.0))), fine_gene(fine((200, 380, 4.0)))
    assert narrow.test.atoms == 14
    assert wide.test.atoms == 180
    assert fine_gene(fine()).test.atoms == 50


def test_the_density_that_an_amplicon_is_seen_with_is_that_on_both_sides_of_the_gene():
    """50 atoms are asked for; expected fragments differ on the left, at the gene and the right."""
    profile = profile_of(fine(), atom_bp=FINE, expected=60.0)
    expected = profile["expected"].to_numpy().copy()
    expected[218:268], expected[268:274], expected[274:324] = 40.0, 10.0, 70.0
    expected[:218], expected[324:] = 1.0, 1000.0
    profile = profile.assign(expected=expected, observed=expected.astype(int))
    found = genetest.measure(profile, SMALL, dispersion=POISSON, settings=SETTINGS)[0]
    assert found.test.expected == pytest.approx((50 * 40 + 6 * 10 + 50 * 70) / 106 * 50)


# --- quantiles ---


def test_quantiles_of_one_normal_distribution_are_its_own():
    wanted = np.array([0.025, 0.3, 0.5, 0.975])
    found = genetest.mixture_quantiles(np.array([2.0]), np.array([0.3]), np.ones(1), wanted)
    np.testing.assert_allclose(found, scipy.stats.norm(2.0, 0.3).ppf(wanted), rtol=1e-8)


def test_quantiles_of_a_mixture_are_where_its_distribution_says():
    means, sds, weights = np.array([1.0, 3.0]), np.array([0.1, 0.5]), np.array([3.0, 1.0])
    wanted = np.array([0.1, 0.5, 0.8, 0.99])
    found = genetest.mixture_quantiles(means, sds, weights, wanted)
    below = 0.75 * scipy.stats.norm(1, 0.1).cdf(found) + 0.25 * scipy.stats.norm(3, 0.5).cdf(found)
    np.testing.assert_allclose(below, wanted, rtol=1e-6)


# --- what is not the gene's ---


@pytest.mark.parametrize("atoms", [2, 3, 4])
@pytest.mark.parametrize("level", [1.5, 2.0])
@pytest.mark.parametrize("fraction", [0.05, 0.4])
def test_a_germline_variant_of_a_part_of_the_gene_is_no_amplification(atoms, level, fraction):
    for first in range(268, 274 - atoms + 1):
        row = fine_call(fine((first, first + atoms, level)), fraction_result(fraction))
        assert row["call"] in ("indeterminate", "neutral"), first
        deep = fine_call(fine((first, first + atoms, level)), fraction_result(fraction),
                         expected=600.0)  # fmt: skip
        assert deep["call"] == "indeterminate", first
        assert deep["reason"] in genetest.DOUBTS


@pytest.mark.parametrize(
    ("expected", "first", "counts"),
    [
        # twice the germline's copies in the four atoms of the gene, by chance 277 for 240: beyond a
        # ratio of 2 by more than its interval
        (30.0, 269, [69.25] * 4),
        # half more in three and in four atoms, and by chance high ones behind: wider than the gene
        (60.0, 269, [90, 92, 94, 80, 78, 76, 75]),
        (30.0, 269, [46, 46, 46, 46, 40, 38]),
    ],
)
def test_chance_beside_a_germline_variant_makes_no_amplification(expected, first, counts):
    drawn = fine()
    drawn[first : first + len(counts)] = np.array(counts) / expected
    row = fine_call(drawn, fraction_result(0.1), expected=expected)
    assert row["p_value"] < 1e-3
    assert (row["call"], row["reason"]) == ("indeterminate", genetest.NARROW)
    # a wide one of that height is the tumor's
    drawn[250:300] = drawn[270]
    assert fine_call(drawn, fraction_result(0.1), expected=expected)["call"] == "amplified"


def test_no_variant_inside_a_gene_is_told_where_its_atoms_are_wider_than_it():
    """At a ratio of exactly 1.5, an amplicon of one atom of 500 kb."""
    row = called(amplified(1, 1.5))
    assert row["call"] == "amplified"
    assert row["focal"]


# --- no change ---


def own_atoms(levels, *, table=SMALL, atom_bp=FINE, expected=60.0):
    return measured(levels, table=table, dispersion=POISSON, atom_bp=atom_bp,
                    expected=expected).own  # fmt: skip


def test_the_atoms_that_every_amplicon_of_the_gene_holds():
    levels = fine((268, 269, 2.0), (273, 274, 3.0))
    found = own_atoms(levels)
    assert (found.observed, found.expected, found.atoms, found.share) == (240, 240, 4, 1)
    # the gene fills 0.6 and 0.9 of two atoms
    found = own_atoms(fine(), table=gene(2_684_000, 2_699_000, centromere=0))
    assert (found.atoms, found.share) == (2, pytest.approx(0.75))
    # atoms of 1 Mb: half of one is filled by an amplicon of the width that is assumed
    found = own_atoms(np.ones(80), table=gene(40_100_000, 40_140_000), atom_bp=1_000_000)
    assert (found.atoms, found.share) == (1, 0.5)


def test_how_likely_so_few_fragments_are_by_hand():
    few = genetest.OwnAtoms(12.0, 10.0, 4, 0.5, Dispersion(np.array([1.0]), np.array([1e-6])))
    # ratio 3 in half of the atoms: 20 fragments
    wanted = scipy.stats.poisson(20.0).cdf(12)
    assert few.as_few(np.array([3.0]))[0] == pytest.approx(wanted, rel=1e-3)
    assert few.as_few(np.array([0.0, -5.0])) == pytest.approx(
        [scipy.stats.poisson(5.0).cdf(12), 1.0], rel=1e-3
    )


def test_a_target_that_the_own_atoms_do_not_exclude_is_not_neutral():
    """TF 0.1: 6 copies are a ratio of 1.2, in 4 atoms of 120 fragments 576. An amplicon of 500 kb
    would have been seen with fewer; whether the gene alone has one is told by its atoms."""
    cells = genes.Cells.of(fraction_result(0.1))
    for count, call in ((120, "neutral"), (135, "indeterminate")):
        levels = fine((269, 273, count / 120))
        m = fine_gene(levels, expected=120.0)
        missed = probability_missed(6.0, cells, m)
        # negative binomial around 576: Poisson and POISSON's 0.4 % of four atoms
        assert missed == pytest.approx(scipy.stats.poisson(576).cdf(4 * count), rel=0.1)
        row = fine_call(levels, fraction_result(0.1), expected=120.0)
        assert row["detectable_copies"] < SETTINGS.target_copies
        assert (row["call"], missed <= SETTINGS.false_neutral) == (call, call == "neutral")
    # 576 + 24 * (C - 6) fragments of which 540 or fewer are seen in one of 100: 597.2, 6.9 copies
    assert row["reason"] == f"{genetest.NOT_EXCLUDED}, only 6.9 copies or more are"


def test_without_a_posterior_nothing_is_excluded():
    cells = genes.Cells(*[np.zeros(0)] * 3, 1.0, "failed")
    assert not genes.excludes(6.0, cells, fine_gene(fine()), most=1.0)
    assert np.isnan(genes.excluded_copies(cells, fine_gene(fine()), settings=SETTINGS))


def test_a_tumor_that_may_be_absent_excludes_nothing():
    one = genes.Cells(np.array([0.5]), np.array([2.0]), np.ones(1), 0.97, "not_detected")
    gene = fine_gene(fine())
    assert probability_missed(300.0, one, gene) == pytest.approx(0.03)
    assert not genes.excludes(300.0, one, gene, most=0.029)
    assert genes.excludes(300.0, one, gene, most=0.031)


@given(
    st.lists(st.tuples(st.floats(0.003, 0.9), st.floats(1.5, 4.5), st.floats(1e-6, 1.0)),
             min_size=1, max_size=60),
    st.floats(2.5, 30), st.floats(1e-4, 0.5), st.sampled_from(["detected", "not_detected"]),
)  # fmt: skip
def test_what_is_excluded_is_what_is_hardly_ever_missed(cells, copies, most, status):
    """From the heaviest cells first, and from all of them."""
    posterior = genes.Cells(*np.array(cells).T, 0.995, status)
    gene = fine_gene(fine())
    missed = probability_missed(copies, posterior, gene)
    if abs(missed - most) > 1e-9:
        assert genes.excludes(copies, posterior, gene, most=most) == (missed <= most)


@pytest.mark.parametrize("atoms", [4, 12])
def test_an_amplified_gene_is_hardly_ever_neutral_however_narrow_its_amplicon(atoms):
    """Six copies at TF 0.3 and 0.3x, where an amplicon of 500 kb shows from 3.4 copies on; one
    that is as narrow as the gene is missed by the test in most of 40 samples."""
    rng, n, calls = np.random.default_rng(atoms), 40, []
    levels = fine((269, 269 + atoms, float(ratio_of(6, 0.3, 2.0))))
    for _ in range(n):
        drawn = rng.poisson(18 * levels) / 18
        calls.append(fine_call(drawn, fraction_result(0.3), expected=18.0)["call"])
    assert calls.count("neutral") <= scipy.stats.binom.ppf(0.999, n, SETTINGS.false_neutral)
    assert calls.count("amplified") < n


def test_an_amplicon_of_the_gene_alone_is_one_where_no_germline_variant_reaches():
    row = fine_call(fine((269, 273, 6.0)))
    assert row["call"] == "amplified"
    assert row["focal"]
    # the same at a level that a germline variant has is not told
    assert fine_call(fine((269, 273, 1.9)))["call"] == "indeterminate"


def test_a_lost_part_of_a_gene_is_not_the_genes_loss():
    assert fine_call(fine((270, 272, 0.5)), expected=600.0)["call"] == "indeterminate"
    assert fine_call(fine((240, 300, 0.5)), expected=600.0)["call"] == "lost"


def test_an_amplicon_with_a_lost_atom_in_the_gene_is_still_one():
    row = fine_call(fine((250, 300, 4.0), (270, 271, 0.1)), expected=600.0)
    assert row["call"] == "amplified"
    # one level for 50 atoms, of which one is nearly empty
    assert row["pcn"] == pytest.approx(8, rel=0.03)


def test_a_gene_beside_a_higher_amplicon_keeps_its_own():
    found = fine_gene(fine((255, 290, 3.0), (300, 330, 15.0)), expected=600.0)
    assert found.focal
    assert found.ratio == pytest.approx(3, rel=0.02)
    assert found.width == 35 * FINE


@pytest.mark.parametrize("beside", [(275, 330), (200, 267)])
def test_a_neighbours_amplicon_on_either_side_is_not_the_genes(beside):
    row = fine_call(fine((*beside, 12.0)), fraction_result(0.4), expected=600.0)
    assert row["call"] == "neutral"
    assert row["pcn"] == pytest.approx(2, rel=0.05)


def test_a_change_beside_that_may_reach_the_gene_is_no_proof_that_the_gene_is_unchanged():
    sure = replace(genetest.UNSEEN, n_bins=6, observed=360.0, expected=360.0, ratio=1.0, low=0.9,
                   high=1.1, nodes=np.ones(41), z=0.0, p_value=0.5)  # fmt: skip
    cells = genes.Cells.of(fraction_result(0.4))
    row = SMALL.iloc[0].to_dict()
    sure = replace(sure, test=genetest.Test(1.05, 3000.0, 50, 1.0, POISSON),
                   own=genetest.OwnAtoms(240.0, 240.0, 4, 1.0, POISSON))  # fmt: skip
    for doubt, call in ((None, "neutral"), (genetest.BESIDE, "indeterminate")):
        found = genes._row(row, replace(sure, doubt=doubt), 0.5, cells, settings=SETTINGS)
        assert found["call"] == call


def test_atoms_of_which_the_gene_has_less_than_half_need_not_be_in_its_amplicon():
    place = genetest._places(profile_of(fine(), atom_bp=FINE), SMALL)[0]
    assert place.core == (268, 274)
    assert place.inner == (269, 273)
    moved = place.without((100, 150))
    assert (moved.core, moved.inner, moved.arm) == ((218, 224), (219, 223), (0, 550))
    cut = place.without((270, 272))
    assert (cut.core, cut.inner, cut.arm) == ((268, 272), (269, 271), (0, 598))
    behind = place.without((300, 310))
    assert (behind.core, behind.inner, behind.arm) == ((268, 274), (269, 273), (0, 590))


# --- ploidy ---


def test_seven_copies_are_amplified_in_a_diploid_tumor_and_not_in_a_tetraploid_one():
    for ploidy, call in ((2.0, "amplified"), (4.0, "gained")):
        level = float(ratio_of(7, 0.3, ploidy))
        row = fine_call(fine((250, 300, level)), fraction_result(0.3, ploidy), expected=600.0)
        assert row["copies"] == pytest.approx(7, rel=0.03)
        assert row["call"] == call


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("copies", [110, 220])
def test_nothing_bounds_the_copies_of_a_gene(copies, fraction):
    """As many as HCC1954 has, up to a ratio of 99."""
    level = float(ratio_of(copies, fraction, 2.0))
    row = fine_call(fine((250, 300, level)), fraction_result(fraction))
    assert row["call"] == "amplified"
    assert row["focal"]
    assert row["copies"] == pytest.approx(copies, rel=0.03)
    assert row["copies_low"] <= copies <= row["copies_high"]
    assert row["width"] == 50 * FINE


def test_an_undetected_tumor_has_no_lower_bound_of_a_loss():
    nothing = fraction_result(status="not_detected", p_tumor=0.2)
    row = called(amplified(5, 0.5), nothing)
    assert row["call"] == "lost"
    assert np.isnan(row["copies_low"])
    assert np.isnan(called(flat(), nothing)["copies_low"])
