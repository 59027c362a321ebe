"""Tumor fraction and ploidy: formulas, likelihood, posterior, null, and known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctcnv import fraction as step
from ctcnv.dispersion import Dispersion
from ctcnv.fraction import copies_of, ratio_of
from ctcnv.normalize import Windows
from ctcnv.schema import FRACTION, GRID, PROFILE, SOLUTIONS
from ctcnv.simulate import Tumor, atom_ploidy
from tests import plasma
from tests.reference import forward_slow, posterior_slow

FAST = plasma.FAST
CALM = Dispersion(np.array([1.0, 1000.0]), np.array([0.01, 0.003]))

# --- formulas ---


@pytest.mark.parametrize(
    ("copies", "fraction", "pcn"),
    [(25.82, 0.0168, 2.40), (20, 0.10, 3.80), (6, 0.10, 2.40), (4, 0.20, 2.40)],
)
def test_plasma_and_adjusted_copies_of_a_diploid_tumor(copies, fraction, pcn):
    """pCN = 2 + T*(C - 2), the arithmetic of Siravegna 2019, is the model with P = 2."""
    assert 2 * float(ratio_of(copies, fraction, 2.0)) == pytest.approx(pcn, abs=0.002)
    assert float(copies_of(pcn / 2, fraction, 2.0)) == pytest.approx(copies, rel=0.005)


@pytest.mark.parametrize(
    ("allele_fraction", "fraction"),
    [(0.01, 0.0198), (0.05, 0.0952), (0.10, 0.1818), (0.30, 0.4615), (0.50, 0.6667)],
)
def test_the_fraction_from_a_mutation_agrees_with_the_share_of_its_alleles(
    allele_fraction, fraction
):
    """A clonal mutation that lost the other allele: VAF = T / (copies of the site in plasma)."""
    copies_in_plasma = 2 * float(ratio_of(1, fraction, 2.0))
    assert fraction / copies_in_plasma == pytest.approx(allele_fraction, rel=0.005)


def test_the_ratio_by_hand_for_a_tumor_of_ploidy_three():
    # (0.4*6 + 1.2) / (0.4*3 + 1.2) = 3.6 / 2.4
    assert float(ratio_of(6, 0.4, 3.0)) == pytest.approx(1.5)


def test_the_diluted_ratio_to_the_rest_of_the_chromosome():
    # true ratio 6 (12 copies over 2) looks like 1.25, 1.5, 2.5 at T 0.05, 0.10, 0.30
    for fraction, seen in ((0.05, 1.25), (0.10, 1.5), (0.30, 2.5)):
        assert float(ratio_of(12, fraction, 2.4) / ratio_of(2, fraction, 2.4)) == pytest.approx(
            seen
        )


def test_a_male_x_of_one_copy_has_the_ratio_one():
    assert float(ratio_of(1, 0.5, 2.0, normal=1.0)) == pytest.approx(1)
    assert float(ratio_of(3, 0.5, 2.0, normal=1.0)) == pytest.approx(2)


FRACTIONS = st.floats(0.001, 1)
PLOIDIES = st.floats(1, 6)


@given(st.floats(0, 300), FRACTIONS, PLOIDIES, st.sampled_from([1.0, 2.0]))
def test_copies_and_ratio_are_inverse(copies, fraction, ploidy, normal):
    ratio = ratio_of(copies, fraction, ploidy, normal=normal)
    back = float(copies_of(ratio, fraction, ploidy, normal=normal))
    assert back == pytest.approx(copies, rel=1e-6, abs=1e-9 / fraction)


@given(FRACTIONS, PLOIDIES)
def test_a_region_of_the_mean_ploidy_is_not_special_and_more_copies_are_more(fraction, ploidy):
    low, high = ratio_of(ploidy, fraction, ploidy), ratio_of(ploidy + 1, fraction, ploidy)
    assert float(low) == pytest.approx(1)
    assert high > low


@given(FRACTIONS, PLOIDIES)
def test_the_dna_fraction_lies_between_zero_and_one_and_is_the_fraction_of_a_diploid(
    fraction, ploidy
):
    assert 0 <= step.dna_fraction(fraction, ploidy) <= 1
    assert step.dna_fraction(fraction, 2.0) == pytest.approx(fraction)
    array = step.dna_fraction_of(np.array([fraction]), np.array([ploidy]))
    assert float(array[0]) == pytest.approx(step.dna_fraction(fraction, ploidy))


# --- states and likelihood ---


def test_states_are_whole_copies_and_parts_between_them():
    states = step.copy_states(n_windows=600, max_copies=3, breakpoints=60, subclonal=True)
    assert {0.0, 1.0, 2.0, 3.0} <= set(states.copies)
    assert states.copies.min() == 0
    assert states.copies.max() == 3
    assert (states.subclonal == (states.copies % 1 != 0)).all()
    assert states.change == pytest.approx(0.1)


def test_the_chance_of_a_change_is_at_most_a_half():
    states = step.copy_states(n_windows=10, max_copies=3, breakpoints=60, subclonal=False)
    assert states.change == 0.5
    assert not states.subclonal.any()


def test_the_prior_of_whole_states_by_hand():
    states = step.copy_states(n_windows=600, max_copies=2, breakpoints=60, subclonal=False)
    found = states.prior(np.array([1.5]), decay=2.0, subclonal_weight=0.1)
    weights = np.exp(-2 * np.array([1.5, 0.5, 0.5]))
    np.testing.assert_allclose(found, [weights / weights.sum()])


@given(st.floats(1.5, 5), st.floats(0.5, 4), st.floats(0, 0.5))
def test_priors_are_probabilities_and_parts_weigh_less(ploidy, decay, weight):
    states = step.copy_states(n_windows=600, max_copies=8, breakpoints=60, subclonal=True)
    found = states.prior(np.array([ploidy]), decay=decay, subclonal_weight=weight)[0]
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert found[states.subclonal].sum() <= found[~states.subclonal].sum()


@given(st.integers(2, 5))
def test_the_prior_looks_the_same_around_every_whole_ploidy(ploidy):
    """A prior with more states around one ploidy would favour it."""
    states = step.copy_states(n_windows=600, max_copies=8, breakpoints=60, subclonal=True)

    def around(centre):
        prior = states.prior(np.array([float(centre)]), decay=2.0, subclonal_weight=0.1)[0]
        near = np.abs(states.copies - centre) <= 1
        order = np.argsort(states.copies[near])
        return prior[near][order] / prior[states.copies == centre]

    np.testing.assert_allclose(around(ploidy), around(2), rtol=1e-9)


def arguments(n, rng, n_states=3, df=5):
    """Arguments of forward for one cell."""
    first = (rng.random(n) < 0.3).astype(np.int8)
    first[0] = 1
    prior = rng.dirichlet(np.ones(n_states))
    return (
        first, rng.normal(1, 0.2, n), rng.uniform(1e-3, 1e-2, n), rng.uniform(0, 1e-3, n),
        float(rng.uniform(1, 2)), np.sort(rng.uniform(0, 2, n_states)), prior,
        float(rng.uniform(0.01, 0.5)), df,
    )  # fmt: skip


def fast_forward(arguments):
    *data, level, prior, change, df = arguments
    return float(step.forward(*data, level[None, :], prior[None, None, :], change, df)[0, 0])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("df", [1, 3, 5])
def test_the_likelihood_is_the_sum_over_every_path(seed, df):
    given_ = arguments(5, np.random.default_rng(seed), df=df)
    assert fast_forward(given_) == pytest.approx(forward_slow.sum_over_paths(*given_), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_of_a_long_chain_is_that_of_the_plain_loop(seed):
    given_ = arguments(60, np.random.default_rng(seed), n_states=6)
    assert fast_forward(given_) == pytest.approx(forward_slow.forward_loop(*given_), rel=1e-9)


def test_priors_and_cells_do_not_mix():
    rng = np.random.default_rng(1)
    *data, _, _, change, df = arguments(20, rng)
    levels = np.sort(rng.uniform(0, 2, (3, 3)), axis=1)
    priors = rng.dirichlet(np.ones(3), size=(2, 3))
    together = step.forward(*data, levels, priors, change, df)
    assert together.shape == (2, 3)
    for k in range(2):
        for cell in range(3):
            alone = fast_forward((*data, levels[cell], priors[k, cell], change, df))
            assert together[k, cell] == pytest.approx(alone)


def evidence_of(ratio, *, expected=1000.0, chrom=None, dispersion=CALM, breakpoints=60):
    n = len(ratio)
    names = np.repeat([f"chr{i + 1}" for i in range(10)], n // 10) if chrom is None else chrom
    start = np.arange(n) * plasma.MB
    summed = Windows(
        np.asarray(names, dtype=object), start, start + plasma.MB, np.ones(n, dtype=int),
        np.asarray(ratio) * expected, np.full(n, expected),
    )  # fmt: skip
    return step.evidence_of(summed, dispersion=dispersion, breakpoints=breakpoints)


def test_evidence_by_hand():
    names = ["chr1"] * 30 + ["chr2"] * 30
    seen = evidence_of(np.ones(60), chrom=names, breakpoints=6)
    assert np.flatnonzero(seen.first).tolist() == [0, 30]
    np.testing.assert_allclose(seen.counting, 0.001)
    np.testing.assert_allclose(seen.tau2, 0.0001)
    assert seen.block == 10
    block_tau = float(CALM.at(10))
    assert seen.block_tau == pytest.approx(block_tau)
    # ten windows together vary by block_tau^2 + 0.001/10, one by 0.0011
    assert seen.inflation == pytest.approx(10 * (block_tau**2 + 0.0001) / 0.0011)


def test_the_likelihood_of_no_tumor_by_hand():
    seen = evidence_of(np.full(20, 1.1), breakpoints=1)
    v = seen.inflation * (0.001 + 0.0001)
    each = -0.5 * np.log(v) - 3 * np.log(1 + 0.01 / (5 * v))
    assert step.log_likelihood_of_none(seen, tail_df=5) == pytest.approx(20 * each)


def test_a_vanishing_fraction_is_no_tumor():
    rng = np.random.default_rng(2)
    seen = evidence_of(rng.normal(1, 0.03, 200))
    states = step.copy_states(n_windows=200, max_copies=4, breakpoints=60, subclonal=True)
    found = step.log_likelihoods(seen, np.array([1e-9]), np.array([2.0]), states=states,
                                 decays=[1.0, 2.0], settings=FAST)  # fmt: skip
    assert found[0] == pytest.approx(0, abs=1e-4)


# --- posterior ---


@pytest.fixture(scope="module")
def informative():
    """Windows of a diploid tumor at T = 0.3 whose events are known."""
    rng = np.random.default_rng(5)
    copies = np.repeat(rng.choice([2.0, 2, 2, 1, 3, 4], 20), 10)
    ploidy = float(copies.mean())
    ratio = ratio_of(copies, 0.3, ploidy) + rng.normal(0, 0.03, 200)
    seen = evidence_of(ratio, expected=2000.0)
    return seen, ploidy, step.posterior_surface(seen, seen, settings=FAST)


def test_the_posterior_is_that_of_a_dense_grid(informative):
    seen, _, found = informative
    fractions, ploidies = np.arange(0.1, 0.98, 0.004), np.arange(1.505, 5, 0.02)
    t, p, mass = posterior_slow.dense(seen, fractions, ploidies, FAST)
    for low, high in ((1.5, 2.6), (2.6, 3.6), (3.6, 5.0)):
        wanted = float(mass[(p >= low) & (p < high)].sum())
        here = (found.ploidy >= low) & (found.ploidy < high)
        assert float(found.probability[here].sum()) == pytest.approx(wanted, abs=0.05)
    order = np.argsort(t, kind="stable")
    cumulative = np.cumsum(mass[order])
    for q in (0.025, 0.5, 0.975):
        exact = t[order][np.searchsorted(cumulative, q)]
        assert found.quantiles([q])[0] == pytest.approx(exact, abs=0.015)


def test_the_posterior_holds_the_truth(informative):
    _, ploidy, found = informative
    low, high = found.quantiles([0.025, 0.975])
    assert low <= 0.3 <= high
    assert found.probability.sum() == pytest.approx(1)
    solutions = step.solutions(found)
    truth = (solutions["fraction"] - 0.3).abs().lt(0.03) & (solutions["ploidy"] - ploidy).abs().lt(
        0.15)  # fmt: skip
    assert truth.any()
    assert found.log_bayes > 20


def test_quantiles_by_hand_spread_the_mass_of_a_cell_between_its_edges():
    # cells 0.1-0.3 with 0.25 of the mass and 0.3-0.7 with 0.75
    found = step.Posterior(
        np.array([0.2, 0.5]), np.array([2.0, 2.0]), np.array([0.25, 0.75]), 0.0,
        np.array([0.1, 0.2]), np.array([0.1, 0.1]),
    )  # fmt: skip
    np.testing.assert_allclose(
        found.quantiles([0, 0.125, 0.25, 0.625, 1]), [0.1, 0.2, 0.3, 0.5, 0.7]
    )


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_quantiles_stay_within_the_grid_and_rise(wanted):
    found = step.Posterior(
        np.array([0.2, 0.5, 0.5]), np.array([2.0, 2.0, 3.0]), np.array([0.2, 0.5, 0.3]), 0.0,
        np.array([0.1, 0.2, 0.1]), np.full(3, 0.1),
    )  # fmt: skip
    values = found.quantiles(sorted(wanted))
    assert (np.diff(values) >= 0).all()
    assert values.min() >= 0.1 - 1e-12
    assert values.max() <= 0.7 + 1e-12


def grid_posterior(density):
    """A posterior on unit cells of a rectangular grid."""
    n, m = density.shape
    t, p = (side.ravel() for side in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    mass = density.ravel() / density.sum()
    half = np.full(n * m, 0.5)
    return step.Posterior(t.astype(float), p.astype(float), mass, 0.0, half, half)


@pytest.mark.parametrize("seed", range(6))
def test_basins_are_those_of_walking_uphill(seed):
    density = np.random.default_rng(seed).random((5, 6))
    found = step._basins(grid_posterior(density))
    cells = [(i, j) for i in range(5) for j in range(6)]
    near = [
        [k for k, b in enumerate(cells) if abs(a[0] - b[0]) <= 1 and abs(a[1] - b[1]) <= 1]
        for a in cells
    ]
    wanted = [posterior_slow.climb(density.ravel(), near, k) for k in range(30)]
    assert found.tolist() == wanted


def test_two_hills_are_two_solutions_with_the_mass_of_their_sides():
    density = np.array([[5.0, 1, 0.5, 2, 3]])
    table = SOLUTIONS.check(step.solutions(grid_posterior(density)))
    assert table["solution"].tolist() == [1, 2]
    assert table["ploidy"].tolist() == [0, 4]
    np.testing.assert_allclose(table["weight"], [6 / 11.5, 5.5 / 11.5])


def test_solutions_of_next_to_no_weight_are_left_out():
    density = np.array([[400.0, 1, 0.5, 1, 1.5]])
    assert len(step.solutions(grid_posterior(density))) == 1


def test_the_prior_of_fractions_is_log_uniform_and_that_of_ploidies_has_two_hills():
    t = np.array([0.1, 0.2])
    logs = step.log_prior(t, np.array([2.0, 2.0]), settings=FAST)
    assert np.exp(logs[0] - logs[1]) == pytest.approx(2)
    two, three, doubled = step.log_prior(np.full(3, 0.1), np.array([2.0, 2.75, 3.5]), settings=FAST)
    assert two > doubled > three


def test_the_first_grid_covers_everything_without_overlap():
    grid = step.first_grid(settings=FAST)
    whole = (FAST.max_fraction - step.MIN_FRACTION) * (FAST.max_ploidy - FAST.min_ploidy)
    assert grid.area.sum() == pytest.approx(whole)
    assert grid.fraction.min() - grid.half_fraction[0] == pytest.approx(step.MIN_FRACTION)


def test_dividing_cells_keeps_their_area():
    grid = step.first_grid(settings=FAST)
    keep = np.arange(len(grid.fraction)) % 3 == 0
    finer = grid.divided(keep, 0.004)
    assert finer.area.sum() == pytest.approx(grid.area[keep].sum())
    assert len(finer.fraction) > keep.sum()


# --- null, p-values, limits ---


@pytest.fixture(scope="module")
def null():
    seen = evidence_of(np.ones(300), expected=1500.0)
    return seen, step.null_scores(seen, settings=replace(FAST, null_draws=200))


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


def test_the_noise_varies_as_the_dispersion_says_at_every_size():
    steep = Dispersion(np.array([1.0, 5.0, 30.0]), np.array([0.03, 0.02, 0.01]))
    seen = evidence_of(np.ones(300), expected=1e4, dispersion=steep)
    rng = np.random.default_rng(3)
    drawn = np.array([step.noise(seen, rng, tail_df=5) for _ in range(400)])
    by_block = drawn.reshape(400, 60, 5).mean(axis=2)
    by_chrom = drawn.reshape(400, 10, 30).mean(axis=2)
    own = 5 / 3 * ((0.03**2 - 0.02**2) + 1e-4)
    assert seen.block == 5
    assert np.var(drawn) == pytest.approx(0.02**2 + own, rel=0.05)
    assert np.var(by_block) == pytest.approx(0.02**2 + own / 5, rel=0.08)
    slow = 0.01**2 + (0.02**2 - 0.01**2) / 6 + own / 30
    assert np.var(by_chrom) == pytest.approx(slow, rel=0.1)


def test_the_null_is_the_same_on_every_run(null):
    seen, known = null
    again = step.null_scores(seen, settings=replace(FAST, null_draws=200))
    np.testing.assert_array_equal(again.scores, known.scores)
    other = step.null_scores(seen, settings=replace(FAST, null_draws=200, seed=FAST.seed + 1))
    assert not np.array_equal(other.scores, known.scores)


def test_the_limit_of_detection_falls_with_depth(null, monkeypatch):
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


def test_the_tumors_behind_the_limit_have_the_share_altered_that_is_set():
    seen = evidence_of(np.ones(600))
    copies = step._arm_level_copies(seen, np.random.default_rng(1), altered=0.3)
    assert set(copies) == {1.0, 2.0, 3.0}
    assert np.mean(copies != 2) == pytest.approx(0.3, abs=0.03)


# --- evidence from a profile ---


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
        made.normalized.profile, dispersion=made.dispersion, settings=FAST
    )
    before, after = (frame["expected"].notna().sum() for frame in (made.normalized.profile, clean))
    assert after > before - 5
    seen = step.evidence(clean, dispersion=made.dispersion, settings=FAST, max_windows=300)
    assert np.sum(seen.ratio > 1.3) >= 3


def test_whole_arms_are_not_isolated():
    rng = np.random.default_rng(1)
    ratio = np.repeat([1.0, 1.3, 0.8, 1.0], 40) + rng.normal(0, 0.02, 160)
    start = np.arange(160) * plasma.MB
    summed = Windows(np.full(160, "chr1", dtype=object), start, start + plasma.MB,
                     np.ones(160, dtype=int), ratio * 2000, np.full(160, 2000.0))  # fmt: skip
    assert not step.isolated(summed, dispersion=CALM).any()
    summed.observed[[70, 71]] = 9000
    assert np.flatnonzero(step.isolated(summed, dispersion=CALM)).tolist() == [70, 71]


def test_windows_are_merged_up_to_the_number_that_is_set():
    made = plasma.sample(seed=9)
    for most in (500, 100):
        seen = step.evidence(made.normalized.profile, dispersion=made.dispersion, settings=FAST,
                             max_windows=most)  # fmt: skip
        assert 0.8 * most <= len(seen.ratio) <= most


# --- a sample with known truth ---


@pytest.mark.parametrize(("fraction", "seed"), [(0.3, 5), (0.1, 6), (0.05, 7)])
def test_the_fraction_of_a_tumor_is_found_with_its_interval(fraction, seed):
    found = plasma.sample(tumor=plasma.AMPLIFIED, fraction=fraction, seed=seed).fraction.row
    assert found["status"] == "detected"
    assert found["low"] <= fraction <= found["high"]
    assert found["fraction"] == pytest.approx(fraction, abs=0.03)
    assert found["p_value"] <= FAST.false_positive
    assert found["reason"] is None


def test_the_ploidy_and_the_share_of_dna_are_found():
    found = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5).fraction
    ploidy = atom_ploidy(plasma.bins(), plasma.AMPLIFIED)
    assert found.row["ploidy"] == pytest.approx(ploidy, abs=0.1)
    assert found.row["dna_fraction"] > found.row["low"]
    assert found.solutions["weight"].is_monotonic_decreasing
    assert found.row["ploidy"] == found.solutions["ploidy"][0]


def test_a_genome_doubled_tumor_keeps_its_fraction_among_the_solutions():
    doubled = Tumor(tuple(replace(s, copies=s.copies + 2) for s in plasma.EVENTS), base=4.0)
    found = plasma.sample(tumor=doubled, fraction=0.2, seed=8).fraction
    assert found.row["low"] <= 0.2 <= found.row["high"] + 0.01
    near = found.solutions[(found.solutions["fraction"] - 0.2).abs() < 0.02]
    assert (near["ploidy"] > 3.5).any()


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


def test_a_quiet_genome_with_one_amplicon_is_not_detected_and_says_so():
    found = plasma.sample(tumor=plasma.ONLY_AMPLICON, fraction=0.1, seed=5).fraction.row
    assert found["status"] == "not_detected"
    assert "quiet" in found["reason"]


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


def test_where_nothing_is_detected_zero_keeps_its_share_of_the_interval():
    posterior = step.Posterior(np.array([0.2]), np.array([2.0]), np.array([1.0]), 0.0,
                               np.array([0.1]), np.array([0.1]))  # fmt: skip
    # half of the mass at zero: the 97.5th centile is the 95th of the rest, 0.1 + 0.95 * 0.2
    row = step._interval(posterior, detected=False, p_tumor=0.5)
    assert (row["low"], row["fraction"]) == (0, 0)
    assert row["high"] == pytest.approx(0.29)
    assert step._interval(posterior, detected=False, p_tumor=0.0)["high"] == 0


def noisy_profile(n, expected):
    start = np.arange(n) * plasma.MB
    return PROFILE.check(
        pd.DataFrame({"chrom": "chr1", "start": start, "end": start + plasma.MB, "observed": 300,
                      "expected": expected, "normal_copies": 2, "reason": None})
    )  # fmt: skip


@pytest.mark.parametrize(
    "profile",
    [PROFILE.empty(), noisy_profile(50, float("nan")), noisy_profile(step.MIN_WINDOWS - 1, 300.0)],
    ids=["empty", "all left out", "too few windows"],
)
def test_a_profile_that_says_nothing_fails_with_everything_unknown(profile):
    found = step.estimate(profile, dispersion=CALM, settings=FAST)
    assert found.row["status"] == "failed"
    assert found.row["reason"] == "too few fragments or usable atoms"
    numbers = [value for value in found.row.values() if isinstance(value, float)]
    assert len(numbers) == 9
    assert np.isnan(numbers).all()
    assert len(found.grid) == len(found.solutions) == 0
    FRACTION.check(step.table(found, sample="S"))


def test_more_fragments_narrow_the_interval():
    width = []
    copies = np.repeat([2.0, 2, 3, 2, 1, 2, 2, 4, 2, 2], 20)
    for expected in (300.0, 3000.0):
        rng = np.random.default_rng(4)
        ratio = rng.poisson(expected * ratio_of(copies, 0.1, float(copies.mean()))) / expected
        seen = evidence_of(ratio, expected=expected)
        low, high = step.posterior_surface(seen, seen, settings=FAST).quantiles([0.025, 0.975])
        width.append(high - low)
    assert width[1] < width[0]
