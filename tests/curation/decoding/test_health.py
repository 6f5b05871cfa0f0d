import io
import os
import threading
import zlib
from collections import Counter
from collections.abc import Iterator

import numpy as np
import psutil
import pytest
from PIL import Image

from catalog.sandbox import DecoderLimits, DecoderPool
from curation.decoding.containers import jpeg_structure, sniff
from curation.decoding.decoding import examine
from curation.decoding.limits import DecodeError
from tests.curation import broken_files
from tests.curation.broken_files import broken, encoded, odd_but_valid, photograph, png_of
from tests.real_data import members, needs

PHOTOS = ("photos/photos-1.tar", "photos/photos-2.tar")


def test_nearly_all_of_twenty_and_more_kinds_of_broken_files_get_the_right_status() -> None:
    files = broken()
    result = {name: examine(body).decode_status for name, (body, _) in files.items()}
    wrong = {name: result[name] for name, (_, right) in files.items() if result[name] not in right}
    assert len(files) >= 20
    assert len(wrong) <= 0.05 * len(files), wrong


def test_files_that_are_odd_but_valid_are_sound() -> None:
    result = {name: examine(body) for name, body in odd_but_valid().items()}
    assert {
        n: (f.decode_status, f.detail) for n, f in result.items() if f.decode_status != "ok"
    } == {}


def test_a_bomb_is_refused_before_it_costs_memory() -> None:
    bomb = png_of(8_900, 8_900, data=bytes(8_900 * 8_901))
    assert len(bomb) < 100_000
    process = psutil.Process()
    before, peak, is_done = process.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.002):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    statuses = {examine(bomb).decode_status, examine(png_of(60_000, 60_000)).decode_status}
    is_done.set()
    watcher.join()
    assert statuses == {"bomb", "too_large"}
    assert peak[0] - before < 20_000_000


@pytest.fixture
def decoders() -> Iterator[DecoderPool]:
    result = DecoderPool("curation.decoding.decoder_jobs", DecoderLimits(memory_bytes=80_000_000))
    yield result
    result.close()


def test_a_picture_that_takes_too_much_memory_is_a_status(decoders: DecoderPool) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (3_000, 9_000), np.uint8)
    body = encoded(Image.fromarray(grain), "TIFF")
    assert examine(body, decoders=decoders).decode_status == "too_much_memory"
    sound = encoded(photograph(1), "TIFF")
    assert examine(sound, decoders=decoders).decode_status == "ok"


def test_a_child_that_is_killed_costs_no_row(decoders: DecoderPool) -> None:
    body = encoded(photograph(8), "TIFF")
    assert examine(body, decoders=decoders).decode_status == "ok"
    for pid in decoders.pids:
        os.kill(pid, 9)
    assert examine(body, decoders=decoders).decode_status == "ok"


def test_the_plan_of_a_jpeg_is_read_from_its_segments() -> None:
    plan = jpeg_structure(encoded(photograph(), quality=85))
    assert (plan.unit_width, plan.unit_height, plan.scans, plan.is_progressive) == (
        16,
        16,
        1,
        False,
    )
    assert jpeg_structure(encoded(photograph(), quality=85, subsampling=0)).unit_width == 8
    assert jpeg_structure(encoded(photograph(), quality=85, progressive=True)).is_progressive
    for body in (b"", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff\xc0\0\x04ab" * 9, os.urandom(500)):
        jpeg_structure(body)


def test_magic_bytes_decide_not_the_name() -> None:
    assert sniff(b"<svg/>") is None
    assert sniff(encoded(photograph(), "AVIF")) == "AVIF"
    with pytest.raises(DecodeError, match="no image starts with"):
        broken_files_open(b"%PDF-1.4")


def broken_files_open(body: bytes) -> None:
    from curation.decoding.pixels import open_header

    open_header(body)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("damage", [b"\x5a" * 40, bytes(2000)])
def test_a_png_with_damaged_data_is_not_taken_for_sound(at: float, damage: bytes) -> None:
    """Reading the orientation of a PNG decodes it, and Pillow hides the errors of that."""
    body = bytearray(encoded(photograph(), "PNG"))
    start = int(at * len(body))
    body[start : start + len(damage)] = damage
    assert examine(bytes(body)).decode_status in ("undecodable", "truncated", "damaged")


@pytest.mark.parametrize("container", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_the_orientation_of_every_container_is_applied(container: str) -> None:
    picture, exif = photograph(), Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    picture.save(out, container, exif=exif)
    assert examine(out.getvalue()).width == picture.height != picture.width


@needs("photos/photos-1.tar")
def test_healthy_photographs_raise_no_alarm() -> None:
    statuses = Counter(
        examine(body).decode_status for archive in PHOTOS for _, body in members(archive, every=15)
    )
    assert set(statuses) <= {"ok", "too_small"}
    assert statuses["ok"] >= 75


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs("photos/photos-1.tar")
def test_no_healthy_photograph_raises_an_alarm() -> None:
    statuses = Counter(
        examine(body).decode_status for archive in PHOTOS for _, body in members(archive)
    )
    assert set(statuses) <= {"ok", "too_small"}
    assert statuses["too_small"] == 3  # 60 x 60 and 448 x 37 px


@needs("photos/photos-1.tar")
def test_damage_inside_the_scan_of_real_photographs_is_found() -> None:
    result = Counter()
    for number, (_, body) in enumerate(members(PHOTOS[0], every=12)):
        scan = body.rindex(b"\xff\xda") + 14
        filling = broken_files.noise(512, number)
        worse = broken_files.overwritten(body, filling, start=scan)
        result[examine(worse).decode_status] += 1
    assert result["ok"] <= 0.1 * result.total(), result


def with_palette(png: bytes, colours: int) -> bytes:
    """Shorten the palette of a PNG; the checksum is right."""
    start = png.index(b"PLTE")
    length = int.from_bytes(png[start - 4 : start], "big")
    part = png[start : start + 4 + 3 * colours]
    head = png[: start - 4] + (3 * colours).to_bytes(4, "big") + part
    return head + zlib.crc32(part).to_bytes(4, "big") + png[start + 8 + length :]


def test_damage_that_decoders_accept_is_caught() -> None:
    picture = photograph(5)
    progressive = encoded(picture, quality=85, progressive=True)
    scans = [at for at in range(len(progressive)) if progressive[at : at + 2] == b"\xff\xda"]
    webp, avif = encoded(picture, "WEBP"), encoded(picture, "AVIF")
    bmp = bytearray(encoded(picture, "BMP"))
    bmp[200_001:260_000] = bytes(59_999)
    files = {
        "progressive, one scan": progressive[: scans[1]] + b"\xff\xd9",
        "progressive, half of the scans": progressive[: scans[len(scans) // 2]] + b"\xff\xd9",
        "png without end": encoded(picture, "PNG")[:-12],
        "png beyond its palette": with_palette(
            encoded(picture.quantize(200, Image.Quantize.FASTOCTREE), "PNG"), 30
        ),
        "webp with zeros": webp[: len(webp) // 2] + bytes(400) + webp[len(webp) // 2 + 400 :],
        "avif with zeros": avif[: len(avif) // 2] + bytes(400) + avif[len(avif) // 2 + 400 :],
        "bmp with zeros": bytes(bmp),
    }
    assert {name: examine(body).decode_status for name, body in files.items()} == dict.fromkeys(
        files, "damaged"
    )


def test_edges_along_coding_units_are_not_taken_for_damage() -> None:
    """A rectangle ends where a unit ends: the step is in one row of units, not in two."""
    for seed in range(20):
        pixels = np.asarray(photograph(seed)).astype(np.int16)
        pixels[160:, 96 + 16 * (seed % 8) :] += 40
        body = encoded(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), quality=80)
        health = examine(body)
        assert (health.decode_status, health.detail) == ("ok", None)
