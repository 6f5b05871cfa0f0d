import itertools

import pytest
import torch

from training.models.layers import SumPool2d

SHAPES = [(1, 1), (2, 3), (5, 4), (7, 7), (8, 13)]


def by_loop(picture: torch.Tensor, size: int, stride: int, *, fit: bool) -> torch.Tensor:
    """Sum windows one by one; with `fit` until the last pixel is covered."""
    height, width = picture.shape

    def starts(length: int) -> list[int]:
        if not fit:
            return list(range(0, length - size + 1, stride))
        places = [0]
        while places[-1] + size < length:
            places.append(places[-1] + stride)
        return places

    rows = [
        [float(picture[y : y + size, x : x + size].sum()) for x in starts(width)]
        for y in starts(height)
    ]
    return torch.tensor(rows)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_sums_equal_a_loop_at_every_stride(shape: tuple[int, int], size: int) -> None:
    picture = torch.arange(1.0, shape[0] * shape[1] + 1).reshape(shape)
    for stride, fit in itertools.product(range(1, size + 1), (True, False)):
        if not fit and min(shape) < size:
            continue
        pooled = SumPool2d(size, stride, fit=fit)(picture[None, None])[0, 0]
        torch.testing.assert_close(pooled, by_loop(picture, size, stride, fit=fit))


def test_a_sum_is_the_mean_times_the_window_where_windows_fit() -> None:
    picture = torch.rand(2, 3, 12, 8, generator=torch.Generator().manual_seed(0))
    for size in (2, 4):
        mean = torch.nn.functional.avg_pool2d(picture, size)
        torch.testing.assert_close(SumPool2d(size)(picture), mean * size**2)


def test_padding_adds_nothing_to_the_sum_of_all() -> None:
    picture = torch.rand(1, 2, 7, 11, generator=torch.Generator().manual_seed(1))
    assert float(SumPool2d(3)(picture).sum()) == pytest.approx(float(picture.sum()), rel=1e-5)
