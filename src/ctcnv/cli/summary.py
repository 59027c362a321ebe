"""The last words of ``ctcnv run``, ``demo`` and ``real``: a small table, where the reports are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ctcnv.cli.failure import FAILED
from ctcnv.io import tables
from ctcnv.schema import FRACTION, GENES, QC

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


# Of a run ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """How a sample or a patient came out: ok, not evaluable or failed, with the reason."""

    name: str
    outcome: str
    reason: str


def outcomes(directory: Path, samples: pd.DataFrame) -> list[Outcome]:
    """Every sample of a sheet, then what is missing of patients and cohort, by the tables there.

    ``failed``: the file could not be used, or a job did not end. ``not evaluable``: analysed, and
    nothing can be said.
    """
    results = directory / "results"
    found = [_of_sample(results / "samples" / name, name, role)
             for name, role in zip(samples["sample"], samples["role"], strict=True)]  # fmt: skip
    plasma = samples[samples["role"] == "plasma"]
    for patient in sorted(plasma["patient"].unique()):
        if not (results / "patients" / patient / "report.html").is_file():
            found.append(Outcome(f"patient {patient}", "failed", f"no report; see logs/{patient}"))
    for name in ("qc.tsv", "cohort/cohort.html"):
        if not (results / name).is_file():
            found.append(Outcome("cohort", "failed", f"no results/{name}; see logs/cohort"))
    return found


def _of_sample(folder: Path, name: str, role: str) -> Outcome:
    path = folder / ("qc.tsv" if role == "plasma" else "counts.tsv.gz")
    if not path.is_file():
        return Outcome(name, "failed", f"no results; see logs/{name}")
    try:
        known = tables.preamble(path)
        if FAILED in known:
            return Outcome(name, "failed", known[FAILED])
        row = tables.read(path, QC).frame.iloc[0] if role == "plasma" else None
    except ValueError as error:
        return Outcome(name, "failed", str(error))
    if row is not None and row["status"] == "failed":
        return Outcome(name, "not evaluable", str(row["reason"]))
    return Outcome(name, "ok", "")


def of_run(found: Sequence[Outcome], *, most: int) -> str:
    """The samples that need a look, one line each, and how many of each outcome there are."""
    odd = [each for each in found if each.outcome != "ok"]
    rows = [("sample", "outcome", "reason")]
    rows += [(each.name, each.outcome, each.reason) for each in odd[:most]]
    lines = [aligned(rows), ""] if odd else []
    if len(odd) > most:
        lines.insert(1, f"and {len(odd) - most} more, see results/qc.tsv")
    counts = {word: sum(each.outcome == word for each in found)
              for word in ("ok", "not evaluable", "failed")}  # fmt: skip
    lines.append(", ".join(f"{n} {word}" for word, n in counts.items()) + "; see results/qc.tsv,"
                 " results/cohort/cohort.html and results/patients/*/report.html")  # fmt: skip
    return "\n".join(lines)
