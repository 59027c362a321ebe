"""Read a YAML file of the user: whatever is wrong with it is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

#: What the parser raises beside its own errors: values such as dates that are none, text that is
#: not UTF-8, brackets nested without end.
WRONG = (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


def read(path: Path) -> Any:
    """What a YAML file holds; ValueError names it when it is none, OSError when it cannot
    be opened.

    Only plain values are made, never objects (``yaml.safe_load``).
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except WRONG as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: not YAML ({said or type(error).__name__})") from None
