"""The rows of the report's tables: course, genes, solutions and quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctcnv import palette
from ctcnv.report import words
from ctcnv.report.view import (
    GENE,
    Cell,
    Point,
    Row,
    change,
    could_have_seen,
    explained,
    not_seen,
    percent,
    reason_of,
    rows_of,
)
from ctcnv.report.words import known, number, text
from ctcnv.schema import chrom_key


def course_rows(timeline: Sequence[Point]) -> list[dict[str, Any]]:
    """One row per time point for the table of the course."""
    rows = []
    for p in timeline:
        row = p.track
        single = Cell(percent(row["fraction"], missing=words.NOT_EVALUABLE),
                      _bounds(row, "fraction", words.share, "%"))  # fmt: skip
        if row["status"] != "detected":
            upper = known(row["fraction_high"]) and row["status"] == "not_detected"
            note = f"at most {percent(row['fraction_high'])}" if upper else ""
            single = Cell(palette.STATUS[row["status"]], note, row["status"])
        if known(row["mutation_fraction"]):
            bounds = words.interval(row["mutation_low"], row["mutation_high"], words.share, "%")
            note = f"by mutations alone\n{percent(row['mutation_fraction'])} ({bounds})"
            single = Cell(single.main, _lines(single.note, note), single.tone)
        rows.append({
            "day": p.title,
            "sample": p.sample.name,
            "said": words.sentence(reason_of(row, "days")) if explained(row, "days") else "",
            "single": single,
            "lod": percent(row["lod"]),
            "informed": _informed(row),
            "call": Cell(palette.CALL[row["erbb2_call"]], "", row["erbb2_call"]),
            "copies": _copies(row),
            "pcn": _value(row, "erbb2_pcn", words.plasma_copies),
            "change": _changed(row, ""),
            "erbb2_change": _changed(row, "erbb2_"),
        })  # fmt: skip
    return rows


def _copies(row: Row) -> Cell:
    """Copies per tumor cell with the sample's own tumor fraction, and with the informed one."""
    own = _value(row, "erbb2_copies", words.copies)
    if not known(row["erbb2_informed"]):
        return own
    informed = f"informed {_with_bounds(row, 'erbb2_informed', words.copies)}"
    return Cell(own.main, _lines(own.note, informed), own.tone)


def _lines(*parts: str) -> str:
    """Those that are not empty, one below the other."""
    return "\n".join(filter(None, parts))


def _informed(row: Row) -> Cell:
    """The informed tumor fraction; in words when nothing was seen or it is not to be believed."""
    if row["profile"] == "changed":
        shown = f"{_with_bounds(row, 'informed', words.share)}{words.SPACE}%"
        return Cell("Not to be believed", f"{shown}\n{palette.PROFILE['changed']}", "warn")
    if not_seen(row):
        return Cell("Not seen", could_have_seen(row), "not_detected")
    found = _value(row, "informed", words.share, "%")
    if found.tone == "missing":
        return found
    return Cell(found.main, f"{found.note}\n{palette.PROFILE[row['profile']]}", found.tone)


def _changed(row: Row, prefix: str) -> Cell:
    _, ratio, bounds = change(row, prefix)
    kind = row[f"{prefix}change"]
    by_mutations = ""
    if not prefix and known(row["vaf_ratio"]):
        by_mutations = f"mean allele fraction\n{_with_bounds(row, 'vaf_ratio', words.fold)}"
    return Cell(palette.CHANGE[kind], _lines(ratio, bounds, by_mutations), kind)


def _bounds(row: Row, name: str, form: words.Form, unit: str = "") -> str:
    if not known(row[name]):
        return ""
    return words.interval(row[f"{name}_low"], row[f"{name}_high"], form, unit)


def _joined(shown: str, bounds: str) -> str:
    return f"{shown} ({bounds})" if bounds else shown


def _value(row: Row, name: str, form: words.Form, unit: str = "") -> Cell:
    shown = _shown(row, name, form, unit)
    return Cell(shown, _bounds(row, name, form, unit),
                "missing" if shown == words.NOT_EVALUABLE else "")  # fmt: skip


def _shown(row: Row, name: str, form: words.Form, unit: str = "") -> str:
    """The value, or its lower bound where that is all that is known."""
    if not known(row[name]) and known(row[f"{name}_low"]):
        return words.interval(row[f"{name}_low"], None, form, unit)
    return words.quantity(row[name], form, unit, missing=words.NOT_EVALUABLE)


ALTERED = ("amplified", "gained", "lost")
#: Genes that the first table shows; the others are one click away.
FIRST_GENES = 10


def gene_matrix(timeline: Sequence[Point]) -> tuple[list[dict[str, Any]], int]:
    """ERBB2 and every gene altered in any sample, a cell per sample; and how many genes in all.

    Amplified genes come first, then those whose plasma copies lie farthest from normal.
    """
    tables = [
        {row["gene"]: row for row in rows_of(p.sample.genes.frame)} for p in timeline
    ]  # fmt: skip
    names = list(dict.fromkeys(gene for table in tables for gene in table))
    altered = [
        gene for gene in names
        if any(t[gene]["call"] in ALTERED for t in tables if gene in t) and gene != GENE
    ]  # fmt: skip

    def order(gene: str) -> tuple[bool, float, str]:
        found = [t[gene] for t in tables if gene in t]
        off = [abs(number(row["pcn"]) - 2) for row in found if known(row["pcn"])]
        amplified = any(row["call"] == "amplified" for row in found)
        return not amplified, -max(off, default=0.0), gene

    altered.sort(key=order)
    shown = ([GENE] if GENE in names else []) + altered
    rows = []
    for gene in shown:
        row = next(t[gene] for t in tables if gene in t)
        rows.append({
            "gene": gene,
            "place": f"chr{chrom_key(row['chrom'])}:{number(row['start']) / 1e6:.1f}\u00a0Mb",
            "cells": [_gene_cell(t.get(gene)) for t in tables],
        })  # fmt: skip
    return rows, len(names)


def _gene_cell(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {"call": Cell("Not tested", "", "missing"), "values": []}
    return {
        "call": Cell(palette.CALL[row["call"]], "", row["call"]),
        "values": [
            ("copies", _value(row, "copies", words.copies)),
            ("pCN", _value(row, "pcn", words.plasma_copies)),
        ],
    }


def _with_bounds(row: Row, name: str, form: words.Form) -> str:
    return _joined(_shown(row, name, form), _bounds(row, name, form))


def gene_table(point: Point) -> list[dict[str, Any]]:
    """Every gene of one sample with all that is known of it."""
    rows = []
    for row in rows_of(point.sample.genes.frame):
        altered = row["call"] in ALTERED
        absent = words.NOT_KNOWN if altered or row["call"] == "failed" else "not altered"
        focal = {True: "yes", False: "no"}.get(row["focal"], absent)
        rows.append({
            "gene": row["gene"],
            "place": f"{chrom_key(row['chrom'])}:{number(row['start']) + 1:,.0f}",
            "call": Cell(palette.CALL[row["call"]], "", row["call"]),
            "pcn": _with_bounds(row, "pcn", words.plasma_copies),
            "z": words.quantity(row["z"], lambda z: words.decimals(z, 1)),
            "copies": _with_bounds(row, "copies", words.copies),
            "arm": words.quantity(row["arm_copies"], words.copies),
            "reference": words.quantity(row["reference_ratio"], words.plasma_copies),
            "near": words.quantity(row["centromere_ratio"], words.plasma_copies),
            "focal": focal,
            "width": _with_bounds(row, "width", words.megabases) if known(row["width"]) else absent,
            "detectable": words.quantity(row["detectable_copies"], words.copies,
                                         missing="no number"),
            "n_bins": words.whole(row["n_bins"]),
            "reason": words.sentence(text(row["reason"])),
        })  # fmt: skip
    return rows


def solution_rows(timeline: Sequence[Point]) -> list[dict[str, Any]]:
    """The alternative solutions of every sample."""
    rows = []
    for p in timeline:
        found = rows_of(p.sample.solutions.frame)
        for row in found:
            rows.append({
                "day": p.title,
                "first": row is found[0],
                "n": len(found),
                "rank": words.whole(row["solution"]),
                "fraction": percent(row["fraction"]),
                "ploidy": words.quantity(row["ploidy"], words.copies),
                "weight": percent(row["weight"]),
                "copies": words.quantity(row["erbb2_copies"], words.copies,
                                         missing=words.NOT_EVALUABLE),
            })  # fmt: skip
    return rows


def mutation_parts(timeline: Sequence[Point]) -> list[dict[str, Any]]:
    """Of every sample with mutations: the estimates side by side, and a row for each variant."""
    parts = []
    for p in timeline:
        sheet = p.sample.mutations
        if sheet is None or sheet.frame.empty:
            continue
        found = rows_of(sheet.frame)
        used = sum(bool(row["used"]) for row in found)
        parts.append({
            "point": p,
            "estimates": _estimates(p.fraction),
            "warning": words.sentence(text(p.fraction["reason"]))
            if p.fraction["status"] == "detected" else "",
            "used": used,
            "variants": [_variant(row) for row in found],
        })  # fmt: skip
    return parts


def _estimates(row: Row) -> list[tuple[str, str]]:
    """The tumor fraction by each method; agreement in words."""

    def shown(name: str, low: str, high: str) -> str:
        if not known(row[name]):
            return words.NOT_EVALUABLE
        return f"{percent(row[name])} ({words.interval(row[low], row[high], words.share, '%')})"

    status = text(row["cn_status"])
    by_copies = shown("cn_fraction", "cn_low", "cn_high")
    if status and status != "detected":
        by_copies = palette.STATUS[status]
        if known(row["cn_high"]):
            by_copies += f", at most {percent(row['cn_high'])}"
    together = palette.STATUS[row["status"]]
    if row["status"] == "detected":
        together = f"{shown('fraction', 'low', 'high')}, by {text(row['method'])}"
    lines = [
        ("Copy number alone", by_copies),
        ("Mutations alone", shown("mutation_fraction", "mutation_low", "mutation_high")),
        ("Used for this sample", together),
        ("Median of the mutations in all tumor cells",
         percent(row["mutation_mean"], missing=words.NOT_EVALUABLE)),
        ("2V/(1+V) of the largest allele fraction V",
         percent(row["max_vaf_fraction"], missing=words.NOT_EVALUABLE)),
    ]  # fmt: skip
    if known(row["agreement"]):
        lines.append(("One fraction for both over two (well below 1: disagreement)",
                      words.significant(row["agreement"])))  # fmt: skip
    return lines


def _variant(row: Row) -> dict[str, Any]:
    used = bool(row["used"])
    absent = words.NOT_KNOWN if used else "–"
    return {
        "gene": text(row["gene"]) or words.NOT_KNOWN,
        "place": f"{chrom_key(row['chrom'])}:{number(row['start']) + 1:,.0f}",
        "change": f"{short_bases(row['ref'])}>{short_bases(row['alt'])}",
        "reads": f"{words.whole(row['alt_reads'])} of {words.whole(row['depth'])}",
        "vaf": _with_bounds(row, "vaf", words.share),
        "copies": words.whole(row["copies"]) if known(row["copies"]) else absent,
        "multiplicity": words.whole(row["multiplicity"]) if known(row["multiplicity"]) else absent,
        "clonal": percent(row["p_clonal"], missing=absent),
        "cells": _with_bounds(row, "ccf", words.share) if used else absent,
        "fraction": _with_bounds(row, "fraction", words.share) if used else absent,
        "special": percent(row["special"]),
        "used": Cell("Used" if used else "Left out", "", "ok" if used else "missing"),
        "reason": words.sentence(text(row["reason"])),
    }  # fmt: skip


def short_bases(bases: str) -> str:
    """Bases of an allele; a long one by its beginning."""
    return bases if len(bases) <= MAX_BASES else f"{bases[:MAX_BASES]}…"


#: Bases of an allele that are shown.
MAX_BASES = 12


def _person(point: Point) -> Cell:
    """Whether a sample is of the person of the baseline, with the evidence below."""
    word = point.track["identity"]
    why = reason_of(point.track, "identity") if explained(point.track, "identity") else ""
    if word == "not_evaluable":
        why = why.removeprefix(words.NOT_EVALUABLE).strip(" ()")
    tone = {"different": "warn", "not_evaluable": "missing"}.get(word, "")
    return Cell(palette.IDENTITY[word], why, tone)


def qc_rows(timeline: Sequence[Point]) -> tuple[list[tuple[str, list[Cell]]], str]:
    """Quality in plain words: a row per measure, a cell per sample; and what no sample tells."""
    measures: list[tuple[str, Any]] = [
        ("Verdict", lambda q: Cell(palette.QUALITY[q["status"]], "", q["status"])),
        ("What to look at", lambda q: Cell(words.sentence(text(q["reason"])) or "Nothing.")),
        ("Reads in the file", lambda q: Cell(words.whole(q["reads"]))),
        ("Fragments used", lambda q: Cell(words.whole(q["fragments"]))),
        ("Mean depth", lambda q: Cell(words.quantity(q["depth"], words.significant, "×"))),
        ("Reads marked as duplicates", lambda q: Cell(percent(q["duplicates"]))),
        ("Median fragment length",
         lambda q: Cell(words.quantity(q["median_length"], lambda v: words.decimals(v, 0), "bp"))),
        ("Short fragments (enriched in tumor DNA)", lambda q: Cell(percent(q["short_share"]))),
        ("Noise, 1 is what counting alone gives",
         lambda q: Cell(words.quantity(q["noise"], words.plasma_copies))),
        ("Sex seen in X and Y", lambda q: Cell(text(q["sex"]) or words.NOT_KNOWN)),
        ("Sex in the sample sheet", lambda q: Cell(text(q["declared_sex"]) or "not given")),
    ]  # fmt: skip
    rows = [(name, [show(p.qc) for p in timeline]) for name, show in measures]
    rows.insert(2, ("Person of the baseline", [_person(p) for p in timeline]))
    absent = [name for name, cells in rows if all(c.main == words.NOT_KNOWN for c in cells)]
    shown = [
        (name, [Cell(c.main, c.note, c.tone or ("missing" if c.main == words.NOT_KNOWN else ""))
                for c in cells])
        for name, cells in rows
        if name not in absent
    ]  # fmt: skip
    return shown, words.listing([name[0].lower() + name[1:] for name in absent])
