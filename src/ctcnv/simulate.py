"""Plasma with known truth: tumors, libraries, fragments of a sample, a demonstration cohort.

A position is sampled with a weight of ``TF*C + (1-TF)*N`` (C copies per tumor cell, N copies per
normal cell: 2, or 1 and 0 on X and Y of a man), so that the true tumor fraction TF is a share of
genome equivalents. On top come what healthy plasma shows as well: a factor of each region that all
libraries share, a smooth wave and a GC curve of each library, duplicates and reads to be dropped.
Either whole fragments are drawn (:func:`draw`) or, much faster, counts per atom
(:func:`atom_counts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctcnv.schema import TRUTH_SEGMENTS, chrom_key, is_autosome, numbered
from ctcnv.synthetic import Genome, autosomal, smooth_noise

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Flags of the SAM specification.
SECONDARY, QC_FAIL, DUPLICATE, SUPPLEMENTARY = 0x100, 0x200, 0x400, 0x800

#: Shortest fragment: as long as a read, so that every record has the same size.
READ_BP = 60
LONGEST_BP = 600
#: Length of the wave by which libraries differ along the genome.
WAVE_BP = 500_000
#: Mapping quality of well-placed pairs, and the highest one of those that are not.
GOOD_MAPQ, USABLE_MAPQ, LOW_MAPQ = 60, 20, 10
#: Share of well-placed pairs whose quality is between usable and good.
MIDDLING_SHARE = 0.05
#: Distance of mates that are not a proper pair.
IMPROPER_BP = (2_000, 5_000)


# --- tumors ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segment:
    """A region of the tumor genome and its copies per tumor cell; 0-based, half-open."""

    chrom: str
    start: int
    end: int
    copies: float


@dataclass(frozen=True)
class Tumor:
    """A tumor: ``base`` copies of the autosomes, and segments that differ; a later one wins.

    X and Y have ``base / 2`` times the copies of a normal cell.
    """

    segments: tuple[Segment, ...] = ()
    base: float = 2.0


def normal_copies(chrom: str, sex: str) -> float:
    """Copies of a chromosome in a normal cell of a ``female`` or ``male`` person."""
    key = chrom_key(chrom)
    if key == "X":
        return 2.0 if sex == "female" else 1.0
    if key == "Y":
        return 0.0 if sex == "female" else 1.0
    return 2.0


def copies(
    tumor: Tumor | None, chrom: NDArray[np.object_], start: Ints, end: Ints, *, sex: str
) -> Floats:
    """Mean copies per tumor cell of regions, weighted by overlap; those of a normal cell for None.

    chrom, start, end : (n,) regions, sorted or not.
    """
    code, names = numbered(chrom)
    each = np.array([normal_copies(str(name), sex) for name in names], dtype=float)
    result: Floats = each[code]
    if tumor is None:
        return result
    result *= tumor.base / 2
    keys = [chrom_key(str(name)) for name in names]
    background = result.copy()
    for segment in _resolved(tumor.segments):
        named = np.array([key == chrom_key(segment.chrom) for key in keys], dtype=bool)
        here = np.flatnonzero(named[code])
        overlap = np.minimum(end[here], segment.end) - np.maximum(start[here], segment.start)
        share = np.clip(overlap, 0, None) / (end[here] - start[here])
        result[here] += share * (segment.copies - background[here])
    return result


def _resolved(segments: Sequence[Segment]) -> list[Segment]:
    """Segments without overlap: where two overlap, the later one holds."""
    kept: list[Segment] = []
    for new in segments:
        left = []
        for old in kept:
            if chrom_key(old.chrom) != chrom_key(new.chrom):
                left.append(old)
                continue
            parts = (
                (old.start, min(old.end, new.start)),
                (max(old.start, new.end), old.end),
            )
            left += [replace(old, start=a, end=b) for a, b in parts if a < b]
        kept = [*left, new]
    return kept


def arm(genome: Genome, name: str, copies: float) -> Segment:
    """A whole chromosome arm such as ``8q``, or a whole chromosome such as ``13``."""
    number = genome.place(name.rstrip("pq"))
    middle, length = int(genome.centromeres[number]), int(np.diff(genome.offsets)[number])
    start, end = {"p": (0, middle), "q": (middle, length)}.get(name[-1], (0, length))
    return Segment(genome.names[number], start, end, copies)


def part(genome: Genome, name: str, begin: float, end: float, copies: float) -> Segment:
    """A part of an arm; ``begin`` and ``end`` are shares of it, from its lower coordinate."""
    whole = arm(genome, name, copies)
    size = whole.end - whole.start
    return replace(
        whole, start=whole.start + round(begin * size), end=whole.start + round(end * size)
    )


def amplicon(genes: pd.DataFrame, gene: str, *, width_bp: int, copies: float) -> Segment:
    """A focal gain of this width around the middle of a gene of a gene table."""
    row = genes[genes["gene"] == gene]
    middle = int(row["start"].to_numpy()[0] + row["end"].to_numpy()[0]) // 2
    start = max(middle - width_bp // 2, 0)
    return Segment(str(row["chrom"].to_numpy()[0]), start, start + width_bp, copies)


def ploidy(genome: Genome, tumor: Tumor) -> float:
    """Mean copies per tumor cell over the called bases of the autosomes."""
    pieces = _pieces(genome, tumor, sex="female")
    inside = pieces.start < autosomal(genome)[-1, 1]
    size = (pieces.end - pieces.start)[inside]
    return float(np.sum(pieces.tumor[inside] * size) / np.sum(size))


def copies_of(genes: pd.DataFrame, gene: str, tumor: Tumor | None, *, sex: str) -> float:
    """Copies per tumor cell of one gene of a gene table."""
    row = genes[genes["gene"] == gene]
    return float(
        copies(tumor, row["chrom"].to_numpy(object), row["start"].to_numpy(np.int64),
               row["end"].to_numpy(np.int64), sex=sex)[0]
    )  # fmt: skip


def altered(lengths: Mapping[str, int], patient: str, tumor: Tumor, *, sex: str) -> pd.DataFrame:
    """Every region of a tumor whose copies differ from those of a normal cell (TRUTH_SEGMENTS), on
    chromosomes of these lengths."""
    rows = []
    for name, length in lengths.items():
        cuts = {0, length}
        for segment in tumor.segments:
            if chrom_key(segment.chrom) == chrom_key(name):
                cuts |= {max(segment.start, 0), min(segment.end, length)}
        edges = np.array(sorted(cuts), dtype=np.int64)
        chrom = np.full(len(edges) - 1, name, dtype=object)
        found = copies(tumor, chrom, edges[:-1], edges[1:], sex=sex)
        starts = np.flatnonzero(np.append(True, np.diff(found) != 0))
        for first, last in zip(starts, [*starts[1:], len(found)], strict=True):
            if found[first] != normal_copies(name, sex):
                rows.append((patient, name, edges[first], edges[last], found[first]))
    return TRUTH_SEGMENTS.check(pd.DataFrame(rows, columns=TRUTH_SEGMENTS.names))


# --- libraries ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Library:
    """How a library was made: its size and what it does to the genome.

    ``fragments`` is the number of well-placed, unique pairs; duplicates and dropped reads come on
    top as shares of it. The GC curve is unimodal: exp(-((gc - gc_peak) / gc_width)^2 / 2).
    ``wave`` is the standard deviation of its smooth deviation along the genome.
    """

    fragments: int
    gc_peak: float = 0.44
    gc_width: float = 0.13
    wave: float = 0.007
    duplicates: float = 0.08
    low_mapq: float = 0.03
    odd: float = 0.002

    def acceptance(self, gc: Floats) -> Floats:
        """Relative chance that DNA of this GC is sequenced, 1 at the peak."""
        return np.exp(-0.5 * ((gc - self.gc_peak) / self.gc_width) ** 2)


def random_library(fragments: int, rng: np.random.Generator) -> Library:
    """A library as another day in the laboratory makes it: its own GC curve, wave, duplicates."""
    return Library(
        fragments=fragments,
        gc_peak=float(rng.normal(0.44, 0.02)),
        gc_width=float(rng.uniform(0.11, 0.16)),
        wave=float(rng.uniform(0.005, 0.010)),
        duplicates=float(rng.uniform(0.06, 0.10)),
        low_mapq=float(rng.uniform(0.02, 0.04)),
    )


def length_distribution(*, tumor: bool) -> tuple[Ints, Floats]:
    """Fragment lengths and their probabilities: DNA of normal cells, or of tumor cells.

    Normal cfDNA has its mode at 167 bp (a nucleosome with its linker), a step of 10 bp below
    (turns of the helix) and a second nucleosome near 330 bp; tumor DNA is shorter, mode 145
    (Mouliere 2018).
    """
    length = np.arange(READ_BP, LONGEST_BP + 1, dtype=np.int64)
    main = _peak(length, 167, 9, 14)
    short = _peak(length, 145, 26, 12)
    turns = 1 + 0.5 * np.cos(2 * np.pi * (length - 145) / 10) * (length < 156)
    double = _peak(length, 330, 30, 30)
    weights = (0.30, 0.64, 0.06) if tumor else (0.72, 0.19, 0.09)
    density = weights[0] * main + weights[1] * short * turns + weights[2] * double
    return length, density / density.sum()


def _peak(length: Ints, mode: float, left_sd: float, right_sd: float) -> Floats:
    sd = np.where(length < mode, left_sd, right_sd)
    density = np.exp(-0.5 * ((length - mode) / sd) ** 2)
    return np.asarray(density / density.sum())


# --- fragments ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fragments:
    """The read pairs of a sample, in no order, and single reads that show a pair's read again.

    start : (n,) global position in the genome.  length : (n,) bp.  tumor : (n,) whether the DNA
    comes from a tumor cell.  mapq, flags : (n,) of both mates; flags are those to add to a plain
    pair's.  proper : (n,).  again_of, again_start, again_flags : (m,) which pair's read, where else
    it is aligned, secondary or supplementary.  unmapped : pairs that are aligned nowhere.
    """

    start: Ints
    length: Ints
    tumor: NDArray[np.bool_]
    mapq: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    proper: NDArray[np.bool_]
    again_of: Ints
    again_start: Ints
    again_flags: NDArray[np.uint16]
    unmapped: int


def draw(
    genome: Genome, library: Library, *, tumor: Tumor | None, fraction: float, sex: str,
    rng: np.random.Generator,
) -> Fragments:  # fmt: skip
    """Draw the fragments of one plasma sample.

    Raises ValueError when the fraction is not between 0 and 1, or is above 0 without a tumor.
    """
    _check_fraction(tumor, fraction)
    n_odd = round(library.odd * library.fragments)
    n_low = round(library.low_mapq * library.fragments)
    n_pairs = library.fragments + n_low + 2 * n_odd
    start, length, is_tumor = _well_placed(
        genome, library, n_pairs, tumor=tumor, fraction=fraction, sex=sex, rng=rng
    )
    mapq = np.full(n_pairs, GOOD_MAPQ, dtype=np.uint8)
    middling = rng.random(n_pairs) < MIDDLING_SHARE
    mapq[middling] = rng.integers(USABLE_MAPQ, GOOD_MAPQ, int(middling.sum()))
    flags = np.zeros(n_pairs, dtype=np.uint16)
    proper = np.ones(n_pairs, dtype=bool)
    # The order is random, so the kinds may be given out one after the other.
    low = slice(library.fragments, library.fragments + n_low)
    failed = slice(low.stop, low.stop + n_odd)
    improper = slice(failed.stop, n_pairs)
    mapq[low] = rng.integers(0, LOW_MAPQ + 1, n_low)
    flags[failed] = QC_FAIL
    proper[improper] = False
    length[improper] = rng.integers(*IMPROPER_BP, n_odd)
    chrom = np.searchsorted(genome.offsets, start[improper], side="right")
    start[improper] = np.minimum(start[improper], genome.offsets[chrom] - length[improper])

    copied = rng.integers(0, library.fragments, round(library.duplicates * library.fragments))
    pairs = np.concatenate([np.arange(n_pairs), copied])
    flags = np.concatenate([flags, np.full(len(copied), DUPLICATE, dtype=np.uint16)])
    again = rng.integers(0, library.fragments, 2 * n_odd)
    elsewhere = rng.integers(0, library.fragments, 2 * n_odd)
    again_flags = np.repeat(np.array([SECONDARY, SUPPLEMENTARY], dtype=np.uint16), n_odd)
    return Fragments(
        start[pairs], length[pairs], is_tumor[pairs], mapq[pairs], flags, proper[pairs],
        again, start[elsewhere], again_flags, n_odd,
    )  # fmt: skip


def _check_fraction(tumor: Tumor | None, fraction: float) -> None:
    if not 0 <= fraction <= 1:
        raise ValueError(f"the tumor fraction is {fraction}; give 0 to 1")
    if fraction > 0 and tumor is None:
        raise ValueError(f"the tumor fraction is {fraction} but there is no tumor; give one")


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The called genome cut at tiles and breakpoints: global positions, tile, copies."""

    start: Ints
    end: Ints
    tile: Ints
    normal: Floats
    tumor: Floats


def _pieces(genome: Genome, tumor: Tumor | None, *, sex: str) -> _Pieces:
    breaks = [
        genome.offsets[genome.place(segment.chrom)] + edge
        for segment in (tumor.segments if tumor else ())
        for edge in (segment.start, segment.end)
    ]
    edges = np.unique(
        np.concatenate([genome.tiles, genome.called.ravel(), np.array(breaks, dtype=np.int64)])
    )
    edges = edges[(edges >= 0) & (edges <= genome.offsets[-1])]
    start, end = edges[:-1], edges[1:]
    span = np.searchsorted(genome.called[:, 0], start, side="right") - 1
    inside = (span >= 0) & (start < genome.called[np.maximum(span, 0), 1])
    start, end = start[inside], end[inside]
    number = np.searchsorted(genome.offsets, start, side="right") - 1
    chrom = np.array(genome.names, dtype=object)[number]
    offset = genome.offsets[number]
    return _Pieces(
        start, end, np.searchsorted(genome.tiles, start, side="right") - 1,
        normal=copies(None, chrom, start - offset, end - offset, sex=sex),
        tumor=copies(tumor, chrom, start - offset, end - offset, sex=sex),
    )  # fmt: skip


def _well_placed(
    genome: Genome, library: Library, n: int, *, tumor: Tumor | None, fraction: float, sex: str,
    rng: np.random.Generator,
) -> tuple[Ints, Ints, NDArray[np.bool_]]:  # fmt: skip
    """Start, length and origin of n fragments in random order.

    Fragments are proposed by copies, region and wave and kept by their own GC; proposals go on
    until there are enough.
    """
    pieces = _pieces(genome, tumor, sex=sex)
    size = (pieces.end - pieces.start).astype(float)
    size *= (genome.factor * _genome_wave(genome, library, rng))[pieces.tile]
    weight_tumor = fraction * pieces.tumor * size
    weight_normal = (1 - fraction) * pieces.normal * size
    share = weight_tumor.sum() / (weight_tumor.sum() + weight_normal.sum())
    found: list[tuple[Ints, Ints, NDArray[np.bool_]]] = []
    missing, kept_share = n, 0.7
    while missing > 0:
        proposed = round(1.05 * missing / kept_share) + 1000
        n_tumor = int(rng.binomial(proposed, share))
        halves = [
            _propose(pieces, weight, count, is_tumor, rng)
            for weight, count, is_tumor in (
                (weight_normal, proposed - n_tumor, False),
                (weight_tumor, n_tumor, True),
            )
            if count
        ]
        start, length, is_tumor = (np.concatenate(column) for column in zip(*halves, strict=True))
        kept = _kept(genome, library, start, length, rng)
        found.append((start[kept], length[kept], is_tumor[kept]))
        missing -= int(kept.sum())
        kept_share = max(float(kept.mean()), 0.01)
    start, length, is_tumor = (np.concatenate(column) for column in zip(*found, strict=True))
    chosen = rng.permutation(len(start))[:n]
    return start[chosen], length[chosen], is_tumor[chosen]


def _propose(
    pieces: _Pieces, weight: Floats, n: int, is_tumor: bool, rng: np.random.Generator
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Fragments whose middle is uniform within pieces chosen by weight."""
    piece = np.repeat(np.arange(len(weight)), rng.multinomial(n, weight / weight.sum()))
    size = pieces.end[piece] - pieces.start[piece]
    middle = pieces.start[piece] + (rng.random(n) * size).astype(np.int64)
    lengths, probability = length_distribution(tumor=is_tumor)
    # A table of 2^16 equally likely lengths instead of a search in the distribution: many times
    # faster, and off by less than 1e-5 per length.
    steps = (np.arange(2**16) + 0.5) / 2**16
    table = lengths[np.searchsorted(np.cumsum(probability), steps).clip(max=len(lengths) - 1)]
    length = table[rng.integers(0, 2**16, n)]
    return middle - length // 2, length, np.full(n, is_tumor)


def _kept(
    genome: Genome, library: Library, start: Ints, length: Ints, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which fragments lie in one called stretch and get through by their GC."""
    span = np.maximum(np.searchsorted(genome.called[:, 0], start, side="right") - 1, 0)
    inside = (start >= genome.called[span, 0]) & (start + length <= genome.called[span, 1])
    safe = np.where(inside, start, genome.called[0, 0])
    gc = genome.gc(safe, safe + length)
    return np.asarray(inside & (rng.random(len(start)) < library.acceptance(gc)))


def _genome_wave(genome: Genome, library: Library, rng: np.random.Generator) -> Floats:
    """The library's smooth deviation, a factor for each tile."""
    first = np.searchsorted(genome.tiles, genome.offsets)
    tile_bp = float(np.median(np.diff(genome.tiles)))
    width = WAVE_BP * genome.shrink / tile_bp
    return np.concatenate(
        [1 + library.wave * smooth_noise(int(n), width, rng) for n in np.diff(first)]
    )


# --- counts per atom ------------------------------------------------------------------------------


def atom_counts(
    bins: pd.DataFrame, library: Library, *, tumor: Tumor | None, fraction: float, sex: str,
    rng: np.random.Generator, factor: Floats | None = None,
) -> Ints:  # fmt: skip
    """Draw fragments per atom directly, for real or synthetic atoms; no fragment is made.

    bins : table with chrom, start, end, gc, callable (an atom without GC gets none).
    factor : (n,) regional factor shared by all libraries; default 1.
    Poisson around size * callable * factor * wave * GC curve * (TF*C + (1-TF)*N), scaled so that
    ``library.fragments`` are expected in all.
    """
    _check_fraction(tumor, fraction)
    chrom = bins["chrom"].to_numpy(object)
    start, end = bins["start"].to_numpy(np.int64), bins["end"].to_numpy(np.int64)
    cells = fraction * copies(tumor, chrom, start, end, sex=sex)
    cells += (1 - fraction) * copies(None, chrom, start, end, sex=sex)
    size = (end - start) * bins["callable"].to_numpy(float)
    weight = cells * size * np.nan_to_num(library.acceptance(bins["gc"].to_numpy(float)))
    weight *= 1.0 if factor is None else factor
    atom_bp = float(np.median(end - start))
    for name in pd.unique(bins["chrom"]):
        here = np.flatnonzero(chrom == name)
        weight[here] *= 1 + library.wave * smooth_noise(len(here), WAVE_BP / atom_bp, rng)
    return np.asarray(rng.poisson(library.fragments * weight / weight.sum()), dtype=np.int64)


def atom_ploidy(bins: pd.DataFrame, tumor: Tumor) -> float:
    """Mean copies per tumor cell over the callable bases of the autosomal atoms."""
    inside = bins[is_autosome(bins["chrom"])]
    found = copies(
        tumor, inside["chrom"].to_numpy(object), inside["start"].to_numpy(np.int64),
        inside["end"].to_numpy(np.int64), sex="female",
    )  # fmt: skip
    size = (inside["end"] - inside["start"]).to_numpy(float) * inside["callable"].to_numpy(float)
    return float(np.sum(found * size) / np.sum(size))


# --- mutations ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutation:
    """A small variant: its gene, how many of the tumor's copies carry it, the share of tumor cells
    that have it; or, with ``blood``, the allele fraction that a clone of blood cells gives it."""

    gene: str
    multiplicity: float = 1.0
    cells: float = 1.0
    blood: float | None = None


def mutation_reads(
    genes: pd.DataFrame, mutations: Sequence[Mutation], *, tumor: Tumor | None, fraction: float,
    sex: str, depth: int, rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """What a caller would report of these mutations at this depth: a row for each that is seen,
    with the columns of a TSV of variants (chrom, pos from 1, ref, alt, depth, alt_reads, gene).

    Reads are binomial around  V = TF*m*cells / (TF*C + N*(1-TF)). A gene that is not in the table
    (a clone of blood cells) lies on the first chromosome of it.
    """
    rows = []
    for number, mutation in enumerate(mutations):
        found = genes[genes["gene"] == mutation.gene]
        place = found if len(found) else genes.iloc[[0]]
        chrom = str(place["chrom"].to_numpy()[0])
        middle = int(place["start"].to_numpy()[0] + place["end"].to_numpy()[0]) // 2
        if mutation.blood is not None:
            vaf = mutation.blood
        else:
            here = copies_of(genes, mutation.gene, tumor, sex=sex)
            normal = normal_copies(chrom, sex)
            vaf = fraction * mutation.multiplicity * mutation.cells
            vaf /= fraction * here + normal * (1 - fraction)
        alt_reads = int(rng.binomial(depth, vaf))
        if alt_reads >= MIN_ALT_READS:
            rows.append((chrom, middle + 1 + number, "C", "T", depth, alt_reads, mutation.gene))
    columns = ["chrom", "pos", "ref", "alt", "depth", "alt_reads", "gene"]
    return pd.DataFrame(rows, columns=columns)


#: Fewer reads of a variant no caller reports.
MIN_ALT_READS = 5

# --- the demonstration cohort ---------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """One sample of a cohort with its truth."""

    name: str
    patient: str | None
    day: int | None
    sex: str
    tumor: Tumor | None
    fraction: float
    library: Library
    mutations: tuple[Mutation, ...] = ()

    @property
    def role(self) -> str:
        """``normal`` for a healthy donor, ``plasma`` for a patient."""
        return "normal" if self.patient is None else "plasma"


def cohort(
    genome: Genome, genes: pd.DataFrame, *, normals: int, fragments: int, rng: np.random.Generator
) -> list[Sample]:
    """Healthy donors of both sexes and three patients before treatment and on day 21.

    P01: ERBB2 amplified, the tumor fraction falls (a responder); its mutations are known. P02: a
    broad gain of 17q and no focal amplification, the tumor fraction rises. P03: amplified, but
    sheds so little that no honest method can see it.
    """
    width = round(200_000 * genome.shrink)
    responder = Tumor(
        (
            arm(genome, "7", 3), arm(genome, "8p", 1), arm(genome, "8q", 4), arm(genome, "13", 3),
            arm(genome, "17p", 1), arm(genome, "18", 1), arm(genome, "20q", 4),
            part(genome, "1q", 0.2, 0.9, 3), part(genome, "5q", 0.3, 0.8, 1),
            part(genome, "4q", 0.5, 1.0, 1),
            amplicon(genes, "ERBB2", width_bp=width, copies=40),
        )
    )  # fmt: skip
    broad = Tumor(
        (
            arm(genome, "1p", 1), arm(genome, "5q", 1), arm(genome, "6p", 3), arm(genome, "8p", 1),
            arm(genome, "8q", 4), arm(genome, "13", 3), arm(genome, "14", 1),
            arm(genome, "17p", 1), arm(genome, "17q", 3), arm(genome, "18", 1),
            arm(genome, "20q", 4), part(genome, "3p", 0.1, 0.7, 1), part(genome, "10q", 0.4, 1, 1),
        )
    )  # fmt: skip
    quiet = Tumor(
        (
            arm(genome, "7p", 3), arm(genome, "8q", 3), arm(genome, "18q", 1),
            arm(genome, "20q", 3), amplicon(genes, "ERBB2", width_bp=width, copies=20),
        )
    )  # fmt: skip
    people: list[tuple[str, str | None, int | None, str, Tumor | None, float]] = [
        (f"N{number:02d}", None, None, "male" if number % 2 else "female", None, 0.0)
        for number in range(1, normals + 1)
    ]
    for patient, sex, tumor, fractions in (
        ("P01", "female", responder, (0.30, 0.04)),
        ("P02", "male", broad, (0.15, 0.22)),
        ("P03", "male", quiet, (0.003, 0.0)),
    ):
        for day, fraction in zip((0, 21), fractions, strict=True):
            people.append((f"{patient}_d{day}", patient, day, sex, tumor, fraction))
    return [
        Sample(*person, random_library(fragments, rng), MUTATIONS if person[1] == "P01" else ())
        for person in people
    ]


#: Mutations of the demonstration's first patient: three in all tumor cells, one in a third of them,
#: and one of blood cells.
MUTATIONS = (
    Mutation("TP53"), Mutation("APC"), Mutation("PIK3CA"), Mutation("FBXW7", cells=0.33),
    Mutation("DNMT3A", blood=0.02),
)  # fmt: skip
