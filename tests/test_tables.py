"""Table files: what goes in comes out, the same bytes twice, and refusals in one line."""

from __future__ import annotations

import gzip
import hashlib
import math
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcnv import __version__
from ctcnv.io import tables
from ctcnv.schema import BINS, FRACTION, GENES, GRID, LENGTHS, SEGMENTS, Column, Table
from tests import plasma

PLAIN = Table(
    "plain", 2,
    (
        Column("name", "text", "a name"),
        Column("note", "text", "a remark", nullable=True),
        Column("n", "int", "a number", nullable=True),
        Column("x", "float", "a value", nullable=True),
        Column("ok", "bool", "a switch", nullable=True),
    ),
    "A table.",
)  # fmt: skip


def one(**changes):
    row = {"name": ["a"], "note": ["hi"], "n": [1], "x": [0.5], "ok": [True]}
    return PLAIN.check(pd.DataFrame(row | changes))


def there_and_back(path, frame, table=PLAIN, **meta):
    tables.write(path, table, frame, meta=meta)
    return tables.read(path, table)


LETTERS = st.characters(codec="utf-8", exclude_characters="\t\n\r\x00")
CELLS = st.text(LETTERS, min_size=1, max_size=8)
ROWS = st.lists(
    st.tuples(
        CELLS, st.none() | CELLS, st.none() | st.integers(-(2**53), 2**53),
        st.none() | st.floats(-1e300, 1e300), st.none() | st.booleans(),
    ),
    max_size=5,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.booleans())
def test_what_is_written_is_read(tmp_path, rows, zipped):
    frame = PLAIN.check(pd.DataFrame(rows, columns=PLAIN.names))
    stored = there_and_back(tmp_path / ("t.tsv.gz" if zipped else "t.tsv"), frame)
    for column in ("name", "note", "n", "ok"):
        wanted = [None if pd.isna(v) else v for v in frame[column]]
        assert [None if pd.isna(v) else v for v in stored.frame[column]] == wanted
    np.testing.assert_allclose(stored.frame["x"].astype(float), frame["x"].astype(float),
                               rtol=10**-6, atol=1e-320)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["001", "NA", "nan", "null", "1e5", "a#b", "#a", '"q', "None", "∞"]
)
def test_names_that_look_like_something_else_stay_text(tmp_path, name):
    found = there_and_back(tmp_path / "t.tsv", one(name=[name], note=[name])).frame
    assert found["name"].tolist() == [name]
    assert found["note"].tolist() == [name]


def test_tabs_and_line_breaks_in_a_cell_become_spaces(tmp_path):
    found = there_and_back(tmp_path / "t.tsv", one(note=["a\tb\nc\rd"])).frame
    assert found["note"].tolist() == ["a b c d"]


@pytest.mark.parametrize("suffix", ["tsv", "tsv.gz"])
def test_the_same_data_gives_the_same_bytes_under_any_name(tmp_path, suffix):
    first, second = tmp_path / f"a.{suffix}", tmp_path / "deeper" / f"b.{suffix}"
    tables.write(first, PLAIN, one(), meta={"k": {"b": 1, "a": 2}}, inputs={"c": "00"})
    tables.write(second, PLAIN, one(), meta={"k": {"a": 2, "b": 1}}, inputs={"c": "00"})
    data = first.read_bytes()
    assert data == second.read_bytes()
    if suffix.endswith("gz"):
        # neither flags (a name would be one) nor the time
        assert data[3:8] == bytes(5)


def test_the_preamble_by_hand(tmp_path):
    path = tmp_path / "t.tsv"
    tables.write(path, PLAIN, one(n=[None], ok=[False], x=[1 / 3]),
                 meta={"sample": "001", "settings.x": {"a": 1}}, inputs={"bam": "ff"})  # fmt: skip
    assert path.read_text() == (
        f"##ctcnv.table=plain/2\n##ctcnv.version={__version__}\n##sample=001\n"
        '##settings.x={"a": 1}\n##input.bam=sha256:ff\n'
        "name\tnote\tn\tx\tok\na\thi\t\t0.3333333\tfalse\n"
    )


def test_the_preamble_is_read_back_and_a_missing_key_is_named(tmp_path):
    stored = there_and_back(tmp_path / "t.tsv", one(), sample="A=B", empty="")
    assert stored.require("sample") == "A=B"
    assert stored.require("empty") == ""
    with pytest.raises(ValueError, match=r"t.tsv: its preamble has no 'bins'"):
        stored.require("bins")


def test_no_path_date_or_host_is_written(tmp_path):
    path = tmp_path / "t.tsv"
    tables.write(path, PLAIN, one())
    assert str(tmp_path) not in path.read_text()
    assert os.uname().nodename not in path.read_text()


def test_the_digest_is_that_of_the_bytes_on_disk(tmp_path):
    path = tmp_path / "t.tsv.gz"
    stored = there_and_back(path, one())
    assert stored.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert tables.sha256_file(path) == stored.digest


def test_a_table_without_rows_is_read_with_its_columns(tmp_path):
    for table in (SEGMENTS, GENES, FRACTION, BINS):
        stored = there_and_back(tmp_path / "t.tsv", table.empty(), table)
        assert stored.frame.columns.tolist() == table.names
        assert len(stored.frame) == 0


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e-300, -0.0, 123456789.123, 5e-8, math.pi])
def test_seven_digits_are_kept(tmp_path, value):
    found = there_and_back(tmp_path / "t.tsv", one(x=[value])).frame["x"][0]
    assert found == pytest.approx(value, rel=5e-7)


# --- refusals ---


def refused(path, table=PLAIN, match=""):
    with pytest.raises(ValueError, match=match) as caught:
        tables.read(path, table)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_table_is_refused(tmp_path):
    path = tmp_path / "t.tsv"
    tables.write(path, GRID, GRID.empty())
    refused(path, match="a 'grid' table; expected 'plain'")


def test_another_version_is_refused(tmp_path):
    path = tmp_path / "t.tsv"
    tables.write(path, Table("plain", 1, PLAIN.columns, "Old."), one())
    refused(path, match="version 1 of 'plain'; this ctcnv reads version 2, make the file again")


@pytest.mark.parametrize("text", ["", "name\tn\na\t1\n", "##sample=x\nname\na\n", "##"])
def test_a_file_without_the_tag_is_no_table_of_ours(tmp_path, text):
    path = tmp_path / "t.tsv"
    path.write_text(text)
    refused(path, match="not a ctcnv table; expected 'plain'")


def test_a_preamble_alone_is_no_table(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("##ctcnv.table=plain/2\n")
    refused(path, match="not a table")


def whole(tmp_path):
    path = tmp_path / "t.tsv.gz"
    frame = GRID.check(pd.DataFrame(np.random.default_rng(1).random((300, 3)), columns=GRID.names))
    tables.write(path, GRID, frame)
    return path, path.read_bytes()


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_truncated_gzip_is_damaged(tmp_path, kept):
    path, data = whole(tmp_path)
    path.write_bytes(data[: int(kept * len(data))])
    refused(path, GRID, "damaged .*; make it again")


def test_a_flipped_bit_is_damage(tmp_path):
    path, data = whole(tmp_path)
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 64]) + data[middle + 1 :])
    refused(path, GRID, "damaged")


def test_bytes_that_are_no_text_are_damage(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"##ctcnv.table=plain/2\nname\n\xff\xfe\n")
    refused(path, match="damaged")


def test_plain_text_under_a_gz_name_is_read(tmp_path):
    tables.write(tmp_path / "t.tsv", PLAIN, one())
    (tmp_path / "t.tsv").rename(tmp_path / "t.tsv.gz")
    assert tables.read(tmp_path / "t.tsv.gz", PLAIN).frame["name"].tolist() == ["a"]


HEADER = "##ctcnv.table=lengths/1\nlength\tfragments\n"


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("1\tx\n", "row 1: fragments is 'x'"),
        ("1\t2\n3\t\n", "row 2: fragments is empty"),
        ("1\t2\n3\n", "row 2: 1 cells, the header has 2; make the file again"),
        ("1\t2\n3\t4\t5\n", "row 2: 3 cells, the header has 2"),
        ("9\t1\t2\n8\t3\t4\n", "row 1: 3 cells, the header has 2"),
        ("9\t1\t2\n8\n", "row [12]: "),
        ("1\t2.5\n", "row 1: fragments is .*2.5.*expected a int"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, match):
    path = tmp_path / "t.tsv"
    path.write_text(HEADER + rows)
    refused(path, LENGTHS, match)


def test_line_ends_of_another_system_are_read(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes((HEADER + "1\t2\n").replace("length\tf", "length\tf").encode())
    wanted = tables.read(path, LENGTHS).frame
    preamble, body = HEADER.split("\n", 1)
    path.write_bytes((preamble + "\n" + (body + "1\t2\n").replace("\n", "\r\n")).encode())
    pd.testing.assert_frame_equal(tables.read(path, LENGTHS).frame, wanted)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        tables.read(tmp_path / "none.tsv", PLAIN)


def test_a_wrong_frame_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "deep" / "t.tsv"
    with pytest.raises(ValueError, match="name is empty"):
        tables.write(path, PLAIN, pd.DataFrame({"name": [None], "note": None, "n": 1, "x": 1.0,
                                                "ok": True}))  # fmt: skip
    with pytest.raises(ValueError, match="line break"):
        tables.write(path, PLAIN, one(), meta={"sample": "a\nb"})
    assert list(tmp_path.iterdir()) == []


# --- whole or not at all ---


def test_a_killed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("old")

    def killed():
        with tables.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.tsv"]


def test_the_new_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "t.tsv"
    with tables.replacing(path) as temporary:
        temporary.write_text("all")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "all"
    assert [p.name for p in path.parent.iterdir()] == ["t.tsv"]


def test_text_is_written_whole(tmp_path):
    tables.write_text(tmp_path / "a" / "t.html", "<é>")
    assert (tmp_path / "a" / "t.html").read_bytes() == "<é>".encode()


# --- identities ---


def test_the_identity_of_bins_is_that_of_their_places():
    bins = plasma.bins()
    same = bins.assign(gc=0.5, usable=False)
    assert tables.bins_id(bins) == tables.bins_id(same)
    moved = bins.assign(end=bins["end"] + (bins.index == 5))
    renamed = bins.assign(chrom=bins["chrom"].str.removeprefix("chr"))
    fewer = bins.iloc[:-1]
    swapped = bins.iloc[[1, 0, *range(2, len(bins))]]
    found = {tables.bins_id(frame) for frame in (bins, moved, renamed, fewer, swapped)}
    assert len(found) == 5
    assert all(len(one) == 16 for one in found)


def test_tables_of_other_bins_or_samples_are_refused(tmp_path):
    stored = there_and_back(tmp_path / "t.tsv", one(), bins="aa", sample="S")
    tables.require_bins(stored, "aa", of="the sample")
    tables.require_sample(stored, "S")
    with pytest.raises(ValueError, match=r"made on other bins \(aa\) than the sample \(bb\)"):
        tables.require_bins(stored, "bb", of="the sample")
    with pytest.raises(ValueError, match="of sample 'S'; expected 'T'"):
        tables.require_sample(stored, "T")


def test_bins_are_read_with_their_identity(tmp_path):
    tables.write(tmp_path / "b.tsv.gz", BINS, plasma.bins())
    stored, identity = tables.read_bins(tmp_path / "b.tsv.gz")
    assert identity == tables.bins_id(plasma.bins())
    assert gzip.decompress((tmp_path / "b.tsv.gz").read_bytes()).startswith(b"##ctcnv.table=bins/")
    assert stored.frame["usable"].dtype == bool


def test_some_columns_of_a_table_can_be_read_alone(tmp_path):
    path = tmp_path / "t.tsv"
    tables.write(path, PLAIN, one(), meta={"key": "value"})
    stored = tables.read(path, PLAIN, only=("x", "name"))
    assert stored.frame.to_dict("list") == {"name": ["a"], "x": [0.5]}
    assert stored.meta["key"] == "value"
    assert stored.digest == tables.read(path, PLAIN).digest


@pytest.mark.parametrize("copies", [1, 4])
def test_a_file_of_several_gzip_members_is_read_whole(tmp_path, copies):
    tables.write(tmp_path / "t.tsv", PLAIN, one())
    *head, row = (tmp_path / "t.tsv").read_bytes().splitlines(keepends=True)
    # the last members are alike, so that the length behind the last one fits others
    members = [b"".join(head), *[row] * copies]
    path = tmp_path / "t.tsv.gz"
    path.write_bytes(b"".join(gzip.compress(member, mtime=0) for member in members))
    assert tables.read(path, PLAIN).frame["name"].tolist() == ["a"] * copies


@pytest.mark.parametrize("length", [0, 1, 0xFFFFFFFF])
def test_a_wrong_length_behind_a_gzip_member_is_damage(tmp_path, length):
    tables.write(tmp_path / "t.tsv.gz", PLAIN, one())
    data = (tmp_path / "t.tsv.gz").read_bytes()
    (tmp_path / "t.tsv.gz").write_bytes(data[:-4] + length.to_bytes(4, "little"))
    with pytest.raises(ValueError, match=r"t\.tsv\.gz: damaged .*; make it again"):
        tables.read(tmp_path / "t.tsv.gz", PLAIN)


def test_rows_are_written_alike_some_at_a_time(tmp_path, monkeypatch):
    frame = PLAIN.check(pd.DataFrame({
        "name": ["a", "b\0c", "\N{GREEK SMALL LETTER MU}"], "note": [None, "long note", "x"],
        "n": [1, None, -300], "x": [0.5, None, 1e-9], "ok": [True, None, False],
    }))  # fmt: skip
    tables.write(tmp_path / "whole.tsv", PLAIN, frame)
    monkeypatch.setattr(tables, "ROWS", 2)
    tables.write(tmp_path / "parts.tsv", PLAIN, frame)
    written = (tmp_path / "parts.tsv").read_bytes()
    assert written == (tmp_path / "whole.tsv").read_bytes()
    assert written.decode().splitlines()[-3:] == [
        "a\t\t1\t0.5\ttrue", "b c\tlong note\t\t\t",
        "\N{GREEK SMALL LETTER MU}\tx\t-300\t1e-09\tfalse",
    ]  # fmt: skip


def test_what_repeats_is_written_as_often_as_it_stands_there(tmp_path):
    frame = PLAIN.check(
        pd.DataFrame({"name": ["b", "a", "b"], "note": [None, "x\ty", None], "n": [7, None, 7],
                      "x": [1, 2, 1], "ok": [True, None, False]})
    )  # fmt: skip
    tables.write(tmp_path / "t.tsv", PLAIN, frame)
    rows = (tmp_path / "t.tsv").read_text().splitlines()[-3:]
    assert rows == ["b\t\t7\t1\ttrue", "a\tx y\t\t2\t", "b\t\t7\t1\tfalse"]
