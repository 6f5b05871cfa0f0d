"""The review over HTTP: what waits for people, and what they decide about it. Pages are in `pages.py`."""

import asyncio
import re

from aiohttp import web

from catalog.lake.manual import KINDS
from catalog.web.http.keys import CALLER, DESK
from catalog.web.http.request_parsing import (
    BadRequestError,
    json_body,
    only,
    query_flag,
    query_whole,
    text,
)
from catalog.web.review.queues import find_queue
from catalog.web.review.review_session import Asked, Wanted

routes = web.RouteTableDef()

MAX_REASON = 500
MAX_PICTURES = 500
MAX_SEED = 2**31 - 1
MAX_SIZE = 1_000
_SENT = frozenset(["queue", "only", "item", "kind", "pictures", "reason", "seed", "size"])
_WORD = re.compile(r"[a-z0-9_]{0,100}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@routes.get("/api/review")
async def overview(request: web.Request) -> web.Response:
    """Count what waits in each queue."""
    return web.json_response(await asyncio.to_thread(request.app[DESK].overview))


@routes.get("/api/review/queues/{queue}")
async def queue(request: web.Request) -> web.Response:
    """Give the next items of a queue, with their evidence."""
    found = await asyncio.to_thread(
        request.app[DESK].page,
        _asked(request),
        after=request.query.get("after", "")[:100],
        limit=query_whole(request, "limit", 6, 1, 50),
        everything=query_flag(request, "everything"),
        by=request[CALLER],
    )
    return web.json_response(found)


@routes.post("/api/review/decisions")
async def decide(request: web.Request) -> web.Response:
    """Write a decision down."""
    body = await json_body(request)
    only(body, _SENT)
    asked = Asked(
        find_queue(text(body, "queue", 100)),
        _word(body.get("only", "")),
        seed=_number(body, "seed", 0, 0, MAX_SEED),
        size=_number(body, "size", 100, 1, MAX_SIZE),
    )
    kind = text(body, "kind", 100)
    if kind not in KINDS:
        raise BadRequestError(f"kind must be one of {', '.join(KINDS)}")
    reason = text(body, "reason", MAX_REASON) if body.get("reason") else ""
    wanted = Wanted(text(body, "item", 100), kind, _pictures(body), reason, request[CALLER])
    done = await asyncio.to_thread(request.app[DESK].decide, asked, wanted)
    return web.json_response(done, status=201)


@routes.delete("/api/review/queues/{queue}/decisions/{decision_id}")
async def undo(request: web.Request) -> web.Response:
    """Take a decision back."""
    name = request.match_info["decision_id"]
    done = await asyncio.to_thread(
        request.app[DESK].undo, _asked(request), name, by=request[CALLER]
    )
    return web.json_response(done)


def _asked(request: web.Request) -> Asked:
    """Read which queue an address means, and how somebody looks at it."""
    return Asked(
        find_queue(request.match_info["queue"]),
        _word(request.query.get("only", "")),
        query_whole(request, "seed", 0, 0, MAX_SEED),
        query_whole(request, "size", 100, 1, MAX_SIZE),
    )


def _word(given: object) -> str:
    if not isinstance(given, str) or not _WORD.fullmatch(given):
        raise BadRequestError("only must be a reason of the queue: a snake_case word")
    return given


def _pictures(body: dict[str, object]) -> tuple[str, ...]:
    given = body.get("pictures")
    listed = [] if given is None else given
    if not isinstance(listed, list) or len(listed) > MAX_PICTURES:
        raise BadRequestError(f"pictures must be a list of at most {MAX_PICTURES} SHA-256s")
    if not all(isinstance(each, str) and _SHA256.fullmatch(each) for each in listed):
        raise BadRequestError("a picture is named by its SHA-256: 64 hex digits")
    return tuple(listed)


def _number(body: dict[str, object], name: str, usual: int, least: int, most: int) -> int:
    value = body.get(name, usual)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 3.0 is a whole number in JSON
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadRequestError(f"{name} must be a whole number from {least} to {most}")
    return value
