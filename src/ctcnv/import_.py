"""Bring counts of other bins onto the atoms by overlap, without losing or doubling a fragment.

The counts of a source bin are taken as spread evenly over it. Their running total along the
chromosome is read off at the edges of the atoms and rounded there, so that every fragment falls
into one atom: neighbouring atoms share the rounded edge, and totals are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.bins import cumulative
from ctcnv.schema import chrom_key

#: Atoms may be this much narrower than the source's bins: enough for bins of unequal width, too
#: little to pretend a resolution that the counts do not have.
FINEST = 2.0

#: Counts of a bin beyond it are none: the sum over a genome must fit in 64 bits.
MOST = 1e12


@dataclass(frozen=True)
class Imported:
    """Counts on the atoms, and what did not fit."""

    values: NDArray[np.int64]
    same_bins: bool
    outside: int  # counts of sequences, or of regions, without an atom
    absent: tuple[str, ...]  # chromosomes of the atoms that the source does not have
    uncovered: int  # atoms, but the last of each chromosome, less than half covered by source bins


def check_source(source: pd.DataFrame) -> pd.DataFrame:
    """The source with rows sorted by start within each sequence, and its counts as integers.

    ``source`` has chrom, start, end and value. Raises ValueError that names the row (from 1, in
    the order given) of an empty or overlapping region, or of a value that is not a count.
    """
    value = source["value"].to_numpy(dtype=float)
    start, end = source["start"].to_numpy(), source["end"].to_numpy()
    rounded = np.where(np.isfinite(value), np.floor(value), -1)
    for wrong, message in (
        (end <= start, "the region is empty"),
        (np.isnan(value), "the count is missing; give every row a number, or leave the row out"),
        (value < 0, "the count is negative"),
        (rounded != value, "the count is not a whole number; give raw counts, not corrected ones"),
        (value > MOST, "the count is larger than any that sequencing gives"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"row {row + 1} {_region(source, row)} ({value[row]:g}): {message}")
    keys = source["chrom"].map(lambda name: chrom_key(str(name)))
    ordered = source.assign(value=rounded.astype(np.int64), key=keys, row=np.arange(len(source)))
    ordered = ordered.sort_values(["key", "start"], kind="stable")
    same = ordered["key"].to_numpy()[1:] == ordered["key"].to_numpy()[:-1]
    overlap = same & (ordered["start"].to_numpy()[1:] < ordered["end"].to_numpy()[:-1])
    if overlap.any():
        first = int(np.flatnonzero(overlap)[0])
        one, other = (int(ordered["row"].iloc[first + i]) for i in (0, 1))
        raise ValueError(
            f"rows {one + 1} and {other + 1} overlap ({_region(source, one)} and "
            f"{_region(source, other)}); each base may be in one row"
        )
    return ordered


def _region(source: pd.DataFrame, row: int) -> str:
    chrom, start, end = (source[name].iloc[row] for name in ("chrom", "start", "end"))
    return f"{chrom}:{start}-{end}"


def rebin(source: pd.DataFrame, atoms: pd.DataFrame) -> Imported:
    """Counts of the source on the atoms (chrom, start, end), by overlap.

    ``source`` as :func:`check_source` gives it. Raises ValueError when no chromosome is shared,
    or when the atoms are more than :data:`FINEST` times narrower than the source's bins.
    """
    parts = dict(iter(source.groupby("key", sort=False)))
    names = [str(name) for name in atoms["chrom"].unique()]
    shared = [name for name in names if chrom_key(name) in parts]
    if not shared:
        raise ValueError(
            f"none of its sequences ({sorted(map(str, parts))[:3]}) is in the bins ({names[:3]})"
        )
    used = source["key"].isin([chrom_key(name) for name in shared])
    width = float((source["end"] - source["start"])[used].median())
    wanted = float((atoms["end"] - atoms["start"])[atoms["chrom"].isin(shared)].median())
    if width > FINEST * wanted:
        raise ValueError(
            f"its bins are {width:,.0f} bp wide and the atoms {wanted:,.0f} bp; counts cannot be "
            f"made finer, use bins of {width:,.0f} bp or more"
        )
    values = np.zeros(len(atoms), dtype=np.int64)
    covered = np.zeros(len(atoms))
    same_bins = len(atoms) == int(used.sum())
    for name in shared:
        part = parts[chrom_key(name)]
        start, end = part["start"].to_numpy(), part["end"].to_numpy()
        rows = np.flatnonzero((atoms["chrom"] == name).to_numpy())
        left, right = (atoms[side].to_numpy()[rows] for side in ("start", "end"))
        same_bins &= np.array_equal(start, left) and np.array_equal(end, right)
        counts = part["value"].to_numpy(dtype=float)
        # Each edge is rounded once, whichever atom it belongs to.
        at_left, at_right = (np.rint(cumulative(start, end, counts, at)) for at in (left, right))
        values[rows] = (at_right - at_left).astype(np.int64)
        bases = (end - start).astype(float)
        covered[rows] = (
            cumulative(start, end, bases, right) - cumulative(start, end, bases, left)
        ) / (right - left)
        covered[rows[-1]] = 1.0  # the last atom of a wig reaches beyond its chromosome
    present = atoms["chrom"].isin(shared).to_numpy()
    return Imported(
        values=values,
        same_bins=bool(same_bins),
        outside=int(source["value"].sum()) - int(values.sum()),
        absent=tuple(name for name in names if name not in shared),
        uncovered=int((present & (covered < 0.5)).sum()),
    )
