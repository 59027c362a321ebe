"""Published criteria: the file, each quantity by hand, and what is never told as negative."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import ndtr

from ctcnv import criteria, schema
from ctcnv.criteria import Condition, Rule
from ctcnv.io import rules
from tests import plasma
from tests.facts import facts_of, gene_row, mutation_row

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "config" / "criteria.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "criteria.schema.yaml"
USE = replace(plasma.SETTINGS["criteria"], assayed_genes="KRAS,NRAS")
NAN = float("nan")
ALL = rules.read(SHIPPED, schema=SCHEMA)


def rule(*when: dict[str, Any], **changes: Any) -> Rule:
    values = {
        "name": "one", "title": "One", "gene": "ERBB2", "specimen": "plasma", "when": list(when),
        "unit": "copies", "made_for": "a test", "caveat": "none", "source": "here",
    } | changes  # fmt: skip
    return Rule.from_mapping(values, where="here")


def result(*when: dict[str, Any], facts=None, **changes: Any):
    """The row of one rule for one sample."""
    facts = facts or facts_of(genes=[gene_row()])
    return criteria.criteria([facts], [rule(*when, **changes)], settings=USE).iloc[0]


def by_name(facts, *more):
    """Results of the shipped criteria by name."""
    found = criteria.criteria([facts, *more], ALL, settings=USE)
    return dict(zip(found["criterion"], found["result"], strict=True))


def at_least(quantity: str, limit: float) -> dict[str, Any]:
    return {"quantity": quantity, "at_least": limit}


# --- the file ---


def test_the_shipped_criteria_are_valid_and_every_tissue_rule_says_so():
    assert len({one.name for one in ALL}) == len(ALL)
    for one in ALL:
        assert len(one.source) > 10
        assert (one.specimen == "tissue") == one.full_caveat.startswith(criteria.TISSUE)


def test_the_published_numbers_stand_in_the_shipped_criteria():
    limits = {one.name: [c.limit for c in one.when] for one in ALL}
    assert limits["heracles_observed"] == [2.4]
    assert limits["heracles_adjusted"] == [25.82]
    assert limits["s1613_copies"] == [20]
    assert limits["asco_cap_group_4"] == [2.0, 4.0, 6.0]
    assert limits["parikh_4_weeks"] == [0.7]


def loaded() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load(SHIPPED.read_text()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Bad Name"}, "criteria.0.name is 'Bad Name'"),
        ({"specimen": "blood"}, "criteria.0.specimen is 'blood'; expected one of"),
        ({"when": []}, "criteria.0.when is []"),
        ({"when": [{"quantity": "pCN", "at_least": 2}]}, "quantity is 'pCN'; expected one of"),
        ({"when": [{"quantity": "pcn", "at_least": "2"}]}, "at_least is '2'; expected number"),
        ({"when": [{"quantity": "pcn", "at_lest": 2}]}, "at_lest is unknown; known are"),
        ({"treshold": 2}, "criteria.0.treshold is unknown; known are"),
        ({"source": None}, "criteria.0.source is None; expected string"),
    ],
)
def test_a_wrong_criterion_is_told_in_one_line(tmp_path, change, said):
    values = loaded()
    values["criteria"][0] |= change
    path = tmp_path / "criteria.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ValueError, match=r"criteria\.yaml: ") as caught:
        rules.read(path, schema=SCHEMA)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    # by hand, without the schema, it is refused as well, but for the look of a name
    if "name" not in change:
        with pytest.raises(ValueError, match=r"criteria\.0"):
            rules.read(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"quantity": "pcn"}, "give one of"),
        ({"quantity": "pcn", "at_least": 2, "below": 3}, "give one of"),
        ({"quantity": "pcn", "at_least": True}, "expected a number"),
        ({"quantity": "call", "at_least": 2}, r"expected \['is'\]"),
        ({"quantity": "call", "is": ["high"]}, "is has 'high'"),
        ({"quantity": "wild_type", "genes": "KRAS"}, "expected a list of names"),
        ({"quantity": "cleared", "is": ["lost"]}, r"expected \[\]"),
    ],
)
def test_a_wrong_condition_is_refused(values, said):
    with pytest.raises(ValueError, match=said):
        Condition.from_mapping(values, where="here")


def test_a_rule_on_a_change_names_its_days_and_no_other_does():
    for when, more in (
        ({"quantity": "cleared"}, {}),
        (at_least("pcn", 2), {"days": [21, 35]}),
        ({"quantity": "cleared"}, {"days": [35, 21]}),
        ({"quantity": "cleared"}, {"days": [21]}),
    ):
        with pytest.raises(ValueError, match="days"):
            rule(when, **more)


def test_a_name_stands_once(tmp_path):
    values = loaded()
    values["criteria"].append(values["criteria"][0])
    path = tmp_path / "criteria.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ValueError, match="for the second time"):
        rules.read(path)


@pytest.mark.parametrize("text", ["", "- a", "criteria: 3", "rules: []", "criteria: [1]", "a: [b"])
def test_another_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "other.yaml"
    path.write_text(text)
    for use in (None, SCHEMA):
        with pytest.raises(ValueError, match=r"^\S*other.yaml: ") as caught:
            rules.read(path, schema=use)
        assert "\n" not in str(caught.value)


# --- copies, by the posterior ---


@pytest.mark.parametrize(
    ("limit", "found"), [(25.0, "met"), (35.0, "not_met"), (30.0, "not_evaluable")]
)
def test_copies_are_judged_by_their_posterior(limit, found):
    # T 0.5, P 2: C = 4r - 2, so a standard deviation of 0.5 in the ratio is one of 2 in copies
    facts = facts_of(genes=[gene_row(copies=30, sd=0.5)])
    row = result(at_least("copies", limit), facts=facts)
    assert row["result"] == found
    assert row["value"] == pytest.approx(30, abs=0.1)
    assert row["low"] == pytest.approx(30 - 1.96 * 2, abs=0.2)
    assert row["probability"] == pytest.approx(float(ndtr((30 - limit) / 2)), abs=0.025)
    assert row["threshold"] == limit
    assert row["rule"] == f"copies >= {limit:g}"


def test_the_doubt_about_the_tumor_fraction_is_in_the_probability():
    # r 5.5: 20 copies at T 0.5, and 38 at T 0.25 (C = 2*(5.5 - 0.75)/0.25)
    facts = facts_of(genes=[gene_row(copies=20)],
                     cells=[(0.5, 2.0, 0.3), (0.25, 2.0, 0.7)])  # fmt: skip
    assert result(at_least("copies", 25.82), facts=facts)["probability"] == pytest.approx(0.7)


def test_the_round_trip_of_the_published_thresholds():
    # the paper's two thresholds name one tumor at T 0.0168 only: 25.82 copies give a pCN of 2.4
    gene = gene_row(copies=25.82, fraction=0.0168)
    assert gene["pcn"] == pytest.approx(2.40, abs=0.001)


@given(st.floats(1.0, 60.0), st.floats(1.0, 60.0))
@hypothesis_settings(deadline=None, max_examples=30)
def test_a_higher_threshold_is_never_more_probable(one, other):
    facts = facts_of(genes=[gene_row(copies=30, sd=0.5)])
    low, high = sorted((one, other))
    p = [result(at_least("copies", limit), facts=facts)["probability"] for limit in (low, high)]
    assert p[0] >= p[1]


def test_below_the_least_tumor_fraction_there_is_a_probability_only():
    def at(fraction):
        gene = gene_row(copies=40, fraction=fraction)
        return result(at_least("copies", 20), facts=facts_of(genes=[gene], fraction=fraction))

    assert at(0.1)["result"] == "met"
    low = at(0.099)
    assert low["result"] == "not_evaluable"
    assert low["probability"] == pytest.approx(1.0)
    assert "below 0.1" in low["reason"]


def test_without_a_tumor_fraction_copies_are_not_evaluable_and_their_lower_bound_is_shown():
    gene = gene_row(copies_low=7.5)
    row = result(at_least("copies", 6), facts=facts_of(genes=[gene], status="not_detected"))
    assert row["result"] == "not_evaluable"
    assert np.isnan(row["value"])
    assert row["low"] == 7.5
    assert np.isnan(row["probability"])


@pytest.mark.parametrize(
    ("detectable", "call", "found"),
    [
        (12.0, "indeterminate", "not_met"),  # 20 copies would have been seen
        (25.0, "indeterminate", "not_evaluable"),
        (NAN, "indeterminate", "not_evaluable"),
        (25.0, "gained", "not_met"),  # it was seen, and is not so many
    ],
)
def test_a_sample_that_could_not_have_shown_the_copies_is_no_negative(detectable, call, found):
    gene = gene_row(copies=2, call=call, detectable_copies=detectable)
    assert result(at_least("copies", 20), facts=facts_of(genes=[gene]))["result"] == found


def test_a_gene_that_failed_or_is_not_there_is_not_evaluable():
    failed = gene_row(call="failed", observed=NAN, expected=NAN, pcn=NAN, reason="no usable atom")
    for facts in (facts_of(genes=[failed]), facts_of(genes=[gene_row("MYC")])):
        assert set(by_name(facts).values()) == {"not_evaluable"}


# --- ASCO/CAP, PURPLE, PureCN ---


@pytest.mark.parametrize(
    ("copies", "rest", "group"),
    [(12, 2, 1), (3.5, 1.2, 2), (9, 6, 3), (5, 4, 4), (2, 2, 5), (4.5, 2, 1), (5.8, 4, 4)],
)
def test_the_groups_of_asco_cap_are_those_of_ratio_and_copies(copies, rest, group):
    call = "amplified" if copies >= 6 else "gained" if copies > 2 else "neutral"
    found = by_name(facts_of(genes=[gene_row(copies=copies, rest=rest, call=call)]))
    for number in range(1, 6):
        wanted = "met" if number == group else "not_met"
        assert found[f"asco_cap_group_{number}"] == wanted, number


def test_the_five_groups_share_the_probability_of_one():
    gene = gene_row(copies=4.6, rest=2.2, sd=0.3, call="gained")
    table = criteria.criteria([facts_of(genes=[gene])], ALL, settings=USE)
    groups = table[table["criterion"].str.startswith("asco_cap_group")]
    assert groups["probability"].sum() == pytest.approx(1.0)
    assert groups["probability"].max() < 0.95
    assert set(groups["result"]) <= {"not_met", "not_evaluable"}


def test_a_reference_that_is_lost_gives_no_ratio():
    row = result(at_least("reference_ratio", 2), facts=facts_of(genes=[gene_row(rest=0.2)]))
    assert row["result"] == "not_evaluable"
    assert row["reason"] == "the rest of the chromosome has hardly any copies"


def test_a_reference_that_most_draws_do_not_have_gives_no_ratio():
    # ratio 0.6 of the rest: 0.4 copies at T 0.5, 0.9 at T 0.75 (C = 2*(r - (1-T))/T)
    gene = gene_row(rest_ratio=0.6)
    for weight, found in ((0.6, "not_evaluable"), (0.4, "met")):
        facts = facts_of(genes=[gene], cells=[(0.5, 2.0, weight), (0.75, 2.0, 1 - weight)])
        assert result(at_least("reference_ratio", 2), facts=facts)["result"] == found


def test_the_ratio_is_corrected_for_the_tumor_fraction():
    # 12 copies over 2 are 6; in plasma at T 0.1 it looks like (0.1*12 + 1.8)/2 = 1.5
    gene = gene_row(copies=12, fraction=0.1)
    row = result(at_least("reference_ratio", 2), facts=facts_of(genes=[gene], fraction=0.1))
    assert gene["pcn"] / 2 == pytest.approx(1.5)
    assert row["value"] == pytest.approx(6, rel=0.01)
    assert row["result"] == "met"


def test_the_ratio_to_the_ploidy_uses_the_ploidy():
    gene = gene_row(copies=8, ploidy=3.0)
    found = by_name(facts_of(genes=[gene], ploidy=3.0))
    assert found["purple_amplification"] == "not_met"  # 8 is not above 9
    assert found["purecn_any"] == "met"


@pytest.mark.parametrize(
    ("width", "focal", "found"),
    [(2_999_999, True, "met"), (3_000_000, True, "not_met"), (None, False, "not_met")],
)
def test_a_focal_rule_asks_for_the_width(width, focal, found):
    gene = gene_row(copies=12, width=width, focal=focal)
    assert by_name(facts_of(genes=[gene]))["purecn_focal"] == found


def test_a_width_that_is_not_known_is_no_negative_where_the_copies_are_met():
    gene = gene_row(copies=12, width=None, focal=None)
    assert by_name(facts_of(genes=[gene]))["purecn_focal"] == "not_evaluable"


# --- plasma copies, calls, mutations ---


@pytest.mark.parametrize(
    ("copies", "call", "found"),
    [
        (4.0, "gained", "met"),  # pCN 3
        (2.4, "gained", "not_met"),  # pCN 2.2, seen to be raised
        (2.0, "neutral", "not_met"),
        (2.0, "indeterminate", "not_evaluable"),  # perhaps low shedding
        (2.8, "gained", "not_evaluable"),  # pCN 2.4, on the threshold
    ],
)
def test_observed_copies_of_a_sample_that_could_not_have_shown_them_are_no_negative(
    copies, call, found
):
    gene = gene_row(copies=copies, call=call, sd=0.02)
    assert by_name(facts_of(genes=[gene]))["heracles_observed"] == found


def test_plasma_copies_need_no_tumor_fraction():
    facts = facts_of(genes=[gene_row(copies=6)], status="not_detected")
    assert by_name(facts)["heracles_observed"] == "met"


@pytest.mark.parametrize(
    ("call", "triumph", "tdm1"),
    [
        ("amplified", "met", "not_met"),
        ("gained", "not_met", "met"),
        ("neutral", "not_met", "met"),
        ("indeterminate", "not_evaluable", "not_evaluable"),
    ],
)
def test_rules_on_the_call(call, triumph, tdm1):
    facts = facts_of(genes=[gene_row(call=call)], mutations=[mutation_row("APC")])
    found = by_name(facts)
    assert (found["triumph_ctdna"], found["tdm1_negative"]) == (triumph, tdm1)


def test_an_amplification_with_mutated_kras_is_not_what_triumph_enrolled():
    gene = gene_row()
    mutated = facts_of(genes=[gene], mutations=[mutation_row("KRAS")])
    assert by_name(mutated)["triumph_ctdna"] == "not_met"
    assert by_name(facts_of(genes=[gene], mutations=None))["triumph_ctdna"] == "not_evaluable"
    # one condition that does not hold decides, whatever is not known of the other
    neutral = facts_of(genes=[gene_row(call="neutral")], mutations=None)
    assert by_name(neutral)["triumph_ctdna"] == "not_met"


# --- changes from baseline ---


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0.1, 0.7, "met"), (0.1, 0.71, "not_evaluable"), (0.71, 2.0, "not_met"),
     (NAN, 0.5, "met"), (0.9, NAN, "not_met"), (NAN, NAN, "not_evaluable")],
)  # fmt: skip
def test_a_fall_is_judged_by_its_interval(low, high, found):
    facts = facts_of(genes=[gene_row()], day=21, ratio=0.4, ratio_low=low, ratio_high=high)
    assert by_name(facts)["parikh_4_weeks"] == found


def test_a_fall_that_is_not_known_says_why_and_not_more():
    why = "ctDNA fraction: not evaluable, none seen; ERBB2 excess copies: not evaluable"
    row = result({"quantity": "fraction_ratio", "at_most": 0.7}, days=[21, 35],
                 facts=facts_of(genes=[gene_row()], day=21, reason=why))  # fmt: skip
    assert row["reason"] == "ctDNA fraction: not evaluable, none seen"
    row = result({"quantity": "fraction_ratio", "at_most": 0.7}, days=[21, 35],
                 facts=facts_of(genes=[gene_row()], day=21, reason=NAN))  # fmt: skip
    assert row["reason"] == "no change can be given"


@pytest.mark.parametrize(("high", "found"), [(0.49, "met"), (0.5, "not_evaluable")])
def test_a_fall_of_the_mean_allele_fraction_is_judged_on_its_own_ratio(high, found):
    facts = facts_of(genes=[gene_row()], day=63, ratio_low=0.9, ratio_high=1.1, vaf_ratio=0.3,
                     vaf_ratio_low=0.2, vaf_ratio_high=high)  # fmt: skip
    names = by_name(facts)
    assert names["thompson_mean_vaf"] == names["goldberg_half"] == found
    why = "ctDNA fraction: 0.9 of baseline; mean VAF: not evaluable, no variants are given"
    row = result({"quantity": "vaf_ratio", "below": 0.5}, days=[21, 35],
                 facts=facts_of(genes=[gene_row()], day=21, reason=why))  # fmt: skip
    assert row["result"] == "not_evaluable"
    assert row["reason"] == "mean VAF: not evaluable, no variants are given"


@pytest.mark.parametrize(("day", "shown"), [(0, False), (20, False), (21, True), (35, True),
                                            (36, False)])  # fmt: skip
def test_a_rule_on_a_change_is_applied_on_its_days_only(day, shown):
    facts = facts_of(genes=[gene_row()], day=day, ratio_low=0.1, ratio_high=0.2)
    assert ("parikh_4_weeks" in by_name(facts)) is shown


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("amplified", "neutral", "met"),
        ("amplified", "amplified", "not_met"),
        ("amplified", "gained", "not_met"),
        ("amplified", "indeterminate", "not_evaluable"),
        ("gained", "neutral", "not_evaluable"),
    ],
)
def test_clearance_needs_an_amplification_before_and_a_sample_that_could_show_it(
    before, after, found
):
    first = facts_of(genes=[gene_row(call=before)], name="a")
    later = facts_of(genes=[gene_row(copies=2, call=after)], name="b", day=21)
    assert by_name(first, later)["herald_clearance"] == found


def test_the_table_is_of_its_type_and_has_a_row_per_sample_and_criterion():
    first = facts_of(genes=[gene_row()], name="a")
    later = facts_of(genes=[gene_row()], name="b", day=21, ratio_low=0.1, ratio_high=0.2)
    table = criteria.criteria([first, later], ALL, settings=USE)
    schema.CRITERIA.check(table)
    of_change = sum(one.days is not None for one in ALL)
    on_21 = sum(one.days is not None and one.days[0] <= 21 <= one.days[1] for one in ALL)
    assert 2 < on_21 < of_change
    before = len(ALL) - of_change
    assert table["sample"].value_counts().to_dict() == {"a": before, "b": before + on_21}
    assert criteria.criteria([], ALL, settings=USE).empty
