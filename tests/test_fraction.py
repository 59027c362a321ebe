"""Tumor fraction of whole samples with known truth, and the tables of the step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ctcnv import detection, normalize
from ctcnv import fraction as step
from ctcnv.dispersion import Dispersion
from ctcnv.evidence import MIN_WINDOWS, evidence_of, evidence_windows, without_isolated
from ctcnv.healthy import healthy_noise
from ctcnv.normals import together
from ctcnv.posterior import Grid, Posterior
from ctcnv.schema import FRACTION, GRID, PROFILE, SOLUTIONS, is_autosome
from ctcnv.simulate import Segment, Tumor, atom_ploidy
from ctcnv.waves import MIN_NORMALS
from tests import plasma
from tests.plasma import CALM, whole

FAST = plasma.FAST
#: Fragments of a human genome read once over, at 167 bp each.
ONE_X = replace(plasma.USUAL, fragments=18_000_000)


def chromosomes(numbers: tuple[int, ...], copies: float) -> tuple[Segment, ...]:
    return tuple(whole(f"chr{number}", copies) for number in numbers)


#: Most chromosomes lost down to one copy.
NEAR_HAPLOID = Tumor((*chromosomes((5, 7, 19, 20, 21), 2), whole("chr8", 2, 45)), base=1.0)
#: Doubled, with losses and gains before and after: every number of copies from none to ten.
PLOIDY_4_5 = Tumor(
    (
        *chromosomes((1, 11, 19), 5), *chromosomes((2,), 6), *chromosomes((13, 20), 8),
        *chromosomes((10, 22), 3), *chromosomes((18,), 1), *chromosomes((21,), 2),
        whole("chr8", 2, 0, 45), whole("chr8", 10, 45), whole("chr17", 1, 0, 25),
        whole("chr4", 2, 100), whole("chr3", 6, 90), whole("chr5", 3, 0, 48),
        whole("chr9", 0, 18, 26), whole("chr13", 0, 45, 53),
    ),
    base=4.0,
)  # fmt: skip


def solved(tumor: Tumor, fraction: float, seed: int):
    """The row and solutions of a sample at 1x."""
    return plasma.sample(tumor=tumor, fraction=fraction, seed=seed, library=ONE_X).fraction


# --- near-diploid tumors ---


@pytest.mark.parametrize(("fraction", "seed"), [(0.3, 5), (0.1, 6)])
def test_the_fraction_of_a_tumor_is_found_with_its_interval(fraction, seed):
    found = plasma.sample(tumor=plasma.AMPLIFIED, fraction=fraction, seed=seed).fraction.row
    assert found["status"] == "detected"
    assert found["low"] <= fraction <= found["high"]
    assert found["fraction"] == pytest.approx(fraction, abs=0.03)
    assert found["p_value"] <= FAST.false_positive
    assert found["reason"] is None


def test_a_small_fraction_is_seen_against_six_normals_and_against_twenty():
    """With one factor for all waves of a draw six normals found nothing below 10 %."""
    made = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.05, seed=7)
    table = plasma.build_panel(plasma.normals(6)).pon
    more = [plasma.profile_of(one).profile for one in plasma.normals(20, first=2000).values()]
    found = {}
    for n in (6, 20):
        normals = together(more[:n], table)
        with plasma.quick():
            found[n] = step.estimate(made.normalized.profile, dispersion=made.dispersion,
                                     settings=FAST, normals=normals).row  # fmt: skip
        assert found[n]["status"] == "detected"
        assert found[n]["low"] <= 0.05 <= found[n]["high"] + 0.005
        assert found[n]["fraction"] == pytest.approx(0.05, abs=0.015)
        assert found[n]["lod"] < 0.04


def test_the_ploidy_and_the_share_of_dna_are_found():
    found = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5).fraction
    ploidy = atom_ploidy(plasma.bins(), plasma.AMPLIFIED)
    assert found.row["ploidy"] == pytest.approx(ploidy, abs=0.1)
    assert found.row["dna_fraction"] > found.row["low"]
    assert found.solutions["weight"].is_monotonic_decreasing
    assert found.row["ploidy"] == found.solutions["ploidy"][0]


@pytest.mark.parametrize("fraction", [0.9, 0.97])
def test_plasma_that_is_nearly_all_tumor(fraction):
    found = solved(plasma.AMPLIFIED, fraction, seed=31).row
    assert found["status"] == "detected"
    assert found["low"] <= fraction <= found["high"] <= 1


# --- other ploidies ---


@pytest.mark.parametrize(("fraction", "seed"), [(0.9, 41), (0.95, 42)])
def test_the_interval_of_a_near_haploid_genome_holds_the_truth(fraction, seed):
    """Below T = 2/3 a diploid of T' = 2T/(2-T) has the very same ratios; above, none has."""
    found = solved(NEAR_HAPLOID, fraction, seed)
    assert found.row["low"] <= fraction <= found.row["high"]
    ploidy = atom_ploidy(plasma.bins(), NEAR_HAPLOID)
    assert ((found.solutions["ploidy"] - ploidy).abs() < 0.05).any()


@pytest.mark.parametrize(("fraction", "seed"), [(0.6, 41), (0.3, 42)])
def test_the_interval_of_a_genome_of_ploidy_four_and_a_half_holds_the_truth(fraction, seed):
    ploidy = atom_ploidy(plasma.bins(), PLOIDY_4_5)
    assert ploidy == pytest.approx(4.5, abs=0.1)
    found = solved(PLOIDY_4_5, fraction, seed)
    assert found.row["low"] <= fraction <= found.row["high"]
    assert ((found.solutions["ploidy"] - ploidy).abs() < 0.1).any()


def test_a_doubled_genome_with_changes_after_doubling_keeps_its_fraction_in_the_interval():
    """Odd copies after doubling: no diploid of whole copies has these ratios."""
    events = tuple(replace(s, copies=2 * s.copies) for s in plasma.EVENTS)
    after = (whole("chr2", 3, 95), whole("chr10", 3), whole("chr12", 5, 0, 35), whole("chr22", 3),
             whole("chr15", 3), whole("chr6", 5, 0, 60))  # fmt: skip
    doubled = Tumor((*events, *after), base=4.0)
    found = solved(doubled, 0.2, seed=8)
    assert found.row["low"] <= 0.2 <= found.row["high"]
    near = found.solutions[(found.solutions["fraction"] - 0.2).abs() < 0.02]
    assert (near["ploidy"] > 3.5).any()


def test_a_profile_that_two_ploidies_explain_lists_both():
    """Triploid with one copy more or less: a diploid of T' = 2T/(2+T) has the same ratios."""
    triploid = Tumor(tuple(replace(s, copies=s.copies + 1) for s in plasma.EVENTS), base=3.0)
    truth, ploidy = 0.4, atom_ploidy(plasma.bins(), triploid)
    found = solved(triploid, truth, seed=12).solutions
    for fraction, of in ((truth, ploidy), (2 * truth / (2 + truth), ploidy - 1)):
        near = (found["fraction"] - fraction).abs().lt(0.02) & (found["ploidy"] - of).abs().lt(0.1)
        assert near.sum() == 1, found


# --- nothing detected ---


def test_healthy_plasma_is_not_detected_and_says_why():
    found = plasma.sample(seed=9).fraction
    assert found.row["status"] == "not_detected"
    assert "below what this sample can show" in found.row["reason"]
    assert found.row["low"] == 0
    assert found.row["fraction"] < 0.01
    # what would not have been detected may be there
    assert found.row["high"] >= found.row["lod"]
    assert len(found.solutions) == 0
    assert np.isnan(found.row["ploidy"])
    assert 0 < found.row["lob"] < found.row["lod"] < 0.1


def test_the_one_x_of_a_male_is_no_loss():
    """And whatever the sex chromosomes hold, the result is the same."""
    made = plasma.sample(sex="male", seed=9)
    assert made.fraction.row["status"] == "not_detected"
    profile = made.normalized.profile.copy()
    on_sex = ~is_autosome(profile["chrom"])
    profile.loc[on_sex, "observed"] *= 3
    with plasma.quick():
        again = step.estimate(profile, dispersion=made.dispersion, settings=FAST,
                              normals=plasma.libraries())  # fmt: skip
    assert pd.Series(again.row).equals(pd.Series(made.fraction.row))
    pd.testing.assert_frame_equal(again.grid, made.fraction.grid)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_a_tumor_is_found_equally_in_men_and_women(sex):
    found = plasma.sample(tumor=plasma.ANEUPLOID, fraction=0.2, sex=sex, seed=14).fraction.row
    assert found["low"] <= 0.2 <= found["high"]


def test_a_quiet_genome_with_one_amplicon_is_not_detected_and_says_so():
    found = plasma.sample(tumor=plasma.ONLY_AMPLICON, fraction=0.3, seed=21).fraction.row
    assert found["status"] == "not_detected"
    assert "quiet" in found["reason"]
    assert found["low"] == 0
    assert found["p_tumor"] < FAST.prior_tumor


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_one_amplicon_alone_is_never_a_genome_wide_change(fraction, sex):
    """Not itself, and not by lowering all other regions of a library that is scaled as a whole."""
    for seed in (5, 21, 23, 27):
        drawn = plasma.counts(tumor=plasma.ONLY_AMPLICON, fraction=fraction, sex=sex, seed=seed)
        profile = plasma.profile_of(drawn).profile
        used = normalize.sample_dispersion(profile, plasma.panel()[1])
        clean = without_isolated(profile, dispersion=used, settings=FAST)
        large = evidence_windows(clean, settings=FAST, max_windows=detection.SCORE_WINDOWS)
        seen = evidence_of(large, dispersion=used, breakpoints=FAST.breakpoints)
        noise = healthy_noise(clean, large, dispersion=used, normals=plasma.libraries())
        arms = detection.arms_of(seen, noise)
        null = detection.null_scores(seen, noise, arms, settings=FAST)
        score, _ = detection.detection_score(seen, arms, settings=FAST)
        assert detection.tail_probability(score, null.scores) > FAST.false_positive, seed


def test_where_nothing_is_detected_zero_keeps_its_share_of_the_interval():
    # at ploidy 2 the fraction is twice the step: one cell from 0.1 to 0.3
    cell = Grid(np.array([0.1]), np.array([2.0]), np.array([0.05]), np.array([0.0]))
    posterior = Posterior(cell, np.array([1.0]), 0.0)
    # half of the mass at zero: the 97.5th centile is the 95th of the rest, 0.1 + 0.95 * 0.2
    row = step._interval(posterior, detected=False, p_tumor=0.5)
    assert (row["low"], row["fraction"]) == (0, 0)
    assert row["high"] == pytest.approx(0.29)
    assert step._interval(posterior, detected=False, p_tumor=0.0)["high"] == 0


def test_where_a_tumor_is_detected_the_interval_is_that_of_the_surface():
    cell = Grid(np.array([0.1]), np.array([2.0]), np.array([0.05]), np.array([0.0]))
    row = step._interval(Posterior(cell, np.array([1.0]), 0.0), detected=True, p_tumor=0.5)
    found = [row[name] for name in ("low", "fraction", "high", "dna_fraction")]
    np.testing.assert_allclose(found, [0.105, 0.2, 0.295, 0.2])


# --- tables ---


def test_the_tables_fit_their_schema():
    for made in (
        plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5),
        plasma.sample(seed=9),
    ):
        row = FRACTION.check(step.table(made.fraction, sample="001"))
        assert row["sample"][0] == "001"
        GRID.check(made.fraction.grid)
        SOLUTIONS.check(made.fraction.solutions)
        assert made.fraction.grid["probability"].sum() == pytest.approx(1, abs=1e-4)


def noisy_profile(n, expected):
    start = np.arange(n) * plasma.MB
    return PROFILE.check(
        pd.DataFrame({"chrom": "chr1", "start": start, "end": start + plasma.MB, "observed": 300,
                      "expected": expected, "normal_copies": 2, "reason": None})
    )  # fmt: skip


@pytest.mark.parametrize(
    "profile",
    [PROFILE.empty(), noisy_profile(50, float("nan")), noisy_profile(MIN_WINDOWS - 1, 300.0)],
    ids=["empty", "all left out", "too few windows"],
)
def test_a_profile_that_says_nothing_fails_with_everything_unknown(profile):
    found = step.estimate(profile, dispersion=CALM, settings=FAST, normals=None)
    assert found.row["status"] == "failed"
    assert found.row["reason"] == "too few fragments or usable atoms"
    numbers = [value for value in found.row.values() if isinstance(value, float)]
    assert len(numbers) == 9
    assert np.isnan(numbers).all()
    assert len(found.grid) == len(found.solutions) == 0
    FRACTION.check(step.table(found, sample="S"))


def test_the_same_sample_gives_the_same_row():
    made = plasma.sample(seed=9)
    with plasma.quick():
        again = step.estimate(made.normalized.profile, dispersion=made.dispersion, settings=FAST,
                              normals=plasma.libraries())  # fmt: skip
    assert pd.Series(again.row).equals(pd.Series(made.fraction.row))


def test_the_normals_decide_on_detection_and_on_nothing_else():
    made = plasma.sample(tumor=plasma.ANEUPLOID, fraction=0.2, seed=14)
    grid, summed = plasma.libraries()
    profile, used = made.normalized.profile, made.dispersion
    with plasma.quick():
        few, none = (
            step.estimate(profile, dispersion=used, settings=FAST, normals=normals)
            for normals in ((grid, summed.subset_of(np.arange(6) < MIN_NORMALS - 1)), None)
        )
    # too few normals say no more than none
    assert pd.Series(few.row).equals(pd.Series(none.row))
    pd.testing.assert_frame_equal(none.grid, made.fraction.grid)
    same = {k: v for k, v in made.fraction.row.items() if k not in ("lob", "lod", "p_value")}
    assert same == {k: none.row[k] for k in same}
    assert none.row["lod"] != made.fraction.row["lod"]


@pytest.mark.parametrize("with_normals", [True, False])
def test_noise_that_no_panel_knows_is_not_taken_for_tumor(with_normals):
    """With the dispersion of the sample itself, ten times that of the small panel."""
    noisy = Dispersion(np.array([1.0, 1000.0]), np.array([0.1, 0.03]))
    with plasma.quick():
        found = step.estimate(plasma.sample(seed=9).normalized.profile, dispersion=noisy,
                              settings=FAST,
                              normals=plasma.libraries() if with_normals else None)  # fmt: skip
    assert found.row["status"] == "not_detected"
    assert not found.row["lod"] < plasma.sample(seed=9).fraction.row["lod"]
