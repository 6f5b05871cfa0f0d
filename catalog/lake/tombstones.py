"""Tombstones: what must not come in again. Rows of `tombstones` are made here and nowhere else.

Nothing is changed: each time that somebody blocks a thing or lifts the block is a row of its own, and the latest row
about it holds. So a tombstone that was lifted holds again when it is written again.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from catalog.errors import UsageError
from catalog.lake.lake import Catalog
from catalog.packs.spool import write_segment
from catalog.tables.rows import rows

# Rows with a crawl tell of deletions that it noticed; nobody asked for those.
_BLOCKED = """
SELECT kind, CASE kind WHEN 'photographer' THEN lower(value) ELSE value END AS value
FROM tombstones WHERE crawl_id IS NULL GROUP BY ALL HAVING arg_max(blocks, created_at) ORDER BY ALL
"""


def tombstone(
    kind: str, value: str, reason: str, *, blocks: bool, crawl_id: str | None = None
) -> dict[str, object]:
    """Make one row: `kind` is photo, sha256, photographer or url_prefix.

    A deletion that crawls notice has one row, whichever notices it; each time that somebody asks has one of its own.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    about = [kind, value, str(blocks), *([] if crawl_id else [str(now)])]
    return {
        "tombstone_id": hashlib.sha256("\n".join(about).encode()).hexdigest()[:32],
        "kind": kind,
        "value": value,
        "reason": reason,
        "blocks": blocks,
        "crawl_id": crawl_id,
        "created_at": now,
    }


def read_blocked(catalog: Catalog) -> list[tuple[str, str]]:
    """List what crawls must leave out, as (kind, value); photographers in lower case."""
    return [(str(row["kind"]), str(row["value"])) for row in catalog.records(_BLOCKED)]


def block(catalog: Catalog, targets: Iterable[tuple[str, str]], reason: str, job: str) -> None:
    """Write and commit tombstones for those of `wanted`, pairs of kind and value, that are not blocked by now."""
    blocked = set(read_blocked(catalog))
    missing = [
        tombstone(kind, value, reason, blocks=True)
        for kind, value in dict.fromkeys(targets)
        if (kind, value.lower() if kind == "photographer" else value) not in blocked
    ]
    if missing:
        write_segment(catalog.workspace, {"tombstones": rows("tombstones", missing)}, job=job)
        catalog.commit()


def comparable(kind: str, value: str) -> str:
    """Write a value as crawls compare it; raises `UsageError` for one that is empty or would match too much.

    >>> comparable("url_prefix", " HTTPS://Photos.Example/Ann"), comparable("sha256", "AB")
    ('https://photos.example/Ann', 'ab')
    """
    value = value.strip()
    if not value:
        raise UsageError(f"the {kind.replace('_', ' ')} is empty; say whose pictures are meant")
    if kind in ("sha256", "photo"):
        return value.lower()
    if kind != "url_prefix":
        return value
    parts = urlsplit(value)
    if not parts.scheme or not parts.netloc:
        raise UsageError(
            f"{value!r} is no beginning of an address; give scheme and host: https://host/path"
        )
    return urlunsplit(parts._replace(netloc=parts.netloc.lower(), path=parts.path or "/"))
