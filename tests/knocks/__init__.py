"""Hard knocks: what breaks in practice, tried on the commands as a user runs them.

Each knock is one row of docs/reliability.md: what is tried, what is expected, and what was seen.
The tests run the knocks; ``python -m tests.knocks`` runs them and writes the page.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ctcnv import cli

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config" / "config.yaml"
#: Seconds after which a command counts as one that hangs; each takes far less than one.
HANGS = 60


class Hung(BaseException):
    """A command that did not end in time; no step may catch it."""


@dataclass(frozen=True)
class Said:
    """How a command ended: exit code (None: with a traceback), and its last line of error."""

    code: int | None
    error: str

    @property
    def refused(self) -> bool:
        """Whether it ended as a wrong input should: code 2 and one line."""
        return self.code == 2 and bool(self.error) and "\n" not in self.error


@dataclass(frozen=True)
class Knock:
    """One row of the page. ``run`` works in an empty folder, which is the working directory, raises
    AssertionError when what it sees is not what is expected, and gives what it saw in words."""

    name: str
    tried: str
    expected: str
    run: Callable[[Path], str]


@contextlib.contextmanager
def within(folder: Path) -> Iterator[None]:
    """In a folder, so that messages tell no path of this machine."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise Hung when it takes longer."""

    def stop(_: int, __: FrameType | None) -> None:
        raise Hung(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ctcnv(*words: object) -> Said:
    """Run a command in this process; its code, and what it said as an error."""
    said = io.StringIO()
    code: int | None
    terminate = signal.getsignal(signal.SIGTERM)
    log = logging.getLogger("ctcnv")
    level, handlers = log.level, log.handlers[:]
    try:
        with (
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(io.StringIO()),
            time_limit(HANGS),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            cli.main([*map(str, words), "--quiet"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception as error:
        return Said(None, f"{type(error).__name__}: {error}")
    finally:
        signal.signal(signal.SIGTERM, terminate)
        log.setLevel(level)
        log.handlers[:] = handlers
    step = words[0]
    text = said.getvalue()
    _, _, error = text.rpartition(f"ctcnv {step}: error: ")
    return Said(code, error.strip() if code else "")


def refused(said: Said, *wanted: str) -> str:
    """What was seen of a command that should refuse: its line, which holds the wanted words."""
    assert said.refused, said
    for word in wanted:
        assert word in said.error, said.error
    return f"refused: {said.error}"


def listed(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def summed(all_said: Sequence[Said], same: int = 0) -> str:
    """Many tries in words: how many were refused, and how many gave the right result."""
    n = sum(said.refused for said in all_said)
    right = f", {same:,} read with the right counts" if same else ""
    return f"{n:,} of {len(all_said):,} refused{right}"
