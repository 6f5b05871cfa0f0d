"""HTTP handlers of similar pictures: nearest to a picture or an upload, the map of all, and its colours.

Nothing of an uploaded picture is stored or logged. The pages are in `pages.py`.
"""

from typing import cast

import msgspec
import numpy as np
from aiohttp import web

from catalog.errors import AssetNotFoundError
from catalog.web.http.app_keys import SIMILARITY
from catalog.web.http.request_parsing import parse_query
from catalog.web.http.uploads import read_picture
from catalog.web.openapi.request_types import ColourQuery, MapQuery, SimilarQuery
from catalog.web.similarity.searcher import MOST_POINTS, EmbeddingMap, EmbeddingMethod

routes = web.RouteTableDef()

WAIT_S = 10.0
"""How long a request waits for a map; after that it is asked again."""
_NO_STORE = {"Cache-Control": "no-store"}


@routes.get(r"/api/v1/similar/{sha256:[0-9a-f]{64}}")
async def nearest(request: web.Request) -> web.Response:
    """Return the pictures that look most like one of the catalog."""
    limit = parse_query(request, SimilarQuery).limit
    return _json(await request.app[SIMILARITY].nearest(request.match_info["sha256"], limit))


@routes.post("/api/v1/similar")
async def nearest_to_upload(request: web.Request) -> web.Response:
    """Return the pictures that look most like an uploaded one."""
    limit = parse_query(request, SimilarQuery).limit
    similar = await request.app[SIMILARITY].nearest_to(lambda: read_picture(request), limit)
    return _json(similar)


@routes.get("/api/v1/map")
async def describe_map(request: web.Request) -> web.Response:
    """Describe the map of all pictures; it is made on the first request, which may take a while."""
    method = cast("EmbeddingMethod", parse_query(request, MapQuery).method)
    service = request.app[SIMILARITY]
    made = await service.embedding_map(method, WAIT_S)
    about: dict[str, object] = {
        "method": method,
        "methods": list(await service.methods()),
        "is_ready": made is not None,
    }
    if made is not None:
        about |= {
            "key": made.key,
            "model_id": made.model_id,
            "points": len(made.pictures),
            "total": made.total,
            "most": MOST_POINTS,
            "explained": [round(share, 4) for share in made.explained],
            "seconds": round(made.seconds, 3),
            "columns": await service.columns(),
        }
    return _json(about)


@routes.get("/api/v1/map/points")
async def points(request: web.Request) -> web.Response:
    """Return the points of a map: 32 bytes of SHA-256 each, then all x, then all y as 32-bit floats, little endian."""
    made = await _ready_map(request, parse_query(request, MapQuery))
    etag = f'"{made.method}-{made.key}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": etag, "X-Map-Key": made.key}
    if any(f'"{each.value}"' == etag for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    names = bytes.fromhex("".join(made.pictures))
    places = (np.ascontiguousarray(axis, "<f4").tobytes() for axis in (made.x, made.y))
    body = b"".join([names, *places])
    return web.Response(body=body, content_type="application/octet-stream", headers=headers)


@routes.get("/api/v1/map/colours")
async def colours(request: web.Request) -> web.Response:
    """Return the values of one column for the points of a map."""
    query = parse_query(request, ColourQuery)
    made = await _ready_map(request, query)
    if query.key not in ("", made.key):
        raise AssetNotFoundError("the map is another one by now: load the page again")
    return _json(await request.app[SIMILARITY].colours(query.column, made.pictures))


async def _ready_map(request: web.Request, query: MapQuery) -> EmbeddingMap:
    method = cast("EmbeddingMethod", query.method)
    made = await request.app[SIMILARITY].embedding_map(method, WAIT_S)
    if made is None:
        raise AssetNotFoundError("the map is being made; ask again in a moment")
    return made


def _json(content: object) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, content_type="application/json", headers=_NO_STORE)
