"""Files for other programs: tab-separated tables, bedGraph and bigWig, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from ctcnv.io.tables import inert, replacing, write_text


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """A table with a header and without a preamble; a missing value is an empty cell."""
    shown = frame.copy()
    for name in frame.select_dtypes(["object", "string", "category"]).columns:
        shown[name] = frame[name].map(_inert, na_action="ignore")
    write_text(path, shown.to_csv(sep="\t", index=False, float_format="%.7g", lineterminator="\n"))


def _require_whole(path: Path, written: Path, *, n: int) -> None:
    """Refuse a bigWig without its n values: the writer only prints that a disk is full."""
    import pybigtools

    try:
        with written.open("rb") as handle, pybigtools.open(handle) as reader:
            found = sum(sum(1 for _ in reader.records(name)) for name in reader.chroms())
    except (pybigtools.BBIReadError, OSError, ValueError, RuntimeError):
        found = -1
    if found != n:
        raise ValueError(f"{path}: could not be written whole; is the disk full?")


def _inert(value: object) -> object:
    return inert(value) if isinstance(value, str) else value


def write_bedgraph(path: Path, windows: pd.DataFrame, *, name: str) -> None:
    """Plasma copy numbers of windows as bedGraph: 0-based and half-open, as in memory."""
    track = f'track type=bedGraph name="{name}" description="{name} plasma copy number"\n'
    body = windows[["chrom", "start", "end", "pcn"]].to_csv(
        sep="\t", index=False, header=False, float_format="%.7g", lineterminator="\n"
    )
    write_text(path, track + body)


def _write_values(
    named: Path, lengths: Mapping[str, int], values: Iterable[tuple[str, int, int, float]]
) -> None:
    """The values to a file, whole or not: the writer's threads panic when they meet a full disk,
    some of the time, and its exception is no Exception and has no module to import it from."""
    import pybigtools

    try:
        pybigtools.open(str(named), "w").write(dict(lengths), values)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise


def write_bigwig(path: Path, windows: pd.DataFrame, *, lengths: Mapping[str, int]) -> None:
    """The same values as bigWig, with the lengths of the chromosomes.

    The format demands at least one value: of a sample without any, the first base of the first
    chromosome is NaN, "not known", so that the file is one that viewers read.
    """
    if windows.empty:
        first = min(lengths)
        windows = pd.DataFrame({"chrom": [first], "start": [0], "end": [1], "pcn": [float("nan")]})
    # bigWig sorts chromosomes by name; the values must come in the order of its index
    ordered = windows.sort_values(["chrom", "start"], kind="stable")
    values = zip(
        ordered["chrom"].astype(str).tolist(), ordered["start"].tolist(),
        ordered["end"].tolist(), ordered["pcn"].astype(float).tolist(), strict=True,
    )  # fmt: skip
    with replacing(path) as temporary:
        # the writer knows what to write from the end of the name
        named = temporary.with_name(f"{temporary.name}.bw")
        try:
            _write_values(named, lengths, values)
            _require_whole(path, named, n=len(ordered))
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)
