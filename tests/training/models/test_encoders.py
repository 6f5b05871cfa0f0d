"""Frozen encoders: what their vectors know."""

import numpy as np
import pytest
import torch

from training.models.encoders import (
    ENCODERS,
    Lite0Face,
    Lite0Grid,
    cell_means,
    load_encoder,
    open_encoders,
)


def test_a_grid_knows_where_things_are() -> None:
    torch.manual_seed(0)
    picture = torch.zeros(1, 1, 3, 96, 96, dtype=torch.uint8)
    picture[..., :40, :40] = torch.randint(0, 256, (1, 1, 3, 40, 40), dtype=torch.uint8)
    grid = Lite0Grid()
    with torch.inference_mode():
        here, there = (
            grid({"pictures": each})[0, 0, -320 * 9 :].reshape(320, 9)
            for each in (picture, picture.flip(3, 4))
        )
    same, opposite = ((here[:, 0] - there[:, n]).abs().mean() for n in (0, 8))
    assert opposite < 0.8 * same, "what was above on the left is now below on the right"


def test_cells_are_those_of_adaptive_pooling_for_any_side() -> None:
    for sides, cells in (((14, 14), 4), ((7, 7), 3), ((6, 10), 4), ((3, 3), 3)):
        maps = torch.rand(2, 5, *sides)
        expected = torch.nn.functional.adaptive_avg_pool2d(maps, cells)
        torch.testing.assert_close(cell_means(maps, cells), expected)


def test_texture_of_a_face_stands_before_the_grid() -> None:
    pictures = torch.randint(0, 256, (1, 1, 3, 96, 96), dtype=torch.uint8)
    with torch.inference_mode():
        face, grid = Lite0Face()({"pictures": pictures}), Lite0Grid()({"pictures": pictures})
    torch.testing.assert_close(face[..., Lite0Face.texture_dim :], grid)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_cpu_takes_the_quick_way_to_the_same_vectors(name: str) -> None:
    rng = np.random.default_rng(0)
    [encoder] = open_encoders(name)
    for side in (96, 84):  # 84 is not a multiple of 32
        pictures = rng.integers(0, 256, (2, 2, 3, side, side)).astype(np.uint8)
        patches = rng.integers(0, 256, (2, 4, 3, 64, 64)).astype(np.uint8)
        arrays = {"pictures": pictures, "patches": patches}
        arrays = {key: arrays[key] for key in load_encoder(name).input_names}
        with torch.inference_mode():
            plain = load_encoder(name)({k: torch.from_numpy(v) for k, v in arrays.items()})
        quick = encoder.encode(arrays, torch.device("cpu"))
        np.testing.assert_allclose(quick, plain.numpy(), rtol=1e-3, atol=2e-3)
