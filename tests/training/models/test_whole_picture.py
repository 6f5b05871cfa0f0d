"""The network for whole pictures: padding changes nothing, and every size has features."""

import numpy as np
import torch
from hypothesis import given, settings, strategies as st

from training.data.views import WholePicture
from training.models.whole_picture import WholePictureBackbone, halvings

VIEW = WholePicture(480)
SIZES = st.tuples(st.integers(16, 90), st.integers(16, 90))


def backbone() -> WholePictureBackbone:
    torch.manual_seed(0)
    network = WholePictureBackbone((8, 8, 12, 12), features=8)
    for norm in network.norms:  # statistics that map nothing to 0
        torch.nn.init.uniform_(norm.bias, 0.1, 0.5)
        norm.running_mean.uniform_(-0.3, 0.3)
    return network.eval()


NETWORK = backbone()


def features(samples: list[dict[str, np.ndarray]]) -> torch.Tensor:
    arrays = {name: torch.from_numpy(each) for name, each in VIEW.plain(samples).items()}
    with torch.inference_mode():
        return NETWORK(arrays)


@settings(max_examples=15, deadline=None)
@given(st.lists(SIZES, min_size=2, max_size=4), st.integers(0, 9))
def test_a_padded_picture_has_the_features_of_the_picture_alone(
    sizes: list[tuple[int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = [VIEW.prepare(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    alone = torch.cat([features([sample]) for sample in samples])
    torch.testing.assert_close(features(samples), alone, atol=2e-5, rtol=1e-4)


def test_half_of_a_picture_has_the_means_of_nine_pixels_of_it() -> None:
    pixels, mask = torch.rand(2, 3, 21, 34), torch.ones(2, 1, 21, 34)
    means = torch.nn.functional.avg_pool2d(pixels, 3, 1, 1, count_include_pad=False)
    whole, half, quarter = halvings(pixels, mask)
    torch.testing.assert_close(whole.fine, pixels - means)
    torch.testing.assert_close(half.pixels, means[:, :, ::2, ::2])
    assert quarter.pixels.shape == (2, 3, 6, 9)
    assert quarter.mask.shape == (2, 1, 6, 9)


def test_one_network_reads_every_shape_with_a_gradient() -> None:
    network = backbone().train()
    for height, width in ((320, 480), (544, 480), (720, 480), (480, 320), (16, 480)):
        sample = VIEW.prepare(np.full((height, width, 3), 90, np.uint8))
        arrays = {name: torch.from_numpy(each) for name, each in VIEW.plain([sample]).items()}
        made = network(arrays)
        assert made.shape == (1, 8)
        made.sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters())
