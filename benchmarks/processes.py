"""Run programs in alternation and measure each as a whole process: CPU, wall time, peak memory.

Run by itself it is the small process that starts a program and waits for it: a program started from
a large one would be given the memory of that one as its peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Use(NamedTuple):
    """What one process and its children took: user and system CPU s, wall s, peak MB."""

    cpu: float
    wall: float
    peak: float


def measure(command: Sequence[str], log: Path) -> Use:
    """Run a command; RuntimeError with its last line when it fails."""
    with log.open("wb") as handle:
        done = subprocess.run(
            [sys.executable, "-S", __file__, *command], stdout=subprocess.PIPE, stderr=handle,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        said = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said[-1]}")
    return Use(*json.loads(done.stdout))


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
    """The median of each number; of an even number of runs, the lower one."""
    return Use(*(sorted(values)[(len(values) - 1) // 2] for values in zip(*uses, strict=True)))


def main(command: Sequence[str]) -> int:
    """Run a command without its output, and print what it took."""
    begin = time.perf_counter()
    process = subprocess.Popen(list(command), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps([used.ru_utime + used.ru_stime, wall, used.ru_maxrss * unit / 1e6]))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
