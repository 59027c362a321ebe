"""The chapter about genes: what :mod:`validation.gene_grid` measured, and its picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ctcnv.palette import BLUE, GREEN, ORANGE, PURPLE, VERMILLION
from validation import gene_grid, limits
from validation.page import markdown, rate

#: Significance of the calls that are judged here.
LEVEL = gene_grid.SETTINGS.false_positive
COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE)


def chapter(rows: pd.DataFrame, donors: pd.DataFrame | None) -> str:
    """Everything measured, in Markdown."""
    rows = rows.assign(**_held(rows))
    lines = [
        "## ERBB2 and its amplicon\n",
        f"{len(rows)} samples (`validation/gene_grid.py`): chromosome 17 in atoms of 10 kb, panel "
        f"of {gene_grid.NORMALS} normals of {gene_grid.NORMAL_DEPTH:g}x, the amplicon anywhere "
        "around the gene. `alone`: chromosome 17 only, tumor fraction and ploidy known. `whole`: a "
        "whole genome with the tumor fraction estimated; beside it the same samples with the true "
        "fraction, which tells what of an error comes from the fraction and what from the gene. "
        "All intervals in brackets are exact binomial ones of 95 %.\n",
        "### Targets\n",
        *_targets(rows),
        "\n### Plasma copy number and copies\n",
        *_intervals(rows),
        "\n### Detection\n",
        "Share called amplified of amplicons of 20 copies (`alone`):\n",
        markdown(_detection(rows)),
        "\n![share of amplicons that are found](img/genes.png)\n",
        "### Focal or broad, and how wide\n",
        *_widths(rows),
        "\n### What must not happen\n",
        *_never(rows),
    ]
    if donors is not None:
        lines += ["\n### Healthy plasma, leave-one-out\n", *_healthy(donors)]
    return "\n".join([*lines, ""])


def _held(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Whether intervals hold the truth, NaN where there is none."""
    found = {}
    for prefix in ("", "known_"):
        if f"{prefix}pcn" not in rows:
            continue
        for what, truth in (("pcn", "true_pcn"), ("copies", "erbb2"), ("width", "bp")):
            low, high = (rows[f"{prefix}{what}_{end}"].astype(float) for end in ("low", "high"))
            holds = ((low <= rows[truth]) & (rows[truth] <= high)).astype(float)
            found[f"{prefix}{what}_held"] = holds.where(low.notna() & high.notna())
    return found


def _share(values: pd.Series) -> str:
    known = values.dropna()
    return rate(int(known.sum()), len(known))


def _targets(rows: pd.DataFrame) -> list[str]:
    found = []
    for true, depth in gene_grid.TARGETS:
        for kind, world in (("target", "fraction known"), ("target whole", "fraction estimated")):
            part = rows[(rows["set"] == kind) & (rows["truth"] == true) & (rows["depth"] == depth)]
            if part.empty:
                continue
            found.append((f"TF {true:g}, {depth:g}x, 20 copies in 500 kb", world,
                          _share(part["call"] == "amplified"), "95 %"))  # fmt: skip
    return [markdown(pd.DataFrame(found, columns=["sample", "world", "amplified", "target"]))]


def _intervals(rows: pd.DataFrame) -> list[str]:
    grid = rows[rows["set"] == "grid"]
    lines = [
        "Amplicons that are significant. Errors of `pcn` are in standard errors of counting alone, "
        "those of all fragments of the true amplicon; `sd` is their robust standard deviation "
        "(1.4826 MAD).\n",
        "`plain`: nothing sets libraries apart and the panel is deep, so that what goes beyond 1 "
        "is lost by the method; the target is 1.2.\n",
        markdown(_errors(rows[rows["set"] == "grid plain"])),
        "\n`alone`: with what sets libraries apart (2 % an atom, waves of 500 kb of 0.5 to 1 %: "
        "assumptions) and a panel of 24 normals of 1x. `by truth` is the sd of who knows where the "
        "amplicon lies and what each atom should have, `by panel` of who knows the place and has "
        "the panel: what a method can reach. `claimed` is the standard deviation that the "
        "interval stands for, in the same unit.\n",
        markdown(_errors(grid)),
        "\nThe same amplicons by their intervals:\n",
        markdown(_coverage(grid)),
        "",
    ]
    lines += ["All of the grid, whatever the p-value (95 % wanted, 93-97 % the target):\n",
              f"- pcn: {_share(grid['pcn_held'])}",
              f"- copies, fraction known: {_share(grid['copies_held'])}"]  # fmt: skip
    whole = rows[rows["set"] == "grid whole"]
    whole = whole[whole["status"] == "detected"]
    if len(whole):
        within = (whole["low"] <= whole["truth"]) & (whole["truth"] <= whole["high"])
        lines += [
            f"- whole genomes, pcn: {_share(whole['pcn_held'])}",
            f"- whole genomes, copies with the true fraction: {_share(whole['known_copies_held'])}",
            f"- whole genomes, copies with the estimated one: {_share(whole['copies_held'])}; the "
            f"interval of the fraction holds the truth in {_share(within)}",
        ]
    high = rows[rows["set"] == "high whole"]
    if len(high):
        copies = " and ".join(f"{number:g}" for number in sorted(high["erbb2"].unique()))
        lines.append(
            f"- whole genomes, {copies} copies in 500 kb: amplified "
            f"{_share(high['call'] == 'amplified')}, copies with the true fraction hold "
            f"{_share(high['known_copies_held'])}, with the estimated one "
            f"{_share(high['copies_held'])}"
        )
    return lines


def _seen(grid: pd.DataFrame) -> pd.DataFrame:
    """The significant ones, with their errors in standard errors of counting."""
    seen = grid[grid["p_value"] <= LEVEL].copy()
    bases = seen["bp"] * seen["depth"] / limits.FRAGMENT_BP
    counting = 2 * np.sqrt(seen["true_pcn"] / 2 / bases)
    for name in ("pcn", "by_truth", "by_panel"):
        seen[f"{name}_error"] = (seen[name] - seen["true_pcn"]) / counting
    seen["claimed"] = (seen["pcn_high"] - seen["pcn_low"]) / (2 * 1.96) / counting
    return seen


def _by(seen: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """By depth, then by width."""
    return [
        *((f"{depth:g}x", seen[seen["depth"] == depth]) for depth in gene_grid.DEPTHS),
        *((f"{width / 1e3:g} kb", seen[seen["bp"] == width]) for width in gene_grid.WIDTHS),
    ]


def _errors(grid: pd.DataFrame) -> pd.DataFrame:
    """Errors of plasma copies beside those of who knows the place."""
    table = []
    for of, part in _by(_seen(grid)):
        sd = {name: _robust(part[f"{name}_error"]) for name in ("by_truth", "by_panel", "pcn")}
        table.append((of, len(part), sd["by_truth"], sd["by_panel"], sd["pcn"],
                      sd["pcn"] / sd["by_panel"], part["claimed"].median(),
                      part["by_panel_error"].median(), part["pcn_error"].median()))  # fmt: skip
    names = ["of", "n", "sd by truth", "sd by panel", "sd", "over by panel", "claimed",
             "median by panel", "median"]  # fmt: skip
    return pd.DataFrame(table, columns=names)


def _coverage(grid: pd.DataFrame) -> pd.DataFrame:
    """How often intervals hold the truth."""
    table = [(of, len(part), _share(part["pcn_held"]), _share(part["copies_held"]))
             for of, part in _by(_seen(grid))]  # fmt: skip
    return pd.DataFrame(table, columns=["of", "n", "pcn interval holds", "copies interval"])


def _robust(values: pd.Series) -> float:
    return float(1.4826 * (values - values.median()).abs().median())


def _detection(rows: pd.DataFrame) -> pd.DataFrame:
    grid = rows[(rows["set"] == "grid") & (rows["erbb2"] == 20)]
    found = []
    for depth in gene_grid.DEPTHS:
        for true in gene_grid.FRACTIONS:
            part = grid[(grid["depth"] == depth) & (grid["truth"] == true)]
            shares = {
                f"{width / 1e3:g} kb": f"{int((one['call'] == 'amplified').sum())} of {len(one)}"
                for width, one in part.groupby("bp")
            }
            found.append({"depth": f"{depth:g}x", "TF": true} | shares)
    return pd.DataFrame(found)


def _widths(rows: pd.DataFrame) -> list[str]:
    seen = rows[(rows["set"] == "grid") & (rows["p_value"] <= LEVEL)]
    table = [
        (f"{width / 1e3:g} kb", len(part), _share(part["focal"].astype(str) == "True"),
         int((part["focal"].astype(str) == "False").sum()),
         float((part["width"].astype(float) / width).median()), _share(part["width_held"]))
        for width, part in seen.groupby("bp")
    ]  # fmt: skip
    names = ["amplicon", "n", "focal", "called broad", "median width over true", "interval holds"]
    lines = [markdown(pd.DataFrame(table, columns=names)), ""]
    for kind in ("broad", "broad whole"):
        part, world = rows[rows["set"] == kind], kind.partition(" ")[2] or "alone"
        if part.empty:
            continue
        for name, one in (("all", part), ("significant", part[part["p_value"] <= LEVEL])):
            focal = _share(one["focal"].astype(str) == "True")
            lines.append(f"- one copy of 17q more, TF 0.05 to 0.9, {world}, {name}: focal {focal}")
    return lines


def _never(rows: pd.DataFrame) -> list[str]:
    lines = _neutral(rows)
    series = rows[rows["set"] == "dilution whole"].sort_values("truth", ascending=False)
    if len(series):
        calls = pd.crosstab([series["depth"], series["truth"]], series["call"]).reset_index()
        lines += ["\nAn amplified tumor (20 copies in 500 kb) diluted, whole path, "
                  f"{series.groupby(['depth', 'series']).ngroups} series: neutral in "
                  f"{_share(series['call'] == 'neutral')}.\n", markdown(calls)]  # fmt: skip
    lines.append("\nSeven copies at TF 0.3 and 1x in a tumor of ploidy 2, and of ploidy 4:\n")
    for kind in ("ploidy", "ploidy whole"):
        for base, part in rows[rows["set"] == kind].groupby("base"):
            calls = ", ".join(f"{n} {call}" for call, n in part["call"].value_counts().items())
            lines.append(f"- ploidy {base:g}, {kind.partition(' ')[2] or 'alone'}: {calls}")
    variants = rows[rows["set"] == "germline"].assign(
        amplified=lambda table: table["call"] == "amplified",
        gained=lambda table: table["call"] == "gained",
        neutral=lambda table: table["call"] == "neutral",
    )
    table = [
        (n // gene_grid.ATOM, f"{level:g}", len(part), _share(part["amplified"]),
         int(part["gained"].sum()), int(part["neutral"].sum()))
        for (n, level), part in variants.groupby(["bp", "level"])
    ]  # fmt: skip
    names = ["atoms", "ratio", "n", "amplified", "gained", "neutral"]
    lines += [_lost_to_germline(rows)]
    lines += ["\nA germline variant of a part of the gene, in all cells; no tumor, or TF 0.1; 0.1x "
              "to 5x:\n", markdown(pd.DataFrame(table, columns=names))]  # fmt: skip
    return lines


def _neutral(rows: pd.DataFrame) -> list[str]:
    """Neutral although amplified, and what that costs where nothing is changed."""
    narrow, target = rows[rows["set"] == "narrow"], gene_grid.SETTINGS.target_copies
    table = [
        (f"{width / 1e3:g} kb", copies, len(part), _share(part["call"] == "neutral"),
         int((_unseen(part) & (part["detectable_copies"] <= target)).sum()))
        for (width, copies), part in narrow.groupby(["bp", "erbb2"])
    ]  # fmt: skip
    names = ["amplicon", "copies", "n", "neutral", "with 500 kb assumed"]
    lines = [
        "Called neutral although ERBB2 is amplified (`alone`, TF 0.05 to 0.5, 0.1x to 5x), and "
        "how many would be if only an amplicon of 500 kb were asked for (`detectable_copies` of at "
        f"most {target:g} and nothing seen):\n",
        markdown(pd.DataFrame(table, columns=names)),
        f"\nAll: {_share(narrow['call'] == 'neutral')}. The combination of TF, depth, copies and "
        f"width with the most: {_worst(narrow)}.\n",
        "What it costs: an unchanged ERBB2 (`alone`), called neutral; in brackets how many would "
        "be if only 500 kb were asked for; the rest is indeterminate. Behind it the median "
        "`detectable_copies`:\n",
    ]
    unchanged = rows[rows["set"] == "unchanged"]
    costs = []
    for true, part in unchanged.groupby("truth"):
        cells = {
            f"{depth:g}x": f"{int((one['call'] == 'neutral').sum())} of {len(one)} "
            f"({int((_unseen(one) & (one['detectable_copies'] <= target)).sum())}); "
            f"{one['detectable_copies'].median():.2g}"
            for depth, one in part.groupby("depth")
        }
        costs.append({"TF": true} | cells)
    return [*lines, markdown(pd.DataFrame(costs))]


def _lost_to_germline(rows: pd.DataFrame) -> str:
    """How many real amplicons are not called because they may be germline variants."""
    seen = rows[(rows["set"] == "grid") & (rows["p_value"] <= LEVEL)]
    counts = ", ".join(
        f"{width / 1e3:g} kb {int((part['call'] == 'indeterminate').sum())} of {len(part)}"
        for width, part in seen.groupby("bp")
    )
    return f"\nAmplicons that are significant, but not called (`alone`, all of the grid): {counts}."


def _unseen(rows: pd.DataFrame) -> pd.Series:
    return rows["call"].isin(["neutral", "indeterminate"]) & (rows["p_value"] > LEVEL)


def _worst(narrow: pd.DataFrame) -> str:
    cells = narrow.groupby(["truth", "depth", "erbb2", "bp"])["call"]
    neutral = cells.apply(lambda calls: int((calls == "neutral").sum()))
    return f"{int(neutral.max())} of {int(cells.size().max())}"


def _healthy(donors: pd.DataFrame) -> list[str]:
    lines = ["Every donor with a panel of the others of its laboratory, 1 Mb, without tumor.\n"]
    for panel, part in [*donors.groupby("panel", sort=False), ("all 74 donors", donors)]:
        lines.append(f"- {panel}: amplified "
                     f"{_share(part['call'] == 'amplified')}; gained or amplified "
                     f"{_share(part['call'].isin(['amplified', 'gained']))}; lost "
                     f"{_share(part['call'] == 'lost')}")  # fmt: skip
    erbb2 = donors[donors["gene"] == "ERBB2"]
    lines.append(f"- ERBB2 alone: amplified or gained "
                 f"{_share(erbb2['call'].isin(['amplified', 'gained']))}; lost "
                 f"{_share(erbb2['call'] == 'lost')}")  # fmt: skip
    named = donors[donors["call"].isin(["amplified", "gained", "lost"])]
    if len(named):
        columns = ["panel", "donor", "gene", "call", "pcn", "p_value", "q_value"]
        lines += ["\nAll that are called:\n", markdown(named[columns])]
    return lines


def draw(rows: pd.DataFrame) -> Figure:
    """Share of amplicons called amplified, by tumor fraction."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    grid = rows[rows["set"] == "grid"]
    by_depth = grid[(grid["erbb2"] == 20) & grid["bp"].isin([200_000, 500_000, 2_000_000])]
    by_copies = grid[(grid["depth"] == 1.0) & (grid["bp"] >= 200_000)]
    for axis, part, key, title in (
        (axes[0], by_depth, "depth", "20 copies, 0.2 to 2 Mb, by depth"),
        (axes[1], by_copies, "erbb2", "1x, 0.2 to 10 Mb, by copies"),
    ):
        for colour, (value, one) in zip(COLOURS, part.groupby(key), strict=False):
            share = (one["call"] == "amplified").groupby(one["truth"]).mean()
            label = f"{value:g}x" if key == "depth" else f"{value:g} copies"
            axis.plot(share.index, share.to_numpy(), marker="o", color=colour, label=label)
        axis.set_xscale("log")
        axis.set_title(title)
        axis.set_xlabel("tumor fraction (known)")
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xticks(gene_grid.FRACTIONS, [f"{x:g}" for x in gene_grid.FRACTIONS])
        axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes[0].set_ylabel("share called amplified")
    return figure
