"""The backbone over the vector of a picture and the statistics of its native patches, which stand behind it."""

import torch
from torch import nn

from training.models.headed import Inputs
from training.models.patches_and_thumbnail import visible_views
from training.models.vector_mlp import StatisticsBackbone, VectorBackbone

SHARE = 4  # the branch of the patches has a fourth of the width


class PictureAndPatchVectors(nn.Module):
    """Two branches, one a part of `vectors`, side by side; the last `patch_dim` numbers are of the patches.

    In training one of the two is hidden for some pictures, as in `PatchesAndThumbnailBackbone`. The patches have
    `patch_hidden` features, 0 for a fourth of `hidden`; with `patch_features` they have so many, after two layers, and
    nothing is hidden; with `direct` the numbers of the patches are features themselves, too.

    >>> backbone = PictureAndPatchVectors(dim=12, patch_dim=4, hidden=8).eval()
    >>> backbone({"vectors": torch.zeros(3, 12)}, part="patches_only").shape
    torch.Size([3, 10])
    """

    parts = ("thumbnail_only", "patches_only")
    input_names = ("vectors",)

    def __init__(  # noqa: PLR0913 - keywords, most of which have defaults
        self,
        *,
        dim: int,
        patch_dim: int,
        hidden: int,
        input_dropout: float = 0.2,
        dropout: float = 0.5,
        patch_hidden: int = 0,
        patch_features: int = 0,
        direct: bool = False,
    ) -> None:
        super().__init__()
        self.hides = not patch_features
        patch_hidden = patch_hidden or hidden // SHARE
        self.picture_dim = dim - patch_dim
        dropouts = {"input_dropout": input_dropout, "dropout": dropout}
        self.picture = VectorBackbone(dim=self.picture_dim, hidden=hidden, **dropouts)
        self.patches: VectorBackbone
        if patch_features:
            self.patches = StatisticsBackbone(
                patch_dim, patch_hidden, patch_features, direct=direct
            )
        else:
            self.patches = VectorBackbone(dim=patch_dim, hidden=patch_hidden, **dropouts)
        self.features = hidden + self.patches.features

    def standardise(self, vectors: torch.Tensor) -> None:
        """Set mean and spread of both parts from vectors (N, dim) of training."""
        self.picture.standardise(vectors[:, : self.picture_dim])
        self.patches.standardise(vectors[:, self.picture_dim :])

    def forward(self, inputs: Inputs, part: str = "") -> torch.Tensor:
        """Map `vectors` (N, dim) to features (N, hidden + patch_hidden)."""
        vectors = inputs["vectors"]
        picture = self.picture({"vectors": vectors[:, : self.picture_dim]})
        patches = self.patches({"vectors": vectors[:, self.picture_dim :]})
        hides = self.training and self.hides
        visible = visible_views(len(vectors), part, is_training=hides)
        if visible is not None:
            visible = visible.to(vectors.device)
            picture, patches = picture * visible[:, :1], patches * visible[:, 1:]
        return torch.cat([picture, patches], 1)
