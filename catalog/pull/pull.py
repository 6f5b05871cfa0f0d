"""Pull a release into a workspace: only what is missing, from many byte ranges at once, whole or not at all.

What was finished before a kill is in the cache (see blob_cache.py) and not fetched again. The release folder appears by
one rename when all its files are there; they are hard links of the cache, so two versions that share shards share
the disk too. A pull of some splits writes `partial.json`; a later pull of more adds to the folder.
"""

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from catalog.errors import BusyError, ReleaseError, RevokedError
from catalog.number_formats import format_bytes
from catalog.pull.cache import BlobCache
from catalog.pull.fetching import Fetcher
from catalog.pull.lockfile import Locked, check_locked
from catalog.pull.offers import Offer, find_offer
from catalog.pull.sources import ReleaseSource, open_source
from catalog.releases.deleted_data import deleted_data
from catalog.releases.index import release_folders
from catalog.releases.manifest import (
    MANIFEST,
    PARTIAL,
    SIGNATURE,
    SUMS,
    ReleaseFile,
    chosen,
    release_files,
    sums,
)
from catalog.releases.revocations import (
    Revocation,
    latest_advice,
    merge_revocations,
    read_revocations,
    revocation_of,
)
from catalog.workspace.files import folder_aside, link, settle, sha256_file, write_text
from catalog.workspace.progress import progress_task
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

SPARE_BYTES = 64 * 2**20
LOCK_WAIT_S = 2.0


@dataclass(frozen=True)
class DatasetSettings:
    """Section `[dataset]` of safelight.toml: where pulls read from, whom they trust, how hard they pull."""

    source: str = ""
    public_key: str = ""
    jobs: int = 4
    chunk_bytes: int = 8 * 2**20


@dataclass(frozen=True)
class PullOrder:
    """What to pull: `name` or `name@version` from a source; `splits` None means all."""

    wanted: str
    source: str
    splits: tuple[str, ...] | None = None
    public_key: Path | None = None
    accept_revoked: bool = False
    repair: bool = False
    jobs: int = 4
    chunk_bytes: int = 8 * 2**20
    locked: tuple[Locked, ...] = ()


@dataclass(frozen=True)
class Pulled:
    """What a pull did; `notes` are warnings for people."""

    name: str
    version: str
    digest: str
    path: Path
    splits: tuple[str, ...] | None
    shards: int
    shards_here: int
    fetched_bytes: int
    notes: tuple[str, ...] = field(default=())


def cache_folder(workspace: Workspace) -> Path:
    """Return the folder of the content-addressed cache: SAFELIGHT_CACHE, else `cache/` of the workspace."""
    return Path(os.environ.get("SAFELIGHT_CACHE") or workspace.home / "cache").expanduser()


def pull(workspace: Workspace, order: PullOrder) -> Pulled:
    """Bring a release into the workspace and check every byte of it.

    Raises `RevokedError`, `SignatureError`, `LockedError`, `BusyError` when another pull is at work in this cache, and
    `ReleaseError` when bytes are wrong, the disk is too small or another release has this name and version.
    """
    return asyncio.run(_Pull(workspace, order).run())


class _Pull:
    """One pull at work."""

    def __init__(self, workspace: Workspace, order: PullOrder) -> None:
        self._workspace = workspace
        self._releases = workspace.releases
        self._order = order
        self._notes: list[str] = []

    async def run(self) -> Pulled:
        """Choose, then fetch: a pull that is refused leaves nothing behind in a new workspace."""
        async with open_source(self._order.source) as source:
            offer = await self._choose(source)
            self._select(offer, self._releases / offer.name)
            self._workspace.make()
            self._learn(offer.revocations)
            self._cache = BlobCache(cache_folder(self._workspace))
            with self._alone():
                return await self._bring(source, offer)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the cache; raises `BusyError`."""
        try:
            with FileLock(self._cache.folder / "pull.lock").acquire(timeout=LOCK_WAIT_S):
                yield
        except Timeout as error:
            raise BusyError(f"the cache {self._cache.folder}", LOCK_WAIT_S) from error

    async def _bring(self, source: ReleaseSource, offer: Offer) -> Pulled:
        folder = self._releases / offer.name
        wanted, splits = self._select(offer, folder)
        missing = [f for f in wanted if not self._is_there(folder / f.path, f)]
        here = self._take_what_lies_here(missing)
        fetched = await self._fetch(source, offer, [f for f in missing if f not in here])
        self._assemble(offer, folder, wanted, splits)
        shards = [f for f in wanted if f.split]
        new = len([f for f in missing if f.split and f not in here])
        log.info("pulled %s: %d bytes of %d shards", offer.spoken, fetched, new)
        return Pulled(
            name=offer.manifest["name"],
            version=offer.manifest["version"],
            digest=offer.manifest["digest"],
            path=folder,
            splits=splits,
            shards=len(shards),
            shards_here=len(shards) - new,
            fetched_bytes=fetched,
            notes=tuple(self._notes),
        )

    async def _choose(self, source: ReleaseSource) -> Offer:
        """Find the release, and refuse it when it is revoked, not signed as asked or not the locked one."""
        offer = await find_offer(source, self._order.wanted, self._order.public_key)
        name, version, digest = offer.identity
        if self._releases.is_dir():
            self._learn(offer.revocations, besides=(name, version))
        self._check_revocations(offer)
        check_locked(self._order.locked, name, version, digest)
        return offer

    def _learn(
        self, revocations: Sequence[Revocation], besides: tuple[str, str] = ("", "")
    ) -> None:
        """Keep what the source has revoked, and warn of what is here of it, `besides` what is pulled."""
        here = {(p.parent.name, p.name) for p in release_folders(self._releases)} - {besides}
        for each in merge_revocations(self._releases, revocations):
            if (each.dataset, each.version) in here:
                self._notes.append(f"you have a revoked release here: {each}")

    def _check_revocations(self, offer: Offer) -> None:
        """Refuse the release when its source or this home says that it was revoked."""
        revocations = [*offer.revocations, *read_revocations(self._releases)]
        if revocation := revocation_of(revocations, *offer.identity):
            self._refuse(latest_advice(revocations, revocation), has_data=offer.has_data)
        elif deleted := deleted_data(self._releases, *offer.identity):
            self._warn_or_refuse(str(deleted))
        else:
            offer.require_data(self._order.source)

    def _refuse(self, revoked: Revocation, *, has_data: bool) -> None:
        """Raise `RevokedError`, unless a revoked release is accepted and the source still has its pictures."""
        if not has_data:
            raise RevokedError(
                f"{revoked}. A takedown has deleted its pictures at {self._order.source}, so it cannot be pulled"
            )
        self._warn_or_refuse(str(revoked))

    def _warn_or_refuse(self, why: str) -> None:
        if not self._order.accept_revoked:
            raise RevokedError(f"{why}. To pull it all the same, add --accept-revoked")
        self._notes.append(why)

    def _select(
        self, offer: Offer, folder: Path
    ) -> tuple[list[ReleaseFile], tuple[str, ...] | None]:
        """List the files that the folder shall hold, and the splits if not all."""
        all_splits = tuple(offer.manifest["splits"])
        splits = self._order.splits
        if splits and (strange := sorted(set(splits) - set(all_splits))):
            raise ReleaseError(
                f"{offer.spoken} has no split {', '.join(strange)}; it has {', '.join(all_splits)}"
            )
        if (folder / MANIFEST).exists():
            if (folder / MANIFEST).read_bytes() != offer.raw:
                raise ReleaseError(
                    f"another release lies in {folder}: same name and version, other manifest. "
                    "Move it away, or pull into another workspace with --to"
                )
            held = _held_splits(folder)
            splits = None if held is None or splits is None else tuple({*held, *splits})
        files = chosen(release_files(offer.manifest), splits)
        if splits is not None:
            splits = (
                None
                if set(splits) == set(all_splits)
                else tuple(sorted(splits, key=all_splits.index))
            )
        return files, splits

    def _is_there(self, path: Path, file: ReleaseFile) -> bool:
        if not path.exists() or path.stat().st_size != file.bytes:
            return False
        return not self._order.repair or sha256_file(path) == file.sha256

    def _take_what_lies_here(self, missing: Collection[ReleaseFile]) -> set[ReleaseFile]:
        """Find files in the cache and in other releases of this workspace, by their SHA-256."""
        missing_sums = {f.sha256 for f in missing if not self._cache.path(f.sha256).exists()}
        elsewhere: dict[str, Path] = {}
        for folder in release_folders(self._releases) if missing_sums else ():
            manifest = json.loads((folder / MANIFEST).read_bytes())
            for entry in (*manifest.get("shards", ()), *manifest.get("files", ())):
                if entry["sha256"] in missing_sums and (folder / entry["path"]).is_file():
                    elsewhere[entry["sha256"]] = folder / entry["path"]
        return {
            f
            for f in missing
            if self._cache.holds(f)
            or (f.sha256 in elsewhere and self._cache.adopt(f, elsewhere[f.sha256]))
        }

    async def _fetch(self, source: ReleaseSource, offer: Offer, files: list[ReleaseFile]) -> int:
        parts = [self._cache.part(file) for file in {f.sha256: f for f in files}.values()]
        needed = sum(part.file.bytes for part in parts)
        here = sum(part.held_bytes for part in parts)
        self._check_room(needed - here)
        fetcher, fetched = Fetcher(source, offer.name, self._order.jobs, self._order.chunk_bytes), 0

        def count(n: int) -> None:
            nonlocal fetched
            fetched += n
            task.advance(n)

        with progress_task(offer.spoken, needed, "bytes") as task:
            task.update(completed=here)
            for part in parts:
                await fetcher.fetch(self._cache, part, count)
        return fetched

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._cache.folder).free
        if free < needed + SPARE_BYTES:
            raise ReleaseError(
                f"{format_bytes(needed)} are to come, but only {format_bytes(free)} are free at "
                f"{self._cache.folder}; make room or set SAFELIGHT_CACHE to a larger disk"
            )

    def _assemble(
        self,
        offer: Offer,
        folder: Path,
        files: Collection[ReleaseFile],
        splits: tuple[str, ...] | None,
    ) -> None:
        if (folder / MANIFEST).exists():
            self._complete(offer, folder, files, splits)
            return
        with folder_aside(self._releases) as aside:
            self._complete(offer, aside, files, splits)
            settle(aside, folder)

    def _complete(
        self,
        offer: Offer,
        folder: Path,
        files: Collection[ReleaseFile],
        splits: tuple[str, ...] | None,
    ) -> None:
        """Bring a folder up to what was wanted; what it says of itself comes last."""
        for file in files:
            if not self._is_there(folder / file.path, file):
                link(self._cache.path(file.sha256), folder / file.path)
        if offer.signature and not (folder / SIGNATURE).exists():
            (folder / SIGNATURE).write_bytes(offer.signature)
        write_text(folder / SUMS, sums(offer.raw, files))
        if splits is not None:
            write_text(folder / PARTIAL, json.dumps({"splits": splits}) + "\n")
        if not (folder / MANIFEST).exists():
            (folder / MANIFEST).write_bytes(offer.raw)
        if splits is None:
            (folder / PARTIAL).unlink(missing_ok=True)


def _held_splits(folder: Path) -> list[str] | None:
    try:
        held: list[str] = json.loads((folder / PARTIAL).read_text("utf-8"))["splits"]
    except FileNotFoundError:
        return None
    return held
