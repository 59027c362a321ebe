"""The panel of normals: what healthy plasma shows at each atom, and how much it varies.

Each normal is corrected for its own GC and mappability; the factor of an atom is then the ratio of
sums over the normals, shrunk towards 1 where few fragments stand behind it. Leaving one normal out
at a time tells how well the rest predicts it: that gives the over-dispersion by region size, the
normals that do not fit, and the rate of false positives of the very tests that samples undergo.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv import detection, evidence, genetest, threads
from ctcnv import normals as normals_step
from ctcnv.bias import Reference
from ctcnv.dispersion import Dispersion
from ctcnv.healthy import Known, noise_by
from ctcnv.model import FractionSettings, GenesSettings, NormalizeSettings, PonSettings
from ctcnv.normalize import (
    OwnExcess,
    Panel,
    Used,
    expectation,
    normal_copies,
    own_dispersion,
    own_excess,
    profile_of,
)
from ctcnv.normals import Grid, Summed
from ctcnv.robust import MAD_TO_SD, mad_sd, median
from ctcnv.schema import NORMALS, WAVES
from ctcnv.waves import MIN_NORMALS, Others, Waves, waves_of, waves_of_others, with_waves

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
Counted = NDArray[np.integer | np.floating]
Mask = NDArray[np.bool_]
T = TypeVar("T")

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
#: Simulated genomes behind the first look at a p-value, and the p-value above which that is
#: enough: ten of a hundred reached its score.
FEW_DRAWS, CLEAR_P = 100, 0.1
#: Atoms of all normals that are looked at together: a hundred normals take 1.6 MB.
PART = 1 << 11
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


def build(
    observed: Counted,
    names: Sequence[str],
    bins: pd.DataFrame,
    gene_table: pd.DataFrame,
    *,
    normalize_settings: NormalizeSettings,
    settings: PonSettings,
    fraction_settings: FractionSettings,
    genes_settings: GenesSettings,
    workers: int = 1,
) -> PonResult:
    """Build the panel from the fragments of the normals, (normals, atoms) in the order of ``bins``.

    Normals with too few fragments, far more noise than the rest, or the look of a tumor are left
    out and named. workers : threads, each of which looks at one normal at a time; their number
    changes no result. Raises ValueError when none is left.
    """
    reference = Reference.of(bins)
    # Observed, expected, and expected by the others (leave_one_out) are all that is kept of the
    # normals; expectations with seven digits.
    expected = np.empty(observed.shape, dtype=np.float32)

    def by_itself(i: int) -> _Donor:
        found = expectation(observed[i], reference, factor=None, settings=normalize_settings)
        expected[i] = found.expected
        return _Donor(names[i], found.fragments, found.sex, found.sufficient)

    alone = threads.each(by_itself, range(len(observed)), threads=workers)
    reason = {donor.name: "too few fragments" for donor in alone if not donor.sufficient}
    for name, why in reason.items():
        log.warning("normal %s is left out: %s", name, why)
    checks: dict[str, _Check] = {}
    remarks: dict[str, str] = {}
    while True:
        used = [i for i, name in enumerate(names) if name not in reason]
        if not used:
            raise ValueError(f"no normal can be used for the panel: {_first_reason(reason)}")
        factor = Factors(observed, expected, settings=settings, workers=workers)
        table = factor.table(bins)
        if len(used) < MIN_FOR_LEAVE_ONE_OUT:
            log.warning(
                "%d normals: too few to leave one out; the noise of each sample will be read off "
                "itself and false-positive rates are not known", len(used),
            )  # fmt: skip
            itself = Left(
                bins, reference, [names[i] for i in used], observed[used], expected[used],
                [alone[i].sex for i in used], WAVES.empty(), workers,
            )  # fmt: skip
            dispersion = _largest([own_dispersion(profile) for profile in itself.profiles()])
            left = replace(itself, names=[])
            break
        left = leave_one_out(
            names, bins, reference, factor, table, normalize_settings=normalize_settings,
            most=settings.waves, workers=workers,
        )  # fmt: skip
        noise = left.each(noise_of)
        dispersion = common_dispersion([one.by_size for one in noise])
        common = left.together(table)
        checks |= _checks(left, noise, common, dispersion, fraction_settings)
        outliers = _outliers({name: checks[name] for name in left.names}, settings)
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
            expected[names.index(name)] = np.nan
            log.warning("normal %s is left out: %s", name, outliers[name])
    log_cost(int(observed[used].sum()), n_normals=len(used))
    return PonResult(
        table,
        dispersion.frame(),
        _donor_table(alone, reason, remarks, checks),
        _gene_checks(left, gene_table, checks, genes_settings),
        (
            normals_step.frame(left.names, *normals_step.covered(common.grid, common.summed))
            if left.names
            else NORMALS.empty()
        ),
        left.waves,
        len(used),
    )


def _first_reason(reason: dict[str, str]) -> str:
    name, why = next(iter(reason.items()))
    return f"{name} has {why}, and so on" if len(reason) > 1 else f"{name}: {why}"


@dataclass(frozen=True)
class _Donor:
    """A normal by itself; ``sufficient`` says whether anything can be expected of it."""

    name: str
    fragments: int
    sex: str | None
    sufficient: bool


def log_cost(fragments: int, *, n_normals: int) -> None:
    """Say what the size of the panel costs.

    The factor of a region carries the counting noise of the panel's own fragments: with n normals
    as deep as the sample the variance of counting grows by the factor 1 + 1/n.
    """
    log.info(
        "panel of %d normals, %d fragments in all; for a sample as deep as they are on average, "
        "the panel adds %.0f %% to the counting noise of every ratio",
        n_normals, fragments, 100 * (np.sqrt(1 + 1 / n_normals) - 1),
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

    def __init__(
        self, observed: Counted, expected: Floats, *, settings: PonSettings, workers: int = 1
    ) -> None:
        """observed, expected : (normals, atoms), kept as they are given; expected NaN = the normal
        says nothing here, and one that says nothing anywhere is none of the panel. workers :
        threads."""
        self.settings, self.workers = settings, workers
        self.observed, self.expected = observed, expected
        keep = np.isfinite(expected) & (expected > 0)
        self.used = np.flatnonzero(keep.any(axis=1)).tolist()
        self.n_normals = len(self.used)
        self.keep = keep
        # A germline copy-number variant of one normal must not become everybody's factor.
        if self.n_normals >= MIN_FOR_LEAVE_ONE_OUT:
            self._leave_out_variants()
        sums = self._each_part(lambda _, o, e: (o.sum(0), e.sum(0)))
        self.sum_observed, self.sum_expected = (
            np.concatenate(side) for side in zip(*sums, strict=True)
        )
        self.shrinkage = self._shrinkage()

    def _each_part(self, look: Callable[[slice, Array, Array], T]) -> list[T]:
        """Look at some atoms at a time: which ones, and what normals observed and expected there,
        (normals, some); 0 where a normal is left out. The whole as floats would be several times
        the panel's size."""

        def part_at(begin: int) -> T:
            part = slice(begin, begin + PART)
            keep = self.keep[:, part]
            o, e = (np.where(keep, values[:, part], 0.0).astype(float)
                    for values in (self.observed, self.expected))  # fmt: skip
            with np.errstate(invalid="ignore", divide="ignore"):
                return look(part, o, e)

        begins = range(0, max(self.keep.shape[1], 1), PART)
        return threads.each(part_at, begins, threads=self.workers)

    def _leave_out_variants(self) -> None:
        """Put out single normals that deviate from the others at an atom."""

        def around_mean(part: slice, o: Array, e: Array) -> Array:
            return _spread2(o, e * (o.sum(0) / e.sum(0)), self.keep[:, part])

        spread2 = np.concatenate(self._each_part(around_mean))
        positive = spread2[np.isfinite(spread2) & (spread2 > 0)]
        typical = median(positive) if len(positive) else 0.0

        def leave_out(part: slice, o: Array, e: Array) -> None:
            deviates = np.abs(_residuals(o, e, typical=typical)) > self.settings.max_residual
            # Where many deviate it is the atom that is not reproducible, and its spread says so.
            self.keep[:, part] &= ~(deviates & (deviates.sum(0) <= self.n_normals * RARE))

        self._each_part(leave_out)

    @staticmethod
    def _ratio(observed: Array, expected: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(expected > 0, observed / expected, np.nan)

    def _shrinkage(self) -> float:
        ratio = self._ratio(self.sum_observed, self.sum_expected)
        known = np.isfinite(ratio)
        between = mad_sd(ratio[known]) ** 2 - median(1 / self.sum_expected[known])
        return 1 / max(between, 1e-6)

    def _factor(self, observed: Array, expected: Array) -> Array:
        s = self.shrinkage
        return np.asarray(np.where(expected > 0, (observed + s) / (expected + s), np.nan))

    def table(self, bins: pd.DataFrame) -> pd.DataFrame:
        """The PON table."""
        factor = self._factor(self.sum_observed, self.sum_expected)
        known = np.where(np.isfinite(factor), factor, 0.0)
        spread2 = self._each_part(
            lambda part, o, e: _spread2(o, e * known[part], self.keep[:, part])
        )
        spread = np.sqrt(np.concatenate(spread2))
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
        typical = max(median(spread[usual]) if usual.any() else 0.0, LEAST_SPREAD)
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

    def without(self, k: int, bins: pd.DataFrame) -> Array:
        """The factors as they would be without normal ``k``, (atoms,); NaN = left out."""
        keep = self.keep[k]
        factor = self._factor(
            self.sum_observed - np.where(keep, self.observed[k], 0.0),
            self.sum_expected - np.where(keep, self.expected[k], 0.0),
        )
        usable = bins["usable"].to_numpy(dtype=bool)
        within = (factor >= self.settings.min_factor) & (factor <= self.settings.max_factor)
        return np.where(usable & within, factor, np.nan)


def _residuals(observed: Array, expected: Array, *, typical: float) -> Array:
    """Deviation of each normal from the ratio of the others at an atom, in standard deviations.

    z = (O - E*f) / sqrt(E*f + (E*f)^2 * (s^2 + 1/sum of the others' fragments)),  f the ratio of
    sums of the others, s^2 the typical (median) spread of the atoms: neither is moved by the normal
    itself, which in a small panel would hide behind its own deviation.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        others = observed.sum(0) - observed
        wanted = expected * (others / (expected.sum(0) - expected))
        variance = wanted + wanted**2 * (typical + 1 / others)
        return np.where(wanted > 0, (observed - wanted) / np.sqrt(variance), 0.0)


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
    """Normals corrected by panels without them, and the waves of them all (WAVES).

    observed, expected : (normals, atoms), waves in the expectation; sexes : of each normal. Their
    profiles are made when they are asked for: tables of all at once would fill the memory.
    """

    bins: pd.DataFrame
    reference: Reference
    names: list[str]
    observed: Counted
    expected: Floats
    sexes: list[str | None]
    waves: pd.DataFrame
    workers: int = 1

    def profile(self, i: int) -> pd.DataFrame:
        """The PROFILE table of normal ``i``, without reasons."""
        copies = normal_copies(self.reference.on_x, self.reference.on_y, self.sexes[i])
        return profile_of(self.bins, self.observed[i], self.expected[i].astype(float), copies)

    def profiles(self) -> Iterator[pd.DataFrame]:
        """The profile of each normal, one at a time."""
        return (self.profile(i) for i in range(len(self.names)))

    def each(self, look: Callable[[pd.DataFrame], T]) -> list[T]:
        """What is found in the profile of each normal."""
        return threads.each(lambda i: look(self.profile(i)), range(len(self.names)),
                            threads=self.workers)  # fmt: skip

    def together(self, table: pd.DataFrame) -> Together:
        """All normals on common windows; table : the PON table."""
        grid, window = normals_step.common(table)

        def sums(i: int) -> tuple[Ints, Array, Array]:
            return normals_step.sums_of(window, len(grid), self.observed[i], self.expected[i])

        each = threads.each(sums, range(len(self.names)), threads=self.workers)
        summed = normals_step.stacked(each)
        return Together(grid, summed, window, Others(summed))


@dataclass(frozen=True)
class Together:
    """Normals on common windows, and all but one of them; window : in which each used atom lies,
    (atoms,), -1 outside."""

    grid: Grid
    summed: Summed
    window: Ints
    others: Others

    def among_usable(self, i: int) -> Ints:
        """The window of each atom among those that are usable for all normals but ``i``."""
        return normals_step.among(self.window, self.others.usable(i))

    def known(self, i: int) -> Known | None:
        """What all normals but ``i`` vary by; None when they are too few or share no window."""
        if len(self.others) < MIN_NORMALS or not self.others.usable(i).any():
            return None
        return Known(self.others.learned(i), self.among_usable(i), len(self.others))


def leave_one_out(
    names: Sequence[str], bins: pd.DataFrame, reference: Reference, factors: Factors,
    table: pd.DataFrame, *, normalize_settings: NormalizeSettings, most: int, workers: int = 1,
) -> Left:  # fmt: skip
    """Each normal of the panel as corrected by the factors and the waves of the others.

    names : of the rows of ``factors``; table : the PON table, which says the atoms that are used;
    most : waves at most. Where the others are too few to show waves, none are taken out.
    """
    most = most if factors.n_normals > MIN_NORMALS else 0
    # what no sample is judged by must not tell how samples vary
    unused = table["factor"].isna().to_numpy(dtype=bool)
    whole = factors.n_normals == len(names)
    observed = factors.observed if whole else factors.observed[factors.used]
    expected = np.empty(observed.shape, dtype=factors.expected.dtype)
    each = range(factors.n_normals)

    def by_others(i: int) -> str | None:
        factor = factors.without(factors.used[i], bins)
        found = expectation(observed[i], reference, factor=factor, settings=normalize_settings)
        expected[i] = np.where(unused, np.nan, found.expected)
        return found.sex

    sexes = threads.each(by_others, each, threads=workers)
    plain = Left(bins, reference, [names[k] for k in factors.used], observed, expected, sexes,
                 WAVES.empty(), workers)  # fmt: skip
    together = plain.together(table)

    def take_out(i: int) -> None:
        expected[i], _ = with_waves(
            observed[i].astype(float), expected[i].astype(float),
            waves_of_others(together.others, i, together.grid, most=most),
            autosomal=reference.autosomal, window=together.among_usable(i),
        )  # fmt: skip

    threads.each(take_out, each, threads=workers)
    return replace(plain, waves=waves_of(together.summed, together.grid, most=most).frame())


# Dispersion ------------------------------------------------------------------------------------


def measured_dispersion(profiles: Iterable[pd.DataFrame]) -> Dispersion:
    """Over-dispersion by region size from profiles that were corrected by a panel without them.

    At 1, 2, 4, ... atoms, up to the size of chromosomes: mean over the normals of
    sd(ratio)^2 - median(1/expected), floored at zero. The mean, not the median: a new sample may be
    like the noisier normals. sd is the robust one of ``mad_sd`` where there are ``MIN_WINDOWS``,
    and the root mean square about 1 where there are fewer: what sets single chromosomes apart.
    """
    return common_dispersion([noise_of(profile).by_size for profile in profiles])


def common_dispersion(found: Sequence[BySize]) -> Dispersion:
    """The over-dispersion of libraries, see ``measured_dispersion``."""
    sizes: list[float] = []
    taus: list[float] = []
    before = -1
    for doubled in itertools.count():
        # beyond a library's last size its windows, whole chromosomes, stay as they are
        each = [one.steps[min(doubled, len(one.steps) - 1)] for one in found]
        longest = max(n for n, _ in each)
        if longest == before or longest < MIN_CHROMOSOMES:
            break
        excess = [value for _, value in each if value is not None]
        if excess:
            sizes.append(float(2**doubled))
            taus.append(float(np.sqrt(max(0.0, float(np.mean(excess))))))
        before = longest
    if not sizes:
        return _largest([one.own for one in found if one.own is not None])
    return Dispersion(np.array(sizes), np.array(taus))


@dataclass(frozen=True)
class BySize:
    """Windows of 1, 2, 4, ... atoms of a library: how many, and what they vary by beyond counting,
    None where that cannot be read off. ``own`` : the dispersion from itself where it never can."""

    steps: list[tuple[int, float | None]]
    own: Dispersion | None


@dataclass(frozen=True)
class Noise:
    """What a library varies by: by size of windows, as it tells itself, and in large regions."""

    by_size: BySize
    own: OwnExcess
    regional: float


def noise_of(profile: pd.DataFrame) -> Noise:
    """The noise of a library, whose atoms are looked at once."""
    used = Used.of(profile)
    own = own_excess(profile, used=used)
    return Noise(_excess_by_size(used, own), own, regional_noise(used))


def _excess_by_size(used: Used, own: OwnExcess) -> BySize:
    steps: list[tuple[int, float | None]] = []
    while len(steps) < 2 or steps[-1][0] != steps[-2][0]:
        size = 2 ** len(steps)
        observed, expected = used.sums(atoms=size)
        n, excess = len(expected), None
        if n >= MIN_CHROMOSOMES and median(expected) >= MIN_FRAGMENTS:
            counting = used.counting(atoms=size)
            excess = _excess(observed / expected, expected, counting=counting)
        steps.append((n, excess))
    known = any(excess is not None for _, excess in steps)
    return BySize(steps, None if known else own.dispersion)


def _excess(ratio: Array, expected: Array, *, counting: float) -> float:
    """Variance of the ratios of windows beyond counting, which typically adds so much."""
    if len(ratio) < MIN_WINDOWS:
        return float(np.mean((ratio - 1) ** 2 - 1 / expected))
    return mad_sd(ratio) ** 2 - counting


def _largest(found: Sequence[Dispersion]) -> Dispersion:
    largest = found[0]
    for other in found[1:]:
        largest = largest.at_least(other)
    return largest


# Checks ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Check:
    """What a normal is given by the panel without it; ``dispersion`` is that of its own."""

    noise: float
    fraction: float
    p_value: float
    dispersion: Dispersion


def _checks(
    left: Left, noise: Sequence[Noise], common: Together, dispersion: Dispersion,
    settings: FractionSettings,
) -> dict[str, _Check]:  # fmt: skip
    """The check of each normal by its name; common : all of them on common windows."""

    def check(i: int) -> _Check:
        return _check(left.profile(i), noise[i], dispersion, settings, others=common.known(i))

    found = threads.each(check, range(len(left.names)), threads=left.workers)
    return dict(zip(left.names, found, strict=True))


def _check(
    profile: pd.DataFrame, noise: Noise, dispersion: Dispersion, settings: FractionSettings, *,
    others: Known | None,
) -> _Check:  # fmt: skip
    """Regional noise of a normal and the tumor fraction it is given, panel without it."""
    noisier = noise.own.beside(dispersion)
    found, p_value = _fraction_of(profile, dispersion=noisier, settings=settings, others=others)
    return _Check(noise.regional, found, p_value, noisier)


def _fraction_of(
    profile: pd.DataFrame, *, dispersion: Dispersion, settings: FractionSettings,
    others: Known | None,
) -> tuple[float, float]:  # fmt: skip
    """The fraction that a normal is given and its p-value, of few simulated genomes first: where
    many of them reach its score, more would not make it an outlier (Besag & Clifford 1991)."""
    profile = evidence.without_isolated(profile, dispersion=dispersion, settings=settings)
    large = evidence.evidence_windows(profile, settings=settings,
                                      max_windows=detection.SCORE_WINDOWS)  # fmt: skip
    if large is None:
        return float("nan"), float("nan")
    seen = evidence.evidence_of(large, dispersion=dispersion, breakpoints=settings.breakpoints)
    noise = noise_by(others, profile, large, dispersion=dispersion)
    arms = detection.arms_of(seen, noise)
    score, found = detection.detection_score(seen, arms, settings=settings)
    p_value = 0.0
    for draws in sorted({min(FEW_DRAWS, settings.null_draws), settings.null_draws}):
        if p_value <= CLEAR_P:
            null = detection.null_scores(seen, noise, arms,
                                         settings=replace(settings, null_draws=draws))  # fmt: skip
            p_value = detection.tail_probability(score, null.scores)
    return found, p_value


def regional_noise(used: Used) -> float:
    """Standard deviation of the ratios of large regions beyond counting noise."""
    n_atoms = len(used.observed)
    if n_atoms == 0:
        return float("nan")
    observed, expected = used.sums(atoms=max(1, n_atoms // NOISE_WINDOWS))
    excess = mad_sd(observed / expected) ** 2 - median(1 / expected)
    return float(np.sqrt(max(0.0, excess)))


#: Regional noise that is never a reason to leave a normal out: good panels have as much.
NOISE_FLOOR = 0.01


def _outliers(checks: dict[str, _Check], settings: PonSettings) -> dict[str, str]:
    noises = np.array([check.noise for check in checks.values()])
    middle = median(noises)
    # With few normals the spread between them is not known well; allow at least one MAD.
    limit = max(NOISE_FLOOR, settings.outlier_noise * middle,
                middle + MAD_TO_SD * median(np.abs(noises - middle)))  # fmt: skip
    found = {}
    for name, check in checks.items():
        if check.noise > limit:
            found[name] = f"regional noise {check.noise:.3f}, panel's median {middle:.3f}"
        elif check.p_value < settings.outlier_p:
            found[name] = f"looks like tumor (fraction {check.fraction:.3f}, p {check.p_value:.2g})"
    return found


def _donor_table(
    donors: Sequence[_Donor], reason: dict[str, str], remarks: dict[str, str],
    checks: dict[str, _Check],
) -> pd.DataFrame:  # fmt: skip
    found = [checks.get(donor.name) for donor in donors]
    noise, fraction, p_value = (
        [float("nan") if check is None else getattr(check, name) for check in found]
        for name in ("noise", "fraction", "p_value")
    )
    return pd.DataFrame(
        {
            "sample": [donor.name for donor in donors],
            "used": [donor.name not in reason for donor in donors],
            "reason": [reason.get(donor.name, remarks.get(donor.name)) for donor in donors],
            "fragments": [donor.fragments for donor in donors],
            "sex": [donor.sex for donor in donors],
            "noise": noise,
            "fraction": fraction,
            "p_value": p_value,
        }
    )


def with_failed(donors: pd.DataFrame, failed: Mapping[str, str]) -> pd.DataFrame:
    """The table of donors with those that could not be counted, name and reason, behind it."""
    if not failed:
        return donors
    rows = pd.DataFrame(
        {"sample": list(failed), "used": False, "reason": list(failed.values())},
        columns=donors.columns,
    )
    return pd.concat([donors.astype(object), rows.astype(object)], ignore_index=True)


def _gene_checks(
    left: Left, gene_table: pd.DataFrame, checks: dict[str, _Check], settings: GenesSettings
) -> pd.DataFrame:
    """Leave-one-out noise and false positives of the gene test (PON_GENES).

    Each normal is tested with the noise that the others show at the gene.
    """
    use = [checks[name].dispersion for name in left.names]
    extents = left.each(functools.partial(genetest.extents_of, gene_table=gene_table,
                                          settings=settings))  # fmt: skip
    sums = np.array([
        genetest.squared_excess(one, dispersion=own)
        for one, own in zip(extents, use, strict=True)
    ]).reshape(len(use), len(gene_table), 2)  # fmt: skip
    names = gene_table["gene"].tolist()

    def test(i: int) -> list[genetest.Tested | None]:
        others = dict(zip(names, excess_of_sums(sums.sum(0) - sums[i]), strict=True))
        return genetest.tested(
            extents[i], functools.partial(left.profile, i), gene_table, dispersion=use[i],
            settings=settings, excess=others,
        )  # fmt: skip

    tested = threads.each(test, range(len(use)), threads=left.workers)
    excess = excess_of_sums(sums.sum(0))
    rows = []
    for position, gene in enumerate(names):
        seen = [one for one in (each[position] for each in extents) if one is not None]
        known = [one for one in (each[position] for each in tested) if one is not None]
        core = np.array([one.observed[0] / one.expected[0] for one in seen])
        rows.append(
            {
                "gene": gene,
                "n_bins": max((int(one.atoms[0]) for one in seen), default=0),
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
