import json

import numpy as np
import onnxruntime

from tests.training.conftest import Trained
from tests.training.made_release import make_item
from training.data.decode import decode
from training.data.transforms import cut, plain
from training.predict.predict import load_model, predict_pictures


def test_onnx_and_torch_agree(trained: Trained) -> None:
    parity = json.loads((trained.folder / "parity.json").read_text())
    assert parity["within_tolerance"]
    assert parity["max_abs_difference"] < 1e-5


def test_onnx_answers_any_number_of_pictures_like_the_model(trained: Trained) -> None:
    model = load_model(trained.workspace, trained.folder.name)
    pictures = [make_item(n)[1] for n in range(3)]
    views = [plain(cut(decode(data), model.config.view), model.config.view) for data in pictures]
    session = onnxruntime.InferenceSession(trained.folder / "model.onnx")
    given = {
        "thumbnails": np.stack([v[0] for v in views]).transpose(0, 3, 1, 2),
        "patches": np.stack([v[1] for v in views]).transpose(0, 1, 4, 2, 3),
    }
    answered = session.run(["probabilities"], given)[0]
    assert np.allclose(answered, predict_pictures(model, pictures), atol=1e-5)


def test_the_model_card_names_data_baselines_and_limits(trained: Trained) -> None:
    card = (trained.folder / "README.md").read_text()
    for word in (
        "made@1.0.0",
        trained.release.digest,
        "majority",
        "tiny_features",
        "No EXIF tag",
        "/3 is chance",
    ):
        assert word in card
