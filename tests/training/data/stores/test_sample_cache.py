from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, strategies as st

from training.data.arrays import Arrays
from training.data.samples import ArrayRows, stacked
from training.data.sampling.seeds import RowRngs
from training.data.stores.sample_cache import SampleCache
from training.data.views.aligned_faces import AlignedFaces
from training.data.views.base import View
from training.data.views.crops import Crops
from training.data.views.crops_and_patches import CropsAndPatches
from training.data.views.patches_and_thumbnail import PatchesAndThumbnail
from training.data.views.small_pictures import SmallPictures
from training.data.views.whole_and_native import WholeAndNative
from training.data.views.whole_picture import WholePicture

N_ROWS = 12
VIEWS: tuple[View, ...] = (
    Crops(16, 4),
    CropsAndPatches(16, 2, patch_px=16, bank=2),
    SmallPictures(16),
    WholeAndNative(16, 32, patch_px=16, bank=2),
    PatchesAndThumbnail(thumbnail_px=16, patch_px=16, bank=4),
    WholePicture(24),
)


def numbers(row: int, n: int = 3) -> Arrays:
    return {"numbers": np.full((n, 2), row, np.float32), "mark": np.array([row])}


def filled(samples: Sequence[Arrays]) -> SampleCache:
    cache = SampleCache(len(samples), 10**7)
    cache.add(dict(enumerate(samples)))
    return cache


def assert_same(one: Arrays, other: Arrays) -> None:
    """Compare values, types and the order in memory, on which the rounding of a convolution depends."""
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        assert array.strides == other[name].strides
        np.testing.assert_array_equal(array, other[name])


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.kind)
def test_a_batch_from_memory_is_that_of_single_samples(view: View) -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (64, 72, 3), dtype=np.uint8) for _ in range(N_ROWS)]
    samples, shas = [view.prepare(each) for each in pictures], [str(n) for n in range(N_ROWS)]
    cache, rows = filled(samples), rng.permutation(N_ROWS)[:7]
    together, alone = cache.samples(rows), [samples[row] for row in rows]
    assert isinstance(together, ArrayRows)
    rngs = RowRngs(0, 1, shas, rows)
    assert_same(view.plain(together), view.plain(alone))
    assert_same(view.augment(together, rngs), view.augment(alone, rngs))
    assert_same(view.every_variant(together), view.every_variant(alone))


def test_all_variants_of_faces_are_stacked_in_one_copy() -> None:
    view, rng = AlignedFaces(8, 8, variants=3), np.random.default_rng(2)
    samples = [{"pictures": rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)} for _ in range(4)]
    together = filled(samples).samples(np.array([2, 0]))
    assert_same(view.every_variant(together), view.every_variant([samples[2], samples[0]]))


@given(st.lists(st.integers(0, N_ROWS - 1), min_size=1), st.integers(0, N_ROWS - 1))
def test_rows_of_arrays_are_a_sequence_of_their_samples(rows: list[int], cut: int) -> None:
    samples = filled([numbers(row) for row in range(N_ROWS)]).samples(np.array(rows))
    assert [each["mark"].item() for each in samples] == rows
    assert [each["mark"].item() for each in samples[cut:]] == rows[cut:]
    assert samples[-1]["mark"].item() == rows[-1]
    assert stacked(samples, "mark")[:, 0].tolist() == rows


@given(st.permutations(range(N_ROWS)), st.integers(1, N_ROWS), st.sets(st.integers(0, N_ROWS - 1)))
def test_samples_of_any_shapes_come_back(order: list[int], size: int, longer: set[int]) -> None:
    cache = SampleCache(N_ROWS, 10**6)
    made = {row: numbers(row, 4 if row in longer else 3) for row in order}
    for start in range(0, N_ROWS, size):
        part = order[start : start + size]
        assert cache.missing(np.arange(N_ROWS)).tolist() == sorted(order[start:])
        early = cache.samples(np.array(order[:start])) if start else []
        cache.add({row: made[row] for row in part})
        for row, sample in zip(order, early, strict=False):
            assert_same(sample, made[row])
    assert not len(cache.missing(np.arange(N_ROWS)))
    for row, sample in enumerate(cache.samples(np.arange(N_ROWS))):
        assert_same(sample, made[row])
    assert isinstance(cache.samples(np.arange(2)), ArrayRows) == (len(longer) in (0, N_ROWS))


def test_pieces_of_larger_arrays_lie_together() -> None:
    whole = [np.random.default_rng(row).integers(0, 256, (9, 9, 3)) for row in range(3)]
    cut = [{"picture": pixels[2:5, 3:7]} for pixels in whole]
    samples = filled(cut).samples(np.array([2, 0]))
    assert isinstance(samples, ArrayRows)
    expected = np.stack([cut[2]["picture"], cut[0]["picture"]])
    assert_same({"picture": stacked(samples, "picture")}, {"picture": expected})


def test_arrays_in_another_order_of_memory_keep_it() -> None:
    turned = [{"picture": np.moveaxis(np.full((2, 3, 4), row), -1, 0)} for row in range(3)]
    samples = filled(turned).samples(np.array([2, 0]))
    assert_same(samples[0], turned[2])
    assert stacked(samples, "picture").strides == np.stack([t["picture"] for t in turned]).strides


@pytest.mark.parametrize("rows_that_fit", [N_ROWS, N_ROWS - 1])
def test_arrays_of_all_rows_are_made_only_where_they_fit(rows_that_fit: int) -> None:
    sample = numbers(0)
    cache = SampleCache(N_ROWS, rows_that_fit * sum(each.nbytes for each in sample.values()))
    cache.add({5: sample})
    assert isinstance(cache.samples(np.array([5])), ArrayRows) == (rows_that_fit == N_ROWS)
    assert_same(cache.samples(np.array([5]))[0], sample)


def test_threads_may_add_samples_at_once() -> None:
    cache, n = SampleCache(400, 10**6), 400
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: cache.add({row: numbers(row, 3 + (row > 300))}), range(n)))
    assert [sample["mark"].item() for sample in cache.samples(np.arange(n))] == list(range(n))
    assert cache.get(399) is not None
