"""The workflow on a real Slurm that is started for the test: two nodes on this machine."""
