"""The posterior on a fixed grid so fine that nothing is missed, and steepest ascent by walking."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import scipy.stats

from ctcnv.copystates import DECAY_FACTORS, PARTS, PLOIDY_RANGE, SUBCLONAL_COPIES
from tests.reference import forward_slow


def states(max_copies):
    """Whole copies, and parts between the lower ones."""
    found = []
    for copies in range(max_copies + 1):
        found.append(float(copies))
        if copies < min(max_copies, SUBCLONAL_COPIES):
            found.extend(copies + part for part in PARTS)
    return found


def state_prior(copies, base, decay, subclonal_weight, no_copy_weight):
    """Prior of each state around one base; whole events by their distance, parts by that of the
    further of the two whole numbers they lie between. As if copies had no ends."""

    def weight(c):
        if c == np.floor(c):
            return np.exp(-decay * abs(c - base))
        distance = max(abs(np.floor(c) - base), abs(np.ceil(c) - base))
        return np.exp(-decay * distance) * subclonal_weight / len(PARTS)

    everything = [c + part for c in range(-150, 150) for part in (0.0, *PARTS)]
    whole = sum(weight(c) for c in everything)
    rare = [no_copy_weight if c < 1 else 1.0 for c in copies]
    return np.array([weight(c) for c in copies]) * rare / whole


def log_evidence(seen, fraction, ploidies, settings):
    """Log of the likelihood times the prior of the ploidy, relative to no tumor, for one fraction
    and several ploidies."""
    copies = np.array(states(settings.max_copies))
    below = fraction * ploidies + 2 * (1 - fraction)
    level = (fraction * copies + 2 * (1 - fraction)) / below[:, None]
    n = len(seen.ratio)
    inside = min(0.5, settings.breakpoints / n)
    at_arm = max(settings.centromere_change, inside)
    change = [1.0 if seen.first[w] else at_arm if seen.arm[w] else inside for w in range(n)]
    data = (seen.ratio, seen.counting, seen.tau2, change, seen.inflation)
    none = sum(
        np.log(forward_slow.emission(seen.ratio[w], 1.0, seen.counting[w], seen.tau2[w],
                                     seen.inflation, settings.tail_df))
        for w in range(n)
    )  # fmt: skip
    diploid, doubled = 1 - settings.doubled_share, settings.doubled_share
    total = np.zeros(len(ploidies))
    two = np.full(len(ploidies), 2.0)
    for share, mean, sd, bases in (
        (diploid, 2.0, settings.ploidy_sd, [two]),
        (doubled, settings.doubled_ploidy, settings.doubled_sd,
         [np.floor(ploidies), np.ceil(ploidies)]),
    ):  # fmt: skip
        density = share * scipy.stats.norm.pdf(ploidies, mean, sd)
        density[np.abs(ploidies - mean) > PLOIDY_RANGE * sd] = 0
        around = {
            (base, factor): state_prior(
                copies,
                base,
                factor * settings.step_decay,
                settings.subclonal_weight,
                settings.no_copy_weight,
            )
            for base in set(np.concatenate(bases))
            for factor in DECAY_FACTORS
        }
        each = list(itertools.product(bases, DECAY_FACTORS))
        prior = np.array([[around[base[i], factor] for base, factor in each]
                          for i in range(len(ploidies))])  # fmt: skip
        logs = forward_slow.forward_loop(*data, level[:, None, :], prior, settings.tail_df)
        total += density * np.exp(logs - none).mean(axis=1)
    with np.errstate(divide="ignore"):
        return np.log(total)


def dense(seen, fractions, ploidies, settings):
    """Centres of all cells and their posterior mass, every cell of the same size."""
    noise = [seen.inflation * (c + t) for c, t in zip(seen.counting, seen.tau2, strict=True)]
    beyond = max(0.0, np.mean((seen.ratio - 1) ** 2) - np.mean(noise))
    misfit = 1 + (settings.misfit - 1) * beyond / (beyond + 0.02**2)
    seen = dataclasses.replace(seen, inflation=seen.inflation * misfit)
    t, p = (side.ravel() for side in np.meshgrid(fractions, ploidies, indexing="ij"))
    # the prior of the fraction is log-uniform: its density falls as 1/T
    logs = np.concatenate([log_evidence(seen, f, ploidies, settings) for f in fractions])
    logs -= np.log(t)
    mass = np.exp(logs - logs.max())
    return t, p, mass / mass.sum()


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
