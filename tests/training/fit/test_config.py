"""Hyperparameters: what is part of a model's id, and how they are changed by texts."""

import dataclasses
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from hypothesis import given, strategies as st
from torch import nn

from curation.rules.bin_edges import BINS
from training.errors import OptionError
from training.fit.config import SMALLEST, Config, option
from training.fit.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer
from training.fit.recipe import Labels
from training.fit.task import Task
from training.recipes import RECIPES

DIGEST = "ab" * 32

# The hyperparameters of models that were trained by commit be721c7, before there were options.
OLD = {
    ("exif", "cnn"): {
        "epochs": 16, "batch_size": 32, "learning_rate": 2e-3, "weight_decay": 0.05, "dropout": 0.2,
        "patience": 5, "thumbnail_px": 96, "patch_px": 64, "bank": 8, "patches": 4, "width": 16,
        "features": 64, "balance": "prior", "seed": 0,
    },
    ("exif", "smoke"): {
        "epochs": 7, "batch_size": 16, "learning_rate": 3e-3, "weight_decay": 0.05, "dropout": 0.1,
        "patience": 8, "thumbnail_px": 64, "patch_px": 64, "bank": 6, "patches": 2, "width": 12,
        "features": 48, "balance": "prior", "seed": 0,
    },
    ("copy_detection", "default"): {
        "epochs": 12, "batch_size": 32, "learning_rate": 1e-3, "input_px": 160, "dim": 256,
        "frozen_blocks": 11, "weight_decay": 1e-4, "trunk_share": 0.15, "temperature": 0.07,
        "evenness": 0.5, "most_edits": 4, "patience": 10, "seed": 0,
    },
    ("copy_detection", "smoke"): {
        "epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "input_px": 64, "dim": 128,
        "frozen_blocks": 14, "weight_decay": 1e-4, "trunk_share": 0.15, "temperature": 0.07,
        "evenness": 0.5, "most_edits": 4, "patience": 10, "seed": 0,
    },
}  # fmt: skip


def task_of(recipe: str, preset: str, options: tuple[str, ...] = ()) -> Task:
    labels = Labels(pl.DataFrame(), {"bins": BINS})
    return Task.on(RECIPES[recipe], RECIPES[recipe].presets[preset].changed(options), labels)


def old_id(recipe: str, policy: str, config: dict[str, Any]) -> str:
    """Return the id that commit be721c7 gave a model; an embedder had no policy in it."""
    identity = {"recipe": recipe, "recipe_version": 1, "digest": DIGEST, "config": config}
    if recipe == "exif":
        identity["policy"] = policy
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]


@pytest.mark.parametrize(("recipe", "preset"), OLD)
def test_presets_have_the_ids_of_older_versions(recipe: str, preset: str) -> None:
    task = task_of(recipe, preset)
    for policy in ("split", "random_split"):
        assert task.model_id(DIGEST, policy) == old_id(recipe, policy, OLD[recipe, preset])
    changed = OLD[recipe, preset] | {"seed": 3, "learning_rate": 0.5}
    other = task_of(recipe, preset, ("seed=3", "learning_rate=0.5"))
    assert other.model_id(DIGEST, "split") == old_id(recipe, "split", changed)


@dataclass(frozen=True, kw_only=True)
class OwnConfig(Config):
    width: int
    name: str = option("plain")


OWN = OwnConfig(epochs=2, batch_size=3, learning_rate=0.1, width=7)
OPTIONAL = [field for field in dataclasses.fields(OwnConfig) if field.metadata.get("optional")]


def other_value(value: Any) -> Any:
    if isinstance(value, bool | str):
        return not value if isinstance(value, bool) else {"best": "last"}.get(value, "x")
    return value + (1 if isinstance(value, int) else 0.5)


@pytest.mark.parametrize("field", OPTIONAL, ids=lambda field: field.name)
def test_an_option_is_part_of_the_id_only_where_it_is_changed(field: Any) -> None:
    assert field.name not in OWN.identity()
    changed = dataclasses.replace(OWN, **{field.name: other_value(field.default)})
    assert changed.identity() == OWN.identity() | {field.name: other_value(field.default)}


def test_what_is_no_option_is_always_part_of_the_id() -> None:
    names = {field.name for field in dataclasses.fields(OwnConfig)}
    assert set(OWN.identity()) == names - {field.name for field in OPTIONAL}
    assert {"epochs", "batch_size", "learning_rate", "weight_decay", "seed", "width"} <= set(
        OWN.identity()
    )


def test_a_recipe_may_give_an_option_another_default() -> None:
    config = RECIPES["copy_detection"].presets["smoke"]
    assert config.fused is False
    assert "fused" not in config.identity()
    assert config.changed(["fused=true"]).identity()["fused"] is True


def test_a_saved_configuration_is_read_also_by_older_and_newer_versions() -> None:
    saved = dataclasses.asdict(OWN.changed(["width=9", "ema=0.5"]))
    assert OwnConfig.from_saved(json.loads(json.dumps(saved))) == OWN.changed(
        ["width=9", "ema=0.5"]
    )
    assert OwnConfig.from_saved(saved | {"not_here_yet": 1}).width == 9  # type: ignore[attr-defined]  # OwnConfig
    older = {
        k: v for k, v in saved.items() if k in {"epochs", "batch_size", "learning_rate", "width"}
    }
    assert OwnConfig.from_saved(older) == OWN.changed(["width=9"])


texts = {
    "epochs": st.integers(1, 500),
    "learning_rate": st.floats(0, allow_infinity=False),
    "nesterov": st.booleans(),
    "optimizer": st.text(st.characters(codec="utf-8"), max_size=8),
    "name": st.just("a=b=c"),
}  # fmt: skip


@given(st.fixed_dictionaries({}, optional=texts))
def test_texts_set_values_of_the_type_of_the_field(values: dict[str, Any]) -> None:
    changed = OWN.changed([f"{name}={value}" for name, value in values.items()])
    assert changed == dataclasses.replace(OWN, **values)
    assert all(type(getattr(changed, name)) is type(value) for name, value in values.items())
    assert changed == OWN or changed is not OWN


def test_the_last_text_for_a_name_counts() -> None:
    assert OWN.changed(["width=8", "width=9"]).width == 9  # type: ignore[attr-defined]  # OwnConfig
    assert OWN.changed([]) == OWN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht=8", "cannot set 'widht'; did you mean width?"),
        ("width", "cannot set 'width'"),
        ("=8", "cannot set ''"),
        ("", "cannot set ''"),
        ("width=wide", "cannot set 'width=wide'; possible: width as a whole number"),
        ("epochs=1.5", "epochs as a whole number"),
        ("learning_rate=fast", "learning_rate as a number"),
        ("nesterov=yes", "nesterov as true or false"),
        ("nesterov=", "nesterov as true or false"),
    ],
)  # fmt: skip
def test_a_wrong_name_or_value_says_what_is_possible(text: str, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        OWN.changed(["width=8", text])
    assert message in str(raised.value)


@pytest.mark.parametrize("name", SMALLEST)
def test_a_value_with_which_nothing_can_be_trained_is_refused(name: str) -> None:
    smallest = SMALLEST[name]
    assert getattr(OWN.changed([f"{name}={smallest}"]), name) == smallest
    wrong = [str(smallest - 1)]
    wrong += ["nan", "inf"] if isinstance(smallest, float) else []
    for text in wrong:
        with pytest.raises(OptionError, match=f"{name} of at least {smallest}"):
            OWN.changed([f"{name}={text}"])


def test_an_average_that_never_moves_is_refused() -> None:
    with pytest.raises(OptionError, match="ema below 1"):
        OWN.changed(["ema=1"])


@pytest.mark.parametrize(
    ("text", "names"), [("optimizer=adamm", OPTIMIZERS), ("schedule=cosin", SCHEDULES)]
)
def test_what_no_optimizer_or_schedule_is_called_is_refused_with_the_names(
    text: str, names: Collection[str]
) -> None:
    with pytest.raises(OptionError) as raised:
        make_optimizer(nn.Linear(2, 2), OWN.changed([text]))
    assert all(name in str(raised.value) for name in names)


def test_the_epoch_whose_weights_are_used_is_best_or_last() -> None:
    with pytest.raises(OptionError, match=r"select=middle.*best, last"):
        Config(epochs=1, batch_size=1, learning_rate=1.0, select="middle")
