"""The words by which a takedown's person can be told: their names and the addresses of their photos.

They are looked for wherever people type or programs write in words. A name counts as a whole word whatever the case;
an address by its beginning. Logs are masked in place, byte for byte: others append to them meanwhile, and the offsets
that they noted stay true.
"""

import html
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from catalog.lake.lake import Catalog
from catalog.workspace.workspace import Workspace

TEXT_FILES = (".html", ".md", ".json", ".csv", ".txt", ".log", ".jsonl", ".sql", ".toml")
TEXT_BYTES = 64 * 2**20
_LETTER = rb"[0-9A-Za-z\x80-\xff]"


@dataclass(frozen=True)
class IdentifyingWords:
    """Names of people, and addresses or beginnings of them."""

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def joined(self, other: "IdentifyingWords") -> "IdentifyingWords":
        """Give the words of both."""
        return IdentifyingWords(
            tuple(sorted({*self.names, *other.names})),
            tuple(sorted({*self.addresses, *other.addresses})),
        )

    def pattern(self) -> re.Pattern[bytes] | None:
        """Match any of the words as JSON, HTML and addresses write them, too; None without words."""
        named = [
            rb"(?<!" + _LETTER + rb")" + w + rb"(?!" + _LETTER + rb")" for w in _forms(self.names)
        ]
        addressed = list(_forms(self.addresses))
        words = b"|".join([*named, *addressed])
        return re.compile(words, re.IGNORECASE) if words else None


def _forms(words: Collection[str]) -> Iterator[bytes]:
    forms = {
        form
        for word in words
        for form in (
            word,
            json.dumps(word)[1:-1],
            html.escape(word),
            quote(word),
            quote(word, safe=""),
        )
        if form
    }
    # The longest first: of two that begin alike the shorter would leave the rest of the longer.
    yield from (re.escape(form.encode()) for form in sorted(forms, key=lambda f: (-len(f), f)))


def words_of(catalog: Catalog, kind: str, value: str, photos: Collection[str]) -> IdentifyingWords:
    """Read the words from the rows about these photos; a photographer with other photos keeps their name."""
    rows = catalog.records(
        "SELECT DISTINCT photographer, photographer_url, page_url, image_url FROM photos"
        " WHERE list_contains(?, photo_id)",
        [sorted(photos)],
    )
    addresses = {str(row[name]) for row in rows for name in ("page_url", "image_url") if row[name]}
    if kind != "photographer":
        return IdentifyingWords(
            (), tuple(sorted(_whole(addresses | ({value} if kind == "url_prefix" else set()))))
        )
    names = {str(row["photographer"]) for row in rows if row["photographer"]}
    pages = {str(row["photographer_url"]) for row in rows if row["photographer_url"]}
    own = {name for name in names if name.casefold() == value.casefold()} | {value}
    return IdentifyingWords(tuple(sorted(own)), tuple(sorted(_whole(addresses | pages))))


def _whole(addresses: Collection[str]) -> set[str]:
    """Leave out what is no address: the path of a file in a folder may be any short word."""
    return {address for address in addresses if "://" in address}


def mask(path: Path, pattern: re.Pattern[bytes]) -> int:
    """Write asterisks over every match in a file, without moving a byte; return how many there were."""
    body = path.read_bytes()
    matches = list(pattern.finditer(body))
    if matches:
        with path.open("r+b") as raw:
            for match in matches:
                raw.seek(match.start())
                raw.write(b"*" * (match.end() - match.start()))
    return len(matches)


def mask_logs(workspace: Workspace, words: IdentifyingWords) -> int:
    """Mask the words in the logs; return how many places there were."""
    pattern = words.pattern()
    paths = [path for path in workspace.logs.rglob("*") if path.is_file()]
    return sum(mask(path, pattern) for path in paths) if pattern else 0


def mentions(workspace: Workspace, words: IdentifyingWords, assets: Collection[str]) -> list[Path]:
    """List the reports, model cards and saved questions that name one of the words or files."""
    everything = IdentifyingWords(words.names, (*words.addresses, *assets)).pattern()
    folders = (workspace.reports, workspace.models, workspace.home / "queries")
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in TEXT_FILES and path.is_file() and path.stat().st_size < TEXT_BYTES
        if not path.is_relative_to(workspace.reports / "takedowns")
        if everything and everything.search(path.read_bytes())
    )
