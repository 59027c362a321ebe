"""One column of whole numbers out of a table's text, at once.

A panel needs one number of each atom of a hundred tables: the other cells are stepped over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctcnv.compiled import compiled

#: Most digits of a number that is read here: any of so many fits into 64 bits.
MOST_DIGITS = 18


def column(text: bytes | bytearray, begin: int, name: str) -> NDArray[np.int64] | None:
    """The numbers of a column of a table whose header stands at ``begin``, (rows,).

    None where it is no such table: a row has more or fewer cells than the header, or a cell of the
    column is empty or anything but digits.
    """
    end = text.find(b"\n", begin)
    header = text[begin:end].decode().split("\t")
    if end < 0 or header.count(name) != 1:
        return None
    letters = np.frombuffer(text, dtype=np.uint8)[end + 1 :]
    letters.flags.writeable = False
    found = np.empty(len(letters) // (2 * len(header)) + 1, dtype=np.int64)
    rows = _column(letters, len(header), header.index(name), found)
    return None if rows < 0 else found[:rows].copy()


#: Every letter of a cell is above this one; below are the tab, the end of the line and such.
MARKS, TAB, END, ZERO = 31, ord("\t"), ord("\n"), ord("0")


@compiled
def _column(letters: NDArray[np.uint8], cells: int, at: int, found: NDArray[np.int64]) -> int:
    """Fill in the numbers of cell ``at`` of each row and say how many rows there are, -1 for what
    is no table of such rows."""
    n = len(letters)
    rows, i = 0, 0
    while i < n:
        for cell in range(cells):
            begin = i
            if cell == at:
                value = 0
                while i < n and letters[i] > MARKS:
                    digit = letters[i] - ZERO
                    if digit < 0 or digit > 9:
                        return -1
                    value = 10 * value + digit
                    i += 1
                if not 0 < i - begin <= MOST_DIGITS or rows == len(found):
                    return -1
                found[rows] = value
            else:
                while i < n and letters[i] > MARKS:
                    i += 1
            if i < n and letters[i] != (TAB if cell + 1 < cells else END):
                return -1
            if i == n and cell + 1 < cells:
                return -1
            i += 1
        rows += 1
    return rows
