"""The page of a cohort: one HTML file with a table that leads to the patients, figures and tests.

As the patients' reports it loads nothing and every value is escaped. Figures come in as SVG.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from ctcnv import __version__, palette
from ctcnv.model import CohortSettings
from ctcnv.report import assets, words
from ctcnv.report.view import Row, rows_of
from ctcnv.report.words import known, number, text


@dataclass(frozen=True)
class Figure:
    """A drawing of the page: its title, what it shows, and the SVG."""

    title: str
    text: str
    alt: str
    svg: bytes

    @property
    def source(self) -> str:
        """The drawing as an address that holds all of it."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, what it is sorted by (empty: not known), and how it looks."""

    main: str
    sort: str = ""
    note: str = ""
    tone: str = ""
    link: str = ""
    archived: str = ""
    long: bool = False


@dataclass(frozen=True)
class Line:
    """A row of a table, and the call it can be filtered by."""

    cells: Sequence[Cell]
    call: str = ""


@dataclass(frozen=True)
class Card:
    """A count with what it is about."""

    about: str
    word: str
    lines: Sequence[str]
    tone: str = ""


#: Where the workflow puts this page and the report of a patient.
PLACE = "results/cohort/cohort.html"
REPORT = "results/patients/{patient}/report.html"

PATIENT_HEADS = ("Patient", "Tumor fraction", "ERBB2", "Copies per tumor cell", "Plasma copies",
                 "Follow-up", "Change", "Ratio to baseline", "ERBB2 excess", "Arm", "Response",
                 "PFS, days", "OS, days", "Quality")  # fmt: skip
#: Columns that are left out where no patient has a value.
OF_CLINICAL = ("Arm", "Response", "PFS, days", "OS, days")
STATISTIC_HEADS = ("Analysis", "Outcome", "By", "Level", "n", "Not known", "Events", "Measure",
                   "Estimate (95 %)", "p", "p, corrected",
                   "p, proportional hazards", "Method", "Note")  # fmt: skip
TRIAL_HEADS = ("Trial", "Drug", "Patients", "Line", "n", "Response rate", "PFS, months",
               "OS, months", "Kind of source", "Source", "Note")  # fmt: skip


def in_archive(path: str) -> str:
    """The folder below ``data/raw`` in which the archive of ``snakemake --report`` has a file: the
    first 16 digits of the sha256 of its path (Snakemake 9)."""
    return hashlib.sha256(path.encode()).hexdigest()[:16]


def cohort_page(
    *,
    samples: pd.DataFrame,
    patients: pd.DataFrame,
    statistics: pd.DataFrame,
    qc: pd.DataFrame,
    trials: pd.DataFrame,
    figures: Sequence[Figure],
    settings: CohortSettings,
    target_day: float,
    window_days: float,
) -> str:
    """The HTML page of a cohort from its tables and figures."""
    style = assets.read("style.css") + assets.read("cohort.css")
    script = assets.read("cohort.js")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    heads, lines = _patients(patients, _worst_quality(samples))
    counts = qc["status"].value_counts()
    return environment.from_string(assets.read("cohort.html")).render(
        version=__version__,
        style=Markup(style),  # noqa: S704  our own file
        script=Markup(script),  # noqa: S704  our own file
        policy=assets.policy(style, script),
        place=in_archive(PLACE),
        n_samples=len(samples),
        cards=_cards(patients),
        patient_heads=heads,
        patients=lines,
        calls=[(call, word) for call, word in palette.CALL.items()
               if (patients["erbb2_call"] == call).any()],
        target_day=words.decimals(target_day, 0),
        window_days=words.decimals(window_days, 0),
        figures=figures,
        statistic_heads=STATISTIC_HEADS,
        statistics=[_statistic(row) for row in rows_of(statistics)],
        cautions=_cautions(patients, statistics, settings),
        quality=words.sentence(", ".join(
            f"{counts[status]} {palette.QUALITY[status].lower() if status != 'ok' else 'OK'}"
            for status in palette.QUALITY if status in counts)),
        flagged=[_flagged(row) for row in rows_of(qc[qc["status"] != "ok"])],
        trial_heads=TRIAL_HEADS,
        trials=[_trial(row) for row in rows_of(trials)],
    )  # fmt: skip


def _cards(patients: pd.DataFrame) -> list[Card]:
    n = len(patients)
    calls, status = patients["erbb2_call"], patients["status"]
    unclear = int(calls.isin(["indeterminate", "failed"]).sum())
    compared = patients["follow_up_change"].isin(["decrease", "increase", "stable"])
    cards = [
        Card("ERBB2 amplified", f"{int((calls == 'amplified').sum())} of {n}",
             [f"{unclear} could not be judged"], "amplified"),
        Card("Tumor detected", f"{int((status == 'detected').sum())} of {n}",
             [f"{int((status == 'failed').sum())} failed"], "detected"),
        Card("ctDNA fraction fell", f"{int((patients['follow_up_change'] == 'decrease').sum())} of "
             f"{int(compared.sum())}",
             [f"{n - int(compared.sum())} without an evaluable follow-up"], "decrease"),
    ]  # fmt: skip
    given = patients["responder"].notna()
    if given.any():
        responded = int(patients["responder"].map(lambda v: v is True or v == 1).sum())
        cards.append(Card("Response (CR or PR)", f"{responded} of {int(given.sum())}",
                          [f"{n - int(given.sum())} without a response given"]))  # fmt: skip
    return cards


def _worst_quality(samples: pd.DataFrame) -> dict[str, str]:
    rank = {"ok": 0, "warn": 1, "failed": 2}
    found: dict[str, str] = {}
    for patient, status in zip(samples["patient"], samples["qc_status"], strict=True):
        if status in rank and rank[status] >= rank.get(found.get(patient, "ok"), 0):
            found[patient] = status
    return found


def _value(row: Row, name: str, form: words.Form, unit: str = "") -> Cell:
    """A number with its interval; where only a bound is known, the bound in words."""
    value, low, high = (number(row.get(f"{name}{end}")) for end in ("", "_low", "_high"))
    if not known(value):
        bound = words.interval(low, high, form, unit) if known(low) or known(high) else ""
        return Cell(bound or "", "")
    note = words.interval(low, high, form, unit) if known(low) or known(high) else ""
    return Cell(words.quantity(value, form, unit), repr(value), note)


def _word(value: object, shown: dict[str, str] | Any) -> Cell:
    word = text(value)
    return Cell(shown.get(word, word), word, tone=word) if word else Cell("")


def _plain(value: object, *, long: bool = False) -> Cell:
    said = text(value)
    return Cell(said, said, long=long)


def _count(value: object) -> Cell:
    return Cell(words.whole(value), repr(number(value))) if known(value) else Cell("")


def _time(row: Row, outcome: str) -> Cell:
    if not known(row[f"{outcome}_days"]):
        return Cell("")
    censored = not (row[f"{outcome}_event"] is True or row[f"{outcome}_event"] == 1)
    days = number(row[f"{outcome}_days"])
    return Cell(words.decimals(days, 0) + ("+" if censored else ""), repr(days))


def _patients(
    patients: pd.DataFrame, worst: dict[str, str]
) -> tuple[Sequence[str], Sequence[Line]]:
    """The heads and rows of the table of patients."""
    lines = [_patient(row, worst) for row in rows_of(patients)]
    kept = [
        i for i, head in enumerate(PATIENT_HEADS)
        if head not in OF_CLINICAL or any(line.cells[i].main for line in lines)
    ]  # fmt: skip
    return (
        [PATIENT_HEADS[i] for i in kept],
        [Line([line.cells[i] for i in kept], line.call) for line in lines],
    )


def _patient(row: Row, worst: dict[str, str]) -> Line:
    name = text(row["patient"])
    quality = worst.get(name, "")
    detected = row["status"] == "detected"
    fraction = _value(row, "fraction", words.share, "%") if detected else _word(
        row["status"], palette.STATUS)  # fmt: skip
    return Line((
        Cell(name, name, link=f"../patients/{name}/report.html",
             archived=in_archive(REPORT.format(patient=name))),
        fraction if detected else Cell(fraction.main, "", tone=fraction.tone),
        _word(row["erbb2_call"], palette.CALL),
        _value(row, "erbb2_copies", words.copies),
        _value(row, "erbb2_pcn", words.plasma_copies),
        Cell(words.day(row["follow_up_day"]), repr(number(row["follow_up_day"])))
        if known(row["follow_up_day"]) else Cell(""),
        _word(row["follow_up_change"], palette.CHANGE),
        _value(row, "follow_up_ratio", words.fold),
        _word(row["follow_up_erbb2_change"], palette.CHANGE),
        _plain(row["arm"]),
        _plain(row["response"]),
        _time(row, "pfs"),
        _time(row, "os"),
        _word(quality, palette.QUALITY),
    ), call=text(row["erbb2_call"]))  # fmt: skip


def _statistic(row: Row) -> Line:
    share = row["measure"] == "rate"
    form: words.Form = words.share if share else (
        (lambda value: words.decimals(value, 0)) if row["measure"] == "median days"
        else words.significant
    )  # fmt: skip
    estimate = _value(
        {"x": row["estimate"], "x_low": row["low"], "x_high": row["high"]}, "x", form,
        "%" if share else "",
    )  # fmt: skip
    return Line((
        _plain(row["analysis"]), _plain(row["outcome"]), _plain(row["predictor"] or "all"),
        _plain(row["level"]), _count(row["n"]), _count(row["missing"]), _count(row["events"]),
        _plain("" if row["measure"] == "none" else row["measure"]), estimate,
        *(Cell(words.significant(row[name]), repr(number(row[name]))) if known(row[name])
          else Cell("") for name in ("p_value", "p_adjusted", "ph_p")),
        _plain(row["method"]), _plain(row["note"], long=True),
    ))  # fmt: skip


def _cautions(
    patients: pd.DataFrame, statistics: pd.DataFrame, settings: CohortSettings
) -> list[tuple[str, str]]:
    """What a reader must know of these numbers, from the numbers themselves."""
    if statistics.empty:
        return []
    tests = int(statistics["p_value"].notna().sum())
    below = int((statistics["p_value"] < 0.05).sum())
    left = int((statistics["p_adjusted"] < 0.05).sum())
    n = len(patients)
    unknown = int(patients["erbb2_copies"].isna().sum())
    items = [
        (
            "Exploratory",
            "The list of analyses is fixed and does not depend on what comes out. None was planned "
            "for this cohort, and an association is no effect of a treatment.",
        ),
        (
            "Many tests",
            f"{tests} p-values; {0.05 * tests:.1f} below 0.05 are expected of nothing at all. "
            f"{below} are, and {left} after Holm's correction. Tests of the same patients in "
            "similar groups are not independent.",
        ),
        (
            "Few patients",
            f"{n} patients. A wide interval says that little is known; a large p says nothing "
            "about the absence of an effect.",
        ),
        (
            "Thresholds",
            f"{settings.thresholds.replace(',', ', ')} copies come from other assays, in tissue or "
            "plasma, and none was fitted here. Copies as a number lose nothing by a cut.",
        ),
        (
            "Follow-up",
            "Survival by the change is counted from the day of the sample: patients had to live, "
            "and not progress, to be sampled.",
        ),
    ]
    if unknown:
        items.insert(3, (
            "Who is left out",
            f"{unknown} of {n} patients have no copies per tumor cell, most because no tumor was "
            "detected. They shed less, which may go with the outcome: what is said of copies holds "
            "for those who could be judged.",
        ))  # fmt: skip
    return items


def _flagged(row: Row) -> Line:
    return Line((_plain(row["sample"]), _plain(row["patient"]), _plain(row["role"]),
                 _word(row["status"], palette.QUALITY),
                 _plain(row["reason"], long=True)))  # fmt: skip


def _trial(row: Row) -> Line:
    def months(name: str) -> Cell:
        return _value(row, name, lambda value: words.decimals(value, 1))

    return Line((
        _plain(row["trial"]), _plain(row["drug"], long=True), _plain(row["selection"], long=True),
        _plain(row["line"]), _count(row["n"]), _value(row, "orr", words.share, "%"), months("pfs"),
        months("os"), _plain(row["evidence"]), _plain(row["source"], long=True),
        _plain(row["note"], long=True),
    ))  # fmt: skip
