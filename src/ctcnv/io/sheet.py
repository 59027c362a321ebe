"""The sample sheet: read once, checked by row, every problem in one line with its remedy.

Names stay text (``001``, ``NA``); only an empty cell means missing. Paths are used as written,
that is, relative to the working directory.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ctcnv.io import schemas
from ctcnv.io.tables import write_text

COLUMNS = ("sample", "patient", "role", "day", "bam", "counts", "variants", "sex", "batch")
#: Columns without which no row can be understood; the others may be left out of a sheet.
REQUIRED = ("sample", "role")
#: Columns of results/given_up.tsv, which ``ctcnv run`` writes.
GIVEN_UP = ("sample", "step", "reason")
#: Names of the panel's normals, one a line, below the working directory; ``ctcnv run`` writes it.
PANEL = "results/reference/panel.txt"
FILES = ("bam", "counts", "variants")


def read(path: Path, *, schema: Path | None = None, look_for_files: bool = True) -> pd.DataFrame:
    """The rows of a sample sheet with every column of COLUMNS, indexed by sample.

    ``day`` is Int64, the rest text; an empty cell is None. ``schema`` is the JSON schema of a row
    (workflow/schemas/samples.schema.yaml).

    Raises ValueError that names the file, the row (counted from 1 below the header), the sample,
    the value and the remedy; OSError when the sheet cannot be opened.
    """
    rows = cells(path, columns=COLUMNS, required=REQUIRED, whole=("day",))
    validator = None if schema is None else schemas.load(schema)
    seen: dict[str, int] = {}
    for number, values in rows:
        name = values.get("sample")
        where = f"{path} row {number}" + (f" (sample {str(name)[:100]})" if name else "")
        for problem in [] if validator is None else schemas.problems(validator, values):
            raise ValueError(f"{where}: {problem}")
        if name in seen:
            raise ValueError(
                f"{where}: sample {name!r} is used twice, first in row {seen[name]}; "
                "names must be unique"
            )
        seen[str(name)] = number
        for column in FILES if look_for_files else ():
            if column in values and not schemas.exists(values[column]):
                raise ValueError(
                    f"{where}: {column} {schemas.shown(values[column])} is not there; "
                    "give a path that exists, absolute or relative to the working directory"
                )
    if not rows:
        raise ValueError(f"{path}: no samples; add a row for each, see config/README.md")
    filled = [{name: values.get(name) for name in COLUMNS} for _, values in rows]
    frame = pd.DataFrame(filled, columns=list(COLUMNS), dtype=object)
    frame["day"] = frame["day"].astype("Int64")
    return frame.set_index("sample", drop=False).rename_axis(None)


def require_plasma(samples: pd.DataFrame, path: Path) -> None:
    """Refuse a sheet of normals only; ValueError says what to add."""
    if not (samples["role"] == "plasma").any():
        raise ValueError(f"{path}: no row has the role plasma; add a patient's samples")


def require_shared(path: Path, named: Collection[str], patients: Collection[str]) -> None:
    """Refuse a table of patients of whom none has a sample; ValueError names the first.

    Names written in another way (``001`` and ``P001``) would silently leave all of it out.
    """
    if len(named) and not set(named) & set(patients):
        raise ValueError(
            f"{path}: none of its {len(set(named))} patients has a plasma sample, first "
            f"{min(named)!r}; write the names as in the sample sheet ({min(patients)!r} is there)"
        )


def without_baseline(samples: pd.DataFrame) -> list[str]:
    """Patients of whom every sample is after day 0; their first day serves as the baseline."""
    plasma = samples[samples["role"] == "plasma"]
    first = plasma.groupby("patient")["day"].min()
    return sorted(str(patient) for patient in first.index[first > 0])


def given_up(path: Path) -> dict[tuple[str, str], str]:
    """Why a step of a sample was given up, by sample and step; nothing where there is no file."""
    if not path.is_file():
        return {}
    rows = cells(path, columns=GIVEN_UP, required=GIVEN_UP)
    return {(str(row["sample"]), str(row["step"])): str(row["reason"]) for _, row in rows}


def panel_of(normals: Sequence[str]) -> list[str]:
    """The normals that make up the panel: those that PANEL names, or all where it is not there."""
    path = Path(PANEL)
    if not path.is_file():
        return list(normals)
    kept = set(path.read_text().split())
    return [name for name in normals if name in kept] or list(normals)


def write(
    path: Path, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] = COLUMNS
) -> None:
    """Write a sample sheet, or a table of other columns, from rows that may leave columns out."""
    lines = ["\t".join(columns)]
    for row in rows:
        values = (row.get(column) for column in columns)
        lines.append("\t".join("" if value is None else str(value) for value in values))
    write_text(path, "\n".join(lines) + "\n")


def cells(
    path: Path, *, columns: Sequence[str], required: Sequence[str], whole: Sequence[str] = ()
) -> list[tuple[int, dict[str, Any]]]:
    """Number and filled cells of each row that is not empty; ``whole`` as int where it is one.

    Raises ValueError that names file, row and remedy; OSError when it cannot be opened.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; save the sheet as tab-separated text") from None
    lines = [line.split("\t") if line else [] for line in text.splitlines()]
    header = [name.strip() for name in lines[0]] if lines else []
    _check_header(path, header, columns, required)
    rows = []
    for number, line in enumerate(lines[1:], start=1):
        found = [cell.strip() for cell in line]
        if not any(found):
            continue
        if len(found) > len(header):
            raise ValueError(
                f"{path} row {number}: {len(found)} cells under {len(header)} columns; "
                "cells are separated by one tab"
            )
        values: dict[str, Any] = {
            name: cell for name, cell in zip(header, found, strict=False) if cell
        }
        for name in whole:
            if re.fullmatch(r"[+-]?\d+", values.get(name, "")):
                values[name] = int(values[name])
        rows.append((number, values))
    return rows


def _check_header(
    path: Path, header: list[str], columns: Sequence[str], required: Sequence[str]
) -> None:
    known = ", ".join(columns)
    for name in header:
        if name not in columns:
            tabs = "; columns are separated by tabs" if len(header) == 1 else ""
            raise ValueError(
                f"{path}: unknown column {schemas.shown(name)}{tabs}; the columns are {known}"
            )
        if header.count(name) > 1:
            raise ValueError(f"{path}: column {name!r} stands twice; delete one")
    for name in required:
        if name not in header:
            raise ValueError(f"{path}: column {name!r} is missing; the columns are {known}")
