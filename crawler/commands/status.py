"""`safelight crawl status`: the crawls of a workspace, and what of them is not in the catalog yet."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from catalog import (
    Workspace,
    command_name,
    counted,
    emit_json,
    examples,
    existing_workspace_option,
    json_option,
)
from crawler.commands.summary import failure_hints, failures, left_out, pauses_json

if TYPE_CHECKING:
    from crawler.frontier.items import CrawlRecord


@click.command(epilog=examples("crawl status", "crawl status --json"))
@json_option
@existing_workspace_option
def status(workspace: Workspace) -> None:
    """List the crawls of the workspace, last used first."""
    from crawler.fetch.pauses import pauses_text
    from crawler.frontier.frontier import Frontier
    from crawler.session.uncommitted import COMMIT, segments_by_crawl

    with Frontier(workspace.frontier) as frontier:
        records = frontier.crawls()
        errors = {record.crawl_id: frontier.errors(record.crawl_id) for record in records}
        pauses = {record.crawl_id: frontier.pauses(record.crawl_id) for record in records}
    spooled = segments_by_crawl(workspace)
    rows = [
        {
            **_as_row(record, errors[record.crawl_id], spooled[record.crawl_id]),
            "pauses": pauses_json(pauses[record.crawl_id]),
        }
        for record in records
    ]
    if emit_json({"crawls": rows, "segments_in_spool": spooled.total()}):
        return
    for record in records:
        _print_crawl(record, errors[record.crawl_id], spooled[record.crawl_id])
        if waits := pauses_text(pauses[record.crawl_id]):
            click.echo(f"  paused by the host: {waits}")
    if not records:
        click.echo(f"no crawls yet; start one with: {command_name()} crawl run SOURCE")
    if spooled:
        click.echo(
            f"{counted(spooled.total(), 'segment', 'waits')} in the spool: fetched, but not in the catalog. A "
            f"session at work commits this; if there is none: {COMMIT}"
        )


def _as_row(record: "CrawlRecord", errors: Mapping[str, int], spooled: int) -> dict[str, object]:
    """Return what `crawl status --json` says of one crawl; `counts` has the pictures by state."""
    return {
        "crawl_id": record.crawl_id,
        "source": record.source,
        "state": _state(record, spooled),
        "counts": record.counts,
        "rows_without_files": record.cursor.rows,
        "errors": errors,
        "segments_in_spool": spooled,
        "config": {**record.config, **record.changed},
        "used_at": datetime.fromtimestamp(record.used_at, UTC),
    }


def _state(record: "CrawlRecord", spooled: int) -> str:
    return "open" if record.open else "not committed" if spooled else "finished"


def _print_crawl(record: "CrawlRecord", errors: dict[str, int], spooled: int) -> None:
    from crawler.session.progress import error_list

    n_left_out = left_out(errors)
    states = {**record.counts, "failed": record.counts.get("failed", 0) - n_left_out}
    counts = ", ".join(
        f"{states.get(state, 0)} {state}"
        for state in ("done", "queued", "in_flight", "failed", "dead")
    )
    if read := record.cursor.rows:
        pictures = f", {counts}" if record.counts else ""
        counts = f"{counted(read, 'row')} without files{pictures}"
    counts += f", {n_left_out} left out (blocked or taken down)" if n_left_out else ""
    end = _state(record, spooled)
    counts += f", {counted(spooled, 'segment')} in the spool" if spooled else ""
    order = {**record.config, **record.changed}
    about = " ".join(f"{name}={value}" for name, value in order.items() if value)
    click.echo(f"{record.crawl_id}  {record.source}  {end}  {counts}")
    used_at = time.strftime("%F %T", time.localtime(record.used_at))
    click.echo(f"  {about}; last used {used_at}")
    if failed := failures(errors):
        click.echo(f"  failed: {error_list(failed)}")
    for hint in failure_hints(errors):
        click.echo(f"  {hint}")
