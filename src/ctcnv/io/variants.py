"""Mutations of a plasma sample: VCF, gzipped VCF or BCF, or a TSV, as one table.

Both count positions from 1; the table given back is 0-based and half-open. Nothing is left out
here but what is no small variant: what must not be used is kept with its reason, so that
``mutations.tsv`` accounts for every row of the file.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import logging
import math
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pysam

from ctcnv.io import tables
from ctcnv.io.reference import WRONG_VCF, quiet_htslib
from ctcnv.io.wig import read_text
from ctcnv.mutations import ORIGINS, VARIANT_COLUMNS
from ctcnv.protein import short
from ctcnv.schema import chrom_key

log = logging.getLogger(__name__)

#: Columns of a TSV: always, one of the two pairs, and optional ones.
REQUIRED = ("chrom", "pos", "ref", "alt", "depth")
COUNTS = ("alt_reads", "vaf")
OPTIONAL = ("gene", "origin", "protein")
#: INFO keys that may hold the gene, in order of preference; ANN and CSQ are looked at first.
GENE_KEYS = ("GENE", "Gene", "SYMBOL", "Gene.refGene", "GENEINFO")
#: The first fields of snpEff's ANN that are looked at; HGVS.p under the name that VEP gives it.
ANN_FIELDS = ("allele", "consequence", "impact", "symbol", "gene_id", "feature_type", "feature",
              "biotype", "rank", "hgvsc", "hgvsp")  # fmt: skip
#: Names, in lower case, under which annotators give an allele frequency in the population.
POPULATION_KEYS = frozenset({
    "gnomad_af", "gnomade_af", "gnomadg_af", "gnomad_exome_all", "gnomad_genome_all", "exac_all",
    "af_popmax", "popmax_af", "max_af", "1000g_all",
})  # fmt: skip
#: Alternatives that stand for "any other allele" in a VCF: no variant.
PLACEHOLDERS = ("<*>", "<NON_REF>", "*", ".")
_ALLELE = re.compile(r"^[ACGTNacgtn]+$")
#: Fields of which one must be there, or a VCF tells nothing of allele frequencies.
FREQUENCY_KEYS = ("AD", "AF", "FREQ")
_WANTED = "FORMAT AD (reads by allele), or AF with DP"


@dataclass(frozen=True)
class Variants:
    """The rows of a file, what its header says of the genome, and its sha256.

    frame : VARIANT_COLUMNS of :mod:`ctcnv.mutations`; lengths : bp of each sequence by
    :func:`ctcnv.schema.chrom_key`, empty when the file does not tell.
    """

    frame: pd.DataFrame
    lengths: Mapping[str, int]
    digest: str
    path: Path


def read(path: Path, *, sample: str) -> Variants:
    """The variants of one sample from a VCF, BCF or TSV, told apart by content.

    Raises ValueError that names file, row (of a VCF: its record, from 1), value and remedy; OSError
    when the file cannot be opened.
    """
    head = _head(path)
    if head.startswith((b"##fileformat=VCF", b"BCF")):
        rows, lengths = _read_vcf(path, sample)
    else:
        rows, lengths = list(_read_tsv(path)), {}
    seen: dict[tuple[str, int, str, str], int] = {}
    for row in rows:
        key = (chrom_key(row["chrom"]), row["start"], row["ref"].upper(), row["alt"].upper())
        if key in seen:
            raise ValueError(
                f"{path} row {row['row']}: {row['chrom']}:{row['start'] + 1} {row['ref']}>"
                f"{row['alt']} stands twice, first in row {seen[key]}; keep one of them"
            )
        seen[key] = row["row"]
    frame = pd.DataFrame(rows, columns=["row", *VARIANT_COLUMNS]).drop(columns="row")
    unknown = int(frame["gene"].isna().sum())
    log.info("%s: %d variants, gene not known for %d", path.name, len(frame), unknown)
    return Variants(frame, lengths, tables.sha256_file(path), path)


def require_genome(variants: Variants, bins: pd.DataFrame) -> None:
    """Refuse variants of another reference than that of the atoms.

    A sequence of the header whose length is off by more than an atom, or a variant beyond the end
    of its chromosome, is a ValueError that names it.
    """
    ends, widths = {}, {}
    for chrom, part in bins.groupby("chrom", sort=False):
        ends[chrom_key(str(chrom))] = int(part["end"].max())
        widths[chrom_key(str(chrom))] = int((part["end"] - part["start"]).max())
    remedy = "call variants on the reference of the run, or lift them over"
    for key, length in variants.lengths.items():
        if key in ends and abs(length - ends[key]) > widths[key]:
            raise ValueError(
                f"{variants.path}: its chromosome {key} has {length:,} bp, that of the atoms "
                f"{ends[key]:,}; {remedy}"
            )
    for chrom, start in zip(variants.frame["chrom"], variants.frame["start"], strict=True):
        if start >= ends.get(chrom_key(chrom), math.inf):
            raise ValueError(
                f"{variants.path}: {chrom}:{start + 1} lies beyond the end of the chromosome "
                f"({ends[chrom_key(chrom)]:,}); {remedy}"
            )


def with_genes(variants: pd.DataFrame, gene_table: pd.DataFrame) -> pd.DataFrame:
    """The variants with the gene of the table at their place where the file names none."""
    genes = [
        (chrom_key(str(gene["chrom"])), int(gene["start"]), int(gene["end"]), str(gene["gene"]))
        for gene in gene_table.to_dict("records")
    ]
    found = []
    for given, chrom, start in zip(
        variants["gene"], variants["chrom"], variants["start"], strict=True
    ):
        key = chrom_key(chrom)
        here = (name for on, low, high, name in genes if on == key and low <= start < high)
        found.append(given if given is not None else next(here, None))
    return variants.assign(gene=pd.Series(found, dtype=object, index=variants.index))


def _head(path: Path) -> bytes:
    """The first bytes of what a plain or gzipped file holds; empty when it is damaged."""
    with path.open("rb") as handle:
        start = handle.read(65536)
    if start[:2] != b"\x1f\x8b":
        return start
    try:
        return zlib.decompressobj(wbits=31).decompress(start, 64)
    except zlib.error as error:
        raise ValueError(f"{path}: damaged ({error}); make it again") from None


# VCF -------------------------------------------------------------------------------------------


def _read_vcf(path: Path, sample: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    rows: list[dict[str, Any]] = []
    number = 0
    with quiet_htslib():
        _require_whole(path)
        try:
            with _seekable(path) as readable, pysam.VariantFile(str(readable)) as reader:
                column = _sample_column(path, list(reader.header.samples), sample)
                annotation = _annotation_fields(reader.header)
                lengths = {
                    chrom_key(str(name)): int(contig.length)
                    for name, contig in reader.header.contigs.items()
                    if contig.length
                }
                for number, record in enumerate(reader, start=1):
                    rows.extend(_of_record(path, number, record, column, annotation))
        except WRONG_VCF as error:
            if str(error).startswith(str(path)):
                raise
            raise ValueError(
                f"{path} row {number + 1}: not a readable VCF record ({error}); check the file "
                "with bcftools view"
            ) from None
    if rows and not any(row["told"] for row in rows):
        raise ValueError(
            f"{path}: no variant has an allele frequency; call variants so that the VCF has "
            f"{_WANTED}"
        )
    return rows, lengths


@contextlib.contextmanager
def _seekable(path: Path) -> Iterator[Path]:
    """The file, or for the time being a copy of it when it was compressed by gzip, which htslib
    cannot read as a VCF, and not by bgzip."""
    with path.open("rb") as handle:
        start = handle.read(16)
    if start[:2] != b"\x1f\x8b" or start[12:14] == b"BC":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "variants.vcf"
        with gzip.open(path, "rb") as packed, copy.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        yield copy


def _require_whole(path: Path) -> None:
    """Refuse a compressed file that is cut off; htslib would read it to the cut and be silent."""
    with path.open("rb") as handle:
        if handle.read(2) != b"\x1f\x8b":
            return
        handle.seek(0)
        try:
            with gzip.GzipFile(fileobj=handle) as packed:
                while packed.read(1 << 20):
                    pass
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: damaged ({error}); make it again") from None


def _sample_column(path: Path, names: Sequence[str], sample: str) -> str | None:
    """The column of the sample: the only one, or the one of its name; None without any."""
    if len(names) <= 1:
        return names[0] if names else None
    if sample in names:
        return sample
    raise ValueError(
        f"{path}: has {len(names)} samples ({', '.join(map(str, names[:5]))}) and none is named "
        f"{sample!r}; rename it, or write a VCF of this sample alone"
    )


def _annotation_fields(header: Any) -> list[str]:
    """The names of the parts of VEP's CSQ, in lower case; empty without it."""
    if "CSQ" not in header.info:
        return []
    described = str(header.info["CSQ"].description)
    _, _, fields = described.partition("Format: ")
    return [name.strip().lower() for name in fields.strip(' "').split("|")]


def _of_record(
    path: Path, number: int, record: Any, column: str | None, annotation: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """One row for each alternative of a record."""
    info = dict(record.info)
    data = dict(record.samples[column]) if column is not None else info
    filters = [name for name in record.filter if name != "PASS"]
    for index, alt in enumerate(record.alts or ()):
        if alt in PLACEHOLDERS:
            continue
        where = f"{path} row {number} ({record.chrom}:{record.pos} {record.ref}>{alt})"
        if record.pos < 1:
            raise ValueError(f"{where}: position {record.pos}; positions are counted from 1")
        depth, alt_reads = _reads(where, data, index, len(record.alts))
        reason = None
        if filters:
            reason = f"FILTER is {','.join(filters)}"
        elif not (_ALLELE.match(alt) and _ALLELE.match(record.ref)):
            reason = "not a small variant"
        parts = _annotations(info, annotation, alt, len(record.alts))
        yield {
            "row": number, "chrom": record.chrom, "start": record.pos - 1,
            "end": record.pos - 1 + len(record.ref), "ref": record.ref, "alt": alt,
            "gene": _gene(info, parts), "origin": "somatic" if "SOMATIC" in info else None,
            "depth": depth, "alt_reads": alt_reads,
            "population": _population(info, parts, index), "reason": reason,
            "protein": _protein(parts),
            "told": any(key in data for key in FREQUENCY_KEYS),
        }  # fmt: skip


def _reads(
    where: str, data: Mapping[str, Any], index: int, n_alts: int
) -> tuple[int | None, int | None]:
    """Depth and reads of an alternative: from AD, else from AF and DP; None where not told."""
    by_allele = [_number(value) for value in _many(data.get("AD"))]
    total = _number(_first(data.get("DP")))
    alt = depth = None
    if len(by_allele) == n_alts + 1 and None not in by_allele:
        # Reads that support an allele: the others are no evidence for or against it.
        known = [float(value) for value in by_allele if value is not None]
        depth, alt = sum(known), known[index + 1]
    elif len(by_allele) == n_alts and "RD" in data:
        # VarScan: AD is the alternative's alone, RD the reference's.
        reference = _number(_first(data.get("RD")))
        if reference is not None and None not in by_allele:
            alt = float(str(by_allele[index]))
            depth = reference + sum(float(str(value)) for value in by_allele)
    else:
        shares = [_share(value) for value in _many(data.get("AF", data.get("FREQ")))]
        share = shares[index] if index < len(shares) else None
        depth = total
        if share is not None:
            if not 0 <= share <= 1:
                raise ValueError(f"{where}: AF is {share:g}; give a fraction of 0 to 1")
            alt = None if total is None else float(round(share * total))
    if depth is None or alt is None:
        return (None if depth is None else int(depth)), None
    if not 0 <= alt <= depth:
        raise ValueError(
            f"{where}: {alt:g} reads of the alternative at a depth of {depth:g}; check AD and DP"
        )
    return int(depth), int(alt)


def _many(value: Any) -> list[Any]:
    """The values of a field as a list."""
    if value is None:
        return []
    if isinstance(value, tuple | list):
        return list(value)
    return str(value).split(",") if isinstance(value, str) else [value]


def _first(value: Any) -> Any:
    found = _many(value)
    return found[0] if found else None


def _number(value: Any) -> float | None:
    """A finite number, or None; a field that the header does not describe comes as text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _share(value: Any) -> float | None:
    """A fraction; ``12.3%`` as VarScan writes it is 0.123."""
    text = str(value)
    if text.endswith("%"):
        number = _number(text[:-1])
        return None if number is None else number / 100
    return _number(value)


def _annotations(
    info: Mapping[str, Any], fields: Sequence[str], alt: str, n_alts: int
) -> list[dict[str, str]]:
    """Transcript annotations of an alternative, from CSQ (VEP) or ANN (snpEff), in their order."""
    if fields and "CSQ" in info:
        rows = [dict(zip(fields, one.split("|"), strict=False)) for one in _many(info["CSQ"])]
    elif "ANN" in info:
        rows = [dict(zip(ANN_FIELDS, one.split("|"), strict=False)) for one in _many(info["ANN"])]
    else:
        return []
    # VEP shortens the allele of an insertion or deletion; with one alternative all rows are its.
    same = [row for row in rows if row.get("allele") == alt]
    return same or (rows if n_alts == 1 else [])


def _gene(info: Mapping[str, Any], parts: Iterable[Mapping[str, str]]) -> str | None:
    """The gene of an alternative, or None."""
    for part in parts:
        if part.get("symbol"):
            return part["symbol"]
    for key in GENE_KEYS:
        if text := str(_first(info.get(key)) or ""):
            name = re.split(r"[:|;,\\]", text)[0].strip()
            if name and name != ".":
                return name
    if "FUNCOTATION" in info and (text := str(_first(info["FUNCOTATION"]) or "")):
        return text.lstrip("[").split("|")[0] or None
    return None


def _protein(parts: Sequence[Mapping[str, str]]) -> str | None:
    """The change of the protein of an alternative, of the first transcript of its gene that tells
    one; None where none does."""
    gene = next((part["symbol"] for part in parts if part.get("symbol")), None)
    told = (part.get("hgvsp") for part in parts if part.get("symbol") == gene)
    return next(filter(None, (short(text) for text in told if text)), None)


def _population(
    info: Mapping[str, Any], parts: Sequence[Mapping[str, str]], index: int
) -> float | None:
    """The largest allele frequency in a population that the file tells; None when it tells none.

    COMMON=1 (dbSNP) counts as 0.01, its definition; being listed in dbSNP counts as nothing,
    because hot spots of cancer are listed there.
    """
    found = []
    for key, value in info.items():
        if key.lower() in POPULATION_KEYS:
            values = _many(value)
            found.append(_number(values[index] if index < len(values) else _first(value)))
    for part in parts:
        found += [_number(value) for key, value in part.items() if key in POPULATION_KEYS]
    if "POPAF" in info:  # Mutect2: minus log10
        values = [_number(value) for value in _many(info["POPAF"])]
        if index < len(values) and values[index] is not None:
            found.append(10 ** -float(str(values[index])))
    if str(_first(info.get("COMMON"))) == "1":
        found.append(0.01)
    known = [value for value in found if value is not None]
    return max(known, default=None)


# TSV -------------------------------------------------------------------------------------------


def _read_tsv(path: Path) -> Iterator[dict[str, Any]]:
    text = read_text(path)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("##")]
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    header = [name.strip() for name in rows[0]] if rows else []
    if header:
        header[0] = header[0].lstrip("\ufeff#")
    by = _check_header(path, header)
    for number, cells in enumerate(rows[1:], start=1):
        where = f"{path} row {number}"
        if len(cells) > len(header):
            raise ValueError(
                f"{where}: {len(cells)} cells under {len(header)} columns; cells are separated by "
                "one tab"
            )
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        yield {"row": number, **_of_cells(where, values, by)}


def _check_header(path: Path, header: Sequence[str]) -> str:
    """The column that tells the reads of the alternative; ValueError for a wrong header."""
    expected = (
        f"{', '.join(REQUIRED)}, one of {' and '.join(COUNTS)}, and if you like "
        f"{', '.join(OPTIONAL)}"
    )
    for name in header:
        if name not in (*REQUIRED, *COUNTS, *OPTIONAL):
            tabs = "columns are separated by tabs; " if len(header) == 1 else ""
            raise ValueError(f"{path}: unknown column {name!r}; {tabs}the columns are {expected}")
        if header.count(name) > 1:
            raise ValueError(f"{path}: column {name!r} stands twice; delete one")
    for name in REQUIRED:
        if name not in header:
            raise ValueError(f"{path}: column {name!r} is missing; the columns are {expected}")
    given = [name for name in COUNTS if name in header]
    if len(given) != 1:
        raise ValueError(f"{path}: give one of {' and '.join(COUNTS)}, not {len(given)}")
    return given[0]


def _of_cells(where: str, values: Mapping[str, str], by: str) -> dict[str, Any]:
    start = _whole(where, values, "pos", least=1)
    depth = _whole(where, values, "depth", least=0)
    if start is None:
        raise ValueError(f"{where}: pos is empty; give the position, counted from 1")
    alleles = {}
    for name in ("ref", "alt"):
        alleles[name] = values.get(name, "").upper()
        if not _ALLELE.match(alleles[name]):
            raise ValueError(
                f"{where}: {name} is {values.get(name, '')!r}; write bases (A, C, G, T) as a VCF "
                "does, with the base before an insertion or deletion"
            )
    if not values.get("chrom"):
        raise ValueError(f"{where}: chrom is empty; name the sequence")
    alt_reads: int | None
    if by == "alt_reads":
        alt_reads = _whole(where, values, "alt_reads", least=0)
        if alt_reads is not None and depth is not None and alt_reads > depth:
            raise ValueError(
                f"{where}: alt_reads is {alt_reads} at a depth of {depth}; depth counts all reads"
            )
    else:
        text = values.get("vaf", "")
        share = _number(text) if text else None
        if text and (share is None or not 0 <= share <= 1):
            raise ValueError(f"{where}: vaf is {text!r}; give a fraction of 0 to 1, as 0.031")
        alt_reads = None if share is None or depth is None else round(share * depth)
    origin = values.get("origin") or None
    if origin is not None and origin not in ORIGINS:
        raise ValueError(
            f"{where}: origin is {origin!r}; write {', '.join(ORIGINS)}, or leave it empty"
        )
    return {
        "chrom": values["chrom"], "start": start - 1, "end": start - 1 + len(alleles["ref"]),
        **alleles, "gene": values.get("gene") or None, "origin": origin, "depth": depth,
        "alt_reads": alt_reads, "population": None, "reason": None,
        "protein": short(values.get("protein", "")),
    }  # fmt: skip


def _whole(where: str, values: Mapping[str, str], name: str, *, least: int) -> int | None:
    """A whole number of a cell, None when it is empty."""
    text = values.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"\d+", text) or int(text) < least:
        raise ValueError(f"{where}: {name} is {text!r}; give a whole number of {least} or more")
    return int(text)
