"""How the numbers were made: settings of the run, origin of the tables, and the glossary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctcnv.report import words
from ctcnv.report.view import Sample, Sheet, settings
from ctcnv.report.words import text
from ctcnv.schema import FRACTION, GENES, SOLUTIONS, TRACK, Table

Titled = list[tuple[str, list[tuple[str, str]]]]


def setting_rows(of_patient: Mapping[str, Sheet], samples: Sequence[Sample]) -> Titled:
    """All parameters of this run, by section."""
    sheets = [*of_patient.values()]
    sheets += [sheet for sample in samples for sheet in sample.sheets().values()]
    return [
        (section, [(key, _setting(value)) for key, value in sorted(values.items())])
        for section, values in settings(sheets).items()
    ]


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return "differs between tables: " + ", ".join(_setting(one) for one in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


#: Preamble keys that are said elsewhere on the page.
_SAID = ("sample", "ctcnv.table")


def origin_rows(of_patient: Mapping[str, Sheet], samples: Sequence[Sample]) -> Titled:
    """Where every table comes from: what the preambles say beside the settings."""
    rows = []
    for name, sheet in [*of_patient.items()] + [
        (f"{sample.name}: {table}", sheet)
        for sample in samples
        for table, sheet in sample.sheets().items()
    ]:
        shown = [
            (key, words.NOT_KNOWN if value.lower() in ("", "nan") else value)
            for key, value in sheet.meta.items()
            if key not in _SAID and not key.startswith("settings.")
        ]
        if shown:
            rows.append((name, shown))
    return rows


def shared(samples: Sequence[Sample], key: str) -> str:
    """A value of the profiles' preambles, joined where samples differ, or that it is not known."""
    values = [text(sample.profile.meta.get(key)) or words.NOT_KNOWN for sample in samples]
    return words.listing(list(dict.fromkeys(values)))


def panel(samples: Sequence[Sample]) -> str:
    """How large the panel of normals was, in words."""
    sizes = list(dict.fromkeys(text(s.profile.meta.get("n_normals")) for s in samples))
    names = [
        words.NOT_KNOWN if not size
        else "none" if size == "0"
        else f"{size} healthy donor{'' if size == '1' else 's'}"
        for size in sizes
    ]  # fmt: skip
    return words.listing(names)


def _meaning(table: Table, column: str) -> str:
    meaning = next(c.meaning for c in table.columns if c.name == column)
    return meaning.partition("; empty when")[0]  # of interest to a reader of the file only


def glossary() -> list[tuple[str, str]]:
    """The words of the report, mostly as the tables' own manual explains them."""
    said = [
        ("Tumor fraction", "share of genome equivalents in the plasma that come from tumor cells; "
         "given as the posterior median. The mean allele fraction of a clonal heterozygous "
         "mutation in a diploid region is half of it"),
        ("Informed tumor fraction", _meaning(TRACK, "informed")
         + ": what is known of the tumor from the clearest sample is looked for in the others, so "
         "that lower fractions are seen"),
        ("Not seen, could have seen", "the tumor was looked for on the patient's profile and not "
         "found; " + _meaning(TRACK, "informed_lod")),
        ("Profile", _meaning(TRACK, "profile")),
        ("ctDNA fraction", _meaning(FRACTION, "dna_fraction") + ", with tumor fraction TF and "
         "ploidy P; its change needs neither"),
        ("Ploidy", _meaning(FRACTION, "ploidy")),
        ("Plasma copy number (pCN)", _meaning(GENES, "pcn") + "; 2 is normal"),
        ("Copies per tumor cell", _meaning(GENES, "copies")
         + "; the plasma copy number with the DNA of normal cells taken out"),
        ("Limit of detection", _meaning(FRACTION, "lod")),
        ("z", _meaning(GENES, "z")),
        ("Copies that would have been seen", _meaning(GENES, "detectable_copies")),
        ("Gene over rest of chromosome", _meaning(GENES, "reference_ratio")),
        ("Gene over centromere", _meaning(GENES, "centromere_ratio")),
        ("Focal", _meaning(GENES, "focal")),
        ("Width", _meaning(GENES, "width")),
        ("Rest of arm", _meaning(GENES, "arm_copies")),
        ("Ratio to baseline", _meaning(TRACK, "ratio") + "; below 1 is a fall"),
        ("Decrease, increase, stable", "the 95 % interval of a ratio to baseline lies below 1, "
         "above 1, or within the no-change zone (1 - track.no_change to its reciprocal); else the "
         "change is not evaluable. A fall that may be complete is told by its least size"),
        ("Probability of a change", "of a fall by any amount, by 30 % and by half or more, from "
         "the same posterior as the ratio"),
        ("Cleared", _meaning(TRACK, "cleared")),
        ("ERBB2 excess", _meaning(TRACK, "erbb2_ratio") + "; it falls with the tumor's share of "
         "the DNA, and with the copies per tumor cell"),
        ("Selective loss", "ERBB2 excess fell more than the ctDNA fraction: fewer copies per tumor "
         "cell than at baseline, as where the amplified clone is lost. Where both fell alike the "
         "copies are unchanged; where no tumor is seen they cannot be told"),
        ("Copies, informed", _meaning(TRACK, "erbb2_informed")),
        ("Mean allele fraction", _meaning(TRACK, "vaf") + ". Published rules of response ask for "
         "its ratio to baseline"),
        ("Person of the baseline", _meaning(TRACK, "identity")),
        ("Weight of a solution", _meaning(SOLUTIONS, "weight")),
        ("Interval", "95 % credible interval: given the model, the value lies in it with a "
         "probability of 95 %"),
        ("Amplified, gained, neutral, lost", "more than healthy plasma shows and more likely than "
         "not at the copies of an amplification; more, but not that much; no change, and this "
         "sample would have shown an amplification; less"),
        ("Indeterminate", "the sample could not have shown an amplification, because it holds too "
         "little tumor DNA or too few fragments; or it shows a change that one of the germline "
         "would show as well. It is neither positive nor negative"),
        ("n. e.", "not evaluable"),
    ]  # fmt: skip
    return [(word, words.sentence(meaning)) for word, meaning in said]
