"""A simulated trial: patients whose ERBB2 copies and day-21 change go with response by a known law.

Each patient has a tumor of its own with an ERBB2 amplicon, plasma before treatment and on day 21,
a best response, and survival. With ``x`` the copies in doublings of ``MIDDLE_COPIES`` and
``effect`` the strength (1 as written below, 0 none):

    logit P(response)      = LOGIT + effect * LOG_ODDS * x
    hazard of progression  = ln 2 / MEDIAN_PFS * exp(effect * LOG_HAZARD * x)
    ln(TF_21 / TF_0)       ~ Normal(ln MIDDLE_RATIO -+ effect * SHIFT, RATIO_SD)   (- responders)

so that with ``effect`` 0 copies, change and outcome have nothing to do with each other. Sizes are
those of S1613 and TRIUMPH in order of magnitude (about 30 % respond; responders have twice the
copies of the others), no more: this is a test of the statistics, not a picture of a drug.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv import simulate
from ctcnv.genome import BUILDS
from ctcnv.schema import CHROMOSOMES, TRUTH_TRIAL
from ctcnv.simulate import Sample, Segment, Tumor
from ctcnv.synthetic import CENTROMERES_MB, ISOCHORE_BP, ISOCHORE_SD, MEAN_GC, smooth_noise

Floats = NDArray[np.float64]

#: Copies per tumor cell: median, spread in doublings, and what no tumor goes below or beyond.
MIDDLE_COPIES, COPIES_SD, COPIES_RANGE = 20.0, 1.0, (4.0, 128.0)
#: Tumor fraction at baseline: median, spread of its logarithm, and limits.
MIDDLE_FRACTION, FRACTION_SD, FRACTION_RANGE = 0.15, 0.6, (0.03, 0.6)
#: Response: its logarithm of odds at the middle, and per doubling of copies.
LOGIT, LOG_ODDS = -0.85, 1.5
#: Progression: median in days at the middle, and logarithm of the hazard per doubling.
MEDIAN_PFS, LOG_HAZARD = 120.0, -0.7
#: Days from progression to death on average, and when the last of the patients is seen.
MEAN_AFTER, FOLLOW_UP = 240.0, (200.0, 900.0)
#: Ratio of the tumor fraction on day 21: median over all, how far responders lie below it and the
#: others above (logarithm), and spread.
MIDDLE_RATIO, SHIFT, RATIO_SD = 0.45, 0.8, 0.5
#: The day of the second sample, with the days around it on which patients come.
DAY, OFF_BY = 21, (-1, 0, 0, 0, 1)
#: Chance that an arm is gained, and that it is lost; width of the amplicon.
GAINED, LOST, AMPLICON_BP = 0.2, 0.2, (500_000, 3_000_000)
#: Bases around the middle of a centromere that nobody can read.
CENTROMERE_BP = 3_000_000
#: Spread of the factor of an atom of 1 Mb that all libraries share.
FACTOR_SD = 0.03


@dataclass(frozen=True)
class Patient:
    """One patient with truth: the tumor, its copies of ERBB2, both fractions, and the outcome."""

    name: str
    sex: str
    tumor: Tumor
    copies: float
    fractions: tuple[float, float]
    day: int
    p_response: float
    response: str
    pfs: tuple[int, bool]
    os: tuple[int, bool]


def atoms(*, size_bp: int, rng: np.random.Generator) -> pd.DataFrame:
    """Atoms of hg38 with the GC of isochores: chrom, start, end, gc (NaN at centromeres), callable.

    The last atom of a chromosome reaches beyond its end, as in a wig.
    """
    lengths = next(build for build in BUILDS if build.name == "hg38").lengths
    parts = []
    for key in CHROMOSOMES:
        start = np.arange(0, lengths[key], size_bp, dtype=np.int64)
        noise = smooth_noise(len(start), max(ISOCHORE_BP / size_bp, 1), rng)
        gc = np.round(MEAN_GC[key] + ISOCHORE_SD * noise, 4)
        inside = np.abs(start + size_bp / 2 - CENTROMERES_MB[key] * 1e6) < CENTROMERE_BP / 2
        parts.append(pd.DataFrame({
            "chrom": f"chr{key}", "start": start, "end": start + size_bp,
            "gc": np.where(inside, np.nan, gc), "callable": np.where(inside, 0.0, 1.0),
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def factor(bins: pd.DataFrame, rng: np.random.Generator) -> Floats:
    """What every library shares at each atom, (n,): the panel of normals has to learn it."""
    size = float(np.median(bins["end"] - bins["start"]))
    return np.exp(rng.normal(0, FACTOR_SD * np.sqrt(1e6 / size), len(bins)))


def tumor(genes: pd.DataFrame, *, copies: float, rng: np.random.Generator) -> Tumor:
    """Arms gained and lost by chance, some twice, and an amplicon of ERBB2 on top."""
    lengths = next(build for build in BUILDS if build.name == "hg38").lengths
    segments = []
    for key in CHROMOSOMES[:22]:
        middle = int(CENTROMERES_MB[key] * 1e6)
        for start, end in ((0, middle), (middle, lengths[key])):
            drawn = rng.random()
            if drawn < GAINED:
                segments.append(Segment(f"chr{key}", start, end, 4.0 if drawn < GAINED / 4 else 3))
            elif drawn < GAINED + LOST:
                segments.append(Segment(f"chr{key}", start, end, 1.0))
    width = int(np.exp(rng.uniform(*np.log(AMPLICON_BP))))
    segments.append(simulate.amplicon(genes, "ERBB2", width_bp=width, copies=copies))
    return Tumor(tuple(segments))


def patients(
    n: int, *, effect: float, genes: pd.DataFrame, rng: np.random.Generator
) -> list[Patient]:
    """Draw ``n`` patients; ValueError when n is below 1 or the effect is not a number."""
    if n < 1 or not np.isfinite(effect):
        raise ValueError(f"{n} patients with an effect of {effect}; give one or more, and a number")
    digits = max(len(str(n)), 2)
    return [_patient(f"T{i:0{digits}d}", effect, genes, rng) for i in range(1, n + 1)]


def _patient(name: str, effect: float, genes: pd.DataFrame, rng: np.random.Generator) -> Patient:
    sex = "female" if rng.random() < 0.5 else "male"
    doublings = float(np.log2(np.clip(
        MIDDLE_COPIES * 2 ** rng.normal(0, COPIES_SD), *COPIES_RANGE) / MIDDLE_COPIES
    ))  # fmt: skip
    copies = round(MIDDLE_COPIES * 2**doublings, 2)
    p_response = float(1 / (1 + np.exp(-(LOGIT + effect * LOG_ODDS * doublings))))
    responds = bool(rng.random() < p_response)
    first = float(np.clip(MIDDLE_FRACTION * np.exp(rng.normal(0, FRACTION_SD)), *FRACTION_RANGE))
    shift = effect * SHIFT * (-1 if responds else 1)
    ratio = float(np.exp(rng.normal(np.log(MIDDLE_RATIO) + shift, RATIO_SD)))
    kinds, share = (("CR", "PR"), (0.1, 0.9)) if responds else (("SD", "PD"), (0.6, 0.4))
    hazard = np.log(2) / MEDIAN_PFS * np.exp(effect * LOG_HAZARD * doublings)
    progression = DAY + 2 + rng.exponential(1 / hazard)
    death = progression + rng.exponential(MEAN_AFTER)
    seen = rng.uniform(*FOLLOW_UP)
    return Patient(
        name, sex, tumor(genes, copies=copies, rng=rng), copies,
        (round(first, 5), round(min(first * ratio, FRACTION_RANGE[1]), 5)),
        DAY + int(rng.choice(OFF_BY)), p_response, str(rng.choice(kinds, p=share)),
        _observed(progression, seen), _observed(death, seen),
    )  # fmt: skip


def _observed(event: float, seen: float) -> tuple[int, bool]:
    """Days and whether it happened, of an event that is only seen up to a day."""
    return max(round(min(event, seen)), 1), bool(event <= seen)


def samples(
    people: Sequence[Patient], *, normals: int, fragments: int, rng: np.random.Generator
) -> list[Sample]:
    """The healthy donors, and two samples of each patient, each with a library of its own."""
    found = [
        Sample(f"N{i:02d}", None, None, "male" if i % 2 else "female", None, 0.0,
               simulate.random_library(fragments, rng))
        for i in range(1, normals + 1)
    ]  # fmt: skip
    for person in people:
        for day, fraction in zip((0, person.day), person.fractions, strict=True):
            found.append(Sample(
                f"{person.name}_d{day}", person.name, day, person.sex, person.tumor, fraction,
                simulate.random_library(fragments, rng),
            ))  # fmt: skip
    return found


def clinical(people: Sequence[Patient]) -> list[Mapping[str, object]]:
    """The rows of the clinical table: patient, response, PFS and OS."""
    return [
        {"patient": p.name, "response": p.response, "pfs_days": p.pfs[0],
         "pfs_event": int(p.pfs[1]), "os_days": p.os[0], "os_event": int(p.os[1])}
        for p in people
    ]  # fmt: skip


def truth(people: Sequence[Patient]) -> pd.DataFrame:
    """The TRUTH_TRIAL table: what the clinical table was drawn from."""
    rows = [
        (p.name, p.copies, *p.fractions, p.fractions[1] / p.fractions[0], p.p_response,
         p.response in ("CR", "PR"))
        for p in people
    ]  # fmt: skip
    return TRUTH_TRIAL.check(pd.DataFrame(rows, columns=TRUTH_TRIAL.names))
