"""Atoms of a reference: by hand, with every kind of companion file, and what is refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pybigtools
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import bins
from ctcnv.cli import main
from ctcnv.genome import BUILDS, find_build
from ctcnv.io import reference, tables, wig
from ctcnv.schema import CHROMOSOMES, GENE_TABLE

# Atoms of 10 bp: AT only, half GC in both cases, mixed with N and an ambiguity code, short last.
CHR17 = "AATTAATTAA" + "GgCcAATTat" + "NNNNNNRGCA" + "GC"
FASTA = f">17 first\n{CHR17}\n>MT\nACGT\n>2\n{'ACGT' * 5}\n"
GENES = pd.DataFrame(
    {
        "gene": ["ERBB2", "MYCN"], "chrom": ["chr17", "chr2"], "start": [12, 3], "end": [18, 9],
        "centromere": [20, 10], "role": "target",
    }
)  # fmt: skip


@pytest.fixture
def fasta(tmp_path) -> Path:
    (tmp_path / "ref.fa").write_text(FASTA)
    return tmp_path / "ref.fa"


@pytest.fixture
def genes(tmp_path) -> Path:
    tables.write(tmp_path / "in.genes.tsv", GENE_TABLE, GENES)
    return tmp_path / "in.genes.tsv"


def run_bins(repo_root: Path, folder: Path, genes: Path | str, *arguments: object) -> Path:
    """Run the command with atoms of 10 bp; RuntimeError when it fails."""
    out = folder / "out"
    with pytest.raises(SystemExit) as end:
        main([
            "bins", "--config", str(repo_root / "config" / "config.yaml"), "--bins-size-bp", "10",
            "--genes", str(genes), "--output", str(out / "bins.tsv.gz"),
            "--output-genes", str(out / "genes.tsv"), *map(str, arguments),
        ])  # fmt: skip
    if end.value.code != 0:
        raise RuntimeError(f"exit code {end.value.code}")
    return out


def read_bins(out: Path) -> pd.DataFrame:
    return tables.read_bins(out / "bins.tsv.gz")[0].frame


# --- by hand --------------------------------------------------------------------------------


def test_gc_and_callable_share_of_each_atom(tmp_path, repo_root, fasta, genes):
    frame = read_bins(run_bins(repo_root, tmp_path, genes, "--fasta", fasta))
    chr17 = frame[frame["chrom"] == "17"]
    assert chr17["start"].tolist() == [0, 10, 20, 30]
    assert chr17["end"].tolist() == [10, 20, 30, 32]
    assert chr17["gc"].tolist() == pytest.approx([0.0, 0.4, 2 / 3, 1.0], abs=1e-6)
    assert chr17["callable"].tolist() == [1.0, 1.0, 0.3, 1.0]
    assert chr17["mappability"].isna().all()


def test_a_short_last_atom_is_used_only_when_it_holds_enough_sequence(
    tmp_path, repo_root, fasta, genes
):
    frame = read_bins(run_bins(repo_root, tmp_path, genes, "--fasta", fasta))
    chr17 = frame[frame["chrom"] == "17"]
    assert chr17["usable"].tolist() == [True, True, False, False]
    assert chr17["reason"].tolist()[2:] == ["callable", "callable"]


def test_chromosomes_are_sorted_and_others_left_out(tmp_path, repo_root, fasta, genes):
    frame = read_bins(run_bins(repo_root, tmp_path, genes, "--fasta", fasta))
    assert frame["chrom"].unique().tolist() == ["2", "17"]


def test_genes_take_the_names_of_the_reference(tmp_path, repo_root, fasta, genes):
    out = run_bins(repo_root, tmp_path, genes, "--fasta", fasta)
    stored = tables.read(out / "genes.tsv", GENE_TABLE)
    assert stored.frame["chrom"].tolist() == ["17", "2"]
    assert stored.require("bins") == tables.read_bins(out / "bins.tsv.gz")[1]


def test_genes_of_absent_chromosomes_are_dropped_and_named(
    tmp_path, repo_root, fasta, genes, capsys
):
    fasta.write_text(f">chr17\n{CHR17}\n")
    out = run_bins(repo_root, tmp_path, genes, "--fasta", fasta)
    assert tables.read(out / "genes.tsv", GENE_TABLE).frame["gene"].tolist() == ["ERBB2"]
    assert "1 genes left out" in capsys.readouterr().err


def test_excluded_regions_are_not_callable_but_keep_their_gc(tmp_path, repo_root, fasta, genes):
    # overlapping and unsorted, with and without chr, over the edge of an atom
    exclude = tmp_path / "x.bed"
    exclude.write_text("track name=x\nchr17\t16\t24\tnote\n17\t15\t18\nchrM\t0\t4\n")
    out = run_bins(repo_root, tmp_path, genes, "--fasta", fasta, "--exclude", exclude)
    chr17 = read_bins(out).query("chrom == '17'")
    assert chr17["callable"].tolist() == [1.0, 0.5, 0.3, 1.0]
    assert chr17["gc"].tolist()[1] == pytest.approx(0.4)


BEDGRAPH = "chr17\t10\t15\t1.0\nchr17\t15\t20\t0.5\nchr17\t27\t30\t1\nchr17\t0\t5\t1\n"


def as_bedgraph(folder: Path) -> Path:
    (folder / "map.bedgraph").write_text(f"track type=bedGraph\n{BEDGRAPH}")
    return folder / "map.bedgraph"


def as_spaced_bedgraph(folder: Path) -> Path:
    path = as_bedgraph(folder)
    path.write_text(path.read_text().replace("\t", "  ") + "# the end\n")
    return path


def as_plain_gzipped_bedgraph(folder: Path) -> Path:
    (folder / "map.gz").write_bytes(gzip.compress(BEDGRAPH.encode()))
    return folder / "map.gz"


def as_bigwig(folder: Path) -> Path:
    rows = [line.split("\t") for line in sorted(BEDGRAPH.splitlines())]
    values = [(chrom, int(start), int(end), float(value)) for chrom, start, end, value in rows]
    pybigtools.open(str(folder / "map.bw"), "w").write({"chr17": 32}, values)
    return (folder / "map.bw").rename(folder / "map.whatever")


@pytest.mark.parametrize(
    "make", [as_bedgraph, as_spaced_bedgraph, as_plain_gzipped_bedgraph, as_bigwig]
)
def test_mappability_is_the_mean_over_the_called_bases(tmp_path, repo_root, fasta, genes, make):
    out = run_bins(repo_root, tmp_path, genes, "--fasta", fasta, "--mappability", make(tmp_path))
    chr17 = read_bins(out).query("chrom == '17'")
    # half covered by 1; 5 x 1 + 5 x 0.5; the three called bases are covered; not covered
    assert chr17["mappability"].tolist() == pytest.approx([0.5, 0.75, 1.0, 0.0])
    assert chr17["reason"].tolist()[0] == "mappability"
    assert chr17["usable"].tolist()[1]


def test_a_chromosome_without_mappability_stays_usable(tmp_path, repo_root, fasta, genes, capsys):
    track = as_bedgraph(tmp_path)
    frame = read_bins(
        run_bins(repo_root, tmp_path, genes, "--fasta", fasta, "--mappability", track)
    )
    chr2 = frame[frame["chrom"] == "2"]
    assert chr2["mappability"].isna().all()
    assert chr2["usable"].all()
    assert "warning: 2: not in" in capsys.readouterr().err


# --- arrays ---------------------------------------------------------------------------------


@given(
    st.text("ACGTNacgtnR", min_size=1, max_size=200),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), max_size=5),
    st.integers(1, 3),
)
def test_composition_equals_counting_letters(text, size_bp, regions, atoms_per_block):
    starts = np.array([start for start, _ in regions], dtype=np.int64)
    ends = starts + np.array([width for _, width in regions], dtype=np.int64)
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    step = size_bp * atoms_per_block
    blocks = [(start, data[start : start + step]) for start in range(0, len(text), step)]
    called, gc, kept = bins.composition(
        blocks, len(text), size_bp=size_bp, excluded=bins.merged(starts, ends)
    )
    inside = {i for start, width in regions for i in range(start, start + width)}
    for i, start in enumerate(range(0, len(text), size_bp)):
        letters = [(k, text[k].upper()) for k in range(start, min(start + size_bp, len(text)))]
        assert called[i] == sum(letter in "ACGT" for _, letter in letters)
        assert gc[i] == sum(letter in "GC" for _, letter in letters)
        assert kept[i] == sum(letter in "ACGT" and k not in inside for k, letter in letters)


def test_cumulative_spreads_each_amount_over_its_interval():
    starts, ends = np.array([10, 30]), np.array([20, 40])
    at = np.array([0, 10, 15, 20, 25, 30, 35, 40, 99])
    amounts = np.array([4.0, 2.0])
    assert bins.cumulative(starts, ends, amounts, at).tolist() == [0, 0, 2, 4, 4, 4, 5, 6, 6]


def test_reasons_come_in_a_fixed_order():
    frame = pd.DataFrame(
        {
            "start": 0, "end": 10, "callable": [0.4, 1.0, 1.0, 1.0],
            "gc": [np.nan, np.nan, 0.4, 0.4], "mappability": [0.1, 0.1, 0.1, np.nan],
        }
    )  # fmt: skip
    judged = bins.judge(frame, min_callable=0.5, min_mappability=0.75)
    assert judged["reason"].tolist() == ["callable", "gc", "mappability", None]
    assert judged["usable"].tolist() == [False, False, False, True]
    assert bins.summary(judged["reason"].tolist()) == (
        "3 of 4 atoms not usable: callable 1, gc 1, mappability 1"
    )


def test_two_names_of_one_chromosome_are_refused():
    with pytest.raises(ValueError, match="'chr1' and '1' are the same chromosome"):
        bins.main_chromosomes({"chr1": 10, "1": 10})


def test_a_reference_without_human_chromosomes_is_refused():
    with pytest.raises(ValueError, match="none of its sequences is a human chromosome"):
        bins.main_chromosomes({"chrM": 10, "scaffold1": 10})


# --- builds ---------------------------------------------------------------------------------


def test_each_build_is_found_by_its_lengths_in_either_naming():
    for build in BUILDS:
        named = {f"chr{key}": length for key, length in build.lengths.items()}
        assert find_build(named) is build
        assert find_build({"17": build.lengths["17"]}) is build


@pytest.mark.parametrize("size_bp", [10_000, 50_000, 1_000_000, 5_000_000])
def test_each_build_is_found_by_the_ends_of_wig_bins(size_bp):
    for build in BUILDS:
        ends = {key: -(-n // size_bp) * size_bp for key, n in build.lengths.items()}
        assert find_build(ends, rounded_to=size_bp) is build


def test_no_build_fits_an_unknown_length_or_an_ambiguous_one():
    assert find_build({"17": 1_000}) is None
    assert find_build({"17": 100_000_000}, rounded_to=100_000_000) is None


def test_the_lengths_of_hg19_are_those_of_real_headers(shared_data):
    path = shared_data / "bam" / "good" / "ex.plasma.bam"
    with pysam.AlignmentFile(str(path)) as opened:
        lengths = dict(zip(opened.references, opened.lengths, strict=True))
    build = find_build(bins.main_chromosomes(lengths))
    assert build is not None
    assert build.name == "hg19"


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.name)
def test_the_shipped_gene_table_of_each_build_fits_it(repo_root, build):
    path = repo_root / "src" / "ctcnv" / "data" / f"genes.{build.name}.tsv"
    ends = list(build.lengths.values())
    frame = pd.DataFrame({"chrom": CHROMOSOMES, "start": 0, "end": ends, "usable": True})
    placed, dropped = bins.place_genes(tables.read(path, GENE_TABLE).frame, frame)
    assert not dropped
    assert bins.require_gene("ERBB2", placed, frame.assign(reason=None)) == 1


# --- files ----------------------------------------------------------------------------------


def test_the_index_is_made_next_to_the_fasta(fasta):
    with reference.fasta(fasta) as opened:
        assert reference.lengths(opened) == {"17": 32, "MT": 4, "2": 20}
    assert sorted(path.name for path in fasta.parent.iterdir()) == ["ref.fa", "ref.fa.fai"]


def test_a_bgzipped_fasta_gives_the_same_bins(tmp_path, repo_root, fasta, genes):
    plain = read_bins(run_bins(repo_root, tmp_path, genes, "--fasta", fasta))
    pysam.tabix_compress(str(fasta), str(tmp_path / "ref.fa.gz"))
    out = run_bins(repo_root, tmp_path, genes, "--fasta", tmp_path / "ref.fa.gz")
    pd.testing.assert_frame_equal(read_bins(out), plain)
    assert (tmp_path / "ref.fa.gz.gzi").exists()


def test_blocks_do_not_change_the_bins(tmp_path, repo_root, fasta, genes, monkeypatch):
    whole = read_bins(run_bins(repo_root, tmp_path, genes, "--fasta", fasta))
    monkeypatch.setattr(reference, "BLOCK_BP", 3)
    pd.testing.assert_frame_equal(
        read_bins(run_bins(repo_root, tmp_path, genes, "--fasta", fasta)), whole
    )


def test_a_directory_that_is_not_writable_is_said(fasta, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with (
        pytest.raises(ValueError, match="has no index and its directory is not writable"),
        reference.fasta(fasta),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty; expected a FASTA"),
        (b"chr1\t0\t10\n", "not a FASTA"),
        (b"\x1f\x8b\x08\x00" + bytes(20), "compressed with gzip, which cannot be indexed"),
        (b">17\nACGT\nAC\nACGT\n", "cannot be indexed"),
    ],
)
def test_what_is_not_a_fasta_is_refused(tmp_path, content, match):
    (tmp_path / "x.fa").write_bytes(content)
    with pytest.raises(ValueError, match=match), reference.fasta(tmp_path / "x.fa"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["x.fa"]


def test_an_index_of_another_fasta_is_found_out(fasta):
    Path(f"{fasta}.fai").write_text("17\t500\t10\t500\t501\n")
    with (
        reference.fasta(fasta) as opened,
        pytest.raises(ValueError, match="17 cannot be read up to the end that its index"),
    ):
        list(reference.sequence(opened, "17", 500, multiple_of=10))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("17\t5\n", r"line 1: .*expected BED"),
        ("#x\n17\t5\tten\n", r"line 2: .*ten' holds what is no number"),
        ("17\t5\t2\n", "line 1: the region 5 to 2 ends before it starts"),
    ],
)
def test_a_wrong_bed_is_refused_with_its_line(tmp_path, text, match):
    (tmp_path / "x.bed").write_text(text)
    with pytest.raises(ValueError, match=match):
        reference.read_bed(tmp_path / "x.bed")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("17\t0\t5\t1\n17\t4\t6\t1\n", "regions overlap at 17:4"),
        ("17\t0\t5\t87.5\n", "value 87.5 at 17:0; mappability lies between 0 and 1"),
    ],
)
def test_a_wrong_track_is_refused_with_its_place(tmp_path, text, match):
    (tmp_path / "x.bedgraph").write_text(text)
    with pytest.raises(ValueError, match=match):
        reference.open_track(tmp_path / "x.bedgraph").intervals("17")


def test_a_damaged_bigwig_is_refused(tmp_path):
    path = as_bigwig(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="not a readable bigWig"):
        reference.open_track(path)


# --- what is refused, as the command says it ------------------------------------------------


def refused(capsys, repo_root, folder, genes, *arguments) -> str:
    with pytest.raises(RuntimeError, match="exit code 2"):
        run_bins(repo_root, folder, genes, *arguments)
    assert not (folder / "out").exists()
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    return errors[0]


def test_no_usable_atom_at_erbb2_is_refused_with_the_reasons(
    tmp_path, repo_root, fasta, genes, capsys
):
    (tmp_path / "x.bed").write_text("17\t8\t22\n")
    said = refused(capsys, repo_root, tmp_path, genes, "--fasta", fasta,
                   "--exclude", tmp_path / "x.bed")  # fmt: skip
    assert "ERBB2 (17:12-18) has no usable atom: 1 atoms, not usable for callable 1" in said


def test_a_reference_without_chromosome_17_is_refused(tmp_path, repo_root, fasta, genes, capsys):
    fasta.write_text(">2\nACGTACGTACGT\n")
    said = refused(capsys, repo_root, tmp_path, genes, "--fasta", fasta)
    assert "ERBB2 is not on the gene table, or its chromosome is not in the bins" in said


def test_an_unknown_build_asks_for_a_gene_table(tmp_path, repo_root, fasta, capsys):
    said = refused(capsys, repo_root, tmp_path, "auto", "--fasta", fasta)
    assert "reference.genes: FILE" in said


def test_a_gene_table_of_another_reference_is_refused(tmp_path, repo_root, fasta, capsys):
    tables.write(tmp_path / "g.tsv", GENE_TABLE, GENES.assign(end=1_000))
    said = refused(capsys, repo_root, tmp_path, tmp_path / "g.tsv", "--fasta", fasta)
    assert "gene ERBB2 ends at 17:1000, beyond its chromosome" in said


def test_a_track_of_another_reference_is_refused(tmp_path, repo_root, fasta, genes, capsys):
    (tmp_path / "m.bedgraph").write_text("NC_000017.11\t0\t10\t1\n")
    said = refused(capsys, repo_root, tmp_path, genes, "--fasta", fasta,
                   "--mappability", tmp_path / "m.bedgraph")  # fmt: skip
    assert "none of its sequences" in said


# --- wigs -----------------------------------------------------------------------------------


def write_wig(path: Path, values: dict[str, list], *, step=10) -> Path:
    text = "".join(
        f"fixedStep chrom={chrom} start=1 step={step} span={step}\n" + "\n".join(map(str, rows))
        + "\n"
        for chrom, rows in values.items()
    )  # fmt: skip
    path.write_text(text)
    return path


def test_the_bins_of_wigs_become_atoms(tmp_path, repo_root, genes):
    gc = write_wig(tmp_path / "gc.wig", {"17": [0.4, -1, 0.5], "M": [0.1], "2": [0.3]})
    mappability = write_wig(tmp_path / "m.wig", {"chr2": [0.9], "chr17": [0.8, 0.9, 0.7]})
    genes_file = tables.read(genes, GENE_TABLE).frame.assign(start=1, end=9)
    tables.write(genes, GENE_TABLE, genes_file)
    out = run_bins(repo_root, tmp_path, genes, "--gc-wig", gc, "--map-wig", mappability)
    frame = read_bins(out)
    assert frame["chrom"].tolist() == ["2", "17", "17", "17"]
    assert frame["end"].tolist() == [10, 10, 20, 30]
    assert frame["mappability"].tolist() == [0.9, 0.8, 0.9, 0.7]
    assert frame["reason"].fillna("").tolist() == ["", "", "gc", "mappability"]
    assert frame["callable"].eq(1).all()


def test_real_wigs_give_hg19_with_its_genes(tmp_path, repo_root, shared_data, capsys):
    tracks = shared_data / "tracks"
    out = run_bins(repo_root, tmp_path, "auto", "--gc-wig", tracks / "gc_hg19_1000kb.wig",
                   "--map-wig", tracks / "map_hg19_1000kb.wig")  # fmt: skip
    stored, _ = tables.read_bins(out / "bins.tsv.gz")
    assert stored.meta["build"] == "hg19"
    assert '"size_bp": 1000000' in stored.meta["settings.bins"]
    assert len(stored.frame) == 3_113
    placed = tables.read(out / "genes.tsv", GENE_TABLE).frame.set_index("gene")
    assert placed.loc["ERBB2", "chrom"] == "17"


@pytest.mark.parametrize("build", ["hg19", "hg38"])
@pytest.mark.parametrize("size", ["1000kb.wig", "500kb.wig", "50kb.wig.gz"])
def test_the_build_of_real_wigs_is_found(shared_data, build, size):
    frame = wig.read_fixed_step(shared_data / "tracks" / f"gc_{build}_{size}")
    width = int(frame["end"].iloc[0])
    found = find_build(bins.ends_by_chromosome(frame), rounded_to=width)
    assert found is not None
    assert found.name == build


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"),
        ("1\n2\n", "line 1: '1'; expected a fixedStep wig"),
        ("track x\n", "holds no fixedStep line"),
        ("fixedStep chrom=1 start=1\n1\n", "line 1: .*expected 'fixedStep chrom="),
        ("fixedStep chrom=1 start=0 step=5 span=5\n1\n", "expected 1 <= span <= step"),
        ("fixedStep chrom=1 start=1 step=5 span=5\n1\nx\n", "line 3: 'x' is not a number"),
    ],
)
def test_a_wrong_wig_is_refused_with_its_line(tmp_path, text, match):
    (tmp_path / "x.wig").write_text(text)
    with pytest.raises(ValueError, match=match):
        wig.read_fixed_step(tmp_path / "x.wig")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"17": [0.8, 0.9]}, "its bins are not those of"),
        ({"17": [0.8, 0.9, 33.0]}, "mappability is 33 at 17:20; expected 0 to 1"),
    ],
)
def test_wigs_that_do_not_fit_are_refused(tmp_path, repo_root, genes, capsys, values, match):
    gc = write_wig(tmp_path / "gc.wig", {"17": [0.4, 0.4, 0.5]})
    other = write_wig(tmp_path / "m.wig", values)
    assert match in refused(capsys, repo_root, tmp_path, genes, "--gc-wig", gc, "--map-wig", other)
