"""The bias curves with numpy, on all atoms at once, those that are not used masked out."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.interpolate import make_smoothing_spline

from ctcnv.bias import _strata
from ctcnv.robust import mad_sd, median

REGIONS = 140
CONVERGED = 1e-3
LEAST_SPREAD, MOST_SPREAD = 0.01, 0.1
FLOOR, MIN_KNOTS = 0.3, 5


def bias_curve(reference, observed, base, *, use, settings):
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


def _outlying(observed, wanted, fit, limit):
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


def _curve(x, observed, base, use, settings):
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


def regions(chrom, base, *, use):
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


def _regional_level(region, observed, base, use, *, noise):
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
