from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.factories import jpeg, picture
from training.data.decode import decode, fast_size
from training.errors import UndecodablePictureError


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_pixels_do_not_depend_on_any_tag() -> None:
    tagged = [jpeg(tags={"Orientation": turn}, size=(96, 64)) for turn in (1, 6)]
    stripped = jpeg(None, None, None, make=None, model=None, size=(96, 64))
    first, *others = [decode(data) for data in (stripped, *tagged)]
    assert first.shape == (64, 96, 3)
    assert all((first == other).all() for other in others)


def test_a_turned_tiff_is_not_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(picture((96, 64)), "TIFF", exif=exif)).shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("RGB", "WEBP"), ("RGB", "GIF")],
)
def test_other_kinds_of_pictures_become_rgb(mode: str, kind: str) -> None:
    pixels = decode(encoded(picture((96, 64)).convert(mode), kind))
    assert pixels.shape == (64, 96, 3)
    assert pixels.dtype == np.uint8


def test_a_clear_ground_becomes_white() -> None:
    assert (decode(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG")) == 255).all()


def test_a_scaled_decode_keeps_at_least_the_wanted_side() -> None:
    data = jpeg(size=(800, 600))
    assert decode(data, min_side=100).shape == (150, 200, 3)
    assert decode(data).shape == (600, 800, 3)


@pytest.mark.parametrize("data", [b"", b"<html>", jpeg()[:40], b"\xff\xd8\xff"])
def test_what_is_not_a_picture_is_named(data: bytes) -> None:
    with pytest.raises(UndecodablePictureError, match=r"cat\.jpg cannot be decoded"):
        decode(data, name="cat.jpg")


@pytest.mark.parametrize(
    ("least", "expected"),
    [((60, 50), (75, 100)), ((76, 90), (150, 200)), ((151, 90), (300, 400)), ((90, 401), (600, 800))],
)  # fmt: skip
def test_a_fast_decode_is_a_half_a_fourth_or_an_eighth(
    least: tuple[int, int], expected: tuple[int, int]
) -> None:
    data = jpeg(size=(800, 600))
    assert decode(data, min_side=fast_size((600, 800), least)).shape == (*expected, 3)
