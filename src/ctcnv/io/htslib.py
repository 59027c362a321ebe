"""Read through htslib what the fast path does not: CRAM, and where regions begin by an index."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysam

from ctcnv.count import Batch, find_contig
from ctcnv.io.records import BATCH, Region, header
from ctcnv.io.reference import quiet_htslib

#: The container at the end of each CRAM, versions 2.1 and 3, as the specification gives it.
END_OF_CRAM = {
    2: bytes.fromhex("0b000000ffffffffffe0454f460000000001000001000606010001000100"),
    3: bytes.fromhex(
        "0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"
    ),
}
#: SAM_FLAG, RNAME, POS, MAPQ, CIGAR, RNEXT, PNEXT and TLEN in htslib's required_fields.
FIELDS_OF_CRAM = 0x1FE


def check_end(path: Path, size: int) -> None:
    """Refuse a CRAM of this many bytes without the container that ends it."""
    with path.open("rb") as handle:
        version = handle.read(5)[4:]
        expected = END_OF_CRAM.get(version[0] if version else 0, b"")
        handle.seek(max(size - len(expected), 0))
        if handle.read() != expected:
            raise ValueError(
                f"{path}: truncated: the container that ends every CRAM is missing at byte "
                f"{size:,}; copy or align it again"
            )


@contextlib.contextmanager
def opened(
    path: Path, *, reference: Path | None = None, regions: pd.DataFrame | None = None,
    threads: int = 1,
) -> Iterator[_Opened]:  # fmt: skip
    """Open a BAM or CRAM; a CRAM is decoded without sequence and qualities."""
    if reference is not None and not reference.is_file():
        raise ValueError(f"{reference}: no such file; reference.fasta names the CRAM's FASTA")
    with quiet_htslib():
        try:
            file = pysam.AlignmentFile(
                str(path), "r",
                reference_filename=None if reference is None else str(reference),
                format_options=[f"required_fields={FIELDS_OF_CRAM}".encode()],  # type: ignore[list-item]
                check_sq=False, threads=threads,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: htslib cannot read it ({error})") from None
        try:
            yield _Opened(path, file, reference, regions)
        finally:
            # htslib repeats what went wrong in reading, with other words.
            with contextlib.suppress(OSError):
                file.close()


def first_reads(path: Path, regions: pd.DataFrame) -> list[Region]:
    """The regions of a BAM in which there are reads, in the order of the file, without overlaps."""
    with opened(path, regions=regions) as source:
        return list(source.first_reads())


class _Opened:
    """Header and records of a file, all of them or those of regions."""

    def __init__(
        self, path: Path, file: Any, reference: Path | None, regions: pd.DataFrame | None
    ) -> None:
        self._path = path
        self._file = file
        self._reference = reference
        self._size = path.stat().st_size
        contigs = dict(zip(file.references, file.lengths, strict=True))
        self.header = header(contigs, str(file.header), self._size)
        self._spans = None if regions is None else _spans(regions, contigs)
        if regions is not None:
            _check_index(path, file)

    def batches(self) -> Iterator[tuple[Batch, float]]:
        """Batches of records and the share of the work behind them."""
        rows: list[tuple[int, ...]] = []
        records = self._all() if self._spans is None else self._of_spans()
        while True:
            try:
                record, share = next(records, (None, 1.0))
            except (OSError, ValueError) as error:
                raise ValueError(f"{self._path}: {self._why(error)}") from None
            if record is not None:
                rows.append(_fields(record))
            if rows and (record is None or len(rows) == BATCH):
                yield Batch(*np.array(rows, dtype=np.int32).T.copy()), share
                rows = []
            if record is None:
                return

    def first_reads(self) -> Iterator[Region]:
        """What there is in each region; ValueError where the file or its index is damaged."""
        assert self._spans is not None
        for name, start, end in self._spans:
            try:
                record = next(self._file.fetch(name, start, end), None)
            except (OSError, ValueError) as error:
                raise ValueError(f"{self._path}: {self._why(error)}") from None
            if record is not None:
                tid = self._file.get_tid(name)
                yield Region(tid, start, end, _fields(record), self._file.tell())

    def _all(self) -> Iterator[tuple[Any, float]]:
        for record in self._file.fetch(until_eof=True):
            yield record, min(self._file.tell() / self._size, 1.0) if self._size else 1.0

    def _of_spans(self) -> Iterator[tuple[Any, float]]:
        assert self._spans is not None
        last, behind = "", 0
        for number, (name, start, end) in enumerate(self._spans, start=1):
            for record in self._file.fetch(name, start, end):
                # A read that reaches into the span before has been given there.
                if name != last or record.reference_start >= behind:
                    yield record, number / len(self._spans)
            last, behind = name, end

    def _why(self, error: Exception) -> str:
        """What to do; htslib's own word for every failure is "truncated file"."""
        if not self._file.is_cram:
            return f"damaged, or its index is of another file ({error}); copy or index it again"
        if self._reference is None:
            return (
                "cannot be decoded: it needs the FASTA it was made with (reference.fasta, "
                "--reference), or is damaged"
            )
        return (
            f"cannot be decoded: {self._reference} is not the FASTA it was made with, or it is "
            "damaged"
        )


def _fields(record: Any) -> tuple[int, ...]:
    """The fields of a batch."""
    return (
        record.flag, record.reference_id, record.reference_start, record.mapping_quality,
        record.next_reference_id, record.next_reference_start, record.template_length,
        record.reference_end or record.reference_start,
    )  # fmt: skip


def _check_index(path: Path, file: Any) -> None:
    """Refuse to read regions without an index, or by one that is of another file.

    An index of another file finds too few reads and says nothing; what tells is its age, and
    whether it finds on each sequence a read of this sequence, where it says that there are some.
    """
    remedy = f"make it again: samtools index {path.name}"
    index = _index_of(path)
    if index is None:
        raise ValueError(f"{path}: no index beside it; make one: samtools index {path.name}")
    if not _has_index(file):
        raise ValueError(f"{path}: its index {index.name} cannot be read; {remedy}")
    if index.stat().st_mtime < path.stat().st_mtime:
        raise ValueError(
            f"{path}: its index {index.name} is older than the file, so it may be of another one; "
            f"{remedy}, or touch it if it is of this file"
        )
    if not file.is_bam:  # a CRAM's containers say themselves where they lie
        return
    try:
        known = file.get_index_statistics()
        found = {name: next(file.fetch(name), None) for name in file.references}
        whole = next(file.fetch(until_eof=True), None)
    except (OSError, ValueError, AssertionError) as error:
        raise ValueError(
            f"{path}: its index {index.name} is of another file, or one of the two is damaged "
            f"({error}); {remedy}"
        ) from None
    finally:
        file.reset()
    wrong = [of.contig for of in known if (found[of.contig] is None) == (of.total > 0)]
    first = whole.reference_name if whole is not None and whole.reference_id >= 0 else None
    if wrong or (first is not None and found[first] is None):
        raise ValueError(f"{path}: its index {index.name} is of another file; {remedy}")


def _index_of(path: Path) -> Path | None:
    """The index that htslib takes: of the ways to name one, the first that is there."""
    names = [f"{path.name}{end}" for end in (".csi", ".bai", ".crai")]
    names += [f"{path.stem}{end}" for end in (".csi", ".bai", ".crai")]
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def _has_index(file: Any) -> bool:
    try:
        return bool(file.has_index())
    except (AttributeError, ValueError, OSError):
        return False


def _spans(regions: pd.DataFrame, contigs: dict[str, int]) -> list[tuple[str, int, int]]:
    """The regions in the order of the file, without overlaps: sequence, start and end."""
    wanted: dict[str, list[tuple[int, int]]] = {}
    columns = (regions[name] for name in ("chrom", "start", "end"))
    for chrom, start, end in zip(*columns, strict=True):
        name = find_contig(str(chrom), contigs)
        if name is not None:
            span = int(start), min(int(end), contigs[name])
            wanted.setdefault(name, []).append(span)
    spans: list[tuple[str, int, int]] = []
    for name in sorted(wanted, key=list(contigs).index):
        for start, end in sorted(wanted[name]):
            if spans and spans[-1][0] == name and start <= spans[-1][2]:
                start, end = spans[-1][1], max(end, spans[-1][2])
                spans.pop()
            if start < end:
                spans.append((name, start, end))
    return spans
