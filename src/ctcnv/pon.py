"""The panel of normals: what healthy plasma shows at each atom, and how much it varies.

Each normal is corrected for its own GC and mappability; the factor of an atom is then the ratio of
sums over the normals, shrunk towards 1 where few fragments stand behind it. Leaving one normal out
at a time tells how well the rest predicts it: that gives the over-dispersion by region size, the
normals that do not fit, and the rate of false positives of the very tests that samples undergo.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv import detection, evidence, genetest
from ctcnv import normals as normals_step
from ctcnv.dispersion import Dispersion
from ctcnv.healthy import healthy_noise
from ctcnv.model import FractionSettings, GenesSettings, NormalizeSettings, PonSettings
from ctcnv.normalize import (
    Normalized,
    Panel,
    Windows,
    noise_over_counting,
    normalize,
    own_dispersion,
    sample_dispersion,
    windows,
)
from ctcnv.normals import Grid, Summed
from ctcnv.robust import MAD_TO_SD, mad_sd
from ctcnv.schema import WAVES
from ctcnv.waves import MIN_NORMALS, Waves, waves_of, without_waves

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)

#: Windows per genome of the size at which normals are compared with each other, 9 Mb in a human.
NOISE_WINDOWS = 300
#: Fewest normals for leave-one-out statements; below, a sample's noise is read off itself.
MIN_FOR_LEAVE_ONE_OUT = 3
#: Fewest windows of a normal from which a robust spread is read off.
MIN_WINDOWS = 40
#: Fewest regions whose spread is read off at all.
MIN_CHROMOSOMES = 15
#: Fewest expected fragments of a window for its ratio to be near normal.
MIN_FRAGMENTS = 20
#: Share of normals up to which a deviation is taken for a variant of theirs.
RARE = 1 / 3
#: Least typical spread of atoms: a shallow panel shows none in most of them.
LEAST_SPREAD = 0.005
#: A spread is believed when it stands out of its own counting error by this many deviations.
SPREAD_SIGNIFICANCE = 3.0


@dataclass(frozen=True)
class PonResult:
    """The tables of the step and the number of normals used."""

    pon: pd.DataFrame
    dispersion: pd.DataFrame
    donors: pd.DataFrame
    genes: pd.DataFrame
    normals: pd.DataFrame
    waves: pd.DataFrame
    n_normals: int


@dataclass(frozen=True)
class _Donors:
    """Observed and expected fragments of all normals, each (normals, atoms); expected NaN = not
    used (autosomes and, by sex, X and Y)."""

    names: list[str]
    observed: Array
    expected: Array
    normalized: list[Normalized]


def build(
    counts: Sequence[pd.DataFrame],
    names: Sequence[str],
    bins: pd.DataFrame,
    gene_table: pd.DataFrame,
    *,
    normalize_settings: NormalizeSettings,
    settings: PonSettings,
    fraction_settings: FractionSettings,
    genes_settings: GenesSettings,
) -> PonResult:
    """Build the panel from the count tables of the normals, all on the same bins.

    Normals with too few fragments, far more noise than the rest, or the look of a tumor are left
    out and named. Raises ValueError when none is left.
    """
    alone = [normalize(c, bins, panel=None, settings=normalize_settings) for c in counts]
    reason = {
        name: "too few fragments" for name, n in zip(names, alone, strict=True) if not n.sufficient
    }
    checks: dict[str, _Check] = {}
    remarks: dict[str, str] = {}
    while True:
        used = [i for i, name in enumerate(names) if name not in reason]
        if not used:
            raise ValueError(f"no normal can be used for the panel: {_first_reason(reason)}")
        donors = _stack([names[i] for i in used], [counts[i] for i in used],
                        [alone[i] for i in used])  # fmt: skip
        factor = Factors(donors.observed, donors.expected, settings=settings)
        if len(used) < MIN_FOR_LEAVE_ONE_OUT:
            log.warning(
                "%d normals: too few to leave one out; the noise of each sample will be read off "
                "itself and false-positive rates are not known", len(used),
            )  # fmt: skip
            table, left = factor.table(bins), Left({}, WAVES.empty())
            dispersion = _largest([own_dispersion(n.profile) for n in donors.normalized])
            break
        table = factor.table(bins)
        left = leave_one_out(
            {names[i]: counts[i] for i in used}, bins, factor, table,
            normalize_settings=normalize_settings, most=settings.waves,
        )  # fmt: skip
        dispersion = measured_dispersion([n.profile for n in left.normalized.values()])
        checks |= {
            name: _check(n, dispersion, fraction_settings, normals=others)
            for (name, n), others in zip(left.normalized.items(), left.others(table), strict=True)
        }  # fmt: skip
        outliers = _outliers({name: checks[name] for name in donors.names}, settings)
        # One bad normal makes the others look bad: the worst go first, then all is judged again.
        allowed = min(max(1, len(used) // 8), len(used) - MIN_FOR_LEAVE_ONE_OUT)
        worst = sorted(outliers, key=lambda name: checks[name].p_value)[: max(0, allowed)]
        if not worst:
            for name, why in outliers.items():
                log.warning("normal %s does not fit (%s) but stays: too few others", name, why)
                remarks[name] = f"kept although it does not fit: {why}"
            break
        for name in worst:
            reason[name] = outliers[name]
            log.warning("normal %s is left out: %s", name, outliers[name])
    log_cost(donors, n_normals=len(used))
    return PonResult(
        table,
        dispersion.frame(),
        _donor_table(names, alone, reason, remarks, checks),
        _gene_checks(left.normalized, gene_table, dispersion, genes_settings),
        normals_step.table({name: n.profile for name, n in left.normalized.items()}, table),
        left.waves,
        len(used),
    )


def _first_reason(reason: dict[str, str]) -> str:
    name, why = next(iter(reason.items()))
    return f"{name} has {why}, and so on" if len(reason) > 1 else f"{name}: {why}"


def _stack(names: list[str], counts: list[pd.DataFrame], normalized: list[Normalized]) -> _Donors:
    observed = np.vstack([c["fragments"].to_numpy(dtype=float) for c in counts])
    expected = np.vstack([n.profile["expected"].to_numpy(dtype=float) for n in normalized])
    return _Donors(names, observed, expected, normalized)


def log_cost(donors: _Donors, *, n_normals: int) -> None:
    """Say what the size of the panel costs.

    The factor of a region carries the counting noise of the panel's own fragments: with n normals
    as deep as the sample the variance of counting grows by the factor 1 + 1/n.
    """
    log.info(
        "panel of %d normals, %d fragments in all; for a sample as deep as they are on average, "
        "the panel adds %.0f %% to the counting noise of every ratio",
        n_normals, int(np.nansum(donors.observed)), 100 * (np.sqrt(1 + 1 / n_normals) - 1),
    )  # fmt: skip
    if n_normals < RECOMMENDED_NORMALS:
        log.warning("a panel of at least %d normals is recommended: the 95th centile of healthy "
                    "plasma cannot be seen in fewer", RECOMMENDED_NORMALS)  # fmt: skip


#: 1 / (1 - 0.95): with fewer, no normal lies beyond the 95th centile.
RECOMMENDED_NORMALS = 20


# Factors ---------------------------------------------------------------------------------------


class Factors:
    """The pooled sums behind the factors, from which one normal can be taken away again.

    factor_i = (sum of observed + s) / (sum of expected + s), the posterior mean under a gamma prior
    of mean 1 whose variance 1/s is that of the factors between atoms.
    """

    def __init__(self, observed: Array, expected: Array, *, settings: PonSettings) -> None:
        """observed, expected : (normals, atoms); expected NaN = the normal says nothing here."""
        self.settings = settings
        self.n_normals = len(observed)
        keep = np.isfinite(expected) & (expected > 0)
        # A germline copy-number variant of one normal must not become everybody's factor.
        if self.n_normals >= MIN_FOR_LEAVE_ONE_OUT:
            deviates = np.abs(_residuals(observed, expected, keep)) > settings.max_residual
            # Where many deviate it is the atom that is not reproducible, and its spread says so.
            keep &= ~(deviates & (deviates.sum(0) <= self.n_normals * RARE))
        self.observed = np.where(keep, observed, 0.0)
        self.expected = np.where(keep, expected, 0.0)
        self.keep = keep
        self.sum_observed = self.observed.sum(0)
        self.sum_expected = self.expected.sum(0)
        self.shrinkage = self._shrinkage()

    @staticmethod
    def _ratio(observed: Array, expected: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(expected > 0, observed / expected, np.nan)

    def _shrinkage(self) -> float:
        ratio = self._ratio(self.sum_observed, self.sum_expected)
        known = np.isfinite(ratio)
        between = mad_sd(ratio[known]) ** 2 - float(np.median(1 / self.sum_expected[known]))
        return 1 / max(between, 1e-6)

    def _factor(self, observed: Array, expected: Array) -> Array:
        s = self.shrinkage
        return np.asarray(np.where(expected > 0, (observed + s) / (expected + s), np.nan))

    def table(self, bins: pd.DataFrame) -> pd.DataFrame:
        """The PON table."""
        factor = self._factor(self.sum_observed, self.sum_expected)
        wanted = self.expected * np.where(np.isfinite(factor), factor, 0.0)
        spread = np.sqrt(_spread2(self.observed, wanted, self.keep))
        reason = self._reasons(factor, spread, bins)
        usable = reason == None  # noqa: E711  (element-wise)
        return pd.DataFrame(
            {
                "chrom": bins["chrom"],
                "start": bins["start"],
                "end": bins["end"],
                "factor": np.where(usable, factor, np.nan),
                "spread": np.where(np.isfinite(factor), spread, np.nan),
                "n_normals": self.keep.sum(0),
                "reason": reason,
            }
        )

    def _reasons(self, factor: Array, spread: Array, bins: pd.DataFrame) -> NDArray[np.object_]:
        reason = np.full(len(factor), None, dtype=object)
        # The counting error of a spread: a shallow panel shows large ones by chance.
        with np.errstate(invalid="ignore", divide="ignore"):
            chance = np.sqrt(np.sqrt(2 / np.maximum(self.keep.sum(0), 1)) * self.n_normals
                             / np.maximum(self.sum_expected, 1e-9))  # fmt: skip
        clear = spread > SPREAD_SIGNIFICANCE * chance
        usual = np.isfinite(factor) & bins["usable"].to_numpy(dtype=bool)
        typical = max(float(np.median(spread[usual])) if usual.any() else 0.0, LEAST_SPREAD)
        # Where common germline variants lie (17q12, beside ERBB2) healthy people differ.
        varied = clear & (spread > self.settings.max_relative_spread * typical)
        reason[varied] = "differs between normals far more than other atoms"
        noisy = clear & (spread > self.settings.max_spread)
        reason[noisy] = "not reproducible between normals"
        high, low = factor > self.settings.max_factor, factor < self.settings.min_factor
        reason[high] = "far more fragments than expected in normals"
        reason[low] = "far fewer fragments than expected in normals"
        reason[~np.isfinite(factor)] = "no normal covers it"
        given = bins["reason"].to_numpy(dtype=object)
        unusable = ~bins["usable"].to_numpy(dtype=bool)
        reason[unusable] = given[unusable]
        return reason

    def without(self, k: int, bins: pd.DataFrame) -> Panel:
        """The panel as it would be without normal ``k``."""
        factor = self._factor(self.sum_observed - self.observed[k],
                              self.sum_expected - self.expected[k])  # fmt: skip
        reason = self._reasons(factor, np.zeros(len(factor)), bins)
        usable = reason == None  # noqa: E711
        return Panel(np.where(usable, factor, np.nan), reason, self.n_normals - 1)


def _residuals(observed: Array, expected: Array, keep: Mask) -> Array:
    """Deviation of each normal from the ratio of the others at an atom, in standard deviations.

    z = (O - E*f) / sqrt(E*f + (E*f)^2 * (s^2 + 1/sum of the others' fragments)),  f the ratio of
    sums of the others, s^2 the median spread of the atoms: neither is moved by the normal itself,
    which in a small panel would hide behind its own deviation.
    """
    o, e = np.where(keep, observed, 0.0), np.where(keep, expected, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        others = (o.sum(0) - o) / (e.sum(0) - e)
        wanted = e * others
        spread2 = _spread2(o, e * (o.sum(0) / e.sum(0)), keep)
        positive = spread2[np.isfinite(spread2) & (spread2 > 0)]
        typical = float(np.median(positive)) if len(positive) else 0.0
        variance = wanted + wanted**2 * (typical + 1 / (o.sum(0) - o))
        return np.where(keep & (wanted > 0), (o - wanted) / np.sqrt(variance), 0.0)


def _spread2(observed: Array, wanted: Array, keep: Mask) -> Array:
    """Variance of the ratio between normals beyond counting:  (sum (O-E)^2 - E) / sum E^2."""
    excess = np.where(keep, (observed - wanted) ** 2 - wanted, 0.0).sum(0)
    square = np.where(keep, wanted**2, 0.0).sum(0)
    return np.asarray(np.maximum(excess / np.maximum(square, 1e-300), 0.0))


def panel_of(pon: pd.DataFrame, waves: pd.DataFrame) -> Panel:
    """What normalize needs of the tables PON and WAVES.

    Raises ValueError when the waves are not on the same windows.
    """
    return Panel(
        pon["factor"].to_numpy(dtype=float),
        pon["reason"].to_numpy(dtype=object),
        int(pon["n_normals"].max()) if len(pon) else 0,
        Waves.from_frame(waves),
    )


# Waves -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """Normals corrected by panels without them, by name, and the waves of them all (WAVES)."""

    normalized: dict[str, Normalized]
    waves: pd.DataFrame

    def others(self, table: pd.DataFrame) -> Iterator[tuple[Grid, Summed]]:
        """For each normal, all but that one on common windows; table : the PON table."""
        profiles = [found.profile for found in self.normalized.values()]
        grid, summed = normals_step.together(profiles, table)
        each = np.arange(len(profiles))
        for i in each:
            yield grid, summed.subset_of(each != i)


def leave_one_out(
    counts: dict[str, pd.DataFrame], bins: pd.DataFrame, factors: Factors, table: pd.DataFrame, *,
    normalize_settings: NormalizeSettings, most: int,
) -> Left:  # fmt: skip
    """Each normal as corrected by the factors and the waves of the others.

    counts : by name, in the order of ``factors``; table : the PON table, which says the atoms that
    are used; most : waves at most. Where the others are too few to show waves, none are taken out.
    """
    most = most if len(counts) > MIN_NORMALS else 0
    plain = {
        name: normalize(one, bins, settings=normalize_settings, panel=factors.without(k, bins))
        for k, (name, one) in enumerate(counts.items())
    }
    # what no sample is judged by must not tell how samples vary
    unused = table["factor"].isna().to_numpy(dtype=bool)
    plain = {
        name: replace(n, profile=n.profile.assign(expected=n.profile["expected"].mask(unused)))
        for name, n in plain.items()
    }
    grid, summed = normals_step.together([n.profile for n in plain.values()], table)
    each = np.arange(len(plain))
    corrected = {}
    for i, (name, found) in enumerate(plain.items()):
        waves = waves_of(summed.subset_of(each != i), grid, most=most)
        profile, sd = without_waves(found.profile, waves)
        corrected[name] = replace(found, profile=profile, noise=noise_over_counting(profile),
                                  waves=sd)  # fmt: skip
    return Left(corrected, waves_of(summed, grid, most=most).frame())


# Dispersion ------------------------------------------------------------------------------------


def measured_dispersion(profiles: Sequence[pd.DataFrame]) -> Dispersion:
    """Over-dispersion by region size from profiles that were corrected by a panel without them.

    At 1, 2, 4, ... atoms, up to the size of chromosomes: mean over the normals of
    sd(ratio)^2 - median(1/expected), floored at zero. The mean, not the median: a new sample may be
    like the noisier normals. sd is the robust one of ``mad_sd`` where there are ``MIN_WINDOWS``,
    and the root mean square about 1 where there are fewer: what sets single chromosomes apart.
    """
    sizes: list[float] = []
    taus: list[float] = []
    size = 1
    before = -1
    while True:
        each = [windows(profile, atoms=size) for profile in profiles]
        longest = max(len(summed.ratio) for summed in each)
        if longest == before or longest < MIN_CHROMOSOMES:
            break
        excess = [
            _excess(summed)
            for summed in each
            if len(summed.ratio) >= MIN_CHROMOSOMES and np.median(summed.expected) >= MIN_FRAGMENTS
        ]
        if excess:
            sizes.append(float(size))
            taus.append(float(np.sqrt(max(0.0, float(np.mean(excess))))))
        before = longest
        size *= 2
    if not sizes:
        return _largest([own_dispersion(profile) for profile in profiles])
    return Dispersion(np.array(sizes), np.array(taus))


def _excess(summed: Windows) -> float:
    """Variance of the ratios of windows beyond counting."""
    if len(summed.ratio) < MIN_WINDOWS:
        return float(np.mean((summed.ratio - 1) ** 2 - 1 / summed.expected))
    return mad_sd(summed.ratio) ** 2 - float(np.median(1 / summed.expected))


def _largest(found: Sequence[Dispersion]) -> Dispersion:
    largest = found[0]
    for other in found[1:]:
        largest = largest.at_least(other)
    return largest


# Checks ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Check:
    noise: float
    fraction: float
    p_value: float


def _check(
    left: Normalized, dispersion: Dispersion, settings: FractionSettings, *,
    normals: tuple[Grid, Summed],
) -> _Check:  # fmt: skip
    """Regional noise of a normal and the tumor fraction it is given, panel without it."""
    noisier = sample_dispersion(left.profile, dispersion)
    return _Check(
        regional_noise(left.profile),
        *_fraction_of(left.profile, dispersion=noisier, settings=settings, normals=normals),
    )


def _fraction_of(
    profile: pd.DataFrame, *, dispersion: Dispersion, settings: FractionSettings,
    normals: tuple[Grid, Summed],
) -> tuple[float, float]:  # fmt: skip
    profile = evidence.without_isolated(profile, dispersion=dispersion, settings=settings)
    large = evidence.evidence_windows(profile, settings=settings,
                                      max_windows=detection.SCORE_WINDOWS)  # fmt: skip
    if large is None:
        return float("nan"), float("nan")
    seen = evidence.evidence_of(large, dispersion=dispersion, breakpoints=settings.breakpoints)
    noise = healthy_noise(profile, large, dispersion=dispersion, normals=normals)
    arms = detection.arms_of(seen, noise)
    score, found = detection.detection_score(seen, arms, settings=settings)
    null = detection.null_scores(seen, noise, arms, settings=settings)
    return found, detection.tail_probability(score, null.scores)


def regional_noise(profile: pd.DataFrame) -> float:
    """Standard deviation of the ratios of large regions beyond counting noise."""
    n_atoms = len(windows(profile, atoms=1).ratio)
    if n_atoms == 0:
        return float("nan")
    summed = windows(profile, atoms=max(1, n_atoms // NOISE_WINDOWS))
    excess = mad_sd(summed.ratio) ** 2 - float(np.median(1 / summed.expected))
    return float(np.sqrt(max(0.0, excess)))


#: Regional noise that is never a reason to leave a normal out: good panels have as much.
NOISE_FLOOR = 0.01


def _outliers(checks: dict[str, _Check], settings: PonSettings) -> dict[str, str]:
    noises = np.array([check.noise for check in checks.values()])
    middle = float(np.median(noises))
    # With few normals the spread between them is not known well; allow at least one MAD.
    limit = max(NOISE_FLOOR, settings.outlier_noise * middle, middle + MAD_TO_SD * float(
        np.median(np.abs(noises - middle))))  # fmt: skip
    found = {}
    for name, check in checks.items():
        if check.noise > limit:
            found[name] = f"regional noise {check.noise:.3f}, panel's median {middle:.3f}"
        elif check.p_value < settings.outlier_p:
            found[name] = f"looks like tumor (fraction {check.fraction:.3f}, p {check.p_value:.2g})"
    return found


def _donor_table(
    names: Sequence[str],
    alone: Sequence[Normalized],
    reason: dict[str, str],
    remarks: dict[str, str],
    checks: dict[str, _Check],
) -> pd.DataFrame:
    unknown = _Check(float("nan"), float("nan"), float("nan"))
    found = [checks.get(name, unknown) for name in names]
    return pd.DataFrame(
        {
            "sample": list(names),
            "used": [name not in reason for name in names],
            "reason": [reason.get(name, remarks.get(name)) for name in names],
            "fragments": [n.fragments for n in alone],
            "sex": [n.sex for n in alone],
            "noise": [check.noise for check in found],
            "fraction": [check.fraction for check in found],
            "p_value": [check.p_value for check in found],
        }
    )


def _gene_checks(
    left: dict[str, Normalized],
    gene_table: pd.DataFrame,
    dispersion: Dispersion,
    settings: GenesSettings,
) -> pd.DataFrame:
    """Leave-one-out noise and false positives of the gene test (PON_GENES).

    Each normal is tested with the noise that the others show at the gene.
    """
    use = [sample_dispersion(n.profile, dispersion) for n in left.values()]
    profiles = [n.profile for n in left.values()]
    sums = np.array([
        genetest.squared_excess(profile, gene_table, dispersion=own, settings=settings)
        for profile, own in zip(profiles, use, strict=True)
    ]).reshape(len(profiles), len(gene_table), 2)  # fmt: skip
    names = gene_table["gene"].tolist()
    others = [dict(zip(names, excess_of_sums(sums.sum(0) - one), strict=True)) for one in sums]
    tested = [
        genetest.measure(profile, gene_table, dispersion=own, settings=settings, excess=of_others)
        for profile, own, of_others in zip(profiles, use, others, strict=True)
    ]
    excess = excess_of_sums(sums.sum(0))
    rows = []
    for position, gene in enumerate(names):
        found = [table[position] for table in tested]
        known = [m for m in found if m.n_bins > 0]
        core = np.array([m.core_ratio for m in known])
        rows.append(
            {
                "gene": gene,
                "n_bins": max((m.core_bins for m in found), default=0),
                "sd": float(np.std(core, ddof=1)) if len(core) > 1 else float("nan"),
                "excess": excess[position] if known else float("nan"),
                "max_z": max((m.z for m in known), default=float("nan")),
                "false_gains": sum(m.z > 0 and m.p_value <= settings.false_positive for m in known),
                "n_normals": len(known),
            }
        )
    return pd.DataFrame(rows)


def excess_of_sums(sums: Array) -> Array:
    """Standard deviations from the sums of ``genetest.squared_excess``, (genes,); 0 where the gene
    varies no more than other regions, or nothing is known."""
    weight = np.where(sums[:, 1] > 0, sums[:, 1], 1.0)
    return np.asarray(np.sqrt(np.maximum(sums[:, 0] / weight, 0.0)))


def excess_of(genes: pd.DataFrame) -> dict[str, float]:
    """The excess of each gene from the table PON_GENES."""
    return {str(g): float(e) for g, e in zip(genes["gene"], genes["excess"], strict=True)
            if np.isfinite(e)}  # fmt: skip
