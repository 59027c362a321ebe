"""The benchmarks: their BAM is one, their counts are ours, their measuring does not lie."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from benchmarks import limit, loop, page, processes, reads, regions
from ctcnv import count
from ctcnv.io import bam
from ctcnv.model import CountSettings

SETTINGS = CountSettings(
    min_mapq=20, min_length=50, max_length=700, short_min=90, short_max=150, single_end="auto"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "a.bam"
    reads.write(path, reads=20_000)
    return path


def test_the_bam_is_sorted_and_whole(made):
    pysam.index(str(made))
    pysam.quickcheck(str(made))
    with pysam.AlignmentFile(str(made)) as opened:
        assert sum(1 for _ in opened.fetch("chr17")) == opened.count("chr17") > 100
    limit.main(str(made))


def test_the_loop_counts_what_ctcnv_counts(made):
    with bam.reads(made) as opened:
        contigs = opened.header.contigs
        frame = pd.concat(
            [
                pd.DataFrame({"chrom": name, "start": np.arange(0, length, 1_000_000)}).assign(
                    end=lambda part, length=length: np.minimum(part["start"] + 1_000_000, length)
                )
                for name, length in contigs.items()
            ],
            ignore_index=True,
        )
        counts = count.count(opened.batches(), frame, contigs, SETTINGS)
    assert loop.main(str(made)) == counts.reads["used"] > 5_000
    assert counts.reads["duplicate"] > 500


def test_a_process_is_measured_without_what_started_it(tmp_path):
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    use = processes.measure([sys.executable, "-S", "-c", burn], tmp_path / "log")
    assert 0.25 < use.cpu < 3
    assert use.wall >= use.cpu * 0.9
    assert use.peak < 200
    assert len(ballast) == 300_000_000


def test_a_program_that_fails_is_left_out_and_said(tmp_path, capsys):
    commands = {
        "good": [sys.executable, "-S", "-c", ""],
        "bad": [sys.executable, "-S", "-c", "raise SystemExit('no such index')"],
    }
    uses = processes.alternate(commands, repeats=2, log=tmp_path / "log")
    assert list(uses) == ["good"]
    assert len(uses["good"]) == 2
    assert "no such index" in capsys.readouterr().err


def test_the_median_is_of_each_number():
    uses = [processes.Use(1, 9, 5), processes.Use(3, 7, 6), processes.Use(2, 8, 4)]
    assert processes.medians(uses) == processes.Use(2, 8, 5)


# --- regions ---


def test_targets_lie_on_their_chromosomes_by_their_length():
    lengths = {"chr1": 1_000_000, "chr2": 300_000, "chrM": 16_569}
    panel = regions.targets(lengths, 400, np.random.default_rng(1))
    assert set(panel["chrom"]) == {"chr1", "chr2"}
    assert (panel["end"] - panel["start"] == 100_000).all()
    assert (panel["start"] >= 0).all()
    assert (panel["end"] <= panel["chrom"].map(lengths)).all()
    # by length: 1,000 of 1,300 kb
    assert abs((panel["chrom"] == "chr1").mean() - 1_000 / 1_300) < 0.07


def test_the_page_is_made_of_the_tables(tmp_path, monkeypatch):
    (tmp_path / "img").mkdir()
    monkeypatch.setattr(page, "DOCS", tmp_path)
    programs = [page.LIMIT, "ctcnv count, 1 thread", "ctcnv count, 2 threads"]
    counting = pd.DataFrame(
        [(reads, name, cpu, cpu, 100.0, ratio, 3)
         for reads, cpus in ((2_000_000, (0.5, 2.0, 1.5)), (10_000_000, (2.5, 6.0, 3.0)))
         for name, cpu, ratio in zip(programs, cpus, (1.0, 4.0, 4.0), strict=True)],
        columns=["reads", "program", "cpu", "wall", "peak_mb", "cpu_ratio", "repeats"],
    )  # fmt: skip
    of_regions = pd.DataFrame(
        [("whole file", "BAI", 10_000_000, 6.0, 6.1, 234.0, 1.0, 4.5),
         ("chr1", "BAI", 800_000, 1.4, 1.5, 217.0, 0.2333, 0.43),
         ("1 target", "BAI", 372, 1.0, 1.1, 209.0, 0.1667, 0.01),
         ("600 targets", "BAI", 212_367, 1.3, 1.4, 209.0, 0.2167, 0.16),
         ("1 target", "CSI", 372, 1.0, 1.1, 209.0, 0.1667, 0.01),
         ("600 targets", "CSI", 212_367, 2.2, 2.3, 209.0, 0.3667, float("nan"))],
        columns=["region", "index", "reads", "cpu", "wall", "peak_mb", "cpu_ratio", "samtools"],
    )  # fmt: skip
    sample = pd.DataFrame(
        [("pon, 100 normals", 40.0, 25.0, 800.0, "wall", 30.0, 1000.0, 2.0)],
        columns=["step", "cpu", "wall", "peak_mb", "limit_of", "limit", "limit_mb", "load"],
    )
    for name, table in (("counting", counting), ("regions", of_regions), ("sample", sample)):
        table.to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
    (tmp_path / "10M.bam").write_bytes(bytes(1000))
    monkeypatch.setattr(sys, "argv", ["page", "--work", str(tmp_path)])
    assert page.main() == 0
    text = (tmp_path / "performance.md").read_text()
    for row in (
        "| whole file |  | 10,000,000 | 6.00 | 1.00 | 234 | 4.50 |",
        "| chr1 | BAI | 800,000 | 1.40 | 0.23 | 217 | 0.43 |",
        "| 600 targets | CSI | 212,367 | 2.20 | 0.37 | 209 |  |",
    ):
        assert row in text.splitlines()
    flat = " ".join(text.split())
    assert "Two threads take 0.75, 0.50 of the wall time of one." in flat
    assert "targets of 100 kb at random places, from the BAM of 10 million reads" in flat
    # (1.4 - 1.0) s for 0.8 million reads; 0.3 and 1.2 s for 600 targets
    assert "0.5 CPU-s per million reads of a chromosome, 0.5 ms per target with BAI and 2.0" in flat
    assert (tmp_path / "img" / "performance.svg").is_file()
