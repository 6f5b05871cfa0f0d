"""`safelight crawl`: parse, call one function, print what it says."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from catalog import (
    SafelightError,
    Workspace,
    existing_workspace_option,
    load_settings,
    logs_json,
    redacted,
    workspace_option,
)
from crawler import cli_basis, cli_files, cli_web

if TYPE_CHECKING:
    from crawler.crawling import CrawlOptions, CrawlSummary
    from crawler.frontier import CrawlRecord
    from crawler.planner import ApiPlan
    from crawler.progress import Tally
    from crawler.settings import CrawlSettings
    from crawler.sources.unsplash import UnsplashSource

log = logging.getLogger(__name__)

WORKERS, CLUSTER, RECRAWL = "safelight.workers", "safelight.cluster", "safelight.recrawl"
EXIT_CODES = {"finished": 0, "failed": 1, "stopped": 3}
UNCOMMITTED = 4
"""Exit code of a session whose work is in the spool, but not in the catalog."""
METRICS_PORT, METRICS_HOST = "safelight.metrics_port", "safelight.metrics_host"


@click.group()
def crawl() -> None:
    """Bring pictures and their EXIF into the catalog.

    Exit codes: 0 finished (pictures that failed are rows and are counted), 1 error, 2 wrong usage,
    3 stopped before the end, 4 fetched but not committed: it waits in the spool.
    """


@crawl.group()
def plan() -> None:
    """Say what a crawl will cost, without fetching a picture."""


@crawl.group()
def run() -> None:
    """Crawl a source; the same command goes on where it ended, and later adds what is new."""


cli_web.add_to(plan, run)


def unsplash_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what to list from an Unsplash API."""
    options = [
        click.option("--search", metavar="TEXT", help="Photos found by these words."),
        click.option("--topic", metavar="SLUG", help="Photos of a topic."),
        click.option("--collection", metavar="ID", help="Photos of a collection."),
        click.option("--user", metavar="NAME", help="Photos of a photographer."),
        click.option("--user-likes", metavar="NAME", help="Photos that a user likes."),
        click.option("--random", type=click.IntRange(min=1), metavar="N", help="N random photos."),
        click.option(
            "--ids",
            type=click.Path(exists=True, dir_okay=False, resolve_path=True),
            help="Photos by their ids or page addresses, one a line.",
        ),
        click.option(
            "--order-by",
            type=click.Choice(["latest", "oldest", "popular", "relevant", "views", "downloads"]),
            help="Order of the listing.",
        ),
        click.option("--orientation", type=click.Choice(["landscape", "portrait", "squarish"])),
        click.option("--color", metavar="NAME", help="Main colour (with --search)."),
        click.option("--content-filter", type=click.Choice(["low", "high"])),
        click.option("--limit", type=click.IntRange(min=1), help="List at most so many photos."),
        click.option("--api-base", metavar="URL", help="Another site that speaks the API."),
        cli_basis.BASIS,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@run.command("unsplash")
@unsplash_options
@cli_web.PRIVATE
@cli_web.WAIT
@workspace_option
def run_unsplash(workspace: Workspace, *, allow_private: bool, wait: bool, **wanted: Any) -> None:
    """Crawl photos from the Unsplash API: all of them, unless an option says which.

    Needs SAFELIGHT_UNSPLASH_KEY, and SAFELIGHT_CONTACT for the User-Agent.
    """
    run_source(workspace, _unsplash(wanted), allow_private=allow_private, wait=wait)


@plan.command("unsplash")
@unsplash_options
@workspace_option
def plan_unsplash(workspace: Workspace, **wanted: Any) -> None:
    """Reckon API calls and hours; asks the API for the number of photos (one call)."""
    from crawler import planner

    _print_api_plan(asyncio.run(planner.plan_unsplash(_unsplash(wanted), workspace)))


def _print_api_plan(found: "ApiPlan") -> None:
    click.echo(f"{found.photos} photos, {found.calls} API calls (pages, details, downloads)")
    names = {50: "demo key", 5000: "production key"}
    for rate, hours in found.hours.items():
        mine = ", this key" if rate == found.own_per_hour else ""
        click.echo(f"at {rate} calls an hour ({names.get(rate, 'key')}{mine}): {hours:.1f} hours")
    click.echo("pictures come from the image servers, which do not count against the key's rate")
    click.echo("cheaper roads:")
    click.echo("  the Lite Dataset, 25,000 photos with EXIF, 0 calls: crawl run unsplash-dataset")
    click.echo("  photos that this catalog holds already cost no call but their page's")


@crawl.command()
@existing_workspace_option
def status(workspace: Workspace) -> None:
    """List the crawls of the workspace, last used first."""
    from crawler.frontier import Frontier
    from crawler.pauses import pauses_text
    from crawler.uncommitted import COMMIT, segments_by_crawl

    with Frontier(workspace.frontier) as frontier:
        known = frontier.crawls()
        errors = {record.crawl_id: frontier.errors(record.crawl_id) for record in known}
        pauses = {record.crawl_id: frontier.pauses(record.crawl_id) for record in known}
    spooled = segments_by_crawl(workspace)
    for record in known:
        _print_crawl(record, errors[record.crawl_id], spooled[record.crawl_id])
        if waits := pauses_text(pauses[record.crawl_id]):
            click.echo(f"  wants to be left alone: {waits}")
    if not known:
        click.echo("no crawls yet; start one with: safelight crawl run SOURCE")
    if spooled:
        click.echo(
            f"{spooled.total()} segments wait in the spool: what they hold is fetched, but not in the catalog. A "
            f"session at work commits them; if there is none: {COMMIT}"
        )


def _print_crawl(record: "CrawlRecord", errors: dict[str, int], spooled: int) -> None:
    from crawler.progress import error_list

    counts = ", ".join(
        f"{record.counts.get(state, 0)} {state}"
        for state in ("done", "queued", "in_flight", "failed", "dead")
    )
    if read := record.cursor.rows:
        pictures = f", {counts}" if record.counts else ""
        counts = f"{read} rows that need no file{pictures}"
    end = "open" if record.open else "not committed" if spooled else "finished"
    counts += f", {spooled} segments in the spool" if spooled else ""
    order = {**record.config, **record.changed}
    about = " ".join(f"{name}={value}" for name, value in order.items() if value)
    click.echo(f"{record.crawl_id}  {record.source}  {end}  {counts}")
    click.echo(f"  {about}; last used {time.strftime('%F %T', time.localtime(record.used_at))}")
    if errors:
        click.echo(f"  failed: {error_list(errors)}")


@crawl.command()
@click.argument("crawl_id", required=False)
@cli_web.WAIT
@cli_web.PRIVATE
@existing_workspace_option
def resume(workspace: Workspace, crawl_id: str | None, *, allow_private: bool, wait: bool) -> None:
    """Go on with a crawl that was stopped or killed: the last one, or CRAWL_ID.

    It goes on as it was run: with --allow-private when `run` had it.
    """
    from crawler import crawling

    def act(report: Any) -> "CrawlSummary":
        options = _options(report, wait=wait, allow_private=allow_private)
        return crawling.resume(workspace, _settings(workspace), options, wanted=crawl_id)

    _act(act)


@crawl.command()
@click.argument("crawl_id", required=False)
@click.option(
    "--class",
    "error_class",
    type=click.Choice(["transient", "final", "suspicious", "all"]),
    help="[default: transient, or all with --where]",
)
@click.option(
    "--where",
    metavar="SQL",
    help="Those for which this predicate holds, such as \"host LIKE '%.org' AND http_status = 403\".",
)
@click.option("--dry-run", is_flag=True, help="List the pictures; try none.")
@cli_web.WAIT
@cli_web.PRIVATE
@existing_workspace_option
def retry(
    workspace: Workspace, crawl_id: str | None, *, wait: bool, allow_private: bool, **which: Any
) -> None:
    """Try pictures that failed again, as `run` did: in the last crawl, or in CRAWL_ID.

    Columns for --where: photo_id, url, host, state, attempts, error_class, error, error_detail, http_status,
    failed_at.
    """
    from dataclasses import replace

    from crawler import crawling

    where = which["where"]
    if which["dry_run"]:
        for letter in crawling.dead_letters(workspace, crawl_id, where):
            click.echo(f"{letter.error_class}/{letter.error}\t{letter.attempts}\t{letter.url}")
        return

    def act(report: Any) -> "CrawlSummary":
        kind: Any = which["error_class"] or ("all" if where else "transient")
        options = _options(report, wait=wait, allow_private=allow_private)
        options = replace(options, retry=kind, where=where)
        return crawling.retry(workspace, _settings(workspace), options, wanted=crawl_id)

    _act(act)


@crawl.command()
@click.option(
    "--wait/--no-wait", default=True, help="Return when the session has ended, or at once."
)
@existing_workspace_option
def stop(workspace: Workspace, *, wait: bool) -> None:
    """Stop the crawl that is running here in good order: it ends what is in work and commits it."""
    from crawler import crawling

    crawling.ask_to_stop(workspace, wait=wait)
    click.echo("stopped; go on with: safelight crawl resume" if wait else "asked to stop")


KIND = click.argument("kind", type=click.Choice(["photo", "sha256", "photographer", "url_prefix"]))


@crawl.command()
@KIND
@click.argument("value")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
@workspace_option
def block(workspace: Workspace, kind: str, value: str, reason: str) -> None:
    """Keep something out of all later crawls: a photo_id, a SHA-256, a photographer, an address prefix.

    What is in the catalog already stays there. An address prefix needs scheme and host. See also: crawl unblock.
    """
    from crawler import crawling

    known = crawling.block(workspace, cast("Any", kind), value, reason)
    click.echo(f"later crawls leave out {kind} {value}; {known} known photos match")


@crawl.command()
@KIND
@click.argument("value")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
@existing_workspace_option
def unblock(workspace: Workspace, kind: str, value: str, reason: str) -> None:
    """Let later crawls bring in again what `crawl block` kept out, named as it was then."""
    from crawler import crawling

    known = crawling.unblock(workspace, cast("Any", kind), value, reason)
    click.echo(f"later crawls may bring in {kind} {value}; {known} known photos match")
    click.echo("try what was left out: safelight crawl retry --where \"error = 'tombstoned'\"")


@crawl.command()
@click.option("--since", type=int, metavar="SNAPSHOT", help="Catalog snapshot to compare with.")
@existing_workspace_option
def changes(workspace: Workspace, since: int | None) -> None:
    """Say what came, changed and was deleted since a catalog snapshot (default: before the last session)."""
    from crawler import changes as diff

    found = diff.changes(workspace, since)
    click.echo(
        f"since snapshot {found.since}: {found.added} photos came, {len(found.changed)} changed, "
        f"{len(found.deleted)} were deleted at their source"
    )
    for name, listed in (("changed", found.changed), ("deleted", found.deleted)):
        for photo in listed:
            click.echo(f"{name}\t{photo.source}\t{photo.source_photo_id}\t{photo.page_url or ''}")


@crawl.command()
@existing_workspace_option
def verify(workspace: Workspace) -> None:
    """Re-hash every picture, and compare packs, catalog and frontier; exit code 1 on a problem."""
    from crawler.audit import audit

    found = audit(workspace)
    for line in (*found.problems, *found.notes):
        click.echo(line)
    checked = f"{found.assets} assets, {found.photos} photos, {found.packs} packs"
    if found.problems:
        raise SafelightError(f"problems: {len(found.problems)}, in {checked}")
    click.echo(f"checked {checked}: no problem")


@crawl.command()
@click.argument("crawl_id", required=False)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write into (default: reports/crawl/ of the workspace).",
)
@existing_workspace_option
def report(workspace: Workspace, crawl_id: str | None, output: Path | None) -> None:
    """Write an HTML page about CRAWL_ID, or about all crawls, and print its path."""
    from crawler.report import write_report

    click.echo(write_report(workspace, crawl_id, output))


def _settings(workspace: Workspace) -> "CrawlSettings":
    from crawler.settings import CrawlSettings

    return load_settings(CrawlSettings, "crawl", workspace)


def _unsplash(wanted: dict[str, Any]) -> "UnsplashSource":
    from crawler.sources.unsplash import API_BASE, UnsplashSource

    kinds = ("search", "topic", "collection", "user", "user-likes", "random", "ids")
    chosen = [(kind, value) for kind in kinds if (value := wanted[kind.replace("-", "_")])]
    if len(chosen) > 1:
        raise click.UsageError(f"give only one of --{', --'.join(kinds)}")
    listing, value = chosen[0] if chosen else ("all", "")
    limit = wanted["limit"]
    if listing == "random":
        value, limit = "", int(value)
    filters = ("order_by", "orientation", "color", "content_filter")
    return UnsplashSource(
        *(cast("Any", listing), value, limit),
        wanted["api_base"] or API_BASE,
        wanted["training_basis"],
        **{name: wanted[name] for name in filters},
    )


def run_source(
    workspace: Workspace, source: Any, *, allow_private: bool = False, wait: bool = False
) -> None:
    """Crawl a source under a progress line and leave with its exit code."""
    from crawler import crawling

    def act(report: Any) -> "CrawlSummary":
        options = _options(report, wait=wait, allow_private=allow_private)
        return crawling.crawl(workspace, source, _settings(workspace), options)

    _act(act)


def _options(report: Any, *, wait: bool = False, allow_private: bool = False) -> "CrawlOptions":
    """Make the options of a session from those that every session command has."""
    from crawler import crawling

    meta = click.get_current_context().meta
    age = meta.get(RECRAWL)
    return crawling.CrawlOptions(
        workers=meta.get(WORKERS, 1),
        cluster=meta.get(CLUSTER),
        wait_for_quota=wait,
        recrawl_s=None if age is None else _age_s(age),
        changed={"allow_private": True} if allow_private else {},
        report=report,
    )


def _age_s(text: str) -> float:
    """Read 30d, 12h, 15m or 20s as seconds."""
    units = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal():
        raise click.BadParameter(f"{text!r} is no age; write 30d, 12h, 15m or 20s")
    return int(number) * units[unit]


def _act(act: "Callable[[Any], CrawlSummary]") -> None:
    """Run a session under a progress line, print its summary and leave with its exit code."""
    from crawler.progress import ProgressLine, ProgressLog, Tally

    line, last = ProgressLog() if logs_json() else ProgressLine(), [Tally()]

    with _metrics() as update:

        def report(tally: Tally) -> None:
            last[0] = tally
            line(tally)
            update(tally)

        summary = act(report)
    line.end(last[0])
    _print_summary(summary)
    sys.exit(UNCOMMITTED if summary.uncommitted else EXIT_CODES[summary.status])


@contextmanager
def _metrics() -> "Iterator[Callable[[Tally], None]]":
    """Serve metrics while a session runs, when --metrics-port asks for it; give what takes its tallies."""
    meta = click.get_current_context().meta
    if meta.get(METRICS_PORT) is None:
        yield lambda _tally: None
        return
    from crawler.metrics import CrawlMetrics, serve_metrics

    metrics = CrawlMetrics()
    with serve_metrics(metrics, meta[METRICS_HOST], meta[METRICS_PORT]) as address:
        if logs_json():
            log.info("metrics: %s", address)
        else:
            click.echo(f"metrics: {address}", err=True)
        yield metrics.update


def _print_summary(summary: "CrawlSummary") -> None:
    from crawler.pauses import pauses_text
    from crawler.progress import error_list

    click.echo(f"crawl {summary.crawl_id} ({summary.source}) {summary.status}")
    if summary.read:
        click.echo(
            f"  read {summary.read} rows that need no file, passed over {summary.skipped} entries "
            f"in {summary.seconds:.1f} s"
        )
    else:
        click.echo(f"  listed {summary.listed} photos, passed over {summary.skipped} entries")
    if not summary.read or summary.listed:
        listed = f" of {summary.listed} listed" if summary.read else ""
        click.echo(
            f"  brought in {summary.done}{listed} ({summary.bytes / 1e6:.1f} MB in "
            f"{summary.seconds:.1f} s), failed {summary.failed}, still wanted {summary.open}"
        )
    if summary.repeats or summary.unchanged:
        click.echo(f"  repeats {summary.repeats}, unchanged {summary.unchanged}")
    if summary.errors:
        click.echo(f"  failed: {error_list(summary.errors)}")
    if (earlier := sum(summary.standing.values()) - summary.failed) > 0:
        click.echo(
            f"  failed earlier and not tried again: {earlier} (given up in all: "
            f"{error_list(summary.standing)}); try them with: safelight crawl retry --class all"
        )
    if summary.pauses:
        click.echo(f"  wants to be left alone: {pauses_text(summary.pauses)}")
    if summary.calls:
        click.echo(f"  API calls: {error_list(summary.calls)}")
    added = error_list({name: n for name, n in sorted(summary.rows.items()) if n})
    click.echo(f"  rows added: {added or 'none'}")
    _print_permission(summary)
    if summary.problem and logs_json():
        log.warning("%s", summary.problem, extra={"crawl_id": summary.crawl_id})
    elif summary.problem:
        click.echo(f"  {redacted(summary.problem)}", err=True)
    if summary.uncommitted:
        _print_uncommitted(summary)
    elif summary.status == "stopped" and not summary.problem:
        click.echo("  go on with: safelight crawl resume")


def _print_permission(summary: "CrawlSummary") -> None:
    """Say which photos got the basis of this command, and what to do when some may not be trained on."""
    from catalog import crawled

    if summary.basis and summary.basis.statement_id:
        click.echo(f"  basis recorded for {summary.basis.changed} photos that were here without it")
    if summary.permission.allowed < summary.permission.total:
        click.echo(f"  {summary.permission.advice(crawled(summary.crawl_id))}")


def _print_uncommitted(summary: "CrawlSummary") -> None:
    """Say what is left to do after commits that failed, on standard error or in the log."""
    from crawler.uncommitted import COMMIT

    then = ", then go on with: safelight crawl resume" if summary.open else ""
    text = (
        f"not in the catalog: {summary.uncommitted} segments wait in the spool, because the commit failed: "
        f"{redacted(summary.commit_problem)}. Nothing is lost; when the cause is mended, finish with: {COMMIT}{then}"
    )
    if logs_json():
        log.error("%s", text, extra={"crawl_id": summary.crawl_id})
    else:
        click.echo(f"  {text}", err=True)


cli_files.add_commands(run, plan, run_source)
cli_basis.add_to(crawl)


def _session_options(command: click.Command) -> None:
    """Add the options of every session; they go to the context, so the command need not take them."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        return lambda context, _parameter, value: context.meta.update({name: value})

    def add(flag: str, name: str, **more: Any) -> None:
        click.option(flag, expose_value=False, callback=keep(name), **more)(command)

    several = "Processes; each asks hosts of its own."
    add("--workers", WORKERS, type=click.IntRange(1), default=1, show_default=True, help=several)
    actors = "Workers are actors of this Ray cluster (local, auto, ray://...)."
    add("--cluster", CLUSTER, metavar="ADDRESS", help=actors)
    again = "Also ask again for pictures that came in longer ago: 30d, 12h. Unchanged ones cost no bytes."
    add("--recrawl", RECRAWL, metavar="AGE", help=again)
    port = "Serve Prometheus metrics while it runs; 0 takes a free port."
    add("--metrics-port", METRICS_PORT, type=click.IntRange(0, 65535), help=port)
    at = "Address of the metrics."
    add("--metrics-host", METRICS_HOST, default="127.0.0.1", show_default=True, help=at)


for _command in (*run.commands.values(), resume, retry):
    _session_options(_command)
