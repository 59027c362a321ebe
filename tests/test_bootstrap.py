"""./ctcnv: how the environment is made, without a network: uv and Python are stand-ins."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = (
    "sh", "dirname", "readlink", "cut", "sha256sum", "cat", "mkdir", "rmdir", "date", "tail",
    "chmod", "sleep", "env",
)  # fmt: skip

# Says what it was asked to do; `uv venv ... DIR` makes an environment of the stand-in Python.
UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
[ "${UV_FAILS:-}" != "$1" ] || { echo "no such package" >&2; exit 1; }
[ "$1" = venv ] || exit 0
for venv; do :; done
mkdir -p "$venv/bin" "$venv/site"
cat "$STUBS/python3" >"$venv/bin/python"
chmod +x "$venv/bin/python"
"""

# -c answers two questions: is it new enough (its status), and where the packages lie.
PYTHON = """#!/bin/sh
case "$1" in
  -V) echo "Python 3.99" ;;
  -c)
    case "$2" in
      *version_info*) exit "${TOO_OLD:-0}" ;;
      *import*venv*) exit "${NO_VENV:-0}" ;;
      *) echo "$(dirname "$(dirname "$0")")/site" ;;
    esac ;;
  *) echo "ran $*" ;;
esac
"""


class Clone:
    """A folder with ./ctcnv and lock files, a PATH of stand-ins, and what uv was asked to do."""

    def __init__(self, root: Path, folder: Path, *, with_uv: bool = True) -> None:
        self.here = folder / "a clone"
        self.stubs = folder / "stubs"
        self.calls = folder / "calls"
        self.here.mkdir()
        self.stubs.mkdir()
        shutil.copy(root / "ctcnv", self.here)
        (self.here / "requirements.lock").write_text("one\n")
        (self.here / "requirements-dev.lock").write_text("two\n")
        for name, text in (("uv", UV), ("python3", PYTHON)):
            if name != "uv" or with_uv:
                (self.stubs / name).write_text(text)
                (self.stubs / name).chmod(0o755)
        for tool in TOOLS:
            found = shutil.which(tool)
            if found is None:
                pytest.skip(f"{tool} is not on this machine")
            (self.stubs / tool).symlink_to(found)

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.here / "ctcnv"), *words],
            capture_output=True, text=True, cwd=self.here.parent, timeout=60, check=False,
            env={"PATH": str(self.stubs), "STUBS": str(self.stubs), "CALLS": str(self.calls),
                 **environment},
        )  # fmt: skip

    @property
    def installed(self) -> list[str]:
        """The lock files that were installed, in order."""
        said = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line.rsplit("/", 1)[1] for line in said if line.startswith("uv pip install")]


@pytest.fixture
def clone(repo_root: Path, tmp_path: Path) -> Clone:
    return Clone(repo_root, tmp_path)


def test_the_first_use_builds_and_later_ones_do_not(clone: Clone) -> None:
    first = clone("bins", "--fasta", "a b")
    assert (first.returncode, first.stdout) == (0, "ran -m ctcnv bins --fasta a b\n")
    assert "installing about 90 packages" in first.stderr
    second = clone("--version")
    assert (second.stdout, second.stderr) == ("ran -m ctcnv --version\n", "")
    assert clone.installed == ["requirements.lock"]
    assert "--require-hashes" in clone.calls.read_text()


def test_the_package_and_its_command_are_in_the_environment(clone: Clone) -> None:
    clone("--version")
    venv = clone.here / ".venv"
    assert (venv / "site" / "ctcnv.pth").read_text() == f"{clone.here / 'src'}\n"
    done = subprocess.run(
        [str(venv / "bin" / "ctcnv"), "count", "x y"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "ran -m ctcnv count x y\n"


def test_a_changed_lock_builds_anew(clone: Clone) -> None:
    clone("--version")
    (clone.here / "requirements.lock").write_text("other\n")
    clone("--version")
    assert clone.installed == ["requirements.lock", "requirements.lock"]


def test_a_moved_clone_builds_anew(clone: Clone) -> None:
    clone("--version")
    clone.here = clone.here.rename(clone.here.with_name("moved"))
    clone("--version")
    assert len(clone.installed) == 2
    assert (clone.here / ".venv/site/ctcnv.pth").read_text() == f"{clone.here / 'src'}\n"


def test_a_failed_install_is_said_and_tried_again(clone: Clone) -> None:
    failed = clone("--version", UV_FAILS="pip")
    assert failed.returncode == 3
    assert "no such package" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("ctcnv: the installation failed")
    assert not (clone.here / ".venv.lock").exists()
    assert clone("--version").returncode == 0


def test_the_environment_can_lie_elsewhere(clone: Clone) -> None:
    clone("--version", CTCNV_VENV="else where/venv")
    assert (clone.here.parent / "else where/venv/.lock.sha256").is_file()
    assert not (clone.here / ".venv").exists()


def test_a_link_to_the_script_works(clone: Clone) -> None:
    clone("--version")
    link = clone.here.parent / "link"
    link.symlink_to(clone.here / "ctcnv")
    done = subprocess.run(
        [str(link), "--version"], capture_output=True, text=True, check=True,
        env={"PATH": str(clone.stubs)},
    )  # fmt: skip
    assert done.stdout == "ran -m ctcnv --version\n"


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        (("test", "-k", "a b"), "ran -m pytest -n 2 --dist loadfile -k a b\n"),
        (("snakemake", "--cores", "4"), "ran -m snakemake --cores 4\n"),
    ],
)
def test_tests_and_workflow_run_in_the_environment(
    clone: Clone, words: tuple[str, ...], ran: str
) -> None:
    assert clone(*words).stdout == ran


def test_the_tools_for_development_are_added_once(clone: Clone) -> None:
    clone("develop")
    clone("develop")
    assert clone.installed == ["requirements.lock", "requirements-dev.lock"]


def test_no_python_of_the_right_age_is_one_clear_line(clone: Clone) -> None:
    done = clone("demo", TOO_OLD="1")
    assert done.returncode == 3
    assert done.stderr.startswith("ctcnv: no Python 3.11 to 3.13 found")
    assert done.stderr.count("\n") == 1
    assert not (clone.here / ".venv").exists()


@pytest.mark.parametrize(
    ("version", "fits"),
    [((3, 10, 9), False), ((3, 11, 0), True), ((3, 13, 9), True), ((3, 14, 0), False)],
)
def test_which_pythons_fit(clone: Clone, version: tuple[int, ...], fits: bool) -> None:
    """3.14 was accepted although two packages had to be compiled for it, one of them in Rust."""
    asked = clone.stubs / "asked"
    text = f"import sys; sys.version_info = {version}; exec(sys.argv[1])"
    asked.write_text(
        f"#!/bin/sh\ncase $2 in *version_info*) exec {sys.executable} -c '{text}' \"$2\" ;; esac\n"
    )
    asked.chmod(0o755)
    done = clone("demo", CTCNV_PYTHON="asked")
    assert ("no Python 3.11 to 3.13 found" in done.stderr) != fits


def test_a_named_python_is_the_only_one_asked(clone: Clone) -> None:
    done = clone("demo", CTCNV_PYTHON="python9")
    assert done.returncode == 3
    assert "(python9)" in done.stderr


def test_python_without_venv_is_one_clear_line(repo_root: Path, tmp_path: Path) -> None:
    clone = Clone(repo_root, tmp_path, with_uv=False)
    done = clone("demo", NO_VENV="1")
    assert done.returncode == 3
    assert "apt-get install python3-venv" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_start_waits_for_the_first(clone: Clone) -> None:
    lock = clone.here / ".venv.lock"
    lock.mkdir()
    environment = {"PATH": str(clone.stubs), "STUBS": str(clone.stubs), "CALLS": str(clone.calls)}
    with subprocess.Popen(
        [str(clone.here / "ctcnv"), "--version"], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as waiting:  # fmt: skip
        assert waiting.stderr is not None
        assert "another ctcnv is building" in waiting.stderr.readline()
        assert clone.installed == []
        lock.rmdir()
        out, _ = waiting.communicate(timeout=60)
    assert out == "ran -m ctcnv --version\n"
    assert clone.installed == ["requirements.lock"]


def test_the_script_is_clean_for_shellcheck(repo_root: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on this machine")
    scripts = [str(repo_root / "ctcnv"), str(repo_root / ".ci" / "run")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_hashes_and_name_no_host(repo_root: Path, name: str) -> None:
    text = (repo_root / name).read_text()
    assert "://" not in text
    assert "--hash=sha256:" in text


def test_the_tools_for_development_pin_the_same_versions(repo_root: Path) -> None:
    def pins(name: str) -> set[str]:
        lines = (repo_root / name).read_text().splitlines()
        return {line.removesuffix(" \\") for line in lines if "==" in line}

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_the_stamp_is_the_digest_of_the_lock_and_the_place(clone: Clone) -> None:
    clone("--version")
    digest = hashlib.sha256((clone.here / "requirements.lock").read_bytes()).hexdigest()
    assert (clone.here / ".venv/.lock.sha256").read_text() == f"{digest} {clone.here}\n"
    assert os.access(clone.here / ".venv/bin/ctcnv", os.X_OK)
