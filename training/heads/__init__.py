"""The heads by kind. A new one is a file here and a line below; without baselines it is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.heads.adversary import AdversaryHead
from training.heads.base import Calibration, Head
from training.heads.binary import BinaryHead
from training.heads.distribution import DistributionHead
from training.heads.embedding import EmbeddingHead
from training.heads.histogram import HistogramHead
from training.heads.ordinal import OrdinalHead
from training.heads.regression import RegressionHead
from training.heads.severity import SeverityHead
from training.heads.softmax import SoftmaxHead

__all__ = [
    "HEADS",
    "AdversaryHead",
    "BinaryHead",
    "Calibration",
    "DistributionHead",
    "EmbeddingHead",
    "Head",
    "HistogramHead",
    "OrdinalHead",
    "RegressionHead",
    "SeverityHead",
    "SoftmaxHead",
    "heads_from",
    "register",
]

HEADS: dict[str, type[Head]] = {}


def register(head: type[Head]) -> type[Head]:
    """Make a kind of head usable; raises ValueError for one that has no baseline to be compared with."""
    if not getattr(head, "baselines", ()):
        raise ValueError(f"the head {head.kind} has no baseline, so its figures would say nothing")
    HEADS[head.kind] = head
    return head


for _head in (
    OrdinalHead, SoftmaxHead, BinaryHead, RegressionHead, DistributionHead, SeverityHead, HistogramHead,
    EmbeddingHead, AdversaryHead,
):  # fmt: skip
    register(_head)


def heads_from(descriptions: Sequence[Mapping[str, Any]]) -> tuple[Head, ...]:
    """Make heads from the entries `heads` of config.json."""
    return tuple(HEADS[each["kind"]].from_description(each) for each in descriptions)
