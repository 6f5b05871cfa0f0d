"""Train `exif` and `copy_detection` on made pictures and write their losses and predictions, to compare two commits.

    python3 dev.py bench training_core --output FILE            this commit
    python3 dev.py bench training_core --output FILE --against OTHER   and the differences from a file of another commit

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
    """Train, write the file, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    figures = measure()
    if options.against:
        before = json.loads(options.against.read_text("utf-8"))
        figures["against"] = {
            "commit": before["commit"],
            "largest_difference": differences(before, figures),
        }
        print(json.dumps(figures["against"], indent=1))
    options.output.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


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
