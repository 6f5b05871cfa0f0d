import cv2
import numpy as np

from curation.similarity.overlays import Overlaid, is_thick, without_shade
from curation.similarity.picture_features import Grey, ncc
from tests.curation.made_pictures import scene

SAME = np.eye(3)


def grey(seed: int) -> Grey:
    return cv2.cvtColor(scene(seed, 320, 240), cv2.COLOR_RGB2GRAY).astype(np.float32)


def test_a_shade_below_a_title_is_undone() -> None:
    one = grey(80)
    shade = np.clip(1.6 - 1.3 * np.arange(240) / 240, 0.35, 1).astype(np.float32)[:, None]
    lit = without_shade(Overlaid.of(one, one * shade, SAME))
    assert lit is not None
    picture, mask = lit
    assert ncc(one, one * shade) < 0.9
    assert ncc(picture[mask > 0], (one * shade)[mask > 0]) > 0.95


def test_even_light_and_another_picture_are_left_alone() -> None:
    one = grey(81)
    assert without_shade(Overlaid.of(one, 0.8 * one + 10, SAME)) is None
    assert without_shade(Overlaid.of(one, grey(82), SAME)) is None


def test_letters_are_thin_and_half_of_a_collage_is_thick() -> None:
    letters = np.ones((240, 320), np.float32)
    letters[:, ::20] = letters[:, 1::20] = letters[::10] = 0
    assert not is_thick(letters)
    half = np.ones((240, 320), np.float32)
    half[:, 160:] = 0
    assert is_thick(half)
