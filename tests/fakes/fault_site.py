# ruff: noqa: ARG002 - the signature of a handler is the router's
"""A web site on 127.0.0.1 that misbehaves as told, in a thread of its own, and counts what is asked.

It has one address for each way in which a picture may fail to come in, and a small photo API over the
pictures it is given. Better than the demo site at faults, worse at looking like a real site.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Self
from urllib.parse import quote, unquote

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY = "key-of-a-test"


class FaultSite:
    """Serve `pictures` by id; a context manager, whose `url` has no slash at the end."""

    def __init__(
        self,
        pictures: Mapping[str, bytes] | None = None,
        *,
        exif: Mapping[str, Mapping[str, object]] | None = None,
        quota: int | None = None,
        robots: str = "",
    ) -> None:
        self.pictures = dict(pictures or {})
        self.order: list[str] = list(self.pictures)
        self.exif = exif or {}
        self.quota = quota
        self.robots = robots
        self.asked: Counter[str] = Counter()
        self.images: Counter[str] = Counter()
        self.downloads: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.agents: set[str] = set()
        self.faults: dict[str, Sequence[int]] = {}
        self.slowness_s = 0.0
        self.robots_target = ""  # where robots.txt is redirected to
        self.url = ""
        self._calls = 0
        self._runner: web.AppRunner | None = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(self._listen(runner))
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        for task in (left := asyncio.all_tasks(self._loop)):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    def also_listen(self, address: str) -> str:
        """Listen at another address of this machine, too; return the address of the site there."""
        assert self._runner
        site = web.TCPSite(self._runner, address, 0)
        asyncio.run_coroutine_threadsafe(site.start(), self._loop).result(10)
        [port] = [port for host, port in self._runner.addresses if host == address]
        return f"http://{address}:{port}"

    async def _listen(self, runner: web.AppRunner) -> None:
        self._runner = runner
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._counted])
        pages = ["/photos", "/search/photos", "/topics/{n}/photos", "/collections/{n}/photos"]
        app.add_routes([web.get(page, self._page) for page in [*pages, "/users/{n}/photos"]])
        app.add_routes(
            [
                web.get("/robots.txt", self._robots),
                web.get("/photos/{id}", self._photo),
                web.get("/photos/{id}/download", self._download),
                web.get("/images/{id}", self._image),
                web.get("/{fault:.*}", self._fault),
            ]
        )
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.keys.add(request.headers.get("Authorization", ""))
        self.agents.add(request.headers.get("User-Agent", ""))
        return await handler(request)

    async def _robots(self, request: web.Request) -> web.Response:
        if self.robots_target:
            return web.Response(status=302, headers={"Location": self.robots_target})
        if self.robots == "later":
            return web.Response(status=503, headers={"Retry-After": "99999999999"})
        if self.robots == "down":
            return web.Response(status=503)
        return web.Response(text=self.robots, status=200 if self.robots else 404)

    # The photo API

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != f"Client-ID {KEY}":
            return web.json_response({"errors": ["OAuth error"]}, status=401)
        self._calls += 1
        if self.quota is not None and self._calls > self.quota:
            return web.Response(status=403, text="Rate Limit Exceeded", headers=self._left())
        return None

    def _left(self) -> dict[str, str]:
        if self.quota is None:
            return {}
        left = str(max(0, self.quota - self._calls))
        return {"X-Ratelimit-Limit": str(self.quota), "X-Ratelimit-Remaining": left}

    async def _page(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        if request.match_info.get("n") == "unknown":
            return web.json_response({"errors": ["Couldn't find Topic"]}, status=404)
        page, size = int(request.query["page"]), int(request.query["per_page"])
        listed = [self._object(name) for name in self.order[(page - 1) * size : page * size]]
        total, headers = len(self.order), {"X-Total": str(len(self.order)), **self._left()}
        if "search" in request.path:
            return web.json_response({"total": total, "results": listed}, headers=headers)
        return web.json_response(listed, headers=headers)

    def _object(self, name: str) -> dict[str, object]:
        page = f"https://photos.example/{name}"
        return {
            "id": name,
            "created_at": "2020-05-01T12:00:00-04:00",
            "updated_at": "2021-05-01T12:00:00Z",
            "width": 64,
            "height": 48,
            "description": None,
            "alt_description": f"picture {name}",
            "user": {"name": "Ann Lens", "links": {"html": "https://photos.example/@ann"}},
            # Another host on purpose: the key must not go there.
            "links": {"html": page, "download_location": f"{page}/download?ixid=abc"},
        }

    async def _photo(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        name = _id(request)
        if fault := self._next_fault(f"detail:{name}"):
            return web.Response(status=fault)
        said = self._object(name) | {"exif": dict(self.exif.get(name, {}))}
        return web.json_response(said | {"tags": [{"title": "sea"}]}, headers=self._left())

    async def _download(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        self.downloads[_id(request)] += 1
        if fault := self._next_fault(f"download:{_id(request)}"):
            return web.Response(status=fault)
        return web.json_response({"url": self.address(_id(request))}, headers=self._left())

    def address(self, name: str) -> str:
        """Return where the bytes of a picture are."""
        return f"{self.url}/images/{quote(name, safe='')}"

    async def _image(self, request: web.Request) -> web.StreamResponse:
        name = _id(request)
        self.images[name] += 1
        await asyncio.sleep(self.slowness_s)
        if fault := self._next_fault(name):
            return web.Response(status=fault)
        return web.Response(body=self.pictures[name], content_type="image/jpeg")

    def _next_fault(self, name: str) -> int:
        """Take the next status from the list of faults of an address; 0 when it is to work."""
        statuses = self.faults.get(name, ())
        self.faults[name] = statuses[1:]
        return statuses[0] if statuses else 0

    # One address for each fault

    async def _fault(self, request: web.Request) -> web.StreamResponse:
        kind, _, rest = request.match_info["fault"].partition("/")
        return await getattr(self, f"_fault_{kind}")(request, rest)

    async def _fault_status(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(status=int(rest), text="no")

    async def _fault_html(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(text="<html>come back later</html>", content_type="image/jpeg")

    async def _fault_empty(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(body=b"", content_type="image/jpeg")

    async def _fault_big(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(body=b"x" * int(rest))

    async def _fault_later(self, request: web.Request, rest: str) -> web.Response:
        if self.asked[request.path] > 1:
            return web.Response(body=b"at last")
        return web.Response(status=429, headers={"Retry-After": unquote(rest)})

    async def _fault_limit(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(status=403, text="Rate Limit Exceeded")

    async def _fault_loop(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(
            status=302, headers={"Location": "/loop/b" if rest == "a" else "/loop/a"}
        )

    async def _fault_far(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(status=301, headers={"Location": f"/far/{int(rest) + 1}"})

    async def _fault_to(self, request: web.Request, rest: str) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["url"]})

    async def _fault_tagged(self, _: web.Request, rest: str) -> web.Response:
        name, _, value = unquote(rest).partition("=")
        return web.Response(body=b"bytes", headers={name: value})

    async def _fault_cut(self, request: web.Request, rest: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 100)
        assert request.transport
        request.transport.close()
        return response

    async def _fault_drip(self, request: web.Request, rest: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "999"})
        await response.prepare(request)
        end = time.monotonic() + 5
        while time.monotonic() < end and request.transport and not request.transport.is_closing():
            await response.write(b"x")
            await asyncio.sleep(0.01)
        return response

    async def _fault_silence(self, _: web.Request, rest: str) -> web.Response:
        await asyncio.sleep(1)
        return web.Response(body=b"late")

    async def _fault_fine(self, _: web.Request, rest: str) -> web.Response:
        return web.Response(body=b"fine", content_type="image/jpeg", headers={"ETag": '"e"'})


def _id(request: web.Request) -> str:
    return unquote(request.raw_path.split("/")[2].split("?")[0])
