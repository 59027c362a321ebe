"""The programs of ``profiles/cluster-generic`` with stand-ins of the schedulers' commands.

SGE by itself: tests/slurm/test_sge.py, Slurm: tests/slurm/test_slurm.py. For PBS and LSF there is
nothing but their documented answers, and those that others quote.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = """#!/bin/sh
# properties = {asked}
{command} && exit 0 || exit 1
"""


class Site:
    """A folder in which a scheduler's commands answer what a test wants."""

    def __init__(self, folder: Path, profile: Path, scheduler: str) -> None:
        self.folder, self.profile = folder, profile
        self.environment = {
            **os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CTCNV_SCHEDULER": scheduler,
        }  # fmt: skip
        (folder / "bin").mkdir(parents=True)

    def answers(self, command: str, said: str, code: int = 0) -> None:
        """A command that notes its words, environment and input, and says this."""
        path = self.folder / "bin" / command
        path.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{command}.words\n[ -t 0 ] || cat >{command}.input\n"
            f"env >{command}.env\nprintf '%s\\n' {shlex.quote(said)}\nexit {code}\n"
        )
        path.chmod(0o755)

    def runs(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """What a program of the profile says."""
        return subprocess.run(
            [self.profile / program, *words], cwd=self.folder, env=self.environment, text=True,
            capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip

    def status(self, number: str) -> str:
        """What the profile says of a job."""
        return self.runs("status", number).stdout.strip()

    def submit(self, asked: dict[str, object], command: str = "true") -> str:
        """The number of a job that is submitted."""
        path = self.folder / "script"
        path.write_text(SCRIPT.format(asked=json.dumps(asked), command=command))
        done = self.runs("submit", str(path))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def words(self, command: str) -> str:
        """The words a command got, as one line."""
        return shlex.join((self.folder / f"{command}.words").read_text().splitlines())


@pytest.fixture
def site(tmp_path: Path, repo_root: Path, request: pytest.FixtureRequest) -> Site:
    return Site(tmp_path / "a folder", repo_root / "profiles/cluster-generic", request.param)


PON = {"rule": "pon", "threads": 2, "resources": {"mem_mb": 3040, "runtime": 61}}
EACH = [
    ("slurm", "sbatch", "17;main", "17",
     "--parsable --job-name=ctcnv-pon --output=logs/cluster/%j.log --cpus-per-task=2 --mem=3040"
     " --time=61"),
    # SGE writes a warning to the same place when a word is given twice
    ("sge", "qsub", 'qsub: warning: "-pe" option has already been set\n17', "17",
     "-terse -cwd -V -S /bin/sh -N ctcnv-pon -j y -o logs/cluster -l h_vmem=2120M -l h_rt=3660"
     " -pe smp 2"),
    ("pbs", "qsub", "17.server", "17.server",
     "-V -S /bin/sh -N ctcnv-pon -j oe -o logs/cluster -l select=1:ncpus=2:mem=3040mb"
     " -l walltime=1:01:00"),
    ("lsf", "bsub", "Job <17> is submitted to default queue <normal>.", "17",
     "-J ctcnv-pon -oo logs/cluster/%J.log -n 2 -R 'span[hosts=1] rusage[mem=3040MB]' -M 3040MB"
     " -W 61"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("site", "command", "said", "number", "words"), EACH, indirect=["site"],
    ids=[each[0] for each in EACH],
)  # fmt: skip
def test_a_job_is_submitted_with_what_it_asks_for(
    site: Site, command: str, said: str, number: str, words: str
) -> None:
    site.answers(command, said)
    assert site.submit(PON) == f"{number}\n"
    assert site.words(command) == words
    environment = (site.folder / f"{command}.env").read_text()
    assert "\nOPENBLAS_NUM_THREADS=2\n" in f"\n{environment}"
    # a site's own words come last, and may name what the job asks for
    site.environment["CTCNV_SUBMIT"] = "-q long -P 'a lab' -x {threads}:{mem_mb}:{select}"
    site.submit(PON)
    assert site.words(command).endswith(" -q long -P 'a lab' -x '2:3040:{select}'")


@pytest.mark.parametrize("site", ["sge"], indirect=True)
def test_a_site_names_its_memory_and_parallel_environment(site: Site) -> None:
    site.answers("qsub", "17")
    site.environment["CTCNV_SUBMIT"] = "-l mem_free={slot_mb}M -pe threaded {threads}"
    site.submit(PON)
    assert site.words("qsub").endswith("-l h_rt=3660 -pe smp 2 -l mem_free=1520M -pe threaded 2")
    assert "h_vmem" not in site.words("qsub")


@pytest.mark.parametrize("site", ["pbs"], indirect=True)
def test_names_of_pbs_have_at_most_15_characters(site: Site) -> None:
    site.answers("qsub", "17.server")
    site.submit({**PON, "rule": "import_counts"})
    assert "-N ctcnv-import_co " in site.words("qsub")


@pytest.mark.parametrize("site", ["sge", "pbs", "lsf", "slurm"], indirect=True)
def test_a_scheduler_that_takes_no_job_says_so(site: Site) -> None:
    for command in ("qsub", "bsub", "sbatch"):
        site.answers(command, "Unable to run job: denied.")
    (site.folder / "script").write_text(SCRIPT.format(asked=json.dumps(PON), command="true"))
    done = site.runs("submit", "script")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "gave no job (exit code 0): Unable to run job: denied." in done.stderr


GONE = {
    "sge": [("qstat", "Following jobs do not exist: \n17", 1)],
    "pbs": [
        ("qstat", "qstat: Unknown Job Id 17.server", 153),  # without a history, its default
        ("qstat", "qstat: 17.server Job has finished, use -x or -H to obtain historical job"
         " information", 35),
        ("qstat", "Job Id: 17.server\n    Job_Name = ctcnv-pon\n    job_state = C", 0),  # Torque
    ],
    "lsf": [("bjobs", "Job <17> is not found", 255)],
}  # fmt: skip
NUMBERS = {"sge": "JOB_ID", "pbs": "PBS_JOBID", "lsf": "LSB_JOBID"}


@pytest.mark.parametrize("site", list(GONE), indirect=True)
def test_a_job_that_is_gone_is_what_it_noted_of_its_end(site: Site) -> None:
    scheduler = site.environment["CTCNV_SCHEDULER"]
    command = "bsub" if scheduler == "lsf" else "qsub"
    site.answers(command, "Job <17> is submitted" if scheduler == "lsf" else "17")
    for what, expected in (("true", "success"), ("false", "failed")):
        number = site.submit(PON, what).strip()
        subprocess.run(
            ["/bin/sh"], input=(site.folder / f"{command}.input").read_text(), text=True,
            env={**site.environment, NUMBERS[scheduler]: number}, check=False, timeout=60,
        )  # fmt: skip
        for answer in GONE[scheduler]:
            site.answers(*answer)
            assert site.status(number) == expected
    # killed: nothing is noted, which on a shared file system may only seem so for a while
    (site.folder / "logs/cluster/17.exit").unlink()
    assert [site.status("17"), site.status("17")] == ["running", "running"]
    since = time.time() - 181
    os.utime(site.folder / "logs/cluster/17.exit.missing", (since, since))
    assert site.status("17") == "failed"


RUNNING = {
    "sge": [
        ("qstat", "job_number:                 17\nexec_file:                  job_scripts/17", 0),
        ("qstat", "error: commlib error: got select error (Connection refused)\nerror: unable to"
         " send message to qmaster using port 6444 on host \"m\": got send error", 1),
    ],
    "pbs": [
        ("qstat", "Job Id: 17.server\n    job_state = R\n    comment = Job run at F", 0),
        ("qstat", "Job Id: 17.server\n    job_state = Q", 0),
        ("qstat", "qstat: cannot connect to server s (errno=15010)", 255),
    ],
    "lsf": [("bjobs", "RUN", 0), ("bjobs", "PEND", 0), ("bjobs", "UNKWN", 0),
            ("bjobs", "LSF is down. Please wait ...", 255)],
}  # fmt: skip


@pytest.mark.parametrize("site", list(RUNNING), indirect=True)
def test_what_cannot_be_told_is_running(site: Site) -> None:
    for answer in RUNNING[site.environment["CTCNV_SCHEDULER"]]:
        site.answers(*answer)
        assert site.status("17") == "running", answer
    assert not (site.folder / "logs").exists()


@pytest.mark.parametrize("site", ["lsf"], indirect=True)
def test_lsf_says_how_a_job_ended(site: Site) -> None:
    for said, expected in (("DONE", "success"), ("EXIT", "failed")):
        site.answers("bjobs", said)
        assert site.status("17") == expected


@pytest.mark.parametrize("site", ["sge"], indirect=True)
def test_a_job_in_error_is_deleted_and_failed(site: Site) -> None:
    site.answers("qstat", "job_number:      17\nerror reason          1:      can't chdir to /x")
    site.answers("qdel", "root has deleted job 17")
    assert site.status("17") == "failed"
    assert site.words("qdel") == "17"
