"""`safelight crawl`: parse the options, call one function, print its result."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from catalog import (
    SafelightError,
    Workspace,
    command_name,
    counted,
    emit_json,
    examples,
    existing_workspace_option,
    json_option,
    workspace_option,
)
from crawler.commands import basis, file_sources, web_sources
from crawler.commands.options import PRIVATE
from crawler.commands.session_runner import (
    add_session_options,
    crawl_settings,
    run_session,
    run_source,
    session_options,
)
from crawler.commands.status import status

if TYPE_CHECKING:
    from crawler.commands.planner import ApiPlan
    from crawler.session.summary import CrawlSummary
    from crawler.sources.unsplash import UnsplashSource


@click.group(epilog=examples("crawl run folder ~/Pictures", "crawl resume", "crawl report"))
def crawl() -> None:
    """Bring pictures and their EXIF into the catalog.

    Exit codes: 0 finished (pictures that failed are rows and are counted), 1 error, 2 wrong usage,
    3 stopped before the end, 4 fetched but not committed: it waits in the spool.
    """


@crawl.group(epilog=examples("crawl plan folder ~/Pictures", "crawl plan urls addresses.parquet"))
def plan() -> None:
    """Say what a crawl will cost, without fetching a picture."""


@crawl.group(
    epilog=examples(
        "crawl run folder ~/Pictures", "crawl run urls addresses.parquet --label-col breed"
    )
)
def run() -> None:
    """Crawl a source, or go on with a crawl. The same command goes on where it ended, and later adds what is new."""


web_sources.add_to(plan, run)


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
        basis.BASIS,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@run.command(
    "unsplash",
    epilog=examples(
        "crawl run unsplash --topic nature --limit 1000",
        'crawl run unsplash --search "night street" --wait',
    ),
)
@unsplash_options
@PRIVATE
@web_sources.WAIT
@workspace_option
def run_unsplash(workspace: Workspace, *, allow_private: bool, wait: bool, **options: Any) -> None:
    """Crawl photos from the Unsplash API. Without an option it crawls all of them.

    Needs SAFELIGHT_UNSPLASH_KEY, and SAFELIGHT_CONTACT for the User-Agent.
    """
    run_source(workspace, _unsplash(options), allow_private=allow_private, wait=wait)


@plan.command("unsplash", epilog=examples("crawl plan unsplash --topic nature"))
@unsplash_options
@workspace_option
def plan_unsplash(workspace: Workspace, **options: Any) -> None:
    """Compute API calls and hours. One call gets the number of photos."""
    from crawler.commands import planner

    _print_api_plan(asyncio.run(planner.plan_unsplash(_unsplash(options), workspace)))


def _print_api_plan(plan: "ApiPlan") -> None:
    if emit_json(plan):
        return
    photos, calls = counted(plan.photos, "photo"), counted(plan.calls, "API call")
    click.echo(f"{photos}, {calls} (pages, details, downloads)")
    names = {50: "demo key", 5000: "production key"}
    for rate, hours in plan.hours.items():
        mine = ", this key" if rate == plan.own_per_hour else ""
        click.echo(f"at {rate} calls an hour ({names.get(rate, 'key')}{mine}): {hours:.1f} hours")
    click.echo("pictures come from the image servers, which do not count against the key's rate")
    click.echo("cheaper alternatives:")
    click.echo("  the Lite Dataset, 25,000 photos with EXIF, 0 calls: crawl run unsplash-dataset")
    click.echo("  photos that this catalog holds already cost no call but their page's")


@crawl.command(epilog=examples("crawl resume", "crawl resume CRAWL_ID --workers 4"))
@click.argument("crawl_id", required=False)
@web_sources.WAIT
@PRIVATE
@existing_workspace_option
def resume(workspace: Workspace, crawl_id: str | None, *, allow_private: bool, wait: bool) -> None:
    """Go on with a crawl that was stopped or killed. It is the last one, or CRAWL_ID.

    It goes on as it was run: with --allow-private when `run` had it.
    """

    def act(report: Any) -> "CrawlSummary":
        from crawler.session import crawl

        options = session_options(report, wait=wait, allow_private=allow_private)
        return crawl.resume(workspace, crawl_settings(workspace), options, crawl_id=crawl_id)

    run_session(act)


@crawl.command(
    epilog=examples(
        "crawl retry --class transient", 'crawl retry --where "http_status = 403" --dry-run'
    )
)
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
@web_sources.WAIT
@PRIVATE
@existing_workspace_option
def retry(
    workspace: Workspace, crawl_id: str | None, *, wait: bool, allow_private: bool, **which: Any
) -> None:
    """Try pictures that failed again, as `run` did. They are those of the last crawl, or of CRAWL_ID.

    Columns for --where: photo_id, url, host, state, attempts, error_class, error, error_detail, http_status,
    failed_at.
    """
    from dataclasses import replace

    from crawler.session import crawl

    where = which["where"]
    kind: Any = which["error_class"] or ("all" if where else "transient")
    if which["dry_run"]:
        letters = list(crawl.dead_letters(workspace, crawl_id, where))
        for letter in () if emit_json(letters) else letters:
            click.echo(f"{letter.error_class}/{letter.error}\t{letter.attempts}\t{letter.url}")
        return
    if where and (reason := crawl.no_retry(workspace, crawl_id, kind, where)):
        if not emit_json({"retried": 0, "reason": reason}):
            click.echo(reason)
        return

    def act(report: Any) -> "CrawlSummary":
        options = session_options(report, wait=wait, allow_private=allow_private)
        options = replace(options, retry=kind, where=where)
        return crawl.retry(workspace, crawl_settings(workspace), options, crawl_id=crawl_id)

    run_session(act)


@crawl.command(epilog=examples("crawl stop"))
@click.option(
    "--wait/--no-wait", default=True, help="Return when the session has ended, or at once."
)
@json_option
@existing_workspace_option
def stop(workspace: Workspace, *, wait: bool) -> None:
    """Stop the crawl that is running here in good order. It ends what is in work and commits it."""
    from crawler.session.session_lock import request_stop

    request_stop(workspace, wait=wait)
    if emit_json({"has_ended": wait}):
        return
    click.echo(f"stopped; go on with: {command_name()} crawl resume" if wait else "asked to stop")


KIND = click.argument("kind", type=click.Choice(["photo", "sha256", "photographer", "url_prefix"]))


@crawl.command(
    epilog=examples(
        'crawl block photographer "NAME" --reason "asked by mail"',
        'crawl block url_prefix https://example.org/private/ --reason "not ours"',
    )
)
@KIND
@click.argument("value")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
@json_option
@workspace_option
def block(workspace: Workspace, kind: str, value: str, reason: str) -> None:
    """Keep something out of all later crawls. It is a photo_id, a SHA-256, a photographer or an address prefix.

    What is in the catalog already stays there. An address prefix needs scheme and host. See also: crawl unblock.
    """
    from crawler.session import blocklist

    count = blocklist.block(workspace, cast("Any", kind), value, reason)
    if emit_json({"kind": kind, "value": value, "is_blocked": True, "photos": count}):
        return
    click.echo(f"later crawls leave out {kind} {value}; {counted(count, 'known photo', 'matches')}")


@crawl.command(epilog=examples('crawl unblock photographer "NAME" --reason "agreed on 3 June"'))
@KIND
@click.argument("value")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
@json_option
@existing_workspace_option
def unblock(workspace: Workspace, kind: str, value: str, reason: str) -> None:
    """Let later crawls bring in again what `crawl block` kept out. It is named as it was then."""
    from crawler.session import blocklist

    count = blocklist.unblock(workspace, cast("Any", kind), value, reason)
    if emit_json({"kind": kind, "value": value, "is_blocked": False, "photos": count}):
        return
    click.echo(
        f"later crawls may bring in {kind} {value}; {counted(count, 'known photo', 'matches')}"
    )
    click.echo(
        f"try what was left out: {command_name()} crawl retry --where \"error = 'tombstoned'\""
    )


@crawl.command(epilog=examples("crawl changes", "crawl changes --since 12"))
@click.option("--since", type=int, metavar="SNAPSHOT", help="Catalog snapshot to compare with.")
@json_option
@existing_workspace_option
def changes(workspace: Workspace, since: int | None) -> None:
    """Say what came, changed and was deleted since a snapshot. The default is the snapshot before the last session."""
    from crawler.report import changes as diff

    difference = diff.changes(workspace, since)
    if emit_json(difference):
        return
    click.echo(
        f"since snapshot {difference.since}: {counted(difference.added, 'photo')} came, "
        f"{len(difference.changed):,} changed, {len(difference.deleted):,} deleted at their source"
    )
    for name, photos in (("changed", difference.changed), ("deleted", difference.deleted)):
        for photo in photos:
            click.echo(f"{name}\t{photo.source}\t{photo.source_photo_id}\t{photo.page_url or ''}")


@crawl.command(epilog=examples("crawl verify"))
@json_option
@existing_workspace_option
def verify(workspace: Workspace) -> None:
    """Re-hash every picture, and compare packs, catalog and frontier. The exit code is 1 when something is wrong."""
    from crawler.report.audit import audit

    result = audit(workspace)
    is_json = emit_json({"ok": not result.problems, **vars(result)})
    for line in () if is_json else (*result.problems, *result.notes):
        click.echo(line)
    numbers = {"asset": result.assets, "photo": result.photos, "pack": result.packs}
    checked = ", ".join(counted(n, noun) for noun, n in numbers.items())
    if result.problems:
        raise SafelightError(f"problems: {len(result.problems)}, in {checked}")
    if not is_json:
        click.echo(f"checked {checked}: no problem")


@crawl.command(epilog=examples("crawl report", "crawl report CRAWL_ID --output ~/reports"))
@click.argument("crawl_id", required=False)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write into (default: reports/crawl/ of the workspace).",
)
@json_option
@existing_workspace_option
def report(workspace: Workspace, crawl_id: str | None, output: Path | None) -> None:
    """Write an HTML page about CRAWL_ID, or about all crawls. Prints the path of the page."""
    from crawler.report import write_report

    path = write_report(workspace, crawl_id, output)
    if not emit_json({"path": path}):
        click.echo(path)


def _unsplash(options: dict[str, Any]) -> "UnsplashSource":
    from crawler.sources.unsplash import API_BASE, UnsplashSource

    kinds = ("search", "topic", "collection", "user", "user-likes", "random", "ids")
    chosen = [(kind, value) for kind in kinds if (value := options[kind.replace("-", "_")])]
    if len(chosen) > 1:
        raise click.UsageError(f"give only one of --{', --'.join(kinds)}")
    listing, value = chosen[0] if chosen else ("all", "")
    limit = options["limit"]
    if listing == "random":
        value, limit = "", int(value)
    filters = ("order_by", "orientation", "color", "content_filter")
    return UnsplashSource(
        *(cast("Any", listing), value, limit),
        options["api_base"] or API_BASE,
        options["training_basis"],
        **{name: options[name] for name in filters},
    )


file_sources.add_commands(run, plan, run_source)
basis.add_to(crawl)
crawl.add_command(status)

for _command in plan.commands.values():
    json_option(_command)

for _command in (*run.commands.values(), resume, retry):
    add_session_options(_command)
