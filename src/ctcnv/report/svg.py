"""Inline SVG by hand: escaped elements, axes and marks; no drawing library, no style attribute."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup, escape

from ctcnv.palette import GRID, INK, MUTED

FONT = 12.0  # px at full width


def element(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """One element; attribute ``font_size`` becomes ``font-size``, text children are escaped."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(escape(child) for child in children)
    return Markup(f"<{name}{shown}>{inner}</{name}>" if inner else f"<{name}{shown}/>")  # noqa: S704


def _plain(value: object) -> str:
    """A coordinate with at most two decimals, so that the same tables give the same bytes."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)


def picture(
    *children: Markup, width: float, height: float, title: str, desc: str, id_: str,
    class_: str = "",
) -> Markup:  # fmt: skip
    """A drawing with a title and a description that a screen reader says in its stead."""
    return element(
        "svg",
        element("title", title, id=f"{id_}-title"),
        element("desc", desc, id=f"{id_}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_plain(float(width))} {_plain(float(height))}",
        role="img",
        aria_labelledby=f"{id_}-title",
        aria_describedby=f"{id_}-desc",
        class_=class_ or None,
    )


def group(*children: Markup, **attributes: object) -> Markup:
    """A group of elements."""
    return element("g", *children, **attributes)


def label(
    x: float, y: float, words: str, *, anchor: str = "middle", size: float = FONT,
    fill: str = MUTED, weight: str | None = None, class_: str | None = None,
) -> Markup:  # fmt: skip
    """Text at a place."""
    return element("text", words, x=x, y=y, text_anchor=anchor, font_size=size, fill=fill,
                   font_weight=weight, class_=class_)  # fmt: skip


def line(
    x1: float, y1: float, x2: float, y2: float, *, stroke: str = GRID, width: float = 1.0,
    dash: str | None = None,
) -> Markup:  # fmt: skip
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width,
                   stroke_dasharray=dash)  # fmt: skip


def dots(points: Iterable[tuple[float, float]], *, colour: str, size: float) -> Markup:
    """Many round points as one path: strokes of no length with round ends, a tenth of the bytes."""
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
    if not path:
        return Markup("")
    return element("path", d=path, stroke=colour, stroke_width=size, stroke_linecap="round",
                   fill="none")  # fmt: skip


def triangles(points: Iterable[tuple[float, float]], *, colour: str, up: bool) -> Markup:
    """Small triangles at the edge, for values beyond it."""
    step = -5 if up else 5
    path = "".join(f"M{x - 3:.1f} {y:.1f}h6l-3 {step}z" for x, y in points)
    return element("path", d=path, fill=colour) if path else Markup("")


@dataclass(frozen=True)
class Scale:
    """A linear or log2 map from values to pixels, clipped on request."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; a value of zero lies at the low end of a log scale."""
        low, high = self.low, self.high
        if self.log:
            low, high = math.log2(low), math.log2(high)
            value = math.log2(value) if value > 0 else low
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def inside(self, value: float) -> float:
        """The pixel of a value, or of the end it lies beyond."""
        return self(min(max(value, self.low), self.high))

    def beyond(self, value: float) -> int:
        """-1 below the scale, 1 above it, 0 on it."""
        return -1 if value < self.low else 1 if value > self.high else 0


def steps(high: float, *, about: int) -> list[float]:
    """Round ticks from 0 to at least ``high``."""
    rough = high / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    return [step * i for i in range(math.ceil(high / step - 1e-9) + 1)]


def apart(places: Sequence[float], *, gap: float) -> list[int]:
    """Indices of the places that can be labelled without touching, the earlier one first."""
    kept: list[int] = []
    for index, place in enumerate(places):
        if all(abs(place - places[other]) >= gap for other in kept):
            kept.append(index)
    return kept


def spread(
    places: Sequence[float], widths: Sequence[float], low: float, high: float
) -> list[float]:
    """Centres of labels on one line, moved as little as needed so that none overlap.

    The places are in ascending order; labels keep that order and, while there is room, stay between
    low and high. Least squares under the order: labels that touch share the mean of their wishes.
    """
    shifts = [0.0]  # of each label from the first, when all of them touch
    for left, right in itertools.pairwise(widths):
        shifts.append(shifts[-1] + (left + right) / 2)
    blocks: list[list[float]] = []
    for place, shift in zip(places, shifts, strict=False):
        blocks.append([place - shift])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    wishes = [fmean(block) for block in blocks for _ in block]
    if not wishes:
        return []
    first, last_at = low + widths[0] / 2, high - widths[-1] / 2 - shifts[-1]
    return [
        max(first, min(wish, last_at)) + shift for wish, shift in zip(wishes, shifts, strict=False)
    ]


def width_of(words: str, size: float = FONT) -> float:
    """About how wide words are drawn, in px."""
    return 0.62 * size * len(words)


def ink(value: bool) -> str:
    """Dark for the main thing, grey for the rest."""
    return INK if value else MUTED
