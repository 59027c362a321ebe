"""A patient's report as one HTML file, as PDF, and as JSON; lists go by the order of --samples."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli.patterns import filled

if TYPE_CHECKING:
    from ctcnv import report

log = logging.getLogger(__name__)

#: The tables of each sample, in the order in which they are read.
TABLES = ("profile", "segments", "fraction", "solutions", "genes", "qc")
#: Tables of the patient that the report can do without.
OF_CRITERIA = ("criteria", "alterations", "strata")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The track, and a list per table of the samples."""
    parser.add_argument("--patient", required=True, metavar="NAME", help="name of the patient")
    parser.add_argument("--track", type=Path, required=True, metavar="FILE",
                        help="course of the patient, from ctcnv track")  # fmt: skip
    parser.add_argument("--samples", nargs="+", required=True, metavar="NAME",
                        help="names of the samples")  # fmt: skip
    for table in TABLES:
        parser.add_argument(f"--{table}", type=Path, nargs="+", required=True, metavar="FILE",
                            help=f"{table} of each sample")  # fmt: skip
    parser.add_argument("--mutations", type=Path, nargs="+", metavar="FILE",
                        help="mutations of each sample, if there are any")  # fmt: skip
    for table in OF_CRITERIA:
        parser.add_argument(f"--{table}", type=Path, metavar="FILE",
                            help=f"{table}.tsv of the patient, from ctcnv criteria")  # fmt: skip
    parser.add_argument("--treatments", type=Path, metavar="FILE",
                        help="days of treatment of the patients, optional")  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="HTML",
                        help="the report")  # fmt: skip
    parser.add_argument("--output-pdf", type=Path, metavar="PDF", help="the same for print")
    parser.add_argument("--output-summary", type=Path, metavar="JSON",
                        help="the same for other systems")  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Read the tables, fill the page, write it."""
    from ctcnv import report, schema
    from ctcnv.cli import sample as shared
    from ctcnv.io import tables, treatments

    named = (*TABLES, "mutations") if args.mutations else TABLES
    for table in named:
        given = filled(getattr(args, table), sample=args.samples)
        setattr(args, table, given)
        if len(given) != len(args.samples):
            raise ValueError(
                f"--{table} has {len(given)} files for {len(args.samples)} samples; "
                "give one for each, in the order of --samples"
            )
    track = tables.read(args.track, schema.TRACK)
    tables.require_patient(track, args.patient)
    made_from = {f"track.{args.patient}": track.digest}
    samples = []
    for index, name in enumerate(args.samples):
        sheets = {}
        for table in named:
            stored = tables.read(getattr(args, table)[index], schema.TABLES[table])
            tables.require_sample(stored, name)
            made_from[f"{table}.{name}"] = stored.digest
            sheets[table] = report.Sheet(stored.frame, stored.meta)
        samples.append(report.Sample(name, **sheets))
    more = {}
    for table in OF_CRITERIA:
        if getattr(args, table) is not None:
            stored = tables.read(getattr(args, table), schema.TABLES[table])
            tables.require_patient(stored, args.patient)
            more[table] = report.Sheet(stored.frame, stored.meta)
            made_from[f"{table}.{args.patient}"] = stored.digest
    doses: Sequence[tuple[int, str]] = ()
    if args.treatments is not None:
        doses = treatments.of_patient(treatments.read(args.treatments), args.patient)
        made_from["treatments"] = tables.sha256_file(args.treatments)
    course = report.Sheet(track.frame, track.meta)
    page = report.patient_report(args.patient, course, samples, treatments=doses, **more)
    summary = report.summary.text(report.summary.patient_summary(args.patient, course, samples))
    printed = None if args.output_pdf is None else _pdf(args.patient, course, samples, more, doses)
    tables.write_text(args.output, shared.with_inputs(page, made_from))
    if printed is not None:
        tables.write_bytes(args.output_pdf, printed)
    if args.output_summary is not None:
        tables.write_text(args.output_summary, summary)
    log.info("report of %s: %d samples, %d kB", args.patient, len(samples), len(page) // 1000)


def _pdf(
    patient: str, track: report.Sheet, samples: list[report.Sample],
    more: dict[str, report.Sheet], treatments: Sequence[tuple[int, str]],
) -> bytes:  # fmt: skip
    """The printed report, with the drawings of every sample that shows something."""
    from ctcnv import plots, report
    from ctcnv.document import Picture
    from ctcnv.plots.pdf import pdf

    drawn = {}
    for sample in samples:
        tables = [sample.profile.frame, sample.segments.frame, sample.fraction.frame,
                  sample.genes.frame]  # fmt: skip
        if not (sample.profile.frame["expected"] > 0).any():
            continue
        drawn[sample.name] = [
            Picture(plots.render(figure, "png", dpi=plots.DPI_ON_PAPER), f"{sample.name}: {what}")
            for figure, what in (
                (plots.genome(*tables, sample=sample.name), "plasma copy number along the genome"),
                (plots.chr17(tables[0], tables[1], tables[3], sample=sample.name),
                 "chromosome 17 and the neighbourhood of ERBB2"),
            )
        ]  # fmt: skip
    course = Picture(
        plots.render(plots.course(track.frame, treatments), "png", dpi=plots.DPI_ON_PAPER),
        "Tumor fraction and ERBB2 plasma copy number with 95 % intervals; grey bars: limit of "
        "detection of each sample; hollow: not detected, or not to be believed; triangles: days of "
        "treatment, where they were given.",
    )
    blocks = report.pages.patient_pages(
        patient, track, samples, course=course, profiles=drawn, **more
    )
    return pdf(blocks, title=f"ctcnv: patient {patient}. For research use only.")
