"""Make the files that a finished training run leaves, with made pictures and seeded figures."""

import json
import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFilter

BINS = {"f_number": [3.17, 5.17], "iso": [1.17, 3.17], "exposure_time": [-7.8, -5.77]}
VALUES = {
    "f_number": (2.0, 4.0, 11.0),
    "iso": (100.0, 400.0, 3200.0),
    "exposure_time": (1 / 500, 1 / 100, 0.5),
}
SKILL = {"f_number": 1.1, "iso": 0.15, "exposure_time": 0.6}
PREDICTORS = {
    "model": 0.0, "majority": None, "prior": None, "metadata": 0.02, "tiny_features": -0.05,
    "thumbnail_only": -0.03, "patches_only": -0.04,
}  # fmt: skip
LEVEL = {"f_number": 0.55, "iso": 0.36, "exposure_time": 0.45}


def picture(seed: int, size: tuple[int, int] = (360, 240)) -> Image.Image:
    """Paint a small landscape: sky, hills, a sun; each seed its own."""
    rng = np.random.default_rng(seed)
    width, height = size
    sky = np.linspace(rng.integers(90, 200, 3), rng.integers(200, 255, 3), height)
    image = Image.fromarray(np.repeat(sky[:, None], width, axis=1).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    x, y, r = rng.integers(40, width - 40), rng.integers(20, height // 2), rng.integers(12, 30)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 240, 190))
    for depth in range(3):
        base = height * (0.45 + 0.17 * depth)
        ridge = [
            (i, base + 22 * math.sin(i / (40 + 9 * depth) + rng.random())) for i in range(width)
        ]
        colour = tuple(int(c) for c in rng.integers(30, 120, 3))
        draw.polygon([*ridge, (width, height), (0, height)], fill=colour)
    return image.filter(ImageFilter.GaussianBlur(float(rng.random() * 2)))


@dataclass(frozen=True)
class FolderRelease:
    """A release without a catalog: an index in memory, pictures in one file."""

    folder: Path
    table: pa.Table

    def index(self) -> pa.Table:
        return self.table

    def shard(self, path: str) -> Path:
        return self.folder / path


def release(folder: Path, n: int = 36) -> FolderRelease:
    """Make a release of `n` pictures in one shard file, a third of them test."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    rows: list[dict[str, Any]] = []
    with (folder / "shard.bin").open("wb") as shard:
        for number in range(n):
            out = BytesIO()
            size = (240, 360) if number % 7 == 3 else (360, 240)
            picture(number, size).save(out, "JPEG", quality=88)
            classes = {task: int(rng.choice(3, p=[0.6, 0.25, 0.15])) for task in VALUES}
            if number % 20 == 19:
                classes["iso"] = -1
            rows.append(_row(number, classes, shard.tell(), out.tell()))
            shard.write(out.getvalue())
    return FolderRelease(folder, pa.Table.from_pylist(rows))


def _row(number: int, classes: dict[str, int], offset: int, length: int) -> dict[str, Any]:
    split = ("train", "test", "validation")[number % 3]
    values = {task: None if c < 0 else VALUES[task][c] for task, c in classes.items()}
    bins = {f"{task}_bin": None if c < 0 else c for task, c in classes.items()}
    return {
        "asset_sha256": f"{number:064x}", "sha256": f"{number:064x}", "split": split,
        "random_split": ("train", "validation", "test")[number % 3],
        "group_id": f"group{number // 6}", "camera": ("nikon d90", "canon eos 5d <b>")[number % 2],
        "photographer": f"Ann & Bob {number // 6}", "attribution": None,
        "page_url": ("https://photos.example/p/1", "javascript:alert(1)", None)[number // 3 % 3],
        "shard": "shard.bin", "offset": offset, "length": length,
        "weight": (0.7, 1.3, 1.6)[max(classes["iso"], 0)], **values, **bins,
    }  # fmt: skip


def predictions(index: pa.Table, policy: str, model_id: str) -> pl.DataFrame:
    """Guess each head of the test pictures with a skill of its own, seeded."""
    rng = np.random.default_rng(len(policy))
    rows = []
    for row in index.to_pylist():
        for task, skill in SKILL.items():
            target = row[f"{task}_bin"]
            logits = rng.normal(0, 0.8, 3)
            if target is not None:
                logits[target] += skill + (0.5 if policy == "random_split" else 0)
            shares = np.exp(logits) / np.exp(logits).sum()
            rows.append({
                "model_id": model_id, "asset_sha256": row["asset_sha256"], "task": task,
                "split": row[policy], "probabilities": shares.tolist(),
                "predicted": int(shares.argmax()), "target": target,
                "nll": None if target is None else float(-np.log(shares[target])),
                "group_id": row["group_id"],
            })  # fmt: skip
    return pl.DataFrame(rows).filter(pl.col("split") != "train")


def metrics(policy: str, model_id: str) -> pl.DataFrame:
    """Make a metrics table with every predictor, two slices and calibration figures."""
    rows = []
    bonus = 0.07 if policy == "random_split" else 0.0

    def add(predictor: str, task: str, metric: str, value: float, **other: Any) -> None:
        rows.append({
            "model_id": model_id, "dataset": "photos", "version": "1.0.0",
            "split": f"{policy}:test", "predictor": predictor, "task": task, "slice": "all",
            "metric": metric, "value": value, "low": value - 0.05, "high": value + 0.05,
            "n": 300, "n_groups": 41, **other,
        })  # fmt: skip

    for task, level in LEVEL.items():
        for predictor, shift in PREDICTORS.items():
            constant = shift is None
            value = 1 / 3 if constant else level + shift + bonus
            width = {"low": 1 / 3, "high": 1 / 3} if constant else {}
            add(predictor, task, "balanced_accuracy", value, **width)
            add(predictor, task, "accuracy", value + 0.1)
            if predictor != "majority":
                add(predictor, task, "accuracy_with_prior", value + 0.15)
            if predictor != "model":
                add("model", task, f"balanced_accuracy_minus_{predictor}", level + bonus - value)
            add(predictor, task, "macro_f1", value - 0.04)
            add(predictor, task, "nll", 1.3 - value)
            add(predictor, task, "ece", 0.06)
        add("model", task, "ece_with_prior", 0.03)
        add("model", task, "ece_uncalibrated", 0.15)
        add("model", task, "nll_uncalibrated", 1.5 - level)
        add("model", task, "balanced_accuracy", level, slice="camera=nikon <d90>", n=80, n_groups=3)
        add("model", task, "balanced_accuracy", 0.9, slice="camera=rare one", n=4, n_groups=1)
    return pl.DataFrame(rows)


def history(epochs: int = 6) -> pl.DataFrame:
    """Make a training history that falls and flattens."""
    steps = range(1, epochs + 1)
    return pl.DataFrame({
        "epoch": list(steps), "train_loss": [1.1 * 0.85**e for e in steps],
        "validation_loss": [1.12 * 0.9**e + 0.004 * e * e for e in steps],
        "learning_rate": [1e-3 * (1 - e / 8) for e in steps], "seconds": [9.5 + e / 10 for e in steps],
        "examples_seen": [400 * e for e in steps], "examples_per_s": [41.0 + e / 10 for e in steps],
    })  # fmt: skip


def audit(shared: int) -> dict[str, float]:
    """Make the leak audit of one split policy, with all cameras and photographers known."""
    kinds = ("groups", "cameras", "photographers")
    counts = {f"{kind}_in_train_and_test": shared for kind in kinds}
    return counts | {f"{kind}_known_share": 1.0 for kind in kinds}


def saved_run(
    home: Path, index: pa.Table, policies: tuple[str, ...] = ("split", "random_split")
) -> Path:
    """Write a whole run below `home` and give its run folder."""
    folder = home / "reports" / "training" / "run1"
    folder.mkdir(parents=True)
    for policy in policies:
        model = home / "models" / f"model-{policy}"
        model.mkdir(parents=True)
        config = {
            "recipe": "exif",
            "split_policy": policy,
            "epochs": 6,
            "parameters": 45_900,
            "config": {"balance": "prior"},
            "prior": {task: [0.6, 0.25, 0.15] for task in VALUES},
        }
        (model / "config.json").write_text(json.dumps(config))
        history().write_parquet(model / "history.parquet")
        metrics(policy, model.name).write_parquet(model / "metrics.parquet")
        predictions(index, policy, model.name).write_parquet(model / "predictions.parquet")
    facts = {
        "run_id": "run1", "recipe": "exif", "dataset": "photos", "version": "1.0.0",
        "digest": "ab" * 32, "models": {policy: f"model-{policy}" for policy in policies},
        "bins": BINS, "rows_excluded": 2,
        "leak_audit": {policy: audit(0 if policy == "split" else 9) for policy in policies},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(facts))
    return folder
