"""What must not come in: tombstones that somebody asked for, honoured when photos are listed and when bytes arrive."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from string import hexdigits
from typing import Literal, get_args

from catalog import Catalog, read_blocked
from crawler.errors import BlockRefusedError, NotBlockedError
from crawler.fetch.addresses import normalised
from crawler.fetch.failures import Failure
from crawler.fetch.hosts import client_url, host_of
from crawler.session.records import Brought

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
        spellings = (url, canonical(url))
        blocked = any(address.startswith(self.url_prefixes) for address in spellings)
        return "url_prefix" if blocked else None

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

_HEX = {"photo": 32, "sha256": 64}  # digits

_KNOWN: Mapping[Kind, str] = {
    "photo": "SELECT photo_id FROM photos WHERE photo_id = ?",
    "sha256": "SELECT photo_id FROM photos WHERE asset_sha256 = ?",
    "photographer": "SELECT photo_id FROM photos WHERE lower(photographer) = lower(?)",
    "url_prefix": "SELECT photo_id FROM fetches WHERE starts_with(url, ?)",
}


def checked(kind: Kind, value: str) -> str:
    """Write a value as it is compared; raises `BlockRefusedError` when it is none of its kind, or would block too much.

    >>> checked("url_prefix", "HTTPS://Photos.Example"), checked("photographer", " Ann Lens ")
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
    """Write an address as it is asked for, so that no odd spelling of a host or a path gets past a prefix.

    >>> canonical("http://me@PHOTOS。example.:80/x/../private/1.jpg")
    'http://photos.example/private/1.jpg'
    """
    try:
        asked = client_url(url)
    except ValueError:
        return url
    return f"{asked.scheme}://{host_of(url)}{asked.raw_path_qs}"


def count_known(catalog: Catalog, kind: Kind, value: str) -> int:
    """Count the photos of the catalog that a tombstone is about; of an address prefix also those that failed."""
    sql = f"SELECT count(DISTINCT photo_id) AS n FROM ({_KNOWN[kind]})"
    return int(str(catalog.records(sql, [value])[0]["n"]))


def require_blocked(catalog: Catalog, kind: Kind, value: str) -> None:
    """Raise `NotBlockedError` when nothing is to be lifted."""
    blocked = [value for about, value in read_blocked(catalog) if about == kind]
    wanted = value.lower() if kind == "photographer" else value
    if wanted not in blocked:
        raise NotBlockedError(kind, value, blocked)


def read_blocklist(catalog: Catalog) -> Blocklist:
    """Read what is blocked: the latest row about each thing that somebody asked about holds."""
    found = read_blocked(catalog)

    def values(kind: Kind) -> Iterable[str]:
        return (value for about, value in found if about == kind)

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
