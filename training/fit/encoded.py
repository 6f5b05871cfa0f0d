"""What recipes share, mostly those on the vectors of a frozen encoder. Libraries are imported by the functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from training.fit.config import Config, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import nn

    from training.data.arrays import Ints
    from training.data.views.crops import Crops
    from training.data.views.whole_and_native import WholeAndNative
    from training.fit.examples import Examples
    from training.fit.objective import HeadsObjective
    from training.fit.training_run import TrainingRun
    from training.heads.base import Head
    from training.models.vector_mlp import VectorBackbone

STANDARDISE_ROWS = 20_000
SPECTRUM_PX = 64  # side of the patches whose spectrum `lite0_detail` and `lite0_tones` read


class Squares(Protocol):
    """The part of a configuration that says which squares the encoder sees."""

    @property
    def side(self) -> int:
        """Side of a square in pixels."""
        ...

    @property
    def variants(self) -> int:
        """Squares of each picture."""
        ...


def squares(config: Squares) -> Crops:
    """Cut the squares that the encoder sees."""
    from training.data.views.crops import Crops

    return Crops(config.side, config.variants)


@dataclass(frozen=True, kw_only=True)
class QualityConfig(Config):
    """Hyperparameters of recipes that judge a photograph, as a whole and its native middle, in squares of `side` px.

    A picture is reduced to `seen_px` first; `bank` native patches of `patch_px` give statistics. `hidden`
    features of the picture and `patch_hidden` of the statistics are learnt; with `patch_features` the statistics have
    a second layer of so many, and with `direct` the heads see the statistics themselves, too.
    """

    encoder: str
    side: int
    hidden: int
    patch_hidden: int
    seen_px: int = 512
    patch_px: int = 64
    bank: int = 8
    input_dropout: float = 0.2
    dropout: float = 0.5
    patch_features: int = option(0)
    direct: bool = option(default=False)


def whole_and_native(config: QualityConfig) -> WholeAndNative:
    """Show a picture as a whole, its native middle and native patches; raises OptionError for other patches."""
    from training.data.views.whole_and_native import WholeAndNative
    from training.errors import OptionError

    if config.encoder in ("lite0_detail", "lite0_tones") and config.patch_px != SPECTRUM_PX:
        raise OptionError(f"patch_px={config.patch_px}", [f"patch_px={SPECTRUM_PX}"])
    return WholeAndNative(config.side, config.seen_px, config.patch_px, config.bank)


class TwoBranches(Protocol):
    """The part of a configuration that says how vectors of a picture and statistics of patches are learnt from."""

    @property
    def encoder(self) -> str:
        """Name of an encoder that reads patches, too."""
        ...

    @property
    def hidden(self) -> int:
        """Features of the picture; the statistics have a fourth of them."""
        ...

    @property
    def input_dropout(self) -> float:
        """Share of the vector that is hidden in training."""
        ...

    @property
    def dropout(self) -> float:
        """Share of the features that is hidden in training."""
        ...


def two_branches(config: TwoBranches, heads: tuple[Head, ...]) -> nn.Module:
    """Build a network of two branches: on the vectors of the picture, and on the statistics behind them."""
    from training.models.encoders import patch_encoder_dims
    from training.models.headed import HeadedNetwork
    from training.models.picture_and_patch_vectors import PictureAndPatchVectors

    dim, patch_dim = patch_encoder_dims(config.encoder)
    backbone = PictureAndPatchVectors(
        dim=dim, patch_dim=patch_dim, hidden=config.hidden,
        input_dropout=config.input_dropout, dropout=config.dropout,
        patch_hidden=getattr(config, "patch_hidden", 0),
        patch_features=getattr(config, "patch_features", 0),
        direct=getattr(config, "direct", False),
    )  # fmt: skip
    return HeadedNetwork(backbone, heads)


class Members(Protocol):
    """The part of a configuration that says how many networks are averaged."""

    @property
    def networks(self) -> int:
        """Number of networks."""
        ...


def members_objective(config: Members, heads: tuple[Head, ...]) -> HeadsObjective:
    """Minimise the losses of the heads, in each network of an ensemble by itself."""
    from training.fit.objective import HeadsObjective, MembersObjective

    return HeadsObjective(heads) if config.networks <= 1 else MembersObjective(heads)


def batches_by_origin(examples: Examples, config: Config, rng: np.random.Generator) -> list[Ints]:
    """Draw pictures of small origins more often, so that no origin is learnt in place of a class."""
    from training.data.sampling.origin_batches import origin_batches, origins_of

    [classes] = examples.truth.values()
    return origin_batches(origins_of(examples.index), classes, rng, config.batch_size)


def standardise_pictures(network: nn.Module, train: Examples, run: TrainingRun) -> None:
    """Set mean and spread of the colours from the training pictures, unless the backbone is that of another model."""
    import torch

    if run.config.start:
        return
    samples = [train.store.sample(int(row)) for row in train.rows[:STANDARDISE_ROWS]]
    pictures = torch.from_numpy(train.store.view.plain(samples)["pictures"])
    network.backbone.standardise(pictures)  # type: ignore[union-attr,operator]  # StandardisedPictures


def standardise(network: nn.Module, train: Examples, run: TrainingRun) -> None:
    """Set mean and spread of the vectors from the training pictures; a network on pictures has none.

    One that begins with the backbone of another model keeps its mean and spread.
    """
    import torch

    if "vectors" not in network.input_names or run.config.start:  # type: ignore[operator]  # names of every network
        return
    samples = [train.store.sample(int(row)) for row in train.rows[:STANDARDISE_ROWS]]
    vectors = torch.from_numpy(train.store.view.plain(samples)["vectors"])
    for backbone in cast("Sequence[VectorBackbone]", network.backbones):
        backbone.standardise(vectors)
