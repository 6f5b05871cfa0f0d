"""The sizes of steps tell sharp, blurred, moved and noisy pictures, whatever their contrast."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from training.models.patch_statistics import POWERS, REACHES, StepSizes

FAR = 4 * len(POWERS)  # the first numbers: the sizes over the longest reach
RATIOS = slice(FAR, FAR * (1 + len(REACHES)))
STEEPEST = -1  # the highest power


def squares(contrast: float = 0.8) -> NDArray[np.float32]:
    """Draw squares of 12 px, dark and light."""
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 2, (8, 8)).repeat(12, 0).repeat(12, 1)
    return np.asarray(0.5 + contrast * (tiles - 0.5), np.float32)


def ratios(luma: NDArray[np.float32]) -> torch.Tensor:
    """Return the ratios of a grey picture by reach, direction (across, down, two diagonals) and power."""
    numbers = StepSizes()(torch.from_numpy(luma)[None, None].expand(1, 3, -1, -1))
    return numbers[0, RATIOS].reshape(len(REACHES), 4, len(POWERS))


def test_the_ratios_of_the_steepest_edges_do_not_depend_on_contrast() -> None:
    high, low = (ratios(squares(contrast))[..., STEEPEST] for contrast in (0.8, 0.2))
    assert torch.allclose(high, low, atol=0.01)


def test_the_ratios_of_the_steepest_edges_fall_with_blur() -> None:
    soft, softer = (ratios(cv2.GaussianBlur(squares(), (0, 0), sigma)) for sigma in (0.8, 2.4))
    for sharper, blurred in ((ratios(squares()), soft), (soft, softer)):
        assert (sharper > blurred + 0.1)[:, :2, STEEPEST].all()


def test_a_motion_is_seen_in_its_direction_alone() -> None:
    moved = ratios(cv2.blur(squares(), (7, 1)))
    across, down = moved[:, 0, STEEPEST], moved[:, 1, STEEPEST]
    assert (down > across + 0.5).all()


def test_noise_has_steps_of_one_size() -> None:
    noise = np.random.default_rng(0).normal(0.5, 0.1, (96, 96)).astype(np.float32)
    assert ratios(noise).abs().max() < 0.15
