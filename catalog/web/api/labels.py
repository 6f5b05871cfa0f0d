"""HTTP handlers of labelling: tasks, the next pictures, labels, undo, a release. Its page is in `pages.py`."""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from catalog.lake.manual import LOCAL
from catalog.web.http.app_keys import CALLER, LABEL_SESSION, WORKSPACE
from catalog.web.http.request_parsing import parse_body, parse_query
from catalog.web.labelling.publish_labels import publish_labels
from catalog.web.openapi.request_types import LabelQuery, NewLabel, NewLabelRelease

routes = web.RouteTableDef()


@routes.get("/api/labels")
async def tasks(request: web.Request) -> web.Response:
    """List the tasks."""
    return await _answer(request.app[LABEL_SESSION].tasks)


@routes.get("/api/labels/{task}")
async def page(request: web.Request) -> web.Response:
    """Return the next pictures and the progress."""
    by, session = person_of(request), request.app[LABEL_SESSION]
    return await _answer(lambda: session.page(request.match_info["task"], by))


@routes.post("/api/labels/{task}")
async def judge(request: web.Request) -> web.Response:
    """Record a label."""
    body = await parse_body(request, NewLabel)
    by, session = person_of(request), request.app[LABEL_SESSION]
    task = request.match_info["task"]
    return await _answer(lambda: session.judge(task, body.picture, body.value, by), status=201)


@routes.delete("/api/labels/{task}/last")
async def undo(request: web.Request) -> web.Response:
    """Take back the caller's last label."""
    by, session = person_of(request), request.app[LABEL_SESSION]
    return await _answer(lambda: session.undo(request.match_info["task"], by))


@routes.post("/api/labels/{task}/releases")
async def release(request: web.Request) -> web.Response:
    """Publish the labels of a task."""
    body = await parse_body(request, NewLabelRelease)
    workspace, session = request.app[WORKSPACE], request.app[LABEL_SESSION]

    def publish() -> object:
        session.commit()
        return publish_labels(workspace, body.dataset, request.match_info["task"])

    return await _answer(publish, status=201)


def person_of(request: web.Request) -> str:
    """Return who labels: the name of the token; without tokens the name that the page gives."""
    given = parse_query(request, LabelQuery).by
    return given or LOCAL if request[CALLER] == LOCAL else request[CALLER]


async def _answer(function: Callable[[], object], *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(await asyncio.to_thread(function))
    return web.Response(body=body, status=status, content_type="application/json")
