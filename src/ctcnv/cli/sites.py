"""The reads of a BAM or CRAM at common SNPs, by which ctcnv track tells one person from another.

--sites is a VCF (frequency in INFO/AF) or a BED (chrom start end ref alt frequency) of your own;
none is shipped. The file is read once and needs no index.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ctcnv.cli import failure
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import IdentitySettings

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--sample", required=True, metavar="NAME")
    parser.add_argument("--bam", type=Path, required=True, metavar="FILE", help="BAM or CRAM")
    parser.add_argument("--sites", type=Path, required=True, metavar="FILE", help="VCF or BED")
    parser.add_argument(
        "--reference", type=Path, metavar="FASTA", help="the FASTA a CRAM was made with"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="sites.tsv.gz")
    failure.add_arguments(parser)
    add_settings(parser, IdentitySettings)


def run(args: argparse.Namespace) -> None:
    """Read the sites, then the file; write what was seen."""
    from ctcnv.io import bam, sites, tables
    from ctcnv.schema import SITES

    use = settings(args, IdentitySettings)
    wanted = sites.read(args.sites, settings=use)
    meta: dict[str, object] = {
        "sample": args.sample, "settings.identity": use.as_dict(), "sites": len(wanted)
    }  # fmt: skip
    found, why = SITES.empty(), args.given_up
    if why is None:
        try:
            with bam.reads(args.bam, reference=args.reference) as reads:
                header = reads.header
            found = sites.seen(args.bam, wanted, reference=args.reference, settings=use)
            meta |= {"bam.header": f"sha256:{header.digest}", "bam.size": header.size}
        except failure.OF_THE_FILE as error:
            why = failure.recorded(args, error, files=(args.bam, args.reference))
    if why is not None:
        meta[failure.FAILED] = why
    tables.write(args.output, SITES, found, meta=meta,
                 inputs={"sites": tables.sha256_file(args.sites)})  # fmt: skip
    log.info("%s of %s sites have a read", f"{len(found):,}", f"{len(wanted):,}")
