import numpy as np
import pytest
import torch

from tests.training.small_training import HEADS, make_network, open_numbers, parts_of
from training.data.arrays import MISSING
from training.fit.objective import HeadsObjective, mean_loss, natural_loss, predict
from training.fit.training_run import TrainingRun
from training.heads import OrdinalHead

ROWS = 4
HEAD = OrdinalHead(
    name="level", column="level", classes=("a", "b", "c"), edges=(4.0, 8.0),
    fine_edges=tuple(map(float, range(1, 12))), first_fine=(0, 4, 8),
)  # fmt: skip


def loss_of(
    log_p: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, heads: tuple[float, ...] = ()
) -> torch.Tensor:
    """Return the loss of log-probabilities (N, heads, F) for targets (N, heads)."""
    losses = [HEAD.loss(log_p[:, i], target[:, i]) for i in range(target.shape[1])]
    return mean_loss(losses, heads or [1.0] * len(losses), weight)


def answers() -> torch.Tensor:
    return torch.randn(ROWS, 3, 12, requires_grad=True)


def test_a_row_without_one_label_still_trains_the_other_heads() -> None:
    logits = answers()
    target = torch.tensor([[1, MISSING, 3]] * ROWS)
    loss_of(logits.log_softmax(2), target, torch.ones(ROWS)).backward()
    assert logits.grad is not None
    assert logits.grad[:, 1].abs().max() == 0
    assert logits.grad[:, 0].abs().min() > 0
    assert logits.grad[:, 2].abs().min() > 0


def test_the_loss_is_the_mean_over_known_labels() -> None:
    log_p = answers().log_softmax(2)
    target = torch.tensor([[0, 1, 2], [3, MISSING, MISSING], [MISSING] * 3, [5, 5, 5]])
    picked = [
        log_p[i, j, t] for i, row in enumerate(target) for j, t in enumerate(row) if t != MISSING
    ]
    loss = loss_of(log_p, target, torch.ones(ROWS))
    assert torch.isclose(loss, -torch.stack(picked).mean())


def test_a_weight_of_two_counts_a_picture_twice() -> None:
    log_p = answers().log_softmax(2)
    target = torch.randint(0, 12, (ROWS, 3))
    doubled = loss_of(
        torch.cat([log_p, log_p[:1]]), torch.cat([target, target[:1]]), torch.ones(ROWS + 1)
    )
    weighted = loss_of(log_p, target, torch.tensor([2.0, 1.0, 1.0, 1.0]))
    assert torch.isclose(doubled, weighted)


def test_a_head_with_weight_two_counts_as_two_heads() -> None:
    log_p = answers().log_softmax(2)
    target = torch.randint(0, 12, (ROWS, 3))
    doubled = loss_of(
        torch.cat([log_p, log_p[:, :1]], 1), torch.cat([target, target[:, :1]], 1), torch.ones(ROWS)
    )
    assert torch.isclose(doubled, loss_of(log_p, target, torch.ones(ROWS), (2.0, 1.0, 1.0)))


@pytest.mark.parametrize("labelled", [ROWS, 2, 0])
def test_one_head_learns_what_it_does_beside_one_without_labels(labelled: int) -> None:
    target = torch.tensor([3, 5, 7, 9]).where(torch.arange(ROWS) < labelled, MISSING)
    weight = torch.tensor([1.0, 2.0, 0.3, 1.0])
    losses, gradients = [], []
    for others in (0, 1):
        logits = torch.randn(ROWS, 1, 12, generator=torch.Generator().manual_seed(0))
        log_p = logits.requires_grad_().log_softmax(2).expand(-1, 1 + others, -1)
        targets = torch.stack([target, *[torch.full_like(target, MISSING)] * others], dim=1)
        loss = loss_of(log_p, targets, weight)
        loss.backward()
        losses.append(loss.item())
        gradients.append(logits.grad)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    torch.testing.assert_close(*gradients)


def test_a_batch_without_labels_costs_nothing() -> None:
    logits = answers()
    target = torch.full((ROWS, 3), MISSING)
    loss = loss_of(logits.log_softmax(2), target, torch.ones(ROWS))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


def test_rows_without_labels_do_not_count_in_the_loss_of_validation() -> None:
    raw = {HEAD.name: np.log(np.full((2, 3), 1 / 3))}
    truth = {HEAD.name: np.array([1, MISSING])}
    assert natural_loss([HEAD], raw, truth) == pytest.approx(np.log(3))


def test_validation_of_several_heads_is_one_mean_over_labels(tmp_path) -> None:
    with open_numbers(tmp_path) as store:
        network, (_, held_out) = make_network(), parts_of(store)
        run = TrainingRun(None, "digest", "split", torch.device("cpu"))  # type: ignore[arg-type]  # not used
        raw = predict(network, HEADS, held_out, run)
        loss = HeadsObjective(HEADS).validation_loss(network, held_out, run)
    per_label = []
    for head in HEADS:
        losses, is_labelled = head.selection_loss(raw[head.name], held_out.truth[head.name])
        assert 0 < is_labelled.sum() < len(held_out)
        per_label.append(losses[is_labelled])
    assert loss == pytest.approx(np.concatenate(per_label).mean(), abs=1e-12)


def test_predictions_are_in_the_order_of_the_rows_whatever_the_batches(tmp_path) -> None:
    with open_numbers(tmp_path) as store:
        network, (train, _) = make_network(), parts_of(store)
        run = TrainingRun(None, "digest", "split", torch.device("cpu"))  # type: ignore[arg-type]  # not used
        raw = predict(network, HEADS, train, run)
        inputs = {
            "numbers": torch.stack([torch.tensor(store.sample(r)["numbers"]) for r in train.rows])
        }
        with torch.inference_mode():
            outputs = network.eval()(inputs)
    for head in HEADS:
        expected = head.raw(outputs[head.name]).double().numpy()
        np.testing.assert_allclose(raw[head.name], expected, atol=1e-5)
