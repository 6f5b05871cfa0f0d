"""The changes of a recrawl: the photos of now compared with those of a catalog snapshot."""

from dataclasses import dataclass

from catalog import Workspace, open_catalog
from crawler.errors import NothingToCompareError


@dataclass(frozen=True)
class Photo:
    """A photo as its source names it."""

    source: str
    source_photo_id: str
    page_url: str | None


@dataclass(frozen=True)
class Changes:
    """The number of photos added since a snapshot, and the photos that changed or were deleted at their source."""

    since: int
    added: int
    changed: list[Photo]
    deleted: list[Photo]


_OLD_PHOTOS = "SELECT DISTINCT photo_id FROM lake.photos AT (VERSION => {since})"
_ADDED = f"SELECT count(DISTINCT photo_id) AS n FROM photos WHERE photo_id NOT IN ({_OLD_PHOTOS})"
_CHANGED = (
    f"SELECT DISTINCT source, source_photo_id, page_url FROM photos WHERE photo_id IN ({_OLD_PHOTOS}) AND "
    "(photo_id, asset_sha256) NOT IN (SELECT (photo_id, asset_sha256) FROM lake.photos AT (VERSION => {since}))"
    " ORDER BY ALL"
)
_DELETED = (
    "SELECT DISTINCT p.source, p.source_photo_id, p.page_url FROM tombstones t JOIN photos p ON p.photo_id = t.value"
    " WHERE t.kind = 'photo' AND t.crawl_id IS NOT NULL AND t.tombstone_id NOT IN"
    " (SELECT tombstone_id FROM lake.tombstones AT (VERSION => {since})) ORDER BY ALL"
)
_BEFORE_LAST_SESSION = (
    "SELECT max(snapshot_id) AS id FROM ducklake_snapshots('lake') WHERE snapshot_time <"
    " (SELECT max(started_at) FROM crawls)::TIMESTAMPTZ"
)


def changes(workspace: Workspace, since: int | None = None) -> Changes:
    """Compare the current photos with those of snapshot `since`; by default the one before the last session.

    Raises `NothingToCompareError` when there was no session or no such snapshot.
    """
    with open_catalog(workspace) as catalog:
        if since is None:
            snapshot_id = catalog.records(_BEFORE_LAST_SESSION)[0]["id"]
        else:
            ids = {snapshot.snapshot_id for snapshot in catalog.snapshots()}
            snapshot_id = since if since in ids else None
        if snapshot_id is None:
            raise NothingToCompareError(since)
        since = int(str(snapshot_id))
        added = catalog.records(_ADDED.format(since=since))[0]["n"]
        changed, deleted = (
            [Photo(**row) for row in catalog.records(sql.format(since=since))]  # type: ignore[arg-type]  # as selected
            for sql in (_CHANGED, _DELETED)
        )
    return Changes(since, int(str(added)), changed, deleted)
