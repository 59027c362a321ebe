"""Windows with their noise: inflation, arms, the scale of the tail, and isolated windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import evidence as step
from ctcnv.genome import CENTROMERE_BP, arm_starts
from ctcnv.normalize import Windows, used_atoms
from ctcnv.schema import PROFILE, is_autosome
from ctcnv.simulate import Tumor
from tests import plasma
from tests.plasma import CALM, evidence_of

FAST = plasma.FAST

# --- by hand ---


def test_evidence_by_hand():
    names = ["chr1"] * 30 + ["chr2"] * 30
    seen = evidence_of(np.ones(60), chrom=names, breakpoints=6)
    assert np.flatnonzero(seen.first).tolist() == [0, 30]
    assert np.flatnonzero(seen.arm).tolist() == [0, 30]
    np.testing.assert_allclose(seen.counting, 0.001)
    np.testing.assert_allclose(seen.tau2, 0.0001)
    # ten windows together vary by tau(10)^2 + 0.001/10, one by 0.0011
    assert seen.inflation == pytest.approx(10 * (float(CALM.at(10)) ** 2 + 0.0001) / 0.0011)


def test_the_variance_of_a_window_by_hand():
    seen = evidence_of(np.ones(20))
    # 0.001 of counting in proportion to the ratio, 0.01^2 in proportion to its square
    np.testing.assert_allclose(seen.variance(), 0.0011)
    np.testing.assert_allclose(seen.variance(2.0), 0.002 + 0.0004)


def test_windows_that_fail_to_average_out_are_never_taken_for_better_than_independent():
    steep = step.Dispersion(np.array([1.0, 10.0]), np.array([0.1, 0.0]))
    assert evidence_of(np.ones(60), dispersion=steep, breakpoints=6).inflation == 1


def arms_of(starts, ends, chrom):
    names = np.asarray(chrom, dtype=object)
    first = np.concatenate([[True], names[1:] != names[:-1]])
    return np.flatnonzero(arm_starts(np.asarray(starts), np.asarray(ends), first)).tolist()


def test_an_arm_begins_after_the_longest_gap_of_a_chromosome():
    mb = 1_000_000
    gap = CENTROMERE_BP
    # chr1: gaps of 0, the limit and a longer one; chr2: none; chr3: a single window
    starts = np.array([0, mb, 2 * mb + gap, 5 * mb + 2 * gap, 0, mb, 0])
    ends = np.array([mb, 2 * mb, 3 * mb + gap, 6 * mb + 2 * gap, mb, 2 * mb, mb])
    assert arms_of(starts, ends, ["chr1"] * 4 + ["chr2"] * 2 + ["chr3"]) == [0, 3, 4, 6]


@pytest.mark.parametrize(("short", "arms"), [(0, [0, 1]), (1, [0])])
def test_a_gap_shorter_than_a_centromere_begins_no_arm(short, arms):
    mb = 1_000_000
    starts = np.array([0, mb + CENTROMERE_BP - short])
    assert arms_of(starts, starts + mb, ["chr1"] * 2) == arms


@pytest.mark.parametrize("windows", [10_000, 500])
def test_every_chromosome_with_a_centromere_inside_has_two_arms(windows):
    """Also when windows are so wide that one of them would span the centromere."""
    seen = step.evidence(plasma.sample(seed=9).normalized.profile, dispersion=CALM, settings=FAST,
                         max_windows=windows)  # fmt: skip
    per_chrom = np.add.reduceat(seen.arm, np.flatnonzero(seen.first))
    assert per_chrom.tolist() == [2] * 22


@pytest.mark.parametrize("df", [1, 3, 5, 11, 101])
def test_the_tail_has_the_quartiles_of_the_normal(df):
    scale = np.sqrt(step.tail_scale2(df))
    assert scipy.stats.t.ppf(0.75, df, scale=scale) == pytest.approx(scipy.stats.norm.ppf(0.75))
    assert scipy.stats.t.ppf(0.25, df, scale=scale) == pytest.approx(scipy.stats.norm.ppf(0.25))


def test_the_scale_of_the_tail_approaches_that_of_the_normal():
    scales = [step.tail_scale2(df) for df in (1, 3, 11, 101, 10001)]
    assert scales == sorted(scales)
    assert scales[-1] == pytest.approx(1, abs=1e-3)
    # a Cauchy has its quartiles at -1 and 1
    assert scales[0] == pytest.approx(0.67449**2, rel=1e-4)


# --- from a profile ---


def profile_of(n, *, expected=300.0, observed=300, chrom="chr1"):
    start = np.arange(n) * plasma.MB
    return PROFILE.check(
        pd.DataFrame({"chrom": chrom, "start": start, "end": start + plasma.MB,
                      "observed": observed, "expected": expected, "normal_copies": 2,
                      "reason": None})
    )  # fmt: skip


@pytest.mark.parametrize(
    "profile",
    [PROFILE.empty(), profile_of(50, expected=float("nan")), profile_of(step.MIN_WINDOWS - 1)],
    ids=["empty", "all left out", "too few windows"],
)
def test_a_profile_that_says_nothing_is_no_evidence_and_stays_as_it_is(profile):
    assert step.evidence(profile, dispersion=CALM, settings=FAST, max_windows=500) is None
    assert step.evidence_windows(profile, settings=FAST, max_windows=500) is None
    same = step.without_isolated(profile, dispersion=CALM, settings=FAST)
    pd.testing.assert_frame_equal(same, profile)


def test_the_smallest_profile_that_says_something():
    seen = step.evidence(profile_of(step.MIN_WINDOWS), dispersion=CALM, settings=FAST,
                         max_windows=500)  # fmt: skip
    assert len(seen.ratio) == step.MIN_WINDOWS


def test_the_evidence_is_that_of_its_windows():
    profile = plasma.sample(seed=9).normalized.profile
    summed = step.evidence_windows(profile, settings=FAST, max_windows=300)
    seen = step.evidence(profile, dispersion=CALM, settings=FAST, max_windows=300)
    of_windows = step.evidence_of(summed, dispersion=CALM, breakpoints=FAST.breakpoints)
    for name in ("ratio", "counting", "tau2", "first", "arm", "inflation"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(of_windows, name))
    np.testing.assert_array_equal(seen.ratio, summed.observed / summed.expected)
    # every used atom has a part in one window
    assert summed.atoms.sum() == used_atoms(profile).sum()
    assert summed.expected.sum() == pytest.approx(profile["expected"][used_atoms(profile)].sum())
    assert (summed.expected >= FAST.window_fragments).all()


def test_windows_are_merged_up_to_the_number_that_is_set():
    made = plasma.sample(seed=9)
    for most in (500, 100):
        seen = step.evidence(made.normalized.profile, dispersion=made.dispersion, settings=FAST,
                             max_windows=most)  # fmt: skip
        assert 0.8 * most <= len(seen.ratio) <= most


@pytest.mark.parametrize("sex", ["female", "male"])
def test_sex_chromosomes_take_no_part(sex):
    made = plasma.sample(sex=sex, seed=9)
    profile = made.normalized.profile
    changed = profile.copy()
    on_sex = ~is_autosome(profile["chrom"])
    assert on_sex.any()
    changed.loc[on_sex, "observed"] = 7 * changed.loc[on_sex, "observed"] + 3
    ratios = []
    for frame in (profile, changed):
        clean = step.without_isolated(frame, dispersion=made.dispersion, settings=FAST)
        seen = step.evidence(clean, dispersion=made.dispersion, settings=FAST, max_windows=300)
        ratios.append(seen.ratio)
    np.testing.assert_array_equal(*ratios)


# --- isolated windows ---


@pytest.mark.parametrize("windows", [500, 100])
def test_a_window_that_stands_alone_takes_no_part(windows):
    made = plasma.sample(tumor=plasma.ONLY_AMPLICON, fraction=0.1, seed=5)
    profile, used = made.normalized.profile, made.dispersion
    raw = step.evidence(profile, dispersion=used, settings=FAST, max_windows=windows)
    clean = step.without_isolated(profile, dispersion=used, settings=FAST)
    seen = step.evidence(clean, dispersion=used, settings=FAST, max_windows=windows)
    assert raw.ratio.max() > 1.08 > seen.ratio.max()


def test_an_event_of_40_mb_inside_an_arm_stays_on_wide_windows():
    tumor = Tumor((plasma.whole("chr2", 4, 150, 190),))
    made = plasma.sample(tumor=tumor, fraction=0.5, seed=5)
    clean = step.without_isolated(
        made.normalized.profile, dispersion=made.dispersion, settings=plasma.SETTINGS["fraction"]
    )
    before, after = (frame["expected"].notna().sum() for frame in (made.normalized.profile, clean))
    assert after > before - 5
    seen = step.evidence(clean, dispersion=made.dispersion, settings=FAST, max_windows=300)
    assert np.sum(seen.ratio > 1.3) >= 3


def chromosome(ratio):
    """Windows of one chromosome of 2000 expected fragments each."""
    start = np.arange(len(ratio)) * plasma.MB
    return Windows(np.full(len(ratio), "chr1", dtype=object), start, start + plasma.MB,
                   np.ones(len(ratio), dtype=int), ratio * 2000,
                   np.full(len(ratio), 2000.0))  # fmt: skip


def test_whole_arms_are_not_isolated():
    rng = np.random.default_rng(1)
    ratio = np.repeat([1.0, 1.3, 0.8, 1.0], 40) + rng.normal(0, 0.02, 160)
    summed = chromosome(ratio)
    assert not step.isolated(summed, dispersion=CALM).any()
    summed.observed[[70, 71]] = 9000
    assert np.flatnonzero(step.isolated(summed, dispersion=CALM)).tolist() == [70, 71]


def test_half_of_the_neighbours_are_a_segment_and_not_isolated():
    ratio = np.ones(60)
    ratio[30 : 30 + step.NEIGHBOURS // 2] = 5.0
    assert step.isolated(chromosome(ratio), dispersion=CALM).sum() == step.NEIGHBOURS // 2
    ratio[30 : 30 + step.NEIGHBOURS] = 5.0
    assert not step.isolated(chromosome(ratio), dispersion=CALM)[33:38].any()


def amplified(n, at, level, seed=3):
    """A quiet chromosome with an amplicon, scaled as a library is: by all of its fragments."""
    rng = np.random.default_rng(seed)
    observed = rng.poisson(1000, n)
    observed[at] = rng.poisson(1000 * level, len(at))
    return profile_of(n, observed=observed, expected=float(observed.mean()))


def test_an_amplicon_does_not_make_the_rest_of_the_genome_look_lost():
    profile = amplified(100, [50, 51], 20.0)
    fine = {"dispersion": CALM, "settings": FAST}
    raw = profile["observed"] / profile["expected"]
    assert np.median(raw) < 0.75
    clean = step.without_isolated(profile, **fine)
    assert np.flatnonzero(clean["expected"].isna()).tolist() == [50, 51]
    kept = clean[clean["expected"].notna()]
    assert kept["observed"].sum() == pytest.approx(kept["expected"].sum())


@given(st.integers(0, 1000), st.floats(0.5, 2.0))
def test_leaving_windows_out_keeps_the_level_of_the_whole(seed, scale):
    """Whatever the ratio of all atoms was, 1 or not, the atoms that stay have it together."""
    profile = amplified(80, [20], 30.0, seed=seed)
    profile["expected"] *= scale
    clean = step.without_isolated(profile, dispersion=CALM, settings=FAST)

    def level(frame):
        used = frame[used_atoms(frame)]
        return used["observed"].sum() / used["expected"].sum()

    assert clean["expected"].isna().sum() >= 1
    assert level(clean) == pytest.approx(level(profile))


def test_a_profile_without_isolated_windows_is_left_as_it_is():
    profile = amplified(100, [], 1.0)
    clean = step.without_isolated(profile, dispersion=CALM, settings=FAST)
    pd.testing.assert_frame_equal(clean, profile)
