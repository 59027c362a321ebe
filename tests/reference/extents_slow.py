"""Twin of ctcnv.extents.explain: every stretch of the window, one at a time, by integration."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.integrate import quad


def explain(
    observed: Sequence[float],
    expected: Sequence[float],
    core: tuple[int, int],
    *,
    phi: Sequence[float],
    gene: tuple[int, int],
) -> tuple[dict[tuple[int, int], float], float, float]:
    """Posterior of the stretches that hold the core (the window itself is the broad change), of an
    explanation elsewhere, and of a germline variant inside the gene against all of these; the
    window is all atoms."""
    n = len(observed)

    def variant(low: int, high: int, times: float) -> float:
        """Log likelihood of one level for all but a stretch that has so many times it."""
        o = sum(observed[low:high]) / phi[0]
        every_o = sum(observed) / phi[0]
        every_e = (sum(expected) + (times - 1) * sum(expected[low:high])) / phi[0]
        top = every_o / (every_e + 1)
        peak = every_o * math.log(top) - (every_e + 1) * top if every_o > 0 else 0.0
        width = 12 * math.sqrt(every_o + 1) / (every_e + 1)
        found, _ = quad(
            lambda r: math.exp(every_o * math.log(r) - (every_e + 1) * r - peak) if r > 0 else 0.0,
            max(0.0, top - width), top + width, limit=200,
        )  # fmt: skip
        return o * math.log(times) + peak + math.log(found)

    def level(low: int, high: int, *, outside: bool = False) -> float:
        inside = [low <= i < high for i in range(n)]
        o = sum(x for x, is_in in zip(observed, inside, strict=True) if is_in != outside) / phi[0]
        e = sum(x for x, is_in in zip(expected, inside, strict=True) if is_in != outside) / phi[0]
        top = o / (e + 1)
        peak = o * math.log(top) - (e + 1) * top if o > 0 else 0.0
        width = 12 * math.sqrt(o + 1) / (e + 1)
        found, _ = quad(lambda r: math.exp(o * math.log(r) - (e + 1) * r - peak) if r > 0 else 0.0,
                        max(0.0, top - width), top + width, limit=200)  # fmt: skip
        return peak + math.log(found)

    def best(low: int, high: int, *, outside: bool = False) -> float:
        inside = [i for i in range(n) if (low <= i < high) != outside]
        o, e = (sum(side[i] for i in inside) / phi[0] for side in (observed, expected))
        return o * math.log(o / e) if o > 0 else 0.0

    def odds_of(low: int, high: int) -> tuple[float, float]:
        """Over one level for all: by single atoms, and with the noise of as many atoms."""
        log = level(low, high) + level(low, high, outside=True) - flat
        gain = best(low, high) + best(low, high, outside=True) - best(0, n)
        return math.exp(log), math.exp(log - (1 - phi[0] / phi[high - low - 1]) * gain)

    def ends(edges: range, gene_edge: int) -> dict[int, float]:
        weight = {at: math.log((abs(at - gene_edge) + 2) / (abs(at - gene_edge) + 1))
                  for at in edges}  # fmt: skip
        return {at: w / sum(weight.values()) for at, w in weight.items()}

    left, right = ends(range(core[0] + 1), core[0]), ends(range(core[1], n + 1), core[1])
    cuts = range(core[0] + 1, core[1])
    every = left | {at: 1 / len(cuts) for at in cuts} | right
    holding: dict[tuple[int, int], float] = {}
    own, mass = 0.0, 0.0
    others, total = {"beside": 0.0, "inside": 0.0}, {"beside": 0.0, "inside": 0.0}
    flat = level(0, n)
    for a in every:
        for b in every:
            if a >= b or (a, b) == (0, n) or (a in cuts and b in cuts):
                continue
            prior = every[a] * every[b]
            sharp, odds = odds_of(a, b)
            if a in left and b in right:
                holding[a, b] = prior * sharp
                mass += prior * odds
                own += prior
            else:
                others["beside"] += prior * odds
                total["beside"] += prior
    among = sum(holding.values())
    holding = {stretch: value / among * mass / own for stretch, value in holding.items()}
    holding |= {(0, n): 1.0}
    whole = sum(holding.values())
    # Inside the gene: up to an inner edge from the gene's start or another, or from one to its end.
    n_cuts = len(cuts)
    for a in range(core[0], core[1]):
        for b in range(a + 1, core[1] + 1):
            if (a, b) != core and (a, b) != (0, n):
                weight = 1 / n_cuts if b == core[1] else 1 / (n_cuts + 1) / n_cuts
                others["inside"] += weight * odds_of(a, b)[1]
                total["inside"] += weight
    priors = {"beside": 0.1, "inside": 1.0}
    other = sum(priors[kind] * others[kind] / total[kind] for kind in priors if total[kind])
    elsewhere = other / (other + whole)
    narrow = [
        math.exp(variant(a, b, times) - flat)
        for a in range(gene[0], gene[1])
        for b in range(a + 1, gene[1] + 1)
        for times in (0.5, 1.5, 2.0)
        if (a, b) != gene and b - a <= core[1] - core[0]
    ]
    odds = sum(narrow) / len(narrow) if narrow else 0.0
    germline = odds / (odds + other + whole)
    return {stretch: value / whole for stretch, value in holding.items()}, elsewhere, germline
