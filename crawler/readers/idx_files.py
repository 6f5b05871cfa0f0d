"""Read IDX files, the format of MNIST, and write one of their pictures as PNG.

magic  0 0 8 D     8: unsigned bytes; D: number of dimensions
D sizes, 4 bytes each, big-endian; then the values, the last dimension fastest
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

from crawler.errors import InputRefusedError

_MOST = 1 << 30  # bytes; the datasets of MNIST's kind have a tenth of it


def read_idx(path: Path, dimensions: int) -> tuple[tuple[int, ...], bytes]:
    """Return the sizes and the values of a file of unsigned bytes, compressed with gzip or plain.

    Raises `InputRefusedError` when the file is not such a file or has another number of dimensions.
    """
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            body = file.read(_MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputRefusedError(path, f"it cannot be unpacked ({error})") from error
    start = 4 + 4 * dimensions
    if body[:4] != bytes([0, 0, 8, dimensions]) or len(body) < start:
        raise InputRefusedError(path, f"no IDX file of bytes with {dimensions} dimensions")
    sizes = struct.unpack(f">{dimensions}I", body[4:start])
    if len(body) > _MOST or math.prod(sizes) != len(body) - start:
        shape = " x ".join(map(str, sizes))
        raise InputRefusedError(path, f"{len(body) - start} values do not make {shape}")
    return sizes, body[start:]


def png(values: bytes, width: int, height: int) -> bytes:
    """Write grey values as an uncompressed PNG: the same bytes with every version of zlib."""
    lines = (values[row * width : (row + 1) * width] for row in range(height))
    pixels = zlib.compress(b"".join(b"\0" + line for line in lines), 0)  # \0: no filter
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits, grey
    parts = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
