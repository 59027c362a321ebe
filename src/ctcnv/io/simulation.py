"""Write simulated plasma: genome, BAMs with index, or counts; sample sheet, configuration, truth.

Every record of a BAM has the same size, so many of them are one structured array that is turned
into bytes at once (SAM specification, section 4). The same input gives the same bytes.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import deflate
import numpy as np
import pandas as pd
import pysam
import yaml
from numpy.typing import NDArray

from ctcnv import __version__, simulate, trial
from ctcnv.io import clinical, sheet, tables
from ctcnv.schema import GENE_TABLE, TRUTH, TRUTH_SEGMENTS, TRUTH_TRIAL
from ctcnv.simulate import READ_BP, Fragments, Sample, Tumor
from ctcnv.synthetic import BASE_N, Genome

Ints = NDArray[np.int64]

#: Names of the files in the folder of a simulation.
GENOME, GENES, SHEET, CONFIG = "genome.fa", "genes.tsv", "samples.tsv", "config.yaml"
TRUTH_FILE, TRUTH_SEGMENTS_FILE = "truth.tsv", "truth.segments.tsv"
#: Those of a trial.
GC_WIG, CLINICAL, TRUTH_TRIAL_FILE = "gc.wig", "clinical.tsv", "truth.trial.tsv"

#: Bases in a line of the FASTA.
LINE = 60
#: ASCII letter of a base code of a BAM record.
_LETTERS = np.frombuffer(b"=ACMGRSVTWYHKDBN", dtype=np.uint8)

#: A read's flags: paired, in a proper pair, on the reverse strand, mate on the reverse strand,
#: first and second of the pair, not aligned, mate not aligned.
_PAIRED, _PROPER, _UNMAPPED, _MATE_UNMAPPED = 0x1, 0x2, 0x4, 0x8
_REVERSE, _MATE_REVERSE, _FIRST, _SECOND = 0x10, 0x20, 0x40, 0x80
_QUALITY = 37
#: Bin of a read that is not aligned (SAM specification, 4.2.1).
_NO_BIN = 4680

_NAME_DIGITS = 8
_FOUR_DIGITS = (np.arange(10_000)[:, None] // np.array([1000, 100, 10, 1]) % 10 + ord("0")).astype(
    np.uint8
)
_RECORD = np.dtype(
    [
        ("block_size", "<i4"), ("ref", "<i4"), ("pos", "<i4"), ("name_size", "u1"), ("mapq", "u1"),
        ("bin", "<u2"), ("n_cigar", "<u2"), ("flag", "<u2"), ("seq_size", "<i4"),
        ("next_ref", "<i4"), ("next_pos", "<i4"), ("template", "<i4"),
        ("name", "u1", (_NAME_DIGITS + 1,)), ("cigar", "<u4"), ("seq", "u1", (READ_BP // 2,)),
        ("quality", "u1", (READ_BP,)),
    ]
)  # fmt: skip

#: Bytes of data in a block of BGZF, its header before the size, and the block at the end.
_BLOCK = 0xFF00
#: Records that are made at a time: a whole number of blocks of any record, and few enough that
#: memory is used again.
_PIECE = _BLOCK
_BLOCK_HEADER = bytes.fromhex("1f8b08040000000000ff060042430200")
_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def write_genome(folder: Path, genome: Genome, genes: pd.DataFrame) -> None:
    """Write the FASTA with its index, and the gene table."""
    index, position = [], 0
    with tables.replacing(folder / GENOME) as temporary, temporary.open("wb") as handle:
        for number, (name, length) in enumerate(genome.lengths.items()):
            header = f">{name}\n".encode()
            handle.write(header)
            position += len(header)
            index.append(f"{name}\t{length}\t{position}\t{LINE}\t{LINE + 1}\n")
            codes = genome.codes[genome.offsets[number] : genome.offsets[number + 1]]
            position += handle.write(_lines(_LETTERS[codes]))
    tables.write_text(folder / f"{GENOME}.fai", "".join(index))
    tables.write(
        folder / GENES, GENE_TABLE, genes,
        meta={"build": "synthetic", "source": "the genes of hg38 at scaled places"},
    )  # fmt: skip


def _lines(letters: NDArray[np.uint8]) -> bytes:
    """Letters in lines of equal length, the last one shorter."""
    whole = len(letters) // LINE * LINE
    block = np.full((whole // LINE, LINE + 1), ord("\n"), dtype=np.uint8)
    block[:, :LINE] = letters[:whole].reshape(-1, LINE)
    rest = letters[whole:].tobytes()
    return block.tobytes() + (rest + b"\n" if rest else b"")


def write_cohort(
    folder: Path, genome: Genome, genes: pd.DataFrame, samples: Sequence[Sample], *, seed: int
) -> None:
    """Write the sample sheet, the configuration and the truth.

    Paths in them are relative to ``folder``, where the workflow is run.
    """
    rows = []
    for sample in samples:
        row = {**_named(sample), "bam": bam_path(Path(), sample).as_posix()}
        if sample.mutations:
            row["variants"] = variants_path(Path(), sample).as_posix()
        rows.append(row)
    sheet.write(folder / SHEET, rows)
    _write_truth(
        folder, samples, genes, lengths=genome.lengths, meta={"seed": seed, "scale": genome.scale},
        ploidy=lambda tumor: simulate.ploidy(genome, tumor),
    )  # fmt: skip
    _write_config(folder, {"samples": SHEET, "reference": {"fasta": GENOME, "genes": GENES}})


def _named(sample: Sample) -> dict[str, Any]:
    """Who a sample is of, as in the sheet."""
    return {"sample": sample.name, "patient": sample.patient, "role": sample.role,
            "day": sample.day, "sex": sample.sex}  # fmt: skip


def _write_truth(
    folder: Path, samples: Sequence[Sample], genes: pd.DataFrame, *, lengths: Mapping[str, int],
    ploidy: Callable[[Tumor], float], meta: Mapping[str, object],
) -> None:  # fmt: skip
    truth, segments, seen = [], [], set()
    for sample in samples:
        tumor = sample.tumor
        truth.append(
            {
                **_named(sample),
                "fraction": sample.fraction,
                "ploidy": None if tumor is None else ploidy(tumor),
                "erbb2_copies": simulate.copies_of(genes, "ERBB2", tumor, sex=sample.sex),
                "fragments": sample.library.fragments,
            }
        )
        if tumor is not None and sample.patient is not None and sample.patient not in seen:
            seen.add(sample.patient)
            segments.append(simulate.altered(lengths, sample.patient, tumor, sex=sample.sex))
    tables.write(folder / TRUTH_FILE, TRUTH, pd.DataFrame(truth, columns=TRUTH.names), meta=meta)
    tables.write(
        folder / TRUTH_SEGMENTS_FILE, TRUTH_SEGMENTS,
        pd.concat(segments) if segments else TRUTH_SEGMENTS.empty(), meta=meta,
    )  # fmt: skip


def _write_config(folder: Path, config: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(config, sort_keys=False)
    tables.write_text(
        folder / CONFIG,
        "# What differs from config/config.yaml; paths are relative to this folder.\n" + text,
    )


# A trial ----------------------------------------------------------------------------------------


def write_trial(
    folder: Path, bins: pd.DataFrame, samples: Sequence[Sample], counts: Mapping[str, Ints],
    people: Sequence[trial.Patient], genes: pd.DataFrame, *, meta: Mapping[str, object],
) -> None:  # fmt: skip
    """Write a trial: GC and counts as wigs, sheet, clinical table, configuration and truth.

    bins : atoms with chrom, start, end, gc; counts : fragments per atom, (atoms,), by sample.
    """
    tables.write_text(folder / GC_WIG, _wig(bins, bins["gc"].fillna(-1.0).to_numpy(), "{:.4g}"))
    rows = []
    for sample in samples:
        path = Path("counts") / f"{sample.name}.wig"
        tables.write_text(folder / path, _wig(bins, counts[sample.name], "{:d}"))
        rows.append({**_named(sample), "counts": path.as_posix()})
    sheet.write(folder / SHEET, rows)
    sheet.write(folder / CLINICAL, trial.clinical(people), columns=clinical.COLUMNS)
    lengths = bins.groupby("chrom", sort=False)["end"].max()
    _write_truth(
        folder, samples, genes, lengths={str(k): int(v) for k, v in lengths.items()}, meta=meta,
        ploidy=lambda tumor: simulate.atom_ploidy(bins, tumor),
    )  # fmt: skip
    tables.write(folder / TRUTH_TRIAL_FILE, TRUTH_TRIAL, trial.truth(people), meta=meta)
    config = {"samples": SHEET, "clinical": CLINICAL, "reference": {"gc_wig": GC_WIG}}
    _write_config(folder, config)


def _wig(bins: pd.DataFrame, values: NDArray[Any], shown: str) -> str:
    """Values of atoms as a fixedStep wig; a chromosome's atoms follow each other."""
    lines = []
    size = int((bins["end"] - bins["start"]).iloc[0])
    for chrom, rows in bins.groupby("chrom", sort=False).indices.items():
        lines.append(f"fixedStep chrom={chrom} start=1 step={size} span={size}")
        lines += [shown.format(value) for value in values[rows].tolist()]
    return "\n".join(lines) + "\n"


def write_variants(path: Path, variants: pd.DataFrame) -> None:
    """Write mutations as a TSV that the column ``variants`` of a sample sheet takes."""
    tables.write_text(path, variants.to_csv(sep="\t", index=False, lineterminator="\n"))


def variants_path(folder: Path, sample: Sample) -> Path:
    """Where a sample's mutations stand in the folder of a simulation."""
    return folder / "variants" / f"{sample.name}.tsv"


def bam_path(folder: Path, sample: Sample) -> Path:
    """Where a sample's BAM stands in the folder of a simulation."""
    return folder / "bams" / f"{sample.name}.bam"


def write_bam(path: Path, genome: Genome, fragments: Fragments) -> int:
    """Write fragments as a sorted BAM with its index beside it; give the number of reads."""
    # The name of the index is that of the BAM it belongs to, so both are made under their own.
    unaligned = _unaligned(fragments.unmapped, first_name=len(fragments.start))
    with tables.replacing(path) as temporary:
        with temporary.open("wb") as handle:
            for block in _compressed([_header(genome)], _aligned(genome, fragments), [unaligned]):
                handle.write(block)
        index = path.with_name(f"{path.name}.bai")
        with tables.replacing(index) as temporary_index:
            pysam.index("-o", str(temporary_index), str(temporary))
    pairs = len(fragments.start) + fragments.unmapped
    return 2 * pairs + len(fragments.again_start)


def _header(genome: Genome) -> bytes:
    lengths = genome.lengths
    text = "@HD\tVN:1.6\tSO:coordinate\n"
    text += "".join(f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in lengths.items())
    text += f"@PG\tID:ctcnv\tPN:ctcnv\tVN:{__version__}\tDS:simulated\n"
    parts = [b"BAM\1", struct.pack("<i", len(text)), text.encode(), struct.pack("<i", len(lengths))]
    for name, length in lengths.items():
        parts.append(struct.pack("<i", len(name) + 1) + name.encode() + b"\0")
        parts.append(struct.pack("<i", length))
    return b"".join(parts)


def _aligned(genome: Genome, fragments: Fragments) -> Iterator[bytes]:
    """The records of the aligned reads, sorted by position, ``_PIECE`` at a time."""
    left = fragments.start
    right = left + fragments.length - READ_BP
    n, again = len(left), fragments.again_of
    # A pair's first read is the left one of every second pair: both strands are sequenced.
    names = np.empty(n, dtype=np.int64)
    names[np.argsort(left, kind="stable")] = np.arange(n)
    first_is_left = names % 2 == 0
    plain = _PAIRED + _PROPER * fragments.proper + fragments.flags.astype(np.int64)
    left_flag = plain + _MATE_REVERSE + np.where(first_is_left, _FIRST, _SECOND)
    right_flag = plain + _REVERSE + np.where(first_is_left, _SECOND, _FIRST)

    position = np.concatenate([left, right, fragments.again_start])
    mate = np.concatenate([right, left, right[again]])
    flag = np.concatenate([left_flag, right_flag, left_flag[again] + fragments.again_flags])
    template = np.concatenate(
        [fragments.length, -fragments.length, np.zeros(len(again), dtype=np.int64)]
    )
    pair = np.concatenate([np.arange(n), np.arange(n), again])
    order = np.argsort(position, kind="stable")
    reads = np.lib.stride_tricks.sliding_window_view(genome.codes, READ_BP)
    for begin in range(0, len(order), _PIECE):
        part = order[begin : begin + _PIECE]
        record = _blank(len(part))
        here, there, of = position[part], mate[part], pair[part]
        chrom, mate_chrom = (
            np.searchsorted(genome.offsets, place, side="right") - 1 for place in (here, there)
        )
        record["ref"], record["next_ref"] = chrom, mate_chrom
        record["pos"] = here - genome.offsets[chrom]
        record["next_pos"] = there - genome.offsets[mate_chrom]
        record["bin"] = _index_bin(record["pos"])
        record["mapq"] = fragments.mapq[of]
        record["flag"] = flag[part]
        record["template"] = template[part]
        record["name"][:, :_NAME_DIGITS] = _digits(names[of])
        bases = reads[here]
        record["seq"] = (bases[:, 0::2] << 4) | bases[:, 1::2]
        yield record.tobytes()


def _unaligned(n: int, *, first_name: int) -> bytes:
    """The records of n pairs that are aligned nowhere; they stand at the end of the file."""
    record = _blank(2 * n)
    for field in ("ref", "pos", "next_ref", "next_pos"):
        record[field] = -1
    record["bin"] = _NO_BIN
    record["flag"] = _PAIRED + _UNMAPPED + _MATE_UNMAPPED
    record["flag"][0::2] += _FIRST
    record["flag"][1::2] += _SECOND
    # A record whose CIGAR is empty would be shorter than the others; a soft clip keeps the size.
    record["cigar"] = READ_BP << 4 | 4
    record["name"][:, :_NAME_DIGITS] = _digits(first_name + np.repeat(np.arange(n), 2))
    record["seq"] = BASE_N << 4 | BASE_N
    return record.tobytes()


def _blank(n: int) -> NDArray[np.void]:
    """n records with the fields that are the same in all."""
    one = np.zeros(1, dtype=_RECORD)
    one["block_size"] = _RECORD.itemsize - 4
    one["name_size"] = _NAME_DIGITS + 1
    one["n_cigar"] = 1
    one["cigar"] = READ_BP << 4  # as many matches
    one["seq_size"] = READ_BP
    one["quality"] = _QUALITY
    return np.frombuffer(bytearray(one.tobytes() * n), dtype=_RECORD)


def _digits(numbers: Ints) -> NDArray[np.uint8]:
    """Numbers as decimal digits, in ASCII, with leading zeros."""
    return np.hstack([_FOUR_DIGITS[numbers // 10_000 % 10_000], _FOUR_DIGITS[numbers % 10_000]])


def _index_bin(position: NDArray[np.int32]) -> NDArray[np.int64]:
    """The bin of the index that a read starting here falls into (SAM specification, 5.3)."""
    begin, end = position.astype(np.int64), position.astype(np.int64) + READ_BP - 1
    found = np.zeros(len(begin), dtype=np.int64)
    for level, shift in enumerate((26, 23, 20, 17, 14), start=1):
        first = ((1 << 3 * level) - 1) // 7
        found = np.where(begin >> shift == end >> shift, first + (begin >> shift), found)
    return found


def _compressed(*parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts as BGZF blocks, the empty one at the end included.

    The fastest level: random bases hardly get smaller with more work.
    """
    for part in itertools.chain(*parts):
        for begin in range(0, len(part), _BLOCK):
            data = part[begin : begin + _BLOCK]
            packed = deflate.deflate_compress(data, 1)
            size = len(_BLOCK_HEADER) + 2 + len(packed) + 8
            yield b"".join(
                (_BLOCK_HEADER, struct.pack("<H", size - 1), packed,
                 struct.pack("<II", deflate.crc32(data), len(data)))
            )  # fmt: skip
    yield _END
