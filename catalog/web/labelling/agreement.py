"""How far people agree, with themselves and each other, and how often the model expected what they said."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.lake.judgements import RANDOM, Judgement


@dataclass(frozen=True)
class Agreement:
    """So many of `of` comparisons are the `same`."""

    same: int
    of: int


def latest_of(judgements: Sequence[Judgement], by: str) -> dict[str, str]:
    """Return the last label of each picture by a person; `judgements` are in force, oldest first."""
    return {
        each.asset_sha256: str(each.value)
        for each in judgements
        if each.judged_by == by and each.value
    }


def with_oneself(judgements: Sequence[Judgement], by: str) -> Agreement:
    """Compare each label with the one before it that the same person gave the same picture."""
    before: dict[str, str] = {}
    same = of = 0
    for each in judgements:
        if each.judged_by == by and each.value:
            if each.asset_sha256 in before:
                of += 1
                same += before[each.asset_sha256] == each.value
            before[each.asset_sha256] = each.value
    return Agreement(same, of)


def with_other(judgements: Sequence[Judgement], by: str, other: str) -> Agreement:
    """Compare the last labels of two people on the pictures that both have labelled."""
    own, theirs = latest_of(judgements, by), latest_of(judgements, other)
    both = own.keys() & theirs.keys()
    return Agreement(sum(own[sha] == theirs[sha] for sha in both), len(both))


def with_model(judgements: Sequence[Judgement], by: str) -> Agreement:
    """Compare the labels of random pictures with what the model expected before it saw them."""
    random = [
        each for each in judgements
        if each.judged_by == by and each.shown_as == RANDOM and each.predicted is not None
    ]  # fmt: skip
    return Agreement(sum(each.predicted == each.value for each in random), len(random))
