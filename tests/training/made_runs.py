"""Make the files that finished runs of any heads leave: classes of any number, values, retrieval, or several of them.

Runs that older code left are in `saved_files`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from tests.training import saved_files
from tests.training.saved_files import BINS, FolderRelease

Row = dict[str, Any]

BREEDS = (
    "cats & dogs",
    "<b>bold</b>",
    "either|or",
    "$10 to $20",
    "a long name of a class that goes on",
)
BREED: Row = {
    "name": "breed", "kind": "softmax", "family": "classes", "title": "Breed", "classes": list(BREEDS),
    "unit": "", "metric": "balanced_accuracy", "higher_is_better": True,
}  # fmt: skip
SPECIES: Row = BREED | {
    "name": "species", "title": "Species", "classes": [f"species {n}" for n in range(30)],
}  # fmt: skip
INDOORS: Row = BREED | {
    "name": "indoors", "kind": "binary", "title": "Place", "classes": ["outdoors", "indoors"],
}  # fmt: skip
ISO: Row = BREED | {
    "name": "iso", "kind": "ordinal", "title": "ISO", "classes": ["low", "medium", "high"],
    "descriptions": ["up to ISO 200", "ISO 250 to 800", "from ISO 1000"],
}  # fmt: skip
DECADE: Row = BREED | {
    "name": "decade", "kind": "ordinal", "title": "Decade",
    "classes": [f"{year}s" for year in range(1950, 2030, 10)],
}  # fmt: skip
AGE: Row = {
    "name": "age", "kind": "regression", "family": "values", "title": "Age", "unit": "years",
    "metric": "mae", "higher_is_better": False,
}  # fmt: skip
PRICE: Row = AGE | {"name": "price", "title": "Price", "unit": "EUR"}
COPIES: Row = {
    "name": "copies", "kind": "embedding", "family": "retrieval", "title": "Copies", "unit": "",
    "metric": "recall_at_precision_0.9", "higher_is_better": True,
}  # fmt: skip

TYPICAL = {"age": (38.0, 14.0), "price": (4200.0, 1500.0)}
"""Mean and standard deviation of the made values."""
ERROR = 0.45
"""Mean absolute error of the model, in standard deviations; that of the median is 0.8."""


@dataclass(frozen=True)
class MadeRun:
    """What to write: heads as in `config.json`, parts of the model, split policies, groups of the test pictures."""

    heads: Sequence[Row]
    parts: Sequence[str] = ()
    policies: Sequence[str] = ("split", "random_split")
    n_groups: int = 41
    without_baseline: Sequence[str] = ()
    recipe: str = "classify"
    more: Mapping[str, Any] = field(default_factory=dict)  # for run.json


def release(folder: Path, heads: Sequence[Row], n: int = 90) -> FolderRelease:
    """Make a release whose index has a column for each head: class names, or values; every tenth is missing."""
    made = saved_files.release(folder, n)
    rng = np.random.default_rng(11)
    table = made.table
    for head in heads:
        if head["name"] != "iso" and head["family"] != "retrieval":
            truths = [_truth(head, rng) for _ in range(n)]
            values = [None if number % 10 == 9 else truth for number, truth in enumerate(truths)]
            if head["family"] == "classes":
                values = [None if value is None else head["classes"][value] for value in values]
            table = table.append_column(head["name"], pa.array(values))
    return FolderRelease(made.folder, table)


def _truth(head: Row, rng: np.random.Generator) -> Any:
    if head["family"] == "values":
        mean, width = TYPICAL[head["name"]]
        return float(max(1.0, rng.normal(mean, width)))
    count = len(head["classes"])
    shares = 1 / np.arange(1, count + 1)
    return int(rng.choice(count, p=shares / shares.sum()))


def predictions(index: pa.Table, heads: Sequence[Row], policy: str, model_id: str) -> pl.DataFrame:
    """Predict each head of the pictures that are not for training, with some skill, seeded."""
    rng = np.random.default_rng(len(policy))
    rows = []
    for row in index.to_pylist():
        for head in heads:
            rows.append({
                "model_id": model_id, "asset_sha256": row["asset_sha256"], "task": head["name"],
                "split": row[policy], "group_id": row["group_id"], "kind": head["kind"],
                **_prediction(head, row, rng),
            })  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None).filter(pl.col("split") != "train")


def _prediction(head: Row, row: Row, rng: np.random.Generator) -> Row:
    if head["family"] == "values":
        return _value(head, row[head["name"]], rng)
    target = row["iso_bin"] if head["name"] == "iso" else row[head["name"]]
    if isinstance(target, str):
        target = head["classes"].index(target)
    logits = rng.normal(0, 0.8, len(head["classes"]))
    if target is not None:
        logits[target] += 1.4
    shares = np.exp(logits) / np.exp(logits).sum()
    by_name = dict(zip(head["classes"], shares.tolist(), strict=True))
    predicted = int(shares.argmax())
    return {
        "probabilities": shares.tolist(), "predicted": predicted, "target": target,
        "nll": None if target is None else float(-np.log(shares[target])),
        "value": float(predicted), "target_value": None if target is None else float(target),
        "low": None, "high": None,
        "answer": json.dumps({"class": head["classes"][predicted], "probabilities": by_name}),
    }  # fmt: skip


def _value(head: Row, target: float | None, rng: np.random.Generator) -> Row:
    mean, width = TYPICAL[head["name"]]
    value = float(
        (mean if target is None else 0.7 * target + 0.3 * mean) + rng.normal(0, 0.4 * width)
    )
    low, high = value - 0.8 * width, value + 0.8 * width
    answer = {"value": value, "low": low, "high": high, "unit": head["unit"]}
    return {
        "probabilities": None, "predicted": None, "target": None, "nll": None, "value": value,
        "target_value": target, "low": low, "high": high, "answer": json.dumps(answer),
    }  # fmt: skip


def metrics(run: MadeRun, policy: str, model_id: str) -> pl.DataFrame:
    """Make the figures of all heads with their predictors, leads, slices and calibration."""
    identity = {
        "model_id": model_id,
        "dataset": "photos",
        "version": "1.0.0",
        "split": f"{policy}:test",
    }
    rows: list[Row] = []
    for head in run.heads:
        make = {"classes": _classes, "values": _values, "retrieval": _copies}[head["family"]]
        alone = head["name"] in run.without_baseline
        for row in make(head, run, 0.07 if policy == "random_split" else 0.0):
            is_baseline = row["predictor"] != "model" or "_minus_" in row["metric"]
            if not (alone and is_baseline):
                rows.append(
                    identity | {"task": head["name"], "n": 300, "n_groups": run.n_groups} | row
                )
    return pl.DataFrame(rows, infer_schema_length=None)


def _figure(predictor: str, metric: str, value: float, width: float, **more: Any) -> Row:
    ends = {"low": value - width, "high": value + width}
    return {"predictor": predictor, "slice": "all", "metric": metric, "value": value} | ends | more


def _classes(head: Row, run: MadeRun, bonus: float) -> list[Row]:
    chance = 1 / len(head["classes"])
    level = min(0.9, chance + 0.3) + bonus
    shifts = {"metadata": -0.12, "tiny_features": -0.2, **dict.fromkeys(run.parts, -0.04)}
    values = {"majority": chance, "prior": chance, "model": level}
    values |= {name: max(level + shift, chance) for name, shift in shifts.items()}
    rows = []
    for name, value in values.items():
        width = 0.0 if name in {"majority", "prior"} else 0.04
        rows += [
            _figure(name, "balanced_accuracy", value, width),
            _figure(name, "accuracy", value + 0.05, width),
            _figure(name, "nll", 1.4 - value, 0.05),
            _figure(name, "ece", 0.05, 0.02),
        ]
        rows += [_figure(name, "accuracy_with_prior", value + 0.08, width)] * (name != "majority")
        if name != "model":
            rows.append(_figure("model", f"balanced_accuracy_minus_{name}", level - value, 0.03))
    return [*rows, *_sliced("balanced_accuracy", level, 0.05)]


def _sliced(metric: str, level: float, width: float) -> list[Row]:
    return [
        _figure("model", metric, level * 0.9, width, slice="camera=nikon <d90>", n=80, n_groups=13),
        _figure("model", metric, level, width, slice="camera=rare one", n=4, n_groups=1),
    ]


def _values(head: Row, run: MadeRun, bonus: float) -> list[Row]:
    width = TYPICAL[head["name"]][1]
    shares = {"model": ERROR - bonus, "median": 0.8, "metadata": 0.75, "tiny_features": 0.62}
    shares |= dict.fromkeys(run.parts, ERROR + 0.05)
    rows = []
    for name, share in shares.items():
        rows += [
            _figure(name, "mae", share * width, 0.04 * width),
            _figure(name, "rmse", 1.25 * share * width, 0.05 * width),
            _figure(name, "median_absolute_error", 0.85 * share * width, 0.05 * width),
            _figure(name, "r2", 1 - (1.25 * share) ** 2, 0.05),
            _figure(name, "spearman", max(0.0, 1 - share), 0.05),
        ]
        if name != "model":
            lead = (shares["model"] - share) * width
            rows.append(_figure("model", f"mae_minus_{name}", lead, 0.03 * width))
    return [*rows, *_sliced("mae", shares["model"] * width, 0.05 * width)]


def _copies(head: Row, run: MadeRun, bonus: float) -> list[Row]:
    levels = {"model": 0.81, "efficientnet_lite0": 0.74, "pdq": 0.52}
    return [
        _figure(name, f"recall_at_precision_{precision}", level - 0.06 * edits - loss, 0.02,
                slice=f"edits={edits}" if edits else "all", n=1200)
        for name, level in levels.items()
        for edits in range(5)
        for precision, loss in ((0.9, 0.0), (0.99, 0.1))
    ]  # fmt: skip


def curves() -> pl.DataFrame:
    """Make the precision-recall curves of an embedder."""
    recall = np.linspace(0, 1, 50)
    return pl.concat(
        pl.DataFrame({"recall": recall, "precision": 1 - recall**power}).with_columns(predictor=pl.lit(name))
        for name, power in (("model", 9), ("efficientnet_lite0", 6), ("pdq", 3))
    )  # fmt: skip


def changes(layers: int = 14) -> pl.DataFrame:
    """Make the weight changes of a network: more towards its end."""
    names = [f"features.{n}.0.conv.weight" for n in range(layers - 1)] + ["heads.breed.weight"]
    return pl.DataFrame({"layer": names, "change": [0.02 * 1.25**n for n in range(layers)]})


def saved_run(home: Path, index: pa.Table, run: MadeRun) -> Path:
    """Write a whole run below `home` and give its run folder."""
    folder = home / "reports" / "training" / "run1"
    folder.mkdir(parents=True)
    for policy in run.policies:
        _write_model(home / "models" / f"model-{policy}", index, run, policy)
    facts = {
        "run_id": "run1", "recipe": run.recipe, "dataset": "photos", "version": "1.0.0",
        "digest": "ab" * 32, "models": {policy: f"model-{policy}" for policy in run.policies},
        "bins": BINS, "rows_excluded": 2, "heads": list(run.heads),
        "leak_audit": {p: saved_files.audit(0 if p == "split" else 9) for p in run.policies},
        **run.more,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


def _write_model(folder: Path, index: pa.Table, run: MadeRun, policy: str) -> None:
    folder.mkdir(parents=True)
    config = {"recipe": run.recipe, "split_policy": policy, "epochs": 6, "parameters": 45_900}
    config |= {"heads": list(run.heads), "parts": list(run.parts), "config": {"epochs": 6}}
    predicted = [head for head in run.heads if head["family"] != "retrieval"]
    if len(predicted) < len(run.heads):
        config |= {"rows_judged": 300, "candidate_cosine": 0.71}
        curves().write_parquet(folder / "curves.parquet")
    (folder / "config.json").write_text(json.dumps(config))
    history = saved_files.history().with_columns(wait_share=pl.lit(0.12))
    history.write_parquet(folder / "history.parquet")
    metrics(run, policy, folder.name).write_parquet(folder / "metrics.parquet")
    changes().write_parquet(folder / "changes.parquet")
    if predicted:
        table = predictions(index, predicted, policy, folder.name)
        table.write_parquet(folder / "predictions.parquet")
