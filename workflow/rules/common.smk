# Config and sample sheet, checked, and the functions that rules share. No rules here.

import os
import re
import shlex
import sys
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError

from ctcnv.cli.settings import flag
from ctcnv.io import clinical, schemas, sheet
from ctcnv.io import rules as rules_of_trials

# The rules call `ctcnv`: the one beside this Python, also when its environment is not activated.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()])
)


def schema(name):
    """Where a schema lies."""
    return Path(workflow.current_basedir) / ".." / "schemas" / f"{name}.schema.yaml"


try:
    schemas.check_config(config, schema("config"))
    criteria_file = config["rules"]
    if criteria_file == "auto":
        criteria_file = str(Path(workflow.basedir) / "config" / "criteria.yaml")
    rules_of_trials.read(Path(criteria_file), schema=schema("criteria"))
    samples = sheet.read(
        Path(config["samples"]),
        schema=schema("samples"),
        # A job on a cluster parses this again; its own inputs are checked anyway.
        look_for_files=workflow.is_main_process,
    )
    sheet.require_plasma(samples, Path(config["samples"]))
    outcomes = (
        clinical.read(Path(config["clinical"]), schema=schema("clinical"))
        if config["clinical"]
        else None
    )
except (ValueError, OSError) as error:
    raise WorkflowError(str(error)) from None

plasma = samples[samples["role"] == "plasma"].sort_values(["patient", "day", "sample"])
normals = samples[samples["role"] == "normal"]
patients = sorted(plasma["patient"].unique())
from_bam = samples[samples["bam"].notna()]
from_counts = samples[samples["counts"].notna()]
with_variants = samples[samples["variants"].notna()]
normals_from_bam = [name for name in normals["sample"] if name in from_bam.index]
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


def one_of(names):
    """The pattern that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    sample=one_of(samples["sample"]),
    patient=one_of(patients),


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


def person(wildcards):
    """What the sheet says of a sample, as flags: patient, day and sex, where it says it."""
    row = samples.loc[wildcards.sample]
    known = {"patient": row["patient"], "day": row["day"], "declared-sex": row["sex"]}
    return " ".join(
        f"--{key} {value}" for key, value in known.items() if not pd.isna(value)
    )


def days(wildcards):
    """The days of a patient's samples, in the order of ``of_patient``."""
    return plasma.loc[plasma["patient"] == wildcards.patient, "day"].tolist()


def has_reads(wildcards):
    """Whether the sample comes from a BAM, so that its reads and lengths are known."""
    return wildcards.sample in from_bam.index


def has_variants(wildcards):
    """Whether the sheet names a file of the sample's mutations."""
    return wildcards.sample in with_variants.index


def of_patient(pattern):
    """The input function that fills the pattern with a patient's samples in order of day."""
    return collect(pattern, item=lookup("patient == '{patient}'", within=plasma))


def sites_of_patient(wildcards):
    """The reads at common SNPs of a patient's samples that come from a BAM, if sites are named."""
    own = plasma.loc[plasma["patient"] == wildcards.patient, "sample"]
    return [
        f"results/samples/{name}/sites.tsv.gz"
        for name in own
        if config["sites"] and name in from_bam.index
    ]


def count_mem_mb(wildcards, attempt):
    """Memory of one counting job: 0.3 GB measured at any size of BAM, and 0.3 GB that a cluster's
    job takes beside it; a CRAM decodes slices of its own size. A retry gets more."""
    return 1000 * attempt


def call_mem_mb(wildcards, attempt):
    """Memory of all steps of one sample; a retry gets more."""
    return 3000 * attempt


def pon_mem_mb(wildcards, attempt):
    """Memory of the panel: the counts of every normal at once; a retry gets more."""
    return (3000 + 20 * len(normals)) * attempt
