"""Is there tumor DNA: the score, its null, p-values, and the limits of blank and of detection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctcnv import detection as step
from ctcnv.copystates import Chain, changes, state_prior
from ctcnv.healthy import HealthyNoise
from ctcnv.mixture import ratio_of
from ctcnv.waves import Covariance
from tests import plasma
from tests.plasma import evidence_of, scored_of
from tests.reference import arms_slow, healthy_slow

FAST = replace(plasma.FAST, null_draws=100)


@pytest.fixture(scope="module")
def null():
    """Evidence, noise, arms, and the null of 200 draws."""
    made = scored_of(np.ones(300), expected=1500.0)
    return (*made, step.null_scores(*made, settings=replace(FAST, null_draws=200)))


def wavy(n=300, *, size=0.01, waves=3, df=np.inf, expected=1500.0, seed=8):
    """Evidence, noise and arms of n windows of which waves of this size run over whole genomes."""
    seen = evidence_of(np.ones(n), expected=expected)
    rng = np.random.default_rng(seed)
    arm = np.cumsum(seen.arm) - 1
    axes = size * rng.normal(size=(int(arm[-1]) + 1, waves))[arm] / np.sqrt(waves)
    noise = HealthyNoise(Covariance(np.full(n, 1e-5), axes), seen.counting, df)
    return seen, noise, step.arms_of(seen, noise)


# --- the arms ---


def test_arms_by_hand():
    """Two arms of two and three windows that one wave and noise of their own change."""
    seen = evidence_of([1.02, 1.04, 1, 0.97, 0.94], chrom=["chr1"] * 2 + ["chr2"] * 3)
    own = np.array([1e-4, 3e-4, 0, 0, 9e-4])
    axis = np.array([[0.01], [0.03], [-0.03], [0], [0]])
    noise = HealthyNoise(Covariance(own, axis), seen.counting, np.inf)
    arms = step.arms_of(seen, noise)
    assert arms.number.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(arms.share, [1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(arms.deviation(seen.ratio), [0.03, -0.03])
    # own (1e-4 + 3e-4)/4 and 9e-4/9, wave 0.02^2 and 0.01^2, counting 0.001 by two and by three
    wave, counting = np.array([5e-4, 2e-4]), np.array([1e-3 / 2, 1e-3 / 3])
    np.testing.assert_allclose(arms.variance, wave + counting)
    # 30 normals, and 10 times the mean over windows: (2 * 5e-4 + 3 * 2e-4) / 5 = 3.2e-4
    few = step.arms_of(seen, replace(noise, df=30.0))
    np.testing.assert_allclose(few.variance, (30 * wave + 10 * 3.2e-4) / 40 + counting)


def test_windows_of_more_fragments_have_more_say_in_their_arm():
    seen = evidence_of([1.0, 1.3], chrom=["chr1"] * 2)
    seen = replace(seen, counting=np.array([0.001, 0.002]), tau2=np.zeros(2))
    noise = HealthyNoise(Covariance(np.zeros(2), np.zeros((2, 0))), seen.counting, np.inf)
    arms = step.arms_of(seen, noise)
    np.testing.assert_allclose(arms.share, [2 / 3, 1 / 3])
    np.testing.assert_allclose(arms.deviation(seen.ratio), [0.1])
    np.testing.assert_allclose(arms.variance, [0.001 * 4 / 9 + 0.002 / 9])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 1000),
       st.sampled_from([5.0, 46.0, np.inf]))  # fmt: skip
def test_arms_are_those_of_whole_matrices(lengths, seed, df):
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    names = [f"chr{i + 1}" for i, length in enumerate(lengths) for _ in range(length)]
    seen = replace(evidence_of(rng.normal(1, 0.05, n), chrom=names),
                   counting=rng.uniform(1e-4, 1e-2, n), tau2=rng.uniform(0, 1e-3, n))  # fmt: skip
    axes, own = rng.normal(0, 0.02, (n, 3)), rng.uniform(0, 1e-3, n)
    arms = step.arms_of(seen, HealthyNoise(Covariance(own, axes), seen.counting, df))
    weights, variance = arms_slow.arms(
        np.flatnonzero(seen.arm).tolist(), seen.counting + seen.tau2,
        healthy_slow.covariance(own, axes), seen.counting, df=df, prior=10,
    )  # fmt: skip
    np.testing.assert_allclose(arms.deviation(seen.ratio), weights @ (seen.ratio - 1), atol=1e-12)
    np.testing.assert_allclose(arms.variance, variance)


def test_the_likelihood_of_altered_arms_by_hand():
    """At T 0.5 arms vary by 0.3 * 0.25 / 4 = 0.01875 more: three and half a standard deviation."""
    found = step.arm_likelihood(np.array([0.03, -0.01]), np.array([1e-4, 4e-4]), altered=0.3)
    assert found.shape == step.SCORE_FRACTIONS.shape
    one = 9 * 0.01875 / 0.01885 - np.log(188.5)
    two = 0.25 * 0.01875 / 0.01915 - np.log(47.875)
    assert found[-1] == pytest.approx((one + two) / 2)
    # at T 0.002 by 3e-7: next to nothing
    assert found[0] == pytest.approx((9 * 3e-3 - 3e-3 + 0.25 * 7.5e-4 - 7.5e-4) / 2, rel=0.01)


@given(st.integers(1, 40), st.integers(0, 1000), st.floats(0.05, 1))
def test_the_likelihood_of_altered_arms_is_a_ratio_of_densities(n, seed, altered):
    rng = np.random.default_rng(seed)
    deviation, variance = rng.normal(0, 0.05, n), rng.uniform(1e-6, 1e-2, n)
    found = step.arm_likelihood(deviation, variance, altered=altered)
    slow = arms_slow.likelihood(deviation, variance, step.SCORE_FRACTIONS, altered=altered)
    np.testing.assert_allclose(found, slow, rtol=1e-9, atol=1e-9)


# --- the score ---


def test_the_score_of_ratios_of_exactly_one_speaks_against_a_tumor():
    seen, _, arms = scored_of(np.ones(200))
    score, fraction = step.detection_score(seen, arms, settings=FAST)
    assert score <= 0
    assert fraction == 0


def test_the_score_finds_the_fraction_of_a_near_diploid_tumor():
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 3, 2, 1], 20)
    truth = float(step.SCORE_FRACTIONS[12])
    ratio = ratio_of(copies, truth, 2.0) + np.random.default_rng(1).normal(0, 0.02, 200)
    seen, _, arms = scored_of(ratio, expected=3000.0)
    score, fraction = step.detection_score(seen, arms, settings=FAST)
    assert score > 20
    assert fraction == pytest.approx(truth, rel=0.5)


@pytest.mark.parametrize("sd", [0.03, 0.05])
def test_the_score_averages_over_tumors_of_arms_and_rearranged_ones(sd, monkeypatch):
    rng = np.random.default_rng(2)
    seen, _, arms = scored_of(rng.normal(1, sd, 200))
    priors = []

    def kept(*args, **named):
        priors.append(state_prior(*args, **named))
        return priors[-1]

    monkeypatch.setattr(step, "state_prior", kept)
    step.detection_score(seen, arms, settings=FAST)
    copies = step.SCORE_STATES
    # near-diploid: two copies are the commonest
    assert (priors[0].argmax(axis=1) == copies.tolist().index(2)).all()
    broken = Chain.of(
        seen, ratio_of(copies, step.SCORE_FRACTIONS[:, None], 2.0), prior=priors[0],
        change=changes(seen, breakpoints=FAST.breakpoints, centromere=FAST.centromere_change),
        tail_df=FAST.tail_df,
    ).log_likelihood(seen.ratio[None])[0]  # fmt: skip
    whole = arms_slow.likelihood(arms.deviation(seen.ratio), arms.variance, step.SCORE_FRACTIONS,
                                 altered=FAST.lod_altered)  # fmt: skip
    mean = (np.exp(broken) + np.exp(whole)) / 2
    score, fraction = step.detection_score(seen, arms, settings=FAST)
    assert score == pytest.approx(np.log(mean.max()))
    assert fraction == (step.SCORE_FRACTIONS[mean.argmax()] if mean.max() > 1 else 0)


def test_events_of_whole_arms_score_higher_than_the_same_windows_in_pieces():
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 3, 2, 1], 20)
    noise = np.random.default_rng(3).normal(0, 0.02, 200)
    mixed = np.random.default_rng(4).permutation(copies)
    of_arms, pieces = (
        step.detection_score(seen, arms, settings=FAST)[0]
        for seen, _, arms in (scored_of(ratio_of(c, 0.05, 2.0) + noise) for c in (copies, mixed))
    )
    assert of_arms > pieces + 1


def test_a_tumor_of_arms_beats_every_healthy_genome(null):
    seen, noise, arms, known = null
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 3, 2, 1], 30)
    rng = np.random.default_rng(6)
    ratio = ratio_of(copies, 0.08, 2.0) + noise.draw(rng, tail_df=FAST.tail_df)
    found = step.detection_score(replace(seen, ratio=ratio), arms, settings=FAST)
    assert found[0] > known.scores.max()
    assert 0.04 < found[1] < 0.16
    # arms that vary by themselves say less
    restless = replace(arms, variance=arms.variance + 0.03**2)
    again = step.detection_score(replace(seen, ratio=ratio), restless, settings=FAST)
    assert again[0] < found[0]


def test_an_arm_that_varies_in_healthy_plasma_says_less_than_one_that_does_not():
    seen, noise, _ = wavy(size=0.0)
    axis = np.zeros((300, 1))
    axis[-30:] = 0.02
    restless = replace(noise, covariance=Covariance(noise.covariance.own, axis))
    arms = step.arms_of(seen, restless)
    calm, loud = (np.where(np.arange(300) // 30 == arm, 1.03, 1.0) for arm in (0, 9))
    of_calm, of_loud = (
        step.arm_likelihood(arms.deviation(ratio), arms.variance, altered=0.3).max()
        for ratio in (calm, loud)
    )
    assert of_calm > of_loud + 3


# --- p-values ---


def test_p_values_fall_with_the_score_and_stay_probabilities(null):
    scores = null[3].scores
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
    assert step.tail_probability(50.0, ranks) == pytest.approx(52 / 101)
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


def p_values(seen, noise, arms, n, *, seed):
    """Of n fresh healthy genomes."""
    known = step.null_scores(seen, noise, arms, settings=replace(FAST, null_draws=300))
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        drawn = replace(seen, ratio=1 + noise.draw(rng, tail_df=FAST.tail_df))
        score, _ = step.detection_score(drawn, arms, settings=FAST)
        found.append(step.tail_probability(score, known.scores))
    return np.array(found)


@pytest.mark.parametrize("df", [20.0, np.inf])
def test_p_values_of_healthy_plasma_are_uniform(df):
    """Fresh genomes with the noise of the null, waves and all."""
    found = p_values(*wavy(df=df), 250, seed=77)
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.001
    for level in (0.01, 0.05, 0.1):
        low, high = scipy.stats.binom.ppf([0.0005, 0.9995], len(found), level)
        assert low <= np.sum(found <= level) <= high


def test_waves_that_the_null_does_not_know_look_like_tumor():
    """What it cannot do: a null that only counts takes the waves of a library for arms."""
    seen, noise, _ = wavy(size=0.02)
    blind = replace(noise, covariance=Covariance(np.zeros(300), np.zeros((300, 0))))
    arms = step.arms_of(seen, blind)
    known = step.null_scores(seen, blind, arms, settings=FAST)
    rng = np.random.default_rng(3)
    found = [
        step.tail_probability(
            step.detection_score(replace(seen, ratio=1 + noise.draw(rng, tail_df=FAST.tail_df)),
                                 arms, settings=FAST)[0],
            known.scores,
        )
        for _ in range(20)
    ]  # fmt: skip
    assert np.median(found) < 0.01


# --- the null ---


def test_the_null_is_the_same_on_every_run(null):
    *made, known = null
    again = step.null_scores(*made, settings=replace(FAST, null_draws=200))
    np.testing.assert_array_equal(again.scores, known.scores)
    other = step.null_scores(*made, settings=replace(FAST, null_draws=50, seed=FAST.seed + 1))
    assert not np.array_equal(other.scores, known.scores[:50])


def test_the_limit_of_blank_by_hand():
    found = step.limit_of_blank(step.Scores(np.zeros(101), np.arange(101) / 1000))
    assert found == pytest.approx(step.LOB_CENTILE / 10)


# --- the limit of detection ---


def limit_of(seen, noise, arms):
    scores = step.null_scores(seen, noise, arms, settings=FAST).scores
    return step.limit_of_detection(seen, noise, arms, scores, settings=FAST)


def limit_with(power, monkeypatch):
    """The limit of detection when the share of tumors that is found at each trial is ``power``."""
    asked = []

    def given_power(seen, noise, arms, null, trial, *, settings):
        asked.append(trial)
        return power[trial]

    monkeypatch.setattr(step, "_power", given_power)
    found = step.limit_of_detection(*scored_of(np.ones(60)), np.zeros(2), settings=FAST)
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
        found.append(limit_of(*scored_of(np.ones(300), expected=expected)))
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[2]


def test_the_limit_of_detection_rises_with_the_waves_of_the_normals(monkeypatch):
    monkeypatch.setattr(step, "LOD_DRAWS", 20)
    found = [limit_of(*wavy(size=size)) for size in (0.0, 0.01, 0.04)]
    assert found == sorted(found)
    assert found[2] > 2 * found[0]


def test_the_power_is_the_share_of_tumors_at_or_below_the_level(monkeypatch):
    given_p = np.array([FAST.false_positive / 2, FAST.false_positive, FAST.false_positive * 1.01,
                        0.15, 1.0])  # fmt: skip
    monkeypatch.setattr(step, "LOD_DRAWS", 20)
    monkeypatch.setattr(
        step, "tail_probabilities", lambda scores, _: np.resize(given_p, len(scores))
    )
    assert step._power(*wavy(60), np.zeros(2), 5, settings=FAST) == pytest.approx(2 / 5)


def test_the_tumors_behind_the_limit_have_its_power(monkeypatch):
    """At the limit 95 % are found; clearly below it fewer, clearly above it all."""
    seen, noise, arms = wavy()
    scores = step.null_scores(seen, noise, arms, settings=FAST).scores
    limit = step.limit_of_detection(seen, noise, arms, scores, settings=FAST)
    around = np.array([limit / 2, limit, 2 * limit])
    monkeypatch.setattr(step, "SCORE_FRACTIONS", np.sort([*step.SCORE_FRACTIONS, *around]))
    power = [
        step._power(seen, noise, arms, scores, int(np.searchsorted(step.SCORE_FRACTIONS, at)),
                    settings=FAST)
        for at in around
    ]  # fmt: skip
    assert power[0] < 0.8
    assert power[1] == pytest.approx(0.95, abs=0.05)
    assert power[2] == 1


def test_a_library_that_shows_no_tumor_has_no_limit_of_detection(monkeypatch):
    monkeypatch.setattr(step, "LOD_DRAWS", 5)
    made = scored_of(np.ones(60), expected=1.0)
    assert np.isnan(step.limit_of_detection(*made, np.linspace(0, 1000, 100), settings=FAST))


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
