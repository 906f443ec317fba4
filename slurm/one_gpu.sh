#!/usr/bin/env bash
# One run on one GPU.  Adapt the five lines of #SBATCH to your cluster (--partition, --account), then
#   sbatch slurm/one_gpu.sh --config conf/wgan_gp.yaml --data conf/data/video_folder.yaml --data.root /path/to/videos
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
train --trainer.accelerator gpu "$@"
