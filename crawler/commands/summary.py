"""Print the summary of a crawl, with hints about failures that a setting can solve."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from catalog import (
    command_name,
    counted,
    emit_json,
    format_bytes,
    format_duration,
    home_words,
    logs_json,
    redacted,
)
from crawler.fetch.failures import OPT_OUTS, TOMBSTONED

if TYPE_CHECKING:
    from crawler.fetch.pauses import HostPause
    from crawler.session.summary import CrawlSummary

log = logging.getLogger(__name__)


def print_summary(summary: "CrawlSummary") -> None:
    """Print what a session did, and the next step."""
    if not emit_json(_as_json(summary)):
        click.echo(f"crawl {summary.crawl_id} ({summary.source}) {summary.status}")
        for line in _lines(summary):
            click.echo(f"  {line}")
        _print_permission(summary)
    if summary.problem and logs_json():
        log.warning("%s", summary.problem, extra={"crawl_id": summary.crawl_id})
    elif summary.problem:
        click.echo(f"  {redacted(summary.problem)}", err=True)
    if summary.uncommitted:
        _print_uncommitted(summary)
    elif summary.status == "stopped" and not summary.problem:
        click.echo(f"  go on with: {command_name()} crawl resume{home_words()}")


def _as_json(summary: "CrawlSummary") -> dict[str, object]:
    """Return the fields of a summary, without what the log would not show either."""
    return {
        **vars(summary),
        "problem": redacted(summary.problem),
        "commit_problem": redacted(summary.commit_problem),
        "permission": summary.permission.as_json,
        "pauses": pauses_json(summary.pauses),
    }


def pauses_json(pauses: "Sequence[HostPause]") -> list[dict[str, object]]:
    """Return host, end and waiting pictures of each pause."""
    return [asdict(each) | {"until": datetime.fromtimestamp(each.until, UTC)} for each in pauses]


def failure_hints(errors: Mapping[str, int]) -> Iterator[str]:
    """Give hints about failures whose cause is a setting of the crawl."""
    if errors.get("private_address"):
        retry = f"{command_name()} crawl retry --class suspicious{home_words()}"
        yield (
            "private_address: hosts in private networks are not requested. To allow them all: "
            f"{retry} --allow-private; to allow some networks only, set allow_networks = "
            f'"192.168.0.0/16" in [crawl] of safelight.toml, then: {retry}'
        )


def left_out(errors: Mapping[str, int]) -> int:
    """Count the pictures that are blocked or taken down."""
    return errors.get(TOMBSTONED, 0)


def failures(errors: Mapping[str, int]) -> dict[str, int]:
    """Return the errors without those of blocked and taken down pictures."""
    return {error: n for error, n in errors.items() if error != TOMBSTONED}


def _lines(summary: "CrawlSummary") -> Iterator[str]:
    from crawler.fetch.pauses import pauses_text
    from crawler.session.progress import error_list

    yield from _counts(summary)
    if summary.repeats or summary.unchanged:
        yield f"repeats {summary.repeats:,}, unchanged {summary.unchanged:,}"
    if summary.errors:
        yield f"failed: {error_list(summary.errors)}"
    yield from failure_hints(summary.errors)
    yield from _earlier(summary)
    if summary.pauses:
        yield f"paused by the host: {pauses_text(summary.pauses)}"
    if summary.calls:
        yield f"API calls: {error_list(summary.calls)}"
    added = error_list({name: n for name, n in sorted(summary.rows.items()) if n})
    yield f"rows added: {added or 'none'}"


def _counts(summary: "CrawlSummary") -> Iterator[str]:
    passed_over = f"passed over {counted(summary.skipped, 'entry')}"
    if summary.read:
        rows = counted(summary.read, "row")
        yield f"read {rows} without files, {passed_over} in {format_duration(summary.seconds)}"
    else:
        yield f"listed {counted(summary.listed, 'photo')}, {passed_over}"
    if not summary.read or summary.listed:
        listed = f" of {summary.listed:,} listed" if summary.read else ""
        yield (
            f"brought in {summary.done:,}{listed} ({format_bytes(summary.bytes)} in "
            f"{format_duration(summary.seconds)}), failed {summary.failed:,}, still wanted {summary.open:,}"
        )


def _earlier(summary: "CrawlSummary") -> Iterator[str]:
    """Describe the failures of earlier sessions; opt-outs are not to be tried again."""
    from crawler.session.progress import error_list

    earlier = {name: n - summary.errors.get(name, 0) for name, n in summary.standing.items()}
    open_failures = {name: n for name, n in earlier.items() if n > 0 and name not in OPT_OUTS}
    if open_failures:
        yield (
            f"failed earlier and not tried again: {sum(open_failures.values()):,} ({error_list(open_failures)}); "
            f"try them with: {command_name()} crawl retry --class all{home_words()}"
        )
    if (n := left_out(earlier)) > 0:
        yield f"left out: {counted(n, 'photo')}, blocked or taken down on request"


def _print_permission(summary: "CrawlSummary") -> None:
    """Print how many photos got the basis of this command, and advice when some may not be trained on."""
    from catalog import crawled

    if summary.basis and summary.basis.statement_id:
        photos = counted(summary.basis.changed, "photo")
        click.echo(f"  basis recorded for {photos} that came in earlier without it")
    if summary.permission.allowed < summary.permission.total:
        click.echo(f"  {summary.permission.advice(crawled(summary.crawl_id))}")


def _print_uncommitted(summary: "CrawlSummary") -> None:
    """Print what to do after failed commits, on standard error or in the log."""
    from crawler.session.uncommitted import COMMIT

    then = f", then go on with: {command_name()} crawl resume" if summary.open else ""
    wait = counted(summary.uncommitted, "segment", "waits")
    text = (
        f"not in the catalog: {wait} in the spool, because the commit failed: "
        f"{redacted(summary.commit_problem)}. Nothing is lost; when the cause is mended, finish with: {COMMIT}{then}"
    )
    if logs_json():
        log.error("%s", text, extra={"crawl_id": summary.crawl_id})
    else:
        click.echo(f"  {text}", err=True)
