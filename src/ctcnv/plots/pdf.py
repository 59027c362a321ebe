"""Blocks of a report as the pages of a PDF, by matplotlib alone: no browser and no network.

The text is set here, word by word, in the font that comes with matplotlib, so that the same blocks
give the same bytes on every machine. No date and no name of a program stand in the file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ctcnv import palette
from ctcnv.document import Block, Grid, Heading, Picture, Text
from ctcnv.plots import STYLE

#: A4 in points, its margins, and the lines of head and foot.
WIDTH, HEIGHT, MARGIN, FOOT = 595.3, 841.9, 45.0, 28.0
#: Font size and space between lines, in points, of each kind of text.
SIZES = {"plain": 9.0, "small": 7.5, "lead": 13.0, "warning": 9.5, "title": 18.0, "head": 12.0,
         "cell": 7.5}  # fmt: skip
LEADING, FOOT_SIZE = 1.32, 7.0
#: From the top of a line to its baseline: the height of an l.
ASCENT = 0.76
#: Space inside a cell, in points.
PAD = 3.0
INK, MUTED, RULE = palette.INK, palette.MUTED, palette.GRID
STYLE_PDF = {**STYLE, "pdf.fonttype": 42, "pdf.compression": 9}


@cache
def _font(bold: bool) -> Any:
    return get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else 400)))


@cache
def _properties(size: float, weight: str) -> FontProperties:
    return FontProperties(family="DejaVu Sans", weight=weight, size=size)


@cache
def _advance(character: str, bold: bool) -> float:
    """How far a character moves the pen, as a share of the font's size."""
    font = _font(bold)
    font.set_size(100, 72)
    return float(font.load_char(ord(character)).linearHoriAdvance) / 65536 / 100


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Width of a line of text in points; pairs of letters that are set closer are not counted."""
    return size * sum(_advance(character, bold) for character in text)


def wrap(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """The lines of a text that fit into a width in points; a word that does not is cut."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            tried = f"{line} {word}" if line else word
            if width_of(tried, size, bold) <= width:
                line = tried
                continue
            if line:
                lines.append(line)
            while width_of(word, size, bold) > width and len(word) > 1:
                n = max(1, int(len(word) * width / width_of(word, size, bold)))
                while n > 1 and width_of(word[:n], size, bold) > width:
                    n -= 1
                lines.append(word[:n])
                word = word[n:]
            line = word
        lines.append(line)
    return lines


class _Lines(Artist):
    """The lines of text of a page: (x, y of the baseline, text, font, colour), in points.

    matplotlib's own text measures each line several times to place it; here the place is known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.placed: list[tuple[float, float, str, FontProperties, str]] = []

    def draw(self, renderer: Any) -> None:
        """Draw all lines; what a renderer of pages calls."""
        graphics = renderer.new_gc()
        for x, y, text, font, colour in self.placed:
            graphics.set_foreground(colour)
            renderer.draw_text(graphics, x, y, text, font, 0)
        graphics.restore()


class _Writer:
    """Pages that are filled from the top; every method draws a block and moves down."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.pages: list[Figure] = []
        self.written: list[_Lines] = []
        self.y = 0.0
        self.new_page()

    def new_page(self) -> None:
        self.pages.append(Figure(figsize=(WIDTH / 72, HEIGHT / 72)))
        self.written.append(_Lines())
        self.pages[-1].add_artist(self.written[-1])
        self.y = HEIGHT - MARGIN

    def room(self, height: float) -> None:
        """Go to a new page when there is less room than this, unless the page is empty."""
        if self.y - height < MARGIN + FOOT and self.y < HEIGHT - MARGIN:
            self.new_page()

    def text(
        self, x: float, y: float, text: str, size: float, *, weight: str = "normal",
        color: str = INK,
    ) -> None:  # fmt: skip
        if text:
            font = _properties(size, weight)
            self.written[-1].placed.append((x, y - ASCENT * size, text, font, color))

    def rule(self, y: float, *, lw: float = 0.6, colour: str = RULE) -> None:
        self.pages[-1].add_artist(Line2D(
            [MARGIN / WIDTH, 1 - MARGIN / WIDTH], [y / HEIGHT] * 2, color=colour, lw=lw
        ))  # fmt: skip

    def lines(self, lines: Sequence[str], size: float, *, x: float = MARGIN, **more: Any) -> None:
        for line in lines:
            self.room(size * LEADING)
            self.text(x, self.y, line, size, **more)
            self.y -= size * LEADING

    def heading(self, block: Heading) -> None:
        first = len(self.pages) == 1 and self.y == HEIGHT - MARGIN
        size = SIZES["title" if first else "head"]
        self.y -= 0 if first else 12
        self.room(size * LEADING + 70)  # no heading alone at the foot of a page
        self.lines(wrap(block.text, WIDTH - 2 * MARGIN, size, bold=True), size, weight="bold",
                   color=INK)  # fmt: skip
        self.y -= 4

    def paragraph(self, block: Text) -> None:
        size, bold = SIZES[block.tone], block.tone in ("lead", "warning")
        inset = 8.0 if block.tone == "warning" else 0.0
        lines = wrap(block.text, WIDTH - 2 * MARGIN - 2 * inset, size, bold=bold)
        height = len(lines) * size * LEADING + 2 * inset
        self.y -= 7 if block.tone == "lead" else 0
        self.room(height if block.tone in ("lead", "warning") else size * LEADING)
        if inset:
            self.pages[-1].add_artist(Rectangle(
                (MARGIN / WIDTH, (self.y - height + 4) / HEIGHT), 1 - 2 * MARGIN / WIDTH,
                height / HEIGHT, facecolor="#fff4ee", edgecolor=palette.VERMILLION, lw=1.2,
            ))  # fmt: skip
            self.y -= inset - 4
        self.lines(lines, size, x=MARGIN + inset, weight="bold" if bold else "normal",
                   color=MUTED if block.tone == "small" else INK)  # fmt: skip
        self.y -= 4 + inset

    def grid(self, block: Grid) -> None:
        size = SIZES["cell"]
        whole = WIDTH - 2 * MARGIN
        widths = np.asarray(block.widths, dtype=float) / sum(block.widths) * whole
        left = MARGIN + np.concatenate([[0.0], np.cumsum(widths)[:-1]])
        heads = [wrap(head, w - 2 * PAD, size, bold=True)
                 for head, w in zip(block.heads, widths, strict=True)]  # fmt: skip

        def row(cells: Sequence[Sequence[str]], *, weight: str) -> None:
            for x, lines in zip(left, cells, strict=True):
                for i, line in enumerate(lines):
                    self.text(x + PAD, self.y - PAD - i * size * LEADING, line, size,
                              weight=weight, color=INK)  # fmt: skip
            self.y -= _tall(cells, size)
            self.rule(self.y)

        self.room(_tall(heads, size) + 30)
        row(heads, weight="bold")
        for cells in block.rows:
            wrapped = [wrap(cell, w - 2 * PAD, size)
                       for cell, w in zip(cells, widths, strict=True)]  # fmt: skip
            page = len(self.pages)
            self.room(_tall(wrapped, size))
            if len(self.pages) > page:  # the heads again on every page
                row(heads, weight="bold")
            row(wrapped, weight="normal")
        self.y -= 8

    def picture(self, block: Picture) -> None:
        image = matplotlib.image.imread(io.BytesIO(block.png), format="png")
        whole = WIDTH - 2 * MARGIN
        height = whole * image.shape[0] / image.shape[1]
        caption = wrap(block.caption, whole, SIZES["small"])
        self.room(height + len(caption) * SIZES["small"] * LEADING + 8)
        axes = self.pages[-1].add_axes(
            (MARGIN / WIDTH, (self.y - height) / HEIGHT, whole / WIDTH, height / HEIGHT)
        )
        axes.imshow(image, aspect="auto", interpolation="none")
        axes.set_axis_off()
        self.y -= height + 2
        self.lines(caption, SIZES["small"], color=MUTED)
        self.y -= 6

    def feet(self) -> None:
        font = _properties(FOOT_SIZE, "normal")
        for number, page in enumerate(self.written, start=1):
            count = f"{number} of {len(self.pages)}"
            right = WIDTH - MARGIN - width_of(count, FOOT_SIZE)
            page.placed += [(MARGIN, FOOT, self.title, font, MUTED),
                            (right, FOOT, count, font, MUTED)]  # fmt: skip


def _tall(cells: Sequence[Sequence[str]], size: float) -> float:
    """Height of a row of wrapped cells in points."""
    return max(map(len, cells)) * size * LEADING + 2 * PAD


def pdf(blocks: Sequence[Block], *, title: str) -> bytes:
    """The blocks as the bytes of a PDF of A4 pages; ``title`` stands in its foot and metadata."""
    with matplotlib.rc_context(STYLE_PDF):
        writer = _Writer(title)
        for block in blocks:
            if isinstance(block, Heading):
                writer.heading(block)
            elif isinstance(block, Text):
                writer.paragraph(block)
            elif isinstance(block, Grid):
                writer.grid(block)
            else:
                writer.picture(block)
        writer.feet()
        buffer = io.BytesIO()
        metadata: dict[str, Any] = {"Title": title, "CreationDate": None, "Creator": None,
                                    "Producer": None}  # fmt: skip
        with PdfPages(buffer, metadata=metadata) as file:
            for page in writer.pages:
                file.savefig(page)
    return buffer.getvalue()
