"""The crawls of a report, and the tables that its queries read."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog import Catalog
from crawler.errors import CrawlNotFoundError
from crawler.frontier.items import CrawlRecord, Row

# The tables of these crawls. A photo that two crawls fetched has one row, with the id of the first: so photos are
# selected by their fetches, not by their crawl_id.
_TABLES = """
WITH crawl_ids AS (SELECT unnest(?) AS crawl_id),
attempts AS (SELECT * FROM fetches SEMI JOIN crawl_ids USING (crawl_id)),
attempts_in_order AS (
  SELECT *, lag(outcome) OVER (PARTITION BY crawl_id, photo_id ORDER BY attempt) AS before FROM attempts
),
fetched_photos AS (SELECT DISTINCT photo_id FROM attempts WHERE outcome <> 'failed'),
fetched_files AS (SELECT DISTINCT photo_id, asset_sha256 FROM attempts WHERE outcome = 'done'),
pictures AS (SELECT p.* FROM v_all_photos p SEMI JOIN fetched_files USING (photo_id, asset_sha256)),
newest AS (
  SELECT arg_max(asset_sha256, fetched_at) AS sha256 FROM attempts WHERE outcome = 'done' GROUP BY photo_id
),
current AS (SELECT a.* FROM assets a SEMI JOIN newest USING (sha256)),
files AS (SELECT a.* FROM assets a SEMI JOIN fetched_files f ON a.sha256 = f.asset_sha256),
settings AS (SELECT e.* FROM v_exif e SEMI JOIN fetched_files USING (asset_sha256)),
listed AS (SELECT * FROM v_listed SEMI JOIN crawl_ids USING (crawl_id)),
sessions AS (SELECT * FROM crawls SEMI JOIN crawl_ids USING (crawl_id))
"""


@dataclass(frozen=True)
class ReportScope:
    """Crawls of one workspace; `name` is the id of the only one, or `all`."""

    catalog: Catalog
    name: str
    crawls: Sequence[str]
    records: Sequence[CrawlRecord]

    def query(self, sql: str, *values: object) -> list[Row]:
        """Query these crawls; the tables are those above this class, `listed` has photos without bytes."""
        return self.catalog.records(_TABLES + sql, [list(self.crawls), *values])


def find_scope(
    catalog: Catalog, records: Sequence[CrawlRecord], crawl_id: str | None
) -> ReportScope:
    """Take the crawl whose id starts with `crawl_id`, or all crawls of frontier and catalog.

    Raises `CrawlNotFoundError` unless exactly one crawl matches.
    """
    rows = catalog.records(
        "SELECT crawl_id FROM crawls UNION SELECT crawl_id FROM fetches ORDER BY 1"
    )
    ids = list(
        dict.fromkeys([r.crawl_id for r in records] + [str(row["crawl_id"]) for row in rows])
    )
    matching = [crawl for crawl in ids if crawl.startswith(crawl_id or "")]
    if not matching or (crawl_id and len(matching) > 1):
        raise CrawlNotFoundError(crawl_id or "", ids)
    records = [record for record in records if record.crawl_id in matching]
    return ReportScope(catalog, matching[0] if crawl_id else "all", matching, records)
