"""The cohort's QC table as custom content of MultiQC, so that it stands beside other tools.

MultiQC is not needed for it: the two objects are plain data, and a run of MultiQC that finds their
files shows them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ctcnv.schema import QC

#: Columns of the section of its own: title, decimals, and the factor to the unit shown.
SECTION: dict[str, tuple[str, int, float, str]] = {
    "status": ("Status", 0, 1.0, ""),
    "reason": ("Why", 0, 1.0, ""),
    "patient": ("Patient", 0, 1.0, ""),
    "role": ("Role", 0, 1.0, ""),
    "day": ("Day", 0, 1.0, ""),
    "reads": ("Reads", 0, 1.0, ""),
    "fragments": ("Fragments", 0, 1.0, ""),
    "depth": ("Depth", 2, 1.0, " x"),
    "duplicates": ("Duplicates", 1, 100.0, " %"),
    "median_length": ("Length", 0, 1.0, " bp"),
    "short_share": ("Short", 1, 100.0, " %"),
    "noise": ("Noise", 2, 1.0, " x"),
    "sex": ("Sex", 0, 1.0, ""),
    "declared_sex": ("Declared sex", 0, 1.0, ""),
    "fraction": ("TF", 1, 100.0, " %"),
    "fraction_status": ("Tumor", 0, 1.0, ""),
    "erbb2_call": ("ERBB2", 0, 1.0, ""),
}
#: Those among the general statistics, where the title must name the program.
GENERAL = {"status": ("ctcnv", 0, 1.0, "")} | {
    name: SECTION[name] for name in ("fraction_status", "fraction", "erbb2_call", "depth", "noise")
}
#: Words that MultiQC colours: what is well, what to look at, what has no result.
COLOURS = {
    "status": {"pass": ["ok"], "warn": ["warn"], "fail": ["failed"]},
    "erbb2_call": {"warn": ["indeterminate"], "fail": ["failed"]},
    "fraction_status": {"fail": ["failed"]},
}
NOTE = "For research use only; not for diagnosis. Empty is not known, never zero."


def general_statistics(qc: pd.DataFrame) -> dict[str, Any]:
    """The columns that stand in MultiQC's first table, joined with other tools by sample name."""
    return {
        "id": "ctcnv_general",
        "plot_type": "generalstats",
        "headers": _headers(GENERAL),
        "data": _data(qc, GENERAL),
    }


def section(qc: pd.DataFrame) -> dict[str, Any]:
    """A section of its own with every column of the QC table."""
    return {
        "id": "ctcnv_qc",
        "section_name": "ctcnv",
        "description": f"Quality of every sample by ctcnv. {NOTE}",
        "plot_type": "table",
        "pconfig": {
            "id": "ctcnv_qc_table", "title": "ctcnv: quality", "namespace": "ctcnv",
            "col1_header": "Sample", "no_violin": True,
        },
        "headers": _headers(SECTION),
        "data": _data(qc, SECTION),
    }  # fmt: skip


def _headers(columns: dict[str, tuple[str, int, float, str]]) -> dict[str, Any]:
    known = {column.name: column for column in QC.columns}
    found: dict[str, Any] = {}
    for name, (title, digits, _, suffix) in columns.items():
        header: dict[str, Any] = {
            "title": title, "description": f"{known[name].meaning} (ctcnv)", "namespace": "ctcnv",
        }  # fmt: skip
        if known[name].kind in ("int", "float"):
            header |= {"format": f"{{:,.{digits}f}}", "suffix": suffix}
        else:
            header["scale"] = False
        if name in COLOURS:
            header["cond_formatting_rules"] = {
                level: [{"s_eq": word} for word in words] for level, words in COLOURS[name].items()
            }
        found[f"ctcnv_{name}"] = header
    return found


def _data(
    qc: pd.DataFrame, columns: dict[str, tuple[str, int, float, str]]
) -> dict[str, dict[str, Any]]:
    """Known values by sample: a value that is not there is an empty cell."""
    data: dict[str, dict[str, Any]] = {}
    for row in qc.to_dict("records"):
        values: dict[str, Any] = {}
        for name, (_, _, factor, _) in columns.items():
            value = row[name]
            if pd.isna(value) or (name == "fraction" and row["fraction_status"] != "detected"):
                continue  # below what can be told a fraction is no number to sort by
            values[f"ctcnv_{name}"] = (
                value if isinstance(value, str) else float(f"{factor * float(value):.7g}")
            )
        data[str(row["sample"])] = values
    return data
