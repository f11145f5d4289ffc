#!/usr/bin/env bash
# Slurm: sbatch slurm.sh --records /shared/videos --run /shared/run [OPTION_OF_TRAIN ...]
#SBATCH --job-name=tf-metammf
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --requeue
#SBATCH --signal=TERM@120
set -uo pipefail
port=${PORT:-2222}
workers=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed "s/.*/\"&:$port\"/" | paste -sd, -)

# One process on every node; SLURM_PROCID is its number among them.
WORKERS=$workers srun --kill-on-bad-exit=0 bash -c '
    export TF_CONFIG="{\"cluster\": {\"worker\": [$WORKERS]}, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
    exec tf-metammf train --strategy multi_worker "$@"' train "$@"
code=$?

# 143: SIGTERM, two minutes before the time is up or because of a preemption. 138: a process was lost.
if [ "$code" -eq 143 ] || [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
