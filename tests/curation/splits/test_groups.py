import json
import random

import polars as pl
from hypothesis import given, settings, strategies as st

from curation.splits.connected_groups import component_ids
from curation.splits.groups import group_split, random_split

SHARES = (0.7, 0.15, 0.15)
SCHEMA = {
    "asset_sha256": pl.String,
    "scene_id": pl.String,
    "camera": pl.String,
    "photographer": pl.String,
    "session": pl.String,
    "person": pl.String,
    "f_number_bin": pl.Int32,
    "iso_bin": pl.Int32,
    "exposure_time_bin": pl.Int32,
}


def items(
    n: int, cameras: int = 20, photographers: int | None = None, seed: int = 0
) -> pl.DataFrame:
    rng = random.Random(seed)
    rows = []
    for index in range(n):
        camera = rng.randrange(cameras)
        rows.append(
            {
                "asset_sha256": f"{index:04d}",
                "scene_id": f"{index:04d}",
                "camera": None if camera == 0 else f"camera {camera}",
                "photographer": None
                if photographers is None
                else str(rng.randrange(photographers)),
                "session": f"camera {camera}, hour {index // 30}" if camera else None,
                "person": f"person {index}" if index % 2 else None,
                "f_number_bin": rng.choice([0, 1, 2]),
                "iso_bin": rng.choice([0, 0, 0, 1, 2]),
                "exposure_time_bin": rng.choice([0, 1, 2, None]),
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def shares_of(split: dict[str, str]) -> list[float]:
    places = list(split.values())
    return [places.count(name) / len(places) for name in ("train", "validation", "test")]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(30, 120), st.integers(4, 30))
def test_no_camera_or_scene_is_in_two_splits(seed: int, n: int, cameras: int) -> None:
    table = items(n, cameras, seed=seed).with_columns(
        scene_id=pl.col("asset_sha256").str.slice(0, 3)  # ten pictures in a scene
        if seed % 2 == 0
        else pl.col("asset_sha256")
    )
    splits = group_split(table, SHARES, seed)
    placed = table.with_columns(split=pl.col("asset_sha256").replace_strict(splits.split))
    for key in ("scene_id", *splits.grouped_by):
        existing = placed.filter(pl.col(key).is_not_null())
        sides = existing.group_by(key).agg(pl.col("split").n_unique())["split"]
        assert set(sides) <= {1}


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.randoms())
def test_the_order_of_rows_does_not_matter(seed: int, rng: random.Random) -> None:
    table = items(80, seed=seed)
    order = list(range(80))
    rng.shuffle(order)
    assert group_split(table, SHARES, seed) == group_split(table[order], SHARES, seed)


def test_shares_and_classes_are_met() -> None:
    splits = group_split(items(600, cameras=60), SHARES, 0)
    train, validation, test = shares_of(splits.split)
    assert abs(train - 0.7) < 0.03
    assert abs(validation - 0.15) < 0.03
    assert abs(test - 0.15) < 0.03
    assert splits.warnings == []
    assert splits.grouped_by == ("photographer", "camera", "session", "person")


def test_a_huge_camera_goes_to_train() -> None:
    table = items(300, cameras=40).with_columns(
        camera=pl.when(pl.col("asset_sha256") < "0120").then(pl.lit("huge")).otherwise("camera")
    )
    splits = group_split(table, SHARES, 0)
    assert {splits.split[f"{index:04d}"] for index in range(120)} == {"train"}


def test_photographers_that_knit_all_cameras_together_are_given_up_aloud() -> None:
    splits = group_split(items(200, cameras=12, photographers=3), SHARES, 0)
    assert splits.grouped_by == ("camera", "session", "person")
    assert "photographer is given up" in splits.warnings[0]


def test_one_camera_alone_leaves_only_scenes_to_group_by() -> None:
    table = items(60).with_columns(camera=pl.lit("only one"))
    splits = group_split(table, SHARES, 0)
    assert splits.grouped_by == ("session", "person")
    assert "camera is given up" in splits.warnings[-1] or "camera is given up" in splits.warnings[1]
    assert min(shares_of(splits.split)) > 0.05


def test_an_earlier_release_decides_for_its_pictures_and_their_groups() -> None:
    table = items(200)
    old = table.head(150)
    before = group_split(old, SHARES, 0).split
    after = group_split(table, SHARES, 99, previous=before)
    assert {sha: after.split[sha] for sha in before} == before
    assert after.n_inherited == 150


def test_a_group_with_a_past_on_both_sides_moves_to_train() -> None:
    table = items(40).with_columns(
        camera=pl.when(pl.col("asset_sha256") < "0004").then(pl.lit("a")).otherwise("camera")
    )
    splits = group_split(table, SHARES, 0, previous={"0000": "test", "0001": "train"})
    assert {splits.split[f"{index:04d}"] for index in range(4)} == {"train"}
    assert any("moves to train" in warning for warning in splits.warnings)


@st.composite
def growing(draw: st.DrawFn) -> tuple[pl.DataFrame, list[int]]:
    """Draw pictures whose few scenes, cameras and persons tie them together, and how many each step has."""
    n = draw(st.integers(4, 40))
    name = st.one_of(st.none(), st.integers(0, n).map(str))
    rows = [
        {
            "asset_sha256": f"{index:04d}",
            "scene_id": str(draw(st.integers(0, 2 * n))),
            "camera": draw(name),
            "person": draw(name),
            "iso_bin": draw(st.sampled_from([0, 1, 2, None])),
        }
        for index in draw(st.permutations(range(n)))
    ]
    steps = sorted({draw(st.integers(1, n)), draw(st.integers(1, n)), n})
    return pl.DataFrame(rows, schema=SCHEMA), steps


@settings(deadline=None, max_examples=60)
@given(growing())
def test_adding_pictures_changes_an_old_split_only_where_groups_of_two_splits_join(
    drawn: tuple[pl.DataFrame, list[int]],
) -> None:
    table, steps = drawn
    before: dict[str, str] = {}
    for n in steps:
        splits = group_split(table.head(n), SHARES, 0, previous=before)
        changed = {sha for sha, side in before.items() if splits.split[sha] != side}
        for sha in changed:
            sides = {before[old] for old in before if splits.group[old] == splits.group[sha]}
            assert len(sides) > 1
            assert splits.split[sha] == "train"
        assert set(splits.moved) == changed
        assert all(json.loads(text)["to"] == "train" for text in splits.moved.values())
        before = splits.split


def test_a_moved_picture_says_from_where_and_what_its_group_was_tied_to() -> None:
    table = items(3, seed=1).with_columns(
        scene_id=pl.lit("one"), camera=pl.lit(None, pl.String), session=pl.lit(None, pl.String)
    )
    splits = group_split(table, SHARES, 0, previous={"0000": "test", "0001": "validation"})
    output = {sha: json.loads(text) for sha, text in splits.moved.items()}
    assert output["0000"]["from"] == "test"
    assert output["0000"]["tied_to"] == {"validation": "0001"}
    assert set(splits.split.values()) == {"train"}
    assert "0002" not in output


def test_a_better_copy_follows_the_picture_that_it_stands_for() -> None:
    table = items(60, cameras=60)
    for side in ("train", "validation", "test"):
        splits = group_split(table, SHARES, 0, previous={"gone": side}, scene_of={"gone": "0007"})
        assert splits.split["0007"] == side


def test_a_class_that_a_split_lacks_is_named() -> None:
    table = items(40, cameras=10).with_columns(
        iso_bin=pl.when(pl.col("asset_sha256") == "0007").then(2).otherwise(0).cast(pl.Int32)
    )
    splits = group_split(table, SHARES, 0)
    assert any("iso high" in warning for warning in splits.warnings)


def test_nothing_to_split_gives_nothing() -> None:
    splits = group_split(items(0), SHARES, 0)
    assert splits.split == {}
    assert splits.warnings[-1] == "no group could be given to test"


def test_the_random_split_depends_on_seed_and_picture_only() -> None:
    names = [f"{index:04d}" for index in range(2000)]
    splits = dict(zip(names, random_split(names, SHARES, 1), strict=True))
    turned = dict(zip(names[::-1], random_split(names[::-1], SHARES, 1), strict=True))
    assert splits == turned
    assert splits != dict(zip(names, random_split(names, SHARES, 2), strict=True))
    assert abs(shares_of(splits)[0] - 0.7) < 0.04


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12), st.randoms())
def test_components_do_not_depend_on_the_order_of_edges(
    pairs: list[tuple[int, int]], rng: random.Random
) -> None:
    names = [str(number) for number in range(10)]
    edges = [(str(a), str(b)) for a, b in pairs]
    before = component_ids(names, edges=edges)
    rng.shuffle(names)
    rng.shuffle(edges)
    assert component_ids(names, edges=edges) == before
    assert all(before[a] == before[b] for a, b in edges)
