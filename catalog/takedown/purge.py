"""Delete the bytes of pictures that curation has dropped for long enough, and every row about them but the decisions.

The way is that of a takedown: tombstones by hash, so that no crawl brings the bytes back; new packs without them; one
transaction that removes the rows; then the old packs and the past snapshots. A kill anywhere is healed by doing it
again (an old pack that nothing names any more goes with `safelight catalog maintain`).

What is never purged: pictures of any release, pictures that somebody decided to keep, and members of a group whose
keeper took settings from its copies.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog.lake.lake import Catalog, open_catalog
from catalog.lake.tombstones import block
from catalog.takedown.crawl_queue import OpenQueue, open_queue
from catalog.takedown.file_removal import remove_files
from catalog.takedown.takedown import no_crawl
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

REASON = "purged"
# Dropped by the current run, and by every run in force since one that ended before the grace period.
_DUE = """
    WITH now_dropped AS (
        SELECT d.asset_sha256, any_value(d.reason) AS reason FROM decisions d
        JOIN v_runs r ON r.run_id = d.run_id AND r.is_current WHERE d.decision = 'drop' GROUP BY ALL
    ), last_kept AS (
        SELECT asset_sha256, max(r.finished_at) AS kept_at
        FROM curated_items i JOIN v_runs r USING (run_id) GROUP BY ALL
    ), first_dropped AS (
        SELECT d.asset_sha256, min(r.finished_at) AS dropped_at FROM decisions d JOIN v_runs r USING (run_id)
        LEFT JOIN last_kept k ON k.asset_sha256 = d.asset_sha256
        WHERE d.decision = 'drop' AND r.finished_at > coalesce(k.kept_at, TIMESTAMP '1970-01-01') GROUP BY ALL
    ), heirs AS (
        SELECT g.run_id, g.group_id FROM decisions d
        JOIN duplicate_groups g ON g.run_id = d.run_id AND g.asset_sha256 = d.asset_sha256
        JOIN v_runs r ON r.run_id = d.run_id AND r.is_current WHERE d.reason = 'settings_inherited'
    )
    SELECT n.asset_sha256, n.reason, f.dropped_at, a.bytes, a.pack
    FROM now_dropped n JOIN first_dropped f USING (asset_sha256) JOIN assets a ON a.sha256 = n.asset_sha256
    WHERE f.dropped_at < ?
      AND n.asset_sha256 NOT IN (SELECT asset_sha256 FROM dataset_items)
      AND n.asset_sha256 NOT IN (SELECT asset_sha256 FROM v_manual_decisions WHERE decision = 'keep')
      AND n.asset_sha256 NOT IN (SELECT g.asset_sha256 FROM duplicate_groups g JOIN heirs USING (run_id, group_id))
    ORDER BY n.asset_sha256
"""


@dataclass(frozen=True)
class Purge:
    """What is due, and what was done if anything was: counts by drop reason, bytes, rows by table."""

    assets: tuple[str, ...]
    by_reason: dict[str, int]
    bytes: int
    is_done: bool = False
    rows_removed: dict[str, int] | None = None
    packs_removed: tuple[str, ...] = ()


def purge(
    workspace: Workspace,
    older_than: timedelta,
    *,
    dry_run: bool = True,
    now: datetime | None = None,
    opener: OpenQueue | None = None,
) -> Purge:
    """Say which pictures have been dropped for longer than `older_than`; delete them unless `dry_run`.

    `now` (UTC, without a zone) is for those who want to know what will be due; `opener` opens the queue of crawls as
    for a takedown. Raises `CatalogError` while a crawl runs in the workspace.
    """
    moment = (now or datetime.now(UTC).replace(tzinfo=None)) - older_than
    with open_catalog(workspace) as catalog:
        catalog.commit()
        if dry_run:
            return _due(catalog, moment)[0]
        with no_crawl(workspace):
            due, packs = _due(catalog, moment)
            queue = open_queue(workspace, opener)
            queue.give_up(_photos_that_go(catalog, due.assets), due.assets)
            return _delete(catalog, due, packs) if due.assets else due


def _due(catalog: Catalog, before: datetime) -> tuple[Purge, set[str]]:
    rows = catalog.records(_DUE, [before])
    counts: dict[str, int] = {}
    for row in rows:
        counts[str(row["reason"])] = counts.get(str(row["reason"]), 0) + 1
    size = sum(int(str(row["bytes"] or 0)) for row in rows)
    names = tuple(str(row["asset_sha256"]) for row in rows)
    return Purge(names, dict(sorted(counts.items())), size), {str(row["pack"]) for row in rows}


def _delete(catalog: Catalog, due: Purge, packs: set[str]) -> Purge:
    block(catalog, (("sha256", sha) for sha in due.assets), REASON, "purge")
    done = remove_files(catalog, due.assets, (), packs, f"purge of {len(due.assets)} dropped files")
    log.info("purged %d files, %d bytes", len(due.assets), due.bytes)
    return Purge(
        due.assets, due.by_reason, due.bytes, True, done.rows_removed, tuple(done.packs_removed)
    )


def _photos_that_go(catalog: Catalog, assets: tuple[str, ...]) -> set[str]:
    """List the photos that lose every file that they ever had."""
    if not assets:
        return set()
    sql = "SELECT photo_id FROM photos GROUP BY photo_id HAVING bool_and(list_contains(?, asset_sha256))"
    return {str(row["photo_id"]) for row in catalog.records(sql, [list(assets)])}
