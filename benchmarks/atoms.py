"""Atoms of hg38 as ``ctcnv bins`` writes them, without a reference: ``make_bins(path)``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ctcnv.genome import BUILDS
from ctcnv.io import tables
from ctcnv.schema import BINS

SIZE_BP = 10_000


def make_bins(path: Path) -> None:
    """Write 10-kb atoms of hg38 with made-up GC, all of them usable."""
    build = next(build for build in BUILDS if build.name == "hg38")
    rng = np.random.default_rng(1)
    parts = []
    for key, length in build.lengths.items():
        start = np.arange(0, length, SIZE_BP)
        parts.append(
            pd.DataFrame(
                {"chrom": f"chr{key}", "start": start, "end": np.minimum(start + SIZE_BP, length)}
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    gc = rng.normal(0.41, 0.05, len(frame)).clip(0.3, 0.6).round(4)
    frame = frame.assign(gc=gc, callable=1.0, mappability=np.nan, usable=True, reason=None)
    meta = {"bins": tables.bins_id(frame), "chromosome_ends": "exact"}
    tables.write(path, BINS, frame, meta=meta)
