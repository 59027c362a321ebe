"""Common SNPs that the user names, and the reads of a BAM or CRAM that show them.

No list is shipped. Read are a VCF or BCF (plain or compressed; frequency of the alternative allele
in INFO/AF) and a BED with the columns chrom, start, end, ref, alt and frequency.
"""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysam

from ctcnv.count import find_contig
from ctcnv.io.reference import WRONG_VCF, quiet_htslib
from ctcnv.io.wig import read_text
from ctcnv.model import IdentitySettings
from ctcnv.schema import AUTOSOMES, SITES, chrom_key

BASES = frozenset("ACGT")
COLUMNS = ("chrom", "start", "ref", "alt", "frequency")
#: Flags of reads that are not looked at: unmapped, secondary, QC-fail, duplicate, supplementary.
SKIPPED = 0x4 | 0x100 | 0x200 | 0x400 | 0x800


def read(path: Path, *, settings: IdentitySettings) -> pd.DataFrame:
    """The sites of a VCF, BCF or BED that can be used: chrom, start (0-based), ref, alt, frequency.

    Kept are SNPs of one base each on chromosomes 1 to 22 whose rarer allele is frequent enough, the
    first of those that lie too near to each other. Raises ValueError that names the file, the row
    and what is wrong, or says that nothing is left.
    """
    bed = path.name.removesuffix(".gz").lower().endswith(".bed")
    rows = _of_bed(path) if bed else _of_vcf(path)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    rarer = np.minimum(frame["frequency"], 1 - frame["frequency"])
    order = {key: number for number, key in enumerate(AUTOSOMES)}
    place = frame["chrom"].map(lambda name: order.get(chrom_key(name), -1))
    frame = frame.assign(place=place)[(rarer >= settings.min_frequency) & (place >= 0)]
    frame = frame.sort_values(["place", "start"], kind="stable").reset_index(drop=True)
    kept, last = [], (-1, 0)
    for i, (chrom, start) in enumerate(zip(frame["place"], frame["start"], strict=True)):
        if chrom != last[0] or start - last[1] >= settings.min_distance_bp:
            kept.append(i)
            last = chrom, start
    if not kept:
        raise ValueError(
            f"{path}: no SNP on chromosomes 1 to 22 with a frequency of {settings.min_frequency:g} "
            "or more of its rarer allele"
        )
    return frame.loc[kept, list(COLUMNS)].reset_index(drop=True)


def _of_vcf(path: Path) -> list[tuple[str, int, str, str, float]]:
    rows = []
    with quiet_htslib():
        try:
            with pysam.VariantFile(str(path)) as file:
                if "AF" not in file.header.info:
                    raise ValueError(
                        f"{path}: its header has no INFO/AF; give the frequency of each "
                        "alternative allele there (bcftools +fill-tags)"
                    )
                for record in file:
                    alts, ref = record.alts or (), record.ref or ""
                    found = record.info.get("AF")
                    values = found if isinstance(found, tuple) else (found,)
                    if len(alts) != 1 or not {ref, alts[0]} <= BASES or values[0] is None:
                        continue
                    rows.append((record.chrom, record.start, ref, alts[0], float(values[0])))
        except WRONG_VCF as error:
            if str(error).startswith(str(path)):
                raise
            raise ValueError(f"{path}: neither a VCF nor a BED of sites ({error})") from None
    return rows


def _of_bed(path: Path) -> list[tuple[str, int, str, str, float]]:
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        cells = line.split("\t")
        try:
            chrom, start, end, ref, alt = cells[0], int(cells[1]), int(cells[2]), *cells[3:5]
            frequency = float(cells[5])
        except (IndexError, ValueError):
            raise ValueError(
                f"{path} line {number}: {line[:60]!r}; expected chrom, start, end, ref, alt and "
                "frequency, separated by tabs"
            ) from None
        if end != start + 1 or start < 0 or not {ref, alt} <= BASES or not 0 <= frequency <= 1:
            raise ValueError(
                f"{path} line {number}: {line[:60]!r}; expected one base (end = start + 1), ref "
                "and alt of A, C, G, T, and a frequency from 0 to 1"
            )
        rows.append((chrom, start, ref, alt, frequency))
    return rows


def seen(
    path: Path, sites: pd.DataFrame, *, reference: Path | None, settings: IdentitySettings
) -> pd.DataFrame:
    """The reads of a BAM or CRAM at sites (SITES): a row for each site with a read of ref or alt.

    The file is read once, without an index. Raises ValueError when none of the sites' sequences is
    in it, or it cannot be read.
    """
    with quiet_htslib():
        try:
            with pysam.AlignmentFile(
                str(path), "r", check_sq=False,
                reference_filename=None if reference is None else str(reference),
            ) as file:  # fmt: skip
                counts = _count(file, sites, settings, path)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{path}: htslib cannot read it ({error})") from None
    found = sites.assign(ref_reads=counts[:, 0], alt_reads=counts[:, 1])
    return SITES.check(found[counts.sum(axis=1) > 0].reset_index(drop=True))


def _count(
    file: Any, sites: pd.DataFrame, settings: IdentitySettings, path: Path
) -> np.ndarray[Any, np.dtype[np.int64]]:
    lengths = dict(zip(file.references, file.lengths, strict=True))
    numbers = {name: i for i, name in enumerate(file.references)}
    starts: dict[int, list[int]] = {}
    first: dict[int, int] = {}
    for chrom, part in sites.groupby("chrom", sort=False):
        name = find_contig(str(chrom), lengths)
        if name is not None:
            starts[numbers[name]] = part["start"].tolist()
            first[numbers[name]] = int(part.index[0])
    if not starts:
        raise ValueError(f"{path}: none of its sequences has a site; are they of this reference?")
    ref, alt = sites["ref"].tolist(), sites["alt"].tolist()
    counts = np.zeros((len(sites), 2), dtype=np.int64)
    for record in file.fetch(until_eof=True):
        own = starts.get(record.reference_id)
        if own is None or record.flag & SKIPPED or record.mapping_quality < settings.min_mapq:
            continue
        begin = record.reference_start
        i = bisect.bisect_left(own, begin)
        end = record.reference_end or begin
        if i == len(own) or own[i] >= end:
            continue
        sequence, quality = record.query_sequence, record.query_qualities
        if sequence is None:
            continue
        places = {at: where for where, at in record.get_aligned_pairs(matches_only=True)}
        for at in own[i : bisect.bisect_left(own, end)]:
            where, site = places.get(at), first[record.reference_id] + i
            i += 1
            if where is None or (quality is not None and quality[where] < settings.min_quality):
                continue
            counts[site, 0] += sequence[where] == ref[site]
            counts[site, 1] += sequence[where] == alt[site]
    return counts
