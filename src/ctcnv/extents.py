"""How far the change of a gene reaches: a posterior over the stretches that may explain its counts.

Three kinds of explanation compete. The gene lies in a stretch of its own, with any left and any
right end; or its surroundings have one level, the change is broad; or a stretch explains the counts
that does not hold the whole gene, a neighbour's amplicon or a variant inside the gene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from ctcnv.robust import median

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Ends are tried at every atom near the gene, further out at distances that grow by an eighth.
GROWTH = 8
#: Where the posterior has its ends, at most so many more are tried between those.
FINE = 48
#: The second time, no atom is left between them.
REFINED = 2
#: Posterior share left on both sides of the range in which ends are tried finely.
FINE_TAIL = 1e-4
#: Prior of a stretch that lies beside the gene or ends in it, relative to one that holds it: the
#: genes of the table are those that amplicons are selected for. An assumption.
BESIDE = 0.1
#: Edges inside a gene that are tried for a stretch that cuts it.
INSIDE = 32
#: Ratios of a variant of the germline: 1, 3 and 4 copies instead of 2, whatever the tumor fraction.
GERMLINE = np.array([0.5, 1.5, 2.0])


@dataclass(frozen=True)
class Chromosome:
    """Used atoms of one chromosome and their prefix sums.

    start, end, copies, row : (n,), row numbers the atoms as they were before any was taken out;
    observed, expected : (n + 1,) running totals.
    """

    start: Ints
    end: Ints
    observed: Array
    expected: Array
    copies: Ints
    row: Ints

    @classmethod
    def of(
        cls, start: Ints, end: Ints, observed: Array, expected: Array, copies: Ints
    ) -> Chromosome:
        """From the atoms, each (n,); all must have an expectation."""
        return cls(start, end, _total(observed), _total(expected), copies,
                   np.arange(len(start), dtype=np.int64))  # fmt: skip

    @cached_property
    def atom_bp(self) -> float:
        """Median width of an atom."""
        return median((self.end - self.start).astype(float))

    def sums(self, low: int, high: int) -> tuple[float, float]:
        """Observed and expected fragments of the atoms low..high (not included)."""
        return (float(self.observed[high] - self.observed[low]),
                float(self.expected[high] - self.expected[low]))  # fmt: skip

    def without(self, low: int, high: int) -> Chromosome:
        """The chromosome as if the atoms low..high (not included) were not used."""
        keep = np.ones(len(self.start), dtype=bool)
        keep[low:high] = False
        return Chromosome(
            self.start[keep], self.end[keep], _total(np.diff(self.observed)[keep]),
            _total(np.diff(self.expected)[keep]), self.copies[keep], self.row[keep],
        )  # fmt: skip


def _total(values: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(values)])


@dataclass(frozen=True)
class Explained:
    """What may explain the counts around a gene.

    low, high : (k,) atoms of the stretches that hold the gene, the last one is the whole window;
    weight : (k,) posterior of these, of sum 1; elsewhere : posterior that a stretch explains the
    counts that does not hold the gene; other : the likeliest such stretch, None without any;
    germline : posterior of a germline variant inside the gene, against all of these.
    """

    low: Ints
    high: Ints
    weight: Array
    elsewhere: float
    other: tuple[int, int] | None
    germline: float = 0.0

    @property
    def best(self) -> int:
        """Number of the likeliest stretch that holds the gene."""
        return int(np.argmax(self.weight))


def explain(
    on: Chromosome, core: tuple[int, int], window: tuple[int, int], *, phi: Array,
    gene: tuple[int, int] | None = None,
) -> Explained:  # fmt: skip
    """Posterior over the stretches that may explain the counts of a window around a gene.

    core, window : half-open ranges of atoms, one in the other; gene : the atoms that the gene
    touches, None where these are too wide for a variant inside it; phi : (n,) variance of the count
    of 1, 2, ... n atoms over its mean, n at least those of the window. Counts are divided by that
    of an atom (quasi-Poisson). A stretch has one ratio and the rest of the window another, each
    exponential with mean 1 before, so that with o and e fragments

        log p(o | e) = log Gamma(o + 1) - (o + 1) * log(e + 1)

    and a stretch pays for its ratio and its ends. Where its ends lie is told by single atoms;
    whether there is a step at all, against waves that reach over many: for that the logarithm of
    the likelihood ratio of its best ratios counts  phi of an atom / phi of its atoms  times.
    Before, a stretch of its own, a broad change and a stretch inside the gene are equally likely,
    one that lies beside the gene or ends in it ``BESIDE`` times as much; and so are the distances
    of an end on a logarithmic scale. A variant of the germline inside the gene, at most as wide as
    the core and at a ratio of ``GERMLINE``, is as likely as a stretch of its own.
    """
    left, right = _ends(core[0], window[0]), _ends(core[1], window[1])
    score = _Score(on, window, phi)
    own = score.pairs(left, right)
    if not np.isfinite(own).any():
        # The gene is all of the window.
        return Explained(np.array([window[0]]), np.array([window[1]]), np.ones(1), 0.0, None)
    for _ in range(REFINED):
        left = _finer(left, np.logaddexp.reduce(own, axis=1), core[0])
        right = _finer(right, np.logaddexp.reduce(own, axis=0), core[1])
        own = score.pairs(left, right)
    low, high = (side.ravel() for side in np.broadcast_arrays(left.at[:, None], right.at[None, :]))
    low, high = np.append(low, window[0]), np.append(high, window[1])
    # The pair of ends that is the window is no stretch, and its prior is that of the others.
    mass = score.against_flat(own, left, right) - _log_sum(score.priors(left, right))
    logs = np.append(own.ravel() - _log_sum(own) + mass, 0.0)
    inside = _inside(core)
    first, last = _even(np.append(core[0], inside.at)), _even(np.array([core[1]]))
    kinds = [
        score.elsewhere([(first, inside), (inside, last)], 1.0),
        score.elsewhere([(left, left), (left, inside), (inside, right), (right, right)], BESIDE),
    ]
    other, best = _log_sum(np.array([mass for mass, _ in kinds])), max(kinds, key=_mass)[1]
    held = _log_sum(logs)
    told = np.logaddexp(held, other)
    variant = -np.inf if gene is None else score.germline(gene, core[1] - core[0])
    return Explained(
        low, high, np.exp(logs - held), float(np.exp(other - told)), best,
        float(np.exp(variant - np.logaddexp(told, variant))),
    )  # fmt: skip


@dataclass(frozen=True)
class _Ends:
    """Ends of stretches, increasing distance from the gene, and the logarithm of their prior."""

    at: Ints
    prior: Array


class _Score:
    """Log of prior times likelihood of stretches of a window."""

    def __init__(self, on: Chromosome, window: tuple[int, int], phi: Array) -> None:
        self.observed, self.expected = on.observed / phi[0], on.expected / phi[0]
        self.window, self.share = window, phi[0] / phi
        low, high = window
        self.total = (self.observed[high] - self.observed[low],
                      self.expected[high] - self.expected[low])  # fmt: skip
        self.flat = float(_marginal(*self.total))

    def priors(self, first: _Ends, second: _Ends) -> Array:
        """Log prior of the stretches between two lists of ends, -inf of those that are none."""
        a, b = first.at[:, None], second.at[None, :]
        stretch = (a < b) & ((a > self.window[0]) | (b < self.window[1]))
        return np.where(stretch, first.prior[:, None] + second.prior[None, :], -np.inf)

    def pairs(self, first: _Ends, second: _Ends) -> Array:
        """Log prior times likelihood of the stretches between two lists of ends, (n, m)."""
        o, e = self._sums(first, second)
        rest = np.maximum(self.total[0] - o, 0.0), np.maximum(self.total[1] - e, 0.0)
        return np.asarray(self.priors(first, second) + _marginal(o, e) + _marginal(*rest))

    def _sums(self, first: _Ends, second: _Ends) -> tuple[Array, Array]:
        o = self.observed[second.at][None, :] - self.observed[first.at][:, None]
        e = self.expected[second.at][None, :] - self.expected[first.at][:, None]
        return np.maximum(o, 0.0), np.maximum(e, 0.0)

    def against_flat(self, logs: Array, first: _Ends, second: _Ends) -> float:
        """Log posterior mass of stretches, whose ``pairs`` are given, over that of one level.

        Of  log(prior * likelihood / flat)  the part of the best ratios,
        sum of o * log(o / e) inside and outside less that of the window, counts by ``share``.
        """
        o, e = self._sums(first, second)
        rest = np.maximum(self.total[0] - o, 0.0), np.maximum(self.total[1] - e, 0.0)
        gain = _best(o, e) + _best(*rest) - _best(*self.total)
        atoms = np.clip(second.at[None, :] - first.at[:, None], 1, len(self.share))
        return _log_sum(logs - self.flat - (1 - self.share[atoms - 1]) * gain)

    def elsewhere(
        self, parts: list[tuple[_Ends, _Ends]], prior: float
    ) -> tuple[float, tuple[int, int] | None]:
        """Log posterior mass of the stretches between pairs of ends, which have a prior together,
        and the likeliest stretch."""
        total = _log_sum(np.concatenate([self.priors(*part).ravel() for part in parts]))
        if not np.isfinite(total):
            return -np.inf, None
        each = [self.pairs(*part) for part in parts]
        top = int(np.argmax([one.max(initial=-np.inf) for one in each]))
        i, j = np.unravel_index(int(np.argmax(each[top])), each[top].shape)
        stretch = int(parts[top][0].at[i]), int(parts[top][1].at[j])
        masses = [self.against_flat(one, *part) for one, part in zip(each, parts, strict=True)]
        return _log_sum(np.array(masses)) - total + float(np.log(prior)), stretch

    def germline(self, gene: tuple[int, int], most: int) -> float:
        """Log posterior mass, over that of one level, of germline variants inside a gene, of at
        most so many atoms.

        A stretch has g times the level of the window, so that, with o of O observed and e of E
        expected fragments,

            log( p / flat ) = o * log(g) - (O + 1) * log( (E + (g - 1) * e + 1) / (E + 1) )
        """
        edges = _even(np.union1d(np.array(gene), _inside(gene).at))
        first, last = np.meshgrid(edges.at, edges.at, indexing="ij")
        narrow = (first < last) & (last - first <= most)
        narrow &= (first > gene[0]) | (last < gene[1])
        if not narrow.any():
            return -np.inf
        o, e = (side[narrow][:, None] for side in self._sums(edges, edges))
        total_o, total_e = self.total
        level = np.log1p((GERMLINE - 1) * e / (total_e + 1))
        return _log_sum(o * np.log(GERMLINE) - (total_o + 1) * level) - float(np.log(level.size))


def _mass(kind: tuple[float, tuple[int, int] | None]) -> float:
    return kind[0]


def _marginal(observed: Array, expected: Array) -> Array:
    return np.asarray(gammaln(observed + 1) - (observed + 1) * np.log1p(expected))


def _best(observed: Array, expected: Array) -> Array:
    """log likelihood of the best ratio, o * log(o / e), 0 without a fragment."""
    return np.asarray(xlogy(observed, np.maximum(observed, 1e-300) / np.maximum(expected, 1e-300)))


def _log_sum(values: Array) -> float:
    return float(np.logaddexp.reduce(values.ravel())) if values.size else -np.inf


def _ends(edge: int, limit: int) -> _Ends:
    """Ends from ``edge`` to ``limit``, every atom first, then at growing distance."""
    distances = [0]
    while distances[-1] < abs(limit - edge):
        following = distances[-1] + max(1, distances[-1] // GROWTH)
        distances.append(min(abs(limit - edge), following))
    return _with_prior(np.array(distances), edge, 1 if limit > edge else -1)


def _with_prior(distance: Ints, edge: int, sign: int) -> _Ends:
    """Ends with a prior that is even in the logarithm of the distance: each stands for the
    distances up to half-way to its neighbours, and a distance d has 1 / (d + 1)."""
    middle = (distance[1:] + distance[:-1] + 1) / 2
    bounds = np.concatenate([[0.0], middle, [distance[-1] + 1.0]])
    share = np.diff(np.log1p(bounds))
    return _Ends(edge + sign * distance, np.log(share / share.sum()))


def _finer(ends: _Ends, logs: Array, edge: int) -> _Ends:
    """The ends with more of them where the posterior (its logarithm, per end) has its mass."""
    share = np.exp(logs - logs.max())
    total = np.cumsum(share) / share.sum()
    first = max(0, int(np.searchsorted(total, FINE_TAIL)) - 1)
    last = min(len(ends.at) - 1, int(np.searchsorted(total, 1 - FINE_TAIL)) + 1)
    distance = np.abs(ends.at - edge)
    near, far = int(distance[first]), int(distance[last])
    more = np.unique(np.linspace(near, far, min(FINE, far - near + 1)).round().astype(np.int64))
    sign = -1 if ends.at[-1] < edge else 1
    return _with_prior(np.union1d(distance, more), edge, sign)


def _inside(core: tuple[int, int]) -> _Ends:
    """Edges between the atoms of a gene."""
    n = core[1] - core[0] - 1
    at = np.linspace(core[0] + 1, core[1] - 1, min(n, INSIDE)).round().astype(np.int64)
    return _even(np.unique(at))


def _even(at: Ints) -> _Ends:
    """Ends that are all equally likely."""
    return _Ends(at, np.full(len(at), -np.log(max(len(at), 1))))
