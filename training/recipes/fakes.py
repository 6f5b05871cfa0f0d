"""Tell whether a face is a photograph or was made or changed by a program, on the vectors of a frozen encoder.

Inside one data set nearly everything tells them apart, because both come from different places. So all faces have one
geometry, size and JPEG quality, training sees degraded copies and evens sources out, and files alone are a baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import NoLabelError
from training.fit.config import Config, option
from training.fit.encoded import batches_by_origin, standardise
from training.fit.recipe import Labels, Objective, Recipe

if TYPE_CHECKING:
    import polars as pl
    from torch import nn

    from training.data.views import AlignedFaces
    from training.heads import Head

FAKE = (
    "fake", "generated", "synthetic", "ai", "gan", "diffusion", "deepfake", "manipulated", "edited", "photoshopped",
    "forged", "swapped",
)  # fmt: skip
REAL = ("real", "photo", "photograph", "original", "authentic", "pristine", "genuine", "untouched")
YES, NO = ("true", "yes", "1"), ("false", "no", "0")  # of a column that asks for a fake
COLUMNS = ("real_or_fake", "fake", "is_fake", "synthetic", "class", "label", "folder")
"""Where no label is named, the first of these columns with both kinds of values is taken."""
PHOTOGRAPHS = ("utkface", "imdb-wiki", "unsplash", "unsplash-dataset", "commons")
"""Sources whose pictures without a label are photographs."""


@dataclass(frozen=True, kw_only=True)
class FakesConfig(Config):
    """Hyperparameters of `fakes`.

    A face is drawn at `face_px`, its eyes `eyes` of the side apart, and enlarged to `side`; two `variants` are plain.
    Every other one of `networks` sees the first `texture` numbers of a vector alone (0: none does).
    """

    encoder: str
    side: int
    face_px: int
    variants: int
    hidden: int
    networks: int
    texture: int = 576  # of lite0_face; 384 of lite0
    eyes: float = 0.42
    quality: int = 85
    target_error: float = 0.1
    input_dropout: float = 0.2
    dropout: float = 0.5
    label: str = option("")


DEFAULT = FakesConfig(
    epochs=12, batch_size=128, learning_rate=1.5e-3, weight_decay=0.05, patience=12, schedule="one_cycle",
    encoder="lite0_face", select="last", side=128, face_px=128, variants=6, hidden=192, networks=4,
)  # fmt: skip
SMOKE = FakesConfig(
    epochs=6, batch_size=16, learning_rate=1.5e-3, weight_decay=0.05, patience=6, schedule="one_cycle",
    encoder="lite0_face", side=64, face_px=64, variants=3, hidden=32, networks=2,
)  # fmt: skip


def heads(labels: Labels, config: FakesConfig) -> tuple[Head, ...]:
    """Make the one head, from the column that says what is real and what is fake."""
    from training.data.labels import label_values
    from training.heads import BinaryHead

    if config.label:
        label_values(labels.index, config.label)  # says which columns there are
    existing = [name for name in COLUMNS if name in labels.index.columns]
    for column in [config.label] if config.label else existing:
        label = expression(column, labels.index)
        if label_values(labels.index, label).drop_nulls().n_unique() == 2:
            head = BinaryHead(
                name="real_or_fake", title="Real or fake", column=label, classes=("real", "fake"),
                target_error=config.target_error,
            )  # fmt: skip
            return (head,)
    raise NoLabelError(config.label or "real_or_fake", existing)


def expression(column: str, index: pl.DataFrame) -> str:
    """Write the SQL that maps values to real and fake: one of the words above, also as a part of a path.

    >>> import polars as pl
    >>> from training.data.labels import label_values
    >>> index = pl.DataFrame({"class": ["Fake/gan", "real", None, "other"], "source": ["a", "a", "utkface", "a"]})
    >>> label_values(index, expression("class", index)).to_list()
    ['fake', 'real', 'real', None]
    """
    from training.data.labels import sql_of_kinds

    asks = any(word in column.lower() for word in ("fake", "synthetic"))
    cases = sql_of_kinds(column, {"fake": FAKE + YES * asks, "real": REAL + NO * asks})
    if "source" in index.columns:
        listed = ", ".join(f"'{name}'" for name in PHOTOGRAPHS)
        cases += f" WHEN {column} IS NULL AND source IN ({listed}) THEN 'real'"
    return f"{cases} END"


def view(config: FakesConfig) -> AlignedFaces:
    """Align the faces that the encoder sees."""
    from training.data.views import AlignedFaces

    names = ("side", "face_px", "eyes", "quality", "variants")
    return AlignedFaces(**{name: getattr(config, name) for name in names})


def network(config: FakesConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build several small networks on the vectors, whose answers are averaged."""
    from training.models.encoders import vector_length
    from training.models.ensemble import EnsembleNetwork
    from training.models.headed import HeadedNetwork
    from training.models.vector_mlp import VectorBackbone

    whole = vector_length(config.encoder)
    lengths = [
        config.texture if n % 2 and config.texture else whole for n in range(config.networks)
    ]
    rates = {"input_dropout": config.input_dropout, "dropout": config.dropout}
    backbones = [VectorBackbone(dim=n, hidden=config.hidden, **rates) for n in lengths]
    return EnsembleNetwork([HeadedNetwork(backbone, heads) for backbone in backbones])


def objective(_config: FakesConfig, heads: tuple[Head, ...]) -> Objective:
    """Minimise the loss of each network by itself."""
    from training.fit.objective import MembersObjective

    return MembersObjective(heads)


RECIPE = Recipe(
    name="fakes",
    version=2,
    summary="whether a face is a photograph or made by a program, or that it cannot tell",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
    encoder=lambda config: config.encoder,
    objective=objective,
    batches=batches_by_origin,
    initialise=standardise,
)
