"""The last words of ``ctcnv demo`` and ``ctcnv real``: a small table and where the reports are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ctcnv.io import tables
from ctcnv.schema import FRACTION, GENES

HEADER = ("sample", "day", "TF", "95 %", "ploidy", "status", "ERBB2 copies", "95 %", "call")


def found(directory: Path, samples: Sequence[tuple[str, int]]) -> str:
    """Tumor fraction, ploidy and ERBB2 of each sample, as aligned text."""
    rows = [(sample, str(day), *results(directory, sample)) for sample, day in samples]
    return aligned([HEADER, *rows])


def against_truth(directory: Path, truth: pd.DataFrame) -> str:
    """The same beside what the simulator put in; ``truth`` is a frame of schema.TRUTH."""
    header = (
        "sample", "day", "true TF", *HEADER[2:4], "true ploidy", *HEADER[4:6], "true ERBB2",
        *HEADER[6:],
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [header]
    for _, row in truth[truth["role"] == "plasma"].sort_values(["patient", "day"]).iterrows():
        tf, interval, ploidy, status, *erbb2 = results(directory, row["sample"])
        true = number(row["fraction"], 3), number(row["ploidy"], 2), number(row["erbb2_copies"], 1)
        rows.append(
            (row["sample"], str(row["day"]), true[0], tf, interval, true[1], ploidy, status,
             true[2], *erbb2)
        )  # fmt: skip
    return aligned(rows)


def results(directory: Path, sample: str) -> tuple[str, ...]:
    """The columns of HEADER after the day, from fraction.tsv and genes.tsv."""
    folder = directory / "results" / "samples" / sample
    row = tables.read(folder / "fraction.tsv", FRACTION).frame.iloc[0]
    genes = tables.read(folder / "genes.tsv", GENES).frame
    erbb2 = genes[genes["gene"] == "ERBB2"].iloc[0]
    return (
        number(row["fraction"], 3),
        f"{number(row['low'], 3)}-{number(row['high'], 3)}",
        number(row["ploidy"], 2),
        str(row["status"]),
        number(erbb2["copies"], 1),
        f"{number(erbb2['copies_low'], 1)}-{number(erbb2['copies_high'], 1)}",
        str(erbb2["call"]),
    )


def places(directory: Path) -> str:
    """Where reports, figures and tables are."""
    reports = sorted((directory / "results" / "patients").glob("*/report.html"))
    return "\n".join(
        [
            "",
            "Reports, to open in a browser:",
            *(f"  {path}" for path in reports),
            f"  {directory}/results/cohort/cohort.html (all patients)",
            f"Figures: {directory}/results/samples/*/plots",
            f"Quality of every sample: {directory}/results/qc.tsv",
        ]
    )


def number(value: float, digits: int) -> str:
    """A number with its decimals; ? when it is not known."""
    return "?" if pd.isna(value) else f"{value:.{digits}f}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text with columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
