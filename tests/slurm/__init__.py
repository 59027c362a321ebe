"""The workflow on a real Slurm, and a Grid Engine, that are started for the test on this machine."""
