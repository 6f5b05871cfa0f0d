"""Take pictures out of a workspace because somebody asks for it, and prove it.

In this order, each step harmless when it is done again after a kill: tombstones (no crawl brings them back), the
frontier, new packs without the bytes, one transaction that removes the rows and says where the other pictures lie
now, the old packs, the past snapshots, successors of the releases, revocations, the report.
`reports/takedowns/<date>-<id>/takedown.json` is written first (`"state": "started"`) and last (`"finished"`).

What stays as proof: tombstones (with the name or address that was asked for, or it could not be kept out), ids and
hashes in `fetches`, `decisions` and `dataset_items`. What goes: bytes, names, addresses, titles, EXIF, faces,
embeddings, hashes of pixels, labels, predictions.
"""

import hashlib
import json
import logging
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from catalog.blob_cache import BlobCache
from catalog.errors import CatalogError
from catalog.files import write_text
from catalog.lake import Catalog, open_catalog
from catalog.pull import cache_folder
from catalog.releases import find_release, publish
from catalog.repacking import delete_unused, repack
from catalog.revocations import read_revocations, revocation_of, revoke
from catalog.rows import rows
from catalog.spool import write_segment
from catalog.stores.removal import Removal, forget_past, remove_rows
from catalog.takedown_report import write_report
from catalog.takedown_search import (
    AffectedRelease,
    Found,
    Kind,
    find,
    mentions,
    release_of,
    waiting_items,
)
from catalog.workspace import Workspace

log = logging.getLogger(__name__)

RECORD = "takedown.json"


@dataclass(frozen=True)
class TakedownOrder:
    """What must go and why; the reason is published with the revocations, so name nobody in it."""

    kind: Kind
    value: str
    reason: str
    with_copies: bool = False
    purge_releases: bool = False


@dataclass(frozen=True)
class Takedown:
    """What was found and done; the record of the proof."""

    order: TakedownOrder
    folder: Path
    found: Found
    state: str = "started"
    started_at: str = ""
    finished_at: str = ""
    rows_removed: dict[str, int] = field(default_factory=dict)
    packs_removed: tuple[str, ...] = ()
    packs_written: tuple[str, ...] = ()
    frontier_items: int = 0
    snapshots_expired: bool = False
    successors: dict[str, str] = field(default_factory=dict)
    purged: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    still_found: int = 0


def preview(workspace: Workspace, order: TakedownOrder) -> Found:
    """Say what a takedown would be about; changes nothing but that waiting segments are committed."""
    with open_catalog(workspace) as catalog:
        catalog.commit()
        return find(catalog, order.kind, order.value, with_copies=order.with_copies)


def take_down(workspace: Workspace, order: TakedownOrder) -> Takedown:
    """Take everything out that the order is about and write the proof; also ends what a kill left unfinished.

    Raises `CatalogError` while a crawl runs in the workspace: what it holds in memory would come in again.
    """
    with no_crawl(workspace), open_catalog(workspace) as catalog:
        catalog.commit()
        done = _begin(catalog, order)
        _bury(catalog, done)
        done = replace(done, frontier_items=_clear_frontier(workspace, done))
        done = _remove(catalog, done)
        done = _replace_releases(workspace, done)
        _forget_files(workspace, done)
        catalog.commit()
        again = find(catalog, order.kind, order.value)
        done = replace(
            done,
            state="finished",
            finished_at=_now(),
            left=tuple(_left(catalog, done)),
            still_found=len(again.assets) + len(again.photos),
        )
    _save(done)
    write_report(done.folder, asdict(done))
    log.info("took down %d files of %d photos", len(done.found.assets), len(done.found.photos))
    return done


@contextmanager
def no_crawl(workspace: Workspace) -> Iterator[None]:
    """Keep crawls out for as long; raises `CatalogError` while one runs."""
    try:
        with FileLock(f"{workspace.frontier}.lock").acquire(timeout=0):
            yield
    except Timeout as error:
        raise CatalogError(
            "a crawl runs in this workspace; stop it first with: safelight crawl stop"
        ) from error


def _begin(catalog: Catalog, order: TakedownOrder) -> Takedown:
    """Find what it is about, together with what an unfinished takedown of the same order had found."""
    found = find(catalog, order.kind, order.value, with_copies=order.with_copies)
    home = catalog.workspace.reports / "takedowns"
    name = hashlib.sha256(f"{order.kind}\n{order.value}".encode()).hexdigest()[:12]
    for path in sorted(home.glob(f"*-{name}/{RECORD}")):
        said = json.loads(path.read_text("utf-8"))
        if said["state"] == "started":
            done = Takedown(order, path.parent, _joined(found, said["found"]), started_at=_now())
            _save(done)
            return done
    folder = home / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{name}"
    folder.mkdir(parents=True)
    done = Takedown(order, folder, found, started_at=_now())
    _save(done)
    return done


def _joined(found: Found, before: dict[str, list[str]]) -> Found:
    def both(name: str) -> tuple[str, ...]:
        return tuple(sorted({*getattr(found, name), *before[name]}))

    affected = {str(r): r for r in (AffectedRelease(**r) for r in before["releases"])}  # type: ignore[arg-type]  # as asdict wrote it
    affected |= {str(r): r for r in found.releases}
    return Found(
        photos=both("photos"),
        assets=both("assets"),
        copies=both("copies"),
        shared=both("shared"),
        packs=both("packs"),
        releases=tuple(affected.values()),
        models=both("models"),
        waiting=found.waiting,
    )


def _save(done: Takedown) -> None:
    said = asdict(done) | {"folder": done.folder.name}
    write_text(done.folder / RECORD, json.dumps(said, indent=1, ensure_ascii=False) + "\n")


def _bury(catalog: Catalog, done: Takedown) -> None:
    """Write tombstones: for what was asked, for every photo and for every file."""
    order, found = done.order, done.found
    wanted: dict[tuple[str, str], None] = {(order.kind, order.value): None}
    wanted |= {("photo", photo): None for photo in found.photos}
    wanted |= {("sha256", asset): None for asset in found.assets}
    listed = [
        {
            "tombstone_id": hashlib.sha256(f"{kind}\n{value}\nTrue".encode()).hexdigest()[:32],
            "kind": kind,
            "value": value,
            "reason": order.reason,
            "blocks": True,
            "created_at": datetime.now(UTC).replace(tzinfo=None),
        }
        for kind, value in wanted
    ]
    write_segment(catalog.workspace, {"tombstones": rows("tombstones", listed)}, job="takedown")
    catalog.commit()


def _clear_frontier(workspace: Workspace, done: Takedown) -> int:
    """Blank what the frontier knows of the photos; what waits there is given up."""
    items = waiting_items(workspace, done.order.kind, done.order.value, done.found.photos)
    if not items:
        return 0
    with closing(sqlite3.connect(workspace.frontier, timeout=20)) as frontier, frontier:
        frontier.executemany(
            "UPDATE items SET photo = '{}', url = '', etag = NULL, modified = NULL, error_detail = NULL,"
            " error = CASE WHEN state = 'done' THEN error ELSE 'tombstoned' END,"
            " error_class = CASE WHEN state = 'done' THEN error_class ELSE 'final' END,"
            " state = CASE WHEN state = 'done' THEN state ELSE 'failed' END WHERE seq = ?",
            [(seq,) for seq in items],
        )
    with closing(sqlite3.connect(workspace.frontier, timeout=20)) as frontier:
        frontier.execute("VACUUM")  # pages of rows that are gone keep their text otherwise
    return len(items)


@dataclass(frozen=True)
class Removed:
    """Rows removed by table, packs deleted, packs written in their place."""

    rows_removed: dict[str, int]
    packs_removed: list[str]
    packs_written: tuple[str, ...]


def remove_files(
    catalog: Catalog,
    assets: Collection[str],
    photos: Collection[str],
    packs: Collection[str],
    message: str,
) -> Removed:
    """Take bytes and rows out, and the past that still shows them; `packs` are those that hold the assets."""
    with catalog.store.lock():
        places = repack(catalog, packs, assets)
        removed = remove_rows(catalog.store, Removal(assets, photos, places), message)
        catalog.refresh()
        gone = delete_unused(catalog, packs)
        catalog.let_go()
        forget_past(catalog.store)
        catalog.refresh()
    return Removed(removed, gone, tuple(sorted(set(places["pack"].to_pylist()))))


def _remove(catalog: Catalog, done: Takedown) -> Takedown:
    found, message = done.found, f"takedown {done.folder.name}"
    removed = remove_files(catalog, found.assets, found.photos, found.packs, message)
    return replace(
        done,
        rows_removed=removed.rows_removed,
        packs_removed=tuple(removed.packs_removed),
        packs_written=removed.packs_written,
        snapshots_expired=True,
    )


def _replace_releases(workspace: Workspace, done: Takedown) -> Takedown:
    """Publish successors, revoke what they replace, and delete the old data if asked."""
    successors: dict[str, str] = {}
    for name in sorted({r.name for r in done.found.releases if r.own}):
        affected = [r for r in done.found.releases if r.own and r.name == name]
        successor = _successor(workspace, name, affected, done)
        for each in affected:
            identity = (each.name, each.version, each.digest)
            if not revocation_of(read_revocations(workspace.releases), *identity):
                revoke(workspace, identity, done.order.reason, successor)
            successors[str(each)] = f"{name}@{successor}" if successor else ""
    purged = done.found.releases if done.order.purge_releases else ()
    for each in purged:
        _purge(workspace, each)
    return replace(done, successors=successors, purged=tuple(str(each) for each in purged))


def _successor(
    workspace: Workspace, name: str, affected: list[AffectedRelease], done: Takedown
) -> str | None:
    """Return the version to use from now on, published if need be; None when no picture is left."""
    newest = find_release(workspace, name)
    if newest.version not in [r.version for r in affected]:
        return newest.version
    index = newest.index()
    gone = pc.is_in(index["asset_sha256"], value_set=pa.array(done.found.assets, pa.string()))
    items = index.filter(pc.invert(gone)).drop_columns(["shard", "offset", "length", "sha256"])
    if not len(items):
        return None
    made = publish(
        workspace,
        name,
        items,
        plan=newest.manifest["plan"],
        run_id=newest.manifest["run_id"],
        replaces={each.version: done.order.reason for each in affected},
    )
    return made.version


def _purge(workspace: Workspace, affected: AffectedRelease) -> None:
    """Delete pictures, index and attribution of a release; manifest and card stay and tell what was there."""
    release = release_of(workspace, affected)
    cache = BlobCache(cache_folder(workspace))
    gone = list(release.manifest["shards"])
    gone += [e for e in release.manifest.get("files", ()) if e["path"].endswith(".parquet")]
    for entry in gone:
        cache.clear(entry["sha256"])
    for entry in gone:
        if release.bucket:
            release.bucket.delete(f"releases/{release.name}/{release.version}/{entry['path']}")
        (release.path / entry["path"]).unlink(missing_ok=True)


def _forget_files(workspace: Workspace, done: Takedown) -> None:
    """Delete what is kept of the pictures by their hash: thumbnails of the console."""
    cache = workspace.home / "cache"
    for asset in done.found.assets if cache.exists() else ():
        for path in cache.rglob(f"{asset}*"):
            path.unlink()


def _left(catalog: Catalog, done: Takedown) -> Iterator[str]:
    """Say what this takedown could not reach."""
    order, found = done.order, done.found
    needles = [
        *found.assets,
        *([order.value] if order.kind in ("photographer", "url_prefix") else []),
    ]
    for path in mentions(catalog.workspace, needles):
        yield f"{path} still names it: delete the file, or write it again"
    for release in found.releases:
        if str(release) in done.purged:
            yield f"{release}: copies that others have pulled or exported; pulls from here are refused from now on"
        elif release.own:
            yield f"{release} is revoked, but its shards still lie here: delete them with --purge-releases"
        else:
            yield f"{release} was pulled from elsewhere: ask its publisher; --purge-releases deletes it here"
    for model in found.models:
        yield f"model {model} was trained on these pictures: train it again on the successor"
    for asset in found.copies:
        yield f"picture {asset} is a near-duplicate: look at it, or add --with-copies"
    for table, column in (("crawls", "config_json"), ("queries", "sql")):
        sql = f"SELECT count(*) AS n FROM {table} WHERE contains({column}, ?)"
        if n := catalog.records(sql, [order.value])[0]["n"]:
            yield f"{n} rows of {table} name it in {column}: what somebody typed is kept as it was"
    yield "backups, exports and anything copied out of this workspace before now"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
