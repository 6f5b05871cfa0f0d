"""Heat maps show the part of a picture that an answer depends on, also of real models and turned pictures."""

from collections.abc import Iterator

import numpy as np
import pytest

from catalog import NoSuchModelError, PictureRefusedError
from tests.factories import jpeg
from tests.training.conftest import Trained
from tests.training.made_release import photograph
from training.data.arrays import Pixels
from training.predict.heat_map import occlude
from training.predict.picture_predictor import PicturePredictor


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 130), (90, 0), (55, 70), (90, 130)])
def test_the_cells_that_count_are_those_that_the_answer_depends_on(top: int, left: int) -> None:
    pixels = noise(120, 160)
    said = occlude(
        pixels, (0, 0, 160, 120), lambda p: float(p[top : top + 30, left : left + 30].std())
    )
    rows, columns = said.cells.shape
    assert (rows, columns) == (8, 10)
    row, column = np.unravel_index(said.cells.argmax(), said.cells.shape)
    assert top - 15 <= (row + 0.5) * 15 <= top + 45
    assert left - 16 <= (column + 0.5) * 16 <= left + 46
    far = said.cells[:2, :2] if top + left > 100 else said.cells[-2:, -2:]
    assert abs(far).max() < 1e-6
    assert said.plain == pytest.approx(float(pixels[top : top + 30, left : left + 30].std()))


def test_an_area_inside_the_picture_is_covered_and_nothing_else_is() -> None:
    pixels, seen = noise(90, 90), []

    def say(version: Pixels) -> float:
        seen.append(version)
        return 0.0

    said = occlude(pixels, (30, 40, 31, 23), say)
    assert abs(said.cells).max() == 0
    assert len(seen) == said.windows + 2
    changed = np.any([np.any(each != pixels, axis=2) for each in seen], axis=0)
    assert changed[41:62, 31:60].mean() > 0.95
    assert not changed[:40].any()
    assert not changed[63:].any()
    assert not changed[:, :30].any()
    assert not changed[:, 61:].any()


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> Iterator[PicturePredictor]:
    opened = PicturePredictor(trained.workspace)
    yield opened
    opened.close()


def test_the_map_of_a_turned_picture_lies_as_the_page_shows_it(
    trained: Trained, predictor: PicturePredictor
) -> None:
    picture, model_id = photograph(6, (0, 2, 1)), trained.folder.name
    plain = predictor.explain(model_id, jpeg(image=picture), "iso", 0)
    turned = jpeg(image=picture, tags={"Orientation": 6})
    upright = predictor.explain(model_id, turned, "iso", 0)
    assert (upright.area.width, upright.area.height) == picture.size[::-1]
    expected = np.rot90(np.array(plain.rows), -1)
    assert np.array(upright.rows) == pytest.approx(expected, abs=1e-4)
    assert abs(expected).max() > 0
    [subject] = predictor.predict(model_id, turned).subjects
    iso = next(head for head in subject.heads if head.task == "iso")
    best = max(iso.classes, key=lambda each: each.probability)
    assert upright.about == best.description
    assert upright.plain == pytest.approx(
        np.log(best.probability / (1 - best.probability)), abs=1e-3
    )


def test_what_cannot_be_explained_has_a_reason(
    trained: Trained, predictor: PicturePredictor
) -> None:
    data, model_id = jpeg(image=photograph(3, (0, 2, 1))), trained.folder.name
    with pytest.raises(NoSuchModelError, match="does not predict 'age'"):
        predictor.explain(model_id, data, "age", 0)
    with pytest.raises(PictureRefusedError):
        predictor.explain(model_id, data[:-900], "iso", 0)
