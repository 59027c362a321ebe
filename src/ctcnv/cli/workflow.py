"""Run the repository's workflow in a directory, with one line per finished job.

Shared by ``ctcnv demo`` and ``ctcnv real``; for data of your own, call snakemake.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ctcnv

#: Lines of a failed job's log, or of Snakemake's own words, that are shown.
TAIL = 15


def root() -> Path:
    """The repository that this package is run from; ValueError when it is installed without it."""
    found = Path(ctcnv.__file__).resolve().parents[2]
    if not (found / "Snakefile").is_file():
        raise ValueError(
            "the workflow is not part of an installed package; "
            "run ./ctcnv in a clone of the repository"
        )
    return found


def run(directory: Path, *, config: Path, cores: int) -> int:
    """Run the workflow in ``directory`` with ``config`` laid over the repository's config.yaml.

    Gives Snakemake's exit code; what failed is shown on stderr.
    """
    repository = root()
    command = [
        sys.executable, "-m", "snakemake",
        "--snakefile", str(repository / "Snakefile"),
        "--directory", str(directory),
        "--cores", str(cores),
        "--scheduler", "greedy",
        "--rerun-incomplete",
        "--nocolor",
        "--configfile", str(repository / "config" / "config.yaml"), str(config),
    ]  # fmt: skip
    progress = Progress()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in progress.read(process.stdout):
            print(line, file=sys.stderr, flush=True)
    if process.returncode:
        print("\n".join(progress.failure(directory)), file=sys.stderr)
    return process.returncode


@dataclass
class Progress:
    """What Snakemake's messages say about jobs: which one finished, and which one failed."""

    said: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> Iterator[str]:
        """A line ``k of n: rule name`` for each finished job."""
        rule = job = ""
        erring = False
        for line in map(str.rstrip, lines):
            self.said.append(line)
            if match := re.match(r"(Error in |local)?rule (\w+):", line):
                erring = match[1] == "Error in "
                rule = match[2]
            elif match := re.match(r" +jobid: (\d+)", line):
                job = match[1]
                self.jobs.setdefault(job, rule)
            elif match := re.match(r" +wildcards: (.+)", line):
                self.jobs[job] = f"{rule} {re.sub(r'[a-z]+=', '', match[1])}"
            elif erring and (match := re.match(r" +log: (.+?)(?: \(check log.*)?$", line)):
                self.failed.append((self.jobs.get(job, rule), match[1]))
            elif match := re.match(r"Finished jobid: (\d+)", line):
                job = match[1]
            elif match := re.match(r"(\d+) of (\d+) steps", line):
                yield f"  {match[1]:>3} of {match[2]}: {self.jobs.get(job, '?')}"

    def failure(self, directory: Path) -> list[str]:
        """What to show of a failed run: the end of each failed job's log, or the last words."""
        if not self.failed:
            words = [line for line in self.said if line.strip()]
            return ["The workflow did not start:", *(f"  {line}" for line in words[-TAIL:])]
        shown = []
        for job, log in self.failed:
            path = directory / log
            text = path.read_text(errors="replace") if path.is_file() else "(it wrote no log)"
            shown.append(f"{job} failed; the end of {path}:")
            shown.extend(f"  {line}" for line in text.splitlines()[-TAIL:])
        return shown
