"""The whole workflow on a real Slurm with what happens there: memory, nodes, outages, signals.

``make test-slurm`` installs Slurm and runs all of it; without CTCNV_SLURM=all one short run.
Nothing waits without a limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.plasma import QUICK_CONFIG
from tests.slurm.cluster import Cluster, missing, until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
ALL = os.environ.get("CTCNV_SLURM") == "all"
every = pytest.mark.skipif(
    not ALL, reason="one run on Slurm is enough here; make test-slurm does all"
)
#: Seconds after which a run is taken for hanging: twenty times what it takes on idle cores.
LIMIT = 1500
#: The runs of the test that goes on.
STARTED: list[subprocess.Popen[str]] = []


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
    """A sample of a patient and two normals, and what a local run makes of them."""
    folder = tmp_path_factory.mktemp("slurm") / "local"
    subprocess.run(
        [sys.executable, "-m", "ctcnv", "simulate", "--output", str(folder), "--seed", "3",
         "--scale", "400", "--fragments", "30000", "--normals", "2", "--quiet"],
        env=environment(cluster), check=True, timeout=LIMIT,
    )  # fmt: skip
    path = folder / "samples.tsv"
    kept = ("sample", "N01", "N02", "P01_d0")
    rows = [row for row in path.read_text().splitlines() if row.startswith(kept)]
    path.write_text("\n".join(rows) + "\n")
    with (folder / "config.yaml").open("a") as config:
        config.write(QUICK_CONFIG)
    done = subprocess.run(
        [sys.executable, "-m", "ctcnv", "run", "--config", "config.yaml", "--cores", "2"],
        cwd=folder, env=environment(cluster), timeout=LIMIT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(cluster: Cluster, cohort: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The samples again, with nothing made of them; and after it a cluster with nothing to do."""
    made = cohort.with_name(request.node.name)
    ignored = shutil.ignore_patterns("results", "logs", "benchmarks", ".snakemake")
    shutil.copytree(cohort, made, ignore=ignored)
    yield made
    cluster.clear()
    while STARTED:
        stop(STARTED.pop())


def environment(cluster: Cluster) -> dict[str, str]:
    """That of the cluster, with this repository's package."""
    found = (str(ROOT / "src"), os.environ.get("PYTHONPATH"))
    return {**cluster.environment, "PYTHONPATH": os.pathsep.join(filter(None, found))}


def start(cluster: Cluster, folder: Path, *more: str, profile: str = "profiles/slurm",
          **variables: str) -> subprocess.Popen[str]:  # fmt: skip
    """Start ``ctcnv run`` on the cluster; its words go to a file."""
    # The executor looks after 1 s, then 11 s and 21 s later; by itself after 40.
    quick = ["--slurm-init-seconds-before-status-checks", "1"] if profile.endswith("slurm") else []
    with (folder / "said").open("a") as said:
        STARTED.append(subprocess.Popen(
            [sys.executable, "-m", "ctcnv", "run", "--config", "config.yaml",
             "--workflow-profile", profile, "--", *quick, *more],
            cwd=folder, env={**environment(cluster), **variables}, stdout=said, stderr=said,
            text=True,
        ))  # fmt: skip
    return STARTED[-1]


def stop(process: subprocess.Popen[str]) -> None:
    """End a run of a test that failed; its Snakemake ends with it."""
    for number, seconds in ((signal.SIGINT, 60), (signal.SIGKILL, 10)):
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)


def ended(process: subprocess.Popen[str], folder: Path, seconds: float = LIMIT) -> int:
    """The exit code of a run; what it said when it does not end."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
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


def assert_done(cluster: Cluster, cohort: Path, folder: Path) -> None:
    """The results are those of the local run, and nothing is left that could write into them."""
    assert cluster.jobs("PENDING", "RUNNING") == []
    assert_same(cohort, folder)
    time.sleep(2)
    assert_same(cohort, folder)


def submitted(folder: Path) -> list[tuple[str, str]]:
    """Word and number of each job that was submitted to Slurm."""
    path = folder / "logs/run.log"
    log = path.read_text() if path.is_file() else ""
    return re.findall(r"has been submitted .* \(log: .*/(\w+)/(\d+)\.log\)", log)


def asked(folder: Path) -> dict[str, tuple[int, int]]:
    """The most memory in MB and minutes that the jobs of each rule asked for."""
    found: dict[str, tuple[int, int]] = {}
    for rule, block in re.findall(
        r"^ *rule (\w+):\n(.*?resources: .*?)$", (folder / "logs/run.log").read_text(),
        re.MULTILINE | re.DOTALL,
    ):  # fmt: skip
        memory, minutes = (
            int(re.search(rf"\b{name}=(\d+)", block)[1]) for name in ("mem_mb", "runtime")
        )
        before = found.get(rule, (0, 0))
        found[rule] = max(before[0], memory), max(before[1], minutes)
    return found


def test_slurm_gives_the_same_bytes(cluster: Cluster, cohort: Path, folder: Path) -> None:
    process = start(cluster, folder)
    assert ended(process, folder) == 0, said(folder)
    assert_same(cohort, folder)
    jobs = [word for word, _ in submitted(folder)]
    # one sample is one job: two normals, one of plasma; and so is a patient
    assert len([job for job in jobs if job.startswith("group_sample")]) == 3
    assert len([job for job in jobs if job.startswith("group_patient")]) == 1
    assert sorted(job for job in jobs if not job.startswith("group")) == [
        "rule_bins", "rule_cohort", "rule_pon", "rule_qc",
    ]  # fmt: skip
    assert_enough_was_asked_for(cluster, folder)


def assert_enough_was_asked_for(cluster: Cluster, folder: Path) -> None:
    """Each job took less memory and time than it asked for, by Slurm and by the benchmarks."""
    beside = 0.0  # of a job's memory: Snakemake, once for the job
    for word, number in submitted(folder):
        whole = cluster.account(number)
        took = max(step.memory_mb for step in whole.steps.values())
        assert 50 < took < whole.memory_mb, f"{word}: {took:.0f} of {whole.memory_mb} MB"
        assert whole.seconds < 30 * whole.minutes, f"{word}: {whole.seconds} s"
        beside = max(beside, whole.steps["batch"].memory_mb)
    requests = asked(folder)
    tables = sorted((folder / "benchmarks").rglob("*.tsv"))
    assert {path.stem for path in tables} == {"bins", "count", "call", "pon"}
    for path in tables:
        memory, minutes = requests[path.stem]
        measured = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        # a step of the job holds the command and a Snakemake as large as that of the job
        assert 0 < measured["max_rss"].max() < memory - beside, path
        assert 0 < measured["s"].max() < 30 * minutes, path


def wait_for_job(cluster: Cluster, folder: Path, process: subprocess.Popen[str], word: str) -> str:
    """Wait until a job of the run runs whose word begins so, and give its number."""
    found: list[str] = []

    def runs() -> bool:
        assert process.poll() is None, f"it ended before {word} ran:\n{said(folder)}"
        now = {job.split()[0] for job in cluster.jobs("RUNNING")}
        found.extend(number for each, number in submitted(folder)
                     if each.startswith(word) and number in now)  # fmt: skip
        return bool(found)

    until(runs, 300)
    return found[0]


@every
def test_accounting_node_job_and_controller_are_away(
    cluster: Cluster, cohort: Path, folder: Path
) -> None:
    process = start(cluster, folder)

    wait_for_job(cluster, folder, process, "rule_bins")
    cluster.stop_accounting()
    time.sleep(30)
    cluster.start_accounting()
    assert process.poll() is None, said(folder)

    number = wait_for_job(cluster, folder, process, "group_sample_count")
    node = cluster.node_of(number)
    cluster.down(node)
    time.sleep(20)
    cluster.resume(node)
    assert process.poll() is None, said(folder)

    cancelled = wait_for_job(cluster, folder, process, "rule_pon")
    cluster.ask("scancel", cancelled)  # by somebody else

    wait_for_job(cluster, folder, process, "group_sample_call")
    cluster.stop_controller()
    time.sleep(30)
    cluster.start_controller()
    time.sleep(5)
    cluster.resume()  # a node whose job ended meanwhile is drained

    assert ended(process, folder) == 0, said(folder)
    assert_done(cluster, cohort, folder)
    assert cluster.account(number).state == "COMPLETED", "under its old number, by Slurm itself"
    assert cluster.account(cancelled).state == "CANCELLED"
    assert "tried once more" not in (folder / "said").read_text()


@every
def test_the_launcher_is_stopped_by_each_signal_and_started_again(
    cluster: Cluster, cohort: Path, folder: Path
) -> None:
    for number, word in (
        (signal.SIGINT, "rule_bins"), (signal.SIGTERM, "group_sample_count"),
        (signal.SIGKILL, "group_sample_call"),
    ):  # fmt: skip
        process = start(cluster, folder)
        wait_for_job(cluster, folder, process, word)
        if number == signal.SIGKILL:  # both at once, as a machine that goes down does it
            note = (folder / ".snakemake/ctcnv.run.json").read_text()
            os.kill(json.loads(note)["pid"], signal.SIGKILL)
        process.send_signal(number)
        code = ended(process, folder, 300)
        if number == signal.SIGKILL:
            assert code == -signal.SIGKILL
            assert cluster.jobs("RUNNING"), "its job goes on"
        else:
            assert code == 128 + number, said(folder)
            until(lambda: cluster.jobs("PENDING", "RUNNING") == [], 30)
    assert ended(start(cluster, folder), folder) == 0, said(folder)
    assert_done(cluster, cohort, folder)


@every
def test_any_scheduler_by_its_own_commands(cluster: Cluster, cohort: Path, folder: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    process = start(
        cluster, folder, profile="profiles/cluster-generic", CTCNV_SCHEDULER="slurm",
        CTCNV_SUBMIT="-p main",
    )  # fmt: skip
    assert ended(process, folder) == 0, said(folder)
    assert_done(cluster, cohort, folder)


@every
def test_a_job_killed_for_memory_gets_more(cluster: Cluster, cohort: Path, folder: Path) -> None:
    # Slurm looks at each step once a second, and Snakemake in it takes some 150 MB. A limit that a
    # command passes for an instant is one that it often passes unseen: bins with 200 MB, at most
    # 220 MB, was killed in one run of three. Here it is over the limit for most of its time.
    # All rules of a sample get it, and its job asks for the largest. The profile names them.
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    together = [rule for rule, group in profile["groups"].items() if group == "sample"]
    of_one = "320*attempt*attempt if wildcards.sample == 'P01_d0' else 1000"
    process = start(
        cluster, folder, "--set-resources", "pon:mem_mb=160*attempt*attempt",
        *(f"{rule}:mem_mb={of_one}" for rule in together),
    )  # fmt: skip
    assert ended(process, folder) == 0, said(folder)
    assert_done(cluster, cohort, folder)
    jobs = [(word, number, cluster.account(number)) for word, number in submitted(folder)]
    # What is asked for first, and then, by the beginning of the job's name.
    for name, memory in {"rule_pon": [160, 640], "group_sample_call": [320, 1280]}.items():
        tries = [each for each in jobs if each[0].startswith(name)]
        assert [job.memory_mb for _, _, job in tries] == memory, name
        assert [job.state == "COMPLETED" for _, _, job in tries] == [False, True], name
        killed, number, first = tries[0]
        assert first.state in ("FAILED", "OUT_OF_MEMORY")
        log = (folder / f".snakemake/slurm_logs/{killed}/{number}.log").read_text()
        assert re.search(rf"StepId={number}\.\w+ exceeded memory limit", log)
        jobs = [each for each in jobs if each not in tries]
    assert {job.state for _, _, job in jobs} == {"COMPLETED"}
