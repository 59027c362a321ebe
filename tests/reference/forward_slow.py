"""The likelihood of the copy-number chain: the sum over every path, and a plain forward loop."""

from __future__ import annotations

import itertools
import math


def emission(ratio, mu, counting, tau2, inflation, tail_df):
    """Student's t around mu, up to the constant that the fast code leaves out."""
    v = inflation * (max(mu, 0.01) * counting + mu * mu * tau2)
    return v**-0.5 * (1 + (ratio - mu) ** 2 / (tail_df * v)) ** (-(tail_df + 1) / 2)


def sum_over_paths(first, ratio, counting, tau2, inflation, level, prior, change, tail_df):
    """Log of the sum of the probabilities of all paths; level, prior : one cell, (states,)."""
    states = range(len(level))
    total = 0.0
    for path in itertools.product(states, repeat=len(ratio)):
        probability = 1.0
        for w, s in enumerate(path):
            if first[w]:
                step = prior[s]
            else:
                stay = 1 - change if path[w - 1] == s else 0.0
                step = stay + change * prior[s]
            probability *= step * emission(
                ratio[w], level[s], counting[w], tau2[w], inflation, tail_df
            )
        total += probability
    return math.log(total)


def forward_loop(first, ratio, counting, tau2, inflation, level, prior, change, tail_df):
    """The same by the forward recursion, chromosome by chromosome, in plain Python."""
    states = range(len(level))
    result = 0.0
    a = []
    for w in range(len(ratio)):
        if first[w]:
            if a:
                result += math.log(sum(a))
            a = list(prior)
        else:
            whole = sum(a)
            a = [(1 - change) * a[s] + change * prior[s] * whole for s in states]
        a = [a[s] * emission(ratio[w], level[s], counting[w], tau2[w], inflation, tail_df)
             for s in states]  # fmt: skip
    return result + math.log(sum(a))
