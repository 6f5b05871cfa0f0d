"""Settings of the machine, `[train]` in safelight.toml; what is learned is set by recipes instead."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainSettings:
    """How much of the machine training may use; none of it changes what is learned.

    `threads` 0 means all processors; `device` auto takes a GPU where there is one. Samples stay in
    memory up to `cache_mb`, otherwise pictures are decoded again in every epoch.
    """

    threads: int = 0
    device: str = "auto"
    cache_mb: int = 2000

    @property
    def workers(self) -> int:
        """Number of threads that decode pictures."""
        return self.threads or os.cpu_count() or 1

    @property
    def compute_threads(self) -> int:
        """Number of threads inside the network: one processor is left to the thread that feeds it.

        On two busy processors two of these threads wait for each other: 20 images/s against 200.
        """
        return max(1, self.workers - 1)
