"""The kinds of damaged files that bench_health.py plants, by container: name to the function that makes one."""

import struct
import zlib

from PIL import Image

from benchmarks.file_damage import (
    Damage,
    bad_filters,
    beyond_palette,
    change_height,
    closed,
    cut,
    data_start,
    encode,
    fill,
    flip_bits,
    foreign_tail,
    hole,
    jpeg,
    lose_data_chunk,
    lose_interval,
    lose_scans,
    mend_size,
    move_strips,
    noise,
    of,
    png_of,
    png_parts,
    png_rows,
    seven_bits,
    strip_carriage_returns,
    stutter,
    swap,
    text_mode,
    through_utf8,
    without_segment,
    zero_tables,
    zero_tail,
)

JPEG: dict[str, Damage] = {
    "jpeg cut": jpeg(cut),
    "jpeg cut and closed": jpeg(closed(cut)),
    "jpeg cut by 300 bytes and closed": jpeg(closed(lambda body, _: body[:-302])),
    "jpeg header only": jpeg(lambda body, _: body[: data_start(body)]),
    "jpeg end of zeros": jpeg(zero_tail),
    "jpeg end of zeros, closed": jpeg(closed(zero_tail)),
    "jpeg 512 zeros": jpeg(fill(512, 0)),
    "jpeg 4096 zeros": jpeg(fill(4096, 0)),
    "jpeg 512 bytes 0xff": jpeg(fill(512, 255)),
    "jpeg 512 bytes 0x55": jpeg(fill(512, 0x55)),
    "jpeg 512 bytes of noise": jpeg(fill(512)),
    "jpeg 4096 bytes of noise": jpeg(fill(4096)),
    "jpeg bits flipped": jpeg(flip_bits),
    "jpeg hole": jpeg(hole),
    "jpeg stutter": jpeg(stutter),
    "jpeg blocks exchanged": jpeg(swap),
    "jpeg foreign end": jpeg(foreign_tail),
    "jpeg text mode": jpeg(text_mode),
    "jpeg without carriage returns": jpeg(strip_carriage_returns),
    "jpeg through UTF-8": jpeg(through_utf8),
    "jpeg seven bits": jpeg(seven_bits),
    "jpeg without Huffman tables": jpeg(without_segment(0xC4), optimize=True),
    "jpeg without quantisation tables": jpeg(without_segment(0xDB)),
    "jpeg quantisation of zeros": jpeg(zero_tables),
    "jpeg twice as high": jpeg(change_height(2)),
    "jpeg half as high": jpeg(change_height(0.5)),
    "jpeg restart interval lost": jpeg(lose_interval, restart_marker_rows=1),
    "jpeg noise between restarts": jpeg(fill(512), restart_marker_rows=1),
    "jpeg grey cut and closed": jpeg(closed(cut), mode="L"),
    "jpeg cmyk cut and closed": jpeg(closed(cut), mode="CMYK"),
}
PROGRESSIVE: dict[str, Damage] = {
    "progressive cut": jpeg(cut, progressive=True),
    "progressive cut and closed": jpeg(closed(cut), progressive=True),
    "progressive first scan only": jpeg(lose_scans(0), progressive=True),
    "progressive half of the scans": jpeg(lose_scans(0.5), progressive=True),
    "progressive 512 zeros": jpeg(fill(512, 0), progressive=True),
    "progressive 512 bytes of noise": jpeg(fill(512), progressive=True),
    "progressive hole": jpeg(hole, progressive=True),
    "progressive bits flipped": jpeg(flip_bits, progressive=True),
}
PNG: dict[str, Damage] = {
    "png cut": of("PNG", cut),
    "png without end": of("PNG", lambda body, _: body[:-12]),
    "png bits flipped": of("PNG", flip_bits),
    "png 512 zeros": of("PNG", fill(512, 0)),
    "png 512 bytes of noise": of("PNG", fill(512)),
    "png end of zeros": of("PNG", zero_tail),
    "png text mode": of("PNG", text_mode),
    "png data chunk lost": of("PNG", png_parts(lose_data_chunk)),
    "png without data": of(
        "PNG", png_parts(lambda parts, _: [p for p in parts if p[0] != b"IDAT"])
    ),
    "png too few rows": of(
        "PNG", png_rows(lambda rows, row, _: rows[: len(rows) // row // 2 * row])
    ),
    "png wrong checksum of zlib": of("PNG", png_rows(lambda rows, *_: rows, mend=False)),
    "png impossible filters": of("PNG", png_rows(bad_filters)),
    "png beyond the palette": beyond_palette,
    "png without palette": of(
        "PNG", png_parts(lambda parts, _: [p for p in parts if p[0] != b"PLTE"]), mode="P"
    ),
}
OTHER: dict[str, Damage] = {
    "gif cut": of("GIF", cut),
    "gif 512 zeros": of("GIF", fill(512, 0)),
    "gif 512 bytes of noise": of("GIF", fill(512)),
    "gif hole": of("GIF", hole),
    "webp cut": of("WEBP", cut),
    "webp cut, size mended": of("WEBP", lambda body, rng: mend_size(cut(body, rng))),
    "webp 512 zeros": of("WEBP", fill(512, 0)),
    "webp 512 bytes of noise": of("WEBP", fill(512)),
    "webp hole": of("WEBP", hole),
    "webp end of zeros": of("WEBP", zero_tail),
    "lossless webp cut": of("WEBP", cut, lossless=True),
    "lossless webp 512 bytes of noise": of("WEBP", fill(512), lossless=True),
    "tiff cut": of("TIFF", cut),
    "tiff strips behind the end": of("TIFF", move_strips),
    "tiff lzw 512 bytes of noise": of("TIFF", fill(512), compression="tiff_lzw"),
    "tiff deflate 512 zeros": of("TIFF", fill(512, 0), compression="tiff_adobe_deflate"),
    "tiff end of zeros": of("TIFF", zero_tail),
    "bmp cut": of("BMP", cut),
    "bmp end of zeros": of("BMP", zero_tail),
    "bmp 65536 zeros": of("BMP", fill(65536, 0)),
    "avif cut": of("AVIF", cut),
    "avif 512 zeros": of("AVIF", fill(512, 0)),
    "avif 512 bytes of noise": of("AVIF", fill(512)),
    "jpeg 2000 cut": of("JPEG2000", cut),
    "jpeg 2000 hole": of("JPEG2000", hole),
}
NOT_PHOTOGRAPHS: dict[str, Damage] = {
    "first bytes lost": jpeg(lambda body, _: bytes(4) + body[4:]),
    "page before the picture": jpeg(lambda body, _: b"<html><body>" + body),
    "page of an error": lambda _, rng: b"<!doctype html><title>404</title>" + noise(rng, 300),
    "film": lambda _, rng: b"\0\0\0\x18ftypmp42" + noise(rng, 4000),
    "zeros": lambda _, rng: bytes(rng.randint(1, 90_000)),
    "1 x 1": lambda _, rng: encode(Image.new("RGB", (1, 1), rng.randrange(1 << 24)), "PNG"),
    "a line": lambda picture, _: encode(picture.resize((900, 2)), "PNG"),
    "a strip": lambda picture, _: encode(picture.resize((3000, 90)), "PNG"),
    "png bomb": lambda _, rng: png_of(
        [
            (b"IHDR", struct.pack(">IIBBBBB", 7_900 + rng.randrange(99), 8_000, 8, 0, 0, 0, 0)),
            (b"IDAT", zlib.compress(bytes(8_001 * 8_000), 9)),
            (b"IEND", b""),
        ]
    ),
    "gif bomb": of("GIF", lambda body, _: body[:6] + b"\xff\xff\xff\xff" + body[10:]),
}
KINDS: dict[str, Damage] = JPEG | PROGRESSIVE | PNG | OTHER | NOT_PHOTOGRAPHS
