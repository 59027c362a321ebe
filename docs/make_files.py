"""Write docs/files.md from the tables of ctcnv.schema; run by `make docs`."""

from __future__ import annotations

from pathlib import Path

from ctcnv.report import summary
from ctcnv.schema import TABLES, Column, Table

OUTPUT = Path(__file__).with_name("files.md")
SUMMARY = Path(__file__).parent.parent / "workflow" / "schemas" / "summary.schema.json"

#: The files of a run in the order in which they are made: path, table or None, step, meaning.
FILES: tuple[tuple[str, str | None, str, str], ...] = (
    ("results/reference/bins.tsv.gz", "bins", "bins", "the atoms"),
    ("results/reference/genes.tsv", "gene_table", "bins", "the genes that are tested"),
    ("results/samples/{sample}/counts.tsv.gz", "counts", "count, import", "fragments per atom"),
    ("results/samples/{sample}/lengths.tsv", "lengths", "count", "fragment lengths; BAM only"),
    ("results/samples/{sample}/reads.tsv", "reads", "count",
     "what became of every read; BAM only"),
    ("results/samples/{sample}/sites.tsv.gz", "sites", "sites",
     "reads at common SNPs; BAM only, and only with `sites` in the config"),
    ("results/reference/pon.tsv.gz", "pon", "pon", "the panel of normals"),
    ("results/reference/pon.dispersion.tsv", "pon_dispersion", "pon",
     "over-dispersion by region size"),
    ("results/reference/pon.donors.tsv", "pon_donors", "pon", "what was found about each normal"),
    ("results/reference/pon.genes.tsv", "pon_genes", "pon", "false positives of the gene test"),
    ("results/reference/pon.normals.tsv.gz", "pon_normals", "pon",
     "every normal on common windows, corrected without itself"),
    ("results/reference/pon.waves.tsv.gz", "pon_waves", "pon",
     "what the normals vary by together; taken out of every sample"),
    ("results/samples/{sample}/profile.tsv.gz", "profile", "call",
     "observed and expected fragments per atom"),
    ("results/samples/{sample}/segments.tsv", "segments", "call", "regions of constant ratio"),
    ("results/samples/{sample}/fraction.tsv", "fraction", "call", "tumor fraction, one row"),
    ("results/samples/{sample}/mutations.tsv", "mutations", "call",
     "the variants of the sheet's column `variants`; no rows without one"),
    ("results/samples/{sample}/fraction.grid.tsv.gz", "grid", "call",
     "posterior over tumor fraction and ploidy"),
    ("results/samples/{sample}/solutions.tsv", "solutions", "call", "the distinct explanations"),
    ("results/samples/{sample}/genes.tsv", "genes", "call", "copy number and call of each gene"),
    ("results/samples/{sample}/qc.tsv", "qc", "call", "quality, one row"),
    ("results/samples/{sample}/plots/genome.svg", None, "plot", "the whole genome"),
    ("results/samples/{sample}/plots/genome.png", None, "plot", "the same as PNG"),
    ("results/samples/{sample}/plots/chr17.svg", None, "plot", "chromosome 17 and ERBB2"),
    ("results/samples/{sample}/plots/chr17.png", None, "plot", "the same as PNG"),
    ("results/samples/{sample}/export/{sample}.seg", None, "export",
     "log2 of the segments, for IGV"),
    ("results/samples/{sample}/export/{sample}.vcf", None, "export",
     "altered segments and genes, VCF 4.4"),
    ("results/samples/{sample}/export/{sample}.bedgraph", None, "export",
     "plasma copy number of windows"),
    ("results/samples/{sample}/export/{sample}.bw", None, "export", "the same as bigWig"),
    ("results/samples/{sample}/export/{sample}.cnr", None, "export", "log2 of windows, for CNVkit"),
    ("results/samples/{sample}/export/{sample}.cns", None, "export",
     "log2 of the segments, for CNVkit"),
    ("results/patients/{patient}/track.tsv", "track", "track", "the course of the patient"),
    ("results/patients/{patient}/criteria.tsv", "criteria", "criteria",
     "published criteria, met or not"),
    ("results/patients/{patient}/alterations.tsv", "alterations", "criteria",
     "mutations with clonality, amplifications, and what is known of resistance"),
    ("results/patients/{patient}/strata.tsv", "strata", "criteria", "the stratum of each sample"),
    ("results/patients/{patient}/report.html", None, "report", "the report, one file"),
    ("results/patients/{patient}/report.pdf", None, "report", "the same for print"),
    ("results/patients/{patient}/summary.json", None, "report",
     "the same as JSON, see below"),
    ("results/cohort/cohort.html", None, "cohort", "all patients on one page"),
    ("results/cohort/samples.tsv", "cohort_samples", "cohort", "one row per plasma sample"),
    ("results/cohort/patients.tsv", "cohort_patients", "cohort", "one row per patient"),
    ("results/cohort/genes.tsv", "cohort_genes", "cohort", "the genes of each first sample"),
    ("results/cohort/statistics.tsv", "statistics", "cohort",
     "every analysis of the clinical table; no rows without one"),
    ("results/qc.tsv", "qc", "qc", "one line per sample of the cohort"),
    ("results/multiqc/ctcnv_general_mqc.json", None, "qc",
     "for MultiQC: columns of its general statistics"),
    ("results/multiqc/ctcnv_qc_mqc.json", None, "qc", "for MultiQC: a section with the table"),
    ("results/multiqc/multiqc.html", None, "multiqc", "MultiQC's page; only when asked for"),
)  # fmt: skip

#: Tables of `simulate`, which are no results of the workflow.
SIMULATED = (
    ("truth.tsv", "truth", "simulate", "what was put into each sample"),
    ("truth.segments.tsv", "truth_segments", "simulate", "the simulated tumors"),
    (
        "truth.trial.tsv",
        "truth_trial",
        "simulate --trial",
        "what the outcomes of a simulated trial were drawn from",
    ),
)
#: Tables of steps that are run by hand.
BY_HAND = (("gc.tsv", "fragment_gc", "count", "fragments by GC; `--output-gc`"),)
#: Tables that come with the package.
SHIPPED = (
    ("src/ctcnv/data/trials.tsv", "trials", "cohort", "published trials, with their sources"),
    ("src/ctcnv/data/resistance.tsv", "resistance", "criteria", "what is known of resistance"),
)

#: Preamble keys: key, which tables carry it, meaning.
PREAMBLE = (
    ("ctcnv.table", "all", "name and version of the table, as in `segments/1`"),
    ("ctcnv.version", "all", "version of ctcnv that wrote it"),
    ("sample", "all of one sample", "name of the sample"),
    ("patient", "track, criteria, alterations, strata", "name of the patient"),
    ("bins", "all made on atoms", "identity of the atoms: the first 16 digits of a sha256 over "
     "their chrom, start and end; tables of other atoms are refused"),
    ("build", "bins, gene_table", "hg19, hg38, chm13 or unknown"),
    ("chromosome_ends", "bins", "`exact` when the last atom ends with its chromosome (FASTA), "
     "`rounded` when it may reach beyond (wig)"),
    ("settings.<section>", "all that depend on it", "the settings of that section of config.yaml, "
     "as JSON. Tables of `ctcnv call` carry those of all its steps. `settings.count` is "
     '`{"source": "import"}` for imported counts'),
    ("single_end", "counts, lengths, reads, fragment_gc",
     "whether the library was read as single-end"),
    ("reads", "counts, lengths, reads, fragment_gc", "reads in the file"),
    ("fragments", "counts, lengths, reads, fragment_gc", "fragments that were used"),
    ("fragments", "profile and later", "fragments in usable autosomal atoms"),
    ("bam.header", "counts, lengths, reads, fragment_gc",
     "sha256 of the header of the BAM or CRAM"),
    ("bam.size", "counts, lengths, reads, fragment_gc", "size of the BAM or CRAM in bytes"),
    ("pon", "profile and later", "sha256 of the panel of normals, or `none`"),
    ("n_normals", "pon, profile and later", "normals in the panel"),
    ("sex", "profile and later", "female, male or unknown, inferred from X and Y"),
    ("noise", "profile and later", "robust scatter of windows over counting noise"),
    ("input.<name>", "all that read tables", "sha256 of each input"),
)  # fmt: skip

INTRODUCTION = """\
# Files

This file is written by `make docs` from `src/ctcnv/schema.py`; change it there.

Every table is tab-separated text, `.tsv`, or `.tsv.gz` when it is long. It begins with a preamble
of `##key=value` lines; then come a header and the rows.

- Coordinates are 0-based and half-open: the first base of a chromosome is 0, `end` is not included.
- An empty cell means "not known". It is never zero.
- Numbers have 7 significant digits. Booleans are `true` and `false`.
- No table holds a date, a host, a user or an absolute path: the same data give the same bytes.
- Files are written under another name and renamed, so that a stopped job leaves no half table.
- A reader refuses another table, another version of it, or other atoms, in one line.

Without the preamble, for other programs: `grep -v '^##' genes.tsv`, or
`zcat profile.tsv.gz | grep -v '^##'`. In Python:

    from pathlib import Path
    from ctcnv import schema
    from ctcnv.io import tables

    stored = tables.read(Path("results/samples/P01_d000/genes.tsv"), schema.GENES)
    stored.frame, stored.meta

A plain reader that takes `#` for a comment anywhere may cut a text cell, and one that guesses kinds
turns a sample named `001` into the number 1.
"""


SUMMARY_CHAPTER = """\
## summary.json

One JSON object per patient for hospital systems and databases. Its format is fixed by a JSON Schema
(draft 2020-12), [`summary.schema.json`](../workflow/schemas/summary.schema.json), and named in its
first key, `format`; the number behind the slash changes when a reader would have to.

- `answer` is short: ERBB2 and tumor fraction of the baseline (`first`), and the change at the
  sample nearest to `track.target_day` (`follow_up`; null when there is none, then `no_follow_up`
  says why). The report leads with the same samples.
- `samples` holds every time point by day: its row of `track.tsv`, `fraction.tsv` and `qc.tsv`, all
  rows of `genes.tsv`, `solutions.tsv` and `mutations.tsv` with the columns of these tables, and the
  sha256 of its inputs.
- `settings` are those of the run.
- null means "not known" or "not evaluable", never zero and never negative: a system that stores it
  must keep the difference. `indeterminate` is no negative either.

To check a file: `python -m jsonschema -i summary.json workflow/schemas/summary.schema.json`.
"""


def cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def row(*cells: str) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def link(name: str) -> str:
    """A link to the chapter of a table."""
    return f"[{name}](#{name})"


def files_section(title: str, files: tuple[tuple[str, str | None, str, str], ...]) -> list[str]:
    """A table of files."""
    return [
        title,
        "",
        row("file", "table", "step", "what"),
        row("---", "---", "---", "---"),
        *(
            row(f"`{path}`", link(table) if table else "", step, cell(what))
            for path, table, step, what in files
        ),
        "",
    ]


def column_row(column: Column) -> str:
    """One column of a table, its closed list of values behind the meaning."""
    values = ", ".join(f"`{choice}`" for choice in column.choices)
    meaning = column.meaning + (f": {values}" if values else "")
    empty = "yes" if column.nullable else ""
    return row(f"`{column.name}`", column.kind, column.unit, empty, cell(meaning))


def table_section(table: Table) -> list[str]:
    """The chapter of one table."""
    paths = ", ".join(
        f"`{f[0]}`" for f in (*FILES, *SIMULATED, *BY_HAND, *SHIPPED) if f[1] == table.name
    )
    return [
        f"### {table.name}",
        "",
        f"{table.meaning} Version {table.version}. {paths}.",
        "",
        row("column", "kind", "unit", "may be empty", "meaning"),
        row("---", "---", "---", "---", "---"),
        *map(column_row, table.columns),
        "",
    ]


def text() -> str:
    """The whole of docs/files.md."""
    lines = [
        INTRODUCTION,
        *files_section("## Files of a run", FILES),
        "Beside them `logs/{sample, patient, reference or cohort}/{step}.log`, whose first line",
        "is the whole command, and `benchmarks/` with time and memory of the heavy steps.",
        "`ctcnv demo`, `ctcnv real` and `snakemake --directory DIR` put all of it below their",
        "directory.",
        "",
        SUMMARY_CHAPTER,
        *files_section("## Files of simulate", SIMULATED),
        *files_section("## Files by hand", BY_HAND),
        *files_section("## Files of the package", SHIPPED),
        "## Preamble",
        "",
        row("key", "in", "meaning"),
        row("---", "---", "---"),
        *(row(f"`{key}`", cell(where), cell(meaning)) for key, where, meaning in PREAMBLE),
        "",
        "## Tables",
        "",
    ]
    for table in TABLES.values():
        lines.extend(table_section(table))
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(text())
    SUMMARY.write_text(summary.text(summary.json_schema()))
