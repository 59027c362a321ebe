"""The table of treatments: on what days a patient was treated, checked row by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ctcnv.io import schemas, sheet

COLUMNS = ("patient", "day", "treatment")


def read(path: Path, *, schema: Path | None = None) -> pd.DataFrame:
    """The rows of a table of treatments, sorted by patient and day; ``treatment`` may be None.

    ``schema`` is the JSON schema of a row (workflow/schemas/treatments.schema.yaml). Raises
    ValueError that names the file, the row (counted from 1 below the header), the patient, the
    value and the remedy; OSError when it cannot be opened.
    """
    validator = None if schema is None else schemas.load(schema)
    rows = []
    needed = COLUMNS[:2]
    for number, values in sheet.cells(path, columns=COLUMNS, required=needed, whole=("day",)):
        name = values.get("patient")
        where = f"{path} row {number}" + (f" (patient {str(name)[:100]})" if name else "")
        for problem in [] if validator is None else schemas.problems(validator, values):
            raise ValueError(f"{where}: {problem}")
        for column in needed:
            if values.get(column) is None:
                raise ValueError(f"{where}: {column} is missing; a treatment has patient and day")
        if not isinstance(values["day"], int):
            raise ValueError(
                f"{where}: day is {values['day']!r}; write whole days relative to the first dose"
            )
        rows.append({column: values.get(column) for column in COLUMNS})
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    return frame.sort_values(["patient", "day"], kind="stable", ignore_index=True)


def of_patient(table: pd.DataFrame, patient: str) -> Sequence[tuple[int, str]]:
    """Day and name of each treatment of a patient; the name is "" where none is given."""
    some = table[table["patient"] == patient]
    return [
        (int(day), name or "") for day, name in zip(some["day"], some["treatment"], strict=True)
    ]
