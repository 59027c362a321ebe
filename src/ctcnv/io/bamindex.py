"""The index of a simulated BAM (BAI: SAM specification, section 5.2), from what is known of it.

Reads are of one length and sorted, and where each begins in the file is known when it is written:
to have htslib read all of it again for its index would take a fifth of the time of a simulation.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ctcnv.io import bamrecords
from ctcnv.simulate import READ_BP

Ints = NDArray[np.int64]

#: Windows of the linear index, as a shift: 16 kb.
WINDOW_SHIFT = 14
#: The bin that holds no reads but what is known of a chromosome's.
SUMMARY_BIN = 37450


def index(position: Ints, places: Ints, offsets: Ints, *, unaligned: int) -> bytes:
    """The bytes of the index.

    position : (n,) global positions of the aligned reads, sorted.  places : (n+1,) their virtual
    offsets in the file, and the end of the last.  offsets : (c+1,) of the chromosomes.
    """
    edges = np.searchsorted(position, offsets).tolist()
    parts = [b"BAI\1", struct.pack("<i", len(offsets) - 1)]
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        start = position[first:last] - offsets[number]
        parts += _chromosome(start, places[first : last + 1]) if len(start) else [bytes(8)]
    return b"".join([*parts, struct.pack("<Q", unaligned)])


def _chromosome(start: Ints, places: Ints) -> Iterator[bytes]:
    """Bins with their chunks of the file, then the first read of every window."""
    bins = bamrecords.index_bins(start)
    # Reads of one bin that follow each other are a chunk; then by bin.
    begin = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
    end = np.append(begin[1:], len(bins))
    order = np.argsort(bins[begin], kind="stable")
    number = bins[begin][order]
    chunks = places[np.column_stack([begin, end])[order]].astype("<u8")
    edges = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1], [True]]))
    yield struct.pack("<i", len(edges))  # the summary is one more than the bins
    for low, high in itertools.pairwise(edges.tolist()):
        yield struct.pack("<Ii", number[low], high - low) + chunks[low:high].tobytes()
    yield struct.pack("<Ii4Q", SUMMARY_BIN, 2, places[0], places[-1], len(start), 0)
    n_windows = (int(start[-1]) + READ_BP - 1 >> WINDOW_SHIFT) + 1
    window = np.arange(n_windows, dtype=np.int64) << WINDOW_SHIFT
    first = np.searchsorted(start, window - READ_BP, side="right")
    yield struct.pack("<i", n_windows) + places[first].astype("<u8").tobytes()
