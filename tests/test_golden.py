"""Numbers that change are noticed: a small cohort against the tables kept in the repository."""

from __future__ import annotations

import pandas as pd
import pytest

from ctcnv.io import tables
from ctcnv.schema import GRID
from tests import golden

#: Names of the kept tables; that they are all of those made is a test of its own.
KEPT = sorted(path.name.removesuffix(".tsv") for path in golden.FOLDER.glob("*.tsv"))
ADVICE = "wrong, or changed on purpose? then: make golden, and CHANGELOG 'Numbers'"


def test_every_golden_table_is_kept():
    assert sorted(golden.made()) == KEPT, ADVICE


@pytest.mark.parametrize("name", KEPT)
def test_numbers_are_those_of_before(name, tmp_path):
    table, frame = golden.made()[name]
    # through a file, as the kept one went
    tables.write(tmp_path / "new.tsv", table, frame)
    new = tables.read(tmp_path / "new.tsv", table).frame
    old = tables.read(golden.path_of(name), table).frame
    found = golden.differences(name, table, old, new)
    assert not found, "\n".join([f"{len(found)} cells differ; {ADVICE}", *found[:10]])


def grid(*probabilities):
    return pd.DataFrame({"fraction": 0.1, "ploidy": 2.0, "probability": probabilities})


def test_a_difference_names_table_column_row_and_both_values():
    assert golden.differences("t", GRID, grid(0.5, 0.25), grid(0.5, 0.2501)) == [
        "t, probability, row 2: 0.25 -> 0.2501"
    ]
    assert golden.differences("t", GRID, grid(0.5), grid(0.50002)) == []
    assert golden.differences("t", GRID, grid(0.5), grid(float("nan"))) == [
        "t, probability, row 1: 0.5 -> nan"
    ]
    assert golden.differences("t", GRID, grid(0.5), grid(0.5, 0.5)) == ["t: 1 -> 2 rows"]
