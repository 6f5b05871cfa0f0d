from hypothesis import given, settings, strategies as st

from crawler.pictures.jpeg_segments import MAX_SEGMENTS, walk
from tests.factories import exif_block, jpeg, picture, plain_jpeg


def test_finds_the_exif_block_byte_for_byte_and_the_scan() -> None:
    block = exif_block({"Make": "Acme", "FNumber": (28, 10)})
    body = plain_jpeg(picture(), exif=block)
    found = walk(body)
    assert found.exif == block
    assert found.scan_start is not None
    assert body[found.scan_start : found.scan_start + 2] == b"\xff\xda"


def test_a_jpeg_without_exif_has_none() -> None:
    assert walk(plain_jpeg(picture())).exif is None


def test_junk_and_fill_bytes_between_segments_are_skipped() -> None:
    body = jpeg()
    found = walk(body[:2] + b"junk\xff\xff\xff\x00\xff\xd0" + body[2:])
    assert found.exif == walk(body).exif


def test_an_end_mark_before_any_scan_stops_the_walk() -> None:
    assert walk(b"\xff\xd8\xff\xd9" + jpeg()).scan_start is None


def test_endless_markers_are_walked_only_so_far() -> None:
    assert walk(b"\xff\xd8" + b"\xff\xd0" * MAX_SEGMENTS + jpeg()[2:]).exif is None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(junk: bytes) -> None:
    walk(b"\xff\xd8" + junk)
