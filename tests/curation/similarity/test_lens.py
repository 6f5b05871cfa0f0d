import cv2
import numpy as np
import pytest

from curation.similarity.alignment import align_by_features
from curation.similarity.lens import Bend, align_bent
from curation.similarity.picture_features import Features
from curation.similarity.transforms import KeypointMatches
from tests.curation.made_pictures import scene


@pytest.mark.parametrize("by_axis", [False, True])
def test_a_bent_copy_is_straightened(by_axis: bool) -> None:
    picture = scene(81, 448, 336)
    for first in (-0.06, 0.06):
        bend = Bend(first, by_axis=by_axis)
        bent = np.stack(
            [bend.straightened(np.asarray(picture[..., k], np.float32)) for k in range(3)],
            -1,
        )
        inner = np.clip(bent, 0, 255).astype(np.uint8)[12:-12, 16:-16]
        one, two = Features.of(picture[12:-12, 16:-16]), Features.of(inner)
        matches = KeypointMatches.of(one, two)
        affine = align_by_features(matches, 12)
        assert affine is not None
        fit = align_bent(one.grey, matches, affine)
        assert fit is not None
        assert fit[0].drift_px < 0.1
        assert fit[0].detail_ncc > 0.97
        assert fit[1].largest_px(two.grey.shape) > 3


def test_only_what_the_bent_picture_shows_is_compared() -> None:
    picture = scene(84, 448, 336)
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = x - (width - 1) / 2, y - (height - 1) / 2
    factor = 1 - 0.16 * (u * u + v * v) / (width**2 + height**2) * 4
    to_x, to_y = (width - 1) / 2 + u * factor, (height - 1) / 2 + v * factor
    bent = cv2.remap(picture, to_x, to_y, cv2.INTER_CUBIC)
    one = Features.of(picture)
    matches = KeypointMatches.of(one, Features.of(np.asarray(bent, np.uint8)))
    affine = align_by_features(matches, 12)
    assert affine is not None
    fit = align_bent(one.grey, matches, affine)
    assert fit is not None
    assert fit[0].drift_px < 0.1
    assert fit[0].detail_ncc > 0.99
    assert 0.6 < fit[0].overlap < 0.95


def test_keypoints_say_whether_a_slant_or_a_bend_explains_their_places() -> None:
    picture = scene(83, 448, 336)
    one = Features.of(picture)
    bent = np.stack([Bend(0.06).straightened(picture[..., k]) for k in range(3)], -1)
    corners = np.array([[0, 0], [448, 0], [448, 336], [0, 336]], np.float32)
    inwards = corners + np.array([[20, 8], [0, 0], [-6, -18], [0, 0]], np.float32)
    to_side = cv2.getPerspectiveTransform(inwards, corners)
    y, x = np.mgrid[:336, :448].astype(np.float32)
    wavy = cv2.remap(picture, x + 3 * np.sin(y / 40), y + 2 * np.sin(x / 50), cv2.INTER_CUBIC)
    left = []
    for other in (cv2.warpPerspective(picture, to_side, (448, 336)), bent.astype(np.uint8), wavy):
        matches = KeypointMatches.of(one, Features.of(np.asarray(other, np.uint8)))
        affine = align_by_features(matches, 12)
        assert affine is not None
        left.append(matches.residuals(affine.transform))
    slanted, bent_away, moved = left
    assert slanted.slanted_px < 0.5 * slanted.affine_px
    assert bent_away.bent_px < 0.5 * bent_away.affine_px
    assert min(moved.slanted_px, moved.bent_px) > 0.7 * moved.affine_px


def test_other_movements_are_no_bend() -> None:
    picture = scene(82, 448, 336)
    y, x = np.mgrid[:336, :448].astype(np.float32)
    moved = x + 3 * np.sin(y / 40) + 2 * np.sin(x / 50)
    shaken = cv2.remap(picture, moved.astype(np.float32), y, cv2.INTER_CUBIC)
    one, two = Features.of(picture), Features.of(np.asarray(shaken, np.uint8))
    matches = KeypointMatches.of(one, two)
    affine = align_by_features(matches, 12)
    assert affine is not None
    fit = align_bent(one.grey, matches, affine)
    assert fit is None or fit[0].drift_px > 0.2
