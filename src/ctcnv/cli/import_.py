"""Bring count tables made elsewhere onto the atoms, re-binning by overlap where bins differ.

Read are fixedStep wigs (readCounter), TSVs with chrom, start, end (0-based, half-open) and a column
of counts named like the sample, 'count' or 'fragments', and counts.tsv.gz of ctcnv; plain or
gzipped. Totals are kept; counts without an atom are dropped and their number told.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctcnv.cli import failure

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.io.tables import Stored

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="wig or TSV")
    parser.add_argument("--bins", type=Path, required=True, metavar="bins.tsv.gz")
    parser.add_argument("--sample", required=True, metavar="NAME")
    parser.add_argument("--output", type=Path, required=True, metavar="counts.tsv.gz")
    failure.add_arguments(parser)


def run(args: argparse.Namespace) -> int | None:
    """Read the table and the bins, re-bin, write the counts."""
    from ctcnv.io import tables
    from ctcnv.schema import COUNTS

    stored, bins = tables.read_bins(args.bins)
    why = args.given_up
    if why is None:
        try:
            _import(args, stored, bins)
        except failure.OF_THE_FILE as error:
            why = failure.recorded(args, error, files=(args.table,))
    if why is not None:
        meta = {"sample": args.sample, "bins": bins, "settings.count": {"source": "import"},
                failure.FAILED: f"not imported: {why}"}  # fmt: skip
        tables.write(args.output, COUNTS, COUNTS.empty(), meta=meta,
                     inputs={"bins": stored.digest})  # fmt: skip
    return None


def _import(args: argparse.Namespace, stored: Stored, bins: str) -> None:
    import pandas as pd

    from ctcnv.io import tables, wig
    from ctcnv.schema import COUNTS

    atoms = stored.frame[["chrom", "start", "end"]]
    text = wig.read_text(args.table)
    meta: dict[str, Any] = {"settings.count": {"source": "import"}}
    short: Any = pd.NA
    try:
        if text.startswith("##ctcnv.table="):
            own = tables.read(args.table, COUNTS)
            _check_sample(own.require("sample"), args.sample)
            # How it was counted stays true, and the panel of normals will ask for it.
            meta = {key: value for key, value in own.meta.items()
                    if not key.startswith(("ctcnv.", "input."))}  # fmt: skip
            source, column = own.frame.rename(columns={"fragments": "value"}), "fragments"
            if source["short"].notna().all():
                shorts = source.assign(value=source["short"].astype("int64"))
                short = _onto(shorts, atoms, "short")
        elif wig.is_wig(text):
            source, column = wig.read_fixed_step(args.table), "the wig"
        else:
            source, column = wig.read_count_table(args.table, sample=args.sample)
        fragments = _onto(source, atoms, column)
    except ValueError as error:
        message = str(error)
        known = message.startswith(str(args.table))
        raise ValueError(message if known else f"{args.table}: {message}") from None
    total = int(fragments.sum())
    log.info("%s fragments in %s atoms", f"{total:,}", f"{len(atoms):,}")
    if total == 0:
        log.warning("the counts are zero")
    meta |= {"sample": args.sample, "bins": bins, "fragments": total}
    table = atoms.assign(fragments=fragments, short=short)
    if not isinstance(short, type(pd.NA)):
        # Each column is rounded by itself: never more short fragments than fragments.
        table["short"] = table[["short", "fragments"]].min(axis="columns")
    made_from = {"table": tables.sha256_file(args.table), "bins": stored.digest}
    tables.write(args.output, COUNTS, table, meta=meta, inputs=made_from)


def _check_sample(found: str, wanted: str) -> None:
    if found != wanted:
        raise ValueError(f"counts of sample {found!r}, not of {wanted!r}; name the right file")


def _onto(source: pd.DataFrame, atoms: pd.DataFrame, column: str) -> Any:
    """One column of counts on the atoms; the log says what did not fit."""
    from ctcnv import import_

    result = import_.rebin(import_.check_source(source), atoms)
    how = "same bins" if result.same_bins else f"re-binned from {len(source):,} bins"
    log.info("counts from %s: %s", column, how)
    if result.outside:
        log.info("%s counts dropped: no atom there", f"{result.outside:,}")
    if result.absent:
        log.warning("not in the table, counted as zero: %s", ", ".join(result.absent))
    if result.uncovered:
        log.warning(
            "less than half of %s atoms is covered by the table's bins; their counts are too low",
            f"{result.uncovered:,}",
        )
    return result.values
