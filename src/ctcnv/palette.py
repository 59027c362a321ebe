"""Colours and shown names of every outcome, in one place for the figures and the report.

The colours are those of Okabe and Ito (2008), which readers with any common form of colour
blindness can tell apart. Colour never stands alone: a word or a shape always goes with it.
"""

from __future__ import annotations

from types import MappingProxyType

INK = "#1b1f24"
MUTED = "#57606a"
GRID = "#d8dee4"
BLUE = "#0072b2"
SKY = "#56b4e9"
ORANGE = "#e69f00"
VERMILLION = "#d55e00"
GREEN = "#009e73"
PURPLE = "#a8507f"

#: Points of neighbouring chromosomes, in turn.
CHROMOSOME = ("#7d8b99", "#b3bdc7")
#: Segments whose 95 % interval lies above, on and below the ratio of a normal genome.
SEGMENT = MappingProxyType({"above": VERMILLION, "level": INK, "below": BLUE})
#: The mark of ERBB2 in every figure.
ERBB2 = PURPLE

CALL = MappingProxyType({
    "amplified": "Amplified",
    "gained": "Gained",
    "neutral": "Neutral",
    "lost": "Lost",
    "indeterminate": "Indeterminate",
    "failed": "Failed",
})  # fmt: skip
STATUS = MappingProxyType({
    "detected": "Detected",
    "not_detected": "Not detected",
    "failed": "Failed",
})  # fmt: skip
CHANGE = MappingProxyType({
    "baseline": "Baseline",
    "decrease": "Decrease",
    "increase": "Increase",
    "stable": "Stable",
    "not_evaluable": "Not evaluable",
})  # fmt: skip
#: Whether ERBB2 changed with the tumor or apart from it.
COPIES_CHANGE = MappingProxyType({
    "baseline": "Baseline",
    "unchanged": "ERBB2 copies per tumor cell unchanged: both fell or rose alike",
    "selective_loss": "ERBB2 fell more than the tumor: selective loss of the amplified clone",
    "selective_gain": "ERBB2 fell less, or rose more, than the tumor",
    "not_evaluable": "Not evaluable",
})  # fmt: skip
IDENTITY = MappingProxyType({
    "baseline": "Is the baseline",
    "same": "Yes",
    "different": "Probably not",
    "not_evaluable": "Not evaluable",
})  # fmt: skip
#: Whether a sample still has the tumor profile of the patient's clearest sample.
PROFILE = MappingProxyType({
    "template": "the template",
    "same": "same profile",
    "changed": "profile has changed",
    "not_evaluable": "profile not evaluable",
})  # fmt: skip
RESULT = MappingProxyType({
    "met": "Met",
    "not_met": "Not met",
    "not_evaluable": "Not evaluable",
})  # fmt: skip
ANSWER = MappingProxyType({"yes": "Yes", "no": "No", "not_evaluable": "Not evaluable"})
CLONALITY = MappingProxyType({
    "clonal": "Clonal",
    "subclonal": "Subclonal",
    "not_evaluable": "Not evaluable",
})  # fmt: skip
QUALITY = MappingProxyType({"ok": "OK", "warn": "Check", "failed": "Failed"})

#: Best response; colours from none to complete, and grey where it is not known.
RESPONSE = MappingProxyType({
    "CR": "Complete response", "PR": "Partial response", "SD": "Stable disease",
    "PD": "Progressive disease", "NE": "Not evaluable",
})  # fmt: skip
RESPONSE_COLOUR = MappingProxyType({
    "CR": GREEN, "PR": SKY, "SD": ORANGE, "PD": VERMILLION, "NE": MUTED,
})  # fmt: skip
#: Tiles of a gene in the matrix of alterations.
CALL_COLOUR = MappingProxyType({
    "amplified": VERMILLION, "gained": "#f5c98a", "neutral": "#eef1f4", "lost": BLUE,
    "indeterminate": "#ffffff", "failed": INK,
})  # fmt: skip
#: Groups of patients, in order.
GROUPS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, MUTED)
