"""Mean allele fraction over time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ctcnv import vafs as step
from ctcnv.mixture import ratio_of
from ctcnv.robust import weighted_quantile
from ctcnv.schema import MUTATIONS, TRACK
from tests import fakes

LIMIT, MIN_VAF = 1e9, 0.003  # so many molecules that reads are independent
NAN = float("nan")


def mutations(**reads):
    """A MUTATIONS table; by gene (depth, reads), or (depth, reads, used)."""
    rows = []
    for number, (gene, (depth, alt, *used)) in enumerate(reads.items()):
        known = depth is not None
        rows.append(dict.fromkeys(MUTATIONS.names, NAN) | {
            "chrom": "chr1", "start": sum(map(ord, gene)), "end": sum(map(ord, gene)) + 1,
            "ref": "C", "alt": "T", "gene": gene, "protein": None, "origin": None,
            "depth": depth if known else pd.NA, "alt_reads": alt if known else pd.NA,
            "vaf": alt / depth if known else NAN, "used": used[0] if used else True,
            "reason": None, "p_clonal": NAN,
        })  # fmt: skip
        assert number < 9
    return MUTATIONS.check(pd.DataFrame(rows, columns=MUTATIONS.names))


def change(base, now, **changes):
    return step.change(base, now, **({"limit": LIMIT, "min_vaf": MIN_VAF} | changes))


BASE = mutations(TP53=(1000, 200), APC=(1000, 100), DNMT3A=(1000, 20, False))


def test_the_mean_is_over_the_mutations_used_at_baseline_whatever_the_later_sample_says_of_them():
    # 0.03 over 0.15; the clone of blood cells and the new KRAS have no part
    now = mutations(TP53=(500, 20), APC=(500, 10, False), DNMT3A=(500, 10), KRAS=(500, 200))
    found = change(BASE, now)
    assert found.mean.value == pytest.approx(0.03)
    assert found.mean.n == 2
    low, value, high = found.ratio
    assert value == pytest.approx(0.2)
    # counting alone: sqrt(1/30 + 1/300) = 19 %
    assert low == pytest.approx(0.2 * np.exp(-1.96 * 0.19), rel=0.08)
    assert high == pytest.approx(0.2 * np.exp(1.96 * 0.19), rel=0.08)
    assert found.said.startswith("0.20 of baseline (95 % interval 0.1")
    assert found.said.endswith(", 2 variants)")


def test_a_mutation_that_is_not_listed_is_not_taken_for_zero():
    found = change(BASE, mutations(TP53=(500, 20)))
    assert found.mean is None
    assert np.isnan(found.ratio).all()
    assert found.said == (f"APC chr1:{sum(map(ord, 'APC')) + 1} of the baseline not listed here "
                          "with reads, list them also where no read shows them")  # fmt: skip
    unread = mutations(TP53=(500, 20), APC=(None, None))
    assert change(BASE, unread).said == found.said


def test_mutations_that_no_read_shows_are_a_fall_with_an_upper_bound():
    low, value, high = change(BASE, mutations(TP53=(1000, 0), APC=(1000, 0))).ratio
    assert (low, value) == (0, 0)
    # about 2.5 reads of each could have been missed together: 0.0013 to 0.003 over 0.15
    assert 0.005 < high < 0.02


@pytest.mark.parametrize(
    ("base", "now", "why"),
    [
        (mutations(TP53=(1000, 20, False)), BASE, "no mutation of the tumor is known at baseline"),
        (mutations(TP53=(1000, 0)), BASE, "no mutation of the tumor is known at baseline"),
        (BASE, MUTATIONS.empty(), "no variants are given for this sample"),
        (mutations(TP53=(1000, 3)), BASE, "no variant above 0.3 % at baseline"),
    ],
)
def test_why_there_is_no_ratio(base, now, why):
    found = change(base, now)
    assert found.said == why
    assert np.isnan(found.ratio).all()


def test_reads_that_repeat_molecules_say_less():
    now = mutations(TP53=(20000, 800), APC=(20000, 400))
    deep = mutations(TP53=(20000, 4000), APC=(20000, 2000))
    few, many = (np.ptp(change(deep, now, limit=limit).ratio) for limit in (3000, LIMIT))
    assert few > 2 * many


@given(st.integers(1, 400), st.integers(0, 400))
def test_the_value_lies_in_its_interval(then, now):
    found = change(mutations(TP53=(400, then)), mutations(TP53=(400, now)))
    low, value, high = found.ratio
    if then > 1:
        assert 0 <= low <= value <= high
        assert found.mean.low <= found.mean.value <= found.mean.high <= 1


def test_the_interval_holds_the_truth():
    rng = np.random.default_rng(5)
    levels, fall, held, n = np.array([0.02, 0.05, 0.3]), 0.2, 0, 1000
    depth = np.full(3, 800.0)
    for _ in range(n):
        then, now = (step.mean_vaf(depth, rng.binomial(800, levels * share).astype(float),
                                   limit=LIMIT) for share in (1.0, fall))  # fmt: skip
        low, _, high = step.ratio(now, then)
        held += low <= fall <= high
    low, high = stats.binomtest(held, n).proportion_ci()
    assert low >= 0.93
    assert high <= 0.98


# --- the change in the share of DNA ---


@given(st.floats(0.02, 0.9), st.floats(0.01, 0.9), st.floats(1.5, 5), st.integers(1, 8))
def test_allele_fraction_times_ratio_goes_with_the_share_of_dna_at_whatever_copies(
    then, now, ploidy, copies
):
    def k(t):
        return t / (t * ploidy + 2 * (1 - t))

    def seen(t):
        vaf = t * 0.7 / (t * copies + 2 * (1 - t))
        return vaf, float(ratio_of(copies, t, ploidy))

    (v_then, r_then), (v_now, r_now) = seen(then), seen(now)
    change = k(now) / k(then)
    assert v_now * r_now / (v_then * r_then) == pytest.approx(change)
    assert r_now == pytest.approx(1 + change * (r_then - 1))


def likely(then, now, *, ratio=1.0, follows=1.0):
    n = len(then)
    return step.Likelihood(np.array(then, dtype=float), np.array(now, dtype=float),
                           np.full(n, ratio), np.full(n, follows))  # fmt: skip


def test_the_likelihood_of_reads_by_hand():
    # 100 of 1000 before and 20 of 1000 now: binomial of 120 with R / (1 + R)
    found = likely([(100, 1000)], [(20, 1000)])
    at = np.array([0.1, 0.2, 0.4])
    binomial = stats.binom.pmf(20, 120, at / (1 + at)) / stats.binom.pmf(20, 120, 1 / 6)
    np.testing.assert_allclose(found.at(at), binomial)
    # half the depth and a place at 0.8 before, where now 1 - 0.2*R is expected
    found = likely([(100, 1000)], [(10, 500)], ratio=0.8)
    share = at * 500 / (1 - 0.2 * at) / (at * 500 / (1 - 0.2 * at) + 1000 / 0.8)
    binomial = stats.binom.pmf(10, 110, share) / stats.binom.pmf(10, 110, 1 / 11)
    np.testing.assert_allclose(found.at(at), binomial)


def test_a_variant_that_may_go_its_own_way_does_not_rule_out_a_ratio():
    at = np.array([0.2, 1.0])
    sure = likely([(100, 1000)] * 3, [(20, 1000)] * 2 + [(100, 1000)]).at(at)
    doubted = likely([(100, 1000)] * 3, [(20, 1000)] * 2 + [(100, 1000)], follows=0.9).at(at)
    assert sure[0] < 1e-10
    assert doubted[0] > 50 * doubted[1]


def test_the_interval_of_the_likelihood_holds_the_truth():
    rng = np.random.default_rng(8)
    grid, fall, held, n = np.geomspace(0.02, 2, 800), 0.15, 0, 400
    for _ in range(n):
        then, now = (rng.binomial(2000, np.array([0.15, 0.1, 0.12]) * share) for share in (1, fall))
        found = likely([(v, 2000) for v in then], [(v, 2000) for v in now], follows=0.95)
        low, high = weighted_quantile(grid, found.at(grid) * grid, np.array([0.025, 0.975]))
        held += low <= fall <= high
    low, high = stats.binomtest(held, n).proportion_ci()
    assert low <= 0.97
    assert high >= 0.94


def test_mutations_that_are_not_listed_add_nothing_and_those_that_are_do():
    base = BASE.assign(p_clonal=0.9, ratio=1.0)
    assert step.likelihood(base, MUTATIONS.empty(), limit=LIMIT) is None
    found = step.likelihood(base, mutations(TP53=(500, 20), DNMT3A=(500, 10)), limit=LIMIT)
    np.testing.assert_allclose(found.now, [[20, 500]], rtol=1e-5)
    np.testing.assert_allclose(found.then, [[200, 1000]], rtol=1e-5)


def test_the_track_gets_the_mean_and_says_it():
    track = TRACK.check(fakes._track([
        {"sample": name, "day": day, "fraction": fraction, "erbb2": erbb2}
        for name, day, fraction, erbb2 in _samples()
    ]))  # fmt: skip
    now = mutations(TP53=(1000, 40), APC=(1000, 20), DNMT3A=(1000, 20))
    made = step.add(track, {"a": BASE, "b": now}, limit=LIMIT, min_vaf=MIN_VAF)
    made = TRACK.check(made).set_index("sample")
    assert made.loc["a", "vaf"] == pytest.approx(0.15)
    assert np.isnan(made.loc["a", "vaf_ratio"])
    assert made.loc["b", "vaf_ratio"] == pytest.approx(0.2)
    assert made.loc["b", "vaf_n"] == 2
    assert "; mean VAF: 0.20 of baseline (95 %" in made.loc["b", "reason"]
    assert "mean VAF" not in made.loc["a", "reason"]
    empty = {"a": MUTATIONS.empty(), "b": MUTATIONS.empty()}
    pd.testing.assert_frame_equal(step.add(track, empty, limit=LIMIT, min_vaf=MIN_VAF), track)


def _samples():
    fraction = {"status": "detected", "fraction": 0.3, "low": 0.2, "high": 0.4, "lod": 0.03}
    erbb2 = {"call": "neutral", "pcn": 2.0, "pcn_low": 1.9, "pcn_high": 2.1, "copies": 2.0,
             "copies_low": 1.5, "copies_high": 2.5}  # fmt: skip
    return [("a", 0, fraction, erbb2), ("b", 21, fraction | {"fraction": 0.06}, erbb2)]
