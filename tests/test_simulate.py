"""The simulator puts into files and counts what it says it does."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import ctcnv
from ctcnv import simulate, synthetic
from ctcnv.cli import main
from ctcnv.io import bamindex, bamrecords, sheet, simulation, tables, variants
from ctcnv.schema import BINS, GENE_TABLE, TRUTH, TRUTH_SEGMENTS, chrom_key
from ctcnv.simulate import Library, Segment, Tumor
from tests.reference import bamrecords_slow

SCALE = 400  # a genome of 7.7 Mb
FRAGMENTS = 40_000
#: A library that changes nothing: its counts follow the copies alone.
PLAIN = Library(FRAGMENTS, gc_width=100.0, wave=0.0)


@pytest.fixture(scope="module")
def genome() -> synthetic.Genome:
    return synthetic.make_genome(scale=SCALE, rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def human_genes() -> pd.DataFrame:
    path = Path(ctcnv.__file__).parent / "data" / "genes.hg38.tsv"
    return tables.read(path, GENE_TABLE).frame


@pytest.fixture(scope="module")
def genes(genome, human_genes) -> pd.DataFrame:
    return synthetic.place_genes(human_genes, genome)


def draw(genome, library=PLAIN, *, tumor=None, fraction=0.0, sex="female", seed=3):
    return simulate.draw(
        genome, library, tumor=tumor, fraction=fraction, sex=sex, rng=np.random.default_rng(seed)
    )


def counted(fragments: simulate.Fragments) -> np.ndarray:
    """The middles of the fragments that a count with the usual filters keeps."""
    kept = (fragments.flags == 0) & (fragments.mapq >= simulate.USABLE_MAPQ) & fragments.proper
    return (fragments.start + fragments.length // 2)[kept]


# --- genome and genes ---


def test_chromosomes_have_their_human_names_and_proportions(genome):
    assert list(genome.lengths) == [f"chr{n}" for n in [*range(1, 23), "X", "Y"]]
    assert genome.lengths["chr1"] == round(248_956_422 / SCALE)
    assert genome.lengths["chr21"] == round(46_709_983 / SCALE)


def test_gc_differs_between_chromosomes_as_in_human_dna():
    genome = synthetic.make_genome(scale=100, rng=np.random.default_rng(1))
    found = {}
    for begin, end in genome.called.tolist():
        chrom = genome.names[np.searchsorted(genome.offsets, begin, side="right") - 1]
        found.setdefault(chrom, []).append(float(genome.gc(np.array([begin]), np.array([end]))[0]))
    assert np.mean(found["chr19"]) > np.mean(found["chr4"]) + 0.06
    assert np.mean(found["chr22"]) > np.mean(found["chr13"]) + 0.04


def test_gc_changes_slowly_along_a_chromosome(genome):
    begin, end = genome.called[1]
    edges = np.arange(begin, end, 500)
    gc = genome.gc(edges[:-1], edges[1:])
    assert np.corrcoef(gc[:-1], gc[1:])[0, 1] > 0.4


def test_gc_of_a_stretch_is_the_count_of_its_letters(genome):
    rng = np.random.default_rng(2)
    starts = rng.integers(0, genome.offsets[-1] - 700, 200)
    ends = starts + rng.integers(1, 700, 200)
    letters = np.isin(genome.codes, [2, 4])
    expected = [letters[a:b].mean() for a, b in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(genome.gc(starts, ends), expected, rtol=1e-12)


def test_gaps_and_only_gaps_are_n(genome):
    is_called = np.zeros(genome.offsets[-1], dtype=bool)
    for begin, end in genome.called:
        is_called[begin:end] = True
    assert ((genome.codes == synthetic.BASE_N) == ~is_called).all()
    for number, middle in enumerate(genome.centromeres):
        assert genome.codes[genome.offsets[number] + middle] == synthetic.BASE_N


def test_genes_lie_on_called_sequence_in_their_human_order_without_overlap(
    genome, genes, human_genes
):
    assert list(genes["gene"]) == list(human_genes["gene"])
    human = human_genes.set_index("gene")["start"]
    for chrom, part in genes.groupby("chrom"):
        part = part.sort_values("start")
        assert (part["start"].to_numpy()[1:] >= part["end"].to_numpy()[:-1]).all(), chrom
        assert list(part["gene"]) == list(human[part["gene"]].sort_values().index)
        offset = genome.offsets[genome.place(chrom)]
        for start, end in zip(part["start"], part["end"], strict=True):
            assert (genome.codes[offset + start : offset + end] != synthetic.BASE_N).all()


@pytest.mark.parametrize("scale", [40, SCALE])
def test_an_amplicon_of_200_kb_holds_erbb2_and_grb7_but_not_the_other_neighbours(
    scale, human_genes
):
    genome = synthetic.make_genome(scale=scale, rng=np.random.default_rng(1))
    genes = synthetic.place_genes(human_genes, genome)
    width = round(200_000 * genome.shrink)
    tumor = Tumor((simulate.amplicon(genes, "ERBB2", width_bp=width, copies=40),))
    found = {
        name: simulate.copies_of(genes, name, tumor, sex="female")
        for name in ("ERBB2", "GRB7", "CDK12", "RARA", "TOP2A")
    }
    assert found == {"ERBB2": 40, "GRB7": 40, "CDK12": 2, "RARA": 2, "TOP2A": 2}


@pytest.mark.parametrize(("scale", "word"), [(0.5, "1 .* or more"), (1e6, "smaller")])
def test_an_impossible_scale_is_refused(scale, word):
    with pytest.raises(ValueError, match=word):
        synthetic.make_genome(scale=scale, rng=np.random.default_rng(1))


# --- tumors ---


def regions(*parts):
    chrom, start, end = zip(*parts, strict=True)
    return np.array(chrom, dtype=object), np.array(start), np.array(end)


def test_copies_of_a_region_are_weighted_by_overlap():
    tumor = Tumor((Segment("chr1", 100, 200, 6),))
    where = regions(("chr1", 0, 100), ("chr1", 150, 250), ("1", 100, 200), ("chr2", 100, 200))
    np.testing.assert_allclose(simulate.copies(tumor, *where, sex="female"), [2, 4, 6, 2])


def test_a_later_segment_wins_over_an_earlier_one():
    tumor = Tumor((Segment("chr1", 0, 1000, 3), Segment("1", 400, 600, 40)))
    where = regions(("chr1", 300, 400), ("chr1", 400, 600), ("chr1", 600, 700), ("chr1", 0, 1000))
    expected = [3, 40, 3, 0.8 * 3 + 0.2 * 40]
    np.testing.assert_allclose(simulate.copies(tumor, *where, sex="female"), expected)


def test_sex_chromosomes_follow_the_sex_and_the_doubling():
    where = regions(("chrX", 0, 10), ("chrY", 0, 10), ("chr1", 0, 10))
    assert simulate.copies(None, *where, sex="male").tolist() == [1, 1, 2]
    assert simulate.copies(None, *where, sex="female").tolist() == [2, 0, 2]
    assert simulate.copies(Tumor(base=4), *where, sex="male").tolist() == [2, 2, 4]


def test_ploidy_is_the_mean_over_called_autosomal_bases(genome):
    assert simulate.ploidy(genome, Tumor(base=4)) == 4
    # chr13's short arm is N and must not count; X must not count either.
    tumor = Tumor((simulate.arm(genome, "13", 5), simulate.arm(genome, "X", 9)))
    first, last = genome.offsets[genome.place("13")], genome.offsets[genome.place("14")]
    size = genome.called[:, 1] - genome.called[:, 0]
    autosomes = genome.called[:, 1] <= genome.offsets[22]
    share = size[(genome.called[:, 0] >= first) & (genome.called[:, 1] <= last)].sum()
    assert simulate.ploidy(genome, tumor) == pytest.approx(2 + 3 * share / size[autosomes].sum())


def test_altered_regions_give_the_copies_back(genome, genes):
    tumor = Tumor(
        (
            simulate.arm(genome, "17q", 5),
            simulate.amplicon(genes, "ERBB2", width_bp=10_000, copies=40),
            simulate.part(genome, "3p", 0.2, 0.6, 1),
        )
    )
    table = simulate.altered(genome.lengths, "P", tumor, sex="male")
    on_17 = table[table["chrom"] == "chr17"]
    assert on_17["copies"].tolist() == [5, 40, 5]
    assert (on_17["start"].to_numpy()[1:] == on_17["end"].to_numpy()[:-1]).all()
    assert table[table["chrom"] == "chr3"]["copies"].tolist() == [1]
    assert set(table["chrom"]) == {"chr17", "chr3"}


# --- fragments ---


def test_as_many_well_placed_fragments_are_drawn_as_were_asked_for(genome):
    library = replace(PLAIN, duplicates=0.08, low_mapq=0.03, odd=0.01)
    fragments = draw(genome, library)
    assert len(counted(fragments)) == FRAGMENTS
    flags = fragments.flags
    assert (flags == simulate.DUPLICATE).sum() == 0.08 * FRAGMENTS
    assert (flags == simulate.QC_FAIL).sum() == 0.01 * FRAGMENTS
    assert (~fragments.proper).sum() == 0.01 * FRAGMENTS
    assert (fragments.mapq <= simulate.LOW_MAPQ).sum() == 0.03 * FRAGMENTS
    assert fragments.unmapped == 0.01 * FRAGMENTS


def test_fragments_lie_on_called_sequence_of_one_chromosome(genome):
    fragments = draw(genome)
    ends = fragments.start + fragments.length
    chrom = np.searchsorted(genome.offsets, fragments.start, side="right")
    assert (chrom == np.searchsorted(genome.offsets, ends - 1, side="right")).all()
    kept = fragments.proper
    span = np.searchsorted(genome.called[:, 0], fragments.start[kept], side="right") - 1
    assert (ends[kept] <= genome.called[span, 1]).all()


@pytest.mark.parametrize(("tumor", "mode"), [(False, 167), (True, 145)])
def test_fragment_lengths_have_their_mode(tumor, mode):
    length, probability = simulate.length_distribution(tumor=tumor)
    assert length[np.argmax(probability)] == mode
    assert probability.sum() == pytest.approx(1)
    assert length[0] == simulate.READ_BP


def test_lengths_below_the_mode_step_by_ten_and_peak_again_at_two_nucleosomes():
    length, probability = simulate.length_distribution(tumor=False)
    p = dict(zip(length.tolist(), probability.tolist(), strict=True))
    assert p[135] > p[140] < p[145]
    assert p[330] > p[270]


def test_drawn_lengths_follow_the_distribution(genome):
    _, probability = simulate.length_distribution(tumor=False)
    found = draw(genome).length
    expected = np.cumsum(probability)[[120 - 60, 160 - 60, 180 - 60]]
    measured = [(found <= at).mean() for at in (120, 160, 180)]
    np.testing.assert_allclose(measured, expected, atol=0.01)


def test_tumor_fragments_are_shorter_and_as_many_as_the_share_of_dna_says(genome):
    tumor = Tumor(base=4)
    fragments = draw(genome, tumor=tumor, fraction=0.3)
    # TF*P / (TF*P + 2*(1-TF))
    assert fragments.tumor.mean() == pytest.approx(1.2 / (1.2 + 1.4), abs=0.02)
    median = np.median
    assert median(fragments.length[fragments.tumor]) < median(fragments.length[~fragments.tumor])


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5])
def test_an_amplicon_is_seen_at_the_ratio_of_the_formula(genome, genes, fraction):
    segment = simulate.amplicon(genes, "ERBB2", width_bp=10_000, copies=40)
    tumor = Tumor((segment,))
    flat = replace(genome, factor=np.ones_like(genome.factor))
    offset = genome.offsets[genome.place("17")]
    middle = counted(draw(flat, tumor=tumor, fraction=fraction)) - offset
    seen = np.sum((middle >= segment.start) & (middle < segment.end))
    size = genome.called[:, 1] - genome.called[:, 0]
    ploidy = simulate.ploidy(genome, tumor)
    autosomal = size[genome.called[:, 1] <= genome.offsets[22]].sum()
    sex = size.sum() - autosomal - size[genome.called[:, 0] >= genome.offsets[23]].sum()
    total = autosomal * (fraction * ploidy + 2 * (1 - fraction)) + sex * 2
    expected = FRAGMENTS * 10_000 * (fraction * 40 + 2 * (1 - fraction)) / total
    assert abs(seen - expected) < 4 * np.sqrt(expected) + 0.01 * expected


def test_a_man_has_half_the_fragments_on_x_and_some_on_y(genome):
    def share(sex, chrom):
        middle = counted(draw(genome, sex=sex))
        number = genome.place(chrom)
        begin, end = genome.offsets[number : number + 2]
        return np.mean((middle >= begin) & (middle < end))

    assert share("male", "X") / share("female", "X") == pytest.approx(0.5, abs=0.05)
    assert share("female", "Y") == 0
    assert share("male", "Y") > 0


def test_the_gc_curve_of_a_library_bends_its_counts(genome):
    def mean_gc(peak):
        fragments = draw(genome, replace(PLAIN, gc_peak=peak, gc_width=0.13))
        return genome.gc(fragments.start, fragments.start + fragments.length)[fragments.proper]

    assert mean_gc(0.48).mean() > mean_gc(0.38).mean() + 0.01


def test_every_library_shows_the_regional_factor_of_the_genome(genome):
    every_second = np.where(np.arange(len(genome.factor)) % 2, 1.5, 0.5)
    striped = replace(genome, factor=every_second)
    for seed in (1, 2):
        counts, _ = np.histogram(counted(draw(striped, seed=seed)), genome.tiles)
        assert counts[1::2].sum() / counts[::2].sum() == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_an_impossible_fraction_is_refused(genome, fraction):
    with pytest.raises(ValueError, match="give 0 to 1"):
        draw(genome, tumor=Tumor(), fraction=fraction)


def test_a_fraction_without_a_tumor_is_refused(genome):
    with pytest.raises(ValueError, match="no tumor"):
        draw(genome, fraction=0.1)


# --- counts per atom ---


def bins(n=400):
    chrom = np.repeat(["chr1", "chr2"], n // 2).astype(object)
    start = np.tile(np.arange(n // 2) * 10_000, 2)
    return BINS.check(
        pd.DataFrame(
            {
                "chrom": chrom, "start": start, "end": start + 10_000,
                "gc": np.linspace(0.3, 0.6, n), "callable": 1.0, "mappability": np.nan,
                "usable": True, "reason": None,
            }
        )
    )  # fmt: skip


def test_atom_counts_follow_copies_and_factor():
    atoms = bins()
    tumor = Tumor((Segment("chr2", 0, 2_000_000, 6),))
    factor = np.where(np.arange(400) % 2, 1.0, 0.5)
    found = simulate.atom_counts(
        atoms, replace(PLAIN, fragments=10**7), tumor=tumor, fraction=0.5, sex="female",
        rng=np.random.default_rng(1), factor=factor,
    )  # fmt: skip
    assert found[200:].sum() / found[:200].sum() == pytest.approx(2.0, rel=0.01)
    assert found[1::2].sum() / found[::2].sum() == pytest.approx(2.0, rel=0.01)
    assert found.sum() == pytest.approx(10**7, rel=0.01)
    assert simulate.atom_ploidy(atoms, tumor) == 4


def test_atom_counts_follow_the_gc_curve_and_skip_atoms_without_gc():
    atoms = bins()
    atoms.loc[0, "gc"] = np.nan
    library = Library(10**7, gc_peak=0.45, gc_width=0.1, wave=0.0)
    found = simulate.atom_counts(
        atoms, library, tumor=None, fraction=0, sex="male", rng=np.random.default_rng(1)
    )
    assert found[0] == 0
    expected = np.exp(-0.5 * ((0.6 - 0.45) / 0.1) ** 2)
    at_peak = found[int(np.argmin(np.abs(atoms["gc"] - 0.45)))]
    assert found[-1] / at_peak == pytest.approx(expected, rel=0.03)


def test_the_wave_moves_regions_by_its_size():
    atoms = bins(4000)
    library = Library(10**9, gc_width=100.0, wave=0.01)
    found = simulate.atom_counts(
        atoms, library, tumor=None, fraction=0, sex="male", rng=np.random.default_rng(1)
    )
    assert np.std(found / found.mean()) == pytest.approx(0.01, rel=0.3)


# --- files ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What ``ctcnv simulate`` writes, small."""
    path = tmp_path_factory.mktemp("simulation")
    run(path, seed=5)
    return path


def run(path: Path, *, seed: int, threads: int = 1, normals: int = 1) -> None:
    with pytest.raises(SystemExit) as ended:
        main(
            ["simulate", "--output", str(path), "--seed", str(seed), "--normals", str(normals),
             "--fragments", "3000", "--scale", str(SCALE), "--threads", str(threads)]
        )  # fmt: skip
    assert ended.value.code == 0


def contents(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(folder, tmp_path):
    run(tmp_path, seed=5, threads=3)
    assert contents(tmp_path) == contents(folder)


def test_another_seed_gives_another_genome_and_other_reads(folder, tmp_path):
    run(tmp_path, seed=6)
    ours, theirs = contents(folder), contents(tmp_path)
    assert ours.keys() == theirs.keys()
    for name in ("genome.fa", "bams/N01.bam", "bams/P01_d0.bam"):
        assert ours[name] != theirs[name]


def test_no_file_names_the_folder_it_was_written_to(folder):
    for name, data in contents(folder).items():
        assert str(folder).encode() not in data, name


def test_the_folder_holds_what_the_workflow_needs(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config == {
        "samples": "samples.tsv",
        "reference": {"fasta": "genome.fa", "genes": "genes.tsv"},
    }
    samples = sheet.read(folder / "samples.tsv", look_for_files=False)
    assert list(samples.index) == ["N01", "P01_d0", "P01_d21", "P02_d0", "P02_d21", "P03_d0",
                                   "P03_d21"]  # fmt: skip
    assert all((folder / bam).is_file() for bam in samples["bam"])
    assert all((folder / f"{bam}.bai").is_file() for bam in samples["bam"])
    assert tables.read(folder / "genes.tsv", GENE_TABLE).frame["gene"].iloc[0] == "ERBB2"


def test_half_of_the_donors_are_women(genome, genes):
    rng = np.random.default_rng(1)
    people = simulate.cohort(genome, genes, normals=8, fragments=1, rng=rng)
    sexes = [person.sex for person in people if person.role == "normal"]
    assert sorted(sexes) == ["female"] * 4 + ["male"] * 4


def test_the_truth_tells_the_story_of_the_three_patients(folder):
    truth = tables.read(folder / "truth.tsv", TRUTH).frame.set_index("sample")
    assert truth.loc["P01_d0", "fraction"] > 3 * truth.loc["P01_d21", "fraction"]
    assert truth.loc["P01_d0", "erbb2_copies"] == 40
    assert truth.loc["P02_d21", "fraction"] > truth.loc["P02_d0", "fraction"]
    assert truth.loc["P02_d0", "erbb2_copies"] == 3
    assert truth.loc["P03_d21", "fraction"] == 0
    assert truth.loc["P03_d21", "erbb2_copies"] == 20
    assert pd.isna(truth.loc["N01", "ploidy"])
    assert (truth["fragments"] == 3000).all()


def test_the_first_patient_has_mutations_that_follow_the_tumor(folder):
    samples = sheet.read(folder / "samples.tsv", look_for_files=False)
    assert samples["variants"].dropna().index.tolist() == ["P01_d0", "P01_d21"]
    first = variants.read(folder / samples.loc["P01_d0", "variants"], sample="P01_d0").frame
    assert first["gene"].tolist() == ["TP53", "APC", "PIK3CA", "FBXW7", "DNMT3A"]
    share = (first["alt_reads"] / first["depth"]).astype(float).tolist()
    # 0.3 of the genomes: one of one copy, 0.3/1.7; one of two, 0.15; a third of the cells, one copy
    assert share[0] == pytest.approx(0.3 / 1.7, abs=0.03)
    assert share[2] == pytest.approx(0.15, abs=0.03)
    assert share[3] == pytest.approx(0.3 * 0.33 / 1.7, abs=0.02)
    assert share[4] == pytest.approx(0.02, abs=0.012)
    later = variants.read(folder / samples.loc["P01_d21", "variants"], sample="x").frame
    tp53 = later.set_index("gene").loc["TP53"]
    assert float(tp53["alt_reads"]) / 2000 == pytest.approx(0.04 / 1.96, abs=0.012)


def test_a_mutation_that_no_read_shows_is_not_reported(genes):
    rng = np.random.default_rng(1)
    found = simulate.mutation_reads(genes, simulate.MUTATIONS[:2], tumor=None, fraction=0.0,
                                    sex="male", depth=1000, rng=rng)  # fmt: skip
    assert len(found) == 0


def test_true_ploidy_is_the_mean_of_the_true_segments(folder, genome):
    truth = tables.read(folder / "truth.tsv", TRUTH).frame.set_index("sample")
    segments = tables.read(folder / "truth.segments.tsv", TRUTH_SEGMENTS).frame
    excess, size = {"P01": 0.0, "P02": 0.0, "P03": 0.0}, 0
    for begin, end in genome.called.tolist():
        number = int(np.searchsorted(genome.offsets, begin, side="right")) - 1
        if chrom_key(genome.names[number]) in ("X", "Y"):
            continue
        size += end - begin
        offset = int(genome.offsets[number])
        for row in segments[segments["chrom"] == genome.names[number]].itertuples():
            overlap = min(row.end + offset, end) - max(row.start + offset, begin)
            excess[row.patient] += max(overlap, 0) * (row.copies - 2)
    for patient, value in excess.items():
        # gaps and lengths do not depend on the seed
        assert 2 + value / size == pytest.approx(truth.loc[f"{patient}_d0", "ploidy"], rel=1e-6)


def test_the_index_of_the_fasta_is_the_one_samtools_makes(folder, tmp_path):
    copy = tmp_path / "genome.fa"
    copy.write_bytes((folder / "genome.fa").read_bytes())
    pysam.faidx(str(copy))
    made = (tmp_path / "genome.fa.fai").read_text()
    assert made == (folder / "genome.fa.fai").read_text()


def test_every_read_is_accounted_for_by_its_flags(folder):
    with pysam.AlignmentFile(str(folder / "bams" / "P01_d0.bam")) as bam:
        reads = list(bam.fetch(until_eof=True))
    usable = [
        read for read in reads
        if read.is_proper_pair and read.mapping_quality >= 20 and not read.flag & 0xF00
    ]  # fmt: skip
    assert len(usable) == 2 * 3000
    assert {read.flag for read in usable} == {99, 147, 83, 163}
    odd = round(0.002 * 3000)
    assert sum(read.is_secondary for read in reads) == odd
    assert sum(read.is_supplementary for read in reads) == odd
    assert sum(read.is_qcfail for read in reads) == 2 * odd
    assert sum(read.is_unmapped for read in reads) == 2 * odd
    duplicates = sum(read.is_duplicate for read in reads)
    low = sum(read.mapping_quality <= 10 and not read.is_unmapped for read in reads)
    assert 0.06 * 6000 <= duplicates <= 0.10 * 6000
    assert 0.02 * 6000 <= low <= 0.04 * 6000
    improper = sum(
        not read.is_proper_pair and not read.is_unmapped and not read.flag & 0x900 for read in reads
    )
    assert improper == 2 * odd
    accounted = len(usable) + 2 * odd + 2 * odd + 2 * odd + 2 * odd + duplicates + low
    # a read shown again may repeat one of low quality, never a duplicate
    assert accounted == len(reads)


def test_mates_agree_with_each_other_and_with_the_reference(folder):
    with (
        pysam.AlignmentFile(str(folder / "bams" / "N01.bam")) as bam,
        pysam.FastaFile(str(folder / "genome.fa")) as fasta,
    ):
        pairs: dict[str, list[pysam.AlignedSegment]] = {}
        for read in bam.fetch():
            if not read.flag & 0xF00:
                pairs.setdefault(read.query_name, []).append(read)
        complete = [pair for pair in pairs.values() if len(pair) == 2]
        assert len(complete) > 3000
        for left, right in complete[:500]:
            assert left.reference_start <= right.reference_start
            assert left.template_length == right.reference_end - left.reference_start
            assert right.template_length == -left.template_length
            assert left.next_reference_start == right.reference_start
            assert right.next_reference_start == left.reference_start
            assert {left.is_read1, right.is_read1} == {True, False}
            assert right.is_reverse != left.is_reverse
            found = fasta.fetch(left.reference_name, left.reference_start, left.reference_end)
            assert left.query_sequence == found


def test_a_region_is_found_through_the_index(folder):
    with pysam.AlignmentFile(str(folder / "bams" / "P02_d0.bam")) as bam:
        whole = [read.reference_start for read in bam.fetch("chr8")]
        assert whole == sorted(whole)
        inside = sum(100_000 <= at < 200_000 for at in whole)
        crossing = sum(100_000 - 60 < at < 100_000 for at in whole)
        assert bam.count("chr8", 100_000, 200_000) == inside + crossing > 0


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (0, 4681),  # bins of 16 kb come last in the numbering
        (16_384, 4682),
        (16_384 - 60, 4681),  # its last base is the last one of the bin
        (16_384 - 59, 585),  # crosses into the next one: the bin of 128 kb
        (131_072 - 1, 73),
        (2**20 - 1, 9),
        (2**23 - 1, 1),
        (2**26 - 1, 0),
    ],
)
def test_the_bin_of_a_read_is_the_smallest_that_holds_it(position, expected):
    assert bamrecords._index_bin(position) == expected


@pytest.mark.skipif(shutil.which("samtools") is None, reason="samtools is not installed")
def test_samtools_finds_nothing_wrong_with_a_bam(folder):
    path = folder / "bams" / "P01_d0.bam"
    subprocess.run(["samtools", "quickcheck", "-v", path], check=True)
    report = subprocess.run(
        ["samtools", "stats", "-r", folder / "genome.fa", path],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert report.stderr == ""
    values = dict(
        line.split("\t")[1:3] for line in report.stdout.splitlines() if line.startswith("SN\t")
    )
    assert values["is sorted:"] == "1"
    assert 150 < float(values["insert size average:"]) < 190
    assert values["outward oriented pairs:"] == "0"
    assert values["mismatches:"] == "0"


def test_writing_that_fails_leaves_no_bam(genome, tmp_path, monkeypatch):
    def broken(*_args, **_named):
        raise OSError("the disk is full")

    monkeypatch.setattr(simulation.bamindex, "index", broken)
    with pytest.raises(OSError, match="full"):
        simulation.write_bam(tmp_path / "x.bam", genome, draw(genome))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "value"), [("--seed", "-1"), ("--fragments", "0"), ("--threads", "0")]
)
def test_a_wrong_number_is_refused_in_one_line(tmp_path, capsys, flag, value):
    words = ["simulate", "--output", str(tmp_path / "x"), "--seed", "1", flag, value]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert f"{flag} is {value}" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


# --- records ---


def test_records_are_those_of_the_slow_twin(genome) -> None:
    # reads in more than one piece
    fragments = draw(genome, Library(34_000, odd=0.02), sex="male")
    assert (~fragments.proper).any()
    assert min(len(fragments.again_of), fragments.unmapped) > 0
    found, slow = (
        b"".join(made.aligned(genome, fragments)) for made in (bamrecords, bamrecords_slow)
    )
    assert found == slow
    unaligned = b"".join(bamrecords.unaligned(700, first_name=12))
    assert unaligned == bamrecords_slow.unaligned(700, first_name=12)
    assert list(bamrecords.unaligned(0, first_name=0)) == []


def test_a_block_holds_whole_records(genome) -> None:
    fragments = draw(genome, Library(2_000))
    sizes = [len(block) for block in bamrecords.aligned(genome, fragments)]
    assert set(sizes[:-1]) == {469 * 139}  # 65,191 bytes; one more would be above 65,280
    assert 0 < sizes[-1] <= 469 * 139
    assert sizes[-1] % 139 == 0


# --- index ---


def parsed_index(
    data: bytes,
) -> tuple[list[tuple[dict[int, list[tuple[int, ...]]], list[int]]], int]:
    """The bins with their chunks and the linear index of every chromosome; unaligned reads."""
    assert data[:4] == b"BAI\1"
    at = 4

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, data, at - struct.calcsize(form))

    chromosomes = []
    for _ in range(take("<i")[0]):
        bins = {}
        for _ in range(take("<i")[0]):
            number, n_chunks = take("<Ii")
            bins[number] = [take("<QQ") for _ in range(n_chunks)]
        chromosomes.append((bins, list(take(f"<{take('<i')[0]}Q"))))
    unaligned = take("<Q")[0]
    assert at == len(data)
    return chromosomes, unaligned


def test_the_index_holds_the_chunks_of_each_bin_and_the_first_read_of_each_window() -> None:
    # The second chromosome begins at 100,000; reads of 60 bp at 10, 16,340 (over the edge of a
    # window), 16,384, 50,000; the first has none.
    position = np.array([100_010, 116_340, 116_384, 150_000])
    places = np.array([7 << 16, 7 << 16 | 139, 7 << 16 | 278, 9 << 16, 9 << 16 | 139])
    data = bamindex.index(position, places, np.array([0, 100_000, 200_000]), unaligned=6)
    chromosomes, unaligned = parsed_index(data)
    first, crossing, second, last, end = places.tolist()
    assert unaligned == 6
    assert chromosomes == [
        ({}, []),
        (
            {
                585: [(crossing, second)], 4681: [(first, crossing)], 4682: [(second, last)],
                4684: [(last, end)], 37450: [(first, end), (4, 0)],
            },
            [first, crossing, last, last],
        ),
    ]  # fmt: skip


def test_the_index_is_that_of_htslib(genome, tmp_path) -> None:
    fragments = draw(genome, Library(20_000, odd=0.02), sex="male")
    path = tmp_path / "a.bam"
    simulation.write_bam(path, genome, fragments)
    chromosomes, unaligned = parsed_index((tmp_path / "a.bam.bai").read_bytes())
    pysam.index("-o", str(tmp_path / "other.bai"), str(path))
    theirs, their_unaligned = parsed_index((tmp_path / "other.bai").read_bytes())
    assert unaligned == their_unaligned == 2 * fragments.unmapped > 0
    for (bins, windows), (their_bins, their_windows) in zip(chromosomes, theirs, strict=True):
        assert windows == their_windows
        assert bins[37450] == their_bins[37450]
    rng = np.random.default_rng(1)
    with (
        pysam.AlignmentFile(str(path)) as own,
        pysam.AlignmentFile(str(path), index_filename=str(tmp_path / "other.bai")) as other,
    ):
        for name, length in genome.lengths.items():
            for start in rng.integers(0, length - 1, 5).tolist():
                span = name, start, min(start + int(rng.integers(1, 200_000)), length)
                assert own.count(*span) == other.count(*span)


@given(st.lists(st.integers(0, 20) | st.integers(0, 2**61), max_size=30))
def test_the_order_of_positions_is_the_stable_one(positions: list[int]) -> None:
    position = np.array(positions, dtype=np.int64)
    np.testing.assert_array_equal(bamrecords._order(position), np.argsort(position, kind="stable"))
