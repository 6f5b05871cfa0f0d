"""Optimizers and learning rate schedules by name."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.errors import OptionError
from training.fit.config import Config
from training.models.headed import parameter_groups

Maker = Callable[[list[dict[str, object]], Config], torch.optim.Optimizer]
Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]

OPTIMIZERS: dict[str, Maker] = {
    "adamw": lambda groups, config: torch.optim.AdamW(
        groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=config.fused
    ),
    "adam": lambda groups, config: torch.optim.Adam(
        groups, lr=config.learning_rate, weight_decay=config.weight_decay
    ),
    "nadam": lambda groups, config: torch.optim.NAdam(
        groups, lr=config.learning_rate, weight_decay=config.weight_decay
    ),
    "rmsprop": lambda groups, config: torch.optim.RMSprop(
        groups, lr=config.learning_rate, weight_decay=config.weight_decay, momentum=config.momentum
    ),
    "sgd": lambda groups, config: torch.optim.SGD(
        groups, lr=config.learning_rate, weight_decay=config.weight_decay,
        momentum=config.momentum, nesterov=config.nesterov and config.momentum > 0,
    ),
}  # fmt: skip

SCHEDULES = ("cosine", "constant", "step", "plateau", "one_cycle")


def make_optimizer(network: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Build the optimizer of a configuration; raises OptionError for an unknown name."""
    if config.optimizer not in OPTIMIZERS:
        raise OptionError(f"optimizer={config.optimizer}", sorted(OPTIMIZERS))
    if config.schedule not in SCHEDULES:
        raise OptionError(f"schedule={config.schedule}", SCHEDULES)
    return OPTIMIZERS[config.optimizer](parameter_groups(network, config), config)


def learning_rate(
    config: Config, step: int, total: int, *, share_done: float = 0.0, drops: int = 0
) -> float:
    """Return the learning rate of a step; the first steps are warmed up linearly.

    `share_done` above step / total (a budget on time) brings the end of cosine and one_cycle nearer. `drops` counts the
    plateaus of the validation loss so far.

    >>> config = Config(epochs=1, batch_size=1, learning_rate=1.0, warm_up_steps=1)
    >>> learning_rate(config, 0, 10), round(learning_rate(config, 5, 10), 6)
    (1.0, 0.5)
    """
    share = max(step / total, share_done)
    peak = config.learning_rate * min(1.0, (step + 1) / max(1, config.warm_up_steps))
    if config.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * share))
    if config.schedule == "one_cycle":
        return config.learning_rate * _one_cycle(share)
    if config.schedule == "step":
        return peak * config.decay ** int(share * config.epochs / config.decay_epochs)
    return peak * config.decay**drops if config.schedule == "plateau" else peak


def _one_cycle(share: float) -> float:
    """Rise to 1 in the first quarter and fall to nearly 0, both as half a cosine."""
    if share < 0.25:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * share / 0.25))
    return 1e-4 + (1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * (share - 0.25) / 0.75))


def make_average(network: nn.Module, decay: float) -> AveragedModel:
    """Build the exponential average of the weights and buffers of a network.

    After n steps the decay is at most (1 + n) / (10 + n), the warm-up of TensorFlow's ExponentialMovingAverage. Without
    it, a training shorter than a few times 1 / (1 - decay) steps ends with an average that is mostly the first weights.
    """

    def update(averages: Tensors, weights: Tensors, n: torch.Tensor | int) -> None:
        rule = get_ema_multi_avg_fn(warmed_decay(decay, int(n)))  # type: ignore[no-untyped-call]  # torch has no types here
        rule(averages, weights, n)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def warmed_decay(decay: float, n: int) -> float:
    """Return the decay of the average of the weights after n steps.

    >>> [round(warmed_decay(0.99, n), 2) for n in (0, 10, 100, 1000)]
    [0.1, 0.55, 0.92, 0.99]
    """
    return min(decay, (1 + n) / (10 + n))
