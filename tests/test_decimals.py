"""Many floats as text are what Python writes of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv.io import decimals as step


def cells(values) -> list[str]:
    """The cells of values, as they stand in a file, whatever their number."""
    many = np.resize(np.asarray(values, dtype=float), max(len(values), step.FEW))
    found = np.ascontiguousarray(step.cells(many))
    rows = found.view(np.uint8).reshape(len(many), -1)[: len(values)]
    return [row[row != 0].tobytes().decode() for row in rows]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (np.nan, ""), (1.0, "1"), (-12.5, "-12.5"), (1200.0, "1200"),
        (0.1, "0.1"), (0.0001, "0.0001"), (0.00012345678, "0.0001234568"), (9999999.0, "9999999"),
        (9999999.6, "1e+07"), (0.00009999999999, "0.0001"), (99.99999996, "100"),
        (123456.75, "123456.8"), (1234567.5, "1234568"), (1e-5, "1e-05"), (-2.5e300, "-2.5e+300"),
        (3.0000001, "3"), (1000001.0, "1000001"), (0.5, "0.5"),
    ],
)  # fmt: skip
def test_a_cell_by_hand(value: float, text: str) -> None:
    assert cells([value]) == [text]


@given(
    st.lists(
        st.floats(allow_infinity=False)
        | st.floats(1e-5, 1e8)
        # halves of the last digit, and what lies next to a power of ten
        | st.integers(0, 10**9).map(lambda n: n / 1000)
        | st.integers(-6, 9).map(lambda n: float(np.nextafter(10.0**n, 0))),
        max_size=50,
    )
)
def test_cells_are_those_of_python(values: list[float]) -> None:
    assert cells(values) == [step.number(value) for value in values]


def test_a_hundred_thousand_cells_of_every_size_are_those_of_python() -> None:
    rng = np.random.default_rng(4)
    values = 10 ** rng.uniform(-6, 9, 100_000) * rng.choice([-1, 1], 100_000)
    assert cells(values) == [step.number(value) for value in values.tolist()]


def test_few_values_are_written_alike() -> None:
    assert step.cells(np.array([1.5, np.nan])).tolist() == [b"1.5", b""]
