"""Tumor fraction from mutations: formulas, filters, likelihood, and both posteriors in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcnv import alleles, genes, mutations, track
from ctcnv.fraction import FractionResult, failed
from ctcnv.mixture import ratio_of
from ctcnv.schema import FRACTION, GRID, MUTATIONS, SEGMENTS, SOLUTIONS
from tests import plasma
from tests.reference import alleles_slow

USE = plasma.SETTINGS["mutations"]
FRACTION_USE = plasma.SETTINGS["fraction"]
BOTH = {"settings": USE, "fraction_settings": FRACTION_USE}
NAN = float("nan")
TWO = np.array([2.0])


def variants(*rows, **columns):
    """Variants from (chrom, start, depth, alt_reads); columns replace those of all rows."""
    frame = pd.DataFrame(rows, columns=["chrom", "start", "depth", "alt_reads"])
    frame = frame.assign(
        end=frame["start"] + 1, ref="A", alt="C", gene="KRAS", origin=None, population=NAN,
        reason=None, protein=None,
    )  # fmt: skip
    return frame.assign(**columns)[list(mutations.VARIANT_COLUMNS)]


def result(status="detected", *, fraction=0.3, sd=0.005, ploidy=2.0, p_tumor=None, lod=0.03):
    """An outcome of the copy-number step around a fraction."""
    grid = np.linspace(max(fraction - 4 * sd, 0.001), fraction + 4 * sd, 41)
    weight = np.exp(-0.5 * ((grid - fraction) / sd) ** 2)
    detected = status == "detected"
    row = {
        "fraction": fraction, "low": fraction - 1.96 * sd, "high": fraction + 1.96 * sd,
        "ploidy": ploidy if detected else NAN, "dna_fraction": NAN, "lob": 0.01, "lod": lod,
        "p_tumor": p_tumor if p_tumor is not None else 1.0 if detected else 0.2,
        "p_value": 1e-9 if detected else 0.5, "status": status, "method": "copy number",
        "reason": None if detected else "no change seen",
    }  # fmt: skip
    modes = SOLUTIONS.empty()
    if detected:
        modes = pd.DataFrame({"solution": [1], "fraction": [fraction], "ploidy": [ploidy],
                              "weight": [1.0], "erbb2_copies": [NAN]})  # fmt: skip
    cells = pd.DataFrame({"fraction": grid, "ploidy": ploidy, "probability": weight / weight.sum()})
    return FractionResult(row, cells, modes)


def world(fraction=0.3, ploidy=2.0, **copies):
    """Segments and profile of chromosomes with these copies (chr1=3), atoms of 1 Mb."""
    parts, rows = [], []
    for chrom, number in ({"chr1": 2, "chr2": 2, "chr3": 2} | copies).items():
        ratio = float(ratio_of(number, fraction, ploidy))
        start = np.arange(0, 100_000_000, 1_000_000)
        parts.append(pd.DataFrame({
            "chrom": chrom, "start": start, "end": start + 1_000_000,
            "observed": round(10_000 * ratio), "expected": 10_000.0, "normal_copies": 2,
            "reason": None,
        }))  # fmt: skip
        rows.append((chrom, 0, 100_000_000, 100, 1e6 * ratio, 1e6, ratio, np.log2(ratio),
                     ratio - 0.01, ratio + 0.01))  # fmt: skip
    return {"segments": pd.DataFrame(rows, columns=SEGMENTS.names),
            "profile": pd.concat(parts, ignore_index=True),
            "dispersion": plasma.Dispersion(np.array([1.0]), np.array([0.005]))}  # fmt: skip


def combine(found, given, where=None, **changes):
    return mutations.combine(
        found, given, **(where or world()), settings=replace(USE, **changes),
        fraction_settings=FRACTION_USE,
    )  # fmt: skip


def seen(alt, depth, ratio=NAN, sd=NAN):
    return alleles.Observed(float(alt), float(depth), ratio, sd)


# --- formulas ---


@pytest.mark.parametrize(
    ("vaf", "copies", "multiplicity", "fraction"),
    [
        (0.05, 2, 1, 0.10),  # one of two copies: 2V
        (0.10, 1, 1, 0.181818),  # the other one lost: 2V/(1+V)
        (0.30, 1, 1, 0.461538),
        (0.30, 2, 2, 0.30),  # both copies: V
        (0.25, 4, 3, 0.20),  # 0.5 / (3 + 0.5 - 1)
        (0.60, 2, 1, NAN),  # more than a pure tumor has
        (0.90, 4, 2, NAN),
    ],
)
def test_an_allele_fraction_gives_the_fraction_of_the_formula(vaf, copies, multiplicity, fraction):
    found = float(alleles.fraction_of(vaf, copies, multiplicity))
    assert found == pytest.approx(fraction, abs=1e-6, nan_ok=True)


def test_the_published_rule_is_that_of_a_lost_second_allele():
    vaf = np.array([0.01, 0.05, 0.1, 0.3, 0.5])
    # the round trips of the literature: 0.0198, 0.0952, 0.1818, 0.4615, 0.6667
    wanted = [0.0198, 0.0952, 0.1818, 0.4615, 0.6667]
    np.testing.assert_allclose(alleles.special_fraction(vaf), wanted, atol=5e-5)
    np.testing.assert_allclose(alleles.special_fraction(vaf), alleles.fraction_of(vaf, 1, 1))


@given(
    st.floats(0.001, 0.98), st.integers(1, 8).flatmap(
        lambda c: st.tuples(st.just(c), st.integers(1, c)))
)  # fmt: skip
def test_fraction_and_allele_fraction_are_inverse(fraction, state):
    copies, multiplicity = state
    vaf = alleles.expected_vaf(fraction, copies, multiplicity)
    assert float(alleles.fraction_of(vaf, copies, multiplicity)) == pytest.approx(fraction)


def test_reads_beyond_the_molecules_of_a_tube_do_not_count():
    assert alleles.molecules(5, 100, limit=1e12) == pytest.approx((5, 100))
    alt, depth = alleles.molecules(500, 10_000, limit=3000)  # 10000 * 3001 / 13000
    assert depth == pytest.approx(2308.46, abs=0.01)
    assert alt / depth == pytest.approx(0.05)
    assert alleles.molecules(0, 0, limit=3000) == (0.0, 0.0)


def test_the_interval_of_an_allele_fraction_is_that_of_a_beta_distribution():
    low, high = alleles.vaf_interval(5, 100)  # beta(5.5, 95.5)
    assert (low, high) == pytest.approx((0.01933, 0.10610), abs=1e-5)
    assert alleles.vaf_interval(0, 100)[0] == 0.0
    assert alleles.vaf_interval(100, 100)[1] == 1.0


def test_sequencing_errors_give_few_reads():
    assert alleles.error_p(0, 1000, error_rate=0.001) == 1.0
    # one error or more of 1000 reads: 1 - 0.999^1000
    assert alleles.error_p(1, 1000, error_rate=0.001) == pytest.approx(0.63230, abs=1e-5)
    assert alleles.error_p(20, 1000, error_rate=0.001) < 1e-18


# --- likelihood ---


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("ploidy", [2.0, 3.3])
@pytest.mark.parametrize(
    ("alt", "depth", "ratio"), [(0, 50, None), (8, 100, None), (30, 80, 1.06), (3, 100, 0.9)]
)
def test_the_likelihood_is_that_of_the_slow_sum(fraction, ploidy, alt, depth, ratio):
    wanted = alleles_slow.likelihood(
        alt, depth, fraction, ploidy, ratio, 0.02, max_copies=FRACTION_USE.max_copies,
        decay=FRACTION_USE.step_decay, no_copy=FRACTION_USE.no_copy_weight,
        single_copy=USE.single_copy, clonal=USE.clonal, background=USE.background,
    )  # fmt: skip
    one = seen(alt, depth, NAN if ratio is None else ratio, NAN if ratio is None else 0.02)
    found = alleles.log_likelihood([one], np.array([fraction]), np.array([ploidy]), **BOTH)
    # the ratio may also mean more copies than max_copies, which the slow sum does not know
    assert np.exp(found[0]) == pytest.approx(wanted, rel=2e-3)


def test_the_ratio_tells_the_copies():
    one = seen(176, 1000, float(ratio_of(1, 0.3, 2.0)), 0.01)
    cells = alleles.Cells(np.array([0.3]), TWO, np.array([1.0]))
    state = alleles.allele_state(one, cells, **BOTH)
    assert (state["copies"], state["multiplicity"]) == (1, 1)
    assert state["p_clonal"] > 0.9


def test_a_mutation_of_an_amplicon_has_its_copies_from_the_ratio():
    fraction = np.array([0.1])
    cells = alleles.Cells(fraction, TWO, np.array([1.0]))
    ratio = float(ratio_of(40, 0.1, 2.0))
    on_most = seen(1000 * 35 * 0.1 / (4 + 1.8), 1000, ratio, 0.02)
    state = alleles.allele_state(on_most, cells, **BOTH)
    assert state["copies"] == 40
    assert np.isnan(state["multiplicity"])
    on_one = seen(1000 * 0.1 / (4 + 1.8), 1000, ratio, 0.02)
    assert alleles.allele_state(on_one, cells, **BOTH)["multiplicity"] == 1


def test_the_weights_of_the_explanations_are_a_distribution():
    """Over all possible reads the likelihood of a cell sums to one, less what is lost altogether
    (no copy, no mutation) and the tail of the allele fractions of a variant of no tumor."""
    depth = 40
    fraction, ploidy = np.array([0.4]), TWO
    total = sum(
        float(np.exp(alleles.log_likelihood([seen(k, depth)], fraction, ploidy, **BOTH)[0]))
        for k in range(depth + 1)
    )
    copies = np.exp(-FRACTION_USE.step_decay * np.abs(np.arange(9) - 2))
    copies[0] *= FRACTION_USE.no_copy_weight
    lost = (1 - USE.background) * copies[0] / copies.sum()
    assert total == pytest.approx(1 - lost, abs=1e-3)


@settings(max_examples=15)
@given(st.permutations(range(4)))
def test_the_order_of_variants_does_not_matter(order):
    rows = [seen(20, 1000), seen(55, 900), seen(3, 400), seen(150, 1000, 1.1, 0.02)]
    fraction = np.geomspace(0.01, 0.9, 30)
    one = alleles.log_likelihood(rows, fraction, np.full(30, 2.0), **BOTH)
    other = alleles.log_likelihood([rows[i] for i in order], fraction, np.full(30, 2.0), **BOTH)
    np.testing.assert_allclose(one, other)


# --- mutations alone ---


def quantiles(found):
    return mutations.weighted_quantile(found.cells.fraction, found.cells.weight,
                                       mutations.QUANTILES)  # fmt: skip


def test_subclonal_variants_do_not_pull_the_fraction_down():
    clonal = [seen(100, 1000), seen(104, 1000), seen(97, 1000)]
    low = [seen(k, 1000) for k in (5, 12, 20, 33)]
    _, before, _ = quantiles(mutations.alone(clonal, TWO, **BOTH))
    _, after, _ = quantiles(mutations.alone(clonal + low, TWO, **BOTH))
    assert before == pytest.approx(0.2, rel=0.05)
    assert after == pytest.approx(before, rel=0.05)


def test_one_variant_of_blood_does_not_push_the_fraction_up():
    clonal = [seen(k, 1000) for k in (28, 33, 30, 27, 31)]
    _, before, _ = quantiles(mutations.alone(clonal, TWO, **BOTH))
    _, after, _ = quantiles(mutations.alone([*clonal, seen(150, 1000)], TWO, **BOTH))
    assert before == pytest.approx(0.06, rel=0.05)
    assert after == pytest.approx(before, rel=0.05)


def test_one_variant_alone_leaves_allele_state_and_clone_open():
    low, middle, high = quantiles(mutations.alone([seen(50, 1000)], TWO, **BOTH))
    assert low < 0.06
    assert middle == pytest.approx(0.1, rel=0.15)
    assert high > 0.2


def drawn(rng, fraction, n, depth):
    """Reads of n variants as the model draws them at ploidy 2; None when none is of the tumor."""
    copies = np.arange(1, 9)
    prior = np.exp(-FRACTION_USE.step_decay * np.abs(copies - 2.0))
    found, of_tumor = [], False
    for _ in range(n):
        if rng.random() < USE.background:
            vaf = 0.001 ** rng.random()
        else:
            of_tumor = True
            c = rng.choice(copies, p=prior / prior.sum())
            m = 1 if c == 1 or rng.random() < USE.single_copy else rng.integers(2, c + 1)
            share = 1.0
            if rng.random() >= USE.clonal:
                m, share = 1, rng.random()
            vaf = fraction * m * share / (fraction * c + 2 * (1 - fraction))
        molecule = rng.beta(vaf * USE.molecules + 1e-9, (1 - vaf) * USE.molecules + 1e-9)
        alt = float(rng.binomial(depth, molecule))
        found.append(seen(*alleles.molecules(alt, depth, limit=USE.molecules)))
    return found if of_tumor else None


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """300 samples of three variants at 1000x, tumor fractions log-uniform."""
    rng = np.random.default_rng(5)
    held = []
    while len(held) < 300:
        fraction = 0.001 * (FRACTION_USE.max_fraction / 0.001) ** rng.random()
        reads = drawn(rng, fraction, 3, 1000)
        if reads is None:
            continue
        low, _, high = quantiles(mutations.alone(reads, TWO, **BOTH))
        held.append(low <= fraction <= high)
    assert 0.93 <= np.mean(held) <= 0.97


# --- filters ---


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, None),
        ({"chrom": "chrX"}, "sex chromosome"),
        ({"chrom": "Y"}, "sex chromosome"),
        ({"chrom": "chrM"}, "not on chromosomes 1 to 22"),
        ({"depth": 99}, "depth 99 below 100"),
        ({"depth": NAN}, "reads or depth not given"),
        ({"alt_reads": None}, "reads or depth not given"),
        ({"gene": "DNMT3A"}, "gene of clonal haematopoiesis"),
        ({"gene": "DNMT3A", "origin": "somatic"}, "gene of clonal haematopoiesis"),
        ({"gene": "TP53"}, None),
        ({"origin": "germline"}, "germline, by the input"),
        ({"origin": "blood"}, "blood, by the input"),
        ({"population": 0.01}, "in the population (allele frequency 0.01)"),
        ({"population": 0.0001}, None),
        ({"reason": "FILTER is strand_bias"}, "FILTER is strand_bias"),
        ({"alt_reads": 0}, "no read of the alternative, and not marked somatic"),
        ({"alt_reads": 0, "origin": "somatic"}, None),
        ({"alt_reads": 480},
         "looks germline: allele fraction near 0.5, and not marked somatic"),
        ({"alt_reads": 480, "origin": "somatic"}, None),
        ({"alt_reads": 700}, None),
        ({"alt_reads": 300}, None),
        ({"alt_reads": 950}, "looks germline: allele fraction near 1, and not marked somatic"),
    ],
)  # fmt: skip
def test_a_variant_is_left_out_with_the_reason(columns, reason):
    row = {"chrom": "chr1", "start": 5_000_000, "depth": 1000, "alt_reads": 50} | columns
    one = variants(tuple(row[key] for key in ("chrom", "start", "depth", "alt_reads")), **row)
    assert mutations.reasons(one, settings=USE) == [reason]


def test_no_gene_of_blood_may_be_wanted():
    one = variants(("chr1", 5, 1000, 50), gene="TET2")
    assert mutations.reasons(one, settings=replace(USE, blood_genes="none")) == [None]


# --- local copy number ---


def test_an_amplicon_narrower_than_its_segment_is_seen():
    where = world()
    profile = where["profile"]
    at = (profile["chrom"] == "chr1") & (profile["start"] == 40_000_000)
    profile.loc[at, "observed"] = 60_000
    given = variants(("chr1", 40_500_000, 1000, 50), ("chr1", 80_500_000, 1000, 50),
                     ("chr9", 5, 1000, 50))  # fmt: skip
    wanted = np.array([True, True, True])
    ratio, sd = mutations.local_ratios(given, **where, wanted=wanted,
                                       settings=replace(USE, local_bp=100_000))  # fmt: skip
    assert ratio[:2] == pytest.approx([6.0, 1.0])
    assert np.isnan(ratio[2])
    assert sd[1] == pytest.approx(0.01 / 1.96, rel=1e-3)


# --- both together ---


def test_mutations_that_agree_make_the_interval_narrower():
    found = result(fraction=0.3, sd=0.03)
    made = combine(found, variants(("chr1", 5_000_000, 2000, 300), ("chr2", 5_000_000, 2000, 296),
                                   ("chr3", 5_000_000, 2000, 304)))  # fmt: skip
    row = made.fraction.row
    assert row["method"] == "copy number + mutations"
    assert row["fraction"] == pytest.approx(0.3, abs=0.01)
    assert row["high"] - row["low"] < 0.7 * (row["cn_high"] - row["cn_low"])
    assert row["agreement"] > 3
    assert row["reason"] is None
    assert row["mutation_mean"] == pytest.approx(0.3, abs=0.01)
    assert row["max_vaf_fraction"] == pytest.approx(2 * 0.152 / 1.152)
    assert (row["cn_fraction"], row["cn_status"]) == (0.3, "detected")
    assert made.fraction.grid["probability"].sum() == pytest.approx(1)
    assert made.fraction.solutions["weight"].sum() == pytest.approx(1)
    GRID.check(made.fraction.grid)
    SOLUTIONS.check(made.fraction.solutions)


def test_each_variant_tells_its_allele_state():
    where = world(fraction=0.3, chr2=1, chr3=4)
    reads = [("chr1", 5_000_000, 1000, 150), ("chr2", 5_000_000, 1000, 176),
             ("chr3", 5_000_000, 1000, 346), ("chr1", 6_000_000, 1000, 300)]  # fmt: skip
    table = combine(result(fraction=0.3), variants(*reads), where).table
    # 0.3/2; 0.3/1.7; 0.9/2.6; 0.6/2
    assert table["copies"].tolist() == [2, 1, 4, 2]
    assert table["multiplicity"].tolist() == [1, 1, 3, 2]
    np.testing.assert_allclose(table["fraction"], 0.3, atol=0.002)
    np.testing.assert_allclose(table["special"], [0.26087, 0.29932, 0.51412, 0.46154], atol=1e-4)
    assert (table["fraction_low"] < 0.3).all()
    assert (table["fraction_high"] > 0.3).all()
    assert table["used"].all()
    assert table["p_clonal"].min() > 0.8


def test_mutations_far_below_copy_number_are_a_disagreement(caplog):
    given = variants(*((f"chr{i}", 5_000_000, 1000, 20) for i in (1, 2, 3)))
    row = combine(result(fraction=0.3), given).fraction.row
    assert row["agreement"] < USE.disagreement
    assert row["reason"].startswith("copy number and mutations disagree: 0.3 (0.29 to 0.31) by")
    assert "copy number and mutations disagree" in caplog.text
    assert row["status"] == "detected"
    assert row["fraction"] == pytest.approx(0.3, abs=0.01)


def test_one_subclonal_mutation_is_no_disagreement():
    row = combine(result(fraction=0.3), variants(("chr1", 5_000_000, 1000, 60))).fraction.row
    assert row["reason"] is None


def test_a_quiet_genome_is_detected_by_its_mutations():
    found = result("not_detected", fraction=0.01, sd=0.005, p_tumor=0.1, lod=0.03)
    given = variants(*((f"chr{i}", 5_000_000, 1000, 50 + i) for i in (1, 2, 3)))
    made = combine(found, given)
    row = made.fraction.row
    assert (row["status"], row["method"]) == ("detected", "mutations")
    assert row["fraction"] == pytest.approx(0.104, rel=0.1)
    assert row["ploidy"] == 2.0
    assert row["cn_status"] == "not_detected"
    assert row["reason"].startswith("seen in 3 mutations, not in copy number: probability")
    assert "above the limit of detection of copy number (0.03)" in row["reason"]
    assert len(made.fraction.solutions) >= 1
    assert (
        FRACTION.check(pd.DataFrame([{"sample": "s", **row}], columns=FRACTION.names)) is not None
    )


def test_what_copy_number_allows_pulls_a_fraction_that_mutations_leave_open():
    """One variant at 2 %: with a third of the cells, 12 %. Copy number that would have seen
    that makes the clonal explanation more probable than for a genome that is surely quiet."""
    given = variants(("chr1", 5_000_000, 1000, 20))
    strong = result("not_detected", fraction=0.03, sd=0.008, p_tumor=0.8)
    weak = result("not_detected", fraction=0.03, sd=0.008, p_tumor=0.001)
    high = [combine(found, given).fraction.row["high"] for found in (strong, weak)]
    assert high[0] < high[1]


def test_reads_that_errors_may_give_leave_the_outcome_as_it_was():
    found = result("not_detected", fraction=0.01, sd=0.005)
    made = combine(found, variants(("chr1", 5_000_000, 1000, 4)))
    for key in ("fraction", "low", "high", "status", "method", "p_tumor"):
        assert made.fraction.row[key] == found.row[key]
    assert made.fraction.row["reason"].startswith("no change seen; no mutation exceeds")
    assert made.fraction.grid is found.grid
    assert 0 < made.fraction.row["mutation_fraction"] < 0.05
    assert made.table["copies"].tolist() == [2]


def test_a_failed_sample_stays_failed_and_tells_its_mutations():
    made = combine(failed("too few fragments"), variants(("chr1", 5_000_000, 1000, 100)),
                   world() | {"segments": SEGMENTS.empty()})  # fmt: skip
    row = made.fraction.row
    assert (row["status"], row["reason"]) == ("failed", "too few fragments")
    assert np.isnan(row["fraction"])
    assert row["mutation_fraction"] == pytest.approx(0.2, rel=0.2)
    assert len(made.fraction.grid) == 0


def test_the_order_of_the_rows_changes_the_order_of_the_table_alone():
    rows = [("chr1", 5_000_000, 1000, 150), ("chr2", 5_000_000, 800, 90),
            ("chrX", 5_000_000, 1000, 400), ("chr3", 5_000_000, 1200, 20)]  # fmt: skip
    one, two = (combine(result(), variants(*given)) for given in (rows, rows[::-1]))
    for key, value in one.fraction.row.items():
        assert two.fraction.row[key] == (
            pytest.approx(value) if isinstance(value, float) else value
        )
    numbers = ["vaf", "copies", "multiplicity", "p_clonal", "fraction", "special"]
    np.testing.assert_allclose(one.table[numbers], two.table[numbers].iloc[::-1], rtol=1e-9)


def test_variants_that_are_left_out_change_nothing():
    kept = [("chr1", 5_000_000, 1000, 150), ("chr2", 5_000_000, 1000, 140)]
    out = [("chrX", 5_000_000, 1000, 400), ("chr3", 5_000_000, 20, 10)]
    one, two = combine(result(), variants(*kept)), combine(result(), variants(*kept, *out))
    assert one.fraction.row == two.fraction.row
    numbers = [column.name for column in MUTATIONS.columns if column.kind != "text"]
    pd.testing.assert_frame_equal(one.table[numbers], two.table[numbers].iloc[:2])
    pd.testing.assert_frame_equal(one.fraction.grid, two.fraction.grid)
    assert two.table["used"].tolist() == [True, True, False, False]
    assert two.table["fraction"].isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize("rows", [[], [("chrX", 5_000_000, 1000, 400)]])
def test_no_variant_to_use_leaves_the_copy_number_estimate(rows):
    found = result()
    made = combine(found, variants(*rows))
    for key, value in found.row.items():
        assert made.fraction.row[key] == value or pd.isna(value)
    assert made.fraction.row["n_mutations"] == 0
    assert np.isnan(made.fraction.row["mutation_fraction"])
    assert made.fraction.grid is found.grid
    assert len(made.table) == len(rows)
    MUTATIONS.check(made.table)


def test_a_rounded_cell_of_the_surface_is_spread_without_loss():
    grid = pd.DataFrame({"fraction": [0.1, 0.2, 0.2], "ploidy": [2.0, 2.0, 3.0],
                         "probability": [0.2, 0.5, 0.3]})  # fmt: skip
    cells = mutations.refined(grid)
    assert cells.weight.sum() == pytest.approx(1)
    assert cells.weight[cells.ploidy == 3.0].sum() == pytest.approx(0.3)
    assert cells.fraction.min() >= 0.1
    assert cells.fraction.max() <= 0.2
    alone = mutations.refined(grid.iloc[:1])
    assert alone.fraction.tolist() == [0.1]


def test_modes_are_weighed_anew():
    modes = pd.DataFrame({"solution": [1, 2], "fraction": [0.2, 0.4], "ploidy": [2.0, 3.5],
                          "weight": [0.6, 0.4], "erbb2_copies": [NAN, NAN]})  # fmt: skip
    cells = alleles.Cells(np.array([0.19, 0.21, 0.41]), np.array([2.0, 2.0, 3.5]),
                          np.array([0.1, 0.2, 0.7]))  # fmt: skip
    found = mutations.reweighted(modes, cells, np.array([False, False, False]))
    assert found["fraction"].tolist() == [0.41, 0.21]
    assert found["weight"].tolist() == pytest.approx([0.7, 0.3])
    found = mutations.reweighted(modes, cells, np.array([True, False, False]))
    assert found["fraction"].tolist() == [0.41, 0.21, 0.19]
    assert len(mutations.reweighted(modes.iloc[:0], cells, np.zeros(3, dtype=bool))) == 1


@pytest.mark.parametrize(
    ("p_tumor", "p_value", "factor"),
    [
        (0.5, 0.4, 1.0),  # no opinion
        (0.9, 0.001, 9.0),  # 0.9 / 0.1
        (0.999999, 0.01, 7.98840),  # 1 / (e * 0.01 * 4.60517)
        (0.1, 0.9, 1 / 9),
        (0.9, 0.9, 1.0),  # a p-value that says nothing
    ],
)
def test_the_bayes_factor_is_no_larger_than_the_p_value_allows(p_tumor, p_value, factor):
    row = {"p_tumor": p_tumor, "p_value": p_value}
    assert np.exp(mutations.log_bayes(row, prior_tumor=0.5)) == pytest.approx(factor, rel=1e-5)


def test_a_certain_tumor_has_a_bayes_factor_without_end():
    row = {"p_tumor": 1.0, "p_value": 0.0}
    assert 600 < mutations.log_bayes(row, prior_tumor=0.5) < 700


def test_a_chance_finding_of_copy_number_gives_way_to_mutations():
    """Healthy-looking counts with p 0.007 and a fraction of 0.01; five mutations say 0.3."""
    found = result(fraction=0.012, sd=0.003)
    found.row["p_value"] = 0.007
    given = variants(*((f"chr{i % 3 + 1}", 5_000_000 + i, 1000, 150) for i in range(5)))
    row = combine(found, given).fraction.row
    assert row["method"] == "mutations"
    assert row["fraction"] == pytest.approx(0.3, rel=0.1)
    assert "the mutations are followed" in row["reason"]
    found.row["p_value"] = 1e-60
    sure = combine(found, given).fraction.row
    assert sure["method"] == "copy number + mutations"
    assert sure["fraction"] < 0.03


def test_a_sample_seen_in_mutations_alone_is_no_template_of_copy_number():
    def point(name, method, fraction):
        row = {"status": "detected", "fraction": fraction, "method": method}
        where = world(chr2=3)
        return track.TimePoint(sample=name, day=0, fraction=row, erbb2={}, grid=result().grid,
                               **where)  # fmt: skip

    quiet, seen_in_counts = point("a", "mutations", 0.6), point("b", "copy number", 0.1)
    assert track.choose_template([quiet, seen_in_counts]).sample == "b"
    assert track.choose_template([quiet]) is None


# --- on counts ---


def test_a_sample_of_counts_and_mutations():
    """Copy number gives 0.3; clonal mutations on two, four and one copies agree with it."""
    sample = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5)
    given = variants(
        ("chr3", 50_000_000, 1000, 150), ("chr8", 100_000_000, 1000, 346),
        ("chr17", 7_500_000, 1000, 176), ("chr2", 10_000_000, 1000, 50),
    )  # fmt: skip
    where = {"segments": sample.segments, "profile": sample.normalized.profile,
             "dispersion": sample.dispersion}  # fmt: skip
    made = combine(sample.fraction, given, where)
    assert made.table["copies"].tolist()[:3] == [2, 4, 1]
    assert made.table["p_clonal"].tolist()[3] < 0.01
    assert made.fraction.row["low"] <= 0.3 <= made.fraction.row["high"]
    assert made.fraction.row["agreement"] > 3


def test_mutations_give_an_amplicon_in_a_quiet_genome_its_copies():
    """ERBB2 with 40 copies and nothing else, at 0.1: copy number has a lower bound of the copies
    only, three clonal mutations and one on 30 of the copies give them."""
    sample = plasma.sample(tumor=plasma.ONLY_AMPLICON, fraction=0.1, seed=21)
    assert sample.fraction.row["status"] == "not_detected"
    given = variants(
        ("chr3", 50_000_000, 1000, 50), ("chr2", 50_000_000, 1000, 50),
        ("chr5", 50_000_000, 1000, 50), ("chr17", 39_700_000, 1000, 517), origin="somatic",
    )  # fmt: skip
    where = {"segments": sample.segments, "profile": sample.normalized.profile,
             "dispersion": sample.dispersion}  # fmt: skip
    made = combine(sample.fraction, given, where)
    called = genes.call_genes(
        sample.normalized.profile, plasma.gene_table(), made.fraction,
        dispersion=sample.dispersion, settings=plasma.SETTINGS["genes"],
    ).set_index("gene")  # fmt: skip
    erbb2 = called.loc["ERBB2"]
    assert erbb2["call"] == "amplified"
    assert 25 < erbb2["copies_low"] < 40 < erbb2["copies_high"] < 60
    assert made.table["copies"].tolist()[3] == pytest.approx(40, abs=6)


# --- cancer-cell fraction in the table ---


def test_the_table_tells_the_share_of_tumor_cells_of_a_used_variant_only():
    # T 0.3, two copies: V 0.15 is all cells, 0.05 a third of them; 0.5 looks germline
    rows = variants(("chr1", 100, 2000, 300), ("chr2", 100, 2000, 100), ("chr3", 100, 2000, 1000))
    table = combine(result(), rows).table
    assert table["used"].tolist() == [True, True, False]
    assert table["ccf"].iloc[0] == pytest.approx(1.0, abs=0.03)
    assert table["ccf_high"].iloc[0] == 1.0
    assert table["ccf"].iloc[1] == pytest.approx(1 / 3, abs=0.02)
    assert table["ccf_high"].iloc[1] < 0.5
    assert table["ccf"].isna().tolist() == [False, False, True]
