"""What a table is made of, and the check at the door: columns in order, of their kinds.

Work is done on arrays, once per column or once per distinct value: a cohort reads thousands of
tables of a few rows. tests/reference/check_slow.py is the same, cell by cell.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ctcnv.sequences import sequence_names

Kind = Literal["text", "int", "float", "bool"]

#: The first whole number that an int column cannot hold.
TOO_LARGE = 2.0**63


#: Units of what lies between 0 and 1.
SHARES = ("fraction", "probability")


@dataclass(frozen=True)
class Column:
    """One column of a table: name, kind, unit, meaning, and which values it may take."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    nullable: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table type: a name, a version that changes with its columns, and the columns in order."""

    name: str
    version: int
    columns: tuple[Column, ...]
    meaning: str

    @property
    def tag(self) -> str:
        """The identity written into a file, as in ``segments/1``."""
        return f"{self.name}/{self.version}"

    @functools.cached_property
    def names(self) -> list[str]:
        """The column names in order."""
        return [column.name for column in self.columns]

    def check(self, frame: pd.DataFrame, *, source: str = "") -> pd.DataFrame:
        """Give the frame with its columns in order and of their kinds, or say which value is wrong.

        Raises ValueError that names the source, the row (counted from 1 below the header), the
        column, the value and what was expected.
        """
        where = source or self.name
        given = list(frame.columns)
        if given != self.names:
            missing = [name for name in self.names if name not in given]
            if missing:
                raise ValueError(
                    f"{where}: column {missing[0]!r} is missing; expected {self.names}"
                )
            extra = [str(name) for name in given if name not in self.names]
            if extra:
                raise ValueError(f"{where}: unknown column {extra[0]!r}; expected {self.names}")
        rows = pd.RangeIndex(len(frame))
        checked = {}
        for column in self.columns:
            values = _checked(frame[column.name], column, where)
            if values.dtype == object:  # an array of text would be given another kind
                values = pd.Series(values, index=rows, dtype=object, copy=False)
            checked[column.name] = values
        return pd.DataFrame(checked, index=rows)

    def require_sense(self, frame: pd.DataFrame, *, source: str) -> None:
        """Refuse a checked frame with a share beyond 0 to 1 or a region that ends before it begins.

        Raises ValueError as :meth:`check` does.
        """
        for column in self.columns:
            if column.unit in SHARES and column.kind == "float":
                values = frame[column.name].to_numpy(dtype=float)
                beyond = (values < 0) | (values > 1)
                if beyond.any():
                    row = int(np.argmax(beyond))
                    raise ValueError(f"{source} row {row + 1}: {column.name} is {values[row]:g}; "
                                     "expected 0 to 1")  # fmt: skip
        if {"start", "end"} <= set(self.names):
            start, end = (frame[name].to_numpy(dtype=np.int64) for name in ("start", "end"))
            beyond = (start < 0) | (end <= start)
            if beyond.any():
                row = int(np.argmax(beyond))
                raise ValueError(
                    f"{source} row {row + 1}: the region is {start[row]} to {end[row]}; expected a "
                    "start of 0 or more and an end beyond it"
                )

    def empty(self) -> pd.DataFrame:
        """A table of this type with no rows."""
        return self.check(pd.DataFrame({name: [] for name in self.names}))


def _checked(values: pd.Series, column: Column, where: str) -> Any:
    """One column converted to its kind; ValueError names the first row that does not fit."""

    def refuse(wrong: np.ndarray) -> None:
        if wrong.any():
            raise ValueError(_wrong(values, int(np.argmax(wrong)), column, where))

    converted: Any
    if column.kind in ("text", "bool"):
        codes, distinct = pd.factorize(values)
        missing = codes == -1
        if column.name == "chrom":
            converted = sequence_names(values).array
        elif column.kind == "text":
            converted = _by_code(codes, distinct, str)
        else:
            refuse(_of_code(codes, [_as_bool(value) is None for value in distinct]))
            converted = _by_code(codes, distinct, _as_bool)
            if not missing.any():
                converted = converted.astype(bool)
    else:
        numbers, missing = _numbers(values, refuse)
        if column.kind == "float":
            converted = np.where(missing, np.nan, numbers.astype(np.float64))
            refuse(np.isinf(converted))
        else:
            converted = _whole(numbers, missing, refuse)
    if not column.nullable:
        refuse(missing)
    if column.choices:
        refuse(_of_code(codes, [str(value) not in column.choices for value in distinct]))
    return converted


def _numbers(
    values: pd.Series, refuse: Callable[[np.ndarray], None]
) -> tuple[np.ndarray, np.ndarray]:
    """A column as an array of numbers, anything where one is missing, and where that is."""
    array = values.array
    if not isinstance(values.dtype, np.dtype) or values.dtype.kind not in "iuf":
        found = pd.to_numeric(values, errors="coerce").array
        refuse(np.asarray(pd.isna(found) & ~pd.isna(array)))
        array = found
    missing = np.asarray(pd.isna(array))
    if isinstance(array.dtype, np.dtype):
        return array.to_numpy(), missing
    return array.to_numpy(dtype=array.dtype.numpy_dtype, na_value=0), missing


def _whole(
    numbers: np.ndarray, missing: np.ndarray, refuse: Callable[[np.ndarray], None]
) -> np.ndarray | pd.arrays.IntegerArray:
    """Numbers as whole ones; a fraction and one that is too large, also infinity, are refused."""
    if numbers.dtype.kind == "f":
        refuse(~missing & ((np.floor(numbers) != numbers) | (np.abs(numbers) >= TOO_LARGE)))
        numbers = np.where(missing, 0, numbers)
    elif numbers.dtype.kind == "u":
        refuse(numbers >= np.uint64(TOO_LARGE))
    whole = numbers.astype(np.int64)
    return pd.arrays.IntegerArray(whole, missing) if missing.any() else whole


def _by_code(codes: np.ndarray, distinct: Any, convert: Callable[[object], object]) -> np.ndarray:
    """Each distinct value converted, once for all its rows; None for a missing one."""
    converted = np.empty(len(distinct) + 1, dtype=object)  # the last is for code -1: missing
    converted[:-1] = [convert(value) for value in distinct]
    return np.asarray(converted[codes])


def _of_code(codes: np.ndarray, of: list[bool]) -> np.ndarray:
    """What holds of the distinct value of each row; it does not hold of a missing one."""
    return np.asarray(np.array([*of, False])[codes])


def _as_bool(value: object) -> object:
    return {"true": True, "false": False}.get(str(value).lower())


def _wrong(values: pd.Series, row: int, column: Column, where: str) -> str:
    """What is said of a value that does not fit."""
    value = values.iloc[row]
    shown = "empty" if pd.isna(value) else repr(value)
    expected = f"one of {list(column.choices)}" if column.choices else f"a {column.kind} value"
    return f"{where} row {row + 1}: {column.name} is {shown}; expected {expected}"
