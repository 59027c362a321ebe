"""The same work on many things, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def each(work: Callable[[A], B], things: Iterable[A], *, threads: int) -> list[B]:
    """What the work gives for each thing, in their order, whatever the number of threads.

    Worth it for work on large arrays, which leaves the interpreter's lock. The first error ends it.
    """
    if threads <= 1:
        return [work(one) for one in things]
    with ThreadPoolExecutor(threads) as pool:
        made = [pool.submit(work, one) for one in things]
        try:
            return [one.result() for one in made]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
