"""Pictures are decoded by processes without rights: same measurements, and lies are not taken."""

from collections.abc import Iterator

import numpy as np
import pytest

from catalog.sandbox import DecoderLimits, DecoderPool
from curation.decoding.decoding import DECODERS, decode_small, examine
from curation.decoding.health import shrink
from curation.decoding.limits import DecodeError
from curation.decoding.pixels import decode_upright
from tests.curation.broken_files import encoded, photograph

ROW = {
    "decode_status": "ok",
    "detail": None,
    "pixel_sha256": "0" * 64,
    "width": 9,
    "height": 9,
    "luma_mean": 0.5,
    "luma_std": 0.5,
    "sharpness": 1.0,
    "detail_energy": 0.0,
    "thumbnail_correlation": None,
    "exif_blocks": 1,
    "preview_width": 2,
}
THUMBNAIL, PREVIEW = "bytes(288 * 288 * 3)", "bytes(12)"


@pytest.fixture(scope="module")
def liars() -> Iterator[DecoderPool]:
    import tests.fakes  # noqa: F401 - the pool asks where its package lies

    result = DecoderPool("tests.fakes.lying_decoder", DecoderLimits(timeout_s=2), size=1)
    yield result
    result.close()


def saying(row: object, *parts: str) -> bytes:
    return (
        b"GIF89a"
        + f"nan = float('nan'); found['result'] = {row!r}; found['parts'] = [{', '.join(parts)}]".encode()
    )


def test_an_honest_reply_of_this_shape_is_taken(liars: DecoderPool) -> None:
    result = examine(saying(ROW, THUMBNAIL, PREVIEW), decoders=liars)
    assert (result.decode_status, result.width, result.preview) == ("ok", 9, bytes(12))


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"decode_status": "fine"}, (THUMBNAIL, PREVIEW)),
        ({"decode_status": ["ok"]}, (THUMBNAIL, PREVIEW)),
        ({"pixel_sha256": "0" * 63 + "\n"}, (THUMBNAIL, PREVIEW)),
        ({"detail": "\ud800"}, (THUMBNAIL, PREVIEW)),
        ({"detail": "x" * 100_000}, (THUMBNAIL, PREVIEW)),
        ({"width": -1}, (THUMBNAIL, PREVIEW)),
        ({"width": 2**40}, (THUMBNAIL, PREVIEW)),
        ({"height": 9.0}, (THUMBNAIL, PREVIEW)),
        ({"luma_mean": float("nan")}, (THUMBNAIL, PREVIEW)),
        ({"sharpness": 10**400}, (THUMBNAIL, PREVIEW)),
        ({"sharpness": "1"}, (THUMBNAIL, PREVIEW)),
        ({"exif_blocks": True}, (THUMBNAIL, PREVIEW)),
        ({"preview_width": 0}, (THUMBNAIL, PREVIEW)),
        ({"preview_width": None}, (THUMBNAIL, PREVIEW)),
        ({"preview_width": 5}, (THUMBNAIL, PREVIEW)),
        ({"preview_width": 1}, (THUMBNAIL, "bytes(3 * 641)")),
        ({}, (PREVIEW, THUMBNAIL)),
        ({}, ("b''", "b''")),
        ({}, (THUMBNAIL,)),
        ({}, ()),
        ({"decode_status": "truncated"}, (THUMBNAIL, PREVIEW)),
        ({"width": None}, (THUMBNAIL, PREVIEW)),
        ({"thumbnail": "x"}, (THUMBNAIL, PREVIEW)),
        ({"more": 1}, (THUMBNAIL, PREVIEW)),
    ],
)
def test_a_child_that_lies_about_a_picture_costs_its_row(
    liars: DecoderPool, changed: dict[str, object], parts: tuple[str, ...]
) -> None:
    result = examine(saying(ROW | changed, *parts), decoders=liars)
    assert result.decode_status == "crashed"
    assert (result.pixel_sha256, result.thumbnail, result.preview) == (None, None, None)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (b"import ctypes; ctypes.string_at(0)", "crashed"),
        (b"while True: pass", "too_slow"),
        (b"b'x' * (4 << 30)", "too_much_memory"),
    ],
)
def test_a_picture_that_breaks_its_decoder_costs_its_row(
    liars: DecoderPool, code: bytes, status: str
) -> None:
    result = examine(b"GIF89a" + code, decoders=liars)
    assert (result.decode_status, result.pixel_sha256) == (status, None)
    assert result.detail
    assert examine(saying(ROW, THUMBNAIL, PREVIEW), decoders=liars).decode_status == "ok"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "JPEG2000", "GIF", "BMP"])
def test_small_pictures_have_the_pixels_that_this_process_would_give(kind: str) -> None:
    body = encoded(photograph(3), kind)
    here = decode_upright(body)[0]
    assert np.array_equal(decode_small(body, side_px=100), shrink(here, 100))
    assert decode_small(body, height_px=50).shape[0] == 50


def test_a_picture_without_pixels_says_so() -> None:
    with pytest.raises(DecodeError, match="no image starts with"):
        decode_small(b"<svg/>")


def test_all_pictures_are_decoded_by_children_ordinary_ones_too() -> None:
    DECODERS.close()
    assert DECODERS.pids == []
    assert examine(encoded(photograph(3), "JPEG")).decode_status == "ok"
    assert len(DECODERS.pids) == 1
