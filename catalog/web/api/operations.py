"""HTTP handlers for those who run a server: is it alive, and figures for Prometheus."""

from aiohttp import web

from catalog.version import __version__
from catalog.web.http.app_keys import PREDICTIONS
from catalog.web.predictions.metrics import CONTENT_TYPE

routes = web.RouteTableDef()

_NO_STORE = {"Cache-Control": "no-store"}


@routes.get("/health")
async def health(_request: web.Request) -> web.Response:
    """Answer while the server answers at all; needs no token and reads no table."""
    return web.json_response({"status": "ok", "version": __version__}, headers=_NO_STORE)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Return the figures about predictions in the text format of Prometheus."""
    headers = _NO_STORE | {"Content-Type": CONTENT_TYPE}
    return web.Response(body=request.app[PREDICTIONS].metrics.text(), headers=headers)
