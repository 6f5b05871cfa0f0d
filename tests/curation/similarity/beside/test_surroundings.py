import cv2
import numpy as np

from curation.similarity.beside.surroundings import (
    Surroundings,
    both_surroundings,
    has_rim,
    surroundings,
)
from curation.similarity.picture_features import Grey
from tests.curation.made_pictures import scene


def grey(seed: int, width: int = 200, height: int = 150) -> Grey:
    return cv2.cvtColor(scene(seed, width, height), cv2.COLOR_RGB2GRAY).astype(np.float32)


def placed(large: Grey, small: Grey, left: int, top: int) -> Surroundings:
    return surroundings(large, small, np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64))


def test_what_is_beside_does_not_depend_on_the_order_of_the_pictures() -> None:
    large, at = grey(62, 400, 300), np.array([[1, 0, 100], [0, 1, 30], [0, 0, 1]], np.float64)
    small = np.ascontiguousarray(large[30:180, 100:300])
    one, two = surroundings(large, small, at), surroundings(small, large, np.linalg.inv(at))
    assert (one.beside == two.beside).all()
    assert (one.inside == two.inside).all()
    assert not one.beside[40:170, 110:290].any()
    assert one.beside[:20].all()


def test_a_covered_picture_has_nothing_beside_it() -> None:
    small = grey(63)
    assert not placed(small, small, 0, 0).is_seen


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


def test_each_of_two_pictures_has_its_own_surroundings() -> None:
    shared, left, right = grey(69, 200, 150), grey(70, 100, 150), grey(71, 80, 150)
    one, two = np.hstack([left, shared]), np.hstack([shared, right])
    at = np.array([[1, 0, 100], [0, 1, 0], [0, 0, 1]], np.float64)
    beside_one, beside_two = both_surroundings(one, two, at)
    assert (beside_one.large.shape, beside_two.large.shape) == (one.shape, two.shape)
    assert beside_one.beside[:, :90].all()
    assert not beside_one.beside[10:140, 110:].any()
    assert beside_two.beside[:, 210:].all()
    assert not beside_two.beside[10:140, :190].any()
