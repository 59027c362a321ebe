"""What every reader of reads gives: a header, and records as batches of fixed fields."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ctcnv.count import Batch

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
