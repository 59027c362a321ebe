"""One column of whole numbers out of a table's text."""

from __future__ import annotations

import pytest

from ctcnv.io import wholes

HEAD = b"##a=1\nchrom\tstart\tn\tx\n"
BEGIN = HEAD.index(b"chrom")


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["open end", "closed end"])
def test_the_numbers_of_a_column_are_read(end: bytes) -> None:
    text = HEAD + b"chr1\t0\t7\t\nchr1\t10\t120\t5" + end
    assert wholes.column(text, BEGIN, "n").tolist() == [7, 120]
    assert wholes.column(bytearray(text), BEGIN, "start").tolist() == [0, 10]


def test_the_last_column_and_one_of_no_rows() -> None:
    assert wholes.column(HEAD + b"c\t0\t1\t999999999999999999\n", BEGIN, "x").tolist() == [
        10**18 - 1
    ]
    assert wholes.column(HEAD, BEGIN, "n").tolist() == []


@pytest.mark.parametrize(
    "row",
    [
        b"chr1\t0\t\t3\n", b"chr1\t0\t-1\t3\n", b"chr1\t0\t1.0\t3\n", b"chr1\t0\t1\n",
        b"chr1\t0\t1", b"chr1\t0\t1\t3\t4\n", b"chr1\t0\t1\t3\r\n", b"\n", b"c\t0\t1e3\t3\n",
        b"chr1\t0\t1000000000000000000\t3\n", b"chr1\t0\t 1\t3\n",
    ],
)  # fmt: skip
def test_any_other_row_is_left_to_the_reader_of_all_tables(row: bytes) -> None:
    text = HEAD + b"chr1\t0\t7\t3\n"
    assert wholes.column(text + row, BEGIN, "n") is None
    assert wholes.column(text + row + b"chr1\t0\t7\t3\n", BEGIN, "n") is None


@pytest.mark.parametrize("name", ["m", "chrom"])
def test_a_column_that_is_missing_or_no_number_is_not_read(name: str) -> None:
    assert wholes.column(HEAD + b"chr1\t0\t7\t3\n", BEGIN, name) is None
