import numpy as np
import pytest

from training.data.views.small_pictures import SmallPictures

VIEW = SmallPictures(28)


def digit(side: int = 28) -> np.ndarray:
    """Draw a bar that is not in the middle."""
    picture = np.zeros((side, side, 3), np.uint8)
    picture[side // 7 : side // 2, side // 3 : side // 3 + 4] = 255
    return picture


def test_a_picture_of_the_side_is_not_changed() -> None:
    assert np.array_equal(VIEW.prepare(digit())["picture"], digit())
    batch = VIEW.plain([VIEW.prepare(digit())])["pictures"]
    assert (batch.shape, batch.dtype) == ((1, 3, 28, 28), np.uint8)


@pytest.mark.parametrize("shape", [(64, 64), (20, 28), (1, 9), (300, 40), (8, 8)])
def test_any_other_size_is_extended_to_a_square_and_resized(shape: tuple[int, int]) -> None:
    sample = VIEW.prepare(np.full((*shape, 3), 77, np.uint8))["picture"]
    assert sample.shape == (28, 28, 3)
    assert (sample == 77).all(), "the border of the picture continues"


def test_augmentation_moves_a_little_and_depends_on_the_generator_alone() -> None:
    sample = VIEW.prepare(digit())

    def moved(seed: int) -> np.ndarray:
        return VIEW.augment([sample], [np.random.default_rng(seed)])["pictures"][0]

    assert np.array_equal(moved(1), moved(1))
    assert not np.array_equal(moved(1), moved(2))
    mass = [moved(seed).sum() / digit().sum() for seed in range(20)]
    assert 0.6 < min(mass) < max(mass) < 1.5
    still = SmallPictures(28, turn_deg=0, stretch=0, shift=0)
    same = still.augment([sample], [np.random.default_rng(1)])["pictures"][0]
    assert np.array_equal(np.moveaxis(same, 0, 2), digit())
