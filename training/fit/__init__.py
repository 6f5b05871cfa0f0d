"""The training loop, its checkpoints, and the request that starts a run."""
