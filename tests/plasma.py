"""A small human genome in atoms of 1 Mb, plasma drawn from it with known truth, and its settings.

Real chromosome lengths and the shipped hg38 gene table, so that every width in the settings means
what it says; few atoms, so that a whole sample takes a second.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import yaml
from numpy.typing import ArrayLike

from ctcnv import detection, evidence, genes, healthy, normalize, pon, segment
from ctcnv import fraction as step
from ctcnv import normals as normals_step
from ctcnv.detection import Arms
from ctcnv.dispersion import Dispersion
from ctcnv.evidence import Evidence
from ctcnv.fraction import FractionResult
from ctcnv.genome import BUILDS
from ctcnv.healthy import HealthyNoise
from ctcnv.io import tables
from ctcnv.model import SECTIONS
from ctcnv.normalize import Normalized, Panel, Windows
from ctcnv.normals import Grid, Summed
from ctcnv.schema import BINS, CHROMOSOMES, GENE_TABLE
from ctcnv.simulate import Library, Segment, Tumor, atom_counts
from ctcnv.synthetic import CENTROMERES_MB, MEAN_GC, smooth_noise

ROOT = Path(__file__).resolve().parent.parent
MB = 1_000_000
#: Names of the genes that the small world tests; ERBB2 first.
GENES = ("ERBB2", "EGFR", "MET", "KRAS", "PIK3CA", "PTEN", "MYC", "CCND1", "FLT3", "CDK12", "TOP2A")
NAN = float("nan")


def all_settings() -> dict[str, object]:
    """The sections of config/config.yaml as the model reads them."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    return {
        name: kind.from_mapping(config[name], source="config.yaml")
        for name, kind in SECTIONS.items()
    }


SETTINGS = all_settings()
#: The same with a coarser grid and fewer simulations: seconds become tenths.
FAST = replace(SETTINGS["fraction"], max_windows=500, null_draws=100)
#: The same as a part of a config, where a whole workflow runs and its numbers are not looked at.
QUICK_CONFIG = "fraction:\n  max_windows: 500\n  bag_draws: 20\n  null_draws: 50\n"
#: A library without GC curve, wave or anything else: its counts follow the copies alone.
PLAIN = Library(fragments=3_000_000, gc_width=100.0, wave=0.0)
#: A library as a laboratory makes it.
USUAL = Library(fragments=3_000_000, gc_peak=0.43, gc_width=0.14, wave=0.006)


#: A panel that adds little to counting noise: 1 % for one atom, 0.3 % for a thousand.
CALM = Dispersion(np.array([1.0, 1000.0]), np.array([0.01, 0.003]))


def evidence_of(
    ratio: ArrayLike, *, expected: float = 1000.0, chrom: list[str] | None = None,
    dispersion: Dispersion = CALM, breakpoints: float = 60,
) -> Evidence:  # fmt: skip
    """Windows of one atom with these ratios, on ten chromosomes when they are not named."""
    summed = windows_of(ratio, expected=expected, chrom=chrom)
    return evidence.evidence_of(summed, dispersion=dispersion, breakpoints=breakpoints)


def windows_of(
    ratio: ArrayLike, *, expected: float = 1000.0, chrom: list[str] | None = None
) -> Windows:
    """Windows of one atom with these ratios, on ten chromosomes when they are not named."""
    n = len(np.asarray(ratio))
    names = np.repeat([f"chr{i + 1}" for i in range(10)], n // 10) if chrom is None else chrom
    start = np.arange(n) * MB
    return Windows(
        np.asarray(names, dtype=object), start, start + MB, np.ones(n, dtype=int),
        np.asarray(ratio) * expected, np.full(n, expected),
    )  # fmt: skip


def scored_of(
    ratio: ArrayLike, *, expected: float = 1000.0, chrom: list[str] | None = None,
    dispersion: Dispersion = CALM,
) -> tuple[Evidence, HealthyNoise, Arms]:  # fmt: skip
    """The same with healthy noise as the dispersion implies it, and the arms."""
    seen = evidence_of(ratio, expected=expected, chrom=chrom, dispersion=dispersion)
    summed = windows_of(ratio, expected=expected, chrom=chrom)
    noise = HealthyNoise(healthy.implied(dispersion, summed), seen.counting, np.inf)
    return seen, noise, detection.arms_of(seen, noise)


@functools.cache
def bins() -> pd.DataFrame:
    """The BINS table: atoms of 1 Mb of hg38, centromeres not usable."""
    rng = np.random.default_rng(11)
    lengths = next(build for build in BUILDS if build.name == "hg38").lengths
    parts = []
    for key in CHROMOSOMES:
        start = np.arange(0, lengths[key], MB)
        gc = MEAN_GC[key] + 0.035 * smooth_noise(len(start), 3, rng)
        centromere = np.abs((start + MB / 2) / MB - CENTROMERES_MB[key]) < 1.5
        parts.append(
            pd.DataFrame(
                {
                    "chrom": f"chr{key}", "start": start,
                    "end": np.minimum(start + MB, lengths[key]),
                    "gc": gc.round(4), "callable": np.where(centromere, 0.2, 1.0),
                    "mappability": NAN, "usable": ~centromere,
                    "reason": np.where(centromere, "too few callable bases", None),
                }
            )
        )  # fmt: skip
    return BINS.check(pd.concat(parts, ignore_index=True))


@functools.cache
def gene_table() -> pd.DataFrame:
    """The GENE_TABLE rows of the genes above."""
    path = ROOT / "src" / "ctcnv" / "data" / "genes.hg38.tsv"
    whole = tables.read(path, GENE_TABLE).frame
    return whole[whole["gene"].isin(GENES)].reset_index(drop=True)


@functools.cache
def regional_factor() -> np.ndarray:
    """What every library shares at each atom; a panel of normals has to learn it."""
    return np.exp(np.random.default_rng(12).normal(0, 0.03, len(bins())))


def whole(chrom: str, copies: float, low: float = 0, high: float = 300) -> Segment:
    """A stretch of a chromosome, in Mb."""
    return Segment(chrom, int(low * MB), int(high * MB), copies)


#: Arms gained and lost as in colorectal cancer, with an amplicon of 3 Mb around ERBB2.
EVENTS = (
    whole("chr7", 3), whole("chr8", 1, 0, 45), whole("chr8", 4, 45), whole("chr13", 3),
    whole("chr17", 1, 0, 25), whole("chr18", 1), whole("chr20", 4, 28), whole("chr1", 3, 124),
    whole("chr5", 1, 70, 150), whole("chr4", 1, 100),
)  # fmt: skip
AMPLICON = whole("chr17", 40, 38, 41)
ANEUPLOID = Tumor(EVENTS)
AMPLIFIED = Tumor((*EVENTS, AMPLICON))
ONLY_AMPLICON = Tumor((AMPLICON,))


def counts(
    *, tumor: Tumor | None = None, fraction: float = 0.0, sex: str = "female", seed: int = 1,
    library: Library = USUAL, factor: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """A COUNTS table of one sample."""
    drawn = atom_counts(
        bins(), library, tumor=tumor, fraction=fraction, sex=sex,
        rng=np.random.default_rng(seed), factor=regional_factor() if factor else None,
    )  # fmt: skip
    frame = bins()[["chrom", "start", "end"]].copy()
    return frame.assign(fragments=drawn, short=(drawn * 0.2).astype(int))


@functools.cache
def _built() -> pon.PonResult:
    return build_panel(normals(6))


@functools.cache
def panel() -> tuple[Panel, Dispersion]:
    """A panel of six normals, three of each sex, and its over-dispersion."""
    made = _built()
    return pon.panel_of(made.pon, made.waves), Dispersion.from_frame(made.dispersion)


@functools.cache
def libraries() -> tuple[Grid, Summed]:
    """The normals of that panel on their windows."""
    _, grid, summed = normals_step.read(_built().normals)
    return grid, summed


def excess() -> dict[str, float]:
    """How much more than other regions each gene varies in that panel."""
    return pon.excess_of(_built().genes)


def normals(n: int, *, first: int = 100, library: Library = USUAL) -> dict[str, pd.DataFrame]:
    """Counts of healthy donors of both sexes by name."""
    return {
        f"N{i + 1:02d}": counts(seed=first + i, sex=("female", "male")[i % 2], library=library)
        for i in range(n)
    }


def build_panel(donors: dict[str, pd.DataFrame], **changes: object) -> pon.PonResult:
    """The panel of these donors."""
    return pon.build(
        np.stack([one["fragments"].to_numpy() for one in donors.values()]), list(donors), bins(),
        gene_table(),
        normalize_settings=SETTINGS["normalize"], settings=replace(SETTINGS["pon"], **changes),
        fraction_settings=FAST, genes_settings=SETTINGS["genes"],
    )  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One sample through normalize, segment, fraction and genes."""

    normalized: Normalized
    dispersion: Dispersion
    segments: pd.DataFrame
    fraction: FractionResult
    genes: pd.DataFrame

    def gene(self, name: str = "ERBB2") -> pd.Series:
        return self.genes.set_index("gene").loc[name]


def profile_of(counted: pd.DataFrame, *, with_panel: bool = True) -> Normalized:
    """Normalized counts, against the small panel or without any."""
    used = panel()[0] if with_panel else None
    return normalize.normalize(counted, bins(), panel=used, settings=SETTINGS["normalize"])


def sample(
    *, tumor: Tumor | None = None, fraction: float = 0.0, sex: str = "female", seed: int = 1,
    library: Library = USUAL,
) -> Sample:  # fmt: skip
    """Draw and analyse a sample, cached: several tests look at the same one."""
    return _sample(tumor, fraction, sex, seed, library)


@functools.cache
def _sample(
    tumor: Tumor | None, true_fraction: float, sex: str, seed: int, library: Library
) -> Sample:
    drawn = counts(tumor=tumor, fraction=true_fraction, sex=sex, seed=seed, library=library)
    return analysed(drawn)


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Fewer simulated tumors behind the limit of detection, which takes half of a sample's time."""
    with mock.patch.object(detection, "LOD_DRAWS", 20):
        yield


def analysed(drawn: pd.DataFrame) -> Sample:
    """A COUNTS table through every step of ``ctcnv call``."""
    made = profile_of(drawn)
    used = normalize.sample_dispersion(made.profile, panel()[1])
    segments = segment.segment(made.profile, dispersion=used, settings=SETTINGS["segment"])
    with quick():
        found = step.estimate(made.profile, dispersion=used, settings=FAST, normals=libraries())
    called = genes.call_genes(
        made.profile,
        gene_table(),
        found,
        dispersion=used,
        settings=SETTINGS["genes"],
        excess=excess(),
    )
    return Sample(made, used, segments, found, called)
