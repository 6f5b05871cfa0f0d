"""Pictures at one size: the pixels that are shown, for every kind of crop, decoder and orientation."""

import contextlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from PIL import Image, ImageOps

from catalog import UsageError
from tests.factories import jpeg
from training.data.arrays import Pixels
from training.data.crops import CROPS, PictureView, choose_box, render
from training.errors import UndecodablePictureError


def smooth(width: int, height: int) -> Image.Image:
    """Make a picture whose pixels tell their place: red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=2).astype(np.uint8))


def encoded(picture: Image.Image, kind: str = "JPEG", orientation: int = 1) -> bytes:
    stream, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    picture.save(stream, kind, exif=exif, **options)
    return stream.getvalue()


def shown(data: bytes, view: PictureView, seed: int = 0) -> Pixels:
    out = np.full((view.height, view.width, 3), 99, np.uint8)
    render(data, view, np.random.default_rng(seed), out)
    return out


def distance(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(640, 400), (400, 640), (90, 60), (33, 500)])
def test_the_centre_is_that_of_pillow(kind: str, size: tuple[int, int]) -> None:
    picture = smooth(*size)
    expected = np.asarray(ImageOps.fit(picture, (64, 48), Image.Resampling.BILINEAR))
    assert distance(shown(encoded(picture, kind), PictureView(48, 64)), expected) < 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_whole_picture_is_squeezed_or_framed(kind: str) -> None:
    picture = smooth(640, 320)
    data = encoded(picture, kind)
    squeezed = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR))
    assert distance(shown(data, PictureView(64, 64, "whole")), squeezed) < 3
    framed = shown(data, PictureView(64, 64, "pad"))
    assert not framed[:16].any()
    assert not framed[48:].any()
    assert distance(framed[16:48], np.asarray(picture.resize((64, 32)))) < 3


def test_detail_is_that_of_an_average_of_all_pixels() -> None:
    """Decoded at 3/8, the smallest scale that is enough, it would be 2.6 away."""
    noise = np.random.default_rng(0).normal(128, 25, (75, 100, 3)).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(noise).resize((1000, 750), Image.Resampling.BICUBIC)
    expected = np.asarray(picture.resize((224, 224), Image.Resampling.BOX))
    assert distance(shown(encoded(picture), PictureView(224, 224, "whole")), expected) < 1.2


def test_native_pixels_are_not_resized_and_lie_on_the_grid_of_blocks() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8))
    data = encoded(picture, "PNG")
    pixels = np.asarray(picture)
    assert (shown(data, PictureView(64, 64, "native")) == pixels[72:136, 120:184]).all()
    places = set()
    for seed in range(20):
        part = shown(data, PictureView(64, 64, "native_random"), seed)
        [(y, x)] = [
            (y, x)
            for y in range(0, 137, 8)
            for x in range(0, 237, 8)
            if (pixels[y : y + 64, x : x + 64] == part).all()
        ]
        places.add((y, x))
    assert len(places) > 10


def test_a_small_picture_is_extended_by_mirroring_it() -> None:
    picture = smooth(20, 30)
    native = shown(encoded(picture, "PNG"), PictureView(40, 24, "native"))
    pixels = np.asarray(picture)
    assert (native[:30, :20] == pixels).all()
    assert (native[30:, :20] == pixels[:19:-1]).all()


def test_a_random_part_lies_inside_and_follows_the_generator() -> None:
    data = encoded(smooth(640, 400))
    view = PictureView(32, 32, "random", scale=(0.1, 0.5))
    assert (shown(data, view, 1) == shown(data, view, 1)).all()
    assert distance(shown(data, view, 1), shown(data, view, 2)) > 1


@given(
    height=st.integers(1, 2000),
    width=st.integers(1, 2000),
    crop=st.sampled_from(sorted(CROPS)),
    seed=st.integers(0, 5),
    view_height=st.integers(1, 300),
)
@example(height=29, width=18, crop="center", seed=0, view_height=105)  # rounding
def test_a_box_lies_inside_its_picture(
    height: int, width: int, crop: str, seed: int, view_height: int
) -> None:
    view = PictureView(view_height, 64, crop)  # type: ignore[arg-type]  # one of CROPS
    box = choose_box((height, width), view, np.random.default_rng(seed))
    assert 0 <= box.top <= box.top + box.height <= height + 1e-6
    assert 0 <= box.left <= box.left + box.width <= width + 1e-6
    assert min(box.height, box.width) > 0
    if crop == "random":
        centre = choose_box((height, width), PictureView(view_height, 64), np.random.default_rng(0))
        assert box.height * box.width > 0.079 * height * width or box == centre


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("crop", ["center", "whole", "pad", "native"])
def test_a_turned_picture_is_cut_upright(orientation: int, kind: str, crop: str) -> None:
    data = encoded(smooth(320, 200), kind, orientation)
    with Image.open(BytesIO(data)) as stored:
        upright = encoded(ImageOps.exif_transpose(stored), "PNG")
    view = PictureView(40, 48, crop)  # type: ignore[arg-type]  # one of CROPS
    assert distance(shown(data, view), shown(upright, view)) < 4
    if orientation > 1:
        ignored = PictureView(40, 48, crop, upright=False)  # type: ignore[arg-type]  # one of CROPS
        assert distance(shown(data, ignored), shown(upright, view)) > 5


def test_half_of_the_pictures_are_mirrored() -> None:
    data = encoded(smooth(64, 64), "PNG")
    plain = shown(data, PictureView(32, 32))
    mirrored = 0
    for seed in range(40):
        flipped = shown(data, PictureView(32, 32, flip=True), seed)
        is_mirrored = distance(flipped, plain[:, ::-1]) == 0
        assert is_mirrored or (flipped == plain).all()
        mirrored += is_mirrored
    assert 10 < mirrored < 30


def test_an_extreme_panorama_falls_back_to_its_centre() -> None:
    data = encoded(smooth(2000, 4))
    random, centre = PictureView(16, 16, "random", scale=(1.0, 1.0)), PictureView(16, 16)
    assert (shown(data, random) == shown(data, centre)).all()


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", jpeg(size=(64, 64))[:60], b"<html>"])
def test_what_is_not_a_picture_raises_its_name(data: bytes) -> None:
    out = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UndecodablePictureError, match="cat"):
        render(data, PictureView(8, 8), np.random.default_rng(0), out, name="cat")


@given(data=st.data())
def test_damaged_bytes_give_pixels_or_the_error_with_their_name(data: st.DataObject) -> None:
    body = bytearray(encoded(smooth(96, 64), data.draw(st.sampled_from(["JPEG", "PNG"])), 6))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    view = PictureView(16, 16, data.draw(st.sampled_from(sorted(CROPS))))  # type: ignore[arg-type]  # one of CROPS
    with contextlib.suppress(UndecodablePictureError):
        assert shown(cut, view).shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"crop": "centre"}, "crop 'centre' does not exist; there are center, whole"),
        ({"height": 0}, "has no pixel"),
        ({"scale": (0.5, 0.1)}, "two shares of the area"),
    ],
)
def test_impossible_views_are_refused(values: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        PictureView(**({"height": 8, "width": 8} | values))  # type: ignore[arg-type]  # that is the test
