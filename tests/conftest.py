"""Fixtures every test may use: where the repository is, and the real data beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# The same examples on every run: a test that fails today must fail tomorrow.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _log_as_a_new_process() -> Iterator[None]:
    """A command run with --quiet silences the log of its process: not that of other tests, also
    when a fixture of a module ran it before."""
    _forget_log()
    yield
    _forget_log()


def _forget_log() -> None:
    log = logging.getLogger("ctcnv")
    log.setLevel(logging.NOTSET)
    log.handlers.clear()


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data(repo_root: Path) -> Path:
    """Real data in ``../shared/data``; a test that needs it is skipped where it is absent."""
    path = repo_root.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the real data (../shared/data beside the repository) is not on this machine")
    return path
