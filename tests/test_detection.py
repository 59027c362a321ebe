"""Is there tumor DNA: the score, its null, p-values, and the limits of blank and of detection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctcnv import detection as step
from ctcnv.copystates import changes, copy_states, log_likelihoods, state_prior
from ctcnv.dispersion import Dispersion
from ctcnv.evidence import tail_scale2
from ctcnv.mixture import ratio_of
from tests import plasma
from tests.plasma import evidence_of

FAST = replace(plasma.FAST, null_draws=100)


@pytest.fixture(scope="module")
def null():
    seen = evidence_of(np.ones(300), expected=1500.0)
    return seen, step.null_scores(seen, settings=replace(FAST, null_draws=200))


# --- the score ---


def test_the_score_of_ratios_of_exactly_one_speaks_against_a_tumor():
    score, fraction = step.detection_score(evidence_of(np.ones(200)), settings=FAST)
    assert score <= 0
    assert fraction == 0


def test_the_score_finds_the_fraction_of_a_near_diploid_tumor():
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 3, 2, 1], 20)
    truth = float(step.SCORE_FRACTIONS[10])
    ratio = ratio_of(copies, truth, 2.0) + np.random.default_rng(1).normal(0, 0.02, 200)
    score, fraction = step.detection_score(evidence_of(ratio, expected=3000.0), settings=FAST)
    assert score > 20
    assert fraction == pytest.approx(truth, rel=0.5)


def test_the_score_averages_over_how_rearranged_a_tumor_is():
    rng = np.random.default_rng(2)
    seen = evidence_of(rng.normal(1, 0.05, 200))
    copies = copy_states(step.SCORE_COPIES, subclonal=False)
    ploidy = np.full(len(step.SCORE_FRACTIONS), 2.0)
    prior = state_prior(copies, base=ploidy, decay=FAST.step_decay, subclonal_weight=0.0,
                        no_copy_weight=FAST.no_copy_weight)  # fmt: skip
    likelihoods = [
        np.exp(log_likelihoods(
            seen, step.SCORE_FRACTIONS, ploidy, copies=copies, prior=prior[None],
            change=changes(seen, breakpoints=each, centromere=FAST.centromere_change),
            tail_df=FAST.tail_df,
        )[0])
        for each in step.SCORE_BREAKPOINTS
    ]  # fmt: skip
    wanted = np.log(np.mean(likelihoods, axis=0).max())
    assert step.detection_score(seen, settings=FAST)[0] == pytest.approx(wanted)


def test_events_of_whole_arms_score_higher_than_the_same_windows_in_pieces():
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 3, 2, 1], 20)
    noise = np.random.default_rng(3).normal(0, 0.02, 200)
    mixed = np.random.default_rng(4).permutation(copies)
    arms, pieces = (
        step.detection_score(evidence_of(ratio_of(c, 0.05, 2.0) + noise), settings=FAST)[0]
        for c in (copies, mixed)
    )
    assert arms > pieces


# --- p-values ---


def test_p_values_fall_with_the_score_and_stay_probabilities(null):
    scores = null[1].scores
    grid = np.linspace(scores.min() - 1, scores.max() + 50, 300)
    values = np.array([step.tail_probability(float(s), scores) for s in grid])
    assert ((values >= 0) & (values <= 1)).all()
    # one step up is allowed where the counted part meets the tail
    assert (np.diff(values) <= 0.02).all()
    assert values[0] == 1
    assert values[-1] < 1e-6


def test_p_values_by_hand():
    ranks = np.arange(1.0, 101)
    assert step.tail_probability(50.5, ranks) == pytest.approx(51 / 101)
    # 90th centile 90.1; the ten above exceed it by 5.4 on average
    assert step.tail_probability(90.1 + 5.4, ranks) == pytest.approx(0.1 * np.exp(-1), rel=1e-6)


def test_a_null_without_spread_gives_a_p_value():
    same = np.zeros(50)
    assert step.tail_probability(0.0, same) == 1
    assert 0 <= step.tail_probability(1.0, np.append(same, 0.5)) < 0.1


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_p_values_of_healthy_scores_are_calibrated_in_the_tail(seed):
    """An exponential tail of a log likelihood ratio: half of 500 null scores predict the rest."""
    drawn = np.random.default_rng(seed).exponential(1.5, 500) - 1
    far = float(np.quantile(drawn, 0.98))
    assume(far > np.quantile(drawn[:250], 0.9))
    assert 0.002 < step.tail_probability(far, drawn[:250]) < 0.08


def test_healthy_genomes_are_detected_as_rarely_as_said(null):
    """Fresh genomes with the noise of the null: within the binomial's 99.9th centile at 5 %."""
    seen, known = null
    rng = np.random.default_rng(77)
    level, n = 0.05, 150
    false = 0
    for _ in range(n):
        drawn = replace(seen, ratio=1 + step.noise(seen, rng, tail_df=FAST.tail_df))
        score, _ = step.detection_score(drawn, settings=FAST)
        false += step.tail_probability(score, known.scores) <= level
    assert false <= scipy.stats.binom.ppf(0.999, n, level)


# --- the null ---


@pytest.mark.parametrize("df", [5, 11])
def test_the_noise_varies_as_the_dispersion_says_at_every_size(df):
    steep = Dispersion(np.array([1.0, 5.0, 30.0]), np.array([0.03, 0.02, 0.01]))
    seen = evidence_of(np.ones(300), expected=1e4, dispersion=steep)
    rng = np.random.default_rng(3)
    drawn = np.array([step.noise(seen, rng, tail_df=df) for _ in range(400)])
    by_block = drawn.reshape(400, 60, 5).mean(axis=2)
    by_chrom = drawn.reshape(400, 10, 30).mean(axis=2)
    # the variance of t at the scale that gives it the quartiles of the normal
    own = df / (df - 2) * tail_scale2(df) * ((0.03**2 - 0.02**2) + 1e-4)
    assert seen.block == 5
    assert np.var(drawn) == pytest.approx(0.02**2 + own, rel=0.05)
    assert np.var(by_block) == pytest.approx(0.02**2 + own / 5, rel=0.08)
    slow = 0.01**2 + (0.02**2 - 0.01**2) / 6 + own / 30
    assert np.var(by_chrom) == pytest.approx(slow, rel=0.1)


def test_the_noise_of_independent_windows_has_the_quartiles_of_the_normal():
    """The over-dispersion is measured by the MAD; simulated windows must give it back."""
    flat = Dispersion(np.array([1.0, 2.0]), np.array([0.05, 0.0]))
    seen = evidence_of(np.ones(300), expected=1e6, dispersion=flat, breakpoints=10)
    rng = np.random.default_rng(5)
    drawn = np.array([step.noise(seen, rng, tail_df=FAST.tail_df) for _ in range(200)])
    wanted = scipy.stats.norm.ppf(0.75) * np.sqrt(0.05**2 + 1e-6)
    assert np.quantile(np.abs(drawn), 0.5) == pytest.approx(wanted, rel=0.02)


def test_the_null_is_the_same_on_every_run(null):
    seen, known = null
    again = step.null_scores(seen, settings=replace(FAST, null_draws=200))
    np.testing.assert_array_equal(again.scores, known.scores)
    other = step.null_scores(seen, settings=replace(FAST, null_draws=50, seed=FAST.seed + 1))
    assert not np.array_equal(other.scores, known.scores[:50])


def test_the_limit_of_blank_by_hand():
    found = step.limit_of_blank(step.Null(np.zeros(101), np.arange(101) / 1000))
    assert found == pytest.approx(step.LOB_CENTILE / 10)


# --- the limit of detection ---


def limit_with(power, monkeypatch):
    """The limit of detection when the share of tumors that is found at each trial is ``power``."""
    asked = []

    def given_power(seen, null, trial, *, settings):
        asked.append(trial)
        return power[trial]

    monkeypatch.setattr(step, "_power", given_power)
    found = step.limit_of_detection(evidence_of(np.ones(60)), np.zeros(2), settings=FAST)
    return found, asked


def test_the_limit_of_detection_by_hand_lies_between_the_trials_around_the_power(monkeypatch):
    n = len(step.SCORE_FRACTIONS)
    power = [0.1] * 5 + [0.75] + [1.0] * (n - 6)
    found, _ = limit_with(power, monkeypatch)
    before, after = step.SCORE_FRACTIONS[5:7]
    share = (step.LOD_POWER - 0.75) / 0.25
    assert found == pytest.approx(before + share * (after - before))


def test_a_sample_that_shows_the_smallest_trial_has_its_limit_below_it(monkeypatch):
    found, _ = limit_with([1.0] * len(step.SCORE_FRACTIONS), monkeypatch)
    share = (step.LOD_POWER - FAST.false_positive) / (1 - FAST.false_positive)
    assert found == pytest.approx(share * step.SCORE_FRACTIONS[0])


def test_a_sample_that_shows_no_trial_has_no_limit(monkeypatch):
    found, _ = limit_with([0.9] * len(step.SCORE_FRACTIONS), monkeypatch)
    assert np.isnan(found)


@pytest.mark.parametrize("first", range(len(step.SCORE_FRACTIONS)))
def test_bisection_finds_the_first_trial_with_enough_power(first, monkeypatch):
    """As asking every trial in turn would, with few questions."""
    n = len(step.SCORE_FRACTIONS)
    power = np.concatenate([np.linspace(0.05, 0.9, first), np.linspace(0.96, 1, n - first)])
    found, asked = limit_with(power, monkeypatch)
    below = step.SCORE_FRACTIONS[first - 1] if first else 0.0
    assert below < found <= step.SCORE_FRACTIONS[first]
    assert len(asked) == len(set(asked)) <= np.ceil(np.log2(n + 1))


def test_the_limit_of_detection_falls_with_depth(monkeypatch):
    monkeypatch.setattr(step, "LOD_DRAWS", 20)
    found = []
    for expected in (50.0, 500.0, 5000.0):
        seen = evidence_of(np.ones(300), expected=expected)
        scores = step.null_scores(seen, settings=FAST).scores
        found.append(step.limit_of_detection(seen, scores, settings=FAST))
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[2]


def test_a_library_that_shows_no_tumor_has_no_limit_of_detection(monkeypatch):
    monkeypatch.setattr(step, "LOD_DRAWS", 5)
    seen = evidence_of(np.ones(60), expected=1.0)
    assert np.isnan(step.limit_of_detection(seen, np.linspace(0, 1000, 100), settings=FAST))


def arms_of_lengths(lengths):
    """Windows of chromosomes, each one arm, of these numbers of windows."""
    names = [f"chr{i + 1}" for i, length in enumerate(lengths) for _ in range(length)]
    return evidence_of(np.ones(sum(lengths)), chrom=names)


def test_the_tumors_behind_the_limit_have_the_share_altered_that_is_set():
    seen = arms_of_lengths([60] * 10)
    copies = step.arm_level_copies(seen, np.random.default_rng(1), altered=0.3)
    assert set(copies) <= {1.0, 2.0, 3.0}
    assert np.mean(copies != 2) == pytest.approx(0.3)


@given(st.lists(st.integers(2, 40), min_size=4, max_size=20), st.integers(0, 1000),
       st.floats(0.2, 0.8))  # fmt: skip
def test_whole_arms_change_until_the_share_is_met_within_half_an_arm(lengths, seed, altered):
    seen = arms_of_lengths(lengths)
    copies = step.arm_level_copies(seen, np.random.default_rng(seed), altered=altered)
    for arm in np.split(copies, np.flatnonzero(seen.arm)[1:]):
        assert len(set(arm)) == 1
    changed = int(np.sum(copies != 2))
    assert changed > 0
    # the first arm changes whatever its size
    wanted = altered * len(copies)
    assert abs(changed - wanted) <= max(lengths) / 2 + 1e-9 or changed in lengths


def test_gains_and_losses_are_equally_frequent_over_many_tumors_and_the_share_holds_on_average():
    seen = arms_of_lengths([30, 25, 20, 15, 10] * 4)
    rng = np.random.default_rng(2)
    drawn = np.array([step.arm_level_copies(seen, rng, altered=0.3) for _ in range(500)])
    assert np.mean(drawn == 1) == pytest.approx(0.15, abs=0.02)
    assert np.mean(drawn == 3) == pytest.approx(0.15, abs=0.02)
