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

from ctcnv import track as step
from ctcnv.dispersion import Dispersion
from ctcnv.schema import TRACK
from ctcnv.simulate import Tumor
from ctcnv.track import Slope, Template, TimePoint
from tests import plasma
from tests.reference import slope_slow

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


def tracked(*points):
    return TRACK.check(step.track(points, settings=SETTINGS)).set_index("sample")


BASE = functools.partial(point, "base", 0, fraction=0.3)


# --- a patient ---


@pytest.mark.parametrize(
    ("fraction", "seed", "change"),
    [(0.10, 6, "decrease"), (0.6, 8, "increase"), (0.3, 9, "stable")],
)
def test_the_change_of_a_patient_is_found(fraction, seed, change):
    row = tracked(BASE(), point("later", 21, fraction=fraction, seed=seed)).loc["later"]
    assert row["change"] == change
    assert row["ratio_low"] * 0.9 <= fraction / 0.3 <= row["ratio_high"] * 1.1
    assert row["ratio"] == pytest.approx(fraction / 0.3, rel=0.1)
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
    assert np.isnan(row["erbb2_ratio"])


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


def test_another_tumor_has_no_slope_on_the_template():
    other = Tumor((plasma.whole("chr2", 4), plasma.whole("chr11", 1), plasma.whole("chr14", 4)))
    made = tracked(BASE(), point("later", 21, tumor=other, fraction=0.1, seed=9))
    assert made.loc["later", "informed"] < 0.03


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


def test_the_template_itself_has_the_slope_one():
    template = step.choose_template([BASE()])
    assert step.slope(BASE(), template) == Slope(1.0, 0.0, 0.0)


def test_amplicons_take_no_part_in_the_template():
    template = step.choose_template([BASE()])
    assert template is not None
    summed = step.windows(BASE().profile, atoms=1)
    x, variance = step.template_deviation(summed, template)
    amplicon = (summed.chrom == "chr17") & (summed.start >= 38e6) & (summed.end <= 41e6)
    assert np.isnan(x[amplicon]).all()
    assert np.isfinite(x[~amplicon]).mean() > 0.99
    assert (variance[np.isfinite(x)] > 0).all()


# --- the slope ---


def made_windows(seed, n_chrom=6, per=15, beta=0.4, noise=0.01):
    rng = np.random.default_rng(seed)
    x = np.repeat(rng.choice([-0.1, 0.0, 0.1, 0.2], n_chrom * 3), per // 3)
    variance = rng.uniform(0.5, 2, len(x)) * noise**2
    y = beta * x + rng.normal(0, np.sqrt(variance))
    chrom = np.repeat([f"chr{i}" for i in range(n_chrom)], per).astype(object)
    return x, np.full(len(x), 1e-6), y, variance, chrom


@pytest.mark.parametrize("seed", range(5))
def test_the_slope_and_its_jackknife_are_those_of_fitting_again(seed):
    x, x_variance, y, variance, chrom = made_windows(seed)
    found = step.fit_slope(x, x_variance, y, variance, chrom, wave=np.zeros(len(x)))
    assert found is not None
    assert found.beta == pytest.approx(slope_slow.slope(x, x_variance, y, variance))
    jackknife = slope_slow.jackknife(x, x_variance, y, variance, chrom)
    bottom = sum((a * a - n) / v for a, n, v in zip(x, x_variance, variance, strict=True))
    predicted = np.sqrt(sum(a * a / v for a, v in zip(x, variance, strict=True))) / bottom
    assert found.se == pytest.approx(max(jackknife, predicted))


def test_the_slope_by_hand():
    # two windows per chromosome; y = 0.5 x exactly
    x = np.array([0.2, 0, -0.1, 0, 0.3, 0])
    chrom = np.array(["a", "a", "b", "b", "c", "c"], dtype=object)
    found = step.fit_slope(x, np.zeros(6), 0.5 * x, np.full(6, 1e-4), chrom, wave=np.zeros(6))
    assert found is not None
    assert found.beta == pytest.approx(0.5)
    # sum w x^2 = 0.14 / 1e-4
    assert found.se == pytest.approx(1 / np.sqrt(1400))
    assert found.p_value < 1e-10


def test_waves_that_a_chromosome_shares_widen_the_slope():
    x, x_variance, y, variance, chrom = made_windows(1)
    calm = step.fit_slope(x, x_variance, y, variance, chrom, wave=np.zeros(len(x)))
    wavy = step.fit_slope(x, x_variance, y, variance, chrom, wave=np.full(len(x), 1e-3))
    assert calm is not None
    assert wavy is not None
    assert wavy.beta == calm.beta
    assert wavy.se > calm.se
    assert wavy.p_value >= calm.p_value


def test_noise_in_the_template_does_not_pull_the_slope_to_zero():
    rng = np.random.default_rng(3)
    found = []
    for seed in range(40):
        x, _, y, variance, chrom = made_windows(seed, n_chrom=12, noise=0.003)
        # segments of five windows share their error
        error = np.repeat(rng.normal(0, 0.03, len(x) // 5), 5)
        slope = step.fit_slope(x + error, np.full(len(x), 0.03**2), y, variance, chrom,
                               wave=np.zeros(len(x)))  # fmt: skip
        assert slope is not None
        found.append(slope.beta)
    assert np.mean(found) == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("case", ["no windows", "flat template", "noise only", "two chromosomes"])
def test_without_signal_there_is_no_slope(case):
    x, x_variance, y, variance, chrom = made_windows(1)
    if case == "no windows":
        x, x_variance, y, variance, chrom = (part[:0] for part in (x, x_variance, y, variance,
                                                                   chrom))  # fmt: skip
    elif case == "flat template":
        x = np.zeros(len(x))
    elif case == "noise only":
        x_variance = np.full(len(x), float(np.mean(x**2)) / 2)
    else:
        chrom = np.where(np.arange(len(x)) < 40, "a", "b").astype(object)
    assert step.fit_slope(x, x_variance, y, variance, chrom, wave=np.zeros(len(x))) is None


@given(st.floats(0.1, 10), st.integers(0, 100))
def test_the_slope_scales_with_the_deviations(scale, seed):
    x, x_variance, y, variance, chrom = made_windows(seed)
    wave = np.full(len(x), 1e-5)
    one = step.fit_slope(x, x_variance, y, variance, chrom, wave=wave)
    many = step.fit_slope(x, x_variance, scale * y, scale**2 * variance, chrom,
                          wave=scale**2 * wave)  # fmt: skip
    assert one is not None
    assert many is not None
    assert many.beta == pytest.approx(scale * one.beta)
    assert many.se == pytest.approx(scale * one.se)
    assert many.p_value == pytest.approx(one.p_value, rel=1e-6, abs=1e-300)


# --- fractions ---


def template_of(fraction, ploidy):
    return Template("T", pd.DataFrame(), np.array([fraction]), np.array([ploidy]), np.array([1.0]))


@given(st.floats(0.02, 0.9), st.floats(1.5, 4.5))
def test_the_slope_one_gives_back_the_fraction_of_the_template(fraction, ploidy):
    values, weight = step.informed_fraction(Slope(1.0, 0.0, 0.0), template_of(fraction, ploidy))
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
    found = step.fraction_ratio(Slope(0.25, 0.0, 0.0), Slope(0.5, 0.0, 0.0), template_of(0.4, 2.0))
    np.testing.assert_allclose(found, 0.5)


def test_both_errors_widen_the_ratio():
    template = template_of(0.4, 2.0)
    exact, rough = Slope(0.5, 0.0, 0.0), Slope(0.5, 0.05, 0.0)
    widths = [
        float(np.ptp(step.fraction_ratio(now, then, template)))
        for now, then in ((exact, exact), (rough, exact), (rough, rough))
    ]
    assert widths[0] == pytest.approx(0)
    assert widths[0] < widths[1] < widths[2]


# --- words ---


def word(low, middle, high):
    return step.classify(np.array([low, middle, high]), of="tumor fraction", unknown="because",
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
    assert word(NAN, NAN, NAN) == ("not_evaluable", "tumor fraction: not evaluable, because")


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
    assert reason.startswith("tumor fraction: ")


# --- ERBB2 ---


def erbb2(pcn, sd=0.05, call="amplified"):
    return {"call": call, "pcn": pcn, "pcn_high": pcn + 1.959964 * sd}


def test_excess_copies_over_those_of_the_baseline_by_hand():
    np.testing.assert_allclose(
        step.erbb2_ratio(erbb2(3.0, 1e-9), erbb2(6.0, 1e-9)), 0.25, rtol=1e-6
    )


def test_the_interval_of_excess_copies_is_that_of_drawing_both():
    rng = np.random.default_rng(5)
    now = np.maximum(rng.normal(3, 0.2, 10**5) - 2, 0)
    then = rng.normal(6, 0.3, 10**5) - 2
    found = step.erbb2_ratio(erbb2(3.0, 0.2), erbb2(6.0, 0.3))
    np.testing.assert_allclose(found, np.quantile(now / then, [0.025, 0.5, 0.975]), rtol=0.03)


def test_no_excess_left_is_a_ratio_of_zero():
    assert step.erbb2_ratio(erbb2(1.5), erbb2(6.0)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("call", ["neutral", "lost", "indeterminate", "failed"])
def test_a_baseline_without_raised_erbb2_has_no_ratio(call):
    assert np.isnan(step.erbb2_ratio(erbb2(3.0), erbb2(6.0, call=call))).all()


def test_a_failed_sample_has_no_ratio():
    assert np.isnan(step.erbb2_ratio(erbb2(NAN, call="failed"), erbb2(6.0))).all()


def test_a_baseline_that_may_be_two_copies_has_no_ratio():
    assert np.isnan(step.erbb2_ratio(erbb2(3.0), erbb2(2.05, 0.05, "gained"))).all()
