"""Count the fragments of a library per atom, and account for every read.

Paired reads: a fragment is a proper pair on one sequence. Of its two records the left one stands
for it (at equal positions the first mate), so that a fragment is counted once and alike from BAM
and CRAM; it begins at the smaller position, is |TLEN| long and belongs to the atom of its
midpoint. Single-end reads: a read stands for its fragment, at the middle of the bases of the
reference that it spans; its length is not known.

The filters act in the order of :data:`FILTERS`; a read is counted under the first that applies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.compiled import compiled
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

(_UNMAPPED, _SECONDARY, _SUPPLEMENTARY, _QC_FAIL, _DUPLICATE, _LOW_MAPQ, _NOT_PROPER_PAIR, _MATE,
 _OTHER_CONTIG, _LENGTH, _USED) = range(len(FILTERS))  # fmt: skip

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
    """Records as arrays of equal length: what counting needs of each, in the order of a BAM.

    ``tid`` and ``mtid`` are numbers of sequences in the header, -1 for none; ``end`` is the end of
    the reference bases that the read spans (``pos`` for none).
    """

    flag: NDArray[np.int32]
    tid: NDArray[np.int32]
    pos: NDArray[np.int32]
    mapq: NDArray[np.int32]
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
    """Where the atoms lie; they are sorted and free of overlaps per chromosome.

    ``offset`` and ``length``, (sequences,): where a sequence of the header begins when chromosomes
    are laid end to end, -1 for one without atoms, and where its last atom ends on it. ``starts``
    and ``ends``, (atoms,): the atoms, likewise end to end, so that one sorted search serves all.
    """

    def __init__(self, frame: pd.DataFrame, contigs: dict[str, int]) -> None:
        """Take the atoms and the sequences of the header, name to length in header order."""
        numbers = {name: tid for tid, name in enumerate(contigs)}
        self.size = len(frame)
        chrom = frame["chrom"].to_numpy(dtype=object)
        edges = [0, *(np.flatnonzero(chrom[1:] != chrom[:-1]) + 1).tolist(), self.size]
        names = chrom[edges[:-1]].tolist()
        if len(set(names)) != len(names):
            raise ValueError("bins of a chromosome do not follow each other; make the bins again")
        self.offset = np.full(len(contigs), -1, dtype=np.int64)
        self.length = np.zeros(len(contigs), dtype=np.int64)
        self.starts = frame["start"].to_numpy(dtype=np.int64).copy()
        self.ends = frame["end"].to_numpy(dtype=np.int64).copy()
        offset = 0
        for name, (low, high) in zip(names, itertools.pairwise(edges), strict=True):
            start, end = self.starts[low:high], self.ends[low:high]
            if (start[1:] < end[:-1]).any() or (end <= start).any():
                raise ValueError(f"bins of {name} overlap or are not sorted")
            length = int(end[-1])
            contig = find_contig(str(name), contigs)
            if contig is not None:
                self.offset[numbers[contig]], self.length[numbers[contig]] = offset, length
            start += offset
            end += offset
            offset += length


def needed(frame: pd.DataFrame, settings: CountSettings) -> pd.DataFrame:
    """Where the reads lie that stand for the fragments of atoms: rows of chrom, start and end.

    A fragment belongs to the atom of its middle, and its left read may lie half of its length
    before; fragments of LONGEST are wanted too, for the histogram.
    """
    before = max(settings.max_length, 2 * LONGEST) // 2 + 1
    regions = frame[["chrom", "start", "end"]]
    return regions.assign(start=(regions["start"] - before).clip(lower=0))


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
    *,
    also: Callable[[Batch, NDArray[np.bool_]], None] | None = None,
) -> Counts:
    """Count the fragments of the records per atom of ``frame``.

    The length histogram holds the fragments that pass every filter but that of length. ``also`` is
    told of every batch of a paired library which of its records stand for a used fragment, (n,).
    """
    atoms = Atoms(frame, contigs)
    fragments, short = np.zeros(atoms.size, np.int64), np.zeros(atoms.size, np.int64)
    lengths, reads = np.zeros(LONGEST + 1, np.int64), np.zeros(len(FILTERS), np.int64)
    single_end, batches = _layout(batches, settings.single_end)
    places = (atoms.offset, atoms.length, atoms.starts, atoms.ends)
    limits = (settings.min_mapq, settings.min_length, settings.max_length, settings.short_min,
              settings.short_max)  # fmt: skip
    atom = 0
    for batch in batches:
        fields = (batch.flag, batch.tid, batch.pos, batch.mapq, batch.mtid, batch.mpos, batch.tlen,
                  batch.end)  # fmt: skip
        fates = np.empty(0 if also is None else len(batch), np.uint8)
        atom = _tally(fields, places, limits, single_end, atom, fragments, short, lengths, reads,
                      fates)  # fmt: skip
        if also is not None and not single_end:
            also(batch, fates == _USED)
    return Counts(
        fragments=fragments,
        short=None if single_end else short,
        lengths=None if single_end else lengths,
        reads=dict(zip(FILTERS, reads.tolist(), strict=True)),
        single_end=single_end,
    )


@compiled
def _tally(
    fields: tuple[NDArray[np.int32], ...],
    places: tuple[Ints, Ints, Ints, Ints],
    limits: tuple[int, int, int, int, int],
    single_end: bool,
    atom: int,
    fragments: Ints,
    short: Ints,
    lengths: Ints,
    reads: Ints,
    fates: NDArray[np.uint8],
) -> int:
    """Add the records to the four counts; gives the last atom met, where the search goes on.

    fates : what became of each record, by number of filter; not noted where it is empty.

    fields : those of :class:`Batch`. places : those of :class:`Atoms`. limits : the least mapping
    quality, and the shortest and longest fragment that is used, and that is short.
    """
    flags, tids, positions, mapqs, mtids, mpositions, tlens, ends_of_reads = fields
    offset, chrom_length, starts, ends = places
    min_mapq, min_length, max_length, short_min, short_max = limits
    for i in range(len(flags)):
        flag, tid, pos, mpos = flags[i], tids[i], positions[i], mpositions[i]
        length = abs(np.int64(tlens[i]))
        if single_end:
            middle = (np.int64(pos) + ends_of_reads[i]) // 2
        else:
            middle = min(pos, mpos) + length // 2
        if flag & UNMAPPED or tid < 0 or pos < 0:
            fate = _UNMAPPED
        elif flag & SECONDARY:
            fate = _SECONDARY
        elif flag & SUPPLEMENTARY:
            fate = _SUPPLEMENTARY
        elif flag & QC_FAIL:
            fate = _QC_FAIL
        elif flag & DUPLICATE:
            fate = _DUPLICATE
        elif mapqs[i] < min_mapq:
            fate = _LOW_MAPQ
        elif not single_end and (
            flag & (PAIRED | PROPER | MATE_UNMAPPED) != PAIRED | PROPER or mtids[i] != tid
        ):
            fate = _NOT_PROPER_PAIR
        elif (single_end and flag & READ2) or (
            not single_end and (pos > mpos or (pos == mpos and not flag & READ1))
        ):
            fate = _MATE
        elif offset[tid] < 0 or middle >= chrom_length[tid]:
            fate = _OTHER_CONTIG
        else:
            place = offset[tid] + middle
            # Reads are mostly sorted, so the atom is mostly that of the last one or the next.
            if place >= ends[atom] and atom + 1 < len(starts):
                atom += 1
            if not starts[atom] <= place < ends[atom]:
                atom = max(np.searchsorted(starts, place, side="right") - 1, 0)
            if not starts[atom] <= place < ends[atom]:
                fate = _OTHER_CONTIG
            elif single_end:
                fate = _USED
                fragments[atom] += 1
            else:
                lengths[length if length < LONGEST else LONGEST] += 1
                fate = _USED if min_length <= length <= max_length else _LENGTH
                if fate == _USED:
                    fragments[atom] += 1
                    if short_min <= length <= short_max:
                        short[atom] += 1
        reads[fate] += 1
        if len(fates):
            fates[i] = fate
    return atom


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
