from io import BytesIO

import pytest
from PIL import Image, ImageOps

from crawler.exif_thumbnail import thumbnail_correlation
from tests.factories import picture, plain_jpeg

PHOTO = picture((448, 300), seed=3)


def correlation(thumbnail: Image.Image, photo: Image.Image = PHOTO) -> float | None:
    with Image.open(BytesIO(plain_jpeg(photo))) as opened:
        return thumbnail_correlation(opened, plain_jpeg(thumbnail))


def test_its_own_thumbnail_agrees() -> None:
    found = correlation(PHOTO.resize((160, 107)))
    assert found is not None
    assert found > 0.95


@pytest.mark.parametrize("seed", range(4, 12))
def test_another_pictures_thumbnail_does_not(seed: int) -> None:
    found = correlation(picture((160, 107), seed=seed))
    assert found is not None
    assert found < 0.5


def test_bars_around_the_thumbnail_are_cut_off() -> None:
    boxed = ImageOps.pad(PHOTO, (160, 120), color="black")
    found = correlation(boxed)
    assert found is not None
    assert found > 0.9


def test_a_picture_cropped_to_its_thumbnail_agrees() -> None:
    found = correlation(ImageOps.fit(PHOTO, (120, 120)))
    assert found is not None
    assert found > 0.9


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270])
def test_a_turned_thumbnail_agrees(turn: Image.Transpose) -> None:
    found = correlation(PHOTO.resize((160, 107)).transpose(turn))
    assert found is not None
    assert found > 0.9


def test_plain_or_broken_thumbnails_are_not_compared() -> None:
    assert correlation(Image.new("RGB", (160, 107), "grey")) is None
    assert correlation(Image.new("RGB", (2400, 1800))) is None
    with Image.open(BytesIO(plain_jpeg(PHOTO))) as opened:
        assert thumbnail_correlation(opened, b"\xff\xd8\xff no thumbnail") is None
