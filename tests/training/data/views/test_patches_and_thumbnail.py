import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from training.data.arrays import Arrays
from training.data.views.patches_and_thumbnail import PatchesAndThumbnail, patch_bank, thumbnail

VIEW = PatchesAndThumbnail(thumbnail_px=32, patch_px=32, bank=6, patches=4)


def draw(sample: Arrays, seed: int, view: PatchesAndThumbnail = VIEW) -> Arrays:
    return view.augment([sample], [np.random.default_rng(seed)])


def coordinates(height: int = 96, width: int = 160) -> np.ndarray:
    """A picture whose red and green say where each pixel is; blue is noise on the right half."""
    y, x = np.mgrid[:height, :width]
    blue = np.random.default_rng(0).integers(0, 255, (height, width)) * (x > width // 2)
    return np.stack([y, x, blue], axis=2).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200))
def test_a_picture_of_any_size_gives_a_sample_of_the_same_size(height: int, width: int) -> None:
    sample = VIEW.prepare(np.full((height, width, 3), 99, np.uint8))
    assert sample["thumbnail"].shape == (32, 32, 3)
    assert sample["bank"].shape == (6, 40, 40, 3)
    assert (sample["thumbnail"] == 99).all()
    assert sum(array.nbytes for array in sample.values()) == VIEW.sample_bytes


def test_patches_are_native_pixels_on_the_8_px_grid() -> None:
    picture = coordinates()
    for patch in patch_bank(picture, 6, 40):
        y, x = patch[0, 0, :2]
        assert y % 8 == 0
        assert x % 8 == 0
        assert (patch == picture[y : y + 40, x : x + 40]).all()


def test_flat_patches_come_first_and_clipped_ones_last() -> None:
    picture = np.full((64, 192, 3), 128, np.uint8)
    picture[:, :64] = 255  # clipped
    picture[:, 128:] = np.random.default_rng(0).integers(0, 255, (64, 64, 3))  # textured
    bank = patch_bank(picture, 2, 32)
    assert (bank[0] == 128).all()
    assert bank[1].std() > 50


def test_a_thumbnail_shows_the_centred_square() -> None:
    picture = np.zeros((50, 150, 3), np.uint8)
    picture[:, 50:100] = 200
    assert (thumbnail(picture, 25) == 200).all()


@given(st.integers(0, 10_000))
def test_augmented_crops_lie_on_the_8_px_grid(seed: int) -> None:
    crops = draw(VIEW.prepare(coordinates()), seed)["patches"][0]
    assert crops.shape == (4, 3, 32, 32)
    assert all(crop[0].min() % 8 == 0 and crop[1].min() % 8 == 0 for crop in crops)


def test_augmentation_is_a_function_of_its_generator() -> None:
    sample = VIEW.prepare(coordinates())
    first, second, third = (draw(sample, seed) for seed in (1, 1, 2))
    assert all((first[name] == second[name]).all() for name in ("thumbnails", "patches"))
    assert (first["patches"] != third["patches"]).any()


def test_a_sample_is_drawn_alike_in_every_batch() -> None:
    samples = [VIEW.prepare(np.roll(coordinates(), 9 * n, axis=1)) for n in range(3)]
    together = VIEW.augment(samples, [np.random.default_rng(n) for n in range(3)])
    for n, sample in enumerate(samples):
        alone = draw(sample, n)
        assert all((alone[name][0] == together[name][n]).all() for name in alone)


def test_evaluation_takes_the_whole_bank_at_the_same_place() -> None:
    sample = VIEW.prepare(coordinates())
    batch = VIEW.plain([sample])
    assert (np.moveaxis(batch["thumbnails"][0], 0, -1) == sample["thumbnail"]).all()
    assert (np.moveaxis(batch["patches"][0], 1, -1) == sample["bank"][:, :32, :32]).all()
    again = VIEW.fixed([sample], [np.random.default_rng(5)])
    assert all((batch[name] == again[name]).all() for name in batch)


@pytest.mark.parametrize("patches", [1, 2, 5])
def test_half_of_the_drawn_patches_are_flat(patches: int) -> None:
    bank = np.zeros((6, 40, 40, 3), np.uint8)
    bank[3:] = 255
    view = PatchesAndThumbnail(32, 32, 6, patches=patches)
    sample = {"thumbnail": np.zeros((32, 32, 3), np.uint8), "bank": bank}
    crops = draw(sample, 0, view)["patches"][0]
    assert [int(crop.max()) for crop in crops].count(0) == patches - patches // 2
