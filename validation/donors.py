"""Real healthy plasma as a judge: 27 donors published as log2 ratios, 47 as counts.

The 27 (ichorCNA's panel, about 0.1x, 1 Mb, hg19) come without counts. So that a ratio table is
used honestly, each donor is given the depth at which counting noise equals the noise it shows
between neighbouring bins:

    s = difference_sd(2^log2),  E = 1 / s^2,  count = round(E * 2^log2)

The ratios keep their own noise, none is added. What a donor shows beyond counting at the scale of
one bin is thereby called counting, and its depth is understated; waves over many bins stay, and
have to be told from tumor by the panel's over-dispersion. Bins without a ratio in any donor are not
used; neither is X, whose level was set to that of the autosomes in every donor.

The ratios are corrected for GC and mappability by other software; the correction is repeated here
and finds little left. The donors were not used to choose anything in this project; keep it so.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import ctcnv
from ctcnv import bins as bins_step
from ctcnv import fraction, import_, normalize, normals, pon
from ctcnv.dispersion import Dispersion
from ctcnv.io import tables, wig
from ctcnv.normalize import Panel
from ctcnv.robust import difference_sd
from ctcnv.schema import GENE_TABLE, chrom_key, is_autosome
from tests.plasma import SETTINGS
from validation.page import rate, shown
from validation.parallel import mapped

Floats = NDArray[np.float64]

RATIOS = "healthy_plasma/HD_ULP_PoN_1Mb_median_normAutosome_mapScoreFiltered_median.hg19.tsv.gz"
GRAZ = "healthy_plasma/graz_controls_47_counts_hg19_56kb.tsv.gz"
GRAZ_SAMPLES = "healthy_plasma/graz_controls_47_samples.tsv"
#: Simulated genomes behind the check of each donor of a panel; 27 panels are built.
CHECK_DRAWS = 100
GC, MAPPABILITY = "tracks/gc_hg19_1000kb.wig", "tracks/map_hg19_1000kb.wig"
WORKERS = 2


@dataclass(frozen=True)
class Ratios:
    """The 27 donors as pseudo-counts on atoms of which those without a ratio are not usable.

    noise : (donors,) standard deviation of the ratio of a bin, by name.
    """

    bins: pd.DataFrame
    counts: dict[str, pd.DataFrame]
    noise: dict[str, float]


# --- reading --------------------------------------------------------------------------------------


def reference(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Atoms of 1 Mb of hg19 from the tracks, and the genes placed on them (BINS, GENE_TABLE)."""
    gc, mappability = (wig.read_fixed_step(data / name) for name in (GC, MAPPABILITY))
    names = bins_step.main_chromosomes(dict.fromkeys(gc["chrom"].unique(), 0))
    frame = gc.rename(columns={"value": "gc"}).assign(
        callable=1.0, mappability=mappability["value"].where(mappability["value"] >= 0)
    )
    frame["gc"] = frame["gc"].where(frame["gc"] >= 0)
    frame = frame[frame["chrom"].isin(names)].reset_index(drop=True)
    settings = SETTINGS["bins"]
    judged = bins_step.judge(
        frame, min_callable=settings.min_callable, min_mappability=settings.min_mappability
    )
    table = Path(ctcnv.__file__).parent / "data" / "genes.hg19.tsv"
    genes, _ = bins_step.place_genes(tables.read(table, GENE_TABLE).frame, judged)
    return judged, genes


def ratio_donors(data: Path, bins: pd.DataFrame) -> Ratios:
    """The 27 donors; every atom is usable that is so in ``bins`` and has a ratio in each donor."""
    frame = pd.read_csv(data / RATIOS, sep="\t", dtype={"seqnames": str})
    donors = {name.split(".")[0]: name for name in frame.columns if name.startswith("HD")}
    key = list(zip(frame["seqnames"].map(chrom_key), frame["start"] - 1, strict=True))
    known = frame.set_index(pd.MultiIndex.from_tuples(key))[list(donors.values())]
    atoms = pd.MultiIndex.from_tuples(
        list(zip(bins["chrom"].map(chrom_key), bins["start"], strict=True))
    )
    on_atoms = known.reindex(atoms)
    has = on_atoms.notna().all(axis=1).to_numpy() & is_autosome(bins["chrom"])
    reason = bins["reason"].where(~(bins["usable"] & ~has), "no ratio")
    made = bins.assign(usable=bins["usable"] & has, reason=reason)
    counts, noise = {}, {}
    for short, name in donors.items():
        counts[short], noise[short] = pseudo_counts(on_atoms[name].to_numpy(float), made)
    return Ratios(made, counts, noise)


def pseudo_counts(log2: Floats, bins: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Counts whose Poisson noise is the local noise of log2 ratios, and that noise (COUNTS).

    log2 : (n_bins,) NaN = no ratio, counted as 0; such atoms must not be usable.  The noise is
    that of the usable atoms. Raises ValueError when it cannot be measured.
    """
    ratio = np.exp2(log2)
    noise = difference_sd(np.where(bins["usable"].to_numpy(bool), ratio, np.nan))
    if not noise > 0:
        raise ValueError(
            f"the noise between neighbouring bins is {noise:g}; expected log2 ratios of at least "
            "three usable bins that are not all equal"
        )
    drawn = np.rint(np.nan_to_num(ratio) / noise**2).astype(np.int64)
    table = bins[["chrom", "start", "end"]].assign(fragments=drawn, short=pd.NA)
    return table, noise


def counted_donors(data: Path, bins: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The 47 donors re-binned to the atoms (COUNTS by name)."""
    names = pd.read_csv(data / GRAZ_SAMPLES, sep="\t")["sample"].tolist()
    frame = pd.read_csv(data / GRAZ, sep="\t")
    region = frame[["chrom", "start", "end"]]
    return {name: on_atoms(region.assign(value=frame[name]), bins) for name in names}


def on_atoms(source: pd.DataFrame, bins: pd.DataFrame) -> pd.DataFrame:
    """A COUNTS table of counts (chrom, start, end, value) that are re-binned by overlap."""
    atoms = bins[["chrom", "start", "end"]]
    made = import_.rebin(import_.check_source(source), atoms)
    return atoms.assign(fragments=made.values, short=pd.NA)


@dataclass(frozen=True)
class Built:
    """A panel, its over-dispersion, its normals on their windows, and how many were used."""

    panel: Panel
    dispersion: Dispersion
    normals: tuple[normals.Grid, normals.Summed]
    size: int


def panel(counts: dict[str, pd.DataFrame], bins: pd.DataFrame, genes: pd.DataFrame) -> Built:
    """The panel of these donors as ``ctcnv pon`` makes it.

    The outlier check of each donor has fewer simulated genomes behind it than in ``ctcnv pon``.
    """
    made = pon.build(
        np.stack([one["fragments"].to_numpy() for one in counts.values()]), list(counts), bins,
        genes,
        normalize_settings=SETTINGS["normalize"], settings=SETTINGS["pon"],
        fraction_settings=replace(SETTINGS["fraction"], null_draws=CHECK_DRAWS),
        genes_settings=SETTINGS["genes"],
    )  # fmt: skip
    _, grid, libraries = normals.read(made.normals)
    return Built(pon.panel_of(made.pon, made.waves), Dispersion.from_frame(made.dispersion),
                 (grid, libraries), made.n_normals)  # fmt: skip


# --- the run --------------------------------------------------------------------------------------


def run(data: Path, *, limit: int | None = None, workers: int = WORKERS) -> pd.DataFrame:
    """Each of the 27 judged with a panel of the other 26; ``limit`` takes the first ones only."""
    bins, genes = reference(data)
    ratios = ratio_donors(data, bins)
    tasks = [(name, ratios, genes) for name in list(ratios.counts)[:limit]]
    return pd.DataFrame(mapped(_judge, tasks, workers=workers))


def _judge(task: tuple[str, Ratios, pd.DataFrame]) -> dict[str, object]:
    name, ratios, genes = task
    others = {key: table for key, table in ratios.counts.items() if key != name}
    built = panel(others, ratios.bins, genes)
    normal = normalize.normalize(
        ratios.counts[name], ratios.bins, panel=built.panel, settings=SETTINGS["normalize"]
    )
    own = normalize.sample_dispersion(normal.profile, built.dispersion)
    row = fraction.estimate(normal.profile, dispersion=own, settings=SETTINGS["fraction"],
                            normals=built.normals).row  # fmt: skip
    asked = ("fraction", "low", "high", "lob", "lod", "p_value", "p_tumor", "status", "reason")
    return {
        "donor": name,
        "noise": ratios.noise[name],
        "fragments": normal.fragments,
        "panel": built.size,
    } | {key: row[key] for key in asked}


def chapter(rows: pd.DataFrame) -> str:
    """How many of the 27 are called, and what the worst of them look like, in Markdown."""
    tested = rows[rows["status"] != "failed"]
    found = tested[tested["status"] == "detected"]
    lines = [
        "### 27 healthy donors of another laboratory, leave-one-out\n",
        "Published as log2 ratios (ichorCNA, about 0.1x), turned into counts whose Poisson noise "
        "is the noise between neighbouring bins; panel of the other 26. Not used to choose "
        "anything.\n",
        f"- called detected: {rate(len(found), len(tested))}",
        f"- could not be judged: {len(rows) - len(tested)} of {len(rows)}",
    ]
    p = pd.to_numeric(tested["p_value"], errors="coerce").dropna()
    for level in (0.01, 0.05, 0.2):
        lines.append(f"- p <= {level:g}: {rate(int((p <= level).sum()), len(p))}")
    lines += [
        "\nThe five with the smallest p:\n",
        "| donor | noise of a bin | pseudo-fragments | fraction | p | status |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    worst = tested.assign(p=p).sort_values("p", kind="stable").head(5)
    lines += [
        f"| {row['donor']} | {row['noise']:.3f} | {row['fragments']:,} | "
        f"{shown(row['fraction'])} | {shown(row['p_value'])} | {row['status']} |"
        for row in worst.to_dict("records")
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """``python -m validation.donors DATA --output x.tsv``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with healthy_plasma and tracks")
    parser.add_argument("--output", type=Path, required=True, metavar="x.tsv")
    parser.add_argument("--limit", type=int, help="the first donors only")
    args = parser.parse_args()
    logging.getLogger("ctcnv").setLevel(logging.ERROR)
    rows = run(args.data, limit=args.limit)
    rows.to_csv(args.output, sep="\t", index=False)
    print(f"{len(rows)} donors; {args.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
