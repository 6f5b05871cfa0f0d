"""Several networks for the same heads that differ in their random weights; what they say is averaged."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from training.models.headed import HeadedNetwork, Inputs
from training.models.split import SplitNetwork


class EnsembleNetwork(nn.Module):
    """Networks whose outputs are averaged: values as they are, log-probabilities as probabilities.

    Each is trained on its own outputs (`training.fit.objective.MembersObjective`).
    """

    def __init__(self, members: Sequence[HeadedNetwork | SplitNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.input_names: tuple[str, ...] = tuple(members[0].input_names)
        self.parts: tuple[str, ...] = tuple(members[0].parts)

    @property
    def backbones(self) -> list[nn.Module]:
        """The backbones of all members."""
        return [each for member in self.members for each in member.backbones]  # type: ignore[union-attr]

    def forward(self, inputs: Inputs, part: str = "") -> dict[str, torch.Tensor]:
        """Map named inputs to the averaged output of each head by its name."""
        outputs = [member(inputs, part) for member in self.members]
        return {name: averaged([each[name] for each in outputs]) for name in outputs[0]}


def averaged(outputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Average values (N,), or log-probabilities (N, C) as probabilities.

    >>> averaged([torch.tensor([[0.2, 0.8]]).log(), torch.tensor([[0.6, 0.4]]).log()]).exp()
    tensor([[0.4000, 0.6000]])
    """
    stacked = torch.stack(list(outputs))
    if stacked.ndim == 2:
        return stacked.mean(dim=0)
    return stacked.logsumexp(dim=0) - math.log(len(outputs))
