"""`safelight dataset ...`: publish, look at, check, compare."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catalog.commands.json_output import (
    emit_json,
    json_format_option,
    json_option,
    writes_json,
)
from catalog.commands.pull import (
    keygen,
    lock_releases,
    pull_release,
    revoke_release,
    sign_release,
    unlock_releases,
)
from catalog.commands.text_table import aligned, terminal_width
from catalog.errors import ReleaseError, SafelightError
from catalog.number_formats import format_bytes
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.workspace.options import examples, existing_workspace_option, home_words
from catalog.workspace.progress import progress_task
from catalog.workspace.workspace import Workspace

if TYPE_CHECKING:
    from catalog.releases.release import Release


@click.group(
    epilog=examples(
        "dataset publish mine", "dataset pull mine@1.0.0 --from https://data.example.org"
    )
)
def dataset() -> None:
    """Publish, pull, check, compare and export dataset releases."""


for _command in (
    pull_release,
    lock_releases,
    unlock_releases,
    keygen,
    sign_release,
    revoke_release,
):
    dataset.add_command(_command)


@dataset.command(epilog=examples("dataset publish mine", "dataset publish mine --rendition 256"))
@click.argument("name")
@click.option(
    "--run", "run_id", metavar="RUN_ID", help="Curation run to publish (default: the newest)."
)
@click.option(
    "--rendition",
    "renditions",
    metavar="SIDE",
    type=click.IntRange(16, 4096),
    multiple=True,
    help="Add smaller versions of the pictures, SIDE px at the short side; may be given again.",
)
@json_option
@existing_workspace_option
def publish(
    workspace: Workspace, name: str, run_id: str | None, renditions: tuple[int, ...]
) -> None:
    """Publish what a curation run kept as the next version of NAME."""
    with progress_task(f"publish {name}"):
        from catalog.lake.permission import of_index, released
        from catalog.releases.from_run import publish_run
        from catalog.releases.release import list_releases

        before = {(each.name, each.version) for each in list_releases(workspace)}
        release = publish_run(workspace, name, run_id, renditions)
    is_new = (release.name, release.version) not in before
    permission = of_index(release.index())
    if emit_json(
        {**_as_row(workspace, release), "is_new": is_new, "permission": permission.as_json}
    ):
        return
    if not is_new:
        click.echo("this content is published already; no new version was made")
    counts = ", ".join(f"{split} {n}" for split, n in release.manifest["splits"].items())
    click.echo(
        f"{release.name}@{release.version}: {counted(release.manifest['n_items'], release.file_noun)} ({counts})"
    )
    click.echo(f"digest {release.digest}")
    click.echo(f"folder {release.path}")
    click.echo(permission.advice(released(release.name, release.version)))
    if permission.allowed < permission.total:
        home = home_words()
        click.echo(
            f"then: {command_name()} curate run{home}, {command_name()} dataset publish {name}{home}"
        )


@dataset.command(epilog=examples("dataset card mine@1.0.0"))
@click.argument("release")
@json_option
@existing_workspace_option
def card(workspace: Workspace, release: str) -> None:
    """Publish RELEASE with a new card, as its next patch version."""
    from catalog.releases.publish import renew_card
    from catalog.releases.release import find_release

    renewed = renew_card(workspace, find_release(workspace, release))
    if emit_json(_as_row(workspace, renewed)):
        return
    click.echo(f"{renewed.name}@{renewed.version}: same content, new card, in {renewed.path}")


@dataset.command("list", epilog=examples("dataset list", "dataset list --json"))
@json_option
@existing_workspace_option
def show_releases(workspace: Workspace) -> None:
    """List the releases of this workspace."""
    from catalog.releases.release import list_releases
    from catalog.releases.revocations import read_revocations, revocation_of

    published = list_releases(workspace)
    if emit_json(_as_row(workspace, each) for each in published):
        return
    revoked = read_revocations(workspace.releases)
    cells = []
    for r in published:
        found = revocation_of(revoked, r.name, r.version, r.digest)
        partial = f"only {', '.join(r.pulled_splits)}" if r.pulled_splits is not None else ""
        note = f"REVOKED: {found.reason}" if found else partial
        note += "; pictures deleted by a takedown" if r.deleted_data else ""
        about = [str(r.manifest["n_items"]), r.manifest["created"], r.digest[:16], note]
        cells.append([f"{r.name}@{r.version}", *about])
    header = ["release", "pictures", "created", "digest", "note"]
    lines = aligned(header, cells, width=terminal_width(), numbers={"pictures"}, prose={"note"})
    click.echo("\n".join(lines))


@dataset.command(epilog=examples("dataset show mine"))
@click.argument("release")
@json_option
@existing_workspace_option
def show(workspace: Workspace, release: str) -> None:
    """Show the dataset card of RELEASE (name or name@version)."""
    from catalog.releases.cards.card import without_front_matter
    from catalog.releases.release import find_release
    from catalog.releases.revocations import read_revocations, revocation_of

    published = find_release(workspace, release)
    text = without_front_matter((published.path / "README.md").read_text("utf-8"))
    if emit_json({**_as_row(workspace, published), "card": text}):
        return
    revoked = read_revocations(workspace.releases)
    if revocation := revocation_of(revoked, published.name, published.version, published.digest):
        click.echo(f"REVOKED: {revocation}\n")
    if deleted := published.deleted_data:
        click.echo(f"NO PICTURES: {deleted}\n")
    click.echo(text)


def _as_row(workspace: Workspace, release: "Release") -> dict[str, object]:
    """Describe a release with the names of releases/index.json, its folder, and what of it is here."""
    from catalog.releases.manifest import SIGNATURE
    from catalog.releases.revocations import read_revocations, revocation_of

    manifest = release.manifest
    identity = (release.name, release.version, release.digest)
    return {
        **dict(zip(("name", "version", "digest"), identity, strict=True)),
        **{name: manifest[name] for name in ("created", "n_items", "splits")},
        "shards": len(manifest["shards"]),
        "bytes": sum(shard["bytes"] for shard in manifest["shards"]),
        "signed": (release.path / SIGNATURE).exists(),
        "revoked": revocation_of(read_revocations(workspace.releases), *identity),
        "has_data": release.deleted_data is None,
        "pulled_splits": release.pulled_splits,
        "path": release.path,
    }


@dataset.command(
    "verify",
    epilog=examples("dataset verify mine", "dataset verify mine@1.0.0 --public-key team.pub"),
)
@click.argument("release")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Refuse it unless it is signed by the owner of this key (default: [dataset] public_key).",
)
@json_option
@existing_workspace_option
def verify_dataset(workspace: Workspace, release: str, public_key: Path | None) -> None:
    """Check RELEASE byte by byte. RELEASE is name or name@version; the exit code is 1 when something is wrong."""
    from catalog.pull.pull import DatasetSettings
    from catalog.releases.release import find_release
    from catalog.releases.verify import verify_release
    from catalog.workspace.settings import load_settings

    settings = load_settings(DatasetSettings, "dataset", workspace)
    key = public_key or (Path(settings.public_key) if settings.public_key else None)
    published = find_release(workspace, release)
    with progress_task(f"verify {published.name}@{published.version}"):
        problems = verify_release(published, key)
    has_data = published.deleted_data is None
    if not emit_json(
        {
            "ok": not problems and has_data,
            "name": published.name,
            "version": published.version,
            "problems": problems,
            "has_data": has_data,
            "pulled_splits": published.pulled_splits,
            "public_key": key,
        }
    ):
        click.echo("".join(f"{line}\n" for line in problems[:50]), nl=False)
    _check_usable(workspace, published)
    if problems:
        raise SafelightError(f"{counted(len(problems), 'problem')} found")
    if writes_json():
        return
    part = (
        f" (only {', '.join(published.pulled_splits)} is here)" if published.pulled_splits else ""
    )
    signed = f", signed by the owner of {key}" if key else ""
    n_items = published.manifest["n_items"]
    click.echo(
        f"{published.name}@{published.version}: {counted(n_items, published.file_noun)}{part}, nothing wrong{signed}"
    )


def _check_usable(workspace: Workspace, release: "Release") -> None:
    """Warn of a revoked release; raise `ReleaseError` when a takedown has deleted its pictures."""
    from catalog.releases.revocations import read_revocations, revocation_of

    if deleted := release.deleted_data:
        raise ReleaseError(
            f"nothing to check: {deleted}. Manifest and card stay, as a record of what was there"
        )
    revoked = read_revocations(workspace.releases)
    if found := revocation_of(revoked, release.name, release.version, release.digest):
        click.echo(f"REVOKED: {found}", err=True)


@dataset.command(
    epilog=examples(
        "dataset diff mine@1.0.0 mine@1.1.0", "dataset diff mine@1.0.0 mine@1.1.0 --format json"
    )
)
@click.argument("old")
@click.argument("new")
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table")
@json_format_option
@click.option("--limit", default=20, show_default=True, help="Pictures to list of each kind.")
@existing_workspace_option
def diff(workspace: Workspace, old: str, new: str, style: str, limit: int) -> None:
    """Tell what changed from release OLD to release NEW."""
    from catalog.releases.diff import diff_releases
    from catalog.releases.release import find_release

    difference = diff_releases(find_release(workspace, old), find_release(workspace, new))
    if style == "json":
        click.echo(json.dumps(asdict(difference), indent=1))
        return
    click.echo(difference.sentence())
    _echo_counts([row for row in difference.counts if row["old"] != row["new"]])
    for name, listed in (("added", difference.added), ("removed", difference.removed)):
        for sha in listed[:limit]:
            click.echo(f"{name} {sha}")
    for row in (*difference.moved[:limit], *difference.relabelled[:limit]):
        click.echo(f"{row['asset_sha256']} {row['column']}: {row['old']} -> {row['new']}")


def _echo_counts(rows: Sequence[Mapping[str, object]]) -> None:
    """Print the counts that changed."""
    if not rows:
        click.echo("every split and class has as many pictures as before")
        return
    header = ["what", "split", "class", "old", "new"]
    cells = [[str(row[name]) for name in header] for row in rows]
    lines = aligned(header, cells, width=terminal_width(), numbers={"old", "new"})
    click.echo("\n" + "\n".join(lines))


@dataset.command("export", epilog=examples("dataset export mine --format webdataset --to ~/export"))
@click.argument("release")
@click.option(
    "--format",
    "style",
    type=click.Choice(["webdataset", "huggingface", "imagefolder", "croissant"]),
    required=True,
)
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR")
@click.option("--split", "splits", multiple=True, help="Only this split; may be given again.")
@click.option(
    "--label", default="iso_bin", show_default=True, help="imagefolder: column of classes."
)
@json_option
@existing_workspace_option
def export_release(
    workspace: Workspace,
    *,
    release: str,
    style: str,
    folder: Path,
    splits: tuple[str, ...],
    label: str,
) -> None:
    """Write RELEASE into the new folder DIR in another layout. RELEASE is name or name@version."""
    from catalog.releases.exports import ExportOrder, export
    from catalog.releases.release import find_release

    order = ExportOrder(style, splits or None, label)
    with progress_task(f"export {release}"):
        done = export(find_release(workspace, release), folder, order)
    if emit_json(done):
        return
    counts = ", ".join(f"{split} {n}" for split, n in done.splits.items())
    click.echo(
        f"{done.folder}: {counted(done.files, 'file')}, {format_bytes(done.bytes)}, {counts}"
    )
