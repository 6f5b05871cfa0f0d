"""Recipe and configuration of an embedder; the model id is a hash of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class CopyConfig:
    """All hyperparameters of an embedder.

    `input_px` is the side of the network's input. The loss of a batch compares 2 x `batch_size` views: `temperature`
    is that of InfoNCE, `evenness` the weight of the KoLeo term. The learning rate of the pretrained blocks is
    `trunk_share` times that of the linear layer. A heavily edited view has at most `most_edits` edits.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    input_px: int
    dim: int
    frozen_blocks: int
    weight_decay: float = 1e-4
    trunk_share: float = 0.15
    temperature: float = 0.07
    evenness: float = 0.5
    most_edits: int = 4
    patience: int = 10
    seed: int = 0

    @property
    def stored_px(self) -> int:
        """Longest side of pictures in memory: more than `input_px`, because crops are enlarged."""
        return round(1.5 * self.input_px)


@dataclass(frozen=True)
class EmbedderRecipe:
    """A recipe that trains an embedder; `version` rises with every change of the code that changes the result."""

    name: str
    version: int
    summary: str
    presets: Mapping[str, CopyConfig]

    def model_id(self, digest: str, config: CopyConfig) -> str:
        """Return the identifier of a model: a hash of recipe, release content and configuration."""
        identity = {
            "recipe": self.name,
            "recipe_version": self.version,
            "digest": digest,
            "config": asdict(config),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]
