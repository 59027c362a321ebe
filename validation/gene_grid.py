"""Judge the gene level: ERBB2 in atoms of 10 kb over tumor fraction, copies, width and depth.

Chromosome 17 is simulated in atoms of 10 kb, so that amplicons of 50 kb upwards can be told apart.
Two worlds share it:

``alone``: nothing but chromosome 17; tumor fraction, ploidy and the scale of the sample are known.
What is missed here is missed by the gene step.

``whole``: the other chromosomes in atoms of 1 Mb with a GC curve, waves and a tumor genome of
:mod:`validation.tumors`; the tumor fraction is estimated from all of it. The expectation of an atom
of 10 kb is its share of the normalized megabase that it lies in; a GC curve within a megabase is
not simulated. Each sample is judged twice, with the estimated and with the true tumor fraction, so
that the share of either in an error is seen.

``plain`` is ``alone`` without what sets libraries apart, and with a panel of deep normals: nothing
but counting noise, so that what is lost beyond it is lost by the method.

The amplicon lies anywhere around the gene that holds it. Panel: 24 normals of 1x, whose factors
are estimated by :class:`ctcnv.pon.Factors`. Libraries differ by waves of 500 kb (0.5 to 1 %) and by
2 % from atom to atom, an assumption.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv import fraction, genes, genetest, normalize, pon
from ctcnv.dispersion import Dispersion
from ctcnv.fraction import FractionResult
from ctcnv.mixture import ratio_of
from ctcnv.schema import GRID, SOLUTIONS
from ctcnv.simulate import WAVE_BP, Segment, Tumor, atom_ploidy, copies, random_library
from ctcnv.synthetic import smooth_noise
from tests import plasma
from validation import fraction_grid, limits, tumors
from validation.parallel import mapped

Floats = NDArray[np.float64]

ATOM, LENGTH = 10_000, 83_250_000
#: The gap of the centromere (cytobands p11.1 and q11.1 of hg38).
CENTROMERE = (22_700_000, 27_400_000)
FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.3)
COPIES = (4, 6, 10, 20, 60)
WIDTHS = (60_000, 200_000, 500_000, 2_000_000, 10_000_000)
#: Of what must not be called neutral: from the gene's own length on.
NARROW = (42_513, 60_000, 100_000, 200_000, 500_000)
#: Fractions and copies at which it is asked whether a gene is neutral.
NEUTRAL_FRACTIONS, TARGET_COPIES = (0.05, 0.1, 0.2, 0.3, 0.5), (6, 10)
DEPTHS = (0.1, 0.5, 1.0, 5.0)
#: What atoms of 10 kb share in every library, and by what they differ from library to library.
FACTOR_SD, WHITE_SD = 0.05, 0.02
NORMALS, NORMAL_DEPTH = 24, 1.0
#: Depth of the normals of the world without noise between libraries.
PLAIN_DEPTH = 200.0
PANEL_SEED = 20261125
SETTINGS = plasma.SETTINGS["genes"]
#: The fraction with fewer simulated genomes behind its p-value and limits, which genes do not use.
QUICK = replace(plasma.SETTINGS["fraction"], null_draws=100)
#: Undetected tumor: the posterior of a quiet genome.
NOTHING = FractionResult({"status": "not_detected", "p_tumor": 0.1}, GRID.empty(),
                         SOLUTIONS.empty())  # fmt: skip
WORKERS = 2


# --- the world ------------------------------------------------------------------------------------


@functools.cache
def atoms() -> pd.DataFrame:
    """The atoms of chromosome 17; those of the centromere are not usable."""
    start = np.arange(0, LENGTH, ATOM)
    usable = (start + ATOM <= CENTROMERE[0]) | (start >= CENTROMERE[1])
    return pd.DataFrame(
        {"chrom": "chr17", "start": start, "end": start + ATOM, "usable": usable,
         "reason": np.where(usable, None, "too few callable bases")}
    )  # fmt: skip


@functools.cache
def gene() -> pd.DataFrame:
    """ERBB2 alone (GENE_TABLE)."""
    table = plasma.gene_table()
    return table[table["gene"] == "ERBB2"].reset_index(drop=True)


@functools.cache
def shared() -> Floats:
    """The factor of each atom, shared by all libraries."""
    return np.exp(np.random.default_rng(PANEL_SEED).normal(0, FACTOR_SD, len(atoms())))


def differing(rng: np.random.Generator, *, plain: bool = False) -> Floats:
    """What one library shows at the atoms: waves and white noise, mean 1; nothing when plain."""
    n = len(atoms())
    if plain:
        return np.ones(n)
    wave = float(rng.uniform(0.005, 0.010)) * smooth_noise(n, WAVE_BP / ATOM, rng)
    return np.asarray((1 + wave) * rng.gamma(1 / WHITE_SD**2, WHITE_SD**2, n))


@dataclass(frozen=True)
class Fine:
    """The panel of the fine atoms: factors (NaN = not used), over-dispersion, excess of ERBB2."""

    factor: Floats
    dispersion: Dispersion
    excess: dict[str, float]


def panel(*, plain: bool = False) -> Fine:
    """From 24 normals, each left out in turn for what a new library shows."""
    return _panel(plain)


@functools.cache
def _panel(plain: bool) -> Fine:
    usable = atoms()["usable"].to_numpy(bool)
    each = per_atom(PLAIN_DEPTH if plain else NORMAL_DEPTH)
    expected = np.full((NORMALS, len(usable)), each)
    expected[:, ~usable] = np.nan
    observed = np.vstack([
        rng.poisson(each * shared() * differing(rng, plain=plain) * usable)
        for rng in (np.random.default_rng([PANEL_SEED, i]) for i in range(NORMALS))
    ]).astype(float)  # fmt: skip
    factors = pon.Factors(observed, expected, settings=plasma.SETTINGS["pon"])
    profiles = [
        profile_of(observed[k], expected[k] * factors.without(k, atoms())) for k in range(NORMALS)
    ]
    dispersion = pon.measured_dispersion(profiles)
    sums = sum(
        genetest.squared_excess(
            genetest.extents_of(one, gene(), settings=SETTINGS), dispersion=dispersion
        )
        for one in profiles
    )
    excess = float(np.sqrt(max(0.0, sums[0, 0] / sums[0, 1])))
    return Fine(factors.table(atoms())["factor"].to_numpy(float), dispersion, {"ERBB2": excess})


def per_atom(depth: float) -> float:
    """Fragments of an atom of two copies at a depth."""
    return depth * ATOM / limits.FRAGMENT_BP


def profile_of(observed: Floats, expected: Floats) -> pd.DataFrame:
    """The PROFILE of the fine atoms."""
    known = np.isfinite(expected)
    return atoms()[["chrom", "start", "end"]].assign(
        observed=observed.astype(np.int64), expected=expected, normal_copies=2,
        reason=np.where(known, None, "not used"),
    )  # fmt: skip


def copies_at(tumor: Tumor) -> Floats:
    """Copies per tumor cell of the fine atoms; of two segments the later one holds."""
    start = np.arange(0, LENGTH, ATOM)
    found = np.full(len(start), tumor.base)
    for one in tumor.segments:
        if one.chrom == "chr17":
            overlap = np.minimum(start + ATOM, one.end) - np.maximum(start, one.start)
            share = np.clip(overlap, 0, None) / ATOM
            found += share * (one.copies - found)
    return found


def placed(width: int, number: float, rng: np.random.Generator) -> Segment:
    """An amplicon of a width that holds the gene, anywhere around it."""
    start, end = (int(gene()[key].iloc[0]) for key in ("start", "end"))
    room = max(0, width - (end - start))
    low = start - int(rng.uniform(0, room))
    return Segment("chr17", low, low + max(width, end - start), number)


def germline(n: int, level: float, rng: np.random.Generator) -> Floats:
    """Factor of a germline variant of n atoms inside the gene."""
    first = int(gene()["start"].iloc[0]) // ATOM
    last = (int(gene()["end"].iloc[0]) - 1) // ATOM + 1
    at = int(rng.integers(first, last - n + 1))
    factor = np.ones(len(atoms()))
    factor[at : at + n] = level
    return factor


# --- one sample -----------------------------------------------------------------------------------


def alone(
    tumor: Tumor, *, true: float, ploidy: float, depth: float, rng: np.random.Generator,
    variant: Floats | None = None, plain: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """The profile of chromosome 17 of a sample whose scale is known."""
    level = ratio_of(copies_at(tumor), true, ploidy) * (1.0 if variant is None else variant)
    usable = atoms()["usable"].to_numpy(bool)
    yields = shared() * differing(rng, plain=plain) * usable
    drawn = rng.poisson(per_atom(depth) * yields * level)
    return profile_of(drawn.astype(float), per_atom(depth) * panel(plain=plain).factor)


def counted(profile: pd.DataFrame, segment: Segment, depth: float) -> dict[str, float]:
    """Plasma copies of an amplicon by who knows where it is: from the atoms that lie in it, with
    the true expectation of each (``by_truth``) and with that of the panel (``by_panel``)."""
    inside = (profile["start"] >= segment.start) & (profile["end"] <= segment.end)
    inside &= np.isfinite(profile["expected"])
    observed = float(profile["observed"][inside].sum())
    expected = float((per_atom(depth) * shared())[inside].sum())
    return {"by_truth": 2 * observed / expected,
            "by_panel": 2 * observed / float(profile["expected"][inside].sum())}  # fmt: skip


def whole(
    tumor: Tumor, *, true: float, depth: float, rng: np.random.Generator
) -> tuple[pd.DataFrame, FractionResult, float, Dispersion]:
    """The profile of chromosome 17, the estimate of the tumor fraction, the true ploidy, and the
    over-dispersion of the fine atoms in such a genome: what they add to their megabase and what
    sets megabases apart, its GC curve among it. A panel measures both at once."""
    bins, fine = plasma.bins(), atoms()
    library = random_library(limits.fragments(depth), rng)
    chrom = bins["chrom"].to_numpy(object)
    start, end = bins["start"].to_numpy(np.int64), bins["end"].to_numpy(np.int64)
    size = (end - start) * bins["callable"].to_numpy(float)
    base = size * np.nan_to_num(library.acceptance(bins["gc"].to_numpy(float)))
    base *= plasma.regional_factor()
    for name in pd.unique(chrom):
        here = np.flatnonzero(chrom == name)
        base[here] *= 1 + library.wave * smooth_noise(len(here), WAVE_BP / plasma.MB, rng)
    mixed = true * copies(tumor, chrom, start, end, sex="female")
    mixed += (1 - true) * copies(None, chrom, start, end, sex="female")
    # Chromosome 17 is drawn in its fine atoms, of which a megabase is the sum.
    inside = np.flatnonzero(chrom == "chr17")
    part = fine["start"].to_numpy(np.int64) // plasma.MB
    yields = shared() * differing(rng) * fine["usable"].to_numpy(bool)
    share = yields / np.maximum(np.bincount(part, yields), 1e-9)[part]
    fine_base = base[inside][part] * share
    fine_mixed = true * copies_at(tumor) + 2 * (1 - true)
    coarse = np.where(chrom == "chr17", 0.0, base * mixed)
    scale = library.fragments / (coarse.sum() + float(fine_base @ fine_mixed))
    drawn = rng.poisson(scale * coarse)
    fine_drawn = rng.poisson(scale * fine_base * fine_mixed)
    drawn[inside] = np.bincount(part, fine_drawn, minlength=len(inside))
    counts = bins[["chrom", "start", "end"]].assign(fragments=drawn, short=0)
    used, spread, libraries = fraction_grid.panel("laboratory")
    made = normalize.normalize(counts, bins, panel=used, settings=plasma.SETTINGS["normalize"])
    own = normalize.sample_dispersion(made.profile, spread)
    with plasma.quick():
        found = fraction.estimate(made.profile, dispersion=own, settings=QUICK, normals=libraries)
    expected = made.profile["expected"].to_numpy(float)[inside][part]
    factor = np.nan_to_num(panel().factor)
    expected = expected * factor / np.maximum(np.bincount(part, factor), 1e-9)[part]
    expected[~np.isfinite(panel().factor)] = np.nan
    size = panel().dispersion.atoms
    both = np.hypot(panel().dispersion.tau, own.at(np.maximum(size * ATOM / plasma.MB, 1.0)))
    return (profile_of(fine_drawn.astype(float), expected), found, atom_ploidy(bins, tumor),
            Dispersion(size, both))  # fmt: skip


def known(true: float, ploidy: float) -> FractionResult:
    """A tumor fraction and ploidy without doubt."""
    grid = GRID.check(pd.DataFrame({"fraction": [true], "ploidy": [ploidy], "probability": [1.0]}))
    return FractionResult({"status": "detected", "p_tumor": 1.0}, grid, SOLUTIONS.empty())


def called(
    profile: pd.DataFrame, found: FractionResult, dispersion: Dispersion, *, plain: bool = False
) -> dict[str, object]:
    """The row of ERBB2."""
    row = genes.call_genes(profile, gene(), found, dispersion=dispersion, settings=SETTINGS,
                           excess=panel(plain=plain).excess).iloc[0]  # fmt: skip
    return {name: row[name] for name in COLUMNS}


COLUMNS = ("pcn", "pcn_low", "pcn_high", "p_value", "copies", "copies_low", "copies_high", "width",
           "width_low", "width_high", "focal", "p_focal", "p_amplified", "detectable_copies",
           "call")  # fmt: skip


# --- what is drawn --------------------------------------------------------------------------------


def plans(size: int, whole: int) -> list[dict[str, object]]:
    """Every sample to draw: its set, and what is true of it; ``size`` scales the numbers of the
    sets of chromosome 17 alone, ``whole`` those of whole genomes."""
    found: list[dict[str, object]] = []

    def add(n: int, name: str, **truth: object) -> None:
        found.extend({"set": name} | truth for _ in range(n))

    for true, number, width, depth in itertools.product(FRACTIONS, COPIES, WIDTHS, DEPTHS):
        add(size, "grid", truth=true, erbb2=number, bp=width, depth=depth)
        add(size, "grid plain", truth=true, erbb2=number, bp=width, depth=depth)
    for true, depth in TARGETS:
        add(50 * size, "target", truth=true, erbb2=20, bp=500_000, depth=depth)
        add(50 * whole, "target whole", truth=true, erbb2=20, bp=500_000, depth=depth)
    for true, depth in itertools.product((0.05, 0.2, 0.5, 0.9), DEPTHS):
        add(10 * size, "broad", truth=true, erbb2=3, bp=0, depth=depth)
        add(whole, "broad whole", truth=true, erbb2=3, bp=0, depth=depth)
    for series, depth in itertools.product(range(2 * whole), (0.1, 1.0)):
        for true in DILUTIONS:
            add(1, "dilution whole", truth=true, erbb2=20, bp=500_000, depth=depth, series=series)
    for ploidy in (2.0, 4.0):
        add(20 * size, "ploidy", truth=0.3, erbb2=7, bp=500_000, depth=1.0, base=ploidy)
        add(2 * whole, "ploidy whole", truth=0.3, erbb2=7, bp=500_000, depth=1.0, base=ploidy)
    for n, depth, level, true in itertools.product((2, 3, 4), DEPTHS, (1.5, 2.0), (0.0, 0.1)):
        add(5 * size, "germline", truth=true, erbb2=2, bp=n * ATOM, depth=depth, level=level)
    for true, depth in itertools.product(NEUTRAL_FRACTIONS, DEPTHS):
        add(25 * size, "unchanged", truth=true, erbb2=2, bp=0, depth=depth)
        for number, width in itertools.product(TARGET_COPIES, NARROW):
            add(5 * size, "narrow", truth=true, erbb2=number, bp=width, depth=depth)
    for number, true, depth in itertools.product((110, 220), (0.05, 0.3, 0.8), (0.1, 1.0)):
        add(whole, "high whole", truth=true, erbb2=number, bp=500_000, depth=depth)
    for true, number, width, depth in itertools.product(
        (0.05, 0.1, 0.3), (6, 20), (200_000, 2_000_000), (0.1, 1.0)
    ):
        add(2 * whole, "grid whole", truth=true, erbb2=number, bp=width, depth=depth)
    return found


TARGETS = ((0.05, 0.1), (0.02, 1.0))
DILUTIONS = (0.3, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)


def judge(task: tuple[dict[str, object], list[int]]) -> dict[str, object]:
    """Truth and result of one sample."""
    plan, seed = task
    rng = np.random.default_rng(seed)
    kind, _, world = str(plan["set"]).partition(" ")
    true, depth, number = (float(plan[key]) for key in ("truth", "depth", "erbb2"))
    base = float(plan.get("base", 2.0))
    arm = Segment("chr17", CENTROMERE[1], LENGTH, number)
    variant = None
    if kind == "dilution":  # one tumor, diluted: the genome and the amplicon of a series are one
        of_series = np.random.default_rng([*seed[:2], 10_000 + int(plan["series"])])
    else:
        of_series = rng
    if kind == "germline":
        own: tuple[Segment, ...] = ()
        variant = germline(int(plan["bp"]) // ATOM, float(plan["level"]), rng)
    else:
        own = (arm,) if kind == "broad" else (placed(int(plan["bp"]), number, of_series),)
        own = () if kind == "unchanged" else own
    if world == "whole":
        genome = _genome(base, of_series)
        tumor = replace(genome, segments=(*genome.segments, *own))
        profile, found, ploidy, spread = whole(tumor, true=true, depth=depth, rng=rng)
    else:
        plain = world == "plain"
        tumor, ploidy = Tumor(own, base=base), base
        spread = panel(plain=plain).dispersion
        found = known(true, ploidy) if true > 0 else NOTHING
        profile = alone(tumor, true=true, ploidy=ploidy, depth=depth, rng=rng, variant=variant,
                        plain=plain)  # fmt: skip
    row = plan | {"ploidy": ploidy, "true_pcn": 2 * float(ratio_of(number, true, ploidy))}
    row |= called(profile, found, spread, plain=world == "plain")
    row["status"] = found.row["status"]
    if kind == "grid" and world in ("", "plain"):
        row |= counted(profile, own[0], depth)
    if world == "whole":
        row |= {
            f"known_{key}": value
            for key, value in called(profile, known(true, ploidy), spread).items()
        }
        row |= {"fraction": found.row["fraction"], "low": found.row["low"],
                "high": found.row["high"]}  # fmt: skip
    return row


def _genome(base: float, rng: np.random.Generator) -> Tumor:
    """Arms gained and lost; in a doubled genome random events at ploidy 4. Chromosome 17 is left
    as it is, so that what is true of the gene is known."""
    if base == 2.0:
        made = tumors.arm_level(rng).tumor
    else:
        made = tumors.random_genome(rng, ploidy="tetraploid", events="few", subclonal=0.0).tumor
    return replace(made, segments=tuple(s for s in made.segments if s.chrom != "chr17"))


def run(
    size: int, whole: int, seed: int, *, sets: tuple[str, ...] = (), workers: int = WORKERS
) -> pd.DataFrame:
    """Judge all plans, or those of some sets."""
    planned = plans(size, whole)
    tasks = [(plan, [seed, i]) for i, plan in enumerate(planned) if not sets or plan["set"] in sets]
    panel()
    if any(str(plan["set"]).endswith("whole") for plan, _ in tasks):
        fraction_grid.panel("laboratory")
    return pd.DataFrame(mapped(judge, tasks, workers=workers, chunk=8))
