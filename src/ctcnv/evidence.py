"""What one sample says about its tumor fraction: windows with their noise, and where copies may
change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from ctcnv.dispersion import Dispersion
from ctcnv.genome import arm_starts
from ctcnv.model import FractionSettings
from ctcnv.normalize import Windows, used_atoms, windows
from ctcnv.robust import running_median
from ctcnv.segment import window_atoms

Array = NDArray[np.float64]

#: Genome-wide windows without which nothing can be said.
MIN_WINDOWS = 20
#: Windows of the running median, and how far out of it a window may lie. Counting noise reaches 5
#: standard deviations once in two million windows.
NEIGHBOURS, ISOLATED_SD = 11, 5.0


@dataclass(frozen=True)
class Evidence:
    """Windows of one sample as the model sees them, each (n,).

    ratio; counting : 1/expected; tau2 : squared over-dispersion; first, arm : whether a chromosome,
    an arm begins; inflation : by how much neighbouring windows fail to be independent.
    """

    ratio: Array
    counting: Array
    tau2: Array
    first: NDArray[np.bool_]
    arm: NDArray[np.bool_]
    inflation: float

    def variance(self, ratio: Array | float = 1.0) -> Array:
        """Variance of a window of this ratio as if windows were independent, (n,)."""
        return np.asarray(ratio * self.counting + ratio**2 * self.tau2)


def evidence(
    profile: pd.DataFrame,
    *,
    dispersion: Dispersion,
    settings: FractionSettings,
    max_windows: int,
) -> Evidence | None:
    """Autosomal windows of the profile; None when there are too few."""
    summed = evidence_windows(profile, settings=settings, max_windows=max_windows)
    if summed is None:
        return None
    return evidence_of(summed, dispersion=dispersion, breakpoints=settings.breakpoints)


def evidence_windows(
    profile: pd.DataFrame, *, settings: FractionSettings, max_windows: int
) -> Windows | None:
    """Windows that hold enough fragments, ``max_windows`` at most; None when there are too few."""
    size = _window_size(profile, settings=settings, max_windows=max_windows)
    if size is None:
        return None
    summed = windows(profile, atoms=size, arms=True)
    return None if len(summed.ratio) < MIN_WINDOWS else summed


def evidence_of(summed: Windows, *, dispersion: Dispersion, breakpoints: float) -> Evidence:
    """The model's view of given windows.

    The over-dispersion of a library comes in waves: K neighbouring windows do not average out as K
    independent ones. ``inflation`` is the variance of a region of typical segment size over what
    independence would give, and multiplies the variance of every window.
    """
    n = len(summed.ratio)
    first = np.concatenate([[True], summed.chrom[1:] != summed.chrom[:-1]])
    counting = 1 / summed.expected
    tau2 = dispersion.at(summed.atoms) ** 2
    block = int(np.clip(round(n / breakpoints), 1, n))
    atoms = float(np.median(summed.atoms))
    block_tau = float(dispersion.at(block * atoms))
    one = float(np.median(counting + tau2))
    together = block_tau**2 + float(np.median(counting)) / block
    inflation = max(1.0, together * block / one)
    arm = arm_starts(summed.start, summed.end, first)
    return Evidence(summed.ratio, counting, tau2, first, arm, inflation)


@lru_cache
def tail_scale2(tail_df: int) -> float:
    """Squared scale of Student's t with the same quartiles as a normal of variance 1.

    The over-dispersion is measured by the MAD, which the quartiles determine.
    """
    return float((ndtri(0.75) / stdtrit(tail_df, 0.75)) ** 2)


# Windows -----------------------------------------------------------------------------------------


def _window_size(
    profile: pd.DataFrame, *, settings: FractionSettings, max_windows: int
) -> int | None:
    """Atoms of a window that holds enough fragments, and of which there are not too many."""
    least = window_atoms(profile, fragments=settings.window_fragments, min_bp=1, max_bp=10**9)
    if least is None:
        return None
    return max(least, int(np.ceil(int(used_atoms(profile).sum()) / max_windows)))


def without_isolated(
    profile: pd.DataFrame, *, dispersion: Dispersion, settings: FractionSettings
) -> pd.DataFrame:
    """The profile without the atoms of isolated windows.

    They are found once, on the finest windows: on wide ones a whole arm would look isolated.
    A library is scaled by all its fragments, so that an amplicon lowers the ratio of every other
    region. The expectation of the rest is therefore scaled to the ratio that the whole had: no
    region is left to look lost, and the ploidy is that of the genome without its amplicons.
    """
    size = _window_size(profile, settings=settings, max_windows=settings.max_windows)
    if size is None:
        return profile
    summed = windows(profile, atoms=size, arms=True)
    outside = isolated(summed, dispersion=dispersion)
    if outside.all():
        return profile
    rest = summed.subset(~outside)
    scale = (rest.observed.sum() / rest.expected.sum()
             / (summed.observed.sum() / summed.expected.sum()))  # fmt: skip
    left_out = np.flatnonzero(used_atoms(profile))[np.repeat(outside, summed.atoms)]
    expected = profile["expected"].to_numpy(dtype=float) * scale
    expected[left_out] = np.nan
    return profile.assign(expected=expected)


def isolated(summed: Windows, *, dispersion: Dispersion) -> NDArray[np.bool_]:
    """Windows that stand far out of their neighbours: focal amplicons and artefacts.

    No copy state explains an amplicon of 40 copies, and one alone would make a quiet genome look
    like tumor; arms and large segments tell the fraction. A window is isolated when it differs from
    the running median of its chromosome by more than ``ISOLATED_SD`` standard deviations.
    """
    ratio = summed.ratio
    found = np.zeros(len(ratio), dtype=bool)
    sd = np.sqrt(dispersion.variance(summed.expected, summed.atoms))
    for name in pd.unique(summed.chrom):
        inside = np.flatnonzero(summed.chrom == name)
        local = running_median(ratio[inside], NEIGHBOURS)
        found[inside] = np.abs(ratio[inside] - local) > ISOLATED_SD * sd[inside] * np.sqrt(
            np.maximum(local, 1.0)
        )
    return found
