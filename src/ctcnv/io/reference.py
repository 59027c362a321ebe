"""What describes a reference: FASTA, mappability tracks and exclusion lists.

Sequence names meet through :func:`ctcnv.schema.chrom_key`, so that a track that says ``17`` serves
a reference that says ``chr17``. Positions in BED, bedGraph and bigWig are 0-based and half-open,
as ours are.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pysam
from numpy.typing import NDArray

from ctcnv.io import tables
from ctcnv.io.wig import FARTHEST, read_text
from ctcnv.schema import chrom_key

#: Bases read at once: enough to be fast, little enough not to matter for memory.
BLOCK_BP = 16_000_000

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


#: What pysam raises of a damaged VCF: IndexError of a record with too few samples, KeyError of a
#: field that the header does not have.
WRONG_VCF = (OSError, ValueError, LookupError, RuntimeError, OverflowError)


@contextlib.contextmanager
def quiet_htslib() -> Iterator[None]:
    """Keep htslib's own messages off stderr; its errors come as exceptions, in one line."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


@contextlib.contextmanager
def fasta(path: Path) -> Iterator[pysam.FastaFile]:
    """An indexed FASTA, plain or compressed with bgzip; the index is made when it is not there.

    Raises ValueError when the file is not such a FASTA, or when the index cannot be written next
    to it; OSError when it cannot be opened.
    """
    with path.open("rb") as handle:
        first = handle.read(18)
    if not first:
        raise ValueError(f"{path}: empty; expected a FASTA")
    compressed = first[:2] == b"\x1f\x8b"
    if compressed and first[12:14] != b"BC":
        raise ValueError(
            f"{path}: compressed with gzip, which cannot be indexed; "
            f"run: gunzip -c {path.name} | bgzip > new.fa.gz"
        )
    if not compressed and first[:1] not in (b">", b";"):
        raise ValueError(f"{path}: not a FASTA; its first line does not start with '>'")
    with quiet_htslib():
        _make_index(path, compressed=compressed)
        try:
            opened = pysam.FastaFile(str(path))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path}: cannot be read with its index ({error}); delete {path.name}.fai and "
                "run again"
            ) from None
        with opened:
            yield opened


def _make_index(path: Path, *, compressed: bool) -> None:
    """Write the .fai (and .gzi) next to the FASTA, whole or not at all, when they are missing."""
    index, blocks = path.with_name(f"{path.name}.fai"), path.with_name(f"{path.name}.gzi")
    if index.exists() and (blocks.exists() or not compressed):
        return
    if not os.access(path.parent, os.W_OK):
        raise ValueError(
            f"{path}: has no index and its directory is not writable; run samtools faidx on a "
            "copy or a link in a directory of your own and use that"
        )
    with contextlib.ExitStack() as stack:
        flags = ["--fai-idx", str(stack.enter_context(tables.replacing(index)))]
        if compressed:
            flags += ["--gzi-idx", str(stack.enter_context(tables.replacing(blocks)))]
        try:
            pysam.faidx(*flags, str(path))
        except pysam.utils.SamtoolsError as error:
            raise ValueError(
                f"{path}: cannot be indexed ({' '.join(str(error).split())}); check that it is a "
                "whole FASTA with lines of equal length"
            ) from None


def lengths(opened: pysam.FastaFile) -> dict[str, int]:
    """Name and length of every sequence."""
    return dict(zip(opened.references, opened.lengths, strict=True))


def sequence(
    opened: pysam.FastaFile, name: str, length: int, *, multiple_of: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """A sequence as (start, bytes) blocks, each starting at a multiple of ``multiple_of``."""
    step = max(BLOCK_BP // multiple_of, 1) * multiple_of
    for start in range(0, length, step):
        yield start, bases(opened, name, start, min(start + step, length))


def bases(opened: pysam.FastaFile, name: str, start: int, end: int) -> NDArray[np.uint8]:
    """A stretch of a sequence as bytes, (end - start,); ValueError where the file is damaged."""
    try:
        text = opened.fetch(name, start, end)
    except (OSError, ValueError):
        text = ""
    if len(text) != end - start:
        raise ValueError(
            f"{os.fsdecode(opened.filename)}: {name} cannot be read up to the end that "
            "its index says; the file is damaged, or delete the .fai and run again"
        )
    return np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8)


def read_bed(path: Path) -> pd.DataFrame:
    """The regions of a BED file, plain or gzipped: chrom, start and end."""
    return _regions(path, with_value=False)


def _regions(path: Path, *, with_value: bool) -> pd.DataFrame:
    """Rows of a BED or bedGraph; comment and track lines are skipped.

    Tracks have tens of millions of rows, so the plain case is parsed fast; whatever is not plain
    is parsed line by line, which also finds the line that is wrong.
    """
    names = ["chrom", "start", "end", "value"][: 4 if with_value else 3]
    kinds = {"chrom": "str", "start": "int64", "end": "int64", "value": "float64"}
    with path.open("rb") as handle:
        compressed = handle.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rt") if compressed else path.open() as lines:
            head = itertools.takewhile(_is_remark, lines)
            n_remarks = sum(1 for _ in head)
        with np.errstate(invalid="ignore"):  # 1e30 as a position: it is found below
            frame = pd.read_csv(
                path, sep="\t", header=None, names=names, usecols=range(len(names)), quoting=3,
                dtype={name: kinds[name] for name in names}, keep_default_na=False,
                skiprows=n_remarks, compression="gzip" if compressed else None,
            )  # fmt: skip
        plain = not (frame["end"] < frame["start"]).any() and not (frame["start"] < 0).any()
        plain = plain and not (frame["end"] > FARTHEST).any()
        if plain and (not with_value or np.isfinite(frame["value"]).all()):
            return frame
    except (ValueError, OverflowError, OSError, EOFError, zlib.error):
        pass
    return _regions_by_line(path, names)


def _is_remark(line: str) -> bool:
    return not line.strip() or line.startswith(("#", "track", "browser"))


def _regions_by_line(path: Path, names: list[str]) -> pd.DataFrame:
    """The same with any blank between the cells; ValueError that names the line."""
    expected = f"expected {'bedGraph' if 'value' in names else 'BED'}: {names}"
    rows: list[tuple[object, ...]] = []
    for i, line in enumerate(read_text(path).splitlines()):
        if _is_remark(line):
            continue
        where = f"{path} line {i + 1}"
        cells = line.split(None, len(names))[: len(names)]
        if len(cells) < len(names):
            raise ValueError(f"{where}: {line[:60]!r}; {expected}")
        try:
            start, end, *value = int(cells[1]), int(cells[2]), *map(float, cells[3:])
        except ValueError:
            raise ValueError(
                f"{where}: {line[:60]!r} holds what is no number; {expected}"
            ) from None
        if not 0 <= start <= end:
            raise ValueError(f"{where}: the region {start} to {end} ends before it starts")
        if end > FARTHEST:
            raise ValueError(f"{where}: {line[:60]!r}; no position lies beyond {FARTHEST:,}")
        if not np.isfinite(value).all():
            raise ValueError(f"{where}: the value is {value[0]}; {expected}")
        rows.append((cells[0], start, end, *value))
    return pd.DataFrame(rows, columns=names)


class Track(Protocol):
    """A value along the genome."""

    path: Path

    def chromosomes(self) -> set[str]:
        """The chromosomes it covers, by :func:`ctcnv.schema.chrom_key`."""

    def intervals(self, key: str) -> tuple[Ints, Ints, Floats]:
        """Starts, ends and values on one chromosome, sorted and free of overlaps."""


class BigWig:
    """A bigWig track."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as reader:
            self._names = {chrom_key(name): name for name in reader.chroms()}

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        import pybigtools

        try:
            # A handle, not the path: the library would go by the name's ending.
            with self.path.open("rb") as handle, pybigtools.open(handle) as reader:
                yield reader
        except (pybigtools.BBIReadError, ValueError) as error:
            raise ValueError(
                f"{self.path}: not a readable bigWig ({' '.join(str(error).split())})"
            ) from None

    def chromosomes(self) -> set[str]:
        """The chromosomes it covers."""
        return set(self._names)

    def intervals(self, key: str) -> tuple[Ints, Ints, Floats]:
        """Starts, ends and values on one chromosome."""
        kind = [("start", "i8"), ("end", "i8"), ("value", "f8")]
        with self._opened() as reader:
            rows = np.fromiter(reader.records(self._names[key]), dtype=kind)
        return _checked(self.path, key, rows["start"], rows["end"], rows["value"])


class BedGraph:
    """A bedGraph track, plain or gzipped, held in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        frame = _regions(path, with_value=True)
        self._parts = {
            chrom_key(str(name)): part for name, part in frame.groupby("chrom", sort=False)
        }

    def chromosomes(self) -> set[str]:
        """The chromosomes it covers."""
        return set(self._parts)

    def intervals(self, key: str) -> tuple[Ints, Ints, Floats]:
        """Starts, ends and values on one chromosome."""
        part = self._parts[key].sort_values("start", kind="stable")
        starts, ends = part["start"].to_numpy(), part["end"].to_numpy()
        return _checked(self.path, key, starts, ends, part["value"].to_numpy())


def _checked(
    path: Path, key: str, starts: Ints, ends: Ints, values: Floats
) -> tuple[Ints, Ints, Floats]:
    overlaps = np.flatnonzero(starts[1:] < ends[:-1])
    if len(overlaps):
        raise ValueError(
            f"{path}: regions overlap at {key}:{starts[overlaps[0] + 1]}; "
            "a track has one value per base"
        )
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(wrong):
        raise ValueError(
            f"{path}: value {values[wrong[0]]:g} at {key}:{starts[wrong[0]]}; "
            "mappability lies between 0 and 1"
        )
    return starts, ends, values


def open_track(path: Path) -> Track:
    """A mappability track: bigWig or bedGraph, told apart by content."""
    with path.open("rb") as handle:
        magic = handle.read(4)
    if magic in (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26"):
        return BigWig(path)
    return BedGraph(path)
