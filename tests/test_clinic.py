"""Rates, odds, survival, hazard and ROC: by hand, against slow twins, and without an answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from ctcnv import clinic


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def mask(*values: int) -> np.ndarray:
    return np.array(values, dtype=bool)


def labels(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def expand(*tables: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, group and stratum of patients from tables (group+ yes, no, group- yes, no)."""
    outcome, group, strata = [], [], []
    for index, (a, b, c, d) in enumerate(tables):
        outcome += [True] * a + [False] * b + [True] * c + [False] * d
        group += [True] * (a + b) + [False] * (c + d)
        strata += [f"s{index}"] * (a + b + c + d)
    return np.array(outcome), np.array(group), np.array(strata, dtype=object)


# Response ------------------------------------------------------------------------------------


def test_fishers_p_is_that_of_the_lady_who_tasted_tea() -> None:
    outcome, group, _ = expand((3, 1, 1, 3))
    found, method = clinic.odds(outcome, group)
    assert method == "Fisher exact"
    assert found.p_value == pytest.approx(34 / 70)
    assert found.value == pytest.approx(6.408, abs=0.001)  # conditional, not 9


def test_mantel_haenszel_by_hand() -> None:
    tables = ((8, 6, 1, 10), (3, 9, 2, 7))
    found, method = clinic.odds(*expand(*tables))
    assert method == "Cochran-Mantel-Haenszel"
    over = sum(a * d / (a + b + c + d) for a, b, c, d in tables)
    under = sum(b * c / (a + b + c + d) for a, b, c, d in tables)
    assert found.value == pytest.approx(over / under)
    seen = expected = variance = 0.0
    for a, b, c, d in tables:
        n, row, column = a + b + c + d, a + b, a + c
        seen += a
        expected += row * column / n
        variance += row * (n - row) * column * (n - column) / (n * n * (n - 1))
    chi2 = (seen - expected) ** 2 / variance
    assert found.p_value == pytest.approx(math.erfc(math.sqrt(chi2 / 2)))
    assert found.low < found.value < found.high


def test_a_stratum_of_one_outcome_says_nothing() -> None:
    with_it = clinic.odds(*expand((8, 6, 1, 10), (3, 9, 2, 7), (0, 5, 0, 5)))
    without = clinic.odds(*expand((8, 6, 1, 10), (3, 9, 2, 7)))
    assert str(with_it) == str(without)  # what is not known is not equal to itself


def test_odds_without_contrast_have_a_reason_and_no_number() -> None:
    outcome, group, _ = expand((3, 0, 4, 0))
    found, _ = clinic.odds(outcome, group)
    assert math.isnan(found.value)
    assert math.isnan(found.p_value)
    assert "one outcome" in found.note


def test_infinite_odds_are_not_known_and_keep_their_p_value() -> None:
    outcome, group, _ = expand((5, 0, 0, 5))
    found, _ = clinic.odds(outcome, group)
    assert math.isnan(found.value)
    assert math.isnan(found.high)
    assert found.low > 1
    assert found.p_value == pytest.approx(2 / 252)
    assert found.note


# Survival ------------------------------------------------------------------------------------


def test_kaplan_meier_by_hand() -> None:
    # 5 patients: deaths at 2, 4, 8, censored at 4 and 6. After 2: 4/5; after 4: 4/5 * 3/4 = 3/5,
    # as the one censored at 4 is still at risk at 4; after 8: 0
    curve, median = clinic.survival(array(2, 4, 4, 6, 8), mask(1, 1, 0, 0, 1))
    at = dict(zip(curve.time.tolist(), curve.alive.tolist(), strict=True))
    assert at[0.0] == 1.0
    assert at[2.0] == pytest.approx(0.8)
    assert at[4.0] == pytest.approx(0.6)
    assert at[8.0] == pytest.approx(0.0)
    assert median.value == 8.0
    assert curve.censored.tolist() == [4.0, 6.0]


def test_a_median_that_is_not_reached_is_not_known() -> None:
    _, median = clinic.survival(array(1, 2, 3, 4, 5), mask(1, 0, 0, 0, 0))
    assert math.isnan(median.value)
    assert median.note == "the median is not reached"
    _, median = clinic.survival(array(1, 2), mask(0, 0))
    assert math.isnan(median.value)


def test_nobody_has_no_curve() -> None:
    curve, median = clinic.survival(array(), mask())
    assert curve.time.size == 0
    assert median.note == "no patients"


def test_the_log_rank_test_by_hand() -> None:
    time, event = array(1, 2, 3, 4, 5, 6), mask(1, 1, 1, 1, 1, 1)
    group = labels("a", "a", "b", "a", "b", "b")
    expected = variance = 0.0
    for t in time:
        risk = time >= t
        share = np.mean(group[risk] == "a")
        expected += share
        variance += share * (1 - share)
    chi2 = (3 - expected) ** 2 / variance
    found = clinic.log_rank(time, event, group)
    assert found.p_value == pytest.approx(math.erfc(math.sqrt(chi2 / 2)))


@pytest.mark.parametrize(
    ("event", "group", "why"),
    [
        (mask(0, 0, 0, 0), labels("a", "a", "b", "b"), "no events"),
        (mask(1, 1, 1, 1), labels("a", "a", "a", "b"), "fewer than two groups"),
        (mask(1, 1, 1, 1), labels("a", "a", "a", "a"), "fewer than two groups"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_why(
    event: np.ndarray, group: np.ndarray, why: str
) -> None:
    found = clinic.log_rank(array(1, 2, 3, 4), event, group)
    assert math.isnan(found.p_value)
    assert why in found.note


# Hazard --------------------------------------------------------------------------------------


def slow_cox(time: np.ndarray, event: np.ndarray, x: np.ndarray) -> float:
    """Hazard ratio by looking for the maximum of the partial likelihood; no ties."""

    def minus_log(beta: float) -> float:
        total = 0.0
        for i in np.flatnonzero(event):
            risk = time >= time[i]
            total += beta * x[i] - math.log(np.sum(np.exp(beta * x[risk])))
        return -total

    return math.exp(minimize_scalar(minus_log, bounds=(-8, 8), method="bounded").x)


def cohort(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    time, censored = rng.exponential(np.exp(-0.5 * x)), rng.exponential(2.0, size=n)
    return np.minimum(time, censored), time < censored, x


@pytest.mark.parametrize("seed", range(5))
def test_cox_is_the_maximum_of_the_partial_likelihood(seed: int) -> None:
    time, event, x = cohort(30, seed)
    (found,) = clinic.hazard(time, event, x[:, None], events_per_term=5, proportional_p=1e-9)
    assert found.value == pytest.approx(slow_cox(time, event, x), rel=1e-3)
    assert found.low < found.value < found.high
    assert found.note == ""


def test_ties_are_those_of_efron() -> None:
    time, x = array(1, 1, 1, 2, 2, 3, 4, 5), array(1, 0, 1, 1, 0, 0, 1, 0)
    event = mask(1, 1, 0, 1, 1, 1, 0, 1)

    def minus_log(beta: float) -> float:
        total = 0.0
        for t in sorted(set(time[event])):
            dead, risk = event & (time == t), time >= t
            d = int(dead.sum())
            total += beta * x[dead].sum()
            for k in range(d):
                total -= math.log(
                    np.exp(beta * x[risk]).sum() - k / d * np.exp(beta * x[dead]).sum()
                )
        return -total

    slow = math.exp(minimize_scalar(minus_log, bounds=(-8, 8), method="bounded").x)
    (found,) = clinic.hazard(time, event, x[:, None], events_per_term=1, proportional_p=0.05)
    assert found.value == pytest.approx(slow, rel=1e-3)


def test_few_events_are_warned_of_and_still_given() -> None:
    time, event, x = cohort(15, 1)
    (found,) = clinic.hazard(time, event, x[:, None], events_per_term=100, proportional_p=0.05)
    assert math.isfinite(found.value)
    assert "events per term, fewer than 100: not to be relied on" in found.note


def test_a_group_with_all_events_has_no_hazard_ratio() -> None:
    time, x = array(1, 2, 3, 10, 11, 12), array(1, 1, 1, 0, 0, 0)
    (found,) = clinic.hazard(
        time, mask(1, 1, 1, 0, 0, 0), x[:, None], events_per_term=1, proportional_p=0.05
    )
    assert math.isnan(found.value)
    assert math.isnan(found.p_value)
    assert "no finite solution" in found.note


@pytest.mark.parametrize(
    ("event", "x", "why"),
    [
        (mask(0, 0, 0), array(1, 2, 3), "no events"),
        (mask(1, 1, 1), array(2, 2, 2), "do not differ"),
    ],
)
def test_a_model_that_says_nothing_says_why(event: np.ndarray, x: np.ndarray, why: str) -> None:
    (found,) = clinic.hazard(
        array(1, 2, 3), event, x[:, None], events_per_term=1, proportional_p=0.05
    )
    assert math.isnan(found.value)
    assert why in found.note


def test_terms_that_cannot_be_told_apart_have_no_numbers() -> None:
    time, event, x = cohort(20, 2)
    found = clinic.hazard(
        time, event, np.column_stack([x, 2 * x]), events_per_term=1, proportional_p=0.05
    )
    assert all(math.isnan(one.value) for one in found)
    assert len(found) == 2


# ROC -----------------------------------------------------------------------------------------


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    # 3 > 1, 3 > 2, 2 > 1, 2 = 2: three and a half of four
    assert clinic.area(array(3, 2), array(1, 2)) == pytest.approx(3.5 / 4)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=12), st.data())
def test_the_area_is_that_below_the_curve(score: list[int], data: st.DataObject) -> None:
    outcome = data.draw(st.lists(st.booleans(), min_size=len(score), max_size=len(score)))
    values, of = np.array(score, dtype=float), np.array(outcome)
    if of.all() or not of.any():
        return
    false, true = clinic.roc(values, of)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(clinic.area(values[of], values[~of]))


def test_an_area_has_an_interval_and_the_same_one_again() -> None:
    rng = np.random.default_rng(3)
    score = np.concatenate([rng.normal(1, 1, 15), rng.normal(0, 1, 15)])
    outcome = np.arange(30) < 15
    found = [
        clinic.auc(score, outcome, resamples=300, rng=np.random.default_rng(1)) for _ in range(2)
    ]
    assert str(found[0]) == str(found[1])
    assert 0.2 < found[0].low < found[0].value < found[0].high <= 1


def test_a_perfect_separation_has_no_interval() -> None:
    found = clinic.auc(
        array(5, 6, 7, 1, 2, 3), mask(1, 1, 1, 0, 0, 0), resamples=50, rng=np.random.default_rng(1)
    )
    assert found.value == 1.0
    assert math.isnan(found.low)
    assert "not known" in found.note


def test_one_responder_has_no_area() -> None:
    found = clinic.auc(array(1, 2, 3), mask(1, 0, 0), resamples=50, rng=np.random.default_rng(1))
    assert math.isnan(found.value)
    assert found.note


# Multiplicity --------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    nan = math.nan
    found = clinic.holm([0.01, nan, 0.04, 0.03])
    # sorted 0.01*3, 0.03*2, 0.04*1, never falling
    assert found[0] == pytest.approx(0.03)
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(0.06)
    assert found[3] == pytest.approx(0.06)
    assert all(math.isnan(p) for p in clinic.holm([nan, nan]))


# --- proportional hazards ---


def test_the_trend_of_scaled_residuals_by_hand():
    # of a term whose residuals rise with the rank of time without exception, and of one that does
    # not: correlations 1 and 0 of six events; a censored patient takes no part
    rising = array(-5, -3, -1, 1, 3, 5, math.nan)
    flat = array(1, -1, 0, 0, -1, 1, math.nan)
    time = array(1, 2, 4, 8, 16, 32, 64)
    p = clinic.proportional_hazards(np.column_stack([rising, flat]), np.eye(2), time)
    assert p[0] < 1e-6
    assert p[1] == pytest.approx(1)
    few = clinic.proportional_hazards(rising[[0, 1, 2, 3, 6], None], np.eye(1), time[:5])
    assert np.isnan(few).all()


def test_crossing_hazards_are_warned_of_and_proportional_ones_are_not():
    rng = np.random.default_rng(8)
    group = np.arange(300) % 2 == 1
    event = np.ones(300, dtype=bool)
    crossing = np.where(group, rng.weibull(3.0, 300), rng.weibull(0.6, 300)) * 100
    steady = rng.exponential(np.where(group, 200.0, 100.0))
    of = {}
    for name, time in (("crossing", crossing), ("steady", steady)):
        (of[name],) = clinic.hazard(time, event, group[:, None].astype(float), events_per_term=10,
                                    proportional_p=0.05)  # fmt: skip
    assert of["crossing"].ph_p < 1e-6
    assert "hazards are not proportional" in of["crossing"].note
    assert of["steady"].ph_p > 0.05
    assert of["steady"].note == ""


def test_the_check_does_not_depend_on_the_order_of_the_patients():
    rng = np.random.default_rng(9)
    x = rng.normal(size=60)
    time, event = rng.exponential(np.exp(x)), rng.random(60) < 0.8
    order = rng.permutation(60)
    strata = np.where(np.arange(60) % 3 == 0, "a", "b").astype(object)
    first = clinic.hazard(time, event, x[:, None], strata, events_per_term=1, proportional_p=0.05)
    again = clinic.hazard(time[order], event[order], x[order, None], strata[order],
                          events_per_term=1, proportional_p=0.05)  # fmt: skip
    assert first[0].ph_p == pytest.approx(again[0].ph_p, rel=1e-6)
