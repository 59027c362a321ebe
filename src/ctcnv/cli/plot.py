"""Figures of one sample for slides and papers: the genome, and chromosome 17 around ERBB2."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tables in, four pictures out."""
    parser.add_argument("--sample", required=True, metavar="NAME", help="name of the sample")
    for table in ("profile", "segments", "fraction", "genes"):
        parser.add_argument(f"--{table}", type=Path, required=True, metavar="FILE",
                            help=f"{table} of the sample, from ctcnv call")  # fmt: skip
    for name, what in (("genome", "the whole genome"), ("chr17", "chromosome 17")):
        parser.add_argument(f"--output-{name}", type=Path, required=True, metavar="SVG",
                            help=f"{what}, as SVG")  # fmt: skip
        parser.add_argument(f"--output-{name}-png", type=Path, required=True, metavar="PNG",
                            help=f"{what}, as PNG")  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Read the tables, draw, write."""
    from ctcnv import plots, schema
    from ctcnv.io import tables

    profile, segments, fraction, genes = (
        tables.read(path, table)
        for path, table in (
            (args.profile, schema.PROFILE),
            (args.segments, schema.SEGMENTS),
            (args.fraction, schema.FRACTION),
            (args.genes, schema.GENES),
        )
    )
    for stored in (profile, segments, fraction, genes):
        tables.require_sample(stored, args.sample)
    whole = plots.genome(
        profile.frame, segments.frame, fraction.frame, genes.frame, sample=args.sample
    )
    near = plots.chr17(profile.frame, segments.frame, genes.frame, sample=args.sample)
    # drawn in full before the first file is written: never half a set
    written = {
        args.output_genome: plots.render(whole, "svg"),
        args.output_genome_png: plots.render(whole, "png"),
        args.output_chr17: plots.render(near, "svg"),
        args.output_chr17_png: plots.render(near, "png"),
    }
    for path, data in written.items():
        tables.write_bytes(path, data)
    log.info("%d figures of %s", len(written), args.sample)
