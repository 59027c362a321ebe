"""Imports that a command does not need and would wait for."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def lean_loops() -> Iterator[None]:
    """For commands that need compiled loops and neither linear algebra nor scipy.

    numba looks for a BLAS when the first compiled loop is loaded, a third of a second, and for what
    measures the coverage of tests.
    """
    with _without("scipy.linalg", "coverage"):
        yield


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    """Let the import of these modules fail as if they were not installed."""
    spared = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(spared))  # type: ignore[arg-type]  # None stops an import
    try:
        yield
    finally:
        for name in spared:
            del sys.modules[name]
