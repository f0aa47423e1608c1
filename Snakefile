# The whole pipeline: raw files → graph → split → training → metrics → tables, figures, page.
# `snakemake --cores all` builds the suite that params.yaml names; `--config suite=NAME` another.


from neglink.failures import failed_jobs, what_failed


include: "workflow/rules/params.smk"


configfile: "params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/warm.smk"


onstart:
    make_folders()
    forget_attempts()
    warm.start(warm_jobs())


onsuccess:
    warm.stop()
    forget_attempts()


onerror:
    warm.stop()
    forget_attempts()
    print(what_failed(failed_jobs(workflow)), end="", file=sys.stderr)


rule all:
    default_target: True
    input:
        ancient(plan.marker),
