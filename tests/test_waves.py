"""Waves: learned from normals, read off within blocks, taken out of the expectation."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ctcnv import waves as step
from ctcnv.normals import Grid, Summed, window_of
from ctcnv.schema import WAVES, is_autosome
from ctcnv.synthetic import smooth_noise
from ctcnv.waves import Waves
from tests import plasma
from tests.reference import waves_slow

MB = plasma.MB
NAN = float("nan")
#: Expected fragments of a window of 1 Mb: 0.02x, 0.17x and 17x of fragments of 167 bp.
THIN, SHALLOW, DEEP = 120.0, 1000.0, 100_000.0


def grid_of(*lengths: int) -> Grid:
    """Chromosomes of so many windows of 1 Mb."""
    names = np.repeat(np.array([f"chr{i + 1}" for i in range(len(lengths))], object), lengths)
    start = np.concatenate([np.arange(n) * MB for n in lengths])
    return Grid(names, start, start + MB)


def library(ratio, expected) -> Summed:
    """One library without noise."""
    ratio = np.asarray(ratio, dtype=float)
    wanted = np.broadcast_to(np.asarray(expected, dtype=float), ratio.shape)
    return Summed(np.ones((1, len(ratio)), dtype=np.int64), (ratio * wanted)[None], wanted[None])


def drawn(rng, ratio, expected) -> Summed:
    """One library with counting noise."""
    made = library(ratio, expected)
    return Summed(made.atoms, rng.poisson(made.observed).astype(float), made.expected)


# --- by hand ---

#: Two waves over ten windows, symmetrical about 0 and at right angles to each other.
ONE = np.array([1, -1, 1, -1, 1, -1, 1, -1, 1, -1]) * 0.02
TWO = np.array([1, 1, -1, -1, 1, 1, -1, -1, 0, 0]) * 0.02
HAND = np.stack([np.tile(ONE, 3), np.tile(TWO, 3)], axis=1)
#: y = 1.5 ONE - TWO has |y| of 0.01 (12 windows), 0.03 (6) and 0.05 (12): median 0.03. Counting
#: drops out of 1/expected + (mad_sd^2 - 1/expected), so that every window weighs 1/mad_sd^2.
WEIGHT = 1 / (1.4826 * 0.03) ** 2
#: c * S / (S + 1) with S = 30 * 0.02^2 * WEIGHT and 24 * 0.02^2 * WEIGHT.
FOUND = [1.5 * 0.012 * WEIGHT / (0.012 * WEIGHT + 1), -0.0096 * WEIGHT / (0.0096 * WEIGHT + 1)]


@pytest.mark.parametrize("levels", [(1, 1, 1), (0.5, 1, 2.5), (4, 0.3, 1)])
def test_two_waves_in_thirty_windows_by_hand(levels):
    """Whatever the level of each block of ten is."""
    y = HAND @ [1.5, -1.0]
    made = library(np.repeat(levels, 10) * (1 + y), 10_000)
    found = step.amplitudes(made, Waves(grid_of(30), HAND))
    assert found.tolist() == pytest.approx(FOUND, rel=1e-9)
    assert found.tolist() == pytest.approx([1.288, -0.829], abs=1e-3)


def test_the_level_of_a_wave_in_a_block_has_no_part():
    """What is the same in ten neighbours may be copies, so it says nothing on a wave."""
    axes = HAND + np.repeat([[0.3, -0.2], [0.0, 0.5], [-0.4, 0.1]], 10, axis=0)
    made = library(1 + HAND @ [1.5, -1.0], 10_000)
    assert step.amplitudes(made, Waves(grid_of(30), axes)).tolist() == pytest.approx(FOUND)


def test_a_wave_without_anything_within_blocks_is_not_found():
    axes = np.repeat([[0.02], [-0.02], [0.02]], 10, axis=0)
    made = library(1 + 3 * axes[:, 0], 10_000)
    assert step.amplitudes(made, Waves(grid_of(30), axes)).tolist() == pytest.approx([0])


def test_the_deeper_the_nearer_to_the_truth():
    """Without noise: c S / (S + 1), S falls with the depth and what is found with it."""
    found = []
    for expected in (1e4, THIN, 12.0, 1.2):
        made = library(1 + HAND @ [1.5, -1.0], expected)
        found.append(np.abs(step.amplitudes(made, Waves(grid_of(30), HAND))))
    assert (np.diff(found, axis=0) < 0).all()
    # 30 windows of 1.2 fragments weigh 0.012 * 1.2 = 0.0144 against the prior's 1
    assert found[-1][0] == pytest.approx(1.5 * 0.0144 / 1.0144, rel=1e-6)


def test_blocks_are_ten_windows_of_one_arm_and_the_rest_joins_the_last():
    first = np.concatenate([np.arange(23), np.arange(27, 36)]) * MB
    start = np.concatenate([first, np.arange(4) * MB])
    grid = Grid(np.repeat(np.array(["chr1", "chr2"], object), [32, 4]), start, start + MB)
    assert step.blocks(grid).tolist() == [0] * 10 + [1] * 13 + [2] * 9 + [3] * 4


# --- against the slow twin ---


@pytest.mark.parametrize("seed", range(6))
def test_amplitudes_are_those_of_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    grid = grid_of(47, 23, 9, 31)
    hole = np.ones(110, dtype=bool)
    hole[12:15] = False
    grid = grid.subset(hole)
    n = len(grid)
    axes = rng.normal(0, 0.03, (n, 4)) + 0.02 * smooth_noise(n, 12, rng)[:, None]
    ratio = np.repeat(rng.choice([0.5, 1, 1.5], 12), 9)[:n] * (1 + axes @ rng.normal(size=4))
    ratio[60:63] *= 15
    ratio[70:75] = 0
    expected = rng.uniform(100, 900, n)
    expected[[3, 20, 50]] = [0, 5, 15]
    made = drawn(rng, ratio.clip(0), expected)
    slow = waves_slow.amplitudes(made.observed[0], expected, axes, grid.chrom, grid.start, grid.end)
    np.testing.assert_allclose(step.amplitudes(made, Waves(grid, axes)), slow, atol=1e-6)


def test_deviations_that_counting_explains_keep_their_say():
    """However small those of the other windows are."""
    axes = HAND / 4
    ratio = 1 + axes @ [1.0, 1.0]
    ratio[[0, 12, 24]] += 0.03  # one standard deviation of 1000 fragments, the others 0.3
    grid = grid_of(30)
    expected = np.full(30, SHALLOW)
    slow = waves_slow.amplitudes(ratio * expected, expected, axes, grid.chrom, grid.start, grid.end)
    found = step.amplitudes(library(ratio, expected), Waves(grid, axes))
    np.testing.assert_allclose(found, slow, atol=1e-9)


def profile_of(rng, ratio=1.0, expected=SHALLOW) -> pd.DataFrame:
    """A profile of the small genome; ratio : () or (atoms,)."""
    bins = plasma.bins()
    wanted = np.where(bins["usable"], expected * rng.uniform(0.5, 1.5, len(bins)), NAN)
    seen = rng.poisson(np.nan_to_num(wanted * np.broadcast_to(ratio, len(bins))))
    return bins[["chrom", "start", "end"]].assign(
        observed=seen, expected=wanted, normal_copies=2,
        reason=np.where(np.isfinite(wanted), None, "masked"),
    )  # fmt: skip


def test_the_expectation_is_that_of_the_slow_twin():
    rng = np.random.default_rng(8)
    profile = profile_of(rng, expected=DEEP)
    keep = profile["chrom"].isin(["chr20", "chr21", "chr22", "chrX"])
    profile = profile[keep].reset_index(drop=True)
    # windows of two atoms, and the first atoms of chr20 in none
    grid = grid_of(*[0] * 19, 60, 46, 50)
    some = (np.arange(len(grid)) % 2 == 0) & (np.arange(len(grid)) >= 6)
    grid = Grid(grid.chrom[some], grid.start[some], grid.end[some] + MB)
    axes = rng.normal(0, 0.05, (len(grid), 3))
    window = window_of(profile, grid)
    ratio = np.append(1 + axes @ [2.0, -1.0, 1.0], 1.0)[window].clip(0.1)
    profile["observed"] = (profile["observed"] * ratio).astype(int)
    # hardly covered, so that they have no say, and far out: more than a factor of two, both ways
    axes[[5, 9]] = [[3, 0, 0], [-3, 0, 0]]
    profile.loc[np.isin(window, [5, 9]), "expected"] *= 0.05
    made, sd = step.without_waves(profile, Waves(grid, axes))
    slow = waves_slow.without_waves(
        profile, grid.chrom, grid.start, grid.end, axes, {"chr20", "chr21", "chr22"}
    )
    np.testing.assert_allclose(made["expected"], slow, rtol=1e-6)
    assert sd > 0
    factor = (made["expected"] / profile["expected"]).to_numpy()
    assert factor[window == 5][0] / factor[window == 9][0] == pytest.approx(step.LARGEST**2)


def test_waves_of_a_sex_chromosome_are_not_taken_out():
    profile = profile_of(np.random.default_rng(9))
    grid = grid_of(30)
    both = Grid(np.append(grid.chrom, np.full(30, "chrX", object)), np.tile(grid.start, 2),
                np.tile(grid.end, 2))  # fmt: skip
    made, sd = step.without_waves(profile, Waves(both, np.tile(HAND, (2, 1))))
    on_x = profile["chrom"] == "chrX"
    pd.testing.assert_frame_equal(made[on_x], profile[on_x])
    assert sd > 0


# --- what normals share ---


@functools.cache
def genome() -> Grid:
    """Usable windows of the autosomes of the small genome."""
    bins = plasma.bins()
    use = bins[is_autosome(bins["chrom"]) & bins["usable"].to_numpy(dtype=bool)]
    return Grid(use["chrom"].to_numpy(dtype=object), use["start"].to_numpy(dtype=np.int64),
                use["end"].to_numpy(dtype=np.int64))  # fmt: skip


@functools.cache
def shapes() -> np.ndarray:
    """Three waves of a few Mb and of whole arms, 2 %, 1.2 % and 0.8 %."""
    rng = np.random.default_rng(1)
    n = len(genome())
    made = [smooth_noise(n, 3, rng) + 0.5 * smooth_noise(n, 60, rng) for _ in range(3)]
    return np.stack([sd * one / one.std() for one, sd in zip(made, (0.02, 0.012, 0.008),
                                                             strict=True)], axis=1)  # fmt: skip


@functools.cache
def normals(n: int = 30, expected: float = 3 * SHALLOW) -> Summed:
    """Normals with these waves, each as far out as chance would have it."""
    rng = np.random.default_rng(2)
    each = [drawn(rng, 1 + shapes() @ rng.normal(size=3), np.full(len(genome()), expected))
            for _ in range(n)]  # fmt: skip
    return Summed(*(np.concatenate([getattr(one, name) for one in each])
                    for name in ("atoms", "observed", "expected")))  # fmt: skip


@functools.cache
def learned() -> Waves:
    return step.waves_of(normals(), genome(), most=3)


def share(part, of) -> float:
    """Share of the variance of ``of`` that lies in the span of the columns of ``part``."""
    base = np.linalg.qr(part - part.mean(axis=0))[0]
    middle = of - of.mean()
    return float(np.sum((base.T @ middle) ** 2) / np.sum(middle**2))


def test_waves_are_what_normals_share_in_their_order_and_at_their_size():
    found = learned()
    assert found.axes.shape == (len(genome()), 3)
    sds = found.axes.std(axis=0)
    assert (np.diff(sds) < 0).all()
    assert sds == pytest.approx([0.02, 0.012, 0.008], rel=0.25)
    # the weakest has less to show against the counting noise of thirty normals
    for one, least in zip(shapes().T, (0.95, 0.9, 0.7), strict=True):
        assert share(found.axes, one) > least


def test_what_all_normals_have_alike_is_no_wave():
    """It is the matter of the factors."""
    alike = smooth_noise(len(genome()), 3, np.random.default_rng(5))
    all_of = normals()
    made = Summed(all_of.atoms, all_of.observed * (1 + 0.05 * alike), all_of.expected)
    assert share(step.waves_of(made, genome(), most=3).axes, alike) < 0.05


def test_counting_noise_makes_next_to_no_waves():
    """Less than a fifth of its variance, where all of it would be taken for waves otherwise."""
    rng = np.random.default_rng(6)
    wanted = normals().expected
    made = Summed(normals().atoms, rng.poisson(wanted).astype(float), wanted)
    found = step.waves_of(made, genome(), most=30)
    assert np.sum(found.axes**2) < 0.2 * np.sum(1 / wanted[0])


def test_no_more_waves_than_asked_for_and_the_strongest_are_kept():
    few, many = (step.waves_of(normals(), genome(), most=most) for most in (2, 20))
    np.testing.assert_array_equal(few.axes, many.axes[:, :2])
    assert many.axes.shape[1] <= 20
    assert step.waves_of(normals(), genome(), most=0).axes.shape == (0, 0)


@pytest.mark.parametrize(("n", "found"), [(step.MIN_NORMALS - 1, False), (step.MIN_NORMALS, True)])
def test_too_few_normals_show_no_waves(n, found):
    keep = np.arange(30) < n
    made = step.waves_of(normals().subset_of(keep), genome(), most=3)
    assert (made.axes.shape[1] > 0) == found
    assert len(made.grid) == (len(genome()) if found else 0)


def test_windows_that_a_normal_hardly_covers_are_in_no_wave():
    all_of = normals()
    expected = all_of.expected.copy()
    expected[4, 17] = 0.1 * expected[4].mean()
    made = step.waves_of(Summed(all_of.atoms, all_of.observed, expected), genome(), most=3)
    assert len(made.grid) == len(made.axes) == len(genome()) - 1
    assert made.grid.start[17] == genome().start[18]


@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("lacking", [{}, {(4, 17)}, {(4, 17), (5, 17), (6, 30)}], ids=len)
def test_leaving_out_one_normal_is_as_if_it_had_never_been_there(most, lacking):
    all_of = normals()
    expected = all_of.expected.copy()
    for where in lacking:
        expected[where] = 0.1 * expected[where[0]].mean()
    made = Summed(all_of.atoms, all_of.observed, expected)
    others = step.Others(made)
    for i in (0, 4, 5, 29):
        rest = made.subset_of(np.arange(30) != i)
        inside = step.usable(rest)
        np.testing.assert_array_equal(others.usable(i), inside)
        assert inside.sum() == len(genome()) - len({w for n, w in lacking if n != i})
        found, seen = others.learned(i, most=most), rest.subset(inside)
        wanted = step.learned(seen.deviation, seen.expected)
        axes = wanted.axes if most is None else wanted.axes[:, -most:]
        np.testing.assert_allclose(found.axes @ found.axes.T, axes @ axes.T, atol=1e-12)
        if most is None:
            np.testing.assert_allclose(found.own, wanted.own, rtol=1e-9)
        one, other = step.waves_of_others(others, i, genome(), most=2), step.waves_of(
            rest, genome(), most=2)  # fmt: skip
        np.testing.assert_allclose(np.abs(one.axes), np.abs(other.axes), atol=1e-12)
        np.testing.assert_array_equal(one.grid.start, other.grid.start)


def test_a_normal_of_which_nothing_is_expected_leaves_no_window_to_the_others():
    all_of = normals()
    expected = all_of.expected.copy()
    expected[4] = 0
    others = step.Others(Summed(all_of.atoms, all_of.observed, expected))
    assert not others.usable(0).any()
    assert others.usable(4).all()
    assert len(step.waves_of_others(others, 0, genome(), most=3).grid) == 0


# --- what a sample has of them ---


def test_how_far_each_wave_is_out_is_found():
    """Along the true waves; what is found lies 1.6 % to 5 % off, no further than counting says."""
    truth = np.array([2.0, -1.0, 0.5])
    rng = np.random.default_rng(3)
    found = step.amplitudes(drawn(rng, 1 + shapes() @ truth, np.full(len(genome()), DEEP)),
                            Waves(genome(), shapes()))  # fmt: skip
    assert found == pytest.approx(truth, abs=0.05)


def test_at_002x_amplitudes_are_drawn_towards_none():
    """Each wave less than in the normals and nearer to the truth than none would be."""
    rng = np.random.default_rng(4)
    waves = Waves(genome(), shapes() / 4)
    truth = rng.normal(size=(40, 3))
    found = np.array([
        step.amplitudes(drawn(rng, 1 + waves.axes @ c, np.full(len(genome()), THIN)), waves)
        for c in truth
    ])  # fmt: skip
    # S = sum (axis^2 within blocks) * 120: at most 2823 * 0.005^2 * 120 = 8.5, 3 and 1.4
    assert (found.var(axis=0) < truth.var(axis=0)).all()
    assert (np.mean((found - truth) ** 2, axis=0) < np.mean(truth**2, axis=0)).all()
    assert found[:, 2].var() < 0.6 * truth[:, 2].var()


def tumor_ratio(seed: int, fraction: float, breakpoints: int = 60) -> np.ndarray:
    """Ratio of each window: copies of 1 to 4 that change at random places."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(len(genome()), breakpoints, replace=False))
    copies = rng.choice([1.0, 2, 2, 3, 4], breakpoints + 1)
    ratio = fraction * copies[np.searchsorted(cuts, np.arange(len(genome())), side="right")]
    ratio += 2 * (1 - fraction)
    return ratio / ratio.mean()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_copy_numbers_with_sixty_breakpoints_are_no_waves(fraction):
    """Over ten tumors the correction, 2.8 %, moves by 0.25 % (rms) at most, the amplitudes of the
    two strongest waves by 0.1 standard deviations. In one tumor the weakest moves by 0.6: steps in
    the middle of a block are just below what is trimmed at half tumor."""
    moved = []
    for seed in range(10):
        healthy = 1 + learned().axes @ np.random.default_rng(seed).normal(size=3)
        tumor = healthy * tumor_ratio(seed, fraction)
        moved.append(step.amplitudes(library(tumor, SHALLOW), learned())
                     - step.amplitudes(library(healthy, SHALLOW), learned()))  # fmt: skip
    moved = np.array(moved)
    assert np.sqrt(np.mean(np.square(moved @ learned().axes.T))) < 0.0025
    assert (np.sqrt(np.mean(np.square(moved), axis=0))[:2] < 0.1).all()
    assert np.abs(moved).max() < 0.7


def test_whole_arms_of_other_copies_move_nothing():
    """No block spans two arms, so that the level of a whole arm is no step within any."""
    arm = np.unique(step.blocks(genome()), return_index=True)[1]
    chrom, rng = genome().chrom, np.random.default_rng(6)
    levels = {name: rng.choice([0.5, 1, 1.5, 2]) for name in pd.unique(chrom)}
    ratio = np.array([levels[name] for name in chrom])
    healthy = 1 + learned().axes @ [1.0, -2.0, 0.5]
    before = step.amplitudes(library(healthy, DEEP), learned())
    after = step.amplitudes(library(healthy * ratio, DEEP), learned())
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert len(arm) > 200


@pytest.mark.parametrize("width", [1, 3])
def test_an_amplicon_of_thirty_copies_has_no_say(width):
    """What is left of it after trimming moves no amplitude by 0.05 standard deviations."""
    rng = np.random.default_rng(7)
    healthy = 1 + learned().axes @ [1.0, -1.0, 1.0]
    # where the first wave is furthest out within its block it would have most to say
    strongest = int(np.argmax(np.abs(learned().axes[:, 0])))
    amplified = healthy.copy()
    amplified[strongest : strongest + width] *= 15
    seeds = rng.integers(10**6, size=2)
    expected = np.full(len(healthy), SHALLOW)
    for seed in seeds:
        before, after = (step.amplitudes(drawn(np.random.default_rng(seed), r, expected), learned())
                         for r in (healthy, amplified))  # fmt: skip
        assert np.abs(after - before).max() < 0.05


def full(values) -> np.ndarray:
    """Values of the windows of the genome above on all atoms, 1 elsewhere."""
    bins = plasma.bins()
    made = np.ones(len(bins))
    made[is_autosome(bins["chrom"]) & bins["usable"].to_numpy(dtype=bool)] = values
    return made


def arm_means(profile, ratio):
    """Mean of atoms' values over each chromosome, weighted by what is expected."""
    use = is_autosome(profile["chrom"]) & profile["expected"].notna()
    weight = profile["expected"][use]
    chrom = profile["chrom"][use]
    return (ratio[use] * weight).groupby(chrom).sum() / weight.groupby(chrom).sum()


def test_a_wave_that_normals_share_goes_and_the_copies_of_a_tumor_stay():
    """80 % or more of the variance of a wave of 2 standard deviations is taken out; ratios of whole
    chromosomes are nearer to the tumor's than before, none further off than 1.2 %."""
    tumor = full(tumor_ratio(11, 0.5))
    wave = full(1 + shapes() @ [2.0, 0.0, 0.0])
    profile = profile_of(np.random.default_rng(12), ratio=tumor * wave, expected=3 * SHALLOW)
    made, sd = step.without_waves(profile, learned())
    factor = made["expected"] / profile["expected"]
    use = is_autosome(profile["chrom"]) & profile["expected"].notna()
    left = (pd.Series(wave) / factor)[use]
    assert left.var() < 0.2 * pd.Series(wave)[use].var()
    assert sd == pytest.approx(pd.Series(wave)[use].std(), rel=0.15)
    truth = arm_means(profile, pd.Series(tumor))
    errors = []
    for one in (profile, made):
        ratio = arm_means(one, one["observed"] / one["expected"])
        errors.append(np.abs(ratio / ratio.mean() * truth.mean() / truth - 1))
    assert errors[1].mean() < 0.7 * errors[0].mean()
    assert errors[1].max() < 0.012


# --- the profile ---


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 4), st.sampled_from([THIN, SHALLOW]))
def test_the_sum_of_the_autosomes_is_kept_and_all_else_is_as_it_was(seed, size, expected):
    rng = np.random.default_rng(seed)
    ratio = full((1 + shapes() @ (size * rng.normal(size=3))).clip(0.1))
    profile = profile_of(rng, ratio=ratio, expected=expected)
    made, sd = step.without_waves(profile, learned())
    auto = is_autosome(profile["chrom"])
    assert made["expected"][auto].sum() == pytest.approx(profile["expected"][auto].sum())
    factor = (made["expected"] / profile["expected"])[auto].dropna()
    assert factor.max() / factor.min() <= step.LARGEST**2 + 1e-9
    others = [name for name in profile if name != "expected"]
    pd.testing.assert_frame_equal(made[others], profile[others])
    pd.testing.assert_frame_equal(made[~auto], profile[~auto])
    assert made["expected"].isna().equals(profile["expected"].isna())
    assert sd >= 0


def test_a_panel_without_waves_changes_nothing():
    profile = profile_of(np.random.default_rng(13))
    made, sd = step.without_waves(profile, Waves.from_frame(WAVES.empty()))
    pd.testing.assert_frame_equal(made, profile)
    assert sd == 0


def test_a_library_without_any_expectation_has_no_waves():
    profile = profile_of(np.random.default_rng(14)).assign(expected=NAN, observed=0)
    made, sd = step.without_waves(profile, learned())
    pd.testing.assert_frame_equal(made, profile)
    assert sd == 0


def test_a_library_without_fragments_in_any_window_has_no_waves():
    nothing = library(np.ones(30), np.zeros(30))
    assert step.amplitudes(nothing, Waves(grid_of(30), HAND)).tolist() == [0, 0]


def test_a_block_that_is_lost_in_both_copies_says_nothing():
    healthy = 1 + learned().axes @ [1.0, -1.0, 1.0]
    lost = healthy.copy()
    lost[step.blocks(genome()) == 7] = 0
    before, after = (step.amplitudes(library(r, SHALLOW), learned()) for r in (healthy, lost))
    np.testing.assert_allclose(after, before, atol=0.05)


# --- the table ---


def test_the_table_gives_back_the_waves():
    frame = WAVES.check(learned().frame())
    assert frame["wave"].unique().tolist() == [1, 2, 3]
    assert frame["deviation"].tolist()[: len(genome())] == learned().axes[:, 0].tolist()
    found = Waves.from_frame(frame)
    np.testing.assert_array_equal(found.axes, learned().axes)
    for name in ("chrom", "start", "end"):
        np.testing.assert_array_equal(getattr(found.grid, name), getattr(genome(), name))


def test_the_table_of_no_waves_is_empty():
    none = step.waves_of(normals(), genome(), most=0)
    assert WAVES.check(none.frame()).empty
    assert Waves.from_frame(none.frame()).axes.shape[1] == 0


def test_waves_on_different_windows_are_refused():
    frame = Waves(grid_of(5, 3), np.arange(16.0).reshape(8, 2)).frame()
    swapped = [1, 0, *range(2, 16)]
    mixed = [*range(7), 8, 7, *range(9, 16)]
    wrong = {
        "a window missing": frame.drop(index=3),
        "another order": frame.iloc[swapped],
        "waves mixed up": frame.iloc[mixed],
        "another start": frame.assign(start=frame["start"].where(frame.index != 9, 7)),
        "another end": frame.assign(end=frame["end"].where(frame.index != 9, 7)),
        "another chromosome": frame.assign(chrom=frame["chrom"].where(frame.index != 9, "chr9")),
        "numbers from 0": frame.assign(wave=frame["wave"] - 1),
    }
    for one in wrong.values():
        with pytest.raises(ValueError, match="same windows for every wave, in one order"):
            Waves.from_frame(one)
