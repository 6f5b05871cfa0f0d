"""Damage files of a workspace in tests."""

import random
from pathlib import Path

from catalog import Workspace, open_catalog
from catalog.maintenance.verify import verify_workspace
from catalog.stores import RetentionPolicy
from tests.catalog.pictures import bring

NOW = RetentionPolicy(grace_hours=0)


SEED = 20_261_129


def flip(path: Path, chance: random.Random) -> bytes:
    """Flip one bit of a file in place, and return what it was."""
    raw = path.read_bytes()
    changed = bytearray(raw)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    path.write_bytes(changed)
    return raw


def commits(workspace: Workspace, numbers: range) -> None:
    with open_catalog(workspace) as catalog:
        for number in numbers:
            bring(workspace, range(number * 3, number * 3 + 3))
            catalog.commit()


def named(workspace: Workspace, path: Path) -> bool:
    return any(path.name in line for line in verify_workspace(workspace).problems)


def files(workspace: Workspace, pattern: str) -> list[Path]:
    return [path for path in sorted(workspace.home.glob(pattern)) if path.is_file()]
