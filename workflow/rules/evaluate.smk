# Checkpoint → metrics of one run, and its tasks of nodes; the migration analysis of a followed run.


rule evaluate:
    input:
        unpack(inputs("evaluate")),
    output:
        metrics="results/metrics/{step}.json",
    log:
        "logs/evaluate/{step}.log",
    benchmark:
        "benchmarks/rules/evaluate/{step}.tsv"
    group:
        one_job("evaluate")
    conda:
        "../envs/neglink.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("evaluate"),
        runtime=minutes("evaluate"),
        short=1,
        gpu=gpus("evaluate"),
    params:
        told=told("evaluate"),
        made_from=made_from("evaluate"),
        checkpoint=lambda wildcards, input: (
            f"--checkpoint {input.checkpoint}" if "checkpoint" in input.keys() else ""
        ),
    shell:
        "neglink evaluate {input.graph} {input.split} {output.metrics} {params.checkpoint}"
        " --threads {threads} --settings {params.told:q}"
        " --made-from {params.made_from:q} 2> {log}"


rule nodes:
    input:
        unpack(inputs("nodes")),
    output:
        nodes="results/nodes/{step}.json",
    log:
        "logs/nodes/{step}.log",
    benchmark:
        "benchmarks/rules/nodes/{step}.tsv"
    group:
        one_job("nodes")
    conda:
        "../envs/neglink.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("nodes"),
        runtime=minutes("nodes"),
        gpu=gpus("nodes"),
    params:
        told=told("nodes"),
        made_from=made_from("nodes"),
    shell:
        "neglink nodes {input.graph} {input.split} {input.checkpoint} {output.nodes}"
        " --threads {threads} --settings {params.told:q}"
        " --made-from {params.made_from:q} 2> {log}"


rule migration:
    input:
        unpack(inputs("migration")),
    output:
        analysis="results/analyses/{step}.json",
    log:
        "logs/migration/{step}.log",
    benchmark:
        "benchmarks/rules/migration/{step}.tsv"
    group:
        one_job("migration")
    conda:
        "../envs/neglink.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("migration"),
        runtime=minutes("migration"),
        gpu=gpus("migration"),
    params:
        told=told("migration"),
        made_from=made_from("migration"),
    shell:
        "neglink migration {input.graph} {input.split} {input.checkpoint} {output.analysis}"
        " --threads {threads} --settings {params.told:q}"
        " --made-from {params.made_from:q} 2> {log}"
