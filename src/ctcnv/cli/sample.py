"""What the steps of one sample share on the command line: reading, checking and writing tables."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.dispersion import Dispersion
    from ctcnv.io.tables import Stored
    from ctcnv.normalize import Panel
    from ctcnv.normals import Grid, Summed
    from ctcnv.schema import Table

#: Preamble keys of a sample's tables that follow it from step to step.
CARRIED = ("sample", "bins", "sex", "fragments", "noise", "pon", "n_normals")


@dataclass
class Provenance:
    """The preamble of the tables that a command writes: values, settings and inputs."""

    meta: dict[str, object] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    def carry(self, stored: Stored) -> None:
        """Take over the keys that follow a sample, and the settings of earlier steps."""
        for key, value in stored.meta.items():
            if key in CARRIED or key.startswith("settings."):
                self.meta[key] = value

    def add(self, name: str, stored: Stored) -> Stored:
        """Remember an input by its digest."""
        self.inputs[name] = stored.digest
        return stored

    def write(self, path: Path, table: Table, frame: pd.DataFrame) -> None:
        """Write a table with this preamble."""
        from ctcnv.io import tables

        tables.write(path, table, frame, meta=self.meta, inputs=self.inputs)


def read_profile(path: Path, made: Provenance) -> Stored:
    """A profile, with its preamble carried over."""
    from ctcnv.io import tables
    from ctcnv.schema import PROFILE

    stored = made.add("profile", tables.read(path, PROFILE))
    made.carry(stored)
    return stored


def read_dispersion(path: Path | None, made: Provenance, *, bins: str) -> Dispersion | None:
    """The panel's over-dispersion, or None without a panel; refused when of other bins."""
    from ctcnv.dispersion import Dispersion
    from ctcnv.io import tables
    from ctcnv.schema import DISPERSION

    if path is None:
        return None
    stored = tables.read(path, DISPERSION)
    tables.require_bins(made.add("dispersion", stored), bins, of="the sample")
    return Dispersion.from_frame(stored.frame)


def read_excess(path: Path | None, made: Provenance, *, bins: str) -> dict[str, float] | None:
    """How much more than other regions each gene varies in the panel, by gene, or None without a
    panel; refused when of other bins."""
    from ctcnv.io import tables
    from ctcnv.pon import excess_of
    from ctcnv.schema import PON_GENES

    if path is None:
        return None
    stored = made.add("pon_genes", tables.read(path, PON_GENES))
    tables.require_bins(stored, bins, of="the sample")
    return excess_of(stored.frame)


def read_normals(path: Path | None, made: Provenance, *, bins: str) -> pd.DataFrame | None:
    """The panel's table of normals, or None without a panel; refused when of other bins."""
    from ctcnv.io import tables
    from ctcnv.schema import NORMALS

    if path is None:
        return None
    stored = made.add("normals", tables.read(path, NORMALS))
    tables.require_bins(stored, bins, of="the sample")
    return stored.frame


def libraries(path: Path | None, normals: pd.DataFrame | None) -> tuple[Grid, Summed] | None:
    """Windows and libraries of a table of normals; ValueError names the file that is not one."""
    from ctcnv import normals as normals_step

    if normals is None:
        return None
    try:
        _, grid, summed = normals_step.read(normals)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return grid, summed


def read_panel(path: Path, waves: Path, bins: str, counts: Stored, made: Provenance) -> Panel:
    """The panel and its waves, refused when made on other bins or with other read filters."""
    from ctcnv.io import tables
    from ctcnv.pon import panel_of
    from ctcnv.schema import PON, WAVES

    stored = made.add("pon", tables.read(path, PON))
    tables.require_bins(stored, bins, of="the sample")
    same_filters(counts, stored.require("settings.count"), of=f"the panel {path}")
    in_waves = made.add("waves", tables.read(waves, WAVES))
    tables.require_bins(in_waves, bins, of="the sample")
    try:
        panel = panel_of(stored.frame, in_waves.frame)
    except ValueError as error:
        raise ValueError(f"{waves}: {error}") from error
    made.meta["pon"] = stored.digest
    made.meta["n_normals"] = stored.require("n_normals")
    return panel


def same_filters(counts: Stored, wanted: str, *, of: str) -> None:
    """Refuse counts whose read filters are not the wanted ones; ValueError names the difference."""
    found = counts.require("settings.count")
    if found == wanted:
        return
    ours, theirs = _mapping(found), _mapping(wanted)
    keys = sorted(set(ours) | set(theirs))
    different = next((k for k in keys if ours.get(k) != theirs.get(k)), "?")
    raise ValueError(
        f"{counts.path}: counted with {different} {ours.get(different)!r}, {of} with "
        f"{theirs.get(different)!r}; count both with the same settings"
    )


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        loaded = json.loads(text)
    except json.JSONDecodeError:
        return {"settings": text}
    return loaded if isinstance(loaded, dict) else {"settings": text}


def read_sample(path: Path, table: Table, sample: str, bins: str | None) -> Stored:
    """A table of one sample, refused when it is of another sample or other bins."""
    from ctcnv.io import tables

    stored = tables.read(path, table)
    found = stored.require("sample")
    if found != sample:
        raise ValueError(f"{path}: of sample {found!r}, expected {sample!r}")
    if bins is not None:
        tables.require_bins(stored, bins, of="the other tables")
    return stored


def only_row(stored: Stored) -> dict[str, object]:
    """The row of a table of one row as a mapping; ValueError when it has more or none."""
    if len(stored.frame) != 1:
        raise ValueError(
            f"{stored.path}: {len(stored.frame)} rows; expected one, make the file again"
        )
    return {str(key): value for key, value in stored.frame.iloc[0].items()}


def read_grid(
    path: Path, sample: str, bins: str | None, *, fraction: Mapping[str, object]
) -> Stored:
    """The posterior surface of a sample; ValueError when it has no row though tumor is detected."""
    from ctcnv.schema import GRID

    stored = read_sample(path, GRID, sample, bins)
    if fraction["status"] == "detected" and not stored.frame["probability"].sum() > 0:
        raise ValueError(f"{path}: nothing in it, but the tumor fraction of {sample} is detected; "
                         "make both again with ctcnv call")  # fmt: skip
    return stored


def with_inputs(page: str, inputs: Mapping[str, str]) -> str:
    """A page that names its inputs by their sha256, as the preamble of a table does."""
    told = html.escape(json.dumps(inputs, sort_keys=True), quote=True)
    return page.replace("</head>", f'<meta name="ctcnv-inputs" content="{told}">\n</head>', 1)
