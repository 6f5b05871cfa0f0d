import cv2
import numpy as np

from curation.similarity.alignment import align_by_features
from curation.similarity.lens import Bend, align_bent
from curation.similarity.picture_features import Features
from curation.similarity.transforms import KeypointMatches
from tests.curation.made_pictures import scene


def test_a_bent_copy_is_straightened() -> None:
    picture = scene(81, 448, 336)
    for first in (-0.06, 0.06):
        bent = np.stack(
            [Bend(first).straightened(np.asarray(picture[..., k], np.float32)) for k in range(3)],
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
