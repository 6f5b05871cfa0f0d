"""Choose the store that a workspace asks for.

    [catalog]
    store = "sqlite"                                    # the default: one file, lake/catalog.sqlite
    store = "postgres://user:password@host:5432/name"   # several machines, or many writers

or `SAFELIGHT_CATALOG_STORE`, which keeps a password out of the file.
"""

from dataclasses import dataclass, field

from catalog.errors import UsageError
from catalog.settings import load_settings
from catalog.stores.ducklake import DuckLakeStore
from catalog.stores.postgres import SCHEMES, PostgresMetadata
from catalog.stores.sqlite import SqliteMetadata
from catalog.stores.store import Store
from catalog.workspace import Workspace


@dataclass(frozen=True)
class CatalogSettings:
    """Section `[catalog]` of safelight.toml: `store` names where the tables are kept."""

    store: str = field(default="sqlite", repr=False)  # an address may hold a password


def open_store(workspace: Workspace, settings: CatalogSettings | None = None) -> Store:
    """Give the store of `workspace`; raises `UsageError` when the settings name none that there is."""
    chosen = settings or load_settings(CatalogSettings, "catalog", workspace)
    if chosen.store == "sqlite":
        return DuckLakeStore(workspace, SqliteMetadata(workspace))
    if chosen.store.split("://")[0] in SCHEMES:
        return DuckLakeStore(workspace, PostgresMetadata(chosen.store))
    raise UsageError(
        f"[catalog] store = {chosen.store.split(':')[0]!r} is no store; known: sqlite, postgres://..."
    )
