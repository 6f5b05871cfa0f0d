from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.training.made_release import loose_release
from training.data.arrays import Arrays, Pixels
from training.data.decode import decode
from training.data.stores.pictures import SampleStore
from training.data.views.patches_and_thumbnail import PatchesAndThumbnail

VIEW = PatchesAndThumbnail(thumbnail_px=32, patch_px=32, bank=2)


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_a_store_gives_the_pictures_of_its_rows(tmp_path: Path, cache_bytes: int) -> None:
    release = loose_release(tmp_path, 12)
    index = pl.DataFrame(release.index())
    with SampleStore(release, index, VIEW, cache_bytes=cache_bytes) as store:
        batches = [np.array([3, 1]), np.array([0]), np.array([2, 3])]
        streamed = list(store.stream(batches))
        assert [rows.tolist() for rows, _ in streamed] == [[3, 1], [0], [2, 3]]
        again, first = store.sample(3), streamed[0][1][0]
        assert (again["bank"] == first["bank"]).all()
        assert np.shares_memory(again["bank"], first["bank"]) == store.caches == bool(cache_bytes)
        assert len(store) == 12


def test_samples_are_kept_only_where_all_of_them_fit(tmp_path: Path) -> None:
    release = loose_release(tmp_path, 3)
    index = pl.DataFrame(release.index())
    for cache_bytes in (3 * VIEW.sample_bytes, 3 * VIEW.sample_bytes - 1):
        with SampleStore(release, index, VIEW, cache_bytes=cache_bytes) as store:
            assert store.caches == (cache_bytes == 3 * VIEW.sample_bytes)
            assert sum(a.nbytes for a in store.sample(0).values()) <= VIEW.sample_bytes


class Remembering(PatchesAndThumbnail):
    """A view that remembers which pixels it got."""

    pixels: Pixels

    def prepare(self, pixels: Pixels) -> Arrays:
        object.__setattr__(self, "pixels", pixels)
        return super().prepare(pixels)


def test_bytes_come_unchanged_from_the_shard(tmp_path: Path) -> None:
    release = loose_release(tmp_path, 9)
    index = pl.DataFrame(release.index())
    view = Remembering(32, 32, 2)
    with SampleStore(release, index, view, cache_bytes=0) as store:
        store.sample(4)
    row = index.row(4, named=True)
    stored = release.shard(row["shard"]).read_bytes()
    body = stored[row["offset"] : row["offset"] + row["length"]]
    assert (view.pixels == decode(body)).all()
