"""Compile a loop with numba, keeping the result on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function on its first call; without the interpreter's lock, without fast-math.

    The machine code is kept next to the module, or in the user's cache directory. Where neither
    can be written (a read-only installation run by a user without a home) it is compiled in each
    process: a second or so, but it works.
    """
    jit: Any = numba.njit
    try:
        made: F = jit(cache=True, nogil=True)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        made = jit(nogil=True)(function)
    return made
