"""`safelight.loader`: what a batch is, on one rank and several, and what becomes of pictures that cannot be decoded."""

import gc
import logging
import subprocess
import sys
from collections import Counter
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import safelight
from catalog import ReleaseNotFoundError, UsageError, Workspace
from tests.factories import jpeg
from tests.training.data.conftest import N, Published, publish_bodies
from training.data.loader import Loader, default_threads
from training.errors import UndecodablePictureError


def open_loader(published: Published, **options: Any) -> Loader:
    given = {"size": 24, "batch_size": 8, "threads": 2, "workspace": published.home} | options
    name = given.pop("name", "pets@1.0.0")
    return safelight.loader(name, **given)


def ids_of(loader: Loader) -> list[str]:
    return [
        name
        for batch in loader
        for name, counts in zip(batch["id"], batch["mask"], strict=True)
        if counts
    ]


def test_a_batch_holds_pictures_labels_and_masks(published: Published) -> None:
    with open_loader(
        published, split="train", labels=["breed", "iso"], columns=["camera", "width"]
    ) as loader:
        rows = {row["asset_sha256"]: row for row in loader.index.iter_rows(named=True)}
        batches = list(loader)
        classes = loader.classes["breed"]
    assert [len(batch["id"]) for batch in batches] == [8, 8, 8, 1]
    assert len(loader) == 4
    assert {name for batch in batches for name in batch["id"]} == set(rows)
    for batch in batches:
        n = len(batch["id"])
        assert batch["image"].shape == (n, 3, 24, 24)
        assert batch["image"].dtype == torch.uint8
        assert batch["image"].is_contiguous(memory_format=torch.channels_last)
        assert batch["mask"].all()
        for i, name in enumerate(batch["id"]):
            row = rows[name]
            picture = Image.open(BytesIO(published.bodies[name])).convert("RGB")
            expected = np.asarray(ImageOps.fit(picture, (24, 24), Image.Resampling.BILINEAR))
            image = batch["image"][i].permute(1, 2, 0).numpy()
            assert np.abs(image.astype(int) - expected).mean() < 12
            assert batch["breed_mask"][i].item() == (row["breed"] is not None)
            assert not row["breed"] or classes[batch["breed"][i]] == row["breed"]
            assert batch["iso"][i].item() == (row["iso"] or 0.0)
            assert batch["iso_mask"][i].item() == (row["iso"] is not None)
            assert batch["camera"][i] == row["camera"]
            assert batch["width"][i].item() == row["width"]


def test_each_iteration_is_an_epoch_of_its_own(published: Published) -> None:
    with open_loader(published) as loader:
        epochs = []
        for epoch in range(3):
            assert loader.epoch == epoch
            epochs.append(ids_of(loader))
        assert all(sorted(ids) == sorted(published.bodies) for ids in epochs)
        assert len({tuple(ids) for ids in epochs}) == 3
        loader.set_epoch(1)
        assert ids_of(loader) == epochs[1]
        next(iter(loader))  # a look at the first batch is an iteration, too
        assert ids_of(loader) != epochs[2]
        assert loader.epoch == 4


def test_the_order_is_that_of_any_number_of_threads_and_ranks(published: Published) -> None:
    with open_loader(published, threads=1) as loader:
        expected = ids_of(loader)
    with open_loader(published, threads=5, prefetch=7, batch_size=3) as loader:
        assert ids_of(loader) == expected
    for world_size, batch_size in ((2, 8), (3, 5), (7, 4)):
        ranks = [
            open_loader(published, rank=rank, world_size=world_size, batch_size=batch_size)
            for rank in range(world_size)
        ]
        steps = list(zip(*(list(loader) for loader in ranks), strict=True))
        for step in steps:
            assert len({batch["image"].shape for batch in step}) == 1
        given = [
            name
            for step in steps
            for batch in step
            for name, counts in zip(batch["id"], batch["mask"], strict=True)
            if counts
        ]
        assert given == expected
        for loader in ranks:
            assert len(loader) == len(steps)
            loader.close()


def test_what_pads_counts_nowhere(published: Published) -> None:
    with open_loader(published, rank=2, world_size=3, batch_size=13, labels=["score"]) as loader:
        last = list(loader)[-1]
    assert last["mask"].tolist() == [False]
    assert last["score_mask"].tolist() == [False]
    with open_loader(published, world_size=3, batch_size=13, drop_last=True) as loader:
        assert [len(batch["id"]) for batch in loader] == [13]


def test_rank_and_world_size_are_those_of_the_environment(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_loader(published) as loader:
        expected = ids_of(loader)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with open_loader(published) as loader:
        assert len(loader) == 3
        assert next(iter(loader))["id"] == expected[8:16]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    assert default_threads() == 1
    monkeypatch.setenv("RANK", "one")
    with pytest.raises(UsageError, match="RANK=one"):
        open_loader(published)


def test_random_pixels_do_not_depend_on_threads_ranks_or_batches(published: Published) -> None:
    options = {"crop": "random", "flip": True, "sampler": "balanced", "epoch_size": 60}

    def pictures(**more: Any) -> list[bytes]:
        with open_loader(published, **(options | more)) as loader:
            return [image.numpy().tobytes() for batch in loader for image in batch["image"]]

    expected = pictures()
    assert pictures(threads=4, batch_size=7) == expected
    assert pictures(world_size=2, batch_size=4)[:4] == expected[:4]
    assert pictures(seed=1) != expected
    assert len(set(expected)) > N  # a picture that comes twice is cut anew


def test_batches_that_are_kept_stay_as_they_are(published: Published) -> None:
    with open_loader(published, size=16) as loader:
        kept = [(batch["image"], batch["image"].clone()) for batch in loader]
        kept += [(batch["image"], batch["image"].clone()) for batch in loader]
        assert all((image == copy).all() for image, copy in kept)
        assert len({image.data_ptr() for image, _ in kept}) == 10
        assert len(loader._ring) >= 10
    with open_loader(published, size=16, batch_size=2) as loader:
        for _ in range(3):
            for batch in loader:
                assert batch["image"].shape == (2, 3, 16, 16)
        assert len(loader._ring) <= 5  # ahead, in the loop, and the one that is being made


def test_buckets_give_batches_of_one_shape_each(workspace: Workspace) -> None:
    sizes = [(160, 80)] * 5 + [(80, 160)] * 6 + [(96, 96)] * 7
    bodies = [jpeg(size=size, seed=seed) for seed, size in enumerate(sizes)]
    shapes = publish_bodies(workspace, "shapes", bodies)
    with open_loader(shapes, name="shapes", sampler="buckets", size=48, batch_size=4) as loader:
        batches = list(loader)
        assert len(batches) == len(loader)
    assert Counter(batch["image"].shape[2:] for batch in batches) == {
        (32, 64): 2, (64, 32): 2, (48, 48): 2,
    }  # fmt: skip
    assert sum(int(batch["mask"].sum()) for batch in batches) == len(sizes)
    with open_loader(
        shapes, name="shapes", sampler="buckets", size=48, batch_size=4, rank=1, world_size=4
    ) as loader:
        assert [batch["image"].shape[0] for batch in loader] == [4, 4]
    with (
        open_loader(
            shapes, name="shapes", sampler="buckets", size=48, batch_size=40, drop_last=True
        ) as loader,
        pytest.raises(UsageError, match="no bucket has 40 pictures"),
    ):
        next(iter(loader))


@pytest.fixture(scope="module")
def damaged(published: Published) -> Published:
    """Twelve pictures; two of them are not pictures at all."""
    bodies = [jpeg(seed=seed, size=(64, 48)) for seed in range(10)] + [b"not one", b"nor this"]
    return publish_bodies(published.workspace, "damaged", bodies)


def test_a_bad_picture_is_replaced_by_the_same_one_everywhere(
    damaged: Published, caplog: pytest.LogCaptureFixture
) -> None:
    def given(**options: Any) -> tuple[list[str], list[Any]]:
        with open_loader(damaged, name="damaged", batch_size=4, **options) as loader:
            return [name for batch in loader for name in batch["id"]], loader.bad

    with caplog.at_level(logging.WARNING):
        ids, bad = given(threads=1)
    logged = [record for record in caplog.records if "cannot be decoded" in record.message]
    assert len(logged) == len(bad) == 2
    again, bad_again = given(threads=4)
    assert again == ids
    assert {each.id: each for each in bad} == {each.id: each for each in bad_again}
    order = {each.id: each.replaced_by for each in bad}
    assert all(name not in order for name in ids)
    assert len(ids) == 12
    assert Counter(ids) == Counter([*(set(damaged.bodies) - set(order)), *order.values()])
    assert all(each.shard.startswith("data/") for each in bad)
    assert all(each.id[:8] in each.reason for each in bad)


def test_a_bad_picture_is_masked_or_ends_the_epoch(damaged: Published) -> None:
    with open_loader(
        damaged, name="damaged", sampler="sequential", on_bad="mask", labels=["score"]
    ) as loader:
        batches = list(loader)
        bad = {each.id for each in loader.bad}
        assert {each.replaced_by for each in loader.bad} == {None}
    for batch in batches:
        for i, name in enumerate(batch["id"]):
            assert batch["mask"][i].item() == batch["score_mask"][i].item() == (name not in bad)
            assert batch["image"][i].any() == (name not in bad)
    assert len(bad) == 2
    with (
        open_loader(damaged, name="damaged", on_bad="raise") as loader,
        pytest.raises(UndecodablePictureError, match="cannot be decoded"),
    ):
        list(loader)


def test_pictures_that_are_all_bad_are_an_error(workspace: Workspace) -> None:
    nothing = publish_bodies(workspace, "nothing", [b"a", b"b"])
    with (
        open_loader(nothing, name="nothing") as loader,
        pytest.raises(UndecodablePictureError),
    ):
        list(loader)


def test_one_iteration_runs_at_a_time_and_none_after_the_end(published: Published) -> None:
    with open_loader(published) as loader:
        first = iter(loader)
        next(first)
        second = iter(loader)
        next(second)
        with pytest.raises(UsageError, match="one runs at a time"):
            next(first)
        assert len(next(second)["id"]) == 8
    with pytest.raises(UsageError, match="this loader is closed"):
        next(iter(loader))


def test_threads_end_with_the_loader(published: Published) -> None:
    loader = open_loader(published, threads=3)
    next(iter(loader))
    pool = loader._filler._pool
    del loader
    gc.collect()
    assert not any(thread.is_alive() for thread in pool._threads)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"threads": 0}, "threads must be 1 or more"),
        ({"rank": 2, "world_size": 2}, "rank 2 is not below world_size 2"),
        ({"crop": "middle"}, "crop 'middle' does not exist"),
        ({"on_bad": "skip"}, "on_bad 'skip' does not exist"),
        ({"size": 0}, "has no pixel"),
        ({"labels": ["bred"]}, "did you mean breed?"),
        ({"where": "iso < 0"}, "no picture of pets@1.0.0 fits"),
    ],
)
def test_what_is_impossible_is_refused(
    published: Published, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        open_loader(published, **options)


def test_too_few_pictures_for_a_batch_are_an_error(published: Published) -> None:
    with (
        open_loader(published, batch_size=30, world_size=2, drop_last=True) as loader,
        pytest.raises(UsageError, match="40 pictures are no whole batch on each rank"),
    ):
        next(iter(loader))
    with pytest.raises(ReleaseNotFoundError):
        open_loader(published, name="nothing-such")


@pytest.mark.slow  # a process with torch
def test_the_first_batch_waits_for_no_library_that_it_does_not_need(published: Published) -> None:
    script = f"""
import sys, safelight
options = dict(size=24, batch_size=8, labels=["breed", "iso"], workspace={published.home!r})
with safelight.loader("pets@1.0.0", "train", **options) as loader:
    next(iter(loader))
print(sorted({{"pandas", "polars", "duckdb", "tenacity", "filelock", "httpx"}} & {{*sys.modules}}))
"""
    words = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
