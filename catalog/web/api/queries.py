"""HTTP handlers of SQL statements: start, wait, page through the rows, download, cancel."""

import json
from dataclasses import asdict, replace
from typing import cast

from aiohttp import web
from msgspec import UNSET

from catalog.sandbox import PageJob
from catalog.web.http.app_keys import CALLER, POOL, QUERIES, SETTINGS
from catalog.web.http.request_parsing import parse_body, parse_query
from catalog.web.openapi.request_types import DownloadQuery, RowsQuery, WaitQuery, statement_type
from catalog.web.statements.query_registry import FORMATS, Query, QueryRequest, Style

routes = web.RouteTableDef()


@routes.post("/api/queries")
async def start(request: web.Request) -> web.Response:
    """Start a statement; status 429 when too many wait."""
    usual = request.app[POOL].limits
    kind = statement_type(request.app[SETTINGS].max_timeout_s, usual.max_rows)
    body = await parse_body(request, kind)
    limits = replace(
        usual,
        timeout_s=body.timeout_s or usual.timeout_s,
        max_rows=body.max_rows or usual.max_rows,
    )
    query = request.app[QUERIES].start(
        QueryRequest(
            body.sql,
            body.parameters or {},
            body.as_of,
            limits,
            request[CALLER],
            request.remote or "",
        )
    )
    response = {"query_id": query.query_id, "state": query.state}
    return web.json_response(
        response, status=201, headers={"Location": f"/api/queries/{query.query_id}"}
    )


@routes.get("/api/queries/{query_id}")
async def show(request: web.Request) -> web.Response:
    """Return the state of a statement; with `wait_s`, wait for its end first."""
    query = _query(request)
    await request.app[QUERIES].wait(query, parse_query(request, WaitQuery).wait_s)
    return web.json_response(_description(query))


@routes.delete("/api/queries/{query_id}")
async def cancel(request: web.Request) -> web.Response:
    """Stop a statement."""
    query = _query(request)
    await request.app[QUERIES].cancel(query)
    return web.json_response(_description(query))


@routes.get("/api/queries/{query_id}/rows")
async def rows(request: web.Request) -> web.Response:
    """Return a page of the result, sorted by `order_by` if set."""
    query = _query(request)
    selection = parse_query(request, RowsQuery)
    order_by = None if selection.order_by is UNSET else selection.order_by
    page = PageJob(selection.offset, selection.limit, order_by, selection.descending)
    rows_json = await request.app[QUERIES].rows(query, page)
    head = {"columns": query.columns, "offset": page.offset, "n_rows": query.n_rows}
    # The sandbox wrote the rows as JSON text, which goes into the response unparsed.
    body = json.dumps(head).encode()[:-1] + b', "rows": ' + rows_json + b"}"
    return web.Response(body=body, content_type="application/json", charset="utf-8")


@routes.get("/api/queries/{query_id}/summary")
async def summary(request: web.Request) -> web.Response:
    """Return the SUMMARIZE of a result: minimum, maximum, quartiles of each column."""
    body = await request.app[QUERIES].summary(_query(request))
    return web.Response(body=body, content_type="application/json", charset="utf-8")


@routes.get("/api/queries/{query_id}/facets")
async def facets(request: web.Request) -> web.Response:
    """Return how often the values of each column with few values occur."""
    body = await request.app[QUERIES].facets(_query(request))
    return web.Response(body=body, content_type="application/json", charset="utf-8")


@routes.get(r"/api/queries/{query_id}/result.{style:json|csv|arrow|parquet}")
async def download(request: web.Request) -> web.StreamResponse:
    """Return the whole result as a file."""
    query, style = _query(request), cast("Style", request.match_info["style"])
    path = await request.app[QUERIES].export(
        query, style, exact=parse_query(request, DownloadQuery).exact
    )
    name = f"query-{query.query_id[:8]}.{style}"
    headers = {
        "Content-Type": FORMATS[style],
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
    }
    return web.FileResponse(path, headers=headers)


def _query(request: web.Request) -> Query:
    return request.app[QUERIES].find(request.match_info["query_id"])


def _description(query: Query) -> dict[str, object]:
    statement, outcome = query.request, query.outcome
    return {
        "query_id": query.query_id,
        "state": query.state,
        "sql": statement.sql,
        "parameters": statement.parameters,
        "as_of": statement.as_of,
        "snapshot_id": outcome.snapshot_id if outcome else None,
        "columns": query.columns,
        "n_rows": query.n_rows,
        "truncated": bool(outcome and outcome.report.get("truncated")),
        "duration_ms": round(outcome.duration_ms, 1) if outcome else None,
        "error": outcome.error if outcome else None,
        "kind": outcome.kind if outcome else None,
        "limits": asdict(statement.limits),
    }
