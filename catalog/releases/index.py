"""What a folder of releases offers: the index that the service hands out and that a pull reads.

releases/index.json   {"format": "safelight-index/1",
                       "releases": [{name, version, digest, manifest_sha256, created, n_items, bytes, splits, shards,
                                     signed, revoked: null or {reason, successor, revoked_at},
                                     has_data: false when a takedown has deleted the pictures}],
                       "revocations": [{dataset, version, digest, reason, successor, revoked_at}]}
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from packaging.version import Version

from catalog.releases.deleted_data import INDEX
from catalog.releases.manifest import MANIFEST, PARTIAL, SIGNATURE, VERSION
from catalog.releases.revocations import Revocation, read_revocations, revocation_of

INDEX_FORMAT = "safelight-index/1"


def release_folders(folder: Path) -> list[Path]:
    """List the release folders `NAME/VERSION` below a folder, by name and then newest version first."""
    folders = [
        path.parent
        for path in folder.glob(f"*/*/{MANIFEST}")
        if not path.parent.parent.name.startswith(".") and VERSION.fullmatch(path.parent.name)
    ]
    folders.sort(key=lambda path: Version(path.name), reverse=True)
    return sorted(folders, key=lambda path: path.parent.name)


def index_of(folder: Path) -> dict[str, Any]:
    """Describe the whole releases of a folder; a part that somebody pulled is not passed on."""
    revocations = read_revocations(folder)
    whole = [path for path in release_folders(folder) if not (path / PARTIAL).exists()]
    return {
        "format": INDEX_FORMAT,
        "releases": [describe((path / MANIFEST).read_bytes(), path, revocations) for path in whole],
        "revocations": [asdict(each) for each in revocations],
    }


def describe(raw: bytes, path: Path, revocations: list[Revocation]) -> dict[str, Any]:
    """Describe one release by the bytes of its manifest and its folder on this machine."""
    manifest = json.loads(raw)
    name, version, digest = manifest["name"], manifest["version"], manifest["digest"]
    revoked = revocation_of(revocations, name, version, digest)
    return {
        "name": name,
        "version": version,
        "digest": digest,
        "manifest_sha256": hashlib.sha256(raw).hexdigest(),
        "created": manifest["created"],
        "n_items": manifest["n_items"],
        "splits": manifest["splits"],
        "shards": len(manifest["shards"]),
        "bytes": sum(shard["bytes"] for shard in manifest["shards"]),
        "signed": (path / SIGNATURE).exists(),
        "revoked": asdict(revoked) if revoked else None,
        "has_data": (path / INDEX).exists(),
    }


def newest(index: Mapping[str, Any], name: str) -> str | None:
    """Name the newest version of a release that is not revoked, else the newest; None when there is none."""
    versions = [entry for entry in index["releases"] if entry["name"] == name]
    good = [entry for entry in versions if not entry["revoked"]] or versions
    versions = [str(entry["version"]) for entry in good]
    return max(versions, key=Version, default=None)
