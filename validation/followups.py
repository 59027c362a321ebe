"""Follow-ups of tumors with an amplicon of ERBB2 and mutations, through the whole path.

Libraries, waves and tumors are those of :mod:`validation.informed`; every tumor has an amplicon of
40 copies as well, and one to five mutations. It is followed twice, with the amplicon as it was and
with a quarter of it. Every tumor has one follow-up of each kind, so that those of one kind are
independent and the intervals of their shares are exact. The baseline goes through ``segment``,
``fraction``, ``mutations`` and ``genes``, a follow-up through ``genes``, both through ``track``,
with their mutations and without.
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv import fraction, genes, mutations, normals, segment, track
from ctcnv.normalize import sample_dispersion
from ctcnv.schema import SEGMENTS, TRACK_COPIES
from tests import plasma
from validation import informed
from validation.gene_grid import NOTHING, WORKERS, gene
from validation.informed import DEPTHS, USE, World
from validation.page import markdown, rate
from validation.parallel import mapped

Array = NDArray[np.float64]

#: Tumor fraction of a follow-up; the baselines are those of :mod:`validation.informed`.
FRACTIONS = (0.03, 0.1, 0.3)
#: Copies of the amplicon at baseline, and at the follow-up where it stays and where it is lost.
COPIES, KINDS = 40.0, {"stays": 40.0, "quarter": 10.0}
#: The amplicon, as wide as that of :mod:`tests.plasma`.
PLACE = ("chr17", 38_000_000, 41_000_000)
#: Most mutations of a tumor, their depth (log-uniform), and the share of them that is in all tumor
#: cells. The others are in a share of the cells that is drawn anew at the follow-up.
MOST, DEPTH, CLONAL = 5, (500, 5000), 0.8
#: Share of the mutations with more than one copy where there are more than two.
SINGLE = 0.8
PANELS = 6


def run(*, tumors: int, seed: int) -> pd.DataFrame:
    """One row a follow-up of ``tumors`` for each depth and fraction: truth and result."""
    parts = [(tumors, seed, depth) for depth in DEPTHS]
    found = mapped(_of_depth, parts, workers=min(WORKERS, len(parts)))
    return pd.DataFrame([row for rows in found for row in rows])


def _of_depth(part: tuple[int, int, str]) -> list[dict[str, object]]:
    tumors, seed, depth = part
    logging.getLogger("ctcnv").setLevel(logging.ERROR)
    rng = np.random.default_rng([seed, list(DEPTHS).index(depth)])
    worlds = [informed.world(rng) for _ in range(PANELS)]
    return [
        row
        for number in range(tumors)
        for level in FRACTIONS
        for row in _series(worlds[number % PANELS], depth, level, rng)
    ]


def _series(
    made: World, depth: str, level: float, rng: np.random.Generator
) -> list[dict[str, object]]:
    """One tumor, its baseline, and a follow-up of each kind."""
    bins = made.bins
    arms = informed.tumor(bins, rng)
    inside = ((bins["chrom"] == PLACE[0]) & (bins["start"] >= PLACE[1])
              & (bins["end"] <= PLACE[2])).to_numpy(bool)  # fmt: skip
    base = float(rng.uniform(*informed.BASELINE))
    variants = _variants(bins, arms, inside, rng)

    def point(name: str, copies: float, true: float) -> track.TimePoint:
        values = np.where(inside, copies, arms)
        return _point(made, name, values, true, DEPTHS[depth], variants, rng)

    points = [point("base", COPIES, base)]
    points += [point(kind, copies, level) for kind, copies in KINDS.items()]
    found = {
        name: track.track(points, settings=USE["track"], normals=made.normals, mutations=use)
        for name, use in (("", USE["mutations"]), ("alone_", None))
    }
    if not points[0].detected:
        return []
    then = float(np.where(inside, COPIES, arms).mean())
    rows = []
    for kind, copies in KINDS.items():
        now = float(np.where(inside, copies, arms).mean())
        true = _step(level, now) / _step(base, then)
        apart = (copies - now) / (COPIES - then)
        row: dict[str, object] = {
            "depth": depth, "kind": kind, "base": base, "truth": level,
            "n_mutations": len(variants), "true_ratio": true, "true_amplicon": apart,
            "true_erbb2": true * apart,
        }  # fmt: skip
        for name, table in found.items():
            line = table.set_index("sample").loc[kind]
            row |= {f"{name}{key}": line[key] for key in KEPT}
            row[f"{name}part"] = "have a part" in str(line["reason"])
        rows.append(row)
    return rows


#: Columns of the track that are kept.
KEPT = ("profile", "informed_p", "change", "p_selective_loss", "erbb2_copies_change",
        *(f"{name}{end}" for name in ("ratio", "amplicon_ratio", "erbb2_ratio")
          for end in ("", "_low", "_high")))  # fmt: skip


def _step(true: float, ploidy: float) -> float:
    """k = T / (T*P + 2*(1-T)): what one copy more or less moves the ratio by."""
    return true / (true * ploidy + 2 * (1 - true))


def _variants(
    bins: pd.DataFrame, arms: Array, amplicon: NDArray[np.bool_], rng: np.random.Generator
) -> pd.DataFrame:
    """Mutations of a tumor: place, copies there, those that carry it, share of cells by sample."""
    places = rng.choice(np.flatnonzero(~amplicon & (arms >= 1)), int(rng.integers(1, MOST + 1)),
                        replace=False)  # fmt: skip
    copies = arms[places]
    carry = np.where((rng.random(len(places)) < SINGLE) | (copies < 2), 1,
                     rng.integers(2, np.maximum(np.round(copies), 2) + 1))  # fmt: skip
    clonal = rng.random(len(places)) < CLONAL
    share = rng.uniform(0.1, 0.9, (2, len(places)))
    frame = bins.iloc[places][["chrom", "start"]].reset_index(drop=True)
    return frame.assign(
        copies=copies, carry=np.where(clonal, carry, 1),
        base=np.where(clonal, 1.0, share[0]), later=np.where(clonal, 1.0, share[1]),
    ).sort_values(["chrom", "start"])  # fmt: skip


def _reads(variants: pd.DataFrame, share: str, true: float, rng: np.random.Generator) -> Array:
    """Depth and reads of each variant in a sample, (n, 2), of as many molecules as the settings
    take for granted: V = T*m*f / (T*C + 2*(1-T)); ``share`` is the column of f."""
    copies = variants["copies"].to_numpy(float)
    carried = variants["carry"].to_numpy(float) * variants[share].to_numpy(float)
    vaf = true * carried / (true * copies + 2 * (1 - true))
    depth = np.round(np.exp(rng.uniform(*np.log(DEPTH), len(vaf))))
    limit = float(USE["mutations"].molecules)
    alt = rng.binomial(depth.astype(int), rng.beta(vaf * limit, (1 - vaf) * limit))
    return np.column_stack([depth, alt])


def _point(
    made: World, name: str, copies: Array, true: float, fragments: int, variants: pd.DataFrame,
    rng: np.random.Generator,
) -> track.TimePoint:  # fmt: skip
    """A sample through the steps of ``ctcnv call``; of a follow-up those that its change needs."""
    drawn = informed.counts_of(made.bins, made.shared, informed.deviation(copies, true),
                                 fragments, rng)  # fmt: skip
    profile = informed.profile_of(made.bins, drawn, np.ones(len(made.bins)))
    own = sample_dispersion(profile, made.dispersion)
    is_base = name == "base"
    reads = _reads(variants, "base" if is_base else "later", true, rng)
    given = variants[["chrom", "start"]].assign(
        end=variants["start"] + 1, ref="A", alt="C", gene=None, origin="somatic",
        depth=reads[:, 0].astype(int), alt_reads=reads[:, 1].astype(int), population=np.nan,
        reason=None, protein=None,
    )[list(mutations.VARIANT_COLUMNS)]  # fmt: skip
    segments, found = SEGMENTS.empty(), NOTHING
    listed = given.assign(used=True, vaf=reads[:, 1] / reads[:, 0])
    if is_base:
        segments = segment.segment(profile, dispersion=own, settings=USE["segment"])
        _, grid, libraries = normals.read(made.normals)
        with plasma.quick():
            found = fraction.estimate(profile, dispersion=own, settings=plasma.FAST,
                                      normals=(grid, libraries))  # fmt: skip
        combined = mutations.combine(
            found, given, segments=segments, profile=profile, dispersion=own,
            settings=USE["mutations"], fraction_settings=plasma.FAST,
        )  # fmt: skip
        found, listed = combined.fraction, combined.table
    called = genes.call_genes(profile, gene(), found, dispersion=own, settings=USE["genes"])
    return track.TimePoint(name, 0 if is_base else 21, informed.UNSEEN | found.row,
                           called.iloc[0].to_dict(), profile, segments, found.grid, own,
                           listed)  # fmt: skip


# The page --------------------------------------------------------------------------------------


def _holds(part: pd.DataFrame, name: str, true: str) -> NDArray[np.bool_]:
    """Whether the interval holds the truth, of those that were given one."""
    given = part[part[f"{name}_high"].notna()]
    low, high = given[f"{name}_low"], given[f"{name}_high"]
    return ((low <= given[true]) & (given[true] <= high)).to_numpy(dtype=bool)


def _width(part: pd.DataFrame, name: str) -> float:
    """Median width of an interval over its middle."""
    return float(((part[f"{name}_high"] - part[f"{name}_low"]) / part[name]).median())


def chapter(rows: pd.DataFrame, *, seed: int) -> str:
    """Coverage of the ratios with and without mutations, and selective loss: true and false."""
    stays, lost = (rows[rows["kind"] == kind] for kind in KINDS)
    lines = [
        "## Follow-ups with an amplicon and mutations\n",
        f"{len(stays)} tumors as those above, each with an amplicon of 3 Mb and {COPIES:g} copies "
        f"of ERBB2 and one to {MOST} mutations ({100 * CLONAL:g} % in all tumor cells, the others "
        "in a share of them that changes at random), baselines of a tumor fraction of "
        f"{informed.BASELINE[0]:g} to {informed.BASELINE[1]:g}. Each is followed twice: with "
        f"{KINDS['stays']:g} copies throughout, and with {KINDS['quarter']:g} at the follow-up. "
        f"Libraries have the waves of those above. Seed {seed}, not used to choose anything.\n",
        "Does the 95 % interval hold the truth? `ratio` of ctDNA fractions by copy number alone "
        "and with mutations, `width` its median width over its value; `erbb2_ratio` and "
        "`amplicon_ratio` of the same follow-ups:\n",
        markdown(_coverage(stays)),
        "",
        f"- all, {KINDS['stays']:g} copies throughout: ratio by copy number alone "
        f"{_rate(_holds(stays, 'alone_ratio', 'true_ratio'))}; with mutations "
        f"{_rate(_holds(stays, 'ratio', 'true_ratio'))}; ERBB2 excess "
        f"{_rate(_holds(stays, 'erbb2_ratio', 'true_erbb2'))}; per tumor cell "
        f"{_rate(_holds(stays, 'amplicon_ratio', 'true_amplicon'))}",
        f"- all, {KINDS['quarter']:g} copies at the follow-up: "
        f"{_rate(_holds(lost, 'alone_ratio', 'true_ratio'))}; "
        f"{_rate(_holds(lost, 'ratio', 'true_ratio'))}; "
        f"{_rate(_holds(lost, 'erbb2_ratio', 'true_erbb2'))}; "
        f"{_rate(_holds(lost, 'amplicon_ratio', 'true_amplicon'))}",
        f"- mutations had a part in {_rate(stays['part'].to_numpy(bool))} and "
        f"{_rate(lost['part'].to_numpy(bool))}",
        "",
        "Selective loss: `erbb2_copies_change` of the follow-ups, with mutations. Where the copies "
        "stay, 2.5 % below and 2.5 % above are what a 95 % interval promises:\n",
        markdown(_words(rows)),
        "",
        f"- {KINDS['stays']:g} copies throughout, called a selective loss: "
        f"{_rate((stays['erbb2_copies_change'] == 'selective_loss').to_numpy())}; a selective "
        f"gain: {_rate((stays['erbb2_copies_change'] == 'selective_gain').to_numpy())}",
        f"- {KINDS['quarter']:g} copies left, called a selective loss: "
        f"{_rate((lost['erbb2_copies_change'] == 'selective_loss').to_numpy())}",
        "",
    ]
    return "\n".join(lines)


def _rate(found: NDArray[np.bool_]) -> str:
    return rate(int(found.sum()), len(found))


def _coverage(rows: pd.DataFrame) -> pd.DataFrame:
    found = []
    for (depth, level), part in rows.groupby(["depth", "truth"]):
        line: dict[str, object] = {"depth": depth, "truth": level, "n": len(part)}
        for title, name, true in (
            ("alone", "alone_ratio", "true_ratio"), ("with mutations", "ratio", "true_ratio"),
            ("erbb2_ratio", "erbb2_ratio", "true_erbb2"),
            ("amplicon_ratio", "amplicon_ratio", "true_amplicon"),
        ):  # fmt: skip
            line[title] = float(_holds(part, name, true).mean())
            if true == "true_ratio":
                line[f"width {title}"] = _width(part, name)
        found.append(line)
    return pd.DataFrame(found)


def _words(rows: pd.DataFrame) -> pd.DataFrame:
    found = []
    for (depth, level, kind), part in rows.groupby(["depth", "truth", "kind"]):
        counts = part["erbb2_copies_change"].value_counts()
        found.append({"depth": depth, "truth": level, "copies": KINDS[str(kind)], "n": len(part)}
                     | {word: int(counts.get(word, 0)) for word in TRACK_COPIES
                        if word != "baseline"})  # fmt: skip
    return pd.DataFrame(found)
