"""`safelight catalog takedown`: take somebody's pictures out, with a proof."""

from typing import TYPE_CHECKING, cast

import click

from catalog.commands.json_output import emit_json, json_option
from catalog.errors import UsageError
from catalog.plurals import counted
from catalog.takedown.crawl_queue import queue_opener
from catalog.workspace.options import examples, existing_workspace_option
from catalog.workspace.progress import progress_task
from catalog.workspace.workspace import Workspace

if TYPE_CHECKING:
    from catalog.takedown.search import Kind, TakedownMatches
    from catalog.takedown.takedown import Takedown


@click.command(
    epilog=examples('catalog takedown --photographer "NAME" --reason "the author asked" --dry-run')
)
@click.option("--photographer", metavar="NAME", help="All work of this photographer.")
@click.option(
    "--url-prefix", metavar="URL", help="All photos whose page or file address begins so."
)
@click.option("--sha256", metavar="HEX", help="This file, whoever lists it.")
@click.option("--photo-id", metavar="ID", help="This photo, with all bytes that it ever had.")
@click.option(
    "--reason", required=True, help="Why; it is published with the revocations, so name nobody."
)
@click.option("--with-copies", is_flag=True, help="Also what curation found to be near-duplicates.")
@click.option("--purge-releases", is_flag=True, help="Delete the data of affected releases here.")
@click.option("--purge-reports", is_flag=True, help="Delete reports here that still name it.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@existing_workspace_option
def takedown(  # noqa: PLR0913 - one argument an option
    workspace: Workspace,
    *,
    photographer: str | None,
    url_prefix: str | None,
    sha256: str | None,
    photo_id: str | None,
    reason: str,
    with_copies: bool,
    purge_releases: bool,
    purge_reports: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Take pictures out of everything for good, and write a proof. It is packs, tables, releases and the frontier."""
    from catalog.takedown.takedown import TakedownRequest, preview, take_down

    by_kind = {
        "photographer": photographer,
        "url_prefix": url_prefix,
        "sha256": sha256,
        "photo": photo_id,
    }
    given = [(kind, value) for kind, value in by_kind.items() if value]
    if len(given) != 1:
        raise UsageError("give one of --photographer, --url-prefix, --sha256 and --photo-id")
    kind, value = given[0]
    order = TakedownRequest(
        cast("Kind", kind), value, reason, with_copies, purge_releases, purge_reports
    )
    with progress_task("search"):
        matches, n_queued = preview(workspace, order, queue_opener())
    if dry_run:
        if not emit_json({"dry_run": True, "matches": matches, "frontier_items": n_queued}):
            _tell_found(matches, n_queued)
        return
    _tell_found(matches, n_queued)
    if not yes:
        click.confirm("Take all of this out? It cannot be undone", abort=True)
    with progress_task("take down"):
        done = take_down(workspace, order, queue_opener())
    if not emit_json(_described(done)):
        _tell_done(done)


def _described(done: "Takedown") -> dict[str, object]:
    """Return what was removed, without the names and addresses that were searched for in reports."""
    values = {name: value for name, value in vars(done).items() if name != "words"}
    return {"dry_run": False, **values, "proof": done.folder / "takedown.md"}


def _tell_found(matches: "TakedownMatches", waiting: int) -> None:
    click.echo(
        f"{counted(len(matches.photos), 'photo')}, {counted(len(matches.assets), 'file')} in "
        f"{counted(len(matches.packs), 'pack')}, {counted(waiting, 'item')} of the frontier"
    )
    for release in matches.releases:
        click.echo(f"release {release}: {release.pictures} of its pictures")
    for model in matches.models:
        click.echo(f"model {model} was trained on them")
    if matches.copies:
        click.echo(
            f"{counted(len(matches.copies), 'near-duplicate', 'stays')}; take it along with --with-copies"
        )


def _tell_done(done: "Takedown") -> None:
    for table, n in done.rows_removed.items():
        click.echo(f"{table}: {counted(n, 'row')}")
    click.echo(f"packs: {len(done.packs_removed)} deleted, {len(done.packs_written)} written anew")
    for old, new in done.successors.items():
        click.echo(f"{old} is revoked" + (f"; use {new}" if new else "; no picture is left"))
    for line in done.left:
        click.echo(f"not reached: {line}")
    click.echo(f"proof: {done.folder / 'takedown.md'}")
