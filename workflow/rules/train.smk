# Trainings. A method of one step is `train`; MeBNS is teacher → metadata → student,
# a fine-tuned encoder train → tune.
# One thread each, but where the suite says otherwise: two trainings beside each other beat one with
# two threads.


for KIND in ("train", "teacher", "student", "tune"):

    rule:
        name:
            KIND
        input:
            unpack(inputs(KIND)),
        output:
            checkpoint=f"results/checkpoints/{KIND}/{{step}}.safetensors",
            made_from=f"results/checkpoints/{KIND}/{{step}}.json",
        log:
            f"logs/{KIND}/{{step}}.log",
        benchmark:
            f"benchmarks/rules/{KIND}/{{step}}.tsv"
        group:
            one_job(KIND)
        conda:
            "../envs/neglink.yaml"
        threads: cores(KIND)
        resources:
            mem_mb=megabytes(KIND),
            runtime=minutes(KIND),
            gpu=gpus(KIND),
        params:
            kind=KIND,  # the shell line is read when the loop is over
            told=told(KIND),
            made=made(KIND),
            made_from=made_from(KIND),
            attempt=attempt,
        shell:
            "neglink {params.kind}"
            " {input.graph} {input.split} {output} {params.made}"
            " --settings {params.told:q}"
            " --made-from {params.made_from:q} {params.attempt} 2> {log}"


rule metadata:
    input:
        unpack(inputs("metadata")),
    output:
        metadata="results/metadata/{step}.npz",
        made_from="results/metadata/{step}.json",
    log:
        "logs/metadata/{step}.log",
    benchmark:
        "benchmarks/rules/metadata/{step}.tsv"
    group:
        one_job("metadata")
    conda:
        "../envs/neglink.yaml"
    threads: cores("metadata")
    resources:
        mem_mb=megabytes("metadata"),
        runtime=minutes("metadata"),
        gpu=gpus("metadata"),
    params:
        told=told("metadata"),
        made=made("metadata"),
        made_from=made_from("metadata"),
        attempt=attempt,
    shell:
        "neglink metadata {input.graph} {input.split} {output} {params.made}"
        " --settings {params.told:q}"
        " --made-from {params.made_from:q} {params.attempt} 2> {log}"
