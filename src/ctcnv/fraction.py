"""Tumor fraction and ploidy of one sample: is there tumor DNA, how much, and how sure.

For a tumor fraction T and a mean ploidy P a window of C copies has the ratio

    mu(C) = (T*C + 2*(1-T)) / (T*P + 2*(1-T))                       (design: "ratio")

``posterior`` weighs every (T, P) with the copy numbers summed over (``copystates``); ``detection``
compares the sample with healthy plasma of its depth and noise.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ctcnv import detection
from ctcnv.dispersion import Dispersion
from ctcnv.evidence import evidence, evidence_of, evidence_windows, without_isolated
from ctcnv.healthy import healthy_noise
from ctcnv.mixture import dna_fraction
from ctcnv.model import FractionSettings
from ctcnv.normals import Grid, Summed
from ctcnv.posterior import Posterior, posterior_surface, solutions
from ctcnv.schema import FRACTION, GRID, SOLUTIONS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FractionResult:
    """The three tables of the step; ``row`` lacks the sample's name."""

    row: dict[str, object]
    grid: pd.DataFrame
    solutions: pd.DataFrame


def estimate(
    profile: pd.DataFrame, *, dispersion: Dispersion, settings: FractionSettings,
    normals: tuple[Grid, Summed] | None,
) -> FractionResult:  # fmt: skip
    """Tumor fraction of a profile with interval, limits, status, surface and solutions.

    normals : windows and libraries of the panel's NORMALS table; None without a panel.
    """
    profile = without_isolated(profile, dispersion=dispersion, settings=settings)
    fine = evidence(profile, dispersion=dispersion, settings=settings,
                    max_windows=settings.max_windows)  # fmt: skip
    large = evidence_windows(profile, settings=settings, max_windows=detection.SCORE_WINDOWS)
    if fine is None or large is None:
        return failed("too few fragments or usable atoms")
    scored = evidence_of(large, dispersion=dispersion, breakpoints=settings.breakpoints)
    noise = healthy_noise(profile, large, dispersion=dispersion, normals=normals)
    arms = detection.arms_of(scored, noise)
    null = detection.null_scores(scored, noise, arms, settings=settings)
    score, _ = detection.detection_score(scored, arms, settings=settings)
    p_value = detection.tail_probability(score, null.scores)
    detected = p_value <= settings.false_positive
    posterior = posterior_surface(fine, settings=settings)
    odds = settings.prior_tumor / (1 - settings.prior_tumor) * np.exp(min(posterior.log_bayes, 500))
    p_tumor = float(odds / (1 + odds))
    modes = solutions(posterior) if detected else SOLUTIONS.empty()
    lod = detection.limit_of_detection(scored, noise, arms, null.scores, settings=settings)
    row = {
        **_interval(posterior, detected=detected, p_tumor=p_tumor),
        "lob": detection.limit_of_blank(null),
        "lod": lod,
        "p_tumor": p_tumor,
        "p_value": p_value,
        "status": "detected" if detected else "not_detected",
        "method": "copy number",
        "reason": None if detected else not_detected_reason(p_value, settings.false_positive),
    }
    if detected:
        row["ploidy"] = float(modes["ploidy"].iloc[0])
    else:
        # What was not detected may be as high as what would not have been; NaN when that is
        # unknown.
        row["high"] = float(np.maximum(_number(row["high"]), lod))
    log.info("tumor fraction %.4f (%.4f-%.4f), %s, p %.2g", row["fraction"], row["low"],
             row["high"], row["status"], p_value)  # fmt: skip
    grid = pd.DataFrame({"fraction": posterior.grid.fraction,
                         "ploidy": posterior.grid.ploidy,
                         "probability": posterior.probability})  # fmt: skip
    return FractionResult(row, grid[grid["probability"] > 1e-9].reset_index(drop=True), modes)


def _number(value: object) -> float:
    return float(str(value))


def failed(reason: str) -> FractionResult:
    """The outcome when nothing can be estimated: everything unknown, with the reason."""
    unknown = ("fraction", "low", "high", "ploidy", "dna_fraction", "lob", "lod", "p_tumor",
               "p_value")  # fmt: skip
    row: dict[str, object] = dict.fromkeys(unknown, float("nan"))
    row |= {"status": "failed", "method": None, "reason": reason}
    return FractionResult(row, GRID.empty(), SOLUTIONS.empty())


def table(result: FractionResult, *, sample: str) -> pd.DataFrame:
    """The FRACTION table of a result."""
    return pd.DataFrame([{"sample": sample, **result.row}], columns=FRACTION.names)


def not_detected_reason(p_value: float, level: float) -> str:
    """Why a sample is not detected, in words."""
    return (
        f"no genome-wide copy-number change beyond healthy plasma (p {p_value:.2g}, limit "
        f"{level:g}): the tumor fraction is below what this sample can show, or the tumor's "
        "genome is quiet"
    )


def _interval(posterior: Posterior, *, detected: bool, p_tumor: float) -> dict[str, object]:
    """Median and 95 % interval; where nothing is detected, zero keeps its share of the mass."""
    wanted = [0.025, 0.5, 0.975]
    if detected:
        low, middle, high = posterior.quantiles(wanted)
        of_dna = dna_fraction(posterior.grid.fraction, posterior.grid.ploidy)
        mean_dna = np.sum(posterior.probability * of_dna)
        return {"fraction": middle, "low": low, "high": high, "ploidy": float("nan"),
                "dna_fraction": float(mean_dna)}  # fmt: skip
    # What the test does not tell from healthy plasma may be none, however sure the surface is.
    inside = [(q - (1 - p_tumor)) / p_tumor if q > 1 - p_tumor else None for q in wanted[1:]]
    middle, high = (0.0 if q is None else float(posterior.quantiles([q])[0]) for q in inside)
    low = 0.0
    return {"fraction": middle, "low": low, "high": high, "ploidy": float("nan"),
            "dna_fraction": float("nan")}  # fmt: skip
