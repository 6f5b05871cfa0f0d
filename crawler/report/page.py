"""Write the report page: one file that needs no network, with embedded pictures and escaped texts."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from catalog import (
    Workspace,
    __version__,
    format_duration,
    format_time,
    open_catalog,
    render_report,
)
from crawler.fetch.addresses import without_secrets
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Row
from crawler.listing.vocabulary import utc_now
from crawler.report import drawing, findings, samples
from crawler.report.scope import ReportScope, find_scope

log = logging.getLogger(__name__)

_TABLES = (
    findings.sources,
    findings.formats,
    findings.licences,
    findings.error_kinds,
    findings.errors,
    findings.hosts,
    findings.opt_outs,
    findings.exif_statuses,
    findings.exif_by_camera,
)


def write_report(
    workspace: Workspace, crawl: str | None = None, output: Path | None = None
) -> Path:
    """Write `index.html` about one crawl (the beginning of its id is enough), or about all; return its path.

    It is written to `output`, by default to `reports/crawl/<crawl_id or all>/` of the workspace. The numbers are those
    of the last commit; a running session is ahead of them by up to a minute. Raises `CrawlNotFoundError`.
    """
    with Frontier(workspace.frontier) as frontier, open_catalog(workspace) as catalog:
        scope = find_scope(catalog, frontier.crawls(), crawl)
        text = render(context(scope, workspace))
    folder = output or workspace.reports / "crawl" / scope.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(text, "utf-8")
    log.info("report of %d crawls: %s", len(scope.crawls), path)
    return path


def context(scope: ReportScope, workspace: Workspace) -> Mapping[str, Any]:
    """Return the values of the page's template."""
    totals, pictures = findings.totals(scope), samples.pictures(scope, workspace)
    line = findings.timeline(scope)
    bins = [(format_time(at), done, failed) for at, done, failed in line.bins]
    tables = {query.__name__: query(scope) for query in _TABLES}
    return {
        "title": "All crawls" if scope.name == "all" else f"Crawl {scope.name}",
        "written": utc_now(),
        "version": __version__,
        "crawls": [
            _crawl(record.crawl_id, record.source, record.config) for record in scope.records
        ],
        "totals": totals,
        "funnel": findings.funnel(scope, totals["tried"], totals["done"]),
        "step": format_duration(line.step_s),
        "bins": bins,
        "bars": drawing.stacked_bars(bins),
        "tasks": _by_task(findings.labels(scope)),
        "coverage": findings.exif_by_source(scope),
        "pictures": pictures,
        "most": findings.MOST_VALUES,
        "kept_here": sum(row["redistribution_allowed"] is False for row in pictures),
        "letters": samples.dead_letters(scope),
        "sessions": [_session(row) for row in findings.sessions(scope)],
        **tables,
    }


def _crawl(crawl: str, source: str, config: Mapping[str, object]) -> Row:
    settings = {name: without_secrets(str(value)) for name, value in config.items() if value}
    return {"crawl_id": crawl, "source": source, "config": settings}


def _session(row: Row) -> Row:
    began, ended = row["started_at"], row["finished_at"]
    is_timed = isinstance(began, datetime) and isinstance(ended, datetime)
    took = (ended - began).total_seconds() if is_timed else None  # type: ignore[operator]  # checked above
    config = json.loads(str(row["config_json"] or "{}"))
    return {**row, "took_s": took, **_crawl(str(row["crawl_id"]), str(row["source"]), config)}


def _by_task(labels: Sequence[Row]) -> dict[str, list[Row]]:
    tasks: dict[str, list[Row]] = {}
    for row in labels:
        tasks.setdefault(f"{row['task']}, stated by {row['label_source']}", []).append(row)
    return tasks


def web_link(url: object) -> str | None:
    """Return an address that may be a link: http and https only, without secrets.

    >>> web_link("javascript:alert(1)"), web_link("https://photos.example/a")
    (None, 'https://photos.example/a')
    """
    try:
        is_web = urlsplit(str(url)).scheme in ("http", "https")
    except ValueError:
        is_web = False
    return without_secrets(str(url)) if is_web else None


def render(values: Mapping[str, object]) -> str:
    """Fill the template; a missing value is an error."""
    return render_report("crawler.report", "report.html", values, {"web_link": web_link})
