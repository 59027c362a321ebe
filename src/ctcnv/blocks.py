"""Windows joined where the copies do not change, with the likelihood of every level of a block.

A sample fixes a breakpoint of its tumor to a window or two, and leaves most windows without one.
Cuts are therefore allowed where the ratios leave a breakpoint possible, whatever the tumor
fraction, and the windows between two cuts enter the sum over copy-number paths as one block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.evidence import Evidence, tail_scale2

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Levels with which breakpoints are looked for, evenly in the square root of the ratio.
CUT_LEVELS = 64
#: Expected breakpoints inside a block, at most.
HIDDEN_BREAKPOINTS = 0.1
#: Lowest ratio that is told from none: stray fragments lie everywhere.
LOWEST_RATIO = 0.01
#: Distance of two levels of the table in standard deviations of a window, and at most, in sqrt
#: ratio.
LEVEL_SD, LEVEL_STEP = 0.25, 0.02
#: The table ends at so many times the highest ratio.
BEYOND = 1.5


@dataclass(frozen=True)
class Blocks:
    """Blocks of windows and the likelihood of their levels.

    Levels are u = sqrt(ratio), on which counting noise has the same width everywhere.

    change : (b,) chance that the copies are drawn anew at the first window of a block.
    chrom : (b,) number of its chromosome, from 0.
    origin, step : of the table of levels; log_density : (levels, b) relative to the likeliest level
    of a block.
    """

    change: Array
    chrom: Ints
    origin: float
    step: float
    log_density: Array

    def heated(self, heat: float) -> Blocks:
        """The same with the likelihood to the power 1/heat."""
        return replace(self, log_density=self.log_density / heat)

    def log_of_none(self) -> Array:
        """Log likelihood of the ratio 1 everywhere on each chromosome, (chromosomes,), up to the
        constant of ``log_density``."""
        each = np.empty(len(self.change))
        cubic(self.log_density, (1.0 - self.origin) / self.step, each)
        return np.bincount(self.chrom, weights=each).astype(np.float64)


def cuts(seen: Evidence, change: Array, *, tail_df: int) -> Ints:
    """First windows of the blocks, (b,), the first of all among them.

    change : (n,) prior chance of a breakpoint at each window. A block ends before it would hold
    more than ``HIDDEN_BREAKPOINTS`` expected ones.
    """
    first, hidden = [0], 0.0
    for window, chance in enumerate(break_chance(seen, change, tail_df=tail_df)):
        if window == 0:
            continue
        hidden += chance
        if hidden > HIDDEN_BREAKPOINTS:
            first.append(window)
            hidden = 0.0
    return np.array(first)


def break_chance(seen: Evidence, change: Array, *, tail_df: int) -> Array:
    """Chance of a breakpoint at each window given all ratios, (n,), when every level is equally
    likely: by a forward and a backward pass over ``CUT_LEVELS`` levels."""
    ends = np.sqrt(np.maximum([seen.ratio.min(), seen.ratio.max()], LOWEST_RATIO))
    level = np.linspace(ends[0], ends[1] + 1e-6, CUT_LEVELS)
    # true levels lie between these: as if the noise were wider by that, (dr = 2 u du)
    between = np.maximum(seen.ratio, LOWEST_RATIO) * (2 * (level[1] - level[0])) ** 2 / 12
    log = log_densities(seen.ratio, seen.counting, seen.tau2, level**2,
                        seen.inflation * tail_scale2(tail_df), between, tail_df)  # fmt: skip
    return _break_chance(np.exp(log - log.max(axis=1, keepdims=True)), change)


def blocks(seen: Evidence, first: Ints, change: Array, *, tail_df: int) -> Blocks:
    """The blocks that begin at the windows ``first``.

    change : (n,) as for ``cuts``.
    """
    low, high = np.sqrt([LOWEST_RATIO, BEYOND * max(float(seen.ratio.max()), 1.0)])
    # d sqrt(r) = dr / (2 sqrt(r)): the noise of sqrt(r) is half of that of r at r = 1
    sd = 0.5 * float(np.sqrt(seen.inflation * seen.variance().min()))
    level = np.linspace(low, high, int(np.ceil((high - low) / min(LEVEL_SD * sd, LEVEL_STEP))) + 1)
    step = float(level[1] - level[0])
    each = log_densities(seen.ratio, seen.counting, seen.tau2, level**2,
                         seen.inflation * tail_scale2(tail_df), np.zeros(len(seen.ratio)),
                         tail_df)  # fmt: skip
    table = np.ascontiguousarray(np.add.reduceat(each, first, axis=0).T)
    table -= table.max(axis=0)
    chrom = np.cumsum(seen.first)[first] - 1
    return Blocks(change[first], chrom, float(low), step, table)


@compiled
def log_densities(
    ratio: Array, counting: Array, tau2: Array, level: Array, scale2: float, extra: Array,
    tail_df: int,
) -> Array:  # fmt: skip
    """Log density of each window's ratio at each level mu, (n, levels), up to one constant:
    Student's t of squared scale  scale2 * (mu/E + mu^2 tau^2 + extra)."""
    n, k = len(ratio), len(level)
    found = np.empty((n, k))
    for w in range(n):
        for s in range(k):
            mu = level[s]
            v = scale2 * (mu * counting[w] + mu * mu * tau2[w] + extra[w])
            d = ratio[w] - mu
            found[w, s] = -0.5 * (np.log(v) + (tail_df + 1) * np.log1p(d * d / (tail_df * v)))
    return found


@compiled
def _break_chance(emission: Array, change: Array) -> Array:
    """Chance that the level is drawn anew at each window, (n,); emission (n, levels)."""
    n, k = emission.shape
    ahead = np.empty((n, k))
    for w in range(n):
        for s in range(k):
            before = change[w] / k
            if w > 0:
                before += (1.0 - change[w]) * ahead[w - 1, s]
            ahead[w, s] = before * emission[w, s]
        ahead[w] /= ahead[w].sum()
    found = np.ones(n)
    behind = np.ones(k)
    for w in range(n - 1, 0, -1):
        behind *= emission[w]
        anew = change[w] * behind.mean()
        kept = (1.0 - change[w]) * np.sum(ahead[w - 1] * behind)
        found[w] = anew / (anew + kept)
        behind = (1.0 - change[w]) * behind + anew
        behind /= behind.sum()
    return found


@compiled
def cubic(table: Array, place: float, found: Array) -> None:
    """Write the values of a table at a place, in steps from its begin, for all of its columns:
    Lagrange's polynomial through four points, constant beyond the ends.

    table : (levels, columns); found : (columns,).
    """
    n = len(table)
    place = min(max(place, 0.0), n - 1.0)
    i = min(max(int(place), 1), n - 3)
    t = place - i
    w0 = -t * (t - 1.0) * (t - 2.0) / 6.0
    w1 = (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0
    w2 = -(t + 1.0) * t * (t - 2.0) / 2.0
    w3 = (t + 1.0) * t * (t - 1.0) / 6.0
    p0, p1, p2, p3 = table[i - 1], table[i], table[i + 1], table[i + 2]
    for c in range(len(found)):
        found[c] = w0 * p0[c] + w1 * p1[c] + w2 * p2[c] + w3 * p3[c]
