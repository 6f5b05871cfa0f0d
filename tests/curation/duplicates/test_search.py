import hashlib
import json
from datetime import datetime

import numpy as np
import polars as pl
import pytest

from catalog import TABLES
from curation.duplicates.grouping import Bridge, Group
from curation.duplicates.index import SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.search import (
    Duplicates,
    compare,
    descriptors_of,
    distinct,
    find_duplicates,
)
from curation.duplicates.verification import Verifier
from curation.run.catalog_duplicates import boilerplate_hubs, issue_rows
from curation.similarity.pdq import luma_of, pdq
from curation.similarity.picture_features import FeatureCache
from tests.curation.made_pictures import Picture, cropped, encoded, scaled, scene, shaken, toned


def sha(picture: Picture) -> str:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


def vector(picture: Picture) -> list[float]:
    """A stand-in for the network that edits hardly change: which scene it is, and a little of its tone."""
    pixels = np.concatenate(
        [np.full(1, 0.3), luma_of(scaled(picture, 8 / picture.shape[1]))[:4, :8].ravel()]
    )
    pixels = pixels - pixels.mean()
    return (pixels / np.linalg.norm(pixels)).tolist()


class Album:
    """Named pictures with the columns that duplicates need."""

    def __init__(self) -> None:
        self.pictures: dict[str, Picture] = {}
        self.rows: list[dict[str, object]] = []

    def add(self, picture: Picture, **columns: object) -> str:
        picture = np.ascontiguousarray(picture)
        name = sha(picture) if "name" not in columns else str(columns.pop("name"))
        hashed = pdq(luma_of(picture))
        self.pictures[name] = picture
        row = {
            "asset_sha256": name,
            "pixel_sha256": sha(picture),
            "value": hashed.hex,
            "quality": hashed.quality,
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
        self.rows.append(row | columns)
        return name

    def find(self, order: list[int] | None = None) -> Duplicates:
        frame = self.frame()
        return find_duplicates(frame[order] if order else frame, self.pictures.__getitem__)

    def frame(self) -> pl.DataFrame:
        kinds = {"taken_at": pl.Datetime("us"), "vector": pl.List(pl.Float32)}
        return pl.DataFrame(self.rows, schema_overrides=kinds)

    def find_in_batches(self, order: list[int], step: int) -> list[Duplicates]:
        """Search after each batch, with the index and the pairs that the batches before have left."""
        limits, results = DuplicateLimits(), []
        index, edges = SimilarityIndex.empty(limits.candidates), None
        for end in range(step, len(order) + step, step):
            batch = self.frame()[order[:end]]
            pictures = distinct(batch)
            names, indexed = set(pictures["asset_sha256"]), set(index.pictures.names)
            new = pictures.filter(~pl.col("asset_sha256").is_in(indexed))
            index = index.updated(descriptors_of(new), indexed - names)
            verifier = Verifier(FeatureCache(self.pictures.__getitem__))
            results.append(
                compare(batch, index, verifier, limits, earlier_edges=edges, compared_by="x")
            )
            new_edges = results[-1].edges.filter(pl.col("compared_by") == "x")
            edges = (
                pl.concat([edges, new_edges]).unique(["asset_a", "asset_b"])
                if edges is not None
                else new_edges
            )
        return results


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
def duplicates(album: Album) -> Duplicates:
    return album.find()


def test_copies_are_grouped_and_second_shots_are_not(duplicates: Duplicates) -> None:
    members = duplicates.groups["asset_sha256"].to_list()
    assert sorted(members) == ["crop", "encoded", "mirror", "original", "same pixels", "small"]
    assert set(duplicates.groups["group_id"]) == {"crop"}
    assert duplicates.groups.filter("is_keeper")["asset_sha256"].to_list() == ["original"]


def test_second_shots_are_kept_as_the_same_scene(duplicates: Duplicates) -> None:
    scenes = duplicates.edges.filter(pl.col("verdict") == "same_scene")
    assert scenes.select("asset_a", "asset_b").rows() == [("shot 1", "shot 2")]


def test_every_member_says_what_ties_it(duplicates: Duplicates) -> None:
    method = dict(duplicates.groups.select("asset_sha256", "method").iter_rows())
    assert method["same pixels"] == method["original"] == "pixels"
    assert method["encoded"] == "pdq"
    assert duplicates.groups["similarity"].is_between(0.6, 1).all()


def test_tables_have_the_columns_of_the_catalog(duplicates: Duplicates) -> None:
    for name, table in (
        ("duplicate_edges", duplicates.edges),
        ("duplicate_groups", duplicates.groups),
    ):
        assert table.columns == [each for each in TABLES[name].schema.names if each != "run_id"]
    kinds = {field.name: field.type for field in TABLES["duplicate_edges"].schema}
    for field in duplicates.edges.to_arrow().schema:
        assert str(field.type).removeprefix("large_") == str(kinds[field.name])


def test_edges_are_ordered_pairs_named_once(duplicates: Duplicates) -> None:
    pairs = duplicates.edges.select("asset_a", "asset_b").rows()
    assert all(a < b for a, b in pairs)
    assert pairs == sorted(set(pairs))


def test_the_order_of_the_pictures_does_not_matter(album: Album, duplicates: Duplicates) -> None:
    order = np.random.default_rng(0).permutation(len(album.rows)).tolist()
    again = album.find(order)
    assert again.edges.equals(duplicates.edges)
    assert again.groups.equals(duplicates.groups)


@pytest.mark.parametrize("seed", range(5))
def test_batches_in_any_order_come_to_the_same(
    album: Album, duplicates: Duplicates, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(album.rows)).tolist()
    last = album.find_in_batches(order, step=2 + seed % 3)[-1]
    same = [name for name in duplicates.edges.columns if name != "compared_by"]
    assert last.edges.select(same).equals(duplicates.edges.select(same))
    assert last.groups.equals(duplicates.groups)


def test_only_new_pairs_are_looked_at(album: Album, duplicates: Duplicates) -> None:
    names = [str(row["asset_sha256"]) for row in album.rows]
    order = [*range(len(names)), names.index("alone")]
    order.remove(names.index("alone"))
    first, second = album.find_in_batches(order, step=len(names) - 1)
    assert first.n_compared == duplicates.n_compared - second.n_compared
    assert 0 <= second.n_compared < first.n_compared
    again = album.find_in_batches(order * 1, step=len(names))
    assert again[0].n_compared == duplicates.n_compared


def test_edges_say_their_class(duplicates: Duplicates) -> None:
    classes = {
        (row["found_by"] == "pixels", row["verdict"]): row["edge_class"]
        for row in duplicates.edges.iter_rows(named=True)
    }
    assert classes[True, "duplicate"] == "identical"
    assert classes[False, "duplicate"] == "copy"
    assert classes[False, "same_scene"] == "same_scene"
    assert classes.get((False, "different")) is None


def test_bridges_and_boilerplate_become_issues_for_people() -> None:
    duplicates = Duplicates(
        pl.DataFrame(),
        pl.DataFrame(),
        bridges=[Bridge("x", ("a", "b"))],
        boilerplate=[Group(("l", "m", "n"), "m")],
    )
    rows = issue_rows(duplicates, "run", datetime(2026, 1, 1))  # noqa: DTZ001 - as in the catalog
    assert [(row["kind"], row["asset_sha256"]) for row in rows] == [
        ("bridged_groups", "x"),
        ("boilerplate", "m"),
    ]
    assert set(rows[0]) == set(TABLES["issues"].schema.names)
    assert json.loads(str(rows[0]["detail"])) == {"pieces": ["a", "b"]}
    assert len({row["issue_id"] for row in rows}) == 2
    assert boilerplate_hubs(duplicates.boilerplate) == {"l": "m", "m": "m", "n": "m"}


def test_pairs_that_are_joined_already_are_not_compared(duplicates: Duplicates) -> None:
    copies = duplicates.edges.filter(pl.col("verdict") == "duplicate")
    assert copies.height < 6 * 5 / 2


def test_pictures_without_hash_or_vector_take_part_by_their_pixels_only() -> None:
    made = Album()
    picture = scene(34)
    made.add(picture, name="a", value=None, quality=None, vector=None)
    made.add(picture, name="b", value=None, quality=None, vector=None)
    made.add(
        encoded(picture, 50), name="c", pixel_sha256=None, value=None, quality=None, vector=None
    )
    duplicates = made.find()
    assert duplicates.groups["asset_sha256"].to_list() == ["a", "b"]


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


def test_copies_of_which_no_candidate_tells_are_found_over_another_copy() -> None:
    """One crop is a candidate of the photograph, by these vectors; the other only of that crop, which shows less."""
    whole = scene(61)
    width = whole.shape[1]
    made = Album()
    for name, picture, towards in (
        ("whole", whole, (1.0, 0.0, 0.0)),
        ("encoded", encoded(whole, 70), (0.0, 0.0, 1.0)),
        ("left", whole[:, : round(0.72 * width)], (0.7, 0.714, 0.0)),
        ("right", whole[:, round(0.28 * width) :], (0.1, 0.995, 0.0)),
    ):
        made.add(picture, name=name, vector=[*towards, *([0.0] * 30)])
    found = made.find()
    assert set(found.groups["asset_sha256"]) == {"whole", "encoded", "left", "right"}
    verdicts = {
        (a, b): verdict
        for a, b, verdict in found.edges.select("asset_a", "asset_b", "verdict").iter_rows()
    }
    assert verdicts["left", "right"] == "same_scene"
    assert verdicts["right", "whole"] == "duplicate"
