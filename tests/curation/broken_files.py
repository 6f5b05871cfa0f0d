"""Files that are broken in known ways, and odd ones that are not: name to (bytes, statuses that are right)."""

import io
import random
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image

from tests.curation.made_pictures import scene

DAMAGED = frozenset({"damaged", "truncated", "undecodable"})


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@cache
def photograph(seed: int = 0, size: tuple[int, int] = (480, 360)) -> Image.Image:
    return Image.fromarray(scene(seed, *size))


def cut(body: bytes, share: float) -> bytes:
    return body[: int(len(body) * share)]


def overwritten(body: bytes, filling: bytes, at: float = 0.5, start: int = 0) -> bytes:
    """Overwrite bytes inside the scan; no byte of `filling` may look like a marker."""
    place = start + int((len(body) - start) * at)
    return body[:place] + filling + body[place + len(filling) :]


def noise(length: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(length).replace(b"\xff", b"\xfe")


def png_of(width: int, height: int, *, data: bytes = b"\0" * 64) -> bytes:
    """Write a grey PNG of this size whose pixels are `data`, honest or not."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(data, 9)),
        (b"IEND", b""),
    ]
    body = b"\x89PNG\r\n\x1a\n"
    for name, part in chunks:
        body += (
            struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        )
    return body


def broken() -> dict[str, tuple[bytes, frozenset[str]]]:
    """Make more than thirty broken files."""
    jpeg = encoded(photograph(), quality=85)
    png, gif, webp, tiff = (encoded(photograph(), kind) for kind in ("PNG", "GIF", "WEBP", "TIFF"))
    cmyk = encoded(photograph().convert("CMYK"), quality=85)
    progressive = encoded(photograph(), quality=85, progressive=True)
    scan = jpeg.rindex(b"\xff\xda") + 14
    half = len(jpeg) - scan
    flipped = png[:-60] + bytes([png[-60] ^ 255]) + png[-59:]
    blank = bytes(8_000 * 8_001)
    return {
        "empty": (b"", frozenset({"not_an_image"})),
        "zeros": (bytes(5000), frozenset({"not_an_image"})),
        "html": (b"<!doctype html><html><body>404", frozenset({"not_an_image"})),
        "json": (b'{"errors": ["Rate limit"]}', frozenset({"not_an_image"})),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', frozenset({"not_an_image"})),
        "noise": (noise(9000), frozenset({"not_an_image"})),
        "film": (b"\0\0\0\x18ftypmp42" + bytes(900), frozenset({"not_an_image"})),
        "heic": (b"\0\0\0\x18ftypheic" + bytes(900), frozenset({"unsupported"})),
        "only a header": (jpeg[:20], frozenset({"undecodable"})),
        "jpeg without scan": (jpeg[:scan], DAMAGED),
        "jpeg cut": (cut(jpeg, 0.6), frozenset({"truncated"})),
        "jpeg cut late": (jpeg[:-200], frozenset({"truncated"})),
        "jpeg cut and closed": (cut(jpeg, 0.6) + b"\xff\xd9", frozenset({"damaged"})),
        "jpeg cut late and closed": (jpeg[:-200] + b"\xff\xd9", frozenset({"damaged"})),
        "jpeg half zeros": (jpeg[: scan + half // 2] + bytes(half // 2), DAMAGED),
        "jpeg half zeros, closed": (
            jpeg[: scan + half // 2] + bytes(half // 2 - 2) + b"\xff\xd9", DAMAGED,
        ),
        "jpeg with zeros inside": (overwritten(jpeg, bytes(700), start=scan), DAMAGED),
        "jpeg with noise to the end": (
            overwritten(jpeg, noise(half // 2 - 2), start=scan), DAMAGED,
        ),
        "jpeg with a hole": (jpeg[: scan + half // 2] + jpeg[scan + half // 2 + 900 :], DAMAGED),
        "jpeg with a stutter": (
            jpeg[: scan + half // 2] + jpeg[scan + half // 2 - 900 :], DAMAGED,
        ),
        "jpeg with a foreign end": (
            jpeg[: scan + half // 2] + encoded(photograph(9), quality=40)[-half // 3 :], DAMAGED,
        ),
        **{
            f"jpeg with noise inside {seed}": (
                overwritten(encoded(photograph(seed), quality=85), noise(300, seed), at=0.55), DAMAGED,
            )
            for seed in range(8)
        },
        "progressive jpeg cut": (cut(progressive, 0.6), DAMAGED),
        "cmyk jpeg cut and closed": (cut(cmyk, 0.6) + b"\xff\xd9", DAMAGED),
        "png cut": (cut(png, 0.6), DAMAGED),
        "png with a wrong checksum": (flipped, DAMAGED),
        "png without pixels": (png_of(400, 300), DAMAGED),
        "gif cut": (cut(gif, 0.5), DAMAGED),
        "webp cut": (cut(webp, 0.5), DAMAGED),
        "tiff cut": (cut(tiff, 0.5), DAMAGED),
        "1 x 1": (encoded(Image.new("RGB", (1, 1)), "PNG"), frozenset({"too_small"})),
        "a line": (encoded(Image.new("RGB", (900, 2)), "PNG"), frozenset({"too_small"})),
        "a strip": (encoded(Image.new("RGB", (4000, 80)), "PNG"), frozenset({"too_narrow"})),
        "bomb by header": (png_of(60_000, 60_000), frozenset({"too_large"})),
        "bomb by side": (png_of(30_000, 100), frozenset({"too_large"})),
        "bomb within the budget": (
            png_of(8_000, 8_000, data=blank), frozenset({"bomb"}),
        ),
        "gif bomb": (
            gif[:6] + struct.pack("<HH", 65_535, 65_535) + gif[10:], frozenset({"too_large"}),
        ),
    }  # fmt: skip


def odd_but_valid() -> dict[str, bytes]:
    """Make files that look wrong to a strict reader and are not."""
    picture = photograph(3)
    grey = picture.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    clear = picture.convert("RGBA")
    clear.putalpha(grey)
    jpeg = encoded(picture, quality=85)
    banded = picture.copy()
    banded.paste("white", (0, 180, 480, 360))
    framed = Image.new("RGB", (512, 384), "black")
    framed.paste(picture.resize((512, 288)), (0, 48))
    return {
        "grey jpeg": encoded(grey, quality=85),
        "cmyk jpeg": encoded(picture.convert("CMYK"), quality=85),
        "progressive jpeg": encoded(picture, quality=85, progressive=True),
        "jpeg 4:4:4": encoded(picture, quality=85, subsampling=0),
        "jpeg 4:2:2": encoded(picture, quality=85, subsampling=1),
        "jpeg with restarts": encoded(picture, quality=85, restart_marker_rows=2),
        "jpeg of quality 5": encoded(picture, quality=5),
        "jpeg with bytes behind": jpeg + b"trailing" * 40,
        "jpeg with a comment": encoded(picture, quality=85, comment=b"made by hand"),
        "multi-picture jpeg": encoded(picture, "MPO", save_all=True, append_images=[photograph(4)]),
        "half white jpeg": encoded(banded, quality=85),
        "letterboxed jpeg": encoded(framed, quality=85),
        "16-bit png": encoded(deep, "PNG"),
        "palette png": encoded(picture.quantize(64, Image.Quantize.FASTOCTREE), "PNG"),
        "png with alpha": encoded(clear, "PNG"),
        "one-bit png": encoded(picture.convert("1"), "PNG"),
        "interlaced look-alike": encoded(picture, "PNG", compress_level=0),
        "animated gif": encoded(picture, "GIF", save_all=True, append_images=[photograph(5)]),
        "animated webp": encoded(picture, "WEBP", save_all=True, append_images=[photograph(5)]),
        "lossless webp": encoded(picture, "WEBP", lossless=True),
        "tiff": encoded(picture, "TIFF", compression="tiff_lzw"),
        "tiff of floats": encoded(Image.fromarray(np.asarray(grey, np.float32) / 255), "TIFF"),
        "bmp": encoded(picture, "BMP"),
        "avif": encoded(picture, "AVIF"),
        "jpeg 2000": encoded(picture, "JPEG2000"),
    }
