"""Run programs in alternation and measure each as a whole process: CPU, wall time, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Use:
    """What one process and its children took: user and system CPU s, wall s, peak MB."""

    cpu: float
    wall: float
    peak: float


def measure(command: Sequence[str], log: Path) -> Use:
    """Run a command; RuntimeError with its last line when it fails."""
    with log.open("wb") as handle:
        begin = time.perf_counter()
        process = subprocess.Popen(list(command), stdout=subprocess.DEVNULL, stderr=handle)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        said = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said[-1]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Use(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * unit / 1e6)


def alternate(
    commands: Mapping[str, Sequence[str]], *, repeats: int, log: Path
) -> dict[str, list[Use]]:
    """Every command once, then every command again: what else runs meets all of them alike.

    A command that fails is left out and said.
    """
    uses: dict[str, list[Use]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name in list(uses):
            try:
                uses[name].append(measure(commands[name], log))
            except RuntimeError as error:
                print(f"left out: {error}", file=sys.stderr)
                del uses[name]
    return uses


def medians(uses: Sequence[Use]) -> Use:
    """The median of each number."""
    return Use(
        statistics.median(use.cpu for use in uses),
        statistics.median(use.wall for use in uses),
        max(use.peak for use in uses),
    )
