"""An address that gives the next of its faces at each request, and says as little about them as the real one."""

from collections.abc import Sequence

from aiohttp import web

from tests.fakes.fault_site import FaultSite


class FacesSite(FaultSite):
    """Serve `faces` in their order, the last one again and again; a null is a failure."""

    def __init__(self, faces: Sequence[bytes | None]) -> None:
        super().__init__()
        self.faces = list(faces)
        self.drawn = 0

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._counted])
        app.add_routes([web.get("/robots.txt", self._robots), web.get("/", self._face)])
        return app

    async def _face(self, _: web.Request) -> web.Response:
        face = self.faces[min(self.drawn, len(self.faces) - 1)]
        self.drawn += 1
        if face is None:
            return web.Response(status=404)
        return web.Response(body=face, content_type="image/jpeg")
