# All samples in one table.


rule qc:
    input:
        samples=config["samples"],
        bins="results/reference/bins.tsv.gz",
        plasma=collect("results/samples/{sample}/qc.tsv", sample=plasma["sample"]),
        normals_reads=collect(
            "results/samples/{sample}/reads.tsv", sample=normals_from_bam
        ),
        normals_lengths=collect(
            "results/samples/{sample}/lengths.tsv", sample=normals_from_bam
        ),
        donors=branch(len(normals) > 0, then="results/reference/pon.donors.tsv"),
    output:
        qc=report(
            "results/qc.tsv",
            caption="../report/qc.rst",
            category="Cohort",
            labels={"table": "quality of every sample"},
        ),
    log:
        "logs/cohort/qc.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        files=given,
        settings=flags("qc"),
    shell:
        "ctcnv qc {params.files} {params.settings} --output {output.qc} 2> {log}"
