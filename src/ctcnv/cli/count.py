"""Count the fragments of a BAM or CRAM per atom, and account for every read.

The file is read once from its first to its last byte: it needs no index and no order. Filters act
in the order of the rows of reads.tsv; every read is in exactly one of them. lengths.tsv holds the
fragments that pass every filter but that of length.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import CountSettings

if TYPE_CHECKING:
    from ctcnv.count import Counts
    from ctcnv.io.tables import Stored

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--bam", type=Path, required=True, metavar="FILE", help="BAM or CRAM")
    parser.add_argument("--bins", type=Path, required=True, metavar="bins.tsv.gz")
    parser.add_argument("--sample", required=True, metavar="NAME")
    parser.add_argument(
        "--reference", type=Path, metavar="FASTA", help="the FASTA a CRAM was made with"
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads that decompress"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="counts.tsv.gz")
    parser.add_argument("--output-lengths", type=Path, required=True, metavar="lengths.tsv")
    parser.add_argument("--output-reads", type=Path, required=True, metavar="reads.tsv")
    add_settings(parser, CountSettings)


def run(args: argparse.Namespace) -> int | None:
    """Read the bins and the BAM, count, write the three tables."""
    import pandas as pd

    from ctcnv import bins as bins_step
    from ctcnv import count
    from ctcnv.io import bam, tables
    from ctcnv.schema import COUNTS, LENGTHS, READS

    chosen = settings(args, CountSettings)
    stored, bins = tables.read_bins(args.bins)
    frame = stored.frame
    with (
        _progress(quiet=args.quiet) as progress,
        bam.reads(
            args.bam, reference=args.reference, threads=max(args.threads, 1), progress=progress
        ) as reads,
    ):
        header = reads.header
        try:
            count.check_contigs(
                bins_step.ends_by_chromosome(frame), header.contigs, widths=_tolerances(stored)
            )
        except ValueError as error:
            raise ValueError(f"{args.bam}: {error}") from None
        if header.order != "coordinate":
            log.info("%s: sort order %r; counting needs none", args.bam, header.order)
        counts = count.count(reads.batches(), frame, header.contigs, chosen)
    _tell(counts)

    meta = {
        "sample": args.sample,
        "bins": bins,
        "settings.count": chosen.as_dict(),
        "single_end": counts.single_end,
        "reads": sum(counts.reads.values()),
        "fragments": counts.reads["used"],
        # A digest of the whole file would double the time that reading takes.
        "bam.header": f"sha256:{header.digest}",
        "bam.size": header.size,
    }
    region = frame[["chrom", "start", "end"]]
    table = region.assign(fragments=counts.fragments)
    table["short"] = pd.NA if counts.short is None else counts.short
    tables.write(args.output, COUNTS, table, meta=meta)
    tables.write(args.output_lengths, LENGTHS, counts.lengths_table(), meta=meta)
    tables.write(args.output_reads, READS, counts.reads_table(), meta=meta)
    return None


def _tolerances(stored: Stored) -> dict[str, int]:
    """How far the end of a chromosome's atoms may lie from its length."""
    if stored.meta.get("chromosome_ends") == "exact":
        return dict.fromkeys(map(str, stored.frame["chrom"].unique()), 0)
    width = stored.frame["end"] - stored.frame["start"]
    largest = width.groupby(stored.frame["chrom"], sort=False).max()
    return {str(name): int(value) for name, value in largest.items()}


def _tell(counts: Counts) -> None:
    """Say how many fragments were counted and what became of the other reads."""
    dropped = ", ".join(
        f"{name} {number:,}" for name, number in counts.reads.items() if number and name != "used"
    )
    log.info(
        "%s fragments%s of %s reads (%s)",
        f"{counts.reads['used']:,}",
        " (single-end)" if counts.single_end else "",
        f"{sum(counts.reads.values()):,}",
        dropped or "none dropped",
    )
    if counts.reads["used"] == 0:
        log.warning("no fragment passes the filters: the counts are zero")


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """Something that shows the share of the file on the terminal; None where there is none."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    shown = -1

    def show(share: float) -> None:
        nonlocal shown
        percent = int(100 * share)
        if percent != shown:
            shown = percent
            print(f"\rcount: {percent:3d} %", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
