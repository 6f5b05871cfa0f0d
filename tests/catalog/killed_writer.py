"""A writer that says what it has acknowledged, made to be killed."""

import os
from pathlib import Path

from catalog import Workspace, open_catalog
from catalog.maintenance.maintain import maintain
from catalog.stores import RetentionPolicy
from tests.catalog.pictures import bring

ROWS = 3


def acknowledged(home: Path) -> list[int]:
    """List the first numbers of the segments whose `write_segment` has returned."""
    log = home / "acknowledged"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def write_until_killed(home: Path) -> None:
    """Bring segments, commit each, do maintenance after every fourth."""
    workspace = Workspace.at(home)
    log = os.open(home / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    first = max(acknowledged(home), default=0)
    with open_catalog(workspace) as catalog:
        while (
            True
        ):  # the first segment is one that was brought before, as a crawl does that goes on
            bring(workspace, range(first, first + ROWS))
            os.write(log, f"{first}\n".encode())
            catalog.commit()
            if first // ROWS % 4 == 3:
                maintain(workspace, RetentionPolicy(keep_snapshots=5, grace_hours=0))
            first += ROWS
