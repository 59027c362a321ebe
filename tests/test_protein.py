"""Changes of a protein: one form for all ways of writing them, and which are meant."""

from __future__ import annotations

import pytest

from ctcnv import protein


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ENSP00000256078.4:p.Gly12Asp", "G12D"),
        ("NP_004976.2:p.(Gly12Asp)", "G12D"),
        ("p.G12D", "G12D"),
        ("G12D", "G12D"),
        (" p.Arg130Ter ", "R130*"),
        ("p.Lys267ArgfsTer9", "K267Rfs*9"),
        ("ENSP1:p.Gly12%3D", "G12="),
        ("p.(=)", "="),
        ("p.?", None),
        ("", None),
        (".", None),
    ],
)
def test_every_way_of_writing_gives_one_form(text, wanted):
    assert protein.short(text) == wanted


@pytest.mark.parametrize(
    ("change", "is_silent"),
    [("G12=", True), ("=", True), ("G12G", True), ("G12D", False), ("R130*", False),
     ("*165*", True)],
)  # fmt: skip
def test_a_silent_change_leaves_the_protein_as_it_was(change, is_silent):
    assert protein.silent(change) is is_silent


@pytest.mark.parametrize(
    ("change", "wanted", "is_listed"),
    [
        ("G12D", "12 13", True),
        ("G12=", "12 13", False),
        ("A18D", "12 13", False),
        ("G120D", "12 13", False),
        ("V600E", "V600E", True),
        ("V600K", "V600E", False),
        ("S492R", "25-645", True),
        ("L858R", "25-645", False),
        ("A645V", "25-645", True),
        ("I646V", "25-645", False),
        ("E746_A750del", "25-645", False),
        ("R130*", "", True),
        ("R130=", "", False),
        ("unclear", "12", False),
    ],
)
def test_codons_ranges_and_whole_changes_are_told_apart(change, wanted, is_listed):
    assert protein.listed(change, wanted) is is_listed


@pytest.mark.parametrize(("wanted", "good"), [("12 13", True), ("25-645 V600E", True),
                                              ("exon 2", False), ("12,13", False)])  # fmt: skip
def test_a_list_is_written_as_it_is_read(wanted, good):
    assert protein.well_formed(wanted) is good
