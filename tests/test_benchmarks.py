"""The benchmarks: their BAM is one, their counts are ours, their measuring does not lie."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from benchmarks import limit, loop, processes, reads
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
