"""The human reference builds, told apart by the lengths of their chromosomes, and their arms."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctcnv.schema import CHROMOSOMES, chrom_key

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GenomeBuild:
    """A build and the lengths of its chromosomes in bp, by :func:`ctcnv.schema.chrom_key`."""

    name: str
    lengths: Mapping[str, int]

    def fits(self, ends: Mapping[str, int], *, rounded_to: int = 1) -> bool:
        """Whether every chromosome (any naming) ends where this build says.

        ``rounded_to`` is the bin size when the ends are those of bins, whose last one reaches
        beyond the chromosome.
        """
        known = {chrom_key(name): end for name, end in ends.items()}
        return bool(known) and all(
            key in self.lengths and end == -(-self.lengths[key] // rounded_to) * rounded_to
            for key, end in known.items()
        )


def _build(name: str, *lengths: int) -> GenomeBuild:
    return GenomeBuild(name, dict(zip(CHROMOSOMES, lengths, strict=True)))


#: Lengths of chromosomes 1-22, X and Y, as in the headers of the reference sequences.
BUILDS = (
    # GRCh37 (hg19; with or without decoys)
    _build("hg19",
           249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022,
           141213431, 135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753,
           81195210, 78077248, 59128983, 63025520, 48129895, 51304566, 155270560, 59373566),
    # GRCh38 (hg38; with or without alternative sequences)
    _build("hg38",
           248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636,
           138394717, 133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345,
           83257441, 80373285, 58617616, 64444167, 46709983, 50818468, 156040895, 57227415),
    # T2T-CHM13 v2.0 (hs1), whose Y is that of HG002
    _build("chm13",
           248387328, 242696752, 201105948, 193574945, 182045439, 172126628, 160567428, 146259331,
           150617247, 134758134, 135127769, 133324548, 113566686, 101161492, 99753195, 96330374,
           84276897, 80542538, 61707364, 66210255, 45090682, 51324926, 154259566, 62460029),
)  # fmt: skip


def find_build(ends: Mapping[str, int], *, rounded_to: int = 1) -> GenomeBuild | None:
    """The one build that the chromosomes' ends fit; None when there is none, or more than one."""
    fitting = [build for build in BUILDS if build.fits(ends, rounded_to=rounded_to)]
    return fitting[0] if len(fitting) == 1 else None


#: A stretch of a chromosome without any used atom that is at least this long, in bp, and the
#: longest of its chromosome, is taken for the centromere (2.7 to 30 Mb in the human builds).
CENTROMERE_BP = 1_500_000


def arm_starts(start: NDArray[np.int64], end: NDArray[np.int64], first: Mask) -> Mask:
    """Where an arm begins, (n,): at ``first``, where a chromosome begins, and after the longest
    stretch between the pieces (``start`` to ``end``) of a chromosome that is a centromere."""
    starts = first.copy()
    bounds = [*np.flatnonzero(first).tolist(), len(first)]
    for low, high in itertools.pairwise(bounds):
        if high - low < 2:
            continue
        gap = start[low + 1 : high] - end[low : high - 1]
        longest = int(np.argmax(gap))
        if gap[longest] >= CENTROMERE_BP:
            starts[low + 1 + longest] = True
    return starts
