"""Copies and call of each gene, gene first and independent of the segmentation.

Two facts are kept apart: whether the ratio in plasma is abnormal (``genetest``, needs no tumor
fraction) and how many copies a tumor cell has (needs it, and carries its whole posterior).
"""

from __future__ import annotations

import bisect
import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.dispersion import Dispersion
from ctcnv.fraction import FractionResult
from ctcnv.genetest import (
    FEW_ERROR,
    FIRST,
    NARROW,
    NODES,
    NOT_EXCLUDED,
    POWER,
    Measured,
    measure,
)  # fmt: skip
from ctcnv.mixture import MIN_FRACTION, copies_of, ratio_of
from ctcnv.model import GenesSettings
from ctcnv.robust import weighted_quantile
from ctcnv.schema import GENES

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

NAN = float("nan")
#: Tumor fractions that a quiet genome may have.
QUIET_FRACTIONS = np.geomspace(MIN_FRACTION, 1.0, 100)
#: Share of the posterior that must allow zero or more copies for the rest to be left out.
MIN_POSSIBLE = 0.01
#: Probabilities of low, median and high.
INTERVAL = np.array([0.025, 0.5, 0.975])
#: Posterior cells below this share of the largest are left out of the averages.
CELL_FLOOR = 1e-6


def call_genes(
    profile: pd.DataFrame,
    gene_table: pd.DataFrame,
    fraction: FractionResult,
    *,
    dispersion: Dispersion,
    settings: GenesSettings,
    excess: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The GENES table, in the order of the gene table; excess : by gene, as of ``measure``."""
    measured = measure(profile, gene_table, dispersion=dispersion, settings=settings, excess=excess)
    cells = Cells.of(fraction)
    q_values = controlled(gene_table["gene"].tolist(), [m.p_value for m in measured])
    rows = [
        _row(gene, m, q, cells, settings=settings)
        for gene, m, q in zip(gene_table.to_dict("records"), measured, q_values, strict=True)
    ]
    table = pd.DataFrame(rows, columns=GENES.names)
    calls = table["call"].value_counts()
    log.info("genes: %s", ", ".join(f"{n} {call}" for call, n in calls.items()))
    return table


def controlled(names: Sequence[str], p_values: Sequence[float]) -> Array:
    """p-values of the genes, corrected for the number of genes, (n,); NaN stays.

    ``FIRST`` is tested first and pays for no other gene. The others are corrected together
    (Benjamini and Hochberg 1995): q of the i-th smallest of m is the least of p_j * m / j, j >= i.
    """
    q_values = np.array(p_values, dtype=float)
    rest = np.array([name != FIRST for name in names], dtype=bool) & np.isfinite(q_values)
    p = q_values[rest]
    order = np.argsort(p, kind="stable")[::-1]
    falling = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    p[order] = np.minimum(falling, 1.0)
    q_values[rest] = p
    return q_values


# Copies and calls ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cells:
    """The posterior of tumor fraction and ploidy given that there is tumor, and its status."""

    fraction: Array
    ploidy: Array
    weight: Array
    p_tumor: float
    status: str

    @classmethod
    def of(cls, result: FractionResult) -> Cells:
        """From the tables of the fraction step.

        Where no tumor was detected its genome may be quiet, and then the profile says nothing of
        the fraction: any is as likely as the prior has it (log-uniform, diploid).
        """
        if result.row["status"] == "not_detected":
            n = len(QUIET_FRACTIONS)
            return cls(QUIET_FRACTIONS, np.full(n, 2.0), np.full(n, 1 / n),
                       float(str(result.row["p_tumor"])), "not_detected")  # fmt: skip
        weight = result.grid["probability"].to_numpy(dtype=float)
        keep = weight > CELL_FLOOR * weight.max(initial=0.0)
        p_tumor = float(str(result.row["p_tumor"]))
        return cls(
            result.grid["fraction"].to_numpy(dtype=float)[keep],
            result.grid["ploidy"].to_numpy(dtype=float)[keep],
            weight[keep],
            p_tumor,
            str(result.row["status"]),
        )

    def copies(self, ratios: Array, normal: int) -> Copies:
        """Copies where a normal cell has ``normal``, over cells and equally likely ratios (k,).

        No tumor has fewer than zero copies: explanations that would need them are left out, unless
        they are all there is, which means none is left.
        """
        possible = np.maximum(ratios, 0.0)[None, :]
        copies = copies_of(possible, self.fraction[:, None], self.ploidy[:, None],
                           normal=float(normal))  # fmt: skip
        shape = copies.shape
        weight = np.broadcast_to(self.weight[:, None] / len(ratios), shape)
        allowed = np.where(copies >= 0, weight, 0.0)
        if allowed.sum() >= MIN_POSSIBLE * weight.sum():
            weight = allowed
        return Copies(
            np.maximum(copies, 0.0).ravel(),
            np.broadcast_to(self.ploidy[:, None], shape).ravel(),
            weight.ravel(),
            normal,
        )


@dataclass(frozen=True)
class Copies:
    """What a tumor cell may have, given that there is tumor: copies, the ploidy that goes with them
    and the weight, each (n,); normal : copies of a normal cell."""

    copies: Array
    ploidy: Array
    weight: Array
    normal: int

    def interval(self) -> Array:
        """Low, median and high of the copies, (3,); NaN without a posterior or a ratio."""
        if not np.isfinite(self.copies).all():
            return np.full(3, np.nan)
        return weighted_quantile(self.copies, self.weight, INTERVAL)

    def beyond_ploidy(self, *, gain: bool) -> bool:
        """Whether the copies lie half a copy or more beyond the ploidy, on that side, more likely
        than not."""
        baseline = self.ploidy * self.normal / 2
        beyond = self.copies > baseline + 0.5 if gain else self.copies < baseline - 0.5
        return bool(np.sum(self.weight[beyond]) >= 0.5 * np.sum(self.weight))

    def p_amplified(self, settings: GenesSettings) -> float:
        """P(copies >= amplified_copies and copies >= amplified_ratio * ploidy); NaN without a
        posterior."""
        if len(self.weight) == 0:
            return float("nan")
        needed = np.maximum(settings.amplified_copies, settings.amplified_ratio * self.ploidy)
        return float(np.sum(self.weight[self.copies >= needed]) / np.sum(self.weight))


def spread_of(ratio: float, sd: float) -> Array:
    """A normal distribution of a ratio as equally likely values, (41,)."""
    return np.asarray(ratio + sd * NODES)


def _row(
    gene: Mapping[Hashable, Any], m: Measured, q_value: float, cells: Cells, *,
    settings: GenesSettings,
) -> dict[str, object]:  # fmt: skip
    row: dict[str, object] = {key: gene[key] for key in ("gene", "chrom", "start", "end")}
    normal = m.normal_copies
    row |= {
        "n_bins": m.n_bins, "observed": m.observed, "expected": m.expected,
        "pcn": normal * m.ratio, "pcn_low": normal * max(0.0, m.low) if m.n_bins else NAN,
        "pcn_high": normal * m.high, "z": m.z, "p_value": m.p_value, "q_value": q_value,
        "copies": NAN, "copies_low": NAN, "copies_high": NAN, "arm_copies": NAN,
        "rest_ratio": m.rest_ratio, "reference_ratio": NAN, "centromere_ratio": NAN,
    }  # fmt: skip
    row |= _shape(m) | {"p_amplified": NAN, "detectable_copies": NAN}
    if m.n_bins == 0:
        return row | {"call": "failed", "reason": "no usable atom at the gene"}
    if cells.status == "failed":
        return row | {"call": "failed", "reason": "the sample could not be analysed"}
    detected = cells.status == "detected"
    copies = cells.copies(m.nodes, normal)
    significant = m.p_value <= settings.false_positive and (
        gene["gene"] == FIRST or q_value <= settings.false_discovery
    )
    # Where the mean ploidy is not that of most of the genome, an unchanged gene differs from the
    # sample's mean.
    if significant and detected:
        significant = copies.beyond_ploidy(gain=m.ratio > 1)
    significant = significant and m.doubt != NARROW
    if not significant:
        row |= _shape(m.not_altered())
    row["p_amplified"] = copies.p_amplified(settings)
    row["detectable_copies"] = detectable_copies(cells, m)
    low = middle = high = NAN
    if detected or (significant and m.z > 0):
        low, middle, high = copies.interval()
    if detected:
        row |= {"copies": middle, "copies_low": low, "copies_high": high}
        row["arm_copies"] = _median_copies(cells, m.arm_ratio, normal)
        for key, ratio in (("reference_ratio", m.rest_ratio), ("centromere_ratio", m.near_ratio)):
            of_reference = _median_copies(cells, ratio, normal)
            row[key] = middle / of_reference if of_reference > MIN_REFERENCE_COPIES else NAN
    elif significant and m.z > 0:
        # The fraction may be close to zero, so the copies have a lower bound only.
        row["copies_low"] = low
    excluded = not significant and excludes(settings.target_copies, cells, m,
                                            most=settings.false_neutral)  # fmt: skip
    call, reason = decide(row, significant=significant, detected=detected, excluded=excluded,
                          settings=settings)  # fmt: skip
    if reason == NOT_EXCLUDED:
        fewest = excluded_copies(cells, m, settings=settings)
        least = f"only {fewest:.1f} copies or more are" if np.isfinite(fewest) else (
            "no number of copies is")  # fmt: skip
        reason = f"{NOT_EXCLUDED}, {least}"
    if m.doubt == NARROW:
        return row | {"call": "indeterminate", "reason": NARROW}
    if m.doubt is not None and (call == "neutral" or reason.startswith(NOT_EXCLUDED)):
        # What cannot be told from a change of the gene is no proof that there is none.
        return row | {"call": "indeterminate", "reason": m.doubt}
    return row | {"call": call, "reason": reason}


def _median_copies(cells: Cells, ratio: float, normal: int) -> float:
    return float(cells.copies(np.array([ratio]), normal).interval()[1])


def _shape(m: Measured) -> dict[str, object]:
    """What is said of the extent of a change."""
    return {"width": m.width, "width_low": m.width_low, "width_high": m.width_high,
            "focal": m.focal, "p_focal": m.p_focal}  # fmt: skip


#: Below half a copy of the reference a ratio says nothing.
MIN_REFERENCE_COPIES = 0.5


def detectable_copies(cells: Cells, m: Measured) -> float:
    """Smallest copies per tumor cell that would have been found with 95 % probability.

    The power is averaged over the posterior of fraction and ploidy; a fraction of zero shows
    nothing and takes its share of the mass. NaN when no number of copies up to ``MAX_DETECTABLE``
    reaches 95 %.
    """
    if len(cells.weight) == 0 or m.test is None:
        return float("nan")
    test = m.test
    present = 1.0 if cells.status == "detected" else cells.p_tumor
    weight = cells.weight / cells.weight.sum() * present
    copies = np.geomspace(2.0, MAX_DETECTABLE, 200)

    def power(i: int) -> float:
        ratio = ratio_of(copies[i], cells.fraction, cells.ploidy, normal=float(m.normal_copies))
        return float(weight @ test.power(ratio))

    # Power grows with the copies: the first that have enough are found by halving.
    first = bisect.bisect_left(range(len(copies)), POWER, key=power)
    if first == len(copies):
        return float("nan")
    if first == 0:
        return float(copies[0])
    around = [first - 1, first]
    return float(np.interp(POWER, [power(i) for i in around], copies[around]))


def excludes(copies: float, cells: Cells, m: Measured, *, most: float) -> bool:
    """Whether so many copies are missed with a probability of ``most`` at most: that the counts of
    the gene's own atoms, which every amplicon of it holds, are as low as they are or lower.

    A fraction of zero misses any number and takes its share of the mass. False without a posterior.
    """
    if len(cells.weight) == 0 or m.own is None:
        return False
    ratio = ratio_of(copies, cells.fraction, cells.ploidy, normal=float(m.normal_copies))

    def missed(as_few: Array) -> float:
        found = 1 - float(cells.weight @ as_few / cells.weight.sum())
        return 1 - found * (1.0 if cells.status == "detected" else cells.p_tumor)

    nearly = missed(m.own.nearly_as_few(ratio))
    if abs(nearly - most) > FEW_ERROR:
        return nearly <= most
    return missed(m.own.as_few(ratio)) <= most


def excluded_copies(cells: Cells, m: Measured, *, settings: GenesSettings) -> float:
    """Smallest copies, from ``target_copies`` on, that are missed with a probability of at most
    ``false_neutral``; NaN when ``MAX_DETECTABLE`` are not."""
    low, high = settings.target_copies, MAX_DETECTABLE
    if not excludes(high, cells, m, most=settings.false_neutral):
        return float("nan")
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        if excludes(middle, cells, m, most=settings.false_neutral):
            high = middle
        else:
            low = middle
    return high


#: Of the range of excluded copies, on a logarithmic scale: to a part in a thousand.
HALVINGS = 12
#: Beyond this a number of copies is no longer a biological question (HCC1954 has about 200).
MAX_DETECTABLE = 300.0


def decide(
    row: dict[str, object], *, significant: bool, detected: bool, excluded: bool,
    settings: GenesSettings,
) -> tuple[str, str]:  # fmt: skip
    """The call and its reason in words.

    amplified : a significant gain whose copies more likely than not reach the threshold;
    gained, lost : any other significant deviation; neutral : none, the sample would have shown
    ``target_copies``, and the gene's own atoms exclude them (:func:`excludes`, ``false_neutral``);
    indeterminate : none, and that does not hold.
    """
    z, p_amplified = float(str(row["z"])), float(str(row["p_amplified"]))
    where = "focal or broad not told:"
    if row["focal"] is not None:
        where = "focal" if row["focal"] else "broad, with its arm"
    if significant and z > 0:
        known = "" if detected else "; copies are a lower bound as the tumor fraction is not known"
        if p_amplified >= 0.5:
            chance = f"probability of amplification {p_amplified:.2f}"
            return "amplified", f"{where} gain, {chance}{known}"
        return "gained", f"{where} gain below amplification (probability {p_amplified:.2f}){known}"
    if significant:
        return "lost", f"{where} loss"
    shown = float(str(row["detectable_copies"]))
    target = f"{settings.target_copies:g}"
    if shown <= settings.target_copies and excluded:
        return (
            "neutral",
            f"no change; {shown:.1f} copies or more would have been seen, and the gene's own "
            f"atoms exclude {target}",
        )
    if shown <= settings.target_copies:
        return "indeterminate", NOT_EXCLUDED
    if np.isfinite(shown):
        return (
            "indeterminate",
            f"no change seen, but only {shown:.1f} copies or more would have been "
            f"(target {target})",
        )
    return (
        "indeterminate",
        "no change seen, but no number of copies would have been: too little tumor DNA or too "
        "shallow",
    )


def copies_by_solution(solutions: pd.DataFrame, genes: pd.DataFrame, *, gene: str) -> pd.DataFrame:
    """The SOLUTIONS table with the adjusted copies of a gene under each solution."""
    filled = solutions.copy()
    row = genes[genes["gene"] == gene]
    if len(row) and len(solutions) and np.isfinite(row["observed"].iloc[0]):
        ratio = float(row["observed"].iloc[0]) / float(row["expected"].iloc[0])
        filled["erbb2_copies"] = np.maximum(
            copies_of(ratio, filled["fraction"].to_numpy(), filled["ploidy"].to_numpy()), 0.0
        )
    return filled
