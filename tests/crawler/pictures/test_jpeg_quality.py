from io import BytesIO

import pytest
from PIL import Image

from crawler.pictures.jpeg_quality import jpeg_quality
from tests.factories import picture, plain_jpeg


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 82, 90, 95, 100])
def test_the_quality_of_libjpeg_is_found_exactly(quality: int) -> None:
    with Image.open(BytesIO(plain_jpeg(picture(), quality=quality))) as image:
        assert jpeg_quality(image.quantization) == quality  # type: ignore[attr-defined]  # JPEG only


def test_stronger_tables_than_any_quality_give_the_lowest() -> None:
    assert jpeg_quality({0: [10_000] * 64}) == 1


def test_without_tables_there_is_no_quality() -> None:
    assert jpeg_quality({}) is None
