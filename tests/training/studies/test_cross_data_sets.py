"""One model for each data set, tested on all; pictures that a model knows are left out."""

import shutil
from pathlib import Path

import pytest

from catalog import Workspace
from tests.training.made_release import make_release
from training.errors import TrainingError
from training.evaluation.intervals import Interval
from training.fit.run_request import TrainingRequest
from training.recipes import recipe_with_study
from training.studies.cross_data_sets import CrossCell, cross, matrix_lines

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


@pytest.mark.long
def test_pictures_of_training_are_left_out_of_the_other_test(
    empty_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    made = [make_release(workspace, n) for n in (96, 120)]
    names = [f"{each.name}@{each.version}" for each in made]
    request = TrainingRequest(RECIPE, preset="smoke", epochs=1, options=(LABEL,))
    cells = cross(workspace, request, names)
    assert [(cell.trained, cell.tested) for cell in cells] == [(a, b) for a in names for b in names]
    assert all(0 <= cell.auc.value <= 1 for cell in cells)
    assert cells[0].n_left_out == 0
