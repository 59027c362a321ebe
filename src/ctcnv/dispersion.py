"""How much the ratio of a region varies: counting noise plus what the normals show beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dispersion:
    """Over-dispersion by region size.

    atoms : (k,) region sizes, increasing; tau : (k,) standard deviation of the ratio of such
    regions beyond counting noise, as a share of the ratio.
    """

    atoms: Array
    tau: Array

    def __post_init__(self) -> None:
        if len(self.atoms) == 0 or len(self.atoms) != len(self.tau):
            raise ValueError("a dispersion needs as many sizes as values, and at least one")
        if np.any(np.diff(self.atoms) <= 0) or not np.all(np.isfinite(self.tau)):
            raise ValueError("the sizes of a dispersion must increase and its values be known")

    def at(self, atoms: ArrayLike) -> Array:
        """tau for regions of these sizes; interpolated in log size, constant beyond the ends."""
        sizes = np.maximum(np.asarray(atoms, dtype=float), 1e-9)
        return np.asarray(np.interp(np.log(sizes), np.log(self.atoms), self.tau))

    def variance(self, expected: ArrayLike, atoms: ArrayLike, ratio: ArrayLike = 1.0) -> Array:
        """Variance of observed/expected:  r / E + (r * tau)^2  (Poisson plus over-dispersion).

        The ratio is at least 1/E, one fragment: where none was counted, some could have been.
        """
        counts = np.asarray(expected, dtype=float)
        with np.errstate(divide="ignore"):
            level = np.maximum(np.asarray(ratio, dtype=float), 1 / counts)
        with np.errstate(divide="ignore"):
            return np.asarray(level / counts + (level * self.at(atoms)) ** 2)

    def frame(self) -> pd.DataFrame:
        """The two columns of the table ``pon_dispersion``."""
        return pd.DataFrame({"atoms": self.atoms.astype(int), "tau": self.tau})

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Dispersion:
        """From the table ``pon_dispersion``."""
        return cls(frame["atoms"].to_numpy(dtype=float), frame["tau"].to_numpy(dtype=float))

    def raised(self, excess: float) -> Dispersion:
        """That of a region which varies more than others of its size:  sqrt(tau^2 + excess^2)."""
        return Dispersion(self.atoms, np.hypot(self.tau, excess)) if excess > 0 else self

    def at_least(self, other: Dispersion) -> Dispersion:
        """The larger of two dispersions at each size: a sample noisier than the panel says so."""
        sizes = np.union1d(self.atoms, other.atoms)
        return Dispersion(sizes, np.maximum(self.at(sizes), other.at(sizes)))
