"""`safelight catalog ...`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catalog.commands.json_output import emit_json, json_option
from catalog.commands.sql import shell, sql
from catalog.commands.takedown import takedown
from catalog.commands.text_table import aligned, terminal_width
from catalog.errors import SafelightError
from catalog.plurals import counted
from catalog.workspace.options import examples, existing_workspace_option, workspace_option
from catalog.workspace.progress import progress_task
from catalog.workspace.workspace import Workspace

if TYPE_CHECKING:
    from catalog.maintenance.verify import Verification


@click.group(
    epilog=examples("catalog tables", 'catalog sql "SELECT count(*) FROM photos"', "catalog verify")
)
def catalog() -> None:
    """Query the tables, look at snapshots, check the workspace."""


catalog.add_command(sql)
catalog.add_command(shell)
catalog.add_command(takedown)


@catalog.command("tables", epilog=examples("catalog tables", "catalog tables --json"))
@json_option
@existing_workspace_option
def show_tables(workspace: Workspace) -> None:
    """List tables and views with row counts."""
    from catalog.lake.lake import open_catalog

    with open_catalog(workspace) as tables:
        listed = tables.tables()
    if emit_json(listed):
        return
    header = ["name", "kind", "rows", "meaning"]
    cells = [[str(row[key]) for key in header] for row in listed]
    width = terminal_width()
    lines = aligned(header, cells, width=width, numbers={"rows"}, prose={"meaning"})
    click.echo("\n".join(lines))


@catalog.command("describe", epilog=examples("catalog describe", "catalog describe v_photos"))
@click.argument("name", required=False)
@json_option
@existing_workspace_option
def show_columns(workspace: Workspace, name: str | None) -> None:
    """Say what tables and columns mean. With NAME (a table or view) each column with type and unit."""
    from catalog.commands.printing import described, described_briefly
    from catalog.lake.describe import describe, describe_one
    from catalog.lake.lake import open_catalog

    with open_catalog(workspace) as tables:
        if name:
            table = describe_one(tables, name)
            if not emit_json(table):
                click.echo("\n".join(described(table, width=terminal_width())))
            return
        listed = describe(tables)
    if not emit_json(listed):
        click.echo("\n".join(described_briefly(each) for each in listed))


@catalog.command(epilog=examples("catalog snapshots"))
@json_option
@existing_workspace_option
def snapshots(workspace: Workspace) -> None:
    """List the snapshots of the tables, newest first."""
    from catalog.lake.lake import open_catalog

    with open_catalog(workspace) as tables:
        listed = tables.snapshots()
    if emit_json(listed):
        return
    cells = [[str(s.snapshot_id), f"{s.at:%Y-%m-%d %H:%M:%S}", s.author, s.message] for s in listed]
    header = ["snapshot", "at (UTC)", "by", "message"]
    width = terminal_width()
    lines = aligned(header, cells, width=width, numbers={"snapshot"}, prose={"message"})
    click.echo("\n".join(lines))


@catalog.command(epilog=examples("catalog commit"))
@json_option
@existing_workspace_option
def commit(workspace: Workspace) -> None:
    """Commit the segments that wait in the spool."""
    from catalog.lake.lake import open_catalog

    with open_catalog(workspace) as tables:
        gained = tables.commit()
    if emit_json({"rows": gained}):
        return
    for name, n in gained.items():
        click.echo(f"{name}: {counted(n, 'new row')}")
    if not gained:
        click.echo("nothing waits in the spool")


@catalog.command(epilog=examples("catalog verify", "catalog verify --quick"))
@click.option("--quick", is_flag=True, help="Do not hash the bytes again.")
@json_option
@existing_workspace_option
def verify(workspace: Workspace, quick: bool) -> None:
    """Check tables, packs, releases and hashes of the workspace. The exit code is 1 when something is wrong."""
    from catalog.maintenance.verify import verify_workspace

    with progress_task("verify"):
        found = verify_workspace(workspace, rehash=not quick)
    if not emit_json({"ok": not found.problems, "rehashed": not quick, **vars(found)}):
        _print_verification(found, quick=quick)
    if found.problems:
        raise SafelightError(
            f"{counted(len(found.problems), 'problem')} found; docs/store.md says what to do about each"
        )


def _print_verification(found: "Verification", *, quick: bool) -> None:
    for line in (*(f"note: {note}" for note in found.notes), *found.problems[:50]):
        click.echo(line)
    depth = "sizes and places only, no byte was hashed" if quick else "every byte hashed"
    if not found.problems:
        click.echo(f"checked {_what(found.checked)} ({depth}): nothing wrong")
    sys.stdout.flush()


def _what(checked: Mapping[str, int]) -> str:
    """List what was checked, without what there is none of."""
    listed = ", ".join(counted(n, noun) for noun, n in checked.items() if n)
    return listed or "nothing, for nothing is there yet"


@catalog.command(
    "maintain",
    epilog=examples(
        "catalog maintain", "catalog maintain --keep-days 90 --keep-snapshots 50 --dry-run"
    ),
)
@click.option("--keep-days", type=float, metavar="N", help="Forget snapshots older than N days.")
@click.option("--keep-snapshots", type=int, metavar="N", help="Forget snapshots but the newest N.")
@click.option(
    "--grace-hours",
    type=float,
    default=24.0,
    show_default=True,
    help="Leave unnamed files that are younger: a reader may still need them.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@existing_workspace_option
def maintain_workspace(
    workspace: Workspace,
    keep_days: float | None,
    keep_snapshots: int | None,
    grace_hours: float,
    dry_run: bool,
) -> None:
    """Merge small files, forget old snapshots, delete orphans. Orphans are files that nothing names.

    Without --keep-days and --keep-snapshots no snapshot is forgotten. Those that a release or a curation run names
    stay always. With both options a snapshot goes only when both let it go.
    """
    from catalog.maintenance.maintain import maintain
    from catalog.stores import RetentionPolicy

    rules = RetentionPolicy(keep_days, keep_snapshots, grace_hours=grace_hours, dry_run=dry_run)
    with progress_task("maintain"):
        done = maintain(workspace, rules)
    if emit_json({"dry_run": dry_run, **vars(done)}):
        return
    would = "would be " if dry_run else ""
    if not dry_run:
        click.echo(f"files merged: {done.tables.files_merged} to {done.tables.files_made}")
    click.echo(f"snapshots {would}forgotten: {done.tables.snapshots_expired}")
    n_files, n_bytes = done.tables.files_removed, done.tables.bytes_removed
    click.echo(f"table files {would}removed: {n_files} ({n_bytes:,} bytes)")
    beside = f"{counted(done.packs_removed, 'pack')}, {counted(done.folders_removed, 'unfinished folder')}"
    click.echo(f"{would}removed beside them: {beside} ({done.bytes_removed:,} bytes)")


@catalog.command("backup", epilog=examples("catalog backup ~/backups/photos"))
@click.argument("dest", type=click.Path(path_type=Path, file_okay=False))
@click.option("--without-frontier", is_flag=True, help="Leave out what crawls still have to fetch.")
@json_option
@existing_workspace_option
def backup_workspace(workspace: Workspace, dest: Path, without_frontier: bool) -> None:
    """Back up the workspace into the folder DEST. Again into the same folder copies only what is new."""
    from catalog.maintenance.backup import backup

    with progress_task("backup"):
        done = backup(workspace, dest, with_frontier=not without_frontier)
    if emit_json({"folder": dest, **vars(done)}):
        return
    click.echo(f"snapshot {done.snapshot_id}: {counted(done.files, 'file')}, {done.bytes:,} bytes")
    click.echo(f"copied {counted(done.files_copied, 'file')}, {done.bytes_copied:,} bytes")
    for line in done.left_out:
        click.echo(f"left out {line}")


@catalog.command("restore", epilog=examples("--home ~/restored catalog restore ~/backups/photos"))
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
@workspace_option
def restore_workspace(workspace: Workspace, source: Path) -> None:
    """Restore the backup in the folder SOURCE, and verify it. The workspace --home must be empty."""
    from catalog.maintenance.backup import restore

    with progress_task("restore"):
        done = restore(source, workspace)
    if emit_json({"home": workspace.home, **vars(done)}):
        return
    click.echo(
        f"snapshot {done.snapshot_id}: {counted(done.files, 'file')}, {done.bytes:,} bytes, verified"
    )
