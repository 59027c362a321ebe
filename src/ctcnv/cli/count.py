"""Count the fragments of a BAM or CRAM per atom, and account for every read.

The file is read once from its first to its last byte: it needs no index and no order. Filters act
in the order of the rows of reads.tsv; every read is in exactly one of them. lengths.tsv holds the
fragments that pass every filter but that of length.

With --output-gc the used fragments are also counted by the GC of the reference between their ends.

With --region only the atoms that it touches are counted and written, with the counts that they
have in the whole file; what lies elsewhere is not read. Such a table is for a look at a gene or
panel: the other steps refuse it.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli import failure, imports
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import CountSettings

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.count import Counts
    from ctcnv.fragment_gc import FragmentGc
    from ctcnv.io.tables import Stored

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--bam", type=Path, required=True, metavar="FILE", help="BAM or CRAM")
    parser.add_argument("--bins", type=Path, required=True, metavar="bins.tsv.gz")
    parser.add_argument("--sample", required=True, metavar="NAME")
    parser.add_argument(
        "--reference", type=Path, metavar="FASTA",
        help="the FASTA a CRAM was made with; also needed by --output-gc",
    )  # fmt: skip
    parser.add_argument(
        "--region", metavar="BED|CHROM",
        help="a BED file or a chromosome: count only its atoms, by the index (BAI, CSI, CRAI)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads that decompress"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="counts.tsv.gz")
    parser.add_argument("--output-lengths", type=Path, required=True, metavar="lengths.tsv")
    parser.add_argument("--output-reads", type=Path, required=True, metavar="reads.tsv")
    parser.add_argument(
        "--output-gc", type=Path, metavar="gc.tsv",
        help="also the fragments by the GC of their bases; the BAM must be sorted",
    )  # fmt: skip
    failure.add_arguments(parser)
    add_settings(parser, CountSettings)


def run(args: argparse.Namespace) -> int | None:
    """Read the bins and the BAM, count, write the three tables."""
    from ctcnv.io import tables

    chosen = settings(args, CountSettings)
    if args.output_gc is not None and args.reference is None:
        raise ValueError("--output-gc needs the FASTA that the reads were aligned to: --reference")
    stored, bins = tables.read_bins(args.bins, only=("chrom", "start", "end"))
    why = args.given_up
    if why is None:
        try:
            with imports.lean_loops():
                _count(args, chosen, stored, bins)
        except failure.OF_THE_FILE as error:
            why = failure.recorded(args, error, files=(args.bam, args.reference))
    if why is not None:
        _write_failed(args, chosen, stored, bins, why)
    return None


def _write_failed(
    args: argparse.Namespace, chosen: CountSettings, stored: Stored, bins: str, why: str
) -> None:
    """The three tables without a row: nothing is known of the sample, which is not zero."""
    from ctcnv.io import tables
    from ctcnv.schema import COUNTS, FRAGMENT_GC, LENGTHS, READS

    meta = {"sample": args.sample, "bins": bins, "settings.count": chosen.as_dict(),
            failure.FAILED: f"not counted: {why}"}  # fmt: skip
    made_from = {"bins": stored.digest}
    for path, kind in ((args.output, COUNTS), (args.output_lengths, LENGTHS),
                       (args.output_reads, READS), (args.output_gc, FRAGMENT_GC)):  # fmt: skip
        if path is not None:
            tables.write(path, kind, kind.empty(), meta=meta, inputs=made_from)


def _count(args: argparse.Namespace, chosen: CountSettings, stored: Stored, bins: str) -> None:
    import pandas as pd

    from ctcnv import bins as bins_step
    from ctcnv import count
    from ctcnv.io import bam, tables
    from ctcnv.schema import COUNTS, FRAGMENT_GC, LENGTHS, READS

    frame, regions = stored.frame, None
    if args.region is not None:
        frame = _touched(frame, args.region)
        regions, bins = count.needed(frame, chosen), tables.bins_id(frame)
    gc: FragmentGc | None = None
    with (
        contextlib.ExitStack() as opened,
        _progress(quiet=args.quiet) as progress,
        bam.reads(
            args.bam, reference=args.reference, regions=regions, threads=max(args.threads, 1),
            progress=progress,
        ) as reads,
    ):  # fmt: skip
        header = reads.header
        try:
            count.check_contigs(
                bins_step.ends_by_chromosome(stored.frame),
                header.contigs,
                widths=_tolerances(stored),
            )
        except ValueError as error:
            raise ValueError(f"{args.bam}: {error}") from None
        if header.order != "coordinate":
            log.info("%s: sort order %r; counting needs none", args.bam, header.order)
        if args.output_gc is not None:
            if header.order != "coordinate":
                raise ValueError(
                    f"{args.bam}: sort order {header.order!r}, --output-gc needs one by "
                    "coordinate; run samtools sort"
                )
            gc = opened.enter_context(_fragment_gc(args.reference, frame, header.contigs, chosen))
        counts = count.count(reads.batches(), frame, header.contigs, chosen,
                             also=None if gc is None else gc.add)  # fmt: skip
        of_gc = FRAGMENT_GC.empty() if gc is None or counts.single_end else gc.table()
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
    table = frame[["chrom", "start", "end"]].assign(fragments=counts.fragments)
    table["short"] = pd.NA if counts.short is None else counts.short
    made_from = {"bins": stored.digest}
    for path, kind, made in (
        (args.output, COUNTS, table),
        (args.output_lengths, LENGTHS, counts.lengths_table()),
        (args.output_reads, READS, counts.reads_table()),
        (args.output_gc, FRAGMENT_GC, of_gc),
    ):
        if path is not None:
            tables.write(path, kind, made, meta=meta, inputs=made_from)


@contextlib.contextmanager
def _fragment_gc(
    path: Path, frame: pd.DataFrame, contigs: dict[str, int], chosen: CountSettings
) -> Iterator[FragmentGc]:
    """What counts fragments by GC, with the FASTA open; ValueError where it is another genome."""
    from ctcnv.count import Atoms, find_contig
    from ctcnv.fragment_gc import FragmentGc
    from ctcnv.io import reference

    with reference.fasta(path) as opened:
        lengths = reference.lengths(opened)
        names = {tid: find_contig(name, lengths) for tid, name in enumerate(contigs)}
        atoms = Atoms(frame, contigs)
        for tid, (name, length) in enumerate(contigs.items()):
            own = names[tid]
            if atoms.offset[tid] >= 0 and (own is None or lengths[own] != length):
                raise ValueError(f"{path}: has no {name} of {length:,} bp; give the FASTA that the "
                                 "reads were aligned to")  # fmt: skip
        yield FragmentGc(
            atoms, longest=chosen.max_length,
            fetch=lambda tid, start, end: reference.bases(opened, str(names[tid]), start, end),
        )  # fmt: skip


def _touched(frame: pd.DataFrame, region: str) -> pd.DataFrame:
    """The atoms that a BED file or a chromosome touches."""
    import numpy as np

    from ctcnv.io.reference import read_bed
    from ctcnv.schema import chrom_key

    keys = frame["chrom"].map({name: chrom_key(name) for name in frame["chrom"].unique()})
    if not Path(region).is_file():
        touched = (keys == chrom_key(region)).to_numpy()
        if not touched.any():
            raise ValueError(f"--region {region}: neither a file nor a chromosome of the bins")
    else:
        start, end = (frame[side].to_numpy(dtype=np.int64) for side in ("start", "end"))
        touched = np.zeros(len(frame), dtype=bool)
        for chrom, part in read_bed(Path(region)).groupby("chrom", sort=False):
            here = np.flatnonzero(keys == chrom_key(str(chrom)))
            first = np.searchsorted(end[here], part["start"].to_numpy(), side="right")
            last = np.searchsorted(start[here], part["end"].to_numpy(), side="left")
            for low, high in zip(first, last, strict=True):
                touched[here[low:high]] = True
        if not touched.any():
            raise ValueError(f"{region}: none of its regions lies in an atom of the bins")
    return frame[touched].reset_index(drop=True)


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
