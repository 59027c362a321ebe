"""The records of simulated reads as structured arrays, field by field."""

from __future__ import annotations

import numpy as np

from ctcnv.simulate import READ_BP
from ctcnv.synthetic import BASE_N

#: A read's flags: paired, in a proper pair, on the reverse strand, mate on the reverse strand,
#: first and second of the pair, not aligned, mate not aligned.
_PAIRED, _PROPER, _UNMAPPED, _MATE_UNMAPPED = 0x1, 0x2, 0x4, 0x8
_REVERSE, _MATE_REVERSE, _FIRST, _SECOND = 0x10, 0x20, 0x40, 0x80
_QUALITY = 37
#: Bin of a read that is not aligned (SAM specification, 4.2.1).
_NO_BIN = 4680

_NAME_DIGITS = 8
_FOUR_DIGITS = (np.arange(10_000)[:, None] // np.array([1000, 100, 10, 1]) % 10 + ord("0")).astype(
    np.uint8
)
_RECORD = np.dtype(
    [
        ("block_size", "<i4"), ("ref", "<i4"), ("pos", "<i4"), ("name_size", "u1"), ("mapq", "u1"),
        ("bin", "<u2"), ("n_cigar", "<u2"), ("flag", "<u2"), ("seq_size", "<i4"),
        ("next_ref", "<i4"), ("next_pos", "<i4"), ("template", "<i4"),
        ("name", "u1", (_NAME_DIGITS + 1,)), ("cigar", "<u4"), ("seq", "u1", (READ_BP // 2,)),
        ("quality", "u1", (READ_BP,)),
    ]
)  # fmt: skip

_PIECE = 0xFF00


def aligned(genome, fragments):
    """The records of the aligned reads, sorted by position, ``_PIECE`` at a time."""
    left = fragments.start
    right = left + fragments.length - READ_BP
    n, again = len(left), fragments.again_of
    # A pair's first read is the left one of every second pair: both strands are sequenced.
    names = np.empty(n, dtype=np.int64)
    names[np.argsort(left, kind="stable")] = np.arange(n)
    first_is_left = names % 2 == 0
    plain = _PAIRED + _PROPER * fragments.proper + fragments.flags.astype(np.int64)
    left_flag = plain + _MATE_REVERSE + np.where(first_is_left, _FIRST, _SECOND)
    right_flag = plain + _REVERSE + np.where(first_is_left, _SECOND, _FIRST)

    position = np.concatenate([left, right, fragments.again_start])
    mate = np.concatenate([right, left, right[again]])
    flag = np.concatenate([left_flag, right_flag, left_flag[again] + fragments.again_flags])
    template = np.concatenate(
        [fragments.length, -fragments.length, np.zeros(len(again), dtype=np.int64)]
    )
    pair = np.concatenate([np.arange(n), np.arange(n), again])
    order = np.argsort(position, kind="stable")
    reads = np.lib.stride_tricks.sliding_window_view(genome.codes, READ_BP)
    for begin in range(0, len(order), _PIECE):
        part = order[begin : begin + _PIECE]
        record = _blank(len(part))
        here, there, of = position[part], mate[part], pair[part]
        chrom, mate_chrom = (
            np.searchsorted(genome.offsets, place, side="right") - 1 for place in (here, there)
        )
        record["ref"], record["next_ref"] = chrom, mate_chrom
        record["pos"] = here - genome.offsets[chrom]
        record["next_pos"] = there - genome.offsets[mate_chrom]
        record["bin"] = _index_bin(record["pos"])
        record["mapq"] = fragments.mapq[of]
        record["flag"] = flag[part]
        record["template"] = template[part]
        record["name"][:, :_NAME_DIGITS] = _digits(names[of])
        bases = reads[here]
        record["seq"] = (bases[:, 0::2] << 4) | bases[:, 1::2]
        yield record.tobytes()


def unaligned(n, *, first_name):
    """The records of n pairs that are aligned nowhere; they stand at the end of the file."""
    record = _blank(2 * n)
    for field in ("ref", "pos", "next_ref", "next_pos"):
        record[field] = -1
    record["bin"] = _NO_BIN
    record["flag"] = _PAIRED + _UNMAPPED + _MATE_UNMAPPED
    record["flag"][0::2] += _FIRST
    record["flag"][1::2] += _SECOND
    # A record whose CIGAR is empty would be shorter than the others; a soft clip keeps the size.
    record["cigar"] = READ_BP << 4 | 4
    record["name"][:, :_NAME_DIGITS] = _digits(first_name + np.repeat(np.arange(n), 2))
    record["seq"] = BASE_N << 4 | BASE_N
    return record.tobytes()


def _blank(n):
    """n records with the fields that are the same in all."""
    one = np.zeros(1, dtype=_RECORD)
    one["block_size"] = _RECORD.itemsize - 4
    one["name_size"] = _NAME_DIGITS + 1
    one["n_cigar"] = 1
    one["cigar"] = READ_BP << 4  # as many matches
    one["seq_size"] = READ_BP
    one["quality"] = _QUALITY
    return np.frombuffer(bytearray(one.tobytes() * n), dtype=_RECORD)


def _digits(numbers):
    """Numbers as decimal digits, in ASCII, with leading zeros."""
    return np.hstack([_FOUR_DIGITS[numbers // 10_000 % 10_000], _FOUR_DIGITS[numbers % 10_000]])


def _index_bin(position):
    """The bin of the index that a read starting here falls into (SAM specification, 5.3)."""
    begin, end = position.astype(np.int64), position.astype(np.int64) + READ_BP - 1
    found = np.zeros(len(begin), dtype=np.int64)
    for level, shift in enumerate((26, 23, 20, 17, 14), start=1):
        first = ((1 << 3 * level) - 1) // 7
        found = np.where(begin >> shift == end >> shift, first + (begin >> shift), found)
    return found
