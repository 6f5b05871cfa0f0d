"""A small photo site that speaks the Unsplash API, on this machine only.

It serves a plan's photos, with their faults, or the files of a folder, without any.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from photosite.pictures.darkroom import PlanGallery
from photosite.pictures.folder_gallery import FolderGallery
from photosite.plan.plan import DemoPlan
from photosite.site.api import Api
from photosite.site.images import Images
from photosite.site.quota import Gate, Handler
from photosite.site.request_log import RequestLog

KEY = "demo"
ROBOTS = "User-agent: *\nDisallow: /demo/\n"


class PhotoSite:
    """The site as an asynchronous context; `url` is its address, without a slash at the end.

    `what` is a plan or a folder. `port` 0 takes a free one. `quota` limits API requests an hour
    (pictures are free). `workers` processes render a plan's pictures ahead, `cache` keeps them;
    workers are started anew as Python programs, so a script that asks for them needs the usual
    `if __name__ == "__main__"`. Without workers a picture is rendered when it is asked for.
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
        self._gate = Gate(KEY, quota)
        self._images = Images(self.gallery, self.log, has_faults=has_faults)
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
        app = web.Application(middlewares=[self._logged, self._gated])
        app.add_routes(Api(self.gallery, self.log).routes())
        app.add_routes(
            [
                web.get("/images/{id}", self._images.image),
                web.get("/robots.txt", self._robots),
                web.get("/demo/requests", self._requests),
            ]
        )
        return app

    @web.middleware
    async def _logged(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            self.log.seen(request.path, status)
        return response

    @web.middleware
    async def _gated(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await self._gate.check(request, handler)

    async def _robots(self, _: web.Request) -> web.Response:
        return web.Response(text=ROBOTS)

    async def _requests(self, _: web.Request) -> web.Response:
        return web.json_response(self.log.as_json())
