"""Change from baseline over the time points of a patient.

One tumor, one profile: the sample with the clearest profile is the template, and the tumor
fraction of every other time point is a one-parameter fit of its ratios on that template
(:mod:`ctcnv.informed`). The slope

    beta = k_t / k_1,   k = T / (T*P + 2*(1-T))

carries the fraction T_t = 2*k_t / (1 - k_t*(P-2)) through the template's whole posterior of (T, P).
With P*k the share of the DNA that comes from tumor cells, the slope is the ratio of these shares at
whatever ploidy, which depth alone often cannot tell; the ratio of fractions needs it. Where the
tumor's profile has changed, the slope is not believed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from ctcnv import informed as informed_step
from ctcnv import normals as normals_step
from ctcnv import vafs
from ctcnv.dispersion import Dispersion
from ctcnv.genes import Cells
from ctcnv.informed import KNOWN, MIN_NORMALS, Healthy, Pattern
from ctcnv.mixture import MIN_FRACTION, dna_fraction, ratio_of
from ctcnv.model import MutationsSettings, TrackSettings
from ctcnv.normals import Grid, Summed
from ctcnv.robust import weighted_quantile
from ctcnv.schema import TRACK, is_autosome
from ctcnv.segment import Z95
from ctcnv.vafs import Likelihood
from ctcnv.waves import usable

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

#: Fewest windows on which a slope means anything.
MIN_WINDOWS = 40
#: A segment above this many copies is an amplicon: it may change on its own and would carry all
#: the weight, so that it takes no part in the fit.
MAX_COPIES = 8.0
#: Probabilities that stand for the uncertainty of a slope or a copy number, and normal quantiles.
#: Sixty, so that 0.025 and 0.975 are the middles of two of them and ties do not move the interval.
CENTRES = (np.arange(60) + 0.5) / 60
NODES = ndtri(CENTRES)
#: The same where mutations sharpen a ratio, so that enough of them are left.
FINE = (np.arange(300) + 0.5) / 300
#: Posterior cells of the template below this share of the largest are left out.
CELL_FLOOR = 1e-3
QUANTILES = np.array([0.025, 0.5, 0.975])
NAN = float("nan")
#: Low, median and high of what is not known.
NONE = np.full(3, np.nan)


@dataclass(frozen=True)
class TimePoint:
    """The tables of one sample; ``fraction`` and ``erbb2`` are rows as mappings, ``mutations`` is
    None where none are known."""

    sample: str
    day: int
    fraction: dict[str, object]
    erbb2: dict[str, object]
    profile: pd.DataFrame
    segments: pd.DataFrame
    grid: pd.DataFrame
    dispersion: Dispersion
    mutations: pd.DataFrame | None = None

    @property
    def failed(self) -> bool:
        """Whether the sample could not be analysed."""
        return self.fraction["status"] == "failed"

    @property
    def detected(self) -> bool:
        """Whether the sample alone shows a tumor."""
        return self.fraction["status"] == "detected"


@dataclass(frozen=True)
class Slope:
    """Slope of a sample on the template.

    beta; se : its standard error with df degrees of freedom, without the template's own error;
    template_error : that error as a share of beta, the same for all samples of a patient; p_value
    against no tumor; lob, lod : limits of beta; profile, profile_p, where : whether the profile is
    that of the template, the p-value of a change, and the region that deviates most.
    """

    beta: float
    se: float
    p_value: float
    df: float = KNOWN
    template_error: float = 0.0
    lob: float = NAN
    lod: float = NAN
    profile: str = "same"
    profile_p: float = NAN
    where: str = ""


#: The slope of the template on itself.
ITSELF = Slope(1.0, 0.0, 0.0, profile="template")


@dataclass(frozen=True)
class Spread:
    """A distribution as values with weights, (n,) each."""

    values: Array
    weight: Array

    @classmethod
    def of(cls, values: Array) -> Spread:
        """Equally likely values."""
        return cls(np.asarray(values).ravel(), np.ones(np.size(values)))

    def interval(self) -> Array:
        """The 2.5 %, 50 % and 97.5 % quantiles."""
        if np.ptp(self.weight) == 0:
            # each value stands for the middle of an equal share, as the nodes of a slope do
            return np.asarray(np.quantile(self.values, QUANTILES, method="hazen"))
        return weighted_quantile(self.values, self.weight, QUANTILES)

    def below(self, limit: float) -> float:
        """The probability of a value below a limit, half of that at the limit itself."""
        here = (self.values < limit) + 0.5 * (self.values == limit)
        return float(np.sum(here * self.weight) / np.sum(self.weight))


#: Ratios to baseline below which the probability of a fall is told: any, by 30 %, by half.
FALLS = {"p_decrease": 1.0, "p_decrease_30": 0.7, "p_decrease_50": 0.5}


def falls(of: Spread | None, prefix: str = "") -> dict[str, float]:
    """The probabilities of a fall; NaN where there is no ratio."""
    return {f"{prefix}{name}": NAN if of is None else of.below(limit)
            for name, limit in FALLS.items()}  # fmt: skip


@dataclass(frozen=True)
class Template:
    """The clearest profile: its segments and its posterior cells."""

    sample: str
    segments: pd.DataFrame
    fraction: Array
    ploidy: Array
    weight: Array


@dataclass(frozen=True)
class Shared:
    """What the time points of a patient are compared on: windows, each library's sums by name, the
    template on the windows, and the normals or why there are none."""

    grid: Grid
    libraries: dict[str, Summed]
    pattern: Pattern
    seen: Healthy | None
    unmeasured: str


def track(
    points: Sequence[TimePoint], *, settings: TrackSettings, normals: pd.DataFrame | None = None,
    mutations: MutationsSettings | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The TRACK table of one patient, sorted by day.

    normals : the panel's NORMALS table; without it, or with fewer than ``MIN_NORMALS`` normals, the
    noise of the informed estimate is predicted from the over-dispersion, and the reason says so.
    mutations : how mutations are read; without it they have no part in the change.
    Raises ValueError when there is no time point, a sample is given twice, or the normals are not
    on common windows.
    """
    if not points:
        raise ValueError("a patient without samples cannot be tracked")
    names = [point.sample for point in points]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"sample {twice[0]!r} is given twice")
    ordered = sorted(points, key=lambda point: (point.day, point.sample))
    base = baseline(ordered)
    template = choose_template(ordered)
    slopes, unmeasured = project(ordered, template, normals=normals, settings=settings)
    of_base = slopes[base.sample]
    rows = [
        _row(
            point,
            slopes[point.sample],
            base,
            of_base,
            template,
            unmeasured,
            settings=settings,
            mutations=mutations,
        )
        for point in ordered
    ]
    for row, point in zip(rows, ordered, strict=True):
        said = days_in_words(point, base, ordered)
        row["reason"] = f"{row['reason']}; days: {said}" if said else row["reason"]
    return pd.DataFrame(rows, columns=TRACK.names)


def baseline(ordered: Sequence[TimePoint]) -> TimePoint:
    """The last sample at or before day 0 that could be analysed; without one the first sample
    stands in, and is named."""
    before = [point for point in ordered if point.day <= 0]
    usable = [point for point in before if not point.failed]
    if before:
        return (usable or before)[-1]
    log.warning("no sample at or before day 0: %s of day %d stands in as baseline",
                ordered[0].sample, ordered[0].day)  # fmt: skip
    return ordered[0]


def days_in_words(point: TimePoint, base: TimePoint, ordered: Sequence[TimePoint]) -> str:
    """What is unusual of a sample's day: one of several baselines, before the baseline, or with
    others of the same day; empty when nothing is."""
    others = [one for one in ordered if one is not point]
    before = [one for one in others if one.day <= 0]
    if point is base:
        if not (before and base.day <= 0):
            return ""
        later = [one.sample for one in before if (one.day, one.sample) > (base.day, base.sample)]
        failed = f", as {', '.join(later)} failed" if later else ""
        return f"the last of {len(before) + 1} samples at or before day 0{failed}"
    if (point.day, point.sample) < (base.day, base.sample):
        return "taken before the baseline"
    same = [one.sample for one in others if one.day == point.day]
    return f"of the same day as {', '.join(same)}" if same else ""


# The template ----------------------------------------------------------------------------------


def choose_template(points: Sequence[TimePoint]) -> Template | None:
    """The sample of the clearest profile of those that copy number detects; None without any.

    When two are equally clear, that of the higher tumor fraction is taken.
    """
    # A sample that its mutations alone show has no profile to be looked for in the others.
    detected = [p for p in points if p.detected and p.fraction.get("method") != "mutations"]
    if not detected:
        return None
    best = max(detected, key=lambda p: (clarity(p), float(str(p.fraction["fraction"]))))
    weight = best.grid["probability"].to_numpy(dtype=float)
    keep = weight > CELL_FLOOR * weight.max()
    return Template(
        best.sample,
        best.segments,
        best.grid["fraction"].to_numpy(dtype=float)[keep],
        best.grid["ploidy"].to_numpy(dtype=float)[keep],
        weight[keep],
    )


def clarity(point: TimePoint) -> float:
    """How far the autosomal segments of a sample stand out of their noise, amplicons apart:
    sum over segments of (ratio - 1)^2 / variance - 1."""
    table = point.segments[is_autosome(point.segments["chrom"])]
    ratio, high = table["ratio"].to_numpy(dtype=float), table["high"].to_numpy(dtype=float)
    limit = ratio_limit(point.grid)
    use = np.isfinite(ratio) & (high > ratio) & (ratio <= limit)
    return float(np.sum(((ratio - 1)[use] * Z95 / (high - ratio)[use]) ** 2 - 1))


def ratio_limit(cells: pd.DataFrame) -> float:
    """Ratio of ``MAX_COPIES`` copies at the best cell of a posterior surface; infinite without."""
    if cells.empty:
        return float("inf")
    best = cells.iloc[int(np.argmax(cells["probability"].to_numpy(dtype=float)))]
    return float(ratio_of(MAX_COPIES, float(best["fraction"]), float(best["ploidy"])))


def on_windows(segments: pd.DataFrame, grid: Grid, *, limit: float) -> NDArray[np.int64]:
    """Number of the segment at the middle of each window, (n,); -1 without one or in an amplicon
    (a ratio above ``limit``)."""
    middle = (grid.start + grid.end) // 2
    number = np.full(len(grid), -1, dtype=np.int64)
    table = segments[is_autosome(segments["chrom"])]
    ratio = table["ratio"].to_numpy(dtype=float)
    places = zip(table["chrom"], table["start"], table["end"], strict=True)
    for k, (chrom, start, end) in enumerate(places):
        if not ratio[k] <= limit:
            continue
        inside = (grid.chrom == chrom) & (middle >= start) & (middle < end)
        number[inside] = k
    return number


def pattern_of(library: Summed, number: NDArray[np.int64], dispersion: Dispersion) -> Pattern:
    """The template's segments on windows; library (1, n), number (n,) of the segment of each.

    A segment's level is that of its windows that are compared: a segment that ends inside of an
    amplicon has a ratio that the windows left of it do not have.
    """
    inside = np.unique(number, return_inverse=True)[1]
    observed, expected, atoms = (
        np.bincount(inside, values[0])
        for values in (library.observed, library.expected, library.atoms)
    )
    level = observed / expected
    error = dispersion.variance(expected, atoms, level)
    return Pattern(level[inside] - 1, inside, error, library)


def share_windows(
    points: Sequence[TimePoint], template: Template, *, normals: pd.DataFrame | None
) -> Shared | None:
    """The windows on which all time points that did not fail are compared; None when too few.

    Left out are windows with next to no expectation in any library, amplicons of the template, and
    focal events of any time point: they may change on their own.
    """
    seen, unmeasured = None, "there is no table of normals"
    if normals is not None:
        names, grid, seen = normals_step.read(normals)
        if len(names) < MIN_NORMALS:
            unmeasured = f"the panel has {len(names)} normals of {MIN_NORMALS} that are needed"
            seen = None
    if seen is None:
        grid = normals_step.grid_of(points[0].profile)
    window = normals_step.window_of(points[0].profile, grid)
    found = {p.sample: normals_step.sums(p.profile, window, len(grid)) for p in points}
    chosen = next(p for p in points if p.sample == template.sample)
    number = on_windows(template.segments, grid, limit=ratio_limit(chosen.grid))
    keep = number >= 0
    for one in found.values():
        keep &= usable(one)
    if seen is not None:
        keep &= usable(seen)
    at = np.flatnonzero(keep)
    if len(at) < MIN_WINDOWS:
        return None
    focal = np.zeros(len(at), dtype=bool)
    for point in points:
        one = found[point.sample].subset(at)
        variance = point.dispersion.variance(one.expected[0], one.atoms[0])
        focal |= informed_step.focal(one.deviation[0] + 1, variance, grid.chrom[at])
    at = at[~focal]
    if len(at) < MIN_WINDOWS:
        return None
    grid = grid.subset(at)
    libraries = {name: one.subset(at) for name, one in found.items()}
    pattern = pattern_of(libraries[template.sample], number[at], chosen.dispersion)
    if seen is None:
        return Shared(grid, libraries, pattern, None, unmeasured)
    return Shared(grid, libraries, pattern, informed_step.healthy(seen.subset(at), grid.chrom), "")


# The informed estimate -------------------------------------------------------------------------


def project(
    points: Sequence[TimePoint],
    template: Template | None,
    *,
    normals: pd.DataFrame | None,
    settings: TrackSettings,
) -> tuple[dict[str, Slope | None], str]:
    """The slope of every time point by name, None where it says nothing; and why the noise was
    predicted and not measured, empty when it was measured."""
    slopes: dict[str, Slope | None] = dict.fromkeys(point.sample for point in points)
    if template is None:
        return slopes, ""
    slopes[template.sample] = ITSELF
    used = [point for point in points if not point.failed]
    others = [point for point in used if point.sample != template.sample]
    shared = share_windows(used, template, normals=normals) if others else None
    if shared is None:
        return slopes, ""
    of_template = next(p for p in used if p.sample == template.sample).dispersion
    for point in others:
        slopes[point.sample] = slope(point, shared, of_template, settings=settings)
    return slopes, shared.unmeasured


def slope(
    point: TimePoint, shared: Shared, of_template: Dispersion, *, settings: TrackSettings
) -> Slope | None:
    """Slope of one time point on the template with its null, limits and check of the profile; None
    when the template does not stand out of its noise."""
    library, chrom = shared.libraries[point.sample], shared.grid.chrom
    found = informed_step.fit(
        library, shared.pattern, chrom, seen=shared.seen, dispersion=point.dispersion,
        template_dispersion=of_template, false_positive=settings.false_positive,
    )  # fmt: skip
    if found is None:
        return None
    worst = informed_step.misfit(library, shared.pattern, found, chrom, seen=shared.seen,
                                 dispersion=point.dispersion)  # fmt: skip
    profile, where = "not_evaluable", ""
    if worst is not None:
        side = "above" if worst.z > 0 else "below"
        region = informed_step.place(shared.grid, worst.low, worst.high)
        where = f"{region} {abs(worst.z):.1f} sd {side}"
        if worst.p_value <= settings.changed_p:
            profile = "changed"
        elif found.p_value <= settings.false_positive:
            profile = "same"
    return Slope(
        found.beta, found.se, found.p_value, found.df, found.template_error, found.lob, found.lod,
        profile, NAN if worst is None else worst.p_value, where,
    )  # fmt: skip


def fraction_of(beta: Array, template: Template) -> Array:
    """Tumor fraction of each slope, (m,), under each cell of the template: (cells, m).

    k = beta * T/(T*P + 2*(1-T)),  T_t = 2k / (1 - k*(P-2)), between 0 and 1.
    """
    k1 = template.fraction / (template.fraction * template.ploidy + 2 * (1 - template.fraction))
    k = k1[:, None] * np.maximum(beta, 0.0)[None, :]
    value = 2 * k / np.maximum(1 - k * (template.ploidy[:, None] - 2), 1e-9)
    return np.asarray(np.clip(value, 0.0, 1.0))


def informed_fraction(
    found: Slope, template: Template, *, template_error: bool = False
) -> tuple[Array, Array]:
    """Fractions and weights over the template's cells and the uncertainty of the slope.

    (cells, nodes) each; a slope without error has one node. The template's own error moves slope
    and fraction of the template in opposite ways, so that the fraction of the other sample does
    without it; a ratio to the template needs it (``template_error``).
    """
    error = found.beta * found.template_error if template_error else 0.0
    se = float(np.hypot(found.se, error))
    nodes = stdtrit(found.df, CENTRES) if se > 0 else np.zeros(1)
    value = fraction_of(np.asarray(found.beta + se * nodes), template)
    return value, np.broadcast_to(template.weight[:, None] / len(nodes), value.shape)


def fraction_ratio(
    found: Slope, of_base: Slope, template: Template, also: Likelihood | None = None
) -> Spread:
    """The fraction over that of the baseline, from the joint posterior; ``also`` what mutations say
    of the ratio of the slopes.

    The template's own error moves the slopes of all other samples alike and leaves their ratio; it
    counts when one of the two is the template.
    """
    counts = "template" in (found.profile, of_base.profile)
    now, _ = informed_fraction(found, template, template_error=counts)
    then, _ = informed_fraction(of_base, template, template_error=counts)
    ratio = now[:, :, None] / np.maximum(then[:, None, :], 1e-9)
    joint = np.broadcast_to(template.weight[:, None, None], ratio.shape)
    if also is not None:
        joint = joint * also.at(slope_ratio(found, of_base)).reshape(ratio.shape[1:])
    return Spread(ratio.ravel(), joint.ravel())


def slope_ratio(found: Slope, of_base: Slope, centres: Array = CENTRES) -> Array:
    """Equally likely values of the slope over that of the baseline, k_t / k_0: the ratio of the
    shares of DNA from tumor cells, k*P, at whatever ploidy.

    Slopes without error have one value; a baseline that may be none is the smallest positive. The
    template's own error counts as in :func:`fraction_ratio`.
    """
    counts = "template" in (found.profile, of_base.profile)
    values = []
    for one in (found, of_base):
        se = float(np.hypot(one.se, one.beta * one.template_error if counts else 0.0))
        nodes = stdtrit(one.df, centres) if se > 0 else np.zeros(1)
        values.append(np.maximum(one.beta + se * nodes, 0.0))
    now, then = values
    return np.asarray((now[:, None] / np.maximum(then[None, :], 1e-9)).ravel())


def amplicon_ratio(of_dna: Spread, erbb2: Spread) -> Spread:
    """Excess of ERBB2 per tumor cell over that of the baseline.

    pCN - 2 = 2 k (C - P), so that  (C_t - P) / (C_0 - P) = R_pCN / (k_t / k_0).  The slope is
    fitted without amplicons, so that the errors of the two are independent. of_dna : k_t / k_0.
    """
    slopes = np.maximum(weighted_quantile(of_dna.values, of_dna.weight, CENTRES), 1e-9)
    ratio = np.quantile(erbb2.values, CENTRES)[:, None] / slopes[None, :]
    return Spread(ratio.ravel(), np.ones(ratio.size))


def joined(found: Slope, of_base: Slope, also: Likelihood) -> Spread:
    """The ratio of the slopes with what mutations say of it, which may be much sharper."""
    values = slope_ratio(found, of_base, FINE)
    return Spread(values, also.at(values))


def also_by_mutations(
    point: TimePoint, base: TimePoint, spread: Spread, *, settings: MutationsSettings | None
) -> tuple[Likelihood | None, list[str]]:
    """What the mutations of both samples add to the ratio ``spread``, None where they add nothing,
    and that in words.

    Agreement is the mean likelihood of the mutations over the ratio's distribution, over that of
    any ratio at all: where it is below ``mutations.disagreement``, they are not believed.
    """
    if settings is None or point.mutations is None or base.mutations is None:
        return None, []
    also = vafs.likelihood(base.mutations, point.mutations, limit=settings.molecules)
    if also is None:
        return None, []
    here, anywhere = float(np.mean(also.at(spread.values))), float(np.mean(also.at(vafs.OTHERWISE)))
    n = len(also.ratio)
    of = "1 mutation" if n == 1 else f"{n} mutations"
    if not here > settings.disagreement * anywhere:
        return None, [f"mutations: {of} changed in another way than copy number and have no part "
                      "in the change of the ctDNA fraction"]  # fmt: skip
    return also, [f"mutations: {of} have a part in the change of the ctDNA fraction"]


def informed_copies(found: Slope, template: Template, erbb2: dict[str, object]) -> Array:
    """Low, median and high of the copies of ERBB2 per tumor cell, with the fraction that the
    patient's clearest profile gives; the errors of slope and gene are independent, as the slope is
    fitted without amplicons."""
    values, weight = informed_fraction(found, template)
    ploidy = np.broadcast_to(template.ploidy[:, None], values.shape)
    cells = Cells(np.maximum(values, MIN_FRACTION).ravel(), ploidy.ravel(), weight.ravel(), 1.0,
                  "detected")  # fmt: skip
    return cells.copies(_pcn_nodes(erbb2) / 2, 2).interval()


def limit_of(beta: float, template: Template) -> float:
    """The tumor fraction that a limit of the slope stands for: median over the template's cells;
    NaN when the limit is infinite or beyond a pure tumor."""
    if not np.isfinite(beta):
        return NAN
    value = fraction_of(np.array([beta]), template)[:, 0]
    found = float(weighted_quantile(value, template.weight, np.array([0.5]))[0])
    return found if found < 1 else NAN


def single_ratio(point: TimePoint, base: TimePoint, *, of_dna: bool) -> Spread | None:
    """The ratio of two tumor fractions, or of two shares of DNA, that were each found alone; None
    unless both are detected."""
    if not (point.detected and base.detected):
        return None
    found = []
    for cells in (point.grid, base.grid):
        value = cells["fraction"].to_numpy(dtype=float)
        if of_dna:
            value = dna_fraction(value, cells["ploidy"].to_numpy(dtype=float))
        weight = cells["probability"].to_numpy(dtype=float)
        found.append(weighted_quantile(value, weight, CENTRES))
    now, then = found
    return Spread.of(now[:, None] / np.maximum(then[None, :], 1e-9))


# Rows ------------------------------------------------------------------------------------------


def _row(
    point: TimePoint,
    found: Slope | None,
    base: TimePoint,
    of_base: Slope | None,
    template: Template | None,
    unmeasured: str,
    *,
    settings: TrackSettings,
    mutations: MutationsSettings | None,
) -> dict[str, object]:
    is_base = point.sample == base.sample
    informed, limits = np.full(3, np.nan), (NAN, NAN)
    spread: Spread | None = None
    of_fractions: Spread | None = None
    of_mutations: list[str] = []
    changed = [s for s in (found, of_base) if s is not None and s.profile == "changed"]
    if found is not None and template is not None:
        values, weight = informed_fraction(found, template)
        informed = weighted_quantile(values.ravel(), weight.ravel(), QUANTILES)
        if point.sample == template.sample:
            # its own estimate, to the digit: the cells of its surface are a coarse copy of it
            informed = np.array([float(str(point.fraction[key]))
                                 for key in ("low", "fraction", "high")])  # fmt: skip
        limits = limit_of(found.lob, template), limit_of(found.lod, template)
        if is_base:
            pass
        elif changed:
            spread = single_ratio(point, base, of_dna=True)
            of_fractions = single_ratio(point, base, of_dna=False)
        elif of_base is not None and of_base.p_value <= settings.false_positive:
            spread = Spread.of(slope_ratio(found, of_base))
            of_fractions = fraction_ratio(found, of_base, template)
            if found.p_value <= settings.false_positive:
                also, of_mutations = also_by_mutations(point, base, spread, settings=mutations)
                if also is not None:
                    spread = joined(found, of_base, also)
                    of_fractions = fraction_ratio(found, of_base, template, also)
    unseen = found is not None and found.p_value > settings.false_positive
    censored = unseen and not changed and spread is not None
    ratio, fractions = (NONE if one is None else one.interval() for one in (spread, of_fractions))
    if censored and found is not None and of_base is not None:
        most = at_most(found, of_base)
        ratio, fractions = (np.array([0.0, one[1], max(one[2], most)])
                            for one in (ratio, fractions))  # fmt: skip
    excess = None if is_base else erbb2_ratio(point.erbb2, base.erbb2)
    erbb2 = NONE if excess is None else excess.interval()
    amplicon: Spread | None = None
    if found is not None and excess is not None and spread is not None:
        amplicon = None if changed or unseen else amplicon_ratio(spread, excess)
    copies = NONE if amplicon is None else amplicon.interval()
    per_cell = NONE
    if found is not None and template is not None and not unseen and found.profile == "same":
        per_cell = informed_copies(found, template, point.erbb2)
    row: dict[str, object] = {
        "sample": point.sample, "day": point.day, "baseline": is_base,
        "status": point.fraction["status"],
        "fraction": point.fraction["fraction"], "fraction_low": point.fraction["low"],
        "fraction_high": point.fraction["high"], "lod": point.fraction["lod"],
        **{name: point.fraction.get(name, NAN)
           for name in ("mutation_fraction", "mutation_low", "mutation_high")},
        "informed": informed[1], "informed_low": informed[0], "informed_high": informed[2],
        "informed_p": NAN if found is None else found.p_value,
        "informed_lob": limits[0], "informed_lod": limits[1],
        "profile": "not_evaluable" if found is None else found.profile,
        "profile_p": NAN if found is None else found.profile_p,
        "ratio": ratio[1], "ratio_low": ratio[0], "ratio_high": ratio[2],
        **falls(spread), "censored": censored,
        "cleared": pd.NA if spread is None or changed else unseen,
        "fraction_ratio": fractions[1], "fraction_ratio_low": fractions[0],
        "fraction_ratio_high": fractions[2],
        **dict.fromkeys(("vaf", "vaf_low", "vaf_high", "vaf_ratio", "vaf_ratio_low",
                         "vaf_ratio_high"), NAN), "vaf_n": pd.NA,
        "erbb2_call": point.erbb2["call"],
        **{f"erbb2_{key}": point.erbb2[key]
           for key in ("pcn", "pcn_low", "pcn_high", "copies", "copies_low", "copies_high")},
        "erbb2_informed": per_cell[1], "erbb2_informed_low": per_cell[0],
        "erbb2_informed_high": per_cell[2],
        "erbb2_ratio": erbb2[1], "erbb2_ratio_low": erbb2[0], "erbb2_ratio_high": erbb2[2],
        **falls(excess, "erbb2_"),
        "amplicon_ratio": copies[1], "amplicon_ratio_low": copies[0],
        "amplicon_ratio_high": copies[2],
        "p_selective_loss": NAN if amplicon is None else amplicon.below(1.0),
        "identity": "baseline" if is_base else "not_evaluable", "identity_lr": NAN,
    }  # fmt: skip
    said = _informed_reasons(found, limits[1], unmeasured, settings=settings)
    if is_base:
        return row | {"change": "baseline", "erbb2_change": "baseline",
                      "erbb2_copies_change": "baseline",
                      "reason": "; ".join([_baseline_reason(base), *said])}  # fmt: skip
    change, why = classify(ratio, of="ctDNA fraction", settings=settings,
                           unknown=_why_unknown(point, found, base, of_base, template))  # fmt: skip
    if changed and np.isfinite(ratio[1]):
        why += ", each sample alone because the profile has changed"
    erbb2_change, erbb2_why = classify(erbb2, of="ERBB2 excess copies", settings=settings,
                                       unknown=_why_no_erbb2(point, base))  # fmt: skip
    word, of_copies = copies_change(
        amplicon, unseen=unseen, known=excess is not None, settings=settings
    )
    reasons = [why, erbb2_why, *of_copies, *of_mutations, *said]
    return row | {"change": change, "erbb2_change": erbb2_change, "erbb2_copies_change": word,
                  "reason": "; ".join(reasons)}  # fmt: skip


def _informed_reasons(
    found: Slope | None, lod: float, unmeasured: str, *, settings: TrackSettings
) -> list[str]:
    """What must be known of the informed estimate, in words."""
    if found is None or found.profile == "template":
        return []
    said = []
    if found.profile == "changed":
        said.append(f"profile: changed (p {found.profile_p:.2g}), most at {found.where}, the "
                    "informed estimate is not to be believed")  # fmt: skip
    if found.p_value > settings.false_positive:
        seen = f"{100 * lod:.2g} % or more would have been" if np.isfinite(lod) else (
            "no fraction would have been for certain")  # fmt: skip
        said.append(f"informed: no tumor seen (p {found.p_value:.2g}), a tumor fraction of {seen}")
    if unmeasured:
        said.append(f"noise: predicted and not measured on normals, because {unmeasured}")
    return said


def _baseline_reason(base: TimePoint) -> str:
    return "baseline" if base.day <= 0 else "stands in as baseline: no sample at or before day 0"


def _why_unknown(
    point: TimePoint,
    found: Slope | None,
    base: TimePoint,
    of_base: Slope | None,
    template: Template | None,
) -> str:
    if point.failed:
        return "this sample failed"
    if template is None:
        return "no time point has a detectable tumor fraction"
    if of_base is None or found is None:
        return "the profiles cannot be compared"
    for slope_of, which in ((found, "this sample"), (of_base, "the baseline")):
        if slope_of.profile == "changed":
            alone = [p.sample for p in (point, base) if not p.detected]
            return (
                f"the tumor's profile has changed in {which} ({slope_of.where}) and "
                f"{' and '.join(alone)} alone shows no tumor"
            )
    return "no tumor was seen at baseline"


def _why_no_erbb2(point: TimePoint, base: TimePoint) -> str:
    if point.erbb2["call"] == "failed":
        return "this sample failed"
    if base.erbb2["call"] == "failed":
        return "the baseline failed"
    return "ERBB2 was not raised at baseline"


def classify(ratio: Array, *, of: str, unknown: str, settings: TrackSettings) -> tuple[str, str]:
    """The change of a ratio (low, median, high) in one word and in words.

    stable : the interval lies within 1 -+ no_change (as a ratio, 1 - x to 1 / (1 - x)); decrease,
    increase : it lies below, above 1; not_evaluable : it does not exclude either.
    """
    low, middle, high = (float(value) for value in ratio)
    if not np.isfinite(middle):
        return "not_evaluable", f"{of}: not evaluable, {unknown}"
    shown = f"{middle:.2f} of baseline (95 % interval {low:.2f} to {high:.2f})"
    if low >= 1 - settings.no_change and high <= 1 / (1 - settings.no_change):
        return "stable", f"{of}: {shown}, within the no-change zone"
    if high < 1:
        if low <= 0.01:
            at_least = min(99, int(100 * (1 - high)))
            return "decrease", f"{of}: {shown}, a fall of at least {at_least} %"
        return "decrease", f"{of}: {shown}"
    if low > 1:
        return "increase", f"{of}: {shown}"
    return "not_evaluable", f"{of}: {shown}, too wide to tell a change"


def at_most(found: Slope, of_base: Slope) -> float:
    """The ratio to baseline of a sample in which nothing is seen: its limit of detection over the
    baseline's lower bound; infinite where there is no limit. A ratio of slopes, which is that of
    fractions within a few per cent where the sample shows nothing."""
    least = of_base.beta - Z95 * of_base.se
    return float("inf") if not (np.isfinite(found.lod) and least > 0) else found.lod / least


def copies_change(
    amplicon: Spread | None, *, unseen: bool, known: bool, settings: TrackSettings
) -> tuple[str, list[str]]:
    """Whether ERBB2 fell with the tumor or apart from it, in one word and in words.

    Loss of signal is no loss of the amplicon: where no tumor is seen its copies cannot be told.
    """
    if amplicon is None:
        why = "no tumor is seen in this sample" if unseen else "the samples cannot be compared"
        return "not_evaluable", [f"ERBB2 copies: not evaluable, {why}"] if known else []
    low, middle, high = (float(value) for value in amplicon.interval())
    p = amplicon.below(1.0)
    shown = f"{middle:.2f} of baseline per tumor cell (95 % interval {low:.2f} to {high:.2f})"
    if high < 1:
        return "selective_loss", [f"ERBB2 copies: {shown}, ERBB2 fell more than the tumor fraction "
                                  f"(probability {p:.3f}), a selective loss of the amplified "
                                  "clone"]  # fmt: skip
    if low > 1:
        return "selective_gain", [f"ERBB2 copies: {shown}, ERBB2 fell less than the tumor fraction "
                                  f"(probability {1 - p:.3f})"]  # fmt: skip
    if low >= 1 - settings.no_change and high <= 1 / (1 - settings.no_change):
        return "unchanged", [f"ERBB2 copies: {shown}, unchanged, ERBB2 and tumor fraction changed "
                             "alike"]  # fmt: skip
    return "not_evaluable", [f"ERBB2 copies: not evaluable, {shown}, too wide to tell a selective "
                             f"loss (probability {p:.2f})"]  # fmt: skip


def erbb2_ratio(now: dict[str, object], then: dict[str, object]) -> Spread | None:
    """(pCN_t - 2) / (pCN_0 - 2); None unless ERBB2 was raised at baseline.

    It needs no tumor fraction. A negative excess counts as none.
    """
    if then["call"] not in ("amplified", "gained") or now["call"] == "failed":
        return None
    excess_now = np.maximum(_pcn_nodes(now) - 2, 0.0)
    excess_then = _pcn_nodes(then) - 2
    if np.quantile(excess_then, 0.025) <= 0:
        return None
    return Spread.of(excess_now[:, None] / np.maximum(excess_then[None, :], 1e-9))


def _pcn_nodes(gene: dict[str, object]) -> Array:
    middle, high = float(str(gene["pcn"])), float(str(gene["pcn_high"]))
    return np.asarray(middle + (high - middle) / Z95 * NODES)
