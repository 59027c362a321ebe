"""Draw the figures of docs/algorithm.md that come from the code alone; run by `make docs`.

pcn.svg and levels.svg show formulas, surface.png the posterior of samples simulated here.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ctcnv import palette
from ctcnv.blocks import blocks, cuts
from ctcnv.copystates import changes
from ctcnv.dispersion import Dispersion
from ctcnv.evidence import Evidence, evidence, evidence_windows
from ctcnv.genome import BUILDS
from ctcnv.healthy import healthy_noise
from ctcnv.mixture import ratio_of
from ctcnv.model import FractionSettings
from ctcnv.paths import log_evidence
from ctcnv.posterior import Posterior, posterior_surface, solutions
from ctcnv.schema import AUTOSOMES
from ctcnv.synthetic import CENTROMERES_MB

Array = NDArray[np.float64]

DOCS = Path(__file__).resolve().parent
IMAGES = DOCS / "img"
#: Copies per tumor cell that are drawn; darker is more.
COPIES = (4, 6, 10, 20, 40)
SHADES = ("#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08306b")

#: A near-diploid genome, and one that was doubled and lost again: copies of arms (chromosomes)
#: that differ from the base.
NEAR_DIPLOID = {"1q": 3, "5q": 1, "7": 3, "8p": 1, "8q": 4, "13": 3, "17p": 1, "18": 1, "20q": 4}
DOUBLED = {
    "3p": 2, "4": 2, "5q": 2, "7": 6, "8p": 2, "8q": 6, "9": 3, "10": 3, "14": 3, "15": 2,
    "17p": 2, "18": 2, "20q": 6, "21": 2, "22": 2,
}  # fmt: skip
#: Tumor fraction behind levels.svg; of the panels of surface.png, with the depth.
LEVELS_FRACTION = 0.3
PANELS = ((0.3, 0.1), (0.1, 0.1), (0.1, 1.0))
#: Fragments per Mb at 1x, and over-dispersion of 1, 2, 4 ... Mb in 47 real donors (validation.md).
PER_MB = 6000
TAU = (0.0141, 0.0116, 0.00918, 0.00735, 0.00553, 0.00395)
SEED = 1
#: Of the shading: fractions, points a side, heat, and the natural logarithms below the peak at
#: which it ends.
FRACTIONS, SIDE, HEAT, SHADED = (0.06, 0.75), 130, 3.0, 25.0


# Plasma copy number -------------------------------------------------------------------------------


def plasma_copies() -> Figure:
    """Plasma copy number against tumor fraction for several copies, ploidy 2."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    fraction = np.geomspace(0.003, 0.8, 200)
    for copies, shade in zip(COPIES, SHADES, strict=True):
        pcn = 2 * ratio_of(float(copies), fraction, 2.0)
        axes.plot(100 * fraction, pcn, color=shade, linewidth=1.8)
        axes.annotate(f"{copies} copies", (80, pcn[-1]), (4, 0), textcoords="offset points",
                      va="center", color=shade, fontsize=9)  # fmt: skip
    axes.axhline(2, color="#888888", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log", base=2)
    axes.set_xlim(0.3, 170)
    axes.set_xticks([0.3, 1, 3, 10, 30, 80], labels=["0.3", "1", "3", "10", "30", "80"])
    axes.set_yticks([2, 4, 8, 16, 32], labels=["2", "4", "8", "16", "32"])
    axes.minorticks_off()
    axes.set_xlabel("tumor fraction, %")
    axes.set_ylabel("plasma copy number (pCN)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


# A simulated sample -------------------------------------------------------------------------------


def genome(events: dict[str, int], *, base: int) -> tuple[pd.DataFrame, Array]:
    """Atoms of 1 Mb of the human autosomes without their centromeres, and the copies of each."""
    lengths = next(build for build in BUILDS if build.name == "hg38").lengths
    rows, copies = [], []
    for key in AUTOSOMES:
        for mb in range(lengths[key] // 1_000_000):
            middle = mb + 0.5
            if abs(middle - CENTROMERES_MB[key]) < 1.5:
                continue
            arm = key + ("p" if middle < CENTROMERES_MB[key] else "q")
            rows.append((f"chr{key}", mb * 1_000_000, (mb + 1) * 1_000_000))
            copies.append(events.get(key, events.get(arm, base)))
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]), np.array(copies, dtype=float)


def sample(
    events: dict[str, int], *, base: int, fraction: float, depth: float, settings: FractionSettings
) -> tuple[pd.DataFrame, Array, Dispersion]:
    """A profile with the noise of the model, the copies of its atoms, and the over-dispersion."""
    atoms, copies = genome(events, base=base)
    spread = Dispersion(np.geomspace(1, 2.0 ** (len(TAU) - 1), len(TAU)), np.array(TAU))
    quiet = atoms.assign(observed=PER_MB * depth, expected=PER_MB * depth)
    summed = evidence_windows(quiet, settings=settings, max_windows=len(quiet))
    assert summed is not None
    noise = healthy_noise(quiet, summed, dispersion=spread, normals=None)
    drawn = noise.draw(np.random.default_rng(SEED), tail_df=settings.tail_df)
    ratio = ratio_of(copies, fraction, float(copies.mean())) * (1 + drawn)
    return quiet.assign(observed=ratio * PER_MB * depth), copies, spread


# The ambiguity of the levels ----------------------------------------------------------------------


def levels(settings: FractionSettings) -> Figure:
    """One profile, and four genomes that give its levels."""
    fraction = LEVELS_FRACTION
    profile, copies, _ = sample(NEAR_DIPLOID, base=2, fraction=fraction, depth=1.0,
                                settings=settings)  # fmt: skip
    ploidy = float(copies.mean())
    step = fraction / (fraction * ploidy + 2 * (1 - fraction))
    figure = Figure(figsize=(8.6, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.35))
    ratio = profile["observed"] / profile["expected"]
    odd = pd.factorize(profile["chrom"])[0] % 2
    left.scatter(np.arange(len(ratio)), ratio, s=2, linewidths=0,
                 c=np.array(palette.CHROMOSOME)[odd], rasterized=True)  # fmt: skip
    left.plot(np.arange(len(ratio)), ratio_of(copies, fraction, ploidy), color=palette.INK,
              linewidth=1.2)  # fmt: skip
    left.set_xticks([])
    left.set_xlabel("genome, 1-Mb windows, 1x")
    left.set_ylabel("ratio")
    genomes = (
        ("in truth", np.arange(1, 5), ploidy, palette.INK),
        ("one copy less", np.arange(4), ploidy - 1, palette.BLUE),
        ("one copy more", np.arange(2, 6), ploidy + 1, palette.BLUE),
        ("doubled", np.arange(2, 9), 2 * ploidy, palette.VERMILLION),
    )
    for at, (name, whole, mean, colour) in enumerate(genomes):
        height = step / 2 if name == "doubled" else step
        found = 2 * height / (1 - height * (mean - 2))
        for c in whole:
            level = float(ratio_of(float(c), found, mean))
            absent = name == "doubled" and c % 2 == 1
            right.plot([at - 0.3, at + 0.3], [level] * 2, color=colour,
                       linewidth=1 if absent else 2, linestyle=":" if absent else "-")  # fmt: skip
            right.annotate(str(c), (at + 0.34, level), va="center", fontsize=9, color=colour)
        right.annotate(f"{name}\nT {found:.3f}\nP {mean:.2f}", (at, 1.36), ha="center",
                       va="bottom", fontsize=9, color=colour)  # fmt: skip
    for level in ratio_of(np.arange(1.0, 5.0), fraction, ploidy):
        for axes in (left, right):
            axes.axhline(level, color=palette.GRID, linewidth=0.8, zorder=0)
    right.set_xlim(-0.6, len(genomes) - 0.3)
    right.set_ylim(0.75, 1.5)
    right.set_xticks([])
    right.set_xlabel("copies per tumor cell of four genomes at these levels")
    left.spines[["top", "right"]].set_visible(False)
    right.spines[["top", "right", "left"]].set_visible(False)
    right.tick_params(left=False)
    return figure


# The posterior ------------------------------------------------------------------------------------


def surface(settings: FractionSettings) -> Figure:
    """Posterior and solutions of one doubled genome at three pairs of fraction and depth."""
    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    for axes, (fraction, depth) in zip(
        figure.subplots(1, len(PANELS), sharex=True, sharey=True), PANELS, strict=True
    ):
        profile, copies, spread = sample(DOUBLED, base=4, fraction=fraction, depth=depth,
                                         settings=settings)  # fmt: skip
        seen = evidence(profile, dispersion=spread, settings=settings,
                        max_windows=settings.max_windows)  # fmt: skip
        assert seen is not None
        _shade(axes, seen, settings=settings)
        posterior = posterior_surface(seen, settings=settings)
        _explain(axes, posterior, fraction=fraction, ploidy=float(copies.mean()))
        axes.set_title(f"TF {fraction:g}, {depth:g}x", fontsize=10)
        axes.set_xscale("log")
        axes.set_xlim(*FRACTIONS)
        axes.set_ylim(settings.min_ploidy, settings.max_ploidy)
        axes.set_xticks([0.1, 0.2, 0.5], labels=["0.1", "0.2", "0.5"])
        axes.minorticks_off()
        axes.set_xlabel("tumor fraction")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("ploidy")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9,
                  frameon=False)  # fmt: skip
    return figure


def _shade(axes: Axes, seen: Evidence, *, settings: FractionSettings) -> None:
    """The surface with the data weighed less, darker where the posterior is higher: its own modes
    would be smaller than the dots."""
    t = np.geomspace(*FRACTIONS, SIDE)
    p = np.linspace(settings.min_ploidy, settings.max_ploidy, SIDE)
    fraction, ploidy = (a.ravel() for a in np.meshgrid(t, p))
    change = changes(seen, breakpoints=settings.breakpoints, centromere=settings.centromere_change)
    first = cuts(seen, change, tail_df=settings.tail_df)
    joined = blocks(seen, first, change, tail_df=settings.tail_df, heat=HEAT**2)
    once = np.ones((1, int(seen.first.sum())))
    logs = log_evidence(joined, fraction, ploidy, share=once, settings=settings)[0]
    logs = logs.reshape(SIDE, SIDE)
    axes.pcolormesh(t, p, np.clip(logs - logs.max(), -SHADED, 0), cmap="Greys", shading="nearest",
                    vmin=-SHADED, vmax=SHADED, rasterized=True)  # fmt: skip


def _explain(axes: Axes, posterior: Posterior, *, fraction: float, ploidy: float) -> None:
    """Solutions with their weights, the truth, and the curves of equal step."""
    step = fraction / (fraction * ploidy + 2 * (1 - fraction))
    mean = np.linspace(1.1, 5.0, 100)
    for height, colour, style, name in (
        (step, palette.BLUE, "-", "a step is one copy"),
        (2 * step, palette.VERMILLION, "--", "a step is two copies"),
    ):
        axes.plot(2 * height / (1 - height * (mean - 2)), mean, color=colour, linestyle=style,
                  linewidth=1, label=name)  # fmt: skip
    axes.scatter(fraction, ploidy, marker="x", s=60, color=palette.INK, linewidths=1.5, zorder=4,
                 label="truth")  # fmt: skip
    for mode in solutions(posterior).to_dict("records"):
        axes.scatter(mode["fraction"], mode["ploidy"], s=20 + 160 * mode["weight"], zorder=3,
                     facecolors="white", edgecolors=palette.INK, linewidths=1.2)  # fmt: skip
        axes.annotate(f"{100 * mode['weight']:.0f} %", (mode["fraction"], mode["ploidy"]),
                      (11, 0), textcoords="offset points", va="center", fontsize=8)  # fmt: skip


def main() -> None:
    """Draw everything; neither date nor random ids, so that the same code gives the same bytes."""
    config = yaml.safe_load((DOCS.parent / "config" / "config.yaml").read_text())
    settings = FractionSettings.from_mapping(config["fraction"], source="config.yaml")
    IMAGES.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "ctcnv", "svg.fonttype": "none"}):
        plasma_copies().savefig(IMAGES / "pcn.svg", metadata={"Date": None})
        levels(settings).savefig(IMAGES / "levels.svg", dpi=150, metadata={"Date": None})
    surface(settings).savefig(IMAGES / "surface.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
