"""What a decoder process answers does not come from its walls: the same job in this process gives the same answer."""

from collections.abc import Mapping
from typing import Any

import pytest

from curation.decoding import decoder_jobs
from curation.decoding.decoding import decode_small, examine
from curation.decoding.limits import MIN_SIDE_PX, DecodeError
from tests.curation.broken_files import DAMAGED, broken, odd_but_valid

BROKEN, VALID = broken(), odd_but_valid()
ALLOWED = {"min_side_px": MIN_SIDE_PX, "heavy": True}
PROCESS_ONLY = frozenset({"crashed", "too_much_memory", "bomb"})
"""Answers that the walls give and not the job."""


@pytest.fixture(autouse=True)
def _libraries_are_ready() -> None:
    decoder_jobs.warm_up()


def examined_here(body: bytes) -> tuple[Mapping[str, Any], list[bytes]]:
    columns, parts = decoder_jobs.examine_file((body, b""), ALLOWED)
    return columns, list(parts)


@pytest.mark.parametrize("name", list(BROKEN))
def test_damage_has_the_same_reason_inside_and_outside_of_the_walls(name: str) -> None:
    body, expected = BROKEN[name]
    behind = examine(body)
    assert behind.decode_status in expected
    if behind.decode_status in PROCESS_ONLY:
        pytest.skip(f"{behind.decode_status}: not to be tried without walls")
    columns, _ = examined_here(body)
    assert (columns["decode_status"], columns["detail"]) == (behind.decode_status, behind.detail)
    assert columns["pixel_sha256"] == behind.pixel_sha256


@pytest.mark.parametrize("name", list(VALID))
def test_sound_pictures_have_the_same_measures_and_thumbnails(name: str) -> None:
    behind = examine(VALID[name])
    columns, parts = examined_here(VALID[name])
    assert behind.decode_status not in DAMAGED
    assert columns == {key: getattr(behind, key) for key in columns}
    if parts:
        assert parts == [behind.thumbnail, behind.preview]


@pytest.mark.parametrize("height", [None, 24])
def test_small_pictures_are_the_same_and_refusals_have_a_reason(height: int | None) -> None:
    options = {"side_px": 64, "height_px": height, "heavy": True}
    for name, body in VALID.items():
        reply, parts = decoder_jobs.decode_small((body,), options)
        if "status" in reply:
            with pytest.raises(DecodeError) as refused:
                decode_small(body, side_px=64, height_px=height)
            assert refused.value.status == reply["status"], name
            continue
        behind = decode_small(body, side_px=64, height_px=height)
        assert (reply["height"], reply["width"]) == behind.shape[:2], name
        assert list(parts) == [behind.tobytes()], name
