import os
import struct

import pytest

from crawler.exif.reader import read_exif
from crawler.exif.structure import structure_problems
from tests import factories

SOUND = factories.jpeg(tags={"MakerNote": b"Acme note" + bytes(300)})


def block_of(jpeg: bytes) -> bytearray:
    start = jpeg.index(b"Exif\0\0") + 6
    return bytearray(jpeg[start : start - 8 + int.from_bytes(jpeg[start - 8 : start - 6], "big")])


def order(block: bytes) -> str:
    return "<" if block[:1] == b"I" else ">"


def pointer_place(block: bytes) -> int:
    (start,) = struct.unpack_from(order(block) + "I", block, 4)
    (count,) = struct.unpack_from(order(block) + "H", block, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    return next(
        at + 8 for at in places if struct.unpack_from(order(block) + "H", block, at)[0] == 0x8769
    )


def test_a_sound_block_has_no_problem() -> None:
    assert structure_problems(bytes(block_of(SOUND))) == []


@pytest.mark.parametrize("target", [0, 8, 3, 2**32 - 1, 70_000])
def test_a_pointer_that_leads_nowhere_is_named(target: int) -> None:
    block = block_of(SOUND)
    struct.pack_into(order(block) + "I", block, pointer_place(block), target)
    reading = read_exif(bytes(block))
    assert any(problem.startswith("Exif directory") for problem in reading.problems)
    assert reading.status == "partial"


def test_a_loop_of_directories_is_named() -> None:
    block = block_of(SOUND)
    (start,) = struct.unpack_from(order(block) + "I", block, 4)
    (count,) = struct.unpack_from(order(block) + "H", block, start)
    struct.pack_into(order(block) + "I", block, start + 2 + 12 * count, start)
    assert structure_problems(bytes(block)) == ["next directory is an earlier one: a loop"]


@pytest.mark.parametrize(
    ("position", "problems"),
    [
        (((47, 1), (30, 1), (0, 1)), []),
        (((0, 0), (0, 0), (0, 0)), []),
        (((200, 1), (0, 1), (0, 1)), ["GPS position is impossible"]),
        (((47, 1), (99, 1), (0, 1)), ["GPS position is impossible"]),
    ],
)
def test_an_impossible_position_is_named_and_not_kept(
    position: tuple[tuple[int, int], ...], problems: list[str]
) -> None:
    body = factories.jpeg(tags={"GPSLatitude": position, "GPSLatitudeRef": "N"})
    assert structure_problems(bytes(block_of(body))) == problems


def test_a_maker_note_of_noise_is_named() -> None:
    noise = bytes(1 + value % 255 for value in os.urandom(400))
    body = factories.jpeg(tags={"MakerNote": b"\x81" + noise})
    assert structure_problems(bytes(block_of(body))) == ["MakerNote is noise"]


def test_no_bytes_make_it_raise() -> None:
    for length in range(0, 300, 7):
        structure_problems(b"II*\0\x08\0\0\0" + os.urandom(length))
        structure_problems(b"MM\0*\0\0\0\x08" + os.urandom(length))
