"""The judges of validation/ and benchmarks/ themselves: what they draw, count and conclude."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multinomial

from benchmarks import fraction_speed
from ctcnv import fraction as step
from ctcnv.fraction import FractionResult
from ctcnv.schema import PROFILE
from ctcnv.simulate import Segment, atom_ploidy
from tests import plasma
from validation import (
    donors,
    followups,
    fraction_grid,
    gene_grid,
    gene_page,
    limits,
    patients,
    tumors,
)

NAN = float("nan")


def genome(seed: int = 1, **changes: object) -> tumors.Genome:
    """A random genome."""
    given = {"ploidy": "triploid", "events": "many", "subclonal": 0.3} | changes
    return tumors.random_genome(np.random.default_rng(seed), **given)


# --- tumors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", list(tumors.EVENTS))
@pytest.mark.parametrize("ploidy", list(tumors.PLOIDY))
def test_genomes_have_the_ploidy_of_their_class(ploidy: str, events: str) -> None:
    low, high = tumors.PLOIDY[ploidy]
    for seed in range(5):
        made = genome(seed, ploidy=ploidy, events=events)
        assert low <= made.ploidy < high
        assert atom_ploidy(plasma.bins(), made.tumor) == pytest.approx(made.ploidy, abs=0.02)
        assert made.tumor.base == (4 if made.doubled else 2)


def test_segments_lie_in_their_arm_and_do_not_overlap() -> None:
    arms = {(arm.chrom, arm.start): arm.end for arm in tumors.ARMS}
    for seed, ploidy in enumerate(tumors.PLOIDY):
        segments = sorted(genome(seed, ploidy=ploidy).tumor.segments,
                          key=lambda one: (one.chrom, one.start))  # fmt: skip
        assert segments
        for one, following in itertools.pairwise(segments):
            assert one.chrom != following.chrom or one.end <= following.start
        for one in segments:
            assert one.copies >= 0
            assert any(chrom == one.chrom and start <= one.start < one.end <= end
                       for (chrom, start), end in arms.items())  # fmt: skip


def test_the_same_seed_gives_the_same_genome() -> None:
    assert genome(3) == genome(3)
    assert genome(3) != genome(4)


def test_without_subclones_copies_are_whole() -> None:
    made = genome(5, subclonal=0.0)
    assert made.subclonal == 0
    assert all(one.copies == round(one.copies) for one in made.tumor.segments)
    mixed = genome(5, subclonal=0.8)
    assert mixed.subclonal > 0
    assert any(one.copies != round(one.copies) for one in mixed.tumor.segments)


def test_only_focal_events_take_the_last_copy() -> None:
    for seed in range(10):
        for one in genome(seed, ploidy="low", subclonal=0.0).tumor.segments:
            # two neighbouring focal ones may meet
            assert one.copies > 0 or one.end - one.start <= 2 * tumors.FOCAL_BP[1]


def test_few_events_alter_less_of_a_diploid_genome_than_many() -> None:
    altered = {
        events: np.mean([genome(i, ploidy="diploid", events=events).altered for i in range(10)])
        for events in tumors.EVENTS
    }
    assert altered["few"] < 0.6 * altered["many"]


@pytest.mark.parametrize(
    "wrong", [{"ploidy": "octoploid"}, {"events": "some"}, {"subclonal": 1.5}], ids=str
)
def test_a_genome_of_an_unknown_kind_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        genome(**wrong)


def test_arm_level_genomes_have_whole_arms_of_one_or_three_copies() -> None:
    share = []
    for seed in range(30):
        made = tumors.arm_level(np.random.default_rng(seed), altered=0.4)
        assert {one.copies for one in made.tumor.segments} <= {1.0, 3.0}
        places = {(arm.chrom, arm.start, arm.end) for arm in tumors.ARMS}
        assert {(one.chrom, one.start, one.end) for one in made.tumor.segments} <= places
        share.append(len(made.tumor.segments) / len(tumors.ARMS))
    assert np.mean(share) == pytest.approx(0.4, abs=0.05)
    with pytest.raises(ValueError, match="altered is 0"):
        tumors.arm_level(np.random.default_rng(1), altered=0)


def test_there_are_39_arms_that_cover_the_autosomes() -> None:
    assert len(tumors.ARMS) == 39
    assert tumors.arm_sizes().sum() == pytest.approx(1)


# --- limits ---------------------------------------------------------------------------------------


def test_the_bound_of_a_known_profile_by_hand() -> None:
    # 0.02 * sqrt(1e6 * 0.49) / 2 = 0.02 * 700 / 2
    assert limits.known_profile_z(0.02, 1e6, 0.49) == pytest.approx(7)
    assert limits.known_profile_power(2.326348, false_positives=0.01) == pytest.approx(0.5)
    assert limits.fragments(0.1) == 1_856_287


def test_the_bound_of_a_known_profile_is_what_the_best_weights_reach() -> None:
    rng = np.random.default_rng(1)
    share = np.full(20, 0.05)
    copies = np.array([1.0, 3.0] * 3 + [2.0] * 14)
    n, true = 100_000, 0.03
    msd = float(np.sum(share * (copies - 2) ** 2))
    weight = share * (1 + true * (copies - 2) / 2)
    healthy, ill = (
        (rng.multinomial(n, p / p.sum(), size=4000) / (n * share)) @ (share * (copies - 2))
        for p in (share, weight)
    )
    seen = (ill.mean() - healthy.mean()) / healthy.std()
    assert seen == pytest.approx(float(limits.known_profile_z(true, n, msd)), rel=0.05)


def test_the_likelihood_ratio_is_that_of_the_sum_over_all_profiles() -> None:
    share, true, altered = np.array([0.3, 0.5, 0.2]), 0.3, 0.4
    counts = np.array([[320, 480, 200], [300, 500, 200], [250, 560, 190]])
    chance = {-1: altered / 2, 0: 1 - altered, 1: altered / 2}
    expected = []
    for row in counts:
        total = 0.0
        for states in itertools.product(chance, repeat=3):
            weight = share * (1 + true * np.array(states) / 2)
            p = np.prod([chance[state] for state in states])
            total += p * multinomial.pmf(row, row.sum(), weight / weight.sum())
        expected.append(np.log(total / multinomial.pmf(row, row.sum(), share)))
    found = limits.log_ratio(counts, share, fraction=true, altered=altered)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_best_test_of_unknown_profiles_finds_less_than_one_that_knows_them() -> None:
    found = limits.power(
        1_000_000, fraction=0.02, altered=0.4, rng=np.random.default_rng(2), draws=800
    )
    assert 0.5 < found["optimal"] < found["known"]
    assert found["low"] < found["optimal"] < found["high"]
    none = limits.power(
        1_000_000, fraction=1e-5, altered=0.4, rng=np.random.default_rng(2), draws=800
    )
    assert none["optimal"] < 0.04


def test_noise_between_donors_caps_what_fragments_are_worth() -> None:
    # 1 / (1/1e6 + 0.01^2/100) = 1 / 2e-6
    assert limits.effective_fragments(1e6, tau=0.01, regions=100) == pytest.approx(5e5)
    assert limits.effective_fragments(1e12, tau=0.01, regions=100) == pytest.approx(1e6, rel=1e-3)
    assert limits.sample_size(1.0, "donors") < limits.sample_size(1.0, "counting")


def test_the_chapter_of_limits_has_a_row_for_each_cell() -> None:
    chosen = {"seed": 1, "draws": 50, "depths": (0.1,), "shares": (0.4,)}
    rows = limits.run(fractions=(0.01, 0.03), **chosen)
    least = limits.run_smallest(**chosen)
    text = limits.chapter(rows, least, draws=50)
    assert len(re.findall(r"^\| (?:counting|donors) \| 0.1x \| 0.4 ", text, re.M)) == 6
    assert least["fraction"].between(0.005, 0.05).all()


# --- the grid -------------------------------------------------------------------------------------


def test_the_design_is_balanced_and_the_same_for_a_seed() -> None:
    made = fraction_grid.design(100, seed=1)
    pd.testing.assert_frame_equal(made, fraction_grid.design(100, seed=1))
    assert (made.groupby(["band", "class"]).size() == 4).all()
    for name in ("depth", "events", "noise"):
        assert made[name].value_counts().nunique() == 1
    with pytest.raises(ValueError, match="n is 0"):
        fraction_grid.design(0, seed=1)


def test_the_posterior_share_of_a_truth_by_hand() -> None:
    grid = pd.DataFrame(
        {"fraction": [0.1, 0.2, 0.2, 0.3], "ploidy": [2.0, 2, 3, 2],
         "probability": [0.2, 0.3, 0.2, 0.3]}
    )  # fmt: skip
    # cells reach from 0.05 to 0.15 to 0.25 to 0.35
    for true, share in ((0.01, 0), (0.15, 0.2), (0.2, 0.45), (0.3, 0.85), (0.4, 1)):
        assert fraction_grid.posterior_share(grid, true) == pytest.approx(share)
    assert np.isnan(fraction_grid.posterior_share(grid.iloc[:0], 0.1))


def pretended(profile: pd.DataFrame, **_: object) -> FractionResult:
    """A caller that says of every sample that its fraction is 0.1."""
    row = {"fraction": 0.1, "low": 0.05, "high": 0.2, "ploidy": 2.0, "lob": 0.01, "lod": 0.02,
           "p_tumor": 1.0, "p_value": float(profile["observed"].iloc[5]), "status": "detected",
           "reason": None}  # fmt: skip
    grid = pd.DataFrame({"fraction": [0.1, 0.2], "ploidy": 2.0, "probability": 0.5})
    solutions = pd.DataFrame({"solution": [1], "fraction": 0.1, "ploidy": 2.0, "weight": 1.0})
    return FractionResult(row, grid, solutions)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_rows_do_not_depend_on_the_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "estimate", pretended)
    monkeypatch.setattr(fraction_grid, "panel", lambda _: (*plasma.panel(), plasma.libraries()))
    one, two = (fraction_grid.run(5, 3, workers=n).drop(columns="seconds") for n in (1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert set(one["band"]) <= set(range(5))
    assert one["p_value"].nunique() == 5
    expected = (one["truth"] >= 0.05) & (one["truth"] <= 0.2)
    assert one["covered"].tolist() == expected.tolist()
    fraction_grid.draw(one)
    text = fraction_grid.chapter(one)
    assert "5 samples" in text
    assert f"| all with tumor | {int((one['truth'] > 0).sum())} |" in text


def test_a_crash_of_the_caller_is_a_row_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> FractionResult:
        raise IndexError("no window")

    monkeypatch.setattr(step, "estimate", broken)
    monkeypatch.setattr(fraction_grid, "panel", lambda _: (*plasma.panel(), plasma.libraries()))
    row = fraction_grid.judge((fraction_grid.design(1, seed=1).iloc[0].to_dict(), [1, 1, 0]))
    assert row["status"] == "crashed"
    assert row["reason"] == "IndexError: no window"


def judged(**changes: object) -> dict[str, object]:
    """A row of the targets."""
    return {
        "set": "target", "band": 1, "class": "arm-level", "depth": 0.1, "events": "arms",
        "subclonal": 0.0, "noise": "donors", "truth": 0.01, "fraction": 0.012, "low": 0.0,
        "high": 0.03, "covered": True, "error": 0.002, "status": "not_detected", "lod": 0.02,
        "pit": 0.5, "noise_z": 4.0,
    } | changes  # fmt: skip


def test_a_target_is_missed_below_95_percent_and_says_what_was_possible() -> None:
    rows = pd.DataFrame([judged(), judged(status="detected"), judged(truth=0.3, error=0.008)])
    bounds = pd.DataFrame(
        {"noise": ["donors"], "depth": 0.1, "altered": 0.4, "fraction": 0.01, "optimal": 0.25}
    )
    text = fraction_grid.chapter(rows, bounds=bounds)
    assert "TF 0.01 detected in 1 of 2" in text
    assert "target 95 %: missed; the best test possible finds 25 %" in text
    assert "median error at TF 0-0.1 is 0.0020 (n = 2); target 0.005: met" in text
    assert "median error at TF 0.1-1 is 0.0080 (n = 1); target 0.01: met" in text
    assert "| TF >= lod | 1 | 0 of 1" in text


# --- real plasma ----------------------------------------------------------------------------------


def bins_of(n: int) -> pd.DataFrame:
    """Atoms of 1 Mb of one chromosome, the last one not usable."""
    start = 1_000_000 * np.arange(n)
    return pd.DataFrame(
        {"chrom": "1", "start": start, "end": start + 1_000_000,
         "usable": [True] * (n - 1) + [False], "reason": [None] * (n - 1) + ["no ratio"]}
    )  # fmt: skip


def test_pseudo_counts_have_the_noise_of_neighbouring_ratios() -> None:
    # ratios 1.0, 1.2, 1.0, 1.2, 1.0: s = 1.4826 * 0.2 / sqrt(2) = 0.2097, E = 1 / s^2 = 22.75
    log2 = np.array([0, np.log2(1.2), 0, np.log2(1.2), 0, NAN])
    table, noise = donors.pseudo_counts(log2, bins_of(6))
    assert noise == pytest.approx(0.20967, abs=1e-4)
    assert table["fragments"].tolist() == [23, 27, 23, 27, 23, 0]


def test_ratios_without_noise_are_refused() -> None:
    with pytest.raises(ValueError, match="noise between neighbouring bins is 0"):
        donors.pseudo_counts(np.zeros(6), bins_of(6))


def test_cfdnakit_tables_are_read_from_one_and_refused_with_the_row(tmp_path: Path) -> None:
    path = tmp_path / "kit.tsv"
    path.write_text("bin\tnfragment\n1:1-1000000\t7\n1:1000001-2000000\t9\n")
    assert patients.read_cfdnakit(path, bins_of(2))["fragments"].tolist() == [7, 9]
    path.write_text("bin\tnfragment\n1:1-1000000\t7\nchr1_2\t9\n")
    with pytest.raises(ValueError, match="row 2: bin is 'chr1_2'"):
        patients.read_cfdnakit(path, bins_of(2))


def test_a_second_opinion_is_read_from_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "params.txt"
    path.write_text("S\tTumor Fraction\nTumor Fraction:\t0.2592\nPloidy:\t1.913\n"
                    "Subclone Fraction:\t0.5\nFraction CNA Subclonal:\t0.3\n")  # fmt: skip
    assert patients.second_opinion(path) == {
        "fraction": 0.2592, "ploidy": 1.913, "subclone": 0.5, "subclonal_cna": 0.3,
    }  # fmt: skip
    path.write_text("Ploidy:\t1.913\n")
    with pytest.raises(ValueError, match="no line 'Tumor Fraction'"):
        patients.second_opinion(path)


def test_the_comparison_shows_both_visits_beside_the_second_opinion() -> None:
    rows = pd.DataFrame(
        {"sample": list(patients.SERIAL), "panel": "27", "fraction": [0.25, 0.05],
         "low": [0.2, 0.0], "high": [0.3, 0.1], "ploidy": [2.0, None]}
    )  # fmt: skip
    opinion = {"fraction": 0.2592, "ploidy": 1.913, "subclone": 0.5, "subclonal_cna": 0.3}
    text = patients.peers(rows, opinion)
    assert "| ichorCNA 0.3.2 | 0.259 | 1.91 |" in text
    assert "| ctcnv, panel: 27 | 0.25 (0.2-0.3) | 2 | 0.05 (0-0.1) |  | 95 % |" in text


def test_the_chapter_of_donors_counts_those_that_could_be_judged() -> None:
    rows = pd.DataFrame(
        {"donor": ["A", "B", "C"], "noise": 0.05, "fragments": 1000, "fraction": [0.1, 0.0, None],
         "p_value": [0.001, 0.4, None], "status": ["detected", "not_detected", "failed"]}
    )  # fmt: skip
    text = donors.chapter(rows)
    assert "called detected: 1 of 2, 50.00 %" in text
    assert "could not be judged: 1 of 3" in text


def test_the_real_donors_are_read_with_their_noise(shared_data: Path) -> None:
    bins, genes = donors.reference(shared_data)
    found = donors.ratio_donors(shared_data, bins)
    assert len(found.counts) == 27
    assert 0.03 < min(found.noise.values()) < max(found.noise.values()) < 0.2
    assert 2300 < int(found.bins["usable"].sum()) < 2500
    assert "ERBB2" in set(genes["gene"])
    used = found.bins["usable"].to_numpy()
    for name, table in found.counts.items():
        per_bin = table["fragments"].to_numpy()[used].mean()
        assert per_bin == pytest.approx(1 / found.noise[name] ** 2, rel=0.03)


# --- speed ----------------------------------------------------------------------------------------


def test_the_benchmark_measures_a_genome_of_as_many_windows_as_it_says() -> None:
    made = fraction_speed.profile(windows=fraction_speed.WINDOWS, seed=1)
    assert len(made) == fraction_speed.WINDOWS
    PROFILE.check(made)
    assert made["observed"].sum() == pytest.approx(fraction_speed.FRAGMENTS, rel=0.001)


# --- genes ----------------------------------------------------------------------------------------


def gene_rows(n: int, **columns: object) -> pd.DataFrame:
    """Judged samples of one kind."""
    given = {"truth": 0.1, "depth": 1.0, "erbb2": 6, "bp": 60_000, "p_value": 0.5,
             "detectable_copies": 4.4, "call": "neutral"}  # fmt: skip
    return pd.DataFrame({key: np.broadcast_to(np.asarray(value, dtype=object), n)
                         for key, value in (given | columns).items()}).infer_objects()  # fmt: skip


def test_who_knows_the_place_counts_the_atoms_that_lie_in_the_amplicon() -> None:
    n = len(gene_grid.atoms())
    observed, expected = np.zeros(n), np.full(n, 50.0)
    observed[100:103], expected[101] = (90, 120, 500), np.nan
    profile = gene_grid.profile_of(observed, expected)
    # half of atom 99, all of 100 to 102, of which one is not used, and a part of 103
    place = Segment("chr17", 995_000, 1_031_000, 4.0)
    found = gene_grid.counted(profile, place, 1.0)
    assert found["by_panel"] == pytest.approx(2 * (90 + 500) / 100)
    wanted = gene_grid.per_atom(1.0) * (gene_grid.shared()[100] + gene_grid.shared()[102])
    assert found["by_truth"] == pytest.approx(2 * (90 + 500) / wanted)


def test_nothing_sets_plain_libraries_apart() -> None:
    assert set(gene_grid.differing(np.random.default_rng(1), plain=True)) == {1.0}
    assert np.std(gene_grid.differing(np.random.default_rng(1))) > 0.02


def test_errors_are_told_in_standard_errors_of_counting() -> None:
    # 60 kb at 1x: 359 fragments of two copies; at pCN 4 an error of one is 2 * sqrt(2 / 359)
    one = 2 * np.sqrt(2 / (60_000 / limits.FRAGMENT_BP))
    shifts = np.array([-2.0, -1, 0, 1, 2])
    rows = gene_rows(5, p_value=1e-5, true_pcn=4.0, pcn=4 + one * shifts, by_truth=4.0,
                     by_panel=4 + one * shifts / 2, pcn_low=4 - 1.96 * one,
                     pcn_high=4 + 1.96 * one)  # fmt: skip
    found = gene_page._errors(rows).set_index("of")
    # the median of 2, 1, 0, 1, 2 is 1
    assert found.loc["1x", ["n", "sd by truth", "sd by panel", "sd", "over by panel", "claimed"]
                     ].tolist() == pytest.approx([5, 0, 1.4826 / 2, 1.4826, 2, 1])  # fmt: skip
    assert found.loc["5x", "n"] == 0


def test_the_page_counts_false_neutrals_and_what_a_wide_amplicon_alone_would_have_said() -> None:
    calls = ["neutral", "indeterminate", "indeterminate", "amplified"]
    narrow = gene_rows(4, set="narrow", call=calls, detectable_copies=[4.4, 4.4, 7.0, 4.4],
                       p_value=[0.5, 0.5, 0.5, 1e-5])  # fmt: skip
    unchanged = gene_rows(3, set="unchanged", erbb2=2, bp=0,
                          call=["neutral", "neutral", "indeterminate"])  # fmt: skip
    text = "\n".join(gene_page._neutral(pd.concat([narrow, unchanged], ignore_index=True)))
    # of four one is neutral; two show nothing where 500 kb would have shown the target
    assert re.search(r"\| 60 kb \| 6 \| 4 \| 1 of 4, 25.00 % \(\S+ %\) \| 2 \|", text)
    assert "the most: 1 of 4" in text
    assert "| 0.1 | 2 of 3 (3); 4.4 |" in text


def test_every_sample_of_the_gene_level_has_a_set_that_the_page_knows() -> None:
    planned = pd.DataFrame(gene_grid.plans(1, 1))
    assert set(planned["set"]) == {
        "grid", "grid plain", "grid whole", "target", "target whole", "broad", "broad whole",
        "dilution whole", "ploidy", "ploidy whole", "germline", "unchanged", "narrow", "high whole",
    }  # fmt: skip


# --- follow-ups with an amplicon and mutations ----------------------------------------------------


def followed(**changes: object) -> pd.DataFrame:
    """Two tumors, each followed with the amplicon as it was and with a quarter of it."""
    row = {
        "depth": "1x", "truth": 0.1, "kind": "stays", "part": True, "erbb2_copies_change":
        "unchanged", **{f"true_{name}": 1.0 for name in ("ratio", "amplicon", "erbb2")},
        **{f"{name}{end}": value
           for name in ("ratio", "alone_ratio", "amplicon_ratio", "erbb2_ratio")
           for end, value in (("", 1.0), ("_low", 0.9), ("_high", 1.2))},
    }  # fmt: skip
    lost = row | {"kind": "quarter", "erbb2_copies_change": "selective_loss"}
    return pd.DataFrame([row, lost, row | changes, lost])


def test_follow_ups_count_what_holds_the_truth_and_what_is_called() -> None:
    text = followups.chapter(followed(true_ratio=1.5, erbb2_copies_change="selective_loss"), seed=1)
    both, half = "2 of 2, 100.00 % (15.81-100.00 %)", "1 of 2, 50.00 % (1.26-98.74 %)"
    assert f"ratio by copy number alone {half}; with mutations {half}; ERBB2 excess {both}" in text
    assert (
        f"40 copies throughout, called a selective loss: {half}; a selective gain: 0 of 2" in text
    )
    assert f"10 copies left, called a selective loss: {both}" in text
    assert "| 1x | 0.1 | 2 | 0.5 | 0.3 | 0.5 | 0.3 | 1 | 1 |" in text
    assert "| 1x | 0.1 | 40 | 2 | 1 | 1 | 0 | 0 |" in text


def test_a_ratio_that_is_not_given_is_not_counted() -> None:
    text = followups.chapter(followed(amplicon_ratio_high=NAN), seed=1)
    assert "per tumor cell 1 of 1" in text


def test_mutations_of_follow_ups_have_the_reads_of_the_formula() -> None:
    # one of three copies in all cells at 0.3: 0.3 / (0.9 + 1.4); half of that in half of them
    rows = pd.DataFrame({"chrom": "chr1", "start": np.arange(2000) * 10**5, "copies": 3.0,
                         "carry": 1, "base": 1.0, "later": 0.5})  # fmt: skip
    rng = np.random.default_rng(1)
    for share, expected in (("base", 0.3 / 2.3), ("later", 0.15 / 2.3)):
        depth, alt = followups._reads(rows, share, 0.3, rng).T
        assert (alt / depth).mean() == pytest.approx(expected, rel=0.03)
        assert 500 <= depth.min() <= depth.max() <= 5000
