"""What healthy plasma of a sample's depth looks like on the sample's windows.

The normals, each corrected by a panel without it, vary by waves that many windows share. Their
covariance is carried to the windows of the sample, so that simulated healthy genomes vary as real
ones do: region by region, and over every distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import toeplitz
from scipy.sparse import csr_array

from ctcnv.dispersion import Dispersion
from ctcnv.evidence import tail_scale2
from ctcnv.normalize import Windows, used_atoms
from ctcnv.normals import Grid, Summed, window_of
from ctcnv.waves import MIN_NORMALS, Covariance, learned, usable

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class HealthyNoise:
    """Noise of healthy plasma on n windows.

    covariance : beyond counting; counting : (n,) 1/expected; df : degrees of freedom with which the
    covariance is known, infinite for one that is taken as it is.
    """

    covariance: Covariance
    counting: Array
    df: float

    def draw(self, rng: np.random.Generator, *, tail_df: int) -> Array:
        """One healthy library's deviations from 1, (n,):  axes g + sqrt(own + 1/E) t.

        g is Student's with ``df`` degrees of freedom, because the variance along each axis is known
        no better (standard normal when df is infinite); t has the tail of windows, scaled to
        variance 1 by its quartiles.
        """
        axes, own = self.covariance.axes, self.covariance.own
        finite = np.isfinite(self.df)
        k = axes.shape[1]
        wave = axes @ (rng.standard_t(self.df, size=k) if finite else rng.normal(size=k))
        alone = np.sqrt((own + self.counting) * tail_scale2(tail_df))
        return np.asarray(wave + alone * rng.standard_t(tail_df, size=len(own)))


@dataclass(frozen=True)
class Known:
    """What normals vary by on windows of their own.

    covariance : of n windows; window : (atoms,) the one in which each atom of a profile lies, -1
    outside, where the atom carries an expectation; n_normals : how many tell it.
    """

    covariance: Covariance
    window: Ints
    n_normals: int


def known_of(profile: pd.DataFrame, grid: Grid, normals: Summed) -> Known | None:
    """What the normals, (normals, m) on ``grid``, tell about the atoms of a profile; None when they
    are fewer than ``MIN_NORMALS`` or share no window."""
    inside = usable(normals)
    if len(normals.expected) < MIN_NORMALS or not inside.any():
        return None
    seen = normals.subset(inside)
    window = window_of(profile[["chrom", "start"]], grid.subset(inside))
    return Known(learned(seen.deviation, seen.expected), window, len(normals.expected))


def healthy_noise(
    profile: pd.DataFrame, summed: Windows, *, dispersion: Dispersion,
    normals: tuple[Grid, Summed] | None,
) -> HealthyNoise:  # fmt: skip
    """The noise on the windows ``summed`` of a profile, see ``noise_by``."""
    known = None if normals is None else known_of(profile, *normals)
    return noise_by(known, profile, summed, dispersion=dispersion)


def noise_by(
    known: Known | None, profile: pd.DataFrame, summed: Windows, *, dispersion: Dispersion
) -> HealthyNoise:
    """The noise on the windows ``summed`` of a profile.

    With ``MIN_NORMALS`` normals or more it is theirs, and larger where the library's dispersion is;
    without, it is what the dispersion implies.
    """
    counting = 1 / summed.expected
    if known is None:
        return HealthyNoise(implied(dispersion, summed), counting, np.inf)
    seen = carried(profile, summed, known)
    typical = float(np.mean(seen.own + np.sum(seen.axes**2, axis=1)))
    wanted = float(np.mean(dispersion.at(summed.atoms) ** 2))
    noisier = max(1.0, wanted / typical)
    scaled = Covariance(noisier * seen.own, np.sqrt(noisier) * seen.axes)
    return HealthyNoise(scaled, counting, known.n_normals - 1)


def carried(profile: pd.DataFrame, summed: Windows, known: Known) -> Covariance:
    """The covariance of the normals on the windows of a profile.

    A window's deviation is the mean of those of the normals' windows that its atoms lie in,
    weighted by what is expected there. A window that the normals do not know has the variance of a
    typical one.
    """
    found = known.covariance
    n, m = len(summed.atoms), len(found.own)
    used = np.flatnonzero(used_atoms(profile))
    cell = known.window[used]
    expected = profile["expected"].to_numpy(dtype=float)[used]
    share = _shares(np.repeat(np.arange(n), summed.atoms), cell, expected, (n, m))
    own = share.power(2) @ found.own
    own[np.diff(share.indptr) == 0] = float(np.mean(found.own + np.sum(found.axes**2, axis=1)))
    return Covariance(own, share @ _one_sign(found.axes))


def _shares(window: Ints, cell: Ints, expected: Array, shape: tuple[int, int]) -> csr_array:
    """The share that each cell has in what is expected of each window, (windows, cells), from the
    atoms; cell -1 : in none."""
    new = np.concatenate([[True], (np.diff(window) != 0) | (np.diff(cell) != 0)])
    first = np.flatnonzero(new[: len(cell)])
    total = np.add.reduceat(expected, first) if len(first) else expected
    known = first[cell[first] >= 0]
    found = csr_array((total[cell[first] >= 0], (window[known], cell[known])), shape=shape)
    found.data /= np.repeat(found.sum(axis=1), np.diff(found.indptr))
    return found


def _one_sign(axes: Array) -> Array:
    """Axes (n, k) with their largest entries positive: a direction has no sign, but a draw has, and
    the same normals shall give the same draws in every order and on every machine."""
    largest = axes[np.argmax(np.abs(axes), axis=0), np.arange(axes.shape[1])]
    return np.asarray(axes * np.where(largest < 0, -1.0, 1.0))


def implied(dispersion: Dispersion, summed: Windows) -> Covariance:
    """The covariance that an over-dispersion by region size implies.

    If the mean of k neighbours has the variance tau(k)^2, two at a distance of j windows have

        c(j) = ((j+1)^2 tau(j+1)^2 - 2 j^2 tau(j)^2 + (j-1)^2 tau(j-1)^2) / 2.

    The smallest eigenvalue of the covariance of a chromosome is what each window has for itself.
    Windows of different chromosomes share nothing.
    """
    size = float(np.median(summed.atoms))
    own = np.zeros(len(summed.atoms))
    axes = []
    for name in pd.unique(summed.chrom):
        inside = np.flatnonzero(summed.chrom == name)
        n = len(inside)
        k = np.arange(n + 1)
        total = k**2 * dispersion.at(k * size) ** 2
        shared = np.concatenate([[total[1]], np.diff(total, 2) / 2])
        power, vectors = np.linalg.eigh(toeplitz(shared))
        alone = max(0.0, float(power[0]))
        own[inside] = alone
        of_chrom = np.zeros((len(summed.atoms), n))
        # the square root of the matrix: unlike eigenvectors it has one sign on every machine
        of_chrom[inside] = (vectors * np.sqrt(np.maximum(power - alone, 0.0))) @ vectors.T
        axes.append(of_chrom)
    return Covariance(own, np.concatenate(axes, axis=1))
