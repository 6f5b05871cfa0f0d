"""A recipe on a release with one configuration: everything that is fixed before training."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from training.data.views.base import View
from training.encoders.onnx_encoder import OnnxEncoder
from training.fit.config import Config
from training.fit.objective import HeadsObjective
from training.fit.recipe import Labels, Objective, Recipe
from training.heads.base import Head
from training.models.by_name.named import source_hash
from training.models.encoders import Encoder, encoders_of, open_encoders


@dataclass(frozen=True)
class Task:
    """A recipe with its configuration and the heads that the release gives it.

    `models` is the folder of the workspace below which its user's encoders are.
    """

    recipe: Recipe
    config: Config
    heads: tuple[Head, ...]
    models: Path | None = None

    @classmethod
    def on(
        cls, recipe: Recipe, config: Config, labels: Labels, models: Path | None = None
    ) -> "Task":
        """Make the heads of a recipe from the labels of a release."""
        return cls(recipe, config, recipe.heads(labels, config), models)

    @property
    def view(self) -> View:
        """The view of the recipe."""
        return self.recipe.view(self.config)

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        if self.recipe.objective is None:
            return HeadsObjective(self.heads)
        return self.recipe.objective(self.config, self.heads)

    @cached_property
    def encoders(self) -> tuple[Encoder | OnnxEncoder, ...]:
        """The frozen networks whose vectors are trained on; none where the network sees pictures."""
        names = "" if self.recipe.encoder is None else self.recipe.encoder(self.config)
        if not names:
            return ()
        with encoders_of(self.models):
            return open_encoders(names)

    @property
    def encoder_id(self) -> str | None:
        """The names of the encoders with the hashes of their weights."""
        return "+".join(encoder.id for encoder in self.encoders) or None

    def build(self) -> nn.Module:
        """Build the network with random weights from torch's global generator."""
        with encoders_of(self.models):
            return self.recipe.network(self.config, self.heads)

    def without_auxiliary(self, network: nn.Module) -> tuple["Task", nn.Module]:
        """Take the heads that only shape the training off a trained network and off its task."""
        kept = tuple(head for head in self.heads if not head.is_auxiliary)
        for head in self.heads:
            if head.is_auxiliary:
                del network.heads[head.name]  # type: ignore[union-attr, operator]  # a ModuleDict
        return replace(self, heads=kept), network

    def model_id(self, digest: str, policy: str) -> str:
        """Return the identifier of a model: a hash of recipe, release content, split policy and configuration."""
        identity: dict[str, Any] = {
            "recipe": self.recipe.name,
            "recipe_version": self.recipe.version,
            "digest": digest,
            "config": self.config.identity(),
        }
        if len(self.recipe.policies) > 1:
            identity["policy"] = policy
        if any(isinstance(encoder, OnnxEncoder) for encoder in self.encoders):
            identity["encoder"] = self.encoder_id  # its user may replace the weights behind a name
        network = getattr(self.config, "network", "")
        if isinstance(network, str) and (source := source_hash(network)):
            identity["network"] = (
                source  # the name alone does not tell two versions of a file apart
            )
        return short_hash(identity)


def short_hash(content: Mapping[str, Any]) -> str:
    """Hash JSON values to 20 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
