"""Concurrent alterations of a plasma sample: what it carries beside ERBB2, in which share of the
tumor cells, and whether it is known to confer resistance; and the stratum that follows.

That an alteration was not seen is told as absent only where it would have been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ctcnv.model import CriteriaSettings
from ctcnv.protein import listed, silent
from ctcnv.schema import ALTERATIONS, STRATA

Row = Mapping[Any, Any]

TARGET = "ERBB2"
TREATMENTS = {"anti_her2": "anti-HER2", "anti_egfr": "anti-EGFR"}
#: Evidence that puts a patient into the stratum with a concurrent alteration: patients' outcome
#: under the treatment. Candidates are shown and decide nothing.
DECIDING = "clinical"
#: Calls of a gene that say that it is not amplified.
NOT_AMPLIFIED = ("neutral", "gained", "lost")
#: How the reason begins of a variant that was left out although it may be of the tumor.
UNKNOWN_VARIANT = ("depth ", "reads or depth")
#: Where the rules of the strata stand.
HER2_RULE = "call of ERBB2 in genes.tsv: amplified, or not"
CONCURRENT_RULE = (
    "a used mutation, or a gene called amplified, that the table of resistance has with clinical "
    "evidence against anti-HER2 or anti-EGFR treatment (a mutation whose change of the protein is "
    "not known counts); ERBB2 amplification itself does not count"
)

#: A stratum in words: ERBB2, and alterations beside it.
OF_HER2 = {True: "HER2 amplified", False: "HER2 not amplified", None: "HER2 not evaluable"}
OF_CONCURRENT = {True: "with a concurrent alteration", False: "without a concurrent alteration",
                 None: "concurrent alterations not evaluable"}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """The tables of one sample that criteria and strata are read from.

    fraction : the row of FRACTION; genes : GENES; mutations : MUTATIONS; grid : GRID; track : the
    sample's row of TRACK.
    """

    sample: str
    day: int
    fraction: Row
    genes: pd.DataFrame
    mutations: pd.DataFrame
    grid: pd.DataFrame
    track: Row

    @property
    def detected(self) -> bool:
        """Whether tumor DNA is detected, so that its fraction is known."""
        return bool(self.fraction["status"] == "detected")

    def gene(self, name: str) -> Row | None:
        """The row of a gene, None where it was not tested."""
        found = self.genes[self.genes["gene"] == name]
        return None if found.empty else found.to_dict("records")[0]


# Alterations -------------------------------------------------------------------------------------


def alterations(facts: Facts, known: pd.DataFrame, *, settings: CriteriaSettings) -> pd.DataFrame:
    """The ALTERATIONS table of a sample: its used mutations in the order of the input, then its
    amplified genes. known : RESISTANCE."""
    rows = [_mutation(row, facts, known, settings)
            for row in facts.mutations.to_dict("records") if row["used"]]  # fmt: skip
    rows += [_amplification(row, facts, known)
             for row in facts.genes.to_dict("records") if row["call"] == "amplified"]  # fmt: skip
    return ALTERATIONS.check(pd.DataFrame(rows, columns=ALTERATIONS.names))


def _mutation(
    row: Row, facts: Facts, known: pd.DataFrame, settings: CriteriaSettings
) -> dict[str, object]:
    state, why = clonality(row, facts.fraction, settings=settings)
    shared = ("gene", "chrom", "start", "end", "protein", "ref", "alt", "vaf", "vaf_low",
              "vaf_high", "copies", "multiplicity", "ccf", "ccf_low", "ccf_high")  # fmt: skip
    line: dict[str, object] = {name: row[name] for name in shared}
    if not facts.detected:
        # Copies and shares were read off a fraction that is not told to be there.
        line |= dict.fromkeys(("copies", "multiplicity", "ccf", "ccf_low", "ccf_high"))
    return {"sample": facts.sample, "day": facts.day, "kind": "mutation", **line,
            "clonality": state, **_known(_entries(row, "mutation", known)),
            "reason": why}  # fmt: skip


def clonality(row: Row, fraction: Row, *, settings: CriteriaSettings) -> tuple[str, str | None]:
    """Whether a mutation is clonal, subclonal or neither can be told, and why not.

    subclonal : the interval of the cancer-cell fraction lies below 1; clonal : it reaches 1 and
    lies above ``clonal_ccf``.
    """
    if fraction["status"] != "detected":
        return "not_evaluable", "the tumor fraction is not known"
    if pd.isna(row["ccf"]):
        return "not_evaluable", "more reads than the tumor fraction explains"
    alone = fraction["method"] == "mutations"
    if alone and fraction["n_mutations"] == 1:
        return "not_evaluable", "the tumor fraction is that of this mutation"
    why = "the tumor fraction is that of the mutations themselves" if alone else None
    if row["ccf_high"] < 1:
        return "subclonal", why
    if row["ccf_low"] >= settings.clonal_ccf:
        return "clonal", why
    return "not_evaluable", (
        f"in all tumor cells or in {100 * row['ccf_low']:.0f} % of them; the interval is too wide"
    )


def _amplification(row: Row, facts: Facts, known: pd.DataFrame) -> dict[str, object]:
    shared = ("gene", "chrom", "start", "end", "copies", "copies_low", "copies_high")
    return {"sample": facts.sample, "day": facts.day, "kind": "amplification",
            **{name: row[name] for name in shared}, "clonality": "not_evaluable",
            **_known(_entries(row, "amplification", known)),
            "reason": "copies are a mean over all tumor cells"}  # fmt: skip


def _entries(row: Row, kind: str, known: pd.DataFrame) -> list[Row]:
    """What RESISTANCE says of a mutation or an amplified gene: a mutation whose change of the
    protein is known must be among those of the entry, one whose change is not known counts."""
    found = known[(known["gene"] == row["gene"]) & (known["alteration"] == kind)]
    entries: list[Row] = list(found.to_dict("records"))
    protein = row["protein"] if kind == "mutation" else None
    if not isinstance(protein, str):
        return entries
    return [
        one for one in entries
        if listed(protein, one["change"] if isinstance(one["change"], str) else "")
    ]  # fmt: skip


def _known(entries: Sequence[Row]) -> dict[str, object]:
    """Evidence of resistance by treatment, and the sources; None where nothing is known."""
    line: dict[str, object] = {
        column: next((one["evidence"] for one in entries if one["treatment"] == treatment), None)
        for column, treatment in TREATMENTS.items()
    }
    said = [f"{one['treatment']}: {one['setting']} ({one['source']})" for one in entries]
    return line | {"source": "; ".join(said) or None}


def changes_protein(row: Row) -> bool:
    """Whether a mutation is not known to leave the protein as it was."""
    return not (isinstance(row["protein"], str) and silent(row["protein"]))


# What is absent ----------------------------------------------------------------------------------


def mutated(
    facts: Facts,
    genes: Iterable[str],
    *,
    settings: CriteriaSettings,
    counts: Callable[[Row], bool] = changes_protein,
) -> tuple[bool | None, str]:
    """Whether one of the genes has a used mutation that counts; None, with the reason, when that
    cannot be told.

    Absent is told where the sheet gives variants, their assay covers the genes (``assayed_genes``)
    and the tumor fraction is ``absence_fraction`` or more.
    """
    wanted = list(genes)
    table = facts.mutations
    of_genes = [row for row in table.to_dict("records") if row["gene"] in wanted]
    found = [_named(row) for row in of_genes if row["used"] and counts(row)]
    if found:
        return True, f"mutated: {', '.join(dict.fromkeys(found))}"
    if pd.isna(facts.fraction["n_mutations"]):
        return None, "mutations: no variants were given"
    for row in of_genes:
        if str(row["reason"]).startswith(UNKNOWN_VARIANT):
            return None, f"mutations: one of {row['gene']} was left out ({row['reason']})"
    covered = settings.assayed_genes.split(",")
    missing = [gene for gene in wanted if gene not in covered]
    if missing:
        return None, (
            f"mutations: whether the assay covers {', '.join(missing)} is not known "
            "(criteria.assayed_genes)"
        )
    fraction = facts.fraction["fraction"]
    if not facts.detected or not fraction >= settings.absence_fraction:
        return None, (
            f"mutations: none was seen, but the tumor fraction is not known to reach "
            f"{settings.absence_fraction:g}"
        )
    return False, f"no mutation of {', '.join(wanted)}"


def _named(row: Row) -> str:
    """A mutation as it is called: gene and, where it is known, the change of the protein."""
    return f"{row['gene']} {row['protein']}" if isinstance(row["protein"], str) else row["gene"]


def amplified(facts: Facts, genes: Iterable[str]) -> tuple[bool | None, str]:
    """Whether one of the genes is amplified; None, with the reason, when one cannot be told."""
    calls = {gene: facts.gene(gene) for gene in genes}
    found = [gene for gene, row in calls.items() if row is not None and row["call"] == "amplified"]
    if found:
        return True, f"amplified: {', '.join(found)}"
    unclear = [f"{gene} {'not tested' if row is None else row['call']}"
               for gene, row in calls.items()
               if row is None or row["call"] not in NOT_AMPLIFIED]  # fmt: skip
    if unclear:
        return None, f"amplifications: {', '.join(unclear)}"
    return False, f"no amplification of {', '.join(calls)}"


# Strata ------------------------------------------------------------------------------------------


def stratum(facts: Facts, known: pd.DataFrame, *, settings: CriteriaSettings) -> dict[str, object]:
    """The row of STRATA of a sample: ERBB2 in plasma, and concurrent alterations of resistance."""
    her2, of_her2 = amplified(facts, [TARGET])
    deciding = known[known["evidence"] == DECIDING]
    by_kind = {
        kind: list(dict.fromkeys(deciding[deciding["alteration"] == kind]["gene"]))
        for kind in ("mutation", "amplification")
    }
    others = [gene for gene in by_kind["amplification"] if gene != TARGET]
    parts = [
        mutated(facts, by_kind["mutation"], settings=settings,
                counts=lambda row: bool(_entries(row, "mutation", deciding))),
        amplified(facts, others),
    ]  # fmt: skip
    concurrent = _any([value for value, _ in parts])
    said = [why for value, why in parts if value is concurrent]
    return {
        "sample": facts.sample,
        "day": facts.day,
        "her2": _answer(her2),
        "her2_rule": HER2_RULE,
        "her2_reason": of_her2,
        "concurrent": _answer(concurrent),
        "concurrent_rule": CONCURRENT_RULE,
        "concurrent_reason": "; ".join(said),
        "stratum": f"{OF_HER2[her2]}, {OF_CONCURRENT[concurrent]}",
    }


def strata(
    samples: Iterable[Facts], known: pd.DataFrame, *, settings: CriteriaSettings
) -> pd.DataFrame:
    """The STRATA table of some samples."""
    rows = [stratum(facts, known, settings=settings) for facts in samples]
    return STRATA.check(pd.DataFrame(rows, columns=STRATA.names))


def _any(values: list[bool | None]) -> bool | None:
    """True when one is; False when all are known not to be; else not known."""
    if True in values:
        return True
    return None if None in values else False


def _answer(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "not_evaluable"}[value]
