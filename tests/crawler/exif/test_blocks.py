import struct
from io import BytesIO

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from crawler.exif.blocks import find_block
from tests.factories import exif_block, jpeg, picture

BLOCK = exif_block({"Make": "Acme", "FNumber": (28, 10), "ISO": 400})


def saved(kind: str) -> bytes:
    stream = BytesIO()
    picture().save(stream, kind, exif=b"Exif\0\0" + BLOCK)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_block_comes_back_byte_for_byte(kind: str) -> None:
    assert find_block(saved(kind), kind) == BLOCK


def test_boxed_formats_are_searched_for_the_block() -> None:
    found = find_block(saved("AVIF"), "AVIF")
    assert found is not None
    assert found.startswith(BLOCK)


def test_a_block_behind_its_name_may_start_anywhere() -> None:
    odd = b"MM\0*" + struct.pack(">I", 26) + bytes(40)
    assert find_block(b"....ftypheic....Exif\0\0" + odd, "HEIF") == odd


def test_tiff_is_the_block_itself() -> None:
    stream = BytesIO()
    picture().save(stream, "TIFF")
    assert find_block(stream.getvalue(), "TIFF") == stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_pictures_without_exif_have_none(kind: str) -> None:
    stream = BytesIO()
    picture().save(stream, kind)
    assert find_block(stream.getvalue(), kind) is None


def test_an_exif_header_with_nothing_behind_it_is_an_empty_block() -> None:
    body = jpeg()
    assert find_block(body[:2] + b"\xff\xe1\x00\x08Exif\0\0" + body[2:], "JPEG") == b""


@settings(deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "HEIF"]), st.binary(max_size=300))
def test_no_bytes_make_it_raise(kind: str, junk: bytes) -> None:
    find_block(junk, kind)


def test_orientation_of_the_source_is_not_applied() -> None:
    block = find_block(jpeg(tags={"Orientation": 6}), "JPEG")
    assert block is not None
    with Image.open(BytesIO(jpeg(tags={"Orientation": 6}))) as image:
        assert image.size == (64, 48)
