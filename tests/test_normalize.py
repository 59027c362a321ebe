"""Observed and expected fragments: curves, sex, windows and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv import normalize as step
from ctcnv.bias import Reference
from ctcnv.dispersion import Dispersion
from ctcnv.mixture import ratio_of
from ctcnv.normalize import Panel, windows
from ctcnv.normals import grid_of, window_of
from ctcnv.schema import COUNTS, PROFILE, is_autosome
from ctcnv.simulate import Library, Tumor, atom_counts, atom_ploidy, copies
from ctcnv.synthetic import smooth_noise
from ctcnv.waves import Waves
from tests import plasma
from tests.reference.windows_slow import windows_slow

NAN = float("nan")
SETTINGS = plasma.SETTINGS["normalize"]


def profile_of(observed, expected, chrom="chr1"):
    """A profile of atoms of 1 Mb; ``chrom`` one name or one per atom."""
    n = len(observed)
    names = [chrom] * n if isinstance(chrom, str) else list(chrom)
    start = np.concatenate([np.arange(names.count(name)) for name in pd.unique(pd.Series(names))])
    return PROFILE.check(
        pd.DataFrame(
            {
                "chrom": names, "start": start * plasma.MB, "end": (start + 1) * plasma.MB,
                "observed": observed, "expected": expected, "normal_copies": 2, "reason": None,
            }
        )
    )  # fmt: skip


def normalized(counted, bins=None, panel=None, **changes):
    return step.normalize(
        counted, plasma.bins() if bins is None else bins, panel=panel,
        settings=replace(SETTINGS, **changes),
    )  # fmt: skip


@pytest.fixture(scope="module")
def female() -> pd.DataFrame:
    return plasma.counts(seed=1)


@pytest.fixture(scope="module")
def of_female(female) -> step.Normalized:
    return normalized(female)


# --- windows ---


def test_windows_by_hand_skip_left_out_atoms_and_take_the_rest_into_the_last():
    # chr1: atoms 0 1 (2 left out) 3 4 5;  chr2: one atom
    profile = profile_of(
        [10, 20, 99, 30, 40, 50, 7], [11.0, 21, NAN, 31, 41, 51, 8], ["chr1"] * 6 + ["chr2"]
    )
    found = windows(profile, atoms=2)
    assert found.chrom.tolist() == ["chr1", "chr1", "chr2"]
    assert found.start.tolist() == [0, 3_000_000, 0]
    assert found.end.tolist() == [2_000_000, 6_000_000, 1_000_000]
    assert found.atoms.tolist() == [2, 3, 1]
    assert found.observed.tolist() == [30, 120, 7]
    assert found.expected.tolist() == [32, 123, 8]
    np.testing.assert_allclose(found.ratio, [30 / 32, 120 / 123, 7 / 8])


ATOMS = st.lists(
    st.tuples(
        st.sampled_from(["chr1", "chr2", "chrX"]), st.integers(0, 50),
        st.sampled_from([NAN, 0.0, 3.0, 8.5]),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


def drawn_profile(atoms):
    atoms = sorted(atoms, key=lambda atom: atom[0])
    return profile_of([a[1] for a in atoms], [a[2] for a in atoms], [a[0] for a in atoms])


@given(ATOMS, st.integers(1, 6), st.booleans())
def test_windows_are_those_of_the_slow_twin(atoms, size, autosomes):
    profile = drawn_profile(atoms)
    found = windows(profile, atoms=size, autosomes=autosomes)
    wanted = windows_slow(profile.to_dict("records"), size, autosomes=autosomes)
    for name in ("chrom", "start", "end", "atoms"):
        assert list(getattr(found, name)) == [window[name] for window in wanted]
    for name in ("observed", "expected"):
        np.testing.assert_allclose(getattr(found, name), [window[name] for window in wanted])


@given(ATOMS, st.integers(1, 6))
def test_atoms_that_are_left_out_change_nothing(atoms, size):
    profile = drawn_profile(atoms)
    without = profile[profile["expected"] > 0].reset_index(drop=True)
    one, two = windows(profile, atoms=size), windows(without, atoms=size)
    for name in ("chrom", "start", "end", "atoms", "observed", "expected"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_windows_of_nothing_are_empty():
    assert len(windows(PROFILE.empty(), atoms=3).ratio) == 0
    assert len(windows(profile_of([1, 2], [NAN, NAN]), atoms=3).ratio) == 0


# --- the profile as a whole ---


def test_expected_autosomal_fragments_are_as_many_as_were_counted(of_female):
    profile = of_female.profile
    used = is_autosome(profile["chrom"]) & profile["expected"].notna()
    assert profile["expected"][used].sum() == pytest.approx(profile["observed"][used].sum())
    assert of_female.fragments == profile["observed"][used].sum()


def test_twice_the_counts_give_the_same_ratios(female, of_female):
    twice = normalized(female.assign(fragments=2 * female["fragments"]))
    known = of_female.profile["expected"].notna()
    np.testing.assert_allclose(
        twice.profile["expected"][known], 2 * of_female.profile["expected"][known], rtol=1e-9
    )
    assert twice.sex == of_female.sex


def test_fragments_in_atoms_that_are_not_usable_do_not_matter(female, of_female):
    unusable = ~plasma.bins()["usable"].to_numpy()
    changed = female.assign(fragments=female["fragments"].mask(unusable, 10**6))
    pd.testing.assert_series_equal(
        normalized(changed).profile["expected"], of_female.profile["expected"]
    )


def test_names_without_chr_give_the_same(female, of_female):
    def bare(frame):
        return frame.assign(chrom=frame["chrom"].str.removeprefix("chr"))

    plain = normalized(bare(female), bare(plasma.bins()))
    pd.testing.assert_series_equal(plain.profile["expected"], of_female.profile["expected"])
    assert plain.sex == "female"


def test_every_atom_has_an_expectation_or_a_reason(of_female):
    profile = PROFILE.check(of_female.profile)
    assert (profile["expected"].isna() == profile["reason"].notna()).all()
    assert set(profile["reason"].dropna()) == {"too few callable bases", "no Y in a female"}


def test_an_atom_of_unknown_gc_is_left_out_alone(female, of_female):
    bins = plasma.bins().copy()
    bins.loc[7, "gc"] = NAN
    profile = normalized(female, bins).profile
    assert profile["reason"][7] == "GC not known"
    assert profile["expected"].notna().sum() == of_female.profile["expected"].notna().sum() - 1


@pytest.mark.parametrize("fragments", [0, 1])
def test_a_library_with_too_few_fragments_expects_nothing_anywhere(female, fragments):
    few = female.assign(fragments=fragments)
    found = normalized(few)
    assert not found.sufficient
    assert found.profile["expected"].isna().all()
    assert found.sex is None
    assert np.isnan(found.noise)
    usable = plasma.bins()["usable"]
    assert (found.profile["reason"][usable] == "too few fragments").all()
    assert (found.profile["reason"][~usable] == "too few callable bases").all()


def test_the_smallest_sufficient_library_is_used(female, of_female):
    at_limit = of_female.fragments
    assert normalized(female, min_fragments=at_limit).sufficient
    assert not normalized(female, min_fragments=at_limit + 1).sufficient


def test_the_factor_of_the_panel_is_what_expectations_are_multiplied_by(female):
    bins = plasma.bins()
    plain = np.ones(len(bins))
    double = plain.copy()
    double[10:20] = 2.0
    reason = np.full(len(bins), None, dtype=object)
    one = normalized(female, panel=Panel(plain, reason, 1), gc_passes=1).profile["expected"]
    two = normalized(female, panel=Panel(double, reason, 1), gc_passes=1).profile["expected"]
    np.testing.assert_allclose((two[10:20] / one[10:20]), 2.0, rtol=0.05)


def test_atoms_that_the_panel_leaves_out_keep_its_reason(female):
    bins = plasma.bins()
    factor, reason = np.ones(len(bins)), np.full(len(bins), None, dtype=object)
    factor[[3, 4]], reason[[3, 4]] = NAN, "not reproducible between normals"
    profile = normalized(female, panel=Panel(factor, reason, 5)).profile
    assert profile["expected"][[3, 4]].isna().all()
    assert (profile["reason"][[3, 4]] == "not reproducible between normals").all()
    assert profile["expected"][5] > 0


def test_a_panel_takes_away_what_all_libraries_share(female):
    used = is_autosome(plasma.bins()["chrom"]) & plasma.bins()["usable"].to_numpy()

    def spread(profile):
        return float(np.std(profile["observed"][used] / profile["expected"][used]))

    assert spread(plasma.profile_of(female).profile) < 0.9 * spread(normalized(female).profile)


def test_waves_of_the_panel_are_taken_out_of_the_expectation():
    bins = plasma.bins()
    grid = grid_of(bins)
    shape = 0.03 * smooth_noise(len(grid), 3, np.random.default_rng(31))
    on_atoms = np.append(shape, 0.0)[window_of(bins, grid)]
    seen = atom_counts(bins, plasma.PLAIN, tumor=None, fraction=0.0, sex="female",
                       rng=np.random.default_rng(32), factor=1 + 2 * on_atoms)  # fmt: skip
    counted = bins[["chrom", "start", "end"]].assign(fragments=seen, short=0)
    factor, reason = np.ones(len(bins)), np.full(len(bins), None, dtype=object)
    plain = normalized(counted, panel=Panel(factor, reason, 6))
    made = normalized(counted, panel=Panel(factor, reason, 6, Waves(grid, shape[:, None])))
    use = is_autosome(bins["chrom"]) & plain.profile["expected"].notna()
    change = (made.profile["expected"] / plain.profile["expected"])[use]
    assert np.corrcoef(change, on_atoms[use])[0, 1] > 0.999
    assert change.std() == pytest.approx(0.06, rel=0.1)
    assert made.waves == pytest.approx(0.06, rel=0.1)
    assert "waves of 6." in made.summary or "waves of 5." in made.summary
    assert plain.waves == 0
    assert made.noise < plain.noise
    assert made.noise == step.noise_over_counting(made.profile)


# --- bias curves ---


def bias_by_gc(counted, tumor, fraction):
    """Observed over (expected times the true ratio) in eight groups of GC."""
    bins = plasma.bins()
    profile = normalized(counted).profile
    used = is_autosome(bins["chrom"]) & profile["expected"].notna().to_numpy()
    truth = np.ones(len(bins))
    if tumor is not None:
        place = (bins["chrom"].to_numpy(object), bins["start"].to_numpy(), bins["end"].to_numpy())
        truth = ratio_of(copies(tumor, *place, sex="female"), fraction, atom_ploidy(bins, tumor))
    group = pd.qcut(bins["gc"][used], 8, labels=False)
    observed = profile["observed"][used].groupby(group).sum()
    wanted = (profile["expected"] * truth)[used].groupby(group).sum()
    return (observed / wanted).to_numpy()


@pytest.mark.parametrize(("peak", "width"), [(0.44, 0.14), (0.41, 0.13), (0.46, 0.13)])
def test_the_gc_curve_of_a_library_is_taken_away(peak, width):
    library = Library(3_000_000, gc_peak=peak, gc_width=width, wave=0.0)
    found = bias_by_gc(plasma.counts(library=library, factor=False), None, 0.0)
    # without the correction these are off by 5 to 40 %
    np.testing.assert_allclose(found, 1, atol=0.02)


def test_a_strong_bias_does_not_make_gc_rich_chromosomes_look_lost():
    """The curve ended at the value of its smallest stratum: chr19 and chr22 were 5 % too low."""
    strong = replace(plasma.USUAL, fragments=20_000_000, gc_peak=0.40, gc_width=0.115, wave=0.0)
    drawn = plasma.counts(seed=3, library=strong, factor=False)
    profile = normalized(drawn).profile
    by_chrom = profile.dropna(subset="expected").groupby("chrom")[["observed", "expected"]].sum()
    away = by_chrom["observed"] / by_chrom["expected"] - 1
    assert np.abs(away[["chr16", "chr17", "chr19", "chr20", "chr22"]]).max() < 0.02


def test_a_tumor_hardly_bends_the_gc_curve():
    drawn = plasma.counts(tumor=plasma.ANEUPLOID, fraction=0.3, seed=5)
    np.testing.assert_allclose(bias_by_gc(drawn, plasma.ANEUPLOID, 0.3), 1, atol=0.015)


def test_an_amplicon_does_not_bend_the_curve_it_is_measured_with():
    drawn = plasma.counts(tumor=plasma.ONLY_AMPLICON, fraction=0.5, seed=5)
    profile = plasma.profile_of(drawn).profile
    inside = (profile["chrom"] == "chr17") & profile["start"].between(38e6, 40e6)
    found = profile["observed"][inside].sum() / profile["expected"][inside].sum()
    ploidy = atom_ploidy(plasma.bins(), plasma.ONLY_AMPLICON)
    assert inside.sum() == 3
    assert found == pytest.approx(float(ratio_of(40, 0.5, ploidy)), rel=0.04)


def test_a_mappability_curve_is_taken_away():
    bins = plasma.bins().copy()
    rng = np.random.default_rng(5)
    bins["mappability"] = rng.uniform(0.75, 1.0, len(bins))
    drawn = plasma.counts(library=plasma.PLAIN, factor=False)
    thinned = rng.binomial(drawn["fragments"], bins["mappability"] ** 2)
    profile = normalized(drawn.assign(fragments=thinned), bins).profile
    used = is_autosome(bins["chrom"]) & profile["expected"].notna().to_numpy()
    group = pd.qcut(bins["mappability"][used], 8, labels=False)
    ratio = profile["observed"][used].groupby(group).sum() / profile["expected"][used].groupby(
        group).sum()  # fmt: skip
    np.testing.assert_allclose(ratio, 1, atol=0.006)


@pytest.mark.parametrize("level", [1.2, 1.6, 3.0])
def test_an_amplicon_does_not_bend_the_curve_that_it_is_measured_with(level: float):
    # two atoms of 1 Mb at GC 0.53, where few others are: a curve that followed them would take up
    # 0.7 % of a gain of a fifth
    inside = (plasma.bins()["chrom"] == "chr17") & plasma.bins()["start"].isin(
        [37_000_000, 38_000_000]
    )
    assert (plasma.bins()["gc"][inside] > 0.52).all()
    deep = replace(plasma.USUAL, fragments=20_000_000)
    counts = plasma.counts(library=deep, seed=5)
    seen = counts["fragments"].to_numpy(float)
    reference = Reference.of(plasma.bins())
    without, made = (
        step.expectation(values, reference, factor=None, settings=SETTINGS).expected[inside].sum()
        / values.sum()
        for values in (seen, np.where(inside, level * seen, seen))
    )
    assert made / without == pytest.approx(1, abs=0.0015)


# --- sex ---


@pytest.mark.parametrize("sex", ["female", "male"])
def test_sex_is_inferred_from_x_and_y(sex):
    assert normalized(plasma.counts(sex=sex, seed=2)).sex == sex


def test_one_x_is_not_a_loss_in_a_man():
    profile = normalized(plasma.counts(sex="male", seed=2)).profile
    for name in ("chrX", "chrY"):
        here = profile["chrom"] == name
        assert (profile["normal_copies"][here] == 1).all()
        known = here & profile["expected"].notna()
        ratio = profile["observed"][known].sum() / profile["expected"][known].sum()
        assert ratio == pytest.approx(1, abs=0.03)


def test_a_woman_expects_two_x_and_no_y():
    profile = normalized(plasma.counts(seed=2)).profile
    y, x = profile["chrom"] == "chrY", profile["chrom"] == "chrX"
    assert profile["expected"][y].isna().all()
    assert (profile["normal_copies"][y] == 0).all()
    assert (profile["normal_copies"][x] == 2).all()
    known = x & profile["expected"].notna()
    ratio = profile["observed"][known].sum() / profile["expected"][known].sum()
    assert ratio == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("sex", "chrom", "fraction"), [("male", "chrY", 0.5), ("female", "chrX", 0.6)]
)
def test_a_tumor_that_lost_a_sex_chromosome_does_not_change_the_sex(sex, chrom, fraction):
    tumor = Tumor((plasma.whole(chrom, 0 if chrom == "chrY" else 1),))
    drawn = plasma.counts(tumor=tumor, fraction=fraction, sex=sex, seed=2)
    assert normalized(drawn).sex == sex


def with_y(female, share):
    """A female's counts with Y at this share of her X."""
    x = female["fragments"][female["chrom"] == "chrX"].mean()
    return female.assign(fragments=female["fragments"].mask(female["chrom"] == "chrY",
                                                            round(share * x)))  # fmt: skip


def test_misplaced_reads_on_y_do_not_make_a_man(female):
    assert normalized(with_y(female, 0.03)).sex == "female"


def test_sex_between_the_bounds_is_unclear_and_leaves_x_and_y_out(female):
    found = normalized(with_y(female, 0.10))
    assert found.sex is None
    sexual = found.profile["chrom"].isin(["chrX", "chrY"]) & plasma.bins()["usable"]
    assert found.profile["expected"][sexual].isna().all()
    assert (found.profile["reason"][sexual] == "sex unclear").all()
    assert found.profile["expected"].notna().any()


def sex_of(chrom, observed, expected):
    on_x, on_y = (np.array([name == wanted for name in chrom]) for wanted in ("X", "Y"))
    return step.infer_sex(
        np.array(observed), np.array(expected), on_x=on_x, on_y=on_y, settings=SETTINGS
    )


def test_sex_is_not_told_from_a_handful_of_fragments_on_x():
    assert sex_of(["X", "Y"], [100.0, 30], [200.0, 60]) == "male"
    assert sex_of(["X", "Y"], [100.0, 30], [199.0, 60]) is None


def test_sex_is_told_from_y_over_x_and_not_from_y_alone():
    # a Y that is hard to align: a tenth of the autosomes, but a fifth of his X
    assert sex_of(["X", "Y"], [250.0, 20], [500.0, 200]) == "male"


def test_sex_is_not_told_without_y_atoms_or_without_x_fragments():
    assert sex_of(["X"], [500.0], [500.0]) is None
    assert sex_of(["X", "Y"], [0.0, 5], [500.0, 100]) is None


@pytest.mark.parametrize(
    ("sex", "expected"), [("male", [2, 1, 1]), ("female", [2, 2, 0]), (None, [2, 2, 0])]
)
def test_copies_of_a_normal_cell(sex, expected):
    on_x, on_y = np.array([False, True, False]), np.array([False, False, True])
    assert step.normal_copies(on_x, on_y, sex).tolist() == expected


# --- noise ---


def poisson_profile(tau=0.0, n=4000, expected=1000.0, seed=1):
    rng = np.random.default_rng(seed)
    level = expected if tau == 0 else rng.gamma(1 / tau**2, expected * tau**2, n)
    return profile_of(rng.poisson(level, n), np.full(n, expected))


def test_noise_of_a_perfect_library_is_counting_noise():
    assert step.noise_over_counting(poisson_profile()) == pytest.approx(1, abs=0.06)


def test_noise_is_told_in_units_of_counting_noise():
    # variance 1/1000 + 0.0548^2 = 4/1000
    found = step.noise_over_counting(poisson_profile(tau=np.sqrt(0.003)))
    assert found == pytest.approx(2, abs=0.12)


def test_noise_without_any_expectation_is_not_known():
    assert np.isnan(step.noise_over_counting(profile_of([1, 2], [NAN, NAN])))


def test_a_perfect_library_has_almost_no_over_dispersion():
    assert step.own_dispersion(poisson_profile()).at(1) < 0.012


def test_over_dispersion_is_measured_at_its_size():
    found = step.own_dispersion(poisson_profile(tau=0.05))
    assert found.at(1) == pytest.approx(0.05, rel=0.08)
    # atoms vary on their own, so four of them vary half as much
    assert found.at(4) == pytest.approx(0.025, rel=0.2)


def test_copy_number_changes_are_not_taken_for_noise():
    flat = poisson_profile(tau=0.03)
    stepped = flat.copy()
    gained = (np.arange(len(flat)) // 200) % 2 == 1
    stepped["observed"] = np.where(gained, (flat["observed"] * 1.5).round(), flat["observed"])
    # the gained half varies 1.5 times as much; the steps of 0.5 themselves are not seen
    assert step.own_dispersion(stepped).at(1) < 1.5 * step.own_dispersion(flat).at(1)


def test_over_dispersion_of_regions_too_few_to_measure_falls_slowly():
    found = step.own_dispersion(poisson_profile(tau=0.05, n=700))
    last = found.atoms[found.atoms <= 700 / step.MIN_WINDOWS_FOR_NOISE][-1]
    measured = found.at(last)
    np.testing.assert_allclose(found.at(last * 4), measured / np.sqrt(2))


def test_a_profile_too_small_to_measure_claims_no_over_dispersion_of_its_own():
    assert step.own_dispersion(poisson_profile(n=50)).tau.tolist() == [0]


def test_a_sample_is_never_given_less_noise_than_the_panel_or_than_it_shows():
    noisy = poisson_profile(tau=0.05)
    calm = Dispersion(np.array([1.0]), np.array([0.01]))
    rough = Dispersion(np.array([1.0]), np.array([0.5]))
    own = step.own_dispersion(noisy)
    assert step.sample_dispersion(noisy, None).tau.tolist() == own.tau.tolist()
    assert step.sample_dispersion(noisy, calm).at(1) == pytest.approx(own.at(1))
    assert step.sample_dispersion(noisy, rough) is rough


def excess_of(monkeypatch, sizes, excess, errors):
    """A library that shows these squared over-dispersions."""
    made = step.OwnExcess(*(np.array(values) for values in (sizes, excess, errors)), 10)
    monkeypatch.setattr(step, "own_excess", lambda _: made)
    return poisson_profile(n=10)


def test_a_sample_is_believed_to_be_noisier_only_three_standard_errors_out(monkeypatch):
    panel = Dispersion(np.array([1.0, 2.0]), np.array([0.02, 0.01]))
    # 4e-4 and 1e-4 in the panel; the sample 16e-4 and 9e-4, each known to 5e-4, or 3e-4
    shown = [16e-4, 9e-4]
    profile = excess_of(monkeypatch, [1.0, 2.0], shown, [5e-4, 3e-4])
    assert step.sample_dispersion(profile, panel) is panel
    profile = excess_of(monkeypatch, [1.0, 2.0], shown, [3.9e-4, 3e-4])
    np.testing.assert_allclose(step.sample_dispersion(profile, panel).at([1, 2]), [0.04, 0.01])
    profile = excess_of(monkeypatch, [1.0, 2.0], shown, [5e-4, 2.6e-4])
    np.testing.assert_allclose(step.sample_dispersion(profile, panel).at([1, 2]), [0.02, 0.03])


def test_regions_too_large_to_measure_are_noisier_when_the_largest_are_that_can(monkeypatch):
    panel = Dispersion(np.array([1.0, 2.0, 8.0, 32.0]), np.array([0.02, 0.01, 0.006, 0.004]))
    shown = [4e-4, 9e-4]
    profile = poisson_profile(n=200)
    monkeypatch.setattr(
        step, "own_excess",
        lambda _: step.OwnExcess(np.array([1.0, 2.0]), np.array(shown), np.full(2, 1e-5), 200),
    )  # fmt: skip
    # its own 0.03 at 2 atoms falls as size^-0.25 from there on
    found = step.sample_dispersion(profile, panel)
    wanted = [0.02, 0.03, 0.03 * 4**-0.25, 0.03 * 16**-0.25]
    np.testing.assert_allclose(found.at([1, 2, 8, 32]), wanted)
    # nothing is said beyond sizes that show nothing
    shown[:] = [16e-4, 1e-4]
    found = step.sample_dispersion(profile, panel)
    np.testing.assert_allclose(found.at([1, 2, 8, 32]), [0.04, 0.01, 0.006, 0.004])
    # a panel that promises nothing has nothing multiplied
    shown[:] = [4e-4, 9e-4]
    silent = Dispersion(np.array([1.0, 64.0]), np.array([0.0, 0.0]))
    assert step.sample_dispersion(profile, silent).at(8) == pytest.approx(0.03 * 4**-0.25)


def test_how_far_a_sample_is_from_the_panel_by_hand():
    panel = Dispersion(np.array([1.0, 4.0]), np.array([0.02, 0.01]))
    assert step.beyond_panel(panel, panel) == 1
    assert step.beyond_panel(Dispersion(panel.atoms, np.array([0.03, 0.04])), panel) == 4
    # a panel that promises nothing is taken to vary by 0.005
    silent = Dispersion(np.array([1.0]), np.array([0.0]))
    assert step.beyond_panel(Dispersion(silent.atoms, np.array([0.02])), silent) == 4


def test_another_preparation_is_far_from_the_panel_and_a_tumor_is_not():
    panel = Dispersion(np.array([1.0, 2.0, 4.0]), 0.02 / np.sqrt([1, 2, 4]))

    def far(profile):
        return step.beyond_panel(step.sample_dispersion(profile, panel), panel)

    assert far(poisson_profile(tau=0.06, seed=1, n=1300)) == pytest.approx(3, rel=0.2)
    assert far(poisson_profile(tau=0.02, seed=2, n=1300)) < 1.5
    like = poisson_profile(tau=0.02, seed=2, n=1300)
    gained = np.where(np.arange(1300) % 650 < 300, 1.2, 1)  # one copy more, tumor fraction 0.4
    assert far(like.assign(observed=(like["observed"] * gained).round())) < 1.5


def test_chance_makes_hardly_any_library_noisier_than_its_panel():
    """Three standard errors, two or three sizes each: one in some hundreds."""
    panel = Dispersion(np.array([1.0, 2.0, 4.0]), 0.03 / np.sqrt([1, 2, 4]))
    found = [
        step.sample_dispersion(poisson_profile(tau=0.03, seed=seed, n=1300), panel)
        for seed in range(100)
    ]
    assert sum(one is not panel for one in found) <= 3


def test_the_own_excess_and_its_standard_error_are_those_of_many_libraries():
    """600 libraries with tau 0.03 at 1 atom, each atom for itself: 9e-4, halved by each size."""
    each = [step.own_excess(poisson_profile(tau=0.03, seed=seed, n=1300)) for seed in range(600)]
    sizes = each[0].sizes
    assert sizes.tolist() == [1, 2, 4]
    seen = np.array([one.excess for one in each])
    np.testing.assert_allclose(seen.mean(axis=0), 9e-4 / sizes, rtol=0.05)
    stated = np.mean([one.error for one in each], axis=0)
    np.testing.assert_allclose(seen.std(axis=0), stated, rtol=0.12)


def test_an_own_excess_is_read_off_where_windows_are_many_and_full_enough():
    n = 4 * step.MIN_WINDOWS_FOR_NOISE
    assert step.own_excess(poisson_profile(n=n)).sizes.tolist() == [1, 2, 4]
    assert step.own_excess(poisson_profile(n=n - 1)).sizes.tolist() == [1, 2]
    thin = poisson_profile(n=n, expected=step.MIN_FRAGMENTS_FOR_NOISE / 2)
    assert step.own_excess(thin).sizes.tolist() == [2, 4]
    assert step.own_excess(poisson_profile(n=50)).sizes.tolist() == []
    panel = Dispersion(np.array([1.0]), np.array([0.01]))
    assert step.sample_dispersion(poisson_profile(n=50), panel) is panel


@pytest.mark.parametrize(
    ("fragments", "short", "share"),
    [([10, 30], [1, 9], 0.25), ([0, 0], [0, 0], None), ([10, 30], [1, None], None)],
)
def test_the_share_of_short_fragments(fragments, short, share):
    counts = COUNTS.check(
        pd.DataFrame({"chrom": "chr1", "start": [0, 10], "end": [10, 20], "fragments": fragments,
                      "short": short})
    )  # fmt: skip
    assert step.short_share(counts) == share
