import numpy as np
import pytest

from curation.similarity import alignment
from curation.similarity.alignment import fit_by_features, fit_whole
from curation.similarity.picture_features import Colours, Features, ncc
from tests.curation.made_pictures import cropped, encoded, framed, scaled, scene, shaken


def test_every_orientation_of_the_whole_is_found() -> None:
    picture = scene(1)
    one = Features.of(picture)
    for turns in range(4):
        for view in (np.rot90(picture, turns), np.rot90(picture[:, ::-1], turns)):
            fit = fit_whole(one, Features.of(np.ascontiguousarray(view)))
            assert fit.ncc > 0.98
            assert fit.drift_px < 0.2


def test_a_crop_is_aligned_with_the_place_it_was_cut_from() -> None:
    picture = scene(2)
    one = Features.of(picture)
    fit = fit_by_features(one, Features.of(encoded(scaled(cropped(picture, 0.8), 1.3), 60)), 12)
    assert fit.inliers >= 12
    assert fit.ncc > 0.97
    assert fit.drift_px < 0.15
    assert fit.overlap == pytest.approx(0.64 + 0.04, abs=0.06)


def test_a_mirrored_crop_is_aligned_without_a_second_detection() -> None:
    picture = scene(3)
    mirrored = np.ascontiguousarray(cropped(picture, 0.8)[:, ::-1])
    assert fit_by_features(Features.of(picture), Features.of(mirrored), 12).detail_ncc > 0.9


def test_mirrored_keypoints_are_those_of_the_mirrored_picture() -> None:
    picture = scene(4)
    one, two = Features.of(picture), Features.of(np.ascontiguousarray(picture[:, ::-1]))
    derived, detected = one.keypoints.mirrored(one.grey.shape[1]), two.keypoints
    nearest = detected.descriptors @ derived.descriptors.T
    close = np.linalg.norm(derived.points[nearest.argmax(axis=1)] - detected.points, axis=1)
    assert np.mean(close < 2) > 0.7


def test_drift_tells_a_second_shot_from_a_copy() -> None:
    picture = scene(5)
    one = Features.of(picture)
    copy = fit_whole(one, Features.of(encoded(picture, 40)))
    second = fit_whole(one, Features.of(shaken(picture)))
    assert second.ncc > 0.9  # correlation alone would take it for a copy
    assert copy.drift_px < 0.2
    assert second.drift_px > 0.3


def test_a_frame_is_removed() -> None:
    picture = scene(6)
    inside = Features.of(framed(picture))
    assert inside.is_framed
    assert not Features.of(picture).is_framed
    assert fit_whole(Features.of(picture), inside).ncc > 0.97


def test_plain_and_tiny_pictures_break_nothing() -> None:
    blank = Features.of(np.full((200, 300, 3), 255, np.uint8))
    speck = Features.of(scene(7)[:3, :5])
    for one in (blank, speck):
        for two in (blank, speck, Features.of(scene(7))):
            assert fit_whole(one, two).ncc <= 1
            assert fit_by_features(one, two, 12).ncc == -1
    assert fit_whole(blank, blank).ncc == -1  # nothing to correlate


def test_unlike_pictures_have_no_fit() -> None:
    one, two = Features.of(scene(8)), Features.of(scene(9))
    assert fit_whole(one, two).detail_ncc < 0.5
    assert fit_by_features(one, two, 12).detail_ncc < 0.5


def test_a_constant_correlates_with_nothing() -> None:
    ramp = np.arange(100, dtype=np.float32)
    assert ncc(ramp, np.ones(100, np.float32)) == 0
    assert ncc(ramp, 3 * ramp + 5) == pytest.approx(1, abs=1e-5)


def test_colours_are_compared_where_the_pictures_overlap() -> None:
    left, right = (np.full((2, 32, 32), value, np.float32) for value in (20.0, -20.0))
    whole = np.concatenate([left[..., :16], right[..., 16:]], axis=2)
    to_left_half = np.diag([0.5, 1.0, 1.0])
    shapes = (240, 320), (240, 320)
    assert Colours(whole, left).ncc(*shapes, to_left_half) > 0.99
    assert Colours(whole, right).ncc(*shapes, to_left_half) < -0.99
    assert Colours(whole, 0 * left).ncc(*shapes, to_left_half) == 1


@pytest.mark.parametrize("is_projective", [False, True])
def test_what_a_transform_explains_of_a_drift_is_known_before_it_is_tried(
    *, is_projective: bool
) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 320, 60), rng.uniform(0, 240, 60)
    by_zoom = np.stack([x, y, 0.002 * x + 0.3, 0.002 * y - 0.1], 1).astype(np.float32)
    at_random = np.stack([x, y, *rng.normal(0, 0.3, (2, 60))], 1).astype(np.float32)
    left = [
        alignment._drift_removed(np.eye(3), drift, is_projective=is_projective)[1]
        for drift in (by_zoom, at_random)
    ]
    assert left[0] < 0.001
    assert left[1] > 0.8 * np.quantile(np.hypot(*at_random[:, 2:].T), 0.75)
