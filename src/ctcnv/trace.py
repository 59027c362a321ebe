"""From a result back to its inputs: where each lies, by the name that a preamble gives it.

A preamble names its inputs with their sha256 (``input.counts``, ``input.profile.P01_d000``), not
with paths, so that results can be moved. Here stands where the workflow keeps what has such a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Below the folder of the results. ``{of}`` is what follows the name, else the sample of the table.
RESULTS = {
    "bins": "reference/bins.tsv.gz",
    "pon": "reference/pon.tsv.gz",
    "waves": "reference/pon.waves.tsv.gz",
    "dispersion": "reference/pon.dispersion.tsv",
    "normals": "reference/pon.normals.tsv.gz",
    "donors": "reference/pon.donors.tsv",
    "pon_genes": "reference/pon.genes.tsv",
    "counts": "samples/{of}/counts.tsv.gz",
    "lengths": "samples/{of}/lengths.tsv",
    "reads": "samples/{of}/reads.tsv",
    "profile": "samples/{of}/profile.tsv.gz",
    "segments": "samples/{of}/segments.tsv",
    "fraction": "samples/{of}/fraction.tsv",
    "grid": "samples/{of}/fraction.grid.tsv.gz",
    "mutations": "samples/{of}/mutations.tsv",
    "solutions": "samples/{of}/solutions.tsv",
    "sites": "samples/{of}/sites.tsv.gz",
    "track": "patients/{of}/track.tsv",
    "criteria": "patients/{of}/criteria.tsv",
    "alterations": "patients/{of}/alterations.tsv",
    "strata": "patients/{of}/strata.tsv",
}
#: Files of the user: the key of the config that names them, in the table that has them as input.
CONFIG = {
    ("bins", "exclude"): "reference.exclude",
    ("bins", "mappability"): "reference.mappability",
    ("bins", "fasta.fai"): "reference.fasta",
    ("bins", "gc_wig"): "reference.gc_wig",
    ("bins", "map_wig"): "reference.map_wig",
    ("gene_table", "genes"): "reference.genes",
    ("sites", "sites"): "sites",
}
#: The same whatever the table: a cohort has a clinical table, criteria have rules.
ANYWHERE = {"clinical": "clinical", "rules": "rules", "samples": "samples",
            "treatments": "treatments"}  # fmt: skip
#: Columns of the sample sheet that name them.
SHEET = {"variants": "variants", "table": "counts"}


@dataclass(frozen=True)
class Place:
    """Where an input lies: ``kind`` is results (a path below them), config (a key), sheet (a
    column, ``of`` the sample) or unknown."""

    kind: str
    name: str
    of: str | None = None


def place(table: str, key: str, *, sample: str | None, patient: str | None) -> Place:
    """Where the input ``key`` of a table lies; sample and patient are those of its preamble.

    table : type of the table (``ctcnv.table`` without the version).
    """
    if (table, key) in CONFIG:
        return Place("config", CONFIG[table, key])
    name, _, of = key.partition(".")
    if name in ANYWHERE and not of:
        return Place("config", ANYWHERE[name])
    if name in SHEET:
        return Place("sheet", SHEET[name], of or sample)
    if name == "genes":  # of a sample where it is named, else the genes of the reference
        own = f"samples/{of}/genes.tsv" if of else "reference/genes.tsv"
        return Place("results", own, of or None)
    if name == "qc":
        return Place("results", f"samples/{of}/qc.tsv" if of else "qc.tsv", of or None)
    if name in RESULTS:
        who = of or (patient if RESULTS[name].startswith("patients/") else sample)
        if "{of}" in RESULTS[name] and who is None:
            return Place("unknown", key)
        return Place("results", RESULTS[name].format(of=who), who)
    return Place("unknown", key)


def inputs(meta: Mapping[str, str]) -> dict[str, str]:
    """The inputs of a preamble: name to sha256, without its prefix."""
    return {
        key.removeprefix("input."): value.removeprefix("sha256:")
        for key, value in meta.items()
        if key.startswith("input.")
    }
