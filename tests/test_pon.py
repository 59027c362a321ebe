"""The panel of normals: factors, over-dispersion, donors that do not fit, false positives."""

from __future__ import annotations

import functools
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ctcnv import pon as step
from ctcnv.bias import Reference
from ctcnv.dispersion import Dispersion
from ctcnv.healthy import known_of
from ctcnv.normalize import sample_dispersion, used_atoms
from ctcnv.normals import window_of
from ctcnv.pon import Factors
from ctcnv.schema import (
    DISPERSION,
    DONORS,
    NORMALS,
    PON,
    PON_GENES,
    PROFILE,
    WAVES,
    is_autosome,
)
from ctcnv.simulate import atom_counts
from ctcnv.synthetic import smooth_noise
from ctcnv.waves import Waves
from tests import plasma

SETTINGS = plasma.SETTINGS["pon"]
NAN = float("nan")


@functools.cache
def six() -> step.PonResult:
    return plasma.build_panel(plasma.normals(6))


def bins_of(n):
    """Atoms of which the last is not usable."""
    usable = np.arange(n) < n - 1
    return pd.DataFrame({"chrom": "chr1", "start": np.arange(n) * 10, "end": np.arange(n) * 10 + 10,
                         "usable": usable, "reason": np.where(usable, None, "masked")})  # fmt: skip


def factors(observed, expected, **changes):
    return Factors(np.array(observed, dtype=float), np.array(expected, dtype=float),
                   settings=replace(SETTINGS, **changes))  # fmt: skip


# --- factors ---


def test_a_factor_is_the_ratio_of_sums_drawn_towards_one():
    found = factors([[10, 40], [30, 20]], [[20, 30], [20, 30]])
    s = found.shrinkage
    assert found.sum_observed.tolist() == [40, 60]
    np.testing.assert_allclose(
        found._factor(found.sum_observed, found.sum_expected),
        [(40 + s) / (40 + s), (60 + s) / (60 + s)],
    )
    np.testing.assert_allclose(
        found._factor(np.array([80.0]), np.array([40.0])), (80 + s) / (40 + s)
    )


def test_the_more_fragments_the_closer_the_factor_is_to_what_was_seen():
    few, many = factors([[4, 1, 3]], [[2, 2, 2]]), factors([[4e4, 1e4, 3e4]], [[2e4, 2e4, 2e4]])
    seen = np.array([2, 0.5, 1.5])
    distance = [np.abs(f._factor(f.sum_observed, f.sum_expected) - seen) for f in (few, many)]
    assert (distance[1] < distance[0]).all()
    assert distance[1].max() < 0.01


def test_leaving_one_normal_out_leaves_its_sums_out():
    rng = np.random.default_rng(1)
    expected = np.full((4, 50), 100.0)
    observed = rng.poisson(expected).astype(float)
    found = factors(observed, expected)
    without = found.without(2, bins_of(50))
    others = [0, 1, 3]
    s = found.shrinkage
    wanted = (observed[others].sum(0) + s) / (expected[others].sum(0) + s)
    np.testing.assert_allclose(without[:49], wanted[:49])
    assert np.isnan(without[49])


def test_a_germline_variant_of_one_normal_is_not_everybodys_factor():
    rng = np.random.default_rng(2)
    expected = np.full((8, 60), 400.0)
    observed = rng.poisson(expected).astype(float)
    observed[3, 10] = 0
    table = factors(observed, expected).table(bins_of(60))
    assert table["factor"][10] == pytest.approx(1, abs=0.06)
    assert table["n_normals"].tolist() == [8] * 10 + [7] + [8] * 49


def test_a_normal_that_says_nothing_is_none_of_the_panel():
    rng = np.random.default_rng(4)
    expected = np.full((5, 40), 300.0)
    observed = rng.poisson(expected).astype(float)
    silent = expected.copy()
    silent[2] = NAN
    others = [0, 1, 3, 4]
    found, wanted = factors(observed, silent), factors(observed[others], expected[others])
    assert (found.n_normals, found.used) == (4, others)
    pd.testing.assert_frame_equal(found.table(bins_of(40)), wanted.table(bins_of(40)))
    np.testing.assert_array_equal(found.without(3, bins_of(40)), wanted.without(2, bins_of(40)))


def test_the_factors_do_not_depend_on_how_many_atoms_are_looked_at_together(monkeypatch):
    rng = np.random.default_rng(5)
    expected = np.full((6, 50), 200.0)
    expected[1, 7] = NAN
    observed = rng.poisson(200.0, expected.shape).astype(float)
    observed[3, 10] = 0
    whole = factors(observed, expected).table(bins_of(50))
    monkeypatch.setattr(step, "PART", 7)
    pd.testing.assert_frame_equal(factors(observed, expected).table(bins_of(50)), whole)
    assert whole["n_normals"][10] == 5


def test_with_two_normals_nothing_can_be_called_a_variant():
    found = factors([[100, 100], [100, 0]], [[100, 100], [100, 100]])
    assert found.keep.all()


def test_atoms_are_left_out_with_the_reason():
    rng = np.random.default_rng(3)
    n = 200
    expected = np.full((10, n), 1000.0)
    level = np.tile(np.exp(rng.normal(0, 0.05, n)), (10, 1))
    level[:, 0] = 5  # a collapsed repeat
    level[:, 1] = 0.1  # missing from most genomes
    level[:, 2] = rng.choice([0.4, 1.6], 10)  # different in everybody
    expected[:, 3] = NAN  # nobody covers it
    table = PON.check(factors(rng.poisson(1000 * level), expected).table(bins_of(n)))
    assert table["reason"][:4].tolist() == [
        "far more fragments than expected in normals",
        "far fewer fragments than expected in normals",
        "not reproducible between normals",
        "no normal covers it",
    ]
    assert table["reason"][4 : n - 1].isna().all()
    assert (table["factor"].isna() == table["reason"].notna()).all()
    assert table["reason"][n - 1] == "masked"


def test_a_common_germline_variant_is_left_out_and_tells_no_noise():
    """17q12, beside ERBB2, has it: one plasma was called amplified for an atom that varies."""
    rng = np.random.default_rng(8)
    n = 200
    level = rng.normal(1, 0.01, (20, n))
    level[:, 7] = np.where(np.arange(20) % 2, 1.08, 0.92)
    made = factors(rng.poisson(20_000 * level), np.full((20, n), 20_000.0))
    table = made.table(bins_of(n))
    assert table["reason"][7] == "differs between normals far more than other atoms"
    assert np.isnan(table["factor"][7])
    assert table["reason"].drop([7, n - 1]).isna().all()
    # nor does it have a part in what the panel says of noise
    drawn = plasma.normals(12)
    at = int(np.flatnonzero(plasma.bins()["usable"])[100])
    for i, one in enumerate(drawn.values()):
        one.loc[at, "fragments"] = int(one.loc[at, "fragments"] * (1.25 if i % 2 else 0.8))
    built = plasma.build_panel(drawn)
    assert built.pon["reason"][at] == "differs between normals far more than other atoms"
    place = plasma.bins().loc[at]
    windows = built.normals[(built.normals["chrom"] == place["chrom"])
                            & (built.normals["start"] <= place["start"])
                            & (built.normals["end"] > place["start"])]  # fmt: skip
    assert len(windows) == 0


def test_a_shallow_panel_does_not_call_chance_irreproducible():
    rng = np.random.default_rng(4)
    expected = np.full((5, 300), 3.0)
    table = factors(rng.poisson(expected), expected).table(bins_of(300))
    assert (table["reason"][:299] == "not reproducible between normals").mean() < 0.02


def test_the_spread_is_what_normals_vary_beyond_counting():
    rng = np.random.default_rng(5)
    expected = np.full((40, 100), 2000.0)
    varied = rng.poisson(2000 * rng.normal(1, 0.1, (40, 100)).clip(0.1))
    table = factors(varied, expected).table(bins_of(100))
    assert np.median(table["spread"][:99]) == pytest.approx(0.1, rel=0.1)
    calm = factors(rng.poisson(expected), expected).table(bins_of(100))
    assert np.median(calm["spread"][:99]) < 0.01


def test_normals_of_another_sex_say_nothing_on_y():
    table = six().pon
    y = (table["chrom"] == "chrY") & plasma.bins()["usable"]
    assert (table["n_normals"][y] <= 3).all()
    assert table["factor"][y].notna().any()
    women = {name: c for k, (name, c) in enumerate(plasma.normals(6).items()) if k % 2 == 0}
    only = plasma.build_panel(women).pon
    assert (only["reason"][y] == "no normal covers it").all()


# --- the panel as a whole ---


def test_the_tables_fit_their_schema():
    made = six()
    PON.check(made.pon)
    DISPERSION.check(made.dispersion)
    donors = DONORS.check(made.donors)
    genes = PON_GENES.check(made.genes)
    WAVES.check(made.waves)
    assert donors["used"].all()
    assert donors["reason"].isna().all()
    assert donors["sex"].tolist() == ["female", "male"] * 3
    assert made.n_normals == 6
    assert NORMALS.check(made.normals)["sample"].unique().tolist() == donors["sample"].tolist()
    assert genes["gene"].tolist() == plasma.gene_table()["gene"].tolist()
    assert (genes["n_normals"] == 6).all()


def test_the_panel_learns_what_all_libraries_share():
    table = six().pon
    used = is_autosome(table["chrom"]) & table["factor"].notna()
    found = np.corrcoef(table["factor"][used], plasma.regional_factor()[used])[0, 1]
    assert found > 0.8


def test_the_order_of_the_normals_does_not_matter():
    names = list(plasma.normals(6))
    turned = plasma.build_panel({name: plasma.normals(6)[name] for name in reversed(names)})
    for name in ("factor", "spread"):
        np.testing.assert_allclose(turned.pon[name], six().pon[name], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(turned.dispersion, six().dispersion, rtol=1e-9)
    same = turned.donors.set_index("sample").loc[names].reset_index()
    pd.testing.assert_frame_equal(same, six().donors, rtol=1e-9)
    pd.testing.assert_frame_equal(turned.genes, six().genes, rtol=1e-9)
    turned_waves, waves = Waves.from_frame(turned.waves).axes, Waves.from_frame(six().waves).axes
    # the sign of a direction says nothing
    np.testing.assert_allclose(turned_waves @ turned_waves.T, waves @ waves.T, atol=1e-12)


def test_over_dispersion_falls_with_the_size_of_the_region():
    tau = Dispersion.from_frame(six().dispersion)
    assert tau.at(1) > tau.at(16) > 0
    assert tau.at(1) < 0.05


def test_healthy_donors_are_given_next_to_no_tumor():
    donors = six().donors
    assert (donors["p_value"] > SETTINGS.outlier_p).all()
    assert (donors["fraction"] < 0.03).all()
    assert six().genes["false_gains"].sum() == 0


def test_a_tumor_among_the_normals_is_left_out_and_named(caplog):
    donors = plasma.normals(6)
    donors["T"] = plasma.counts(tumor=plasma.ANEUPLOID, fraction=0.2, seed=55)
    with caplog.at_level(logging.WARNING):
        made = plasma.build_panel(donors)
    table = made.donors.set_index("sample")
    assert not table.loc["T", "used"]
    assert table.loc["T", "reason"].startswith("looks like tumor (fraction 0.")
    assert table.loc[list(plasma.normals(6)), "used"].all()
    assert "T" not in set(made.normals["sample"])
    assert "normal T is left out: looks like tumor" in caplog.text
    assert made.n_normals == 6
    np.testing.assert_allclose(made.pon["factor"], six().pon["factor"], rtol=1e-9)


def test_the_worst_normal_goes_first_and_the_others_are_judged_again():
    """In a panel of four a tumor makes all others look like tumor, too."""
    donors = plasma.normals(3) | {"T": plasma.counts(tumor=plasma.ANEUPLOID, fraction=0.2, seed=55)}
    used = plasma.build_panel(donors).donors.set_index("sample")["used"]
    assert used.to_dict() == {"N01": True, "N02": True, "N03": True, "T": False}


def test_a_far_noisier_normal_is_left_out_and_named():
    rng = np.random.default_rng(9)
    donors = plasma.normals(6)
    loud = plasma.counts(seed=77)
    # large regions up and down by a fifth, as no copy-number state explains
    wave = np.repeat(rng.normal(1, 0.2, len(loud) // 9 + 1), 9)[: len(loud)].clip(0.2)
    donors["L"] = loud.assign(fragments=(loud["fragments"] * wave).astype(int))
    table = plasma.build_panel(donors).donors.set_index("sample")
    assert not table.loc["L", "used"]
    assert "regional noise" in table.loc["L", "reason"]
    assert table.drop("L")["used"].all()


def test_an_outlier_that_must_stay_is_named_too(caplog):
    donors = plasma.normals(2) | {"T": plasma.counts(tumor=plasma.ANEUPLOID, fraction=0.2, seed=55)}
    with caplog.at_level(logging.WARNING):
        made = plasma.build_panel(donors)
    assert made.donors["used"].all()
    assert "stays: too few others" in caplog.text
    reason = made.donors.set_index("sample").loc["T", "reason"]
    assert "kept although it does not fit" in reason


def test_a_normal_with_too_few_fragments_is_left_out_and_named():
    donors = plasma.normals(6)
    thin = plasma.counts(seed=88)
    donors["thin"] = thin.assign(fragments=thin["fragments"] // 500)
    made = plasma.build_panel(donors)
    table = made.donors.set_index("sample")
    assert table.loc["thin", "reason"] == "too few fragments"
    assert not table.loc["thin", "used"]
    assert np.isnan(table.loc["thin", "noise"])
    pd.testing.assert_frame_equal(made.pon, six().pon)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_normals_make_a_panel_that_says_what_it_cannot_know(n, caplog):
    with caplog.at_level(logging.WARNING):
        made = plasma.build_panel(plasma.normals(n))
    assert "too few to leave one out" in caplog.text
    assert made.n_normals == n
    assert (made.genes["n_normals"] == 0).all()
    assert NORMALS.check(made.normals).empty
    assert WAVES.check(made.waves).empty
    donors = DONORS.check(made.donors)
    assert donors["used"].all()
    assert donors["p_value"].isna().all()
    PON.check(made.pon)
    PON_GENES.check(made.genes)
    DISPERSION.check(made.dispersion)
    assert made.pon["factor"].notna().sum() > 2500


def test_no_usable_normal_is_refused_with_the_reason():
    thin = plasma.counts(seed=88)
    few = thin.assign(fragments=thin["fragments"] // 500)
    with pytest.raises(ValueError, match="no normal can be used for the panel: A: too few"):
        plasma.build_panel({"A": few})
    with pytest.raises(ValueError, match="A has too few fragments, and so on"):
        plasma.build_panel({"A": few, "B": few})


def test_what_the_size_of_the_panel_costs_is_said(caplog):
    with caplog.at_level(logging.INFO):
        plasma.build_panel(plasma.normals(3))
    # sqrt(1 + 1/3) = 1.155
    assert "panel of 3 normals" in caplog.text
    assert "adds 15 % to the counting noise" in caplog.text
    assert "at least 20 normals is recommended" in caplog.text


def test_the_panel_for_normalize_is_the_table():
    panel = step.panel_of(PON.check(six().pon), WAVES.check(six().waves))
    np.testing.assert_array_equal(panel.factor, six().pon["factor"])
    assert panel.n_normals == 6
    assert panel.waves.axes.shape[1] == six().waves["wave"].max() > 0
    assert step.panel_of(PON.empty(), WAVES.empty()).n_normals == 0


# --- over-dispersion ---


def poisson_profiles(n, tau=0.0, *, atoms=1200, block=1, expected=500.0):
    """Profiles whose runs of ``block`` atoms share a deviation of tau."""
    made = []
    start = np.arange(atoms) * 1000
    for seed in range(n):
        rng = np.random.default_rng(seed)
        wave = np.repeat(rng.normal(1, tau, atoms // block + 1), block)[:atoms]
        made.append(
            PROFILE.check(
                pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 1000,
                              "observed": rng.poisson(expected * wave), "expected": expected,
                              "normal_copies": 2, "reason": None})
            )
        )  # fmt: skip
    return made


def test_the_dispersion_of_poisson_counts_is_almost_none():
    assert step.measured_dispersion(poisson_profiles(5)).at(1) < 0.012


def test_the_dispersion_of_independent_atoms_falls_with_the_square_root():
    found = step.measured_dispersion(poisson_profiles(8, 0.08))
    assert found.at(1) == pytest.approx(0.08, rel=0.08)
    assert found.at(4) == pytest.approx(0.04, rel=0.12)


def test_the_dispersion_of_waves_stays_up_to_their_length():
    found = step.measured_dispersion(poisson_profiles(8, 0.05, block=8))
    assert found.at(4) == pytest.approx(0.05, rel=0.12)
    assert found.at(16) < 0.045


def on_chromosomes(profile, lengths):
    """The same rows on so many chromosomes."""
    names = [f"chr{i + 1}" for i, n in enumerate(lengths) for _ in range(n)]
    return profile.assign(chrom=names)


def test_what_sets_chromosomes_apart_is_measured_at_their_size():
    """Chromosomes of 100 atoms: up to 64 atoms, one window each, as the mean square about 1."""
    found = step.measured_dispersion(
        [
            on_chromosomes(one, [100] * 20)
            for one in poisson_profiles(6, 0.05, atoms=2000, block=100)
        ]
    )
    assert found.atoms.tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert found.at(64) == pytest.approx(0.05, rel=0.15)
    assert found.at(16) == pytest.approx(0.05, rel=0.2)


@pytest.mark.parametrize(("n", "sizes"), [(15, [1, 2, 4, 8]), (14, [1])])
def test_a_size_is_measured_on_fifteen_regions_or_more(n, sizes):
    profiles = [on_chromosomes(one, [8] * n) for one in poisson_profiles(2, atoms=8 * n)]
    found = step.measured_dispersion(profiles)
    assert found.atoms.tolist() == sizes if n == 15 else found.atoms[-1] < 8


def test_few_regions_vary_by_their_mean_square_and_many_by_their_quartiles():
    """Fifteen of 20 regions at 1 and one at 1.2: the robust spread would not see it."""
    ratio = np.ones(20)
    ratio[7] = 1.2
    counts = np.full(20, 1e6)
    few = step._excess(ratio, counts, counting=1e-6)
    many = step._excess(np.tile(ratio, 2), np.tile(counts, 2), counting=1e-6)
    assert few == pytest.approx(0.04 / 20 - 1e-6)
    assert many == pytest.approx(-1e-6)


def test_the_dispersion_needs_each_profile_once():
    profiles = poisson_profiles(5, 0.05)
    found = step.measured_dispersion(iter(profiles))
    np.testing.assert_array_equal(found.tau, step.measured_dispersion(profiles).tau)


def test_each_normal_is_compared_with_all_the_others():
    left = left_out(0)
    counts = sharing()[0]
    table = plasma.build_panel(counts, waves=0).pon
    every = left.together(table)
    for i in range(len(counts)):
        profile, rest = left.profile(i), every.summed.subset_of(np.arange(len(counts)) != i)
        found, wanted = every.known(i), known_of(profile, every.grid, rest)
        used = used_atoms(profile)
        np.testing.assert_array_equal(found.window[used], wanted.window[used])
        assert (found.window[used] >= 0).mean() > 0.9
        assert found.n_normals == wanted.n_normals == len(counts) - 1
        np.testing.assert_allclose(found.covariance.own, wanted.covariance.own)
        one, other = (known.covariance.axes for known in (found, wanted))
        np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-12)


def test_a_few_noisy_normals_count_in_the_dispersion():
    calm, loud = poisson_profiles(4), poisson_profiles(4, 0.1)
    mixed = step.measured_dispersion([*calm, *loud]).at(1)
    assert mixed == pytest.approx(np.sqrt(0.01 / 2), rel=0.1)


def test_a_panel_too_shallow_for_single_atoms_is_measured_on_larger_regions():
    found = step.measured_dispersion(poisson_profiles(4, 0.0, expected=2.0))
    assert found.atoms[0] >= 10


def test_regional_noise_is_what_large_regions_vary_beyond_counting():
    loud = poisson_profiles(1, 0.1, block=4)[0]
    assert step.noise_of(loud).regional == pytest.approx(0.1, rel=0.15)
    assert step.noise_of(poisson_profiles(1)[0]).regional < 0.02
    assert np.isnan(step.noise_of(PROFILE.empty()).regional)


# --- donors that do not fit ---


def checks(noises, p_values=None):
    values = p_values or [0.5] * len(noises)
    return {
        f"N{i}": step._Check(noise, 0.01, p, Dispersion(np.ones(1), np.zeros(1)))
        for i, (noise, p) in enumerate(zip(noises, values, strict=True))
    }


def test_donors_of_another_platform_stay_and_wild_ones_go():
    limit = SETTINGS.outlier_noise
    found = step._outliers(checks([0.01, 0.01, 0.012, 0.009, 0.0099 * limit, 0.0101 * limit * 2]),
                           SETTINGS)  # fmt: skip
    assert list(found) == ["N5"]


def test_donors_that_look_like_tumor_go_at_the_level_that_is_set():
    p = SETTINGS.outlier_p
    found = step._outliers(checks([0.01] * 4, [0.5, p, p * 0.99, 1e-9]), SETTINGS)
    assert list(found) == ["N2", "N3"]


def test_donors_without_any_regional_noise_do_not_condemn_those_with_a_little():
    """A shallow panel measures none in most of its normals; a hair is then not wild."""
    found = step._outliers(checks([0.0, 0.0, 0.0, 0.0, 0.004]), SETTINGS)
    assert found == {}


def test_false_positives_of_the_panel_are_those_of_samples():
    """Six more donors that the panel has never seen: none detected, no gene called."""
    panel, tau = plasma.panel()
    for name, drawn in plasma.normals(3, first=900).items():
        profile = plasma.profile_of(drawn).profile
        noisier = sample_dispersion(profile, tau)
        _, p_value = step._fraction_of(profile, dispersion=noisier, settings=plasma.FAST,
                                       others=known_of(profile, *plasma.libraries()))  # fmt: skip
        assert p_value > 0.001, name
    assert panel.n_normals == 6


@pytest.mark.parametrize(("score", "wanted"), [(0.0, [100]), (1e6, [100, 300])])
def test_only_a_normal_that_stands_out_is_compared_with_all_simulated_genomes(
    monkeypatch, score, wanted
):
    drawn = []

    def null_scores(*_, settings):
        drawn.append(settings.null_draws)
        scores = np.linspace(-1, 1, settings.null_draws)
        return step.detection.Scores(scores, np.zeros(len(scores)))

    monkeypatch.setattr(step.detection, "null_scores", null_scores)
    monkeypatch.setattr(step.detection, "detection_score", lambda *_, **__: (score, 0.1))
    profile = plasma.profile_of(next(iter(plasma.normals(1, first=900).values()))).profile
    _, p_value = step._fraction_of(
        profile, dispersion=plasma.panel()[1], settings=replace(plasma.FAST, null_draws=300),
        others=known_of(profile, *plasma.libraries()),
    )  # fmt: skip
    assert drawn == wanted
    assert (p_value > 0.1) == (score == 0.0)


# --- waves ---

#: Normals that share one wave of 3 %, each as far out as these.
OUT = (1.5, -1.2, 0.8, -0.6, 1.1, -1.4, 0.4, -0.9, 1.3, -1.0)


@functools.cache
def sharing():
    """Counts of normals with this wave; the first has a deviation of 6 % of its own, too."""
    rng = np.random.default_rng(21)
    shared, own = (smooth_noise(len(plasma.bins()), 3, rng) for _ in range(2))
    frame = plasma.bins()[["chrom", "start", "end"]]
    made = {}
    for i, amplitude in enumerate(OUT):
        level = plasma.regional_factor() * (1 + 0.03 * amplitude * shared + (i == 0) * 0.06 * own)
        seen = atom_counts(plasma.bins(), plasma.PLAIN, tumor=None, fraction=0.0, sex="female",
                           rng=np.random.default_rng(500 + i), factor=level)  # fmt: skip
        made[f"N{i}"] = frame.assign(fragments=seen, short=0)
    return made, shared, own


@functools.cache
def left_out(most, normals=10):
    """The last so many of the normals."""
    counts = dict(list(sharing()[0].items())[-normals:])
    reference = Reference.of(plasma.bins())
    seen = np.vstack([one["fragments"].to_numpy(dtype=float) for one in counts.values()])
    wanted = np.vstack([step.expectation(one, reference, factor=None,
                                         settings=plasma.SETTINGS["normalize"]).expected
                        for one in seen])  # fmt: skip
    made = factors(seen, wanted)
    return step.leave_one_out(
        list(counts), plasma.bins(), reference, made, made.table(plasma.bins()),
        normalize_settings=plasma.SETTINGS["normalize"], most=most,
    )  # fmt: skip


def slope(values, on, use):
    x = on[use] - on[use].mean()
    return float(x @ values[use] / (x @ x))


def test_what_normals_share_is_no_noise_of_theirs():
    """A wave of 3 % out of nine normals of ten: at most half of it is left at any size."""
    with_waves, without = (
        step.measured_dispersion(list(left_out(most).profiles())[1:])
        for most in (SETTINGS.waves, 0)
    )  # fmt: skip
    assert without.at(1) == pytest.approx(0.03, rel=0.3)
    for atoms in (1, 2, 4):
        assert with_waves.at(atoms) < 0.5 * without.at(atoms)
    assert WAVES.check(left_out(0).waves).empty


def test_what_one_normal_alone_has_stays_in_it():
    """Its own deviation has no part in the waves that it is corrected by, only in the panel's."""
    _, shared, own = sharing()
    plain, made = (left_out(most).profile(0) for most in (0, SETTINGS.waves))
    use = np.flatnonzero(is_autosome(plain["chrom"]) & plain["expected"].notna())
    ratio = [(one["observed"] / one["expected"]).to_numpy() for one in (plain, made)]
    assert slope(ratio[1], own, use) > 0.95 * slope(ratio[0], own, use) > 0.05
    assert abs(slope(ratio[1], shared, use)) < 0.3 * slope(ratio[0], shared, use)
    shares = []
    for waves in (Waves.from_frame(left_out(SETTINGS.waves, n).waves) for n in (10, 9)):
        window = window_of(plain, waves.grid)
        at = np.flatnonzero(window >= 0)
        base = np.linalg.qr(waves.axes[window[at]])[0]
        inside = own[at] - own[at].mean()
        shares.append(np.sum((base.T @ inside) ** 2) / np.sum(inside**2))
    # 0.70 at most: its own GC curve has taken up some of it
    assert shares[0] > 0.65
    assert shares[1] < 0.02


def test_the_waves_of_the_panel_are_those_of_all_its_normals():
    donors = sharing()[0]
    used = {name: one for name, one in donors.items() if name != "N0"}
    made = plasma.build_panel(used, waves=2)
    assert made.donors["used"].all()
    assert made.waves["wave"].unique().tolist() == [1, 2]
    first = Waves.from_frame(made.waves).axes[:, 0]
    assert first.std() == pytest.approx(0.03 * np.std(OUT[1:], ddof=1), rel=0.25)
    assert WAVES.check(plasma.build_panel(used, waves=0).waves).empty
