"""The report's drawings from tables: the course over time, the genome, the ERBB2 neighbourhood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from ctcnv import display
from ctcnv.palette import BLUE, CHROMOSOME, ERBB2, GREEN, GRID, INK, MUTED, SEGMENT, VERMILLION
from ctcnv.report import svg, words
from ctcnv.report.svg import Scale
from ctcnv.report.words import number
from ctcnv.schema import chrom_key

#: Points of a whole genome, of a zoomed genome, and of one neighbourhood.
OVERVIEW_WINDOWS = 1500
ZOOM_WINDOWS = 8000
NEIGHBOURHOOD_WINDOWS = 120
#: Expected fragments of a neighbourhood's point: 18 % counting noise.
POINT_FRAGMENTS = 30
WIDTH = 1040.0


@dataclass(frozen=True)
class Box:
    """The plotting area inside a drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def clip(self, y: float) -> float:
        """A pixel held between top and bottom."""
        return min(max(y, self.top), self.bottom)


# ---- course -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Series:
    """One quantity over the days: values with bounds, NaN where not known, hollow marks."""

    name: str
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    colour: str
    shape: str = "circle"
    hollow: Sequence[bool] = ()


COURSE_WIDTH, COURSE_HEIGHT = 340.0, 250.0


def course(
    id_: str,
    title: str,
    days: Sequence[float],
    series: Sequence[Series],
    *,
    limits: Sequence[float] | None = None,
    level: tuple[float, str] | None = None,
    percent: bool = False,
    treatments: Sequence[tuple[int, str]] = (),
) -> Markup:
    """Quantities over the days of one patient; ``limits`` are detection limits, a short bar each,
    ``treatments`` days of treatment with a name that may be "", a triangle each on the axis.

    ``level`` is a horizontal line with its name. An interval without upper bound, or one that
    would squash everything else, ends in an arrow. Nothing is drawn ("") when no value is known.
    """
    shown = [v for s in series for v in (*s.values, *s.low) if math.isfinite(v)]
    marks = [v for v in limits or [] if math.isfinite(v)]
    if not shown:
        return Markup("")
    top = max([*shown, *marks, level[0] if level else 0.0]) * 1.15
    bounds = [v for s in series for v in s.high if math.isfinite(v)]
    # an interval may reach this far above every estimate before it is cut off by an arrow
    top = max(top, min(max(bounds, default=0.0), 1.5 * top)) or 1.0
    ticks = svg.steps(top, about=4)
    box = Box(44, 48, COURSE_WIDTH - 14, COURSE_HEIGHT - 40)
    y = Scale(0, ticks[-1], box.bottom, box.top)
    doses = [day for day, _ in treatments]
    first, last = min([*days, *doses]), max([*days, *doses])
    x = Scale(first, last, box.left + 26, box.right - 26)
    places = [x(d) if last > first else (box.left + box.right) / 2 for d in days]
    parts: list[Markup] = []
    for tick in ticks:
        parts.append(svg.line(box.left, y(tick), box.right, y(tick)))
        name = f"{tick * 100:g} %" if percent else f"{tick:g}"
        parts.append(svg.label(box.left - 6, y(tick) + 4, name, anchor="end"))
    names = [words.decimals(d, 0) for d in days]
    for index in svg.apart(places, gap=max(map(svg.width_of, names))):
        parts.append(svg.label(places[index], box.bottom + 17, names[index]))
    parts.append(svg.label((box.left + box.right) / 2, box.bottom + 33, "days from the first dose"))
    if level:
        at = y(level[0])
        parts.append(svg.line(box.left, at, box.right, at, stroke=MUTED, width=1.5, dash="1.5 3"))
    for place, limit in zip(places, limits or [], strict=False):
        if math.isfinite(limit):
            parts.append(svg.line(place - 12, y(limit), place + 12, y(limit), stroke=MUTED,
                                  width=1.5, dash="4 3"))  # fmt: skip
    for index, one in enumerate(series):
        shift = (index - (len(series) - 1) / 2) * 9
        parts.append(_one_course(one, [p + shift for p in places], y, box))
    for index, place in enumerate(places):
        if not any(math.isfinite(v) for s in series for v in (s.values[index], s.low[index])):
            parts.append(svg.label(place, box.bottom - 5, "n. e.", size=11))
    parts.append(_doses(treatments, x if last > first else None, box))
    lines = [("4 3", "limit of detection (alone)")] if marks else []
    lines += [("1.5 3", level[1])] if level else []
    parts.append(_legend(series, lines, treated=bool(treatments)))
    told = "; ".join(
        f"{s.name}: "
        + ", ".join(
            f"day {d} "
            + (
                _told(v, percent)
                if math.isfinite(v)
                else f"at least {_told(low, percent)}"
                if math.isfinite(low)
                else words.NOT_EVALUABLE
            )
            for d, v, low in zip(names, s.values, s.low, strict=True)
        )
        for s in series
    )
    told += f"; treatment on day {words.listing([str(day) for day in doses])}" if doses else ""
    return svg.picture(*parts, width=COURSE_WIDTH, height=COURSE_HEIGHT, title=title, desc=told,
                       id_=id_)  # fmt: skip


def _doses(treatments: Sequence[tuple[int, str]], x: Scale | None, box: Box) -> Markup:
    """A triangle on the axis for each day of treatment, with its name to be hovered over."""
    parts = []
    for day, name in treatments:
        place = (box.left + box.right) / 2 if x is None else x(day)
        told = f"{name or 'treatment'}, day {day}"
        parts.append(svg.group(svg.element("title", told), svg.triangles(
            [(place, box.bottom)], colour=GREEN, up=True)))  # fmt: skip
    return svg.group(*parts)


def _told(value: float, percent: bool) -> str:
    return words.share(value) + " %" if percent else words.plasma_copies(value)


def _one_course(one: Series, places: Sequence[float], y: Scale, box: Box) -> Markup:
    known = [(p, y(v)) for p, v in zip(places, one.values, strict=True) if math.isfinite(v)]
    parts: list[Markup] = []
    if len(known) > 1:
        path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in known)
        parts.append(svg.element("path", d=path, fill="none", stroke=one.colour,
                                 stroke_width=1.25, stroke_opacity=0.45))  # fmt: skip
    hollow = one.hollow or [False] * len(places)
    for place, value, low, high, is_open in zip(
        places, one.values, one.low, one.high, hollow, strict=True
    ):
        if not math.isfinite(value) and not math.isfinite(low):
            continue
        foot = y.inside(low) if math.isfinite(low) else y(value)
        head = y.inside(high) if math.isfinite(high) else box.top
        if not math.isfinite(high) or y.beyond(high) > 0:
            parts.append(svg.triangles([(place, box.top + 5)], colour=one.colour, up=True))
        parts.append(svg.line(place, foot, place, head, stroke=one.colour, width=2))
        if math.isfinite(value):
            parts.append(_mark(place, y(value), one.colour, one.shape, hollow=is_open))
        else:  # a lower bound only
            parts.append(svg.line(place - 5, foot, place + 5, foot, stroke=one.colour, width=2))
    return svg.group(*parts)


def _mark(
    x: float, y: float, colour: str, shape: str, size: float = 4.5, *, hollow: bool = False
) -> Markup:
    paint = {"fill": "#fff" if hollow else colour, "stroke": colour if hollow else "#fff",
             "stroke_width": 2 if hollow else 1}  # fmt: skip
    if shape == "diamond":
        d = size + 1
        path = f"M{x:.1f} {y - d:.1f}l{d} {d}l-{d} {d}l-{d} -{d}z"
        return svg.element("path", d=path, **paint)
    return svg.element("circle", cx=x, cy=y, r=size, **paint)


def _legend(series: Sequence[Series], lines: Sequence[tuple[str, str]], *, treated: bool) -> Markup:
    """Marks, then lines by their dashes, with their names, in as many rows as they need."""
    drawn: list[tuple[str, Series | str | None]] = [(one.name, one) for one in series]
    drawn += [(name, dash) for dash, name in lines]
    drawn += [("treatment", None)] if treated else []
    parts: list[Markup] = []
    x, y = 8.0, 14.0
    for name, what in drawn:
        indent = 26.0 if isinstance(what, str) else 16.0
        room = indent + svg.width_of(name, 11)
        if x > 8 and x + room > COURSE_WIDTH:
            x, y = 8.0, y + 17
        if what is None:
            parts.append(svg.triangles([(x + 6, y - 1)], colour=GREEN, up=True))
        elif isinstance(what, str):
            parts.append(svg.line(x, y - 4, x + 20, y - 4, stroke=MUTED, width=1.5, dash=what))
        else:
            parts.append(_mark(x + 6, y - 4, what.colour, what.shape))
        parts.append(svg.label(x + indent, y, name, anchor="start", size=11, fill=INK))
        x += room + 8
    return svg.group(*parts)


# ---- genome -----------------------------------------------------------------------------------

GENOME_HEIGHT = 216.0
GENOME_BOX = Box(46, 24, WIDTH - 8, GENOME_HEIGHT - 22)


def genome_panel(
    id_: str,
    title: str,
    genome: display.Genome,
    coarse: pd.DataFrame,
    segments: pd.DataFrame,
    genes: pd.DataFrame,
    limits: tuple[float, float],
) -> Markup:
    """The genome-wide profile of one sample on the scale shared by all samples."""
    box = GENOME_BOX
    x = Scale(0, genome.total, box.left, box.right)
    y = Scale(*limits, box.bottom, box.top, log=True)
    back, axis, front = _genome_axes(genome, x, y, box), [], []
    for index, name in enumerate(genome.names):
        part = coarse[(coarse["chrom"] == name) & coarse["pcn"].notna()]
        offset = genome.offset(name)
        middles = offset + (part["start"] + part["end"]) / 2
        placed = [(x(m), v) for m, v in zip(middles, part["pcn"], strict=True)]
        colour = CHROMOSOME[index % 2]
        axis.append(_points(placed, y, box, colour, size=3.2))
    for row in display.rows(segments):
        if row.chrom in genome.names:
            offset = genome.offset(str(row.chrom))
            front.append(_segment(row, x(offset + row.start), x(offset + row.end), y, 2.5))
    front.append(_genome_genes(genome, genes, x, y, box))
    return svg.picture(
        svg.group(*back), svg.group(*axis, *front, class_="overview"),
        width=WIDTH, height=GENOME_HEIGHT, title=title,
        desc="Plasma copy number along the genome: a point per window, a line per segment; "
        "2 is normal. The values of segments and genes are in the tables of this page.",
        id_=id_, class_="profile",
    )  # fmt: skip


def _genome_axes(genome: display.Genome, x: Scale, y: Scale, box: Box) -> list[Markup]:
    parts: list[Markup] = []
    edges = []
    for index, name in enumerate(genome.names):
        left, right = x(genome.offset(name)), x(genome.offset(name) + genome.length(name))
        band = svg.element("rect", x=left, y=box.top, width=right - left,
                           height=box.bottom - box.top, fill="#f6f8fa" if index % 2 else "#ffffff",
                           class_="band", data_chrom=index)  # fmt: skip
        edges.append(band)
        shown = svg.label((left + right) / 2, box.bottom + 16, name, size=11)
        parts.append(shown if right - left >= svg.width_of(name, 10) else Markup(""))
    lines = _copy_axis(y, box, gap=20)
    return [svg.group(*edges), lines, svg.group(*parts, class_="overview")]


def _copy_axis(y: Scale, box: Box, *, gap: float) -> Markup:
    parts: list[Markup] = []
    for tick in display.copy_ticks(y.low, y.high, room=box.bottom - box.top, gap=gap):
        normal = tick == display.NORMAL_COPIES
        parts.append(svg.line(box.left, y(tick), box.right, y(tick),
                              stroke="#8c959f" if normal else GRID))  # fmt: skip
        parts.append(svg.label(box.left - 6, y(tick) + 4, f"{tick:g}", anchor="end",
                               fill=svg.ink(normal), weight="600" if normal else None))  # fmt: skip
    return svg.group(*parts)


def _points(
    placed: Sequence[tuple[float, float]], y: Scale, box: Box, colour: str, *, size: float
) -> Markup:
    inside = [(px, y(v)) for px, v in placed if y.beyond(v) == 0]
    above = [(px, box.top + 6) for px, v in placed if y.beyond(v) > 0]
    below = [(px, box.bottom - 6) for px, v in placed if y.beyond(v) < 0]
    return Markup("").join([
        svg.dots(inside, colour=colour, size=size),
        svg.triangles(above, colour=colour, up=True),
        svg.triangles(below, colour=colour, up=False),
    ])  # fmt: skip


def _segment(row: Any, left: float, right: float, y: Scale, width: float) -> Markup:
    """A segment as a line of at least 3 px, coloured by the side it lies on."""
    grow = max(0.0, 3 - (right - left)) / 2
    at = y.inside(number(row.pcn))
    return svg.line(left - grow, at, right + grow, at, stroke=SEGMENT[row.side], width=width)


def marked_genes(genes: pd.DataFrame) -> pd.DataFrame:
    """ERBB2, and of every other chromosome the amplified gene with most copies."""
    erbb2 = genes[genes["gene"] == "ERBB2"]
    near = {chrom_key(str(name)) for name in erbb2["chrom"]}
    keys = genes["chrom"].map(lambda name: chrom_key(str(name)))
    other = genes[(genes["call"] == "amplified") & ~keys.isin(near)]
    best = other.sort_values("pcn", ascending=False, kind="stable").drop_duplicates("chrom")
    return pd.concat([erbb2, best]) if len(best) else erbb2


def _genome_genes(
    genome: display.Genome, genes: pd.DataFrame, x: Scale, y: Scale, box: Box
) -> Markup:
    placed = []
    for row in display.rows(marked_genes(genes)):
        name = chrom_key(str(row.chrom))
        if name in genome.names:
            placed.append((x(genome.offset(name) + (row.start + row.end) / 2), row))
    placed.sort(key=lambda pair: pair[0])
    shown = [
        f"{row.gene} {words.quantity(row.pcn, words.plasma_copies, missing=words.NOT_EVALUABLE)}"
        for _, row in placed
    ]
    centres = svg.spread([px for px, _ in placed], [svg.width_of(s) + 10 for s in shown],
                         box.left, box.right)  # fmt: skip
    parts: list[Markup] = []
    for (px, row), name, centre in zip(placed, shown, centres, strict=True):
        main = row.gene == "ERBB2"
        colour = ERBB2 if main else MUTED
        end = y.inside(number(row.pcn)) if words.known(row.pcn) else box.bottom
        parts.append(svg.line(px, box.top - 4, px, end, stroke=colour, dash="2 2"))
        parts.append(svg.label(centre, box.top - 9, name, fill=colour,
                               weight="700" if main else None))  # fmt: skip
        if words.known(row.pcn):
            parts.append(_mark(px, end, colour, "diamond", 3.5))
    return svg.group(*parts)


# ---- neighbourhood ----------------------------------------------------------------------------


def neighbourhood(
    id_: str,
    title: str,
    segments: pd.DataFrame,
    genes: pd.DataFrame,
    gene: str,
    *,
    width: float,
    span: tuple[int, int],
    limits: tuple[float, float],
    points: pd.DataFrame,
) -> Markup:
    """One gene and its surroundings: points of a few atoms, segments, amplicon and gene boxes."""
    row = genes[genes["gene"] == gene].iloc[0]
    chrom, (start, end) = str(row["chrom"]), span
    box = Box(40, 30, width - 10, 186)
    height = 246.0
    x = Scale(start, end, box.left, box.right)
    y = Scale(*limits, box.bottom, box.top, log=True)
    parts = [_copy_axis(y, box, gap=22), _position_axis(x, box, start, end)]
    parts.append(_amplicon(row, x, box))
    seen = points[points["pcn"].notna()]
    for item in display.rows(seen):
        parts.append(_point_with_value(item, chrom, x, y, box))
    for part in display.rows(display.region(segments, chrom, start, end)):
        left, right = x(max(part.start, start)), x(min(part.end, end))
        parts.append(_segment(part, left, right, y, 2.5))
    parts.append(_gene_boxes(display.region(genes, chrom, start, end), gene, x, box))
    return svg.picture(
        *parts, width=width, height=height, title=title,
        desc=f"Plasma copy number around {gene}, {words.megabases(end - start)} of chromosome "
        f"{chrom_key(chrom)}; {len(seen)} points. Plasma copies of {gene}: "
        f"{words.quantity(row['pcn'], words.plasma_copies, missing=words.NOT_EVALUABLE)}.",
        id_=id_,
    )  # fmt: skip


def neighbourhood_points(profile: pd.DataFrame, chrom: str, start: int, end: int) -> pd.DataFrame:
    """Windows of a region, each of enough atoms to tell something and few enough to be seen."""
    atoms = display.region(profile, chrom, start, end)
    size = display.atoms_for_points(atoms, at_most=NEIGHBOURHOOD_WINDOWS, fragments=POINT_FRAGMENTS)
    found = display.windows(atoms, atoms=size)
    middle = (found["start"] + found["end"]) / 2
    return found[(middle >= start) & (middle <= end)]


def _point_with_value(item: Any, chrom: str, x: Scale, y: Scale, box: Box) -> Markup:
    pcn, at = float(item.pcn), (item.start + item.end) / 2
    told = (
        f"{chrom_key(chrom)}:{item.start + 1:,}-{item.end:,}: {words.plasma_copies(pcn)} copies, "
        f"{item.observed:,.0f} fragments, {item.expected:,.1f} expected"
    )
    shape = (
        svg.element("circle", svg.element("title", told), cx=x(at), cy=y(pcn), r=2.6,
                    fill=CHROMOSOME[0])
        if y.beyond(pcn) == 0
        else svg.group(
            svg.element("title", told),
            svg.triangles([(x(at), box.top + 6 if y.beyond(pcn) > 0 else box.bottom - 6)],
                          colour=CHROMOSOME[0], up=y.beyond(pcn) > 0),
        )
    )  # fmt: skip
    return shape


def _position_axis(x: Scale, box: Box, start: int, end: int) -> Markup:
    span = (end - start) / 1e6
    step = next(s for s in svg.steps(span, about=5)[1:])
    first = math.ceil(start / 1e6 / step)
    digits = len(f"{step:g}".partition(".")[2])
    parts = []
    for index in range(first, math.floor(end / 1e6 / step + 1e-9) + 1):
        at = x(index * step * 1e6)
        last = index == math.floor(end / 1e6 / step + 1e-9)
        words_ = words.decimals(index * step, digits) + (" Mb" if last else "")
        parts.append(svg.line(at, box.bottom, at, box.bottom + 4, stroke=MUTED))
        parts.append(svg.label(min(at, box.right - svg.width_of(words_, 11) / 2), box.bottom + 17,
                               words_, size=11))  # fmt: skip
    parts.append(svg.line(box.left, box.bottom, box.right, box.bottom, stroke=MUTED))
    return svg.group(*parts)


def _amplicon(row: pd.Series, x: Scale, box: Box) -> Markup:
    if not words.known(row["width"]):
        return Markup("")
    middle, half = (row["start"] + row["end"]) / 2, number(row["width"]) / 2
    left, right = x.inside(middle - half), x.inside(middle + half)
    left, right = min(left, x(middle) - 1), max(right, x(middle) + 1)
    name = f"amplicon {words.megabases(row['width'])}"
    centre = svg.spread([x(middle)], [svg.width_of(name)], box.left, box.right)[0]
    return svg.group(
        svg.element("rect", x=left, y=box.top, width=right - left, height=box.bottom - box.top,
                    fill=VERMILLION, fill_opacity=0.1),
        svg.line(left, box.top - 3, right, box.top - 3, stroke=VERMILLION, width=3),
        svg.label(centre, box.top - 10, name, fill="#9a4400"),
    )  # fmt: skip


def _gene_boxes(genes: pd.DataFrame, main: str, x: Scale, box: Box) -> Markup:
    rows = sorted(display.rows(genes), key=lambda row: (row.start + row.end) / 2)
    widths = [svg.width_of(str(row.gene), 11) + 10 for row in rows]
    places = [x.inside((row.start + row.end) / 2) for row in rows]
    if sum(widths) > box.right - box.left:  # no room for all names: the main gene keeps its own
        kept = [i for i, row in enumerate(rows) if row.gene == main]
        rows, widths, places = ([part[i] for i in kept] for part in (rows, widths, places))
    centres = svg.spread(places, widths, box.left, box.right)
    parts = []
    for row, place, centre in zip(rows, places, centres, strict=True):
        colour = ERBB2 if row.gene == main else MUTED
        left, right = x.inside(row.start), x.inside(row.end)
        grow = max(0.0, 3 - (right - left)) / 2
        parts += [
            svg.element("rect", x=left - grow, y=box.bottom + 25, width=right - left + 2 * grow,
                        height=7, fill=colour),
            svg.line(place, box.bottom + 33, centre, box.bottom + 42, stroke=colour),
            svg.label(centre, box.bottom + 53, str(row.gene), size=11, fill=colour,
                      weight="700" if row.gene == main else None),
        ]  # fmt: skip
    return svg.group(*parts)


# ---- shared -----------------------------------------------------------------------------------

SINGLE = BLUE
INFORMED = VERMILLION
