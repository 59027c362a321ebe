"""Criteria, alterations and strata from files to the patient's report."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ctcnv import cli, schema
from ctcnv.io import tables
from ctcnv.report import criteria as judged
from tests import fakes
from tests.facts import mutation_row

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "config" / "criteria.yaml"
FAKE = fakes.cases(atom_bp=500_000)["responder"]
NAMES = [sample.name for sample in FAKE.samples]
ONE = [
    "--criteria-certainty", "0.95", "--criteria-min-fraction", "0.1",
    "--criteria-clonal-ccf", "0.5", "--criteria-absence-fraction", "0.01",
    "--criteria-assayed-genes", "none",
]  # fmt: skip


def prepared(folder: Path) -> dict[str, list[Path]]:
    """The tables of the fake patient with posterior and mutations, as files."""
    paths = fakes.write(FAKE, folder)
    for sample in FAKE.samples:
        meta = {"sample": sample.name, "bins": "0123456789abcdef"}
        fraction = sample.tables["fraction"][0]["fraction"].iloc[0]
        grid = pd.DataFrame([(fraction, 2.1, 1.0)], columns=schema.GRID.names)
        rows = [mutation_row("KRAS", alt="<b>T</b>"), mutation_row("TP53", ccf=0.4, ccf_low=0.3,
                                                                  ccf_high=0.5)]  # fmt: skip
        mutations = schema.MUTATIONS.check(pd.DataFrame(rows, columns=schema.MUTATIONS.names))
        for name, frame in (("grid", grid), ("mutations", mutations)):
            path = folder / sample.name / f"{name}.tsv"
            tables.write(path, schema.TABLES[name], frame, meta=meta)
            paths.setdefault(name, []).append(path)
    return paths


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main([*map(str, words), "--quiet"])
    return int(left.value.code or 0)


def judge(folder: Path, paths: dict[str, list[Path]], **changes: object) -> int:
    """``ctcnv criteria`` on the files; changes replace options."""
    given: dict[str, object] = {"rules": RULES, "track": paths["track"][0], "samples": NAMES}
    given |= {name: paths[name] for name in ("fraction", "grid", "genes", "mutations")}
    given |= changes
    words: list[object] = ["criteria", "--patient", "P01", *ONE]
    for name, value in given.items():
        words += [f"--{name}", *(value if isinstance(value, list) else [value])]
    for name in ("criteria", "alterations", "strata"):
        words += [f"--output-{name}", folder / f"{name}.tsv"]
    return run(*words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything made: the tables and the report."""
    where = tmp_path_factory.mktemp("patient")
    paths = prepared(where)
    assert judge(where, paths) == 0
    words: list[object] = ["report", "--patient", "P01", "--samples", *NAMES]
    for name in ("profile", "segments", "fraction", "solutions", "genes", "qc", "mutations"):
        words += [f"--{name}", *paths[name]]
    words += ["--track", paths["track"][0], "--output", where / "report.html"]
    for name in ("criteria", "alterations", "strata"):
        words += [f"--{name}", where / f"{name}.tsv"]
    assert run(*words) == 0
    return where


def text_of(folder: Path) -> str:
    page = (folder / "report.html").read_text()
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def test_the_tables_tell_all_samples_and_where_they_come_from(folder: Path) -> None:
    for name in ("criteria", "alterations", "strata"):
        stored = tables.read(folder / f"{name}.tsv", schema.TABLES[name])
        assert list(dict.fromkeys(stored.frame["sample"])) == NAMES
        assert stored.meta["patient"] == "P01"
        assert stored.meta["input.rules"].startswith("sha256:")
        assert str(folder) not in (folder / f"{name}.tsv").read_text()
        assert str(ROOT) not in (folder / f"{name}.tsv").read_text()


def test_the_report_shows_each_criterion_with_result_source_and_caveat(folder: Path) -> None:
    text = text_of(folder)
    for one in yaml.safe_load(RULES.read_text())["criteria"]:
        for key in ("title", "made_for", "caveat", "source"):
            said = " ".join(one[key].split())
            assert said[1:] in text, said
    assert text.count("Made on tissue: a tissue threshold is not a plasma threshold") >= 10
    assert "HERACLES plasma, adjusted ERBB2: copies per tumor cell \u2265 25.82" in text


def test_the_report_shows_the_stratum_and_the_alterations(folder: Path) -> None:
    text = text_of(folder)
    assert "Stratum: HER2 amplified, with a concurrent alteration." in text
    assert "Mutated: KRAS" in text
    assert "40\u00a0% (30\u201350)".replace("\u00a0", " ") in text
    assert "Subclonal" in text
    assert "Clonal" in text


def test_what_a_file_says_is_escaped(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "<b>T</b>" not in page
    assert "&lt;b&gt;T&lt;/b&gt;" in page


def test_the_settings_of_the_criteria_stand_with_the_others(folder: Path) -> None:
    assert "absence_fraction 0.01 assayed_genes none certainty 0.95" in text_of(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grid": []}, "--grid"),
        ({"rules": "missing.yaml"}, "missing.yaml: No such file"),
        ({"samples": ["other", NAMES[1]]}, "no row of sample 'other'"),
        ({"samples": NAMES[::-1]}, f"of sample '{NAMES[0]}', expected '{NAMES[1]}'"),
    ],
)
def test_wrong_input_ends_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], said: str
) -> None:
    paths = prepared(tmp_path)
    assert judge(tmp_path, paths, **changes) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert not [name for name in ("criteria", "alterations", "strata")
                if (tmp_path / f"{name}.tsv").exists()]  # fmt: skip


def test_tables_of_another_patient_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words: list[object] = ["report", "--patient", "P02", "--samples", *NAMES]
    for name in ("profile", "segments", "fraction", "solutions", "genes", "qc"):
        words += [f"--{name}", *(next(folder.glob(f"{n}/{name}.tsv*")) for n in NAMES)]
    words += ["--track", folder / "track.tsv", "--output", folder / "other.html",
              "--criteria", folder / "criteria.tsv"]  # fmt: skip
    assert run(*words) == 2
    assert "of patient 'P01', expected 'P02'" in capsys.readouterr().err
    assert not (folder / "other.html").exists()


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("pcn >= 2.4", "plasma copy number \u2265\u00a02.4"),
        ("reference_ratio < 2, copies >= 4, copies < 6",
         "copies over the rest of the chromosome <\u00a02, copies per tumor cell \u2265\u00a04, "
         "copies per tumor cell <\u00a06"),
        ("call amplified, wild_type KRAS or NRAS",
         "call: amplified, no mutation of KRAS or NRAS"),
        ("cleared", "amplified at baseline and not now"),
    ],
)  # fmt: skip
def test_a_rule_is_told_in_words(rule: str, shown: str) -> None:
    assert judged.rule_words(rule) == shown


@pytest.mark.parametrize(("value", "shown"), [(1.0, "> 0.99"), (0.5, "0.50"), (0.0, "< 0.01")])
def test_a_probability_is_never_shown_as_certain(value: float, shown: str) -> None:
    assert judged.chance(value) == shown
