"""Simulate a small cohort with known truth, run the whole workflow on it, show both."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)

SEED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--output", type=Path, default=Path("demo"), metavar="DIR")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, metavar="N")


def run(args: argparse.Namespace) -> int | None:
    """Simulate unless it was done before, run the workflow, print truth beside result."""
    from ctcnv.cli import summary, workflow
    from ctcnv.io import tables
    from ctcnv.schema import TRUTH

    workflow.root()
    truth = args.output / "truth.tsv"
    config = args.output / "config.yaml"  # written last
    if config.is_file():
        log.info("%s holds a demo: its samples are used again", args.output)
    else:
        if any(args.output.glob("*")) and not (args.output / "genome.fa").is_file():
            raise ValueError(
                f"{args.output} is not empty and no demo; choose another with --output"
            )
        command = [
            sys.executable, "-m", "ctcnv", "simulate", "--output", str(args.output),
            "--seed", str(SEED), "--threads", str(args.cores),
        ]  # fmt: skip
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    log.info("the workflow runs in %s", args.output)
    if workflow.run(args.output, config=config, cores=args.cores):
        return 1
    print("\nTF: tumor fraction. ERBB2 copies: per tumor cell. 95 %: interval.\n")
    print(summary.against_truth(args.output, tables.read(truth, TRUTH).frame))
    print(summary.places(args.output))
    return None
