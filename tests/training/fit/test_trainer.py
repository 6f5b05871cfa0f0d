import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from catalog import show_progress
from curation.rules.bin_edges import BINS
from tests.display import ListDisplay
from tests.training.made_release import loose_release
from tests.training.small_training import SmallTraining, open_numbers, weights_equal
from training.data.stores.pictures import SampleStore
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.examples import Examples, make_examples
from training.fit.loss_curve import curve_table
from training.fit.objective import natural_loss, predict
from training.fit.recipe import Labels
from training.fit.run_log import read_log
from training.fit.task import Task
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.recipes.exif import RECIPE, SMOKE

CONFIG = replace(
    SMOKE, epochs=3, batch_size=8, width=4, features=8, patch_px=32, thumbnail_px=32, bank=4
)
RUN = TrainingRun(CONFIG, "digest", "split", torch.device("cpu"))
TASK = Task.on(RECIPE, CONFIG, Labels(pl.DataFrame(), {"bins": BINS}))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleStore]:
    release = loose_release(tmp_path_factory.mktemp("loose"), 30)
    index = pl.DataFrame(release.index())
    with SampleStore(release, index, TASK.view, cache_bytes=10**8) as opened:
        yield opened


def examples(store: SampleStore, rows: range) -> Examples:
    return make_examples(store, TASK.heads, np.array(rows))


def trained(
    store: SampleStore, folder: Path, run: TrainingRun = RUN
) -> tuple[nn.Module, TrainingProgress]:
    torch.manual_seed(run.config.seed)
    network = TASK.build()
    parts = examples(store, range(20)), examples(store, range(20, 30))
    return fit(Training(network, TASK.objective, *parts, run), Checkpoints(folder, "model"))


def test_a_resumed_training_has_the_losses_of_an_unbroken_one(
    store: SampleStore, tmp_path: Path
) -> None:
    network, unbroken = trained(store, tmp_path)
    expected = list(unbroken.history)
    shutil.rmtree(tmp_path / "epoch-0003")  # as if killed in the third epoch
    again, resumed = trained(store, tmp_path)
    for key in ("train_loss", "validation_loss", "examples_seen", "learning_rate"):
        assert [row[key] for row in resumed.history] == [row[key] for row in expected]
    ours, theirs = again.state_dict(), network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_losses_by_step_and_of_validation_batches_change_no_weight(
    store: SampleStore, tmp_path: Path
) -> None:
    network, plain = trained(store, tmp_path / "plain")
    looking = replace(RUN, config=replace(CONFIG, validate_every=2))
    again, progress = trained(store, tmp_path / "looking", looking)
    theirs = network.state_dict()
    assert all(torch.equal(each, theirs[name]) for name, each in again.state_dict().items())
    curve = curve_table(progress.curve)
    assert curve["place"].to_list() == pytest.approx([step / 3 for step in range(1, 10)])
    assert curve["train_loss"].equals(curve_table(plain.curve)["train_loss"])
    assert curve["validation_loss"].is_not_null().to_list() == [False, True] * 4 + [False]
    for epoch in range(3):
        weights = np.array([8, 8, 4])
        mean = (curve["train_loss"].to_numpy()[3 * epoch : 3 * epoch + 3] * weights).sum() / 20
        assert mean == pytest.approx(progress.history[epoch]["train_loss"])
    events = [record["event"] for record in read_log(tmp_path / "log.jsonl")]
    assert events.count("validation") == 4
    shutil.rmtree(tmp_path / "looking" / "epoch-0003")
    _, resumed = trained(store, tmp_path / "looking", looking)
    assert resumed.curve == progress.curve


def test_the_same_seed_gives_the_same_losses(store: SampleStore, tmp_path: Path) -> None:
    _, one = trained(store, tmp_path / "one")
    _, other = trained(store, tmp_path / "other")
    assert [row["train_loss"] for row in one.history] == [
        row["train_loss"] for row in other.history
    ]


def test_samples_in_memory_teach_what_samples_that_are_made_anew_do(tmp_path: Path) -> None:
    networks = []
    for cache_bytes in (0, 10**6):
        folder = tmp_path / str(cache_bytes)
        folder.mkdir()
        with open_numbers(folder, cache_bytes=cache_bytes) as store:
            networks.append(SmallTraining(store, folder / "checkpoints").fit()[0])
            assert store.caches == bool(cache_bytes)
    assert weights_equal(*networks)


def test_every_epoch_shows_every_training_picture_once(store: SampleStore, tmp_path: Path) -> None:
    _, progress = trained(store, tmp_path)
    assert [row["examples_seen"] for row in progress.history] == [20, 40, 60]
    assert progress.examples_seen == 60
    assert progress.best_loss == min(row["validation_loss"] for row in progress.history)


def test_the_display_of_an_epoch_carries_its_loss(store: SampleStore, tmp_path: Path) -> None:
    display = ListDisplay()
    with show_progress(display):
        _, progress = trained(store, tmp_path)
    lines = [line for line in display.shown if "loss" in line]
    for row in progress.history:
        title = rf"split: epoch {row['epoch']} of 3, loss {row['train_loss']:.3f}"
        assert any(re.match(title, line) for line in lines)
    before = min(row["validation_loss"] for row in progress.history[:-1])
    assert lines[-1].endswith(f"best validation {before:.3f}")


def test_the_best_epoch_is_what_remains(store: SampleStore, tmp_path: Path) -> None:
    network, progress = trained(store, tmp_path)
    validation = examples(store, range(20, 30))
    raw = predict(network, TASK.heads, validation, RUN)
    loss = natural_loss(TASK.heads, raw, validation.truth)
    assert loss == pytest.approx(progress.best_loss, abs=1e-6)


def test_a_training_that_no_longer_improves_ends_early(store: SampleStore, tmp_path: Path) -> None:
    stubborn = replace(RUN, config=replace(CONFIG, learning_rate=0.0, patience=1, epochs=30))
    _, progress = trained(store, tmp_path, stubborn)
    assert progress.epoch < 30
    assert progress.epoch == progress.best_epoch + 1


def test_a_view_that_is_hidden_changes_the_answer(store: SampleStore, tmp_path: Path) -> None:
    network, _ = trained(store, tmp_path)
    some = examples(store, range(5))
    for head in TASK.heads:
        full, thumbnail, patches = (
            predict(network, [head], some, RUN, part)[head.name]
            for part in ("", "thumbnail_only", "patches_only")
        )
        for log_p in (full, thumbnail, patches):
            assert np.allclose(np.exp(log_p).sum(1), 1, atol=1e-4)
        assert not np.allclose(full, thumbnail)
        assert not np.allclose(thumbnail, patches)
