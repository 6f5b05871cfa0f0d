import json
import shutil
from dataclasses import replace

import polars as pl
import pytest
import torch

from catalog import ReleaseNotFoundError, Workspace, open_catalog, rows
from tests.training.conftest import Trained
from tests.training.made_release import make_release
from training.errors import (
    CheckpointError,
    NoDatasetError,
    NoTrainingRowsError,
    OptionError,
    RecipeNotFoundError,
)
from training.fit.checkpoint import Checkpoints, TrainingState
from training.fit.task import Task
from training.runs.model_folder import record
from training.runs.run import TrainingRequest, evaluate, make_job, train


def test_a_training_leaves_every_file(trained: Trained) -> None:
    for folder in trained.outcome.models.values():
        left = {path.name for path in folder.iterdir()}
        assert left == {
            "config.json", "weights.safetensors", "model.onnx", "parity.json", "history.parquet", "steps.parquet",
            "metrics.parquet", "predictions.parquet", "changes.parquet", "README.md", "checkpoints", "log.jsonl",
        }  # fmt: skip
    facts = json.loads((trained.outcome.folder / "run.json").read_text())
    assert set(facts["models"]) == {"split", "random_split"}
    for path in facts["folders"].values():
        assert (trained.outcome.folder / path / "config.json").exists()
    assert facts["leak_audit"]["split"]["groups_in_train_and_test"] == 0
    assert facts["leak_audit"]["random_split"]["groups_in_train_and_test"] > 0


def test_pictures_without_permission_are_left_out_and_counted(trained: Trained) -> None:
    config = json.loads((trained.folder / "config.json").read_text())
    assert config["rows_excluded"] == 1
    assert config["rows_train"] + config["rows_validation"] + config["rows_test"] == 39


def test_the_catalog_holds_models_metrics_and_predictions(trained: Trained) -> None:
    with open_catalog(trained.workspace) as catalog:
        models = catalog.records("SELECT split_policy, parameters FROM models ORDER BY 1")
        figures = catalog.records("SELECT count(*) AS n FROM metrics WHERE predictor = 'metadata'")
        sums = catalog.records("SELECT list_sum(probabilities) AS total FROM predictions")
    assert [model["split_policy"] for model in models] == ["random_split", "split"]
    assert figures[0]["n"] > 0
    assert [row["total"] for row in sums] == pytest.approx([1.0] * len(sums))


def test_training_again_trains_nothing_and_adds_nothing(trained: Trained) -> None:
    before = (trained.folder / "config.json").stat().st_mtime_ns
    again = train(trained.workspace, trained.order)
    assert again.existed == ("split", "random_split")
    assert sum(again.rows_added.values()) == 0
    assert again.folder == trained.outcome.folder
    assert (trained.folder / "config.json").stat().st_mtime_ns == before


def test_stored_rows_fit_their_tables(trained: Trained) -> None:
    for table in ("metrics", "predictions"):
        stored = pl.read_parquet(trained.folder / f"{table}.parquet").drop("group_id", strict=False)
        assert len(rows(table, stored.to_dicts())) == len(stored)


@pytest.mark.slow
def test_a_killed_training_goes_on_and_a_fresh_one_gives_the_same_bytes(
    trained: Trained, workspace: Workspace
) -> None:
    shutil.rmtree(workspace.home)
    shutil.copytree(trained.workspace.home, workspace.home)
    folder = workspace.models / trained.folder.name
    weights = (folder / "weights.safetensors").read_bytes()
    (folder / "config.json").unlink()  # the training stopped before its end ...
    shutil.rmtree(folder / "checkpoints" / "epoch-0002")  # ... in its second epoch
    order = replace(trained.order, policies=("split",))
    train(workspace, order)
    assert (folder / "weights.safetensors").read_bytes() == weights
    train(workspace, replace(order, fresh=True))
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert sum(record(workspace, folder).values()) == 0


def test_without_permission_nothing_is_trained(workspace: Workspace) -> None:
    make_release(workspace, 9, allowed=None)
    with pytest.raises(
        NoTrainingRowsError, match=r"0 of 9 may be trained on, .*crawl basis --where"
    ):
        train(workspace, TrainingRequest(preset="smoke"))


def test_a_wrong_order_says_what_exists(workspace: Workspace) -> None:
    with pytest.raises(NoDatasetError, match="publish one first"):
        train(workspace, TrainingRequest())
    with pytest.raises(ReleaseNotFoundError):
        train(workspace, TrainingRequest(dataset="nothing"))
    with pytest.raises(
        RecipeNotFoundError,
        match=r"recipe 'exfi' does not exist; did you mean exif\? known: aesthetics, classify, copy_detection",
    ):
        train(workspace, TrainingRequest(recipe="exfi"))
    with pytest.raises(RecipeNotFoundError, match="preset"):
        train(workspace, TrainingRequest(preset="huge"))


def test_a_checkpoint_of_another_training_is_refused(trained: Trained) -> None:
    network = torch.nn.Linear(2, 2)
    state = TrainingState(network, torch.optim.AdamW(network.parameters()))
    other = Checkpoints(trained.folder / "checkpoints", "another-model")
    with pytest.raises(CheckpointError, match="start over with --fresh"):
        other.restore(state)


def test_a_finished_model_is_scored_again_to_the_same_figures(trained: Trained) -> None:
    metrics, difference, lost = evaluate(trained.workspace, trained.folder.name)
    assert lost == []
    stored = pl.read_parquet(trained.folder / "metrics.parquet")
    assert difference == 0
    assert len(metrics) == len(stored)
    assert metrics["is_stored"].all()


@pytest.mark.parametrize(("lost", "added", "expected"), [(5, 0, 0.0), (0, 1, float("inf"))])
def test_figures_that_an_earlier_version_did_not_save_are_new_not_different(
    trained: Trained, lost: int, added: int, expected: float
) -> None:
    path = trained.folder / "metrics.parquet"
    content, stored = path.read_bytes(), pl.read_parquet(path)
    extra = stored.head(added).with_columns(metric=pl.lit("no longer computed"))
    try:
        pl.concat([stored.head(len(stored) - lost), extra]).write_parquet(path)
        metrics, difference, _ = evaluate(trained.workspace, trained.folder.name)
    finally:
        path.write_bytes(content)
    assert difference == expected
    assert (~metrics["is_stored"]).sum() == lost


def test_a_slice_that_is_not_made_any_more_is_named_and_not_compared(trained: Trained) -> None:
    path = trained.folder / "metrics.parquet"
    content, stored = path.read_bytes(), pl.read_parquet(path)
    extra = stored.head(3).with_columns(slice=pl.lit("native_resolution=true"))
    try:
        pl.concat([stored, extra]).write_parquet(path)
        again = evaluate(trained.workspace, trained.folder.name)
    finally:
        path.write_bytes(content)
    assert (again.difference, again.lost_slices) == (0, ["native_resolution=true"])


def test_options_of_a_request_change_the_configuration_and_the_id(trained: Trained) -> None:
    request = replace(trained.order, options=("optimizer=sgd", "dropout=0.5"))
    job, plain = (make_job(trained.workspace, each) for each in (request, trained.order))
    assert (job.task.config.optimizer, job.task.config.dropout) == ("sgd", 0.5)  # type: ignore[attr-defined]  # of exif
    digest = trained.release.digest
    assert plain.task.model_id(digest, "split") == trained.folder.name
    assert job.task.model_id(digest, "split") != trained.folder.name
    with pytest.raises(OptionError, match="did you mean dropout"):
        make_job(trained.workspace, replace(request, options=("dropuot=1",)))


def test_layers_that_were_trained_have_changed(trained: Trained) -> None:
    changes = pl.read_parquet(trained.folder / "changes.parquet")
    assert set(changes.columns) == {"layer", "change"}
    assert len(changes) == changes["layer"].n_unique()
    assert {name.partition(".")[0] for name in changes["layer"]} == {"backbone", "heads"}
    assert (changes["change"] > 0).all()


def test_a_network_that_cannot_be_built_leaves_no_model_folder(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_task: Task) -> torch.nn.Module:
        raise MemoryError

    before = set(trained.workspace.models.iterdir())
    monkeypatch.setattr(Task, "build", fail)
    with pytest.raises(MemoryError):
        train(trained.workspace, replace(trained.order, options=("seed=5",)))
    assert set(trained.workspace.models.iterdir()) == before
