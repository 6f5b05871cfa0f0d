"""HTTP handlers of the review: queues, items, decisions. Its pages are in `pages.py`."""

import asyncio
import re

from aiohttp import web

from catalog.lake.manual import KINDS
from catalog.web.http.app_keys import CALLER, REVIEW_SESSION
from catalog.web.http.request_parsing import (
    BadRequestError,
    check_names,
    json_body,
    query_flag,
    query_whole,
    text,
)
from catalog.web.review.decision_request import DecisionRequest, QueueFilter
from catalog.web.review.queues import find_queue

routes = web.RouteTableDef()

MAX_REASON = 500
MAX_PICTURES = 500
MAX_SEED = 2**31 - 1
MAX_SIZE = 1_000
_FIELDS = frozenset(["queue", "only", "item", "kind", "pictures", "reason", "seed", "size"])
_WORD = re.compile(r"[a-z0-9_]{0,100}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@routes.get("/api/review")
async def overview(request: web.Request) -> web.Response:
    """Count the open items of each queue."""
    return web.json_response(await asyncio.to_thread(request.app[REVIEW_SESSION].overview))


@routes.get("/api/review/queues/{queue}")
async def queue(request: web.Request) -> web.Response:
    """Return the next items of a queue, with their evidence."""
    page = await asyncio.to_thread(
        request.app[REVIEW_SESSION].page,
        _queue_filter(request),
        after=request.query.get("after", "")[:100],
        limit=query_whole(request, "limit", 6, 1, 50),
        everything=query_flag(request, "everything"),
        by=request[CALLER],
    )
    return web.json_response(page)


@routes.post("/api/review/decisions")
async def decide(request: web.Request) -> web.Response:
    """Record a decision."""
    body = await json_body(request)
    check_names(body, _FIELDS)
    selection = QueueFilter(
        find_queue(text(body, "queue", 100)),
        _word(body.get("only", "")),
        seed=_number(body, "seed", 0, 0, MAX_SEED),
        size=_number(body, "size", 100, 1, MAX_SIZE),
    )
    kind = text(body, "kind", 100)
    if kind not in KINDS:
        raise BadRequestError(f"kind must be one of {', '.join(KINDS)}")
    reason = text(body, "reason", MAX_REASON) if body.get("reason") else ""
    decision = DecisionRequest(
        text(body, "item", 100), kind, _pictures(body), reason, request[CALLER]
    )
    progress = await asyncio.to_thread(request.app[REVIEW_SESSION].decide, selection, decision)
    return web.json_response(progress, status=201)


@routes.delete("/api/review/queues/{queue}/decisions/{decision_id}")
async def undo(request: web.Request) -> web.Response:
    """Undo a decision."""
    name = request.match_info["decision_id"]
    progress = await asyncio.to_thread(
        request.app[REVIEW_SESSION].undo, _queue_filter(request), name, by=request[CALLER]
    )
    return web.json_response(progress)


def _queue_filter(request: web.Request) -> QueueFilter:
    """Read the queue and its filter from the address."""
    return QueueFilter(
        find_queue(request.match_info["queue"]),
        _word(request.query.get("only", "")),
        query_whole(request, "seed", 0, 0, MAX_SEED),
        query_whole(request, "size", 100, 1, MAX_SIZE),
    )


def _word(value: object) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise BadRequestError("only must be a reason of the queue: a snake_case word")
    return value


def _pictures(body: dict[str, object]) -> tuple[str, ...]:
    value = body.get("pictures")
    shas = [] if value is None else value
    if not isinstance(shas, list) or len(shas) > MAX_PICTURES:
        raise BadRequestError(f"pictures must be a list of at most {MAX_PICTURES} SHA-256s")
    if not all(isinstance(each, str) and _SHA256.fullmatch(each) for each in shas):
        raise BadRequestError("a picture is named by its SHA-256: 64 hex digits")
    return tuple(shas)


def _number(body: dict[str, object], name: str, usual: int, least: int, most: int) -> int:
    value = body.get(name, usual)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 3.0 is a whole number in JSON
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadRequestError(f"{name} must be a whole number from {least} to {most}")
    return value
