"""What must not come in: tombstones that somebody asked for, honoured when photos are listed and when bytes arrive."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from catalog import Catalog
from crawler.failures import Failure
from crawler.frontier import Row
from crawler.records import Brought, hash_id, utc_now

Kind = Literal["photo", "sha256", "photographer", "url_prefix"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Blocklist:
    """The tombstones that block, by kind."""

    photos: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()
    photographers: frozenset[str] = frozenset()
    url_prefixes: tuple[str, ...] = ()

    def names(self, photo_id: str, url: str, photographer: object) -> str | None:
        """Return what forbids a photo before its bytes are asked for, or null."""
        if photo_id in self.photos:
            return "photo"
        if self.photographers and str(photographer or "").casefold() in self.photographers:
            return "photographer"
        return "url_prefix" if url.startswith(self.url_prefixes) else None

    def apply(self, brought: Brought) -> Brought:
        """Turn an attempt whose photo, address or bytes are forbidden into a failure without bytes."""
        photographer = brought.item.photo.get("photographer")
        found = self.names(brought.photo_id, brought.url, photographer)
        if found is None and brought.sha256 in self.hashes:
            found = "sha256"
        if found is None or brought.failure:
            return brought
        failure = Failure("final", "tombstoned", found, brought.http_status)
        return replace(brought, failure=failure, body=b"", sha256=None)

    def as_json(self) -> dict[str, list[str]]:
        """Give what `from_json` takes."""
        return {field.name: sorted(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, said: Mapping[str, list[str]]) -> "Blocklist":
        """Make the blocklist of another process."""
        photos, hashes, people = (
            frozenset(said[name]) for name in ("photos", "hashes", "photographers")
        )
        return cls(photos, hashes, people, tuple(said["url_prefixes"]))


NOTHING_BLOCKED = Blocklist()


def read_blocklist(catalog: Catalog) -> Blocklist:
    """Read the tombstones that block."""
    found = catalog.records("SELECT kind, value FROM tombstones WHERE blocks")

    def values(kind: Kind) -> Iterable[str]:
        return (str(row["value"]) for row in found if row["kind"] == kind)

    return Blocklist(
        frozenset(values("photo")),
        frozenset(values("sha256")),
        frozenset(name.casefold() for name in values("photographer")),
        tuple(values("url_prefix")),
    )


def tombstone_row(
    kind: Kind, value: str, reason: str, crawl: str | None = None, *, blocks: bool = False
) -> Row:
    """Make one row of `tombstones`; one that blocks and one that only tells of a deletion stand side by side."""
    return {
        "tombstone_id": hash_id(kind, value, blocks),
        "kind": kind,
        "value": value,
        "reason": reason,
        "blocks": blocks,
        "crawl_id": crawl,
        "created_at": utc_now(),
    }
