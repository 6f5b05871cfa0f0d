"""The proof of a takedown for people: Markdown beside the JSON record."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catalog.plurals import counted
from catalog.workspace.files import write_text


def write_report(folder: Path, record: Mapping[str, Any]) -> Path:
    """Write `takedown.md`: what was asked, found, removed and left; return its path."""
    path = folder / "takedown.md"
    write_text(path, "\n".join(_lines(record)) + "\n")
    return path


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    order, matches = record["order"], record["found"]
    yield "# Takedown\n"
    yield f"Asked for: {order['kind'].replace('_', ' ')} `{order['value']}`  "
    yield f"Reason: {order['reason']}  "
    yield f"Started {record['started_at']}, finished {record['finished_at']} (UTC)\n"
    yield "## Found\n"
    yield f"{_number(matches, 'photos')}, {_number(matches, 'assets', 'file')}, in {_number(matches, 'packs')}, "
    yield f"{_number(matches, 'releases')}, {_number(matches, 'models')}.\n"
    if matches["shared"]:
        yield f"{len(matches['shared'])} of the photos are listed by others with the same bytes; they went too.\n"
    yield "Files (SHA-256):\n"
    yield from (f"- `{asset}`" for asset in matches["assets"])
    yield "\n## Removed\n"
    yield from _table(("table", "rows"), record["rows_removed"].items())
    yield ""
    yield from (f"- pack `{pack}` deleted" for pack in record["packs_removed"])
    yield from (f"- pack `{pack}` holds the other pictures now" for pack in record["packs_written"])
    if record["frontier_items"]:
        yield f"- {counted(record['frontier_items'], 'item')} of the crawl frontier blanked"
    if record["snapshots_expired"]:
        yield "- all earlier snapshots of the tables expired, their files deleted"
    yield f"- looked for again at the end: {record['still_found']} found"
    yield "\n## Releases\n"
    for release in matches["releases"]:
        name = f"{release['name']}@{release['version']}"
        held = f"- {name} held {release['pictures']} of the files (digest `{release['digest']}`)"
        if name in record["successors"]:
            held += f"; revoked, use {record['successors'][name] or 'none: no picture is left'}"
        yield held + ("; its data here was deleted" if name in record["purged"] else "")
    yield "\n## Not reached\n"
    yield from (f"- {line}" for line in record["left"])


def _number(found: Mapping[str, Any], key: str, noun: str = "") -> str:
    return counted(len(found[key]), noun or key.removesuffix("s"))


def _table(header: tuple[str, ...], lines: Any) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    yield from (f"| {' | '.join(map(str, line))} |" for line in lines)
