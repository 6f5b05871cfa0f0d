"""Pictures of the catalog are ranked by a model: in the order of its answers, from any query, as rows if asked for."""

import shutil
from pathlib import Path

import pytest

from catalog import QueryError, Workspace, open_catalog
from tests.training.conftest import Trained
from training.errors import OptionError
from training.predict.predict_files import Model, load_model
from training.predict.rank import rank_pictures, save_ranking

ALL = "SELECT sha256, bytes FROM assets ORDER BY bytes;"


@pytest.fixture
def home(trained: Trained, tmp_path: Path) -> Workspace:
    shutil.copytree(trained.workspace.home, tmp_path / "home")
    return Workspace.at(tmp_path / "home")


@pytest.fixture
def model(trained: Trained, home: Workspace) -> Model:
    return load_model(home, trained.folder.name)


def test_pictures_come_in_the_order_of_a_class(home: Workspace, model: Model) -> None:
    ranking = rank_pictures(home, model, ALL, "iso=high")
    scores = [each.score for each in ranking.pictures]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 40
    assert scores[0] > scores[-1]
    first = ranking.pictures[0]
    assert first.score == first.answers["iso"]["probabilities"]["high"]
    least = rank_pictures(home, model, ALL, "iso=low").pictures
    assert {each.asset_sha256 for each in least} == {p.asset_sha256 for p in ranking.pictures}
    some = [each.asset_sha256 for each in least[:3]]
    sql = f"SELECT sha256 AS asset_sha256, 1 AS one FROM assets WHERE list_contains({some}, sha256)"
    assert [p.asset_sha256 for p in rank_pictures(home, model, sql, "iso=low").pictures] == some


@pytest.mark.parametrize(
    ("sql", "by", "error"),
    [
        (ALL, "high", OptionError), (ALL, "", OptionError), (ALL, "good", OptionError),
        ("SELECT 1 AS one", "iso=high", OptionError), ("SELEC 1", "iso=high", QueryError),
    ],
)  # fmt: skip
def test_what_cannot_be_ranked_is_refused(
    home: Workspace, model: Model, sql: str, by: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        rank_pictures(home, model, sql, by)


def test_saved_answers_are_rows_beside_those_of_the_test_pictures(
    home: Workspace, model: Model
) -> None:
    ranking = rank_pictures(home, model, ALL, "iso=high")
    assert save_ranking(home, model, ranking) == 40 * len(model.heads)
    with open_catalog(home) as catalog:
        saved = catalog.records(
            "SELECT split, count(*) AS n, count(target) AS n_truths FROM predictions "
            "WHERE model_id = ? AND task = 'iso' GROUP BY split ORDER BY split NULLS LAST",
            [model.folder.name],
        )
        best = catalog.records(
            "SELECT asset_sha256, probabilities[3] AS p FROM predictions WHERE model_id = ? AND task = 'iso' "
            "ORDER BY p DESC, asset_sha256 LIMIT 1",
            [model.folder.name],
        )
    assert saved[-1]["split"] is None
    assert saved[-1]["n_truths"] == 0
    assert sum(int(str(row["n"])) for row in saved) == 40
    assert best[0]["p"] == pytest.approx(ranking.pictures[0].score, abs=1e-6)
