import random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.components import component_ids
from curation.splits import group_split, random_split

SHARES = (0.7, 0.15, 0.15)
SCHEMA = {
    "asset_sha256": pl.String,
    "scene_id": pl.String,
    "camera": pl.String,
    "photographer": pl.String,
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
    found = group_split(table, SHARES, seed)
    placed = table.with_columns(split=pl.col("asset_sha256").replace_strict(found.split))
    for key in ("scene_id", *found.grouped_by):
        known = placed.filter(pl.col(key).is_not_null())
        sides = known.group_by(key).agg(pl.col("split").n_unique())["split"]
        assert set(sides) <= {1}


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.randoms())
def test_the_order_of_rows_does_not_matter(seed: int, rng: random.Random) -> None:
    table = items(80, seed=seed)
    order = list(range(80))
    rng.shuffle(order)
    assert group_split(table, SHARES, seed) == group_split(table[order], SHARES, seed)


def test_shares_and_classes_are_met() -> None:
    found = group_split(items(600, cameras=60), SHARES, 0)
    train, validation, test = shares_of(found.split)
    assert abs(train - 0.7) < 0.03
    assert abs(validation - 0.15) < 0.03
    assert abs(test - 0.15) < 0.03
    assert found.warnings == []
    assert found.grouped_by == ("photographer", "camera")


def test_a_huge_camera_goes_to_train() -> None:
    table = items(300, cameras=40).with_columns(
        camera=pl.when(pl.col("asset_sha256") < "0120").then(pl.lit("huge")).otherwise("camera")
    )
    found = group_split(table, SHARES, 0)
    assert {found.split[f"{index:04d}"] for index in range(120)} == {"train"}


def test_photographers_that_knit_all_cameras_together_are_given_up_aloud() -> None:
    found = group_split(items(200, cameras=12, photographers=3), SHARES, 0)
    assert found.grouped_by == ("camera",)
    assert "photographer is given up" in found.warnings[0]


def test_one_camera_alone_leaves_only_scenes_to_group_by() -> None:
    table = items(60).with_columns(camera=pl.lit("only one"))
    found = group_split(table, SHARES, 0)
    assert found.grouped_by == ()
    assert "camera is given up" in found.warnings[-1] or "camera is given up" in found.warnings[1]
    assert min(shares_of(found.split)) > 0.05


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
    found = group_split(table, SHARES, 0, previous={"0000": "test", "0001": "train"})
    assert {found.split[f"{index:04d}"] for index in range(4)} == {"train"}
    assert any("moves to train" in warning for warning in found.warnings)


def test_a_class_that_a_split_lacks_is_named() -> None:
    table = items(40, cameras=10).with_columns(
        iso_bin=pl.when(pl.col("asset_sha256") == "0007").then(2).otherwise(0).cast(pl.Int32)
    )
    found = group_split(table, SHARES, 0)
    assert any("iso class 2" in warning for warning in found.warnings)


def test_nothing_to_split_gives_nothing() -> None:
    found = group_split(items(0), SHARES, 0)
    assert found.split == {}
    assert found.warnings[-1] == "no group could be given to test"


def test_the_random_split_depends_on_seed_and_picture_only() -> None:
    names = [f"{index:04d}" for index in range(2000)]
    found = dict(zip(names, random_split(names, SHARES, 1), strict=True))
    turned = dict(zip(names[::-1], random_split(names[::-1], SHARES, 1), strict=True))
    assert found == turned
    assert found != dict(zip(names, random_split(names, SHARES, 2), strict=True))
    assert abs(shares_of(found)[0] - 0.7) < 0.04


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
