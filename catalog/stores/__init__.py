"""Where the tables live: one protocol, and the stores that keep it. `[catalog] store` in safelight.toml chooses."""

from catalog.stores.choice import CatalogSettings, open_store
from catalog.stores.engine import first_line, quoted
from catalog.stores.store import LOCK_TIMEOUT_S, Frozen, Snapshot, Store
from catalog.stores.upkeep import KeepRules, Kept

__all__ = [
    "LOCK_TIMEOUT_S",
    "CatalogSettings",
    "Frozen",
    "KeepRules",
    "Kept",
    "Snapshot",
    "Store",
    "first_line",
    "open_store",
    "quoted",
]
