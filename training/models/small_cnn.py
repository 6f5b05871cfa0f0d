"""Small networks for pictures such as digits and for spectrograms of sounds: convolutions, layers, and none at all."""

import torch
from torch import nn

from training.models.headed import Inputs


def normed_convolution(
    inputs: int, outputs: int, stride: int | tuple[int, int] = 1
) -> nn.Sequential:
    """Build a 3 x 3 convolution with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class StandardisedPictures(nn.Module):
    """What small pictures have in common: the mean and the spread of each colour are stored with the weights."""

    input_names = ("pictures",)
    parts = ()
    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))
        self.register_buffer("spread", torch.full((1, 3, 1, 1), 0.25))

    def standardise(self, pictures: torch.Tensor) -> None:
        """Set mean and spread of the three colours, scaled to [0, 1], from training pictures (N, 3, H, W), uint8."""
        scaled = pictures.double() / 255
        self.mean.copy_(scaled.mean(dim=(0, 2, 3), keepdim=True))
        self.spread.copy_(scaled.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-3))

    def scaled(self, inputs: Inputs) -> torch.Tensor:
        """Give `pictures` (N, 3, H, W), uint8, as floats of mean 0 and spread 1 over the training pictures."""
        return (inputs["pictures"].float() / 255 - self.mean) / self.spread


def hidden_layer(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Build a layer with batch norm, ReLU and dropout."""
    return nn.Sequential(
        nn.Linear(inputs, outputs, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
        nn.Dropout(dropout),
    )


class SmallCNN(StandardisedPictures):
    """Five convolutions, 87 thousand parameters: pictures of any size to features.

    >>> SmallCNN()({"pictures": torch.zeros(2, 3, 28, 28, dtype=torch.uint8)}).shape
    torch.Size([2, 128])
    """

    def __init__(self, width: int = 32, hidden: int = 128, dropout: float = 0.2) -> None:
        super().__init__(hidden)
        self.maps = nn.Sequential(
            normed_convolution(3, width // 2),
            normed_convolution(width // 2, width, 2),
            normed_convolution(width, width),
            normed_convolution(width, 2 * width, 2),
            normed_convolution(2 * width, 2 * width),
        )
        self.hidden = hidden_layer(4 * width, hidden, dropout)

    def forward(self, inputs: Inputs, _part: str = "") -> torch.Tensor:
        """Map `pictures` (N, 3, H, W), uint8, to features (N, F)."""
        maps = self.maps(self.scaled(inputs))  # (N, C, H / 4, W / 4)
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        features: torch.Tensor = self.hidden(pooled)
        return features


class Pixels(StandardisedPictures):
    """The pixels themselves, so that a softmax head is multinomial regression.

    >>> Pixels(28)({"pictures": torch.zeros(2, 3, 28, 28, dtype=torch.uint8)}).shape
    torch.Size([2, 2352])
    """

    def __init__(self, side: int) -> None:
        super().__init__(3 * side**2)

    def forward(self, inputs: Inputs, _part: str = "") -> torch.Tensor:
        """Map `pictures` (N, 3, side, side), uint8, to features (N, 3 * side * side)."""
        return self.scaled(inputs).flatten(1)


class PixelMLP(StandardisedPictures):
    """One hidden layer over the pixels, as in the lessons before convolutions.

    >>> PixelMLP(28)({"pictures": torch.zeros(2, 3, 28, 28, dtype=torch.uint8)}).shape
    torch.Size([2, 128])
    """

    def __init__(self, side: int, hidden: int = 128, dropout: float = 0.2) -> None:
        super().__init__(hidden)
        self.hidden = hidden_layer(3 * side**2, hidden, dropout)

    def forward(self, inputs: Inputs, _part: str = "") -> torch.Tensor:
        """Map `pictures` (N, 3, side, side), uint8, to features (N, F)."""
        features: torch.Tensor = self.hidden(self.scaled(inputs).flatten(1))
        return features


class LogMelMoments(nn.Module):
    """Mean and spread of each band over time, standardised: a softmax head on them is multinomial regression.

    >>> LogMelMoments(bands=40)({"mels": torch.zeros(2, 5, 40, 63)}).shape
    torch.Size([2, 80])
    """

    input_names = ("mels",)
    parts = ()

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.features = 2 * bands
        self.standardise = nn.BatchNorm1d(2 * bands, affine=False)

    def forward(self, inputs: Inputs, _part: str = "") -> torch.Tensor:
        """Map `mels` (N, V, bands, frames) to the mean moments of the variants, (N, 2 * bands)."""
        mels = inputs["mels"]
        deviations = mels - mels.mean(dim=3, keepdim=True)
        spread = deviations.square().mean(dim=3).add(1e-6).sqrt()
        moments = torch.cat([mels.mean(dim=3), spread], dim=2).mean(dim=1)
        features: torch.Tensor = self.standardise(moments)
        return features


class LogMelCNN(nn.Module):
    """Spectrograms to features: maps are pooled over time alone, by mean and maximum; variants are averaged.

    >>> LogMelCNN(bands=40)({"mels": torch.zeros(2, 5, 40, 63)}).shape
    torch.Size([2, 960])
    """

    input_names = ("mels",)
    parts = ()

    def __init__(self, bands: int, width: int = 24, dropout: float = 0.3) -> None:
        super().__init__()
        self.features = 4 * width * -(-bands // 4)
        self.maps = nn.Sequential(
            normed_convolution(1, width, (1, 2)),
            normed_convolution(width, width, (2, 1)),
            normed_convolution(width, 2 * width, (2, 2)),
            normed_convolution(2 * width, 2 * width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Inputs, _part: str = "") -> torch.Tensor:
        """Map `mels` (N, V, bands, frames) to the mean features of the variants, (N, F)."""
        mels = inputs["mels"]
        maps = self.maps(mels.flatten(0, 1)[:, None])  # (N * V, C, bands / 4, frames / 4)
        pooled = torch.cat([maps.mean(dim=3), maps.amax(dim=3)], dim=1).flatten(1)
        variants = pooled.reshape(-1, mels.shape[1], self.features)
        features: torch.Tensor = self.dropout(variants.mean(dim=1))
        return features
