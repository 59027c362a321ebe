"""A fuzzer over everything that is read: a good file, damaged at random, and one rule.

The rule: a reader gives something that makes sense, or raises ValueError or OSError in one line
that names the file. Never another exception, never a hang, never other counts than the file's.
The tests run a few cases of each reader; by hand many::

    python -m tests.fuzz --cases 10000 --seed 1
"""

from __future__ import annotations

import argparse
import gzip
import math
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import yaml
from hypothesis import strategies as st

from ctcnv import count, import_
from ctcnv.cli import one_line
from ctcnv.cli.settings import read_config
from ctcnv.io import bam, clinical, reference, rules, schemas, sheet, sites, tables, variants, wig
from ctcnv.model import SECTIONS, IdentitySettings
from ctcnv.schema import COUNTS, FRACTION
from tests.knocks import ROOT, reads, time_limit, within
from tests.reference.count_slow import count_slow

#: Seconds that one case may take: a hang, not a slow machine.
LONGEST = 120
SCHEMAS = ROOT / "workflow" / "schemas"
ATOMS = reads.atoms(reads.CONTIGS)
IDENTITY = IdentitySettings.from_mapping(
    yaml.safe_load((ROOT / "config/config.yaml").read_text())["identity"], source="config"
)

#: What people, spreadsheets and programs put where something else belongs.
TOKENS = [
    b"",
    b"0",
    b"-1",
    b"1",
    b"nan",
    b"NaN",
    b"inf",
    b"-inf",
    b"1e400",
    b"1e30",
    b"99999999999999999999",
    b"2147483648",
    b"-2147483649",
    b"0x10",
    b"1_000",
    b"1,5",
    b"1.5",
    b"NA",
    b"null",
    b"None",
    b"true",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b"- ",
    b"!!int x",
    b"!!timestamp x",
    b"2020-13-45",
    b"&a [*a]",
    b"*a",
    b"'",
    b'"',
    b"\\",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\x0b",
    b"\x1c",
    b"\xff",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    "\u0661".encode(),
    "é".encode(),
    b"=1+1",
    b"@x",
    b"../../x",
    b"$(x)",
    b"<b>",
    b"##",
    b"#",
    b"fixedStep chrom=1 start=1 step=1\n",
    b"variableStep chrom=1\n",
    b"x" * 300,
]


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes], *, cells: bool) -> bytes:
    """One of the seeds with up to five damages: of bytes, and with ``cells`` of cells and lines."""
    data = bytearray(draw(st.sampled_from(list(seeds))))
    kinds = ["flip", "cut", "insert", "repeat", "end"] + (["cell", "line", "swap"] * 2 * cells)
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5)):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        n = draw(st.integers(1, 20))
        if kind == "flip" and data:
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del data[at : at + n]
        elif kind == "insert":
            data[at:at] = draw(st.sampled_from(TOKENS) | st.binary(max_size=8))
        elif kind == "repeat":
            data[at:at] = data[at : at + 5 * n]
        elif kind == "end" and draw(st.integers(0, 3)) == 0:
            del data[at:]
        elif kind in ("cell", "line", "swap"):
            lines = bytes(data).split(b"\n")
            i = draw(st.integers(0, len(lines) - 1))
            if kind == "cell":
                parts = re.split(rb"([\t ,:=])", lines[i])
                k = draw(st.integers(0, len(parts) - 1))
                parts[k] = draw(st.sampled_from(TOKENS))
                lines[i] = b"".join(parts)
            elif kind == "line":
                lines[i : i + 1] = [lines[i]] * draw(st.integers(0, 3))
            else:
                j = draw(st.integers(0, len(lines) - 1))
                lines[i], lines[j] = lines[j], lines[i]
            data = bytearray(b"\n".join(lines))
    return bytes(data)


@dataclass(frozen=True)
class Reader:
    """A reader with good files, and what must be true of what it gives of a damaged one."""

    name: str
    file: str
    seeds: Sequence[bytes]
    check: Callable[[Path], None]
    cells: bool = True

    def case(self, data: bytes) -> None:
        """Read the damaged file; the rule of this module, or an AssertionError."""
        with tempfile.TemporaryDirectory() as folder, within(Path(folder)):
            path = Path(self.file)
            path.write_bytes(data)
            try:
                with time_limit(LONGEST):
                    self.check(path)
            except (ValueError, OSError) as error:
                said = one_line(error)
                assert self.file in said, f"no file named: {said}"
                assert len(said) < 1000, f"{len(said)} letters"


# --- reads ------------------------------------------------------------------------------------


def _counted(path: Path) -> count.Counts | None:
    with bam.reads(path) as opened:
        count.check_contigs(
            {"chr1": 10_000, "chr2": 5_000}, opened.header.contigs,
            widths={"chr1": 0, "chr2": 0},
        )  # fmt: skip
        return count.count(opened.batches(), ATOMS, opened.header.contigs, reads.SETTINGS)


def _of_contigs(error: ValueError) -> bool:
    return "in its header" in str(error)


def _reads(path: Path) -> None:
    """A BAM is counted as htslib counts it."""
    try:
        found = _counted(path)
    except ValueError as error:
        if _of_contigs(error):  # the command puts the file before it
            return
        raise
    assert found is not None
    try:
        slow = count_slow(path, ATOMS, reads.SETTINGS)
    except ValueError as error:  # of the text of the header, which counting does not need
        if "valid header" in str(error):
            return
        raise AssertionError(f"htslib refuses it: {error}") from error
    except OSError as error:
        raise AssertionError(f"htslib refuses it: {error}") from error
    assert found.fragments.tolist() == slow["fragments"]
    assert {name: n for name, n in found.reads.items() if n} == slow["reads"]


def _payload(path: Path) -> None:
    """The same of damage before compression: the checksums are right."""
    path.write_bytes(reads.as_blocks(path.read_bytes()))
    _reads(path)


def _bams() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder, within(Path(folder)):
        small = reads.write_bam("a.bam", reads.pairs(3)).read_bytes()
        large = reads.write_bam("b.bam", reads.pairs(400)).read_bytes()
    return [small, large]


# --- tables -----------------------------------------------------------------------------------


def _wig(path: Path) -> None:
    _rebinned(wig.read_fixed_step(path), path)


def _counts(path: Path) -> None:
    frame, _ = wig.read_count_table(path, sample="S")
    _rebinned(frame, path)


def _rebinned(frame: pd.DataFrame, path: Path) -> None:
    try:
        result = import_.rebin(import_.check_source(frame), ATOMS)
    except ValueError as error:  # the command puts the file before it
        raise ValueError(f"{path}: {error}") from None
    assert (result.values >= 0).all()
    assert result.values.sum() + result.outside <= frame["value"].clip(lower=0).sum() + len(frame)


def _table(path: Path) -> None:
    stored = tables.read(path, COUNTS)
    assert list(stored.frame.columns) == COUNTS.names
    assert stored.frame["fragments"].dtype == np.int64


def _row(path: Path) -> None:
    frame = tables.read(path, FRACTION).frame
    numbers = frame.select_dtypes("float")
    assert not np.isinf(numbers.to_numpy()).any()


def _bed(path: Path) -> None:
    frame = reference.read_bed(path)
    assert (frame["start"] >= 0).all()
    assert (frame["end"] >= frame["start"]).all()


def _bedgraph(path: Path) -> None:
    track = reference.open_track(path)
    for key in track.chromosomes():
        starts, ends, values = track.intervals(key)
        assert (starts[1:] >= ends[:-1]).all()
        assert ((values >= 0) & (values <= 1)).all()


def _fasta(path: Path) -> None:
    with reference.fasta(path) as opened:
        for name, length in reference.lengths(opened).items():
            total = sum(len(b) for _, b in reference.sequence(opened, name, length, multiple_of=10))
            assert total == length


# --- variants ---------------------------------------------------------------------------------


def _variants(path: Path) -> None:
    found = variants.read(path, sample="S1").frame
    for column in found.select_dtypes("number"):
        known = found[column].dropna().astype(float)
        assert np.isfinite(known).all(), column
    assert (found["start"] >= 0).all()


def _sites(path: Path) -> None:
    frame = sites.read(path, settings=IDENTITY)
    assert frame["frequency"].between(0, 1).all()


# --- what a user writes -----------------------------------------------------------------------


def _sheet(path: Path) -> None:
    frame = sheet.read(path, schema=SCHEMAS / "samples.schema.yaml", look_for_files=False)
    names = frame["sample"].tolist() + frame["patient"].dropna().tolist()
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) for name in names)
    assert len(set(frame["sample"])) == len(frame)
    sheet.without_baseline(frame)


def _clinical(path: Path) -> None:
    frame = clinical.read(path, schema=SCHEMAS / "clinical.schema.yaml")
    for column in ("pfs_days", "os_days"):
        assert all(0 < days < math.inf for days in frame[column].dropna())


def _config(path: Path) -> None:
    config = read_config(path)
    schemas.check_config(config, SCHEMAS / "config.schema.yaml", files=[path])
    for section, kind in SECTIONS.items():
        made = kind.from_mapping(config[section], source=str(path))
        for value in made.as_dict().values():
            assert not isinstance(value, float) or math.isfinite(value)


def _rules(path: Path) -> None:
    rules.read(path, schema=SCHEMAS / "criteria.schema.yaml")


VCF = b"""##fileformat=VCFv4.2
##FILTER=<ID=weak,Description="x">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="x">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">
##FORMAT=<ID=AF,Number=A,Type=Float,Description="x">
##INFO=<ID=ANN,Number=.,Type=String,Description="x">
##INFO=<ID=AF,Number=A,Type=Float,Description="x">
##INFO=<ID=GENE,Number=1,Type=String,Description="x">
##contig=<ID=chr17,length=83257441>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
chr17\t7675088\t.\tC\tT\t.\tPASS\tGENE=TP53;AF=0.1\tAD:DP:AF\t900,100:1000:0.1
chr17\t7775088\trs1\tC\tT,G\t50\tweak\tANN=T|missense|x|TP53;AF=0.2,0.1\tAD:DP\t90,5,5:100
"""
TSV = b"""chrom\tpos\tref\talt\tdepth\talt_reads\tgene\torigin
chr17\t7675088\tC\tT\t1000\t50\tTP53\tsomatic
"""
WIG = b"""fixedStep chrom=chr1 start=1 step=1000 span=1000
500
620
7
fixedStep chrom=chr2 start=1 step=1000 span=1000
5
6
"""
SITES = b"chr1\t10\t11\tA\tG\t0.3\nchr2\t5\t6\tC\tT\t0.5\n"
COUNT_TABLE = b"chrom\tstart\tend\tS\nchr1\t0\t1000\t5\nchr1\t1000\t2000\t7\nchr2\t0\t1000\t3\n"
SHEET = b"""sample\tpatient\trole\tday\tbam\tcounts\tvariants\tsex\tbatch
001\tP1\tplasma\t-3\ta.bam\t\tv.vcf\tfemale\tb1
002\tP1\tplasma\t21\t\tc.wig\t\t\t
N1\t\tnormal\t\tn.bam\t\t\tmale\t
"""
CLINICAL = b"""patient\tarm\tstratum\tresponse\tpfs_days\tpfs_event\tos_days\tos_event
P1\tA\tS\tPR\t120\t1\t400.5\t0
P2\tB\t\t\t\t\t\t
"""
CONFIG = (ROOT / "config" / "config.yaml").read_bytes()
#: With a reference that is there: the file itself.
CONFIGS = [CONFIG.replace(b"gc_wig: null", b"gc_wig: config.yaml", 1)]
COUNTS_TABLE = b"""##ctcnv.table=counts/1
##ctcnv.version=0
##sample=S
chrom\tstart\tend\tfragments\tshort
chr1\t0\t1000\t5\t1
chr2\t0\t1000\t50\t
"""


def _fraction() -> bytes:
    cells = {c.name: {"int": "1", "float": "0.1", "bool": "true"}.get(c.kind, c.choices[0] if
             c.choices else "x") for c in FRACTION.columns}  # fmt: skip
    head = f"##ctcnv.table={FRACTION.tag}\n"
    return (head + "\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n").encode()


READERS = [
    Reader("BAM", "a.bam", _bams(), _reads, cells=False),
    Reader("BAM before compression", "a.bam", [gzip.decompress(_bams()[0])], _payload, cells=False),
    Reader("VCF", "a.vcf", [VCF], _variants),
    Reader("variants as TSV", "a.tsv", [TSV], _variants),
    Reader("sites as VCF", "sites.vcf", [VCF], _sites),
    Reader("sites as BED", "sites.bed", [SITES], _sites),
    Reader("wig", "a.wig", [WIG], _wig),
    Reader("count table", "a.tsv", [COUNT_TABLE], _counts),
    Reader("table of ctcnv", "counts.tsv", [COUNTS_TABLE], _table),
    Reader("table of ctcnv, gzip", "counts.tsv.gz", [gzip.compress(COUNTS_TABLE, mtime=0)], _table,
           cells=False),
    Reader("fraction.tsv", "fraction.tsv", [_fraction()], _row),
    Reader("BED", "a.bed", [b"track x\nchr1\t0\t100\tx\nchr2\t5\t10\n"], _bed),
    Reader("bedGraph", "a.bedgraph", [b"chr1\t0\t100\t0.5\nchr1\t100\t200\t1\n"], _bedgraph),
    Reader("FASTA", "a.fa", [b">chr1 x\nACGTACGTAC\nACGTACGTAC\nACG\n>chr2\nNNNNACGT\n"], _fasta),
    Reader("sample sheet", "samples.tsv", [SHEET], _sheet),
    Reader("clinical table", "clinical.tsv", [CLINICAL], _clinical),
    Reader("config", "config.yaml", CONFIGS, _config),
    Reader("criteria", "criteria.yaml", [(ROOT / "config" / "criteria.yaml").read_bytes()], _rules),
]  # fmt: skip


def run(reader: Reader, *, cases: int, seed: int | None = None) -> None:
    """So many cases of one reader; without a seed the same ones each time."""
    # The good files first: loops are compiled at their first use, which is no hang.
    for good in reader.seeds:
        with tempfile.TemporaryDirectory() as folder, within(Path(folder)):
            Path(reader.file).write_bytes(good)
            reader.check(Path(reader.file))

    @hypothesis.settings(
        max_examples=cases, deadline=None, database=None, derandomize=seed is None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(data=damaged(reader.seeds, cells=reader.cells))
    def fuzz(data: bytes) -> None:
        reader.case(data)

    if seed is not None:
        fuzz = hypothesis.seed(seed)(fuzz)
    fuzz()


def main(words: Sequence[str] | None = None) -> int:
    """Share the cases among the readers, and tell what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="names of readers")
    args = parser.parse_args(words)
    chosen = [reader for reader in READERS if not args.only or reader.name in args.only]
    failed = 0
    for reader in chosen:
        cases, begin = math.ceil(args.cases / len(chosen)), time.monotonic()
        try:
            run(reader, cases=cases, seed=args.seed)
            word = "no finding"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed += 1
            word = f"FOUND {type(error).__name__}: {error}"
            if isinstance(error, BaseExceptionGroup):
                word += "".join(f"\n   {type(e).__name__}: {e}" for e in error.exceptions)
        print(
            f"{reader.name}: {cases:,} cases, {time.monotonic() - begin:.0f} s, {word}", flush=True
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
