"""Two presses of the shutter are two photographs, however alike; copies without EXIF go with the shot they fit."""

import itertools
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, strategies as st

from curation.duplicates.distinct_shots import are_distinct_shots, separate_shots, shots_of
from curation.splits.connected_groups import component_ids
from tests.curation.duplicates.test_search import Album
from tests.curation.made_pictures import encoded, scene, shaken

NOON = datetime(2026, 1, 2, 12)  # noqa: DTZ001 - EXIF knows no zone


def seconds(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def taken(at: datetime | None, camera: str | None = "nikon d90") -> dict[str, object]:
    return {"taken_at": at, "camera": camera, "serial_sha256": None}


@pytest.mark.parametrize(
    ("other", "is_one"),
    [
        (taken(seconds(0)), True),
        (taken(seconds(2)), False),
        (taken(seconds(-599)), False),
        (taken(seconds(3600)), True),  # a clock set right
        (taken(seconds(2 * 3600)), True),
        (taken(seconds(3600 + 7)), False),
        (taken(seconds(86_400 * 30)), False),
        (taken(seconds(0), camera="nikon d40"), False),
        (taken(seconds(0), camera="d90"), True),  # a part of the name
        (taken(None), True),
        (taken(seconds(2), camera=None), True),
    ],
)
def test_the_same_pixels_are_two_photographs_when_exif_says_so(
    other: dict[str, object], *, is_one: bool
) -> None:
    album = Album()
    picture = scene(5)
    names = {
        album.add(picture, **taken(NOON)),
        album.add(encoded(picture, 60), **other),
    }
    duplicates = album.find()
    assert duplicates.groups.height == (2 if is_one else 0)
    edge = duplicates.edges.filter(pl.col("asset_a").is_in(names))
    assert edge["verdict"].to_list() == ["duplicate" if is_one else "same_scene"]


def test_pictures_with_equal_pixels_lend_each_other_their_exif() -> None:
    album = Album()
    first, second = scene(5), shaken(scene(5), 0.3)
    names = {}
    for name, picture, at in (("one", first, NOON), ("two", second, seconds(2))):
        names[name] = album.add(picture, name=f"9 {name}", **taken(at))
        names[f"{name} bare"] = album.add(picture, name=f"0 {name}", **taken(None))
    groups = dict(album.find().groups.select("asset_sha256", "group_id").iter_rows())
    assert groups[names["one"]] == groups[names["one bare"]]
    assert groups[names["two"]] == groups[names["two bare"]]
    assert groups[names["one"]] != groups[names["two"]]


def test_a_shot_is_lent_to_the_twin_whatever_the_order_of_names() -> None:
    columns = {
        "asset_sha256": ["a", "b", "c"],
        "pixel_sha256": ["p", "p", None],
        "camera": [None, "nikon d90", None],
        "serial_sha256": [None, "1", None],
        "taken_at": [None, NOON, NOON],
    }
    assert shots_of(pl.DataFrame(columns)) == dict.fromkeys("ab", ("nikon d90\n1", NOON))


def test_two_bodies_of_one_model_are_two_photographs() -> None:
    assert are_distinct_shots(("nikon d90\n1", NOON), ("nikon d90\n2", NOON))
    assert not are_distinct_shots(("nikon d90\n1", NOON), ("nikon d90\n", NOON))


def test_a_copy_without_exif_goes_with_the_shot_that_it_fits() -> None:
    shots_by_name = {"a": ("x", seconds(0)), "b": ("x", seconds(3))}
    copies = [(0.12, "a", "c"), (0.02, "b", "c"), (0.03, "a", "d"), (0.04, "c", "d")]
    assert separate_shots(copies, shots_by_name) == [("b", "c"), ("a", "d")]
    assert separate_shots(copies, {}) == [("b", "c"), ("a", "d"), ("c", "d"), ("a", "c")]


@pytest.mark.long
def test_both_shots_stay_with_copies_of_each() -> None:
    album = Album()
    first, second = scene(5), shaken(scene(5), 0.3)  # about 0.2 px of drift: a tripod, or luck
    one, two = album.add(first, **taken(NOON)), album.add(second, **taken(seconds(2)))
    for quality in (95, 90, 80):
        album.add(encoded(first, quality), **taken(None))
        album.add(encoded(second, quality), **taken(None))
    groups = dict(album.find().groups.select("asset_sha256", "group_id").iter_rows())
    assert groups[one] != groups[two], "neither is lost as a copy of the other"
    assert len(groups) == 8
    keepers = album.find().groups.filter("is_keeper")["asset_sha256"]
    assert set(keepers) == {one, two}
    order = list(range(8))
    for batch in album.find_in_batches(order[::-1], 3)[-1:]:
        assert dict(batch.groups.select("asset_sha256", "group_id").iter_rows()) == groups


NAMES = "abcdefgh"


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.2]), *[st.sampled_from(NAMES)] * 2).filter(
            lambda pair: pair[1] < pair[2]
        )
    ),
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)),
    st.randoms(use_true_random=False),
)
def test_no_group_holds_two_shots_in_whatever_order(
    copies: list[tuple[float, str, str]], when: dict[str, int], dice: object
) -> None:
    shots_by_name = {name: ("x", seconds(number)) for name, number in when.items()}
    kept = separate_shots(copies, shots_by_name)
    dice.shuffle(copies)  # type: ignore[attr-defined]
    assert separate_shots(copies, shots_by_name) == kept
    group_of = component_ids(list(NAMES), [], kept)
    for one, other in itertools.combinations(NAMES, 2):
        if group_of[one] == group_of[other]:
            assert not are_distinct_shots(shots_by_name.get(one), shots_by_name.get(other))
    for drift, one, other in copies:  # nothing is dropped without need
        if (one, other) not in kept:
            stronger = [(a, b) for d, a, b in copies if (d, a, b) <= (drift, one, other)]
            ids = component_ids(list(NAMES), [], [pair for pair in stronger if pair in kept])
            sides = [[n for n in NAMES if ids[n] == ids[end]] for end in (one, other)]
            assert any(
                are_distinct_shots(shots_by_name.get(a), shots_by_name.get(b))
                for a, b in itertools.product(*sides)
            )


def test_pictures_without_these_columns_have_no_shots() -> None:
    assert shots_of(pl.DataFrame({"asset_sha256": ["a"]})) == {}


def test_a_crop_of_what_did_not_move_joins_only_one_of_two_shots() -> None:
    copies = [(0.03, "crop", "one"), (0.05, "crop", "two"), (0.1, "two", "toned two")]
    kept = separate_shots(copies, {}, apart=[("one", "two")])
    assert kept == [("crop", "one"), ("two", "toned two")]
    assert separate_shots(copies[::-1], {}, apart=[("two", "one")]) == kept
    assert len(separate_shots(copies, {})) == 3


def test_a_whole_group_stays_apart_from_a_second_shot_of_one_member() -> None:
    copies = [(0.01, "a", "b"), (0.02, "c", "d"), (0.03, "b", "c"), (0.04, "a", "d")]
    assert separate_shots(copies, {}, apart=[("a", "d")]) == [("a", "b"), ("c", "d")]
