"""Damaged and odd BAM and CRAM files, by ``ctcnv count``."""

from __future__ import annotations

import gzip
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from ctcnv.cli.settings import flag
from ctcnv.io import bgzf, tables
from ctcnv.model import CountSettings
from ctcnv.schema import BINS, COUNTS, READS
from tests.knocks import Knock, Said, ctcnv, listed, refused, summed
from tests.reference.count_slow import count_slow

CONTIGS = {"chr1": 10_000, "chr2": 5_000, "chrUn": 3_000}
SETTINGS = CountSettings(
    min_mapq=20, min_length=50, max_length=700, short_min=90, short_max=150, single_end="auto"
)
#: The same as flags: a config would be read a thousand times.
FLAGS = [
    word for key, value in SETTINGS.as_dict().items() for word in (flag("count", key), str(value))
]
Row = tuple[int, int, int, int, str | None, int, int, int]


# --- making files -----------------------------------------------------------------------------


def atoms(contigs: dict[str, int], size_bp: int = 1_000) -> pd.DataFrame:
    """Atoms of every sequence but chrUn."""
    parts = [
        pd.DataFrame({"chrom": name, "start": np.arange(0, length, size_bp)}).assign(
            end=lambda part, length=length: np.minimum(part["start"] + size_bp, length)
        )
        for name, length in contigs.items()
        if name != "chrUn"
    ]
    return pd.concat(parts, ignore_index=True)


def write_bins(contigs: dict[str, int], size_bp: int = 1_000) -> Path:
    """bins.tsv.gz of a FASTA with these sequences, in the working directory."""
    frame = atoms(contigs, size_bp).assign(
        gc=0.5, callable=1.0, mappability=np.nan, usable=True, reason=None
    )
    meta = {"bins": tables.bins_id(frame), "chromosome_ends": "exact"}
    tables.write(Path("bins.tsv.gz"), BINS, frame, meta=meta)
    return Path("bins.tsv.gz")


def pairs(n: int, *, seed: int = 1) -> list[Row]:
    """The two records of n proper pairs on chr1 and chr2, sorted."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for _ in range(n):
        tid = int(rng.integers(0, 2))
        length = int(rng.integers(60, 400))
        start = int(rng.integers(0, (10_000, 5_000)[tid] - length))
        right = start + length - 50
        rows.append((99, tid, start, 60, "50M", tid, right, length))
        rows.append((147, tid, right, 60, "50M", tid, start, -length))
    return sorted(rows, key=lambda row: (row[1], row[2]))


def singles(n: int, *, seed: int = 2) -> list[Row]:
    """n single-end reads, sorted."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = [
        (0, 0, int(start), 60, "50M", -1, -1, 0) for start in rng.integers(0, 9_000, n)
    ]
    return sorted(rows, key=lambda row: row[2])


def write_bam(
    name: str, rows: Iterable[Row], *, contigs: dict[str, int] | None = None,
    groups: bool = True, same_name: bool = False,
) -> Path:  # fmt: skip
    """A BAM of rows in the working directory."""
    lines = [{"SN": key, "LN": length} for key, length in (contigs or CONTIGS).items()]
    header: dict[str, object] = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": lines}
    if groups:
        header["RG"] = [{"ID": "lane1", "SM": "S"}]
    rng = np.random.default_rng(3)
    with pysam.AlignmentFile(name, "wb", header=header) as out:
        for i, (flag, tid, pos, mapq, cigar, mtid, mpos, tlen) in enumerate(rows):
            read = pysam.AlignedSegment(out.header)
            read.query_name = "read" if same_name else f"read{i}"
            read.flag, read.reference_id, read.reference_start = flag, tid, pos
            read.mapping_quality, read.cigarstring = mapq, cigar
            read.next_reference_id, read.next_reference_start = mtid, mpos
            read.template_length = tlen
            read.query_sequence = "".join(rng.choice(list("ACGT"), 50))
            if groups:
                read.set_tag("RG", "lane1")
            out.write(read)
    return Path(name)


def as_blocks(data: bytes, size: int = 60_000) -> bytes:
    """Bytes as BGZF blocks with right checksums, and the empty block at the end."""
    blocks = []
    for start in range(0, len(data), size):
        part = data[start : start + size]
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        body = packer.compress(part) + packer.flush()
        head = bytes.fromhex("1f8b08040000000000ff060042430200") + struct.pack("<H", len(body) + 25)
        blocks.append(head + body + struct.pack("<II", zlib.crc32(part), len(part)))
    return b"".join(blocks) + bgzf.END


# --- running ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What a count wrote: fragments per atom, reads by fate, and the size of the library's end."""

    fragments: list[int]
    reads: dict[str, int]


def count(path: Path | str, *more: object) -> tuple[Said, Result | None]:
    """``ctcnv count`` with bins.tsv.gz of the working directory; nothing may be left of one that is
    refused."""
    out = Path("out")
    for name in listed(out) if out.exists() else []:
        (out / name).unlink()
    said = ctcnv(
        "count", "--bam", path, "--bins", "bins.tsv.gz", "--sample", "S", *FLAGS,
        "--output", out / "counts.tsv.gz", "--output-lengths", out / "lengths.tsv",
        "--output-reads", out / "reads.tsv", *more,
    )  # fmt: skip
    written = listed(out) if out.exists() else []
    if said.code != 0:
        assert written == [], f"{said} left {written}"
        return said, None
    assert written == ["counts.tsv.gz", "lengths.tsv", "reads.tsv"]
    frame = tables.read(out / "counts.tsv.gz", COUNTS).frame
    reads = tables.read(out / "reads.tsv", READS).frame
    fates = dict(zip(reads["filter"], reads["reads"].astype(int), strict=True))
    return said, Result(frame["fragments"].tolist(), fates)


def counted(path: Path | str, *more: object) -> Result:
    """The result of a count that must succeed."""
    said, result = count(path, *more)
    assert result is not None, said
    return result


def equals_twin(path: Path, contigs: dict[str, int], result: Result) -> None:
    """The counts are those of a plain loop over the records that htslib reads."""
    slow = count_slow(path, atoms(contigs), SETTINGS)
    assert result.fragments == slow["fragments"]
    assert {name: n for name, n in result.reads.items() if n} == slow["reads"]


def same(expected: Result, found: Result) -> str:
    """The same counts, in words."""
    assert found == expected
    return f"counted: the same {sum(found.fragments):,} fragments"


# --- the knocks -------------------------------------------------------------------------------


def _zero_bytes(_: Path) -> str:
    write_bins(CONTIGS)
    Path("a.bam").write_bytes(b"")
    return refused(count("a.bam")[0], "a.bam: empty file")


def _header_only(_: Path) -> str:
    write_bins(CONTIGS)
    result = counted(write_bam("a.bam", []))
    assert sum(result.reads.values()) == 0
    return "counted: 0 of 0 reads"


def _cut_every_4_kb(data: bytes, ends: range, *, behind: bytes, said: str) -> list[Said]:
    """What is said of a file cut at each place, each of which must be refused."""
    seen = []
    for end in ends:
        Path("b.bam").write_bytes(data[:end] + behind)
        seen.append(count("b.bam")[0])
        refused(seen[-1], said)
    assert len(seen) > 50
    return seen


def _truncated(_: Path) -> str:
    write_bins(CONTIGS)
    data = write_bam("a.bam", pairs(8_000)).read_bytes()
    ends = range(4096, len(data), 4096)
    seen = _cut_every_4_kb(data, ends, behind=b"", said="b.bam: truncated")
    return f"{summed(seen)}; all say that the file is truncated"


def _truncated_with_end(_: Path) -> str:
    write_bins(CONTIGS)
    data = write_bam("a.bam", pairs(8_000)).read_bytes()
    ends = range(4096, len(data) - 4096, 4096)
    seen = _cut_every_4_kb(data, ends, behind=bgzf.END, said="b.bam: ")
    return f"{summed(seen)}; truncated or damaged, with the byte"


def _no_end(_: Path) -> str:
    write_bins(CONTIGS)
    data = write_bam("a.bam", pairs(100)).read_bytes()
    Path("a.bam").write_bytes(data[: -len(bgzf.END)])
    return refused(count("a.bam")[0], "the empty block that ends every BAM is missing")


#: Fields of the first BGZF block of a file: first byte and length.
BLOCK_FIELDS = {
    "magic": (0, 4), "time, flags and system of gzip": (4, 6), "length of the extra field": (10, 2),
    "BC and its length": (12, 4), "size of the block": (16, 2), "compressed data": (18, 64),
}  # fmt: skip


def _flipped_block(where: str) -> Callable[[Path], str]:
    def run(_: Path) -> str:
        write_bins(CONTIGS)
        data = write_bam("a.bam", pairs(300)).read_bytes()
        right = counted("a.bam")
        size = struct.unpack_from("<H", data, 16)[0] + 1
        first, n = {**BLOCK_FIELDS, "CRC32": (size - 8, 4), "length of the data": (size - 4, 4)}[
            where
        ]
        return _flips(data, range(first, first + n), right)

    return run


def _flips(data: bytes, places: Sequence[int], right: Result) -> str:
    """Three values for each byte: refused, or read with the very counts of the whole file."""
    seen, alike = [], 0
    for place in places:
        for mask in (0x01, 0x80, 0xFF):
            wrong = bytearray(data)
            wrong[place] ^= mask
            Path("b.bam").write_bytes(wrong)
            said, result = count("b.bam")
            seen.append(said)
            if result is None:
                refused(said, "b.bam: ")
            else:
                assert result == right, f"byte {place} ^ {mask}"
                alike += 1
    return summed(seen, alike)


def payload(rows: list[Row]) -> tuple[bytes, dict[str, int]]:
    """The inflated bytes of a BAM, and where fields of its header and second record begin."""
    raw = gzip.decompress(write_bam("raw.bam", rows).read_bytes())
    text = struct.unpack_from("<i", raw, 4)[0]
    at = 8 + text
    places = {"BAM magic": 0, "l_text": 4, "text": 8, "n_ref": at}
    at += 4
    for number, name in enumerate(CONTIGS):
        if number == 0:
            places |= {"l_name": at, "name": at + 4, "l_ref": at + 5 + len(name)}
        at += 4 + len(name) + 1 + 4
    at += 4 + struct.unpack_from("<i", raw, at)[0]  # the second record
    offsets = {"block_size": 0, "refID": 4, "pos": 8, "l_read_name": 12, "mapq": 13, "bin": 14,
               "n_cigar_op": 16, "flag": 18, "l_seq": 20, "next_refID": 24, "next_pos": 28,
               "tlen": 32, "read_name": 36}  # fmt: skip
    places |= {name: at + offset for name, offset in offsets.items()}
    places["cigar"] = places["read_name"] + raw[places["l_read_name"]]
    return raw, places


#: Bytes of each field of the payload.
FIELD_BYTES = {
    "BAM magic": 4, "l_text": 4, "text": 12, "n_ref": 4, "l_name": 4, "name": 5, "l_ref": 4,
    "block_size": 4, "refID": 4, "pos": 4, "l_read_name": 1, "mapq": 1, "bin": 2, "n_cigar_op": 2,
    "flag": 2, "l_seq": 4, "next_refID": 4, "next_pos": 4, "tlen": 4, "read_name": 5, "cigar": 4,
}  # fmt: skip


def _flipped_field(field: str) -> Callable[[Path], str]:
    """Flips that a program made before it compressed: no checksum tells. What cannot be told from
    a file of other reads must be counted as htslib reads it."""

    def run(_: Path) -> str:
        write_bins(CONTIGS)
        raw, places = payload(pairs(50))
        Path("a.bam").write_bytes(as_blocks(raw))
        right = counted("a.bam")
        seen, alike = [], 0
        for place in range(places[field], places[field] + FIELD_BYTES[field]):
            for mask in (0x01, 0x40, 0x80, 0xFF):
                wrong = bytearray(raw)
                wrong[place] ^= mask
                Path("b.bam").write_bytes(as_blocks(bytes(wrong)))
                said, result = count("b.bam")
                seen.append(said)
                if result is None:
                    refused(said, "b.bam: ")
                elif field == "text":  # which counting does not need, and htslib refuses
                    assert result == right
                    alike += 1
                else:
                    equals_twin(Path("b.bam"), CONTIGS, result)
                    alike += 1
        return summed(seen, alike)

    return run


def _without_groups(_: Path) -> str:
    write_bins(CONTIGS)
    right = counted(write_bam("a.bam", pairs(300)))
    return same(right, counted(write_bam("b.bam", pairs(300), groups=False)))


def _same_names(_: Path) -> str:
    write_bins(CONTIGS)
    right = counted(write_bam("a.bam", pairs(300)))
    return same(right, counted(write_bam("b.bam", pairs(300), same_name=True)))


def _unsorted(_: Path) -> str:
    write_bins(CONTIGS)
    rows = pairs(300)
    right = counted(write_bam("a.bam", rows))
    order = np.random.default_rng(5).permutation(len(rows))
    return same(right, counted(write_bam("b.bam", [rows[i] for i in order])))


def _mixed(_: Path) -> str:
    write_bins(CONTIGS)
    paired = pairs(300)
    right = counted(write_bam("a.bam", paired))
    result = counted(write_bam("b.bam", [*paired, *singles(200)]))
    assert result.fragments == right.fragments
    assert result.reads["not_proper_pair"] == 200
    return "counted: the same 300 fragments; the 200 single-end reads stand in reads.tsv"


def _other_build(_: Path) -> str:
    write_bins(CONTIGS)
    other = {"chr1": 10_007, "chr2": 4_990, "chrUn": 3_000}
    return refused(count(write_bam("a.bam", pairs(50), contigs=other))[0], "another genome")


def _renamed_to_plain(_: Path) -> str:
    write_bins(CONTIGS)
    right = counted(write_bam("a.bam", pairs(300)))
    plain = {name.removeprefix("chr"): length for name, length in CONTIGS.items()}
    return same(right, counted(write_bam("b.bam", pairs(300), contigs=plain)))


def _renamed(_: Path) -> str:
    write_bins(CONTIGS)
    other = {f"NC_00000{i}.11": n for i, n in enumerate(CONTIGS.values(), start=1)}
    return refused(count(write_bam("a.bam", pairs(50), contigs=other))[0], "not in its header")


def _swapped_names(_: Path) -> str:
    write_bins(CONTIGS)
    other = {"chr2": 10_000, "chr1": 5_000, "chrUn": 3_000}
    return refused(count(write_bam("a.bam", pairs(50), contigs=other))[0], "another genome")


def _past_the_end(_: Path) -> str:
    write_bins(CONTIGS)
    rows: list[Row] = [*pairs(3), (0, 1, 5_000, 60, "50M", -1, -1, 0)]
    return refused(count(write_bam("a.bam", rows))[0], "5,001 of chr2")


def _reaches_over_the_end(_: Path) -> str:
    write_bins(CONTIGS)
    over: list[Row] = [(99, 1, 4_990, 60, "50M", 1, 4_995, 200), (147, 1, 4_995, 60, "50M", 1,
                                                                  4_990, -200)]  # fmt: skip
    right = counted(write_bam("a.bam", pairs(30)))
    result = counted(write_bam("b.bam", [*pairs(30), *over]))
    assert result.fragments == right.fragments
    assert result.reads["other_contig"] == 1
    return "counted: the same 30 fragments; one in the row other_contig of reads.tsv"


def _huge_header(_: Path) -> str:
    write_bins(CONTIGS)
    text = b"@HD\tVN:1.6\n"
    body = b"BAM\1" + struct.pack("<i", len(text)) + text + struct.pack("<i", 10_000_000)
    body += b"".join(
        struct.pack("<i", 9) + f"{i:08d}".encode() + b"\0" + struct.pack("<i", 100)
        for i in range(100_000)
    )
    Path("a.bam").write_bytes(as_blocks(body))
    return refused(count("a.bam")[0], "10,000,000 sequences")


def _large_header(_: Path) -> str:
    write_bins(CONTIGS)
    right = counted(write_bam("a.bam", pairs(100)))
    more = CONTIGS | {f"scaffold_{i}": 1_000 for i in range(200_000)}
    return same(right, counted(write_bam("b.bam", pairs(100), contigs=more)))


def _stale_index_whole(_: Path) -> str:
    write_bins(CONTIGS)
    write_bam("old.bam", pairs(30))
    pysam.index("old.bam")
    os.rename("old.bam.bai", "a.bam.bai")
    right = counted(write_bam("b.bam", pairs(3_000, seed=9)))
    return same(right, counted(write_bam("a.bam", pairs(3_000, seed=9))))


def _region_of(index: Callable[[], None], wanted: str) -> Callable[[Path], str]:
    def run(_: Path) -> str:
        write_bins(CONTIGS)
        write_bam("a.bam", pairs(3_000, seed=9))
        index()
        return refused(count("a.bam", "--region", "chr2")[0], wanted)

    return run


def _older_index() -> None:
    pysam.index("a.bam")
    os.utime("a.bam.bai", (1_000_000_000, 1_000_000_000))


def _index_of_another() -> None:
    write_bam("b.bam", pairs(8_000, seed=4))
    pysam.index("b.bam")
    os.rename("b.bam.bai", "a.bam.bai")


def _index_of_none() -> None:
    write_bam("b.bam", [])
    pysam.index("b.bam")
    os.rename("b.bam.bai", "a.bam.bai")


def _index_of_other_sequences() -> None:
    write_bam("b.bam", pairs(30), contigs={"chr1": 10_000, "chr2": 5_000})
    pysam.index("b.bam")
    os.rename("b.bam.bai", "a.bam.bai")


def _garbage_index() -> None:
    Path("a.bam.bai").write_bytes(b"BAI\1" + bytes(range(256)) * 4)


def write_cram(*, name: str = "a.cram", mixed: bool = True) -> Result:
    """A CRAM with its FASTA (ref.fa) and another one (other.fa); the counts of the same BAM."""
    rng = np.random.default_rng(7)
    for fasta in ("ref.fa", "other.fa"):
        text = "".join(
            f">{chrom}\n{''.join(rng.choice(list('ACGT'), length))}\n"
            for chrom, length in CONTIGS.items()
        )
        Path(fasta).write_text(text)
    rows = pairs(300)
    if mixed:  # reads of several sequences in one slice need the reference
        rows = [rows[i] for i in np.random.default_rng(5).permutation(len(rows))]
    write_bam("a.bam", rows)
    with (
        pysam.AlignmentFile("a.bam") as source,
        pysam.AlignmentFile(name, "wc", template=source, reference_filename="ref.fa") as out,
    ):
        for read in source:
            out.write(read)
    return counted("a.bam")


def _cram(reference: str | None, *, mixed: bool, right: bool) -> Callable[[Path], str]:
    def run(_: Path) -> str:
        write_bins(CONTIGS)
        expected = write_cram(mixed=mixed)
        # Or htslib finds it by the name in the header.
        Path("ref.fa").rename("moved.fa")
        Path("ref.fa.fai").unlink()
        more = [] if reference is None else ["--reference", reference]
        said, result = count("a.cram", *more)
        if right:
            assert result is not None, said
            return same(expected, result)
        if result is not None:
            return same(expected, result)
        return refused(said, "a.cram: cannot be decoded", "FASTA")

    return run


def _truncated_cram(_: Path) -> str:
    write_bins(CONTIGS)
    write_cram()
    data = Path("a.cram").read_bytes()
    seen = []
    for end in range(1024, len(data), 1024):
        Path("b.cram").write_bytes(data[:end])
        seen.append(count("b.cram", "--reference", "ref.fa")[0])
        refused(seen[-1], "b.cram: truncated")
    assert len(seen) > 5  # the number depends on the folder, whose name is in a CRAM
    return "refused; all say that the file is truncated"


def _flipped_cram(_: Path) -> str:
    write_bins(CONTIGS)
    right = write_cram()
    data = Path("a.cram").read_bytes()
    n, alike = 0, 0
    for place in range(0, len(data), 61):
        wrong = bytearray(data)
        wrong[place] ^= 0xFF
        Path("b.cram").write_bytes(wrong)
        said, result = count("b.cram", "--reference", "ref.fa")
        if result is None:
            refused(said, "b.cram: ")
            n += 1
        else:
            assert result == right, f"byte {place}"
            alike += 1
    assert n > alike > 0  # the numbers depend on the folder, whose name is in a CRAM
    return "refused, or read with the right counts"


SAME = "the same counts"
LINE = "one line, exit code 2, nothing written"
KNOCKS = [
    Knock("zero bytes", "a BAM of zero bytes", LINE, _zero_bytes),
    Knock("header only", "a BAM with a header and no record", "counts of zero", _header_only),
    Knock("truncated", "a BAM truncated at every 4 kB", LINE, _truncated),
    Knock("truncated, end glued on", "the same with an end-of-file block glued on", LINE,
          _truncated_with_end),
    Knock("no end", "the block that ends a BAM is missing", LINE, _no_end),
    *(Knock(f"flipped block: {name}", f"each byte flipped in three ways: {name} of a BGZF block",
            f"{LINE}, or the same counts where the byte carries nothing", _flipped_block(name))
      for name in [*BLOCK_FIELDS, "CRC32", "length of the data"]),
    *(Knock(f"flipped field: {name}",
            f"each byte of `{name}` flipped in four ways before compression, so that checksums are"
            " right", f"{LINE}; or, where it is a valid file of other reads, the counts of htslib",
            _flipped_field(name))
      for name in FIELD_BYTES),
    Knock("stale index", "an index of an older file beside the BAM", SAME + ": none is needed",
          _stale_index_whole),
    Knock("older index", "`--region` with an index older than the BAM", LINE,
          _region_of(_older_index, "older than")),
    Knock("index of another", "`--region` with the index of another BAM", LINE,
          _region_of(_index_of_another, "a.bam: ")),
    Knock("index of an empty file", "`--region` with the index of a BAM without reads", LINE,
          _region_of(_index_of_none, "a.bam: ")),
    Knock("index of other sequences", "`--region` with an index of fewer sequences", LINE,
          _region_of(_index_of_other_sequences, "a.bam: ")),
    Knock("garbage index", "`--region` with an index that is garbage", LINE,
          _region_of(_garbage_index, "a.bam: ")),
    Knock("CRAM, right FASTA", "a CRAM with its FASTA", SAME + " as the BAM",
          _cram("moved.fa", mixed=True, right=True)),
    Knock("CRAM, no FASTA", "a CRAM without its FASTA, slices of several sequences", LINE,
          _cram(None, mixed=True, right=False)),
    Knock("CRAM, wrong FASTA", "a CRAM with the FASTA of another genome",
          f"{LINE}, or the same counts: they need no sequence",
          _cram("other.fa", mixed=True, right=False)),
    Knock("CRAM, sorted, no FASTA", "a sorted CRAM without its FASTA",
          f"{SAME} as the BAM, or one line", _cram(None, mixed=False, right=False)),
    Knock("CRAM truncated", "a CRAM truncated at every 1 kB", LINE, _truncated_cram),
    Knock("CRAM flipped", "every 61st byte of a CRAM inverted", f"{LINE}, or the same counts",
          _flipped_cram),
    Knock("unsorted", "records in any order", SAME, _unsorted),
    Knock("other build", "another build of the genome: same names, other lengths", LINE,
          _other_build),
    Knock("chr left out", "sequences named without `chr`", SAME, _renamed_to_plain),
    Knock("renamed", "sequences with names of another archive", LINE, _renamed),
    Knock("names swapped", "two sequences have each other's name", LINE, _swapped_names),
    Knock("no read groups", "no read groups", SAME, _without_groups),
    Knock("single-end among paired", "single-end reads among paired ones",
          "pairs counted, the others accounted for", _mixed),
    Knock("same names", "all reads have one name", SAME, _same_names),
    Knock("past the end", "a read beyond the end of its sequence", LINE, _past_the_end),
    Knock("reaches over the end", "a fragment that reaches over the end", "not counted",
          _reaches_over_the_end),
    Knock("200,000 sequences", "200,000 sequences in the header", SAME, _large_header),
    Knock("10 million sequences", "a header that names 10 million sequences", LINE, _huge_header),
]  # fmt: skip


# --- files of others --------------------------------------------------------------------------


def _malformed(source: Path) -> Callable[[Path], str]:
    """A file of the collection against bins of its own header, where one can be read."""

    def run(_: Path) -> str:
        contigs = _contigs(source)
        write_bins(contigs, max(1_000, max(contigs.values()) // 500))
        copy = Path(source.name)
        copy.write_bytes(source.read_bytes())
        said, result = count(copy)
        if result is None:
            return refused(said, copy.name)
        try:
            slow = count_slow(copy, tables.read_bins(Path("bins.tsv.gz"))[0].frame, SETTINGS)
        except OSError:
            assert copy.suffix == ".cram"  # of which htslib wants sequences, and so the FASTA
            return f"counted: {sum(result.reads.values()):,} reads"
        assert result.fragments == slow["fragments"]
        assert sum(result.reads.values()) == sum(slow["reads"].values())
        return f"counted: {sum(result.reads.values()):,} reads, as htslib reads it"

    return run


def _contigs(path: Path) -> dict[str, int]:
    before = pysam.set_verbosity(0)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            pysam.AlignmentFile(str(path), check_sq=False, ignore_truncation=True) as opened,
        ):
            found = dict(zip(opened.references, opened.lengths, strict=True))
    except (OSError, ValueError):
        found = {}
    finally:
        pysam.set_verbosity(before)
    return found or CONTIGS


def malformed(folder: Path) -> list[Knock]:
    """A knock for each file of a collection of malformed files."""
    return [
        Knock(path.name, f"`{path.name}`", "one line, or what htslib reads", _malformed(path))
        for path in sorted(folder.iterdir())
        if path.suffix in (".bam", ".cram", ".sam")
    ]
