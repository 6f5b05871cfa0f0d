import numpy as np
import pytest
from PIL import Image, ImageOps

from curation.decoding.thumbnails import read_thumbnail, thumbnail_correlation
from tests.factories import picture, plain_jpeg

PHOTO = picture((448, 300), seed=3)


def correlation(thumbnail: Image.Image, photo: Image.Image = PHOTO) -> float | None:
    small = read_thumbnail(plain_jpeg(thumbnail))
    assert small is not None
    return thumbnail_correlation(np.asarray(photo.convert("L")), small)


def test_its_own_thumbnail_agrees() -> None:
    result = correlation(PHOTO.resize((160, 107)))
    assert result is not None
    assert result > 0.95


@pytest.mark.parametrize("seed", range(4, 12))
def test_another_pictures_thumbnail_does_not(seed: int) -> None:
    result = correlation(picture((160, 107), seed=seed))
    assert result is not None
    assert result < 0.5


def test_bars_around_the_thumbnail_are_cut_off() -> None:
    boxed = ImageOps.pad(PHOTO, (160, 120), color="black")
    result = correlation(boxed)
    assert result is not None
    assert result > 0.9


def test_a_picture_cropped_to_its_thumbnail_agrees() -> None:
    result = correlation(ImageOps.fit(PHOTO, (120, 120)))
    assert result is not None
    assert result > 0.9


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270])
def test_a_turned_thumbnail_agrees(turn: Image.Transpose) -> None:
    result = correlation(PHOTO.resize((160, 107)).transpose(turn))
    assert result is not None
    assert result > 0.9


def test_a_plain_thumbnail_or_picture_is_not_compared() -> None:
    plain = Image.new("RGB", (160, 107), "grey")
    assert correlation(plain) is None
    assert correlation(PHOTO.resize((160, 107)), photo=plain) is None


def test_what_is_broken_too_large_or_no_jpeg_is_not_read() -> None:
    body = plain_jpeg(PHOTO)
    assert read_thumbnail(body) is not None
    for bad in (b"", b"\xff\xd8\xff no thumbnail", body[: len(body) // 2]):
        assert read_thumbnail(bad) is None
    assert read_thumbnail(plain_jpeg(Image.new("RGB", (2400, 1800)))) is None
