"""Counting against its limit and against other programs: ``python -m benchmarks.counting``.

The limit is libdeflate over every block of the BAM and nothing else. All programs run as whole
processes, in alternation, on the same made-up BAM (:mod:`benchmarks.reads`); what is not installed
is left out. CPU time (user and system) is the judge: wall time means little on a machine that
others use. The table goes to a TSV; :mod:`benchmarks.page` makes the page of it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks import atoms, processes, reads
from ctcnv import model
from ctcnv.cli.settings import flag, read_config

CONFIG = Path(__file__).resolve().parent.parent / "config" / "config.yaml"
#: First mates of well-placed proper pairs: the same fragments, as near as flags can say it.
SAMTOOLS = ("samtools", "view", "-c", "-q", "20", "-f", "67", "-F", "3852")
#: The slow programs run once, and on no more reads than this, so that a run ends.
SLOW = {
    "samtools bedcov": 2_000_000, "mosdepth, 2 threads": 2_000_000, "pysam loop": 10_000_000,
    "bedtools coverage": 10_000_000,
}  # fmt: skip
#: Runs of the others on a file of more reads than this, at most.
LARGE, RUNS_OF_LARGE = 10_000_000, 3


def settings() -> list[str]:
    """The settings of count as flags, as the workflow passes them."""
    values = read_config(CONFIG)[model.CountSettings.section]
    return [word for key, value in values.items() for word in (flag("count", key), str(value))]


def commands(bam: Path, work: Path) -> dict[str, list[str]]:
    """The programs that are installed, by name."""
    bins, bed, out = work / "bins.tsv.gz", work / "bins.bed", work / "out"
    made = {
        "limit: libdeflate alone": [sys.executable, "-m", "benchmarks.limit", str(bam)],
        **{
            f"ctcnv count, {threads} thread{'s' * (threads > 1)}": [
                sys.executable, "-m", "ctcnv", "count", "--quiet", "--sample", "S", "--bam",
                str(bam), "--bins", str(bins), "--threads", str(threads), *settings(),
                "--output", str(out / "counts.tsv.gz"),
                "--output-lengths", str(out / "lengths.tsv"),
                "--output-reads", str(out / "reads.tsv"),
            ]
            for threads in (1, 2)
        },
        "samtools view -c": [*SAMTOOLS, str(bam)],
        "samtools view -c, 2 threads": [*SAMTOOLS, "-@", "1", str(bam)],
        "bedtools coverage": [
            "bedtools", "coverage", "-counts", "-sorted", "-g", str(work / "genome.txt"),
            "-a", str(bed), "-b", str(bam),
        ],
        "pysam loop": [sys.executable, "-m", "benchmarks.loop", str(bam)],
        "samtools bedcov": ["samtools", "bedcov", "-c", "-Q", "20", str(bed), str(bam)],
        "mosdepth, 2 threads": [
            "mosdepth", "-n", "-x", "-t", "1", "-Q", "20", "--by", str(bed), str(work / "depth"),
            str(bam),
        ],
    }  # fmt: skip
    return {name: line for name, line in made.items() if shutil.which(line[0])}


def prepare(work: Path, n_reads: int) -> Path:
    """The BAM of so many reads with its index, and the atoms, made when they are not there."""
    import pysam

    (work / "out").mkdir(parents=True, exist_ok=True)
    bam = work / f"{n_reads // 1_000_000}M.bam"
    if not bam.is_file():
        reads.write(bam, reads=n_reads)
    if not Path(f"{bam}.bai").is_file():
        pysam.index(str(bam))
    if not (work / "bins.bed").is_file():
        atoms.make_bins(work / "bins.tsv.gz")
        frame = atoms.tables.read_bins(work / "bins.tsv.gz")[0].frame
        ends = frame.groupby("chrom", sort=False)["end"].max().reset_index()
        ends.to_csv(work / "genome.txt", sep="\t", header=False, index=False)
        bed = frame[["chrom", "start", "end"]]
        bed.to_csv(work / "bins.bed", sep="\t", header=False, index=False)
    return bam


def run(work: Path, sizes: Sequence[int], repeats: int) -> None:
    """Write counting.tsv: a row per program and size, with its ratio to the limit of the run."""
    rows = []
    for size in sizes:
        bam = prepare(work, size)
        lines = commands(bam, work)
        slow = {name: lines.pop(name) for name in SLOW if name in lines}
        slow = {name: line for name, line in slow.items() if size <= SLOW[name]}
        # The first call after an installation compiles the loops; users meet it once.
        processes.measure(lines["ctcnv count, 1 thread"], work / "log")
        times = repeats if size <= LARGE else min(repeats, RUNS_OF_LARGE)
        uses = processes.alternate(lines, repeats=times, log=work / "log")
        uses |= processes.alternate(slow, repeats=1, log=work / "log")
        least = processes.medians(uses["limit: libdeflate alone"])
        for name, measured in uses.items():
            use = processes.medians(measured)
            rows.append(
                {"reads": size, "program": name, "cpu": use.cpu, "wall": use.wall,
                 "peak_mb": use.peak, "cpu_ratio": use.cpu / least.cpu, "repeats": len(measured)}
            )  # fmt: skip
            print(f"{size:>11,} {name:28} {use.cpu:7.2f} s {use.cpu / least.cpu:6.2f}", flush=True)
        pd.DataFrame(rows).round(4).to_csv(work / "counting.tsv", sep="\t", index=False)


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the BAMs (4 GB)")
    parser.add_argument(
        "--millions", type=int, nargs="+", default=[2, 10, 50], help="million reads"
    )
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    sizes = [millions * 1_000_000 for millions in args.millions]
    run(args.work, sizes, args.repeats)
    return 0


if __name__ == "__main__":
    sys.exit(main())
