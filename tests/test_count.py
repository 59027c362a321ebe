"""Counting: by hand, against the slow twin, against samtools, and on damaged files."""

from __future__ import annotations

import dataclasses
import gzip
import os
import shutil
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from ctcnv import count
from ctcnv.cli import main
from ctcnv.io import bam, bgzf, htslib, records, tables
from ctcnv.model import CountSettings
from ctcnv.schema import BINS, COUNTS, LENGTHS, READS
from tests.knocks.reads import as_blocks
from tests.reference.count_slow import count_slow

SETTINGS = CountSettings(
    min_mapq=20, min_length=50, max_length=700, short_min=90, short_max=150, single_end="auto"
)
CONTIGS = {"chr1": 10_000, "chr2": 5_000, "chrUn": 3_000}
PROPER1, PROPER2 = 99, 147  # first mate forward, second mate reverse

GOOD = [
    "12.3444.b37.bam", "big.bam", "empty-tids.bam", "ex.plasma.bam", "full-fragment-pairs.bam",
    "hg19.chr1.6Mb.cram", "na12878-chrM-Y-trunc.cram", "overlapping-pairs.bam", "ovl.bam",
]  # fmt: skip


def make_atoms(contigs: dict[str, int], size_bp: int) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"chrom": name, "start": np.arange(0, length, size_bp)}).assign(
            end=lambda part, length=length: np.minimum(part["start"] + size_bp, length)
        )
        for name, length in contigs.items()
    ]
    return pd.concat(parts, ignore_index=True)


ATOMS = make_atoms({"chr1": 10_000, "chr2": 5_000}, 1_000)


def write_bam(path: Path, rows, *, contigs=None, order="unsorted") -> Path:
    """Rows are (flag, tid, pos, mapq, cigar, mtid, mpos, tlen)."""
    lines = [{"SN": name, "LN": length} for name, length in (contigs or CONTIGS).items()]
    header = {"HD": {"VN": "1.6", "SO": order}, "SQ": lines}
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for i, (flag, tid, pos, mapq, cigar, mtid, mpos, tlen) in enumerate(rows):
            record = pysam.AlignedSegment(out.header)
            record.query_name = f"read{i}"
            record.flag, record.reference_id, record.reference_start = flag, tid, pos
            record.mapping_quality, record.cigarstring = mapq, cigar
            record.next_reference_id, record.next_reference_start = mtid, mpos
            record.template_length = tlen
            out.write(record)
    return path


def pair(start: int, length: int, *, tid=0, mapq=60):
    """The two records of a proper pair."""
    right = start + length - 50
    return [
        (PROPER1, tid, start, mapq, "50M", tid, right, length),
        (PROPER2, tid, right, mapq, "50M", tid, start, -length),
    ]


def counted(path: Path, atoms=ATOMS, settings=SETTINGS, **options) -> count.Counts:
    with bam.reads(path, **options) as reads:
        return count.count(reads.batches(), atoms, reads.header.contigs, settings)


def assert_equals_twin(path: Path, atoms=ATOMS, settings=SETTINGS, *, reference=None) -> None:
    fast = counted(path, atoms, settings)
    slow = count_slow(path, atoms, settings, reference=reference)
    assert fast.single_end == slow["single_end"]
    assert {name: n for name, n in fast.reads.items() if n} == slow["reads"]
    assert fast.fragments.tolist() == slow["fragments"]
    assert (None if fast.short is None else fast.short.tolist()) == slow["short"]
    assert (None if fast.lengths is None else fast.lengths.tolist()) == slow["lengths"]


# --- by hand --------------------------------------------------------------------------------


def test_a_fragment_is_counted_once_in_the_atom_of_its_midpoint(tmp_path):
    # midpoint 900 + 200 // 2 = 1000: the first base of the second atom
    path = write_bam(tmp_path / "a.bam", pair(900, 200))
    result = counted(path)
    assert np.flatnonzero(result.fragments).tolist() == [1]
    assert result.fragments.sum() == 1
    assert result.reads["used"] == 1
    assert result.reads["mate"] == 1


def test_the_order_of_the_mates_in_the_file_does_not_matter(tmp_path):
    forward = write_bam(tmp_path / "a.bam", pair(900, 200) + pair(300, 167, tid=1))
    backward = write_bam(tmp_path / "b.bam", (pair(900, 200) + pair(300, 167, tid=1))[::-1])
    assert counted(forward).fragments.tolist() == counted(backward).fragments.tolist()


def test_short_fragments_are_those_of_the_range_with_both_ends(tmp_path):
    rows = [row for length in (89, 90, 150, 151) for row in pair(2_000, length)]
    result = counted(write_bam(tmp_path / "a.bam", rows))
    assert result.fragments[2] == 4
    assert result.short[2] == 2


def test_the_histogram_holds_fragments_that_the_length_filter_drops(tmp_path):
    rows = [row for length in (49, 50, 700, 701, 3_000) for row in pair(2_000, length)]
    result = counted(write_bam(tmp_path / "a.bam", rows))
    assert result.reads["used"] == 2
    assert result.reads["length"] == 3
    assert np.flatnonzero(result.lengths).tolist() == [49, 50, 700, 701, 1000]


@pytest.mark.parametrize(
    ("row", "fate"),
    [
        ((PROPER1 | 4, 0, 100, 60, None, 0, 200, 150), "unmapped"),
        ((77, -1, -1, 0, None, -1, -1, 0), "unmapped"),
        ((PROPER1 | 0x100 | 0x400, 0, 100, 0, "50M", 0, 200, 150), "secondary"),
        ((PROPER1 | 0x800 | 0x200, 0, 100, 60, "50M", 0, 200, 150), "supplementary"),
        ((PROPER1 | 0x200 | 0x400, 0, 100, 60, "50M", 0, 200, 150), "qc_fail"),
        ((PROPER1 | 0x400, 0, 100, 0, "50M", 0, 200, 150), "duplicate"),
        ((PROPER1, 0, 100, 19, "50M", 0, 200, 150), "low_mapq"),
        ((PROPER1, 0, 100, 20, "50M", 0, 200, 150), "used"),
        ((97, 0, 100, 60, "50M", 0, 200, 150), "not_proper_pair"),
        ((PROPER1, 0, 100, 60, "50M", 1, 200, 150), "not_proper_pair"),
        ((PROPER1, 0, 200, 60, "50M", 0, 100, 10), "mate"),
        ((PROPER1, 2, 100, 60, "50M", 2, 200, 150), "other_contig"),
        ((PROPER1, 0, 100, 60, "50M", 0, 200, 0), "length"),
    ],
)
def test_a_read_is_dropped_by_the_first_filter_that_applies(tmp_path, row, fate):
    settings = dataclasses.replace(SETTINGS, single_end="false")
    result = counted(write_bam(tmp_path / "a.bam", [row]), settings=settings)
    assert result.reads == {name: int(name == fate) for name in count.FILTERS}


def test_mates_at_the_same_position_are_one_fragment(tmp_path):
    rows = [(99, 0, 100, 60, "80M", 0, 100, 80), (147, 0, 100, 60, "80M", 0, 100, -80)]
    result = counted(write_bam(tmp_path / "a.bam", rows))
    assert result.fragments.sum() == 1


def test_single_end_reads_count_at_the_middle_of_their_reference_span(tmp_path):
    # 40M200D60M spans 300 bases: 860 to 1160, middle 1010
    rows = [(0, 0, 860, 60, "5S40M200D60M", -1, -1, 0), (16, 0, 860, 60, "10M", -1, -1, 0)]
    result = counted(write_bam(tmp_path / "a.bam", rows))
    assert result.single_end
    assert result.fragments[:2].tolist() == [1, 1]
    assert result.short is None
    assert result.lengths_table().empty


def test_single_end_can_be_forced_on_paired_reads(tmp_path):
    path = write_bam(tmp_path / "a.bam", pair(900, 200))
    result = counted(path, settings=dataclasses.replace(SETTINGS, single_end="true"))
    assert result.reads["used"] == 1
    assert result.reads["mate"] == 1
    assert result.fragments[0] == 1  # the read at 900-950, not the fragment's midpoint


def test_duplicates_do_not_decide_whether_a_library_is_single_end(tmp_path):
    rows = [(0x400, 0, 100, 60, "50M", -1, -1, 0)] * 5 + pair(900, 200)
    assert not counted(write_bam(tmp_path / "a.bam", rows)).single_end


def test_a_gap_between_bins_counts_nothing(tmp_path):
    atoms = pd.DataFrame({"chrom": "1", "start": [0, 2_000], "end": [1_000, 2_500]})
    rows = pair(400, 100) + pair(1_450, 100) + pair(2_100, 100) + pair(2_700, 100)
    result = counted(write_bam(tmp_path / "a.bam", rows), atoms)
    assert result.fragments.tolist() == [1, 1]
    assert result.reads["other_contig"] == 2


def test_names_meet_with_and_without_chr(tmp_path):
    path = write_bam(tmp_path / "a.bam", pair(900, 200) + pair(300, 167, tid=1))
    plain = ATOMS.assign(chrom=ATOMS["chrom"].str.removeprefix("chr"))
    assert counted(path, plain).fragments.tolist() == counted(path).fragments.tolist()


# --- against the slow twin and samtools -----------------------------------------------------


def random_rows(n: int, seed: int):
    """Records with every flag, position, length and some CIGARs, most of them close to useful."""
    rng = np.random.default_rng(seed)
    cigars = ["50M", "10S40M", "20M5I25M", "10M30D40M", "10M200N40M", "50=", "25=1X24=", "5H45M"]
    lengths = np.array(list(CONTIGS.values()))
    for _ in range(n):
        flag = int(rng.choice([99, 147, 83, 163, 0, 16, int(rng.integers(0, 4096))]))
        tid = int(rng.integers(-1, 3))
        pos = -1 if tid < 0 else int(rng.integers(0, lengths[tid] - 300))
        mtid = tid if rng.random() < 0.9 else int(rng.integers(-1, 3))
        mpos = -1 if mtid < 0 else max(0, pos + int(rng.integers(-300, 300)))
        cigar = None if tid < 0 or rng.random() < 0.05 else str(rng.choice(cigars))
        tlen = int(rng.integers(-900, 900))
        yield flag, tid, pos, int(rng.choice([0, 19, 20, 60])), cigar, mtid, mpos, tlen


@pytest.mark.parametrize("single_end", ["auto", "true", "false"])
def test_count_equals_the_slow_twin_on_records_with_every_flag(tmp_path, single_end):
    path = write_bam(tmp_path / "a.bam", random_rows(3_000, seed=1))
    assert_equals_twin(path, settings=dataclasses.replace(SETTINGS, single_end=single_end))


def cigar_end(record) -> int:
    """pysam gives unmapped reads no end, so it is added up here: M, D, N, = and X."""
    return record.reference_start + sum(n for op, n in record.cigartuples if op in (0, 2, 3, 7, 8))


def test_every_field_of_every_record_is_that_of_pysam(tmp_path):
    path = write_bam(tmp_path / "a.bam", random_rows(500, seed=8))
    with bam.reads(path) as reads, pysam.AlignmentFile(str(path)) as opened:
        batch = next(reads.batches())
        records = list(opened.fetch(until_eof=True))
    assert len(batch) == len(records)
    assert batch.flag.tolist() == [r.flag for r in records]
    assert batch.tid.tolist() == [r.reference_id for r in records]
    assert batch.pos.tolist() == [r.reference_start for r in records]
    assert batch.mapq.tolist() == [r.mapping_quality for r in records]
    assert batch.mtid.tolist() == [r.next_reference_id for r in records]
    assert batch.mpos.tolist() == [r.next_reference_start for r in records]
    assert batch.tlen.tolist() == [r.template_length for r in records]
    ends = [r.reference_start if r.cigarstring is None else cigar_end(r) for r in records]
    assert batch.end.tolist() == ends


@pytest.mark.parametrize("name", GOOD)
def test_count_equals_the_slow_twin_on_real_files(shared_data, name):
    folder = shared_data / "bam" / "good"
    reference = folder / "chrM-Y-trunc.hg19.fa" if name.startswith("na12878") else None
    with bam.reads(folder / name) as reads:
        contigs = reads.header.contigs
    # 1 Mb, so that the twin's search through the atoms stays short; tiny contigs get several
    size_bp = 1_000_000 if max(contigs.values()) > 10_000_000 else 2_000
    assert_equals_twin(folder / name, make_atoms(contigs, size_bp), reference=reference)


@pytest.mark.parametrize("name", ["ex.plasma.bam", "hg19.chr1.6Mb.cram", "12.3444.b37.bam"])
def test_used_reads_are_those_that_samtools_counts(shared_data, name):
    if shutil.which("samtools") is None:
        pytest.skip("samtools is not installed")
    path = shared_data / "bam" / "good" / name
    with bam.reads(path) as reads:
        atoms = make_atoms(reads.header.contigs, 1_000_000)
    fast = counted(path, atoms)
    left = "(pos<pnext || (pos==pnext && flag.read1))"
    length = "((tlen>=50 && tlen<=700) || (tlen<=-50 && tlen>=-700))"
    command = ["samtools", "view", "-c", "-q", "20", "-f", "3", "-F", "3852", "-e",
               f"rname==rnext && {left} && {length}", str(path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert fast.reads["used"] == int(done.stdout)
    every = subprocess.run(["samtools", "view", "-c", path], capture_output=True, text=True)
    assert sum(fast.reads.values()) == int(every.stdout)


@pytest.mark.parametrize("name", GOOD)
def test_every_file_gives_the_same_through_htslib(shared_data, name):
    folder = shared_data / "bam" / "good"
    reference = folder / "chrM-Y-trunc.hg19.fa" if name.startswith("na12878") else None
    with htslib.opened(folder / name, reference=reference) as source:
        slow = bam.Reads(folder / name, source)
        atoms = make_atoms(slow.header.contigs, 10_000)
        expected = count.count(slow.batches(), atoms, slow.header.contigs, SETTINGS)
    result = counted(folder / name, atoms, reference=reference)
    assert result.reads == expected.reads
    assert result.fragments.tolist() == expected.fragments.tolist()


def test_the_log_says_which_way_a_file_is_read(tmp_path, cram, caplog):
    with caplog.at_level("INFO"):
        counted(cram.with_suffix(".bam"))
        counted(cram, reference=cram.with_name("ref.fa"))
    assert [record.message.split(": ")[1] for record in caplog.records] == [
        "BAM, read whole by 1 threads", "CRAM, read whole by htslib",
    ]  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("block", [40, 777, 60_000])
def test_blocks_that_cut_records_do_not_change_the_counts(tmp_path, monkeypatch, block, threads):
    path = write_bam(tmp_path / "a.bam", random_rows(1_000, seed=2))
    whole = counted(path)
    (tmp_path / "b.bam").write_bytes(as_blocks(gzip.decompress(path.read_bytes()), block))
    # Many pieces, as a large file has.
    monkeypatch.setattr(bgzf, "PIECE", bgzf.LARGEST_BLOCK)
    result = counted(tmp_path / "b.bam", threads=threads)
    assert result.reads == whole.reads
    assert result.fragments.tolist() == whole.fragments.tolist()


def test_batches_do_not_change_the_counts(tmp_path, monkeypatch):
    path = write_bam(tmp_path / "a.bam", random_rows(3_000, seed=2))
    whole = counted(path)
    monkeypatch.setattr(bam, "BATCH", 1)
    (tmp_path / "b.bam").write_bytes(as_blocks(gzip.decompress(path.read_bytes()), 3_000))
    with bam.reads(tmp_path / "b.bam") as reads:
        batches = list(reads.batches())
        result = count.count(batches, ATOMS, reads.header.contigs, SETTINGS)
    assert len(batches) > 10
    assert result.reads == whole.reads
    assert result.fragments.tolist() == whole.fragments.tolist()


def test_no_more_threads_run_than_were_asked_for(tmp_path, monkeypatch):
    path = write_bam(tmp_path / "a.bam", random_rows(3_000, seed=2))
    (tmp_path / "b.bam").write_bytes(as_blocks(gzip.decompress(path.read_bytes()), 500))
    monkeypatch.setattr(bgzf, "PIECE", bgzf.LARGEST_BLOCK)
    before, seen = threading.active_count(), set()
    with bam.reads(tmp_path / "b.bam", threads=3) as reads:
        for _ in reads.batches():
            seen.add(threading.active_count() - before)
    assert max(seen) <= 2  # beside this one
    assert threading.active_count() == before


def test_a_cigar_of_more_operations_than_fit_is_read_by_its_placeholder(tmp_path):
    cigar = "1M1D" * 40_000 + "1M"
    path = write_bam(tmp_path / "a.bam", [(0, 0, 100, 60, cigar, -1, -1, 0)],
                     contigs={"chr1": 100_000})  # fmt: skip
    with bam.reads(path) as reads:
        (batch,) = reads.batches()
    assert batch.end.tolist() == [100 + 80_001]


def test_three_thousand_sequences_most_of_them_empty(tmp_path):
    contigs = {f"chr1_{i}_random": 3_000 for i in range(1_500)} | CONTIGS
    contigs |= {f"chrUn_{i}": 3_000 for i in range(1_500)}
    rows = [
        (flag, tid + 1_500 * (tid >= 0), pos, mapq, cigar, mtid + 1_500 * (mtid >= 0), mpos, tlen)
        for flag, tid, pos, mapq, cigar, mtid, mpos, tlen in random_rows(500, seed=9)
    ]
    path = write_bam(tmp_path / "a.bam", rows, contigs=contigs)
    assert_equals_twin(path, make_atoms(contigs, 1_000))
    plain = counted(write_bam(tmp_path / "b.bam", random_rows(500, seed=9)))
    assert counted(path).fragments.tolist() == plain.fragments.tolist()


# --- regions --------------------------------------------------------------------------------


@pytest.fixture(params=["bai", "csi", "crai"])
def indexed(request, tmp_path) -> Path:
    """A sorted file with its index, of each kind; the FASTA lies beside it."""
    text = "".join(f">{name}\n{'ACGT' * (length // 4)}\n" for name, length in CONTIGS.items())
    (tmp_path / "ref.fa").write_text(text)
    rows = [row for row in random_rows(2_000, seed=10) if row[1] >= 0 or row[0] & 4]
    rows += [row for start in range(0, 9_000, 37) for row in pair(start, 60 + start % 900)]
    rows.sort(key=lambda row: (row[1] if row[1] >= 0 else 99, row[2]))
    path = write_bam(tmp_path / "a.bam", rows, order="coordinate")
    if request.param == "crai":
        path = path.with_suffix(".cram")
        pysam.view("-C", "-T", str(tmp_path / "ref.fa"), "-o", str(path),
                   str(path.with_suffix(".bam")), catch_stdout=False)  # fmt: skip
    pysam.index(*(["-c"] if request.param == "csi" else []), str(path))
    return path


def test_a_region_reaches_half_of_the_longest_fragment_to_the_left():
    longer = dataclasses.replace(SETTINGS, max_length=5_000)
    part = ATOMS.iloc[[0, 4]]
    assert count.needed(part, SETTINGS)["start"].tolist() == [0, 2_999]
    assert count.needed(part, longer)["start"].tolist() == [0, 1_499]
    assert count.needed(part, SETTINGS)["end"].tolist() == [1_000, 5_000]


@pytest.mark.parametrize("single_end", ["false", "true"])
@pytest.mark.parametrize("atoms", [[3], [2, 3, 7], [0, 14], [5, 11], range(15)])
def test_a_region_has_the_counts_that_it_has_in_the_whole_file(indexed, atoms, single_end):
    settings = dataclasses.replace(SETTINGS, single_end=single_end)
    reference = indexed.with_name("ref.fa")
    whole = counted(indexed, settings=settings, reference=reference)
    part = ATOMS.iloc[list(atoms)].reset_index(drop=True)
    result = counted(indexed, part, settings, reference=reference,
                     regions=count.needed(part, settings))  # fmt: skip
    assert whole.fragments[list(atoms)].sum() > 0
    assert result.fragments.tolist() == whole.fragments[list(atoms)].tolist()
    if single_end == "false":
        assert result.short.tolist() == whole.short[list(atoms)].tolist()


def test_a_region_reads_what_it_needs_and_each_read_once(indexed):
    part = ATOMS.iloc[[3, 6]]  # one span of 1,999-4,000 and one of 4,999-7,000
    result = counted(indexed, part, reference=indexed.with_name("ref.fa"),
                     regions=count.needed(part, SETTINGS))  # fmt: skip
    with pysam.AlignmentFile(str(indexed.with_name("a.bam"))) as opened:
        near = {
            i for i, read in enumerate(opened.fetch(until_eof=True))
            if read.reference_id == 0 and any(
                read.reference_start < end
                and max(read.reference_end or 0, read.reference_start + 1) > start
                for start, end in ((1_999, 4_000), (4_999, 7_000))
            )
        }  # fmt: skip
    assert sum(result.reads.values()) == len(near)


@pytest.fixture(params=["bai", "csi"])
def small_blocks(request, tmp_path) -> Path:
    """A sorted BAM of several hundred blocks that cut records, with reads of every kind."""
    rows = [row for row in random_rows(3_000, seed=11) if row[1] >= 0 or row[0] & 4]
    # reads that are not aligned but placed, with and without a CIGAR, at edges of regions
    rows += [(5, 0, pos, 0, cigar, 0, pos, 0) for pos in (950, 999) for cigar in ("60M", None)]
    rows += [(0, 0, 1_000, 60, None, -1, -1, 0)]  # aligned to no base
    # longer than a block's reach, and over the edge between two sequences
    rows += [(0, 0, 1_500, 60, "20M3000N20M", -1, -1, 0), (0, 0, 9_990, 60, "10M", -1, -1, 0)]
    rows.sort(key=lambda row: (row[1] if row[1] >= 0 else 99, row[2]))
    whole = write_bam(tmp_path / "whole.bam", rows, order="coordinate")
    with pysam.BGZFile(str(whole)) as handle:
        data = handle.read()
    path = tmp_path / "a.bam"
    path.write_bytes(as_blocks(data, 300))
    pysam.index(*(["-c"] if request.param == "csi" else []), str(path))
    return path


def fields_of(source) -> list[tuple[int, ...]]:
    """The fields of all records, in their order; no end of those that are not aligned."""
    return [
        row[:-1] if row[0] & 4 else row
        for batch, _ in source.batches()
        for row in zip(*(getattr(batch, name).tolist() for name in records.FIELDS), strict=True)
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_regions_hold_the_records_that_htslib_gives(small_blocks, monkeypatch, threads):
    monkeypatch.setattr(bam, "LONG_REGION", 1_000)  # the longer ones have threads that read ahead
    monkeypatch.setattr(bam, "BATCH", 70)
    rng = np.random.default_rng(12)
    for n in (1, 2, 5, 9):
        start = rng.integers(0, 9_900, n)
        regions = pd.DataFrame(
            {"chrom": rng.choice(["chr1", "chr2"], n), "start": start,
             "end": start + rng.integers(1, 3_000, n)}
        )  # fmt: skip
        # behind reads that are not aligned; two that one read reaches
        for span in ((1_000, 1_001), (1_600, 1_700), (4_000, 4_100)):
            regions.loc[len(regions)] = ["chr1", *span]
        with htslib.opened(small_blocks, regions=regions) as source:
            expected = fields_of(source)
        with bam.reads(small_blocks, regions=regions, threads=threads) as opened:
            found = fields_of(opened._source)
        assert found == expected
        assert len(found) > 10


def test_a_region_inflates_no_more_than_the_blocks_it_lies_in(small_blocks, monkeypatch):
    inflated = 0
    inflate = bgzf.deflate.gzip_decompress

    def counting(*args):
        nonlocal inflated
        inflated += 1
        return inflate(*args)

    monkeypatch.setattr(bgzf.deflate, "gzip_decompress", counting)
    regions = pd.DataFrame({"chrom": ["chr1"], "start": [5_000], "end": [5_100]})
    result = counted(small_blocks, ATOMS.iloc[[5]], regions=regions)
    n_reads, of_region = sum(result.reads.values()), inflated
    counted(small_blocks)
    whole = inflated - of_region
    # one block of 300 bytes has two or three records; one for the header, one behind the end
    assert 0 < n_reads < 100
    assert of_region <= n_reads + 4
    assert whole > 400


def test_damage_outside_of_a_region_is_not_met_and_inside_is_told(small_blocks):
    regions = pd.DataFrame({"chrom": ["chr1"], "start": [5_000], "end": [6_000]})
    expected = counted(small_blocks, ATOMS.iloc[[5]], regions=regions)
    begin = htslib.first_reads(small_blocks, regions)[0].behind >> 16
    data = small_blocks.read_bytes()
    size = struct.unpack_from("<H", data, begin + 16)[0] + 1

    def damaged(at: int) -> None:
        small_blocks.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
        index = next(small_blocks.parent.glob("a.bam.[bc][as]i"))
        index.touch()

    damaged(len(data) * 9 // 10)
    found = counted(small_blocks, ATOMS.iloc[[5]], regions=regions)
    assert found.fragments.tolist() == expected.fragments.tolist()
    damaged(begin + size + 20)
    with pytest.raises(ValueError, match=f"damaged: the block at byte {begin + size:,} "):
        counted(small_blocks, ATOMS.iloc[[5]], regions=regions)


def test_a_region_without_an_index_says_how_to_make_one(tmp_path):
    path = write_bam(tmp_path / "a.bam", pair(900, 200))
    with pytest.raises(ValueError, match=r"a\.bam: no index beside it; make one: samtools index"):
        counted(path, ATOMS.iloc[:1], regions=ATOMS.iloc[:1])


@pytest.fixture
def cram(tmp_path) -> Path:
    """A CRAM beside the BAM and the FASTA of the same reads; small, so its slices are mixed."""
    text = "".join(f">{name}\n{'ACGT' * (length // 4)}\n" for name, length in CONTIGS.items())
    (tmp_path / "ref.fa").write_text(text)
    # CRAM refuses records that are mapped to no sequence
    rows = [row for row in random_rows(800, seed=3) if row[1] >= 0 or row[0] & 4]
    write_bam(tmp_path / "a.bam", rows)
    with (
        pysam.AlignmentFile(str(tmp_path / "a.bam"), "rb") as source,
        pysam.AlignmentFile(
            str(tmp_path / "a.cram"), "wc", template=source,
            reference_filename=str(tmp_path / "ref.fa"),
        ) as out,
    ):  # fmt: skip
        for record in source:
            out.write(record)
    return tmp_path / "a.cram"


def test_a_cram_is_counted_like_the_bam_of_the_same_reads(cram):
    from_bam = counted(cram.with_suffix(".bam"))
    from_cram = counted(cram, reference=cram.with_name("ref.fa"))
    assert from_cram.reads == from_bam.reads
    assert from_cram.fragments.tolist() == from_bam.fragments.tolist()


def test_a_cram_that_needs_a_reference_says_so(cram):
    cram.with_name("ref.fa").unlink()
    with pytest.raises(ValueError, match=r"a\.cram: cannot be decoded: it needs the FASTA"):
        counted(cram)


def test_a_cram_with_a_reference_that_is_not_there_says_so(cram):
    with pytest.raises(ValueError, match=r"no\.fa: no such file"):
        counted(cram, reference=cram.with_name("no.fa"))


# --- damaged and wrong files ----------------------------------------------------------------

BAD = {
    "htsjdk_bad_index.bam": "truncated: the empty block that ends every BAM is missing",
    "htsjdk_truncated.bam": "truncated",
    "htsjdk_unsorted.sam": "SAM text",
    "htsjdk_noheader.sam": "neither a BAM nor a CRAM",
    "samtools_1.quickcheck.badeof.bam": "truncated",
    "samtools_2.quickcheck.badheader.bam": "neither a BAM nor a CRAM",
    "samtools_5.quickcheck.scramble30.truncated.cram": "truncated: the container",
    "samtools_9.quickcheck.cram30.truncated.cram": "truncated: the container",
    "samtools_10.quickcheck.notargets.bam": "names no sequence",
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_damaged_file_is_refused(shared_data, name):
    with pytest.raises(ValueError, match=f"{name}: .*{BAD[name]}"):
        counted(shared_data / "bam" / "malformed" / name)


@pytest.mark.parametrize(
    ("name", "n_reads"),
    [
        ("pysam_0example_no_seq_in_header.bam", 9),
        ("pysam_0example_no_seq_in_header_null_bytes.bam", 9),
        ("samtools_3.quickcheck.ok.bam", 40),
        ("samtools_7.quickcheck.cram30.ok.cram", 569),
    ],
)
def test_a_file_that_is_odd_but_whole_is_read(shared_data, name, n_reads):
    result = counted(shared_data / "bam" / "malformed" / name)
    assert sum(result.reads.values()) == n_reads


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.bam").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.bam: empty file"):
        counted(tmp_path / "a.bam")


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError, match="no\\.bam"):
        counted(tmp_path / "no.bam")


def test_bgzipped_text_is_not_taken_for_a_bam(tmp_path):
    pysam.BGZFile(str(tmp_path / "a.bam"), "w").close()
    with pysam.BGZFile(str(tmp_path / "a.bam"), "w") as out:
        out.write(b"##fileformat=VCFv4.2\n")
    with pytest.raises(ValueError, match="holds something else"):
        counted(tmp_path / "a.bam")


@pytest.fixture
def raw(tmp_path) -> bytes:
    """The inflated bytes of a small BAM."""
    return gzip.decompress(write_bam(tmp_path / "raw.bam", random_rows(100, seed=4)).read_bytes())


@pytest.mark.parametrize("keep", [3, 10, 100])
def test_a_header_cut_short_is_refused(tmp_path, raw, keep):
    (tmp_path / "a.bam").write_bytes(as_blocks(raw[:keep]))
    with pytest.raises(ValueError, match="truncated inside its header"):
        counted(tmp_path / "a.bam")


def test_a_record_cut_short_is_refused(tmp_path, raw):
    (tmp_path / "a.bam").write_bytes(as_blocks(raw[:-10]))
    with pytest.raises(ValueError, match="truncated inside record 100"):
        counted(tmp_path / "a.bam")


def test_a_record_with_an_absurd_size_is_refused(tmp_path, raw):
    for size in (-5, 7, 2_000_000_000):
        (tmp_path / "a.bam").write_bytes(as_blocks(raw + struct.pack("<i", size) + bytes(60)))
        with pytest.raises(ValueError, match="record 101 is not a record"):
            counted(tmp_path / "a.bam")


def test_a_header_with_an_absurd_length_is_refused(tmp_path, raw):
    (tmp_path / "a.bam").write_bytes(as_blocks(raw[:4] + struct.pack("<i", -1) + raw[8:]))
    with pytest.raises(ValueError, match="damaged header"):
        counted(tmp_path / "a.bam")


def test_a_flipped_bit_is_found_and_placed(tmp_path):
    path = write_bam(tmp_path / "a.bam", random_rows(5_000, seed=5))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        ValueError, match=r"block at byte [0-9,]+ cannot be inflated or has a wrong"
    ):
        counted(path)


def test_a_wrong_checksum_is_found(tmp_path, raw):
    data = bytearray(as_blocks(raw))
    data[-len(bgzf.END) - 8] ^= 1  # the first byte of the last block's CRC32
    (tmp_path / "a.bam").write_bytes(data)
    with pytest.raises(ValueError, match="has a wrong checksum"):
        counted(tmp_path / "a.bam")


def test_a_file_cut_inside_a_block_is_refused_even_with_an_end_glued_on(tmp_path):
    data = write_bam(tmp_path / "a.bam", random_rows(5_000, seed=6)).read_bytes()
    (tmp_path / "b.bam").write_bytes(data[: len(data) // 2] + bgzf.END)
    with pytest.raises(ValueError, match=r"b\.bam: (damaged|truncated)"):
        counted(tmp_path / "b.bam")


def test_a_damaged_cram_is_refused(tmp_path, shared_data):
    source = (shared_data / "bam" / "good" / "hg19.chr1.6Mb.cram").read_bytes()
    cut = source[: len(source) // 2] + htslib.END_OF_CRAM[3]
    (tmp_path / "a.cram").write_bytes(cut)
    with pytest.raises(ValueError, match=r"a\.cram: cannot be decoded"):
        counted(tmp_path / "a.cram")


def test_a_record_beyond_the_end_of_its_sequence_is_refused(tmp_path):
    path = write_bam(tmp_path / "a.bam", [*pair(900, 200), (0, 1, 5_000, 60, "5M", -1, -1, 0)])
    with pytest.raises(ValueError, match="record 3 lies at position 5,001 of chr2, which is 5,000"):
        counted(path)


def test_a_record_on_an_unknown_sequence_is_refused(tmp_path):
    raw = gzip.decompress(write_bam(tmp_path / "a.bam", pair(900, 200)).read_bytes())
    at = raw.index(struct.pack("<ii", 0, 900))
    (tmp_path / "b.bam").write_bytes(as_blocks(raw[:at] + struct.pack("<i", 9) + raw[at + 4 :]))
    with pytest.raises(ValueError, match="record 1 lies on a sequence that the header"):
        counted(tmp_path / "b.bam")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_file_cut_anywhere_is_refused(tmp_path, threads):
    data = write_bam(tmp_path / "a.bam", random_rows(40, seed=11)).read_bytes()
    for end in range(len(data) - 1):
        (tmp_path / "b.bam").write_bytes(data[:end])
        with pytest.raises(ValueError, match=r"b\.bam: \S"):
            counted(tmp_path / "b.bam", threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_damage_of_the_file_is_told(tmp_path, monkeypatch, raw, threads):
    monkeypatch.setattr(bgzf, "PIECE", bgzf.LARGEST_BLOCK)
    data = bytearray(as_blocks(bytes(raw) * 40, 300)[: -len(bgzf.END)])
    starts = [0]
    while starts[-1] < len(data):
        size = struct.unpack_from("<H", data, starts[-1] + 16)[0] + 1
        starts.append(starts[-1] + size)
    early, late = starts[len(starts) // 2], starts[-2]
    data[early + 20] ^= 255
    data[late] = 0
    (tmp_path / "a.bam").write_bytes(data + bgzf.END)
    seen = []
    with (
        (tmp_path / "a.bam").open("rb") as handle,
        pytest.raises(ValueError, match=f"damaged: the block at byte {early:,} "),
    ):
        seen.extend(bgzf.blocks(tmp_path / "a.bam", handle, threads=threads))
    assert [offset for offset, _ in seen] == starts[: len(seen)]
    assert len(seen) == len(starts) // 2 or threads > 1


def test_a_block_that_hides_its_data_or_claims_too_much_is_refused(tmp_path, raw):
    for claimed in (0, 1, 1 << 31):
        data = bytearray(as_blocks(raw))
        struct.pack_into("<I", data, len(data) - len(bgzf.END) - 4, claimed)
        (tmp_path / "a.bam").write_bytes(data)
        with pytest.raises(ValueError, match="cannot be inflated or has a wrong checksum"):
            counted(tmp_path / "a.bam")


def test_a_record_that_claims_much_costs_little(tmp_path, raw):
    # The largest record that is believed: the file ends long before it.
    body = raw + struct.pack("<i", bam.LONGEST_RECORD) + raw[:36].ljust(200, b"\1")
    body = body[: len(raw) + 8] + bytes(4) + b"\x05" + bytes(200)
    (tmp_path / "a.bam").write_bytes(as_blocks(body))
    tracemalloc.start()
    with pytest.raises(ValueError, match="truncated inside record 101"):
        counted(tmp_path / "a.bam")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("ends", "width", "match"),
    [
        ({"chr1": 10_000, "chr2": 5_000}, 0, None),
        ({"1": 10_000, "2": 5_000}, 0, None),
        ({"chr1": 10_000, "chr2": 6_000}, 1_000, None),
        ({"chr1": 10_000, "chr2": 6_000}, 0, "chr2 is 5,000 bp long .* bins end at 6,000"),
        ({"chr1": 10_000, "chr2": 4_000}, 999, "chr2 is 5,000 bp long"),
        ({"chr1": 10_000, "chr3": 4_000}, 999, "chromosome chr3 of the bins is not in its header"),
    ],
)
def test_reads_of_another_genome_are_refused(ends, width, match):
    widths = dict.fromkeys(ends, width)
    if match is None:
        count.check_contigs(ends, CONTIGS, widths=widths)
        return
    with pytest.raises(ValueError, match=match):
        count.check_contigs(ends, CONTIGS, widths=widths)


def test_a_loop_compiles_where_its_cache_cannot_be_written(tmp_path, repo_root):
    (tmp_path / "__pycache__").touch()  # where root too cannot make a folder
    (tmp_path / "loop.py").write_text(
        "import numba\nfrom ctcnv.compiled import compiled\n"
        "def twice(x):\n    return 2 * x\n"
        "try:\n    numba.njit(cache=True)(twice)\n"
        "except RuntimeError:\n    print('no place', compiled(twice)(2))\n"
    )
    done = subprocess.run(
        [sys.executable, "loop.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(repo_root / "src"), "HOME": os.devnull},
    )  # fmt: skip
    assert done.stdout == "no place 4\n", done.stderr


# --- the command ----------------------------------------------------------------------------


@pytest.fixture
def bins_file(tmp_path) -> Path:
    frame = ATOMS.assign(gc=0.5, callable=1.0, mappability=np.nan, usable=True, reason=None)
    meta = {"bins": tables.bins_id(frame), "chromosome_ends": "exact"}
    tables.write(tmp_path / "bins.tsv.gz", BINS, frame, meta=meta)
    return tmp_path / "bins.tsv.gz"


def run_count(repo_root, bins_file, path: Path, *more: str) -> Path:
    out = path.parent / "out"
    with pytest.raises(SystemExit) as end:
        main([
            "count", "--bam", str(path), "--bins", str(bins_file), "--sample", "S1",
            "--config", str(repo_root / "config" / "config.yaml"),
            "--output", str(out / "counts.tsv.gz"), "--output-lengths", str(out / "lengths.tsv"),
            "--output-reads", str(out / "reads.tsv"), *more,
        ])  # fmt: skip
    if end.value.code != 0:
        raise RuntimeError(f"exit code {end.value.code}")
    return out


def test_counting_loads_no_linear_algebra_and_leaves_it_loadable(tmp_path, repo_root, bins_file):
    """It is a third of the start; in a process of its own, because other tests load it."""
    path = write_bam(tmp_path / "a.bam", pair(900, 120))
    words = [
        "count",
        "--bam",
        str(path),
        "--bins",
        str(bins_file),
        "--sample",
        "S",
        "--config",
        str(repo_root / "config" / "config.yaml"),
        "--output",
        str(tmp_path / "c.tsv.gz"),
        "--output-lengths",
        str(tmp_path / "l.tsv"),
        "--output-reads",
        str(tmp_path / "r.tsv"),
    ]
    code = (
        "import sys; from ctcnv.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "import scipy.linalg"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_writes_counts_lengths_and_reads(tmp_path, repo_root, bins_file):
    path = write_bam(tmp_path / "a.bam", pair(900, 120) + pair(300, 167, tid=1))
    out = run_count(repo_root, bins_file, path)
    counts = tables.read(out / "counts.tsv.gz", COUNTS)
    assert counts.frame["fragments"].sum() == 2
    assert counts.frame["short"].sum() == 1
    assert counts.meta["sample"] == "S1"
    assert counts.meta["reads"] == "4"
    assert counts.meta["single_end"] == "false"
    tables.require_bins(counts, tables.read_bins(bins_file)[1], of="the bins")
    lengths = tables.read(out / "lengths.tsv", LENGTHS).frame
    assert len(lengths) == 1_001
    assert lengths["fragments"].sum() == 2
    reads = tables.read(out / "reads.tsv", READS).frame
    assert reads["filter"].tolist() == list(count.FILTERS)
    assert reads["reads"].sum() == 4


def test_the_command_gives_the_same_bytes_again(tmp_path, repo_root, bins_file):
    path = write_bam(tmp_path / "a.bam", random_rows(500, seed=7))
    first = run_count(repo_root, bins_file, path)
    before = {file.name: file.read_bytes() for file in first.iterdir()}
    second = run_count(repo_root, bins_file, path)
    assert {file.name: file.read_bytes() for file in second.iterdir()} == before


def test_a_single_end_library_leaves_lengths_and_short_empty(tmp_path, repo_root, bins_file):
    path = write_bam(tmp_path / "a.bam", [(0, 0, 100, 60, "50M", -1, -1, 0)])
    out = run_count(repo_root, bins_file, path)
    assert tables.read(out / "counts.tsv.gz", COUNTS).frame["short"].isna().all()
    assert tables.read(out / "lengths.tsv", LENGTHS).frame.empty


def test_a_library_without_usable_fragments_gives_zeros_and_a_warning(
    tmp_path, repo_root, bins_file, capsys
):
    path = write_bam(tmp_path / "a.bam", pair(900, 120, mapq=0))
    out = run_count(repo_root, bins_file, path)
    assert tables.read(out / "counts.tsv.gz", COUNTS).frame["fragments"].sum() == 0
    assert "warning: no fragment passes the filters" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"\x1f\x8b\x08\x04"])
def test_a_bad_file_ends_with_one_line_and_nothing_written(
    tmp_path, repo_root, bins_file, capsys, content
):
    path = tmp_path / "a.bam"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RuntimeError, match="exit code 2"):
        run_count(repo_root, bins_file, path)
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert str(path) in errors[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("region", ["chr2", "2", "panel.bed"])
def test_the_command_counts_a_region(tmp_path, repo_root, bins_file, region):
    rows = [*pair(900, 120), *pair(4_100, 120), *pair(300, 167)]
    rows += pair(300, 167, tid=1) + pair(3_300, 167, tid=1)
    rows.sort(key=lambda row: (row[1], row[2]))
    path = write_bam(tmp_path / "a.bam", rows, order="coordinate")
    pysam.index(str(path))
    whole = tables.read(run_count(repo_root, bins_file, path) / "counts.tsv.gz", COUNTS).frame
    expected = whole[whole["chrom"] == "chr2"]
    if region == "panel.bed":
        (tmp_path / region).write_text("chr1\t900\t1001\nchr1\t4999\t5000\nchr9\t1\t2\n")
        region = str(tmp_path / region)
        expected = whole.iloc[[0, 1, 4]]
    out = run_count(repo_root, bins_file, path, "--region", region)
    counts = tables.read(out / "counts.tsv.gz", COUNTS)
    pd.testing.assert_frame_equal(counts.frame, COUNTS.check(expected))
    with pytest.raises(ValueError, match="made on other bins"):
        tables.require_bins(counts, tables.read_bins(bins_file)[1], of="the bins")


def test_a_region_that_is_nowhere_ends_with_one_line(tmp_path, repo_root, bins_file, capsys):
    path = write_bam(tmp_path / "a.bam", pair(900, 120))
    with pytest.raises(RuntimeError, match="exit code 2"):
        run_count(repo_root, bins_file, path, "--region", "chr7")
    assert "chr7: neither a file nor a chromosome of the bins" in capsys.readouterr().err


def test_a_bam_of_another_genome_ends_with_one_line(tmp_path, repo_root, bins_file, capsys):
    contigs = {**CONTIGS, "chr2": 5_001}
    path = write_bam(tmp_path / "a.bam", pair(900, 120), contigs=contigs)
    with pytest.raises(RuntimeError, match="exit code 2"):
        run_count(repo_root, bins_file, path)
    assert (
        "chr2 is 5,001 bp long in its header but the bins end at 5,000" in capsys.readouterr().err
    )
