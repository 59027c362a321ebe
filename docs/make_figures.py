"""Draw docs/img/pcn.svg from the formula of the code; run by `make docs`."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ctcnv.fraction import ratio_of

OUTPUT = Path(__file__).parent / "img" / "pcn.svg"
#: Copies per tumor cell that are drawn; darker is more.
COPIES = (4, 6, 10, 20, 40)
SHADES = ("#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08306b")


def plasma_copies() -> Figure:
    """Plasma copy number against tumor fraction for several copies, ploidy 2."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    fraction = np.geomspace(0.003, 0.8, 200)
    for copies, shade in zip(COPIES, SHADES, strict=True):
        pcn = 2 * ratio_of(float(copies), fraction, 2.0)
        axes.plot(100 * fraction, pcn, color=shade, linewidth=1.8)
        axes.annotate(f"{copies} copies", (80, pcn[-1]), (4, 0), textcoords="offset points",
                      va="center", color=shade, fontsize=9)  # fmt: skip
    axes.axhline(2, color="#888888", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log", base=2)
    axes.set_xlim(0.3, 170)
    axes.set_xticks([0.3, 1, 3, 10, 30, 80], labels=["0.3", "1", "3", "10", "30", "80"])
    axes.set_yticks([2, 4, 8, 16, 32], labels=["2", "4", "8", "16", "32"])
    axes.minorticks_off()
    axes.set_xlabel("tumor fraction, %")
    axes.set_ylabel("plasma copy number (pCN)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    OUTPUT.parent.mkdir(exist_ok=True)
    # Neither date nor random ids: the same bytes each time.
    with mpl.rc_context({"svg.hashsalt": "ctcnv", "svg.fonttype": "none"}):
        plasma_copies().savefig(OUTPUT, metadata={"Date": None})
