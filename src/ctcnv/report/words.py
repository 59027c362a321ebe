"""Numbers as the report shows them, with intervals; what is not known says so in words."""

from __future__ import annotations

import math
from collections.abc import Callable

NOT_KNOWN = "not known"
NOT_EVALUABLE = "not evaluable"
#: Between a number and its unit, and inside a pair that must not be torn apart.
SPACE = "\u00a0"
MINUS = "\u2212"

Form = Callable[[float], str]


def number(value: object) -> float:
    """A cell as a float; NaN for everything that is not known."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def known(value: object) -> bool:
    """Whether a numeric cell holds a finite number."""
    return math.isfinite(number(value))


def text(value: object) -> str:
    """A text cell; empty for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)


def share(value: float) -> str:
    """A fraction in per cent, without the sign: 0.0412 gives 4.1."""
    percent = 100 * value
    return decimals(percent, 0 if percent >= 9.95 else 1 if percent >= 0.95 or percent == 0 else 2)


def chance(value: object, *, missing: str = NOT_KNOWN) -> str:
    """A probability in per cent, never rounded to certainty."""
    if not known(value):
        return missing
    shown = number(value)
    if shown >= 0.995:
        return f">{SPACE}99{SPACE}%"
    return f"<{SPACE}1{SPACE}%" if shown <= 0.005 else decimals(100 * shown, 0) + f"{SPACE}%"


def copies(value: float) -> str:
    """Copies: whole above ten, else with one decimal."""
    return decimals(value, 0 if abs(value) >= 9.95 else 1)


def plasma_copies(value: float) -> str:
    """Plasma copies: two decimals below ten, because 2.2 and 2.02 are worlds apart."""
    return decimals(value, 1 if abs(value) >= 9.995 else 2)


def fold(value: float) -> str:
    """A ratio to baseline."""
    if value < 0.0005:
        return "0"
    return decimals(value, 1 if value >= 9.995 else 3 if value < 0.095 else 2)


def decimals(value: float, digits: int) -> str:
    """A number with so many decimals, a thousands separator and a true minus sign."""
    shown = f"{value:,.{digits}f}"
    if float(shown.replace(",", "")) == 0:
        shown = shown.removeprefix("-")
    return shown.replace("-", MINUS)


def whole(value: object) -> str:
    """A count with thousands separators."""
    return decimals(number(value), 0) if known(value) else NOT_KNOWN


def significant(value: object) -> str:
    """A probability or parameter with three significant digits."""
    if not known(value):
        return NOT_KNOWN
    shown = number(value)
    return f"{shown:.3g}".replace("-", MINUS) if abs(shown) < 1e5 else decimals(shown, 0)


def quantity(value: object, form: Form, unit: str = "", *, missing: str = NOT_KNOWN) -> str:
    """A value with its unit, or the word for a missing one."""
    return form(number(value)) + (SPACE + unit if unit else "") if known(value) else missing


def interval(low: object, high: object, form: Form, unit: str = "") -> str:
    """A 95 % interval; an open end is said in words, never drawn as zero."""
    tail = SPACE + unit if unit else ""
    if known(low) and known(high):
        return f"{form(number(low))}\u2013{form(number(high))}{tail}"
    if known(low):
        return f"at least {form(number(low))}{tail}"
    if known(high):
        return f"at most {form(number(high))}{tail}"
    return f"interval {NOT_KNOWN}"


def day(value: object) -> str:
    """A day as the report calls it."""
    return f"day{SPACE}{decimals(number(value), 0)}" if known(value) else f"day {NOT_KNOWN}"


def megabases(bases: object) -> str:
    """A width in Mb or kb."""
    if not known(bases):
        return NOT_KNOWN
    width = number(bases)
    if width >= 1e6:
        return decimals(width / 1e6, 1) + SPACE + "Mb"
    return decimals(width / 1e3, 0) + SPACE + "kb"


def sentence(words: str) -> str:
    """Words as a sentence: a capital first and a full stop last."""
    words = words.strip()
    if not words:
        return ""
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")


def listing(items: list[str]) -> str:
    """Items joined as in prose: a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
