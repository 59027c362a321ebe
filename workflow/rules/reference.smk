# The atoms of the reference and what healthy plasma shows on them.


rule bins:
    input:
        **reference_files,
    output:
        bins="results/reference/bins.tsv.gz",
        genes="results/reference/genes.tsv",
    log:
        "logs/reference/bins.log",
    benchmark:
        "benchmarks/reference/bins.tsv"
    conda:
        "../../envs/ctcnv.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        files=given,
        settings=flags("bins"),
    shell:
        "ctcnv bins {params.files} {params.settings}"
        " --output {output.bins} --output-genes {output.genes} 2> {log}"


rule pon:
    input:
        counts=collect("results/samples/{sample}/counts.tsv.gz", sample=panel),
        bins="results/reference/bins.tsv.gz",
        genes="results/reference/genes.tsv",
    output:
        pon="results/reference/pon.tsv.gz",
        dispersion="results/reference/pon.dispersion.tsv",
        donors="results/reference/pon.donors.tsv",
        genes="results/reference/pon.genes.tsv",
        normals="results/reference/pon.normals.tsv.gz",
        waves="results/reference/pon.waves.tsv.gz",
    log:
        "logs/reference/pon.log",
    benchmark:
        "benchmarks/reference/pon.tsv"
    conda:
        "../../envs/ctcnv.yaml"
    # every sample waits for it
    threads: 2
    resources:
        mem_mb=pon_mem_mb,
        runtime=60,
    params:
        settings=flags("normalize", "pon", "fraction", "genes"),
    shell:
        "ctcnv pon --threads {threads} --counts {input.counts} --bins {input.bins} --genes {input.genes}"
        " {params.settings} --output {output.pon}"
        " --output-dispersion {output.dispersion} --output-donors {output.donors}"
        " --output-genes {output.genes} --output-normals {output.normals}"
        " --output-waves {output.waves} 2> {log}"
