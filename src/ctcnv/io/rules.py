"""Read the file of criteria (``config/criteria.yaml``) and the shipped table of resistance."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ctcnv.criteria import Rule, rules
from ctcnv.io import schemas, tables, yamls
from ctcnv.schema import RESISTANCE


def read(path: Path, *, schema: Path | None = None) -> tuple[Rule, ...]:
    """The rules of a file, checked against a JSON schema where one is given.

    Raises ValueError in one line that names file, key, value and remedy; OSError when the file
    cannot be opened.
    """
    loaded = yamls.read(path)
    if schema is not None:
        if not isinstance(loaded, dict):
            raise ValueError(f"{path}: expected one key, 'criteria', with a list")
        for problem in schemas.problems(schemas.load(schema), loaded):
            raise ValueError(f"{path}: {problem}")
    return rules(loaded, source=str(path))


def resistance() -> tables.Stored:
    """The RESISTANCE table that comes with ctcnv."""
    with resources.as_file(resources.files("ctcnv") / "data" / "resistance.tsv") as path:
        return tables.read(path, RESISTANCE)
