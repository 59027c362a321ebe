"""Figures of one sample for slides and papers, from tables alone.

Every function gives a matplotlib Figure and touches no global state; ``render`` turns it into the
bytes of an SVG or PNG file, the same bytes for the same tables.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ctcnv import display, palette
from ctcnv.schema import chrom_key

GENE = "ERBB2"
#: Points of a figure: more would not be told apart on paper.
GENOME_WINDOWS = 2500
CHROMOSOME_WINDOWS = 400
NEIGHBOURHOOD_WINDOWS = 150
#: Expected fragments of a point at the least: 18 % counting noise.
POINT_FRAGMENTS = 30
DPI = 200
#: In a PDF a figure is shrunk to the page's width, so that this gives 200 points an inch of paper.
DPI_ON_PAPER = 130
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": palette.MUTED,
    "axes.labelcolor": palette.INK,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "text.color": palette.INK,
    "svg.fonttype": "none",  # text stays text, so that a figure can be edited
    "svg.hashsalt": "ctcnv",  # ids that do not change from run to run
}
Y_LABEL = "plasma copy number"


def genome(
    profile: pd.DataFrame,
    segments: pd.DataFrame,
    fraction: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    sample: str,
) -> Figure:
    """Genome-wide profile of a sample: windows as points, segments as lines, ERBB2 marked."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.3), layout="constrained")
        axes = figure.add_subplot()
        line = display.genome([profile])
        size = display.atoms_per_window(len(profile), at_most=GENOME_WINDOWS)
        windows = display.windows(profile, atoms=size)
        shown = display.shown_segments(profile, segments)
        limits = _copy_axis(axes, windows, shown, genes[genes["gene"] == GENE])
        middles = []
        for index, name in enumerate(line.names):
            offset, length = line.offset(name), line.length(name)
            middles.append(offset + length / 2)
            if index % 2:
                axes.axvspan(offset, offset + length, color="#f6f8fa", zorder=0, lw=0)
            part = windows[windows["chrom"] == name]
            _points(axes, part, limits, offset, palette.CHROMOSOME[index % 2], size=2.2)
            _segments(axes, shown[shown["chrom"] == name], limits, offset, line.total)
        _mark_genes(axes, genes, line, limits)
        axes.set_xlim(0, line.total)
        axes.set_xticks(middles, line.names, fontsize=8)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("chromosome")
        _say_when_empty(axes, windows)
        axes.set_title(_headline(sample, fraction, genes), loc="left", fontsize=10, pad=18)
    return figure


def chr17(
    profile: pd.DataFrame, segments: pd.DataFrame, genes: pd.DataFrame, *, sample: str
) -> Figure:
    """The chromosome of ERBB2: all of it above, the neighbourhood with the gene boxes below.

    Raises ValueError when the genes do not hold ERBB2.
    """
    rows = genes[genes["gene"] == GENE]
    if rows.empty:
        raise ValueError(f"genes of {sample!r}: {GENE} is missing; add it to the gene table")
    gene = rows.iloc[0]
    chrom = str(gene["chrom"])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 6), layout="constrained")
        whole, near, strip = figure.subplots(3, 1, height_ratios=[1, 1, 0.13])
        shown = display.shown_segments(profile, segments)
        atoms = display.region(profile, chrom, 0, int(profile["end"].max()))
        end = int(atoms["end"].max()) if len(atoms) else int(gene["end"])
        start, stop = display.neighbourhood(profile, gene)
        _stretch(whole, atoms, shown, gene, (0, end), at_most=CHROMOSOME_WINDOWS)
        whole.axvspan(start, stop, color=palette.ERBB2, alpha=0.08, lw=0, zorder=0)
        whole.set_title(f"{sample}: chromosome {chrom_key(chrom)}", loc="left", fontsize=10)
        part = display.region(profile, chrom, start, stop)
        _stretch(near, part, shown, gene, (start, stop), at_most=NEIGHBOURHOOD_WINDOWS)
        _amplicon(near, gene)
        near.set_title(f"{GENE} and its neighbourhood", loc="left", fontsize=10)
        near.set_xlabel(f"position on chromosome {chrom_key(chrom)} (Mb)")
        _gene_boxes(strip, display.region(genes, chrom, start, stop), (start, stop))
    return figure


def render(figure: Figure, kind: Literal["svg", "png"], *, dpi: int = DPI) -> bytes:
    """The figure as the bytes of a file of ``dpi`` points an inch, without date or version."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    more: dict[str, Any] = {} if kind == "svg" else {"pil_kwargs": {"compress_level": 4}}
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata[kind], **more)
    return buffer.getvalue()


def course(track: pd.DataFrame, treatments: Sequence[tuple[int, str]] = ()) -> Figure:
    """Tumor fraction and ERBB2 plasma copies by day with intervals, limits of detection and days of
    treatment.

    Both fractions are drawn where they are known: of this sample alone (circle, hollow where not
    detected) and informed (diamond).
    """
    table = track.sort_values(["day", "sample"], kind="stable")
    day = table["day"].to_numpy(dtype=float)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        detected = (table["status"] == "detected").to_numpy()
        for axes, name, colour, marker, label, hollow in (
            (left, "fraction", palette.BLUE, "o", "this sample alone", ~detected),
            (left, "informed", palette.VERMILLION, "D", "informed by the patient's profile",
             table["profile"].isin(["changed", "not_evaluable"]).to_numpy()),
            (right, "erbb2_pcn", palette.ERBB2, "o", "ERBB2", np.zeros(len(day), dtype=bool)),
        ):  # fmt: skip
            value, low, high = (
                table[f"{name}{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high")
            )
            known = np.isfinite(value)
            if not known.any():
                continue
            axes.plot(day[known], value[known], color=colour, lw=1, label=label, marker=marker,
                      ms=0)  # fmt: skip
            axes.vlines(day[known], low[known], high[known], color=colour, lw=1.2)
            for face, which in ((colour, known & ~hollow), ("white", known & hollow)):
                axes.plot(day[which], value[which], marker, ms=5, color=colour, mfc=face)
        lod = table["lod"].to_numpy(dtype=float)
        if np.isfinite(lod).any():
            left.plot(day, lod, "_", ms=14, color=palette.MUTED, label="limit of detection")
        left.set_ylabel("tumor fraction")
        left.set_ylim(bottom=0)
        right.set_ylabel(f"ERBB2 {Y_LABEL}")
        right.axhline(2, color=palette.MUTED, lw=0.8, ls="--")
        for axes in (left, right):
            axes.set_xlabel("day from the first dose")
            axes.axvline(0, color=palette.GRID, lw=1)
            if treatments:
                # in shares of the height, just above the axis
                axes.plot([at for at, _ in treatments], [0.03] * len(treatments), "^", ms=4,
                          color=palette.GREEN, transform=axes.get_xaxis_transform(),
                          label="treatment")  # fmt: skip
        if left.get_legend_handles_labels()[0]:
            left.legend(fontsize=7, frameon=False)
    return figure


def _headline(sample: str, fraction: pd.DataFrame, genes: pd.DataFrame) -> str:
    row = fraction.iloc[0]
    found = palette.STATUS[str(row["status"])].lower()
    if row["status"] == "detected":
        found = f"{row['fraction']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
    calls = genes[genes["gene"] == GENE]["call"]
    call = palette.CALL[str(calls.iloc[0])].lower() if len(calls) else "not tested"
    return f"{sample}: tumor fraction {found}; {GENE} {call}"


def _copy_axis(
    axes: Axes, windows: pd.DataFrame, segments: pd.DataFrame, genes: pd.DataFrame
) -> tuple[float, float]:
    marks = [*segments["pcn"].tolist(), *genes["pcn"].dropna().tolist()]
    limits = display.copy_range([windows["pcn"].to_numpy(dtype=float)], marks)
    axes.set_yscale("log", base=2)
    axes.set_ylim(*limits)
    ticks = display.copy_ticks(*limits, room=160, gap=16)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y", color=palette.GRID, lw=0.6)
    axes.axhline(display.NORMAL_COPIES, color=palette.MUTED, lw=0.8, zorder=1)
    axes.set_axisbelow(True)
    axes.set_ylabel(Y_LABEL)
    return limits


def _points(
    axes: Axes, windows: pd.DataFrame, limits: tuple[float, float], offset: int, colour: str,
    *, size: float,
) -> None:  # fmt: skip
    """Points of windows; those beyond the axis as triangles at its edge."""
    part = windows[windows["pcn"].notna()]
    at = offset + (part["start"] + part["end"]) / 2
    low, high = limits
    above, below = part["pcn"] > high, part["pcn"] < low
    inside = ~(above | below)
    axes.plot(at[inside], part["pcn"][inside], ".", ms=size, color=colour, zorder=2)
    axes.plot(at[above], [high / 1.02] * int(above.sum()), "^", ms=3.5, color=colour, zorder=2)
    axes.plot(at[below], [low * 1.02] * int(below.sum()), "v", ms=3.5, color=colour, zorder=2)


def _segments(
    axes: Axes, segments: pd.DataFrame, limits: tuple[float, float], offset: int, span: int
) -> None:
    for row in display.rows(segments):
        start, end = offset + int(str(row.start)), offset + int(str(row.end))
        grow = max(0, span // 400 - (end - start)) / 2  # a short one must still be seen
        at = min(max(float(str(row.pcn)), limits[0]), limits[1])
        axes.plot([start - grow, end + grow], [at, at], color=palette.SEGMENT[str(row.side)],
                  lw=1.8, solid_capstyle="butt", zorder=3)  # fmt: skip


def _mark_genes(
    axes: Axes, genes: pd.DataFrame, line: display.Genome, limits: tuple[float, float]
) -> None:
    """ERBB2 with its plasma copies, above the axes, where it can be evaluated."""
    for _, row in genes[genes["gene"] == GENE].iterrows():
        name = chrom_key(str(row["chrom"]))
        if name not in line.names:
            continue
        at = line.offset(name) + (row["start"] + row["end"]) / 2
        known = pd.notna(row["pcn"])
        end = float(row["pcn"]) if known else limits[0]
        axes.vlines(at, end, limits[1], color=palette.ERBB2, lw=0.8, linestyles=":", zorder=1)
        if known:
            axes.plot([at], [end], "D", ms=4, color=palette.ERBB2, mec="white", mew=0.5, zorder=4)
        axes.annotate(
            f"{GENE} {end:.3g}" if known else GENE, (at, limits[1]), (0, 3), "data",
            "offset points", ha="center", color=palette.ERBB2, fontweight="bold", fontsize=9,
            annotation_clip=False,
        )  # fmt: skip


def _stretch(
    axes: Axes, atoms: pd.DataFrame, segments: pd.DataFrame, gene: pd.Series,
    span: tuple[int, int], *, at_most: int,
) -> None:  # fmt: skip
    """A stretch of one chromosome with points, segments and the gene's mark."""
    size = display.atoms_for_points(atoms, at_most=at_most, fragments=POINT_FRAGMENTS)
    windows = display.windows(atoms, atoms=size)
    middle = (windows["start"] + windows["end"]) / 2
    windows = windows[(middle >= span[0]) & (middle <= span[1])]
    near = display.region(segments, str(gene["chrom"]), *span)
    limits = _copy_axis(axes, windows, near, gene.to_frame().T)
    _points(axes, windows, limits, 0, palette.CHROMOSOME[0], size=4)
    _segments(axes, near, limits, 0, span[1] - span[0])
    at = (gene["start"] + gene["end"]) / 2
    axes.axvline(at, color=palette.ERBB2, lw=0.8, ls=":", zorder=1)
    axes.annotate(GENE, (at, 1), (0, 2), ("data", "axes fraction"), "offset points", ha="center",
                  color=palette.ERBB2, fontweight="bold", fontsize=8)  # fmt: skip
    axes.set_xlim(*span)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e6:g}"))
    _say_when_empty(axes, windows)


def _amplicon(axes: Axes, gene: pd.Series) -> None:
    if pd.isna(gene["width"]):
        return
    middle, half = (gene["start"] + gene["end"]) / 2, float(gene["width"]) / 2
    axes.axvspan(middle - half, middle + half, color=palette.VERMILLION, alpha=0.12, lw=0,
                 zorder=0)  # fmt: skip
    axes.annotate(f"amplicon {float(gene['width']) / 1e6:.3g} Mb", (middle + half, 0.9), (4, 0),
                  ("data", "axes fraction"), "offset points", fontsize=8,
                  color="#9a4400")  # fmt: skip


def _gene_boxes(axes: Axes, genes: pd.DataFrame, span: tuple[int, int]) -> None:
    """A strip with a box per gene, names in turn on two lines where they are close."""
    axes.set_xlim(*span)
    axes.set_ylim(0, 1)
    axes.axis("off")
    width = span[1] - span[0]
    last = [-float("inf"), -float("inf")]
    for _, row in genes.sort_values("start").iterrows():
        main = row["gene"] == GENE
        colour = palette.ERBB2 if main else palette.MUTED
        start, end = float(row["start"]), max(float(row["end"]), row["start"] + width / 300)
        axes.axvspan(start, end, 0.8, 1, color=colour, lw=0)
        at = (start + end) / 2
        # a name takes about a twelfth of the width; the line with more room gets it
        level = 0 if at - last[0] > width / 12 or last[0] <= last[1] else 1
        last[level] = at
        axes.annotate(str(row["gene"]), (at, 0.75), (0, -2 - 10 * level), "data", "offset points",
                      ha="center", va="top", fontsize=8, color=colour,
                      fontweight="bold" if main else "normal")  # fmt: skip


def _say_when_empty(axes: Axes, windows: pd.DataFrame) -> None:
    if not windows["pcn"].notna().any():
        axes.text(0.5, 0.5, "not evaluable: no expected counts", transform=axes.transAxes,
                  ha="center", va="center", color=palette.MUTED,
                  bbox={"facecolor": "white", "edgecolor": "none"})  # fmt: skip
