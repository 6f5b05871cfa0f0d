"""A gallery of figures over several pages of HTML, with a page that robots.txt forbids."""

from collections.abc import Mapping

from aiohttp import web

from tests.fakes.fault_site import FaultSite

PER_PAGE = 3


class GallerySite(FaultSite):
    """Serve `pictures`, three a page; every page also links to one that is forbidden."""

    def __init__(self, pictures: Mapping[str, bytes]) -> None:
        super().__init__(pictures, robots="User-agent: *\nDisallow: /secret\n")

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._counted])
        app.add_routes(
            [
                web.get("/robots.txt", self._robots),
                web.get("/pages/{n}", self._gallery),
                web.get("/images/{id}", self._image),
                web.get("/secret", self._secret),
            ]
        )
        return app

    async def _gallery(self, request: web.Request) -> web.Response:
        n = int(request.match_info["n"])
        shown = self.order[n * PER_PAGE : (n + 1) * PER_PAGE]
        figures = "".join(
            f'<figure data-kind="k{n}"><img src="/images/{name}"><figcaption>{name}</figcaption></figure>'
            for name in shown
        )
        more = f'<a class="next" href="/pages/{n + 1}">' if self.order[(n + 1) * PER_PAGE :] else ""
        text = f'{figures}<figure></figure>{more}<a class="next" href="/secret">'
        return web.Response(text=text, content_type="text/html")

    async def _secret(self, _: web.Request) -> web.Response:
        return web.Response(text="not for robots", content_type="text/html")
