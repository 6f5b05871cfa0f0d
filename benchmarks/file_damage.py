"""Ways in which the bytes of a picture file are damaged; bench_health.py plants them into sound files.

A kind makes the bytes of a damaged file from a picture and a random generator. The strength is random, but every file
of a kind lacks or falsifies a visible part of its picture.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

Damage = Callable[[Image.Image, random.Random], bytes]
Change = Callable[[bytes, random.Random], bytes]
END = b"\xff\xd9"


def encode(picture: Image.Image, container: str = "JPEG", **options: object) -> bytes:
    """Encode the picture."""
    out = io.BytesIO()
    picture.save(out, container, **options)  # type: ignore[arg-type]  # Pillow's options differ by container
    return out.getvalue()


def noise(rng: random.Random, length: int) -> bytes:
    """Return random bytes without a marker."""
    return rng.randbytes(length).replace(b"\xff", b"\xfe")


def cut(body: bytes, rng: random.Random) -> bytes:
    """Keep 25 to 95 % of the bytes."""
    return body[: int(len(body) * rng.uniform(0.25, 0.95))]


def inside(body: bytes, rng: random.Random, length: int, start: int = 0) -> int:
    """Choose where `length` bytes begin, in the middle 80 % of what is behind `start`."""
    room = max(len(body) - start - length, 1)
    return start + int(room * rng.uniform(0.1, 0.9))


def overwrite(body: bytes, place: int, filling: bytes) -> bytes:
    """Replace bytes; the length stays."""
    return body[:place] + filling + body[place + len(filling) :]


def fill(length: int, byte: int | None = None) -> Change:
    """Overwrite a block in the data with one byte, or with noise."""

    def change(body: bytes, rng: random.Random) -> bytes:
        size = min(length, (len(body) - data_start(body)) // 3)
        filling = noise(rng, size) if byte is None else bytes([byte]) * size
        return overwrite(body, inside(body, rng, size, data_start(body)), filling)

    return change


def data_start(body: bytes) -> int:
    """Return where the coded pixels begin, about."""
    if body.startswith(b"\xff\xd8"):
        scan = body.index(b"\xff\xda")
        return scan + 2 + int.from_bytes(body[scan + 2 : scan + 4], "big")
    for mark in (b"IDAT", b"mdat", b"VP8"):
        if mark in body:
            return body.index(mark) + 16
    return min(1000, len(body) // 4)


def zero_tail(body: bytes, rng: random.Random) -> bytes:
    """Replace the end by zeros, as in a file that was allocated and never written in full."""
    kept = len(cut(body[data_start(body) :], rng)) + data_start(body)
    return body[:kept] + bytes(len(body) - kept)


def hole(body: bytes, rng: random.Random) -> bytes:
    """Remove 200 to 2,000 bytes."""
    size = min(rng.randint(200, 2000), len(body) // 4)
    place = inside(body, rng, size, data_start(body))
    return body[:place] + body[place + size :]


def stutter(body: bytes, rng: random.Random) -> bytes:
    """Write 200 to 2,000 bytes twice."""
    size = min(rng.randint(200, 2000), len(body) // 4)
    place = inside(body, rng, size, data_start(body))
    return body[: place + size] + body[place:]


def swap(body: bytes, rng: random.Random) -> bytes:
    """Exchange two blocks of up to 1,024 bytes."""
    start = data_start(body)
    size = min(1024, (len(body) - start) // 5)
    first = start + size // 2
    second = inside(body, rng, size, first + size)
    return overwrite(
        overwrite(body, first, body[second : second + size]), second, body[first : first + size]
    )


def flip_bits(body: bytes, rng: random.Random) -> bytes:
    """Flip a bit in each of 25 bytes of the data."""
    changed = bytearray(body)
    for _ in range(25):
        changed[inside(body, rng, 1, data_start(body))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def text_mode(body: bytes, _: random.Random) -> bytes:
    """Write every line feed as carriage return and line feed, as a transfer in text mode does."""
    return body.replace(b"\n", b"\r\n")


def strip_carriage_returns(body: bytes, _: random.Random) -> bytes:
    """Remove every carriage return from the data."""
    start = data_start(body)
    return body[:start] + body[start:].replace(b"\r", b"")


def through_utf8(body: bytes, _: random.Random) -> bytes:
    """Read the data as UTF-8 text and write it again."""
    start = data_start(body)
    return body[:start] + body[start:].decode("utf-8", "replace").encode()


def seven_bits(body: bytes, _: random.Random) -> bytes:
    """Clear the highest bit of the data."""
    start = data_start(body)
    return body[:start] + bytes(byte & 127 for byte in body[start:])


def closed(change: Change) -> Change:
    """Put the mark of the end of a JPEG behind a change."""
    return lambda body, rng: change(body, rng).rstrip(b"\xff") + END


def jpeg(change: Change, **options: object) -> Damage:
    """Damage a JPEG of random quality and chroma subsampling."""

    def damage(picture: Image.Image, rng: random.Random) -> bytes:
        chosen = {
            "quality": rng.randint(60, 95),
            "subsampling": rng.choice([0, 1, 2]),
            "optimize": rng.random() < 0.5,
        }
        return change(
            encode(picture.convert(str(options.get("mode", "RGB"))), **(chosen | options)), rng
        )

    return damage


def of(container: str, change: Change, mode: str = "RGB", **options: object) -> Damage:
    """Damage a file of another container."""
    return lambda picture, rng: change(encode(picture.convert(mode), container, **options), rng)


def segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """List (marker, start, end) of the segments of a JPEG up to the first scan."""
    place = 2
    while place + 4 <= len(body) and body[place] == 0xFF:
        end = place + 2 + int.from_bytes(body[place + 2 : place + 4], "big")
        yield body[place + 1], place, end
        if body[place + 1] == 0xDA:
            return
        place = end


def without_segment(marker: int) -> Change:
    """Remove all segments of a kind."""

    def change(body: bytes, _: random.Random) -> bytes:
        for kind, start, end in reversed(list(segments(body))):
            body = body[:start] + body[end:] if kind == marker else body
        return body

    return change


def zero_tables(body: bytes, _: random.Random) -> bytes:
    """Write zeros into the quantisation tables."""
    for kind, start, end in segments(body):
        body = overwrite(body, start + 5, bytes(end - start - 5)) if kind == 0xDB else body
    return body


def change_height(factor: float) -> Change:
    """Write another height into the frame header."""

    def change(body: bytes, _: random.Random) -> bytes:
        for kind, start, _end in segments(body):
            if kind in (0xC0, 0xC1, 0xC2):
                height = int.from_bytes(body[start + 5 : start + 7], "big")
                return overwrite(body, start + 5, struct.pack(">H", int(height * factor)))
        return body

    return change


def foreign_tail(body: bytes, rng: random.Random) -> bytes:
    """End with the end of another JPEG."""
    kept = len(cut(body[data_start(body) :], rng)) + data_start(body)
    pixels = np.random.default_rng(rng.randrange(2**32)).integers(0, 255, (60, 80, 3), np.uint8)
    other = encode(Image.fromarray(pixels).resize((400, 300)), quality=70)
    return body[:kept] + other[len(other) // 2 :]


def lose_interval(body: bytes, rng: random.Random) -> bytes:
    """Remove what lies between two restart marks, with the second of them."""
    start = data_start(body)
    marks = [
        at
        for at in range(start, len(body) - 1)
        if body[at] == 0xFF and 0xD0 <= body[at + 1] <= 0xD7
    ]
    first = rng.randrange(len(marks) // 4, len(marks) - 1)
    return body[: marks[first] + 2] + body[marks[first + 1] + 2 :]


def lose_scans(share: float) -> Change:
    """Keep this share of the scans of a progressive JPEG and close it; 0 keeps the first one."""

    def change(body: bytes, _: random.Random) -> bytes:
        starts = [at for at in range(len(body) - 1) if body[at : at + 2] == b"\xff\xda"]
        return body[: starts[max(1, int(share * len(starts)))]] + END

    return change


def chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """List (name, data) of the chunks of a PNG."""
    place = 8
    while place + 8 <= len(body):
        size = int.from_bytes(body[place : place + 4], "big")
        yield body[place + 4 : place + 8], body[place + 8 : place + 8 + size]
        place += 12 + size


def png_of(parts: list[tuple[bytes, bytes]]) -> bytes:
    """Write chunks as a PNG, with their checksums."""
    body = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        body += (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )
    return body


def png_parts(
    change: Callable[[list[tuple[bytes, bytes]], random.Random], list[tuple[bytes, bytes]]],
) -> Change:
    """Change the chunks of a PNG; all checksums of chunks are right."""
    return lambda body, rng: png_of(change(list(chunks(body)), rng))


def png_rows(change: Callable[[bytes, int, random.Random], bytes], *, mend: bool = True) -> Change:
    """Change the filtered rows of a PNG (bytes, length of a row); `mend` writes the right checksum of zlib."""

    def parts(old: list[tuple[bytes, bytes]], rng: random.Random) -> list[tuple[bytes, bytes]]:
        width, _, depth, colour = struct.unpack(">IIBB", old[0][1][:10])
        row = 1 + (width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] + 7) // 8
        packed = b"".join(data for name, data in old if name == b"IDAT")
        packed = zlib.compress(change(zlib.decompress(packed), row, rng))
        packed = packed if mend else packed[:-4] + b"\1\2\3\4"
        return [p for p in old if p[0] not in (b"IDAT", b"IEND")] + [
            (b"IDAT", packed),
            (b"IEND", b""),
        ]

    return png_parts(parts)


def beyond_palette(picture: Image.Image, _: random.Random) -> bytes:
    """Write a palette of half the colours that the pixels name."""
    body = encode(picture.convert("RGB").quantize(200), "PNG")
    return png_of(
        [
            (name, data[: len(data) // 6 * 3] if name == b"PLTE" else data)
            for name, data in chunks(body)
        ]
    )


def lose_data_chunk(
    parts: list[tuple[bytes, bytes]], _: random.Random
) -> list[tuple[bytes, bytes]]:
    data = b"".join(each for name, each in parts if name == b"IDAT")
    size = len(data) // 5
    pieces = [(b"IDAT", data[k : k + size]) for k in range(0, len(data), size)]
    return [parts[0], *pieces[:2], *pieces[3:], (b"IEND", b"")]


def bad_filters(rows: bytes, row: int, rng: random.Random) -> bytes:
    changed = bytearray(rows)
    for start in range(0, len(rows), row * 7):
        changed[start] = rng.randint(5, 255)
    return bytes(changed)


def mend_size(body: bytes) -> bytes:
    """Write the true size into the header of a WebP."""
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:]


def move_strips(body: bytes, _: random.Random) -> bytes:
    """Point the strips of a TIFF behind its end."""
    place = struct.unpack_from("<I", body, 4)[0]
    (count,) = struct.unpack_from("<H", body, place)
    for at in range(place + 2, place + 2 + 12 * count, 12):
        if struct.unpack_from("<H", body, at)[0] == 273:
            body = overwrite(body, at + 8, struct.pack("<I", len(body) + 999))
    return body
