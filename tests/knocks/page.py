"""The tables of docs/reliability.md, between marks in a text that is written by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.knocks import ROOT, Knock, files, reads, within

OUTPUT = ROOT / "docs" / "reliability.md"
MALFORMED = ROOT.parent / "shared" / "data" / "bam" / "malformed"

#: The tables of the page by the name of their mark.
SECTIONS: list[tuple[str, Sequence[Knock]]] = [
    ("reads", reads.KNOCKS), ("files", files.KNOCKS),
]  # fmt: skip


def row(knock: Knock, seen: str) -> str:
    """One row of a table."""
    cells = (knock.tried, knock.expected, seen)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"


def table(knocks: Sequence[Knock]) -> str:
    """Run the knocks, each in a folder of its own, and lay out what was seen."""
    lines = ["| tried | expected | seen |", "|---|---|---|"]
    for knock in knocks:
        with tempfile.TemporaryDirectory() as folder, within(Path(folder)):
            lines.append(row(knock, knock.run(Path(folder))))
        print(lines[-1], flush=True)
    return "\n".join(lines)


def write(only: Sequence[str] = ()) -> None:
    """Write the tables anew, all or some; those of absent data stay as they are."""
    sections = list(SECTIONS)
    if MALFORMED.is_dir():
        sections.append(("malformed", reads.malformed(MALFORMED)))
    if files.can_mount():
        sections.append(("full", [files.FULL]))
    for name, knocks in sections:
        if only and name not in only:
            continue
        made = table(knocks)
        OUTPUT.write_text(_filled(OUTPUT.read_text(), name, made))


def _filled(text: str, name: str, made: str) -> str:
    """The page with what stands between the marks of a name replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    assert found, f"{OUTPUT} has no mark {begin}"
    assert closed, f"{OUTPUT} has no mark {end}"
    return f"{before}{begin}\n{made}\n{end}{after}"
