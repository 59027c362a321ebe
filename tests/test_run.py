"""``ctcnv run``: what it sees before it starts, what it says; a bad sample stops no other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pysam
import pytest

from ctcnv import cli
from ctcnv.cli import failure, patterns, preflight, summary, workflow
from ctcnv.cli import run as run_step
from ctcnv.io import sheet, tables
from ctcnv.schema import COUNTS, DONORS, FRACTION, GENES, QC
from tests.plasma import QUICK_CONFIG

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent / "src")}


def ctcnv(*words: str) -> int | str | None:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    return left.value.code


# Before it starts ----------------------------------------------------------------------------


def test_configs_are_laid_over_each_other_key_by_key(tmp_path: Path) -> None:
    below, above = tmp_path / "a.yaml", tmp_path / "b.yaml"
    below.write_text("samples: a.tsv\nqc:\n  max_noise: 2\n  max_duplicates: 0.3\n")
    above.write_text("samples: b.tsv\nqc:\n  max_noise: 3\n")
    assert preflight.config_of([below, above]) == {
        "samples": "b.tsv",
        "qc": {"max_noise": 3, "max_duplicates": 0.3},
    }


def write_bam(path: Path, lengths: dict[str, int]) -> None:
    """A BAM without reads of a genome with these chromosomes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"SQ": [{"SN": name, "LN": length} for name, length in lengths.items()]}
    pysam.AlignmentFile(str(path), "wb", header=header).close()


@pytest.fixture
def small(repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a genome of two chromosomes, a config and a sheet of four samples."""
    monkeypatch.chdir(tmp_path)
    Path("g.fa").write_text(f">chr1\n{'ACGT' * 100}\n>chr2\n{'ACGT' * 50}\n")
    Path("config.yaml").write_text("samples: samples.tsv\nreference:\n  fasta: g.fa\n")
    rows = [
        {"sample": name, "patient": "P", "role": "plasma", "day": day, "bam": f"bams/{name}.bam"}
        for day, name in enumerate(("good", "short", "other"))
    ]
    sheet.write(Path("samples.tsv"), [*rows, {"sample": "N", "role": "normal", "counts": "n.tsv"}])
    for row in rows:
        write_bam(Path(str(row["bam"])), {"chr1": 400, "chr2": 200})
    Path("n.tsv").touch()
    return tmp_path


def checked(root: Path) -> dict[str, str]:
    """The bad samples of the folder."""
    config = preflight.config_of([root / "config/config.yaml", Path("config.yaml")])
    return preflight.bad_samples(preflight.samples_of(config, root), config)


def test_every_bad_file_is_named_in_one_line(repo_root: Path, small: Path) -> None:
    cut = Path("bams/short.bam")
    cut.write_bytes(cut.read_bytes()[:-10])
    write_bam(Path("bams/other.bam"), {"chr1": 401, "chr2": 200})
    found = checked(repo_root)
    assert list(found) == ["short", "other", "N"]
    assert found["short"].startswith("bams/short.bam: truncated: the empty block")
    assert found["other"].startswith(
        "bams/other.bam: chr1 is 401 bp long in its header but the bins end at 400: another genome"
    )
    assert found["N"] == "n.tsv: empty file; copy or make it again"
    assert not any("\n" in line for line in found.values())


def test_whole_files_of_the_reference_are_good(repo_root: Path, small: Path) -> None:
    Path("n.tsv").write_text("chrom\tstart\tend\tcount\n")
    assert checked(repo_root) == {}


def test_every_absent_file_is_named_before_it_stops(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bams/good.bam").unlink()
    Path("n.tsv").unlink()
    assert ctcnv("run", "--config", "config.yaml") == 2
    said = capsys.readouterr().err.splitlines()[1:]
    assert said == [
        "run: error: sample good: bam 'bams/good.bam' is not there; correct the path",
        "run: error: sample N: counts 'n.tsv' is not there; correct the path",
        "ctcnv run: error: samples.tsv: 2 files are not there; nothing was started",
    ]


def test_one_file_under_two_samples_is_refused_with_both(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bams/short.bam").unlink()
    Path("bams/short.bam").symlink_to("good.bam")
    sheet_text = Path("samples.tsv").read_text()
    Path("samples.tsv").write_text(sheet_text.replace("bams/other.bam", "bams/../bams/good.bam"))
    with Path("samples.tsv").open("a") as rows:
        rows.write("hard\t\tnormal\t\tbams/hard.bam\t\t\t\t\n")
    Path("bams/hard.bam").hardlink_to("bams/good.bam")
    assert ctcnv("run", "--config", "config.yaml") == 2
    said = capsys.readouterr().err.splitlines()[1:]
    assert said == [
        "run: error: samples good and short: bam 'bams/good.bam' and 'bams/short.bam' are one "
        "file; correct a path, or delete one of the rows",
        "run: error: samples good and other: bam 'bams/good.bam' and 'bams/../bams/good.bam' are "
        "one file; correct a path, or delete one of the rows",
        "run: error: samples good and hard: bam 'bams/good.bam' and 'bams/hard.bam' are one "
        "file; correct a path, or delete one of the rows",
        "ctcnv run: error: samples.tsv: 3 samples have the file of another; nothing was started",
    ]
    assert not Path("logs").exists()


def test_nothing_is_started_when_no_file_is_good(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in Path("bams").iterdir():
        path.write_bytes(b"\0")
    assert ctcnv("run", "--config", "config.yaml") == 2
    assert "no sample can be used; nothing was started" in capsys.readouterr().err
    assert not Path("logs").exists()


def test_without_a_config_it_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ctcnv("run") == 2
    assert "config/config.yaml is not in this directory; name yours: --config" in (
        capsys.readouterr().err
    )


# What Snakemake is told ------------------------------------------------------------------------


def words(*given: str, root: Path = Path("/r")) -> list[str]:
    """What these flags of ctcnv run become."""
    import argparse

    parser = argparse.ArgumentParser()
    run_step.add_arguments(parser)
    return run_step._words(parser.parse_args(given), root)


def test_cores_are_all_of_the_machine_unless_a_profile_says() -> None:
    looked_at = ["--scheduler-subsample", "200"]
    assert words() == ["--keep-going", *looked_at, "--cores", "all"]
    assert words("--cores", "3") == ["--keep-going", "--cores", "3", *looked_at]
    assert words("--profile", "lab") == ["--keep-going", "--profile", "lab"]


def test_words_after_two_dashes_go_to_snakemake() -> None:
    assert words("-c", "1", "--", "--forcerun", "call")[-2:] == ["--forcerun", "call"]


@pytest.mark.parametrize(
    ("n", "given", "wanted"),
    [
        (200, [], ["--dry-run"]),
        (201, [], ["--quiet", "--forceall", "--dry-run"]),
        (201, ["--", "--quiet", "host"], ["--dry-run"]),
    ],
)
def test_the_plan_of_many_samples_is_a_table_unless_asked(
    n: int, given: list[str], wanted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import argparse

    import pandas as pd

    parser = argparse.ArgumentParser()
    run_step.add_arguments(parser)
    monkeypatch.chdir(tmp_path)
    samples = pd.DataFrame({"sample": [str(i) for i in range(n)]})
    assert run_step._plan(samples, parser.parse_args(given)) == wanted
    Path("results").mkdir()
    wanted = [word for word in wanted if word != "--forceall"]
    assert run_step._plan(samples, parser.parse_args(given)) == wanted, "only what is to be made"


def test_the_profile_of_the_repository_is_found_from_everywhere(
    repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words("--workflow-profile", "profiles/slurm", root=repo_root) == [
        "--keep-going", "--workflow-profile", str(repo_root / "profiles/slurm")
    ]  # fmt: skip


def test_a_python_that_a_job_would_not_find_is_refused_on_a_cluster(repo_root: Path) -> None:
    python = "/home/a lab/.venv/bin/python"
    slurm = ["--workflow-profile", str(repo_root / "profiles/slurm")]
    command = workflow.command(Path(), [Path("c.yaml")], slurm)
    with pytest.raises(ValueError, match=r"^/home/a lab/\S+: a blank .* CTCNV_VENV=") as caught:
        workflow.check_python(command, python)
    assert "\n" not in str(caught.value)
    workflow.check_python(command, "/home/a_lab/.venv/bin/python3.11")
    local = workflow.command(Path(), [Path("c.yaml")], ["--cores", "2"])
    workflow.check_python(local, python)


def test_what_the_image_holds_plans_for_a_user_without_a_home(repo_root: Path, small: Path) -> None:
    Path("n.tsv").write_text("chrom\tstart\tend\tcount\n")
    Path("image").mkdir()
    without = shutil.ignore_patterns("__pycache__")
    for line in (repo_root / ".dockerignore").read_text().splitlines():
        name = line.removeprefix("!")
        if name != line and (repo_root / name).is_dir():
            shutil.copytree(repo_root / name, Path("image") / name, ignore=without)
        elif name != line:
            shutil.copy(repo_root / name, "image")
    environment = {k: v for k, v in ENVIRONMENT.items() if not k.startswith(("XDG_", "MPL"))}
    done = subprocess.run(
        [sys.executable, "-m", "ctcnv", "run", "--config", "config.yaml", "-n"],
        env={**environment, "PYTHONPATH": "image/src", "HOME": os.devnull},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (small / workflow.CACHES / "snakemake").is_dir()


def test_only_what_is_missing_is_set_for_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert workflow.homeless(tmp_path) == {}

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr(workflow.getpass, "getuser", nameless)  # type: ignore[attr-defined]
    assert workflow.homeless(tmp_path) == {"USERNAME": str(os.getuid())}
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull + "/cache")
    ours = str(tmp_path / ".snakemake/ctcnv.cache")
    assert workflow.homeless(tmp_path)["XDG_CACHE_HOME"] == ours


def test_the_command_is_a_list_without_a_shell(repo_root: Path) -> None:
    command = workflow.command(Path("a b; rm"), [Path("c d.yaml")], ["--cores", "1"])
    assert command[command.index("--directory") + 1] == "a b; rm"
    assert command[command.index("--configfile") + 1] == "c d.yaml"
    assert command[command.index("--configfile") + 2].startswith("--")


# What it says ------------------------------------------------------------------------------------

SAID = """\
SLURM run ID: 0f-1
Job stats:
job      count
-----  -------
bins         1
count        2
total        3

rule count:
    jobid: 1
    wildcards: sample=A
Error in rule count:
    jobid: 1
    log: logs/A/count.log (check log file(s) for error details)
Trying to restart job 1.
"""
IN_A_GROUP = """\
    rule count:
        jobid: 4
        wildcards: sample=B
    rule call:
        jobid: 5
        wildcards: sample=B
    jobs:
        rule call:
            jobid: 5
            output: results/samples/B/qc.tsv
            log: logs/B/call.log (check log file(s) for error details)
"""


def heard(text: str) -> workflow.Progress:
    """What is known after these words."""
    progress = workflow.Progress()
    list(progress.read(text.splitlines()))
    return progress


def test_plan_failure_and_cluster_run_are_read_from_the_words_of_snakemake() -> None:
    progress = heard(SAID)
    assert progress.planned == {"bins": 1, "count": 2}
    assert progress.total == 3
    assert progress.cluster_id == "0f-1"
    assert progress.failed == {"count A": "logs/A/count.log"}


def test_a_job_that_a_retry_finishes_has_not_failed() -> None:
    assert heard(SAID + "Finished jobid: 1 (Rule: count)\n1 of 3 steps (33%) done\n").failed == {}


def test_a_job_that_fails_within_a_group_is_known_by_its_sample() -> None:
    assert heard(IN_A_GROUP).failed == {"call B": "logs/B/call.log"}


TURNED_AWAY = """\
Error in rule pon:
    message: SLURM sbatch failed. The error message was 'sbatch: error: Unable to open file x'.
    jobid: 6
    log: logs/reference/pon.log (check log file(s) for error details)
"""


def test_a_job_that_the_scheduler_did_not_take_is_known() -> None:
    assert heard(TURNED_AWAY).refused == 1
    assert heard(IN_A_GROUP).refused == 0


@pytest.mark.parametrize(
    ("rounds", "waits", "code"),
    [
        # jobs done and refused: a start of its own, and the waits begin anew with each job done
        ([(1, 3, 1), (1, 1, 1), (1, 0, 1), (0, 2, 0)], [30, 30, 60], 0),
        # a scheduler that never took a job is asked once, one that stays away a few times
        ([(1, 0, 1)], [], 1),
        ([(1, 3, 1)] + 5 * [(1, 0, 1)], [30, 60, 120, 240, 480], 1),
        # a failure that is none of the scheduler
        ([(1, 3, 0)], [], 1),
    ],
)
def test_a_scheduler_that_is_away_fails_no_sample(
    monkeypatch: pytest.MonkeyPatch, rounds: list[tuple[int, int, int]], waits: list[int], code: int
) -> None:
    left, waited = iter(rounds), []

    def once(command: object, *, quiet: bool) -> tuple[int, workflow.Progress]:
        ended, done, refused = next(left)
        failed = {"count A": "x"} if ended else {}
        return ended, workflow.Progress(failed=failed, done=done, refused=refused)

    monkeypatch.setattr(run_step, "_round", once)
    monkeypatch.setattr(run_step.time, "sleep", waited.append)
    assert run_step._rounds([], quiet=True)[0] == code
    assert (waited, list(left)) == (waits, [])


def test_the_line_of_progress_tells_jobs_failures_and_time_left() -> None:
    progress = workflow.Progress(done=100, total=400, failed={"count A": "x"})
    assert run_step.bar(progress, 60.0) == (
        "run: 100 of 400 jobs, 0:01:00, 1 failed, about 0:03:00 left"
    )
    assert run_step.clock(3 * 3600 + 61) == "3:01:01"


def test_only_whole_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    with path.open("rb") as handle:
        assert list(workflow._new_lines(handle)) == ["one\n"]
        with path.open("ab") as more:
            more.write(b"o\n")
        assert list(workflow._new_lines(handle)) == ["two\n"]


def test_the_reason_of_a_lost_job_is_its_own_or_that_it_was_ended(tmp_path: Path) -> None:
    log = tmp_path / "call.log"
    log.write_text("call: info: x\nctcnv call: error: b.tsv: No space left on device\n")
    assert run_step._last_words(log, "call") == (
        f"call did not finish: b.tsv: No space left on device; see {log}"
    )
    assert "ended from outside" in run_step._last_words(tmp_path / "none", "count")


def test_what_was_given_up_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "given_up.tsv"
    assert sheet.given_up(path) == {}
    sheet.write(path, [{"sample": "A", "step": "count", "reason": "'quoted; $(x)"}],
                columns=sheet.GIVEN_UP)  # fmt: skip
    assert sheet.given_up(path) == {("A", "count"): "'quoted; $(x)"}


def test_patterns_stand_for_a_file_of_each(tmp_path: Path) -> None:
    found = patterns.filled([Path("s/{sample}/q"), Path("x")], sample=["A", "B"], patient=["P"])
    assert found == [Path("s/A/q"), Path("s/B/q"), Path("x")]


def test_the_panel_is_that_of_the_first_run_until_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    assert sheet.panel_of(["N1", "N2"]) == ["N1", "N2"], "nothing was made yet"
    donors = {"sample": ["N1", "N2"], "used": [True, False], "reason": [None, "x"],
              "fragments": [9, 9], "sex": [None] * 2, "noise": [0.1] * 2, "fraction": [0.0] * 2,
              "p_value": [0.5] * 2}  # fmt: skip
    tables.write(Path("results/reference/pon.donors.tsv"), DONORS, pd.DataFrame(donors))
    run_step._pin_panel()
    assert Path(sheet.PANEL).read_text() == "N1\nN2\n"
    assert sheet.panel_of(["N1", "N3", "N2"]) == ["N1", "N2"]
    assert sheet.panel_of(["N7"]) == ["N7"], "nothing of the old panel is left"
    rows = pd.DataFrame({"sample": ["N1", "N2", "N3"], "role": "normal"})
    with caplog.at_level("WARNING", "ctcnv"):
        run_step._tell_panel(rows, new=False)
    assert "the panel stays that of 2 normals; not part of it: N3; --new-panel" in caplog.text


# Two runs, and what a killed one leaves -----------------------------------------------------------


def test_a_second_run_in_a_folder_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    with (
        workflow.held(tmp_path),
        pytest.raises(ValueError, match="a run is going on in"),
        workflow.held(tmp_path),
    ):
        pass
    with workflow.held(tmp_path):
        pass


def test_snakemake_holds_the_folder_when_its_launcher_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ctcnv.cli import workflow\n"
        "with workflow.held(Path()):\n"
        "    workflow.follow([sys.executable, '-c', 'import time; print(1, flush=True);"
        " time.sleep(60)'], Path(), workflow.Progress(), print)\n"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT)
    note = tmp_path / workflow.NOTE
    wait_for(lambda: note.is_file() and "1" in (tmp_path / workflow.WORDS).read_text())
    launcher.kill()
    launcher.wait()
    child = json.loads(note.read_text())["pid"]
    with pytest.raises(ValueError, match="a run is going on"), workflow.held(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: free(tmp_path))


def free(folder: Path) -> bool:
    """Whether a run can start there."""
    try:
        with workflow.held(folder):
            return True
    except ValueError:
        return False


def wait_for(condition, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    """Wait until it holds; fail when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def test_the_lock_of_a_killed_run_is_taken_away_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    lock = tmp_path / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    unlock = [sys.executable, "-c", f"import os; os.remove({str(lock)!r})"]
    workflow.clear(tmp_path, unlock, print)
    assert lock.exists(), "no run of ours was killed here: the lock is of somebody else"
    (tmp_path / workflow.NOTE).write_text('{"pid": 1, "jobs": null}')
    workflow.clear(tmp_path, unlock, print)
    assert not lock.exists()
    assert not (tmp_path / workflow.NOTE).exists()


def test_cluster_jobs_of_a_killed_run_are_cancelled_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "scancel": 'echo "$@" >> cancelled',
        "squeue": "test -e asked && exit 0; touch asked; echo 7",  # at the second look it is gone
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    note = tmp_path / workflow.NOTE
    note.parent.mkdir()
    note.write_text('{"pid": 1, "jobs": "0f-1"}')
    workflow.clear(tmp_path, ["false"], print)
    assert Path("cancelled").read_text() == "--name=0f-1\n" * 2
    assert not note.exists()


def test_jobs_that_slurm_holds_or_lost_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "scancel": 'echo "$@" >> cancelled',
        "squeue": 'echo "$@" > asked; echo "7|PENDING|Priority"; '
        'echo "8|PENDING|launch failed requeued held"',
        "sacct": 'echo "$@" > asked; echo 5',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workflow, "WATCH", 0.3)
    (tmp_path / workflow.NOTE).parent.mkdir()
    (tmp_path / workflow.LOST).write_text("1|CANCELLED\n")  # of an earlier run
    submitted = "".join(
        f"Job 1 has been submitted with SLURM jobid {job} (log: x).\n" for job in (5, 6, 7, 8)
    )
    words = ["sh", "-c", f"echo 'SLURM run ID: 0f-1\n{submitted}'; sleep 3"]
    assert workflow.follow(words, tmp_path, workflow.Progress(), print) == 0
    assert "--name=0f-1" in Path("asked").read_text()
    assert set(Path("cancelled").read_text().split()) == {"8"}
    assert "Slurm holds job 8 (launch failed requeued held)" in caplog.text
    assert Path(workflow.LOST).read_text() == "6|CANCELLED\n"
    assert caplog.text.count("Slurm has lost job 6") == 1


def test_nothing_is_lost_while_slurm_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow, "WATCH", 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    watch = workflow.Watch(tmp_path / "lost")
    for _ in range(workflow.LOOKS):
        watch.look(workflow.Progress(cluster_id="0f-1", submitted={"6"}))
    assert not (tmp_path / "lost").exists()
    assert workflow.with_sacct(workflow.root(), tmp_path) == {}


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("4|COMPLETED\n5|CANCELLED by 0\n", "4|COMPLETED\n5|CANCELLED\n"),
        (f"{'None assigned':256}\n", "\n"),
        (f"{'n1':256}\n", f"{'n1':256}\n"),
        ("", ""),
    ],
)
def test_sacct_speaks_as_the_executor_expects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, heard: str
) -> None:
    (tmp_path / "said").write_text(said)
    sacct = tmp_path / "a dir" / "sacct"
    sacct.parent.mkdir()
    sacct.write_text(f'#!/bin/sh\n[ "$*" = "-j 1 a*" ] || exit 3\ncat "{tmp_path}/said"\n')
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sacct.parent}{os.pathsep}{os.environ['PATH']}")
    environment = {**os.environ, **workflow.with_sacct(workflow.root(), tmp_path)}
    found = shutil.which("sacct", path=environment["PATH"])
    assert found is not None
    assert found != str(sacct)
    monkeypatch.setenv("PATH", environment["PATH"])
    of_a_job = workflow.with_sacct(workflow.root(), tmp_path)
    assert of_a_job["CTCNV_SACCT"] == str(sacct), "and not itself, in a job of a run"
    for words, code, expected in ((["-j", "1", "a*"], 0, heard), (["-j"], 3, "")):
        done = subprocess.run(
            [found, *words], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (code, expected)


def test_the_executor_hears_of_lost_jobs_what_it_asks_for(tmp_path: Path, repo_root: Path) -> None:
    (tmp_path / "lost").write_text("6|CANCELLED\n")
    given = {**os.environ, "CTCNV_SACCT": "echo", "CTCNV_LOST": str(tmp_path / "lost")}
    for words, expected in (
        (["--name", "0f-1"], "6|CANCELLED\n--name 0f-1\n"), (["-j", "6"], "-j 6\n"),
    ):  # fmt: skip
        done = subprocess.run(
            [str(repo_root / "profiles/slurm/bin/sacct"), *words], env=given, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        assert done.stdout == expected


# A sample that fails --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients and three normals, tiny."""
    folder = tmp_path_factory.mktemp("run") / "cohort"
    code = ctcnv("simulate", "--output", str(folder), "--seed", "3", "--scale", "200",
                 "--fragments", "40000", "--normals", "3", "--quiet")  # fmt: skip
    assert code == 0
    path = folder / "samples.tsv"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("P03")]
    path.write_text("\n".join(kept) + "\n")
    with (folder / "config.yaml").open("a") as config:
        config.write(QUICK_CONFIG)
    return folder


@pytest.fixture
def by_hand(repo_root: Path, simulated: Path, tmp_path: Path) -> dict[str, str]:
    """The flags that make the tables of a damaged BAM in a folder of their own."""
    config = str(repo_root / "config/config.yaml")
    bins, genes, bad = tmp_path / "bins.tsv.gz", tmp_path / "genes.tsv", tmp_path / "bad.bam"
    assert ctcnv("bins", "--config", config, "--fasta", str(simulated / "genome.fa"), "--genes",
                 str(simulated / "genes.tsv"), "--output", str(bins), "--output-genes",
                 str(genes)) == 0  # fmt: skip
    whole = (simulated / "bams/N01.bam").read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    return {"config": config, "bins": str(bins), "genes": str(genes), "bad": str(bad)}


def count(folder: Path, given: dict[str, str], *more: str) -> tuple[int | str | None, Path]:
    """Count the damaged BAM."""
    made = folder / "counts.tsv.gz"
    code = ctcnv("count", "--config", given["config"], "--sample", "A", "--bam", given["bad"],
                 "--bins", given["bins"], "--output", str(made), "--output-lengths",
                 str(folder / "lengths.tsv"), "--output-reads", str(folder / "reads.tsv"),
                 *more)  # fmt: skip
    return code, made


def test_by_hand_a_damaged_file_writes_nothing(tmp_path: Path, by_hand: dict[str, str]) -> None:
    code, made = count(tmp_path, by_hand)
    assert code == 2
    assert not made.exists()


def test_a_damaged_file_gives_tables_without_a_value_and_with_the_reason(
    tmp_path: Path, by_hand: dict[str, str]
) -> None:
    code, made = count(tmp_path, by_hand, "--record-failure")
    assert code == 0
    counts = tables.read(made, COUNTS)
    assert len(counts.frame) == 0
    why = counts.require(failure.FAILED)
    assert why.startswith("not counted: bad.bam: truncated")
    assert str(tmp_path) not in why, "tables hold no path of a machine"
    assert tables.preamble(made)[failure.FAILED] == why

    outputs = {
        name: tmp_path / f"{name}.out"
        for name in (
            "profile",
            "segments",
            "fraction",
            "grid",
            "solutions",
            "genes",
            "qc",
            "mutations",
        )
    }
    flags = [word for name, path in outputs.items() for word in (f"--output-{name}", str(path))]
    assert ctcnv("call", "--config", by_hand["config"], "--sample", "A", "--patient", "P", "--day",
                 "0", "--counts", str(made), "--bins", by_hand["bins"], "--genes",
                 by_hand["genes"], "--reads", str(tmp_path / "reads.tsv"), "--lengths",
                 str(tmp_path / "lengths.tsv"), *flags, "--record-failure") == 0  # fmt: skip
    row = tables.read(outputs["fraction"], FRACTION).frame.iloc[0]
    assert row["status"] == "failed"
    assert row["reason"] == why
    assert row[["fraction", "low", "high"]].isna().all()
    quality = tables.read(outputs["qc"], QC).frame.iloc[0]
    assert (quality["status"], quality["reason"]) == ("failed", why)
    assert quality[["reads", "fragments", "noise", "depth"]].isna().all()
    assert set(tables.read(outputs["genes"], GENES).frame["call"]) == {"failed"}


def test_damaged_bins_are_no_failure_of_the_sample(tmp_path: Path, by_hand: dict[str, str]) -> None:
    Path(by_hand["bins"]).write_text("x")
    code, made = count(tmp_path, by_hand, "--record-failure")
    assert code == 2
    assert not made.exists()


def test_a_normal_that_failed_is_left_out_of_the_panel_with_its_reason() -> None:
    import pandas as pd

    from ctcnv import pon

    donors = DONORS.check(
        pd.DataFrame(
            {
                "sample": ["N1"],
                "used": [True],
                "reason": [None],
                "fragments": [9],
                "sex": ["male"],
                "noise": [0.1],
                "fraction": [0.0],
                "p_value": [0.5],
            }
        )
    )
    joined = DONORS.check(pon.with_failed(donors, {"N2": "not counted: x"}))
    assert joined["sample"].tolist() == ["N1", "N2"]
    assert joined["used"].tolist() == [True, False]
    assert pd.isna(joined["fragments"].iloc[1]), "unknown, not zero"


def launch(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run ctcnv run in the folder to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ctcnv", "run", "--config", "config.yaml", "--cores", "2", *more],
        cwd=folder, env=ENVIRONMENT, capture_output=True,
        text=True, check=False, timeout=900,
    )  # fmt: skip


@pytest.mark.slow
def test_a_bad_sample_stops_no_other_and_is_told_everywhere(simulated: Path) -> None:
    folder = simulated.with_name("one bad")
    shutil.copytree(simulated, folder)
    normal, plasma = folder / "bams/N03.bam", folder / "bams/P02_d0.bam"
    normal.write_bytes(normal.read_bytes()[:5000])
    whole = plasma.read_bytes()
    plasma.unlink()
    # Reading it is an error of the machine, not of the file: the job fails, and is given up.
    plasma.symlink_to("/proc/self/mem")
    done = launch(folder)
    assert done.returncode == 1, done.stderr
    assert "7 samples (4 plasma of 2 patients, 3 normals)" in done.stderr
    assert "run: error: sample N03: bams/N03.bam: truncated" in done.stderr
    assert "run: error: sample P02_d0: " in done.stderr
    assert "1 jobs failed; they are tried once more" in done.stderr
    assert "1 samples are given up, the others are finished" in done.stderr
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if line}
    assert (rows["N03"], rows["P02_d0"]) == ("failed", "failed")
    assert "5 ok, 0 not evaluable, 2 failed" in done.stdout
    table = tables.read(folder / "results/qc.tsv", QC).frame.set_index("sample")
    assert table.loc[["N03", "P02_d0"], "status"].tolist() == ["failed", "failed"]
    assert "count did not finish" in table.loc["P02_d0", "reason"]
    for page in ("patients/P02/report.html", "cohort/cohort.html"):
        assert "count did not finish" in (folder / "results" / page).read_text().replace("\n", " ")

    plasma.unlink()
    plasma.write_bytes(whole)
    again = launch(folder)
    assert again.returncode == 1, "N03 is still bad"
    assert "6 ok, 0 not evaluable, 1 failed" in again.stdout
    assert "1 count, " in again.stderr, "only what failed is counted again"
    shutil.copy(simulated / "bams/N03.bam", normal)
    last = launch(folder)
    assert (last.returncode, last.stdout.splitlines()[-1][:34]) == (
        0, "7 ok, 0 not evaluable, 0 failed; s"
    ), last.stderr  # fmt: skip
    idle = launch(folder)
    assert idle.returncode == 0
    assert "everything is there and up to date" in idle.stderr
    shutil.copy(folder / "bams/N01.bam", folder / "bams/N9.bam")
    with (folder / "samples.tsv").open("a") as rows:
        rows.write("N9\t\tnormal\t\tbams/N9.bam\t\t\t\t\n")
    more = launch(folder)
    assert more.returncode == 0, more.stderr
    assert "not part of it: N9" in more.stderr
    assert "run: 4 jobs: 1 count, 1 qc, 1 cohort, 1 all" in more.stderr
    row = tables.read(folder / "results/qc.tsv", QC).frame.set_index("sample").loc["N9"]
    assert (row["status"], row["reason"][:21]) == ("warn", "not part of the panel")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_so_and_goes_on_where_it_was(simulated: Path, number: int) -> None:
    folder = simulated.with_name(f"stopped {number}")
    shutil.copytree(simulated, folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "ctcnv", "run", "--config", "config.yaml", "--cores", "2", "--",
         "results/samples/N01/counts.tsv.gz", "results/samples/N02/counts.tsv.gz"],
        cwd=folder, env=ENVIRONMENT,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: (folder / "logs/reference/bins.log").is_file(), 120)
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 128 + number, said
    assert "start again to go on" in said
    assert not list(folder.rglob("*.part"))
    launch(folder, "--", "results/samples/N01/counts.tsv.gz")
    assert (folder / "results/samples/N01/counts.tsv.gz").is_file()


def test_the_summary_names_what_needs_a_look_and_counts_the_rest() -> None:
    found = [
        summary.Outcome("A", "ok", ""),
        summary.Outcome("B", "failed", "not counted: b.bam: truncated"),
        summary.Outcome("C", "not evaluable", "too few fragments"),
    ]
    text = summary.of_run(found, most=200)
    assert text.splitlines()[:3] == [
        "sample  outcome        reason",
        "B       failed         not counted: b.bam: truncated",
        "C       not evaluable  too few fragments",
    ]
    assert text.splitlines()[-1].startswith("1 ok, 1 not evaluable, 1 failed; see results/qc.tsv")
    assert summary.of_run(found[:1], most=200).startswith("1 ok, 0 not evaluable, 0 failed")
