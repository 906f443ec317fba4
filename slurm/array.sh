#!/usr/bin/env bash
# Many runs on one GPU each: a list with the arguments of one run a line, such as
#   --config conf/wgan_gp.yaml --seed_everything 0
#   --config conf/wgan_gp.yaml --seed_everything 1
#   --config conf/dvd_gan.yaml --data.root '/path/to/my videos'
# Adapt the lines of #SBATCH to your cluster (--partition, --account), then, for 3 runs of which 2 may run at a time,
#   sbatch --array=0-2%2 slurm/array.sh my_runs.txt
# What follows the list is added to every run.  python -m slurm.sweep makes the list of a sweep and submits it.
#SBATCH --job-name=kinogan
#SBATCH --time=24:00:00
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=4G

# Not to be adapted: two minutes before the time limit all processes are told to save (SLURM may tell them a minute
# early); a job that comes back, after that or after a preemption, goes on in its folder and in its file of output.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --nodes=1 --ntasks-per-node=1

source slurm/start.sh
list=$1
line=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$list")
if [ -z "$line" ]; then
    echo "$list has no line $((SLURM_ARRAY_TASK_ID + 1)) for task $SLURM_ARRAY_TASK_ID of the array" >&2
    exit 2
fi
if ! xargs <<<"$line" >/dev/null 2>&1; then
    echo "$list, line $((SLURM_ARRAY_TASK_ID + 1)): a quote is not closed" >&2
    exit 2
fi
mapfile -t arguments < <(xargs -n 1 printf "%s\n" <<<"$line") # quotes as in a shell, but nothing is run
train --trainer.accelerator gpu "${arguments[@]}" "${@:2}"
