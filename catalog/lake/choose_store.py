"""Choose the store that a workspace asks for.

    [catalog]
    store = "sqlite"                                    # the default: one file, lake/catalog.sqlite
    store = "postgres://user:password@host:5432/name"   # several machines, or many writers
    store = "parquet"                                   # plain Parquet files, where DuckLake cannot be had

or `SAFELIGHT_CATALOG_STORE`, which keeps a password out of the file.
"""

import logging
from dataclasses import dataclass, field

from catalog.errors import UsageError
from catalog.packs.objects import open_objects
from catalog.stores import engine
from catalog.stores.ducklake.postgres import SCHEMES, PostgresMetadata
from catalog.stores.ducklake.sqlite import SqliteMetadata
from catalog.stores.ducklake.store import DuckLakeStore
from catalog.stores.parquet.documents import FOLDER
from catalog.stores.parquet.store import ParquetStore
from catalog.stores.store import Store
from catalog.workspace.disks import require_local_disk
from catalog.workspace.settings import load_settings
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CatalogSettings:
    """Section `[catalog]` of safelight.toml: `store` names where the tables are kept.

    `allow_network_disk` lets a SQLite catalog be opened on NFS, SMB and the like, at your own risk.
    """

    store: str = field(default="sqlite", repr=False)  # an address may hold a password
    allow_network_disk: bool = False


def open_store(workspace: Workspace, settings: CatalogSettings | None = None) -> Store:
    """Give the store of `workspace`; raises `UsageError` when the settings name none that there is."""
    chosen = settings or load_settings(CatalogSettings, "catalog", workspace)
    if chosen.store == "parquet":
        _refuse(workspace, "catalog.sqlite", "DuckLake", chosen.store)
        return ParquetStore(workspace)
    if chosen.store == "sqlite":
        if _falls_back(workspace):
            return ParquetStore(workspace)
        require_local_disk(workspace.lake, allowed=chosen.allow_network_disk)
        return DuckLakeStore(workspace, SqliteMetadata(workspace))
    if chosen.store.split("://")[0] in SCHEMES:
        _refuse(workspace, "plain", "plain-Parquet", "postgres")
        return DuckLakeStore(workspace, PostgresMetadata(chosen.store))
    raise UsageError(
        f"[catalog] store = {chosen.store.split(':')[0]!r} is no store; known: sqlite, postgres://..., parquet"
    )


def _falls_back(workspace: Workspace) -> bool:
    """Say whether the default store must do without DuckLake: begun without it, or new where it cannot be had."""
    if (workspace.lake / "catalog.sqlite").exists():
        return False
    if _has_plain_tables(workspace):
        return True
    if engine.can_be_had(SqliteMetadata.extensions):
        return False
    log.warning(
        "DuckDB's extension ducklake is neither installed (pip install duckdb-extension-ducklake) nor to be had from "
        "DuckDB: the tables of this new workspace are kept as plain Parquet files, for good. docs/storage.md says "
        "what that costs"
    )
    return True


def _has_plain_tables(workspace: Workspace) -> bool:
    if (workspace.lake / "plain").exists():
        return True
    objects = open_objects(workspace)
    return objects.remote and bool(objects.listed(f"{FOLDER}/snapshots"))


def _refuse(workspace: Workspace, name: str, kind: str, store: str) -> None:
    """Keep a workspace from becoming another store: what it holds would seem to be gone."""
    if (workspace.lake / name).exists():
        raise UsageError(
            f"this workspace keeps its tables in a {kind} store (lake/{name}); [catalog] store = {store!r} would "
            "start empty. Take the setting away, or begin a new workspace with another --home"
        )
