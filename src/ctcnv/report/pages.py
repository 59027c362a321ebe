"""A patient's report for print: the blocks of a PDF, with the words of the HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctcnv import __version__
from ctcnv.document import Block, Grid, Heading, Picture, Text
from ctcnv.report import criteria as judged
from ctcnv.report import methods, rows, view
from ctcnv.report.view import Cell, Sample, Sheet

RESEARCH = "For research use only. Not for diagnosis."


def patient_pages(
    patient: str,
    track: Sheet,
    samples: Sequence[Sample],
    *,
    criteria: Sheet | None = None,
    alterations: Sheet | None = None,
    strata: Sheet | None = None,
    course: Picture | None = None,
    profiles: Mapping[str, Sequence[Picture]],
) -> list[Block]:
    """The blocks of one patient's report.

    profiles : drawings of each sample by name. Raises ValueError when track and samples do not
    name the same samples.
    """
    timeline = view.points(track, samples)
    blocks: list[Block] = [
        Heading(f"Patient {patient}"),
        Text(f"{RESEARCH} Copy number and tumor fraction from shallow sequencing of plasma DNA: "
             + ", ".join(p.title + f" ({p.sample.name})" for p in timeline) + ".", "small"),
        *(Text(said, "warning") for said in view.warnings(timeline)),
    ]  # fmt: skip
    for card in (view.erbb2_card(timeline, track), view.fraction_card(timeline, track),
                 view.change_card(timeline, track)):  # fmt: skip
        said = [f"{line} ({bounds})" if bounds else line for line, bounds in card.lines]
        blocks += [Text(f"{card.about}: {card.word}", "lead"), Text("\n".join(said))]
        if card.others:
            blocks.append(Text("; ".join(f"{when}: {what}" for when, what in card.others), "small"))
    unclear = view.not_evaluable(timeline)
    if unclear:
        blocks += [Heading("What cannot be evaluated, and why"),
                   Grid(("What", "Why"), unclear, (0.3, 0.7))]  # fmt: skip
    blocks += [Heading("Course over time"), *([course] if course else []), _course(timeline)]
    pictures = [(p, picture) for p in timeline for picture in profiles.get(p.sample.name, ())]
    if pictures:
        blocks.append(Heading("Genome-wide profile and the neighbourhood of ERBB2"))
        blocks += [picture for _, picture in pictures]
    blocks += [Heading("Genes"), *_genes(timeline)]
    blocks += _solutions(timeline)
    blocks += _mutations(timeline)
    blocks += _alterations(timeline, alterations, strata)
    blocks += _criteria(timeline, criteria)
    measures, absent = rows.qc_rows(timeline)
    blocks += [
        Heading("Quality"),
        _grid(["", *(p.title for p in timeline)],
              [[name, *(_shown(cell) for cell in cells)] for name, cells in measures]),
    ]  # fmt: skip
    if absent:
        blocks.append(Text(f"Not known of any sample: {absent}.", "small"))
    given = {"track": track, "criteria": criteria, "alterations": alterations, "strata": strata}
    of_patient = {name: sheet for name, sheet in given.items() if sheet is not None}
    blocks += [
        Heading("Methods and versions of this run"),
        Text(f"ctcnv {__version__}. How each number is made is told in docs/algorithm.md of the "
             "project, and when not to trust it in docs/limits.md.", "small"),
        Grid(("Setting", "Value"),
             [(f"{section}.{name}", value)
              for section, values in methods.setting_rows(of_patient, samples)
              for name, value in values], (0.4, 0.6)),
        Text(f"Panel of normals: {methods.panel(samples)}. Sex: {methods.shared(samples, 'sex')}. "
             f"Atoms: {methods.shared(samples, 'bins')}.", "small"),
        Heading("Words"),
        Grid(("Word", "Meaning"), [(str(a), str(b)) for a, b in methods.glossary()], (0.25, 0.75)),
        Text(RESEARCH, "small"),
    ]  # fmt: skip
    return blocks


def _shown(cell: Cell) -> str:
    return f"{cell.main}\n{cell.note}" if cell.note else cell.main


def _grid(heads: Sequence[str], cells: Sequence[Sequence[str]], *, first: float = 0.26) -> Grid:
    """A table whose first column is ``first`` wide and whose others share the rest."""
    n = max(len(heads) - 1, 1)
    return Grid(heads, cells, (first, *[(1 - first) / n] * n))


def _course(timeline: Sequence[view.Point]) -> Grid:
    lines = [
        (_shown(Cell(row["day"], row["said"])), _shown(row["single"]), _shown(row["informed"]),
         _shown(row["call"]), _shown(row["copies"]), _shown(row["pcn"]), _shown(row["change"]),
         _shown(row["erbb2_change"]))
        for row in rows.course_rows(timeline)
    ]  # fmt: skip
    heads = ("Sample", "TF, this sample", "TF, informed", "ERBB2", "Copies", "Plasma copies",
             "Change in ctDNA", "ERBB2 excess")  # fmt: skip
    return Grid(heads, lines, (0.11, 0.12, 0.14, 0.12, 0.12, 0.12, 0.13, 0.14))


def _genes(timeline: Sequence[view.Point]) -> list[Block]:
    matrix, n = rows.gene_matrix(timeline)
    shown = matrix[: 2 * rows.FIRST_GENES]
    lines = []
    for row in shown:
        cells = []
        for cell in row["cells"]:
            values = [f"{name} {_shown(value).replace(chr(10), ' ')}"
                      for name, value in cell["values"]]  # fmt: skip
            cells.append("\n".join([cell["call"].main, *values]))
        lines.append([f"{row['gene']}\n{row['place']}", *cells])
    said = f"{len(shown)} of {n} tested genes: ERBB2, and those altered in some sample."
    return [_grid(["Gene", *(p.title for p in timeline)], lines, first=0.2), Text(said, "small")]


def _solutions(timeline: Sequence[view.Point]) -> list[Block]:
    lines = [(r["day"], r["fraction"], r["ploidy"], r["weight"], r["copies"])
             for r in rows.solution_rows(timeline)]  # fmt: skip
    if not lines:
        return []
    heads = ("Sample", "Tumor fraction", "Ploidy", "Weight", "ERBB2 copies")
    return [Heading("Alternative solutions"), Grid(heads, lines, (0.28, 0.18, 0.18, 0.18, 0.18))]


def _mutations(timeline: Sequence[view.Point]) -> list[Block]:
    blocks: list[Block] = []
    for part in rows.mutation_parts(timeline):
        said = f"{part['point'].title}: {part['used']} of {len(part['variants'])} variants used."
        blocks += [Text(said), Grid(("Tumor fraction", ""), part["estimates"], (0.5, 0.5))]
    return [Heading("Mutations"), *blocks] if blocks else []


def _alterations(
    timeline: Sequence[view.Point], alterations: Sheet | None, strata: Sheet | None
) -> list[Block]:
    """The stratum of each sample with its reasons, and its alterations with what is known of
    resistance."""
    blocks: list[Block] = []
    for part in judged.alteration_parts(timeline, alterations, strata):
        blocks += [
            Text(f"{part['point'].title}: {part['stratum']}", "lead"),
            Grid(("Stratum", "Answer", "Why"),
                 [(what, answer.main, f"{reason}\nRule: {rule}")
                  for what, answer, reason, rule in part["answers"]], (0.28, 0.16, 0.56)),
        ]  # fmt: skip
        lines = [
            (f"{row['gene']} {row['change']}\n{row['place']}", row["vaf"],
             row["copies"] + (f"\nmutated: {row['multiplicity']}" if row["multiplicity"] else ""),
             "\n".join(filter(None, (row["clonality"].main if row["clonality"] else "",
                                     row["cells"], row["reason"]))),
             "\n".join(filter(None, (
                 ", ".join(f"{of} ({evidence})" for of, evidence in row["known"]) or "–",
                 row["source"]))))
            for row in part["rows"]
        ]  # fmt: skip
        if lines:
            heads = ("Alteration", "Allele fraction", "Copies per tumor cell",
                     "Share of tumor cells", "Known to confer resistance to")  # fmt: skip
            blocks.append(Grid(heads, lines, (0.18, 0.11, 0.17, 0.22, 0.32)))
        else:
            blocks.append(Text("No mutation is used and no gene is called amplified in this "
                               "sample.", "small"))  # fmt: skip
    if not blocks:
        return []
    said = ("Evidence is clinical (patients with it did worse under the treatment, or reviews say "
            "so) or candidate (possible; it decides no stratum).")  # fmt: skip
    return [Heading("Concurrent alterations, stratum and resistance"), Text(said, "small"), *blocks]


def _criteria(timeline: Sequence[view.Point], sheet: Sheet | None) -> list[Block]:
    """Each criterion once, with its result in every sample, and then what it was made for."""
    parts = judged.criteria_parts(timeline, sheet)
    if not parts:
        return []
    found = [{row["title"]: row for row in part["rows"]} for part in parts]
    every = {title: row for rows_ in reversed(found) for title, row in rows_.items()}
    results = [
        [f"{title}\n{row['rule']}", *(_result(of_sample.get(title)) for of_sample in found)]
        for title, row in every.items()
    ]
    origins = [
        (title, f"{row['specimen'].capitalize()}. {row['made_for']} {row['caveat']}",
         row["source"])
        for title, row in every.items()
    ]  # fmt: skip
    return [
        Heading("Published criteria"),
        Text("For comparison; none of them decides a call here. A tissue threshold is not a plasma "
             "threshold.", "small"),
        _grid(["Criterion", *(part["point"].title for part in parts)], results, first=0.3),
        Grid(("Criterion", "Made for, and what speaks against using it here", "Source"), origins,
             (0.24, 0.46, 0.3)),
    ]  # fmt: skip


def _result(row: Mapping[str, Any] | None) -> str:
    """Result, value with probability, and the reason; a dash where it was not applied."""
    if row is None:
        return "–"
    value = _shown(row["value"]).replace("\n", " ")
    sure = "" if row["probability"] == "–" else f"probability {row['probability']}"
    return "\n".join(filter(None, (
        row["result"].main, "" if value == "–" else value, sure, row["reason"]
    )))  # fmt: skip
