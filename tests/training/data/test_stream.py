"""Releases that are somewhere else: fetched shard by shard while they are read, into a cache that stays bounded."""

import json
import pickle
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from torch.utils.data import DataLoader

import safelight
from catalog import ReleaseError, ReleaseNotFoundError, UsageError, Workspace
from catalog.errors import RevokedError
from catalog.pull import backoff
from catalog.releases.revocations import revoke
from tests.catalog.release_site import ReleaseSite, serving
from tests.training.data.conftest import N, Published
from training.data.loader import Loader


@pytest.fixture
def site(published: Published) -> Iterator[ReleaseSite]:
    with serving(published.workspace) as served:
        yield served


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAFELIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.01)
    return tmp_path / "cache" / "stream"


def open_stream(source: str, tmp_path: Path, **options: Any) -> Loader:
    given = {"size": 12, "batch_size": 4, "workspace": tmp_path / "none"} | options
    return safelight.loader("pets", source=source, **given)


def ids_of(loader: Loader) -> list[str]:
    return [name for batch in loader for name in batch["id"]]


def held(cache: Path) -> int:
    """Return the bytes of the shards in the cache."""
    return sum(path.stat().st_size for path in (cache / "sha256").glob("*/*"))


def shard_bytes(published: Published) -> list[int]:
    return [shard["bytes"] for shard in published.release.manifest["shards"]]


def test_a_stream_gives_what_the_release_gives_here(
    site: ReleaseSite, published: Published, cache: Path, tmp_path: Path
) -> None:
    options = {"labels": ["breed"], "where": "iso > 200", "split": "train", "crop": "random"}
    with open_stream(site.url, tmp_path, **options) as stream:
        assert stream.selection.release.digest == published.release.digest
        streamed = [
            (*batch["id"], batch["image"].sum(), batch["breed"].tolist()) for batch in stream
        ]
    with safelight.loader(
        "pets", size=12, batch_size=4, sampler="block", workspace=published.home, **options
    ) as here:
        assert streamed == [
            (*batch["id"], batch["image"].sum(), batch["breed"].tolist()) for batch in here
        ]
    assert not (tmp_path / "none").exists()


def test_shards_come_one_by_one_and_once(
    site: ReleaseSite, published: Published, cache: Path, tmp_path: Path
) -> None:
    with open_stream(site.url, tmp_path, threads=1, prefetch=1) as stream:
        assert held(cache) < sum(shard_bytes(published)) / 2  # the index, and no shard
        next(iter(stream))
        assert len(site.blob_bytes) < len(shard_bytes(published)) / 2
        assert sorted(ids_of(stream)) == sorted(published.bodies)
        fetched = sum(site.blob_bytes.values())
        assert ids_of(stream)
        assert sum(site.blob_bytes.values()) == fetched
    index = next(f for f in published.release.manifest["files"] if f["path"] == "_index.parquet")
    assert fetched == sum(shard_bytes(published)) + index["bytes"]


def test_the_cache_stays_within_its_bound(
    site: ReleaseSite, published: Published, cache: Path, tmp_path: Path
) -> None:
    bound = 3 * max(shard_bytes(published))
    assert bound < sum(shard_bytes(published)) / 2
    largest, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal largest
        while not ended.wait(0.002):
            largest = max(largest, held(cache))

    for sampler in ("block", "uniform"):
        with open_stream(site.url, tmp_path, cache_bytes=bound, sampler=sampler) as stream:
            watcher = threading.Thread(target=watch)
            watcher.start()
            assert sorted(ids_of(stream)) == sorted(published.bodies)
            ended.set()
            watcher.join()
            ended.clear()
    assert 0 < largest <= bound
    fetched = sum(site.blob_bytes.values())
    assert fetched > sum(shard_bytes(published))  # what was dropped came again


def test_a_cache_smaller_than_a_shard_is_refused(
    site: ReleaseSite, published: Published, cache: Path, tmp_path: Path
) -> None:
    with (
        open_stream(site.url, tmp_path, cache_bytes=1000) as stream,
        pytest.raises(UsageError, match="cache_bytes=1000 is less than one shard"),
    ):
        next(iter(stream))


def test_a_position_of_a_stream_is_that_of_the_release_here(
    site: ReleaseSite, published: Published, cache: Path, tmp_path: Path
) -> None:
    with open_stream(site.url, tmp_path) as stream:
        whole = ids_of(stream)
        stream.set_epoch(0)
        next(iter(stream))
        state = json.loads(json.dumps(stream.state_dict()))
    with safelight.loader(
        "pets", size=12, batch_size=6, sampler="block", workspace=published.home
    ) as here:
        here.load_state_dict(state)
        assert ids_of(here) == whole[4:]


def test_a_source_that_fails_for_a_while_is_asked_again(
    site: ReleaseSite, published: Published, cache: Path, tmp_path: Path
) -> None:
    failures = iter(range(4))

    def trouble(request: web.Request) -> web.StreamResponse | None:
        if request.path.startswith("/blobs/") and next(failures, None) is not None:
            return web.Response(status=503)
        return None

    site.trouble = trouble
    with open_stream(site.url, tmp_path) as stream:
        assert sorted(ids_of(stream)) == sorted(published.bodies)


def test_damaged_and_missing_shards_end_the_epoch(
    site: ReleaseSite, published: Published, cache: Path, tmp_path: Path
) -> None:
    shards = {shard["sha256"] for shard in published.release.manifest["shards"]}

    def trouble(request: web.Request) -> web.StreamResponse | None:
        is_shard = request.path.rpartition("/")[2] in shards
        return web.Response(status=404) if is_shard else None

    site.trouble = trouble
    with (
        open_stream(site.url, tmp_path) as stream,
        pytest.raises(ReleaseError, match="404"),
    ):
        ids_of(stream)


def test_a_revoked_or_missing_release_is_not_streamed(
    published: Published, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(published.workspace.home, tmp_path / "origin")
    origin = Workspace.at(tmp_path / "origin")
    release = published.release
    revoke(origin, (release.name, release.version, release.digest), "wrong labels")
    with serving(origin) as site:
        with pytest.raises(RevokedError, match=r"was revoked .*: wrong labels"):
            open_stream(site.url, tmp_path)
        with pytest.raises(ReleaseNotFoundError):
            safelight.dataset("nothing", source=site.url)
    with pytest.raises(ReleaseError, match="there is no such folder"):
        open_stream(str(tmp_path / "nowhere"), tmp_path)


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
def test_a_data_set_is_streamed_by_the_workers_of_torch(
    published: Published, cache: Path, context: str
) -> None:
    source = str(published.workspace.home)  # a folder is a source, too
    pets = safelight.dataset("pets", source=source, decode=False, transform=len)
    assert pets[0]["image"] == len(published.bodies[pets[0]["id"]])
    loader = DataLoader(pets, num_workers=2, batch_size=5, multiprocessing_context=context)
    assert sorted(name for batch in loader for name in batch["id"]) == sorted(published.bodies)
    assert len(pickle.loads(pickle.dumps(pets))) == N
