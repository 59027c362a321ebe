"""Table.check cell by cell: what each value becomes, or what is said of the first wrong one."""

from __future__ import annotations

import math

import pandas as pd


def check_slow(table, frame):
    """The columns as lists of values, None for a missing one; ValueError as Table.check gives."""
    for name in table.names:
        if name not in frame.columns:
            raise ValueError(f"{table.name}: column {name!r} is missing; expected {table.names}")
    for name in frame.columns:
        if name not in table.names:
            raise ValueError(f"{table.name}: unknown column {name!r}; expected {table.names}")
    return {column.name: column_slow(table, column, frame[column.name]) for column in table.columns}


def column_slow(table, column, values):
    cells = list(values)
    converted = [value_slow(column.kind, cell) for cell in cells]
    for row, value in enumerate(converted):
        if value is None and not pd.isna(cells[row]):
            refuse(table, column, values, row)
    for row, value in enumerate(converted):
        if value is not None and column.kind == "float" and math.isinf(value):
            refuse(table, column, values, row)
        if value is not None and column.kind == "int" and not whole(value):
            refuse(table, column, values, row)
    for row, value in enumerate(converted):
        if value is None and not column.nullable:
            refuse(table, column, values, row)
    for row, value in enumerate(converted):
        if value is not None and column.choices and value not in column.choices:
            refuse(table, column, values, row)
    if column.kind == "int":
        return [None if value is None else int(value) for value in converted]
    return converted


def whole(value):
    return abs(value) < 2**63 and value == math.floor(value)


def value_slow(kind, cell):
    """The value of a cell; None for a missing one and for one that is no such value."""
    if pd.isna(cell):
        return None
    if kind == "text":
        return str(cell)
    if kind == "bool":
        return {"true": True, "false": False}.get(str(cell).lower())
    if isinstance(cell, str):
        try:
            number = float(cell)
        except ValueError:
            return None
        # Python reads these as numbers, a table does not
        return None if "_" in cell or math.isnan(number) else number
    return float(cell)


def refuse(table, column, values, row):
    value = values.iloc[row]
    shown = "empty" if pd.isna(value) else repr(value)
    expected = f"one of {list(column.choices)}" if column.choices else f"a {column.kind} value"
    raise ValueError(f"{table.name} row {row + 1}: {column.name} is {shown}; expected {expected}")
