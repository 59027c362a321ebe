"""Believable tables of one patient, for looking at reports and figures without running anything.

The numbers follow the model (ratio = (TF*C + 2*(1-TF)) / (TF*P + 2*(1-TF)), Poisson counts), the
calls a few rough rules; nothing here is tested against the truth.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ctcnv import schema
from ctcnv.schema import chrom_key

NAN = float("nan")
# lengths of hg38 in Mb
LENGTHS = dict(
    zip(
        schema.CHROMOSOMES,
        (249, 242, 198, 190, 182, 171, 159, 145, 138, 134, 135, 133, 114, 107, 102, 90, 83, 80, 59,
         64, 47, 51, 156, 57),
        strict=True,
    )
)  # fmt: skip
GENES = (
    ("ERBB2", "17", 39.69, 39.73), ("CDK12", "17", 39.46, 39.57), ("TOP2A", "17", 40.39, 40.42),
    ("RARA", "17", 40.31, 40.36), ("EGFR", "7", 55.02, 55.21), ("MET", "7", 116.67, 116.80),
    ("KRAS", "12", 25.20, 25.25), ("BRAF", "7", 140.72, 140.92), ("PIK3CA", "3", 179.15, 179.24),
    ("MYC", "8", 127.74, 127.74), ("CCND1", "11", 69.64, 69.65), ("CCNE1", "19", 29.81, 29.82),
    ("FGFR1", "8", 38.40, 38.47), ("FLT3", "13", 28.00, 28.10), ("GNAS", "20", 58.84, 58.91),
    ("AURKA", "20", 56.37, 56.39),
)  # fmt: skip
EVENTS = (
    ("1", 145, 249, 3), ("8", 0, 40, 1), ("8", 60, 145, 4), ("13", 20, 114, 3), ("17", 0, 22, 1),
    ("18", 0, 80, 1), ("20", 30, 64, 4), ("5", 100, 140, 1),
)  # fmt: skip
AMPLICON = (39.3, 40.1)
AMPLIFIED = 6.0


@dataclass(frozen=True)
class Point:
    """One time point: day, true tumor fraction, and how deep it is."""

    day: int
    fraction: float
    fragments: int = 12_000_000
    failed: bool = False


@dataclass(frozen=True)
class Fake:
    """The tables of one sample with their preambles, by table name."""

    name: str
    tables: dict[str, tuple[pd.DataFrame, dict[str, str]]]


@dataclass(frozen=True)
class FakePatient:
    """A patient: the track and its samples."""

    name: str
    track: tuple[pd.DataFrame, dict[str, str]]
    samples: tuple[Fake, ...]


def patient(
    name: str = "P01",
    points: Sequence[Point] = (Point(0, 0.30), Point(21, 0.04)),
    *,
    copies: float = 40.0,
    events: Sequence[tuple[str, int, int, int]] = EVENTS,
    atom_bp: int = 250_000,
    scale: int = 1,
    seed: int = 7,
) -> FakePatient:
    """A patient whose tumor has the events and this many copies of ERBB2."""
    rng = np.random.default_rng(seed)
    samples = []
    rows = []
    for point in points:
        sample = f"{name}_d{point.day:03d}"
        fake, row = _sample(sample, name, point, copies, events, atom_bp, scale, rng)
        samples.append(fake)
        rows.append(row)
    track = _track(rows)
    meta = {"patient": name, **_settings("track"), "ctcnv.version": "0.0.0"}
    return FakePatient(name, (schema.TRACK.check(track), meta), tuple(samples))


@functools.cache
def cases(atom_bp: int = 250_000) -> dict[str, FakePatient]:
    """The cases a report must tell well, by name."""

    def made(*given, **more):
        return patient(*given, **{"atom_bp": atom_bp} | more)

    return {
        "responder": made(),
        "increase": made("P02", (Point(0, 0.06), Point(20, 0.11), Point(63, 0.2)), copies=2.0),
        "unclear": made(
            "P03", (Point(0, 0.0, 900_000), Point(22, 0.0, 700_000)), copies=2.0, events=()
        ),
        "single": made("P04", (Point(21, 0.22),), copies=9.0),
        "failed": made("P05", (Point(0, 0.3, 9000, failed=True),)),
        "mixed": made("P06", (Point(-3, 0.3), Point(21, 0.05, 8000, failed=True))),
        "six": made(
            "P07",
            (Point(-7, 0.41), Point(8, 0.22), Point(21, 0.02), Point(42, 0.004, 5_000_000),
             Point(84, 0.05), Point(126, 0.33)),
            copies=22.0,
        ),
        "scaled": made("P08", atom_bp=10_000, scale=20),
    }  # fmt: skip


def write(fake: FakePatient, folder: Path) -> dict[str, list[Path]]:
    """The tables as files, by name; one list per table in the order of the samples."""
    from ctcnv.io import tables

    paths: dict[str, list[Path]] = {}
    for sample in fake.samples:
        for name, (frame, meta) in sample.tables.items():
            suffix = "tsv.gz" if name == "profile" else "tsv"
            path = folder / sample.name / f"{name}.{suffix}"
            tables.write(path, schema.TABLES[name], frame, meta=meta)
            paths.setdefault(name, []).append(path)
    path = folder / "track.tsv"
    tables.write(path, schema.TRACK, fake.track[0], meta=fake.track[1])
    return {**paths, "track": [path]}


def _settings(*sections: str) -> dict[str, str]:
    return {f"settings.{name}": json.dumps(_config()[name], sort_keys=True) for name in sections}


@functools.cache
def _config():
    path = Path(__file__).parent.parent / "config" / "config.yaml"
    return yaml.safe_load(path.read_text())


def _sample(sample, patient, point, copies, events, atom_bp, scale, rng):
    profile = _profile(point, copies, events, atom_bp, scale, rng)
    meta = {"ctcnv.version": "0.0.0", "sample": sample, "bins": "0123456789abcdef"}
    fragments = int(profile["observed"].sum())
    fraction = _fraction(sample, point)
    status = fraction["status"]
    tumor = {"fraction": fraction["fraction"], "status": status}
    segments = _segments(profile, point, copies, events, scale)
    genes = _genes(profile, point, copies, events, scale, tumor)
    erbb2 = genes.iloc[0]
    detected = status == "detected"
    solutions = pd.DataFrame(
        [
            (1, point.fraction, 2.1, 0.83, copies),
            (2, point.fraction * 0.62, 3.4, 0.17, copies * 1.7),
        ] if detected else [],
        columns=schema.SOLUTIONS.names,
    )  # fmt: skip
    qc = pd.DataFrame([{
        "sample": sample, "patient": patient, "role": "plasma", "day": point.day,
        "status": "failed" if point.failed else "ok" if detected else "warn",
        "reason": "fewer than 20,000 fragments" if point.failed
        else None if detected else "tumor fraction below the limit of detection",
        "reads": int(fragments * 2.31), "fragments": fragments,
        "depth": fragments * 167 / (sum(LENGTHS.values()) * 1e6 / scale), "duplicates": 0.06,
        "median_length": 167.0, "short_share": 0.19 + point.fraction / 5,
        "noise": NAN if point.failed else 1.12, "sex": None if point.failed else "female",
        "declared_sex": "female", "fraction": fraction["fraction"],
        "fraction_status": status, "erbb2_call": erbb2["call"],
    }])  # fmt: skip
    tables = {
        "profile": (profile, {
            **meta, "sex": "unknown" if point.failed else "female", "fragments": str(fragments),
            "noise": "nan" if point.failed else "1.12", "n_normals": "8", "pon": "89ab4f00c0ffee11",
            **_settings("normalize"),
        }),
        "segments": (segments, {**meta, **_settings("segment")}),
        "fraction": (pd.DataFrame([fraction]), {**meta, **_settings("fraction")}),
        "solutions": (solutions, {**meta, **_settings("fraction")}),
        "genes": (genes, {**meta, **_settings("genes")}),
        "qc": (qc, meta),
    }  # fmt: skip
    checked = {k: (schema.TABLES[k].check(frame), m) for k, (frame, m) in tables.items()}
    row = {"sample": sample, "day": point.day, "fraction": fraction, "erbb2": erbb2}
    return Fake(sample, checked), row


def _copies_at(chrom, position_mb, copies, events):
    if chrom == "17" and AMPLICON[0] <= position_mb < AMPLICON[1]:
        return copies
    for name, start, end, state in events:
        if name == chrom and start <= position_mb < end:
            return float(state)
    return 2.0


def _ratio(tumor, fraction, ploidy=2.1):
    return (fraction * tumor + 2 * (1 - fraction)) / (fraction * ploidy + 2 * (1 - fraction))


def _profile(point, copies, events, atom_bp, scale, rng):
    parts = []
    for name, length in LENGTHS.items():
        starts = np.arange(0, length * 1_000_000 // scale, atom_bp)
        parts.append(pd.DataFrame({
            "chrom": f"chr{name}", "start": starts,
            "end": np.minimum(starts + atom_bp, length * 1_000_000 // scale),
        }))  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    short = frame["chrom"].map(chrom_key)
    normal = np.where(short == "Y", 0, 2)
    middle = (frame["start"] + frame["end"]) / 2e6 * scale
    truth = np.array([
        _copies_at(c, m, copies, events) for c, m in zip(short, middle, strict=True)
    ])  # fmt: skip
    expected = point.fragments * (frame["end"] - frame["start"]) * scale / 3.05e9
    lam = expected * _ratio(truth, point.fraction) * rng.lognormal(0, 0.02, len(frame))
    frame["observed"] = np.where(normal > 0, rng.poisson(lam), 0)
    frame["expected"] = np.where(normal > 0, expected * rng.lognormal(0, 0.15, len(frame)), np.nan)
    frame["observed"] = (frame["observed"] * frame["expected"].fillna(0) / expected).round()
    frame["normal_copies"] = normal
    frame["reason"] = pd.Series(np.where(normal > 0, None, "not in this sex"), dtype=object)
    out = (rng.random(len(frame)) < 0.05) & (short != "17")
    frame.loc[out, "expected"] = np.nan
    frame.loc[out, "reason"] = "mappability"
    if point.failed:
        frame["expected"] = np.nan
        frame["reason"] = "sample failed"
    return frame[schema.PROFILE.names]


def _observed(profile, chrom, start, end):
    middle = (profile["start"] + profile["end"]) / 2
    inside = (profile["chrom"] == f"chr{chrom}") & (middle >= start) & (middle < end)
    part = profile[inside & profile["expected"].notna()]
    return len(part), float(part["observed"].sum()), float(part["expected"].sum())


def _segments(profile, point, copies, events, scale):
    rows = []
    for name, length in LENGTHS.items():
        if name == "Y":
            continue
        cuts = {0.0, float(length)}
        for chrom, start, end, _ in events:
            cuts |= {float(start), float(end)} if chrom == name else set()
        if name == "17" and abs(point.fraction * (copies - 2)) > 0.3:
            cuts |= set(AMPLICON)
        ordered = sorted(cuts)
        for low, high in itertools.pairwise(ordered):
            start, end = int(low * 1e6 / scale), int(high * 1e6 / scale)
            n, observed, expected = _observed(profile, name, start, end)
            if n == 0:
                rows.append((f"chr{name}", start, end, 0, *(NAN,) * 6))
                continue
            ratio = observed / expected
            sd = np.sqrt(ratio / expected + (0.004 * ratio) ** 2)
            rows.append((f"chr{name}", start, end, n, observed, expected, ratio, np.log2(ratio),
                         ratio - 1.96 * sd, ratio + 1.96 * sd))  # fmt: skip
    return pd.DataFrame(rows, columns=schema.SEGMENTS.names)


def _fraction(sample, point):
    row = dict.fromkeys(schema.FRACTION.names, NAN)
    row |= {"sample": sample, "method": "copy-number posterior", "reason": None}
    lod = 0.03 if point.fragments > 2e6 else 0.09
    if point.failed:
        row |= {"status": "failed", "method": None,
                "reason": "fewer than 20,000 fragments: nothing can be said"}  # fmt: skip
    elif point.fraction < lod / 2:
        row |= {"fraction": 0.004, "low": 0.0, "high": lod * 0.9, "lob": lod / 2, "lod": lod,
                "p_tumor": 0.12, "p_value": 0.41, "status": "not_detected",
                "reason": "healthy plasma of this depth looks as much like tumor in 41 % of draws",
                }  # fmt: skip
    else:
        f = point.fraction
        row |= {"fraction": f, "low": f * 0.93 - 0.004, "high": f * 1.08 + 0.004, "ploidy": 2.1,
                "dna_fraction": f * 2.1 / (f * 2.1 + 2 * (1 - f)), "lob": lod / 2, "lod": lod,
                "p_tumor": 0.9999, "p_value": 0.0025, "status": "detected"}  # fmt: skip
    return row


def _genes(profile, point, copies, events, scale, tumor):
    rows = []
    for gene, chrom, start_mb, end_mb in GENES:
        start, end = int(start_mb * 1e6 / scale), int(end_mb * 1e6 / scale)
        pad = max(int(0.3e6 / scale), int(profile["end"].iloc[0]))
        n, observed, expected = _observed(profile, chrom, start - pad, end + pad)
        row = dict.fromkeys(schema.GENES.names, NAN)
        row |= {"gene": gene, "chrom": f"chr{chrom}", "start": start, "end": max(end, start + 1),
                "n_bins": n, "focal": None, "width": None, "width_low": None, "width_high": None,
                "reason": None}  # fmt: skip
        if point.failed:
            row |= {"call": "failed", "reason": "fewer than 20,000 fragments"}
            rows.append(row)
            continue
        if n == 0:
            row |= {"call": "failed", "reason": "no usable atom at the gene"}
            rows.append(row)
            continue
        ratio = observed / expected
        sd = float(np.sqrt(ratio / expected + 0.01**2))
        z = (ratio - 1) / sd
        row |= {"observed": observed, "expected": expected, "pcn": 2 * ratio,
                "pcn_low": 2 * ratio - 4 * sd, "pcn_high": 2 * ratio + 4 * sd, "z": z,
                "p_value": float(np.exp(-abs(z))), "q_value": float(np.exp(-abs(z)))}  # fmt: skip
        f = tumor["fraction"]
        truth = _copies_at(chrom, (start_mb + end_mb) / 2, copies, events)
        if tumor["status"] != "detected":
            row |= {"call": "indeterminate", "detectable_copies": 85.0 if gene == "ERBB2" else NAN,
                    "reason": "no tumor DNA was detected, so an amplification would not have "
                    "been seen"}  # fmt: skip
        else:
            found = 2 + (2 * ratio - 2) / f
            spread = 4 * sd / f + 0.06 * found
            far = abs(z) > 5
            call = "neutral"
            if far:
                call = "amplified" if found > AMPLIFIED else "gained" if z > 0 else "lost"
            row |= {"copies": max(found, 0.0), "copies_low": max(found - spread, 0.0),
                    "copies_high": found + spread if f > 0.05 else NAN, "arm_copies": 2.0,
                    "rest_ratio": 1.0, "reference_ratio": max(found, 0.1) / 2,
                    "centromere_ratio": max(found, 0.1) / 2, "call": call,
                    "p_amplified": float(found > AMPLIFIED),
                    "detectable_copies": 2 + 12 * sd / f,
                    "focal": (truth == copies and copies != 2) if far else None,
                    "p_focal": (0.9999 if truth == copies else 0.02) if far else NAN,
                    "width": int(0.8e6 / scale) if far and truth == copies else None,
                    "width_low": int(0.6e6 / scale) if far and truth == copies else None,
                    "width_high": int(0.9e6 / scale) if far and truth == copies else None,
                    "reason": f"z {z:.1f} in {n} atoms"}  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)[schema.GENES.names]


def _track(rows):
    out = []
    baseline = [row for row in rows if row["day"] <= 0][-1:] or rows[:1]
    baseline = baseline[0]
    for row in rows:
        fraction, erbb2 = row["fraction"], row["erbb2"]
        line = dict.fromkeys(schema.TRACK.names, NAN)
        line |= {
            "sample": row["sample"], "day": row["day"], "baseline": row is baseline,
            "status": fraction["status"], "fraction": fraction["fraction"],
            "fraction_low": fraction["low"], "fraction_high": fraction["high"],
            "lod": fraction["lod"], "profile": "not_evaluable", "censored": False,
            "identity": "baseline" if row is baseline else "not_evaluable",
            "erbb2_call": erbb2["call"], "erbb2_pcn": erbb2["pcn"],
            "erbb2_pcn_low": erbb2["pcn_low"], "erbb2_pcn_high": erbb2["pcn_high"],
            "erbb2_copies": erbb2["copies"], "erbb2_copies_low": erbb2["copies_low"],
            "erbb2_copies_high": erbb2["copies_high"],
        }  # fmt: skip
        if fraction["status"] == "detected":
            line |= {"profile": "template" if row is baseline else "same"}
            line |= {"informed": fraction["fraction"] * 0.98, "informed_p": 1e-9,
                     "informed_low": fraction["fraction"] * 0.9,
                     "informed_high": fraction["fraction"] * 1.07}  # fmt: skip
        elif fraction["status"] == "not_detected" and baseline["fraction"]["status"] == "detected":
            line |= {"informed": 0.006, "informed_low": 0.0, "informed_high": 0.012,
                     "informed_p": 0.2, "informed_lob": 0.004, "informed_lod": 0.009}  # fmt: skip
        if row is baseline:
            why = "baseline" if row["day"] <= 0 else (
                "stands in as baseline: no sample at or before day 0")  # fmt: skip
            line |= {"change": "baseline", "erbb2_change": "baseline",
                     "erbb2_copies_change": "baseline", "reason": why}  # fmt: skip
        else:
            line |= _change(line, row, baseline)
        out.append(line)
    return pd.DataFrame(out)[schema.TRACK.names]


def _change(line, row, baseline):
    first, now = baseline["fraction"], row["fraction"]
    line = {"change": "not_evaluable", "erbb2_change": "not_evaluable",
            "erbb2_copies_change": "not_evaluable"} | {"informed": line["informed"]}  # fmt: skip
    if now["status"] == "failed" or first["status"] != "detected":
        why = "this sample failed" if now["status"] == "failed" else "no tumor seen at baseline"
        part = f"ctDNA fraction: not evaluable, {why}"
    elif now["status"] == "not_detected":
        high = 0.012 / first["fraction"]
        line |= {"ratio": high / 2, "ratio_low": 0.0, "ratio_high": high, "change": "decrease"}
        part = f"ctDNA fraction: a fall of at least {1 - high:.0%}"
    else:
        ratio = now["fraction"] / first["fraction"]
        word = "decrease" if ratio < 0.7 else "increase" if ratio > 1.3 else "stable"
        line |= {"ratio": ratio, "ratio_low": ratio * 0.8, "ratio_high": ratio * 1.25,
                 "change": word}  # fmt: skip
        part = f"ctDNA fraction: {ratio:.2f} of baseline"
    a, b = baseline["erbb2"], row["erbb2"]
    if a["call"] in ("amplified", "gained") and b["call"] != "failed":
        excess = max(b["pcn"] - 2, 0) / (a["pcn"] - 2)
        line |= {"erbb2_ratio": excess, "erbb2_ratio_low": excess * 0.8,
                 "erbb2_ratio_high": excess * 1.25,
                 "erbb2_change": "decrease" if excess < 0.7 else "stable"}  # fmt: skip
        part += f"; ERBB2 excess copies: {excess:.2f} of baseline"
    else:
        part += "; ERBB2 excess copies: not evaluable, ERBB2 was not raised at baseline"
    return line | {"reason": part}
