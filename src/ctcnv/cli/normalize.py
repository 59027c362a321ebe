"""Observed and expected fragments per atom of one sample."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli import failure
from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import NormalizeSettings

if TYPE_CHECKING:
    from ctcnv.cli.sample import Provenance
    from ctcnv.normalize import Normalized

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ctcnv normalize``."""
    from ctcnv.cli.call import add_inputs

    add_inputs(parser)
    parser.add_argument("--output", type=Path, required=True, help="profile.tsv.gz to write")
    add_settings(parser, NormalizeSettings)


def run(args: argparse.Namespace) -> None:
    """Read, compute, write."""
    from ctcnv.schema import PROFILE

    made, _, result = normalized(args)
    if failure.FAILED in made.meta:
        raise ValueError(f"{args.counts}: {made.meta[failure.FAILED]}")
    made.write(args.output, PROFILE, result.profile)


def normalized(
    args: argparse.Namespace, *, why: str | None = None
) -> tuple[Provenance, float | None, Normalized]:
    """Preamble so far, share of short fragments and profile of the arguments' counts, bins, panel.

    Of a sample that failed, ``why`` or as its counts say, no atom has an expectation, each gives
    the reason, and so does the preamble.
    """
    from ctcnv import schema
    from ctcnv.cli import sample as shared
    from ctcnv.io import tables
    from ctcnv.normalize import normalize, nothing_counted, short_share

    use = settings(args, NormalizeSettings)
    if (args.pon is None) != (args.waves is None):
        raise ValueError("--pon and --waves go together: give both or neither")
    made = shared.Provenance()
    bins, identity = tables.read_bins(args.bins)
    made.meta |= {"sample": args.sample, "bins": identity, "pon": "none", "n_normals": "0"}
    short: float | None = None
    if why is None:
        counts = made.add("counts", shared.read_sample(args.counts, schema.COUNTS, args.sample,
                                                       identity))  # fmt: skip
        made.meta["settings.count"] = counts.require("settings.count")
        why = counts.meta.get(failure.FAILED)
    made.add("bins", bins)
    made.meta["settings.normalize"] = use.as_dict()
    if why is None:
        panel = None
        if args.pon is not None:
            panel = shared.read_panel(args.pon, args.waves, identity, counts, made)
        result = normalize(counts.frame, bins.frame, panel=panel, settings=use)
        short = short_share(counts.frame)
        log.info("%s", result.summary)
    else:
        result = nothing_counted(bins.frame, reason="the sample failed")
        log.error("the sample failed: %s", why)
        made.meta[failure.FAILED] = why
    made.meta |= {"sex": result.sex or "unknown", "fragments": str(result.fragments),
                  "noise": f"{result.noise:.4g}"}  # fmt: skip
    return made, short, result
