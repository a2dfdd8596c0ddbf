#!/usr/bin/env bash
# A Ray cluster inside one SLURM allocation, and a driver on its first node:
#     sbatch examples/cluster/slurm.sh critical-temperature n_seeds=64 --out "$SCRATCH/study"
# Everything after the script's name goes to `thermometer run`. Submit the same line again to
# continue, also after the time limit. --out must be a folder that all nodes see.
#SBATCH --job-name=thermometer
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --time=04:00:00
# SLURM asks the driver to finish two minutes before it would be killed.
#SBATCH --signal=B:TERM@120
set -euo pipefail

environment=${THERMOMETER_ENV:-$HOME/env}
export PATH="$environment/bin:$PATH"

# A token that only this job knows: nobody else on the network can run code in this cluster.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts[0]}
port=$((20000 + SLURM_JOB_ID % 20000))
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
folder=${SLURM_TMPDIR:-/tmp}/ray-$SLURM_JOB_ID

node() { # node HOST ARGUMENTS...: one Ray node, for as long as the job lasts
    local host=$1
    shift
    srun --nodes=1 --ntasks=1 --overlap --nodelist="$host" \
        ray start --block --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats "$@" &
}

node "$head" --head --node-ip-address="$address" --port="$port" --temp-dir="$folder" \
    --include-dashboard=false
until python -c "import socket; socket.create_connection(('$address', $port), 2)" 2>/dev/null; do
    sleep 2
done
# Nodes that are still starting join the running study.
for host in "${hosts[@]:1}"; do
    node "$host" --address="$address:$port"
done

thermometer run "$@" --address "$address:$port" &
driver=$!
trap 'kill -TERM "$driver"' TERM
code=0
# A signal ends the first wait; the second one gets the driver's exit code.
wait "$driver" || code=$?
if kill -0 "$driver" 2>/dev/null; then
    code=0
    wait "$driver" || code=$?
fi
# Ray's nodes end with the job.
exit "$code"
