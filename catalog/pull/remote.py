"""A release that stays where it is: its index is fetched, its shards come one by one while somebody reads them."""

import asyncio
import os
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from catalog.errors import RevokedError, SafelightError
from catalog.pull.cache import CACHE_BYTES, BlobCache
from catalog.pull.offers import Offer, find_offer
from catalog.pull.pull import DatasetSettings
from catalog.pull.shard_cache import Remote, ShardCache
from catalog.pull.sources import open_source
from catalog.releases.deleted_data import INDEX
from catalog.releases.manifest import MANIFEST, ReleaseFile, release_files
from catalog.releases.release import Release
from catalog.releases.revocations import latest_advice, read_revocations, revocation_of
from catalog.workspace.files import link
from catalog.workspace.settings import load_settings
from catalog.workspace.workspace import DEFAULT_HOME, Workspace

Result = TypeVar("Result")
NOWHERE = Remote("", "", 1, 1)


@dataclass(frozen=True)
class RemoteRelease(Release):
    """A release whose shards are fetched when they are read, into a cache of at most `cache_bytes`.

    May be pickled and forked: each process fetches for itself, and all of them share the cache.
    """

    remote: Remote = NOWHERE
    cache: Path = Path()
    cache_bytes: int = CACHE_BYTES

    @property
    def may_drop_shards(self) -> bool:
        """Say that the path of a shard is good for a moment only."""
        return True

    def shard(self, name: str) -> Path:
        """Return the path of a shard, after fetching it where it is not here; raises `ReleaseError`."""
        return self._fetching.shards.path(self._files[name])

    def prefetch(self, names: Iterable[str]) -> None:
        """Begin to fetch shards that will be read soon, one after the other, as far as the cache has room for them."""
        room = self.cache_bytes
        for file in (self._files[name] for name in names):
            room -= file.bytes
            if room < 0:
                break
            self._fetching.begin(file)

    @cached_property
    def _files(self) -> dict[str, ReleaseFile]:
        return {file.path: file for file in release_files(self.manifest)}

    @property
    def _fetching(self) -> "_Fetching":
        """What fetches in this process: threads and locks do not outlive a fork."""
        own: _Fetching | None = vars(self).get("_own")
        if own is None or own.process != os.getpid():
            own = _Fetching(ShardCache(self.remote, self.cache, self.cache_bytes))
            vars(self)["_own"] = own
        return own

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_own"}


class _Fetching:
    """The shards of one process: those that are here, and those that a thread fetches in advance."""

    def __init__(self, shards: ShardCache) -> None:
        self.process = os.getpid()
        self.shards = shards
        self._coming: set[str] = set()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")

    def begin(self, file: ReleaseFile) -> None:
        """Begin to fetch a shard unless it is here or on its way."""
        if file.path not in self._coming and not self.shards.holds(file):
            self._coming.add(file.path)
            self._pool.submit(self._bring, file)

    def _bring(self, file: ReleaseFile) -> None:
        # Whoever reads the shard tries again, and raises what is wrong.
        with suppress(SafelightError, OSError):
            self.shards.path(file)
        self._coming.discard(file.path)


def open_remote(
    release: str,
    source: str,
    *,
    workspace: Workspace | str | Path | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> RemoteRelease:
    """Open a release (`name` or `name@1.2.0`) at a source as `dataset pull --from` names it, fetching its index.

    The cache is the folder `stream` in that of SAFELIGHT_CACHE, else in `cache/` of the workspace, else in that of the
    user. Raises `ReleaseNotFoundError`, `RevokedError`, `SignatureError` when [dataset] public_key asks for one, and
    `ReleaseError` when the source cannot be read.
    """
    settings, home = _settings(workspace)
    offer = _run(_find(source, release, settings))
    _check_revocations(offer, home, source)
    cache = _cache_folder(home) / "stream"
    remote = Remote(source, offer.name, settings.jobs, settings.chunk_bytes)
    name, version, digest = offer.identity
    folder = cache / "indexes" / digest / name / version
    if not (folder / MANIFEST).exists() or (folder / MANIFEST).read_bytes() != offer.raw:
        _bring_index(remote, cache, offer, folder)
    return RemoteRelease(name, version, folder, None, remote, cache, cache_bytes)


def _settings(where: Workspace | str | Path | None) -> tuple[DatasetSettings, Workspace]:
    home = where or os.environ.get("SAFELIGHT_HOME") or DEFAULT_HOME
    workspace = home if isinstance(home, Workspace) else Workspace.named(home)
    return load_settings(DatasetSettings, "dataset", workspace), workspace


async def _find(where: str, release: str, settings: DatasetSettings) -> Offer:
    async with open_source(where) as source:
        key = Path(settings.public_key) if settings.public_key else None
        return await find_offer(source, release, key)


def _check_revocations(offer: Offer, workspace: Workspace, source: str) -> None:
    """Refuse a release that its source or this workspace says is revoked."""
    revocations = [*offer.revocations, *read_revocations(workspace.releases)]
    if revocation := revocation_of(revocations, *offer.identity):
        raise RevokedError(str(latest_advice(revocations, revocation)))
    offer.require_data(source)


def _cache_folder(workspace: Workspace) -> Path:
    chosen = os.environ.get("SAFELIGHT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if workspace.home.is_dir():
        return workspace.home / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "safelight"


def _bring_index(remote: Remote, cache: Path, offer: Offer, folder: Path) -> None:
    """Fetch the index of a release and put it beside its manifest, which comes last."""
    [index] = [file for file in release_files(offer.manifest) if file.path == INDEX]
    blobs = BlobCache(cache)
    if not blobs.holds(index):
        _run(remote.fetch(blobs, index))
    folder.mkdir(parents=True, exist_ok=True)
    link(blobs.path(index.sha256), folder / INDEX)
    (folder / MANIFEST).write_bytes(offer.raw)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end in a thread of its own: a notebook has a loop that runs in this one already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
