"""From a result back to the BAM: what changed since."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pytest

from ctcnv import trace
from ctcnv.cli import main, sample
from ctcnv.io import tables
from ctcnv.schema import BINS, COUNTS, GENES, TRACK
from tests.knocks import reads, within


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    """Exit code, lines and errors of ``ctcnv trace``."""
    with pytest.raises(SystemExit) as left:
        main(["trace", "--quiet", *words])
    said = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, said.out.splitlines(), said.err


def table(path: str, kind, *, inputs: dict[str, str], **meta: str) -> str:
    """An empty table of a type with its inputs; its digest."""
    tables.write(Path(path), kind, kind.empty(), meta=meta, inputs=inputs)
    return tables.sha256_file(Path(path))


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Results of one patient with one sample, down to its BAM; the working directory."""
    with within(tmp_path):
        reads.write_bins(reads.CONTIGS)
        os.makedirs("results/reference")
        Path("bins.tsv.gz").rename("results/reference/bins.tsv.gz")
        Path("bins.tsv.gz").symlink_to("results/reference/bins.tsv.gz")
        reads.counted(reads.write_bam("S.bam", reads.pairs(30)))
        os.makedirs("results/samples")
        Path("out").rename("results/samples/S")
        counts = Path("results/samples/S/counts.tsv.gz")
        bins = tables.sha256_file(Path("bins.tsv.gz"))
        own = {"counts": tables.sha256_file(counts), "bins": bins}
        genes = table("results/samples/S/genes.tsv", GENES, inputs=own, sample="S")
        track = table("results/patients/P/track.tsv", TRACK, inputs={"genes.S": genes}, patient="P")
        page = sample.with_inputs("<html><head></head></html>", {"track.P": track})
        tables.write_text(Path("results/patients/P/report.html"), page)
        Path("samples.tsv").write_text("sample\tpatient\trole\tday\tbam\nS\tP\tplasma\t0\tS.bam\n")
        yield tmp_path


REPORT = "results/patients/P/report.html"


def test_an_unchanged_run_is_followed_from_the_report_to_the_bam(folder, capsys) -> None:
    code, lines, _ = run(capsys, REPORT, "--samples", "samples.tsv")
    assert code == 0
    assert [re.sub(r"  unchanged$", "", line) for line in lines] == [
        f"result: {REPORT}",
        "  track.P: results/patients/P/track.tsv",
        "    genes.S: results/samples/S/genes.tsv",
        "      counts: results/samples/S/counts.tsv.gz",
        "        bins: results/reference/bins.tsv.gz",
        "        bam: S.bam",
        "      bins: results/reference/bins.tsv.gz",
        "6 unchanged",
    ]


def test_another_bam_is_seen_from_the_report(folder, capsys) -> None:
    reads.write_bam("S.bam", reads.pairs(31))
    code, lines, _ = run(capsys, REPORT, "--samples", "samples.tsv")
    assert code == 1
    (line,) = [line for line in lines if line.strip().startswith("bam: ")]
    assert re.fullmatch(r" +bam: S\.bam  CHANGED  size was \d+, is \d+", line)


def test_a_damaged_or_missing_bam_is_told(folder, capsys) -> None:
    Path("S.bam").write_bytes(b"")
    code, lines, _ = run(capsys, REPORT, "--samples", "samples.tsv")
    assert code == 1
    assert any(line.strip().startswith("bam: S.bam  CHANGED  empty file") for line in lines)
    Path("S.bam").unlink()
    assert any("bam: S.bam  NOT FOUND" in line for line in
               run(capsys, REPORT, "--samples", "samples.tsv")[1])  # fmt: skip


def test_a_table_that_was_made_again_is_told_with_both_checksums(folder, capsys) -> None:
    table("results/samples/S/genes.tsv", GENES, inputs={}, sample="S", note="new")
    code, lines, _ = run(capsys, REPORT)
    assert code == 1
    assert re.search(r"genes.tsv  CHANGED  was [0-9a-f]{12}, is [0-9a-f]{12}", lines[2])


def test_a_table_alone_can_be_traced_and_what_is_not_given_is_said(folder, capsys) -> None:
    code, lines, _ = run(capsys, "results/samples/S/counts.tsv.gz")
    assert code == 0
    assert lines[-2:] == [
        "  bam: ?  not looked at  give --samples or --config", "1 unchanged, 1 not looked at",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.html", "<html>", "names no inputs"),
        ("x.tsv", "a\tb\n", "not a ctcnv table"),
        ("x.tsv.gz", "\x1f\x8b", "damaged"),
        ("x.json", "[1]", "not a summary"),
        ("x.json", "{", "not a summary"),
        ("x.vcf", "#CHROM\n", "not a VCF that ctcnv exported"),
        ("x.png", "x", "not a result that names its inputs"),
    ],
)
def test_what_is_no_result_is_refused_in_one_line(tmp_path, capsys, name, content, said) -> None:
    (tmp_path / name).write_text(content, encoding="latin-1")
    code, lines, error = run(capsys, str(tmp_path / name))
    assert code == 2
    assert lines == []
    assert said in error
    assert error.count("\n") == 1


def test_a_result_that_is_not_there_is_refused(tmp_path, capsys) -> None:
    code, _, error = run(capsys, str(tmp_path / "no.tsv"))
    assert code == 2
    assert "no such file; give a result" in error


@pytest.mark.parametrize(
    ("kind", "key", "where"),
    [
        ("profile", "counts", trace.Place("results", "samples/S/counts.tsv.gz", "S")),
        ("pon", "counts.N1", trace.Place("results", "samples/N1/counts.tsv.gz", "N1")),
        ("profile", "genes", trace.Place("results", "reference/genes.tsv")),
        ("track", "genes.S2", trace.Place("results", "samples/S2/genes.tsv", "S2")),
        ("gene_table", "genes", trace.Place("config", "reference.genes")),
        ("bins", "fasta.fai", trace.Place("config", "reference.fasta")),
        ("criteria", "track", trace.Place("results", "patients/P/track.tsv", "P")),
        ("criteria", "rules", trace.Place("config", "rules")),
        ("criteria", "resistance", trace.Place("unknown", "resistance")),
        ("cohort_patients", "clinical", trace.Place("config", "clinical")),
        ("cohort_patients", "qc", trace.Place("results", "qc.tsv")),
        ("qc", "qc.S", trace.Place("results", "samples/S/qc.tsv", "S")),
        ("counts", "table", trace.Place("sheet", "counts", "S")),
        ("fraction", "variants", trace.Place("sheet", "variants", "S")),
        ("sites", "sites", trace.Place("config", "sites")),
        ("track", "sites.S", trace.Place("results", "samples/S/sites.tsv.gz", "S")),
    ],
)
def test_where_an_input_lies(kind: str, key: str, where: trace.Place) -> None:
    assert trace.place(kind, key, sample="S", patient="P") == where


def test_counts_name_their_bins_and_their_bam(folder) -> None:
    meta = tables.preamble(Path("results/samples/S/counts.tsv.gz"))
    assert set(trace.inputs(meta)) == {"bins"}
    assert {"bam.header", "bam.size", "settings.count", "sample", "bins"} <= set(meta)
    assert pd.notna(meta["ctcnv.version"])
    assert BINS.name == "bins"
    assert COUNTS.name == "counts"
