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
from ctcnv.normals import Grid, Summed, sums_of, window_of
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
    power, vectors = _directions(z @ z.T, counting.sum(axis=1))
    return _covariance(z.T @ vectors, power, total)


def _directions(
    products: Array, counting: Array, *, most: int | None = None
) -> tuple[Array, Array]:
    """Variance along each direction and what it is of the normals, (k,) and (normals, k), from the
    products of their deviations from the mean, less what counting adds to each one's own."""
    power, vectors = np.linalg.eigh((products - np.diag(counting)) / (len(products) - 1))
    clear = np.flatnonzero(power > max(power[-1], 0.0) * LEAST_POWER)
    if most is not None:
        clear = clear[max(len(clear) - most, 0) :]
    return power[clear], vectors[:, clear]


def _covariance(directions: Array, power: Array, total: Array) -> Covariance:
    """From directions of any length, (n, k), the variance along each and of each window, (n,)."""
    axes = directions * np.sqrt(power / np.sum(directions**2, axis=0))
    rest = total - np.sum(axes**2, axis=1)
    typical = max(float(rest.mean()), LEAST_VARIANCE)
    return Covariance(np.maximum((np.maximum(rest, 0.0) + typical) / 2, LEAST_VARIANCE), axes)


def usable(libraries: Summed) -> Mask:
    """Windows on which every library, (libraries, n), has enough of its typical expectation."""
    return np.asarray(enough(libraries).all(axis=0))


def enough(libraries: Summed) -> Mask:
    """Where each library has enough of its typical expectation, (libraries, n)."""
    typical = np.full((len(libraries.expected), 1), np.inf)
    for i, expected in enumerate(libraries.expected):
        known = expected[(expected > 0) & np.isfinite(expected)]
        if len(known):
            typical[i] = median(known)
    return np.asarray(libraries.expected >= LEAST_EXPECTED * typical)


class Others:
    """Normals on windows, (normals, n), and what all but one of them vary by.

    Sums and products of the deviations are made once; of each normal its part is taken away again.
    """

    def __init__(self, normals: Summed) -> None:
        self._enough = enough(normals)
        self._lacking = np.sum(~self._enough, axis=0)
        # a window that two normals lack is lacking whoever is left out
        self._place = np.flatnonzero(self._lacking <= 1)
        seen, known = normals.subset(self._place), self._enough[:, self._place]
        self._deviation = np.where(known, seen.deviation, 0.0)
        self._counting = 1 / np.where(known, seen.expected, np.inf)
        self._products = self._deviation @ self._deviation.T
        self._counted = self._counting.sum(axis=1)
        self._sum, self._square, self._counts = (
            one.sum(axis=0) for one in (self._deviation, self._deviation**2, self._counting)
        )

    def __len__(self) -> int:
        """How many are left when one is left out."""
        return len(self._products) - 1

    def usable(self, i: int) -> Mask:
        """``usable`` for all but normal ``i``, (n,)."""
        return np.asarray(self._lacking == ~self._enough[i])

    def learned(self, i: int, *, most: int | None = None) -> Covariance:
        """``learned`` of all but normal ``i``, two or more, on the windows usable for them; most :
        the strongest axes only."""
        m, deviation = len(self), self._deviation[i]
        use = self.usable(i)[self._place]
        out = self._deviation[:, ~use]
        counted = self._counted - self._counting[:, ~use].sum(axis=1)
        rest = np.arange(m + 1) != i
        products = (self._products - out @ out.T)[np.ix_(rest, rest)]
        mean = products.mean(axis=0)
        products += mean.mean() - mean - mean[:, None]  # of deviations from their mean
        power, vectors = _directions(products, counted[rest], most=most)
        of_all = np.zeros((m + 1, len(power)))
        of_all[rest] = vectors
        centre = (self._sum - deviation) / m
        z = self._deviation.T @ of_all - centre[:, None] * vectors.sum(axis=0)
        total = (self._square - deviation**2 - m * centre**2) / (m - 1)
        total -= (self._counts - self._counting[i]) / m
        return _covariance(z[use], power, total[use])


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
        return no_waves(grid)
    seen = normals.subset(inside)
    axes = learned(seen.deviation, seen.expected).axes[:, ::-1][:, :most]
    return Waves(grid.subset(inside), axes)


def waves_of_others(others: Others, i: int, grid: Grid, *, most: int) -> Waves:
    """``waves_of`` all normals but ``i``."""
    inside = others.usable(i)
    if len(others) < MIN_NORMALS or most == 0 or not inside.any():
        return no_waves(grid)
    return Waves(grid.subset(inside), others.learned(i, most=most).axes[:, ::-1])


def no_waves(grid: Grid) -> Waves:
    """What is taken out of a library where no wave is known."""
    return Waves(grid.subset(np.zeros(len(grid), dtype=bool)), np.zeros((0, 0)))


def without_waves(profile: pd.DataFrame, waves: Waves) -> tuple[pd.DataFrame, float]:
    """The profile with the waves in its expectation, and their standard deviation in this library.

    Only autosomes change; their expectation keeps its sum.
    """
    if waves.axes.shape[1] == 0:
        return profile, 0.0
    changed, sd = with_waves(
        profile["observed"].to_numpy(dtype=float), profile["expected"].to_numpy(dtype=float),
        waves, autosomal=is_autosome(profile["chrom"]), window=window_of(profile, waves.grid),
    )  # fmt: skip
    return profile.assign(expected=changed), sd


def with_waves(
    observed: Array, expected: Array, waves: Waves, *, autosomal: Mask, window: Ints
) -> tuple[Array, float]:
    """The expectation of a library with its waves, and their standard deviation, see
    ``without_waves``; observed, expected, autosomal : (atoms,); window : of the waves, in which
    each atom lies, -1 outside."""
    inside = np.flatnonzero(np.isfinite(expected) & autosomal)
    if waves.axes.shape[1] == 0 or len(inside) == 0:
        return expected, 0.0
    atoms, seen, wanted = sums_of(window, len(waves.grid), observed, expected)
    library = Summed(atoms[None], seen[None], wanted[None])
    deviation = waves.axes @ amplitudes(library, waves)
    # the last is for -1: an atom in no window
    factor = np.append(np.clip(1 + deviation, 1 / LARGEST, LARGEST), 1.0)[window[inside]]
    before, changed = expected[inside], expected.copy()
    changed[inside] = before * (factor * (before.sum() / (before * factor).sum()))
    return changed, float(np.std(deviation))


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
