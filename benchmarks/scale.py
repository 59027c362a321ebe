"""What planning costs as cohorts grow: ``python -m benchmarks.scale --work DIR`` (make scale).

Cohorts of 100, 1,000 and 10,000 samples, two of a patient and 20 normals among them, whose files
are there and empty: nothing is computed, all that is measured is Snakemake with this workflow.

dry run: from nothing to the plan of every job and the table of it. scheduling: every job is handed
out, finished and noted, 100 at once, by ``--touch`` without its wait of a tenth of a second. no-op:
a run of which everything is there. one more: the plan after a sample was added, and how many jobs
it holds. headers: the look of ``ctcnv run`` at every BAM.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pysam
import yaml

from ctcnv.cli import preflight
from ctcnv.io import sheet

ROOT = Path(__file__).resolve().parent.parent
SIZES = (100, 1_000, 10_000)
NORMALS = 20
#: Jobs at once and jobs that are looked at for it, as in profiles/slurm.
AT_ONCE, LOOKED_AT = 100, 200
#: Snakemake whose --touch does not wait for the clock of the file system.
WITHOUT_WAIT = (
    "from snakemake.executors.touch import Executor; from snakemake.cli import main; "
    "Executor.SLEEPING_TIME = 0; main()"
)
#: What was set beforehand for 10,000 samples, seconds and MB of the dry run.
LIMITS = (60.0, 1000.0)


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of a core and most memory (MB), and the jobs it planned.

    Seconds of a core rather than of a clock: other work on the machine does not count.
    """

    seconds: float
    mb: float
    jobs: int


def snakemake(folder: Path, *words: str) -> tuple[Cost, str]:
    """Run Snakemake there to its end and measure it."""
    said = folder / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", WITHOUT_WAIT, "--snakefile", str(ROOT / "Snakefile"),
             "--directory", str(folder), "--cores", str(AT_ONCE), "--scheduler", "greedy",
             "--scheduler-subsample", str(LOOKED_AT), "--nocolor", *words,
             "--configfile", str(ROOT / "config/config.yaml"), str(folder / "config.yaml")],
            stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    text = said.read_text()
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{folder}: {' '.join(words)} failed:\n{text[-2000:]}")
    found = re.findall(r"^total +(\d+)$", text, flags=re.MULTILINE)
    return Cost(seconds, usage.ru_maxrss / 1024, int(found[0]) if found else 0), text


def rows(n: int) -> list[dict[str, object]]:
    """The sheet of a cohort of n samples."""
    made: list[dict[str, object]] = []
    for i in range(n):
        name = f"S{i:05d}"
        row: dict[str, object] = {"sample": name, "bam": f"bams/{name}.bam", "role": "normal"}
        if i >= NORMALS:
            row |= {"role": "plasma", "patient": f"P{i // 2:05d}", "day": 21 * (i % 2)}
        made.append(row)
    return made


def prepare(folder: Path, n: int) -> None:
    """Sheet, config, and a BAM without reads for each sample."""
    (folder / "bams").mkdir(parents=True)
    names = [f"chr{key}" for key in (*range(1, 23), "X", "Y")]
    with (folder / "g.fa").open("w") as out:
        for name in names:
            out.write(f">{name}\n{'ACGT' * 250}\n")
    header = {"SQ": [{"SN": name, "LN": 1000} for name in names]}
    first = folder / "bams/S00000.bam"
    pysam.AlignmentFile(str(first), "wb", header=header).close()
    data = first.read_bytes()
    for i in range(n + 1):
        (folder / f"bams/S{i:05d}.bam").write_bytes(data)
    sheet.write(folder / "samples.tsv", rows(n))
    (folder / "config.yaml").write_text("samples: samples.tsv\nreference:\n  fasta: g.fa\n")


def outputs(folder: Path, cohort: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Every file and folder that the jobs of a cohort write, by the plan of a small one."""
    small = folder.with_name(f"{folder.name} small")
    few = rows(NORMALS + 2)
    prepare(small, len(few))
    _, plan = snakemake(small, "--dry-run")
    shutil.rmtree(small)
    lines = re.findall(r"^ +output: (.+)$", plan, flags=re.MULTILINE)
    names = [name for line in lines for name in line.split(", ")]
    of = {str(few[0]["sample"]): [row["sample"] for row in cohort if row["role"] == "normal"],
          str(few[-1]["sample"]): [row["sample"] for row in cohort if row["role"] == "plasma"],
          str(few[-1]["patient"]): sorted({row["patient"] for row in cohort if "patient" in row})
          }  # fmt: skip
    for name in names:
        one = next((key for key in of if f"/{key}/" in name), None)
        if one is not None:
            yield from (name.replace(one, str(other)) for other in of[one])
        elif not re.search(r"/[SP]\d{5}/", name):
            yield name


def measure(folder: Path, n: int) -> dict[str, float]:
    """All of one size."""
    prepare(folder, n)
    os.chdir(folder)
    begun = time.process_time()
    config = preflight.config_of([ROOT / "config/config.yaml", Path("config.yaml")])
    bad = preflight.bad_samples(preflight.samples_of(config, ROOT), config)
    headers = time.process_time() - begun
    if bad:
        raise SystemExit(f"{folder}: {bad}")
    os.chdir(folder.parent)
    dry = snakemake(folder, "--dry-run", "--quiet", "--forceall")[0]  # as ctcnv run -n does
    then = time.time() - 100
    for path in folder.rglob("*.bam"):
        os.utime(path, (then, then))
    for name in ("g.fa", "samples.tsv", "config.yaml"):
        os.utime(folder / name, (then, then))
    for name in outputs(folder, rows(n)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:
            path.mkdir()
        os.utime(path, (then + 50, then + 50))
    touched = snakemake(folder, "--touch", "--forceall", "--quiet", "rules")[0]
    again = snakemake(folder, "--dry-run", "--quiet")[0]
    if again.jobs:
        raise SystemExit(f"{folder}: {again.jobs} jobs although everything is there")
    more = rows(n)
    more.append({"sample": f"S{n:05d}", "bam": f"bams/S{n:05d}.bam", "role": "plasma",
                 "patient": more[-1]["patient"], "day": 42})  # fmt: skip
    sheet.write(folder / "samples.tsv", more)
    one = snakemake(folder, "--dry-run", "--quiet")[0]
    return {
        "samples": n, "jobs": dry.jobs, "headers_s": headers, "dry_s": dry.seconds,
        "dry_mb": dry.mb, "scheduling_s": touched.seconds, "scheduling_mb": touched.mb,
        "noop_s": again.seconds, "noop_mb": again.mb, "one_more_s": one.seconds,
        "one_more_jobs": one.jobs,
    }  # fmt: skip


def table(found: pd.DataFrame) -> str:
    """The table of docs/cluster.md."""
    lines = [
        "| samples | jobs | headers | dry run | scheduling | no-op | one sample more |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found.to_dict("records"):
        lines.append(
            f"| {row['samples']:,} | {row['jobs']:,} | {row['headers_s']:.1f} s "
            f"| {row['dry_s']:.0f} s, {row['dry_mb']:.0f} MB "
            f"| {row['scheduling_s']:.0f} s, {row['scheduling_mb']:.0f} MB "
            f"| {row['noop_s']:.0f} s, {row['noop_mb']:.0f} MB "
            f"| {row['one_more_s']:.0f} s, {row['one_more_jobs']} jobs |"
        )
    return "\n".join(lines)


def draw(found: pd.DataFrame, path: Path) -> None:
    """Seconds and memory over the number of samples, both on logarithmic axes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "ctcnv"
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    for part, axes, limit in (("s", seconds, LIMITS[0]), ("mb", memory, LIMITS[1])):
        for name, label, marker in (("dry", "dry run", "o"), ("scheduling", "scheduling", "s"),
                                    ("noop", "nothing to do", "^")):  # fmt: skip
            axes.plot(found["samples"], found[f"{name}_{part}"], marker=marker, label=label)
        axes.axhline(limit, color="grey", linestyle=":", label="limit of a dry run of 10,000")
        axes.set(xscale="log", yscale="log", xlabel="samples")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,.0f}")
            axis.set_minor_formatter("")
        axes.spines[["top", "right"]].set_visible(False)
    memory.set_yticks([100, 200, 400, 1000])
    seconds.set_ylabel("seconds of a core")
    memory.set_ylabel("memory (MB)")
    seconds.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, then write table and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs/img/scale.svg")
    args = parser.parse_args(argv)
    work = args.work.resolve() / "scale"
    found = []
    for n in args.sizes:
        folder = work / str(n)
        if folder.exists():
            raise SystemExit(f"{folder} is there from before; remove it first")
        found.append(measure(folder, n))
        print(yaml.safe_dump(found[-1], sort_keys=False), flush=True)
    frame = pd.DataFrame(found)
    print(table(frame))
    draw(frame, args.picture)
    largest = frame[frame["samples"] == max(SIZES)]
    if ((largest["dry_s"] > LIMITS[0]) | (largest["dry_mb"] > LIMITS[1])).any():
        raise SystemExit("a limit is passed")


if __name__ == "__main__":
    main()
