"""One model for each data set, tested on all; pictures that a model knows are left out."""

import json
import shutil
from pathlib import Path

import pytest

from catalog import Workspace
from tests.training.made_release import make_release
from training.errors import TrainingError
from training.evaluation.intervals import Interval
from training.fit.run_request import TrainingRequest
from training.recipes import recipe_with_study
from training.studies.cross_data_sets import (
    CrossCell,
    cross,
    labels_by_data_set,
    matrix_lines,
)

RECIPE = recipe_with_study("cross").name
LABEL = "label=CASE WHEN iso > 400 THEN 'bad' WHEN iso <= 400 THEN 'good' END"


def test_the_matrix_has_a_row_for_each_model() -> None:
    cells = [
        CrossCell(a, b, Interval(0.9 if a == b else 0.6, 0.5, 0.95, 40, 12), 0 if a == b else 3)
        for a in ("mine", "ava")
        for b in ("mine", "ava")
    ]
    head, mine, ava = matrix_lines(cells)
    assert head.split() == ["trained", "on", "tested", "on", "mine", "tested", "on", "ava"]
    assert mine.startswith("mine        0.900 [0.500, 0.950] (40 pictures)")
    assert "3 known left out" in ava


def test_one_data_set_is_refused(empty_home: Path) -> None:
    with pytest.raises(TrainingError, match="two data sets"):
        cross(Workspace.at(empty_home), TrainingRequest(RECIPE), ["mine", "mine"])


def test_a_label_is_of_all_data_sets_or_of_one() -> None:
    votes = "CASE WHEN mean_score = 6 THEN 'good' END"
    names = ["mine", "ava@1.0.0"]
    assert labels_by_data_set([f"ava@1.0.0={votes}"], names) == (None, {"ava@1.0.0": votes})
    assert labels_by_data_set([votes, "mine=good"], names) == (votes, {"mine": "good"})
    assert labels_by_data_set(["rating = 5"], names) == ("rating = 5", {})
    for twice in (["a", "b"], ["mine=a", "mine=b"]):
        with pytest.raises(TrainingError, match="DATASET=LABEL"):
            labels_by_data_set(twice, names)


@pytest.mark.long
def test_pictures_of_training_are_left_out_of_the_other_test(
    empty_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    scores = [None if n < 24 else (4.5, 5.0, 6.5)[n % 3] for n in range(120)]
    made = [
        make_release(workspace, 96),
        make_release(workspace, 120, columns={"mean_score": scores}),
    ]
    names = [f"{each.name}@{each.version}" for each in made]
    request = TrainingRequest(RECIPE, preset="smoke", epochs=1, options=(LABEL,))
    other = "CASE WHEN mean_score >= 6 THEN 'good' WHEN mean_score <= 5 THEN 'bad' END"
    cells = cross(workspace, request, names, {names[1]: other})
    labels = {
        json.loads(path.read_text())["config"]["label"]
        for path in workspace.models.glob("*/config.json")
    }
    assert labels == {LABEL.partition("=")[2], other}
    assert [(cell.trained, cell.tested) for cell in cells] == [(a, b) for a in names for b in names]
    assert all(0 <= cell.auc.value <= 1 for cell in cells)
    assert cells[0].n_left_out == 0
