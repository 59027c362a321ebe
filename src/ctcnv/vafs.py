"""What the mutations of a patient's baseline say later: their mean allele fraction, and the change
in the tumor's share of the DNA.

Published rules of response compare the mean variant allele fraction (VAF) under treatment with that
before. Its variants are those that have a part in the baseline's tumor fraction; each must be
listed with its reads in the later sample too, also where none shows it: a variant that is not
listed may be absent or not covered, and is never taken for zero.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import fdtri, gammaincinv, xlogy

from ctcnv.alleles import molecules

Array = NDArray[np.float64]

#: What makes two rows the same variant.
KEY = ["chrom", "start", "end", "ref", "alt"]
NAN = float("nan")
BOUNDS = (0.025, 0.975)


@dataclass(frozen=True)
class MeanVaf:
    """Mean VAF of ``n`` variants with its 95 % interval.

    value : observed; level, shape : mean and shape of the gamma distribution that has the mean and
    the variance of the posterior.
    """

    value: float
    low: float
    high: float
    n: int
    level: float
    shape: float


@dataclass(frozen=True)
class Change:
    """Mean VAF of a sample, its ratio to baseline (low, value, high), and both in words; None and
    NaN where they cannot be given, and then ``said`` tells why."""

    mean: MeanVaf | None
    ratio: tuple[float, float, float]
    said: str


def mean_vaf(depth: Array, alt: Array, *, limit: float) -> MeanVaf:
    """Mean VAF of variants of these reads, (n,) each, n of 1 or more.

    Reads count as independent molecules N' (:func:`ctcnv.alleles.molecules`, ``limit``). With the
    beta posterior of each, a = alt' + 1/2 and b = N' - alt' + 1/2, the mean of all has

        m = mean(a / (a+b)),    v = sum(a*b / ((a+b)^2 * (a+b+1))) / n^2

    and is taken as gamma distributed with these.
    """
    seen = np.array([molecules(float(a), float(d), limit=limit)
                     for a, d in zip(alt, depth, strict=True)])  # fmt: skip
    a, b = seen[:, 0] + 0.5, seen[:, 1] - seen[:, 0] + 0.5
    level = float(np.mean(a / (a + b)))
    variance = float(np.sum(a * b / ((a + b) ** 2 * (a + b + 1)))) / len(a) ** 2
    shape = level**2 / variance
    value = float(np.mean(seen[:, 0] / seen[:, 1]))
    low, high = (float(gammaincinv(shape, p)) * level / shape for p in BOUNDS)
    return MeanVaf(value, min(low, value) if value > 0 else 0.0, min(max(high, value), 1.0),
                   len(a), level, shape)  # fmt: skip


def ratio(now: MeanVaf, then: MeanVaf) -> tuple[float, float, float]:
    """Low, value and high of mean VAF over that of the baseline: of two gamma distributions

    R = (m_t / m_0) * F(2*shape_t, 2*shape_0).
    """
    value = now.value / then.value
    low, high = (
        now.level / then.level * float(fdtri(2 * now.shape, 2 * then.shape, p)) for p in BOUNDS
    )
    return (min(low, value) if value > 0 else 0.0), value, max(high, value)


def change(base: pd.DataFrame, now: pd.DataFrame, *, limit: float, min_vaf: float) -> Change:
    """The change of a sample against the baseline, from their tables MUTATIONS.

    ``min_vaf`` : the largest baseline VAF must be above this.
    """
    unknown = (NAN, NAN, NAN)
    used = base[base["used"] & (base["vaf"] > 0)]
    if used.empty:
        return Change(None, unknown, "no mutation of the tumor is known at baseline")
    if len(now) == 0:
        return Change(None, unknown, "no variants are given for this sample")
    both = used[[*KEY, "gene"]].merge(now[[*KEY, "depth", "alt_reads"]], on=KEY, how="left")
    missing = both[~(both["depth"].notna() & both["alt_reads"].notna() & (both["depth"] > 0))]
    if len(missing):
        names = [_name(row) for row in missing.to_dict("records")]
        rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return Change(None, unknown, f"{names[0]}{rest} of the baseline not listed here with "
                      "reads, list them also where no read shows them")  # fmt: skip
    found = _of(both, limit)
    if not used["vaf"].max() > min_vaf:
        return Change(found, unknown, f"no variant above {100 * min_vaf:g} % at baseline")
    low, value, high = ratio(found, _of(used, limit))
    said = f"{value:.2f} of baseline (95 % interval {low:.2f} to {high:.2f}, {_variants(found.n)})"
    return Change(found, (low, value, high), said)


def _of(rows: pd.DataFrame, limit: float) -> MeanVaf:
    return mean_vaf(rows["depth"].to_numpy(dtype=float), rows["alt_reads"].to_numpy(dtype=float),
                    limit=limit)  # fmt: skip


def _name(row: Mapping[Hashable, object]) -> str:
    place = f"{row['chrom']}:{int(str(row['start'])) + 1}"
    if not isinstance(row["gene"], str):
        return place
    # parts of a reason are divided by semicolons
    return f"{row['gene'].replace(';', ',')} {place}"


def _variants(n: int) -> str:
    return "1 variant" if n == 1 else f"{n} variants"


# The change in the tumor's share of the DNA ------------------------------------------------------


#: Ratios to baseline, log-uniform, of a variant that does not go with the tumor as a whole.
OTHERWISE = np.geomspace(1e-3, 10.0, 400)


@dataclass(frozen=True)
class Likelihood:
    """What mutations say of the ratio to baseline R = k_t / k_0 of the tumor's share of the DNA.

    With V = T*m*f / (T*C + 2*(1-T)) and the plasma ratio r of its place, V*r = m*f*k at whatever
    ploidy, copies C, copies m that carry it and share f of cells; and r - 1 goes with k, so that
    r_t = 1 + R*(r_0 - 1). Reads of a variant, given those of both samples together, are binomial:

        q(R) = R*N_t/r_t / (R*N_t/r_t + N_0/r_0).

    then, now : (n, 2) reads of the variant and depth, as independent molecules; ratio : (n,) r_0;
    follows : (n,) probability that the variant is in all tumor cells. A variant that is not may
    rise or fall on its own, so that its ratio is any of ``OTHERWISE``.
    """

    then: Array
    now: Array
    ratio: Array
    follows: Array

    def _single(self, change: Array) -> Array:
        """Likelihood of each variant at each ratio (m,): (n, m)."""
        later = np.maximum(1 + change[None, :] * (self.ratio - 1)[:, None], 0.05)
        odds = np.maximum(change[None, :], 1e-9) * (self.now[:, 1:] / later)
        odds /= (self.then[:, 1] / self.ratio)[:, None]
        share = odds / (1 + odds)
        found = self.now[:, :1] * np.log(share) + self.then[:, :1] * np.log1p(-share)
        # the largest possible one is 1
        total = self.now[:, :1] + self.then[:, :1]
        best = xlogy(self.now[:, :1], self.now[:, :1] / total)
        best += xlogy(self.then[:, :1], self.then[:, :1] / total)
        return np.asarray(np.exp(found - best))

    def at(self, change: Array) -> Array:
        """Likelihood of all variants together at each ratio, (m,)."""
        apart = self._single(OTHERWISE).mean(axis=1)[:, None]
        follows = self.follows[:, None]
        return np.asarray(np.prod(follows * self._single(change) + (1 - follows) * apart, axis=0))


def likelihood(base: pd.DataFrame, now: pd.DataFrame, *, limit: float) -> Likelihood | None:
    """What the mutations used at baseline say that are listed with their reads in both samples;
    None without any. base, now : tables MUTATIONS."""
    used = base[base["used"] & (base["vaf"] > 0) & (base["p_clonal"] > 0)]
    both = used.merge(now[[*KEY, "depth", "alt_reads"]], on=KEY, suffixes=("", "_now"))
    both = both[both["depth_now"].notna() & both["alt_reads_now"].notna()]
    both = both[both["depth_now"] > 0]
    if both.empty:
        return None
    reads = [
        np.array([molecules(float(a), float(d), limit=limit)
                  for a, d in zip(both[f"alt_reads{end}"], both[f"depth{end}"], strict=True)])
        for end in ("", "_now")
    ]  # fmt: skip
    ratio = both["ratio"].to_numpy(dtype=float)
    return Likelihood(reads[0], reads[1], np.where(ratio > 0, ratio, 1.0),
                      both["p_clonal"].to_numpy(dtype=float))  # fmt: skip


def add(
    track: pd.DataFrame, mutations: Mapping[str, pd.DataFrame], *, limit: float, min_vaf: float
) -> pd.DataFrame:
    """The TRACK table with the mean VAF of each sample and its change; as it was where no sample
    has mutations. mutations : the table MUTATIONS of each sample by name."""
    if all(table.empty for table in mutations.values()):
        return track
    frame = track.copy()
    base = mutations[str(frame.loc[frame["baseline"], "sample"].iloc[0])]
    for row in frame.index:
        found = change(base, mutations[str(frame.loc[row, "sample"])], limit=limit,
                       min_vaf=min_vaf)  # fmt: skip
        if found.mean is not None:
            frame.loc[row, ["vaf", "vaf_low", "vaf_high", "vaf_n"]] = [
                found.mean.value, found.mean.low, found.mean.high, found.mean.n,
            ]  # fmt: skip
        if frame.loc[row, "baseline"]:
            continue
        frame.loc[row, ["vaf_ratio_low", "vaf_ratio", "vaf_ratio_high"]] = found.ratio
        known = "" if np.isfinite(found.ratio[1]) else "not evaluable, "
        frame.loc[row, "reason"] = f"{frame.loc[row, 'reason']}; mean VAF: {known}{found.said}"
    return frame
