"""Count the fragments of a library per atom, and account for every read.

Paired reads: a fragment is a proper pair on one sequence. Of its two records the left one stands
for it (at equal positions the first mate), so that a fragment is counted once and alike from BAM
and CRAM; it begins at the smaller position, is |TLEN| long and belongs to the atom of its
midpoint. Single-end reads: a read stands for its fragment, at the middle of the bases of the
reference that it spans; its length is not known.

The filters act in the order of :data:`FILTERS`; a read is counted under the first that applies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.model import CountSettings
from ctcnv.schema import LENGTHS, chrom_key

Ints = NDArray[np.int64]

#: What can become of a read, in the order in which the filters act.
FILTERS = (
    "unmapped",  # no position
    "secondary",
    "supplementary",
    "qc_fail",
    "duplicate",
    "low_mapq",  # below min_mapq
    "not_proper_pair",  # paired libraries: unpaired, not proper, or mates on two sequences
    "mate",  # the other record of a fragment
    "other_contig",  # its midpoint lies in no atom
    "length",  # below min_length or above max_length; not for single-end
    "used",
)

# SAM flags
PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED = 0x1, 0x2, 0x4, 0x8
READ1, READ2 = 0x40, 0x80
SECONDARY, QC_FAIL, DUPLICATE, SUPPLEMENTARY = 0x100, 0x200, 0x400, 0x800
_FLAG_FILTERS = UNMAPPED | SECONDARY | SUPPLEMENTARY | QC_FAIL | DUPLICATE

#: Reads that pass the flag filters and decide whether a library is single-end.
LAYOUT_READS = 10_000
#: Last row of the length histogram, bp; longer fragments are in it too.
LONGEST = 1000


@dataclass(frozen=True)
class Batch:
    """Records as arrays of equal length: what counting needs of each, as in the BAM format.

    ``tid`` and ``mtid`` are numbers of sequences in the header, -1 for none; ``end`` is the end of
    the reference bases that the read spans (``pos`` for none).
    """

    flag: NDArray[np.uint16]
    tid: NDArray[np.int32]
    pos: NDArray[np.int32]
    mapq: NDArray[np.uint8]
    mtid: NDArray[np.int32]
    mpos: NDArray[np.int32]
    tlen: NDArray[np.int32]
    end: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.flag)


@dataclass(frozen=True)
class Counts:
    """What was counted: per atom, per length, per filter, and how the library was read."""

    fragments: Ints
    short: Ints | None
    lengths: Ints | None
    reads: dict[str, int]
    single_end: bool

    def lengths_table(self) -> pd.DataFrame:
        """The histogram of fragment lengths, empty for single-end libraries."""
        if self.lengths is None:
            return LENGTHS.empty()
        return pd.DataFrame({"length": np.arange(len(self.lengths)), "fragments": self.lengths})

    def reads_table(self) -> pd.DataFrame:
        """Every read accounted for, in the order of the filters."""
        return pd.DataFrame({"filter": list(FILTERS), "reads": [self.reads[f] for f in FILTERS]})


class Atoms:
    """Finds the atom of a position; the atoms are sorted and free of overlaps per chromosome."""

    def __init__(self, frame: pd.DataFrame, contigs: dict[str, int]) -> None:
        """Take the atoms and the sequences of the header, name to length in header order.

        Chromosomes are laid end to end in the order of the atoms, so that one sorted search serves
        all of them.
        """
        numbers = {name: tid for tid, name in enumerate(contigs)}
        self.size = len(frame)
        chrom = frame["chrom"]
        if int((chrom != chrom.shift()).sum()) != chrom.nunique():
            raise ValueError("bins of a chromosome do not follow each other; make the bins again")
        self._offset = np.full(len(contigs), -1, dtype=np.int64)
        self._length = np.zeros(len(contigs), dtype=np.int64)
        starts, ends, offset = [], [], 0
        for name, part in frame.groupby("chrom", sort=False, observed=True):
            start, end = (part[side].to_numpy(dtype=np.int64) for side in ("start", "end"))
            if (start[1:] < end[:-1]).any() or (end <= start).any():
                raise ValueError(f"bins of {name} overlap or are not sorted")
            contig = find_contig(str(name), contigs)
            if contig is not None:
                self._offset[numbers[contig]], self._length[numbers[contig]] = offset, end[-1]
            starts.append(start + offset)
            ends.append(end + offset)
            offset += int(end[-1])
        self._starts = np.concatenate(starts)
        self._ends = np.concatenate(ends)

    def find(self, tid: NDArray[np.int32], position: Ints) -> Ints:
        """The atom of each position, -1 for none; shapes (n,)."""
        inside = (self._offset[tid] >= 0) & (position < self._length[tid])
        place = np.where(inside, self._offset[tid] + position, 0)
        atom = np.searchsorted(self._starts, place, side="right") - 1
        return np.where(inside & (atom >= 0) & (place < self._ends[atom]), atom, -1)


def find_contig(name: str, contigs: Collection[str]) -> str | None:
    """The sequence of a header that is this chromosome: of this very name, else of this key."""
    if name in contigs:
        return name
    return next((other for other in contigs if chrom_key(other) == chrom_key(name)), None)


def check_contigs(ends: dict[str, int], contigs: dict[str, int], *, widths: dict[str, int]) -> None:
    """Refuse reads aligned to another genome than that of the bins.

    ``ends`` is the end of each chromosome's last atom, ``contigs`` the lengths in the header and
    ``widths`` how far the two may lie apart: 0 for bins of a FASTA, a bin's width for bins of a
    wig, whose last one does not end with the chromosome. Raises ValueError that names the first
    chromosome that differs.
    """
    remedy = "use the reference the reads were aligned to (reference.fasta), or align them again"
    for name, end in ends.items():
        contig = find_contig(name, contigs)
        if contig is None:
            raise ValueError(f"chromosome {name} of the bins is not in its header; {remedy}")
        length = contigs[contig]
        if abs(length - end) > widths[name]:
            raise ValueError(
                f"{name} is {length:,} bp long in its header but the bins end at {end:,}: "
                f"another genome; {remedy}"
            )


def count(
    batches: Iterable[Batch],
    frame: pd.DataFrame,
    contigs: dict[str, int],
    settings: CountSettings,
) -> Counts:
    """Count the fragments of the records per atom of ``frame``.

    The length histogram holds the fragments that pass every filter but that of length.
    """
    atoms = Atoms(frame, contigs)
    rows = len(FILTERS)
    fragments, short = np.zeros(atoms.size, np.int64), np.zeros(atoms.size, np.int64)
    lengths, reads = np.zeros(LONGEST + 1, np.int64), np.zeros(rows, np.int64)
    single_end, batches = _layout(batches, settings.single_end)
    for batch in batches:
        length = np.abs(batch.tlen.astype(np.int64))
        if single_end:
            middle = (batch.pos.astype(np.int64) + batch.end) // 2
        else:
            middle = np.minimum(batch.pos, batch.mpos) + length // 2
        fate = _shared_filters(batch, settings, single_end=single_end)
        left = np.flatnonzero(fate == rows)  # np.select's default: no filter has taken it yet
        atom = atoms.find(batch.tid[left], middle[left])
        inside = atom >= 0
        fate[left[~inside]] = FILTERS.index("other_contig")
        left, atom = left[inside], atom[inside]
        size = length[left]
        if single_end:
            kept = np.ones(len(left), dtype=bool)
        else:
            lengths += np.bincount(np.minimum(size, LONGEST), minlength=LONGEST + 1)
            kept = (size >= settings.min_length) & (size <= settings.max_length)
        fate[left] = np.where(kept, FILTERS.index("used"), FILTERS.index("length"))
        fragments += np.bincount(atom[kept], minlength=atoms.size)
        is_short = kept & (size >= settings.short_min) & (size <= settings.short_max)
        short += np.bincount(atom[is_short], minlength=atoms.size)
        reads += np.bincount(fate, minlength=rows)
    return Counts(
        fragments=fragments,
        short=None if single_end else short,
        lengths=None if single_end else lengths,
        reads=dict(zip(FILTERS, reads.tolist(), strict=True)),
        single_end=single_end,
    )


def _shared_filters(batch: Batch, settings: CountSettings, *, single_end: bool) -> Ints:
    """The first filter before position and length that takes each record; len(FILTERS) if none."""
    flag = batch.flag
    if single_end:
        improper = np.zeros(len(batch), dtype=bool)
        other = (flag & READ2) != 0
    else:
        improper = (flag & (PAIRED | PROPER | MATE_UNMAPPED)) != (PAIRED | PROPER)
        improper |= batch.mtid != batch.tid
        first = (batch.pos == batch.mpos) & ((flag & READ1) != 0)
        other = ~((batch.pos < batch.mpos) | first)
    taken = [
        ((flag & UNMAPPED) != 0) | (batch.tid < 0) | (batch.pos < 0),
        (flag & SECONDARY) != 0,
        (flag & SUPPLEMENTARY) != 0,
        (flag & QC_FAIL) != 0,
        (flag & DUPLICATE) != 0,
        batch.mapq < settings.min_mapq,
        improper,
        other,
    ]
    return np.select(taken, list(range(len(taken))), default=len(FILTERS))


def _layout(batches: Iterable[Batch], wanted: str) -> tuple[bool, Iterable[Batch]]:
    """Whether to read the library as single-end, and all batches again.

    With ``auto`` it is single-end when fewer than half of its first reads that pass the flag
    filters are paired.
    """
    if wanted not in ("auto", "true", "false"):
        raise ValueError(f"count.single_end is {wanted!r}; expected auto, true or false")
    if wanted != "auto":
        return wanted == "true", batches
    source = iter(batches)
    held: list[Batch] = []
    paired: list[NDArray[np.bool_]] = []
    seen = 0
    for batch in source:
        held.append(batch)
        passing = batch.flag[(batch.flag & _FLAG_FILTERS) == 0][: LAYOUT_READS - seen]
        paired.append((passing & PAIRED) != 0)
        seen += len(passing)
        if seen >= LAYOUT_READS:
            break

    def again() -> Iterable[Batch]:
        # Let go of each held batch, so that memory does not keep the first ones to the end.
        while held:
            yield held.pop(0)
        yield from source

    share = float(np.concatenate(paired).mean()) if seen else 1.0
    return share < 0.5, again()
