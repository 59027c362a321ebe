"""The cohort: tidy tables, the clinical table, and what is concluded from them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctcnv import cohort, outcome, schema
from ctcnv.io import clinical
from ctcnv.report import Sample, Sheet, view
from ctcnv.report.words import number
from tests import fakes, plasma

CASES = fakes.cases(atom_bp=5_000_000)
SETTINGS = plasma.SETTINGS["cohort"]
TRACKS = {fake.name: fake.track[0] for fake in CASES.values()}
GENES = {s.name: s.tables["genes"][0] for fake in CASES.values() for s in fake.samples}
QC = pd.concat([s.tables["qc"][0] for f in CASES.values() for s in f.samples], ignore_index=True)


def patients(given: pd.DataFrame | None = None) -> pd.DataFrame:
    return cohort.patients(TRACKS, given, target_day=21, window_days=7)


def made(n: int = 40, seed: int = 1, **columns: object) -> pd.DataFrame:
    """Patients of two arms whose copies matter in the second; columns replace what is drawn."""
    rng = np.random.default_rng(seed)
    copies = np.exp(rng.normal(2.5, 0.8, n))
    arm = np.where(np.arange(n) % 2, "B", "A")
    time = rng.exponential(100 * np.where(arm == "B", copies / 12, 1))
    frame = pd.DataFrame({name: [None] * n for name in schema.COHORT_PATIENTS.names})
    names = [f"P{i:02d}" for i in range(n)]
    drawn = {
        "patient": names, "first_sample": names, "samples": 2, "last_day": 21,
        "erbb2_copies": copies, "erbb2_call": np.where(copies >= 6, "amplified", "neutral"),
        "arm": arm, "pfs_days": np.minimum(time, 200).round() + 1, "pfs_event": time < 200,
        "response": np.where(rng.random(n) < copies / 40, "PR", "SD"), "follow_up_day": 21,
    }  # fmt: skip
    for name, values in (drawn | columns).items():
        frame[name] = values
    frame["responder"] = frame["response"].map(
        lambda value: None if value is None else value in cohort.RESPONDED
    )
    return schema.COHORT_PATIENTS.check(frame)


def rows(table: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    for name, value in wanted.items():
        table = table[table[name].isna() if value is None else table[name] == value]
    return table


# Tidy tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_cohort_looks_at_the_samples_that_the_report_looks_at(name: str) -> None:
    fake = CASES[name]
    samples = [
        Sample(s.name, **{table: Sheet(*sheet) for table, sheet in s.tables.items()})
        for s in fake.samples
    ]
    timeline = view.points(Sheet(*fake.track), samples)
    settings = view.settings([Sheet(*fake.track)])["track"]
    row = cohort.patients(
        {fake.name: fake.track[0]}, None, target_day=number(settings["target_day"]),
        window_days=number(settings["window_days"]),
    ).iloc[0]  # fmt: skip
    assert row["first_sample"] == view.lead(timeline).track["sample"]
    point, _ = view.target(timeline, Sheet(*fake.track))
    assert row["follow_up_sample"] == (None if point is None else point.track["sample"])
    if point is not None:
        assert row["follow_up_change"] == point.track["change"]


@pytest.mark.parametrize(
    ("days", "baseline", "first", "later"),
    [
        ([0, 21, 42], 0, 0, 1),
        ([0, 14, 28], 0, 0, 1),  # both a week away: the earlier one
        ([0, 13, 29], 0, 0, None),  # eight days away
        ([0, 28], 0, 0, 1),
        ([0], 0, 0, None),
        ([-14, 0, 21], 1, 1, 2),
        ([-400, 0, 15], 1, 1, 2),  # never a sample before the baseline
        ([14, 21], None, 0, 1),  # no baseline: the first sample stands in
    ],
)
def test_the_follow_up_is_the_sample_nearest_to_the_day(
    days: list[int], baseline: int | None, first: int, later: int | None
) -> None:
    track = pd.DataFrame({"day": days, "baseline": [i == baseline for i in range(len(days))]})
    assert cohort.first_sample(track) == first
    found = cohort.follow_up(track, target_day=21, window_days=7)
    assert found == later


def test_there_is_a_row_per_sample_and_per_patient_and_gene() -> None:
    table = cohort.samples(TRACKS, QC)
    assert sorted(table["sample"]) == sorted(QC["sample"])
    assert table["qc_status"].notna().all()
    people = patients()
    genes = cohort.genes(people, GENES)
    assert len(genes) == sum(len(GENES[s]) for s in people["first_sample"])
    assert set(genes["sample"]) == set(people["first_sample"])


def test_an_unknown_number_stays_unknown() -> None:
    people = patients()
    for _, row in people.iterrows():
        track = TRACKS[row["patient"]]
        value = track.loc[track["sample"] == row["first_sample"], "erbb2_copies"].iloc[0]
        assert (math.isnan(row["erbb2_copies"]) and math.isnan(value)) or (
            row["erbb2_copies"] == pytest.approx(value)
        )
    assert people["responder"].isna().all()


def test_the_clinical_table_joins_by_patient_and_ne_is_no_response() -> None:
    first, second, *_ = sorted(TRACKS)
    given = pd.DataFrame([
        {"patient": first, "response": "PR", "pfs_days": 80, "pfs_event": True},
        {"patient": second, "response": "NE"},
        {"patient": "nobody", "response": "CR"},
    ]).reindex(columns=list(clinical.COLUMNS))  # fmt: skip
    people = patients(given.astype(object).where(given.notna(), None)).set_index("patient")
    assert people.loc[first, "responder"] is True or people.loc[first, "responder"] == 1
    assert people.loc[second, "responder"] == 0
    assert people.loc[first, "pfs_days"] == 80
    assert people["responder"].notna().sum() == 2
    assert "nobody" not in people.index


# The clinical table --------------------------------------------------------------------------


@pytest.fixture
def row_schema(repo_root: Path) -> Path:
    return repo_root / "workflow" / "schemas" / "clinical.schema.yaml"


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "c.tsv"
    header = "patient\tarm\tstratum\tresponse\tpfs_days\tpfs_event\tos_days\tos_event"
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def test_a_clinical_table_is_read_with_names_as_text(tmp_path: Path, row_schema: Path) -> None:
    path = written(tmp_path, "001\tTP\tNA\tPR\t80.5\t1\t\t", "002\t\t\t\t\t\t300\t0")
    table = clinical.read(path, schema=row_schema)
    assert table["patient"].tolist() == ["001", "002"]
    assert table.loc[0, "stratum"] == "NA"
    assert table.loc[0, "pfs_days"] == 80.5
    assert table["pfs_event"].tolist() == [True, None]
    assert table["os_event"].tolist() == [None, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("P1\t\t\tremission", r"row 1 \(patient P1\): response is 'remission'; write the best"),
        ("P1\t\t\t\t-3\t1", r"row 1 \(patient P1\): pfs_days is -3; write days from the first"),
        ("P1\t\t\t\tlong\t1", r"row 1 \(patient P1\): pfs_days is 'long'; write days"),
        ("P1\t\t\t\t30\tyes", r"row 1 \(patient P1\): pfs_event is 'yes'; write 1"),
        ("P1\t\t\t\t30", r"row 1 \(patient P1\): pfs_days and pfs_event go together"),
        ("P1\t\t\t\t\t\t\t1", r"row 1 \(patient P1\): os_days and os_event go together"),
        (
            "P1\t\t\t\t30\t1\t20\t1",
            r"row 1 \(patient P1\): os_days is 20, less than pfs_days 30; a",
        ),
        ("P 1", r"row 1 \(patient P 1\): patient is 'P 1'; use letters"),
        ("P1\nP1", r"row 2 \(patient P1\): patient 'P1' is there twice, first in row 1"),
        ("\tTP", r"row 1: patient is missing"),
    ],
)
def test_a_wrong_row_is_named_with_its_remedy(
    tmp_path: Path, row_schema: Path, line: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        clinical.read(written(tmp_path, line), schema=row_schema)


@pytest.mark.parametrize("line", ["P1\t\t\t\t30\tyes", "P1\t\t\t\t0\t1", "P1\t\t\t\tnan\t1"])
def test_times_and_events_are_checked_without_the_schema_too(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"row 1 \(patient P1\): pfs_(event|days) is .+; write"):
        clinical.read(written(tmp_path, line))


# Statistics ----------------------------------------------------------------------------------


def test_without_outcomes_there_is_no_statistic() -> None:
    assert outcome.analyse(patients(), settings=SETTINGS).empty


def test_the_strata_of_s1613_are_its_published_rates() -> None:
    """8 of 14 patients with 20 copies or more responded, and 1 of 11 with fewer."""
    people = made(
        25, erbb2_copies=[30.0] * 14 + [10.0] * 11,
        response=["PR"] * 8 + ["SD"] * 6 + ["PR"] + ["SD"] * 10, arm="TP", pfs_days=None,
        pfs_event=None,
    )  # fmt: skip
    found = outcome.analyse(people, settings=SETTINGS)
    shares = rows(found, analysis="response rate", predictor="ERBB2 copies 20")
    assert dict(zip(shares["level"], shares["estimate"].round(3), strict=True)) == {
        ">= 20": 0.571, "< 20": 0.091,
    }  # fmt: skip
    (test,) = rows(found, analysis="response by group", predictor="ERBB2 copies 20").itertuples()
    # Fisher: of the 25 patients with 9 responders
    expected = sum(
        math.comb(14, k) * math.comb(11, 9 - k) for k in range(10)
        if k <= 14 and math.comb(14, k) * math.comb(11, 9 - k) <= math.comb(14, 8) * 11
    ) / math.comb(25, 9)  # fmt: skip
    assert test.p_value == pytest.approx(expected)
    assert set(found["outcome"]) == {"response"}


def test_patients_with_unknown_copies_are_left_out_and_counted() -> None:
    people = made()
    people.loc[:4, "erbb2_copies"] = np.nan
    found = outcome.analyse(people, settings=SETTINGS)
    (row,) = rows(
        found, analysis="hazard", outcome="pfs", predictor="log2 ERBB2 copies"
    ).itertuples()
    assert (row.n, row.missing) == (35, 5)
    assert rows(found, analysis="response rate", predictor=None)["n"].tolist() == [40]


def test_survival_after_day_21_is_counted_from_day_21() -> None:
    change = ["decrease", "stable"] * 20
    people = made(follow_up_change=change, follow_up_ratio=0.5)
    early = people["pfs_days"] <= 21
    assert early.sum() >= 2, "the case needs early events"
    found = outcome.analyse(people, settings=SETTINGS)
    test = rows(found, analysis="survival by group", outcome="pfs",
                predictor="change in ctDNA fraction")  # fmt: skip
    assert test["n"].tolist() == [int((~early).sum())]
    assert outcome.LANDMARK in test["note"].iloc[0]
    group = next(g for g in outcome.groups(people, settings=SETTINGS)
                 if g.name == "change in ctDNA fraction")  # fmt: skip
    time, _, given = outcome.at_risk(people, "pfs", group)
    assert time[given].tolist() == (people["pfs_days"][~early] - 21).tolist()


def test_the_interaction_with_the_arm_is_asked_with_two_arms_only() -> None:
    found = outcome.analyse(made(120), settings=SETTINGS)
    asked = rows(found, predictor="log2 ERBB2 copies by arm", outcome="pfs")
    assert asked["level"].tolist() == ["per doubling, in A", "interaction with B"]
    # in truth copies help in arm B: hazard ratio per doubling 1 in A, 0.5 in B
    a, b = asked["estimate"]
    assert 0.6 < a < 1.7
    assert 0.3 < b < 0.8
    one = outcome.analyse(made(40, arm="A"), settings=SETTINGS)
    assert not one["predictor"].fillna("").str.endswith("by arm").any()


def test_every_p_value_is_corrected_for_all_of_them() -> None:
    found = outcome.analyse(made(), settings=SETTINGS)
    known = found["p_value"].notna()
    assert (found["p_adjusted"].notna() == known).all()
    assert (found.loc[known, "p_adjusted"] >= found.loc[known, "p_value"]).all()
    smallest = found.loc[found["p_value"].idxmin()]
    assert smallest["p_adjusted"] == pytest.approx(min(1, smallest["p_value"] * known.sum()))


def test_what_is_analysed_does_not_depend_on_what_comes_out() -> None:
    keys = ["analysis", "outcome", "predictor", "level"]
    tables = [outcome.analyse(made(60, seed), settings=SETTINGS)[keys] for seed in (1, 2)]
    assert tables[0].equals(tables[1])


def test_the_same_cohort_gives_the_same_numbers_in_any_order_of_patients() -> None:
    people = made()
    first = outcome.analyse(people, settings=SETTINGS)
    turned = schema.COHORT_PATIENTS.check(people.iloc[::-1])
    second = outcome.analyse(turned, settings=SETTINGS)
    exact = first["analysis"] != "roc"
    pd.testing.assert_frame_equal(first[exact], second[exact], rtol=1e-6)
    assert first["estimate"].equals(outcome.analyse(people, settings=SETTINGS)["estimate"])


def test_a_tiny_cohort_has_reasons_instead_of_numbers() -> None:
    found = outcome.analyse(made(2), settings=SETTINGS)
    unknown = found["estimate"].isna() & found["p_value"].isna()
    assert unknown.any()
    assert found.loc[unknown, "note"].notna().all()


def test_a_lost_gene_does_not_rule_the_model() -> None:
    people = made(erbb2_copies=[0.001, *np.full(19, 4.0), *np.full(20, 8.0)])
    (row,) = rows(outcome.analyse(people, settings=SETTINGS), analysis="hazard", outcome="pfs",
                  predictor="log2 ERBB2 copies").itertuples()  # fmt: skip
    counted = made(erbb2_copies=[1.0, *np.full(19, 4.0), *np.full(20, 8.0)])
    (same,) = rows(outcome.analyse(counted, settings=SETTINGS), analysis="hazard", outcome="pfs",
                   predictor="log2 ERBB2 copies").itertuples()  # fmt: skip
    assert row.estimate == same.estimate
