"""Statistics of a cohort by the methods of scipy and statsmodels: rates, survival, hazard, ROC.

Nothing here is a method of its own. Each function takes plain arrays, leaves out patients with an
unknown value and says how many it used; where a number cannot be had it is NaN and the reason is
said, so that a reader never takes "could not be computed" for "no effect".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from statsmodels.stats.proportion import proportion_confint

NAN = math.nan


@dataclass(frozen=True)
class Rate:
    """A share of patients with its exact 95 % interval; NaN of no patients."""

    k: int
    n: int
    rate: float
    low: float
    high: float


def rate(k: int, n: int) -> Rate:
    """``k`` of ``n`` patients with the interval of Clopper and Pearson (1934).

    Raises ValueError when k is not between 0 and n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} patients; expected a count between 0 and {n}")
    if n == 0:
        return Rate(k, n, NAN, NAN, NAN)
    low, high = proportion_confint(k, n, alpha=0.05, method="beta")
    # statsmodels gives NaN for the bound that is the edge
    return Rate(k, n, k / n, 0.0 if k == 0 else float(low), 1.0 if k == n else float(high))
