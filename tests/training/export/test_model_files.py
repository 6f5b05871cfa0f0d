import json

import numpy as np
import onnxruntime

from tests.training.conftest import Trained
from tests.training.made_release import make_item
from training.predict.predict_files import load_model, stated_outputs


def test_onnx_and_torch_agree(trained: Trained) -> None:
    parity = json.loads((trained.folder / "parity.json").read_text())
    assert parity["within_tolerance"]
    assert parity["max_abs_difference"] < 1e-5


def test_onnx_takes_any_number_of_pictures_and_patches(trained: Trained) -> None:
    model = load_model(trained.workspace, trained.folder.name)
    pictures = [make_item(n)[1] for n in range(3)]
    batch = model.view.plain([model.view.from_bytes(data, "") for data in pictures])
    session = onnxruntime.InferenceSession(trained.folder / "model.onnx")
    inputs = {name: np.ascontiguousarray(array) for name, array in batch.items()}
    names = [head.name for head in model.heads]
    together = dict(zip(names, session.run(names, inputs), strict=True))
    for number, data in enumerate(pictures):
        alone = stated_outputs(model, data, "")
        for name in names:
            assert np.allclose(together[name][number], alone[name], atol=1e-5)
    fewer = inputs | {"patches": np.ascontiguousarray(inputs["patches"][:, :2])}
    assert session.run(names, fewer)[0].shape == together[names[0]].shape


def test_the_model_card_names_data_baselines_and_limits(trained: Trained) -> None:
    card = (trained.folder / "README.md").read_text()
    for word in (
        "made@1.0.0",
        trained.release.digest,
        "majority",
        "tiny_features",
        "no EXIF tag",
        "`iso`: the probability of low, medium, high",
    ):
        assert word in card
