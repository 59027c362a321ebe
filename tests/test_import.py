"""Counts of other bins: nothing lost, nothing doubled, nothing invented."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv.cli import main
from ctcnv.import_ import check_source, rebin
from ctcnv.io import tables, wig
from ctcnv.schema import BINS, COUNTS


def source(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "value"])


def atoms_of(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"])


ATOMS = atoms_of([("1", 0, 100), ("1", 100, 200), ("1", 200, 300), ("X", 0, 100)])


# --- by hand --------------------------------------------------------------------------------


def test_counts_are_split_by_overlap_and_rounded_at_the_edges():
    rows = [("1", 0, 60, 6), ("1", 60, 120, 10), ("1", 120, 300, 18), ("X", 0, 100, 5)]
    # running total at 100 is 6 + 10 x 40/60 = 12.7, at 200 16 + 18 x 80/180 = 24
    assert rebin(check_source(source(rows)), ATOMS).values.tolist() == [13, 11, 10, 5]


def test_the_same_bins_pass_through_in_any_naming_and_order():
    rows = [("chrX", 0, 100, 4), ("chr1", 200, 300, 3), ("chr1", 0, 100, 1), ("chr1", 100, 200, 2)]
    result = rebin(check_source(source(rows)), ATOMS)
    assert result.same_bins
    assert result.values.tolist() == [1, 2, 3, 4]


def test_counts_without_an_atom_are_dropped_and_told():
    rows = [("1", 0, 100, 1), ("1", 250, 350, 10), ("X", 0, 100, 1), ("M", 0, 100, 7)]
    result = rebin(check_source(source(rows)), ATOMS)
    assert result.values.tolist() == [1, 0, 5, 1]
    assert result.outside == 12


def test_an_absent_chromosome_and_uncovered_atoms_are_told():
    result = rebin(check_source(source([("1", 0, 140, 14), ("1", 200, 300, 1)])), ATOMS)
    assert result.absent == ("X",)
    assert result.uncovered == 1


def test_a_gap_in_the_source_gives_no_counts():
    result = rebin(check_source(source([("1", 0, 50, 5), ("1", 250, 300, 5)])), ATOMS)
    assert result.values.tolist() == [5, 0, 5, 0]


def test_counts_are_not_made_finer():
    with pytest.raises(ValueError, match="its bins are 300 bp wide and the atoms 100 bp"):
        rebin(check_source(source([("1", 0, 300, 5)])), ATOMS)


def test_another_genome_is_refused():
    with pytest.raises(ValueError, match="none of its sequences"):
        rebin(check_source(source([("NC_1", 0, 100, 5)])), ATOMS)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("1", 0, 9, 1), ("1", 9, 20, -3)], r"row 2 1:9-20 \(-3\): the count is negative"),
        ([("1", 0, 9, 1.5)], "row 1 .* not a whole number"),
        ([("1", 0, 9, np.nan)], "row 1 .* the count is missing"),
        ([("1", 0, 9, np.inf)], "row 1 .* not a whole number"),
        ([("1", 9, 9, 1)], "row 1 .* the region is empty"),
        ([("1", 5, 9, 1), ("2", 0, 1, 1), ("chr1", 0, 6, 1)], "rows 3 and 1 overlap"),
    ],
)
def test_what_is_not_a_count_is_refused_with_its_row(rows, match):
    with pytest.raises(ValueError, match=match):
        check_source(source(rows))


# --- invariants -----------------------------------------------------------------------------

bin_widths = st.lists(st.integers(1, 50), min_size=1, max_size=30)


def tiling(widths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    edges = np.append(0, np.cumsum(widths))
    return edges[:-1], edges[1:]


@given(bin_widths, st.integers(50, 200), st.data())
def test_rebinning_keeps_the_total_of_a_chromosome(widths, size, data):
    counts = data.draw(st.lists(st.integers(0, 10**7), min_size=len(widths), max_size=len(widths)))
    start, end = tiling(widths)
    table = check_source(source(list(zip(["1"] * len(start), start, end, counts, strict=True))))
    edges = np.arange(0, end[-1] + size, size)
    atoms = atoms_of([("1", left, right) for left, right in itertools.pairwise(edges)])
    result = rebin(table, atoms)
    assert result.values.sum() == sum(counts)
    assert (result.values >= 0).all()
    assert result.outside == 0


@given(bin_widths, st.data())
def test_rebinning_onto_the_same_bins_changes_nothing(widths, data):
    counts = data.draw(st.lists(st.integers(0, 10**9), min_size=len(widths), max_size=len(widths)))
    start, end = tiling(widths)
    rows = list(zip(["chr7"] * len(start), start, end, counts, strict=True))
    result = rebin(check_source(source(rows)), atoms_of([("7", s, e) for _, s, e, _ in rows]))
    assert result.same_bins
    assert result.values.tolist() == counts


@given(bin_widths)
def test_merging_whole_bins_sums_them(widths):
    start, end = tiling(widths)
    counts = np.arange(len(start)) * 3
    table = check_source(source(list(zip(["1"] * len(start), start, end, counts, strict=True))))
    result = rebin(table, atoms_of([("1", 0, end[len(end) // 2]), ("1", end[len(end) // 2], 9999)]))
    assert result.values[0] == counts[: len(end) // 2 + 1].sum()


# --- the command ----------------------------------------------------------------------------


def write_bins(path: Path, atoms: pd.DataFrame) -> Path:
    frame = atoms.assign(gc=0.5, callable=1.0, mappability=np.nan, usable=True, reason=None)
    tables.write(path, BINS, frame, meta={"bins": tables.bins_id(frame)})
    return path


@pytest.fixture
def bins_file(tmp_path) -> Path:
    return write_bins(tmp_path / "bins.tsv.gz", ATOMS)


def run_import(table: Path, bins_file: Path, sample: str = "S1") -> tables.Stored:
    out = bins_file.parent / "out.counts.tsv.gz"
    with pytest.raises(SystemExit) as end:
        main(["import", "--table", str(table), "--bins", str(bins_file), "--sample", sample,
              "--output", str(out)])  # fmt: skip
    if end.value.code != 0:
        assert not out.exists()
        raise RuntimeError(f"exit code {end.value.code}")
    return tables.read(out, COUNTS)


TSV = "chrom\tstart\tend\tgc\tS1\tcount\n1\t0\t300\t0.4\t30\t3\nX\t0\t100\t0.4\t12.0\t5\n"


def test_the_column_named_like_the_sample_is_taken(tmp_path):
    bins_file = write_bins(tmp_path / "bins.tsv.gz", atoms_of([("1", 0, 300), ("X", 0, 100)]))
    (tmp_path / "in.tsv").write_text(TSV)
    assert run_import(tmp_path / "in.tsv", bins_file).frame["fragments"].tolist() == [30, 12]
    other = run_import(tmp_path / "in.tsv", bins_file, sample="S2")
    assert other.frame["fragments"].tolist() == [3, 5]


def test_imported_counts_say_where_they_come_from(tmp_path, bins_file):
    (tmp_path / "in.tsv.gz").write_bytes(gzip.compress(b"chrom\tstart\tend\tcount\n1\t0\t100\t7\n"))
    stored = run_import(tmp_path / "in.tsv.gz", bins_file)
    assert stored.meta["settings.count"] == '{"source": "import"}'
    assert stored.meta["sample"] == "S1"
    assert stored.meta["fragments"] == "7"
    assert stored.frame["short"].isna().all()
    tables.require_bins(stored, tables.read_bins(bins_file)[1], of="the bins")


def test_a_wig_is_imported(tmp_path, bins_file):
    (tmp_path / "in.wig").write_text(
        "fixedStep chrom=chr1 start=1 step=50 span=50\n1\n2\n3\n4\n5\n6\n"
        "fixedStep chrom=chrX start=1 step=50 span=50\n7\n8\n"
    )
    stored = run_import(tmp_path / "in.wig", bins_file)
    assert stored.frame["fragments"].tolist() == [3, 7, 11, 15]


def test_our_own_counts_keep_what_they_say_of_themselves(tmp_path, bins_file):
    meta = {"sample": "S1", "bins": "old", "settings.count": {"min_mapq": 20}, "reads": 99}
    own = ATOMS.assign(fragments=[4, 3, 2, 1], short=[1, 1, 1, 0])
    tables.write(tmp_path / "own.tsv.gz", COUNTS, own, meta=meta)
    stored = run_import(tmp_path / "own.tsv.gz", bins_file)
    assert stored.frame["fragments"].tolist() == [4, 3, 2, 1]
    assert stored.frame["short"].tolist() == [1, 1, 1, 0]
    assert stored.meta["settings.count"] == '{"min_mapq": 20}'
    assert stored.meta["reads"] == "99"
    assert stored.meta["bins"] == tables.read_bins(bins_file)[1]


def test_our_own_counts_of_another_sample_are_refused(tmp_path, bins_file, capsys):
    own = ATOMS.assign(fragments=1, short=0)
    tables.write(tmp_path / "own.tsv.gz", COUNTS, own, meta={"sample": "S9"})
    with pytest.raises(RuntimeError, match="exit code 2"):
        run_import(tmp_path / "own.tsv.gz", bins_file)
    assert "counts of sample 'S9', not of 'S1'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("chrom\tstart\tcount\n1\t0\t5\n", "column 'end' is missing"),
        ("chrom\tstart\tend\tdepth\n1\t0\t100\t5\n", "no column of counts; name it 'S1'"),
        ("chrom\tstart\tend\tcount\n1\t0\t100\tmany\n", "row 1: count is 'many'"),
        ("chrom\tstart\tend\tcount\n1\t0\t100\t\n", "row 1 1:0-100 (nan): the count is missing"),
        ("chrom\tstart\tend\tcount\n1\t0\t100\t-4\n", "row 1 1:0-100 (-4): the count is negative"),
        ("chrom\tstart\tend\tcount\n1\t-5\t100\t4\n", "row 1: start is '-5'"),
        ("fixedStep chrom=1 start=1 step=100 span=100\n1\nx\n", "line 3: 'x' is not a number"),
    ],
)
def test_a_wrong_table_ends_with_one_line_and_nothing_written(
    tmp_path, bins_file, capsys, text, said
):
    (tmp_path / "in.tsv").write_text(text)
    with pytest.raises(RuntimeError, match="exit code 2"):
        run_import(tmp_path / "in.tsv", bins_file)
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert str(tmp_path / "in.tsv") in errors[0]
    assert said in errors[0]


# --- real tables ----------------------------------------------------------------------------


@pytest.fixture
def hg19_bins(tmp_path, shared_data) -> Path:
    """The 1-Mb bins of the shared hg19 wigs, whose names lack chr."""
    frame = wig.read_fixed_step(shared_data / "tracks" / "gc_hg19_1000kb.wig")
    return write_bins(tmp_path / "bins.tsv.gz", frame[["chrom", "start", "end"]])


@pytest.mark.parametrize(
    ("name", "total"), [("MBC_315", 3_052_419), ("MBC_315_T2", 4_584_078)]
)  # fmt: skip
def test_real_wigs_pass_through_untouched(shared_data, hg19_bins, name, total):
    path = shared_data / "serial_plasma" / f"{name}.ctDNA.reads.wig"
    stored = run_import(path, hg19_bins, name)
    assert stored.frame["fragments"].tolist() == wig.read_fixed_step(path)["value"].tolist()
    assert stored.meta["fragments"] == str(total)


def test_real_56kb_counts_are_rebinned_to_1mb_without_loss(shared_data, hg19_bins):
    folder = shared_data / "healthy_plasma"
    path = folder / "graz_controls_47_counts_hg19_56kb.tsv.gz"
    table = pd.read_csv(path, sep="\t", usecols=["chrom", "female_Ko10"])
    stored = run_import(path, hg19_bins, "female_Ko10")
    by_chrom = stored.frame.groupby("chrom")["fragments"].sum()
    expected = table.groupby(table["chrom"].str.removeprefix("chr"))["female_Ko10"].sum()
    assert by_chrom.to_dict() == expected.to_dict()
