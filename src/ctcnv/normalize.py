"""Observed and expected fragments per atom.

    expected = library size x callable bases x GC curve x mappability curve x panel factor x waves

so that every later ratio is ``sum(observed) / sum(expected)``. The curves are those of the library
itself; the factor is what the normals show at the atom after the same correction, the waves are
what they vary by together, as far as this library has them. X and Y are expected at the number of
copies that a normal cell of the inferred sex has.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import make_smoothing_spline

from ctcnv.dispersion import Dispersion
from ctcnv.genome import arm_starts
from ctcnv.model import NormalizeSettings
from ctcnv.robust import difference_sd, mad_sd, median
from ctcnv.schema import chrom_key, is_autosome, numbered
from ctcnv.waves import Waves, without_waves

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)

#: Autosomes are divided into this many regions of equal expectation when the GC curve is separated
#: from copy number: about 20 Mb of a human genome, arms are resolved and a region still has a wide
#: range of GC.
REGIONS = 140
#: Fewest fragments expected on X before anything is said about sex.
MIN_SEX_FRAGMENTS = 200


@dataclass(frozen=True)
class Panel:
    """What normalize needs of the panel of normals, row by row with the atoms.

    factor : (n,) NaN = left out; reason : (n,) text or None; n_normals : donors used; waves : what
    the donors vary by together, None to leave waves in.
    """

    factor: Array
    reason: NDArray[np.object_]
    n_normals: int
    waves: Waves | None = None


@dataclass(frozen=True)
class Normalized:
    """A profile with what was learned on the way; ``waves`` is the standard deviation of those that
    were taken out."""

    profile: pd.DataFrame
    sex: str | None
    fragments: int
    noise: float
    waves: float = 0.0

    @property
    def sufficient(self) -> bool:
        """Whether any atom carries an expectation."""
        return bool(self.profile["expected"].notna().any())

    @property
    def summary(self) -> str:
        """How many atoms and fragments stand behind the profile, in one line."""
        used = int(self.profile["expected"].notna().sum())
        return (
            f"{used} of {len(self.profile)} atoms used; {self.fragments} autosomal fragments; "
            f"sex {self.sex or 'unclear'}; waves of {100 * self.waves:.2f} % taken out; noise "
            f"{self.noise:.2f} x counting noise"
        )


def normalize(
    counts: pd.DataFrame,
    bins: pd.DataFrame,
    *,
    panel: Panel | None,
    settings: NormalizeSettings,
) -> Normalized:
    """The profile of one library: counts and bins are tables of the same atoms.

    A library with fewer fragments than ``settings.min_fragments`` gives a profile without any
    expectation, which later steps carry to the reader as "failed".
    """
    reference = Reference.of(bins)
    observed = counts["fragments"].to_numpy(dtype=float)
    factor = None if panel is None else panel.factor
    found = expectation(observed, reference, factor=factor, settings=settings)
    usable = bins["usable"].to_numpy(dtype=bool)
    reason = bins["reason"].to_numpy(dtype=object).copy()
    if panel is not None:
        left_out = usable & ~np.isfinite(panel.factor)
        reason[left_out] = panel.reason[left_out]
        usable = usable & ~left_out
    unknown_gc = usable & ~np.isfinite(reference.gc.values)
    reason[unknown_gc] = "GC not known"
    usable = usable & ~unknown_gc
    if not found.sufficient:
        log.warning("%d fragments on usable autosomal atoms: too few to say anything",
                    found.fragments)  # fmt: skip
        reason[usable] = "too few fragments"
    elif found.sex is None:
        reason[usable & reference.sexual] = "sex unclear"
    else:
        reason[usable & (found.copies == 0)] = "no Y in a female"
    reason[np.isfinite(found.expected)] = None
    profile = profile_of(bins, observed, found.expected, found.copies)
    profile = profile.assign(reason=pd.Series(reason, index=profile.index, dtype=object))
    waves = 0.0
    if panel is not None and panel.waves is not None:
        profile, waves = without_waves(profile, panel.waves)
    noise = noise_over_counting(profile)
    return Normalized(profile, found.sex, found.fragments, noise, waves)


def nothing_counted(bins: pd.DataFrame, *, reason: str) -> Normalized:
    """The profile of a sample without counts: every atom is left out for this reason."""
    n = len(bins)
    profile = profile_of(
        bins, np.zeros(n, dtype=np.int64), np.full(n, np.nan), np.full(n, 2, dtype=np.int64)
    )
    return Normalized(profile.assign(reason=pd.Series([reason] * n, dtype=object)), None, 0,
                      float("nan"))  # fmt: skip


def profile_of(
    bins: pd.DataFrame, observed: NDArray[np.integer | np.floating], expected: Array,
    copies: NDArray[np.int64],
) -> pd.DataFrame:  # fmt: skip
    """The PROFILE table of a library but for the reasons; places are shared with ``bins``."""
    places = bins[["chrom", "start", "end"]].reset_index(drop=True)
    return places.assign(
        observed=observed.astype(np.int64), expected=expected, normal_copies=copies
    )


# Expectation ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Covariate:
    """A property of the atoms that their yield depends on, sorted once for all libraries.

    values : (n,) NaN = not known; distinct : (m,) the values that occur, of which atom i has number
    ``code[i]``; cell : (m,) number of the narrow stratum that a value lies in.
    """

    values: Array
    distinct: Array
    code: NDArray[np.intp]
    cell: NDArray[np.intp]

    @classmethod
    def of(cls, values: Array) -> Covariate:
        """Sort the values."""
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        # those that are not known come last, as one value
        new = (ranked[1:] != ranked[:-1]) & ~np.isnan(ranked[:-1])
        new = np.concatenate([[True], new])[: len(values)]
        code = np.empty(len(values), dtype=np.intp)
        code[order] = np.cumsum(new) - 1
        distinct = ranked[new]
        cell = np.unique(np.floor(distinct / STRATUM_WIDTH), return_inverse=True)[1]
        return cls(values, distinct, code, cell)


@dataclass(frozen=True)
class Reference:
    """The atoms of a reference as every library needs them, each (n,).

    base : callable bases, NaN where an atom is not usable; chrom : number of the chromosome.
    """

    base: Array
    gc: Covariate
    mappability: Covariate
    chrom: NDArray[np.intp]
    autosomal: Mask
    on_x: Mask
    on_y: Mask

    @classmethod
    def of(cls, bins: pd.DataFrame) -> Reference:
        """From the table BINS."""
        length = (bins["end"] - bins["start"]).to_numpy(dtype=float)
        usable = bins["usable"].to_numpy(dtype=bool)
        codes, names = numbered(bins["chrom"])
        keys = [chrom_key(str(name)) for name in names]
        on_x, on_y = (
            np.array([*(key == wanted for key in keys), False])[codes] for wanted in ("X", "Y")
        )
        return cls(
            np.where(usable, length * bins["callable"].to_numpy(dtype=float), np.nan),
            Covariate.of(bins["gc"].to_numpy(dtype=float)),
            Covariate.of(bins["mappability"].to_numpy(dtype=float)),
            codes, is_autosome(bins["chrom"]), on_x, on_y,
        )  # fmt: skip

    @property
    def sexual(self) -> Mask:
        """Which atoms lie on X and Y."""
        return self.on_x | self.on_y


@dataclass(frozen=True)
class Expectation:
    """What is expected of a library, before waves.

    expected : (n,) NaN = not used; copies : (n,) of a normal cell; fragments : on usable autosomal
    atoms.
    """

    expected: Array
    copies: NDArray[np.int64]
    sex: str | None
    fragments: int

    @property
    def sufficient(self) -> bool:
        """Whether any atom carries an expectation."""
        return bool(np.isfinite(self.expected).any())


def expectation(
    observed: Array, reference: Reference, *, factor: Array | None, settings: NormalizeSettings
) -> Expectation:
    """Expected fragments of each atom from all that were observed, (n,).

    factor : (n,) of the panel, NaN = left out; None without a panel. A library with fewer fragments
    than ``settings.min_fragments`` has no expectation.
    """
    base = reference.base if factor is None else reference.base * factor
    usable = np.isfinite(base) & np.isfinite(reference.gc.values)
    used = usable & reference.autosomal
    fragments = int(observed[used].sum())
    if fragments < settings.min_fragments:
        nothing = np.full(len(observed), np.nan)
        return Expectation(nothing, np.full(len(observed), 2), None, fragments)
    curve = bias_curve(reference, observed, base, use=used, settings=settings)
    expected = np.where(usable, base * curve, np.nan)
    expected *= observed[used].sum() / expected[used].sum()
    sex = infer_sex(observed, expected, on_x=reference.on_x, on_y=reference.on_y, settings=settings)
    if sex is None:
        expected[reference.sexual] = np.nan
    copies = normal_copies(reference.on_x, reference.on_y, sex)
    expected[copies == 0] = np.nan
    expected *= copies / 2
    return Expectation(expected, copies, sex, fragments)


# Bias curves ---------------------------------------------------------------------------------


def bias_curve(
    reference: Reference, observed: Array, base: Array, *, use: Mask, settings: NormalizeSettings
) -> Array:
    """Relative yield of each atom from its GC and mappability, for this library.

    use : (n,) the atoms that the curves are learned from (usable autosomes). Curve and regional
    copy number are estimated in turn, so that a gained GC-rich arm does not bend the curve.
    Returns (n,), 1 on average, NaN where GC is not known.
    """
    gc, mappability = reference.gc, reference.mappability
    use = use & (base > 0)
    known = mappability.values[use]
    has_map = bool(np.isfinite(known).all()) and np.ptp(known) > 0
    region = regions(reference.chrom, base, use=use)
    level = np.ones(len(observed))
    on_map = np.ones(len(observed))
    before = np.zeros(len(observed))
    fit = use
    for _ in range(settings.gc_passes):
        on_gc = _curve(gc, observed, base * level * on_map, fit, settings)
        if has_map:
            on_map = _curve(mappability, observed, base * level * on_gc, fit, settings)
        curve = on_gc * on_map
        level = _regional_level(region, observed, base * curve, fit,
                                noise=settings.regional_noise)  # fmt: skip
        fit = use & ~_outlying(observed, base * curve * level, fit, settings.max_residual)
        if float(np.max(np.abs(curve - before)[use])) < CONVERGED:
            break
        before = curve
    return on_gc * on_map


def _outlying(observed: Array, wanted: Array, fit: Mask, limit: float) -> Mask:
    """Atoms far from what curve and region say, by ``limit`` standard deviations: amplicons, which
    must not bend the curve that they are measured with, and artefacts.

    sd^2 = E + (s E)^2: counting noise and what most atoms differ by, s the robust standard
    deviation of their ratios beyond counting.
    """
    seen = observed[fit]
    scaled = wanted * seen.sum() / wanted[fit].sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = scaled[fit]
        beyond = mad_sd(seen / inside) ** 2 - median(1 / inside)
        spread = float(np.clip(beyond, LEAST_SPREAD**2, MOST_SPREAD**2))
        return np.asarray(np.abs(observed - scaled) > limit * np.sqrt(scaled + spread * scaled**2))


#: What atoms are taken to differ by at least and at most, without a panel.
LEAST_SPREAD, MOST_SPREAD = 0.01, 0.1


#: Change of the curve below which another pass is not worth it: far below counting noise.
CONVERGED = 1e-3


def _curve(
    x: Covariate, observed: Array, base: Array, use: Mask, settings: NormalizeSettings
) -> Array:
    """Smooth ratio of observed to base as a function of x, evaluated at every atom.

    Atoms are grouped into strata of x, as narrow as their number allows; a stratum's value is the
    ratio of sums (no log, no ratio of single small counts). A smoothing spline goes through them
    (scipy ``make_smoothing_spline``), the f of the least

        sum of w_k (v_k - f(x_k))^2 + curvature x integral of f''(x)^2,

    v_k the value of stratum k over that of the library, w_k its share of all base: the variance of
    v_k goes with 1 / w_k.
    """
    part, m = x.code[use], len(x.distinct)
    of_base, of_seen = (np.bincount(part, values[use], m) for values in (base, observed))
    seen = np.bincount(part, minlength=m)
    held = np.bincount(x.cell, seen).tolist()
    stratum = np.array(_strata(held, least=settings.min_stratum))[x.cell]
    known = seen > 0
    total, total_seen, moment = (
        np.bincount(stratum[known], values[known])
        for values in (of_base, of_seen, of_base * x.distinct)
    )
    weight = total / total.sum()
    value, centre = total_seen / total_seen.sum() / weight, moment / total
    # beyond the outermost centre the spline is linear, and no value was seen beyond these
    clamped = np.clip(x.distinct, *x.distinct[known][[0, -1]])
    if len(centre) >= MIN_KNOTS:
        fitted = make_smoothing_spline(centre, value, w=weight, lam=settings.curvature)(clamped)
    else:
        fitted = np.interp(clamped, centre, value)
    # A spline may dip below zero in a sparse tail. A strong bias goes on falling beyond the centre
    # of the last stratum: a floor at its very value would make GC-rich chromosomes look lost.
    fitted = np.maximum(fitted, max(FLOOR * float(value.min()), 1e-3))
    fitted /= float(np.average(fitted[known], weights=of_base[known]))
    return np.asarray(fitted[x.code])


def _strata(atoms: Sequence[float], *, least: int) -> list[int]:
    """Number of the stratum of each cell: neighbours are joined until they hold enough atoms.

    atoms : how many lie in each cell. What is left at the end joins the last stratum.
    """
    number = []
    current, held = 0, 0.0
    for n in atoms:
        number.append(current)
        held += n
        if held >= least:
            current, held = current + 1, 0.0
    return [min(one, max(current - 1, 0)) for one in number]


#: Width of a stratum of GC or mappability, a share between 0 and 1: the yield of a strongly biased
#: library changes by 3 % over it.
STRATUM_WIDTH = 0.003
#: Least value of a curve as a share of its smallest stratum.
FLOOR = 0.3
#: The smoothing spline needs at least five points.
MIN_KNOTS = 5


def regions(chrom: NDArray[np.intp], base: Array, *, use: Mask) -> NDArray[np.int_]:
    """Region number of each atom, -1 where not used: stretches of one chromosome, by its number
    (n,), with about equal base, ``REGIONS`` in all."""
    number = np.full(len(base), -1)
    used = np.flatnonzero(use)
    of, mass = chrom[used], base[used]
    total = float(mass.sum())
    ends = np.flatnonzero(np.append(np.diff(of), 1))[: len(of)] + 1
    following = 0
    for low, high in itertools.pairwise([0, *ends.tolist()]):
        reached = np.cumsum(mass[low:high])
        parts = max(1, round(REGIONS * float(reached[-1]) / total))
        place = (reached / reached[-1] * parts).astype(int)
        number[used[low:high]] = following + np.minimum(place, parts - 1)
        following += parts
    return number


def _regional_level(
    region: NDArray[np.int_], observed: Array, base: Array, use: Mask, *, noise: float
) -> Array:
    """Observed over base of each atom's region; 1 outside."""
    inside = np.flatnonzero(use & np.isfinite(base))
    of, n_regions = region[inside], int(region.max()) + 1
    seen = np.bincount(of, weights=observed[inside], minlength=n_regions)
    wanted = np.bincount(of, weights=base[inside], minlength=n_regions)
    level = np.where(wanted > 0, seen / np.maximum(wanted, 1e-300), 1.0)
    level /= np.average(level, weights=np.maximum(wanted, 1e-300))
    # Firm threshold: what healthy plasma shows is left to the curve, or each pass would move some
    # of the curve into the level; what is twice as large is copy number, and wholly the level's, or
    # the curve would take a part of every step. A region deleted in a pure tumor must not divide by
    # zero.
    away = np.abs(level - 1)
    level = 1 + np.sign(level - 1) * np.where(
        away < 2 * noise, np.maximum(2 * (away - noise), 0.0), away
    )
    return np.append(np.maximum(level, 0.05), 1.0)[region]  # the last is for -1: outside


# Sex -----------------------------------------------------------------------------------------


def infer_sex(
    observed: Array, expected: Array, *, on_x: Mask, on_y: Mask, settings: NormalizeSettings
) -> str | None:
    """Female or male from the ratio of Y to X, or None when it cannot be told.

    expected : (n,) as if every chromosome had two copies, NaN = not used; on_x, on_y : (n,). The
    ratio of the two is used because a tumor changes each alone; a lost Y in a male's tumor only
    dilutes it.
    """
    known = np.isfinite(expected)
    on_x, on_y = on_x & known, on_y & known
    if expected[on_x].sum() < MIN_SEX_FRAGMENTS or not on_y.any():
        return None
    x = observed[on_x].sum() / expected[on_x].sum()
    y = observed[on_y].sum() / expected[on_y].sum()
    if x <= 0:
        return None
    if y / x >= settings.male_min_y_to_x:
        return "male"
    return "female" if y / x <= settings.female_max_y_to_x else None


def normal_copies(on_x: Mask, on_y: Mask, sex: str | None) -> NDArray[np.int64]:
    """Copies of each atom in a normal cell, (n,): 2, on X and Y by sex (2 and 0 when sex is
    unclear)."""
    of_x, of_y = (1, 1) if sex == "male" else (2, 0)
    return np.where(on_x, of_x, np.where(on_y, of_y, 2))


# Windows and noise ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Windows:
    """Runs of used atoms summed up.

    chrom, start, end : of the run; atoms : used atoms in it; observed, expected : their sums.
    """

    chrom: NDArray[np.object_]
    start: NDArray[np.int_]
    end: NDArray[np.int_]
    atoms: NDArray[np.int_]
    observed: Array
    expected: Array

    @property
    def ratio(self) -> Array:
        """observed / expected, (n,)."""
        return self.observed / self.expected

    def subset(self, keep: Mask) -> Windows:
        """The windows where ``keep`` is true."""
        return Windows(self.chrom[keep], self.start[keep], self.end[keep], self.atoms[keep],
                       self.observed[keep], self.expected[keep])  # fmt: skip


def used_atoms(profile: pd.DataFrame, *, autosomes: bool = True) -> Mask:
    """Which atoms carry an expectation, (n,)."""
    expected = profile["expected"].to_numpy(dtype=float)
    use = np.isfinite(expected) & (expected > 0)
    return np.asarray(use & is_autosome(profile["chrom"])) if autosomes else np.asarray(use)


def windows(
    profile: pd.DataFrame, *, atoms: int, autosomes: bool = True, arms: bool = False
) -> Windows:
    """Sum every ``atoms`` used neighbours of a chromosome; the rest of a chromosome joins its last.

    Atoms that are left out are skipped, so that a window holds the same evidence wherever it lies.
    With ``arms`` no window spans a centromere.
    """
    return Used.of(profile, autosomes=autosomes).windows(atoms=atoms, arms=arms)


@dataclass(frozen=True)
class Used:
    """The atoms of a profile that carry an expectation, in order, to be summed at many sizes.

    chrom : (n,) number of the chromosome in ``names``; start, end, observed, expected : (n,).
    """

    names: NDArray[np.object_]
    chrom: NDArray[np.intp]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    observed: Array
    expected: Array

    @classmethod
    def of(cls, profile: pd.DataFrame, *, autosomes: bool = True) -> Used:
        """Those of the autosomes, or all."""
        use = used_atoms(profile, autosomes=autosomes)
        codes, names = numbered(profile["chrom"])
        return cls(
            names, codes[use],
            profile["start"].to_numpy(dtype=np.int64)[use],
            profile["end"].to_numpy(dtype=np.int64)[use],
            profile["observed"].to_numpy(dtype=float)[use],
            profile["expected"].to_numpy(dtype=float)[use],
        )  # fmt: skip

    def windows(self, *, atoms: int, arms: bool = False) -> Windows:
        """Windows of this many atoms, see :func:`windows`."""
        at = self._edges(atoms, arms=arms)
        following = np.append(at[1:], len(self.chrom))[: len(at)]
        return Windows(
            self.names[self.chrom[at]], self.start[at], self.end[following - 1], following - at,
            *self._sums(at),
        )  # fmt: skip

    def sums(self, *, atoms: int) -> tuple[Array, Array]:
        """Observed and expected fragments of windows of this many atoms."""
        return self._sums(self._edges(atoms, arms=False))

    def _sums(self, at: NDArray[np.int64]) -> tuple[Array, Array]:
        if len(at) == len(self.chrom):
            return self.observed, self.expected
        return np.add.reduceat(self.observed, at), np.add.reduceat(self.expected, at)

    @cached_property
    def _first(self) -> Mask:
        """Which atoms are the first of their chromosome."""
        return np.concatenate([[True], self.chrom[1:] != self.chrom[:-1]])[: len(self.chrom)]

    def _edges(self, atoms: int, *, arms: bool) -> NDArray[np.int64]:
        """Where the windows begin."""
        n = len(self.chrom)
        first = self._first
        if arms:
            first = arm_starts(self.start, self.end, first)
        bounds = [*np.flatnonzero(first).tolist(), n] if n else []
        # the last window of a chromosome takes what is left, so none is tiny
        edges = [
            np.arange(low, low + max(1, (high - low) // atoms) * atoms, atoms)
            for low, high in itertools.pairwise(bounds)
        ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *edges])


#: Windows used to measure noise hold about this many expected fragments: 3 % counting noise.
NOISE_FRAGMENTS = 1000


def noise_over_counting(profile: pd.DataFrame) -> float:
    """Robust standard deviation of window ratios over that of counting alone; NaN when unknown.

    Differences of neighbouring windows are used, so that copy-number changes are not noise.
    """
    expected = profile["expected"].to_numpy(dtype=float)
    inside = np.isfinite(expected) & is_autosome(profile["chrom"])
    if not inside.any():
        return float("nan")
    size = max(1, round(NOISE_FRAGMENTS / median(expected[inside])))
    summed = windows(profile, atoms=size)
    counting = float(np.sqrt(median(1 / summed.expected)))
    return difference_sd(summed.ratio) / counting


def own_excess(profile: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Sizes of regions in atoms, the variance of a library's ratios at each beyond counting, and
    its standard error, each (k,).

    The variance is difference_sd(ratio)^2, whose square is known to 8/n of n windows: a median
    deviation is worth 0.37 of the windows, and neighbouring differences share one. Only sizes are
    read off at which breakpoints touch few of the differences.
    """
    sizes, excess, errors = [], [], []
    used = Used.of(profile)
    size = 1
    while True:
        observed, expected = used.sums(atoms=size)
        if len(expected) < MIN_WINDOWS_FOR_NOISE:
            break
        counting = median(1 / expected)
        # Ratios of almost empty atoms are not normal; noise is read off from larger windows.
        if 1 / counting >= MIN_FRAGMENTS_FOR_NOISE:
            variance = difference_sd(observed / expected) ** 2
            sizes.append(float(size))
            excess.append(variance - counting)
            errors.append(variance * np.sqrt(8 / len(expected)))
        size *= 2
    return np.array(sizes), np.array(excess), np.array(errors)


def own_dispersion(profile: pd.DataFrame) -> Dispersion:
    """Over-dispersion of a library from itself, where no panel can tell it.

    At each size of ``own_excess``, floored at zero; for larger regions it is taken to fall as
    size^-0.25, slower than that of healthy plasma (SIZE_SLOPE).
    """
    at, excess, _ = own_excess(profile)
    sizes, taus = at.tolist(), np.sqrt(np.maximum(excess, 0.0)).tolist()
    if not sizes:
        return Dispersion(np.array([1.0]), np.array([0.0]))
    n_atoms = int(profile["expected"].notna().sum())
    while sizes[-1] * 4 <= n_atoms:
        sizes.append(sizes[-1] * 4)
        taus.append(taus[-1] * 4**-SIZE_SLOPE)
    return Dispersion(np.array(sizes), np.array(taus))


#: With 60 breakpoints in a genome, at most one difference in five is touched by one.
MIN_WINDOWS_FOR_NOISE = 300
MIN_FRAGMENTS_FOR_NOISE = 20
#: Standard errors by which a library's own over-dispersion must exceed the panel's.
OWN_SIGNIFICANCE = 3.0
#: Over-dispersion is taken to fall with this power of the region's size. In 47 healthy donors it
#: fell faster, about 0.37 from 1 to 32 Mb (docs/validation.md): the smaller power is safe.
SIZE_SLOPE = 0.25


def sample_dispersion(profile: pd.DataFrame, panel: Dispersion | None) -> Dispersion:
    """The over-dispersion to use for a sample: the panel's, or its own where that is larger.

    A library that was made in another way than the normals is noisier than they say; it must not
    be given their confidence. Its own is believed at sizes where it exceeds the panel's by
    ``OWN_SIGNIFICANCE`` standard errors: a shallow sample shows more and less by chance. For
    regions larger than can be read off the largest that can decides. Without a panel the sample's
    own is all there is.
    """
    if panel is None:
        return own_dispersion(profile)
    sizes, excess, error = own_excess(profile)
    clear = excess - OWN_SIGNIFICANCE * error > panel.at(sizes) ** 2
    if not clear.any():
        return panel
    own = own_dispersion(profile)
    beyond = np.full(len(own.atoms) - len(sizes), clear[-1])
    return panel.at_least(
        Dispersion(own.atoms, np.where(np.concatenate([clear, beyond]), own.tau, 0.0))
    )


#: Noise of a panel below which no sample is called far from it: healthy plasma has 0.006 or more.
LEAST_PANEL_NOISE = 0.005


def beyond_panel(own: Dispersion, panel: Dispersion) -> float:
    """How many times the panel's over-dispersion a sample has, at the size where it is the most.

    own : what :func:`sample_dispersion` gives; 1 where the sample is no noisier than the panel.
    """
    known = np.maximum(panel.at(own.atoms), LEAST_PANEL_NOISE)
    return float(np.max(np.maximum(own.tau, known) / known))


def short_share(counts: pd.DataFrame) -> float | None:
    """Share of short fragments of a library; None when the counts do not tell lengths."""
    short = counts["short"]
    total = int(counts["fragments"].sum())
    return None if short.isna().any() or total == 0 else float(short.sum()) / total
