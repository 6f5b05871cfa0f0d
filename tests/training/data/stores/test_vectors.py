"""Vectors of an encoder: the same whether one thread encodes or several, and kept."""

import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.training.made_release import loose_release
from training.data.arrays import Arrays
from training.data.stores import vectors
from training.data.stores.pictures import SampleStore
from training.data.stores.vectors import EncodedStore
from training.data.views.crops import Crops


@pytest.mark.parametrize("threads", [1, 3])
def test_each_picture_gets_its_own_vector_in_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(vectors, "AT_ONCE", 4)
    release = loose_release(tmp_path, 22)
    index = pl.DataFrame(release.index())
    at_work: list[int] = []
    lock = threading.Lock()
    running = 0

    def mean_colours(arrays: Arrays) -> NDArray[np.float32]:
        nonlocal running
        with lock:
            running += 1
            at_work.append(running)
        time.sleep(0.02 if len(at_work) % 2 else 0.001)  # they end in another order
        means = arrays["pictures"].mean(axis=(3, 4))  # (N, V, 3)
        with lock:
            running -= 1
        return means.astype(np.float32)

    with SampleStore(release, index, Crops(32, 2), cache_bytes=10**8) as pictures:
        store = EncodedStore(pictures, "colours@1", 3, tmp_path / "kept")
        assert store.fill(mean_colours, threads) == 22
        expected = mean_colours(
            pictures.view.every_variant([pictures.sample(n) for n in range(22)])
        )
        again = EncodedStore(pictures, "colours@1", 3, tmp_path / "kept")
        assert again.fill(mean_colours, threads) == 0
    for number in range(22):
        for each in (store, again):
            kept = each.sample(number)["vectors"]
            np.testing.assert_array_equal(kept, expected[number].astype(np.float16))
    assert max(at_work) <= threads
    assert (max(at_work) > 1) == (threads > 1)
