"""The mixture of tumor and normal DNA: formulas by hand, their inverse, and their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv.mixture import MIN_FRACTION, copies_of, dna_fraction, ratio_of

FRACTIONS = st.floats(MIN_FRACTION, 1)
PLOIDIES = st.floats(1, 6)


@pytest.mark.parametrize(
    ("copies", "fraction", "pcn"),
    [(25.82, 0.0168, 2.40), (20, 0.10, 3.80), (6, 0.10, 2.40), (4, 0.20, 2.40)],
)
def test_plasma_and_adjusted_copies_of_a_diploid_tumor(copies, fraction, pcn):
    """pCN = 2 + T*(C - 2), the arithmetic of Siravegna 2019, is the model with P = 2."""
    assert 2 * float(ratio_of(copies, fraction, 2.0)) == pytest.approx(pcn, abs=0.002)
    assert float(copies_of(pcn / 2, fraction, 2.0)) == pytest.approx(copies, rel=0.005)


@pytest.mark.parametrize(
    ("allele_fraction", "fraction"),
    [(0.01, 0.0198), (0.05, 0.0952), (0.10, 0.1818), (0.30, 0.4615), (0.50, 0.6667)],
)
def test_the_fraction_from_a_mutation_agrees_with_the_share_of_its_alleles(
    allele_fraction, fraction
):
    """A clonal mutation that lost the other allele: VAF = T / (copies of the site in plasma)."""
    copies_in_plasma = 2 * float(ratio_of(1, fraction, 2.0))
    assert fraction / copies_in_plasma == pytest.approx(allele_fraction, rel=0.005)


def test_the_ratio_by_hand_for_a_tumor_of_ploidy_three():
    # (0.4*6 + 1.2) / (0.4*3 + 1.2) = 3.6 / 2.4
    assert float(ratio_of(6, 0.4, 3.0)) == pytest.approx(1.5)


def test_the_diluted_ratio_to_the_rest_of_the_chromosome():
    # true ratio 6 (12 copies over 2) looks like 1.25, 1.5, 2.5 at T 0.05, 0.10, 0.30
    for fraction, seen in ((0.05, 1.25), (0.10, 1.5), (0.30, 2.5)):
        assert float(ratio_of(12, fraction, 2.4) / ratio_of(2, fraction, 2.4)) == pytest.approx(
            seen
        )


def test_a_male_x_of_one_copy_has_the_ratio_one():
    assert float(ratio_of(1, 0.5, 2.0, normal=1.0)) == pytest.approx(1)
    assert float(ratio_of(3, 0.5, 2.0, normal=1.0)) == pytest.approx(2)


@given(st.floats(0, 300), FRACTIONS, PLOIDIES, st.sampled_from([1.0, 2.0]))
def test_copies_and_ratio_are_inverse(copies, fraction, ploidy, normal):
    ratio = ratio_of(copies, fraction, ploidy, normal=normal)
    back = float(copies_of(ratio, fraction, ploidy, normal=normal))
    assert back == pytest.approx(copies, rel=1e-6, abs=1e-9 / fraction)


@given(FRACTIONS, PLOIDIES)
def test_a_region_of_the_mean_ploidy_is_not_special_and_more_copies_are_more(fraction, ploidy):
    low, high = ratio_of(ploidy, fraction, ploidy), ratio_of(ploidy + 1, fraction, ploidy)
    assert float(low) == pytest.approx(1)
    assert high > low


@given(st.floats(0, 20), st.floats(MIN_FRACTION, 0.6), PLOIDIES)
def test_one_copy_more_everywhere_at_another_fraction_is_the_same_profile(copies, fraction, ploidy):
    """(T, C) and (2T/(2-T), C+1) have the same ratios: copy number alone cannot tell them apart."""
    other = 2 * fraction / (2 - fraction)
    assert float(ratio_of(copies + 1, other, ploidy + 1)) == pytest.approx(
        float(ratio_of(copies, fraction, ploidy))
    )


@given(FRACTIONS, PLOIDIES)
def test_the_dna_fraction_lies_between_zero_and_one_and_is_the_fraction_of_a_diploid(
    fraction, ploidy
):
    assert 0 <= float(dna_fraction(fraction, ploidy)) <= 1
    assert float(dna_fraction(fraction, 2.0)) == pytest.approx(fraction)


def test_the_dna_fraction_by_hand():
    # 0.2*4 / (0.2*4 + 1.6) = 0.8 / 2.4, and a pure tumor is all of the DNA
    np.testing.assert_allclose(
        dna_fraction(np.array([0.2, 1.0]), np.array([4.0, 3.0])), [1 / 3, 1.0]
    )


def test_arguments_broadcast():
    fraction, ploidy = np.array([[0.1], [0.5]]), np.array([2.0, 3.0, 4.0])
    assert ratio_of(3.0, fraction, ploidy).shape == (2, 3)
    assert copies_of(1.1, fraction, ploidy).shape == (2, 3)
