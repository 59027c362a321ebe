"""Copy number and call of each gene, gene first and independent of the segmentation.

The gene's own atoms are tested against healthy plasma, alone and together with more and more of
their surroundings, so that neither a narrow amplicon is diluted nor a shallow library left without
power. Two facts are kept apart: whether the ratio in plasma is abnormal (needs no tumor fraction)
and how many copies a tumor cell has (needs it, and carries its whole posterior).
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, ndtr, ndtri, xlogy

from ctcnv.dispersion import Dispersion
from ctcnv.fraction import FractionResult
from ctcnv.mixture import MIN_FRACTION, copies_of, ratio_of
from ctcnv.model import GenesSettings
from ctcnv.robust import weighted_quantile
from ctcnv.schema import GENES, chrom_key
from ctcnv.segment import Z95

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

#: Widths tried around a gene grow by this factor.
GROWTH = 2
#: A variance this small is Poisson for any count of a shallow library.
TAU2_FLOOR = 1e-9
#: Power that a sample must have for a negative to mean something.
POWER = 0.95
#: Normal quantiles at which the uncertainty of a ratio is carried through to copies.
NODES = ndtri((np.arange(41) + 0.5) / 41)
#: Tumor fractions that a quiet genome may have.
QUIET_FRACTIONS = np.geomspace(MIN_FRACTION, 1.0, 100)
#: Share of the posterior that must allow zero or more copies for the rest to be left out.
MIN_POSSIBLE = 0.01
#: Posterior cells below this share of the largest are left out of the averages.
CELL_FLOOR = 1e-6


@dataclass(frozen=True)
class Measured:
    """What the counts say about one gene, before any tumor fraction.

    core_ratio : ratio of the gene's own atoms; ratio, sd : of the chosen extent; z, p_value :
    against healthy plasma; width : bp of the amplicon or None; arm_ratio, rest_ratio : of the rest
    of the arm and of the chromosome; core_bins : atoms of the gene alone; test : what an amplicon
    would have had to show.
    """

    core_bins: int
    n_bins: int
    observed: float
    expected: float
    core_ratio: float
    ratio: float
    sd: float
    z: float
    p_value: float
    width: int | None
    focal: bool | None
    arm_ratio: float
    rest_ratio: float
    normal_copies: int
    test: Test | None


@dataclass(frozen=True)
class Test:
    """The test as an amplicon of the assumed width meets it.

    critical : ratio above which it is significant; expected, atoms : of the region tested; share :
    of the region that the amplicon fills; dispersion : of the sample.
    """

    critical: float
    expected: float
    atoms: int
    share: float
    dispersion: Dispersion

    def power(self, ratio: Array) -> Array:
        """Probability that amplicons of these ratios are found:  P(r > critical)."""
        seen = 1 + self.share * (ratio - 1)
        sd = np.sqrt(self.dispersion.variance(self.expected, self.atoms, seen))
        return np.asarray(ndtr((seen - self.critical) / sd))


NAN = float("nan")
#: A gene without a usable atom.
UNSEEN = Measured(
    core_bins=0, n_bins=0, observed=NAN, expected=NAN, core_ratio=NAN, ratio=NAN, sd=NAN, z=NAN,
    p_value=NAN, width=None, focal=None, arm_ratio=NAN, rest_ratio=NAN, normal_copies=2, test=None,
)  # fmt: skip


@dataclass(frozen=True)
class _Chromosome:
    """Used atoms of one chromosome and their prefix sums."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    observed: Array
    expected: Array
    copies: NDArray[np.int64]

    def sums(self, low: int, high: int) -> tuple[float, float]:
        """Observed and expected fragments of the atoms low..high (not included)."""
        return (float(self.observed[high] - self.observed[low]),
                float(self.expected[high] - self.expected[low]))  # fmt: skip


def call_genes(
    profile: pd.DataFrame,
    gene_table: pd.DataFrame,
    fraction: FractionResult,
    *,
    dispersion: Dispersion,
    settings: GenesSettings,
) -> pd.DataFrame:
    """The GENES table, in the order of the gene table."""
    measured = measure(profile, gene_table, dispersion=dispersion, settings=settings)
    cells = Cells.of(fraction)
    rows = [
        _row(gene, m, cells, settings=settings)
        for gene, m in zip(gene_table.to_dict("records"), measured, strict=True)
    ]
    table = pd.DataFrame(rows, columns=GENES.names)
    calls = table["call"].value_counts()
    log.info("genes: %s", ", ".join(f"{n} {call}" for call, n in calls.items()))
    return table


# Measurement -----------------------------------------------------------------------------------


def measure(
    profile: pd.DataFrame,
    gene_table: pd.DataFrame,
    *,
    dispersion: Dispersion,
    settings: GenesSettings,
) -> list[Measured]:
    """Ratio, width and significance of each gene of the table, in its order."""
    by_key = {chrom_key(str(name)): name for name in profile["chrom"].unique()}
    chromosomes: dict[str, _Chromosome] = {}
    found = []
    for gene in gene_table.to_dict("records"):
        key = chrom_key(str(gene["chrom"]))
        if key not in by_key:
            found.append(UNSEEN)
            continue
        if key not in chromosomes:
            chromosomes[key] = _chromosome(profile, str(by_key[key]))
        found.append(_measure_one(chromosomes[key], gene, dispersion, settings))
    return found


def _chromosome(profile: pd.DataFrame, name: str) -> _Chromosome:
    part = profile[(profile["chrom"] == name) & (profile["expected"] > 0)]
    return _Chromosome(
        part["start"].to_numpy(dtype=np.int64),
        part["end"].to_numpy(dtype=np.int64),
        np.concatenate([[0.0], np.cumsum(part["observed"].to_numpy(dtype=float))]),
        np.concatenate([[0.0], np.cumsum(part["expected"].to_numpy(dtype=float))]),
        part["normal_copies"].to_numpy(dtype=np.int64),
    )


def _measure_one(
    on: _Chromosome, gene: Mapping[Hashable, Any], dispersion: Dispersion, settings: GenesSettings
) -> Measured:
    start, end, centromere = (int(str(gene[key])) for key in ("start", "end", "centromere"))
    low = int(np.searchsorted(on.end, start, side="right"))
    high = int(np.searchsorted(on.start, end, side="left"))
    if high <= low:
        return UNSEEN
    arm = _arm(on, start, centromere)
    # An atom across the centromere belongs to the arm of the gene that lies in it.
    arm = (min(arm[0], low), max(arm[1], high))
    extents = symmetric_extents(on.start, on.end, (low, high), arm, settings.max_extent_bp)
    sums = [on.sums(*extent) for extent in extents]
    atoms = np.array([b - a for a, b in extents])
    observed, expected = (np.array(side) for side in zip(*sums, strict=True))
    ratios = observed / expected
    sds = np.sqrt(dispersion.variance(expected, atoms))
    p_values = two_sided_p(observed, expected, dispersion.at(atoms) ** 2)
    # A neighbour's gain is not the gene's: an extent that the gene's own atoms contradict is void.
    gene_sd = np.sqrt(dispersion.variance(expected[0], atoms[0], ratios))
    p_values = np.where(np.abs(ratios - ratios[0]) > Z95 * gene_sd, 1.0, p_values)
    best = int(np.argmin(p_values))
    n_tests = effective_tests(expected)
    p_value = float(min(1.0, p_values[best] * n_tests))
    extent, focal = extents[0], None
    if p_value <= settings.false_positive:
        sign = float(np.sign(ratios[best] - 1))
        found, own = _best_explanation(on, (low, high), arm, sign, dispersion, settings)
        if own:
            focal = found is not None and _stands_out(on, found, arm, sign, dispersion, settings)
            # A broad change is measured where it was tested, not where its noise is highest.
            extent = found if focal and found is not None else extents[best]
        else:
            # A neighbour's amplicon explains the counts better than one that holds the gene: what
            # is left is what the gene's own atoms say.
            best, p_value = 0, float(min(1.0, p_values[0] * n_tests))
    if p_value > settings.false_positive:
        best, focal = 0, None
    seen, wanted = on.sums(*extent)
    sd = float(np.sqrt(dispersion.variance(wanted, extent[1] - extent[0], seen / wanted)))
    return Measured(
        core_bins=high - low,
        n_bins=extent[1] - extent[0],
        observed=seen,
        expected=wanted,
        core_ratio=float(ratios[0]),
        ratio=seen / wanted,
        sd=sd,
        z=float((ratios[best] - 1) / sds[best]),
        p_value=p_value,
        width=int(on.end[extent[1] - 1] - on.start[extent[0]]) if focal else None,
        focal=focal,
        arm_ratio=_outside(on, extent, arm, dispersion)[0],
        rest_ratio=_outside(on, extent, (0, len(on.start)), dispersion)[0],
        normal_copies=int(on.copies[low]),
        test=amplicon_test(
            on, (low, high), n_tests=n_tests, dispersion=dispersion, settings=settings
        ),
    )


def _stands_out(
    on: _Chromosome,
    extent: tuple[int, int],
    arm: tuple[int, int],
    sign: float,
    dispersion: Dispersion,
    settings: GenesSettings,
) -> bool:
    """Whether an extent is focal: narrower than ``max_extent_bp``, significantly beyond the rest of
    its arm in the direction of the change, and not most of the arm."""
    if on.end[extent[1] - 1] - on.start[extent[0]] > settings.max_extent_bp:
        return False
    o, e = on.sums(*extent)
    sd = float(np.sqrt(dispersion.variance(e, extent[1] - extent[0], o / e)))
    arm_ratio, arm_sd = _outside(on, extent, arm, dispersion)
    critical = float(-ndtri(settings.false_positive / 2))
    beyond = sign * (o / e - arm_ratio) > critical * np.hypot(sd, arm_sd)
    return bool(beyond and (extent[1] - extent[0]) * 2 <= arm[1] - arm[0])


def _arm(on: _Chromosome, start: int, centromere: int) -> tuple[int, int]:
    """Range of the used atoms on the gene's side of the centromere."""
    middle = int(np.searchsorted(on.start, centromere, side="left"))
    return (0, middle) if start < centromere else (middle, len(on.start))


def symmetric_extents(
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    core: tuple[int, int],
    arm: tuple[int, int],
    max_bp: int,
) -> list[tuple[int, int]]:
    """The gene's own atoms, then ranges grown on both sides up to the arm and the focal width.

    start, end : (n,) of the chromosome's used atoms; ranges are half-open.
    """
    found = [core]
    margin = max(1, (core[1] - core[0]) // 2)
    while True:
        low, high = max(arm[0], core[0] - margin), min(arm[1], core[1] + margin)
        if (low, high) == found[-1] or end[high - 1] - start[low] > max_bp:
            return found
        found.append((low, high))
        margin *= GROWTH


def effective_tests(expected: Array) -> float:
    """How many independent tests the nested extents are worth (Nyholt 2004, Am J Hum Genet 74:765).

    expected : (m,) fragments of each extent, one inside the next, so that two of them correlate by
    the square root of the smaller over the larger.  M_eff = 1 + (m - 1) * (1 - Var(eigenvalues)/m).
    """
    m = len(expected)
    if m == 1:
        return 1.0
    smaller = np.minimum(expected[:, None], expected[None, :])
    correlation = np.sqrt(smaller / np.maximum(expected[:, None], expected[None, :]))
    spread = float(np.var(np.linalg.eigvalsh(correlation), ddof=1))
    return float(1 + (m - 1) * (1 - spread / m))


def two_sided_p(observed: Array, expected: Array, tau2: Array) -> Array:
    """Probability under healthy plasma of counts at least as far from expectation, two-sided.

    Negative binomial with mean E and variance E + tau2*E^2; its tails are incomplete beta
    functions, exact where a normal approximation fails for small counts:
    P(X >= k) = I_q(k, n), q = E/(n + E), n = 1/tau2.
    """
    size = 1 / np.maximum(tau2, TAU2_FLOOR)
    q = expected / (size + expected)
    upper = np.where(observed > 0, betainc(np.maximum(observed, 1e-300), size, q), 1.0)
    lower = betaincc(observed + 1, size, q)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(upper, lower)))


def _best_explanation(
    on: _Chromosome,
    core: tuple[int, int],
    arm: tuple[int, int],
    sign: float,
    dispersion: Dispersion,
    settings: GenesSettings,
) -> tuple[tuple[int, int] | None, bool]:
    """The extent that explains the counts around a gene best, and whether it holds the gene.

    Inside has one ratio, outside (the arm within ``flank_bp``) another; the log likelihood ratio
    of that step against a flat stretch, quasi-Poisson with phi the variance of an atom over its
    mean,  (sum O*log(r) inside + outside - flat) / phi,  is compared over left and right ends that
    grow apart. Extents deviate from 1 and from their surroundings in the direction ``sign``, and
    the gene's atoms must not contradict those that hold it (None when none is left). Extents beside
    the gene compete: the gene has its own when none of them is better by ``SUPPORT``.
    """
    flank_low = int(np.searchsorted(on.end, on.start[core[0]] - settings.flank_bp, side="right"))
    flank_high = int(np.searchsorted(on.start, on.end[core[1] - 1] + settings.flank_bp))
    low, high = max(arm[0], flank_low), min(arm[1], flank_high)
    left, right = np.array(_steps(core[0], low)), np.array(_steps(core[1], high))
    total_o, total_e = on.sums(low, high)
    phi = 1 + total_e / (high - low) * float(dispersion.at(1)) ** 2

    def score(a: NDArray[np.int_], b: NDArray[np.int_]) -> tuple[Array, Array]:
        """Score of the extents a..b, -inf where they do not count, and their ratios."""
        ok = (b > a) & ((b - a) < high - low)
        a, b = np.where(ok, a, low), np.where(ok, b, low + 1)
        o, e = on.observed[b] - on.observed[a], on.expected[b] - on.expected[a]
        rest_o, rest_e = total_o - o, np.maximum(total_e - e, 1e-9)
        value = (_log_ratio(o, e) + _log_ratio(rest_o, rest_e)
                 - _log_ratio(np.array(total_o), np.array(total_e))) / phi  # fmt: skip
        ratio = o / e
        ok &= (sign * (ratio - 1) > 0) & (sign * (ratio - rest_o / rest_e) > 0)
        return np.where(ok, value, -np.inf), ratio

    core_o, core_e = on.sums(*core)
    holding, ratio = score(left[:, None], right[None, :])
    gene_sd = np.sqrt(dispersion.variance(core_e, core[1] - core[0], ratio))
    holding = np.where(np.abs(ratio - core_o / core_e) > Z95 * gene_sd, -np.inf, holding)
    beside = max(
        (float(score(ends[:, None], ends[None, :])[0].max()) for ends in (np.sort(left), right)),
        default=-np.inf,
    )
    i, j = np.unravel_index(int(np.argmax(holding)), holding.shape)
    best = float(holding[i, j])
    own = not beside > max(best, 0.0) + SUPPORT
    return (int(left[i]), int(right[j])) if np.isfinite(best) else None, own


#: Log likelihood by which one extent must beat another to replace it: chi-squared of one degree of
#: freedom at 5 %, halved.
SUPPORT = 1.92


def _steps(edge: int, limit: int) -> list[int]:
    """Edges from ``edge`` to ``limit`` at geometrically growing distance."""
    distances = [0]
    while distances[-1] < abs(limit - edge):
        distances.append(min(abs(limit - edge), max(distances[-1] + 1, distances[-1] * 5 // 4)))
    sign = 1 if limit > edge else -1
    return [edge + sign * d for d in distances]


def _log_ratio(observed: Array, expected: Array) -> Array:
    """observed * log(observed / expected), 0 where nothing was observed."""
    return np.asarray(xlogy(observed, np.maximum(observed, 1e-300) / expected))


def _outside(
    on: _Chromosome,
    extent: tuple[int, int],
    stretch: tuple[int, int],
    dispersion: Dispersion,
) -> tuple[float, float]:
    """Ratio and its standard deviation of a stretch without the extent; NaN when nothing is
    left."""
    o, e = (a - b for a, b in zip(on.sums(*stretch), on.sums(*extent), strict=True))
    atoms = (stretch[1] - stretch[0]) - (extent[1] - extent[0])
    if atoms <= 0 or e <= 0:
        return float("nan"), float("nan")
    return o / e, float(np.sqrt(dispersion.variance(e, atoms, o / e)))


def amplicon_test(
    on: _Chromosome,
    core: tuple[int, int],
    *,
    n_tests: float,
    dispersion: Dispersion,
    settings: GenesSettings,
) -> Test:
    """The test that an amplicon of ``amplicon_bp`` around the gene would have met.

    Where atoms are wider than the amplicon, it fills a share of them only and is diluted.
    """
    atom_bp = float(np.median(on.end - on.start))
    atoms = min(max(core[1] - core[0], round(settings.amplicon_bp / atom_bp)), len(on.start))
    # The density of fragments around the gene, not of the gene alone, which may be one atom.
    near = (max(0, core[0] - atoms), min(len(on.start), core[1] + atoms))
    expected = on.sums(*near)[1] / (near[1] - near[0]) * atoms
    deviations = float(-ndtri(settings.false_positive / (2 * n_tests)))
    critical = 1 + deviations * float(np.sqrt(dispersion.variance(expected, atoms)))
    share = min(1.0, settings.amplicon_bp / (atoms * atom_bp))
    return Test(critical, expected, atoms, share, dispersion)


# Copies and calls ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cells:
    """The posterior of tumor fraction and ploidy given that there is tumor, and its status."""

    fraction: Array
    ploidy: Array
    weight: Array
    p_tumor: float
    status: str

    @classmethod
    def of(cls, result: FractionResult) -> Cells:
        """From the tables of the fraction step.

        Where no tumor was detected its genome may be quiet, and then the profile says nothing of
        the fraction: any is as likely as the prior has it (log-uniform, diploid).
        """
        if result.row["status"] == "not_detected":
            n = len(QUIET_FRACTIONS)
            return cls(QUIET_FRACTIONS, np.full(n, 2.0), np.full(n, 1 / n),
                       float(str(result.row["p_tumor"])), "not_detected")  # fmt: skip
        weight = result.grid["probability"].to_numpy(dtype=float)
        keep = weight > CELL_FLOOR * weight.max(initial=0.0)
        p_tumor = float(str(result.row["p_tumor"]))
        return cls(
            result.grid["fraction"].to_numpy(dtype=float)[keep],
            result.grid["ploidy"].to_numpy(dtype=float)[keep],
            weight[keep],
            p_tumor,
            str(result.row["status"]),
        )

    def copies(self, ratio: float, sd: float, normal: int) -> tuple[Array, Array, Array]:
        """Copies, ploidy and weight over cells and the uncertainty of the ratio, flattened.

        No tumor has fewer than zero copies: explanations that would need them are left out, unless
        they are all there is, which means none is left.
        """
        ratios = np.maximum(ratio + sd * NODES, 0.0)
        copies = copies_of(ratios[None, :], self.fraction[:, None], self.ploidy[:, None],
                           normal=float(normal))  # fmt: skip
        shape = copies.shape
        weight = np.broadcast_to(self.weight[:, None] / len(NODES), shape)
        possible = np.where(copies >= 0, weight, 0.0)
        if possible.sum() >= MIN_POSSIBLE * weight.sum():
            weight = possible
        return (
            np.maximum(copies, 0.0).ravel(),
            np.broadcast_to(self.ploidy[:, None], shape).ravel(),
            weight.ravel(),
        )


def copies_interval(cells: Cells, ratio: float, sd: float, normal: int) -> Array:
    """Low, median and high of the copies per tumor cell, given that there is tumor."""
    if len(cells.weight) == 0 or not np.isfinite(ratio):
        return np.full(3, np.nan)
    copies, _, weight = cells.copies(ratio, sd, normal)
    return weighted_quantile(copies, weight, np.array([0.025, 0.5, 0.975]))


def _row(
    gene: Mapping[Hashable, Any], m: Measured, cells: Cells, *, settings: GenesSettings
) -> dict[str, object]:
    row: dict[str, object] = {key: gene[key] for key in ("gene", "chrom", "start", "end")}
    normal = m.normal_copies
    row |= {
        "n_bins": m.n_bins, "observed": m.observed, "expected": m.expected,
        "pcn": normal * m.ratio, "pcn_low": max(0.0, normal * (m.ratio - Z95 * m.sd))
        if np.isfinite(m.ratio) else NAN,
        "pcn_high": normal * (m.ratio + Z95 * m.sd), "z": m.z, "p_value": m.p_value,
        "copies": NAN, "copies_low": NAN, "copies_high": NAN, "arm_copies": NAN,
        "rest_ratio": m.rest_ratio,
        "reference_ratio": NAN, "width": m.width, "focal": m.focal, "p_amplified": NAN,
        "detectable_copies": NAN,
    }  # fmt: skip
    if m.n_bins == 0:
        return row | {"call": "failed", "reason": "no usable atom at the gene"}
    if cells.status == "failed":
        return row | {"call": "failed", "reason": "the sample could not be analysed"}
    detected = cells.status == "detected"
    low, middle, high = copies_interval(cells, m.ratio, m.sd, normal)
    significant = m.p_value <= settings.false_positive
    if detected and significant and not _beyond_ploidy(cells, m):
        # Where the mean ploidy is not that of most of the genome, an unchanged gene differs from
        # the sample's mean.
        significant = False
        row |= {"width": None, "focal": None}
    row["p_amplified"] = probability_amplified(cells, m, settings=settings)
    row["detectable_copies"] = detectable_copies(cells, m)
    if detected:
        row |= {"copies": middle, "copies_low": low, "copies_high": high}
        row["arm_copies"] = copies_interval(cells, m.arm_ratio, 0.0, normal)[1]
        rest = copies_interval(cells, m.rest_ratio, 0.0, normal)[1]
        row["reference_ratio"] = middle / rest if rest > MIN_REFERENCE_COPIES else NAN
    elif significant and m.z > 0:
        # The fraction may be close to zero, so the copies have a lower bound only.
        row["copies_low"] = low
    call, reason = decide(row, significant=significant, detected=detected, settings=settings)
    return row | {"call": call, "reason": reason}


def _beyond_ploidy(cells: Cells, m: Measured) -> bool:
    """Whether the copies lie half a copy or more beyond the ploidy, on the side of the ratio, more
    likely than not."""
    copies, ploidy, weight = cells.copies(m.ratio, m.sd, m.normal_copies)
    baseline = ploidy * m.normal_copies / 2
    beyond = copies > baseline + 0.5 if m.ratio > 1 else copies < baseline - 0.5
    return bool(np.sum(weight[beyond]) >= 0.5 * np.sum(weight))


#: Below half a copy of the reference a ratio says nothing.
MIN_REFERENCE_COPIES = 0.5


def probability_amplified(cells: Cells, m: Measured, *, settings: GenesSettings) -> float:
    """P(copies >= amplified_copies and copies >= amplified_ratio * ploidy), given tumor."""
    if len(cells.weight) == 0:
        return float("nan")
    copies, ploidy, weight = cells.copies(m.ratio, m.sd, m.normal_copies)
    needed = np.maximum(settings.amplified_copies, settings.amplified_ratio * ploidy)
    return float(np.sum(weight[copies >= needed]) / np.sum(weight))


def detectable_copies(cells: Cells, m: Measured) -> float:
    """Smallest copies per tumor cell that would have been found with 95 % probability.

    The power is averaged over the posterior of fraction and ploidy; a fraction of zero shows
    nothing and takes its share of the mass. NaN when no number of copies up to ``MAX_DETECTABLE``
    reaches 95 %.
    """
    if len(cells.weight) == 0 or m.test is None:
        return float("nan")
    present = 1.0 if cells.status == "detected" else cells.p_tumor
    weight = cells.weight / cells.weight.sum() * present
    copies = np.geomspace(2.0, MAX_DETECTABLE, 200)
    ratio = ratio_of(copies[None, :], cells.fraction[:, None], cells.ploidy[:, None],
                     normal=float(m.normal_copies))  # fmt: skip
    power = weight @ m.test.power(ratio)
    if power[-1] < POWER:
        return float("nan")
    first = int(np.argmax(power >= POWER))
    if first == 0:
        return float(copies[0])
    return float(np.interp(POWER, power[first - 1 : first + 1], copies[first - 1 : first + 1]))


#: Beyond this a number of copies is no longer a biological question (HCC1954 has about 200).
MAX_DETECTABLE = 300.0


def decide(
    row: dict[str, object], *, significant: bool, detected: bool, settings: GenesSettings
) -> tuple[str, str]:
    """The call and its reason in words.

    amplified : a significant gain whose copies more likely than not reach the threshold;
    gained, lost : any other significant deviation; neutral : none, and the sample would have shown
    ``target_copies``; indeterminate : none, and it would not.
    """
    z, p_amplified = float(str(row["z"])), float(str(row["p_amplified"]))
    where = {True: "focal", False: "broad, with its arm"}.get(bool(row["focal"]), "")
    if significant and z > 0:
        known = "" if detected else "; copies are a lower bound as the tumor fraction is not known"
        if p_amplified >= 0.5:
            chance = f"probability of amplification {p_amplified:.2f}"
            return "amplified", f"{where} gain, {chance}{known}"
        return "gained", f"{where} gain below amplification (probability {p_amplified:.2f}){known}"
    if significant:
        return "lost", f"{where} loss"
    shown = float(str(row["detectable_copies"]))
    if shown <= settings.target_copies:
        return "neutral", f"no change; {shown:.1f} copies or more would have been seen"
    if np.isfinite(shown):
        return (
            "indeterminate",
            f"no change seen, but only {shown:.1f} copies or more would have been "
            f"(target {settings.target_copies:g})",
        )
    return (
        "indeterminate",
        "no change seen, but no number of copies would have been: too little tumor DNA or too "
        "shallow",
    )


def copies_by_solution(solutions: pd.DataFrame, genes: pd.DataFrame, *, gene: str) -> pd.DataFrame:
    """The SOLUTIONS table with the adjusted copies of a gene under each solution."""
    filled = solutions.copy()
    row = genes[genes["gene"] == gene]
    if len(row) and len(solutions) and np.isfinite(row["observed"].iloc[0]):
        ratio = float(row["observed"].iloc[0]) / float(row["expected"].iloc[0])
        filled["erbb2_copies"] = np.maximum(
            copies_of(ratio, filled["fraction"].to_numpy(), filled["ploidy"].to_numpy()), 0.0
        )
    return filled
