import cv2
import numpy as np
import pytest

from curation.similarity.beside.photograph_over import paper_share_over
from curation.similarity.overlays import Overlaid
from curation.similarity.picture_features import Grey
from tests.curation.made_pictures import scene

IN_PLACE = np.eye(3)


def grey(seed: int) -> Grey:
    return cv2.cvtColor(scene(seed, 200, 150), cv2.COLOR_RGB2GRAY).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_a_band_with_letters_over_a_picture_is_paper_and_the_next_tile_is_none(seed: int) -> None:
    whole, next_tile = grey(seed), grey(seed + 20)
    captioned, collage, mask = whole.copy(), whole.copy(), np.ones_like(whole)
    mask[100:] = 0
    captioned[100:] = 250
    captioned[115:125, 40:160:4] = 10
    collage[100:] = next_tile[100:]
    assert share(whole, captioned, mask) > 0.95
    assert share(captioned, whole, mask) > 0.95
    assert share(whole, collage, mask) < 0.77


def test_where_nothing_is_left_out_nothing_lies_over_a_picture() -> None:
    whole = grey(1)
    assert share(whole, whole, np.ones_like(whole)) == 1


def share(one: Grey, two: Grey, mask: Grey) -> float:
    return paper_share_over(Overlaid.of(one, two, IN_PLACE), mask)
