"""Copy number and amplification call of each gene of one sample."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import GenesSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv genes``."""
    parser.add_argument("--profile", type=Path, required=True, help="profile.tsv.gz of a sample")
    parser.add_argument("--fraction", type=Path, required=True, help="its fraction.tsv")
    parser.add_argument("--grid", type=Path, required=True, help="its fraction.grid.tsv.gz")
    parser.add_argument("--genes", type=Path, required=True, help="gene table of the reference")
    parser.add_argument("--dispersion", type=Path, help="the panel's pon.dispersion.tsv")
    parser.add_argument("--pon-genes", type=Path, help="the panel's pon.genes.tsv")
    parser.add_argument("--output", type=Path, required=True, help="genes.tsv to write")
    add_settings(parser, GenesSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    from ctcnv import genes, schema
    from ctcnv.cli import sample as shared
    from ctcnv.fraction import FractionResult
    from ctcnv.io import tables
    from ctcnv.normalize import sample_dispersion

    if (args.dispersion is None) != (args.pon_genes is None):
        raise ValueError("--dispersion and --pon-genes go together: give both or neither")
    use = settings(args, GenesSettings)
    made = shared.Provenance()
    stored = shared.read_profile(args.profile, made)
    sample, bins = stored.require("sample"), stored.require("bins")
    row = made.add("fraction", shared.read_sample(args.fraction, schema.FRACTION, sample, bins))
    grid = made.add("grid", shared.read_sample(args.grid, schema.GRID, sample, bins))
    table = made.add("genes", tables.read(args.genes, schema.GENE_TABLE))
    panel = shared.read_dispersion(args.dispersion, made, bins=stored.require("bins"))
    dispersion = sample_dispersion(stored.frame, panel)
    found = FractionResult(shared.only_row(row), grid.frame, schema.SOLUTIONS.empty())
    excess = shared.read_excess(args.pon_genes, made, bins=bins)
    called = genes.call_genes(
        stored.frame, table.frame, found, dispersion=dispersion, settings=use, excess=excess
    )
    made.meta["settings.genes"] = use.as_dict()
    made.write(args.output, schema.GENES, called)
