import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from curation.decoding.decoding import examine
from curation.decoding.health import detail_energy
from curation.decoding.limits import MIN_SIDE_PX
from curation.decoding.pixels import decode_upright
from curation.stages.decode import Decode
from tests.factories import picture

SIDE = 288


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def photo(size: tuple[int, int] = (160, 120), seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 12, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(picture(size, seed)) + noise).clip(0, 255).astype(np.uint8))


def test_a_sound_picture_is_measured() -> None:
    result = examine(encoded(photo(), "JPEG"))
    assert (result.decode_status, result.detail, result.width, result.height) == (
        "ok",
        None,
        160,
        120,
    )
    assert result.thumbnail is not None
    assert len(result.thumbnail) == SIDE * SIDE * 3
    assert result.luma_mean is not None
    assert 0 < result.luma_mean < 1
    assert result.luma_std is not None
    assert 0 < result.luma_std < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encoded(photo(), "JPEG", exif=exif.tobytes())
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(body))).convert("RGB")
    pixels, warning = decode_upright(body)
    assert warning is None
    assert np.array_equal(pixels, np.asarray(expected))


def test_the_same_pixels_in_another_container_have_the_same_hash() -> None:
    jpeg = encoded(photo(), "JPEG")
    png = encoded(Image.open(io.BytesIO(jpeg)))
    assert examine(jpeg).pixel_sha256 == examine(png).pixel_sha256


def test_the_same_bytes_in_another_shape_are_another_picture() -> None:
    plain = Image.new("RGB", (128, 64), "grey")
    assert (
        examine(encoded(plain)).pixel_sha256
        != examine(encoded(plain.rotate(90, expand=True))).pixel_sha256
    )


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1", "I;16", "F"])
def test_every_kind_of_pixel_becomes_rgb(mode: str) -> None:
    source = Image.new("L", (80, 70), 128)
    kind = {"CMYK": "JPEG", "F": "TIFF"}.get(mode, "PNG")
    if mode == "I;16":
        source = Image.fromarray(np.full((70, 80), 32896, np.uint16))
    else:
        source = source.convert("RGB").convert(mode) if mode == "CMYK" else source.convert(mode)
    pixels, _ = decode_upright(encoded(source, kind))
    assert pixels.shape == (70, 80, 3)
    if mode != "1":
        assert abs(float(pixels.mean()) - 128) < 3


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    assert decode_upright(encoded(clear))[0].min() == 255


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (80, 80), colour) for colour in ("red", "blue")]
    body = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_upright(body)[0][0, 0].tolist() == [255, 0, 0]


def test_broken_files_have_a_status_and_a_detail() -> None:
    body = encoded(photo((400, 300)), "JPEG")
    cut = body[: int(len(body) * 0.6)]
    scan = len(body) // 2
    garbage = body[:scan] + bytes(range(256)) * 4 + body[scan + 1024 :]
    cases = {
        "truncated": [cut, encoded(photo())[:5000]],
        "damaged": [cut + b"\xff\xd9"],
        "undecodable": [body[:30]],
        "not_an_image": [b"", b"no picture"],
        "too_small": [encoded(Image.new("RGB", (MIN_SIDE_PX - 1, 900)))],
        "too_large": [encoded(Image.new("1", (20_100, 64)))],
    }
    for status, bodies in cases.items():
        for broken in bodies:
            result = examine(broken)
            assert result.decode_status == status
            assert result.detail
            assert (result.thumbnail is None) == (status != "damaged")
    assert examine(garbage).decode_status in {"damaged", "undecodable", "truncated"}


def test_a_decompression_bomb_is_too_large() -> None:
    header = encoded(Image.new("1", (64, 64)))
    bomb = header[:16] + (60_000).to_bytes(4, "big") * 2 + header[24:]
    assert examine(bomb).decode_status in {"too_large", "undecodable"}


def test_a_corrupt_exif_block_does_not_cost_the_picture() -> None:
    body = encoded(photo(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
    assert examine(body).decode_status == "ok"


def test_an_upscaled_picture_has_less_detail_and_a_blurred_one_less_sharpness() -> None:
    sharp = photo((320, 240))
    soft = sharp.resize((80, 60)).resize((320, 240), Image.Resampling.BICUBIC)
    first, second = examine(encoded(sharp)), examine(encoded(soft))
    assert first.detail_energy is not None
    assert second.detail_energy is not None
    assert second.detail_energy < first.detail_energy / 5
    assert first.sharpness is not None
    assert second.sharpness is not None
    assert second.sharpness < first.sharpness / 5


def test_detail_of_a_plain_or_tiny_picture_is_zero() -> None:
    assert detail_energy(np.full((64, 64), 7, np.uint8)) == 0
    assert detail_energy(np.zeros((8, 8), np.uint8)) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_thumbnail_is_compared_in_the_orientation_of_the_stored_pixels(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture((320, 240), seed=7)
    body = encoded(stored, "JPEG", exif=exif.tobytes())
    own = examine(body, encoded(stored.resize((160, 120)), "JPEG")).thumbnail_correlation
    other = examine(body, encoded(picture((160, 120), seed=8), "JPEG")).thumbnail_correlation
    assert own is not None
    assert own > 0.98
    assert other is not None
    assert other < 0.5


def test_no_thumbnail_or_a_damaged_picture_gives_no_correlation() -> None:
    body = encoded(photo((400, 300)), "JPEG")
    cut = body[: int(len(body) * 0.6)] + b"\xff\xd9"
    small = encoded(photo(), "JPEG")
    assert examine(body, small).thumbnail_correlation is not None
    cases = {"ok": (body, b""), "damaged": (cut, small)}
    for status, (image, thumbnail) in cases.items():
        result = examine(image, thumbnail)
        assert (result.decode_status, result.thumbnail_correlation) == (status, None)


def test_the_stage_keeps_order_and_never_raises() -> None:
    import pyarrow as pa

    stage = Decode()
    stage.setup()
    images = pa.array([b"bad", encoded(photo())], pa.large_binary())
    none = pa.array([0, 0], pa.int64())
    names = ["asset_sha256", *Decode.inputs]
    batch = pa.RecordBatch.from_arrays([pa.array(["x", "y"]), images, none, none], names)
    result = stage.run(batch)
    assert result.column("asset_sha256").to_pylist() == ["x", "y"]
    assert result.column("decode_status").to_pylist() == ["not_an_image", "ok"]
    assert result.schema.names == ["asset_sha256", *Decode.outputs.names]
