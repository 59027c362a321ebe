"""The whole workflow on a real Grid Engine by ``profiles/cluster-generic``, and what happens there.

``make test-sge`` installs Grid Engine and runs this; without CTCNV_SGE it is skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import until
from tests.slurm.grid import GridEngine, missing
from tests.slurm.test_slurm import ROOT, assert_done, cohort, ended, folder, said, start

__all__ = ["cohort", "folder"]  # fixtures, of another cluster
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("CTCNV_SGE" not in os.environ, reason="only by make test-sge"),
]
PROFILE = "profiles/cluster-generic"


@pytest.fixture(scope="module")
def cluster() -> Iterator[GridEngine]:
    """A Grid Engine of one node, four slots."""
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    if reason := missing():
        pytest.skip(reason)
    place = Path(tempfile.mkdtemp(prefix="ctcnv-sge-"))
    try:
        with GridEngine(place) as started:
            # what a user's shell may hold, and SGE's own shells stumble over
            started.environment |= {"TWO_LINES": "a\nb", "NOT_ASCII": "Zürich", "A_LIST": "a,b=c"}
            started.environment["BASH_FUNC_module%%"] = "() {  echo a\n}"
            yield started
    finally:
        shutil.rmtree(place, ignore_errors=True)


def run(cluster: GridEngine, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start ``ctcnv run`` on it."""
    return start(cluster, folder, *more, profile=PROFILE, CTCNV_SCHEDULER="sge")


def wait_for(cluster: GridEngine, process: subprocess.Popen[str], folder: Path, name: str,
             *, not_one_of: tuple[str, ...] = ()) -> str:  # fmt: skip
    """Wait until a job of a name runs, and give its number."""
    found: list[str] = []

    def runs() -> bool:
        assert process.poll() is None, f"it ended before {name} ran:\n{said(folder)}"
        found.extend(number for number, each in cluster.names("r").items()
                     if each == name and number not in not_one_of)  # fmt: skip
        return bool(found)

    until(runs, 300)
    return found[0]


def kill_step(folder: Path, step: str) -> None:
    """Kill the command of a step, as a node without memory does it."""
    found: list[int] = []

    def runs() -> bool:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                if b"ctcnv" in words and words[words.index(b"ctcnv") + 1] == step.encode() and (
                    path / "cwd").resolve() == folder.resolve():  # fmt: skip
                    found.append(int(path.name))
            except (OSError, IndexError):
                continue
        return bool(found)

    until(runs, 30)
    os.kill(found[0], signal.SIGKILL)


def status(cluster: GridEngine, folder: Path, number: str) -> str:
    """What the profile's program says of a job."""
    return subprocess.run(
        [ROOT / PROFILE / "status", number], cwd=folder, check=True, text=True,
        env={**cluster.environment, "CTCNV_SCHEDULER": "sge"}, stdout=subprocess.PIPE, timeout=60,
    ).stdout.strip()  # fmt: skip


def test_sge_gives_the_same_bytes(cluster: GridEngine, cohort: Path, folder: Path) -> None:
    process = run(cluster, folder)
    assert ended(process, folder) == 0, said(folder)
    assert_done(cluster, cohort, folder)
    numbers = [path.stem for path in (folder / "logs/cluster").glob("*.exit")]
    # bins, three samples, pon, a patient, qc, cohort: each once, and the accounting agrees
    assert [cluster.ended(number) for number in numbers] == [(0, 0)] * 8
    assert status(cluster, folder, numbers[0]) == "success"


def test_a_job_dies_another_is_deleted_and_the_master_is_away(
    cluster: GridEngine, cohort: Path, folder: Path
) -> None:
    process = run(cluster, folder)
    failed = wait_for(cluster, process, folder, "ctcnv-pon")
    kill_step(folder, "pon")
    wait_for(cluster, process, folder, "ctcnv-pon", not_one_of=(failed,))

    deleted = wait_for(cluster, process, folder, "ctcnv-sample")  # its counts were before the panel
    cluster.ask("qdel", deleted)
    wait_for(cluster, process, folder, "ctcnv-sample", not_one_of=(deleted,))

    cluster.stop_master()
    time.sleep(30)
    assert process.poll() is None, said(folder)
    cluster.start_master()

    assert ended(process, folder) == 0, said(folder)
    assert_done(cluster, cohort, folder)
    assert cluster.ended(failed) == (0, 1)
    assert cluster.ended(deleted) == (100, 137)
    assert len(list((folder / "logs/cluster").glob("*.o*"))) == 8 + 2
    assert "tried once more" not in (folder / "said").read_text()


def test_an_interrupt_deletes_the_jobs(cluster: GridEngine, cohort: Path, folder: Path) -> None:
    process = run(cluster, folder)
    wait_for(cluster, process, folder, "ctcnv-bins")
    process.send_signal(signal.SIGINT)
    assert ended(process, folder, 60) == 130, said(folder)
    until(lambda: cluster.jobs() == [], 30)
    assert ended(run(cluster, folder), folder) == 0, said(folder)
    assert_done(cluster, cohort, folder)


def test_a_job_in_error_is_failed_and_does_not_come_back(
    cluster: GridEngine, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    number = cluster.ask("qsub", "-terse", "-wd", "/nonexistent", "-o", "/dev/null", str(script))
    until(lambda: "Eqw" in cluster.ask("qstat", "-u", "*"), 30)
    assert status(cluster, tmp_path, number.strip()) == "failed"
    until(lambda: cluster.jobs() == [], 30)
