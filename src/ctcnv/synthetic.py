"""A small synthetic genome with the names, arms and GC structure of the human one, and its genes.

Every length is that of hg38 divided by ``scale``. What has a size of its own in the human genome
(genes, amplicons, isochores) keeps it up to a scale of 20 and shrinks with the genome beyond.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.compiled import compiled
from ctcnv.genome import BUILDS
from ctcnv.schema import AUTOSOMES, CHROMOSOMES, GENE_TABLE, chrom_key

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

#: Middle of the centromere in Mb (hg38).
CENTROMERES_MB = dict(
    zip(
        CHROMOSOMES,
        (123.4, 93.9, 90.9, 50.0, 48.75, 60.55, 60.1, 45.2, 43.85, 39.8, 53.4, 35.5, 17.7, 17.15,
         19.0, 36.85, 25.05, 18.45, 26.15, 28.05, 11.95, 15.55, 60.95, 10.45),
        strict=True,
    )
)  # fmt: skip
#: Mean GC of each human chromosome, rounded.
MEAN_GC = dict(
    zip(
        CHROMOSOMES,
        (0.417, 0.402, 0.397, 0.382, 0.395, 0.396, 0.407, 0.402, 0.413, 0.416, 0.416, 0.408, 0.385,
         0.409, 0.422, 0.448, 0.454, 0.398, 0.484, 0.441, 0.408, 0.470, 0.395, 0.391),
        strict=True,
    )
)  # fmt: skip
#: Their short arms are repeats that no reference could call before T2T-CHM13.
ACROCENTRIC = frozenset({"13", "14", "15", "21", "22"})

#: Scale up to which genes, amplicons and isochores keep their human size.
FULL_SIZE_SCALE = 20
CENTROMERE_GAP_BP = 200_000
TELOMERE_GAP_BP = 10_000
#: Tile of the regional factor that all libraries share: one atom of the default size.
TILE_BP = 10_000
#: Spread of that factor: what a panel of normals has to learn.
FACTOR_SD = 0.05
#: GC of isochores: a slow component and texture on top, within what is found in human DNA.
ISOCHORE_BP = 100_000
ISOCHORE_SD = 0.035
TEXTURE_BP = 1_000
TEXTURE_SD = 0.015
GC_RANGE = (0.30, 0.62)
#: Blocks of texture that are drawn at a time, and bases that are looked at, so few that memory is
#: used again. An even number, as numbers of 16 bits are drawn in pairs; a multiple of 8.
BLOCKS_AT_A_TIME, BASES_AT_A_TIME = 1000, 2**20
#: Sizes a gene is given, so that it holds atoms and leaves room for its neighbours.
GENE_SIZE_BP = (10_000, 60_000)
GENE_DISTANCE_BP = 5_000
#: Neighbours that keep their true distance from ERBB2: an amplicon may reach some and not others.
AROUND_ERBB2 = ("CDK12", "GRB7", "RARA", "TOP2A")

#: 4-bit code of N in a BAM record (SAM specification, 4.2.3).
BASE_N = 15
_ONES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Genome:
    """A genome as one long array; a global position is a chromosome's offset plus a position.

    offsets : (n+1,) starts of the chromosomes, and the total.  centromeres : (n,) middles, bp of
    the chromosome.  codes : (total,) base codes of a BAM record.  called : (m, 2) global intervals
    without N.  tiles : (k+1,) global edges of the tiles, none of which spans two chromosomes.
    factor : (k,) share of the expected fragments that every library gives there, mean 1.
    """

    scale: float
    names: tuple[str, ...]
    offsets: Ints
    centromeres: Ints
    codes: Bytes
    gc_bits: Bytes
    gc_before: NDArray[np.int32]
    called: Ints
    tiles: Ints
    factor: Floats

    @property
    def shrink(self) -> float:
        """What human sizes are multiplied by."""
        return shrink(self.scale)

    @property
    def lengths(self) -> dict[str, int]:
        """Lengths of the chromosomes in bp, by name, in order."""
        return dict(zip(self.names, np.diff(self.offsets).tolist(), strict=True))

    def place(self, chrom: str) -> int:
        """Number of a chromosome, whatever its naming."""
        return [chrom_key(name) for name in self.names].index(chrom_key(chrom))

    def gc(self, starts: Ints, ends: Ints) -> Floats:
        """Share of G and C of stretches given by global positions."""
        return (self._gc_up_to(ends) - self._gc_up_to(starts)) / (ends - starts)

    def _gc_up_to(self, position: Ints) -> Ints:
        """G and C before each global position: whole bytes by table, the last bits by mask."""
        byte = position >> 3
        mask = (0xFF00 >> (position & 7)) & 0xFF
        rest = _ONES[self.gc_bits[byte] & mask]
        return np.asarray(self.gc_before[byte] + rest, dtype=np.int64)


def shrink(scale: float) -> float:
    """What human sizes are multiplied by in a genome of this scale."""
    return min(1.0, FULL_SIZE_SCALE / scale)


def make_genome(*, scale: float, rng: np.random.Generator) -> Genome:
    """Draw a genome whose chromosomes are ``scale`` times shorter than those of hg38.

    Raises ValueError when the scale is below 1 or leaves a chromosome too short.
    """
    lengths = _scaled_lengths(scale)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    codes = np.empty(total, dtype=np.uint8)
    called, tiles, centromeres = [], [np.zeros(1, dtype=np.int64)], []
    for number, key in enumerate(CHROMOSOMES):
        begin, end = int(offsets[number]), int(offsets[number + 1])
        middle = round(CENTROMERES_MB[key] * 1e6 / scale)
        centromeres.append(middle)
        _put_sequence(codes[begin:end], key, shrink(scale), rng)
        spans = _called(key, end - begin, middle, shrink(scale))
        called += [(begin + start, begin + stop) for start, stop in spans]
        # what lies before, between and behind them is not called
        edges_here = [0, *itertools.chain(*spans), end - begin]
        for start, stop in zip(edges_here[::2], edges_here[1::2], strict=True):
            codes[begin + start : begin + stop] = BASE_N
        tile = max(round(TILE_BP * shrink(scale)), 1)
        tiles.append(np.append(np.arange(begin + tile, end, tile), end))
    edges = np.concatenate(tiles)
    bits, before = _gc_index(codes)
    factor = np.exp(rng.normal(-(FACTOR_SD**2) / 2, FACTOR_SD, len(edges) - 1))
    return Genome(
        scale, tuple(f"chr{key}" for key in CHROMOSOMES), offsets,
        np.array(centromeres, dtype=np.int64), codes, bits, before,
        np.array(called, dtype=np.int64), edges, factor,
    )  # fmt: skip


def _scaled_lengths(scale: float) -> list[int]:
    if not scale >= 1:
        raise ValueError(f"the scale is {scale}; give 1 (a whole human genome) or more")
    human = next(build for build in BUILDS if build.name == "hg38").lengths
    lengths = [round(human[key] / scale) for key in CHROMOSOMES]
    if min(lengths) < 10_000:
        raise ValueError(
            f"the scale is {scale:g}, which leaves a chromosome of {min(lengths)} bp; give a "
            "smaller one"
        )
    return lengths


def _put_sequence(codes: Bytes, key: str, sizes: float, rng: np.random.Generator) -> None:
    """Put the base codes of one chromosome."""
    block = max(round(TEXTURE_BP * sizes), 1)
    n_blocks = -(-len(codes) // block)
    slow = smooth_noise(n_blocks, ISOCHORE_BP * sizes / block, rng)
    gc = MEAN_GC[key] + ISOCHORE_SD * slow + TEXTURE_SD * rng.standard_normal(n_blocks)
    threshold = (np.clip(gc, *GC_RANGE) * 2**15).astype(np.uint16)
    for first in range(0, n_blocks, BLOCKS_AT_A_TIME):
        part = codes[first * block : (first + BLOCKS_AT_A_TIME) * block]
        drawn = rng.integers(0, 2**16, len(part), dtype=np.uint16)
        _put_letters(part, drawn, threshold[first:], block)


@compiled
def _put_letters(
    codes: Bytes, drawn: NDArray[np.uint16], threshold: NDArray[np.uint16], block: int
) -> None:
    """Put base codes: 15 random bits against the block's share of G and C, and the 16th chooses
    which of the two."""
    for number in range(-(-len(codes) // block)):
        # Slices that begin at 0 let the compiler take many bases at a time.
        here = slice(number * block, (number + 1) * block)
        code, bits = codes[here], drawn[here]
        for i in range(len(bits)):
            other = bits[i] & np.uint16(1)
            strong = bits[i] >> np.uint16(1) < threshold[number]
            # C 2 and G 4, A 1 and T 8
            code[i] = 2 + 2 * other if strong else 1 + 7 * other


def _gc_index(codes: Bytes) -> tuple[Bytes, NDArray[np.int32]]:
    """Which bases are G or C as bits, and how many of them there are before each byte."""
    # One byte more, so that the position behind the last base can be asked for.
    bits = np.zeros(-(-len(codes) // 8) + 1, dtype=np.uint8)
    for first in range(0, len(codes), BASES_AT_A_TIME):
        part = codes[first : first + BASES_AT_A_TIME]
        packed = np.packbits((part == 2) | (part == 4))
        bits[first // 8 : first // 8 + len(packed)] = packed
    before = np.zeros(len(bits), dtype=np.int32)
    np.cumsum(np.bitwise_count(bits[:-1]), out=before[1:])
    return bits, before


def smooth_noise(n: int, width: float, rng: np.random.Generator) -> Floats:
    """Normal noise of standard deviation 1 whose correlation length is ``width`` values."""
    reach = max(round(3 * width), 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(width, 1e-9)) ** 2)
    kernel /= np.sqrt(np.sum(kernel**2))
    return np.convolve(rng.standard_normal(n + 2 * reach), kernel, mode="valid")


def _called(key: str, length: int, centromere: int, sizes: float) -> list[tuple[int, int]]:
    """The parts of a chromosome that are not N: its arms without telomere and centromere."""
    telomere = round(TELOMERE_GAP_BP * sizes)
    gap = round(CENTROMERE_GAP_BP * sizes) // 2
    short = (telomere, centromere - gap)
    long = (centromere + gap, length - telomere)
    return [long] if key in ACROCENTRIC else [short, long]


def place_genes(human: pd.DataFrame, genome: Genome) -> pd.DataFrame:
    """The genes of an hg38 gene table at their place in the synthetic genome (GENE_TABLE).

    A gene's middle stands at its place divided by the scale; genes that would overlap are moved
    apart in their order, and no gene lies in a gap. The neighbours of ERBB2 keep their distance
    from it. A gene for which its arm has no room left is left out.
    """
    size = (human["end"] - human["start"]).clip(*GENE_SIZE_BP) * genome.shrink
    genes = [
        _Gene(name, genome.place(chrom), middle, middle / genome.scale, extent, role)
        for name, chrom, middle, extent, role in zip(
            human["gene"].tolist(), human["chrom"].tolist(),
            ((human["start"] + human["end"]) / 2).tolist(), size.tolist(), human["role"].tolist(),
            strict=True,
        )
    ]  # fmt: skip
    for home in [gene for gene in genes if gene.name == "ERBB2"]:
        genes = [
            replace(gene, wanted=home.wanted + (gene.human - home.human) * genome.shrink)
            if gene.name in AROUND_ERBB2
            else gene
            for gene in genes
        ]
    placed = {}
    for number, name in enumerate(genome.names):
        here = sorted((g for g in genes if g.number == number), key=lambda gene: gene.human)
        offset, end = genome.offsets[number], genome.offsets[number + 1]
        inside = (genome.called[:, 0] >= offset) & (genome.called[:, 0] < end)
        arms = (genome.called[inside] - offset).tolist()
        free = 0.0
        for gene in here:
            start = max(gene.wanted - gene.size / 2, free)
            room = [max(start, a) for a, b in arms if max(start, a) + gene.size <= b]
            if room:
                begin, stop = round(room[0]), round(room[0] + gene.size)
                middle = int(genome.centromeres[number])
                placed[gene.name] = (gene.name, name, begin, stop, middle, gene.role)
                free = stop + GENE_DISTANCE_BP * genome.shrink
    rows = [placed[gene.name] for gene in genes if gene.name in placed]
    return GENE_TABLE.check(pd.DataFrame(rows, columns=GENE_TABLE.names))


@dataclass(frozen=True)
class _Gene:
    """A gene to place: number of its chromosome, middle in hg38, wanted middle and size here."""

    name: str
    number: int
    human: float
    wanted: float
    size: float
    role: str


def autosomal(genome: Genome) -> Ints:
    """The called intervals of chromosomes 1 to 22."""
    last = genome.offsets[len(AUTOSOMES)]
    return np.asarray(genome.called[genome.called[:, 1] <= last])
