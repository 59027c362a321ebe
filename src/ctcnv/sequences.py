"""Names of sequences: which are chromosomes, and when two names mean the same."""

from __future__ import annotations

import numpy as np
import pandas as pd

AUTOSOMES = tuple(str(number) for number in range(1, 23))
SEX_CHROMOSOMES = ("X", "Y")
#: Chromosomes that are binned, in the order in which they are drawn.
CHROMOSOMES = AUTOSOMES + SEX_CHROMOSOMES


def chrom_key(name: str) -> str:
    """The name of a sequence without its prefix: ``chr17`` and ``17`` give ``17``, ``MT`` gives M.

    Every comparison of sequence names goes through this function, so that files of either naming
    meet.
    """
    short = name[3:] if name[:3].lower() == "chr" else name
    return {"MT": "M", "x": "X", "y": "Y"}.get(short, short)


def chrom_keys(chrom: pd.Series | np.ndarray) -> np.ndarray:
    """The key of each row, (n,), made once per name."""
    codes, names = numbered(chrom)
    return np.asarray(np.array([chrom_key(str(name)) for name in names], dtype=object)[codes])


def numbered(chrom: pd.Series | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number for the sequence of each row, -1 for none, (n,), and the names by number."""
    if isinstance(chrom, pd.Series) and isinstance(chrom.dtype, pd.CategoricalDtype):
        names = chrom.cat.categories.to_numpy(dtype=object)
        return chrom.cat.codes.to_numpy(dtype=np.int64), names
    codes, names = pd.factorize(np.asarray(chrom, dtype=object))
    return codes, names


def is_autosome(chrom: pd.Series | np.ndarray) -> np.ndarray:
    """Which rows lie on chromosomes 1 to 22, for names with or without ``chr``."""
    codes, names = numbered(chrom)
    return np.asarray(autosomal(names)[codes])


def autosomal(names: np.ndarray) -> np.ndarray:
    """Which of the names are autosomes, and False for the number -1 of none, (names + 1,)."""
    return np.array([*(chrom_key(str(name)) in AUTOSOMES for name in names), False])


def sequence_names(values: pd.Series) -> pd.Series:
    """Names of sequences as categories in the order in which they appear: each is kept once, and
    the thousands of atoms of a chromosome are told apart by a number."""
    codes, distinct = pd.factorize(values)
    again, names = pd.factorize(np.array([str(name) for name in distinct], dtype=object))
    kept = pd.Categorical.from_codes(np.append(again, -1)[codes], categories=pd.Index(names))
    return pd.Series(kept, index=values.index)
