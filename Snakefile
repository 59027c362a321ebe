"""ctcnv: copy number and tumor fraction from shallow plasma sequencing.

The rules are in workflow/rules in the order they run: reference, sample, patient, cohort.
"""

from snakemake.utils import min_version

min_version("9.25")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/reference.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/patient.smk"
include: "workflow/rules/cohort.smk"


rule all:
    default_target: True
    input:
        collect("results/patients/{patient}/report.html", patient=patients),
        collect("results/patients/{patient}/report.pdf", patient=patients),
        collect("results/patients/{patient}/summary.json", patient=patients),
        collect(
            "results/samples/{sample}/plots/{figure}.{kind}",
            sample=plasma["sample"],
            figure=["genome", "chr17"],
            kind=["svg", "png"],
        ),
        collect(
            "results/samples/{sample}/export/{sample}.{kind}",
            sample=plasma["sample"],
            kind=["seg", "vcf", "bedgraph", "bw", "cnr", "cns"],
        ),
        "results/qc.tsv",
        "results/cohort/cohort.html",
    localrule: True
