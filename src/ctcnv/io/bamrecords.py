"""Records of simulated reads as the bytes of a BAM (SAM specification, section 4), many at once.

Every record has the same size, so that each is written over a copy of one that has what is the same
in all. tests/reference/bamrecords_slow.py fills the fields of structured arrays instead.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.simulate import READ_BP, Fragments
from ctcnv.synthetic import BASE_N, Genome

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

#: A read's flags: paired, in a proper pair, on the reverse strand, mate on the reverse strand,
#: first and second of the pair, not aligned, mate not aligned.
PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED = 0x1, 0x2, 0x4, 0x8
REVERSE, MATE_REVERSE, FIRST, SECOND = 0x10, 0x20, 0x40, 0x80
QUALITY = 37
#: Bin of a read that is not aligned (SAM specification, 4.2.1).
NO_BIN = 4680
#: Digits of a read's name, which is the number of its pair.
NAME_DIGITS = 8
#: Where the fields of a record begin, bytes.
AT_REF, AT_POS, AT_MAPQ, AT_BIN, AT_FLAG = 4, 8, 13, 14, 18
AT_NEXT_REF, AT_NEXT_POS, AT_TEMPLATE, AT_NAME = 24, 28, 32, 36
AT_CIGAR = AT_NAME + NAME_DIGITS + 1
AT_SEQ = AT_CIGAR + 4
AT_QUALITY = AT_SEQ + READ_BP // 2
SIZE = AT_QUALITY + READ_BP
#: Most bytes of data in a block of BGZF that every writer keeps within.
LARGEST = 0xFF00
#: Records in a block of BGZF: whole ones, so that whoever reads them need not put parts together.
IN_BLOCK = LARGEST // SIZE
#: Records that are made at a time: as few as a core's cache holds.
PIECE = 16 * IN_BLOCK


def positions(fragments: Fragments) -> Ints:
    """Global positions of the aligned reads, sorted."""
    left = fragments.start
    return np.sort(np.concatenate([left, left + fragments.length - READ_BP, fragments.again_start]))


def aligned(genome: Genome, fragments: Fragments) -> Iterator[bytes]:
    """The records of the aligned reads, sorted by position, a block's at a time."""
    left = fragments.start
    right = left + fragments.length - READ_BP
    # A pair is named by its place among the pairs, sorted by their left reads.
    by_left = _order(left)
    names = np.empty(len(left), dtype=np.int64)
    names[by_left] = np.arange(len(left))
    order = _order(np.concatenate([left, right, fragments.again_start]))
    # Pairs in the order of their names, so that what neighbours need lies together in memory.
    left, right, length = left[by_left], right[by_left], fragments.length[by_left]
    mapq, flags = fragments.mapq[by_left], fragments.flags[by_left]
    proper = fragments.proper[by_left]
    record = _blank(PIECE)
    for begin in range(0, len(order), PIECE):
        part = order[begin : begin + PIECE]
        _fill(
            record, part, names, left, right, length, mapq, flags, proper, fragments.again_of,
            fragments.again_start, fragments.again_flags, genome.offsets, genome.codes,
        )  # fmt: skip
        yield from _blocks(record[: len(part)])


def _blocks(record: Bytes) -> Iterator[bytes]:
    for begin in range(0, len(record), IN_BLOCK):
        yield record[begin : begin + IN_BLOCK].tobytes()


def places(n: int, starts: Ints) -> Ints:
    """Virtual offsets of n aligned reads in a file, and of their end, (n+1,).

    starts : where each of their blocks begins in the file, and the end of the last one.
    """
    block, inside = np.divmod(np.arange(n), IN_BLOCK)
    return np.append((starts[block] << 16) | (inside * SIZE), starts[-1] << 16)


def unaligned(n: int, *, first_name: int) -> Iterator[bytes]:
    """The records of n pairs that are aligned nowhere, a block's at a time.

    They stand at the end of the file.
    """
    record = _blank(2 * n)
    for at in (AT_REF, AT_POS, AT_NEXT_REF, AT_NEXT_POS):
        record[:, at : at + 4] = 0xFF  # -1
    record[:, AT_BIN : AT_BIN + 2] = NO_BIN & 0xFF, NO_BIN >> 8
    record[0::2, AT_FLAG] = PAIRED + UNMAPPED + MATE_UNMAPPED + FIRST
    record[1::2, AT_FLAG] = PAIRED + UNMAPPED + MATE_UNMAPPED + SECOND
    # A record whose CIGAR is empty would be shorter than the others; a soft clip keeps the size.
    record[:, AT_CIGAR] |= 4
    number = first_name + np.arange(2 * n) // 2
    digits = number[:, None] // 10 ** np.arange(NAME_DIGITS - 1, -1, -1) % 10
    record[:, AT_NAME : AT_NAME + NAME_DIGITS] = ord("0") + digits
    record[:, AT_SEQ:AT_QUALITY] = BASE_N << 4 | BASE_N
    yield from _blocks(record)


def _order(position: Ints) -> Ints:
    """The order of positions, those that are alike in the order in which they are given.

    Place and number in one word: sorting words is several times as fast as sorting stably.
    """
    bits = max(len(position) - 1, 1).bit_length()
    if bits + int(position.max(initial=0)).bit_length() > 62:
        return np.argsort(position, kind="stable")
    word = (position << bits) | np.arange(len(position))
    word.sort()
    return word & ((1 << bits) - 1)


def _blank(n: int) -> Bytes:
    """n records, (n, SIZE), with what is the same in all: a read that matches."""
    one = np.zeros(SIZE, dtype=np.uint8)
    one[:4] = np.frombuffer((SIZE - 4).to_bytes(4, "little"), dtype=np.uint8)
    one[12] = NAME_DIGITS + 1
    one[16] = 1  # parts of the CIGAR
    one[20] = READ_BP
    # as many matches: the length stands above the four bits of the kind
    one[AT_CIGAR : AT_CIGAR + 4] = np.frombuffer((READ_BP << 4).to_bytes(4, "little"), np.uint8)
    one[AT_QUALITY:] = QUALITY
    return np.tile(one, (n, 1))


@compiled
def _put(record: Bytes, at: int, value: int) -> None:
    """A whole number of four bytes, the lowest first."""
    for i in range(4):
        record[at + i] = (value >> (8 * i)) & 0xFF


@compiled
def _put_name(record: Bytes, number: int) -> None:
    """A name: digits with leading zeros, in ASCII."""
    for i in range(NAME_DIGITS):
        record[AT_NAME + NAME_DIGITS - 1 - i] = 48 + number % 10
        number //= 10


@compiled
def _index_bin(begin: int) -> int:
    """The bin of the index that a read starting here falls into (SAM specification, 5.3)."""
    end = begin + READ_BP - 1
    for level in range(5, 0, -1):
        shift = 29 - 3 * level
        if begin >> shift == end >> shift:
            return ((1 << 3 * level) - 1) // 7 + (begin >> shift)
    return 0


@compiled
def index_bins(start: Ints) -> Ints:
    """The bins of the index that reads starting here fall into, (n,)."""
    bins = np.empty(len(start), dtype=np.int64)
    for i in range(len(start)):
        bins[i] = _index_bin(start[i])
    return bins


@compiled
def _fill(
    record: Bytes, order: Ints, names: Ints, left: Ints, right: Ints, length: Ints, mapq: Bytes,
    flags: NDArray[np.uint16], proper: NDArray[np.bool_], again_of: Ints, again_start: Ints,
    again_flags: NDArray[np.uint16], offsets: Ints, codes: Bytes,
) -> None:  # fmt: skip
    """Fill records with reads in this order: numbers below n are left reads of n pairs, those
    below 2n right reads, the others single ones that show a left read again.

    left to proper : (n,) of the pairs in the order of their names.
    """
    n = len(left)
    chrom, mate_chrom = 0, 0
    for k in range(len(order)):
        i = order[k]
        pair = names[i if i < n else (i - n if i < 2 * n else again_of[i - 2 * n])]
        is_right = n <= i < 2 * n
        # A pair's first read is the left one of every second pair: both strands are sequenced.
        is_first = (pair % 2 == 0) != is_right
        flag = PAIRED + int(flags[pair]) + (FIRST if is_first else SECOND)
        flag += (PROPER if proper[pair] else 0) + (REVERSE if is_right else MATE_REVERSE)
        here, there = left[pair], right[pair]
        template = length[pair]
        if is_right:
            here, there, template = there, here, -template
        if i >= 2 * n:
            here, template = again_start[i - 2 * n], 0
            flag += int(again_flags[i - 2 * n])
        chrom = _chromosome(here, chrom, offsets)
        mate_chrom = _chromosome(there, chrom, offsets)
        one = record[k]
        _put(one, AT_REF, chrom)
        _put(one, AT_POS, here - offsets[chrom])
        one[AT_MAPQ] = mapq[pair]
        place = _index_bin(here - offsets[chrom])
        one[AT_BIN], one[AT_BIN + 1] = place & 0xFF, place >> 8
        one[AT_FLAG], one[AT_FLAG + 1] = flag & 0xFF, flag >> 8
        _put(one, AT_NEXT_REF, mate_chrom)
        _put(one, AT_NEXT_POS, there - offsets[mate_chrom])
        _put(one, AT_TEMPLATE, template)
        _put_name(one, pair)
        bases = codes[here : here + READ_BP]
        for j in range(READ_BP // 2):
            one[AT_SEQ + j] = (bases[2 * j] << 4) | bases[2 * j + 1]


@compiled
def _chromosome(position: int, near: int, offsets: Ints) -> int:
    """Number of the chromosome of a global position; one near it is known."""
    while position < offsets[near]:
        near -= 1
    while position >= offsets[near + 1]:
        near += 1
    return near
