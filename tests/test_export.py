"""Other programs' files: coordinates by hand, nothing made up, and readers that take them."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pybigtools
import pysam
import pytest

from ctcnv import cli, export, schema
from ctcnv.io import exports, tables
from ctcnv.mixture import ratio_of
from tests import plasma

NAN = float("nan")


def profile(*, chrom: str = "chr1", expected: float = 50.0, n: int = 10) -> pd.DataFrame:
    """Atoms of 100 bp with as many fragments as expected."""
    start = np.arange(n) * 100
    frame = pd.DataFrame({
        "chrom": chrom, "start": start, "end": start + 100, "observed": round(expected),
        "expected": expected, "normal_copies": 2, "reason": None,
    })  # fmt: skip
    return schema.PROFILE.check(frame)


def segment(start: int, end: int, ratio: float, *, sd: float = 0.01, chrom: str = "chr1") -> dict:
    """A row of segments.tsv."""
    low, high = max(0.0, ratio - 1.959964 * sd), ratio + 1.959964 * sd
    log2 = float(np.log2(ratio)) if ratio > 0 else NAN
    return {"chrom": chrom, "start": start, "end": end, "n_bins": 5, "observed": 10 * ratio,
            "expected": 10.0, "ratio": ratio, "log2": log2, "low": low, "high": high}  # fmt: skip


def segments(*rows: dict) -> pd.DataFrame:
    return schema.SEGMENTS.check(pd.DataFrame(list(rows), columns=schema.SEGMENTS.names))


def gene(name: str, start: int, end: int, call: str, **values: object) -> dict:
    """A row of genes.tsv with what matters here."""
    row = dict.fromkeys(schema.GENES.names) | {
        "gene": name, "chrom": "chr1", "start": start, "end": end, "n_bins": 2, "call": call,
    }  # fmt: skip
    return row | values


def genes(*rows: dict) -> pd.DataFrame:
    return schema.GENES.check(pd.DataFrame(list(rows), columns=schema.GENES.names))


def fraction(status: str, value: float = 0.5, ploidy: float = 2.0) -> dict:
    known = status == "detected"
    return {"status": status, "fraction": value if known else NAN, "low": NAN, "high": NAN,
            "lod": 0.1, "ploidy": ploidy if known else NAN, "p_tumor": 1.0}  # fmt: skip


def grid(value: float = 0.5, ploidy: float = 2.0) -> pd.DataFrame:
    return pd.DataFrame({"fraction": [value], "ploidy": [ploidy], "probability": [1.0]})


def found(rows: pd.DataFrame, row: dict, surface: pd.DataFrame, *, of: pd.DataFrame | None = None,
          atoms: pd.DataFrame | None = None) -> list[export.Record]:  # fmt: skip
    return export.records(
        rows, genes() if of is None else of, profile() if atoms is None else atoms, row, surface,
        false_positive=0.001,
    )  # fmt: skip


def lines(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


def vcf(found: list[export.Record], row: dict) -> str:
    return export.vcf(
        found,
        sample="S1",
        lengths={"chr1": 1000},
        fraction=row,
        version="0",
        inputs={"segments": "ab12"},
    )


# Coordinates ---------------------------------------------------------------------------------


def test_seg_counts_from_one_and_includes_the_end() -> None:
    made = export.seg(segments(segment(0, 300, 1.0), segment(300, 1000, 2.0)), sample="S1")
    assert made["loc.start"].tolist() == [1, 301]
    assert made["loc.end"].tolist() == [300, 1000]
    assert made["seg.mean"].tolist() == [0.0, 1.0]
    assert list(made.columns) == ["ID", "chrom", "loc.start", "loc.end", "num.mark", "seg.mean"]


def test_vcf_starts_at_the_base_before_the_region() -> None:
    row = fraction("detected")
    made = vcf(found(segments(segment(300, 1000, 2.0)), row, grid()), row)
    (line,) = lines(made)
    assert line[:5] == ["chr1", "300", ".", "N", "<DUP>"]
    assert {"END=1000", "SVLEN=700", "SVCLAIM=D"} <= set(line[7].split(";"))


def test_vcf_has_no_position_zero() -> None:
    row = fraction("detected")
    (line,) = lines(vcf(found(segments(segment(0, 300, 2.0)), row, grid()), row))
    assert line[1] == "1"
    assert {"END=300", "SVLEN=299"} <= set(line[7].split(";"))


def test_bedgraph_cnr_and_cns_count_from_zero(tmp_path: Path) -> None:
    joined = export.windows(profile(), fragments=100)
    path = tmp_path / "a.bedgraph"
    exports.write_bedgraph(path, joined, name="S1")
    assert path.read_text().splitlines()[1:3] == ["chr1\t0\t200\t2", "chr1\t200\t400\t2"]
    assert export.cnr(joined, genes())["start"].tolist() == [0, 200, 400, 600, 800]
    made = export.cns(segments(segment(300, 1000, 2.0)), genes(), unit=20.0)
    assert made.loc[0, ["start", "end", "log2", "weight"]].tolist() == [300, 1000, 1.0, 0.5]


def test_bigwig_gives_back_the_windows(tmp_path: Path) -> None:
    # two chromosomes in the order of the genome, which is not that of their names
    atoms = pd.concat([profile(chrom="chr2"), profile(chrom="chr10", n=3)], ignore_index=True)
    joined = export.windows(atoms, fragments=50)
    for name in ("a.bw", "b.bw"):
        exports.write_bigwig(tmp_path / name, joined, lengths=export.chromosome_lengths(atoms))
    read = pybigtools.open(str(tmp_path / "a.bw"))
    assert read.chroms() == {"chr10": 300, "chr2": 1000}
    assert list(read.records("chr10")) == [(0, 100, 2.0), (100, 200, 2.0), (200, 300, 2.0)]
    assert (tmp_path / "a.bw").read_bytes() == (tmp_path / "b.bw").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bw", "b.bw"]


def test_bins_beyond_the_end_of_a_human_chromosome_are_cut_there() -> None:
    # hg19 chromosome 21 has 48,129,895 bp; a wig of 1 Mb bins ends at 49 Mb
    start = np.arange(49) * 1_000_000
    atoms = profile(n=49).assign(chrom="21", start=start, end=start + 1_000_000)
    assert export.chromosome_lengths(atoms) == {"21": 48_129_895}
    cut = export.clip(atoms, {"21": 48_129_895})
    assert cut["end"].tolist() == [*range(1_000_000, 49_000_000, 1_000_000), 48_129_895]


def test_an_unknown_genome_keeps_the_ends_of_its_bins() -> None:
    assert export.chromosome_lengths(profile(n=7)) == {"chr1": 700}


# Values --------------------------------------------------------------------------------------


def test_windows_join_atoms_until_enough_is_expected() -> None:
    atoms = profile(expected=40.0)
    atoms.loc[[3, 4, 5], "expected"] = NAN
    made = export.windows(atoms, fragments=100)
    # three atoms of 40; the second window has none that is used
    assert made["start"].tolist() == [0, 600, 900]
    assert made["ratio"].tolist() == [1.0, 1.0, 1.0]
    assert made["chrom"].unique().tolist() == ["chr1"]


def test_copies_are_those_of_the_mixture() -> None:
    row = fraction("detected", 0.3, 3.0)
    ratio = float(ratio_of(7.0, 0.3, 3.0))
    (record,) = found(segments(segment(300, 1000, ratio, sd=1e-4)), row, grid(0.3, 3.0))
    assert record.copies[0] == pytest.approx(7.0, abs=0.01)
    assert record.copies[1] < 7.0 < record.copies[2]
    assert record.pcn[0] == pytest.approx(2 * ratio)


def test_one_copy_of_a_mans_x_is_normal() -> None:
    atoms = pd.concat([profile(), profile(chrom="chrX").assign(normal_copies=1)], ignore_index=True)
    row = fraction("detected", 0.5, 2.0)
    rows = segments(segment(0, 1000, 1.5, sd=1e-4, chrom="chrX"))
    (record,) = found(rows, row, grid(), atoms=atoms)
    assert record.copies[0] == pytest.approx(2.0, abs=0.01)
    assert record.pcn[0] == pytest.approx(1.5)


def test_copies_are_missing_where_no_tumor_is_detected() -> None:
    row = fraction("not_detected")
    (line,) = lines(vcf(found(segments(segment(300, 1000, 0.8)), row, grid()), row))
    assert line[4] == "<DEL>"
    assert line[6] == "not_detected"
    assert line[9].startswith(".:.,.:1.6:")


def test_a_lower_bound_without_an_upper_one_stays_so() -> None:
    row = fraction("not_detected")
    amplified = gene("ERBB2", 400, 600, "amplified", copies_low=8.5, pcn=3.0, pcn_low=2.5,
                     pcn_high=3.5)  # fmt: skip
    (line,) = lines(vcf(found(segments(), row, grid(), of=genes(amplified)), row))
    assert line[2] == "ERBB2"
    assert line[9] == ".:8.5,.:3:2.5,3.5"


@pytest.mark.parametrize("call", ["neutral", "indeterminate", "failed"])
def test_a_gene_that_is_not_called_altered_has_no_record(call: str) -> None:
    of = genes(gene("ERBB2", 400, 600, call))
    assert found(segments(), fraction("detected"), grid(), of=of) == []


def test_a_failed_sample_has_no_record() -> None:
    of = genes(gene("ERBB2", 400, 600, "amplified"))
    assert found(segments(segment(0, 500, 3.0)), fraction("failed"), grid(), of=of) == []


def test_noise_is_no_record_and_what_stands_out_is() -> None:
    # 3.29 standard deviations are a two-sided 0.001
    row = fraction("not_detected")
    assert found(segments(segment(300, 1000, 1.032, sd=0.01)), row, grid()) == []
    assert len(found(segments(segment(300, 1000, 1.034, sd=0.01)), row, grid())) == 1


def test_less_than_the_rest_of_a_doubled_genome_is_a_loss() -> None:
    row = fraction("detected", 0.5, 4.0)
    three, four = (float(ratio_of(c, 0.5, 4.0)) for c in (3.0, 4.0))
    rows = segments(segment(0, 300, three, sd=1e-3), segment(300, 1000, four, sd=1e-3))
    (record,) = found(rows, row, grid(0.5, 4.0))
    assert not record.gained
    assert record.copies[0] == pytest.approx(3.0, abs=0.01)


def test_a_significant_deviation_within_half_a_copy_of_the_ploidy_is_no_event() -> None:
    row = fraction("detected", 0.5, 2.3)
    two = float(ratio_of(2.0, 0.5, 2.3))
    assert two < 0.95
    assert found(segments(segment(0, 300, two, sd=1e-3)), row, grid(0.5, 2.3)) == []


def test_no_fragment_at_all_is_left_out_of_seg_and_is_cnvkits_value_in_cns() -> None:
    rows = segments(segment(0, 300, 0.0), segment(300, 1000, 1.0))
    assert export.seg(rows, sample="S1")["loc.start"].tolist() == [301]
    made = export.cns(rows, genes(), unit=10.0)
    assert made["log2"].tolist() == [-20.0, 0.0]
    assert np.isnan(made["ci_lo"][0])


def test_genes_are_named_where_they_overlap() -> None:
    of = genes(gene("A", 0, 100, "neutral"), gene("B", 90, 310, "neutral"))
    regions = pd.DataFrame({"chrom": ["1", "1", "2"], "start": [0, 100, 0], "end": [100, 300, 9]})
    assert export.gene_names(regions, of) == ["A,B", "B", "-"]


def test_names_cannot_break_a_record() -> None:
    row = fraction("not_detected")
    of = genes(gene("A;B=C,D:E\tF G", 400, 600, "gained", pcn=3.0))
    (line,) = lines(vcf(found(segments(), row, grid(), of=of), row))
    assert len(line) == 10
    assert line[2] == "A%3BB%3DC%2CD%3AE%09F_G"


def test_a_sample_without_values_has_a_bigwig_that_can_be_read_and_says_not_known(
    tmp_path: Path,
) -> None:
    joined = export.windows(profile().assign(expected=NAN), fragments=100)
    assert joined.empty
    exports.write_bigwig(tmp_path / "a.bw", joined, lengths={"chr1": 1000})
    read = pybigtools.open(str(tmp_path / "a.bw"))
    ((start, end, value),) = read.records("chr1")
    assert (start, end) == (0, 1)
    assert math.isnan(value)
    assert export.cnr(joined, genes()).empty


class PanicException(BaseException):
    """What the writer's own threads raise on a full disk, in one run of four."""


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(PanicException("Disconnected"), ValueError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_bigwig_whose_writer_panics_is_refused_in_one_line(
    raised: BaseException,
    expected: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def panics(*_: object) -> None:
        raise raised

    monkeypatch.setattr(pybigtools, "open", panics)
    with pytest.raises(expected):
        exports.write_bigwig(
            tmp_path / "a.bw", export.windows(profile(), fragments=100), lengths={"chr1": 1000}
        )
    assert list(tmp_path.iterdir()) == []


# Readers -------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A VCF with a segment from the first base and a gene."""
    row = fraction("detected")
    of = genes(gene("ERBB2", 400, 600, "amplified", copies=20.0, copies_low=18.0, copies_high=22.0,
                    pcn=11.0, pcn_low=10.0, pcn_high=12.0))  # fmt: skip
    path = tmp_path / "a.vcf"
    rows = segments(segment(0, 300, 0.6), segment(300, 1000, 2.0))
    tables.write_text(path, vcf(found(rows, row, grid(), of=of), row))
    return path


def test_htslib_reads_the_regions_back(written: Path) -> None:
    with pysam.VariantFile(str(written)) as handle:
        read = [(r.start + 1, r.stop, r.alts[0], r.samples["S1"]["CN"]) for r in handle]
    assert [(start, end, alt) for start, end, alt, _ in read] == [
        (1, 300, "<DEL>"), (300, 1000, "<DUP>"), (400, 600, "<DUP>"),
    ]  # fmt: skip
    assert read[2][3] == 20.0


def test_bcftools_takes_header_and_records_and_indexes_them(written: Path) -> None:
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not on this machine")
    packed = written.with_suffix(".vcf.gz")
    done = subprocess.run(["bcftools", "view", "-Oz", "-o", str(packed), str(written)],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stderr == ""
    done = subprocess.run(["bcftools", "index", "-t", str(packed)], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stderr == ""
    done = subprocess.run(
        ["bcftools", "query", "-r", "chr1:450-460", "-f", "%POS %INFO/END [%CN %CICN]\n",
         str(packed)], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "400 600 20 18,22"
    assert "##ctcnv_input.segments=sha256:ab12" in written.read_text()
    assert done.stderr == ""


# The command ---------------------------------------------------------------------------------


def run(tmp_path: Path, *more: str) -> int:
    """``ctcnv export`` on tables written here; the exit code."""
    meta = {"sample": "S1", "bins": "b"}
    row = pd.DataFrame([dict.fromkeys(schema.FRACTION.names) | fraction("detected")
                        | {"sample": "S1"}])  # fmt: skip
    for table, frame in (
        (schema.PROFILE, profile()), (schema.SEGMENTS, segments(segment(0, 1000, 1.0))),
        (schema.FRACTION, row), (schema.GRID, grid()), (schema.GENES, genes()),
    ):  # fmt: skip
        tables.write(tmp_path / f"{table.name}.tsv", table, frame, meta=meta)
    given = [word for name in ("profile", "segments", "fraction", "grid", "genes")
             for word in (f"--{name}", str(tmp_path / f"{name}.tsv"))]  # fmt: skip
    config = Path(__file__).parent.parent / "config" / "config.yaml"
    with pytest.raises(SystemExit) as done:
        cli.main(["export", "--quiet", *given, "--config", str(config), *more])
    return int(done.value.code or 0)


def test_only_what_is_asked_for_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(tmp_path, "--sample", "S1", "--output-seg", str(out / "a.seg")) == 0
    assert [path.name for path in out.iterdir()] == ["a.seg"]
    assert (out / "a.seg").read_text().splitlines()[1] == "S1\tchr1\t1\t1000\t5\t0"


def test_nothing_asked_for_and_another_sample_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--sample", "S1") == 2
    assert "nothing to write; give one of --output-seg" in capsys.readouterr().err
    assert run(tmp_path, "--sample", "S2", "--output-seg", str(tmp_path / "a.seg")) == 2
    assert "of sample 'S1', expected 'S2'" in capsys.readouterr().err
    assert not (tmp_path / "a.seg").exists()


def test_the_settings_are_those_of_the_config() -> None:
    assert plasma.SETTINGS["export"].as_dict() == {
        "window_fragments": 100, "false_positive": 0.001,
    }  # fmt: skip
