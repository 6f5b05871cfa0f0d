import pytest

from crawler.exif import tags as t
from crawler.exif.pillow import pillow_tags
from tests.factories import Value, exif_block

TAGS: dict[str, Value] = {"Make": "Acme", "FNumber": (28, 10), "ExposureTime": (1, 0), "ISO": 400}


@pytest.mark.parametrize("order", ["<", ">"])
def test_rationals_are_taken_as_written(order: str) -> None:
    found = dict(pillow_tags(exif_block(TAGS, order=order), None, None))
    assert found[t.F_NUMBER].raw == "28/10"
    assert found[t.EXPOSURE_TIME].numbers == (float("inf"),)
    assert (found[t.MAKE].name, found[t.MAKE].raw) == ("Make", "Acme")


def test_only_wanted_tags_come() -> None:
    found = dict(pillow_tags(exif_block(TAGS), frozenset([t.ISO, t.MODEL]), None))
    assert set(found) == {t.ISO}


def test_a_known_place_is_read_first() -> None:
    block = exif_block(TAGS)
    place = next(
        tag for key, tag in pillow_tags(block, None, None) if key == t.EXIF_POINTER
    ).values[0]
    first, _ = next(pillow_tags(block, None, place))
    assert first in (t.F_NUMBER, t.EXPOSURE_TIME, t.ISO)


def test_bytes_that_are_no_block_raise() -> None:
    with pytest.raises(SyntaxError):
        list(pillow_tags(b"no block", None, None))
