"""Kill a whole run of the workflow a number of times, then let it end, and compare.

``python -m tests.knocks.interrupted --seed 1`` simulates a small cohort, runs it undisturbed, and
runs it in another folder where the launcher and all its jobs are killed with SIGKILL at random
moments. After each kill every table that is there is read. Minutes; by hand.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ctcnv.io import tables
from ctcnv.schema import TABLES
from tests.knocks import ROOT, ctcnv
from tests.plasma import QUICK_CONFIG


def words(folder: Path, *more: str) -> list[str]:
    """The workflow in a folder."""
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory",
        str(folder), "--cores", "2", "--rerun-incomplete", *more, "--configfile",
        str(ROOT / "config/config.yaml"), str(folder / "config.yaml"),
    ]  # fmt: skip


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """A run in a process group of its own."""
    return subprocess.Popen(
        words(folder, *more), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )  # fmt: skip


def cohort(folder: Path) -> None:
    """Two samples of one patient and three normals."""
    said = ctcnv("simulate", "--output", folder, "--seed", 3, "--scale", 200, "--fragments", 40000,
                 "--normals", 3)  # fmt: skip
    assert said.code == 0, said
    path = folder / "samples.tsv"
    kept = [line for line in path.read_text().splitlines()
            if line.startswith(("sample", "P01")) or "normal" in line]  # fmt: skip
    path.write_text("\n".join(kept) + "\n")
    with (folder / "config.yaml").open("a") as config:
        config.write(QUICK_CONFIG)


def made(folder: Path) -> dict[str, bytes]:
    """Every result but the parts of files that a kill leaves."""
    found = sorted((folder / "results").rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found
            if path.is_file() and not path.name.endswith(".part")}  # fmt: skip


def whole(folder: Path) -> int:
    """Read every table that is there; how many."""
    names = [name for name in made(folder) if name.endswith((".tsv", ".tsv.gz"))]
    for name in names:
        tag = tables.preamble(folder / name)["ctcnv.table"].split("/")[0]
        tables.read(folder / name, TABLES[tag])
    return len(names)


def main() -> None:
    """Run, kill, read, and at last let it end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=12, help="at most")
    parser.add_argument(
        "--longest", type=float, metavar="SECONDS",
        help="before a kill, at most; default: half of what the undisturbed run took",
    )  # fmt: skip
    args = parser.parse_args()
    chance, kills, read = random.Random(args.seed), 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        calm, hard = Path(temporary) / "calm", Path(temporary) / "hard"
        for folder in (calm, hard):
            cohort(folder)
        begun = time.monotonic()
        assert start(calm).wait() == 0
        longest = args.longest or (time.monotonic() - begun) / 2
        while True:
            start(hard, "--unlock").wait()
            run = start(hard)
            try:
                limit = chance.uniform(5, longest) if kills < args.kills else None
                code = run.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                time.sleep(1)
                kills, read = kills + 1, read + whole(hard)
                print(f"kill {kills}: {len(made(hard))} files", flush=True)
                continue
            assert code == 0, "the run after a kill failed"
            break
        assert kills, "it ended before the first kill: give a smaller --longest"
        left = list((hard / "results").rglob("*.part"))
        assert not left, left
        assert made(hard) == made(calm)
        print(f"{kills} kills, {read} tables read between them, all whole; at the end the same "
              f"{len(made(calm))} files, byte by byte")  # fmt: skip


if __name__ == "__main__":
    main()
