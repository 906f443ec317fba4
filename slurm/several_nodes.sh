#!/usr/bin/env bash
# One run on several nodes, one process for each GPU.  Adapt the lines of #SBATCH to your cluster (--partition,
# --account; as many tasks as GPUs, which are those of one node), then
#   sbatch slurm/several_nodes.sh --config conf/wgan_gp.yaml --data conf/data/video_folder.yaml --data.root /the/videos
# The folders of runs and data must be the same on all nodes.  batch_size is that of all processes together.
#SBATCH --job-name=kinogan
#SBATCH --time=24:00:00
#SBATCH --nodes=2 --gres=gpu:4 --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=4G

# Not to be adapted: two minutes before the time limit all processes are told to save (SLURM may tell them a minute
# early); a job that comes back, after that or after a preemption, goes on in its folder and in its file of output.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

source slurm/start.sh
train --trainer.accelerator gpu "$@" --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE"
