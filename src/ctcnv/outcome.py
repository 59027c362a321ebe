"""What ERBB2 copies and the day-21 change have to do with response and survival, in one table.

The list of analyses is fixed here and does not depend on what comes out: all of them are in the
table, with Holm's correction for all p-values together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ctcnv import clinic
from ctcnv.clinic import Array, Estimate, Labels, Mask
from ctcnv.model import CohortSettings
from ctcnv.schema import STATISTICS

#: Outcomes in time: the columns of time and event.
TIMES = {"pfs": ("pfs_days", "pfs_event"), "os": ("os_days", "os_event")}
#: Copies below one are counted as one: the logarithm of a lost gene means nothing.
MIN_COPIES = 1.0
LANDMARK = "from the day of the sample, among those still at risk then"


@dataclass(frozen=True)
class Group:
    """A way to divide patients: a label each, None where not known.

    ``ordered`` are the labels of a two-sided question, the first against the second. ``from_day``
    is the day at which the label becomes known, NaN for before the first dose: survival is counted
    from there, since a patient must live to be sampled.
    """

    name: str
    labels: Labels
    ordered: tuple[str, str] | None = None
    from_day: Array | None = None

    @property
    def known(self) -> Mask:
        """Which patients have a label."""
        return np.array([label is not None for label in self.labels], dtype=bool)


def above(values: Array, threshold: float, *, name: str) -> Group:
    """Patients at or above a threshold and below it."""
    labels = np.array(
        [None if np.isnan(v) else f">= {threshold:g}" if v >= threshold else f"< {threshold:g}"
         for v in values], dtype=object,
    )  # fmt: skip
    return Group(f"{name} {threshold:g}", labels, (f">= {threshold:g}", f"< {threshold:g}"))


def groups(patients: pd.DataFrame, *, settings: CohortSettings) -> list[Group]:
    """Every division that is looked at, in a fixed order."""
    found = [Group(name, _labels(patients[name])) for name in ("arm", "stratum")]
    call = _labels(patients["erbb2_call"])
    called = np.array(
        [None if label in ("indeterminate", "failed") else label for label in call], dtype=object
    )
    amplified = np.array(
        [None if label is None else "amplified" if label == "amplified" else "not amplified"
         for label in called], dtype=object,
    )  # fmt: skip
    found.append(Group("ERBB2 call", amplified, ("amplified", "not amplified")))
    copies = patients["erbb2_copies"].to_numpy(dtype=float)
    found += [above(copies, threshold, name="ERBB2 copies") for threshold in settings.copies]
    for column, name in (("change", "ctDNA fraction"), ("erbb2_change", "ERBB2 excess copies")):
        labels = np.array(
            [None if label in (None, "baseline", "not_evaluable")
             else "decrease" if label == "decrease" else "no decrease"
             for label in _labels(patients[f"follow_up_{column}"])], dtype=object,
        )  # fmt: skip
        day = pd.to_numeric(patients["follow_up_day"]).to_numpy(dtype=np.float64, na_value=np.nan)
        found.append(Group(f"change in {name}", labels, ("decrease", "no decrease"), day))
    return found


def _labels(values: pd.Series) -> Labels:
    return np.array([None if pd.isna(v) else str(v) for v in values], dtype=object)


def strata_of(patients: pd.DataFrame, *, without: str = "") -> Labels | None:
    """Arm and stratum together as one label; None when they do not divide the patients."""
    used = [_labels(patients[name]) for name in ("arm", "stratum") if name != without]
    joined = np.array(
        [" / ".join("" if part is None else part for part in parts)
         for parts in zip(*used, strict=True)], dtype=object,
    )  # fmt: skip
    return joined if len(set(joined.tolist())) > 1 else None


def analyse(patients: pd.DataFrame, *, settings: CohortSettings) -> pd.DataFrame:
    """The STATISTICS table of a COHORT_PATIENTS table; no rows without any outcome."""
    divided = groups(patients, settings=settings)
    rng = np.random.default_rng(settings.seed)
    rows = [*_responses(patients, divided), *_roc(patients, settings, rng)]
    for outcome in TIMES:
        rows += _survival(patients, divided, outcome)
        rows += _hazards(patients, divided, outcome, settings)
    if not rows:
        return STATISTICS.empty()
    frame = pd.DataFrame(rows, columns=STATISTICS.names)
    frame["p_adjusted"] = clinic.holm(frame["p_value"].astype(float).tolist())
    return STATISTICS.check(frame.astype(object).where(frame.notna(), None))


def _row(analysis: str, outcome: str, found: Estimate, **values: Any) -> dict[str, Any]:
    return {
        "analysis": analysis, "outcome": outcome, "estimate": found.value, "low": found.low,
        "high": found.high, "p_value": found.p_value, "ph_p": found.ph_p,
        "note": found.note or None,
        "predictor": None, "level": None, "missing": 0,
    } | values  # fmt: skip


def _responses(patients: pd.DataFrame, divided: list[Group]) -> Iterator[dict[str, Any]]:
    given = patients["responder"].notna().to_numpy(dtype=bool)
    if not given.any():
        return
    responder = patients["responder"].map(lambda value: value is True or value == 1)
    outcome = responder.to_numpy(dtype=bool)

    def share(inside: Mask, missing: int = 0, **values: Any) -> dict[str, Any]:
        found = clinic.rate(int(np.sum(outcome & inside)), int(np.sum(inside)))
        return _row("response rate", "response", Estimate(found.rate, found.low, found.high),
                    n=found.n, events=found.k, missing=missing, measure="rate",
                    method="Clopper-Pearson", **values)  # fmt: skip

    yield share(given)
    for group in divided:
        used = given & group.known
        missing = int(np.sum(given & ~group.known))
        labels = sorted(set(group.labels[used].tolist()))
        for label in labels:
            yield share(used & (group.labels == label), missing, predictor=group.name, level=label)
    for group in divided:
        used = given & group.known
        labels = sorted(set(group.labels[used].tolist()))
        pair = group.ordered or (tuple(labels) if len(labels) == 2 else None)
        if pair is None or not used.any():
            continue
        strata = strata_of(patients, without=group.name)
        found, method = clinic.odds(
            outcome[used], group.labels[used] == pair[0], None if strata is None else strata[used]
        )
        yield _row("response by group", "response", found, predictor=group.name,
                   level=f"{pair[0]} against {pair[1]}", n=int(used.sum()),
                   missing=int(np.sum(given & ~group.known)), events=int(np.sum(outcome & used)),
                   measure="odds ratio", method=method)  # fmt: skip


def scores(patients: pd.DataFrame) -> dict[str, Array]:
    """What responders are ranked by: more copies, and a deeper fall at the target day."""
    return {
        "ERBB2 copies": patients["erbb2_copies"].to_numpy(dtype=float),
        "fall in ctDNA fraction": -patients["follow_up_ratio"].to_numpy(dtype=float),
        "fall in ERBB2 excess copies": -patients["follow_up_erbb2_ratio"].to_numpy(dtype=float),
    }


def _roc(
    patients: pd.DataFrame, settings: CohortSettings, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    given = patients["responder"].notna().to_numpy(dtype=bool)
    if not given.any():
        return
    outcome = patients["responder"].map(lambda v: v is True or v == 1).to_numpy(dtype=bool)
    for name, score in scores(patients).items():
        used = given & np.isfinite(score)
        found = clinic.auc(score[used], outcome[used], resamples=settings.resamples, rng=rng)
        yield _row("roc", "response", found, predictor=name, n=int(used.sum()),
                   missing=int(np.sum(given & ~used)), events=int(np.sum(outcome & used)),
                   measure="auc", method="Mann-Whitney, bootstrap interval")  # fmt: skip


def at_risk(
    patients: pd.DataFrame, outcome: str, group: Group | None = None
) -> tuple[Array, Mask, Mask]:
    """Time, event and whether the outcome is known; from the group's day on, where it has one."""
    days, events = TIMES[outcome]
    time = patients[days].to_numpy(dtype=float)
    event = patients[events].map(lambda v: v is True or v == 1).to_numpy(dtype=bool)
    given = np.isfinite(time) & patients[events].notna().to_numpy(dtype=bool)
    if group is not None and group.from_day is not None:
        since = np.where(np.isfinite(group.from_day), group.from_day, 0.0)
        time = time - since
        given &= time > 0
    return time, event, given


def _survival(
    patients: pd.DataFrame, divided: list[Group], outcome: str
) -> Iterator[dict[str, Any]]:
    time, event, given = at_risk(patients, outcome)
    if not given.any():
        return
    _, median = clinic.survival(time[given], event[given])
    method = "Kaplan-Meier"
    yield _row("survival", outcome, median, n=int(given.sum()), events=int(event[given].sum()),
               measure="median days", method=method)  # fmt: skip
    for group in divided:
        time, event, given = at_risk(patients, outcome, group)
        used, missing = given & group.known, int(np.sum(given & ~group.known))
        for label in sorted(set(group.labels[used].tolist())):
            inside = used & (group.labels == label)
            _, median = clinic.survival(time[inside], event[inside])
            yield _row("survival", outcome, _landmark(median, group), predictor=group.name,
                       level=label, n=int(inside.sum()), events=int(event[inside].sum()),
                       missing=missing, measure="median days", method=method)  # fmt: skip
        if not used.any() or (group.ordered is None and len(set(group.labels[used])) < 2):
            continue
        strata = strata_of(patients, without=group.name)
        found = clinic.log_rank(
            time[used], event[used], group.labels[used], None if strata is None else strata[used]
        )
        yield _row("survival by group", outcome, _landmark(found, group), predictor=group.name,
                   n=int(used.sum()), events=int(event[used].sum()), missing=missing,
                   measure="none",
                   method="log-rank" if strata is None else "stratified log-rank")  # fmt: skip


def _landmark(found: Estimate, group: Group) -> Estimate:
    if group.from_day is None:
        return found
    note = f"{found.note}; {LANDMARK}" if found.note else LANDMARK
    return Estimate(found.value, found.low, found.high, found.p_value, note, found.ph_p)


def _hazards(
    patients: pd.DataFrame, divided: list[Group], outcome: str, settings: CohortSettings
) -> Iterator[dict[str, Any]]:
    """Copies as a number and above each threshold, the arms, and copies by arm (interaction)."""
    _, _, given = at_risk(patients, outcome)
    if not given.any():
        return
    copies = patients["erbb2_copies"].to_numpy(dtype=float)
    log2 = np.log2(np.maximum(copies, MIN_COPIES))
    columns: list[tuple[str, Array, Group | None]] = [("log2 ERBB2 copies", log2, None)]
    for group in divided:
        if group.ordered is not None:
            value = np.array([np.nan if label is None else float(label == group.ordered[0])
                              for label in group.labels])  # fmt: skip
            columns.append((group.name, value, group))
    strata = strata_of(patients)

    def fit(
        name: str,
        terms: dict[str, Array],
        group: Group | None,
        within: Labels | None,
        hidden: str = "",
    ) -> Iterator[dict[str, Any]]:
        time, event, given = at_risk(patients, outcome, group)
        matrix = np.column_stack(list(terms.values()))
        used = given & np.isfinite(matrix).all(axis=1)
        found = clinic.hazard(
            time[used], event[used], matrix[used], None if within is None else within[used],
            events_per_term=settings.events_per_term, proportional_p=settings.proportional_p,
        )  # fmt: skip
        for label, one in zip(terms, found, strict=True):
            if label == hidden:
                continue
            shown = one if group is None else _landmark(one, group)
            yield _row("hazard", outcome, shown, predictor=name, level=label, n=int(used.sum()),
                       missing=int(np.sum(given & ~used)), events=int(event[used].sum()),
                       measure="hazard ratio",
                       method="Cox" if within is None else "stratified Cox")  # fmt: skip

    for name, value, of in columns:
        label = "per doubling" if of is None else _against(of)
        yield from fit(name, {label: value}, of, strata)
    arm = _labels(patients["arm"])
    arms = sorted({label for label in arm.tolist() if label is not None})
    if len(arms) != 2:
        return
    second = np.array([np.nan if label is None else float(label == arms[1]) for label in arm])
    other = strata_of(patients, without="arm")
    yield from fit("arm", {f"{arms[1]} against {arms[0]}": second}, None, other)
    for name, value, of in columns:
        label = "per doubling" if of is None else _against(of)
        terms = {
            f"{label}, in {arms[0]}": value,
            f"{arms[1]} against {arms[0]}": second,
            f"interaction with {arms[1]}": value * second,
        }
        # the arms' own term is their difference at one copy: nobody asks, and it costs a test
        yield from fit(f"{name} by arm", terms, of, other, f"{arms[1]} against {arms[0]}")


def _against(group: Group) -> str:
    assert group.ordered is not None
    return " against ".join(group.ordered)
