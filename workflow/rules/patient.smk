# One patient: the change over time, then the criteria, then the report that shows both.


rule track:
    input:
        sites_of_patient,
        of_patient("results/samples/{sample}/qc.tsv"),
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
        visits=visits,
        sites=sites_flag if config["sites"] else "",
        panel=of_panel("dispersion", "normals"),
        settings=flags("track", "identity", "mutations"),
    shell:
        "ctcnv track --patient {wildcards.patient} {params.visits}"
        " --fraction 'results/samples/{{sample}}/fraction.tsv'"
        " --grid 'results/samples/{{sample}}/fraction.grid.tsv.gz'"
        " --profile 'results/samples/{{sample}}/profile.tsv.gz'"
        " --segments 'results/samples/{{sample}}/segments.tsv'"
        " --genes 'results/samples/{{sample}}/genes.tsv'"
        " --mutations 'results/samples/{{sample}}/mutations.tsv' {params.sites} {params.panel}"
        " {params.settings} --output {output.track} 2> {log}"


# A rule of its own: were it made with the track, a failure here would delete the track too.
rule criteria:
    input:
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
        settings=flags("criteria"),
    shell:
        "ctcnv criteria --patient {wildcards.patient} --samples {params.samples}"
        " --fraction 'results/samples/{{sample}}/fraction.tsv'"
        " --grid 'results/samples/{{sample}}/fraction.grid.tsv.gz'"
        " --genes 'results/samples/{{sample}}/genes.tsv'"
        " --mutations 'results/samples/{{sample}}/mutations.tsv' --track {input.track}"
        " --rules {input.rules:q} {params.settings} --output-criteria {output.criteria}"
        " --output-alterations {output.alterations} --output-strata {output.strata}"
        " 2> {log}"


rule report:
    input:
        criteria="results/patients/{patient}/criteria.tsv",
        treatments=branch(config["treatments"], then=config["treatments"]),
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
        treatments=treatments_file,
    shell:
        "ctcnv report --patient {wildcards.patient} --samples {params.samples}"
        " --profile 'results/samples/{{sample}}/profile.tsv.gz'"
        " --segments 'results/samples/{{sample}}/segments.tsv'"
        " --fraction 'results/samples/{{sample}}/fraction.tsv'"
        " --solutions 'results/samples/{{sample}}/solutions.tsv'"
        " --genes 'results/samples/{{sample}}/genes.tsv'"
        " --qc 'results/samples/{{sample}}/qc.tsv'"
        " --mutations 'results/samples/{{sample}}/mutations.tsv'"
        " --track results/patients/{wildcards.patient}/track.tsv"
        " --criteria {input.criteria} {params.treatments}"
        " --alterations results/patients/{wildcards.patient}/alterations.tsv"
        " --strata results/patients/{wildcards.patient}/strata.tsv"
        " --output {output.html} --output-pdf {output.pdf}"
        " --output-summary {output.summary} 2> {log}"
