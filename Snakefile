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


onstart:
    gc.freeze()
    gc.enable()


rule all:
    default_target: True
    input:
        collect("results/patients/{patient}/report.html", patient=patients),
        collect("results/samples/{sample}/plots", sample=plasma["sample"]),
        rules.qc.output,
        rules.cohort.output,
        gone(rules.bins.output, all=[""]),
        gone(rules.pon.output, all=[""]) if panel else [],
        gone(rules.count.output, sample=from_bam),
        gone(rules.call.output, sample=plasma["sample"]),
        gone(rules.views.output, sample=plasma["sample"]),
        gone(rules.criteria.output, patient=patients),
        gone(rules.report.output, patient=patients),
    localrule: True
