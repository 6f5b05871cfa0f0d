"""HTTP handlers of releases: an index, files by path, files by content.

Only files that a manifest lists are served, so no path of a request reaches the file system. The ETag of a file is its
SHA-256. Any cache may store it but must revalidate it on each use: a takedown may have deleted the file.
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
from catalog.web.http.app_keys import WORKSPACE
from catalog.workspace.files import sha256_file

CHUNK_BYTES = 2**18
_BLOB_CACHING = "public, no-cache"
_REVALIDATE = "no-cache"
_UNLISTED = (MANIFEST, SUMS, SIGNATURE)

routes = web.RouteTableDef()


@routes.get("/releases/index.json")
async def index(request: web.Request) -> web.Response:
    """Return the index of the releases: digests, sizes, revocations."""
    content = await asyncio.to_thread(index_of, request.app[WORKSPACE].releases)
    body = json.dumps(content, indent=1).encode()
    etag = hashlib.sha256(body).hexdigest()
    if _matches_etag(request, hdrs.IF_NONE_MATCH, etag):
        return web.Response(status=304, headers={hdrs.ETAG: f'"{etag}"'})
    headers = {hdrs.ETAG: f'"{etag}"', hdrs.CACHE_CONTROL: _REVALIDATE}
    return web.Response(body=body, content_type="application/json", headers=headers)


@routes.get("/releases/{name}/{version}/{path:.+}")
async def release_file(request: web.Request) -> web.StreamResponse:
    """Send one file of one release."""
    name, version, path = (request.match_info[k] for k in ("name", "version", "path"))
    folder = request.app[WORKSPACE].releases / name / version
    folders = await asyncio.to_thread(release_folders, request.app[WORKSPACE].releases)
    if folder not in folders:
        return _problem(404, f"there is no release {name}@{version} here")
    files = await asyncio.to_thread(_files, folder)
    if path not in files:
        return _problem(404, f"{name}@{version} has no file {path}")
    return await _send(request, folder / path, files[path], _REVALIDATE)


@routes.get("/blobs/sha256/{digest:[0-9a-f]{64}}")
async def blob(request: web.Request) -> web.StreamResponse:
    """Send a file of any release by its SHA-256."""
    digest = request.match_info["digest"]
    path = await asyncio.to_thread(_find_blob, request.app[WORKSPACE].releases, digest)
    if path is None:
        return _problem(404, f"no release here has a file {digest}")
    return await _send(request, path, digest, _BLOB_CACHING)


def _find_blob(releases: Path, digest: str) -> Path | None:
    for folder in release_folders(releases):
        for path, sha256 in _files(folder).items():
            if sha256 == digest and (folder / path).is_file():
                return folder / path
    return None


def _files(folder: Path) -> dict[str, str]:
    """Map the files of a release that may be sent to their SHA-256."""
    present = [name for name in _UNLISTED if (folder / name).is_file()]
    stamps = tuple((name, (folder / name).stat().st_mtime_ns) for name in present)
    return _read_files(folder, stamps, (folder / PARTIAL).exists())


@lru_cache(maxsize=4096)
def _read_files(folder: Path, stamps: tuple[tuple[str, int], ...], partial: bool) -> dict[str, str]:
    """Read the manifest once per state of a folder: a release does not change, but a signature may be added."""
    if partial:
        return {}  # an incomplete pull is not served
    unlisted = {name: sha256_file(folder / name) for name, _ in stamps}
    try:
        files = release_files(json.loads((folder / MANIFEST).read_bytes()))
    except ReleaseError:
        return unlisted
    return unlisted | {file.path: file.sha256 for file in files}


async def _send(
    request: web.Request, path: Path, digest: str, cache_control: str
) -> web.StreamResponse:
    """Send a file or the requested range of it; `digest` is its strong ETag."""
    headers: dict[str, str] = {
        hdrs.ETAG: f'"{digest}"',
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: cache_control,
        hdrs.CONTENT_TYPE: "application/octet-stream",
        hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{path.name}"',
    }
    if hdrs.IF_MATCH in request.headers and not _matches_etag(request, hdrs.IF_MATCH, digest):
        return web.Response(status=412, headers=headers)
    try:
        raw = await asyncio.to_thread(_open_below, path, request.app[WORKSPACE].releases)
    except OSError:
        return _problem(410, "this file was deleted; /releases/index.json names the reason")
    try:
        if _matches_etag(request, hdrs.IF_NONE_MATCH, digest):
            return web.Response(status=304, headers=headers)
        return await _stream(request, raw, headers, digest)
    finally:
        raw.close()


def _open_below(path: Path, folder: Path) -> BinaryIO:
    """Open a file below `folder`; a link to outside of it counts as missing."""
    real = path.resolve(strict=True)
    if not real.is_relative_to(folder.resolve()) or not real.is_file():
        raise FileNotFoundError(path)
    return real.open("rb")


async def _stream(
    request: web.Request, raw: BinaryIO, headers: Mapping[str, str], digest: str
) -> web.StreamResponse:
    size = raw.seek(0, 2)
    byte_range = _range(request, size, digest)
    if byte_range is None:
        unsatisfied = {**headers, hdrs.CONTENT_RANGE: f"bytes */{size}"}
        return web.Response(status=416, headers=unsatisfied)
    start, stop, partial = byte_range
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    if partial:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    response.content_length = stop - start
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        raw.seek(start)
        while start < stop:
            chunk = await asyncio.to_thread(raw.read, min(CHUNK_BYTES, stop - start))
            await response.write(chunk)
            start += len(chunk)
    await response.write_eof()
    return response


def _range(request: web.Request, size: int, digest: str) -> tuple[int, int, bool] | None:
    """Return (start, stop, partial) of the bytes to send; None when the range lies outside the file.

    A request with several ranges, or with an If-Range of other content, gets the whole file, as RFC 9110 allows.
    """
    header = request.headers.get(hdrs.RANGE, "")
    if_range = request.headers.get(hdrs.IF_RANGE)
    if not header or "," in header or (if_range is not None and if_range.strip('"') != digest):
        return 0, size, False
    try:
        requested = request.http_range
    except ValueError:
        return None
    start = requested.start or 0
    start = max(size + start, 0) if start < 0 else start
    stop = min(requested.stop if requested.stop is not None else size, size)
    return (start, stop, True) if start < stop else None


def _matches_etag(request: web.Request, header: str, etag: str) -> bool:
    """Say whether a list of ETags in a request header contains this one."""
    etags = [each.strip().removeprefix("W/") for each in request.headers.get(header, "").split(",")]
    return f'"{etag}"' in etags or "*" in etags


def _problem(status: int, sentence: str) -> web.Response:
    return web.json_response(
        {"error": sentence, "kind": "gone" if status == 410 else "not_found"}, status=status
    )
