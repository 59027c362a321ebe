"""Random tumor genomes made the way tumors are believed to arise, for judging the tumor fraction.

A genome is two haplotypes on cells of 100 kb. Events follow each other: chromosomes, arms,
segments and focal stretches are lost or gained, the whole genome may be doubled on the way, and
subclones take further events of their own. What this rests on ([V-abs]: abstract read):

- 88 % of 10,522 tumors are aneuploid (Taylor 2018, doi 10.1016/j.ccell.2018.03.007) [V-abs].
- The genome was doubled in 37 % of 4,934 primary tumors, and doubled ones have more of every other
  kind of event; events inside a chromosome are shorter than those that reach a telomere (Zack 2013,
  doi 10.1038/ng.2760) [V-abs]. In advanced cancer about 30 % of 9,692 (Bielski 2018,
  doi 10.1038/s41588-018-0165-1) [V-abs].
- Events that cover exactly one arm are far commoner than their length would let expect (Mermel
  2011, doi 10.1186/gb-2011-12-4-r41, figure 2b) [V, legend].
- Nearly all chromosomes are lost more often than gained (Duijf 2013, doi 10.1002/ijc.27924)
  [V-abs].
- Most recurrent losses come before the doubling, and subclonal events are pervasive (Watkins 2020,
  doi 10.1038/s41586-020-2698-6) [V-abs]; 95 % of informative tumors have subclones (Dentro 2021,
  doi 10.1016/j.cell.2021.03.009) [V-abs]. Haploid genomes leave a signature of their own (Steele
  2022, Nature 606:984) [V-abs].

Every number below that is not in this list is an assumption: the mix of kinds, the lengths within
a kind, the share of losses, the counts behind few and many, the cell fractions of subclones, and
that ploidy classes are drawn equally often. Nothing here is meant to be a prevalence. Events are
placed evenly over the arms; no chromosome has a preference, no gene is selected.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctcnv.genome import BUILDS
from ctcnv.schema import AUTOSOMES
from ctcnv.simulate import Segment, Tumor
from ctcnv.synthetic import ACROCENTRIC, CENTROMERES_MB

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Resolution of breakpoints; finer than the 1-Mb atoms, so that atoms are cut by them.
CELL_BP = 100_000
#: Ploidy classes: lowest and highest mean copies. The range asked for is 1.6 to 4.5.
PLOIDY = {
    "low": (1.6, 1.85),
    "diploid": (1.85, 2.3),
    "triploid": (2.3, 3.3),
    "tetraploid": (3.3, 4.1),
    "high": (4.1, 4.6),
}
#: Share of each class that arises by doubling; the rest by gains alone. An assumption.
DOUBLED = {"low": 0.0, "diploid": 0.0, "triploid": 0.8, "tetraploid": 1.0, "high": 1.0}
#: Fewest and most events besides those that bring the ploidy into its class. An assumption.
EVENTS = {"few": (3, 8), "many": (15, 40)}
#: Kinds of events and their shares. Arms and chromosomes dominate (Mermel 2011); the shares
#: themselves are an assumption.
KINDS = {"chromosome": 0.25, "arm": 0.35, "telomeric": 0.15, "internal": 0.15, "focal": 0.10}
#: Share of losses before and after the doubling: more before (Watkins 2020); numbers assumed.
LOSSES = {"before": 0.65, "after": 0.55}
#: Share of events before the doubling in a doubled genome. An assumption.
EARLY = 0.5
#: Shares of an arm that an event from its telomere covers, evenly.
TELOMERIC = (0.1, 0.95)
#: Length of events inside an arm and of focal ones, log-evenly: short ones are commoner.
INTERNAL_BP, FOCAL_BP = (5e6, 4e7), (2e5, 5e6)
#: Share of focal gains that are amplicons, and the copies these add, log-evenly.
AMPLICONS, AMPLICON_COPIES = 0.4, (4, 30)
#: Cells of a subclone as a share of all tumor cells.
SUBCLONE = (0.2, 0.8)
#: Ploidy is steered to within this of what was drawn; a chromosome moves it by up to 0.08.
STEERED_TO = 0.08
#: Genomes drawn before giving up; about two thirds fall into the class they were steered to.
TRIES = 200


@dataclass(frozen=True)
class Arm:
    """A chromosome arm; that of an acrocentric chromosome is all of it. 0-based, half-open, bp."""

    chrom: str
    start: int
    end: int


def _arms() -> tuple[Arm, ...]:
    lengths = next(build for build in BUILDS if build.name == "hg38").lengths
    found = []
    for key in AUTOSOMES:
        cuts = [0, lengths[key]]
        if key not in ACROCENTRIC:
            cuts.insert(1, round(CENTROMERES_MB[key] * 1e6))
        found += [Arm(f"chr{key}", a, b) for a, b in itertools.pairwise(cuts)]
    return tuple(found)


#: The 39 arms of the autosomes, in order.
ARMS = _arms()
#: Cells of each arm, the last one shorter, and the first cell of each arm and the end, (40,).
_COUNT = np.array([-(-(arm.end - arm.start) // CELL_BP) for arm in ARMS])
_FIRST = np.concatenate([[0], np.cumsum(_COUNT)])


@dataclass(frozen=True)
class Genome:
    """A tumor genome with what is true of it.

    tumor : for ctcnv.simulate.  ploidy : mean copies over the autosomes, all cells of the tumor.
    deviation : mean squared deviation of copies from the ploidy.  altered : share of the autosomes
    whose copies are not the commonest.  doubled : whether the genome was doubled on the way.
    subclonal : share of the autosomes whose copies differ between tumor cells.
    """

    tumor: Tumor
    ploidy: float
    deviation: float
    altered: float
    doubled: bool
    subclonal: float


# --- profiles -------------------------------------------------------------------------------------


def random_genome(
    rng: np.random.Generator, *, ploidy: str, events: str, subclonal: float
) -> Genome:
    """A genome of a ploidy class with few or many events, a share of them subclonal.

    ploidy : a key of PLOIDY.  events : a key of EVENTS.  subclonal : chance of each event, 0 to 1.
    Raises ValueError for another word or share.
    """
    if ploidy not in PLOIDY or events not in EVENTS or not 0 <= subclonal <= 1:
        raise ValueError(
            f"ploidy {ploidy!r}, events {events!r}, subclonal {subclonal}; expected one of "
            f"{list(PLOIDY)}, one of {list(EVENTS)} and a share from 0 to 1"
        )
    low, high = PLOIDY[ploidy]
    for _ in range(TRIES):
        clones, shares, doubled = _grow(rng, ploidy, events, subclonal)
        mean = np.tensordot(shares, [clone.sum(0) for clone in clones], axes=1)
        if low <= mean.mean() < high:
            return _genome(mean, np.ptp([clone.sum(0) for clone in clones], axis=0) > 0, doubled)
    raise ValueError(f"no genome of class {ploidy!r} in {TRIES} tries; its events leave its range")


def arm_level(rng: np.random.Generator, *, altered: float = 0.4) -> Genome:
    """Each arm gained (3 copies) or lost (1 copy) with chance ``altered / 2`` each, one at least.

    The simplest aneuploid tumor and the one behind :mod:`validation.limits`.
    """
    if not 0 < altered <= 1:
        raise ValueError(f"altered is {altered}; expected a share above 0, up to 1")
    copies = np.full(len(ARMS), 2)
    while np.all(copies == 2):
        copies = rng.choice([1, 2, 3], size=len(ARMS), p=[altered / 2, 1 - altered, altered / 2])
    cells = np.repeat(copies, _COUNT).astype(float)
    return _genome(cells, np.zeros(len(cells), dtype=bool), False)


def arm_sizes() -> Floats:
    """Share of the autosomes in each arm, (39,)."""
    size = np.array([arm.end - arm.start for arm in ARMS], dtype=float)
    return np.asarray(size / size.sum())


# --- growth ---------------------------------------------------------------------------------------


def _grow(
    rng: np.random.Generator, ploidy: str, events: str, subclonal: float
) -> tuple[list[Ints], Floats, bool]:
    """Haplotypes (2, cells) of each clone, the share of cells of each, whether it was doubled."""
    low, high = PLOIDY[ploidy]
    target = rng.uniform(low, high)
    doubled = bool(rng.random() < DOUBLED[ploidy])
    few, most = EVENTS[events]
    total = int(rng.integers(few, most + 1))
    late = int(rng.binomial(total, subclonal))
    early = int(rng.binomial(total - late, EARLY)) if doubled else 0
    trunk = np.ones((2, int(_FIRST[-1])), dtype=np.int64)
    for _ in range(early):
        _event(trunk, rng, losses=LOSSES["before"])
    if doubled:
        trunk *= 2
    _steer(trunk, target, rng, free=ploidy in ("diploid", "tetraploid"))
    for _ in range(total - late - early):
        _event(trunk, rng, losses=LOSSES["after"])
    clones, shares = [trunk], [1.0]
    # One subclone or two that do not share events: parallel branches of the tree.
    branches = int(rng.integers(1, 3)) if late else 0
    owner = rng.integers(0, max(branches, 1), late)
    for branch in range(branches):
        clone = trunk.copy()
        for _ in range(int(np.sum(owner == branch))):
            _event(clone, rng, losses=LOSSES["after"])
        share = rng.uniform(*SUBCLONE) * shares[0]
        clones.append(clone)
        shares = [shares[0] - share, *shares[1:], share]
    return clones, np.array(shares), doubled


def _steer(genome: Ints, target: float, rng: np.random.Generator, *, free: bool) -> None:
    """Lose or gain chromosomes and arms until the ploidy is near the target.

    free : leave it where it is when its class is reached without help (diploid, tetraploid).
    """
    if free and abs(genome.sum(0).mean() - round(target)) < 0.3:
        return
    while abs(away := target - genome.sum(0).mean()) > STEERED_TO:
        first, last = _place("chromosome" if rng.random() < 0.7 else "arm", rng)
        _change(genome[:, first:last], 1 if away > 0 else -1, rng, spare=True)


def _event(genome: Ints, rng: np.random.Generator, *, losses: float) -> None:
    """One event somewhere, in place."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    first, last = _place(kind, rng)
    step = -1 if rng.random() < losses else 1
    if kind == "focal" and step > 0 and rng.random() < AMPLICONS:
        step = round(_log_even(AMPLICON_COPIES, rng))
    _change(genome[:, first:last], step, rng, spare=kind != "focal")


def _place(kind: str, rng: np.random.Generator) -> tuple[int, int]:
    """First and last cell of an event."""
    number = int(rng.integers(len(ARMS)))
    if kind == "chromosome":
        key = AUTOSOMES[int(rng.integers(len(AUTOSOMES)))]
        own = [i for i, arm in enumerate(ARMS) if arm.chrom == f"chr{key}"]
        return int(_FIRST[own[0]]), int(_FIRST[own[-1] + 1])
    first, last = int(_FIRST[number]), int(_FIRST[number + 1])
    if kind == "arm":
        return first, last
    if kind == "telomeric":
        length = max(1, round((last - first) * rng.uniform(*TELOMERIC)))
        # The long arm ends at the chromosome's end; so does the one arm of an acrocentric.
        at_start = ARMS[number].start == 0 and ARMS[number].chrom[3:] not in ACROCENTRIC
        return (first, first + length) if at_start else (last - length, last)
    size = _log_even(INTERNAL_BP if kind == "internal" else FOCAL_BP, rng)
    length = min(max(1, round(size / CELL_BP)), last - first)
    start = first + int(rng.integers(last - first - length + 1))
    return start, start + length


def _log_even(limits: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]))))


def _change(region: Ints, step: int, rng: np.random.Generator, *, spare: bool) -> None:
    """Add copies to one haplotype of a region or take one away, in place.

    A haplotype that is gone cannot come back. spare : the last copy stays, as no autosomal arm is
    lost altogether.
    """
    one = int(rng.integers(2))
    if not region[one].any():
        one = 1 - one
    there = region[one] > 0
    if step < 0 and spare:
        there &= region.sum(0) > 1
    region[one] += np.where(there, step, 0)


# --- result ---------------------------------------------------------------------------------------


def _genome(copies: Floats, differing: NDArray[np.bool_], doubled: bool) -> Genome:
    """The genome of copies per cell."""
    mean = float(copies.mean())
    values, counts = np.unique(np.round(copies, 6), return_counts=True)
    common = values[np.argmax(counts)]
    return Genome(
        tumor=Tumor(_segments(copies, 4.0 if doubled else 2.0), 4.0 if doubled else 2.0),
        ploidy=mean,
        deviation=float(np.mean((copies - mean) ** 2)),
        altered=float(np.mean(np.abs(copies - common) > 1e-6)),
        doubled=doubled,
        subclonal=float(differing.mean()),
    )


def _segments(copies: Floats, base: float) -> tuple[Segment, ...]:
    """Runs of equal copies that are not ``base``; none overlaps another."""
    found = []
    for number, arm in enumerate(ARMS):
        here = copies[_FIRST[number] : _FIRST[number + 1]]
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(here)) + 1, [len(here)]])
        for first, last in itertools.pairwise(cuts.tolist()):
            if here[first] != base:
                start, end = (arm.start + at * CELL_BP for at in (first, last))
                found.append(Segment(arm.chrom, start, min(end, arm.end), float(here[first])))
    return tuple(found)
