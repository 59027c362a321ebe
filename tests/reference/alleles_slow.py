"""The likelihood of a variant, one explanation at a time; twin of ``ctcnv.alleles``."""

from __future__ import annotations

import math

STEPS = 4000


def binomial(k: int, n: int, p: float) -> float:
    """P(k of n)."""
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def likelihood(
    alt: int, depth: int, fraction: float, ploidy: float, ratio: float | None, sd: float, *,
    max_copies: int, decay: float, no_copy: float, single_copy: float, clonal: float,
    background: float,
) -> float:  # fmt: skip
    """P(alt | fraction, ploidy) of one variant, by loops and sums over many small steps."""
    weights = {}
    for copies in range(max_copies + 1):
        weight = math.exp(-decay * abs(copies - round(ploidy))) * (1.0 if copies else no_copy)
        if ratio is not None:
            mu = (fraction * copies + 2 * (1 - fraction)) / (fraction * ploidy + 2 * (1 - fraction))
            weight *= math.exp(-0.5 * ((ratio - mu) / sd) ** 2)
        weights[copies] = weight
    whole = sum(weights.values())
    total = 0.0
    for copies in range(1, max_copies + 1):
        dna = fraction * copies + 2 * (1 - fraction)
        of_clonal = 0.0
        for m in range(1, copies + 1):
            prior = 1.0 if copies == 1 else single_copy if m == 1 else (
                (1 - single_copy) / (copies - 1))  # fmt: skip
            of_clonal += prior * binomial(alt, depth, fraction * m / dna)
        of_part = 0.0
        for step in range(STEPS):
            cells = (step + 0.5) / STEPS
            of_part += binomial(alt, depth, fraction * cells / dna) / STEPS
        total += weights[copies] / whole * (clonal * of_clonal + (1 - clonal) * of_part)
    of_none = 0.0
    for step in range(STEPS):
        vaf = 0.001 ** (1 - (step + 0.5) / STEPS)
        of_none += binomial(alt, depth, vaf) / STEPS
    return (1 - background) * total + background * of_none
