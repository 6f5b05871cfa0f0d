"""`digits` and `sounds` from a release to predictions: small pictures and WAV files with a label."""

import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from catalog import Workspace
from catalog.releases.from_run import publish_run
from crawler.session.crawl import crawl
from crawler.sources import SoundsSource
from curation.run.run import curate
from curation.settings import CurateSettings
from tests.curation.run.test_small_pictures import glyphs, write_idx
from tests.curation.small_catalog import SmallEmbedder
from tests.factories import jpeg
from tests.made_sounds import tone, wav, word, write_words
from tests.real_data import REAL, needs
from training.errors import (
    NoLabelError,
    OptionError,
    UndecodablePictureError,
    UndecodableSoundError,
)
from training.fit.recipe import Labels
from training.fit.run_request import TrainingRequest
from training.predict.predict_files import Model, load_model, predict_pictures
from training.recipes import RECIPES
from training.recipes.digits import SMOKE, heads
from training.report.report import write_report
from training.runs.run import evaluate, train

pytestmark = pytest.mark.long  # its fixtures train twice

QUIET = CurateSettings(runner="threads", workers=1, faces="off")


@dataclass(frozen=True)
class Trained:
    workspace: Workspace
    run: Path
    folder: Path

    @property
    def model(self) -> Model:
        return load_model(self.workspace, self.folder.name)


def trained_on(home: Path, recipe: str, *options: str) -> Trained:
    workspace = Workspace.at(home)
    curate(workspace, settings=QUIET, embedder=SmallEmbedder())
    publish_run(workspace, "made")
    request = TrainingRequest(
        recipe, dataset="made", preset="smoke", policies=("split",), options=options
    )
    result = train(workspace, request)
    return Trained(workspace, result.folder, result.models["split"])


def empty(folder: Path, empty_home: Path) -> Path:
    home = folder / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    return home


@pytest.fixture(scope="module")
def digits(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("digits")
    home = empty(folder, empty_home)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 30, (160, 28, 28)).astype(np.uint8)
    pictures = np.concatenate([glyphs()] * 4) + noise
    crawl(Workspace.at(home), write_idx(folder, pictures, [n % 4 for n in range(160)]))
    return trained_on(home, "digits", "epochs=8", "batch_size=8")


@pytest.fixture(scope="module")
def words(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("words")
    home = empty(folder, empty_home)
    write_words(folder / "wav", takes=8)
    crawl(Workspace.at(home), SoundsSource(str(folder / "wav")))
    return trained_on(home, "sounds", "epochs=6", "batch_size=4", "label=digit")


def balanced(trained: Trained) -> dict[str, float]:
    metrics = pl.read_parquet(trained.folder / "metrics.parquet")
    rows = metrics.filter(slice="all", metric="balanced_accuracy")
    return dict(rows.select("predictor", "value").iter_rows())


@pytest.mark.parametrize("name", [pytest.param("digits", marks=pytest.mark.slow), "words"])
def test_a_model_is_scored_beside_its_baselines_and_again_to_the_same_figures(
    name: str, request: pytest.FixtureRequest
) -> None:
    trained: Trained = request.getfixturevalue(name)
    figures = balanced(trained)
    assert {"model", "majority", "prior", "metadata", "tiny_features"} <= figures.keys()
    assert figures["model"] > figures["majority"] + 0.2
    parity = json.loads((trained.folder / "parity.json").read_text())
    assert parity["within_tolerance"]
    assert evaluate(trained.workspace, trained.folder.name)[1] == 0
    html = write_report(trained.run, trained.workspace).read_text("utf-8")
    assert "digit" in html
    if name == "words":
        assert "Best and worst sounds" in html
        assert "photos" not in html
        assert "32-px" not in html


def test_mean_and_spread_come_from_the_training_pictures_and_are_stored(digits: Trained) -> None:
    from safetensors.numpy import load_file

    weights = load_file(digits.folder / "weights.safetensors")
    [mean] = [value for name, value in weights.items() if name.endswith("mean") and value.size == 3]
    assert 0.02 < float(mean.mean()) < 0.5
    assert float(mean.mean()) != pytest.approx(0.5)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def test_a_digit_is_predicted_in_any_size_and_colour(digits: Trained) -> None:
    big = np.asarray(Image.fromarray(glyphs()[5]).resize((300, 260)))
    colour = np.stack([big, big, big // 2], axis=2)
    files = [encoded(glyphs()[5]), encoded(big), encoded(colour, "JPEG"), jpeg()]
    answers = predict_pictures(digits.model, files)
    assert all(set(each["digit"]["probabilities"]) == {"0", "1", "2", "3"} for each in answers)
    with pytest.raises(UndecodablePictureError, match="no picture format"):
        predict_pictures(digits.model, [word(0, "ann", 0)])


def test_a_word_is_predicted_from_any_wav_and_nothing_else(words: Trained) -> None:
    stereo = np.stack([tone(440, 0.4, 44_100)] * 2, axis=1)
    [answer] = predict_pictures(words.model, [wav(stereo, 44_100, 3)])
    assert set(answer["digit"]["probabilities"]) == {"0", "1", "2"}
    for body in (jpeg(), b"", wav(np.zeros(9000)), wav(tone(440)[:0])):
        with pytest.raises(UndecodableSoundError, match="picture 1 cannot be heard"):
            predict_pictures(words.model, [body])


def test_the_label_is_chosen_where_there_is_one_with_classes() -> None:
    index = pl.DataFrame({"digit": [0, 1] * 6, "take": list(range(12)), "voice": ["a", "b"] * 6})
    parts = {"take": {"edges": [3, 6], "names": ["a", "b", "c"]}}
    manifest = {"plan": {"labels": ["digit", "take"], "label_parts": parts}}
    [head] = heads(Labels(index, manifest), SMOKE)
    assert (head.name, head.describe()["classes"]) == ("digit", ["0", "1"])
    several = {"plan": {"labels": ["digit", "voice"]}}
    with pytest.raises(NoLabelError, match="digit, voice"):
        heads(Labels(index, several), SMOKE)
    [named] = heads(Labels(index, several), SMOKE.changed(["label=voice"]))
    assert named.name == "voice"


@pytest.mark.slow
@needs("sounds/fsdd.tar")
def test_real_spoken_digits_are_learnt_from_other_speakers(
    empty_home: Path, tmp_path: Path
) -> None:
    with tarfile.open(REAL / "sounds/fsdd.tar") as tar:
        tar.extractall(tmp_path / "fsdd", filter="data")
    home = empty(tmp_path, empty_home)
    crawl(Workspace.at(home), SoundsSource(str(tmp_path / "fsdd")))
    figures = balanced(trained_on(home, "sounds", "epochs=8", "width=16"))
    assert figures["model"] > 0.4, "two speakers teach, one is tested"


@pytest.mark.parametrize(
    ("data", "recipe", "arch"),
    [
        pytest.param("digits", "digits", "linear", marks=pytest.mark.slow),
        pytest.param("digits", "digits", "mlp", marks=pytest.mark.slow),
        pytest.param("words", "sounds", "linear", marks=pytest.mark.long),
    ],
)
def test_simpler_models_learn_from_the_same_release_into_the_same_report(
    data: str, recipe: str, arch: str, request: pytest.FixtureRequest
) -> None:
    trained: Trained = request.getfixturevalue(data)
    label = {"digits": "digit", "words": "digit"}[data]
    options = (f"arch={arch}", f"label={label}", "epochs=8", "batch_size=8")
    order = TrainingRequest(
        recipe, dataset="made", preset="smoke", policies=("split",), options=options
    )
    result = train(trained.workspace, order)
    simpler = Trained(trained.workspace, result.folder, result.models["split"])
    assert simpler.folder.name != trained.folder.name
    figures = balanced(simpler)
    assert figures["model"] > figures["majority"] + 0.1
    assert json.loads((simpler.folder / "parity.json").read_text())["within_tolerance"]
    assert "digit" in write_report(simpler.run, simpler.workspace).read_text("utf-8")


def test_an_architecture_that_does_not_exist_is_refused_with_those_that_do(words: Trained) -> None:
    request = TrainingRequest(
        "sounds", dataset="made", preset="smoke", policies=("split",),
        options=("arch=liner", "label=digit"),
    )  # fmt: skip
    with pytest.raises(OptionError, match="linear"):
        train(words.workspace, request)


def test_the_last_epoch_of_sounds_is_taken() -> None:
    assert RECIPES["sounds"].presets["default"].select == "last"
