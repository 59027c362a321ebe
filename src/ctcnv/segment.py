"""Regions of constant ratio by circular binary segmentation on sums of fragments.

In a stretch of windows the arc (i, j] whose ratio differs most from the rest of the stretch is
looked for (Olshen 2004). The difference is measured in standard deviations of counting noise plus
the over-dispersion of regions of that size, so that the slow waves of a library are not cut into
segments. The stretch is divided when the largest of all arcs is significant after Bonferroni's
correction for every arc of the genome, which bounds the probability of any false segment by
``error_rate``.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from ctcnv.compiled import compiled
from ctcnv.dispersion import Dispersion
from ctcnv.model import SegmentSettings
from ctcnv.normalize import Windows, windows
from ctcnv.robust import median
from ctcnv.schema import SEGMENTS

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

#: Two-sided 95 % in standard deviations.
Z95 = 1.959964
#: Ends of arcs that are looked at together, and by how much a bound may be wrong by rounding.
BLOCK, ROUNDING = 32, 1e-6


def segment(
    profile: pd.DataFrame, *, dispersion: Dispersion, settings: SegmentSettings
) -> pd.DataFrame:
    """The SEGMENTS table of a profile; empty when nothing is expected anywhere.

    X and Y are segmented like the rest, against the copies of a normal cell of the sample's sex.
    """
    size = window_atoms(
        profile,
        fragments=settings.window_fragments,
        min_bp=settings.min_window_bp,
        max_bp=settings.max_window_bp,
    )
    if size is None:
        return SEGMENTS.empty()
    summed = windows(profile, atoms=size, autosomes=False)
    bounds = segment_bounds(
        summed,
        dispersion=dispersion,
        error_rate=settings.error_rate,
        min_windows=settings.min_windows,
    )
    table = segment_table(summed, bounds, dispersion=dispersion)
    log.info("%d segments on %d windows of %d atoms", len(table), len(summed.ratio), size)
    return table


def window_atoms(profile: pd.DataFrame, *, fragments: int, min_bp: int, max_bp: int) -> int | None:
    """How many atoms make a window of the wanted expected fragments; None without any atom."""
    expected = profile["expected"].to_numpy(dtype=float)
    known = np.isfinite(expected)
    if not known.any():
        return None
    atom_bp = median((profile["end"] - profile["start"]).to_numpy())
    wanted = np.ceil(fragments / max(median(expected[known]), 1e-9))
    least, most = np.ceil(min_bp / atom_bp), np.floor(max_bp / atom_bp)
    return int(max(1, least, min(wanted, most)))


@dataclass(frozen=True)
class _Sums:
    """Prefix sums of a chromosome's windows, each (n + 1,)."""

    observed: Array
    expected: Array
    atoms: Array


def segment_bounds(
    summed: Windows, *, dispersion: Dispersion, error_rate: float, min_windows: int
) -> list[tuple[int, int]]:
    """The segments as half-open ranges of windows, in order."""
    chrom = summed.chrom
    if len(chrom) == 0:
        return []
    starts = [0, *(np.flatnonzero(chrom[1:] != chrom[:-1]) + 1), len(chrom)]
    ranges = [(int(a), int(b)) for a, b in itertools.pairwise(starts)]
    arcs = sum((b - a) * (b - a + 1) / 2 for a, b in ranges)
    threshold = float(-ndtri(error_rate / (2 * arcs)))
    tau2 = dispersion.at(np.arange(1, int(summed.atoms.sum()) + 2)) ** 2
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        sums = _Sums(
            *(np.concatenate([[0.0], np.cumsum(values[low:high], dtype=float)])
              for values in (summed.observed, summed.expected, summed.atoms))
        )  # fmt: skip
        pieces = _divide(sums, tau2, threshold, min_windows)
        found.extend((low + a, low + b) for a, b in pieces)
    return found


def _divide(sums: _Sums, tau2: Array, threshold: float, min_windows: int) -> list[tuple[int, int]]:
    """Divide one chromosome until no arc is significant, then drop cuts that no longer are."""
    waiting = [(0, len(sums.observed) - 1)]
    cuts = {0, waiting[0][1]}
    while waiting:
        low, high = waiting.pop()
        z, i, j = best_arc(sums.observed, sums.expected, sums.atoms, tau2, low, high, min_windows)
        if z < threshold:
            continue
        inner = sorted({low, i, j, high})
        cuts.update(inner)
        waiting.extend(itertools.pairwise(inner))
    return _undo(sorted(cuts), sums, tau2, threshold)


@compiled
def best_arc(
    observed: Array, expected: Array, atoms: Array, tau2: Array, low: int, high: int, least: int
) -> tuple[float, int, int]:
    """The arc (i, j] of windows low..high that differs most from the rest: (z, i, j).

    observed, expected, atoms : (n + 1,) prefix sums; tau2 : (m,) squared over-dispersion of
    regions of 1, 2, ... atoms.  z = |r_in - r_out| / sqrt(var_in + var_out) with the variances of
    the pooled ratio r:  r / E + r^2 tau^2.  An arc and its rest hold at least ``least`` windows.
    With O and E of the whole and q = e (E - e), without a division in the loop,

        z^2 = (o E - O e)^2 / (r E q + r^2 q^2 (tau_in^2 + tau_out^2)).

    Ends j are looked at in blocks, and a block of which no arc can be better than the best is left
    out: the gap is at most that of the block's extreme sums, q (concave in e) at least that of its
    first or last end, and tau^2 at least the smallest of regions that are as small or smaller.
    """
    total_o = observed[high] - observed[low]
    total_e = expected[high] - expected[low]
    total_a = int(atoms[high] - atoms[low])
    best, best_i, best_j = 0.0, low, high
    if high - low < 2 * least or total_e <= 0:
        return best, best_i, best_j
    level = max(total_o / total_e, 0.5 / total_e)
    smallest = np.empty(total_a)
    running = tau2[0]
    for a in range(total_a):
        running = min(running, tau2[a])
        smallest[a] = running
    n_blocks = (high - low) // BLOCK + 1
    fewest, most = np.full(n_blocks, np.inf), np.full(n_blocks, -np.inf)
    for j in range(low, high + 1):
        k, gap = (j - low) // BLOCK, observed[j] * total_e - total_o * expected[j]
        fewest[k], most[k] = min(fewest[k], gap), max(most[k], gap)
    for i in range(low, high - least + 1):
        if i != low and i < low + least:
            continue
        start = observed[i] * total_e - total_o * expected[i]
        j = i + least
        while j <= high:
            k = (j - low) // BLOCK
            end = min(low + (k + 1) * BLOCK, high + 1)
            e1, e2 = expected[j] - expected[i], expected[end - 1] - expected[i]
            q = min(e1 * (total_e - e1), e2 * (total_e - e2))
            inner, outer = int(atoms[end - 1] - atoms[i]), total_a - int(atoms[j] - atoms[i])
            gap = max(most[k] - start, start - fewest[k])
            if q > 0:
                tau = smallest[inner - 1] + smallest[outer - 1]
                variance = q * (level * total_e + level * level * q * tau)
                if gap * gap <= best * variance * (1 - ROUNDING):
                    j = end
                    continue
            while j < end:
                # The rest of an arc that ends before the last window is in two parts.
                if (i == low and j == high) or (j != high and j > high - least):
                    j += 1
                    continue
                e = expected[j] - expected[i]
                q = e * (total_e - e)
                if q > 0:
                    a = int(atoms[j] - atoms[i])
                    gap = (observed[j] - observed[i]) * total_e - total_o * e
                    tau = tau2[a - 1] + tau2[total_a - a - 1]
                    variance = q * (level * total_e + level * level * q * tau)
                    if gap * gap > best * variance:
                        best, best_i, best_j = gap * gap / variance, i, j
                j += 1
    return np.sqrt(best), best_i, best_j


def _undo(cuts: list[int], sums: _Sums, tau2: Array, threshold: float) -> list[tuple[int, int]]:
    """Join neighbours whose difference alone is not significant, the weakest first."""

    def strength(k: int) -> float:
        a, b, c = cuts[k - 1], cuts[k], cuts[k + 1]
        e1, e2 = sums.expected[b] - sums.expected[a], sums.expected[c] - sums.expected[b]
        r1 = (sums.observed[b] - sums.observed[a]) / e1
        r2 = (sums.observed[c] - sums.observed[b]) / e2
        level = max((sums.observed[c] - sums.observed[a]) / (e1 + e2), 0.5 / (e1 + e2))
        n1, n2 = int(sums.atoms[b] - sums.atoms[a]), int(sums.atoms[c] - sums.atoms[b])
        variance = level / e1 + level / e2 + level**2 * (tau2[n1 - 1] + tau2[n2 - 1])
        return float(abs(r1 - r2) / np.sqrt(variance))

    cuts = list(cuts)
    while len(cuts) > 2:
        strengths = [strength(k) for k in range(1, len(cuts) - 1)]
        weakest = int(np.argmin(strengths))
        if strengths[weakest] >= threshold:
            break
        del cuts[weakest + 1]
    return list(itertools.pairwise(cuts))


def segment_table(
    summed: Windows, bounds: list[tuple[int, int]], *, dispersion: Dispersion
) -> pd.DataFrame:
    """The SEGMENTS table of given ranges of windows: sums, ratio and its 95 % interval."""
    if not bounds:
        return SEGMENTS.empty()
    low, high = (np.array(side) for side in zip(*bounds, strict=True))
    observed = np.add.reduceat(summed.observed, low)
    expected = np.add.reduceat(summed.expected, low)
    atoms = np.add.reduceat(summed.atoms, low)
    ratio = observed / expected
    half = Z95 * np.sqrt(dispersion.variance(expected, atoms, ratio))
    with np.errstate(divide="ignore"):
        log2 = np.where(ratio > 0, np.log2(ratio), np.nan)
    return pd.DataFrame(
        {
            "chrom": summed.chrom[low],
            "start": summed.start[low],
            "end": summed.end[high - 1],
            "n_bins": atoms,
            "observed": observed,
            "expected": expected,
            "ratio": ratio,
            "log2": log2,
            "low": np.maximum(ratio - half, 0.0),
            "high": ratio + half,
        }
    )
