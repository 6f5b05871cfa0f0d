import json
from io import BytesIO

import polars as pl
import pytest
from PIL import Image

from tests.factories import jpeg
from tests.training.conftest import Trained
from tests.training.made_release import make_item, photograph
from training.errors import ModelNotFoundError, UndecodablePictureError
from training.predict.predict_files import load_model, predict_pictures, stated_outputs
from training.predict.saved_model import calibrations_of, model_ids


def without_metadata(data: bytes) -> bytes:
    """Cut every APPn and comment segment out of a JPEG, leaving its pixels alone."""
    kept, at = data[:2], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if not (0xE0 <= data[at + 1] <= 0xEF or data[at + 1] == 0xFE):
            kept += data[at:end]
        at = end
    return kept + data[at:]


def test_predictions_are_bit_identical_without_metadata(trained: Trained) -> None:
    model = load_model(trained.workspace, trained.folder.name)
    tags = {"Orientation": 6, "Software": "Editor 3", "FocalLength": (50, 1)}
    tagged = jpeg(
        (18, 10),
        6400,
        (1, 8),
        image=photograph(3, (0, 2, 1)),
        tags=tags,
        thumbnail=photograph(9, (1, 1, 1)),
    )
    stripped = without_metadata(tagged)
    assert not Image.open(BytesIO(stripped)).getexif()
    one, other = (stated_outputs(model, data, "") for data in (tagged, stripped))
    assert list(one) == list(other)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_each_answer_holds_three_times_three_probabilities(trained: Trained) -> None:
    model = load_model(trained.workspace, trained.folder.name[:8])
    answers = predict_pictures(model, [make_item(n)[1] for n in range(3)])
    assert [list(each) for each in answers] == [["f_number", "iso", "exposure_time"]] * 3
    for answer in (head for each in answers for head in each.values()):
        shares = answer["probabilities"]
        assert list(shares) == ["low", "medium", "high"]
        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares[answer["class"]] == max(shares.values())
    for calibration in calibrations_of(model.facts).values():
        assert sum(calibration["prior"]) == pytest.approx(1.0)


def test_answers_equal_those_stored_for_the_test_pictures(trained: Trained) -> None:
    stored = pl.read_parquet(trained.folder / "predictions.parquet")
    row, data = make_item(6)
    rows = stored.filter(asset_sha256=row["asset_sha256"])
    expected = dict(rows.select("task", "probabilities").iter_rows())
    [answers] = predict_pictures(load_model(trained.workspace, trained.folder.name), [data])
    assert set(answers) == set(expected)
    for task, answer in answers.items():
        assert list(answer["probabilities"].values()) == pytest.approx(expected[task], abs=1e-5)
        saved = json.loads(rows.filter(task=task)["answer"].item())
        assert saved["class"] == answer["class"]


def test_an_unknown_model_says_which_exist(trained: Trained) -> None:
    ids = model_ids(trained.workspace)
    assert len(ids) == 2
    with pytest.raises(ModelNotFoundError, match=ids[0]):
        load_model(trained.workspace, "zzz")


def test_a_broken_picture_is_named(trained: Trained) -> None:
    model = load_model(trained.workspace, trained.folder.name)
    with pytest.raises(UndecodablePictureError, match="picture 2"):
        predict_pictures(model, [make_item(0)[1], b"<html>"])
