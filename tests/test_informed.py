"""The slope on a template: weights, null, limits, and the check of the profile."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from ctcnv import informed as step
from ctcnv.dispersion import Dispersion
from ctcnv.informed import Fit, Null, Pattern
from ctcnv.normals import Grid, Summed
from ctcnv.waves import Covariance, learned, usable
from tests.reference import slope_slow

CALM = Dispersion(np.array([1.0, 1000.0]), np.array([0.01, 0.003]))
NONE = Covariance(np.full(6, 1e-6), np.zeros((6, 0)))


def chroms(n_chrom, per):
    return np.repeat([f"chr{i + 1}" for i in range(n_chrom)], per).astype(object)


def libraries(deviation, expected):
    """Libraries with exactly these deviations, (m, n)."""
    deviation, expected = np.atleast_2d(deviation), np.atleast_2d(expected)
    return Summed(np.ones_like(deviation, dtype=np.int64), expected * (1 + deviation), expected)


def drawn(rng, deviation, expected, m=1, *, wave=0.0, block=10):
    """Poisson libraries around a deviation (n,), with waves of ``block`` windows."""
    n = len(deviation)
    waves = np.repeat(rng.normal(0, wave, (m, n // block + 1)), block, axis=1)[:, :n]
    wanted = np.full((m, n), float(expected))
    seen = rng.poisson(wanted * (1 + deviation) * (1 + waves)).astype(float)
    wanted *= seen.sum(1, keepdims=True) / wanted.sum(1, keepdims=True)
    return Summed(np.ones((m, n), dtype=np.int64), seen, wanted)


def template(n_chrom=8, per=50, depth=2000.0, seed=0, error=1e-6):
    """Two segments a chromosome, one of them changed in most."""
    rng = np.random.default_rng(seed)
    levels = rng.permutation(np.repeat([-0.1, 0.0, 0.1, 0.05], n_chrom * 2 // 4))
    x = np.repeat(levels - levels.mean(), per // 2)
    segment = np.repeat(np.arange(n_chrom * 2), per // 2)
    return Pattern(x, segment, np.full(n_chrom * 2, error), drawn(rng, x, depth))


# --- the slope ---


def test_the_slope_by_hand():
    # y = 0.5 x + 0.1 exactly; sum of squares of x around its mean is 0.175 - 6 * 0.0066.. = 0.1333
    x = np.array([0.2, 0.0, -0.1, 0.0, 0.3, 0.0])
    pattern = Pattern(x, np.arange(6), np.zeros(6), libraries(x, np.full(6, 1e3)))
    made = step.weights(pattern, np.full(6, 1e-3), NONE)
    assert made is not None
    assert made.slope @ (0.5 * x + 0.1) == pytest.approx(0.5)
    assert made.level @ (0.5 * x + 0.1 - 0.5 * x) == pytest.approx(0.1)
    centred = x - x.mean()
    np.testing.assert_allclose(made.slope, centred / np.sum(centred**2))
    assert made.noise_share == 0


@pytest.mark.parametrize("seed", range(4))
def test_the_fit_is_that_with_the_whole_matrix_written_out(seed):
    rng = np.random.default_rng(seed)
    pattern = template(n_chrom=4, per=20, error=2e-4)
    normals = drawn(rng, np.zeros(80), 1500, 7, wave=0.01)
    library = drawn(rng, 0.3 * pattern.deviation, 900, wave=0.01)
    chrom = chroms(4, 20)
    seen = step.healthy(normals, chrom)
    found = step.fit(library, pattern, chrom, seen=seen, dispersion=CALM,
                     template_dispersion=CALM, false_positive=0.01)  # fmt: skip
    assert found is not None
    counting = 1 / library.expected[0]
    matrix = slope_slow.covariance_of(normals.deviation, normals.expected)
    beta, shift, noise = slope_slow.slope(pattern.deviation, pattern.segment, pattern.error,
                                          library.deviation[0], counting, matrix)  # fmt: skip
    assert found.beta == pytest.approx(beta, rel=1e-6)
    assert found.shift == pytest.approx(shift, rel=1e-6, abs=1e-9)
    betas = slope_slow.null_betas(
        pattern.deviation, pattern.segment, pattern.error, normals.deviation, normals.expected,
        counting, noise_share=noise,
    )  # fmt: skip
    np.testing.assert_allclose(found.null.betas, betas, rtol=1e-6)


@given(st.floats(0.1, 10), st.integers(0, 50))
def test_the_slope_scales_with_the_deviations(scale, seed):
    pattern = template(n_chrom=4, per=20)
    y = np.random.default_rng(seed).normal(0, 0.02, 80)
    made = step.weights(
        pattern, np.full(80, 1e-3), Covariance(np.full(80, 1e-5), np.zeros((80, 0)))
    )
    assert made is not None
    assert made.slope @ (scale * y) == pytest.approx(scale * (made.slope @ y))
    # a shift of the whole genome moves nothing
    assert made.slope @ (y + scale) == pytest.approx(made.slope @ y, abs=1e-7)


def test_noise_in_the_template_does_not_pull_the_slope_to_zero():
    rng = np.random.default_rng(3)
    sd, found = 0.03, []
    for seed in range(60):
        made = template(n_chrom=16, per=20, seed=seed)
        wrong = made.deviation + rng.normal(0, sd, 32)[made.segment]
        pattern = replace(made, deviation=wrong, error=np.full(32, sd**2))
        use = step.weights(pattern, np.full(320, 1e-3),
                           Covariance(np.full(320, 1e-5), np.zeros((320, 0))))  # fmt: skip
        assert use is not None
        found.append(use.slope @ (0.4 * made.deviation))
    assert np.mean(found) == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("case", ["flat template", "noise only"])
def test_without_signal_there_is_no_slope(case):
    made = template()
    if case == "flat template":
        made = replace(made, deviation=np.zeros(400))
    else:
        made = replace(made, error=np.full(16, float(np.mean(made.deviation**2)) / 2))
    assert step.fit(drawn(np.random.default_rng(1), np.zeros(400), 500), made, chroms(8, 50),
                    seen=None, dispersion=CALM, template_dispersion=CALM,
                    false_positive=0.01) is None  # fmt: skip


# --- covariance ---


def test_the_inverse_is_that_of_the_whole_matrix():
    rng = np.random.default_rng(2)
    made = Covariance(rng.uniform(1e-4, 1e-3, 12), rng.normal(0, 0.02, (12, 3)))
    counting, columns = rng.uniform(1e-4, 1e-3, 12), rng.normal(size=(12, 2))
    whole = np.diag(counting + made.own) + made.axes @ made.axes.T
    np.testing.assert_allclose(made.precise(counting, columns), np.linalg.solve(whole, columns))
    weight = rng.normal(size=12)
    assert made.variance(weight) == pytest.approx(
        weight @ (np.diag(made.own) + made.axes @ made.axes.T) @ weight
    )


def test_a_direction_that_normals_share_is_weighed_down():
    rng = np.random.default_rng(4)
    direction = np.repeat(rng.normal(0, 1, 40), 10)
    deviation = 0.02 * rng.normal(size=(20, 1)) * direction + rng.normal(0, 0.02, (20, 400))
    made = learned(deviation, np.full((20, 400), 2500.0))
    other = np.repeat(rng.normal(0, 1, 40), 10)
    along, across = made.variance(direction), made.variance(other)
    assert along > 5 * across
    assert along == pytest.approx(0.02**2 * np.sum(direction**2) ** 2,
                                  rel=0.5)  # fmt: skip


def test_normals_that_only_count_have_next_to_no_covariance():
    rng = np.random.default_rng(5)
    normals = drawn(rng, np.zeros(300), 1000, 30)
    made = learned(normals.deviation, normals.expected)
    weight = rng.normal(size=300)
    assert made.variance(weight) < 0.6 * np.sum(weight**2) / 1000


def test_without_normals_windows_of_a_chromosome_share_its_waves():
    chrom = chroms(2, 3)
    made = step.predicted(CALM, chrom, np.ones(6, dtype=np.int64))
    whole = np.diag(made.own) + made.axes @ made.axes.T
    np.testing.assert_allclose(np.diag(whole), CALM.at(1) ** 2)
    assert whole[0, 1] == pytest.approx(float(CALM.at(3)) ** 2)
    assert whole[0, 3] == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_variance_that_an_over_dispersion_implies_is_that_of_every_pair(seed):
    chrom = chroms(3, 15)
    weight = np.random.default_rng(seed).normal(size=45)
    found = step.predicted_variance(weight, CALM, chrom, np.ones(45, dtype=np.int64))
    wanted = slope_slow.implied_variance(weight, lambda k: float(CALM.at(k)), chrom)
    assert found == pytest.approx(max(wanted, 0))


def test_the_mean_of_a_chromosome_has_the_variance_of_its_size():
    chrom = chroms(1, 64)
    found = step.predicted_variance(np.full(64, 1 / 64), CALM, chrom, np.ones(64, dtype=np.int64))
    assert np.sqrt(found) == pytest.approx(float(CALM.at(64)))


# --- the null ---


def test_degrees_of_freedom_are_those_of_satterthwaite():
    # all variance is waves, known from 8 normals without counting noise of their own
    assert Null(1e-4, np.zeros(8), np.zeros(8)).df(1e-4) == pytest.approx(8)
    # half of it is the sample's counting, which is known
    assert Null(1e-4, np.zeros(8), np.zeros(8)).df(2e-4) == pytest.approx(32)
    assert Null(1e-4, np.zeros(0), np.zeros(0)).df(1e-4) == step.KNOWN


@functools.cache
def many(wave):
    """p-values and standard deviations of libraries without tumor on one template."""
    rng = np.random.default_rng(6)
    pattern, chrom = template(), chroms(8, 50)
    found = []
    for _ in range(12):
        seen = step.healthy(drawn(rng, np.zeros(400), 1500, 12, wave=wave), chrom)
        for _ in range(25):
            library = drawn(rng, np.zeros(400), 800, wave=wave)
            made = step.fit(library, pattern, chrom, seen=seen, dispersion=CALM,
                            template_dispersion=CALM, false_positive=0.01)  # fmt: skip
            assert made is not None
            found.append(made)
    return found


@pytest.mark.parametrize("wave", [0.0, 0.01])
def test_false_positives_come_at_the_rate_that_is_promised(wave):
    p = np.array([found.p_value for found in many(wave)])
    # 300 libraries, 30 and 3 expected
    assert 12 <= (p <= 0.1).sum() <= 45
    assert (p <= 0.01).sum() <= 9
    assert np.mean([found.beta for found in many(wave)]) == pytest.approx(0, abs=0.02)


def test_the_limit_of_blank_is_what_one_in_twenty_exceeds():
    above = [found.beta > found.lob for found in many(0.01)]
    assert 4 <= sum(above) <= 28


def test_what_lies_at_the_limit_of_detection_is_seen_nearly_always():
    rng = np.random.default_rng(7)
    pattern, chrom = template(), chroms(8, 50)
    seen = step.healthy(drawn(rng, np.zeros(400), 1500, 12, wave=0.01), chrom)
    lod = float(np.median([found.lod for found in many(0.01)]))
    hits = 0
    for _ in range(100):
        made = step.fit(drawn(rng, lod * pattern.deviation, 800, wave=0.01), pattern, chrom,
                        seen=seen, dispersion=CALM, template_dispersion=CALM,
                        false_positive=0.01)  # fmt: skip
        assert made is not None
        hits += made.p_value <= 0.01
    assert hits >= 88


def test_without_tumor_the_error_of_the_slope_is_that_of_the_null():
    for found in many(0.01)[:20]:
        assert found.se == pytest.approx(found.sd, rel=0.05)


def test_limits_of_a_known_noise_by_hand():
    lob, lod = step.limits(0.01, step.KNOWN, 0.0, false_positive=0.01)
    assert lob == pytest.approx(0.01 * norm.ppf(0.95), rel=1e-4)
    assert lod == pytest.approx(0.01 * (norm.ppf(0.99) + norm.ppf(0.95)), rel=1e-4)


@given(st.floats(1e-4, 0.1), st.floats(3, 100), st.floats(0, 0.4))
def test_the_limit_of_detection_solves_its_equation(sd, df, error):
    lob, lod = step.limits(sd, df, error, false_positive=0.01)
    assert 0 < lob < lod
    if np.isfinite(lod):
        from scipy.stats import t

        right = t.ppf(0.99, df) * sd + t.ppf(0.95, df) * np.hypot(sd, lod * error)
        assert lod == pytest.approx(right, rel=1e-6)


def test_with_counting_noise_alone_the_slope_reaches_the_limit_of_poisson():
    """z = T sqrt(N msd) / 2 for a known profile of small T."""
    copies = np.repeat([2, 1, 3, 2, 2, 4, 1, 2], 50).astype(float)
    msd, per_window, truth = float(np.var(copies)), 700.0, 0.01
    fragments = per_window * len(copies)
    x = truth * (copies - copies.mean()) / (truth * copies.mean() + 2 * (1 - truth))
    pattern = Pattern(x, np.repeat(np.arange(8), 50), np.zeros(8), libraries(x, np.full(400, 1e9)))
    still = Dispersion(np.array([1.0]), np.array([0.0]))
    made = step.fit(libraries(x, np.full(400, per_window)), pattern, chroms(8, 50), seen=None,
                    dispersion=still, template_dispersion=still, false_positive=0.01)  # fmt: skip
    assert made is not None
    assert made.beta == pytest.approx(1)
    assert made.beta / made.sd == pytest.approx(truth * np.sqrt(fragments * msd) / 2, rel=0.01)


def test_a_template_that_is_mostly_error_has_no_limit_of_detection():
    assert step.limits(0.01, step.KNOWN, 0.7, false_positive=0.01)[1] == float("inf")


def test_a_library_with_larger_waves_is_not_given_the_confidence_of_the_normals():
    rng = np.random.default_rng(8)
    pattern, chrom = template(), chroms(8, 50)
    seen = step.healthy(drawn(rng, np.zeros(400), 3000, 12, wave=0.006), chrom)
    calm, wavy = (
        step.fit(drawn(rng, np.zeros(400), 3000, wave=wave), pattern, chrom, seen=seen,
                 dispersion=CALM, template_dispersion=CALM, false_positive=0.01)
        for wave in (0.006, 0.03)
    )  # fmt: skip
    assert calm is not None
    assert wavy is not None
    assert calm.noisier < 3
    # (0.03 / 0.006)^2
    assert wavy.noisier == pytest.approx(25, rel=0.6)
    assert wavy.sd > 2 * calm.sd


# --- focal windows ---


def test_focal_events_are_found_and_arms_are_not():
    ratio = np.ones(200)
    ratio[50:56] = 3.0
    ratio[120:] = 1.3
    ratio[10] = 0.4
    found = step.focal(ratio, np.full(200, 1e-3), chroms(1, 200))
    assert np.flatnonzero(found).tolist() == [10, *range(50, 56)]


def test_windows_of_next_to_no_expectation_are_not_usable():
    made = libraries(np.zeros((2, 5)), np.array([[10.0, 10, 1, 10, 10], [9, 9, 9, 0, 9]]))
    assert usable(made).tolist() == [True, True, False, False, True]


# --- the check of the profile ---


def test_regions_are_half_overlapping_and_stay_on_their_chromosome():
    chrom = chroms(2, 30)
    segment = np.repeat([0, 1, 2], [18, 12, 30])
    found = {tuple(pair) for pair in step.regions(chrom, segment).tolist()}
    assert {(0, 10), (5, 15), (20, 30), (0, 20), (10, 30), (0, 30), (30, 60)} <= found
    assert {(0, 18), (18, 30)} <= found
    assert not any(low < 30 < high for low, high in found)


def fitted(library, pattern, chrom, seen):
    found = step.fit(library, pattern, chrom, seen=seen, dispersion=CALM,
                     template_dispersion=CALM, false_positive=0.01)  # fmt: skip
    assert found is not None
    worst = step.misfit(library, pattern, found, chrom, seen=seen, dispersion=CALM)
    assert worst is not None
    return found, worst


def test_an_unchanged_profile_is_rarely_called_changed():
    rng = np.random.default_rng(9)
    pattern, chrom = template(), chroms(8, 50)
    seen = step.healthy(drawn(rng, np.zeros(400), 1500, 12, wave=0.01), chrom)
    p = [fitted(drawn(rng, 0.7 * pattern.deviation, 800, wave=0.01), pattern, chrom,
                seen)[1].p_value for _ in range(100)]  # fmt: skip
    assert sum(value <= 0.01 for value in p) <= 5


def test_the_counting_noise_of_a_shallow_template_is_no_change():
    rng = np.random.default_rng(12)
    chrom, p = chroms(8, 50), []
    seen = step.healthy(drawn(rng, np.zeros(400), 5000, 12, wave=0.002), chrom)
    for seed in range(30):
        pattern = template(depth=300.0, seed=seed)
        library = drawn(rng, pattern.deviation, 8000, wave=0.002)
        p.append(fitted(library, pattern, chrom, seen)[1].p_value)
    assert sum(value <= 0.01 for value in p) <= 3


def test_a_shift_of_the_whole_genome_is_no_change():
    """An amplicon that takes no part moves the mean of all others."""
    rng = np.random.default_rng(13)
    pattern, chrom = template(), chroms(8, 50)
    seen = step.healthy(drawn(rng, np.zeros(400), 1500, 12, wave=0.004), chrom)
    made = drawn(rng, 0.5 * pattern.deviation, 1500, wave=0.004)
    moved = Summed(made.atoms, made.observed * 0.96, made.expected)
    found, worst = fitted(moved, pattern, chrom, seen)
    assert found.shift == pytest.approx(-0.04, abs=0.005)
    assert worst.p_value > 0.01


@pytest.mark.parametrize(("low", "high", "side"), [(200, 250, 1), (325, 350, -1)])
def test_a_new_event_is_found_where_it_lies(low, high, side):
    rng = np.random.default_rng(10)
    pattern, chrom = template(), chroms(8, 50)
    seen = step.healthy(drawn(rng, np.zeros(400), 1500, 12, wave=0.004), chrom)
    deviation = 0.6 * pattern.deviation
    deviation[low:high] += side * 0.06
    _, worst = fitted(drawn(rng, deviation, 1500, wave=0.004), pattern, chrom, seen)
    assert worst.p_value < 1e-4
    assert np.sign(worst.z) == side
    assert low - 10 <= worst.low < worst.high <= high + 10


def test_what_the_segmentation_missed_is_no_change():
    """An event of the template's library that its segments do not show is compared by counts."""
    rng = np.random.default_rng(11)
    pattern, chrom = template(), chroms(8, 50)
    true = pattern.deviation.copy()
    true[100:125] += 0.04
    pattern = replace(pattern, library=drawn(rng, true, 2000))
    seen = step.healthy(drawn(rng, np.zeros(400), 1500, 12, wave=0.004), chrom)
    _, worst = fitted(drawn(rng, true, 2000, wave=0.004), pattern, chrom, seen)
    assert worst.p_value > 0.01


def test_a_genome_of_short_chromosomes_is_compared_by_chromosome():
    found = step.regions(chroms(3, 4), np.repeat([0, 1, 2], 4))
    assert found.tolist() == [[0, 4], [4, 8], [8, 12]]


def test_a_region_is_told_in_megabases():
    grid = Grid(np.array(["8", "8", "8"], dtype=object), np.array([43, 44, 45]) * 10**6,
                np.array([44, 45, 46]) * 10**6)  # fmt: skip
    assert step.place(grid, 0, 3) == "chr8:43-46 Mb"


def test_the_fields_of_a_fit_are_finite():
    for value in vars(many(0.01)[0]).values():
        assert isinstance(value, Null) or np.isfinite(value)
    assert isinstance(many(0.01)[0], Fit)
