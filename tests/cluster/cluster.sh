#!/usr/bin/env bash
# A Slurm of one node for the tests: munge, slurmctld and slurmd of the distribution, no systemd, no accounting.
#   cluster.sh start FOLDER PORT PORT   start it, with all it writes in FOLDER; ends once the node is idle
#   cluster.sh stop FOLDER              end what was started from FOLDER
# Point commands at it with SLURM_CONF=FOLDER/slurm.conf. Needs root, as slurmd does.
set -euo pipefail

folder=$2
export SLURM_CONF=$folder/slurm.conf

until_true() {
    for _ in $(seq 150); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "Not within 15 seconds: $*. The logs are in $folder." >&2
    return 1
}

authenticates() { munge --no-input | unmunge; }
is_idle() { [ "$(sinfo --noheader --format=%T)" = idle ]; }

start() {
    mkdir -p "$folder"/state "$folder"/spool
    if ! authenticates >/dev/null 2>&1; then
        install -d -o munge -g munge -m 0755 /run/munge
        install -d -o munge -g munge -m 0700 /var/lib/munge /var/log/munge
        [ -s /etc/munge/munge.key ] || runuser -u munge -- mungekey --create
        runuser -u munge -- munged --force
        until_true authenticates
        cp /run/munge/munged.pid "$folder"/munged.pid
    fi
    local host memory
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.8)}' /proc/meminfo)
    # A credential that expires soon lets a requeued job begin soon: it waits for that long, two minutes by default.
    # More processors than there are: what is tested is who does the work, not how fast.
    cat >"$SLURM_CONF" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
SlurmctldPort=$3
SlurmdPort=$4
SlurmdParameters=config_overrides
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
KillWait=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=$memory State=UNKNOWN
PartitionName=tests Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    slurmctld -c
    slurmd -c
    until_true is_idle
}

stop() {
    for file in slurmd slurmctld munged; do
        if [ -s "$folder/$file.pid" ]; then
            kill "$(cat "$folder/$file.pid")" 2>/dev/null || true
        fi
    done
}

case $1 in
start) start "$@" ;;
stop) stop ;;
*) echo "usage: cluster.sh start FOLDER PORT PORT | stop FOLDER" >&2; exit 2 ;;
esac
