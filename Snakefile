# The whole pipeline: raw files → graph → split → training → metrics → tables, figures, page.
# `snakemake --cores all` builds the suite that params.yaml names; `--config suite=NAME` another.


include: "workflow/rules/params.smk"


configfile: "params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/warm.smk"


rule all:
    default_target: True
    input:
        ancient(plan.marker),
