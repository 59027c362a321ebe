"""Libraries summed on the same windows of the genome, so that they can be compared with each other.

The panel keeps every normal that way (table NORMALS), corrected by a panel without it; ``track``
projects them on a patient's tumor and so learns what healthy plasma looks like there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.schema import NORMALS, is_autosome, numbered

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Windows of a genome, about 1 Mb in a human: finer than any event that tells a tumor fraction,
#: and few enough for a table that holds every normal.
N_WINDOWS = 3000
#: No chromosome is as long as this, bp.
LONGEST = 1 << 40


@dataclass(frozen=True)
class Grid:
    """Windows of the autosomes in order: chrom, start, end, each (n,); 0-based, half-open, bp."""

    chrom: NDArray[np.object_]
    start: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.start)

    def subset(self, keep: Mask | Ints) -> Grid:
        """The windows where ``keep`` is true."""
        return Grid(self.chrom[keep], self.start[keep], self.end[keep])


@dataclass(frozen=True)
class Summed:
    """Libraries on a grid: used atoms, observed and expected fragments, each (libraries, n)."""

    atoms: Ints
    observed: Array
    expected: Array

    @property
    def deviation(self) -> Array:
        """observed / expected - 1, (libraries, n); NaN where nothing is expected."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.expected > 0, self.observed / self.expected - 1, np.nan)

    def subset_of(self, keep: Mask) -> Summed:
        """The libraries where ``keep`` is true."""
        return Summed(self.atoms[keep], self.observed[keep], self.expected[keep])

    def subset(self, keep: Mask | Ints) -> Summed:
        """The windows where ``keep`` is true."""
        return Summed(self.atoms[:, keep], self.observed[:, keep], self.expected[:, keep])


def grid_of(atoms: pd.DataFrame) -> Grid:
    """The windows of a table of atoms: runs of neighbouring atoms of an autosome, about
    ``N_WINDOWS`` in all, whether the atoms are used or not; the rest of a chromosome joins its
    last window."""
    rows = np.flatnonzero(is_autosome(atoms["chrom"]))
    chrom, names = numbered(atoms["chrom"])
    chrom = chrom[rows]
    size = max(1, round(len(rows) / N_WINDOWS))
    first: list[int] = []
    for code in pd.unique(chrom):
        inside = np.flatnonzero(chrom == code)
        whole = max(1, len(inside) // size) * size
        first.extend(range(int(inside[0]), int(inside[0]) + whole, size))
    at = np.array(first, dtype=np.int64)
    last = np.append(at[1:], len(rows)) - 1 if len(at) else at
    start = atoms["start"].to_numpy(dtype=np.int64)[rows]
    end = atoms["end"].to_numpy(dtype=np.int64)[rows]
    return Grid(names[chrom[at]], start[at], end[last])


def window_of(atoms: pd.DataFrame, grid: Grid) -> Ints:
    """The window in which each atom begins, (atoms,); -1 outside of all."""
    if len(grid) == 0:
        return np.full(len(atoms), -1, dtype=np.int64)
    chrom, names = numbered(atoms["chrom"])
    number = {name: i for i, name in enumerate(names)}
    code, of_grid = numbered(grid.chrom)
    of_grid = np.array([number.get(name, len(names)) for name in of_grid], dtype=np.int64)[code]
    # chromosomes laid end to end, so that one sorted search serves all
    place = chrom * LONGEST + atoms["start"].to_numpy(dtype=np.int64)
    order = None if (place[1:] >= place[:-1]).all() else np.argsort(place, kind="stable")
    ranked = place if order is None else place[order]
    low, high = (np.searchsorted(ranked, of_grid * LONGEST + side)
                 for side in (grid.start, grid.end))  # fmt: skip
    held = np.maximum(high - low, 0)
    before = np.cumsum(held) - held
    row = np.repeat(low - before, held) + np.arange(int(held.sum()))
    found = np.full(len(atoms), -1, dtype=np.int64)
    found[row if order is None else order[row]] = np.repeat(np.arange(len(grid)), held)
    return found


def sums(profile: pd.DataFrame, window: Ints, n: int) -> Summed:
    """One library on n windows, (1, n); ``window`` is that of each atom, -1 where it does not count
    beside those without an expectation."""
    atoms, seen, wanted = sums_of(
        window, n, profile["observed"].to_numpy(dtype=float),
        profile["expected"].to_numpy(dtype=float),
    )  # fmt: skip
    return Summed(atoms[None, :], seen[None, :], wanted[None, :])


@compiled
def sums_of(window: Ints, n: int, observed: Array, expected: Array) -> tuple[Ints, Array, Array]:
    """Atoms with an expectation in each of n windows, and their sums of both, each (n,)."""
    atoms, seen, wanted = np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n)
    for i in range(len(window)):
        if window[i] >= 0 and 0 < expected[i] < np.inf:
            atoms[window[i]] += 1
            seen[window[i]] += observed[i]
            wanted[window[i]] += expected[i]
    return atoms, seen, wanted


def common(pon: pd.DataFrame) -> tuple[Grid, Ints]:
    """The windows on which libraries of a panel are compared, and that of each atom, -1 outside.

    Only atoms that the panel uses are in a window, so that the sums are of the same atoms as a
    sample's.
    """
    grid = grid_of(pon)
    return grid, np.where(pon["factor"].notna().to_numpy(dtype=bool), window_of(pon, grid), -1)


def together(profiles: Iterable[pd.DataFrame], pon: pd.DataFrame) -> tuple[Grid, Summed]:
    """Profiles, one or more with rows as in ``pon``, on common windows."""
    grid, window = common(pon)
    each = [sums(profile, window, len(grid)) for profile in profiles]
    return covered(grid, stacked((one.atoms[0], one.observed[0], one.expected[0]) for one in each))


def stacked(each: Iterable[tuple[Ints, Array, Array]]) -> Summed:
    """Libraries, one or more, by their ``sums_of`` the windows."""
    return Summed(*(np.stack(side) for side in zip(*each, strict=True)))


def covered(grid: Grid, summed: Summed) -> tuple[Grid, Summed]:
    """The windows with an atom in any library."""
    seen = summed.atoms.sum(axis=0) > 0
    return grid.subset(seen), summed.subset(seen)


def among(window: Ints, keep: Mask) -> Ints:
    """Windows of atoms, (atoms,), by their number among those that are kept, -1 outside."""
    if keep.all():
        return window
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    return np.asarray(np.append(number, -1)[window])  # the last is for -1: outside


def table(left: Mapping[str, pd.DataFrame], pon: pd.DataFrame) -> pd.DataFrame:
    """The NORMALS table from profiles that were each corrected by a panel without their own.

    left : by name, rows as in ``pon``.
    """
    if not left:
        return NORMALS.empty()
    return frame(list(left), *together(left.values(), pon))


def frame(names: Sequence[str], grid: Grid, summed: Summed) -> pd.DataFrame:
    """The NORMALS table of libraries on common windows, in their order."""
    parts = [
        pd.DataFrame(
            {
                "sample": name, "chrom": grid.chrom, "start": grid.start, "end": grid.end,
                "atoms": summed.atoms[i], "observed": summed.observed[i].astype(np.int64),
                "expected": summed.expected[i],
            }
        )
        for i, name in enumerate(names)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def read(table: pd.DataFrame) -> tuple[list[str], Grid, Summed]:
    """Names, windows and sums of a NORMALS table.

    Raises ValueError when the normals are not all on the same windows.
    """
    names = list(dict.fromkeys(table["sample"]))
    if not names:
        none = np.zeros((0, 0))
        return [], Grid(np.array([], object), np.array([], np.int64), np.array([], np.int64)), (
            Summed(none.astype(np.int64), none, none))  # fmt: skip
    first = table[table["sample"] == names[0]]
    n = len(first)
    grid = Grid(first["chrom"].to_numpy(dtype=object), first["start"].to_numpy(dtype=np.int64),
                first["end"].to_numpy(dtype=np.int64))  # fmt: skip
    expected_names = np.repeat(np.array(names, dtype=object), n)
    regular = len(table) == n * len(names) and (table["sample"].to_numpy() == expected_names).all()
    for column, values in (("chrom", grid.chrom), ("start", grid.start), ("end", grid.end)):
        regular = regular and bool((table[column].to_numpy() == np.tile(values, len(names))).all())
    if not regular:
        raise ValueError(
            "the table of normals does not have the same windows for every normal, in one order; "
            "make it again with ctcnv pon"
        )

    shape = (len(names), n)
    return (
        names,
        grid,
        Summed(
            table["atoms"].to_numpy(dtype=np.int64).reshape(shape),
            table["observed"].to_numpy(dtype=float).reshape(shape),
            table["expected"].to_numpy(dtype=float).reshape(shape),
        ),
    )
