"""Run the whole workflow on your samples: check, say what will run, follow it, sum it up.

Before anything starts the config, the sample sheet and the header of every BAM and CRAM are looked
at, which takes seconds for a thousand. A sample whose file is bad does not stop the others: it is
named now, and stands as failed in qc.tsv, in its patient's report and on the cohort's page.

Words after -- go to Snakemake as they are: ctcnv run --cores 8 -- --forcerun call. On a cluster:
ctcnv run --workflow-profile profiles/slurm. Exit code: 0 all done, 1 something failed, 2 nothing
was started, 130 or 143 stopped by a signal.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.cli.workflow import Progress

log = logging.getLogger(__name__)

#: Samples that are named one by one at the start and in the summary; the rest are in qc.tsv. The
#: plan of more is shown as a table.
MOST_NAMED = 200
#: Ready jobs that Snakemake looks at when one ends, where no profile says: all of them take the
#: square of their number, and more than these are never started at once on one machine.
LOOKED_AT = 200
#: Seconds before the second try on a cluster: what fails all jobs at once, such as a controller
#: that is away when they are submitted, is often over by then.
PAUSE = 30
#: Seconds before each new start when the scheduler did not take jobs, as while it is away: no job
#: has failed then. Begun anew whenever a job was done meanwhile.
WAITS = (30, 60, 120, 240, 480)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument(
        "--config", type=Path, nargs="+", default=[], metavar="FILE",
        help="laid over the repository's config/config.yaml; default: config/config.yaml of the "
        "directory",
    )  # fmt: skip
    parser.add_argument(
        "--directory", type=Path, default=Path(), metavar="DIR",
        help="where it works and writes results/; paths in config and sheet are relative to it",
    )  # fmt: skip
    parser.add_argument(
        "-c", "--cores", metavar="N", help="default: all of this machine, or what a profile says"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="check, and show the plan")
    parser.add_argument(
        "--new-panel", action="store_true",
        help="make the panel of all normals of the sheet; without it the normals of the first run "
        "stay the panel, and a new one changes no other sample",
    )  # fmt: skip
    parser.add_argument("--profile", metavar="NAME", help="your profile of Snakemake")
    parser.add_argument("--workflow-profile", metavar="DIR", help="profiles/slurm, or one like it")
    parser.add_argument(
        "snakemake", nargs="*", metavar="-- WORDS", help="further arguments of Snakemake"
    )


def run(args: argparse.Namespace) -> int | None:
    """Check, start Snakemake, follow it, sum up."""
    from ctcnv.cli import preflight, summary, workflow
    from ctcnv.io import sheet

    configs = [path.absolute() for path in args.config]
    words = _words(args, workflow.root())
    if not args.directory.is_dir():
        raise ValueError(f"{args.directory}: no such directory")
    os.chdir(args.directory)
    os.environ.update(workflow.homeless(Path()))
    configs = _configs(configs, workflow.root())
    command = workflow.command(Path(), configs, words)
    workflow.check_python(command)
    config = preflight.config_of(configs)
    samples = preflight.samples_of(config, workflow.root(), files=configs)
    bad = _check(samples, config)
    _tell_panel(samples, new=args.new_panel)
    if args.dry_run:
        if args.new_panel and Path(sheet.PANEL).is_file():
            log.info("the plan is that of the panel as it is: it is made anew by a real run")
        return subprocess.run([*command, *_plan(samples, args)], check=False).returncode

    begun = time.monotonic()
    with workflow.held(Path()):
        workflow.clear(Path(), [*command, "--unlock"], log.warning)
        _given_up().unlink(missing_ok=True)  # what an earlier run gave up is tried again
        if args.new_panel:
            Path(sheet.PANEL).unlink(missing_ok=True)
        code, progress = _rounds(command, quiet=args.quiet)
        if _to_go_on(code, progress) and not progress.refused:
            log.warning("%d jobs failed; they are tried once more", len(progress.failed))
            time.sleep(PAUSE if progress.cluster_id else 0)
            code, progress = _rounds(command, quiet=args.quiet)
            lost = _lost(progress, samples) if _to_go_on(code, progress) else {}
            if lost and not progress.refused:
                log.error("%d samples are given up, the others are finished", len(lost))
                _give_up(lost)
                code, progress = _rounds(command, quiet=args.quiet)
        _pin_panel()
    if progress.signal is not None:
        log.error("stopped by %s; start again to go on", signal.Signals(progress.signal).name)
        return 128 + progress.signal
    if progress.total == 0 and code == 0:
        log.info("everything is there and up to date")
    if code and not progress.jobs:
        print("\n".join(progress.failure(Path())), file=sys.stderr)
        return 2
    if code:
        print("\n".join(progress.failure(Path())[: 5 * workflow.TAIL]), file=sys.stderr)
    outcomes = summary.outcomes(Path(), samples)
    print(summary.of_run(outcomes, most=MOST_NAMED))
    log.info("%.0f s; words of Snakemake: %s", time.monotonic() - begun, workflow.WORDS)
    return 1 if code or bad or any(each.outcome == "failed" for each in outcomes) else 0


def _words(args: argparse.Namespace, root: Path) -> list[str]:
    """What Snakemake is told beside the workflow and its config."""
    words = ["--keep-going"]
    if args.profile:
        words += ["--profile", args.profile]
    if args.workflow_profile:
        path = Path(args.workflow_profile)
        # That of the repository is known by its place there, wherever one works.
        found = next((each for each in (path, root / path) if each.is_dir()), None)
        words += ["--workflow-profile", str(found.absolute() if found else path)]
    if args.cores:
        words += ["--cores", args.cores]
    if not (args.profile or args.workflow_profile):
        words += ["--scheduler-subsample", str(LOOKED_AT)]
        words += [] if args.cores else ["--cores", "all"]
    return [*words, *args.snakemake]


def _plan(samples: pd.DataFrame, args: argparse.Namespace) -> list[str]:
    """The words of a dry run: of many samples the table of jobs, and not every job."""
    told = any(word.startswith(("--quiet", "-q")) for word in args.snakemake)
    if told or len(samples) <= MOST_NAMED:
        return ["--dry-run"]
    log.info("%d samples: the plan as a table; each job: -n -- --quiet host", len(samples))
    # Where nothing was made yet everything is to be made: to look for each file takes memory.
    return ["--quiet", *([] if Path("results").is_dir() else ["--forceall"]), "--dry-run"]


def _configs(given: Sequence[Path], root: Path) -> list[Path]:
    """The configs in the order in which they are laid over each other."""
    shipped = root / "config" / "config.yaml"
    if given:
        return [shipped, *given]
    own = Path("config/config.yaml").absolute()
    if not own.is_file():
        raise ValueError(
            "config/config.yaml is not in this directory; name yours: --config FILE, or --directory"
        )
    return [own]


def _check(samples: pd.DataFrame, config: Mapping[str, Any]) -> dict[str, str]:
    """Look at every file; name the bad ones. ValueError when no sample is left."""
    from ctcnv.cli import preflight

    begun = time.monotonic()
    bad = preflight.bad_samples(samples, config)
    plasma = samples[samples["role"] == "plasma"]
    log.info(
        "%d samples (%d plasma of %d patients, %d normals): files checked in %.1f s, %d bad",
        len(samples), len(plasma), plasma["patient"].nunique(), len(samples) - len(plasma),
        time.monotonic() - begun, len(bad),
    )  # fmt: skip
    for name, what in list(bad.items())[:MOST_NAMED]:
        log.error("sample %s: %s", name, what)
    if len(bad) > MOST_NAMED:
        log.error("and %d more", len(bad) - MOST_NAMED)
    if len(bad) == len(samples):
        raise ValueError("no sample can be used; nothing was started")
    return bad


# The panel ---------------------------------------------------------------------------------------


def _tell_panel(samples: pd.DataFrame, *, new: bool) -> None:
    """Name the normals that the panel does not hold."""
    from ctcnv.io import sheet

    normals = samples[samples["role"] == "normal"]["sample"].tolist()
    kept = sheet.panel_of(normals)
    outside = [name for name in normals if name not in kept]
    if outside and not new:
        log.warning(
            "the panel stays that of %d normals; not part of it: %s; --new-panel makes it anew",
            len(kept), ", ".join(outside[:10]) + (", …" if len(outside) > 10 else ""),
        )  # fmt: skip


def _pin_panel() -> None:
    """Note of which normals the panel was made, so that the next one does not change it."""
    from ctcnv.io import sheet, tables
    from ctcnv.schema import DONORS

    donors = Path("results/reference/pon.donors.tsv")
    if donors.is_file() and not Path(sheet.PANEL).is_file():
        names = tables.read(donors, DONORS).frame["sample"]
        tables.write_text(Path(sheet.PANEL), "".join(f"{name}\n" for name in names))


# What failed at each try -----------------------------------------------------------------------


def _given_up() -> Path:
    return Path("results") / "given_up.tsv"


def _round(command: Sequence[str], *, quiet: bool) -> tuple[int, Progress]:
    """Run Snakemake once; gives its exit code and what it said of the jobs."""
    from ctcnv.cli import workflow

    progress = workflow.Progress()
    with _line(progress, quiet=quiet) as (show, idle):
        return workflow.follow(command, Path(), progress, show, idle), progress


def _rounds(command: Sequence[str], *, quiet: bool) -> tuple[int, Progress]:
    """Run Snakemake, and again as long as the scheduler does not take jobs that it took before."""
    code, progress = _round(command, quiet=quiet)
    waits = iter(WAITS if progress.done else ())
    while _to_go_on(code, progress) and progress.refused:
        wait = next(waits, None)
        if wait is None:
            break
        log.warning("the scheduler does not take jobs; in %d s it is asked again", wait)
        time.sleep(wait)
        code, progress = _round(command, quiet=quiet)
        if progress.done:
            waits = iter(WAITS)
    return code, progress


def _to_go_on(code: int, progress: Progress) -> bool:
    """Whether jobs failed, rather than that nobody wants them or that nothing could be started."""
    return code > 0 and bool(progress.failed) and progress.signal is None


def _lost(progress: Progress, samples: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Sample and step of the jobs that failed at each try, with what their logs say."""
    steps = {"count": "count", "import_counts": "import", "call": "call", "sites": "sites"}
    lost = {}
    for job, path in progress.failed.items():
        rule, _, sample = job.partition(" ")
        if rule in steps and sample in samples.index and not _made(rule, sample):
            lost[sample, steps[rule]] = _last_words(Path(path), steps[rule])
    return lost


def _made(rule: str, sample: str) -> bool:
    """Whether the job left its table: of a group that failed some jobs may be done."""
    name = {"call": "qc.tsv", "sites": "sites.tsv.gz"}.get(rule, "counts.tsv.gz")
    return (Path("results/samples") / sample / name).is_file()


def _last_words(path: Path, step: str) -> str:
    """Why a job failed: its own error, or that it was ended from outside."""
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    marker = f"ctcnv {step}: error: "
    found = [line.removeprefix(marker) for line in lines if line.startswith(marker)]
    why = found[-1] if found else "it was ended from outside, by its memory or time or a node"
    return " ".join(f"{step} did not finish: {why}; see {path}".split())


def _give_up(lost: Mapping[tuple[str, str], str]) -> None:
    """Let the workflow write tables that say so for these, in a second round."""
    from ctcnv.io import sheet

    rows = [{"sample": sample, "step": step, "reason": why} for (sample, step), why in lost.items()]
    _given_up().parent.mkdir(parents=True, exist_ok=True)
    sheet.write(_given_up(), rows, columns=sheet.GIVEN_UP)


# One line ----------------------------------------------------------------------------------------


class _line:
    """One line on a terminal that is written over; a line per job where there is none."""

    def __init__(self, progress: Progress, *, quiet: bool) -> None:
        self._progress = progress
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._told = False

    def __enter__(self) -> tuple[Callable[[str], None], Callable[[], None]]:
        return self._job, self._idle

    def __exit__(self, *_: object) -> None:
        if self._terminal and not self._quiet:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _plan(self) -> None:
        if self._progress.planned and not self._told:
            self._told = True
            planned = ", ".join(f"{n} {rule}" for rule, n in self._progress.planned.items())
            if not self._quiet:
                print(f"run: {self._progress.total} jobs: {planned}", file=sys.stderr, flush=True)

    def _job(self, line: str) -> None:
        self._plan()
        if not self._terminal and not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def _idle(self) -> None:
        self._plan()
        if self._terminal and not self._quiet and self._progress.total:
            text = bar(self._progress, time.monotonic() - self._begun)
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def bar(progress: Progress, seconds: float) -> str:
    """The line of progress: jobs done and failed, time passed, and time left at this pace."""
    done, total = progress.done, progress.total
    text = f"run: {done} of {total} jobs, {clock(seconds)}"
    if progress.failed:
        text += f", {len(progress.failed)} failed"
    if done and done < total:
        text += f", about {clock(seconds * (total - done) / done)} left"
    return text


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
