"""Regions of constant ratio of one profile."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import SegmentSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv segment``."""
    parser.add_argument("--profile", type=Path, required=True, help="profile.tsv.gz of a sample")
    parser.add_argument("--dispersion", type=Path, help="the panel's pon.dispersion.tsv")
    parser.add_argument("--output", type=Path, required=True, help="segments.tsv to write")
    add_settings(parser, SegmentSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    from ctcnv.cli import sample as shared
    from ctcnv.normalize import sample_dispersion
    from ctcnv.schema import SEGMENTS
    from ctcnv.segment import segment

    use = settings(args, SegmentSettings)
    made = shared.Provenance()
    stored = shared.read_profile(args.profile, made)
    profile = stored.frame
    panel = shared.read_dispersion(args.dispersion, made, bins=stored.require("bins"))
    dispersion = sample_dispersion(profile, panel)
    made.meta["settings.segment"] = use.as_dict()
    made.write(args.output, SEGMENTS, segment(profile, dispersion=dispersion, settings=use))
