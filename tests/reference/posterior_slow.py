"""The evidence of a cell by plain loops, the posterior on a fixed grid so fine that nothing is
missed, and steepest ascent by walking."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import scipy.stats

from ctcnv.copystates import (
    DECAY_FACTORS,
    EARLY,
    PARTS,
    PLOIDY_RANGE,
    SUBCLONAL_COPIES,
    SUBCLONAL_FACTORS,
)
from tests.reference import forward_slow


def geometric(change, decay):
    """Probability of a change of whole copies that falls by exp(-decay) for each."""
    whole = sum(np.exp(-decay * abs(k)) for k in range(-200, 201))
    return np.exp(-decay * abs(change)) / whole


def state_prior(copies, base, decay, no_copy_weight):
    """Prior of each whole state around the base."""
    rare = [no_copy_weight if c < 1 else 1.0 for c in copies]
    return np.array([geometric(c - base, decay) for c in copies]) * rare


def doubled_prior(copies, base, decay, no_copy_weight):
    """The same where changes before the doubling, e, count for one and are there twice."""
    found = []
    for c in copies:
        rare = no_copy_weight if c < 1 else 1.0
        ways = [geometric(e, decay) * geometric(c - base - 2 * e, decay) for e in EARLY]
        found.append(rare * sum(ways))
    return np.array(found)


def with_subclones(whole, base, share):
    """The states between k and k + 1 behind the whole ones, part after part."""
    found = [p if c == base else p * (1 - share) for c, p in enumerate(whole)]
    for k in range(min(SUBCLONAL_COPIES, len(whole) - 1)):
        further = k if k == 0 or abs(k - base) > abs(k + 1 - base) else k + 1
        found += [share * whole[further] / len(PARTS) for _ in PARTS]
    return np.array(found)


def copies_of_states(max_copies):
    """Copies of the same states."""
    found = list(range(max_copies + 1))
    for k in range(min(SUBCLONAL_COPIES, max_copies)):
        found += [k + part for part in PARTS]
    return np.array(found, dtype=float)


def log_densities(seen, begin, end, levels, tail_df):
    """Log likelihood of the windows from begin to end at each level of the ratio."""
    logs = 0.0
    for w in range(begin, end):
        here = forward_slow.emission(seen.ratio[w], levels, seen.counting[w], seen.tau2[w],
                                     seen.inflation, tail_df)  # fmt: skip
        logs = logs + np.log(here)
    return logs


def log_evidence(seen, first, fraction, ploidies, settings, shares):
    """Log of the likelihood times the prior of the ploidy, relative to no tumor, (draws, ploidies),
    for one fraction; first : the first windows of the blocks; shares : how often each chromosome
    counts, (draws, chromosomes)."""
    n = len(seen.ratio)
    inside = min(0.5, settings.breakpoints / n)
    at_arm = max(settings.centromere_change, inside)
    ends = [*first[1:], n]
    chromosomes = []  # of each the begins and ends of its blocks
    for begin, end in zip(first, ends, strict=True):
        if seen.first[begin]:
            chromosomes.append([])
        chromosomes[-1].append((begin, end))
    whole = np.arange(settings.max_copies + 1.0)
    copies = copies_of_states(settings.max_copies)
    rest = 1 - settings.doubled_share - settings.haploid_share
    sorts = []
    for share, mean, sd, bases in (
        (settings.haploid_share, 1.0, settings.ploidy_sd, ((1, state_prior),)),
        (rest, 2.0, settings.ploidy_sd, ((2, state_prior),)),
        (settings.doubled_share, settings.doubled_ploidy, settings.doubled_sd,
         ((3, state_prior), (4, state_prior), (4, doubled_prior))),
    ):  # fmt: skip
        each = list(itertools.product(bases, DECAY_FACTORS, SUBCLONAL_FACTORS))
        for (base, prior_of), decay, part in each:
            prior = prior_of(whole, base, decay * settings.step_decay, settings.no_copy_weight)
            prior = with_subclones(prior, base, part * settings.subclonal_share)
            sorts.append((share / len(each), mean, sd, prior))
    found = np.zeros((len(shares), len(ploidies)))
    none = {begin: log_densities(seen, begin, end, 1.0, settings.tail_df)
            for begin, end in zip(first, ends, strict=True)}  # fmt: skip
    for column, ploidy in enumerate(ploidies):
        below = fraction * ploidy + 2 * (1 - fraction)
        level = np.maximum((fraction * copies + 2 * (1 - fraction)) / below, 0.01)
        logs = np.zeros((len(sorts), len(shares)))
        for c, parts in enumerate(chromosomes):
            likelihood, change, out = [], [], 0.0
            for begin, end in parts:
                here = log_densities(seen, begin, end, level, settings.tail_df)
                likelihood.append(np.exp(here - here.max()))
                change.append(1.0 if seen.first[begin] else at_arm if seen.arm[begin] else inside)
                out += here.max() - none[begin]
            each = forward_slow.chain(likelihood, change, np.array([p for *_, p in sorts])) + out
            logs += np.outer(each, shares[:, c])
        for (share, mean, sd, _), log in zip(sorts, logs, strict=True):
            if abs(ploidy - mean) <= PLOIDY_RANGE * sd:
                found[:, column] += share * scipy.stats.norm.pdf(ploidy, mean, sd) * np.exp(log)
    with np.errstate(divide="ignore"):
        return np.log(found)


def dense(seen, first, fractions, ploidies, settings, shares):
    """Centres of all cells and their posterior mass, every cell of the same size: the mean over the
    shares of the chromosomes."""
    noise = [seen.inflation * (c + t) for c, t in zip(seen.counting, seen.tau2, strict=True)]
    beyond = max(0.0, np.mean((seen.ratio - 1) ** 2) - np.mean(noise))
    misfit = 1 + (settings.misfit - 1) * beyond / (beyond + 0.02**2)
    seen = dataclasses.replace(seen, inflation=seen.inflation * misfit)
    t, p = (side.ravel() for side in np.meshgrid(fractions, ploidies, indexing="ij"))
    # the prior of the fraction is log-uniform: its density falls as 1/T
    logs = np.concatenate(
        [log_evidence(seen, first, f, ploidies, settings, shares) for f in fractions], axis=1
    ) - np.log(t)
    total = np.zeros(len(t))
    for row in logs:
        mass = np.exp(row - row.max())
        total += mass / mass.sum()
    return t, p, total / len(logs)


def climb(density, neighbours, start):
    """Walk from a cell to its highest neighbour until none is higher; neighbours : list of lists,
    each with the cell itself."""
    here = start
    while True:
        best = here
        for other in neighbours[here]:
            if density[other] > density[best]:
                best = other
        if best == here:
            return here
        here = best
