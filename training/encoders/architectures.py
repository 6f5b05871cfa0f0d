"""Networks whose weights a user gives as safetensors, which hold arrays and no graph.

vgg16   13 convolutions and three linear layers under torchvision's names (features.0.weight ...
classifier.6.bias); the classifier may be missing. With 101 results it is the age network DEX of IMDB-WIKI
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from safetensors.torch import load
from torch import nn

from training.encoders.encoder_card import EncoderCard
from training.encoders.encoder_graph import from_onnx
from training.encoders.graph_builder import OPSET
from training.errors import EncoderFileError

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)  # 0: pooling
CLASSIFIER_SIDE = 224  # the first linear layer sees 7 x 7 places

State = Mapping[str, torch.Tensor]


class Vgg16(nn.Module):
    """VGG-16: from prepared pictures (N, 3, 224, 224) to its last map, and the last two layers where they exist.

    >>> [part.shape[1] for part in Vgg16(results=101, width=4)(torch.zeros(1, 3, 224, 224))]
    [4, 4096, 101]
    """

    def __init__(self, results: int = 0, width: int = 512) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for wide in VGG16:
            if wide:
                inside, channels = channels, wide * width // 512
                layers += [nn.Conv2d(inside, channels, 3, padding=1), nn.ReLU()]
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = None
        if results:
            self.classifier = nn.Sequential(
                nn.Linear(49 * channels, 4096), nn.ReLU(), nn.Dropout(),
                nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, results),
            )  # fmt: skip

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the last map (N, C, 7, 7); with a classifier also its last hidden layer and its probabilities."""
        last = self.features(pictures)
        if self.classifier is None:
            return (last,)
        hidden = self.classifier[:-1](last.flatten(1))
        return last, hidden, self.classifier[-1](hidden).softmax(1)


def _vgg16(state: State) -> nn.Module:
    """Take the number of results and the width from the shapes of the weights."""
    first, last = state.get("features.0.weight"), state.get("classifier.6.weight")
    width = 512 if first is None else len(first) * 512 // VGG16[0]
    return Vgg16(0 if last is None else len(last), width)


ARCHITECTURES: Mapping[str, Callable[[State], nn.Module]] = {"vgg16": _vgg16}


def from_safetensors(data: bytes, card: EncoderCard) -> onnx.ModelProto:
    """Build the architecture of a card with a user's weights; raises EncoderFileError."""
    if card.architecture not in ARCHITECTURES:
        listed = ", ".join(ARCHITECTURES)
        raise EncoderFileError(
            f"safetensors need an architecture in their card, one of: {listed}; not {card.architecture!r}"
        )
    try:
        state = {name: value.float() for name, value in load(data).items()}
    except Exception as error:
        raise EncoderFileError(f"these are not safetensors ({error})") from error
    network = ARCHITECTURES[card.architecture](state)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise EncoderFileError(f"the weights do not fit {card.architecture}: {reason}") from error
    if getattr(network, "classifier", None) is not None and card.side != CLASSIFIER_SIDE:
        raise EncoderFileError(f"{card.architecture} with a classifier takes {CLASSIFIER_SIDE} px")
    return from_onnx(_as_onnx(network.eval(), card.side), card)


def _as_onnx(network: nn.Module, side: int) -> bytes:
    batch = torch.from_numpy(np.zeros((1, 3, side, side), np.float32))
    with torch.inference_mode():
        count = len(network(batch))
    names = [f"result_{number}" for number in range(count)]
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "network.onnx"
        warnings.simplefilter("ignore")  # the exporter through TorchScript is deprecated
        torch.onnx.export(
            network, (batch,), path, dynamo=False, opset_version=OPSET, input_names=["prepared"],
            output_names=names, dynamic_axes={"prepared": {0: "n"}, **{name: {0: "n"} for name in names}},
        )  # fmt: skip
        return path.read_bytes()
