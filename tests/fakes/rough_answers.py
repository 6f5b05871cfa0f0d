"""How the rough site answers a request for a picture: one function for each fault that lives in an answer."""

import asyncio
import math
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import quote

from aiohttp import web

from tests.fakes.bombs import gzip_bomb, many_pixels, png_bomb
from tests.fakes.site_log import Seen

SEEN = web.RequestKey("seen", Seen)

# Port 9: even a crawler that forgets to look where it goes talks to nobody there.
PRIVATE = {
    "private": "http://10.0.0.1:9",
    "metadata": "http://169.254.169.254:9",
    "mapped": "http://[::ffff:169.254.169.254]:9",
}
_LONGEST_S = 20.0  # even a site that stalls lets go in the end


@dataclass(frozen=True)
class Ask:
    """A request for the bytes of one picture: `body` is what they are, `other` the address of another host."""

    request: web.Request
    name: str
    body: bytes
    other: str

    @property
    def hop(self) -> str:
        return self.request.query.get("hop", "")

    def at_hop(self, hop: object) -> str:
        """Return the address of the same picture at another hop."""
        return f"{self.request.raw_path.partition('?')[0]}?hop={hop}"


Answer = Callable[[Ask], Awaitable[web.StreamResponse]]


async def sound(ask: Ask) -> web.StreamResponse:
    return web.Response(body=ask.body, content_type="image/jpeg")


def _later(status: int, *, date: bool) -> Answer:
    async def answer(ask: Ask) -> web.StreamResponse:
        # A date has whole seconds: this one is 0.4 to 1.4 seconds ahead.
        after = formatdate(math.ceil(time.time() + 0.4), usegmt=True) if date else "1"
        return web.Response(status=status, headers={"Retry-After": after})

    return answer


def _status(status: int) -> Answer:
    async def answer(ask: Ask) -> web.StreamResponse:
        return web.Response(status=status, text="no")

    return answer


def _with(**headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(ask: Ask) -> web.StreamResponse:
        return web.Response(body=ask.body, content_type="image/jpeg", headers=named)

    return answer


def _bytes(make: Callable[[bytes], bytes], content_type: str = "image/jpeg") -> Answer:
    async def answer(ask: Ask) -> web.StreamResponse:
        return web.Response(body=make(ask.body), content_type=content_type)

    return answer


async def _write_on(ask: Ask, length: int, piece: bytes, pause_s: float) -> web.StreamResponse:
    """Announce `length` bytes and send a piece now and then, for as long as the client listens."""
    response = web.StreamResponse(headers={"Content-Length": str(length)})
    await response.prepare(ask.request)
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end and is_open(ask.request):
        await response.write(piece)
        ask.request[SEEN].sent += len(piece)
        await asyncio.sleep(pause_s)
    return response


def is_open(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _drip(ask: Ask) -> web.StreamResponse:
    return await _write_on(ask, len(ask.body), ask.body[:1], 0.05)


async def _huge(ask: Ask) -> web.StreamResponse:
    return await _write_on(ask, 10 * 10**9, b"\0" * 65536, 0.1)


async def _stall(ask: Ask) -> web.StreamResponse:
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end and is_open(ask.request):  # noqa: ASYNC110 - no event says it
        await asyncio.sleep(0.05)
    raise ConnectionResetError("nobody listens any more")


async def _truncated(ask: Ask) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(ask.body))})
    await response.prepare(ask.request)
    await response.write(ask.body[: len(ask.body) // 2])
    assert ask.request.transport
    ask.request.transport.close()
    return response


async def _reset(ask: Ask) -> web.StreamResponse:
    assert ask.request.transport
    line = ask.request.transport.get_extra_info("socket")
    # A linger of zero seconds: closing sends RST, not FIN.
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ask.request.transport.abort()
    raise ConnectionResetError("on purpose")


def _to(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location})


def _hops(count: int) -> Answer:
    async def answer(ask: Ask) -> web.StreamResponse:
        hop = int(ask.hop or 0)
        return await sound(ask) if hop == count else _to(ask.at_hop(hop + 1))

    return answer


async def _loop(ask: Ask) -> web.StreamResponse:
    return _to(ask.at_hop("b" if ask.hop == "a" else "a"))


async def _other_host(ask: Ask) -> web.StreamResponse:
    return await sound(ask) if ask.hop else _to(ask.other + ask.at_hop(1))


def _to_private(base: str) -> Answer:
    async def answer(ask: Ask) -> web.StreamResponse:
        return _to(f"{base}/images/{quote(ask.name, safe='')}")

    return answer


def _own(bomb: Callable[[], bytes], ask: Ask) -> bytes:
    """Add the name behind the end of a picture, so that no two are the same file."""
    return bomb() + ask.name.encode()


async def _png_bomb(ask: Ask) -> web.StreamResponse:
    return web.Response(body=_own(png_bomb, ask), content_type="image/png")


async def _gzip_bomb(ask: Ask) -> web.StreamResponse:
    packed = {"Content-Encoding": "gzip"}
    return web.Response(body=gzip_bomb(), content_type="image/jpeg", headers=packed)


ANSWERS: Mapping[str, Answer] = {
    "429_seconds": _later(429, date=False),
    "429_date": _later(429, date=True),
    "503_seconds": _later(503, date=False),
    "503_date": _later(503, date=True),
    "drip": _drip,
    "stall": _stall,
    "truncated": _truncated,
    "reset": _reset,
    "500_forever": _status(500),
    "zero_bytes": _bytes(lambda _: b""),
    "html": _bytes(lambda _: b"<html>come back later</html>"),
    "wrong_type": _bytes(lambda body: body, "text/html"),
    "redirect_chain": _hops(3),
    "redirect_far": _hops(9),
    "redirect_loop": _loop,
    "redirect_host": _other_host,
    "huge_length": _huge,
    "png_bomb": _png_bomb,
    "gzip_bomb": _gzip_bomb,
    "many_pixels": _bytes(many_pixels),
    "private_redirect": _to_private(PRIVATE["private"]),
    "metadata_redirect": _to_private(PRIVATE["metadata"]),
    "mapped_redirect": _to_private(PRIVATE["mapped"]),
    "gone_404": _status(404),
    "gone_410": _status(410),
    "noai": _with(X_Robots_Tag="noindex, noai"),
    "noimageai": _with(X_Robots_Tag="noimageai"),
    "tdm": _with(TDM_Reservation="1"),
}
