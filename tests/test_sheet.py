"""The sample sheet: what is read, and one line for each way in which it can be wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ctcnv.io import sheet
from ctcnv.schema import NAME_LENGTH, NAME_PATTERN

HEADER = "sample\tpatient\trole\tday\tbam\tcounts\tvariants\tsex\tbatch"


@pytest.fixture
def schema(repo_root: Path) -> Path:
    return repo_root / "workflow" / "schemas" / "samples.schema.yaml"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: Path):
    """Reads a sheet from its lines; a.bam and c.wig are there."""
    monkeypatch.chdir(tmp_path)
    Path("a.bam").touch()
    Path("c.wig").touch()

    def read(*rows: str, header: str = HEADER) -> pd.DataFrame:
        Path("samples.tsv").write_text("\n".join([header, *rows]) + "\n")
        return sheet.read(Path("samples.tsv"), schema=schema)

    return read


def test_names_stay_text_and_empty_cells_are_none(read) -> None:
    samples = read("001\tNA\tplasma\t-3\ta.bam\t\t\t\t", "nan\t\tnormal\t\t\tc.wig\t\tmale\trun.1")
    assert list(samples.index) == ["001", "nan"]
    assert samples.loc["001", "patient"] == "NA"
    assert samples.loc["001", "day"] == -3
    assert samples.loc["001", "counts"] is None
    assert pd.isna(samples.loc["nan", "day"])
    assert samples.loc["nan", "batch"] == "run.1"


def test_columns_may_be_left_out_and_come_in_any_order(read) -> None:
    samples = read("normal\tN1\tc.wig", header="role\tsample\tcounts")
    assert list(samples.columns) == list(sheet.COLUMNS)
    assert samples.loc["N1", "counts"] == "c.wig"


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path, schema) -> None:
    path = tmp_path / "samples.tsv"
    path.write_bytes(b"\xef\xbb\xbfsample\trole\tcounts\r\nN1\tnormal\tc.wig\r\n\r\n")
    samples = sheet.read(path, schema=schema, look_for_files=False)
    assert samples.loc["N1", "counts"] == "c.wig"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("S 1\tP\tplasma\t0\ta.bam\t\t\t\t", r"row 1 \(sample S 1\): sample is 'S 1'; use letters"),
        ("-S\tP\tplasma\t0\ta.bam\t\t\t\t", r"sample is '-S'; use letters"),
        ("../S\tP\tplasma\t0\ta.bam\t\t\t\t", r"sample is '../S'; use letters"),
        ("S\n\tP\tplasma\t0\ta.bam\t\t\t\t", r"row 1 \(sample S\): role is missing"),
        ("\tP\tplasma\t0\ta.bam\t\t\t\t", r"row 1: sample is missing"),
        ("S\tP;x\tplasma\t0\ta.bam\t\t\t\t", r"patient is 'P;x'; use letters"),
        ("S\tP\ttumor\t0\ta.bam\t\t\t\t", r"role is 'tumor'; write plasma .* or normal"),
        ("S\tP\tplasma\td21\ta.bam\t\t\t\t", r"day is 'd21'; write whole days"),
        ("S\tP\tplasma\t2.5\ta.bam\t\t\t\t", r"day is '2.5'; write whole days"),
        ("S\tP\tplasma\t\ta.bam\t\t\t\t", r"a plasma sample needs patient and day"),
        ("S\t\tplasma\t0\ta.bam\t\t\t\t", r"a plasma sample needs patient and day"),
        ("S\tP\tplasma\t0\t\t\t\t\t", r"give either bam .* or counts"),
        ("S\tP\tplasma\t0\ta.bam\tc.wig\t\t\t", r"give either bam .* or counts"),
        ("S\tP\tplasma\t0\tb.bam\t\t\t\t", r"bam 'b.bam' is not there; give a path"),
        ("S\tP\tplasma\t0\t\td.wig\t\t\t", r"counts 'd.wig' is not there; give a path"),
        ("S\tP\tplasma\t0\ta.bam\t\tv.vcf\t\t", r"variants 'v.vcf' is not there; give a path"),
        ("S\tP\tplasma\t0\ta.bam\t\t\tF\t", r"sex is 'F'; write female or male"),
        ("S\tP\tplasma\t0\ta.bam\t\t\t\trun 1", r"batch is 'run 1'; use letters"),
        ("S\tP\tplasma\t0\ta.bam\t\t\t\t\tmore", r"row 1: 10 cells under 9 columns"),
    ],
)
def test_a_wrong_value_is_named_with_row_and_remedy(read, row: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read(row)
    assert str(caught.value).startswith("samples.tsv row 1")
    assert "\n" not in str(caught.value)


def test_a_name_used_twice_is_refused_with_both_rows(read) -> None:
    row = "S\tP\tplasma\t0\ta.bam\t\t\t\t"
    with pytest.raises(ValueError, match=r"row 2 .*sample 'S' is used twice, first in row 1"):
        read(row, row)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("sample\trole\tpatinet", "unknown column 'patinet'; the columns are sample, patient"),
        ("sample,role,bam", "unknown column 'sample,role,bam'; columns are separated by tabs"),
        ("sample\tpatient", "column 'role' is missing"),
        ("sample\trole\tsample", "column 'sample' stands twice"),
        ("", "column 'sample' is missing"),
    ],
)
def test_a_wrong_header_is_named(read, header: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"samples.tsv: {re.escape(message)}"):
        read(header=header)


def test_a_sheet_without_rows_says_where_to_read_on(read) -> None:
    with pytest.raises(ValueError, match=r"samples.tsv: no samples; .*config/README.md"):
        read()


def test_a_spreadsheet_file_is_not_a_sheet(tmp_path: Path) -> None:
    path = tmp_path / "samples.xlsx"
    path.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(ValueError, match="save the sheet as tab-separated text"):
        sheet.read(path)


def test_a_sheet_of_normals_only_is_refused(read) -> None:
    samples = read("N\t\tnormal\t\ta.bam\t\t\t\t")
    with pytest.raises(ValueError, match="no row has the role plasma"):
        sheet.require_plasma(samples, Path("samples.tsv"))


def test_patients_without_a_baseline_are_named(read) -> None:
    samples = read(
        "A1\tA\tplasma\t0\ta.bam\t\t\t\t",
        "A2\tA\tplasma\t21\ta.bam\t\t\t\t",
        "B1\tB\tplasma\t14\ta.bam\t\t\t\t",
    )
    assert sheet.without_baseline(samples) == ["B"]


def test_what_is_written_is_read_again(tmp_path: Path, schema: Path) -> None:
    path = tmp_path / "samples.tsv"
    sheet.write(path, [{"sample": "S", "patient": "P", "role": "plasma", "day": 0, "bam": "x"}])
    samples = sheet.read(path, schema=schema, look_for_files=False)
    assert samples.loc["S", ["patient", "day", "bam"]].tolist() == ["P", 0, "x"]


def test_schema_reader_and_tables_agree_on_columns_and_names(schema: Path) -> None:
    loaded = yaml.safe_load(schema.read_text())
    assert tuple(loaded["properties"]) == sheet.COLUMNS
    assert tuple(loaded["required"]) == sheet.REQUIRED
    assert loaded["additionalProperties"] is False
    for column in ("sample", "patient", "batch"):
        assert loaded["properties"][column]["pattern"] == NAME_PATTERN
        assert loaded["properties"][column]["maxLength"] == NAME_LENGTH


def test_the_example_sheet_is_valid_but_for_its_files(repo_root: Path, schema: Path) -> None:
    path = repo_root / "config" / "samples.tsv"
    samples = sheet.read(path, schema=schema, look_for_files=False)
    sheet.require_plasma(samples, path)


def test_names_of_which_none_is_a_patient_are_refused_and_some_are_enough() -> None:
    path = Path("clinical.tsv")
    with pytest.raises(ValueError, match="none of its 2 patients has a plasma sample, first '1'"):
        sheet.require_shared(path, ["1", "2"], ["P1", "P2"])
    sheet.require_shared(path, ["1", "P2"], ["P1", "P2"])
    sheet.require_shared(path, [], ["P1"])
