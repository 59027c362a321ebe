"""The cancer-cell fraction of a variant by loops; twin of ``ctcnv.alleles.cell_share``."""

from __future__ import annotations

import math

STEPS = 400


def beta_middles(alt: float, depth: float) -> list[float]:
    """Middles of ``STEPS`` equal shares of the posterior of an allele fraction (Jeffreys)."""
    points = [(i + 0.5) / 40_000 for i in range(40_000)]
    logs = [(alt - 0.5) * math.log(p) + (depth - alt - 0.5) * math.log(1 - p) for p in points]
    top = max(logs)
    mass = [math.exp(value - top) for value in logs]
    whole, seen, found = sum(mass), 0.0, []
    for point, weight in zip(points, mass, strict=True):
        seen += weight / whole
        while len(found) < STEPS and seen >= (len(found) + 0.5) / STEPS:
            found.append(point)
    return found


def cell_share(
    alt: int, depth: int, cells: list[tuple[float, float]], *, copies: int, single_copy: float,
    clonal: float,
) -> list[float]:  # fmt: skip
    """Quantiles 0.025, 0.5 and 0.975 where the place has so many copies for certain; cells are
    pairs of fraction and weight."""
    draws: list[tuple[float, float]] = []
    vafs = beta_middles(alt, depth)
    for fraction, weight in cells:
        dna = fraction * copies + 2 * (1 - fraction)
        explained = {}
        for m in range(1, copies + 1):
            prior = 1.0 if copies == 1 else single_copy if m == 1 else (
                (1 - single_copy) / (copies - 1))  # fmt: skip
            explained[m] = clonal * prior * _reads(alt, depth, fraction * m / dna)
        explained[1] += (1 - clonal) * sum(
            _reads(alt, depth, fraction * (i + 0.5) / 2000 / dna) / 2000 for i in range(2000)
        )
        whole = sum(explained.values())
        for m, likelihood in explained.items():
            for vaf in vafs:
                draws.append((vaf * dna / (fraction * m), weight * likelihood / whole))
    draws.sort()
    total, seen, found = sum(weight for _, weight in draws), 0.0, []
    for share, weight in draws:
        seen += weight / total
        while len(found) < 3 and seen >= (0.025, 0.5, 0.975)[len(found)]:
            found.append(share)
    return [min(share, 1.0) for share in found]


def _reads(alt: int, depth: int, vaf: float) -> float:
    logs = math.lgamma(depth + 1) - math.lgamma(alt + 1) - math.lgamma(depth - alt + 1)
    return math.exp(logs + alt * math.log(vaf) + (depth - alt) * math.log(1 - vaf))
