import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.similarity.inner_picture import inner_box, inner_picture
from tests.curation.made_pictures import scene

SIDE = 288


def square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    small = [
        cv2.resize(each, (24, 24), interpolation=cv2.INTER_AREA).ravel() for each in (one, other)
    ]
    return float(np.corrcoef(*small)[0, 1])


def on_a_page(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    page = np.full((640, 360, 3), 250, np.uint8)
    page[150:400, 20:340] = cv2.resize(picture, (320, 250))
    for row in range(460, 620, 24):
        cv2.putText(
            page, "words below a picture", (24, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (30,) * 3
        )
    return page


def test_the_photograph_of_a_screenshot_is_cut_out() -> None:
    for seed in (71, 72, 73):
        picture = scene(seed, 320, 240)
        page = square(on_a_page(picture))
        inner = inner_picture(page)
        assert inner is not None
        assert inner.shape == (SIDE, SIDE, 3)
        assert likeness(inner, square(picture)) > likeness(page, square(picture)) + 0.2


def test_a_turned_print_is_cut_out_upright() -> None:
    leaves = np.random.default_rng(0).integers(0, 80, (60, 80, 3), dtype=np.uint8)
    picture = cv2.addWeighted(scene(74, 320, 240), 0.7, cv2.resize(leaves, (320, 240)), 1, 0)
    table = np.full((480, 480, 3), (230, 225, 220), np.uint8)
    turn = cv2.getRotationMatrix2D((160, 120), 8, 1)
    turn[:, 2] += [80, 120]
    cv2.warpAffine(picture, turn, (480, 480), dst=table, borderMode=cv2.BORDER_TRANSPARENT)
    inner = inner_picture(square(table))
    assert inner is not None
    assert likeness(inner, square(picture)) > 0.85


def test_a_plain_page_has_no_photograph() -> None:
    assert inner_picture(np.full((SIDE, SIDE, 3), 240, np.uint8)) is None


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_strip_of_a_few_rows_is_no_page(rows: int) -> None:
    strip = np.full((rows, 320), 90, np.uint8)
    assert inner_box(strip) is None
    assert inner_box(np.ascontiguousarray(strip.T)) is None
