"""Compare finished models on the same test pictures, paired; a comparison under unequal conditions is refused.

Models are comparable where they were trained and tested on the same data, with the same seed and the same end: equal
epochs, patience and examples seen (unless early stopping ended one). Otherwise a difference may be that of the
conditions.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from training.data.arrays import Floats, Ints
from training.errors import UnequalModelsError
from training.evaluation import metrics
from training.evaluation.findings import Score, compare
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.saved_head import CLASS_FAMILY, RETRIEVAL_FAMILY, SavedHead, saved_heads

CONDITIONS = ("data", "split", "seed", "epochs", "patience", "examples seen")


class Finished(Protocol):
    """The files of a finished model that a comparison reads."""

    @property
    def model_id(self) -> str:
        """The id of the model."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """The content of config.json."""
        ...

    @property
    def history(self) -> pl.DataFrame:
        """One row an epoch."""
        ...

    @property
    def predictions(self) -> pl.DataFrame:
        """The predictions of the test pictures."""
        ...


@dataclass(frozen=True)
class ComparedHead:
    """One head of one model beside that of the first model, on the pictures that both were tested on.

    `lead` is the paired difference to the first model; None for the first model itself.
    """

    model_id: str
    head: SavedHead
    score: Score
    lead: Score | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Several models: what they were trained on, what differs between them, and their heads."""

    models: tuple[str, ...]
    conditions: Mapping[str, tuple[str, ...]]
    options: Mapping[str, tuple[str, ...]]
    sizes: tuple[tuple[int, float], ...]
    heads: tuple[ComparedHead, ...]

    @property
    def unequal(self) -> dict[str, tuple[str, ...]]:
        """The conditions that differ."""
        return {name: each for name, each in self.conditions.items() if len(set(each)) > 1}


def conditions_of(model: Finished) -> dict[str, str]:
    """Return the conditions of a training, by name, for people."""
    facts = model.config
    config = facts.get("config") or {}
    return {
        "data": f"{facts.get('dataset')}@{facts.get('version')} ({str(facts.get('dataset_digest'))[:12]})",
        "split": str(facts.get("split_policy")),
        "seed": str(config.get("seed", 0)),
        "epochs": str(config.get("epochs")),
        "patience": str(config.get("patience")),
        "examples seen": _examples_seen(model),
    }


def _examples_seen(model: Finished) -> str:
    """Return the number of examples; early stopping is an end of its own, whenever it comes."""
    config, ended = model.config.get("config") or {}, model.history.height
    stale = ended - int(model.config.get("best_epoch") or ended)
    if ended < config.get("epochs", ended) and stale >= config.get("patience", 1):
        return "until early stopping"
    return f"{int(model.history['examples_seen'].tail(1).sum()):,}"


def compare_models(models: Sequence[Finished], *, allow_unequal: bool = False) -> Comparison:
    """Compare each model with the first one; raises UnequalModelsError, or for models without a common head."""
    each = [conditions_of(model) for model in models]
    conditions = {name: tuple(one[name] for one in each) for name in CONDITIONS}
    names = tuple(model.model_id for model in models)
    different = {name: values for name, values in conditions.items() if len(set(values)) > 1}
    if different and not allow_unequal:
        raise UnequalModelsError(different)
    heads = tuple(head for model in models for head in _heads(models[0], model))
    if not any(each.lead for each in heads):
        raise UnequalModelsError({"heads": tuple(_head_names(model) for model in models)})
    sizes = tuple((_parameters(model), float(model.history["seconds"].sum())) for model in models)
    return Comparison(names, conditions, _options(models), sizes, heads)


def _parameters(model: Finished) -> int:
    return int(model.config.get("parameters") or 0)


def _head_names(model: Finished) -> str:
    return ", ".join(head.name for head in saved_heads(model.config)) or "none"


def _options(models: Sequence[Finished]) -> dict[str, tuple[str, ...]]:
    """Return the recipe and the hyperparameters that differ, by name."""
    each = [{"recipe": m.config.get("recipe"), **(m.config.get("config") or {})} for m in models]
    names = dict.fromkeys(name for one in each for name in one)
    values = {name: tuple(json.dumps(one.get(name)).strip('"') for one in each) for name in names}
    return {name: value for name, value in values.items() if len(set(value)) > 1}


def _heads(first: Finished, model: Finished) -> list[ComparedHead]:
    ours = {head.name: head for head in saved_heads(model.config)}
    return [
        compared
        for head in saved_heads(first.config)
        if (own := ours.get(head.name)) is not None
        and head.family != RETRIEVAL_FAMILY
        and (own.family, own.classes, own.unit) == (head.family, head.classes, head.unit)
        and (compared := _compare_head(head, first, model)) is not None
    ]


def _compare_head(head: SavedHead, first: Finished, model: Finished) -> ComparedHead | None:
    rows = _paired(head, first.predictions, model.predictions)
    if not rows.height:
        return None
    groups = np.unique(rows["group_id"].to_numpy(), return_inverse=True)[1]
    theirs, ours, figure = _sums(head, rows)
    score = _score(group_bootstrap(ours, groups, figure))
    if model.model_id == first.model_id:
        return ComparedHead(model.model_id, head, score, None, "")
    width = ours.shape[1]

    def lead(sums: Floats) -> Floats:
        return np.asarray(figure(sums[:, :width]) - figure(sums[:, width:]))

    both = np.concatenate([ours, theirs], axis=1)
    paired = _score(group_bootstrap(both, groups, lead))
    other = _score(group_bootstrap(theirs, groups, figure))
    verdict = compare(score, other, paired, higher_is_better=head.higher_is_better)
    return ComparedHead(model.model_id, head, score, paired, verdict)


def _paired(head: SavedHead, first: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Join the labelled predictions of both by picture."""
    columns = ["asset_sha256", "group_id", "predicted", "target", "value", "target_value"]
    labelled = [
        each.filter((pl.col("task") == head.name) & pl.col("target_value").is_not_null()).select(
            columns
        )
        for each in (first, other)
    ]
    joined = labelled[0].join(labelled[1], on="asset_sha256", suffix="_other")
    return joined.sort("asset_sha256")


def _sums(head: SavedHead, rows: pl.DataFrame) -> tuple[Floats, Floats, Any]:
    """Return the additive columns of the first and the other model, and the main metric as a function of them."""
    if head.family == CLASS_FAMILY:
        target = rows["target"].to_numpy().astype(np.int64)
        sums = [
            metrics.confusion_sums(target, _one_hot(rows[name].to_numpy(), len(head.classes)))
            for name in ("predicted", "predicted_other")
        ]
        whole = sums[0].sum(0)

        def figure(sums: Floats) -> Floats:
            usable = metrics.where_every_class_occurs(sums, whole)
            return np.where(usable, metrics.balanced_accuracy(sums), np.nan)

        return sums[0], sums[1], figure
    truth, ones = rows["target_value"].to_numpy(), np.ones(rows.height)
    errors = [np.abs(rows[name].to_numpy() - truth) for name in ("value", "value_other")]
    first, other = (np.stack([each, ones], axis=1) for each in errors)
    return first, other, metrics.mean


def _one_hot(classes: Ints, count: int) -> Floats:
    return np.eye(count)[classes.astype(np.int64)]


def _score(interval: Interval) -> Score:
    return Score(
        interval.value, interval.low, interval.high, interval.n, interval.n_groups, digits=3
    )
