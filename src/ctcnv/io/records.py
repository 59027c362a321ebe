"""What every reader of reads gives: a header, and records as batches of fixed fields."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ctcnv.count import UNMAPPED, Batch

Fields = NDArray[np.int32]

#: The fields of a record, in the order of the rows of an array.
FIELDS = tuple(field.name for field in dataclasses.fields(Batch))
#: Records of a batch, at least; some MB, so that a batch lies in a core's cache.
BATCH = 50_000


@dataclass(frozen=True)
class Header:
    """What a file says of itself: sequences with their lengths, order, and a digest of it all."""

    contigs: dict[str, int]
    order: str
    digest: str
    size: int


@dataclass(frozen=True)
class Region:
    """A region of a sorted file, in which some record overlaps it.

    tid, start, end : number of the sequence, 0-based, half-open.  first : the fields of the first
    record that overlaps it.  behind : virtual offset of the record after that.
    """

    tid: int
    start: int
    end: int
    first: tuple[int, ...]
    behind: int

    def overlaps(self, fields: Fields) -> NDArray[np.bool_]:
        """Which records htslib would give for the region; fields : (8, n)."""
        flag, tid, pos, end = fields[0], fields[1], fields[2], fields[7]
        # A read that is not aligned, or spans nothing, stands for one base.
        end = np.where(flag & UNMAPPED, pos, end)
        inside = (tid == self.tid) & (pos < self.end)
        return np.asarray(inside & (np.maximum(end, pos + 1) > self.start))

    def is_before(self, record: Fields) -> bool:
        """Whether a record lies behind the region, and so all that follow it; record : (8,)."""
        return bool(record[1] != self.tid or record[2] >= self.end)


class Source(Protocol):
    """An open file: its header, and its records with the share of the work behind them."""

    header: Header

    def batches(self) -> Iterator[tuple[Batch, float]]:
        """Batches of records, in the order of the file."""


def header(contigs: dict[str, int], text: str, size: int) -> Header:
    """The header of its sequences, its SAM text and the size of the file, bytes."""
    first = text.split("\n", 1)[0]
    given = dict(cell.partition(":")[::2] for cell in first.split("\t")[1:])
    order = given.get("SO", "unknown") if first.startswith("@HD") else "unknown"
    return Header(contigs, order, hashlib.sha256(text.encode()).hexdigest(), size)
