"""Keep a workspace small and quick: `safelight catalog maintain`. Releases are never touched."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from catalog.lake.lake import Catalog, open_catalog
from catalog.packs.assets import PACKS
from catalog.packs.objects import Stored, open_objects
from catalog.packs.spool import waiting_segments
from catalog.releases.release import list_releases
from catalog.stores import MaintenanceResult, RetentionPolicy
from catalog.workspace.progress import track
from catalog.workspace.workspace import Workspace


@dataclass(frozen=True)
class MaintenanceReport:
    """What was done (or would be done): for the tables, and for what lies beside them."""

    tables: MaintenanceResult
    packs_removed: int
    folders_removed: int
    bytes_removed: int
    protected: frozenset[int]


def maintain(workspace: Workspace, rules: RetentionPolicy | None = None) -> MaintenanceReport:
    """Merge files, expire snapshots by `rules`, and remove what nothing names, under the writer lock.

    Snapshots that a release or a curation run names are protected. Raises `BusyError`.
    """
    rules = rules or RetentionPolicy()
    with upkeep_lock(workspace), open_catalog(workspace) as catalog, catalog.store.lock():
        catalog.refresh()
        rules = replace(rules, protected=rules.protected | _named_snapshots(catalog))
        tables = catalog.store.maintain(rules)
        catalog.refresh()
        objects = open_objects(workspace)
        packs = [pack for pack in orphan_packs(catalog) if rules.is_expired(pack.modified)]
        folders = [path for path in _left_folders(workspace) if rules.is_expired(_changed(path))]
        size = sum(pack.bytes for pack in packs) + sum(map(_size, folders))
        if not rules.dry_run:
            for pack in track(packs, "delete packs", unit="packs"):
                objects.delete(pack.name)
            for path in folders:
                shutil.rmtree(path)
    return MaintenanceReport(tables, len(packs), len(folders), size, rules.protected)


def upkeep_lock(workspace: Workspace) -> FileLock:
    """Make the lock that is held while files are deleted, or read by those who must find all of them.

    It comes before the writer lock when both are taken.
    """
    return FileLock(workspace.lake / "upkeep.lock")


def orphan_packs(catalog: Catalog) -> Iterator[Stored]:
    """List the packs that neither a row of `assets` nor a segment in the spool mentions."""
    # In the order packs, spool, tables: a segment that is committed meanwhile is seen in one place at least.
    stored = open_objects(catalog.workspace).listed(PACKS)
    named_packs: set[object] = {segment.pack for segment in waiting_segments(catalog.workspace)}
    catalog.refresh()
    named_packs |= {row["pack"] for row in catalog.records("SELECT DISTINCT pack FROM assets")}
    yield from (pack for pack in stored if pack.name.removeprefix(f"{PACKS}/") not in named_packs)


def _named_snapshots(catalog: Catalog) -> frozenset[int]:
    """Collect the snapshots that releases and curation runs were made from."""
    rows = catalog.records(
        "SELECT snapshot_id FROM datasets UNION SELECT input_snapshot FROM curation_runs"
    )
    named = {int(str(row["snapshot_id"])) for row in rows if row["snapshot_id"] is not None}
    made_from = {int(r.manifest["lake_snapshot_id"]) for r in list_releases(catalog.workspace)}
    return frozenset(named | made_from)


def _left_folders(workspace: Workspace) -> Iterator[Path]:
    """List the unfinished folders that killed jobs have left."""
    for parent in (workspace.spool, workspace.releases, workspace.models, workspace.reports):
        yield from sorted(parent.glob(".tmp-*"))


def _changed(folder: Path) -> datetime:
    """Say when a folder, or anything in it, was changed last."""
    newest = max(path.stat().st_ctime for path in [folder, *folder.rglob("*")])
    return datetime.fromtimestamp(newest, UTC)


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in [path, *path.rglob("*")] if p.is_file())
