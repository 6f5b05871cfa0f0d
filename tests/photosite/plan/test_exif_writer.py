import io
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st
from PIL import ExifTags, Image

from photosite.plan.exif_writer import EXIF, break_ifd_pointer, exif_block, insert_into_jpeg

EXIF_IFD = ExifTags.IFD.Exif


def jpeg(size: tuple[int, int] = (16, 12)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (180, 90, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def read(block: bytes) -> Image.Exif:
    with Image.open(io.BytesIO(insert_into_jpeg(jpeg(), block))) as picture:
        return picture.getexif()


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40),
    st.integers(0, 65535),
    st.fractions(min_value=0, max_value=10_000, max_denominator=100_000),
)
def test_what_is_written_is_read_back(make: str, iso: int, time: Fraction) -> None:
    inner = read(exif_block({"Make": make, "ISO": iso, "ExposureTime": time}))
    assert inner[ExifTags.Base.Make].rstrip(" \0") == make.rstrip(" \0")
    assert inner.get_ifd(EXIF_IFD)[ExifTags.Base.ISOSpeedRatings] == iso
    assert inner.get_ifd(EXIF_IFD)[ExifTags.Base.ExposureTime] == pytest.approx(float(time))


def test_the_thumbnail_is_found_behind_the_first_directory() -> None:
    small = jpeg((8, 6))
    block = exif_block({"Make": "Vireo", "ISO": 100}, small)
    first = read(block).get_ifd(ExifTags.IFD.IFD1)
    start = first[ExifTags.Base.JpegIFOffset]
    assert block[6:][start : start + first[ExifTags.Base.JpegIFByteCount]] == small


def test_impossible_fractions_are_written_as_they_are() -> None:
    block = exif_block({"ExposureTime": (1, 0), "FNumber": (0, 1)})
    assert bytes([0, 0, 0, 1, 0, 0, 0, 0]) in block
    negative = read(exif_block({"ExposureTime": (-1, 125)})).get_ifd(EXIF_IFD)
    assert negative[ExifTags.Base.ExposureTime] == pytest.approx(-1 / 125)


def test_a_block_that_points_nowhere_has_no_readable_tag() -> None:
    broken = break_ifd_pointer(exif_block({"Make": "Vireo"}), 0xFF0000)
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        assert not dict(read(broken))


def test_an_unknown_tag_is_an_error() -> None:
    with pytest.raises(KeyError):
        exif_block({"Colour": "red"})
    assert "FNumber" in EXIF
