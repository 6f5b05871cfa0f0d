"""The blocklist: tombstones of photos, files, photographers and addresses that crawls leave out.

It is applied before a photo is fetched, and again when its bytes are there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from string import hexdigits
from typing import Literal, get_args

from catalog import Catalog, Workspace, open_catalog, read_blocked, rows, tombstone, write_segment
from crawler.errors import BlockRefusedError, NotBlockedError
from crawler.fetch.addresses import normalised
from crawler.fetch.failures import Failure
from crawler.fetch.hosts import client_url, host_of
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Row
from crawler.session.records import FetchResult

Kind = Literal["photo", "sha256", "photographer", "url_prefix"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Blocklist:
    """The tombstones that block, by kind."""

    photos: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()
    photographers: frozenset[str] = frozenset()
    url_prefixes: tuple[str, ...] = ()

    def find_reason(self, photo_id: str, url: str, photographer: object) -> str | None:
        """Return the kind of tombstone that blocks a photo before it is fetched, or null."""
        if photo_id in self.photos:
            return "photo"
        if self.photographers and str(photographer or "").casefold() in self.photographers:
            return "photographer"
        if not self.url_prefixes:
            return None
        spellings = (url, canonical(url))
        blocked = any(address.startswith(self.url_prefixes) for address in spellings)
        return "url_prefix" if blocked else None

    def apply(self, result: FetchResult) -> FetchResult:
        """Turn an attempt whose photo, address or bytes are blocked into a failure without bytes."""
        photographer = result.item.photo.get("photographer")
        reason = self.find_reason(result.photo_id, result.url, photographer)
        if reason is None and result.sha256 in self.hashes:
            reason = "sha256"
        if reason is None or result.failure:
            return result
        failure = Failure("final", "tombstoned", reason, result.http_status)
        return replace(result, failure=failure, body=b"", sha256=None)

    def to_json(self) -> dict[str, list[str]]:
        """Return the values that `from_json` reads."""
        return {field.name: sorted(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, list[str]]) -> "Blocklist":
        """Make a blocklist of the values that another process sent."""
        photos, hashes, people = (
            frozenset(values[name]) for name in ("photos", "hashes", "photographers")
        )
        return cls(photos, hashes, people, tuple(values["url_prefixes"]))


NOTHING_BLOCKED = Blocklist()

_HEX = {"photo": 32, "sha256": 64}  # digits

_MATCHING: Mapping[Kind, str] = {
    "photo": "SELECT photo_id FROM photos WHERE photo_id = ?",
    "sha256": "SELECT photo_id FROM photos WHERE asset_sha256 = ?",
    "photographer": "SELECT photo_id FROM photos WHERE lower(photographer) = lower(?)",
    "url_prefix": "SELECT photo_id FROM fetches WHERE starts_with(url, ?)",
}


def normalise_value(kind: Kind, value: str) -> str:
    """Write a value in its normal form; raises `BlockRefusedError` when it is not of its kind or would block too much.

    >>> normalise_value("url_prefix", "HTTPS://Photos.Example"), normalise_value("photographer", " Ann Lens ")
    ('https://photos.example/', 'Ann Lens')
    """
    value = value.strip()
    if not value:
        raise BlockRefusedError(kind, value, "it is empty")
    if kind == "url_prefix":
        address = normalised(value)
        if address is None:
            raise BlockRefusedError(kind, value, "it needs scheme and host: https://host/path")
        return address.geturl()
    if digits := _HEX.get(kind):
        value = value.lower()
        if len(value) != digits or set(value) - set(hexdigits):
            raise BlockRefusedError(kind, value, f"it is written as {digits} hex digits")
    return value


def canonical(url: str) -> str:
    """Write an address as the HTTP client sends it, so that no odd spelling of a host or a path evades a prefix.

    >>> canonical("http://me@PHOTOS。example.:80/x/../private/1.jpg")
    'http://photos.example/private/1.jpg'
    """
    try:
        client = client_url(url)
    except ValueError:
        return url
    return f"{client.scheme}://{host_of(url)}{client.raw_path_qs}"


def count_matching(catalog: Catalog, kind: Kind, value: str) -> int:
    """Count the photos of the catalog that a tombstone matches; for an address prefix also failed ones."""
    sql = f"SELECT count(DISTINCT photo_id) AS n FROM ({_MATCHING[kind]})"
    return int(str(catalog.records(sql, [value])[0]["n"]))


def require_blocked(catalog: Catalog, kind: Kind, value: str) -> None:
    """Raise `NotBlockedError` unless the value is blocked."""
    blocked = [value for about, value in read_blocked(catalog) if about == kind]
    key = value.lower() if kind == "photographer" else value
    if key not in blocked:
        raise NotBlockedError(kind, value, blocked)


def read_blocklist(catalog: Catalog) -> Blocklist:
    """Read the blocklist; the latest row for each (kind, value) wins."""
    tombstones = read_blocked(catalog)

    def values(kind: Kind) -> Iterable[str]:
        return (value for about, value in tombstones if about == kind)

    return Blocklist(
        frozenset(values("photo")),
        frozenset(values("sha256")),
        frozenset(name.casefold() for name in values("photographer")),
        tuple(
            {
                spelling
                for prefix in values("url_prefix")
                for spelling in (prefix, canonical(prefix))
            }
        ),
    )


def block(workspace: Workspace, kind: Kind, value: str, reason: str) -> int:
    """Keep something out of all later crawls; return how many photos of the catalog match it.

    Raises `BlockRefusedError` for a value that is not of its kind or would block too much.
    """
    value = normalise_value(kind, value)
    workspace.make()
    with open_catalog(workspace) as catalog:
        _write_tombstone(workspace, tombstone(kind, value, reason, blocks=True))
        catalog.commit()
        return count_matching(catalog, kind, value)


def unblock(workspace: Workspace, kind: Kind, value: str, reason: str) -> int:
    """Let later crawls fetch again what `block` kept out; return how many photos of the catalog match it.

    The old row stays; a newer row lifts it. Raises `NotBlockedError`.
    """
    value = normalise_value(kind, value)
    with open_catalog(workspace) as catalog:
        require_blocked(catalog, kind, value)
        _write_tombstone(workspace, tombstone(kind, value, reason, blocks=False))
        catalog.commit()
        if workspace.frontier.exists():
            with Frontier(workspace.frontier) as frontier:
                frontier.delete_blank_items()
        return count_matching(catalog, kind, value)


def _write_tombstone(workspace: Workspace, row: Row) -> None:
    write_segment(workspace, {"tombstones": rows("tombstones", [row])}, job="block")
