import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from catalog import show_progress
from curation.exif.bin_edges import BINS
from tests.display import ListDisplay
from tests.training.made_release import loose_release
from training.data.samples import SampleStore
from training.data.transforms import cut
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.trainer import Examples, Run, fit, natural_loss, predict
from training.models.losses import MISSING
from training.models.networks import HeadsNetwork
from training.recipes.exif import EXIF, SMOKE

CONFIG = replace(
    SMOKE, epochs=3, batch_size=8, width=4, features=8, patch_px=32, thumbnail_px=32, bank=4
)
RUN = Run(CONFIG, "digest", "split", torch.device("cpu"))


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    release = loose_release(tmp_path_factory.mktemp("loose"), 30)
    return SampleStore(
        release,
        pl.DataFrame(release.index()),
        lambda pixels: cut(pixels, CONFIG.view),
        sample_bytes=1,
        cache_bytes=99,
    )


def examples(loader: SampleStore, rows: range) -> Examples:
    fine, coarse = (make(loader.index, BINS)[list(rows)] for make in (EXIF.targets, EXIF.classes))
    return Examples(loader, np.array(rows), fine, coarse, np.ones(len(rows)))


def trained(
    loader: SampleStore, folder: Path, run: Run = RUN
) -> tuple[HeadsNetwork, TrainingProgress]:
    torch.manual_seed(run.config.seed)
    network = EXIF.build(run.config)
    parts = examples(loader, range(20)), examples(loader, range(20, 30))
    return network, fit(network, *parts, run, Checkpoints(folder, "model"))


def test_a_resumed_training_has_the_losses_of_an_unbroken_one(
    loader: SampleStore, tmp_path: Path
) -> None:
    _, unbroken = trained(loader, tmp_path)
    expected = list(unbroken.history)
    shutil.rmtree(tmp_path / "epoch-0003")  # as if killed in the third epoch
    _, resumed = trained(loader, tmp_path)
    for key in ("train_loss", "validation_loss", "examples_seen", "learning_rate"):
        losses = [row[key] for row in expected]
        assert [row[key] for row in resumed.history] == pytest.approx(losses, abs=1e-6)


def test_the_same_seed_gives_the_same_losses(loader: SampleStore, tmp_path: Path) -> None:
    _, one = trained(loader, tmp_path / "one")
    _, other = trained(loader, tmp_path / "other")
    assert [row["train_loss"] for row in one.history] == [
        row["train_loss"] for row in other.history
    ]


def test_every_epoch_shows_every_training_picture_once(loader: SampleStore, tmp_path: Path) -> None:
    _, progress = trained(loader, tmp_path)
    assert [row["examples_seen"] for row in progress.history] == [20, 40, 60]
    assert progress.examples_seen == 60
    assert progress.best_loss == min(row["validation_loss"] for row in progress.history)


def test_the_display_of_an_epoch_carries_its_loss(loader: SampleStore, tmp_path: Path) -> None:
    display = ListDisplay()
    with show_progress(display):
        _, progress = trained(loader, tmp_path)
    lines = [line for line in display.shown if "loss" in line]
    for row in progress.history:
        title = rf"split: epoch {row['epoch']} of 3, loss {row['train_loss']:.3f}"
        assert any(re.match(title, line) for line in lines)
    before = min(row["validation_loss"] for row in progress.history[:-1])
    assert lines[-1].endswith(f"best validation {before:.3f}")


def test_the_best_epoch_is_what_remains(loader: SampleStore, tmp_path: Path) -> None:
    network, progress = trained(loader, tmp_path)
    validation = examples(loader, range(20, 30))
    loss = natural_loss(predict(network, validation, RUN), validation.coarse)
    assert loss == pytest.approx(progress.best_loss, abs=1e-6)


def test_a_training_that_no_longer_improves_ends_early(loader: SampleStore, tmp_path: Path) -> None:
    stubborn = replace(RUN, config=replace(CONFIG, learning_rate=0.0, patience=1, epochs=30))
    _, progress = trained(loader, tmp_path, stubborn)
    assert progress.epoch < 30
    assert progress.epoch == progress.best_epoch + 1


def test_a_view_that_is_hidden_changes_the_answer(loader: SampleStore, tmp_path: Path) -> None:
    network, _ = trained(loader, tmp_path)
    some = examples(loader, range(5))
    answers = [
        predict(network, some, RUN, view) for view in ("full", "thumbnail_only", "patches_only")
    ]
    assert all(np.allclose(np.exp(a).sum(2), 1, atol=1e-4) for a in answers)
    assert not np.allclose(answers[0], answers[1])
    assert not np.allclose(answers[1], answers[2])


def test_rows_without_labels_do_not_count_in_the_loss() -> None:
    answers = np.log(np.full((2, 1, 3), 1 / 3))
    assert natural_loss(answers, np.array([[1], [MISSING]])) == pytest.approx(np.log(3))
