"""Figures of a cohort from tables alone: the same tables give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ctcnv import clinic, palette
from ctcnv.plots import STYLE

#: Height of a line of a forest plot, and of its frame, in inches.
LINE, FRAME = 0.27, 0.9
#: Longest text of a line before it is cut; the table has the whole of it.
LONGEST = 54


@dataclass(frozen=True)
class Line:
    """A line of the forest plot: whose rate it is, of how many, and where it comes from."""

    label: str
    detail: str
    n: float
    rate: float
    low: float
    high: float
    evidence: str = ""
    own: bool = False
    computed: bool = True


def trial_lines(trials: pd.DataFrame) -> list[Line]:
    """The trials with a known response rate, in the table's order.

    The interval is the exact one of the counts; where there are none, that of the source.
    """
    lines = []
    for row in trials[trials["orr"].notna()].to_dict("records"):
        known = not (pd.isna(row["responders"]) or pd.isna(row["n"]))
        exact = clinic.rate(int(row["responders"]), int(row["n"])) if known else None
        selection = "" if row["selection"] is None else f"; {row['selection']}"
        lines.append(Line(
            str(row["trial"]), f"{row['drug']}{selection}",
            np.nan if pd.isna(row["n"]) else float(row["n"]),
            float(row["orr"]) if exact is None else exact.rate,
            float(row["orr_low"]) if exact is None else exact.low,
            float(row["orr_high"]) if exact is None else exact.high,
            evidence=str(row["evidence"]), computed=exact is not None,
        ))  # fmt: skip
    return lines


def forest(lines: Sequence[Line]) -> Figure:
    """Response rates with their intervals, one line each, the user's own cohort in colour.

    A line whose interval is not known is a hollow mark without whiskers.
    """
    with matplotlib.rc_context(STYLE):
        height = FRAME + LINE * max(len(lines), 1)
        figure = Figure(figsize=(11, height))
        axes = figure.add_axes((0.55, 0.55 / height, 0.23, 1 - FRAME / height))
        for index, line in enumerate(lines):
            colour = palette.VERMILLION if line.own else palette.BLUE
            known = np.isfinite(line.low) and np.isfinite(line.high)
            if known:
                axes.plot([line.low, line.high], [index, index], color=colour, lw=1.4, zorder=2)
            axes.plot(
                [line.rate], [index], marker="D" if line.own else "s", ms=5, color=colour,
                mfc=colour if known else "white", zorder=3, clip_on=False,
            )  # fmt: skip
            weight = "bold" if line.own else "normal"
            across = axes.get_yaxis_transform()
            axes.text(-2.25, index, line.label, transform=across, va="center", weight=weight)
            detail = line.detail
            if len(detail) > LONGEST:
                detail = detail[: LONGEST - 1].rstrip(" ,;") + "…"
            axes.text(-1.36, index, detail, transform=across, va="center", fontsize=7.5,
                      color=palette.MUTED)  # fmt: skip
            shown = f"{100 * line.rate:.0f} %"
            if known:
                shown += f"  ({100 * line.low:.0f}–{100 * line.high:.0f})"
            if not line.computed and known:
                shown += "*"
            axes.text(1.04, index, shown, transform=across, va="center", weight=weight)
            count = "not known" if not np.isfinite(line.n) else f"{line.n:.0f}"
            axes.text(1.62, index, count, transform=across, va="center", ha="right")
            axes.text(1.68, index, line.evidence, transform=across, va="center", fontsize=7.5,
                      color=palette.MUTED)  # fmt: skip
        axes.set_ylim(max(len(lines), 1) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        axes.grid(axis="x", color=palette.GRID, lw=0.6, zorder=0)
        axes.set_axisbelow(True)
        axes.set_xlabel("objective response rate, 95 % interval")
        for place, side, title in ((1.62, "right", "patients"), (1.68, "left", "source")):
            axes.text(place, -0.9, title, transform=axes.get_yaxis_transform(), ha=side,
                      fontsize=8, color=palette.MUTED)  # fmt: skip
        if any(not line.computed and np.isfinite(line.low) for line in lines):
            figure.text(0.01, 0.12 / height, "* interval as published; the others are exact "
                        "(Clopper-Pearson) from the counts", fontsize=7.5,
                        color=palette.MUTED)  # fmt: skip
    return figure
