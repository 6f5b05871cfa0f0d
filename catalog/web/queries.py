"""SQL over HTTP."""

import asyncio

from aiohttp import web

from catalog.lake import open_catalog
from catalog.schemas import TABLES
from catalog.web.keys import WORKSPACE
from catalog.workspace import Workspace

routes = web.RouteTableDef()


@routes.get("/api/schema")
async def schema(request: web.Request) -> web.Response:
    """List tables and views with their columns and what they mean."""
    listed = await asyncio.to_thread(_schema, request.app[WORKSPACE])
    return web.json_response(listed)


def _schema(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT table_name AS name, column_name, data_type, coalesce(comment, '') AS comment FROM duckdb_columns() "
            "WHERE database_name = 'lake' AND schema_name = 'main' ORDER BY table_name, column_index"
        )
        meanings = catalog.records(
            "SELECT table_name AS name, coalesce(comment, '') AS comment FROM duckdb_tables() "
            "WHERE database_name = 'lake' AND schema_name = 'main' UNION ALL SELECT view_name, coalesce(comment, '') FROM duckdb_views() "
            "WHERE database_name = 'lake' AND schema_name = 'main'"
        )
    columns: dict[str, list[dict[str, object]]] = {}
    for row in found:
        columns.setdefault(str(row["name"]), []).append(
            {"name": row["column_name"], "type": row["data_type"], "comment": row["comment"]}
        )
    return [
        {
            "name": row["name"],
            "kind": "table" if row["name"] in TABLES else "view",
            "comment": row["comment"],
            "columns": columns.get(str(row["name"]), []),
        }
        for row in meanings
    ]
