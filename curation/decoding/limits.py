"""Limits on size and memory of a picture: checked on its header, before any pixel is decoded."""

from typing import Final

from curation.decoding.containers import ORDINARY, JpegStructure

MAX_PIXELS: Final = 80_000_000  # 240 MB as RGB: more than any camera that writes JPEG gives
MAX_SIDE_PX: Final = 20_000
MIN_SIDE_PX: Final = 64  # below it neither hash nor keypoints are meaningful
MIN_SMALL_SIDE_PX: Final = (
    8  # of a picture that is curated for its labels, such as a digit of 28 px
)
MAX_ASPECT: Final = 20.0  # long side to short: a strip, not a photograph
# Decompression bombs. Photographs at quality 10 give 60 bytes of pixels for each byte of the file; blank pages 300.
BOMB_BYTES: Final = 48_000_000
BOMB_RATIO: Final = 400.0

THUMBNAIL_SIDE_PX: Final = 288

LARGE_PIXELS: Final = 24_000_000  # larger ones, and rare containers, are decoded one at a time
MANY_SCANS: Final = (
    64  # progressive files have about 10; each scan costs a pass over the whole picture
)
TIME_LIMIT_S: Final = 30.0
MEMORY_LIMIT: Final = 1_500_000_000  # bytes of address space that a child may add


class DecodeError(Exception):
    """A file has no usable pixels; `status` is the `decode_status` to record."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def check_size(width: int, height: int, file_bytes: int, min_side_px: int = MIN_SIDE_PX) -> None:
    """Raise `DecodeError` where the header has a size that is too small, narrow or large, or a decompression bomb."""
    size = f"{width} x {height} px"
    if min(width, height) < min_side_px:
        raise DecodeError("too_small", f"{size}, smallest side is {min_side_px} px")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise DecodeError(
            "too_large", f"{size}, at most {MAX_PIXELS} px and {MAX_SIDE_PX} px a side"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DecodeError("too_narrow", f"{size}, sides may differ {MAX_ASPECT:g} times")
    decoded = 3 * width * height
    if decoded > BOMB_BYTES and decoded > BOMB_RATIO * file_bytes:
        raise DecodeError("bomb", f"{size} out of {file_bytes} bytes")


def is_risky(container: str, width: int, height: int, structure: JpegStructure) -> bool:
    """Say whether a file may need much memory or time: large, of a rare container, or with very many scans."""
    return (
        container not in ORDINARY or width * height > LARGE_PIXELS or structure.scans > MANY_SCANS
    )
