"""The rough site with an API that fails now and then on any call, and lets only so many calls through in a time.

What fails is drawn for each call, so the same call may work next time. A window of the quota begins with the first call
after the last one has ended, and `over_quota` counts the calls that came although nothing was left.
"""

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from tests.fakes.fault_site import Handler
from tests.fakes.faults import FaultPlan
from tests.fakes.rough_site import RoughSite

Fault = Callable[[web.Request, web.StreamResponse], Awaitable[web.StreamResponse]]


class ShakyApiSite(RoughSite):
    """Let a `share` of the API's calls fail; `quota` calls may be made in `window_s` seconds."""

    def __init__(
        self,
        pictures: Mapping[str, bytes],
        plan: FaultPlan,
        *,
        share: float,
        quota: int,
        window_s: float,
    ) -> None:
        super().__init__(pictures, plan, crawl_delay_s=0.05)
        self.share, self.window_s = share, window_s
        self.api_faults: Counter[str] = Counter()
        self.over_quota = self.api_calls = 0
        self._quota, self._used, self._opened = quota, 0, 0.0
        self._rng = random.Random(3)

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await super()._counted(request, self._shaken(handler))

    def _shaken(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if not request.path.startswith("/photos"):
                return await handler(request)
            if not self._take():
                self.over_quota += 1
                return web.Response(status=403, text="Rate Limit Exceeded", headers=self._counts())
            response = await handler(request)
            if self._rng.random() < self.share:
                name = self._rng.choice(sorted(FAULTS))
                self.api_faults[name] += 1
                response = await FAULTS[name](request, response)
                if self._rng.random() < 0.5:  # a proxy in between does not know the API's headers
                    return response
            response.headers.update(self._counts())
            return response

        return answer

    def _take(self) -> bool:
        self.api_calls += 1
        if time.monotonic() - self._opened > self.window_s:
            self._used, self._opened = 0, time.monotonic()
        self._used += 1
        return self._used <= self._quota

    def _counts(self) -> dict[str, str]:
        left = str(max(0, self._quota - self._used))
        return {"X-Ratelimit-Limit": str(self._quota), "X-Ratelimit-Remaining": left}


def _text(body: str, status: int = 200, content_type: str = "text/html") -> Fault:
    async def answer(_: web.Request, __: web.StreamResponse) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=content_type)

    return answer


def _changed(change: Callable[[bytes], bytes], **headers: str) -> Fault:
    async def answer(_: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        assert isinstance(response, web.Response)
        body = response.body if isinstance(response.body, bytes) else b""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = "application/json"
        return web.Response(body=change(body), content_type=kind, headers=named)

    return answer


async def _reset(request: web.Request, _: web.StreamResponse) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    raise ConnectionResetError("on purpose")


async def _cut(request: web.Request, _: web.StreamResponse) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b'{"id": "')
    assert request.transport
    request.transport.close()
    return response


FAULTS: Mapping[str, Fault] = {
    "html": _text("<html><body>We are being deployed</body></html>"),
    "html_as_json": _text("<html>", content_type="application/json"),
    "empty": _text("", content_type="application/json"),
    "no_content": _text("", 204),
    "login": _text("<html>Please log in</html>", 302),
    "null": _text("null", content_type="application/json"),
    "object": _text('{"message": "busy"}', content_type="application/json"),
    "list": _text("[1, 2]", content_type="application/json"),
    "strange_list": _text('[{"id": 7, "user": "ann"}]', content_type="application/json"),
    "half": _changed(lambda body: body[: len(body) // 2]),
    "latin_1": _changed(lambda body: body[:-1] + b"\xe9"),
    "no_gzip": _changed(lambda body: body, Content_Encoding="gzip"),
    "bad_gateway": _text("<html>502</html>", 502),
    "internal": _text("", 500),
    "unknown_5xx": _text("", 599),
    "reset": _reset,
    "cut": _cut,
}
