"""The sum over copy-number paths through blocks, against loops over every path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import paths as step
from ctcnv.blocks import blocks, cuts
from ctcnv.copystates import PLOIDY_RANGE, changes, kinds
from tests import plasma
from tests.plasma import evidence_of
from tests.reference import posterior_slow

FAST = plasma.FAST
SETTINGS = replace(plasma.SETTINGS["fraction"], breakpoints=4.0)


def joined(seen, *, settings=SETTINGS):
    change = changes(seen, breakpoints=settings.breakpoints, centromere=settings.centromere_change)
    first = cuts(seen, change, tail_df=settings.tail_df)
    return blocks(seen, first, change, tail_df=settings.tail_df), first


def tumor(seed=6, n=40):
    rng = np.random.default_rng(seed)
    ratio = np.repeat(rng.choice([0.8, 1.0, 1.0, 1.2], n // 5), 5) + rng.normal(0, 0.05, n)
    seen = evidence_of(ratio, expected=500.0, chrom=["chr1"] * 15 + ["chr2"] * (n - 15))
    arm = seen.first.copy()
    arm[20] = True
    return replace(seen, arm=arm)


def evidence(seen, fraction, ploidy, *, settings=SETTINGS, share=None):
    where = np.atleast_1d(np.array(fraction, dtype=float)), np.atleast_1d(np.array(ploidy))
    made = joined(seen, settings=settings)[0]
    share = np.ones((1, made.chrom[-1] + 1)) if share is None else np.array(share)
    found = step.log_evidence(made, *where, share=share, settings=settings)
    return found[0] if len(share) == 1 else found


@pytest.mark.parametrize(
    ("fraction", "ploidy"),
    [(0.001, 2.0), (0.3, 2.1), (0.3, 3.1), (0.3, 3.3), (0.9, 4.9), (0.999, 1.1)],
)
def test_the_evidence_of_a_cell_is_that_of_the_twin(fraction, ploidy):
    """Summed over the sorts of genomes, one after the other; the table of levels is a cubic."""
    seen = tumor()
    _, first = joined(seen)
    share = np.array([[1.0, 1.0], [0.3, 2.0], [0.0, 1.0]])
    wanted = posterior_slow.log_evidence(seen, first, fraction, np.array([ploidy]), SETTINGS, share)
    np.testing.assert_allclose(evidence(seen, fraction, ploidy, share=share), wanted, atol=0.05)


@given(st.integers(0, 1000))
def test_chromosomes_are_independent_and_their_order_does_not_matter(seed):
    ratio = np.random.default_rng(seed).normal(1, 0.1, 40)
    names = ["chr1"] * 15 + ["chr2"] * 25
    seen = evidence_of(ratio, chrom=names)
    turned = evidence_of(np.concatenate([ratio[15:], ratio[:15]]), chrom=names[15:] + names[:15])
    one, other = (evidence(s, 0.3, 2.1, settings=FAST) for s in (seen, turned))
    assert one[0] == pytest.approx(other[0])


def test_cells_and_priors_do_not_mix():
    seen = tumor()
    cells = np.array([0.1, 0.3, 0.3, 0.8]), np.array([2.0, 2.1, 3.4, 1.4])
    together = evidence(seen, *cells)
    alone = [evidence(seen, t, p)[0] for t, p in zip(*cells, strict=True)]
    np.testing.assert_allclose(together, alone)


def test_one_ploidy_serves_all_cells():
    """The compiled sum read beyond the end of the shorter list, at times a minus infinity."""
    cells = np.linspace(0.05, 0.9, 40)
    found = evidence(tumor(), cells, 2.0)
    np.testing.assert_array_equal(found, evidence(tumor(), cells, np.full(40, 2.0)))
    assert found.shape == (40,)


def test_a_ploidy_that_no_kind_reaches_has_no_evidence():
    highest = max(kind.mean + PLOIDY_RANGE * kind.sd for kind in kinds(SETTINGS))
    found = evidence(tumor(), [0.3, 0.3], [2.0, highest + 0.01])
    assert np.isfinite(found[0])
    assert found[1] == -np.inf


def test_one_impossible_block_does_not_make_every_tumor_impossible():
    """No copies explain a ratio of 9 in 5 % tumor DNA: all cells lose the same."""
    seen = tumor()
    ratio = seen.ratio.copy()
    ratio[17:20] = 9.0
    found = evidence(replace(seen, ratio=ratio, counting=seen.counting / 50), [0.05, 0.06], 2.0)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("part", [0.15, 0.333, 0.43, 0.5, 0.77])
def test_an_event_of_part_of_the_cells_is_met_at_any_level(part):
    """Once, with quarters of a copy only, a third of one was taken for a whole copy of a genome of
    many copies and little tumor DNA."""
    rng = np.random.default_rng(3)
    copies = np.repeat([2.0, 3, 2, 1, 2 + part, 2, 1, 2], 25)
    ratio = 1 + 0.2 * (copies - 2) + rng.normal(0, 0.01, 200)
    seen = evidence_of(ratio, expected=1e4, chrom=["chr1"] * 100 + ["chr2"] * 100)
    # s = T / (T*P + 2*(1-T)) = 0.2 at P = 2 is T = 0.4; at a third of the step T = 0.1538, P = 4
    found = evidence(seen, [0.4, 0.6, 0.1538], [2.0, 2.0, 4.0])
    assert found[0] > found[1] + 10
    assert found[0] > found[2]


def test_a_doubled_genome_with_few_late_events_is_not_taken_for_a_diploid_one():
    """Once it was: its odd copies were explained as events of half of the cells of a diploid."""
    rng = np.random.default_rng(2)
    copies = np.repeat([4.0, 2, 4, 6, 4, 3, 4, 2, 4, 5, 2, 4, 4, 3, 4, 2], 25)
    ploidy = float(copies.mean())
    below = 0.4 * ploidy + 1.2
    ratio = (0.4 * copies + 1.2) / below + rng.normal(0, 0.01, 400)
    seen = evidence_of(
        ratio, expected=1e4, chrom=list(np.repeat([f"chr{i}" for i in range(8)], 50))
    )
    # twice the step at half the ploidy:  T' = 2s' / (1 - s' (P' - 2)), s' = 2 * 0.4 / below
    half = ploidy / 2
    rival = 2 * (0.8 / below) / (1 - 0.8 / below * (half - 2))
    settings = plasma.SETTINGS["fraction"]
    found = evidence(seen, [0.4, rival], [ploidy, half], settings=settings)
    assert found[0] > found[1] + 3
