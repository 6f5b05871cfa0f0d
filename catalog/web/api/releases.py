"""Serve releases over HTTP: an index, files by path, files by content.

Only what a manifest lists is served, so no path of a request ever reaches the file system. A file's ETag is its
SHA-256; any cache on the way may keep it, but asks again each time: a takedown may have deleted it.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from aiohttp import hdrs, web

from catalog.errors import ReleaseError
from catalog.releases.index import index_of, release_folders
from catalog.releases.manifest import MANIFEST, PARTIAL, SIGNATURE, SUMS, release_files
from catalog.web.http.keys import WORKSPACE
from catalog.workspace.files import sha256_file

PIECE = 2**18
_KEEP = "public, no-cache"
_ASK_AGAIN = "no-cache"
_DERIVED = (MANIFEST, SUMS, SIGNATURE)

routes = web.RouteTableDef()


@routes.get("/releases/index.json")
async def index(request: web.Request) -> web.Response:
    """Tell which releases are here, with digests, sizes and revocations."""
    described = await asyncio.to_thread(index_of, request.app[WORKSPACE].releases)
    body = json.dumps(described, indent=1).encode()
    etag = hashlib.sha256(body).hexdigest()
    if _names(request, hdrs.IF_NONE_MATCH, etag):
        return web.Response(status=304, headers={hdrs.ETAG: f'"{etag}"'})
    headers = {hdrs.ETAG: f'"{etag}"', hdrs.CACHE_CONTROL: _ASK_AGAIN}
    return web.Response(body=body, content_type="application/json", headers=headers)


@routes.get("/releases/{name}/{version}/{path:.+}")
async def release_file(request: web.Request) -> web.StreamResponse:
    """Send one file of one release."""
    said = request.match_info
    folder = request.app[WORKSPACE].releases / said["name"] / said["version"]
    known = await asyncio.to_thread(release_folders, request.app[WORKSPACE].releases)
    if folder not in known:
        return _refused(404, f"there is no release {said['name']}@{said['version']} here")
    files = await asyncio.to_thread(_files, folder)
    if said["path"] not in files:
        return _refused(404, f"{said['name']}@{said['version']} has no file {said['path']}")
    return await _send(request, folder / said["path"], files[said["path"]], _ASK_AGAIN)


@routes.get("/blobs/sha256/{digest:[0-9a-f]{64}}")
async def blob(request: web.Request) -> web.StreamResponse:
    """Send a file of any release by its SHA-256."""
    digest = request.match_info["digest"]
    found = await asyncio.to_thread(_find, request.app[WORKSPACE].releases, digest)
    if found is None:
        return _refused(404, f"no release here has a file {digest}")
    return await _send(request, found, digest, _KEEP)


def _find(releases: Path, digest: str) -> Path | None:
    for folder in release_folders(releases):
        for path, sha256 in _files(folder).items():
            if sha256 == digest and (folder / path).is_file():
                return folder / path
    return None


def _files(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file of a release that may be sent."""
    present = [name for name in _DERIVED if (folder / name).is_file()]
    stamps = tuple((name, (folder / name).stat().st_mtime_ns) for name in present)
    return _listed(folder, stamps, (folder / PARTIAL).exists())


@lru_cache(maxsize=4096)
def _listed(folder: Path, stamps: tuple[tuple[str, int], ...], partial: bool) -> dict[str, str]:
    """Read the manifest once for every state of a folder; releases do not change, signatures may be added."""
    if partial:
        return {}  # a part that somebody pulled is not passed on
    derived = {name: sha256_file(folder / name) for name, _ in stamps}
    try:
        listed = release_files(json.loads((folder / MANIFEST).read_bytes()))
    except ReleaseError:
        return derived
    return derived | {file.path: file.sha256 for file in listed}


async def _send(
    request: web.Request, path: Path, digest: str, cache_control: str
) -> web.StreamResponse:
    """Send a file or the range of it that was asked for; `digest` is its strong ETag."""
    headers: dict[str, str] = {
        hdrs.ETAG: f'"{digest}"',
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: cache_control,
        hdrs.CONTENT_TYPE: "application/octet-stream",
        hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{path.name}"',
    }
    if hdrs.IF_MATCH in request.headers and not _names(request, hdrs.IF_MATCH, digest):
        return web.Response(status=412, headers=headers)
    try:
        raw = await asyncio.to_thread(_open_below, path, request.app[WORKSPACE].releases)
    except OSError:
        return _refused(410, "this file was taken away; /releases/index.json says why")
    try:
        if _names(request, hdrs.IF_NONE_MATCH, digest):
            return web.Response(status=304, headers=headers)
        return await _stream(request, raw, headers, digest)
    finally:
        raw.close()


def _open_below(path: Path, folder: Path) -> BinaryIO:
    """Open a file that truly lies below `folder`; links that lead out of it count as missing."""
    real = path.resolve(strict=True)
    if not real.is_relative_to(folder.resolve()) or not real.is_file():
        raise FileNotFoundError(path)
    return real.open("rb")


async def _stream(
    request: web.Request, raw: BinaryIO, headers: Mapping[str, str], digest: str
) -> web.StreamResponse:
    size = raw.seek(0, 2)
    wanted = _range(request, size, digest)
    if wanted is None:
        said = {**headers, hdrs.CONTENT_RANGE: f"bytes */{size}"}
        return web.Response(status=416, headers=said)
    start, stop, partial = wanted
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    if partial:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    response.content_length = stop - start
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        raw.seek(start)
        while start < stop:
            piece = await asyncio.to_thread(raw.read, min(PIECE, stop - start))
            await response.write(piece)
            start += len(piece)
    await response.write_eof()
    return response


def _range(request: web.Request, size: int, digest: str) -> tuple[int, int, bool] | None:
    """Return (start, stop, partial): what to send; None when the range lies outside.

    Several ranges at once, or an If-Range of other content, get the whole file, as RFC 9110 allows.
    """
    asked = request.headers.get(hdrs.RANGE, "")
    if_range = request.headers.get(hdrs.IF_RANGE)
    if not asked or "," in asked or (if_range is not None and if_range.strip('"') != digest):
        return 0, size, False
    try:
        found = request.http_range
    except ValueError:
        return None
    start = found.start or 0
    start = max(size + start, 0) if start < 0 else start
    stop = min(found.stop if found.stop is not None else size, size)
    return (start, stop, True) if start < stop else None


def _names(request: web.Request, header: str, etag: str) -> bool:
    """Say whether a list of ETags in the request names this one."""
    said = [each.strip().removeprefix("W/") for each in request.headers.get(header, "").split(",")]
    return f'"{etag}"' in said or "*" in said


def _refused(status: int, why: str) -> web.Response:
    return web.json_response(
        {"error": why, "kind": "gone" if status == 410 else "not_found"}, status=status
    )
