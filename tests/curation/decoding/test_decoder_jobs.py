"""What a decoder process answers does not come from its walls: the same job in this process gives the same answer."""

from collections.abc import Mapping
from typing import Any

import pytest

from curation.decoding import decoder_jobs
from curation.decoding.decoding import decode_small, examine
from curation.decoding.limits import MIN_SIDE_PX, DecodeError
from tests.curation.broken_files import DAMAGED, broken, odd_but_valid

ALLOWED = {"min_side_px": MIN_SIDE_PX, "heavy": True}
PROCESS_ONLY = frozenset({"crashed", "too_much_memory", "bomb"})
"""Answers that the walls give and not the job."""


@pytest.fixture(autouse=True)
def _libraries_are_ready() -> None:
    decoder_jobs.warm_up()


def examined_here(body: bytes) -> tuple[Mapping[str, Any], list[bytes]]:
    columns, parts = decoder_jobs.examine_file((body, b""), ALLOWED)
    return columns, list(parts)


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    """Odd pictures that are none the less sound, by name."""
    return odd_but_valid()


def test_damage_has_the_same_reason_inside_and_outside_of_the_walls() -> None:
    compared = 0
    for name, (body, expected) in broken().items():
        behind = examine(body)
        assert behind.decode_status in expected, name
        if behind.decode_status in PROCESS_ONLY:  # not to be tried without walls
            continue
        columns, _ = examined_here(body)
        reason = (columns["decode_status"], columns["detail"])
        assert reason == (behind.decode_status, behind.detail), name
        assert columns["pixel_sha256"] == behind.pixel_sha256, name
        compared += 1
    assert compared > 25


def test_sound_pictures_have_the_same_measures_and_thumbnails(sound: dict[str, bytes]) -> None:
    for name, body in sound.items():
        behind = examine(body)
        columns, parts = examined_here(body)
        assert behind.decode_status not in DAMAGED, name
        assert columns == {key: getattr(behind, key) for key in columns}, name
        if parts:
            assert parts == [behind.thumbnail, behind.preview], name


@pytest.mark.parametrize("height", [None, 24])
def test_small_pictures_are_the_same_and_refusals_have_a_reason(
    height: int | None, sound: dict[str, bytes]
) -> None:
    options = {"side_px": 64, "height_px": height, "heavy": True}
    for name, body in sound.items():
        reply, parts = decoder_jobs.decode_small((body,), options)
        if "status" in reply:
            with pytest.raises(DecodeError) as refused:
                decode_small(body, side_px=64, height_px=height)
            assert refused.value.status == reply["status"], name
            continue
        behind = decode_small(body, side_px=64, height_px=height)
        assert (reply["height"], reply["width"]) == behind.shape[:2], name
        assert list(parts) == [behind.tobytes()], name
