"""The options that several commands of `safelight train` have, written once.

They stand in this order in `--help`: data set, preset, label, epochs, hyperparameters.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

dataset_option = click.option(
    "--dataset", metavar="NAME[@VERSION]", help="Data set; may be left out if there is one."
)
preset_option = click.option(
    "--preset", default="default", show_default=True, help="Sizes: default or smoke."
)
label_option = click.option(
    "--label", metavar="COLUMN", help="Label column, of recipes that learn any label."
)
epochs_option = click.option(
    "--epochs", type=click.IntRange(min=1), help="Epochs instead of the preset's."
)
fixed_option = click.option(
    "--set", "options", metavar="NAME=VALUE", multiple=True, help="A hyperparameter that is fixed."
)
seed_option = click.option("--seed", type=int, default=0, show_default=True)


def checked_options(
    recipe: str, preset: str, options: Sequence[str], label: str | None = None
) -> tuple[str, ...]:
    """Return the hyperparameters with the label as one of them, before the heavy imports.

    Raises `RecipeNotFoundError`, `FixedLabelsError` for a recipe that takes no label, or `OptionError`.
    """
    from training.errors import FixedLabelsError
    from training.recipes import RECIPES, find_preset, find_recipe

    found = find_recipe(recipe)
    config = find_preset(found.presets, preset)
    if label is not None and not hasattr(config, "label"):
        configs = {name: next(iter(each.presets.values())) for name, each in RECIPES.items()}
        takes = [name for name, each in configs.items() if hasattr(each, "label")]
        raise FixedLabelsError(found.name, takes)
    chosen = (*options, *(() if label is None else (f"label={label}",)))
    config.changed(chosen)
    return chosen


def training_options(command: Command) -> Command:
    """Add data set, preset, label, epochs, fixed hyperparameters and seed."""
    each = (dataset_option, preset_option, label_option, epochs_option, fixed_option, seed_option)
    for option in reversed(each):
        command = option(command)
    return command
