"""Variants from VCF and TSV: what is read, and one line for each way in which it can be wrong."""

from __future__ import annotations

import gzip

import pandas as pd
import pysam
import pytest

from ctcnv.io import variants

HEAD = """##fileformat=VCFv4.2
##FILTER=<ID=weak,Description="x">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="x">
##FORMAT=<ID=AF,Number=A,Type=Float,Description="x">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">
##INFO=<ID=CSQ,Number=.,Type=String,Description="From VEP. Format: Allele|IMPACT|SYMBOL|gnomADe_AF">
##INFO=<ID=ANN,Number=.,Type=String,Description="x">
##INFO=<ID=GENE,Number=1,Type=String,Description="x">
##INFO=<ID=SOMATIC,Number=0,Type=Flag,Description="x">
##INFO=<ID=COMMON,Number=1,Type=Integer,Description="x">
##INFO=<ID=POPAF,Number=A,Type=Float,Description="x">
##INFO=<ID=gnomAD_AF,Number=A,Type=Float,Description="x">
##contig=<ID=chr17,length=83257441>
##contig=<ID=chr12,length=133275309>
"""
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def vcf(*rows, samples=("S1",), head=HEAD):
    """The text of a VCF from rows of chrom, pos, ref, alt, filter, info, format, sample columns."""
    lines = ["\t".join([COLUMNS, *(["FORMAT", *samples] if samples else [])])]
    for chrom, pos, ref, alt, quality, *rest in rows:
        lines.append("\t".join([chrom, str(pos), ".", ref, alt, ".", quality, *rest]))
    return head + "\n".join(lines) + "\n"


@pytest.fixture
def read(tmp_path):
    """Reads the variants of sample S1 from a text."""

    def read(text, *, name="v.vcf", sample="S1"):
        path = tmp_path / name
        path.write_text(text)
        return variants.read(path, sample=sample)

    return read


def row(found, index=0):
    return found.frame.iloc[index].to_dict()


# --- VCF ---


def test_a_vcf_is_read_by_allele_and_positions_count_from_zero(read):
    found = read(vcf(("chr17", 7675088, "C", "T", "PASS", "GENE=TP53", "AD:DP", "900,100:1200")))
    known = {key: value for key, value in row(found).items() if not pd.isna(value)}
    assert known == {
        "chrom": "chr17", "start": 7675087, "end": 7675088, "ref": "C", "alt": "T", "gene": "TP53",
        "depth": 1000, "alt_reads": 100,
    }  # fmt: skip
    assert found.lengths == {"17": 83257441, "12": 133275309}


def test_alternatives_of_one_place_are_rows_of_their_own(read):
    found = read(vcf(("chr17", 10, "CAG", "C,T,<DEL>,*", ".", ".", "AD", "70,10,15,3,2")))
    assert found.frame["alt"].tolist() == ["C", "T", "<DEL>"]
    assert found.frame["alt_reads"].tolist() == [10, 15, 3]
    assert found.frame["depth"].tolist() == [100, 100, 100]
    assert found.frame["end"].tolist() == [12, 12, 12]
    assert found.frame["reason"].tolist()[2] == "not a small variant"


def test_without_ad_the_reads_come_from_af_and_dp(read):
    found = read(vcf(("chr17", 10, "C", "T,G", ".", ".", "AF:DP", "0.05,0.1:400")))
    assert found.frame["alt_reads"].tolist() == [20, 40]
    assert found.frame["depth"].tolist() == [400, 400]


def test_without_a_depth_the_row_stays_and_has_no_reads(read):
    found = read(vcf(("chr17", 10, "C", "T", ".", ".", "AF", "0.05"),
                     ("chr17", 11, "C", "T", ".", ".", "AD", ".")))  # fmt: skip
    assert found.frame["depth"].isna().all()
    assert found.frame["alt_reads"].isna().all()


def test_a_filter_of_the_caller_is_a_reason(read):
    found = read(vcf(("chr17", 10, "C", "T", "weak", ".", "AD", "90,10"),
                     ("chr17", 11, "C", "T", "PASS", ".", "AD", "90,10")))  # fmt: skip
    assert row(found)["reason"] == "FILTER is weak"
    assert pd.isna(row(found, 1)["reason"])


@pytest.mark.parametrize(
    ("info", "gene"),
    [
        ("GENE=KRAS", "KRAS"),
        ("ANN=T|missense|MODERATE|TP53|ENSG1,G|x|LOW|OTHER|ENSG2", "TP53"),
        ("CSQ=T|HIGH|NRAS|0.1,T|LOW|NEAR|", "NRAS"),
        ("FUNCOTATION=[BRAF|hg38|chr7]", "BRAF"),
        ("GENEINFO=TP53:7157", "TP53"),
        ("SOMATIC", None),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_gene_comes_from_the_annotation(read, info, gene):
    found = row(read(vcf(("chr12", 10, "C", "T", ".", info, "AD", "90,10"))))["gene"]
    assert found == gene or (gene is None and pd.isna(found))


ANN = "ANN=T|missense|MODERATE|TP53|ENSG1|transcript|ENST1|coding|4/9|c.35G>A|"


@pytest.mark.parametrize(
    ("info", "change"),
    [
        (f"{ANN}p.Gly12Asp|35/100", "G12D"),
        (f"{ANN}|35/100,T|x|LOW|TP53|ENSG1|transcript|ENST2|coding|1/2|c.1A>G|p.Gly12Ala", "G12A"),
        (f"{ANN}|35/100,T|x|LOW|NEAR|ENSG2|transcript|ENST2|coding|1/2|c.1A>G|p.Gly1Ala", None),
        ("GENE=KRAS", None),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_change_of_the_protein_comes_from_the_annotation_of_its_gene(read, info, change):
    found = row(read(vcf(("chr12", 10, "C", "T", ".", info, "AD", "90,10"))))["protein"]
    assert found == change or (change is None and pd.isna(found))


def test_vep_tells_the_change_of_the_protein_under_its_name():
    parts = [{"symbol": "NRAS", "hgvsp": ""}, {"symbol": "NRAS", "hgvsp": "ENSP1:p.Gln61%3D"}]
    assert variants._protein(parts) == "Q61="
    assert variants._protein([]) is None


@pytest.mark.parametrize(
    ("info", "frequency"),
    [
        ("gnomAD_AF=0.002", 0.002),
        ("CSQ=T|HIGH|NRAS|0.1,T|LOW|NEAR|", 0.1),
        ("POPAF=3.00", 0.001),
        ("COMMON=1", 0.01),
        ("COMMON=0", None),
        ("GENE=KRAS", None),
    ],
)
def test_frequencies_in_the_population_are_known_under_their_usual_names(read, info, frequency):
    found = row(read(vcf(("chr12", 10, "C", "T", ".", info, "AD", "90,10"))))["population"]
    assert found == pytest.approx(frequency) if frequency else pd.isna(found)


def test_a_caller_may_mark_a_variant_somatic(read):
    found = read(vcf(("chr12", 10, "C", "T", ".", "SOMATIC", "AD", "90,10")))
    assert row(found)["origin"] == "somatic"


def test_the_sample_of_the_name_is_taken_of_several(read):
    text = vcf(("chr12", 10, "C", "T", ".", ".", "AD", "100,0", "80,20"), samples=("N", "S1"))
    assert row(read(text))["alt_reads"] == 20


def test_varscan_and_a_header_without_formats_are_understood(read):
    head = "##fileformat=VCFv4.1\n"
    text = vcf(("chr12", 10, "C", "T", ".", ".", "RD:AD:FREQ", "95:5:5%"), head=head)
    assert (row(read(text))["depth"], row(read(text))["alt_reads"]) == (100, 5)
    text = vcf(("chr12", 10, "C", "T", ".", ".", "FREQ:DP", "12.5%:80"), head=head)
    assert (row(read(text))["depth"], row(read(text))["alt_reads"]) == (80, 10)


def test_without_sample_columns_info_tells_the_reads(read):
    head = HEAD + "##INFO=<ID=AF,Number=1,Type=Float,Description=\"x\">\n" + (
        "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"x\">\n")  # fmt: skip
    text = vcf(("chr12", 10, "C", "T", ".", "DP=500;AF=0.02"), samples=(), head=head)
    assert (row(read(text))["depth"], row(read(text))["alt_reads"]) == (500, 10)


def test_gzipped_vcf_and_bcf_give_the_same(read, tmp_path):
    text = vcf(("chr17", 7675088, "C", "T", "PASS", "GENE=TP53", "AD", "900,100"))
    plain = read(text)
    packed = tmp_path / "v.vcf.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    blocks = tmp_path / "b.vcf.gz"
    pysam.tabix_compress(str(tmp_path / "v.vcf"), str(blocks))
    binary = tmp_path / "v.bcf"
    with (
        pysam.VariantFile(str(tmp_path / "v.vcf")) as source,
        pysam.VariantFile(str(binary), "wb", header=source.header) as out,
    ):
        for record in source:
            out.write(record)
    for path in (packed, blocks, binary):
        found = variants.read(path, sample="S1")
        pd.testing.assert_frame_equal(found.frame, plain.frame)
        assert found.digest != plain.digest


def test_a_vcf_without_variants_gives_none(read):
    assert len(read(vcf()).frame) == 0


GOOD = ("chr12", 10, "C", "T", ".", ".", "AD", "90,10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (vcf(("chr12", 10, "C", "T", ".", ".", "DP", "90")),
         r"v.vcf: no variant has an allele frequency; call variants so that .* FORMAT AD"),
        (vcf((*GOOD, "80,20"), samples=("A", "B")),
         r"v.vcf: has 2 samples \(A, B\) and none is named 'S1'; rename it"),
        (vcf(GOOD, GOOD), r"v.vcf row 2: chr12:10 C>T stands twice, first in row 1; keep one"),
        (vcf(GOOD, ("chr12", "x", "C", "T", ".", ".", "AD", "9,1")), "v.vcf row 2: not a readable"),
        (vcf(("chr12", 10, "C", "T", ".", ".", "AF:DP", "1.5:90")), r"row 1 .*: AF is 1.5; give a"),
        (vcf(GOOD)[:20] + "\n", "v.vcf row 1: not a readable VCF record"),
    ],
)  # fmt: skip
def test_a_wrong_vcf_is_one_line_with_its_remedy(read, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_a_truncated_vcf_is_refused(tmp_path):
    text = vcf(*(("chr12", 10 + i, "C", "T", ".", ".", "AD", f"{i},{i}") for i in range(3000)))
    path = tmp_path / "v.vcf.gz"
    data = gzip.compress(text.encode())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"v.vcf.gz: damaged .*; make it again"):
        variants.read(path, sample="S1")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        variants.read(tmp_path / "none.vcf", sample="S1")


# --- TSV ---

TSV = "chrom\tpos\tref\talt\tdepth\talt_reads\tgene\torigin\n"


def test_a_tsv_is_read_and_positions_count_from_one(read):
    text = "##made by hand\n" + TSV + "chr17\t7675088\tc\tT\t1000\t31\tTP53\tsomatic\n" + (
        "17\t7675100\tCAG\tC\t500\t\t\t\n")  # fmt: skip
    found = read(text, name="v.tsv")
    assert found.frame["start"].tolist() == [7675087, 7675099]
    assert found.frame["end"].tolist() == [7675088, 7675102]
    assert found.frame["ref"].tolist() == ["C", "CAG"]
    assert row(found)["origin"] == "somatic"
    assert pd.isna(row(found, 1)["alt_reads"])
    assert pd.isna(row(found, 1)["gene"])
    assert found.lengths == {}


def test_a_tsv_may_give_allele_fractions_and_be_gzipped(tmp_path):
    path = tmp_path / "v.tsv.gz"
    path.write_bytes(gzip.compress(b"#chrom\tpos\tref\talt\tvaf\tdepth\n1\t5\tA\tC\t0.031\t1000\n"))
    found = variants.read(path, sample="S1")
    assert found.frame["alt_reads"].tolist() == [31]
    assert found.frame["depth"].tolist() == [1000]


ROW = "chr1\t5\tA\tC\t100\t5\tKRAS\t\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom\tpos\tref\talt\tdepth\n", "v.tsv: give one of alt_reads and vaf, not 0"),
        ("chrom\tpos\tref\talt\tdepth\tvaf\talt_reads\n", "give one of alt_reads and vaf, not 2"),
        ("chrom\tpos\tref\talt\tvaf\n", "v.tsv: column 'depth' is missing; the columns are chrom"),
        (TSV.replace("gene", "Gene"), "v.tsv: unknown column 'Gene'; the columns are chrom, pos"),
        ("chrom,pos,ref,alt,depth,vaf\n", "unknown column .*; columns are separated by tabs"),
        (TSV.replace("gene", "depth"), "column 'depth' stands twice; delete one"),
        (TSV + ROW.replace("\t5\tA", "\t0\tA"), "row 1: pos is '0'; give a whole number of 1 or"),
        (TSV + ROW.replace("\t5\tA", "\t\tA"), "row 1: pos is empty; give the position"),
        (TSV + ROW.replace("chr1", ""), "row 1: chrom is empty; name the sequence"),
        (TSV + ROW.replace("100", "1e3"), "row 1: depth is '1e3'; give a whole number of 0 or"),
        (TSV + ROW.replace("\t5\tK", "\t500\tK"), "row 1: alt_reads is 500 at a depth of 100"),
        (TSV + ROW.replace("A\tC", "A\t-"), "row 1: alt is '-'; write bases"),
        (TSV + ROW.replace("KRAS\t", "KRAS\ttumor"), "row 1: origin is 'tumor'; write somatic"),
        (TSV + ROW + ROW, "v.tsv row 2: chr1:5 A>C stands twice, first in row 1"),
        (TSV + ROW.strip() + "\t\tx\n", "row 1: 9 cells under 8 columns"),
        ("chrom\tpos\tref\talt\tdepth\tvaf\n1\t5\tA\tC\t100\t3.1\n", "row 1: vaf is '3.1'; give"),
        ("chrom\tpos\tref\talt\tdepth\tvaf\n1\t5\tA\tC\t100\t0,03\n", "row 1: vaf is '0,03'; give"),
        ("\n", "v.tsv: column 'chrom' is missing"),
    ],
)
def test_a_wrong_tsv_is_one_line_with_its_remedy(read, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(text, name="v.tsv")
    assert "\n" not in str(caught.value)


# --- the reference ---

BINS = pd.DataFrame({
    "chrom": ["17", "17", "12"], "start": [0, 50_000_000, 0],
    "end": [50_000_000, 83_257_441, 50_000_000],
})  # fmt: skip


def test_variants_of_another_reference_are_refused(read):
    bins = BINS.assign(end=[50_000_000, 81_195_210, 133_000_000], start=[49_999_000, 81_000_000, 0])
    found = read(vcf(GOOD))
    message = "v.vcf: its chromosome 17 has 83,257,441 bp, that of the atoms 81,195,210; call"
    with pytest.raises(ValueError, match=message):
        variants.require_genome(found, bins)
    variants.require_genome(read(TSV + ROW, name="v.tsv"), bins)


def test_a_variant_beyond_its_chromosome_is_refused(read):
    found = read(TSV + ROW.replace("chr1\t5", "chr12\t60000000"), name="v.tsv")
    with pytest.raises(ValueError, match="chr12:60000000 lies beyond the end of the chromosome"):
        variants.require_genome(found, BINS)


def test_the_gene_table_names_what_the_file_does_not(read):
    table = pd.DataFrame({"gene": ["TP53"], "chrom": ["17"], "start": [100], "end": [200]})
    rows = ["chr17\t101", "chr17\t200", "chr17\t201", "chr1\t150"]
    text = "chrom\tpos\tref\talt\tdepth\tvaf\n" + "".join(f"{r}\tA\tC\t9\t0.1\n" for r in rows)
    found = variants.with_genes(read(text, name="v.tsv").frame, table)["gene"]
    assert found.tolist()[:2] == ["TP53", "TP53"]
    assert found.isna().tolist() == [False, False, True, True]
