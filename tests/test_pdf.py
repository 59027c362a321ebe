"""The printed report: pages set by hand, the same bytes, nothing lost and nothing run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv.document import Grid, Heading, Text
from ctcnv.plots.pdf import pdf, width_of, wrap
from ctcnv.report import Sample, Sheet, pages
from tests import fakes

CASES = fakes.cases(atom_bp=5_000_000)


def blocks_of(name: str) -> list[object]:
    fake = CASES[name]
    samples = [
        Sample(s.name, **{table: Sheet(*sheet) for table, sheet in s.tables.items()})
        for s in fake.samples
    ]
    return list(pages.patient_pages(fake.name, Sheet(*fake.track), samples, profiles={}))


def said(blocks: list[object]) -> str:
    parts = []
    for block in blocks:
        if isinstance(block, Heading | Text):
            parts.append(block.text)
        elif isinstance(block, Grid):
            parts += [*block.heads, *(cell for row in block.rows for cell in row)]
    return "\n".join(parts)


def text_of(data: bytes, folder: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not there")
    path = folder / "a.pdf"
    path.write_bytes(data)
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True,
                          check=True)  # fmt: skip
    return done.stdout


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=80),
       st.floats(20, 300))  # fmt: skip
def test_lines_fit_and_hold_every_letter(text: str, width: float) -> None:
    lines = wrap(text, width, 9.0)
    assert all(width_of(line, 9.0) <= width or len(line) == 1 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_line_is_broken_where_its_words_end() -> None:
    width = width_of("one two", 9.0)
    assert wrap("one two three", width, 9.0) == ["one two", "three"]
    assert wrap("a\nb", 100, 9.0) == ["a", "b"]


def test_the_same_blocks_give_the_same_bytes_without_a_date() -> None:
    blocks = [Heading("Patient P"), Text("a warning", "warning"),
              Grid(("a", "b"), [("1", "2")] * 90, (1, 2))]  # fmt: skip
    first, again = (pdf(blocks, title="P") for _ in range(2))
    assert first == again
    assert first.startswith(b"%PDF-")
    assert b"CreationDate" not in first
    assert b"Matplotlib" not in first
    assert len(re.findall(rb"/Type /Page\b(?!s)", first)) == 3


def test_every_row_is_printed_once_under_its_heads(tmp_path: Path) -> None:
    rows = [(f"row{i:03d}", "x") for i in range(120)]
    shown = text_of(pdf([Heading("P"), Grid(("Head", "b"), rows, (1, 1))], title="P"), tmp_path)
    assert re.findall(r"row\d{3}", shown) == [name for name, _ in rows]
    assert shown.count("Head") == len(shown.strip("\f").split("\f"))


def test_what_a_user_writes_is_text(tmp_path: Path) -> None:
    name = r"<script>alert(1)</script> $\frac{1}{2}$ 100 % _x_^2"
    shown = text_of(pdf([Heading("P"), Text(name)], title=name), tmp_path)
    assert name in shown


@pytest.mark.parametrize("name", CASES)
def test_the_printed_report_says_what_the_cards_say(name: str) -> None:
    shown = said(blocks_of(name))
    for title in ("Course over time", "Genes", "Quality", "Methods and versions of this run",
                  "Words"):  # fmt: skip
        assert title in shown
    assert f"Patient {CASES[name].name}" in shown
    assert "For research use only. Not for diagnosis." in shown
    assert "Tumor fraction at " in shown
    assert "nan" not in shown.lower().split()


def test_a_failed_sample_is_a_warning_on_top() -> None:
    blocks = blocks_of("failed")
    (warning, *_) = [b for b in blocks if isinstance(b, Text) and b.tone == "warning"]
    assert "failed: " in warning.text
    assert blocks.index(warning) == 2
