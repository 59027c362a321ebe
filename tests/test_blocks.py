"""Blocks of windows: where they are cut, and the likelihood of their levels."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import blocks as step
from ctcnv.copystates import changes
from tests.plasma import evidence_of
from tests.reference import forward_slow

DF = 11


def change_of(seen):
    return changes(seen, breakpoints=10, centromere=0.3)


def stepped(n=100, at=57, noise=0.02, seed=1):
    """One chromosome whose ratio rises from 1 to 1.2 at a window."""
    ratio = np.where(np.arange(n) < at, 1.0, 1.2)
    ratio = ratio + np.random.default_rng(seed).normal(0, noise, n)
    return evidence_of(ratio, expected=1 / noise**2, chrom=["chr1"] * n)


# --- where the blocks are cut ---


@pytest.mark.parametrize("seed", range(3))
def test_the_chance_of_a_breakpoint_is_that_over_every_path(seed):
    rng = np.random.default_rng(seed)
    emission, change = rng.random((5, 3)), rng.uniform(0.05, 0.5, 5)
    change[0] = 1.0
    change[3] = 1.0 if seed == 1 else change[3]
    found = step._break_chance(emission, change)
    np.testing.assert_allclose(found, forward_slow.break_chances(emission, change))


def test_a_clear_step_is_cut_where_it_is():
    seen = stepped()
    chance = step.break_chance(seen, change_of(seen), tail_df=DF)
    assert int(np.argmax(chance[1:])) + 1 == 57
    first = step.cuts(seen, change_of(seen), tail_df=DF)
    assert 0 in first
    assert 57 in first


def test_precise_windows_make_few_blocks_and_noisy_ones_more():
    """Nothing tells where a noisy profile does not break."""
    few, many = (
        len(step.cuts(seen, change_of(seen), tail_df=DF))
        for seen in (stepped(noise=0.003), stepped(noise=0.2))
    )
    assert few <= 10
    assert many > 3 * few


def test_a_chromosome_begins_a_block():
    seen = evidence_of(np.ones(40), chrom=["chr1"] * 15 + ["chr2"] * 25)
    assert 15 in step.cuts(seen, change_of(seen), tail_df=DF)


def test_a_block_holds_no_more_breakpoints_than_allowed(monkeypatch):
    chance = np.array([1.0, 0.06, 0.03, 0.02, 0.05, 0.2, 0.01])
    monkeypatch.setattr(step, "break_chance", lambda *args, **named: chance)
    seen = stepped(n=7)
    # 0.06 + 0.03 fit into 0.1, 0.02 more do not; 0.05 alone fit, 0.2 never
    assert step.cuts(seen, change_of(seen), tail_df=DF).tolist() == [0, 3, 5]


# --- the likelihood of their levels ---


def log_density(seen, windows, mu):
    v = seen.inflation * (mu * seen.counting + mu**2 * seen.tau2)
    scale = forward_slow.to_t(DF) * np.sqrt(v)
    return scipy.stats.t.logpdf(seen.ratio, DF, loc=mu, scale=scale)[windows].sum()


def cubic(row, place):
    """The value of one column."""
    found = np.empty(1)
    step.cubic(np.ascontiguousarray(row)[:, None], place, found)
    return found[0]


def made(seen, first):
    return step.blocks(seen, np.array(first), change_of(seen), tail_df=DF)


@pytest.mark.parametrize("level", [0.15, 0.8, 1.0, 1.137, 1.3])
@pytest.mark.parametrize("noise", [0.003, 0.05, 0.3])
def test_the_table_has_the_likelihood_of_every_level(level, noise):
    """Between its points by a cubic: differences of levels are those of the plain product."""
    seen = stepped(noise=noise)
    found = made(seen, [0, 30, 57])
    for b, windows in enumerate((slice(0, 30), slice(30, 57), slice(57, None))):
        here, at_one = (
            cubic(found.log_density[:, b], (np.sqrt(mu) - found.origin) / found.step)
            for mu in (level, 1.0)
        )
        wanted = log_density(seen, windows, level) - log_density(seen, windows, 1.0)
        assert here - at_one == pytest.approx(wanted, abs=0.01, rel=2e-3)


def test_no_tumor_has_the_likelihood_of_the_ratio_one():
    seen = stepped(noise=0.05)
    found = made(seen, [0, 40])
    tops = found.origin + found.step * np.argmax(found.log_density, axis=0)
    wanted = sum(
        log_density(seen, windows, 1.0) - log_density(seen, windows, top**2)
        for windows, top in zip((slice(0, 40), slice(40, None)), tops, strict=True)
    )
    assert found.log_of_none().tolist() == [pytest.approx(wanted, abs=0.01)]


def test_heat_takes_the_likelihood_to_a_power():
    seen = stepped(noise=0.05)
    cold = made(seen, [0, 57])
    hot = cold.heated(9.0)
    np.testing.assert_allclose(hot.log_of_none(), cold.log_of_none() / 9)
    np.testing.assert_allclose(hot.log_density.max(axis=0), 0)


@given(st.floats(-3, 13), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_the_cubic_meets_every_cubic_and_ends_flat(place, parts):
    row = np.polyval(parts, np.arange(10.0) / 10)
    inside = min(max(place, 0.0), 9.0)
    assert cubic(row, place) == pytest.approx(np.polyval(parts, inside / 10), abs=1e-9)
