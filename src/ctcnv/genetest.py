"""What the counts say about a gene: whether its ratio is abnormal, how large it is, and how wide.

No tumor fraction takes part. The gene's own atoms are tested against healthy plasma, alone and
together with more and more of their surroundings, so that neither a narrow amplicon is diluted nor
a shallow library left without power; a significant gene is measured over all extents that its
counts allow, each by its posterior.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betainc, ndtr, ndtri, xlog1py

from ctcnv.dispersion import Dispersion
from ctcnv.extents import GERMLINE, Chromosome, Explained, explain
from ctcnv.model import GenesSettings
from ctcnv.schema import GENE_DOUBTS, chrom_key, numbered
from ctcnv.segment import Z95

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Distances of the ends that are tried from the gene grow by this factor.
GROWTH = 2.0
#: Draws behind the number of tests that the tried ends are worth: known to a fortieth.
TEST_DRAWS = 400
#: A variance this small is Poisson for any count of a shallow library.
TAU2_FLOOR = 1e-9
#: Probabilities at which the posterior of a ratio is carried through to copies.
LEVELS = (np.arange(41) + 0.5) / 41
#: The same of a normal distribution, in standard deviations.
NODES = ndtri(LEVELS)
#: Stretches that explain counts beside a gene are taken out at most so often.
ROUNDS = 5
#: Power that a sample must have for a negative to mean something.
POWER = 0.95
#: The likeliest extents that hold this share of the posterior make up the averages, at most so
#: many: a broad change leaves thousands with next to nothing each.
EXTENTS, MOST_EXTENTS = 0.9995, 200
#: An extent of so many atoms or more is measured without the atoms of its ends, which the amplicon
#: may fill in part only; of fewer, that would cost too much of it.
TRIMMED_FROM = 6
#: The gene that is tested first, at its own error rate; the others share theirs.
FIRST = "ERBB2"
NAN = float("nan")
#: Why a gene is neither changed nor unchanged for sure: a change that a variant of the germline
#: would show as well; one of a part of the gene; one beside it; none, where one might be missed.
NARROW, PARTIAL, BESIDE, NOT_EXCLUDED = DOUBTS = GENE_DOUBTS


@dataclass(frozen=True)
class Measured:
    """What the counts say about one gene, before any tumor fraction.

    core_bins : atoms of the gene alone; core_ratio : their ratio; n_bins, observed, expected : of
    the likeliest extent; ratio, low, high : median and 95 % interval of the posterior of the ratio
    over the extents; nodes : (41,) its quantiles at LEVELS; z, p_value : against healthy plasma;
    width, width_low, width_high : bp of the amplicon, None when it is not focal; p_focal :
    probability that the change is focal, NaN when there is none; focal : None when not told;
    arm_ratio, rest_ratio, near_ratio : of the rest of the arm, of the chromosome, and of what lies
    near its centromere; doubt : why the gene is
    neither changed nor unchanged for sure, None when it is; test : what an amplicon would have had
    to show; own : what the atoms show that every amplicon of the gene holds.
    """

    core_bins: int
    n_bins: int
    observed: float
    expected: float
    core_ratio: float
    ratio: float
    low: float
    high: float
    nodes: Array
    z: float
    p_value: float
    width: int | None
    width_low: int | None
    width_high: int | None
    focal: bool | None
    p_focal: float
    arm_ratio: float
    rest_ratio: float
    near_ratio: float
    normal_copies: int
    doubt: str | None
    test: Test | None
    own: OwnAtoms | None

    def not_altered(self) -> Measured:
        """The same without what is said of a change only."""
        return replace(self, width=None, width_low=None, width_high=None, focal=None, p_focal=NAN)


@dataclass(frozen=True)
class Test:
    """The test as an amplicon of a width meets it.

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


@dataclass(frozen=True)
class OwnAtoms:
    """The atoms that every amplicon of a gene holds.

    observed, expected : fragments; atoms : how many; share : of them that an amplicon fills at
    least; dispersion : of the gene's region.
    """

    observed: float
    expected: float
    atoms: int
    share: float
    dispersion: Dispersion

    def as_few(self, ratio: Array) -> Array:
        """Probability that amplicons of these ratios leave no more fragments than were counted.

        P(X <= o), X negative binomial with mean E * (1 + share * (r - 1)).
        """
        return lower_tail(self.observed, self._mean(ratio), self._tau2)

    def nearly_as_few(self, ratio: Array) -> Array:
        """The same to ``FEW_ERROR``, from a table: many ratios in a tenth of the time."""
        return np.interp(self._mean(ratio), *self._table)

    def _mean(self, ratio: Array) -> Array:
        return self.expected * np.maximum(1 + self.share * (ratio - 1), 0.0)

    @cached_property
    def _tau2(self) -> float:
        return max(float(self.dispersion.at(self.atoms)) ** 2, TAU2_FLOOR)

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """Means, and P(X <= o) at each: steps of x = 2 asinh(sqrt(mean tau^2)) / tau, in which a
        negative binomial has the standard deviation 1 whatever its mean is."""
        tau = self._tau2**0.5
        seen = 2 * np.arcsinh((self.observed * self._tau2) ** 0.5) / tau
        x = np.arange(max(seen - FEW_RANGE, 0.0), seen + FEW_RANGE, FEW_STEP)
        means = np.sinh(x * tau / 2) ** 2 / self._tau2
        return means, lower_tail(self.observed, means, self._tau2)


#: Of the table of how likely so few fragments are: its reach to both sides of what was observed and
#: its steps, in standard deviations, and what it is wrong by at most (step^2 / 8 of the curvature).
FEW_RANGE, FEW_STEP, FEW_ERROR = 10.0, 0.02, 5e-5
#: A gene without a usable atom.
UNSEEN = Measured(
    core_bins=0, n_bins=0, observed=NAN, expected=NAN, core_ratio=NAN, ratio=NAN, low=NAN, high=NAN,
    nodes=np.full(len(LEVELS), NAN), z=NAN, p_value=NAN, width=None, width_low=None,
    width_high=None, focal=None, p_focal=NAN, arm_ratio=NAN, rest_ratio=NAN, near_ratio=NAN,
    normal_copies=2, doubt=None, test=None, own=None,
)  # fmt: skip


def measure(
    profile: pd.DataFrame,
    gene_table: pd.DataFrame,
    *,
    dispersion: Dispersion,
    settings: GenesSettings,
    excess: Mapping[str, float] | None = None,
) -> list[Measured]:
    """Ratio, width and significance of each gene of the table, in its order.

    excess : by gene, the standard deviation that healthy plasma shows at the gene's very region
    beyond that of regions of its size; 0 where nothing is given.
    """
    given = excess or {}
    return [
        UNSEEN
        if place is None
        else _measure_one(place, dispersion, given.get(str(name), 0.0), settings)
        for name, place in zip(gene_table["gene"], _places(profile, gene_table), strict=True)
    ]


def _places(profile: pd.DataFrame, gene_table: pd.DataFrame) -> list[Place | None]:
    """Where the genes of the table lie, None without a usable atom."""
    code, names = numbered(profile["chrom"])
    expected = profile["expected"].to_numpy(dtype=float)
    used = np.flatnonzero((expected > 0) & (code >= 0))
    # chromosome by chromosome; mostly they already are
    used = used[np.argsort(code[used], kind="stable")]
    edges = np.searchsorted(code[used], np.arange(len(names) + 1)).tolist()
    of_key = {chrom_key(str(name)): used[edges[i] : edges[i + 1]] for i, name in enumerate(names)}
    columns = [
        *(profile[side].to_numpy(dtype=np.int64) for side in ("start", "end")),
        profile["observed"].to_numpy(dtype=float), expected,
        profile["normal_copies"].to_numpy(dtype=np.int64),
    ]  # fmt: skip
    chromosomes: dict[str, Chromosome] = {}
    found = []
    for gene in gene_table.to_dict("records"):
        key = chrom_key(str(gene["chrom"]))
        if key in of_key and key not in chromosomes:
            chromosomes[key] = Chromosome.of(*(column[of_key[key]] for column in columns))
        found.append(Place.of(chromosomes[key], gene) if key in of_key else None)
    return found


@dataclass(frozen=True)
class Place:
    """Where a gene lies: half-open ranges of atoms of a chromosome.

    core : the atoms it touches; inner : those of which it covers half or more, which an amplicon
    must hold (core where there are none); arm : of its chromosome arm; centromere : its middle, bp;
    filled : share of ``inner``
    that the gene fills, None where it covers no atom by half.
    """

    on: Chromosome
    core: tuple[int, int]
    inner: tuple[int, int]
    arm: tuple[int, int]
    centromere: int
    filled: float | None

    @classmethod
    def of(cls, on: Chromosome, gene: Mapping[Hashable, Any]) -> Place | None:
        """The place of a row of the gene table; None without a usable atom."""
        start, end, centromere = (int(str(gene[key])) for key in ("start", "end", "centromere"))
        low = int(np.searchsorted(on.end, start, side="right"))
        high = int(np.searchsorted(on.start, end, side="left"))
        if high <= low:
            return None
        middle = int(np.searchsorted(on.start, centromere, side="left"))
        arm = (0, middle) if start < centromere else (middle, len(on.start))
        begin, stop = on.start[low:high], on.end[low:high]
        covered = np.minimum(stop, end) - np.maximum(begin, start)
        half = low + np.flatnonzero(2 * covered >= stop - begin)
        inner = (int(half[0]), int(half[-1]) + 1) if len(half) else (low, high)
        held = half - low
        filled = covered[held].sum() / (stop - begin)[held].sum() if len(half) else None
        # An atom across the centromere belongs to the arm of the gene that lies in it.
        return cls(on, (low, high), inner, (min(arm[0], low), max(arm[1], high)), centromere,
                   filled)  # fmt: skip

    def without(self, stretch: tuple[int, int]) -> Place:
        """The same place when a stretch of atoms, not all of the gene, is taken out."""

        def moved(at: int) -> int:
            return at - max(0, min(at, stretch[1]) - stretch[0])

        core, inner, arm = ((moved(a), moved(b)) for a, b in (self.core, self.inner, self.arm))
        return replace(self, on=self.on.without(*stretch), core=core, inner=inner, arm=arm)

    def near_centromere(self, flank_bp: int) -> tuple[int, int]:
        """The atoms that lie within a distance of the centromere's middle."""
        low = int(np.searchsorted(self.on.start, self.centromere - flank_bp))
        high = int(np.searchsorted(self.on.end, self.centromere + flank_bp, side="right"))
        return low, max(low, high)

    def window(self, flank_bp: int) -> tuple[int, int]:
        """The atoms of the arm within a distance of the gene."""
        on, core = self.on, self.core
        low = int(np.searchsorted(on.end, on.start[core[0]] - flank_bp, side="right"))
        high = int(np.searchsorted(on.start, on.end[core[1] - 1] + flank_bp))
        return max(self.arm[0], low), min(self.arm[1], high)


@dataclass(frozen=True)
class _Judged:
    """A gene after its test: the place that is left when what does not hold the gene is taken out,
    the test there, what may explain the counts (None when nothing has to), and the doubt."""

    place: Place
    tested: Tested
    found: Explained | None
    doubt: str | None


def _judged(
    first: Place, extents: Extents, dispersion: Dispersion, excess: float, settings: GenesSettings
) -> _Judged:
    local = dispersion.raised(excess)
    place, tested, doubt = first, judge(extents, local, settings), None
    for _ in range(ROUNDS):
        if tested.p_value > settings.false_positive:
            break
        window = place.window(settings.flank_bp)
        found = explain(place.on, place.inner, window, phi=_phi(place.on, window, dispersion),
                        gene=None if place.filled is None else place.core)  # fmt: skip
        if found.other is None or found.elsewhere <= 0.5:
            return _Judged(place, tested, found, doubt)
        # Something that does not hold the gene explains the counts better: the gene has what is
        # left of the evidence when that is taken out.
        if found.other[0] < place.inner[1] and found.other[1] > place.inner[0]:
            doubt = PARTIAL
        elif found.elsewhere < POWER and doubt is None:
            doubt = BESIDE
        place = place.without(found.other)
        tested = judge(Extents.of(place, settings), local, settings)
    return _Judged(place, tested, None, doubt)


def _measure_one(
    first: Place, dispersion: Dispersion, excess: float, settings: GenesSettings
) -> Measured:
    judged = _judged(first, Extents.of(first, settings), dispersion, excess, settings)
    local = dispersion.raised(excess)
    measured = _by_own_atoms(first, judged, local, settings)
    if judged.found is None:
        return measured
    return _over_extents(measured, first, judged, judged.found, local, settings)


def _phi(on: Chromosome, window: tuple[int, int], dispersion: Dispersion) -> Array:
    """Variance of the count of 1, 2, ... atoms over its mean in healthy plasma, as many as in the
    window:  1 + n * E * tau(n)^2, E fragments an atom."""
    low, high = window
    atoms = np.arange(1, high - low + 1)
    return 1 + atoms * on.sums(low, high)[1] / (high - low) * dispersion.at(atoms) ** 2


# The test --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tested:
    """The p-value of a gene, corrected for the extents; z of the best one when it is significant,
    else of the gene's own atoms; how many tests the extents are worth."""

    p_value: float
    z: float
    n_tests: float


@dataclass(frozen=True)
class Extents:
    """What a gene is tested with: observed and expected fragments and atoms of its extents, each
    (m,), the gene's own atoms first; n_tests : how many tests they are worth."""

    observed: Array
    expected: Array
    atoms: Array
    n_tests: float

    @classmethod
    def of(cls, place: Place, settings: GenesSettings) -> Extents:
        """Those of a place."""
        on = place.on
        low, high = tested_extents(on.start, on.end, place.core, place.arm, settings.max_extent_bp)
        within = (tuple((side - low.min()).tolist()) for side in (low, high))
        return cls(
            on.observed[high] - on.observed[low], on.expected[high] - on.expected[low],
            (high - low).astype(float), equivalent_tests(*within, settings.false_positive),
        )  # fmt: skip


def extents_of(
    profile: pd.DataFrame, gene_table: pd.DataFrame, *, settings: GenesSettings
) -> list[Extents | None]:
    """The extents of each gene of the table, in its order; None without a usable atom."""
    return [None if place is None else Extents.of(place, settings)
            for place in _places(profile, gene_table)]  # fmt: skip


def judge(extents: Extents, dispersion: Dispersion, settings: GenesSettings) -> Tested:
    """The smallest p-value of the extents, p, for the n independent tests they are worth:
    1 - (1 - p)^n (Sidak 1967)."""
    observed, expected, atoms = extents.observed, extents.expected, extents.atoms
    p_values = two_sided_p(observed, expected, dispersion.at(atoms) ** 2)
    p_value = float(-np.expm1(xlog1py(extents.n_tests, -p_values.min())))
    best = int(np.argmin(p_values)) if p_value <= settings.false_positive else 0
    sd = np.sqrt(dispersion.variance(expected[best], atoms[best]))
    return Tested(p_value, float((observed[best] / expected[best] - 1) / sd), extents.n_tests)


def tested(
    extents: Sequence[Extents | None], profile: Callable[[], pd.DataFrame],
    gene_table: pd.DataFrame, *, dispersion: Dispersion, settings: GenesSettings,
    excess: Mapping[str, float],
) -> list[Tested | None]:  # fmt: skip
    """The test of each gene of a library as of ``measure``, from its extents.

    profile : gives the library's, which is needed where a gene is significant only.
    """
    found: list[Tested | None] = []
    for number, (name, one) in enumerate(zip(gene_table["gene"], extents, strict=True)):
        more = excess.get(str(name), 0.0)
        test = None if one is None else judge(one, dispersion.raised(more), settings)
        if one is not None and test is not None and test.p_value <= settings.false_positive:
            [place] = _places(profile(), gene_table.iloc[[number]])
            if place is not None:
                test = _judged(place, one, dispersion, more, settings).tested
        found.append(test)
    return found


def tested_extents(
    start: Ints, end: Ints, core: tuple[int, int], arm: tuple[int, int], max_bp: int
) -> tuple[Ints, Ints]:
    """The gene's own atoms first, then every pair of a left and a right end at growing distances,
    as far as the arm and the focal width reach.

    start, end : (n,) of the chromosome's used atoms.  Returns (m,) first atoms and (m,) those after
    the last. A gene may lie anywhere in its amplicon; both ends are free, as one that grows to both
    sides alike is diluted by up to a half.
    """
    smallest = max(1, (core[1] - core[0]) // 2)
    steps = int(np.ceil(np.log(max(len(start) / smallest, 1.0)) / np.log(GROWTH))) + 1
    margins = np.unique(np.round(smallest * GROWTH ** np.arange(steps)).astype(np.int64))
    margins = np.concatenate([[0], margins])
    lows = np.unique(np.maximum(arm[0], core[0] - margins))[::-1]
    highs = np.unique(np.minimum(arm[1], core[1] + margins))
    low, high = (side.ravel() for side in np.meshgrid(lows, highs, indexing="ij"))
    focal = end[high - 1] - start[low] <= max_bp
    focal[0] = True
    return low[focal], high[focal]


def overlaps(low: Ints, high: Ints) -> Array:
    """Correlation of the ratios of ranges that all hold the gene, (m, m): the atoms in both, over
    the root of the product of those in each."""
    both = np.minimum.outer(high, high) - np.maximum.outer(low, low)
    each = np.diagonal(both)
    return np.asarray(both / np.sqrt(np.outer(each, each)))


@lru_cache(maxsize=1024)
def equivalent_tests(low: tuple[int, ...], high: tuple[int, ...], false_positive: float) -> float:
    """How many independent tests those of overlapping ranges are worth, at an error rate.

    low, high : (m,) ranges of atoms that all hold the gene; their deviations are normal and
    correlated by ``overlaps``. With c the critical value of the error rate,

        n = P(any z > c) / P(one z > c) = m * mean of 1 / (ranges beyond c),

    the mean over draws in which one of the ranges, each as often, was made to lie beyond c (Naiman
    and Priebe 2001, J Comput Graph Stat 10:296). The draws are the same in every run.
    """
    m = len(low)
    if m == 1:
        return 1.0
    first, last = np.array(low), np.array(high)
    correlation = overlaps(first, last)
    rng = np.random.default_rng(0)
    edges, at = np.unique(np.concatenate([first, last]), return_inverse=True)
    steps = rng.standard_normal((TEST_DRAWS, len(edges) - 1)) * np.sqrt(np.diff(edges))
    walk = np.concatenate([np.zeros((TEST_DRAWS, 1)), np.cumsum(steps, axis=1)], axis=1)
    z = (walk[:, at[m:]] - walk[:, at[:m]]) / np.sqrt(last - first)
    chosen = np.arange(TEST_DRAWS) * m // TEST_DRAWS
    share, own = rng.random(TEST_DRAWS), z[np.arange(TEST_DRAWS), chosen]
    n = float(m)
    for _ in range(2):  # the critical value is that of so many tests
        single = false_positive / (2 * n)
        beyond = -ndtri(single * (1 - share))
        moved = z + correlation[chosen] * (beyond - own)[:, None]
        n = m * float(np.mean(1 / np.maximum(1, np.sum(moved > -ndtri(single), axis=1))))
    return max(1.0, n)


def two_sided_p(observed: Array, expected: Array, tau2: Array) -> Array:
    """Probability under healthy plasma of counts at least as far from expectation, two-sided.

    Negative binomial with mean E and variance E + tau2*E^2; its tails are incomplete beta
    functions, exact where a normal approximation fails for small counts:
    P(X >= k) = I_q(k, n), q = E/(n + E), n = 1/tau2.
    """
    tail = np.empty(len(observed))
    above = observed > expected
    for upper in (True, False):
        here = above == upper
        tail[here] = _tail(observed[here], expected[here], tau2[here], upper=upper)
    # The tails sum up to more than one: where that of the count's side is a half or more (it may
    # be, as the median is not the mean), the other one may be the smaller.
    for upper in (True, False):
        here = (above != upper) & (tail > 0.5)
        other = _tail(observed[here], expected[here], tau2[here], upper=upper)
        tail[here] = np.minimum(tail[here], other)
    return np.asarray(np.minimum(1.0, 2 * tail))


def _tail(observed: Array, expected: Array, tau2: Array, *, upper: bool) -> Array:
    """P(X >= k) or P(X <= k) of the negative binomial of ``two_sided_p``, (n,)."""
    if not upper:
        return lower_tail(observed, expected, tau2)
    size = 1 / np.maximum(tau2, TAU2_FLOOR)
    q = expected / (size + expected)
    return np.where(observed > 0, betainc(np.maximum(observed, 1e-300), size, q), 1.0)


def lower_tail(observed: Array | float, expected: Array, tau2: Array | float) -> Array:
    """P(X <= k) of a negative binomial with mean E and variance E + tau2*E^2, broadcast.

    I_p(n, k + 1) with p = n/(n + E), which is 1 - I_q(k + 1, n) in a quarter of the time.
    """
    size = 1 / np.maximum(tau2, TAU2_FLOOR)
    return np.asarray(betainc(size, np.asarray(observed) + 1, size / (size + expected)))


def squared_excess(extents: Sequence[Extents | None], *, dispersion: Dispersion) -> Array:
    """What a healthy library shows at each gene beyond the noise of regions of that size.

    Returns (genes, 2): sums over the extents of the test of w * x and of w, where
    x = (r - 1)^2 - var, w = 1 / var^2, var = 1/E + tau^2; over several libraries the ratio of these
    sums is the square of the gene's excess. Both are 0 where the gene has no usable atom.
    """
    found = np.zeros((len(extents), 2))
    for number, one in enumerate(extents):
        if one is None:
            continue
        variance = dispersion.variance(one.expected, one.atoms)
        weight = 1 / variance**2
        beyond = (one.observed / one.expected - 1) ** 2 - variance
        found[number] = np.sum(weight * beyond), np.sum(weight)
    return found


# The measurement -------------------------------------------------------------------------------


def _by_own_atoms(
    first: Place, judged: _Judged, dispersion: Dispersion, settings: GenesSettings
) -> Measured:
    """A gene measured by its own atoms, as long as no wider extent is known to share its change."""
    tested, on, (low, high) = judged.tested, judged.place.on, judged.place.core
    observed, expected = on.sums(low, high)
    ratio = observed / expected
    sd = float(np.sqrt(dispersion.variance(expected, high - low, ratio)))
    core_o, core_e = first.on.sums(*first.core)
    measured = replace(
        UNSEEN, core_bins=first.core[1] - first.core[0], n_bins=high - low, observed=observed,
        expected=expected, core_ratio=core_o / core_e, ratio=ratio, low=ratio - Z95 * sd,
        high=ratio + Z95 * sd, nodes=ratio + sd * NODES, z=tested.z, p_value=tested.p_value,
        normal_copies=int(first.on.copies[first.core[0]]), doubt=judged.doubt,
        own=_own_atoms(first, dispersion, settings),
    )  # fmt: skip
    return _beside(measured, first, first.core, settings.amplicon_bp, tested, dispersion, settings)


def _own_atoms(place: Place, dispersion: Dispersion, settings: GenesSettings) -> OwnAtoms:
    """What every amplicon of the gene holds; where no atom is the gene's by half, one as wide as is
    assumed fills its share of them."""
    on, (low, high) = place.on, place.inner
    observed, expected = on.sums(low, high)
    share = place.filled
    if share is None:
        bases = float(np.sum(on.end[low:high] - on.start[low:high]))
        share = min(1.0, settings.amplicon_bp / bases)
    return OwnAtoms(observed, expected, high - low, share, dispersion)


def _beside(
    measured: Measured, first: Place, extent: tuple[int, int], width: int, tested: Tested,
    dispersion: Dispersion, settings: GenesSettings,
) -> Measured:  # fmt: skip
    """With what lies beside an extent, and what an amplicon of a width would have had to show."""
    test = amplicon_test(first.on, first.core, width=width, n_tests=tested.n_tests,
                         dispersion=dispersion, settings=settings)  # fmt: skip
    return replace(
        measured, arm_ratio=_outside(first.on, extent, first.arm),
        rest_ratio=_outside(first.on, extent, (0, len(first.on.start))),
        near_ratio=_outside(first.on, extent, first.near_centromere(settings.centromere_bp)),
        test=test,
    )  # fmt: skip


def _over_extents(
    measured: Measured, first: Place, judged: _Judged, found: Explained, dispersion: Dispersion,
    settings: GenesSettings,
) -> Measured:  # fmt: skip
    """A significant gene measured over all extents, each by its posterior."""
    place, tested = judged.place, judged.tested
    on = place.on
    low, high = int(found.low[found.best]), int(found.high[found.best])
    observed, expected = on.sums(low, high)
    order = np.argsort(-found.weight, kind="stable")
    enough = int(np.searchsorted(np.cumsum(found.weight[order]), EXTENTS)) + 1
    keep = order[: min(enough, MOST_EXTENTS)]
    ratio, sd = _ratios(on, *_trimmed(found.low[keep], found.high[keep], place), dispersion)
    wanted = np.concatenate([[0.5, ndtr(-Z95), ndtr(Z95)], LEVELS])
    quantiles = mixture_quantiles(ratio, sd, found.weight[keep], wanted)
    p_focal, widths = _focality(place, found, np.sign(measured.z), dispersion, settings)
    focal = None
    if p_focal >= 1 - settings.false_positive or p_focal <= 0.5:
        focal = bool(p_focal > 0.5)
    width_low, width, width_high = (int(w) for w in widths) if focal else (None, None, None)
    broad = found.best == len(found.weight) - 1
    # In atoms of the whole chromosome, also those that were taken out on the way.
    extent = first.core if broad else (int(on.row[low]), int(on.row[high - 1]) + 1)
    inside = place.core[0] <= low and high <= place.core[1] and (low, high) != place.core
    # A change that is narrower than the gene's atoms is not taken for the tumor's as long as its
    # level is one that a variant of the germline may have.
    reached = quantiles[1] <= GERMLINE.max() and quantiles[2] >= GERMLINE.min()
    if (inside and reached) or found.germline > settings.germline:
        measured = replace(measured, doubt=NARROW)
    measured = replace(
        measured, n_bins=high - low, observed=observed, expected=expected,
        ratio=float(quantiles[0]), low=float(quantiles[1]), high=float(quantiles[2]),
        nodes=quantiles[3:], p_focal=p_focal, focal=focal, width=width, width_low=width_low,
        width_high=width_high,
    )  # fmt: skip
    return _beside(measured, first, extent, width or settings.amplicon_bp, tested, dispersion,
                   settings)  # fmt: skip


def _trimmed(
    low: NDArray[np.int64], high: NDArray[np.int64], place: Place
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Extents without the atoms of their ends, as far as these are not the gene's and there are
    enough; an end at that of the arm is no end of an amplicon."""
    wide = high - low >= TRIMMED_FROM
    cut_low = wide & (low > place.arm[0]) & (low < place.inner[0])
    cut_high = wide & (high < place.arm[1]) & (high > place.inner[1])
    return low + cut_low, high - cut_high


def _ratios(
    on: Chromosome, low: NDArray[np.int64], high: NDArray[np.int64], dispersion: Dispersion
) -> tuple[Array, Array]:
    """Ratios of extents and their standard deviations, each (k,)."""
    observed, expected = on.observed[high] - on.observed[low], on.expected[high] - on.expected[low]
    ratio = observed / expected
    return ratio, np.sqrt(dispersion.variance(expected, high - low, ratio))


def _focality(
    place: Place, found: Explained, sign: float, dispersion: Dispersion, settings: GenesSettings
) -> tuple[float, Array]:
    """Probability that a change is focal, and low, median and high of its width if it is, in bp.

    An extent is focal when it is at most ``max_extent_bp`` wide, at most half of the arm, and its
    ratio lies beyond that of the rest of the arm in the direction of the change:

        p_focal = sum over extents of posterior * Phi( sign * (r - r_rest) / sqrt(var + var_rest) )
    """
    on, (start, end) = place.on, place.arm
    width = on.end[found.high - 1] - on.start[found.low]
    atoms = found.high - found.low
    narrow = (width <= settings.max_extent_bp) & (2 * atoms <= end - start)
    # The last one is the whole window.
    narrow[-1] = False
    if not narrow.any():
        return 0.0, np.full(3, NAN)
    low, high, atoms, width = (side[narrow] for side in (found.low, found.high, atoms, width))
    ratio, sd = _ratios(on, low, high, dispersion)
    total_o, total_e = on.sums(start, end)
    rest_e = total_e - (on.expected[high] - on.expected[low])
    rest = (total_o - (on.observed[high] - on.observed[low])) / rest_e
    rest_variance = dispersion.variance(rest_e, end - start - atoms, rest)
    beyond = found.weight[narrow] * ndtr(sign * (ratio - rest) / np.sqrt(sd**2 + rest_variance))
    order = np.argsort(width, kind="stable")
    total = np.cumsum(beyond[order])
    at = np.searchsorted(total, np.array([0.025, 0.5, 0.975]) * total[-1])
    # Both ends may lie anywhere in their atoms.
    atom_bp = on.atom_bp
    widths = width[order][np.minimum(at, len(width) - 1)] + atom_bp * np.array([-1.0, 0.0, 1.0])
    return min(1.0, float(total[-1])), np.maximum(widths, 0.0)


def mixture_quantiles(means: Array, sds: Array, weights: Array, wanted: Array) -> Array:
    """Quantiles of a mixture of normal distributions.

    means, sds, weights : (k,); wanted : (m,) probabilities.  Returns (m,), found by bisection.
    """
    share = weights / weights.sum()
    reach = -float(ndtri(min(wanted.min(), 1 - wanted.max()))) + 1
    low = np.full(len(wanted), float((means - reach * sds).min()))
    high = np.full(len(wanted), float((means + reach * sds).max()))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = ndtr((middle[:, None] - means) / sds) @ share < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)


#: Halvings of the range of a quantile: to a part in 10^12.
BISECTIONS = 42


def _outside(on: Chromosome, extent: tuple[int, int], stretch: tuple[int, int]) -> float:
    """Ratio of a stretch without what an extent takes of it; NaN when nothing is left."""
    low, high = (int(np.clip(end, *stretch)) for end in extent)
    o, e = (a - b for a, b in zip(on.sums(*stretch), on.sums(low, high), strict=True))
    atoms = (stretch[1] - stretch[0]) - (high - low)
    return o / e if atoms > 0 and e > 0 else NAN


def amplicon_test(
    on: Chromosome,
    core: tuple[int, int],
    *,
    width: int,
    n_tests: float,
    dispersion: Dispersion,
    settings: GenesSettings,
) -> Test:
    """The test that an amplicon of ``width`` bp around the gene would have met.

    Where atoms are wider than the amplicon, it fills a share of them only and is diluted.
    """
    atom_bp = on.atom_bp
    atoms = min(max(core[1] - core[0], round(width / atom_bp)), len(on.start))
    # The density of fragments around the gene, not of the gene alone, which may be one atom.
    near = (max(0, core[0] - atoms), min(len(on.start), core[1] + atoms))
    expected = on.sums(*near)[1] / (near[1] - near[0]) * atoms
    deviations = float(-ndtri(settings.false_positive / (2 * n_tests)))
    critical = 1 + deviations * float(np.sqrt(dispersion.variance(expected, atoms)))
    share = min(1.0, width / (atoms * atom_bp))
    return Test(critical, expected, atoms, share, dispersion)
