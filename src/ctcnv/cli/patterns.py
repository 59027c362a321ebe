"""A path with ``{sample}`` or ``{patient}`` stands for a file of each of them.

A command line holds 128 kB in one word, which is the paths of some 3,000 samples; a pattern is as
long for ten as for ten thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def filled(paths: Sequence[Path], **names: Sequence[str]) -> list[Path]:
    """The paths, each with a placeholder once per name: ``filled(paths, sample=["A", "B"])``."""
    found = []
    for path in paths:
        text = str(path)
        key = next((key for key in names if f"{{{key}}}" in text), None)
        if key is None:
            found.append(path)
        else:
            found.extend(Path(text.replace(f"{{{key}}}", name)) for name in names[key])
    return found
