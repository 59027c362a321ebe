"""Observed and expected fragments per atom.

    expected = library size x callable bases x GC curve x mappability curve x panel factor x waves

so that every later ratio is ``sum(observed) / sum(expected)``. The curves are those of the library
itself; the factor is what the normals show at the atom after the same correction, the waves are
what they vary by together, as far as this library has them. X and Y are expected at the number of
copies that a normal cell of the inferred sex has.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.bias import Reference, bias_curve
from ctcnv.compiled import compiled
from ctcnv.dispersion import Dispersion
from ctcnv.genome import arm_starts
from ctcnv.model import NormalizeSettings
from ctcnv.robust import difference_sd, median
from ctcnv.schema import autosomal, is_autosome, numbered
from ctcnv.waves import Waves, without_waves

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)

#: Fewest fragments expected on X before anything is said about sex.
MIN_SEX_FRAGMENTS = 200


@dataclass(frozen=True)
class Panel:
    """What normalize needs of the panel of normals, row by row with the atoms.

    factor : (n,) NaN = left out; reason : (n,) text or None; n_normals : donors used; waves : what
    the donors vary by together, None to leave waves in.
    """

    factor: Array
    reason: NDArray[np.object_]
    n_normals: int
    waves: Waves | None = None


@dataclass(frozen=True)
class Normalized:
    """A profile with what was learned on the way; ``waves`` is the standard deviation of those that
    were taken out."""

    profile: pd.DataFrame
    sex: str | None
    fragments: int
    noise: float
    waves: float = 0.0

    @property
    def sufficient(self) -> bool:
        """Whether any atom carries an expectation."""
        return bool(self.profile["expected"].notna().any())

    @property
    def summary(self) -> str:
        """How many atoms and fragments stand behind the profile, in one line."""
        used = int(self.profile["expected"].notna().sum())
        return (
            f"{used} of {len(self.profile)} atoms used; {self.fragments} autosomal fragments; "
            f"sex {self.sex or 'unclear'}; waves of {100 * self.waves:.2f} % taken out; noise "
            f"{self.noise:.2f} x counting noise"
        )


def normalize(
    counts: pd.DataFrame,
    bins: pd.DataFrame,
    *,
    panel: Panel | None,
    settings: NormalizeSettings,
) -> Normalized:
    """The profile of one library: counts and bins are tables of the same atoms.

    A library with fewer fragments than ``settings.min_fragments`` gives a profile without any
    expectation, which later steps carry to the reader as "failed".
    """
    reference = Reference.of(bins)
    observed = counts["fragments"].to_numpy(dtype=float)
    factor = None if panel is None else panel.factor
    found = expectation(observed, reference, factor=factor, settings=settings)
    usable = bins["usable"].to_numpy(dtype=bool)
    reason = bins["reason"].to_numpy(dtype=object).copy()
    if panel is not None:
        left_out = usable & ~np.isfinite(panel.factor)
        reason[left_out] = panel.reason[left_out]
        usable = usable & ~left_out
    unknown_gc = usable & ~np.isfinite(reference.gc.values)
    reason[unknown_gc] = "GC not known"
    usable = usable & ~unknown_gc
    if not found.sufficient:
        log.warning("%d fragments on usable autosomal atoms: too few to say anything",
                    found.fragments)  # fmt: skip
        reason[usable] = "too few fragments"
    elif found.sex is None:
        reason[usable & reference.sexual] = "sex unclear"
    else:
        reason[usable & (found.copies == 0)] = "no Y in a female"
    reason[np.isfinite(found.expected)] = None
    profile = profile_of(bins, observed, found.expected, found.copies)
    profile = profile.assign(reason=pd.Series(reason, index=profile.index, dtype=object))
    waves = 0.0
    if panel is not None and panel.waves is not None:
        profile, waves = without_waves(profile, panel.waves)
    noise = noise_over_counting(profile)
    return Normalized(profile, found.sex, found.fragments, noise, waves)


def nothing_counted(bins: pd.DataFrame, *, reason: str) -> Normalized:
    """The profile of a sample without counts: every atom is left out for this reason."""
    n = len(bins)
    profile = profile_of(
        bins, np.zeros(n, dtype=np.int64), np.full(n, np.nan), np.full(n, 2, dtype=np.int64)
    )
    return Normalized(profile.assign(reason=pd.Series([reason] * n, dtype=object)), None, 0,
                      float("nan"))  # fmt: skip


def profile_of(
    bins: pd.DataFrame, observed: NDArray[np.integer | np.floating], expected: Array,
    copies: NDArray[np.int64],
) -> pd.DataFrame:  # fmt: skip
    """The PROFILE table of a library but for the reasons; places are shared with ``bins``."""
    places = bins.reset_index(drop=True)
    columns = {name: places[name] for name in ("chrom", "start", "end")} | {
        "observed": observed.astype(np.int64), "expected": expected, "normal_copies": copies
    }  # fmt: skip
    return pd.DataFrame(columns, copy=False)


# Expectation ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expectation:
    """What is expected of a library, before waves.

    expected : (n,) NaN = not used; copies : (n,) of a normal cell; fragments : on usable autosomal
    atoms.
    """

    expected: Array
    copies: NDArray[np.int64]
    sex: str | None
    fragments: int

    @property
    def sufficient(self) -> bool:
        """Whether any atom carries an expectation."""
        return bool(np.isfinite(self.expected).any())


def expectation(
    observed: Array, reference: Reference, *, factor: Array | None, settings: NormalizeSettings
) -> Expectation:
    """Expected fragments of each atom from all that were observed, (n,).

    factor : (n,) of the panel, NaN = left out; None without a panel. A library with fewer fragments
    than ``settings.min_fragments`` has no expectation.
    """
    base = reference.base if factor is None else reference.base * factor
    usable = np.isfinite(base) & np.isfinite(reference.gc.values)
    used = usable & reference.autosomal
    seen = observed[used].sum()
    fragments = int(seen)
    if fragments < settings.min_fragments:
        nothing = np.full(len(observed), np.nan)
        return Expectation(nothing, np.full(len(observed), 2), None, fragments)
    curve = bias_curve(reference, observed, base, use=used, settings=settings)
    expected = np.where(usable, base * curve, np.nan)
    expected *= seen / expected[used].sum()
    sex = infer_sex(observed, expected, on_x=reference.on_x, on_y=reference.on_y, settings=settings)
    if sex is None:
        expected[reference.sexual] = np.nan
    copies = normal_copies(reference.on_x, reference.on_y, sex)
    expected[copies == 0] = np.nan
    expected *= copies / 2
    return Expectation(expected, copies, sex, fragments)


# Sex -----------------------------------------------------------------------------------------


def infer_sex(
    observed: Array, expected: Array, *, on_x: Mask, on_y: Mask, settings: NormalizeSettings
) -> str | None:
    """Female or male from the ratio of Y to X, or None when it cannot be told.

    expected : (n,) as if every chromosome had two copies, NaN = not used; on_x, on_y : (n,). The
    ratio of the two is used because a tumor changes each alone; a lost Y in a male's tumor only
    dilutes it.
    """
    known = np.isfinite(expected)
    on_x, on_y = on_x & known, on_y & known
    if expected[on_x].sum() < MIN_SEX_FRAGMENTS or not on_y.any():
        return None
    x = observed[on_x].sum() / expected[on_x].sum()
    y = observed[on_y].sum() / expected[on_y].sum()
    if x <= 0:
        return None
    if y / x >= settings.male_min_y_to_x:
        return "male"
    return "female" if y / x <= settings.female_max_y_to_x else None


def normal_copies(on_x: Mask, on_y: Mask, sex: str | None) -> NDArray[np.int64]:
    """Copies of each atom in a normal cell, (n,): 2, on X and Y by sex (2 and 0 when sex is
    unclear)."""
    of_x, of_y = (1, 1) if sex == "male" else (2, 0)
    copies = np.full(len(on_x), 2)
    copies[on_y] = of_y
    copies[on_x] = of_x
    return copies


# Windows and noise ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Windows:
    """Runs of used atoms summed up.

    chrom, start, end : of the run; atoms : used atoms in it; observed, expected : their sums.
    """

    chrom: NDArray[np.object_]
    start: NDArray[np.int_]
    end: NDArray[np.int_]
    atoms: NDArray[np.int_]
    observed: Array
    expected: Array

    @property
    def ratio(self) -> Array:
        """observed / expected, (n,)."""
        return self.observed / self.expected

    def subset(self, keep: Mask) -> Windows:
        """The windows where ``keep`` is true."""
        return Windows(self.chrom[keep], self.start[keep], self.end[keep], self.atoms[keep],
                       self.observed[keep], self.expected[keep])  # fmt: skip


def used_atoms(profile: pd.DataFrame, *, autosomes: bool = True) -> Mask:
    """Which atoms carry an expectation, (n,)."""
    codes, names = numbered(profile["chrom"])
    return _expected(profile["expected"].to_numpy(dtype=float), codes, _inside(names, autosomes))


def _inside(names: NDArray[np.object_], autosomes: bool) -> Mask:
    """On which chromosomes atoms are used; the last is for those on none."""
    return autosomal(names) if autosomes else np.ones(len(names) + 1, dtype=bool)


@compiled
def _expected(expected: Array, code: NDArray[np.int64], inside: Mask) -> Mask:
    """Where something is expected, on some chromosomes by their number, -1 for none."""
    found = np.empty(len(expected), dtype=np.bool_)
    for i in range(len(expected)):
        found[i] = 0 < expected[i] < np.inf and inside[code[i]]
    return found


def windows(
    profile: pd.DataFrame, *, atoms: int, autosomes: bool = True, arms: bool = False
) -> Windows:
    """Sum every ``atoms`` used neighbours of a chromosome; the rest of a chromosome joins its last.

    Atoms that are left out are skipped, so that a window holds the same evidence wherever it lies.
    With ``arms`` no window spans a centromere.
    """
    return Used.of(profile, autosomes=autosomes).windows(atoms=atoms, arms=arms)


@dataclass(frozen=True)
class Used:
    """The atoms of a profile that carry an expectation, in order, to be summed at many sizes.

    chrom : (n,) number of the chromosome in ``names``; row : (n,) of the atom in the profile;
    start, end : of every atom of the profile; observed, expected : (n,).
    """

    names: NDArray[np.object_]
    chrom: NDArray[np.int64]
    row: NDArray[np.intp]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    observed: Array
    expected: Array
    _made: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    _counting: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: pd.DataFrame, *, autosomes: bool = True) -> Used:
        """Those of the autosomes, or all."""
        codes, names = numbered(profile["chrom"])
        chrom, row, observed, expected = _taken(
            profile["expected"].to_numpy(dtype=float), codes, _inside(names, autosomes),
            profile["observed"].to_numpy(),
        )  # fmt: skip
        return cls(
            names, chrom, row, profile["start"].to_numpy(dtype=np.int64),
            profile["end"].to_numpy(dtype=np.int64), observed, expected,
        )  # fmt: skip

    def windows(self, *, atoms: int, arms: bool = False) -> Windows:
        """Windows of this many atoms, see :func:`windows`."""
        at = self._edges(atoms, arms=arms)
        following = np.append(at[1:], len(self.row))[: len(at)]
        return Windows(
            self.names[self.chrom[at]], self.start[self.row[at]],
            self.end[self.row[following - 1]], following - at, *self._sums(at),
        )  # fmt: skip

    def sums(self, *, atoms: int) -> tuple[Array, Array]:
        """Observed and expected fragments of windows of this many atoms."""
        if atoms == 1:
            return self.observed, self.expected
        if atoms not in self._made:
            self._made[atoms] = self._sums(self._edges(atoms, arms=False))
        return self._made[atoms]

    def counting(self, *, atoms: int) -> float:
        """What counting typically adds to the variance of their ratios: median of 1/expected."""
        if atoms not in self._counting:
            self._counting[atoms] = median(1 / self.sums(atoms=atoms)[1])
        return self._counting[atoms]

    def _sums(self, at: NDArray[np.int64]) -> tuple[Array, Array]:
        if len(at) == len(self.row):
            return self.observed, self.expected
        return _window_sums(at, self.observed, self.expected)

    @cached_property
    def _first(self) -> Mask:
        """Which atoms are the first of their chromosome."""
        return np.concatenate([[True], self.chrom[1:] != self.chrom[:-1]])[: len(self.chrom)]

    def _edges(self, atoms: int, *, arms: bool) -> NDArray[np.int64]:
        """Where the windows begin."""
        n = len(self.row)
        first = self._first
        if arms:
            first = arm_starts(self.start[self.row], self.end[self.row], first)
        bounds = [*np.flatnonzero(first).tolist(), n] if n else []
        # the last window of a chromosome takes what is left, so none is tiny
        edges = [
            np.arange(low, low + max(1, (high - low) // atoms) * atoms, atoms)
            for low, high in itertools.pairwise(bounds)
        ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *edges])


@compiled
def _window_sums(at: NDArray[np.int64], observed: Array, expected: Array) -> tuple[Array, Array]:
    """Sums of both from each place to the next, (len(at),)."""
    n = len(at)
    of_observed, of_expected = np.empty(n), np.empty(n)
    for k in range(n):
        o, e = 0.0, 0.0
        for i in range(at[k], at[k + 1] if k + 1 < n else len(observed)):
            o += observed[i]
            e += expected[i]
        of_observed[k], of_expected[k] = o, e
    return of_observed, of_expected


@compiled
def _taken(
    expected: Array, code: NDArray[np.int64], inside: Mask, observed: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.intp], Array, Array]:
    """Chromosome, row, observed and expected of the atoms where ``_expected``."""
    n = len(expected)
    chrom, row = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.intp)
    seen, wanted = np.empty(n), np.empty(n)
    k = 0
    for i in range(n):
        if 0 < expected[i] < np.inf and inside[code[i]]:
            chrom[k], row[k], seen[k], wanted[k] = code[i], i, observed[i], expected[i]
            k += 1
    return chrom[:k], row[:k], seen[:k], wanted[:k]


#: Windows used to measure noise hold about this many expected fragments: 3 % counting noise.
NOISE_FRAGMENTS = 1000


def noise_over_counting(profile: pd.DataFrame) -> float:
    """Robust standard deviation of window ratios over that of counting alone; NaN when unknown.

    Differences of neighbouring windows are used, so that copy-number changes are not noise.
    """
    expected = profile["expected"].to_numpy(dtype=float)
    inside = np.isfinite(expected) & is_autosome(profile["chrom"])
    if not inside.any():
        return float("nan")
    size = max(1, round(NOISE_FRAGMENTS / median(expected[inside])))
    summed = windows(profile, atoms=size)
    counting = float(np.sqrt(median(1 / summed.expected)))
    return difference_sd(summed.ratio) / counting


@dataclass(frozen=True)
class OwnExcess:
    """What the ratios of a library vary by beyond counting, read off itself.

    sizes : of regions, in atoms; excess : the variance at each beyond counting; error : its
    standard error, each (k,); n_atoms : of the library with an expectation.
    """

    sizes: Array
    excess: Array
    error: Array
    n_atoms: int

    @property
    def dispersion(self) -> Dispersion:
        """The excess floored at zero; for larger regions it is taken to fall as size^-0.25, slower
        than that of healthy plasma (SIZE_SLOPE)."""
        sizes, taus = self.sizes.tolist(), np.sqrt(np.maximum(self.excess, 0.0)).tolist()
        if not sizes:
            return Dispersion(np.array([1.0]), np.array([0.0]))
        while sizes[-1] * 4 <= self.n_atoms:
            sizes.append(sizes[-1] * 4)
            taus.append(taus[-1] * 4**-SIZE_SLOPE)
        return Dispersion(np.array(sizes), np.array(taus))

    def beside(self, panel: Dispersion) -> Dispersion:
        """The panel's dispersion, or the library's own where that is larger for sure."""
        clear = self.excess - OWN_SIGNIFICANCE * self.error > panel.at(self.sizes) ** 2
        if not clear.any():
            return panel
        own = self.dispersion
        beyond = np.full(len(own.atoms) - len(self.sizes), clear[-1])
        return panel.at_least(
            Dispersion(own.atoms, np.where(np.concatenate([clear, beyond]), own.tau, 0.0))
        )


#: With 60 breakpoints in a genome, at most one difference in five is touched by one.
MIN_WINDOWS_FOR_NOISE = 300
MIN_FRAGMENTS_FOR_NOISE = 20
#: Standard errors by which a library's own over-dispersion must exceed the panel's.
OWN_SIGNIFICANCE = 3.0
#: Over-dispersion is taken to fall with this power of the region's size. In 47 healthy donors it
#: fell faster, about 0.37 from 1 to 32 Mb (docs/validation.md): the smaller power is safe.
SIZE_SLOPE = 0.25


def own_excess(profile: pd.DataFrame, *, used: Used | None = None) -> OwnExcess:
    """What a library varies by at each size of regions; used : its autosomal atoms, where known.

    The variance is difference_sd(ratio)^2, whose square is known to 8/n of n windows: a median
    deviation is worth 0.37 of the windows, and neighbouring differences share one. Only sizes are
    read off at which breakpoints touch few of the differences.
    """
    sizes, excess, errors = [], [], []
    used = Used.of(profile) if used is None else used
    size = 1
    while True:
        observed, expected = used.sums(atoms=size)
        if len(expected) < MIN_WINDOWS_FOR_NOISE:
            break
        counting = used.counting(atoms=size)
        # Ratios of almost empty atoms are not normal; noise is read off from larger windows.
        if 1 / counting >= MIN_FRAGMENTS_FOR_NOISE:
            variance = difference_sd(observed / expected) ** 2
            sizes.append(float(size))
            excess.append(variance - counting)
            errors.append(variance * np.sqrt(8 / len(expected)))
        size *= 2
    n_atoms = int(profile["expected"].notna().sum())
    return OwnExcess(np.array(sizes), np.array(excess), np.array(errors), n_atoms)


def own_dispersion(profile: pd.DataFrame) -> Dispersion:
    """Over-dispersion of a library from itself, where no panel can tell it."""
    return own_excess(profile).dispersion


def sample_dispersion(profile: pd.DataFrame, panel: Dispersion | None) -> Dispersion:
    """The over-dispersion to use for a sample: the panel's, or its own where that is larger.

    A library that was made in another way than the normals is noisier than they say; it must not
    be given their confidence. Its own is believed at sizes where it exceeds the panel's by
    ``OWN_SIGNIFICANCE`` standard errors: a shallow sample shows more and less by chance. For
    regions larger than can be read off the largest that can decides. Without a panel the sample's
    own is all there is.
    """
    own = own_excess(profile)
    return own.dispersion if panel is None else own.beside(panel)


#: Noise of a panel below which no sample is called far from it: healthy plasma has 0.006 or more.
LEAST_PANEL_NOISE = 0.005


def beyond_panel(own: Dispersion, panel: Dispersion) -> float:
    """How many times the panel's over-dispersion a sample has, at the size where it is the most.

    own : what :func:`sample_dispersion` gives; 1 where the sample is no noisier than the panel.
    """
    known = np.maximum(panel.at(own.atoms), LEAST_PANEL_NOISE)
    return float(np.max(np.maximum(own.tau, known) / known))


def short_share(counts: pd.DataFrame) -> float | None:
    """Share of short fragments of a library; None when the counts do not tell lengths."""
    short = counts["short"]
    total = int(counts["fragments"].sum())
    return None if short.isna().any() or total == 0 else float(short.sum()) / total
