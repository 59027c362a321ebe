"""The estimate informed by a patient's own baseline: detection, limits, ratio and false alarms.

Series of one tumor are drawn on windows of 1 Mb: healthy libraries with counting noise and waves of
several lengths, of which some are shared by directions of the panel, and a tumor of random segments
in them. Baseline and follow-ups go through ``segment``, ``fraction`` and ``track`` as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import ndtri

from ctcnv import fraction, informed, normals, palette, segment, track
from ctcnv.bias import Reference
from ctcnv.dispersion import Dispersion
from ctcnv.io import tables
from ctcnv.mixture import dna_fraction
from ctcnv.normalize import expectation, normalize, sample_dispersion
from ctcnv.pon import Factors, leave_one_out, measured_dispersion, panel_of
from ctcnv.schema import (
    BINS,
    COUNTS,
    DISPERSION,
    DONORS,
    FRACTION,
    GRID,
    NORMALS,
    PROFILE,
    SEGMENTS,
    TRACK,
    is_autosome,
)
from ctcnv.synthetic import smooth_noise
from ctcnv.waves import LEAST_VARIANCE, Covariance, usable
from tests import plasma
from validation.page import markdown, rate

Array = NDArray[np.float64]

#: Fragments of a library on the windows, and the depth they stand for.
DEPTHS = {"0.1x": 1_900_000, "1x": 19_000_000}
FRACTIONS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
#: Tumor fraction of a baseline, drawn evenly.
BASELINE = (0.2, 0.5)
#: Normals of the simulated panel and their fragments, as mixed as real ones.
N_NORMALS, NORMAL_FRAGMENTS = 30, (1_000_000, 10_000_000)
#: Standard deviation of the waves of a library by their length in windows, and of the directions
#: that libraries share; together they give the over-dispersion of real donors (docs/validation.md).
WAVES = ((0.3, 0.009), (1, 0.0085), (4, 0.0045))
SHARED, SHARED_SD = 4, 0.0008
#: Copies of a segment and how often they are met; a tenth of the events is subclonal.
COPIES, CHANCE = (2, 1, 3, 4, 0, 5), (0.60, 0.16, 0.17, 0.05, 0.005, 0.015)
SUBCLONAL = 0.1
MEAN_WINDOWS = 60
#: Follow-ups with a changed profile: one more arm-sized event of this many windows.
CHANGED_WINDOWS = 60
USE = plasma.SETTINGS


@dataclass(frozen=True)
class World:
    """The windows, the shared directions and a panel: its table of normals and over-dispersion."""

    bins: pd.DataFrame
    shared: Array
    normals: pd.DataFrame
    dispersion: Dispersion


def world(rng: np.random.Generator) -> World:
    """A panel of normals, each corrected by the others' mean as the panel does it."""
    bins = plasma.bins()
    bins = bins[is_autosome(bins["chrom"]) & bins["usable"]].reset_index(drop=True)
    shared = np.array([_waves(bins, 30, rng) for _ in range(SHARED)])
    depths = rng.uniform(*NORMAL_FRAGMENTS, N_NORMALS)
    drawn = [counts_of(bins, shared, np.zeros(len(bins)), n, rng) for n in depths]
    total = np.sum(drawn, axis=0)
    left = {}
    for i, observed in enumerate(drawn):
        others = (total - observed) / (total.sum() - observed.sum())
        left[f"N{i + 1:02d}"] = profile_of(bins, observed, others * observed.sum())
    pon = bins[["chrom", "start", "end"]].assign(factor=1.0)
    return World(bins, shared, normals.table(left, pon), measured_dispersion(list(left.values())))


def _waves(bins: pd.DataFrame, windows: float, rng: np.random.Generator) -> Array:
    sizes = bins.groupby("chrom", sort=False).size()
    return np.concatenate([smooth_noise(int(n), windows, rng) for n in sizes])


def counts_of(
    bins: pd.DataFrame, shared: Array, deviation: Array, fragments: float, rng: np.random.Generator
) -> Array:
    """Fragments of the windows of a library, (n,): counting noise, waves, shared directions."""
    level = 1 + deviation
    for windows, sd in WAVES:
        level = level * (1 + sd * _waves(bins, windows, rng))
    level = level * (1 + SHARED_SD * rng.normal(size=len(shared)) @ shared)
    return rng.poisson(fragments * level / len(bins)).astype(float)


def profile_of(bins: pd.DataFrame, observed: Array, expected: Array) -> pd.DataFrame:
    """The PROFILE of counts and what is expected of them, (n,) each."""
    made = bins[["chrom", "start", "end"]].assign(
        observed=observed.astype(int), expected=expected * observed.sum() / expected.sum(),
        normal_copies=2, reason=None,
    )  # fmt: skip
    return PROFILE.check(made)


def tumor(bins: pd.DataFrame, rng: np.random.Generator) -> Array:
    """Copies of every window of a random near-diploid tumor."""
    copies = np.full(len(bins), 2.0)
    for inside in bins.groupby("chrom", sort=False).indices.values():
        at = 0
        while at < len(inside):
            end = min(len(inside), at + 5 + int(rng.exponential(MEAN_WINDOWS)))
            level = float(rng.choice(COPIES, p=CHANCE))
            if level != 2 and rng.random() < SUBCLONAL:
                level = 2 + (level - 2) * float(rng.uniform(0.2, 0.8))
            copies[inside[at:end]] = level
            at = end
    return copies


def deviation(copies: Array, truth: float) -> Array:
    """ratio - 1 of the windows of a tumor of this fraction: T (C-P) / (T P + 2 (1-T))."""
    ploidy = float(copies.mean())
    return truth * (copies - ploidy) / (truth * ploidy + 2 * (1 - truth))


def poisson_limit(fragments: float, copies: Array, *, false_positive: float) -> float:
    """Smallest fraction that counting noise alone would let be seen with 95 % power when the
    profile is known:  z = T sqrt(N msd) / 2,  z = z(1 - false_positive) + z(0.95)."""
    msd = float(np.mean((copies - copies.mean()) ** 2))
    return 2 * float(ndtri(1 - false_positive) + ndtri(0.95)) / float(np.sqrt(fragments * msd))


def changed(bins: pd.DataFrame, copies: Array, rng: np.random.Generator) -> Array:
    """The tumor with one more event of ``CHANGED_WINDOWS`` windows, a copy more or less."""
    chroms = [v for v in bins.groupby("chrom", sort=False).indices.values()
              if len(v) > CHANGED_WINDOWS]  # fmt: skip
    inside = chroms[int(rng.integers(len(chroms)))]
    at = int(rng.integers(len(inside) - CHANGED_WINDOWS + 1))
    later = copies.copy()
    part = inside[at : at + CHANGED_WINDOWS]
    later[part] += np.where(later[part].mean() > 1 and rng.random() < 0.5, -1, 1)
    return np.maximum(later, 0)


ERBB2 = {"call": "neutral", "pcn": 2.0, "pcn_low": 1.9, "pcn_high": 2.1, "copies": 2.0,
         "copies_low": 1.5, "copies_high": 2.5}  # fmt: skip


def point(
    name: str, day: int, profile: pd.DataFrame, dispersion: Dispersion, row: dict[str, object],
    grid: pd.DataFrame,
) -> track.TimePoint:  # fmt: skip
    """A time point; only a baseline needs segments."""
    own = sample_dispersion(profile, dispersion)
    segments = SEGMENTS.empty()
    if row["status"] == "detected":
        segments = segment.segment(profile, dispersion=own, settings=USE["segment"])
    return track.TimePoint(name, day, row, ERBB2, profile, segments, grid, own)


UNSEEN = dict.fromkeys(FRACTION.names, float("nan")) | {"status": "not_detected"}


#: Panels of a run, and unchanged follow-ups per fraction of each baseline.
PANELS, FOLLOW_UPS = 3, 4


def run(*, repeats: int, seed: int, full: bool = True) -> pd.DataFrame:
    """One row a follow-up: truth and result, of ``repeats`` tumors per depth.

    With ``full`` the baseline's fraction is estimated, else the truth stands in (faster).
    """
    rng = np.random.default_rng(seed)
    worlds = [world(rng) for _ in range(PANELS)]
    rows = []
    for number in range(repeats):
        for depth, fragments in DEPTHS.items():
            rows += series(worlds[number % PANELS], depth, fragments, rng, full=full, number=number)
    return pd.DataFrame(rows)


def series(
    made: World, depth: str, fragments: int, rng: np.random.Generator, *, full: bool, number: int
) -> list[dict[str, object]]:
    """Follow-ups of one baseline."""
    bins, shared = made.bins, made.shared
    copies = tumor(bins, rng)
    truth = float(rng.uniform(*BASELINE))

    def library(values: Array, level: float) -> pd.DataFrame:
        observed = counts_of(bins, shared, deviation(values, level), fragments, rng)
        return profile_of(bins, observed, np.ones(len(bins)))

    first = library(copies, truth)
    own = sample_dispersion(first, made.dispersion)
    if full:
        _, grid, libraries = normals.read(made.normals)
        found = fraction.estimate(first, dispersion=own, settings=plasma.FAST,
                                  normals=(grid, libraries))  # fmt: skip
        row, grid = dict(found.row), found.grid
    else:
        row = UNSEEN | {"status": "detected", "fraction": truth}
        grid = pd.DataFrame({"fraction": [truth], "ploidy": [copies.mean()], "probability": [1.0]})
    if row["status"] != "detected":
        return []
    base = point("base", 0, first, made.dispersion, row, grid)
    later = [("same", level, copies) for level in FRACTIONS for _ in range(FOLLOW_UPS)]
    later += [("changed", level, changed(bins, copies, rng)) for level in (0.03, 0.1, 0.2)]
    points = [
        point(f"F{i}", i + 1, library(values, level), made.dispersion, UNSEEN, grid)
        for i, (_, level, values) in enumerate(later)
    ]
    table = track.track([base, *points], settings=USE["track"], normals=made.normals)
    ploidy = float(copies.mean())
    limit = poisson_limit(fragments, copies, false_positive=USE["track"].false_positive)
    return [
        {
            "baseline": number, "depth": depth, "kind": kind, "truth": level, "base": truth,
            "msd": float(np.mean((copies - copies.mean()) ** 2)), "poisson": limit,
            "found_base": float(table["fraction"].iloc[0]),
            # of two samples of one tumor, in what was drawn
            "true_ratio": float(dna_fraction(level, ploidy) / dna_fraction(truth, ploidy)),
            **{name: line[name] for name in (
                "informed", "informed_low", "informed_high", "informed_p", "informed_lob",
                "informed_lod", "profile", "profile_p", "ratio", "ratio_low", "ratio_high",
                "fraction_ratio", "fraction_ratio_low", "fraction_ratio_high", "change")},
        }
        for (kind, level, _), line in zip(later, table.iloc[1:].to_dict("records"), strict=True)
    ]  # fmt: skip


# Real plasma -----------------------------------------------------------------------------------


def donors(results: Path) -> pd.DataFrame:
    """Every real donor on the template of the real pair, judged by a panel without it.

    One row a donor: slope, p-value, p-value of a changed profile.
    """
    pair = tables.read(results / "patients" / "MBC_315" / "track.tsv", TRACK).frame
    first = str(pair.loc[pair["profile"] == "template", "sample"].iloc[0])
    folder = results / "samples" / first
    profile, segments, grid = (
        tables.read(folder / name, table).frame
        for name, table in (("profile.tsv.gz", PROFILE), ("segments.tsv", SEGMENTS),
                            ("fraction.grid.tsv.gz", GRID))
    )  # fmt: skip
    reference = results / "reference"
    table = tables.read(reference / "pon.normals.tsv.gz", NORMALS).frame
    panel = Dispersion.from_frame(tables.read(reference / "pon.dispersion.tsv", DISPERSION).frame)
    own = sample_dispersion(profile, panel)
    row = tables.read(folder / "fraction.tsv", FRACTION).frame.iloc[0].to_dict()
    base = track.TimePoint(first, 0, row, ERBB2, profile, segments, grid, own)
    chosen = track.choose_template([base])
    assert chosen is not None
    shared = track.share_windows([base], chosen, normals=table)
    assert shared is not None
    names, windows, summed = normals.read(table)
    kept = summed.subset(np.isin(places(windows), places(shared.grid)))
    bare = shared.pattern.deviation - shared.pattern.deviation.mean()
    rows = []
    for i, name in enumerate(names):
        others = np.arange(len(names)) != i
        seen = informed.healthy(pick(kept, others), shared.grid.chrom)
        library = pick(kept, ~others)
        found = informed.fit(library, shared.pattern, shared.grid.chrom, seen=seen,
                             dispersion=panel, template_dispersion=own,
                             false_positive=USE["track"].false_positive)  # fmt: skip
        assert found is not None
        worst = informed.misfit(library, shared.pattern, found, shared.grid.chrom, seen=seen,
                                dispersion=panel)  # fmt: skip
        rows.append({"sample": name, "beta": found.beta, "p_value": found.p_value,
                     "bare": float(bare @ library.deviation[0] / (bare @ bare)),
                     "profile_p": float("nan") if worst is None else worst.p_value})  # fmt: skip
    return pd.DataFrame(rows)


def places(grid: normals.Grid) -> NDArray[np.object_]:
    """A name for each window."""
    pairs = zip(grid.chrom, grid.start, strict=True)
    return np.array([f"{chrom}:{start}" for chrom, start in pairs], dtype=object)


def pick(libraries: normals.Summed, which: NDArray[np.bool_]) -> normals.Summed:
    """Some of the libraries."""
    return normals.Summed(libraries.atoms[which], libraries.observed[which],
                          libraries.expected[which])  # fmt: skip


def efficiency(results: Path, *, tumors: int, seed: int) -> pd.DataFrame:
    """How near the slope comes to counting noise on the waves of real donors, leave-one-out.

    For random tumors and the weights of a library of each depth: share of the standard deviation
    of beta that counting alone would give, for equal weights and for those of the covariance.
    """
    rng = np.random.default_rng(seed)
    table = tables.read(results / "reference" / "pon.normals.tsv.gz", NORMALS).frame
    _, grid, summed = normals.read(table)
    keep = usable(summed)
    grid, summed = grid.subset(keep), summed.subset(keep)
    frame = pd.DataFrame({"chrom": grid.chrom})
    seen = informed.healthy(summed, grid.chrom)
    plain = Covariance(np.full(len(grid), LEAST_VARIANCE),
                                np.zeros((len(grid), 0)))  # fmt: skip
    flat = informed.Healthy(summed, plain, (plain,) * len(summed.expected), seen.block_variance)
    rows = []
    for _ in range(tumors):
        x = deviation(tumor(frame, rng), 0.3)
        pattern = informed.Pattern(x, np.zeros(len(x), dtype=np.int64), np.zeros(1), summed)
        for depth, fragments in DEPTHS.items():
            counting = np.full(len(x), len(x) / fragments)
            limit = float(counting[0] / np.sum((x - x.mean()) ** 2))
            row: dict[str, object] = {"depth": depth}
            for name, used in (("equal weights", flat), ("covariance", seen)):
                null = informed.measured_null(used, pattern, counting, 0.0)
                made = informed.weights(pattern, counting, used.together, noise_share=0.0)
                assert made is not None
                own = float(made.slope**2 @ counting)
                row[name] = float(np.sqrt(limit / (own + null.wave)))
            rows.append(row)
    return pd.DataFrame(rows)


def platforms(results: Path, *, templates: int, seed: int) -> pd.DataFrame:
    """Healthy donors as follow-ups of a tumor drawn into another donor of their platform, with a
    panel of the other platform or of their own: what a panel of another laboratory costs."""
    rng = np.random.default_rng(seed)
    use = USE
    reference = results / "reference"
    bins = tables.read(reference / "bins.tsv.gz", BINS).frame
    names = tables.read(reference / "pon.donors.tsv", DONORS).frame["sample"].tolist()
    counts = {
        name: tables.read(results / "samples" / name / "counts.tsv.gz", COUNTS).frame
        for name in names
    }
    auto = np.flatnonzero(is_autosome(bins["chrom"]) & bins["usable"])
    nextseq = [name for name in names if "nextseq" in name]
    miseq = [name for name in names if "nextseq" not in name]
    rows = []
    for kind, of_panel, of_patient in (
        ("other platform", miseq, nextseq), ("other platform", nextseq, miseq),
        ("same platform", nextseq[::2], nextseq[1::2]),
    ):  # fmt: skip
        known = Reference.of(bins)
        seen = np.stack([counts[n]["fragments"].to_numpy() for n in of_panel])
        alone = [expectation(one, known, factor=None, settings=use["normalize"]) for one in seen]
        factors = Factors(seen, np.stack([one.expected for one in alone]), settings=use["pon"])
        pon = factors.table(bins)
        made = leave_one_out(
            of_panel, bins, known, factors, pon,
            normalize_settings=use["normalize"], most=use["pon"].waves,
        )  # fmt: skip
        left = dict(zip(made.names, made.profiles(), strict=True))
        panel, table = panel_of(pon, made.waves), normals.table(left, pon)
        noise = measured_dispersion(list(left.values()))
        healthy = {n: normalize(counts[n], bins, panel=panel, settings=use["normalize"]).profile
                   for n in of_patient}  # fmt: skip
        for _ in range(templates):
            donor = str(rng.choice(of_patient))
            copies = np.full(len(bins), 2.0)
            copies[auto] = tumor(bins.iloc[auto].reset_index(drop=True), rng)
            level = np.zeros(len(bins))
            level[auto] = deviation(copies[auto], 0.25)
            drawn = counts[donor].assign(
                fragments=rng.poisson(counts[donor]["fragments"] * (1 + level))
            )
            profile = normalize(drawn, bins, panel=panel, settings=use["normalize"]).profile
            cells = pd.DataFrame({"fraction": [0.25], "ploidy": [copies[auto].mean()],
                                  "probability": [1.0]})  # fmt: skip
            base = point("template", 0, profile, noise,
                         UNSEEN | {"status": "detected", "fraction": 0.25}, cells)  # fmt: skip
            others = rng.choice([n for n in of_patient if n != donor], 5, replace=False)
            later = [point(str(n), 1, healthy[n], noise, UNSEEN, cells) for n in others]
            found = track.track([base, *later], settings=use["track"], normals=table)
            rows += [{"panel": kind, "p_value": p, "changed": profile == "changed"}
                     for p, profile in zip(found["informed_p"][1:], found["profile"][1:],
                                           strict=True) if np.isfinite(p)]  # fmt: skip
    return pd.DataFrame(rows)


# The page --------------------------------------------------------------------------------------


def share(found: NDArray[np.bool_] | pd.Series) -> str:
    """How many of these are true, as a share with its interval."""
    return rate(int(np.sum(found)), len(found))


#: A baseline whose fraction is further off than this share was given another ploidy.
PLOIDY_RIGHT = 0.1


def _mean(part: pd.DataFrame, *, right: bool) -> str:
    """Mean found over true ratio of tumor fractions, and of how many."""
    some = part.loc[part["ploidy_right"] == right, "fractions_off"]
    return f"{some.mean():.3f} (n = {len(some)})"


def chapter(rows: pd.DataFrame) -> str:
    """Detection, limits, coverage and false alarms of the simulated series."""
    same = rows[rows["kind"] == "same"]
    true, of_fractions = same["true_ratio"], same["truth"] / same["base"]
    same = same.assign(
        seen=same["informed_p"] <= USE["track"].false_positive,
        holds=(same["informed_low"] <= same["truth"]) & (same["truth"] <= same["informed_high"]),
        ratio_holds=(same["ratio_low"] <= true) & (true <= same["ratio_high"]),
        fractions_hold=(same["fraction_ratio_low"] <= of_fractions)
        & (of_fractions <= same["fraction_ratio_high"]),
        ratio_off=same["ratio"] / true,
        fractions_off=same["fraction_ratio"] / of_fractions,
        ploidy_right=np.abs(same["found_base"] / same["base"] - 1) <= PLOIDY_RIGHT,
        alarm=same["profile"] == "changed",
    )
    believed = same[~same["alarm"]]
    shown = (
        same.groupby(["depth", "truth"])
        .agg(n=("seen", "size"), seen=("seen", "mean"), holds=("holds", "mean"),
             lob=("informed_lob", "median"), lod=("informed_lod", "median"),
             false_alarm=("alarm", "mean"))
        .join(believed.groupby(["depth", "truth"]).agg(ratio_holds=("ratio_holds", "mean")))
        .reset_index()
    )  # fmt: skip
    lines = [
        "## Informed by the patient's own baseline\n",
        f"Series of one tumor drawn on windows of 1 Mb: panels of {N_NORMALS} normals, random "
        "near-diploid tumors (a tenth of the events subclonal), baselines of a tumor fraction of "
        f"{BASELINE[0]:g} to {BASELINE[1]:g}, {rows['baseline'].nunique()} tumors per depth, "
        "through segment, fraction and track. `seen`: informed p at most "
        f"{USE['track'].false_positive:g}; `holds`: the 95 % interval of the informed fraction, "
        "`ratio_holds` that of the ratio to baseline, holds the truth; `false_alarm`: the "
        "unchanged profile was called changed. The waves of the libraries were set so that the "
        "over-dispersion by region size is about that of the real donors.\n",
        markdown(shown),
        "",
    ]
    none, some = same[same["truth"] == 0], believed[believed["truth"] > 0]
    lines += [
        f"- without tumor, called seen: {share(none['seen'])}; above the limit of blank (5 % are "
        f"promised): {share(none['informed'] > none['informed_lob'])}",
        f"- ratio of ctDNA fractions to baseline, interval holds the truth: "
        f"{share(some['ratio_holds'])}; ratio of tumor fractions: {share(some['fractions_hold'])}",
        *(
            f"- mean found over true at {level:g}: ctDNA fractions {part['ratio_off'].mean():.3f}; "
            f"tumor fractions {_mean(part, right=True)} where the baseline's fraction was right, "
            f"{_mean(part, right=False)} where it was given another ploidy"
            for level, part in some[some["truth"] >= 0.03].groupby("truth")
        ),
        f"- unchanged profile called changed (at most 1 % is promised): {share(same['alarm'])}",
    ]
    new = rows[rows["kind"] == "changed"]
    for (depth, level), part in new.groupby(["depth", "truth"]):
        alarms = share(part["profile"] == "changed")
        lines.append(f"- one more event of {CHANGED_WINDOWS} Mb and a copy, {depth}, fraction "
                     f"{level:g}: called changed {alarms}")  # fmt: skip
    lines += ["", "Limit of detection against what counting noise alone would allow with a known "
              "profile, z = T sqrt(N msd) / 2 (median over the tumors):\n"]  # fmt: skip
    limits = (
        same.groupby("depth")
        .agg(msd=("msd", "median"), poisson=("poisson", "median"), lod=("informed_lod", "median"))
        .reset_index()
    )
    limits["efficiency"] = limits["poisson"] / limits["lod"]
    lines += [markdown(limits), "", "![informed estimate](img/informed.png)\n"]
    return "\n".join(lines)


def real_chapter(results: Path, *, seed: int) -> str:
    """The real donors on the real template, the efficiency on their waves, and other platforms."""
    found = donors(results)
    near = efficiency(results, tumors=20, seed=seed)
    other = platforms(results, templates=20, seed=seed)
    lines = [
        "### Real healthy plasma on a real template\n",
        f"Each of {len(found)} donors on the profile of MBC_315, with a panel without it: slope "
        f"{found['beta'].mean():+.4f} on average, standard deviation {found['beta'].std():.4f} "
        f"(with equal weights {found['bare'].std():.4f}); p at most 0.01: "
        f"{share(found['p_value'] <= 0.01)}, at most 0.05: {share(found['p_value'] <= 0.05)}; "
        f"profile called changed: {share(found['profile_p'] <= USE['track'].changed_p)}.\n",
        "This is not blind: which covariance to learn from the normals, and that it is worth "
        "learning one, was decided on these donors, each left out in turn.\n",
        "Share of the Poisson limit that is reached on the waves of these donors (random tumors, "
        "leave-one-out):\n",
        markdown(near.groupby("depth").mean().reset_index()),
        "\nHealthy donors as follow-ups of a tumor drawn into another donor of their platform:\n",
    ]
    for kind, part in other.groupby("panel"):
        lines.append(f"- panel of the {kind}: p at most 0.01 {share(part['p_value'] <= 0.01)}, at "
                     f"most 0.05 {share(part['p_value'] <= 0.05)}, profile called changed "
                     f"{share(part['changed'])}")  # fmt: skip
    return "\n".join([*lines, ""])


def draw(rows: pd.DataFrame) -> Figure:
    """Share of follow-ups in which the tumor is seen, and the ratio found against the true one."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    same = rows[rows["kind"] == "same"]
    colours = dict(zip(DEPTHS, (palette.BLUE, palette.VERMILLION), strict=True))
    for depth, part in same.groupby("depth"):
        colour = colours[str(depth)]
        seen = (part["informed_p"] <= USE["track"].false_positive).groupby(part["truth"]).mean()
        seen = seen[seen.index > 0]
        left.plot(seen.index, 100 * seen, marker="o", color=colour, label=str(depth))
        for column, style in (("informed_lod", "--"), ("poisson", ":")):
            left.axvline(float(part[column].median()), color=colour, linestyle=style, linewidth=1)
        some = part[(part["truth"] > 0.005) & part["ratio"].notna()]
        right.scatter(some["true_ratio"], some["ratio"], s=8, color=colour, alpha=0.5)
    left.set_xscale("log")
    left.set_xlabel("tumor fraction of the follow-up")
    left.set_ylabel("seen, %")
    left.legend(title="depth", loc="center right", frameon=False)
    right.plot([0, 0.5], [0, 0.5], color=palette.MUTED, linewidth=1)
    right.set_xlabel("true ratio of ctDNA fractions to baseline")
    right.set_ylabel("estimated ratio")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    return figure
