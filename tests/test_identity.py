"""Whether two samples are of one person: by sex, germline copy number, and SNPs."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from ctcnv import identity, schema
from ctcnv.cli import main
from ctcnv.dispersion import Dispersion
from ctcnv.identity import Person, Verdict
from ctcnv.io import sites, tables
from tests import plasma

SETTINGS = plasma.SETTINGS["identity"]
CALM = Dispersion(np.array([1.0, 100.0]), np.array([0.02, 0.01]))
ATOM = 50_000


# --- sex ---


def test_the_likelihood_of_sexes_by_hand() -> None:
    assert identity.of_sex("male", "male", error=0.001).log10_lr == pytest.approx(0.3, abs=0.01)
    # twice the error over a half: 0.004
    assert identity.of_sex("male", "female", error=0.001).log10_lr == pytest.approx(
        -2.398, abs=0.01
    )
    assert math.isnan(identity.of_sex("unknown", "female", error=0.001).log10_lr)


# --- SNPs ---


def seen(alleles: np.ndarray, frequency: np.ndarray, *, depth: int = 1) -> pd.DataFrame:
    """A SITES table of one read a site; -1 is no read."""
    n = len(alleles)
    frame = pd.DataFrame({
        "chrom": "chr1", "start": np.arange(n) * 50_000, "ref": "A", "alt": "G",
        "frequency": frequency, "ref_reads": (alleles == 0) * depth,
        "alt_reads": (alleles == 1) * depth,
    })  # fmt: skip
    return schema.SITES.check(frame[alleles >= 0].reset_index(drop=True))


def read_of(genotype: np.ndarray, rng: np.random.Generator, *, covered: float) -> np.ndarray:
    allele = (rng.random(len(genotype)) < genotype / 2).astype(int)
    return np.where(rng.random(len(genotype)) < covered, allele, -1)


def test_the_ratio_of_one_site_by_hand() -> None:
    ratio, one, two = identity.site_ratios(np.array([0.5, 0.2]), error=0.0)
    # p = 0.5: reads agree in 3/4 of one person and in 1/2 of two
    assert one == pytest.approx([0.75, 1 - 0.2 * 0.8])
    assert two == pytest.approx([0.5, 1 - 2 * 0.2 * 0.8])
    assert ratio[:, 0] == pytest.approx(np.log([1.5, 0.5, 0.5, 1.5]))


def test_the_chances_of_all_pairs_of_reads_are_one() -> None:
    ratio, *_ = identity.site_ratios(np.array([0.3]), error=0.02)
    p = 0.3 * 0.98 + 0.7 * 0.02
    apart = np.array([(1 - p) ** 2, p * (1 - p), p * (1 - p), p**2])
    assert float((np.exp(ratio[:, 0]) * apart).sum()) == pytest.approx(1)


@pytest.mark.parametrize("depth", [0.1, 0.5])
def test_reads_of_one_person_and_of_two_are_told_apart_at_low_depth(depth: float) -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.1, 0.9, 60_000)
    people = [rng.binomial(2, p) for _ in range(2)]
    covered = 1 - math.exp(-depth)
    first, again, other = (seen(read_of(people[i], rng, covered=covered), p) for i in (0, 0, 1))
    same = identity.of_sites(first, again, error=0.01)
    different = identity.of_sites(first, other, error=0.01)
    assert same.log10_lr > 5
    assert different.log10_lr < -5
    # at 0.1x a hundredth of the sites has a read in both
    n = len(first.merge(again, on="start"))
    assert n == pytest.approx(60_000 * covered**2, rel=0.1)
    assert f"{n:,} sites agree in" in same.words


def test_a_tumor_that_lost_an_allele_is_the_same_person() -> None:
    rng = np.random.default_rng(4)
    p = np.full(20_000, 0.5)
    genotype = rng.binomial(2, p).astype(float)
    lost = np.where(genotype == 1, 2.0 * (rng.random(20_000) < 0.5), genotype)
    first, later = (seen(read_of(g, rng, covered=0.2), p) for g in (genotype, lost))
    assert identity.of_sites(first, later, error=0.01).log10_lr > 5


def test_deep_reads_count_as_one() -> None:
    p = np.full(4, 0.5)
    one = seen(np.array([0, 0, 1, 1]), p)
    deep = seen(np.array([0, 0, 1, 1]), p, depth=500)
    assert identity.of_sites(one, deep, error=0.01).log10_lr == pytest.approx(
        identity.of_sites(one, one, error=0.01).log10_lr
    )


def test_without_common_sites_nothing_is_said() -> None:
    p = np.full(2, 0.5)
    none = identity.of_sites(seen(np.array([0, -1]), p), seen(np.array([-1, 0]), p), error=0.01)
    assert math.isnan(none.log10_lr)
    assert identity.of_sites(None, None, error=0.01).words == ""


# --- germline copy number ---


def profile(
    *variants: tuple[int, int, float], seed: int = 1, expected: float = 60.0, n: int = 1200
) -> pd.DataFrame:
    """Two chromosomes of atoms of 50 kb; variants are (first atom, atoms, ratio) of the first."""
    rng = np.random.default_rng(seed)
    ratio = np.ones(2 * n)
    for first, length, value in variants:
        ratio[first : first + length] = value
    start = np.tile(np.arange(n) * ATOM, 2)
    return pd.DataFrame({
        "chrom": np.repeat(["chr1", "chr2"], n), "start": start, "end": start + ATOM,
        "observed": rng.poisson(expected * ratio), "expected": expected, "normal_copies": 2,
        "reason": None,
    })  # fmt: skip


def person(*variants: tuple[int, int, float], seed: int = 1, detected: bool = False) -> Person:
    return Person(f"S{seed}", "female", profile(*variants, seed=seed), CALM, detected)


def germline(one: Person, other: Person) -> float:
    return identity.of_germline(one, other, variants=SETTINGS.germline_variants).log10_lr


DELETION = (300, 6, 0.5)


def test_a_deletion_that_both_have_speaks_for_one_person() -> None:
    assert germline(person(DELETION), person(DELETION, seed=2)) > 2


def test_a_deletion_that_one_has_speaks_for_two() -> None:
    assert germline(person(DELETION), person(seed=2)) < -3


def test_nothing_seen_says_next_to_nothing() -> None:
    assert abs(germline(person(), person(seed=2))) < 0.7


def test_a_focal_loss_that_leaves_with_a_detected_tumor_is_no_other_person() -> None:
    # 0.3: more than one copy of a diploid cell can give; and 0.5 with a tumor that may have it
    for ratio in (0.3, 4.0):
        first = person((300, 6, ratio), detected=True)
        assert germline(first, person(seed=2)) > -1


def test_a_gain_of_a_whole_arm_is_the_local_level_and_no_germline_variant() -> None:
    assert abs(germline(person((100, 900, 1.3), detected=True), person(seed=2))) < 1


def test_wide_bins_cannot_show_the_germline() -> None:
    wide = profile(n=1200).assign(end=lambda f: f["start"] * 20 + 1_000_000)
    wide["start"] *= 20
    part = identity.of_germline(
        replace(person(), profile=wide), replace(person(seed=2), profile=wide), variants=1.0
    )
    assert math.isnan(part.log10_lr)
    assert "too wide" in part.words


def test_the_chain_is_the_sum_over_all_paths() -> None:
    rng = np.random.default_rng(7)
    tables_of = [rng.normal(-1, 1, (3, 4)) for _ in range(2)]
    first, g, t, stay = np.array([True, False, True]), 0.1, (0.2, 0.3), 0.6

    def move(rate: float, a: int, b: int, states: int) -> float:
        if a == 0:
            return 1 - rate if b == 0 else rate / (states - 1)
        return stay if a == b else (1 - stay if b == 0 else 0.0)

    def start(rate: float, a: int, states: int) -> float:
        return 1 - rate if a == 0 else rate / (states - 1)

    total = 0.0
    for path in product(product(range(3), range(2), range(2)), repeat=3):
        weight = 1.0
        for i, (germ, *own) in enumerate(path):
            if first[i]:
                weight *= start(g, germ, 3) * math.prod(
                    start(r, o, 2) for r, o in zip(t, own, strict=True))  # fmt: skip
            else:
                before, *others = path[i - 1]
                weight *= move(g, before, germ, 3) * math.prod(
                    move(r, b, o, 2) for r, b, o in zip(t, others, own, strict=True))  # fmt: skip
            for table, o in zip(tables_of, own, strict=True):
                weight *= math.exp(table[i, 3 if o else germ])
        total += weight
    found = identity.chain(tables_of, first, germline=g, tumor=t, stay=stay)
    assert found == pytest.approx(math.log(total))


# --- the verdict ---


def test_the_verdict_is_the_sum_and_its_threshold() -> None:
    found = identity.compare(person(DELETION), person(seed=2), settings=SETTINGS)
    assert found.identity == "different"
    low = replace(SETTINGS, min_log10_lr=50.0)
    assert identity.compare(person(DELETION), person(seed=2), settings=low).identity == (
        "not_evaluable")  # fmt: skip


def test_another_sex_alone_is_a_flag() -> None:
    other = replace(person(seed=2), sex="male")
    found = identity.compare(person(), other, settings=SETTINGS)
    assert found.identity == "different"
    assert "female and male" in found.reason


def test_the_track_says_who_is_not_the_person_of_the_baseline() -> None:
    track = pd.DataFrame(
        {
            "sample": ["A", "B"],
            "identity": ["baseline", "not_evaluable"],
            "identity_lr": [np.nan, np.nan],
            "reason": ["baseline", "x"],
        }
    )
    verdict = Verdict("different", -7.0, [identity.Part(-7.0, "female and male")])
    found = identity.add(track, {"B": verdict})
    assert found["identity"].tolist() == ["baseline", "different"]
    assert found["reason"][1] == "x; identity: not the person of the baseline (female and male)"


# --- sites and reads ---


def bed(path: Path, *rows: tuple[object, ...]) -> Path:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def test_sites_are_common_apart_and_of_autosomes(tmp_path: Path) -> None:
    path = bed(
        tmp_path / "s.bed",
        ("chr1", 100, 101, "A", "G", 0.4),
        ("chr1", 5000, 5001, "A", "G", 0.4),
        ("chr1", 30000, 30001, "C", "T", 0.01),
        ("chr1", 40000, 40001, "C", "T", 0.9),
        ("chrX", 100, 101, "A", "G", 0.4),
    )
    found = sites.read(path, settings=SETTINGS)
    assert found["start"].tolist() == [100, 40000]


def test_a_vcf_gives_the_same_sites(tmp_path: Path) -> None:
    path = tmp_path / "s.vcf"
    path.write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##INFO=<ID=AF,Number=A,Type=Float,"
        'Description="x">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'
        "chr1\t101\t.\tA\tG\t.\t.\tAF=0.4\nchr1\t40001\t.\tC\tCT\t.\t.\tAF=0.4\n"
    )
    found = sites.read(path, settings=SETTINGS)
    assert found[["start", "ref", "alt"]].to_numpy().tolist() == [[100, "A", "G"]]
    assert found["frequency"].tolist() == pytest.approx([0.4])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("chr1", 100, 102, "A", "G", 0.4), "expected one base"),
        (("chr1", 100, 101, "A", "G"), "expected chrom, start, end, ref, alt and frequency"),
        (("chr1", 100, 101, "A", "G", 0.001), "no SNP on chromosomes 1 to 22"),
    ],
)
def test_a_wrong_site_is_refused(row: tuple[object, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        sites.read(bed(tmp_path / "s.bed", row), settings=SETTINGS)


def test_reads_at_sites_are_counted_by_base_and_filter(tmp_path: Path) -> None:
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "1", "LN": 100_000}]}
    path = tmp_path / "a.bam"
    # start, base at the site, flag, mapping quality, base quality, CIGAR
    reads = [(95, "A", 0, 60, 37, "10M"), (96, "G", 0, 60, 37, "10M"), (91, "G", 0, 60, 37, "10M"),
             (95, "G", 0x400, 60, 37, "10M"), (95, "G", 0, 10, 37, "10M"),
             (95, "G", 0, 60, 10, "10M"), (95, "T", 0, 60, 37, "10M"),
             (101, "G", 0, 60, 37, "10M"), (90, "G", 0, 60, 37, "10M"),
             (96, "G", 0, 60, 37, "2M6D8M")]  # fmt: skip
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for number, (start, base, flag, mapq, quality, cigar) in enumerate(reads):
            record = pysam.AlignedSegment()
            record.query_name, record.flag = f"r{number}", flag
            record.reference_id, record.reference_start = 0, start
            record.mapping_quality, record.cigarstring = mapq, cigar
            sequence = ["C"] * 10
            if 0 <= 100 - start < 10 and cigar == "10M":
                sequence[100 - start] = base
            record.query_sequence = "".join(sequence)
            record.query_qualities = pysam.qualitystring_to_array(chr(33 + quality) * 10)
            file.write(record)
    wanted = bed(tmp_path / "s.bed", ("chr1", 100, 101, "A", "G", 0.4),
                 ("chr1", 50000, 50001, "A", "G", 0.4))  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(["sites", "--quiet", "--config", str(plasma.ROOT / "config" / "config.yaml"),
              "--sample", "S", "--bam", str(path), "--sites", str(wanted), "--output",
              str(tmp_path / "s.tsv.gz")])  # fmt: skip
    assert end.value.code == 0
    stored = tables.read(tmp_path / "s.tsv.gz", schema.SITES)
    assert stored.frame[["start", "ref_reads", "alt_reads"]].to_numpy().tolist() == [[100, 1, 2]]
    assert stored.meta["sample"] == "S"
