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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from catalog.errors import CatalogError
from catalog.lake.lake import Catalog, open_catalog
from catalog.lake.tombstones import block, comparable, read_blocked
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.pull.cache import BlobCache
from catalog.pull.pull import cache_folder
from catalog.releases.publish import publish
from catalog.releases.release import find_release
from catalog.releases.rendering.renditions import place_columns
from catalog.releases.revocations import read_revocations, revocation_of, revoke
from catalog.takedown.crawl_queue import CrawlQueue, OpenQueue, open_queue
from catalog.takedown.file_removal import remove_files
from catalog.takedown.identifying import IdentifyingWords, mask_logs, mentions, words_of
from catalog.takedown.report import write_report
from catalog.takedown.search import AffectedRelease, Kind, TakedownMatches, find, release_of
from catalog.workspace.caches import drop_caches
from catalog.workspace.files import write_text
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

RECORD = "takedown.json"


@dataclass(frozen=True)
class TakedownRequest:
    """What must go and why; the reason is published with the revocations, so name nobody in it.

    `value` is written as crawls compare it: an address in lower case up to its path. Raises `UsageError` when it is
    empty, or an address without its host.
    """

    kind: Kind
    value: str
    reason: str
    with_copies: bool = False
    purge_releases: bool = False
    purge_reports: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", comparable(self.kind, self.value))


@dataclass(frozen=True)
class Takedown:
    """What a takedown matched and removed; the record of the proof."""

    order: TakedownRequest
    folder: Path
    matches: TakedownMatches
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
    words: IdentifyingWords = field(default_factory=IdentifyingWords)


def preview(
    workspace: Workspace, order: TakedownRequest, opener: OpenQueue | None = None
) -> tuple[TakedownMatches, int]:
    """Say what a takedown would be about, and how many items of the crawl queue.

    Changes nothing but that waiting segments are committed. Raises as `take_down` does.
    """
    with open_catalog(workspace) as catalog:
        catalog.commit()
        matches = find(catalog, order.kind, order.value, with_copies=order.with_copies)
        queue = open_queue(workspace, opener)
        return matches, queue.count(order.kind, order.value, matches.photos)


def take_down(
    workspace: Workspace, order: TakedownRequest, opener: OpenQueue | None = None
) -> Takedown:
    """Take everything out that the order is about and write the proof; also ends what a kill left unfinished.

    `opener` opens the queue of crawls where there is one (`crawler.FrontierQueue`). Raises `CatalogError` without it,
    and while a crawl runs in the workspace: what it holds in memory would come in again.
    """
    with no_crawl(workspace), open_catalog(workspace) as catalog:
        queue = open_queue(workspace, opener)
        catalog.commit()
        takedown = _begin(catalog, order)
        _write_tombstones(catalog, takedown)
        takedown = replace(takedown, frontier_items=_clear_queue(queue, takedown))
        takedown = _remove(catalog, takedown)
        takedown = _replace_releases(workspace, takedown)
        _forget_files(workspace, takedown)
        catalog.commit()
        _check_blocked(catalog, takedown)
        again = find(catalog, order.kind, order.value)
        takedown = replace(
            takedown,
            state="finished",
            finished_at=_now(),
            left=tuple(_left(catalog, takedown)),
            still_found=len(again.assets) + len(again.photos),
        )
    _save(takedown)
    write_report(takedown.folder, _as_record(takedown))
    log.info(
        "took down %d files of %d photos",
        len(takedown.matches.assets),
        len(takedown.matches.photos),
    )
    return takedown


@contextmanager
def no_crawl(workspace: Workspace) -> Iterator[None]:
    """Keep crawls out for as long; raises `CatalogError` while one runs."""
    try:
        with FileLock(f"{workspace.frontier}.lock").acquire(timeout=0):
            yield
    except Timeout as error:
        raise CatalogError(
            f"a crawl runs in this workspace; stop it first with: {command_name()} crawl stop"
        ) from error


def _begin(catalog: Catalog, order: TakedownRequest) -> Takedown:
    """Find what it is about, together with what an unfinished takedown of the same order had matched."""
    matches = find(catalog, order.kind, order.value, with_copies=order.with_copies)
    words = words_of(catalog, order.kind, order.value, matches.photos)
    home = catalog.workspace.reports / "takedowns"
    name = hashlib.sha256(f"{order.kind}\n{order.value}".encode()).hexdigest()[:12]
    for path in sorted(home.glob(f"*-{name}/{RECORD}")):
        record = json.loads(path.read_text("utf-8"))
        if record["state"] == "started":
            matches, words = _joined(matches, record["found"]), words.joined(_words(record))
            takedown = Takedown(order, path.parent, matches, started_at=_now(), words=words)
            _save(takedown)
            return takedown
    takedown = Takedown(order, _new_folder(home, name), matches, started_at=_now(), words=words)
    _save(takedown)
    return takedown


def _new_folder(home: Path, name: str) -> Path:
    """Make the folder of a proof; microseconds keep takedowns of one order apart, and names sort by time."""
    folder = home / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{name}"
    folder.mkdir(parents=True)
    return folder


def _joined(matches: TakedownMatches, before: dict[str, list[str]]) -> TakedownMatches:
    def both(name: str) -> tuple[str, ...]:
        return tuple(sorted({*getattr(matches, name), *before[name]}))

    affected = {str(r): r for r in (AffectedRelease(**r) for r in before["releases"])}  # type: ignore[arg-type]  # as asdict wrote it
    affected |= {str(r): r for r in matches.releases}
    return TakedownMatches(
        photos=both("photos"),
        assets=both("assets"),
        copies=both("copies"),
        shared=both("shared"),
        packs=both("packs"),
        releases=tuple(affected.values()),
        models=both("models"),
    )


def _words(record: Mapping[str, Any]) -> IdentifyingWords:
    words = record.get("words", {})
    return IdentifyingWords(tuple(words.get("names", ())), tuple(words.get("addresses", ())))


def _save(takedown: Takedown) -> None:
    """Write the record; the words that identify the person are in it only until the takedown has finished."""
    record = _as_record(takedown)
    if takedown.state == "finished":
        del record["words"]
    write_text(takedown.folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _as_record(takedown: Takedown) -> dict[str, Any]:
    """Give the JSON of `takedown.json`."""
    record = asdict(takedown) | {"folder": takedown.folder.name}
    record["found"] = record.pop("matches")
    return record


def _write_tombstones(catalog: Catalog, takedown: Takedown) -> None:
    """Block what was asked for, every photo and every file; what was unblocked meanwhile is blocked again."""
    block(catalog, _blocking(takedown), takedown.order.reason, "takedown")


def _blocking(takedown: Takedown) -> list[tuple[str, str]]:
    order, matches = takedown.order, takedown.matches
    photos = [("photo", photo) for photo in matches.photos]
    return [(order.kind, order.value), *photos, *(("sha256", asset) for asset in matches.assets)]


def _check_blocked(catalog: Catalog, takedown: Takedown) -> None:
    """Raise `CatalogError` when somebody lifted a block while the takedown was at work."""
    known = {(kind, value.lower()) for kind, value in read_blocked(catalog)}
    missing = [each for each in _blocking(takedown) if (each[0], each[1].lower()) not in known]
    if missing:
        raise CatalogError(
            f"{counted(len(missing), 'tombstone', 'was')} lifted meanwhile, first {missing[0][0]} {missing[0][1]}; "
            "run the takedown again"
        )


def _clear_queue(queue: CrawlQueue, takedown: Takedown) -> int:
    """Blank what the crawl queue knows of the photos; what waits there is given up."""
    order, matches = takedown.order, takedown.matches
    return queue.forget(order.kind, order.value, matches.photos, matches.assets)


def _remove(catalog: Catalog, takedown: Takedown) -> Takedown:
    matches, message = takedown.matches, f"takedown {takedown.folder.name}"
    about = (matches.assets, matches.photos, matches.packs, message)
    removed = remove_files(catalog, *about, words=takedown.words)
    return replace(
        takedown,
        rows_removed=removed.rows_removed,
        packs_removed=tuple(removed.packs_removed),
        packs_written=removed.packs_written,
        snapshots_expired=True,
    )


def _replace_releases(workspace: Workspace, takedown: Takedown) -> Takedown:
    """Publish successors, revoke what they replace, and delete the old data if asked."""
    successors: dict[str, str] = {}
    for name in sorted({r.name for r in takedown.matches.releases if r.own}):
        affected = [r for r in takedown.matches.releases if r.own and r.name == name]
        successor = _successor(workspace, name, affected, takedown)
        for each in affected:
            identity = (each.name, each.version, each.digest)
            if not revocation_of(read_revocations(workspace.releases), *identity):
                revoke(workspace, identity, takedown.order.reason, successor)
            successors[str(each)] = f"{name}@{successor}" if successor else ""
    purged = takedown.matches.releases if takedown.order.purge_releases else ()
    for each in purged:
        _purge(workspace, each)
    return replace(takedown, successors=successors, purged=tuple(str(each) for each in purged))


def _successor(
    workspace: Workspace, name: str, affected: list[AffectedRelease], takedown: Takedown
) -> str | None:
    """Return the version to use from now on, published if need be; None when no picture is left."""
    newest = find_release(workspace, name)
    if newest.version not in [r.version for r in affected]:
        return newest.version
    index = newest.index()
    gone = pc.is_in(index["asset_sha256"], value_set=pa.array(takedown.matches.assets, pa.string()))
    places = ("shard", "offset", "length", "sha256", *place_columns(newest.manifest["plan"]))
    items = index.filter(pc.invert(gone)).drop_columns(places)
    if not len(items):
        return None
    made = publish(
        workspace,
        name,
        items,
        plan=newest.manifest["plan"],
        run_id=newest.manifest["run_id"],
        replaces={each.version: takedown.order.reason for each in affected},
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


def _forget_files(workspace: Workspace, takedown: Takedown) -> None:
    """Drop the caches once more, mask the logs, and delete the reports that name somebody if asked."""
    drop_caches(workspace, takedown.matches.assets)
    mask_logs(workspace, takedown.words)
    if takedown.order.purge_reports:
        for path in mentions(workspace, takedown.words, takedown.matches.assets):
            if path.is_relative_to(workspace.reports):
                path.unlink()


def _left(catalog: Catalog, takedown: Takedown) -> Iterator[str]:
    """Say what this takedown could not reach."""
    matches, home = takedown.matches, catalog.workspace.home
    for path in mentions(catalog.workspace, takedown.words, matches.assets):
        name = path.relative_to(home).as_posix()
        is_report = path.is_relative_to(catalog.workspace.reports)
        how = "delete it with --purge-reports" if is_report else "delete the file"
        yield f"{name} still names it: {how}, or write it again"
    for release in matches.releases:
        if str(release) in takedown.purged:
            yield f"{release}: copies that others have pulled or exported; pulls from here are refused from now on"
        elif release.own:
            yield f"{release} is revoked, but its shards still lie here: delete them with --purge-releases"
        else:
            yield f"{release} was pulled from elsewhere: ask its publisher; --purge-releases deletes it here"
    for model in matches.models:
        yield f"model {model} was trained on these pictures: train it again on the successor"
    for asset in matches.copies:
        yield f"picture {asset} is a near-duplicate: look at it, or add --with-copies"
    yield "backups, exports and anything copied out of this workspace before now"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
