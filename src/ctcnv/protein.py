"""Changes of a protein as HGVS writes them: in one form, and whether they are among given ones."""

from __future__ import annotations

import re

#: Amino acids by their three letters.
LETTERS = {
    "Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G",
    "His": "H", "Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S",
    "Thr": "T", "Trp": "W", "Tyr": "Y", "Val": "V", "Ter": "*", "Sec": "U",
}  # fmt: skip
_NAMES = re.compile("|".join(LETTERS))
_CHANGE = re.compile(r"^([A-Z*])(\d+)(.*)$")
_LISTED = re.compile(r"^(?:\d+(?:-\d+)?|[A-Z*]\d+\S*)$")


def short(text: str) -> str | None:
    """A change with one letter for each amino acid, without transcript and ``p.``; None when empty.

    ``ENSP00000256078.4:p.Gly12Asp``, ``p.(Gly12Asp)``, ``p.G12D`` and ``G12D`` give ``G12D``.
    """
    bare = text.rpartition(":")[2].strip().removeprefix("p.").replace("%3D", "=")
    if bare.startswith("(") and bare.endswith(")"):
        bare = bare[1:-1]
    bare = _NAMES.sub(lambda found: LETTERS[found[0]], bare)
    return bare if bare not in ("", ".", "?") else None


def silent(change: str) -> bool:
    """Whether a change leaves the protein as it was: ``G12=``, ``=`` and ``G12G``."""
    found = _CHANGE.match(change)
    return change.endswith("=") or (found is not None and found[1] == found[3])


def listed(change: str, wanted: str) -> bool:
    """Whether a change is among the wanted ones: ``12 13 59-61 V600E`` names codons, ranges of
    codons and whole changes. A silent change is none of them, and nothing wanted means any other.
    """
    if silent(change):
        return False
    if not wanted:
        return True
    found = _CHANGE.match(change)
    for one in wanted.split():
        if one == change:
            return True
        low, _, high = one.partition("-")
        if found is not None and low.isdigit() and int(low) <= int(found[2]) <= int(high or low):
            return True
    return False


def well_formed(wanted: str) -> bool:
    """Whether a list of wanted changes is written as :func:`listed` reads it."""
    return all(_LISTED.match(one) for one in wanted.split())
