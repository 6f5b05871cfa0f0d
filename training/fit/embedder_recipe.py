"""What decides a trained embedder: one frozen value, which names the model by a hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class CopyConfig:
    """Everything that decides what is learned.

    `input_px` is the side of what the network sees. Views of 2 `batch_size` pictures push each other away;
    `temperature` says how much the closest count, `evenness` weighs the spreading term. The rate of the
    pretrained blocks is `trunk_share` of that of the linear layer. `most_edits` are drawn for a heavy view.
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
        """Longest side of pictures in memory: more than the network sees, because crops enlarge."""
        return round(1.5 * self.input_px)


@dataclass(frozen=True)
class EmbedderRecipe:
    """A recipe without heads, for vectors; `version` rises whenever the code would learn otherwise."""

    name: str
    version: int
    summary: str
    presets: Mapping[str, CopyConfig]

    def model_id(self, digest: str, config: CopyConfig) -> str:
        """Name a model by what decides it: recipe, release content and configuration."""
        decided = {
            "recipe": self.name,
            "recipe_version": self.version,
            "digest": digest,
            "config": asdict(config),
        }
        return hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()[:20]
