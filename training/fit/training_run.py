"""The constants of one training."""

from dataclasses import dataclass

import torch

from training.fit.config import Config


@dataclass(frozen=True)
class TrainingRun:
    """Configuration, digest of the release, split policy, device; `label` begins the lines of progress and log.

    `budget_s` ends a training after that many seconds on the clock (0: no limit). `checkpoint_s` is the time between
    checkpoints inside an epoch.
    """

    config: Config
    digest: str
    policy: str
    device: torch.device
    budget_s: float = 0.0
    checkpoint_s: float = 60.0
