"""The manual says what the code says: columns, settings, steps, files, commands and links."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import ctcnv
from ctcnv import cli
from ctcnv.schema import TABLES

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("tutorial", "algorithm", "files", "cluster", "limits", "reliability")
WRITTEN = [ROOT / "README.md", *(ROOT / "docs" / f"{page}.md" for page in PAGES)]
#: What `ctcnv` (the script) understands beside the steps.
OF_SCRIPT = {"test", "snakemake", "develop"}


@pytest.fixture(scope="module")
def make_files() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_files", ROOT / "docs" / "make_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(name: str) -> str:
    """The text of a page of docs/."""
    return (ROOT / "docs" / f"{name}.md").read_text()


def settings() -> list[tuple[str, str]]:
    """Every setting of config.yaml as ``section.key`` with its value as text."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    return [
        (f"{section}.{key}", str(value))
        for section, values in config.items()
        if isinstance(values, dict) and section != "reference"
        for key, value in values.items()
    ]


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    found = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in found}


def test_files_md_is_what_the_schema_says(make_files: ModuleType) -> None:
    assert page("files") == make_files.text(), "docs/files.md is out of date: run make docs"


def test_files_md_names_every_output_of_the_workflow_and_nothing_else(
    make_files: ModuleType,
) -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    outputs = re.findall(r'"(results/[^"]+)"', "".join(re.findall(
        r"^    output:\n(.+?)^    log:", rules, flags=re.MULTILINE | re.DOTALL)))  # fmt: skip
    folders = dict(re.findall(r'(\w+)=(?:report\(\s+)?directory\("(.+?)"\)', rules))
    inside = re.findall(r'\{output\.(\w+)\}/([^\s"]+)', rules)
    files = {f"{folders[key]}/{name}".replace("{wildcards.", "{") for key, name in inside}
    assert len(folders) == 2
    assert (set(outputs) - set(folders.values())) | files == {path for path, *_ in make_files.FILES}


def test_every_table_has_a_file(make_files: ModuleType) -> None:
    named = {
        table
        for _, table, *_ in (
            *make_files.FILES,
            *make_files.SIMULATED,
            *make_files.BY_HAND,
            *make_files.SHIPPED,
        )
        if table
    }
    assert named == set(TABLES)


@pytest.mark.parametrize(("name", "value"), settings(), ids=[name for name, _ in settings()])
def test_the_manual_has_every_setting_with_its_value_and_reason(name: str, value: str) -> None:
    rows = re.findall(rf"^\| `{re.escape(name)}` \| (.+?) \| (.+?) \|$", page("algorithm"), re.M)
    assert [shown for shown, _ in rows] == [value], f"docs/algorithm.md: row of {name}"


def test_the_manual_has_no_setting_that_config_does_not_have() -> None:
    known = {name for name, _ in settings()}
    sections = {name.split(".")[0] for name in known}
    pattern = rf"`((?:{'|'.join(sorted(sections))})\.[a-z_]+)`"
    for path in WRITTEN:
        # a file such as `bins.tsv.gz` is no setting
        named = set(re.findall(pattern, path.read_text()))
        tables = {f"{table}.tsv" for table in TABLES} | {"qc.tsv", "track.tsv"}
        assert named - known - tables == set(), path.name


def test_the_manual_has_a_chapter_per_step_in_the_order_of_the_command_line() -> None:
    chapters = re.findall(r"^## (\S+)$", page("algorithm"), flags=re.MULTILINE)
    assert [name for name in chapters if name in cli.STEPS] == list(cli.STEPS)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_every_command_that_is_written_exists(path: Path) -> None:
    text = path.read_text()
    for step in re.findall(r"(?:^ {4,}|`|/)ctcnv ([a-z]+)\b", text, flags=re.MULTILINE):
        assert step in cli.STEPS or step in OF_SCRIPT, f"ctcnv {step}"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for target in re.findall(r"(?:^ {4,}|`)make ([a-z]+)", text, flags=re.MULTILINE):
        assert target in targets, f"make {target}"


def test_the_readme_names_the_commands_that_are_promised() -> None:
    text = (ROOT / "README.md").read_text()
    for command in ("./ctcnv demo", "./ctcnv test", "make check", "./ctcnv real DATA"):
        assert command in text
    shown = text.splitlines()[:45]
    assert any("./ctcnv run" in line for line in shown), "the main job is not on top"
    assert any("docs/img/" in line for line in shown), "the picture is not on top"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target or target.endswith("validation.md"):  # written with the measurements
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.exists(), target
        if anchor:
            assert anchor in headings(file.read_text()), target


def test_the_time_limits_of_the_jobs_are_those_of_the_rules() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    wanted = re.findall(
        r"^rule (\w+):$(?:(?!^rule ).)+?runtime=(\d+)", rules, flags=re.MULTILINE | re.DOTALL
    )
    rows = re.findall(r"^\| (`.+?`) \| .+ \| (\d+) min \|$", page("cluster"), flags=re.MULTILINE)
    shown = [(name, limit) for names, limit in rows for name in re.findall(r"`(\w+)`", names)]
    assert sorted(shown) == sorted(wanted)


def test_the_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == ctcnv.__version__
    assert (
        f"## [{ctcnv.__version__}] - {citation['date-released']}"
        in (ROOT / "CHANGELOG.md").read_text()
    )


def test_no_picture_is_large() -> None:
    for path in (ROOT / "docs" / "img").iterdir():
        assert path.stat().st_size < 300_000, path.name
