"""What the repository holds: sources that can be read, no file of work left by mistake."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Not text: pictures of the manual, and an empty BAM that a config needs to name.
BINARY = {".png", ".bam"}
#: Bytes of a file; the lock of the developers has 230,000.
LARGEST = 300_000


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a clone, or git is not installed")
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"], cwd=ROOT, check=True,
        capture_output=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.decode().split("\0") if name]


def test_every_file_is_small_and_text_or_one_of_the_kinds_that_are_not() -> None:
    """Once a profile of the interpreter, with paths of a machine, was among them."""
    files = [path for path in tracked() if path.is_file()]
    assert ROOT / "README.md" in files
    for path in files:
        data = path.read_bytes()
        assert len(data) <= LARGEST, path
        if path.suffix not in BINARY:
            data.decode("utf-8")
            assert b"\0" not in data, path
