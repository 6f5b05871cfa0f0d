"""The command that trains the same models again."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from training.fit.config import Config

OWN_OPTIONS = ("epochs", "label", "seed")
"""The hyperparameters that have an option of their own; the others take --set."""


def preset_words(presets: Mapping[str, Config], config: Mapping[str, Any]) -> list[str]:
    """Name the preset that is nearest to a saved configuration, and the options for what differs from it.

    No words where a hyperparameter of the configuration is none of the presets': another version saved it.
    """
    candidates = {
        name: [key for key in sorted(config) if _differs(preset, key, config[key])]
        for name, preset in presets.items()
    }
    if not config or not candidates:
        return []
    name = min(candidates, key=lambda each: len(candidates[each]))
    names = {field.name for field in dataclasses.fields(presets[name])} | {*OWN_OPTIONS}
    if not names.issuperset(candidates[name]):
        return []
    options = [word for key in candidates[name] for word in _option(key, config[key])]
    return ["--preset", name, *options]


def _differs(preset: Config, name: str, value: object) -> bool:
    return not hasattr(preset, name) or getattr(preset, name) != value


def _option(name: str, value: object) -> list[str]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if name in OWN_OPTIONS:
        return [f"--{name}", shlex.quote(text)]
    return ["--set", shlex.quote(f"{name}={text}")]
