"""A BAM that is sorted, compressed and filled like one of plasma: ``python -m benchmarks.reads``.

hg38 by name and length, pairs of 2 x 100 bp with their mode at 167 bp, names as a sequencer gives
them, four levels of quality, the tags of bwa mem and of duplicate marking, 5 % duplicates. Bases
are random; no count depends on them. The same number of reads gives the same bytes.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path

import deflate
import numpy as np
from numpy.typing import NDArray

from ctcnv.genome import BUILDS

READ_BP = 100
NAME = b"A00123:045:HXXXXXDSX:1:"
NAME_DIGITS = 14
DUPLICATES, LOW_MAPQ, IMPROPER = 0.05, 0.06, 0.01
#: Records that are made at a time.
PIECE = 100_000
#: Level of samtools and of most pipelines.
LEVEL = 6
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
TAGS = b"NMC\x00MDZ100\x00MCZ100M\x00ASCdXSC\x00RGZlibrary-1\x00"

RECORD = np.dtype(
    [
        ("size", "<i4"), ("ref", "<i4"), ("pos", "<i4"), ("name_size", "u1"), ("mapq", "u1"),
        ("bin", "<u2"), ("n_cigar", "<u2"), ("flag", "<u2"), ("bases", "<i4"),
        ("next_ref", "<i4"), ("next_pos", "<i4"), ("template", "<i4"),
        ("name", f"S{len(NAME)}"), ("digits", "u1", (NAME_DIGITS,)), ("nul", "u1"),
        ("cigar", "<u4"), ("seq", "u1", (READ_BP // 2,)), ("quality", "u1", (READ_BP,)),
        ("tags", f"S{len(TAGS)}"),
    ]
)  # fmt: skip
#: Data of a block: as htslib writes, no record spans two.
WHOLE_RECORDS = 65280 // RECORD.itemsize * RECORD.itemsize


def write(path: Path, *, reads: int, seed: int = 1) -> None:
    """Write about so many reads (pairs) over hg38, sorted by position."""
    build = next(build for build in BUILDS if build.name == "hg38")
    lengths = {f"chr{key}": length for key, length in build.lengths.items()}
    total = sum(lengths.values())
    rng = np.random.default_rng(seed)
    with path.open("wb") as handle:
        handle.writelines(_blocks(_header(lengths), len(END) * 2000))
        for tid, length in enumerate(lengths.values()):
            pairs = round(reads / 2 * length / total)
            for record in _records(rng, tid, length, pairs):
                handle.writelines(_blocks(record.tobytes(), WHOLE_RECORDS))
        handle.write(END)


def _records(
    rng: np.random.Generator, tid: int, length: int, pairs: int
) -> Iterator[NDArray[np.void]]:
    """The records of one sequence, sorted, a piece at a time."""
    start = np.sort(rng.integers(20_000, length - 20_000, pairs))
    two = rng.random(pairs) < 0.08  # nucleosomes
    size = np.where(two, rng.normal(330, 25, pairs), rng.normal(167, 18, pairs))
    size = np.clip(size, READ_BP, 900).astype(np.int64)
    right = start + size - READ_BP
    flag = np.full(pairs, 1, dtype=np.int64)
    flag[rng.random(pairs) >= IMPROPER] |= 2
    flag[rng.random(pairs) < DUPLICATES] |= 1024
    mapq = np.where(rng.random(pairs) < LOW_MAPQ, rng.integers(0, 20, pairs), 60)
    first_left = rng.random(pairs) < 0.5
    name = rng.integers(0, 10**NAME_DIGITS, pairs)
    position = np.concatenate([start, right])
    order = np.argsort(position, kind="stable")
    for begin in range(0, len(order), PIECE):
        part = order[begin : begin + PIECE]
        pair, is_right = part % pairs, part >= pairs
        record = np.zeros(len(part), dtype=RECORD)
        record["size"], record["ref"], record["next_ref"] = RECORD.itemsize - 4, tid, tid
        record["pos"] = position[part]
        record["next_pos"] = np.where(is_right, start[pair], right[pair])
        record["name_size"] = len(NAME) + NAME_DIGITS + 1
        record["n_cigar"], record["bases"] = 1, READ_BP
        record["mapq"], record["cigar"] = mapq[pair], READ_BP << 4
        record["bin"] = _bin(record["pos"])
        record["flag"] = (
            flag[pair]
            | np.where(is_right, 16, 32)
            | np.where(is_right == first_left[pair], 128, 64)
        )
        record["template"] = np.where(is_right, -size[pair], size[pair])
        record["name"] = NAME
        record["digits"] = name[pair][:, None] // 10 ** np.arange(NAME_DIGITS)[::-1] % 10 + ord("0")
        bases = np.left_shift(1, rng.integers(0, 4, (len(part), READ_BP))).astype(np.uint8)
        record["seq"] = bases[:, 0::2] << 4 | bases[:, 1::2]
        # Qualities fall in runs, as they do in reads.
        bad = rng.random((len(part), READ_BP // 10)) < 0.1
        level = np.where(bad, rng.integers(0, 3, bad.shape), 3)
        record["quality"] = np.repeat(np.array([2, 12, 23, 37], dtype=np.uint8)[level], 10, axis=1)
        single = rng.random((len(part), READ_BP)) < 0.03
        record["quality"][single] = 23
        record["tags"] = TAGS
        yield record


def _bin(position: NDArray[np.int32]) -> NDArray[np.int64]:
    """The bin of the index that a read falls into (SAM specification, 5.3)."""
    begin = position.astype(np.int64)
    end = begin + READ_BP - 1
    found = np.zeros(len(begin), dtype=np.int64)
    for level, shift in enumerate((26, 23, 20, 17, 14), start=1):
        first = ((1 << 3 * level) - 1) // 7
        found = np.where(begin >> shift == end >> shift, first + (begin >> shift), found)
    return found


def _header(lengths: dict[str, int]) -> bytes:
    text = "@HD\tVN:1.6\tSO:coordinate\n" + "".join(
        f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in lengths.items()
    ) + "@RG\tID:library-1\tSM:bench\n"  # fmt: skip
    parts = [b"BAM\1", struct.pack("<i", len(text)), text.encode(), struct.pack("<i", len(lengths))]
    for name, length in lengths.items():
        parts.append(struct.pack("<i", len(name) + 1) + name.encode() + b"\0")
        parts.append(struct.pack("<i", length))
    return b"".join(parts)


def _blocks(data: bytes, size: int) -> Iterator[bytes]:
    """Bytes as BGZF blocks of this much data each."""
    for begin in range(0, len(data), size):
        part = data[begin : begin + size]
        packed = deflate.deflate_compress(part, LEVEL)
        yield b"".join(
            (END[:16], struct.pack("<H", len(packed) + 25), packed,
             struct.pack("<II", deflate.crc32(part), len(part)))
        )  # fmt: skip


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    write(args.output, reads=args.reads)


if __name__ == "__main__":
    main()
