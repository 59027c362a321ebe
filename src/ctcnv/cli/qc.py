"""One table over all samples of a sheet, with status and reason."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ctcnv.cli.failure import FAILED
from ctcnv.cli.patterns import filled
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
        help="the rows that ctcnv call wrote; a path with {sample} is one per plasma sample of the "
        "sheet, here and below, and with {patient} one per patient",
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
    import pandas as pd

    from ctcnv import multiqc, qc
    from ctcnv.io import sheet, tables
    from ctcnv.schema import DONORS, LENGTHS, QC, READS, TRACK, is_autosome

    chosen = settings(args, QcSettings)
    samples = sheet.read(args.samples, look_for_files=False)
    of_plasma = samples[samples["role"] == "plasma"]
    names = of_plasma["sample"].tolist()
    counted = samples[(samples["role"] == "normal") & samples["bam"].notna()]["sample"].tolist()
    patients = sorted(of_plasma["patient"].unique())
    made_from = {"samples": tables.sha256_file(args.samples)}
    plasma = {}
    for path in filled(args.plasma, sample=names):
        stored = tables.read(path, QC)
        plasma[stored.require("sample")] = stored.frame
        made_from[f"qc.{stored.require('sample')}"] = stored.digest
    of_reads, of_lengths = (
        filled(paths, sample=counted) for paths in (args.normals_reads, args.normals_lengths)
    )
    reads = _by_sample([tables.read(path, READS) for path in of_reads])
    lengths = _by_sample([tables.read(path, LENGTHS) for path in of_lengths])
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
        if found is None:
            return absent(person)
        if found.empty:
            return outside(person)
        donor = found.iloc[0]
        if pd.isna(donor["fragments"]):
            return absent(person, reason=donor["reason"])
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

    def outside(person: pd.Series) -> pd.DataFrame:
        """A normal that was counted and is no part of the panel."""
        counted, histogram = reads.get(person["sample"]), lengths.get(person["sample"])
        failed = None if counted is None else counted.meta.get(FAILED)
        if failed is not None:
            return absent(person, reason=failed)
        return qc.row(
            sample=person["sample"],
            role="normal",
            settings=chosen,
            declared_sex=person["sex"],
            reads=None if counted is None else counted.frame,
            lengths=None if histogram is None else histogram.frame,
            warnings=["not part of the panel, which is kept as it was made"],
        )

    def absent(
        person: pd.Series, *, reason: str = "no results for this sample; see its log"
    ) -> pd.DataFrame:
        return qc.row(
            sample=person["sample"],
            role=person["role"],
            settings=chosen,
            patient=person["patient"],
            day=person["day"],
            declared_sex=person["sex"],
            failures=[reason],
        )

    rows = []
    for _, person in samples.iterrows():
        if person["role"] == "normal":
            rows.append(normal(person))
        elif person["sample"] in plasma:
            rows.append(plasma[person["sample"]])
        else:
            rows.append(absent(person))
    tracks = [tables.read(path, TRACK) for path in filled(args.tracks, patient=patients)]
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
