"""The quality of a sample in one row: what was measured, a status, and every flag in words.

``ctcnv call`` makes the row of a plasma sample, ``ctcnv qc`` those of the normals and joins all::

    qc.row(
        sample="P01_d021", role="plasma", patient="P01", day=21, declared_sex="female",
        settings=qc_settings,
        fragments=normalized.fragments, usable_bp=qc.usable_bp(profile),
        noise=normalized.noise, sex=normalized.sex,
        reads=reads_table_or_None, lengths=lengths_table_or_None, short_share=share_or_None,
        fraction=fraction_table, genes=genes_table,
    )

gives a frame of schema.QC with one row. A value that is None or NaN is not known and raises no
flag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ctcnv.model import QcSettings
from ctcnv.schema import QC, is_autosome

#: Rows of the reads table with this filter are the reads marked as duplicates.
DUPLICATE = "duplicate"
#: Gene whose call stands in the row.
TARGET = "ERBB2"


def row(
    *,
    sample: str,
    role: str,
    settings: QcSettings,
    patient: str | None = None,
    day: int | None = None,
    declared_sex: str | None = None,
    fragments: int | None = None,
    usable_bp: int | None = None,
    noise: float | None = None,
    panel_noise: float | None = None,
    sex: str | None = None,
    reads: pd.DataFrame | None = None,
    lengths: pd.DataFrame | None = None,
    short_share: float | None = None,
    fraction: pd.DataFrame | None = None,
    genes: pd.DataFrame | None = None,
    failures: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> pd.DataFrame:
    """The row of one sample, a frame of schema.QC.

    ``fragments`` lie on ``usable_bp`` bases of usable autosomal atoms; ``noise`` is in units of
    counting noise, ``panel_noise`` in those of the panel's;
    ``reads``, ``lengths``, ``fraction`` and ``genes`` are tables of those names.
    ``failures`` and ``warnings`` are flags found elsewhere, put before those found here.
    """
    duplicates = duplicate_share(reads)
    median = median_length(lengths)
    failed = list(failures)
    warned = list(warnings)
    outcome = None if fraction is None else fraction.iloc[0]
    if outcome is not None and outcome["status"] == "failed":
        failed.append(_text(outcome["reason"]) or "tumor fraction not evaluable")
    if fragments and usable_bp:
        per_mb = fragments / (usable_bp / 1e6)
        if per_mb < settings.min_fragments_per_mb:
            warned.append(
                f"few fragments: {per_mb:.0f} per Mb, wanted {settings.min_fragments_per_mb:g}"
            )
    if duplicates is not None and duplicates > settings.max_duplicates:
        warned.append(
            f"duplicates high: {duplicates:.0%} of the reads, limit {settings.max_duplicates:.0%}"
        )
    if median is not None and median > settings.max_median_length:
        warned.append(
            f"fragments long: median {median:.0f} bp, limit {settings.max_median_length:g} bp; "
            "DNA of lysed blood cells dilutes the tumor"
        )
    if noise is not None and noise > settings.max_noise:
        warned.append(f"noise high: {noise:.1f} times counting noise, limit {settings.max_noise:g}")
    if panel_noise is not None and panel_noise > settings.max_panel_noise:
        warned.append(
            f"far from the panel: regions vary {panel_noise:.1f} times as much as in its normals, "
            f"limit {settings.max_panel_noise:g}; another library preparation or platform"
        )
    if sex and declared_sex and sex != declared_sex:
        warned.append(
            f"sex mismatch: {sex} by X and Y, {declared_sex} in the sample sheet; "
            "swapped sample or wrong entry"
        )
    call = _call_of_target(genes)
    if call == "failed" and not failed:
        warned.append(f"{TARGET} not evaluable")
    values = {
        "sample": sample,
        "patient": patient,
        "role": role,
        "day": day,
        "status": "failed" if failed else "warn" if warned else "ok",
        "reason": "; ".join([*failed, *warned]) or None,
        "reads": None if reads is None else int(reads["reads"].sum()),
        "fragments": fragments,
        "depth": depth(fragments, usable_bp, lengths),
        "duplicates": duplicates,
        "median_length": median,
        "short_share": short_share,
        "noise": noise,
        "sex": sex,
        "declared_sex": declared_sex,
        "fraction": None if outcome is None else outcome["fraction"],
        "fraction_status": None if outcome is None else outcome["status"],
        "erbb2_call": call,
    }
    return QC.check(pd.DataFrame({name: [value] for name, value in values.items()}), source=sample)


def join(rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of a cohort as one table, with the samples of a patient compared by sex.

    A patient whose samples differ in the sex that X and Y tell has a swapped sample among them:
    each of the patient's rows is flagged.
    """
    if not rows:
        return QC.empty()
    table = QC.check(pd.concat([part.astype(object) for part in rows], ignore_index=True))
    known = table[table["patient"].notna() & table["sex"].notna()]
    flags: dict[str, str] = {}
    for patient, part in known.groupby("patient"):
        if part["sex"].nunique() > 1:
            found = ", ".join(f"{s} {x}" for s, x in zip(part["sample"], part["sex"], strict=True))
            flags |= dict.fromkeys(
                part["sample"], f"sex differs between samples of {patient}: {found}"
            )
    return flag(table, flags)


def flag(table: pd.DataFrame, flags: Mapping[str, str]) -> pd.DataFrame:
    """The table with a flag more for samples by name; one that was ok becomes warn."""
    made = table.copy()
    for index, sample in zip(made.index, made["sample"], strict=True):
        if sample in flags:
            before = _text(made.at[index, "reason"])
            made.at[index, "reason"] = f"{before}; {flags[sample]}" if before else flags[sample]
            if made.at[index, "status"] == "ok":
                made.at[index, "status"] = "warn"
    return made


def usable_bp(profile: pd.DataFrame) -> int:
    """Bases of the autosomal atoms of a profile that carry an expectation."""
    used = profile["expected"].notna().to_numpy() & is_autosome(profile["chrom"])
    return int((profile["end"] - profile["start"]).to_numpy()[used].sum())


def duplicate_share(reads: pd.DataFrame | None) -> float | None:
    """Share of the reads that are marked as duplicates; None when there is no table."""
    if reads is None or not reads["reads"].sum():
        return None
    marked = reads.loc[reads["filter"] == DUPLICATE, "reads"].sum()
    return float(marked / reads["reads"].sum())


def median_length(lengths: pd.DataFrame | None) -> float | None:
    """Median fragment length in bp; None when no length is known (single-end, imported)."""
    if lengths is None or not lengths["fragments"].sum():
        return None
    running = lengths["fragments"].cumsum().to_numpy()
    return float(lengths["length"].to_numpy()[np.searchsorted(running, running[-1] / 2)])


def length_share(lengths: pd.DataFrame | None, *, low: int, high: int) -> float | None:
    """Share of fragments of ``low`` to ``high`` bp, both included; None when none is known."""
    if lengths is None or not lengths["fragments"].sum():
        return None
    within = lengths["length"].between(low, high)
    return float(lengths.loc[within, "fragments"].sum() / lengths["fragments"].sum())


def depth(
    fragments: int | None, usable_bp: int | None, lengths: pd.DataFrame | None
) -> float | None:
    """Mean number of fragments over a base: fragments x mean length / bases."""
    if lengths is None or not fragments or not usable_bp or not lengths["fragments"].sum():
        return None
    mean_length = np.average(lengths["length"], weights=lengths["fragments"])
    return float(fragments * mean_length / usable_bp)


def _call_of_target(genes: pd.DataFrame | None) -> str | None:
    if genes is None:
        return None
    found = genes.loc[genes["gene"] == TARGET, "call"]
    return None if found.empty else str(found.iloc[0])


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
