"""SQL over HTTP: start a statement, wait for it, page through its rows, download, cancel."""

import json
from dataclasses import asdict

from aiohttp import web

from catalog.web.http.keys import CALLER, POOL, QUERIES, SETTINGS
from catalog.web.http.request_parsing import (
    json_body,
    query_flag,
    query_number,
    query_whole,
    statement,
)
from catalog.web.statements.query_registry import FORMATS, Asked, Query

routes = web.RouteTableDef()

MAX_WAIT_S = 60
MAX_PAGE = 1_000
_FAR = 10**9


@routes.post("/api/queries")
async def start(request: web.Request) -> web.Response:
    """Start a statement; 429 when too many wait."""
    body = await json_body(request)
    sql, parameters, as_of, limits = statement(
        body, request.app[SETTINGS], request.app[POOL].limits
    )
    asked = Asked(sql, parameters, as_of, limits, request[CALLER], request.remote or "")
    query = request.app[QUERIES].start(asked)
    answer = {"query_id": query.query_id, "state": query.state}
    return web.json_response(
        answer, status=201, headers={"Location": f"/api/queries/{query.query_id}"}
    )


@routes.get("/api/queries/{query_id}")
async def show(request: web.Request) -> web.Response:
    """Say how a statement stands; with `wait_s` wait for its end first."""
    query = _query(request)
    await request.app[QUERIES].wait(query, query_number(request, "wait_s", 0, 0, MAX_WAIT_S))
    return web.json_response(_about(query))


@routes.delete("/api/queries/{query_id}")
async def cancel(request: web.Request) -> web.Response:
    """Stop a statement."""
    query = _query(request)
    await request.app[QUERIES].cancel(query)
    return web.json_response(_about(query))


@routes.get("/api/queries/{query_id}/rows")
async def rows(request: web.Request) -> web.Response:
    """Give a page of the result, sorted by a column if asked to."""
    query = _query(request)
    page: dict[str, object] = {
        "offset": query_whole(request, "offset", 0, 0, _FAR),
        "limit": query_whole(request, "limit", 200, 1, MAX_PAGE),
        "order_by": request.query.get("order_by"),
        "descending": query_flag(request, "descending"),
    }
    found = await request.app[QUERIES].rows(query, page)
    about = {"columns": query.columns, "offset": page["offset"], "n_rows": query.n_rows}
    # The sandbox wrote the rows as JSON; they are passed on as they are.
    body = json.dumps(about).encode()[:-1] + b', "rows": ' + found + b"}"
    return web.Response(body=body, content_type="application/json", charset="utf-8")


@routes.get("/api/queries/{query_id}/summary")
async def summary(request: web.Request) -> web.Response:
    """Give minimum, maximum, quartiles and the like of every column of the result."""
    found = await request.app[QUERIES].summary(_query(request))
    return web.Response(body=found, content_type="application/json", charset="utf-8")


@routes.get(r"/api/queries/{query_id}/result.{style:json|csv|arrow|parquet}")
async def download(request: web.Request) -> web.StreamResponse:
    """Give the whole result as a file."""
    query, style = _query(request), request.match_info["style"]
    path = await request.app[QUERIES].export(query, style, exact=query_flag(request, "exact"))
    name = f"query-{query.query_id[:8]}.{style}"
    headers = {
        "Content-Type": FORMATS[style],
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
    }
    return web.FileResponse(path, headers=headers)


def _query(request: web.Request) -> Query:
    return request.app[QUERIES].find(request.match_info["query_id"])


def _about(query: Query) -> dict[str, object]:
    asked, outcome = query.asked, query.outcome
    return {
        "query_id": query.query_id,
        "state": query.state,
        "sql": asked.sql,
        "parameters": asked.parameters,
        "as_of": asked.as_of,
        "snapshot_id": outcome.snapshot_id if outcome else None,
        "columns": query.columns,
        "n_rows": query.n_rows,
        "truncated": bool(outcome and outcome.report.get("truncated")),
        "duration_ms": round(outcome.duration_ms, 1) if outcome else None,
        "error": outcome.error if outcome else None,
        "kind": outcome.kind if outcome else None,
        "limits": asdict(asked.limits),
    }
