"""Build the panel of normals and say what its checks found."""

from __future__ import annotations

import argparse
import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli import failure
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import FractionSettings, GenesSettings, NormalizeSettings, PonSettings

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv pon``."""
    parser.add_argument("--counts", type=Path, nargs="+", required=True, metavar="FILE",
                        help="counts.tsv.gz of each normal")  # fmt: skip
    parser.add_argument("--bins", type=Path, required=True, help="bins.tsv.gz of the reference")
    parser.add_argument("--genes", type=Path, required=True, help="gene table of the reference")
    parser.add_argument("--output", type=Path, required=True, help="pon.tsv.gz to write")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="normals at a time (1)")
    for name in ("dispersion", "donors", "genes", "normals", "waves"):
        parser.add_argument(f"--output-{name}", type=Path, required=True, metavar="FILE")
    add_settings(parser, NormalizeSettings, PonSettings, FractionSettings, GenesSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    import numpy as np

    from ctcnv import pon, schema, threads
    from ctcnv.cli import sample as shared
    from ctcnv.io import tables

    use_normalize, use_pon, use_fraction, use_genes = (
        settings(args, NormalizeSettings),
        settings(args, PonSettings),
        settings(args, FractionSettings),
        settings(args, GenesSettings),
    )
    bins, identity = tables.read_bins(args.bins)
    gene_table = tables.read(args.genes, schema.GENE_TABLE)
    digests: dict[str, str] = {}
    failed: dict[str, str] = {}
    filters = ""
    # Of each table only what is needed stays in memory.
    observed = np.zeros((len(args.counts), len(bins.frame)), dtype=np.int32)
    read = functools.partial(tables.read, table=schema.COUNTS, only=("fragments",))
    for stored in threads.in_turn(read, args.counts, threads=args.threads):
        name = stored.require("sample")
        if name in digests or name in failed:
            raise ValueError(f"normal {name!r} is given twice; names must be unique")
        if failure.FAILED in stored.meta:
            failed[name] = stored.meta[failure.FAILED]
            log.warning("normal %s is left out: %s", name, failed[name])
            continue
        filters = filters or stored.require("settings.count")
        tables.require_bins(stored, identity, of="the reference")
        shared.same_filters(stored, filters, of=f"normal {next(iter(digests), name)}")
        digests[name] = stored.digest
        observed[len(digests) - 1] = stored.frame["fragments"].to_numpy()
    if not digests:
        name, why = next(iter(failed.items()))
        raise ValueError(f"no normal can be used for the panel: {name} {why}")
    result = pon.build(
        observed[: len(digests)],
        list(digests),
        bins.frame,
        gene_table.frame,
        normalize_settings=use_normalize,
        settings=use_pon,
        fraction_settings=use_fraction,
        genes_settings=use_genes,
        workers=args.threads,
    )
    require_target(result.pon, gene_table.frame, args.bins)
    used = (use_normalize, use_pon, use_fraction, use_genes)
    made = shared.Provenance(
        {
            "bins": identity,
            "n_normals": str(result.n_normals),
            "settings.count": filters,
            **{f"settings.{one.section}": one.as_dict() for one in used},
        },
        {"bins": bins.digest, "genes": gene_table.digest}
        | {f"counts.{name}": digest for name, digest in digests.items()},
    )
    made.write(args.output_dispersion, schema.DISPERSION, result.dispersion)
    made.write(args.output_donors, schema.DONORS, pon.with_failed(result.donors, failed))
    made.write(args.output_genes, schema.PON_GENES, result.genes)
    made.write(args.output_normals, schema.NORMALS, result.normals)
    made.write(args.output_waves, schema.WAVES, result.waves)
    made.write(args.output, schema.PON, result.pon)


def require_target(pon: pd.DataFrame, gene_table: pd.DataFrame, source: Path) -> None:
    """Refuse a panel that leaves out every atom of ERBB2: a run without its gene is no run."""
    from ctcnv.schema import chrom_key

    rows = gene_table[gene_table["gene"] == TARGET]
    if rows.empty:
        raise ValueError(f"the gene table has no {TARGET}; add it, or set reference.genes: auto")
    row = rows.iloc[0]
    on = pon["chrom"].map(chrom_key) == chrom_key(str(row["chrom"]))
    inside = pon[on & (pon["start"] < row["end"]) & (pon["end"] > row["start"])]
    if inside["factor"].notna().any():
        return
    why = sorted({str(reason) for reason in inside["reason"]})
    raise ValueError(
        f"{source}: the panel leaves no usable atom at {TARGET} ({', '.join(why) or 'none there'});"
        " check the normals, or relax pon.min_factor, pon.max_factor, pon.max_spread and"
        " pon.max_relative_spread"
    )


TARGET = "ERBB2"
