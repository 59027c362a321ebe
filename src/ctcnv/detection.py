"""Is there tumor DNA at all: the score, its null, and the limits of blank and of detection.

The score weighs two kinds of tumors against none: one whose arms are gained and lost, by the
deviations of the arms, and a near-diploid one with breakpoints anywhere, by the sum over its copy
numbers. Its null (healthy plasma of the same depth and noise) is simulated with a given seed; it
gives the p-value, the limit of blank and the limit of detection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctcnv.copystates import Chain, changes, state_prior
from ctcnv.evidence import Evidence
from ctcnv.healthy import HealthyNoise
from ctcnv.mixture import ratio_of
from ctcnv.model import FractionSettings

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Windows of the score: large, because tumors are told by large segments, and few, because it is
#: computed for every simulated genome.
SCORE_WINDOWS = 300
#: Fractions at which the score looks for a tumor.
SCORE_FRACTIONS = np.geomspace(0.002, 0.5, 18)
#: Copy states of the score; at the small fractions where it matters the highest is never reached.
SCORE_STATES = np.arange(5.0)
#: The typical variance of an arm weighs like so many normals beside the arm's own.
PRIOR_NORMALS = 10.0
#: Simulated tumors behind each trial value of the limit of detection.
LOD_DRAWS = 100
#: Share of the tumors of a given fraction that are detected at the limit of detection.
LOD_POWER = 0.95
#: Centile of the fractions that healthy genomes reach: the limit of blank.
LOB_CENTILE = 0.95


@dataclass(frozen=True)
class Scores:
    """Scores and fractions that genomes are given, each (genomes,)."""

    scores: Array
    fractions: Array


@dataclass(frozen=True)
class Arms:
    """The arms of the windows: number of each window's arm and its share in the arm's mean, (n,),
    and the variance of the mean deviation of each arm in healthy plasma, (arms,)."""

    number: Ints
    share: Array
    variance: Array

    def deviation(self, ratio: Array) -> Array:
        """Mean deviation of each arm from 1, (arms,), ratio (n,)."""
        return np.asarray(np.bincount(self.number, self.share * (ratio - 1)), dtype=float)


def arms_of(seen: Evidence, noise: HealthyNoise) -> Arms:
    """The arms of a sample's windows, and how much they vary in healthy plasma.

    The normals say that of each arm; what they vary by beyond counting is drawn to the mean of all
    arms, with the weight of ``PRIOR_NORMALS`` normals.
    """
    number = (np.cumsum(seen.arm) - 1).astype(np.int64)
    weight = 1 / seen.variance()
    share = weight / np.bincount(number, weight)[number]
    counting, wave = (
        np.asarray(np.bincount(number, share**2 * one), dtype=float)
        for one in (noise.counting, noise.covariance.own)
    )
    for axis in noise.covariance.axes.T:
        wave = wave + np.bincount(number, share * axis) ** 2
    typical = np.average(wave, weights=np.bincount(number))
    if np.isfinite(noise.df):
        wave = (noise.df * wave + PRIOR_NORMALS * typical) / (noise.df + PRIOR_NORMALS)
    return Arms(number, share, counting + wave)


def detection_score(
    seen: Evidence, arms: Arms, *, settings: FractionSettings
) -> tuple[float, float]:
    """Largest log likelihood ratio of tumor against none over small fractions, and the fraction
    where it is reached (0 when none is better than no tumor).

    The two kinds of tumors, of ``arm_likelihood`` and of ``copystates``, have half the weight each.
    """
    found = _scored(seen.ratio[None], _broken(seen, settings=settings), arms, settings=settings)
    return float(found.scores[0]), float(found.fractions[0])


def _broken(seen: Evidence, *, settings: FractionSettings) -> Chain:
    """Near-diploid tumors with breakpoints anywhere, of ``SCORE_FRACTIONS``."""
    ploidy = np.full(len(SCORE_FRACTIONS), 2.0)
    prior = state_prior(SCORE_STATES, base=ploidy, decay=settings.step_decay,
                        no_copy_weight=settings.no_copy_weight)  # fmt: skip
    change = changes(seen, breakpoints=settings.breakpoints, centromere=settings.centromere_change)
    level = ratio_of(SCORE_STATES, SCORE_FRACTIONS[:, None], ploidy[:, None])
    return Chain.of(seen, level, change=change, prior=prior, tail_df=settings.tail_df)


def _scored(ratios: Array, broken: Chain, arms: Arms, *, settings: FractionSettings) -> Scores:
    """Scores and fractions of genomes, ratios (genomes, n), as ``detection_score``."""
    deviation = np.stack([arms.deviation(one) for one in ratios])
    whole = arm_likelihood(deviation, arms.variance, altered=settings.lod_altered)
    relative = np.logaddexp(broken.log_likelihood(ratios), whole) - np.log(2)
    best = relative.argmax(axis=1)
    score = relative[np.arange(len(best)), best]
    return Scores(score, np.where(score > 0, SCORE_FRACTIONS[best], 0.0))


def arm_likelihood(deviation: Array, variance: Array, *, altered: float) -> Array:
    """Log likelihood ratio of a tumor of altered arms against none at each of ``SCORE_FRACTIONS``.

    One copy more or less changes the ratio by T/2; when a share ``altered`` of the arms y has one,
    they vary by  v = altered * T^2 / 4  beyond what healthy ones vary by, s^2:

        log LR = sum over arms of  (y^2/s^2 * v/(s^2 + v) - log(1 + v/s^2)) / 2
    """
    extra = altered * SCORE_FRACTIONS[:, None] ** 2 / 4
    square = deviation[..., None, :] ** 2
    each = square / variance * extra / (variance + extra) - np.log1p(extra / variance)
    return np.asarray(0.5 * each.sum(axis=-1))


def null_scores(
    seen: Evidence, noise: HealthyNoise, arms: Arms, *, settings: FractionSettings
) -> Scores:
    """The same score for healthy genomes simulated with this sample's depth and noise."""
    rng = np.random.default_rng(settings.seed)
    drawn = [noise.draw(rng, tail_df=settings.tail_df) for _ in range(settings.null_draws)]
    return _scored(1 + np.stack(drawn), _broken(seen, settings=settings), arms, settings=settings)


def tail_probability(score: float, null: Array) -> float:
    """Share of the null at or above the score, as ``tail_probabilities``."""
    return float(tail_probabilities(np.array([score]), null)[0])


def tail_probabilities(scores: Array, null: Array) -> Array:
    """Share of the null at or above each score; beyond its 90th centile an exponential tail.

    A log likelihood ratio has an exponential tail, so that small p-values need no millions of
    draws:  p = 0.1 * exp(-(s - q90) / mean excess over q90).
    """
    q90 = float(np.quantile(null, 0.9))
    at_or_above = len(null) - np.searchsorted(np.sort(null), scores)
    excess = null[null > q90] - q90
    scale = max(float(excess.mean()), 1e-3) if len(excess) else 1e-3
    tail = 0.1 * np.exp(-np.clip((scores - q90) / scale, 0.0, 600.0))
    return np.where(scores <= q90, (1 + at_or_above) / (1 + len(null)), tail)


def limit_of_blank(null: Scores) -> float:
    """The fraction that 95 % of healthy genomes do not exceed."""
    return float(np.quantile(null.fractions, LOB_CENTILE))


def limit_of_detection(
    seen: Evidence, noise: HealthyNoise, arms: Arms, null: Array, *, settings: FractionSettings
) -> float:
    """Smallest fraction detected in 95 % of simulated tumors; NaN when the grid has none.

    The tumors are near-diploid and have gained or lost one copy of ``lod_altered`` of the genome,
    in whole arms. The first trial fraction with enough power is found by bisection; between it and
    the one before the power is interpolated.
    """
    powers: dict[int, float] = {-1: settings.false_positive}
    low, high = -1, len(SCORE_FRACTIONS)
    while high - low > 1:
        middle = (low + high) // 2
        powers[middle] = _power(seen, noise, arms, null, middle, settings=settings)
        low, high = (low, middle) if powers[middle] >= LOD_POWER else (middle, high)
    if high == len(SCORE_FRACTIONS):
        return float("nan")
    before = float(SCORE_FRACTIONS[low]) if low >= 0 else 0.0
    share = (LOD_POWER - powers[low]) / max(powers[high] - powers[low], 1e-9)
    return float(before + share * (SCORE_FRACTIONS[high] - before))


def _power(
    seen: Evidence,
    noise: HealthyNoise,
    arms: Arms,
    null: Array,
    trial: int,
    *,
    settings: FractionSettings,
) -> float:
    """Share of simulated tumors of ``SCORE_FRACTIONS[trial]`` that are detected."""
    rng = np.random.default_rng([settings.seed, 1, trial])
    drawn = []
    for _ in range(LOD_DRAWS):
        copies = arm_level_copies(seen, rng, altered=settings.lod_altered)
        level = ratio_of(copies, float(SCORE_FRACTIONS[trial]), float(copies.mean()))
        drawn.append(level * (1 + noise.draw(rng, tail_df=settings.tail_df)))
    found = _scored(np.stack(drawn), _broken(seen, settings=settings), arms, settings=settings)
    return float(np.mean(tail_probabilities(found.scores, null) <= settings.false_positive))


def arm_level_copies(seen: Evidence, rng: np.random.Generator, *, altered: float) -> Array:
    """Copies per window, (n,): arms in random order become 1 or 3 until the ``altered`` share of
    the genome is; the others stay 2."""
    arm = np.cumsum(seen.arm) - 1
    size = np.bincount(arm)
    order = rng.permutation(len(size))
    before = np.cumsum(size[order]) - size[order]
    chosen = order[before + size[order] / 2 <= altered * len(arm)]
    chosen = chosen if len(chosen) else order[:1]
    copies = np.full(len(size), 2.0)
    copies[chosen] = np.where(rng.random(len(chosen)) < 0.5, 1.0, 3.0)
    return np.asarray(copies[arm])
