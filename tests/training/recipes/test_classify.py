"""The recipe `classify`: classes and numbers of any column, vectors that are computed once."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from catalog import Workspace, open_catalog, publish, rows, write_segment
from catalog.workspace.caches import drop_caches
from curation.rules.bin_edges import BINS
from tests.training.made_release import make_item
from training import TrainingRequest, TrainingResult, train
from training.data.labels import label_values
from training.data.stores.vectors import Encode, EncodedStore
from training.errors import NoLabelError, OptionError
from training.fit.recipe import Labels
from training.heads import RegressionHead, SoftmaxHead
from training.predict.predict_files import load_model, predict_picture
from training.recipes.classify import SMOKE, heads
from training.runs.run import evaluate

N = 60
FORMS = ("blurred", "middle", "sharp")
PLAN = {
    "bins": {name: list(edges) for name, edges in BINS.items()},
    "seed": 0,
    "labels": ["form", "light"],
}


@pytest.fixture(scope="module")
def labelled(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish 60 made pictures with two labels: a text, and a number that some rows lack."""
    home = tmp_path_factory.mktemp("labelled") / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    made = [make_item(number) for number in range(N)]
    assets = [
        {"sha256": row["asset_sha256"], "bytes": len(data), "format": "JPEG", "header_status": "ok"}
        for row, data in made
    ]
    images = [(row["asset_sha256"], data) for row, data in made]
    write_segment(workspace, {"assets": rows("assets", assets)}, job="crawl:made", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    items = rows("curated_items", [row for row, _ in made])
    light = [None if n % 11 == 0 else 40.0 * (n // 9 % 3) + n % 5 for n in range(N)]
    items = items.append_column("form", pa.array([FORMS[n % 3] for n in range(N)]))
    publish(workspace, "made", items.append_column("light", pa.array(light)), plan=PLAN, run_id="r")
    return workspace


def request(*options: str) -> TrainingRequest:
    return TrainingRequest("classify", preset="smoke", policies=("split",), options=options)


@pytest.fixture(scope="module")
def classes(labelled: Workspace) -> TrainingResult:
    return train(labelled, request("label=form"))


def metrics(result: TrainingResult, metric: str) -> dict[str, float]:
    table = pl.read_parquet(result.models["split"] / "metrics.parquet")
    rows_ = table.filter((pl.col("slice") == "all") & (pl.col("metric") == metric))
    return dict(rows_.select("predictor", "value").iter_rows())


def test_classes_are_learnt_beside_their_baselines(classes: TrainingResult) -> None:
    by_predictor = metrics(classes, "balanced_accuracy")
    assert by_predictor["model"] > by_predictor["majority"] + 0.2
    assert {"prior", "metadata", "tiny_features", "scene_only"} <= set(by_predictor)
    assert json.loads((classes.models["split"] / "parity.json").read_text())["within_tolerance"]


def test_a_second_label_encodes_nothing_and_has_an_interval(
    labelled: Workspace, classes: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    fill = EncodedStore.fill

    def counted(store: EncodedStore, encode: Encode, threads: int = 1) -> int:
        encoded.append(fill(store, encode, threads))
        return encoded[-1]

    monkeypatch.setattr(EncodedStore, "fill", counted)
    result = train(labelled, request("label=light"))
    assert encoded == [0]
    assert metrics(result, "mae")["model"] < metrics(result, "mae")["median"]
    predictions = pl.read_parquet(result.models["split"] / "predictions.parquet")
    assert predictions["target_value"].null_count() > 0, (
        "a picture without the label is predicted, too"
    )
    assert predictions["probabilities"].null_count() == len(predictions)


def test_predictions_need_no_vectors_and_equal_the_stored_ones(
    labelled: Workspace, classes: TrainingResult
) -> None:
    model = load_model(labelled, classes.models["split"].name)
    stored = pl.read_parquet(classes.models["split"] / "predictions.parquet")
    by_sha = dict(stored.select("asset_sha256", "answer").iter_rows())
    pictures = {row["asset_sha256"]: data for row, data in map(make_item, range(N))}
    for sha in list(by_sha)[:4]:
        answer = predict_picture(model, pictures[sha], sha)["form"]
        expected = json.loads(by_sha[sha])
        assert answer["class"] == expected["class"]
        # The vectors are kept as float16.
        ours, theirs = (list(each["probabilities"].values()) for each in (answer, expected))
        np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_a_model_is_scored_again_to_the_same_figures(
    labelled: Workspace, classes: TrainingResult
) -> None:
    assert evaluate(labelled, classes.models["split"].name)[1] == 0


def test_a_takedown_drops_the_vectors(labelled: Workspace, classes: TrainingResult) -> None:
    folder = labelled.home / "cache" / "vectors"
    assert list(folder.glob("*/*.parquet"))
    drop_caches(labelled, [])
    assert not folder.exists()


def test_the_kind_of_a_label_follows_its_values() -> None:
    index = pl.DataFrame(
        {
            "text": ["a", "b"] * 10, "few": [n % 3 for n in range(20)], "rare": ["x"] * 17 + ["y"] * 3,
            "many": range(20), "real": [n / 3 for n in range(20)], "empty": [None] * 20,
        }
    )  # fmt: skip
    labels = Labels(pl.concat([index, index.with_columns(many=pl.col("many") + 20)]), {"plan": {}})

    def head(label: str, task: str = "auto") -> SoftmaxHead | RegressionHead:
        [made] = heads(labels, SMOKE.changed([f"label={label}", f"task={task}"]))
        assert isinstance(made, SoftmaxHead | RegressionHead)
        return made

    assert head("text").kind == head("few").kind == "softmax"
    assert head("many").kind == head("real").kind == "regression"
    assert head("few", "number").kind == "regression"
    assert head("rare").describe()["classes"] == ["x", "y"]
    named = head("few > 1 AS large")
    assert (named.name, named.describe()["classes"]) == ("large", ["false", "true"])
    for label, message in (
        ("breed", r"no label 'breed' \(unable to find column \"breed\"\); columns: text, "),
        ("txt", r"did you mean text\? columns: text, "),
        ("", "no label is chosen"),
        ("few >", "few >"),
    ):
        with pytest.raises(NoLabelError, match=message):
            head(label)
    with pytest.raises(NoLabelError, match=r"same has not two classes of 5 pictures each$"):
        head("'same' AS same")
    with pytest.raises(OptionError, match="did you mean label"):
        SMOKE.changed(["labl=few"])


def test_an_expression_names_a_label() -> None:
    index = pl.DataFrame({"width": [4, 2], "height": [3, 3]})
    column = "CASE WHEN width > height THEN 'landscape' ELSE 'portrait' END"
    head = SoftmaxHead(name="format", column=column, classes=("landscape", "portrait"))
    assert head.truth(index).tolist() == [0, 1]
    assert label_values(index, "width").to_list() == [4, 2]
