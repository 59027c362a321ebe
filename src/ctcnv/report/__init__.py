"""A patient's report: one HTML file that needs nothing else, from the tables alone.

The page carries its own style and a small script, both allowed by their hash in a content security
policy that forbids everything else, so that nothing is ever fetched. Every value is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from ctcnv import __version__, display, palette
from ctcnv.report import assets, charts, methods, pages, rows, summary, view
from ctcnv.report import criteria as judged
from ctcnv.report.cohort import Figure, cohort_page
from ctcnv.report.view import Sample, Sheet
from ctcnv.report.words import known, number
from ctcnv.schema import chrom_key

__all__ = ["Figure", "Sample", "Sheet", "cohort_page", "pages", "patient_report", "summary"]


def patient_report(
    patient: str,
    track: Sheet,
    samples: Sequence[Sample],
    *,
    criteria: Sheet | None = None,
    alterations: Sheet | None = None,
    strata: Sheet | None = None,
    treatments: Sequence[tuple[int, str]] = (),
) -> str:
    """The HTML page of one patient from the track, the tables of each of its samples and, where
    there are any, those of the criteria step; ``treatments`` are days of treatment with a name, or
    "" without one.

    Raises ValueError when track and samples do not name the same samples.
    """
    timeline = view.points(track, samples)
    given = {"track": track, "criteria": criteria, "alterations": alterations, "strata": strata}
    of_patient = {name: sheet for name, sheet in given.items() if sheet is not None}
    style, script = assets.read("style.css"), assets.read("script.js")
    drawings, data = _genome(timeline)
    return _template().render(
        patient=patient,
        version=__version__,
        style=Markup(style),  # noqa: S704  our own file
        script=Markup(script),  # noqa: S704  our own file
        policy=assets.policy(style, script),
        timeline=timeline,
        cards=[
            view.erbb2_card(timeline, track),
            view.fraction_card(timeline, track),
            view.change_card(timeline, track),
        ],
        warnings=view.warnings(timeline),
        unclear=view.not_evaluable(timeline),
        course=rows.course_rows(timeline),
        charts=_course(timeline, view.settings([s.genes for s in samples]), treatments),
        genome=drawings,
        data=data,
        chromosomes=data["names"],
        neighbourhoods=_neighbourhoods(timeline),
        amplicon=any(known(p.erbb2["width"]) for p in timeline),
        male=any(s.profile.meta.get("sex") == "male" for s in samples),
        gene_matrix=rows.gene_matrix(timeline),
        first_genes=rows.FIRST_GENES,
        gene_tables=[(p, rows.gene_table(p)) for p in timeline],
        solutions=rows.solution_rows(timeline),
        mutations=rows.mutation_parts(timeline),
        criteria=judged.criteria_parts(timeline, criteria),
        alterations=judged.alteration_parts(timeline, alterations, strata),
        qc=rows.qc_rows(timeline),
        settings=methods.setting_rows(of_patient, samples),
        origins=methods.origin_rows(of_patient, samples),
        panel=methods.panel(samples),
        sex=methods.shared(samples, "sex"),
        bins=methods.shared(samples, "bins"),
        glossary=methods.glossary(),
        colours=palette,
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(assets.read("patient.html"))


def _course(
    timeline: Sequence[view.Point], settings: dict[str, dict[str, Any]],
    treatments: Sequence[tuple[int, str]],
) -> list[Any]:  # fmt: skip
    """The three drawings of the course; one without any known value is left out."""
    days = [number(p.track["day"]) for p in timeline]
    colour = {"fraction": charts.SINGLE, "informed": charts.INFORMED}

    def series(name: str, shown: str) -> charts.Series:
        values, low, high = (
            [number(p.track[f"{name}{end}"]) for p in timeline] for end in ("", "_low", "_high")
        )
        shape = "diamond" if name == "informed" else "circle"
        hollow = [
            (name == "fraction" and p.track["status"] == "not_detected")
            or (name == "informed" and p.track["profile"] in ("changed", "not_evaluable"))
            for p in timeline
        ]
        return charts.Series(
            shown, values, low, high, colour.get(name, palette.ERBB2), shape, hollow
        )

    both = [series("fraction", "this sample alone")]
    informed = series("informed", "informed")
    if any(np.isfinite(informed.values)):
        both.append(informed)
    threshold = number(settings.get("genes", {}).get("amplified_copies"))
    drawn = [
        ("Tumor fraction", charts.course(
            "course-fraction", "Tumor fraction over time", days, both,
            limits=[number(p.track["lod"]) for p in timeline], percent=True,
            treatments=treatments)),
        ("ERBB2 plasma copy number", charts.course(
            "course-pcn", "ERBB2 plasma copy number over time", days,
            [series("erbb2_pcn", "ERBB2")], level=(display.NORMAL_COPIES, "normal, 2"),
            treatments=treatments)),
        ("ERBB2 copies per tumor cell", charts.course(
            "course-copies", "ERBB2 copies per tumor cell over time", days,
            [series("erbb2_copies", "ERBB2")],
            level=(threshold, f"threshold of amplification, {threshold:g}")
            if np.isfinite(threshold) else (display.NORMAL_COPIES, "normal, 2"),
            treatments=treatments)),
    ]  # fmt: skip
    return [(name, drawing) for name, drawing in drawn if drawing]


def _genome(timeline: Sequence[view.Point]) -> tuple[list[Any], dict[str, Any]]:
    """The genome of every time point on one scale, and the numbers behind it for the script."""
    profiles = [p.sample.profile.frame for p in timeline]
    genome = display.genome(profiles)
    levels = []
    for at_most in (charts.OVERVIEW_WINDOWS, charts.ZOOM_WINDOWS):
        levels.append([
            display.windows(f, atoms=display.atoms_per_window(len(f), at_most=at_most))
            for f in profiles
        ])  # fmt: skip
    coarse = levels[0]
    segments = [
        display.shown_segments(p.sample.profile.frame, p.sample.segments.frame) for p in timeline
    ]
    marks = [float(pcn) for table in segments for pcn in table["pcn"]]
    marks += [number(p.track["erbb2_pcn"]) for p in timeline]
    limits = display.copy_range([w["pcn"].to_numpy(dtype=float) for w in coarse], marks)
    drawings: list[Any] = []
    for index, (p, windows) in enumerate(zip(timeline, coarse, strict=True)):
        drawing = Markup("")
        if windows["pcn"].notna().any():
            drawing = charts.genome_panel(
                f"genome-{index}", f"Genome-wide profile, {p.when}", genome, windows,
                segments[index], p.sample.genes.frame, limits,
            )  # fmt: skip
        drawings.append((p, drawing))
    data = _script_data(timeline, genome, levels, segments, limits)
    return drawings, data


def _script_data(
    timeline: Sequence[view.Point],
    genome: display.Genome,
    levels: list[list[pd.DataFrame]],
    segments: list[pd.DataFrame],
    limits: tuple[float, float],
) -> dict[str, Any]:
    """What the script needs to zoom and to tell values; equal grids are stored once."""
    grids: list[dict[str, list[int]]] = []
    panels = []
    for index, p in enumerate(timeline):
        stored = []
        for level in levels:
            windows = level[index]
            grid = {
                "chrom": [genome.names.index(c) if c in genome.names else -1
                          for c in windows["chrom"]],
                "start": windows["start"].astype(int).tolist(),
                "end": windows["end"].astype(int).tolist(),
            }  # fmt: skip
            if grid not in grids:
                grids.append(grid)
            stored.append({
                "grid": grids.index(grid),
                "observed": windows["observed"].astype(int).tolist(),
                "expected": [None if np.isnan(v) else round(v, 1) for v in windows["expected"]],
            })  # fmt: skip
        normal = display.normal_copies(p.sample.profile.frame)
        panels.append({
            "id": f"genome-{index}",
            "normal": [normal.get(name, 0.0) for name in genome.names],
            "levels": stored,
            "segments": _regions(segments[index], genome, "pcn", "low", "high", "side"),
            "genes": _regions(p.sample.genes.frame, genome, "pcn", "pcn_low", "pcn_high", "gene",
                              "call"),
        })  # fmt: skip
    box = charts.GENOME_BOX
    return {
        "names": list(genome.names),
        "lengths": list(genome.lengths),
        "limits": [round(limits[0], 4), round(limits[1], 4)],
        "box": [box.left, box.top, box.right, box.bottom],
        "colours": {"points": list(palette.CHROMOSOME), "segment": dict(palette.SEGMENT),
                    "gene": palette.ERBB2, "muted": palette.MUTED},
        "grids": grids,
        "panels": panels,
    }  # fmt: skip


def _regions(frame: pd.DataFrame, genome: display.Genome, *columns: str) -> list[list[Any]]:
    """Rows as lists for the script: chromosome, start, end and the columns; null is not known."""
    found = []
    for row in frame.to_dict("records"):
        name = chrom_key(str(row["chrom"]))
        if name not in genome.names:
            continue
        values = [
            str(row[c]) if isinstance(row[c], str)
            else None if np.isnan(number(row[c])) else round(number(row[c]), 4)
            for c in columns
        ]  # fmt: skip
        found.append([genome.names.index(name), int(row["start"]), int(row["end"]), *values])
    return found


def _neighbourhoods(timeline: Sequence[view.Point]) -> list[Any]:
    """The surroundings of ERBB2 in every sample that can show them, on one scale."""
    shown = []
    for p in timeline:
        genes = p.sample.genes.frame
        found = genes[genes["gene"] == view.GENE]
        if len(found) and (p.sample.profile.frame["expected"] > 0).any():
            shown.append((p, found.iloc[0]))
    if not shown:
        return []
    spans = [display.neighbourhood(p.sample.profile.frame, row) for p, row in shown]
    span = (min(start for start, _ in spans), max(end for _, end in spans))
    points = [
        charts.neighbourhood_points(p.sample.profile.frame, str(row["chrom"]), *span)
        for p, row in shown
    ]
    marks = [number(row["pcn"]) for _, row in shown]
    segments = []
    for p, row in shown:
        table = display.shown_segments(p.sample.profile.frame, p.sample.segments.frame)
        segments.append(display.region(table, str(row["chrom"]), *span))
        marks += segments[-1]["pcn"].tolist()
    limits = display.copy_range([w["pcn"].to_numpy(dtype=float) for w in points], marks)
    width = charts.WIDTH if len(shown) == 1 else charts.WIDTH / 2 - 20
    return [
        (p, charts.neighbourhood(
            f"near-{index}", f"ERBB2 neighbourhood, {p.when}", segments[index],
            p.sample.genes.frame, view.GENE, width=width, span=span, limits=limits,
            points=points[index]))
        for index, (p, _) in enumerate(shown)
    ]  # fmt: skip
