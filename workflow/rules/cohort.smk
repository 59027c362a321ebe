# All samples in one table, and all patients.


rule qc:
    input:
        samples=config["samples"],
        bins="results/reference/bins.tsv.gz",
        plasma=collect("results/samples/{sample}/qc.tsv", sample=plasma["sample"]),
        tracks=collect("results/patients/{patient}/track.tsv", patient=patients),
        normals=collect(
            "results/samples/{sample}/counts.tsv.gz", sample=normals["sample"]
        ),
        panel=PANEL["pon"] if panel else [],
    output:
        qc=report(
            "results/qc.tsv",
            caption="../report/qc.rst",
            category="Cohort",
            labels={"table": "quality of every sample"},
        ),
        general="results/multiqc/ctcnv_general_mqc.json",
        table="results/multiqc/ctcnv_qc_mqc.json",
    log:
        "logs/cohort/qc.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        normals=of_normals,
        settings=flags("qc"),
    shell:
        "ctcnv qc --samples {input.samples:q} --bins {input.bins}"
        " --plasma 'results/samples/{{sample}}/qc.tsv'"
        " --tracks 'results/patients/{{patient}}/track.tsv'"
        " {params.normals} {params.settings} --output {output.qc}"
        " --output-multiqc {output.general} {output.table} 2> {log}"


# Not part of `all`: MultiQC is not in the environment. Its buttons that send data to language
# models are taken out, and it asks nobody for a newer version.
rule multiqc:
    input:
        general="results/multiqc/ctcnv_general_mqc.json",
        table="results/multiqc/ctcnv_qc_mqc.json",
    output:
        html="results/multiqc/multiqc.html",
    log:
        "logs/cohort/multiqc.log",
    conda:
        "../../envs/multiqc.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "multiqc --force --no-ai --no-version-check --no-data-dir --filename {output.html}"
        " --cl-config 'show_analysis_paths: false' --cl-config 'show_analysis_time: false'"
        " {input.general} {input.table} 2> {log}"


rule cohort:
    input:
        tracks=collect("results/patients/{patient}/track.tsv", patient=patients),
        qc="results/qc.tsv",
        clinical=branch(config["clinical"], then=config["clinical"]),
        treatments=branch(config["treatments"], then=config["treatments"]),
    output:
        samples="results/cohort/samples.tsv",
        patients="results/cohort/patients.tsv",
        genes="results/cohort/genes.tsv",
        statistics="results/cohort/statistics.tsv",
        html=report(
            "results/cohort/cohort.html",
            caption="../report/cohort.rst",
            category="Cohort",
            labels={"table": "all patients"},
        ),
    log:
        "logs/cohort/cohort.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        clinical=clinical_file,
        treatments=treatments_file,
        settings=flags("cohort"),
    shell:
        "ctcnv cohort --qc {input.qc} --tracks 'results/patients/{{patient}}/track.tsv'"
        " --genes 'results/samples/{{sample}}/genes.tsv'"
        " --mutations 'results/samples/{{sample}}/mutations.tsv' {params.clinical}"
        " {params.treatments} {params.settings}"
        " --output-samples {output.samples} --output-patients {output.patients}"
        " --output-genes {output.genes}"
        " --output-statistics {output.statistics} --output {output.html} 2> {log}"
