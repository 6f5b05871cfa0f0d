"""The recipe `copy_detection`: what it learns, that it goes on exactly, and that curation can use it."""

import doctest
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from click.testing import CliRunner

from catalog import Workspace, open_catalog, show_progress
from curation.stages.lite0 import Lite0Trunk, packaged_trunk
from curation.stages.onnx_embedder import OnnxEmbedder, open_embedder
from safelight import cli
from tests.curation.made_pictures import scene
from tests.display import ListDisplay
from tests.training.made_release import make_release
from training.copies import edits, network
from training.copies.fit import EmbedderRun, PictureSubset, embed_pictures, fit, whole_picture
from training.copies.network import CopyNetwork, build, initialise_projection
from training.copies.report import verdict
from training.copies.retrieval import RetrievalScores, candidate_cosine, recall
from training.copies.run import embedder_name
from training.data.samples import SampleStore
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.run_request import TrainingRequest
from training.models import losses
from training.recipes.copy_detection import SMOKE
from training.runs.run import train

CONFIG = replace(SMOKE, epochs=2, batch_size=8, dim=32)
TRAINING = EmbedderRun(CONFIG, "digest", torch.device("cpu"))


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
def loader(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    scene_file = SceneFile(tmp_path_factory.mktemp("scenes"), 24)
    return SampleStore(
        scene_file,  # type: ignore[arg-type]  # it has what a loader asks of a release
        scene_file.table,
        lambda pixels: whole_picture(pixels, CONFIG.stored_px),
        sample_bytes=1,
        cache_bytes=99,
    )


def trained(loader: SampleStore, folder: Path) -> tuple[CopyNetwork, TrainingProgress]:
    torch.set_num_threads(1)  # two would add up in another order
    torch.manual_seed(0)
    network = build(CONFIG.dim, CONFIG.frozen_blocks)
    parts = PictureSubset(loader, np.arange(16)), PictureSubset(loader, np.arange(16, 24))
    return network, fit(network, *parts, TRAINING, Checkpoints(folder, "model"))


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
    loader: SampleStore, tmp_path_factory: pytest.TempPathFactory
) -> UninterruptedTraining:
    folder = tmp_path_factory.mktemp("unbroken")
    network, progress = trained(loader, folder)
    return UninterruptedTraining(network, losses_of(progress), folder)


def test_the_loss_falls(uninterrupted: UninterruptedTraining) -> None:
    (first, first_held), (last, last_held) = uninterrupted.losses
    assert last < first
    assert last_held < first_held


def test_a_resumed_training_is_an_unbroken_one(
    loader: SampleStore, uninterrupted: UninterruptedTraining, tmp_path: Path
) -> None:
    shutil.copytree(
        uninterrupted.folder / "epoch-0001", tmp_path / "epoch-0001"
    )  # killed in the second
    display = ListDisplay()
    with show_progress(display):
        resumed, progress = trained(loader, tmp_path)
    assert losses_of(progress) == uninterrupted.losses
    assert any(re.fullmatch(r"epoch 2 of 2, loss [\d.]+, best .*", line) for line in display.shown)
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


def test_training_starts_where_the_pretrained_features_are() -> None:
    torch.manual_seed(0)
    features = torch.rand(60, 1280)
    net = CopyNetwork(Lite0Trunk(), dim=128)
    initialise_projection(net, features)
    ours = net.project(features)
    centred = features - features.mean(dim=0)
    # 59 axes hold all that 60 centred points are: their products are kept.
    torch.testing.assert_close(
        ours[:, :59] @ ours[:, :59].T, centred @ centred.T, rtol=1e-3, atol=1e-2
    )


def test_an_edit_gives_a_picture_and_leaves_the_original_alone() -> None:
    picture = scene(3)
    kept = picture.copy()
    for edit, _ in edits.EDITS:
        for seed in range(6):
            result = edit(picture, np.random.default_rng(seed))
            assert result.dtype == np.uint8
            assert result.ndim == 3
            assert min(result.shape[:2]) >= edits.MIN_SIDE_PX
            if edit is edits.flip:
                assert not np.array_equal(result, picture)
    for seed in range(12):
        copy = edits.apply_edits(picture, np.random.default_rng(seed), 4, scene(4))
        again = edits.apply_edits(picture, np.random.default_rng(seed), 4, scene(4))
        np.testing.assert_array_equal(copy, again)
    np.testing.assert_array_equal(picture, kept)


def test_a_pasted_picture_covers_more_than_half() -> None:
    black, white = np.zeros((120, 160, 3), np.uint8), np.full((90, 90, 3), 255, np.uint8)
    for seed in range(20):
        result = edits.paste_onto(black, white, np.random.default_rng(seed))
        assert 0.53 < (result == 0).mean() < 0.87


def trial(own: list[float], other: list[float], groups: list[int]) -> RetrievalScores:
    """Make a trial of queries whose score is `own` for the original and `other` for one more picture."""
    scores = np.array([own, other], np.float32).T
    return RetrievalScores(scores, np.zeros(len(own), int), np.array(groups))


def test_recall_counts_what_one_threshold_finds() -> None:
    result = trial([0.9, 0.8, 0.7, 0.2], [0.1, 0.75, 0.1, 0.6], [0, 0, 1, 1])
    assert recall(result, 0.99).value == 0.5  # above the first mistake, 0.75
    assert recall(result, 0.75).value == 0.75  # three copies and one mistake
    assert recall(result, 0.75).n_groups == 2
    assert recall(trial([0.1], [0.9], [0]), 0.9).value == 0


def test_candidates_begin_below_nearly_all_copies_but_not_among_all_pictures() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(-0.2, 0.3, (200, 200)).astype(np.float32)
    rows = np.arange(200)
    scores[rows, rows] = rng.uniform(0.5, 1.0, 200)
    easy = RetrievalScores(scores, rows, rows)
    assert 0.5 <= candidate_cosine(easy) <= 0.52
    scores[rows[:50], rows[:50]] = -0.2  # a quarter cannot be found at all
    assert candidate_cosine(RetrievalScores(scores, rows, rows)) == pytest.approx(0.2975, abs=0.01)


def test_the_verdict_needs_intervals_that_do_not_touch() -> None:
    def rows(
        ours: tuple[float, float], default: tuple[float, float], n_groups: int = 30
    ) -> list[dict[str, object]]:
        about = {"slice": "all", "metric": "recall_at_precision_0.9", "n_groups": n_groups}
        named = {"model": ours, "efficientnet_lite0": default}
        return [
            about | {"predictor": name, "value": sum(each) / 2, "low": each[0], "high": each[1]}
            for name, each in named.items()
        ]

    assert verdict(rows((0.8, 0.9), (0.5, 0.7))).startswith("It finds more")
    assert verdict(rows((0.2, 0.3), (0.5, 0.7))).startswith("It finds less")
    assert verdict(rows((0.6, 0.8), (0.5, 0.7))).startswith("It cannot be told")
    assert "too few groups to tell" in verdict(rows((0.8, 0.9), (0.5, 0.7), n_groups=9))


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
    words = [
        "train",
        "run",
        "copy_detection",
        "--dataset",
        "made",
        "--preset",
        "smoke",
        "--epochs",
        "1",
    ]
    result = CliRunner().invoke(cli, [*words, "--home", str(home)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    [folder] = workspace.models.iterdir()
    return Finished(workspace, result.output, folder)


def test_a_training_leaves_every_file_and_says_how_to_use_it(finished: Finished) -> None:
    left = {path.name for path in finished.folder.iterdir()}
    assert left == {
        "model.json", "model.onnx", "parity.json", "weights.safetensors", "history.parquet",
        "metrics.parquet", "curves.parquet", "README.md", "checkpoints",
    }  # fmt: skip
    report = Path(re.findall(r"report: (.*)", finished.printed)[0]).read_text()
    for text in ("EfficientNet-Lite0", "PDQ", "with 4 edits"):
        assert text in report
        assert text in finished.printed
    name = re.findall(r'embedder = "(.*)"', finished.printed)[0]
    assert name == embedder_name(finished.folder)
    result = open_embedder(name, finished.workspace)
    assert isinstance(result, OnnxEmbedder)
    assert result.path == finished.folder / "model.onnx"


def test_onnx_gives_what_torch_gives(finished: Finished) -> None:
    parity = json.loads((finished.folder / "parity.json").read_text())
    assert parity["within_tolerance"]
    network = CopyNetwork(Lite0Trunk(), SMOKE.dim)
    from safetensors.torch import load_file

    network.load_state_dict(load_file(finished.folder / "weights.safetensors"))
    squares = np.stack([edits.resize_to_square(scene(number), 288) for number in range(3)])
    small = np.stack([edits.resize_to_square(each, SMOKE.input_px) for each in squares])
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
    metrics = pl.read_parquet(finished.folder / "metrics.parquet")
    whole_set = metrics.filter(pl.col("slice") == "all")
    assert whole_set["value"].is_between(0, 1).all()
    assert whole_set["n_groups"].unique().to_list() == [2]


def test_training_again_trains_nothing(finished: Finished) -> None:
    before = (finished.folder / "model.json").stat().st_mtime_ns
    again = train(finished.workspace, TrainingRequest("copy_detection", preset="smoke", epochs=1))
    assert again.existed == ("split",)
    assert sum(again.rows_added.values()) == 0
    assert (finished.folder / "model.json").stat().st_mtime_ns == before


def test_examples_in_docstrings_hold() -> None:
    assert sum(doctest.testmod(module).failed for module in (losses, network)) == 0
