"""A patient's results as one JSON object for hospital systems, and the JSON Schema it follows.

Both are made from the columns of :mod:`ctcnv.schema`: a row of a table is an object with the
table's columns as keys, and null where the value is not known. The answer on top picks the same
samples as the report, so that the page and the file cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ctcnv import __version__, schema
from ctcnv.report import view
from ctcnv.report.view import Point, Row, Sample, Sheet
from ctcnv.schema import Column, Table

#: Name and version of the format; the version changes when a reader would have to.
FORMAT = "ctcnv.summary/2"
USE = "For research use only; not for diagnosis."
#: Digits of a number, as in the tables.
DIGITS = 7

#: Columns of the track in the answer, at the first sample and at the one whose change is shown.
FIRST = ("status", "fraction", "fraction_low", "fraction_high", "lod", "erbb2_call", "erbb2_pcn",
         "erbb2_pcn_low", "erbb2_pcn_high", "erbb2_copies", "erbb2_copies_low",
         "erbb2_copies_high")  # fmt: skip
LATER = ("change", "ratio", "ratio_low", "ratio_high", "fraction_ratio", "fraction_ratio_low",
         "fraction_ratio_high", "vaf_ratio", "vaf_ratio_low", "vaf_ratio_high", "erbb2_change",
         "erbb2_ratio", "erbb2_ratio_low", "erbb2_ratio_high", "reason")  # fmt: skip
#: Tables of a sample with one row, and with more.
ONE_ROW = (("fraction", schema.FRACTION), ("qc", schema.QC))
ROWS = (("genes", schema.GENES), ("solutions", schema.SOLUTIONS), ("mutations", schema.MUTATIONS))


def patient_summary(patient: str, track: Sheet, samples: Sequence[Sample]) -> dict[str, Any]:
    """The summary of one patient, ready for JSON.

    ``answer.follow_up`` is null when no sample lies near enough to ``track.target_day``.
    Raises ValueError when track and samples do not name the same samples.
    """
    timeline = view.points(track, samples)
    first = view.lead(timeline)
    later, name = view.target(timeline, track)
    follow_up = None
    if later is not None:
        follow_up = _when(later) | _values(later.track, schema.TRACK, LATER)
    return {
        "format": FORMAT,
        "ctcnv_version": __version__,
        "use": USE,
        "patient": patient,
        "answer": {
            "first": _when(first) | _values(first.track, schema.TRACK, FIRST),
            "follow_up": follow_up,
            "no_follow_up": name if later is None else None,
        },
        "samples": [_sample(point) for point in timeline],
        "settings": view.settings(
            [track, *(sheet for sample in samples for sheet in sample.sheets().values())]
        ),
    }


def text(summary: dict[str, Any]) -> str:
    """The summary as JSON text; NaN, which JSON does not know, cannot come through."""
    return json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _when(point: Point) -> dict[str, Any]:
    return _values(point.track, schema.TRACK, ("sample", "day", "baseline"))


def _sample(point: Point) -> dict[str, Any]:
    found = _when(point)
    found["track"] = _values(point.track, schema.TRACK)
    for name, table in ONE_ROW:
        found[name] = _values(getattr(point, name), table)
    sheets = point.sample.sheets()
    for name, table in ROWS:
        frame = sheets[name].frame if name in sheets else table.empty()
        found[name] = [_values(row, table) for row in view.rows_of(frame)]
    found["inputs"] = {
        key.removeprefix("input."): value
        for key, value in point.sample.genes.meta.items()
        if key.startswith("input.")
    }
    return found


def _values(row: Row, table: Table, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Columns of a row as JSON values."""
    chosen = table.names if names is None else list(names)
    kinds = {column.name: column.kind for column in table.columns}
    return {name: _value(row[name], kinds[name]) for name in chosen}


def _value(value: Any, kind: str) -> Any:
    if value is None or pd.isna(value):
        return None
    if kind == "float":
        return float(f"{float(value):.{DIGITS}g}")
    return {"int": int, "bool": bool, "text": str}[kind](value)


# ---- the schema of the format -------------------------------------------------------------------


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of :func:`patient_summary`."""
    when = _object(_properties(schema.TRACK, ("sample", "day", "baseline")))
    sample = dict(when["properties"])
    sample["track"] = _ref("track")
    sample |= {name: _ref(name) for name, _ in ONE_ROW}
    sample |= {name: {"type": "array", "items": _ref(name)} for name, _ in ROWS}
    sample["inputs"] = {
        "type": "object",
        "description": "sha256 of each file that the sample's results were made from",
        "additionalProperties": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    }
    answer = {
        "first": _object(
            when["properties"] | _properties(schema.TRACK, FIRST),
            "The baseline, or the first sample where there is none: single-sample results",
        ),
        "follow_up": {
            "anyOf": [
                _object(when["properties"] | _properties(schema.TRACK, LATER)),
                {"type": "null"},
            ],
            "description": "The change from baseline at the sample nearest to track.target_day; "
            "null when none is within track.window_days",
        },
        "no_follow_up": {
            "type": ["string", "null"],
            "description": "Why there is no follow-up; null when there is one",
        },
    }
    top = {
        "format": {"const": FORMAT},
        "ctcnv_version": {"type": "string"},
        "use": {"const": USE},
        "patient": {"type": "string", "pattern": schema.NAME_PATTERN},
        "answer": _object(answer),
        "samples": {"type": "array", "items": _object(sample), "minItems": 1,
                    "description": "By day"},
        "settings": {
            "type": "object",
            "description": "Settings of the run by section of config.yaml; a list where samples "
            "differ",
            "additionalProperties": {"type": "object"},
        },
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{FORMAT.replace('/', ':')}",
        "title": "Summary of one patient by ctcnv",
        "description": "Null means not known or not evaluable, never zero and never negative. "
        "Coordinates are 0-based and half-open.",
        **_object(top),
        "$defs": {
            name: _object(_properties(table), table.meaning)
            for name, table in (("track", schema.TRACK), *ONE_ROW, *ROWS)
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Any], description: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"description": description} if description else {}
    return found | {"type": "object", "additionalProperties": False,
                    "required": list(properties), "properties": properties}  # fmt: skip


def _properties(table: Table, names: Iterable[str] | None = None) -> dict[str, Any]:
    chosen = set(table.names if names is None else names)
    return {column.name: _property(column) for column in table.columns if column.name in chosen}


def _property(column: Column) -> dict[str, Any]:
    kind = {"text": "string", "int": "integer", "float": "number", "bool": "boolean"}[column.kind]
    meaning = column.meaning + (f" ({column.unit})" if column.unit else "")
    if column.choices:
        choices: list[str | None] = list(column.choices)
        return {"enum": [*choices, None] if column.nullable else choices, "description": meaning}
    return {"type": [kind, "null"] if column.nullable else kind, "description": meaning}
