"""Check a release byte by byte and name what is damaged: the file, and the picture when it is one."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from catalog.errors import LayoutError, ReleaseError, SignatureError
from catalog.packs.shards import locate
from catalog.releases.bucket import copy
from catalog.releases.deleted_data import INDEX, deleted_data
from catalog.releases.manifest import (
    MANIFEST,
    PARTIAL,
    SIGNATURE,
    SUMS,
    chosen,
    read_manifest,
    release_files,
    sums,
)
from catalog.releases.release import Release
from catalog.releases.signing import check_signature
from catalog.workspace.files import folder_aside, sha256_file
from catalog.workspace.progress import track

_UNREADABLE = (OSError, pa.ArrowException, LayoutError)


def verify_release(release: Release, public_key: Path | None = None) -> list[str]:
    """Return what is wrong with a release, one line each; empty when nothing is.

    What a takedown has deleted is not wrong (`Release.deleted_data` tells of it).

    Checks the manifest against itself (and its signature, given a key), every file against the manifest, each picture
    against the index, and that no group stands in two splits. Of a release that was pulled in part, that part. One
    in a bucket is copied from there again: it is the bucket that counts.
    """
    if release.bucket:
        with folder_aside(release.path.parent.parent) as aside:
            copy(release.bucket, aside, release.name, release.version)
            return _verify(release, aside, public_key)
    return _verify(release, release.path, public_key)


def _verify(release: Release, folder: Path, public_key: Path | None) -> list[str]:
    """Check the files of a release that lie in `folder`."""
    raw = _read(folder / MANIFEST)
    try:
        manifest = read_manifest(raw, release.name, release.version)
        if public_key:
            signature = _read(folder / SIGNATURE) or None
            check_signature(raw, signature, public_key, f"{release.name}@{release.version}")
    except SignatureError as error:
        return [str(error)]
    except ReleaseError as error:
        return [f"{MANIFEST}: {error}"]
    try:
        if "files" in manifest:
            release_files(manifest)
    except ReleaseError as error:  # a flipped bit has made a name or a hash impossible
        return [f"{MANIFEST} is damaged: {error}"]
    here = Release(release.name, release.version, folder)
    is_deleted = _is_deleted(release, manifest, folder)
    return list(_bad_content(here, manifest, raw, is_deleted=is_deleted))


def _is_deleted(release: Release, manifest: Mapping[str, object], folder: Path) -> bool:
    """Say whether a takedown has deleted the pictures."""
    identity = release.name, release.version, str(manifest["digest"])
    return deleted_data(release.path.parents[1], *identity, folder=folder) is not None


def _bad_content(
    release: Release, manifest: Mapping[str, object], raw: bytes, *, is_deleted: bool
) -> Iterator[str]:
    expected = _expected(release, manifest, raw)
    if is_deleted:
        expected = {name: digest for name, digest in expected.items() if not _is_data(name)}
    hashed = track(expected.items(), "hash files", len(expected), "files")
    damaged = {name for name, digest in hashed if _digest(release.path / name) != digest}
    yield from _bad_sums(release, manifest, raw, damaged)
    yield from _bad_files(release, expected, damaged)
    if not is_deleted:
        yield from _bad_index(release, expected, damaged)


def _is_data(name: str) -> bool:
    return name.endswith(".parquet")


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _digest(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


def _expected(release: Release, manifest: Mapping[str, object], raw: bytes) -> dict[str, str]:
    """Give the SHA-256 of every file that should be here; releases of early versions list some in SHA256SUMS only."""
    if "files" in manifest:
        files = chosen(release_files(manifest), release.pulled_splits)
        return {file.path: file.sha256 for file in files}
    lines = (release.path / SUMS).read_text("utf-8").splitlines()
    pairs = (line.split("  ", maxsplit=1) for line in lines)
    listed = {name: digest for digest, name in pairs}
    return listed | {MANIFEST: hashlib.sha256(raw).hexdigest()}


def _bad_files(release: Release, expected: Mapping[str, str], damaged: set[str]) -> Iterator[str]:
    for name in sorted(damaged):
        there = (release.path / name).is_file()
        yield f"{name} is not what was published" if there else f"{name} is missing"
    expected_names = {*expected, MANIFEST, SUMS, SIGNATURE, PARTIAL}
    names = {p.relative_to(release.path).as_posix() for p in release.path.rglob("*") if p.is_file()}
    yield from (f"{name} does not belong here" for name in sorted(names - expected_names))


def _bad_sums(
    release: Release, manifest: Mapping[str, object], raw: bytes, damaged: set[str]
) -> Iterator[str]:
    """Compare manifest and SHA256SUMS, which bind each other, and take those from `damaged` that only one calls so."""
    if "files" not in manifest:
        return
    right = sums(raw, chosen(release_files(manifest), release.pulled_splits))
    content = _read(release.path / SUMS)
    if content == right.encode():
        return
    lines = set(content.decode("utf-8", "replace").splitlines())
    if f"{hashlib.sha256(raw).hexdigest()}  {MANIFEST}" in lines:
        yield f"{SUMS} is not what the manifest says"
        return
    fine = {name for name in damaged if f"{_digest(release.path / name)}  {name}" in lines}
    damaged -= fine
    for name in sorted(fine):
        yield f"{MANIFEST} is damaged: {name} has the SHA-256 that {SUMS} says, and another one in the manifest"
    if not fine:
        yield from (f"{MANIFEST} is not what {SUMS} says", f"{SUMS} is not what the manifest says")


def _bad_index(release: Release, expected: Mapping[str, str], damaged: set[str]) -> Iterator[str]:
    if INDEX in damaged:
        return  # it would only tell lies about the shards
    index = release.index()
    places = index.select(["shard", "offset", "length", "sha256"]).to_pylist()
    for shard in track(
        sorted({place["shard"] for place in places}), "check pictures", unit="shards"
    ):
        if shard in expected:
            here = [place for place in places if place["shard"] == shard]
            is_damaged = shard in damaged
            yield from _bad_pictures(release.path / shard, shard, here, is_damaged=is_damaged)
    yield from _cut_groups(index)


def _bad_pictures(
    path: Path, shard: str, places: list[dict[str, object]], *, is_damaged: bool
) -> Iterator[str]:
    """Name pictures that are damaged or not where the index says.

    A damaged file is not given to the Parquet reader, which a wrong length in the footer can crash.
    """
    if not path.is_file():
        return
    written = None
    if not is_damaged:
        try:
            written = {(found.offset, found.length) for found in locate(path)}
        except _UNREADABLE as error:
            yield f"{shard}: no Parquet reader opens it: {' '.join(str(error).split())[:200]}"
    with path.open("rb") as raw:
        for place in places:
            offset, length = int(str(place["offset"])), int(str(place["length"]))
            if written is not None and (offset, length) not in written:
                yield f"{shard}: picture {place['sha256']} is not at byte {offset}"
            raw.seek(offset)
            if hashlib.sha256(raw.read(length)).hexdigest() != place["sha256"]:
                yield f"{shard}: picture {place['sha256']} at byte {offset} is damaged"


def _cut_groups(index: pa.Table) -> Iterator[str]:
    splits: dict[str, set[str]] = {}
    for group, split in zip(index["group_id"].to_pylist(), index["split"].to_pylist(), strict=True):
        splits.setdefault(group, set()).add(split)
    cut = sorted(group for group, group_splits in splits.items() if len(group_splits) > 1)
    yield from (f"group {group} stands in {len(splits[group])} splits" for group in cut)
