#!/usr/bin/env bash
# A real Slurm of one node on the loopback interface, from Debian's or Ubuntu's packages:
#
#   tests/cluster/slurm.sh COMMAND…
#
# installs what is missing (needs root), starts munged, slurmctld and slurmd, runs COMMAND with
# SLURM_CONF and NEGLINK_TEST_SLURM set, stops the three again and ends with COMMAND's status.
# Where Slurm is neither there nor installable it says so in one line and ends with status 0; so it
# does under NEGLINK_SLURM_OPTIONAL where its daemons do not start.
#
# State, logs and the configuration are in a new folder under TMPDIR, deleted at the end unless
# NEGLINK_SLURM_KEEP is set. NEGLINK_SLURM_CPUS is how many CPUs the node offers (default: 4;
# the jobs of the tests mostly wait).
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin
PORT=${NEGLINK_SLURM_PORT:-36817}
CPUS=${NEGLINK_SLURM_CPUS:-4}
SYSTEM_CONF=/etc/slurm/slurm.conf

say() { echo "cluster-test: $*"; }

programs() {
    local name
    for name in slurmctld slurmd sbatch srun scontrol munged munge; do
        command -v $name > /dev/null || return 1
    done
}

install_packages() {
    local quiet=/usr/sbin/policy-rc.d made=0 done=0
    if [ ! -e $quiet ]; then
        printf '#!/bin/sh\nexit 101\n' > $quiet && chmod +x $quiet # packages start no daemons
        made=1
    fi
    { timeout 120 apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y -qq \
            --no-install-recommends slurmctld slurmd slurm-client munge; } > /dev/null 2>&1 && done=1
    [ $made -eq 0 ] || rm -f $quiet
    [ $done -eq 1 ]
}

if ! programs; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
        say "skipped: Slurm is not here, and installing it needs root and apt-get"
        exit 0
    fi
    if ! install_packages || ! programs; then
        say "skipped: apt-get could not install slurmctld, slurmd, slurm-client and munge"
        exit 0
    fi
fi
# Inside a job, Snakemake's plugin drops SLURM_CONF: srun then reads the system's own place.
if [ "$(id -u)" -ne 0 ] || { [ -e $SYSTEM_CONF ] && [ ! -L $SYSTEM_CONF ]; }; then
    say "skipped: $SYSTEM_CONF cannot be ours (not root, or this machine is part of a cluster)"
    exit 0
fi

DIR=$(mktemp -d -t neglink-slurm.XXXXXX)
chmod 755 "$DIR"
HOST=$(hostname -s)
MEMORY=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
mkdir -p "$DIR"/{munge,state,spool,log} "$(dirname $SYSTEM_CONF)"
chmod 700 "$DIR/munge"

running() { # running NAME: whether the process that NAME's pid file names is this program
    local pid
    pid=$(cat "$DIR/$1.pid" 2> /dev/null) && [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "$1" ]
}

stop() {
    local name pid
    for name in slurmd slurmctld munged; do
        running $name || continue
        pid=$(cat "$DIR/$name.pid")
        kill "$pid" || true
        for _ in $(seq 100); do
            running $name || break
            sleep 0.1
        done
        if running $name; then kill -KILL "$pid" || true; fi
    done
    if [ "$(readlink $SYSTEM_CONF)" = "$DIR/slurm.conf" ]; then rm -f $SYSTEM_CONF; fi
    if [ -n "${NEGLINK_SLURM_KEEP:-}" ]; then say "state kept in $DIR"; else rm -rf "$DIR"; fi
}
trap stop EXIT

until_true() { # until_true SECONDS COMMAND…
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

fail() {
    say "$1; the last lines of $2:"
    tail -n 20 "$2" || true
    [ -n "${NEGLINK_SLURM_OPTIONAL:-}" ] || exit 1
    say "skipped: Slurm does not start on this machine"
    exit 0
}

(umask 077 && head -c 1024 /dev/urandom > "$DIR/munge/key")
cat > "$DIR/slurm.conf" << CONF
ClusterName=neglink-test
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$DIR/munge.socket
# a container has neither systemd nor cgroups of its own
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0
# without cgroups, what uses more memory than its job asked for is found by looking each second
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
# jobs are remembered for as long as the tests run: their records are what is tested
MinJobAge=7200
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$DIR/completed.txt
KillWait=2
ReturnToService=2
SlurmctldPidFile=$DIR/slurmctld.pid
SlurmdPidFile=$DIR/slurmd.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.log
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=$MEMORY State=UNKNOWN
PartitionName=main Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
CONF
case $(slurmctld -V) in
    *\ 2[0-2].* | *\ 23.0*) ;; # too old to know the word
    *) echo "CgroupPlugin=disabled" > "$DIR/cgroup.conf" ;;
esac
ln -sfn "$DIR/slurm.conf" $SYSTEM_CONF
export SLURM_CONF=$DIR/slurm.conf

munged --force --key-file="$DIR/munge/key" --socket="$DIR/munge.socket" \
    --pid-file="$DIR/munged.pid" --log-file="$DIR/log/munged.log" --seed-file="$DIR/munge/seed"
until_true 30 munge -n -S "$DIR/munge.socket" || fail "munged does not answer" "$DIR/log/munged.log"
slurmctld
until_true 60 scontrol ping || fail "slurmctld does not answer" "$DIR/log/slurmctld.log"
slurmd -N "$HOST"
idle() { [ "$(sinfo -h -o %T)" = idle ]; }
until_true 60 idle || fail "the node does not become idle" "$DIR/log/slurmd.log"
say "Slurm $(slurmctld -V | cut -d ' ' -f 2): $(sinfo -h -o 'node %n, %c CPUs, %m MB')"

status=0
NEGLINK_TEST_SLURM=$DIR "$@" || status=$?
exit $status
