"""HTTP handlers of selected pictures: keep or drop them, give them a label, undo. Decisions are those of the review."""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from catalog.web.api.labels import person_of
from catalog.web.http.app_keys import CALLER, LABEL_SESSION, REVIEW_SESSION
from catalog.web.http.request_parsing import parse_body
from catalog.web.openapi.request_types import NewSelectionDecision, NewSelectionLabel
from catalog.web.review.decision_request import DecisionRequest

routes = web.RouteTableDef()

_ITEM = "selection"


@routes.post("/api/selection/decisions")
async def decide(request: web.Request) -> web.Response:
    """Keep or drop the selected pictures; the next curation run applies it."""
    body = await parse_body(request, NewSelectionDecision)
    decision = DecisionRequest(
        _ITEM, body.kind, tuple(body.pictures), body.reason or "selected", request[CALLER]
    )
    session = request.app[REVIEW_SESSION]
    return await _answer(lambda: session.decide_pictures(decision), status=201)


@routes.delete(r"/api/selection/decisions/{decision_id}")
async def undo_decision(request: web.Request) -> web.Response:
    """Undo a decision of the caller about selected pictures."""
    session, by = request.app[REVIEW_SESSION], request[CALLER]
    decision_id = request.match_info["decision_id"]
    return await _answer(lambda: session.undo_pictures(decision_id, by=by))


@routes.post("/api/selection/labels")
async def label(request: web.Request) -> web.Response:
    """Give the selected pictures one label."""
    body = await parse_body(request, NewSelectionLabel)
    session, by = request.app[LABEL_SESSION], person_of(request)
    pictures, task, value = body.pictures, body.task, body.value
    return await _answer(lambda: session.label_pictures(task, pictures, value, by), status=201)


@routes.delete(r"/api/selection/labels/{batch}")
async def undo_label(request: web.Request) -> web.Response:
    """Take back a label that the caller gave selected pictures."""
    session, by = request.app[LABEL_SESSION], person_of(request)
    batch = request.match_info["batch"]
    return await _answer(lambda: session.undo_pictures(batch, by))


async def _answer(function: Callable[[], object], *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(await asyncio.to_thread(function))
    return web.Response(body=body, status=status, content_type="application/json")
