"""Gradient ascent raises the logit of ten of ten pictures, whatever the network."""

from itertools import pairwise

import numpy as np
import torch

from training.heads import BinaryHead
from training.recipes.good_photos import SMOKE, network
from training.studies.dream import ascend, logit_and_gradient

HEAD = BinaryHead(name="good_or_bad", column="class", classes=("bad", "good"))


def test_the_logit_rises_at_each_step_on_ten_of_ten_pictures() -> None:
    torch.manual_seed(0)
    made, rng = network(SMOKE, (HEAD,)), np.random.default_rng(0)
    for number in range(10):
        size = (24 + 5 * number, 70 - 4 * number, 3)
        picture = (rng.random(size) * 90 + 15 * number).astype(np.uint8)
        frames, logits = ascend(made, HEAD.name, picture, 4)
        assert len(frames) == len(logits) > 1
        assert all(after > before for before, after in pairwise(logits))
        assert logits[-1] == logit_and_gradient(made, HEAD.name, frames[-1])[0]
        assert frames[-1].dtype == np.uint8
        assert frames[-1].shape == size
