"""Tumor fraction and ploidy of one profile, with intervals, limits and every solution."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import FractionSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv fraction``."""
    parser.add_argument("--profile", type=Path, required=True, help="profile.tsv.gz of a sample")
    parser.add_argument("--dispersion", type=Path, help="the panel's pon.dispersion.tsv")
    parser.add_argument("--normals", type=Path, help="the panel's pon.normals.tsv.gz")
    parser.add_argument("--output", type=Path, required=True, help="fraction.tsv to write")
    parser.add_argument("--output-grid", type=Path, required=True, help="fraction.grid.tsv.gz")
    parser.add_argument("--output-solutions", type=Path, required=True, help="solutions.tsv")
    add_settings(parser, FractionSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    from ctcnv import fraction, schema
    from ctcnv.cli import sample as shared
    from ctcnv.normalize import sample_dispersion

    use = settings(args, FractionSettings)
    if (args.dispersion is None) != (args.normals is None):
        raise ValueError("--dispersion and --normals go together: give both or neither")
    made = shared.Provenance()
    stored = shared.read_profile(args.profile, made)
    bins = stored.require("bins")
    panel = shared.read_dispersion(args.dispersion, made, bins=bins)
    normals = shared.libraries(args.normals, shared.read_normals(args.normals, made, bins=bins))
    dispersion = sample_dispersion(stored.frame, panel)
    found = fraction.estimate(stored.frame, dispersion=dispersion, settings=use, normals=normals)
    made.meta["settings.fraction"] = use.as_dict()
    row = fraction.table(found, sample=stored.require("sample"))
    made.write(args.output_grid, schema.GRID, found.grid)
    made.write(args.output, schema.FRACTION, row)
    made.write(args.output_solutions, schema.SOLUTIONS, found.solutions)
