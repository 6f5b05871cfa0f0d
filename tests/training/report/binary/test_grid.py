"""The grid of best and worst pictures: which ones, red frames around wrong ones, and no face."""

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from curation.stages import faces
from tests.real_data import members, needs
from training.evaluation.findings import Score, predictor_name
from training.evaluation.saved_head import SavedHead
from training.report.binary.biases import biases, reaches, warning
from training.report.binary.grid import RED, GridPicture, draw_grid
from training.report.binary.pixelate import face_finder, pixelate_faces

HEAD = SavedHead("good_or_bad", "binary", "classes", "Good or bad", ("bad", "good"))


def bright_squares(pixels: np.ndarray) -> np.ndarray:
    """Find a "face" where the left half of the picture has a smooth bright area."""
    rows, columns = np.nonzero(pixels[..., 0] > 250)
    if len(rows) < 100:
        return np.zeros((0, 4))
    left, top = columns.min(), rows.min()
    return np.array([[left, top, columns.max() - left + 1, rows.max() - top + 1]], float)


def test_what_is_found_is_pixelated_until_nothing_is_found() -> None:
    pixels = np.random.default_rng(0).integers(0, 120, (100, 140, 3)).astype(np.uint8)
    pixels[20:60, 30:70] = 255
    made = pixelate_faces(Image.fromarray(pixels), bright_squares)
    assert not len(bright_squares(np.asarray(made)))
    assert np.array_equal(np.asarray(made)[90:], pixels[90:])  # far from it nothing changes


def test_a_picture_in_which_faces_stay_is_pixelated_whole() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    made = pixelate_faces(Image.fromarray(pixels), lambda _: np.array([[10.0, 10, 4, 4]]))
    assert len(np.unique(np.asarray(made).reshape(-1, 3), axis=0)) < 60


def test_a_wrong_picture_has_a_red_frame_and_a_right_one_has_none() -> None:
    chosen = [
        GridPicture("a", 0.9, "good", is_wrong=True),
        GridPicture("b", 0.8, "good", is_wrong=False),
    ]
    pictures = [Image.new("RGB", size, "#808080") for size in ((230, 150), (150, 230))]
    canvas = np.asarray(draw_grid(chosen, pictures))
    red = (canvas == np.array([0xD4, 0x15, 0x1B])).all(-1)
    assert RED == "#d4151b"
    assert red[:, :250].sum() == (230 + 12) * (150 + 12) - 230 * 150
    assert not red[:, 250:].any()


@pytest.mark.parametrize(("value", "expected"), [(0.85, True), (0.79, False), (0.95, True)])
def test_a_bias_within_the_interval_of_the_model_is_warned_of(
    value: float, *, expected: bool
) -> None:
    model = Score(0.9, 0.8, 0.95, 100, 20)
    bias = replace(model, value=value, low=value - 0.1, high=value + 0.1)
    assert reaches(bias, model) is expected
    assert "colours only reaches" in warning(HEAD, "colours only", bias, model)


def test_a_warning_says_where_the_bias_lies() -> None:
    model = Score(0.9, 0.8, 0.95, 100, 20)
    bias = replace(model, value=0.85)
    assert "reaches 0.85, within the interval of the model, 0.90 [0.80, 0.95]. " in warning(
        HEAD, "metadata only", bias, model
    )
    assert "reaches 0.97, above the interval" in warning(
        HEAD, "metadata only", replace(bias, value=0.97), model
    )
    alone = replace(model, low=None, high=None, n_groups=3)
    text = warning(HEAD, "metadata only", replace(bias, value=0.97), alone)
    assert "reaches 0.97, the model 0.90, with too few groups for an interval. " in text


def test_baselines_that_do_not_see_the_picture_are_warned_of_too() -> None:
    values = {"model": 0.9, "colours_only": 0.6, "file": 0.99, "metadata": 0.5, "scene_only": 0.95}
    columns = {"task": "good_or_bad", "metric": "auc", "slice": "all", "split": "split:test"}
    metrics = pl.DataFrame(
        [
            columns
            | {"predictor": name, "value": value, "low": value - 0.05, "high": value + 0.005}
            | {"n": 100, "n_groups": 20}
            for name, value in values.items()
        ]
    )
    policy = SimpleNamespace(policy="split", metrics=metrics)
    head = replace(HEAD, metric="auc")
    run: Any = SimpleNamespace(main=policy, heads=[head], metrics=metrics)
    [section] = biases(run)
    assert [name for name, _ in section["rows"]][1:] == [
        predictor_name(name) for name in ("colours_only", "file", "metadata")
    ]
    [only] = section["warnings"]
    assert "stored file reaches 0.99, above the interval" in only


@needs("detect/photos.tar")
@pytest.mark.slow
@pytest.mark.skipif(faces.weights() is None, reason="safelight[faces] is missing")
def test_no_face_is_found_in_real_photographs_afterwards() -> None:
    detect, counted = face_finder(), 0
    for _, data in members("detect/photos.tar"):
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        picture.thumbnail((460, 460))
        for turned in (picture, picture.rotate(90, expand=True)):
            found: Any = detect(np.asarray(turned))
            counted += len(found)
            assert not len(detect(np.asarray(pixelate_faces(turned, detect))))
    assert counted
