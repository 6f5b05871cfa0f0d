import logging

import pytest
from hypothesis import given, strategies as st

from curation.duplicates.grouping import BLOCK, WARN, Bridge, group, missing_pairs

names = st.integers(0, 14).map(lambda number: f"p{number:02}")
pairs = st.lists(st.tuples(names, names), max_size=40)


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_does_not_matter(
    found: list[tuple[str, str]], random: object
) -> None:
    shuffled = [pair[::-1] if random.random() < 0.5 else pair for pair in found]
    random.shuffle(shuffled)
    assert group(shuffled) == group(found)
    assert missing_pairs(shuffled) == missing_pairs(found)


@given(pairs)
def test_every_member_is_at_most_two_pairs_from_the_hub(found: list[tuple[str, str]]) -> None:
    links = {frozenset(pair) for pair in found if pair[0] != pair[1]}
    visited: set[str] = set()
    for each in group(found).copies:
        members = set(each.members)
        assert not members & visited
        visited |= members
        assert len(members) > 1
        assert each.group_id == min(members)
        near = {each.hub} | {name for name in members if frozenset((name, each.hub)) in links}
        assert all(
            name in near or any(frozenset((name, other)) in links for other in near)
            for name in members
        )


@given(pairs)
def test_verifying_what_is_missing_keeps_everything_together(found: list[tuple[str, str]]) -> None:
    mended = list(found)
    while more := missing_pairs(mended):
        mended += more
    parts = group(mended)
    assert parts.bridges == []
    joined = {frozenset(each.members) for each in parts.copies}
    assert all(
        sum(set(pair) <= part for part in joined) == 1 for pair in found if pair[0] != pair[1]
    )


def test_a_chain_is_taken_apart() -> None:
    chain = [(f"{i}", f"{i + 1}") for i in range(6)]
    assert [each.members for each in group(chain).copies] == [
        ("0", "1"),
        ("2", "3", "4"),
        ("5", "6"),
    ]
    assert {("1", "4"), ("1", "5"), ("1", "6")} <= set(missing_pairs(chain))


def test_a_picture_does_not_join_two_groups_by_itself() -> None:
    two = [("a1", "a2"), ("a2", "a3"), ("b1", "b2"), ("x", "a2"), ("x", "b1"), ("x", "lone")]
    grouping = group(two)
    assert [each.members for each in grouping.copies] == [
        ("a1", "a2", "a3", "lone", "x"),
        ("b1", "b2"),
    ]
    assert Bridge("x", ("a2", "b1")) in grouping.bridges
    assert ("a2", "b1") in missing_pairs(two)
    settled = group([*two, ("a2", "b1")])
    assert len(settled.copies) == 1


def test_pictures_with_equal_pixels_are_one_witness() -> None:
    star = [("a", "x"), ("b", "x"), ("c", "x")]
    grouping = group(star, twins=[("a", "a2"), ("b", "b2"), ("z", "z2")])
    assert [each.members for each in grouping.copies] == [
        ("a", "a2", "b", "b2", "c", "x"),
        ("z", "z2"),
    ]
    assert grouping.bridges == []


def test_huge_groups_are_boilerplate_and_large_ones_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        grouping = group([("logo", f"{i:04}") for i in range(BLOCK)])
        assert len(group([("a", f"{i:04}") for i in range(WARN)]).copies) == 1
    assert grouping.copies == []
    assert [(each.hub, len(each.members)) for each in grouping.boilerplate] == [("logo", BLOCK + 1)]
    assert "boilerplate" in caplog.text
    assert "51 copies" in caplog.text


def test_strong_pairs_make_no_bridge_and_no_far_member() -> None:
    two = [("a1", "a2"), ("b1", "b2"), ("a2", "x"), ("x", "b1")]
    assert len(group(two).copies) == 2
    assert [each.members for each in group(two, strong={("a2", "x"), ("x", "b1")}).copies] == [
        ("a1", "a2", "b1", "b2", "x")
    ]
    assert group(two, strong={("a2", "x")}).bridges == group(two).bridges
    assert missing_pairs(two, {("a2", "x"), ("x", "b1")}) == []
    chain = [(str(i), str(i + 1)) for i in range(6)]
    assert len(group(chain, strong=set(chain)).copies) == 1
