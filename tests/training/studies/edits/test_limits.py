"""The study of limits: edits of pictures, the rule of the limit, and a model that refuses what is too small."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from catalog import Workspace
from tests.factories import jpeg
from tests.training.conftest import Trained
from tests.training.made_release import photograph
from training.commands.printing import limits_lines
from training.errors import OptionError, PictureTooSmallError
from training.heads import RegressionHead
from training.predict.predict_files import load_model, predict_picture
from training.studies.edits.limits import (
    LimitsRequest,
    limits_of,
    limits_table,
    measure_limits,
    strongest_borne,
)
from training.studies.edits.picture_edits import FILTERS, KINDS, SCALES, Treatment, treatments


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 9))
def test_every_edit_takes_pictures_of_any_shape_and_leaves_them_as_they_are(
    height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = pixels.copy()
    for each in treatments(KINDS):
        edited = each.applied(pixels, np.random.default_rng(seed))
        assert edited.dtype == np.uint8
        assert edited.ndim == 3
        assert edited.shape[2] == 3
        again = each.applied(pixels, np.random.default_rng(seed))
        assert np.array_equal(edited, again)
    assert np.array_equal(pixels, before)


def test_levels_say_what_is_left() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (200, 100, 3), dtype=np.uint8)
    assert SCALES["resolution"].change(pixels, 64, rng).shape == (64, 32, 3)
    assert SCALES["resolution"].change(pixels, 512, rng).shape == pixels.shape
    assert SCALES["share"].change(pixels, 25, rng).shape == (400, 200, 3)
    assert SCALES["crop"].change(pixels, 25, rng).shape == (100, 50, 3)
    gone = SCALES["covered"].change(pixels, 30, rng)
    assert (gone == 127).all(axis=2).mean() == pytest.approx(0.3, abs=0.01)
    assert len(FILTERS) >= 8


def levels(metric: str, *changes: tuple[float, float]) -> list[dict[str, object]]:
    return [
        {"level": 100 - n, "metric": metric, "change_low": low, "change_high": high}
        for n, (low, high) in enumerate(changes)
    ]


def test_the_limit_is_the_last_level_before_the_first_one_that_is_worse() -> None:
    assert strongest_borne(levels("mae", (-0.5, 1), (-0.1, 2), (0.1, 3), (-0.2, 2))) == 99
    assert strongest_borne(levels("mae", (-2, -1), (0, 0))) == 99  # better is borne, too
    assert strongest_borne(levels("mae", (0.006, 3.104))) is None
    assert strongest_borne(levels("accuracy", (-0.1, 0.02), (-0.2, -0.01))) == 100


def test_a_small_but_paired_loss_ends_the_limit_however_wide_the_figures_scatter() -> None:
    rng = np.random.default_rng(0)
    errors = rng.uniform(0, 40, 120)  # of the unchanged pictures
    gains = -np.stack([errors, errors + rng.normal(0, 0.1, 120), errors + 1])
    changes = [Treatment("share", f"{n} %", n, lambda pixels, _: pixels) for n in (80, 60)]
    head = RegressionHead(name="age", column="age")
    table = limits_table([head], changes, {"age": gains}, np.arange(120) % 40)
    worse, unchanged = table.row(2, named=True), table.row(0, named=True)
    assert worse["value"] < unchanged["high"]  # inside the unpaired interval
    assert limits_of(table, ["age"])["by_head"] == {"age": {"share": 80}}


@pytest.fixture(scope="module")
def own_copy(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = tmp_path_factory.mktemp("limits") / "home"
    shutil.copytree(trained.workspace.home, home)
    return Workspace.at(home)


def test_few_groups_give_figures_and_no_limit(trained: Trained, own_copy: Workspace) -> None:
    request = LimitsRequest(trained.folder.name, ("resolution", "filters"), most=6)
    result = measure_limits(own_copy, request)
    heads = result.table["head"].unique().to_list()
    n_edits = len(SCALES["resolution"].levels) + len(FILTERS)
    assert len(result.table) == len(heads) * (1 + n_edits)
    at_512 = result.table.filter(pl.col("name") == "512 px")
    assert at_512["change"].to_list() == [0.0] * len(heads)  # made pictures are smaller
    assert result.limits["smallest_side_px"] is None
    assert any("too few" in line for line in limits_lines(result.table, result.limits))
    assert (result.folder / "limits.png").stat().st_size > 1000
    with pytest.raises(OptionError, match="resolution, share"):
        measure_limits(own_copy, LimitsRequest(trained.folder.name, ("sharpness",)))


def test_a_prediction_refuses_what_is_smaller_than_the_limit(
    trained: Trained, own_copy: Workspace, tmp_path: Path
) -> None:
    limits = own_copy.models / trained.folder.name / "limits.json"
    limits.write_text(json.dumps({"smallest_side_px": 100}))
    model = load_model(own_copy, trained.folder.name)
    large = photograph(1, (0, 0, 0))
    assert predict_picture(model, jpeg(image=large), "large.jpg")
    with pytest.raises(
        PictureTooSmallError, match=r"small.jpg is too small to tell: 90 x 70 px.*100"
    ):
        predict_picture(model, jpeg(image=large.resize((90, 70))), "small.jpg")
    limits.unlink()
    assert predict_picture(load_model(own_copy, trained.folder.name), jpeg(image=large), "")
