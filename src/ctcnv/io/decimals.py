"""Many floats as text at once, each as ``f"{value:.7g}"`` has it.

A value of 0.0001 to 10,000,000 is scaled to a whole number of seven digits, which are looked up
four at a time. Scaling is exact to a part in 10^16; where that leaves open to which side
a value is rounded, and for all other values, Python writes it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Significant digits of a float in a table: far below any noise, and stable between platforms.
DIGITS = 7
#: Powers of ten of the first digit of values that are written without an exponent.
LEAST_POWER, MOST_POWER = -4, DIGITS - 1
#: Longest cell: sign, digits, point and an exponent of five letters.
WIDTH = 14
#: Least distance of a scaled value from the middle between two whole numbers; its error is 1e-9.
CLEAR = 1e-6
#: Fewer values are written one by one.
FEW = 200
#: Every number of four digits, in ASCII, as one word, and how many digits are left without zeros at
#: the end.
_letters = (np.arange(10_000)[:, None] // np.array([1000, 100, 10, 1]) % 10 + ord("0")).astype(
    np.uint8
)
_FOUR = _letters.view(np.uint32).ravel()
_KEPT = np.max((_letters != ord("0")) * np.arange(1, 5), axis=1).astype(np.int8)


def number(value: float) -> str:
    """One value as a cell; empty when it is not known."""
    return "" if value != value else f"{value:.{DIGITS}g}"


def cells(values: NDArray[np.float64]) -> NDArray[np.bytes_]:
    """Values as cells, (n,); a cell may hold NUL, which is no letter of it."""
    if len(values) < FEW:
        return np.array([number(value) for value in values.tolist()], dtype=np.bytes_)
    size = np.abs(values)
    plain = (size >= 10.0**LEAST_POWER) & (size < 10.0 ** (MOST_POWER + 1))
    size = np.where(plain, size, 1.0)
    power = np.floor(np.log10(size)).astype(np.int8)
    scaled = size * (10.0 ** np.arange(DIGITS + 4))[DIGITS - 1 - power]
    whole = np.floor(scaled + 0.5)
    plain &= np.abs(scaled - np.floor(scaled) - 0.5) > CLEAR
    over = whole >= 10**DIGITS  # 9.99999996 is 10
    power, whole = power + over, np.where(over, 10 ** (DIGITS - 1), whole)
    plain &= (power <= MOST_POWER) & (whole >= 10 ** (DIGITS - 1))
    letters = np.zeros((len(values), WIDTH), dtype=np.uint8)
    for one in range(LEAST_POWER, MOST_POWER + 1):
        rows = np.flatnonzero(plain & (power == one))
        if len(rows):
            letters[rows] = _of_power(one, whole[rows].astype(np.int32))
    letters[plain & (values < 0), 0] = ord("-")
    found = letters.view(f"S{WIDTH}").ravel()
    rows = np.flatnonzero(~plain & ~np.isnan(values))
    found[rows] = [number(value).encode() for value in values[rows].tolist()]
    return found


def _of_power(power: int, whole: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Letters, (n, WIDTH), of whole numbers of seven digits whose first one has this power of
    ten; the place of the sign is left free."""
    high, low = np.divmod(whole, np.int32(10_000))
    digits = np.stack([_FOUR[high], _FOUR[low]], axis=1).view(np.uint8)[:, 1:]
    kept = np.where(low > 0, _KEPT[low] + 3, _KEPT[high] - 1)
    before = power + 1
    digits[np.arange(DIGITS, dtype=np.int8) >= np.maximum(kept, before)[:, None]] = 0
    letters = np.zeros((len(whole), WIDTH), dtype=np.uint8)
    if before > 0:
        letters[:, 1 : 1 + before] = digits[:, :before]
        letters[kept > before, 1 + before] = ord(".")
        letters[:, 2 + before : 2 + DIGITS] = digits[:, before:]
    else:
        letters[:, 1 : 3 - before] = np.frombuffer(b"0." + b"0" * -before, dtype=np.uint8)
        letters[:, 3 - before : 3 - before + DIGITS] = digits
    return letters
