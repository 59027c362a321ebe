"""One sample for other programs: SEG, VCF, bedGraph, bigWig, and CNVkit's .cnr and .cns."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import ExportSettings

log = logging.getLogger(__name__)

#: What can be written, and who reads it.
OUTPUTS = {
    "seg": "log2 of the segments, for IGV and cohort tools",
    "vcf": "altered segments and genes as VCF 4.4",
    "bedgraph": "plasma copy number of windows, for genome browsers",
    "bigwig": "the same as bigWig",
    "cnr": "log2 of windows, for CNVkit",
    "cns": "log2 of the segments, for CNVkit",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tables of one sample, and a file for each format that is wanted."""
    parser.add_argument("--sample", required=True, metavar="NAME", help="name of the sample")
    for table in ("profile", "segments", "fraction", "grid", "genes"):
        parser.add_argument(f"--{table}", type=Path, required=True, metavar="FILE",
                            help=f"{table} of the sample, from ctcnv call")  # fmt: skip
    for name, what in OUTPUTS.items():
        parser.add_argument(f"--output-{name}", type=Path, metavar="FILE", help=what)
    add_settings(parser, ExportSettings)


def run(args: argparse.Namespace) -> None:
    """Read, convert, write what was asked for."""
    import ctcnv
    from ctcnv import export, schema
    from ctcnv.cli import sample as shared
    from ctcnv.io import exports, tables

    use = settings(args, ExportSettings)
    wanted = {name: getattr(args, f"output_{name}") for name in OUTPUTS}
    if not any(wanted.values()):
        raise ValueError(f"nothing to write; give one of --output-{', --output-'.join(OUTPUTS)}")
    profile = shared.read_sample(args.profile, schema.PROFILE, args.sample, None)
    bins = profile.require("bins")
    stored = {"profile": profile} | {
        name: shared.read_sample(path, table, args.sample, bins)
        for name, path, table in (
            ("segments", args.segments, schema.SEGMENTS),
            ("fraction", args.fraction, schema.FRACTION),
            ("grid", args.grid, schema.GRID),
            ("genes", args.genes, schema.GENES),
        )
    }
    segments, grid, genes = (stored[name].frame for name in ("segments", "grid", "genes"))
    row = shared.only_row(stored["fraction"])
    lengths = export.chromosome_lengths(profile.frame)
    segments = export.clip(segments, lengths)
    joined = export.clip(export.windows(profile.frame, fragments=use.window_fragments), lengths)
    found = export.records(
        segments, genes, profile.frame, row, grid, false_positive=use.false_positive
    )
    if wanted["seg"]:
        exports.write_table(wanted["seg"], export.seg(segments, sample=args.sample))
    if wanted["vcf"]:
        text = export.vcf(
            found,
            sample=args.sample,
            lengths=lengths,
            fraction=row,
            version=ctcnv.__version__,
            inputs={name: table.digest for name, table in stored.items()},
        )
        tables.write_text(wanted["vcf"], text)
    if wanted["bedgraph"]:
        exports.write_bedgraph(wanted["bedgraph"], joined, name=args.sample)
    if wanted["bigwig"]:
        exports.write_bigwig(wanted["bigwig"], joined, lengths=lengths)
    if wanted["cnr"]:
        exports.write_table(wanted["cnr"], export.cnr(joined, genes))
    if wanted["cns"]:
        unit = float(joined["expected"].max()) if len(joined) else 1.0
        exports.write_table(wanted["cns"], export.cns(segments, genes, unit=unit))
    log.info(
        "%d windows, %d segments, %d altered segments and genes",
        len(joined), len(segments), len(found),
    )  # fmt: skip
