#!/bin/sh
# properties = {properties}
# What a job runs, filled in by Snakemake. Its last act is to write how it ended, where status.sh
# looks. The id is the one that PBS, Grid Engine or Slurm gave.
id=${{PBS_JOBID:-${{JOB_ID:-$SLURM_JOB_ID}}}}
trap 'echo $? > "logs/cluster/$id.exit"' EXIT
{exec_job}
