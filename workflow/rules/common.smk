# Config and sample sheet, checked, and the functions that rules share. No rules here.

import functools
import gc
import logging
import math
import os
import re
import shlex
import sys
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from ctcnv.cli import workflow as launcher
from ctcnv.cli.settings import flag
from ctcnv.io import clinical, schemas, sheet, treatments

# A plan is millions of objects that all stay: to look for garbage among them again and again costs
# a sixth of the time. `onstart` in Snakefile turns it on again.
gc.disable()


class Plan(logging.Handler):
    """The table of jobs, which `--dry-run --quiet` makes and keeps to itself. To list every job as
    well costs half as much again as the plan."""

    def emit(self, record):
        if getattr(record, "event", None) == LogEvent.RUN_INFO:
            print(record.getMessage(), file=sys.stderr)


if set(workflow.output_settings.quiet or ()) == {Quietness.RULES, Quietness.PROGRESS}:
    logger.addHandler(Plan())

# The rules call `ctcnv`: the one beside this Python, also when its environment is not activated.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()])
)
if workflow.is_main_process:
    repository = Path(workflow.current_basedir).resolve().parents[1]
    os.environ.update(launcher.with_sacct(repository, Path()))


# What `ctcnv run` gave up on: see the function given_up.
GIVEN_UP = "results/given_up.tsv"


def schema(name):
    """Where a schema lies."""
    return Path(workflow.current_basedir) / ".." / "schemas" / f"{name}.schema.yaml"


try:
    schemas.check_config(
        config, schema("config"), files=[Path(name) for name in workflow.configfiles]
    )
    criteria_file = config["rules"]
    if criteria_file == "auto":
        criteria_file = str(Path(workflow.basedir) / "config" / "criteria.yaml")
    # The shipped criteria are checked by the tests: the imports take a second and 100 MB.
    if config["rules"] != "auto" and workflow.is_main_process:
        from ctcnv.io import rules as rules_of_trials

        rules_of_trials.read(Path(criteria_file), schema=schema("criteria"))
    samples = sheet.read(
        Path(config["samples"]),
        # A job on a cluster parses this again, and need not check ten thousand rows again.
        schema=schema("samples") if workflow.is_main_process else None,
        look_for_files=workflow.is_main_process,
    )
    lost = sheet.given_up(Path(GIVEN_UP))
    sheet.require_plasma(samples, Path(config["samples"]))
    outcomes = (
        clinical.read(Path(config["clinical"]), schema=schema("clinical"))
        if config["clinical"]
        else None
    )
    doses = (
        treatments.read(Path(config["treatments"]), schema=schema("treatments"))
        if config["treatments"]
        else None
    )
    for key, table in (("clinical", outcomes), ("treatments", doses)):
        if table is not None:
            sheet.require_shared(
                Path(config[key]),
                table["patient"].tolist(),
                samples.loc[samples["role"] == "plasma", "patient"].tolist(),
            )
except (ValueError, OSError) as error:
    raise WorkflowError(str(error)) from None

plasma = samples[samples["role"] == "plasma"].sort_values(["patient", "day", "sample"])
normals = samples[samples["role"] == "normal"]
# A new normal does not change the panel, and with it every sample, unless that is asked for.
panel = sheet.panel_of(normals["sample"].tolist())
outside_panel = [name for name in normals["sample"] if name not in set(panel)]
patients = sorted(plasma["patient"].unique())
from_bam = samples.loc[samples["bam"].notna(), "sample"].tolist()
from_counts = samples.loc[samples["counts"].notna(), "sample"].tolist()
normals_from_bam = normals.loc[normals["bam"].notna(), "sample"].tolist()
reference_files = {
    key: value
    for key, value in config["reference"].items()
    if value and value != "auto"
}

for name in sheet.without_baseline(samples):
    logger.warning(
        f"patient {name} has no sample at day 0 or before: the first day is baseline"
    )
if outcomes is not None:
    for name in sorted(set(patients) - set(outcomes["patient"])):
        logger.warning(f"patient {name} has no row in {config['clinical']}")
    for name in sorted(set(outcomes["patient"]) - set(patients)):
        logger.warning(
            f"patient {name} of {config['clinical']} has no plasma sample and is left out"
        )
if doses is not None:
    for name in sorted(set(doses["patient"]) - set(patients)):
        logger.warning(
            f"patient {name} of {config['treatments']} has no plasma sample and is left out"
        )


# The files of the panel, by the flags that take them.
PANEL = {
    "pon": "results/reference/pon.tsv.gz",
    "dispersion": "results/reference/pon.dispersion.tsv",
    "waves": "results/reference/pon.waves.tsv.gz",
    "normals": "results/reference/pon.normals.tsv.gz",
    "pon-genes": "results/reference/pon.genes.tsv",
}
reference_of_call = (
    [PANEL["pon"]]
    if panel
    else ["results/reference/bins.tsv.gz", "results/reference/genes.tsv"]
)


# Looked up for each of tens of thousands of jobs: by a key, never by a search.
rows = samples.to_dict("index")
of_whom = {
    name: part["sample"].tolist()
    for name, part in plasma.groupby("patient", sort=False)
}
# By their form: to try every name for every file would take the square of their number.
NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"


def one_of(names, others):
    """The pattern that matches these names of a sheet and none of the others."""
    if len(names) <= len(others):
        return "|".join(map(re.escape, names)) or "(?!)"
    left_out = "|".join(map(re.escape, others))
    return f"(?!(?:{left_out})/){NAME}" if others else NAME


wildcard_constraints:
    sample=NAME,
    patient=NAME,


def cell(column):
    """The input function of a sample's file in this column of the sheet."""

    def file(wildcards):
        if wildcards.sample not in rows:
            raise WorkflowError(f"{config['samples']}: no sample {wildcards.sample}")
        return rows[wildcards.sample][column] or []

    return file


def flags(*sections):
    """The settings of config sections as flags of a ctcnv step."""
    return " ".join(
        f"{flag(section, key)} "
        + shlex.quote(str(value).lower() if isinstance(value, bool) else str(value))
        for section in sections
        for key, value in config[section].items()
    )


def given(wildcards, input):
    """A flag with its files for each named input that is there: ``--map-wig FILE``."""
    return " ".join(
        f"--{name.replace('_', '-')} {shlex.join([files] if isinstance(files, str) else files)}"
        for name, files in input.items()
        if files
    )


def fasta():
    """The flag of the reference's FASTA, which a CRAM is read with; ``bins`` depends on it."""
    path = config["reference"]["fasta"]
    return f"--reference {shlex.quote(path)}" if path else ""


def of_panel(*names):
    """The flags of the panel's files, if there is a panel."""
    return " ".join(f"--{name} {PANEL[name]}" for name in names) if panel else ""


@functools.cache
def listed(folder):
    """The names in a folder; nothing when it is not there."""
    try:
        return frozenset(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()


def gone(files, **names):
    """Files of jobs that are not there although others of the same job are.

    Planning costs a third of a millisecond and 2 kB for each file that a rule asks for. So a rule
    that needs what a job makes asks for one file, which is written last and tells in its preamble
    what all of them are made of. They are made and deleted together, unless somebody deletes one
    by hand: ``all`` asks for that one by its name.
    """
    if not workflow.is_main_process:
        return []
    found = []
    for key, values in names.items():
        for value in values:
            paths = [file.format(**{key: value}) for file in files]
            there = listed(os.path.dirname(paths[0]))
            missing = [path for path in paths if os.path.basename(path) not in there]
            found += missing if len(missing) < len(paths) else []
    return found


def given_up(step):
    """The flag of a sample whose job of this step failed at each try, so that its tables say so."""

    def reason(wildcards):
        why = lost.get((wildcards.sample, step))
        return "" if why is None else f"--given-up {shlex.quote(why)}"

    return reason if lost else ""


def of_normals(wildcards):
    """What ``qc`` reads of the normals: a command line does not hold the paths of thousands."""
    folder = "results/samples/{sample}"
    found = (
        ["--normals-reads", f"{folder}/reads.tsv"]
        + ["--normals-lengths", f"{folder}/lengths.tsv"]
        if normals_from_bam
        else []
    )
    if panel:
        found += ["--donors", "results/reference/pon.donors.tsv"]
    return shlex.join(found)


def clinical_file(wildcards, input):
    """The flag of the clinical table, if there is one."""
    return f"--clinical {shlex.quote(input.clinical)}" if input.get("clinical") else ""


def treatments_file(wildcards, input):
    """The flag of the table of treatments, if there is one."""
    given = input.get("treatments")
    return f"--treatments {shlex.quote(given)}" if given else ""


def of_sheet(wildcards):
    """What the sheet says of a sample, as flags, and where its reads and lengths are."""
    row = rows[wildcards.sample]
    folder = f"results/samples/{wildcards.sample}"
    of_bam = bool(row["bam"])
    known = {
        "patient": row["patient"],
        "day": row["day"],
        "declared-sex": row["sex"],
        "reads": f"{folder}/reads.tsv" if of_bam else None,
        "lengths": f"{folder}/lengths.tsv" if of_bam else None,
        "variants": row["variants"],
    }
    return " ".join(
        f"--{key} {shlex.quote(str(value))}"
        for key, value in known.items()
        if not pd.isna(value) and value != ""
    )


def visits(wildcards):
    """A patient's samples and their days, as flags."""
    names = of_whom[wildcards.patient]
    found = ["--samples", *names, "--days", *(str(rows[name]["day"]) for name in names)]
    return shlex.join(found)


def of_patient(pattern):
    """The input function that fills the pattern with a patient's samples in order of day."""

    def files(wildcards):
        if wildcards.patient not in of_whom:
            raise WorkflowError(f"{config['samples']}: no patient {wildcards.patient}")
        return [pattern.format(sample=name) for name in of_whom[wildcards.patient]]

    return files


def sites_of_patient(wildcards):
    """The reads at common SNPs of a patient's samples that come from a BAM, if sites are named."""
    return [
        f"results/samples/{name}/sites.tsv.gz"
        for name in of_whom[wildcards.patient]
        if config["sites"] and rows[name]["bam"]
    ]


def sites_flag(wildcards):
    """The same as a flag."""
    files = sites_of_patient(wildcards)
    return shlex.join(["--sites", *files]) if files else ""


def count_mem_mb(wildcards, attempt):
    """Memory of one counting job: 0.3 GB measured at any size of BAM, and 0.3 GB that a cluster's
    job takes beside it; a CRAM decodes slices of its own size. A retry gets more."""
    return 1000 * attempt


def count_minutes(wildcards, attempt):
    """Time of one counting job from the size of its file: a GB takes 5 to 20 s of a core where it
    is local, 2 minutes are kept for a slow file system; a CRAM of the same reads is a third as
    large and takes longer to decode. A retry gets more."""
    bam = Path(rows[wildcards.sample]["bam"])
    each = 6 if bam.suffix == ".cram" else 2
    return (20 + math.ceil(each * bam.stat().st_size / 1e9)) * attempt


def call_mem_mb(wildcards, attempt):
    """Memory of all steps of one sample; a retry gets more."""
    return 3000 * attempt


def pon_mem_mb(wildcards, attempt):
    """Memory of the panel: the counts of every normal at once; a retry gets more."""
    return (3000 + 20 * len(panel)) * attempt
