"""The published trials that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pandas as pd

from ctcnv.io import tables
from ctcnv.schema import TRIALS


def read_trials(path: Path | None = None) -> pd.DataFrame:
    """The TRIALS table of the package, or of a file of the same format.

    Raises ValueError when a row contradicts itself: a rate that is not the one of its counts, or
    an interval that does not hold its value.
    """
    if path is not None:
        return checked(tables.read(path, TRIALS).frame, source=str(path))
    found = resources.files("ctcnv").joinpath("data/trials.tsv")
    with resources.as_file(found) as file:
        return checked(tables.read(file, TRIALS).frame, source="trials.tsv")


#: A rate in per cent without decimals is off by half of one.
ROUNDING = 0.0055


def checked(frame: pd.DataFrame, *, source: str) -> pd.DataFrame:
    """The table, refused with file, row and trial when a row contradicts itself."""
    for number, row in enumerate(frame.to_dict("records"), start=1):
        where = f"{source} row {number} ({row['trial']})"
        counts = row["responders"], row["n"]
        if not any(map(pd.isna, (*counts, row["orr"]))) and (
            abs(counts[0] / counts[1] - row["orr"]) > ROUNDING
        ):
            raise ValueError(
                f"{where}: {counts[0]} of {counts[1]} is not {row['orr']:g}; correct one of them"
            )
        for name in ("orr", "pfs", "os"):
            value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
            if value < low or value > high:
                raise ValueError(
                    f"{where}: {name} {value:g} lies outside {low:g} to {high:g}; correct one"
                )
    return frame
