"""One table over all samples of a sheet, with status and reason."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli.settings import add_settings, settings
from ctcnv.model import QcSettings

if TYPE_CHECKING:
    import pandas as pd

    from ctcnv.io.tables import Stored

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("--samples", type=Path, required=True, metavar="samples.tsv")
    parser.add_argument(
        "--plasma", type=Path, nargs="*", default=[], metavar="qc.tsv",
        help="the rows that ctcnv call wrote",
    )  # fmt: skip
    parser.add_argument(
        "--normals-reads", type=Path, nargs="*", default=[], metavar="reads.tsv"
    )  # fmt: skip
    parser.add_argument(
        "--normals-lengths", type=Path, nargs="*", default=[], metavar="lengths.tsv"
    )
    parser.add_argument("--donors", type=Path, metavar="pon.donors.tsv")
    parser.add_argument(
        "--bins", type=Path, metavar="bins.tsv.gz", help="gives the normals their depth"
    )
    parser.add_argument(
        "--tracks", type=Path, nargs="*", default=[], metavar="track.tsv",
        help="tracks of the patients: a sample of another person is flagged",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="qc.tsv")
    parser.add_argument(
        "--output-multiqc", type=Path, nargs=2, metavar=("GENERAL_mqc.json", "TABLE_mqc.json"),
        help="the same for MultiQC: columns of its general statistics, and a section",
    )  # fmt: skip
    add_settings(parser, QcSettings)


def run(args: argparse.Namespace) -> int | None:
    """Join the rows of the plasma samples and make those of the normals, in the sheet's order."""
    from ctcnv import multiqc, qc
    from ctcnv.io import sheet, tables
    from ctcnv.schema import DONORS, LENGTHS, QC, READS, TRACK, is_autosome

    chosen = settings(args, QcSettings)
    samples = sheet.read(args.samples, look_for_files=False)
    made_from = {"samples": tables.sha256_file(args.samples)}
    plasma = {}
    for path in args.plasma:
        stored = tables.read(path, QC)
        plasma[stored.require("sample")] = stored.frame
        made_from[f"qc.{stored.require('sample')}"] = stored.digest
    reads = _by_sample([tables.read(path, READS) for path in args.normals_reads])
    lengths = _by_sample([tables.read(path, LENGTHS) for path in args.normals_lengths])
    made_from |= {f"reads.{name}": table.digest for name, table in reads.items()}
    made_from |= {f"lengths.{name}": table.digest for name, table in lengths.items()}
    donors = None
    if args.donors is not None:
        checked = tables.read(args.donors, DONORS)
        donors, made_from["donors"] = checked.frame, checked.digest
    usable_bp = None
    if args.bins is not None:
        reference = tables.read_bins(args.bins)[0]
        bins, made_from["bins"] = reference.frame, reference.digest
        kept = bins[bins["usable"].to_numpy(dtype=bool) & is_autosome(bins["chrom"])]
        usable_bp = int((kept["end"] - kept["start"]).sum())

    def normal(person: pd.Series) -> pd.DataFrame:
        name = person["sample"]
        found = None if donors is None else donors[donors["sample"] == name]
        if found is None or found.empty:
            return absent(person)
        donor = found.iloc[0]
        histogram = lengths.get(name)
        return qc.row(
            sample=name,
            role="normal",
            settings=chosen,
            declared_sex=person["sex"],
            fragments=int(donor["fragments"]),
            usable_bp=usable_bp,
            sex=donor["sex"] or None,
            reads=reads[name].frame if name in reads else None,
            lengths=None if histogram is None else histogram.frame,
            short_share=None if histogram is None else _short_share(histogram),
            warnings=_of_panel(donor),
        )

    def absent(person: pd.Series) -> pd.DataFrame:
        return qc.row(
            sample=person["sample"],
            role=person["role"],
            settings=chosen,
            patient=person["patient"],
            day=person["day"],
            declared_sex=person["sex"],
            failures=["no results for this sample; see its log"],
        )

    rows = []
    for _, person in samples.iterrows():
        if person["role"] == "normal":
            rows.append(normal(person))
        elif person["sample"] in plasma:
            rows.append(plasma[person["sample"]])
        else:
            rows.append(absent(person))
    tracks = [tables.read(path, TRACK) for path in args.tracks]
    made_from |= {f"track.{track.require('patient')}": track.digest for track in tracks}
    table = qc.flag(qc.join(rows), _strangers(tracks))
    tables.write(args.output, QC, table, meta={"settings.qc": chosen.as_dict()}, inputs=made_from)
    if args.output_multiqc is not None:
        for path, content in zip(
            args.output_multiqc, (multiqc.general_statistics(table), multiqc.section(table)),
            strict=True,
        ):  # fmt: skip
            tables.write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    log.info(
        "%d samples: %s",
        len(table),
        ", ".join(f"{count} {word}" for word, count in table["status"].value_counts().items()),
    )
    return None


def _strangers(tracks: list[Stored]) -> dict[str, str]:
    """Samples that are not of the person of their baseline, with the reason."""
    found = {}
    for stored in tracks:
        track = stored.frame
        for row in track[track["identity"] == "different"].to_dict("records"):
            parts = [p for p in str(row["reason"]).split("; ") if p.startswith("identity: ")]
            found[str(row["sample"])] = parts[0] if parts else "identity: another person"
    return found


def _of_panel(donor: pd.Series) -> list[str]:
    """What the panel's checks say against a normal, in words."""
    if not donor["used"]:
        return [f"left out of the panel: {donor['reason']}"]
    return [f"in the panel, {donor['reason']}"] if isinstance(donor["reason"], str) else []


def _by_sample(stored: list[Stored]) -> dict[str, Stored]:
    return {table.require("sample"): table for table in stored}


def _short_share(lengths: Stored) -> float | None:
    """The share of short among the counted fragments, in the ranges they were counted with."""
    from ctcnv import qc

    limits = json.loads(lengths.require("settings.count"))
    counted = lengths.frame[
        lengths.frame["length"].between(limits["min_length"], limits["max_length"])
    ]
    return qc.length_share(counted, low=limits["short_min"], high=limits["short_max"])
