"""The handler that sends pictures, complete or with the faults of the plan."""

import asyncio
import hashlib
import io
from dataclasses import replace

from aiohttp import web
from PIL import Image, ImageOps

from photosite.pictures.gallery import Gallery
from photosite.pictures.photo_ids import decode_photo_id
from photosite.pictures.response_body import ResponseBody, encode_jpeg
from photosite.site.request_log import RequestLog

SLOW_START_S = 0.3
RETRY_AFTER_S = 1


class ImageHandler:
    """Sends the originals of a gallery, and renditions of them (`w=`, not enlarged, without EXIF)."""

    def __init__(self, gallery: Gallery, log: RequestLog, *, has_faults: bool) -> None:
        self.gallery = gallery
        self.log = log
        self.faults = {
            item.id: item.fault for item in gallery.listings if has_faults and item.fault
        }

    async def image(self, request: web.Request) -> web.StreamResponse:
        """Send one picture, or the fault that the plan has for this request."""
        photo_id = decode_photo_id(request)
        self.log.images[photo_id] += 1
        try:
            fault_response = await self._fault(photo_id)
            if fault_response is not None:
                return fault_response
            body = await self.gallery.body(photo_id)
        except KeyError:
            return web.Response(status=404, text="no such picture")
        if request.query.get("w", "").isdecimal():
            return await _send_rendition(body, int(request.query["w"]))
        if body.claimed_length != len(body.content):
            return await _send_incomplete(request, body)
        if self.faults.get(photo_id) == "dropped_once" and self.log.images[photo_id] == 1:
            half = body.content[: len(body.content) // 2]
            return await _send_incomplete(request, replace(body, content=half))
        etag = hashlib.sha256(body.content).hexdigest()[:32]
        return web.Response(
            body=body.content,
            headers={
                "Content-Type": body.content_type,
                "ETag": f'"{etag}"',
                "Cache-Control": "public, max-age=31536000",
            },
        )

    async def _fault(self, photo_id: str) -> web.Response | None:
        fault = self.faults.get(photo_id)
        if fault == "404":
            return web.Response(status=404, text="gone")
        if fault is None or self.log.images[photo_id] > 1:
            return None
        if fault == "slow_start":
            await asyncio.sleep(SLOW_START_S)
            return None
        if fault == "dropped_once":
            return None  # half of the picture is sent
        status = int(fault.removesuffix("_once"))
        headers = {"Retry-After": str(RETRY_AFTER_S)} if status != 500 else {}
        return web.Response(status=status, text="not now", headers=headers)


async def _send_incomplete(request: web.Request, body: ResponseBody) -> web.StreamResponse:
    """Send fewer bytes than Content-Length, then close the connection."""
    response = web.StreamResponse(
        headers={"Content-Type": body.content_type, "Content-Length": str(body.claimed_length)}
    )
    await response.prepare(request)
    await response.write(body.content)
    if request.transport is not None:
        request.transport.close()
    return response


async def _send_rendition(body: ResponseBody, width: int) -> web.Response:
    try:
        small = await asyncio.to_thread(_resize, body.content, max(1, width))
    except OSError:
        return web.Response(status=422, text="this original cannot be shown")
    return web.Response(body=small, content_type="image/jpeg")


def _resize(content: bytes, width: int) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    upright.thumbnail((width, 10 * width))
    return encode_jpeg(upright, 80)
