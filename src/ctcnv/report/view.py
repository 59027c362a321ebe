"""The time points of a patient and the answer: status, copies, tumor fraction, change, and doubts.

Nothing is computed that could change a result: values are picked and put into words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ctcnv import palette
from ctcnv.report import words
from ctcnv.report.words import known, number, text
from ctcnv.schema import GENE_DOUBTS, GENES

GENE = "ERBB2"
SAMPLE_TABLES = ("profile", "segments", "fraction", "solutions", "genes", "qc")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Sheet:
    """A table with the preamble it was stored with."""

    frame: pd.DataFrame
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """The tables of one sample."""

    name: str
    profile: Sheet
    segments: Sheet
    fraction: Sheet
    solutions: Sheet
    genes: Sheet
    qc: Sheet
    mutations: Sheet | None = None

    def sheets(self) -> dict[str, Sheet]:
        """The tables by name; that of the mutations when it has rows."""
        found = {name: getattr(self, name) for name in SAMPLE_TABLES}
        if self.mutations is not None and len(self.mutations.frame):
            found["mutations"] = self.mutations
        return found


@dataclass(frozen=True)
class Point:
    """One time point: its row of the track and of every one-row table, and its sample."""

    track: Row
    sample: Sample
    fraction: Row
    erbb2: Row
    qc: Row

    @property
    def when(self) -> str:
        """The day in words, as in ``day 21``."""
        return words.day(self.track["day"])

    @property
    def title(self) -> str:
        """The day with a capital, and whether it is the baseline."""
        return words.sentence(self.when)[:-1] + (f", {self.role}" if self.role else "")

    @property
    def role(self) -> str:
        """What the sample is to the others: baseline, or standing in for it after treatment."""
        if not self.track["baseline"]:
            return ""
        return "baseline" if number(self.track["day"]) <= 0 else "stands in as baseline"


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: a word with a tone, a number, and a line below it."""

    main: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Card:
    """One answer: what it is about, the word, lines below, and the same for the other days."""

    about: str
    word: str
    tone: str
    lines: Sequence[tuple[str, str]]
    others: Sequence[tuple[str, str]] = ()


def points(track: Sheet, samples: Sequence[Sample]) -> list[Point]:
    """The time points by day; ValueError when track and samples do not name the same samples."""
    by_name = {sample.name: sample for sample in samples}
    rows = rows_of(track.frame)
    for index, row in enumerate(rows, start=1):
        if row["sample"] not in by_name:
            raise ValueError(
                f"track row {index}: sample {row['sample']!r} has no tables; add it to --samples"
            )
    missing = sorted(set(by_name) - {row["sample"] for row in rows})
    if missing:
        raise ValueError(f"sample {missing[0]!r} has no row in the track; make the track again")
    rows.sort(key=lambda row: (number(row["day"]), row["sample"]))
    return [_point(row, by_name[row["sample"]]) for row in rows]


def _point(row: Row, sample: Sample) -> Point:
    genes = sample.genes.frame
    erbb2 = rows_of(genes[genes["gene"] == GENE])
    empty = dict.fromkeys(GENES.names)
    return Point(
        row,
        sample,
        _only_row(sample, "fraction"),
        erbb2[0] if erbb2 else empty,
        _only_row(sample, "qc"),
    )


def _only_row(sample: Sample, table: str) -> Row:
    rows = rows_of(sample.sheets()[table].frame)
    if len(rows) != 1:
        raise ValueError(f"{table} of {sample.name!r} has {len(rows)} rows; expected one")
    return rows[0]


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame as mappings."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


# ---- the answer -------------------------------------------------------------------------------


def lead(timeline: Sequence[Point]) -> Point:
    """The time point whose ERBB2 status and tumor fraction come first: baseline, or the first."""
    return next((p for p in timeline if p.track["baseline"]), timeline[0])


def target(timeline: Sequence[Point], track: Sheet) -> tuple[Point | None, str]:
    """The time point whose change the report leads with, and what to call it.

    It is the one nearest to the target day of the track's settings, within their window; without
    settings the last one. None, with the reason, when there is none.
    """
    first = number(lead(timeline).track["day"])
    later = [
        p for p in timeline if not p.track["baseline"] and number(p.track["day"]) >= first
    ]  # fmt: skip
    if not later:
        return None, "there is no time point to compare with the baseline"
    stored = settings([track]).get("track", {})
    day, window = number(stored.get("target_day")), number(stored.get("window_days"))
    if not (known(day) and known(window)):
        return later[-1], later[-1].when
    near = min(later, key=lambda p: (abs(number(p.track["day"]) - day), number(p.track["day"])))
    if abs(number(near.track["day"]) - day) <= window:
        return near, near.when
    return None, (
        f"no sample within {words.decimals(window, 0)} days of day {words.decimals(day, 0)}"
    )


def erbb2_card(timeline: Sequence[Point], track: Sheet) -> Card:
    """ERBB2 status in words with copies, plasma copies and what the sample could have shown."""
    first = lead(timeline)
    call = first.track["erbb2_call"]
    return Card(
        _about("ERBB2", first),
        palette.CALL[call],
        call,
        [*copies_lines(first), *call_lines(first)],
        _others(timeline, track, erbb2_short),
    )


def _about(what: str, point: Point) -> str:
    return f"{what} at {point.when}" + (f" ({point.role})" if point.role else "")


#: More time points than this are left to the table below the cards.
MAX_OTHERS = 3


def _others(
    timeline: Sequence[Point], track: Sheet, say: Callable[[Point], str]
) -> list[tuple[str, str]]:
    """The same answer for the other time points; where they are many, for the target day alone."""
    others = [p for p in timeline if p is not lead(timeline)]
    if len(others) > MAX_OTHERS:
        others = [p for p in others if p is target(timeline, track)[0]]
    return [(p.title, say(p)) for p in others]


def erbb2_short(point: Point) -> str:
    """ERBB2 of one day in a few words."""
    row, call = point.track, palette.CALL[point.track["erbb2_call"]]
    if row["erbb2_call"] == "indeterminate":  # a number would read as a result
        return call
    if known(row["erbb2_copies"]):
        low, high = row["erbb2_copies_low"], row["erbb2_copies_high"]
        bounds = f" ({words.interval(low, high, words.copies)})" if known(low) else ""
        return f"{call}, {words.copies(number(row['erbb2_copies']))} copies{bounds}"
    if known(row["erbb2_copies_low"]):
        return f"{call}, at least {words.copies(number(row['erbb2_copies_low']))} copies"
    return call


def copies_lines(point: Point) -> list[tuple[str, str]]:
    """Copies per tumor cell and plasma copy number with intervals."""
    row = point.track
    low, high = row["erbb2_copies_low"], row["erbb2_copies_high"]
    if known(row["erbb2_copies"]):
        value = words.copies(number(row["erbb2_copies"]))
        copies = (f"{value} copies per tumor cell", words.interval(low, high, words.copies))
    elif known(low):
        copies = (f"At least {words.copies(number(low))} copies per tumor cell", "")
    else:
        copies = (f"Copies per tumor cell: {words.NOT_EVALUABLE}", "")
    if not known(row["erbb2_pcn"]):
        return [copies, (f"Plasma copy number: {words.NOT_EVALUABLE}", "")]
    bounds = words.interval(row["erbb2_pcn_low"], row["erbb2_pcn_high"], words.plasma_copies)
    pcn = words.plasma_copies(number(row["erbb2_pcn"]))
    return [copies, (f"Plasma copy number {pcn}", bounds)]


def call_lines(point: Point) -> list[tuple[str, str]]:
    """What a call of ERBB2 means for this sample."""
    call, row = point.track["erbb2_call"], point.erbb2
    shown = words.quantity(row["detectable_copies"], words.copies)
    if call == "indeterminate" and text(row["reason"]).startswith(GENE_DOUBTS):
        return [(f"Cannot be told: {text(row['reason'])}. It is not a negative result.", "")]
    if call == "indeterminate":
        could = (
            f" of fewer than {shown} copies per tumor cell"
            if known(row["detectable_copies"])
            else ", whatever its number of copies"
        )
        return [(f"This sample could not have shown an amplification{could}. "
                 "It is not a negative result.", "")]  # fmt: skip
    if call == "failed":
        return [("Nothing can be said from this sample.", "")]
    if call == "neutral":
        if known(row["detectable_copies"]):
            return [(f"{shown} copies or more would have been seen in this sample.", "")]
        return []
    lines = []
    if known(row["width"]):
        bounds = " to ".join(words.megabases(row[f"width_{end}"]) for end in ("low", "high"))
        lines.append((f"Focal: amplicon of about {words.megabases(row['width'])}", bounds))
    elif row["focal"] is False:
        lines.append(("Broad, with its chromosome arm", ""))
    elif known(row["p_focal"]):
        lines.append((f"Focal with a probability of {words.chance(row['p_focal'])}", ""))
    if call in ("amplified", "gained") and known(row["p_amplified"]):
        lines.append((f"Probability of an amplification {words.chance(row['p_amplified'])}", ""))
    return lines


def percent(value: object, *, missing: str = words.NOT_KNOWN) -> str:
    """A fraction in per cent."""
    return words.quantity(value, words.share, "%", missing=missing)


def fraction_card(timeline: Sequence[Point], track: Sheet) -> Card:
    """Tumor fraction of the leading sample, and of the others."""
    first = lead(timeline)
    row, status = first.track, first.track["status"]
    lines = []
    if status == "failed":
        lines.append(("Nothing can be said from this sample.", ""))
    elif status == "detected":
        lines.append((f"95 % interval {_range(row, 'fraction')}", ""))
        ploidy = words.quantity(first.fraction["ploidy"], words.copies)
        dna = percent(first.fraction["dna_fraction"])
        lines.append((f"Ploidy {ploidy}, ctDNA fraction {dna}", ""))
    else:
        lines.append((f"At most {percent(row['fraction_high'])}", "upper 95 % bound"))
    if status != "failed":
        lines.append((f"Limit of detection of this sample {percent(row['lod'])}", ""))
    word = percent(row["fraction"]) if status == "detected" else palette.STATUS[status]
    others = _others(timeline, track, fraction_short)
    return Card(_about("Tumor fraction", first), word, status, lines, others)


def fraction_short(point: Point) -> str:
    """Tumor fraction of one day in a few words, informed by the patient's profile if it can be."""
    row = point.track
    detected = row["status"] == "detected"
    if not_seen(row):
        alone = percent(row["fraction"]) if detected else palette.STATUS[row["status"]]
        return f"{alone} alone; not seen on the patient's profile, {could_have_seen(row)}"
    if known(row["informed"]) and row["profile"] != "changed":
        informed = f"{percent(row['informed'])} ({_range(row, 'informed')}), informed"
        return informed if detected else f"{palette.STATUS[row['status']]} alone; {informed}"
    if detected:
        return f"{percent(row['fraction'])} ({_range(row, 'fraction')})"
    return palette.STATUS[row["status"]]


def not_seen(row: Row) -> bool:
    """Whether the tumor was looked for on the patient's profile and was not seen."""
    return row["profile"] == "not_evaluable" and known(row["informed"])


def could_have_seen(row: Row) -> str:
    """From which tumor fraction on the informed estimate would have seen the tumor."""
    if not known(row["informed_lod"]):
        return "no tumor fraction would have been seen for certain"
    return f"could have seen {percent(row['informed_lod'])} or more"


def _range(row: Row, name: str) -> str:
    return words.interval(row[f"{name}_low"], row[f"{name}_high"], words.share, "%")


def change_card(timeline: Sequence[Point], track: Sheet) -> Card:
    """The change at the target day in ctDNA fraction and in ERBB2 excess copies."""
    point, name = target(timeline, track)
    if point is None:
        return Card("Change in ctDNA fraction", palette.CHANGE["not_evaluable"], "not_evaluable",
                    [(words.sentence(name), "")])  # fmt: skip
    row = point.track
    word, ratio, bounds = change(row, "")
    lines = [(ratio, bounds)] if ratio else []
    if row["change"] == "not_evaluable":
        lines.append((words.sentence(reason_of(row, "change")) or "Reason not known.", ""))
    else:
        lines.append((_from_to(lead(timeline).track, row), ""))
    if known(row["cleared"]) and row["cleared"]:
        lines.append((f"Cleared: no tumor seen, {could_have_seen(row)}", ""))
    sure = fall_line(row)
    lines += [(sure, "")] if sure else []
    word_erbb2, ratio, bounds = change(row, "erbb2_")
    ratio = (", " if ratio else "") + ratio.removesuffix(" baseline")
    lines.append((f"ERBB2 excess: {word_erbb2.lower()}{ratio}", bounds))
    lines += [(said, "") for said in copies_change_lines(row)]
    if known(row["vaf_ratio"]):
        lines.append((f"Mean allele fraction of mutations: {words.fold(row['vaf_ratio'])}"
                      f"{words.SPACE}× baseline", words.interval(
                          row["vaf_ratio_low"], row["vaf_ratio_high"], words.fold)))  # fmt: skip
    if explained(row, "mutations"):
        lines.append((words.sentence(reason_of(row, "mutations")), ""))
    later = [p for p in timeline if p is not point and not p.track["baseline"]]
    others = [(p.title, change(p.track, "")[0]) for p in later]
    return Card(f"Change in ctDNA fraction at {name}", word, row["change"], lines,
                others if len(others) <= MAX_OTHERS else [])  # fmt: skip


def fall_line(row: Row) -> str:
    """How sure the change in ctDNA fraction is, in one line; empty where there is no ratio.

    Of falls that are as sure as a larger one only the larger is named.
    """
    if not known(row["p_decrease"]):
        return ""
    if row["change"] == "increase":
        return f"Probability of a rise {words.chance(1 - number(row['p_decrease']))}"
    falls = {
        "by half or more": words.chance(row["p_decrease_50"]),
        f"by 30{words.SPACE}% or more": words.chance(row["p_decrease_30"]),
        "at all": words.chance(row["p_decrease"]),
    }
    named: dict[str, str] = {}
    for size, sure in falls.items():
        named.setdefault(sure, size)
    return "Probability of a fall " + ", ".join(f"{size} {sure}" for sure, size in named.items())


def copies_change_lines(row: Row) -> list[str]:
    """Whether ERBB2 fell with the tumor or apart from it; nothing where it never was raised."""
    if not explained(row, "erbb2_copies_change"):
        return []
    p = row["p_selective_loss"]
    word = row["erbb2_copies_change"]
    if word == "selective_loss":
        return [f"{palette.COPIES_CHANGE[word]} (probability {words.chance(p)})"]
    if word == "selective_gain":
        return [f"{palette.COPIES_CHANGE[word]} (probability {words.chance(1 - number(p))})"]
    if word == "unchanged":
        return [palette.COPIES_CHANGE[word]]
    return [f"ERBB2 copies per tumor cell: change {words.NOT_EVALUABLE}"]


def warnings(timeline: Sequence[Point]) -> list[str]:
    """What makes all else on the page doubtful: a sample that is not of the baseline's person, and
    samples that failed."""
    found = []
    for p in timeline:
        if p.track["identity"] == "different":
            found.append(
                f"{p.sample.name} ({p.when}) is probably not of the same person as "
                f"{lead(timeline).sample.name}: {reason_of(p.track, 'identity')}. Nothing that "
                "compares the two can be trusted until this is resolved."
            )
    for p in timeline:
        if p.track["status"] == "failed":
            why = text(p.fraction["reason"]) or text(p.qc["reason"]) or "reason not known"
            found.append(f"{p.sample.name} ({p.when}) failed: {why}. No result rests on it.")
    return found


def _from_to(baseline: Row, row: Row) -> str:
    """The two tumor fractions behind the change: informed ones where both are known."""
    changed = "changed" in (baseline["profile"], row["profile"])
    if known(baseline["informed"]) and known(row["informed"]) and not changed:
        now = "not seen" if not_seen(row) else percent(row["informed"])
        return f"Tumor fraction from {percent(baseline['informed'])} to {now} (informed)"
    shown = [
        percent(r["fraction"]) if r["status"] == "detected" else palette.STATUS[r["status"]].lower()
        for r in (baseline, row)
    ]
    return f"Tumor fraction from {shown[0]} to {shown[1]}"


#: A ratio to baseline that cannot be told from none, so that a fall has a lower bound only.
NONE_LEFT = 0.01
#: What the columns of a change are about.
CHANGES = {"change": "ctDNA fraction", "erbb2_change": "ERBB2 excess copies"}
#: How the parts of the track's reason begin, by the column that they explain.
REASON_PARTS = {"change": "ctDNA fraction: ", "erbb2_change": "ERBB2 excess copies: ",
                "erbb2_copies_change": "ERBB2 copies: ", "profile": "profile: ",
                "noise": "noise: ", "vaf": "mean VAF: ", "mutations": "mutations: ",
                "days": "days: ", "identity": "identity: "}  # fmt: skip


#: What the track says of mutations that do not fit the change of the copy number.
NO_PART = "and have no part"


def reason_of(row: Row, column: str) -> str:
    """The part of the track's reason that explains a column; all of it when it has no parts."""
    whole = text(row["reason"])
    for part in whole.split("; "):
        if part.startswith(REASON_PARTS[column]):
            said = part.removeprefix(REASON_PARTS[column])
            return said.removeprefix(f"{words.NOT_EVALUABLE}, ")
    return whole


def explained(row: Row, column: str) -> bool:
    """Whether the track's reason has a part on a column."""
    parts = text(row["reason"]).split("; ")
    return any(part.startswith(REASON_PARTS[column]) for part in parts)


def change(row: Row, prefix: str) -> tuple[str, str, str]:
    """A change in a word or two, the ratio behind it, and the ratio's interval.

    Where only one bound of the ratio is known (one of the two samples is below its limit), the
    change is given as that bound.
    """
    kind = row[f"{prefix}change"]
    ratio, low, high = (number(row[f"{prefix}ratio{end}"]) for end in ("", "_low", "_high"))
    word = palette.CHANGE[kind]
    if not (known(ratio) or known(low) or known(high)):
        return word, "", ""
    bounded_above = not known(ratio) or not known(low) or low <= NONE_LEFT
    if kind == "decrease" and bounded_above and known(high) and high < 1:
        word = f"Decrease of at least {words.share(1 - high)}{words.SPACE}%"
    elif kind == "increase" and known(low) and not (known(ratio) and known(high)):
        word = f"Increase to at least {words.fold(low)}{words.SPACE}×"
    if known(ratio):
        shown = f"{words.fold(ratio)}{words.SPACE}× baseline"
        return word, shown, words.interval(low, high, words.fold)
    return word, f"{words.interval(low, high, words.fold, '×')} baseline", ""


def not_evaluable(timeline: Sequence[Point]) -> list[tuple[str, str]]:
    """Everything that could not be judged, with the reason that the tables give."""
    found: dict[tuple[str, str], list[str]] = {}
    compared = any(p.track["baseline"] for p in timeline)
    for p in timeline:
        for what, why in _unclear(p, compared=compared):
            said = words.sentence(why) or "Reason not known."
            found.setdefault((what, said), []).append(p.when)
    items = [
        (words.sentence(f"{what}, {words.listing(days)}")[:-1], why)
        for (what, why), days in found.items()
    ]
    if not compared:
        items.insert(0, ("Change", "No sample is a baseline, so no change can be given."))
    return items


def _unclear(point: Point, *, compared: bool) -> list[tuple[str, str]]:
    """What one time point could not tell: the thing and the reason."""
    items = []
    status, call = point.track["status"], point.track["erbb2_call"]
    if status == "failed":
        return [("the whole sample", text(point.fraction["reason"]) or text(point.qc["reason"]))]
    if status == "not_detected":
        items.append(("tumor DNA not detected", text(point.fraction["reason"])))
    if status == "detected" and text(point.fraction["reason"]):
        items.append(("tumor fraction", text(point.fraction["reason"])))
    if call in ("indeterminate", "failed"):
        items.append((f"ERBB2 {call}", text(point.erbb2["reason"])))
    if point.role and number(point.track["day"]) > 0:
        items.append(("baseline", text(point.track["reason"])))
    if point.track["profile"] == "changed":
        items.append(("informed tumor fraction", reason_of(point.track, "profile")))
    if explained(point.track, "noise"):
        items.append(("noise of the informed tumor fraction", reason_of(point.track, "noise")))
    for column, what in CHANGES.items():
        if point.track[column] == "not_evaluable" and compared:
            items.append((f"change in {what}", reason_of(point.track, column)))
    if explained(point.track, "vaf") and not known(point.track["vaf_ratio"]):
        items.append(("change in mean allele fraction", reason_of(point.track, "vaf")))
    if NO_PART in text(point.track["reason"]):
        items.append(("mutations and copy number disagree on the change",
                      reason_of(point.track, "mutations")))  # fmt: skip
    column = "erbb2_copies_change"
    if point.track[column] == "not_evaluable" and copies_change_lines(point.track):
        items.append(("change in ERBB2 copies per tumor cell", reason_of(point.track, column)))
    return items


# ---- settings -------------------------------------------------------------------------------


def settings(sheets: Sequence[Sheet]) -> dict[str, dict[str, Any]]:
    """Every setting of the preambles by section; a value that differs is a list of the values."""
    found: dict[str, dict[str, list[Any]]] = {}
    for sheet in sheets:
        for key, stored in sheet.meta.items():
            if not key.startswith("settings."):
                continue
            try:
                values = json.loads(stored)
            except ValueError:
                values = None
            if not isinstance(values, dict):
                values = {"value": stored}
            section = found.setdefault(key.removeprefix("settings."), {})
            for name, value in values.items():
                seen = section.setdefault(str(name), [])
                if value not in seen:
                    seen.append(value)
    return {
        section: {name: seen[0] if len(seen) == 1 else seen for name, seen in values.items()}
        for section, values in sorted(found.items())
    }
