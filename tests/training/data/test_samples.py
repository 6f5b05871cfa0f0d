from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.factories import jpeg, picture
from tests.training.made_release import loose_release
from training.data.decode import decode
from training.data.samples import SampleStore
from training.data.transforms import Pixels, Sample, View, cut
from training.errors import UndecodablePictureError

VIEW = View(32, 32, 2)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_pixels_do_not_depend_on_any_tag() -> None:
    tagged = [jpeg(tags={"Orientation": turn}, size=(96, 64)) for turn in (1, 6)]
    stripped = jpeg(None, None, None, make=None, model=None, size=(96, 64))
    first, *others = [decode(data) for data in (stripped, *tagged)]
    assert first.shape == (64, 96, 3)
    assert all((first == other).all() for other in others)


def test_a_turned_tiff_is_not_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(picture((96, 64)), "TIFF", exif=exif)).shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("RGB", "WEBP"), ("RGB", "GIF")],
)
def test_other_kinds_of_pictures_become_rgb(mode: str, kind: str) -> None:
    pixels = decode(encoded(picture((96, 64)).convert(mode), kind))
    assert pixels.shape == (64, 96, 3)
    assert pixels.dtype == np.uint8


def test_a_clear_ground_becomes_white() -> None:
    assert (decode(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG")) == 255).all()


def test_a_scaled_decode_keeps_at_least_the_wanted_side() -> None:
    data = jpeg(size=(800, 600))
    assert decode(data, min_side=100).shape == (150, 200, 3)
    assert decode(data).shape == (600, 800, 3)


@pytest.mark.parametrize("data", [b"", b"<html>", jpeg()[:40], b"\xff\xd8\xff"])
def test_what_is_not_a_picture_is_named(data: bytes) -> None:
    with pytest.raises(UndecodablePictureError, match=r"cat\.jpg cannot be decoded"):
        decode(data, name="cat.jpg")


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_a_loader_gives_the_pictures_of_its_rows(tmp_path: Path, cache_bytes: int) -> None:
    release = loose_release(tmp_path, 12)
    index = pl.DataFrame(release.index())
    with SampleStore(
        release,
        index,
        lambda pixels: cut(pixels, VIEW),
        sample_bytes=VIEW.bytes,
        cache_bytes=cache_bytes,
    ) as loader:
        batches = [np.array([3, 1]), np.array([0]), np.array([2, 3])]
        streamed = list(loader.stream(batches))
        assert [rows.tolist() for rows, _ in streamed] == [[3, 1], [0], [2, 3]]
        again = loader.sample(3)
        assert (again.bank == streamed[0][1][0].bank).all()
        assert (again is streamed[0][1][0]) == loader.caches == bool(cache_bytes)
        assert len(loader) == 12


def test_bytes_come_unchanged_from_the_shard(tmp_path: Path) -> None:
    release = loose_release(tmp_path, 9)
    index = pl.DataFrame(release.index())
    decoded = []

    def prepare(pixels: Pixels) -> Sample:
        decoded.append(pixels)
        return cut(pixels, VIEW)

    with SampleStore(
        release,
        index,
        prepare,
        sample_bytes=1,
        cache_bytes=0,
    ) as loader:
        loader.sample(0)
    row = index.row(0, named=True)
    stored = Path(release.shard(row["shard"])).read_bytes()[
        row["offset"] : row["offset"] + row["length"]
    ]
    assert (decoded[0] == decode(stored)).all()
