"""The mixture of tumor and normal DNA: what a region of C copies looks like in plasma, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Smallest tumor fraction considered; below, no shallow library tells it from zero.
MIN_FRACTION = 0.001


def ratio_of(
    copies: Array | float,
    fraction: Array | float,
    ploidy: Array | float,
    *,
    normal: Array | float = 2.0,
) -> Array:
    """Expected ratio of a region with C tumor copies, arguments broadcast:

    mu = (T*C + n*(1-T)) / n * 2 / (T*P + 2*(1-T)),  n copies in a normal cell (1 on a male's X).
    """
    of_region = (fraction * copies + normal * (1 - fraction)) / normal
    return np.asarray(of_region * 2 / (fraction * ploidy + 2 * (1 - fraction)))


def copies_of(
    ratio: Array | float,
    fraction: Array | float,
    ploidy: Array | float,
    *,
    normal: Array | float = 2.0,
) -> Array:
    """The inverse, arguments broadcast:  C = n * (r*(T*P + 2*(1-T))/2 - (1-T)) / T."""
    whole = ratio * (fraction * ploidy + 2 * (1 - fraction)) / 2
    return np.asarray(normal * (whole - (1 - fraction)) / fraction)


def dna_fraction(fraction: Array | float, ploidy: Array | float) -> Array:
    """Share of DNA from tumor cells, arguments broadcast:  T*P / (T*P + 2*(1-T))."""
    return np.asarray(fraction * ploidy / (fraction * ploidy + 2 * (1 - fraction)))
