"""The published trials: rows that agree with themselves, sources, and the forest plot."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import beta

from ctcnv import clinic, plots, schema
from ctcnv.io import tables
from ctcnv.io.trials import read_trials
from ctcnv.plots import cohort


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    return read_trials()


def row(**values: object) -> pd.DataFrame:
    """A table of one trial."""
    known = {"trial": "T", "drug": "d", "evidence": "paper", "source": "s"} | values
    return schema.TRIALS.check(pd.DataFrame([dict.fromkeys(schema.TRIALS.names) | known]))


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # TRIUMPH in tissue and in ctDNA, and 20 of 22 healthy donors of ichorCNA's specificity
        (8, 27, 13.8, 50.2), (7, 25, 12.1, 49.4), (20, 22, 70.8, 98.9),
        # by hand: 1 - 0.025^(1/10), and its mirror
        (0, 10, 0.0, 30.8), (10, 10, 69.2, 100.0),
    ],
)  # fmt: skip
def test_exact_intervals_are_those_of_clopper_and_pearson(
    k: int, n: int, low: float, high: float
) -> None:
    found = clinic.rate(k, n)
    assert (round(100 * found.low, 1), round(100 * found.high, 1)) == (low, high)
    if 0 < k < n:
        assert found.low == pytest.approx(beta.ppf(0.025, k, n - k + 1))
        assert found.high == pytest.approx(beta.ppf(0.975, k + 1, n - k))


def test_a_rate_of_nobody_is_not_known_and_an_impossible_one_is_refused() -> None:
    assert math.isnan(clinic.rate(0, 0).rate)
    assert math.isnan(clinic.rate(0, 0).high)
    with pytest.raises(ValueError, match="3 of 2 patients"):
        clinic.rate(3, 2)


def test_every_row_has_a_source_and_a_number_or_a_note(trials: pd.DataFrame) -> None:
    numbers = trials[["orr", "pfs", "os"]].notna().any(axis="columns")
    assert (numbers | trials["note"].notna()).all()
    assert (trials["source"].str.len() > 5).all()


def test_counts_that_were_derived_say_so(trials: pd.DataFrame) -> None:
    # S1613 published percentages: 8 of 14 and 1 of 11 are arithmetic
    strata = trials[(trials["trial"] == "S1613") & (trials["n"].isin([11, 14]))]
    assert strata["responders"].tolist() == [8, 1]
    assert strata["note"].str.contains("derived").all()


def test_sources_that_disagree_are_both_there(trials: pd.DataFrame) -> None:
    arm = trials[(trials["trial"] == "S1613") & (trials["drug"] == "pertuzumab + trastuzumab")]
    overall = arm[~arm["selection"].str.contains("copies")]
    assert sorted(overall["pfs"]) == [4.4, 4.7]
    assert overall["source"].nunique() == 2


def test_a_row_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    for frame, message in (
        (row(n=27, responders=8, orr=0.35), r"t\.tsv row 1 \(T\): 8 of 27 is not 0\.35"),
        (row(pfs=4.0, pfs_low=5.0, pfs_high=6.0), r"row 1 \(T\): pfs 4 lies outside 5 to 6"),
        (row(orr=0.4, orr_high=0.3), r"row 1 \(T\): orr 0\.4 lies outside nan to 0\.3"),
    ):
        tables.write(path, schema.TRIALS, frame)
        with pytest.raises(ValueError, match=message):
            read_trials(path)


def test_the_interval_of_a_line_is_exact_where_there_are_counts() -> None:
    (line,) = cohort.trial_lines(row(n=25, responders=7, orr=0.28, orr_low=0.1, orr_high=0.6))
    assert (round(line.low, 3), round(line.high, 3)) == (0.121, 0.494)
    assert line.computed
    (line,) = cohort.trial_lines(row(n=25, orr=0.28, orr_low=0.1, orr_high=0.6))
    assert (line.low, line.high, line.computed) == (0.1, 0.6, False)
    (line,) = cohort.trial_lines(row(orr=0.28))
    assert math.isnan(line.n)
    assert math.isnan(line.low)


def test_a_trial_without_a_rate_has_no_line() -> None:
    assert cohort.trial_lines(row(pfs=4.0)) == []


def test_the_forest_plot_says_every_trial_and_is_the_same_again(trials: pd.DataFrame) -> None:
    own = cohort.Line("This cohort", "all patients", 10, 0.3, 0.07, 0.65, own=True)
    drawn = [
        plots.render(cohort.forest([own, *cohort.trial_lines(trials)]), "svg") for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    text = drawn[0].decode()
    assert "This cohort" in text
    for name in trials.loc[trials["orr"].notna(), "trial"]:
        assert str(name) in text


def test_a_forest_of_nothing_is_drawn() -> None:
    assert plots.render(cohort.forest([]), "svg").startswith(b"<?xml")
