"""HTTP handlers of the review: queues, items, decisions. Its pages are in `pages.py`."""

import asyncio

from aiohttp import web

from catalog.web.http.app_keys import CALLER, REVIEW_SESSION
from catalog.web.http.request_parsing import parse_body, parse_query
from catalog.web.openapi.request_types import NewDecision, QueuePageQuery, QueueQuery
from catalog.web.review.decision_request import DecisionRequest, QueueFilter
from catalog.web.review.queues import find_queue

routes = web.RouteTableDef()


@routes.get("/api/review")
async def overview(request: web.Request) -> web.Response:
    """Count the open items of each queue."""
    return web.json_response(await asyncio.to_thread(request.app[REVIEW_SESSION].overview))


@routes.get("/api/review/queues/{queue}")
async def queue(request: web.Request) -> web.Response:
    """Return the next items of a queue, with their evidence."""
    query = parse_query(request, QueuePageQuery)
    page = await asyncio.to_thread(
        request.app[REVIEW_SESSION].page,
        _queue_filter(request.match_info["queue"], query),
        after=query.after[:100],
        limit=query.limit,
        everything=query.everything,
        by=request[CALLER],
    )
    return web.json_response(page)


@routes.post("/api/review/decisions")
async def decide(request: web.Request) -> web.Response:
    """Record a decision."""
    body = await parse_body(request, NewDecision)
    decision = DecisionRequest(
        body.item, body.kind, tuple(body.pictures or ()), body.reason or "", request[CALLER]
    )
    progress = await asyncio.to_thread(
        request.app[REVIEW_SESSION].decide, _queue_filter(body.queue, body), decision
    )
    return web.json_response(progress, status=201)


@routes.delete("/api/review/queues/{queue}/decisions/{decision_id}")
async def undo(request: web.Request) -> web.Response:
    """Undo a decision."""
    query = parse_query(request, QueueQuery)
    progress = await asyncio.to_thread(
        request.app[REVIEW_SESSION].undo,
        _queue_filter(request.match_info["queue"], query),
        request.match_info["decision_id"],
        by=request[CALLER],
    )
    return web.json_response(progress)


def _queue_filter(queue: str, query: QueueQuery | NewDecision) -> QueueFilter:
    return QueueFilter(find_queue(queue), query.only, query.seed, query.size)
