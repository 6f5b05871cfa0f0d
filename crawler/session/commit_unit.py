"""The commit unit: fetched pictures that are written to disk together.

First the segment is written (pictures and rows, one atomic rename), then one frontier transaction settles the items.
After a kill between the two, `reconcile` settles the items by the rows that the catalog has.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog import Catalog, Workspace, rows, tombstone, write_segment
from crawler.fetch.failures import ErrorClass, Failure
from crawler.fetch.rate_limits import backoff_s
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import FetchHistory, Item, Row, Settlement, State
from crawler.session.blocklist import NOTHING_BLOCKED, Blocklist
from crawler.session.records import (
    FetchResult,
    asset_row,
    exif_rows,
    fetch_row,
    label_rows,
    photo_row,
)
from crawler.settings import CrawlSettings


@dataclass(frozen=True)
class UnitResult:
    """The result of a unit: attempts that are settled, in order, and attempts that wait for another worker's file."""

    settled: list[tuple[FetchResult, Settlement]]
    postponed: list[FetchResult]


def commit_unit(
    workspace: Workspace,
    frontier: Frontier,
    settings: CrawlSettings,
    unit: Sequence[FetchResult],
    *,
    owner: str = "",
    blocklist: Blocklist = NOTHING_BLOCKED,
) -> UnitResult:
    """Write one unit of one crawl and settle its items.

    An attempt whose file another worker is writing is postponed to a later unit: if that worker dies, this one writes
    the file.
    """
    unit = [blocklist.apply(result) for result in _mark_repeats(frontier, unit)]
    by_sha = {
        str(result.sha256): result
        for result in reversed(unit)  # the first of each wins
        if not result.failure and result.outcome == "done"
    }
    ours, theirs = frontier.claim_assets(by_sha, owner)
    waits = [result.outcome == "done" and result.sha256 in theirs for result in unit]
    postponed = [result for result, wait in zip(unit, waits, strict=True) if wait]
    unit = [result for result, wait in zip(unit, waits, strict=True) if not wait]
    good = [b for b in unit if not b.failure and b.outcome == "done"]
    by_sha = {sha: result for sha, result in by_sha.items() if sha not in theirs}
    files = [result for sha, result in by_sha.items() if sha in ours]
    records = {
        "fetches": [fetch_row(result) for result in unit],
        "photos": [photo_row(result) for result in good],
        "labels": [row for result in good for row in label_rows(result)],
        "assets": [asset_row(result) for result in files],
        "exif": [row for result in by_sha.values() for row in exif_rows(result)],
        "tombstones": [
            tombstone(
                *("photo", b.item.photo_id, "deleted_at_source"),
                blocks=False,
                crawl_id=b.item.crawl_id,
            )
            for b in unit
            if b.failure and b.failure.http_status in _GONE and b.item.settled_at
            if frontier.holds_photo(b.item.photo_id)
        ],
    }
    if unit:
        images = [(str(result.sha256), result.body) for result in files]
        write_rows(workspace, unit[0].item.crawl_id, records, images)
    settled = [settle(result, settings) for result in unit]
    frontier.settle(settled, ours)
    return UnitResult(list(zip(unit, settled, strict=True)), postponed)


_GONE = frozenset({404, 410})


def _mark_repeats(frontier: Frontier, unit: Sequence[FetchResult]) -> Iterator[FetchResult]:
    """Mark repeats: photos that are named by their bytes, with bytes that were fetched before."""
    photos: set[str] = set()
    for result in unit:
        is_repeat = result.content_name is not None and (
            result.photo_id in photos or frontier.holds_photo(result.photo_id)
        )
        photos.add(result.photo_id)
        yield replace(result, outcome="repeat") if is_repeat else result


def write_rows(
    workspace: Workspace,
    crawl: str,
    records: Mapping[str, list[Row]],
    images: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write one segment of a crawl; tables without rows are omitted."""
    tables = {table: rows(table, table_rows) for table, table_rows in records.items() if table_rows}
    write_segment(workspace, tables, job=f"crawl:{crawl}", images=images)


def settle(result: FetchResult, settings: CrawlSettings) -> Settlement:
    """Decide the new state of an item after an attempt."""
    item, failure, attempt = result.item, result.failure, result.attempt
    if failure is None:
        return Settlement(
            *(item.seq, item.photo_id, "done", attempt),
            error=result.outcome if result.outcome == "repeat" else None,
            etag=result.etag,
            modified=result.modified,
            content_id=result.photo_id if result.content_name else None,
        )
    state: State = "failed"
    if failure.error_class == "transient":
        # The spider has retried a refused photo already.
        spent = item.refusal or attempt - item.base >= settings.max_attempts
        spent = spent or _is_cut_at_the_source(item, failure)
        state = "dead" if spent else "queued"
    wait = backoff_s(attempt - item.base, settings, failure.retry_after_s)
    due = time.time() + wait if state == "queued" else 0.0
    error = (failure.error_class, failure.error, failure.detail[:300], failure.http_status)
    return Settlement(item.seq, item.photo_id, state, attempt, due, *error)


def _is_cut_at_the_source(item: Item, failure: Failure) -> bool:
    """Say whether the third attempt at a file, or a later one, ended at the byte of the one before: it has no more.

    A cache that holds half a file for a moment gives two such ends, too.
    """
    has_bytes = not failure.detail.startswith("0 of ")
    is_same = failure.error == "truncated_body" and failure.detail == item.error_detail
    return is_same and has_bytes and item.attempts - item.base >= 2


def reconcile(
    frontier: Frontier, catalog: Catalog, settings: CrawlSettings, owner: str | None = None
) -> None:
    """Reconcile the frontier of a killed session or worker with the catalog; the spool must be committed.

    Items in flight whose attempt has a row are settled by it, the others return to the queue.
    """
    items = {item.photo_id: item for item in frontier.in_flight(owner)}
    settled, assets = [], []
    for key, row in _ended_attempts(catalog, items).items():
        item, attempt = items[key], int(str(row["attempt"]))
        if attempt > item.attempts and row["crawl_id"] == item.crawl_id:
            settled.append(settle(_to_result(item, attempt, row), settings))
            assets += [str(row["asset_sha256"])] if row["asset_sha256"] else []
    frontier.settle(settled, assets)
    settled_seqs = {settlement.seq for settlement in settled}
    frontier.release(item for item in items.values() if item.seq not in settled_seqs)
    frontier.release_assets(owner)
    if owner is None:
        _restore_held(frontier, catalog)


def _ended_attempts(catalog: Catalog, items: Mapping[str, Item]) -> dict[str, Row]:
    sql = (
        "SELECT photo_id, crawl_id, attempt, url, fetched_at, outcome, error_class, error, error_detail, http_status,"
        " etag, modified, asset_sha256 FROM fetches WHERE list_contains(?, photo_id) ORDER BY attempt"
    )
    crawls = {item.crawl_id for item in items.values()}
    rows = catalog.records(sql, [list(items)]) if items else []
    return {str(row["photo_id"]): row for row in rows if row["crawl_id"] in crawls}


def _to_result(item: Item, attempt: int, row: Mapping[str, Any]) -> FetchResult:
    """Make the fetch result that a row of `fetches` records."""
    return FetchResult(
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


def restore_history(frontier: Frontier, catalog: Catalog, crawl: str) -> None:
    """Copy the fetches of a crawl from the catalog to a frontier that lacks the crawl: its file may have been lost."""
    if frontier.has_crawl(crawl):
        return
    good = "FILTER (outcome <> 'failed')"
    table = catalog.query(
        f"SELECT photo_id, max(attempt) AS attempts, arg_max(url, attempt) {good} AS url,"
        f" coalesce(epoch(max(fetched_at) {good}), 0) AS settled_at, arg_max(etag, attempt) {good} AS etag,"
        f" arg_max(modified, attempt) {good} AS modified FROM fetches WHERE crawl_id = ? GROUP BY photo_id",
        [crawl],
    )
    for batch in table.to_batches(10_000):
        frontier.add_history(crawl, (FetchHistory(**row) for row in batch.to_pylist()))


def _restore_held(frontier: Frontier, catalog: Catalog) -> None:
    """Copy the held photos and files from the catalog when the numbers differ: a lost frontier, a restored catalog."""
    photos = "SELECT photo_id FROM photos WHERE asset_sha256 IS NOT NULL"
    counts = f"SELECT (SELECT count(DISTINCT photo_id) FROM ({photos})) AS p, (SELECT count(*) FROM assets) AS a"
    row = catalog.records(counts)[0]
    held_photos, held_assets = frontier.held_counts()
    # Photos that are named by their bytes have two names here, so there may be more than in the catalog.
    if held_assets == row["a"] and held_photos >= int(str(row["p"])):
        return
    frontier.clear_held()
    # A file that was removed for good is not held, although the row of its fetch stays.
    fetches = (
        "SELECT photo_id FROM fetches WHERE outcome <> 'failed'"
        " AND (asset_sha256 IS NULL OR asset_sha256 IN (SELECT sha256 FROM assets))"
    )
    held = catalog.query(f"{photos} UNION {fetches}").column(0).to_pylist()
    frontier.add_held(held, catalog.query("SELECT sha256 FROM assets").column(0).to_pylist())
