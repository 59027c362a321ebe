"""Every step of a sample at the size of a human genome: ``python -m benchmarks.sample``.

hg38 by length with made-up bases in isochores and unknown bases at centromeres, 10-kb atoms, a
panel of healthy donors and one tumor at two depths, drawn as counts. Each step runs as a whole
process, as the workflow runs it; its limits are those that the project set itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import yaml

from benchmarks import fraction_speed, processes
from ctcnv.genome import BUILDS
from ctcnv.io import tables
from ctcnv.schema import COUNTS
from ctcnv.simulate import Library, Segment, Tumor, atom_counts
from ctcnv.synthetic import CENTROMERES_MB

CONFIG = Path(__file__).resolve().parent.parent / "config" / "config.yaml"
MB = 1_000_000
ISOCHORE_BP = 100_000
#: Fragments of a sample: a 167th of the genome's 3.1 Gb is 18.5 million for 1x.
DEPTHS = {"0.1x": 1_850_000, "1x": 18_500_000}
#: What simulating was to reach.
READS_A_SECOND = 500_000
TUMOR = Tumor(
    (
        Segment("chr8", 45 * MB, 145 * MB, 3), Segment("chr17", 0, 22 * MB, 1),
        Segment("chr1", 125 * MB, 248 * MB, 3), Segment("chr13", 0, 114 * MB, 1),
        Segment("chr17", 39_200_000, 40_200_000, 20),
    )
)  # fmt: skip


def write_fasta(path: Path) -> None:
    """hg38 by names and lengths, one sequence at a time, with its index."""
    build = next(build for build in BUILDS if build.name == "hg38")
    rng = np.random.default_rng(1)
    index, position = [], 0
    with path.open("wb") as handle:
        for key, length in build.lengths.items():
            head = f">chr{key}\n".encode()
            handle.write(head)
            position += len(head)
            index.append(f"chr{key}\t{length}\t{position}\t100\t101\n")
            gc = rng.normal(0.41, 0.05, length // ISOCHORE_BP + 1).clip(0.3, 0.65)
            cut = np.repeat((gc * 128).astype(np.uint8), ISOCHORE_BP)[:length]
            drawn = rng.integers(0, 256, length, dtype=np.uint8)
            strong = (drawn & 127) < cut
            bases = np.where(strong, np.uint8(ord("G")), np.uint8(ord("A")))
            bases[drawn > 127] += np.where(strong[drawn > 127], 252, 19).astype(np.uint8)  # C, T
            middle = int(CENTROMERES_MB[key] * MB)
            bases[max(middle - 3 * MB // 2, 0) : middle + 3 * MB // 2] = ord("N")
            whole = length // 100 * 100
            lines = np.full((whole // 100, 101), ord("\n"), dtype=np.uint8)
            lines[:, :100] = bases[:whole].reshape(-1, 100)
            position += handle.write(lines.tobytes() + bases[whole:].tobytes() + b"\n")
    Path(f"{path}.fai").write_text("".join(index))


def write_counts(work: Path, *, normals: int) -> None:
    """Count tables of healthy donors, each with its own GC curve and wave, and of the tumor."""
    stored, bins = tables.read_bins(work / "bins.tsv.gz")
    frame = stored.frame
    rng = np.random.default_rng(2)
    factor = np.exp(rng.normal(0, 0.03, len(frame)))
    depths = {f"N{i:03}": int(rng.uniform(2e6, 8e6)) for i in range(normals)}
    for name, fragments in (depths | DEPTHS).items():
        path = work / f"{name}.counts.tsv.gz"
        if path.is_file():
            continue
        library = Library(fragments, gc_peak=rng.normal(0.43, 0.01), gc_width=0.14, wave=0.004)
        drawn = atom_counts(
            frame, library, tumor=TUMOR if name in DEPTHS else None,
            fraction=0.1 if name in DEPTHS else 0.0, sex="female", rng=rng, factor=factor,
        )  # fmt: skip
        table = frame[["chrom", "start", "end"]].assign(fragments=drawn, short=drawn // 5)
        # The preamble of a counted table, without which a panel is refused.
        section = yaml.safe_load(CONFIG.read_text())["count"]
        meta = {"sample": name, "bins": bins, "settings.count": section, "single_end": False}
        tables.write(path, COUNTS, table, meta=meta)


def reads_below(folder: Path) -> int:
    """Reads of all BAMs of a simulation."""
    found = 0
    for path in sorted(folder.glob("bams/*.bam")):
        with pysam.AlignmentFile(str(path)) as opened:
            found += opened.mapped + opened.unmapped
    return found


def run(work: Path, *, normals: int, repeats: int) -> pd.DataFrame:
    """One row per step: what it took, and its limit."""
    work.mkdir(parents=True, exist_ok=True)
    own = [sys.executable, "-m", "ctcnv"]
    config = ["--config", str(CONFIG)]
    log, bins, genes = work / "log", str(work / "bins.tsv.gz"), str(work / "genes.tsv")
    fasta = work / "hg38.fa"
    if not fasta.is_file():
        write_fasta(fasta)
    rows = []

    def add(name: str, command: list[str], times: int, limits: tuple[str, float, float]) -> None:
        # Once before, so that loops are compiled and files are in the cache of the system.
        uses = [processes.measure(command, log) for _ in range(1 + times)][1:]
        use, (of, limit, limit_mb) = processes.medians(uses), limits
        rows.append({"step": name, "cpu": use.cpu, "wall": use.wall, "peak_mb": use.peak,
                     "limit_of": of, "limit": limit, "limit_mb": limit_mb,
                     "load": os.getloadavg()[0]})  # fmt: skip
        print(f"{name:24} {use.cpu:7.2f} CPU-s {use.wall:7.2f} s {use.peak:6.0f} MB", flush=True)

    none = float("nan")
    add("ctcnv --help", [*own, "--help"], repeats, ("wall", 0.4, none))
    made = work / "simulated"
    add("simulate",
        [*own, "simulate", "--quiet", "--output", str(made), "--seed", "1", "--normals", "0",
         "--fragments", "500000"], 1, ("cpu", none, none))  # fmt: skip
    reads = reads_below(made)
    rows[-1] |= {"step": f"simulate, {reads / MB:.1f} M reads",
                 "limit": round(reads / READS_A_SECOND, 1)}  # fmt: skip
    add("bins, hg38 at 10 kb",
        [*own, "bins", "--quiet", "--fasta", str(fasta), "--output", bins, "--output-genes", genes,
         *config], 1, ("wall", 60, none))  # fmt: skip
    write_counts(work, normals=normals)
    panel = {name: str(work / f"pon{end}") for name, end in (
        ("--output", ".tsv.gz"), ("--output-dispersion", ".dispersion.tsv"),
        ("--output-donors", ".donors.tsv"), ("--output-genes", ".genes.tsv"),
        ("--output-normals", ".normals.tsv.gz"), ("--output-waves", ".waves.tsv.gz"),
    )}  # fmt: skip
    counts = [str(work / f"N{i:03}.counts.tsv.gz") for i in range(normals)]
    add(f"pon, {normals} normals",
        [*own, "pon", "--quiet", "--threads", "2", "--counts", *counts, "--bins", bins, "--genes",
         genes, *config, *(word for pair in panel.items() for word in pair)],
        1, ("wall", 30, 1000))  # fmt: skip
    for depth in DEPTHS:
        out = work / depth
        out.mkdir(exist_ok=True)
        given = {"--sample": depth, "--counts": str(work / f"{depth}.counts.tsv.gz"),
                 "--bins": bins, "--genes": genes, "--pon": panel["--output"]}  # fmt: skip
        for name in ("dispersion", "normals", "waves"):
            given[f"--{name}"] = panel[f"--output-{name}"]
        given["--pon-genes"] = panel["--output-genes"]
        written = {"profile": "profile.tsv.gz", "segments": "segments.tsv",
                   "fraction": "fraction.tsv", "mutations": "mutations.tsv",
                   "grid": "fraction.grid.tsv.gz", "solutions": "solutions.tsv",
                   "genes": "genes.tsv", "qc": "qc.tsv"}  # fmt: skip
        given |= {f"--output-{name}": str(out / file) for name, file in written.items()}
        words = [word for pair in given.items() for word in pair]
        add(f"call, {depth}", [*own, "call", "--quiet", *words, *config], repeats,
            ("cpu", 6, 500))  # fmt: skip
    rows.append(fraction_alone(repeats))
    return pd.DataFrame(rows)


def fraction_alone(repeats: int) -> dict[str, object]:
    """The row of the tumor fraction alone: the first call of a process, without its start."""
    found = fraction_speed.run(repeats).set_index("what")["measured"]
    return {"step": f"fraction alone, {fraction_speed.WINDOWS:,} windows",
            "cpu": found["first call, compiled code on disk"], "wall": float("nan"),
            "peak_mb": found["peak memory, compiled code on disk"], "limit_of": "cpu",
            "limit": fraction_speed.LIMIT_SECONDS, "limit_mb": fraction_speed.LIMIT_MB,
            "load": os.getloadavg()[0]}  # fmt: skip


def main() -> int:
    """Measure and write sample.tsv; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the files (5 GB)")
    parser.add_argument("--normals", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    table = run(args.work, normals=args.normals, repeats=args.repeats)
    table.round(4).to_csv(args.work / "sample.tsv", sep="\t", index=False)
    taken = table["cpu"].where(table["limit_of"] == "cpu", table["wall"])
    passed = (taken > table["limit"]) | (table["peak_mb"] > table["limit_mb"])
    return int(passed.any())


if __name__ == "__main__":
    sys.exit(main())
