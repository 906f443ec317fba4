"""Runs on a cluster: batch scripts for SLURM, and sweeps that need no server."""
