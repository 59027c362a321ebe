"""Change from baseline over the time points of one patient."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import TrackSettings

#: Tables of each time point, in the order of --samples.
PARTS = ("fraction", "grid", "profile", "segments", "genes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv track``."""
    parser.add_argument("--patient", required=True, help="patient's name")
    parser.add_argument("--samples", nargs="+", required=True, help="sample of each time point")
    parser.add_argument("--days", nargs="+", type=int, required=True, help="day of each sample")
    for name in PARTS:
        parser.add_argument(f"--{name}", nargs="+", type=Path, required=True, metavar="FILE",
                            help=f"{name} table of each sample")  # fmt: skip
    parser.add_argument("--dispersion", type=Path, help="the panel's pon.dispersion.tsv")
    parser.add_argument("--normals", type=Path, help="the panel's pon.normals.tsv.gz")
    parser.add_argument("--output", type=Path, required=True, help="track.tsv to write")
    add_settings(parser, TrackSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    from ctcnv import schema
    from ctcnv.cli import sample as shared
    from ctcnv.normalize import sample_dispersion
    from ctcnv.track import TimePoint, track

    use = settings(args, TrackSettings)
    n = len(args.samples)
    for name in ("days", *PARTS):
        if len(getattr(args, name)) != n:
            raise ValueError(f"--{name} has {len(getattr(args, name))} values for {n} samples")
    made = shared.Provenance({"patient": args.patient, "settings.track": use.as_dict()})
    types = {"fraction": schema.FRACTION, "grid": schema.GRID, "profile": schema.PROFILE,
             "segments": schema.SEGMENTS, "genes": schema.GENES}  # fmt: skip
    first = shared.read_sample(args.profile[0], schema.PROFILE, args.samples[0], None)
    bins = first.require("bins")
    panel = shared.read_dispersion(args.dispersion, made, bins=bins)
    normals = shared.read_normals(args.normals, made, bins=bins)
    points = []
    for i, sample in enumerate(args.samples):
        read = {}
        for name in PARTS:
            stored = shared.read_sample(getattr(args, name)[i], types[name], sample, bins)
            read[name] = made.add(f"{name}.{sample}", stored).frame
        target = read["genes"][read["genes"]["gene"] == "ERBB2"]
        if target.empty:
            raise ValueError(f"{args.genes[i]}: no ERBB2 row; the gene table must hold ERBB2")
        points.append(
            TimePoint(
                sample=sample,
                day=args.days[i],
                fraction=shared.first_row(read["fraction"]),
                erbb2=shared.first_row(target),
                profile=read["profile"],
                segments=read["segments"],
                grid=read["grid"],
                dispersion=sample_dispersion(read["profile"], panel),
            )
        )
    made.meta["bins"] = bins
    made.write(args.output, schema.TRACK, track(points, settings=use, normals=normals))
