"""A small photo site with the Unsplash API, on 127.0.0.1.

It serves the photos of a plan with their faults, or the files of a folder without faults.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from photosite.pictures.folder_gallery import FolderGallery
from photosite.pictures.plan_gallery import PlanGallery
from photosite.plan.plan import DemoPlan
from photosite.site.access_control import AccessControl, Handler
from photosite.site.api import UnsplashApi
from photosite.site.images import ImageHandler
from photosite.site.request_log import RequestLog

KEY = "demo"
ROBOTS = "User-agent: *\nDisallow: /demo/\n"


class PhotoSite:
    """The site as an asynchronous context manager; `url` is its address, without a slash at the end.

    `what` is a plan or a folder. `port` 0 takes a free port. `quota` limits API requests an hour (requests for
    pictures do not count). `workers` processes render a plan's pictures ahead, the folder `cache` stores them.
    Workers are spawned, so a script with workers needs `if __name__ == "__main__"`. Without workers a picture is
    rendered on its first request.
    """

    def __init__(
        self,
        what: DemoPlan | Path,
        *,
        port: int = 0,
        quota: int | None = None,
        has_faults: bool = True,
        workers: int = 0,
        cache: Path | None = None,
    ) -> None:
        self.gallery = (
            PlanGallery(what, workers=workers, cache=cache)
            if isinstance(what, DemoPlan)
            else FolderGallery(what)
        )
        self.log = RequestLog()
        self.url = ""
        self._port = port
        self._access = AccessControl(KEY, quota)
        self._images = ImageHandler(self.gallery, self.log, has_faults=has_faults)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        if isinstance(self.gallery, PlanGallery):
            self.gallery.start()
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        await self.gallery.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._log_request, self._check_access])
        app.add_routes(UnsplashApi(self.gallery, self.log).routes())
        app.add_routes(
            [
                web.get("/images/{id}", self._images.image),
                web.get("/robots.txt", self._robots),
                web.get("/demo/requests", self._request_counts),
            ]
        )
        return app

    @web.middleware
    async def _log_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            self.log.count(request.path, status)
        return response

    @web.middleware
    async def _check_access(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await self._access.check(request, handler)

    async def _robots(self, _: web.Request) -> web.Response:
        return web.Response(text=ROBOTS)

    async def _request_counts(self, _: web.Request) -> web.Response:
        return web.json_response(self.log.as_json())
