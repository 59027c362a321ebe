"""Change from baseline over the time points of one patient."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli.patterns import filled
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import IdentitySettings, MutationsSettings, TrackSettings

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.cli.sample import Provenance

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
    parser.add_argument("--mutations", nargs="+", type=Path, default=[], metavar="FILE",
                        help="mutations table of each sample, for their mean")  # fmt: skip
    parser.add_argument("--dispersion", type=Path, help="the panel's pon.dispersion.tsv")
    parser.add_argument("--normals", type=Path, help="the panel's pon.normals.tsv.gz")
    parser.add_argument("--sites", type=Path, nargs="+", default=[], metavar="FILE",
                        help="reads at common SNPs, of samples that have them")  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, help="track.tsv to write")
    add_settings(parser, TrackSettings, IdentitySettings, MutationsSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    from ctcnv import identity, schema, vafs
    from ctcnv.cli import sample as shared
    from ctcnv.normalize import sample_dispersion
    from ctcnv.track import TimePoint, baseline, track

    use, use_identity = settings(args, TrackSettings), settings(args, IdentitySettings)
    n = len(args.samples)
    parts = (*PARTS, "mutations") if args.mutations else PARTS
    for name in parts:
        setattr(args, name, filled(getattr(args, name), sample=args.samples))
    for name in ("days", *parts):
        if len(getattr(args, name)) != n:
            raise ValueError(
                f"--{name} has {len(getattr(args, name))} values for {n} samples; give one for "
                "each, in the order of --samples"
            )
    made = shared.Provenance({"patient": args.patient, "settings.track": use.as_dict(),
                              "settings.identity": use_identity.as_dict()})  # fmt: skip
    types = {"fraction": schema.FRACTION, "profile": schema.PROFILE, "segments": schema.SEGMENTS,
             "genes": schema.GENES}  # fmt: skip
    first = shared.read_sample(args.profile[0], schema.PROFILE, args.samples[0], None)
    bins = first.require("bins")
    panel = shared.read_dispersion(args.dispersion, made, bins=bins)
    normals = shared.read_normals(args.normals, made, bins=bins)
    sites = _sites(args.sites, made)
    points, people = [], {}
    use_mutations, of_sample = None, {}
    if args.mutations:
        use_mutations = settings(args, MutationsSettings)
        made.meta["settings.mutations"] = use_mutations.as_dict()
        of_sample = {
            name: _mutations(path, name, bins, made)
            for name, path in zip(args.samples, args.mutations, strict=True)
        }
    for i, sample in enumerate(args.samples):
        read: dict[str, pd.DataFrame] = {}
        fraction: dict[str, object] = {}
        for name in PARTS:
            path = getattr(args, name)[i]
            if name == "grid":
                stored = shared.read_grid(path, sample, bins, fraction=fraction)
            else:
                stored = shared.read_sample(path, types[name], sample, bins)
            read[name] = made.add(f"{name}.{sample}", stored).frame
            if name == "fraction":
                fraction = shared.only_row(stored)
            elif name == "profile":
                sex = stored.require("sex")
        target = read["genes"][read["genes"]["gene"] == "ERBB2"]
        if len(target) != 1:
            raise ValueError(f"{args.genes[i]}: {len(target)} rows of ERBB2; the gene table must "
                             "hold it once")  # fmt: skip
        points.append(
            TimePoint(
                sample=sample,
                day=args.days[i],
                fraction=fraction,
                erbb2={str(key): value for key, value in target.iloc[0].items()},
                profile=read["profile"],
                segments=read["segments"],
                grid=read["grid"],
                dispersion=sample_dispersion(read["profile"], panel),
                mutations=of_sample.get(sample),
            )
        )
        people[sample] = identity.Person(
            sample, sex, read["profile"], points[-1].dispersion, points[-1].detected,
            sites.get(sample),
        )  # fmt: skip
    made.meta["bins"] = bins
    frame = track(points, settings=use, normals=normals, mutations=use_mutations)
    base = baseline(sorted(points, key=lambda point: (point.day, point.sample)))
    verdicts = {
        point.sample: identity.compare(people[base.sample], people[point.sample],
                                       settings=use_identity)
        for point in points
        if point.sample != base.sample and not (point.failed or base.failed)
    }  # fmt: skip
    frame = identity.add(frame, verdicts)
    if use_mutations is not None:
        frame = vafs.add(frame, of_sample, limit=use_mutations.molecules, min_vaf=use.min_vaf)
    made.write(args.output, schema.TRACK, frame)


def _mutations(path: Path, sample: str, bins: str, made: Provenance) -> pd.DataFrame:
    """The mutations of a sample; ValueError names a row that is there twice or has more reads of
    the mutation than reads."""
    from ctcnv.cli import sample as shared
    from ctcnv.schema import MUTATIONS
    from ctcnv.vafs import KEY

    stored = made.add(f"mutations.{sample}", shared.read_sample(path, MUTATIONS, sample, bins))
    frame = stored.frame
    wrong = (
        frame.duplicated(KEY).to_numpy(dtype=bool),
        ((frame["alt_reads"] > frame["depth"]).fillna(False).to_numpy(dtype=bool)),
    )
    for rows, why in zip(wrong, ("is there twice", "has more reads than its depth"), strict=True):
        if rows.any():
            row = int(rows.argmax())
            place = f"{frame['chrom'].iloc[row]}:{frame['start'].iloc[row] + 1}"
            raise ValueError(f"{path} row {row + 1}: {place} {why}; make the file again")
    return frame


def _sites(paths: list[Path], made: Provenance) -> dict[str, pd.DataFrame]:
    """The tables of sites by sample; ValueError when they were made with other sites."""
    from ctcnv.io import tables
    from ctcnv.schema import SITES

    found, lists = {}, set()
    for path in paths:
        stored = tables.read(path, SITES)
        sample = stored.require("sample")
        found[sample] = made.add(f"sites.{sample}", stored).frame
        lists.add(stored.meta.get("input.sites"))
        if len(lists) > 1:
            raise ValueError(f"{path}: made with another list of sites; make all with the same")
    return found
