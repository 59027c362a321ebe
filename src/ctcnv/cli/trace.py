"""Walk from a result back to the BAM by the checksums in the preambles, and say what changed since.

RESULT is a table, a report (report.html, cohort.html), a summary.json or an exported VCF. Each line
is an input: its name, its file, and whether it is the file that the result was made from. Of a BAM
the header and the size are compared, and no byte of the reads. Exit code 0 when nothing changed, 1
when something did or cannot be found.
"""

from __future__ import annotations

import argparse
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctcnv.trace import Place

#: How a page tells its inputs.
PAGE = re.compile(r'<meta name="ctcnv-inputs" content="([^"]*)">')
SAME, CHANGED, GONE, UNKNOWN = "unchanged", "CHANGED", "NOT FOUND", "not looked at"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this step."""
    parser.add_argument("result", type=Path, metavar="RESULT")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER",
        help="where the results lie, if not in the folder 'results' above RESULT",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=Path, metavar="samples.tsv",
        help="the sample sheet, to find BAMs, counts and variants",
    )  # fmt: skip
    parser.add_argument(
        "--config", type=Path, metavar="config.yaml",
        help="the config, to find the files of the reference and the sheet",
    )  # fmt: skip


@dataclass(frozen=True)
class Node:
    """What a file says of its inputs."""

    table: str
    sample: str | None
    patient: str | None
    inputs: Mapping[str, str]
    bam: tuple[str, str] | None = None  # digest of the header, size


@dataclass(frozen=True)
class Found:
    """A line of the answer."""

    depth: int
    name: str
    path: str
    state: str
    said: str = ""


def run(args: argparse.Namespace) -> int:
    """Read preamble after preamble, print, and give the exit code."""
    config = _config(args.config)
    if args.samples is not None:
        config = {**config, "samples": str(args.samples)}
    samples = _sheet(_path(config.get("samples")))
    root = args.results or _results_above(args.result)
    lines = list(_walk(args.result, root, config, samples))
    for line in lines:
        words = "  ".join(part for part in (line.state, line.said) if part)
        print(f"{'  ' * line.depth}{line.name}: {line.path}  {words}".rstrip())
    states = [line.state for line in lines[1:]]
    n = {state: states.count(state) for state in (SAME, CHANGED, GONE, UNKNOWN)}
    print(", ".join(f"{count} {state}" for state, count in n.items() if count) or "no inputs")
    return 1 if n[CHANGED] or n[GONE] else 0


def _walk(
    result: Path, root: Path, config: Mapping[str, Any], samples: Mapping[str, Mapping[str, str]]
) -> Iterator[Found]:
    """The result, then each input below what it is an input of; a file is opened up once."""
    from ctcnv import trace
    from ctcnv.io import tables

    opened: set[Path] = set()

    def below(path: Path, depth: int) -> Iterator[Found]:
        if path in opened:
            return
        opened.add(path)
        node = read_node(path)
        if node is None:
            return
        for key, digest in node.inputs.items():
            where = trace.place(node.table, key, sample=node.sample, patient=node.patient)
            file = _file(where, root, config, samples)
            if file is None:
                yield Found(depth, key, "?", UNKNOWN, _hint(where))
            elif not file.is_file():
                yield Found(depth, key, str(file), GONE)
            else:
                now = tables.sha256_file(file)
                same = now == digest
                said = "" if same else f"was {digest[:12]}, is {now[:12]}"
                yield Found(depth, key, str(file), SAME if same else CHANGED, said)
                if where.kind == "results":
                    yield from below(file, depth + 1)
        if node.bam is not None:
            yield _bam(depth, node, samples)

    yield Found(0, "result", str(result), "")
    yield from below(result, 1)


def _bam(depth: int, node: Node, samples: Mapping[str, Mapping[str, str]]) -> Found:
    """The BAM of a count table, by its header and size."""
    from ctcnv.io import bam

    assert node.bam is not None
    named = samples.get(node.sample or "", {}).get("bam")
    if named is None:
        return Found(depth, "bam", "?", UNKNOWN, "give --samples or --config")
    if not Path(named).is_file():
        return Found(depth, "bam", named, GONE)
    try:
        with bam.reads(Path(named)) as reads:
            header, size = f"sha256:{reads.header.digest}", str(reads.header.size)
    except ValueError as error:
        return Found(depth, "bam", named, CHANGED, str(error).removeprefix(f"{named}: "))
    different = [
        f"{what} was {before}, is {now}"
        for what, before, now in (
            ("header", node.bam[0][7:19], header[7:19]), ("size", node.bam[1], size),
        )
        if before != now
    ]  # fmt: skip
    return Found(depth, "bam", named, CHANGED if different else SAME, "; ".join(different))


def read_node(path: Path) -> Node | None:
    """The inputs of a result; None of a file that names none. ValueError when it is no result."""
    from ctcnv import trace
    from ctcnv.io import tables

    if path.suffix == ".html":
        told = PAGE.search(path.read_text(encoding="utf-8", errors="replace"))
        if told is None:
            raise ValueError(
                f"{path}: names no inputs; it is no report of this ctcnv, make it again"
            )
        return _of_page(path, json.loads(html.unescape(told[1])))
    if path.suffix == ".json":
        return _of_summary(path)
    if path.suffix == ".vcf":
        return _of_vcf(path)
    if not path.name.endswith((".tsv", ".tsv.gz")):
        raise ValueError(
            f"{path}: not a result that names its inputs; give a table (.tsv, .tsv.gz), a page "
            "(.html), summary.json or an exported VCF"
        )
    meta = tables.preamble(path)
    bam = (
        (meta["bam.header"], meta["bam.size"]) if {"bam.header", "bam.size"} <= set(meta) else None
    )
    table = meta["ctcnv.table"].partition("/")[0]
    return Node(table, meta.get("sample"), meta.get("patient"), trace.inputs(meta), bam)


def _of_page(path: Path, told: Any) -> Node:
    if not isinstance(told, dict):
        raise ValueError(f"{path}: its inputs cannot be read; make it again")
    inputs = {str(key): str(value).removeprefix("sha256:") for key, value in told.items()}
    return Node("page", None, None, inputs)


def _of_summary(path: Path) -> Node:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        inputs = {
            f"{key}.{sample['sample']}" if key in ("counts", "variants") else str(key): str(
                value
            ).removeprefix("sha256:")
            for sample in loaded["samples"]
            for key, value in sample["inputs"].items()
        }
        return Node("summary", None, str(loaded["patient"]), inputs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a summary of ctcnv ({error})") from None


def _of_vcf(path: Path) -> Node:
    inputs, sample = {}, None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("##ctcnv_input."):
            key, _, value = line.removeprefix("##ctcnv_input.").partition("=")
            inputs[key] = value.removeprefix("sha256:")
        elif line.startswith("#CHROM"):
            sample = line.split("\t")[-1]
            break
    if not inputs or sample is None:
        raise ValueError(f"{path}: not a VCF that ctcnv exported")
    # its genes are those of the sample
    named = {f"{key}.{sample}": value for key, value in inputs.items()}
    return Node("vcf", sample, None, named)


def _results_above(result: Path) -> Path:
    """The folder of the results in which a result lies."""
    if not result.is_file():
        raise ValueError(f"{result}: no such file; give a result")
    for folder in result.parents:
        if folder.name == "results":
            return folder
    return result.parent


def _file(
    where: Place, root: Path, config: Mapping[str, Any],
    samples: Mapping[str, Mapping[str, str]],
) -> Path | None:  # fmt: skip
    """The path of an input; None when what names it was not given."""
    if where.kind == "results":
        return root / where.name
    if where.kind == "sheet":
        return _path(samples.get(where.of or "", {}).get(where.name))
    if where.kind != "config":
        return None
    found: Any = config
    for part in where.name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    file = _path(None if found == "auto" else found)
    if file is not None and where.name == "reference.fasta":
        return file.with_name(f"{file.name}.fai")
    return file


def _hint(where: Place) -> str:
    if where.kind == "config":
        return f"comes with ctcnv, or give --config: {where.name}"
    return "give --samples or --config" if where.kind == "sheet" else "comes with ctcnv"


def _path(value: object) -> Path | None:
    return Path(value) if isinstance(value, str) and value else None


def _config(path: Path | None) -> Mapping[str, Any]:
    from ctcnv.cli.settings import read_config

    return {} if path is None else read_config(path)


def _sheet(path: Path | None) -> Mapping[str, Mapping[str, str]]:
    """The filled cells of each sample of a sheet."""
    from ctcnv.io import sheet

    if path is None:
        return {}
    frame = sheet.read(path, look_for_files=False)
    return {
        str(row["sample"]): {str(k): value for k, value in row.items() if isinstance(value, str)}
        for row in frame.to_dict("records")
    }
