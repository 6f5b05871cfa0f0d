import doctest

import pytest
import torch
from torch.nn.functional import normalize

from training.models import losses
from training.models.losses import info_nce, koleo


def vectors(n: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(2 * n, 6, generator=torch.Generator().manual_seed(seed)))


def test_examples_in_the_documentation_run() -> None:
    assert doctest.testmod(losses).failed == 0


def test_info_nce_is_the_mean_cross_entropy_of_choosing_the_partner() -> None:
    made, temperature = vectors(3), 0.1
    expected = []
    for row in range(6):
        logits = {c: made[row] @ made[c] / temperature for c in range(6) if c != row}
        total = torch.stack(list(logits.values())).logsumexp(0)
        expected.append(total - logits[(row + 3) % 6])
    loss = info_nce(made, temperature)
    assert float(loss) == pytest.approx(float(torch.stack(expected).mean()), abs=1e-5)


def test_koleo_falls_when_the_nearest_other_picture_moves_away() -> None:
    near, far = torch.eye(4), torch.eye(4)
    near[1] = normalize(torch.tensor([1.0, 0.1, 0, 0]), dim=0)
    loss, other = (koleo(each.repeat(2, 1)) for each in (near, far))
    assert other < loss
    assert float(other) == pytest.approx(-0.5 * float(torch.log(torch.tensor(2.0))), abs=1e-6)
