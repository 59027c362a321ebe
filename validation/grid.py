"""Simulated tumors over fraction, ploidy and depth: error, interval coverage and detection.

Whole path from counts (normalize with a panel, fraction, genes), on a human genome of 1-Mb atoms.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ctcnv import fraction, genes, normalize
from ctcnv.simulate import Segment, Tumor
from tests import plasma

FRACTIONS = (0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4, 0.6)
#: Fragments of a library and the depth they stand for in a human genome.
DEPTHS = {"0.1x": 1_500_000, "1x": 15_000_000}
#: Copies of a segment in a diploid tumor and how often they are met; 2 is the rest.
COPIES, CHANCE = (2, 1, 3, 4, 0, 5), (0.60, 0.16, 0.17, 0.05, 0.005, 0.015)
MEAN_SEGMENT_BP = 60_000_000
SUBCLONAL = 0.1


def random_tumor(rng: np.random.Generator, *, doubled: bool, erbb2: float) -> Tumor:
    """A tumor of random segments; in a doubled genome each is doubled and some change again."""
    bins = plasma.bins()
    ends = bins.groupby("chrom", sort=False)["end"].max()
    segments = []
    for chrom, end in ends.items():
        start = 0
        while start < end:
            stop = min(int(end), start + 5_000_000 + int(rng.exponential(MEAN_SEGMENT_BP)))
            copies = float(rng.choice(COPIES, p=CHANCE))
            if copies != 2 and rng.random() < SUBCLONAL:
                copies = 2 + (copies - 2) * float(rng.uniform(0.2, 0.8))
            if doubled:
                copies = max(0.0, 2 * copies + float(rng.choice((-1, 0, 1), p=(0.2, 0.6, 0.2))))
            if str(chrom) not in ("chrX", "chrY"):
                segments.append(Segment(str(chrom), start, stop, copies))
            start = stop
    segments.append(plasma.whole("chr17", erbb2, 37, 41))
    return Tumor(tuple(segments), base=4.0 if doubled else 2.0)


def run(*, repeats: int, seed: int) -> pd.DataFrame:
    """One row a simulated sample: truth and result."""
    rng = np.random.default_rng(seed)
    panel, dispersion = plasma.panel()
    use = plasma.SETTINGS
    rows = []
    for doubled in (False, True):
        for depth, fragments in DEPTHS.items():
            library = replace(plasma.USUAL, fragments=fragments)
            for truth in FRACTIONS:
                for _ in range(repeats):
                    erbb2 = float(rng.choice((4.0 if doubled else 2.0, 20.0)))
                    tumor = random_tumor(rng, doubled=doubled, erbb2=erbb2)
                    drawn = plasma.counts(
                        tumor=tumor, fraction=truth, seed=int(rng.integers(2**31)), library=library
                    )
                    made = normalize.normalize(
                        drawn, plasma.bins(), panel=panel, settings=use["normalize"]
                    )
                    own = normalize.sample_dispersion(made.profile, dispersion)
                    found = fraction.estimate(
                        made.profile,
                        dispersion=own,
                        settings=use["fraction"],
                        normals=plasma.libraries(),
                    )
                    table = genes.call_genes(
                        made.profile, plasma.gene_table(), found, dispersion=own,
                        settings=use["genes"],
                    ).set_index("gene")  # fmt: skip
                    rows.append(_row(doubled, depth, truth, erbb2, found, table.loc["ERBB2"]))
    return pd.DataFrame(rows)


def _row(
    doubled: bool, depth: str, truth: float, erbb2: float, found: fraction.FractionResult,
    gene: pd.Series,
) -> dict[str, object]:  # fmt: skip
    row = found.row
    return {
        "doubled": doubled, "depth": depth, "truth": truth, "erbb2": erbb2,
        "fraction": row["fraction"], "covered": row["low"] <= truth <= row["high"],
        "width": row["high"] - row["low"], "detected": row["status"] == "detected",
        "ploidy": row["ploidy"], "call": gene["call"],
        "copies_covered": float(gene["copies_low"] <= erbb2 <= gene["copies_high"])
        if np.isfinite(gene["copies"]) else float("nan"),
    }  # fmt: skip
