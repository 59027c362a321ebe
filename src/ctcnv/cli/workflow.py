"""Run the repository's workflow in a directory and follow what it says.

Shared by ``ctcnv run``, ``ctcnv demo`` and ``ctcnv real``. Snakemake is started with a list of
arguments, never by a shell. Its words go to a file and are read from there: a launcher that dies,
or a terminal that is closed, takes nothing away from under it.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import ctcnv

log = logging.getLogger(__name__)

#: Lines of a failed job's log, or of Snakemake's own words, that are shown.
TAIL = 15
#: Snakemake's words of the latest run, below its directory.
WORDS = Path("logs") / "run.log"
#: Held by a run and by its Snakemake, so that nothing else starts while either lives.
LOCK = Path(".snakemake") / "ctcnv.lock"
#: What a run notes of itself for the next one, as long as it has not ended.
NOTE = Path(".snakemake") / "ctcnv.run.json"
#: Seconds between two looks at what Snakemake said.
PAUSE = 0.2
#: What Snakemake says of a job that the scheduler did not take.
REFUSED = re.compile(r"SLURM sbatch failed|[Jj]ob submission failed|Error submitting jobscript")
#: Why Slurm keeps a job that it could not start, until somebody releases it.
HELD = "launch failed requeued held"
#: Seconds between two looks for such jobs, and for those that Slurm does not know.
WATCH = 60
#: Looks after which a job that neither squeue nor sacct knows is taken for lost. The accounting may
#: lag behind; a job that is submitted again for nothing makes the same files.
LOOKS = 3
#: Caches of a user whose own cannot be written.
CACHES = Path(".snakemake") / "ctcnv.cache"
#: Jobs of a run that are lost, as lines of sacct.
LOST = Path(".snakemake") / "ctcnv.lost"
#: Seconds that the jobs of an earlier run have to end after they were cancelled.
CANCEL_SECONDS = 120


def root() -> Path:
    """The repository that this package is run from; ValueError when it is installed without it."""
    found = Path(ctcnv.__file__).resolve().parents[2]
    if not (found / "Snakefile").is_file():
        raise ValueError(
            "the workflow is not part of an installed package; "
            "run ./ctcnv in a clone of the repository"
        )
    return found


def command(directory: Path, configs: Sequence[Path], more: Sequence[str]) -> list[str]:
    """Snakemake's command line; ``configs`` are laid over each other."""
    # Snakemake takes every word that follows --configfile, so it stands before another flag.
    return [
        sys.executable, "-m", "snakemake",
        "--snakefile", str(root() / "Snakefile"),
        "--directory", str(directory),
        "--configfile", *map(str, configs),
        "--scheduler", "greedy",
        "--rerun-incomplete",
        "--nocolor",
        *more,
    ]  # fmt: skip


def check_python(words: Sequence[str], python: str = sys.executable) -> None:
    """Refuse a Python that the jobs of a cluster would not find.

    Snakemake and its plugin for Slurm write the path into a job as it is, without quotes, and no
    setting of theirs changes that. ``words`` is Snakemake's command line. Raises ValueError.
    """
    if shlex.quote(python) == python:
        return
    from snakemake.cli import parse_args  # seconds; and only it knows every place of a profile

    executor = parse_args(list(words[3:]))[1].executor
    if executor not in (None, "local", "dryrun", "touch"):
        raise ValueError(
            f"{python}: a blank or another sign that a shell takes apart is in this path, and jobs "
            f"of the executor {executor} would not find it; build the environment elsewhere: "
            "CTCNV_VENV=/shared/envs/ctcnv ./ctcnv --version"
        )


def homeless(directory: Path) -> dict[str, str]:
    """What is to be set for a user without a home that can be written to, or without a name.

    Snakemake starts with neither; numba would compile and Matplotlib look for fonts in every job.
    Such users are those of services, and of ``docker run --user``. ``directory`` is worked in.
    """
    given = {}
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    with contextlib.suppress(OSError):
        os.makedirs(cache, exist_ok=True)
    if not (os.path.isabs(cache) and os.access(cache, os.W_OK | os.X_OK)):
        ours = (directory / CACHES).absolute()
        given = {"XDG_CACHE_HOME": str(ours), "MPLCONFIGDIR": str(ours / "matplotlib")}
    try:
        getpass.getuser()
    except (KeyError, OSError):  # before Python 3.13, and from it on
        given["USERNAME"] = str(os.getuid())
    return given


def run(directory: Path, *, config: Path, cores: int) -> int:
    """Run the workflow in ``directory`` with ``config`` laid over the repository's config.yaml.

    Gives Snakemake's exit code; what failed is shown on stderr.
    """
    progress = Progress()
    os.environ.update(homeless(directory))
    configs = [root() / "config" / "config.yaml", config.absolute()]
    with held(directory):
        code = follow(
            command(directory, configs, ["--cores", str(cores)]), directory, progress,
            lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
    if code:
        print("\n".join(progress.failure(directory)), file=sys.stderr)
    return code


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keep other runs out of ``directory``; ValueError when one is going on there."""
    path = directory / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"a run is going on in {directory} (its words: {directory / WORDS}); wait for its "
                "end, or stop it first"
            ) from None
        except OSError:
            pass  # a file system without locks; Snakemake has one of its own
        os.set_inheritable(handle.fileno(), True)
        (directory / WORDS).unlink(missing_ok=True)
        yield


def follow(
    words: Sequence[str], directory: Path, progress: Progress, show: Callable[[str], None],
    idle: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Run Snakemake to its end; gives its exit code.

    ``show`` gets a line for each finished job, ``idle`` is called between two looks. SIGINT and
    SIGTERM are passed on: to all of its processes as a terminal does, or to Snakemake alone, which
    then waits for the jobs that run.
    """
    path = directory / WORDS
    path.parent.mkdir(parents=True, exist_ok=True)
    note = directory / NOTE
    with path.open("ab") as out, path.open("rb") as said:
        said.seek(0, os.SEEK_END)  # behind the words of an earlier round
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True, close_fds=False,
        )  # fmt: skip
        _note(note, process.pid, progress)
        known, watch = progress.cluster_id, Watch(directory / LOST)
        with _passed_on(process, progress):
            running = True
            while running:
                running = process.poll() is None
                for line in progress.read(_new_lines(said)):
                    show(line)
                if progress.cluster_id != known:
                    known = progress.cluster_id
                    _note(note, process.pid, progress)
                idle()
                watch.look(progress)
                if running:
                    time.sleep(PAUSE)
    note.unlink(missing_ok=True)
    return process.returncode


def with_sacct(repository: Path, directory: Path) -> dict[str, str]:
    """What is to be set where Slurm is, so that the repository's sacct stands before Slurm's own.

    The workflow sets it for the Snakemake that reads it, however that was started; ``directory`` is
    where that works.
    """
    ours = str(repository / "profiles" / "slurm" / "bin")
    others = [path for path in os.get_exec_path() if path != ours]  # a job of a run has it first
    sacct = shutil.which("sacct", path=os.pathsep.join(others))
    if sacct is None:
        return {}
    return {
        "PATH": os.pathsep.join([ours, *others]), "CTCNV_SACCT": sacct,
        "CTCNV_LOST": str((directory / LOST).absolute()),
    }  # fmt: skip


def _note(path: Path, pid: int, progress: Progress) -> None:
    from ctcnv.io.tables import write_text

    write_text(path, json.dumps({"pid": pid, "jobs": progress.cluster_id}))


def _new_lines(handle: IO[bytes]) -> Iterator[str]:
    """The whole lines written since the last look; the rest of a line is waited for."""
    while line := handle.readline():
        if not line.endswith(b"\n"):
            handle.seek(-len(line), os.SEEK_CUR)
            return
        yield line.decode(errors="replace")


@contextlib.contextmanager
def _passed_on(process: subprocess.Popen[bytes], progress: Progress) -> Iterator[None]:
    """Pass SIGINT and SIGTERM on to Snakemake while it runs."""

    def interrupt(*_: object) -> None:
        progress.signal = signal.SIGINT
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)

    def terminate(*_: object) -> None:
        progress.signal = signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            process.terminate()

    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGINT, interrupt), (signal.SIGTERM, terminate))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def clear(directory: Path, unlock: Sequence[str], say: Callable[[str], None]) -> None:
    """Make good what a run left behind that was killed: its cluster jobs and Snakemake's lock.

    To be called while ``held``. Jobs that go on would write the files that the new run writes.
    Raises ValueError when they do not end.
    """
    note = directory / NOTE
    if not note.is_file():
        return
    try:
        jobs = json.loads(note.read_text()).get("jobs")
    except (ValueError, AttributeError):
        jobs = None
    if jobs and re.fullmatch(r"[\w-]+", jobs) and shutil.which("scancel"):
        say("an earlier run was killed; its cluster jobs are cancelled")
        _cancel(jobs)
    if any((directory / ".snakemake" / "locks").glob("*")):
        say("an earlier run was killed; its lock is taken away")
        done = subprocess.run(unlock, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"snakemake --unlock: {' '.join(done.stderr.split())[-300:]}")
    note.unlink(missing_ok=True)


def _cancel(name: str) -> None:
    """Cancel the Slurm jobs of this name and wait until none is left."""
    end = time.monotonic() + CANCEL_SECONDS
    while time.monotonic() < end:
        try:
            subprocess.run(["scancel", f"--name={name}"], capture_output=True, timeout=30,
                           check=False)  # fmt: skip
            left = subprocess.run(
                ["squeue", "--noheader", f"--name={name}", "--format=%i"], capture_output=True,
                text=True, timeout=30, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            continue
        if left.returncode == 0 and not left.stdout.strip():
            return
        time.sleep(1)
    raise ValueError(
        f"the cluster jobs of an earlier run do not end; see squeue --name={name}, then start again"
    )


class Watch:
    """Looks once a minute for jobs of Slurm that the executor would wait for for ever.

    Slurm holds a job that it could not start, until somebody releases it: it is cancelled. And a
    controller that dies forgets the jobs of its last seconds: they are written to ``lost``, from
    which the executor hears that they were cancelled. Both are then submitted anew.
    """

    def __init__(self, lost: Path) -> None:
        self._lost = lost
        self._lost.unlink(missing_ok=True)
        self._looked = time.monotonic()
        self._unknown: dict[str, int] = {}

    def look(self, progress: Progress) -> None:
        """Look, when it is time to."""
        name = progress.cluster_id
        if name is None or time.monotonic() < self._looked + WATCH:
            return
        self._looked = time.monotonic()
        queue = _answer("squeue", "--noheader", "--states=all", f"--name={name}",
                        "--format=%A|%T|%r")  # fmt: skip
        account = _answer("sacct", "-X", "--noheader", "--parsable2", "--format=JobIdRaw",
                          "--starttime=now-30days", f"--name={name}")  # fmt: skip
        if queue is None or account is None:
            return
        for job, state, why in (line.split("|", 2) for line in queue):
            if state == "PENDING" and HELD in why:
                log.warning("Slurm holds job %s (%s); it is cancelled, to be tried again", job, why)
                _answer("scancel", job)
        known = {*account, *(line.partition("|")[0] for line in queue)}
        self._unknown = {job: self._unknown.get(job, 0) + 1 for job in progress.submitted - known}
        lost = sorted(job for job, looks in self._unknown.items() if looks >= LOOKS)
        for job in (job for job in lost if self._unknown[job] == LOOKS):
            log.warning("Slurm has lost job %s; it is tried again", job)
        if lost:
            from ctcnv.io.tables import write_text

            write_text(self._lost, "".join(f"{job}|CANCELLED\n" for job in lost))


def _answer(*words: str) -> list[str] | None:
    """The lines that a command prints; None when it fails, takes too long or is not there."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.splitlines()


@dataclass
class Progress:
    """What Snakemake's messages say about jobs: which one finished, and which one failed."""

    said: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    jobs: dict[str, str] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    refused: int = 0
    submitted: set[str] = field(default_factory=set)
    cluster_id: str | None = None
    signal: int | None = None
    _rule: str = ""
    _job: str = ""
    _erring: bool = False
    _planning: bool = False

    def read(self, lines: Iterable[str]) -> Iterator[str]:
        """A line ``k of n: rule name`` for each finished job."""
        for line in map(str.rstrip, lines):
            self.said.append(line)
            if self._planning:
                self._planning = self._plan(line)
            elif line == "Job stats:":
                self._planning, self.planned = True, {}
            elif match := re.match(r"(Error in |local| {8}| {4})?rule (\w+):", line):
                # Eight blanks: a job of a group that failed; four: of one that begins.
                self._erring = match[1] in ("Error in ", 8 * " ")
                self._rule = match[2]
            elif match := re.match(r" +jobid: (\d+)", line):
                self._job = match[1]
                self.jobs.setdefault(self._job, self._rule)
            elif match := re.match(r" +wildcards: (.+)", line):
                self.jobs[self._job] = f"{self._rule} {re.sub(r'[a-z]+=', '', match[1])}"
            elif self._erring and (
                match := re.match(r" +log: (.+?)(?: \(check log.*)?$", line)
            ):  # of a job that fails at each try, the last
                self.failed[self.jobs.get(self._job, self._rule)] = match[1].split(", ")[0]
            elif match := re.match(r"Finished jobid: (\d+)", line):
                self._job, self._erring = match[1], False
                # Of a job that a retry has finished nothing is left to say.
                self.failed.pop(self.jobs.get(self._job, ""), None)
            elif match := re.match(r"(\d+) of (\d+) steps", line):
                self.done, self.total = int(match[1]), int(match[2])
                yield f"  {match[1]:>3} of {match[2]}: {self.jobs.get(self._job, '?')}"
            elif match := re.search(r"has been submitted with SLURM jobid (\d+) ", line):
                self.submitted.add(match[1])
            elif REFUSED.search(line):
                self.refused += 1
            elif match := re.match(r"SLURM run ID: (\S+)", line):
                self.cluster_id = match[1]

    def _plan(self, line: str) -> bool:
        """A line of the table of jobs; whether it goes on."""
        if match := re.fullmatch(r"(\w+) +(\d+)", line):
            if match[1] == "total":
                self.total = int(match[2])
                return False
            self.planned[match[1]] = int(match[2])
        return True

    def failure(self, directory: Path) -> list[str]:
        """What to show of a failed run: the end of each failed job's log, or the last words."""
        if not self.failed:
            words = [line for line in self.said if line.strip()]
            what = "stopped" if self.jobs else "did not start"
            return [f"The workflow {what}:", *(f"  {line}" for line in words[-TAIL:])]
        shown = []
        for job, name in self.failed.items():
            path = directory / name
            text = path.read_text(errors="replace") if path.is_file() else "(it wrote no log)"
            shown.append(f"{job} failed; the end of {path}:")
            shown.extend(f"  {line}" for line in text.splitlines()[-TAIL:])
        return shown
