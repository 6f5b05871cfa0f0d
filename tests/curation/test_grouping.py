import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.grouping import BLOCK, WARN, far_from_hub, group

names = st.integers(0, 14).map(lambda number: f"p{number:02}")
pairs = st.lists(st.tuples(names, names), max_size=40)


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_does_not_matter(
    found: list[tuple[str, str]], random: object
) -> None:
    shuffled = [pair[::-1] if random.random() < 0.5 else pair for pair in found]
    random.shuffle(shuffled)
    assert group(shuffled) == group(found)
    assert far_from_hub(shuffled) == far_from_hub(found)


@given(pairs)
def test_every_member_is_at_most_two_pairs_from_the_hub(found: list[tuple[str, str]]) -> None:
    links = {frozenset(pair) for pair in found if pair[0] != pair[1]}
    seen: set[str] = set()
    for each in group(found):
        members = set(each.members)
        assert not members & seen
        seen |= members
        assert len(members) > 1
        assert each.group_id == min(members)
        near = {each.hub} | {name for name in members if frozenset((name, each.hub)) in links}
        assert all(
            name in near or any(frozenset((name, other)) in links for other in near)
            for name in members
        )


@given(pairs)
def test_verifying_what_is_far_from_the_hub_keeps_a_chain_together(
    found: list[tuple[str, str]],
) -> None:
    mended = found + far_from_hub(found)
    parts = group(mended)
    joined = {frozenset(each.members) for each in parts}
    assert all(
        sum(set(pair) <= part for part in joined) == 1 for pair in found if pair[0] != pair[1]
    )


def test_a_chain_is_taken_apart() -> None:
    chain = [(f"{i}", f"{i + 1}") for i in range(6)]
    assert [each.members for each in group(chain)] == [("0", "1", "2", "3"), ("4", "5", "6")]
    assert far_from_hub(chain) == [("1", "4"), ("1", "5"), ("1", "6")]


def test_huge_groups_are_boilerplate_and_large_ones_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert group([("logo", f"{i:04}") for i in range(BLOCK)]) == []
        assert len(group([("a", f"{i:04}") for i in range(WARN)])) == 1
    assert "boilerplate" in caplog.text
    assert "51 copies" in caplog.text
