"""`safelight catalog ...` and `safelight dataset ...`."""

import sys
from pathlib import Path

import click

from catalog.errors import SafelightError
from catalog.options import workspace_option
from catalog.workspace import Workspace


@click.group()
def catalog() -> None:
    """Query the tables, look at snapshots, check the workspace."""


@catalog.command()
@click.argument("query")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@click.option(
    "--as-of", type=int, metavar="SNAPSHOT", help="Read the tables as they were at this snapshot."
)
@workspace_option
def sql(workspace: Workspace, query: str, style: str, as_of: int | None) -> None:
    """Run one reading SQL statement, for example "SELECT count(*) FROM photos"."""
    from catalog.lake import open_catalog
    from catalog.printing import render

    with open_catalog(workspace, as_of=as_of) as tables:
        click.echo(render(tables.query(query), style))


@catalog.command("tables")
@click.argument("name", required=False)
@workspace_option
def show_tables(workspace: Workspace, name: str | None) -> None:
    """List tables and views with row counts; with NAME, the columns of one."""
    from catalog.lake import open_catalog
    from catalog.printing import aligned

    with open_catalog(workspace) as tables:
        if name:
            header, cells = ["column", "type", "meaning"], tables.columns(name)
        else:
            header = ["name", "kind", "rows", "meaning"]
            cells = [[str(row[key]) for key in header] for row in tables.tables()]
    click.echo("\n".join(aligned(header, cells)))


@catalog.command()
@workspace_option
def snapshots(workspace: Workspace) -> None:
    """List the snapshots of the tables, newest first."""
    from catalog.lake import open_catalog
    from catalog.printing import aligned

    with open_catalog(workspace) as tables:
        listed = tables.snapshots()
    cells = [
        [str(s.snapshot_id), f"{s.at:%Y-%m-%d %H:%M:%S}", s.message, s.changes] for s in listed
    ]
    click.echo("\n".join(aligned(["snapshot", "at (UTC)", "message", "changes"], cells)))


@catalog.command()
@workspace_option
def commit(workspace: Workspace) -> None:
    """Commit the segments that wait in the spool."""
    from catalog.lake import open_catalog

    with open_catalog(workspace) as tables:
        gained = tables.commit()
    for name, n in gained.items():
        click.echo(f"{name}: {n} new rows")
    if not gained:
        click.echo("nothing waits in the spool")


@catalog.command()
@click.option("--quick", is_flag=True, help="Do not hash the bytes again.")
@workspace_option
def verify(workspace: Workspace, quick: bool) -> None:
    """Check keys, packs and hashes of the whole workspace; exit 1 when something is wrong."""
    from catalog.lake import open_catalog
    from catalog.verify import verify_catalog

    with open_catalog(workspace) as tables:
        problems = verify_catalog(tables, rehash=not quick)
        n = tables.records("SELECT count(*) AS n FROM assets")[0]["n"]
    _report(problems, f"{n} files checked, nothing wrong")


@catalog.command("maintain")
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
@workspace_option
def maintain_workspace(
    workspace: Workspace,
    keep_days: float | None,
    keep_snapshots: int | None,
    grace_hours: float,
    dry_run: bool,
) -> None:
    """Merge small files of the tables, forget old snapshots, remove what nothing names.

    Without --keep-days and --keep-snapshots no snapshot is forgotten. Those that a release or a curation run names
    stay always. With both options a snapshot goes only when both let it go.
    """
    from catalog.maintenance import maintain
    from catalog.stores import KeepRules

    rules = KeepRules(keep_days, keep_snapshots, grace_hours=grace_hours, dry_run=dry_run)
    done = maintain(workspace, rules)
    would = "would be " if dry_run else ""
    if not dry_run:
        click.echo(f"files merged: {done.tables.files_merged} to {done.tables.files_made}")
    click.echo(f"snapshots {would}forgotten: {done.tables.snapshots_expired}")
    n_files, n_bytes = done.tables.files_removed, done.tables.bytes_removed
    click.echo(f"table files {would}removed: {n_files} ({n_bytes:,} bytes)")
    beside = f"{done.packs_removed} packs, {done.folders_removed} unfinished folders"
    click.echo(f"{would}removed beside them: {beside} ({done.bytes_removed:,} bytes)")


@catalog.command("backup")
@click.argument("dest", type=click.Path(path_type=Path, file_okay=False))
@click.option("--without-frontier", is_flag=True, help="Leave out what crawls still have to fetch.")
@workspace_option
def backup_workspace(workspace: Workspace, dest: Path, without_frontier: bool) -> None:
    """Back up the workspace into the folder DEST; again into the same folder copies only what is new."""
    from catalog.backup import backup

    done = backup(workspace, dest, with_frontier=not without_frontier)
    click.echo(f"snapshot {done.snapshot_id}: {done.files} files, {done.bytes:,} bytes")
    click.echo(f"copied {done.files_copied} files, {done.bytes_copied:,} bytes")
    for line in done.left_out:
        click.echo(f"left out {line}")


@catalog.command("restore")
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@workspace_option
def restore_workspace(workspace: Workspace, source: Path) -> None:
    """Restore the backup in the folder SOURCE into the empty workspace --home, and verify it."""
    from catalog.backup import restore

    done = restore(source, workspace)
    click.echo(f"snapshot {done.snapshot_id}: {done.files} files, {done.bytes:,} bytes, verified")


@click.group()
def dataset() -> None:
    """Publish, list and check dataset releases."""


@dataset.command()
@click.argument("name")
@click.option(
    "--run", "run_id", metavar="RUN_ID", help="Curation run to publish (default: the newest)."
)
@workspace_option
def publish(workspace: Workspace, name: str, run_id: str | None) -> None:
    """Publish what a curation run kept as the next version of NAME."""
    from catalog.publishing import publish_run

    release = publish_run(workspace, name, run_id)
    counts = ", ".join(f"{split} {n}" for split, n in release.manifest["splits"].items())
    click.echo(
        f"{release.name}@{release.version}: {release.manifest['n_items']} pictures ({counts})"
    )
    click.echo(f"digest {release.digest}")
    click.echo(f"folder {release.path}")


@dataset.command("list")
@workspace_option
def list_releases(workspace: Workspace) -> None:
    """List the releases of this workspace."""
    from catalog.printing import aligned
    from catalog.releases import releases

    cells = [
        [f"{r.name}@{r.version}", str(r.manifest["n_items"]), r.manifest["created"], r.digest[:16]]
        for r in releases(workspace)
    ]
    click.echo("\n".join(aligned(["release", "pictures", "created", "digest"], cells)))


@dataset.command()
@click.argument("release")
@workspace_option
def show(workspace: Workspace, release: str) -> None:
    """Show the dataset card of RELEASE (name or name@version)."""
    from catalog.releases import find_release

    click.echo((find_release(workspace, release).path / "README.md").read_text("utf-8"))


@dataset.command("verify")
@click.argument("release")
@workspace_option
def verify_dataset(workspace: Workspace, release: str) -> None:
    """Check RELEASE (name or name@version) byte by byte; exit 1 when something is wrong."""
    from catalog.releases import find_release
    from catalog.verify import verify_release

    found = find_release(workspace, release)
    _report(
        verify_release(found),
        f"{found.name}@{found.version}: {found.manifest['n_items']} pictures, nothing wrong",
    )


def _report(problems: list[str], fine: str) -> None:
    """Print problems and exit 1, or say that there are none."""
    for line in problems[:50]:
        click.echo(line)
    if problems:
        raise SafelightError(f"{len(problems)} problems found")
    click.echo(fine)
    sys.stdout.flush()
