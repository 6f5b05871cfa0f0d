"""The recipe `copy_detection`: what it learns, that it goes on exactly, and that curation can use it."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from click.testing import CliRunner

from catalog import Workspace, open_catalog, show_progress
from curation.stages.lite0 import packaged_trunk
from curation.stages.onnx_embedder import OnnxEmbedder, open_embedder
from safelight import cli
from tests.curation.made_pictures import scene
from tests.display import ListDisplay
from tests.training.made_release import make_release
from training.data.stores.pictures import SampleStore
from training.data.transforms.edits import resize_to_square
from training.errors import EmbedderError
from training.evaluation.tasks.copy_comparison import embed_pictures
from training.export.embedder import embedder_name
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.examples import make_examples
from training.fit.recipe import Labels
from training.fit.run_request import TrainingRequest
from training.fit.task import Task
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.models.copy_network import CopyNetwork
from training.predict.predict_files import load_model
from training.predict.saved_model import embedder_of, read_facts
from training.recipes.copy_detection import RECIPE, SMOKE
from training.runs.run import evaluate, train
from training.runs.saved_network import load_network

CONFIG = replace(SMOKE, epochs=2, batch_size=8, dim=32)
TASK = Task.on(RECIPE, CONFIG, Labels(pl.DataFrame(), {}))
REQUEST = TrainingRequest("copy_detection", preset="smoke", epochs=1)
RUN = TrainingRun(CONFIG, "digest", "split", torch.device("cpu"))


class SceneFile:
    """Made scenes in one file."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, rows, bodies = folder, [], []
        for number in range(n):
            body = cv2.imencode(".jpg", scene(number))[1].tobytes()
            rows.append(
                (f"{number:064}", "bytes", sum(map(len, bodies)), len(body), f"g{number % 5}")
            )
            bodies.append(body)
        (folder / "bytes").write_bytes(b"".join(bodies))
        names = ["asset_sha256", "shard", "offset", "length", "group_id"]
        self.table = pl.DataFrame(rows, names, orient="row")

    def shard(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleStore]:
    scene_file = SceneFile(tmp_path_factory.mktemp("scenes"), 24)
    with SampleStore(scene_file, scene_file.table, TASK.view, cache_bytes=10**8) as opened:
        yield opened


def trained(store: SampleStore, folder: Path) -> tuple[CopyNetwork, TrainingProgress]:
    torch.set_num_threads(1)  # two would add up in another order
    torch.manual_seed(0)
    network = TASK.build()
    parts = (make_examples(store, TASK.heads, rows) for rows in (np.arange(16), np.arange(16, 24)))
    training = Training(network, TASK.objective, *parts, RUN, RECIPE.initialise)
    best, progress = fit(training, Checkpoints(folder, "model"))
    assert isinstance(best, CopyNetwork)
    return best, progress


@dataclass(frozen=True)
class UninterruptedTraining:
    """A training from its beginning to its end, and where its checkpoints lie."""

    network: CopyNetwork
    losses: list[tuple[float, float]]
    folder: Path


def losses_of(progress: TrainingProgress) -> list[tuple[float, float]]:
    return [(row["train_loss"], row["validation_loss"]) for row in progress.history]


@pytest.fixture(scope="module")
def uninterrupted(
    store: SampleStore, tmp_path_factory: pytest.TempPathFactory
) -> UninterruptedTraining:
    folder = tmp_path_factory.mktemp("unbroken")
    network, progress = trained(store, folder)
    return UninterruptedTraining(network, losses_of(progress), folder)


def test_the_loss_falls(uninterrupted: UninterruptedTraining) -> None:
    (first, first_held), (last, last_held) = uninterrupted.losses
    assert last < first
    assert last_held < first_held


def test_a_resumed_training_is_an_unbroken_one(
    store: SampleStore, uninterrupted: UninterruptedTraining, tmp_path: Path
) -> None:
    shutil.copytree(
        uninterrupted.folder / "epoch-0001", tmp_path / "epoch-0001"
    )  # killed in the second
    display = ListDisplay()
    with show_progress(display):
        resumed, progress = trained(store, tmp_path)
    assert losses_of(progress) == uninterrupted.losses
    assert any(
        re.fullmatch(r"split: epoch 2 of 2, loss [\d.]+, best validation [\d.]+", line)
        for line in display.shown
    )
    ours, theirs = resumed.state_dict(), uninterrupted.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_frozen_blocks_stay_as_they_were_and_later_ones_learn(
    uninterrupted: UninterruptedTraining,
) -> None:
    before = packaged_trunk().state_dict()
    after = uninterrupted.network.trunk.state_dict()
    changed = {
        name.split(".conv")[0] for name in before if not torch.equal(before[name], after[name])
    }
    parts = ("expand", "depthwise", "project")
    assert changed == {f"blocks.{block}.{part}" for block in (14, 15) for part in parts} | {"head"}


@dataclass(frozen=True)
class Finished:
    workspace: Workspace
    printed: str
    folder: Path


@pytest.fixture(scope="module")
def finished(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Train the smallest preset for one epoch through the command line."""
    home = tmp_path_factory.mktemp("embedder") / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    make_release(workspace)
    words = ["train", "run", "copy_detection", "--preset", "smoke", "--epochs", "1"]
    result = CliRunner().invoke(cli, [*words, "--home", str(home)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    [folder] = workspace.models.iterdir()  # on a random split it would be tested on its sessions
    return Finished(workspace, result.output, folder)


def test_a_training_leaves_every_file_and_says_how_to_use_it(finished: Finished) -> None:
    left = {path.name for path in finished.folder.iterdir()}
    assert left == {
        "config.json", "model.json", "model.onnx", "parity.json", "weights.safetensors",
        "history.parquet", "steps.parquet", "metrics.parquet", "curves.parquet", "changes.parquet", "README.md",
        "checkpoints",
        "log.jsonl",
    }  # fmt: skip
    report = Path(re.findall(r"^report: (/.*)$", finished.printed, re.MULTILINE)[0]).read_text(
        "utf-8"
    )
    for text in ("EfficientNet-Lite0", "PDQ", "with 4 edits"):
        assert text in report
        assert text in finished.printed
    [name] = re.findall(r'embedder = "(.*)"', finished.printed)
    assert name == embedder_name(finished.folder) == embedder_of(finished.folder)
    result = open_embedder(name, finished.workspace)
    assert isinstance(result, OnnxEmbedder)
    assert result.path == finished.folder / "model.onnx"
    with pytest.raises(EmbedderError, match="it predicts nothing"):
        load_model(finished.workspace, finished.folder.name)


def test_onnx_gives_what_torch_gives(finished: Finished) -> None:
    parity = json.loads((finished.folder / "parity.json").read_text())
    assert parity["within_tolerance"]
    network = load_network(finished.folder, read_facts(finished.folder))
    assert isinstance(network, CopyNetwork)
    squares = np.stack([resize_to_square(scene(number), 288) for number in range(3)])
    small = np.stack([resize_to_square(each, SMOKE.input_px) for each in squares])
    embedder = OnnxEmbedder(finished.folder / "model.onnx")
    embedder.load()
    expected = embed_pictures(network, small, torch.device("cpu"))
    np.testing.assert_allclose(embedder.embed(squares), expected, atol=1e-4)


def test_the_card_lies_beside_and_inside_the_file(finished: Finished, tmp_path: Path) -> None:
    beside = OnnxEmbedder(finished.folder / "model.onnx")
    alone = tmp_path / "alone.onnx"
    shutil.copy(beside.path, alone)
    assert OnnxEmbedder(alone).card == beside.card
    assert OnnxEmbedder(alone).model_id == beside.model_id
    assert beside.card.scene_cosine == beside.card.candidate_cosine


def test_the_catalog_holds_the_embedder_and_its_figures(finished: Finished) -> None:
    with open_catalog(finished.workspace) as catalog:
        models = catalog.records("SELECT recipe, split_policy, parameters FROM models")
        sql = "SELECT DISTINCT predictor FROM metrics WHERE metric = 'recall_at_precision_0.9' ORDER BY 1"
        predictors = [row["predictor"] for row in catalog.records(sql)]
    assert [(row["recipe"], row["split_policy"]) for row in models] == [("copy_detection", "split")]
    assert predictors == ["efficientnet_lite0", "model", "pdq"]
    assert {"efficientnet_lite0", "pdq"} == set(TASK.heads[0].baselines)
    metrics = pl.read_parquet(finished.folder / "metrics.parquet")
    whole_set = metrics.filter(pl.col("slice") == "all")
    assert whole_set["value"].is_between(0, 1).all()
    assert whole_set["n_groups"].unique().to_list() == [2]
    assert whole_set["task"].unique().to_list() == ["copies"]


def test_a_model_folder_of_an_embedder_without_config_json_is_read(
    finished: Finished, tmp_path: Path
) -> None:
    """Embedders of older versions have model.json alone, with all facts under `about`."""
    old = tmp_path / finished.folder.name
    shutil.copytree(finished.folder, old)
    (old / "config.json").unlink()
    facts = read_facts(old)
    assert (facts["recipe"], facts["model_id"]) == ("copy_detection", old.name)
    for heads in ({}, {"heads": facts["heads"]}):
        network = load_network(old, {k: v for k, v in facts.items() if k != "heads"} | heads)
        assert isinstance(network, CopyNetwork)
    assert embedder_of(old) == embedder_of(finished.folder)


def test_training_again_trains_nothing(finished: Finished) -> None:
    before = (finished.folder / "model.json").stat().st_mtime_ns
    again = train(finished.workspace, REQUEST)
    assert again.existed == ("split",)
    assert sum(again.rows_added.values()) == 0
    assert (finished.folder / "model.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_finished_embedder_is_scored_again_to_the_same_figures(finished: Finished) -> None:
    metrics, difference, _ = evaluate(finished.workspace, finished.folder.name)
    assert difference == 0
    assert len(metrics) == len(pl.read_parquet(finished.folder / "metrics.parquet"))
