"""Whether two samples come from one person: sex, germline copy number, and SNPs if given.

Every part is a likelihood ratio, one person over two people of one population; they are independent
and their logarithms add up. Nothing that a tumor does may count as another person:

- sex: X and Y of both samples, with the rate at which sex is told wrongly.
- germline copy number: a deletion or duplication of the germline has 1/2 or 3/2 of the local level
  in full, whatever the tumor fraction, and is there in every sample of the person. Two chains along
  the genome, one with a germline of its own for each sample and one with a common germline; in both
  each sample has events of the tumor, of any height, of its own.
- SNPs: one read of each sample at a site, so that depth and allelic imbalance of the tumor count
  for nothing. With the frequency p of the alternative allele and both reads of one genotype,

      P(agree | one person) = 1 - p(1-p),     P(agree | two people) = 1 - 2p(1-p)

  before errors of reads. A tumor that has lost an allele only makes the reads agree more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.special import gammaln

from ctcnv import display
from ctcnv.compiled import compiled
from ctcnv.dispersion import Dispersion
from ctcnv.model import IdentitySettings
from ctcnv.schema import chrom_keys, is_autosome

Array = NDArray[np.float64]
NAN = float("nan")
LN10 = math.log(10)

#: Narrowest window of the germline's chain, and expected fragments that it must hold; a window
#: beyond the widest sees no germline variant of a usual size.
WINDOW_BP, WINDOW_FRAGMENTS, WIDEST_BP = 50_000, 30, 200_000
#: Bases around a window whose median ratio is its level: wider than germline variants, narrower
#: than what a tumor gains or loses.
AROUND_BP = 4_000_000
#: Usual length of a germline variant, and of a focal event of a tumor.
LENGTH_BP = 200_000
#: Focal events of a tumor per genome, where one is detected and where none is.
TUMOR_EVENTS = {True: 30.0, False: 0.3}
#: Highest ratio to the level that a tumor's event may have with equal weight.
HIGHEST = 4.0
#: Degrees of freedom of a window's noise: heavy, so that no single window decides.
TAIL_DF = 4.0
#: Ratio to the level of the states of the germline: as everybody, one copy less, one more.
STATES = np.array([1.0, 0.5, 1.5])


@dataclass(frozen=True)
class Part:
    """What one kind of evidence says: log10 of the likelihood ratio (NaN: nothing), in words."""

    log10_lr: float
    words: str


@dataclass(frozen=True)
class Verdict:
    """Of one sample against another: same, different or not_evaluable, the sum, and the parts."""

    identity: str
    log10_lr: float
    parts: Sequence[Part]

    @property
    def reason(self) -> str:
        """The parts in one line."""
        return ", ".join(part.words for part in self.parts)


@dataclass(frozen=True)
class Person:
    """What is known of one sample: sex by X and Y, profile, noise, whether a tumor is detected, and
    the reads at sites (SITES), None without."""

    sample: str
    sex: str
    profile: pd.DataFrame
    dispersion: Dispersion
    detected: bool
    sites: pd.DataFrame | None = None


def compare(one: Person, other: Person, *, settings: IdentitySettings) -> Verdict:
    """One sample against another.

    same, different : the likelihood ratio is at or beyond ``10^min_log10_lr`` on that side.
    """
    parts = [
        of_sex(one.sex, other.sex, error=settings.sex_error),
        of_germline(one, other, variants=settings.germline_variants),
        of_sites(one.sites, other.sites, error=settings.read_error),
    ]
    known = [part.log10_lr for part in parts if math.isfinite(part.log10_lr)]
    said = [part for part in parts if part.words]
    total = math.fsum(known) if known else NAN
    word = "not_evaluable"
    if known and abs(total) >= settings.min_log10_lr:
        word = "same" if total > 0 else "different"
    return Verdict(word, total, said)


# Sex ---------------------------------------------------------------------------------------------


def of_sex(one: str, other: str, *, error: float) -> Part:
    """Agreement of the sexes that X and Y tell; half of the people have the other one.

    Two samples of one person differ when one of them is told wrongly (``error`` each).
    """
    if not {one, other} <= {"female", "male"}:
        return Part(NAN, "sex not known in both")
    differ = 2 * error * (1 - error)
    if one == other:
        return Part(math.log10((1 - differ) / 0.5), f"both {one}")
    return Part(math.log10(differ / 0.5), f"{one} and {other}")


# SNPs --------------------------------------------------------------------------------------------


def of_sites(one: pd.DataFrame | None, other: pd.DataFrame | None, *, error: float) -> Part:
    """The reads of two samples at common sites; tables with chrom, start, ref, alt, frequency,
    ref_reads and alt_reads, a row for each site with a read.

    A site with several reads counts as one read drawn from them: the mean over the draws.
    """
    if one is None or other is None:
        return Part(NAN, "")
    key = ["chrom", "start", "ref", "alt"]
    both = one.merge(other, on=key, suffixes=("", "_other"))
    if both.empty:
        return Part(NAN, "no site with reads in both")
    p = both["frequency"].to_numpy(dtype=float)
    of_alt = []
    for end in ("", "_other"):
        alt = both[f"alt_reads{end}"].to_numpy(dtype=float)
        of_alt.append(alt / (alt + both[f"ref_reads{end}"].to_numpy(dtype=float)))
    ratio, same, two = site_ratios(p, error=error)
    a, b = of_alt
    weight = np.stack([(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b])
    total = float((weight * ratio).sum()) / LN10
    agree = float((weight[0] + weight[3]).mean())
    return Part(total, f"{len(both):,} sites agree in {agree:.1%} (one person "
                f"{same.mean():.1%}, two people {two.mean():.1%})")  # fmt: skip


def site_ratios(frequency: Array, *, error: float) -> tuple[Array, Array, Array]:
    """ln P(a, b | one person) / P(a) P(b) of the reads ref-ref, ref-alt, alt-ref, alt-alt, (4, n),
    and the chance that two reads agree of one person and of two, (n,) each."""
    p = np.asarray(frequency, dtype=float)
    genotype = np.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2])
    alt = np.array([0.0, 0.5, 1.0])[:, None] * (1 - 2 * error) + error
    one = np.stack([1 - alt, np.broadcast_to(alt, alt.shape)])  # (2, 3, 1): chance of ref, of alt
    single = (one * genotype).sum(axis=1)
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1)]
    joint = np.stack([(one[x] * one[y] * genotype).sum(axis=0) for x, y in pairs])
    apart = np.stack([single[x] * single[y] for x, y in pairs])
    return np.log(joint / apart), joint[0] + joint[3], apart[0] + apart[3]


# Germline copy number ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Windows:
    """Windows of the autosomes: the ln density of each sample under the three states of the
    germline and under an event of its tumor, (n, 4); whether a chromosome begins, (n,)."""

    density: Array
    first: NDArray[np.bool_]


def of_germline(one: Person, other: Person, *, variants: float) -> Part:
    """Germline deletions and duplications: shared, or of one sample alone.

    variants : expected number per genome of those that a window can show, a prior.
    """
    atoms = [person.profile for person in (one, other)]
    size = window_atoms(atoms)
    if size is None:
        return Part(NAN, "bins too wide for germline copy variants")
    seen = [windows(p.profile, p.dispersion, atoms=size) for p in (one, other)]
    common = seen[0].index.intersection(seen[1].index)
    if len(common) < 100:
        return Part(NAN, "too few windows for germline copy variants")
    parts = [frame.loc[common] for frame in seen]
    density = [frame[["d0", "d1", "d2", "d3"]].to_numpy() for frame in parts]
    chrom = parts[0]["chrom"].to_numpy(dtype=object)
    first = np.append(True, chrom[1:] != chrom[:-1])
    bp = float(np.median(parts[0]["end"] - parts[0]["start"]))
    rates = variants / len(common), [TUMOR_EVENTS[p.detected] / len(common) for p in (one, other)]
    stay = math.exp(-bp / LENGTH_BP)
    alone = [
        chain([d], first, germline=rates[0], tumor=[t], stay=stay)
        for d, t in zip(density, rates[1], strict=True)
    ]
    together = chain(density, first, germline=rates[0], tumor=rates[1], stay=stay)
    found = (together - sum(alone)) / LN10
    ratio = 10 ** min(max(found, -99.0), 99.0)
    return Part(found, f"likelihood ratio of one person over two by germline copy variants "
                f"{ratio:.2g}")  # fmt: skip


def window_atoms(profiles: Sequence[pd.DataFrame]) -> int | None:
    """Atoms of a window on which both samples expect enough fragments; None when it would be
    wider than germline variants are."""
    size = 1
    for profile in profiles:
        inside = profile[is_autosome(profile["chrom"])]
        width = float(np.median(inside["end"] - inside["start"])) if len(inside) else math.inf
        expected = inside["expected"].to_numpy(dtype=float)
        expected = expected[expected > 0]
        if not len(expected):
            return None
        wanted = max(WINDOW_BP / width, WINDOW_FRAGMENTS / float(np.median(expected)))
        size = max(size, math.ceil(wanted))
        if size * width > WIDEST_BP:
            return None
    return size


def windows(profile: pd.DataFrame, dispersion: Dispersion, *, atoms: int) -> pd.DataFrame:
    """Windows of the autosomes with their ln densities (d0 to d2: states of the germline, d3: an
    event of the tumor), indexed by chromosome and start; those without expectation left out."""
    joined = display.windows(profile, atoms=atoms)
    joined = joined[is_autosome(joined["chrom"]) & joined["expected"].notna()]
    expected = joined["expected"].to_numpy(dtype=float)
    observed = joined["observed"].to_numpy(dtype=float)
    width = float(np.median(joined["end"] - joined["start"]))
    level = _level(observed / expected, joined["chrom"], round(AROUND_BP / width / 2) * 2 + 1)
    mean = expected * level
    ratio = observed / mean
    tau = float(dispersion.at([atoms])[0])
    frame = joined[["chrom", "start", "end"]].reset_index(drop=True)
    for i, state in enumerate(STATES):
        sd = np.sqrt(state / mean + (state * tau) ** 2)
        frame[f"d{i}"] = _student((ratio - state) / sd) - np.log(sd)
    # any height up to the highest; beyond it as unlikely as at its edge
    frame["d3"] = -math.log(HIGHEST)
    return frame.set_index([frame["chrom"].astype(str), frame["start"]], drop=False)


def _level(ratio: Array, chrom: pd.Series, size: int) -> Array:
    """Running median of the ratio within each chromosome; the genome's where it is 0."""
    level = np.empty(len(ratio))
    keys = chrom_keys(chrom)
    for key in pd.unique(pd.Series(keys)):
        here = np.flatnonzero(keys == key)
        level[here] = median_filter(ratio[here], size=min(size, len(here)), mode="nearest")
    return np.where(level > 0, level, max(float(np.median(ratio)), 1e-9))


def _student(z: Array) -> Array:
    """ln density of Student's t with TAIL_DF degrees of freedom."""
    v = TAIL_DF
    norm = gammaln((v + 1) / 2) - gammaln(v / 2) - 0.5 * math.log(v * math.pi)
    return np.asarray(norm - (v + 1) / 2 * np.log1p(z**2 / v))


def chain(
    density: Sequence[Array], first: NDArray[np.bool_], *, germline: float, tumor: Sequence[float],
    stay: float,
) -> float:  # fmt: skip
    """ln probability of the samples under one germline and a tumor each, summed over all paths.

    density : (n, 4) per sample as :class:`Windows` has it; germline, tumor : chance that an event
    begins in a window; stay : chance that it goes on. Chromosomes are independent.
    """
    move = _moves(germline, stay, states=3)
    prior = np.array([1 - germline, germline / 2, germline / 2])
    emission = np.zeros((len(first), 3))
    for table, rate in zip(density, tumor, strict=True):
        own, before = _moves(rate, stay, states=2), np.array([1 - rate, rate])
        move = np.asarray(np.kron(move, own), dtype=np.float64)
        prior = np.asarray(np.kron(prior, before), dtype=np.float64)
        both = np.stack([table[:, :3], np.broadcast_to(table[:, 3:], (len(table), 3))], axis=2)
        width = emission.shape[1] // 3
        # (n, 3 germline, states of the tumors before) x (n, 3 germline, tumor of this sample)
        emission = (emission.reshape(-1, 3, width, 1) + both[:, :, None, :]).reshape(len(first), -1)
    peak = emission.max(axis=1)
    weight = np.exp(emission - peak[:, None])
    return float(peak.sum()) + _forward(weight, first, prior, move)


@compiled
def _forward(weight: Array, first: NDArray[np.bool_], prior: Array, move: Array) -> float:
    """ln of the summed probability of all paths through (n, states) weights."""
    n, k = weight.shape
    state, new, total = np.zeros(k), np.zeros(k), 0.0
    for i in range(n):
        scale = 0.0
        for j in range(k):
            before = prior[j]
            if not first[i]:
                before = 0.0
                for h in range(k):
                    before += state[h] * move[h, j]
            new[j] = before * weight[i, j]
            scale += new[j]
        total += math.log(scale)
        for j in range(k):
            state[j] = new[j] / scale
    return total


def _moves(rate: float, stay: float, *, states: int) -> Array:
    """Transition matrix: from the usual state events begin, and each goes on or ends."""
    move = np.zeros((states, states))
    move[0, 0], move[0, 1:] = 1 - rate, rate / (states - 1)
    for i in range(1, states):
        move[i, i], move[i, 0] = stay, 1 - stay
    return move


def add(track: pd.DataFrame, verdicts: dict[str, Verdict]) -> pd.DataFrame:
    """The TRACK table with what was found of each sample by name against the baseline."""
    frame = track.copy()
    for index, sample in enumerate(frame["sample"]):
        if sample not in verdicts:
            continue
        found = verdicts[sample]
        row = frame.index[index]
        frame.loc[row, "identity"] = found.identity
        frame.loc[row, "identity_lr"] = found.log10_lr
        word = {"same": "the person of the baseline", "different": "not the person of the baseline",
                "not_evaluable": "not evaluable"}[found.identity]  # fmt: skip
        said = f"identity: {word} ({found.reason})" if found.reason else f"identity: {word}"
        frame.loc[row, "reason"] = f"{frame.loc[row, 'reason']}; {said}"
    return frame
