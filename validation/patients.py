"""Real plasma with tumor as a judge: two visits of one patient, one plasma of another laboratory.

- MBC_315 (metastatic breast cancer, broadinstitute/ichorCNA): against the 27 donors of the same
  laboratory (ratios, see :mod:`validation.donors`) and beside it against the 47 of another.
- A plasma of cfdnakit's examples whose tumor fraction is about 0.36-0.39, read off its single-copy
  steps: against its own two healthy donors, and against the 47.

There is no truth for any of them; the table sets this caller beside the second opinions.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ctcnv import fraction, genes, normalize
from ctcnv.io import wig
from ctcnv.schema import chrom_key
from tests.plasma import SETTINGS
from validation import donors
from validation.page import shown

SERIAL = {
    "MBC_315_T1": "serial_plasma/MBC_315.ctDNA.reads.wig",
    "MBC_315_T2": "serial_plasma/MBC_315_T2.ctDNA.reads.wig",
}
PARAMS = "serial_plasma/MBC_315.params.txt"
CFDNAKIT = "serial_plasma/cfdnakit_example_patientcfDNA_SampleFragment.bins.tsv.gz"
CFDNAKIT_HEALTHY = {
    "healthy1": "serial_plasma/cfdnakit_ex.healthy1.bins.tsv.gz",
    "healthy2": "serial_plasma/cfdnakit_ex.healthy2.bins.tsv.gz",
}
#: What is known of the cfdnakit plasma: single-copy steps, ERBB2 neutral.
CFDNAKIT_FRACTION = "0.36-0.39"
#: What ichorCNA says of the second visit with three sets of settings, and the ploidy of the flip.
PEER_SECOND, PEER_SECOND_PLOIDY = "0, 0.052 or 0.064 by settings", "2.94 in one of them"
TARGET = "ERBB2"


# --- reading --------------------------------------------------------------------------------------


def read_cfdnakit(path: Path, bins: pd.DataFrame) -> pd.DataFrame:
    """Fragments of one of cfdnakit's tables on the atoms (COUNTS).

    Its bins are named ``1:1-1000000``, from 1 and inclusive. Raises ValueError that names the row
    whose bin is not so named.
    """
    frame = pd.read_csv(path, sep="\t")
    parts = frame["bin"].str.extract(r"^(\w+):(\d+)-(\d+)$")
    wrong = parts.isna().any(axis=1)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise ValueError(
            f"{path} row {row + 1}: bin is {frame['bin'].iloc[row]!r}; expected 'chrom:start-end'"
        )
    source = pd.DataFrame(
        {
            "chrom": parts[0],
            "start": parts[1].astype("int64") - 1,
            "end": parts[2].astype("int64"),
            "value": frame["nfragment"],
        }
    )
    return donors.on_atoms(source, bins)


def without(bins: pd.DataFrame, chromosome: str, *, reason: str) -> pd.DataFrame:
    """The atoms with those of one chromosome not usable."""
    there = bins["chrom"].map(chrom_key) == chromosome
    return bins.assign(
        usable=bins["usable"] & ~there,
        reason=bins["reason"].where(~(there & bins["usable"]), reason),
    )


def second_opinion(path: Path) -> dict[str, float]:
    """Tumor fraction, ploidy and subclonal share from a params.txt of ichorCNA."""
    told = dict(
        line.split(":", 1) for line in path.read_text().splitlines() if line.count(":") == 1
    )
    asked = {
        "fraction": "Tumor Fraction",
        "ploidy": "Ploidy",
        "subclone": "Subclone Fraction",
        "subclonal_cna": "Fraction CNA Subclonal",
    }
    missing = [name for name in asked.values() if name not in told]
    if missing:
        raise ValueError(f"{path}: no line {missing[0]!r}; expected the params.txt of ichorCNA")
    return {key: float(told[name]) for key, name in asked.items()}


# --- the run --------------------------------------------------------------------------------------


def run(data: Path) -> pd.DataFrame:
    """Each sample against each panel: one row with fraction, ploidy and the call of ERBB2."""
    bins, gene_table = donors.reference(data)
    ratios = donors.ratio_donors(data, bins)
    serial = {
        name: donors.on_atoms(wig.read_fixed_step(data / path), bins)
        for name, path in SERIAL.items()
    }
    # cfdnakit counts no Y; an empty Y must not pass for a woman's.
    no_y = without(bins, "Y", reason="not counted")
    own = {name: read_cfdnakit(data / path, no_y) for name, path in CFDNAKIT_HEALTHY.items()}
    kit = {"cfdnakit": read_cfdnakit(data / CFDNAKIT, no_y)}
    many = donors.counted_donors(data, bins)
    rows = []
    for samples, panel_name, panel_counts, atoms in (
        (serial, "27 of its laboratory", ratios.counts, ratios.bins),
        (serial, "47 of another", many, bins),
        (kit, "2 of its laboratory", own, no_y),
        (kit, "47 of another", many, no_y),
    ):
        built = donors.panel(panel_counts, atoms, gene_table)
        for name, counts in samples.items():
            rows.append(
                {"sample": name, "panel": panel_name, "normals": built.size}
                | judge(counts, atoms, gene_table, built)
            )
    return pd.DataFrame(rows)


def judge(
    counts: pd.DataFrame, bins: pd.DataFrame, gene_table: pd.DataFrame, built: donors.Built
) -> dict[str, object]:
    """One sample through normalize, fraction and genes, against a panel."""
    normal = normalize.normalize(counts, bins, panel=built.panel, settings=SETTINGS["normalize"])
    own = normalize.sample_dispersion(normal.profile, built.dispersion)
    found = fraction.estimate(normal.profile, dispersion=own, settings=SETTINGS["fraction"],
                              normals=built.normals)  # fmt: skip
    called = genes.call_genes(
        normal.profile, gene_table, found, dispersion=own, settings=SETTINGS["genes"]
    )
    gene = called.set_index("gene").loc[TARGET]
    row = {name: found.row[name] for name in (
        "fraction", "low", "high", "ploidy", "p_value", "lob", "lod", "status")}  # fmt: skip
    return row | {
        "solutions": len(found.solutions),
        "top_weight": float(found.solutions["weight"].iloc[0]) if len(found.solutions) else None,
        "pcn": gene["pcn"],
        "copies": gene["copies"],
        "copies_low": gene["copies_low"],
        "copies_high": gene["copies_high"],
        "detectable": gene["detectable_copies"],
        "call": gene["call"],
    }


# --- the chapter ----------------------------------------------------------------------------------


def chapter(rows: pd.DataFrame, *, data: Path) -> str:
    """What the caller says of each plasma, and beside it what ichorCNA says of MBC_315."""
    columns: dict[str, Callable[[dict[str, object]], str]] = {
        "sample": lambda row: str(row["sample"]),
        "panel": lambda row: f"{row['panel']} ({row['normals']} used)",
        "status": lambda row: str(row["status"]),
        "TF": lambda row: _interval(row, "fraction", "low", "high"),
        "ploidy": lambda row: shown(row["ploidy"]),
        "solutions (weight of the first)": lambda row: (
            f"{row['solutions']} ({shown(row['top_weight'])})"
        ),
        "lod": lambda row: shown(row["lod"]),
        "ERBB2 pcn": lambda row: shown(row["pcn"]),
        "ERBB2 copies": lambda row: _interval(row, "copies", "copies_low", "copies_high"),
        "ERBB2": lambda row: str(row["call"]),
    }
    lines = [
        "### Real plasma with tumor\n",
        "MBC_315 T1 and T2: one patient of the laboratory of the 27 donors. cfdnakit: a plasma "
        f"whose single-copy steps say TF {CFDNAKIT_FRACTION}, ERBB2 neutral.\n",
        "| " + " | ".join(columns) + " |",
        "| --- " * len(columns) + "|",
    ]
    lines += [
        "| " + " | ".join(make(row) for make in columns.values()) + " |"
        for row in rows.to_dict("records")
    ]
    return "\n".join([*lines, "", peers(rows, second_opinion(data / PARAMS)), ""])


def peers(rows: pd.DataFrame, opinion: dict[str, float]) -> str:
    """The comparison for MBC_315 in Markdown; ``opinion`` as of :func:`second_opinion`."""
    lines = [
        "Second opinions on MBC_315 (no truth is known):\n",
        "| caller | TF at T1 | ploidy | TF at T2 | ploidy | interval |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| ichorCNA 0.3.2 | {opinion['fraction']:.3f} | {opinion['ploidy']:.2f} | {PEER_SECOND} | "
        f"{PEER_SECOND_PLOIDY} | none given |",
    ]
    for name, part in rows[rows["sample"].isin(SERIAL)].groupby("panel"):
        by = part.set_index("sample")
        cells = [
            cell
            for sample in SERIAL
            for cell in (_interval(dict(by.loc[sample]), "fraction", "low", "high"),
                         shown(by.loc[sample, "ploidy"]))
        ]  # fmt: skip
        lines.append(f"| ctcnv, panel: {name} | {' | '.join(cells)} | 95 % |")
    lines.append(
        f"\nichorCNA puts {opinion['subclonal_cna']:.0%} of the altered genome of T1 into a "
        f"subclone of {opinion['subclone']:.0%} of the tumor cells. Its second visit has another "
        "ploidy than its first, which one tumor cannot have. A bare regression of T2 on T1, which "
        "needs neither, gives a ratio of the fractions of 0.206 +- 0.011."
    )
    return "\n".join(lines)


def _interval(row: dict[str, object], middle: str, low: str, high: str) -> str:
    if shown(row[middle]) == "":
        return ""
    return f"{shown(row[middle])} ({shown(row[low])}-{shown(row[high])})"


def main() -> None:
    """``python -m validation.patients DATA --output x.tsv``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with serial_plasma and healthy_plasma")
    parser.add_argument("--output", type=Path, required=True, metavar="x.tsv")
    args = parser.parse_args()
    logging.getLogger("ctcnv").setLevel(logging.ERROR)
    rows = run(args.data)
    rows.to_csv(args.output, sep="\t", index=False)
    print(f"{len(rows)} rows; {args.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
