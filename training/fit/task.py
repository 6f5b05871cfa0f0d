"""A recipe on a release with one configuration: everything that is fixed before training."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from training.data.views.base import View
from training.fit.config import Config
from training.fit.objective import HeadsObjective
from training.fit.recipe import Labels, Objective, Recipe
from training.heads.base import Head
from training.models.encoders import Encoder, open_encoder


@dataclass(frozen=True)
class Task:
    """A recipe with its configuration and the heads that the release gives it."""

    recipe: Recipe
    config: Config
    heads: tuple[Head, ...]

    @classmethod
    def on(cls, recipe: Recipe, config: Config, labels: Labels) -> "Task":
        """Make the heads of a recipe from the labels of a release."""
        return cls(recipe, config, recipe.heads(labels, config))

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
    def encoder(self) -> Encoder | None:
        """The frozen network whose vectors are trained on; None where the network sees pictures."""
        return (
            None if self.recipe.encoder is None else open_encoder(self.recipe.encoder(self.config))
        )

    def build(self) -> nn.Module:
        """Build the network with random weights from torch's global generator."""
        return self.recipe.network(self.config, self.heads)

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
        return short_hash(identity)


def short_hash(content: Mapping[str, Any]) -> str:
    """Hash JSON values to 20 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
