import cv2
import numpy as np

from curation.similarity.alignment import align_whole, refine
from curation.similarity.histogram_matching import HistogramMatch, match_histograms
from curation.similarity.picture_features import Features, Grey
from tests.curation.made_pictures import scene, shaken, toned


def grey(seed: int) -> Grey:
    return Features.of(scene(seed)).grey


def distance(one: Grey, two: Grey) -> float:
    return float(np.abs(one - two).mean())


def test_any_monotone_tone_curve_is_undone() -> None:
    one = grey(40)
    curve = 255 * (one / 255) ** 2.2 * 0.7 + 20
    matched = match_histograms(one, curve.astype(np.float32), np.ones_like(one))
    assert distance(one, curve) > 20
    assert distance(*matched) < 2


def test_a_clipped_picture_is_not_restored_but_its_original_is_clipped() -> None:
    one = grey(41)
    clipped = np.clip(one + 90, 0, 255)
    matched = match_histograms(one, clipped, np.ones_like(one))
    assert distance(*matched) < 2
    assert np.array_equal(matched[1], clipped)


def test_the_sharper_picture_is_blurred() -> None:
    one = grey(42)
    soft = np.asarray(cv2.GaussianBlur(one, (0, 0), 3), np.float32)
    matched = match_histograms(one, soft, np.ones_like(one))
    assert distance(*matched) < 0.3 * distance(one, soft)


def test_pixels_outside_have_no_influence() -> None:
    one = grey(43)
    inside = np.zeros_like(one)
    inside[:, :160] = 1
    two = one.copy()
    two[:, 160:] = 255 - two[:, 160:]
    left, right = match_histograms(one, two, inside)
    assert distance(left * inside, right * inside) < 0.5


def test_parts_that_moved_together_are_coherent_and_noise_is_not() -> None:
    picture = scene(44)
    noise = np.random.default_rng(1).normal(0, 25, picture.shape)
    edits = toned(picture, 2.0), np.clip(picture + noise, 0, 255).astype(np.uint8)
    one = Features.of(picture)
    for copy in (*edits, shaken(picture)):
        two = Features.of(np.ascontiguousarray(copy))
        start = align_whole(one, two)
        assert start is not None
        fit = refine(one.grey, start, matched=True, rough=True)[0]
        is_second_shot = copy is not edits[0] and copy is not edits[1]
        assert (fit.coherent_px > 0.15) == is_second_shot


def test_a_match_keeps_the_blur_that_it_chose_first() -> None:
    one, other = grey(45), grey(46)
    soft = np.asarray(cv2.GaussianBlur(one, (0, 0), 2), np.float32)
    match, inside = HistogramMatch(), np.ones_like(one)
    once, again = (match.applied(one, soft, inside)[0] for _ in range(2))
    assert np.array_equal(once, again)
    assert distance(*match.applied(other, other, inside)) > 0.5
    assert distance(*match_histograms(other, other, inside)) < 0.1
