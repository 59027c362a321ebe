"""The golden tables: a small simulated cohort through panel, call and track, kept here.

``make golden`` writes them anew. They say that numbers changed, not whether they are right: after
a change on purpose, look at the difference, run ``make golden`` and write the CHANGELOG.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd

from ctcnv import fraction, genes, track
from ctcnv.io import tables
from ctcnv.schema import (
    COUNTS,
    DISPERSION,
    DONORS,
    FRACTION,
    GENES,
    NORMALS,
    PON,
    PON_GENES,
    PROFILE,
    SEGMENTS,
    SOLUTIONS,
    TRACK,
    WAVES,
    Table,
)  # fmt: skip
from ctcnv.track import TimePoint
from tests import plasma

FOLDER = Path(__file__).resolve().parent / "fixtures" / "golden"
#: Floats may differ by this share (other libraries of mathematics); all else must be equal.
RELATIVE, ABSOLUTE = 1e-4, 1e-9


@functools.cache
def made() -> dict[str, tuple[Table, pd.DataFrame]]:
    """Every golden table by name."""
    tumor = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5)
    later = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.05, seed=7)
    healthy = plasma.sample(seed=9)
    panel = plasma.build_panel(plasma.normals(6))
    drawn = plasma.counts(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5)
    points = [_point("day0", 0, tumor), _point("day21", 21, later), _point("day63", 63, healthy)]
    found = {
        "counts": (COUNTS, _part(drawn)),
        "pon": (PON, _part(panel.pon)),
        "pon.dispersion": (DISPERSION, panel.dispersion),
        "pon.donors": (DONORS, panel.donors),
        "pon.genes": (PON_GENES, panel.genes),
        "pon.normals": (NORMALS, _part(panel.normals)),
        "pon.waves": (WAVES, _part(panel.waves)),
        "track": (
            TRACK,
            track.track(points, settings=plasma.SETTINGS["track"], normals=panel.normals),
        ),
    }
    for name, sample in (("tumor", tumor), ("later", later), ("healthy", healthy)):
        solutions = genes.copies_by_solution(sample.fraction.solutions, sample.genes, gene="ERBB2")
        found |= {
            f"{name}.profile": (PROFILE, _part(sample.normalized.profile)),
            f"{name}.segments": (SEGMENTS, sample.segments),
            f"{name}.fraction": (FRACTION, fraction.table(sample.fraction, sample=name)),
            f"{name}.solutions": (SOLUTIONS, solutions),
            f"{name}.genes": (GENES, sample.genes),
        }
    return found


def _part(frame: pd.DataFrame) -> pd.DataFrame:
    """Chromosome 17 alone: what goes wrong elsewhere shows in the other tables."""
    return frame[frame["chrom"] == "chr17"].reset_index(drop=True)


def _point(name: str, day: int, sample: plasma.Sample) -> TimePoint:
    return TimePoint(
        sample=name, day=day, fraction=dict(sample.fraction.row), erbb2=sample.gene().to_dict(),
        profile=sample.normalized.profile, segments=sample.segments, grid=sample.fraction.grid,
        dispersion=sample.dispersion,
    )  # fmt: skip


def path_of(name: str) -> Path:
    """Where a golden table lies."""
    return FOLDER / f"{name}.tsv"


def differences(name: str, table: Table, old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    """Every cell that changed, as 'table, column, row: old -> new'."""
    if len(old) != len(new):
        return [f"{name}: {len(old)} -> {len(new)} rows"]
    found = []
    for column in table.columns:
        pairs = zip(old[column.name], new[column.name], strict=True)
        for row, (before, after) in enumerate(pairs, start=1):
            if not _same(before, after, exact=column.kind != "float"):
                found.append(f"{name}, {column.name}, row {row}: {before} -> {after}")
    return found


def _same(before: object, after: object, *, exact: bool) -> bool:
    if pd.isna(before) or pd.isna(after):
        return bool(pd.isna(before) and pd.isna(after))
    if exact:
        return bool(before == after)
    one, two = float(str(before)), float(str(after))
    return abs(one - two) <= ABSOLUTE + RELATIVE * max(abs(one), abs(two))


def main() -> None:
    """Write all golden tables and remove those that are no longer made."""
    for name, (table, frame) in made().items():
        tables.write(path_of(name), table, frame)
    for path in FOLDER.glob("*.tsv"):
        if path.name.removesuffix(".tsv") not in made():
            path.unlink()


if __name__ == "__main__":
    main()
