"""Where the tables live: one protocol, and the stores that keep it. `[catalog] store` in safelight.toml chooses."""

from catalog.stores.engine import quoted
from catalog.stores.store import (
    LOCK_TIMEOUT_S,
    Frozen,
    MaintenanceResult,
    RetentionPolicy,
    Snapshot,
    Store,
)

__all__ = [
    "LOCK_TIMEOUT_S",
    "Frozen",
    "MaintenanceResult",
    "RetentionPolicy",
    "Snapshot",
    "Store",
    "quoted",
]
