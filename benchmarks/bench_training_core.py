"""Train `exif` and `copy_detection` on made pictures and compare losses and predictions with those of another commit.

    python3 dev.py bench training_core --json FILE                                   this commit's figures
    python3 dev.py bench training_core --json FILE --against OTHER --output TABLE    and how far they are from another's

The pictures are drawn by the tests, both recipes run with their smoke preset and seed 0 on one compute thread. Only the
public face of training and the files of a run are used, so that the same script runs on commits with another inside.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from catalog import Workspace  # noqa: E402
from tests.training.made_release import make_release  # noqa: E402
from training import TrainingRequest, train  # noqa: E402

PICTURES = 96
KEYS = ["asset_sha256", "task"]


def main() -> None:
    """Train, write the figures, and the table of differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    figures = measure()
    options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    if options.against:
        before = json.loads(options.against.read_text("utf-8"))
        text = table(before, figures)
        print(text)
        if options.output:
            options.output.write_text(text, "utf-8")


def table(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Write the largest absolute differences as Markdown."""
    by_recipe = differences(before, after)
    names = ("same_model_id", "train_loss", "validation_loss", "metrics", "probabilities")
    rows = "\n".join(
        f"| {recipe} | {' | '.join('-' if each[name] is None else str(each[name]) for name in names)} |"
        for recipe, each in by_recipe.items()
    )
    return f"""# One core for training: equal results before and after

Commit {before["commit"]} (each recipe with a loop of its own) against {after["commit"]} (one core),
{after["pictures"]} made pictures, preset {after["preset"]}, seed {after["seed"]}, torch {after["torch"]},
{after["machine"]}, one compute thread. Largest absolute difference over all epochs, figures and pictures:

| recipe | same model id | training loss | validation loss | metrics | probabilities |
| --- | --- | --- | --- | --- | --- |
{rows}

Metrics missing afterwards: {sum(len(each["metrics_missing"]) for each in by_recipe.values())}.

    python3 dev.py bench training_core --json FILE --against OTHER --output TABLE
"""


def measure() -> dict[str, Any]:
    """Train both recipes in a workspace of their own and return what they learnt."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "safelight.toml").write_text("[train]\nthreads = 1\n")
        workspace = Workspace.at(Path(folder))
        make_release(workspace, PICTURES)
        recipes = {}
        for recipe in ("exif", "copy_detection"):
            request = TrainingRequest(recipe=recipe, preset="smoke", policies=("split",))
            recipes[recipe] = learnt(train(workspace, request).models["split"])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return {
        "commit": commit, "pictures": PICTURES, "preset": "smoke", "seed": 0, "torch": torch.__version__,
        "machine": platform.machine(), "recipes": recipes,
    }  # fmt: skip


def learnt(folder: Path) -> dict[str, Any]:
    """Return the losses of each epoch, the figures and the probabilities of a model folder."""
    history = pl.read_parquet(folder / "history.parquet")
    metrics = pl.read_parquet(folder / "metrics.parquet").sort(
        "predictor", "task", "slice", "metric"
    )
    content = {
        "model_id": folder.name,
        "train_loss": history["train_loss"].to_list(),
        "validation_loss": history["validation_loss"].to_list(),
        "metrics": {
            f"{row['predictor']}/{row['task']}/{row['slice']}/{row['metric']}": row["value"]
            for row in metrics.iter_rows(named=True)
        },
    }  # fmt: skip
    if (folder / "predictions.parquet").exists():
        predictions = pl.read_parquet(folder / "predictions.parquet").sort(KEYS)
        content["probabilities"] = predictions["probabilities"].to_list()
    return content


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the largest absolute difference of each kind of figure, by recipe."""
    result: dict[str, Any] = {}
    for recipe, old in before["recipes"].items():
        new = after["recipes"][recipe]
        shared = [key for key in old["metrics"] if key in new["metrics"]]
        metrics = ([each["metrics"][key] for key in shared] for each in (old, new))
        shares = (list(chain.from_iterable(each.get("probabilities", []))) for each in (old, new))
        result[recipe] = {
            "same_model_id": old["model_id"] == new["model_id"],
            "train_loss": gap(old["train_loss"], new["train_loss"]),
            "validation_loss": gap(old["validation_loss"], new["validation_loss"]),
            "metrics": gap(*metrics),
            "metrics_missing": sorted(set(old["metrics"]) - set(shared)),
            "probabilities": gap(*shares),
        }
    return result


def gap(one: list[float], other: list[float]) -> float | None:
    """Return the largest absolute difference of two lists of equal length; None where there is nothing."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a == a and b == b]  # noqa: PLR0124  # not NaN
    return max((abs(a - b) for a, b in pairs), default=None)


if __name__ == "__main__":
    main()
