"""Change from baseline: slopes, templates, words."""

from __future__ import annotations

import functools
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import normals as normals_step
from ctcnv import track as step
from ctcnv.dispersion import Dispersion
from ctcnv.mixture import dna_fraction
from ctcnv.normals import Summed
from ctcnv.schema import MUTATIONS, NORMALS, TRACK
from ctcnv.simulate import Tumor, atom_ploidy
from ctcnv.track import ITSELF, Slope, Template, TimePoint
from tests import plasma

SETTINGS = plasma.SETTINGS["track"]
CALM = Dispersion(np.array([1.0, 1000.0]), np.array([0.01, 0.003]))
NAN = float("nan")


@functools.cache
def point(name, day, *, tumor=plasma.AMPLIFIED, fraction=0.0, seed=5, fragments=3_000_000):
    """A time point through the whole of ``ctcnv call``."""
    library = replace(plasma.USUAL, fragments=fragments)
    made = plasma.sample(tumor=tumor if fraction else None, fraction=fraction, seed=seed,
                         library=library)  # fmt: skip
    return TimePoint(
        sample=name, day=day, fraction=dict(made.fraction.row),
        erbb2=made.genes.set_index("gene").loc["ERBB2"].to_dict(),
        profile=made.normalized.profile, segments=made.segments, grid=made.fraction.grid,
        dispersion=made.dispersion,
    )  # fmt: skip


@functools.cache
def normals():
    """Six normals on common windows, as the panel keeps them."""
    return plasma.build_panel(plasma.normals(6)).normals


def tracked(*points, measured=True):
    made = step.track(points, settings=SETTINGS, normals=normals() if measured else None)
    return TRACK.check(made).set_index("sample")


BASE = functools.partial(point, "base", 0, fraction=0.3)


def share_of_dna(fraction, tumor=plasma.AMPLIFIED):
    return float(dna_fraction(fraction, atom_ploidy(plasma.bins(), tumor)))


# --- a patient ---


@pytest.mark.parametrize(
    ("fraction", "seed", "change"),
    [(0.10, 6, "decrease"), (0.6, 8, "increase"), (0.3, 9, "stable")],
)
def test_the_change_of_a_patient_is_found(fraction, seed, change):
    row = tracked(BASE(), point("later", 21, fraction=fraction, seed=seed)).loc["later"]
    assert row["change"] == change
    for name, true in (("ratio", share_of_dna(fraction) / share_of_dna(0.3)),
                       ("fraction_ratio", fraction / 0.3)):  # fmt: skip
        assert row[f"{name}_low"] * 0.95 <= true <= row[f"{name}_high"] * 1.05
        assert row[name] == pytest.approx(true, rel=0.1)
    # pCN - 2 = k (C - P) falls with the tumor's share of the DNA
    assert row["erbb2_change"] == change


def test_a_tumor_below_the_single_sample_limit_is_still_measured_on_the_baseline():
    later = point("later", 21, fraction=0.01, seed=5)
    assert later.fraction["status"] == "not_detected"
    row = tracked(BASE(), later).loc["later"]
    assert row["informed"] == pytest.approx(0.01, abs=0.005)
    assert row["informed_low"] <= 0.01 <= row["informed_high"]
    assert row["informed_p"] < 0.01
    assert row["change"] == "decrease"
    # alone it has no fraction, so that its copies have a lower bound at most
    assert np.isnan(row["erbb2_copies"])
    assert row["erbb2_informed_low"] <= 40 <= row["erbb2_informed_high"]


def test_copies_with_an_informed_fraction_by_hand():
    # slope 0.5 of a fraction of 0.2 at ploidy 2: 0.1; pCN 4 is 2 + 2 / 0.1
    template = Template("base", pd.DataFrame(), np.array([0.2]), np.array([2.0]), np.ones(1))
    gene = {"pcn": 4.0, "pcn_low": 4.0, "pcn_high": 4.0}
    found = step.informed_copies(Slope(0.5, 0.0, 0.0, profile="same"), template, gene)
    np.testing.assert_allclose(found, 22.0)
    # an error of a tenth of the slope, and none of the gene: 2 + 2 / (0.1 -+ 0.0196)
    low, middle, high = step.informed_copies(Slope(0.5, 0.05, 0.0, profile="same"), template, gene)
    assert (low, middle, high) == pytest.approx((2 + 2 / 0.1196, 22, 2 + 2 / 0.0804), rel=0.01)


@pytest.mark.parametrize(("seed", "fraction"), [(9, 0.0), (6, 0.10)])
def test_copies_are_informed_only_where_the_tumor_is_seen_on_the_profile(seed, fraction):
    table = tracked(BASE(), point("later", 21, fraction=fraction, seed=seed))
    assert np.isnan(table.loc["base", "erbb2_informed"])
    assert np.isfinite(table.loc["later", "erbb2_informed"]) == (fraction > 0)


def test_what_is_not_seen_says_what_would_have_been():
    row = tracked(BASE(), point("later", 21, seed=9)).loc["later"]
    assert row["informed_p"] > SETTINGS.false_positive
    assert 0.001 < row["informed_lob"] < row["informed_lod"] < 0.03
    # below what the sample alone can show
    assert row["informed_lod"] < row["lod"]
    shown = f"a tumor fraction of {100 * row['informed_lod']:.2g} % or more would have been"
    assert f"informed: no tumor seen (p {row['informed_p']:.2g}), {shown}" in row["reason"]
    assert row["profile"] == "not_evaluable"


def test_an_unchanged_profile_is_the_same_and_that_of_the_template_is_its_own():
    table = tracked(BASE(), point("later", 21, fraction=0.1, seed=6))
    assert table["profile"].tolist() == ["template", "same"]
    assert table.loc["later", "profile_p"] > SETTINGS.changed_p
    assert np.isnan(table.loc["base", ["informed_lob", "informed_lod", "profile_p"]].astype(float)
                    ).all()  # fmt: skip


def test_without_a_table_of_normals_the_noise_is_predicted_and_the_reason_says_so():
    points = BASE(), point("later", 21, fraction=0.1, seed=6)
    measured, predicted = tracked(*points), tracked(*points, measured=False)
    assert "noise: " not in measured.loc["later", "reason"]
    assert "noise: predicted and not measured on normals, because there is no table of normals" in (
        predicted.loc["later", "reason"])  # fmt: skip
    assert predicted.loc["later", "informed"] == pytest.approx(measured.loc["later", "informed"],
                                                               rel=0.05)  # fmt: skip
    assert predicted.loc["later", "informed_lod"] < 0.05


def test_too_few_normals_are_no_measurement():
    few = normals()[normals()["sample"].isin(["N01", "N02", "N03"])].reset_index(drop=True)
    points = BASE(), point("later", 21, fraction=0.1, seed=6)
    made = step.track(points, settings=SETTINGS, normals=few)
    assert "because the panel has 3 normals of 6 that are needed" in made["reason"][1]
    none = step.track(points, settings=SETTINGS, normals=NORMALS.empty())
    assert "because the panel has 0 normals of 6 that are needed" in none["reason"][1]


NEW = Tumor((*plasma.EVENTS, plasma.whole("chr2", 4), plasma.whole("chr11", 1)))


def test_a_changed_profile_is_named_and_its_informed_estimate_is_not_believed():
    later = point("later", 21, tumor=NEW, fraction=0.15, seed=9)
    row = tracked(BASE(), later).loc["later"]
    assert row["profile"] == "changed"
    assert row["profile_p"] <= SETTINGS.changed_p
    assert "the informed estimate is not to be believed" in row["reason"]
    assert "chr2:" in row["reason"] or "chr11:" in row["reason"]
    # both are detected alone, so that these are compared
    assert "each sample alone because the profile has changed" in row["reason"]
    for name, of_dna in (("ratio", True), ("fraction_ratio", False)):
        found = row[[f"{name}{end}" for end in ("_low", "", "_high")]].astype(float)
        alone = step.single_ratio(later, BASE(), of_dna=of_dna)
        np.testing.assert_allclose(found, alone.interval())


def test_a_changed_profile_that_is_not_seen_alone_is_not_evaluable():
    later = point("later", 21, tumor=NEW, fraction=0.15, seed=9)
    unseen = replace(later, fraction=later.fraction | {"status": "not_detected"})
    row = tracked(BASE(), unseen).loc["later"]
    assert row["change"] == "not_evaluable"
    assert "the tumor's profile has changed in this sample (chr" in row["reason"]
    assert "later alone shows no tumor" in row["reason"]
    assert np.isnan(row["ratio"])


def test_a_baseline_that_differs_from_a_later_template_is_named_as_well():
    first = point("base", 0, tumor=NEW, fraction=0.15, seed=9)
    later = replace(BASE(), sample="later", day=21)
    table = tracked(replace(first, fraction=first.fraction | {"status": "not_detected"}), later)
    assert table["profile"].tolist() == ["changed", "template"]
    assert "profile: changed" in table.loc["base", "reason"]
    assert table.loc["later", "change"] == "not_evaluable"
    assert "the tumor's profile has changed in the baseline (chr" in table.loc["later", "reason"]
    assert "base alone shows no tumor" in table.loc["later", "reason"]


@pytest.mark.parametrize(("now", "then"), [(plasma.ANEUPLOID, plasma.AMPLIFIED),
                                           (plasma.AMPLIFIED, plasma.ANEUPLOID)])  # fmt: skip
def test_an_amplicon_alone_that_comes_or_goes_is_no_changed_profile(now, then):
    base = point("base", 0, tumor=then, fraction=0.3)
    row = tracked(base, point("later", 21, tumor=now, fraction=0.2, seed=9)).loc["later"]
    assert row["profile"] == "same"
    assert row["ratio_low"] * 0.95 <= 0.2 / 0.3 <= row["ratio_high"] * 1.05


def test_healthy_plasma_after_an_aneuploid_baseline_has_no_tumor_left():
    row = tracked(BASE(), point("later", 21, seed=9)).loc["later"]
    assert row["informed"] < 0.008
    assert row["informed_low"] < 0.002
    assert row["informed_p"] > 0.01
    assert row["change"] == "decrease"
    assert "a fall of at least" in row["reason"]


def test_the_reason_of_a_censored_fall_names_its_least_size():
    row = tracked(BASE(), point("later", 21, seed=9)).loc["later"]
    assert f"a fall of at least {int(100 * (1 - row['ratio_high']))} %" in row["reason"]


def test_the_baseline_is_compared_with_nothing():
    row = tracked(BASE(), point("later", 21, fraction=0.1, seed=6)).loc["base"]
    assert row["baseline"]
    assert row["change"] == row["erbb2_change"] == row["reason"] == "baseline"
    assert np.isnan(row["ratio"])
    assert pd.isna(row["cleared"])
    assert np.isnan(row["erbb2_ratio"])


def test_the_fraction_by_mutations_stands_beside_the_others():
    base = BASE()
    given = {"mutation_fraction": 0.28, "mutation_low": 0.2, "mutation_high": 0.4}
    row = tracked(replace(base, fraction=base.fraction | given)).loc["base"]
    assert row[list(given)].tolist() == [0.28, 0.2, 0.4]
    assert np.isnan(tracked(base).loc["base", "mutation_fraction"])


def test_rows_come_by_day_whatever_the_order_given():
    later, base = point("later", 21, fraction=0.1, seed=6), BASE()
    one, two = tracked(base, later), tracked(later, base)
    assert one.index.tolist() == two.index.tolist() == ["base", "later"]
    pd.testing.assert_frame_equal(one, two)


def test_a_patient_of_one_sample_has_one_row():
    table = tracked(BASE())
    assert table["change"].tolist() == ["baseline"]
    assert table.loc["base", "informed"] == pytest.approx(table.loc["base", "fraction"], rel=0.05)


def test_a_failed_sample_is_not_evaluable():
    failed = point("later", 21, fraction=0.3, seed=9, fragments=5_000)
    row = tracked(BASE(), failed).loc["later"]
    assert row["status"] == "failed"
    assert row["change"] == row["erbb2_change"] == "not_evaluable"
    assert "this sample failed" in row["reason"]
    assert np.isnan(row["informed"])


def test_a_patient_in_whom_nothing_was_ever_seen_is_not_evaluable():
    row = tracked(point("base", 0, seed=9), point("later", 21, seed=10)).loc["later"]
    assert row["change"] == row["erbb2_change"] == "not_evaluable"
    assert "no time point has a detectable tumor fraction" in row["reason"]
    assert "ERBB2 was not raised at baseline" in row["reason"]


def test_a_relapse_after_a_baseline_without_tumor_has_no_ratio():
    row = tracked(point("base", 0, seed=9), point("later", 21, fraction=0.3)).loc["later"]
    assert row["change"] == "not_evaluable"
    assert "no tumor was seen at baseline" in row["reason"]


def test_an_amplicon_of_a_quiet_genome_is_followed_without_any_tumor_fraction():
    base = point("base", 0, tumor=plasma.ONLY_AMPLICON, fraction=0.1)
    later = point("later", 21, tumor=plasma.ONLY_AMPLICON, fraction=0.03, seed=6)
    row = tracked(base, later).loc["later"]
    assert row["change"] == "not_evaluable"
    assert row["erbb2_change"] == "decrease"
    # (pCN - 2) falls as T/(T*P + 2*(1-T)) does
    assert row["erbb2_ratio_low"] <= 0.3 <= row["erbb2_ratio_high"]


def test_a_selective_loss_of_the_amplicon_shows_in_one_of_two_changes():
    later = point("later", 21, tumor=plasma.ANEUPLOID, fraction=0.3, seed=9)
    row = tracked(BASE(), later).loc["later"]
    assert row["change"] == "stable"
    assert row["erbb2_change"] == "decrease"
    assert row["erbb2_copies_change"] == "selective_loss"
    assert row["p_selective_loss"] > 0.99
    assert "a selective loss of the amplified clone" in row["reason"]


def test_another_tumor_has_no_slope_on_the_template():
    other = Tumor((plasma.whole("chr2", 4), plasma.whole("chr11", 1), plasma.whole("chr14", 4)))
    row = tracked(BASE(), point("later", 21, tumor=other, fraction=0.1, seed=9)).loc["later"]
    assert row["informed"] < 0.03
    assert row["profile"] == "changed"


def test_without_a_sample_before_day_one_the_first_stands_in_and_says_so(caplog):
    later = point("later", 42, fraction=0.1, seed=6)
    with caplog.at_level(logging.WARNING):
        table = tracked(replace(BASE(), sample="first", day=21), later)
    assert table.loc["first", "baseline"]
    assert "stands in as baseline" in table.loc["first", "reason"]
    assert "no sample at or before day 0: first of day 21" in caplog.text


@pytest.mark.parametrize(
    ("days", "baseline"), [([-7, 0, 21], 0), ([-30, -1, 5], -1), ([3, 9], 3), ([0], 0)]
)
def test_the_baseline_is_the_last_sample_at_or_before_day_zero(days, baseline):
    points = [replace(BASE(), sample=f"S{day}", day=day) for day in days]
    assert step.baseline(points).day == baseline


def test_several_baselines_and_samples_of_one_day_are_said():
    def of(name, day, **changes):
        return replace(BASE(), sample=name, day=day, **changes)

    failed = {"fraction": {**BASE().fraction, "status": "failed"}}
    points = [of("a", -7), of("b", 0), of("c", 0, **failed), of("d", 21), of("e", 21), of("f", 42)]
    base = step.baseline(points)
    assert base.sample == "b"
    assert [step.days_in_words(point, base, points) for point in points] == [
        "taken before the baseline",
        "the last of 3 samples at or before day 0, as c failed",
        "of the same day as b",
        "of the same day as e",
        "of the same day as d",
        "",
    ]
    assert step.days_in_words(points[1], base, [points[1], points[3]]) == ""
    # without a sample before treatment the first stands in, which another part tells
    assert step.days_in_words(points[3], points[3], [points[3], points[5]]) == ""


def test_a_sample_given_twice_is_refused():
    with pytest.raises(ValueError, match="sample 'base' is given twice"):
        step.track([BASE(), replace(BASE(), day=21)], settings=SETTINGS)


def test_a_patient_without_samples_is_refused():
    with pytest.raises(ValueError, match="without samples"):
        step.track([], settings=SETTINGS)


# --- the template ---


def bare(name, status, fraction, weights=(0.5, 0.4, 1e-6)):
    """A time point with what the choice of a template looks at."""
    grid = pd.DataFrame({"fraction": [0.1, 0.2, 0.3], "ploidy": [2.0, 2.1, 2.2],
                         "probability": weights})  # fmt: skip
    return replace(BASE(), sample=name, fraction={"status": status, "fraction": fraction},
                   grid=grid)  # fmt: skip


def test_the_template_is_the_detected_sample_of_the_highest_fraction():
    points = [
        bare("A", "detected", 0.1),
        bare("B", "not_detected", 0.9),
        bare("C", "detected", 0.2),
        bare("D", "failed", NAN),
    ]
    found = step.choose_template(points)
    assert found is not None
    assert found.sample == "C"
    # cells of next to no weight are left out
    assert found.ploidy.tolist() == [2.0, 2.1]


def test_without_a_detected_sample_there_is_no_template():
    assert step.choose_template([bare("A", "not_detected", 0.1), bare("B", "failed", NAN)]) is None


def test_a_deeper_sample_of_nearly_the_same_fraction_is_clearer():
    deep = point("deep", 21, fraction=0.25, seed=6, fragments=30_000_000)
    found = step.choose_template([BASE(), deep])
    assert found is not None
    assert found.sample == "deep"
    assert step.clarity(deep) > step.clarity(BASE()) > 100


def test_the_clarity_of_a_profile_by_hand():
    table = pd.DataFrame({
        "chrom": ["chr1", "chr2", "chrX", "chr3"], "ratio": [1.2, 0.9, 5.0, 9.0],
        "high": [1.2 + 1.959964 * 0.1, 0.9 + 1.959964 * 0.05, 5.1, 9.1],
    })  # fmt: skip
    grid = pd.DataFrame({"fraction": [0.5], "ploidy": [2.0], "probability": [1.0]})
    # (0.2/0.1)^2 - 1 + (0.1/0.05)^2 - 1; X counts not, nor 9.0, above the ratio 2.5 of 8 copies
    assert step.clarity(replace(BASE(), segments=table, grid=grid)) == pytest.approx(6)


def shared(*points):
    return step.share_windows(points, step.choose_template(points), normals=normals())


def test_amplicons_take_no_part_in_the_fit():
    made = shared(BASE(), point("later", 21, fraction=0.1, seed=6))
    assert made is not None
    amplicon = (made.grid.chrom == "chr17") & (made.grid.start >= 38e6) & (made.grid.end <= 41e6)
    assert not amplicon.any()
    assert len(made.grid) > 0.97 * len(normals_step.read(normals())[1])
    assert (made.pattern.error > 0).all()
    assert made.pattern.segment.max() + 1 == len(made.pattern.error)


def test_segments_are_found_on_the_windows_by_their_middle():
    grid = normals_step.Grid(np.array(["chr1"] * 4, dtype=object), np.array([0, 10, 20, 30]),
                             np.array([10, 20, 30, 40]))  # fmt: skip
    table = pd.DataFrame({"chrom": ["chr1", "chr1", "chr2"], "start": [0, 16, 0],
                          "end": [16, 35, 40], "ratio": [1.1, 9.0, 1.5],
                          "high": [1.1 + 1.959964 * 0.02, 9.1, 1.6]})  # fmt: skip
    assert step.on_windows(table, grid, limit=5.0).tolist() == [0, 0, -1, -1]


def test_the_level_of_a_segment_is_that_of_its_windows_that_are_compared():
    # segment 7 was cut at 1.7, inside of an amplicon; the windows left of it do not show that
    library = Summed(np.array([[2, 2, 4]]), np.array([[210.0, 190.0, 480.0]]),
                     np.array([[200.0, 200.0, 400.0]]))  # fmt: skip
    counting = Dispersion(np.array([1.0]), np.array([0.0]))
    made = step.pattern_of(library, np.array([7, 7, 9]), counting)
    np.testing.assert_allclose(made.deviation, [0.0, 0.0, 0.2])
    assert made.segment.tolist() == [0, 0, 1]
    np.testing.assert_allclose(made.error, [1.0 / 400, 1.2 / 400])


def test_without_windows_in_common_nothing_can_be_compared():
    later = point("later", 21, fraction=0.1, seed=6)
    other = BASE().profile["chrom"].isin([f"chr{i}" for i in range(1, 12)])
    half = later.profile.assign(expected=later.profile["expected"].where(~other))
    rest = BASE().profile.assign(expected=BASE().profile["expected"].where(other))
    row = tracked(replace(BASE(), profile=rest), replace(later, profile=half)).loc["later"]
    assert row["change"] == "not_evaluable"
    assert "the profiles cannot be compared" in row["reason"]
    assert row["profile"] == "not_evaluable"


# --- fractions ---


def template_of(fraction, ploidy):
    return Template("T", pd.DataFrame(), np.array([fraction]), np.array([ploidy]), np.array([1.0]))


@given(st.floats(0.02, 0.9), st.floats(1.5, 4.5))
def test_the_slope_one_gives_back_the_fraction_of_the_template(fraction, ploidy):
    values, weight = step.informed_fraction(ITSELF, template_of(fraction, ploidy))
    np.testing.assert_allclose(values, fraction, rtol=1e-9)
    assert weight.sum() == pytest.approx(1)


@given(st.floats(0.05, 0.9), st.floats(1.5, 4.5), st.floats(0.01, 0.9))
def test_the_slope_of_a_diluted_tumor_gives_its_fraction(fraction, ploidy, now):
    def k(t):
        return t / (t * ploidy + 2 * (1 - t))

    beta = k(now) / k(fraction)
    values, _ = step.informed_fraction(Slope(beta, 0.0, 0.0), template_of(fraction, ploidy))
    np.testing.assert_allclose(values, now, rtol=1e-9)


def test_a_negative_slope_is_no_tumor():
    values, _ = step.informed_fraction(Slope(-0.2, 0.01, 1.0), template_of(0.3, 2.0))
    assert (values == 0).all()


def test_fractions_are_shares():
    values, _ = step.informed_fraction(Slope(50.0, 5.0, 0.0), template_of(0.5, 3.0))
    assert ((values >= 0) & (values <= 1)).all()


def test_the_ratio_of_fractions_by_hand():
    # diploid: fractions are proportional to slopes
    half = step.fraction_ratio(Slope(0.25, 0.0, 0.0), Slope(0.5, 0.0, 0.0), template_of(0.4, 2.0))
    np.testing.assert_allclose(half.interval(), 0.5)


def test_both_errors_widen_the_ratio():
    template = template_of(0.4, 2.0)
    exact, rough = Slope(0.5, 0.0, 0.0), Slope(0.5, 0.05, 0.0)
    widths = [
        float(np.ptp(step.fraction_ratio(now, then, template).interval()))
        for now, then in ((exact, exact), (rough, exact), (rough, rough))
    ]
    assert widths[0] == pytest.approx(0)
    assert widths[0] < widths[1] < widths[2]


def test_the_error_of_the_template_counts_against_the_template_alone():
    template = template_of(0.4, 2.0)
    one, two = (Slope(b, 0.0, 0.0, template_error=0.1) for b in (0.5, 0.25))
    # shared by both, it leaves their ratio
    np.testing.assert_allclose(step.fraction_ratio(two, one, template).interval(), 0.5)
    against = step.fraction_ratio(two, ITSELF, template).interval()
    assert against[1] == pytest.approx(0.25)
    # 1.96 * 0.25 * 0.1 on either side
    np.testing.assert_allclose(against[[0, 2]], [0.201, 0.299], atol=0.004)


def test_the_ratio_hardly_depends_on_which_solution_of_the_template_is_true():
    doubled = Template("T", pd.DataFrame(), np.array([0.2, 0.35]), np.array([2.0, 2.4]),
                       np.array([0.5, 0.5]))  # fmt: skip
    found = Slope(0.25, 0.0, 0.0)
    values, weight = step.informed_fraction(found, doubled)
    assert values.max() > 1.5 * values.min()
    low, _, high = step.fraction_ratio(found, ITSELF, doubled).interval()
    assert low == pytest.approx(0.25, rel=0.15)
    assert high == pytest.approx(0.25, rel=0.15)
    assert weight.sum() == pytest.approx(1)


def test_limits_of_the_slope_are_told_as_fractions():
    # diploid: T_t = beta * T
    assert step.limit_of(0.02, template_of(0.4, 2.0)) == pytest.approx(0.008)
    assert np.isnan(step.limit_of(float("inf"), template_of(0.4, 2.0)))
    assert np.isnan(step.limit_of(50.0, template_of(0.4, 2.0)))


def test_the_ratio_of_two_fractions_found_alone_by_hand():
    def alone(name, fraction, status="detected"):
        grid = pd.DataFrame({"fraction": [fraction], "ploidy": [4.0], "probability": [1.0]})
        return replace(BASE(), sample=name, grid=grid, fraction={"status": status})

    one, two = alone("A", 0.1), alone("B", 0.4)
    np.testing.assert_allclose(step.single_ratio(one, two, of_dna=False).interval(), 0.25)
    # 0.1*4 / (0.1*4 + 1.8) over 0.4*4 / (0.4*4 + 1.2)
    np.testing.assert_allclose(step.single_ratio(one, two, of_dna=True).interval(),
                               (0.4 / 2.2) / (1.6 / 2.8))  # fmt: skip
    unseen = alone("A", 0.1, "not_detected")
    for of_dna in (True, False):
        assert step.single_ratio(unseen, two, of_dna=of_dna) is None
        assert step.single_ratio(two, unseen, of_dna=of_dna) is None


@given(st.floats(0.05, 0.8), st.floats(0.01, 0.8), st.floats(1.5, 5))
def test_the_slope_is_the_ratio_of_the_shares_of_dna_at_whatever_ploidy(then, now, ploidy):
    k_now, k_then = (t / (t * ploidy + 2 * (1 - t)) for t in (now, then))
    found = step.slope_ratio(Slope(k_now / k_then, 0.0, 0.0), ITSELF)
    true = float(dna_fraction(now, ploidy) / dna_fraction(then, ploidy))
    np.testing.assert_allclose(found, true, rtol=1e-9)


def test_another_ploidy_moves_the_ratio_of_fractions_and_not_that_of_dna():
    # 0.3 of a diploid tumor, or 0.353 of one with a copy more everywhere: the same ratios
    found = Slope(0.1, 0.0, 0.0)
    right, wrong = (step.fraction_ratio(found, ITSELF, template_of(t, p)).interval()[1]
                    for t, p in ((0.3, 2.0), (0.3 / 0.85, 3.0)))  # fmt: skip
    assert right == pytest.approx(0.1)
    assert wrong == pytest.approx(0.1 * 0.85 / (1 - 0.015))
    np.testing.assert_allclose(step.slope_ratio(found, ITSELF), 0.1)


# --- words ---


def word(low, middle, high):
    return step.classify(np.array([low, middle, high]), of="ctDNA fraction", unknown="because",
                         settings=SETTINGS)  # fmt: skip


LOW, HIGH = 1 - SETTINGS.no_change, 1 / (1 - SETTINGS.no_change)


@pytest.mark.parametrize(
    ("low", "middle", "high", "change"),
    [
        (LOW, 1.0, HIGH, "stable"),
        (LOW, 0.8, 0.9, "stable"),
        (LOW - 0.01, 0.8, 0.99, "decrease"),
        (0.2, 0.5, 0.999, "decrease"),
        (0.2, 0.5, 1.0, "not_evaluable"),
        (LOW - 0.01, 1.0, HIGH, "not_evaluable"),
        (1.0, 1.3, HIGH + 0.01, "not_evaluable"),
        (1.01, 1.3, HIGH + 0.01, "increase"),
        (1.01, 1.2, HIGH, "stable"),
        (0.0, 0.0, 0.5, "decrease"),
        (0.0, 0.5, 3.0, "not_evaluable"),
    ],
)
def test_words_at_their_boundaries(low, middle, high, change):
    assert word(low, middle, high)[0] == change


def test_an_unknown_ratio_is_not_evaluable_with_the_reason():
    assert word(NAN, NAN, NAN) == ("not_evaluable", "ctDNA fraction: not evaluable, because")


def test_a_fall_that_may_be_complete_is_told_by_its_least_size():
    assert word(0.0, 0.02, 0.25)[1].endswith("a fall of at least 75 %")
    assert "at least" not in word(0.2, 0.25, 0.3)[1]
    # never more than is known
    assert word(0.0, 0.0, 0.006)[1].endswith("at least 99 %")
    assert word(0.0, 0.0, 0.0001)[1].endswith("at least 99 %")


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3).map(sorted))
def test_every_ratio_has_a_word(values):
    change, reason = word(*values)
    assert change in TRACK.columns[[c.name for c in TRACK.columns].index("change")].choices
    assert reason.startswith("ctDNA fraction: ")


# --- ERBB2 ---


def erbb2(pcn, sd=0.05, call="amplified"):
    return {"call": call, "pcn": pcn, "pcn_high": pcn + 1.959964 * sd}


def test_excess_copies_over_those_of_the_baseline_by_hand():
    np.testing.assert_allclose(
        step.erbb2_ratio(erbb2(3.0, 1e-9), erbb2(6.0, 1e-9)).interval(), 0.25, rtol=1e-6
    )


def test_the_interval_of_excess_copies_is_that_of_drawing_both():
    rng = np.random.default_rng(5)
    now = np.maximum(rng.normal(3, 0.2, 10**5) - 2, 0)
    then = rng.normal(6, 0.3, 10**5) - 2
    found = step.erbb2_ratio(erbb2(3.0, 0.2), erbb2(6.0, 0.3)).interval()
    np.testing.assert_allclose(found, np.quantile(now / then, [0.025, 0.5, 0.975]), rtol=0.03)


def test_no_excess_left_is_a_ratio_of_zero():
    assert step.erbb2_ratio(erbb2(1.5), erbb2(6.0)).interval().tolist() == [0, 0, 0]


@pytest.mark.parametrize("call", ["neutral", "lost", "indeterminate", "failed"])
def test_a_baseline_without_raised_erbb2_has_no_ratio(call):
    assert step.erbb2_ratio(erbb2(3.0), erbb2(6.0, call=call)) is None


def test_a_failed_sample_has_no_ratio():
    assert step.erbb2_ratio(erbb2(NAN, call="failed"), erbb2(6.0)) is None


def test_a_baseline_that_may_be_two_copies_has_no_ratio():
    assert step.erbb2_ratio(erbb2(3.0), erbb2(2.05, 0.05, "gained")) is None


# --- probabilities, and ERBB2 apart from the tumor fraction ---


def test_the_interval_of_equal_shares_is_that_of_the_distribution_they_stand_for():
    # the default of numpy took the 3.3 % and 96.7 % points of sixty nodes: 93 % for 95 %
    found = step.Spread.of(1 + 0.1 * step.NODES).interval()
    np.testing.assert_allclose(found, [1 - 0.196, 1, 1 + 0.196], atol=1e-4)
    weighted = step.Spread(1 + 0.1 * step.NODES, np.append(np.ones(59), 1 + 1e-9)).interval()
    np.testing.assert_allclose(weighted, found, atol=2e-3)
    ratio = step.Spread.of(step.slope_ratio(Slope(0.2, 0.01, 0.0), ITSELF)).interval()
    np.testing.assert_allclose(ratio, [0.1804, 0.2, 0.2196], atol=1e-4)


def test_the_probability_of_a_fall_by_hand():
    found = step.falls(step.Spread(np.array([0.4, 0.6, 0.8, 1.2]), np.array([1.0, 2.0, 3.0, 4.0])))
    assert found == pytest.approx({"p_decrease": 0.6, "p_decrease_30": 0.3, "p_decrease_50": 0.1})
    assert all(np.isnan(list(step.falls(None, "erbb2_").values())))
    # what lies at the limit counts half: of a ratio of exactly one nobody knows
    assert step.Spread.of(np.array([1.0])).below(1.0) == 0.5


def amplicon(now, then, beta, se=0.0):
    """ERBB2 of two plasma copy numbers, and the slope of the later sample on the baseline."""
    erbb2_spread = step.erbb2_ratio(erbb2(now, 1e-6), erbb2(then, 1e-6))
    found = Slope(beta, se, 0.0, profile="same")
    return step.amplicon_ratio(step.Spread.of(step.slope_ratio(found, ITSELF)), erbb2_spread)


def test_copies_that_fall_with_the_tumor_are_unchanged_and_faster_are_a_selective_loss():
    # excess 4 -> 1 is a quarter; the tumor fell to a quarter, to a half, and to an eighth
    for beta, ratio, word in ((0.25, 1.0, "unchanged"), (0.5, 0.5, "selective_loss"),
                              (0.125, 2.0, "selective_gain")):  # fmt: skip
        found = amplicon(3.0, 6.0, beta)
        np.testing.assert_allclose(found.interval(), ratio, rtol=1e-5)
        assert step.copies_change(found, unseen=False, known=True, settings=SETTINGS)[0] == word


def test_a_slope_that_is_not_well_known_tells_no_selective_loss_but_its_probability():
    found = amplicon(3.0, 6.0, 0.4, se=0.2)
    word, said = step.copies_change(found, unseen=False, known=True, settings=SETTINGS)
    assert word == "not_evaluable"
    # below 1 means a slope above 0.25: Phi(0.15 / 0.2) = 0.77
    assert found.below(1.0) == pytest.approx(0.773, abs=0.02)
    assert "too wide to tell a selective loss (probability 0.77)" in said[0]


def test_where_no_tumor_is_seen_copies_are_not_evaluable_and_not_lost():
    word, said = step.copies_change(None, unseen=True, known=True, settings=SETTINGS)
    assert word == "not_evaluable"
    assert said == ["ERBB2 copies: not evaluable, no tumor is seen in this sample"]
    row = tracked(BASE(), point("later", 21, seed=9)).loc["later"]
    assert row["erbb2_copies_change"] == "not_evaluable"
    assert said[0] in row["reason"]
    assert np.isnan(row["p_selective_loss"])


def test_a_fall_of_tumor_and_amplicon_alike_leaves_the_copies():
    row = tracked(BASE(), point("later", 21, fraction=0.10, seed=6)).loc["later"]
    assert row["erbb2_copies_change"] == "unchanged"
    assert row["amplicon_ratio_low"] < 1 < row["amplicon_ratio_high"]
    assert "ERBB2 and tumor fraction changed alike" in row["reason"]
    assert not row["cleared"]
    assert row["p_decrease"] > 0.99
    assert row["p_decrease_30"] > 0.99
    assert row["erbb2_p_decrease_50"] > 0.9


def test_what_is_not_seen_is_censored_at_the_limit_of_detection_of_this_sample():
    row = tracked(BASE(), point("later", 21, seed=9)).loc["later"]
    assert row["censored"]
    assert row["cleared"]
    assert row["ratio_low"] == 0
    base = tracked(BASE()).loc["base"]
    for name in ("ratio_high", "fraction_ratio_high"):
        assert row[name] == pytest.approx(row["informed_lod"] / base["fraction"], rel=0.15)
    assert row["change"] == "decrease"
    at_least = int(100 * (1 - row["ratio_high"]))
    assert f"a fall of at least {at_least} %" in row["reason"]


def test_samples_of_one_day_have_a_row_each_against_the_same_baseline():
    twin = replace(point("later", 21, fraction=0.10, seed=6), sample="again")
    table = tracked(point("later", 21, fraction=0.10, seed=6), BASE(), twin)
    assert table.index.tolist() == ["base", "again", "later"]
    assert table["ratio"].loc["again"] == table["ratio"].loc["later"]
    assert table["change"].tolist() == ["baseline", "decrease", "decrease"]
    assert table.loc["again", "reason"].endswith("; days: of the same day as later")
    assert "days: " not in table.loc["base", "reason"]


# --- what mutations add ---


def with_mutations(of, vaf, *, depth=2000, p_clonal=0.95):
    """A time point whose four mutations lie on two copies."""
    rows = [
        dict.fromkeys(MUTATIONS.names, NAN) | {
            "chrom": "chr2", "start": i, "end": i + 1, "ref": "C", "alt": "T", "depth": depth,
            "alt_reads": round(depth * vaf), "vaf": vaf, "used": True, "ratio": 1.0,
            "p_clonal": p_clonal, "gene": None, "protein": None, "origin": None, "reason": None,
        } for i in range(4)
    ]  # fmt: skip
    return replace(of, mutations=MUTATIONS.check(pd.DataFrame(rows, columns=MUTATIONS.names)))


def with_mutations_tracked(vaf, **changes):
    base = with_mutations(BASE(), 0.15, **changes)
    later = with_mutations(point("later", 21, fraction=0.1, seed=6), vaf, **changes)
    made = step.track([base, later], settings=SETTINGS, normals=normals(),
                      mutations=plasma.SETTINGS["mutations"])  # fmt: skip
    return TRACK.check(made).set_index("sample").loc["later"]


def test_mutations_that_agree_sharpen_the_change():
    alone = tracked(BASE(), point("later", 21, fraction=0.1, seed=6)).loc["later"]
    both = with_mutations_tracked(0.05, depth=20000)
    assert "mutations: 4 mutations have a part in the change" in both["reason"]
    for name in ("ratio", "fraction_ratio"):
        width = both[f"{name}_high"] - both[f"{name}_low"]
        assert width < alone[f"{name}_high"] - alone[f"{name}_low"]
        assert both[f"{name}_low"] < both[name] < both[f"{name}_high"]
    # the informed fraction is that of copy number alone
    assert both["informed"] == alone["informed"]


def test_mutations_that_change_in_another_way_have_no_part():
    alone = tracked(BASE(), point("later", 21, fraction=0.1, seed=6)).loc["later"]
    # not of the tumor: as many reads as before, while copy number fell to a third
    both = with_mutations_tracked(0.15)
    assert "mutations: 4 mutations changed in another way than copy number" in both["reason"]
    assert both["ratio"] == alone["ratio"]
    assert both["amplicon_ratio"] == alone["amplicon_ratio"]


def test_what_mutations_say_joins_the_slope_as_a_product():
    # a slope of 0.2 +- 0.04 and a sharp likelihood at 0.15 of the same width: half-way
    class Sharp:
        def at(self, change):
            return np.exp(-0.5 * ((change - 0.15) / 0.04) ** 2)

    found = Slope(0.2, 0.04, 0.0, profile="same")
    low, middle, high = step.joined(found, ITSELF, Sharp()).interval()
    assert middle == pytest.approx(0.175, abs=0.002)
    assert high - low == pytest.approx(2 * 1.96 * 0.04 / np.sqrt(2), rel=0.05)
