"""The gene tables that are shipped for hg19, hg38 and T2T-CHM13 agree with each other."""

from importlib import resources
from pathlib import Path

import pandas as pd
import pytest

from ctcnv.io import tables
from ctcnv.schema import CHROMOSOMES, GENE_TABLE, chrom_key

BUILDS = ("hg19", "hg38", "chm13")
#: Genes whose position on T2T-CHM13 could not be confirmed to a few kb; the table says so.
NOT_ON_CHM13 = {"TERT", "NF1", "GATA6", "KIT", "PDGFRA", "KDR"}
#: What a user of the report may ask for.
ASKED_FOR = [
    "ERBB2",
    "EGFR",
    "MET",
    "KRAS",
    "NRAS",
    "BRAF",
    "PIK3CA",
    "ERBB3",
    "ERBB4",
    "MYC",
    "CCND1",
    "CCNE1",
    "FGFR1",
    "FGFR2",
    "FGFR3",
    "CDK4",
    "CDK6",
    "CDK12",
    "MDM2",
    "MDM4",
    "GRB7",
    "TOP2A",
    "RARA",
    "IGF2",
    "FLT3",
    "GNAS",
    "AURKA",
    "MYCN",
    "AR",
    "PTEN",
    "TP53",
    "APC",
    "SMAD4",
    "RB1",
    "CDKN2A",
    "KIT",
    "PDGFRA",
    "KDR",
    "ESR1",
    "NF1",
    "BRCA1",
    "BRCA2",
]


def read(build: str) -> tables.Stored:
    path = Path(str(resources.files("ctcnv") / "data" / f"genes.{build}.tsv"))
    return tables.read(path, GENE_TABLE)


def by_gene(build: str) -> pd.DataFrame:
    return read(build).frame.set_index("gene")


@pytest.mark.parametrize("build", BUILDS)
def test_each_table_names_its_build_and_the_origin_of_its_coordinates(build):
    meta = read(build).meta
    assert meta["build"] == build
    assert meta["source"]


@pytest.mark.parametrize("build", BUILDS)
def test_erbb2_comes_first(build):
    assert read(build).frame["gene"].iloc[0] == "ERBB2"


@pytest.mark.parametrize(
    ("build", "chrom", "start", "end"),
    [
        ("hg19", "chr17", 37_844_166, 37_886_679),
        ("hg38", "chr17", 39_687_913, 39_730_426),
        # 113 kb before a mapped band boundary: 40,551,474 to a few kb
        ("chm13", "chr17", 40_551_474, 40_593_987),
    ],
)
def test_erbb2_stands_at_its_place(build, chrom, start, end):
    row = by_gene(build).loc["ERBB2"]
    assert (row["chrom"], row["start"], row["end"]) == (chrom, start, end)


@pytest.mark.parametrize("build", BUILDS)
def test_no_gene_that_is_asked_for_is_missing(build):
    expected = set(ASKED_FOR) - (NOT_ON_CHM13 if build == "chm13" else set())
    assert expected <= set(by_gene(build).index)


@pytest.mark.parametrize("build", BUILDS)
def test_each_gene_stands_once_on_a_binned_chromosome_and_on_one_arm(build):
    frame = read(build).frame
    assert not frame["gene"].duplicated().any()
    assert frame["chrom"].str.startswith("chr").all()
    assert set(frame["chrom"].map(chrom_key)) <= set(CHROMOSOMES)
    assert (frame["start"] < frame["end"]).all()
    assert ((frame["end"] <= frame["centromere"]) | (frame["start"] >= frame["centromere"])).all()
    assert (frame.groupby("chrom")["centromere"].nunique() == 1).all()


def test_hg19_and_hg38_hold_the_same_genes():
    assert list(by_gene("hg19").index) == list(by_gene("hg38").index)


def test_chm13_holds_the_genes_of_hg38_except_the_ones_it_names():
    missing = set(by_gene("hg38").index) - set(by_gene("chm13").index)
    assert missing == NOT_ON_CHM13
    source = read("chm13").meta["source"]
    assert all(gene in source for gene in missing)


@pytest.mark.parametrize("build", ["hg19", "chm13"])
def test_a_gene_has_the_chromosome_and_role_it_has_on_hg38(build):
    other = by_gene(build)
    hg38 = by_gene("hg38").loc[other.index]
    assert (other["chrom"] == hg38["chrom"]).all()
    assert (other["role"] == hg38["role"]).all()


@pytest.mark.parametrize("build", ["hg19", "chm13"])
def test_a_gene_is_as_long_as_on_hg38_within_a_fifth(build):
    other = by_gene(build)
    hg38 = by_gene("hg38").loc[other.index]
    ratio = (other["end"] - other["start"]) / (hg38["end"] - hg38["start"])
    assert ratio.between(0.8, 1.25).all(), ratio[~ratio.between(0.8, 1.25)]


@pytest.mark.parametrize("build", ["hg19", "chm13"])
def test_genes_stand_in_the_order_and_on_the_arm_they_have_on_hg38(build):
    other = by_gene(build)
    hg38 = by_gene("hg38").loc[other.index]
    assert ((other["start"] < other["centromere"]) == (hg38["start"] < hg38["centromere"])).all()
    for chrom, part in hg38.groupby("chrom"):
        there = other.loc[part.index]
        assert list(part["start"].sort_values().index) == list(
            there["start"].sort_values().index
        ), chrom


def test_neighbours_of_erbb2_keep_their_distance_on_every_build():
    hg38 = by_gene("hg38").loc[["CDK12", "ERBB2", "GRB7", "RARA", "TOP2A"], "start"]
    for build in ("hg19", "chm13"):
        there = by_gene(build).loc[hg38.index, "start"]
        # below one atom of 10 kb
        assert (there.diff().dropna() - hg38.diff().dropna()).abs().max() < 10_000
