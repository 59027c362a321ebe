"""Every wrong value of every column and key, tried by what the schema says of it.

A wrong value is one line that names the file, the row, the value and a remedy; a right one is read.
The schemas are the source of both, so that a column that is added is tried without a change here.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from ctcnv.io import clinical, schemas, sheet
from ctcnv.model import SECTIONS

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "workflow" / "schemas"


@functools.cache
def schema_of(name: str) -> dict[str, Any]:
    """A schema as it stands in the file, with references put in."""
    loaded = yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())

    def filled(node: Any) -> Any:
        if isinstance(node, dict) and "$ref" in node:
            return filled(loaded["$defs"][node["$ref"].rpartition("/")[2]])
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        return [filled(value) for value in node] if isinstance(node, list) else node

    return filled(loaded)


#: Cells that people and spreadsheets write: another language, a date, a formula, a path, a number
#: of another country, an error of a spreadsheet.
CELLS = [
    "weiblich",
    "F",
    "M",
    "männlich",
    "0",
    "1",
    "2",
    "-1",
    "1.5",
    "1,5",
    "1e3",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "NA",
    "N/A",
    "?",
    "-",
    "--",
    "21 days",
    "d21",
    "2024-01-31",
    "31.01.24",
    "=1+1",
    "+1",
    "@x",
    "#REF!",
    "true",
    "yes",
    "plasma ",
    "Plasma",
    "PLASMA",
    "normal/plasma",
    "../x",
    "/etc/passwd",
    "a b",
    "a;b",
    "$(x)",
    "é",
    "名",
    "x" * 101,
    "9" * 30,
    "-" + "9" * 30,
    "\u0661",
    "1_000",
    "PR?",
    "cr",
    "responder",
    "0.0",
    "1.0",
]
cells = (st.sampled_from(CELLS) | st.text(min_size=1, max_size=30)).map(
    lambda text: re.sub(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", "", text).strip()
)

SAMPLE = {"sample": "S1", "patient": "P1", "role": "plasma", "day": "0", "bam": "here",
          "counts": "", "variants": "", "sex": "female", "batch": "b1"}  # fmt: skip
PATIENT = {"patient": "P1", "arm": "A", "stratum": "s", "response": "PR", "pfs_days": "10",
           "pfs_event": "1", "os_days": "20", "os_event": "0"}  # fmt: skip


def refusal(path: Path, row: dict[str, str], read: Any) -> str | None:
    """What a reader says of a table whose second row is this one; None when it is read."""
    first = {**row, next(iter(row)): "other"}
    lines = ["\t".join(cells) for cells in (row, first.values(), row.values())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        read(path)
    except ValueError as error:
        return str(error)
    return None


def says(said: str, path: Path, number: int, column: str, value: str, remedy: str) -> None:
    """The line names file, row, column, value and remedy."""
    assert said.startswith(f"{path} row {number}"), said
    assert "\n" not in said
    assert len(said) < 700
    assert column in said
    assert repr(value)[1:40].rstrip("'\"") in said
    assert remedy in said


def number_of(text: str) -> Any:
    """A cell as the clinical table understands it."""
    try:
        found = float(text)
    except ValueError:
        return text
    return int(found) if found.is_integer() else found


@pytest.mark.parametrize("column", list(SAMPLE))
def test_every_wrong_cell_of_the_sample_sheet_is_told(
    column: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sheet")
    here = folder / "here"
    here.touch()
    described = schema_of("samples")["properties"][column]
    validator = schemas._Validator(described)
    path, tried = folder / "samples.tsv", {True: 0, False: 0}

    def read(of: Path) -> None:
        sheet.read(of, schema=SCHEMAS / "samples.schema.yaml", look_for_files=True)

    @given(cell=cells)
    def every(cell: str) -> None:
        assume(cell and cell != "other")
        file = column in sheet.FILES
        value = int(cell) if column == "day" and re.fullmatch(r"[+-]?\d+", cell) else cell
        right = schemas.exists(cell) if file else validator.is_valid(value)
        if column == "role" and right:
            return  # what a normal needs is another test
        tried[right] += 1
        row = {**SAMPLE, "bam": str(here), column: cell}
        if column == "counts":
            row["bam"] = ""
        number = 2 if column == "sample" else 1  # both rows hold it
        said = refusal(path, row, read)
        if right:
            assert said is None
            return
        assert said is not None, f"{column} {cell!r} was read"
        remedy = "give a path that exists" if file else described["errorMessage"]
        says(said, path, number, column, str(value) if value != cell else cell, remedy)

    every()
    assert tried[False] > 10


@pytest.mark.parametrize("column", list(PATIENT))
def test_every_wrong_cell_of_the_clinical_table_is_told(
    column: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("clinical")
    described = schema_of("clinical")["properties"][column]
    validator = schemas._Validator(described)
    path, tried = folder / "clinical.tsv", {True: 0, False: 0}

    def read(of: Path) -> None:
        clinical.read(of, schema=SCHEMAS / "clinical.schema.yaml")

    @given(cell=cells)
    def every(cell: str) -> None:
        assume(cell and cell != "other")
        value = number_of(cell) if column in clinical.NUMBERS else cell
        right = validator.is_valid(value)
        tried[right] += 1
        row = {**PATIENT, column: cell}
        if column.endswith("_days"):  # how the two times lie is another test
            other = "os" if column == "pfs_days" else "pfs"
            row |= {f"{other}_days": "", f"{other}_event": ""}
        said = refusal(path, row, read)
        if right:
            assert said is None
            return
        assert said is not None, f"{column} {cell!r} was read"
        number = 2 if column == "patient" else 1
        assert said.startswith(f"{path} row {number}"), said
        assert f"{column} is " in said
        assert described["errorMessage"] in said
        assert "\n" not in said

    every()
    assert tried[False] > 10


# Config --------------------------------------------------------------------------------------


def keys() -> Iterator[tuple[str, ...]]:
    """Every key of the config with its section."""
    for section, described in schema_of("config")["properties"].items():
        if described.get("type") != "object":
            yield (section,)
        for key in described.get("properties", {}):
            yield section, key


def described(path: tuple[str, ...]) -> dict[str, Any]:
    """What the schema says of a key."""
    found = schema_of("config")
    for part in path:
        found = found["properties"][part]
    return found


anything = (
    st.sampled_from([None, True, False, "", "x", "nan", "1", "0.5", [], [1], {}, {"a": 1}, math.nan,
                     math.inf, -math.inf, -1, 0, 1, 2, -0.5, 0.5, 1.5, 1e300, 10**30, -(10**30)])
    | st.floats() | st.integers() | st.text(max_size=5)
)  # fmt: skip


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The shipped config."""
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


@pytest.fixture(scope="module")
def validator() -> Any:
    """The validator of the config."""
    return schemas.load(SCHEMAS / "config.schema.yaml")


@pytest.mark.parametrize("path", list(keys()), ids=".".join)
def test_every_wrong_value_of_the_config_is_told(
    path: tuple[str, ...], config: dict[str, Any], validator: Any
) -> None:
    own = schemas._Validator(described(path))
    tried = 0

    @given(value=anything)
    def every(value: Any) -> None:
        nonlocal tried
        changed = copy.deepcopy(config)
        inner = changed
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value
        said = list(schemas.problems(validator, changed))
        if own.is_valid(value):
            assert said == []
            if path[0] in SECTIONS:  # what the check lets through, the step reads
                kind = SECTIONS[path[0]]
                with contextlib.suppress(ValueError):  # two keys that contradict each other
                    kind.from_mapping(changed[path[0]], source="config")
            return
        tried += 1
        assert said
        assert said[0].startswith(".".join(path)), said
        assert repr(value)[:40] in said[0] or "is unknown" in said[0]
        assert "; " in said[0] or "is unknown" in said[0]

    every()
    assert tried > 5
