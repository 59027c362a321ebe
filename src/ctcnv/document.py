"""A printed report as blocks of text, tables and pictures, before anything decides on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """The title of a chapter; the first one is that of the document."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph. ``tone``: plain, small, lead (large and bold) or warning (in a frame)."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Grid:
    """A table: heads, rows of cells, and the share of the width that each column has."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]


@dataclass(frozen=True)
class Picture:
    """A drawing as PNG, with what it shows in words."""

    png: bytes
    caption: str


Block = Heading | Text | Grid | Picture
