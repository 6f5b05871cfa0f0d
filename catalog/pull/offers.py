"""What a source offers under one name: the manifest of the release, checked against itself and its signature."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import ReleaseError, ReleaseNotFoundError
from catalog.pull.sources import ReleaseSource
from catalog.releases.index import newest
from catalog.releases.manifest import MANIFEST, SIGNATURE, check_name, read_manifest
from catalog.releases.revocations import Revocation, parse_revocations
from catalog.releases.signing import check_signature


@dataclass(frozen=True)
class Offer:
    """A release as its source offers it; without `has_data` a takedown has deleted its pictures there."""

    manifest: dict[str, Any]
    raw: bytes
    signature: bytes | None
    revocations: Sequence[Revocation] = ()
    has_data: bool = True

    @property
    def name(self) -> str:
        """`NAME/VERSION`, as in paths."""
        return f"{self.manifest['name']}/{self.manifest['version']}"

    @property
    def spoken(self) -> str:
        """`NAME@VERSION`."""
        return self.name.replace("/", "@")

    @property
    def identity(self) -> tuple[str, str, str]:
        """Name, version and digest."""
        return self.manifest["name"], self.manifest["version"], self.manifest["digest"]

    def require_data(self, where: str) -> None:
        """Raise `ReleaseError` when the pictures are not at the source any more."""
        if not self.has_data:
            raise ReleaseError(
                f"{where} has no pictures of {self.spoken} any more: a takedown has deleted them there, or they were "
                "lost. Ask who keeps it for a newer version"
            )


async def find_offer(source: ReleaseSource, wanted: str, public_key: Path | None) -> Offer:
    """Find `name` (its newest version that is not revoked) or `name@1.2.0` at a source.

    Raises `ReleaseNotFoundError`, `SignatureError` when it is not signed by the owner of `public_key`, and
    `ReleaseError` for a manifest that is damaged.
    """
    name, version = check_name(wanted)
    index = await source.index()
    version = version or newest(index, name) or ""
    names = [f"{e['name']}@{e['version']}" for e in index["releases"]]
    if f"{name}@{version}" not in names:
        raise ReleaseNotFoundError(wanted, names, source.name)
    raw = await source.read(f"{name}/{version}", MANIFEST)
    signature = await source.read(f"{name}/{version}", SIGNATURE)
    if public_key:
        check_signature(raw or b"", signature, public_key, f"{name}@{version}")
    manifest = read_manifest(raw or b"", name, version)
    entry = next(e for e in index["releases"] if (e["name"], e["version"]) == (name, version))
    revocations = parse_revocations(index["revocations"])
    return Offer(manifest, raw or b"", signature, revocations, entry.get("has_data", True))
