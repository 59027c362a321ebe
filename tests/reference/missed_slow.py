"""The probability that so many copies of a gene are missed, over all cells of the posterior."""

from __future__ import annotations

from ctcnv.mixture import ratio_of


def probability_missed(copies, cells, m):
    """P(counts of the gene's own atoms at most as high as they are, had it so many copies); NaN
    without a posterior."""
    if len(cells.weight) == 0 or m.own is None:
        return float("nan")
    ratio = ratio_of(copies, cells.fraction, cells.ploidy, normal=float(m.normal_copies))
    found = 1 - float(cells.weight @ m.own.as_few(ratio) / cells.weight.sum())
    return 1 - found * (1.0 if cells.status == "detected" else cells.p_tumor)
