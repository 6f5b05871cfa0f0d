"""What there is to ask about: tables, snapshots, limits, and the description of the API itself."""

import asyncio
from dataclasses import asdict
from functools import cache

from aiohttp import web

from catalog.lake.describe import describe
from catalog.lake.lake import open_catalog
from catalog.web.api.openapi import described
from catalog.web.http.keys import POOL, SETTINGS, WORKSPACE
from catalog.workspace.workspace import Workspace

routes = web.RouteTableDef()


@routes.get("/api/schema")
async def schema(request: web.Request) -> web.Response:
    """List tables and views with their columns and what they mean."""
    return web.json_response(await asyncio.to_thread(_schema, request.app[WORKSPACE]))


@routes.get("/api/snapshots")
async def snapshots(request: web.Request) -> web.Response:
    """List the snapshots of the tables, newest first."""
    return web.json_response(await asyncio.to_thread(_snapshots, request.app[WORKSPACE]))


@routes.get("/api/limits")
async def limits(request: web.Request) -> web.Response:
    """Say what a statement may use, and which walls of the sandbox hold on this machine, as tried at the start."""
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
    longest, most = settings.max_timeout_s, pool.limits.max_rows
    return web.json_response(described(max_timeout_s=longest, max_rows=most))


@cache
def _schema(workspace: Workspace) -> list[dict[str, object]]:
    """Describe tables and views; they follow from the code, so once in the life of a server is enough."""
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
                "snapshot_id": found.snapshot_id,
                "at": found.at.isoformat(),
                "author": found.author,
                "message": found.message,
                "changes": found.changes,
            }
            for found in catalog.snapshots()
        ]
