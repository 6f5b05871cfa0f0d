import struct

import pytest
from hypothesis import given, settings, strategies as st

from crawler.exif import tags as t
from crawler.exif.reader import read_exif
from tests.factories import Value, exif_block, picture

SOUND: dict[str, Value] = {
    "Make": "Acme",
    "Model": "One",
    "FNumber": (28, 10),
    "ISO": 400,
    "ExposureTime": (10, 2500),
    "LensSpecification": ((24, 1), (70, 1), (28, 10), (0, 0)),
}


@pytest.mark.parametrize("order", ["<", ">"])
def test_rationals_are_kept_as_written(order: str) -> None:
    found = read_exif(exif_block(SOUND, order=order))
    assert found.status == "ok"
    assert found.tags[t.F_NUMBER].raw == "28/10"
    assert found.tags[t.EXPOSURE_TIME].raw == "10/2500"
    assert t.value(found.tags, t.EXPOSURE_TIME) == 0.004
    assert found.tags[t.LENS_SPECIFICATION].numbers == (24.0, 70.0, 2.8, None)
    assert not found.readers_disagree


def test_text_values_are_parsed() -> None:
    found = read_exif(exif_block(SOUND | {"FNumber": "f/2.8", "ExposureTime": "1/250"}))
    assert t.value(found.tags, t.F_NUMBER) == 2.8
    assert t.value(found.tags, t.EXPOSURE_TIME) == 0.004


def test_a_list_of_iso_values_is_kept() -> None:
    assert read_exif(exif_block({"ISO": [0, 200]})).tags[t.ISO].numbers == (0.0, 200.0)


def test_gps_is_noted_and_its_values_are_not_taken() -> None:
    where: dict[str, Value] = {"GPSLatitudeRef": "N", "GPSLatitude": ((48, 1), (1, 1), (2, 1))}
    found = read_exif(exif_block(SOUND | where))
    assert found.gps_present
    assert not any("48/1" in tag.raw for tag in found.tags.values())
    assert not read_exif(exif_block(SOUND)).gps_present


def test_the_thumbnail_comes_back() -> None:
    found = read_exif(exif_block(SOUND, thumbnail=picture((32, 24))))
    assert found.thumbnail is not None
    assert found.thumbnail.startswith(b"\xff\xd8\xff")


def patched(block: bytes, tag: int, kind: int, count: int, place: int) -> bytes:
    """Overwrite the entry of `tag` in a little-endian block with another type, count and place."""
    at = next(i for i in range(8, len(block)) if block.startswith(struct.pack("<H", tag), i))
    return block[:at] + struct.pack("<HHII", tag, kind, count, place) + block[at + 12 :]


def test_a_value_outside_the_block_is_missing_and_not_zero_by_zero() -> None:
    found = read_exif(patched(exif_block(SOUND), t.F_NUMBER, 5, 1, 60_000))
    assert found.status == "partial"
    assert found.problems == ["FNumber lies outside the block"]
    assert t.F_NUMBER not in found.tags
    assert t.value(found.tags, t.ISO) == 400.0


def test_a_first_directory_outside_the_block_is_unreadable() -> None:
    block = exif_block(SOUND)
    found = read_exif(block[:4] + struct.pack("<I", 60_000) + block[8:])
    assert found.status == "unreadable"


@pytest.mark.parametrize("block", [b"", b"II", b"XX*\0\x08\0\0\0", b"II*\0"])
def test_no_block_at_all_is_unreadable(block: bytes) -> None:
    assert read_exif(block).status == "unreadable"


def test_pillow_reads_on_where_exifread_raises() -> None:
    # exifread follows a negative place and raises; Pillow leaves GPS directories alone.
    sound = exif_block(SOUND | {"GPSLatitudeRef": "N"})
    found = read_exif(patched(sound, t.GPS_POINTER, 9, 1, 0xFFFFFFF0))
    assert found.status == "partial"
    assert found.problems[0].startswith("exifread: ValueError")
    assert found.gps_present
    assert found.tags[t.F_NUMBER].raw == "28/10"
    assert found.tags[t.EXPOSURE_TIME].raw == "10/2500"
    assert found.tags[t.MAKE].raw == "Acme"


def test_settings_that_only_one_reader_sees_are_named() -> None:
    # exifread skips lists of 1,000 values and more.
    found = read_exif(exif_block(SOUND | {"ISO": [400] * 1000}))
    assert found.readers_disagree == ["iso"]


@pytest.mark.parametrize("kind", [2, 4, 5])
@pytest.mark.parametrize("tag", [t.EXPOSURE_TIME, t.GPS_POINTER, t.EXIF_POINTER])
def test_directories_that_would_keep_a_parser_busy_are_ended(kind: int, tag: int) -> None:
    entry = struct.pack("<HHII", tag, kind, 999, 8)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entry * 5000
    assert any("TooMuchWorkError" in problem for problem in read_exif(block).problems)


def test_the_iso_of_a_nikon_note_is_used_when_there_is_no_other() -> None:
    # An unlabelled Nikon note is a directory with offsets from the start of the block.
    note = struct.pack("<HHHI2H", 1, 0x0002, 3, 2, 0, 200) + bytes(4)
    tags: dict[str, Value] = {"Make": "NIKON", "MakerNote": note}
    assert read_exif(exif_block(tags)).tags[t.ISO].numbers == (0.0, 200.0)
    assert t.ISO not in read_exif(exif_block(tags | {"Make": "Acme"})).tags
    broken: dict[str, Value] = {"Make": "NIKON", "MakerNote": b"\xff" * 30}
    assert t.ISO not in read_exif(exif_block(broken)).tags


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_make_it_raise(junk: bytes) -> None:
    read_exif(junk)


@settings(deadline=None)
@given(st.integers(0, 399), st.binary(min_size=1, max_size=12))
def test_no_overwritten_block_makes_it_raise(at: int, junk: bytes) -> None:
    block = exif_block(SOUND, thumbnail=picture((16, 12)))
    read_exif(block[:at] + junk + block[at + len(junk) :])
