"""Circular binary segmentation of one stretch: every arc, its formula written out."""

from __future__ import annotations

import math


def arc_z(observed, expected, atoms, tau, low, high, i, j):
    """z of windows i..j-1 against the other windows of low..high-1.

    observed, expected, atoms : per window; tau : over-dispersion of a region of so many atoms.
    """
    inside = range(i, j)
    outside = [*range(low, i), *range(j, high)]
    o_in, e_in = sum(observed[w] for w in inside), sum(expected[w] for w in inside)
    o_out, e_out = sum(observed[w] for w in outside), sum(expected[w] for w in outside)
    level = max((o_in + o_out) / (e_in + e_out), 0.5 / (e_in + e_out))
    tau_in = tau(sum(atoms[w] for w in inside))
    tau_out = tau(sum(atoms[w] for w in outside))
    variance = level / e_in + level / e_out + level**2 * (tau_in**2 + tau_out**2)
    return abs(o_in / e_in - o_out / e_out) / math.sqrt(variance)


def best_arc_slow(observed, expected, atoms, tau, low, high, least):
    """(z, i, j) of the arc that differs most; (0, low, high) when there is none."""
    best = (0.0, low, high)
    for i in range(low, high + 1):
        for j in range(i + 1, high + 1):
            left, middle, right = i - low, j - i, high - j
            too_short = middle < least or 0 < left < least or 0 < right < least
            if too_short or left + right < least:
                continue
            z = arc_z(observed, expected, atoms, tau, low, high, i, j)
            if z > best[0]:
                best = (z, i, j)
    return best
