"""Judge samples side by side, in processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def mapped(judge: Callable[[T], R], tasks: Sequence[T], *, workers: int, chunk: int = 1) -> list[R]:
    """``judge`` of each task, in their order; with one worker in this process.

    The workers are forks, which have what was made before (panels). They are told to end and not
    terminated: a signal may find one that waits and never comes back.
    """
    if workers == 1:
        return [judge(task) for task in tasks]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=fork) as pool:
        return list(pool.map(judge, tasks, chunksize=chunk))
