"""Waves: in what directions the libraries of healthy plasma vary together, and how to remove them.

How DNA was drawn, cut and copied changes the yield of many regions at once, beyond what GC and
mappability explain. The normals show which regions go together. How far each wave is out in a
sample is read off differences between neighbouring windows only, so that copy numbers, which last
for many windows, are not mistaken for waves and stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.genome import arm_starts
from ctcnv.normals import Grid, Summed, sums, window_of
from ctcnv.robust import MAD_TO_SD, mad_sd, median
from ctcnv.schema import WAVES, is_autosome

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Fewest normals that show what varies together; a panel has one more, which is left out in turn.
MIN_NORMALS = 5
#: Least variance of a window beyond counting, so that a calm panel does not promise none at all.
LEAST_VARIANCE = 1e-6
#: A direction with less than this share of the strongest one's variance is left out.
LEAST_POWER = 1e-6
#: A window with less than this share of the typical expectation says next to nothing.
LEAST_EXPECTED = 0.2
#: Neighbouring windows within which waves are read off, about 10 Mb: most steps of a rearranged
#: tumor lie between such blocks, and waves show in them as well as in whole arms.
BLOCK = 10
#: Windows further out than this many standard deviations (amplicons, steps) have no say.
TRIMMED_SD = 4.0
#: Rounds of fitting and trimming.
ROUNDS = 3
#: A wave never changes a ratio by more than this factor.
LARGEST = 2.0


# What normals vary by ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Covariance:
    """Covariance of the windows of a healthy library beyond counting: diag(own) + axes axes'.

    own : (n,) variances; axes : (n, k), the strongest last.
    """

    own: Array
    axes: Array

    def variance(self, weights: Array) -> float:
        """Variance of a weighted sum of windows, weights (n,)."""
        return float(weights**2 @ self.own + np.sum((self.axes.T @ weights) ** 2))

    def precise(self, counting: Array, columns: Array) -> Array:
        """(diag(counting) + this)^-1 columns; columns (n, c). By the identity of Woodbury."""
        weight = (1 / (counting + self.own))[:, None]
        scaled = weight * columns
        if self.axes.shape[1] == 0:
            return np.asarray(scaled)
        on_axes = weight * self.axes
        inner = np.eye(self.axes.shape[1]) + self.axes.T @ on_axes
        return np.asarray(scaled - on_axes @ np.linalg.solve(inner, on_axes.T @ columns))


def learned(deviation: Array, expected: Array) -> Covariance:
    """The covariance that normals show, each (normals, n), two normals or more.

    The products of the normals' deviations, (normals, normals), less what counting adds to them,
    give the directions in which healthy libraries vary together. What these leave of the variance
    of a window beyond counting is drawn half-way to the mean of all windows.
    """
    m = len(deviation)
    z = deviation - deviation.mean(axis=0)
    counting = 1 / expected
    total = np.sum(z**2, axis=0) / (m - 1) - counting.mean(axis=0)
    power, vectors = np.linalg.eigh((z @ z.T - np.diag(counting.sum(axis=1))) / (m - 1))
    clear = power > max(power[-1], 0.0) * LEAST_POWER
    directions = z.T @ vectors[:, clear]
    directions /= np.sqrt(np.sum(directions**2, axis=0))
    axes = directions * np.sqrt(power[clear])
    rest = total - np.sum(axes**2, axis=1)
    typical = max(float(rest.mean()), LEAST_VARIANCE)
    return Covariance(np.maximum((np.maximum(rest, 0.0) + typical) / 2, LEAST_VARIANCE), axes)


def usable(libraries: Summed) -> Mask:
    """Windows on which every library, (libraries, n), has enough of its typical expectation."""
    expected = np.where(libraries.expected > 0, libraries.expected, np.nan)
    known = np.isfinite(expected).any(axis=1)
    if not known.all():
        return np.zeros(expected.shape[1], dtype=bool)
    # nanmedian goes row by row; mostly there is no window without any expectation
    middle = np.median if np.isfinite(expected).all() else np.nanmedian
    typical = middle(expected, axis=1, keepdims=True)
    return np.asarray((libraries.expected >= LEAST_EXPECTED * typical).all(axis=0))


# Waves -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waves:
    """The waves of a panel on windows of the autosomes.

    axes : (n, k), deviation of the ratio per standard deviation of each wave, the strongest first.
    """

    grid: Grid
    axes: Array

    def frame(self) -> pd.DataFrame:
        """The table WAVES."""
        n, k = self.axes.shape
        return pd.DataFrame(
            {
                "wave": np.repeat(np.arange(1, k + 1), n),
                "chrom": np.tile(self.grid.chrom, k),
                "start": np.tile(self.grid.start, k),
                "end": np.tile(self.grid.end, k),
                "deviation": self.axes.T.ravel(),
            }
        )[WAVES.names]

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Waves:
        """From the table WAVES. Raises ValueError when the waves are not on the same windows."""
        k = frame["wave"].nunique()
        n = len(frame) // max(k, 1)
        one = frame.iloc[:n]
        same = len(frame) == n * k and bool(
            (frame["wave"].to_numpy() == np.repeat(np.arange(1, k + 1), n)).all()
        )
        for column in ("chrom", "start", "end"):
            same = same and bool(
                (frame[column].to_numpy() == np.tile(one[column].to_numpy(), k)).all()
            )
        if not same:
            raise ValueError("the table of waves does not have the same windows for every wave, in "
                             "one order; make it again with ctcnv pon")  # fmt: skip
        grid = Grid(one["chrom"].to_numpy(dtype=object), one["start"].to_numpy(dtype=np.int64),
                    one["end"].to_numpy(dtype=np.int64))  # fmt: skip
        return cls(grid, frame["deviation"].to_numpy(dtype=float).reshape(k, n).T)


def waves_of(normals: Summed, grid: Grid, *, most: int) -> Waves:
    """The ``most`` strongest waves of the normals, (normals, n); none of fewer than ``MIN_NORMALS``
    normals."""
    inside = usable(normals)
    if len(normals.expected) < MIN_NORMALS or most == 0 or not inside.any():
        return Waves(grid.subset(np.zeros(len(grid), dtype=bool)), np.zeros((0, 0)))
    seen = normals.subset(inside)
    axes = learned(seen.deviation, seen.expected).axes[:, ::-1][:, :most]
    return Waves(grid.subset(inside), axes)


def without_waves(profile: pd.DataFrame, waves: Waves) -> tuple[pd.DataFrame, float]:
    """The profile with the waves in its expectation, and their standard deviation in this library.

    Only autosomes change; their expectation keeps its sum.
    """
    expected = profile["expected"].to_numpy(dtype=float)
    inside = np.flatnonzero(np.isfinite(expected) & is_autosome(profile["chrom"]))
    if waves.axes.shape[1] == 0 or len(inside) == 0:
        return profile, 0.0
    window = window_of(profile, waves.grid)
    library = sums(profile, window, len(waves.grid))
    deviation = waves.axes @ amplitudes(library, waves)
    # the last is for -1: an atom in no window
    factor = np.append(np.clip(1 + deviation, 1 / LARGEST, LARGEST), 1.0)[window[inside]]
    before, changed = expected[inside], expected.copy()
    changed[inside] = before * (factor * (before.sum() / (before * factor).sum()))
    return profile.assign(expected=changed), float(np.std(deviation))


def amplitudes(library: Summed, waves: Waves) -> Array:
    """How far each wave is out in a library (1, n), in standard deviations of the normals, (k,).

    With the deviations y of the windows from the median of their block, and the axes A less their
    mean in the block (so that no level of a block has a part in it),

        c = (A'WA + 1)^-1 A'W y,    W = 1 / (1/expected + v),

    the posterior mean when every c is standard normal before; v is the variance of y beyond
    counting. The levels have no part in W, so that a copy number moves nothing. Windows beyond
    ``TRIMMED_SD`` of what is left are put out, and c is found again.
    """
    inside = usable(library)
    if not inside.any():
        return np.zeros(waves.axes.shape[1])
    ratio, expected = 1 + library.deviation[0, inside], library.expected[0, inside]
    axes, grid = waves.axes[inside], waves.grid.subset(inside)
    block = blocks(grid)
    level = np.maximum(_medians(ratio, block), 1 / expected.mean())
    y = ratio / level[block] - 1
    excess = max(0.0, mad_sd(y) ** 2 - median(1 / expected))
    precision = 1 / (1 / expected + excess)
    weight = precision.copy()
    found = np.zeros(axes.shape[1])
    for _ in range(ROUNDS):
        a, rest = _within(axes, weight, block), _within(y[:, None], weight, block)[:, 0]
        pulled = a * weight[:, None]
        found = np.linalg.solve(pulled.T @ a + np.eye(a.shape[1]), pulled.T @ rest)
        away = np.abs(rest - a @ found) * np.sqrt(precision)
        limit = TRIMMED_SD * max(1.0, MAD_TO_SD * median(away))
        weight = np.where(away > limit, 0.0, precision)
    return np.asarray(found)


def blocks(grid: Grid) -> Ints:
    """Number of each window's block, (n,): about ``BLOCK`` neighbours of one arm."""
    first = np.concatenate([[True], grid.chrom[1:] != grid.chrom[:-1]])
    starts = np.flatnonzero(arm_starts(grid.start, grid.end, first))
    number = np.zeros(len(grid), dtype=np.int64)
    following = 0
    for low, high in zip(starts, np.append(starts[1:], len(grid)), strict=True):
        n = max(1, (high - low) // BLOCK)
        number[low:high] = following + np.minimum(np.arange(high - low) // BLOCK, n - 1)
        following += n
    return number


def _medians(values: Array, block: Ints) -> Array:
    return np.asarray(pd.Series(values).groupby(block).median())


def _within(values: Array, weight: Array, block: Ints) -> Array:
    """Values (n, c) less their weighted mean in the block."""
    total = np.maximum(np.bincount(block, weight), 1e-300)
    mean = [np.bincount(block, weight * column) / total for column in values.T]
    return values - np.stack(mean, axis=1)[block]
