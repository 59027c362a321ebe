"""The workflow: what it would run, what it refuses, and the whole path on simulated BAMs."""

from __future__ import annotations

import argparse
import copy
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pandas as pd
import pysam
import pytest
import yaml

from ctcnv import cli
from ctcnv.cli import preflight
from ctcnv.io import schemas, sheet, tables
from ctcnv.model import SECTIONS
from ctcnv.schema import QC, TABLES
from tests.browser import browser

CONFIG = Path("config") / "config.yaml"


def snakemake(root: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Runs the workflow in a folder that has a config.yaml to lay over the repository's."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"),
        "--directory", str(folder), "--cores", "2", *more,
        "--configfile", str(root / CONFIG), str(folder / "config.yaml"),
    ]  # fmt: skip
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        cwd=folder, env={**os.environ, "PYTHONPATH": str(root / "src")},
    )  # fmt: skip


@pytest.fixture
def folder(repo_root: Path, tmp_path: Path) -> Path:
    """A copy of tests/config: two patients and two normals, from BAMs and from count tables."""
    return Path(shutil.copytree(repo_root / "tests" / "config", tmp_path / "work dir"))


def commands(said: str) -> list[list[str]]:
    """The shell commands of a dry run as words, without the log."""
    jobs = re.findall(r"^Shell command: (ctcnv .+)$", said, flags=re.MULTILINE)
    each = [command for job in jobs for command in job.split(" && ")]
    return [shlex.split(re.sub(r" 2>>? \S+$", "", command)) for command in each]


# What would run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of tests/config whose results are there, empty, and noted as made; and its plan."""
    folder = Path(shutil.copytree(repo_root / "tests/config", tmp_path_factory.mktemp("f") / "f"))
    plan = snakemake(repo_root, folder, "--dry-run", "--printshellcmds")
    assert plan.returncode == 0, plan.stdout
    for line in re.findall(r"^ +output: (.+)$", plan.stdout, flags=re.MULTILINE):
        for path in (folder / name for name in line.split(", ")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir()
    done = snakemake(repo_root, folder, "--touch", "--forceall")
    assert done.returncode == 0, done.stdout
    return folder, plan.stdout


@pytest.fixture(scope="module")
def plan(finished: tuple[Path, str]) -> str:
    """The plan of tests/config with its commands."""
    return finished[1]


@pytest.fixture
def again(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """The same results in a folder of the test's own."""
    return Path(shutil.copytree(finished[0], tmp_path / "again"))


def planned(root: Path, folder: Path) -> set[str]:
    """Rule and sample or patient of each job that would run."""
    done = snakemake(root, folder, "--dry-run")
    assert done.returncode == 0, done.stdout
    blocks = re.findall(r"^rule (\w+):\n((?: .*\n)+)", done.stdout, flags=re.MULTILINE)
    of = [re.search(r"wildcards: \w+=(\S+)", text) for _, text in blocks]
    return {f"{rule} {one[1]}" if one else rule for (rule, _), one in zip(blocks, of, strict=True)}


def test_what_was_deleted_by_hand_is_made_again_and_what_depends_on_it(
    repo_root: Path, again: Path
) -> None:
    results = again / "results"
    (results / "patients/001/strata.tsv").unlink()
    shutil.rmtree(results / "samples/001_d21/export")
    (results / "samples/P02.late/genes.tsv").unlink()
    (results / "cohort/genes.tsv").unlink()
    assert planned(repo_root, again) == {
        "criteria 001", "report 001", "views 001_d21", "call P02.late", "views P02.late",
        "track P02", "criteria P02", "report P02", "qc", "cohort", "all",
    }  # fmt: skip


def test_what_was_deleted_of_the_reference_is_made_again(repo_root: Path, again: Path) -> None:
    (again / "results/reference/pon.donors.tsv").unlink()
    (again / "results/samples/N1/lengths.tsv").unlink()
    found = planned(repo_root, again)
    assert {name for name in found if "import" in name or "count" in name} == {"count N1"}
    assert {"pon", "call 001_d0", "call 001_d21", "call P02.late"} <= found
    assert "bins" not in found


def test_one_more_sample_makes_only_what_depends_on_it(repo_root: Path, again: Path) -> None:
    (again / sheet.PANEL).write_text("N1\nN2\n")  # as ctcnv run notes it
    with (again / "samples.tsv").open("a") as rows:
        rows.write("001_d42\t001\tplasma\t42\tplaceholder.bam\t\t\t\n")
        rows.write("N3\t\tnormal\t\t\tcounts.wig\t\t\n")
    assert planned(repo_root, again) == {
        "count 001_d42", "call 001_d42", "views 001_d42", "track 001", "criteria 001", "report 001",
        "import_counts N3", "qc", "cohort", "all",
    }  # fmt: skip


def test_criteria_that_fail_leave_the_track(repo_root: Path, again: Path) -> None:
    target = "results/patients/001/criteria.tsv"
    done = snakemake(repo_root, again, target, "--forcerun", "criteria")
    assert done.returncode != 0
    assert "ctcnv criteria: error: " in (again / "logs/001/criteria.log").read_text()
    left = sorted(path.name for path in (again / target).parent.iterdir())
    assert left == ["report.html", "report.pdf", "summary.json", "track.tsv"]


def test_every_command_is_one_of_ctcnv_that_its_step_understands(plan: str) -> None:
    found = commands(plan)
    assert Counter(words[1] for words in found) == {
        "bins": 1, "count": 2, "import": 3, "pon": 1, "call": 3, "track": 2, "criteria": 2,
        "plot": 3, "export": 3, "report": 2, "cohort": 1, "qc": 1,
    }  # fmt: skip
    sections = tuple(f"{section}_" for section in SECTIONS)
    for words in found:
        assert words[0] == "ctcnv"
        module = importlib.import_module(f"ctcnv.cli.{cli._MODULES.get(words[1], words[1])}")
        parser = argparse.ArgumentParser(exit_on_error=False)
        module.add_arguments(parser)
        known = parser.parse_args(words[2:])
        unset = [
            key for key, value in vars(known).items() if value is None and key.startswith(sections)
        ]
        assert unset == [], f"{words[1]} is not given every setting"
    assert "patient P02 has no sample at day 0 or before" in plan


def test_names_days_and_sex_of_the_sheet_reach_the_steps(plan: str) -> None:
    found = {(w[1], w[3]): shlex.join(w) for w in commands(plan)}
    first = found["call", "001_d0"]
    assert "--patient 001 --day 0 --declared-sex female" in first
    assert "--reads results/samples/001_d0/reads.tsv" in first
    assert "--variants variants.tsv" in first
    for name, file in {"pon": "tsv.gz", "waves": "waves.tsv.gz", "dispersion": "dispersion.tsv",
                       "normals": "normals.tsv.gz"}.items():  # fmt: skip
        assert f"--{name} results/reference/pon.{file}" in first
    imported = found["call", "001_d21"]
    assert "--declared-sex" not in imported
    assert "--reads" not in imported
    assert "--variants" not in imported
    assert "--samples 001_d0 001_d21 --days 0 21" in found["track", "001"]


def test_a_cohort_without_normals_runs_without_a_panel(repo_root: Path, folder: Path) -> None:
    path = folder / "samples.tsv"
    kept = [line for line in path.read_text().splitlines() if "\tnormal\t" not in line]
    path.write_text("\n".join(kept) + "\n")
    done = snakemake(repo_root, folder, "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stdout
    found = commands(done.stdout)
    assert "pon" not in {words[1] for words in found}
    of_panel = {"--pon", "--waves", "--dispersion", "--normals", "--donors", "--pon-genes"}
    assert not any(of_panel & set(words) for words in found)


def test_common_sites_are_read_from_each_bam_of_a_patient_and_reach_the_track(
    repo_root: Path, folder: Path
) -> None:
    with pysam.AlignmentFile(
        str(folder / "placeholder.bam"), "wb", header={"SQ": [{"SN": "chr1", "LN": 1000}]}
    ) as file:
        read = pysam.AlignedSegment()
        read.query_name, read.query_sequence, read.flag = "r", "ACGTACGT", 0
        read.query_qualities = pysam.qualitystring_to_array("I" * 8)
        read.reference_id, read.reference_start = 0, 100
        read.mapping_quality, read.cigarstring = 60, "8M"
        file.write(read)
    (folder / "common.bed").write_text("chr1\t101\t102\tC\tT\t0.4\n")
    path = folder / "config.yaml"
    path.write_text(path.read_text() + "sites: common.bed\n")
    target = "results/samples/001_d0/sites.tsv.gz"
    done = snakemake(repo_root, folder, target)
    assert done.returncode == 0, done.stdout
    found = tables.read(folder / target, TABLES["sites"]).frame
    assert found[["start", "ref_reads", "alt_reads"]].to_numpy().tolist() == [[101, 1, 0]]
    done = snakemake(repo_root, folder, "--dry-run", "--printshellcmds")
    tracks = {words[3]: words for words in commands(done.stdout) if words[1] == "track"}
    # 001_d21 and the sample of P02 come from count tables, which show no bases
    assert target in tracks["001"]
    assert "--sites" not in tracks["P02"]


def test_the_workflow_is_lint_clean(repo_root: Path, folder: Path) -> None:
    done = snakemake(repo_root, folder, "--lint")
    assert done.returncode == 0, done.stdout
    assert "in a good condition" in done.stdout


def rules(root: Path) -> dict[str, str]:
    """The text of each rule."""
    text = "".join(path.read_text() for path in sorted((root / "workflow/rules").glob("*.smk")))
    parts = re.split(r"^rule (\w+):\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_rule_has_its_parts_and_logs_each_command(repo_root: Path) -> None:
    for name, text in rules(repo_root).items():
        for part in ("log:", "conda:", "mem_mb=", "runtime=", "output:", "shell:"):
            assert part in text, f"rule {name} has no {part}"
        # the one program of others that the workflow calls, and only when asked to
        program = "multiqc" if name == "multiqc" else "ctcnv"
        run = re.findall(rf'"(?: && )?{program} ', text)
        assert len(run) == len(re.findall(r" 2>>? \{log\}", text)) >= 1, name
        assert "retries:" not in text, f"rule {name}: retries belong into the profile"
        assert "lambda" not in text, name
    for name in ("count", "pon", "call"):
        assert "benchmark:" in rules(repo_root)[name]


def test_the_slurm_profile_names_rules_that_exist(repo_root: Path, folder: Path) -> None:
    profile = yaml.safe_load((repo_root / "profiles/slurm/profile.yaml").read_text())
    assert set(profile["groups"]) <= set(rules(repo_root))
    assert profile["retries"] > 0
    other = yaml.safe_load((repo_root / "profiles/cluster-generic/profile.yaml").read_text())
    assert other["groups"] == profile["groups"]
    for each in (profile, other):
        assert each["scheduler-subsample"] > each["jobs"], "too few would be started at once"
    # 30 minutes without the accounting database
    assert profile["slurm-status-attempts"] / profile["max-status-checks-per-second"] >= 1800
    assert "default-resources" not in profile, "they would replace those of the user's profile"
    done = snakemake(
        repo_root, folder, "--dry-run", "--workflow-profile", str(repo_root / "profiles/slurm")
    )
    assert done.returncode == 0, done.stdout


def test_plain_snakemake_hears_sacct_as_its_executor_expects(
    repo_root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``ctcnv run`` does; what it is good for: tests/test_run.py and tests/slurm."""
    (folder / "bin").mkdir()
    sacct = folder / "bin/sacct"
    sacct.write_text("#!/bin/sh\n")
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sacct.parent}{os.pathsep}{os.environ['PATH']}")
    snakefile = folder / "Snakefile"
    snakefile.write_text(
        f"include: {str(repo_root / 'Snakefile')!r}\nimport shutil\n"
        "print('sacct:', shutil.which('sacct'), os.environ['CTCNV_SACCT'])\n"
    )
    done = snakemake(repo_root, folder, "--snakefile", str(snakefile), "--list-rules")
    ours = repo_root / "profiles/slurm/bin/sacct"
    assert f"sacct: {ours} {sacct}\n" in done.stdout, done.stdout


def test_the_conda_environment_names_the_versions_of_the_lock(repo_root: Path) -> None:
    lock = (repo_root / "requirements.lock").read_text()
    environment = yaml.safe_load((repo_root / "envs/ctcnv.yaml").read_text())
    *of_conda, pip, of_pip = environment["dependencies"]
    assert pip == "pip"
    assert list(of_pip) == ["pip"]
    for dependency in (*of_conda, *of_pip["pip"]):
        name, version = dependency.removesuffix(".*").replace(" ==", " =").split(" =")
        name = name.removesuffix("-base")
        if name != "python":
            assert re.search(rf"^{name}=={re.escape(version)}\.", lock, flags=re.MULTILINE), name


def test_a_sample_is_three_jobs_and_a_patient_three(plan: str) -> None:
    """Planning ten thousand samples stands and falls with the number of jobs and files."""
    jobs = re.findall(r"^rule (\w+):\n +input: (.+)\n +output: (.+)$", plan, flags=re.MULTILINE)
    per_sample = {"count": 2, "import_counts": 2, "call": 3, "views": 1}  # files they ask for
    per_patient = {"track": 2, "criteria": 2, "report": 1}
    for name, asked, _ in jobs:
        most = (per_sample | per_patient).get(name)
        assert most is None or len(asked.split(", ")) <= most, (name, asked)
    made = Counter(name for name, _, _ in jobs)
    assert made["count"] + made["import_counts"] == 5
    assert (made["call"], made["views"]) == (3, 3)
    assert (made["track"], made["criteria"], made["report"]) == (2, 2, 2)
    assert made.total() == 5 + 6 + 6 + 4, "bins, pon, qc and cohort, and nothing else"
    written = {name: len(files.split(", ")) for name, _, files in jobs}
    assert sum(written[name] for name in ("count", "call", "views")) == 13
    assert sum(written[name] for name in per_patient) == 7


def test_the_plan_of_many_samples_is_a_table(repo_root: Path, folder: Path) -> None:
    done = snakemake(repo_root, folder, "--dry-run", "--quiet")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^views +3$", done.stdout, flags=re.MULTILINE), done.stdout
    assert "rule views:" not in done.stdout


# What is refused -----------------------------------------------------------------------------


def first_words(said: str) -> str:
    """The line that Snakemake prints of an error in the config or the sheet."""
    lines = said.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("WorkflowError in file"))
    return lines[start + 1]


def test_a_wrong_sheet_stops_before_anything_runs(repo_root: Path, folder: Path) -> None:
    path = folder / "samples.tsv"
    path.write_text(path.read_text().replace("P02.late", "001_d21"))
    done = snakemake(repo_root, folder, "--dry-run")
    assert done.returncode != 0
    assert first_words(done.stdout) == (
        "samples.tsv row 3 (sample 001_d21): sample '001_d21' is used twice, first in row 2; "
        "names must be unique"
    )


def test_a_misspelt_key_stops_before_anything_runs(repo_root: Path, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(path.read_text() + "segment:\n  eror_rate: 0.1\n")
    done = snakemake(repo_root, folder, "--dry-run")
    assert done.returncode != 0
    assert first_words(done.stdout).startswith(
        "config.yaml: segment.eror_rate is unknown; known are"
    )


@pytest.fixture
def config(repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The shipped config with a reference that is there."""
    monkeypatch.chdir(tmp_path)
    for name in ("g.fa", "g.wig", "m.bw"):
        Path(name).touch()
    loaded = yaml.safe_load((repo_root / CONFIG).read_text())
    loaded["reference"]["fasta"] = "g.fa"
    assert isinstance(loaded, dict)
    return copy.deepcopy(loaded)


def test_the_shipped_config_is_valid_with_a_reference(
    config: dict[str, Any], repo_root: Path
) -> None:
    schemas.check_config(config, repo_root / "workflow/schemas/config.schema.yaml")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("reference", "fasta", None, "one of the two, and neither is"),
        ("reference", "gc_wig", "g.wig", "one of the two, and both are"),
        ("reference", "fasta", "h.fa", "reference.fasta is 'h.fa', which is not there; give"),
        ("reference", "exclude", "e.bed", "reference.exclude is 'e.bed', which is not there"),
        ("reference", "map_wig", "m.bw", "map_wig goes with reference.gc_wig, which is not set"),
        ("reference", "genes", "g.tsv", "reference.genes is 'g.tsv', which is not there"),
        ("reference", "genes", None, "reference.genes is None; expected string"),
        ("bins", "size_bp", "10kb", "bins.size_bp is '10kb'; expected integer"),
        ("bins", "size_bp", 0, "bins.size_bp is 0; expected at least 1"),
        ("bins", "min_callable", 1.5, "bins.min_callable is 1.5; expected at most 1"),
        ("count", "single_end", "maybe", "count.single_end is 'maybe'; expected one of"),
        ("fraction", "max_fraction", 1, "fraction.max_fraction is 1; expected less than 1"),
        ("segment", "error_rate", 0, "segment.error_rate is 0; expected more than 0"),
        ("track", "target_days", 21, "track.target_days is unknown; known are"),
        ("qc", "max_noise", True, "qc.max_noise is True; expected number"),
    ],
)
def test_a_wrong_value_of_the_config_is_named_with_its_remedy(
    config: dict[str, Any], repo_root: Path, section: str, key: str, value: object, message: str
) -> None:
    config[section][key] = value
    with pytest.raises(ValueError, match=f"^config: .*{re.escape(message)}") as caught:
        schemas.check_config(config, repo_root / "workflow/schemas/config.schema.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("below", "own", "line", "begins"),
    [
        ({}, "qc: {max_noise: x}", {}, "own.yaml: qc.max_noise is 'x'"),
        ({}, "qc: {max_nose: 2}", {}, "own.yaml: qc.max_nose is unknown"),
        ({}, "reference: {fasta: h.fa}", {}, "own.yaml: reference.fasta is 'h.fa', which is not"),
        ({}, "qc: 3", {}, "own.yaml: qc is 3; expected object"),
        ({"qc": 3}, "samples: a.tsv", {}, "below.yaml: qc is 3; expected object"),
        ({"qc": {}}, "qc: {max_noise: 2}", {}, "own.yaml: qc.min_fragments_per_mb is missing"),
        ({}, "qc: {max_noise: 2}", {"qc": {"max_noise": "x"}}, "--config: qc.max_noise is 'x'"),
        ({}, "samples: a.tsv", {"colour": "red"}, "--config: colour is unknown"),
    ],
)
def test_the_file_that_sets_a_wrong_value_is_named(
    config: dict[str, Any], repo_root: Path, below: dict[str, Any], own: str, line: dict[str, Any],
    begins: str,
) -> None:  # fmt: skip
    """Of files laid over each other, or the command line; once it was only "config"."""
    files = [Path("below.yaml"), Path("own.yaml").absolute(), Path("line.yaml")]
    files[0].write_text(yaml.safe_dump({**config, **below}))
    files[1].write_text(own)
    files[2].write_text(yaml.safe_dump(line))
    schema = repo_root / "workflow/schemas/config.schema.yaml"
    with pytest.raises(ValueError, match=f"^{re.escape(begins)}"):
        schemas.check_config(preflight.config_of(files), schema, files=files[:2])


@pytest.mark.parametrize("missing", ["samples", "qc"])
def test_a_missing_section_is_named(config: dict[str, Any], repo_root: Path, missing: str) -> None:
    del config[missing]
    with pytest.raises(ValueError, match=f"^config: {missing} is missing; .* name that file"):
        schemas.check_config(config, repo_root / "workflow/schemas/config.schema.yaml")


def test_a_missing_key_is_named(config: dict[str, Any], repo_root: Path) -> None:
    del config["genes"]["flank_bp"]
    with pytest.raises(ValueError, match=r"^config: genes\.flank_bp is missing"):
        schemas.check_config(config, repo_root / "workflow/schemas/config.schema.yaml")


# The whole path ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients and three normals of a small simulation that the workflow has run on."""
    folder = tmp_path_factory.mktemp("cohort") / "first"
    with pytest.raises(SystemExit) as left:
        cli.main(
            ["simulate", "--output", str(folder), "--seed", "3", "--scale", "200",
             "--fragments", "40000", "--normals", "3", "--quiet"]
        )  # fmt: skip
    assert left.value.code == 0
    path = folder / "samples.tsv"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("P02")]
    path.write_text("\n".join(kept) + "\n")
    done = snakemake(repo_root, folder)
    logs = "".join(path.read_text() for path in sorted((folder / "logs").rglob("*.log")))
    assert done.returncode == 0, done.stdout[-3000:] + logs[-3000:]
    return folder


def made(folder: Path) -> dict[str, Path]:
    """Every file of the results by its path below the folder."""
    found = sorted((folder / "results").rglob("*"))
    return {path.relative_to(folder).as_posix(): path for path in found if path.is_file()}


def truth_of(cohort: Path) -> pd.DataFrame:
    """What the simulator put into the samples of the sheet."""
    truth = tables.read(cohort / "truth.tsv", TABLES["truth"]).frame
    return truth[
        truth["sample"].isin(sheet.read(cohort / "samples.tsv", look_for_files=False).index)
    ]


@pytest.mark.slow
def test_the_path_from_bams_to_reports_is_complete(cohort: Path) -> None:
    files = made(cohort)
    truth = truth_of(cohort)
    for _, row in truth.iterrows():
        names = ["counts.tsv.gz", "lengths.tsv", "reads.tsv"]
        if row["role"] == "plasma":
            names += [
                "profile.tsv.gz", "segments.tsv", "fraction.tsv", "fraction.grid.tsv.gz",
                "mutations.tsv", "solutions.tsv", "genes.tsv", "qc.tsv", "plots/genome.svg",
                "plots/genome.png", "plots/chr17.svg", "plots/chr17.png",
            ]  # fmt: skip
        for name in names:
            assert f"results/samples/{row['sample']}/{name}" in files
    for patient in truth["patient"].dropna().unique():
        for name in ("track", "criteria", "alterations", "strata"):
            assert f"results/patients/{patient}/{name}.tsv" in files
        assert "<html" in files[f"results/patients/{patient}/report.html"].read_text()
    table = tables.read(cohort / "results/qc.tsv", QC).frame
    assert sorted(table["sample"]) == sorted(truth["sample"])
    assert not [name for name in files if name.endswith(".part")]


@pytest.mark.slow
def test_the_clearest_sample_is_found_to_be_what_it_is(cohort: Path) -> None:
    truth = truth_of(cohort)
    row = truth.loc[truth["fraction"].idxmax()]
    folder = cohort / "results/samples" / row["sample"]
    found = tables.read(folder / "fraction.tsv", TABLES["fraction"]).frame.iloc[0]
    assert found["status"] == "detected"
    assert found["low"] <= row["fraction"] <= found["high"]
    genes = tables.read(folder / "genes.tsv", TABLES["genes"]).frame.set_index("gene")
    assert row["erbb2_copies"] > 6
    assert genes.loc["ERBB2", "call"] == "amplified"


@pytest.mark.slow
def test_every_table_reads_as_its_type_and_tells_no_path_of_this_machine(cohort: Path) -> None:
    for name, path in made(cohort).items():
        if not name.endswith((".tsv", ".tsv.gz")):
            continue
        text = tables._inflated(path, path.read_bytes()).decode()
        tag = text.split("\n", 1)[0].removeprefix("##ctcnv.table=").split("/")[0]
        tables.read(path, TABLES[tag])
        assert str(cohort) not in text, name


@pytest.mark.slow
def test_every_preamble_is_complete(cohort: Path) -> None:
    """What made a table, of whom, with which settings and from which files."""
    seen = set()
    for name, path in made(cohort).items():
        if not name.endswith((".tsv", ".tsv.gz")):
            continue
        meta = tables.preamble(path)
        tag = meta["ctcnv.table"].split("/")[0]
        seen.add(tag)
        assert meta["ctcnv.version"], name
        assert [key for key in meta if key.startswith("input.")], name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for key, value in meta.items()
                   if key.startswith("input.")), name  # fmt: skip
        if tag != "gene_table":
            assert [key for key in meta if key.startswith("settings.")], name
        for folder, key in (("results/samples/", "sample"), ("results/patients/", "patient")):
            if name.startswith(folder):
                assert meta[key] == name.removeprefix(folder).split("/")[0], name
        if tag in ("counts", "lengths", "reads"):
            assert {"bam.header", "bam.size"} <= set(meta), name
    assert {"bins", "counts", "pon", "profile", "fraction", "genes", "track", "criteria", "qc",
            "cohort_patients"} <= seen  # fmt: skip


@pytest.mark.slow
def test_a_report_is_traced_back_to_its_bams(
    cohort: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cohort)
    for result in ("patients/P01/report.html", "patients/P01/summary.json", "cohort/cohort.html",
                   "samples/P01_d0/export/P01_d0.vcf", "qc.tsv"):  # fmt: skip
        with pytest.raises(SystemExit) as left:
            cli.main(["trace", "--quiet", f"results/{result}", "--samples", "samples.tsv"])
        said = capsys.readouterr().out
        assert left.value.code == 0, said
        assert re.search(r"bam: bams/P01_d0\.bam  unchanged", said), said


@pytest.mark.slow
def test_a_second_run_does_nothing(repo_root: Path, cohort: Path) -> None:
    done = snakemake(repo_root, cohort)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


@pytest.mark.slow
def test_the_archive_of_the_workflow_leads_from_the_cohort_to_the_patients(
    repo_root: Path, cohort: Path, tmp_path: Path
) -> None:
    done = snakemake(repo_root, cohort, "--report", "run.zip")
    assert done.returncode == 0, done.stdout[-2000:]
    with zipfile.ZipFile(cohort / "run.zip") as archive:
        archive.extractall(tmp_path)
    (page,) = tmp_path.rglob("cohort.html")
    patients = sorted(path.name for path in (cohort / "results/patients").iterdir())
    with browser(tmp_path / "browser") as shown:
        shown.open(page)
        assert shown.complaints() == []
        found = {
            name: shown.value(
                f"[...document.querySelectorAll('#patients a')].find(a => a.text === '{name}').href"
            )
            for name in patients
        }
        for name, address in found.items():
            path = Path(unquote(urlsplit(address).path))
            made = cohort / "results/patients" / name / "report.html"
            assert path.read_bytes() == made.read_bytes()
            shown.open(path)
            assert shown.value("document.querySelector('h1').textContent") == f"Patient {name}"


@pytest.mark.slow
def test_a_patient_in_another_folder_gets_the_same_bytes(repo_root: Path, cohort: Path) -> None:
    again = cohort.with_name("second")
    again.mkdir()
    for name in ("genome.fa", "genome.fa.fai", "genes.tsv", "samples.tsv", "config.yaml"):
        shutil.copy(cohort / name, again)
    for name in ("bams", "variants"):
        (again / name).symlink_to(cohort / name)
    targets = ["results/patients/P01/report.html", "results/samples/P01_d0/plots"]
    done = snakemake(repo_root, again, *targets)
    assert done.returncode == 0, done.stdout[-3000:]
    first, second = made(cohort), made(again)
    assert {targets[0], f"{targets[1]}/genome.svg"} < set(second) < set(first)
    different = [name for name in second if first[name].read_bytes() != second[name].read_bytes()]
    assert different == []
