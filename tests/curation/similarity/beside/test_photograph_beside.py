import json
from pathlib import Path

import cv2
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from benchmarks.fit_beside import RATE, as_json
from curation.similarity.beside.beside_measures import BesideMeasures, beside_measures
from curation.similarity.beside.photograph_beside import TREES, BoostedTrees, photograph_beside
from curation.similarity.beside.surroundings import surroundings
from curation.similarity.picture_features import Grey
from tests.curation.made_pictures import scene


def grey(seed: int, width: int = 300, height: int = 220) -> Grey:
    return cv2.cvtColor(scene(seed, width, height), cv2.COLOR_RGB2GRAY).astype(np.float32)


def placed(large: Grey, small: Grey, left: int, top: int) -> BesideMeasures:
    at = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    return beside_measures(surroundings(large, small, at))


def test_written_trees_give_the_log_odds_of_the_library(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 18))
    y = (x[:, 0] * x[:, 3] + x[:, 5] > 0.3).astype(int)
    model = GradientBoostingClassifier(
        n_estimators=30, max_leaf_nodes=8, max_depth=None, learning_rate=RATE, random_state=0
    ).fit(x, y)
    path = tmp_path / "trees.json"
    path.write_text(json.dumps(as_json(model)), "utf-8")
    trees = BoostedTrees.load(path)
    new = rng.normal(size=(200, 18))
    ours = [trees.log_odds(row) for row in new]
    assert np.abs(np.array(ours) - model.decision_function(new)).max() < 5e-3


def test_the_trees_ask_for_measures_that_there_are() -> None:
    trees = BoostedTrees.load()
    assert trees.measure.max() < len(BesideMeasures.__dataclass_fields__)
    about = json.loads(TREES.read_text("utf-8"))["about"]
    assert about["measures"] == list(BesideMeasures.__dataclass_fields__)


def test_a_collage_shows_another_photograph_and_pages_do_not() -> None:
    for seed in range(80, 84):
        small = grey(seed)
        collages = [
            placed(np.hstack([small, grey(seed + 10)]), small, 0, 0),
            placed(np.vstack([grey(seed + 20), small]), small, 0, 220),
        ]
        page = np.full((500, 340), 250, np.float32)
        page[60:280, 20:320] = small
        for row in range(310, 480, 20):
            cv2.putText(
                page, "some words in a row", (24, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20.0,)
            )
        pages = [
            placed(page, small, 20, 60),
            placed(
                cv2.copyMakeBorder(small, 30, 30, 30, 30, cv2.BORDER_CONSTANT, value=90.0),
                small,
                30,
                30,
            ),
        ]
        odds = [[photograph_beside(each) for each in kind] for kind in (pages, collages)]
        assert max(odds[0]) < 0 < min(odds[1]), seed
