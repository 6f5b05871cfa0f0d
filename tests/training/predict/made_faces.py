"""A model that states the light of a face, and pictures with real faces for it."""

import io
import json
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from catalog import Workspace
from tests.real_data import members
from training.data.views import AlignedFaces
from training.export.model_files import contract_of, export_graph
from training.heads import RegressionHead

VIEW = AlignedFaces(side=64, face_px=64, eyes=0.36, quality=0)
HEAD = RegressionHead(name="light", column="light", unit="levels", title="Light")
TOLERANCE = 9.0  # grey levels, between faces that were cut from different pictures


class MeanLight(nn.Module):
    """State the mean grey level of the inner part of a face."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures[..., 16:48, 16:48].float().mean(dim=(1, 2, 3, 4))


def make_workspace_of_faces(home: Path) -> Workspace:
    """Make a workspace with the model `light`."""
    workspace = Workspace.at(home)
    folder = workspace.models / "light"
    folder.mkdir(parents=True)
    export_graph(MeanLight(), contract_of(VIEW, ["pictures"], ["light"]), folder / "model.onnx")
    view = {"kind": VIEW.kind, "side": 64, "face_px": 64, "eyes": 0.36, "quality": 0}
    facts = {
        "model_id": "light", "recipe": "made", "dataset": "made", "version": "1.0.0", "view": view,
        "heads": [HEAD.describe()], "calibration": {"light": {"half_width_90": 5.0}},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(facts))
    return workspace


def read_faces() -> list[Image.Image]:
    """Read four pictures of one face each."""
    bodies = members("faces/utkface.tar")
    return [Image.open(io.BytesIO(next(bodies)[1])).convert("RGB") for _ in range(4)]


def encoded(picture: Image.Image, orientation: int = 1) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    picture.save(out, "JPEG", quality=95, exif=exif.tobytes())
    return out.getvalue()


def alone(face: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (600, 450), (90, 110, 130))
    canvas.paste(face, (180, 120))
    return canvas


def both(left: Image.Image, right: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (900, 600), (90, 110, 130))
    canvas.paste(left, (100, 150))
    canvas.paste(right.resize((260, 260)), (500, 200))
    return canvas
