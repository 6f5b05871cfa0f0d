"""Change a picture by the gradient of a model until the model likes it more: what it takes for the second class.

reports/dreams/<model_id>/<file>/step-00.png ...   the picture as the model saw it, and after each saved step
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from catalog import Workspace, track
from training.errors import TrainingError
from training.heads.binary import BinaryHead
from training.predict.predict_files import load_model
from training.runs.saved_network import load_network

SAVED = 5  # step images, besides the first
FIRST_STEP = 4.0  # levels of a pixel with a typical gradient
SMALLEST_STEP = 0.05
LARGEST = 3.0  # of a gradient, in typical ones, so that no single pixel takes all


@dataclass(frozen=True)
class Dream:
    """The files and the logit of the second class for each of them; `class_name` is that class."""

    files: tuple[Path, ...]
    logits: tuple[float, ...]
    class_name: str


def dream(workspace: Workspace, model_id: str, file: Path, *, steps: int = 20) -> Dream:
    """Raise the logit of the second class of a model by gradient ascent on the pixels of a file.

    Raises ModelNotFoundError, UndecodablePictureError, or TrainingError for a model that does not see whole pictures.
    """
    model = load_model(workspace, model_id)
    heads = [head for head in model.heads if isinstance(head, BinaryHead)]
    sample = model.view.from_bytes(file.read_bytes(), str(file))
    if not heads or "picture" not in sample:
        raise TrainingError(
            f"model {model.folder.name} does not tell two classes of whole pictures; train one with a recipe such as "
            "those of `train recipes` that take any picture size"
        )
    network = load_network(model.folder, model.facts)
    frames, logits = ascend(network, heads[0].name, sample["picture"], steps)
    folder = workspace.reports / "dreams" / model.folder.name / file.stem
    folder.mkdir(parents=True, exist_ok=True)
    chosen = sorted({round(each) for each in np.linspace(0, len(frames) - 1, SAVED + 1)})
    files = tuple(folder / f"step-{number:02}.png" for number in chosen)
    for path, number in zip(files, chosen, strict=True):
        Image.fromarray(frames[number]).save(path)
    return Dream(files, tuple(logits[number] for number in chosen), heads[0].classes[1])


def ascend(
    network: nn.Module, head: str, picture: NDArray[np.uint8], steps: int
) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """Return the picture (H, W, 3) and what it becomes, with their logits; each is higher than the one before.

    Where a step of whole levels does not raise the logit, it is made smaller, until there is none.
    """
    network.eval()
    frames, size = [picture], FIRST_STEP
    score, gradient = logit_and_gradient(network, head, picture)
    logits, exact = [score], picture.astype(np.float32)
    for _ in track(range(steps), "dream", unit="steps"):
        while size >= SMALLEST_STEP:
            tried = np.clip(exact + size * gradient, 0, 255)
            rounded = tried.round().astype(np.uint8)
            score, following = logit_and_gradient(network, head, rounded)
            if score > logits[-1]:
                break
            size /= 2
        else:
            break
        frames.append(rounded)
        logits.append(score)
        exact, gradient = tried, following
    return frames, logits


def logit_and_gradient(
    network: nn.Module, head: str, picture: NDArray[np.uint8]
) -> tuple[float, NDArray[np.float32]]:
    """Return the logit of the second class and its gradient by pixel (H, W, 3), scaled to a mean size of 1."""
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float().requires_grad_()
    mask = torch.ones(1, 1, *picture.shape[:2])
    output = network({"pictures": pixels, "mask": mask})[head]
    logit = output[0, 1] - output[0, 0]
    [gradient] = torch.autograd.grad(logit, pixels)
    scaled = gradient / gradient.abs().mean().clamp_min(1e-12)
    return float(logit.detach()), scaled.clamp(-LARGEST, LARGEST)[0].permute(1, 2, 0).numpy()
