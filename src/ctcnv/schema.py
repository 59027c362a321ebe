"""Every table of ctcnv: its columns, their kinds, units and meaning.

The manual (``docs/files.md``) is written from this file, so that code and manual cannot drift.
Coordinates are 0-based and half-open. A missing value is NaN or None in memory and an empty cell
in a file; it means "not known" and is never read as zero.
"""

from __future__ import annotations

# What a table is made of and the names of its sequences are used wherever a table is.
from ctcnv.sequences import AUTOSOMES as AUTOSOMES
from ctcnv.sequences import CHROMOSOMES as CHROMOSOMES
from ctcnv.sequences import SEX_CHROMOSOMES as SEX_CHROMOSOMES
from ctcnv.sequences import autosomal as autosomal
from ctcnv.sequences import chrom_key as chrom_key
from ctcnv.sequences import chrom_keys as chrom_keys
from ctcnv.sequences import is_autosome as is_autosome
from ctcnv.sequences import numbered as numbered
from ctcnv.table import Column as Column
from ctcnv.table import Table as Table

#: A sample, patient or batch name: safe in a file name, a wildcard and a shell word.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
#: Its length: a file name may have 255 bytes, and steps add to it.
NAME_LENGTH = 100

FRACTION_STATUS = ("detected", "not_detected", "failed")
GENE_CALL = ("amplified", "gained", "neutral", "lost", "indeterminate", "failed")
#: Why a gene is indeterminate that did change: as a germline variant would, in part, or beside it.
GENE_DOUBTS = (
    "the change is narrower than the gene, as one of the germline may be",
    "a part of the gene differs from the rest of it",
    "a change beside the gene may reach into it",
    "a narrow amplicon is not excluded by the gene's own atoms",
)
TRACK_PROFILE = ("template", "same", "changed", "not_evaluable")
TRACK_COPIES = ("baseline", "unchanged", "selective_loss", "selective_gain", "not_evaluable")
TRACK_IDENTITY = ("baseline", "same", "different", "not_evaluable")
TRACK_CHANGE = ("baseline", "decrease", "increase", "stable", "not_evaluable")
CRITERION_RESULT = ("met", "not_met", "not_evaluable")
SPECIMEN = ("plasma", "tissue")
ALTERATION_KIND = ("mutation", "amplification")
CLONALITY = ("clonal", "subclonal", "not_evaluable")
EVIDENCE = ("clinical", "candidate")
ANSWER = ("yes", "no", "not_evaluable")
QC_STATUS = ("ok", "warn", "failed")
#: Best response (RECIST); NE is not evaluable, and counts as no response in a rate.
RESPONSE = ("CR", "PR", "SD", "PD", "NE")


def _region(*, of: str) -> tuple[Column, ...]:
    return (
        Column("chrom", "text", f"sequence name of the {of}, as in the user's reference"),
        Column("start", "int", f"first base of the {of}, 0-based", "bp"),
        Column("end", "int", f"end of the {of}, not included", "bp"),
    )


SHARED_OBSERVED = (
    Column("n_bins", "int", "atoms that were used"),
    Column("observed", "float", "fragments counted in those atoms", "fragments", nullable=True),
    Column("expected", "float", "fragments a normal genome would give there", "fragments",
           nullable=True),
)  # fmt: skip

BINS = Table(
    "bins", 1,
    (
        *_region(of="atom"),
        Column("gc", "float", "share of G and C among the called bases", "fraction", nullable=True),
        Column("callable", "float", "share of bases that are not N and not excluded", "fraction"),
        Column("mappability", "float", "mean mappability; empty when no track was given",
               "fraction", nullable=True),
        Column("usable", "bool", "whether the atom may carry a result"),
        Column("reason", "text", "why it is not usable", nullable=True),
    ),
    "The atoms of a reference: fixed bins with GC, callable fraction and mappability.",
)  # fmt: skip

COUNTS = Table(
    "counts", 1,
    (
        *_region(of="atom"),
        Column("fragments", "int", "fragments whose midpoint lies in the atom", "fragments"),
        Column("short", "int", "of these, fragments in the short range (90-150 bp by default); "
               "empty when the source does not tell lengths", "fragments", nullable=True),
    ),
    "Fragments per atom of one library.",
)  # fmt: skip

LENGTHS = Table(
    "lengths", 1,
    (
        Column("length", "int", "fragment length", "bp"),
        Column("fragments", "int", "fragments of that length", "fragments"),
    ),
    "Histogram of fragment lengths, 0 to 1000 bp; longer ones are in the last row.",
)  # fmt: skip

FRAGMENT_GC = Table(
    "fragment_gc", 1,
    (
        Column("gc", "int", "G and C of the reference between the ends of a fragment", "percent"),
        Column("fragments", "int", "used fragments of that GC", "fragments"),
        Column("places", "int", "such fragments of 134 to 200 bp that could be, one every 50 bp",
               "fragments"),
        Column("ratio", "float", "share of the fragments over share of the places; 1: no GC bias",
               "ratio", nullable=True),
    ),
    "Fragments by GC, with `ctcnv count --output-gc` only, without those over an unknown base. No "
    "row for a single-end library.",
)  # fmt: skip

READS = Table(
    "reads", 1,
    (
        Column("filter", "text", "what became of the read; each read is in exactly one row"),
        Column("reads", "int", "how many", "reads"),
    ),
    "Every read of the file accounted for: used, or dropped and by which filter.",
)  # fmt: skip

PON = Table(
    "pon", 1,
    (
        *_region(of="atom"),
        Column("factor", "float", "fragments the normals show here relative to the expectation "
               "from GC and mappability; empty where the atom is left out", "ratio",
               nullable=True),
        Column("spread", "float", "standard deviation of that ratio between normals beyond "
               "counting noise", "ratio", nullable=True),
        Column("n_normals", "int", "normals that contributed to the atom"),
        Column("reason", "text", "why the atom is left out", nullable=True),
    ),
    "Panel of normals: per atom the factor by which healthy plasma differs from expectation.",
)  # fmt: skip

DISPERSION = Table(
    "pon_dispersion", 1,
    (
        Column("atoms", "int", "size of the region", "atoms"),
        Column("tau", "float", "standard deviation of the ratio of such regions beyond counting "
               "noise, leave-one-out over the normals", "ratio"),
    ),
    "Over-dispersion of the normals by region size.",
)  # fmt: skip

DONORS = Table(
    "pon_donors", 1,
    (
        Column("sample", "text", "the normal's name"),
        Column("used", "bool", "whether it is part of the panel"),
        Column("reason", "text", "why it was left out, or kept although it does not fit",
               nullable=True),
        Column("fragments", "int", "fragments in usable autosomal atoms; empty when the normal "
               "could not be counted", "fragments", nullable=True),
        Column("sex", "text", "inferred from X and Y; empty when unclear", nullable=True,
               choices=("female", "male")),
        Column("noise", "float", "standard deviation of the ratios of regions of 1/300 of the "
               "genome beyond counting noise, leave-one-out", "ratio", nullable=True),
        Column("fraction", "float", "tumor fraction the caller gives to this healthy donor, "
               "leave-one-out", "fraction", nullable=True),
        Column("p_value", "float", "its p-value against the null of its own depth", nullable=True),
    ),
    "What the panel's checks found about each normal.",
)  # fmt: skip

PON_GENES = Table(
    "pon_genes", 2,
    (
        Column("gene", "text", "gene symbol"),
        Column("n_bins", "int", "usable atoms of the gene"),
        Column("sd", "float", "standard deviation of the gene's ratio over the normals, "
               "leave-one-out", "ratio", nullable=True),
        Column("excess", "float", "standard deviation of the ratio around the gene over the "
               "normals beyond that of regions of its size, leave-one-out; 0 where it varies no "
               "more", "ratio", nullable=True),
        Column("max_z", "float", "largest z of any normal, leave-one-out", nullable=True),
        Column("false_gains", "int", "normals in which a gain is called significant"),
        Column("n_normals", "int", "normals tested"),
    ),
    "Leave-one-out false positives of the gene test over the panel.",
)  # fmt: skip

NORMALS = Table(
    "pon_normals", 1,
    (
        Column("sample", "text", "the normal's name"),
        *_region(of="window"),
        Column("atoms", "int", "atoms of the window that were used; 0: this normal says nothing "
               "here, and both sums are 0"),
        Column("observed", "int", "fragments counted in those atoms", "fragments"),
        Column("expected", "float", "fragments expected there by a panel without this normal",
               "fragments"),
    ),
    "Every used normal on the same windows of the autosomes (about 3000), corrected by a panel "
    "without it; no rows when the panel has fewer than three normals.",
)  # fmt: skip

WAVES = Table(
    "pon_waves", 1,
    (
        Column("wave", "int", "number from 1, the strongest first"),
        *_region(of="window"),
        Column("deviation", "float", "of the ratio where the wave is out by one standard deviation "
               "of the normals", "ratio"),
    ),
    "What the normals vary by together beyond GC and mappability, on windows of the autosomes "
    "(about 3000); no rows when the panel has too few normals.",
)  # fmt: skip

PROFILE = Table(
    "profile", 1,
    (
        *_region(of="atom"),
        Column("observed", "int", "fragments counted", "fragments"),
        Column("expected", "float", "fragments expected of a normal genome of this sex in this "
               "library; empty where the atom is left out", "fragments", nullable=True),
        Column("normal_copies", "int", "copies of a normal cell of this sex (2, 1 or 0)", "copies"),
        Column("reason", "text", "why the atom is left out", nullable=True),
    ),
    "Observed and expected fragments per atom of one sample.",
)  # fmt: skip

SEGMENTS = Table(
    "segments", 1,
    (
        *_region(of="segment"),
        *SHARED_OBSERVED,
        Column("ratio", "float", "observed / expected", "ratio", nullable=True),
        Column("log2", "float", "log2 of the ratio, for display", "log2", nullable=True),
        Column("low", "float", "lower 95 % bound of the ratio", "ratio", nullable=True),
        Column("high", "float", "upper 95 % bound of the ratio", "ratio", nullable=True),
    ),
    "Regions of constant ratio.",
)  # fmt: skip

FRACTION = Table(
    "fraction", 2,
    (
        Column("sample", "text", "sample name"),
        Column("fraction", "float", "tumor fraction: posterior median", "fraction",
               nullable=True),
        Column("low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("ploidy", "float", "mean copies per tumor cell at the best solution; empty when no "
               "tumor is detected", "copies", nullable=True),
        Column("dna_fraction", "float", "share of the DNA that comes from tumor cells: "
               "TF*P / (TF*P + 2*(1-TF))", "fraction", nullable=True),
        Column("lob", "float", "limit of blank: the 95th centile of what simulated healthy plasma "
               "of this depth and the panel's noise is given", "fraction", nullable=True),
        Column("lod", "float", "limit of detection: smallest tumor fraction found in 95 % of "
               "tumors with a common arm-level profile at this depth and noise; empty when above "
               "the grid", "fraction", nullable=True),
        Column("p_tumor", "float", "posterior probability that tumor DNA with copy-number changes "
               "is present", "probability", nullable=True),
        Column("p_value", "float", "share of healthy plasma of this depth and noise that looks at "
               "least as much like tumor", "probability", nullable=True),
        Column("status", "text", "the closed list of outcomes", choices=FRACTION_STATUS),
        Column("method", "text", "where the estimate comes from: copy number, mutations, or copy "
               "number + mutations", nullable=True),
        Column("reason", "text", "why it is not detected or failed, or what to look at",
               nullable=True),
        Column("cn_fraction", "float", "tumor fraction by copy number alone; this and what follows "
               "is empty when no variants were given, and then `fraction` is it", "fraction",
               nullable=True),
        Column("cn_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("cn_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("cn_status", "text", "outcome by copy number alone", nullable=True,
               choices=FRACTION_STATUS),
        Column("n_mutations", "int", "mutations that were used", "variants", nullable=True),
        Column("mutation_fraction", "float", "tumor fraction by mutations alone, given that one or "
               "more of them is of the tumor: posterior median; empty when none was used",
               "fraction", nullable=True),
        Column("mutation_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("mutation_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("mutation_mean", "float", "median of the fractions that the single mutations give, "
               "over those that are more likely than not in all tumor cells", "fraction",
               nullable=True),
        Column("max_vaf_fraction", "float", "2V/(1+V) of the largest allele fraction V that was "
               "used: the published rule, for comparison", "fraction", nullable=True),
        Column("mutation_p", "float", "chance that sequencing errors alone give as many reads at "
               "some of the places that were looked at", "probability", nullable=True),
        Column("agreement", "float", "how much more likely one tumor fraction for copy number and "
               "mutations is than two; well below 1 they disagree. Empty when one of them is "
               "missing", "ratio", nullable=True),
    ),
    "Tumor fraction of one sample, one row.",
)  # fmt: skip

MUTATIONS = Table(
    "mutations", 2,
    (
        *_region(of="variant"),
        Column("ref", "text", "bases of the reference"),
        Column("alt", "text", "bases of the variant"),
        Column("gene", "text", "gene, from the input or from the gene table", nullable=True),
        Column("protein", "text", "change of the protein, from the input", nullable=True),
        Column("origin", "text", "what the input says of it", nullable=True,
               choices=("somatic", "germline", "blood")),
        Column("depth", "int", "reads at the place", "reads", nullable=True),
        Column("alt_reads", "int", "reads of the variant", "reads", nullable=True),
        Column("vaf", "float", "allele fraction", "fraction", nullable=True),
        Column("vaf_low", "float", "lower 95 % bound, of independent molecules", "fraction",
               nullable=True),
        Column("vaf_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("ratio", "float", "observed / expected fragments of its place; empty when not "
               "known, or the variant left out", "ratio", nullable=True),
        Column("copies", "float", "copies per tumor cell of its place that explain it best; this "
               "and what follows is empty when it was left out", "copies", nullable=True),
        Column("multiplicity", "float", "copies that carry it; empty when more than one of an "
               "amplicon", "copies", nullable=True),
        Column("p_clonal", "float", "probability that all tumor cells carry it", "probability",
               nullable=True),
        Column("ccf", "float", "cancer-cell fraction: share of the tumor cells that carry it, if "
               "it is of the tumor, averaged over tumor fraction, copies and multiplicity: median; "
               "empty also when it has more reads than the tumor fraction explains", "fraction",
               nullable=True),
        Column("ccf_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("ccf_high", "float", "upper 95 % bound; 1 when all tumor cells may carry it",
               "fraction", nullable=True),
        Column("fraction", "float", "tumor fraction that it gives, 2V / (m + 2V - C*V) with these "
               "copies C and multiplicity m; empty when none explains it", "fraction",
               nullable=True),
        Column("fraction_low", "float", "lower 95 % bound, of the allele fraction alone",
               "fraction", nullable=True),
        Column("fraction_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("special", "float", "2V/(1+V), the same for a lost second allele", "fraction",
               nullable=True),
        Column("used", "bool", "whether it has a part in the tumor fraction"),
        Column("reason", "text", "why it was left out", nullable=True),
    ),
    "The small variants of one sample, each with what it says of the tumor fraction.",
)  # fmt: skip

GRID = Table(
    "grid", 1,
    (
        Column("fraction", "float", "tumor fraction of the cell", "fraction"),
        Column("ploidy", "float", "mean tumor ploidy of the cell", "copies"),
        Column("probability", "float", "posterior probability of the cell", "probability"),
    ),
    "The whole posterior surface over tumor fraction and ploidy.",
)  # fmt: skip

SOLUTIONS = Table(
    "solutions", 1,
    (
        Column("solution", "int", "rank by weight, from 1"),
        Column("fraction", "float", "tumor fraction at the mode", "fraction"),
        Column("ploidy", "float", "ploidy at the mode", "copies"),
        Column("weight", "float", "posterior mass around the mode", "probability"),
        Column("erbb2_copies", "float", "adjusted copies of ERBB2 under this solution", "copies",
               nullable=True),
    ),
    "The distinct explanations of the profile, with their posterior weight.",
)  # fmt: skip

GENES = Table(
    "genes", 4,
    (
        Column("gene", "text", "gene symbol"),
        *_region(of="gene"),
        *SHARED_OBSERVED,
        Column("pcn", "float", "plasma copy number: ratio x copies of a normal cell (2, or 1 on a "
               "male's X), relative to the sample's mean", "copies", nullable=True),
        Column("pcn_low", "float", "lower 95 % bound", "copies", nullable=True),
        Column("pcn_high", "float", "upper 95 % bound", "copies", nullable=True),
        Column("z", "float", "deviation of the ratio from normal in standard deviations of healthy "
               "plasma for a region of this size and depth", nullable=True),
        Column("p_value", "float", "two-sided, corrected for the widths that were tried",
               "probability", nullable=True),
        Column("q_value", "float", "the same, corrected for the number of genes; ERBB2 is tested "
               "first and keeps its p_value", "probability", nullable=True),
        Column("copies", "float", "adjusted copy number: copies per tumor cell, posterior median",
               "copies", nullable=True),
        Column("copies_low", "float", "lower 95 % bound", "copies", nullable=True),
        Column("copies_high", "float", "upper 95 % bound; empty when unbounded (tumor fraction may "
               "be close to zero)", "copies", nullable=True),
        Column("arm_copies", "float", "copies per tumor cell of the rest of the gene's chromosome "
               "arm", "copies", nullable=True),
        Column("rest_ratio", "float", "observed / expected fragments of the rest of its chromosome",
               "ratio", nullable=True),
        Column("reference_ratio", "float", "copies of the gene over copies of the rest of its "
               "chromosome: the sequencing counterpart of HER2/CEP17, corrected for tumor "
               "fraction", "ratio", nullable=True),
        Column("centromere_ratio", "float", "copies of the gene over copies of the windows near "
               "the centromere of its chromosome, where the probe of HER2/CEP17 lies", "ratio",
               nullable=True),
        Column("width", "int", "width of the amplicon, posterior median; empty when the gene does "
               "not stand out", "bp", nullable=True),
        Column("width_low", "int", "lower 95 % bound", "bp", nullable=True),
        Column("width_high", "int", "upper 95 % bound", "bp", nullable=True),
        Column("focal", "bool", "whether the gene stands out of its own arm in a region below the "
               "focal width; empty when it is not altered, or when that cannot be told",
               nullable=True),
        Column("p_focal", "float", "probability that it does, over every extent that explains the "
               "counts; empty when the gene is not altered", "probability", nullable=True),
        Column("p_amplified", "float", "probability that the copies reach the amplification "
               "threshold", "probability", nullable=True),
        Column("detectable_copies", "float", "smallest number of copies per tumor cell that this "
               "sample would have shown with 95 % probability; empty when no number would do",
               "copies", nullable=True),
        Column("call", "text", "the closed list of outcomes", choices=GENE_CALL),
        Column("reason", "text", "the call in words", nullable=True),
    ),
    "Copy number and call of each gene in one sample.",
)  # fmt: skip

GENE_TABLE = Table(
    "gene_table", 1,
    (
        Column("gene", "text", "gene symbol"),
        *_region(of="gene"),
        Column("centromere", "int", "middle of the centromere of its chromosome", "bp"),
        Column("role", "text", "why the gene is on the list"),
    ),
    "The genes that are tested, in the coordinates of one reference.",
)  # fmt: skip

SITES = Table(
    "sites", 1,
    (
        Column("chrom", "text", "chromosome, as the file of sites names it"),
        Column("start", "int", "place of the SNP", "bp"),
        Column("ref", "text", "base of the reference"),
        Column("alt", "text", "the other base"),
        Column("frequency", "float", "frequency of the other base among people, as the file says",
               "fraction"),
        Column("ref_reads", "int", "reads that show the base of the reference", "reads"),
        Column("alt_reads", "int", "reads that show the other base", "reads"),
    ),
    "The common SNPs at which a sample has a read; other bases are not counted.",
)  # fmt: skip


def _falls(prefix: str, of: str) -> tuple[Column, ...]:
    """Probabilities of a fall against baseline: of any, by 30 % or more, by half or more."""
    return tuple(
        Column(f"{prefix}{name}", "float", f"probability that the {of} fell{by}", "probability",
               nullable=True)
        for name, by in (("p_decrease", ""), ("p_decrease_30", " by 30 % or more"),
                         ("p_decrease_50", " by half or more"))
    )  # fmt: skip


TRACK = Table(
    "track", 4,
    (
        Column("sample", "text", "sample name"),
        Column("day", "int", "day relative to the first dose; baseline is at or below 0", "days"),
        Column("baseline", "bool", "whether this is the sample the others are compared with"),
        Column("status", "text", "single-sample outcome", choices=FRACTION_STATUS),
        Column("fraction", "float", "single-sample tumor fraction", "fraction", nullable=True),
        Column("fraction_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("fraction_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("lod", "float", "single-sample limit of detection", "fraction", nullable=True),
        Column("mutation_fraction", "float", "tumor fraction by mutations alone, where they are "
               "given", "fraction", nullable=True),
        Column("mutation_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("mutation_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("informed", "float", "tumor fraction informed by the patient's clearest profile",
               "fraction", nullable=True),
        Column("informed_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("informed_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("informed_p", "float", "p-value of the informed estimate against no tumor",
               "probability", nullable=True),
        Column("informed_lob", "float", "limit of blank of the informed estimate: 95th centile of "
               "what plasma without tumor is given on this patient's profile", "fraction",
               nullable=True),
        Column("informed_lod", "float", "limit of detection of the informed estimate: smallest "
               "tumor fraction of this profile that is seen with 95 % probability; empty for the "
               "template", "fraction", nullable=True),
        Column("profile", "text", "whether the sample still has the tumor profile of the patient's "
               "clearest sample (the template); changed: the informed estimate is not to be "
               "believed; not_evaluable: no tumor is seen, or there is nothing to compare with",
               choices=TRACK_PROFILE),
        Column("profile_p", "float", "p-value of the region that deviates most from the template's "
               "profile, corrected for the number of regions", "probability", nullable=True),
        Column("ratio", "float", "share of the DNA that comes from tumor cells (ctDNA fraction) "
               "over that of the baseline, at whatever ploidy", "ratio", nullable=True),
        Column("ratio_low", "float", "lower 95 % bound", "ratio", nullable=True),
        Column("ratio_high", "float", "upper 95 % bound", "ratio", nullable=True),
        *_falls("", "share of DNA from tumor cells"),
        Column("censored", "bool", "whether the tumor is not seen in this sample: `ratio_high` is "
               "then at least its informed limit of detection over the baseline, `ratio_low` 0"),
        Column("cleared", "bool", "whether the tumor that was seen at baseline is not seen in this "
               "sample, which could not have seen less than `informed_lod`; empty at baseline and "
               "where nothing can be compared", nullable=True),
        Column("fraction_ratio", "float", "tumor fraction over that of the baseline, with the "
               "doubt about the ploidy", "ratio", nullable=True),
        Column("fraction_ratio_low", "float", "lower 95 % bound", "ratio", nullable=True),
        Column("fraction_ratio_high", "float", "upper 95 % bound", "ratio", nullable=True),
        Column("vaf", "float", "mean allele fraction of the baseline's mutations; empty when one "
               "of them is not listed with its reads in this sample", "fraction", nullable=True),
        Column("vaf_low", "float", "lower 95 % bound, of independent molecules", "fraction",
               nullable=True),
        Column("vaf_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("vaf_n", "int", "mutations of that mean", nullable=True),
        Column("vaf_ratio", "float", "mean allele fraction over that of the baseline", "ratio",
               nullable=True),
        Column("vaf_ratio_low", "float", "lower 95 % bound", "ratio", nullable=True),
        Column("vaf_ratio_high", "float", "upper 95 % bound", "ratio", nullable=True),
        Column("erbb2_call", "text", "ERBB2 call of the sample", choices=GENE_CALL),
        Column("erbb2_pcn", "float", "ERBB2 plasma copy number", "copies", nullable=True),
        Column("erbb2_pcn_low", "float", "lower 95 % bound", "copies", nullable=True),
        Column("erbb2_pcn_high", "float", "upper 95 % bound", "copies", nullable=True),
        Column("erbb2_copies", "float", "ERBB2 copies per tumor cell", "copies", nullable=True),
        Column("erbb2_copies_low", "float", "lower 95 % bound", "copies", nullable=True),
        Column("erbb2_copies_high", "float", "upper 95 % bound", "copies", nullable=True),
        Column("erbb2_informed", "float", "ERBB2 copies per tumor cell with the informed tumor "
               "fraction instead of the sample's own; empty for the template, and where no tumor "
               "is seen on its profile or that has changed", "copies", nullable=True),
        Column("erbb2_informed_low", "float", "lower 95 % bound", "copies", nullable=True),
        Column("erbb2_informed_high", "float", "upper 95 % bound", "copies", nullable=True),
        Column("erbb2_ratio", "float", "excess plasma copies over baseline: "
               "(pCN - 2) / (pCN of baseline - 2)", "ratio", nullable=True),
        Column("erbb2_ratio_low", "float", "lower 95 % bound", "ratio", nullable=True),
        Column("erbb2_ratio_high", "float", "upper 95 % bound", "ratio", nullable=True),
        *_falls("erbb2_", "ERBB2 excess copies"),
        Column("amplicon_ratio", "float", "excess of ERBB2 per tumor cell over baseline, "
               "(C - P) / (C of baseline - P): fall of the excess copies in plasma apart from that "
               "of the tumor fraction", "ratio", nullable=True),
        Column("amplicon_ratio_low", "float", "lower 95 % bound", "ratio", nullable=True),
        Column("amplicon_ratio_high", "float", "upper 95 % bound", "ratio", nullable=True),
        Column("p_selective_loss", "float", "probability that ERBB2 fell more than the tumor "
               "fraction (`amplicon_ratio` below 1)", "probability", nullable=True),
        Column("erbb2_copies_change", "text", "change in ERBB2 copies per tumor cell: "
               "selective_loss: the amplified clone fell more than the rest of the tumor; "
               "not_evaluable: no tumor is seen, or too wide to tell", choices=TRACK_COPIES),
        Column("change", "text", "change from baseline in the share of DNA from tumor cells",
               choices=TRACK_CHANGE),
        Column("erbb2_change", "text", "change from baseline in ERBB2 excess copies",
               choices=TRACK_CHANGE),
        Column("identity", "text", "whether the sample is of the person of the baseline, by sex, "
               "germline copy number and SNPs", choices=TRACK_IDENTITY),
        Column("identity_lr", "float", "log10 of the likelihood ratio of one person over two",
               nullable=True),
        Column("reason", "text", "the change in words", nullable=True),
    ),
    "The course of one patient, a row per time point.",
)  # fmt: skip

CRITERIA = Table(
    "criteria", 1,
    (
        Column("sample", "text", "sample name"),
        Column("day", "int", "day relative to the first dose", "days"),
        Column("criterion", "text", "name of the rule in the file of criteria"),
        Column("title", "text", "the criterion as people know it"),
        Column("gene", "text", "gene that it looks at"),
        Column("result", "text", "whether it is met; not_evaluable: the sample cannot tell, see "
               "`reason`", choices=CRITERION_RESULT),
        Column("rule", "text", "what must hold, all of it"),
        Column("quantity", "text", "the first quantity of the rule; this and the next four are of "
               "it"),
        Column("value", "float", "its value; of a posterior the median", nullable=True),
        Column("low", "float", "lower 95 % bound", nullable=True),
        Column("high", "float", "upper 95 % bound", nullable=True),
        Column("threshold", "float", "what it is compared with; empty for a rule on a call or on "
               "mutations", nullable=True),
        Column("unit", "text", "unit of value and threshold", nullable=True),
        Column("probability", "float", "that the rule is met, where a posterior or a measurement "
               "error gives one; given that there is tumor DNA", "probability", nullable=True),
        Column("reason", "text", "the result in words"),
        Column("specimen", "text", "what the threshold was made on", choices=SPECIMEN),
        Column("made_for", "text", "what it was made for"),
        Column("caveat", "text", "why it may not hold here"),
        Column("source", "text", "where it stands"),
    ),
    "Published criteria applied to the samples of one patient, a row per sample and criterion.",
)  # fmt: skip

ALTERATIONS = Table(
    "alterations", 1,
    (
        Column("sample", "text", "sample name"),
        Column("day", "int", "day relative to the first dose", "days"),
        Column("gene", "text", "gene; empty where a variant's gene is not known", nullable=True),
        Column("kind", "text", "mutation or amplification", choices=ALTERATION_KIND),
        *_region(of="variant or gene"),
        Column("protein", "text", "change of the protein; of a mutation, where the input tells it",
               nullable=True),
        Column("ref", "text", "bases of the reference; of a mutation", nullable=True),
        Column("alt", "text", "bases of the variant; of a mutation", nullable=True),
        Column("vaf", "float", "allele fraction; of a mutation", "fraction", nullable=True),
        Column("vaf_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("vaf_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("copies", "float", "copies per tumor cell of the place", "copies", nullable=True),
        Column("copies_low", "float", "lower 95 % bound; of an amplification", "copies",
               nullable=True),
        Column("copies_high", "float", "upper 95 % bound; of an amplification", "copies",
               nullable=True),
        Column("multiplicity", "float", "copies that carry the mutation", "copies", nullable=True),
        Column("ccf", "float", "cancer-cell fraction: share of the tumor cells that carry the "
               "mutation", "fraction", nullable=True),
        Column("ccf_low", "float", "lower 95 % bound", "fraction", nullable=True),
        Column("ccf_high", "float", "upper 95 % bound", "fraction", nullable=True),
        Column("clonality", "text", "whether all tumor cells carry it", choices=CLONALITY),
        Column("anti_her2", "text", "evidence that it confers resistance to anti-HER2 treatment; "
               "empty: none in the table of resistance", nullable=True, choices=EVIDENCE),
        Column("anti_egfr", "text", "the same for anti-EGFR treatment", nullable=True,
               choices=EVIDENCE),
        Column("source", "text", "setting and source of that evidence", nullable=True),
        Column("reason", "text", "what to know of the clonality", nullable=True),
    ),
    "Mutations and amplifications of the samples of one patient, with their clonality and what is "
    "known of resistance.",
)  # fmt: skip

STRATA = Table(
    "strata", 1,
    (
        Column("sample", "text", "sample name"),
        Column("day", "int", "day relative to the first dose", "days"),
        Column("her2", "text", "whether ERBB2 is amplified in plasma", choices=ANSWER),
        Column("her2_rule", "text", "by which rule"),
        Column("her2_reason", "text", "why"),
        Column("concurrent", "text", "whether an alteration that is known to confer resistance is "
               "there beside it", choices=ANSWER),
        Column("concurrent_rule", "text", "by which rule"),
        Column("concurrent_reason", "text", "which one, or why that cannot be told"),
        Column("stratum", "text", "both in words"),
    ),
    "The stratum of each sample of one patient.",
)  # fmt: skip

RESISTANCE = Table(
    "resistance", 1,
    (
        Column("gene", "text", "gene symbol"),
        Column("alteration", "text", "mutation or amplification", choices=ALTERATION_KIND),
        Column("change", "text", "of a mutation: codons, ranges of codons and changes of the "
               "protein that it holds for; empty: for any that is not silent", nullable=True),
        Column("treatment", "text", "which treatment", choices=("anti-HER2", "anti-EGFR")),
        Column("evidence", "text", "clinical: patients with it did worse under the treatment, or "
               "reviews say so; candidate: possible, or seen in models and few patients",
               choices=EVIDENCE),
        Column("setting", "text", "which cancer and drugs"),
        Column("source", "text", "where it stands"),
    ),
    "Alterations known to confer resistance to anti-HER2 or anti-EGFR treatment.",
)  # fmt: skip

QC = Table(
    "qc", 1,
    (
        Column("sample", "text", "sample name"),
        Column("patient", "text", "patient; empty for a normal", nullable=True),
        Column("role", "text", "plasma or normal", choices=("plasma", "normal")),
        Column("day", "int", "day relative to the first dose", "days", nullable=True),
        Column("status", "text", "ok, warn or failed", choices=QC_STATUS),
        Column("reason", "text", "every flag in words", nullable=True),
        Column("reads", "int", "reads in the file", "reads", nullable=True),
        Column("fragments", "int", "fragments in usable autosomal atoms", "fragments",
               nullable=True),
        Column("depth", "float", "mean number of fragments over a base", "x", nullable=True),
        Column("duplicates", "float", "share of reads marked as duplicates", "fraction",
               nullable=True),
        Column("median_length", "float", "median fragment length", "bp", nullable=True),
        Column("short_share", "float", "share of fragments in the short range", "fraction",
               nullable=True),
        Column("noise", "float", "robust standard deviation of window ratios over the one that "
               "counting alone gives", "ratio", nullable=True),
        Column("sex", "text", "inferred from X and Y; empty when unclear", nullable=True,
               choices=("female", "male")),
        Column("declared_sex", "text", "from the sample sheet", nullable=True,
               choices=("female", "male")),
        Column("fraction", "float", "tumor fraction", "fraction", nullable=True),
        Column("fraction_status", "text", "detected, not_detected or failed", nullable=True,
               choices=FRACTION_STATUS),
        Column("erbb2_call", "text", "ERBB2 call", nullable=True, choices=GENE_CALL),
    ),
    "One line per sample of the cohort, with status and reason.",
)  # fmt: skip

COHORT_SAMPLES = Table(
    "cohort_samples", 2,
    (
        Column("patient", "text", "patient"),
        *TRACK.columns,
        *(Column(f"qc_{column.name}" if column.name in ("status", "reason") else column.name,
                 column.kind, column.meaning, column.unit, True, column.choices)
          for column in QC.columns
          if column.name in ("status", "reason", "fragments", "depth", "noise", "sex")),
    ),
    "One row per plasma sample of the cohort: its row of the track, and its quality.",
)  # fmt: skip


def _of_track(prefix: str, *names: str) -> tuple[Column, ...]:
    """Columns of the track under another name, empty where there is no such sample."""
    return tuple(
        Column(f"{prefix}{column.name}", column.kind, column.meaning, column.unit, True,
               column.choices)
        for column in TRACK.columns if column.name in names
    )  # fmt: skip


CLINICAL = (
    Column("arm", "text", "treatment arm", nullable=True),
    Column("stratum", "text", "stratum of the study, such as a site or earlier lines",
           nullable=True),
    Column("response", "text", "best response", nullable=True, choices=RESPONSE),
    Column("pfs_days", "float", "progression-free survival from the first dose", "days",
           nullable=True),
    Column("pfs_event", "bool", "true: progression or death; false: censored", nullable=True),
    Column("os_days", "float", "overall survival from the first dose", "days", nullable=True),
    Column("os_event", "bool", "true: death; false: censored", nullable=True),
)  # fmt: skip

COHORT_PATIENTS = Table(
    "cohort_patients", 2,
    (
        Column("patient", "text", "patient"),
        Column("samples", "int", "plasma samples"),
        Column("last_day", "int", "day of the last sample", "days"),
        Column("first_sample", "text", "the baseline, or the first sample where there is none"),
        *_of_track("", "day", "baseline", "status", "fraction", "fraction_low", "fraction_high",
                   "lod", "erbb2_call", "erbb2_pcn", "erbb2_pcn_low", "erbb2_pcn_high",
                   "erbb2_copies", "erbb2_copies_low", "erbb2_copies_high"),
        Column("follow_up_sample", "text", "sample nearest to track.target_day, at most "
               "track.window_days away; this and what follows of it is empty without one",
               nullable=True),
        *_of_track("follow_up_", "day", "ratio", "ratio_low", "ratio_high", "fraction_ratio",
                   "fraction_ratio_low", "fraction_ratio_high", "erbb2_ratio",
                   "erbb2_ratio_low", "erbb2_ratio_high", "change", "erbb2_change"),
        *CLINICAL,
        Column("responder", "bool", "true: CR or PR; false: SD, PD or NE; empty when no response "
               "is given", nullable=True),
    ),
    "One row per patient: the baseline, the change at the target day, and the clinical table.",
)  # fmt: skip

COHORT_GENES = Table(
    "cohort_genes", 1,
    (
        Column("patient", "text", "patient"),
        Column("sample", "text", "the patient's first sample, as in cohort_patients"),
        Column("gene", "text", "gene symbol"),
        Column("call", "text", "call of the gene", choices=GENE_CALL),
        Column("focal", "bool", "whether the change is focal", nullable=True),
        Column("copies", "float", "copies per tumor cell", "copies", nullable=True),
        Column("pcn", "float", "plasma copy number", "copies", nullable=True),
    ),
    "The genes of each patient's first sample, a row per patient and gene.",
)  # fmt: skip

STATISTICS = Table(
    "statistics", 2,
    (
        Column("analysis", "text", "what was done", choices=(
            "response rate", "response by group", "survival", "survival by group", "hazard",
            "roc")),
        Column("outcome", "text", "response, pfs or os", choices=("response", "pfs", "os")),
        Column("predictor", "text", "what patients are grouped or ranked by; empty for all",
               nullable=True),
        Column("level", "text", "group, or term of the model", nullable=True),
        Column("n", "int", "patients used", "patients"),
        Column("missing", "int", "patients with the outcome whose predictor is not known",
               "patients"),
        Column("events", "int", "responders, or progressions and deaths", "patients"),
        Column("measure", "text", "what the estimate is", choices=(
            "rate", "odds ratio", "median days", "hazard ratio", "auc", "none")),
        Column("estimate", "float", "its value", nullable=True),
        Column("low", "float", "lower 95 % bound", nullable=True),
        Column("high", "float", "upper 95 % bound; empty when not reached", nullable=True),
        Column("p_value", "float", "of no difference, two-sided", "probability", nullable=True),
        Column("p_adjusted", "float", "after Holm's correction for all p-values of this table",
               "probability", nullable=True),
        Column("ph_p", "float", "of a hazard ratio: p-value of proportional hazards; a check of "
               "the model that is not among the tests that are corrected", "probability",
               nullable=True),
        Column("method", "text", "the method"),
        Column("note", "text", "why there is no number, or why not to trust it", nullable=True),
    ),
    "Every analysis of the clinical table that was made, whatever it gave.",
)  # fmt: skip

TRIAL_EVIDENCE = ("paper", "congress", "review", "news", "registry")

TRIALS = Table(
    "trials", 1,
    (
        Column("trial", "text", "name of the trial"),
        Column("drug", "text", "what was given"),
        Column("selection", "text", "which patients the row is about", nullable=True),
        Column("line", "text", "line of treatment", nullable=True),
        Column("n", "int", "patients behind the response rate", "patients", nullable=True),
        Column("responders", "int", "patients with an objective response", "patients",
               nullable=True),
        Column("orr", "float", "objective response rate as the source gives it", "fraction",
               nullable=True),
        Column("orr_low", "float", "lower 95 % bound as the source gives it", "fraction",
               nullable=True),
        Column("orr_high", "float", "upper 95 % bound as the source gives it", "fraction",
               nullable=True),
        Column("pfs", "float", "median progression-free survival", "months", nullable=True),
        Column("pfs_low", "float", "lower 95 % bound", "months", nullable=True),
        Column("pfs_high", "float", "upper 95 % bound", "months", nullable=True),
        Column("os", "float", "median overall survival", "months", nullable=True),
        Column("os_low", "float", "lower 95 % bound", "months", nullable=True),
        Column("os_high", "float", "upper 95 % bound", "months", nullable=True),
        Column("evidence", "text", "what kind of source it is: the trial's own paper or its "
               "abstract, a congress abstract, another's review, news, or a registry",
               choices=TRIAL_EVIDENCE),
        Column("source", "text", "where the numbers were read"),
        Column("note", "text", "what was derived, and what is doubtful", nullable=True),
    ),
    "Published trials of anti-HER2 treatment of colorectal cancer, a row per source: two that "
    "disagree are two rows.",
)  # fmt: skip

TRUTH = Table(
    "truth", 1,
    (
        Column("sample", "text", "sample name"),
        Column("patient", "text", "patient; empty for a normal", nullable=True),
        Column("role", "text", "plasma or normal", choices=("plasma", "normal")),
        Column("day", "int", "day relative to the first dose", "days", nullable=True),
        Column("sex", "text", "sex of the simulated person", choices=("female", "male")),
        Column("fraction", "float", "true tumor fraction", "fraction"),
        Column("ploidy", "float", "true mean copies per tumor cell over the autosomes", "copies",
               nullable=True),
        Column("erbb2_copies", "float", "true copies of ERBB2 per tumor cell", "copies"),
        Column("fragments", "int", "fragments drawn, duplicates and low-quality reads not counted",
               "fragments"),
    ),
    "What the simulator put into each sample.",
)  # fmt: skip

TRUTH_TRIAL = Table(
    "truth_trial", 1,
    (
        Column("patient", "text", "patient"),
        Column("copies", "float", "true copies of ERBB2 per tumor cell", "copies"),
        Column("baseline", "float", "true tumor fraction before treatment", "fraction"),
        Column("follow_up", "float", "true tumor fraction on day 21", "fraction"),
        Column("ratio", "float", "the second over the first", "ratio"),
        Column("p_response", "float", "chance of a response that the copies gave the patient",
               "probability"),
        Column("responder", "bool", "whether the patient responded"),
    ),
    "What the outcome of each patient of a simulated trial was drawn from.",
)  # fmt: skip

TRUTH_SEGMENTS = Table(
    "truth_segments", 1,
    (
        Column("patient", "text", "patient"),
        *_region(of="segment"),
        Column("copies", "float", "true copies per tumor cell", "copies"),
    ),
    "The simulated tumors: every region whose copies differ from those of a normal cell.",
)  # fmt: skip

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        BINS, COUNTS, LENGTHS, FRAGMENT_GC, READS, PON, DISPERSION, DONORS, PON_GENES, NORMALS,
        WAVES, PROFILE, SEGMENTS, SITES,
        FRACTION, MUTATIONS, GRID, SOLUTIONS, GENES, GENE_TABLE, TRACK, CRITERIA, ALTERATIONS,
        STRATA, RESISTANCE, QC,
        COHORT_SAMPLES, COHORT_PATIENTS, COHORT_GENES, STATISTICS, TRIALS, TRUTH, TRUTH_SEGMENTS,
        TRUTH_TRIAL,
    )
}  # fmt: skip
