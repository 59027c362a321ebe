"""Cut a reference into atoms and measure each: GC, callable share, mappability, usable or not.

An atom is a fixed bin. GC is taken over the called bases (A, C, G, T of either case), the callable
share over the atom's bases: called and not excluded. Mappability is the mean of the track over the
called bases, where a base that the track leaves out counts as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.schema import CHROMOSOMES, chrom_key

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Intervals = tuple[Ints, Ints]

CALLED, GC = 1, 2
#: What a byte of sequence is: 0 not called, 1 A or T, 2 G or C.
BASE_KIND = np.zeros(256, dtype=np.uint8)
BASE_KIND[np.frombuffer(b"ACGTacgt", dtype=np.uint8)] = CALLED
BASE_KIND[np.frombuffer(b"CGcg", dtype=np.uint8)] = GC


def main_chromosomes(lengths: Mapping[str, int]) -> dict[str, int]:
    """Chromosomes 1-22, X and Y of a reference, in this order, under the reference's own names.

    Raises ValueError when there is none, or when two sequences are the same chromosome.
    """
    by_key: dict[str, str] = {}
    for name in lengths:
        key = chrom_key(name)
        if key in CHROMOSOMES:
            if key in by_key:
                raise ValueError(
                    f"{by_key[key]!r} and {name!r} are the same chromosome; keep one of them"
                )
            by_key[key] = name
    if not by_key:
        raise ValueError(
            f"none of its sequences is a human chromosome (1-22, X, Y); "
            f"its first are {list(lengths)[:3]}"
        )
    return {by_key[key]: lengths[by_key[key]] for key in CHROMOSOMES if key in by_key}


def cut(length: int, *, size_bp: int) -> Intervals:
    """Starts and ends of the atoms of one chromosome; the last one may be shorter."""
    starts = np.arange(0, length, size_bp, dtype=np.int64)
    return starts, np.minimum(starts + size_bp, length)


def composition(
    blocks: Iterable[tuple[int, NDArray[np.uint8]]], length: int, *, size_bp: int,
    excluded: Intervals | None = None,
) -> tuple[Ints, Ints, Ints]:  # fmt: skip
    """Called bases, G and C bases, and called bases that are not excluded, per atom.

    ``blocks`` are (start, sequence bytes), each starting at the start of an atom; ``excluded`` is
    sorted and free of overlaps.
    """
    n_bins = -(-length // size_bp)
    called, gc, kept = (np.zeros(n_bins, dtype=np.int64) for _ in range(3))
    for start, sequence in blocks:
        first = start // size_bp
        part = slice(first, first + -(-len(sequence) // size_bp))
        kind = BASE_KIND[sequence]
        called[part] = _per_atom(kind >= CALLED, size_bp)
        gc[part] = _per_atom(kind == GC, size_bp)
        if excluded is None:
            kept[part] = called[part]
            continue
        low = np.searchsorted(excluded[1], start, side="right")
        high = np.searchsorted(excluded[0], start + len(sequence), side="left")
        for i in range(low, high):
            kind[max(excluded[0][i] - start, 0) : excluded[1][i] - start] = 0
        kept[part] = _per_atom(kind >= CALLED, size_bp)
    return called, gc, kept


def _per_atom(flags: NDArray[np.bool_], size_bp: int) -> NDArray[np.uint32]:
    """How many flags are set in each run of ``size_bp``; the last run may be shorter."""
    whole = len(flags) // size_bp * size_bp
    sums: NDArray[np.uint32] = flags[:whole].reshape(-1, size_bp).sum(axis=1, dtype=np.uint32)
    if whole < len(flags):
        sums = np.append(sums, np.uint32(np.count_nonzero(flags[whole:])))
    return sums


def merged(starts: Ints, ends: Ints) -> Intervals:
    """The union of intervals, sorted and free of overlaps."""
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    if not len(starts):
        return starts, reach
    opens = np.append(True, starts[1:] > reach[:-1])
    closes = np.append(opens[1:], True)
    return starts[opens], reach[closes]


def cumulative(starts: Ints, ends: Ints, amounts: Floats, at: Ints) -> Floats:
    """How much of the amounts lies left of each position, each spread evenly over its interval.

    The intervals are sorted and do not overlap. Sums over any window are differences of it.
    """
    if not len(starts):
        return np.zeros(len(at))
    knots = np.column_stack([starts, ends]).ravel()
    total = np.append(0.0, np.cumsum(amounts))
    level = np.column_stack([total[:-1], total[1:]]).ravel()
    return np.asarray(np.interp(at, knots, level), dtype=float)


def mean_mappability(
    starts: Ints, ends: Ints, called: Ints, track: tuple[Ints, Ints, Floats]
) -> Floats:
    """Mean of a track over the called bases of each atom, (n_bins,); NaN where none is called.

    Sequence that is not called has no mappability in any track, so the sum over the atom is the
    sum over its called bases; a track that says otherwise is cut at 1.
    """
    track_starts, track_ends, values = track
    amounts = values * (track_ends - track_starts)
    edges = cumulative(track_starts, track_ends, amounts, np.append(starts, ends[-1:]))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.diff(edges) / called
    return np.where(called > 0, np.clip(mean, 0.0, 1.0), np.nan)


def judge(
    frame: pd.DataFrame, *, min_callable: float, min_mappability: float,
    size_bp: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Give the atoms with ``usable`` and ``reason`` (callable, gc or mappability).

    With ``size_bp``, the callable bases are compared with a whole atom, so that the short last
    atom of a chromosome is used only when it holds enough sequence. A mappability that is not
    known leaves an atom usable; a GC that is not known does not, as nothing can be expected of it.
    """
    share = frame["callable"].to_numpy(dtype=float)
    if size_bp is not None:
        share = share * (frame["end"] - frame["start"]).to_numpy() / size_bp
    reason = np.select(
        [
            share < min_callable,
            frame["gc"].isna().to_numpy(),
            frame["mappability"].to_numpy(dtype=float) < min_mappability,
        ],
        ["callable", "gc", "mappability"],
        default="",
    )
    reasons = [text or None for text in reason.tolist()]
    return frame.assign(usable=reason == "", reason=pd.Series(reasons, dtype=object))


def ends_by_chromosome(frame: pd.DataFrame) -> dict[str, int]:
    """The end of the last atom of each chromosome, in the order of the atoms."""
    return {
        str(chrom): int(part["end"].iloc[-1])
        for chrom, part in frame.groupby("chrom", sort=False, observed=True)
    }


def place_genes(genes: pd.DataFrame, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The genes under the atoms' chromosome names, and those whose chromosome has no atom.

    Raises ValueError when a gene lies beyond the end of its chromosome.
    """
    names = {chrom_key(name): name for name in ends_by_chromosome(frame)}
    chrom = genes["chrom"].map(lambda name: names.get(chrom_key(str(name))))
    dropped = genes.loc[chrom.isna(), "gene"].tolist()
    placed = genes.assign(chrom=chrom)[chrom.notna()].reset_index(drop=True)
    beyond = placed["end"].to_numpy() > placed["chrom"].map(ends_by_chromosome(frame)).to_numpy()
    if beyond.any():
        row = placed[beyond].iloc[0]
        raise ValueError(
            f"gene {row['gene']} ends at {row['chrom']}:{row['end']}, beyond its chromosome; "
            "the gene table is of another reference"
        )
    return placed, dropped


def require_gene(gene: str, genes: pd.DataFrame, frame: pd.DataFrame) -> int:
    """How many usable atoms a gene has; ValueError that says why when it has none."""
    rows = genes[genes["gene"] == gene]
    if rows.empty:
        raise ValueError(f"{gene} is not on the gene table, or its chromosome is not in the bins")
    row = rows.iloc[0]
    atoms = frame[
        (frame["chrom"] == row["chrom"])
        & (frame["start"] < row["end"])
        & (frame["end"] > row["start"])
    ]
    usable = int(atoms["usable"].sum())
    if usable == 0:
        why = atoms["reason"].value_counts()
        listed = ", ".join(f"{name} {count}" for name, count in why.items()) or "no atom there"
        raise ValueError(
            f"{gene} ({row['chrom']}:{row['start']}-{row['end']}) has no usable atom: "
            f"{len(atoms)} atoms, not usable for {listed}; use a reference, mappability track, "
            "exclusion list or thresholds that leave it"
        )
    return usable


def summary(reasons: Sequence[str | None]) -> str:
    """How many atoms are not used and why, in words."""
    why = pd.Series(list(reasons), dtype=object).value_counts()
    parts = ", ".join(f"{name} {count:,}" for name, count in why.items())
    text = f"{int(why.sum()):,} of {len(reasons):,} atoms not usable"
    return f"{text}: {parts}" if parts else text
