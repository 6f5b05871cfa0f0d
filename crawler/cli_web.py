"""`safelight crawl run|plan` for sources that ask the web, and for lists of addresses."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog import Workspace, workspace_option

if TYPE_CHECKING:
    from crawler.sources.urls import UrlListSource

Command = Callable[..., Any]

_PATH = click.Path(exists=True, path_type=Path)


def options(*listed: Command) -> Callable[[Command], Command]:
    """Make one decorator of several options, shown in their order."""

    def add(command: Command) -> Command:
        for option in reversed(listed):
            command = option(command)
        return command

    return add


BASIS = click.option(
    "--training-basis", metavar="TEXT", help="Your right to train models on these pictures."
)
LIMIT = click.option("--limit", type=click.IntRange(min=1), help="List at most so many photos.")
PRIVATE = click.option(
    "--allow-private", is_flag=True, help="Also fetch from private and loopback addresses."
)

url_options = options(
    click.option("--url-col", metavar="NAME", help="Column of addresses [url, URL]."),
    click.option("--caption-col", metavar="NAME", help="Column of titles [caption, TEXT]."),
    click.option(
        "--id-col", metavar="NAME", help="Column of ids; without it the address is the id."
    ),
    click.option("--label-col", "label_cols", multiple=True, metavar="NAME", help="Keep as label."),
    click.option("--labels-all", is_flag=True, help="Keep all other columns as labels."),
    click.option(
        "--as",
        "known_as",
        default="urls",
        metavar="SOURCE",
        help="Source whose ids --id-col holds.",
    ),
    LIMIT,
    BASIS,
)


@click.command("urls")
@click.argument("path", type=_PATH)
@url_options
@PRIVATE
@workspace_option
def run_urls(workspace: Workspace, path: Path, *, allow_private: bool, **wanted: Any) -> None:
    """Fetch the pictures behind the addresses in PATH: csv, tsv, txt, json, jsonl, parquet, or a folder of them.

    Needs SAFELIGHT_CONTACT for the User-Agent.
    """
    _go(workspace, _urls(path, wanted), allow_private=allow_private)


@click.command("urls")
@click.argument("path", type=_PATH)
@url_options
@workspace_option
def plan_urls(workspace: Workspace, path: Path, **wanted: Any) -> None:
    """Count addresses and hosts of PATH, and the hours that the busiest host takes."""
    from crawler.cli import _settings

    found, rate = _urls(path, wanted).plan(), _settings(workspace).rate
    click.echo(f"{found.addresses} addresses on {len(found.hosts)} hosts")
    click.echo(f"{found.skipped} lines without an address will be passed over")
    for host, n in found.hosts.most_common(1):
        click.echo(
            f"at {rate:g} requests a second to one host: {found.hours(rate):.1f} hours "
            f"(the busiest, {host}, has {n})"
        )


def _urls(path: Path, wanted: dict[str, Any]) -> "UrlListSource":
    from crawler.sources.urls import UrlListSource

    return UrlListSource(str(path.resolve()), **wanted)


def _go(workspace: Workspace, source: Any, *, allow_private: bool = False) -> None:
    """Run a session of a source and leave with its exit code."""
    from crawler import own_site
    from crawler.cli import _run, _settings

    settings = _settings(workspace)
    if allow_private:
        settings = own_site.allow_private(settings)
    _run(workspace, source, settings, wait=False)


def add_to(plan: click.Group, run: click.Group) -> None:
    """Add every command of this module to `crawl plan` and `crawl run`."""
    for command in (plan_urls,):
        plan.add_command(command)
    for command in (run_urls,):
        run.add_command(command)
