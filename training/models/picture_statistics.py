"""Numbers about the light and the colours of a whole picture, computed in torch so that an exported model has them."""

import torch
from torch import nn

_LUMA = (0.299, 0.587, 0.114)
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

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(_LUMA))
        self.register_buffer("levels", torch.tensor(LEVELS))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Map uint8 pictures (N, 3, S, S) to (N, 68)."""
        pixels = picture.flatten(2).float() / 255  # (N, 3, P)
        luma = (pixels * self.luma[:, None]).sum(1)
        low, high = pixels.amin(1), pixels.amax(1)
        saturation = (high - low) / high.clamp_min(0.04)
        planes = torch.stack([luma, low, high, saturation], 1)  # (N, 4, P)
        shares = (planes[:, :, None] < self.levels[:, None]).float().mean(3).flatten(1)
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


def _spread(planes: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation of planes (N, C, P) over their pixels, (N, C)."""
    mean = planes.mean(2, keepdim=True)
    return ((planes - mean).square().mean(2) + 1e-8).sqrt()
