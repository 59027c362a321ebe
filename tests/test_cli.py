"""The command line as a whole: help, exit codes, settings, and what it says of a workflow run."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from ctcnv import __version__, cli
from ctcnv.cli import STEPS, one_line, workflow
from ctcnv.cli.settings import add_settings, flag, settings
from ctcnv.model import SECTIONS, Form, QcSettings


def run(*words: str) -> int | str | None:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    return left.value.code


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",), ("help",)])
def test_help_lists_the_steps_in_order(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 0
    said = capsys.readouterr().out
    places = [said.index(f"\n  {step} ") for step in STEPS]
    assert places == sorted(places)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_help_that_begins_with_a_sentence(
    step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(step, "--help") == 0
    assert f"usage: ctcnv {step}" in capsys.readouterr().out
    module = importlib.import_module(f"ctcnv.cli.{cli._MODULES.get(step, step)}")
    assert module.__doc__ is not None
    assert "." in module.__doc__


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"ctcnv {__version__}\n"


def test_an_unknown_step_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cuont") == 2
    assert capsys.readouterr().err.startswith(
        "ctcnv: error: 'cuont' is not a step; one of: run, demo"
    )


def test_a_missing_file_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], repo_root: Path
) -> None:
    config = str(repo_root / "config" / "config.yaml")
    missing = tmp_path / "missing.tsv"
    code = run("qc", "--samples", str(missing), "--config", config, "--output", "x", "--quiet")
    assert code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"ctcnv qc: error: {missing}: No such file or directory\n"


@pytest.mark.parametrize("name", ["../x", "", "a b", "<b>", "-x", "a\n", "a" * 101, "$(id)"])
@pytest.mark.parametrize("key", ["sample", "patient", "samples"])
def test_a_name_that_no_sheet_may_have_is_refused(key: str, name: str) -> None:
    """Once a step run by hand wrote it into tables and pages."""
    given = ["P01_d0", name] if key == "samples" else name
    with pytest.raises(ValueError, match=rf"^--{key} is .* use letters"):
        cli._check_names(argparse.Namespace(**{key: given}))


def test_a_step_with_a_wrong_name_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = ("--bam", "--bins", "--output", "--output-lengths", "--output-reads")
    words = [word for flag in files for word in (flag, "x")]
    assert run("count", *words, "--sample", "../x", "--quiet") == 2
    said = capsys.readouterr().err
    assert said.startswith("ctcnv count: error: --sample is '../x'; use letters")
    assert said.count("\n") == 1


def test_a_wrong_option_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("qc", "--samples", "x", "--output", "y", "--days", "0", "--quiet") == 2
    said = capsys.readouterr().err
    assert said == (
        "ctcnv qc: error: unrecognized arguments: --days 0; ctcnv qc --help tells the options\n"
    )


def test_a_file_that_cannot_be_written_is_told_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    words = [word for flag in ("--bam", "--bins", "--sample") for word in (flag, "missing")]
    for name in ("output", "output-lengths"):
        words += [f"--{name}", str(tmp_path / "out" / "x.tsv")]
    words += ["--output-reads", str(tmp_path / "file" / "deep" / "x.tsv")]
    assert run("count", *words, "--quiet") == 2
    assert capsys.readouterr().err == (
        f"ctcnv count: error: --output-reads is '{tmp_path}/file/deep/x.tsv', but nothing can be "
        f"written to '{tmp_path}/file'; name another folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_error_of_many_lines_becomes_one() -> None:
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert one_line(ValueError()) == "ValueError"


# Settings ------------------------------------------------------------------------------------


def config_of(repo_root: Path) -> dict[str, dict[str, object]]:
    loaded = yaml.safe_load((repo_root / "config" / "config.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_config_schema_and_model_have_the_same_keys(repo_root: Path) -> None:
    config = config_of(repo_root)
    path = repo_root / "workflow" / "schemas" / "config.schema.yaml"
    schema = yaml.safe_load(path.read_text())
    assert list(config) == list(schema["properties"]) == schema["required"]
    own = {"samples", "rules", "sites", "clinical", "treatments", "reference"}
    assert set(config) - set(SECTIONS) == own
    for section, kind in SECTIONS.items():
        described = schema["properties"][section]
        keys = list(config[section])
        assert keys == [field.name for field in dataclasses.fields(kind)]
        assert keys == list(described["properties"]) == described["required"]
        assert described["additionalProperties"] is False
    reference = schema["properties"]["reference"]
    assert list(config["reference"]) == list(reference["properties"]) == reference["required"]
    assert schema["additionalProperties"] is reference["additionalProperties"] is False


def described(hint: Any) -> dict[str, object]:
    """A key of the model as the JSON schema has it."""
    bounds = getattr(hint, "__metadata__", ())
    kind = hint.__origin__ if bounds else hint
    found: dict[str, object] = {"type": {int: "integer", float: "number", str: "string"}[kind]}
    names = {"least": "minimum", "most": "maximum", "above": "exclusiveMinimum",
             "below": "exclusiveMaximum"}  # fmt: skip
    for one in bounds:
        if isinstance(one, Form):
            found["pattern"] = f"^{one.pattern}$"
            continue
        values = {name: getattr(one, key) for key, name in names.items()}
        found |= {name: value for name, value in values.items() if abs(value) != float("inf")}
    return found


def test_schema_and_model_have_the_same_ranges(repo_root: Path) -> None:
    path = repo_root / "workflow" / "schemas" / "config.schema.yaml"
    schema = yaml.safe_load(path.read_text())
    for section, kind in SECTIONS.items():
        hints = get_type_hints(kind, include_extras=True)
        for key, spec in schema["properties"][section]["properties"].items():
            here = schema["$defs"][spec["$ref"].split("/")[-1]] if "$ref" in spec else spec
            if (section, key) == ("count", "single_end"):  # also a switch of YAML
                words = hints[key].__metadata__[0].pattern.split("|")
                assert here == {"enum": [*words, True, False]}
            else:
                assert here == described(hints[key]), f"{section}.{key}"


@pytest.mark.parametrize("section", SECTIONS)
def test_the_config_fits_the_model_and_its_flags(repo_root: Path, section: str) -> None:
    kind = SECTIONS[section]
    values = config_of(repo_root)[section]
    from_file = kind.from_mapping(values, source="config.yaml")
    parser = argparse.ArgumentParser()
    add_settings(parser, kind)
    words = [word for key, value in values.items() for word in (flag(section, key), str(value))]
    assert settings(parser.parse_args(words), kind) == from_file


def test_a_flag_wins_over_the_config(repo_root: Path) -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, QcSettings)
    config = str(repo_root / "config" / "config.yaml")
    chosen = settings(parser.parse_args(["--config", config, "--qc-max-noise", "9"]), QcSettings)
    assert chosen.max_noise == 9
    assert chosen.max_duplicates == config_of(repo_root)["qc"]["max_duplicates"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qc: {max_nosie: 2}", r"qc.max_nosie is unknown"),
        ("qc: {max_noise: 2}", r"qc.min_fragments_per_mb is missing"),
        ("qc: [", r"not YAML"),
        ("- 1", r"expected sections"),
        ("{}", r"no settings for 'qc'"),
    ],
)
def test_a_wrong_config_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    parser = argparse.ArgumentParser()
    add_settings(parser, QcSettings)
    with pytest.raises(ValueError, match=message):
        settings(parser.parse_args(["--config", str(path)]), QcSettings)


# A run of the workflow -----------------------------------------------------------------------

SAID = """\
localrule bins:
    output: results/reference/bins.tsv.gz
    log: logs/reference/bins.log
    jobid: 5
    resources: tmpdir=/tmp
Finished jobid: 5 (Rule: bins)
1 of 19 steps (5%) done
rule count:
    log: logs/001_d0/count.log
    jobid: 7
    wildcards: sample=001_d0
RuleException:
CalledProcessError in file "sample.smk", line 24:
Error in rule count:
    message: None
    jobid: 7
    log: logs/001_d0/count.log (check log file(s) for error details)
Shutting down, this might take some time.
"""


def test_each_finished_job_is_one_line_with_its_sample() -> None:
    assert list(workflow.Progress().read(SAID.splitlines(keepends=True))) == ["    1 of 19: bins"]
    more = SAID.replace("Error in rule count:", "Finished jobid: 7 (Rule: count)\n2 of 19 steps")
    lines = list(workflow.Progress().read(more.splitlines()))
    assert lines[-1] == "    2 of 19: count 001_d0"


def test_a_failed_job_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "001_d0" / "count.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {i}\n" for i in range(50)) + "count: error: truncated\n")
    progress = workflow.Progress()
    list(progress.read(SAID.splitlines()))
    shown = progress.failure(tmp_path)
    assert shown[0] == f"count 001_d0 failed; the end of {log}:"
    assert shown[-1] == "  count: error: truncated"
    assert len(shown) == 1 + workflow.TAIL


def test_a_run_that_does_not_start_shows_the_last_words(tmp_path: Path) -> None:
    progress = workflow.Progress()
    list(progress.read(["WorkflowError in file common.smk, line 9:", "samples.tsv row 1: no"]))
    assert progress.failure(tmp_path)[-1] == "  samples.tsv row 1: no"


def test_demo_does_not_write_among_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.doc").touch()
    assert run("demo", "--output", str(tmp_path)) == 2
    assert "is not empty and no demo; choose another with --output" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_real_says_which_file_it_misses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("real", str(tmp_path), "--output", str(tmp_path / "out")) == 2
    assert "serial_plasma/MBC_315.ctDNA.reads.wig is not there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_module_runs_as_the_command(repo_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ctcnv", "--version"], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(repo_root / "src")},
    )  # fmt: skip
    assert done.stdout == f"ctcnv {__version__}\n"


def test_linear_algebra_has_one_thread_whatever_is_set_outside(repo_root: Path) -> None:
    """Else the last digits depend on the cores of the machine."""
    code = (
        "import os, sys\nfrom ctcnv import cli\n"
        "assert 'numpy' not in sys.modules  # which reads it once\n"
        "try:\n    cli.main(['qc', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(repo_root / "src")},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "1"
