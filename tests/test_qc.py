"""The quality row: numbers by hand, each flag, and the table of a cohort."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ctcnv import qc
from ctcnv.cli import main
from ctcnv.io import sheet, tables
from ctcnv.model import QcSettings
from ctcnv.schema import DONORS, FRACTION, GENES, LENGTHS, QC, READS, TRACK

SETTINGS = QcSettings(
    min_fragments_per_mb=600,
    max_duplicates=0.3,
    max_median_length=200,
    max_noise=2.0,
    max_panel_noise=2.0,
)
FLAGS = [
    "--qc-min-fragments-per-mb", "600", "--qc-max-duplicates", "0.3",
    "--qc-max-median-length", "200", "--qc-max-noise", "2.0",
    "--qc-max-panel-noise", "2.0",
]  # fmt: skip


def one(**known: object) -> pd.Series:
    """The row of a sample of which only this is known."""
    values = {"sample": "S", "role": "plasma", "patient": "P", "day": 0, "settings": SETTINGS}
    return qc.row(**{**values, **known}).iloc[0]  # type: ignore[arg-type]


def reads(**counts: int) -> pd.DataFrame:
    return pd.DataFrame({"filter": list(counts), "reads": list(counts.values())})


def lengths(**counts: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"length": [int(name[1:]) for name in counts], "fragments": list(counts.values())}
    )


def fraction(status: str, reason: str | None = None) -> pd.DataFrame:
    row = dict.fromkeys(FRACTION.names) | {"sample": "S", "status": status, "reason": reason}
    row["fraction"] = 0.1 if status == "detected" else None
    return FRACTION.check(pd.DataFrame([row]))


def genes(call: str) -> pd.DataFrame:
    row = dict.fromkeys(GENES.names) | {
        "gene": "ERBB2", "chrom": "17", "start": 0, "end": 1, "n_bins": 0, "call": call,
    }  # fmt: skip
    return GENES.check(pd.DataFrame([row]))


def test_what_is_not_known_is_empty_and_raises_no_flag() -> None:
    row = one()
    assert row["status"] == "ok"
    assert pd.isna(row["reason"])
    assert pd.isna(row["depth"])


def test_numbers_by_hand() -> None:
    row = one(
        fragments=1000,
        usable_bp=1_000_000,
        reads=reads(duplicate=10, used=70, mate=20),
        lengths=lengths(n100=25, n160=50, n200=25),
    )
    assert row["reads"] == 100
    assert row["duplicates"] == pytest.approx(0.1)
    assert row["median_length"] == 160
    assert row["depth"] == pytest.approx(1000 * 155 / 1_000_000)
    assert row["status"] == "ok"


def test_short_share_by_hand_includes_both_ends() -> None:
    table = lengths(n89=1, n90=2, n150=3, n151=4)
    assert qc.length_share(table, low=90, high=150) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"fragments": 599, "usable_bp": 1_000_000}, "few fragments: 599 per Mb, wanted 600"),
        ({"reads": reads(duplicate=31, used=69)}, "duplicates high: 31%"),
        ({"lengths": lengths(n201=10)}, "fragments long: median 201 bp"),
        ({"noise": 2.04}, "noise high: 2.0 times counting noise"),
        (
            {"panel_noise": 2.44},
            "far from the panel: regions vary 2.4 times as much as in its normals",
        ),
        ({"sex": "male", "declared_sex": "female"}, "sex mismatch: male by X and Y, female"),
        ({"genes": genes("failed")}, "ERBB2 not evaluable"),
        ({"warnings": ["left out of the panel"]}, "left out of the panel"),
    ],
)
def test_each_flag_has_its_words(known: dict[str, object], reason: str) -> None:
    row = one(**known)
    assert row["status"] == "warn"
    assert reason in row["reason"]


@pytest.mark.parametrize(
    "known",
    [
        {"fragments": 600, "usable_bp": 1_000_000},
        {"reads": reads(duplicate=30, used=70)},
        {"lengths": lengths(n200=10)},
        {"noise": 2.0},
        {"sex": "male", "declared_sex": "male"},
        {"sex": None, "declared_sex": "male"},
        {"genes": genes("indeterminate")},
    ],
)
def test_a_value_at_its_limit_is_no_flag(known: dict[str, object]) -> None:
    assert one(**known)["status"] == "ok"


def test_a_failed_fraction_fails_the_sample_with_its_reason() -> None:
    row = one(fraction=fraction("failed", "too few fragments"), noise=9.0)
    assert row["status"] == "failed"
    assert row["reason"].startswith("too few fragments; noise high")


def test_results_stand_in_the_row() -> None:
    row = one(fraction=fraction("detected"), genes=genes("amplified"))
    assert row["fraction"] == pytest.approx(0.1)
    assert row["fraction_status"] == "detected"
    assert row["erbb2_call"] == "amplified"


def test_samples_of_a_patient_that_differ_in_sex_are_flagged() -> None:
    def row(sample: str, patient: str, sex: str) -> pd.DataFrame:
        return qc.row(sample=sample, role="plasma", patient=patient, settings=SETTINGS, sex=sex)

    table = qc.join([row("A1", "A", "female"), row("A2", "A", "male"), row("B1", "B", "male")])
    assert table["status"].tolist() == ["warn", "warn", "ok"]
    assert table["reason"].iloc[0] == "sex differs between samples of A: A1 female, A2 male"


def test_usable_bp_are_autosomal_bases_with_an_expectation() -> None:
    profile = pd.DataFrame(
        {"chrom": ["chr1", "chr1", "chrX"], "start": [0, 10, 0], "end": [10, 30, 40],
         "expected": [1.0, None, 1.0]}
    )  # fmt: skip
    assert qc.usable_bp(profile) == 10


# The step ------------------------------------------------------------------------------------


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sheet of one plasma sample and two normals, with their tables."""
    monkeypatch.chdir(tmp_path)
    sheet.write(
        Path("samples.tsv"),
        [
            {"sample": "S", "patient": "P", "role": "plasma", "day": 0, "bam": "x"},
            {"sample": "N1", "role": "normal", "bam": "x", "sex": "male"},
            {"sample": "N2", "role": "normal", "counts": "x"},
        ],
    )
    tables.write(
        Path("S.qc.tsv"), QC,
        qc.row(sample="S", role="plasma", patient="P", day=0, settings=SETTINGS),
        meta={"sample": "S"},
    )  # fmt: skip
    counted = {
        "sample": "N1",
        "settings.count": {
            "min_length": 50, "max_length": 700, "short_min": 90, "short_max": 150,
        },
    }  # fmt: skip
    tables.write(Path("reads.tsv"), READS, reads(duplicate=1, used=3), meta=counted)
    tables.write(Path("lengths.tsv"), LENGTHS, lengths(n40=8, n100=1, n160=3, n900=9), meta=counted)
    donors = pd.DataFrame(
        {"sample": ["N1", "N2"], "used": [True, False], "reason": [None, "noisy"],
         "fragments": [5000, 7000], "sex": ["female", None], "noise": [0.01, 0.05],
         "fraction": [None, None], "p_value": [None, None]}
    )  # fmt: skip
    tables.write(Path("donors.tsv"), DONORS, donors)
    return tmp_path


def run_qc(*more: str) -> pd.DataFrame:
    with pytest.raises(SystemExit) as left:
        main(["qc", "--samples", "samples.tsv", *more, *FLAGS, "--output", "qc.tsv"])
    assert left.value.code == 0
    return tables.read(Path("qc.tsv"), QC).frame.set_index("sample")


@pytest.mark.usefixtures("cohort")
def test_the_table_has_a_row_per_sample_in_the_order_of_the_sheet() -> None:
    table = run_qc(
        "--plasma", "S.qc.tsv", "--normals-reads", "reads.tsv",
        "--normals-lengths", "lengths.tsv", "--donors", "donors.tsv",
    )  # fmt: skip
    assert list(table.index) == ["S", "N1", "N2"]
    assert table["status"].tolist() == ["ok", "warn", "warn"]
    assert table.loc["N1", "duplicates"] == pytest.approx(0.25)
    assert table.loc["N1", "short_share"] == pytest.approx(0.25)
    assert "sex mismatch" in table.loc["N1", "reason"]
    assert "left out of the panel: noisy" in table.loc["N2", "reason"]


@pytest.mark.usefixtures("cohort")
def test_a_normal_with_a_tumor_profile_that_stays_in_the_panel_is_flagged(cohort: Path) -> None:
    stored = tables.read(Path("donors.tsv"), DONORS).frame
    said = "kept although it does not fit: looks like tumor (fraction 0.200, p 1e-05)"
    stored.loc[1, ["used", "reason"]] = [True, said]
    tables.write(Path("donors.tsv"), DONORS, stored)
    row = run_qc("--donors", "donors.tsv").loc["N2"]
    assert row["status"] == "warn"
    assert f"in the panel, {said}" in row["reason"]


@pytest.mark.usefixtures("cohort")
def test_a_sample_without_results_is_failed_and_says_so() -> None:
    table = run_qc()
    assert set(table["status"]) == {"failed"}
    assert table.loc["S", "reason"] == "no results for this sample; see its log"


def test_a_flag_more_keeps_the_reason_and_makes_ok_a_warning() -> None:
    table = QC.check(pd.DataFrame([
        dict.fromkeys(QC.names)
        | {"sample": name, "role": "plasma", "status": status, "reason": reason}
        for name, status, reason in (("A", "ok", None), ("B", "failed", "empty"), ("C", "ok", None))
    ]))  # fmt: skip
    found = qc.flag(table, {"A": "identity: another", "B": "identity: another"})
    assert found["status"].tolist() == ["warn", "failed", "ok"]
    assert found["reason"].tolist() == ["identity: another", "empty; identity: another", None]
    assert table["status"].tolist() == ["ok", "failed", "ok"]


@pytest.mark.usefixtures("cohort")
def test_a_sample_of_another_person_in_a_track_is_a_warning_with_its_reason() -> None:
    empty = dict.fromkeys(TRACK.names)
    for column in TRACK.columns:
        if not column.nullable:
            value = (
                column.choices[0]
                if column.choices
                else {"text": "x", "bool": False}.get(column.kind, 0)
            )
            empty[column.name] = value
    row = empty | {
        "sample": "S", "identity": "different",
        "reason": "half of baseline; identity: not the person of the baseline (male)",
    }  # fmt: skip
    tables.write(Path("track.tsv"), TRACK, pd.DataFrame([row]), meta={"patient": "P"})
    given = ("--plasma", "S.qc.tsv")
    assert run_qc(*given).loc["S", "status"] == "ok"
    table = run_qc(*given, "--tracks", "track.tsv")
    assert table.loc["S", "status"] == "warn"
    assert table.loc["S", "reason"] == "identity: not the person of the baseline (male)"
    tables.write(Path("track.tsv"), TRACK, pd.DataFrame([row | {"identity": "same"}]),
                 meta={"patient": "P"})  # fmt: skip
    assert run_qc(*given, "--tracks", "track.tsv").loc["S", "status"] == "ok"
