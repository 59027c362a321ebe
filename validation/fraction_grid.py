"""Judge the single-sample tumor fraction on thousands of tumors it does not know.

On the command line: ``python -m validation.fraction_grid --n 40 --seed 1 --output x.tsv``.

Whole path from counts of 1-Mb atoms: GC curve and waves of each library, panel of normals,
normalize, over-dispersion, estimate, with the settings of config.yaml. The genomes come from
:mod:`validation.tumors`, which knows nothing of the model that is judged. The design is balanced:
every band of TF meets every ploidy class equally often, the other factors are dealt evenly. It
is a test bench, not a population: averages over it are no prevalence-weighted figures.

Two kinds of noise: ``laboratory``, the simulator's own library; and ``donors``, whose deviation
between libraries follows that of 47 real healthy donors by size of region (see DONOR_WAVES).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ctcnv import fraction, normalize, normals, pon
from ctcnv.bias import Reference
from ctcnv.dispersion import Dispersion
from ctcnv.normalize import Panel
from ctcnv.palette import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, SKY, VERMILLION
from ctcnv.schema import is_autosome
from ctcnv.simulate import Tumor, atom_counts, atom_ploidy, copies, random_library
from ctcnv.synthetic import smooth_noise
from tests import plasma
from validation import limits, tumors
from validation.page import rate
from validation.parallel import mapped

Floats = NDArray[np.float64]
Libraries = tuple[normals.Grid, normals.Summed]

#: Bands of the tumor fraction; drawn evenly inside each, the first is healthy plasma.
BANDS = ((0.0, 0.0), (0.0, 0.03), (0.03, 0.1), (0.1, 0.3), (0.3, 0.8))
DEPTHS = (0.05, 0.1, 0.3, 1.0, 5.0)
SUBCLONAL = (0.0, 0.2, 0.5)
NOISE = ("laboratory", "donors")
#: White noise of 1-Mb atoms and waves of 3 Mb by which libraries differ, as standard deviations.
#: With them the judge's panel measures 0.0141, 0.0115, 0.0092, 0.0074, 0.0056, 0.0040 at 1, 2, 4,
#: 8, 16, 32 Mb, of which the GC curves are a part; the 47 real donors show 0.0141, 0.0116, 0.0092,
#: 0.0074, 0.0055, 0.0040 (docs/validation.md). Real donors differ from each other in it, these not.
DONOR_WAVES = (0.0115, 0.0049)
WAVE_ATOMS = 3.0
#: The judge's panel: enough and deep enough not to limit a sample of 1x. The small panel of the
#: tests (six normals of 0.16x) would double the noise of such a sample.
NORMALS, NORMAL_DEPTH = 24, 1.0
#: Seeds of the panels' donors, apart from those of samples, which have two parts.
PANEL_SEED = 20261120
#: The arm-level profile: fractions, depths, and what is asked of it.
TARGET_FRACTIONS = (0.0, 0.003, 0.01, 0.02, 0.03, 0.1, 0.3, 0.6)
TARGET_DEPTHS = (0.1, 1.0)
#: Share of arms altered in that profile.
ARM_LEVEL = 0.4
TARGET_DETECTION = {0.1: 0.01, 1.0: 0.003}
TARGET_ERROR = ((0.1, 0.005), (1.0, 0.01))
WORKERS = 2
#: Ploidy is right when it is this near.
PLOIDY_RIGHT = 0.3
NAN = float("nan")


# --- the world ------------------------------------------------------------------------------------


def sample_counts(
    tumor: Tumor | None, *, true: float, depth: float, noise: str, rng: np.random.Generator
) -> pd.DataFrame:
    """A COUNTS table of one sample whose library is made on another day than all others."""
    made = random_library(limits.fragments(depth), rng)
    sex = ("female", "male")[int(rng.integers(2))]
    seed = int(rng.integers(2**62))
    if noise == "laboratory":
        return plasma.counts(tumor=tumor, fraction=true, sex=sex, seed=seed, library=made)
    white, waves = DONOR_WAVES
    made = replace(made, wave=white)
    factor = plasma.regional_factor() * (1 + waves * _waves(rng))
    drawn = atom_counts(
        plasma.bins(), made, tumor=tumor, fraction=true, sex=sex,
        rng=np.random.default_rng(seed), factor=factor,
    )  # fmt: skip
    frame = plasma.bins()[["chrom", "start", "end"]].copy()
    return frame.assign(fragments=drawn, short=(drawn * 0.2).astype(int))


def _waves(rng: np.random.Generator) -> Floats:
    sizes = plasma.bins().groupby("chrom", sort=False).size()
    return np.concatenate([smooth_noise(int(n), WAVE_ATOMS, rng) for n in sizes])


@functools.cache
def panel(noise: str) -> tuple[Panel, Dispersion, Libraries]:
    """The judge's panel of normals, its over-dispersion and its normals, leave-one-out.

    Built from the sums of :class:`ctcnv.pon.Factors` without the check of the donors: these are
    healthy, and the estimate that is judged must not choose its own panel.
    """
    bins, settings = plasma.bins(), plasma.SETTINGS
    counts = [
        sample_counts(None, true=0.0, depth=NORMAL_DEPTH, noise=noise,
                      rng=np.random.default_rng([PANEL_SEED, NOISE.index(noise), i]))
        for i in range(NORMALS)
    ]  # fmt: skip
    return panel_of(counts, bins, settings)


def panel_of(
    counts: Sequence[pd.DataFrame], bins: pd.DataFrame, settings: dict[str, object]
) -> tuple[Panel, Dispersion, Libraries]:
    """Panel, over-dispersion and windows of these donors, all used."""
    reference = Reference.of(bins)
    seen = np.stack([one["fragments"].to_numpy() for one in counts])
    alone = [normalize.expectation(one, reference, factor=None, settings=settings["normalize"])
             for one in seen]  # fmt: skip
    factors = pon.Factors(seen, np.stack([one.expected for one in alone]), settings=settings["pon"])
    table = factors.table(bins)
    left = pon.leave_one_out(
        [str(k) for k in range(len(counts))], bins, reference, factors, table,
        normalize_settings=settings["normalize"], most=settings["pon"].waves,
    )  # fmt: skip
    return (pon.panel_of(table, left.waves), pon.measured_dispersion(left.profiles()),
            left.together(table))  # fmt: skip


def deviation(tumor: Tumor) -> float:
    """Mean squared deviation of copies from the ploidy over the callable autosomal bases."""
    inside = plasma.bins()[is_autosome(plasma.bins()["chrom"])]
    start, end = (inside[name].to_numpy(np.int64) for name in ("start", "end"))
    found = copies(tumor, inside["chrom"].to_numpy(object), start, end, sex="female")
    size = (end - start) * inside["callable"].to_numpy(float)
    mean = float(np.average(found, weights=size))
    return float(np.average((found - mean) ** 2, weights=size))


# --- the design -----------------------------------------------------------------------------------


def design(n: int, *, seed: int) -> pd.DataFrame:
    """What to draw for each of ``n`` samples: band, ploidy class, depth, events, subclonal, noise.

    Band and class are crossed, all are dealt evenly; the same n and seed give the same rows.
    """
    if n < 1:
        raise ValueError(f"n is {n}; expected at least one sample")
    rng = np.random.default_rng([seed, 0])
    pairs = _dealt(list(itertools.product(range(len(BANDS)), tumors.PLOIDY)), n, rng)
    return pd.DataFrame(
        {
            "set": "grid",
            "band": [band for band, _ in pairs],
            "class": [name for _, name in pairs],
            "depth": _dealt(DEPTHS, n, rng),
            "events": _dealt(list(tumors.EVENTS), n, rng),
            "subclonal": _dealt(SUBCLONAL, n, rng),
            "noise": _dealt(NOISE, n, rng),
        }
    )


def _dealt(levels: Sequence[object], n: int, rng: np.random.Generator) -> list[object]:
    """``n`` levels in random order, each as often as any other."""
    rounds = [rng.permutation(len(levels)) for _ in range(-(-n // len(levels)))]
    return [levels[i] for i in np.concatenate(rounds)[:n]]


def target_design(repeats: int) -> pd.DataFrame:
    """The arm-level profile at each fraction, depth and noise, ``repeats`` times."""
    cells = itertools.product(TARGET_FRACTIONS, TARGET_DEPTHS, NOISE, range(repeats))
    return pd.DataFrame(
        [
            {"set": "target", "band": band_of(true), "class": "arm-level", "depth": depth,
             "events": "arms", "subclonal": 0.0, "noise": noise, "truth": true}
            for true, depth, noise, _ in cells
        ]
    )  # fmt: skip


def band_of(true: float) -> int:
    """Number of the band of a tumor fraction."""
    return next(i for i, (_, high) in enumerate(BANDS) if true <= high)


def band_name(number: int) -> str:
    """A band as text."""
    low, high = BANDS[number]
    return f"{low:g}-{high:g}" if high > low else f"{low:g}"


# --- the run --------------------------------------------------------------------------------------


def run(n: int, seed: int, *, workers: int = WORKERS) -> pd.DataFrame:
    """Judge ``n`` samples of the design; one row each, whatever the number of workers."""
    return _run(design(n, seed=seed), seed=seed, workers=workers)


def run_targets(repeats: int, seed: int, *, workers: int = WORKERS) -> pd.DataFrame:
    """Judge the arm-level profile; rows as of :func:`run`."""
    return _run(target_design(repeats), seed=seed, workers=workers)


def _run(planned: pd.DataFrame, *, seed: int, workers: int) -> pd.DataFrame:
    for name in NOISE:
        panel(name)  # before the fork, so that it is built once
    tasks = [(dict(row), [seed, 1 + (row["set"] == "target"), i])
             for i, row in enumerate(planned.to_dict("records"))]  # fmt: skip
    return pd.DataFrame(mapped(judge, tasks, workers=workers))


def judge(task: tuple[dict[str, object], list[int]]) -> dict[str, object]:
    """Truth and result of one sample."""
    plan, seed = task
    rng = np.random.default_rng(seed)
    if plan["set"] == "target":
        true, made = float(plan["truth"]), tumors.arm_level(rng, altered=ARM_LEVEL)
    else:
        true = float(rng.uniform(*BANDS[int(plan["band"])]))
        made = tumors.random_genome(rng, ploidy=str(plan["class"]), events=str(plan["events"]),
                                    subclonal=float(plan["subclonal"]))  # fmt: skip
    tumor = made.tumor if true > 0 else None
    counts = sample_counts(
        tumor, true=true, depth=float(plan["depth"]), noise=str(plan["noise"]), rng=rng
    )
    used, spread, libraries = panel(str(plan["noise"]))
    normal = normalize.normalize(
        counts, plasma.bins(), panel=used, settings=plasma.SETTINGS["normalize"]
    )
    msd = deviation(made.tumor)
    known = {
        "truth": true,
        "true_ploidy": atom_ploidy(plasma.bins(), made.tumor) if tumor else NAN,
        "doubled": made.doubled,
        "altered": made.altered,
        "msd": msd,
        "differing": made.subclonal,
        "fragments": normal.fragments,
        "bound_z": float(limits.known_profile_z(true, normal.fragments, msd)),
        "noise_z": float(limits.known_profile_z(true, _worth(normal.fragments, spread), msd)),
    }
    own = normalize.sample_dispersion(normal.profile, spread)
    begin = time.perf_counter()
    try:
        found = fraction.estimate(
            normal.profile,
            dispersion=own,
            settings=plasma.SETTINGS["fraction"],
            normals=libraries,
        )
    except Exception as error:
        # One genome on which the caller breaks is a finding to report, not a reason to lose the
        # thousands of others.
        return plan | known | {"status": "crashed", "reason": f"{type(error).__name__}: {error}"}
    return plan | known | result(found, true=true) | {"seconds": time.perf_counter() - begin}


def _worth(n: int, spread: Dispersion) -> float:
    """What the fragments are worth beside the noise of the panel's libraries."""
    size = 32.0
    return float(limits.effective_fragments(n, tau=float(spread.at(size))))


def result(found: fraction.FractionResult, *, true: float) -> dict[str, object]:
    """What the caller says, beside what can be read off its solutions and its posterior."""
    solutions = found.solutions
    row = {name: found.row[name] for name in (
        "fraction", "low", "high", "ploidy", "lob", "lod", "p_tumor", "p_value", "status",
        "reason")}  # fmt: skip
    row["fraction"], row["low"], row["high"] = (
        _number(row[name]) for name in ("fraction", "low", "high")
    )
    return row | {
        "covered": bool(row["low"] <= true <= row["high"]),
        "error": abs(row["fraction"] - true),
        "top_weight": float(solutions["weight"].iloc[0]) if len(solutions) else NAN,
        "n_solutions": len(solutions),
        "nearest": float((solutions["fraction"] - true).abs().min()) if len(solutions) else NAN,
        "pit": posterior_share(found.grid, true),
    }


def _number(value: object) -> float:
    return NAN if value is None or pd.isna(value) else float(value)


def posterior_share(grid: pd.DataFrame, true: float) -> float:
    """Posterior probability that the fraction is below the truth; NaN without a posterior.

    The mass of each fraction of the grid is spread evenly up to halfway to its neighbours. Even
    between 0 and 1 over many samples if the posterior is calibrated; a central interval of level q
    holds the truth when the share lies within (1-q)/2 and (1+q)/2.
    """
    mass = grid.groupby("fraction")["probability"].sum()
    if len(mass) == 0 or not mass.sum() > 0:
        return NAN
    at = mass.index.to_numpy(dtype=float)
    if len(at) == 1:
        return 0.5 if np.isclose(at[0], true) else float(at[0] < true)
    middle = (at[1:] + at[:-1]) / 2
    first, last = at[0] - (middle[0] - at[0]), at[-1] + (at[-1] - middle[-1])
    edges = np.concatenate([[first], middle, [last]])
    total = np.concatenate([[0.0], np.cumsum(mass.to_numpy(dtype=float))])
    return float(np.interp(true, edges, total / total[-1]))


# --- the chapter ----------------------------------------------------------------------------------


def chapter(rows: pd.DataFrame, *, bounds: pd.DataFrame | None = None) -> str:
    """Everything measured, in Markdown; ``bounds`` is the table of :func:`validation.limits.run`.

    Rows may hold the grid, the targets, or both.
    """
    grid, target = (rows[rows["set"] == name] for name in ("grid", "target"))
    lines = ["## The tumor fraction judged on tumors the model does not know\n"]
    if len(grid):
        lines += _grid_chapter(grid)
    if len(target):
        lines += _target_chapter(target, bounds)
    return "\n".join(lines)


def _grid_chapter(rows: pd.DataFrame) -> list[str]:
    tumor = rows[rows["truth"] > 0]
    known = tumor[tumor["fraction"].notna()]
    healthy = rows[rows["truth"] == 0]
    lines = [
        f"{len(rows)} samples, {len(tumor)} with tumor; bands of TF crossed with ploidy classes, "
        "other factors dealt evenly (`validation/tumors.py` says what the genomes rest on and what "
        "is assumed). All intervals in brackets are exact binomial ones of 95 %.\n",
        f"Status: {_counted(rows['status'])}. Healthy (TF 0): {_counted(healthy['status'])}. "
        f"With tumor but without an estimate: {len(tumor) - len(known)}.\n",
        "### Does the 95 % interval hold the truth?\n",
        "| | n | holds the truth | median width |",
        "| --- | --- | --- | --- |",
        _covered("all with tumor", known),
    ]
    for label, column in (("TF", "band"), ("ploidy", "class"), ("depth", "depth"),
                          ("events", "events"), ("subclonal", "subclonal"), ("noise", "noise"),
                          ("status", "status")):  # fmt: skip
        for value, part in known.groupby(column, sort=column != "class"):
            name = {"band": band_name, "depth": "{:g}x".format}.get(column, str)(value)
            lines.append(_covered(f"{label} {name}", part))
    lines.append(_covered("healthy (the lower bound must be 0)", healthy))
    lines += ["", *_sides(known), "", *_calibration(tumor)]
    lines += [
        "\n### Error\n",
        "Median |estimate - truth| by band and depth (n):\n",
        _cross(known, lambda part: f"{part['error'].median():.4f} ({len(part)})"),
        "\nThe same by ploidy class, and of the nearest solution that is listed:\n",
        "| ploidy class | n | median error | 90th centile | nearest solution, median | "
        f"ploidy within {PLOIDY_RIGHT} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in tumors.PLOIDY:
        part = known[known["class"] == name]
        if len(part):
            told = part[part["ploidy"].notna()]
            right = (told["ploidy"].astype(float) - told["true_ploidy"]).abs() <= PLOIDY_RIGHT
            lines.append(
                f"| {name} | {len(part)} | {part['error'].median():.4f} | "
                f"{part['error'].quantile(0.9):.4f} | {part['nearest'].median():.4f} | "
                f"{rate(int(right.sum()), len(told))} |"
            )
    return [*lines, *_detection(tumor, healthy), *_lod(tumor, of="all genomes")]


def _detection(tumor: pd.DataFrame, healthy: pd.DataFrame) -> list[str]:
    """Detection by band, against the bound, and false positives."""
    found = tumor["status"] == "detected"
    lines = [
        "\n### Detection\n",
        "False positives at TF 0: "
        f"{rate(int((healthy['status'] == 'detected').sum()), len(healthy))}; by noise: "
        + "; ".join(f"{name} {rate(int((part['status'] == 'detected').sum()), len(part))}"
                    for name, part in healthy.groupby("noise"))
        + ".\n",
        "Share detected by band and depth:\n",
        _cross(tumor, lambda part: rate(int((part["status"] == "detected").sum()), len(part))),
        "\nAgainst what the noise allows when the profile is known (z = TF sqrt(N msd) / 2 with N "
        "less what the panel's over-dispersion costs; no method reaches it, because none knows the "
        "profile):\n",
        "| z | n | bound | detected, laboratory noise | detected, donors' noise |",
        "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    edges = [0, 2, 4, 6, 8, 12, np.inf]
    for low, high in itertools.pairwise(edges):
        here = (tumor["noise_z"] >= low) & (tumor["noise_z"] < high)
        if here.any():
            allowed = limits.known_profile_power(
                tumor.loc[here, "noise_z"].to_numpy(float), false_positives=limits.FALSE_POSITIVES
            ).mean()
            cells = [
                rate(int(found[here & (tumor["noise"] == name)].sum()),
                      int((here & (tumor["noise"] == name)).sum()))
                for name in NOISE
            ]  # fmt: skip
            lines.append(
                f"| {low:g}-{high:g} | {int(here.sum())} | {allowed:.3f} | {' | '.join(cells)} |"
            )
    return lines


def _lod(rows: pd.DataFrame, *, of: str) -> list[str]:
    """Is the limit of detection that a sample is given true?"""
    lod = pd.to_numeric(rows["lod"], errors="coerce")
    lines = [
        f"\n### Is the stated limit of detection honest? ({of})\n",
        "Of the samples whose TF is at least their own `lod`, 95 % or more should be detected. The "
        "`lod` speaks of an arm-level profile; few events make fewer detectable.\n",
        "| samples | n with a lod | detected |",
        "| --- | --- | --- |",
    ]
    for label, chosen in (
        ("TF >= lod", rows["truth"] >= lod),
        ("lod <= TF < 2 lod", (rows["truth"] >= lod) & (rows["truth"] < 2 * lod)),
        ("TF >= lod, few events", (rows["truth"] >= lod) & (rows["events"] == "few")),
        ("TF >= lod, many events", (rows["truth"] >= lod) & (rows["events"] == "many")),
        ("TF < lod (no demand)", rows["truth"] < lod),
    ):
        part = rows[chosen]
        if len(part):
            found = int((part["status"] == "detected").sum())
            lines.append(f"| {label} | {len(part)} | {rate(found, len(part))} |")
    return [*lines, f"\n{int(lod.isna().sum())} of {len(rows)} samples are given no lod.\n"]


def _calibration(rows: pd.DataFrame) -> list[str]:
    """Nominal against actual coverage of the posterior on the grid."""
    lines = [
        "Central intervals of the whole posterior (`fraction.grid`), nominal against actual:\n",
        "| nominal | with tumor | of these detected |",
        "| --- | --- | --- |",
    ]
    share = rows["pit"]
    for level in (0.5, 0.8, 0.95):
        inside = (2 * share - 1).abs() <= level
        cells = [
            rate(int((inside & chosen).sum()), int(chosen.sum()))
            for chosen in (share.notna(), share.notna() & (rows["status"] == "detected"))
        ]
        lines.append(f"| {level:.0%} | {' | '.join(cells)} |")
    return lines


def _sides(rows: pd.DataFrame) -> list[str]:
    below, above = rows["truth"] < rows["low"], rows["truth"] > rows["high"]
    return [
        f"Truth below the interval: {rate(int(below.sum()), len(rows))}; above: "
        f"{rate(int(above.sum()), len(rows))}."
    ]


def _target_chapter(rows: pd.DataFrame, bounds: pd.DataFrame | None) -> list[str]:
    lines = [
        "### The targets: an arm-level profile (40 % of arms altered)\n",
        "| depth | noise | TF | n | median error | holds the truth | detected | possible |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (depth, noise, true), part in rows.groupby(["depth", "noise", "truth"]):
        possible = _possible(bounds, depth=depth, noise=noise, true=true)
        found = int((part["status"] == "detected").sum())
        lines.append(
            f"| {depth:g}x | {noise} | {true:g} | {len(part)} | {part['error'].median():.4f} | "
            f"{rate(int((part['covered'] == True).sum()), len(part))} | "  # noqa: E712
            f"{rate(found, len(part))} | {possible} |"
        )
    lines.append(
        "\n`possible`: power of the best test at 1 % false positives (see above), beside the noise "
        "of donors or, for the laboratory, counting alone; empty where it was not computed.\n"
    )
    for depth in TARGET_DEPTHS:
        for noise in NOISE:
            here = rows[(rows["depth"] == depth) & (rows["noise"] == noise)]
            lines += _verdicts(here, depth=depth, noise=noise, bounds=bounds)
    return [*lines, "", *_lod(rows[rows["truth"] > 0], of="arm-level profiles")]


def _verdicts(
    rows: pd.DataFrame, *, depth: float, noise: str, bounds: pd.DataFrame | None
) -> list[str]:
    """Each target of one depth and noise: met, missed, or beyond what is possible."""
    lines, low = [], 0.0
    for high, allowed in TARGET_ERROR:
        part = rows[(rows["truth"] > low) & (rows["truth"] <= high) & rows["error"].notna()]
        if len(part):
            error = float(part["error"].median())
            met = "met" if error <= allowed else "missed"
            lines.append(
                f"- {depth:g}x, {noise}: median error at TF {low:g}-{high:g} is {error:.4f} "
                f"(n = {len(part)}); target {allowed:g}: {met}"
            )
        low = high
    true = TARGET_DETECTION[depth]
    part = rows[rows["truth"] == true]
    if len(part):
        found = int((part["status"] == "detected").sum())
        met = "met" if found >= 0.95 * len(part) else "missed"
        possible = _possible(bounds, depth=depth, noise=noise, true=true)
        beyond = f"; the best test possible finds {possible}" if possible else ""
        lines.append(
            f"- {depth:g}x, {noise}: TF {true:g} detected in {rate(found, len(part))}; "
            f"target 95 %: {met}{beyond}"
        )
    return lines


def _possible(bounds: pd.DataFrame | None, *, depth: float, noise: str, true: float) -> str:
    if bounds is None:
        return ""
    # The laboratory's own noise is small: its limit is that of counting.
    kind = "donors" if noise == "donors" else "counting"
    here = bounds[
        (bounds["noise"] == kind) & (bounds["depth"] == depth) & (bounds["altered"] == ARM_LEVEL)
        & (bounds["fraction"] == true)
    ]  # fmt: skip
    return "" if here.empty else f"{100 * float(here['optimal'].iloc[0]):.0f} %"


def _counted(values: pd.Series) -> str:
    return ", ".join(f"{name} {n}" for name, n in values.value_counts().items()) or "none"


def _covered(label: str, rows: pd.DataFrame) -> str:
    held = int((rows["covered"] == True).sum())  # noqa: E712
    width = (rows["high"] - rows["low"]).median()
    return f"| {label} | {len(rows)} | {rate(held, len(rows))} | {width:.4f} |"


def _cross(rows: pd.DataFrame, cell: object) -> str:
    """A table of band by depth; ``cell`` makes the text of a part."""
    depths = sorted(rows["depth"].unique())
    lines = [
        "| TF | " + " | ".join(f"{depth:g}x" for depth in depths) + " |",
        "| --- " * (len(depths) + 1) + "|",
    ]
    for band, part in rows.groupby("band"):
        cells = [part[part["depth"] == depth] for depth in depths]
        shown = [cell(one) if len(one) else "" for one in cells]
        lines.append(f"| {band_name(int(band))} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


# --- the figure -----------------------------------------------------------------------------------

COLOURS = dict(
    zip((*tumors.PLOIDY, "arm-level"), (BLUE, SKY, GREEN, ORANGE, VERMILLION, PURPLE), strict=True)
)
MARKS = dict(zip((*tumors.PLOIDY, "arm-level"), "ovs^DP", strict=True))


def draw(rows: pd.DataFrame) -> Figure:
    """Estimate against truth, calibration of the posterior, detection against the bound."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.plot([0, 0.8], [0, 0.8], color=MUTED, linewidth=1)
    for name, part in rows[rows["truth"] > 0].groupby("class"):
        left.scatter(part["truth"], part["fraction"], s=9, color=COLOURS[name], label=name,
                     marker=MARKS[name], alpha=0.7)  # fmt: skip
    left.set_xlabel("true tumor fraction")
    left.set_ylabel("estimated tumor fraction")
    left.legend(frameon=False, fontsize=8, title="ploidy class")
    levels = np.linspace(0, 1, 101)
    middle.plot([0, 1], [0, 1], color=MUTED, linewidth=1)
    tumor = rows[rows["truth"] > 0]
    for style, (noise, part) in zip(("-", "--"), tumor.groupby("noise"), strict=False):
        share = (2 * part["pit"].dropna() - 1).abs().to_numpy()
        if len(share):
            actual = [(share <= level).mean() for level in levels]
            middle.plot(levels, actual, style, color=INK, label=f"{noise} (n = {len(share)})")
    middle.set_xlabel("nominal level of the interval")
    middle.set_ylabel("share that holds the truth")
    middle.legend(frameon=False, fontsize=8, title="noise")
    z = np.linspace(0, 15, 151)
    bound = limits.known_profile_power(z, false_positives=limits.FALSE_POSITIVES)
    right.plot(z, bound, color=MUTED, label="bound, profile known")
    edges = np.array([0, 2, 4, 6, 8, 10, 12, 15])
    for colour, mark, (noise, part) in zip(
        (BLUE, VERMILLION), "os", tumor.groupby("noise"), strict=False
    ):
        group = np.digitize(part["noise_z"], edges) - 1
        shown = [(part["noise_z"][group == i].mean(), (part["status"][group == i] == "detected")
                  .mean()) for i in range(len(edges) - 1) if (group == i).any()]  # fmt: skip
        if shown:
            right.plot(*zip(*shown, strict=True), marker=mark, color=colour, label=noise)
    right.set_xlabel("z of a known profile beside this noise")
    right.set_ylabel("share detected")
    right.legend(frameon=False, fontsize=8)
    for axis in (left, middle, right):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    """Run and write one row per sample."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, required=True, help="samples of the design")
    parser.add_argument("--targets", type=int, default=0, help="samples per cell of the targets")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--output", type=Path, required=True, metavar="x.tsv")
    args = parser.parse_args()
    logging.getLogger("ctcnv").setLevel(logging.ERROR)
    parts = [run(args.n, args.seed, workers=args.workers)] if args.n else []
    if args.targets:
        parts.append(run_targets(args.targets, args.seed, workers=args.workers))
    rows = pd.concat(parts, ignore_index=True)
    # The time a sample took is not a result: the same seed gives the same bytes.
    took = rows.pop("seconds").median()
    rows.to_csv(args.output, sep="\t", index=False)
    print(f"{len(rows)} samples, {took:.1f} s each; {args.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
