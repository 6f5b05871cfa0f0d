from pathlib import Path

import pytest
import torch
from torch import nn

from training.errors import CheckpointError
from training.fit.checkpoint import (
    Checkpoints,
    Retention,
    TrainingProgress,
    TrainingState,
    size_of,
)


def make_state(seed: int, *, average: bool = False) -> TrainingState:
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    mean = torch.optim.swa_utils.AveragedModel(network) if average else None
    return TrainingState(network, torch.optim.AdamW(network.parameters()), mean)


def step(state: TrainingState) -> None:
    state.network(torch.rand(4, 3)).square().sum().backward()
    state.optimizer.step()
    state.optimizer.zero_grad()
    if isinstance(state.average, torch.optim.swa_utils.AveragedModel):
        state.average.update_parameters(state.network)


def same(one: nn.Module | None, other: nn.Module | None) -> bool:
    assert one is not None
    assert other is not None
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("average", [False, True])
def test_a_restored_training_takes_the_same_next_step(tmp_path: Path, average: bool) -> None:
    state = make_state(0, average=average)
    step(state)
    store = Checkpoints(tmp_path, "model")
    saved = TrainingProgress(epoch=1, examples_seen=4, best_epoch=1, best_loss=0.5, drops=2)
    saved.history.append({"epoch": 1, "train_loss": 0.25})
    store.save(state, saved)
    step(state)
    other = make_state(1, average=average)
    progress = store.restore(other)
    step(other)
    assert same(state.network, other.network)
    assert not average or same(state.average, other.average)
    assert progress == saved


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    state, store = make_state(0), Checkpoints(tmp_path, "model")
    for epoch in range(1, 8):
        store.save(state, TrainingProgress(epoch=epoch, best_epoch=min(epoch, 2)))
    assert store.epochs() == [2, 6, 7]


def test_a_quota_and_every_nth_hold_after_two_hundred_epochs(tmp_path: Path) -> None:
    state = make_state(0)
    one = Checkpoints(tmp_path / "one", "model")
    one.save(state, TrainingProgress(epoch=1, best_epoch=1))
    mb = size_of(tmp_path / "one") / 2**20
    plain = Checkpoints(tmp_path / "nth", "model", Retention(newest=3, every=50))
    tight = Checkpoints(
        tmp_path / "tight", "model", Retention(newest=30, every=2, most_mb=5.5 * mb)
    )
    for epoch in range(1, 201):
        progress = TrainingProgress(epoch=epoch, best_epoch=min(epoch, 7))
        plain.save(state, progress)
        tight.save(state, progress)
        assert size_of(tmp_path / "tight") <= 5.5 * mb * 2**20
    assert plain.epochs() == [7, 50, 100, 150, 198, 199, 200]
    assert tight.epochs() == [7, 197, 198, 199, 200]
    nothing = Checkpoints(tmp_path / "none", "model", Retention(newest=0, most_mb=1e-9))
    for epoch in (1, 2, 3):
        nothing.save(state, TrainingProgress(epoch=epoch, best_epoch=min(epoch, 2)))
    assert nothing.epochs() == [2, 3], "the best and the newest stay, whatever the quota is"


def test_a_step_is_kept_until_a_newer_step_or_epoch_is_saved(tmp_path: Path) -> None:
    state, store = make_state(0), Checkpoints(tmp_path, "model")
    for epoch, number in ((0, 1), (0, 12), (1, 0), (1, 3), (1, 100)):
        progress = TrainingProgress(epoch=epoch, step=number, best_epoch=min(epoch, 1))
        store.save(state, progress)
        assert store.restore(make_state(1)) == progress
        names = sorted(path.name for path in tmp_path.iterdir())
        assert len([name for name in names if name.startswith("step-")]) == bool(number)
    assert names == ["epoch-0001", "step-0001-000100"]


def test_what_a_killed_save_leaves_is_not_read(tmp_path: Path) -> None:
    state, store = make_state(0), Checkpoints(tmp_path, "model")
    store.save(state, TrainingProgress(epoch=1, best_epoch=1))
    for name in (".epoch-0002", ".step-0001-000007"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.pt").write_bytes(b"half of a file")
    assert store.epochs() == [1]
    assert store.restore(make_state(1)).epoch == 1
    store.save(state, TrainingProgress(epoch=2, best_epoch=2))
    assert store.restore(make_state(1)).epoch == 2


def test_the_best_weights_are_the_average_where_there_is_one(tmp_path: Path) -> None:
    for average in (False, True):
        state, store = make_state(0, average=average), Checkpoints(tmp_path / str(average), "model")
        for epoch in (1, 2):
            step(state)
            store.save(state, TrainingProgress(epoch=epoch, best_epoch=1))
            if epoch == 1:
                first = [p.detach().clone() for p in state.best.parameters()]
        store.load_best(state, 1)
        assert all(torch.equal(a, b) for a, b in zip(first, state.best.parameters(), strict=True))
        assert state.best is (state.average if average else state.network)


def test_without_a_checkpoint_training_starts_fresh(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", "model").restore(make_state(0)) == TrainingProgress()


def test_a_checkpoint_of_another_training_or_network_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "model").save(make_state(0), TrainingProgress(epoch=1, best_epoch=1))
    with pytest.raises(CheckpointError, match="start over with --fresh"):
        Checkpoints(tmp_path, "another-model").restore(make_state(0))
    network = nn.Sequential(nn.Linear(3, 2))
    other = TrainingState(network, torch.optim.AdamW(network.parameters()))
    with pytest.raises(CheckpointError, match="version of the recipe or of Safelight"):
        Checkpoints(tmp_path, "model").restore(other)
