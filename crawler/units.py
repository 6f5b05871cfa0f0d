"""The commit unit: what came in together goes to disk together.

First the segment (pictures and rows, one atomic rename), then one frontier transaction that marks the
items. A kill between the two is healed by `reconcile`: the segment is found in the catalog and its items are
marked then.
"""

import time
from collections.abc import Mapping, Sequence

from catalog import Catalog, Workspace, rows, write_segment
from crawler.failures import ErrorClass, Failure
from crawler.frontier import Frontier, Item, Row, Settlement, State
from crawler.limits import backoff_s
from crawler.records import (
    Brought,
    asset_row,
    exif_rows,
    fetch_row,
    label_rows,
    photo_row,
)
from crawler.settings import CrawlSettings


def commit_unit(
    workspace: Workspace, frontier: Frontier, settings: CrawlSettings, unit: Sequence[Brought]
) -> list[Settlement]:
    """Write one unit of one crawl; return what became of its items."""
    good = [brought for brought in unit if not brought.failure]
    by_sha = {str(brought.sha256): brought for brought in reversed(good)}  # the first of each stays
    new = frontier.new_assets(by_sha)
    files = [brought for sha, brought in by_sha.items() if sha in new]
    records = {
        "fetches": [fetch_row(brought) for brought in unit],
        "photos": [photo_row(brought) for brought in good],
        "labels": [row for brought in good for row in label_rows(brought)],
        "assets": [asset_row(brought) for brought in files],
        "exif": [row for brought in by_sha.values() for row in exif_rows(brought)],
    }
    write_rows(
        workspace,
        unit[0].item.crawl_id,
        records,
        [(str(brought.sha256), brought.body) for brought in files],
    )
    settled = [settle(brought.item, brought.attempt, brought.failure, settings) for brought in unit]
    frontier.settle(settled, new)
    return settled


def write_rows(
    workspace: Workspace,
    crawl: str,
    records: Mapping[str, list[Row]],
    images: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write one segment of a crawl; tables without rows are left out."""
    tables = {table: rows(table, listed) for table, listed in records.items() if listed}
    write_segment(workspace, tables, job=f"crawl:{crawl}", images=images)


def settle(
    item: Item, attempt: int, failure: Failure | None, settings: CrawlSettings
) -> Settlement:
    """Decide what becomes of an item after an attempt that ended with `failure`, or well (null)."""
    if failure is None:
        return Settlement(item.seq, item.photo_id, "done", attempt)
    state: State = "failed"
    if failure.error_class == "transient":
        # A refusal has been tried again by the spider already.
        spent = item.refusal or attempt - item.base >= settings.max_attempts
        state = "dead" if spent else "queued"
    wait = backoff_s(attempt - item.base, settings, failure.retry_after_s)
    due = time.time() + wait if state == "queued" else 0.0
    return Settlement(
        item.seq, item.photo_id, state, attempt, due, failure.error_class, failure.error
    )


def reconcile(frontier: Frontier, catalog: Catalog, settings: CrawlSettings) -> None:
    """Bring the frontier of a killed session up to the catalog, whose spool has been committed.

    Items in flight whose attempt has a row are settled by it, the others go back to the queue.
    """
    items = {item.photo_id: item for item in frontier.in_flight()}
    ended = _ended(catalog, items)
    settled, assets = [], []
    for key, row in ended.items():
        item, attempt = items[key], int(str(row["attempt"]))
        if attempt > item.attempts and row["crawl_id"] == item.crawl_id:
            settled.append(settle(item, attempt, _failure(row), settings))
            assets += [str(row["asset_sha256"])] if row["asset_sha256"] else []
    frontier.settle(settled, assets)
    known = {settlement.seq for settlement in settled}
    frontier.release(item for item in items.values() if item.seq not in known)
    _learn_held(frontier, catalog)


def _ended(catalog: Catalog, items: Mapping[str, Item]) -> dict[str, Row]:
    sql = (
        "SELECT photo_id, crawl_id, attempt, error_class, error, asset_sha256 FROM fetches"
        " WHERE list_contains(?, photo_id) ORDER BY attempt"
    )
    crawls = {item.crawl_id for item in items.values()}
    found = catalog.records(sql, [list(items)]) if items else []
    return {str(row["photo_id"]): row for row in found if row["crawl_id"] in crawls}


def _failure(row: Row) -> Failure | None:
    if not row["error"]:
        return None
    kinds: dict[str, ErrorClass] = {"final": "final", "suspicious": "suspicious"}
    return Failure(kinds.get(str(row["error_class"]), "transient"), str(row["error"]))


def _learn_held(frontier: Frontier, catalog: Catalog) -> None:
    """Learn what the catalog holds when the counts differ: a lost frontier, a restored catalog."""
    counts = "SELECT (SELECT count(DISTINCT photo_id) FROM photos) AS p, (SELECT count(*) FROM assets) AS a"
    row = catalog.records(counts)[0]
    if frontier.held() == (row["p"], row["a"]):
        return
    photos = catalog.query("SELECT DISTINCT photo_id FROM photos").column(0).to_pylist()
    assets = catalog.query("SELECT sha256 FROM assets").column(0).to_pylist()
    frontier.forget_held()
    frontier.hold(photos, assets)
