"""The whole workflow on a real Slurm with what happens there: memory, nodes, outages, signals.

``make test-slurm`` installs Slurm and runs all of it; without CTCNV_SLURM=all one short run.
Nothing waits without a limit.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.slurm.cluster import Cluster, missing, until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
ALL = os.environ.get("CTCNV_SLURM") == "all"
every = pytest.mark.skipif(
    not ALL, reason="one run on Slurm is enough here; make test-slurm does all"
)
#: Seconds after which a run is taken for hanging: twenty times what it takes on idle cores.
LIMIT = 1500
#: Memory of a job beside the command's own: Snakemake in the job and in its step, MB (measured).
BESIDE = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Slurm of two nodes with accounting."""
    if reason := missing(accounting=True):
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="ctcnv-slurm-"))
    try:
        with Cluster(folder, accounting=True) as started:
            yield started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cohort(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient with two samples and two normals, and what a local run makes of them."""
    folder = tmp_path_factory.mktemp("slurm") / "local"
    subprocess.run(
        [sys.executable, "-m", "ctcnv", "simulate", "--output", str(folder), "--seed", "3",
         "--scale", "200", "--fragments", "40000", "--normals", "2", "--quiet"],
        env=environment(cluster), check=True, timeout=LIMIT,
    )  # fmt: skip
    path = folder / "samples.tsv"
    kept = [line for line in path.read_text().splitlines() if not line.startswith(("P02", "P03"))]
    path.write_text("\n".join(kept) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "ctcnv", "run", "--config", "config.yaml", "--cores", "2"],
        cwd=folder, env=environment(cluster), timeout=LIMIT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(cohort: Path, request: pytest.FixtureRequest) -> Path:
    """The samples again, with nothing made of them."""
    made = cohort.with_name(request.node.name)
    ignored = shutil.ignore_patterns("results", "logs", "benchmarks", ".snakemake")
    shutil.copytree(cohort, made, ignore=ignored)
    return made


def environment(cluster: Cluster) -> dict[str, str]:
    """That of the cluster, with this repository's package."""
    return {**cluster.environment, "PYTHONPATH": str(ROOT / "src")}


def start(cluster: Cluster, folder: Path, *more: str, profile: str = "profiles/slurm",
          **variables: str) -> subprocess.Popen[str]:  # fmt: skip
    """Start ``ctcnv run`` on the cluster; its words go to a file."""
    quick = ["--slurm-init-seconds-before-status-checks", "3"] if profile.endswith("slurm") else []
    with (folder / "said").open("a") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "ctcnv", "run", "--config", "config.yaml",
             "--workflow-profile", profile, "--", *quick, *more],
            cwd=folder, env={**environment(cluster), **variables}, stdout=said, stderr=said,
            text=True,
        )  # fmt: skip


def ended(process: subprocess.Popen[str], folder: Path, seconds: float = LIMIT) -> int:
    """The exit code of a run; what it said when it does not end."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        pytest.fail(f"it hangs:\n{said(folder)}")


def said(folder: Path) -> str:
    """The end of what the run and its Snakemake said."""
    words = (folder / "said").read_text()[-2000:]
    log = folder / "logs/run.log"
    return words + (log.read_text()[-3000:] if log.is_file() else "")


def files(folder: Path) -> dict[str, bytes]:
    """Every file of the results."""
    found = sorted((folder / "results").rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found
            if path.is_file()}  # fmt: skip


def assert_same(local: Path, folder: Path) -> None:
    """The results are complete and those of the local run, byte by byte, and nothing else."""
    first, second = files(local), files(folder)
    assert sorted(second) == sorted(first)
    assert [name for name in first if first[name] != second[name]] == []


def submitted(folder: Path) -> list[str]:
    """What was submitted, one word per cluster job."""
    log = (folder / "logs/run.log").read_text()
    return re.findall(r"slurm_logs/(\w+)/\d+\.log", log)


def busy(cluster: Cluster) -> bool:
    """Whether a job runs."""
    return any("RUNNING" in job for job in cluster.jobs())


def test_slurm_gives_the_same_bytes(cluster: Cluster, cohort: Path, folder: Path) -> None:
    process = start(cluster, folder)
    assert ended(process, folder) == 0, said(folder)
    assert_same(cohort, folder)
    jobs = submitted(folder)
    # one sample is one job: two normals, two of plasma; and so is a patient
    assert len([job for job in jobs if job.startswith("group_sample")]) == 4
    assert len([job for job in jobs if job.startswith("group_patient")]) == 1
    assert sorted(job for job in jobs if not job.startswith("group")) == [
        "rule_bins", "rule_cohort", "rule_pon", "rule_qc",
    ]  # fmt: skip


@every
def test_a_job_killed_for_memory_gets_more(cluster: Cluster, cohort: Path, folder: Path) -> None:
    # Snakemake and the command take more than 200 MB, for seconds, and less than 800.
    process = start(cluster, folder, "--set-resources", "bins:mem_mb=200*attempt*attempt")
    assert ended(process, folder) == 0, said(folder)
    assert_same(cohort, folder)
    assert submitted(folder).count("rule_bins") == 2, "killed once, then given more"


@every
def test_jobs_take_less_memory_than_they_ask_for(cohort: Path) -> None:
    asked = {"bins": 2000, "count": 1000, "call": 3000, "pon": 3000}
    tables = sorted((cohort / "benchmarks").rglob("*.tsv"))
    assert {path.stem for path in tables} == set(asked)
    for path in tables:
        used = pd.read_csv(path, sep="\t", na_values=["-", "NA"])["max_rss"].max()
        assert not used + BESIDE > asked[path.stem], f"{path}: {used} MB"


def knocked(cluster: Cluster, cohort: Path, folder: Path, knock: Callable[[], None]) -> None:
    """Run, knock as soon as a job runs, and look at the results."""
    process = start(cluster, folder)
    until(lambda: busy(cluster) or process.poll() is not None, 300)
    knock()
    assert ended(process, folder) == 0, said(folder)
    assert_same(cohort, folder)
    assert cluster.jobs() == []


@every
def test_a_node_is_taken_away_and_given_back(cluster: Cluster, cohort: Path, folder: Path) -> None:
    def knock() -> None:
        until(lambda: len([job for job in cluster.jobs() if "RUNNING" in job]) > 1, 300)
        cluster.down("n1")
        time.sleep(20)
        cluster.resume("n1")

    knocked(cluster, cohort, folder, knock)


@every
def test_the_controller_is_away_for_half_a_minute(
    cluster: Cluster, cohort: Path, folder: Path
) -> None:
    def knock() -> None:
        cluster.stop_controller()
        time.sleep(30)
        cluster.start_controller()
        time.sleep(5)
        cluster.resume()  # a node whose job ended meanwhile is drained

    knocked(cluster, cohort, folder, knock)


@every
def test_the_accounting_is_away_for_half_a_minute(
    cluster: Cluster, cohort: Path, folder: Path
) -> None:
    def knock() -> None:
        cluster.stop_accounting()
        time.sleep(30)
        cluster.start_accounting()

    knocked(cluster, cohort, folder, knock)


@every
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_launcher_is_stopped_and_started_again(
    cluster: Cluster, cohort: Path, folder: Path, number: signal.Signals
) -> None:
    process = start(cluster, folder)
    until(lambda: busy(cluster) or process.poll() is not None, 300)
    if number == signal.SIGKILL:  # both at once, as a machine that goes down does it
        child = int(
            re.search(r'"pid": (\d+)', (folder / ".snakemake/ctcnv.run.json").read_text())[1]
        )
        os.kill(child, signal.SIGKILL)
    process.send_signal(number)
    code = ended(process, folder, 300)
    assert code == (-9 if number == signal.SIGKILL else 128 + number), said(folder)
    if number != signal.SIGKILL:
        until(lambda: cluster.jobs() == [], 60)
    assert ended(start(cluster, folder), folder) == 0, said(folder)
    assert_same(cohort, folder)
    assert cluster.jobs() == []


@every
def test_any_scheduler_by_its_own_commands(cluster: Cluster, cohort: Path, folder: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    process = start(
        cluster, folder, profile="profiles/cluster-generic", CTCNV_SCHEDULER="slurm",
        CTCNV_SUBMIT="-p main",
    )  # fmt: skip
    assert ended(process, folder) == 0, said(folder)
    assert_same(cohort, folder)
