"""Take files and rows out of a catalog for good, together with the past that still shows them."""

import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass

from catalog.lake.lake import Catalog
from catalog.maintenance.maintain import orphan_packs, upkeep_lock
from catalog.packs.objects import open_objects
from catalog.stores.ducklake.removal import Removal, forget_past, remove_rows
from catalog.takedown.identifying import IdentifyingWords
from catalog.takedown.repacking import delete_unused, repack
from catalog.workspace.caches import drop_caches

UNFINISHED_S = 60.0
"""A segment that has not been written to for so long is left over from a kill."""


@dataclass(frozen=True)
class Removed:
    """Rows removed by table, packs deleted, packs written in their place."""

    rows_removed: dict[str, int]
    packs_removed: list[str]
    packs_written: tuple[str, ...]


def remove_files(
    catalog: Catalog,
    assets: Collection[str],
    photos: Collection[str],
    packs: Collection[str],
    message: str,
    *,
    words: IdentifyingWords | None = None,
) -> Removed:
    """Take bytes and rows out, and the past that still shows them; `packs` are those that hold the assets."""
    words = words or IdentifyingWords()
    with upkeep_lock(catalog.workspace), catalog.store.lock():  # a backup needs all files
        places = repack(catalog, packs, assets)
        going = Removal(assets, photos, places, words.names, words.addresses)
        removed = remove_rows(catalog.store, going, message)
        catalog.refresh()
        gone = delete_unused(catalog, packs)
        catalog.let_go()
        forget_past(catalog.store)
        drop_caches(catalog.workspace, assets)
        catalog.refresh()
        gone += _delete_orphans(catalog)
    return Removed(removed, gone, tuple(sorted(set(places["pack"].to_pylist()))))


def _delete_orphans(catalog: Catalog) -> list[str]:
    """Delete what killed crawls have left: packs that no row names, unfinished segments; return the packs."""
    objects = open_objects(catalog.workspace)
    packs = [pack.name for pack in orphan_packs(catalog)]
    for name in packs:
        objects.delete(name)
    for folder in catalog.workspace.spool.glob(".tmp-*"):
        # No crawl runs, and nobody else writes packs; another job may be writing rows just now.
        if any(folder.glob("*pack*")) or time.time() - folder.stat().st_mtime > UNFINISHED_S:
            shutil.rmtree(folder, ignore_errors=True)
    return [name.rpartition("/")[2] for name in packs]
