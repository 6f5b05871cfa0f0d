"""Predict age, gender and ethnicity from a face, on the vectors of a frozen encoder.

Age is learnt as a distribution over whole years and decoded by its median, or in one of the other ways of `age`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.errors import OptionError
from training.fit.config import Config, option
from training.fit.encoded import members_objective, squares, standardise
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from training.data.views import View
    from training.heads import Head
    from training.models.headed import HeadedNetwork
    from training.models.split import SplitNetwork

OLDEST, EYES = 116, 0.36  # years, and the distance of the eyes in shares of the side, as in UTKFace
AGE, OTHERS = "age", ("gender", "ethnicity")
DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    "distribution": {},
    "dex": {"spread": 1e-3, "spread_share": 0.0, "error_share": 0.0, "decoding": "mean"},
    "ordinal": {"layer": "cumulative"},
}
AGE_HEADS, ARCHITECTURES = (*DISTRIBUTIONS, "regression"), ("joint", "split")


@dataclass(frozen=True, kw_only=True)
class FacesConfig(Config):
    """Hyperparameters of `faces`.

    `age` is distribution, dex, ordinal or regression; its loss counts `age_weight` times. `arch` is joint or split.
    What `networks` say that differ in their random weights is averaged. `encoder` sees squares of `side` px, `variants`
    of each picture: whole and mirrored. With `align` they show its largest face, upright: for photographs of people.
    """

    encoder: str
    side: int
    variants: int
    hidden: int
    input_dropout: float = 0.2
    dropout: float = 0.5
    age: str = option("distribution")
    age_weight: float = option(1.0)
    arch: str = option("joint")
    networks: int = option(1)
    align: bool = option(default=False)


DEFAULT = FacesConfig(
    epochs=12, batch_size=128, learning_rate=1.5e-3, weight_decay=0.05, patience=12,
    select="last", schedule="one_cycle", encoder="lite0_grid", side=224, variants=2, hidden=384,
)  # fmt: skip
SMOKE = FacesConfig(
    epochs=6, batch_size=16, learning_rate=1.5e-3, weight_decay=0.05, patience=6,
    schedule="one_cycle", encoder="lite0_grid", side=96, variants=1, hidden=64,
)  # fmt: skip


def view(config: FacesConfig) -> View:
    """Cut the squares that the encoder sees, from the picture as it is or around its largest face."""
    from training.data.views import AlignedFaces

    if not config.align:
        return squares(config)
    return AlignedFaces(side=config.side, face_px=config.side, eyes=EYES, quality=0)


def heads(labels: Labels, config: FacesConfig) -> tuple[Head, ...]:
    """Make a head for each of the three labels that the release has."""
    from catalog import label_columns
    from training.errors import MissingColumnsError
    from training.heads import SoftmaxHead

    existing = [name for name in (AGE, *OTHERS) if name in labels.index.columns]
    if not existing:
        present = label_columns(labels.manifest.get("plan", {}))
        raise MissingColumnsError((AGE, *OTHERS), present, "utkface FOLDER")
    made: list[Head] = [_age_head(labels, config)] if AGE in existing else []
    for name in OTHERS:
        if name in existing:
            values = labels.index[name].drop_nulls().unique().sort().cast(str).to_list()
            made.append(SoftmaxHead(name=name, column=name, classes=tuple(values)))
    return tuple(made)


def _age_head(labels: Labels, config: FacesConfig) -> Head:
    from training.heads import DistributionHead, RegressionHead

    ages = labels.index[AGE].cast(float).drop_nulls().to_numpy()
    centre, scale = float(ages.mean()), float(ages.std()) or 1.0
    about: dict[str, Any] = {"name": AGE, "column": AGE, "unit": "years", "centre": centre}
    about |= {"scale": scale, "loss_weight": config.age_weight}
    if config.age == "regression":
        return RegressionHead(**about, least=0.0)
    if config.age not in DISTRIBUTIONS:
        raise OptionError(f"age={config.age}", AGE_HEADS)
    return DistributionHead(**about, low=0, high=OLDEST, **DISTRIBUTIONS[config.age])


def network(config: FacesConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build one network for all heads or one for age and one for the others, as often as `networks` says."""
    from training.models.ensemble import EnsembleNetwork

    if config.arch not in ARCHITECTURES:
        raise OptionError(f"arch={config.arch}", ARCHITECTURES)
    members = [_member(config, heads) for _ in range(max(1, config.networks))]
    return members[0] if len(members) == 1 else EnsembleNetwork(members)


def _member(config: FacesConfig, heads: tuple[Head, ...]) -> HeadedNetwork | SplitNetwork:
    from training.models.encoders import vector_length
    from training.models.headed import HeadedNetwork
    from training.models.split import SplitNetwork
    from training.models.vector_mlp import VectorBackbone

    def headed(part: Sequence[Head]) -> HeadedNetwork:
        backbone = VectorBackbone(
            dim=vector_length(config.encoder), hidden=config.hidden,
            input_dropout=config.input_dropout, dropout=config.dropout,
        )  # fmt: skip
        return HeadedNetwork(backbone, part)

    if config.arch == "joint":
        return headed(heads)
    parts = [[head for head in heads if (head.name == AGE) == is_age] for is_age in (True, False)]
    return SplitNetwork([headed(part) for part in parts if part])


RECIPE = Recipe(
    name="faces",
    version=1,
    summary="age with its interval, gender and ethnicity from a face",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
    objective=members_objective,
    encoder=lambda config: config.encoder,
    initialise=standardise,
    looks_at="face",
)
