# One sample: fragments per atom, then every number of it in one process, then its drawings.
#
# Drawing is a job of its own: what fails there takes no number away. Of the files that a job makes
# together a later one names the last, see gone in common.smk.


rule count:
    input:
        bam=cell("bam"),
        bins="results/reference/bins.tsv.gz",
    output:
        counts="results/samples/{sample}/counts.tsv.gz",
        lengths="results/samples/{sample}/lengths.tsv",
        reads="results/samples/{sample}/reads.tsv",
    log:
        "logs/{sample}/count.log",
    benchmark:
        "benchmarks/{sample}/count.tsv"
    wildcard_constraints:
        sample=one_of(from_bam, from_counts),
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=count_mem_mb,
        runtime=count_minutes,
    params:
        reference=fasta(),
        given_up=given_up("count"),
        settings=flags("count"),
    shell:
        "ctcnv count --sample {wildcards.sample} --bam {input.bam:q} --bins {input.bins}"
        " {params.reference} {params.settings}"
        " --threads {threads} --output {output.counts}"
        " --output-lengths {output.lengths} --output-reads {output.reads}"
        " --record-failure {params.given_up} 2> {log}"


rule sites:
    input:
        bam=cell("bam"),
        sites=branch(config["sites"], then=config["sites"]),
        reference=branch(
            config["reference"]["fasta"], then=config["reference"]["fasta"]
        ),
    output:
        sites="results/samples/{sample}/sites.tsv.gz",
    log:
        "logs/{sample}/sites.log",
    wildcard_constraints:
        sample=one_of(from_bam, from_counts),
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=count_minutes,
    params:
        files=given,
        given_up=given_up("sites"),
        settings=flags("identity"),
    shell:
        "ctcnv sites --sample {wildcards.sample} {params.files} {params.settings}"
        " --output {output.sites}"
        " --record-failure {params.given_up} 2> {log}"


rule import_counts:
    input:
        table=cell("counts"),
        bins="results/reference/bins.tsv.gz",
    output:
        counts="results/samples/{sample}/counts.tsv.gz",
    log:
        "logs/{sample}/import.log",
    wildcard_constraints:
        sample=one_of(from_counts, from_bam),
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        given_up=given_up("import"),
    shell:
        "ctcnv import --sample {wildcards.sample} --table {input.table:q}"
        " --bins {input.bins} --output {output.counts}"
        " --record-failure {params.given_up} 2> {log}"


rule call:
    input:
        reference_of_call,
        cell("variants"),
        counts="results/samples/{sample}/counts.tsv.gz",
    output:
        profile="results/samples/{sample}/profile.tsv.gz",
        segments="results/samples/{sample}/segments.tsv",
        fraction="results/samples/{sample}/fraction.tsv",
        mutations="results/samples/{sample}/mutations.tsv",
        grid="results/samples/{sample}/fraction.grid.tsv.gz",
        solutions="results/samples/{sample}/solutions.tsv",
        genes="results/samples/{sample}/genes.tsv",
        qc="results/samples/{sample}/qc.tsv",
    log:
        "logs/{sample}/call.log",
    benchmark:
        "benchmarks/{sample}/call.tsv"
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=call_mem_mb,
        runtime=30,
    params:
        of_sheet=of_sheet,
        panel=of_panel("pon", "dispersion", "waves", "normals", "pon-genes"),
        given_up=given_up("call"),
        settings=flags("normalize", "segment", "fraction", "mutations", "genes", "qc"),
    shell:
        "ctcnv call --sample {wildcards.sample} {params.of_sheet} --counts {input.counts}"
        " --bins results/reference/bins.tsv.gz"
        " --genes results/reference/genes.tsv {params.panel} {params.settings}"
        " --output-profile {output.profile} --output-segments {output.segments}"
        " --output-fraction {output.fraction} --output-mutations {output.mutations}"
        " --output-grid {output.grid} --output-solutions {output.solutions}"
        " --output-genes {output.genes} --output-qc {output.qc}"
        " --record-failure {params.given_up} 2> {log}"


rule views:
    input:
        qc="results/samples/{sample}/qc.tsv",
    output:
        plots=report(
            directory("results/samples/{sample}/plots"),
            patterns=["{figure}.svg"],
            caption="../report/plots.rst",
            category="Samples",
            labels={"sample": "{sample}", "figure": "{figure}"},
        ),
        export=directory("results/samples/{sample}/export"),
    log:
        "logs/{sample}/views.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        settings=flags("export"),
    shell:
        "ctcnv plot --sample {wildcards.sample}"
        " --profile results/samples/{wildcards.sample}/profile.tsv.gz"
        " --segments results/samples/{wildcards.sample}/segments.tsv"
        " --fraction results/samples/{wildcards.sample}/fraction.tsv"
        " --genes results/samples/{wildcards.sample}/genes.tsv"
        " --output-genome {output.plots}/genome.svg"
        " --output-genome-png {output.plots}/genome.png"
        " --output-chr17 {output.plots}/chr17.svg"
        " --output-chr17-png {output.plots}/chr17.png 2> {log}"
        " && ctcnv export --sample {wildcards.sample}"
        " --profile results/samples/{wildcards.sample}/profile.tsv.gz"
        " --segments results/samples/{wildcards.sample}/segments.tsv"
        " --fraction results/samples/{wildcards.sample}/fraction.tsv"
        " --grid results/samples/{wildcards.sample}/fraction.grid.tsv.gz"
        " --genes results/samples/{wildcards.sample}/genes.tsv {params.settings}"
        " --output-seg {output.export}/{wildcards.sample}.seg"
        " --output-vcf {output.export}/{wildcards.sample}.vcf"
        " --output-bedgraph {output.export}/{wildcards.sample}.bedgraph"
        " --output-bigwig {output.export}/{wildcards.sample}.bw"
        " --output-cnr {output.export}/{wildcards.sample}.cnr"
        " --output-cns {output.export}/{wildcards.sample}.cns 2>> {log}"
