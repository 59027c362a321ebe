"""What counting a chromosome or a panel by the index costs: ``python -m benchmarks.regions``.

Whole processes on the largest BAM of :mod:`benchmarks.counting`, in alternation with the count of
the whole file, of which each is a share; through BAI and CSI, and beside samtools where it is
installed. Targets are of the size of a large gene with its surroundings, at random places.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from benchmarks import counting, processes

TARGET_BP = 100_000
#: Targets of a panel: a gene, and panels as they are sold.
PANELS = (1, 10, 60, 600)
CHROMOSOMES = ("chr21", "chr1")
WHOLE = "whole file"


def targets(lengths: Mapping[str, int], n: int, rng: np.random.Generator) -> pd.DataFrame:
    """n targets (chrom, start, end), on chromosomes by their length; two may overlap."""
    names = [name for name, length in lengths.items() if length > TARGET_BP]
    length = np.array([lengths[name] for name in names])
    chosen = rng.choice(len(names), n, p=length / length.sum())
    start = rng.integers(0, length[chosen] - TARGET_BP)
    chrom = np.array(names, dtype=object)[chosen]
    return pd.DataFrame({"chrom": chrom, "start": start, "end": start + TARGET_BP})


def regions(work: Path, lengths: Mapping[str, int]) -> dict[str, str]:
    """What ``--region`` is given, by name; panels are written as BED files."""
    made = {name: name for name in CHROMOSOMES}
    for n in PANELS:
        path = work / f"panel{n}.bed"
        panel = targets(lengths, n, np.random.default_rng(n))
        panel.to_csv(path, sep="\t", header=False, index=False)
        made[f"{n} target{'s' * (n > 1)}"] = str(path)
    return made


def beside_csi(work: Path, bam: Path) -> Path:
    """The BAM by another name, beside which there is a CSI and no BAI."""
    link = work / "csi" / bam.name
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(bam.resolve())
    if not Path(f"{link}.csi").is_file():
        pysam.index("-c", str(link))
    return link


def run(work: Path, n_reads: int, repeats: int) -> pd.DataFrame:
    """One row per region and index, with its share of the reads and of the time of the file."""
    bam = counting.prepare(work, n_reads)
    files = {"BAI": bam, "CSI": beside_csi(work, bam)}
    with pysam.AlignmentFile(str(bam)) as opened:
        named = regions(work, dict(zip(opened.references, opened.lengths, strict=True)))
    lines: dict[tuple[str, str], list[str]] = {}
    for index, path in files.items():
        count = counting.commands(path, work)["ctcnv count, 1 thread"]
        lines[WHOLE, index] = count
        lines |= {(name, index): [*count, "--region", given] for name, given in named.items()}
    del lines[WHOLE, "CSI"]  # which needs no index
    samtools = [*counting.SAMTOOLS, str(bam)]
    if shutil.which("samtools"):
        lines[WHOLE, "samtools"] = samtools
        for name, given in named.items():
            only = [*samtools, given] if name in CHROMOSOMES else [*samtools, "-M", "-L", given]
            lines[name, "samtools"] = only
    processes.measure(lines[WHOLE, "BAI"], work / "log")
    uses: dict[tuple[str, str], list[processes.Use]] = {key: [] for key in lines}
    reads: dict[tuple[str, str], int] = {}
    for _ in range(repeats):
        for key, line in lines.items():
            uses[key].append(processes.measure(line, work / "log"))
            if key[1] != "samtools" and key not in reads:
                found = pd.read_csv(work / "out" / "reads.tsv", sep="\t", comment="#")
                reads[key] = int(found["reads"].sum())
    rows = []
    whole = processes.medians(uses[WHOLE, "BAI"])
    for (name, index), own in ((key, processes.medians(uses[key])) for key in reads):
        beside = uses.get((name, "samtools")) if index == "BAI" else None
        rows.append(
            {"region": name, "index": index, "reads": reads[name, index], "cpu": own.cpu,
             "wall": own.wall, "peak_mb": own.peak, "cpu_ratio": own.cpu / whole.cpu,
             "samtools": processes.medians(beside).cpu if beside else float("nan")}
        )  # fmt: skip
        print(f"{name:12} {index:4} {own.cpu:7.2f} CPU-s {own.cpu / whole.cpu:6.2f}", flush=True)
    return pd.DataFrame(rows)


def main() -> int:
    """Measure and write regions.tsv."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the BAM")
    parser.add_argument("--millions", type=int, default=10, help="million reads of the BAM")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    table = run(args.work, args.millions * 1_000_000, args.repeats)
    table.round(4).to_csv(args.work / "regions.tsv", sep="\t", index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
