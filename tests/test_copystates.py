"""Copy states: priors by hand, the chance of a change, and the likelihood against its twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcnv import copystates as step
from ctcnv.copystates import Kind
from ctcnv.evidence import tail_scale2
from tests import plasma
from tests.plasma import evidence_of
from tests.reference import forward_slow, posterior_slow

FAST = plasma.FAST
SETTINGS = plasma.SETTINGS["fraction"]

# --- states and their prior ---


def test_states_are_whole_copies_and_parts_between_them():
    assert step.copy_states(3, subclonal=False).tolist() == [0, 1, 2, 3]
    found = step.copy_states(1, subclonal=True)
    assert found.tolist() == sorted([0, 1, *step.PARTS])


def test_there_are_no_parts_above_the_copies_where_they_are_rare():
    found = step.copy_states(step.SUBCLONAL_COPIES + 3, subclonal=True)
    assert found.tolist() == posterior_slow.states(step.SUBCLONAL_COPIES + 3)
    parts = found[found % 1 != 0]
    assert len(parts) == step.SUBCLONAL_COPIES * len(step.PARTS)
    assert parts.max() < step.SUBCLONAL_COPIES


def prior_of(copies, base, *, decay, subclonal_weight=0.1, no_copy_weight=1.0):
    return step.state_prior(
        np.asarray(copies, dtype=float), base=np.array([float(base)]), decay=decay,
        subclonal_weight=subclonal_weight, no_copy_weight=no_copy_weight,
    )[0]  # fmt: skip


def test_the_prior_of_whole_states_by_hand():
    # each copy halves the prior: 1 + 2 * (1/2 + 1/4 + ...) = 3 over all whole numbers
    found = prior_of([0, 1, 2], 1, decay=np.log(2), subclonal_weight=0.0)
    np.testing.assert_allclose(found, [1 / 6, 1 / 3, 1 / 6])


def test_the_prior_of_parts_by_hand():
    """A part between one copy and two is one copy that not all cells have: half, times 0.3 / parts;
    the parts on both sides together add 0.3 * 2 to the sum of 3."""
    copies = [1, *(1 + part for part in step.PARTS), 2, 3]
    part = 0.5 * 0.3 / len(step.PARTS)
    weights = np.array([0.5, *([part] * len(step.PARTS)), 1, 0.5])
    found = prior_of(copies, 2, decay=np.log(2), subclonal_weight=0.3)
    np.testing.assert_allclose(found, weights / 3.6)


def test_less_than_one_copy_is_rarer_by_its_weight_and_nothing_else_changes():
    copies = [0, 0.5, 1, 2]
    rare, equal = (prior_of(copies, 2, decay=1.0, no_copy_weight=w) for w in (0.05, 1.0))
    np.testing.assert_allclose(rare / equal, [0.05, 0.05, 1, 1])


def test_the_prior_of_the_base_does_not_depend_on_how_near_the_end_of_the_range_it_is():
    """Else a genome with its base at zero or at the highest state would look likelier."""
    copies = step.copy_states(6, subclonal=True)
    at_base = [prior_of(copies, base, decay=1.0)[copies == base][0] for base in range(7)]
    np.testing.assert_allclose(at_base, at_base[0])


@given(st.integers(0, 6), st.floats(0.3, 4), st.floats(0, 1))
def test_priors_are_shares_of_one_and_parts_weigh_less(base, decay, weight):
    copies = step.copy_states(12, subclonal=True)
    found = prior_of(copies, base, decay=decay, subclonal_weight=weight)
    assert found.sum() <= 1 + 1e-9
    assert (found >= 0).all()
    parts = copies % 1 != 0
    assert found[parts].sum() <= weight * found[~parts].sum() * (1 + 1e-9)


@settings(max_examples=15)
@given(st.integers(0, 6), st.floats(0.3, 4), st.floats(0, 1))
def test_the_prior_of_states_is_that_of_the_plain_loop(base, decay, weight):
    copies = step.copy_states(12, subclonal=True)
    found = prior_of(copies, base, decay=decay, subclonal_weight=weight)
    wanted = posterior_slow.state_prior(copies, base, decay, weight, 1.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@given(st.integers(2, step.SUBCLONAL_COPIES - 1))
def test_the_prior_looks_the_same_around_every_base(base):
    """A prior with more states around one ploidy would favour it."""
    copies = step.copy_states(12, subclonal=True)

    def around(middle):
        return prior_of(copies, middle, decay=2.0)[np.abs(copies - middle) <= 1]

    np.testing.assert_allclose(around(base), around(2), rtol=1e-9)


def test_cells_have_their_own_bases():
    copies = np.array([0.0, 1, 2])
    together = step.state_prior(copies, base=np.array([1.0, 2.0]), decay=1.0,
                                subclonal_weight=0.1, no_copy_weight=1.0)  # fmt: skip
    np.testing.assert_allclose(together[0], prior_of(copies, 1, decay=1.0))
    np.testing.assert_allclose(together[1], prior_of(copies, 2, decay=1.0))


# --- kinds of genomes ---


@pytest.mark.parametrize("number", [0, 1])
def test_the_prior_of_the_ploidy_holds_the_share_of_its_kind(number):
    kind = step.kinds(SETTINGS)[number]
    mass, _ = scipy.integrate.quad(
        lambda p: float(np.exp(kind.log_ploidy(np.array([p]))[0])),
        kind.mean - 8 * kind.sd, kind.mean + 8 * kind.sd,
    )  # fmt: skip
    assert mass == pytest.approx(kind.weight)


def test_the_kinds_are_all_tumors_and_come_from_the_settings():
    diploid, doubled = step.kinds(SETTINGS)
    assert diploid.weight + doubled.weight == pytest.approx(1)
    assert doubled.weight == SETTINGS.doubled_share
    assert (diploid.mean, diploid.sd) == (2.0, SETTINGS.ploidy_sd)
    assert (doubled.mean, doubled.sd) == (SETTINGS.doubled_ploidy, SETTINGS.doubled_sd)


def test_a_ploidy_of_two_is_rather_near_diploid_and_one_of_four_rather_doubled():
    diploid, doubled = (kind.log_ploidy(np.array([2.0, 4.0])) for kind in step.kinds(SETTINGS))
    assert diploid[0] > doubled[0]
    assert diploid[1] < doubled[1]


def test_two_copies_are_the_commonest_in_a_near_diploid_genome():
    ploidy = np.array([1.8, 2.3, 3.5])
    diploid, doubled = step.kinds(SETTINGS)
    assert [base.tolist() for base in diploid.bases(ploidy)] == [[2, 2, 2]]
    # and the whole numbers beside the ploidy in a doubled one
    assert [base.tolist() for base in doubled.bases(ploidy)] == [[1, 2, 3], [2, 3, 4]]


def test_the_log_density_of_a_ploidy_by_hand():
    kind = Kind(0.3, 3.0, 0.5, None)
    # one standard deviation up: 0.3 * exp(-1/2) / (0.5 * sqrt(2 pi))
    assert np.exp(kind.log_ploidy(np.array([3.5])))[0] == pytest.approx(
        0.3 * scipy.stats.norm.pdf(1) / 0.5
    )


# --- where copies change ---


def test_the_chance_of_a_change_by_hand():
    seen = evidence_of(np.ones(20), chrom=["chr1"] * 10 + ["chr2"] * 10)
    arm = seen.first.copy()
    arm[4] = 1
    found = step.changes(replace(seen, arm=arm), breakpoints=2, centromere=0.3)
    # 2 breakpoints among 20 windows; a centromere at window 4; chromosomes at 0 and 10
    wanted = np.full(20, 0.1)
    wanted[4], wanted[[0, 10]] = 0.3, 1.0
    np.testing.assert_allclose(found, wanted)


def test_the_chance_of_a_change_is_at_most_a_half_inside_a_chromosome():
    seen = evidence_of(np.ones(20), chrom=["chr1"] * 20)
    found = step.changes(seen, breakpoints=60, centromere=0.3)
    assert found.tolist() == [1.0] + [0.5] * 19


def test_a_centromere_is_never_less_likely_a_change_than_any_other_place():
    seen = evidence_of(np.ones(20), chrom=["chr1"] * 20)
    arm = seen.first.copy()
    arm[4] = 1
    found = step.changes(replace(seen, arm=arm), breakpoints=8, centromere=0.1)
    assert found[4] == found[3] == pytest.approx(0.4)


# --- the likelihood ---


def arguments(n, rng, n_states=3, df=5):
    """Arguments of the slow twins for one cell."""
    change = np.where(rng.random(n) < 0.3, 1.0, rng.uniform(0.01, 0.5, n))
    change[0] = 1.0
    level = np.sort(rng.uniform(0, 2, n_states))
    return (
        rng.normal(1, 0.2, n), rng.uniform(1e-3, 1e-2, n), rng.uniform(0, 1e-3, n), change,
        float(rng.uniform(1, 2)), level, rng.dirichlet(np.ones(n_states)), df,
    )  # fmt: skip


def fast_forward(arguments):
    """The fast likelihood with the constant of the density that it leaves out."""
    *data, level, prior, df = arguments
    found = step.forward(*data, level[None, :], prior[None, None, :], df, tail_scale2(df))
    return float(found[0, 0]) + len(data[0]) * scipy.stats.t.logpdf(0, df)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("df", [1, 3, 5, 11])
def test_the_likelihood_is_the_sum_over_every_path(seed, df):
    given_ = arguments(5, np.random.default_rng(seed), df=df)
    assert fast_forward(given_) == pytest.approx(forward_slow.sum_over_paths(*given_), rel=1e-9)


@pytest.mark.parametrize("n_states", [1, 2, 4, 5, 7])
def test_the_likelihood_of_a_long_chain_is_that_of_the_plain_loop(n_states):
    """Whatever the number of states: they are taken in groups of four."""
    given_ = arguments(60, np.random.default_rng(n_states), n_states=n_states)
    assert fast_forward(given_) == pytest.approx(forward_slow.forward_loop(*given_), rel=1e-9)


def test_a_region_without_any_copies_in_a_pure_tumor_has_a_likelihood():
    *data, level, prior, df = arguments(20, np.random.default_rng(4))
    level[0] = 0.0
    data[0][5] = 0.0
    given_ = (*data, level, prior, df)
    assert fast_forward(given_) == pytest.approx(forward_slow.forward_loop(*given_), rel=1e-9)


def test_priors_and_cells_do_not_mix():
    rng = np.random.default_rng(1)
    *data, _, _, df = arguments(20, rng)
    levels = np.sort(rng.uniform(0, 2, (3, 3)), axis=1)
    priors = rng.dirichlet(np.ones(3), size=(2, 3))
    together = step.forward(*data, levels, priors, df, tail_scale2(df))
    together = together + 20 * scipy.stats.t.logpdf(0, df)
    assert together.shape == (2, 3)
    for k in range(2):
        for cell in range(3):
            alone = fast_forward((*data, levels[cell], priors[k, cell], df))
            assert together[k, cell] == pytest.approx(alone)


@given(st.integers(0, 1000))
def test_chromosomes_are_independent_and_their_order_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    ratio = rng.normal(1, 0.1, 40)
    names = ["chr1"] * 15 + ["chr2"] * 25
    seen = evidence_of(ratio, chrom=names)
    turned = evidence_of(np.concatenate([ratio[15:], ratio[:15]]), chrom=names[15:] + names[:15])
    cells = np.array([0.3]), np.array([2.1])
    one, other = (step.log_evidence(s, *cells, settings=FAST) for s in (seen, turned))
    assert one[0] == pytest.approx(other[0])


def test_the_likelihood_of_no_tumor_by_hand():
    seen = evidence_of(np.full(20, 1.1), breakpoints=1)
    v = tail_scale2(5) * seen.inflation * (0.001 + 0.0001)
    each = -0.5 * np.log(v) - 3 * np.log(1 + 0.01 / (5 * v))
    assert step.log_likelihood_of_none(seen, tail_df=5) == pytest.approx(20 * each)


def test_a_vanishing_fraction_is_no_tumor():
    rng = np.random.default_rng(2)
    seen = evidence_of(rng.normal(1, 0.03, 200))
    copies = step.copy_states(4, subclonal=True)
    # so steep that next to nothing of the prior lies beyond the states
    prior = step.state_prior(copies, base=np.array([2.0]), decay=9.0, subclonal_weight=0.1,
                             no_copy_weight=1.0)  # fmt: skip
    found = step.log_likelihoods(
        seen, np.array([1e-9]), np.array([2.0]), copies=copies, prior=prior[None],
        change=step.changes(seen, breakpoints=60, centromere=0.3), tail_df=FAST.tail_df,
    )  # fmt: skip
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("fraction", "ploidy"),
    [(0.001, 2.0), (0.3, 2.1), (0.3, 3.1), (0.3, 3.3), (0.9, 4.9), (0.999, 1.1)],
)
def test_the_evidence_of_a_cell_is_that_of_the_twin(fraction, ploidy):
    """Summed over kinds and averaged over decays, one after the other."""
    rng = np.random.default_rng(6)
    ratio = np.repeat(rng.choice([0.8, 1.0, 1.0, 1.2], 8), 5) + rng.normal(0, 0.05, 40)
    seen = evidence_of(ratio, expected=500.0, chrom=["chr1"] * 15 + ["chr2"] * 25)
    arm = seen.first.copy()
    arm[20] = 1
    seen = replace(seen, arm=arm)
    rare = replace(SETTINGS, breakpoints=4.0)
    found = step.log_evidence(seen, np.array([fraction]), np.array([ploidy]), settings=rare)
    wanted = posterior_slow.log_evidence(seen, fraction, np.array([ploidy]), rare)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_a_prior_that_two_kinds_share_is_computed_once(monkeypatch):
    """Below three copies one of the two bases of a doubled genome is that of a near-diploid one."""
    asked = []
    plain = step.log_likelihoods

    def watched(*args, prior, **rest):
        asked.append((prior.max(axis=2) > 0).sum(axis=0))
        return plain(*args, prior=prior, **rest)

    monkeypatch.setattr(step, "log_likelihoods", watched)
    seen = evidence_of(np.random.default_rng(1).normal(1, 0.05, 40))
    ploidy = np.array([1.5, 2.0, 2.5, 3.1, 4.5])
    step.log_evidence(seen, np.full(5, 0.3), ploidy, settings=SETTINGS)
    # bases 1 and 2; 2; 2 and 3; 2, 3 and 4 (3.1 is within 3 sd of both kinds); 4 and 5
    wanted = np.array([2, 1, 2, 3, 2]) * len(step.DECAY_FACTORS)
    np.testing.assert_array_equal(asked[0], wanted)


def test_a_ploidy_that_no_kind_reaches_has_no_evidence():
    seen = evidence_of(np.ones(40))
    low, high = (kind.mean + step.PLOIDY_RANGE * kind.sd for kind in step.kinds(SETTINGS))
    beyond = max(low, high) + 0.01
    found = step.log_evidence(seen, np.array([0.3, 0.3]), np.array([2.0, beyond]), settings=FAST)
    assert np.isfinite(found[0])
    assert found[1] == -np.inf
