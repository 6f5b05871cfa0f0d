"""What there is to ask about: tables, snapshots, limits, and the description of the API itself."""

import asyncio
from dataclasses import asdict

from aiohttp import web

from catalog.lake import open_catalog
from catalog.schemas import TABLES
from catalog.web.keys import POOL, SETTINGS, WORKSPACE
from catalog.web.openapi import OPENAPI
from catalog.workspace import Workspace

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
async def openapi(_request: web.Request) -> web.Response:
    """Describe the API."""
    return web.json_response(OPENAPI)


def _schema(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT table_name AS name, column_name, data_type, coalesce(comment, '') AS comment "
            "FROM duckdb_columns() WHERE database_name = 'lake' AND schema_name = 'main' "
            "ORDER BY table_name, column_index"
        )
        meanings = catalog.records(
            "SELECT table_name AS name, coalesce(comment, '') AS comment FROM duckdb_tables() "
            "WHERE database_name = 'lake' AND schema_name = 'main' UNION ALL "
            "SELECT view_name, coalesce(comment, '') FROM duckdb_views() "
            "WHERE database_name = 'lake' AND schema_name = 'main' ORDER BY name"
        )
    columns: dict[object, list[dict[str, object]]] = {}
    for row in found:
        about = {"name": row["column_name"], "type": row["data_type"], "comment": row["comment"]}
        columns.setdefault(row["name"], []).append(about)
    return [
        {
            "name": row["name"],
            "kind": "table" if row["name"] in TABLES else "view",
            "comment": row["comment"],
            "columns": columns.get(row["name"], []),
        }
        for row in meanings
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
