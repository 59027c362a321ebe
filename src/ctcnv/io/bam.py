"""Read BAM and CRAM files as batches of the fixed fields that counting needs.

A BAM is read in one pass from its first to its last byte: it needs no index and no order. It is a
row of BGZF blocks, each a gzip member of at most 64 kB with its size in the header and CRC32 and
length behind; the last one is an empty block, so that a file cut at a block's end is known too.
The blocks are inflated here, and the records walked by a compiled loop over their fixed fields. A
CRAM is decoded by htslib, without sequence and qualities; it then needs its reference only where
reads of several sequences share a slice.

Every damage is a ValueError that names the file and where in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pysam
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.count import Batch
from ctcnv.io.reference import quiet_htslib

log = logging.getLogger(__name__)

#: Compressed bytes read at once; the records of one piece make one batch.
PIECE = 4_000_000
#: No record is as long as this (bytes): a longer one is damage, and is not waited for.
LONGEST_RECORD = 1 << 27
#: Nor is the text of a header.
LONGEST_HEADER = 1 << 30
#: Records of a CRAM in one batch.
CRAM_BATCH = 100_000
#: The empty block at the end of each BAM, as the SAM specification gives it.
END_OF_BAM = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
#: The container at the end of each CRAM, versions 2.1 and 3, likewise.
END_OF_CRAM = {
    2: bytes.fromhex("0b000000ffffffffffe0454f460000000001000001000606010001000100"),
    3: bytes.fromhex(
        "0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"
    ),
}
#: SAM_FLAG, RNAME, POS, MAPQ, CIGAR, RNEXT, PNEXT and TLEN in htslib's required_fields.
CRAM_FIELDS = 0x1FE

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Header:
    """What a file says of itself: sequences with their lengths, order, and a digest of it all."""

    contigs: dict[str, int]
    order: str
    digest: str
    size: int


@contextlib.contextmanager
def reads(
    path: Path, *, reference: Path | None = None, threads: int = 1,
    progress: Progress | None = None,
) -> Iterator[Reads]:  # fmt: skip
    """Open a BAM or CRAM, told apart by content; ``reference`` is the FASTA of a CRAM.

    Raises ValueError when it is neither, is cut short or names no sequence.
    """
    with path.open("rb") as handle:
        magic = handle.read(18)
        if not magic:
            raise ValueError(f"{path}: empty file; copy or align it again")
        if magic[:4] == b"CRAM":
            with _cram(path, reference, threads) as cram:
                yield Reads(path, cram, progress)
        elif magic[:4] == b"\x1f\x8b\x08\x04" and magic[12:14] == b"BC":
            with ThreadPoolExecutor(threads) as pool:
                yield Reads(path, _Bam(path, handle, pool.map if threads > 1 else map), progress)
        elif magic[:1] == b"@":
            raise ValueError(f"{path}: SAM text; compress it: samtools view -b -o new.bam")
        else:
            raise ValueError(f"{path}: neither a BAM nor a CRAM, by its first bytes")


class Reads:
    """An open BAM or CRAM: its header, and its records as batches."""

    def __init__(self, path: Path, source: _Bam | _Cram, progress: Progress | None) -> None:
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
        """Every record of the file, in its order; ValueError where the file is damaged."""
        limits = np.array(list(self.header.contigs.values()), dtype=np.int64)
        before = 0
        for batch, share in self._source.batches():
            self._check(batch, limits, before)
            before += len(batch)
            if self._progress is not None:
                self._progress(share)
            yield batch

    def _check(self, batch: Batch, limits: NDArray[np.int64], before: int) -> None:
        """Refuse records on sequences, or at positions, that the header does not have.

        The position of a mate is not looked at: real files that were cut to a region name mates
        beyond it, and no count depends on them.
        """
        tid, pos = batch.tid, batch.pos
        known = (tid >= -1) & (tid < len(limits))
        bad = ~known | (pos < -1) | ((tid >= 0) & (pos >= limits[np.where(known, tid, 0)]))
        bad |= (batch.mtid < -1) | (batch.mtid >= len(limits))
        if not bad.any():
            return
        i = int(np.flatnonzero(bad)[0])
        where = f"{self.path}: record {before + i + 1:,} lies"
        why = "the file is damaged or its header was replaced"
        if not known[i] or not -1 <= batch.mtid[i] < len(limits):
            raise ValueError(f"{where} on a sequence that the header does not have; {why}")
        name, length = list(self.header.contigs.items())[tid[i]]
        raise ValueError(
            f"{where} at position {pos[i] + 1:,} of {name}, which is {length:,} bp long by the "
            f"header; {why}"
        )


# --- BAM ------------------------------------------------------------------------------------


class _Bam:
    """Blocks, header and records of a BAM."""

    def __init__(self, path: Path, handle: IO[bytes], apply: Callable[..., Any]) -> None:
        """Read the header; ``apply`` maps a function over blocks, in threads or not."""
        self._path = path
        self._handle = handle
        self._apply = apply
        self._size = path.stat().st_size
        self._offset = 0  # of the next block in the file
        self._left = b""  # compressed bytes read but not yet a whole block
        self._data = b""  # inflated bytes that follow the header
        self._check_end()
        self.header = self._read_header()

    def _check_end(self) -> None:
        self._handle.seek(max(self._size - len(END_OF_BAM), 0))
        whole = self._handle.read() == END_OF_BAM
        self._handle.seek(0)
        if not whole:
            raise ValueError(
                f"{self._path}: truncated: the empty block that ends every BAM is missing; "
                "copy or align it again"
            )

    def _more(self) -> bytes | None:
        """The next inflated bytes; None at the end of the file."""
        compressed = self._handle.read(PIECE)
        if not compressed and not self._left:
            return None
        piece = self._left + compressed
        blocks = []
        position = 0
        while position + 18 <= len(piece):
            end = position + self._block_size(piece, position)
            if end > len(piece):
                break
            blocks.append((piece[position:end], self._offset + position))
            position = end
        self._left = piece[position:]
        self._offset += position
        if not compressed and self._left:
            raise ValueError(
                f"{self._path}: truncated inside the block at byte {self._offset:,}; "
                "copy or align it again"
            )
        return b"".join(self._apply(self._inflate, blocks))

    def _block_size(self, piece: bytes, position: int) -> int:
        """Size of the block at a position, from the BC field that is its first extra field."""
        if piece[position : position + 4] != b"\x1f\x8b\x08\x04" or (
            piece[position + 12 : position + 16] != b"BC\x02\x00"
        ):
            raise ValueError(
                f"{self._path}: damaged: no block starts at byte {self._offset + position:,}; "
                "copy or align it again"
            )
        return int(struct.unpack_from("<H", piece, position + 16)[0]) + 1

    def _inflate(self, block: tuple[bytes, int]) -> bytes:
        data, offset = block
        extra = struct.unpack_from("<H", data, 10)[0]
        try:
            inflated = zlib.decompress(data[12 + extra : -8], wbits=-15)
            crc, length = struct.unpack_from("<II", data, len(data) - 8)
            whole = len(inflated) == length and zlib.crc32(inflated) == crc
        except (zlib.error, struct.error):
            whole = False
        if not whole:
            raise ValueError(
                f"{self._path}: damaged: the block at byte {offset:,} cannot be inflated or has a "
                "wrong checksum; copy or align it again"
            )
        return inflated

    def _take(self, n_bytes: int, buffer: bytearray) -> bytes:
        """Take bytes of the header off the buffer, filling it from the file as needed."""
        while len(buffer) < n_bytes:
            more = self._more()
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
        # A sequence takes at least ten bytes, which bounds their number.
        for _ in range(self._number(buffer, LONGEST_HEADER // 10)):
            name = self._take(self._number(buffer, 1 << 16), buffer).rstrip(b"\0")
            decoded = name.decode("ascii", "replace")
            if decoded in contigs:
                raise ValueError(f"{self._path}: its header names sequence {decoded!r} twice")
            contigs[decoded] = self._number(buffer, (1 << 31) - 1)
        self._data = bytes(buffer)
        return _header(contigs, text.decode("utf-8", "replace"), self._size)

    def _number(self, buffer: bytearray, limit: int) -> int:
        number = int(struct.unpack("<i", self._take(4, buffer))[0])
        if not 0 <= number <= limit:
            raise ValueError(f"{self._path}: damaged header (a length of {number}); copy it again")
        return number

    def batches(self) -> Iterator[tuple[Batch, float]]:
        """Batches of records and the share of the file behind them."""
        rest, before = self._data, 0
        while True:
            data = np.frombuffer(rest, dtype=np.uint8)
            fields, used, damaged = _walk(data, LONGEST_RECORD)
            if damaged:
                raise ValueError(
                    f"{self._path}: damaged: record {before + fields.shape[1] + 1:,} is not a "
                    f"record (before byte {self._offset:,}); copy or align it again"
                )
            before += fields.shape[1]
            if fields.shape[1]:
                yield _batch(fields), self._offset / self._size
            more = self._more()
            if more is None:
                if used < len(rest):
                    raise ValueError(
                        f"{self._path}: truncated inside record {before + 1:,}; "
                        "copy or align it again"
                    )
                return
            rest = rest[used:] + more


@compiled
def _walk(data: NDArray[np.uint8], longest: int) -> tuple[NDArray[np.int32], np.int64, bool]:
    """Fixed fields of the records at the start of ``data``: (8, n) int32, bytes used, damaged.

    A record is its size and 32 bytes of fixed fields, then the name, the CIGAR (4 bytes per
    operation), the sequence (half a byte per base) and the qualities. What is not whole is left.
    """
    fields = np.empty((8, len(data) // 36 + 1), dtype=np.int32)
    n = 0
    at = np.int64(0)
    while at + 36 <= len(data):
        size = _int32(data, at)
        name = np.int64(data[at + 12])
        cigar = np.int64(data[at + 16]) | np.int64(data[at + 17]) << 8
        bases = _int32(data, at + 20)
        if (
            size < 32
            or size > longest
            or bases < 0
            or name < 1
            or 32 + name + 4 * cigar + (bases + 1) // 2 + bases > size
        ):
            return fields[:, :n], at, True
        if at + 4 + size > len(data):
            break
        position = _int32(data, at + 8)
        end = position
        operation = at + 36 + name
        for _ in range(cigar):
            word = _int32(data, operation) & 0xFFFFFFFF
            # M, D, N, = and X move along the reference
            if (0b110001101 >> (word & 15)) & 1:
                end += word >> 4
            operation += 4
        fields[0, n] = np.int64(data[at + 18]) | np.int64(data[at + 19]) << 8  # flag
        fields[1, n] = _int32(data, at + 4)  # sequence
        fields[2, n] = position
        fields[3, n] = data[at + 13]  # mapping quality
        fields[4, n] = _int32(data, at + 24)  # sequence of the mate
        fields[5, n] = _int32(data, at + 28)  # position of the mate
        fields[6, n] = _int32(data, at + 32)  # template length
        fields[7, n] = end if end < 2147483647 else 2147483647
        n += 1
        at += 4 + size
    return fields[:, :n], at, False


@compiled
def _int32(data: NDArray[np.uint8], at: int | np.int64) -> np.int64:
    """A little-endian signed 32-bit number."""
    number = (
        np.int64(data[at])
        | np.int64(data[at + 1]) << 8
        | np.int64(data[at + 2]) << 16
        | np.int64(data[at + 3]) << 24
    )
    return number - (np.int64(1) << 32) if number >= np.int64(1) << 31 else number


def _batch(fields: NDArray[np.int32]) -> Batch:
    flag, tid, pos, mapq, mtid, mpos, tlen, end = fields
    return Batch(
        flag=flag.astype(np.uint16), tid=tid, pos=pos, mapq=mapq.astype(np.uint8), mtid=mtid,
        mpos=mpos, tlen=tlen, end=end,
    )  # fmt: skip


def _header(contigs: dict[str, int], text: str, size: int) -> Header:
    first = text.split("\n", 1)[0]
    given = dict(cell.partition(":")[::2] for cell in first.split("\t")[1:])
    order = given.get("SO", "unknown") if first.startswith("@HD") else "unknown"
    return Header(contigs, order, hashlib.sha256(text.encode()).hexdigest(), size)


# --- CRAM -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _cram(path: Path, reference: Path | None, threads: int) -> Iterator[_Cram]:
    """Open a CRAM, after looking whether its end is there."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        version = handle.read(5)[4:]
        expected = END_OF_CRAM.get(version[0] if version else 0, b"")
        handle.seek(max(size - len(expected), 0))
        if handle.read() != expected:
            raise ValueError(
                f"{path}: truncated: the container that ends every CRAM is missing; "
                "copy or align it again"
            )
    if reference is not None and not reference.is_file():
        raise ValueError(f"{reference}: no such file; reference.fasta names the CRAM's FASTA")
    with quiet_htslib():
        try:
            opened = pysam.AlignmentFile(
                str(path), "rc",
                reference_filename=None if reference is None else str(reference),
                format_options=[f"required_fields={CRAM_FIELDS}".encode()],  # type: ignore[list-item]
                check_sq=False, threads=threads,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not a readable CRAM ({error})") from None
        with opened:
            yield _Cram(path, opened, reference, size)


class _Cram:
    """Header and records of a CRAM, through htslib."""

    def __init__(self, path: Path, opened: Any, reference: Path | None, size: int) -> None:
        self._path = path
        self._file = opened
        self._reference = reference
        self._size = size
        contigs = dict(zip(opened.references, opened.lengths, strict=True))
        self.header = _header(contigs, str(opened.header), size)

    def batches(self) -> Iterator[tuple[Batch, float]]:
        """Batches of records and the share of the file behind them."""
        rows: list[tuple[int, ...]] = []
        records = self._file.fetch(until_eof=True)
        while True:
            try:
                record = next(records, None)
            except (OSError, ValueError):
                # htslib's own word for every failure is "truncated file"
                why = (
                    "it needs the FASTA it was made with (reference.fasta, --reference), or is "
                    "damaged"
                    if self._reference is None
                    else f"{self._reference} is not the FASTA it was made with, or it is damaged"
                )
                raise ValueError(f"{self._path}: cannot be decoded: {why}") from None
            if record is not None:
                rows.append(
                    (
                        record.flag, record.reference_id, record.reference_start,
                        record.mapping_quality, record.next_reference_id,
                        record.next_reference_start, record.template_length,
                        record.reference_end or record.reference_start,
                    )
                )  # fmt: skip
            if rows and (record is None or len(rows) == CRAM_BATCH):
                share = min(self._file.tell() / self._size, 1.0)
                yield _batch(np.array(rows, dtype=np.int32).T), share
                rows = []
            if record is None:
                return
