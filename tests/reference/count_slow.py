"""Counting as plainly as it can be said: one loop over pysam's records."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pysam

from ctcnv.model import CountSettings
from ctcnv.schema import chrom_key


def count_slow(
    path: Path, atoms: pd.DataFrame, settings: CountSettings, *, reference: Path | None = None
) -> dict:
    """Fragments, short fragments, lengths and the fate of every read."""
    fragments = [0] * len(atoms)
    short = [0] * len(atoms)
    lengths = [0] * 1001
    fates: dict[str, int] = {}
    single_end = _is_single_end(path, settings, reference)
    by_chrom: dict[str, list] = {}
    for i, (chrom, start, end) in enumerate(
        zip(atoms["chrom"], atoms["start"], atoms["end"], strict=True)
    ):
        by_chrom.setdefault(chrom_key(chrom), []).append((start, end, i))

    for read in _records(path, reference):
        fate, atom, length = _fate(read, by_chrom, settings, single_end)
        fates[fate] = fates.get(fate, 0) + 1
        if fate in ("used", "length") and not single_end:
            lengths[min(length, 1000)] += 1
        if fate == "used":
            fragments[atom] += 1
            if not single_end and settings.short_min <= length <= settings.short_max:
                short[atom] += 1
    return {
        "fragments": fragments,
        "short": None if single_end else short,
        "lengths": None if single_end else lengths,
        "reads": fates,
        "single_end": single_end,
    }


def _fate(read, by_chrom, settings, single_end):
    if read.is_unmapped or read.reference_id < 0 or read.reference_start < 0:
        return "unmapped", None, None
    if read.is_secondary:
        return "secondary", None, None
    if read.is_supplementary:
        return "supplementary", None, None
    if read.is_qcfail:
        return "qc_fail", None, None
    if read.is_duplicate:
        return "duplicate", None, None
    if read.mapping_quality < settings.min_mapq:
        return "low_mapq", None, None

    length = abs(read.template_length)
    if single_end:
        if read.is_read2:
            return "mate", None, None
        end = read.reference_end if read.reference_end is not None else read.reference_start
        middle = (read.reference_start + end) // 2
    else:
        if not (read.is_paired and read.is_proper_pair) or read.mate_is_unmapped:
            return "not_proper_pair", None, None
        if read.next_reference_id != read.reference_id:
            return "not_proper_pair", None, None
        if read.reference_start > read.next_reference_start:
            return "mate", None, None
        if read.reference_start == read.next_reference_start and not read.is_read1:
            return "mate", None, None
        middle = read.reference_start + length // 2

    atom = None
    for start, end, i in by_chrom.get(chrom_key(read.reference_name), []):
        if start <= middle < end:
            atom = i
    if atom is None:
        return "other_contig", None, None
    if not single_end and not settings.min_length <= length <= settings.max_length:
        return "length", atom, length
    return "used", atom, length


def _is_single_end(path, settings, reference):
    if settings.single_end != "auto":
        return settings.single_end == "true"
    paired = []
    for read in _records(path, reference):
        dropped = read.is_unmapped or read.is_secondary or read.is_supplementary
        if not (dropped or read.is_qcfail or read.is_duplicate):
            paired.append(read.is_paired)
            if len(paired) == 10_000:
                break
    return bool(paired) and sum(paired) < len(paired) / 2


def _records(path, reference):
    before = pysam.set_verbosity(0)
    try:
        name = None if reference is None else str(reference)
        with pysam.AlignmentFile(str(path), check_sq=False, reference_filename=name) as opened:
            yield from opened.fetch(until_eof=True)
    finally:
        pysam.set_verbosity(before)
