"""The rows of the report's criteria, strata and concurrent alterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctcnv import palette
from ctcnv.report import words
from ctcnv.report.rows import short_bases
from ctcnv.report.view import Cell, Point, Row, Sheet, percent, rows_of
from ctcnv.report.words import known, number, text
from ctcnv.schema import chrom_key

#: Columns of evidence, and the treatment that they are about.
TREATMENTS = {"anti_her2": "anti-HER2", "anti_egfr": "anti-EGFR"}
#: How the value of a quantity is shown.
FORMS: dict[str, words.Form] = {
    "pcn": words.plasma_copies,
    "copies": words.copies,
    "reference_ratio": words.plasma_copies,
    "ploidy_ratio": words.plasma_copies,
    "width": words.megabases,
    "fraction_ratio": words.fold,
    "vaf_ratio": words.fold,
}
#: The names of quantities in a rule, for a reader who does not know the tables.
QUANTITIES = {
    "pcn": "plasma copy number",
    "copies": "copies per tumor cell",
    "reference_ratio": "copies over the rest of the chromosome",
    "ploidy_ratio": "copies over the ploidy",
    "width": "width of the amplicon in bp",
    "fraction_ratio": "ctDNA fraction over that of the baseline",
    "vaf_ratio": "mean allele fraction over that of the baseline",
    "call": "call:",
    "wild_type": "no mutation of",
    "cleared": "amplified at baseline and not now",
}
SIGNS = {">=": "\u2265", "<=": "\u2264", ">": ">", "<": "<"}


def criteria_parts(timeline: Sequence[Point], sheet: Sheet | None) -> list[dict[str, Any]]:
    """Of every sample with criteria: how many are not evaluable, and a row for each."""
    return [
        {
            "point": p,
            "unclear": sum(row["result"] == "not_evaluable" for row in found),
            "rows": [_criterion(row) for row in found],
        }
        for p, found in _by_point(timeline, sheet)
    ]


def _by_point(timeline: Sequence[Point], sheet: Sheet | None) -> list[tuple[Point, list[Row]]]:
    """The rows of a patient's table by time point; points without one are left out."""
    rows = [] if sheet is None else rows_of(sheet.frame)
    parts = [(p, [row for row in rows if row["sample"] == p.sample.name]) for p in timeline]
    return [(p, found) for p, found in parts if found]


def _criterion(row: Row) -> dict[str, Any]:
    form = FORMS.get(row["quantity"])
    shown = Cell("–", "", "missing")
    if form is not None:
        bounds = ""
        if known(row["low"]) or known(row["high"]):
            bounds = words.interval(row["low"], row["high"], form)
        shown = Cell(words.quantity(row["value"], form, missing=words.NOT_EVALUABLE), bounds,
                     "" if known(row["value"]) else "missing")  # fmt: skip
    return {
        "title": row["title"],
        "rule": f"{row['gene']}: {rule_words(row['rule'])}",
        "value": shown,
        "probability": words.chance(row["probability"], missing="–"),
        "result": Cell(palette.RESULT[row["result"]], "", row["result"]),
        "reason": words.sentence(text(row["reason"])),
        "specimen": row["specimen"],
        "made_for": words.sentence(row["made_for"]),
        "caveat": words.sentence(row["caveat"]),
        "source": words.sentence(row["source"]),
    }


def rule_words(rule: str) -> str:
    """A rule of the table in words: ``copies >= 4`` gives "copies per tumor cell ≥ 4"."""
    said = []
    for part in rule.split(", "):
        quantity, _, rest = part.partition(" ")
        sign, _, limit = rest.partition(" ")
        if sign in SIGNS:
            rest = f"{SIGNS[sign]}{words.SPACE}{limit}"
        said.append(" ".join(filter(None, (QUANTITIES.get(quantity, quantity), rest))))
    return ", ".join(said)


def alteration_parts(
    timeline: Sequence[Point], alterations: Sheet | None, strata: Sheet | None
) -> list[dict[str, Any]]:
    """Of every sample with a stratum: the stratum with its reasons, and a row per alteration, those
    with known resistance first."""
    of_point = {p.sample.name: found for p, found in _by_point(timeline, alterations)}
    parts = []
    for p, (stratum,) in _by_point(timeline, strata):
        found = sorted(of_point.get(p.sample.name, []), key=_order)
        parts.append({
            "point": p,
            "stratum": stratum["stratum"][0].upper() + stratum["stratum"][1:],
            "answers": [
                (what, Cell(palette.ANSWER[stratum[name]], "", stratum[name]),
                 words.sentence(stratum[f"{name}_reason"]), words.sentence(stratum[f"{name}_rule"]))
                for what, name in (("HER2 (ERBB2) amplified in plasma", "her2"),
                                   ("Concurrent alteration of resistance", "concurrent"))
            ],
            "rows": [_alteration(row) for row in found],
        })  # fmt: skip
    return parts


def _order(row: Row) -> tuple[bool, bool, str]:
    evidence = (text(row["anti_her2"]), text(row["anti_egfr"]))
    return "clinical" not in evidence, not any(evidence), text(row["gene"])


def _alteration(row: Row) -> dict[str, Any]:
    mutation = row["kind"] == "mutation"
    change = "amplification"
    if mutation:
        change = (
            text(row["protein"])
            or f"{short_bases(text(row['ref']))}>{short_bases(text(row['alt']))}"
        )
    copies = words.quantity(row["copies"], words.copies, missing="–")
    if known(row["copies_low"]) or known(row["copies_high"]):
        copies += f" ({words.interval(row['copies_low'], row['copies_high'], words.copies)})"
    cells = ""
    if known(row["ccf"]):
        bounds = words.interval(row["ccf_low"], row["ccf_high"], words.share)
        cells = f"{percent(row['ccf'])} ({bounds})"
    return {
        "gene": text(row["gene"]) or words.NOT_KNOWN,
        "place": f"{chrom_key(row['chrom'])}:{number(row['start']) + 1:,.0f}",
        "change": change,
        "vaf": percent(row["vaf"], missing="–"),
        "copies": copies,
        "multiplicity": words.whole(row["multiplicity"]) if known(row["multiplicity"]) else "",
        "cells": cells,
        "clonality": Cell(palette.CLONALITY[row["clonality"]], "", row["clonality"])
        if mutation else None,
        "reason": words.sentence(text(row["reason"])),
        "known": [(treatment, row[column])
                  for column, treatment in TREATMENTS.items() if text(row[column])],
        "source": words.sentence(text(row["source"])),
    }  # fmt: skip
