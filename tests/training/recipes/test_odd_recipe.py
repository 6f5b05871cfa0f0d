"""The design holds where a recipe has another input, other heads and a loss of its own: one file is all it takes."""

import hashlib
import io
import json
import shutil
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

from catalog import Release, Workspace, open_catalog, publish, rows, write_segment
from tests.training.recipes import odd_recipe
from tests.training.recipes.odd_recipe import INSTRUMENTS, RECIPE, SECOND
from training.commands.train import train as command
from training.errors import UndecodablePictureError
from training.fit.run_request import TrainingRequest, TrainingResult
from training.predict.predict_files import Model, load_model, predict_pictures
from training.recipes import RECIPES
from training.runs.run import evaluate, train

N = 96


def sound(number: int) -> bytes:
    """Play one of three instruments at one of several pitches, in octaves above 200 Hz."""
    rng, time = np.random.default_rng(number), np.arange(SECOND // 4) / SECOND
    phase = 2 * np.pi * 200 * 2 ** pitch(number) * time
    flute, organ = np.sin(phase), sum(np.sin(n * phase) / n for n in (1, 3, 5))
    drum = rng.normal(0, 1, len(time)) * np.exp(-20 * time) + 0.3 * flute
    samples = np.stack([flute, organ, drum])[number % 3] * 4000
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SECOND)
        file.writeframes((samples + rng.normal(0, 100, len(time))).astype("<i2").tobytes())
    return stream.getvalue()


def pitch(number: int) -> float:
    return (number * 7 % 12) / 4


def make_sounds(workspace: Workspace) -> Release:
    """Publish sounds with two labels; every ninth has no instrument, every fifth no pitch."""
    bodies = {hashlib.sha256(sound(n)).hexdigest(): sound(n) for n in range(N)}
    assets = [{"sha256": sha, "bytes": len(body), "format": "WAV"} for sha, body in bodies.items()]
    write_segment(
        workspace, {"assets": rows("assets", assets)}, job="crawl:sounds", images=[*bodies.items()]
    )
    with open_catalog(workspace) as catalog:
        catalog.commit()
    split = ("train", "train", "train", "train", "validation", "test")
    items = rows("curated_items", [
        {
            "run_id": "run", "asset_sha256": sha, "photo_id": f"{n:032d}", "source": "made",
            "source_photo_id": str(n), "group_id": f"g{n // 3 % 20}", "split": split[n // 3 % 20 % 6],
            "random_split": split[n % 6], "training_allowed": True, "weight": 1.0,
        }
        for n, sha in enumerate(bodies)
    ])  # fmt: skip
    instruments = [None if n % 9 == 0 else INSTRUMENTS[n % 3] for n in range(N)]
    pitches = [None if n % 5 == 0 else pitch(n) for n in range(N)]
    items = items.append_column("instrument", pa.array(instruments, pa.string()))
    items = items.append_column("pitch", pa.array(pitches, pa.float64()))
    plan = {"labels": ["instrument", "pitch"], "seed": 0}
    return publish(workspace, "sounds", items, plan=plan, run_id="run")


@dataclass(frozen=True)
class Trained:
    workspace: Workspace
    release: Release
    result: TrainingResult

    @property
    def folder(self) -> Path:
        return self.result.models["split"]

    @property
    def model(self) -> Model:
        return load_model(self.workspace, self.folder.name)


@pytest.fixture(scope="module")
def trained(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("sounds") / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    release = make_sounds(workspace)
    patch = pytest.MonkeyPatch()
    patch.setitem(RECIPES, RECIPE.name, RECIPE)
    request = TrainingRequest(RECIPE.name, policies=("split",))
    yield Trained(workspace, release, train(workspace, request))
    patch.undo()


def test_it_is_one_short_file() -> None:
    lines = Path(odd_recipe.__file__).read_text("utf-8").splitlines()
    assert len(lines) <= 150


def test_a_training_leaves_a_whole_model_folder(trained: Trained) -> None:
    left = {path.name for path in trained.folder.iterdir()}
    assert left == {
        "config.json", "weights.safetensors", "model.onnx", "parity.json", "history.parquet", "steps.parquet",
        "metrics.parquet", "predictions.parquet", "changes.parquet", "README.md", "checkpoints", "log.jsonl",
    }  # fmt: skip
    facts = json.loads((trained.folder / "config.json").read_text())
    assert facts["recipe"] == "instruments"
    assert facts["tasks"] == ["instrument", "pitch"]
    assert facts["view"] == {"kind": "waveform", "length": SECOND // 8}
    parity = json.loads((trained.folder / "parity.json").read_text())
    assert parity["within_tolerance"]


def test_each_head_is_scored_beside_its_baselines(trained: Trained) -> None:
    metrics = pl.read_parquet(trained.folder / "metrics.parquet").filter(slice="all")
    for head in trained.model.heads:
        of_head = metrics.filter(task=head.name, metric=head.metric)
        assert {"model", *head.baselines} <= set(of_head["predictor"])
        assert of_head["value"].is_not_nan().all()
    best = dict(
        metrics.filter(predictor="model")
        .filter(pl.col("metric").is_in(["balanced_accuracy", "mae"]))
        .select("metric", "value")
        .iter_rows()
    )
    constant = metrics.filter(predictor="median", metric="mae")["value"].item()
    assert best["balanced_accuracy"] > 0.6, "the instruments differ clearly"
    assert best["mae"] < constant


def test_predictions_have_a_class_and_a_value_with_its_interval(trained: Trained) -> None:
    stored = pl.read_parquet(trained.folder / "predictions.parquet")
    assert stored.group_by("task").len().height == 2
    body = sound(N - 1)
    [answer] = predict_pictures(trained.model, [body])
    assert set(answer["instrument"]["probabilities"]) == set(INSTRUMENTS)
    assert answer["pitch"]["unit"] == "octaves"
    sha = hashlib.sha256(body).hexdigest()
    with pytest.raises(UndecodablePictureError, match="noise"):
        trained.model.view.from_bytes(b"no sound", "noise")
    for row in stored.filter(asset_sha256=sha).iter_rows(named=True):
        kept = json.loads(row["answer"])
        if row["task"] == "pitch":
            assert answer["pitch"]["value"] == pytest.approx(kept["value"], abs=1e-4)
        else:
            assert answer["instrument"]["class"] == kept["class"]


def test_the_catalog_holds_it_and_it_is_scored_again_to_the_same_figures(trained: Trained) -> None:
    with open_catalog(trained.workspace) as catalog:
        [model] = catalog.records("SELECT recipe, dataset FROM models")
        kinds = catalog.records("SELECT DISTINCT kind FROM predictions ORDER BY 1")
    assert (model["recipe"], model["dataset"]) == ("instruments", "sounds")
    assert [row["kind"] for row in kinds] == ["regression", "softmax"]
    _, difference, _ = evaluate(trained.workspace, trained.folder.name)
    assert difference == 0
    words = ["evaluate", trained.folder.name, "--home", str(trained.workspace.home)]
    output = CliRunner().invoke(command, words, catch_exceptions=False).output
    assert "pitch (octaves)" in output, "the unit, as train run prints it"


def test_the_side_loss_is_part_of_what_is_learnt(trained: Trained) -> None:
    losses = []
    for weight in (
        1,
        0,
    ):  # the same draws and rates, so the first step differs by the side loss alone
        options = (f"side_weight={weight}",)
        request = TrainingRequest(RECIPE.name, policies=("split",), epochs=1, options=options)
        result = train(trained.workspace, request)
        assert result.models["split"] != trained.folder
        losses.append(pl.read_parquet(result.models["split"] / "steps.parquet")["train_loss"][0])
    assert losses[0] > losses[1]
