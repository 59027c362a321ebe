"""A simulated trial: its law, and whether the statistics give the effect back, and none of none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import ctcnv
from ctcnv import cohort, outcome, schema, trial
from ctcnv.cli import main
from ctcnv.io import clinical, sheet, tables
from tests import plasma

#: Bootstrap intervals are not asked here, and one threshold is as good as three.
QUICK = replace(plasma.SETTINGS["cohort"], resamples=20, thresholds="20")
#: What each measure is where nothing goes with anything.
NO_EFFECT = {"odds ratio": 1.0, "hazard ratio": 1.0, "auc": 0.5}


@cache
def genes() -> pd.DataFrame:
    path = Path(ctcnv.__file__).parent / "data" / "genes.hg38.tsv"
    return tables.read(path, schema.GENE_TABLE).frame


def people(n: int, effect: float, seed: int) -> list[trial.Patient]:
    return trial.patients(n, effect=effect, genes=genes(), rng=np.random.default_rng(seed))


def measured(drawn: list[trial.Patient]) -> pd.DataFrame:
    """The COHORT_PATIENTS table if everything were measured without error."""
    frame = pd.DataFrame({name: [None] * len(drawn) for name in schema.COHORT_PATIENTS.names})
    known = {
        "patient": [p.name for p in drawn], "first_sample": [p.name for p in drawn], "samples": 2,
        "arm": ["TP", "CETIRI"] * (len(drawn) // 2),
        "last_day": [p.day for p in drawn], "erbb2_call": "amplified",
        "erbb2_copies": [p.copies for p in drawn], "follow_up_day": [p.day for p in drawn],
        "follow_up_ratio": [p.fractions[1] / p.fractions[0] for p in drawn],
        "response": [p.response for p in drawn],
        "responder": [p.response in cohort.RESPONDED for p in drawn],
        "pfs_days": [p.pfs[0] for p in drawn], "pfs_event": [p.pfs[1] for p in drawn],
        "os_days": [p.os[0] for p in drawn], "os_event": [p.os[1] for p in drawn],
    }  # fmt: skip
    for name, values in known.items():
        frame[name] = values
    return schema.COHORT_PATIENTS.check(frame)


def found(table: pd.DataFrame, analysis: str, predictor: str, of: str = "response") -> pd.Series:
    chosen = table[(table["analysis"] == analysis) & (table["predictor"] == predictor)
                   & (table["outcome"] == of)]  # fmt: skip
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_many_patients_follow_the_law_that_is_written() -> None:
    drawn = people(4000, 1.0, 5)
    x = np.log2([p.copies / trial.MIDDLE_COPIES for p in drawn])
    response = np.array([p.response in cohort.RESPONDED for p in drawn])
    fit = sm.Logit(response.astype(float), sm.add_constant(x)).fit(disp=0)
    assert fit.params == pytest.approx([trial.LOGIT, trial.LOG_ODDS], abs=0.15)
    fall = np.log([p.fractions[1] / p.fractions[0] for p in drawn])
    assert fall[~response].mean() - fall[response].mean() == pytest.approx(2 * trial.SHIFT, abs=0.1)
    table = outcome.analyse(measured(drawn), settings=QUICK)
    per_doubling = found(table, "hazard", "log2 ERBB2 copies", "pfs")
    # 23 days in which nobody progresses draw the hazards together a little, not apart
    assert np.log(per_doubling["estimate"]) == pytest.approx(trial.LOG_HAZARD, abs=0.06)


def trials(effect: float) -> list[pd.DataFrame]:
    """The statistics of forty trials of thirty patients; the arms are alike in all of them."""
    return [
        outcome.analyse(measured(people(30, effect, seed)), settings=QUICK) for seed in range(40)
    ]


#: Questions that the law of a trial answers.
QUESTIONS = (("roc", "ERBB2 copies", "response"), ("roc", "fall in ctDNA fraction", "response"),
             ("hazard", "log2 ERBB2 copies", "pfs"))  # fmt: skip


def test_trials_of_thirty_show_the_effect() -> None:
    # with 40 trials a power of 0.9 gives at least 31 (99.9 %)
    rows = [[found(table, *question) for question in QUESTIONS] for table in trials(1.0)]
    seen = np.sum([[row["p_value"] < 0.05 for row in trial_] for trial_ in rows], axis=0)
    assert (seen >= [22, 31, 31]).all(), seen
    held = [np.log(row["low"]) <= trial.LOG_HAZARD <= np.log(row["high"]) for *_, row in rows]
    assert sum(held) >= 34  # of 40; 95 % are 38


def test_trials_of_thirty_show_no_effect_where_there_is_none() -> None:
    # 5 % of 40 are two; at most 6 (99.4 %)
    tables_ = trials(0.0)
    for question in QUESTIONS:
        rows = [found(table, *question) for table in tables_]
        assert sum(row["p_value"] < 0.05 for row in rows) <= 6, question
        none = NO_EFFECT[rows[0]["measure"]]
        assert sum(row["low"] <= none <= row["high"] for row in rows) >= 34, question
    # by Holm one trial in twenty has any false finding among all that was asked of it
    assert sum((table["p_adjusted"] < 0.05).any() for table in tables_) <= 6
    every = pd.concat(tables_)
    every = every[every["measure"].isin(NO_EFFECT) & (every["low"].notna() | every["high"].notna())]
    assert {"arm", "log2 ERBB2 copies by arm", "ERBB2 copies 20"} <= set(every["predictor"])
    none = every["measure"].map(NO_EFFECT)
    inside = (every["low"].fillna(0) <= none) & (none <= every["high"].fillna(np.inf))
    for predictor, part in inside.groupby(every["predictor"]):
        assert part.mean() >= 0.85, predictor  # of 40 or more; 95 % is right
    assert 0.92 <= inside.mean() <= 0.985, inside.mean()


def test_the_clinical_table_of_a_trial_passes_the_check_of_the_workflow(
    tmp_path: Path, repo_root: Path
) -> None:
    path = tmp_path / "clinical.tsv"
    drawn = people(12, 1.0, 3)
    sheet.write(path, trial.clinical(drawn), columns=clinical.COLUMNS)
    rows = clinical.read(path, schema=repo_root / "workflow" / "schemas" / "clinical.schema.yaml")
    assert rows["patient"].tolist() == [p.name for p in drawn]
    assert rows["response"].tolist() == [p.response for p in drawn]


def run(*words: object) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 0


def test_the_same_seed_gives_the_same_trial(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("simulate", "--trial", "--seed", 4, "--patients", 2, "--normals", 1, "--atom-bp",
            1_000_000, "--quiet", "--output", tmp_path / name)  # fmt: skip
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 7 + 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--patients", "3"], "--patients means nothing without --trial"),
        (["--trial", "--scale", "20"], "--scale means nothing with --trial"),
        (["--trial", "--patients", "0"], "--patients is 0; give 1 or more"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--seed", "1", "--output", str(tmp_path / "x"), *words])
    assert end.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Path:
    """A trial of five patients with a strong effect, from count tables to the cohort's page."""
    folder = tmp_path_factory.mktemp("trial")
    config = ("--config", repo_root / "config" / "config.yaml", "--quiet")
    run("simulate", "--trial", "--seed", 2, "--patients", 5, "--normals", 6, "--effect", 3,
        "--atom-bp", 500_000, "--fragments", 4_000_000, "--quiet", "--output", folder)  # fmt: skip
    samples = sheet.read(folder / "samples.tsv", look_for_files=False)
    ref = folder / "reference"
    run("bins", *config, "--gc-wig", folder / "gc.wig", "--output", ref / "bins.tsv.gz",
        "--output-genes", ref / "genes.tsv")  # fmt: skip
    for name, row in samples.iterrows():
        run("import", "--quiet", "--sample", name, "--table", folder / row["counts"], "--bins",
            ref / "bins.tsv.gz", "--output", folder / f"{name}.counts.tsv.gz")  # fmt: skip
    donors = samples[samples["role"] == "normal"]["sample"]
    panel = {name: ref / f"pon{end}" for name, end in (
        ("pon", ".tsv.gz"), ("dispersion", ".dispersion.tsv"), ("donors", ".donors.tsv"),
        ("genes", ".genes.tsv"), ("normals", ".normals.tsv.gz"), ("waves", ".waves.tsv.gz"))
    }  # fmt: skip
    run("pon", *config, "--counts", *(folder / f"{name}.counts.tsv.gz" for name in donors),
        "--bins", ref / "bins.tsv.gz", "--genes", ref / "genes.tsv", "--output", panel["pon"],
        *(word for name in list(panel)[1:]
          for word in (f"--output-{name}", panel[name])))  # fmt: skip
    plasma_of = samples[samples["role"] == "plasma"]
    parts = {"profile": "tsv.gz", "segments": "tsv", "fraction": "tsv", "grid": "tsv.gz",
             "solutions": "tsv", "genes": "tsv", "qc": "tsv"}  # fmt: skip

    def of(name: str, part: str) -> Path:
        return folder / f"{name}.{part}.{parts[part]}"

    for name, row in plasma_of.iterrows():
        run("call", *config, "--sample", name, "--patient", row["patient"], "--day", row["day"],
            "--counts", folder / f"{name}.counts.tsv.gz", "--bins", ref / "bins.tsv.gz",
            "--genes", ref / "genes.tsv", "--pon", panel["pon"], "--waves", panel["waves"],
            "--dispersion", panel["dispersion"], "--normals", panel["normals"],
            "--pon-genes", panel["genes"],
            *(word for part in parts for word in (f"--output-{part}", of(name, part))))  # fmt: skip
    for patient, rows in plasma_of.groupby("patient"):
        names = rows["sample"].tolist()
        run("track", *config, "--patient", patient, "--samples", *names, "--days", *rows["day"],
            *(word for part in ("fraction", "grid", "profile", "segments", "genes")
              for word in (f"--{part}", *(of(name, part) for name in names))),
            "--dispersion", panel["dispersion"], "--normals", panel["normals"],
            "--output", folder / f"{patient}.track.tsv")  # fmt: skip
    run("qc", *config, "--samples", folder / "samples.tsv", "--bins", ref / "bins.tsv.gz",
        "--plasma", *(of(name, "qc") for name in plasma_of["sample"]), "--donors", panel["donors"],
        "--output", folder / "qc.tsv")  # fmt: skip
    run("cohort", *config, "--tracks", *sorted(folder.glob("*.track.tsv")), "--genes",
        *(of(name, "genes") for name in plasma_of["sample"]), "--qc", folder / "qc.tsv",
        "--clinical", folder / "clinical.tsv", "--output", folder / "cohort.html",
        *(word for name in ("samples", "patients", "genes", "statistics")
          for word in (f"--output-{name}", folder / f"cohort.{name}.tsv")))  # fmt: skip
    return folder


@pytest.mark.slow
def test_a_trial_runs_through_every_step_and_copies_and_change_come_out(ran: Path) -> None:
    truth = tables.read(ran / "truth.trial.tsv", schema.TRUTH_TRIAL).frame
    people = tables.read(ran / "cohort.patients.tsv", schema.COHORT_PATIENTS).frame
    both = people.merge(truth, on="patient", suffixes=("", "_true"))
    assert len(both) == 5
    assert both["responder"].tolist() == both["responder_true"].tolist()
    seen = both[both["status"] == "detected"]
    assert len(seen) == 5
    assert np.log2(seen["fraction"] / seen["baseline_true"]).abs().max() < 0.5
    compared = seen[seen["follow_up_fraction_ratio"].notna()]
    assert len(compared) >= 4
    inside = compared["ratio"].between(compared["follow_up_fraction_ratio_low"],
                                       compared["follow_up_fraction_ratio_high"])  # fmt: skip
    assert inside.sum() >= len(compared) - 1
    order = both[["copies", "erbb2_copies"]].rank()
    assert (order["copies"] - order["erbb2_copies"]).abs().max() <= 1


@pytest.mark.slow
def test_the_statistics_of_a_trial_that_ran_are_those_of_its_outcomes(ran: Path) -> None:
    truth = tables.read(ran / "truth.trial.tsv", schema.TRUTH_TRIAL).frame
    table = tables.read(ran / "cohort.statistics.tsv", schema.STATISTICS).frame
    rate = table[(table["analysis"] == "response rate") & table["predictor"].isna()].iloc[0]
    assert (rate["n"], rate["events"]) == (5, truth["responder"].sum())
    assert "Response (CR or PR)" in (ran / "cohort.html").read_text()
