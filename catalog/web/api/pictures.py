"""HTTP handlers of pictures: original bytes, and thumbnails that the sandbox makes."""

import asyncio
import os
import re
import tempfile
import uuid
from io import BytesIO
from pathlib import Path

from aiohttp import web

from catalog.errors import AssetNotFoundError, QueryError
from catalog.sandbox import MB, Job, Limits, QueryPool, SoundPlotJob, ThumbnailJob
from catalog.web.http.app_keys import PICTURE_LOCATIONS, POOL, SETTINGS, WORKSPACE
from catalog.web.http.request_parsing import parse_query
from catalog.web.openapi.request_types import ThumbnailQuery
from catalog.web.sections.picture_locations import PictureLocation
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

routes = web.RouteTableDef()

INLINE_TYPES = frozenset(
    [
        *("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp"),
        *("image/tiff", "audio/wav"),
    ]
)
"""Media types that a browser may display; others are downloads, since SVG for one runs scripts."""
_LIMITS = Limits(timeout_s=20, max_bytes=4 * MB, memory_mb=1024, threads=1)
_REVALIDATE = "private, no-cache"
"""The bytes never change, but they may be taken down: a browser must revalidate its copy before each use."""
_EVICT_EVERY = 256
_SPEAKER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" fill="#eee"/>'
    b'<path d="M7 13h4l5-4v14l-5-4H7z" fill="#678"/>'
    b'<path d="M19 12q3 4 0 8M22 9q6 7 0 14" fill="none" stroke="#678" stroke-width="1.6"/></svg>'
)
"""The thumbnail of a sound that cannot be drawn."""
_PLOT = SoundPlotJob(1100, 560)


@routes.get("/api/assets/{sha256}")
async def original(request: web.Request) -> web.Response:
    """Return the original bytes."""
    sha256 = _sha256(request)
    location = await request.app[PICTURE_LOCATIONS].find(sha256)
    headers = {"Cache-Control": _REVALIDATE, "ETag": f'"{sha256}"'}
    if _is_cached(request, sha256):
        return web.Response(status=304, headers=headers)
    body = await request.app[PICTURE_LOCATIONS].read(location)
    headers |= {
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if location.mime not in INLINE_TYPES:
        headers["Content-Disposition"] = f'attachment; filename="{sha256[:16]}"'
        return web.Response(body=body, content_type="application/octet-stream", headers=headers)
    return web.Response(body=body, content_type=location.mime, headers=headers)


@routes.get("/api/assets/{sha256}/thumbnail")
async def thumbnail(request: web.Request) -> web.Response:
    """Return a small WebP of a picture, or of the waveform and spectrogram of a sound; it is made once."""
    sha256, side = _sha256(request), parse_query(request, ThumbnailQuery).side
    # Looked up before the cache of thumbnails, so that a picture that was taken down has none.
    location = await request.app[PICTURE_LOCATIONS].find(sha256)
    if not _is_sound(location):
        return await _made_once(request, sha256, f"{sha256}-{side}", ThumbnailJob(side))
    small = SoundPlotJob(side, max(1, side * 3 // 4), has_axes=False)
    try:
        return await _made_once(request, sha256, f"{sha256}-sound-{side}", small)
    except QueryError:  # a sound that cannot be read has no waveform
        headers = {"Cache-Control": _REVALIDATE}
        return web.Response(body=_SPEAKER, content_type="image/svg+xml", headers=headers)


@routes.get("/api/assets/{sha256}/plot")
async def plot(request: web.Request) -> web.Response:
    """Return waveform and spectrogram of a sound as WebP; they are drawn once."""
    sha256 = _sha256(request)
    if not _is_sound(await request.app[PICTURE_LOCATIONS].find(sha256)):
        raise QueryError("only sounds have a waveform and a spectrogram")
    return await _made_once(request, sha256, f"{sha256}-plot", _PLOT)


def _is_sound(location: PictureLocation) -> bool:
    return location.mime.startswith("audio/")


async def _made_once(request: web.Request, sha256: str, name: str, job: Job) -> web.Response:
    """Return the WebP that a job makes of a file, from the cache or made now; raises `AssetNotFoundError`."""
    path = _folder(request.app[WORKSPACE]) / sha256[:2] / f"{name}.webp"
    mark = removal_mark(request.app[WORKSPACE])
    location = await request.app[PICTURE_LOCATIONS].find(sha256)
    headers = {"Cache-Control": _REVALIDATE, "ETag": f'"{name}"'}
    if _is_cached(request, name):
        return web.Response(status=304, headers=headers)
    body = await asyncio.to_thread(_read_cached, path)
    if body is None:
        body = await _make(
            request.app[POOL], await request.app[PICTURE_LOCATIONS].read(location), job
        )
        await asyncio.to_thread(_write_cached, path, body, request.app[SETTINGS].thumbnails_mb * MB)
        if removal_mark(request.app[WORKSPACE]) != mark:
            await _check_exists(request, path, sha256)
    return web.Response(body=body, content_type="image/webp", headers=headers)


async def _check_exists(request: web.Request, path: Path, sha256: str) -> None:
    """Delete a thumbnail whose picture was taken down while it was made; raises `AssetNotFoundError`."""
    try:
        await request.app[PICTURE_LOCATIONS].find(sha256)
    except AssetNotFoundError:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise


def _is_cached(request: web.Request, etag: str) -> bool:
    return any(each.value == etag for each in request.if_none_match or ())


def _sha256(request: web.Request) -> str:
    sha256 = request.match_info["sha256"]
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise AssetNotFoundError("a picture is named by its SHA-256: 64 hex digits")
    return sha256


async def _make(pool: QueryPool, body: bytes, job: Job) -> bytes:
    target = BytesIO()
    with tempfile.TemporaryFile() as picture:
        await asyncio.to_thread(picture.write, body)
        picture.flush()
        outcome = await pool.run(job, _LIMITS, target, inputs=[picture.fileno()])
    if outcome.state != "done":
        raise QueryError(outcome.error or "no thumbnail can be made")
    return target.getvalue()


def _folder(workspace: Workspace) -> Path:
    return workspace.home / "cache" / "thumbnails"


def _read_cached(path: Path) -> bytes | None:
    try:
        os.utime(path)  # last use, for the eviction
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write_cached(path: Path, body: bytes, max_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex}")
    partial.write_bytes(body)
    partial.replace(path)
    if uuid.uuid4().int % _EVICT_EVERY == 0:
        _evict(path.parents[1], max_bytes)


def _evict(folder: Path, max_bytes: int) -> None:
    """Delete the least recently used thumbnails, down to nine tenths of the limit."""
    entries = sorted((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*/*.webp"))
    total = sum(size for _, size, _ in entries)
    if total > max_bytes:
        for _, size, path in entries:
            if total <= max_bytes * 0.9:
                break
            path.unlink(missing_ok=True)
            total -= size
