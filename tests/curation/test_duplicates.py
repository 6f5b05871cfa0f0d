import hashlib

import numpy as np
import polars as pl
import pytest

from catalog import TABLES
from curation.duplicates import Duplicates, find_duplicates
from curation.pdq import luma_of, pdq
from tests.curation.made_pictures import Picture, cropped, encoded, scaled, scene, shaken, toned


def sha(picture: Picture) -> str:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


def vector(picture: Picture) -> list[float]:
    """A stand-in for the network that edits hardly change: which scene it is, and a little of its tone."""
    found = np.concatenate(
        [np.full(1, 0.3), luma_of(scaled(picture, 8 / picture.shape[1]))[:4, :8].ravel()]
    )
    found = found - found.mean()
    return (found / np.linalg.norm(found)).tolist()


class Album:
    """Named pictures with the columns that duplicates need."""

    def __init__(self) -> None:
        self.pictures: dict[str, Picture] = {}
        self.rows: list[dict[str, object]] = []

    def add(self, picture: Picture, **known: object) -> str:
        picture = np.ascontiguousarray(picture)
        name = sha(picture) if "name" not in known else str(known.pop("name"))
        found = pdq(luma_of(picture))
        self.pictures[name] = picture
        row = {
            "asset_sha256": name,
            "pixel_sha256": sha(picture),
            "value": found.hex,
            "quality": found.quality,
            "vector": vector(picture),
            "decode_status": "ok",
            "has_valid_exif": 3,
            "detail_energy": 0.1,
            "width": picture.shape[1],
            "height": picture.shape[0],
            "jpeg_quality": 80,
            "taken_at": None,
            "first_seen": 20260101,
        }
        self.rows.append(row | known)
        return name

    def find(self, order: list[int] | None = None) -> Duplicates:
        kinds = {"taken_at": pl.Int64, "vector": pl.List(pl.Float32)}
        frame = pl.DataFrame(self.rows, schema_overrides=kinds)
        return find_duplicates(frame[order] if order else frame, self.pictures.__getitem__)


@pytest.fixture(scope="module")
def album() -> Album:
    """Three scenes: one with five copies, one with a second shot, one alone."""
    made = Album()
    first, second = scene(31), scene(32)
    made.add(first, name="original", jpeg_quality=95)
    made.add(first, name="same pixels", has_valid_exif=0)
    made.add(encoded(first, 60), name="encoded")
    made.add(scaled(first, 0.6), name="small")
    made.add(cropped(first, 0.85), name="crop")
    made.add(toned(first[:, ::-1], 1.3), name="mirror")
    made.add(second, name="shot 1")
    made.add(shaken(second), name="shot 2")
    made.add(scene(33), name="alone")
    return made


@pytest.fixture(scope="module")
def found(album: Album) -> Duplicates:
    return album.find()


def test_copies_are_grouped_and_second_shots_are_not(found: Duplicates) -> None:
    members = found.groups["asset_sha256"].to_list()
    assert sorted(members) == ["crop", "encoded", "mirror", "original", "same pixels", "small"]
    assert set(found.groups["group_id"]) == {"crop"}
    assert found.groups.filter("is_keeper")["asset_sha256"].to_list() == ["original"]


def test_second_shots_are_kept_as_the_same_scene(found: Duplicates) -> None:
    scenes = found.edges.filter(pl.col("verdict") == "same_scene")
    assert scenes.select("asset_a", "asset_b").rows() == [("shot 1", "shot 2")]


def test_every_member_says_what_ties_it(found: Duplicates) -> None:
    method = dict(found.groups.select("asset_sha256", "method").iter_rows())
    assert method["same pixels"] == method["original"] == "pixels"
    assert method["encoded"] == "pdq"
    assert found.groups["similarity"].is_between(0.6, 1).all()


def test_tables_have_the_columns_of_the_catalog(found: Duplicates) -> None:
    for name, table in (("duplicate_edges", found.edges), ("duplicate_groups", found.groups)):
        assert table.columns == [each for each in TABLES[name].schema.names if each != "run_id"]
    kinds = {field.name: field.type for field in TABLES["duplicate_edges"].schema}
    for field in found.edges.to_arrow().schema:
        assert str(field.type).removeprefix("large_") == str(kinds[field.name])


def test_edges_are_ordered_pairs_named_once(found: Duplicates) -> None:
    pairs = found.edges.select("asset_a", "asset_b").rows()
    assert all(a < b for a, b in pairs)
    assert pairs == sorted(set(pairs))


def test_the_order_of_the_pictures_does_not_matter(album: Album, found: Duplicates) -> None:
    order = np.random.default_rng(0).permutation(len(album.rows)).tolist()
    again = album.find(order)
    assert again.edges.equals(found.edges)
    assert again.groups.equals(found.groups)


def test_pairs_that_are_joined_already_are_not_compared(found: Duplicates) -> None:
    copies = found.edges.filter(pl.col("verdict") == "duplicate")
    assert copies.height < 6 * 5 / 2


def test_pictures_without_hash_or_vector_take_part_by_their_pixels_only() -> None:
    made = Album()
    picture = scene(34)
    made.add(picture, name="a", value=None, quality=None, vector=None)
    made.add(picture, name="b", value=None, quality=None, vector=None)
    made.add(
        encoded(picture, 50), name="c", pixel_sha256=None, value=None, quality=None, vector=None
    )
    found = made.find()
    assert found.groups["asset_sha256"].to_list() == ["a", "b"]


def test_one_picture_or_none_has_no_copies() -> None:
    made = Album()
    made.add(scene(35), name="a")
    for some in (made.find(), find_duplicates(pl.DataFrame(made.rows).clear(), made.pictures.get)):
        assert some.edges.is_empty()
        assert some.groups.is_empty()


def test_a_chain_of_crops_is_held_together_by_its_hub() -> None:
    """Members far from the hub are compared with it before the group is taken apart."""
    made = Album()
    picture = scene(36, 480, 360)
    for step in range(5):
        made.add(cropped(picture, 1 - 0.03 * step), name=f"{step}")
    assert made.find().groups["group_id"].to_list() == ["0"] * 5
