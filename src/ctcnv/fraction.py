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

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.dispersion import Dispersion
from ctcnv.model import FractionSettings
from ctcnv.normalize import Windows, windows
from ctcnv.robust import weighted_quantile
from ctcnv.schema import FRACTION, GRID, SOLUTIONS
from ctcnv.segment import window_atoms

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

#: Smallest tumor fraction of the grid; below, no shallow library tells it from zero.
MIN_FRACTION = 0.001
#: First round of the grid, and the size to which the region with mass is divided again.
COARSE_FRACTIONS, FINE_FRACTIONS, FINE_PLOIDIES = 40, 60, 24
#: Rounds of refinement, and the mass outside that a refined grid may lose.
MAX_ROUNDS, LOST_MASS = 3, 1e-4
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
    block_tau : over-dispersion of a region of typical segment size, ``block`` windows wide.
    """

    first: NDArray[np.int8]
    ratio: Array
    counting: Array
    tau2: Array
    inflation: float
    block: int
    block_tau: float


@dataclass(frozen=True)
class States:
    """Copy states, their prior per ploidy and the chance of a change between neighbours."""

    copies: Array
    subclonal: NDArray[np.bool_]
    change: float

    def prior(self, ploidy: Array, *, settings: FractionSettings) -> Array:
        """(cells, states): exp(-step_decay * |C - P| * 2 / P), half copies share
        ``subclonal_weight``.

        A step is measured in units of half the ploidy, because a doubled genome carries the events
        from before its doubling as steps of two.
        """
        steps = np.abs(self.copies[None, :] - ploidy[:, None]) * 2 / ploidy[:, None]
        weight = np.exp(-settings.step_decay * steps)
        whole = np.where(self.subclonal, 0.0, weight)
        half = np.where(self.subclonal, weight, 0.0)
        share = settings.subclonal_weight
        return np.asarray(
            (1 - share) * whole / whole.sum(axis=1, keepdims=True)
            + share * half / half.sum(axis=1, keepdims=True)
        )


@dataclass(frozen=True)
class Posterior:
    """The surface: cells with fraction, ploidy and probability (given that there is tumor)."""

    fraction: Array
    ploidy: Array
    probability: Array
    log_bayes: float

    def quantiles(self, probabilities: list[float]) -> Array:
        """Quantiles of the fraction over the cells."""
        values, index = np.unique(self.fraction, return_inverse=True)
        mass = np.asarray(np.bincount(index, weights=self.probability), dtype=float)
        return weighted_quantile(values, mass, np.array(probabilities))


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
    fine = evidence(profile, dispersion=dispersion, settings=settings,
                    max_windows=settings.max_windows)  # fmt: skip
    coarse = evidence(profile, dispersion=dispersion, settings=settings, max_windows=SCORE_WINDOWS)
    if fine is None or coarse is None:
        return failed("too few fragments or usable atoms")
    null = null_scores(coarse, settings=settings)
    score, _ = detection_score(coarse, settings=settings)
    p_value = tail_probability(score, null.scores)
    detected = p_value <= settings.false_positive
    posterior = posterior_surface(fine, settings=settings)
    odds = settings.prior_tumor / (1 - settings.prior_tumor) * np.exp(min(posterior.log_bayes, 500))
    p_tumor = float(odds / (1 + odds))
    modes = solutions(posterior) if detected else SOLUTIONS.empty()
    row = {
        **_interval(posterior, detected=detected, p_tumor=p_tumor),
        "lob": float(np.quantile(null.fractions, 0.95)),
        "lod": limit_of_detection(coarse, null.scores, settings=settings),
        "p_tumor": p_tumor,
        "p_value": p_value,
        "status": "detected" if detected else "not_detected",
        "method": "copy number",
        "reason": None if detected else not_detected_reason(p_value, settings.false_positive),
    }
    if detected:
        best = modes.iloc[0]
        row["ploidy"] = float(best["ploidy"])
    log.info("tumor fraction %.4f (%.4f-%.4f), %s, p %.2g", row["fraction"], row["low"],
             row["high"], row["status"], p_value)  # fmt: skip
    grid = pd.DataFrame({"fraction": posterior.fraction, "ploidy": posterior.ploidy,
                         "probability": posterior.probability})  # fmt: skip
    return FractionResult(row, grid[grid["probability"] > 1e-9].reset_index(drop=True), modes)


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
    least = window_atoms(profile, fragments=settings.window_fragments, min_bp=1, max_bp=10**9)
    if least is None:
        return None
    n_atoms = len(windows(profile, atoms=1).ratio)
    size = max(least, int(np.ceil(n_atoms / max_windows)))
    summed = windows(profile, atoms=size)
    if len(summed.ratio) < MIN_WINDOWS:
        return None
    return evidence_of(summed, dispersion=dispersion, breakpoints=settings.breakpoints)


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
    one = float(np.median(counting + tau2))
    together = block_tau**2 + float(np.median(counting)) / block
    return Evidence(first, summed.ratio, counting, tau2, max(1.0, together * block / one), block,
                    block_tau)  # fmt: skip


def copy_states(*, n_windows: int, max_copies: int, breakpoints: float) -> States:
    """Whole copies 0..max and half copies between 1 and 4 for subclonal events.

    change : chance of a new draw at a window, so that a genome has ``breakpoints`` of them.
    """
    whole = np.arange(max_copies + 1, dtype=float)
    half = np.arange(1.5, min(4.0, max_copies), 1.0)
    copies = np.concatenate([whole, half])
    return States(copies, copies != np.floor(copies), min(0.5, breakpoints / n_windows))


# Likelihood ------------------------------------------------------------------------------------


@compiled
def forward(
    first: NDArray[np.int8], ratio: Array, counting: Array, tau2: Array, inflation: float,
    level: Array, prior: Array, extra: Array, change: float, tail_df: int,
) -> Array:  # fmt: skip
    """Log likelihood of each cell, up to a constant shared by all.

    level, prior : (cells, states) ratio and prior probability of each state; extra : (cells,)
    variance of heterogeneity.  Emission is Student's t with an odd number of degrees of freedom,
    so that its power is a whole number:
    f = v^-1/2 * (1 + (r - mu)^2 / (df * v))^-((df + 1) / 2),
    v = inflation*(mu/E + mu^2 tau^2) + extra.
    Transition:  a'(s) = f(s) * ((1 - change)*a(s) + change*prior(s)); a chromosome starts from the
    prior.  Scaled at every window.
    """
    n_cells, n_states = level.shape
    n = len(ratio)
    half = (tail_df + 1) // 2
    total = np.zeros(n_cells)
    a = np.empty(n_states)
    for cell in range(n_cells):
        log_likelihood = 0.0
        for w in range(n):
            norm = 0.0
            for s in range(n_states):
                mu = level[cell, s]
                v = inflation * (max(mu, 0.01) * counting[w] + mu * mu * tau2[w]) + extra[cell]
                deviation = ratio[w] - mu
                q = 1.0 + deviation * deviation / (tail_df * v)
                power = q
                for _ in range(half - 1):
                    power *= q
                start = prior[cell, s]
                weight = start if first[w] == 1 else (1.0 - change) * a[s] + change * start
                a[s] = weight / (power * np.sqrt(v))
                norm += a[s]
            for s in range(n_states):
                a[s] /= norm
            log_likelihood += np.log(norm)
        total[cell] = log_likelihood
    return total


def log_likelihoods(
    seen: Evidence, fraction: Array, ploidy: Array, *, max_copies: int, settings: FractionSettings
) -> Array:
    """Log likelihood of cells (fraction, ploidy), each (cells,), minus that of no tumor."""
    states = copy_states(n_windows=len(seen.ratio), max_copies=max_copies,
                         breakpoints=settings.breakpoints)  # fmt: skip
    level = ratio_of(states.copies[None, :], fraction[:, None], ploidy[:, None])
    prior = states.prior(ploidy, settings=settings)
    # Cells of one segment share their deviation from a whole state, so that the variance of a
    # window is that of the segment times its windows.
    step = fraction / (fraction * ploidy + 2 * (1 - fraction))
    extra = seen.block * (settings.heterogeneity * step) ** 2
    with_tumor = forward(seen.first, seen.ratio, seen.counting, seen.tau2, seen.inflation, level,
                         prior, extra, states.change, settings.tail_df)  # fmt: skip
    return np.asarray(with_tumor - log_likelihood_of_none(seen, tail_df=settings.tail_df))


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


def posterior_surface(seen: Evidence, *, settings: FractionSettings) -> Posterior:
    """The posterior over a grid that is refined to where the mass is."""
    fractions = np.geomspace(MIN_FRACTION, settings.max_fraction, COARSE_FRACTIONS)
    ploidies = np.arange(settings.min_ploidy, settings.max_ploidy + 1e-9, settings.ploidy_step)
    prior_mass = _total(fractions, ploidies, lambda t, p: np.exp(
        log_prior(t, p, settings=settings)))  # fmt: skip
    for _ in range(MAX_ROUNDS):
        t, p = (a.ravel() for a in np.meshgrid(fractions, ploidies, indexing="ij"))
        relative = log_likelihoods(seen, t, p, max_copies=settings.max_copies, settings=settings)
        logs = relative + log_prior(t, p, settings=settings) + np.log(_areas(fractions, ploidies))
        peak = float(logs.max())
        weight = np.exp(logs - peak)
        mass = weight.reshape(len(fractions), len(ploidies)) / weight.sum()
        log_bayes = peak + float(np.log(weight.sum())) - float(np.log(prior_mass))
        next_fractions = _refined(fractions, mass.sum(axis=1), FINE_FRACTIONS)
        next_ploidies = _refined(ploidies, mass.sum(axis=0), FINE_PLOIDIES)
        if _resolved(fractions, mass.sum(axis=1)):
            break
        fractions, ploidies = next_fractions, next_ploidies
    return Posterior(t, p, mass.ravel(), log_bayes)


def _areas(fractions: Array, ploidies: Array) -> Array:
    """Area of each cell of the grid, flattened."""
    return np.outer(np.gradient(fractions), np.gradient(ploidies)).ravel()


def _total(fractions: Array, ploidies: Array, density: Callable[[Array, Array], Array]) -> float:
    t, p = (a.ravel() for a in np.meshgrid(fractions, ploidies, indexing="ij"))
    return float(np.sum(density(t, p) * _areas(fractions, ploidies)))


def _refined(values: Array, mass: Array, n: int) -> Array:
    """n values over the range that holds all but ``LOST_MASS`` of the mass, one step wider."""
    cumulative = np.cumsum(mass)
    low = max(0, int(np.searchsorted(cumulative, LOST_MASS / 2)) - 1)
    high = min(len(values) - 1, int(np.searchsorted(cumulative, 1 - LOST_MASS / 2)) + 1)
    return np.linspace(values[low], values[high], n)


def _resolved(values: Array, mass: Array) -> bool:
    """Whether the posterior spreads over enough grid values to be read off."""
    mean = float(np.sum(values * mass))
    sd = float(np.sqrt(np.sum((values - mean) ** 2 * mass)))
    step = float(np.interp(mean, values, np.gradient(values)))
    return sd > 2 * step


def solutions(posterior: Posterior) -> pd.DataFrame:
    """The modes of the surface with the mass of their basins (each cell climbs to a mode).

    Modes with less than 1 % are left out; the rest is ranked by weight.
    """
    fractions, ploidies = np.unique(posterior.fraction), np.unique(posterior.ploidy)
    mass = posterior.probability.reshape(len(fractions), len(ploidies))
    density = mass / _areas(fractions, ploidies).reshape(mass.shape)
    top = _basins(density)
    found = []
    for peak in np.unique(top):
        i, j = np.unravel_index(peak, mass.shape)
        found.append((float(mass.ravel()[top.ravel() == peak].sum()), fractions[i], ploidies[j]))
    found.sort(key=lambda mode: -mode[0])
    kept = [mode for mode in found if mode[0] >= MIN_SOLUTION_WEIGHT]
    return pd.DataFrame(
        {
            "solution": np.arange(1, len(kept) + 1),
            "fraction": [mode[1] for mode in kept],
            "ploidy": [mode[2] for mode in kept],
            "weight": [mode[0] for mode in kept],
            "erbb2_copies": np.full(len(kept), np.nan),
        }
    )


MIN_SOLUTION_WEIGHT = 0.01


def _basins(density: Array) -> NDArray[np.int_]:
    """For each cell the flat index of the local maximum that steepest ascent leads to."""
    n_i, n_j = density.shape
    padded = np.pad(density, 1, constant_values=-np.inf)
    index = np.arange(n_i * n_j).reshape(n_i, n_j)
    best, to = density.copy(), index.copy()
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            other = padded[1 + di : 1 + di + n_i, 1 + dj : 1 + dj + n_j]
            better = other > best
            best = np.where(better, other, best)
            to = np.where(better, index + di * n_j + dj, to)
    flat = to.ravel()
    while True:
        further = flat[flat]
        if np.array_equal(further, flat):
            return flat.reshape(n_i, n_j)
        flat = further


# Null, limit of blank, limit of detection --------------------------------------------------------


@dataclass(frozen=True)
class Null:
    """Scores and fractions that simulated healthy genomes are given, each (draws,)."""

    scores: Array
    fractions: Array


def detection_score(seen: Evidence, *, settings: FractionSettings) -> tuple[float, float]:
    """Largest log likelihood ratio of tumor against none over small fractions of a near-diploid
    tumor, and the fraction where it is reached (0 when none is better than no tumor)."""
    relative = log_likelihoods(
        seen, SCORE_FRACTIONS, np.full(len(SCORE_FRACTIONS), 2.0), max_copies=4, settings=settings
    )
    best = int(np.argmax(relative))
    score = float(relative[best])
    return score, float(SCORE_FRACTIONS[best]) if score > 0 else 0.0


def null_scores(seen: Evidence, *, settings: FractionSettings) -> Null:
    """The same score for healthy genomes simulated with this sample's depth and noise."""
    rng = np.random.default_rng(settings.seed)
    pairs = [
        detection_score(_with_ratio(seen, 1 + noise(seen, rng, tail_df=settings.tail_df)),
                        settings=settings)
        for _ in range(settings.null_draws)
    ]  # fmt: skip
    scores, fractions = zip(*pairs, strict=True)
    return Null(np.array(scores), np.array(fractions))


def noise(seen: Evidence, rng: np.random.Generator, *, tail_df: int) -> Array:
    """One draw of the noise of all windows: waves shared by a block, and t noise of each window."""
    n = len(seen.ratio)
    starts = np.cumsum(seen.first)
    position = np.arange(n) - np.flatnonzero(seen.first)[starts - 1]
    _, block = np.unique(starts * n + position // seen.block, return_inverse=True)
    wave = rng.normal(0, seen.block_tau, size=int(block.max()) + 1)[block]
    own = np.sqrt(np.maximum(seen.tau2 - seen.block_tau**2, 0.0) + seen.counting)
    return np.asarray(wave + own * rng.standard_t(tail_df, size=n))


def _with_ratio(seen: Evidence, ratio: Array) -> Evidence:
    return Evidence(seen.first, ratio, seen.counting, seen.tau2, seen.inflation, seen.block,
                    seen.block_tau)  # fmt: skip


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
            drawn = _with_ratio(seen, level * (1 + noise(seen, rng, tail_df=settings.tail_df)))
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
