"""Criteria that people know, applied to a sample's tables: met, not met, or not evaluable.

A criterion is a rule with its source; the rules are read from ``config/criteria.yaml``. What rests
on copies per tumor cell is judged by its posterior, and never where the tumor fraction is too low
to tell copies, or where the sample could not have shown what the rule asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from ctcnv.alterations import NOT_AMPLIFIED, Facts, Row, mutated
from ctcnv.fraction import FractionResult
from ctcnv.genes import MIN_REFERENCE_COPIES, Cells, spread_of
from ctcnv.mixture import copies_of
from ctcnv.model import CriteriaSettings
from ctcnv.robust import weighted_quantile
from ctcnv.schema import CRITERIA, SOLUTIONS, SPECIMEN
from ctcnv.segment import Z95

Array = NDArray[np.float64]

#: Comparisons as a rule names them, as they are shown, and what they do.
COMPARISONS: dict[str, tuple[str, Callable[[Any, float], Any]]] = {
    "at_least": (">=", lambda value, limit: value >= limit),
    "above": (">", lambda value, limit: value > limit),
    "at_most": ("<=", lambda value, limit: value <= limit),
    "below": ("<", lambda value, limit: value < limit),
}
#: Quantities of the joint posterior of copies, tumor fraction and ploidy.
POSTERIOR = ("copies", "reference_ratio", "ploidy_ratio")
NUMBERS = ("pcn", *POSTERIOR, "width", "fraction_ratio", "vaf_ratio")
QUANTITIES = (*NUMBERS, "call", "wild_type", "cleared")
#: Quantities of the change from baseline: rules on them name the days they are made for.
OF_CHANGE = ("fraction_ratio", "vaf_ratio", "cleared")
#: Ratios to baseline: the column of the track, and how the part of its reason begins.
RATIOS = {"fraction_ratio": ("ratio", "ctDNA fraction: "), "vaf_ratio": ("vaf_ratio", "mean VAF: ")}
#: Quantities in words, for reasons.
WORDS = {
    "pcn": "plasma copies",
    "copies": "copies",
    "reference_ratio": "over the rest of the chromosome",
    "ploidy_ratio": "over the ploidy",
}
SIGNIFICANT = ("amplified", "gained", "lost")
TISSUE = "made on tissue: a tissue threshold is not a plasma threshold"
QUANTILES = np.array([0.025, 0.5, 0.975])
NAN = float("nan")


# Rules -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """A comparison of a quantity with a number, or a quantity with a list of names.

    how : a key of COMPARISONS, None for a quantity without a number; names : calls or genes.
    """

    quantity: str
    how: str | None = None
    limit: float = NAN
    names: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """The condition from its keys; ValueError names the place, the value and the remedy."""
        quantity = values.get("quantity")
        if quantity not in QUANTITIES:
            raise ValueError(f"{where}.quantity is {quantity!r}; expected one of {QUANTITIES}")
        given = [key for key in values if key != "quantity"]
        wanted = {"call": ("is",), "wild_type": ("genes",), "cleared": ()}.get(quantity)
        if wanted is None:
            if len(given) != 1 or given[0] not in COMPARISONS:
                raise ValueError(f"{where}: {quantity} has {given}; give one of {[*COMPARISONS]}")
            limit = values[given[0]]
            if isinstance(limit, bool) or not isinstance(limit, int | float):
                raise ValueError(f"{where}.{given[0]} is {limit!r}; expected a number")
            return cls(quantity, given[0], float(limit))
        if given != list(wanted):
            raise ValueError(f"{where}: {quantity} has {given}; expected {list(wanted)}")
        names = values[wanted[0]] if wanted else []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{where}.{wanted[0]} is {names!r}; expected a list of names")
        known = (*NOT_AMPLIFIED, "amplified")
        unknown = [name for name in names if quantity == "call" and name not in known]
        if unknown:
            raise ValueError(f"{where}.is has {unknown[0]!r}; expected calls of {known}")
        return cls(quantity, names=tuple(names))

    @property
    def words(self) -> str:
        """The condition as it is shown."""
        if self.how is not None:
            return f"{self.quantity} {COMPARISONS[self.how][0]} {self.limit:.10g}"
        return " ".join(filter(None, (self.quantity, " or ".join(self.names))))

    def holds(self, value: Any) -> Any:
        """Whether values lie on the right side of the limit."""
        assert self.how is not None
        return COMPARISONS[self.how][1](value, self.limit)


@dataclass(frozen=True)
class Rule:
    """One criterion of the file; days : (first, last) for a rule on a change from baseline."""

    name: str
    title: str
    gene: str
    specimen: str
    when: tuple[Condition, ...]
    unit: str
    made_for: str
    caveat: str
    source: str
    days: tuple[int, int] | None = None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """The rule from its keys; ValueError names the place, the key or value, and the remedy."""
        texts = ("name", "title", "gene", "specimen", "unit", "made_for", "caveat", "source")
        needed = (*texts, "when")
        for key in needed:
            if key not in values:
                raise ValueError(f"{where}.{key} is missing; every criterion has {list(needed)}")
        for key in values:
            if key not in (*needed, "days"):
                raise ValueError(f"{where}.{key} is unknown; known are {[*needed, 'days']}")
        for key in texts:
            if not isinstance(values[key], str):
                raise ValueError(f"{where}.{key} is {values[key]!r}; expected text")
        if values["specimen"] not in SPECIMEN:
            raise ValueError(f"{where}.specimen is {values['specimen']!r}; expected {SPECIMEN}")
        if not isinstance(values["when"], list) or not values["when"]:
            raise ValueError(f"{where}.when is {values['when']!r}; expected a list of conditions")
        when = tuple(Condition.from_mapping(one, where=f"{where}.when.{i}")
                     for i, one in enumerate(values["when"]))  # fmt: skip
        days = values.get("days")
        if any(one.quantity in OF_CHANGE for one in when) != (days is not None):
            raise ValueError(f"{where}: days go with {' or '.join(OF_CHANGE)}, both or neither")
        if days is not None and not (
            isinstance(days, list) and [type(day) for day in days] == [int, int]
            and days[0] <= days[1]
        ):  # fmt: skip
            raise ValueError(f"{where}.days is {days!r}; expected the first and the last day")
        return cls(**{key: values[key] for key in texts}, when=when,
                   days=None if days is None else (days[0], days[1]))  # fmt: skip

    @property
    def words(self) -> str:
        """All conditions as they are shown."""
        return ", ".join(one.words for one in self.when)

    @property
    def full_caveat(self) -> str:
        """The caveat; of a tissue rule that plasma is none comes first."""
        return f"{TISSUE}; {self.caveat}" if self.specimen == "tissue" else self.caveat


def rules(loaded: object, *, source: str) -> tuple[Rule, ...]:
    """The criteria of a file that was read; ValueError names the first that is not right."""
    if not isinstance(loaded, dict) or list(loaded) != ["criteria"]:
        raise ValueError(f"{source}: expected one key, 'criteria', with a list")
    if not isinstance(loaded["criteria"], list):
        raise ValueError(f"{source}: criteria is {loaded['criteria']!r}; expected a list")
    found: dict[str, Rule] = {}
    for index, values in enumerate(loaded["criteria"]):
        where = f"{source}: criteria.{index}"
        if not isinstance(values, dict):
            raise ValueError(f"{where} is {values!r}; expected the keys of a criterion")
        rule = Rule.from_mapping(values, where=where)
        if rule.name in found:
            raise ValueError(f"{where}.name is {rule.name!r} for the second time; rename one")
        found[rule.name] = rule
    return tuple(found.values())


# What a sample says ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """What became of one condition, or of several: truth (None: not known), probability (NaN:
    there is none) and the result in words."""

    truth: bool | None
    probability: float
    reason: str


@dataclass(frozen=True)
class Posterior:
    """Draws of the copies of a gene: copies, ratio to the rest of its chromosome (NaN where the
    rest has hardly any copies), ratio to the ploidy, and weight, each (draws,)."""

    copies: Array
    reference_ratio: Array
    ploidy_ratio: Array
    weight: Array

    @classmethod
    def of(cls, gene: Row, facts: Facts) -> Self:
        """From the row of a gene and the posterior surface; only where tumor is detected."""
        result = FractionResult(dict(facts.fraction), facts.grid, SOLUTIONS.empty())
        cells = Cells.of(result)
        ratio = gene["observed"] / gene["expected"]
        normal = round(gene["pcn"] / ratio) if ratio > 0 else 2
        ratios = spread_of(gene["pcn"] / normal, pcn_sd(gene) / normal)
        found = cells.copies(ratios, normal)
        rest = copies_of(gene["rest_ratio"], cells.fraction, cells.ploidy, normal=float(normal))
        rest = np.repeat(rest, len(ratios))
        with np.errstate(divide="ignore", invalid="ignore"):
            of_rest = np.where(rest > MIN_REFERENCE_COPIES, found.copies / rest, np.nan)
        return cls(found.copies, of_rest, found.copies / found.ploidy, found.weight)

    def interval(self, quantity: str) -> Array:
        """Low, median and high of a quantity."""
        values = getattr(self, quantity)
        known = np.isfinite(values)
        return weighted_quantile(values[known], self.weight[known], QUANTILES)

    def probability(self, conditions: Sequence[Condition]) -> float:
        """That all conditions hold, among the draws in which all of them are known; NaN when these
        are less than half."""
        values = [getattr(self, one.quantity) for one in conditions]
        known = np.all([np.isfinite(value) for value in values], axis=0)
        total = float(self.weight[known].sum())
        if not total >= 0.5 * float(self.weight.sum()):
            return NAN
        hold = known & np.all(
            [one.holds(value) for one, value in zip(conditions, values, strict=True)], axis=0
        )
        return float(self.weight[hold].sum()) / total


def pcn_sd(gene: Row) -> float:
    """Standard deviation of a plasma copy number, from its upper bound."""
    return float(gene["pcn_high"] - gene["pcn"]) / Z95


def criteria(
    samples: Iterable[Facts], wanted: Sequence[Rule], *, settings: CriteriaSettings
) -> pd.DataFrame:
    """The CRITERIA table: of each sample a row per rule, in the order of both.

    A rule on a change from baseline has rows for samples of its days that are no baseline.
    """
    samples = list(samples)
    baseline = next((facts for facts in samples if facts.track["baseline"]), None)
    rows = []
    for facts in samples:
        posteriors = {name: _posterior(facts, name) for name in {rule.gene for rule in wanted}}
        rows += [_row(facts, rule, posteriors[rule.gene], baseline, settings)
                 for rule in wanted if _applies(rule, facts)]  # fmt: skip
    return CRITERIA.check(pd.DataFrame(rows, columns=CRITERIA.names))


def _applies(rule: Rule, facts: Facts) -> bool:
    if rule.days is None:
        return True
    return not facts.track["baseline"] and rule.days[0] <= facts.day <= rule.days[1]


def _posterior(facts: Facts, name: str) -> Posterior | None:
    """The draws of a gene; None where it has no ratio, or no tumor is detected."""
    gene = facts.gene(name)
    if gene is None or not facts.detected or not np.isfinite(gene["pcn"]):
        return None
    return Posterior.of(gene, facts)


def _row(
    facts: Facts,
    rule: Rule,
    posterior: Posterior | None,
    baseline: Facts | None,
    settings: CriteriaSettings,
) -> dict[str, object]:
    gene = facts.gene(rule.gene)
    found = judge(rule, facts, gene, posterior, baseline, settings=settings)
    first = rule.when[0]
    low, value, high = measured(first.quantity, facts, gene, posterior)
    return {
        "sample": facts.sample, "day": facts.day, "criterion": rule.name, "title": rule.title,
        "gene": rule.gene, "rule": rule.words, "quantity": first.quantity, "value": value,
        "low": low, "high": high, "threshold": first.limit, "unit": rule.unit or None,
        "result": {True: "met", False: "not_met", None: "not_evaluable"}[found.truth],
        "probability": found.probability, "reason": found.reason, "specimen": rule.specimen,
        "made_for": rule.made_for, "caveat": rule.full_caveat, "source": rule.source,
    }  # fmt: skip


def measured(
    quantity: str, facts: Facts, gene: Row | None, posterior: Posterior | None
) -> tuple[float, float, float]:
    """Low, value and high of a quantity; NaN where it is not known or has none."""
    if quantity in RATIOS:
        track, name = facts.track, RATIOS[quantity][0]
        return float(track[f"{name}_low"]), float(track[name]), float(track[f"{name}_high"])
    if gene is None or quantity not in NUMBERS:
        return NAN, NAN, NAN
    if quantity == "pcn":
        return float(gene["pcn_low"]), float(gene["pcn"]), float(gene["pcn_high"])
    if quantity == "width":
        return NAN, NAN if pd.isna(gene["width"]) else float(gene["width"]), NAN
    if posterior is not None:
        low, value, high = posterior.interval(quantity)
        return float(low), float(value), float(high)
    # Without a tumor fraction copies have a lower bound at most.
    return float(gene["copies_low"]) if quantity == "copies" else NAN, NAN, NAN


# Judging -----------------------------------------------------------------------------------------


def judge(
    rule: Rule,
    facts: Facts,
    gene: Row | None,
    posterior: Posterior | None,
    baseline: Facts | None,
    *,
    settings: CriteriaSettings,
) -> Judged:
    """Whether all conditions of a rule hold: one that does not decides, else one not known does."""
    joint = [one for one in rule.when if one.quantity in POSTERIOR]
    parts = [
        _single(one, facts, gene, baseline, settings)
        for one in rule.when if one.quantity not in POSTERIOR
    ]  # fmt: skip
    if joint:
        parts.insert(0, _of_posterior(joint, facts, gene, posterior, settings))
    truths = [part.truth for part in parts]
    truth = False if False in truths else None if None in truths else True
    said = [part.reason for part in parts if part.truth is truth]
    probabilities = [part.probability for part in parts]
    alone = len(parts) == 1 or all(part.truth for part in parts[1:])
    return Judged(truth, probabilities[0] if alone else NAN, "; ".join(said))


def _of_posterior(
    conditions: Sequence[Condition],
    facts: Facts,
    gene: Row | None,
    posterior: Posterior | None,
    settings: CriteriaSettings,
) -> Judged:
    """Conditions on copies, together: by their joint probability."""
    if gene is None or gene["call"] == "failed":
        return Judged(None, NAN, "the gene was not tested" if gene is None else gene["reason"])
    if posterior is None:
        return Judged(None, NAN, "copies are not known without a tumor fraction")
    p = posterior.probability(conditions)
    shown = ", ".join(
        _said(name, *posterior.interval(name))
        for name in dict.fromkeys(one.quantity for one in conditions)
    )
    if np.isnan(p):
        return Judged(None, NAN, "the rest of the chromosome has hardly any copies")
    fraction = facts.fraction["fraction"]
    if fraction < settings.min_fraction:
        low = f"the tumor fraction {fraction:.2g} is below {settings.min_fraction:g}"
        return Judged(None, p, f"{shown}; a probability only, as {low}")
    return _by_probability(p, shown, _could_not_show(gene, conditions), settings)


def _said(quantity: str, low: float, value: float, high: float) -> str:
    return f"{WORDS[quantity]} {value:.3g} ({low:.3g} to {high:.3g})"


def _by_probability(p: float, said: str, unseen: str | None, settings: CriteriaSettings) -> Judged:
    """Met or not when the probability is near 1 or 0 and the sample speaks about the gene."""
    if 1 - settings.certainty < p < settings.certainty:
        return Judged(None, p, f"{said}; the probability {p:.2g} is neither near 0 nor near 1")
    return Judged(None, p, f"{said}, but {unseen}") if unseen else Judged(p > 0.5, p, said)


def _could_not_show(gene: Row, conditions: Sequence[Condition]) -> str | None:
    """Why a sample that shows no change of the gene does not speak about it; None when it does.

    It speaks when it would have shown the fewest copies that the conditions name.
    """
    if gene["call"] in SIGNIFICANT:
        return None
    limits = [one.limit for one in conditions if one.quantity == "copies"]
    shown = gene["detectable_copies"]
    if limits and shown <= min(limits):
        return None
    if not limits and gene["call"] == "neutral":
        return None
    if pd.isna(shown):
        return "no number of copies would have been seen"
    return f"only {shown:.1f} copies or more would have been seen"


def _single(
    one: Condition,
    facts: Facts,
    gene: Row | None,
    baseline: Facts | None,
    settings: CriteriaSettings,
) -> Judged:
    """A condition that is no part of the posterior of copies."""
    if one.quantity == "wild_type":
        found, why = mutated(facts, one.names, settings=settings)
        return Judged(None if found is None else not found, NAN, why)
    if one.quantity in RATIOS:
        return _of_ratio(one, facts.track)
    if gene is None:
        return Judged(None, NAN, "the gene was not tested")
    if gene["call"] == "failed":
        return Judged(None, NAN, str(gene["reason"]))
    if one.quantity == "pcn":
        return _of_pcn(one, gene, settings)
    if one.quantity == "width":
        return _of_width(one, gene)
    if gene["call"] == "indeterminate":
        return Judged(None, NAN, f"{gene['gene']} indeterminate: {gene['reason']}")
    if one.quantity == "cleared":
        before = None if baseline is None else baseline.gene(str(gene["gene"]))
        if before is None or before["call"] != "amplified":
            return Judged(None, NAN, f"{gene['gene']} was not amplified at baseline")
        return Judged(gene["call"] in ("neutral", "lost"), NAN,
                      f"{gene['gene']} amplified at baseline, now {gene['call']}")  # fmt: skip
    return Judged(gene["call"] in one.names, NAN, f"{gene['gene']} {gene['call']}")


def _of_pcn(one: Condition, gene: Row, settings: CriteriaSettings) -> Judged:
    """Plasma copies: normal around the measured ones. A sample that could not have shown an
    amplification says nothing by few of them."""
    sd = pcn_sd(gene)
    above = float(ndtr((gene["pcn"] - one.limit) / sd))
    p = above if one.how in ("at_least", "above") else 1 - above
    said = _said("pcn", gene["pcn_low"], gene["pcn"], gene["pcn_high"])
    return _by_probability(p, said, None if above > 0.5 else _could_not_show(gene, []), settings)


def _of_width(one: Condition, gene: Row) -> Judged:
    if pd.isna(gene["width"]):
        if gene["call"] in SIGNIFICANT and gene["focal"] is False:
            return Judged(False, NAN, "broad, with its arm")
        return Judged(None, NAN, "no width: the gene does not stand out")
    return Judged(bool(one.holds(gene["width"])), NAN, f"width {gene['width'] / 1e6:.2g} Mb")


def _of_ratio(one: Condition, track: Row) -> Judged:
    """A change from baseline, by its interval: it must lie on one side of the limit."""
    name, begins = RATIOS[one.quantity]
    low, high = float(track[f"{name}_low"]), float(track[f"{name}_high"])
    said = f"ratio {low:.2g} to {high:.2g}"
    falls = one.how in ("at_most", "below")
    if np.isfinite(high) and one.holds(high) and falls:
        return Judged(True, NAN, f"ratio at most {high:.2g}" if np.isnan(low) else said)
    if np.isfinite(low) and one.holds(low) and not falls:
        return Judged(True, NAN, said)
    beyond = low if falls else high
    if np.isfinite(beyond) and not one.holds(beyond):
        return Judged(False, NAN, said)
    if np.isnan(low) and np.isnan(high):
        told = track["reason"]
        parts = told.split("; ") if isinstance(told, str) else []
        why = [part for part in parts if part.startswith(begins)] or parts[:1]
        return Judged(None, NAN, why[0] if why else "no change can be given")
    return Judged(None, NAN, f"{said}: the interval holds the limit")
