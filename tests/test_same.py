"""The same input gives the same bytes: again, on one thread and two, with other hashes of Python.

The whole workflow in another folder is compared in tests/test_workflow.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.knocks import CONFIG, reads, within
from tests.test_call import call_words, folder, pon_words

__all__ = ["folder"]  # a fixture

ROOT = Path(__file__).resolve().parent.parent
#: Threads of every library, and the seed of Python's hashes.
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
       "PYTHONHASHSEED": "1"}  # fmt: skip
TWO = dict.fromkeys(ONE, "2")


def run(words: list[object], environment: dict[str, str], cwd: Path) -> None:
    """A command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ctcnv", *map(str, words)], cwd=cwd, check=False, text=True,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_a_bam_is_counted_to_the_same_bytes_on_one_thread_and_two(tmp_path: Path) -> None:
    with within(tmp_path):
        reads.write_bins(reads.CONTIGS)
        reads.write_bam("a.bam", reads.pairs(8_000))
    for number, environment in (("1", ONE), ("2", TWO)):
        words = [
            "count", "--bam", "a.bam", "--bins", "bins.tsv.gz", "--sample", "S", "--config", CONFIG,
            "--threads", number, "--output", f"{number}/counts.tsv.gz",
            "--output-lengths", f"{number}/lengths.tsv", "--output-reads", f"{number}/reads.tsv",
        ]  # fmt: skip
        run(words, environment, tmp_path)
    assert len(files(tmp_path / "1")) == 3
    assert files(tmp_path / "1") == files(tmp_path / "2")


@pytest.mark.slow
def test_a_panel_and_a_sample_have_the_same_bytes_on_one_thread_and_two(
    folder: Path, tmp_path: Path
) -> None:
    normals = sorted(folder.glob("N*.counts.tsv.gz")) or sorted(folder.glob("n*.counts.tsv.gz"))
    assert len(normals) == 6
    for name, environment in (("one", ONE), ("two", TWO)):
        to = tmp_path / name
        run(pon_words(folder, normals, to / "pon"), environment, tmp_path)
        run(call_words(folder, "001", to / "001"), environment, tmp_path)
    for part, n in (("pon", 6), ("001", 7)):
        found = files(tmp_path / "one" / part)
        assert len(found) == n
        assert found == files(tmp_path / "two" / part)
