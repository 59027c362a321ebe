"""Read and write the tables of :mod:`ctcnv.schema`: TSV with a ``##key=value`` preamble.

The first line is ``##ctcnv.table=<name>/<version>``; then come the version of ctcnv, the sample,
the settings and the sha256 of each input. No date, host or path is written, so that the same data
gives the same bytes. Files whose name ends in ``.gz`` are compressed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import glob
import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import deflate
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv import __version__
from ctcnv.io import decimals
from ctcnv.schema import BINS, Column, Table

Text = bytes | bytearray

#: Rows that are written at once.
ROWS = 50_000
#: How each member of a gzip file begins, and how many times its size the data of one can be.
GZIP, MOST_INFLATED = b"\x1f\x8b\x08", 1032
#: All bytes but those that end a cell.
NO_MARKS = bytes(sorted({*range(256)} - {*b"\t\n"}))
#: A cell that begins with one of these is a formula to spreadsheets, the wide ones to some.
FORMULA = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}"


@dataclass(frozen=True)
class Stored:
    """A table with the preamble it was stored with."""

    frame: pd.DataFrame
    meta: Mapping[str, str]
    digest: str
    path: Path = field(compare=False)

    def require(self, key: str) -> str:
        """The value of a preamble key; ValueError when the file has none."""
        if key not in self.meta:
            raise ValueError(f"{self.path}: its preamble has no {key!r}; make the file again")
        return self.meta[key]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, renamed to it on success and removed on failure.

    What a killed process left of an earlier try is removed first. An OSError that names no file (a
    full disk) or the temporary one names the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Its lock ends with this process, however it ends; that is how _sweep tells.
        with temporary.open("wb") as held:
            _locked(held)
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        if error.filename in (None, str(temporary)) and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove temporary files of ``path`` whose processes ended without removing them."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError), left.open("rb") as handle:
            if _locked(handle):
                for each in left.parent.glob(f"{glob.escape(left.name)}*"):
                    each.unlink(missing_ok=True)


def _locked(handle: IO[bytes]) -> bool:
    """Lock a file until it is closed; False where another process has it or nothing can be
    locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def bins_id(frame: pd.DataFrame) -> str:
    """A short identity of a set of atoms: sha256 over chrom, start and end.

    Two tables with the same identity describe the same atoms in the same order; every later step
    refuses tables of another one.
    """
    digest = hashlib.sha256()
    for chrom, part in frame.groupby("chrom", sort=False, observed=True):
        digest.update(str(chrom).encode())
        digest.update(np.ascontiguousarray(part["start"].to_numpy(dtype="<i8")).tobytes())
        digest.update(np.ascontiguousarray(part["end"].to_numpy(dtype="<i8")).tobytes())
    return digest.hexdigest()[:16]


def write(
    path: Path,
    table: Table,
    frame: pd.DataFrame,
    *,
    meta: Mapping[str, object] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> None:
    """Check the frame and write it.

    ``meta`` are preamble values (mappings are stored as JSON), ``inputs`` names each input with
    its sha256.
    """
    checked = table.check(frame, source=str(path))
    lines = {"ctcnv.table": table.tag, "ctcnv.version": __version__}
    for key, value in (meta or {}).items():
        lines[key] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    for key, digest in (inputs or {}).items():
        lines[f"input.{key}"] = f"sha256:{digest}"
    preamble = "".join(f"##{key}={value}\n" for key, value in lines.items())
    if any("\n" in value for value in lines.values()):
        raise ValueError(f"{path}: a preamble value holds a line break")
    data = preamble.encode() + _to_tsv(checked, table)
    if path.suffix == ".gz":
        # The fastest level: a tenth larger, a quarter of the time. Its header carries no time.
        data = bytes(deflate.gzip_compress(data, 1))
    write_bytes(path, data)


def _to_tsv(frame: pd.DataFrame, table: Table) -> bytes:
    shown = [_shown(frame[column.name], column) for column in table.columns]
    text = io.BytesIO()
    text.write("\t".join(table.names).encode() + b"\n")
    # Some rows at a time: with what pads its cells a row takes several times its space.
    for begin in range(0, len(frame), ROWS):
        text.write(_lines([cells[begin : begin + ROWS] for cells in shown]))
    return text.getvalue()


def _lines(columns: Sequence[NDArray[np.bytes_]]) -> bytes:
    """Cells side by side, (rows,) each, as lines: letters of fixed width without what pads them."""
    parts = []
    for cells in columns:
        parts.append(cells.view(np.uint8).reshape(len(cells), -1))
        parts.append(np.full((len(cells), 1), ord("\t"), dtype=np.uint8))
    parts[-1][:] = ord("\n")
    letters: NDArray[np.uint8] = np.hstack(parts)
    return bytes(letters[letters != 0].tobytes())


def _shown(values: pd.Series, column: Column) -> NDArray[np.bytes_]:
    """A column as the cells of a file."""
    if column.kind == "float":
        return decimals.cells(values.to_numpy(dtype=float))
    # Other columns repeat values, positions those of other chromosomes: each is written once.
    codes, distinct = pd.factorize(values)
    if column.kind == "int" and len(distinct):
        whole = np.asarray(distinct, dtype=np.int64)
        texts = whole.astype(f"S{max(len(str(whole.min())), len(str(whole.max())))}")
    else:
        show = _truth if column.kind == "bool" else _cell
        texts = np.array([show(value).encode() for value in distinct], dtype=np.bytes_)
    return np.append(texts, b"")[codes]  # the last is for code -1: missing


def _truth(value: object) -> str:
    return str(bool(value)).lower()


def _cell(value: object) -> str:
    return inert(str(value).translate(dict.fromkeys(map(ord, "\t\n\r\0"), " ")))


def inert(text: str) -> str:
    """A text that no spreadsheet runs: with an apostrophe before what would be a formula.

    :func:`read` takes it away again; one that was there before is doubled, so that none is lost.
    """
    bare = text.lstrip("'")
    if not bare or bare[0] not in FORMULA or len(text) == 1:
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _uttered(text: str) -> str:
    """The text that was made inert."""
    bare = text.lstrip("'")
    return text[1:] if bare != text and bare and bare[0] in FORMULA else text


def read(path: Path, table: Table, *, only: Sequence[str] | None = None) -> Stored:
    """Read a table of the given type, or some of its columns.

    Raises ValueError when the file is another table, an outdated version, damaged, or has a wrong
    value; OSError when it cannot be opened.
    """
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    raw = _inflated(path, data)
    meta, begin = _split(raw)
    _check_tag(path, meta, table)
    if only is not None:
        columns = tuple(column for column in table.columns if column.name in only)
        table = dataclasses.replace(table, columns=columns)
    frame = _whole_column(raw, begin, table)
    if frame is None:
        frame = _parsed(path, raw, begin, table, only=only)
    checked = table.check(frame, source=str(path))
    table.require_sense(checked, source=str(path))
    return Stored(checked, meta, digest, path)


def _whole_column(raw: Text, begin: int, table: Table) -> pd.DataFrame | None:
    """A table of one column, whole numbers, in a fifth of the time; None where it is another or
    does not look as expected."""
    if [column.kind for column in table.columns] != ["int"]:
        return None
    from ctcnv.io import wholes  # what compiles it takes a second to load

    [name] = table.names
    values = wholes.column(raw, begin, name)
    return None if values is None else pd.DataFrame({name: values})


def _parsed(
    path: Path, raw: Text, begin: int, table: Table, *, only: Sequence[str] | None
) -> pd.DataFrame:
    """The columns of a table as they stand in the file."""
    _check_cells(path, raw, begin)
    body = io.BytesIO(raw)
    body.seek(begin)
    try:
        frame = pd.read_csv(
            body,
            usecols=None if only is None else list(only),
            sep="\t",
            dtype={
                # the names of a few sequences in many rows: each is kept once
                c.name: "category" if c.name == "chrom" else "object"
                for c in table.columns
                if c.kind in ("text", "bool")
            },
            keep_default_na=False,
            na_values=[""],
            quoting=3,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path}: not a table ({str(error).strip()}); make it again") from None
    if b"'" in raw and (b"\t'" in raw or b"\n'" in raw):
        for column in table.columns:
            if column.kind == "text" and column.name in frame:
                frame[column.name] = frame[column.name].map(_uttered, na_action="ignore")
    return frame


def preamble(path: Path) -> dict[str, str]:
    """The preamble of a table of any type, which is not read; ValueError when the file is damaged
    or no table of ctcnv."""
    meta: dict[str, str] = {}
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
            for line in handle:
                if not line.startswith(b"##"):
                    break
                key, _, value = line.decode().removeprefix("##").rstrip("\n").partition("=")
                meta[key] = value
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged ({error}); make it again") from None
    if "ctcnv.table" not in meta:
        raise ValueError(f"{path}: not a ctcnv table; its first line would be ##ctcnv.table=...")
    return meta


def _split(raw: Text) -> tuple[dict[str, str], int]:
    """The preamble of a table, and where its header begins."""
    meta: dict[str, str] = {}
    begin = 0
    while raw.startswith(b"##", begin):
        end = raw.find(b"\n", begin) + 1 or len(raw)
        key, _, value = raw[begin:end].decode().removeprefix("##").rstrip("\n").partition("=")
        meta[key] = value
        begin = end
    return meta, begin


def _inflated(path: Path, data: bytes) -> Text:
    """The bytes of a table, which are text."""
    try:
        packed = data[:2] == GZIP[:2]
        text = (_one_member(data) or gzip.decompress(data)) if packed else data
        if not text.isascii():
            text.decode()
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged ({error}); make it again") from None
    return text


def _one_member(data: bytes) -> bytearray | None:
    """The data of a gzip file that can hold no second member, as this module writes them, in half
    of the time; None for another, and for one that is damaged."""
    length = int.from_bytes(data[-4:], "little")
    if data.find(GZIP, 1) >= 0 or not 0 < length <= MOST_INFLATED * len(data):
        return None
    with contextlib.suppress(deflate.DeflateError):
        return deflate.gzip_decompress(data, length)
    return None


def _check_cells(path: Path, raw: Text, start: int) -> None:
    """Refuse a table with a row of more or fewer cells than its header: pandas would shift it."""
    marks = raw[start:].rstrip(b"\n").translate(None, NO_MARKS) + b"\n"
    row = marks[: marks.index(b"\n") + 1]
    if marks == row * (len(marks) // len(row)):
        return
    for number, found in enumerate(marks.splitlines(keepends=True)):
        if found != row:
            raise ValueError(
                f"{path} row {number}: {len(found)} cells, the header has {len(row)}; make the "
                "file again"
            )


def _check_tag(path: Path, meta: Mapping[str, str], table: Table) -> None:
    tag = meta.get("ctcnv.table")
    if tag is None:
        raise ValueError(f"{path}: not a ctcnv table; expected {table.name!r}")
    name, _, version = tag.partition("/")
    if name != table.name:
        raise ValueError(f"{path}: a {name!r} table; expected {table.name!r}")
    if version != str(table.version):
        raise ValueError(
            f"{path}: version {version} of {name!r}; this ctcnv reads version {table.version}, "
            "make the file again"
        )


def read_bins(path: Path, *, only: Sequence[str] | None = None) -> tuple[Stored, str]:
    """The atoms, or some of their columns, and their identity."""
    stored = read(path, BINS, only=only)
    return stored, bins_id(stored.frame)


def require_bins(stored: Stored, wanted: str, *, of: str) -> None:
    """Refuse a table whose atoms are not the wanted ones."""
    found = stored.require("bins")
    if found != wanted:
        raise ValueError(
            f"{stored.path}: made on other bins ({found}) than {of} ({wanted}); "
            "make both with the same reference and bin size"
        )


def require_sample(stored: Stored, wanted: str) -> None:
    """Refuse a table of another sample than the one it was given for."""
    found = stored.require("sample")
    if found != wanted:
        raise ValueError(f"{stored.path}: of sample {found!r}; expected {wanted!r}")


def require_patient(stored: Stored, wanted: str) -> None:
    """Refuse a table of another patient than the one it was given for."""
    found = stored.require("patient")
    if found != wanted:
        raise ValueError(f"{stored.path}: of patient {found!r}; expected {wanted!r}")
