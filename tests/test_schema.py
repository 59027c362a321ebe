"""Table types, the check at the door, and names of chromosomes."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctcnv import schema
from ctcnv.schema import BINS, Column, Table, chrom_key, chrom_keys, is_autosome, numbered
from tests.reference.check_slow import check_slow

THING = Table(
    "thing", 3,
    (
        Column("name", "text", "a name"),
        Column("note", "text", "a remark", nullable=True),
        Column("word", "text", "a word", nullable=True, choices=("yes", "no")),
        Column("n", "int", "a number"),
        Column("day", "int", "a day", nullable=True),
        Column("x", "float", "a value", nullable=True),
        Column("ok", "bool", "a switch", nullable=True),
    ),
    "A thing.",
)  # fmt: skip


def things(**changes):
    row = {"name": ["a", "b"], "note": ["hi", None], "word": ["yes", None], "n": [1, 2],
           "day": [3, None], "x": [0.5, np.nan], "ok": [True, None]}  # fmt: skip
    return pd.DataFrame(row | changes)


def test_a_good_table_comes_back_in_order_with_its_kinds():
    checked = THING.check(things()[["ok", "x", "day", "n", "word", "note", "name"]])
    assert list(checked.columns) == THING.names
    assert checked["n"].dtype == np.int64
    assert checked["x"].dtype == np.float64
    assert checked["day"].dtype == pd.Int64Dtype()
    assert checked["name"].tolist() == ["a", "b"]


def test_checking_twice_changes_nothing():
    once = THING.check(things())
    pd.testing.assert_frame_equal(THING.check(once), once)


def test_text_stays_text():
    checked = THING.check(things(name=["001", "NA"], note=["1e5", "nan"]))
    assert checked["name"].tolist() == ["001", "NA"]
    assert checked["note"].tolist() == ["1e5", "nan"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": ["1", "x"]}, r"thing row 2: n is 'x'; expected a int value"),
        ({"n": [1, 2.5]}, r"row 2: n is (np.float64\()?2.5\)?; expected a int value"),
        ({"n": [1, None]}, r"row 2: n is empty; expected a int value"),
        ({"n": [1, np.inf]}, r"row 2: n is (np.float64\()?inf\)?; expected a int value"),
        ({"x": [np.inf, 1]}, r"row 1: x is (np.float64\()?inf\)?; expected a float value"),
        ({"x": ["0,5", 1]}, r"row 1: x is '0,5'; expected a float value"),
        ({"name": [None, "b"]}, r"row 1: name is empty; expected a text value"),
        ({"word": ["yes", "maybe"]}, r"row 2: word is 'maybe'; expected one of \['yes', 'no'\]"),
        ({"ok": ["true", "1"]}, r"row 2: ok is '1'; expected a bool value"),
    ],
)
def test_a_wrong_value_is_named_with_row_and_column(changes, message):
    with pytest.raises(ValueError, match=message):
        THING.check(things(**changes))


#: What may stand in a cell: from a file (text), from a computation (numbers), or nothing.
CELLS = [
    "", "a", "yes", "no", "true", "False", "1", "1.5", " 2", "1e3", "1e30", "inf", "-inf", "nan",
    "NA", "0,5", "1_000", "x1", "-0", "+3", True, False, 0, 1, -7, 0.5, 2.0, 1e19,
    float("inf"), None, float("nan"),
]  # fmt: skip
#: Kinds that pandas gives the columns of a frame, after which each cell is what that makes of it.
KINDS = ["object", "float64", "int64", "Int64", "uint64", "bool", "boolean", "category",
         "string", "str"]  # fmt: skip
COLUMNS = [
    Column(name, kind, "of any kind", "", nullable, choices)
    for nullable in (False, True)
    for name, kind, choices in [
        ("chrom", "text", ()), ("text", "text", ()), ("word", "text", ("yes", "1", "2.0")),
        ("n", "int", ()), ("x", "float", ()), ("ok", "bool", ()),
    ]
]  # fmt: skip


def found(check, column, cells, kind):
    """The values with None for a missing one, or what was said, for cells in a column of a kind."""
    table = Table("one", 1, (column,), "One.")
    frame = pd.DataFrame({column.name: pd.Series(cells, dtype="object").astype(kind)})
    try:
        checked = check(table, frame)[column.name]
    except ValueError as error:
        return str(error)
    return [None if pd.isna(value) else value for value in checked]


def fits(cells, kind):
    """Whether pandas makes a column of this kind of the cells."""
    try:
        pd.Series(cells, dtype="object").astype(kind)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_checked_as_it_is_cell_by_cell(kind):
    tried = [cells for cells in [[], *([cell] for cell in CELLS)] if fits(cells, kind)]
    assert len(tried) > 3
    for column in COLUMNS:
        for cells in tried:
            fast = found(Table.check, column, cells, kind)
            assert fast == found(check_slow, column, cells, kind), (column, cells)


@given(
    st.sampled_from(COLUMNS),
    st.lists(st.sampled_from(CELLS), min_size=2, max_size=6),
    st.sampled_from(KINDS),
)
def test_the_first_wrong_value_is_that_found_cell_by_cell(column, cells, kind):
    assume(fits(cells, kind))
    assert found(Table.check, column, cells, kind) == found(check_slow, column, cells, kind)


@pytest.mark.parametrize(
    ("first", "second"), list(itertools.combinations(["name", "n", "x", "ok"], 2))
)
def test_of_two_wrong_columns_the_first_of_the_table_is_named(first, second):
    wrong = {"name": [None, "b"], "n": ["x", 1], "x": [np.inf, 1], "ok": ["1", "true"]}
    with pytest.raises(ValueError, match=f"row 1: {first} is"):
        THING.check(things(**{name: wrong[name] for name in (second, first)}))


def test_a_whole_number_that_is_too_large_is_refused_and_the_largest_kept():
    assert THING.check(things(n=["1", str(2**53 + 1)]))["n"].tolist() == [1, 2**53 + 1]
    for value in ("9" * 19, "9" * 30, "-" + "9" * 30, 2.0**63, 2**63):
        with pytest.raises(ValueError, match=r"row 2: n is .*; expected a int value"):
            THING.check(things(n=[1, value]))


def test_a_missing_or_unknown_column_is_named():
    with pytest.raises(ValueError, match=r"f.tsv: column 'n' is missing; expected \['name'"):
        THING.check(things().drop(columns="n"), source="f.tsv")
    with pytest.raises(ValueError, match="unknown column 'extra'"):
        THING.check(things(extra=[1, 2]))


@pytest.mark.parametrize(
    ("value", "wanted"), [("true", True), ("False", False), (True, True), (np.False_, False)]
)
def test_switches_are_read_from_words_and_from_bools(value, wanted):
    assert THING.check(things(ok=[value, value]))["ok"].tolist() == [wanted, wanted]


@pytest.mark.parametrize("table", schema.TABLES.values(), ids=schema.TABLES)
def test_an_empty_table_of_every_type_is_legal(table):
    empty = table.empty()
    assert len(empty) == 0
    assert list(empty.columns) == table.names
    pd.testing.assert_frame_equal(table.check(empty), empty)


@pytest.mark.parametrize("table", schema.TABLES.values(), ids=schema.TABLES)
def test_every_column_is_explained_and_named_once(table):
    assert len(set(table.names)) == len(table.names)
    assert table.meaning.endswith(".")
    assert all(column.meaning for column in table.columns)
    assert table.tag == f"{table.name}/{table.version}"


def test_tables_are_listed_under_their_names():
    assert all(name == table.name for name, table in schema.TABLES.items())


@pytest.mark.parametrize(
    ("name", "key"),
    [("chr17", "17"), ("17", "17"), ("Chr17", "17"), ("CHRX", "X"), ("chrx", "X"), ("y", "Y"),
     ("MT", "M"), ("chrM", "M"), ("chrUn_1", "Un_1"), ("chr", ""), ("", "")],
)  # fmt: skip
def test_names_of_either_kind_meet(name, key):
    assert chrom_key(name) == key


@given(st.sampled_from(schema.CHROMOSOMES))
def test_a_key_is_its_own_key(name):
    assert chrom_key(chrom_key(f"chr{name}")) == name


def test_autosomes_are_1_to_22():
    names = ["chr1", "22", "X", "chrY", "M", "23", "chr0", "chr1_random"]
    assert is_autosome(pd.Series(names)).tolist() == [True, True, *([False] * 6)]
    assert is_autosome(np.array([], dtype=object)).tolist() == []


def test_chromosomes_are_kept_as_categories_in_the_order_in_which_they_appear():
    frame = BINS.check(
        pd.DataFrame({"chrom": ["chr2", "chr2", 1, "1", "chrX"], "start": 0, "end": 1, "gc": 0.5,
                      "callable": 1.0, "mappability": None, "usable": True, "reason": None})
    )  # fmt: skip
    assert frame["chrom"].cat.categories.tolist() == ["chr2", "1", "chrX"]
    assert frame["chrom"].tolist() == ["chr2", "chr2", "1", "1", "chrX"]
    with pytest.raises(ValueError, match="row 2: chrom is empty"):
        BINS.check(frame.assign(chrom=["chr2", None, "1", "1", "chrX"]))


@given(st.lists(st.sampled_from(["chr1", "2", "chrX", "Y", "chrUn", "22"])))
def test_categories_and_text_are_told_apart_alike(names):
    text = np.array(names, dtype=object)
    category = pd.Series(
        pd.Categorical(names, categories=["2", "Y", "chr1", "22", "chrX", "chrUn"])
    )
    codes, distinct = numbered(category)
    assert distinct[codes].tolist() == names
    assert is_autosome(category).tolist() == is_autosome(text).tolist()
    assert chrom_keys(category).tolist() == chrom_keys(text).tolist()
    assert is_autosome(text).tolist() == [name in ("chr1", "2", "22") for name in names]
