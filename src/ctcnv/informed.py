"""A library projected on the profile of a tumor: slope, null, limits, and whether it still fits.

On windows of the genome let x be the deviation of the template's segments from 1 and y that of
another library. With the precision matrix P of healthy plasma (counting noise and what the normals
vary by beyond it) and Q = P - P 1 1'P / 1'P1, which takes out a shift of the whole genome,

    beta = g'y,    g = Q x / (x'Q x - noise)

is the generalised least-squares slope, corrected for the noise of x. The normals, each projected
with weights that were made without it, say how much beta varies where there is no tumor.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from ctcnv.dispersion import Dispersion
from ctcnv.normals import Grid, Summed
from ctcnv.robust import mad_sd, running_median
from ctcnv.waves import BLOCK, LEAST_VARIANCE, Covariance, learned

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Fewest normals from which the null is measured; below, the predicted noise is used.
MIN_NORMALS = 6
#: The template's events must exceed their own noise by this factor for a slope to mean anything.
MIN_SIGNAL = 4.0
#: Windows of the running median out of which a focal event stands, and by how many standard
#: deviations; up to 10 Mb are focal then.
FOCAL_WINDOWS, FOCAL_SD = 21, 5.0
#: Lengths of the regions in windows in which a change of the profile is looked for.
REGION_WINDOWS = (10, 20, 40, 80)
#: The typical variance of regions of a size weighs like so many normals beside a region's own.
PRIOR_NORMALS = 10.0
#: One-sided 95 %: centile of the limit of blank and power of the limit of detection.
POWER = 0.95
#: Degrees of freedom that stand for a known variance.
KNOWN = 1e6


# Noise of healthy plasma -----------------------------------------------------------------------


def predicted(dispersion: Dispersion, chrom: NDArray[np.object_], atoms: Ints) -> Covariance:
    """The covariance that an over-dispersion implies: windows of a chromosome share the variance of
    a region of the chromosome's size."""
    code, names = pd.factorize(chrom)
    tau2 = dispersion.at(np.bincount(code, weights=atoms)) ** 2
    axes = np.zeros((len(chrom), len(names)))
    axes[np.arange(len(chrom)), code] = np.sqrt(tau2[code])
    own = np.maximum(dispersion.at(atoms) ** 2 - tau2[code], LEAST_VARIANCE)
    return Covariance(own, axes)


def predicted_variance(
    weights: Array, dispersion: Dispersion, chrom: NDArray[np.object_], atoms: Ints
) -> float:
    """Variance beyond counting of a weighted sum of windows, (n,), that an over-dispersion implies.

    If the mean of k windows has the variance tau(k)^2, two windows at a distance of j have the
    covariance  c(j) = ((j+1)^2 tau(j+1)^2 - 2 j^2 tau(j)^2 + (j-1)^2 tau(j-1)^2) / 2.  Beyond the
    largest size that was measured tau is constant, which makes windows far apart too alike: the
    safe side.
    """
    variance = 0.0
    code, names = pd.factorize(chrom)
    for number in range(len(names)):
        inside = code == number
        g, size = weights[inside], float(np.median(atoms[inside]))
        k = np.arange(len(g) + 1)
        total = k**2 * dispersion.at(k * size) ** 2
        shared = np.concatenate([[total[1]], np.diff(total, 2) / 2])
        products = np.correlate(g, g, mode="full")[len(g) - 1 :]
        variance += float(shared[0] * products[0] + 2 * shared[1:] @ products[1:])
    return max(variance, 0.0)


@dataclass(frozen=True)
class Healthy:
    """What the normals, (normals, n), say on the windows: their covariance, that of all but one of
    them in turn, and the typical variance of the mean of a block beyond counting."""

    normals: Summed
    together: Covariance
    left_out: tuple[Covariance, ...]
    block_variance: float


def healthy(normals: Summed, chrom: NDArray[np.object_]) -> Healthy:
    """What ``MIN_NORMALS`` normals or more say; chrom (n,)."""
    z, expected = normals.deviation, normals.expected
    each = np.arange(len(z))
    left_out = tuple(learned(z[each != i], expected[each != i]) for i in each)
    excess, counting = np.array([block_excess(a, e, chrom)
                                 for a, e in zip(z, expected, strict=True)]).T  # fmt: skip
    # deep normals say more than shallow ones
    typical = float(np.average(excess, weights=1 / (counting + BLOCK_VARIANCE) ** 2))
    return Healthy(normals, learned(z, expected), left_out, max(typical, LEAST_VARIANCE))


# Windows ---------------------------------------------------------------------------------------


def focal(ratio: Array, variance: Array, chrom: NDArray[np.object_]) -> Mask:
    """Windows that stand out of the running median of their chromosome: amplicons, germline
    variants, artefacts. ratio, variance (at ratio 1) : (n,)."""
    found = np.zeros(len(ratio), dtype=bool)
    for name in pd.unique(chrom):
        inside = np.flatnonzero(chrom == name)
        local = running_median(ratio[inside], FOCAL_WINDOWS)
        sd = np.sqrt(variance[inside] * np.maximum(local, 1.0))
        found[inside] = np.abs(ratio[inside] - local) > FOCAL_SD * sd
    return found


# The slope -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pattern:
    """The template on the windows.

    deviation : (n,) ratio - 1 of the segment of each window; segment : (n,) its number from 0;
    error : (segments,) variance of each segment's ratio; library : (1, n) the template's own sums.
    """

    deviation: Array
    segment: Ints
    error: Array
    library: Summed


@dataclass(frozen=True)
class Weights:
    """What makes a slope of a library: beta = slope'y, shift = level'(y - beta x), each (n,);
    ``noise_share`` is the share of x'Qx that is noise of the template."""

    slope: Array
    level: Array
    noise_share: float


def weights(
    pattern: Pattern, counting: Array, covariance: Covariance, *, noise_share: float | None = None
) -> Weights | None:
    """Weights of the windows for a library of this counting variance (n,); None when the template
    does not stand out of its own noise. A known ``noise_share`` is not computed again."""
    x = pattern.deviation
    ones = np.ones_like(x)
    inside = None
    columns = np.column_stack([ones, x])
    if noise_share is None:
        inside = np.equal.outer(pattern.segment, np.arange(len(pattern.error))).astype(float)
        columns = np.column_stack([columns, inside])
    precise = covariance.precise(counting, columns)
    total = float(ones @ precise[:, 0])
    level = precise[:, 0] / total
    projected = precise[:, 1] - level * float(ones @ precise[:, 1])
    signal = float(projected @ x)
    if inside is not None:
        of_segment = np.sum(inside * precise[:, 2:], axis=0)
        of_segment -= (inside.T @ precise[:, 0]) ** 2 / total
        noise = float(of_segment @ pattern.error)
        if not signal > 0 or signal < MIN_SIGNAL * noise:
            return None
        noise_share = noise / signal
    assert noise_share is not None
    return Weights(projected / (signal * (1 - noise_share)), level, noise_share)


@dataclass(frozen=True)
class Null:
    """What beta is where there is no tumor.

    wave : its variance beyond the library's own counting; counting : that of the normals, mean;
    betas, own : (normals,) the normals' slopes and the variance of their counting; empty when the
    null is predicted.
    """

    wave: float
    betas: Array
    own: Array

    def df(self, variance: float) -> float:
        """Degrees of freedom of a variance that holds the wave part (Satterthwaite):
        2 v^2 / Var(wave),  Var(wave) = 2 / sum(1 / (wave + own)^2)."""
        if len(self.betas) == 0:
            return KNOWN
        return float(min(variance**2 * np.sum(1 / (self.wave + self.own) ** 2), KNOWN))


def measured_null(seen: Healthy, pattern: Pattern, counting: Array, noise_share: float) -> Null:
    """Every normal on the template, with weights made without it (leave-one-out).

    The variance beyond counting solves  sum(beta_i^2 / (wave + own_i)) = number of normals  (Paule
    and Mandel): deep normals say more, and zero is the mean by construction.
    """
    z, expected = seen.normals.deviation, seen.normals.expected
    betas, own = np.zeros(len(z)), np.zeros(len(z))
    for i, covariance in enumerate(seen.left_out):
        made = weights(pattern, counting, covariance, noise_share=noise_share)
        assert made is not None
        betas[i] = made.slope @ z[i]
        own[i] = np.sum(made.slope**2 / expected[i])

    def surplus(wave: float) -> float:
        return float(np.sum(betas**2 / (wave + own)) - len(betas))

    high = float(np.max(betas**2)) + 1e-12
    wave = 0.0 if surplus(0.0) <= 0 else float(brentq(surplus, 0.0, high * len(betas)))
    return Null(wave, betas, own)


def block_excess(
    residual: Array, expected: Array, chrom: NDArray[np.object_]
) -> tuple[float, float]:
    """Robust variance of the mean residual of blocks beyond counting, and the counting variance."""
    first: list[int] = []
    code = pd.factorize(chrom)[0]
    for number in range(int(code.max()) + 1):
        inside = np.flatnonzero(code == number)
        n_blocks = max(1, len(inside) // BLOCK)
        first.extend(int(inside[0]) + BLOCK * k for k in range(n_blocks))
    at = np.array(first)
    mass = np.add.reduceat(expected, at)
    mean = np.add.reduceat(residual * expected, at) / mass
    counting = float(np.median(1 / mass))
    return mad_sd(mean) ** 2 - counting, counting


def noisier(residual: Array, expected: Array, seen: Healthy, chrom: NDArray[np.object_]) -> float:
    """By how much the waves of a library exceed those of the normals as a ratio of variances, at
    least 1: what was made in another way must not be given their confidence."""
    return max(1.0, block_excess(residual, expected, chrom)[0] / seen.block_variance)


#: Typical variance of blocks in healthy plasma, (1 %)^2; only to weigh deep normals above shallow.
BLOCK_VARIANCE = 1e-4


@dataclass(frozen=True)
class Fit:
    """The slope of a library on the template.

    beta; shift : of the whole genome; sd : standard deviation of beta without tumor; df : of sd;
    se : standard error of beta as it is, without the template's error; template_error : share of
    beta by which the template's own noise moves it, the same for all libraries of the patient;
    lob, lod : limits of beta; p_value : one-sided; noisier : see that function; null.
    """

    beta: float
    shift: float
    sd: float
    df: float
    se: float
    template_error: float
    lob: float
    lod: float
    p_value: float
    noisier: float
    null: Null


def fit(
    library: Summed,
    pattern: Pattern,
    chrom: NDArray[np.object_],
    *,
    seen: Healthy | None,
    dispersion: Dispersion,
    template_dispersion: Dispersion,
    false_positive: float,
) -> Fit | None:
    """Slope, null and limits of a library (1, n) on a template; None without a usable template.

    seen : the normals, or None: then the noise is what the library's dispersion predicts.
    """
    y, expected = library.deviation[0], library.expected[0]
    counting = 1 / expected
    covariance = predicted(dispersion, chrom, library.atoms[0]) if seen is None else seen.together
    made = weights(pattern, counting, covariance)
    if made is None:
        return None
    beta = float(made.slope @ y)
    shift = float(made.level @ (y - beta * pattern.deviation))
    of_template = pattern.library
    if seen is None:
        waves, template_wave = (
            predicted_variance(made.slope, of, chrom, one.atoms[0])
            for of, one in ((dispersion, library), (template_dispersion, of_template))
        )
        # the weights were made for a simpler covariance: the larger of the two variances holds
        waves = max(waves, covariance.variance(made.slope))
        null, factor = Null(waves, np.zeros(0), np.zeros(0)), 1.0
    else:
        null = measured_null(seen, pattern, counting, made.noise_share)
        residual = y - shift - beta * pattern.deviation
        factor = noisier(residual, expected, seen, chrom)
        residual = of_template.deviation[0] - pattern.deviation
        template_wave = null.wave * noisier(residual, of_template.expected[0], seen, chrom)
    wave = null.wave * factor
    variance = float(made.slope**2 @ counting) + wave
    sd = float(np.sqrt(max(variance, 1e-18)))
    df = null.df(variance)
    present = np.maximum(1 + beta * pattern.deviation, 0.1)
    se = float(np.sqrt(max(float(made.slope**2 @ (counting * present)) + wave, 1e-18)))
    # the template's error is that of its segments, which share the fragments of their windows
    of_segment = np.bincount(pattern.segment, made.slope, minlength=len(pattern.error))
    mass = np.bincount(pattern.segment, of_template.expected[0], minlength=len(pattern.error))
    template_counting = float(of_segment**2 @ (1 / np.maximum(mass, 1e-9)))
    template_error = float(np.sqrt(template_counting + template_wave))
    lob, lod = limits(sd, df, template_error, false_positive=false_positive)
    return Fit(beta, shift, sd, df, se, template_error, lob, lod, float(stdtr(df, -beta / sd)),
               factor, null)  # fmt: skip


def limits(
    sd: float, df: float, template_error: float, *, false_positive: float
) -> tuple[float, float]:
    """Limit of blank (95th centile of beta without tumor) and of detection (smallest beta whose
    p-value is at most ``false_positive`` with 95 % probability).

    lod = t(1 - false_positive) sd + t(0.95) sqrt(sd^2 + (lod * template_error)^2); infinite where
    the template's own error leaves no solution.
    """
    one_sided = float(stdtrit(df, POWER))
    needed = float(stdtrit(df, 1 - false_positive)) * sd
    # (lod - needed)^2 = t^2 (sd^2 + lod^2 e^2)
    e2 = (one_sided * template_error) ** 2
    a, b, c = 1 - e2, -2 * needed, needed**2 - (one_sided * sd) ** 2
    inner = b * b - 4 * a * c
    lod = (-b + float(np.sqrt(inner))) / (2 * a) if a > 0 and inner >= 0 else float("inf")
    return one_sided * sd, lod


# Does the profile still fit? -------------------------------------------------------------------


@dataclass(frozen=True)
class Misfit:
    """The region that deviates most from the fit: windows low to high (half-open), its z, and the
    p-value after correction for the number of regions."""

    low: int
    high: int
    z: float
    p_value: float


def regions(chrom: NDArray[np.object_], segment: Ints) -> Ints:
    """Ranges of windows (k, 2), half-open, in which a change is looked for: overlapping halves of
    several lengths, whole chromosomes and the template's own segments."""
    found: set[tuple[int, int]] = set()
    code = pd.factorize(chrom)[0]
    for number in range(int(code.max()) + 1):
        inside = np.flatnonzero(code == number)
        low, high = int(inside[0]), int(inside[-1]) + 1
        found.add((low, high))
        for length in REGION_WINDOWS:
            found.update((a, a + length) for a in range(low, high - length + 1, length // 2))
        cuts = [low, *(np.flatnonzero(np.diff(segment[low:high])) + low + 1).tolist(), high]
        found.update((a, b) for a, b in itertools.pairwise(cuts) if b - a >= REGION_WINDOWS[0])
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def over(values: Array, ranges: Ints) -> Array:
    """Sums of windows over ranges: values (..., n), ranges (k, 2); gives (..., k)."""
    total = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    return np.asarray(total[..., ranges[:, 1]] - total[..., ranges[:, 0]])


def misfit(
    library: Summed,
    pattern: Pattern,
    found: Fit,
    chrom: NDArray[np.object_],
    *,
    seen: Healthy | None,
    dispersion: Dispersion,
) -> Misfit | None:
    """The region in which a library differs most from shift + beta * template; None without any.

    The template's own counts in the region are compared, not its segment: what the segmentation
    missed is no change. The variance is counting and waves of both libraries,

        r/E + wave + beta^2 * (r_1/E_1 + wave),

    where a region's wave is that of the normals there, drawn to the typical one of its length.
    """
    ranges = regions(chrom, pattern.segment)
    if len(ranges) == 0:
        return None
    one = pattern.library
    expected, of_template = over(library.expected[0], ranges), over(one.expected[0], ranges)
    ratio = over(library.observed[0], ranges) / expected
    before = over(one.observed[0], ranges) / of_template
    residual = ratio - 1 - found.shift - found.beta * (before - 1)
    if seen is None:
        wave = dispersion.at(over(library.atoms[0].astype(float), ranges)) ** 2
        df = KNOWN
    else:
        wave = region_waves(seen.normals, ranges)
        df = len(seen.normals.expected) + PRIOR_NORMALS
    fitted = np.maximum(1 + found.shift + found.beta * (before - 1), 0.1)
    variance = (
        fitted / expected
        + wave * found.noisier
        + found.beta**2 * (np.maximum(before, 0.1) / of_template + wave)
    )
    z = residual / np.sqrt(variance)
    worst = int(np.argmax(np.abs(z)))
    # an upper bound: overlapping regions are no independent tests
    p_value = min(1.0, 2 * float(stdtr(df, -abs(z[worst]))) * len(ranges))
    low, high = (int(side) for side in ranges[worst])
    return Misfit(low, high, float(z[worst]), p_value)


def region_waves(normals: Summed, ranges: Ints) -> Array:
    """Variance of the normals' ratio beyond counting in each range, (k,), drawn to the typical one
    of ranges of its length with the weight of ``PRIOR_NORMALS`` normals."""
    expected = over(normals.expected, ranges)
    excess = (over(normals.observed, ranges) / expected - 1) ** 2 - 1 / expected
    length = ranges[:, 1] - ranges[:, 0]
    # ranges as long as a chromosome are compared with those of about the same length
    group = np.round(2 * np.log2(length)).astype(int)
    wave = np.zeros(len(ranges))
    for number in np.unique(group):
        inside = group == number
        counting = (1 / expected[:, inside]).mean(axis=1)
        first = max(float(excess[:, inside].mean()), LEAST_VARIANCE)
        share = 1 / (counting + first) ** 2
        each = np.average(excess[:, inside], axis=0, weights=share)
        typical = max(float(each.mean()), LEAST_VARIANCE)
        # shallow normals count less: so many of the deepest say as much
        worth = float(share.sum() / share.max())
        wave[inside] = (worth * each + PRIOR_NORMALS * typical) / (worth + PRIOR_NORMALS)
    return np.maximum(wave, LEAST_VARIANCE)


def place(grid: Grid, low: int, high: int) -> str:
    """A range of windows as in ``chr8:43-146 Mb``."""
    start, end = grid.start[low] / 1e6, grid.end[high - 1] / 1e6
    name = str(grid.chrom[low])
    return f"{name if name.startswith('chr') else f'chr{name}'}:{start:.0f}-{end:.0f} Mb"
