import cv2
import numpy as np

from curation.similarity.picture_features import Grey
from curation.similarity.surroundings import Surroundings, has_rim, surroundings
from tests.curation.made_pictures import scene


def grey(seed: int, width: int = 200, height: int = 150) -> Grey:
    return cv2.cvtColor(scene(seed, width, height), cv2.COLOR_RGB2GRAY).astype(np.float32)


def placed(large: Grey, small: Grey, left: int, top: int) -> Surroundings:
    return surroundings(large, small, np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64))


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
        collage = surroundings(np.hstack([left, grey(seed + 10)]), turned, back)
        rest = surroundings(grey(seed, 400, 150), turned, back)
        assert collage.parting > 0.5, seed
        assert rest.parting < 0.5


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


def test_a_covered_picture_has_nothing_beside_it() -> None:
    small = grey(63)
    beside = placed(small, small, 0, 0)
    assert not beside.is_seen
    assert (beside.seam, beside.parting, beside.n_lines, beside.paper_share) == (1.0, 0.0, 0, 0.0)


def test_lines_of_text_are_counted_and_a_photograph_has_none() -> None:
    small = grey(64)
    page = np.full((300, 200), 245, np.float32)
    page[:150] = small
    for row in range(170, 290, 20):
        cv2.putText(page, "text in lines", (10, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30.0,))
    assert placed(page, small, 0, 0).n_lines >= 5
    for seed in range(65, 70):
        assert placed(np.vstack([small, grey(seed)]), small, 0, 0).n_lines < 3


def test_a_picture_before_a_dark_ground_has_a_rim_and_a_second_shot_of_a_wall_has_none() -> None:
    small = grey(67)
    at = np.array([[1, 0, 20], [0, 1, 15], [0, 0, 1]], np.float64)
    seen = cv2.copyMakeBorder(small, 15, 15, 20, 20, cv2.BORDER_CONSTANT, value=20.0)
    assert has_rim(seen, small, at)
    assert has_rim(small, seen, np.linalg.inv(at))
    wall = cv2.copyMakeBorder(small, 15, 15, 20, 20, cv2.BORDER_REPLICATE)
    assert not has_rim(wall, small, at)
    whole = grey(68, 300, 220)
    assert not has_rim(whole, np.ascontiguousarray(whole[15:165, 20:220]), at)


def test_a_cloth_has_less_relief_than_a_photograph() -> None:
    small, rng = grey(64), np.random.default_rng(0)
    cloth = (120 + 0.1 * np.arange(400)[None] + rng.normal(0, 9, (300, 400))).astype(np.float32)
    cloth[75:225, 100:300] = small
    assert placed(cloth, small, 100, 75).relief < 4
    assert placed(np.hstack([small, grey(66)]), small, 0, 0).relief > 9
