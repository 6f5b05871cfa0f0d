import torch

from training.models.losses import MISSING, masked_nll


def answers() -> torch.Tensor:
    return torch.randn(4, 3, 12, requires_grad=True)


def test_a_row_without_one_label_still_trains_the_other_heads() -> None:
    logits = answers()
    target = torch.tensor([[1, MISSING, 3]] * 4)
    masked_nll(logits.log_softmax(2), target, torch.ones(4)).backward()
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
    loss = masked_nll(log_p, target, torch.ones(4))
    assert torch.isclose(loss, -torch.stack(picked).mean())


def test_a_weight_of_two_counts_a_picture_twice() -> None:
    log_p = answers().log_softmax(2)
    target = torch.randint(0, 12, (4, 3))
    doubled = masked_nll(
        torch.cat([log_p, log_p[:1]]), torch.cat([target, target[:1]]), torch.ones(5)
    )
    weighted = masked_nll(log_p, target, torch.tensor([2.0, 1.0, 1.0, 1.0]))
    assert torch.isclose(doubled, weighted)


def test_a_batch_without_labels_costs_nothing() -> None:
    loss = masked_nll(answers().log_softmax(2), torch.full((4, 3), MISSING), torch.ones(4))
    assert loss.item() == 0.0
