"""Models of values, of many classes and of embeddings, few groups, and folders of older code."""

import json
from collections.abc import Collection
from pathlib import Path

import polars as pl
import pytest

from catalog import ModelsNotComparableError, Workspace
from tests.training import made_runs, saved_files
from tests.training.made_runs import AGE, COPIES, SPECIES, MadeRun
from training.library.library import TrainedModels

MODEL, OTHER = "model-split", "model-random_split"


def everything(shas: Collection[str]) -> Collection[str]:
    return shas


def made(home: Path, run: MadeRun) -> TrainedModels:
    predicted = [head for head in run.heads if head["family"] != "retrieval"]
    index = made_runs.release(home, predicted).index()
    made_runs.saved_run(home, index, run)
    for path in home.glob("models/*/config.json"):
        facts = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps(facts | {"dataset": "photos", "version": "1.0.0"}))
    return TrainedModels(Workspace.at(home))


def test_values_and_many_classes_have_their_worst_errors(tmp_path: Path) -> None:
    library = made(tmp_path, MadeRun((SPECIES, AGE)))
    page = library.model(MODEL, everything)
    rows = pl.read_parquet(tmp_path / "models" / MODEL / "predictions.parquet")
    is_test = pl.col("split").str.ends_with("test")
    has_age = (pl.col("task") == "age") & pl.col("target_value").is_not_null()
    ages = rows.filter(is_test & has_age)
    ages = ages.with_columns(off=(pl.col("value") - pl.col("target_value")).abs())
    worst = ages.sort("off", descending=True).row(0, named=True)
    species, age = page.errors
    assert age.wrong is None
    assert age.pictures[0].sha256 == worst["asset_sha256"]
    assert age.pictures[0].error == f"off by {worst['off']:.3g} years"
    assert age.pictures[0].probability is None
    sure = [picture.probability for picture in species.pictures]
    assert sure == sorted(sure, reverse=True, key=lambda share: share or 0.0)
    [confusion] = page.confusions
    assert confusion.classes[-1] == "others (18)"
    assert sum(map(sum, confusion.counts)) == species.tested
    assert page.summary.run_id == "", "its report was not written"


def test_two_models_of_values_differ_by_picture(tmp_path: Path) -> None:
    library = made(tmp_path, MadeRun((AGE,)))
    table = pl.read_parquet(tmp_path / "models" / MODEL / "predictions.parquet")
    table = table.with_columns(value=pl.col("value") + pl.int_range(pl.len()) / 10)
    table.write_parquet(tmp_path / "models" / OTHER / "predictions.parquet")
    compared = library.compare(MODEL, OTHER, everything)
    [head] = compared.disagreements
    tables = [
        pl.read_parquet(tmp_path / "models" / n / "predictions.parquet") for n in (MODEL, OTHER)
    ]
    tables = [each.filter(pl.col("split").str.ends_with("test")) for each in tables]
    both = tables[0].join(tables[1], on="asset_sha256", suffix="_other")
    gaps = both.select("asset_sha256", gap=(pl.col("value") - pl.col("value_other")).abs()).sort(
        "gap", descending=True
    )
    assert [p.sha256 for p in head.pictures[:5]] == gaps["asset_sha256"].head(5).to_list()
    for picture in head.pictures:
        assert picture.first.endswith(" years")
        assert picture.truth == "unknown" or picture.first_is_right or picture.second_is_right
    assert compared.heads[0].unit == "years"
    assert not compared.heads[0].higher_is_better


def test_an_embedder_has_figures_but_no_errors_and_stands_in_no_leaderboard(tmp_path: Path) -> None:
    library = made(tmp_path, MadeRun((COPIES,), policies=("split",)))
    page = library.model(MODEL, everything)
    assert page.problems == ("README.md is missing.",), "embedders store no predictions"
    assert [figure.family for figure in page.summary.heads] == ["retrieval"]
    assert (page.errors, page.confusions) == ((), ())
    assert library.models().boards == ()


def test_few_groups_have_neither_interval_nor_verdict(tmp_path: Path) -> None:
    library = made(tmp_path, MadeRun((AGE,), n_groups=5))
    [figure] = library.model(MODEL, everything).summary.heads
    assert figure.verdict == "too few groups to tell"
    assert (figure.model.low, figure.model.high) == (None, None)


@pytest.mark.parametrize("policy", ["split", "random_split"])
def test_a_folder_of_older_code_is_shown(tmp_path: Path, policy: str) -> None:
    index = saved_files.release(tmp_path).index()
    saved_files.saved_run(tmp_path, index)
    library = TrainedModels(Workspace.at(tmp_path))
    listed = [model for model in library.models().models if model.split_policy == policy]
    assert [model.state for model in listed] == ["finished"]
    page = library.model(listed[0].model_id, everything)
    assert {figure.title for figure in page.summary.heads} == {"Aperture", "ISO", "Exposure time"}
    assert len(page.errors) == 3
    assert library.models().boards == (), "they do not state their data set"
    with pytest.raises(ModelsNotComparableError, match="does not state the data set"):
        library.compare(MODEL, OTHER, everything)
