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
from ctcnv.copystates import PARTS, Base, Kind
from ctcnv.evidence import Evidence, tail_scale2
from ctcnv.mixture import ratio_of
from tests import plasma
from tests.plasma import evidence_of
from tests.reference import forward_slow, posterior_slow

FAST = plasma.FAST
SETTINGS = plasma.SETTINGS["fraction"]

# --- states and their prior ---


def prior_of(copies, base, *, decay, no_copy_weight=1.0):
    return step.state_prior(
        np.asarray(copies, dtype=float), base=np.array([float(base)]), decay=decay,
        no_copy_weight=no_copy_weight,
    )[0]  # fmt: skip


def doubled_of(copies, base, *, decay, no_copy_weight=1.0):
    return step.doubled_prior(
        np.asarray(copies, dtype=float), base=base, decay=decay, no_copy_weight=no_copy_weight
    )


def test_the_prior_of_whole_states_by_hand():
    # each copy halves the prior: 1 + 2 * (1/2 + 1/4 + ...) = 3 over all whole numbers
    found = prior_of([0, 1, 2], 1, decay=np.log(2))
    np.testing.assert_allclose(found, [1 / 6, 1 / 3, 1 / 6])


def test_no_copy_at_all_is_rarer_by_its_weight_and_nothing_else_changes():
    rare, equal = (prior_of([0, 1, 2], 2, decay=1.0, no_copy_weight=w) for w in (0.05, 1.0))
    np.testing.assert_allclose(rare / equal, [0.05, 1, 1])
    rare, equal = (doubled_of([0, 1, 2], 4, decay=1.0, no_copy_weight=w) for w in (0.05, 1.0))
    np.testing.assert_allclose(rare / equal, [0.05, 1, 1])


def test_the_prior_of_the_base_does_not_depend_on_how_near_the_end_of_the_range_it_is():
    """Else a genome with its base at zero or at the highest state would look likelier."""
    copies = np.arange(7.0)
    at_base = [prior_of(copies, base, decay=1.0)[base] for base in range(7)]
    np.testing.assert_allclose(at_base, at_base[0])


@given(st.integers(0, 6), st.floats(0.3, 4))
def test_priors_are_shares_of_one(base, decay):
    for found in (prior_of(np.arange(13), base, decay=decay),
                  doubled_of(np.arange(13), base, decay=decay)):  # fmt: skip
        assert found.sum() <= 1 + 1e-9
        assert (found >= 0).all()


def test_a_doubled_genome_has_steps_of_two_copies_as_often_as_of_one():
    """What was lost before the doubling is lost twice; after it, once."""
    prior = doubled_of(np.arange(9), 4, decay=3.0)
    assert prior[2] == pytest.approx(prior[3], rel=0.15)
    assert prior[6] == pytest.approx(prior[5], rel=0.15)
    # in a genome that was not doubled the second copy is a second event
    plain = prior_of(np.arange(9), 4, decay=3.0)
    assert plain[2] == pytest.approx(plain[3] * np.exp(-3))


@settings(max_examples=15)
@given(st.integers(2, 4), st.floats(0.3, 4), st.floats(0, 1))
def test_the_priors_of_states_are_those_of_the_plain_loops(base, decay, weight):
    copies = np.arange(13.0)
    whole = prior_of(copies, base, decay=decay, no_copy_weight=0.1)
    wanted = posterior_slow.state_prior(copies, base, decay, 0.1)
    np.testing.assert_allclose(whole, wanted, rtol=1e-9)
    doubled = doubled_of(copies, base, decay=decay, no_copy_weight=0.1)
    wanted = posterior_slow.doubled_prior(copies, base, decay, 0.1)
    np.testing.assert_allclose(doubled, wanted, rtol=1e-9)
    found = step.with_subclones(doubled, base=base, share=weight)
    np.testing.assert_allclose(found, posterior_slow.with_subclones(wanted, base, weight))


def test_states_are_whole_copies_and_then_parts_between_them():
    found = step.states(12)
    assert found[:13].tolist() == list(range(13))
    assert len(found) == 13 + step.SUBCLONAL_COPIES * len(PARTS)
    np.testing.assert_allclose(found[13 : 13 + len(PARTS)], PARTS)
    np.testing.assert_allclose(found[-len(PARTS) :], step.SUBCLONAL_COPIES - 1 + np.array(PARTS))
    np.testing.assert_allclose(found, posterior_slow.copies_of_states(12))
    # none between the highest state and what lies above it
    assert step.states(2).max() == 2


@given(st.integers(2, 4), st.floats(0.3, 4), st.floats(0, 1))
def test_subclones_take_from_events_and_not_from_the_base(base, decay, share):
    """Else a genome with subclones would pay for them where it has none."""
    whole = prior_of(np.arange(13), base, decay=decay)
    found = step.with_subclones(whole, base=base, share=share)
    assert found[base] == whole[base]
    assert found.sum() <= 1 + 1e-9
    np.testing.assert_allclose(np.delete(found[:13], base), (1 - share) * np.delete(whole, base))


def test_the_prior_of_levels_between_copies_by_hand():
    """Between one copy and two, around two: the event of one copy, that not all cells have."""
    whole = np.arange(13.0) + 1
    found = step.with_subclones(whole, base=2, share=0.5)[13:].reshape(-1, len(PARTS))
    # 0-1: as no copy at all; 1-2: as one copy; 2-3: as three; 3-4: as four ...
    wanted = 0.5 * np.array([1, 2, 4, 5, 6, 7, 8])
    np.testing.assert_allclose(found.sum(axis=1), wanted)
    np.testing.assert_allclose(found, np.broadcast_to(wanted[:, None], found.shape) / len(PARTS))


def test_cells_have_their_own_bases():
    copies = np.array([0.0, 1, 2])
    together = step.state_prior(copies, base=np.array([1.0, 2.0]), decay=1.0, no_copy_weight=1.0)
    np.testing.assert_allclose(together[0], prior_of(copies, 1, decay=1.0))
    np.testing.assert_allclose(together[1], prior_of(copies, 2, decay=1.0))


def test_the_sorts_of_genomes_share_the_weight_of_their_kind():
    ploidy = np.array([1.2, 2.0, 4.0])
    found = step.genomes(ploidy, settings=SETTINGS)
    n = len(step.DECAY_FACTORS) * len(step.SUBCLONAL_FACTORS)
    assert found.prior.shape == (5 * n, len(step.states(SETTINGS.max_copies)))
    first = 0
    for kind in step.kinds(SETTINGS):
        last = first + n * len(kind.bases)
        np.testing.assert_allclose(np.exp(found.log_weight[first:last]).sum(axis=0),
                                   np.exp(kind.log_ploidy(ploidy)))  # fmt: skip
        first = last
    assert first == 5 * n


# --- kinds of genomes ---


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_prior_of_the_ploidy_holds_the_share_of_its_kind(number):
    kind = step.kinds(SETTINGS)[number]
    mass, _ = scipy.integrate.quad(
        lambda p: float(np.exp(kind.log_ploidy(np.array([p]))[0])),
        kind.mean - step.PLOIDY_RANGE * kind.sd, kind.mean + step.PLOIDY_RANGE * kind.sd,
    )  # fmt: skip
    # all but what lies beyond three standard deviations
    assert mass == pytest.approx(kind.weight, rel=0.003)


def test_the_kinds_are_all_tumors_and_come_from_the_settings():
    haploid, diploid, doubled = step.kinds(SETTINGS)
    assert haploid.weight + diploid.weight + doubled.weight == pytest.approx(1)
    assert doubled.weight == SETTINGS.doubled_share
    assert haploid.weight == SETTINGS.haploid_share
    assert (haploid.mean, haploid.sd) == (1.0, SETTINGS.ploidy_sd)
    assert (diploid.mean, diploid.sd) == (2.0, SETTINGS.ploidy_sd)
    assert (doubled.mean, doubled.sd) == (SETTINGS.doubled_ploidy, SETTINGS.doubled_sd)


def test_a_ploidy_of_two_is_rather_near_diploid_and_one_of_four_rather_doubled():
    found = np.array([kind.log_ploidy(np.array([1.1, 2.0, 4.0])) for kind in step.kinds(SETTINGS)])
    assert found[1:].argmax(axis=0).tolist() == [0, 0, 1]
    assert found.argmax(axis=0).tolist()[1:] == [1, 2]


def test_the_commonest_copies_of_each_kind():
    haploid, diploid, doubled = step.kinds(SETTINGS)
    assert haploid.bases == (Base(1.0, False),)
    assert diploid.bases == (Base(2.0, False),)
    assert doubled.bases == (Base(3.0, False), Base(4.0, False), Base(4.0, True))


def test_a_ploidy_far_from_that_of_the_kind_is_impossible():
    kind = Kind(0.3, 3.0, 0.5, (Base(3.0, False),))
    found = kind.log_ploidy(3 + 0.5 * step.PLOIDY_RANGE * np.array([-1.01, -0.99, 0.99, 1.01]))
    assert np.isfinite(found).tolist() == [False, True, True, False]


def test_the_log_density_of_a_ploidy_by_hand():
    kind = Kind(0.3, 3.0, 0.5, (Base(3.0, False),))
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


def likelihoods(ratio, counting, tau2, change, inflation, level, prior, df):
    """The fast likelihood of each cell, with the constant of the density that it leaves out; level,
    prior : (cells, states)."""
    nowhere = np.zeros(len(ratio), dtype=bool)
    seen = Evidence(ratio, counting, tau2, nowhere, nowhere, inflation)
    chain = step.Chain.of(seen, level, change=change, prior=prior, tail_df=df)
    found = chain.log_likelihood(ratio[None])[0] + chain.log_likelihood_of_none(ratio[None])
    return found + len(ratio) * scipy.stats.t.logpdf(0, df)


def fast_forward(arguments):
    *data, level, prior, df = arguments
    return float(likelihoods(*data, level[None], prior[None], df)[0])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("df", [1, 3, 5, 11])
def test_the_likelihood_is_the_sum_over_every_path(seed, df):
    given_ = arguments(5, np.random.default_rng(seed), df=df)
    assert fast_forward(given_) == pytest.approx(forward_slow.sum_over_paths(*given_), rel=1e-9)


@pytest.mark.parametrize("n_states", [1, 2, 4, 5, 7])
def test_the_likelihood_of_a_long_chain_is_that_of_the_plain_loop(n_states):
    given_ = arguments(60, np.random.default_rng(n_states), n_states=n_states)
    assert fast_forward(given_) == pytest.approx(forward_slow.forward_loop(*given_), rel=1e-9)


def test_a_region_without_any_copies_in_a_pure_tumor_has_a_likelihood():
    *data, level, prior, df = arguments(20, np.random.default_rng(4))
    level[0] = 0.0
    data[0][5] = 0.0
    given_ = (*data, level, prior, df)
    assert fast_forward(given_) == pytest.approx(forward_slow.forward_loop(*given_), rel=1e-9)


def test_cells_do_not_mix():
    rng = np.random.default_rng(1)
    *data, _, _, df = arguments(20, rng)
    levels = np.sort(rng.uniform(0, 2, (3, 4)), axis=1)
    priors = rng.dirichlet(np.ones(4), size=3)
    together = likelihoods(*data, levels, priors, df)
    alone = [fast_forward((*data, *cell, df)) for cell in zip(levels, priors, strict=True)]
    np.testing.assert_allclose(together, alone)


def test_genomes_do_not_mix():
    rng = np.random.default_rng(3)
    seen = evidence_of(rng.normal(1, 0.05, 60))
    levels, priors = np.array([[0.9, 1.0, 1.2]] * 2), rng.dirichlet(np.ones(3), size=2)
    chain = step.Chain.of(seen, levels, prior=priors, tail_df=5,
                          change=step.changes(seen, breakpoints=20, centromere=0.3))  # fmt: skip
    ratios = rng.normal(1, 0.05, (5, 60))
    alone = np.concatenate([chain.log_likelihood(one[None]) for one in ratios])
    np.testing.assert_allclose(chain.log_likelihood(ratios), alone)


def test_ratios_far_from_every_level_have_a_likelihood():
    """Sums are brought back to 1 before they are zero."""
    *data, level, prior, df = arguments(60, np.random.default_rng(5), df=11)
    data[0] *= 1e4
    given_ = (*data, level, prior, df)
    wanted = forward_slow.forward_loop(*given_)
    assert wanted < np.log(1e-300)
    assert fast_forward(given_) == pytest.approx(wanted, rel=1e-9)


def test_the_likelihood_of_no_tumor_by_hand():
    seen = evidence_of(np.full(20, 1.1), breakpoints=1)
    v = tail_scale2(5) * seen.inflation * (0.001 + 0.0001)
    each = -0.5 * np.log(v) - 3 * np.log(1 + 0.01 / (5 * v))
    one = np.ones((1, 1))
    chain = step.Chain.of(seen, one, change=np.zeros(20), prior=one, tail_df=5)
    assert chain.log_likelihood_of_none(seen.ratio[None]).tolist() == [pytest.approx(20 * each)]


def test_a_vanishing_fraction_is_no_tumor():
    rng = np.random.default_rng(2)
    seen = evidence_of(rng.normal(1, 0.03, 200))
    copies = np.arange(5.0)
    # so steep that next to nothing of the prior lies beyond the states
    prior = step.state_prior(copies, base=np.array([2.0]), decay=9.0, no_copy_weight=1.0)
    change = step.changes(seen, breakpoints=60, centromere=0.3)
    chain = step.Chain.of(seen, ratio_of(copies, 1e-9, 2.0)[None], change=change, prior=prior,
                          tail_df=FAST.tail_df)  # fmt: skip
    assert chain.log_likelihood(seen.ratio[None]).tolist() == [[pytest.approx(0, abs=1e-4)]]
