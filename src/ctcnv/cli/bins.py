"""Cut a reference into atoms with GC, callable fraction and mappability, and place the genes.

The reference is a FASTA (plain or bgzipped; an index is made next to it when there is none), or
two fixedStep wigs of GC and mappability, whose bins become the atoms.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import BinsSettings

if TYPE_CHECKING:
    import pandas as pd
    from pysam import FastaFile

    from ctcnv.bins import Intervals
    from ctcnv.io.reference import Track
    from ctcnv.io.tables import Stored

log = logging.getLogger(__name__)

#: The gene this tool exists for: without an atom there, nothing it says would be of use.
REQUIRED_GENE = "ERBB2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    reference = parser.add_mutually_exclusive_group(required=True)
    reference.add_argument("--fasta", type=Path, metavar="FILE", help="plain or bgzipped FASTA")
    reference.add_argument(
        "--gc-wig", type=Path, metavar="FILE", help="GC per bin as a fixedStep wig, -1 not known"
    )
    parser.add_argument(
        "--mappability", type=Path, metavar="FILE", help="bigWig or bedGraph, 0 to 1 (with --fasta)"
    )
    parser.add_argument(
        "--exclude", type=Path, metavar="FILE", help="BED of regions to leave out (with --fasta)"
    )
    parser.add_argument(
        "--map-wig", type=Path, metavar="FILE", help="mappability per bin (with --gc-wig)"
    )
    parser.add_argument(
        "--genes", default="auto", metavar="auto|FILE",
        help="gene table; auto: the shipped one of hg19, hg38 or T2T-CHM13",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="bins.tsv.gz")
    parser.add_argument("--output-genes", type=Path, required=True, metavar="genes.tsv")
    add_settings(parser, BinsSettings)


def run(args: argparse.Namespace) -> int | None:
    """Read the reference, measure its atoms, place the genes, write both tables."""
    from ctcnv import bins
    from ctcnv.genome import find_build
    from ctcnv.io import tables
    from ctcnv.schema import BINS, GENE_TABLE

    chosen = settings(args, BinsSettings)
    if chosen.size_bp < 1:
        raise ValueError(f"bins.size_bp is {chosen.size_bp}; expected a positive number of bp")
    if args.fasta is not None:
        _refuse(args.map_wig, "--map-wig goes with --gc-wig; with --fasta use --mappability")
        frame, inputs = _from_fasta(args, chosen)
        rounded_to, ends = 1, "exact"
    else:
        _refuse(args.mappability, "--mappability goes with --fasta; with --gc-wig use --map-wig")
        _refuse(args.exclude, "--exclude goes with --fasta")
        frame, inputs = _from_wigs(args, chosen)
        rounded_to, ends = int((frame["end"] - frame["start"]).max()), "rounded"
        chosen = dataclasses.replace(chosen, size_bp=rounded_to)
    log.info("%s", bins.summary(frame["reason"].tolist()))

    build = find_build(bins.ends_by_chromosome(frame), rounded_to=rounded_to)
    genes = _gene_table(args.genes, build.name if build else None)
    try:
        placed, dropped = bins.place_genes(genes.frame, frame)
        if dropped:
            log.info("%d genes left out, their chromosome is not in the bins: %s",
                     len(dropped), ", ".join(dropped))  # fmt: skip
        usable = bins.require_gene(REQUIRED_GENE, placed, frame)
    except ValueError as error:
        raise ValueError(f"{args.fasta or args.gc_wig}: {error}") from None
    log.info("%d genes; %s has %d usable atoms", len(placed), REQUIRED_GENE, usable)

    meta = {
        "bins": tables.bins_id(frame),
        "build": build.name if build else "unknown",
        "chromosome_ends": ends,
        "settings.bins": chosen.as_dict(),
    }
    tables.write(args.output, BINS, frame, meta=meta, inputs=inputs)
    gene_meta = {"bins": meta["bins"], "build": meta["build"]}
    tables.write(
        args.output_genes, GENE_TABLE, placed, meta=gene_meta, inputs={"genes": genes.digest}
    )
    return None


def _refuse(value: Path | None, message: str) -> None:
    if value is not None:
        raise ValueError(message)


def _from_fasta(
    args: argparse.Namespace, chosen: BinsSettings
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The atoms of a FASTA and the digests of what they were made from."""
    import pandas as pd

    from ctcnv import bins
    from ctcnv.io import reference, tables

    inputs = {}
    excluded = _exclusion(args.exclude)
    if args.exclude is not None:
        inputs["exclude"] = tables.sha256_file(args.exclude)
    track = None
    if args.mappability is not None:
        track = reference.open_track(args.mappability)
        inputs["mappability"] = tables.sha256_file(args.mappability)
    with reference.fasta(args.fasta) as opened:
        # The index stands for the sequence: to hash 3 GB would take longer than to bin them.
        inputs["fasta.fai"] = tables.sha256_file(args.fasta.with_name(f"{args.fasta.name}.fai"))
        try:
            chromosomes = bins.main_chromosomes(reference.lengths(opened))
        except ValueError as error:
            raise ValueError(f"{args.fasta}: {error}") from None
        _check_overlap(args.exclude, set(excluded), args.fasta, list(chromosomes))
        if track is not None:
            _check_overlap(args.mappability, track.chromosomes(), args.fasta, list(chromosomes))
        log.info("%d of %d sequences are binned", len(chromosomes), opened.nreferences)
        parts = [
            _chromosome(opened, name, length, excluded, track, chosen.size_bp)
            for name, length in chromosomes.items()
        ]
    frame = pd.concat(parts, ignore_index=True)
    return bins.judge(
        frame, min_callable=chosen.min_callable, min_mappability=chosen.min_mappability,
        size_bp=chosen.size_bp,
    ), inputs  # fmt: skip


def _chromosome(
    opened: FastaFile, name: str, length: int, excluded: dict[str, Intervals],
    track: Track | None, size_bp: int,
) -> pd.DataFrame:  # fmt: skip
    """The measured atoms of one chromosome."""
    import numpy as np
    import pandas as pd

    from ctcnv import bins
    from ctcnv.io import reference
    from ctcnv.schema import chrom_key

    key = chrom_key(name)
    starts, ends = bins.cut(length, size_bp=size_bp)
    blocks = reference.sequence(opened, name, length, multiple_of=size_bp)
    called, gc, kept = bins.composition(blocks, length, size_bp=size_bp, excluded=excluded.get(key))
    mappability = np.full(len(starts), np.nan)
    if track is not None and key in track.chromosomes():
        mappability = bins.mean_mappability(starts, ends, called, track.intervals(key))
    elif track is not None:
        log.warning("%s: not in %s; its mappability is not known", name, track.path)
    with np.errstate(invalid="ignore"):
        share = gc / called
    return pd.DataFrame(
        {
            "chrom": np.full(len(starts), name, dtype=object),
            "start": starts,
            "end": ends,
            "gc": share,
            "callable": kept / (ends - starts),
            "mappability": mappability,
        }
    )


def _exclusion(path: Path | None) -> dict[str, Intervals]:
    """Merged excluded intervals by chromosome key."""
    from ctcnv import bins
    from ctcnv.io import reference
    from ctcnv.schema import chrom_key

    if path is None:
        return {}
    frame = reference.read_bed(path)
    return {
        str(key): bins.merged(part["start"].to_numpy(), part["end"].to_numpy())
        for key, part in frame.groupby(frame["chrom"].map(chrom_key), sort=False)
    }


def _check_overlap(path: Path | None, keys: set[str], fasta: Path, chromosomes: list[str]) -> None:
    """Refuse a track or list none of whose chromosomes is in the reference."""
    from ctcnv.schema import chrom_key

    if path is not None and keys and not keys & {chrom_key(name) for name in chromosomes}:
        raise ValueError(
            f"{path}: none of its sequences ({sorted(keys)[:3]}) is in {fasta} "
            f"({chromosomes[:3]}); use a file of the same reference"
        )


def _from_wigs(
    args: argparse.Namespace, chosen: BinsSettings
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The bins of a GC wig and its companion of mappability as atoms, and the digests."""
    from ctcnv import bins
    from ctcnv.io import tables

    frame = _main_bins(args.gc_wig, "GC").rename(columns={"value": "gc"})
    inputs = {"gc_wig": tables.sha256_file(args.gc_wig)}
    frame["callable"] = 1.0
    frame["mappability"] = float("nan")
    if args.map_wig is not None:
        companion = _main_bins(args.map_wig, "mappability")
        inputs["map_wig"] = tables.sha256_file(args.map_wig)
        if tables.bins_id(companion.assign(chrom=_keys(companion))) != tables.bins_id(
            frame.assign(chrom=_keys(frame))
        ):
            raise ValueError(
                f"{args.map_wig}: its bins are not those of {args.gc_wig}; "
                "use two wigs of the same reference and bin size"
            )
        frame["mappability"] = companion["value"]
    return bins.judge(
        frame, min_callable=chosen.min_callable, min_mappability=chosen.min_mappability
    ), inputs


def _keys(frame: pd.DataFrame) -> pd.Series[str]:
    from ctcnv.schema import chrom_key

    return frame["chrom"].map(chrom_key)


def _main_bins(path: Path, of: str) -> pd.DataFrame:
    """The bins of chromosomes 1-22, X and Y of a wig in order; -1 becomes not known."""
    import numpy as np
    import pandas as pd

    from ctcnv import bins
    from ctcnv.io import wig

    frame = wig.read_fixed_step(path)
    parts = dict(iter(frame.groupby("chrom", sort=False)))
    try:
        names = bins.main_chromosomes({str(name): 0 for name in parts})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if len(names) < len(parts):
        log.info("%s: %d of %d sequences are used", path, len(names), len(parts))
    kept = [parts[name].sort_values("start", kind="stable") for name in names]
    for name, part in zip(names, kept, strict=True):
        if (part["start"].to_numpy()[1:] < part["end"].to_numpy()[:-1]).any():
            raise ValueError(f"{path}: bins of {name} overlap; give each bin once")
    joined = pd.concat(kept, ignore_index=True)
    values = joined["value"].to_numpy(dtype=float)
    values = np.where(values == -1, np.nan, values)
    wrong = np.flatnonzero(~(np.isnan(values) | ((values >= 0) & (values <= 1))))
    if len(wrong):
        row = joined.iloc[wrong[0]]
        raise ValueError(
            f"{path}: {of} is {values[wrong[0]]:g} at {row['chrom']}:{row['start']}; expected "
            "0 to 1, or -1 for not known"
        )
    return joined.assign(value=values)


def _gene_table(given: str, build: str | None) -> Stored:
    """The gene table: the user's, or the shipped one of the build."""
    import ctcnv
    from ctcnv.io import tables
    from ctcnv.schema import GENE_TABLE

    if given != "auto":
        return tables.read(Path(given), GENE_TABLE)
    if build is None:
        raise ValueError(
            "the chromosome lengths are not those of hg19, hg38 or T2T-CHM13, so no shipped gene "
            "table fits; name your own: reference.genes: FILE (--genes FILE)"
        )
    log.info("the reference is %s", build)
    return tables.read(Path(ctcnv.__file__).parent / "data" / f"genes.{build}.tsv", GENE_TABLE)
