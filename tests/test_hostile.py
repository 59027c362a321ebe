"""Hostile strings are inert: in a shell, on a page, in a path, in a spreadsheet, on a terminal."""

from __future__ import annotations

import ast
import csv
import html
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv.cli import one_line, sample
from ctcnv.io import exports, tables
from ctcnv.schema import Column, Table
from tests.knocks.files import ODD
from tests.test_workflow import commands, folder, snakemake

__all__ = ["folder"]  # a fixture

ROOT = Path(__file__).resolve().parent.parent
PLAIN = Table("plain", 1, (Column("name", "text", "a"), Column("x", "float", "b", nullable=True)),
              "A table.")  # fmt: skip
FORMULAS = [
    "=1+1", "=cmd|' /C calc'!A0", "@SUM(1+1)", "+1+cmd|' /C calc'!A0", "-1+1", "=HYPERLINK(\"x\")",
    "＝1+1", "-2+3+cmd|' /C calc'!D2", "=", "+x",
]  # fmt: skip


# Spreadsheets --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_table_is_a_formula(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    tables.write(path, PLAIN, pd.DataFrame({"name": [text], "x": [-0.5]}))
    row = path.read_text().splitlines()[-1].split("\t")
    assert row[0] == (text if len(text) == 1 else f"'{text}")
    assert row[1] == "-0.5"
    again = tables.read(path, PLAIN).frame
    assert again["name"].tolist() == [text]
    tables.write(tmp_path / "u.tsv", PLAIN, again)
    assert (tmp_path / "u.tsv").read_bytes() == path.read_bytes()


@given(text=st.text(min_size=1))
def test_what_is_written_begins_with_no_sign_of_a_formula_or_is_a_number(text: str) -> None:
    cell = tables._cell(text)
    assert "\t" not in cell
    assert "\n" not in cell
    if len(cell) > 1 and cell[0] in tables.FORMULA:
        float(cell)


@pytest.mark.parametrize("text", ["-", "+", "-1", "+0.5", "-1e-5", "a=b", "001", "NA", "T>C"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert tables.inert(text) == text


def test_no_cell_of_an_export_is_a_formula(tmp_path: Path) -> None:
    frame = pd.DataFrame({"gene": ["=1+1", "ERBB2", None], "log2": [-1.0, 0.5, None]})
    frame["chrom"] = pd.Categorical(["@x", "chr1", "chr1"])
    exports.write_table(tmp_path / "a.cnr", frame)
    rows = list(csv.reader((tmp_path / "a.cnr").read_text().splitlines(), delimiter="\t"))
    assert rows[1:] == [["'=1+1", "-1", "'@x"], ["ERBB2", "0.5", "chr1"], ["", "", "chr1"]]


# Terminals -----------------------------------------------------------------------------------


def test_a_message_does_not_command_the_terminal() -> None:
    assert one_line(ValueError("a\x1b]0;x\x07b\x9b31m\u202e")) == "a�]0;x�b�31m�"
    assert "\x1b" not in one_line(FileNotFoundError(2, "No such file", "\x1b[2J.bam"))


# Shell ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_paths_of_the_sheet_reach_the_steps_as_one_word(repo_root: Path, folder: Path) -> None:
    name = ODD.replace("{sample}", "")  # braces are a pattern of Snakemake's
    (folder / name).mkdir()
    shutil.copy(folder / "placeholder.bam", folder / name / "a.bam")
    sheet = folder / "samples.tsv"
    sheet.write_text(sheet.read_text().replace("placeholder.bam", f"{name}/a.bam"))
    done = snakemake(repo_root, folder, "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stdout[-2000:]
    words = [word for command in commands(done.stdout) for word in command]
    assert words.count(f"{name}/a.bam") == 2
    assert not (folder / "x").exists()


def sources() -> list[Path]:
    """Every Python file and rule that is run, tests aside."""
    found = [ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")]
    for name in ("src", "docs", "benchmarks", "validation"):
        found += sorted((ROOT / name).rglob("*.py"))
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path: Path) -> None:
    text = path.read_text()
    if path.suffix != ".py":
        assert not re.search(r"\b(eval|exec|pickle|os\.system|os\.popen)\b|shell\s*=\s*True", text)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            tops = {name.split(".")[0] for name in names}
            assert not tops & {"pickle", "marshal", "shelve", "dill", "joblib"}
        elif isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("eval", "exec", "os.system", "os.popen")
            # A shell is used in no call of ours but where a benchmark times a fixed pipeline.
            shells = [k for k in node.keywords if k.arg == "shell"]
            assert not shells or path.is_relative_to(ROOT / "benchmarks")


def test_settings_reach_the_shell_quoted(repo_root: Path) -> None:
    """The config lets no such value through; the quoting does not rely on it."""
    text = (repo_root / "workflow" / "rules" / "common.smk").read_text()
    source = text[text.index("def flags(") : text.index("def given(")]
    space: dict[str, object] = {
        "shlex": shlex, "flag": lambda section, key: f"--{section}-{key}",
        "config": {"qc": {"a": "$(touch x); y", "b": True, "c": 0.5}},
    }  # fmt: skip
    exec(source, space)
    assert shlex.split(space["flags"]("qc")) == [  # type: ignore[operator]
        "--qc-a", "$(touch x); y", "--qc-b", "true", "--qc-c", "0.5",
    ]  # fmt: skip


# Pages ---------------------------------------------------------------------------------------


def test_the_inputs_of_a_page_cannot_end_its_tag() -> None:
    evil = '"></head><script>alert(1)</script>'
    page = sample.with_inputs("<head></head><body>", {evil: "sha256:0"})
    assert "<script>" not in page
    assert html.unescape(page).count(evil.replace('"', '\\"')) == 1
