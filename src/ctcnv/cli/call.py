"""Normalize, segment, estimate the tumor fraction and call the genes of one sample.

With --variants, mutations have a part in the tumor fraction. All of it runs in one process because
starting a job costs more than running it.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ctcnv.cli import failure
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import (
    FractionSettings,
    GenesSettings,
    MutationsSettings,
    NormalizeSettings,
    QcSettings,
    SegmentSettings,
)

log = logging.getLogger(__name__)

TARGET = "ERBB2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv call``."""
    add_inputs(parser)
    parser.add_argument("--genes", type=Path, required=True, help="gene table of the reference")
    parser.add_argument("--dispersion", type=Path, help="the panel's pon.dispersion.tsv")
    parser.add_argument("--normals", type=Path, help="the panel's pon.normals.tsv.gz")
    parser.add_argument("--pon-genes", type=Path, help="the panel's pon.genes.tsv")
    parser.add_argument("--patient", help="patient, for the quality table")
    parser.add_argument("--day", type=int, help="day, for the quality table")
    parser.add_argument("--declared-sex", choices=("female", "male"), help="from the sample sheet")
    parser.add_argument("--reads", type=Path, help="reads.tsv of the count step")
    parser.add_argument("--lengths", type=Path, help="lengths.tsv of the count step")
    parser.add_argument("--variants", type=Path, help="VCF, BCF or TSV of the sample's mutations")
    parser.add_argument("--output-mutations", type=Path, metavar="FILE", help="mutations.tsv")
    for name in ("profile", "segments", "fraction", "grid", "solutions", "genes", "qc"):
        parser.add_argument(f"--output-{name}", type=Path, required=True, metavar="FILE")
    failure.add_arguments(parser)
    add_settings(
        parser, NormalizeSettings, SegmentSettings, FractionSettings, MutationsSettings,
        GenesSettings, QcSettings,
    )  # fmt: skip


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """What normalize reads."""
    parser.add_argument("--sample", required=True, help="sample name")
    parser.add_argument("--counts", type=Path, required=True, help="counts.tsv.gz of the sample")
    parser.add_argument("--bins", type=Path, required=True, help="bins.tsv.gz of the reference")
    parser.add_argument("--pon", type=Path, help="panel of normals, pon.tsv.gz")
    parser.add_argument("--waves", type=Path, help="the panel's pon.waves.tsv.gz")


def run(args: argparse.Namespace) -> None:
    """Read, compute, write; the reason instead of values where the sample cannot be analysed."""
    why = args.given_up
    if why is None:
        try:
            _call(args, None)
        except failure.OF_THE_FILE as error:
            why = failure.recorded(
                args, error, files=(args.counts, args.reads, args.lengths, args.variants)
            )
    if why is not None:
        # What is wrong with the bins, the panel or a setting is raised from here again.
        _call(args, why)


def _call(args: argparse.Namespace, why: str | None) -> None:
    """All steps of a sample; of one that failed, ``why`` it did, no file but the bins is read."""
    from ctcnv import fraction, genes, mutations, normalize, qc, schema, segment
    from ctcnv.cli import sample as shared
    from ctcnv.cli.normalize import normalized
    from ctcnv.io import tables, variants

    use_segment = settings(args, SegmentSettings)
    use_fraction = settings(args, FractionSettings)
    use_mutations = settings(args, MutationsSettings)
    use_genes = settings(args, GenesSettings)
    use_qc = settings(args, QcSettings)
    for name in ("dispersion", "normals", "pon-genes"):
        if (args.pon is None) != (getattr(args, name.replace("-", "_")) is None):
            raise ValueError(f"--pon and --{name} go together: give both or neither")
    if args.variants is not None and args.output_mutations is None:
        raise ValueError("--variants needs --output-mutations, where each variant is accounted for")
    gene_table = tables.read(args.genes, schema.GENE_TABLE)
    made, short_share, result = normalized(args, why=why)
    whole = failure.FAILED not in made.meta
    reads = tables.read(args.reads, schema.READS) if args.reads and whole else None
    lengths = tables.read(args.lengths, schema.LENGTHS) if args.lengths and whole else None
    given = variants.read(args.variants, sample=args.sample) if args.variants and whole else None
    made.add("genes", gene_table)
    profile = result.profile
    bins = str(made.meta["bins"])
    of_panel = shared.read_dispersion(args.dispersion, made, bins=bins)
    dispersion = normalize.sample_dispersion(profile, of_panel)
    excess = shared.read_excess(args.pon_genes, made, bins=bins)
    normals = shared.libraries(args.normals, shared.read_normals(args.normals, made, bins=bins))
    segments = segment.segment(profile, dispersion=dispersion, settings=use_segment)
    if whole:
        found = fraction.estimate(profile, dispersion=dispersion, settings=use_fraction,
                                  normals=normals)  # fmt: skip
    else:
        found = fraction.failed(str(made.meta[failure.FAILED]))
    mutation_table = schema.MUTATIONS.empty()
    if given is not None:
        variants.require_genome(given, profile)
        made.inputs["variants"] = given.digest
        combined = mutations.combine(
            found, variants.with_genes(given.frame, gene_table.frame), segments=segments,
            profile=profile, dispersion=dispersion, settings=use_mutations,
            fraction_settings=use_fraction,
        )  # fmt: skip
        found, mutation_table = combined.fraction, combined.table
    called = genes.call_genes(
        profile, gene_table.frame, found, dispersion=dispersion, settings=use_genes, excess=excess
    )
    solutions = genes.copies_by_solution(found.solutions, called, gene=TARGET)
    row = fraction.table(found, sample=args.sample)
    quality = qc.row(
        sample=args.sample,
        role="plasma",
        patient=args.patient,
        day=args.day,
        declared_sex=args.declared_sex,
        settings=use_qc,
        fragments=result.fragments if whole else None,
        usable_bp=qc.usable_bp(profile),
        noise=result.noise if whole else None,
        panel_noise=None
        if of_panel is None or not whole
        else normalize.beyond_panel(dispersion, of_panel),
        sex=result.sex,
        reads=None if reads is None else reads.frame,
        lengths=None if lengths is None else lengths.frame,
        short_share=short_share,
        fraction=row,
        genes=called,
    )
    made.meta |= {
        f"settings.{kind.section}": kind.as_dict() for kind in (use_segment, use_fraction,
                                                                use_mutations, use_genes, use_qc)
    }  # fmt: skip
    made.write(args.output_profile, schema.PROFILE, profile)
    made.write(args.output_segments, schema.SEGMENTS, segments)
    made.write(args.output_grid, schema.GRID, found.grid)
    made.write(args.output_fraction, schema.FRACTION, row)
    if args.output_mutations is not None:
        made.write(args.output_mutations, schema.MUTATIONS, mutation_table)
    made.write(args.output_solutions, schema.SOLUTIONS, solutions)
    made.write(args.output_genes, schema.GENES, called)
    made.write(args.output_qc, schema.QC, quality)
