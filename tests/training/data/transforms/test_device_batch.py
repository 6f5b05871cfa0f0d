"""Batches are changed on the device as a per-row reference does, alike in every batch, and alike after a resume."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.bench_loop import CASES, HEADS, Pictures, RawPictures, make_network
from tests.training.small_training import weights_equal
from training.data.stores.pictures import SampleStore
from training.data.transforms.device_batch import GREY, DeviceAugmentation
from training.errors import OptionError
from training.fit.checkpoint import Checkpoints
from training.fit.examples import make_examples
from training.fit.objective import HeadsObjective
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun

ALL = DeviceAugmentation(flip=0.5, colour=0.4, crop=0.3)
SHAS = [f"{number:064d}" for number in range(12)]


def reference(picture: NDArray[np.uint8], change: NDArray[np.float32]) -> NDArray[np.float64]:
    """Change one picture (3, H, W) pixel by pixel, as the documentation says."""
    left, top, width, height, mirrored, *factors = map(float, change)
    _, n_rows, n_columns = picture.shape
    out = np.zeros(picture.shape)
    for row in range(n_rows):
        for column in range(n_columns):
            x = (column + 0.5) / n_columns
            x = left + width * (1 - x if mirrored else x)
            y = top + height * (row + 0.5) / n_rows
            out[:, row, column] = bilinear(picture, y * n_rows - 0.5, x * n_columns - 0.5)
    brightness, contrast, saturation = factors
    out *= brightness
    grey = np.tensordot(GREY, out, 1)
    return (grey + (out - grey) * saturation - grey.mean()) * contrast + grey.mean()


def bilinear(picture: NDArray[np.uint8], y: float, x: float) -> NDArray[np.float64]:
    y, x = np.clip(y, 0, picture.shape[1] - 1), np.clip(x, 0, picture.shape[2] - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, picture.shape[1] - 1), min(x0 + 1, picture.shape[2] - 1)
    dy, dx = y - y0, x - x0
    upper = picture[:, y0, x0] * (1 - dx) + picture[:, y0, x1] * dx
    lower = picture[:, y1, x0] * (1 - dx) + picture[:, y1, x1] * dx
    return np.asarray(upper * (1 - dy) + lower * dy)


def pictures(n: int = 12) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (n, 3, 17, 23)).astype(np.uint8))


def test_a_batch_is_changed_as_row_by_row_in_numpy() -> None:
    changed = ALL.apply(pictures(), 3, 1, SHAS).numpy()
    for row, change in enumerate(ALL.drawn(3, 1, SHAS)):
        expected = np.clip(np.round(reference(pictures()[row].numpy(), change)), 0, 255)
        assert np.abs(changed[row] - expected).max() <= 1  # float32 against float64, rounded


def test_a_picture_is_changed_alike_in_every_batch() -> None:
    whole = ALL.apply(pictures(), 3, 1, SHAS)
    order = [7, 2, 11]
    some = ALL.apply(pictures()[order], 3, 1, [SHAS[row] for row in order])
    assert torch.equal(whole[order], some)
    assert not torch.equal(whole, ALL.apply(pictures(), 3, 2, SHAS))  # another epoch
    both = ALL.apply(torch.stack([pictures(), pictures()], 1), 3, 1, SHAS)
    assert torch.equal(both[:, 0], whole)
    assert torch.equal(both[:, 1], whole)


def test_nothing_is_changed_by_nothing_and_half_is_mirrored() -> None:
    assert torch.equal(DeviceAugmentation().apply(pictures(), 0, 0, SHAS), pictures())
    mirrored = DeviceAugmentation(flip=1.0).apply(pictures(), 0, 0, SHAS)
    assert torch.equal(mirrored, pictures().flip(3))
    many = DeviceAugmentation(flip=0.5).drawn(0, 0, [str(number) for number in range(400)])
    assert 150 < many[:, 4].sum() < 250


def test_crops_have_the_area_and_stay_inside() -> None:
    drawn = ALL.drawn(0, 0, [str(number) for number in range(400)])
    left, top, width, height = drawn[:, :4].T
    assert min(left.min(), top.min()) >= 0
    assert max((left + width).max(), (top + height).max()) <= 1 + 1e-6
    assert 0.2 < (width * height).min() < 0.4
    assert (width * height).max() > 0.9


@pytest.mark.parametrize("text", ["flip", "turn:3", "crop:0", "colour:2", "flip:0.5,flip:0.5"])
def test_a_wrong_text_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        DeviceAugmentation.parse(text)


def test_a_stopped_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    config = dataclasses.replace(
        CASES[0].config, epochs=2, batch_size=8, device_augment="flip:0.5,colour:0.3,crop:0.5"
    )
    case = dataclasses.replace(CASES[0], side=16, width=8, train=32, validation=8, config=config)
    made = Pictures(tmp_path, case)

    def trained(
        folder: str, n_epochs: int, augment: str = config.device_augment
    ) -> torch.nn.Module:
        changed = dataclasses.replace(
            config, epochs=n_epochs, device_augment=augment, schedule="constant"
        )
        run = TrainingRun(changed, "digest", "split", torch.device("cpu"))
        with SampleStore(made, made.index, RawPictures(case.side), cache_bytes=10**8) as store:
            parts = (make_examples(store, HEADS, np.arange(a, b)) for a, b in ((0, 32), (32, 40)))
            training = Training(make_network(case), HeadsObjective(HEADS), *parts, run)
            return fit(training, Checkpoints(tmp_path / folder / "checkpoints", "model"))[0]

    whole = trained("whole", 2)
    trained("resumed", 1)
    assert weights_equal(whole, trained("resumed", 2))
    assert not weights_equal(whole, trained("plain", 2, ""))
