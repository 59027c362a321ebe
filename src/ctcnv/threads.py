"""The same work on many things, in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

#: Things per thread that are worked on or wait to be taken: bounds memory.
AHEAD = 2


def each(work: Callable[[A], B], things: Iterable[A], *, threads: int) -> list[B]:
    """What the work gives for each thing, in their order, whatever the number of threads."""
    return list(in_turn(work, things, threads=threads))


def in_turn(work: Callable[[A], B], things: Iterable[A], *, threads: int) -> Iterator[B]:
    """What the work gives for one thing after the other, a few of them ahead.

    Worth it for work on large arrays, which leaves the interpreter's lock. The first error ends it.
    """
    if threads <= 1:
        yield from map(work, things)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[B]] = deque()
    try:
        for one in things:
            waiting.append(pool.submit(work, one))
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
