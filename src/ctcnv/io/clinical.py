"""The clinical table: response and survival per patient, checked row by row."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from ctcnv.io import schemas, sheet
from ctcnv.schema import RESPONSE

COLUMNS = ("patient", "arm", "stratum", "response", "pfs_days", "pfs_event", "os_days", "os_event")
NUMBERS = ("pfs_days", "pfs_event", "os_days", "os_event")


def read(path: Path, *, schema: Path | None = None) -> pd.DataFrame:
    """The rows of a clinical table with every column of COLUMNS; an empty cell is None.

    ``schema`` is the JSON schema of a row (workflow/schemas/clinical.schema.yaml). Raises
    ValueError that names the file, the row (counted from 1 below the header), the patient, the
    value and the remedy; OSError when it cannot be opened.
    """
    validator = None if schema is None else schemas.load(schema)
    seen: dict[str, int] = {}
    rows = []
    for number, values in sheet.cells(path, columns=COLUMNS, required=("patient",)):
        name = values.get("patient")
        where = f"{path} row {number}" + (f" (patient {str(name)[:100]})" if name else "")
        values = {key: _number(value) if key in NUMBERS else value for key, value in values.items()}
        for problem in [] if validator is None else schemas.problems(validator, values):
            raise ValueError(f"{where}: {problem}")
        if values.get("response", RESPONSE[0]) not in RESPONSE:
            raise ValueError(
                f"{where}: response is {values['response']!r}; write the best response as "
                f"{', '.join(RESPONSE)}, or leave it empty"
            )
        for outcome in ("pfs", "os"):
            days, event = values.get(f"{outcome}_days"), values.get(f"{outcome}_event")
            if days is not None and (isinstance(days, str) or not 0 < days < math.inf):
                raise ValueError(
                    f"{where}: {outcome}_days is {days!r}; write days from the first dose, more "
                    "than 0; leave it empty when not known"
                )
            if event is not None and event not in (0, 1):
                raise ValueError(
                    f"{where}: {outcome}_event is {event!r}; write 1 (it happened) or 0 (censored)"
                )
            given = [f"{outcome}_{part}" in values for part in ("days", "event")]
            if any(given) and not all(given):
                raise ValueError(
                    f"{where}: {outcome}_days and {outcome}_event go together; fill or empty both"
                )
        if values.get("os_days", math.inf) < values.get("pfs_days", 0):
            raise ValueError(
                f"{where}: os_days is {values['os_days']!r}, less than pfs_days "
                f"{values['pfs_days']!r}; a patient lives at least as long as without progression, "
                "correct one of them"
            )
        if name is None:
            raise ValueError(f"{where}: patient is missing; name the patient as in the samples")
        if name in seen:
            raise ValueError(
                f"{where}: patient {name!r} is there twice, first in row {seen[name]}; "
                "one row per patient"
            )
        seen[name] = number
        rows.append({column: values.get(column) for column in COLUMNS})
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    for column in ("pfs_event", "os_event"):
        frame[column] = [None if value is None else bool(value) for value in frame[column]]
    return frame


def _number(text: str) -> Any:
    """A number where the cell is one, whole where it is whole; else the text for the schema."""
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value  # inf and nan stay, to be refused
