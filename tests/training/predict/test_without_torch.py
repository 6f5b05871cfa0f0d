"""A prediction needs onnxruntime only: loading torch takes seconds and hundreds of megabytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.conftest import Trained
from tests.training.made_release import make_item
from training.fit.objective import to_device
from training.predict.predict_files import read_model
from training.predict.saved_model import calibrations_of
from training.runs.saved_network import load_network

CHILD = """
import json, sys
from pathlib import Path
from training.predict.predict_files import predict_pictures, read_model
model = read_model(Path(sys.argv[1]))
answers = predict_pictures(model, [Path(name).read_bytes() for name in sys.argv[2:]])
heavy = sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "faiss", "sklearn", "onnx"})
print(json.dumps({"heavy": heavy, "answers": answers}))
"""


def test_predictions_load_no_torch_and_equal_those_of_the_torch_network(
    trained: Trained, tmp_path: Path
) -> None:
    files = [tmp_path / f"{n}.jpg" for n in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(make_item(number)[1])
    words = [sys.executable, "-c", CHILD, str(trained.folder), *map(str, files)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["heavy"] == []

    model = read_model(trained.folder)
    samples = [model.view.from_bytes(file.read_bytes(), "") for file in files]
    calibrations = calibrations_of(model.facts)
    with torch.inference_mode():
        outputs = load_network(trained.folder, model.facts)(
            to_device(model.view.plain(samples), torch.device("cpu"))
        )
    for head in model.heads:
        calibration = calibrations[head.name]
        stated = head.stated(calibration)(outputs[head.name]).numpy()
        for row, answers in zip(stated, result["answers"], strict=True):
            expected = head.answer(row, calibration)
            assert answers[head.name]["class"] == expected["class"]
            assert answers[head.name]["probabilities"] == pytest.approx(
                expected["probabilities"], abs=1e-4
            )


def test_what_is_read_before_training_loads_no_torch() -> None:
    modules = (
        "training.recipes", "training.heads", "training.data.views", "training.fit.config",
        "training.fit.recipe", "training.predict.saved_model", "training.commands.train",
    )  # fmt: skip
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
