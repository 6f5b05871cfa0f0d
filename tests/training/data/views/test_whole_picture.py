"""Pictures are seen whole: their aspect is kept, nothing is cut, batches are padded and masked."""

import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from training.data.views import WholePicture

VIEW = WholePicture(480)


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        ((320, 480), (320, 480)),
        ((544, 480), (544, 480)),
        ((720, 480), (720, 480)),
        ((480, 320), (480, 320)),  # narrower pictures are not enlarged
        ((2000, 3000), (320, 480)),
        ((3000, 2000), (720, 480)),
        ((9000, 900), (1440, 144)),
    ],
)
def test_the_width_is_480_px_at_most_and_the_aspect_is_kept(
    stored: tuple[int, int], seen: tuple[int, int]
) -> None:
    assert VIEW.size_of(*stored) == seen


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_any_size_has_a_sample_within_its_memory(height: int, width: int) -> None:
    h, w = VIEW.size_of(height, width)
    assert 1 <= w <= 480
    assert 3 * h * w <= VIEW.sample_bytes
    if min(h, w) > 40:
        assert h / w == pytest.approx(height / width, rel=0.03)


def test_the_corners_of_a_picture_are_seen() -> None:
    pixels = np.zeros((600, 960, 3), np.uint8)
    pixels[:40, :40], pixels[-40:, -40:] = 255, 200
    picture = VIEW.prepare(pixels)["picture"]
    assert picture.shape == (300, 480, 3)
    assert picture[5, 5].min() > 250
    assert abs(int(picture[-5, -5, 0]) - 200) < 5


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P"])
def test_files_of_every_mode_become_a_sample(mode: str) -> None:
    out = io.BytesIO()
    picture = Image.new("RGB", (33, 47), (200, 10, 10)).convert(mode)
    picture.save(out, "JPEG" if mode in {"RGB", "L", "CMYK"} else "PNG")
    assert VIEW.from_bytes(out.getvalue(), "file")["picture"].shape == (47, 33, 3)


def test_a_batch_is_padded_with_zeros_outside_of_its_mask() -> None:
    samples = [VIEW.prepare(np.full(size, 9, np.uint8)) for size in ((40, 60, 3), (50, 30, 3))]
    batch = VIEW.plain(samples)
    assert batch["pictures"].shape == (2, 3, 50, 60)
    assert batch["mask"].sum(axis=(1, 2, 3)).tolist() == [40 * 60, 50 * 30]
    assert np.array_equal(batch["pictures"], 9 * np.repeat(batch["mask"], 3, axis=1))


def test_training_mirrors_pictures_and_does_nothing_else() -> None:
    rng = np.random.default_rng(0)
    sample = VIEW.prepare(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    plain = VIEW.plain([sample])["pictures"]
    seen = [VIEW.augment([sample], [np.random.default_rng(n)])["pictures"] for n in range(16)]
    mirrored = [np.array_equal(each, plain[..., ::-1]) for each in seen]
    same = [np.array_equal(each, plain) for each in seen]
    assert all(one or other for one, other in zip(mirrored, same, strict=True))
    assert any(mirrored)
    assert any(same)


def test_memory_is_counted_by_the_sides_that_a_sample_has() -> None:
    view = WholePicture(480)
    index = pl.DataFrame({"height": [720, 30, None], "width": [960, 40, 640]})
    samples = [view.prepare(np.zeros((h, w, 3), np.uint8)) for h, w in index.rows()[:2]]
    kept = sum(each["picture"].nbytes for each in samples)
    assert view.bytes_of(index) == kept + view.sample_bytes
