"""Write docs/performance.md and its picture from what was measured: ``python -m benchmarks.page``.

Numbers come from counting.tsv, regions.tsv and sample.tsv of the other benchmarks; ``make bench``
runs all.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from benchmarks.regions import PANELS, TARGET_BP, WHOLE

DOCS = Path(__file__).resolve().parent.parent / "docs"
LIMIT = "limit: libdeflate alone"

TEXT = """# Performance

What counting and a whole sample cost. Written by `make bench`; do not edit. Absolute times belong
to the machine they were measured on, and other work ran beside: **compare ratios**. Nothing here is
a test. How counting works is in [algorithm.md](algorithm.md#count).

## Counting

A BAM is a row of BGZF blocks, and nothing that reads it can be cheaper than inflating them. The
limit is therefore libdeflate over every block, without a look at checksums or reads. All programs
ran as whole processes, start-up included, in alternation on the same file: made-up cfDNA over hg38,
2 x 100 bp, level 6, {mb_per_million:.0f} MB per million reads (`benchmarks/reads.py`). CPU is user
and system time, the median of {repeats} runs ({fewest} of the largest file); programs marked * ran
once. They do not all do the same: samtools view counts reads by flag, bedtools and samtools bedcov
count reads and not fragments, mosdepth measures depth. readCounter and WisecondorX could not be
installed. The peak of the limit is the file, which it maps.

![CPU time of counting over the limit](img/performance.svg)

*CPU time over the limit; the line is the limit.*

{counting}

About {start:.1f} CPU-s of `ctcnv count` are start-up: Python, numpy, pandas, numba and its compiled
code from disk, 309,000 atoms read and written. Each further million reads costs {slope:.2f} CPU-s,
checksums included, and the limit {limit_slope:.2f}: {slope_ratio:.2f} times. Two threads take
{two_threads} of the wall time of one. Memory does not depend on the size of the BAM.

## Regions

`ctcnv count --region` counts a chromosome, or targets of {target_kb:.0f} kb at random places, from
the BAM of {many} million reads through its index. All ran as whole processes in alternation with
the count of the whole file; samtools is `samtools view -c`, of targets with `-M -L`. About
{region_start:.1f} CPU-s of each are start-up: libraries, compiled code, all 309,000 atoms. What
comes on top grows with the region: {per_million:.1f} CPU-s per million reads of a chromosome,
{per_target:.1f} ms per target with BAI and {per_target_csi:.1f} ms with CSI, by which htslib takes
longer to find a place.

{regions}

## A whole sample

hg38 in 10-kb atoms with made-up bases and counts, {normals}; the last column is the limit that the
project set itself, for a panel of 100 normals. `pon` has two threads; its time and memory grow with
the number of normals: it keeps three matrices of normals and atoms, 4 MB per normal. Of `call` a
third is the tumor fraction, a quarter the start of the libraries, a sixth the genes; the rest
tables, normalization and segments. The load of the machine (processes that ran or waited, on
average over a minute) was up to {load:.0f}: where it is above the number of cores, wall times are
several times those of a quiet machine, and CPU times up to half as long again.

{sample}

## Again

    make bench

makes BAMs of 2, 10 and 50 million reads and a FASTA (9 GB in `bench/`, three quarters of an hour).
"""


def counting_table(table: pd.DataFrame) -> str:
    """One row per size and program."""
    lines = ["| reads | program | CPU s | CPU / limit | wall s | peak MB |",
             "|---:|---|---:|---:|---:|---:|"]  # fmt: skip
    for row in table.itertuples():
        once = " *" if row.repeats == 1 else ""
        lines.append(
            f"| {row.reads // 1_000_000} M | {row.program}{once} | {row.cpu:.2f} | "
            f"{row.cpu_ratio:.2f} | {row.wall:.2f} | {row.peak_mb:.0f} |"
        )
    return "\n".join(lines)


def regions_table(table: pd.DataFrame) -> str:
    """One row per region and index."""
    lines = ["| region | index | reads | CPU s | CPU / whole file | peak MB | samtools, CPU s |",
             "|---|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in table.rename(columns={"index": "by"}).itertuples():
        by = "" if row.region == WHOLE else row.by
        other = "" if row.samtools != row.samtools else f"{row.samtools:.2f}"
        lines.append(
            f"| {row.region} | {by} | {row.reads:,} | {row.cpu:.2f} | {row.cpu_ratio:.2f} | "
            f"{row.peak_mb:.0f} | {other} |"
        )
    return "\n".join(lines)


def sample_table(table: pd.DataFrame) -> str:
    """One row per step."""
    lines = ["| step | CPU s | wall s | peak MB | limit |", "|---|---:|---:|---:|---|"]
    for row in table.itertuples():
        wall = "" if row.wall != row.wall else f"{row.wall:.2f}"
        memory = "" if row.limit_mb != row.limit_mb else f", {row.limit_mb:.0f} MB"
        lines.append(
            f"| {row.step} | {row.cpu:.2f} | {wall} | {row.peak_mb:.0f} | "
            f"{row.limit:g} s {row.limit_of}{memory} |"
        )
    return "\n".join(lines)


def picture(table: pd.DataFrame, path: Path) -> None:
    """Bars of the CPU ratio, a panel per size, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from ctcnv import palette

    plt.rcParams["svg.hashsalt"] = "ctcnv"
    sizes = sorted(table["reads"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(9, 3.6), sharex=True, squeeze=False)
    for axis, size in zip(axes[0], sizes, strict=True):
        part = table[table["reads"] == size].sort_values("cpu_ratio", ascending=False)
        own = part["program"].str.startswith("ctcnv")
        colours = [palette.VERMILLION if is_own else palette.MUTED for is_own in own]
        axis.barh(part["program"], part["cpu_ratio"], color=colours)
        for place, ratio in enumerate(part["cpu_ratio"]):
            axis.text(ratio * 1.05, place, f"{ratio:.1f}", va="center", fontsize=8)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_xlim(0.3, 250)
        axis.tick_params(axis="y", labelsize=8)
        axis.set_title(f"{size // 1_000_000} million reads", fontsize=10)
        axis.set_xlabel("CPU time / limit")
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Write the page and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the benchmarks")
    work = parser.parse_args().work
    counting = pd.read_csv(work / "counting.tsv", sep="\t")
    regions = pd.read_csv(work / "regions.tsv", sep="\t")
    sample = pd.read_csv(work / "sample.tsv", sep="\t")
    few, many = counting["reads"].min(), counting["reads"].max()

    own = "ctcnv count, 1 thread"

    def cpu(program: str, reads: int, of: str = "cpu") -> float:
        found = counting[(counting["program"] == program) & (counting["reads"] == reads)]
        return float(found[of].to_numpy()[0])

    def region(name: str, index: str = "BAI") -> float:
        found = regions[(regions["region"] == name) & (regions["index"] == index)]
        return float(found["cpu"].to_numpy()[0])

    one, most = "1 target", f"{max(PANELS)} targets"
    shares = [cpu("ctcnv count, 2 threads", size, "wall") / cpu(own, size, "wall")
              for size in sorted(counting["reads"].unique())]  # fmt: skip
    two_threads = ", ".join(f"{share:.2f}" for share in shares)
    of_chr1 = int(regions.loc[regions["region"] == "chr1", "reads"].to_numpy()[0])
    millions = (many - few) / 1e6
    searched = int(regions.loc[regions["region"] == WHOLE, "reads"].max())
    slope = (cpu(own, many) - cpu(own, few)) / millions
    limit_slope = (cpu(LIMIT, many) - cpu(LIMIT, few)) / millions
    bam = work / f"{many // 1_000_000}M.bam"
    normals = next(step for step in sample["step"] if step.startswith("pon"))
    text = TEXT.format(
        counting=counting_table(counting), sample=sample_table(sample),
        repeats=counting["repeats"].max(), slope=slope, limit_slope=limit_slope,
        slope_ratio=slope / limit_slope, start=cpu(own, few) - slope * few / 1e6,
        mb_per_million=bam.stat().st_size / many, normals=normals.removeprefix("pon, "),
        load=sample["load"].max(), regions=regions_table(regions), many=round(searched / 1e6),
        fewest=counting.loc[counting["program"] == own, "repeats"].min(), two_threads=two_threads,
        target_kb=TARGET_BP / 1000, region_start=region(one),
        per_million=(region("chr1") - region(one)) / of_chr1 * 1e6,
        per_target=(region(most) - region(one)) / max(PANELS) * 1000,
        per_target_csi=(region(most, "CSI") - region(one, "CSI")) / max(PANELS) * 1000,
    )  # fmt: skip
    (DOCS / "performance.md").write_text(text)
    picture(counting, DOCS / "img" / "performance.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
