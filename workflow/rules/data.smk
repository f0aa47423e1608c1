# Raw files → graph → split with its ranked negatives.


localrules:
    fetch,


rule fetch:
    output:
        marker="data/raw/.fetched/{step}.json",
    log:
        "logs/fetch/{step}.log",
    benchmark:
        "benchmarks/rules/fetch/{step}.tsv"
    retries: 0
    conda:
        "../envs/neglink.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        told=told("fetch"),
        made_from=made_from("fetch"),
    shell:
        "neglink fetch {output.marker} --settings {params.told:q}"
        " --made-from {params.made_from:q} 2> {log}"


rule graph:
    input:
        unpack(inputs("graph")),
    output:
        graph="data/graphs/{step}.npz",
        made_from="data/graphs/{step}.json",
    log:
        "logs/graph/{step}.log",
    benchmark:
        "benchmarks/rules/graph/{step}.tsv"
    group:
        one_job("graph")
    conda:
        "../envs/neglink.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("graph"),
        runtime=minutes("graph"),
        short=1,
    params:
        told=told("graph"),
        made_from=made_from("graph"),
    shell:
        "neglink graph {output} --settings {params.told:q}"
        " --made-from {params.made_from:q} 2> {log}"


rule split:
    input:
        unpack(inputs("split")),
    output:
        split="data/splits/{step}.npz",
        made_from="data/splits/{step}.json",
    log:
        "logs/split/{step}.log",
    benchmark:
        "benchmarks/rules/split/{step}.tsv"
    group:
        one_job("split")
    conda:
        "../envs/neglink.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("split"),
        runtime=minutes("split"),
        short=1,
    params:
        told=told("split"),
        made_from=made_from("split"),
    shell:
        "neglink split {input.graph} {output} --settings {params.told:q}"
        " --made-from {params.made_from:q} 2> {log}"
