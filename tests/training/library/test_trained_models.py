"""The library of models says what the files of the folders say, and what the commands print."""

import json
import math
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import polars as pl
import pytest

from catalog import ModelsNotComparableError, NoSuchModelError, Workspace
from tests.training.conftest import Trained
from training.evaluation.leaderboard import leaderboards
from training.evaluation.model_comparison import compare_models
from training.library.library import TrainedModels
from training.report.comparison_page import read_models


def everything(shas: Collection[str]) -> Collection[str]:
    return shas


@pytest.fixture(scope="module")
def library(trained: Trained) -> TrainedModels:
    return TrainedModels(trained.workspace)


@pytest.fixture
def home(trained: Trained, tmp_path: Path) -> Workspace:
    """A workspace with the two trained models alone, which a test may spoil."""
    shutil.copytree(trained.workspace.models, tmp_path / "home" / "models")
    return Workspace.at(tmp_path / "home")


def test_the_list_ranks_what_the_command_ranks(trained: Trained, library: TrainedModels) -> None:
    expected = {
        (board.policy, board.head.name): [
            (entry.model_id, entry.finding.model.value, entry.finding.baseline.value)
            for entry in board.entries
        ]
        for board in leaderboards(trained.outcome.models.values())
    }
    listed = library.models()
    assert len(expected) == 6
    assert {
        (board.split_policy, board.task): [
            (e.model_id, e.figure.model.value, e.figure.baseline and e.figure.baseline.value)
            for e in board.entries
        ]
        for board in listed.boards
    } == expected
    assert [board.split_policy for board in listed.boards] == ["split"] * 3 + ["random_split"] * 3
    assert {(model.state, model.recipe, model.seed) for model in listed.models} == {
        ("finished", "exif", 0)
    }
    verdicts = {figure.verdict for model in listed.models for figure in model.heads}
    assert verdicts <= {
        "better than",
        "cannot be told from",
        "worse than",
        "too few groups to tell",
    }


def test_other_data_other_splits_and_other_classes_are_lists_of_their_own(
    trained: Trained, home: Workspace
) -> None:
    folder = home.models / trained.folder.name
    changes = {"b": {"version": "2.0.0"}, "c": {"dataset_digest": "f" * 64}, "d": {}}
    for name, change in changes.items():
        shutil.copytree(folder, home.models / name)
        facts = json.loads((folder / "config.json").read_text("utf-8")) | change
        if name == "d":
            facts["heads"][0]["classes"] = ["small", "middle", "large"]
        (home.models / name / "config.json").write_text(json.dumps(facts))
    boards = [b for b in TrainedModels(home).models().boards if b.split_policy == "split"]
    together = {tuple(sorted(e.model_id for e in b.entries)) for b in boards if b.task == "iso"}
    assert together == {tuple(sorted((folder.name, "d"))), ("b",), ("c",)}
    of_first = [len(b.entries) for b in boards if b.task == "f_number"]
    assert of_first == [1, 1, 1, 1], "the classes of its labels have other names in d"


def test_the_page_has_the_curves_metrics_and_counts_of_the_files(
    trained: Trained, library: TrainedModels
) -> None:
    page = library.model(trained.folder.name[:12], everything)
    history = pl.read_parquet(trained.folder / "history.parquet")
    assert page.curves is not None
    assert page.curves.epochs == tuple(history["epoch"])
    assert page.curves.columns["validation_loss"] == tuple(history["validation_loss"])
    predictions = pl.read_parquet(trained.folder / "predictions.parquet")
    iso = predictions.filter((pl.col("task") == "iso") & pl.col("target").is_not_null())
    confusion = next(each for each in page.confusions if each.task == "iso")
    for truth, row in enumerate(confusion.counts):
        for predicted, n in enumerate(row):
            both = iso.filter((pl.col("target") == truth) & (pl.col("predicted") == predicted))
            assert n == both.height
    bins = next(each for each in page.calibrations if each.task == "iso").bins
    assert sum(each.pictures for each in bins) == iso.height
    right = sum(each.right * each.pictures for each in bins)
    assert right == pytest.approx(iso.filter(pl.col("target") == pl.col("predicted")).height)
    assert (
        len(page.metrics)
        == pl.read_parquet(trained.folder / "metrics.parquet")["value"].is_finite().sum()
    )
    assert {each.name: each.value for each in page.configuration}["epochs"] == "2"
    assert page.card.startswith(f"# Model {trained.folder.name}")
    assert (page.problems, page.withheld) == ((), 0)


def test_the_worst_errors_are_wrong_and_the_most_confident_ones_that_may_be_shown(
    trained: Trained, library: TrainedModels
) -> None:
    predictions = pl.read_parquet(trained.folder / "predictions.parquet")
    wrong = predictions.filter(
        (pl.col("task") == "f_number") & (pl.col("predicted") != pl.col("target"))
    ).with_columns(sure=pl.col("probabilities").list.max())
    order = wrong.sort("sure", descending=True)["asset_sha256"].to_list()
    errors = library.model(trained.folder.name, everything).errors[0]
    assert [picture.sha256 for picture in errors.pictures] == order
    assert errors.wrong == len(order) > 2
    hidden = {order[0], order[2]}
    page = library.model(trained.folder.name, lambda shas: set(shas) - hidden)
    assert [p.sha256 for p in page.errors[0].pictures] == [s for s in order if s not in hidden]
    assert page.withheld == 2
    assert not any(p.sha256 in hidden for head in page.errors for p in head.pictures)


def test_a_comparison_is_that_of_the_command_with_the_pictures_that_differ_most(
    trained: Trained, home: Workspace
) -> None:
    folder = home.models / trained.folder.name
    other = home.models / "other"
    shutil.copytree(folder, other)
    facts = json.loads((folder / "config.json").read_text("utf-8"))
    facts["config"] |= {"learning_rate": 0.5, "seed": 3}
    (other / "config.json").write_text(json.dumps(facts | {"model_id": "other"}))
    path = other / "predictions.parquet"
    rows = pl.read_parquet(path)
    changed = rows.filter((pl.col("task") == "iso") & pl.col("target").is_not_null())[
        "asset_sha256"
    ][0]
    turned = pl.col("probabilities").list.reverse()
    is_changed = (pl.col("asset_sha256") == changed) & (pl.col("task") == "iso")
    rows = rows.with_columns(
        probabilities=pl.when(is_changed).then(turned).otherwise("probabilities"),
        predicted=pl.when(is_changed).then(2 - pl.col("predicted")).otherwise("predicted"),
    )
    rows.write_parquet(path)
    compared = TrainedModels(home).compare(folder.name, "other", everything)
    expected = compare_models(read_models([folder, other]), allow_unequal=True)
    for head, own in zip(
        compared.heads, [each for each in expected.heads if each.lead], strict=True
    ):
        assert own.lead is not None
        assert head.lead.value == own.lead.value
        assert (head.lead.low, head.lead.high) == (own.lead.low, own.lead.high)
    assert ("seed", "0", "3") in [(each.name, each.first, each.second) for each in compared.unequal]
    assert [each.name for each in compared.settings] == ["learning_rate"]
    iso = next(each for each in compared.disagreements if each.task == "iso")
    assert [picture.sha256 for picture in iso.pictures] == [changed]
    same = next(each for each in compared.disagreements if each.task == "f_number")
    assert (same.differ, same.pictures) == (0, ())
    hidden = TrainedModels(home).compare(folder.name, "other", lambda s: set(s) - {changed})
    assert all(not each.pictures for each in hidden.disagreements)
    assert hidden.withheld == 1


def test_models_of_other_data_are_refused_by_name(trained: Trained, home: Workspace) -> None:
    folder = home.models / trained.folder.name
    facts = json.loads((folder / "config.json").read_text("utf-8"))
    for name, change in {"newer": {"version": "9.0.0"}, "changed": {"dataset_digest": "0"}}.items():
        shutil.copytree(folder, home.models / name)
        (home.models / name / "config.json").write_text(json.dumps(facts | change))
    library = TrainedModels(home)
    release = f"made@{trained.release.version}"
    for name, sentence in {
        "newer": f"on {release}, the second on made@9.0.0",
        "changed": f"on {release}, the second on other contents",
        folder.name: "both are the same model",
    }.items():
        with pytest.raises(ModelsNotComparableError, match=sentence):
            library.compare(folder.name, name, everything)
    for name in ("", "zzz", "../models", "/etc"):
        with pytest.raises(NoSuchModelError, match="does not exist; known: "):
            library.compare(folder.name, name, everything)


def spoilt(home: Workspace, trained: Trained) -> dict[str, str]:
    """Add folders that no model writes; return what is said of each."""
    outside = home.home.parent / "outside"
    shutil.copytree(home.models / trained.folder.name, outside)
    (outside / "config.json").write_text('{"recipe": "secret of another place"}')
    (home.models / "link").symlink_to(outside)
    said = {"link": "its folder is a link"}
    configs = {
        "broken": ("{", "not JSON"),
        "deep": ("[" * 100_000, "not JSON"),
        "list": ("[1]", "not a JSON object"),
        "headless": ('{"heads": [{}]}', "heads are not described"),
        "wild": ('{"heads": 3, "config": []}', "heads is not a list"),
        "numbers": ('{"config": 7}', "config is not a JSON object"),
        "binary": ("\0\xff", "not JSON"),
    }
    for name, (text, sentence) in configs.items():
        (home.models / name).mkdir()
        (home.models / name / "config.json").write_text(text)
        said[name] = sentence
    (home.models / "linked").mkdir()
    (home.models / "linked" / "config.json").symlink_to(outside / "config.json")
    said["linked"] = "it is a link"
    (home.models / "running").mkdir()
    (home.models / "running" / "log.jsonl").write_text("{}\n")
    said["running"] = "has not finished"
    (home.models / "<b>&\"'").mkdir()
    said["<b>&\"'"] = "has not finished"
    Path(os.fsdecode(os.fsencode(home.models) + b"/\xff")).mkdir()
    said["?"] = "has not finished"
    return said


def test_a_folder_that_cannot_be_read_is_listed_with_a_sentence(
    trained: Trained, home: Workspace
) -> None:
    said = spoilt(home, trained)
    library = TrainedModels(home)
    listed = {model.model_id: model for model in library.models().models}
    assert len(listed) == 2 + len(said)
    for name, sentence in said.items():
        model = listed[name]
        assert sentence in model.problem
        assert model.state == ("unfinished" if "finished" in sentence else "unreadable")
        assert "secret" not in repr(model)
        if name == "?":  # its name is no text, so no address leads to it
            continue
        assert library.model(name, everything).summary == model
        with pytest.raises(ModelsNotComparableError, match="This "):
            library.compare(trained.folder.name, name, everything)
    assert {model.state for model in listed.values() if not model.problem} == {"finished"}


@pytest.mark.parametrize(
    "name", ["history.parquet", "metrics.parquet", "predictions.parquet", "README.md"]
)
@pytest.mark.parametrize("damage", ["missing", "cut", "other", "link", "empty"])
def test_a_damaged_file_costs_its_part_of_the_page_only(
    trained: Trained, home: Workspace, name: str, damage: str
) -> None:
    path = home.models / trained.folder.name / name
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "other":
            pl.DataFrame({"x": [math.nan]}).write_parquet(path)
        case "link":
            path.symlink_to(trained.folder / name)
        case "empty":
            path.write_bytes(b"")
    is_still_text = name == "README.md" and damage in ("cut", "empty")
    page = TrainedModels(home).model(trained.folder.name, everything)
    assert [name in problem for problem in page.problems] == ([] if is_still_text else [True])
    parts = {
        "history.parquet": page.curves,
        "metrics.parquet": page.metrics,
        "predictions.parquet": page.errors,
        "README.md": "" if is_still_text else page.card,
    }
    assert not parts[name]
    assert all(part for other, part in parts.items() if other != name)


def test_figures_that_are_no_numbers_and_answers_of_no_class_are_left_out(
    trained: Trained, home: Workspace
) -> None:
    folder = home.models / trained.folder.name
    metrics = pl.read_parquet(folder / "metrics.parquet")
    odd = pl.Series([(math.nan, math.inf, -math.inf)[n % 3] for n in range(len(metrics))])
    metrics.with_columns(value=odd, low=odd).write_parquet(folder / "metrics.parquet")
    rows = pl.read_parquet(folder / "predictions.parquet")
    place = pl.int_range(pl.len())
    rows = rows.with_columns(
        predicted=pl.when(place % 5 == 0).then(99).otherwise("predicted"),
        target=pl.when(place % 5 == 1).then(-3).otherwise("target"),
        probabilities=pl.when(place % 5 == 2).then([math.nan] * 3).otherwise("probabilities"),
        asset_sha256=pl.when(place % 5 == 3).then(pl.lit("../../x")).otherwise("asset_sha256"),
        group_id=pl.lit(None, pl.String),
    )
    rows.write_parquet(folder / "predictions.parquet")
    page = TrainedModels(home).model(folder.name, everything)
    assert (page.metrics, page.summary.heads) == ((), ())
    assert sum(head.tested for head in page.errors) <= len(rows) // 5 + 1
    assert all(len(p.sha256) == 64 for head in page.errors for p in head.pictures)
    [other] = [path for path in home.models.iterdir() if path.name != folder.name]
    TrainedModels(home).compare(folder.name, other.name, everything)
