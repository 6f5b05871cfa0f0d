"""The numbers about tones: what exposure, casts and clipping do to them."""

import torch

from training.models.picture_statistics import BRIGHT, QUANTILES, TONES, PictureTones

N = len(QUANTILES)
MIDDLE = QUANTILES.index(0.5)


def numbers(picture: torch.Tensor) -> torch.Tensor:
    """Return the numbers of a picture (3, S, S) from 0 to 1 that is whole and its own middle, (dim / 2,)."""
    pixels = (255 * picture).round().clamp(0, 255).byte()
    both = PictureTones()(torch.stack([pixels, pixels])[None])[0]
    assert torch.equal(both[: len(both) // 2], both[len(both) // 2 :])
    return both[: len(both) // 2]


def noise() -> torch.Tensor:
    return 0.2 + 0.4 * torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_half_of_the_light_moves_quantiles_and_leaves_the_balance() -> None:
    light, dark = (numbers(noise() * gain)[: 8 * N].reshape(8, N) for gain in (1.0, 0.5))
    moved = (light - dark)[:, MIDDLE]
    assert moved[:6].min() > 0.6
    assert moved[6:].abs().max() < 0.02


def test_a_cast_moves_red_against_blue() -> None:
    gains = torch.tensor([1.2, 1.0, 1 / 1.2])[:, None, None]
    plain, warm = (numbers(noise() * gain)[: 8 * N].reshape(8, N) for gain in (1.0, gains))
    red, blue = (warm - plain)[6:, MIDDLE]
    assert red > 0.15
    assert blue < -0.15


def test_clipped_channels_are_counted_apart() -> None:
    picture = noise()
    picture[0, :, :32] = 1.0  # one channel of half of the pixels
    picture[:, :, 48:] = 1.0  # all three of a quarter
    clipped = numbers(picture)[8 * N + 5 * TONES :].exp()
    one, two, three = clipped[: len(BRIGHT)]
    assert abs(one - 0.5) < 0.01
    assert two < 0.01
    assert abs(three - 0.25) < 0.01
