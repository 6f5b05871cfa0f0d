"""Bytes that are small on the road and huge when they are opened."""

import gzip
import struct
import zlib
from functools import cache

MIB = 1 << 20


@cache
def png_bomb(side_px: int = 20_000) -> bytes:
    """Make a sound PNG of one grey, 0.2 MB long, that takes 1.2 GB when it is decoded to RGB."""
    row = bytes(1 + side_px // 8)  # filter byte, then one bit a pixel
    packed = zlib.compress(row * side_px, 1)
    header = struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@cache
def gzip_bomb(size: int = 1024 * MIB) -> bytes:
    """Make a gzip stream of about a thousandth of `size` that unpacks to so many bytes."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    pack.compress(b"\0" * MIB)
    pack.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers back, so the same packed bytes can stand again and again.
    block = pack.compress(b"\0" * MIB) + pack.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * (size // MIB)


def many_pixels(jpeg: bytes, side_px: int = 60_000) -> bytes:
    """Write another size into the header of a JPEG."""
    start = next(at for mark in (b"\xff\xc0", b"\xff\xc2") if (at := jpeg.find(mark)) >= 0)
    return jpeg[: start + 5] + struct.pack(">HH", side_px, side_px) + jpeg[start + 9 :]
