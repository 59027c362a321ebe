"""Profiles made small enough to be drawn: windows of atoms, and the genome laid out on a line.

Nothing here decides anything; calls are made from the atoms and segments themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.schema import CHROMOSOMES, chrom_key, is_autosome

#: Copies of an autosome in a normal cell.
NORMAL_COPIES = 2.0
#: A segment is coloured when its interval keeps this distance from the sample's common level.
OFF_LEVEL = 0.01
#: Share of a window's atoms that must be used for it to be drawn; fewer would show noise.
MIN_USED = 0.25
#: Half the neighbourhood of a gene as a share of its chromosome: 2.5 Mb on human chromosome 17.
NEIGHBOURHOOD = 0.03
#: Atoms that a neighbourhood shows on either side at the least, for coarse atoms.
MIN_ATOMS = 25
#: Points that a shallow library is still drawn with, however noisy they are.
MIN_POINTS = 12
#: Widths of the amplicon that are shown on either side of it at the least.
AMPLICON_WIDTHS = 2.5
#: Copies at which a copy-number axis may carry a tick; equal steps would crowd its upper end.
TICKS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0,
         96.0, 128.0, 256.0, 512.0)  # fmt: skip


@dataclass(frozen=True)
class Genome:
    """Chromosomes in drawing order, with their lengths and their starts on one line."""

    names: tuple[str, ...]
    lengths: tuple[int, ...]

    @property
    def total(self) -> int:
        """Length of all chromosomes in bp."""
        return sum(self.lengths)

    def offset(self, name: str) -> int:
        """Where a chromosome starts on the line, in bp; ValueError when it is not drawn."""
        return sum(self.lengths[: self.names.index(name)])

    def length(self, name: str) -> int:
        """Length of a chromosome in bp; ValueError when it is not drawn."""
        return self.lengths[self.names.index(name)]


def genome(profiles: Sequence[pd.DataFrame]) -> Genome:
    """The chromosomes that any of the profiles uses; all of them when none uses any."""
    ends: dict[str, int] = {}
    used: set[str] = set()
    for profile in profiles:
        for chrom, part in profile.groupby("chrom", sort=False):
            name = chrom_key(str(chrom))
            ends[name] = max(ends.get(name, 0), int(part["end"].max()))
            if (part["expected"] > 0).any():
                used.add(name)
    shown = [name for name in ends if name in used or not used]
    rank = {name: index for index, name in enumerate(CHROMOSOMES)}
    shown.sort(key=lambda name: rank.get(name, len(rank)))
    return Genome(tuple(shown), tuple(ends[name] for name in shown))


def windows(profile: pd.DataFrame, *, atoms: int, min_used: float = MIN_USED) -> pd.DataFrame:
    """Groups of neighbouring atoms of one chromosome: chrom, start, end, observed, expected, pcn.

    ``pcn`` is normal_copies * sum(observed) / sum(expected) over the atoms that are used, NaN where
    fewer than ``min_used`` of a window's atoms are.
    """
    if profile.empty:
        return pd.DataFrame(columns=["chrom", "start", "end", "observed", "expected", "pcn"])
    codes, names = pd.factorize(profile["chrom"])
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    within = np.arange(len(codes)) - np.repeat(first, np.diff(np.append(first, len(codes))))
    starts = np.flatnonzero((within % atoms) == 0)
    expected = profile["expected"].to_numpy(dtype=float)
    used = expected > 0
    total = np.add.reduceat(np.where(used, expected, 0.0), starts)
    observed = np.add.reduceat(np.where(used, profile["observed"].to_numpy(dtype=float), 0), starts)
    share = np.add.reduceat(used.astype(float), starts) / np.diff(np.append(starts, len(codes)))
    shown = (share >= min_used) & (total > 0)
    stops = np.append(starts[1:], len(codes)) - 1
    normal = np.maximum.reduceat(profile["normal_copies"].to_numpy(dtype=float), starts)
    return pd.DataFrame({
        "chrom": [chrom_key(str(name)) for name in names[codes[starts]]],
        "start": profile["start"].to_numpy()[starts],
        "end": profile["end"].to_numpy()[stops],
        "observed": observed,
        "expected": np.where(shown, total, np.nan),
        "pcn": np.where(shown, normal * observed / np.where(shown, total, 1.0), np.nan),
    })  # fmt: skip


def normal_copies(profile: pd.DataFrame) -> dict[str, float]:
    """Copies that a normal cell of the sample's sex has of each chromosome."""
    return {
        chrom_key(str(chrom)): float(copies)
        for chrom, copies in profile.groupby("chrom", sort=False)["normal_copies"].max().items()
    }


def shown_segments(profile: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """The segments with a known ratio on the scale of copies: chrom start end pcn low high side.

    ``side`` is above or below where the whole interval lies off the ratio that most of the
    autosomes share (their median by atoms), else level. That ratio need not be 1: in a tumor with
    many gains the unchanged rest lies below the mean.
    """
    kept = segments[segments["ratio"].notna()].reset_index(drop=True)
    names = kept["chrom"].map(lambda name: chrom_key(str(name))).astype(object)
    normal = names.map(normal_copies(profile)).astype(float)
    auto = kept[is_autosome(kept["chrom"])] if len(kept) else kept
    level = 1.0
    if auto["n_bins"].sum() > 0:
        order = auto.sort_values("ratio", kind="stable")
        half = order["n_bins"].cumsum().searchsorted(order["n_bins"].sum() / 2)
        level = float(order["ratio"].iloc[int(half)])
    side = np.where(
        kept["low"] > level * (1 + OFF_LEVEL),
        "above",
        np.where(kept["high"] < level * (1 - OFF_LEVEL), "below", "level"),
    )
    return pd.DataFrame({
        "chrom": names, "start": kept["start"], "end": kept["end"], "pcn": normal * kept["ratio"],
        "low": normal * kept["low"], "high": normal * kept["high"], "side": side,
    })  # fmt: skip


def rows(frame: pd.DataFrame) -> list[Any]:
    """The rows as named tuples; typed loosely, because a column's kind is the schema's matter."""
    return list(frame.itertuples(index=False))


def atoms_per_window(n_atoms: int, *, at_most: int) -> int:
    """How many atoms to join so that about ``at_most`` windows remain."""
    return max(1, math.ceil(n_atoms / at_most))


def atoms_for_points(atoms: pd.DataFrame, *, at_most: int, fragments: float) -> int:
    """How many atoms to join so that a point holds enough expected fragments to tell something.

    At most ``at_most`` points remain, and no fewer than a dozen however shallow the library is.
    """
    used = atoms["expected"][atoms["expected"] > 0]
    needed = math.ceil(fragments / float(used.median())) if len(used) else 1
    return max(
        atoms_per_window(len(atoms), at_most=at_most), min(needed, max(1, len(atoms) // MIN_POINTS))
    )


def region(frame: pd.DataFrame, chrom: str, start: int, end: int) -> pd.DataFrame:
    """The rows that overlap a region, for names with or without ``chr``."""
    wanted = [name for name in frame["chrom"].unique() if chrom_key(str(name)) == chrom_key(chrom)]
    inside = frame["chrom"].isin(wanted) & (frame["end"] > start) & (frame["start"] < end)
    return frame[inside]


def neighbourhood(profile: pd.DataFrame, gene: pd.Series) -> tuple[int, int]:
    """The stretch of chromosome that shows a gene's amplicon and enough of what surrounds it."""
    atoms = region(profile, str(gene["chrom"]), 0, np.iinfo(np.int64).max)
    if atoms.empty:
        return int(gene["start"]), int(gene["end"])
    length = int(atoms["end"].max())
    atom = int(np.median(atoms["end"] - atoms["start"]))
    width = 0 if pd.isna(gene["width"]) else int(gene["width"])
    half = max(
        int(NEIGHBOURHOOD * length), MIN_ATOMS * atom, int(AMPLICON_WIDTHS * width)
    )  # fmt: skip
    middle = (int(gene["start"]) + int(gene["end"])) // 2
    return max(0, middle - half), min(length, middle + half)


def copy_range(
    values: Sequence[NDArray[np.float64]], marks: Sequence[float]
) -> tuple[float, float]:
    """Limits of a log copy-number axis: nearly all points, and every mark (segments, genes)."""
    points = np.concatenate([np.asarray(part, dtype=float) for part in values] or [np.empty(0)])
    points = points[np.isfinite(points) & (points > 0)]
    kept = [mark for mark in marks if math.isfinite(mark) and mark > 0]
    low, high = 1.5, 2.7  # copies; never narrower, so that noise does not look like change
    if points.size:
        low = min(low, float(np.percentile(points, 0.5)))
        high = max(high, float(np.percentile(points, 99.5)))
    if kept:
        low, high = min(low, *kept), max(high, *kept)
    return max(low, 0.4) / 1.08, high * 1.12


def copy_ticks(low: float, high: float, *, room: float, gap: float) -> list[float]:
    """Ticks of a log copy-number axis of ``room`` pixels, at least ``gap`` apart, always with 2."""
    per_log2 = room / math.log2(high / low)
    chosen = [NORMAL_COPIES]

    # doublings first, then the values between them
    def preference(tick: float) -> tuple[bool, float]:
        return not math.log2(tick).is_integer(), abs(math.log2(tick / NORMAL_COPIES))

    for tick in sorted(TICKS, key=preference):
        if low <= tick <= high and all(
            abs(math.log2(tick / other)) * per_log2 >= gap for other in chosen
        ):
            chosen.append(tick)
    return sorted(chosen)
