"""How the page writes numbers: tables in Markdown, shares with their exact intervals."""

from __future__ import annotations

import pandas as pd
from scipy.stats import binomtest


def rate(found: int, n: int) -> str:
    """A share in percent with its exact 95 % interval."""
    if n == 0:
        return "0 of 0"
    interval = binomtest(found, n).proportion_ci(0.95, method="exact")
    low, high = 100 * interval.low, 100 * interval.high
    return f"{found} of {n}, {100 * found / n:.2f} % ({low:.2f}-{high:.2f} %)"


def shown(value: object) -> str:
    """A cell: three significant digits of a number, nothing for what is not known."""
    if value is None or pd.isna(value):
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def markdown(frame: pd.DataFrame) -> str:
    """A table in Markdown."""
    head = "| " + " | ".join(map(str, frame.columns)) + " |"
    rule = "|" + " --- |" * len(frame.columns)
    rows = ["| " + " | ".join(map(shown, row)) + " |" for row in frame.to_numpy().tolist()]
    return "\n".join([head, rule, *rows])
