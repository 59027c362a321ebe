"""The cohort as tidy tables: a row per sample, a row per patient, a row per patient and gene."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ctcnv.schema import COHORT_GENES, COHORT_PATIENTS, COHORT_SAMPLES, TRACK

#: Responses that count as one; all others, also one that was not evaluable, do not.
RESPONDED = ("CR", "PR")
CLINICAL = ("arm", "stratum", "response", "pfs_days", "pfs_event", "os_days", "os_event")

#: What a cohort takes from the table of genes of a sample.
OF_GENES = ("gene", "call", "focal", "copies", "pcn")


def first_sample(track: pd.DataFrame) -> int:
    """The position of the baseline in a track that is sorted by day; the first without one."""
    baseline = np.flatnonzero(track["baseline"].to_numpy(dtype=bool))
    return int(baseline[0]) if len(baseline) else 0


def follow_up(track: pd.DataFrame, *, target_day: float, window_days: float) -> int | None:
    """The position of the sample nearest to the target day, within the window; None without one.

    The rule of the report: never the baseline, never before the first sample; of two equally near
    the earlier one.
    """
    days = track["day"].to_numpy(dtype=float)
    later = ~track["baseline"].to_numpy(dtype=bool) & (days >= days[first_sample(track)])
    distance = np.where(later, np.abs(days - target_day), np.inf)
    if not len(days) or distance.min() > window_days:
        return None
    return int(np.argmin(distance))


def by_day(track: pd.DataFrame) -> pd.DataFrame:
    """A track in the order of day and name."""
    return track.sort_values(["day", "sample"], kind="stable").reset_index(drop=True)


def samples(tracks: Mapping[str, pd.DataFrame], qc: pd.DataFrame) -> pd.DataFrame:
    """The COHORT_SAMPLES table from the track of each patient and the cohort's QC table."""
    renamed = qc.rename(columns={"status": "qc_status", "reason": "qc_reason"})
    wanted = ["sample", "qc_status", "qc_reason", "fragments", "depth", "noise", "sex"]
    parts = [by_day(track).assign(patient=patient) for patient, track in sorted(tracks.items())]
    if not parts:
        return COHORT_SAMPLES.empty()
    joined = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    return COHORT_SAMPLES.check(joined.merge(renamed[wanted], on="sample", how="left"))


def patients(
    tracks: Mapping[str, pd.DataFrame],
    clinical: pd.DataFrame | None,
    *,
    target_day: float,
    window_days: float,
) -> pd.DataFrame:
    """The COHORT_PATIENTS table from the track of each patient and the clinical table, if any.

    ``clinical`` has the columns patient and CLINICAL. A patient without a row there is kept, one
    without samples is not.
    """
    known: dict[str, dict[str, object]] = {}
    if clinical is not None:
        known = {str(row["patient"]): {str(key): value for key, value in row.items()}
                 for row in clinical.to_dict("records")}  # fmt: skip
    rows = []
    for patient, unsorted in sorted(tracks.items()):
        track = by_day(unsorted)
        first = track.iloc[first_sample(track)]
        row: dict[str, object] = dict.fromkeys(COHORT_PATIENTS.names)
        row |= {
            "patient": patient, "samples": len(track), "last_day": int(track["day"].max()),
            "first_sample": first["sample"],
        }  # fmt: skip
        row |= {name: first[name] for name in TRACK.names if name in row and name != "patient"}
        index = follow_up(track, target_day=target_day, window_days=window_days)
        if index is not None:
            later = track.iloc[index]
            row["follow_up_sample"] = later["sample"]
            row |= {f"follow_up_{name}": later[name] for name in TRACK.names
                    if f"follow_up_{name}" in row}  # fmt: skip
        given = known.get(patient, {})
        row |= {name: given.get(name) for name in CLINICAL}
        row["responder"] = (
            row["response"] in RESPONDED if isinstance(row["response"], str) else None
        )
        rows.append(row)
    return COHORT_PATIENTS.check(pd.DataFrame(rows, columns=COHORT_PATIENTS.names, dtype=object))


def genes(patients: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The COHORT_GENES table: the genes of each patient's first sample, ``tables`` by sample.

    Raises ValueError that names the sample without a table.
    """
    parts = []
    for patient, sample in zip(patients["patient"], patients["first_sample"], strict=True):
        if sample not in tables:
            raise ValueError(f"sample {sample!r} of patient {patient!r} has no table of genes; "
                             "name it in --genes")  # fmt: skip
        found = tables[sample][list(OF_GENES)]
        parts.append(found.assign(patient=patient, sample=sample).astype(object))
    if not parts:
        return COHORT_GENES.empty()
    return COHORT_GENES.check(pd.concat(parts, ignore_index=True))


def mutated(patients: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The mutated genes of each patient's first sample (patient, gene): its mutations that have a
    part in the tumor fraction, ``tables`` MUTATIONS by sample; none where none were given."""
    rows = [
        (patient, gene)
        for patient, sample in zip(patients["patient"], patients["first_sample"], strict=True)
        if sample in tables
        for gene in sorted(set(tables[sample].loc[tables[sample]["used"], "gene"].dropna()))
    ]
    return pd.DataFrame(rows, columns=["patient", "gene"], dtype=object)
