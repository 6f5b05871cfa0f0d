"""Find damage in WebP and AVIF files, whose decoders turn wrong bytes into wrong pixels and report nothing.

Their codes have no marks to start again from. After a wrong byte the decoder reads codes of other lengths, so it does
not end where the data end: it lacks bytes, which is an error, or it leaves some unread. Whether the last bytes are read
is tried: they are changed, and the file is decoded again. Equal pixels mean that they were not read.
"""

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

# Bytes at the end that the picture must depend on. Encoders pad by at most 3; a picture of one colour has fewer.
LAST_BYTES: Final = {"VP8L": 3, "VP8 ": 32, "AV1": 32}
LEAST_BYTES: Final = 256  # of coded data; less is a plain picture


def unused_tail(body: bytes, container: str, pixels: npt.NDArray[np.uint8]) -> str | None:
    """Name the fault of a still WebP or AVIF whose RGB `pixels` do not depend on the end of its data."""
    place = (
        _webp_data(body)
        if container == "WEBP"
        else _avif_data(body)
        if container == "AVIF"
        else None
    )
    if place is None or place[1] - place[0] < LEAST_BYTES:
        return None
    _, end, codec = place
    last = LAST_BYTES[codec]
    changed = bytearray(body)
    changed[end - last : end] = bytes(byte ^ 0xFF for byte in body[end - last : end])
    try:
        with Image.open(io.BytesIO(bytes(changed)), formats=[container]) as picture:
            other = np.asarray(picture.convert("RGB"))
    except Exception:  # noqa: BLE001 - decoders raise anything; here an error means that the bytes were read
        return None
    is_unused = other.shape == pixels.shape and bool((other == pixels).all())
    return f"the last {last} bytes of the picture are not used" if is_unused else None


def _webp_data(body: bytes) -> tuple[int, int, str] | None:
    """Give start, end and codec of the data of a still WebP without alpha."""
    place = 12
    while place + 8 <= len(body):
        name, size = body[place : place + 4], int.from_bytes(body[place + 4 : place + 8], "little")
        if name in (b"ANMF", b"ALPH"):
            return None
        if name in (b"VP8 ", b"VP8L"):
            return (
                (place + 8, place + 8 + size, name.decode())
                if place + 8 + size <= len(body)
                else None
            )
        place += 8 + size + size % 2
    return None


def _boxes(body: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    """Map the name of each ISO BMFF box between two places to where its content starts and ends."""
    result: dict[bytes, tuple[int, int]] = {}
    while start + 8 <= end:
        size = int.from_bytes(body[start : start + 4], "big")
        if size < 8 or start + size > end:
            break
        result.setdefault(body[start + 4 : start + 8], (start + 8, start + size))
        start += size
    return result


def _avif_data(body: bytes) -> tuple[int, int, str] | None:
    """Give start, end and codec of the primary item, where it is one extent of the file (ISO 14496-12, 8.11.3)."""
    meta = _boxes(body, 0, len(body)).get(b"meta")
    if meta is None:
        return None
    boxes = _boxes(body, meta[0] + 4, meta[1])
    is_derived = any(name in body[meta[0] : meta[1]] for name in (b"grid", b"auxC"))
    if is_derived or not {b"pitm", b"iloc"} <= boxes.keys():
        return None
    place = boxes[b"pitm"][0]
    primary = int.from_bytes(body[place + 4 : place + (6 if body[place] == 0 else 8)], "big")
    extent = _extent(body, *boxes[b"iloc"], primary)
    if extent is None or extent[1] > len(body):
        return None
    return (*extent, "AV1")


def _extent(body: bytes, place: int, end: int, primary: int) -> tuple[int, int] | None:
    version = body[place]
    offset_size, length_size = body[place + 4] >> 4, body[place + 4] & 15
    base_size, index_size = body[place + 5] >> 4, (body[place + 5] & 15) if version else 0
    id_size = 4 if version == 2 else 2
    reader = _Reader(body, place + 6, end)
    for _ in range(min(reader.number(id_size), 4096)):
        item = reader.number(id_size)
        construction = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_size)
        extents = []
        for _ in range(min(reader.number(2), 64)):
            reader.number(index_size)
            offset = base + reader.number(offset_size)
            extents.append((offset, offset + reader.number(length_size)))
        if item == primary:
            return extents[0] if construction == 0 and len(extents) == 1 else None
    return None


class _Reader:
    """Read big-endian numbers one after the other; behind the end they are 0."""

    def __init__(self, body: bytes, place: int, end: int) -> None:
        self.body, self.place, self.end = body, place, end

    def number(self, size: int) -> int:
        """Read the next number of `size` bytes."""
        self.place += size
        return int.from_bytes(self.body[self.place - size : min(self.place, self.end)], "big")
