"""CPU time and memory of the tumor fraction on one core: ``python -m benchmarks.fraction_speed``.

A genome of 3,000 windows with 20 million fragments. Three times are told apart, each in a process
of its own: the first call when nothing is compiled yet (once per installation), the first call when
the machine code is on disk (each sample of the workflow), and the calls after it. Memory is the
peak of the whole process, libraries included. Every number is a ratio to its limit, so that
machines can be compared; exit code 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

WINDOWS = 3000
FRAGMENTS = 20_000_000
#: What one sample may take: a call in CPU seconds, and the process in MB (decimal).
LIMIT_SECONDS, LIMIT_MB = 3.0, 500.0
REPEATS = 3
TRUE_FRACTION = 0.1
#: Healthy libraries behind the null.
NORMALS = 40
#: Over-dispersion of 1, 2, 4 ... 32 Mb in 47 real donors (docs/validation.md).
TAU = (0.0141, 0.0116, 0.0092, 0.0074, 0.0055, 0.0040)
#: Keeps every library to one thread.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD = dict.fromkeys(THREADS, "1")


def profile(*, windows: int, seed: int, fraction: float = TRUE_FRACTION) -> pd.DataFrame:
    """A PROFILE table: a tumor of many events in plasma, ``windows`` autosomal atoms of equal
    size."""
    from ctcnv.genome import BUILDS
    from ctcnv.schema import AUTOSOMES, PROFILE
    from ctcnv.simulate import copies
    from validation import tumors

    rng = np.random.default_rng(seed)
    lengths = next(build for build in BUILDS if build.name == "hg38").lengths
    size = sum(lengths[key] for key in AUTOSOMES) / windows
    # Largest remainders, so that the atoms are as many as asked for.
    shares = np.array([lengths[key] / size for key in AUTOSOMES])
    counts = np.floor(shares).astype(int)
    counts[np.argsort(counts - shares)[: windows - counts.sum()]] += 1
    parts = []
    for key, n in zip(AUTOSOMES, counts.tolist(), strict=True):
        edges = np.linspace(0, lengths[key], n + 1).astype(np.int64)
        parts.append(pd.DataFrame({"chrom": f"chr{key}", "start": edges[:-1], "end": edges[1:]}))
    frame = pd.concat(parts, ignore_index=True)
    made = tumors.random_genome(rng, ploidy="triploid", events="many", subclonal=0.2)
    start, end = frame["start"].to_numpy(), frame["end"].to_numpy()
    found = copies(made.tumor, frame["chrom"].to_numpy(object), start, end, sex="female")
    weight = (end - start) * (fraction * found + 2 * (1 - fraction))
    observed = rng.poisson(FRAGMENTS * weight / weight.sum())
    expected = observed.sum() * (end - start) / np.sum(end - start)
    return PROFILE.check(
        frame.assign(observed=observed, expected=expected, normal_copies=2, reason=None)
    )


def measure(repeats: int) -> dict[str, object]:
    """Seconds of the first and of later calls, and memory, of this very process."""
    from ctcnv import fraction, normals
    from ctcnv.dispersion import Dispersion
    from tests.plasma import SETTINGS

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table = profile(windows=WINDOWS, seed=1)
    spread = Dispersion(2.0 ** np.arange(len(TAU)), np.array(TAU))
    healthy = normals.together(
        [profile(windows=WINDOWS, seed=2 + i, fraction=0.0) for i in range(NORMALS)],
        table[["chrom", "start", "end"]].assign(factor=1.0),
    )
    before = _peak_mb()
    seconds = []
    for _ in range(1 + repeats):
        begin = time.process_time()
        fraction.estimate(table, dispersion=spread, settings=SETTINGS["fraction"],
                           normals=healthy)  # fmt: skip
        seconds.append(time.process_time() - begin)
    return {"first": seconds[0], "later": seconds[1:], "before": before, "peak": _peak_mb()}


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def _in_child(environment: Mapping[str, str], repeats: int) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fraction_speed", "--child", str(repeats)],
        env=dict(os.environ) | dict(environment), check=True, capture_output=True, text=True,
    )  # fmt: skip
    result: dict[str, object] = json.loads(done.stdout)
    return result


def run(repeats: int = REPEATS) -> pd.DataFrame:
    """What was measured: one row a number, with its limit and the ratio to it."""
    with tempfile.TemporaryDirectory() as cache:
        environment = ONE_THREAD | {"NUMBA_CACHE_DIR": cache}
        compiling = _in_child(environment, 0)
        warm = _in_child(environment, repeats)
    rows = [
        ("first call, nothing compiled", compiling["first"], "s", None),
        ("first call, compiled code on disk", warm["first"], "s", LIMIT_SECONDS),
        (f"later calls, median of {repeats}", statistics.median(warm["later"]), "s", LIMIT_SECONDS),
        ("peak memory, compiling", compiling["peak"], "MB", None),
        ("peak memory, compiled code on disk", warm["peak"], "MB", LIMIT_MB),
        ("of this before the first call", warm["before"], "MB", None),
    ]
    frame = pd.DataFrame(rows, columns=["what", "measured", "unit", "limit"])
    return frame.assign(ratio=frame["measured"] / frame["limit"].astype(float))


def main() -> int:
    """Print the table; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        print(json.dumps(measure(args.child)))
        return 0
    rows = run(max(1, args.repeats))
    print(f"{WINDOWS} windows, {FRAGMENTS:,} fragments, one core")
    print(rows.to_string(index=False, float_format=lambda value: f"{value:.2f}", na_rep=""))
    return int((rows["ratio"] > 1).any())


if __name__ == "__main__":
    sys.exit(main())
