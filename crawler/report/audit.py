"""Verify crawled pictures: their bytes, their packs, and the agreement of frontier and catalog.

Reads everything once and changes nothing. Run it while no crawl runs: items of a running session look like faults.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from catalog import (
    AssetReader,
    Catalog,
    SafelightError,
    Workspace,
    command_name,
    counted,
    list_packs,
    open_catalog,
    orphan_packs,
    repeated_keys,
)
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Row
from crawler.session.uncommitted import photos_in_spool


@dataclass(frozen=True)
class CrawlAudit:
    """The numbers of checked objects, and every problem as a sentence; `notes` are not problems."""

    assets: int
    photos: int
    packs: int
    problems: list[str]
    notes: list[str]


def audit(workspace: Workspace) -> CrawlAudit:
    """Re-hash every picture in its pack, and compare packs, catalog and frontier."""
    with open_catalog(workspace) as catalog, Frontier(workspace.frontier) as frontier:
        assets = catalog.records("SELECT * FROM assets ORDER BY pack, pack_offset")
        # A photo that was only listed has no asset_sha256.
        rows = catalog.records("SELECT photo_id FROM photos WHERE asset_sha256 IS NOT NULL")
        photos = {str(row["photo_id"]) for row in rows}
        packs = set(list_packs(workspace))
        problems = [
            *_bad_bytes(workspace, assets),
            *repeated_keys(catalog),
            *_missing_assets(catalog),
            *_frontier_problems(frontier, photos | photos_in_spool(workspace)),
        ]
        notes = [*_spool_notes(workspace), *_pack_notes(catalog), *_unfinished(frontier)]
    return CrawlAudit(len(assets), len(photos), len(packs), problems, notes)


def _bad_bytes(workspace: Workspace, assets: list[Row]) -> Iterator[str]:
    with AssetReader(workspace) as reader:
        for row in assets:
            place = (str(row["pack"]), int(str(row["pack_offset"])), int(str(row["pack_length"])))
            try:
                sha256 = hashlib.sha256(reader.read(*place)).hexdigest()
            except (SafelightError, OSError) as error:
                yield f"asset {row['sha256']} cannot be read: {error}"
                continue
            if sha256 != row["sha256"]:
                yield f"asset {row['sha256']} has other bytes in its pack: {sha256}"


def _pack_notes(catalog: Catalog) -> Iterator[str]:
    if orphans := len(list(orphan_packs(catalog))):
        yield (
            f"packs that belong to no picture: {orphans}, left by a process that was killed; removed by: "
            f"{command_name()} catalog maintain"
        )


def _spool_notes(workspace: Workspace) -> Iterator[str]:
    waiting = [path for path in workspace.spool.iterdir() if not path.name.startswith(".")]
    if waiting:
        yield f"segments in the spool: {len(waiting)}; add them with: {command_name()} catalog commit"


def _missing_assets(catalog: Catalog) -> Iterator[str]:
    sql = (
        "SELECT count(*) AS n FROM photos ANTI JOIN assets ON photos.asset_sha256 = assets.sha256"
        " WHERE photos.asset_sha256 IS NOT NULL"
    )
    if missing := catalog.records(sql)[0]["n"]:
        yield f"{counted(int(str(missing)), 'photo', 'has')} no picture"


def _frontier_problems(frontier: Frontier, photos: set[str]) -> Iterator[str]:
    lost = [photo for photo in frontier.done_photos() if photo not in photos]
    if lost:
        yield f"{counted(len(lost), 'photo', 'is')} done in the frontier but not in the catalog, first {lost[0]}"


def _unfinished(frontier: Frontier) -> Iterator[str]:
    """Count the items of a running or killed session; the next session fetches them."""
    if waiting := len(frontier.in_flight()):
        yield (
            f"pictures in flight: {waiting}; a session is at work, or was killed: then go on with "
            f"{command_name()} crawl resume"
        )
