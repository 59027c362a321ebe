"""Fragments by GC: by hand, against counting letters, and at the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctcnv import fragment_gc
from ctcnv.cli import main
from ctcnv.count import Atoms, Batch
from ctcnv.io import tables
from ctcnv.schema import BINS, COUNTS, FRAGMENT_GC
from tests.test_count import make_atoms, write_bam

CONFIG = Path(__file__).resolve().parent.parent / "config/config.yaml"
CONTIGS = {"chr1": 3_000, "chrUn": 500, "chr2": 2_200}


def sequences(seed=3):
    """Random bases, some of them unknown, some in lower case."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, length in CONTIGS.items():
        letters = rng.choice(list("ACGTgcN"), length, p=[0.25, 0.2, 0.2, 0.2, 0.1, 0.049, 0.001])
        made[name] = "".join(letters)
    return made


def batch_of(fragments):
    """Left records of fragments (tid, start, length)."""
    tid, start, length = (np.array(side, dtype=np.int32) for side in zip(*fragments, strict=True))
    n = len(tid)
    return Batch(
        np.full(n, 99, np.int32), tid, start, np.full(n, 60, np.int32), tid, start + 20, length,
        start + 50,
    )  # fmt: skip


def fetch_of(text, called):
    names = list(CONTIGS)

    def fetch(tid, start, end):
        called.append((tid, start, end))
        return np.frombuffer(text[names[tid]][start:end].encode(), dtype=np.uint8)

    return fetch


def percent(part):
    """The GC of a string, or None with an unknown base: the slow twin."""
    upper = part.upper()
    if not part or set(upper) - set("ACGT"):
        return None
    return int(100 * sum(c in "GC" for c in upper) / len(part) + 0.5)


@pytest.mark.parametrize("stretch", [400, 1_000, 10_000])
def test_fragments_and_places_are_those_of_counting_letters(monkeypatch, stretch):
    monkeypatch.setattr(fragment_gc, "STRETCH_BP", stretch)
    text, names = sequences(), list(CONTIGS)
    atoms = make_atoms({"chr1": 3_000, "chr2": 2_200}, 250)
    atoms = atoms.drop(index=[3, 4]).reset_index(drop=True)
    rng = np.random.default_rng(0)
    fragments = [
        (tid, int(rng.integers(0, CONTIGS[names[tid]] - length + 1)), length)
        for tid, length in zip(rng.choice([0, 2], 900).tolist(),
                               rng.integers(50, 300, 900).tolist(), strict=True)
    ]  # fmt: skip
    use = rng.random(900) < 0.8
    found = fragment_gc.FragmentGc(Atoms(atoms, CONTIGS), longest=300, fetch=fetch_of(text, []))
    for part in (slice(0, 300), slice(300, 301), slice(301, 900)):
        found.add(batch_of(fragments[part]), use[part])
    table = found.table()

    wanted = np.zeros(101, int)
    for (tid, start, length), taken in zip(fragments, use, strict=True):
        gc = percent(text[names[tid]][start : start + length])
        if taken and gc is not None:
            wanted[gc] += 1
    assert table["gc"].tolist() == list(range(101))
    assert table["fragments"].tolist() == wanted.tolist()

    places = np.zeros(101, int)
    for name in ("chr1", "chr2"):
        own = atoms[atoms["chrom"] == name]
        for begin in range(0, CONTIGS[name], stretch):
            for start in range(begin, min(begin + stretch, CONTIGS[name]), 50):
                length = 134 + start // 50 % 67
                middle = start + length // 2
                gc = percent(text[name][start : start + length])
                inside = ((own["start"] <= middle) & (middle < own["end"])).any()
                if inside and start + length <= CONTIGS[name] and gc is not None:
                    places[gc] += 1
    assert places.sum() > 50
    assert table["places"].tolist() == places.tolist()
    share = table["fragments"] / table["fragments"].sum() / (places / places.sum())
    known = places > 0
    np.testing.assert_allclose(table["ratio"][known], share[known])
    assert table["ratio"][~known].isna().all()


def test_a_stretch_is_read_once_where_reads_are_sorted(monkeypatch):
    monkeypatch.setattr(fragment_gc, "STRETCH_BP", 500)
    called: list[tuple[int, int, int]] = []
    atoms = Atoms(make_atoms({"chr1": 3_000, "chr2": 2_200}, 250), CONTIGS)
    found = fragment_gc.FragmentGc(atoms, longest=200, fetch=fetch_of(sequences(), called))
    for start in range(0, 2_000, 7):
        found.add(batch_of([(0, start, 150), (0, start + 3, 160)]), np.ones(2, bool))
    found.table()
    assert sorted(called) == [
        (tid, start, min(start + 700, length))
        for tid, length in ((0, 3_000), (2, 2_200)) for start in range(0, length, 500)
    ]  # fmt: skip


def test_without_a_fragment_no_ratio_is_known():
    atoms = Atoms(make_atoms({"chr1": 3_000}, 250), CONTIGS)
    found = fragment_gc.FragmentGc(atoms, longest=200, fetch=fetch_of(sequences(), []))
    found.add(batch_of([(0, 100, 150)]), np.zeros(1, bool))
    table = found.table()
    assert table["fragments"].sum() == 0
    assert table["ratio"].isna().all()


def test_fragments_drawn_by_gc_have_the_ratio_they_were_drawn_with():
    """Twice as many of 167 bp with more than half G and C: those ratios are twice the others."""
    rng = np.random.default_rng(1)
    gc_rich = np.repeat(rng.random(200) < 0.5, 200)
    p = np.where(gc_rich, 0.65, 0.35)
    letters = np.where(rng.random(40_000) < p, ord("G"), ord("A")).astype(np.uint8)
    contigs = {"chr1": 40_000}
    starts = rng.integers(0, 40_000 - 167, 60_000)
    sums = np.concatenate([[0], np.cumsum(letters == ord("G"))])
    rich = 2 * (sums[starts + 167] - sums[starts]) > 167
    starts = starts[rng.random(60_000) < np.where(rich, 1.0, 0.5)]
    found = fragment_gc.FragmentGc(
        Atoms(make_atoms(contigs, 1_000), contigs), longest=200,
        fetch=lambda tid, start, end: letters[start:end],
    )  # fmt: skip
    found.add(batch_of([(0, int(at), 167) for at in starts]), np.ones(len(starts), bool))
    table = found.table()

    def level(part):
        rows = table[part]
        return rows["fragments"].sum() / rows["places"].sum()

    ratio = level(table["gc"] > 50) / level(table["gc"] <= 50)
    assert ratio == pytest.approx(2, rel=0.12)


def test_without_gc_bias_no_per_cent_of_gc_stands_out():
    """Of one length, some per cent would have two numbers of bases and their neighbours one."""
    rng = np.random.default_rng(2)
    letters = rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), 500_000)
    contigs = {"chr1": 500_000}
    atoms = Atoms(make_atoms(contigs, 1_000), contigs)
    found = fragment_gc.FragmentGc(
        atoms, longest=300, fetch=lambda tid, start, end: letters[start:end]
    )
    starts, length = rng.integers(0, 499_700, 100_000), rng.integers(120, 230, 100_000)
    found.add(batch_of(list(zip(np.zeros(100_000, int), starts, length, strict=True))),
              np.ones(100_000, bool))  # fmt: skip
    middle = found.table().set_index("gc")["ratio"].loc[46:54]
    assert middle.between(0.85, 1.15).all(), middle


# --- the command ---


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    text = sequences()
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{text[name]}\n" for name in text))
    atoms = make_atoms({"chr1": 3_000, "chr2": 2_200}, 250)
    frame = atoms.assign(gc=0.5, callable=1.0, mappability=1.0, usable=True, reason="")
    tables.write(tmp_path / "bins.tsv.gz", BINS, frame, meta={"chromosome_ends": "exact"})
    return tmp_path


def rows_of(fragments):
    return [
        row for tid, start, length in fragments for row in (
            (99, tid, start, 60, "50M", tid, start + length - 50, length),
            (147, tid, start + length - 50, 60, "50M", tid, start, -length),
        )
    ]  # fmt: skip


def bam_of(folder, fragments=((0, 300, 167), (0, 700, 120), (2, 30, 200)), *, order="coordinate"):
    rows = sorted(rows_of(fragments), key=lambda row: (row[1], row[2]))
    return write_bam(folder / "s.bam", rows, contigs=CONTIGS, order=order)


def run(folder, *more, gc="gc.tsv"):
    words = ["count", "--bam", str(folder / "s.bam"), "--bins", str(folder / "bins.tsv.gz"),
             "--sample", "s", "--output", str(folder / "counts.tsv.gz"),
             "--output-lengths", str(folder / "lengths.tsv"),
             "--output-reads", str(folder / "reads.tsv"), "--output-gc", str(folder / gc),
             "--config", str(CONFIG), *more]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_the_command_writes_fragments_by_gc_and_the_same_counts(inputs):
    bam_of(inputs)
    assert run(inputs, "--reference", str(inputs / "g.fa")) == 0
    found = tables.read(inputs / "gc.tsv", FRAGMENT_GC).frame
    text = sequences()
    wanted = [percent(text["chr1"][300:467]), percent(text["chr1"][700:820]),
              percent(text["chr2"][30:230])]  # fmt: skip
    assert None not in wanted
    assert found["gc"].repeat(found["fragments"]).tolist() == sorted(wanted)
    counts = tables.read(inputs / "counts.tsv.gz", COUNTS).frame
    assert counts["fragments"].sum() == 3


def test_a_single_end_library_has_no_fragments_to_look_at(inputs):
    bam_of(inputs)
    assert run(inputs, "--reference", str(inputs / "g.fa"), "--count-single-end", "true") == 0
    assert len(tables.read(inputs / "gc.tsv", FRAGMENT_GC).frame) == 0


@pytest.mark.parametrize(
    ("order", "reference", "message"),
    [
        ("coordinate", None, "--output-gc needs the FASTA"),
        ("unsorted", "g.fa", "s.bam: sort order 'unsorted', --output-gc needs one by coordinate"),
        ("coordinate", "short.fa", "short.fa: has no chr2 of 2,200 bp"),
        ("coordinate", "other.fa", "other.fa: has no chr1 of 3,000 bp"),
        ("coordinate", "none.fa", "none.fa"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(
    inputs, capsys, order, reference, message
):
    bam_of(inputs, order=order)
    (inputs / "short.fa").write_text(f">chr1\n{'A' * 3000}\n>chr2\n{'A' * 2100}\n")
    (inputs / "other.fa").write_text(f">one\n{'A' * 3000}\n")
    more = [] if reference is None else ["--reference", str(inputs / reference)]
    assert run(inputs, *more) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in said if "error" in line]) == 1
    assert message in said[-1]
    for name in ("gc.tsv", "counts.tsv.gz", "lengths.tsv", "reads.tsv"):
        assert not (inputs / name).exists()


def test_a_sample_that_failed_has_a_table_without_a_row(inputs):
    (inputs / "s.bam").write_bytes(b"")
    assert run(inputs, "--reference", str(inputs / "g.fa"), "--record-failure") == 0
    stored = tables.read(inputs / "gc.tsv", FRAGMENT_GC)
    assert len(stored.frame) == 0
    assert "empty file" in str(stored.meta)
