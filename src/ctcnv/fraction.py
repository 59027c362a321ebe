"""Tumor fraction and ploidy: a posterior on a grid, with the copy numbers summed over.

For a tumor fraction T and a mean ploidy P a window of C copies has the ratio

    mu(C) = (T*C + 2*(1-T)) / (T*P + 2*(1-T))                       (design: "ratio")

The copies along a chromosome form a hidden Markov chain: they stay, or are drawn anew from a prior
that falls with the distance from the ploidy. The forward algorithm sums over every path, so that
no copy-number profile is chosen before the fraction is known. Observed ratios follow Student's t
around mu, with the counting noise and over-dispersion of the panel. The null (healthy plasma of
the same depth and noise) is simulated with a given seed; it gives the p-value, the limit of blank
and the limit of detection.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.special import logsumexp

from ctcnv.compiled import compiled
from ctcnv.dispersion import Dispersion
from ctcnv.model import FractionSettings
from ctcnv.normalize import Windows, used_atoms, windows
from ctcnv.schema import FRACTION, GRID, SOLUTIONS
from ctcnv.segment import window_atoms

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

#: Smallest tumor fraction of the grid; below, no shallow library tells it from zero.
MIN_FRACTION = 0.001
#: First round of the grid: fractions below 0.1 in equal ratios, above in equal steps.
LOW_FRACTIONS, FRACTION_STEP = 24, 0.02
#: Step of the ploidy in the first round as a change of the overall level, which the data fix.
LEVEL_STEP = 0.01
#: Windows of the first round, which is only to find where the mass is.
SCOUT_WINDOWS = 300
#: From a heavily rearranged genome to one with few events, around the typical ``step_decay``.
DECAY_FACTORS = (0.5, 1.0, 1.5)
#: A cell with less than this share of the mass is dropped.
KEPT_MASS = 1e-6
#: Half a cell may change a ratio by this share of the noise of the level.
RESOLUTION = 0.5
#: Windows of the detection score: large, because its tumors are arms, and few, because it is
#: computed for every simulated genome.
SCORE_WINDOWS = 600
#: Fractions at which the score looks for a tumor.
SCORE_FRACTIONS = np.geomspace(0.003, 0.5, 16)
#: Simulated tumors behind each trial value of the limit of detection.
LOD_DRAWS = 100
#: Genome-wide windows without which nothing can be said.
MIN_WINDOWS = 20


@dataclass(frozen=True)
class Evidence:
    """Windows of one sample as the model sees them, each (n,).

    first : 1 where a chromosome begins; ratio; counting : 1/expected; tau2 : squared
    over-dispersion; inflation : by how much neighbouring windows fail to be independent;
    block_tau : over-dispersion of a region of typical segment size, ``block`` windows wide;
    chrom_tau : of a chromosome.
    """

    first: NDArray[np.int8]
    ratio: Array
    counting: Array
    tau2: Array
    inflation: float
    block: int
    block_tau: float
    chrom_tau: float


@dataclass(frozen=True)
class States:
    """Copy states, their prior per ploidy and the chance of a change between neighbours."""

    copies: Array
    subclonal: NDArray[np.bool_]
    change: float

    def prior(self, ploidy: Array, *, decay: float, subclonal_weight: float) -> Array:
        """(cells, states): exp(-decay * |C - P|), times half the ``subclonal_weight`` for parts of
        copies, of which there are two between whole ones; normalised."""
        weight = np.exp(-decay * np.abs(self.copies[None, :] - ploidy[:, None]))
        weight *= np.where(self.subclonal, subclonal_weight / 2, 1.0)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Posterior:
    """The surface: cells with fraction, ploidy and probability (given that there is tumor), the log
    Bayes factor of tumor against none, and the half sizes of the cells."""

    fraction: Array
    ploidy: Array
    probability: Array
    log_bayes: float
    half_fraction: Array
    half_ploidy: Array

    def quantiles(self, probabilities: list[float]) -> Array:
        """Quantiles of the fraction: the mass of a cell lies evenly between its edges."""
        edges = np.unique(np.concatenate([self.fraction - self.half_fraction,
                                          self.fraction + self.half_fraction]))  # fmt: skip
        below = (edges[:, None] - (self.fraction - self.half_fraction)) / (2 * self.half_fraction)
        cumulative = np.clip(below, 0.0, 1.0) @ self.probability
        return np.asarray(np.interp(np.array(probabilities), cumulative, edges))


@dataclass(frozen=True)
class FractionResult:
    """The three tables of the step; ``row`` lacks the sample's name."""

    row: dict[str, object]
    grid: pd.DataFrame
    solutions: pd.DataFrame


def estimate(
    profile: pd.DataFrame, *, dispersion: Dispersion, settings: FractionSettings
) -> FractionResult:
    """Tumor fraction of a profile with interval, limits, status, surface and solutions."""
    profile = without_isolated(profile, dispersion=dispersion, settings=settings)
    fine = evidence(profile, dispersion=dispersion, settings=settings,
                    max_windows=settings.max_windows)  # fmt: skip
    coarse = evidence(profile, dispersion=dispersion, settings=settings, max_windows=SCORE_WINDOWS)
    if fine is None or coarse is None:
        return failed("too few fragments or usable atoms")
    null = null_scores(coarse, settings=settings)
    score, _ = detection_score(coarse, settings=settings)
    p_value = tail_probability(score, null.scores)
    detected = p_value <= settings.false_positive
    scout = evidence(profile, dispersion=dispersion, settings=settings, max_windows=SCOUT_WINDOWS)
    posterior = posterior_surface(fine, scout or coarse, settings=settings)
    odds = settings.prior_tumor / (1 - settings.prior_tumor) * np.exp(min(posterior.log_bayes, 500))
    p_tumor = float(odds / (1 + odds))
    modes = solutions(posterior) if detected else SOLUTIONS.empty()
    lod = limit_of_detection(coarse, null.scores, settings=settings)
    row = {
        **_interval(posterior, detected=detected, p_tumor=p_tumor),
        "lob": float(np.quantile(null.fractions, 0.95)),
        "lod": lod,
        "p_tumor": p_tumor,
        "p_value": p_value,
        "status": "detected" if detected else "not_detected",
        "method": "copy number",
        "reason": None if detected else not_detected_reason(p_value, settings.false_positive),
    }
    if detected:
        row["ploidy"] = float(modes["ploidy"].iloc[0])
    else:
        # What was not detected may be as high as what would not have been; NaN when that is
        # unknown.
        row["high"] = float(np.maximum(_number(row["high"]), lod))
    log.info("tumor fraction %.4f (%.4f-%.4f), %s, p %.2g", row["fraction"], row["low"],
             row["high"], row["status"], p_value)  # fmt: skip
    grid = pd.DataFrame({"fraction": posterior.fraction, "ploidy": posterior.ploidy,
                         "probability": posterior.probability})  # fmt: skip
    return FractionResult(row, grid[grid["probability"] > 1e-9].reset_index(drop=True), modes)


def _number(value: object) -> float:
    return float(str(value))


def failed(reason: str) -> FractionResult:
    """The outcome when nothing can be estimated: everything unknown, with the reason."""
    unknown = ("fraction", "low", "high", "ploidy", "dna_fraction", "lob", "lod", "p_tumor",
               "p_value")  # fmt: skip
    row: dict[str, object] = dict.fromkeys(unknown, float("nan"))
    row |= {"status": "failed", "method": None, "reason": reason}
    return FractionResult(row, GRID.empty(), SOLUTIONS.empty())


def table(result: FractionResult, *, sample: str) -> pd.DataFrame:
    """The FRACTION table of a result."""
    return pd.DataFrame([{"sample": sample, **result.row}], columns=FRACTION.names)


def not_detected_reason(p_value: float, level: float) -> str:
    """Why a sample is not detected, in words."""
    return (
        f"no genome-wide copy-number change beyond healthy plasma (p {p_value:.2g}, limit "
        f"{level:g}): the tumor fraction is below what this sample can show, or the tumor's "
        "genome is quiet"
    )


def dna_fraction(fraction: float, ploidy: float) -> float:
    """Share of DNA from tumor cells: T*P / (T*P + 2*(1-T))."""
    return fraction * ploidy / (fraction * ploidy + 2 * (1 - fraction))


def _interval(posterior: Posterior, *, detected: bool, p_tumor: float) -> dict[str, object]:
    """Median and 95 % interval; where nothing is detected, zero keeps its share of the mass."""
    wanted = [0.025, 0.5, 0.975]
    if detected:
        low, middle, high = posterior.quantiles(wanted)
        mean_dna = np.sum(posterior.probability
                          * dna_fraction_of(posterior.fraction, posterior.ploidy))  # fmt: skip
        return {"fraction": middle, "low": low, "high": high, "ploidy": float("nan"),
                "dna_fraction": float(mean_dna)}  # fmt: skip
    inside = [(q - (1 - p_tumor)) / p_tumor if q > 1 - p_tumor else None for q in wanted]
    low, middle, high = (0.0 if q is None else float(posterior.quantiles([q])[0]) for q in inside)
    return {"fraction": middle, "low": low, "high": high, "ploidy": float("nan"),
            "dna_fraction": float("nan")}  # fmt: skip


def dna_fraction_of(fraction: Array, ploidy: Array) -> Array:
    """:func:`dna_fraction` for arrays."""
    return fraction * ploidy / (fraction * ploidy + 2 * (1 - fraction))


def ratio_of(
    copies: Array | float,
    fraction: Array | float,
    ploidy: Array | float,
    *,
    normal: Array | float = 2.0,
) -> Array:
    """Expected ratio of a region with C tumor copies, arguments broadcast:

    mu = (T*C + n*(1-T)) / n * 2 / (T*P + 2*(1-T)),  n copies in a normal cell (1 on a male's X).
    """
    of_region = (fraction * copies + normal * (1 - fraction)) / normal
    return np.asarray(of_region * 2 / (fraction * ploidy + 2 * (1 - fraction)))


def copies_of(
    ratio: Array | float,
    fraction: Array | float,
    ploidy: Array | float,
    *,
    normal: Array | float = 2.0,
) -> Array:
    """The inverse, arguments broadcast:  C = n * (r*(T*P + 2*(1-T))/2 - (1-T)) / T."""
    whole = ratio * (fraction * ploidy + 2 * (1 - fraction)) / 2
    return np.asarray(normal * (whole - (1 - fraction)) / fraction)


# Evidence --------------------------------------------------------------------------------------


def evidence(
    profile: pd.DataFrame,
    *,
    dispersion: Dispersion,
    settings: FractionSettings,
    max_windows: int,
) -> Evidence | None:
    """Autosomal windows of the profile; None when there are too few."""
    size = _window_size(profile, settings=settings, max_windows=max_windows)
    if size is None:
        return None
    summed = windows(profile, atoms=size)
    if len(summed.ratio) < MIN_WINDOWS:
        return None
    return evidence_of(summed, dispersion=dispersion, breakpoints=settings.breakpoints)


def _window_size(
    profile: pd.DataFrame, *, settings: FractionSettings, max_windows: int
) -> int | None:
    """Atoms of a window that holds enough fragments, and of which there are not too many."""
    least = window_atoms(profile, fragments=settings.window_fragments, min_bp=1, max_bp=10**9)
    if least is None:
        return None
    return max(least, int(np.ceil(int(used_atoms(profile).sum()) / max_windows)))


def without_isolated(
    profile: pd.DataFrame, *, dispersion: Dispersion, settings: FractionSettings
) -> pd.DataFrame:
    """The profile without the atoms of isolated windows.

    They are found once, on the finest windows: on wide ones a whole arm would look isolated.
    """
    size = _window_size(profile, settings=settings, max_windows=settings.max_windows)
    if size is None:
        return profile
    summed = windows(profile, atoms=size)
    outside = isolated(summed, dispersion=dispersion)
    left_out = np.flatnonzero(used_atoms(profile))[np.repeat(outside, summed.atoms)]
    expected = profile["expected"].to_numpy(dtype=float).copy()
    expected[left_out] = np.nan
    return profile.assign(expected=expected)


def isolated(summed: Windows, *, dispersion: Dispersion) -> NDArray[np.bool_]:
    """Windows that stand far out of their neighbours: focal amplicons and artefacts.

    No copy state explains an amplicon of 40 copies, and one alone would make a quiet genome look
    like tumor; arms and large segments tell the fraction. A window is isolated when it differs from
    the running median of its chromosome by more than ``ISOLATED_SD`` standard deviations.
    """
    ratio = summed.ratio
    found = np.zeros(len(ratio), dtype=bool)
    sd = np.sqrt(dispersion.variance(summed.expected, summed.atoms))
    for name in pd.unique(summed.chrom):
        inside = np.flatnonzero(summed.chrom == name)
        local = median_filter(ratio[inside], size=NEIGHBOURS, mode="nearest")
        found[inside] = np.abs(ratio[inside] - local) > ISOLATED_SD * sd[inside] * np.sqrt(
            np.maximum(local, 1.0)
        )
    return found


#: Windows of the running median, and how far out of it a window may lie. Counting noise reaches 5
#: standard deviations once in two million windows.
NEIGHBOURS, ISOLATED_SD = 11, 5.0


def evidence_of(summed: Windows, *, dispersion: Dispersion, breakpoints: float) -> Evidence:
    """The model's view of given windows.

    The over-dispersion of a library comes in waves: K neighbouring windows do not average out as K
    independent ones. ``inflation`` is the variance of a region of typical segment size over what
    independence would give, and multiplies the variance of every window.
    """
    n = len(summed.ratio)
    first = np.concatenate([[1], summed.chrom[1:] != summed.chrom[:-1]]).astype(np.int8)
    counting = 1 / summed.expected
    tau2 = dispersion.at(summed.atoms) ** 2
    block = int(np.clip(round(n / breakpoints), 1, n))
    atoms = float(np.median(summed.atoms))
    block_tau = float(dispersion.at(block * atoms))
    chrom_tau = min(block_tau, float(dispersion.at(summed.atoms.sum() / max(1, first.sum()))))
    one = float(np.median(counting + tau2))
    together = block_tau**2 + float(np.median(counting)) / block
    inflation = max(1.0, together * block / one)
    return Evidence(first, summed.ratio, counting, tau2, inflation, block, block_tau, chrom_tau)


def copy_states(*, n_windows: int, max_copies: int, breakpoints: float, subclonal: bool) -> States:
    """Whole copies 0..max and, for ``subclonal`` events, 0.4 and 0.6 between them.

    Parts lie between all whole copies alike: a prior with more of them around one ploidy would
    favour it. They leave out the half: with it, twice the fraction and half of every event would
    be the same profile.
    change : chance of a new draw at a window, so that a genome has ``breakpoints`` of them.
    """
    whole = np.arange(max_copies + 1, dtype=float)
    parts = np.concatenate([whole[:-1] + 0.4, whole[:-1] + 0.6]) if subclonal else whole[:0]
    copies = np.concatenate([whole, parts])
    return States(copies, copies != np.floor(copies), min(0.5, breakpoints / n_windows))


# Likelihood ------------------------------------------------------------------------------------


@compiled
def forward(
    first: NDArray[np.int8], ratio: Array, counting: Array, tau2: Array, inflation: float,
    level: Array, prior: Array, change: float, tail_df: int,
) -> Array:  # fmt: skip
    """Log likelihood of each cell under each prior, (priors, cells), up to a shared constant.

    level : (cells, states) ratio of each state; prior : (priors, cells, states).  Emission is
    Student's t with an odd number of degrees of freedom, so that its power is a whole number:
    f = v^-1/2 * (1 + (r - mu)^2 / (df * v))^-((df + 1) / 2),  v = inflation*(mu/E + mu^2 tau^2).
    Transition:  a'(s) = f(s) * ((1 - change)*a(s) + change*prior(s)); a chromosome starts from the
    prior.  Scaled at every window.
    """
    n_priors, n_cells, n_states = prior.shape
    n = len(ratio)
    half = (tail_df + 1) // 2
    total = np.zeros((n_priors, n_cells))
    a = np.empty((n_priors, n_states))
    emission = np.empty(n_states)
    for cell in range(n_cells):
        for w in range(n):
            for s in range(n_states):
                mu = level[cell, s]
                v = inflation * (max(mu, 0.01) * counting[w] + mu * mu * tau2[w])
                deviation = ratio[w] - mu
                q = 1.0 + deviation * deviation / (tail_df * v)
                power = q
                for _ in range(half - 1):
                    power *= q
                emission[s] = 1.0 / (power * np.sqrt(v))
            for k in range(n_priors):
                norm = 0.0
                for s in range(n_states):
                    start = prior[k, cell, s]
                    weight = start if first[w] == 1 else (1.0 - change) * a[k, s] + change * start
                    a[k, s] = weight * emission[s]
                    norm += a[k, s]
                scale = 1.0 / norm
                for s in range(n_states):
                    a[k, s] *= scale
                total[k, cell] += np.log(norm)
    return total


def log_likelihoods(
    seen: Evidence, fraction: Array, ploidy: Array, *, states: States, decays: Sequence[float],
    settings: FractionSettings,
) -> Array:  # fmt: skip
    """Log likelihood of cells (fraction, ploidy), each (cells,), minus that of no tumor.

    How rearranged a genome is differs between tumors, and an assumption about it would decide
    between explanations that fit equally well (one copy more everywhere). The likelihood is
    therefore averaged over several ``decays`` of the prior of the states.
    """
    level = ratio_of(states.copies[None, :], fraction[:, None], ploidy[:, None])
    priors = np.stack(
        [
            states.prior(ploidy, decay=decay, subclonal_weight=settings.subclonal_weight)
            for decay in decays
        ]
    )
    each = forward(seen.first, seen.ratio, seen.counting, seen.tau2, seen.inflation, level, priors,
                   states.change, settings.tail_df)  # fmt: skip
    none = log_likelihood_of_none(seen, tail_df=settings.tail_df)
    return np.asarray(logsumexp(each, axis=0) - np.log(len(each)) - none)


def log_likelihood_of_none(seen: Evidence, *, tail_df: int) -> float:
    """Log likelihood when every window has the ratio 1, up to the same constant."""
    v = seen.inflation * (seen.counting + seen.tau2)
    q = 1 + (seen.ratio - 1) ** 2 / (tail_df * v)
    return float(np.sum(-0.5 * np.log(v) - (tail_df + 1) // 2 * np.log(q)))


# Posterior -------------------------------------------------------------------------------------


def log_prior(fraction: Array, ploidy: Array, *, settings: FractionSettings) -> Array:
    """Unnormalised log prior density over (fraction, ploidy).

    Fraction: log-uniform, which matches what metastatic patients show (about a third at or above
    0.1 and two to three of four at or above 0.03; Adalsteinsson 2017). Ploidy: two normals, around
    2 and, for doubled genomes, around 3.5.
    """

    def normal(centre: float) -> Array:
        return np.exp(-0.5 * ((ploidy - centre) / settings.ploidy_sd) ** 2)

    doubled = settings.ploidy_wgd
    return np.log((1 - doubled) * normal(2.0) + doubled * normal(3.5)) - np.log(fraction)


@dataclass(frozen=True)
class _Grid:
    """Cells of the plane of fraction and ploidy: centres and half sizes, each (cells,)."""

    fraction: Array
    ploidy: Array
    half_fraction: Array
    half_ploidy: Array

    @property
    def area(self) -> Array:
        """Area of each cell."""
        return 4 * self.half_fraction * self.half_ploidy

    def divided(self, keep: NDArray[np.bool_], resolution: float) -> _Grid:
        """The kept cells, halved in each direction in which the ratio of a region changes by more
        than ``resolution`` across half a cell: by dT of one copy, and by T*dP/2 of the level."""
        t, p, dt, dp = (a[keep] for a in (self.fraction, self.ploidy, self.half_fraction,
                                          self.half_ploidy))  # fmt: skip
        wide = dt / 2 > resolution
        t = np.concatenate([t[~wide], t[wide] - dt[wide] / 2, t[wide] + dt[wide] / 2])
        p = np.concatenate([p[~wide], p[wide], p[wide]])
        dp = np.concatenate([dp[~wide], dp[wide], dp[wide]])
        dt = np.concatenate([dt[~wide], dt[wide] / 2, dt[wide] / 2])
        high = dp * t / 2 > resolution
        return _Grid(
            np.concatenate([t[~high], t[high], t[high]]),
            np.concatenate([p[~high], p[high] - dp[high] / 2, p[high] + dp[high] / 2]),
            np.concatenate([dt[~high], dt[high], dt[high]]),
            np.concatenate([dp[~high], dp[high] / 2, dp[high] / 2]),
        )


def first_grid(*, settings: FractionSettings) -> _Grid:
    """The cells of the first round.

    The level of the whole profile, 1/(T*P + 2*(1-T)), is known far better than the ploidy of a
    sample with little tumor DNA, and as well as that of one with much. The step of the ploidy is
    therefore ``LEVEL_STEP`` of the level, at most ``ploidy_step``.
    """
    low = np.geomspace(MIN_FRACTION, 0.1, LOW_FRACTIONS + 1)
    edges = np.concatenate([low[:-1], np.arange(0.1, settings.max_fraction, FRACTION_STEP),
                            [settings.max_fraction]])  # fmt: skip
    parts = []
    for left, right in itertools.pairwise(edges):
        t = (left + right) / 2
        step = min(settings.ploidy_step, LEVEL_STEP * 2 / t)
        n = max(1, int(np.ceil((settings.max_ploidy - settings.min_ploidy) / step)))
        bounds = np.linspace(settings.min_ploidy, settings.max_ploidy, n + 1)
        parts.append(
            np.stack([np.full(n, t), (bounds[1:] + bounds[:-1]) / 2,
                      np.full(n, (right - left) / 2), np.diff(bounds) / 2])
        )  # fmt: skip
    return _Grid(*np.concatenate(parts, axis=1))


def posterior_surface(fine: Evidence, coarse: Evidence, *, settings: FractionSettings) -> Posterior:
    """The posterior on cells that are divided where the mass is.

    A good library fixes fraction and ploidy so well that a coarse grid would miss every mode. The
    first rounds therefore look at the data through a wider noise, as wide as their cells are
    coarse. Each round drops the cells without mass, halves the others where they are wider than
    the noise, and halves the noise, until it is that of the data. ``coarse`` has few windows and
    serves the first round.
    """
    grid = first_grid(settings=settings)
    prior_mass = float(np.sum(np.exp(log_prior(grid.fraction, grid.ploidy, settings=settings))
                              * grid.area))  # fmt: skip
    sd = level_sd(fine)
    widening = max(1.0, LEVEL_STEP / sd)
    seen = coarse
    while True:
        logs = _log_mass(seen, grid, widening=widening, settings=settings)
        peak = float(logs.max())
        mass = np.exp(logs - peak)
        total = float(mass.sum())
        mass /= total
        if widening == 1 and seen is fine:
            break
        widening = max(1.0, widening / 2)
        grid = grid.divided(mass > KEPT_MASS, RESOLUTION * sd * widening)
        seen = fine
    log_bayes = peak + float(np.log(total)) - float(np.log(prior_mass))
    return Posterior(grid.fraction, grid.ploidy, mass, log_bayes, grid.half_fraction,
                     grid.half_ploidy)  # fmt: skip


def level_sd(seen: Evidence) -> float:
    """Standard deviation with which the windows together fix the level of the profile."""
    variance = seen.inflation * float(np.median(seen.counting + seen.tau2)) / len(seen.ratio)
    return float(np.sqrt(variance))


def _log_mass(seen: Evidence, grid: _Grid, *, widening: float, settings: FractionSettings) -> Array:
    """Unnormalised log posterior mass of each cell, the noise widened."""
    states = copy_states(n_windows=len(seen.ratio), max_copies=settings.max_copies,
                         breakpoints=settings.breakpoints, subclonal=True)  # fmt: skip
    decays = [factor * settings.step_decay for factor in DECAY_FACTORS]
    wider = replace(seen, inflation=seen.inflation * widening**2)
    relative = log_likelihoods(wider, grid.fraction, grid.ploidy, states=states, decays=decays,
                               settings=settings)  # fmt: skip
    return np.asarray(
        relative + log_prior(grid.fraction, grid.ploidy, settings=settings) + np.log(grid.area)
    )


def solutions(posterior: Posterior) -> pd.DataFrame:
    """The modes of the surface with the mass of their basins (each cell climbs to a mode).

    Modes with less than 1 % are left out; the rest is ranked by weight.
    """
    top = _basins(posterior)
    found = [
        (float(posterior.probability[top == peak].sum()), int(peak)) for peak in np.unique(top)
    ]
    found.sort(key=lambda mode: -mode[0])
    kept = [mode for mode in found if mode[0] >= MIN_SOLUTION_WEIGHT] or found[:1]
    peaks = [peak for _, peak in kept]
    return pd.DataFrame(
        {
            "solution": np.arange(1, len(kept) + 1),
            "fraction": posterior.fraction[peaks],
            "ploidy": posterior.ploidy[peaks],
            "weight": [weight for weight, _ in kept],
            "erbb2_copies": np.full(len(kept), np.nan),
        }
    )


MIN_SOLUTION_WEIGHT = 0.01


def _basins(posterior: Posterior) -> NDArray[np.int_]:
    """For each cell the index of the mode that steepest ascent over touching cells leads to."""
    t, p = posterior.fraction, posterior.ploidy
    dt, dp = posterior.half_fraction, posterior.half_ploidy
    density = posterior.probability / (dt * dp)
    to = np.arange(len(t))
    for i in range(len(t)):
        near = (np.abs(t - t[i]) <= (dt + dt[i]) * TOUCH) & (
            np.abs(p - p[i]) <= (dp + dp[i]) * TOUCH
        )
        inside = np.flatnonzero(near)
        to[i] = inside[np.argmax(density[inside])]
    while True:
        further = to[to]
        if np.array_equal(further, to):
            return to
        to = further


#: Cells touch when their centres are within this many times their half sizes.
TOUCH = 1.01


# Null, limit of blank, limit of detection --------------------------------------------------------


@dataclass(frozen=True)
class Null:
    """Scores and fractions that simulated healthy genomes are given, each (draws,)."""

    scores: Array
    fractions: Array


def detection_score(seen: Evidence, *, settings: FractionSettings) -> tuple[float, float]:
    """Largest log likelihood ratio of tumor against none over small fractions of a near-diploid
    tumor, and the fraction where it is reached (0 when none is better than no tumor)."""
    states = copy_states(
        n_windows=len(seen.ratio), max_copies=4, breakpoints=settings.breakpoints, subclonal=False
    )
    relative = log_likelihoods(
        seen, SCORE_FRACTIONS, np.full(len(SCORE_FRACTIONS), 2.0), states=states,
        decays=[settings.step_decay], settings=settings,
    )  # fmt: skip
    best = int(np.argmax(relative))
    score = float(relative[best])
    return score, float(SCORE_FRACTIONS[best]) if score > 0 else 0.0


def null_scores(seen: Evidence, *, settings: FractionSettings) -> Null:
    """The same score for healthy genomes simulated with this sample's depth and noise."""
    rng = np.random.default_rng(settings.seed)
    pairs = [
        detection_score(replace(seen, ratio=1 + noise(seen, rng, tail_df=settings.tail_df)),
                        settings=settings)
        for _ in range(settings.null_draws)
    ]  # fmt: skip
    scores, fractions = zip(*pairs, strict=True)
    return Null(np.array(scores), np.array(fractions))


def noise(seen: Evidence, rng: np.random.Generator, *, tail_df: int) -> Array:
    """One draw of the noise of all windows: waves that a chromosome and a block share, and t noise
    of each window, so that regions of each size vary as the dispersion says."""
    n = len(seen.ratio)
    chrom = np.cumsum(seen.first) - 1
    position = np.arange(n) - np.flatnonzero(seen.first)[chrom]
    _, block = np.unique(chrom * n + position // seen.block, return_inverse=True)
    slow = rng.normal(0, seen.chrom_tau, size=int(chrom.max()) + 1)[chrom]
    of_block = np.sqrt(seen.block_tau**2 - seen.chrom_tau**2)
    wave = rng.normal(0, of_block, size=int(block.max()) + 1)[block]
    own = np.sqrt(np.maximum(seen.tau2 - seen.block_tau**2, 0.0) + seen.counting)
    return np.asarray(slow + wave + own * rng.standard_t(tail_df, size=n))


def tail_probability(score: float, null: Array) -> float:
    """Share of the null at or above the score; beyond its 90th centile an exponential tail.

    A log likelihood ratio has an exponential tail, so that small p-values need no millions of
    draws:  p = 0.1 * exp(-(s - q90) / mean excess over q90).
    """
    q90 = float(np.quantile(null, 0.9))
    if score <= q90:
        return float((1 + np.sum(null >= score)) / (1 + len(null)))
    excess = null[null > q90] - q90
    scale = max(float(excess.mean()), 1e-3)
    return float(0.1 * np.exp(-min((score - q90) / scale, 600.0)))


def limit_of_detection(seen: Evidence, null: Array, *, settings: FractionSettings) -> float:
    """Smallest fraction detected in 95 % of simulated tumors; NaN when the grid has none.

    The tumors are near-diploid and have gained or lost one copy of ``lod_altered`` of the genome,
    in runs of typical segment size. Trial fractions rise until 95 % are detected; between the last
    two the power is interpolated.
    """
    rng = np.random.default_rng([settings.seed, 1])
    last_fraction, last_power = 0.0, settings.false_positive
    for fraction in SCORE_FRACTIONS:
        found = 0
        for _ in range(LOD_DRAWS):
            copies = _arm_level_copies(seen, rng, altered=settings.lod_altered)
            ploidy = float(copies.mean())
            level = ratio_of(copies, float(fraction), ploidy)
            drawn = replace(seen, ratio=level * (1 + noise(seen, rng, tail_df=settings.tail_df)))
            score, _ = detection_score(drawn, settings=settings)
            found += tail_probability(score, null) <= settings.false_positive
        power = found / LOD_DRAWS
        if power >= 0.95:
            share = (0.95 - last_power) / max(power - last_power, 1e-9)
            return float(last_fraction + share * (fraction - last_fraction))
        last_fraction, last_power = float(fraction), max(power, last_power)
    return float("nan")


def _arm_level_copies(seen: Evidence, rng: np.random.Generator, *, altered: float) -> Array:
    """Copies per window: 2, or 1 or 3 in the ``altered`` share of segment-sized runs."""
    n = len(seen.ratio)
    run = (np.cumsum(seen.first) * n + np.arange(n) // seen.block).astype(np.int64)
    _, code = np.unique(run, return_inverse=True)
    n_runs = int(code.max()) + 1
    copies = np.full(n_runs, 2.0)
    n_altered = max(1, round(altered * n_runs))
    chosen = rng.permutation(n_runs)[:n_altered]
    copies[chosen] = np.where(rng.random(n_altered) < 0.5, 1.0, 3.0)
    return np.asarray(copies[code])
