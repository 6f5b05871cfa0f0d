"""Releases in a bucket: sent file by file with the manifest last, brought to a local folder before they are read.

    releases/<name>/.claims/<version>     the manifest that will have this version; made once, never replaced
    releases/<name>/<version>/...         the files of the release; it is there once its manifest.json is

A bucket has no rename, so the manifest is the atomic act: a release killed on its way up is invisible, and sending
the same content again completes it. A claim keeps two machines from writing different content under one version.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from catalog.errors import ReleaseError
from catalog.packs.objects import Objects
from catalog.workspace.files import folder_aside, settle, wrong_sums

FOLDER = "releases"
MANIFEST = "manifest.json"


def listed(objects: Objects) -> list[tuple[str, str]]:
    """List name and version of every release that is there whole."""
    split = (stored.name.split("/") for stored in objects.listed(FOLDER))
    return [(p[1], p[2]) for p in split if len(p) == 4 and p[3] == MANIFEST and p[1][0] != "."]


def manifest_of(objects: Objects, name: str, version: str) -> dict[str, Any]:
    """Read the manifest of a release from the bucket."""
    manifest: dict[str, Any] = json.loads(_read(objects, f"{FOLDER}/{name}/{version}/{MANIFEST}"))
    return manifest


def claim(objects: Objects, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Take the version of `manifest`, or the next one that is free; return the manifest to publish.

    When the version was claimed for the same content, by a publish that was killed or that runs beside
    this one, its manifest is returned: both then write the same bytes. (Its keys keep their order for the card.)
    """
    claimed = dict(manifest)
    while True:
        name = f"{FOLDER}/{claimed['name']}/.claims/{claimed['version']}"
        if objects.create(name, json.dumps(claimed).encode()):
            return claimed
        there: dict[str, Any] = json.loads(_read(objects, name))
        if there["digest"] == claimed["digest"]:
            return there
        taken = Version(claimed["version"])
        claimed["version"] = f"{taken.major}.{taken.minor + 1}.0"


def send(objects: Objects, folder: Path, name: str, version: str) -> None:
    """Store a finished release folder, its manifest last; the folder stays as it is."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    for file in sorted(files, key=lambda file: (file == MANIFEST, file)):
        objects.put(f"{FOLDER}/{name}/{version}/{file}", folder / file)


def bring(objects: Objects, releases: Path, name: str, version: str) -> Path:
    """Bring a release to its local folder below `releases`, unless it is there already, and return it.

    Raises `ReleaseError` when the bytes that arrive are not those of its SHA256SUMS.
    """
    final = releases / name / version
    if final.exists():
        return final
    with folder_aside(releases) as aside:
        copy(objects, aside, name, version)
        if wrong := list(wrong_sums(aside)):
            raise ReleaseError(f"{name}@{version} in the bucket is damaged: {wrong[0]}")
        settle(aside, final)
    return final


def copy(objects: Objects, folder: Path, name: str, version: str) -> None:
    """Copy every file of a release from the bucket into the empty `folder`, checking nothing."""
    top = f"{FOLDER}/{name}/{version}/"
    for stored in objects.listed(top.rstrip("/")):
        path = folder / stored.name.removeprefix(top)
        path.parent.mkdir(parents=True, exist_ok=True)
        objects.fetch(stored.name, path)


def _read(objects: Objects, name: str) -> bytes:
    return objects.read(name, 0, objects.size(name) or 0)
