"""Write BAMs, a reference, a sample sheet and the truth behind them: healthy donors for a panel and
three patients before treatment and on day 21, one of whom responds and whose mutations are known.

The same seed gives the same files. Run the workflow on them with
snakemake --directory DIR --configfile config/config.yaml DIR/config.yaml
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

log = logging.getLogger(__name__)

#: Reads at each mutation, as a panel has them.
MUTATION_DEPTH = 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, required=True, metavar="N")
    parser.add_argument("--normals", type=int, default=8, metavar="N", help="healthy donors (8)")
    parser.add_argument(
        "--fragments", type=int, default=600_000, metavar="N",
        help="unique, well-placed fragments of each sample (600000: about 0.7x of the genome)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=float, default=20.0, metavar="X",
        help="the genome is X times smaller than the human one (20: 154 Mb)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="samples at a time (1)")


def run(args: argparse.Namespace) -> int | None:
    """Draw the genome and the cohort, then each sample, and write them."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    import ctcnv
    from ctcnv import simulate, synthetic
    from ctcnv.io import simulation, tables
    from ctcnv.schema import GENE_TABLE

    for name, least in (("seed", 0), ("normals", 0), ("fragments", 1), ("threads", 1)):
        if getattr(args, name) < least:
            raise ValueError(f"--{name} is {getattr(args, name)}; give {least} or more")
    human = tables.read(Path(ctcnv.__file__).parent / "data" / "genes.hg38.tsv", GENE_TABLE)
    # Each part has its own stream, so that neither the order nor the number of threads matters.
    of_genome, of_cohort, of_samples, of_mutations = np.random.SeedSequence(args.seed).spawn(4)
    genome = synthetic.make_genome(scale=args.scale, rng=np.random.default_rng(of_genome))
    genes = synthetic.place_genes(human.frame, genome)
    samples = simulate.cohort(
        genome, genes, normals=args.normals, fragments=args.fragments,
        rng=np.random.default_rng(of_cohort),
    )  # fmt: skip
    simulation.write_genome(args.output, genome, genes)
    log.info("%s: %d Mb, %d genes", simulation.GENOME, genome.offsets[-1] // 10**6, len(genes))

    def write(number: int, seed: np.random.SeedSequence) -> None:
        sample = samples[number]
        fragments = simulate.draw(
            genome, sample.library, tumor=sample.tumor, fraction=sample.fraction, sex=sample.sex,
            rng=np.random.default_rng(seed),
        )  # fmt: skip
        path = simulation.bam_path(args.output, sample)
        reads = simulation.write_bam(path, genome, fragments)
        log.info(
            "%s: tumor fraction %g, %d fragments in %d reads", sample.name, sample.fraction,
            sample.library.fragments, reads,
        )  # fmt: skip

    # Threads, not processes: the genome is shared, and packing and drawing leave the lock.
    with ThreadPoolExecutor(args.threads) as pool:
        list(pool.map(write, range(len(samples)), of_samples.spawn(len(samples))))
    for sample, own in zip(samples, of_mutations.spawn(len(samples)), strict=True):
        if sample.mutations:
            reads = simulate.mutation_reads(
                genes, sample.mutations, tumor=sample.tumor, fraction=sample.fraction,
                sex=sample.sex, depth=MUTATION_DEPTH, rng=np.random.default_rng(own),
            )  # fmt: skip
            simulation.write_variants(simulation.variants_path(args.output, sample), reads)
    # Last, so that a sheet is there only when every BAM is.
    simulation.write_cohort(args.output, genome, genes, samples, seed=args.seed)
    log.info(
        "%d samples; run: snakemake --directory %s --configfile config/config.yaml %s/config.yaml"
        " --cores 2", len(samples), args.output, args.output,
    )  # fmt: skip
    return None
