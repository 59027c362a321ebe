"""Work in threads gives what it gives one after the other."""

from __future__ import annotations

import threading

import pytest

from ctcnv import threads as step


@pytest.mark.parametrize("n", [1, 2, 3])
def test_results_come_in_the_order_of_the_things(n: int) -> None:
    assert step.each(lambda x: x * x, range(20), threads=n) == [x * x for x in range(20)]
    assert step.each(abs, [], threads=n) == []


@pytest.mark.parametrize("n", [1, 2])
def test_the_first_error_ends_it(n: int) -> None:
    begun = []

    def work(x: int) -> int:
        begun.append(x)
        if x == 3:
            raise ValueError("three")
        return x

    with pytest.raises(ValueError, match="three"):
        step.each(work, range(1000), threads=n)
    assert len(begun) < 20


def test_no_more_is_done_ahead_than_said() -> None:
    begun = []
    made = step.in_turn(lambda x: begun.append(x) or x, range(100), threads=2)
    assert next(made) == 0
    assert len(begun) <= 2 * step.AHEAD + 1


def test_two_threads_work_at_once() -> None:
    together = threading.Barrier(2, timeout=10)
    assert step.each(lambda _: together.wait() >= 0, range(2), threads=2) == [True, True]
