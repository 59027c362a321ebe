# One patient: the change over time and the report.


rule track:
    input:
        fraction=of_patient("results/samples/{sample}/fraction.tsv"),
        grid=of_patient("results/samples/{sample}/fraction.grid.tsv.gz"),
        profile=of_patient("results/samples/{sample}/profile.tsv.gz"),
        segments=of_patient("results/samples/{sample}/segments.tsv"),
        genes=of_patient("results/samples/{sample}/genes.tsv"),
        dispersion=branch(len(panel) > 0, then="results/reference/pon.dispersion.tsv"),
        normals=branch(len(panel) > 0, then="results/reference/pon.normals.tsv.gz"),
        sites=sites_of_patient,
    output:
        track="results/patients/{patient}/track.tsv",
    log:
        "logs/{patient}/track.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        samples=of_patient("{sample}"),
        days=days,
        files=given,
        settings=flags("track", "identity"),
    shell:
        "ctcnv track --patient {wildcards.patient} --samples {params.samples}"
        " --days {params.days} {params.files} {params.settings}"
        " --output {output.track} 2> {log}"


rule criteria:
    input:
        fraction=of_patient("results/samples/{sample}/fraction.tsv"),
        grid=of_patient("results/samples/{sample}/fraction.grid.tsv.gz"),
        genes=of_patient("results/samples/{sample}/genes.tsv"),
        mutations=of_patient("results/samples/{sample}/mutations.tsv"),
        track="results/patients/{patient}/track.tsv",
        rules=criteria_file,
    output:
        criteria="results/patients/{patient}/criteria.tsv",
        alterations="results/patients/{patient}/alterations.tsv",
        strata="results/patients/{patient}/strata.tsv",
    log:
        "logs/{patient}/criteria.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        samples=of_patient("{sample}"),
        files=given,
        settings=flags("criteria"),
    shell:
        "ctcnv criteria --patient {wildcards.patient} --samples {params.samples}"
        " {params.files} {params.settings} --output-criteria {output.criteria}"
        " --output-alterations {output.alterations} --output-strata {output.strata}"
        " 2> {log}"


rule report:
    input:
        track="results/patients/{patient}/track.tsv",
        criteria="results/patients/{patient}/criteria.tsv",
        alterations="results/patients/{patient}/alterations.tsv",
        strata="results/patients/{patient}/strata.tsv",
        profile=of_patient("results/samples/{sample}/profile.tsv.gz"),
        segments=of_patient("results/samples/{sample}/segments.tsv"),
        fraction=of_patient("results/samples/{sample}/fraction.tsv"),
        solutions=of_patient("results/samples/{sample}/solutions.tsv"),
        genes=of_patient("results/samples/{sample}/genes.tsv"),
        mutations=of_patient("results/samples/{sample}/mutations.tsv"),
        qc=of_patient("results/samples/{sample}/qc.tsv"),
    output:
        html=report(
            "results/patients/{patient}/report.html",
            caption="../report/patient.rst",
            category="Patients",
            labels={"patient": "{patient}"},
        ),
        pdf="results/patients/{patient}/report.pdf",
        summary="results/patients/{patient}/summary.json",
    log:
        "logs/{patient}/report.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        samples=of_patient("{sample}"),
    shell:
        "ctcnv report --patient {wildcards.patient} --track {input.track}"
        " --samples {params.samples} --profile {input.profile}"
        " --segments {input.segments} --fraction {input.fraction}"
        " --solutions {input.solutions} --genes {input.genes} --qc {input.qc}"
        " --mutations {input.mutations} --criteria {input.criteria}"
        " --alterations {input.alterations} --strata {input.strata}"
        " --output {output.html} --output-pdf {output.pdf}"
        " --output-summary {output.summary} 2> {log}"
