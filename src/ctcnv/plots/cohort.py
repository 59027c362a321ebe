"""Figures of a cohort from tables alone: the same tables give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from ctcnv import clinic, display, outcome, palette
from ctcnv.plots import STYLE

Array = NDArray[np.float64]

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


# ---- the patients -------------------------------------------------------------------------------

#: A rise beyond this is drawn up to here with an arrow: one patient must not flatten the others.
MOST_CHANGE = 1.0
#: Genes in the matrix at most; the table has them all.
MOST_GENES = 24
#: Of them the mutated ones, which stand first.
MOST_MUTATED = 10
#: The gene that stands first.
GENE = "ERBB2"
#: Width of a patient in a figure and least width of a figure, in inches.
STEP, LEAST = 0.28, 6.0
UNKNOWN = "#c9d1d9"
#: Corners of a tile of the matrix around its place.
TILE = np.array([(-0.44, -0.42), (0.44, -0.42), (0.44, 0.42), (-0.44, 0.42)])


def _name_patients(axes: Axes, names: Sequence[str], *, along: Literal["x", "y"]) -> None:
    """Write a name at each whole number of an axis, in place of its ticks.

    A tick is five objects that are measured twice, which for 500 patients is most of the time of a
    figure; of the names only the longest makes room.
    """
    longest = max(range(len(names)), key=lambda i: len(names[i]), default=0)
    upright = along == "x"
    for place, name in enumerate(names):
        label = axes.annotate(
            name, (place, 0) if upright else (0, place),
            xycoords=(axes.get_xaxis_transform() if upright else axes.get_yaxis_transform()),
            xytext=(0, -4) if upright else (-4, 0), textcoords="offset points",
            rotation=90 if upright else 0, ha="center" if upright else "right",
            va="top" if upright else "center", fontsize=7, color=palette.MUTED,
            annotation_clip=False,
        )  # fmt: skip
        label.set_in_layout(place == longest)
    (axes.set_xticks if upright else axes.set_yticks)([])


def waterfall(patients: pd.DataFrame) -> Figure:
    """Change of the ctDNA fraction at the target day, a bar per patient from rise to fall.

    Where only a bound is known the bar is hollow and ends there; a patient without either has a
    cross, so that nobody is missing.
    """
    ratio, low, high = (
        patients[f"follow_up_ratio{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high")
    )
    shown = np.where(np.isfinite(ratio), ratio, np.where(np.isfinite(high), high, low))
    order = np.lexsort((patients["patient"].astype(str), np.where(np.isfinite(shown), -shown, 9)))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(LEAST, 1.5 + STEP * len(patients)), 3.6), layout="constrained")
        axes = figure.add_subplot()
        place = np.arange(len(order))
        change, exact = shown[order] - 1, np.isfinite(ratio[order])
        colour = np.array([_response_colour(name) for name in patients["response"].iloc[order]])
        known = np.isfinite(change)
        axes.bar(place[known], np.minimum(change[known], MOST_CHANGE), width=0.75, lw=1.2,
                 edgecolor=colour[known],
                 color=np.where(exact, colour, "white")[known])  # fmt: skip
        axes.plot(place[~known], np.zeros(np.sum(~known)), "x", color=palette.MUTED, ms=6)
        whiskers = exact & np.isfinite(low[order]) & np.isfinite(high[order])
        ends = [np.minimum(bound[order][whiskers] - 1, MOST_CHANGE) for bound in (low, high)]
        axes.vlines(place[whiskers], *ends, color=palette.INK, lw=0.8, zorder=3)
        for index in np.flatnonzero(known & (change > MOST_CHANGE)):
            axes.annotate(f"+{100 * change[index]:.0f} %", (index, MOST_CHANGE), ha="center",
                          va="bottom", fontsize=7)  # fmt: skip
        axes.axhline(0, color=palette.INK, lw=0.8)
        shown_names = [str(name) for name in patients["patient"].iloc[order]]
        _name_patients(axes, shown_names, along="x")
        axes.set_ylim(-1.05, MOST_CHANGE * 1.12)
        axes.set_xlim(-0.7, max(len(order), 1) - 0.3)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        axes.set_ylabel("change in ctDNA fraction")
        _response_legend(axes, patients)
    return figure


def _response_colour(response: object) -> str:
    return palette.RESPONSE_COLOUR.get(str(response), UNKNOWN)


def _response_legend(axes: Axes, patients: pd.DataFrame) -> None:
    used = [name for name in palette.RESPONSE if (patients["response"] == name).any()]
    marks = [Patch(color=palette.RESPONSE_COLOUR[name], label=palette.RESPONSE[name])
             for name in used]  # fmt: skip
    if used and patients["response"].isna().any():
        marks.append(Patch(color=UNKNOWN, label="Not known"))
    if marks:
        axes.legend(handles=marks, fontsize=7, frameon=False, loc="upper right", ncols=3)


#: How far below its lane a day of treatment is drawn, in lanes.
DOSE_BELOW = 0.33


def swimmer(
    patients: pd.DataFrame, samples: pd.DataFrame, treatments: pd.DataFrame | None = None
) -> Figure:
    """A lane per patient in days: survival, progression, the samples with what they showed, and
    the days of treatment where they are known (columns patient and day)."""
    length = patients[["pfs_days", "os_days", "last_day"]].max(axis="columns").to_numpy(dtype=float)
    order = np.lexsort((patients["patient"].astype(str), length))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.3 + 0.22 * len(patients)), layout="constrained")
        axes = figure.add_subplot()
        people = patients.iloc[order].reset_index(drop=True)
        lane = np.arange(len(people))
        colour = np.array([_response_colour(name) for name in people["response"]], dtype=object)
        alive, free = (people[name].to_numpy(dtype=float) for name in ("os_days", "pfs_days"))
        died, progressed = (people[name].map(lambda v: v is True or v == 1).to_numpy(dtype=bool)
                            for name in ("os_event", "pfs_event"))  # fmt: skip
        last = people["last_day"].to_numpy(dtype=float)
        begin = np.minimum(pd.to_numeric(people["day"]).to_numpy(dtype=float, na_value=0.0), 0.0)
        known = np.isfinite(alive)
        axes.hlines(lane[known], 0, alive[known], color=palette.GRID, lw=6, zorder=1)
        axes.hlines(lane, begin, np.where(np.isfinite(free), free, last), color=list(colour), lw=3,
                    zorder=2)  # fmt: skip
        for marker, at, of in (
            ("x", alive, known & died),
            ("|", free, np.isfinite(free) & progressed),
            (">", free, np.isfinite(free) & ~progressed),
            (">", alive, known & ~died),
        ):
            axes.plot(at[of], lane[of], marker, color=palette.INK, ms=6, zorder=4)
        where = dict(zip(people["patient"], lane.tolist(), strict=True))
        drawn = samples[samples["patient"].isin(list(where))]
        for status, face in (("detected", palette.PURPLE), ("not_detected", "white"),
                             ("failed", palette.INK)):  # fmt: skip
            points = drawn[drawn["status"] == status]
            axes.plot(points["day"], [where[name] for name in points["patient"]], "o", ms=5,
                      color=palette.INK, mfc=face, zorder=5)  # fmt: skip
        given = None
        if treatments is not None:
            given = treatments[treatments["patient"].isin(list(where))]
            axes.plot(given["day"].to_numpy(dtype=float),
                      [where[name] - DOSE_BELOW for name in given["patient"]], "^", ms=3.5,
                      color=palette.GREEN, zorder=6)  # fmt: skip
        shown_names = [str(name) for name in patients["patient"].iloc[order]]
        _name_patients(axes, shown_names, along="y")
        axes.set_ylim(-0.7, max(len(order), 1) - 0.3)
        axes.set_xlabel("day from the first dose")
        marks: list[Any] = [
            Line2D([], [], marker="o", ls="", color=palette.INK, mfc=colour, label=label)
            for colour, label in ((palette.PURPLE, "tumor detected"), ("white", "not detected"))
        ]
        if given is not None and len(given):
            marks.append(Line2D([], [], marker="^", ls="", ms=3.5, color=palette.GREEN,
                                label="treatment"))  # fmt: skip
        if patients["pfs_days"].notna().any():
            marks += [
                Line2D([], [], marker="|", ls="", color=palette.INK, label="progression"),
            ]
        if patients["os_days"].notna().any():
            marks += [
                Line2D([], [], marker="x", ls="", color=palette.INK, label="death"),
                Line2D([], [], color=palette.GRID, lw=6, label="overall survival"),
            ]
        if patients[["pfs_days", "os_days"]].notna().any(axis=None):
            marks.append(Line2D([], [], marker=">", ls="", color=palette.INK, label="censored"))
        figure.legend(handles=marks, fontsize=7, frameon=False, loc="outside upper left", ncols=6)
    return figure


def matrix(
    genes: pd.DataFrame, patients: pd.DataFrame, mutated: pd.DataFrame | None = None
) -> Figure:
    """Calls of the altered genes of each patient's first sample: a column each, ERBB2 on top; and
    which genes are mutated (columns patient and gene)."""
    altered = genes.loc[genes["call"].isin(["amplified", "gained", "lost"]), ["gene", "patient"]]
    if mutated is None:
        mutated = altered.iloc[:0]
    count = pd.concat([altered, mutated]).groupby("gene")["patient"].nunique()
    often = sorted(mutated["gene"].unique(), key=lambda name: (-count[name], name))[:MOST_MUTATED]
    names = sorted(count.index, key=lambda name: (name != GENE, name not in often, -count[name],
                                                  name))[:MOST_GENES]  # fmt: skip
    if GENE not in names and (genes["gene"] == GENE).any():
        names = [GENE, *names[: MOST_GENES - 1]]
    calls = {(row.gene, row.patient): str(row.call) for row in display.rows(genes)}
    rank = {call: place for place, call in enumerate(palette.CALL_COLOUR)}
    people = sorted(
        patients["patient"],
        key=lambda who: (*(rank.get(calls.get((name, who), ""), 9) for name in names), who),
    )  # fmt: skip
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(max(LEAST, 2.2 + STEP * len(people)), 1.4 + 0.21 * max(len(names), 1)),
            layout="constrained",
        )
        axes = figure.add_subplot()
        for call, colour in palette.CALL_COLOUR.items():
            places = [(x, y) for y, name in enumerate(names) for x, who in enumerate(people)
                      if calls.get((name, who)) == call]  # fmt: skip
            dotted = call == "indeterminate"
            tiles = np.array(places, dtype=float).reshape(-1, 1, 2) + TILE
            axes.add_collection(PolyCollection(
                tiles, facecolor=colour, edgecolor=palette.MUTED, lw=0.6 if dotted else 0,
                ls=":" if dotted else "-",
            ), autolim=False)  # fmt: skip
        column = {who: x for x, who in enumerate(people)}
        row = {name: y for y, name in enumerate(names)}
        small = mutated[mutated["gene"].isin(names) & mutated["patient"].isin(people)]
        axes.plot([column[who] for who in small["patient"]], [row[name] for name in small["gene"]],
                  "s", ms=5, color=palette.INK, mec="white", mew=0.8)  # fmt: skip
        axes.set_xlim(-0.6, max(len(people), 1) - 0.4)
        axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
        _name_patients(axes, people, along="x")
        shown = [f"{name}  {count.get(name, 0)}/{len(people)}" for name in names]
        axes.set_yticks(range(len(names)), shown, fontsize=8)
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        marks: list[Any] = [
            Patch(facecolor=palette.CALL_COLOUR[call], label=word, edgecolor=palette.MUTED,
                  lw=0.6 if call == "indeterminate" else 0,
                  ls=":" if call == "indeterminate" else "-")
            for call, word in palette.CALL.items() if (genes["call"] == call).any()
        ]  # fmt: skip
        if len(small):
            marks.append(Line2D([], [], marker="s", ls="", ms=5, color=palette.INK, mec="white",
                                label="Mutated"))  # fmt: skip
        if marks:
            figure.legend(handles=marks, fontsize=7, frameon=False, loc="outside upper left",
                          ncols=7)  # fmt: skip
    return figure


# ---- outcome ------------------------------------------------------------------------------------


def by_response(patients: pd.DataFrame) -> Figure:
    """Tumor fraction and ERBB2 copies of the first sample by best response, a point per patient.

    A fraction counts where a tumor was detected: below that it is no number to compare.
    """
    detected = patients["status"] == "detected"
    patients = patients.assign(fraction=patients["fraction"].where(detected))
    kinds = [name for name in palette.RESPONSE if (patients["response"] == name).any()]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, column, label in (
            (panels[0], "fraction", "tumor fraction"),
            (panels[1], "erbb2_copies", "ERBB2 copies per tumor cell"),
        ):
            for place, kind in enumerate(kinds):
                inside = patients[(patients["response"] == kind) & patients[column].notna()]
                values = inside[column].to_numpy(dtype=float)
                # side by side in the order of the values: the same picture every time
                offset = 0.12 * (np.arange(len(values)) % 5 - 2)
                order = np.argsort(values, kind="stable")
                axes.plot(place + offset, values[order], "o", ms=4.5, mew=0,
                          color=palette.RESPONSE_COLOUR[kind])  # fmt: skip
                if len(values):
                    axes.plot([place - 0.3, place + 0.3], [np.median(values)] * 2,
                              color=palette.INK, lw=1.4)  # fmt: skip
            known = [int(((patients["response"] == kind) & patients[column].notna()).sum())
                     for kind in kinds]  # fmt: skip
            shown = [f"{kind}\n{n}" for kind, n in zip(kinds, known, strict=True)]
            axes.set_xticks(range(len(kinds)), shown)
            axes.set_xlim(-0.6, max(len(kinds), 1) - 0.4)
            axes.set_ylabel(label)
        panels[0].set_ylim(bottom=0)
        if (patients["erbb2_copies"] > 0).any():
            panels[1].set_yscale("log", base=2)
            panels[1].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return figure


def kaplan_meier(
    patients: pd.DataFrame, groups: Sequence[outcome.Group], statistics: pd.DataFrame, *, of: str
) -> Figure:
    """Curves of one outcome, a panel per division of the patients, with the test's p-values."""
    with matplotlib.rc_context(STYLE):
        columns = min(3, max(len(groups), 1))
        lines = -(-max(len(groups), 1) // columns)
        figure = Figure(figsize=(3.7 * columns, 3.2 * lines), layout="constrained")
        panels = np.atleast_1d(figure.subplots(lines, columns, squeeze=False)).ravel()
        for axes, group in zip(panels, groups, strict=False):
            time, event, given = outcome.at_risk(patients, of, group)
            used = given & group.known
            labels = sorted(set(group.labels[used].tolist()))
            for place, label in enumerate(labels):
                inside = used & (group.labels == label)
                curve, _ = clinic.survival(time[inside], event[inside])
                colour = palette.GROUPS[place % len(palette.GROUPS)]
                last = max([*curve.time, *curve.censored])
                axes.step([*curve.time, last], [*curve.alive, curve.alive[-1]], where="post",
                          color=colour, lw=1.4,
                          label=f"{label} (n = {int(inside.sum())})")  # fmt: skip
                axes.fill_between(curve.time, curve.low, curve.high, step="post", color=colour,
                                  alpha=0.13, lw=0)  # fmt: skip
                at = [float(curve.alive[np.searchsorted(curve.time, t, "right") - 1])
                      for t in curve.censored]  # fmt: skip
                axes.plot(curve.censored, at, "|", color=colour, ms=6)
            test = statistics[(statistics["analysis"] == "survival by group")
                              & (statistics["outcome"] == of)
                              & (statistics["predictor"] == group.name)]  # fmt: skip
            said = ""
            if len(test) and pd.notna(test["p_value"].iloc[0]):
                row = test.iloc[0]
                said = f"{row['method']}: p {row['p_value']:.2g}, corrected {row['p_adjusted']:.2g}"
            axes.set_title(f"{group.name}\n", loc="left", fontsize=9)
            axes.text(0, 1.03, said, transform=axes.transAxes, fontsize=7, color=palette.MUTED)
            axes.set_ylim(0, 1.02)
            axes.set_xlim(left=0)
            start = "the sample" if group.from_day is not None else "the first dose"
            axes.set_xlabel(f"days from {start}", fontsize=8)
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
            axes.legend(fontsize=7, frameon=False, loc="upper right")
            _numbers_at_risk(axes, [time[used & (group.labels == label)] for label in labels])
        for axes in panels[len(groups) :]:
            axes.set_visible(False)
    return figure


def _numbers_at_risk(axes: Axes, times: Sequence[Array]) -> None:
    """How many patients of each group are followed up to a tick or longer, a line per group."""
    axes.locator_params(axis="x", nbins=5)
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    axes.set_xticks(ticks)
    axes.set_xlim(low, high)
    for place, time in enumerate(times):
        for tick in ticks:
            axes.annotate(
                f"{np.sum(time >= tick)}", (tick, 0), xycoords=("data", "axes fraction"),
                xytext=(0, -33 - 10 * place), textcoords="offset points", ha="center", va="top",
                fontsize=7, color=palette.GROUPS[place % len(palette.GROUPS)],
            )  # fmt: skip
    if times:
        axes.annotate("at risk", (0, 0), xycoords="axes fraction", xytext=(-13, -33),
                      textcoords="offset points", ha="right", va="top", fontsize=7,
                      color=palette.MUTED)  # fmt: skip


def roc(patients: pd.DataFrame, statistics: pd.DataFrame) -> Figure:
    """ROC curves of what responders are ranked by, with areas and intervals."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=palette.GRID, lw=1)
        given = patients["responder"].notna().to_numpy(dtype=bool)
        responded = patients["responder"].map(lambda v: v is True or v == 1).to_numpy(dtype=bool)
        areas = {str(row["predictor"]): row for row in
                 statistics[statistics["analysis"] == "roc"].to_dict("records")}  # fmt: skip
        for place, (name, score) in enumerate(outcome.scores(patients).items()):
            used = given & np.isfinite(score)
            if name not in areas or pd.isna(areas[name]["estimate"]):
                continue
            false, true = clinic.roc(score[used], responded[used])
            row = areas[name]
            bounds = "" if pd.isna(row["low"]) else f" ({row['low']:.2f}–{row['high']:.2f})"
            said = f"{name}\n{row['estimate']:.2f}{bounds}, n = {int(row['n'])}"
            axes.plot(false, true, color=palette.GROUPS[place], lw=1.5, label=said)
        axes.set_xlabel("non-responders at or above (false positives)")
        axes.set_ylabel("responders at or above (true positives)")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.01)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, frameon=False, loc="lower right")
    return figure
