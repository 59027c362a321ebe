"""Windows of atoms: walk along the rows and close a window when it is full."""

from __future__ import annotations

import math

from ctcnv.schema import AUTOSOMES, chrom_key


def windows_slow(rows, size, *, autosomes=True):
    """Rows are mappings of a profile; a list of windows as mappings.

    What is left over at the end of a chromosome joins its last window, or makes one if it is alone.
    """
    by_chrom = {}
    for row in rows:
        expected = row["expected"]
        if not math.isfinite(expected) or expected <= 0:
            continue
        if autosomes and chrom_key(row["chrom"]) not in AUTOSOMES:
            continue
        by_chrom.setdefault(row["chrom"], []).append(row)
    made = []
    for chrom, atoms in by_chrom.items():
        groups = [atoms[k : k + size] for k in range(0, len(atoms), size)]
        if len(groups) > 1 and len(groups[-1]) < size:
            rest = groups.pop()
            groups[-1] = groups[-1] + rest
        for group in groups:
            made.append(
                {
                    "chrom": chrom,
                    "start": group[0]["start"],
                    "end": group[-1]["end"],
                    "atoms": len(group),
                    "observed": sum(row["observed"] for row in group),
                    "expected": sum(row["expected"] for row in group),
                }
            )
    return made
