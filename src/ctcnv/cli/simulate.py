"""Write BAMs, a reference, a sample sheet and the truth behind them: healthy donors for a panel and
three patients before treatment and on day 21, one of whom responds and whose mutations are known.

With --trial counts instead of BAMs, of healthy donors and of many patients with a clinical table:
ERBB2 copies and the change on day 21 go with response and survival as strongly as --effect says.

The same seed gives the same files. Run the workflow on them with
snakemake --directory DIR --configfile config/config.yaml DIR/config.yaml
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli import imports

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.simulate import Sample

log = logging.getLogger(__name__)

#: Reads at each mutation, as a panel has them.
MUTATION_DEPTH = 2000
#: What is taken where nothing is given, of the cohort of three and of a trial.
OF_COHORT = {"fragments": 600_000, "scale": 20.0}
OF_TRIAL = {"fragments": 6_000_000, "patients": 30, "effect": 1.0, "atom_bp": 100_000}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, required=True, metavar="N")
    parser.add_argument("--normals", type=int, default=8, metavar="N", help="healthy donors (8)")
    parser.add_argument(
        "--fragments", type=int, metavar="N",
        help="unique, well-placed fragments of each sample (600000: about 0.7x of the genome; of a "
        "trial 6000000: 0.3x)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=float, metavar="X",
        help="the genome is X times smaller than the human one (20: 154 Mb); not of a trial",
    )  # fmt: skip
    parser.add_argument("--trial", action="store_true", help="a trial with a clinical table")
    parser.add_argument("--patients", type=int, metavar="N", help="patients of a trial (30)")
    parser.add_argument(
        "--effect", type=float, metavar="X",
        help="how strongly copies and change go with the outcome of a trial: 0 not at all (1)",
    )  # fmt: skip
    parser.add_argument(
        "--atom-bp", type=int, metavar="N", help="width of a trial's count bins (100000)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="samples at a time (1)")


def run(args: argparse.Namespace) -> int | None:
    """Check what was asked for; draw and write a cohort or a trial."""
    import ctcnv
    from ctcnv.io import tables
    from ctcnv.schema import GENE_TABLE

    defaults = OF_TRIAL if args.trial else OF_COHORT
    for name in sorted({*OF_TRIAL, *OF_COHORT}):
        if name not in defaults and getattr(args, name) is not None:
            without = "without" if name in OF_TRIAL else "with"
            raise ValueError(f"--{name.replace('_', '-')} means nothing {without} --trial")
        if getattr(args, name) is None:
            setattr(args, name, defaults.get(name))
    for name, least in (("seed", 0), ("normals", 0), ("fragments", 1), ("threads", 1),
                        ("patients", 1), ("atom_bp", 1)):  # fmt: skip
        value = getattr(args, name)
        if value is not None and value < least:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; give {least} or more")
    human = tables.read(Path(ctcnv.__file__).parent / "data" / "genes.hg38.tsv", GENE_TABLE)
    with imports.lean_loops():
        (_trial if args.trial else _cohort)(args, human.frame)
    return None


def _cohort(args: argparse.Namespace, human: pd.DataFrame) -> None:
    """Draw the genome and the cohort, then each sample, and write them."""
    import numpy as np

    from ctcnv import simulate, synthetic, threads
    from ctcnv.io import simulation

    # Each part has its own stream, so that neither the order nor the number of threads matters.
    of_genome, of_cohort, of_samples, of_mutations = np.random.SeedSequence(args.seed).spawn(4)
    genome = synthetic.make_genome(scale=args.scale, rng=np.random.default_rng(of_genome))
    genes = synthetic.place_genes(human, genome)
    samples = simulate.cohort(
        genome, genes, normals=args.normals, fragments=args.fragments,
        rng=np.random.default_rng(of_cohort),
    )  # fmt: skip
    simulation.write_genome(args.output, genome, genes)
    log.info("%s: %d Mb, %d genes", simulation.GENOME, genome.offsets[-1] // 10**6, len(genes))

    def write(one: tuple[Sample, np.random.SeedSequence]) -> None:
        sample, seed = one
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
    seeds = of_samples.spawn(len(samples))
    threads.each(write, zip(samples, seeds, strict=True), threads=args.threads)
    for sample, own in zip(samples, of_mutations.spawn(len(samples)), strict=True):
        if sample.mutations:
            reads = simulate.mutation_reads(
                genes, sample.mutations, tumor=sample.tumor, fraction=sample.fraction,
                sex=sample.sex, depth=MUTATION_DEPTH, rng=np.random.default_rng(own),
            )  # fmt: skip
            simulation.write_variants(simulation.variants_path(args.output, sample), reads)
    # Last, so that a sheet is there only when every BAM is.
    simulation.write_cohort(args.output, genome, genes, samples, seed=args.seed)
    _tell(args.output, len(samples))


def _trial(args: argparse.Namespace, genes: pd.DataFrame) -> None:
    """Draw atoms, patients and counts, and write them."""
    import numpy as np

    from ctcnv import simulate, trial
    from ctcnv.io import simulation

    of_atoms, of_people, of_samples, of_counts = np.random.SeedSequence(args.seed).spawn(4)
    rng = np.random.default_rng(of_atoms)
    bins = trial.atoms(size_bp=args.atom_bp, rng=rng)
    shared = trial.factor(bins, rng)
    people = trial.patients(
        args.patients, effect=args.effect, genes=genes, rng=np.random.default_rng(of_people)
    )
    samples = trial.samples(
        people, normals=args.normals, fragments=args.fragments,
        rng=np.random.default_rng(of_samples),
    )  # fmt: skip
    counts = {
        sample.name: simulate.atom_counts(
            bins, sample.library, tumor=sample.tumor, fraction=sample.fraction, sex=sample.sex,
            rng=np.random.default_rng(own), factor=shared,
        )
        for sample, own in zip(samples, of_counts.spawn(len(samples)), strict=True)
    }  # fmt: skip
    meta = {"seed": args.seed, "effect": args.effect}
    simulation.write_trial(args.output, bins, samples, counts, people, genes, meta=meta)
    responders = sum(person.response in ("CR", "PR") for person in people)
    log.info("%d patients, %d of them respond", len(people), responders)
    _tell(args.output, len(samples))


def _tell(folder: Path, n: int) -> None:
    log.info(
        "%d samples; run: snakemake --directory %s --configfile config/config.yaml %s/config.yaml"
        " --cores 2", n, folder, folder,
    )  # fmt: skip
