"""Which crawls a report is about, and how its questions are asked of the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog import Catalog
from crawler.errors import CrawlNotFoundError
from crawler.frontier.items import CrawlRecord, Row

# The tables of these crawls. A photo that two crawls brought in has one row, with the id of the first: so
# photos are found by what was fetched, not by their crawl_id.
_TABLES = """
WITH wanted AS (SELECT unnest(?) AS crawl_id),
tries AS (SELECT * FROM fetches SEMI JOIN wanted USING (crawl_id)),
followed AS (SELECT *, lag(outcome) OVER (PARTITION BY crawl_id, photo_id ORDER BY attempt) AS before FROM tries),
settled AS (SELECT DISTINCT photo_id FROM tries WHERE outcome <> 'failed'),
came AS (SELECT DISTINCT photo_id, asset_sha256 FROM tries WHERE outcome = 'done'),
pictures AS (SELECT p.* FROM v_all_photos p SEMI JOIN came USING (photo_id, asset_sha256)),
newest AS (
  SELECT arg_max(asset_sha256, fetched_at) AS sha256 FROM tries WHERE outcome = 'done' GROUP BY photo_id
),
current AS (SELECT a.* FROM assets a SEMI JOIN newest USING (sha256)),
files AS (SELECT a.* FROM assets a SEMI JOIN came ON a.sha256 = came.asset_sha256),
settings AS (SELECT e.* FROM v_exif e SEMI JOIN came USING (asset_sha256)),
listed AS (SELECT * FROM v_listed SEMI JOIN wanted USING (crawl_id)),
sessions AS (SELECT * FROM crawls SEMI JOIN wanted USING (crawl_id))
"""


@dataclass(frozen=True)
class ReportScope:
    """Crawls of one workspace; `name` is the id of the only one, or `all`."""

    catalog: Catalog
    name: str
    crawls: Sequence[str]
    records: Sequence[CrawlRecord]

    def query(self, sql: str, *values: object) -> list[Row]:
        """Ask about these crawls; the tables are those above this class, `listed` has photos without bytes."""
        return self.catalog.records(_TABLES + sql, [list(self.crawls), *values])


def find_scope(
    catalog: Catalog, records: Sequence[CrawlRecord], crawl_id: str | None
) -> ReportScope:
    """Take the crawl whose id begins with `wanted`, or all; a crawl counts when frontier or catalog knows it.

    Raises `CrawlNotFoundError` when none fits, or more than one.
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
