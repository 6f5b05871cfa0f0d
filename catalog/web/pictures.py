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
from catalog.web.asked import query_whole
from catalog.web.keys import PLACES, POOL, SETTINGS, WORKSPACE
from catalog.workspace import Workspace

routes = web.RouteTableDef()

SHOWN = frozenset(
    ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp", "image/tiff"]
)
"""Types that a browser may show; all else (SVG runs scripts) is a download."""
_LIMITS = Limits(timeout_s=20, max_bytes=4 * MB, memory_mb=1024, threads=1)
_FOREVER = "private, max-age=31536000, immutable"
_SWEEP_EVERY = 256


@routes.get("/api/assets/{sha256}")
async def original(request: web.Request) -> web.Response:
    """Give the original bytes."""
    sha256 = _name(request)
    place = await request.app[PLACES].find(sha256)
    body = await request.app[PLACES].read(place)
    headers = {
        "Cache-Control": _FOREVER,
        "ETag": f'"{sha256}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if place.mime not in SHOWN:
        headers["Content-Disposition"] = f'attachment; filename="{sha256[:16]}"'
        return web.Response(body=body, content_type="application/octet-stream", headers=headers)
    return web.Response(body=body, content_type=place.mime, headers=headers)


@routes.get("/api/assets/{sha256}/thumbnail")
async def thumbnail(request: web.Request) -> web.StreamResponse:
    """Give a small WebP of a picture; made once."""
    sha256, side = _name(request), query_whole(request, "side", 160, 16, 1024)
    path = _folder(request.app[WORKSPACE]) / sha256[:2] / f"{sha256}-{side}.webp"
    if not path.exists():
        place = await request.app[PLACES].find(sha256)
        body = await request.app[PLACES].read(place)
        made = await _make(request.app[POOL], body, side)
        await asyncio.to_thread(_keep, path, made, request.app[SETTINGS].thumbnails_mb * MB)
    else:
        await asyncio.to_thread(os.utime, path)
    headers = {"Content-Type": "image/webp", "Cache-Control": _FOREVER}
    return web.FileResponse(path, headers=headers)


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
