"""Numbers about the light and the colours of a whole picture, computed in torch so that an exported model has them."""

import torch
from torch import nn
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)
VALUES = 256  # of a channel
HUES = 9  # bins of a log ratio of two channels, from -WIDEST_HUE to WIDEST_HUE
WIDEST_HUE = 1.05
SUMS = 32  # of a bin: one number of thousands of pixels would round
POWERS = (1, 4, 8)
QUANTILES = (
    0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0,
)  # fmt: skip
TONES = 8  # ranges of luma
BRIGHT, DARK = (0.998, 0.988, 0.96), (0.002, 0.012, 0.04)  # ends of the range of a channel
FAINT = 0.016  # four levels of 255, below which a logarithm is noise
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)


class PictureStatistics(nn.Module):
    """Shares of pixels below eleven levels of luma, darkest channel, brightest channel and saturation; casts; contrast.

    The darkest channel rises with haze (He, Sun and Tang 2009); the mean colour of bright and of nearly grey pixels
    shows a cast; luma at the ends of its range shows a wrong exposure.

    >>> PictureStatistics()(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 68])
    """

    dim = 4 * len(LEVELS) + 4 * 3 + 12
    luma: torch.Tensor
    levels: torch.Tensor
    light: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(_LUMA))
        self.register_buffer("levels", torch.tensor(LEVELS))
        self.register_buffer("light", _light_of_values(), persistent=False)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Map uint8 pictures (N, 3, S, S) to (N, 68)."""
        pixels = picture.flatten(2).float() / 255  # (N, 3, P)
        luma = _luma(pixels)
        low, high = pixels.amin(1), pixels.amax(1)
        saturation = (high - low) / high.clamp_min(0.04)
        planes = torch.stack([luma, low, high, saturation], 1)  # (N, 4, P)
        ends = _shares_of_values(_ordered(picture)[:, ::2])
        shares = torch.cat(
            [
                self._below(luma),
                *(ends @ (self.light[:, None] < self.levels).float()).unbind(1),
                self._below(saturation),
            ],
            1,
        )
        chroma = torch.stack([pixels[:, 0] - luma, pixels[:, 2] - luma], 1)  # (N, 2, P)
        opponent = torch.cat([chroma, pixels[:, 1:2] - luma[:, None]], 1)
        is_lit = ((luma > 0.04) & (luma < 0.98)).float()[:, None]
        weights = (
            torch.ones_like(is_lit),
            is_lit,
            is_lit * luma[:, None].square().square(),
            is_lit * torch.exp(-12 * saturation[:, None]),
        )
        relative = opponent / (luma[:, None] + 0.05)
        casts = [(relative * w).sum(2) / w.sum(2).clamp_min(1e-3) for w in weights]
        spreads = _spread(torch.cat([planes, opponent], 1))
        return torch.cat([shares, *casts, planes.mean(2), spreads, _spread(relative)[:, :1]], 1)

    def _below(self, plane: torch.Tensor) -> torch.Tensor:
        """Return the shares of pixels (N, P) below each level, (N, levels)."""
        return torch.stack([(plane < level).float().mean(1) for level in self.levels], 1)


class PictureColours(nn.Module):
    """Tones by channel, a histogram of hues, colours of edges, of the brightest pixels and of nine parts of a picture.

    A cast moves the whole histogram of log ratios of channels (Barron 2015); the colour of edges (van de Weijer et al.
    2007) and power means (Finlayson and Trezzi 2004) are estimates of it. Contrast at three scales falls with haze.

    >>> PictureColours()(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 178])
    """

    dim = 3 * len(LEVELS) + 6 + HUES**2 + 4 + 5 * len(POWERS) + 27 + 12
    luma: torch.Tensor
    levels: torch.Tensor
    hues: torch.Tensor
    light: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("light", _light_of_values(), persistent=False)
        self.register_buffer("luma", torch.tensor(_LUMA))
        self.register_buffer("levels", torch.tensor(LEVELS))
        self.register_buffer("hues", torch.linspace(-WIDEST_HUE, WIDEST_HUE, HUES))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Map uint8 pictures (N, 3, S, S) to (N, 178)."""
        light = picture.float() / 255
        pixels = light.flatten(2)  # (N, 3, P)
        histograms = _shares_of_values(picture.flatten(2))
        values = self.light
        limits = (*(values < level for level in self.levels), values > 0.995, values < 0.005)
        shares = histograms @ torch.stack(limits, 1).float()  # (N, 3, levels + 2)
        count = len(LEVELS)
        parts = [
            shares[:, :, :count].flatten(1),
            shares[:, :, count],
            shares[:, :, count + 1],
            self._hues(pixels, _luma(pixels)),
            _edge_colours(light),
            *_power_means(histograms @ torch.stack([values**power for power in POWERS], 1)),
        ]
        return torch.cat([*parts, _ninths(light), _contrasts(light)], 1)

    def _hues(self, pixels: torch.Tensor, luma: torch.Tensor) -> torch.Tensor:
        """Return roots of shares of pixels by log(green / red) and log(green / blue), (N, HUES ** 2)."""
        is_lit = ((luma > 0.04) & (pixels.amax(1) < 0.99)).float()
        shares = _hue_counts(pixels, is_lit) / is_lit.sum(1, keepdim=True).clamp_min(1)
        return (shares + 1e-4).sqrt()


class PictureTones(nn.Module):
    """Where the tones of a picture end and how they lie, of the whole picture and of its native middle.

    Quantiles of luma, of the brightest and darkest channel and of each channel, as logarithms, also red and blue
    against green: a gain of exposure moves all of them, a cast moves channels apart, haze lifts the lowest. Detail,
    saturation and hue by luma: clipped light loses its colour, haze the detail of shadows. How many pixels have one,
    two or three channels at an end of the range: a long exposure clips one channel after the other. Every other row
    counts.

    >>> PictureTones()(torch.zeros(2, 2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 394])
    """

    dim = 2 * (8 * len(QUANTILES) + 5 * TONES + 3 * (len(BRIGHT) + len(DARK)) + len(BRIGHT))
    luma: torch.Tensor
    tones: torch.Tensor
    light: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(_LUMA))
        self.register_buffer("tones", torch.arange(1, TONES) / TONES)
        self.register_buffer("light", _light_of_values(), persistent=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map uint8 pictures (N, 2, 3, S, S), the whole one and its middle, to (N, 394)."""
        squares = [self._numbers(pictures[:, number]) for number in range(2)]
        return torch.cat(squares, 1)

    def _numbers(self, picture: torch.Tensor) -> torch.Tensor:
        light = picture.float() / 255
        luma = _luma(light)  # (N, S, S)
        around = functional.avg_pool2d(luma[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
        detail = ((luma - around).abs()[:, ::2] + 0.002).log()
        some, tone = light[:, :, ::2].flatten(2), luma[:, ::2].flatten(1)  # (N, 3, P), (N, P)
        by_tone = self._by_tone(some, tone, detail.flatten(1))
        stored = picture[:, :, ::2].flatten(2)
        shares = _shares_of_values(torch.cat([_ordered(stored), stored], 1))  # (N, 6, VALUES)
        return torch.cat(
            [_quantiles(tone, shares, self.light), by_tone, _clipped(shares[:, :3], self.light)], 1
        )

    def _by_tone(
        self, pixels: torch.Tensor, tone: torch.Tensor, detail: torch.Tensor
    ) -> torch.Tensor:
        """Return share, detail, saturation and hue of the pixels of eight ranges of luma, (N, 40)."""
        logs = (pixels + 0.02).log()
        saturation = pixels.amax(1) - pixels.amin(1)
        hues = [logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]]
        values = torch.stack([detail, saturation, *hues], 1)  # (N, 4, P)
        above = (tone[:, None] >= self.tones[:, None]).float()  # (N, 7, P)
        everywhere = torch.ones_like(above[:, :1])
        inside = torch.cat([everywhere, above], 1) - torch.cat([above, 0 * everywhere], 1)
        count = inside.sum(2) + 10.0
        mean = values.mean(2, keepdim=True)
        # A range of few pixels has the mean of the picture.
        means = ((values - mean) @ inside.transpose(1, 2)) / count[:, None] + mean
        shares = (count / count.sum(1, keepdim=True)).log()
        return torch.cat([shares[:, None], means], 1).flatten(1)


def _light_of_values() -> torch.Tensor:
    """Return the light from 0 to 1 of each value of a channel, (VALUES,)."""
    return torch.arange(VALUES).float() / (VALUES - 1)


def _luma(pixels: torch.Tensor) -> torch.Tensor:
    """Return the luma of pixels (N, 3, ...), (N, ...)."""
    red, green, blue = pixels.unbind(1)
    return red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]


def _ordered(picture: torch.Tensor) -> torch.Tensor:
    """Return the lowest, the middle and the highest channel of uint8 pixels (N, 3, ...), (N, 3, P)."""
    red, green, blue = picture.flatten(2).unbind(1)
    low, high = torch.minimum(red, green), torch.maximum(red, green)
    middle = torch.maximum(low, torch.minimum(high, blue))
    return torch.stack([torch.minimum(low, blue), middle, torch.maximum(high, blue)], 1)


def _shares_of_values(planes: torch.Tensor) -> torch.Tensor:
    """Return the share of pixels of uint8 planes (N, C, P) that have each value, (N, C, VALUES).

    What depends on one channel is counted once here and looked up: 256 values are fewer than the pixels.
    """
    counts = torch.zeros(*planes.shape[:2], VALUES, device=planes.device)
    each = torch.ones((), device=planes.device).expand(planes.shape)
    return counts.scatter_add(2, planes.long(), each) / planes.shape[2]


def _quantiles(tone: torch.Tensor, shares: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    """Return logarithms of quantiles of luma (N, P) and of pixels by the shares of values, (N, 8 * quantiles).

    The shares (N, 6, VALUES) are those of the ordered channels and of the channels.
    """
    last = int(tone.shape[1]) - 1
    places = [round(share * last) for share in QUANTILES]
    counts = (shares * tone.shape[1]).cumsum(2) - 0.5  # half a pixel, for what rounding does
    ranks = torch.tensor(places, device=tone.device)
    values = (counts[:, [2, 0, 3, 4, 5], None] < ranks[:, None]).sum(3)
    of_channels = light[values]  # (N, 5, quantiles)
    of_luma = tone.sort(1).values[:, None, places]
    logs = (torch.cat([of_luma, of_channels], 1) + FAINT).log()
    red_and_blue = logs[:, 3::2] - logs[:, 4:5]
    return torch.cat([logs, red_and_blue], 1).flatten(1)


def _clipped(shares: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    """Return logarithms of shares of pixels with one, two and three channels at an end, (N, 21).

    `shares` (N, 3, VALUES) are those of the ordered channels: the lowest is at the bright end where all three are.
    """
    bright = shares @ torch.stack([light >= level for level in BRIGHT], 1).float()  # (N, 3, levels)
    dark = shares @ torch.stack([light <= level for level in DARK], 1).float()
    parts = []
    for three, two, one in (bright.unbind(1), dark.flip(1).unbind(1)):
        parts.append(torch.stack([one - two, two - three, three], 2).flatten(1))
    return (torch.cat([*parts, bright.mean(1)], 1).clamp_min(0) + 1e-3).log()


def _hue_counts(pixels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return weights (N, P) of pixels (N, 3, P) by log(green / red) and log(green / blue), (N, HUES ** 2).

    A pixel counts in the two bins beside it in each direction, by how near it is to them.
    """
    logs = torch.log(pixels.clamp_min(0.01))
    ratios = (logs[:, 1:2] - logs[:, ::2]).clamp(-WIDEST_HUE, WIDEST_HUE)  # (N, 2, P)
    places = (ratios + WIDEST_HUE) * ((HUES - 1) / (2 * WIDEST_HUE))
    first = places.floor().clamp_max(HUES - 2)
    down, across = (places - first).unbind(1)
    sums = torch.arange(pixels.shape[2], device=pixels.device) % SUMS
    bins = (HUES * first[:, 0] + first[:, 1]).long() + sums * HUES**2
    below, above = weights * down, weights * (1 - down)
    counts = torch.zeros(pixels.shape[0], SUMS * HUES**2, device=pixels.device)
    for row, part in ((0, above), (HUES, below)):
        counts = counts.scatter_add(1, bins + row, part * (1 - across))
        counts = counts.scatter_add(1, bins + (row + 1), part * across)
    return counts.reshape(-1, SUMS, HUES**2).sum(1)


class MaskedColours(nn.Module):
    """What `PictureColours` says, of padded pictures of any size: pixels outside of the mask have no share in it.

    >>> picture, mask = torch.rand(2, 3, 24, 32), torch.ones(2, 1, 24, 32)
    >>> MaskedColours()(picture, mask, picture[..., ::4, ::4], mask[..., ::4, ::4]).shape
    torch.Size([2, 173])
    """

    dim = 3 * len(LEVELS) + 6 + HUES**2 + 2 + 5 * len(POWERS) + 4 * 9
    levels: torch.Tensor
    hues: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(LEVELS))
        self.register_buffer("hues", torch.linspace(-WIDEST_HUE, WIDEST_HUE, HUES))

    def forward(
        self, light: torch.Tensor, mask: torch.Tensor, small: torch.Tensor, inside: torch.Tensor
    ) -> torch.Tensor:
        """Map pictures (N, 3, H, W) from 0 to 1 with their masks, and both reduced, to (N, 173)."""
        pixels, weights = small.flatten(2), inside.flatten(2)  # (N, 3, P), (N, 1, P)
        below = (pixels[:, :, None] < self.levels[:, None]).float()
        parts = [_masked_mean(below, weights[:, :, None]).flatten(1)]
        ends = (light > 0.995, light < 0.005)
        parts += [_masked_mean(each.float().flatten(2), mask.flatten(2)) for each in ends]
        parts.append(_hue_shares(pixels, weights[:, 0]))
        across = (small[..., 1:] - small[..., :-1]).abs().flatten(2)
        both = (inside[..., 1:] * inside[..., :-1]).flatten(2)
        parts.append(_opponents((_masked_mean(across, both) + 1e-3).log()))
        for power in POWERS:
            mean = (_masked_mean(pixels**power, weights) + 1e-12) ** (1 / power)
            logs = (mean + 1e-3).log()
            parts += [logs, _opponents(logs)]
        return torch.cat([*parts, _masked_ninths(small, inside)], 1)


def _masked_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean over the last axis by weights that broadcast."""
    return (values * weights).sum(-1) / weights.sum(-1).clamp_min(1.0)


def _masked_ninths(small: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return light, two colours and contrast of nine parts of what is inside of the mask, (N, 36)."""
    logs = (small + 0.02).log()
    light = logs.mean(1)
    planes = [light, logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1], light.square()]
    rows, columns = (_thirds(inside.amax(axis)[:, 0]) for axis in (3, 2))
    joined = torch.stack([*planes, torch.ones_like(light)], 1) * inside  # (N, 5, H, W)
    sums = rows[:, None] @ joined @ columns[:, None].transpose(2, 3)  # (N, 5, 3, 3)
    means = sums[:, :4] / sums[:, 4:].clamp_min(1.0)
    spread = (means[:, 3:] - means[:, :1].square()).clamp_min(1e-6).sqrt()
    return torch.cat([means[:, :3], spread], 1).flatten(1)


def _thirds(is_inside: torch.Tensor) -> torch.Tensor:
    """Return which of an axis's places (N, L), of which the first are inside, are in each third, (N, 3, L)."""
    place = (is_inside.cumsum(1) - 0.5) / is_inside.sum(1, keepdim=True).clamp_min(1.0)
    edges = torch.arange(3, device=place.device)[:, None] / 3
    after = (place[:, None] >= edges).float() * (place[:, None] < edges + 1 / 3 + 1e-6).float()
    return after * is_inside[:, None]


def _hue_shares(pixels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return roots of shares of pixels (N, 3, P) by log(green / red) and log(green / blue), (N, HUES ** 2)."""
    is_lit = (pixels.mean(1) > 0.04).float() * (pixels.amax(1) < 0.99).float() * weights
    shares = _hue_counts(pixels, is_lit) / is_lit.sum(1, keepdim=True).clamp_min(1)
    return (shares + 1e-4).sqrt()


def _opponents(logs: torch.Tensor) -> torch.Tensor:
    """Return red and blue against green of logarithms (N, 3), (N, 2)."""
    return logs[:, ::2] - logs[:, 1:2]


def _edge_colours(light: torch.Tensor) -> torch.Tensor:
    """Return red and blue against green of the differences of neighbours, as they are and at a fourth, (N, 4)."""
    colours = []
    for scale in (1, 4):
        small = functional.avg_pool2d(light, scale) if scale > 1 else light
        across = (small[..., 1:] - small[..., :-1]).abs().mean((2, 3))
        down = (small[..., 1:, :] - small[..., :-1, :]).abs().mean((2, 3))
        colours.append(_opponents((across + down + 1e-3).log()))
    return torch.cat(colours, 1)


def _power_means(means: torch.Tensor) -> list[torch.Tensor]:
    """Return logarithms of the power means of channels from the means of their powers (N, 3, powers)."""
    roots = [means[:, :, place] ** (1 / power) for place, power in enumerate(POWERS)]
    logs = [(root + 1e-3).log() for root in roots]
    return [part for each in logs for part in (each, _opponents(each))]


def _ninths(light: torch.Tensor) -> torch.Tensor:
    """Return light and colour of nine parts of the picture, (N, 27)."""
    logs = (functional.avg_pool2d(light, light.shape[2] // 3) + 0.02).log()[..., :3, :3]
    each = [logs.mean(1), logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]]
    return torch.cat(each, 1).flatten(1)


def _contrasts(light: torch.Tensor) -> torch.Tensor:
    """Return spreads of the logarithm of luma over the picture and within squares of three sizes, (N, 12)."""
    logs = (_luma(light)[:, None] + 0.02).log()
    numbers = []
    for share in (40, 10, 4):
        side = max(1, light.shape[2] // share)
        mean = functional.avg_pool2d(logs, side)
        inside = (functional.avg_pool2d(logs.square(), side) - mean.square()).clamp_min(0).sqrt()
        flat, spread = inside.flatten(1), _spread(mean.flatten(2))
        numbers += [
            spread,
            flat.mean(1, keepdim=True),
            flat.amax(1, keepdim=True),
            flat.amin(1, keepdim=True),
        ]
    return torch.cat(numbers, 1)


def _spread(planes: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation of planes (N, C, P) over their pixels, (N, C)."""
    mean = planes.mean(2, keepdim=True)
    return ((planes - mean).square().mean(2) + 1e-8).sqrt()
