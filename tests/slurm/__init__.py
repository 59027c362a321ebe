"""The workflow on a real Slurm, and on a Grid Engine, that are started for the test."""
