from pathlib import Path

import torch
from torch import nn

from training.fit.checkpoint import Checkpoints, TrainingProgress


def parts(seed: int) -> tuple[nn.Linear, torch.optim.AdamW]:
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    return network, torch.optim.AdamW(network.parameters())


def step(network: nn.Linear, optimiser: torch.optim.AdamW) -> None:
    network(torch.rand(4, 3)).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_a_restored_training_takes_the_same_next_step(tmp_path: Path) -> None:
    network, optimiser = parts(0)
    step(network, optimiser)
    store = Checkpoints(tmp_path, "model")
    store.save(
        network, optimiser, TrainingProgress(epoch=1, examples_seen=4, best_epoch=1, best_loss=0.5)
    )
    step(network, optimiser)
    other, other_optimiser = parts(1)
    progress = store.restore(other, other_optimiser)
    step(other, other_optimiser)
    assert torch.equal(network.weight, other.weight)
    assert (progress.epoch, progress.examples_seen, progress.best_epoch, progress.best_loss) == (
        1,
        4,
        1,
        0.5,
    )


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    network, optimiser = parts(0)
    store = Checkpoints(tmp_path, "model")
    for epoch in range(1, 8):
        store.save(network, optimiser, TrainingProgress(epoch=epoch, best_epoch=min(epoch, 2)))
    assert store.epochs() == [2, 6, 7]


def test_without_a_checkpoint_training_starts_fresh(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", "model").restore(*parts(0)) == TrainingProgress()
