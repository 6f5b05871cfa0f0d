"""Settings of the machine, `[train]` in safelight.toml. Hyperparameters belong to recipes."""

import os
from dataclasses import dataclass

SEVERAL = 4  # processors from which on more than one computes


@dataclass(frozen=True)
class TrainSettings:
    """Limits on the use of the machine; they do not change the trained model.

    `threads` 0 means all processors; `device` auto takes a GPU where there is one. Samples stay in memory up to
    `cache_mb`, otherwise pictures are decoded again in every epoch. A checkpoint is written after each epoch and
    every `checkpoint_s` seconds. Of a model the newest `keep_checkpoints` epochs are kept, the best one, and each
    `keep_every`-th (0: none); the oldest go first where they take more than `checkpoint_mb` together (0: no limit).
    The newest and the best always stay.
    """

    threads: int = 0
    device: str = "auto"
    cache_mb: int = 2000
    checkpoint_s: float = 60.0
    keep_checkpoints: int = 2
    keep_every: int = 0
    checkpoint_mb: int = 0

    @property
    def workers(self) -> int:
        """Number of threads that decode pictures."""
        return self.threads or os.cpu_count() or 1

    @property
    def compute_threads(self) -> int:
        """Number of threads inside the network: one below four processors, else one less than there are.

        On two busy processors two of these threads block each other: 20 images/s instead of 200, and two to six times
        the processor time.
        """
        return 1 if self.workers < SEVERAL else self.workers - 1

    @property
    def encode_threads(self) -> int:
        """Number of threads that encode a batch each on a CPU: they share nothing, so none waits for another."""
        return max(1, self.workers // self.compute_threads)
