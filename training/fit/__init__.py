"""The training loop, its checkpoints, and what a run was asked to do."""
