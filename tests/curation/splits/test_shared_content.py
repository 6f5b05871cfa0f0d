import cv2
import numpy as np
import pytest

from curation.similarity.neighbours import compact
from curation.similarity.picture_features import FeatureCache, Features
from curation.splits.shared_content import (
    LEAK_INLIERS,
    PART_INLIERS,
    ContentComparison,
    across,
    common_spots,
    neighbour_pairs,
    pairs_across,
    part_pairs,
    parts_of,
)
from tests.curation.made_pictures import scene


def textured(seed: int) -> np.ndarray:
    """Make a picture with many spots, as photographs have."""
    rng = np.random.default_rng(seed)
    blobs = cv2.resize(rng.integers(0, 256, (40, 52, 3), np.uint8), (480, 360))
    return cv2.addWeighted(scene(seed, 480, 360), 0.75, blobs, 0.25, 0)


def vector(picture: np.ndarray) -> np.ndarray:
    small = cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    centred = small - 0.7 * small.mean()
    return np.asarray(centred / np.linalg.norm(centred), np.float32)


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    made = {f"photo {seed}": textured(seed) for seed in range(12)}
    made["collage"] = np.hstack([made["photo 1"], made["photo 2"]])
    made["dark"] = (made["photo 3"] * 0.5).astype(np.uint8)
    return made


def test_a_collage_shares_spots_with_its_parts_and_with_nothing_else(
    pictures: dict[str, np.ndarray],
) -> None:
    collage = Features.of(pictures["collage"])
    spots = [common_spots(collage, Features.of(pictures[f"photo {k}"])) for k in range(6)]
    assert [n >= PART_INLIERS for n in spots] == [False, True, True, False, False, False]
    assert max(spots[0], *spots[3:]) < LEAK_INLIERS


def test_the_parts_of_a_collage_are_cut_at_its_seams(pictures: dict[str, np.ndarray]) -> None:
    boxes = parts_of(Features.of(pictures["collage"]).pixels)
    assert boxes[0][2:] == pytest.approx((0, 0.5), abs=0.02)
    assert parts_of(Features.of(pictures["photo 1"]).pixels) == []
    assert parts_of(np.zeros((320, 240), np.uint8)) == []


def test_an_edge_with_the_same_things_on_both_sides_is_no_seam() -> None:
    rng = np.random.default_rng(1)
    left, other = (
        rng.integers(40, 200, 240).astype(np.uint8)[:, None].repeat(160, 1) for _ in "ab"
    )
    door = np.hstack([left, left + 40])  # the same stripes, lighter: a door in a panelled wall
    wall = np.hstack([left, other])
    assert parts_of(door) == []
    assert parts_of(wall)[0][3] == pytest.approx(0.5, abs=0.01)


def test_pairs_planted_across_a_split_are_reported(pictures: dict[str, np.ndarray]) -> None:
    names = tuple(sorted(pictures))
    vectors = compact(np.stack([vector(pictures[name]) for name in names]))
    side_of = dict.fromkeys(names, "train") | {"collage": "test", "dark": "test", "photo 9": "test"}
    comparison = ContentComparison(FeatureCache(pictures.__getitem__))
    candidates = pairs_across(names, vectors, side_of)
    comparison.shared(candidates, LEAK_INLIERS)
    owners, thumbnails = comparison.part_thumbnails(64)
    assert set(owners) == {"collage"}
    parts = compact(np.stack([vector(part) for part in thumbnails]))
    candidates |= part_pairs(owners, parts, names, vectors, side_of)
    pairs = across(comparison.shared(candidates, LEAK_INLIERS), side_of)
    assert {(pair.a, pair.b) for pair in pairs} == {
        ("collage", "photo 1"),
        ("collage", "photo 2"),
        ("dark", "photo 3"),
    }


def test_a_pair_is_compared_once_and_earlier_pairs_never(pictures: dict[str, np.ndarray]) -> None:
    loaded: list[str] = []

    def load(name: str) -> np.ndarray:
        loaded.append(name)
        return pictures[name]

    comparison = ContentComparison(FeatureCache(load), {("photo 1", "photo 2"): 99})
    pair = {("photo 1", "photo 2"): 0.8}
    assert [each.inliers for each in comparison.shared(pair, LEAK_INLIERS)] == [99]
    assert loaded == []
    other = {("collage", "photo 1"): 0.7}
    comparison.shared(other, LEAK_INLIERS)
    comparison.shared(other, LEAK_INLIERS)
    assert loaded == ["collage", "photo 1"]
    assert comparison.new.keys() == other.keys()


def test_no_more_pairs_are_compared_than_asked_for_and_the_rest_is_counted(
    pictures: dict[str, np.ndarray],
) -> None:
    comparison = ContentComparison(FeatureCache(pictures.__getitem__), most_pairs=2)
    pairs = {("collage", "photo 1"): 0.7, ("collage", "photo 2"): 0.6, ("collage", "photo 3"): 0.5}
    comparison.shared(pairs, LEAK_INLIERS)
    assert set(comparison.new) == {("collage", "photo 1"), ("collage", "photo 2")}
    assert comparison.n_skipped == 1


def test_no_neighbours_among_no_pictures() -> None:
    none = np.zeros(0, np.int64)
    assert neighbour_pairs((), np.zeros((0, 256), np.int8), none, none) == {}
