"""The numbers about tones: what exposure, casts and clipping do to them."""

import torch

from training.models.picture_statistics import (
    BRIGHT,
    HUES,
    LEVELS,
    POWERS,
    QUANTILES,
    TONES,
    WIDEST_HUE,
    PictureColours,
    PictureStatistics,
    PictureTones,
)

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


def photograph() -> torch.Tensor:
    """Return smooth colours with clipped ends, (1, 3, 40, 40), uint8."""
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (40, 40), mode="bilinear")
    return (smooth * 340 - 40).clamp(0, 255).to(torch.uint8)


def test_shares_by_value_are_those_of_the_pixels() -> None:
    picture = photograph()
    pixels = (picture.float() / 255).flatten(2)[0]  # (3, P)
    levels = torch.tensor(LEVELS)
    below = (pixels[:, None] < levels[:, None]).double().mean(2).flatten()
    colours = PictureColours()(picture)[0].double()
    torch.testing.assert_close(colours[: len(below)], below, atol=1e-5, rtol=0)
    first = len(below) + 6 + HUES**2 + 4
    for place, power in enumerate(POWERS):
        mean = ((pixels.double() ** power).mean(1) ** (1 / power) + 1e-3).log()
        made = colours[first + 5 * place :][:3]
        torch.testing.assert_close(made, mean, atol=1e-5, rtol=0)
    darkest = (pixels.amin(0) < levels[:, None]).double().mean(1)
    shares = PictureStatistics()(picture)[0].double()
    torch.testing.assert_close(shares[len(LEVELS) :][: len(LEVELS)], darkest, atol=1e-5, rtol=0)


def test_a_pixel_counts_in_the_hues_beside_it_by_how_near_it_is() -> None:
    picture = photograph()
    pixels = (picture.double() / 255).flatten(2)[0]
    logs = pixels.clamp_min(0.01).log()
    places = (logs[1] - logs[::2]).clamp(-WIDEST_HUE, WIDEST_HUE)  # (2, P)
    bins = torch.linspace(-WIDEST_HUE, WIDEST_HUE, HUES).double()
    near = (1 - (places[:, None] - bins[:, None]).abs() / (bins[1] - bins[0])).clamp_min(0)
    luma = torch.tensor((0.299, 0.587, 0.114)).double() @ pixels
    is_lit = ((luma > 0.04) & (pixels.amax(0) < 0.99)).double()
    expected = ((near[0] * is_lit @ near[1].T / is_lit.sum()) + 1e-4).sqrt().flatten()
    made = PictureColours()(picture)[0].double()
    start = 3 * len(LEVELS) + 6
    torch.testing.assert_close(made[start : start + HUES**2], expected, atol=1e-5, rtol=0)


def test_quantiles_by_value_are_those_of_the_sorted_pixels() -> None:
    picture = photograph()
    rows = picture[0, :, ::2].flatten(1)
    ordered = rows.sort(1).values.double() / 255
    places = [round(share * (rows.shape[1] - 1)) for share in QUANTILES]
    expected = (ordered[:, places] + 0.016).log()
    made = PictureTones()(torch.stack([picture, picture], 1))[0].double()
    start = 3 * len(QUANTILES)
    made = made[start : start + 3 * len(QUANTILES)].reshape(3, -1)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
