"""What belongs to a release: the list in its manifest, which pull, verify, serving and signing share.

The manifest binds everything. `shards` and `files` give the SHA-256 of each file but the manifest itself and what
is derived from it (SHA256SUMS, a signature, `partial.json`); `digest` is the hash of the content, so whoever trusts the
bytes of one manifest can check all the rest.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from catalog.errors import ReleaseError
from catalog.program_name import command_name

MANIFEST, SUMS, SIGNATURE, PARTIAL = (
    "manifest.json",
    "SHA256SUMS",
    "manifest.json.sig",
    "partial.json",
)
CONTENT = (
    *("format", "plan", "bins", "seed", "schema"),
    *("n_items", "splits", "class_counts", "shards"),
)
"""Keys of the manifest that the digest covers: nothing that depends on when or where it was published."""
GROUP_KEYS = ("photographer", "camera", "session", "person")
"""Keys that groups are made of besides duplicates and scenes, the first to give up first."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
VERSION = re.compile(r"\d+\.\d+\.\d+")
_SHARD = re.compile(r"data/([a-z]+)-\d{5}-of-\d{5}\.parquet")
_SHA = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release; `split` is null unless it is a shard."""

    path: str
    sha256: str
    bytes: int
    split: str | None = None


def content_digest(manifest: Mapping[str, Any]) -> str:
    """Hash the content that a manifest describes: the same pictures and labels, the same digest."""
    described = {key: manifest[key] for key in CONTENT}
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_manifest(raw: bytes, name: str, version: str) -> dict[str, Any]:
    """Parse the manifest of `name@version` and check it against itself.

    Raises `ReleaseError` when it is no manifest, of another release, or its digest is not that of its content.
    """
    try:
        manifest: dict[str, Any] = json.loads(raw)
        own_name, digest = f"{manifest['name']}@{manifest['version']}", content_digest(manifest)
        right = manifest["digest"] == digest
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"the manifest of {name}@{version} cannot be read: {error}") from error
    if own_name != f"{name}@{version}" or not right:
        raise ReleaseError(
            f"the manifest of {name}@{version} is damaged or forged: it calls itself {own_name} "
            f"with digest {str(manifest['digest'])[:16]}, its content has {digest[:16]}"
        )
    return manifest


def release_files(manifest: Mapping[str, Any]) -> list[ReleaseFile]:
    """List the shards and other files that a manifest binds; raises `ReleaseError` on an unsafe path."""
    if "files" not in manifest:
        raise ReleaseError(
            f"{manifest['name']}@{manifest['version']} was published by an early version whose manifest does not "
            f"list all files; give it a new card first with: {command_name()} dataset card"
        )
    files = [_file(entry) for entry in (*manifest["shards"], *manifest["files"])]
    if len({f.path for f in files}) < len(files):
        raise ReleaseError("the manifest lists a file twice")
    return files


def _file(entry: Mapping[str, Any]) -> ReleaseFile:
    path, digest, size = entry["path"], entry["sha256"], entry["bytes"]
    parts = PurePosixPath(path).parts
    unsafe = path.startswith("/") or "\\" in path or ".." in parts or path != "/".join(parts)
    reserved = path in (MANIFEST, SUMS, SIGNATURE, PARTIAL)
    if (
        unsafe
        or reserved
        or not _SHA.fullmatch(digest)
        or not (isinstance(size, int) and size >= 0)
    ):
        raise ReleaseError(f"the manifest lists {path!r}, which cannot be a file of a release")
    shard = _SHARD.fullmatch(path)
    return ReleaseFile(path, digest, size, shard[1] if shard else None)


def chosen(files: Collection[ReleaseFile], splits: Collection[str] | None) -> list[ReleaseFile]:
    """Leave out shards of other splits; None keeps all."""
    return [f for f in files if f.split is None or splits is None or f.split in splits]


def sums(manifest_raw: bytes, files: Collection[ReleaseFile]) -> str:
    """Write SHA256SUMS as `sha256sum -c` reads it: the files that are there and the manifest."""
    digests = {f.path: f.sha256 for f in files} | {
        MANIFEST: hashlib.sha256(manifest_raw).hexdigest()
    }
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))


def check_name(text: str) -> tuple[str, str]:
    """Split `name` or `name@1.2.0` (the version is "" without one); raises `ReleaseError`."""
    name, _, version = text.partition("@")
    if not NAME.fullmatch(name) or (version and not VERSION.fullmatch(version)):
        raise ReleaseError(f"{text!r} is not a release; write it like cameras@1.2.0")
    return name, version


def given_up(plan: Mapping[str, Any]) -> list[str]:
    """Name the keys that groups could not be made of: their values may stand in several splits."""
    made_of = plan.get("grouped_by")
    return [] if made_of is None else [key for key in GROUP_KEYS if key not in made_of]
