"""Run the workflow on real serial plasma of one patient against real healthy plasma."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

PATIENT = "MBC_315"
#: Sample, day and count table. The days are placeholders: the source does not tell them.
PLASMA = (
    ("MBC_315_T1", 0, "serial_plasma/MBC_315.ctDNA.reads.wig"),
    ("MBC_315_T2", 21, "serial_plasma/MBC_315_T2.ctDNA.reads.wig"),
)
NORMALS = "healthy_plasma/graz_controls_47_samples.tsv"
NORMAL_COUNTS = "healthy_plasma/graz_controls_47_counts_hg19_56kb.tsv.gz"
GC_WIG = "tracks/gc_hg19_1000kb.wig"
MAP_WIG = "tracks/map_hg19_1000kb.wig"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument(
        "data", type=Path, metavar="DATA",
        help="the folder with serial_plasma, healthy_plasma and tracks",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("real"), metavar="DIR")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, metavar="N")


def run(args: argparse.Namespace) -> int | None:
    """Write sheet and config, run the workflow, print what it found."""
    from ctcnv.cli import summary, workflow
    from ctcnv.io import sheet
    from ctcnv.io.tables import write_text

    workflow.root()
    data = args.data.resolve()
    for name in (*(table for _, _, table in PLASMA), NORMALS, NORMAL_COUNTS, GC_WIG, MAP_WIG):
        if not (data / name).is_file():
            raise ValueError(f"{args.data}: {name} is not there; is this the folder of real data?")
    rows: list[dict[str, Any]] = [
        {"sample": sample, "patient": PATIENT, "role": "plasma", "day": day, "counts": data / table}
        for sample, day, table in PLASMA
    ]
    for name, sex in _normals(data / NORMALS):
        rows.append({"sample": name, "role": "normal", "counts": data / NORMAL_COUNTS, "sex": sex})
    args.output.mkdir(parents=True, exist_ok=True)
    sheet.write(args.output / "samples.tsv", rows)
    config = args.output / "config.yaml"
    write_text(
        config,
        "samples: samples.tsv\n"
        "reference:\n"
        f"  gc_wig: {_quoted(data / GC_WIG)}\n"
        f"  map_wig: {_quoted(data / MAP_WIG)}\n",
    )
    log.info(
        "%d samples of patient %s, %d normals; work in %s",
        len(PLASMA), PATIENT, len(rows) - len(PLASMA), args.output,
    )  # fmt: skip
    code = workflow.run(args.output, config=config, cores=args.cores)
    if code:
        return 1
    print(f"\nPatient {PATIENT}; the source does not tell the days, 0 and 21 are placeholders.\n")
    print(summary.found(args.output, [(sample, day) for sample, day, _ in PLASMA]))
    print(summary.places(args.output))
    return None


def _normals(path: Path) -> list[tuple[str, str]]:
    """Name and sex of each healthy donor."""
    import csv

    with path.open(newline="") as handle:
        return [(row["sample"], row["sex"]) for row in csv.DictReader(handle, delimiter="\t")]


def _quoted(path: Path) -> str:
    """A path as a YAML string."""
    import json

    return json.dumps(str(path))
