"""The likelihood of the copy-number chain: the sum over every path, and a plain forward loop."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import scipy.stats


def emission(ratio, mu, counting, tau2, inflation, tail_df):
    """Density of Student's t around mu whose quartiles are those of a normal of the variance."""
    mu = np.maximum(mu, 0.01)
    variance = inflation * (mu * counting + mu * mu * tau2)
    return scipy.stats.t.pdf(ratio, tail_df, loc=mu, scale=to_t(tail_df) * np.sqrt(variance))


@functools.cache
def to_t(tail_df):
    """Scale of the t whose quartiles are those of a normal of variance 1."""
    return scipy.stats.norm.ppf(0.75) / scipy.stats.t.ppf(0.75, tail_df)


def sum_over_paths(ratio, counting, tau2, change, inflation, level, prior, tail_df):
    """Log of the sum of the probabilities of all paths; level, prior : one cell, (states,).

    At window w the copies are drawn anew with the chance ``change[w]`` (1 where a chromosome
    begins), else they are those of the window before.
    """
    total = 0.0
    here = [
        emission(ratio[w], level, counting[w], tau2[w], inflation, tail_df)
        for w in range(len(ratio))
    ]
    for path in itertools.product(range(len(level)), repeat=len(ratio)):
        probability = 1.0
        for w, s in enumerate(path):
            stays = w > 0 and path[w - 1] == s
            probability *= (1 - change[w]) * stays + change[w] * prior[s]
            probability *= here[w][s]
        total += probability
    return math.log(total)


def forward_loop(ratio, counting, tau2, change, inflation, level, prior, tail_df):
    """The same by the forward recursion, for cells side by side; level, prior : (..., states)."""
    here = [
        emission(ratio[w], level, counting[w], tau2[w], inflation, tail_df)
        for w in range(len(ratio))
    ]
    return chain(here, change, prior)


def chain(here, change, prior):
    """Log likelihood of a chain by the forward recursion; here : the likelihood of each place in
    each state, (n, ..., states); prior : (..., states)."""
    result = 0.0
    a = np.zeros(np.shape(prior))
    for each, anew in zip(here, change, strict=True):
        a = ((1 - anew) * a + anew * prior) * each
        whole = a.sum(axis=-1, keepdims=True)
        result = result + np.log(whole[..., 0])
        a = a / whole
    return result


def break_chances(emission, change):
    """Chance that the level was drawn anew at each place, over every path and every way to it;
    emission : (n, levels), all levels equally likely."""
    n, k = np.shape(emission)
    total, anew = 0.0, np.zeros(n)
    for path in itertools.product(range(k), repeat=n):
        for drawn in itertools.product([True, False], repeat=n):
            weight = 1.0
            for w in range(n):
                if drawn[w]:
                    weight *= change[w] / k
                else:
                    weight *= (1 - change[w]) * (w > 0 and path[w] == path[w - 1])
                weight *= emission[w][path[w]]
            total += weight
            anew += weight * np.array(drawn)
    return anew / total
