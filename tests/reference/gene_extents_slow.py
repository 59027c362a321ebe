"""The ranges that a gene is tested with, one after the other in a list."""

from __future__ import annotations


def gene_extents_slow(start, end, core, arm, most):
    """Ranges of atoms, half-open, the gene's own first; each round reaches twice as far."""
    found = [core]
    margin = max(1, (core[1] - core[0]) // 2)
    while True:
        before = len(found)
        for left, right in ((1, 1), (2, 0), (0, 2)):
            low = max(arm[0], core[0] - left * margin)
            high = min(arm[1], core[1] + right * margin)
            if (low, high) not in found and end[high - 1] - start[low] <= most:
                found.append((low, high))
        if len(found) == before:
            return found
        margin *= 2
