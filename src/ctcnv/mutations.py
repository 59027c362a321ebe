"""Tumor fraction from somatic mutations, and one posterior from mutations and copy number.

Variants that can not be of the tumor are left out with the reason. Those that stay give a
likelihood of tumor fraction and ploidy (``alleles``). It multiplies the surface of the copy-number
step where that has found tumor; where it has not, mutations alone may still show it.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from ctcnv.alleles import (
    Cells,
    Observed,
    allele_state,
    error_p,
    fraction_of,
    log_background,
    log_likelihood,
    molecules,
    special_fraction,
    vaf_interval,
)
from ctcnv.dispersion import Dispersion
from ctcnv.fraction import FractionResult
from ctcnv.mixture import MIN_FRACTION, dna_fraction
from ctcnv.model import FractionSettings, MutationsSettings
from ctcnv.robust import weighted_quantile
from ctcnv.schema import AUTOSOMES, MUTATIONS, SEX_CHROMOSOMES, chrom_key
from ctcnv.segment import Z95

Array = NDArray[np.float64]
Row = Mapping[Hashable, Any]

log = logging.getLogger(__name__)

#: What an input may say of a variant: of the tumor, inherited, or of blood cells.
ORIGINS = ("somatic", "germline", "blood")
#: The columns of a table of variants as :mod:`ctcnv.io.variants` reads it. population : largest
#: allele frequency in a population, NaN when not told; reason : why the input itself leaves it out;
#: protein : its change as :func:`ctcnv.protein.short` writes it.
VARIANT_COLUMNS = ("chrom", "start", "end", "ref", "alt", "gene", "origin", "depth", "alt_reads",
                   "population", "reason", "protein")  # fmt: skip

#: Tumor fractions at equal ratios for mutations alone: steps of 0.9 %, finer than the 2 % that
#: 3000 molecules can fix a common variant to.
GRID_FRACTIONS = 800
#: Ploidies that stand for the copy-number posterior of the ploidy when mutations are looked at
#: alone: the middles of equal shares of it.
PLOIDY_SHARES = (np.arange(5) + 0.5) / 5
#: The ploidy of a tumor of which copy number says nothing.
PLAIN_PLOIDY = 2.0
#: Points of a cell of the copy-number surface along the fraction: a variant may be sharper than it.
SUBCELLS = 5
#: A local ratio replaces that of its segment when it differs by this many standard deviations.
LOCAL_SD = 3.0
#: Solutions below this weight are not told, as in the fraction step.
MIN_SOLUTION_WEIGHT = 0.01
QUANTILES = np.array([0.025, 0.5, 0.975])
#: A probability of tumor nearer to 0 or 1 than this is as good as certain; the smallest p-value.
CERTAIN, SMALLEST_P = 1e-12, 1e-300


@dataclass(frozen=True)
class Combined:
    """The fraction step with the mutations taken in, and the MUTATIONS table."""

    fraction: FractionResult
    table: pd.DataFrame


@dataclass(frozen=True)
class _Alone:
    """What mutations alone say: the posterior cells, their evidence, the probability that none of
    the variants is of the tumor, and the p-value against sequencing errors."""

    cells: Cells
    log_evidence: float
    p_none: float
    p_value: float


# Which variants are used -------------------------------------------------------------------------


def reasons(variants: pd.DataFrame, *, settings: MutationsSettings) -> list[str | None]:
    """Why each variant is left out, None for those that are used; the first reason that applies."""
    blood = set(settings.blood_genes.split(","))
    return [_reason(row, blood, settings) for row in variants.to_dict("records")]


def _reason(row: Row, blood: set[str], settings: MutationsSettings) -> str | None:
    key = chrom_key(str(row["chrom"]))
    if isinstance(row["reason"], str):
        return row["reason"]
    if row["origin"] in ("germline", "blood"):
        return f"{row['origin']}, by the input"
    if key in SEX_CHROMOSOMES:
        return "sex chromosome"
    if key not in AUTOSOMES:
        return "not on chromosomes 1 to 22"
    if pd.isna(row["depth"]) or pd.isna(row["alt_reads"]):
        return "reads or depth not given"
    depth, alt = float(row["depth"]), float(row["alt_reads"])
    somatic = row["origin"] == "somatic"
    if depth < settings.min_depth:
        return f"depth {depth:.0f} below {settings.min_depth}"
    if alt == 0 and not somatic:
        return "no read of the alternative, and not marked somatic"
    if row["gene"] in blood:
        return "gene of clonal haematopoiesis"
    if not pd.isna(row["population"]) and row["population"] >= settings.max_population:
        return f"in the population (allele frequency {row['population']:.2g})"
    if not somatic:
        low, high = vaf_interval(*molecules(alt, depth, limit=settings.molecules))
        near = settings.germline_margin
        if low <= 0.5 + near and high >= 0.5 - near:
            return "looks germline: allele fraction near 0.5, and not marked somatic"
        if alt / depth >= settings.homozygous:
            return "looks germline: allele fraction near 1, and not marked somatic"
    return None


# Local copy number -------------------------------------------------------------------------------


def local_ratios(
    variants: pd.DataFrame,
    segments: pd.DataFrame,
    profile: pd.DataFrame,
    *,
    wanted: NDArray[np.bool_],
    dispersion: Dispersion,
    settings: MutationsSettings,
) -> tuple[Array, Array]:
    """Plasma ratio and its standard deviation at each wanted variant, (n,) each, NaN where it is
    not wanted or not known.

    That of the segment; or of the atoms within ``local_bp``, when they differ from it by more than
    ``LOCAL_SD`` standard deviations: an amplicon may be narrower than a segment can be.
    """
    ratio, sd = (np.full(len(variants), np.nan) for _ in range(2))
    tables = {chrom_key(str(name)): part for name, part in segments.groupby("chrom", sort=False)}
    used = profile[profile["expected"] > 0]
    atoms = {chrom_key(str(name)): part for name, part in used.groupby("chrom", sort=False)}
    for i, (chrom, start) in enumerate(zip(variants["chrom"], variants["start"], strict=True)):
        if not wanted[i]:
            continue
        key = chrom_key(str(chrom))
        if key not in tables or key not in atoms:
            continue
        part = tables[key]
        inside = part[(part["start"] <= start) & (part["end"] > start)]
        if len(inside) and np.isfinite(inside["ratio"].iloc[0]):
            ratio[i] = inside["ratio"].iloc[0]
            sd[i] = (inside["high"].iloc[0] - inside["ratio"].iloc[0]) / Z95
        here = atoms[key]
        near = here[(here["start"] < start + settings.local_bp + 1)
                    & (here["end"] > start - settings.local_bp)]  # fmt: skip
        if near.empty:
            continue
        expected = float(near["expected"].sum())
        local = float(near["observed"].sum()) / expected
        local_sd = float(np.sqrt(dispersion.variance(expected, len(near), local)))
        if np.isfinite(ratio[i]) and abs(local - ratio[i]) > LOCAL_SD * np.hypot(local_sd, sd[i]):
            ratio[i], sd[i] = local, local_sd
    return ratio, sd


# Mutations alone -------------------------------------------------------------------------------


def alone(
    seen: Sequence[Observed],
    ploidies: Array,
    *,
    settings: MutationsSettings,
    fraction_settings: FractionSettings,
) -> _Alone:
    """What mutations alone say of the tumor fraction: log-uniform prior, the given ploidies alike.

    Given that one variant or more is of the tumor:  P(data | T) - P(data | none is).
    """
    edges = np.geomspace(MIN_FRACTION, fraction_settings.max_fraction, GRID_FRACTIONS + 1)
    middle = np.sqrt(edges[1:] * edges[:-1])
    fraction = np.repeat(middle, len(ploidies))
    ploidy = np.tile(ploidies, len(middle))
    logs = log_likelihood(seen, fraction, ploidy, settings=settings,
                          fraction_settings=fraction_settings)  # fmt: skip
    none = sum(log_background(one, settings) for one in seen)
    with np.errstate(divide="ignore"):
        given = logs + np.log(-np.expm1(np.minimum(none - logs, 0.0)))
    evidence = float(logsumexp(logs)) - float(np.log(len(logs)))
    weight = np.exp(given - given.max())
    best = min(error_p(one.alt, one.depth, error_rate=settings.error_rate) for one in seen)
    return _Alone(Cells(fraction, ploidy, weight / weight.sum()), evidence,
                  float(np.exp(none - evidence)), min(1.0, best * settings.sites))  # fmt: skip


# Both together ---------------------------------------------------------------------------------


def combine(
    found: FractionResult,
    variants: pd.DataFrame,
    *,
    segments: pd.DataFrame,
    profile: pd.DataFrame,
    dispersion: Dispersion,
    settings: MutationsSettings,
    fraction_settings: FractionSettings,
) -> Combined:
    """The fraction step with the mutations of the sample taken in, and the MUTATIONS table.

    variants : VARIANT_COLUMNS. Tumor seen in copy number: the surface times the likelihood of the
    mutations. Not seen there: when the mutations exceed sequencing errors, a tumor with a quiet
    genome (prior ``quiet``, ploidy 2, any fraction) or one below what copy number shows. Otherwise,
    and for a failed sample, the outcome stays and the mutations' estimate stands beside it.
    """
    why = reasons(variants, settings=settings)
    used = np.array([reason is None for reason in why], dtype=bool)
    ratio, sd = local_ratios(variants, segments, profile, wanted=used, dispersion=dispersion,
                             settings=settings)  # fmt: skip
    seen = [
        _observed(row, ratio[i], sd[i], settings)
        for i, row in enumerate(variants.to_dict("records")) if used[i]
    ]  # fmt: skip
    _tell(why, variants)
    before = found.row
    row = before | _beside(before) | {"n_mutations": len(seen)}
    posterior = None
    result = replace(found, row=row)
    if seen:
        status = str(before["status"])
        detected = status == "detected"
        ploidies = _ploidies(found) if detected else np.array([PLAIN_PLOIDY])
        only = alone(seen, ploidies, settings=settings, fraction_settings=fraction_settings)
        posterior = only.cells
        row |= _of_alone(only, seen)
        shown = only.p_value <= fraction_settings.false_positive
        if detected or (shown and status == "not_detected"):
            made = joint(found, seen, with_quiet=shown, settings=settings,
                         fraction_settings=fraction_settings)  # fmt: skip
            posterior = made.cells
            row = _combined_row(row, made, only, len(seen), settings=settings)
            result = _finished(row, posterior, reweighted(found.solutions, posterior, made.quiet))
        else:
            result = replace(found, row=row | {"reason": _not_enough(before, only)})
    table = _table(variants, why, ratio, sd, posterior, settings=settings,
                   fraction_settings=fraction_settings)  # fmt: skip
    clonal = table[table["used"] & (table["p_clonal"] >= 0.5)]["fraction"].dropna()
    result.row["mutation_mean"] = float(clonal.median()) if len(clonal) else float("nan")
    return Combined(result, table)


def _observed(row: Row, ratio: float, sd: float, settings: MutationsSettings) -> Observed:
    alt, depth = molecules(float(row["alt_reads"]), float(row["depth"]), limit=settings.molecules)
    return Observed(alt, depth, float(ratio), float(sd))


def _tell(why: Sequence[str | None], variants: pd.DataFrame) -> None:
    counted = pd.Series([reason for reason in why if reason is not None], dtype=object)
    kinds = counted.str.split(r"[:(,]| below", regex=True).str[0].str.strip().value_counts()
    log.info("%d of %d variants used%s", sum(reason is None for reason in why), len(why),
             "".join(f"; {n} left out: {kind}" for kind, n in kinds.items()))  # fmt: skip
    nameless = int(variants["gene"].isna().sum())
    if nameless:
        log.warning("the gene of %d variants is not known: genes of clonal haematopoiesis cannot "
                    "be told among them", nameless)  # fmt: skip


def _beside(before: dict[str, object]) -> dict[str, object]:
    """The copy-number estimate in columns of its own, and those of the mutations empty."""
    return {
        "cn_fraction": before["fraction"], "cn_low": before["low"], "cn_high": before["high"],
        "cn_status": before["status"],
        **dict.fromkeys(("mutation_fraction", "mutation_low", "mutation_high", "mutation_mean",
                         "max_vaf_fraction", "mutation_p", "agreement"), float("nan")),
    }  # fmt: skip


def _ploidies(found: FractionResult) -> Array:
    grid = found.grid
    return weighted_quantile(grid["ploidy"].to_numpy(dtype=float),
                             grid["probability"].to_numpy(dtype=float), PLOIDY_SHARES)  # fmt: skip


def _of_alone(only: _Alone, seen: Sequence[Observed]) -> dict[str, object]:
    low, middle, high = weighted_quantile(only.cells.fraction, only.cells.weight, QUANTILES)
    largest = max(one.alt / one.depth for one in seen)
    return {
        "mutation_fraction": float(middle), "mutation_low": float(low),
        "mutation_high": float(high), "mutation_p": only.p_value,
        "max_vaf_fraction": float(special_fraction(largest)),
    }  # fmt: skip


def _not_enough(before: dict[str, object], only: _Alone) -> object:
    """The reason of a sample whose outcome the mutations do not change."""
    if before["status"] == "failed":
        return before["reason"]
    return (
        f"{before['reason']}; no mutation exceeds sequencing errors (p {only.p_value:.2g} for all "
        "places that were looked at)"
    )


def refined(grid: pd.DataFrame) -> Cells:
    """The cells of a surface with ``SUBCELLS`` points each along the fraction.

    A cell is taken to reach half-way to the next fractions of the surface; its mass is spread
    evenly. One fraction alone stays as it is.
    """
    fraction = grid["fraction"].to_numpy(dtype=float)
    ploidy = grid["ploidy"].to_numpy(dtype=float)
    weight = grid["probability"].to_numpy(dtype=float)
    levels = np.unique(fraction)
    if len(levels) < 2:
        return Cells(fraction, ploidy, weight / weight.sum())
    middles = (levels[1:] + levels[:-1]) / 2
    low = np.concatenate([[levels[0]], middles])
    high = np.concatenate([middles, [levels[-1]]])
    at = np.searchsorted(levels, fraction)
    steps = (np.arange(SUBCELLS) + 0.5) / SUBCELLS
    points = low[at][:, None] + (high - low)[at][:, None] * steps
    spread = np.repeat(weight / weight.sum() / SUBCELLS, SUBCELLS)
    return Cells(points.ravel(), np.repeat(ploidy, SUBCELLS), spread)


def log_bayes(row: Mapping[str, object], *, prior_tumor: float) -> float:
    """Log Bayes factor of a tumor with copy-number changes against none, from its row.

    It is not taken to be larger than its p-value allows,  1 / (-e * p * log p)  (Sellke 2001): the
    model of the surface is more certain than the simulated healthy plasma behind the p-value.
    """
    p_tumor = max(float(str(row["p_tumor"])), CERTAIN)
    found = np.inf
    if p_tumor < 1 - CERTAIN:
        found = np.log(p_tumor / (1 - p_tumor)) - np.log(prior_tumor / (1 - prior_tumor))
    log_p = np.log(max(float(str(row["p_value"])), SMALLEST_P))
    limit = -(1 + log_p + np.log(-log_p)) if log_p < -1 else 0.0
    return float(min(found, limit))


@dataclass(frozen=True)
class _Joint:
    """The posterior of both: cells, which of them are of a quiet genome, and the log evidence of
    the mutations under the surface of copy number."""

    cells: Cells
    quiet: NDArray[np.bool_]
    log_evidence: float

    @property
    def p_quiet(self) -> float:
        """Probability of a quiet genome."""
        return float(self.cells.weight[self.quiet].sum())


def joint(
    found: FractionResult,
    seen: Sequence[Observed],
    *,
    with_quiet: bool,
    settings: MutationsSettings,
    fraction_settings: FractionSettings,
) -> _Joint:
    """The surface times the likelihood of the mutations and, beside it, a quiet genome.

    A quiet genome has the prior ``quiet``, ploidy 2 and any fraction, log-uniform, and copy number
    says nothing of it. One with changes has the rest of the prior, times the Bayes factor that
    copy number found. Where copy number has not shown tumor, and for a quiet genome, it is given
    that one variant or more is of the tumor, or there would be nothing to estimate.
    """
    none = sum(log_background(one, settings) for one in seen)

    def given(logs: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(logs + np.log(-np.expm1(np.minimum(none - logs, 0.0))))

    changed = refined(found.grid)
    logs = log_likelihood(seen, changed.fraction, changed.ploidy, settings=settings,
                          fraction_settings=fraction_settings)  # fmt: skip
    with np.errstate(divide="ignore"):
        mass = np.log(changed.weight)
    evidence = float(logsumexp(mass + logs))
    mass = mass + (logs if found.row["status"] == "detected" else given(logs))
    if not with_quiet:
        return _Joint(_normalised(changed.fraction, changed.ploidy, mass),
                      np.zeros(len(mass), dtype=bool), evidence)  # fmt: skip
    fraction = np.geomspace(MIN_FRACTION, fraction_settings.max_fraction, GRID_FRACTIONS)
    ploidy = np.full(GRID_FRACTIONS, PLAIN_PLOIDY)
    of_quiet = given(log_likelihood(seen, fraction, ploidy, settings=settings,
                                    fraction_settings=fraction_settings))  # fmt: skip
    of_quiet += np.log(settings.quiet / GRID_FRACTIONS)
    bayes = log_bayes(found.row, prior_tumor=fraction_settings.prior_tumor)
    mass = mass + np.log(1 - settings.quiet) + bayes
    cells = _normalised(np.concatenate([fraction, changed.fraction]),
                        np.concatenate([ploidy, changed.ploidy]),
                        np.concatenate([of_quiet, mass]))  # fmt: skip
    return _Joint(cells, np.arange(len(cells.weight)) < GRID_FRACTIONS, evidence)


def _normalised(fraction: Array, ploidy: Array, log_mass: Array) -> Cells:
    weight = np.exp(log_mass - log_mass.max())
    return Cells(fraction, ploidy, weight / weight.sum())


def _combined_row(
    row: dict[str, object],
    made: _Joint,
    only: _Alone,
    n: int,
    *,
    settings: MutationsSettings,
) -> dict[str, object]:
    """Method, agreement and reason of a sample in which tumor is seen; warns of a disagreement."""
    if row["status"] != "detected":
        lod = float(str(row["lod"]))
        reason = (
            f"seen in {n} mutation{'' if n == 1 else 's'}, not in copy number: probability that "
            f"none is of the tumor {only.p_none:.2g}, that its genome is quiet {made.p_quiet:.2g}"
        )
        if float(str(row["mutation_low"])) > lod:
            reason += (
                "; copy number and mutations disagree unless it is quiet: "
                f"{_shown(row, 'mutation')} by mutations, above the limit of detection of copy "
                f"number ({lod:.2g})"
            )
            log.warning("%s", reason)
        return row | {"status": "detected", "method": "mutations", "reason": reason}
    # One fraction for both against a fraction of their own for the mutations.
    agreement = float(np.exp(np.clip(made.log_evidence - only.log_evidence, -700, 700)))
    row = row | {"agreement": agreement, "method": "copy number + mutations"}
    if agreement < settings.disagreement:
        reason = (
            f"copy number and mutations disagree: {_shown(row, 'cn')} by copy number, "
            f"{_shown(row, 'mutation')} by mutations, one fraction for both is "
            f"{1 / agreement:.3g} times less likely than two"
        )
        if made.p_quiet >= 0.5:
            row["method"] = "mutations"
            reason += (
                "; the mutations are followed, because the copy-number change may be chance (p "
                f"{row['p_value']:.2g}, probability of a quiet genome {made.p_quiet:.2g})"
            )
        log.warning("%s", reason)
        row["reason"] = reason
    return row


def _shown(row: dict[str, object], name: str) -> str:
    low, high = (float(str(row[f"{name}_{end}"])) for end in ("low", "high"))
    return f"{float(str(row[f'{name}_fraction'])):.3g} ({low:.3g} to {high:.3g})"


def _finished(row: dict[str, object], cells: Cells, modes: pd.DataFrame) -> FractionResult:
    """The three tables from the cells of the posterior."""
    low, middle, high = weighted_quantile(cells.fraction, cells.weight, QUANTILES)
    share = dna_fraction(cells.fraction, cells.ploidy)
    row = row | {
        "fraction": float(middle), "low": float(low), "high": float(high),
        "ploidy": float(modes["ploidy"].iloc[0]),
        "dna_fraction": float(np.sum(cells.weight * share)),
    }  # fmt: skip
    log.info("tumor fraction %.4f (%.4f-%.4f) by %s", middle, low, high, row["method"])
    grid = pd.DataFrame({"fraction": cells.fraction, "ploidy": cells.ploidy,
                         "probability": cells.weight})  # fmt: skip
    grid = grid[grid["probability"] > 1e-9].reset_index(drop=True)
    return FractionResult(row, grid, modes)


def reweighted(modes: pd.DataFrame, cells: Cells, quiet: NDArray[np.bool_]) -> pd.DataFrame:
    """The SOLUTIONS table of the cells: each cell belongs to the nearest of the given modes, and
    those of a quiet genome, (cells,) true, to one of their own.

    Distance is that of the logarithms of fraction and ploidy. A mode stands at its heaviest cell.
    Without modes the other cells are one.
    """
    nearest = np.zeros(len(quiet), dtype=int)
    if len(modes):
        centres = np.log(modes[["fraction", "ploidy"]].to_numpy(dtype=float))
        places = np.log(np.column_stack([cells.fraction, cells.ploidy]))
        away = ((places[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        nearest = np.argmin(away, axis=1)
    nearest[quiet] = -1
    found = []
    for mode in np.unique(nearest):
        inside = np.flatnonzero(nearest == mode)
        top = inside[np.argmax(cells.weight[inside])]
        found.append((float(cells.weight[inside].sum()), top))
    found.sort(key=lambda one: -one[0])
    kept = [one for one in found if one[0] >= MIN_SOLUTION_WEIGHT] or found[:1]
    at = [top for _, top in kept]
    return pd.DataFrame(
        {
            "solution": np.arange(1, len(kept) + 1), "fraction": cells.fraction[at],
            "ploidy": cells.ploidy[at], "weight": [weight for weight, _ in kept],
            "erbb2_copies": np.full(len(kept), np.nan),
        }
    )  # fmt: skip


# The table -------------------------------------------------------------------------------------


def _table(
    variants: pd.DataFrame,
    why: Sequence[str | None],
    ratio: Array,
    sd: Array,
    posterior: Cells | None,
    *,
    settings: MutationsSettings,
    fraction_settings: FractionSettings,
) -> pd.DataFrame:
    """The MUTATIONS table, in the order of the variants."""
    rows = []
    for i, row in enumerate(variants.to_dict("records")):
        line = {name: row[name] for name in VARIANT_COLUMNS if name in MUTATIONS.names}
        known = not (pd.isna(row["depth"]) or pd.isna(row["alt_reads"])) and row["depth"] > 0
        vaf = low = high = float("nan")
        if known:
            alt, depth = molecules(float(row["alt_reads"]), float(row["depth"]),
                                   limit=settings.molecules)  # fmt: skip
            vaf = alt / depth
            low, high = vaf_interval(alt, depth)
        line |= {"vaf": vaf, "vaf_low": low, "vaf_high": high, "ratio": ratio[i],
                 "special": float(special_fraction(vaf)), "used": why[i] is None,
                 "reason": why[i]}  # fmt: skip
        state = dict.fromkeys(("copies", "multiplicity", "p_clonal", "ccf", "ccf_low", "ccf_high",
                               "fraction", "fraction_low", "fraction_high"),
                              float("nan"))  # fmt: skip
        if why[i] is None and posterior is not None:
            seen = _observed(row, ratio[i], sd[i], settings)
            state |= allele_state(seen, posterior, settings=settings,
                                  fraction_settings=fraction_settings)  # fmt: skip
            c, m = state["copies"], state["multiplicity"]
            for name, share in (("", vaf), ("_low", low), ("_high", high)):
                state[f"fraction{name}"] = float(fraction_of(share, c, m))
            if np.isfinite(state["fraction"]) and not np.isfinite(state["fraction_high"]):
                state["fraction_high"] = 1.0
        rows.append(line | state)
    frame = pd.DataFrame(rows, columns=MUTATIONS.names)
    return MUTATIONS.check(frame, source="mutations")
