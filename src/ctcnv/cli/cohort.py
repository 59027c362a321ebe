"""All patients: two tidy tables, genes, statistics with a clinical table, and one page."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli.patterns import filled
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import CohortSettings

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.report import Figure

log = logging.getLogger(__name__)

TABLES = ("samples", "patients", "genes", "statistics")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tables of all patients in, those of the cohort out."""
    parser.add_argument("--tracks", type=Path, nargs="+", required=True, metavar="FILE",
                        help="track of each patient; a path with {patient} is one per patient of "
                        "the table of --qc")  # fmt: skip
    parser.add_argument("--genes", type=Path, nargs="+", required=True, metavar="FILE",
                        help="genes of each plasma sample, or a path with {sample}")  # fmt: skip
    parser.add_argument(
        "--mutations",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="mutations of each plasma sample, or a path with {sample}; optional",
    )
    parser.add_argument("--qc", type=Path, required=True, metavar="FILE",
                        help="the cohort's table, from ctcnv qc")  # fmt: skip
    parser.add_argument("--clinical", type=Path, metavar="FILE",
                        help="response and survival of the patients, optional")  # fmt: skip
    parser.add_argument("--treatments", type=Path, metavar="FILE",
                        help="days of treatment of the patients, optional")  # fmt: skip
    for name in TABLES:
        parser.add_argument(f"--output-{name}", type=Path, required=True, metavar="TSV",
                            help=f"table of {name}")  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="HTML", help="the page")
    add_settings(parser, CohortSettings)


def run(args: argparse.Namespace) -> None:
    """Read, join, analyse, write."""
    from ctcnv import cohort, outcome, report, schema
    from ctcnv.cli import sample as shared
    from ctcnv.io import clinical, sheet, tables, treatments, trials

    use = settings(args, CohortSettings)
    qc = tables.read(args.qc, schema.QC)
    plasma = qc.frame[qc.frame["role"] == "plasma"].sort_values(["patient", "day", "sample"])
    tracks, rules = {}, {}
    inputs = {}
    for path in filled(args.tracks, patient=plasma["patient"].unique().tolist()):
        stored = tables.read(path, schema.TRACK)
        patient = stored.require("patient")
        if patient in tracks:
            raise ValueError(f"{path}: patient {patient!r} is given twice; give each track once")
        tracks[patient] = stored.frame
        inputs[f"track.{patient}"] = stored.digest
        rules[patient] = json.loads(stored.require("settings.track"))
    days = {(rule["target_day"], rule["window_days"]) for rule in rules.values()}
    if len(days) > 1:
        raise ValueError(
            f"the tracks were made with different target days and windows ({sorted(days)}); "
            "make them with the same settings"
        )
    target_day, window_days = days.pop()
    genes = {}
    for path in filled(args.genes, sample=plasma["sample"].tolist()):
        stored = tables.read(path, schema.GENES, only=cohort.OF_GENES)
        genes[stored.require("sample")] = stored.frame
        inputs[f"genes.{stored.require('sample')}"] = stored.digest
    unjudged = sorted({name for track in tracks.values() for name in track["sample"]}
                      - set(plasma["sample"]))  # fmt: skip
    if unjudged:
        raise ValueError(f"{args.qc}: no row of sample {unjudged[0]!r}, which is in a track; make "
                         "it again with ctcnv qc")  # fmt: skip
    inputs["qc"] = qc.digest
    given = None
    if args.clinical is not None:
        given = clinical.read(args.clinical)
        sheet.require_shared(args.clinical, given["patient"].tolist(), list(tracks))
        inputs["clinical"] = tables.sha256_file(args.clinical)
        unseen = sorted(set(given["patient"].astype(str)) - set(tracks))
        if unseen:
            log.warning("%s: no sample of %s; left out, check the names", args.clinical,
                        ", ".join(unseen))  # fmt: skip
    doses = None
    if args.treatments is not None:
        doses = treatments.read(args.treatments)
        sheet.require_shared(args.treatments, doses["patient"].tolist(), list(tracks))
        inputs["treatments"] = tables.sha256_file(args.treatments)
    people = cohort.patients(tracks, given, target_day=target_day, window_days=window_days)
    found = {}
    for path in filled(args.mutations, sample=people["first_sample"].tolist()):
        stored = tables.read(path, schema.MUTATIONS)
        found[stored.require("sample")] = stored.frame
        inputs[f"mutations.{stored.require('sample')}"] = stored.digest
    mutated = cohort.mutated(people, found)
    made = {
        "samples": (schema.COHORT_SAMPLES, cohort.samples(tracks, qc.frame)),
        "patients": (schema.COHORT_PATIENTS, people),
        "genes": (schema.COHORT_GENES, cohort.genes(people, genes)),
        "statistics": (schema.STATISTICS, outcome.analyse(people, settings=use)),
    }
    frames = {name: frame for name, (_, frame) in made.items()}
    published = trials.read_trials()
    page = report.cohort_page(
        samples=frames["samples"], patients=people, statistics=frames["statistics"], qc=qc.frame,
        trials=published, figures=figures(frames, published, use, doses, mutated), settings=use,
        target_day=target_day, window_days=window_days,
    )  # fmt: skip
    meta = {"settings.cohort": use.as_dict(),
            "settings.track": {"target_day": target_day, "window_days": window_days}}  # fmt: skip
    for name, (table, frame) in made.items():
        tables.write(getattr(args, f"output_{name}"), table, frame, meta=meta, inputs=inputs)
    tables.write_text(args.output, shared.with_inputs(page, inputs))
    log.info(
        "%d patients, %d samples, %d with a response, %d analyses", len(people),
        len(frames["samples"]), int(people["responder"].notna().sum()), len(frames["statistics"]),
    )  # fmt: skip


def figures(
    frames: dict[str, pd.DataFrame], trials: pd.DataFrame, use: CohortSettings,
    treatments: pd.DataFrame | None = None, mutated: pd.DataFrame | None = None,
) -> list[Figure]:  # fmt: skip
    """What the page shows of the cohort; a figure without anything to show is left out."""
    from ctcnv import clinic, outcome
    from ctcnv.plots import cohort as draw
    from ctcnv.plots import render
    from ctcnv.report import Figure

    people, statistics = frames["patients"], frames["statistics"]
    drawn = [
        (
            "Change in ctDNA fraction",
            "A bar per patient, with its 95 % interval. Hollow: only a bound is known. A cross: "
            "not evaluable.",
            draw.waterfall(people),
        ),
        (
            "Alterations",
            "Calls of the first sample, with the number of patients in whom a gene is altered. "
            "Dotted and white: the sample could not have shown it."
            + (
                ""
                if mutated is None or mutated.empty
                else " A square: mutated, as far as variants "
                "were given; without one a gene may not have been looked at."
            ),
            draw.matrix(frames["genes"], people, mutated),
        ),
        (
            "Course",
            "A lane per patient, coloured by response where it is known: to progression or the "
            "last sample.",
            draw.swimmer(people, frames["samples"], treatments),
        ),
    ]
    responses = people["responder"].notna()
    if responses.any():
        drawn.append((
            "Tumor fraction and copies by response",
            "The first sample of each patient; a line at the median. Below each response the "
            "number of patients whose value is known, which it is not where no tumor was detected.",
            draw.by_response(people),
        ))  # fmt: skip
    divided = [
        group for group in outcome.groups(people, settings=use)
        if len(set(group.labels[group.known])) > 1
    ]  # fmt: skip
    for of, words in (("pfs", "Progression-free survival"), ("os", "Overall survival")):
        if divided and outcome.at_risk(people, of)[2].any():
            drawn.append((
                words,
                "Kaplan-Meier curves with pointwise 95 % bands and numbers at risk; a tick is a "
                "censored patient.",
                draw.kaplan_meier(people, divided, statistics, of=of),
            ))  # fmt: skip
    if ((statistics["analysis"] == "roc") & statistics["estimate"].notna()).any():
        drawn.append((
            "Response told by copies and by the change",
            "ROC curves of these patients. A threshold chosen on them would look better than it "
            "is.",
            draw.roc(people, statistics),
        ))  # fmt: skip
    lines = draw.trial_lines(trials)
    if responses.any():
        responders = people["responder"].map(lambda value: value is True or value == 1)
        found = clinic.rate(int(responders.sum()), int(responses.sum()))
        own = draw.Line("This cohort", "all patients with a response given", found.n, found.rate,
                        found.low, found.high, own=True)  # fmt: skip
        lines.insert(0, own)
    drawn.append((
        "Beside the published trials",
        "Other patients, lines and assays: no comparison of treatments. Sources and medians below.",
        draw.forest(lines),
    ))  # fmt: skip
    return [
        Figure(title, said, f"{title}. {said}", render(figure, "svg"))
        for title, said, figure in drawn
    ]
