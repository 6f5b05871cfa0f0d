"""HTTP handlers of metadata: tables, snapshots, limits, and the OpenAPI description of the API."""

import asyncio
from dataclasses import asdict
from functools import cache

from aiohttp import web

from catalog.lake.describe import describe
from catalog.lake.lake import open_catalog
from catalog.web.http.app_keys import POOL, SETTINGS, WORKSPACE
from catalog.web.openapi.document import openapi_document
from catalog.workspace.workspace import Workspace

routes = web.RouteTableDef()


@routes.get("/api/schema")
async def schema(request: web.Request) -> web.Response:
    """List tables and views with their columns and meanings."""
    return web.json_response(await asyncio.to_thread(_schema, request.app[WORKSPACE]))


@routes.get("/api/snapshots")
async def snapshots(request: web.Request) -> web.Response:
    """List the snapshots of the tables, newest first."""
    return web.json_response(await asyncio.to_thread(_snapshots, request.app[WORKSPACE]))


@routes.get("/api/limits")
async def limits(request: web.Request) -> web.Response:
    """Return the limits of a statement, and which restrictions of the sandbox passed the test at the server's start."""
    settings, pool = request.app[SETTINGS], request.app[POOL]
    return web.json_response(
        {
            "limits": asdict(pool.limits),
            "max_timeout_s": settings.max_timeout_s,
            "max_running": settings.max_running,
            "max_waiting": settings.max_waiting,
            "result_age_s": settings.result_age_s,
            "sandbox": dict(pool.closed),
        }
    )


@routes.get("/api/openapi.json")
async def openapi(request: web.Request) -> web.Response:
    """Describe the API, with the limits of this server."""
    settings, pool = request.app[SETTINGS], request.app[POOL]
    return web.json_response(
        openapi_document(max_timeout_s=settings.max_timeout_s, max_rows=pool.limits.max_rows)
    )


@cache
def _schema(workspace: Workspace) -> list[dict[str, object]]:
    """Describe tables and views; they depend on the code alone, so a server computes them once."""
    with open_catalog(workspace) as catalog:
        return [
            {
                "name": each.name,
                "kind": each.kind,
                "comment": each.meaning,
                "columns": [
                    {"name": c.name, "type": c.kind, "comment": c.comment} for c in each.columns
                ],
            }
            for each in sorted(describe(catalog), key=lambda each: each.name)
        ]


def _snapshots(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        return [
            {
                "snapshot_id": snapshot.snapshot_id,
                "at": snapshot.at.isoformat(),
                "author": snapshot.author,
                "message": snapshot.message,
                "changes": snapshot.changes,
            }
            for snapshot in catalog.snapshots()
        ]
