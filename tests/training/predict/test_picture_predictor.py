"""What a model says about uploaded bytes: the answers of the command, and a reason for every file that is refused."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

import safelight
from catalog import NoSuchModelError, PictureRefusedError, Workspace
from catalog.web.predictions.predictor import OPENER
from tests.catalog.web.serving import serving
from tests.factories import jpeg
from tests.training.conftest import Trained
from tests.training.made_release import make_item, photograph
from training.predict.picture_predictor import PicturePredictor
from training.predict.predict_files import load_model, predict_picture

PICTURE = photograph(3, (0, 2, 1))


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> Iterator[PicturePredictor]:
    opened = PicturePredictor(trained.workspace)
    yield opened
    opened.close()


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG of this size that is black and small."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows = zlib.compress(bytes((1 + width // 8) * height), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def test_the_models_are_listed_with_what_they_were_trained_on(
    trained: Trained, predictor: PicturePredictor
) -> None:
    models = predictor.models()
    assert {model.model_id for model in models} == {
        folder.name for folder in trained.outcome.models.values()
    }
    assert {(m.recipe, m.dataset, m.version, m.looks_at) for m in models} == {
        ("exif", "made", trained.release.version, "picture")
    }
    assert models[0].predicts == ("Aperture", "ISO", "Exposure time")


def test_answers_equal_those_of_the_command_beside_what_exif_records(
    trained: Trained, predictor: PicturePredictor
) -> None:
    _, data = make_item(6)
    data = jpeg((28, 10), 6400, (1, 8), image=photograph(6, (0, 2, 1)), tags={"Orientation": 6})
    expected = predict_picture(load_model(trained.workspace, trained.folder.name), data, "")
    prediction = predictor.predict(trained.folder.name[:12], data)
    [subject] = prediction.subjects
    assert subject.box is None
    assert (prediction.format, prediction.refusal) == ("JPEG", None)
    assert (prediction.width, prediction.height) == PICTURE.size[::-1], "as it is shown upright"
    for head in subject.heads:
        probabilities = expected[head.task]["probabilities"]
        assert {each.name: each.probability for each in head.classes} == pytest.approx(
            probabilities
        )
        assert head.predicted == expected[head.task]["class"]
    recorded = {head.task: (head.recorded, head.recorded_class) for head in subject.heads}
    assert recorded == {
        "f_number": ("f/2.8", "low"), "iso": ("ISO 6400", "high"), "exposure_time": ("1/8 s", "high"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *(("RGB", kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000")),
        *(("L", kind) for kind in ("JPEG", "PNG", "TIFF")),
        *(("RGBA", kind) for kind in ("PNG", "WEBP", "TIFF")),
        ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("I;16", "PNG"),
    ],
)  # fmt: skip
def test_every_kind_of_picture_is_predicted(
    trained: Trained,
    predictor: PicturePredictor,
    mode: str,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) << 8)
    else:
        picture = PICTURE.convert(mode)
    prediction = predictor.predict(trained.folder.name, encoded(picture, kind))
    assert (prediction.width, prediction.height) == PICTURE.size
    assert prediction.format == kind
    assert [head.recorded for head in prediction.subjects[0].heads] == [None] * 3
    assert "could not load" not in caplog.text


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (b"%PDF-1.7", "not_an_image"),
        (b"\xff\xd8\xff\xe0" + b"JFIF" * 9, "truncated"),
        (jpeg(image=PICTURE)[:-2000], "truncated"),
        (encoded(PICTURE, "PNG")[:-2000], "truncated"),
        (png_of_size(6000, 6000), "bomb"),
        (png_of_size(19_000, 19_000), "too_large"),
        (png_of_size(30_000, 10), "too_large"),
        (encoded(PICTURE, "EPS"), "not_an_image"),
    ],
)
def test_a_file_that_is_not_predicted_has_a_reason(
    trained: Trained, predictor: PicturePredictor, data: bytes, kind: str
) -> None:
    with pytest.raises(PictureRefusedError) as caught:
        predictor.predict(trained.folder.name, data)
    assert (caught.value.kind, "\n" in str(caught.value)) == (kind, False), str(caught.value)


def test_damaged_files_never_break_the_predictor(
    trained: Trained, predictor: PicturePredictor
) -> None:
    rng, kinds = np.random.default_rng(0), set()
    for whole in (jpeg(image=PICTURE), encoded(PICTURE, "PNG"), encoded(PICTURE, "WEBP")):
        for _ in range(8):
            data = np.frombuffer(whole, np.uint8).copy()
            data[rng.integers(0, len(data), 20)] = rng.integers(0, 256, 20)
            try:
                predictor.predict(trained.folder.name, data.tobytes())
            except PictureRefusedError as error:
                kinds.add(error.kind)
    assert kinds <= {"truncated", "undecodable", "not_an_image", "too_large", "bomb"}
    assert predictor.predict(trained.folder.name, jpeg(image=PICTURE)).subjects


def test_places_and_names_of_exif_are_not_in_the_answer(
    trained: Trained, predictor: PicturePredictor
) -> None:
    picture, stream = PICTURE.copy(), BytesIO()
    exif = Image.Exif()
    exif[0x013B] = "Ada Marker"
    exif.get_ifd(0x8825).update({1: "N", 2: (12.0, 34.0, 56.0), 29: "Marker"})
    picture.save(stream, "JPEG", exif=exif)
    prediction = predictor.predict(trained.folder.name, stream.getvalue())
    assert "Marker" not in repr(prediction)
    assert "34.0" not in repr(prediction)


def test_a_picture_below_the_measured_limit_is_refused_in_words(
    trained: Trained, tmp_path: Path
) -> None:
    copytree(trained.folder, tmp_path / "home" / "models" / trained.folder.name)
    limits = tmp_path / "home" / "models" / trained.folder.name / "limits.json"
    limits.write_text('{"smallest_side_px": 500}')
    predictor = PicturePredictor(Workspace.at(tmp_path / "home"))
    prediction = predictor.predict(trained.folder.name, jpeg(image=PICTURE))
    predictor.close()
    assert prediction.refusal
    assert prediction.refusal.kind == "too_small"
    assert (
        "is too small to tell: 176 x 136 px, and this model needs 500 px" in prediction.refusal.text
    )
    assert prediction.subjects == ()


def test_an_unknown_model_is_named(trained: Trained, predictor: PicturePredictor) -> None:
    for name in ("zzz", "", "../models", "/etc/passwd"):
        with pytest.raises(NoSuchModelError, match="does not exist; known: "):
            predictor.predict(name, b"")


SERVER = """
import sys, http.client
from pathlib import Path
from urllib.parse import urlsplit
import safelight
from catalog import Workspace
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.in_thread import serving
workspace = Workspace.at(Path(sys.argv[1]))
with serving(make_app(workspace, ServeSettings(), safelight.open_predictor)) as address:
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    connection.request("GET", "/predict", headers={"Accept": "text/html"})
    page = connection.getresponse().read().decode()
    assert sys.argv[2] in page, page
    headers = {"Content-Type": "image/jpeg"}
    connection.request("POST", f"/api/v1/predict?model={sys.argv[2]}", Path(sys.argv[3]).read_bytes(), headers)
    response = connection.getresponse()
    print(response.status, response.read().decode()[:100])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "sklearn", "onnx", "faiss"}))
"""


@pytest.mark.long
def test_the_server_predicts_without_loading_torch(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(image=PICTURE))
    words = [str(trained.workspace.home), trained.folder.name, str(tmp_path / "a.jpg")]
    done = subprocess.run(
        [sys.executable, "-c", SERVER, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer, heavy = done.stdout.splitlines()
    assert answer.startswith('200 {"model":{"model_id":')
    assert heavy == "[]"


@pytest.mark.long
def test_the_command_serves_the_page_and_asks_for_a_token(trained: Trained, tmp_path: Path) -> None:
    copytree(trained.workspace.home, tmp_path / "home")
    folder = tmp_path / "home" / "models"
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text("{")
    (folder / "broken" / "model.onnx").write_bytes(b"")
    tokens, token = tmp_path / "tokens", "correct-horse-battery-staple"
    tokens.write_text(f"ada {token}\n")
    tokens.chmod(0o600)
    data, model_id = jpeg(image=PICTURE), trained.folder.name
    with serving(tmp_path / "home", token_file=tokens) as server:
        path, headers = f"/api/v1/predict?model={model_id}", {"Content-Type": "image/jpeg"}
        assert server.ask("POST", path, data, headers).status == 401
        headers |= {"Authorization": f"Bearer {token}"}
        answer = server.ask("POST", path, data, headers)
        assert (answer.status, answer.json["model"]["model_id"]) == (200, model_id)
        assert server.ask("POST", path, data[:-900], headers).status == 422
        page = server.get("/predict", Accept="text/html", Authorization=f"Bearer {token}")
    assert (page.status, model_id in page.body.decode()) == (200, True)
    assert b'value="broken"' not in page.body
    assert safelight.PREDICTOR == OPENER
