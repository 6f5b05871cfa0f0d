import cv2
import numpy as np
import pytest

from curation.similarity.beside.beside_measures import BesideMeasures, beside_measures
from curation.similarity.beside.surroundings import surroundings
from curation.similarity.picture_features import Grey
from tests.curation.made_pictures import scene


def grey(seed: int, width: int = 200, height: int = 150) -> Grey:
    return cv2.cvtColor(scene(seed, width, height), cv2.COLOR_RGB2GRAY).astype(np.float32)


def placed(large: Grey, small: Grey, left: int, top: int) -> BesideMeasures:
    at = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    return beside_measures(surroundings(large, small, at))


def on_ground(small: Grey, ground: Grey, left: int, top: int) -> BesideMeasures:
    large = ground.copy()
    large[top : top + small.shape[0], left : left + small.shape[1]] = small
    return placed(large, small, left, top)


def test_a_crop_has_no_seam_and_a_collage_has_one() -> None:
    seams = []
    for seed in range(50, 54):
        whole = grey(seed, 320, 240)
        crop = placed(whole, np.ascontiguousarray(whole[30:180, 60:260]), 60, 30)
        left, right = grey(seed), grey(seed + 10)
        collage = placed(np.hstack([left, right]), left, 0, 0)
        seams.append((crop.seam, collage.seam))
        assert collage.paper_share < 0.9
    assert max(crop for crop, _ in seams) < min(collage for _, collage in seams)
    assert max(crop for crop, _ in seams) < 1.2


def test_the_edge_of_a_turned_picture_is_that_of_what_it_shows() -> None:
    """Its black corners reach into the other part of a collage, whose line was then not seen beside it."""
    turn = cv2.getRotationMatrix2D((99.5, 74.5), 6, 1)
    back = np.vstack([cv2.invertAffineTransform(turn), [0, 0, 1]])
    for seed in range(50, 54):
        left = grey(seed)
        turned = np.asarray(cv2.warpAffine(left, turn, (200, 150)), np.float32)
        collage = beside_measures(surroundings(np.hstack([left, grey(seed + 10)]), turned, back))
        rest = beside_measures(surroundings(grey(seed, 400, 150), turned, back))
        assert collage.line > 0.5, seed
        assert rest.line < 0.5


def test_a_page_is_paper() -> None:
    small = grey(60)
    page = np.full((300, 240), 250, np.float32)
    page[80:230, 20:220] = small
    cv2.putText(page, "monday", (30, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (20.0,), 2)
    beside = placed(page, small, 20, 80)
    assert beside.paper_share > 0.9
    assert beside.mode_share > 0.85


def test_a_blurred_backdrop_and_a_repeated_picture_are_the_picture_itself() -> None:
    small = grey(61)
    cover = cv2.resize(small, (480, 360))[:, 140:340]
    story = np.asarray(cv2.GaussianBlur(cover, (0, 0), 9), np.float32)
    story[105:255] = small
    assert placed(story, small, 0, 105).backdrop_ncc > 0.93
    twice = np.vstack([small, np.clip(0.9 * small + 12, 0, 255)]).astype(np.float32)
    assert placed(twice, small, 0, 0).repeated_ncc > 0.96
    assert placed(np.vstack([small, grey(62)]), small, 0, 0).repeated_ncc < 0.9


def test_a_cloth_has_less_relief_than_a_photograph() -> None:
    small, rng = grey(64), np.random.default_rng(0)
    cloth = (120 + 0.1 * np.arange(400)[None] + rng.normal(0, 9, (300, 400))).astype(np.float32)
    cloth[75:225, 100:300] = small
    assert placed(cloth, small, 100, 75).relief < 4
    assert placed(np.hstack([small, grey(66)]), small, 0, 0).relief > 9


def test_the_line_of_a_collage_is_straight_and_has_no_gap() -> None:
    small = grey(70)
    collage = placed(np.hstack([small, grey(71)]), small[:, :150], 0, 0)
    assert collage.line > 0.5
    assert collage.line_sharp > 0.7
    # A line that ends halfway, as that of a wall.
    half = grey(70, 400, 150)
    half[:70, 300:] = np.clip(half[:70, 300:] + 90, 0, 255)
    wall = placed(half, np.ascontiguousarray(half[:, :200]), 0, 0)
    assert wall.line_gap > collage.line_gap
    assert wall.line < collage.line


def test_margins_are_those_of_the_four_sides() -> None:
    large = grey(72, 400, 300)
    small = np.ascontiguousarray(large[30:180, 100:300])
    measures = placed(large, small, 100, 30)
    margins = measures.margin_1, measures.margin_2, measures.margin_3, measures.margin_4
    assert margins == pytest.approx((0.1, 0.25, 0.25, 0.4), abs=0.02)


def test_a_pattern_is_alike_on_all_sides_and_a_photograph_is_not() -> None:
    small, rng = grey(73), np.random.default_rng(0)
    y, x = np.mgrid[:300, :400]
    cloth = 128 + 40 * np.sign(np.sin(x / 4) * np.sin(y / 4)) + rng.normal(0, 5, (300, 400))
    pattern = on_ground(small, cloth.astype(np.float32), 100, 75)
    for seed in range(74, 78):
        photograph = on_ground(small, grey(seed, 400, 300), 100, 75)
        assert pattern.sides_apart < photograph.sides_apart
        assert pattern.uneven < photograph.uneven


def test_one_side_alone_is_not_apart_from_itself() -> None:
    large = grey(78, 90, 150)
    assert placed(large, np.ascontiguousarray(large[:, :60]), 0, 0).sides_apart < 0
