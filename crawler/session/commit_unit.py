"""The commit unit: what came in together goes to disk together.

First the segment (pictures and rows, one atomic rename), then one frontier transaction that marks the
items. A kill between the two is healed by `reconcile`: the segment is found in the catalog and its items are
marked then.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog import Catalog, Workspace, rows, tombstone, write_segment
from crawler.fetch.failures import ErrorClass, Failure
from crawler.fetch.limits import backoff_s
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Item, Learned, Row, Settlement, State
from crawler.session.blocklist import NOTHING_BLOCKED, Blocklist
from crawler.session.records import Brought, asset_row, exif_rows, fetch_row, label_rows, photo_row
from crawler.settings import CrawlSettings


@dataclass(frozen=True)
class Kept:
    """What became of a unit: attempts settled, in order, and attempts put off because of another worker's files."""

    settled: list[tuple[Brought, Settlement]]
    put_off: list[Brought]


def commit_unit(
    workspace: Workspace,
    frontier: Frontier,
    settings: CrawlSettings,
    unit: Sequence[Brought],
    *,
    owner: str = "",
    blocklist: Blocklist = NOTHING_BLOCKED,
) -> Kept:
    """Write one unit of one crawl; say what became of its items.

    A file that another worker is just writing is put off to a later unit: if that worker dies, ours keeps it.
    """
    unit = [blocklist.apply(brought) for brought in _named(frontier, unit)]
    by_sha = {
        str(brought.sha256): brought
        for brought in reversed(unit)  # the first of each stays
        if not brought.failure and brought.outcome == "done"
    }
    ours, theirs = frontier.claim_assets(by_sha, owner)
    waits = [brought.outcome == "done" and brought.sha256 in theirs for brought in unit]
    put_off = [brought for brought, wait in zip(unit, waits, strict=True) if wait]
    unit = [brought for brought, wait in zip(unit, waits, strict=True) if not wait]
    good = [b for b in unit if not b.failure and b.outcome == "done"]
    by_sha = {sha: brought for sha, brought in by_sha.items() if sha not in theirs}
    files = [brought for sha, brought in by_sha.items() if sha in ours]
    records = {
        "fetches": [fetch_row(brought) for brought in unit],
        "photos": [photo_row(brought) for brought in good],
        "labels": [row for brought in good for row in label_rows(brought)],
        "assets": [asset_row(brought) for brought in files],
        "exif": [row for brought in by_sha.values() for row in exif_rows(brought)],
        "tombstones": [
            tombstone(
                *("photo", b.item.photo_id, "deleted_at_source"),
                blocks=False,
                crawl_id=b.item.crawl_id,
            )
            for b in unit
            if b.failure and b.failure.http_status in _GONE and b.item.settled_at
            if frontier.holds(b.item.photo_id)
        ],
    }
    if unit:
        images = [(str(brought.sha256), brought.body) for brought in files]
        write_rows(workspace, unit[0].item.crawl_id, records, images)
    settled = [settle(brought, settings) for brought in unit]
    frontier.settle(settled, ours)
    return Kept(list(zip(unit, settled, strict=True)), put_off)


_GONE = frozenset({404, 410})


def _named(frontier: Frontier, unit: Sequence[Brought]) -> Iterator[Brought]:
    """Tell repeats: photos named by their bytes whose bytes came in before."""
    seen: set[str] = set()
    for brought in unit:
        known = brought.content_name is not None and (
            brought.photo_id in seen or frontier.holds(brought.photo_id)
        )
        seen.add(brought.photo_id)
        yield replace(brought, outcome="repeat") if known else brought


def write_rows(
    workspace: Workspace,
    crawl: str,
    records: Mapping[str, list[Row]],
    images: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write one segment of a crawl; tables without rows are left out."""
    tables = {table: rows(table, listed) for table, listed in records.items() if listed}
    write_segment(workspace, tables, job=f"crawl:{crawl}", images=images)


def settle(brought: Brought, settings: CrawlSettings) -> Settlement:
    """Decide what becomes of an item after an attempt that ended with a failure, or well."""
    item, failure, attempt = brought.item, brought.failure, brought.attempt
    if failure is None:
        return Settlement(
            *(item.seq, item.photo_id, "done", attempt),
            error=brought.outcome if brought.outcome == "repeat" else None,
            etag=brought.etag,
            modified=brought.modified,
            content_id=brought.photo_id if brought.content_name else None,
        )
    state: State = "failed"
    if failure.error_class == "transient":
        # A refusal has been tried again by the spider already.
        spent = item.refusal or attempt - item.base >= settings.max_attempts
        state = "dead" if spent else "queued"
    wait = backoff_s(attempt - item.base, settings, failure.retry_after_s)
    due = time.time() + wait if state == "queued" else 0.0
    about = (failure.error_class, failure.error, failure.detail[:300], failure.http_status)
    return Settlement(item.seq, item.photo_id, state, attempt, due, *about)


def reconcile(
    frontier: Frontier, catalog: Catalog, settings: CrawlSettings, owner: str | None = None
) -> None:
    """Bring the frontier of a killed session, or worker, up to the catalog, whose spool has been committed.

    Items in flight whose attempt has a row are settled by it, the others go back to the queue.
    """
    items = {item.photo_id: item for item in frontier.in_flight(owner)}
    settled, assets = [], []
    for key, row in _ended(catalog, items).items():
        item, attempt = items[key], int(str(row["attempt"]))
        if attempt > item.attempts and row["crawl_id"] == item.crawl_id:
            settled.append(settle(_as_brought(item, attempt, row), settings))
            assets += [str(row["asset_sha256"])] if row["asset_sha256"] else []
    frontier.settle(settled, assets)
    known = {settlement.seq for settlement in settled}
    frontier.release(item for item in items.values() if item.seq not in known)
    frontier.release_assets(owner)
    if owner is None:
        _learn_held(frontier, catalog)


def _ended(catalog: Catalog, items: Mapping[str, Item]) -> dict[str, Row]:
    sql = (
        "SELECT photo_id, crawl_id, attempt, url, fetched_at, outcome, error_class, error, error_detail, http_status,"
        " etag, modified, asset_sha256 FROM fetches WHERE list_contains(?, photo_id) ORDER BY attempt"
    )
    crawls = {item.crawl_id for item in items.values()}
    found = catalog.records(sql, [list(items)]) if items else []
    return {str(row["photo_id"]): row for row in found if row["crawl_id"] in crawls}


def _as_brought(item: Item, attempt: int, row: Mapping[str, Any]) -> Brought:
    """See a row of fetches as the attempt that it tells of."""
    return Brought(
        *(item, attempt, row["url"], row["fetched_at"]),
        failure=_failure(row),
        etag=row["etag"],
        modified=row["modified"],
        outcome=row["outcome"] if row["outcome"] != "failed" else "done",
    )


def _failure(row: Mapping[str, Any]) -> Failure | None:
    if not row["error"]:
        return None
    kinds: dict[str, ErrorClass] = {"final": "final", "suspicious": "suspicious"}
    kind = kinds.get(row["error_class"], "transient")
    return Failure(kind, row["error"], row["error_detail"] or "", row["http_status"])


def learn_crawl(frontier: Frontier, catalog: Catalog, crawl: str) -> None:
    """Tell a frontier that does not know a crawl what the catalog knows of it: its file may have been lost."""
    if frontier.knows(crawl):
        return
    good = "FILTER (outcome <> 'failed')"
    found = catalog.query(
        f"SELECT photo_id, max(attempt) AS attempts, arg_max(url, attempt) {good} AS url,"
        f" coalesce(epoch(max(fetched_at) {good}), 0) AS settled_at, arg_max(etag, attempt) {good} AS etag,"
        f" arg_max(modified, attempt) {good} AS modified FROM fetches WHERE crawl_id = ? GROUP BY photo_id",
        [crawl],
    )
    for batch in found.to_batches(10_000):
        frontier.learn(crawl, (Learned(**row) for row in batch.to_pylist()))


def _learn_held(frontier: Frontier, catalog: Catalog) -> None:
    """Learn what the catalog holds when it lost some: a lost frontier, a restored catalog."""
    photos = "SELECT photo_id FROM photos WHERE asset_sha256 IS NOT NULL"
    counts = f"SELECT (SELECT count(DISTINCT photo_id) FROM ({photos})) AS p, (SELECT count(*) FROM assets) AS a"
    row = catalog.records(counts)[0]
    held_photos, held_assets = frontier.held()
    # Photos named by their bytes are held by two names, so there may be more than the catalog has.
    if held_assets == row["a"] and held_photos >= int(str(row["p"])):
        return
    frontier.forget_held()
    # A file that was removed for good is not held any more, though the row of its fetch stays.
    asked = (
        "SELECT photo_id FROM fetches WHERE outcome <> 'failed'"
        " AND (asset_sha256 IS NULL OR asset_sha256 IN (SELECT sha256 FROM assets))"
    )
    found = catalog.query(f"{photos} UNION {asked}").column(0).to_pylist()
    frontier.hold(found, catalog.query("SELECT sha256 FROM assets").column(0).to_pylist())
