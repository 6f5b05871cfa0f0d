"""Recorded photo objects of the Unsplash API, played back as the API gives them: lists carry no EXIF, details do."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from tests.fakes.fault_site import FaultSite, _id


class ReplaySite(FaultSite):
    """Serve `objects` with `pictures` by id; `gone` ids are listed no more and answered with 404."""

    def __init__(self, objects: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]) -> None:
        super().__init__(pictures)
        self.objects = {str(said["id"]): dict(said) for said in objects}
        self.queries: list[dict[str, str]] = []

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._counted])
        app.add_routes(
            [
                web.get("/photos/random", self._random),
                web.get("/users/{n}/likes", self._page),
                web.get("/photos", self._page),
                web.get("/search/photos", self._page),
                web.get("/robots.txt", self._robots),
                web.get("/photos/{id}", self._photo),
                web.get("/photos/{id}/download", self._download),
                web.get("/images/{id}", self._image),
            ]
        )
        return app

    def delete(self, name: str) -> None:
        """Delete a photo at its source."""
        self.order.remove(name)
        del self.objects[name]

    async def _random(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        count = int(request.query["count"])
        drawn = [self.order.pop(0) for _ in range(min(count, len(self.order)))]
        return self._refusal(request) or web.json_response([self.objects[name] for name in drawn])

    async def _page(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        return await super()._page(request)

    def _object(self, name: str) -> dict[str, object]:
        said = self.objects[name]
        return {key: value for key, value in said.items() if key not in ("exif", "location")}

    async def _photo(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        said = self.objects.get(_id(request))
        if said is None:
            return web.json_response({"errors": ["Couldn't find Photo"]}, status=404)
        return web.json_response(said, headers=self._left())
