"""A real server of releases on 127.0.0.1 that counts what it sends and fails when it is told to."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from catalog import Workspace
from catalog.web.api import releases
from catalog.web.http.app_keys import WORKSPACE


@dataclass
class ReleaseSite:
    """What the server did, and what it shall do: `trouble` may answer in place of the handler."""

    url: str = ""
    sent: Counter[str] = field(default_factory=Counter)  # bytes by path
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    authorization: list[str | None] = field(default_factory=list)
    pause_s: float = 0.0  # after every piece
    on_piece: Callable[["ReleaseSite", web.Request, bytes], Awaitable[None]] | None = None
    trouble: Callable[[web.Request], web.StreamResponse | None] = lambda _: None

    @property
    def blob_bytes(self) -> dict[str, int]:
        """Bytes sent by SHA-256."""
        return {p.rsplit("/", 1)[1]: n for p, n in self.sent.items() if p.startswith("/blobs/")}


def _application(site: ReleaseSite, workspace: Workspace) -> web.Application:
    @web.middleware
    async def watch(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        site.requests.append((request.path, request.headers.get("Range")))
        site.authorization.append(request.headers.get("Authorization"))
        return site.trouble(request) or await handler(request)

    async def count(request: web.Request, response: web.StreamResponse) -> None:
        write = response.write

        async def counted(data: bytes) -> None:
            site.sent[request.path] += len(data)
            if site.on_piece:
                await site.on_piece(site, request, data)
            await write(data)
            if site.pause_s:
                await asyncio.sleep(site.pause_s)

        response.write = counted  # type: ignore[method-assign, assignment]  # only to count

    app = web.Application(middlewares=[watch])
    app[WORKSPACE] = workspace
    app.add_routes(releases.routes)
    app.on_response_prepare.append(count)
    return app


@contextmanager
def serving(workspace: Workspace) -> Iterator[ReleaseSite]:
    """Serve the releases of a workspace from a thread."""
    site = ReleaseSite()
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def start() -> web.AppRunner:
        runner = web.AppRunner(_application(site, workspace), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        place = web.TCPSite(runner, "127.0.0.1", 0)
        await place.start()
        site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield site
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
