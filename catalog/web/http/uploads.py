"""Read an uploaded picture from the body of a request, within the limits of its size and time. Nothing is stored."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from aiohttp import web

from catalog.errors import PictureRefusedError
from catalog.sandbox import MB
from catalog.web.http.app_keys import SETTINGS

Result = TypeVar("Result")


async def read_picture(request: web.Request) -> bytes:
    """Read the body up to the limit of its size and time; raises `PictureRefusedError` and 408."""
    is_picture = request.content_type.startswith("image/")
    if not is_picture and request.content_type != "application/octet-stream":
        raise PictureRefusedError(
            "unsupported_media_type",
            "send the bytes of one picture as the body, with Content-Type: application/octet-stream",
        )
    if (request.content_length or 0) > request.app[SETTINGS].upload_mb * MB:
        raise _too_large(request)
    return await read_pieces(request, request.content.iter_any())


async def read_pieces(request: web.Request, pieces: AsyncIterator[bytes]) -> bytes:
    """Read one picture up to the limit of its size and time; raises `PictureRefusedError` and 408."""
    body, most = bytearray(), request.app[SETTINGS].upload_mb * MB

    async def collect() -> None:
        async for piece in pieces:
            body.extend(piece)
            if len(body) > most:
                raise _too_large(request)

    await wait_within_time(request, collect())
    if not body:
        raise PictureRefusedError("not_an_image", "the body is empty; send the bytes of a picture")
    return bytes(body)


async def wait_within_time(request: web.Request, work: Awaitable[Result]) -> Result:
    """Wait for bytes of the client up to the time limit of an upload; raises 408."""
    try:
        async with asyncio.timeout(request.app[SETTINGS].upload_timeout_s):
            return await work
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error


def _too_large(request: web.Request) -> PictureRefusedError:
    return PictureRefusedError(
        "too_large", f"the file is larger than {request.app[SETTINGS].upload_mb} MB"
    )
