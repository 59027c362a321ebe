"""The QC table as MultiQC reads it: known values only, the schema's words, and MultiQC itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ctcnv import cli, multiqc, schema
from ctcnv.io import tables


def qc(*rows: dict) -> pd.DataFrame:
    known = {"role": "plasma", "status": "ok"}
    return schema.QC.check(
        pd.DataFrame([dict.fromkeys(schema.QC.names) | known | row for row in rows])
    )


TWO = qc(
    {"sample": "001", "patient": "P1", "day": 0, "depth": 0.1234, "fraction": 0.3,
     "fraction_status": "detected", "erbb2_call": "amplified"},
    {"sample": "N1", "role": "normal", "status": "warn", "reason": "few fragments: 430 per Mb"},
)  # fmt: skip


def test_shares_are_per_cent_and_unknown_values_are_not_there() -> None:
    data = multiqc.general_statistics(TWO)["data"]
    assert data["001"] == {
        "ctcnv_status": "ok", "ctcnv_fraction_status": "detected", "ctcnv_fraction": 30.0,
        "ctcnv_erbb2_call": "amplified", "ctcnv_depth": 0.1234,
    }  # fmt: skip
    assert data["N1"] == {"ctcnv_status": "warn"}


def test_a_fraction_that_is_not_detected_is_no_number() -> None:
    row = {"sample": "S", "fraction": 0.0001, "fraction_status": "not_detected"}
    assert "ctcnv_fraction" not in multiqc.general_statistics(qc(row))["data"]["S"]
    assert "ctcnv_fraction" not in multiqc.section(qc(row))["data"]["S"]


def test_the_section_has_every_column_of_the_table() -> None:
    headers = multiqc.section(TWO)["headers"]
    assert {name.removeprefix("ctcnv_") for name in headers} == set(schema.QC.names) - {"sample"}
    assert multiqc.section(TWO)["data"]["N1"]["ctcnv_reason"] == "few fragments: 430 per Mb"


def test_every_status_has_a_colour() -> None:
    coloured = [word for words in multiqc.COLOURS["status"].values() for word in words]
    assert sorted(coloured) == sorted(schema.QC_STATUS)
    for name, levels in multiqc.COLOURS.items():
        column = next(c for c in schema.QC.columns if c.name == name)
        assert {word for words in levels.values() for word in words} <= set(column.choices)


def test_the_command_writes_both_files_without_unknown_values(tmp_path: Path) -> None:
    sheet = tmp_path / "samples.tsv"
    sheet.write_text("sample\tpatient\trole\tday\tcounts\n001\tP1\tplasma\t0\tc.tsv\n")
    tables.write(tmp_path / "one.tsv", schema.QC, TWO.iloc[:1], meta={"sample": "001"})
    paths = [tmp_path / "a_mqc.json", tmp_path / "b_mqc.json"]
    config = Path(__file__).parent.parent / "config" / "config.yaml"
    with pytest.raises(SystemExit) as left:
        cli.main(["qc", "--quiet", "--samples", str(sheet), "--plasma", str(tmp_path / "one.tsv"),
                  "--config", str(config), "--output", str(tmp_path / "qc.tsv"),
                  "--output-multiqc", *map(str, paths)])  # fmt: skip
    assert left.value.code == 0
    general, table = (json.loads(path.read_text()) for path in paths)
    assert general == json.loads(json.dumps(multiqc.general_statistics(TWO.iloc[:1])))
    assert list(table["data"]) == ["001"]


def test_multiqc_shows_both(tmp_path: Path) -> None:
    if shutil.which("multiqc") is None:
        pytest.skip("multiqc is not on this machine")
    paths = [tmp_path / "ctcnv_general_mqc.json", tmp_path / "ctcnv_qc_mqc.json"]
    made = (multiqc.general_statistics(TWO), multiqc.section(TWO))
    for path, content in zip(paths, made, strict=True):
        path.write_text(json.dumps(content))
    html = tmp_path / "multiqc.html"
    done = subprocess.run(
        ["multiqc", "--force", "--no-ai", "--no-version-check", "--no-data-dir", "--filename",
         str(html), *map(str, paths)], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = re.sub(r"<[^>]+>", " ", html.read_text())
    assert "few fragments: 430 per Mb" in said
    assert "amplified" in said
    assert "001" in said
