"""`safelight dataset pull|lock|unlock|keygen|sign|revoke`: releases on their way between people."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catalog.commands.json_output import emit_json, json_option, writes_json
from catalog.errors import LockedError, RevokedError, UsageError
from catalog.number_formats import format_bytes
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.workspace.options import examples, existing_workspace_option, workspace_option
from catalog.workspace.progress import progress_task
from catalog.workspace.workspace import Workspace

if TYPE_CHECKING:
    from catalog.pull.lockfile import Locked
    from catalog.pull.pull import Pulled, PullOrder

_FILE = click.Path(path_type=Path, dir_okay=False)
_lock_file = click.option(
    "--lock-file",
    type=_FILE,
    default="safelight.lock",
    show_default=True,
    help="File that says which releases this project uses.",
)


@click.command(
    "pull",
    epilog=examples(
        "dataset pull mine@1.0.0 --from https://data.example.org",
        "dataset pull mine --from /mnt/shared/releases --split train",
        "dataset pull --locked",
    ),
)
@click.argument("release", required=False)
@click.option(
    "--from",
    "source",
    metavar="WHERE",
    help="http(s)://, s3:// or a folder (default: [dataset] source).",
)
@click.option("--split", "splits", multiple=True, help="Only this split; may be given again.")
@click.option("--to", "target", metavar="HOME", help="Workspace to pull into (default: --home).")
@click.option("--jobs", type=click.IntRange(1, 64), help="Byte ranges at once (default: 4).")
@click.option("--locked", is_flag=True, help="Bring exactly what the lock file says.")
@_lock_file
@click.option("--accept-revoked", is_flag=True, help="Pull a revoked release all the same.")
@click.option("--public-key", type=_FILE, help="Refuse what the owner of this key did not sign.")
@click.option("--repair", is_flag=True, help="Hash what is here and replace what is damaged.")
@json_option
@workspace_option
def pull_release(  # noqa: PLR0913 - one argument an option
    workspace: Workspace,
    *,
    release: str | None,
    source: str | None,
    splits: tuple[str, ...],
    target: str | None,
    jobs: int | None,
    locked: bool,
    lock_file: Path,
    accept_revoked: bool,
    public_key: Path | None,
    repair: bool,
) -> None:
    """Bring RELEASE here and check every byte. RELEASE is name or name@version; what is here already is not fetched."""
    from catalog.pull.lockfile import read_lock
    from catalog.pull.pull import DatasetSettings, PullOrder
    from catalog.workspace.settings import load_settings

    workspace = Workspace.named(target) if target else workspace
    settings = load_settings(DatasetSettings, "dataset", workspace)
    key = public_key or (Path(settings.public_key) if settings.public_key else None)
    locked_releases = read_lock(lock_file)
    order = PullOrder(
        wanted=release or "",
        source=source or settings.source,
        splits=splits or None,
        public_key=key,
        accept_revoked=accept_revoked,
        repair=repair,
        jobs=jobs or settings.jobs,
        chunk_bytes=settings.chunk_bytes,
        locked=tuple(locked_releases),
    )
    if not locked and not release:
        raise UsageError("name a release to pull, such as cameras@1.2.0, or give --locked")
    orders = _from_lock(order, locked_releases, lock_file) if locked else [order]
    if locked:
        _pull_locked(workspace, orders, lock_file)
    else:
        entry, pulled = _pull_one(workspace, order, lock_file)
        replaced = _drop_revoked(workspace, lock_file, [entry])
        emit_json({"releases": [pulled], "replaced": replaced})


def _pull_locked(workspace: Workspace, orders: list["PullOrder"], lock_file: Path) -> None:
    """Pull what the lock file says; raise `LockedError` at the end for entries that were revoked."""
    revoked, pulled = [], []
    for each in orders:
        try:
            pulled.append(_pull_one(workspace, each, lock_file)[1])
        except RevokedError as error:
            name = each.wanted.partition("@")[0]
            revoked.append(
                f"{lock_file} names {each.wanted}: {error}. Replace the entry with: "
                f"{command_name()} dataset pull {name}; or drop it with: {command_name()} dataset unlock {each.wanted}"
            )
    emit_json({"releases": pulled, "replaced": []})
    if revoked:
        raise LockedError("\n".join(revoked))


def _from_lock(
    order: "PullOrder", locked_releases: list["Locked"], lock_file: Path
) -> list["PullOrder"]:
    """Make one order for every locked release that is meant."""
    name, _, version = order.wanted.partition("@")
    meant = [
        each
        for each in locked_releases
        if name in ("", each.name) and version in ("", each.version)
    ]
    if not meant:
        raise LockedError(
            f"{lock_file} has no release {order.wanted}; write it with: {command_name()} dataset lock"
        )
    return [
        replace(
            order,
            wanted=f"{each.name}@{each.version}",
            source=order.source or each.source,
            splits=order.splits or each.splits or None,
        )
        for each in meant
    ]


def _pull_one(
    workspace: Workspace, order: "PullOrder", lock_file: Path
) -> tuple["Locked", "Pulled"]:
    """Pull one release and put it into the lock file; return its entry, and what the pull did."""
    from catalog.pull.lockfile import Locked, add_to_lock
    from catalog.pull.pull import pull

    if not order.source:
        raise UsageError(
            "say where to pull from: --from WHERE, or [dataset] source in safelight.toml"
        )
    with progress_task(f"pull {order.wanted}"):
        pulled = pull(workspace, order)
    for note in pulled.notes:
        click.echo(f"WARNING: {note}", err=True)
    entry = Locked(pulled.name, pulled.version, pulled.digest, order.source, pulled.splits or ())
    add_to_lock(lock_file, [entry])
    if not writes_json():
        _tell(pulled)
    return entry, pulled


def _drop_revoked(workspace: Workspace, lock_file: Path, newly: list["Locked"]) -> list["Locked"]:
    """Drop the revoked versions of what was `newly` locked, and return them; a revoked version replaces none."""
    from catalog.pull.lockfile import drop_from_lock, read_lock
    from catalog.releases.revocations import read_revocations, revocation_of

    known = read_revocations(workspace.releases)

    def is_revoked(each: "Locked") -> bool:
        return revocation_of(known, each.name, each.version, each.digest) is not None

    by_name = {each.name: each for each in newly if not is_revoked(each)}
    stale = [each for each in read_lock(lock_file) if each.name in by_name and is_revoked(each)]
    dropped = drop_from_lock(lock_file, [each.spoken for each in stale]) if stale else []
    for each in () if writes_json() else dropped:
        click.echo(
            f"{by_name[each.name].spoken} replaces {each.spoken}, which was revoked, in {lock_file}"
        )
    return dropped


def _tell(pulled: "Pulled") -> None:
    part = f" (splits {', '.join(pulled.splits)})" if pulled.splits else ""
    shards = counted(pulled.shards, "shard", "was")
    click.echo(
        f"{pulled.name}@{pulled.version}{part}: {pulled.shards_here} of {shards} here already, "
        f"{format_bytes(pulled.fetched_bytes)} fetched"
    )
    click.echo(f"digest {pulled.digest}")
    click.echo(f"folder {pulled.path}")


@click.command("lock", epilog=examples("dataset lock mine@1.0.0"))
@click.argument("releases", nargs=-1, required=True)
@_lock_file
@json_option
@existing_workspace_option
def lock_releases(workspace: Workspace, releases: tuple[str, ...], lock_file: Path) -> None:
    """Write RELEASES of this workspace into the lock file. They are locked as they are here."""
    from catalog.pull.lockfile import Locked, add_to_lock, read_lock
    from catalog.releases.release import find_release

    sources = {(each.name, each.version): each.source for each in read_lock(lock_file)}
    published = [find_release(workspace, each) for each in releases]
    entries = [
        Locked(
            r.name,
            r.version,
            r.digest,
            sources.get((r.name, r.version), ""),
            tuple(r.pulled_splits or ()),
        )
        for r in published
    ]
    add_to_lock(lock_file, entries)
    for each in () if writes_json() else entries:
        click.echo(f"{each.spoken} {each.digest[:16]} in {lock_file}")
    replaced = _drop_revoked(workspace, lock_file, entries)
    emit_json({"lock_file": lock_file, "locked": entries, "replaced": replaced})


@click.command("unlock", epilog=examples("dataset unlock mine@1.0.0"))
@click.argument("releases", nargs=-1, required=True)
@_lock_file
@json_option
def unlock_releases(releases: tuple[str, ...], lock_file: Path) -> None:
    """Drop RELEASES from the lock file. Each is name@version, or name for all its versions; their data stays."""
    from catalog.pull.lockfile import drop_from_lock

    dropped = drop_from_lock(lock_file, releases)
    if emit_json({"lock_file": lock_file, "unlocked": dropped}):
        return
    for each in dropped:
        click.echo(f"{each.spoken} is no longer in {lock_file}")


@click.command(epilog=examples("dataset keygen ~/keys/team"))
@click.argument("path", type=_FILE)
@json_option
def keygen(path: Path) -> None:
    """Make an ed25519 key to sign releases with. Keep PATH, and give PATH.pub to others."""
    from catalog.releases.signing import make_key

    public = make_key(path)
    if emit_json({"private_key": path, "public_key": public}):
        return
    click.echo(f"private key {path} (keep it to yourself)\npublic key {public}")


@click.command("sign", epilog=examples("dataset sign mine@1.0.0 --key ~/keys/team"))
@click.argument("release")
@click.option(
    "--key", type=_FILE, required=True, help=f"Private key made by: {command_name()} dataset keygen"
)
@json_option
@existing_workspace_option
def sign_release(workspace: Workspace, release: str, key: Path) -> None:
    """Sign the manifest of RELEASE, which binds all its files. RELEASE is name or name@version."""
    from catalog.releases.release import find_release
    from catalog.releases.signing import sign

    published = find_release(workspace, release)
    signature = sign(published.path, key)
    if published.bucket:
        published.bucket.put(
            f"releases/{published.name}/{published.version}/{signature.name}", signature
        )
    if not emit_json(
        {"name": published.name, "version": published.version, "signature": signature}
    ):
        click.echo(f"signature {signature}")


@click.command(
    "revoke",
    epilog=examples('dataset revoke mine@1.0.0 --reason "wrong labels" --successor mine@1.1.0'),
)
@click.argument("release")
@click.option("--reason", required=True, help="Why nobody may use it any more.")
@click.option("--successor", metavar="VERSION", help="Version to use in its place.")
@json_option
@existing_workspace_option
def revoke_release(workspace: Workspace, release: str, reason: str, successor: str | None) -> None:
    """Say that RELEASE must not be used any more. RELEASE is name@version; pulls refuse it from now on."""
    from catalog.lake.lake import open_catalog
    from catalog.releases.release import find_release
    from catalog.releases.revocations import revoke

    if "@" not in release:
        raise UsageError(f"say which version of {release} is revoked, such as {release}@1.0.0")
    published = find_release(workspace, release)
    if successor:
        successor = find_release(
            workspace, f"{published.name}@{successor.partition('@')[2] or successor}"
        ).version
    revocation = revoke(
        workspace, (published.name, published.version, published.digest), reason, successor
    )
    with open_catalog(workspace) as catalog:
        catalog.commit()
    if not emit_json(revocation):
        click.echo(str(revocation))
