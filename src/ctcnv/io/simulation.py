"""Write simulated plasma: genome, BAMs with index, or counts; sample sheet, configuration, truth.

The same input gives the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import deflate
import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from ctcnv import __version__, simulate, trial
from ctcnv.io import bamindex, bamrecords, clinical, sheet, tables
from ctcnv.schema import GENE_TABLE, TRUTH, TRUTH_SEGMENTS, TRUTH_TRIAL
from ctcnv.simulate import Fragments, Sample, Tumor
from ctcnv.synthetic import Genome

Ints = NDArray[np.int64]

#: Names of the files in the folder of a simulation.
GENOME, GENES, SHEET, CONFIG = "genome.fa", "genes.tsv", "samples.tsv", "config.yaml"
TRUTH_FILE, TRUTH_SEGMENTS_FILE = "truth.tsv", "truth.segments.tsv"
#: Those of a trial.
GC_WIG, CLINICAL, TRUTH_TRIAL_FILE = "gc.wig", "clinical.tsv", "truth.trial.tsv"

#: Bases in a line of the FASTA, and lines that are made at a time.
LINE, LINES_AT_A_TIME = 60, 10_000
#: ASCII letter of a base code of a BAM record; other bytes are none.
_LETTERS = b"=ACMGRSVTWYHKDBN".ljust(256)

#: The header of a block of BGZF before the size, and the block at the end.
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
            for begin in range(0, len(codes), LINES_AT_A_TIME * LINE):
                part = codes[begin : begin + LINES_AT_A_TIME * LINE]
                position += handle.write(_lines(part.tobytes().translate(_LETTERS)))
    tables.write_text(folder / f"{GENOME}.fai", "".join(index))
    tables.write(
        folder / GENES, GENE_TABLE, genes,
        meta={"build": "synthetic", "source": "the genes of hg38 at scaled places"},
    )  # fmt: skip


def _lines(text: bytes) -> bytes:
    """Letters in lines of equal length, the last one shorter."""
    letters = np.frombuffer(text, dtype=np.uint8)
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
    aligned = bamrecords.aligned(genome, fragments)
    unaligned = bamrecords.unaligned(fragments.unmapped, first_name=len(fragments.start))
    header = _header(genome)
    with tables.replacing(path) as temporary:
        with temporary.open("wb") as handle:
            for begin in range(0, len(header), bamrecords.LARGEST):
                handle.write(_block(header[begin : begin + bamrecords.LARGEST]))
            starts = [handle.tell()]
            for data in aligned:
                starts.append(starts[-1] + handle.write(_block(data)))
            for data in unaligned:
                handle.write(_block(data))
            handle.write(_END)
        position = bamrecords.positions(fragments)
        places = bamrecords.places(len(position), np.array(starts, dtype=np.int64))
        index = bamindex.index(position, places, genome.offsets, unaligned=2 * fragments.unmapped)
        with tables.replacing(path.with_name(f"{path.name}.bai")) as temporary_index:
            temporary_index.write_bytes(index)
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


def _block(data: bytes) -> bytes:
    """Data as a block of BGZF.

    The fastest level: random bases hardly get smaller with more work.
    """
    packed = deflate.deflate_compress(data, 1)
    size = len(_BLOCK_HEADER) + 2 + len(packed) + 8
    return b"".join(
        (_BLOCK_HEADER, struct.pack("<H", size - 1), packed,
         struct.pack("<II", deflate.crc32(data), len(data)))
    )  # fmt: skip
