"""The gene calls of real healthy plasma, leave-one-out: 47 donors, and 27 of another laboratory.

Each donor is normalized with the factors and waves of the others, and tested with what the others
show at each gene. The over-dispersion by size is that of all donors of the laboratory, each left
out in turn, as in ``ctcnv pon``. What healthy plasma is called without tumor is counted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ctcnv import genes, genetest, normalize, pon
from ctcnv.bias import Reference
from tests.plasma import SETTINGS
from validation import donors
from validation.gene_grid import NOTHING


def run(data: Path) -> pd.DataFrame:
    """One row a donor and gene."""
    bins, table = donors.reference(data)
    ratios = donors.ratio_donors(data, bins)
    return pd.concat(
        [
            _panel("47 donors", donors.counted_donors(data, bins), bins, table),
            _panel("27 donors", ratios.counts, ratios.bins, table),
        ],
        ignore_index=True,
    )


def _panel(
    name: str, counts: dict[str, pd.DataFrame], bins: pd.DataFrame, table: pd.DataFrame
) -> pd.DataFrame:
    settings = SETTINGS["normalize"]
    reference = Reference.of(bins)
    seen = np.stack([one["fragments"].to_numpy() for one in counts.values()])
    alone = [normalize.expectation(one, reference, factor=None, settings=settings)
             for one in seen]  # fmt: skip
    factors = pon.Factors(seen, np.stack([one.expected for one in alone]),
                          settings=SETTINGS["pon"])  # fmt: skip
    left = pon.leave_one_out(
        list(counts), bins, reference, factors, factors.table(bins),
        normalize_settings=settings, most=SETTINGS["pon"].waves,
    )  # fmt: skip
    profiles = dict(zip(left.names, left.profiles(), strict=True))
    dispersion = pon.measured_dispersion(list(profiles.values()))
    own = {donor: normalize.sample_dispersion(one, dispersion) for donor, one in profiles.items()}
    use = SETTINGS["genes"]
    sums = {
        donor: genetest.squared_excess(
            genetest.extents_of(one, table, settings=use), dispersion=own[donor]
        )
        for donor, one in profiles.items()
    }
    total = np.sum(list(sums.values()), axis=0)
    rows = []
    for donor, profile in profiles.items():
        excess = dict(zip(table["gene"], pon.excess_of_sums(total - sums[donor]), strict=True))
        found = genes.call_genes(profile, table, NOTHING, dispersion=own[donor], settings=use,
                                 excess=excess)  # fmt: skip
        rows.append(found[found["call"] != "failed"].assign(panel=name, donor=donor))
    columns = ["panel", "donor", "gene", "pcn", "z", "p_value", "q_value", "p_focal", "call"]
    return pd.concat(rows, ignore_index=True)[columns]
