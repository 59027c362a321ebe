"""The JSON summary of a patient: what it says, and that it is what its schema promises."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from ctcnv import cli, schema
from ctcnv.report import Sample, Sheet, summary, view
from tests import fakes

CASES = fakes.cases(atom_bp=5_000_000)
SCHEMA = summary.json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def tables_of(fake: fakes.FakePatient) -> tuple[Sheet, list[Sample]]:
    samples = [
        Sample(sample.name, **{name: Sheet(*table) for name, table in sample.tables.items()})
        for sample in fake.samples
    ]
    return Sheet(*fake.track), samples


def made(name: str) -> dict[str, Any]:
    fake = CASES[name]
    return summary.patient_summary(fake.name, *tables_of(fake))


def test_the_schema_file_is_what_the_code_says(repo_root: Path) -> None:
    path = repo_root / "workflow" / "schemas" / "summary.schema.json"
    assert path.read_text() == summary.text(SCHEMA), "out of date: run make docs"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", CASES)
def test_every_patient_fits_the_schema_also_after_writing(name: str) -> None:
    VALIDATOR.validate(json.loads(summary.text(made(name))))


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_that_of_the_report(name: str) -> None:
    track, samples = tables_of(CASES[name])
    timeline = view.points(track, samples)
    answer = made(name)["answer"]
    assert answer["first"]["sample"] == view.lead(timeline).track["sample"]
    point, why = view.target(timeline, track)
    if point is None:
        assert answer["follow_up"] is None
        assert answer["no_follow_up"] == why
    else:
        assert answer["follow_up"]["sample"] == point.track["sample"]
        assert answer["follow_up"]["change"] == point.track["change"]
        assert answer["no_follow_up"] is None


def test_both_kinds_of_answer_occur_in_the_cases() -> None:
    kinds = {made(name)["answer"]["follow_up"] is None for name in CASES}
    assert kinds == {True, False}


@pytest.mark.parametrize("name", CASES)
def test_every_value_of_the_tables_is_there_and_unknown_is_null(name: str) -> None:
    _, samples = tables_of(CASES[name])
    by_name = {sample.name: sample for sample in samples}
    found = made(name)["samples"]
    assert [s["day"] for s in found] == sorted(s["day"] for s in found)
    for one in found:
        genes = by_name[one["sample"]].genes.frame
        assert [g["gene"] for g in one["genes"]] == genes["gene"].tolist()
        for gene, (_, row) in zip(one["genes"], genes.iterrows(), strict=True):
            for column in schema.GENES.columns:
                value = row[column.name]
                unknown = bool(pd.isna(value))
                assert (gene[column.name] is None) == unknown, column.name
                if not unknown and column.kind == "float":
                    assert gene[column.name] == pytest.approx(value, rel=1e-6)


def test_an_unknown_number_is_null_and_not_zero() -> None:
    track, samples = tables_of(next(iter(CASES.values())))
    frame = track.frame.copy()
    frame["fraction"] = float("nan")
    found = summary.patient_summary("P", Sheet(schema.TRACK.check(frame), track.meta), samples)
    assert found["answer"]["first"]["fraction"] is None
    assert '"fraction": null' in summary.text(found)
    assert "NaN" not in summary.text(found)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.pop("answer"),
        lambda s: s.update(extra=1),
        lambda s: s["answer"]["first"].update(erbb2_call="positive"),
        lambda s: s["samples"][0]["fraction"].update(fraction="0.1"),
        lambda s: s["samples"][0]["genes"][0].pop("copies"),
        lambda s: s.update(format="ctcnv.summary/1"),
        lambda s: s["samples"].clear(),
        lambda s: s.update(patient="../P01"),
    ],
)
def test_the_schema_refuses_what_it_does_not_promise(spoil: Any) -> None:
    found = copy.deepcopy(made(next(iter(CASES))))
    VALIDATOR.validate(found)
    spoil(found)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(found)


def test_the_command_writes_it_and_the_same_bytes_again(tmp_path: Path) -> None:
    fake = next(iter(CASES.values()))
    paths = fakes.write(fake, tmp_path)
    words = ["report", "--quiet", "--patient", fake.name, "--track", str(paths["track"][0]),
             "--samples", *[sample.name for sample in fake.samples]]  # fmt: skip
    for table in view.SAMPLE_TABLES:
        words += [f"--{table}", *map(str, paths[table])]
    read = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.json"
        with pytest.raises(SystemExit) as left:
            cli.main([*words, "--output", str(tmp_path / "r.html"), "--output-summary", str(out)])
        assert left.value.code == 0
        read.append(out.read_bytes())
    assert read[0] == read[1]
    VALIDATOR.validate(json.loads(read[0]))
