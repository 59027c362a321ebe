"""Published criteria, concurrent alterations and strata of one patient's samples."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ctcnv.cli.patterns import filled
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import CriteriaSettings

#: Tables of each sample, in the order of --samples.
PARTS = ("fraction", "grid", "genes", "mutations")

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv criteria``."""
    parser.add_argument("--patient", required=True, help="patient's name")
    parser.add_argument("--samples", nargs="+", required=True, help="sample of each time point")
    for name in PARTS:
        parser.add_argument(f"--{name}", nargs="+", type=Path, required=True, metavar="FILE",
                            help=f"{name} table of each sample")  # fmt: skip
    parser.add_argument("--track", type=Path, required=True, help="track.tsv of the patient")
    parser.add_argument("--rules", type=Path, required=True, help="config/criteria.yaml")
    for name in ("criteria", "alterations", "strata"):
        parser.add_argument(f"--output-{name}", type=Path, required=True, metavar="FILE",
                            help=f"{name}.tsv to write")  # fmt: skip
    add_settings(parser, CriteriaSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    import pandas as pd

    from ctcnv import alterations, criteria, schema
    from ctcnv.cli import sample as shared
    from ctcnv.io import rules, tables

    use = settings(args, CriteriaSettings)
    n = len(args.samples)
    for name in PARTS:
        setattr(args, name, filled(getattr(args, name), sample=args.samples))
        if len(getattr(args, name)) != n:
            raise ValueError(
                f"--{name} has {len(getattr(args, name))} values for {n} samples; give one for "
                "each, in the order of --samples"
            )
    wanted = rules.read(args.rules)
    known = rules.resistance()
    made = shared.Provenance({"patient": args.patient, "settings.criteria": use.as_dict()})
    made.inputs |= {"rules": tables.sha256_file(args.rules), "resistance": known.digest}
    course = made.add("track", tables.read(args.track, schema.TRACK))
    tables.require_patient(course, args.patient)
    points = course.frame.set_index("sample", drop=False)
    facts = []
    for i, name in enumerate(args.samples):
        if name not in points.index:
            raise ValueError(f"{args.track}: no row of sample {name!r}; make the track again")
        read: dict[str, pd.DataFrame] = {}
        fraction: dict[str, object] = {}
        for part in PARTS:
            path = getattr(args, part)[i]
            if part == "grid":
                stored = shared.read_grid(path, name, None, fraction=fraction)
            else:
                stored = shared.read_sample(path, schema.TABLES[part], name, None)
            read[part] = made.add(f"{part}.{name}", stored).frame
            if part == "fraction":
                fraction = shared.only_row(stored)
        row = points.loc[name].to_dict()
        facts.append(alterations.Facts(
            sample=name, day=int(row["day"]), fraction=fraction,
            genes=read["genes"], mutations=read["mutations"], grid=read["grid"], track=row,
        ))  # fmt: skip
    facts.sort(key=lambda one: (one.day, one.sample))
    judged = criteria.criteria(facts, wanted, settings=use)
    found = [alterations.alterations(one, known.frame, settings=use) for one in facts]
    some = [table for table in found if len(table)]
    together = pd.concat(some, ignore_index=True) if some else schema.ALTERATIONS.empty()
    strata = alterations.strata(facts, known.frame, settings=use)
    log.info("%d samples, %d criteria, %d alterations", n, len(wanted), len(together))
    made.write(args.output_criteria, schema.CRITERIA, judged)
    made.write(args.output_alterations, schema.ALTERATIONS, together)
    made.write(args.output_strata, schema.STRATA, strata)
