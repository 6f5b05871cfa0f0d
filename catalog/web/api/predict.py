"""HTTP handlers of predictions: list the models, predict one picture, whose bytes are the body.

Nothing of a picture is stored or logged. The request names a model by its id; it holds no path and no address.
"""

import asyncio

import msgspec
from aiohttp import web

from catalog.errors import PictureRefusedError
from catalog.sandbox import MB
from catalog.web.api.request_types import PredictQuery
from catalog.web.http.app_keys import PREDICTIONS, SETTINGS
from catalog.web.http.errors import problem
from catalog.web.http.request_parsing import parse_query

routes = web.RouteTableDef()

_NO_STORE = {"Cache-Control": "no-store"}


@routes.get("/api/v1/models")
async def models(request: web.Request) -> web.Response:
    """List the models that predict pictures, the newest first."""
    listed = await request.app[PREDICTIONS].models()
    return _json({"models": listed})


@routes.post("/api/v1/predict")
async def predict(request: web.Request) -> web.Response:
    """Predict one picture."""
    model_id = parse_query(request, PredictQuery).model
    try:
        with request.app[PREDICTIONS].arriving():
            picture = await _read_picture(request)
        return _json(await request.app[PREDICTIONS].predict(model_id, picture))
    except PictureRefusedError as error:
        return problem(error.http_status, error.kind, str(error))


async def _read_picture(request: web.Request) -> bytes:
    """Read the body up to the limit of its size and time; raises `PictureRefusedError` and 408."""
    is_picture = request.content_type.startswith("image/")
    if not is_picture and request.content_type != "application/octet-stream":
        raise PictureRefusedError(
            "unsupported_media_type",
            "send the bytes of one picture as the body, with Content-Type: application/octet-stream",
        )
    most = request.app[SETTINGS].upload_mb * MB
    too_large = PictureRefusedError(
        "too_large", f"the file is larger than {request.app[SETTINGS].upload_mb} MB"
    )
    if (request.content_length or 0) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(request.app[SETTINGS].upload_timeout_s):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise too_large
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    if not body:
        raise PictureRefusedError("not_an_image", "the body is empty; send the bytes of a picture")
    return bytes(body)


def _json(content: object) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, content_type="application/json", headers=_NO_STORE)
