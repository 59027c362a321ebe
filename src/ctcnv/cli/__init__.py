"""The command line: ``ctcnv <step>`` reads files, calls one function and writes files.

Each step is one module of this package with ``add_arguments`` and ``run``. It is imported only
when it is called, so that ``ctcnv --help`` stays fast.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import importlib
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ctcnv import __version__

#: The steps in the order in which they are used; the word is module, log, rule and manual chapter.
STEPS: dict[str, str] = {
    "run": "the whole workflow on your samples: check, run, sum up",
    "demo": "simulate a small cohort and run the whole workflow on it",
    "real": "run the workflow on real serial plasma against real healthy plasma",
    "simulate": "write BAMs, a reference and a sample sheet with known truth",
    "bins": "cut a reference into atoms with GC, callable fraction and mappability",
    "count": "count the fragments of a BAM or CRAM per atom",
    "sites": "reads at common SNPs, by which one person is told from another",
    "import": "bring count tables made elsewhere (wig, TSV) onto the atoms",
    "pon": "build and check the panel of normals",
    "call": "normalize, segment, fraction and genes of one sample in one go",
    "normalize": "observed and expected fragments per atom",
    "segment": "regions of constant ratio",
    "fraction": "tumor fraction and ploidy with intervals",
    "genes": "copy number and amplification call of each gene",
    "track": "change from baseline over a patient's time points",
    "criteria": "published criteria, concurrent alterations and strata of a patient's samples",
    "plot": "figures of a sample for slides and papers",
    "export": "a sample for other programs: SEG, VCF, bedGraph, bigWig, CNVkit",
    "report": "a patient's report as one HTML file",
    "cohort": "all patients: tables, statistics with a clinical table, a page",
    "qc": "one table over all samples, with status and reason",
    "trace": "from a result back to the BAM by checksums: what changed since",
}

#: Modules whose name is not the step's, because the word is reserved in Python.
_MODULES = {"import": "import_"}

log = logging.getLogger("ctcnv")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one step and exit: 0 done, 2 wrong input (one line says which), 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        _say(_overview())
    if words[0] in ("-V", "--version"):
        _say(f"ctcnv {__version__}")
    step = words[0]
    if step not in STEPS:
        _fail(f"{step!r} is not a step; one of: {', '.join(STEPS)}")
    # Threads of the linear algebra would change the order of its sums, and so the last digits, with
    # the number of cores; the matrices are too small to gain by them.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
    # The libraries make half a million objects that stay; to look through them for garbage again
    # and again would be a tenth of the start.
    gc.set_threshold(100_000, 20, 100)
    # Nor once more on the way out, where all of them go.
    atexit.register(gc.freeze)
    module = importlib.import_module(f"ctcnv.cli.{_MODULES.get(step, step)}")
    parser = _Parser(
        prog=f"ctcnv {step}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors")
    module.add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    _set_up_logging(step, quiet=arguments.quiet)
    log.info("ctcnv %s: ctcnv %s", __version__, shlex.join(words))
    # The scheduler ends a job with SIGTERM: leave through the same door as an error, so that
    # temporary files go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _check_names(arguments)
        _check_outputs(arguments)
        code = module.run(arguments)
    except KeyboardInterrupt:
        log.error("interrupted")
        raise SystemExit(130) from None
    except BrokenPipeError:
        _close_stdout()
        raise SystemExit(141) from None
    except (ValueError, OSError) as error:
        if os.environ.get("CTCNV_TRACEBACK"):
            raise
        _fail(one_line(error), step=step)
    raise SystemExit(code or 0)


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        _fail(f"{message}; {self.prog} --help tells the options", step=self.prog.split()[-1])


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse a file that could not be written before anything is computed or another is written."""
    for key, value in vars(arguments).items():
        for path in value if isinstance(value, list) else [value]:
            if not (key.startswith("output") and isinstance(path, Path)):
                continue
            folder = path if path.is_dir() else path.parent
            while not folder.exists():
                folder = folder.parent
            if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
                raise ValueError(
                    f"--{key.replace('_', '-')} is {_shortened(str(path))!r}, but nothing can be "
                    f"written to {_shortened(str(folder))!r}; name another folder"
                )


def _check_names(arguments: argparse.Namespace) -> None:
    """Refuse a sample or a patient whose name no sheet may have: it goes into paths and pages."""
    from ctcnv.schema import NAME_LENGTH, NAME_PATTERN

    for key in ("sample", "samples", "patient"):
        given = getattr(arguments, key, None)
        for name in given if isinstance(given, list) else [given]:
            fits = re.fullmatch(NAME_PATTERN, str(name)) and len(str(name)) <= NAME_LENGTH
            if isinstance(name, str) and not fits:
                raise ValueError(
                    f"--{key} is {_shortened(name)!r}; use letters, digits, '.', '_' and '-', "
                    f"starting with a letter or digit, {NAME_LENGTH} at most"
                )


def _say(text: str) -> NoReturn:
    """Print and leave; a reader that closes the pipe early (``| head``) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _close_stdout()
    raise SystemExit(0)


def _close_stdout() -> None:
    """Send what is left in the buffer nowhere, so that the interpreter does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(error: Exception) -> str:
    """The message of an error in one line, with the file of an OSError named.

    What is not to be printed (the name of a file may command a terminal) becomes a mark.
    """
    said = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        said = f"{_shortened(str(error.filename))}: {error.strerror}"
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in
                    " ".join(said.split()))  # fmt: skip
    return shown or type(error).__name__


def _shortened(name: str, most: int = 300) -> str:
    """A file name for a message, without the middle of one that no one could read."""
    return name if len(name) <= most else f"{name[: most // 2]}...{name[-most // 2 :]}"


def _fail(message: str, *, step: str | None = None) -> NoReturn:
    prefix = f"ctcnv {step}" if step else "ctcnv"
    with contextlib.suppress(OSError):  # the disk of the log is full
        print(f"{prefix}: error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(2)


def _overview() -> str:
    width = max(map(len, STEPS))
    lines = [
        "ctcnv: copy number and tumor fraction from shallow plasma sequencing.",
        "",
        "Usage: ctcnv STEP [options]        ctcnv STEP --help tells the options of a step",
        "",
        "Steps, in the order in which they are used:",
        *(f"  {step:<{width}}  {text}" for step, text in STEPS.items()),
        "",
        "A whole cohort: edit config/samples.tsv and config/config.yaml, then ctcnv run.",
        "For research use only; not for diagnosis.",
    ]
    return "\n".join(lines)


def _set_up_logging(step: str, *, quiet: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"{step}: %(levelname)s: %(message)s"))
    handler.addFilter(_lower_level_names)
    root = logging.getLogger("ctcnv")
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING if quiet else logging.INFO)


def _lower_level_names(record: logging.LogRecord) -> bool:
    record.levelname = record.levelname.lower()
    return True
