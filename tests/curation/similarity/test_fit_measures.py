import cv2
import numpy as np

from curation.similarity.fit_measures import left_by_movement, measure
from curation.similarity.picture_features import Grey
from tests.curation.made_pictures import Picture, scene

SAME = np.eye(3)


def grey(picture: Picture) -> Grey:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def test_only_what_moved_agrees_better_once_it_is_put_back() -> None:
    for seed in (70, 71):
        one = grey(scene(seed, 320, 240))
        y, x = np.mgrid[:240, :320].astype(np.float32)
        moved = cv2.remap(one, x + 0.6 * np.sin(y / 30), y, cv2.INTER_CUBIC)
        assert left_by_movement(one, np.asarray(moved, np.float32), SAME) < 0.6
        equalised = cv2.createCLAHE(5, (8, 8)).apply(one.astype(np.uint8)).astype(np.float32)
        assert left_by_movement(one, equalised, SAME) > 0.94
        assert left_by_movement(one, one, SAME) >= 1


def test_noise_of_one_picture_is_no_texture_that_the_other_lacks() -> None:
    smooth = cv2.GaussianBlur(grey(scene(72, 320, 240)), (0, 0), 3)
    other = cv2.GaussianBlur(grey(scene(73, 320, 240)), (0, 0), 3)
    grain = np.random.default_rng(5).normal(0, 20, smooth.shape).astype(np.float32)
    for left, right in ((smooth, smooth + grain), (smooth + grain, smooth)):
        assert measure(left, right, SAME).fit().bad_share <= 0.05
    assert measure(smooth, other + grain, SAME).fit().bad_share > 0.5
