"""Contents of the crawl pages: sessions, yield per source, errors."""

import json
from dataclasses import dataclass

from catalog.errors import NoSuchCrawlError
from catalog.lake.lake import Catalog
from catalog.web.sections.section import Row, Section, query_section, query_sections

CRAWLS = """\
SELECT crawl_id, arg_max(source, started_at) AS source, count(*) AS sessions, min(started_at) AS started_at,
       max(finished_at) AS finished_at, arg_max(status, started_at) AS status,
       sum(n_listed)::BIGINT AS n_listed, sum(n_done)::BIGINT AS n_done, sum(n_failed)::BIGINT AS n_failed
FROM crawls GROUP BY crawl_id ORDER BY finished_at DESC, crawl_id"""

YIELDS = """\
SELECT p.source, count(*) AS listed, count(p.asset_sha256) AS with_bytes,
       count(DISTINCT p.asset_sha256) AS distinct_files, count(e.asset_sha256) AS with_settings,
       count(*) FILTER (p.training_allowed) AS training_allowed
FROM v_all_photos p LEFT JOIN (SELECT DISTINCT asset_sha256 FROM exif
     WHERE f_number IS NOT NULL OR iso IS NOT NULL OR exposure_time IS NOT NULL) e USING (asset_sha256)
GROUP BY p.source ORDER BY listed DESC"""

MAX_CLASSES = 30  # a label with more values, such as an age, is not counted on the page

_LAST = """\
FROM (SELECT * FROM fetches WHERE crawl_id = $1
      QUALIFY row_number() OVER (PARTITION BY photo_id ORDER BY attempt DESC, fetched_at DESC) = 1)"""

SECTIONS = {
    "sessions": "SELECT * FROM crawls WHERE crawl_id = $1 ORDER BY started_at DESC",
    "funnel": (
        "SELECT 1 AS step, 'addresses requested' AS name, count(DISTINCT photo_id) AS n\n"
        "          FROM fetches WHERE crawl_id = $1\n"
        "UNION ALL SELECT 2, 'with a response', count(DISTINCT photo_id) FROM fetches\n"
        "          WHERE crawl_id = $1 AND (http_status IS NOT NULL OR outcome <> 'failed')\n"
        "UNION ALL SELECT 3, 'fetched', count(DISTINCT photo_id) FROM fetches\n"
        "          WHERE crawl_id = $1 AND outcome <> 'failed'\n"
        "UNION ALL SELECT 4, 'distinct files', count(DISTINCT asset_sha256) FROM photos WHERE crawl_id = $1\n"
        "UNION ALL SELECT 5, 'readable header', count(DISTINCT p.asset_sha256) FROM photos p\n"
        "          JOIN assets a ON a.sha256 = p.asset_sha256 WHERE p.crawl_id = $1 AND a.header_status = 'ok'\n"
        "UNION ALL SELECT 6, 'with a camera setting', count(DISTINCT p.asset_sha256) FROM photos p\n"
        "          JOIN exif e USING (asset_sha256) WHERE p.crawl_id = $1\n"
        "          AND (e.f_number IS NOT NULL OR e.iso IS NOT NULL OR e.exposure_time IS NOT NULL)\n"
        "ORDER BY step"
    ),
    "errors": (
        "SELECT host, error_class, error, count(*) AS attempts, count(DISTINCT photo_id) AS photos, "
        "max(fetched_at) AS last_seen\n"
        "FROM fetches WHERE crawl_id = $1 AND outcome = 'failed'\n"
        "GROUP BY ALL ORDER BY attempts DESC, host, error"
    ),
    "yields": (
        "SELECT host, count(*) AS photos, count(*) FILTER (outcome <> 'failed') AS fetched,\n"
        "       sum(bytes) FILTER (outcome <> 'failed')::BIGINT AS bytes, "
        "median(duration_ms) AS median_ms, max(attempt) AS most_attempts\n"
        f"{_LAST}\nGROUP BY host ORDER BY photos DESC, host"
    ),
    "failures": (
        "SELECT photo_id, url, host, attempt, http_status, error_class, error, error_detail, fetched_at\n"
        f"{_LAST}\nWHERE outcome = 'failed' ORDER BY hash(photo_id) LIMIT 30"
    ),
    "classes": (
        "SELECT task, value AS class, count(*) AS n\n"
        "FROM labels JOIN (SELECT DISTINCT photo_id FROM photos WHERE crawl_id = $1) p ON subject_id = p.photo_id\n"
        "WHERE subject_kind = 'photo' GROUP BY task, value\n"
        f"QUALIFY count(*) OVER (PARTITION BY task) <= {MAX_CLASSES}\n"
        "ORDER BY task, try_cast(value AS DOUBLE) NULLS LAST, value"
    ),
    "samples": (
        "SELECT asset_sha256, any_value(title) AS title FROM photos\n"
        "WHERE crawl_id = $1 AND asset_sha256 IS NOT NULL GROUP BY asset_sha256 ORDER BY asset_sha256 LIMIT 18"
    ),
}


@dataclass(frozen=True)
class Crawl:
    """One crawl, with every section of `SECTIONS`."""

    crawl_id: str
    sections: dict[str, Section]

    @property
    def newest_session(self) -> Row:
        """The row of `crawls` of its newest session."""
        return self.sections["sessions"].rows[0]

    @property
    def config(self) -> dict[str, object]:
        """Its settings that are not empty or off."""
        config = json.loads(str(self.newest_session["config_json"] or "{}"))
        return {name: value for name, value in config.items() if value not in (None, "", [], False)}


def list_crawls(catalog: Catalog) -> Section:
    """List the crawls that have at least one ended session, newest first."""
    return query_section(catalog, CRAWLS)


def count_yields(catalog: Catalog) -> Section:
    """Count per source what was listed, fetched, distinct and usable."""
    return query_section(catalog, YIELDS)


def find_crawl(catalog: Catalog, crawl_id: str) -> Crawl:
    """Read the sections of one crawl; raises `NoSuchCrawlError`."""
    if not catalog.records("SELECT 1 FROM crawls WHERE crawl_id = ?", [crawl_id]):
        raise NoSuchCrawlError(crawl_id)
    return Crawl(crawl_id, query_sections(catalog, SECTIONS, [crawl_id]))
