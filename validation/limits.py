"""What any method could detect: limits that follow from counting alone.

Poisson counts of whole arms, no waves, no GC curve, no noise of a panel. A real sample has all of
these, so that no method reaches the limits here; a target beyond them cannot be met at this depth.
Beside it, the same with as many fragments less as the deviation between real donors is worth
(:func:`effective_fragments`): an approximation, but nearer to what can be had.

(a) The profile is known. The best test weighs every region by its deviation, and its score has
    z = TF * sqrt(N * msd) / 2
    standard deviations: N fragments, msd the mean squared deviation of copies from the ploidy. It
    follows from r - 1 = TF * (C - P) / 2 for small TF and variance 1/n of a ratio of n fragments.

(b) The profile is not known, only the distribution of arm-level tumors (each arm gained or lost
    with chance altered/2 each) and the TF. By Neyman and Pearson the likelihood ratio of that
    mixture has the largest power at any share of false positives. The depth is not told either:
    the ratio is conditional on the total, which makes the arms dependent. Integrated over the
    level L with dL/L, the multinomial mixture factorises again:
        LR = int e^(N log L - L) prod_a sum_s p_s rho_s^n_a e^(-L w_a (rho_s - 1)) dL/L
             / int e^(N log L - L) dL/L
    with w_a the share of arm a and rho_s = 1 + TF * (C_s - 2) / 2; exact but for the quadrature.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, norm

from validation import tumors

Floats = NDArray[np.float64]

#: Bases of a human genome, and of a fragment of cell-free DNA: 0.1x are 1.86 million fragments.
GENOME_BP, FRAGMENT_BP = 3.1e9, 167
FALSE_POSITIVES = 0.01
#: Over-dispersion of regions of 32 Mb in 47 real donors (docs/validation.md), and how many such
#: regions the autosomes hold.
DONOR_TAU, REGIONS = 0.00395, 90
NOISE = ("counting", "donors")
FRACTIONS = (0.003, 0.01, 0.02, 0.03)
DEPTHS = (0.1, 1.0)
ALTERED = (0.2, 0.4, 0.7)
#: Genomes drawn with and without tumor for each cell of the table.
DRAWS = 10_000
#: Points of the quadrature over the level and its reach in standard deviations. The integrand is
#: smooth and falls like a normal density, for which this is exact to many digits.
LEVELS, REACH = 81, 7.0
#: Draws that are computed at a time: 39 arms * 81 levels * 500 draws are 13 MB.
CHUNK = 500


def fragments(depth: float) -> int:
    """Fragments at a depth:  depth * GENOME_BP / FRAGMENT_BP."""
    return round(depth * GENOME_BP / FRAGMENT_BP)


def effective_fragments(n: ArrayLike, *, tau: float, regions: int = REGIONS) -> Floats:
    """Fragments that would say as much without noise beyond counting:  1 / (1/n + tau^2/regions).

    tau : standard deviation of the ratio of one of ``regions`` equal regions beyond counting. They
    are taken as independent; noise that is correlated over longer stretches makes it too large.
    """
    return np.asarray(1 / (1 / np.asarray(n, dtype=float) + tau**2 / regions))


def known_profile_z(fraction: ArrayLike, n: ArrayLike, deviation: ArrayLike) -> Floats:
    """Standard deviations between tumor and none when the profile is known:  TF sqrt(N msd) / 2."""
    return np.asarray(np.asarray(fraction) * np.sqrt(np.asarray(n) * np.asarray(deviation)) / 2)


def known_profile_power(z: ArrayLike, *, false_positives: float) -> Floats:
    """Power of the one-sided test of a score that is ``z`` standard deviations away."""
    return np.asarray(norm.sf(norm.isf(false_positives) - np.asarray(z, dtype=float)))


def log_ratio(counts: ArrayLike, share: Floats, *, fraction: float, altered: float) -> Floats:
    """Log likelihood ratio of arm-level tumors of this TF against none, given the totals, (draws,).

    counts : (draws, arms) fragments.  share : (arms,) of all fragments in a normal genome.
    """
    seen = np.atleast_2d(np.asarray(counts, dtype=float))
    weights, step, log_rho = _states(fraction, altered)
    result = np.empty(len(seen))
    for first in range(0, len(seen), CHUNK):
        part = seen[first : first + CHUNK]
        total = part.sum(1)
        # The level spreads by counting and by how much the arms may move the mean.
        spread = 1 / np.sqrt(total) + fraction / 2 * np.sqrt(altered * np.sum(share**2))
        grid = np.linspace(-REACH, REACH, LEVELS)
        # log L = log N + x: the density of the level in x is e^(N (x - e^x)).
        x = grid[None, :] * spread[:, None]
        level = total[:, None] * np.exp(x)
        flat = total[:, None] * (x - np.expm1(x))
        mixed = np.zeros_like(x)
        for arm in range(len(share)):
            terms = [
                np.log(w) + part[:, arm, None] * r - level * share[arm] * s
                for w, s, r in zip(weights, step, log_rho, strict=True)
            ]
            top = np.maximum.reduce(terms)
            mixed += top + np.log(sum(np.exp(term - top) for term in terms))
        result[first : first + CHUNK] = _log_sum(flat + mixed) - _log_sum(flat)
    return result


def _states(fraction: float, altered: float) -> tuple[Floats, Floats, Floats]:
    """Chance of loss, none and gain; rho - 1 of each; log rho."""
    step = fraction * np.array([-1.0, 0.0, 1.0]) / 2
    return np.array([altered / 2, 1 - altered, altered / 2]), step, np.log1p(step)


def _log_sum(values: Floats) -> Floats:
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.exp(values - top[:, None]).sum(axis=1)))


def draw_counts(
    n: int, share: Floats, *, fraction: float, altered: float, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Counts per arm of random arm-level tumors and the mean squared deviation of each profile.

    Multinomial with the total ``n``; a fraction of 0 gives healthy plasma.
    """
    copies = rng.choice(
        [1.0, 2.0, 3.0], size=(draws, len(share)), p=[altered / 2, 1 - altered, altered / 2]
    )
    weight = share * (1 + fraction * (copies - 2) / 2)
    mean = copies @ share
    deviation = np.sum(share * (copies - mean[:, None]) ** 2, axis=1)
    return rng.multinomial(n, weight / weight.sum(1, keepdims=True)).astype(float), deviation


def power(
    n: int, *, fraction: float, altered: float, rng: np.random.Generator, draws: int = DRAWS
) -> dict[str, float]:
    """Power of both tests at 1 % false positives, by simulation; exact binomial interval of (b).

    The threshold is the 99th centile of ``draws`` healthy genomes and has an error of its own:
    at 10,000 draws the true share of false positives is 0.8-1.2 %.
    """
    share = tumors.arm_sizes()
    healthy, _ = draw_counts(n, share, fraction=0.0, altered=altered, draws=draws, rng=rng)
    ill, deviation = draw_counts(n, share, fraction=fraction, altered=altered, draws=draws, rng=rng)
    blank = log_ratio(healthy, share, fraction=fraction, altered=altered)
    threshold = np.quantile(blank, 1 - FALSE_POSITIVES)
    found = int(np.sum(log_ratio(ill, share, fraction=fraction, altered=altered) > threshold))
    z = known_profile_z(fraction, n, deviation)
    known = known_profile_power(z, false_positives=FALSE_POSITIVES)
    return {
        "known": float(known.mean()),
        "optimal": found / draws,
        "low": float(beta.ppf(0.025, found, draws - found + 1)) if found else 0.0,
        "high": float(beta.ppf(0.975, found + 1, draws - found)) if found < draws else 1.0,
    }


def smallest(
    n: int, *, altered: float, rng: np.random.Generator, wanted: float = 0.95, draws: int = DRAWS
) -> float:
    """Smallest TF that the best test finds in ``wanted`` of tumors, to 2 %, by bisection.

    Its power grows with TF; each step draws anew, which blurs the answer by about 1 %.
    """
    low, high = 1e-4, 0.5
    while high / low > 1.02:
        middle = float(np.sqrt(low * high))
        found = power(n, fraction=middle, altered=altered, rng=rng, draws=draws)["optimal"]
        low, high = (low, middle) if found >= wanted else (middle, high)
    return float(np.sqrt(low * high))


def run(
    *, seed: int, draws: int = DRAWS, fractions: Sequence[float] = FRACTIONS,
    depths: Sequence[float] = DEPTHS, shares: Sequence[float] = ALTERED,
) -> pd.DataFrame:  # fmt: skip
    """Power by noise, depth, altered share and TF; one row a cell."""
    rows: list[dict[str, object]] = []
    for noise, depth, altered, fraction in itertools.product(NOISE, depths, shares, fractions):
        found = power(
            sample_size(depth, noise), fraction=fraction, altered=altered, draws=draws,
            rng=np.random.default_rng([seed, 0, len(rows)]),
        )  # fmt: skip
        cell = {"noise": noise, "depth": depth, "altered": altered, "fraction": fraction}
        rows.append(cell | found)
    return pd.DataFrame(rows)


def run_smallest(
    *, seed: int, draws: int = DRAWS, depths: Sequence[float] = DEPTHS,
    shares: Sequence[float] = ALTERED,
) -> pd.DataFrame:  # fmt: skip
    """Smallest TF found in 95 % of tumors by the best test, by noise, depth and altered share."""
    rows: list[dict[str, object]] = []
    for noise, depth, altered in itertools.product(NOISE, depths, shares):
        rng = np.random.default_rng([seed, 1, len(rows)])
        found = smallest(sample_size(depth, noise), altered=altered, draws=draws, rng=rng)
        rows.append({"noise": noise, "depth": depth, "altered": altered, "fraction": found})
    return pd.DataFrame(rows)


def sample_size(depth: float, noise: str) -> int:
    """Fragments of a depth, or what they are worth beside the deviation between donors."""
    n = fragments(depth)
    return n if noise == "counting" else round(float(effective_fragments(n, tau=DONOR_TAU)))


def chapter(rows: pd.DataFrame, least: pd.DataFrame, *, draws: int = DRAWS) -> str:
    """The tables of :func:`run` and :func:`run_smallest` in Markdown with what they mean."""
    lines = [
        "## What is possible at all\n",
        f"39 arms, each gained or lost with half the altered share, {draws:,} genomes a cell, 1 % "
        "false positives. `known`: the profile is known (z = TF sqrt(N msd) / 2); `optimal`: only "
        "the distribution of tumors and the TF are known (likelihood ratio of the mixture), with "
        "the 95 % interval of the simulation at its threshold, which is itself simulated (true "
        "false positives 0.8-1.2 %). Noise `counting`: nothing but the Poisson noise of "
        "the fragments, which no method can beat. `donors`: with as many fragments less as the "
        f"deviation between 47 real donors is worth (standard deviation {DONOR_TAU} of regions of "
        f"32 Mb; at any depth at most {REGIONS / DONOR_TAU**2 / 1e6:.1f} million fragments).\n",
        "| noise | depth | altered arms | TF | known | optimal | 95 % interval |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['noise']} | {row['depth']:g}x | {row['altered']:g} | {row['fraction']:g} | "
        f"{row['known']:.3f} | {row['optimal']:.3f} | {row['low']:.3f}-{row['high']:.3f} |"
        for row in rows.to_dict("records")
    ]
    lines += [
        "\nThe smallest TF that the best test finds in 95 % of such tumors:\n",
        "| noise | depth | altered arms | TF |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['noise']} | {row['depth']:g}x | {row['altered']:g} | {row['fraction']:.4f} |"
        for row in least.to_dict("records")
    ]
    lines.append(
        "\nIt holds for this distribution: a method that knows more (the tumor's own profile, the "
        "arms its kind of cancer prefers, higher copies) can find less.\n"
    )
    return "\n".join(lines)
