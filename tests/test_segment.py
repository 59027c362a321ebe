"""Circular binary segmentation: arcs, cuts, tables, and how often it is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import segment as step
from ctcnv.dispersion import Dispersion
from ctcnv.normalize import Windows, windows
from ctcnv.schema import PROFILE, SEGMENTS
from tests import plasma
from tests.reference.best_arc_slow import arc_z, best_arc_slow

SETTINGS = plasma.SETTINGS["segment"]
NONE = Dispersion(np.array([1.0]), np.array([0.0]))
USUAL = Dispersion(np.array([1.0, 16.0, 256.0]), np.array([0.03, 0.012, 0.004]))


def of(observed, expected=100.0, chrom=None, atoms=None) -> Windows:
    """Windows of 1 Mb; one chromosome unless names are given."""
    n = len(observed)
    names = np.array(["chr1"] * n if chrom is None else chrom, dtype=object)
    start = np.concatenate(
        [np.arange(0), *(np.arange((names == name).sum()) for name in pd.unique(names))]
    )
    return Windows(
        names, start * plasma.MB, (start + 1) * plasma.MB,
        np.ones(n, dtype=int) if atoms is None else np.asarray(atoms),
        np.asarray(observed, dtype=float), np.broadcast_to(np.asarray(expected, float), n).copy(),
    )  # fmt: skip


def bounds(summed, *, dispersion=NONE, error_rate=0.01, min_windows=2):
    return step.segment_bounds(
        summed, dispersion=dispersion, error_rate=error_rate, min_windows=min_windows
    )


def prefix(values):
    return np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=float))])


def best_arc(observed, expected, atoms, tau, low, high, least):
    tau2 = np.array([tau(a) for a in range(1, int(sum(atoms)) + 2)]) ** 2
    return step.best_arc(prefix(observed), prefix(expected), prefix(atoms), tau2, low, high, least)


# --- one arc ---


def test_the_best_arc_by_hand():
    # 100 expected each; arc (2, 4] holds 300 of 200, the rest 400 of 400, all 700 of 600
    observed, expected = [100, 100, 150, 150, 100, 100], [100] * 6
    z, i, j = best_arc(observed, expected, [1] * 6, lambda a: 0.0, 0, 6, 2)
    level = 700 / 600
    assert (i, j) == (2, 4)
    assert z == pytest.approx(0.5 / np.sqrt(level * (1 / 200 + 1 / 400)))


def test_over_dispersion_of_both_sides_lowers_z():
    observed, expected = [100, 100, 150, 150, 100, 100], [100] * 6
    z, _, _ = best_arc(observed, expected, [1] * 6, lambda a: 0.1 / a, 0, 6, 2)
    level = 700 / 600
    variance = level * (1 / 200 + 1 / 400) + level**2 * (0.05**2 + 0.025**2)
    assert z == pytest.approx(0.5 / np.sqrt(variance))


STRETCH = st.integers(1, 9).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 60), min_size=n, max_size=n),
        st.lists(st.floats(0.5, 40), min_size=n, max_size=n),
        st.lists(st.integers(1, 4), min_size=n, max_size=n),
        st.integers(1, 3),
        st.integers(0, n - 1).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, n))),
    )
)


@given(STRETCH)
def test_the_best_arc_is_that_of_the_slow_twin(stretch):
    observed, expected, atoms, least, (low, high) = stretch

    def tau(size):
        return float(USUAL.at(size))

    z, i, j = best_arc(observed, expected, atoms, tau, low, high, least)
    wanted = best_arc_slow(observed, expected, atoms, tau, low, high, least)
    assert z == pytest.approx(wanted[0], rel=1e-9, abs=1e-9)
    if z > 1e-6:
        # ties between equally good arcs are allowed: the arc found is as good as the best
        assert arc_z(observed, expected, atoms, tau, low, high, i, j) == pytest.approx(wanted[0])


@pytest.mark.parametrize("gain", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_of_ends_that_are_left_out_hold_no_better_arc(gain, seed):
    rng = np.random.default_rng(seed)
    n, where = 3 * step.BLOCK + 5, rng.integers(5, 80)
    expected, atoms = rng.uniform(20, 40, n), rng.integers(1, 5, n)
    level = np.ones(n)
    level[where : where + 9] += gain
    observed = rng.poisson(expected * level)
    for tau in (lambda a: 0.0, lambda a: float(USUAL.at(a))):
        found = best_arc(observed, expected, atoms, tau, 2, n - 1, 2)
        wanted = best_arc_slow(observed, expected, atoms, tau, 2, n - 1, 2)
        assert found == (pytest.approx(wanted[0]), *wanted[1:])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_stretch_too_short_for_two_segments_has_no_arc(n):
    z, i, j = best_arc([10] * n, [20] * n, [1] * n, lambda a: 0.0, 0, n, 2)
    assert (z, i, j) == (0, 0, n)


# --- segments ---


def test_a_step_is_cut_where_it_is():
    assert bounds(of([100] * 10 + [200] * 6)) == [(0, 10), (10, 16)]


def test_a_focal_gain_is_cut_out_in_one_go():
    assert bounds(of([100] * 9 + [300] * 3 + [100] * 8)) == [(0, 9), (9, 12), (12, 20)]


def test_several_levels_are_all_found():
    found = bounds(of([100] * 10 + [200] * 10 + [50] * 10 + [100] * 10))
    assert found == [(0, 10), (10, 20), (20, 30), (30, 40)]


def test_a_deletion_without_a_single_fragment_is_found():
    assert bounds(of([50] * 8 + [0] * 4 + [50] * 8, 50.0)) == [(0, 8), (8, 12), (12, 20)]


def test_one_high_window_is_no_segment_of_two():
    found = bounds(of([100] * 10 + [100_000] + [100] * 10), min_windows=2)
    assert all(high - low >= 2 for low, high in found)


def test_waves_as_large_as_the_normals_show_are_not_cut():
    summed = of([100_000] * 20 + [103_000] * 20, 100_000.0)
    assert len(bounds(summed)) == 2
    wavy = Dispersion(np.array([1.0, 100.0]), np.array([0.03, 0.03]))
    assert bounds(summed, dispersion=wavy) == [(0, 40)]


def test_the_whole_of_each_chromosome_is_covered_in_order():
    rng = np.random.default_rng(3)
    names = ["chr1"] * 30 + ["chr2"] * 1 + ["chrX"] * 20
    summed = of(rng.poisson(np.repeat([100, 180, 100], 17)), chrom=names)
    found = bounds(summed)
    assert [low for low, _ in found] == [0, *(high for _, high in found)][:-1]
    assert found[-1][1] == 51
    assert {30, 31} <= {low for low, _ in found}


def test_no_windows_no_segments():
    assert bounds(of([])) == []


def test_a_single_window_is_a_segment():
    assert bounds(of([120])) == [(0, 1)]


def test_a_stricter_error_rate_never_cuts_more():
    rng = np.random.default_rng(4)
    summed = of(rng.poisson(np.repeat([100, 130, 110, 100], 15)))
    counts = [len(bounds(summed, error_rate=rate)) for rate in (0.2, 0.01, 1e-6, 1e-12)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_a_chromosome_is_cut_the_same_alone_given_the_same_threshold(seed, n_pieces):
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([60.0, 100, 160], n_pieces), rng.integers(3, 12))
    names = ["chr1"] * (len(level) // 2) + ["chr2"] * (len(level) - len(level) // 2)
    summed = of(rng.poisson(level), chrom=names)
    together = bounds(summed, dispersion=USUAL)
    ranges = [(0, names.count("chr1")), (names.count("chr1"), len(names))]
    arcs = sum((b - a) * (b - a + 1) / 2 for a, b in ranges)
    alone = []
    for low, high in ranges:
        part = of(summed.observed[low:high], chrom=names[low:high])
        own = (high - low) * (high - low + 1) / 2
        # Bonferroni over fewer arcs: the same threshold needs the share of the error rate
        cut = bounds(part, dispersion=USUAL, error_rate=0.01 * own / arcs)
        alone += [(low + a, low + b) for a, b in cut]
    assert alone == together


@given(st.integers(0, 10_000))
def test_a_mirrored_chromosome_is_cut_at_the_mirrored_places(seed):
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([60.0, 100, 160], 4), 7)
    observed = rng.poisson(level * 50)
    forward = bounds(of(observed, 5000.0))
    backward = bounds(of(observed[::-1], 5000.0))
    assert [(28 - high, 28 - low) for low, high in reversed(backward)] == forward


def test_more_fragments_never_lose_a_change():
    observed = np.repeat([100, 115, 100], 10)
    counts = [len(bounds(of(observed * k, 100.0 * k))) for k in (1, 4, 16, 64)]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] == 3


def test_cuts_that_are_not_significant_alone_are_joined_the_weakest_first():
    # ratios 1.00 | 1.02 | 2.0: the first cut is noise
    sums = step._Sums(prefix([100, 102, 200]), prefix([100, 100, 100]), prefix([1, 1, 1]))
    assert step._undo([0, 1, 2, 3], sums, np.zeros(4), 4.0) == [(0, 2), (2, 3)]


@pytest.mark.parametrize("dispersed", [False, True])
def test_genomes_without_changes_have_false_segments_as_rarely_as_said(dispersed):
    """Any cut inside a chromosome is false; the bound is the 99.9th centile of the binomial."""
    genomes, rate = 150, SETTINGS.error_rate
    rng = np.random.default_rng(20)
    names = [f"chr{c}" for c in range(1, 11) for _ in range(40)]
    tau = 0.02 if dispersed else 0.0
    known = Dispersion(np.array([1.0, 4096.0]), np.array([tau, tau / 64]))
    false = 0
    for _ in range(genomes):
        level = rng.normal(1, tau, len(names)) if dispersed else np.ones(len(names))
        summed = of(rng.poisson(SETTINGS.window_fragments * level), SETTINGS.window_fragments,
                    names)  # fmt: skip
        found = bounds(summed, dispersion=known, error_rate=rate,
                       min_windows=SETTINGS.min_windows)  # fmt: skip
        false += len(found) > 10
    assert false <= scipy.stats.binom.ppf(0.999, genomes, rate)


# --- tables ---


def test_the_table_by_hand():
    summed = of([100, 100, 200, 200], chrom=["chr1"] * 4, atoms=[2, 2, 2, 3])
    table = SEGMENTS.check(
        step.segment_table(summed, [(0, 2), (2, 4)], dispersion=Dispersion(
            np.array([1.0, 5.0]), np.array([0.1, 0.1])))
    )  # fmt: skip
    assert table["start"].tolist() == [0, 2_000_000]
    assert table["end"].tolist() == [2_000_000, 4_000_000]
    assert table["n_bins"].tolist() == [4, 5]
    np.testing.assert_allclose(table["observed"], [200, 400])
    np.testing.assert_allclose(table["expected"], [200, 200])
    np.testing.assert_allclose(table["ratio"], [1, 2])
    np.testing.assert_allclose(table["log2"], [0, 1])
    # 2 -+ 1.96 * sqrt(2/200 + (2 * 0.1)^2)
    half = 1.959964 * np.sqrt(0.01 + 0.04)
    np.testing.assert_allclose(table["low"][1], 2 - half)
    np.testing.assert_allclose(table["high"][1], 2 + half)


def test_a_segment_without_fragments_has_no_logarithm_and_an_upper_bound_above_zero():
    table = step.segment_table(of([0, 0], 10.0), [(0, 2)], dispersion=NONE)
    assert np.isnan(table["log2"][0])
    assert table["low"][0] == 0
    assert table["high"][0] > 0


@given(st.integers(0, 10**6), st.floats(1, 1e4), st.integers(2, 50))
def test_intervals_hold_the_ratio_and_narrow_with_more_fragments(observed, expected, times):
    one = step.segment_table(of([observed], expected), [(0, 1)], dispersion=USUAL)
    many = step.segment_table(of([times * observed], times * expected), [(0, 1)], dispersion=USUAL)
    assert 0 <= one["low"][0] <= one["ratio"][0] <= one["high"][0]
    width = [float(table["high"][0] - table["low"][0]) for table in (one, many)]
    assert width[1] <= width[0] * (1 + 1e-9)


def flat_profile(n, expected, atom_bp=10_000):
    start = np.arange(n) * atom_bp
    return PROFILE.check(
        pd.DataFrame({"chrom": "chr1", "start": start, "end": start + atom_bp,
                      "observed": round(expected) if expected == expected else 0,
                      "expected": expected, "normal_copies": 2, "reason": None})
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "atoms"),
    [
        (10.0, 25),  # 250 fragments
        (9.9, 26),  # rounded up
        (1000.0, 5),  # never below 50 kb
        (0.1, 500),  # never above 5 Mb
    ],
)
def test_windows_are_as_wide_as_the_depth_needs(expected, atoms):
    found = step.window_atoms(flat_profile(20, expected), fragments=250, min_bp=50_000,
                              max_bp=5_000_000)  # fmt: skip
    assert found == atoms


def test_atoms_wider_than_the_widest_window_are_windows_themselves():
    wide = flat_profile(20, 10.0, atom_bp=6_000_000)
    assert step.window_atoms(wide, fragments=250, min_bp=50_000, max_bp=5_000_000) == 1


def test_without_any_expectation_there_are_no_windows_and_no_segments():
    nothing = flat_profile(20, float("nan"))
    assert step.window_atoms(nothing, fragments=250, min_bp=1, max_bp=10) is None
    table = step.segment(nothing, dispersion=NONE, settings=SETTINGS)
    assert len(table) == 0
    assert list(table.columns) == SEGMENTS.names


def test_segments_of_a_sample_account_for_every_used_atom_and_fragment():
    made = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.2, seed=5)
    used = windows(made.normalized.profile, atoms=1, autosomes=False)
    table = SEGMENTS.check(made.segments)
    assert table["n_bins"].sum() == len(used.ratio)
    assert table["observed"].sum() == used.observed.sum()
    assert table["expected"].sum() == pytest.approx(used.expected.sum())
    assert (table["start"] < table["end"]).all()


def test_segments_of_a_tumor_lie_at_its_events():
    made = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.2, seed=5)
    on17 = made.segments[made.segments["chrom"] == "chr17"]
    amplicon = on17[on17["ratio"] > 2]
    assert amplicon[["start", "end"]].to_numpy().tolist() == [[38_000_000, 41_000_000]]
    on8 = made.segments[made.segments["chrom"] == "chr8"].sort_values("start")
    assert on8["ratio"].iloc[0] < 0.95 < 1.1 < on8["ratio"].iloc[-1]


def test_healthy_plasma_has_a_segment_per_chromosome():
    made = plasma.sample(seed=9)
    assert made.segments["chrom"].value_counts().max() == 1


def test_settings_reach_the_segmentation():
    made = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.2, seed=5)
    wide = replace(SETTINGS, min_windows=10)
    table = step.segment(made.normalized.profile, dispersion=made.dispersion, settings=wide)
    assert table["n_bins"][table["chrom"] == "chr17"].min() >= 10
