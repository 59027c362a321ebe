"""Criteria, alterations and strata from files to the patient's report."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ctcnv import cli, schema
from ctcnv.document import Grid, Heading, Text
from ctcnv.io import tables
from ctcnv.report import Sample, Sheet, pages, words
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


def applied() -> list[dict[str, Any]]:
    """The rules that hold on the day of a sample of the fake patient."""
    days = FAKE.track[0]["day"].tolist()
    found = [
        one
        for one in yaml.safe_load(RULES.read_text())["criteria"]
        if "days" not in one or any(one["days"][0] <= day <= one["days"][1] for day in days)
    ]
    assert len(found) >= 19
    return found


def test_the_report_shows_each_criterion_with_result_source_and_caveat(folder: Path) -> None:
    text = text_of(folder)
    for one in applied():
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
    assert "of patient 'P01'; expected 'P02'" in capsys.readouterr().err
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "> 99 %"), (0.995, "> 99 %"), (0.994, "99 %"), (0.5, "50 %"), (0.006, "1 %"),
     (0.005, "< 1 %"), (0.0, "< 1 %"), (None, "not known")],
)  # fmt: skip
def test_a_probability_is_never_shown_as_certain(value: float | None, shown: str) -> None:
    assert words.chance(value).replace(words.SPACE, " ") == shown


# Print -----------------------------------------------------------------------------------------


def printed(folder: Path) -> list[list[str]]:
    """Every row of the printed report's tables, and every paragraph as a row of one cell."""
    sheets = {}
    for name in ("criteria", "alterations", "strata"):
        stored = tables.read(folder / f"{name}.tsv", schema.TABLES[name])
        sheets[name] = Sheet(stored.frame, stored.meta)
    samples = [
        Sample(s.name, **{name: Sheet(*table) for name, table in s.tables.items()})
        for s in FAKE.samples
    ]
    blocks = pages.patient_pages(
        FAKE.name, Sheet(*FAKE.track), samples, profiles={}, **sheets
    )  # fmt: skip
    found: list[list[str]] = []
    for block in blocks:
        if isinstance(block, Grid):
            found += [list(block.heads), *(list(row) for row in block.rows)]
        elif isinstance(block, Heading | Text):
            found.append([block.text])
    return [[cell.replace(words.SPACE, " ") for cell in row] for row in found]


def test_print_has_the_stratum_and_what_is_known_of_resistance(folder: Path) -> None:
    rows = printed(folder)
    assert ["Day 0, baseline: HER2 amplified, with a concurrent alteration"] in rows
    (answer, *_) = [row for row in rows if row[0] == "Concurrent alteration of resistance"]
    assert answer[1] == "Yes"
    assert answer[2].startswith("Mutated: KRAS")
    assert "Rule: " in answer[2]
    (kras, *_) = [row for row in rows if row[0].startswith("KRAS ")]
    assert "anti-HER2 (clinical)" in kras[4]
    (tp53, *_) = [row for row in rows if row[0].startswith("TP53 ")]
    assert tp53[3].startswith("Subclonal\n40 % (30–50)")


def test_print_has_each_criterion_with_its_result_and_its_caveat_once(folder: Path) -> None:
    rows = printed(folder)
    for one in applied():
        (result, origin) = [row for row in rows if row[0].split("\n")[0] == one["title"]]
        assert len(result) == 1 + len(NAMES)
        assert " ".join(one["caveat"].split())[1:] in origin[1]
        assert " ".join(one["source"].split())[1:] in origin[2]
    (adjusted, *_) = [row for row in rows if row[0].startswith("HERACLES plasma, adjusted")]
    assert re.match(r"Not met\n\d+ \d+–\d+\nprobability < 1 %", adjusted[1])
