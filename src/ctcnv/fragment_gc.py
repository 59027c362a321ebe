"""GC of whole fragments: how many were seen of each GC, and how many could have been.

The GC of a fragment is that of the reference between its ends (Benjamini and Speed 2012, Nucleic
Acids Res 40:e72). It is read from running sums of G and C over a stretch of the reference, which
cost the same whatever the number and the length of the fragments.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.bins import BASE_KIND, CALLED, GC
from ctcnv.compiled import compiled
from ctcnv.count import Atoms, Batch

Ints = NDArray[np.int64]
#: Number of a sequence in the header, start and end -> its bases as bytes.
Fetch = Callable[[int, int, int], NDArray[np.uint8]]

#: Stretch of the reference whose running sums are held at once: 8 MB.
STRETCH_BP = 1_000_000
#: Lengths, in turn, of the fragments that could have been: around the commonest of cfDNA, 167 bp, a
#: nucleosome and its linker (Snyder 2016, Cell 164:57). Of one length some per cent of GC would
#: have two numbers of bases and others one.
LENGTHS_BP = np.arange(167 - 33, 167 + 34, dtype=np.int64)
#: Distance of the places of such fragments: 60 million in a genome, so that a share of 0.001 is
#: known to some thousandths of itself.
EVERY_BP = 50


class FragmentGc:
    """The histogram of the fragments of a library by GC, in per cent.

    Reads may come in any order, but each stretch of the reference is read anew when it is met
    again: in the order of the reference each is read once.
    """

    def __init__(self, atoms: Atoms, *, longest: int, fetch: Fetch) -> None:
        """Take the atoms, the longest fragment that is used (bp), and what gives the bases."""
        self._atoms, self._longest, self._fetch = atoms, longest, fetch
        self._fragments, self._places = np.zeros(101, np.int64), np.zeros(101, np.int64)
        self._met: set[tuple[int, int]] = set()
        self._held: tuple[int, int] | None = None
        self._sums = np.zeros(1, np.int32), np.zeros(1, np.int32)

    def add(self, batch: Batch, used: NDArray[np.bool_]) -> None:
        """Add the used fragments of a batch of paired records; one over an unknown base is not."""
        tid = batch.tid[used].astype(np.int64)
        start = np.minimum(batch.pos, batch.mpos)[used].astype(np.int64)
        end = start + np.abs(batch.tlen[used].astype(np.int64))
        order = np.lexsort((start, tid))
        tid, start, end = tid[order], start[order], end[order]
        stretch = start // STRETCH_BP
        edges = np.flatnonzero((np.diff(tid) != 0) | (np.diff(stretch) != 0)) + 1
        bounds = [0, *edges.tolist(), len(tid)]
        for low, high in itertools.pairwise(bounds):
            if low < high:
                origin = self._hold(int(tid[low]), int(stretch[low]))
                self._fragments += self._histogram(start[low:high] - origin, end[low:high] - origin)

    def table(self) -> pd.DataFrame:
        """The FRAGMENT_GC table; reads what no fragment has met of the reference.

        ratio : share of the fragments over share of the places; NaN where there is no place.
        """
        for tid in np.flatnonzero(self._atoms.offset >= 0).tolist():
            for stretch in range(-(-int(self._atoms.length[tid]) // STRETCH_BP)):
                if (tid, stretch) not in self._met:
                    self._hold(tid, stretch)
        places = np.where(self._places > 0, self._places, np.nan)
        ratio = self._fragments / max(int(self._fragments.sum()), 1) / (places / places[
            np.isfinite(places)].sum())  # fmt: skip
        if not self._fragments.any():
            ratio = np.full(101, np.nan)
        return pd.DataFrame({"gc": np.arange(101), "fragments": self._fragments,
                             "places": self._places, "ratio": ratio})  # fmt: skip

    def _hold(self, tid: int, stretch: int) -> int:
        """Hold the running sums of a stretch; gives its first position."""
        origin = stretch * STRETCH_BP
        if self._held != (tid, stretch):
            last = min(origin + STRETCH_BP + max(self._longest, int(LENGTHS_BP[-1])),
                       int(self._atoms.length[tid]))  # fmt: skip
            self._sums = running(self._fetch(tid, origin, last), BASE_KIND)
            self._held = tid, stretch
            if (tid, stretch) not in self._met:
                self._met.add((tid, stretch))
                self._places += self._possible(tid, origin)
        return origin

    def _possible(self, tid: int, origin: int) -> Ints:
        """Typical fragments that begin in the stretch and have their middle in an atom, by GC."""
        start = np.arange(0, min(STRETCH_BP, int(self._atoms.length[tid]) - origin), EVERY_BP)
        length = LENGTHS_BP[(origin + start) // EVERY_BP % len(LENGTHS_BP)]
        middle = self._atoms.offset[tid] + origin + start + length // 2
        first = np.searchsorted(self._atoms.ends, middle[0], side="right")
        last = np.searchsorted(self._atoms.starts, middle[-1], side="right")
        inside = np.zeros(len(start), dtype=bool)
        for low, high in zip(
            np.searchsorted(middle, self._atoms.starts[first:last]),
            np.searchsorted(middle, self._atoms.ends[first:last]), strict=True,
        ):  # fmt: skip
            inside[low:high] = True
        return self._histogram(start[inside], (start + length)[inside])

    def _histogram(self, start: Ints, end: Ints) -> Ints:
        """Fragments by GC in per cent, (101,); those that leave the stretch or hold a base that is
        not called are left out."""
        gc, called = self._sums
        whole = (end < len(gc)) & (end > start)
        start, end = start[whole], end[whole]
        length = end - start
        known = called[end] - called[start] == length
        bases = (gc[end] - gc[start])[known].astype(np.int64)
        percent = (200 * bases + length[known]) // (2 * length[known])
        return np.bincount(percent, minlength=101)


@compiled
def running(
    sequence: NDArray[np.uint8], kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Running totals, from 0, of bases that are G or C and of called bases, each (n + 1,).

    sequence : (n,) letters; kinds : (256,) what each letter is, BASE_KIND.
    """
    gc, called = np.zeros(len(sequence) + 1, np.int32), np.zeros(len(sequence) + 1, np.int32)
    for i in range(len(sequence)):
        kind = kinds[sequence[i]]
        gc[i + 1] = gc[i] + (kind == GC)
        called[i + 1] = called[i] + (kind >= CALLED)
    return gc, called
