"""Healthy plasma judged leave-one-out: how often the caller sees a tumor or an altered gene.

Reads the panel that ``ctcnv real`` has built from 47 real healthy donors; each of its checks was
made with a panel without the donor.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ctcnv.detection import LOB_CENTILE
from ctcnv.io import tables
from ctcnv.schema import DISPERSION, DONORS, PON_GENES
from validation.page import rate

#: p-value of a score at the limit of blank (``detection.LOB_CENTILE``).
BLANK = 1 - LOB_CENTILE


def table(results: Path, *, level: float) -> pd.DataFrame:
    """Rates of false positives among the donors."""
    donors = tables.read(results / "reference" / "pon.donors.tsv", DONORS).frame
    genes = tables.read(results / "reference" / "pon.genes.tsv", PON_GENES).frame
    tested = donors[donors["p_value"].notna()]
    erbb2 = genes[genes["gene"] == "ERBB2"].iloc[0]
    return pd.DataFrame(
        [
            ("donors in the panel", f"{int(donors['used'].sum())} of {len(donors)}"),
            (f"tumor detected (p <= {level:g})",
             rate(int((tested["p_value"] <= level).sum()), len(tested))),
            ("gene gained, all genes",
             rate(int(genes["false_gains"].sum()), int(genes["n_normals"].sum()))),
            ("ERBB2 gained", rate(int(erbb2["false_gains"]), int(erbb2["n_normals"]))),
            ("largest z of ERBB2 in a healthy donor", f"{erbb2['max_z']:.2f}"),
            ("standard deviation of the ERBB2 ratio between donors", f"{erbb2['sd']:.3f}"),
        ],
        columns=["what", "measured"],
    )  # fmt: skip


def together(results: Path, others: pd.DataFrame, *, level: float) -> str:
    """The donors of ``results`` and those of ``validation.donors``: how many lie beyond the level
    of a call, and beyond the limit of blank, which 5 % of healthy plasma are to exceed."""
    donors = tables.read(results / "reference" / "pon.donors.tsv", DONORS).frame
    p = pd.concat([donors["p_value"], pd.to_numeric(others["p_value"], errors="coerce")]).dropna()
    found = [f"{rate(int((p <= at).sum()), len(p))} with p <= {at:g}" for at in (level, BLANK)]
    return f"Both sets of donors: {found[0]}, {found[1]}.\n"


def dispersion(results: Path) -> pd.DataFrame:
    """Over-dispersion of the donors by size of region."""
    return tables.read(results / "reference" / "pon.dispersion.tsv", DISPERSION).frame
