import cv2
import numpy as np
import pytest

from curation.similarity.transforms import EDGE_PX, MARGIN, coverage, is_plausible

ONE, TWO = np.zeros((90, 120), np.float32), np.zeros((70, 100), np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_covered_are_the_pixels_that_lie_within_the_other_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn, scale = rng.uniform(-3, 3) if seed % 4 else 0.0, rng.uniform(0.5, 2)
    transform = np.eye(3)
    transform[:2, :2] = scale * np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    transform[:2, 2] = rng.uniform(-20, 80, 2)
    if seed % 3 == 0:
        transform[2, :2] = rng.uniform(-5e-4, 5e-4, 2)
    y, x = np.mgrid[: ONE.shape[0], : ONE.shape[1]]
    places = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(transform).T
    places = places[..., :2] / places[..., 2:]
    last = np.array([TWO.shape[1] - 1, TWO.shape[0] - 1])
    is_within = ((places >= -EDGE_PX) & (places <= last + EDGE_PX)).all(axis=-1)
    kernel = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1))
    expected = cv2.erode(is_within.astype(np.uint8), kernel, borderValue=0)
    assert np.array_equal(coverage(ONE, TWO, transform), expected)


def test_nothing_is_covered_by_a_picture_that_lies_elsewhere() -> None:
    far = np.array([[1, 0, 500.0], [0, 1, 0], [0, 0, 1]])
    assert not coverage(ONE, TWO, far).any()


@pytest.mark.parametrize("seed", range(60))
def test_plausible_are_transforms_that_keep_sides_and_sizes_about_as_they_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    transform = np.eye(3)
    transform[:2, :2] = rng.normal(0, 1, (2, 2)) if seed % 2 else np.diag(rng.uniform(0.5, 1.5, 2))
    longest, shortest = np.linalg.svd(transform[:2, :2], compute_uv=False)
    is_even = shortest > 1 / 6 and longest < min(6, 1.5 * shortest)
    assert is_plausible(transform) == (is_even and np.linalg.det(transform[:2, :2]) > 0)
