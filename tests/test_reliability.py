"""What breaks in practice: the right result or one clear line; docs/reliability.md is its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.knocks import Knock, files, page, reads, within

KNOCKS = [knock for _, knocks in page.SECTIONS for knock in knocks]


@pytest.mark.parametrize("knock", KNOCKS, ids=lambda knock: knock.name)
def test_a_knock_gives_what_is_expected_and_the_page_says(knock: Knock, tmp_path: Path) -> None:
    with within(tmp_path):
        seen = knock.run(tmp_path)
    assert page.row(knock, seen) in page.OUTPUT.read_text().splitlines(), (
        "docs/reliability.md is out of date: python -m tests.knocks"
    )


def test_every_file_of_a_malformed_collection(shared_data: Path, tmp_path: Path) -> None:
    knocks = reads.malformed(shared_data / "bam" / "malformed")
    assert len(knocks) > 15
    said = page.OUTPUT.read_text().splitlines()
    for number, knock in enumerate(knocks):
        folder = tmp_path / str(number)
        folder.mkdir()
        with within(folder):
            assert page.row(knock, knock.run(folder)) in said


def test_a_full_disk(tmp_path: Path) -> None:
    if not files.can_mount():
        pytest.skip("no small disk can be made here (unshare -rm mount -t tmpfs)")
    with within(tmp_path):
        seen = files.FULL.run(tmp_path)
    assert page.row(files.FULL, seen) in page.OUTPUT.read_text().splitlines()


def test_names_of_knocks_are_used_once() -> None:
    assert len({knock.name for knock in KNOCKS}) == len(KNOCKS)
