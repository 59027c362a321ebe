"""Concurrent alterations: cancer-cell fraction, clonality, known resistance, absence, strata."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ctcnv import alleles, alterations, protein, schema
from ctcnv.io import rules
from tests import plasma
from tests.facts import facts_of, gene_row, mutation_row
from tests.reference import cell_share_slow

USE = replace(plasma.SETTINGS["criteria"], assayed_genes="KRAS,NRAS,BRAF,EGFR,MET,PTEN,PIK3CA")
OF_MUTATIONS = plasma.SETTINGS["mutations"]
OF_FRACTION = plasma.SETTINGS["fraction"]
NAN = float("nan")
KNOWN = rules.resistance().frame


def share(alt, depth, *cells, ratio=1.0, sd=0.002):
    """The cancer-cell fraction of a variant at cells of (fraction, weight), ploidy 2."""
    seen = alleles.Observed(float(alt), float(depth), ratio, sd)
    fraction, weight = (np.array(part, dtype=float) for part in zip(*cells, strict=True))
    posterior = alleles.Cells(fraction, np.full(len(cells), 2.0), weight / weight.sum())
    parts = alleles.explain(seen, posterior.fraction, posterior.ploidy, settings=OF_MUTATIONS,
                            fraction_settings=OF_FRACTION)  # fmt: skip
    return alleles.cell_share(seen, posterior, parts)


# --- cancer-cell fraction ---


def test_all_cells_on_one_of_two_copies_is_one():
    # T 0.4, C 2, m 1: V = 0.2
    low, middle, high = share(400, 2000, (0.4, 1))
    assert middle == pytest.approx(1.0, abs=0.01)
    assert high == 1.0
    assert low == pytest.approx(1 - 1.96 * np.sqrt(0.2 * 0.8 / 2000) / 0.2, abs=0.01)


def test_half_the_allele_fraction_is_half_the_cells():
    # f = V*(T*C + 2*(1-T))/T = 0.1*2/0.4 = 0.5, its sd is that of V times 5
    low, middle, high = share(200, 2000, (0.4, 1))
    sd = 5 * np.sqrt(0.1 * 0.9 / 2000)
    np.testing.assert_allclose([low, middle, high], [0.5 - 1.96 * sd, 0.5, 0.5 + 1.96 * sd],
                               atol=0.006)  # fmt: skip


def test_a_mutation_on_both_copies_is_in_all_cells_and_not_in_two_times_as_many():
    # m 2: V = T
    assert share(800, 2000, (0.4, 1))[1] == pytest.approx(1.0, abs=0.01)


def test_the_doubt_about_the_tumor_fraction_is_in_the_interval():
    # f = 2V/T: 0.5 at T 0.4 and 0.25 at T 0.8
    low, _, high = share(2000, 20000, (0.4, 1), (0.8, 1))
    assert low < 0.26
    assert high > 0.49


def test_more_reads_than_the_fraction_explains_give_no_share():
    # T 0.05 and two copies: V is at most 0.05
    assert np.isnan(share(800, 2000, (0.05, 1))).all()


def test_a_mutation_on_many_copies_of_an_amplicon_is_in_all_cells():
    # T 0.3, C 40: r = (12 + 1.4)/2; on 30 copies V = 9/13.4
    low, middle, _ = share(1343, 2000, (0.3, 1), ratio=6.7, sd=0.05)
    assert low == middle == 1.0


@pytest.mark.parametrize(
    ("alt", "depth", "copies", "cells"),
    [
        # two copies give a ratio of 1 at any fraction
        (60, 300, 2, [(0.4, 1.0)]),
        (20, 300, 2, [(0.25, 1.0), (0.4, 2.0), (0.5, 1.0)]),
        (110, 300, 2, [(0.4, 1.0), (0.5, 3.0)]),
        (45, 300, 3, [(0.4, 1.0)]),
        (90, 300, 4, [(0.4, 1.0)]),
        (90, 300, 4, [(0.5, 1.0)]),
        (5, 200, 1, [(0.25, 1.0)]),
    ],
)
def test_the_share_is_that_of_the_slow_twin(alt, depth, copies, cells):
    ratio = (cells[0][0] * copies + 2 * (1 - cells[0][0])) / 2
    slow = cell_share_slow.cell_share(
        alt, depth, cells, copies=copies, single_copy=OF_MUTATIONS.single_copy,
        clonal=OF_MUTATIONS.clonal,
    )  # fmt: skip
    found = share(alt, depth, *cells, ratio=ratio, sd=1e-4)
    np.testing.assert_allclose(found, slow, atol=0.015)


@given(st.floats(0.1, 0.9), st.floats(0.05, 0.95))
@hypothesis_settings(deadline=None, max_examples=40)
def test_the_true_share_is_found(fraction, truth):
    alt = round(200_000 * fraction * truth / 2)
    low, middle, high = share(alt, 200_000, (fraction, 1), sd=1e-4)
    assert middle == pytest.approx(truth, abs=0.02)
    assert low <= middle <= high <= 1


@given(st.integers(1, 90))
@hypothesis_settings(deadline=None, max_examples=30)
def test_more_reads_are_never_fewer_cells(alt):
    assert share(alt + 5, 1000, (0.4, 1))[1] >= share(alt, 1000, (0.4, 1))[1]


# --- clonality ---


@pytest.mark.parametrize(
    ("bounds", "state"),
    [
        ((0.8, 0.97, 1.0), "clonal"),
        ((0.5, 0.9, 1.0), "clonal"),
        ((0.49, 0.9, 1.0), "not_evaluable"),
        ((0.2, 0.4, 0.6), "subclonal"),
        ((0.9, 0.95, 0.999), "subclonal"),
        ((NAN, NAN, NAN), "not_evaluable"),
    ],
)
def test_clonal_reaches_all_cells_and_subclonal_does_not(bounds, state):
    row = dict(zip(("ccf_low", "ccf", "ccf_high"), bounds, strict=True))
    found, _ = alterations.clonality(row, facts_of().fraction, settings=USE)
    assert found == state


def test_without_a_tumor_fraction_there_is_no_clonality():
    facts = facts_of(status="not_detected", mutations=[mutation_row("KRAS")])
    found = alterations.alterations(facts, KNOWN, settings=USE).iloc[0]
    assert found["clonality"] == "not_evaluable"
    assert found["reason"] == "the tumor fraction is not known"
    assert np.isnan(found["ccf"])
    assert np.isnan(found["copies"])


def test_a_fraction_that_is_of_one_mutation_says_nothing_of_its_clonality():
    row = {"ccf_low": 0.9, "ccf": 1.0, "ccf_high": 1.0}
    fraction = dict(facts_of().fraction) | {"method": "mutations", "n_mutations": 1}
    assert alterations.clonality(row, fraction, settings=USE)[0] == "not_evaluable"
    fraction["n_mutations"] = 2
    state, why = alterations.clonality(row, fraction, settings=USE)
    assert state == "clonal"
    assert why == "the tumor fraction is that of the mutations themselves"


# --- the table ---


def test_used_mutations_and_amplified_genes_are_listed_with_what_is_known():
    facts = facts_of(
        genes=[gene_row("ERBB2", 30), gene_row("MYC", 12), gene_row("MET", 2, call="neutral")],
        mutations=[mutation_row("KRAS"), mutation_row("APC"),
                   mutation_row("NRAS", used=False, reason="depth 20 below 100")],
    )  # fmt: skip
    found = alterations.alterations(facts, KNOWN, settings=USE)
    assert list(zip(found["gene"], found["kind"], strict=True)) == [
        ("KRAS", "mutation"), ("APC", "mutation"), ("ERBB2", "amplification"),
        ("MYC", "amplification"),
    ]  # fmt: skip
    kras, apc, erbb2, myc = (row for _, row in found.iterrows())
    assert (kras["anti_her2"], kras["anti_egfr"]) == ("clinical", "clinical")
    assert "MyPathway" in kras["source"]
    assert pd.isna(apc["anti_her2"])
    assert pd.isna(apc["source"])
    assert erbb2["anti_egfr"] == "clinical"
    assert pd.isna(erbb2["anti_her2"])
    assert myc["copies"] == pytest.approx(12)


def test_every_entry_of_the_shipped_table_has_a_source_and_stands_once():
    assert KNOWN["source"].str.len().min() > 10
    assert not KNOWN.duplicated(["gene", "alteration", "treatment"]).any()
    assert all(protein.well_formed(change) for change in KNOWN["change"].dropna())
    assert KNOWN.loc[KNOWN["alteration"] == "amplification", "change"].isna().all()
    assert set(KNOWN["treatment"]) == set(alterations.TREATMENTS.values())


# --- absence ---


def test_a_mutation_is_absent_only_where_it_would_have_been_seen():
    def told(**changes):
        given = {"mutations": [mutation_row("APC")]} | changes
        return alterations.mutated(facts_of(**given), ["KRAS", "NRAS"], settings=USE)

    assert told() == (False, "no mutation of KRAS, NRAS")
    assert told(mutations=[mutation_row("NRAS")]) == (True, "mutated: NRAS")
    assert told(mutations=None)[0] is None
    assert told(fraction=0.009)[0] is None
    assert told(fraction=0.01)[0] is False
    assert told(status="not_detected")[0] is None
    left_out = mutation_row("KRAS", used=False, reason="depth 20 below 100")
    assert told(mutations=[left_out]) == (
        None, "mutations: one of KRAS was left out (depth 20 below 100)")  # fmt: skip
    blood = mutation_row("KRAS", used=False, reason="blood, by the input")
    assert told(mutations=[blood])[0] is False


def test_a_gene_that_the_assay_does_not_cover_is_not_told_to_be_wild_type():
    use = replace(USE, assayed_genes="none")
    found, why = alterations.mutated(facts_of(mutations=[mutation_row("APC")]), ["KRAS"],
                                     settings=use)  # fmt: skip
    assert found is None
    assert why == ("mutations: whether the assay covers KRAS is not known (criteria.assayed_genes)")


# --- which change of the protein ---


def test_a_change_that_no_entry_means_confers_no_known_resistance():
    rows = [mutation_row("KRAS", protein="G12D"), mutation_row("KRAS", protein="A18D"),
            mutation_row("KRAS", protein="G12="), mutation_row("KRAS"),
            mutation_row("BRAF", protein="V600E"), mutation_row("BRAF", protein="G469A"),
            mutation_row("EGFR", protein="S492R"),
            mutation_row("EGFR", protein="L858R")]  # fmt: skip
    found = alterations.alterations(facts_of(mutations=rows), KNOWN, settings=USE)
    assert found["anti_egfr"].notna().tolist() == [
        True,
        False,
        False,
        True,
        True,
        False,
        True,
        False,
    ]
    assert found["protein"].iloc[0] == "G12D"


def test_a_silent_change_is_no_mutation_and_another_codon_is_one_of_no_stratum():
    def told(row):
        facts = facts_of(mutations=[row], genes=[gene_row("ERBB2", 20)])
        wild, why = alterations.mutated(facts, ["KRAS", "NRAS"], settings=USE)
        return wild, why, alterations.stratum(facts, KNOWN, settings=USE)["concurrent"]

    assert told(mutation_row("KRAS", protein="G12D")) == (True, "mutated: KRAS G12D", "yes")
    assert told(mutation_row("KRAS", protein="G12="))[0] is False
    # TRIUMPH asked for wild type, and codon 18 is not; known resistance it is not either
    assert told(mutation_row("KRAS", protein="A18D"))[::2] == (True, "not_evaluable")


# --- strata ---


def stratum_of(erbb2="amplified", met="neutral", **changes):
    calls = {"ERBB2": erbb2, "MET": met, "KRAS": "neutral", "EGFR": "neutral"}
    genes = [gene_row(name, 20 if call == "amplified" else 2, call=call)
             for name, call in calls.items()]  # fmt: skip
    given = {"genes": genes, "mutations": [mutation_row("APC")]} | changes
    return alterations.stratum(facts_of(**given), KNOWN, settings=USE)


@pytest.mark.parametrize(
    ("changes", "her2", "concurrent"),
    [
        ({}, "yes", "no"),
        ({"met": "amplified"}, "yes", "yes"),
        ({"met": "indeterminate"}, "yes", "not_evaluable"),
        ({"met": "indeterminate", "mutations": [mutation_row("KRAS")]}, "yes", "yes"),
        ({"erbb2": "neutral"}, "no", "no"),
        ({"erbb2": "gained"}, "no", "no"),
        ({"erbb2": "indeterminate", "mutations": None}, "not_evaluable", "not_evaluable"),
        ({"erbb2": "failed"}, "not_evaluable", "no"),
    ],
)
def test_a_stratum_needs_what_it_says_to_be_known(changes, her2, concurrent):
    found = stratum_of(**changes)
    assert (found["her2"], found["concurrent"]) == (her2, concurrent)


def test_the_target_itself_and_candidates_are_no_concurrent_alteration():
    assert stratum_of(erbb2="amplified")["concurrent"] == "no"
    # ERBB2 mutations are a candidate only
    assert stratum_of(mutations=[mutation_row("ERBB2")])["concurrent"] == "no"


def test_a_gene_that_is_not_tested_leaves_the_stratum_open():
    found = stratum_of(genes=[gene_row("ERBB2", 20), gene_row("MET", 2, call="neutral")])
    assert found["concurrent"] == "not_evaluable"
    assert "KRAS not tested" in found["concurrent_reason"]


def test_a_stratum_says_why():
    found = stratum_of(met="amplified", mutations=[mutation_row("PIK3CA")])
    assert found["stratum"] == "HER2 amplified, with a concurrent alteration"
    assert found["concurrent_reason"] == "mutated: PIK3CA; amplified: MET"
    assert stratum_of(erbb2="neutral")["stratum"] == (
        "HER2 not amplified, without a concurrent alteration"
    )
    unclear = stratum_of(erbb2="indeterminate", mutations=None)
    assert unclear["stratum"] == "HER2 not evaluable, concurrent alterations not evaluable"
    table = alterations.strata([facts_of(genes=[gene_row("ERBB2", 20)])], KNOWN, settings=USE)
    assert list(table.columns) == schema.STRATA.names
    assert isinstance(table, pd.DataFrame)
