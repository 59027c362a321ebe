"""Files and folders: killed, full, read-only, oddly named, used twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.knocks import ROOT, Knock, ctcnv, listed, reads, refused

#: What a shell, a template or a path could trip over.
ODD = "a b é 中 $(touch x) `touch x` ;touch x; & 'q' \"d\" {sample} %s \\n"


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, in the working directory."""
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )  # fmt: skip


def _killed(_: Path) -> str:
    done = python("-m", "tests.knocks.killed", "--times", "25")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LIMITED = """
import resource, sys
from ctcnv.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(sys.argv[2:])
"""


def _count_words() -> list[str]:
    words = ["count", "--quiet", "--bam", "a.bam", "--bins", "bins.tsv.gz", "--sample", "S",
             *reads.FLAGS]  # fmt: skip
    for flag, name in (("", "counts.tsv.gz"), ("-lengths", "lengths.tsv"), ("-reads", "reads.tsv")):
        words += [f"--output{flag}", f"out/{name}"]
    return words


def _file_too_large(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    reads.write_bam("a.bam", reads.pairs(300))
    done = python("-c", LIMITED, "100", *_count_words())
    assert done.returncode == 2, done
    assert listed(Path("out")) == []
    line = "ctcnv count: error: out/counts.tsv.gz: File too large\n"
    assert done.stderr == line, done.stderr
    return f"refused: {line.partition('error: ')[2].strip()}"


BIGWIG = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from ctcnv.io import exports
start = np.arange(5000) * 10
pcn = np.random.default_rng(1).random(5000)
frame = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 10, "pcn": pcn})
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
try:
    exports.write_bigwig(Path("out/a.bw"), frame, lengths={"chr1": 50_000})
except ValueError as error:
    print(error)
"""


def _bigwig_too_large(_: Path) -> str:
    line = "out/a.bw: could not be written whole; is the disk full?"
    for limit in ("1", "2000", "20000"):
        done = python("-c", BIGWIG, limit)
        assert done.stdout.splitlines()[-1] == line, done
        assert listed(Path("out")) == []
    whole = python("-c", BIGWIG, "10000000")
    assert whole.stdout == "", whole
    assert listed(Path("out")) == ["a.bw"]
    return f"refused: {line}"


def _disk_full(_: Path) -> str:
    reads.write_bins(reads.CONTIGS, size_bp=2)
    reads.write_bam("a.bam", reads.pairs(3_000))
    Path("out").mkdir()
    script = f"mount -t tmpfs -o size=8k tmpfs out || exit 77; {sys.executable} -m ctcnv "
    script += " ".join(_count_words()) + "; echo $? $(ls -A out)"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False,
        timeout=600, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    line = "ctcnv count: error: out/counts.tsv.gz: No space left on device\n"
    assert done.stderr == line, done
    assert done.stdout == "2\n", done.stdout
    return f"refused: {line.partition('error: ')[2].strip()}"


def can_mount() -> bool:
    """Whether a small disk can be made here."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", "/mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _read_only(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    right = reads.write_cram()
    inputs = Path("inputs")
    inputs.mkdir()
    for name in ("a.bam", "a.cram", "ref.fa", "ref.fa.fai"):
        shutil.move(name, inputs / name)
    inputs.chmod(0o555)
    before = listed(inputs), inputs.stat().st_mtime_ns
    try:
        assert reads.counted(inputs / "a.bam") == right
        assert reads.counted(inputs / "a.cram", "--reference", inputs / "ref.fa") == right
        assert (listed(inputs), inputs.stat().st_mtime_ns) == before
    finally:
        inputs.chmod(0o755)
    return "counted; nothing is written there"


def _odd_names(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    right = reads.counted(reads.write_bam("a.bam", reads.pairs(300)))
    folder = Path(ODD)
    folder.mkdir()
    shutil.copy("a.bam", folder / f"{ODD}.bam")
    before = set(listed(Path()))
    assert reads.counted(folder / f"{ODD}.bam") == right
    assert set(listed(Path())) == before, "a name was run"
    return reads.same(right, right)


def _links(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    right = reads.counted(reads.write_bam("a.bam", reads.pairs(300)))
    Path("link.bam").symlink_to("a.bam")
    Path("again.bam").symlink_to("link.bam")
    return reads.same(right, reads.counted("again.bam"))


def _broken_link(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    Path("link.bam").symlink_to("gone.bam")
    return refused(reads.count("link.bam")[0], "link.bam: No such file")


def _circle(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    Path("a.bam").symlink_to("a.bam")
    return refused(reads.count("a.bam")[0], "a.bam: Too many levels of symbolic links")


def _long_path(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    said = reads.count("x" * 5_000)[0]
    refused(said, "File name too long")
    assert len(said.error) < 400
    return "refused: xxx...xxx: File name too long"


def _deep_folder(_: Path) -> str:
    """Deeper than a path may be long: reached step by step, as `cd` does."""
    before = os.open(".", os.O_RDONLY)
    reads.write_bins(reads.CONTIGS)
    right = reads.counted(reads.write_bam("a.bam", reads.pairs(300)))
    data, bins = Path("a.bam").read_bytes(), Path("bins.tsv.gz").read_bytes()
    try:
        for _ in range(25):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        Path("a.bam").write_bytes(data)
        Path("bins.tsv.gz").write_bytes(bins)
        seen = reads.same(right, reads.counted("a.bam"))
    finally:
        os.chdir(before)
        os.close(before)
        shutil.rmtree("d" * 200)
    return seen


def _folder_as_input(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    Path("a.bam").mkdir()
    return refused(reads.count("a.bam")[0], "a.bam: Is a directory")


def _output_is_a_folder(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    reads.write_bam("a.bam", reads.pairs(30))
    Path("counts.tsv.gz").mkdir()
    words = [word.replace("out/", "") for word in _count_words()]
    said = ctcnv(*words)
    assert not Path("lengths.tsv").exists()
    return refused(said, "counts.tsv.gz: Is a directory")


def _output_in_a_file(_: Path) -> str:
    reads.write_bins(reads.CONTIGS)
    reads.write_bam("a.bam", reads.pairs(30))
    Path("out").touch()
    return refused(ctcnv(*_count_words()), "nothing can be written to 'out'")


def _two_runs(folder: Path) -> str:
    """The lock of a run that goes on; what Snakemake writes at its start."""
    work = Path(shutil.copytree(ROOT / "tests" / "config", folder / "work"))
    locks = work / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/reference/bins.tsv.gz\n")
    before = listed(work)
    done = python(
        "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(work),
        "--cores", "1", "--configfile", str(ROOT / "config/config.yaml"), str(work / "config.yaml"),
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Traceback" not in said
    assert "Directory cannot be locked" in said, said
    assert "--unlock" in said
    assert [name for name in listed(work) if name.startswith("results")] == []
    assert set(before) <= set(listed(work))
    line = re.search(r"Error: Directory cannot be locked[^\n]*", said)
    assert line is not None
    return "refused by Snakemake: Error: Directory cannot be locked (and how to unlock it)"


KNOCKS = [
    Knock("kill -9", "`ctcnv count` killed with SIGKILL at random moments, then run again",
          "no half file; the rerun is complete and the same", _killed),
    Knock("file too large", "a limit on the size of files", reads.LINE, _file_too_large),
    Knock("bigWig too large", "the same while a bigWig is written, whose writer says nothing",
          "one line, nothing written", _bigwig_too_large),
    Knock("read-only inputs", "BAM, CRAM and FASTA in a read-only folder", reads.SAME, _read_only),
    Knock("odd names", "spaces, quotes, other alphabets, `$(...)` and backticks in folder and file"
          " names", f"{reads.SAME}; nothing is run", _odd_names),
    Knock("symbolic links", "a link to a link to a BAM", reads.SAME, _links),
    Knock("broken link", "a link to nothing", reads.LINE, _broken_link),
    Knock("link in a circle", "a link to itself", reads.LINE, _circle),
    Knock("5,000 letters", "a file name of 5,000 letters", reads.LINE, _long_path),
    Knock("deep folder", "a working directory whose path has 5,000 letters", reads.SAME,
          _deep_folder),
    Knock("folder as input", "a folder where a BAM is wanted", reads.LINE, _folder_as_input),
    Knock("folder as output", "a folder where the output should be", reads.LINE,
          _output_is_a_folder),
    Knock("output in a file", "a file where the folder of the output should be", reads.LINE,
          _output_in_a_file),
    Knock("two runs", "a second run of the workflow in a folder where one is running",
          "one line, nothing touched", _two_runs),
]  # fmt: skip
#: Needs a small disk, which cannot be made everywhere.
FULL = Knock("disk full", "a disk of 8 kB", reads.LINE, _disk_full)
