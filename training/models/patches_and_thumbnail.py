"""The backbone over native patches and a thumbnail of the same picture."""

from collections.abc import Mapping

import torch
from torch import nn

from training.models.layers import AttentionPool, PatchEncoder, ThumbnailEncoder

HIDDEN_SHARE = 0.15  # of the training pictures, for each of the two views
_VISIBLE = {"": (1.0, 1.0), "thumbnail_only": (1.0, 0.0), "patches_only": (0.0, 1.0)}


class PatchesAndThumbnailBackbone(nn.Module):
    """Mix the features of native patches and of a thumbnail.

    In training one of the two views is hidden for some pictures, so that the network also predicts from one view. The
    report uses this to find out which view contains the information.

    >>> backbone = PatchesAndThumbnailBackbone(width=8, features=32)
    >>> thumbnails = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    >>> patches = torch.zeros(2, 4, 3, 64, 64, dtype=torch.uint8)
    >>> backbone({"thumbnails": thumbnails, "patches": patches}).shape
    torch.Size([2, 32])
    """

    parts = ("thumbnail_only", "patches_only")
    input_names = ("thumbnails", "patches")

    def __init__(self, *, width: int, features: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.features = features
        self.thumbnail = nn.Sequential(ThumbnailEncoder(width, features), nn.LayerNorm(features))
        self.patch = PatchEncoder(width, features)
        self.attention = nn.Sequential(AttentionPool(features), nn.LayerNorm(features))
        self.mix = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * features, features), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip

    def forward(self, inputs: Mapping[str, torch.Tensor], part: str = "") -> torch.Tensor:
        """Map uint8 thumbnails (N, 3, S, S) and patches (N, P, 3, s, s) to features (N, features)."""
        thumbnails, patches = inputs["thumbnails"], inputs["patches"]
        visible = visible_views(len(thumbnails), part, is_training=self.training)
        encoded = self.patch(patches.flatten(0, 1))  # (N P, features)
        pooled = self.attention(encoded.unflatten(0, (patches.shape[0], patches.shape[1])))
        views = torch.stack([self.thumbnail(thumbnails), pooled], dim=1)  # (N, 2, features)
        if visible is not None:
            views = views * visible.to(views.device)[:, :, None]
        mixed: torch.Tensor = self.mix(views.flatten(1))
        return mixed


def visible_views(n: int, part: str, *, is_training: bool) -> torch.Tensor | None:
    """Return which of thumbnail and patches are visible, (n, 2), drawn in training; None where both are."""
    if is_training:
        draw = torch.rand(n)
        return torch.stack([draw >= HIDDEN_SHARE, draw < 1 - HIDDEN_SHARE], dim=1).float()
    return torch.tensor([_VISIBLE[part]]).expand(n, 2) if part else None
