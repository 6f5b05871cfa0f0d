"""`safelight catalog ...` and `safelight dataset ...`."""

import sys

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
        click.echo(render(tables.query(query), style, cut=_terminal()))


@catalog.command("tables")
@workspace_option
def show_tables(workspace: Workspace) -> None:
    """List tables and views with row counts."""
    from catalog.lake import open_catalog
    from catalog.printing import aligned

    with open_catalog(workspace) as tables:
        header = ["name", "kind", "rows", "meaning"]
        cells = [[str(row[key]) for key in header] for row in tables.tables()]
    click.echo("\n".join(aligned(header, cells, cut=_terminal())))


@catalog.command("describe")
@click.argument("name", required=False)
@workspace_option
def show_columns(workspace: Workspace, name: str | None) -> None:
    """Say what tables and columns mean; with NAME (a table or view) each column with type and unit."""
    from catalog.describe import describe, describe_one
    from catalog.lake import open_catalog
    from catalog.printing import described, described_briefly

    with open_catalog(workspace) as tables:
        if name:
            lines = described(describe_one(tables, name), cut=_terminal())
        else:
            lines = (described_briefly(each) for each in describe(tables))
        click.echo("\n".join(lines))


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
    header = ["snapshot", "at (UTC)", "message", "changes"]
    click.echo("\n".join(aligned(header, cells, cut=_terminal())))


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
    header = ["release", "pictures", "created", "digest"]
    click.echo("\n".join(aligned(header, cells, cut=_terminal())))


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


def _terminal() -> bool:
    """Say whether a person reads the output: then long text is cut."""
    return sys.stdout.isatty()


def _report(problems: list[str], fine: str) -> None:
    """Print problems and exit 1, or say that there are none."""
    for line in problems[:50]:
        click.echo(line)
    if problems:
        raise SafelightError(f"{len(problems)} problems found")
    click.echo(fine)
    sys.stdout.flush()
