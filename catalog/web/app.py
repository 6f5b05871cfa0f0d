"""Put the web application together and run it."""

from collections.abc import Mapping

from aiohttp import web

from catalog.web import pages, queries, releases
from catalog.web.errors import errors_as_json
from catalog.web.keys import SETTINGS, WORKSPACE
from catalog.web.security import add_headers, known_host, own_pages_only
from catalog.web.settings import ServeSettings
from catalog.workspace import Workspace

__all__ = ["ServeSettings", "make_app"]

MAX_BODY = 2**20
"""Bytes of a request body: a statement and its parameters."""


def make_app(
    workspace: Workspace,
    settings: ServeSettings,
    mounts: Mapping[str, web.Application] | None = None,
) -> web.Application:
    """Make the application of one workspace; `mounts` are applications of other rooms by path."""
    app = web.Application(
        middlewares=[errors_as_json, known_host, own_pages_only], client_max_size=MAX_BODY
    )
    app[WORKSPACE] = workspace
    app[SETTINGS] = settings
    for module in (queries, pages, releases):
        app.add_routes(module.routes)
    for path, part in (mounts or {}).items():
        app.add_subapp(path, part)
    app.on_response_prepare.append(add_headers)
    return app
