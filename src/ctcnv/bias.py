"""How GC and mappability change what a library yields of each atom.

Curve and regional copy number are estimated in turn, by compiled loops over the atoms: a panel does
this two hundred times. tests/reference/bias_slow.py is the same on all atoms at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import make_smoothing_spline

from ctcnv.compiled import compiled
from ctcnv.model import NormalizeSettings
from ctcnv.robust import mad_sd, median
from ctcnv.schema import chrom_key, is_autosome, numbered

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Autosomes are divided into this many regions of equal expectation when the GC curve is separated
#: from copy number: about 20 Mb of a human genome, arms are resolved and a region still has a wide
#: range of GC.
REGIONS = 140


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


# Curves ------------------------------------------------------------------------------------------


def bias_curve(
    reference: Reference, observed: Array, base: Array, *, use: Mask, settings: NormalizeSettings
) -> Array:
    """Relative yield of each atom from its GC and mappability, for this library.

    use : (n,) the atoms that the curves are learned from (usable autosomes). Curve and regional
    copy number are estimated in turn, so that a gained GC-rich arm does not bend the curve.
    Returns (n,), 1 on average, NaN where GC is not known.
    """
    gc, mappability = reference.gc, reference.mappability
    observed, use = observed.astype(float), use & (base > 0)
    known = mappability.values[use]
    has_map = bool(np.isfinite(known).all()) and np.ptp(known) > 0
    region = regions(reference.chrom, np.where(use, base, 0.0))
    level = np.ones(int(region.max()) + 1)
    gc_curve, map_curve = np.ones(len(gc.distinct)), np.ones(len(mappability.distinct))
    fit, before = use, np.zeros(len(use))
    for _ in range(settings.gc_passes):
        wanted = _times(base, region, level, mappability.code, map_curve)
        gc_curve = _curve(gc, observed, wanted, fit, settings)
        if has_map:
            wanted = _times(base, region, level, gc.code, gc_curve)
            map_curve = _curve(mappability, observed, wanted, fit, settings)
        curve = _product(gc.code, gc_curve, mappability.code, map_curve)
        wanted = base * curve
        level = _regional_level(region, observed, wanted, fit, noise=settings.regional_noise)
        fit = use & ~_outlying(observed, wanted * level[region], fit, settings.max_residual)
        if _largest_change(curve, before, use) < CONVERGED:
            break
        before = curve
    return curve


@compiled
def _product(one: Codes, of_one: Array, two: Codes, of_two: Array) -> Array:
    """The values of two codes, multiplied."""
    found = np.empty(len(one))
    for i in range(len(one)):
        found[i] = of_one[one[i]] * of_two[two[i]]
    return found


@compiled
def _times(base: Array, one: Codes, of_one: Array, two: Codes, of_two: Array) -> Array:
    """Base times the values of two codes."""
    found = np.empty(len(base))
    for i in range(len(base)):
        found[i] = base[i] * of_one[one[i]] * of_two[two[i]]
    return found


@compiled
def _largest_change(values: Array, before: Array, use: Mask) -> float:
    """Largest change of the values to use."""
    found = 0.0
    for i in range(len(values)):
        if use[i]:
            found = max(found, abs(values[i] - before[i]))
    return found


#: Change of the curve below which another pass is not worth it: far below counting noise.
CONVERGED = 1e-3


def _outlying(observed: Array, wanted: Array, fit: Mask, limit: float) -> Mask:
    """Atoms far from what curve and region say, by ``limit`` standard deviations: amplicons, which
    must not bend the curve that they are measured with, and artefacts.

    sd^2 = E + (s E)^2: counting noise and what most atoms differ by, s the robust standard
    deviation of their ratios beyond counting.
    """
    ratio, counting, scale = _ratios(observed, wanted, fit)
    beyond = mad_sd(ratio) ** 2 - median(counting)
    spread = float(np.clip(beyond, LEAST_SPREAD**2, MOST_SPREAD**2))
    return _beyond(observed, wanted, scale, spread, limit)


@compiled
def _ratios(observed: Array, wanted: Array, fit: Mask) -> tuple[Array, Array, float]:
    """Observed over expected and 1 / expected of the atoms to fit, where all that is expected of
    them is what was observed, and the factor that makes it so."""
    seen, total, n = 0.0, 0.0, 0
    for i in range(len(fit)):
        if fit[i]:
            seen += observed[i]
            total += wanted[i]
            n += 1
    scale = seen / total
    ratio, counting = np.empty(n), np.empty(n)
    n = 0
    for i in range(len(fit)):
        if fit[i]:
            e = wanted[i] * scale
            ratio[n], counting[n] = observed[i] / e, 1 / e
            n += 1
    return ratio, counting, scale


@compiled
def _beyond(observed: Array, wanted: Array, scale: float, spread: float, limit: float) -> Mask:
    """Which counts lie further from what is expected, E, than  limit * sqrt(E + spread * E^2)."""
    found = np.empty(len(observed), dtype=np.bool_)
    for i in range(len(observed)):
        e = wanted[i] * scale
        found[i] = np.abs(observed[i] - e) > limit * np.sqrt(e + spread * (e * e))
    return found


#: What atoms are taken to differ by at least and at most, without a panel.
LEAST_SPREAD, MOST_SPREAD = 0.01, 0.1


@compiled
def _sums(
    code: Codes, fit: Mask, base: Array, observed: Array, n: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Base, fragments and number of the atoms of each of n codes, each (n,), of those to fit."""
    of_base, of_seen, atoms = np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.int64)
    for i in range(len(code)):
        if fit[i]:
            of_base[code[i]] += base[i]
            of_seen[code[i]] += observed[i]
            atoms[code[i]] += 1
    return of_base, of_seen, atoms


def _curve(
    x: Covariate, observed: Array, base: Array, fit: Mask, settings: NormalizeSettings
) -> Array:
    """Smooth ratio of observed to base as a function of x, at each of its distinct values, (m,).

    fit : (n,) the atoms that it is learned from.
    Atoms are grouped into strata of x, as narrow as their number allows; a stratum's value is the
    ratio of sums (no log, no ratio of single small counts). A smoothing spline goes through them
    (scipy ``make_smoothing_spline``), the f of the least

        sum of w_k (v_k - f(x_k))^2 + curvature x integral of f''(x)^2,

    v_k the value of stratum k over that of the library, w_k its share of all base: the variance of
    v_k goes with 1 / w_k.
    """
    of_base, of_seen, atoms = _sums(x.code, fit, base, observed, len(x.distinct))
    held = np.bincount(x.cell, atoms).tolist()
    stratum = np.array(_strata(held, least=settings.min_stratum))[x.cell]
    known = atoms > 0
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
    return np.asarray(fitted)


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


# Regions -----------------------------------------------------------------------------------------


@compiled
def regions(chrom: Codes, base: Array) -> Codes:
    """Region number of each atom, (n,): stretches of one chromosome, by its number, with about
    equal base, ``REGIONS`` in all; atoms in their order."""
    n = len(base)
    number = np.empty(n, dtype=np.intp)
    total = base.sum()
    low, following = 0, 0
    while low < n:
        high, of_chrom = low, 0.0
        while high < n and chrom[high] == chrom[low]:
            of_chrom += base[high]
            high += 1
        parts = max(1, int(np.rint(REGIONS * of_chrom / total)))
        reached = 0.0
        for i in range(low, high):
            reached += base[i]
            place = int(reached / of_chrom * parts) if of_chrom > 0 else 0
            number[i] = following + min(place, parts - 1)
        following += parts
        low = high
    return number


def _regional_level(
    region: Codes, observed: Array, base: Array, fit: Mask, *, noise: float
) -> Array:
    """Observed over base of each region."""
    wanted, seen, _ = _sums(region, fit, base, observed, int(region.max()) + 1)
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
    return np.asarray(np.maximum(level, 0.05))
