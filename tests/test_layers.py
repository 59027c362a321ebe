"""Imports point down, and nothing in the package runs text from outside as code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "ctcnv"

#: Layers 0 and 1 in order: a module may import those before it. A new module is added here, at its
#: place; one that fits nowhere is in the wrong place.
LADDER = (
    "sequences", "table",
    "schema", "model", "robust", "spline", "compiled", "threads", "dispersion", "mixture",
    "protein", "genome", "palette", "document", "display", "bins", "count", "import_", "synthetic",
    "simulate", "trial",
    "normals", "waves", "bias", "normalize", "segment", "evidence", "healthy", "copystates",
    "blocks", "paths", "posterior", "detection", "fraction", "alleles", "mutations", "vafs",
    "extents", "genetest", "genes", "pon", "informed", "track", "identity", "alterations",
    "criteria", "export", "qc", "multiqc", "cohort", "clinic", "outcome", "trace",
)  # fmt: skip
#: Layer 2: each may import layers 0 and 1 and its own kind.
FRAMES = ("io", "plots", "report")
#: What layers 0 and 1 may use beside each other and the standard library.
LIBRARIES = {"numpy", "scipy", "pandas", "numba", "statsmodels"}
#: Files, clocks, processes and the environment begin in layer 2.
OUTSIDE = {"os", "pathlib", "io", "time", "datetime", "random", "subprocess", "sys", "shutil"}
FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "joblib"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """``io.tables`` for src/ctcnv/io/tables.py; the package itself is ``__init__``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions, in full: ``ctcnv.io.tables``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_ctcnv(path: Path) -> set[str]:
    """The first part below ctcnv of what a file imports from ctcnv."""
    parts = (name.split(".") for name in imported(path))
    return {part[1] for part in parts if part[0] == "ctcnv" and len(part) > 1}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_has_a_place_in_the_layers(path: Path) -> None:
    first = name_of(path).split(".")[0]
    assert first in (*LADDER, *FRAMES, "cli", "__init__", "__main__")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    name = name_of(path)
    first = name.split(".")[0]
    if first in ("cli", "__main__"):
        return
    known = {*LADDER, *FRAMES, "cli"}
    found = of_ctcnv(path) & known
    if first == "__init__":
        allowed: set[str] = set()
    elif first in FRAMES:
        allowed = {*LADDER, first}
    else:
        allowed = set(LADDER[: LADDER.index(first)])
    assert found <= allowed, f"{name} imports {sorted(found - allowed)}"


@pytest.mark.parametrize("name", LADDER)
def test_steps_touch_no_files_clock_or_environment(name: str) -> None:
    path = PACKAGE / f"{name}.py"
    tops = {module.split(".")[0] for module in imported(path)}
    assert not tops & OUTSIDE
    import sys

    foreign = tops - set(sys.stdlib_module_names) - LIBRARIES - {"ctcnv"}
    assert not foreign


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_text_from_outside_is_run_as_code(path: Path) -> None:
    assert not {module.split(".")[0] for module in imported(path)} & FORBIDDEN
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in ("eval", "exec", "os.system", "os.popen", "yaml.load"), called
        for keyword in node.keywords:
            assert keyword.arg != "shell", f"{called}(shell=...) at line {node.lineno}"


def heavy_at_import(path: Path) -> set[str]:
    """Slow libraries that a file imports when it is imported itself."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names & {
        "numpy",
        "scipy",
        "pandas",
        "pysam",
        "matplotlib",
        "numba",
        "jinja2",
        "statsmodels",
    }


def test_steps_of_the_command_line_import_heavy_libraries_only_when_they_run() -> None:
    from ctcnv.cli import _MODULES, STEPS

    for step in STEPS:
        path = PACKAGE / "cli" / f"{_MODULES.get(step, step)}.py"
        assert not heavy_at_import(path), path
