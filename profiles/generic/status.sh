#!/bin/sh
# status.sh ID: prints "running", "success" or "failed". Snakemake asks it about each job.
#
# A job writes how it ended as its last act (jobscript.sh). One that was killed, for its memory, its
# time or by hand, writes nothing: it has failed once the scheduler knows it no more. A scheduler
# that does not answer says nothing about the job, which then counts as running.
ask="qstat" # PBS and Torque; Grid Engine: "qstat -j"; Slurm: "squeue -h -j"

tell_if_ended() {
    ls logs/cluster > /dev/null # a network file system looks again
    read -r code 2> /dev/null < "logs/cluster/$1.exit" || return
    if [ "$code" = 0 ]; then echo success; else echo failed; fi
    rm -f "logs/cluster/$1.exit"
    exit
}

tell_if_ended "$1"
said=$($ask "$1" 2>&1)
case $said in
    "" | *[Uu]nknown\ [Jj]ob* | *has\ finished* | *not\ exist* | *[Ii]nvalid\ job\ id* | *\ C\ *) ;;
    *) echo running && exit ;;
esac
for _ in 1 2 3 4 5; do # its last file may be on the way
    tell_if_ended "$1"
    sleep 1
done
echo failed
