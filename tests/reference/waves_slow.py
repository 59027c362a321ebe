"""How far each wave is out, with a free level of every block written out, and its removal."""

from __future__ import annotations

import itertools

import numpy as np

BLOCK, CENTROMERE_BP = 10, 1_500_000
TRIMMED_SD, ROUNDS, LARGEST, LEAST_SHARE = 4.0, 3, 2.0, 0.2


def blocks(chrom, start, end):
    """Lists of ten neighbouring windows of one arm; what is left joins the last of its arm."""
    found = []
    for name in dict.fromkeys(chrom):
        rows = [i for i in range(len(chrom)) if chrom[i] == name]
        gaps = [start[b] - end[a] for a, b in itertools.pairwise(rows)]
        arms = [rows]
        if gaps and max(gaps) >= CENTROMERE_BP:
            at = gaps.index(max(gaps)) + 1
            arms = [rows[:at], rows[at:]]
        for arm in arms:
            cut = [arm[i : i + BLOCK] for i in range(0, len(arm), BLOCK)]
            if len(cut) > 1 and len(cut[-1]) < BLOCK:
                cut[-2:] = [cut[-2] + cut[-1]]
            found += cut
    return found


def amplitudes(observed, expected, axes, chrom, start, end):
    """One level of every block, free, and all waves, standard normal before, are found together.

    observed, expected : (n,); axes : (n, k). Returns (k,).
    """
    typical = np.median([e for e in expected if e > 0])
    use = [i for i in range(len(expected)) if expected[i] >= LEAST_SHARE * typical]
    observed, expected, axes = observed[use], expected[use], axes[use]
    parts = blocks([chrom[i] for i in use], start[use], end[use])
    n, k = axes.shape
    floor = 1 / (sum(expected) / n)
    y = np.empty(n)
    for part in parts:
        level = max(np.median([observed[i] / expected[i] for i in part]), floor)
        for i in part:
            y[i] = observed[i] / expected[i] / level - 1
    spread = 1.4826 * np.median(np.abs(y - np.median(y)))
    variance = 1 / expected + max(0.0, spread**2 - np.median(1 / expected))
    design = np.zeros((n, len(parts) + k))
    for number, part in enumerate(parts):
        design[part, number] = 1
    design[:, len(parts) :] = axes
    prior = np.diag([0.0] * len(parts) + [1.0] * k)
    weight = 1 / variance
    for turn in range(ROUNDS):
        normal = design.T @ np.diag(weight) @ design + prior
        found = np.linalg.lstsq(normal, design.T @ (weight * y), rcond=None)[0]
        away = np.abs(y - design @ found) / np.sqrt(variance)
        if turn < ROUNDS - 1:
            limit = TRIMMED_SD * max(1.0, 1.4826 * np.median(away))
            weight = np.array([0.0 if a > limit else 1 / v
                               for a, v in zip(away, variance, strict=True)])  # fmt: skip
    return found[len(parts) :]


def without_waves(profile, chrom, start, end, axes, autosomes):
    """Expectation of each atom, (atoms,), with the waves of the windows that they begin in."""
    rows = list(profile[["chrom", "start", "observed", "expected"]].itertuples(index=False))
    seen, wanted = np.zeros(len(start)), np.zeros(len(start))
    inside = {}
    for number, (name, at, observed, expected) in enumerate(rows):
        for i in range(len(start)):
            if name == chrom[i] and start[i] <= at < end[i]:
                inside[number] = i
                if expected > 0:
                    seen[i] += observed
                    wanted[i] += expected
    deviation = axes @ amplitudes(seen, wanted, axes, chrom, start, end)
    before, after, changed = 0.0, 0.0, []
    for number, (name, _, _, expected) in enumerate(rows):
        factor = 1.0
        if name in autosomes and number in inside:
            factor = min(max(1 + deviation[inside[number]], 1 / LARGEST), LARGEST)
        changed.append(expected * factor)
        if name in autosomes and np.isfinite(expected):
            before += expected
            after += expected * factor
    return np.array([value * before / after if row[0] in autosomes else value
                     for value, row in zip(changed, rows, strict=True)])  # fmt: skip
