#!/usr/bin/env bash
# Agents of a W&B sweep, each with one GPU and one trial.  Adapt the lines of #SBATCH to your cluster, then
#   .venv/bin/wandb sweep --project kinogan conf/sweeps/bayes.yaml      # prints the sweep's name, ENTITY/PROJECT/ID
#   sbatch --array=1-30%4 slurm/agents.sh ENTITY/PROJECT/ID             # 30 trials, 4 at a time
# The nodes must reach the server; without one, python -m slurm.sweep.
#SBATCH --job-name=kinogan
#SBATCH --time=24:00:00
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=4G

# Not to be adapted: two minutes before the time limit the trial is told to save (SLURM may tell it a minute early); a
# task that comes back, after that or after a preemption, asks the server for a trial: for its own, if no other has it.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --nodes=1 --ntasks-per-node=1

source slurm/start.sh
agent "$1"
