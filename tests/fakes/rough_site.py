"""A photo API and the several hosts of its pictures, which misbehave as planned and log every request.

Each host is a port of 127.0.0.1 with a part to play: `even` and `odd` are sound, `busy` says "later", `slow` drips
and stalls, `shy` has a robots.txt with a Crawl-delay, `tls` has a certificate that nobody vouches for. What may go
wrong is in `faults.py`, how it looks on the wire in `rough_answers.py`. The site outlives clients that are killed.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urlsplit

from aiohttp import web

from tests.fakes.bombs import gzip_bomb, png_bomb
from tests.fakes.fault_site import FaultSite, Handler
from tests.fakes.faults import ODD, ROLES, SHY, SLOW, TLS, FaultPlan
from tests.fakes.rough_answers import ANSWERS, PRIVATE, SEEN, Ask, sound
from tests.fakes.self_signed import self_signed
from tests.fakes.site_log import RobotsRule, Seen, SiteLog

PAGE = 30  # photos that the spider lists at once
_NOTED = ("User-Agent", "Accept-Encoding", "Cookie")


class RoughSite(FaultSite):
    """Serve `pictures` with the faults of `plan`; `slowness_s` is how long host `slow` thinks before it answers."""

    def __init__(
        self,
        pictures: Mapping[str, bytes],
        plan: FaultPlan,
        *,
        slowness_s: float = 0.0,
        crawl_delay_s: float = 0.3,
    ) -> None:
        super().__init__(pictures)
        self.plan, self.slowness_s = plan, slowness_s
        png_bomb(), gzip_bomb()  # made now: the site must not think while a client waits
        self.log = SiteLog()
        self.hosts: dict[str, str] = {}
        self._rule = RobotsRule(("/closed/",), crawl_delay_s)
        self._troubles: Counter[str] = Counter()
        self.faults = {f"detail:{name}": [404] * 9 for name in plan.ids.get("no_detail", ())}
        self._list_twice(plan.ids.get("listed_twice", ()))

    def _list_twice(self, names: tuple[str, ...]) -> None:
        """Let names come again one page further on, as when photos are added while we list."""
        for name in names:
            self.order.insert(self.order.index(name) + PAGE, name)

    async def _listen(self, runner: web.AppRunner) -> None:
        await super()._listen(runner)
        for number, role in enumerate(ROLES, 1):
            context = self_signed() if role == TLS else None
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            self.hosts[role] = f"127.0.0.1:{runner.addresses[number][1]}"
        self.log.rules[self.hosts[SHY]] = self._rule

    @property
    def api_host(self) -> str:
        """Return the netloc of the API."""
        return urlsplit(self.url).netloc

    def _app(self) -> web.Application:
        app = super()._app()
        app.on_response_prepare.append(self._note_answer)
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        seen = Seen(time.monotonic(), request.host, request.raw_path, _picture(request))
        seen.headers = {name: request.headers.get(name, "") for name in _NOTED}
        self.log.seen.append(seen)
        request[SEEN] = seen
        with suppress(ConnectionResetError):  # the client went away, or was killed
            return await handler(request)
        return web.Response(status=499)

    async def _note_answer(self, request: web.Request, response: web.StreamResponse) -> None:
        seen = request[SEEN]
        seen.status, seen.answered_at = response.status, time.monotonic()
        seen.wait_s = _wait_s(response.headers.get("Retry-After", "0"))
        seen.sent = response.content_length or 0 if isinstance(response, web.Response) else 0

    async def _robots(self, request: web.Request) -> web.Response:
        rule = self.log.rules.get(request.host)
        return web.Response(text=rule.text()) if rule else web.Response(status=404)

    # The photo API

    def _refusal(self, request: web.Request) -> web.Response | None:
        if refusal := super()._refusal(request):
            return refusal
        name = _picture(request)
        if not name or request.path.endswith("/download"):
            return None
        if self._troubled(name, "api_quota"):
            return web.Response(status=403, text="Rate Limit Exceeded")
        if self._troubled(name, "api_503"):
            return web.Response(status=503, headers={"Retry-After": "1"})
        return None

    def _troubled(self, name: str, kind: str) -> bool:
        """Say once whether a photo has a fault that shows itself in its first API call."""
        fault = self.plan.fault_of.get(name)
        if not fault or fault.kind != kind or self._troubles[name]:
            return False
        self._troubles[name] += 1
        return True

    async def _download(self, request: web.Request) -> web.Response:
        self.log.download_calls[_picture(request)] += 1
        return await super()._download(request)

    def address(self, name: str) -> str:
        """Return where the bytes of a picture are: host and path say which fault it has."""
        fault, path = self.plan.fault_of.get(name), quote(name, safe="")
        kind = fault.kind if fault else ""
        if kind in PRIVATE:
            return f"{PRIVATE[kind]}/images/{path}"
        if kind == "no_dns":
            return f"http://nothing.invalid/images/{path}"
        scheme = "https" if kind == "bad_tls" else "http"
        folder = "closed" if kind == "disallowed" else "images"
        return f"{scheme}://{self.hosts[self.plan.host_of(name)]}/{folder}/{path}"

    # The pictures

    async def _image(self, request: web.Request) -> web.StreamResponse:
        name = _picture(request)
        self.images[name] += 1
        if request.host == self.hosts[SLOW]:
            await asyncio.sleep(self.slowness_s)
        fault = self.plan.fault_of.get(name)
        answer = ANSWERS.get(fault.kind, sound) if fault else sound
        if fault and fault.kept and fault.error and self._troubles[name] >= (fault.times or 0):
            answer = sound
        self._troubles[name] += 1
        return await answer(Ask(request, name, self.pictures[name], f"http://{self.hosts[ODD]}"))

    async def _fault_closed(self, request: web.Request, _: str) -> web.StreamResponse:
        return await self._image(request)


def _wait_s(text: str) -> float:
    return (
        float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
    )


def _picture(request: web.Request) -> str:
    """Return the name of the picture that a request is for; empty for pages of the list."""
    parts = request.raw_path.partition("?")[0].split("/")
    return (
        unquote(parts[2]) if len(parts) > 2 and parts[1] in ("photos", "images", "closed") else ""
    )
