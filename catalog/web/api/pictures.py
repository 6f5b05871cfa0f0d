"""Pictures over HTTP: original bytes, and thumbnails made in the sandbox."""

import asyncio
import os
import re
import tempfile
import uuid
from io import BytesIO
from pathlib import Path

from aiohttp import web

from catalog.errors import AssetNotFoundError, QueryError
from catalog.sandbox import MB, Limits, QueryPool
from catalog.web.http.keys import PLACES, POOL, SETTINGS, WORKSPACE
from catalog.web.http.request_parsing import query_whole
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

routes = web.RouteTableDef()

SHOWN = frozenset(
    ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp", "image/tiff"]
)
"""Types that a browser may show; all else (SVG runs scripts) is a download."""
_LIMITS = Limits(timeout_s=20, max_bytes=4 * MB, memory_mb=1024, threads=1)
_ASK_AGAIN = "private, no-cache"
"""The bytes never change, but they may be taken down: a browser that kept them asks whether it may show them."""
_SWEEP_EVERY = 256


@routes.get("/api/assets/{sha256}")
async def original(request: web.Request) -> web.Response:
    """Give the original bytes."""
    sha256 = _name(request)
    place = await request.app[PLACES].find(sha256)
    headers = {"Cache-Control": _ASK_AGAIN, "ETag": f'"{sha256}"'}
    if _is_kept(request, sha256):
        return web.Response(status=304, headers=headers)
    body = await request.app[PLACES].read(place)
    headers |= {
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if place.mime not in SHOWN:
        headers["Content-Disposition"] = f'attachment; filename="{sha256[:16]}"'
        return web.Response(body=body, content_type="application/octet-stream", headers=headers)
    return web.Response(body=body, content_type=place.mime, headers=headers)


@routes.get("/api/assets/{sha256}/thumbnail")
async def thumbnail(request: web.Request) -> web.Response:
    """Give a small WebP of a picture; made once."""
    sha256, side = _name(request), query_whole(request, "side", 160, 16, 1024)
    path = _folder(request.app[WORKSPACE]) / sha256[:2] / f"{sha256}-{side}.webp"
    mark = removal_mark(request.app[WORKSPACE])
    place = await request.app[PLACES].find(sha256)  # a thumbnail outlives its picture nowhere
    headers = {"Cache-Control": _ASK_AGAIN, "ETag": f'"{path.stem}"'}
    if _is_kept(request, path.stem):
        return web.Response(status=304, headers=headers)
    body = await asyncio.to_thread(_kept, path)
    if body is None:
        picture = await request.app[PLACES].read(place)
        body = await _make(request.app[POOL], picture, side)
        await asyncio.to_thread(_keep, path, body, request.app[SETTINGS].thumbnails_mb * MB)
        if removal_mark(request.app[WORKSPACE]) != mark:
            await _check_is_there(request, path, sha256)
    return web.Response(body=body, content_type="image/webp", headers=headers)


async def _check_is_there(request: web.Request, path: Path, sha256: str) -> None:
    """Delete a thumbnail whose picture was taken down while it was made; raises `AssetNotFoundError`."""
    try:
        await request.app[PLACES].find(sha256)
    except AssetNotFoundError:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise


def _is_kept(request: web.Request, etag: str) -> bool:
    return any(known.value == etag for known in request.if_none_match or ())


def _name(request: web.Request) -> str:
    sha256 = request.match_info["sha256"]
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise AssetNotFoundError("a picture is named by its SHA-256: 64 hex digits")
    return sha256


async def _make(pool: QueryPool, body: bytes, side: int) -> bytes:
    made = BytesIO()
    with tempfile.TemporaryFile() as picture:
        await asyncio.to_thread(picture.write, body)
        picture.flush()
        job = {"kind": "thumbnail", "side": side}
        outcome = await pool.run(job, _LIMITS, made, inputs=[picture.fileno()])
    if outcome.state != "done":
        raise QueryError(outcome.error or "no thumbnail can be made")
    return made.getvalue()


def _folder(workspace: Workspace) -> Path:
    return workspace.home / "cache" / "thumbnails"


def _kept(path: Path) -> bytes | None:
    try:
        os.utime(path)  # the sweep deletes those that nobody has looked at for longest
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _keep(path: Path, body: bytes, most: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid.uuid4().hex}")
    aside.write_bytes(body)
    aside.replace(path)
    if uuid.uuid4().int % _SWEEP_EVERY == 0:
        _sweep(path.parents[1], most)


def _sweep(folder: Path, most: int) -> None:
    """Delete the thumbnails that nobody has looked at for longest, down to nine tenths of the bound."""
    found = sorted((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*/*.webp"))
    held = sum(size for _, size, _ in found)
    if held > most:
        for _, size, path in found:
            if held <= most * 0.9:
                break
            path.unlink(missing_ok=True)
            held -= size
