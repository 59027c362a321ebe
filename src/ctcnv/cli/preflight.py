"""What can be known before a job starts: the config, the sample sheet, and every file's header."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctcnv.cli import one_line
from ctcnv.cli.settings import read_config

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

#: Headers that are read at once: on a shared file system one waits for the other end, not here.
AT_ONCE = 16


@dataclass(frozen=True)
class Build:
    """The chromosomes of the reference: where each ends, and how far a header may lie from it."""

    ends: dict[str, int]
    tolerances: dict[str, int]


def config_of(files: Sequence[Path]) -> dict[str, Any]:
    """The configs laid over each other as Snakemake does it: section by section, key by key."""
    merged: dict[str, Any] = {}
    for path in files:
        _lay(merged, read_config(path))
    return merged


def _lay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _lay(below[key], value)
        else:
            below[key] = copy.deepcopy(value)


def samples_of(
    config: Mapping[str, Any], repository: Path, *, files: Sequence[Path] = ()
) -> pd.DataFrame:
    """The sample sheet, once config and sheet fit their schemas.

    files : that the config was read from, for the message of a wrong value.
    Raises ValueError when files of the sheet are not there, or are those of two samples; each is
    named in a line of the log.
    """
    from ctcnv.io import schemas, sheet

    schema = repository / "workflow/schemas/config.schema.yaml"
    schemas.check_config(config, schema, files=files)
    path = Path(config["samples"])
    schema = repository / "workflow/schemas/samples.schema.yaml"
    samples = sheet.read(path, schema=schema, look_for_files=False)
    sheet.require_plasma(samples, path)
    absent = list(_absent(samples))
    for line in absent:
        log.error("%s", line)
    if absent:
        raise ValueError(f"{path}: {len(absent)} files are not there; nothing was started")
    shared = list(_shared(samples))
    for line in shared:
        log.error("%s", line)
    if shared:
        raise ValueError(
            f"{path}: {len(shared)} samples have the file of another; nothing was started"
        )
    return samples


def _absent(samples: pd.DataFrame) -> Iterator[str]:
    from ctcnv.io import sheet

    for name, row in samples.iterrows():
        for column in sheet.FILES:
            if isinstance(row[column], str) and not Path(row[column]).is_file():
                yield f"sample {name}: {column} {row[column]!r} is not there; correct the path"


def _shared(samples: pd.DataFrame) -> Iterator[str]:
    """Samples whose reads or counts are those of an earlier row: a slip of a hand, and the plasma
    of one patient would be taken for that of another. A VCF may hold several samples.

    A file is known by its place on the disk, whatever paths and links lead to it.
    """
    for column in ("bam", "counts"):
        first: dict[tuple[int, int], str] = {}
        for name, value in samples[column].items():
            if not isinstance(value, str):
                continue
            found = Path(value).stat()
            place = found.st_dev, found.st_ino
            if place in first:
                other = first[place]
                yield (
                    f"samples {other} and {name}: {column} {samples[column][other]!r} "
                    f"and {value!r} are one file; correct a path, or delete one of the rows"
                )
            else:
                first[place] = str(name)


def build_of(reference: Mapping[str, Any]) -> Build:
    """The chromosomes of the config's reference, from its index or its wig."""
    from ctcnv import bins
    from ctcnv.io import wig
    from ctcnv.io.reference import fasta, lengths

    if reference["fasta"]:
        with fasta(Path(reference["fasta"])) as opened:
            ends = bins.main_chromosomes(lengths(opened))
        return Build(ends, dict.fromkeys(ends, 0))
    frame = wig.read_fixed_step(Path(reference["gc_wig"]))
    every = bins.ends_by_chromosome(frame)
    kept = bins.main_chromosomes(dict.fromkeys(every, 0))
    widths = (frame["end"] - frame["start"]).groupby(frame["chrom"]).max()
    return Build({name: every[name] for name in kept}, {name: int(widths[name]) for name in kept})


def bad_samples(samples: pd.DataFrame, config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the file of each sample that cannot be counted, in the sheet's order.

    Of a BAM or CRAM its beginning and its end are read: whether it is one, whole, and of the
    reference's genome. Counting needs neither an index nor an order.
    """
    # How each file is read is of interest when it is counted.
    logging.getLogger("ctcnv.io.bam").setLevel(logging.WARNING)
    build = build_of(config["reference"])
    fasta = config["reference"]["fasta"]
    reference = Path(fasta) if fasta else None

    def problem(row: tuple[str, str | None, str | None]) -> tuple[str, str | None]:
        name, bam, counts = row
        try:
            if bam is not None:
                _check_reads(Path(bam), build, reference)
            elif counts is not None:
                _check_table(Path(counts))
        except (ValueError, OSError) as error:
            return name, one_line(error)
        return name, None

    rows = [
        tuple(None if value is None or value != value else str(value) for value in row)
        for row in samples[["sample", "bam", "counts"]].itertuples(index=False)
    ]
    with ThreadPoolExecutor(min(AT_ONCE, 4 * (os.cpu_count() or 1))) as pool:
        found = list(pool.map(problem, rows))
    return {name: what for name, what in found if what is not None}


def _check_reads(path: Path, build: Build, reference: Path | None) -> None:
    from ctcnv import count
    from ctcnv.io import bam

    with bam.reads(path, reference=reference) as opened:
        try:
            count.check_contigs(build.ends, opened.header.contigs, widths=build.tolerances)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _check_table(path: Path) -> None:
    """Refuse an empty table; what it holds is read when it is imported."""
    with path.open("rb") as handle:
        if not handle.read(1):
            raise ValueError(f"{path}: empty file; copy or make it again")
