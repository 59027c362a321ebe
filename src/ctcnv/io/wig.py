"""Bin values made elsewhere: fixedStep wigs (readCounter, gcCounter, mapCounter) and TSV tables.

A wig counts from 1; the tables given back are 0-based and half-open. The last bin of a chromosome
ends at its start plus its span, beyond the chromosome, whose length a wig does not tell.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

#: Names a count column may have when none is named like the sample, in order of preference.
COUNT_COLUMNS = ("count", "fragments")

#: No position of a genome lies beyond it (that of formats with signed 32-bit positions).
FARTHEST = (1 << 31) - 1


def read_text(path: Path) -> str:
    """The text of a file, plain or gzipped; ValueError when it is damaged or not text."""
    data = path.read_bytes()
    if not data:
        raise ValueError(f"{path}: empty")
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode()
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged or not text ({error})") from None


def is_wig(text: str) -> bool:
    """Whether a text is a wig, by its first line."""
    return text.lstrip()[:20].startswith(("fixedStep", "variableStep", "track"))


def read_fixed_step(path: Path) -> pd.DataFrame:
    """A fixedStep wig as a table with chrom, start, end and value, in the order of the file.

    Raises ValueError that names the line when it is not such a wig or bins overlap.
    """
    chroms: list[str] = []
    starts: list[np.ndarray] = []
    ends: list[np.ndarray] = []
    values: list[np.ndarray] = []
    lines = read_text(path).splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith("fixedStep")]
    for i, line in enumerate(lines[: heads[0] if heads else None]):
        if line.strip() and not line.startswith(("track", "#", "browser")):
            raise ValueError(f"{path} line {i + 1}: {line[:60]!r}; expected a fixedStep wig")
    if not heads:
        raise ValueError(f"{path}: holds no fixedStep line; expected a fixedStep wig")
    for head, following in zip(heads, [*heads[1:], len(lines)], strict=True):
        chrom, start, step, span = _fixed_step(path, head, lines[head])
        body = [line for line in lines[head + 1 : following] if line.strip()]
        try:
            numbers = np.array(body, dtype=float)
        except ValueError:
            wrong = next(k for k, line in enumerate(body) if not _is_number(line))
            raise ValueError(
                f"{path} line {head + wrong + 2}: {body[wrong][:60]!r} is not a number"
            ) from None
        if start + step * len(numbers) > 2 * FARTHEST:
            raise ValueError(f"{path} line {head + 1}: its bins lie beyond {FARTHEST:,}")
        first = start - 1 + step * np.arange(len(numbers), dtype=np.int64)
        chroms += [chrom] * len(numbers)
        starts.append(first)
        ends.append(first + span)
        values.append(numbers)
    return pd.DataFrame(
        {
            "chrom": np.array(chroms, dtype=object),
            "start": np.concatenate(starts),
            "end": np.concatenate(ends),
            "value": np.concatenate(values),
        }
    )


def _fixed_step(path: Path, index: int, line: str) -> tuple[str, int, int, int]:
    """Name, start (from 1), step and span of one fixedStep line."""
    given = dict(word.partition("=")[::2] for word in line.split()[1:])
    try:
        chrom, start, step = given["chrom"], int(given["start"]), int(given["step"])
        span = int(given.get("span", 1))
    except (KeyError, ValueError):
        raise ValueError(
            f"{path} line {index + 1}: {line[:80]!r}; expected "
            "'fixedStep chrom=... start=... step=... span=...'"
        ) from None
    if not 1 <= start <= FARTHEST or not 1 <= span <= step <= FARTHEST:
        raise ValueError(
            f"{path} line {index + 1}: {line[:80]!r}; expected 1 <= span <= step, and no position "
            f"beyond {FARTHEST:,}"
        )
    return chrom, start, step, span


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_count_table(path: Path, *, sample: str) -> tuple[pd.DataFrame, str]:
    """A TSV of counts as a table with chrom, start, end and value, and the count column's name.

    The count column is the one named like the sample, else ``count``, else ``fragments``; the
    values are not checked here. Raises ValueError that says which column is missing.
    """
    text = read_text(path)
    header = text[: text.find("\n") if "\n" in text else None].rstrip("\r").split("\t")
    region = ["chrom", "start", "end"]
    missing = [name for name in region if name not in header]
    if missing:
        raise ValueError(
            f"{path}: column {missing[0]!r} is missing; expected a fixedStep wig or a TSV with "
            f"chrom, start, end and counts, found {header[:6]}"
        )
    column = next((name for name in (sample, *COUNT_COLUMNS) if name in header), None)
    if column is None or column in region:
        raise ValueError(
            f"{path}: no column of counts; name it {sample!r} like the sample, or 'count'"
        )
    for number, line in enumerate(text.split("\n")[1:], start=1):
        # pandas would shift the cells of such a row
        if line.strip() and line.count("\t") + 1 != len(header):
            raise ValueError(
                f"{path} row {number}: {line.count(chr(9)) + 1} cells, the header has {len(header)}"
            )
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep="\t", usecols=[*region, column], dtype="str",
            keep_default_na=False, quoting=3,
        )  # fmt: skip
    except pd.errors.ParserError as error:
        raise ValueError(f"{path}: not a table ({str(error).strip()})") from None
    frame = frame[[*region, column]].set_axis([*region, "value"], axis="columns")
    numbers = {name: pd.to_numeric(frame[name], errors="coerce") for name in ("start", "end")}
    for name, values in numbers.items():
        wrong = (~values.between(0, FARTHEST) | (values != np.floor(values))).to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{path} row {row + 1}: {name} is {frame[name].iloc[row]!r}; expected a position"
            )
    counts = pd.to_numeric(frame["value"], errors="coerce")
    wrong = (counts.isna() & ~frame["value"].str.lower().isin(["", "na", "nan"])).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{path} row {row + 1}: {column} is {frame['value'].iloc[row]!r}; expected a count"
        )
    return frame.assign(
        start=numbers["start"].astype("int64"), end=numbers["end"].astype("int64"),
        value=counts.astype("float64"),
    ), column  # fmt: skip
