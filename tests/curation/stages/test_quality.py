from collections.abc import Callable

import cv2
import numpy as np
import polars as pl
import pytest

from curation.decoding.pixels import decode_upright
from curation.stages.quality import FLAG_ABOVE, Quality, flag_limit, scores
from tests.curation.made_pictures import Picture, framed, scene
from tests.real_data import members, needs


def dimmed(picture: Picture, strength: float) -> Picture:
    return (picture * (1 - 0.9 * strength)).astype(np.uint8)


def bleached(picture: Picture, strength: float) -> Picture:
    return (255 - (255 - picture.astype(float)) * (1 - strength)).astype(np.uint8)


def blurred(picture: Picture, strength: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.3 + 3 * strength), np.uint8)


def flattened(picture: Picture, strength: float) -> Picture:
    return (128 + (picture.astype(float) - 128) * (1 - strength)).astype(np.uint8)


def narrowed(picture: Picture, strength: float) -> Picture:
    return picture[: max(20, int(picture.shape[0] * (1 - 0.85 * strength)))]


def barred(picture: Picture, strength: float) -> Picture:
    px = int(strength * 80)
    return np.asarray(cv2.copyMakeBorder(picture, px, px, 0, 0, cv2.BORDER_CONSTANT), np.uint8)


def lettered(picture: Picture, strength: float) -> Picture:
    over = picture.copy()
    place = (12, picture.shape[0] // 2)
    cv2.putText(over, "PHOTO BY SOMEBODY", place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255,) * 3, 2)
    return np.asarray(cv2.addWeighted(over, strength, picture, 1 - strength, 0), np.uint8)


def faded(picture: Picture, strength: float) -> Picture:
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(grey, strength, picture, 1 - strength, 0), np.uint8)


LADDERS: dict[str, Callable[[Picture, float], Picture]] = {
    "dark": dimmed,
    "bright": bleached,
    "blur": blurred,
    "low_information": flattened,
    "odd_aspect": narrowed,
    "border": barred,
    "watermark_like": lettered,
    "grayscale": faded,
}
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("name", list(FLAG_ABOVE))
def test_each_score_rises_with_what_it_measures_and_flags_the_worst(name: str) -> None:
    smooth = np.asarray(cv2.GaussianBlur(scene(4), (0, 0), 4), np.uint8)
    picture = smooth if name == "watermark_like" else scene(4)
    values = [scores(LADDERS[name](picture, strength))[name] for strength in STEPS]
    assert values == sorted(values)
    assert values[0] <= FLAG_ABOVE[name] < values[-1]


def test_scores_lie_between_0_and_1_whatever_the_picture() -> None:
    plain = [np.full((80, 90, 3), tone, np.uint8) for tone in (0, 128, 255)]
    noise = np.random.default_rng(0).integers(0, 256, (64, 700, 3)).astype(np.uint8)
    for picture in (*plain, noise, scene(2), framed(scene(2))):
        scores_ = scores(picture)
        assert list(scores_) == Quality.outputs.names
        assert all(0 <= value <= 1 for value in scores_.values())


def test_a_frame_is_a_border_and_a_wall_at_one_edge_is_none() -> None:
    picture = scene(6)
    assert scores(framed(picture))["border"] > 0.1
    wall = picture.copy()
    wall[:60] = 250
    assert scores(wall)["border"] == 0


@needs("photos/photos-1.tar")
def test_few_real_photographs_are_flagged() -> None:
    scores_ = [
        scores(decode_upright(body)[0]) for _, body in members("photos/photos-1.tar", every=15)
    ]
    for name in set(FLAG_ABOVE) - {"grayscale"}:  # black and white is a choice, and common
        flagged = sum(row[name] > FLAG_ABOVE[name] for row in scores_)
        assert flagged <= 0.1 * len(scores_), name


def test_the_limit_of_blur_depends_on_the_size_of_the_picture() -> None:
    sides = pl.DataFrame({"longest_side": [64, 200, 324, 448, 4000, None]})
    limits = sides.select(flag_limit("blur")).to_series().to_list()
    assert limits == pytest.approx([0.75, 0.75, 0.625, 0.5, 0.5, 0.5])
    assert sides.select(flag_limit("dark")).to_series().unique().to_list() == [FLAG_ABOVE["dark"]]


@needs("faces/utkface.tar")
def test_few_chips_of_faces_are_blurred() -> None:
    blurs = [
        scores(decode_upright(body)[0])["blur"]
        for _, body in members("faces/utkface.tar", every=40)
    ]
    limit = pl.DataFrame({"longest_side": [200]}).select(flag_limit("blur")).item()
    assert sum(blur > limit for blur in blurs) <= 0.03 * len(blurs)
