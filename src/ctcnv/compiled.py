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
    process, two seconds of ``count`` and thirteen of ``call``, but it works.
    """
    return _made(function)


def compiled_sums(function: F) -> F:
    """As ``compiled``, and the terms of a sum may be added in any order, several at a time.

    Nothing else of fast-math: infinities and not-a-numbers keep their meaning.
    """
    return _made(function, fastmath={"reassoc"})


def _made(function: F, **options: Any) -> F:
    jit: Any = numba.njit
    try:
        made: F = jit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        made = jit(nogil=True, **options)(function)
    return made
