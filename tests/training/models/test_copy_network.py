import doctest

import numpy as np
import torch

from curation.stages.lite0 import Lite0Trunk
from training.models import copy_network
from training.models.copy_network import CopyNetwork, initialise_projection, normalise_pictures


def test_training_starts_where_the_pretrained_features_are() -> None:
    torch.manual_seed(0)
    features = torch.rand(60, 1280)
    net = CopyNetwork(Lite0Trunk(), dim=128, name="copies")
    initialise_projection(net, features)
    ours = net.project(features)
    centred = features - features.mean(dim=0)
    # 59 axes hold all that 60 centred points are: their products are kept.
    torch.testing.assert_close(
        ours[:, :59] @ ours[:, :59].T, centred @ centred.T, rtol=1e-3, atol=1e-2
    )


def test_pictures_are_normalised_as_the_card_of_an_embedder_says() -> None:
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8))
    planes = normalise_pictures(pictures)
    assert planes.shape == (2, 3, 5, 7)
    assert torch.equal(planes[1, 2], (pictures[1, :, :, 2].float() - 127) / 128)


def test_examples_in_the_documentation_run() -> None:
    assert doctest.testmod(copy_network).failed == 0
