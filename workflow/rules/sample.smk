# One sample: fragments per atom, then every number of it in one process.


rule count:
    input:
        bam=cell("bam"),
        bins="results/reference/bins.tsv.gz",
        reference=branch(
            config["reference"]["fasta"], then=config["reference"]["fasta"]
        ),
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
        files=given,
        given_up=given_up("count"),
        settings=flags("count"),
    shell:
        "ctcnv count --sample {wildcards.sample} {params.files} {params.settings}"
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
        counts="results/samples/{sample}/counts.tsv.gz",
        bins="results/reference/bins.tsv.gz",
        genes="results/reference/genes.tsv",
        pon=branch(len(panel) > 0, then="results/reference/pon.tsv.gz"),
        dispersion=branch(len(panel) > 0, then="results/reference/pon.dispersion.tsv"),
        waves=branch(len(panel) > 0, then="results/reference/pon.waves.tsv.gz"),
        normals=branch(len(panel) > 0, then="results/reference/pon.normals.tsv.gz"),
        pon_genes=branch(len(panel) > 0, then="results/reference/pon.genes.tsv"),
        reads=branch(has_reads, then="results/samples/{sample}/reads.tsv"),
        lengths=branch(has_reads, then="results/samples/{sample}/lengths.tsv"),
        variants=cell("variants"),
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
        files=given,
        given_up=given_up("call"),
        person=person,
        settings=flags("normalize", "segment", "fraction", "mutations", "genes", "qc"),
    shell:
        "ctcnv call --sample {wildcards.sample} {params.person} {params.files}"
        " {params.settings} --output-profile {output.profile}"
        " --output-segments {output.segments} --output-fraction {output.fraction}"
        " --output-mutations {output.mutations}"
        " --output-grid {output.grid} --output-solutions {output.solutions}"
        " --output-genes {output.genes} --output-qc {output.qc}"
        " --record-failure {params.given_up} 2> {log}"


rule plot:
    input:
        profile="results/samples/{sample}/profile.tsv.gz",
        segments="results/samples/{sample}/segments.tsv",
        fraction="results/samples/{sample}/fraction.tsv",
        genes="results/samples/{sample}/genes.tsv",
    output:
        genome=report(
            "results/samples/{sample}/plots/genome.svg",
            caption="../report/genome.rst",
            category="Samples",
            labels={"sample": "{sample}", "figure": "genome"},
        ),
        genome_png="results/samples/{sample}/plots/genome.png",
        chr17=report(
            "results/samples/{sample}/plots/chr17.svg",
            caption="../report/chr17.rst",
            category="Samples",
            labels={"sample": "{sample}", "figure": "chromosome 17"},
        ),
        chr17_png="results/samples/{sample}/plots/chr17.png",
    log:
        "logs/{sample}/plot.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    shell:
        "ctcnv plot --sample {wildcards.sample} --profile {input.profile}"
        " --segments {input.segments} --fraction {input.fraction} --genes {input.genes}"
        " --output-genome {output.genome} --output-genome-png {output.genome_png}"
        " --output-chr17 {output.chr17} --output-chr17-png {output.chr17_png} 2> {log}"


rule export:
    input:
        profile="results/samples/{sample}/profile.tsv.gz",
        segments="results/samples/{sample}/segments.tsv",
        fraction="results/samples/{sample}/fraction.tsv",
        grid="results/samples/{sample}/fraction.grid.tsv.gz",
        genes="results/samples/{sample}/genes.tsv",
    output:
        seg="results/samples/{sample}/export/{sample}.seg",
        vcf="results/samples/{sample}/export/{sample}.vcf",
        bedgraph="results/samples/{sample}/export/{sample}.bedgraph",
        bigwig="results/samples/{sample}/export/{sample}.bw",
        cnr="results/samples/{sample}/export/{sample}.cnr",
        cns="results/samples/{sample}/export/{sample}.cns",
    log:
        "logs/{sample}/export.log",
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        files=given,
        settings=flags("export"),
    shell:
        "ctcnv export --sample {wildcards.sample} {params.files} {params.settings}"
        " --output-seg {output.seg} --output-vcf {output.vcf}"
        " --output-bedgraph {output.bedgraph} --output-bigwig {output.bigwig}"
        " --output-cnr {output.cnr} --output-cns {output.cns} 2> {log}"
