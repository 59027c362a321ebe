"""Kill a command at random moments with SIGKILL, as a scheduler or an operator does.

``python -m tests.knocks.killed --times 200 --seed 1`` prints what was seen. Commands run in forks
of this process, which has everything loaded, so that the moments fall into reading and writing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.knocks import listed, reads, within

#: Seconds between parts of a file: writing takes most of the time, as it does on a slow disk.
PAUSE = 0.003
OUTPUTS = ("counts.tsv.gz", "lengths.tsv", "reads.tsv")


def _slow_bytes(path: Path, data: bytes) -> int:
    """Write in ten parts with pauses, so that a kill falls between them."""
    with path.open("wb") as handle:
        for begin in range(0, len(data), max(len(data) // 10, 1)):
            handle.write(data[begin : begin + max(len(data) // 10, 1)])
            handle.flush()
            time.sleep(PAUSE)
    return len(data)


def _in_fork() -> int:
    """Begin a count in a fork; its process number."""
    child = os.fork()
    if child == 0:
        try:
            Path.write_bytes = _slow_bytes  # type: ignore[method-assign]
            reads.ctcnv(*_words())
        finally:
            os._exit(0)
    return child


def _words() -> Sequence[object]:
    out = Path("out")
    return ("count", "--bam", "a.bam", "--bins", "bins.tsv.gz", "--sample", "S", *reads.FLAGS,
            "--output", out / OUTPUTS[0], "--output-lengths", out / OUTPUTS[1],
            "--output-reads", out / OUTPUTS[2])  # fmt: skip


def run(times: int, seed: int) -> str:
    """Kill and run again so many times; AssertionError for a half file or a rerun that differs."""
    chance = random.Random(seed)
    reads.write_bins(reads.CONTIGS, size_bp=10)
    reads.write_bam("a.bam", reads.pairs(20_000))
    assert reads.ctcnv(*_words()).code == 0
    begin = time.perf_counter()  # the second run has everything loaded
    assert reads.ctcnv(*_words()).code == 0
    took = time.perf_counter() - begin + len(OUTPUTS) * 11 * PAUSE
    out = Path("out")
    whole = {name: (out / name).read_bytes() for name in OUTPUTS}
    between = 0
    for _ in range(times):
        for name in listed(out):
            (out / name).unlink()
        child = _in_fork()
        time.sleep(chance.uniform(0, took))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left = {name for name in listed(out) if not name.endswith(".part")}
        between += bool(listed(out)) and left != set(whole)
        for name in left:
            assert (out / name).read_bytes() == whole[name], f"half of {name}"
        assert reads.ctcnv(*_words()).code == 0
        assert listed(out) == sorted(whole), "what was left is not cleared"
        assert all((out / name).read_bytes() == data for name, data in whole.items())
    print(f"{between} of {times} were killed while files were written", file=sys.stderr)
    return f"{times} kills: no half file; each rerun gives the same bytes and clears what was left"


def main() -> None:
    """In a folder that is removed again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, within(Path(folder)):
        print(run(args.times, args.seed))


if __name__ == "__main__":
    main()
