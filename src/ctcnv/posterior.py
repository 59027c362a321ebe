"""The posterior over tumor fraction and ploidy, on cells that are divided where the mass is.

The cells lie in the plane of *step* and ploidy. The step is the change of the ratio per copy,

    s = T / (T*P + 2*(1-T)),   mu(C) = 1 + s*(C - P),   T = 2*s / (1 - s*(P - 2)),

so that a profile explained with one copy more everywhere is the same step at a ploidy larger by
one: rival solutions are congruent, and none is lost because the grid meets another one better.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.blocks import blocks, cuts
from ctcnv.compiled import compiled
from ctcnv.copystates import COARSE_PARTS, PARTS, changes
from ctcnv.evidence import Evidence
from ctcnv.mixture import MIN_FRACTION
from ctcnv.model import FractionSettings
from ctcnv.paths import log_evidence

Array = NDArray[np.float64]

#: First round of the grid: steps below this one in equal ratios, above in equal differences.
LOW_STEP, LOW_STEPS, HIGH_STEP = 0.05, 24, 0.01
#: Change of the overall level across a cell of the first round.
LEVEL_STEP = 0.015
#: A cell with less than this share of the mass is dropped after a round.
KEPT_MASS = 1e-6
#: Resampled genomes with which the first rounds look for where the mass is.
SEARCH_DRAWS = 12
#: Heat from which ``COARSE_PARTS`` do: the likelihood has at most its power 1/16. No quantile of
#: eight development genomes changed by more than 0.00001; from 2 on it was 0.01.
COARSE_HEAT = 4.0
#: Half a cell may change a ratio by this share of the noise of the level. With 0.6 no quantile of
#: six development genomes differs by more than 0.0002.
RESOLUTION = 0.9
#: Standard deviation of the ratios by copy numbers that is small: a third of the genome altered by
#: one copy in 7 % tumor DNA.
SMALL_SIGNAL = 0.02
#: Solutions with less than this share of the mass are not listed.
MIN_SOLUTION_WEIGHT = 0.01
#: Cells touch when their centres are within this many times their half sizes.
TOUCH = 1.01


@dataclass(frozen=True)
class Grid:
    """Cells of the plane of step and ploidy: centres and half sizes, each (cells,)."""

    step: Array
    ploidy: Array
    half_step: Array
    half_ploidy: Array

    @property
    def fraction(self) -> Array:
        """Tumor fraction at the centres:  T = 2*s / (1 - s*(P - 2))."""
        return np.asarray(2 * self.step / (1 - self.step * (self.ploidy - 2)))

    @property
    def half_fraction(self) -> Array:
        """Half the range of the fraction in a cell:  dT/ds = T^2 / (2*s^2), dT/dP = T^2 / 2."""
        t2 = self.fraction**2 / 2
        return np.asarray(t2 * (self.half_step / self.step**2 + self.half_ploidy))

    @property
    def log_area(self) -> Array:
        """Log area of each cell in the plane of fraction and ploidy."""
        slope = self.fraction**2 / (2 * self.step**2)
        return np.asarray(np.log(4 * self.half_step * self.half_ploidy * slope))

    def divided(self, keep: NDArray[np.bool_], resolution: float) -> Grid:
        """The kept cells, halved in each direction in which the ratio of a region changes by more
        than ``resolution`` across half a cell: by ds of one copy, and by s*dP of the level."""
        s, p, ds, dp = (a[keep] for a in (self.step, self.ploidy, self.half_step,
                                          self.half_ploidy))  # fmt: skip
        wide = ds > resolution
        s = np.concatenate([s[~wide], s[wide] - ds[wide] / 2, s[wide] + ds[wide] / 2])
        p = np.concatenate([p[~wide], p[wide], p[wide]])
        dp = np.concatenate([dp[~wide], dp[wide], dp[wide]])
        ds = np.concatenate([ds[~wide], ds[wide] / 2, ds[wide] / 2])
        high = dp * s > resolution
        return Grid(
            np.concatenate([s[~high], s[high], s[high]]),
            np.concatenate([p[~high], p[high] - dp[high] / 2, p[high] + dp[high] / 2]),
            np.concatenate([ds[~high], ds[high], ds[high]]),
            np.concatenate([dp[~high], dp[high] / 2, dp[high] / 2]),
        )


@dataclass(frozen=True)
class Posterior:
    """The surface: cells with their probability (given that there is tumor), (cells,), and the log
    Bayes factor of tumor against none."""

    grid: Grid
    probability: Array
    log_bayes: float

    def quantiles(self, probabilities: list[float]) -> Array:
        """Quantiles of the fraction: the mass of a cell lies evenly over its range."""
        middle, half = self.grid.fraction, self.grid.half_fraction
        at = np.concatenate([middle - half, middle + half])
        slope = self.probability / (2 * half)
        order = np.argsort(at, kind="stable")
        at = at[order]
        # the density rises where a cell begins and falls where it ends
        density = np.cumsum(np.concatenate([slope, -slope])[order])
        cumulative = np.concatenate([[0.0], np.cumsum(density[:-1] * np.diff(at))])
        found = np.interp(np.array(probabilities), cumulative / cumulative[-1], at)
        return np.asarray(np.clip(found, 0.0, 1.0))


def first_grid(*, settings: FractionSettings) -> Grid:
    """The cells of the first round.

    The level of the whole profile, 1 - s*P, is known far better than the ploidy of a sample with
    little tumor DNA, and as well as that of one with much. The width of a cell in ploidy is
    therefore ``LEVEL_STEP`` of the level, at most ``ploidy_step``.
    """
    lowest = MIN_FRACTION / 2
    highest = 1 / settings.min_ploidy
    low = np.geomspace(lowest, LOW_STEP, LOW_STEPS + 1)
    edges = np.concatenate([low[:-1], np.arange(LOW_STEP, highest, HIGH_STEP), [highest]])
    parts = []
    for left, right in itertools.pairwise(edges):
        s = (left + right) / 2
        # a whole number of cells in each copy, so that shifted solutions meet equal cells
        per_copy = int(np.ceil(1 / min(settings.ploidy_step, LEVEL_STEP / s)))
        n = int(np.ceil((settings.max_ploidy - settings.min_ploidy) * per_copy))
        p = settings.min_ploidy + (np.arange(n) + 0.5) / per_copy
        parts.append(np.stack([np.full(n, s), p, np.full(n, (right - left) / 2),
                               np.full(n, 0.5 / per_copy)]))  # fmt: skip
    return _inside(Grid(*np.concatenate(parts, axis=1)), settings)


def posterior_surface(seen: Evidence, *, settings: FractionSettings) -> Posterior:
    """The posterior on cells that are divided where the mass is, averaged over resampled genomes.

    A good library fixes fraction and ploidy so well that a coarse grid would miss every mode. The
    first rounds therefore weigh the data less: their likelihood has the power 1/heat^2, so that
    its peaks are as wide as the cells are coarse. Each round drops the cells without mass, divides
    the others where they are wider than the peaks, and halves the heat, until it is 1. The variance
    is larger than that of the noise, see ``misfit_of``.

    The prior of the fraction is log-uniform, which matches what metastatic patients show (about a
    third at or above 0.1 and two to three of four at or above 0.03; Adalsteinsson 2017).

    The mass is the mean of the posteriors in which chromosomes count as often as ``shares`` says
    (bagged posterior; Buehlmann 2014, Huggins and Miller 2023). No tumor keeps to the model, and
    the posterior of a wrong model is sure of one of several solutions that are equally wrong.
    Whether the evidence between two of them comes from all of the genome or from a chromosome or
    two, the chromosomes tell. ``log_bayes`` is that of the sample itself.
    """
    change = changes(seen, breakpoints=settings.breakpoints, centromere=settings.centromere_change)
    first = cuts(seen, change, tail_df=settings.tail_df)
    misfit = misfit_of(seen, most=settings.misfit)
    seen = replace(seen, inflation=seen.inflation * misfit)
    sd = level_sd(seen)
    share = shares(int(seen.first.sum()), settings=settings)
    grid = first_grid(settings=settings)
    joined = blocks(seen, first, change, tail_df=settings.tail_df)
    rounds = max(1, int(np.ceil(np.log2(LEVEL_STEP / sd))))
    for heat in 2.0 ** np.arange(rounds, -1, -1):
        counted = share if heat == 1 else share[: 1 + SEARCH_DRAWS]
        relative = log_evidence(joined.heated(heat**2), grid.fraction, grid.ploidy, share=counted,
                                settings=settings,
                                parts=COARSE_PARTS if heat >= COARSE_HEAT else PARTS)  # fmt: skip
        logs = relative - np.log(grid.fraction) + grid.log_area
        peak = logs.max(axis=1, keepdims=True)
        mass = np.exp(logs - peak)
        total = mass.sum(axis=1, keepdims=True)
        bagged = np.mean(mass[1:] / total[1:], axis=0)
        if heat == 1:
            break
        grid = _inside(grid.divided(bagged > KEPT_MASS, RESOLUTION * sd * heat / 2), settings)
    prior_mass = float(np.log(settings.max_fraction / MIN_FRACTION))
    log_bayes = float(peak[0, 0] + np.log(total[0, 0])) - float(np.log(prior_mass))
    return Posterior(grid, bagged, log_bayes)


def shares(chromosomes: int, *, settings: FractionSettings) -> Array:
    """How often each chromosome counts, (1 + draws, chromosomes): once in the first row, then as
    in a smooth bootstrap, independent gamma numbers of mean 1 and variance 1.

    A bootstrap draws each chromosome a Poisson number of times, mean 1 and variance 1; the gamma
    has the same but no zeros, with which a tumor of one event would be lost in a third of them.
    """
    rng = np.random.default_rng(settings.seed)
    drawn = rng.gamma(1.0, 1.0, size=(settings.bag_draws, chromosomes))
    return np.concatenate([np.ones((1, chromosomes)), drawn])


def misfit_of(seen: Evidence, *, most: float) -> float:
    """Variance of a sample around the model over that of the noise, from 1 to ``most``.

    1 + (most - 1) * v / (v + SMALL_SIGNAL^2),  v the variance of the ratios beyond the noise: no
    genome keeps to the states of the model, and no curve leaves every step of a profile
    whole. What is missed is a share of the steps, and nothing where there are next to none. One
    value for all solutions of a sample: none gains by claiming less noise.
    """
    signal = float(np.mean((seen.ratio - 1) ** 2 - seen.inflation * seen.variance()))
    share = max(signal, 0.0) / (max(signal, 0.0) + SMALL_SIGNAL**2)
    return 1 + (most - 1) * share


def _inside(grid: Grid, settings: FractionSettings) -> Grid:
    """The cells whose centre is a possible tumor."""
    with np.errstate(divide="ignore"):
        inside = (grid.fraction > 0) & (grid.fraction <= settings.max_fraction)
    return Grid(grid.step[inside], grid.ploidy[inside], grid.half_step[inside],
                grid.half_ploidy[inside])  # fmt: skip


def level_sd(seen: Evidence) -> float:
    """Standard deviation with which the windows together fix the level of the profile."""
    variance = seen.inflation * float(np.median(seen.variance())) / len(seen.ratio)
    return float(np.sqrt(variance))


def solutions(posterior: Posterior) -> pd.DataFrame:
    """The modes of the surface with the mass of their basins (each cell climbs to a mode).

    Modes with less than ``MIN_SOLUTION_WEIGHT`` are left out; the rest is ranked by weight.
    """
    top = _basins(posterior)
    found = [
        (float(posterior.probability[top == peak].sum()), int(peak)) for peak in np.unique(top)
    ]
    found.sort(key=lambda mode: -mode[0])
    kept = [mode for mode in found if mode[0] >= MIN_SOLUTION_WEIGHT] or found[:1]
    peaks = [peak for _, peak in kept]
    return pd.DataFrame(
        {
            "solution": np.arange(1, len(kept) + 1),
            "fraction": posterior.grid.fraction[peaks],
            "ploidy": posterior.grid.ploidy[peaks],
            "weight": [weight for weight, _ in kept],
            "erbb2_copies": np.full(len(kept), np.nan),
        }
    )


def _basins(posterior: Posterior) -> NDArray[np.int_]:
    """For each cell the index of the mode that steepest ascent over touching cells leads to."""
    grid = posterior.grid
    density = posterior.probability / np.exp(grid.log_area)
    to = _steepest(grid.step, grid.ploidy, grid.half_step, grid.half_ploidy, density)
    while True:
        further = to[to]
        if np.array_equal(further, to):
            return to
        to = further


@compiled
def _steepest(
    step: Array, ploidy: Array, half_step: Array, half_ploidy: Array, density: Array
) -> NDArray[np.int_]:
    """For each cell the densest of those that touch it, itself among them."""
    to = np.arange(len(step))
    for i in range(len(step)):
        best = -np.inf
        for k in range(len(step)):
            if (
                density[k] > best
                and abs(step[k] - step[i]) <= (half_step[k] + half_step[i]) * TOUCH
                and abs(ploidy[k] - ploidy[i]) <= (half_ploidy[k] + half_ploidy[i]) * TOUCH
            ):
                best = density[k]
                to[i] = k
    return to
