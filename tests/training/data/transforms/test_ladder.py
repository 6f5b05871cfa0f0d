"""Pictures with defects of known strength."""

import numpy as np
import polars as pl
import pytest

from training.data.arrays import Pixels
from training.data.sampling.seeds import derive_seed
from training.data.transforms.ladder import BY_VALUE, EDITS, STRENGTHS, edited, with_rungs
from training.data.views import WholeAndNative
from training.errors import TrainingError


def picture(height: int = 96, width: int = 128, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (8, 8, 3)).astype(np.uint8)
    return np.repeat(np.repeat(coarse, height // 8, 0), width // 8, 1)


def test_each_defect_has_six_strengths_and_changes_more_at_the_last() -> None:
    pixels = picture(192, 256)
    for name, (_, strengths) in EDITS.items():
        assert len(strengths) == 6
        if name == "bad_composition":
            continue
        levels = [each for each in strengths if each > 0]
        change = [
            np.mean([
                np.abs(edited(pixels, f"{name}{level:+.4f}", str(n)).astype(float) - pixels).mean()
                for n in range(12)
            ])
            for level in levels
        ]  # fmt: skip
        assert change[-1] > 1.3 * change[0], name


def test_an_edit_is_the_same_pixels_each_time_and_another_with_another_name() -> None:
    pixels = picture()
    for name in EDITS:
        edit = f"{name}+0.6667"
        assert (edited(pixels, edit, "a") == edited(pixels, edit, "a")).all()
    noisy = edited(pixels, "noise+0.6667", "a"), edited(pixels, "noise+0.6667", "b")
    assert (noisy[0] != noisy[1]).any()


def test_pixels_that_are_looked_up_are_those_that_are_edited() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    for name, (change, _) in EDITS.items():
        if change not in BY_VALUE:
            continue
        edit = f"{name}+0.6667"
        numbers = [str(n) for n in range(8)]
        rngs = [np.random.default_rng(derive_seed(f"{n}/{edit}")) for n in numbers]
        light = np.asarray(pixels / 255, np.float32)
        expected = [np.rint(np.clip(change(light, 0.6667, rng), 0, 1) * 255) for rng in rngs]
        is_equal = [
            (edited(pixels, edit, n) == each).all()
            for n, each, rng in zip(numbers, expected, rngs, strict=True)
            if rng.random() >= 0.5  # not compressed
        ]
        assert is_equal
        assert all(is_equal)


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (8, 8), (65, 64)])
def test_edits_take_pictures_of_any_size(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    for name in EDITS:
        result = edited(pixels, f"{name}+1.0000", "a")
        assert result.dtype == np.uint8
        assert result.ndim == 3
    arrays = WholeAndNative(32).plain([WholeAndNative(32).prepare(pixels)])
    assert arrays["pictures"].shape == (1, 2, 3, 32, 32)


def test_an_unknown_edit_is_named() -> None:
    with pytest.raises(TrainingError, match="no edit 'snow"):
        edited(picture(), "snow+0.5000", "a")


def test_rows_are_made_for_every_defect_and_their_strengths_are_spread() -> None:
    index = pl.DataFrame({"asset_sha256": [f"{n:064x}" for n in range(300)], "split": "train"})
    rows = with_rungs(index, 2)
    assert len(rows) == 300 * (1 + 2 * len(EDITS))
    assert rows.filter(pl.col("edit") == "")["noise"].null_count() == 300
    noise = rows.filter(pl.col("noise").is_not_null())
    assert noise["haze"].null_count() == len(noise)
    counts = noise["noise"].value_counts()
    assert sorted(counts["noise"]) == list(STRENGTHS)
    assert counts["count"].to_numpy().min() > 60, "of 100 on average"
    assert noise.select("asset_sha256", "noise").is_unique().all()
    assert rows.equals(with_rungs(index, 2))


def test_a_wrong_exposure_may_have_more_strengths_than_the_others() -> None:
    index = pl.DataFrame({"asset_sha256": [f"{n:064x}" for n in range(5)]})
    rows = with_rungs(index, 3, exposure_rungs=6)
    assert len(rows) == 5 * (1 + 6 + 3 * (len(EDITS) - 1))
    assert rows["bad_exposure"].drop_nulls().value_counts()["count"].to_list() == [5] * 6
    fewer = with_rungs(index, 3)
    assert fewer.filter(~pl.col("edit").is_in(rows["edit"].implode())).is_empty()


def test_the_whole_is_seen_at_its_own_aspect_and_the_middle_is_native() -> None:
    pixels = picture(64, 128)
    whole, middle = WholeAndNative(32).prepare(pixels)["pictures"]
    assert (whole[:8] == whole[8:16][::-1]).all(), "the upper part of the picture, mirrored"
    assert (middle == pixels[16:48, 48:80]).all()
    assert WholeAndNative(32, seen_px=64)._seen(pixels).shape == (32, 64, 3)
