"""Tables of one sample by hand, for criteria and strata: exact copies at a known tumor fraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ctcnv import schema
from ctcnv.alterations import Facts
from ctcnv.mixture import ratio_of

NAN = float("nan")
EXPECTED = 10_000.0


def gene_row(
    gene: str = "ERBB2", copies: float = 20.0, *, call: str = "amplified", fraction: float = 0.5,
    ploidy: float = 2.0, sd: float = 1e-4, rest: float = 2.0, **changes: Any,
) -> dict[str, Any]:  # fmt: skip
    """A row of GENES whose ratio is that of so many copies; sd : of the ratio."""
    ratio = float(ratio_of(copies, fraction, ploidy))
    row = dict.fromkeys(schema.GENES.names, NAN) | {
        "gene": gene, "chrom": "chr17", "start": 100, "end": 200, "n_bins": 10,
        "observed": EXPECTED * ratio, "expected": EXPECTED, "pcn": 2 * ratio,
        "pcn_low": max(0.0, 2 * (ratio - 1.96 * sd)), "pcn_high": 2 * (ratio + 1.959964 * sd),
        "copies": copies, "copies_low": copies - 1, "copies_high": copies + 1,
        "rest_ratio": float(ratio_of(rest, fraction, ploidy)), "reference_ratio": copies / rest,
        "width": 800_000 if call == "amplified" else None,
        "focal": True if call == "amplified" else None, "detectable_copies": 3.0, "call": call,
        "reason": "too little tumor DNA" if call == "indeterminate" else None,
    }  # fmt: skip
    return row | changes


def mutation_row(gene: str, *, used: bool = True, **changes: Any) -> dict[str, Any]:
    """A row of MUTATIONS that all tumor cells carry."""
    row = dict.fromkeys(schema.MUTATIONS.names, NAN) | {
        "chrom": "chr12", "start": 500, "end": 501, "ref": "C", "alt": "T", "gene": gene,
        "protein": None, "origin": None, "depth": 1000, "alt_reads": 250, "vaf": 0.25,
        "copies": 2.0, "multiplicity": 1.0, "p_clonal": 0.98, "ccf": 1.0, "ccf_low": 0.9,
        "ccf_high": 1.0, "used": used, "reason": None,
    }  # fmt: skip
    return row | changes


def facts_of(
    *, genes: Sequence[dict[str, Any]] = (), mutations: Sequence[dict[str, Any]] | None = (),
    fraction: float = 0.5, status: str = "detected", ploidy: float = 2.0, name: str = "P01_d0",
    day: int = 0, cells: Sequence[tuple[float, float, float]] = (), **track: Any,
) -> Facts:  # fmt: skip
    """A sample; mutations None: the sheet gave none. cells : fraction, ploidy, probability, by
    default one that is certain."""
    row = dict.fromkeys(schema.FRACTION.names, NAN) | {
        "sample": name, "fraction": fraction, "status": status, "p_tumor": 1.0, "ploidy": ploidy,
        "method": "copy number", "reason": None,
        "n_mutations": NAN if mutations is None else sum(bool(m["used"]) for m in mutations),
    }  # fmt: skip
    grid = pd.DataFrame(list(cells) or [(fraction, ploidy, 1.0)], columns=schema.GRID.names)
    course = dict.fromkeys(schema.TRACK.names, NAN) | {
        "sample": name, "day": day, "baseline": day <= 0, "reason": None,
    } | track  # fmt: skip
    variants = pd.DataFrame(list(mutations or ()), columns=schema.MUTATIONS.names)
    table = schema.GENES.check(pd.DataFrame(list(genes), columns=schema.GENES.names))
    return Facts(sample=name, day=day, fraction=row, genes=table,
                 mutations=schema.MUTATIONS.check(variants), grid=grid,
                 track={key: _plain(value) for key, value in course.items()})  # fmt: skip


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
