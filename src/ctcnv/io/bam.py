"""Read BAM and CRAM files as batches of the fixed fields that counting needs.

A BAM is read in one pass from its first to its last byte: it needs no index and no order. Its
blocks are inflated by :mod:`ctcnv.io.bgzf`, and the records walked by a compiled loop over their
fixed fields. So are those of regions, from the first read of each, which htslib finds by the index.
A CRAM is read by htslib, without sequence and qualities, so that it needs its reference only where
reads of several sequences share a slice.

Every damage is a ValueError that names the file and where in it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.count import Batch
from ctcnv.io import bgzf
from ctcnv.io.records import BATCH, FIELDS, Header, Region, Source, header

log = logging.getLogger(__name__)

#: No record is as long as this (bytes): a longer one is damage, and is not waited for.
LONGEST_RECORD = 1 << 27
#: Nor is the text of a header.
LONGEST_HEADER = 1 << 30
#: No reference has as many sequences (drafts of large genomes have a million); their names would
#: take memory that a job does not have.
MOST_SEQUENCES = 2_000_000
#: A region is worth threads that inflate ahead of what is walked from this length on, bp.
LONG_REGION = 10_000_000
#: The fixed part of a record, bytes.
SHORTEST_RECORD = 36

Progress = Callable[[float], None]


@contextlib.contextmanager
def reads(
    path: Path, *, reference: Path | None = None, regions: pd.DataFrame | None = None,
    threads: int = 1, progress: Progress | None = None,
) -> Iterator[Reads]:  # fmt: skip
    """Open a BAM or CRAM, told apart by content; ``reference`` is the FASTA of a CRAM.

    regions : rows of chrom, start and end; then only what overlaps them is read, by the index.
    Raises ValueError when the file is neither, is cut short, names no sequence or has no index.
    """
    with path.open("rb") as handle:
        magic = handle.read(18)
        if not magic:
            raise ValueError(f"{path}: empty file; copy or align it again")
        is_bam = magic[:4] == b"\x1f\x8b\x08\x04" and magic[12:14] == b"BC"
        if magic[:1] == b"@":
            raise ValueError(f"{path}: SAM text; compress it: samtools view -b -o new.bam")
        if not is_bam and magic[:4] != b"CRAM":
            raise ValueError(f"{path}: neither a BAM nor a CRAM, by its first bytes")
        if is_bam:
            size = bgzf.check_end(path, handle)
            if regions is None:
                log.info("%s: BAM, read whole by %d threads", path, threads)
                yield Reads(path, _Bam(path, handle, size, threads), progress)
                return
            from ctcnv.io import htslib

            log.info("%s: BAM, %d regions read by its index", path, len(regions))
            found = htslib.first_reads(path, regions)
            yield Reads(path, _Regions(path, handle, size, threads, found), progress)
            return
    # htslib is not loaded where it is not needed.
    from ctcnv.io import htslib

    htslib.check_end(path, path.stat().st_size)
    with htslib.opened(path, reference=reference, regions=regions, threads=threads) as source:
        how = "read whole" if regions is None else f"{len(regions)} regions read by its index"
        log.info("%s: CRAM, %s by htslib", path, how)
        yield Reads(path, source, progress)


class Reads:
    """An open BAM or CRAM: its header, and its records as batches."""

    def __init__(self, path: Path, source: Source, progress: Progress | None = None) -> None:
        self.path = path
        self.header = source.header
        self._source = source
        self._progress = progress
        if not self.header.contigs:
            raise ValueError(
                f"{path}: its header names no sequence (@SQ); it holds unaligned reads, "
                "align them to the reference"
            )

    def batches(self) -> Iterator[Batch]:
        """Every record, in the order of the file; ValueError where the file is damaged."""
        limits = np.array(list(self.header.contigs.values()), dtype=np.int64)
        before = 0
        for batch, share in self._source.batches():
            stray = _first_stray(batch.tid, batch.pos, batch.mtid, limits)
            if stray >= 0:
                raise ValueError(self._tell_stray(batch, stray, before + stray + 1))
            before += len(batch)
            if self._progress is not None:
                self._progress(share)
            yield batch

    def _tell_stray(self, batch: Batch, i: int, number: int) -> str:
        where = f"{self.path}: record {number:,} lies"
        why = "the file is damaged or its header was replaced"
        n = len(self.header.contigs)
        if not -1 <= batch.tid[i] < n or not -1 <= batch.mtid[i] < n:
            return f"{where} on a sequence that the header does not have; {why}"
        name, length = list(self.header.contigs.items())[batch.tid[i]]
        return (
            f"{where} at position {batch.pos[i] + 1:,} of {name}, which is {length:,} bp long by "
            f"the header; {why}"
        )


@compiled
def _first_stray(
    tid: NDArray[np.int32], pos: NDArray[np.int32], mtid: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> int:  # fmt: skip
    """The first record on a sequence or at a position that the header does not have; -1 for none.

    The position of a mate is not looked at: real files that were cut to a region name mates beyond
    it, and no count depends on them.
    """
    for i in range(len(tid)):
        if not -1 <= tid[i] < len(limits) or not -1 <= mtid[i] < len(limits) or pos[i] < -1:
            return i
        if tid[i] >= 0 and pos[i] >= limits[tid[i]]:
            return i
    return -1


# --- BAM ------------------------------------------------------------------------------------


class _Bam:
    """Header and records of a BAM."""

    def __init__(self, path: Path, handle: IO[bytes], size: int, threads: int) -> None:
        """Read the header; ``size`` is that of the file, bytes."""
        self._path = path
        self._size = size
        self._blocks = bgzf.blocks(path, handle, threads=threads)
        self._rest = bytearray()  # inflated bytes that follow the header
        self.header = self._read_header()

    def _take(self, n_bytes: int, buffer: bytearray) -> bytes:
        """Take bytes of the header off the buffer, filling it from the file as needed."""
        while len(buffer) < n_bytes:
            _, more = next(self._blocks, (0, None))
            if more is None:
                raise ValueError(f"{self._path}: truncated inside its header; copy it again")
            buffer += more
        taken = bytes(buffer[:n_bytes])
        del buffer[:n_bytes]
        return taken

    def _read_header(self) -> Header:
        buffer = bytearray()
        if self._take(4, buffer) != b"BAM\x01":
            raise ValueError(f"{self._path}: compressed like a BAM but holds something else")
        text = self._take(self._number(buffer, LONGEST_HEADER), buffer).rstrip(b"\0")
        contigs: dict[str, int] = {}
        n_sequences = self._number(buffer, (1 << 31) - 1)
        if n_sequences > MOST_SEQUENCES:
            raise ValueError(
                f"{self._path}: its header names {n_sequences:,} sequences, more than any "
                f"reference has ({MOST_SEQUENCES:,}); it is damaged, or align to fewer"
            )
        for _ in range(n_sequences):
            name = self._take(self._number(buffer, 1 << 16), buffer).rstrip(b"\0")
            decoded = name.decode("ascii", "replace")
            if decoded in contigs:
                raise ValueError(f"{self._path}: its header names sequence {decoded!r} twice")
            contigs[decoded] = self._number(buffer, (1 << 31) - 1)
        self._rest = buffer
        return header(contigs, text.decode("utf-8", "replace"), self._size)

    def _number(self, buffer: bytearray, limit: int) -> int:
        number = int(struct.unpack("<i", self._take(4, buffer))[0])
        if not 0 <= number <= limit:
            raise ValueError(f"{self._path}: damaged header (a length of {number}); copy it again")
        return number

    def batches(self) -> Iterator[tuple[Batch, float]]:
        """Batches of records and the share of the file behind them."""
        for fields, offset in _records(self._path, self._rest, self._blocks):
            yield Batch(*fields), offset / self._size


class _Regions:
    """Header of a sorted BAM with an index, and the records of its regions."""

    def __init__(
        self, path: Path, handle: IO[bytes], size: int, threads: int, regions: list[Region]
    ) -> None:
        """``regions`` in the order of the file, without overlaps; ``size`` is that of the file."""
        self._path = path
        self._handle = handle
        self._threads = threads
        self._regions = regions
        self.header = _Bam(path, handle, size, threads=1).header

    def batches(self) -> Iterator[tuple[Batch, float]]:
        """Batches of records and the share of the regions behind them."""
        found: list[NDArray[np.int32]] = []
        n, tid, behind = 0, -1, 0
        for number, region in enumerate(self._regions, start=1):
            first = np.array(region.first, dtype=np.int32)[:, None]
            for fields in itertools.chain([first], self._behind(region)):
                # A read that reaches into the region before has been given there.
                new = region.overlaps(fields) & ((region.tid != tid) | (fields[2] >= behind))
                found.append(fields[:, new])
                n += found[-1].shape[1]
                if n >= BATCH:
                    yield Batch(*np.hstack(found)), number / len(self._regions)
                    found, n = [], 0
            tid, behind = region.tid, region.end
        if n:
            yield Batch(*np.hstack(found)), 1.0

    def _behind(self, region: Region) -> Iterator[NDArray[np.int32]]:
        """The records behind the first one of a region, to its end or a few beyond."""
        long = region.end - region.start >= LONG_REGION
        blocks = bgzf.blocks(
            self._path, self._handle, threads=self._threads if long else 1,
            offset=region.behind >> 16, piece_bytes=None if long else bgzf.LARGEST_BLOCK,
        )  # fmt: skip
        name = list(self.header.contigs)[region.tid]
        where = f" from {name}:{region.first[2] + 1:,} on"
        with contextlib.closing(blocks):
            _, block = next(blocks, (0, bytearray()))
            rest = block[region.behind & 0xFFFF :]
            records = _records(self._path, rest, blocks, where=where, before=1, region=region)
            for fields, _ in records:
                yield fields


def _records(
    path: Path, rest: bytearray, blocks: Iterator[bgzf.Block], *, where: str = "", before: int = 0,
    region: Region | None = None,
) -> Iterator[tuple[NDArray[np.int32], int]]:  # fmt: skip
    """Fields of records, (8, n), from the bytes in ``rest`` on, and the last block they lie in.

    where, before : for messages, what their numbers count from.  region : no blocks are inflated
    behind the one with its end.
    """
    fields = np.empty((len(FIELDS), 0), dtype=np.int32)
    wanted, n, offset = 0, 0, 0
    for offset, block in itertools.chain([(0, bytearray())], blocks):
        # Most writers let no record span two blocks; then nothing is copied.
        if rest:
            rest += block
            if len(rest) < wanted:
                continue
        data = np.frombuffer(rest or block, dtype=np.uint8)
        room = n + len(data) // SHORTEST_RECORD
        if room > fields.shape[1]:
            if n:
                yield fields[:, :n], offset
            # A new array each time: who was given a batch may keep it.
            fields = np.empty((len(FIELDS), max(BATCH, room - n)), dtype=np.int32)
            before, n = before + n, 0
        n, used, damaged = _walk(data, fields, n, LONGEST_RECORD)
        if damaged:
            raise ValueError(
                f"{path}: damaged: record {before + n + 1:,}{where} is not a record (in the "
                f"block at byte {offset:,}); copy or align it again"
            )
        if region is not None and n and region.is_before(fields[:, n - 1]):
            yield fields[:, :n], offset
            return
        if used == len(data):
            rest = bytearray()
            continue
        rest = bytearray(data[used:])
        wanted = 4 + int.from_bytes(rest[:4], "little") if len(rest) >= SHORTEST_RECORD else 0
    if rest:
        raise ValueError(
            f"{path}: truncated inside record {before + n + 1:,}{where} (in the block at byte "
            f"{offset:,}); copy or align it again"
        )
    if n:
        yield fields[:, :n], offset


@compiled
def _walk(
    data: NDArray[np.uint8], fields: NDArray[np.int32], n: int, longest: int
) -> tuple[int, int, bool]:
    """Write the fixed fields of the records at the start of ``data`` behind the first n columns.

    fields : (8, m), one row per field of a batch. Gives the columns filled, the bytes used, and
    whether the next record is damaged. A record is its size and 32 bytes of fixed fields, then the
    name, the CIGAR (4 bytes per operation), the sequence (half a byte per base) and the qualities.
    The CIGAR of a mapped read describes as many bases as the sequence has, where it has one. What
    is not whole is left.
    """
    at = 0
    while at + SHORTEST_RECORD <= len(data):
        size = int(_int32(data, at))
        name = int(data[at + 12])
        cigar = int(data[at + 16]) | int(data[at + 17]) << 8
        bases = int(_int32(data, at + 20))
        if (
            size < 32
            or size > longest
            or bases < 0
            or name < 1
            or 32 + name + 4 * cigar + (bases + 1) // 2 + bases > size
        ):
            return n, at, True
        if at + 4 + size > len(data):
            break
        position = _int32(data, at + 8)
        end = int(position)
        operation = at + 36 + name
        described = 0
        for _ in range(cigar):
            word = int(np.uint32(_int32(data, operation)))
            # M, D, N, = and X move along the reference
            if (0b110001101 >> (word & 15)) & 1:
                end += word >> 4
            # M, I, S, = and X along the read
            if (0b110010011 >> (word & 15)) & 1:
                described += word >> 4
            operation += 4
        # As htslib refuses it: the CIGAR is not that of the sequence.
        if cigar and bases and described != bases and not data[at + 18] & 4:
            return n, at, True
        fields[0, n] = int(data[at + 18]) | int(data[at + 19]) << 8  # flag
        fields[1, n] = _int32(data, at + 4)  # sequence
        fields[2, n] = position
        fields[3, n] = data[at + 13]  # mapping quality
        fields[4, n] = _int32(data, at + 24)  # sequence of the mate
        fields[5, n] = _int32(data, at + 28)  # position of the mate
        fields[6, n] = _int32(data, at + 32)  # template length
        fields[7, n] = end if end < 2147483647 else 2147483647
        n += 1
        at += 4 + size
    return n, at, False


@compiled
def _int32(data: NDArray[np.uint8], at: int) -> np.int32:
    """A little-endian signed 32-bit number."""
    # Unsigned, so that numba does not look for negative indices: a quarter of the walk's time.
    i = np.uint64(at)
    return np.int32(
        np.uint32(data[i])
        | np.uint32(data[i + np.uint64(1)]) << np.uint32(8)
        | np.uint32(data[i + np.uint64(2)]) << np.uint32(16)
        | np.uint32(data[i + np.uint64(3)]) << np.uint32(24)
    )
