#!/usr/bin/env bash
# One run on all GPUs of one node, one process each.  Adapt the lines of #SBATCH to your cluster (--partition,
# --account; as many tasks as GPUs), then
#   sbatch slurm/one_node.sh --config conf/wgan_gp.yaml --data conf/data/video_folder.yaml --data.root /path/to/videos
# batch_size is that of all processes together.
#SBATCH --job-name=kinogan
#SBATCH --time=24:00:00
#SBATCH --gres=gpu:4 --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=4G

# Not to be adapted: two minutes before the time limit all processes are told to save (SLURM may tell them a minute
# early); a job that comes back, after that or after a preemption, goes on in its folder and in its file of output.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --nodes=1

source slurm/start.sh
train --trainer.accelerator gpu "$@" --trainer.devices "$SLURM_NTASKS_PER_NODE"
