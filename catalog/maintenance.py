"""Keep a workspace small and quick: `safelight catalog maintain`. Releases are never touched."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from catalog.lake import Catalog, open_catalog
from catalog.spool import ready
from catalog.stores import KeepRules, Kept
from catalog.workspace import Workspace

UPKEEP_LOCK = "upkeep.lock"


@dataclass(frozen=True)
class Maintained:
    """What was done (or would be done): for the tables, and for what lies beside them."""

    tables: Kept
    packs_removed: int
    folders_removed: int
    bytes_removed: int
    protected: frozenset[int]


def maintain(workspace: Workspace, rules: KeepRules | None = None) -> Maintained:
    """Merge files, expire snapshots by `rules`, and remove what nothing names, under the writer lock.

    Snapshots that a release or a curation run names are protected. Raises `BusyError`.
    """
    rules = rules or KeepRules()
    upkeep = FileLock(workspace.lake / UPKEEP_LOCK)  # a backup keeps it while it copies files
    with upkeep, open_catalog(workspace) as catalog, catalog.store.lock():
        catalog.refresh()
        rules = replace(rules, protected=rules.protected | _named_snapshots(catalog))
        tables = catalog.store.maintain(rules)
        catalog.refresh()
        packs = [path for path in strange_packs(catalog) if _is_old(path, rules)]
        folders = [path for path in _left_folders(workspace) if _is_old(path, rules)]
        size = sum(map(_size, [*packs, *folders]))
        if not rules.dry_run:
            for path in packs:
                path.unlink()
            for path in folders:
                shutil.rmtree(path)
    return Maintained(tables, len(packs), len(folders), size, rules.protected)


def strange_packs(catalog: Catalog) -> Iterator[Path]:
    """List the packs that neither a row of `assets` nor a segment in the spool mentions."""
    known = {row["pack"] for row in catalog.records("SELECT DISTINCT pack FROM assets")}
    known |= {segment.pack for segment in ready(catalog.workspace)}
    yield from (p for p in sorted(catalog.workspace.packs.glob("*.parquet")) if p.name not in known)


def _named_snapshots(catalog: Catalog) -> frozenset[int]:
    """Collect the snapshots that releases and curation runs were made from."""
    found = catalog.records(
        "SELECT snapshot_id FROM datasets UNION SELECT input_snapshot FROM curation_runs"
    )
    named = {int(str(row["snapshot_id"])) for row in found if row["snapshot_id"] is not None}
    for path in catalog.workspace.releases.glob("*/*/manifest.json"):
        named.add(int(json.loads(path.read_text("utf-8"))["lake_snapshot_id"]))
    return frozenset(named)


def _left_folders(workspace: Workspace) -> Iterator[Path]:
    """List the unfinished folders that killed jobs have left."""
    for parent in (workspace.spool, workspace.releases, workspace.models, workspace.reports):
        yield from sorted(parent.glob(".tmp-*"))


def _is_old(path: Path, rules: KeepRules) -> bool:
    """Say whether nobody has changed a file, or anything in a folder, within the time of grace."""
    newest = max(p.stat().st_ctime for p in [path, *path.rglob("*")])
    return rules.grace_hours <= 0 or newest < time.time() - 3600 * rules.grace_hours


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in [path, *path.rglob("*")] if p.is_file())
