"""One sample's results in the shapes that other programs read: SEG, VCF, bedGraph, .cnr and .cns.

Nothing is decided anew and nothing is made up: what is not known is left out, or missing where the
format has a word for it. Coordinates come in 0-based and half-open; each function says what it
gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from ctcnv import display
from ctcnv.fraction import FractionResult
from ctcnv.genes import Cells, spread_of
from ctcnv.genome import find_build
from ctcnv.schema import SOLUTIONS, chrom_key
from ctcnv.segment import Z95

Array = NDArray[np.float64]

#: log2 that CNVkit gives to a bin without any read; its own readers know it.
CNVKIT_NO_READS = -20.0
#: Name that CNVkit gives to a bin without a gene.
CNVKIT_NO_GENE = "-"
#: Characters that a VCF field may hold as they are; the others are percent-encoded (VCF 4.4, 1.2).
VCF_SAFE = "-_.+/()[]{}!?@#$&*'|~^ "

VCF_HEADER = (
    '##ALT=<ID=DUP,Description="More copies than the mean ploidy of the sample">',
    '##ALT=<ID=DEL,Description="Fewer copies than the mean ploidy of the sample">',
    '##FILTER=<ID=PASS,Description="Tumor fraction is detected">',
    '##FILTER=<ID=not_detected,Description="The region differs from healthy plasma, but the '
    "tumor fraction of the sample is not detected: copies per tumor cell are not known\">",
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last base of the region">',
    '##INFO=<ID=SVLEN,Number=A,Type=Integer,Description="Length of the region">',
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="DUP or DEL, as in ALT">',
    '##INFO=<ID=SVCLAIM,Number=A,Type=String,Description="D: from the amount of DNA, not from '
    'breakpoints">',
    '##INFO=<ID=IMPRECISE,Number=0,Type=Flag,Description="Bounds are those of bins or of a gene">',
    '##INFO=<ID=EVIDENCE,Number=1,Type=String,Description="segment: a row of segments.tsv; gene: '
    'a row of genes.tsv, measured on its own bins">',
    '##INFO=<ID=GENE,Number=.,Type=String,Description="Tested genes in the region">',
    '##INFO=<ID=CALL,Number=1,Type=String,Description="Call of the gene: amplified, gained or '
    'lost">',
    '##FORMAT=<ID=CN,Number=1,Type=Float,Description="Copies per tumor cell, posterior median; '
    'missing where the tumor fraction is not detected">',
    '##FORMAT=<ID=CICN,Number=2,Type=Float,Description="95 % interval of CN; an upper bound may '
    'be missing where there is none">',
    '##FORMAT=<ID=PCN,Number=1,Type=Float,Description="Plasma copy number: ratio x copies of a '
    'normal cell">',
    '##FORMAT=<ID=CIPCN,Number=2,Type=Float,Description="95 % interval of PCN">',
)  # fmt: skip


def chromosome_lengths(profile: pd.DataFrame) -> dict[str, int]:
    """Length of each chromosome of a profile in bp, by its name there, in the profile's order.

    Bins made elsewhere may reach beyond the end of a chromosome: where they fit a known human
    build the lengths are the build's, else those of the bins.
    """
    ends = {
        str(chrom): int(end)
        for chrom, end in profile.groupby("chrom", sort=False)["end"].max().items()
    }
    if not ends:
        return ends
    size = int(np.median(profile["end"] - profile["start"]))
    build = find_build(ends) or find_build(ends, rounded_to=size)
    return ends if build is None else {name: build.lengths[chrom_key(name)] for name in ends}


def clip(frame: pd.DataFrame, lengths: Mapping[str, int]) -> pd.DataFrame:
    """The rows with no ``end`` beyond its chromosome's."""
    most = frame["chrom"].map(lengths).fillna(np.inf).to_numpy(dtype=float)
    return frame.assign(end=np.minimum(frame["end"].to_numpy(dtype=float), most).astype(np.int64))


def windows(profile: pd.DataFrame, *, fragments: int) -> pd.DataFrame:
    """Neighbouring atoms joined until half of the windows hold ``fragments`` expected ones.

    Gives chrom, start, end, observed, expected, ratio and pcn of the windows in which something is
    expected; chromosomes under the profile's names.
    """
    used = profile["expected"].to_numpy(dtype=float)
    used = used[used > 0]
    typical = float(np.median(used)) if len(used) else 1.0
    size = max(1, math.ceil(fragments / typical))
    names = {chrom_key(str(name)): str(name) for name in profile["chrom"].unique()}
    joined = display.windows(profile, atoms=size)
    joined = joined[joined["pcn"].notna()].reset_index(drop=True)
    return joined.assign(
        chrom=joined["chrom"].map(names).astype(object),
        ratio=joined["observed"].astype(float) / joined["expected"].astype(float),
    )


def seg(segments: pd.DataFrame, *, sample: str) -> pd.DataFrame:
    """The segments as IGV's SEG table: 1-based, end included, seg.mean the log2 ratio.

    Segments without a known log2 (nothing expected, or no fragment at all) are left out: the
    format has no word for them.
    """
    kept = segments[segments["log2"].notna()]
    return pd.DataFrame({
        "ID": sample, "chrom": kept["chrom"], "loc.start": kept["start"] + 1,
        "loc.end": kept["end"], "num.mark": kept["n_bins"], "seg.mean": kept["log2"],
    }).reset_index(drop=True)  # fmt: skip


def cnr(joined: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """The windows as CNVkit's bins (.cnr): 0-based, weight by expected fragments, at most 1.

    A window without a fragment has CNVkit's own log2 for it. There is no column ``depth``, which
    CNVkit does not need and which counts of fragments do not tell.
    """
    ratio = joined["ratio"].to_numpy(dtype=float)
    with np.errstate(divide="ignore"):
        log2 = np.where(ratio > 0, np.log2(ratio), CNVKIT_NO_READS)
    expected = joined["expected"].to_numpy(dtype=float)
    return pd.DataFrame({
        "chromosome": joined["chrom"], "start": joined["start"], "end": joined["end"],
        "gene": gene_names(joined, genes), "log2": log2,
        "weight": expected / expected.max(initial=0.0) if len(expected) else expected,
    })  # fmt: skip


def cns(segments: pd.DataFrame, genes: pd.DataFrame, *, unit: float) -> pd.DataFrame:
    """The segments as CNVkit's segments (.cns), with ``ci_lo`` and ``ci_hi`` of the log2 ratio.

    ``unit`` is the expected fragments of a bin of weight 1 (the largest window's). A lower bound
    of zero has no log2 and is missing; a segment without fragments has CNVkit's log2 for it.
    """
    kept = segments[segments["ratio"].notna()].reset_index(drop=True)
    log2, low, high = (kept[name].to_numpy(dtype=float) for name in ("log2", "low", "high"))
    with np.errstate(divide="ignore"):
        return pd.DataFrame({
            "chromosome": kept["chrom"], "start": kept["start"], "end": kept["end"],
            "gene": gene_names(kept, genes),
            "log2": np.where(np.isnan(log2), CNVKIT_NO_READS, log2),
            "ci_lo": np.where(low > 0, np.log2(low), np.nan),
            "ci_hi": np.where(high > 0, np.log2(high), np.nan),
            "probes": kept["n_bins"],
            "weight": kept["expected"].to_numpy(dtype=float) / unit,
        })  # fmt: skip


def gene_names(regions: pd.DataFrame, genes: pd.DataFrame) -> list[str]:
    """The tested genes that overlap each region, joined by commas, or CNVkit's word for none."""
    found: list[list[str]] = [[] for _ in range(len(regions))]
    keys = np.array([chrom_key(str(name)) for name in regions["chrom"]], dtype=object)
    start, end = (regions[name].to_numpy(dtype=np.int64) for name in ("start", "end"))
    for gene in display.rows(genes):
        inside = (keys == chrom_key(gene.chrom)) & (start < gene.end) & (end > gene.start)
        for index in np.flatnonzero(inside):
            found[index].append(gene.gene)
    return [",".join(names) or CNVKIT_NO_GENE for names in found]


@dataclass(frozen=True)
class Record:
    """One altered region: 0-based and half-open, copies per tumor cell NaN where not known."""

    chrom: str
    start: int
    end: int
    gained: bool
    genes: tuple[str, ...]
    call: str | None
    copies: tuple[float, float, float]
    pcn: tuple[float, float, float]


def records(
    segments: pd.DataFrame,
    genes: pd.DataFrame,
    profile: pd.DataFrame,
    fraction: Mapping[str, Any],
    grid: pd.DataFrame,
    *,
    false_positive: float,
) -> list[Record]:
    """The altered segments and genes of a sample by place; none of a sample that failed.

    A segment is altered when it differs from the sample's mean with a two-sided p of at most
    ``false_positive`` and, where the tumor fraction is detected, its copies lie half a copy or more
    beyond the mean ploidy, more likely than not: the rule of the gene calls, so that gained and
    lost mean the same everywhere.
    """
    if fraction["status"] == "failed":
        return []
    cells = None
    if fraction["status"] == "detected":
        cells = Cells.of(FractionResult(dict(fraction), grid, SOLUTIONS.empty()))
    found = [*_of_segments(segments, genes, profile, cells, false_positive), *_of_genes(genes)]
    keys = [chrom_key(str(name)) for name in profile["chrom"].unique()]
    return sorted(
        found, key=lambda r: (keys.index(chrom_key(r.chrom)), max(r.start, 1), r.end, r.call or "")
    )


def _of_segments(
    segments: pd.DataFrame,
    genes: pd.DataFrame,
    profile: pd.DataFrame,
    cells: Cells | None,
    false_positive: float,
) -> Iterator[Record]:
    known = segments[segments["ratio"].notna()].reset_index(drop=True)
    normal_copies = display.normal_copies(profile)
    for row, names in zip(display.rows(known), gene_names(known, genes), strict=True):
        # the upper half of the interval: the lower one ends at zero
        sd = (row.high - row.ratio) / Z95
        if sd <= 0 or 2 * ndtr(-abs(row.ratio - 1) / sd) > false_positive:
            continue
        normal = int(normal_copies[chrom_key(row.chrom)])
        copies = (math.nan,) * 3
        if cells is not None:
            found = cells.copies(spread_of(row.ratio, sd), normal)
            if not found.beyond_ploidy(gain=row.ratio > 1):
                continue
            low, middle, high = found.interval().tolist()
            copies = (middle, low, high)
        yield Record(
            row.chrom, row.start, row.end, row.ratio > 1,
            () if names == CNVKIT_NO_GENE else tuple(names.split(",")), None, copies,
            (normal * row.ratio, normal * row.low, normal * row.high),
        )  # fmt: skip


def _of_genes(genes: pd.DataFrame) -> Iterator[Record]:
    for gene in display.rows(genes[genes["call"].isin(["amplified", "gained", "lost"])]):
        yield Record(
            gene.chrom, gene.start, gene.end, gene.call != "lost", (gene.gene,), gene.call,
            (gene.copies, gene.copies_low, gene.copies_high),
            (gene.pcn, gene.pcn_low, gene.pcn_high),
        )  # fmt: skip


def vcf(
    found: list[Record],
    *,
    sample: str,
    lengths: Mapping[str, int],
    fraction: Mapping[str, Any],
    version: str,
    inputs: Mapping[str, str],
) -> str:
    """The records as VCF 4.4: POS is the base before the region, END its last base, both 1-based.

    A region that begins at the first base of a chromosome would have POS 0, which indexes do not
    take; it is written from the second base on. The reference base is not looked up and is N.
    ``inputs`` names the tables behind it with their sha256.
    """
    detected = fraction["status"] == "detected"
    lines = [
        "##fileformat=VCFv4.4",
        f"##source=ctcnv {version}",
        f"##ctcnv_status={fraction['status']}",
        *(f"##ctcnv_{key}={_value(fraction[key])}"
          for key in ("fraction", "low", "high", "lod", "ploidy")),
        *(f"##ctcnv_input.{name}=sha256:{digest}" for name, digest in inputs.items()),
        *(f"##contig=<ID={name},length={length}>" for name, length in lengths.items()),
        *VCF_HEADER,
        "\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT",
                   sample)),
    ]  # fmt: skip
    for record in found:
        position = max(record.start, 1)
        kind = "DUP" if record.gained else "DEL"
        info = [
            f"END={record.end}", f"SVLEN={record.end - position}", f"SVTYPE={kind}",
            "SVCLAIM=D", "IMPRECISE", f"EVIDENCE={'segment' if record.call is None else 'gene'}",
        ]  # fmt: skip
        names = ",".join(quote(name, safe=VCF_SAFE).replace(" ", "_") for name in record.genes)
        if names:
            info.append(f"GENE={names}")
        if record.call is not None:
            info.append(f"CALL={record.call}")
        value, low, high = (_value(number) for number in record.copies)
        seen, seen_low, seen_high = (_value(number) for number in record.pcn)
        lines.append("\t".join((
            record.chrom, str(position), names if record.call is not None else ".", "N",
            f"<{kind}>", ".", "PASS" if detected else "not_detected", ";".join(info),
            "CN:CICN:PCN:CIPCN", f"{value}:{low},{high}:{seen}:{seen_low},{seen_high}",
        )))  # fmt: skip
    return "\n".join(lines) + "\n"


def _value(number: float) -> str:
    return "." if pd.isna(number) else f"{number:.7g}"
